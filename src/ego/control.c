/* control.c - the control of a leak: a second memory that holds, for real, no more than what a view lets through. A system that answers from it as it
 * does from the whole has seen nothing else. Rows are copied as time goes on, so questions must come in order of time. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ego/ego_int.h"

struct ego_control {
    ego *whole, *part;
    char *dir, *wearer;
    const lmm_model *encoder;
    bool *copied; /* by row of `whole` */
    int stream;
};

lmm_status ego_control_open(ego_control **out, ego *whole, const char *wearer, const lmm_model *encoder) {
    char dir[] = "/tmp/lmm-ego-control-XXXXXX";
    int stream;
    lmm_status st = ego_person(whole, wearer, &stream);
    if (!st) st = ego_cache_load(whole);
    if (!st && !mkdtemp(dir)) st = LMM_FAIL(LMM_E_IO, "cannot make a folder for the control in /tmp");
    if (st) return st;
    ego_control *c = mem_new(1, sizeof *c);
    *c = (ego_control){.whole = whole, .dir = mem_strdup(dir), .wearer = mem_strdup(whole->stream_name[stream]), .encoder = encoder};
    c->copied = mem_new((size_t)whole->docs.count + 1, sizeof *c->copied);
    st = ego_create(dir);
    if (!st) st = ego_open(&c->part, dir);
    if (!st) st = ego_stream(c->part, c->wearer, &c->stream);
    if (st) ego_control_close(c);
    else *out = c;
    return st;
}

void ego_control_close(ego_control *c) {
    if (!c) return;
    ego_close(c->part);
    dir_remove(c->dir);
    free(c->copied), free(c->dir), free(c->wearer);
    free(c);
}

/* Rows of the wearer alone are copied: without grants a view lets nothing else through. */
static lmm_status copy_row(ego_control *c, int doc) {
    const ego_doc *d = &c->whole->docs.at[doc];
    char *text, *speaker;
    lmm_status st = ego_text(c->whole, d->key, &text, &speaker);
    if (st) return st;
    st = ego_add(c->part, &(ego_row){(int)(d->key >> EGO_KIND_SHIFT), c->stream, d->t0, d->t1, d->known, speaker, text, NULL});
    free(text), free(speaker);
    return st;
}

lmm_status ego_control_view(ego_control *c, int64_t cut, ego_view **out) {
    ego_view *whole;
    ego_build_report r;
    lmm_status st = ego_view_open(&whole, c->whole, c->wearer, cut);
    if (st) return st;
    st = ego_begin(c->part);
    for (int d = 0; !st && d < c->whole->docs.count; d++)
        if (!c->copied[d] && ego_view_sees(whole, d)) {
            c->copied[d] = true;
            st = copy_row(c, d);
        }
    if (!st) st = ego_commit(c->part);
    else if (c->part->pending) ego_rollback(c->part);
    ego_view_close(whole);
    if (!st) st = ego_build(c->part, &(ego_build_opts){.encoder = c->encoder, .quiet = true}, &r);
    return st ? st : ego_view_open(out, c->part, c->wearer, cut);
}
