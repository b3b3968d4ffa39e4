/* aggregate_more.c - scores with rules of their own: MME, POPE, MMBench's circular evaluation, HallusionBench, LLaVA-Bench, MMMU, captions, NExT-QA. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- grouping ---- */

/* Ids of groups in order of first occurrence; count by strmap_count. */
static int group_id(strmap *ids, const char *name) {
    int id = strmap_count(ids);
    if (!strmap_put(ids, name, strlen(name), id)) strmap_get(ids, name, strlen(name), &id);
    return id;
}

static const char *text_at(const aggregate_in *in, const tree *item, const char *key) { return py_str(in->mem, tree_get(item, key)); }

/* ---- MME (Fu et al. 2023): accuracy plus accuracy of pairs, a category at a time ---- */

typedef struct {
    double sum;
    int count, category;
} mme_pair;

static lmm_status mme(const aggregate_in *in, tree **out) {
    strmap *categories = strmap_new(), *pairs = strmap_new();
    int n = in->items->count, broken = 0;
    mme_pair *pair = mem_new((size_t)n + 1, sizeof *pair);
    double total = 0;
    for (int i = 0; i < n; i++) {
        const tree *item = in->items->items[i];
        const char *category = text_at(in, item, "category");
        mme_pair *p = &pair[group_id(pairs, scratch_printf(in->mem, "%s\n%s", category, text_at(in, item, "question_id")))];
        p->category = group_id(categories, category);
        p->sum += py_value(tree_get(item, "score"), 0);
        p->count++;
    }
    for (int c = 0; c < strmap_count(categories); c++) {
        double sum = 0;
        int count = 0;
        for (int k = 0; k < strmap_count(pairs); k++) {
            if (pair[k].category != c) continue;
            broken += pair[k].count != 2;
            sum += 100 * pair[k].sum / pair[k].count + (pair[k].count == 2 && pair[k].sum == 2 ? 100 : 0);
            count++;
        }
        if (count) total += sum / count;
    }
    if (broken && in->details) tree_put(in->details, "questions_without_their_pair", tree_new_int(broken));
    strmap_free(categories);
    strmap_free(pairs);
    free(pair);
    *out = n ? tree_new_real(total) : tree_new_real(0);
    return LMM_OK;
}

/* ---- POPE (Li et al. 2023): `part` is precision, recall, f1 or yes_ratio ---- */

static lmm_status prf(const aggregate_in *in, tree **out) {
    const char *part = tree_str(in->spec, "part", "f1");
    double right = 0, wrong = 0, missed = 0, gold_yes = 0, gold_no = 0, said_yes = 0;
    for (int i = 0; i < in->items->count; i++) {
        const char *p = tree_str(in->items->items[i], "prediction", ""), *g = tree_str(in->items->items[i], "ground_truth", "");
        bool yes = !strcmp(p, "yes"), no = !strcmp(p, "no"), is_yes = !strcmp(g, "yes"), is_no = !strcmp(g, "no");
        right += yes && is_yes, wrong += yes && is_no, missed += no && is_yes;
        gold_yes += is_yes, gold_no += is_no, said_yes += yes;
    }
    double precision = right + wrong > 0 ? right / (right + wrong) : 0, recall = right + missed > 0 ? right / (right + missed) : 0;
    double x = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
    if (!strcmp(part, "precision")) x = precision;
    if (!strcmp(part, "recall")) x = recall;
    if (!strcmp(part, "yes_ratio")) { /* upstream counts the answers asked for, not those given */
        double all = in->compat ? gold_yes + gold_no : in->items->count, yes = in->compat ? gold_yes : said_yes;
        x = all > 0 ? yes / all : 0;
    }
    *out = tree_new_real(x);
    return LMM_OK;
}

/* ---- MMBench (Liu et al. 2023): a question counts when every rotation of its options is answered rightly ---- */

typedef struct {
    const tree *item;
    int64_t index;
    int order;
} mmb_row;

static int by_index(const void *a, const void *b) {
    const mmb_row *x = a, *y = b;
    return x->index != y->index ? (x->index > y->index) - (x->index < y->index) : x->order - y->order;
}

/* Options A-D that are there; a text "nan" is one, JSON's stand-in for a missing number is none. */
static letter_rule mmb_rule(const aggregate_in *in, const tree *item) {
    char *letters = scratch_get(in->mem, 8), **texts = scratch_get(in->mem, 8 * sizeof *texts);
    int n = 0;
    for (char l = 'A'; l <= 'D'; l++) {
        const tree *value = tree_get(item, (char[]){l, 0});
        if (!value || value->type == TREE_NULL || (value->type == TREE_STRING && !strcmp(value->text, "NaN"))) continue;
        letters[n] = l;
        texts[n++] = py_str(in->mem, value);
    }
    return (letter_rule){.mem = in->mem, .letters = letters, .texts = texts};
}

