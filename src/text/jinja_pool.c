/* jinja_pool.c - memory, limits and failure of one compilation or rendering. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE_MIN = 8 << 10, CHUNK_SIZE_MAX = 256 << 10, CHARS_A_STEP = 32, BYTES_A_STEP = 256, LEVELS_A_DEPTH = 32 };

struct jchunk {
    jchunk *before;
    size_t size, used;
    max_align_t data[];
};

void jpool_free(jpool *p) {
    for (jchunk *c = p->last, *before; c; c = before) {
        before = c->before;
        free(c);
    }
    *p = (jpool){0};
}

/* Chunks double up to a point, so that a small render stays small and a large one makes few calls. */
static jchunk *add_chunk(jx *x, size_t need) {
    jpool *p = &x->pool;
    size_t size = p->last ? p->last->size * 2 : CHUNK_SIZE_MIN;
    if (size > CHUNK_SIZE_MAX) size = CHUNK_SIZE_MAX;
    if (size < need) size = need;
    if (size > p->size_max - p->size) size = need;
    if (size > p->size_max - p->size) {
        jx_fail(x, LMM_E_LIMIT, "the template's values need more than %zu MiB of memory", p->size_max >> 20);
    }
    jchunk *c = calloc(1, sizeof *c + size);
    if (!c) jx_fail(x, LMM_E_MEMORY, "no memory for %zu bytes of a template's values", size);
    *c = (jchunk){.before = p->last, .size = size};
    p->last = c;
    p->size += size;
    return c;
}

void *jx_alloc(jx *x, size_t count, size_t size) {
    size_t need, step = sizeof(max_align_t);
    if (!size_mul(count, size, &need) || need > x->pool.size_max) need = x->pool.size_max;
    need = (need + step - 1) / step * step;
    jchunk *c = x->pool.last;
    if (!c || c->size - c->used < need) c = add_chunk(x, need);
    void *p = (char *)c->data + c->used;
    c->used += need;
    return p;
}

void *jx_grow(jx *x, void *at, int count, int *capacity, int need, size_t size) {
    if (need <= *capacity) return at;
    int more = *capacity ? *capacity * 2 : 4;
    void *larger = jx_alloc(x, (size_t)more, size);
    if (*capacity) memcpy(larger, at, (size_t)min_int(count, *capacity) * size);
    *capacity = more;
    return larger;
}

void jx_fail_plain(jx *x, lmm_status code, const char *text, size_t size) {
    x->status = LMM_FAIL(code, "%.*s", (int)(size < 4096 ? size : 4096), text);
    longjmp(x->trap, 1);
}

void jx_fail(jx *x, lmm_status code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t whole = utf8_complete(text, strlen(text)); /* the cut may have gone through a character */
    x->status = LMM_FAIL(code, "chat template, line %d: %.*s", x->line, (int)whole, text);
    longjmp(x->trap, 1);
}

void jx_step(jx *x, size_t count) {
    if (count <= (size_t)x->steps) x->steps -= (int64_t)count;
    else jx_fail(x, LMM_E_LIMIT, "the template takes more than %" PRId64 " steps", x->limits.step_count_max);
}

void jx_chars(jx *x, size_t size) { jx_step(x, size / CHARS_A_STEP); }
void jx_bytes(jx *x, size_t size) { jx_step(x, size / BYTES_A_STEP); }

void jx_enter(jx *x) {
    if (++x->depth > x->depth_max) jx_fail(x, LMM_E_LIMIT, "the template or its values are nested too deeply");
}

void jx_init(jx *x, const jinja_limits *limits) {
    jinja_limits l = limits ? *limits : (jinja_limits){0};
    if (l.step_count_max <= 0) l.step_count_max = 1000000;
    if (!l.output_size_max) l.output_size_max = 4 << 20;
    if (l.depth_max <= 0) l.depth_max = 64;
    if (!l.source_size_max) l.source_size_max = 256 << 10;
    size_t room = l.output_size_max < SIZE_MAX / 16 ? l.output_size_max * 16 : SIZE_MAX;
    *x = (jx){.limits = l, .steps = l.step_count_max, .depth_max = l.depth_max * LEVELS_A_DEPTH, .line = 1};
    x->pool.size_max = room < (8u << 20) ? 8u << 20 : room;
}

void jx_free(jx *x) {
    for (int i = 0; i < x->capture_capacity; i++) buf_free(&x->captures[i]);
    free(x->captures);
    free(x->spans.at);
    buf_free(&x->work);
}

/* ---- the work buffer ---- */

void jx_put(jx *x, const char *at, size_t size) {
    if (size > x->pool.size_max - x->work.size) {
        jx_fail(x, LMM_E_LIMIT, "the template builds a text of more than %zu MiB", x->pool.size_max >> 20);
    }
    jx_bytes(x, size);
    buf_put(&x->work, at, size);
}

void jx_puts(jx *x, const char *s) { jx_put(x, s, strlen(s)); }

void jx_put_char(jx *x, uint32_t cp, size_t count) {
    char bytes[4];
    size_t size = (size_t)utf8_encode(cp, bytes);
    if (count > (x->pool.size_max - x->work.size) / size) jx_put(x, bytes, SIZE_MAX); /* fails with the sentence */
    jx_bytes(x, count * size);
    for (size_t i = 0; i < count; i++) buf_put(&x->work, bytes, size);
}
