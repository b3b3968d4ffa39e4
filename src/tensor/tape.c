/* tape.c - recording of ops and the reverse walk. */
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor_int.h"

void tape_free(tape *t) {
    free(t->at);
    *t = (tape){0};
}

void tape_push(tape *t, node n) {
    vec_reserve((void **)&t->at, &t->capacity, t->count + 1, sizeof *t->at);
    t->at[t->count++] = n;
}

static bool wants_grad(const node *n) {
    for (int i = 0; i < NODE_IN_MAX; i++)
        if (n->in[i] && n->in[i]->wants_grad) return true;
    return false;
}

/* Scratch is taken from the arena for the length of one pass, so MEASURE sees it too. */
static void run(cx *c, node *n, void (*pass)(cx *, node *), size_t scratch) {
    size_t at = cx_take(c, scratch);
    n->scratch = scratch ? cx_at(c, at) : NULL;
    if ((c->mode == CX_RUN || n->op->replays) && !c->status) pass(c, n);
    cx_give(c, at, scratch);
}

static bool reads_in(const node *n, int i) { return n->in[i] && !(n->blind & BLIND_IN0 << i); }

static void record(cx *c, node n) {
    n.out->wants_grad = true;
    n.out->kept = !(n.blind & BLIND_OUT);
    for (int i = 0; i < NODE_IN_MAX; i++)
        if (reads_in(&n, i)) n.in[i]->kept = true;
    tape_push(c->tape, n);
    n.out->maker = c->tape->count;
}

tensor *cx_apply(cx *c, node n) {
    run(c, &n, n.op->forward, n.scratch_forward);
    if (c->tape && wants_grad(&n)) {
        LMM_ASSERT(n.op->backward, "op '%s' has no gradient", n.op->name);
        record(c, n);
    }
    return n.out;
}

static void zero_range(void *arg, int64_t first, int64_t last, int thread) {
    (void)thread;
    memset((float *)arg + first, 0, (size_t)(last - first) * sizeof(float));
}

/* Gives t a gradient from the arena when it has none. */
static void place_grad(cx *c, tensor *t) {
    if (t->grad || t->grad_counted) return;
    size_t at = cx_take(c, (size_t)tensor_count(t) * sizeof(float));
    t->grad = cx_at(c, at), t->grad_at = at + 1;
    t->grad_counted = t->grad_fresh = true;
}

static void zero_grad(cx *c, tensor *t) {
    if (t->grad_fresh && c->mode == CX_RUN) parallel_for(c->pool, tensor_count(t), 1 << 16, zero_range, t->grad);
    t->grad_fresh = false;
}

void tensor_need_grad(cx *c, tensor *t) {
    place_grad(c, t);
    zero_grad(c, t);
}

/* Values given up by cx_done, for a pass that reads them. */
static void make_again(cx *c, tensor *t) {
    if (!t->dropped) return;
    node n = c->tape->at[t->maker - 1];
    for (int j = 0; j < NODE_IN_MAX; j++)
        if (n.in[j]) make_again(c, n.in[j]);
    tensor_place(c, t);
    t->dropped = false;
    run(c, &n, n.op->forward, n.scratch_forward);
}

/* Can its backward pass set the gradient of input j? Not of a tensor that comes twice. */
static bool fills(const node *n, int j) {
    for (int i = 0; i < NODE_IN_MAX; i++)
        if (i != j && n->in[i] == n->in[j]) return false;
    return n->op->fills >> j & 1;
}

static void node_backward(cx *c, node *n) {
    for (int j = 0; j < NODE_IN_MAX; j++) {
        if (reads_in(n, j)) make_again(c, n->in[j]);
        if (!n->in[j] || !n->in[j]->wants_grad) continue;
        place_grad(c, n->in[j]);
        if (!fills(n, j)) zero_grad(c, n->in[j]);
    }
    run(c, n, n->op->backward, n->scratch_backward);
    for (int j = 0; j < NODE_IN_MAX; j++)
        if (n->in[j]) n->in[j]->grad_fresh = false;
}

/* Nodes before one never read its output: its memory is free for their gradients. */
void tape_walk(cx *c, int first) {
    for (int i = c->tape->count - 1; i >= first; i--) {
        node n = c->tape->at[i];                                      /* a copy: a replay may move the tape */
        if (n.out->grad || n.out->grad_counted) node_backward(c, &n); /* else nothing downstream wanted it */
        tensor_give_data(c, n.out);
        tensor_give_grad(c, n.out);
    }
}

void tape_backward(cx *c, tensor *loss, float seed) {
    LMM_ASSERT(tensor_count(loss) == 1, "loss has %" PRId64 " elements", tensor_count(loss));
    tensor_need_grad(c, loss);
    if (c->mode == CX_RUN) loss->grad[0] = seed;
    loss->data_at = 0; /* the caller reads it afterwards: the arena gets it back with the rest */
    tape_walk(c, 0);
    c->tape->count = 0;
}
