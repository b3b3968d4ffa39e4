/* rl_rewards.c - rewards of form, length, repetition, boxes and choices. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"
#include "train/train.h"

static bool formats(const tree *c) {
    static const char *const ours[][2] = {{"open_r1_multimodal", "open_r1_multimodal"},
                                          {"vlm_r1_and_r1v_fullmatch_dotall", "vlm_r1"},
                                          {"open_r1_text_strict", "open_r1"},
                                          {"open_r1_tag_count", "tags"},
                                          {"trl_think_format", "trl_think"},
                                          {"easyr1_r1v", "vlm_r1"},
                                          {"easyr1_math", "easyr1_math"},
                                          {"easyr1_math_after_cleanup", "easyr1_math_tightened"},
                                          {"easyr1_caption", "caption"},
                                          {"lmms_eval", "boxed_or_tags"}};
    const tree *expect = tree_get(c, "expect");
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (!near(reward_format(ours[i][1], tree_str(c, "completion", "")), real(expect, ours[i][0]), 0, 1e-9)) return false;
    return true;
}

static bool answer_is(const tree *c, double have) { return near(have, real(c, "expect"), 1e-9, 1e-9); }

static bool cosine(const tree *c, const cosine_config *k) {
    return answer_is(c, reward_cosine(real(c, "length"), tree_bool(c, "correct", true), k));
}

static bool cosine_trl(const tree *c) {
    const tree *o = tree_get(c, "config");
    return cosine(c, &(cosine_config){real(o, "max_len"), real(o, "min_value_wrong"), real(o, "max_value_wrong"),
                                      real(o, "min_value_correct"), real(o, "max_value_correct"), true});
}
static bool cosine_open_r1(const tree *c) {
    return cosine(c, &(cosine_config){real(tree_get(c, "config"), "max_len"), -1, -0.5, 0.5, 1, false});
}
static bool cosine_vlm_r1(const tree *c) {
    return cosine(c, &(cosine_config){real(tree_get(c, "config"), "cosine_max_len"), -1, -0.5, 0.5, 1, false});
}

static bool repeated_ids(const tree *c) {
    const tree *o = tree_get(c, "config");
    int n;
    double *values = numbers(c, "completion_ids", &n);
    int *ids = mem_new((size_t)n + 1, sizeof *ids);
    for (int i = 0; i < n; i++) ids[i] = (int)values[i];
    bool same = answer_is(c, reward_repetition(ids, n, (int)real(o, "ngram_size"), real(o, "max_penalty")));
    free(ids), free(values);
    return same;
}

static bool repeated_words(const tree *c) {
    const tree *o = tree_get(c, "config");
    return answer_is(c, reward_repeated_words(tree_str(c, "completion", ""), (int)real(o, "ngram_size"), real(o, "max_penalty")));
}

static bool overlong(const tree *c) {
    const tree *o = tree_get(c, "config");
    return answer_is(c, reward_overlong(real(c, "length"), real(o, "max_completion_len"), real(o, "soft_punish_cache")));
}

static bool steps(const tree *c) { return answer_is(c, reward_steps(tree_str(c, "completion", ""))); }

static labelled_box box_of(const tree *list, const char *label) {
    return (labelled_box){number(list->items[0]), number(list->items[1]), number(list->items[2]), number(list->items[3]), label};
}

static bool iou(const tree *c) {
    labelled_box a = box_of(tree_get(c, "box_a"), ""), b = box_of(tree_get(c, "box_b"), "");
    return answer_is(c, box_iou(&a, &b));
}

static int boxes_of(const tree *list, labelled_box *out) {
    for (int i = 0; i < list->count; i++) out[i] = box_of(tree_get(list->items[i], "bbox_2d"), tree_str(list->items[i], "label", ""));
    return list->count;
}

static bool detection(const tree *c) {
    const tree *o = tree_get(c, "config");
    labelled_box found[32], wanted[32];
    int n = boxes_of(tree_get(c, "pred"), found), m = boxes_of(tree_get(c, "gt"), wanted);
    return answer_is(c,
                     reward_detection(found, n, wanted, m, real(o, "iou_threshold"), real(o, "alpha"), real(o, "beta"), real(o, "gamma")));
}

static bool choice(const tree *c) {
    const char want = tree_str(c, "expect", "")[0];
    return choice_letter(tree_str(c, "text", "")) == want;
}

static bool yes_no(const tree *c) {
    const char *a = yes_or_no(tree_str(c, "completion", "")), *b = yes_or_no(tree_str(c, "solution", ""));
    return answer_is(c, a && b && !strcmp(a, b));
}

static bool ratio(const tree *c) { return answer_is(c, levenshtein_ratio(tree_str(c, "a", ""), tree_str(c, "b", ""))); }

static bool clean(const tree *c) {
    char *text = answer_clean(tree_str(c, "text", ""));
    bool same = !strcmp(text, tree_str(c, "expect", "?"));
    free(text);
    return same;
}

/* Kimi's, over characters. */
static bool short_ones(const tree *c) {
    enum { MOST = 64 };
    const tree *texts = tree_get(c, "completions");
    double length[MOST], out[MOST];
    bool right[MOST];
    int n = min_int(texts->count, MOST);
    for (int i = 0; i < n; i++) {
        length[i] = (double)strlen(texts->items[i]->text);
        right[i] = reward_accuracy(texts->items[i]->text, tree_str(c, "solution", "")) == 1;
    }
    reward_shortness(out, length, right, n);
    return near_numbers(out, tree_get(c, "expect"), 1e-9, 1e-12);
}

