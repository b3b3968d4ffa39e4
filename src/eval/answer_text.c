/* answer_text.c - kinds of answer that rules alone can judge: letters of options, short texts, numbers, captions, likelihoods. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- helpers ---- */

static void put_score(tree *v, double score) {
    tree_put(v, "score", tree_new_real(score));
    tree_put(v, "correct", tree_new_int(score > 0));
    tree_put(v, "right", tree_new_bool(score > 0));
}

/* The gold answer as text: the template `gold`, else the column "answer". */
static lmm_status gold_of(const answer_in *in, char **out) {
    const char *what = tree_str(in->spec, "gold", "answer");
    tree *value;
    lmm_status st = row_value(&value, what, in->row, in->vars);
    if (st) return st;
    if (!value) return LMM_FAIL(LMM_E_FORMAT, "%s: the row has no column '%s'", in->task->name, what);
    *out = py_str(in->mem, value);
    tree_free(value);
    return LMM_OK;
}

static lmm_status golds_of(const answer_in *in, const tree **out) {
    const char *column = tree_str(in->spec, "gold", "answers");
    *out = tree_get(in->row, column);
    return *out ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "%s: the row has no column '%s'", in->task->name, column);
}

/* ---- letters ---- */

static const struct {
    const char *name;
    const char *(*run)(const letter_rule *, const char *);
} extractors[] = {
    {"shared", letter_shared},
    {"mmmu", letter_mmmu},
    {"paper", letter_paper_choice},
    {"phrase", letter_phrase},
    {"phrase_random", letter_phrase_random},
    {"egoplan", letter_egoplan},
    {"egotaskqa", letter_egotaskqa},
    {"egoschema", letter_egoschema},
    {"word", letter_word},
    {"first_char", letter_first_char},
    {"leading", letter_leading},
    {"mvbench", letter_mvbench},
    {"raw", letter_raw},
};

static const char *extract(const answer_in *in, const char *name, const char *response) {
    letter_rule r = {in->mem, in->letters, in->options, in->option_letters, in->random, in->drawn};
    for (size_t i = 0; i < COUNT_OF(extractors); i++)
        if (!strcmp(extractors[i].name, name)) return extractors[i].run(&r, response);
    return NULL;
}

static void put_choice(tree *v, const char *pred, const char *gold, bool same) {
    const char *at = strlen(pred) == 1 ? strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", *pred) : NULL;
    tree_put(v, "pred", tree_new_string(pred));
    tree_put(v, "gold", tree_new_string(gold));
    tree_put(v, "index", tree_new_int(at ? *at - 'A' : -1));
    put_score(v, same);
}

/* `pattern`, a regular expression: its first group, or the whole match. */
static lmm_status by_pattern(const answer_in *in, const char *gold, tree *v) {
    regex *r;
    regex_match m;
    lmm_status st = regex_open(&r, tree_str(in->spec, "pattern", ""), false);
    if (st) return LMM_CONTEXT(st, "%s", in->task->name);
    const char *pred = "";
    if (regex_find(r, in->response, 0, &m)) {
        int g = m.group_count > 1 && m.set[1];
        pred = scratch_cut(in->mem, in->response + m.begin[g], m.end[g] - m.begin[g]);
    }
    regex_close(r);
    put_choice(v, pred, gold, !strcmp(pred, gold));
    return LMM_OK;
}

static lmm_status choice(const answer_in *in, tree *v) {
    const char *name = tree_str(in->spec, "extract", "shared"), *compare = tree_str(in->spec, "compare", "exact");
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    if (!strcmp(name, "regex")) return by_pattern(in, gold, v);
    const char *pred = extract(in, name, in->response), *want = extract(in, !strcmp(name, "mvbench") ? name : "raw", gold);
    if (!pred) {
        const char *known[COUNT_OF(extractors) + 1] = {0};
        for (size_t i = 0; i < COUNT_OF(extractors); i++) known[i] = extractors[i].name;
        const char *near = nearest_word(name, known);
        return LMM_FAIL(LMM_E_FORMAT, "%s: unknown extractor '%s' of letters%s%s%s", in->task->name, name, near ? " (did you mean '" : "",
                        near ? near : "", near ? "'?)" : "");
    }
    bool fold = !strcmp(compare, "nocase"), same = !strcmp(fold ? py_lower(in->mem, pred) : pred, fold ? py_lower(in->mem, want) : want);
    put_choice(v, pred, gold, same);
    return LMM_OK;
}

/* RealWorldQA: a letter when the gold answer is one, else the text without its last points. */
static lmm_status choice_or_text(const answer_in *in, tree *v) {
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    gold = py_strip(in->mem, gold);
    const char *upper = py_upper(in->mem, gold), *letters = tree_str(in->spec, "letters", "ABCD");
    bool letter = strlen(upper) == 1 && strchr(letters, *upper);
    const char *pred =
        letter ? extract(in, "shared", in->response) : py_rstrip_of(in->mem, py_strip(in->mem, py_lower(in->mem, in->response)), ".");
    tree_put(v, "pred", tree_new_string(pred));
    tree_put(v, "gold", tree_new_string(gold));
    put_score(v, !strcmp(pred, letter ? upper : py_lower(in->mem, gold)));
    return LMM_OK;
}

