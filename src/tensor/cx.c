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

void cx_free(cx *c) {
    free(c->holes.at);
    c->holes.at = NULL, c->holes.count = c->holes.capacity = 0;
    slab_free(&c->meta);
}

static size_t whole(size_t size) { return (size + 63) & ~(size_t)63; }

static void hole_remove(cx *c, int i) {
    memmove(&c->holes.at[i], &c->holes.at[i + 1], (size_t)(--c->holes.count - i) * sizeof *c->holes.at);
}

/* The smallest hole that holds it, the lowest of equals; -1: none. */
static int hole_find(const cx *c, size_t size) {
    int best = -1;
    for (int i = 0; i < c->holes.count; i++) {
        const cx_hole *h = &c->holes.at[i];
        if (h->at >= c->floor && h->size >= size && (best < 0 || h->size < c->holes.at[best].size)) best = i;
    }
    return best;
}

size_t cx_take(cx *c, size_t size) {
    arena *a = c->mem;
    size = whole(size);
    int i = size ? hole_find(c, size) : -1;
    if (i >= 0) {
        cx_hole *h = &c->holes.at[i];
        size_t at = h->at;
        h->at += size, h->size -= size;
        if (!h->size) hole_remove(c, i);
        return at;
    }
    size_t at = a->used;
    if (c->mode == CX_RUN) return arena_alloc(a, size), at;
    a->used += size;
    if (a->used > a->peak) a->peak = a->used;
    return at;
}

/* Neighbours become one hole, but not across the floor; a hole at the top lowers the top. */
void cx_give(cx *c, size_t at, size_t size) {
    if (!(size = whole(size))) return;
    int i = c->holes.count;
    VEC_PUSH(&c->holes, ((cx_hole){at, size}));
    cx_hole *h = c->holes.at;
    for (; i > 0 && h[i - 1].at > at; i--) h[i] = h[i - 1];
    h[i] = (cx_hole){at, size};
    if (i + 1 < c->holes.count && at + size == h[i + 1].at && h[i + 1].at != c->floor) h[i].size += h[i + 1].size, hole_remove(c, i + 1);
    if (i > 0 && h[i - 1].at + h[i - 1].size == at && at != c->floor) h[i - 1].size += h[i].size, hole_remove(c, i--);
    if (h[i].at + h[i].size == c->mem->used && h[i].at >= c->floor) c->mem->used = h[i].at, hole_remove(c, i);
}

void *cx_at(const cx *c, size_t at) { return c->mode == CX_RUN ? c->mem->base + at : NULL; }
void *cx_alloc(cx *c, size_t size) { return cx_at(c, cx_take(c, size)); }

void tensor_place(cx *c, tensor *t) {
    size_t at = cx_take(c, tensor_size(t));
    t->data = cx_at(c, at), t->data_at = at + 1;
}

void tensor_give_data(cx *c, tensor *t) {
    if (!t->data_at) return;
    cx_give(c, t->data_at - 1, tensor_size(t));
    t->data = NULL, t->data_at = 0;
}

void tensor_give_grad(cx *c, tensor *t) {
    if (!t->grad_at) return;
    cx_give(c, t->grad_at - 1, (size_t)tensor_count(t) * sizeof *t->grad);
    t->grad = NULL, t->grad_at = 0;
}

void cx_done(cx *c, tensor *t) {
    if (!c->tape || !t->data_at) return;
    if (t->kept && !(t->maker && c->tape->at[t->maker - 1].op->again)) return;
    tensor_give_data(c, t);
    t->dropped = true;
}

static tensor *head(cx *c, int nd, const int64_t *ne, void *data) {
    tensor *t = slab_alloc(&c->meta, sizeof *t);
    *t = tensor_make(DT_F32, nd, ne, data);
    return t;
}

tensor *cx_new(cx *c, int nd, const int64_t *ne) {
    tensor *t = head(c, nd, ne, NULL);
    tensor_place(c, t);
    return t;
}

tensor *cx_new2(cx *c, int64_t rows, int64_t cols) { return cx_new(c, 2, (int64_t[]){rows, cols}); }
tensor *cx_wrap(cx *c, float *data, int64_t rows, int64_t cols) { return head(c, 2, (int64_t[]){rows, cols}, data); }

tensor *cx_view(cx *c, tensor *t, int nd, const int64_t *ne) {
    tensor *v = head(c, nd, ne, t->data);
    LMM_ASSERT(tensor_count(v) == tensor_count(t) && !t->wants_grad, "view of %" PRId64 " elements", tensor_count(t));
    t->kept = true;
    return v;
}

cx_mark cx_here(cx *c) {
    cx_mark m = {c->mem->used, c->floor, slab_here(&c->meta)};
    c->floor = m.mem; /* what comes now lies above it */
    return m;
}

void cx_release(cx *c, cx_mark m) {
    while (c->holes.count && c->holes.at[c->holes.count - 1].at >= m.mem) c->holes.count--;
    c->mem->used = m.mem;
    c->floor = m.floor;
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

/* A block whose x wants no gradient may record nothing, as all of a frozen tower: then only its output stays. */
static tensor *block_perhaps_frozen(cx *c, block_fn fn, void *arg, tensor *x) {
    cx_mark mark = cx_here(c);
    int count = c->tape->count;
    tensor *y = fn(c, arg, x), high = *y;
    if (c->tape->count > count) return c->floor = mark.floor, y;
    cx_release(c, mark);
    tensor *out = cx_new(c, high.nd, high.ne); /* not above `high`, whose bytes are still there */
    if (c->mode == CX_RUN) memmove(out->data, high.data, tensor_size(out));
    return out;
}

tensor *cx_block(cx *c, block_fn fn, void *arg, tensor *x) {
    if (c->tape && !c->recompute) return x->wants_grad ? fn(c, arg, x) : block_perhaps_frozen(c, fn, arg, x);
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