/* ---- mathematics ---- */

/* The verdict in both orders and with symbols renamed. */
static bool verdicts(const tree *c) {
    const char *gold = tree_str(c, "gold", ""), *pred = tree_str(c, "pred", "");
    const tree *expect = tree_get(c, "expect");
    return math_verify(gold, pred, true) == tree_bool(expect, "verify_gold_pred", false) &&
           math_verify(pred, gold, true) == tree_bool(expect, "verify_pred_gold", false) &&
           math_verify(gold, pred, false) == tree_bool(expect, "verify_not_strict", false) &&
           mathruler_agrees(gold, pred) == tree_bool(expect, "mathruler_grade_answer", false);
}

void golden_judgement(golden *g, const tree *cases) {
    int count = 0, agreed = 0;
    for (int i = 0; i < cases->count; i++) {
        const tree *c = cases->items[i], *label = tree_get(c, "sensible");
        if (!label) continue;
        count++;
        agreed += answer_agrees(tree_str(c, "gold", ""), tree_str(c, "pred", "")) == (label->i != 0);
    }
    golden_check(g, agreed * 205 >= count * 190, "answer_agrees: %d of %d as the human label has it, wanted 190 in 205", agreed, count);
}

/* A value that sympy printed, as a text to be verified: numbers, sums, sets; of an equation its right side. NULL for other forms. */
static char *printed_value(const char *printed) {
    const char *comma = strstr(printed, ", ");
    bool equation = !strncmp(printed, "Eq(", 3) && comma;
    const char *from = equation ? comma + 2 : printed;
    size_t n = strlen(from) - equation;
    return strspn(from, "0123456789 .,*/+-(){}") >= n ? mem_printf("$%.*s$", (int)n, from) : NULL;
}

/* The text of the first match and the value, or nothing at all. */
static bool extraction(const tree *c) {
    const tree *expect = tree_get(c, "expect");
    const char *text = tree_str(c, "text", "");
    char *raw = NULL, *printed = expect->count > 1 ? printed_value(expect->items[0]->text) : NULL;
    bool value = math_extracted(text, &raw);
    bool same = value == (expect->count > 1) && (expect->count ? raw && !strcmp(raw, expect->items[expect->count - 1]->text) : !raw);
    if (printed) same = same && math_verify(printed, text, true);
    free(printed);
    free(raw);
    return same;
}