static const char *mmb_prompt(const aggregate_in *in, const tree *item, const letter_rule *r) {
    const char *options = "",
               *lead = "Which of the options does the answer mean? Reply with the letter of one option alone, or E when it means none.";
    for (int i = 0; r->letters[i]; i++) options = scratch_printf(in->mem, "%s%c. %s\n", options, r->letters[i], r->texts[i]);
    return scratch_printf(in->mem, "%s\nQuestion: %s\nOptions:\n%sAnswer: %s\nLetter: ", tree_str(in->spec, "judge_prompt", lead),
                          tree_str(item, "question", ""), options, tree_str(item, "prediction", ""));
}

/* What a judge reads out of an answer: three tries, then a letter by chance. */
static lmm_status mmb_judged(const aggregate_in *in, const tree *item, py_random *random, const char **out) {
    letter_rule r = mmb_rule(in, item);
    *out = NULL;
    for (int i = 0; i < 3 && !*out; i++) {
        char *reply = NULL;
        lmm_status st = in->judge->ask(in->judge->arg, mmb_prompt(in, item, &r), i, &reply);
        if (st) return st;
        if (reply) *out = mmbench_prefetch(&r, reply);
        free(reply);
    }
    if (!*out && in->compat) {
        const char letters[] = "ABCDE";
        int k = py_random_below(random, 5);
        *out = scratch_cut(in->mem, letters + k, 1);
    }
    return LMM_OK;
}

static bool mmb_right(const tree *item, const char *pred) { return !strcmp(pred ? pred : "", tree_str(item, "answer", "")); }

static lmm_status mmb_group(const aggregate_in *in, const mmb_row *rows, int n, int64_t main, py_random *random, bool *hit) {
    bool judged = !strcmp(tree_str(in->spec, "mode", "static"), "judge") && in->judge;
    *hit = true;
    for (int pass = 0; pass < 2 && *hit; pass++)
        for (int i = 0; i < n && *hit; i++) {
            if (rows[i].index % 1000000 != main) continue;
            letter_rule r = mmb_rule(in, rows[i].item);
            const char *text = tree_str(rows[i].item, "prediction", ""), *pred = mmbench_prefetch(&r, text);
            if (!pred && !pass) continue;
            if (pred && pass) continue; /* settled in the first pass */
            if (!pred && judged) {
                lmm_status st = mmb_judged(in, rows[i].item, random, &pred);
                if (st) return st;
            } else if (!pred) pred = letter_shared(&r, text);
            *hit = mmb_right(rows[i].item, pred);
        }
    return LMM_OK;
}

static void mmb_put(const aggregate_in *in, const char *name, const char *key, const mmb_row *rows, const bool *hits, int n) {
    tree *out = tree_new(TREE_MAP);
    for (int i = 0; i < n; i++) {
        if (rows[i].index >= 1000000) continue;
        const char *part = text_at(in, rows[i].item, key);
        if (tree_get(out, part)) continue;
        double right = 0, count = 0;
        for (int k = i; k < n; k++)
            if (rows[k].index < 1000000 && !strcmp(part, text_at(in, rows[k].item, key))) right += hits[k], count++;
        tree_put(out, part, tree_new_real(right / count));
    }
    tree_put(in->details, name, out);
}

static lmm_status circular(const aggregate_in *in, tree **out) {
    int n = in->items->count, mains = 0, right = 0;
    mmb_row *rows = mem_new((size_t)n + 1, sizeof *rows);
    bool *hits = mem_new((size_t)n + 1, 1);
    py_random random;
    lmm_status st = LMM_OK;
    py_random_seed(&random, 2680);
    for (int i = 0; i < n; i++) rows[i] = (mmb_row){in->items->items[i], (int64_t)py_value(tree_get(in->items->items[i], "index"), 0), i};
    qsort(rows, (size_t)n, sizeof *rows, by_index);
    for (int i = 0; i < n && !st; i++) {
        if (rows[i].index >= 1000000) continue;
        st = mmb_group(in, rows, n, rows[i].index, &random, &hits[i]);
        mains++, right += hits[i];
    }
    if (!st && in->details) {
        mmb_put(in, "category_acc", "category", rows, hits, n);
        mmb_put(in, "l2_category_acc", "L2-category", rows, hits, n);
    }
    if (!st) *out = mains ? tree_new_real(100.0 * right / mains) : tree_new(TREE_NULL);
    free(rows);
    free(hits);
    return st;
}

/* ---- HallusionBench (Guan et al. 2024) ---- */