/* ---- MMMU and Video-MMMU ---- */

static lmm_status mmmu(const answer_in *in, tree *v) {
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    tree *pred = tree_new(TREE_LIST);
    bool right;
    if (!strcmp(tree_str(in->row, "question_type", ""), "multiple-choice")) {
        const char *letter = extract(in, "mmmu", in->response);
        tree_add(pred, tree_new_string(letter));
        right = !strcmp(letter, gold);
        tree_put(v, "submission", tree_new_string(letter));
    } else {
        tree_free(pred);
        pred = open_candidates(in->mem, in->response, open_words_mmmu);
        tree *text = tree_new_string(gold);
        right = !in->compat && open_correct(in->mem, text, pred); /* upstream compares characters there: never right */
        tree_free(text);
        tree_put(v, "submission", tree_new_string(in->response));
    }
    tree_put(v, "pred", pred);
    tree_put(v, "gold", tree_new_string(gold));
    put_score(v, right);
    return LMM_OK;
}

static lmm_status videommmu(const answer_in *in, tree *v) {
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    const char *type = tree_str(in->row, "question_type", tree_str(in->spec, "type", "None"));
    bool paper = !strcmp(tree_str(in->spec, "parser", "lmms-eval"), "paper");
    if (!strcmp(type, "multiple-choice")) {
        const char *letter = extract(in, paper ? "paper" : "shared", in->response);
        tree_put(v, "pred", tree_new_string(*letter ? letter : "No Answer Found."));
    } else if (!*in->response || !strcmp(in->response, "API Error")) tree_put(v, "pred", tree_new_string("API Error"));
    else tree_put(v, "pred", open_candidates(in->mem, in->response, open_words_video));
    tree_put(v, "gold", tree_new_string(gold));
    tree_put(v, "type", tree_new_string(type));
    tree *record = tree_new(TREE_MAP);
    tree_put(record, "question_type", tree_new_string(type));
    tree_put(record, "answer", tree_new_string(gold));
    tree_put(record, "parsed_pred", tree_copy(tree_get(v, "pred")));
    put_score(v, videommmu_correct(in->mem, record));
    tree_free(record);
    return LMM_OK;
}

/* ---- short texts ---- */

static lmm_status exact(const answer_in *in, tree *v) {
    bool fold = tree_bool(in->spec, "ignore_case", false), marks = tree_bool(in->spec, "ignore_punctuation", false),
         digits = tree_bool(in->spec, "ignore_numbers", false);
    tree *gold;
    const char *what = tree_str(in->spec, "gold", "answer");
    lmm_status st = row_value(&gold, what, in->row, in->vars);
    if (st) return st;
    if (!gold) return LMM_FAIL(LMM_E_FORMAT, "%s: the row has no column '%s'", in->task->name, what);
    const char *mine = exact_form(in->mem, in->response, fold, marks, digits);
    bool right = false;
    for (int i = 0; i < (gold->type == TREE_LIST ? gold->count : 1) && !right; i++)
        right = !strcmp(mine, exact_form(in->mem, py_str(in->mem, gold->type == TREE_LIST ? gold->items[i] : gold), fold, marks, digits));
    tree_put(v, "pred", tree_new_string(in->response));
    tree_put(v, "gold", gold);
    put_score(v, right);
    return LMM_OK;
}

static lmm_status vqa(const answer_in *in, tree *v) {
    const tree *golds;
    lmm_status st = golds_of(in, &golds);
    if (st) return st;
    bool tokenize = tree_bool(in->spec, "tokenize", true);
    const char *normal = vqa_normal(in->mem, in->response, tokenize);
    tree_put(v, "normal", tree_new_string(normal));
    tree_put(v, "pred", tree_new_string(normal));
    put_score(v, vqa_accuracy(in->mem, in->response, golds, tokenize));
    return LMM_OK;
}

static lmm_status anls_kind(const answer_in *in, tree *v) {
    const tree *golds;
    lmm_status st = golds_of(in, &golds);
    if (st) return st;
    const char *pred = in->response;
    const tree *lead = tree_get(in->spec, "lead_in");
    for (int i = 0; lead && i < lead->count; i++) {
        const char *word = lead->items[i]->text, *low = py_lower(in->mem, pred);
        if (strncmp(low, word, strlen(word))) continue;
        pred = py_strip_of(in->mem, py_strip(in->mem, pred + strlen(word)), tree_str(in->spec, "strip", ""));
        break;
    }
    tree_put(v, "pred", tree_new_string(pred));
    put_score(v, anls(in->mem, pred, golds, tree_real(in->spec, "threshold", 0.5), tree_bool(in->spec, "collapse", false)));
    return LMM_OK;
}

static lmm_status relaxed(const answer_in *in, tree *v) {
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    tree_put(v, "pred", tree_new_string(in->response));
    tree_put(v, "gold", tree_new_string(gold));
    put_score(v, relaxed_equal(in->mem, in->response, gold, tree_real(in->spec, "tolerance", 0.05)));
    return LMM_OK;
}