static bool option(const tree *c) {
    const tree *strings = tree_get(tree_get(c, "config"), "strings"), *expect = tree_get(c, "expect");
    const char *options[16];
    for (int i = 0; i < strings->count && i < 16; i++) options[i] = strings->items[i]->text;
    const char *have = math_option(tree_str(c, "text", ""), options, min_int(strings->count, 16));
    return expect->count ? have && !strcmp(have, expect->items[1]->text) : !have;
}

/* Every scorer's verdict; null in the file is a completion it skips. */
static bool scorers(const tree *c) {
    static const struct {
        const char *name;
        double (*score)(const char *text, const char *gold);
    } all[] = {{"open_r1_multimodal", reward_accuracy_r1mm},
               {"open_r1_multimodal_mathverify_0_5_2", reward_accuracy_r1mm},
               {"vlm_r1_default", reward_vlm_r1},
               {"vlm_r1_mcq", reward_vlm_r1_choice},
               {"easyr1_r1v", reward_easyr1_r1v},
               {"easyr1_math_boxed", reward_easyr1_math},
               {"lmms_eval", reward_lmms_eval},
               {"trl_accuracy", reward_trl},
               {"trl_reasoning_accuracy", reward_trl_reasoning},
               {"open_r1_text", reward_open_r1}};
    const tree *expect = tree_get(c, "expect");
    bool same = true;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        const tree *want = tree_get(expect, all[i].name);
        double have = all[i].score(tree_str(c, "completion", ""), tree_str(c, "solution", ""));
        bool agrees = want && (want->type == TREE_NULL ? isnan(have) : near(have, number(want), 1e-9, 1e-9));
        if (!agrees) fprintf(stderr, "%s: %s is %g\n", tree_str(c, "id", ""), all[i].name, have);
        same = same && agrees;
    }
    return same;
}

static bool repetition_vlm_r1(const tree *c) {
    const tree *o = tree_get(c, "config");
    return answer_is(c, reward_vlm_r1_repetition(tree_str(c, "completion", ""), (int)real(o, "ngram_size"), real(o, "max_penalty")));
}

static bool letter_lmms_eval(const tree *c) { return lmms_eval_letter(tree_str(c, "text", "")) == tree_str(c, "expect", "")[0]; }

static bool answer_lmms_eval(const tree *c) {
    char *have = lmms_eval_answer(tree_str(c, "text", ""));
    bool same = !strcmp(have, tree_str(c, "expect", "?"));
    free(have);
    return same;
}

/* clang-format off */
const rl_check rl_reward_checks[] = {
    {"reward_format", "format", formats, NULL},
    {"reward_other", "len_reward/open_r1_kimi", short_ones, NULL},
    {"reward_other", "cosine/trl", cosine_trl, NULL},
    {"reward_other", "cosine/open_r1_chars_no_clamp", cosine_open_r1, NULL},
    {"reward_other", "cosine/vlm_r1", cosine_vlm_r1, NULL},
    {"reward_other", "repetition/trl_tokens", repeated_ids, NULL},
    {"reward_other", "repetition/open_r1_words", repeated_words, NULL},
    {"reward_other", "soft_overlong/trl", overlong, NULL},
    {"reward_other", "reasoning_steps/open_r1", steps, NULL},
    {"reward_other", "iou/vlm_r1", iou, NULL},
    {"reward_other", "detection_score/vlm_r1", detection, NULL},
    {"reward_other", "extract_choice/vlm_r1", choice, NULL},
    {"reward_other", "yes_no/vlm_r1", yes_no, NULL},
    {"reward_other", "levenshtein_ratio", ratio, NULL},
    {"reward_other", "clean_text/vlm_r1", clean, NULL},
    {"math_verify", "extraction_default", extraction, NULL},
    {"math_verify", "string_extraction", option, NULL},
    {"math_verify", "*", verdicts, NULL},
    {"reward_accuracy", "*", scorers, NULL},
    {"reward_other", "repetition/vlm_r1", repetition_vlm_r1, NULL},
    {"reward_other", "parse_mcq/lmms_eval", letter_lmms_eval, NULL},
    {"reward_other", "extract_answer/lmms_eval", answer_lmms_eval, NULL},
    {0},
};
/* clang-format on */
