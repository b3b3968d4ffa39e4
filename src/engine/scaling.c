/* scaling.c - positions beyond those a model was trained for: its rotary frequencies are stretched (llava.md 4.2, 5.5). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

static const struct {
    const char *name;
    rope_type type;
} scaling_row[] = {{"none", ROPE_DEFAULT}, {"linear", ROPE_LINEAR}, {"dynamic", ROPE_DYNAMIC}, {"yarn", ROPE_YARN}};

static const double factor_max = 1024;
enum { QUESTION_ROWS = 1000 }; /* what the original code leaves to the text beside a video */

static lmm_status factor_from_frames(double *out, const lmm_model *m, int frames) {
    const net *n = m->net;
    media_plan plan;
    video_frames one = {.count = max_int(frames, 1), .width = 64, .height = 64};
    if (frames < 1) return LMM_FAIL(LMM_E_ARG, "rope scaling needs a factor (linear:2) where no number of frames is given");
    if (!n->arch->video_plan) return LMM_FAIL(LMM_E_ARG, "'%s' sees no videos: give rope scaling a factor (linear:2)", m->path);
    lmm_status st = n->arch->video_plan(n, &one, &plan);
    if (!st) *out = ceil((plan.row_count + (double)QUESTION_ROWS) / n->dec.config.context);
    return st;
}

static lmm_status scaling_read(rope_type *type, double *factor, const lmm_model *m, const char *text, int frames) {
    size_t size = strcspn(text, ":"), i = 0;
    while (i < COUNT_OF(scaling_row) && (strlen(scaling_row[i].name) != size || strncmp(text, scaling_row[i].name, size))) i++;
    if (i == COUNT_OF(scaling_row))
        return LMM_FAIL(LMM_E_ARG, "rope scaling '%s' is not known (none, linear, dynamic, yarn, each with :FACTOR)", text);
    *type = scaling_row[i].type;
    if (!text[size]) return factor_from_frames(factor, m, frames);
    char *end;
    *factor = strtod(text + size + 1, &end);
    if (*end || end == text + size + 1 || !(*factor >= 1 && *factor <= factor_max))
        return LMM_FAIL(LMM_E_ARG, "the factor of rope scaling '%s' must be a number from 1 to %g", text, factor_max);
    return LMM_OK;
}

lmm_status lmm_model_rope_scaling(lmm_model *m, const char *scaling, int frames) {
    if (!m->net->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) has no positions to scale", m->path, m->net->arch->name);
    decoder_config *d = &m->net->dec.config;
    rope_spec *r = &d->rope;
    rope_type type = ROPE_DEFAULT;
    double factor = 1;
    lmm_status st = scaling_read(&type, &factor, m, scaling, frames);
    if (st) return st;
    if (r->type != ROPE_DEFAULT)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has a rope scaling of its own in its config, which another would undo", m->path);
    if (factor * d->context > 1 << 24) return LMM_FAIL(LMM_E_LIMIT, "%g times %d positions are too many", factor, d->context);
    r->type = factor > 1 ? type : ROPE_DEFAULT;
    r->factor = factor;
    r->context_original = r->context = d->context;
    d->context = (int)(factor * d->context);
    m->version++;
    return LMM_OK;
}
