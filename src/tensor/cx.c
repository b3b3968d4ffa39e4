/* cx.c - the compute context: where activations live, measuring, tracing, and blocks that free or replay their scratch. */
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor_int.h"

/* ---- slab ---- */

enum { SLAB_CHUNK = 64 * 1024 };
struct slab_chunk {
    slab_chunk *next;
    size_t used, capacity;
    _Alignas(64) unsigned char bytes[];
};

void *slab_alloc(slab *s, size_t size) {
    size = (size + 15) & ~(size_t)15;
    slab_chunk *ch = s->current;
    while (ch && ch->used + size > ch->capacity) { /* chunks after the current one are empty leftovers */
        ch = ch->next;
        if (ch) ch->used = 0;
    }
    if (!ch) {
        size_t capacity = size > SLAB_CHUNK ? size : SLAB_CHUNK;
        ch = mem_new(1, sizeof *ch + capacity);
        ch->capacity = capacity;
        slab_chunk **end = &s->first;
        while (*end) end = &(*end)->next;
        *end = ch;
    }
    s->current = ch;
    void *p = ch->bytes + ch->used;
    ch->used += size;
    memset(p, 0, size);
    return p;
}

slab_mark slab_here(const slab *s) { return (slab_mark){s->current, s->current ? s->current->used : 0}; }

void slab_release(slab *s, slab_mark m) {
    s->current = m.chunk ? m.chunk : s->first;
    if (s->current) s->current->used = m.chunk ? m.used : 0;
}

void slab_free(slab *s) {
    for (slab_chunk *ch = s->first, *next; ch; ch = next) {
        next = ch->next;
        free(ch);
    }
    *s = (slab){0};
}

/* ---- allocation ---- */

void cx_free(cx *c) { slab_free(&c->meta); }

void *cx_alloc(cx *c, size_t size) {
    if (c->mode == CX_RUN) return arena_alloc(c->mem, size);
    arena *a = c->mem;
    a->used += (size + 63) & ~(size_t)63;
    if (a->used > a->peak) a->peak = a->used;
    return NULL;
}

static tensor *head(cx *c, int nd, const int64_t *ne, void *data) {
    tensor *t = slab_alloc(&c->meta, sizeof *t);
    *t = tensor_make(DT_F32, nd, ne, data);
    return t;
}

tensor *cx_new(cx *c, int nd, const int64_t *ne) {
    tensor *t = head(c, nd, ne, NULL);
    t->data = cx_alloc(c, tensor_size(t));
    return t;
}

tensor *cx_new2(cx *c, int64_t rows, int64_t cols) { return cx_new(c, 2, (int64_t[]){rows, cols}); }
tensor *cx_wrap(cx *c, float *data, int64_t rows, int64_t cols) { return head(c, 2, (int64_t[]){rows, cols}, data); }

tensor *cx_view(cx *c, tensor *t, int nd, const int64_t *ne) {
    tensor *v = head(c, nd, ne, t->data);
    LMM_ASSERT(tensor_count(v) == tensor_count(t) && !t->wants_grad, "view of %" PRId64 " elements", tensor_count(t));
    return v;
}

cx_mark cx_here(cx *c) { return (cx_mark){c->mem->used, slab_here(&c->meta)}; }

void cx_release(cx *c, cx_mark m) {
    c->mem->used = m.mem;
    slab_release(&c->meta, m.meta);
}

void cx_trace(cx *c, const tensor *t, const char *format, ...) {
    if (!c->trace || c->mode != CX_RUN) return;
    char name[128];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    c->trace(c->trace_arg, name, t);
}

/* ---- blocks ---- */

typedef struct {
    block_fn fn;
    void *arg;
} block_args;

/* Backward of a replayed block: run it again with the tape on, walk that piece, drop it. */
static void block_backward(cx *c, node *n) {
    block_args *b = n->args;
    cx_mark mark = cx_here(c);
    trace_fn trace = c->trace;
    double flops = c->flops;
    c->trace = NULL;
    int first = c->tape->count;
    tensor *y = b->fn(c, b->arg, n->in[0]);
    y->grad = n->out->grad;
    y->grad_counted = true;
    tape_walk(c, first);
    c->tape->count = first;
    c->trace = trace;
    c->flops = flops;
    cx_release(c, mark);
}

static void block_forward(cx *c, node *n) { (void)c, (void)n; }

static const op OP_BLOCK = {"block", block_forward, block_backward, .replays = true};

tensor *cx_block(cx *c, block_fn fn, void *arg, tensor *x) {
    if (c->tape && !c->recompute) return fn(c, arg, x);
    tensor *out = cx_new(c, x->nd, x->ne);
    cx_mark mark = cx_here(c);
    tape *t = c->tape;
    c->tape = NULL;
    tensor *y = fn(c, arg, x);
    LMM_ASSERT(tensor_same_shape(y, x), "a block changed its shape: %" PRId64 " to %" PRId64 " elements", tensor_count(x), tensor_count(y));
    if (c->mode == CX_RUN) memcpy(out->data, y->data, tensor_size(out));
    c->tape = t;
    cx_release(c, mark);
    if (!t) return out;
    /* The tape cannot know which parameters are inside, so the replay is always recorded; x's gradient exists before it runs (tape_walk). */
    block_args *args = slab_alloc(&c->meta, sizeof *args);
    *args = (block_args){fn, arg};
    out->wants_grad = true;
    tape_push(t, (node){.op = &OP_BLOCK, .out = out, .in = {x}, .args = args});
    return out;
}