/* 1 right, 0 wrong, 2 unclear, -1 no verdict. With a judge by its word, else by the presence of "yes". */
static int hb_code(const aggregate_in *in, const tree *item, bool words_alone) {
    if (words_alone) {
        const char *low = py_lower(in->mem, tree_str(item, "model_prediction", ""));
        return !strcmp(strstr(low, "yes") ? "1" : "0", text_at(in, item, "gt_answer"));
    }
    const tree *reply = tree_get(item, "judge_reply");
    if (!reply || reply->type != TREE_STRING) return -1;
    const char *low = py_lower(in->mem, reply->text);
    return strstr(low, "incorrect") ? 0 : strstr(low, "correct") ? 1 : 2;
}

/* `part`: aAcc of questions, qAcc of question pairs, fAcc of figures; `intern: true` without a judge, as a fraction. */
static lmm_status hallusion(const aggregate_in *in, tree **out) {
    const char *part = tree_str(in->spec, "part", "aAcc");
    bool words = tree_bool(in->spec, "intern", false), figures = *part == 'f', each = *part == 'a';
    strmap *ids = strmap_new();
    bool *wrong = mem_new((size_t)in->items->count + 1, 1);
    for (int i = 0; i < in->items->count; i++) {
        const tree *item = in->items->items[i];
        int code = hb_code(in, item, words);
        bool bare = !strcmp(tree_str(item, "category", ""), "VS") && !strcmp(text_at(in, item, "figure_id"), "0");
        if (code < 0 || (figures && bare && !words)) continue;
        const char *key = each ? scratch_printf(in->mem, "%d", i)
                               : scratch_printf(in->mem, "%s\n%s\n%s\n%s", text_at(in, item, "category"), text_at(in, item, "subcategory"),
                                                text_at(in, item, "set_id"), text_at(in, item, figures ? "figure_id" : "question_id"));
        if (code != 1 && !(code == 2 && bare)) wrong[group_id(ids, key)] = true;
        else group_id(ids, key);
    }
    int n = strmap_count(ids), right = 0;
    for (int i = 0; i < n; i++) right += !wrong[i];
    *out = !n ? tree_new(TREE_NULL) : words ? tree_new_real((double)right / n) : tree_new_real(py_round(100.0 * right / n, 4));
    strmap_free(ids);
    free(wrong);
    return LMM_OK;
}

/* ---- LLaVA-Bench: the model's mean over the reference's ---- */

static lmm_status ratio(const aggregate_in *in, tree **out) {
    double a = 0, b = 0;
    int n = 0;
    for (int i = 0; i < in->items->count; i++) {
        const tree *s = tree_get(in->items->items[i], "scores");
        if (!s || s->count != 2) continue;
        double x = py_value(s->items[0], -1), y = py_value(s->items[1], -1);
        if (x == -999 || (x == -1 && y == -1 && !in->compat)) continue; /* upstream averages failed calls in */
        a += x, b += y, n++;
    }
    *out = tree_new(TREE_NULL);
    if (!n) return LMM_OK;
    a = py_round(a / n, 3), b = py_round(b / n, 3);
    if (a != 0) tree_free(*out), *out = tree_new_real(py_round(b / a * 100, 1));
    return LMM_OK;
}

/* ---- MMMU ---- */

static bool mmmu_right(const aggregate_in *in, const tree *item) {
    const tree *pred = tree_get(item, "parsed_pred"), *gold = tree_get(item, "answer");
    if (!strcmp(tree_str(item, "question_type", ""), "multiple-choice")) {
        for (int i = 0; pred && pred->type == TREE_LIST && i < pred->count; i++)
            if (!strcmp(py_str(in->mem, pred->items[i]), py_str(in->mem, gold))) return true;
        return pred && pred->type == TREE_STRING && !strcmp(pred->text, py_str(in->mem, gold));
    }
    return !in->compat && open_correct(in->mem, gold, pred);
}

static lmm_status mmmu(const aggregate_in *in, tree **out) {
    int right = 0, n = in->items->count;
    for (int i = 0; i < n; i++) right += mmmu_right(in, in->items->items[i]);
    *out = n ? tree_new_real(py_round((double)right / n, 5)) : tree_new(TREE_NULL);
    return LMM_OK;
}

static lmm_status videommmu(const aggregate_in *in, tree **out) {
    tree *map = videommmu_scores(in->mem, in->items);
    const tree *overall = tree_get(map, "Overall");
    *out = overall ? tree_new_real(tree_real(overall, "acc", 0)) : tree_new_int(0);
    if (in->details) tree_put(in->details, "scores", map);
    else tree_free(map);
    return LMM_OK;
}

/* ---- captions: `part` is Bleu_1..4, ROUGE_L, CIDEr or METEOR ---- */

