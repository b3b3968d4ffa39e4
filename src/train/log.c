/* log.c - what a run tells the outside: a JSON line a step in metrics.jsonl, and the same numbers as a TensorBoard event file.
 *
 * An event file is a list of records: length (u64), masked CRC-32C of the length, bytes, masked CRC-32C of the bytes, all little-endian; the bytes are an Event of
 * tensorflow/core/util/event.proto, of which three fields are needed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train/train.h"

struct train_log {
    FILE *metrics, *events;
};

/* ---- protocol buffers, as much as needed ---- */

static void put_varint(buf *b, uint64_t x) {
    for (; x > 127; x >>= 7) buf_putc(b, (char)((x & 127) | 128));
    buf_putc(b, (char)x);
}

static void put_bytes(buf *b, int field, const void *bytes, size_t n) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    buf_put(b, bytes, n);
}

static void put_fixed(buf *b, int field, const void *value, size_t size) {
    put_varint(b, (uint64_t)field << 3 | (size == 8 ? 1 : 5));
    buf_put(b, value, size); /* the processor is little-endian, as GGUF's reader needs, too */
}

/* Field numbers: Event 1 wall_time, 2 step, 3 file_version, 5 summary; Summary 1 value; Value 1 tag, 2 simple_value. */
static void put_event(buf *b, int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    put_fixed(b, 1, &seconds, sizeof seconds);
    put_varint(b, 2 << 3);
    put_varint(b, (uint64_t)step);
}

static uint32_t masked_crc(const void *bytes, size_t n) {
    uint32_t crc = crc32c(0, bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void write_record(FILE *f, const buf *b) {
    uint64_t size = b->size;
    uint32_t head = masked_crc(&size, sizeof size), body = masked_crc(b->data, b->size);
    fwrite(&size, sizeof size, 1, f);
    fwrite(&head, sizeof head, 1, f);
    fwrite(b->data, 1, b->size, f);
    fwrite(&body, sizeof body, 1, f);
    fflush(f);
}

/* ---- the two files ---- */

static lmm_status open_one(FILE **out, const char *run, const char *name, const char *mode) {
    char *path = path_join(run, name);
    *out = fopen(path, mode);
    lmm_status st = *out ? LMM_OK : LMM_FAIL(LMM_E_IO, "cannot write '%s'", path);
    free(path);
    return st;
}

lmm_status train_log_open(train_log **out, const char *run, int64_t step) {
    train_log *l = mem_new(1, sizeof *l);
    char name[64];
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.lmm.%" PRId64, (long long)time(NULL), step);
    lmm_status st = dir_make(run);
    if (!st) st = open_one(&l->metrics, run, "metrics.jsonl", step ? "a" : "w");
    if (!st) st = open_one(&l->events, run, name, "wb");
    if (st) return train_log_close(l), st;
    buf b = {0};
    put_event(&b, 0);
    put_bytes(&b, 3, "brain.Event:2", 13);
    write_record(l->events, &b);
    buf_free(&b);
    return *out = l, LMM_OK;
}

void train_log_close(train_log *l) {
    if (!l) return;
    if (l->metrics) fclose(l->metrics);
    if (l->events) fclose(l->events);
    free(l);
}

static void put_value(buf *summary, const log_value *v) {
    buf value = {0};
    float x = (float)v->value;
    put_bytes(&value, 1, v->name, strlen(v->name));
    put_fixed(&value, 2, &x, sizeof x);
    put_bytes(summary, 1, value.data, value.size);
    buf_free(&value);
}

void train_log_put(train_log *l, int64_t step, const log_value *values, int count) {
    if (!l) return;
    buf line = {0}, summary = {0}, event = {0};
    buf_printf(&line, "{\"step\": %" PRId64, step);
    for (int i = 0; i < count; i++) {
        if (!isfinite(values[i].value)) continue; /* JSON has no word for it */
        buf_printf(&line, ", \"%s\": %.7g", values[i].name, values[i].value);
        put_value(&summary, &values[i]);
    }
    fprintf(l->metrics, "%s}\n", line.data);
    fflush(l->metrics);
    put_event(&event, step);
    put_bytes(&event, 5, summary.data, summary.size);
    write_record(l->events, &event);
    buf_free(&event);
    buf_free(&summary);
    buf_free(&line);
}
