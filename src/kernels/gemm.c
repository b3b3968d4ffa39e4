/* gemm.c - the products cut into tasks for a pool.
 *
 * A task is a rectangle of y; k is never cut, so the cut changes no bit (kernels.h). */
#include "kernels/kernels_int.h"

enum { TASK_MAX = 512, TASK_MIN = 64, TASKS_A_THREAD = 2 }; /* rows and columns of a task; enough tasks for balance, few to pack for */
enum { COLUMNS = 32 };                                      /* of the widest tile: a narrower rest costs as much as a whole one */
static const int64_t INLINE_MAX = 50000;                    /* multiply-adds that are done sooner than a team wakes up */

typedef struct {
    int rows, columns, row_tasks, column_tasks;
} cut;

static int ceil_div(int a, int b) { return (a + b - 1) / b; }

/* What a task packs grows with rows + columns, what it computes with rows * columns: large and square is best. */
static cut make_cut(int m, int n, int wanted) {
    cut c = {.rows = min_int(m, TASK_MAX), .columns = min_int(n, TASK_MAX)};
    for (;;) {
        c.row_tasks = ceil_div(m, c.rows), c.column_tasks = ceil_div(n, c.columns);
        int *side = c.rows > c.columns ? &c.rows : &c.columns;
        if (c.row_tasks * c.column_tasks >= wanted || *side <= TASK_MIN) return c;
        *side = ceil_div(*side, 2);
        if (side == &c.columns) *side = ceil_div(*side, COLUMNS) * COLUMNS;
    }
}

typedef struct {
    const kernels *k;
    gemm_form form;
    bool in_bf16;
    cut cut;
    float *y;
    int64_t ldy;
    const float *a;
    int64_t lda;
    const void *b;
    int64_t ldb;
    kernel_type bt;
    int m, n, kk;
    bool accumulate;
    q8_rows q8; /* nt with a as integers, when it has digits */
} job;

/* y (m, n) of kk steps from floats. */
static void multiply(const job *j, float *y, const float *a, const void *b, int64_t ldb, kernel_type bt, int m, int n, int kk,
                     bool accumulate) {
    gemm_here(j->k, j->form, j->in_bf16, y, j->ldy, a, j->lda, b, ldb, bt, m, n, kk, accumulate);
}

/* ---- blocks: a panel of the weights is brought to f32 on the stack, and multiplied as f32 ----
 *
 * A panel is KERNEL_K_BLOCK steps of k, at which gemm_nt ends a chain anyway, so cutting there changes no bit; gemm_nn's chain goes on from y. */

enum { PANEL_ROWS = 256, PANEL_ROWS_FEW = 16, FEW = 4 }; /* weights used by few rows only stay in the nearest cache */

static void unpack(const job *j, float *panel, int64_t row, int rows, int64_t col, int columns) {
    size_t row_size = kernel_type_bytes(j->bt, j->ldb);
    const char *from = (const char *)j->b + (size_t)row * row_size + kernel_type_bytes(j->bt, col);
    for (int i = 0; i < rows; i++, from += row_size) j->k->to_f32(panel + i * KERNEL_K_BLOCK, from, j->bt, columns);
}

static void run_blocks_nt(const job *j, float *y, int64_t row, int64_t col, int rows, int columns) {
    _Alignas(64) float panel[PANEL_ROWS * KERNEL_K_BLOCK];
    int step = rows <= FEW ? PANEL_ROWS_FEW : PANEL_ROWS;
    for (int c = 0; c < columns; c += step)
        for (int l = 0; l < j->kk; l += KERNEL_K_BLOCK) {
            int n = min_int(step, columns - c), k = min_int(KERNEL_K_BLOCK, j->kk - l);
            unpack(j, panel, col + c, n, l, k);
            multiply(j, y + c, j->a + row * j->lda + l, panel, KERNEL_K_BLOCK, KT_F32, rows, n, k, j->accumulate || l > 0);
        }
}