static caption caption_of(const aggregate_in *in, const tree *item) {
    const tree *refs = tree_get(item, "answer");
    int n = refs && refs->type == TREE_LIST ? refs->count : 0;
    const char **list = scratch_get(in->mem, ((size_t)n + 1) * sizeof *list);
    for (int i = 0; i < n; i++) list[i] = ptb_tokenize(in->mem, py_str(in->mem, refs->items[i]));
    if (!n) list[n++] = "";
    return (caption){ptb_tokenize(in->mem, tree_str(item, "pred", "")), list, n};
}

static lmm_status captions(const aggregate_in *in, tree **out) {
    const char *part = tree_str(in->spec, "part", "CIDEr");
    int n = in->items->count;
    caption *list = scratch_get(in->mem, ((size_t)n + 1) * sizeof *list);
    for (int i = 0; i < n; i++) list[i] = caption_of(in, in->items->items[i]);
    if (!strcmp(part, "METEOR")) {
        wordnet *w = NULL;
        bool synonyms = !wordnet_open(&w, tree_str(in->spec, "wordnet", "/usr/share/wordnet"));
        *out = tree_new_real(meteor_score(list, n, w));
        if (in->details) tree_put(in->details, "meteor_stages", tree_new_string(synonyms ? "exact stem synonym" : "exact stem"));
        wordnet_close(w);
        return LMM_OK;
    }
    caption_scores s;
    captions_score(&s, list, n);
    double x = !strncmp(part, "Bleu_", 5) && part[5] >= '1' && part[5] <= '4' ? s.bleu[part[5] - '1']
               : !strcmp(part, "ROUGE_L")                                     ? s.rouge_l
                                                                              : s.cider;
    caption_scores_free(&s);
    *out = tree_new_real(x);
    return LMM_OK;
}

/* ---- NExT-QA's open answers ---- */

static bool is_stop_word(const aggregate_in *in, const char *word) {
    const tree *list = tree_get(in->spec, "stop_words");
    for (int i = 0; list && i < list->count; i++)
        if (list->items[i]->type == TREE_STRING && !strcmp(list->items[i]->text, word)) return true;
    return false;
}

/* Base forms without stop words. */
static char *plain_words(const aggregate_in *in, const wordnet *w, const char *text) {
    int n;
    buf b = {0};
    char **words = py_split(in->mem, regex_sub(in->mem, "[^\\w']+", py_lower(in->mem, text), " ", 0), &n);
    for (int i = 0; i < n; i++) {
        const char *base = wordnet_base(w, in->mem, words[i]);
        if (!is_stop_word(in, words[i]) && !is_stop_word(in, base)) buf_printf(&b, "%s%s", b.size ? " " : "", base);
    }
    char *out = scratch_cut(in->mem, b.size ? b.data : "", b.size);
    buf_free(&b);
    return out;
}

/* Questions for a number or a yes (DC, DB) want the same words, all others alike ones; the better of two references counts. */
static double open_score(const aggregate_in *in, const wordnet *w, const tree *item) {
    const char *type = tree_str(item, "type", ""), *pred = plain_words(in, w, tree_str(item, "pred", ""));
    const bool exact = !strcmp(type, "DC") || !strcmp(type, "DB");
    double best = 0;
    for (int k = 0; k < 2; k++) {
        const tree *value = tree_get(item, k ? "second" : "answer");
        const char *text = value && value->type != TREE_NULL ? py_str(in->mem, value) : "";
        if (k && !*text) continue;
        const char *truth = plain_words(in, w, text);
        best = fmax(best, exact ? !strcmp(pred, truth) : wups(w, in->mem, pred, truth, 0));
    }
    return best;
}

static lmm_status open_wups(const aggregate_in *in, tree **out) {
    wordnet *w;
    double sum = 0;
    const int n = in->items->count;
    lmm_status st = wordnet_open(&w, tree_str(in->spec, "wordnet", "/usr/share/wordnet"));
    if (st) return LMM_CONTEXT(st, "WUPS needs WordNet (Debian's wordnet-base)");
    for (int i = 0; i < n; i++) sum += open_score(in, w, in->items->items[i]);
    wordnet_close(w);
    *out = n ? tree_new_real(tree_real(in->spec, "scale", 1) * sum / n) : tree_new(TREE_NULL);
    return LMM_OK;
}

const aggregation aggregations_more[] = {
    {"mme", mme},
    {"prf", prf},
    {"circular", circular},
    {"hallusion", hallusion},
    {"ratio", ratio},
    {"mmmu", mmmu},
    {"videommmu", videommmu},
    {"captions", captions},
    {"wups", open_wups},
    {0},
};
