/* stream.c - the bytes of one tensor in its new type and order of rows, a few rows at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

enum { PIECE_VALUES = 1 << 20 }; /* values of one piece: 4 MiB as f32 */

typedef struct {
    const planned_tensor *plan;
    int64_t first, rows, cols; /* rows [first, first + rows) are in work */
    float *values, *back;      /* of the piece: what was read, what its new bytes say */
    char *bytes;
    double *sum_error, *sum_value, *max_error; /* (rows): added up in row order */
} piece;

/* The row of the source that becomes row r: pair i of a head is (i, i + d/2) there, (2i, 2i + 1) here. */
static int64_t source_row(const planned_tensor *p, int64_t r) {
    if (p->heads <= 0) return r;
    int64_t d = p->from.ne[0] / p->heads;
    return r / d * d + r % d % 2 * (d / 2) + r % d / 2;
}

static const void *row_at(const planned_tensor *p, int64_t r) {
    size_t size = dtype_bytes(p->from.type, p->from.nd > 1 ? tensor_cols(&p->from) : 1);
    return (const char *)p->from.data + (size_t)source_row(p, r) * size;
}

static void measure(const piece *j, int64_t r) {
    double error = 0, value = 0, most = 0;
    for (int64_t i = 0; i < j->cols; i++) {
        double x = j->values[r * j->cols + i], e = (double)j->back[r * j->cols + i] - x;
        error += e * e, value += x * x;
        if (!(fabs(e) <= most)) most = fabs(e);
    }
    j->sum_error[r] = error, j->sum_value[r] = value, j->max_error[r] = most;
}

static bool all_finite(const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static void convert_rows(void *arg, int64_t first, int64_t last, int thread) {
    const piece *j = arg;
    const planned_tensor *p = j->plan;
    size_t size = dtype_bytes(p->type, j->cols);
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        float *x = j->values + r * j->cols;
        char *to = j->bytes + (size_t)r * size;
        kernels_generic.to_f32(x, row_at(p, j->first + r), dtype_kernel(p->from.type), j->cols);
        if (!all_finite(x, j->cols)) {
            j->max_error[r] = NAN;
            continue;
        }
        kernel_encode(to, x, dtype_kernel(p->type), j->cols);
        kernels_generic.to_f32(j->back + r * j->cols, to, dtype_kernel(p->type), j->cols);
        measure(j, r);
    }
}

/* Where the file's values themselves are not numbers, max_error is NAN; where the new ones are not, it is infinite. */
static lmm_status check_row(const piece *j, int64_t r) {
    if (isfinite(j->max_error[r])) return LMM_OK;
    return isnan(j->max_error[r])
               ? LMM_FAIL(LMM_E_FORMAT, "tensor '%s' has a value in row %" PRId64 " that is no finite number", j->plan->name, j->first + r)
               : LMM_FAIL(LMM_E_LIMIT, "tensor '%s' has a value in row %" PRId64 " that is too large for %s", j->plan->name, j->first + r,
                          dtype_name(j->plan->type));
}

static lmm_status piece_open(piece *j, int64_t rows) {
    void *values = NULL, *back = NULL, *bytes = NULL;
    size_t count = (size_t)rows * (size_t)j->cols;
    lmm_status st = mem_try(&values, count * sizeof(float), "rows in work");
    if (!st) st = mem_try(&back, count * sizeof(float), "rows in work");
    if (!st) st = mem_try(&bytes, (size_t)rows * dtype_bytes(j->plan->type, j->cols), "rows in work");
    j->values = values, j->back = back, j->bytes = bytes;
    j->sum_error = mem_new(3 * (size_t)rows, sizeof(double));
    j->sum_value = j->sum_error + rows, j->max_error = j->sum_value + rows;
    return st;
}

static void piece_close(piece *j) {
    free(j->values);
    free(j->back);
    free(j->bytes);
    free(j->sum_error);
}

static lmm_status stream_converted(const planned_tensor *p, pool *threads, sink_fn sink, void *arg, tensor_error *error) {
    piece j = {.plan = p, .cols = tensor_cols(&p->from)};
    int64_t all = tensor_rows(&p->from), step = j.cols < PIECE_VALUES ? PIECE_VALUES / j.cols : 1;
    double sum_error = 0, sum_value = 0;
    *error = (tensor_error){0};
    if (all < step) step = all;
    lmm_status st = piece_open(&j, step);
    for (; j.first < all && !st; j.first += j.rows) {
        j.rows = min_i64(step, all - j.first);
        int64_t grain = 65536 / j.cols;
        parallel_for(threads, j.rows, grain > 0 ? grain : 1, convert_rows, &j);
        for (int64_t r = 0; r < j.rows && !st; r++) {
            st = check_row(&j, r);
            sum_error += j.sum_error[r], sum_value += j.sum_value[r];
            error->max = fmax(error->max, j.max_error[r]);
        }
        if (!st) st = sink(arg, j.bytes, (size_t)j.rows * dtype_bytes(p->type, j.cols));
    }
    piece_close(&j);
    error->rms = sqrt(sum_error / (double)tensor_count(&p->from));
    error->relative = sum_value > 0 ? sqrt(sum_error / sum_value) : 0;
    return st;
}

lmm_status tensor_stream(const planned_tensor *p, pool *threads, sink_fn sink, void *arg, tensor_error *error) {
    *error = (tensor_error){0};
    if (tensor_count(&p->from) == 0) return LMM_OK;
    if (!p->from.data) return stream_random(p, threads, sink, arg);
    if (p->type != p->from.type) return stream_converted(p, threads, sink, arg, error);
    if (p->heads <= 0) return sink(arg, p->from.data, tensor_size(&p->from));
    lmm_status st = LMM_OK;
    size_t row = tensor_size(&p->from) / (size_t)p->from.ne[0];
    for (int64_t r = 0; r < p->from.ne[0] && !st; r++) st = sink(arg, row_at(p, r), row);
    return st;
}