static void run_blocks_nn(const job *j, float *y, int64_t row, int64_t col, int rows, int columns) {
    _Alignas(64) float panel[PANEL_ROWS * KERNEL_K_BLOCK];
    int skip = (int)(col % KERNEL_K_BLOCK); /* a task may begin inside a block */
    for (int c = -skip; c < columns; c += KERNEL_K_BLOCK)
        for (int l = 0; l < j->kk; l += PANEL_ROWS) {
            int first = max_int(c, 0), n = min_int(c + KERNEL_K_BLOCK, columns) - first, k = min_int(PANEL_ROWS, j->kk - l);
            unpack(j, panel, l, k, col + c, (int)min_i64(KERNEL_K_BLOCK, j->ldb - (col + c)));
            multiply(j, y + first, j->a + row * j->lda + l, panel + first - c, KERNEL_K_BLOCK, KT_F32, rows, n, k, j->accumulate || l > 0);
        }
}

static void run_task(const job *j, int64_t task) {
    int64_t row = task % j->cut.row_tasks * j->cut.rows, col = task / j->cut.row_tasks * j->cut.columns;
    int rows = min_int(j->cut.rows, j->m - (int)row), columns = min_int(j->cut.columns, j->n - (int)col);
    float *y = j->y + row * j->ldy + col;
    const char *b = j->b;
    if (j->q8.digit_count) j->k->q8_dots(y, j->ldy, &j->q8, row, rows, b + (size_t)col * kernel_type_bytes(j->bt, j->kk), j->bt, columns);
    else if (kernel_type_block(j->bt) > 1) (j->form == GEMM_NT ? run_blocks_nt : run_blocks_nn)(j, y, row, col, rows, columns);
    else
        multiply(j, y, j->a + (j->form == GEMM_TN ? row : row * j->lda),
                 b + kernel_type_bytes(j->bt, j->form == GEMM_NT ? col * j->ldb : col), j->ldb, j->bt, rows, columns, j->kk, j->accumulate);
}

static void run_tasks(void *arg, int64_t first, int64_t last, int thread) {
    (void)thread;
    for (int64_t t = first; t < last; t++) run_task(arg, t);
}

static void run(pool *p, job *j) {
    if (j->m == 0 || j->n == 0) return;
    j->cut = make_cut(j->m, j->n, TASKS_A_THREAD * pool_thread_count(p));
    bool small = (int64_t)j->m * j->n * j->kk < INLINE_MAX;
    parallel_for(small ? NULL : p, (int64_t)j->cut.row_tasks * j->cut.column_tasks, 1, run_tasks, j);
}

void gemm(const kernels *k, pool *p, gemm_form form, bool in_bf16, float *y, int64_t ldy, const float *a, int64_t lda, const void *b,
          int64_t ldb, kernel_type bt, int m, int n, int kk, bool accumulate) {
    run(p, &(job){.k = k,
                  .form = form,
                  .in_bf16 = in_bf16,
                  .y = y,
                  .ldy = ldy,
                  .a = a,
                  .lda = lda,
                  .b = b,
                  .ldb = ldb,
                  .bt = bt,
                  .m = m,
                  .n = n,
                  .kk = kk,
                  .accumulate = accumulate});
}

static void quantise_rows(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) j->k->q8_row(&j->q8, r, j->a + r * j->lda);
}

void gemm_q8(const kernels *k, pool *p, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, kernel_type wt, int digits,
             int m, int n, int kk, void *scratch) {
    job j = {.k = k,
             .y = y,
             .ldy = ldy,
             .a = x,
             .lda = ldx,
             .b = w,
             .ldb = kk,
             .bt = wt,
             .m = m,
             .n = n,
             .kk = kk,
             .q8 = q8_rows_at(scratch, wt, digits, m, kk)};
    int grain = max_int(1, (int)INLINE_MAX / max_int(kk, 1)); /* a row or two are done sooner than a team wakes up */
    parallel_for(p, m, grain, quantise_rows, &j);
    run(p, &j);
}
