/* rewards.c - the rewards a recipe may name, as rows over align's functions. */
#include <math.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

static double accuracy(const completion_view *c) { return reward_accuracy(c->text, c->gold); }
static double accuracy_r1mm(const completion_view *c) { return reward_accuracy_r1mm(c->text, c->gold); }
static double exact(const completion_view *c) { return reward_exact(c->text, c->gold); }
static double format(const completion_view *c) { return reward_format("vlm_r1", c->text); }
static double format_line(const completion_view *c) { return reward_format("open_r1_multimodal", c->text); }
static double tags(const completion_view *c) { return reward_format("tags", c->text); }
static double steps(const completion_view *c) { return reward_steps(c->text); }
static double repetition(const completion_view *c) { return reward_repetition(c->ids, c->id_count, 3, -1); }
static double overlong(const completion_view *c) { return reward_overlong(c->id_count, c->max_tokens, c->max_tokens / 4.0); }
static double finished(const completion_view *c) { return c->finished; }

/* A letter in the answer, by VLM-R1's rule; nothing to say when the reference is none. */
static double choice(const completion_view *c) {
    const char want = choice_letter(c->gold);
    return want ? choice_letter(c->text) == want : NAN;
}

static double yes_no(const completion_view *c) {
    const char *want = yes_or_no(c->gold), *have = yes_or_no(c->text);
    return want ? have && !strcmp(have, want) : NAN;
}

static const struct {
    const char *name;
    double (*value)(const completion_view *c);
} rewards[] = {
    {"accuracy", accuracy}, {"exact", exact},   {"format", format},         {"format_line", format_line},
    {"tags", tags},         {"steps", steps},   {"repetition", repetition}, {"overlong", overlong},
    {"finished", finished}, {"choice", choice}, {"yes_no", yes_no},         {"accuracy_r1mm", accuracy_r1mm},
};

lmm_status reward_check(const char *name, const char *where) {
    buf all = {0};
    for (size_t i = 0; i < COUNT_OF(rewards); i++) {
        if (!strcmp(name, rewards[i].name)) return buf_free(&all), LMM_OK;
        buf_printf(&all, "%s%s", i ? ", " : "", rewards[i].name);
    }
    lmm_status st = LMM_FAIL(LMM_E_ARG, "%s: no reward '%s'; there are %s", where, name, all.data);
    buf_free(&all);
    return st;
}

lmm_status reward_group(double *out, const recipe_reward *w, const completion_view *c, int n) {
    for (size_t i = 0; i < COUNT_OF(rewards); i++)
        for (int k = 0; k < n && !strcmp(w->name, rewards[i].name); k++) out[k] = rewards[i].value(&c[k]);
    return LMM_OK;
}
