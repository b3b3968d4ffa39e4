/* rewards.c - the rewards a recipe may name, as rows over align's functions: of one completion, or of a whole group. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

/* ---- of one completion ---- */

static double accuracy(const completion_view *c) { return reward_accuracy(c->text, c->gold); }
static double accuracy_r1mm(const completion_view *c) { return reward_accuracy_r1mm(c->text, c->gold); }
static double exact(const completion_view *c) { return reward_exact(c->text, c->gold); }
static double format_line(const completion_view *c) { return reward_format("open_r1_multimodal", c->text); }
static double tags(const completion_view *c) { return reward_format("tags", c->text); }
static double format_open_r1(const completion_view *c) { return reward_format("open_r1", c->text); }
static double format_think(const completion_view *c) { return reward_format("trl_think", c->text); }
static double format_boxed(const completion_view *c) { return reward_format("easyr1_math_tightened", c->text); }
static double format_caption(const completion_view *c) { return reward_format("caption", c->text); }
static double format_any(const completion_view *c) { return reward_format("boxed_or_tags", c->text); }
static double steps(const completion_view *c) { return reward_steps(c->text); }
static double repetition(const completion_view *c) { return reward_repetition(c->ids, c->id_count, 3, -1); }
static double repeated_words(const completion_view *c) { return reward_repeated_words(c->text, 3, -1); }
static double overlong(const completion_view *c) { return reward_overlong(c->id_count, c->max_tokens, c->max_tokens / 4.0); }
static double finished(const completion_view *c) { return c->finished; }

/* Think and answer tags and nothing else; space around is the template's business. */
static double format(const completion_view *c) {
    const char *from = c->text, *to = from + strlen(from);
    while (isspace((unsigned char)*from)) from++;
    while (to > from && isspace((unsigned char)to[-1])) to--;
    char *text = mem_strndup(from, (size_t)(to - from));
    double value = reward_format("vlm_r1", text);
    free(text);
    return value;
}

/* Short right answers are worth most, short wrong ones least (trl's cosine). */
static double cosine(const completion_view *c) {
    return reward_cosine(c->id_count, accuracy(c) == 1, &(cosine_config){c->max_tokens, -1, -0.5, 0.5, 1, true});
}

/* A letter in the answer, by VLM-R1's rule; nothing to say when the reference is none. */
static double choice(const completion_view *c) {
    const char want = choice_letter(c->gold);
    return want ? choice_letter(c->text) == want : NAN;
}

static double yes_no(const completion_view *c) {
    const char *want = yes_or_no(c->gold), *have = yes_or_no(c->text);
    return want ? have && !strcmp(have, want) : NAN;
}

/* Overlap of the answer's first box with the reference's. */
static double iou(const completion_view *c) {
    labelled_box have, want;
    if (!box_read(&want, c->gold)) return NAN;
    return box_read(&have, c->text) ? box_iou(&have, &want) : 0;
}

/* Of EasyR1, VLM-R1, trl, open-r1 and lmms-eval. */
static double easyr1_r1v(const completion_view *c) { return reward_easyr1_r1v(c->text, c->gold); }
static double easyr1_math(const completion_view *c) { return reward_easyr1_math(c->text, c->gold); }
static double vlm_r1(const completion_view *c) { return reward_vlm_r1(c->text, c->gold); }
static double vlm_r1_choice(const completion_view *c) { return reward_vlm_r1_choice(c->text, c->gold); }
static double vlm_r1_repetition(const completion_view *c) { return reward_vlm_r1_repetition(c->text, 6, -1); }
static double trl(const completion_view *c) { return reward_trl(c->text, c->gold); }
static double trl_reasoning(const completion_view *c) { return reward_trl_reasoning(c->text, c->gold); }
static double open_r1(const completion_view *c) { return reward_open_r1(c->text, c->gold); }
static double lmms_eval(const completion_view *c) { return reward_lmms_eval(c->text, c->gold); }

/* ---- of a group ---- */

/* Kimi's: among the answers of a group the shorter ones. */
static lmm_status shortness(double *out, const recipe_reward *w, const completion_view *c, int n) {
    double *length = mem_new((size_t)n, sizeof *length);
    bool *right = mem_new((size_t)n, sizeof *right);
    (void)w;
    for (int i = 0; i < n; i++) length[i] = c[i].id_count, right[i] = accuracy(&c[i]) == 1;
    reward_shortness(out, length, right, n);
    free(right);
    free(length);
    return LMM_OK;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    double (*one)(const completion_view *c);
    lmm_status (*group)(double *out, const recipe_reward *w, const completion_view *c, int n);
} rewards[] = {
    {"accuracy", accuracy, NULL},
    {"accuracy_r1mm", accuracy_r1mm, NULL},
    {"exact", exact, NULL},
    {"choice", choice, NULL},
    {"yes_no", yes_no, NULL},
    {"iou", iou, NULL},
    {"accuracy_easyr1_r1v", easyr1_r1v, NULL},
    {"accuracy_easyr1_math", easyr1_math, NULL},
    {"accuracy_vlm_r1", vlm_r1, NULL},
    {"choice_vlm_r1", vlm_r1_choice, NULL},
    {"accuracy_trl", trl, NULL},
    {"accuracy_trl_reasoning", trl_reasoning, NULL},
    {"accuracy_open_r1", open_r1, NULL},
    {"accuracy_lmms_eval", lmms_eval, NULL},
    {"format", format, NULL},
    {"format_line", format_line, NULL},
    {"format_open_r1", format_open_r1, NULL},
    {"format_think", format_think, NULL},
    {"format_boxed", format_boxed, NULL},
    {"format_caption", format_caption, NULL},
    {"format_any", format_any, NULL},
    {"tags", tags, NULL},
    {"steps", steps, NULL},
    {"finished", finished, NULL},
    {"cosine", cosine, NULL},
    {"shortness", NULL, shortness},
    {"overlong", overlong, NULL},
    {"repetition", repetition, NULL},
    {"repeated_words", repeated_words, NULL},
    {"repetition_vlm_r1", vlm_r1_repetition, NULL},
    {"command", NULL, reward_command},
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
    for (size_t i = 0; i < COUNT_OF(rewards); i++) {
        if (strcmp(w->name, rewards[i].name)) continue;
        if (rewards[i].group) return rewards[i].group(out, w, c, n);
        for (int k = 0; k < n; k++) out[k] = rewards[i].one(&c[k]);
    }
    return LMM_OK;
}