static lmm_status contains(const answer_in *in, tree *v) {
    const tree *golds;
    lmm_status st = golds_of(in, &golds);
    if (st) return st;
    tree *list = golds->type == TREE_LIST ? tree_copy(golds) : tree_new(TREE_LIST);
    if (golds->type != TREE_LIST) tree_add(list, tree_copy(golds));
    tree_put(v, "pred", tree_new_string(in->response));
    tree_put(v, "gold", list);
    put_score(v, ocr_contains(in->mem, in->response, golds, !strcmp(tree_str(in->row, "dataset", ""), "HME100k")));
    return LMM_OK;
}

static lmm_status mme(const answer_in *in, tree *v) {
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    const char *pred = yes_no_label(in->mem, in->response);
    tree_put(v, "pred", tree_new_string(pred));
    put_score(v, !strcmp(pred, py_replace(in->mem, py_strip(in->mem, py_lower(in->mem, gold)), ".", "")));
    return LMM_OK;
}

/* POPE: the whole lower-cased response must be the answer. */
static lmm_status yes_no(const answer_in *in, tree *v) {
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    const char *pred = py_strip(in->mem, py_lower(in->mem, in->response)), *want = py_strip(in->mem, py_lower(in->mem, gold));
    tree_put(v, "pred", tree_new_string(pred));
    tree_put(v, "gold", tree_new_string(want));
    put_score(v, !strcmp(pred, want));
    return LMM_OK;
}

/* Nothing to judge by itself: captions, circular choices, answers for a server. */
static lmm_status keep(const answer_in *in, tree *v) {
    tree_put(v, "pred", tree_new_string(in->response));
    return LMM_OK;
}

/* ---- likelihood of the choices ---- */

static lmm_status likelihood(const answer_in *in, tree *v) {
    const tree *outs = in->outputs;
    char *gold;
    lmm_status st = gold_of(in, &gold);
    if (st) return st;
    if (!outs || outs->count != in->option_count || !outs->count)
        return LMM_FAIL(LMM_E_FORMAT, "%s: %d losses for %d choices", in->task->name, outs ? outs->count : 0, in->option_count);
    int best = 0, best_norm = 0, right = -1;
    double least = 0, least_norm = 0;
    for (int i = 0; i < outs->count; i++) {
        const tree *o = outs->items[i];
        double loss = o->type == TREE_LIST && o->count ? py_value(o->items[0], 0) : py_value(o, 0),
               norm = loss / (double)py_len(in->options[i]);
        if (!i || loss < least) least = loss, best = i;
        if (!i || norm < least_norm) least_norm = norm, best_norm = i;
        if (strlen(gold) == 1 ? in->letters[i] == *gold : !strcmp(in->options[i], gold)) right = right < 0 ? i : right;
    }
    const tree *o = right >= 0 ? outs->items[right] : NULL;
    tree_put(v, "index", tree_new_int(best));
    tree_put(v, "acc", tree_new_real(best == right));
    tree_put(v, "acc_norm", tree_new_real(best_norm == right));
    tree_put(v, "egoschema_mcppl_pred", tree_new_int(best));
    tree_put(v, "exact_match", tree_new_int(o && o->type == TREE_LIST && o->count > 1 && py_value(o->items[1], 0) != 0));
    tree *pair = tree_new(TREE_LIST);
    tree_add(pair, tree_new_int(right));
    tree_add(pair, tree_new_int(best));
    tree_put(v, "f1", pair);
    put_score(v, best == right);
    return LMM_OK;
}

/* Of the target alone: its log-likelihood, and whether greedy decoding would have said it. */
static lmm_status perplexity_kind(const answer_in *in, tree *v) {
    const tree *outs = in->outputs, *o = outs && outs->count == 1 ? outs->items[0] : NULL;
    if (!o || o->type != TREE_LIST || o->count != 2)
        return LMM_FAIL(LMM_E_FORMAT, "%s: a task of kind perplexity has 'output_type: loglikelihood'", in->task->name);
    tree_put(v, "perplexity", tree_new_real(-py_value(o->items[0], 0)));
    tree_put(v, "acc", tree_new_real(py_value(o->items[1], 0) != 0));
    put_score(v, py_value(o->items[1], 0) != 0);
    return LMM_OK;
}

const answer_kind answer_kinds_text[] = {
    {"choice", choice, {"extract", "letters", "compare", "pattern"}},
    {"choice_or_text", choice_or_text, {"letters"}},
    {"mmmu", mmmu, {0}},
    {"videommmu", videommmu, {"parser", "type"}},
    {"exact", exact, {"ignore_case", "ignore_punctuation", "ignore_numbers"}},
    {"vqa", vqa, {"tokenize"}},
    {"anls", anls_kind, {"threshold", "lead_in", "strip", "collapse"}},
    {"relaxed", relaxed, {"tolerance"}},
    {"contains", contains, {0}},
    {"mme", mme, {0}},
    {"yes_no", yes_no, {0}},
    {"keep", keep, {0}},
    {"likelihood", likelihood, {0}},
    {"perplexity", perplexity_kind, {0}},
    {0},
};
