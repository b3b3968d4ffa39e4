/* videommmu.c - Video-MMMU (Hu et al. 2025): who is right, scores by subject and discipline, and what a lecture taught (the gain of knowledge). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- right or wrong ---- */

bool videommmu_correct(scratch *mem, const tree *record) {
    const char *type = tree_str(record, "question_type", "");
    const tree *pred = tree_get(record, "parsed_pred"), *gold = tree_get(record, "answer");
    if (!strcmp(type, "multiple-choice") || !strcmp(type, "perception"))
        return pred && pred->type == TREE_STRING && !strcmp(pred->text, py_str(mem, gold));
    if (pred && pred->type == TREE_STRING) {
        tree *list = tree_new(TREE_LIST);
        tree_add(list, tree_copy(pred));
        bool right = open_correct(mem, gold, list);
        tree_free(list);
        return right;
    }
    return open_correct(mem, gold, pred);
}

/* The benchmark's scripts treat every record as open: text is right when it contains the answer, numbers never are. */
bool videommmu_script_correct(scratch *mem, const tree *record) {
    const tree *pred = tree_get(record, "parsed_pred"), *gold = tree_get(record, "answer");
    const char *want = py_strip(mem, py_lower(mem, py_str(mem, gold)));
    if (!pred) return false;
    if (pred->type == TREE_STRING) return strcmp(pred->text, "No Answere Found") && strstr(py_strip(mem, py_lower(mem, pred->text)), want);
    for (int i = 0; i < pred->count; i++)
        if (pred->items[i]->type == TREE_STRING && strstr(pred->items[i]->text, want)) return true;
    return false;
}

/* ---- by subject and discipline ---- */

static const struct {
    const char *name, *subjects[8];
} disciplines[] = {
    {"Art and Design", {"Art", "Art_Theory", "Design", "Music"}},
    {"Business", {"Accounting", "Economics", "Finance", "Manage", "Marketing"}},
    {"Science", {"Biology", "Chemistry", "Geography", "Math", "Physics"}},
    {"Health and Medicine",
     {"Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy", "Public_Health"}},
    {"Humanities and Social Science", {"History", "Literature", "Sociology", "Psychology"}},
    {"Tech and Engineering",
     {"Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics", "Energy_and_Power", "Materials",
      "Mechanical_Engineering"}},
};

const char *videommmu_discipline(const char *subject) {
    for (size_t d = 0; d < COUNT_OF(disciplines); d++)
        for (int k = 0; k < 8 && disciplines[d].subjects[k]; k++)
            if (!strcmp(disciplines[d].subjects[k], subject)) return disciplines[d].name;
    return NULL;
}

typedef struct {
    double acc; /* rounded to five places, as it is shown */
    int count;
} share;

static tree *share_tree(share s) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "num", tree_new_int(s.count));
    tree_put(t, "acc", tree_new_real(s.acc));
    return t;
}

static share subject_share(scratch *mem, const tree *records, const char *subject, double *exact) {
    int right = 0, n = 0;
    for (int i = 0; i < records->count; i++) {
        const tree *r = records->items[i], *pred = tree_get(r, "parsed_pred");
        if (strcmp(tree_str(r, "subdomain", ""), subject) || (pred && pred->type == TREE_STRING && !strcmp(pred->text, "API Error")))
            continue;
        right += videommmu_correct(mem, r), n++;
    }
    *exact = n ? (double)right / n : 0;
    return (share){py_round(*exact, 5), n};
}

static share joined(const share *parts, int n, const double *exact) {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; i++) sum += exact[i] * parts[i].count, count += parts[i].count;
    return (share){count ? py_round(sum / count, 5) : 0, count};
}

tree *videommmu_scores(scratch *mem, const tree *records) {
    tree *out = tree_new(TREE_MAP);
    share all[64];
    double all_acc[64];
    int n = 0;
    for (size_t d = 0; d < COUNT_OF(disciplines); d++) {
        int first = n;
        tree *subjects = tree_new(TREE_MAP);
        for (int k = 0; k < 8 && disciplines[d].subjects[k]; k++) {
            share s = subject_share(mem, records, disciplines[d].subjects[k], &all_acc[n]);
            if (!s.count) continue;
            all[n++] = s;
            tree_put(subjects, disciplines[d].subjects[k], share_tree(s));
        }
        tree_put(out, scratch_printf(mem, "Overall-%s", disciplines[d].name), share_tree(joined(all + first, n - first, all_acc + first)));
        for (int k = 0; k < subjects->count; k++) tree_put(out, subjects->keys[k], tree_copy(subjects->items[k]));
        tree_free(subjects);
    }
    tree_put(out, "Overall", share_tree(joined(all, n, all_acc)));
    return out;
}

/* ---- the gain of knowledge ---- */

/* (after - before) / (100 - before) x 100 in per cent; NaN when nothing was left to learn. */
static double gain(double before, double after) { return before >= 100 ? NAN : (after - before) / (100 - before) * 100; }

typedef struct {
    const char *id;
    bool before, after;
} change;

/* Ids on both sides, in the order of `after`. */
static int changes_of(const tree *before, const tree *after, change *out, tree *missing) {
    int n = 0;
    for (int i = 0; i < after->count; i++) {
        const char *id = tree_str(after->items[i], "id", "");
        const tree *other = NULL;
        for (int k = 0; k < before->count && !other; k++)
            if (!strcmp(tree_str(before->items[k], "id", ""), id)) other = before->items[k];
        if (other) out[n++] = (change){id, tree_bool(other, "correct", false), tree_bool(after->items[i], "correct", false)};
        else tree_add(missing, tree_new_string(id));
    }
    return n;
}

static tree *crossing(const change *c, int n, bool from) {
    tree *t = tree_new(TREE_MAP), *ids = tree_new(TREE_LIST);
    int base = 0;
    for (int i = 0; i < n; i++) {
        base += c[i].before == from;
        if (c[i].before == from && c[i].after != from) tree_add(ids, tree_new_string(c[i].id));
    }
    int count = ids->count;
    tree_put(t, "n", tree_new_int(count));
    tree_put(t, "den", tree_new_int(base));
    tree_put(t, "rate", base ? tree_new_real(100.0 * count / base) : tree_new(TREE_NULL));
    tree_put(t, "ids", ids);
    return t;
}

static void put_real(tree *t, const char *key, double x) { tree_put(t, key, isnan(x) ? tree_new(TREE_NULL) : tree_new_real(x)); }

static double gain_of(const change *c, const int *pick, int n) {
    int before = 0, after = 0;
    for (int i = 0; i < n; i++) before += c[pick ? pick[i] : i].before, after += c[pick ? pick[i] : i].after;
    return gain(100.0 * before / n, 100.0 * after / n);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* 95 % interval of 1,000 resamples of the pairs, seed 0. */
static void put_interval(tree *t, const change *c, int n) {
    enum { DRAWS = 1000 };
    double *values = mem_new(DRAWS, sizeof *values);
    int *pick = mem_new((size_t)n, sizeof *pick), count = 0;
    py_random r;
    py_random_seed(&r, 0);
    for (int d = 0; d < DRAWS; d++) {
        for (int i = 0; i < n; i++) pick[i] = (int)(py_random_unit(&r) * n);
        double x = gain_of(c, pick, n);
        if (!isnan(x)) values[count++] = x;
    }
    qsort(values, (size_t)count, sizeof *values, by_value);
    tree *ends = tree_new(TREE_LIST);
    if (count > 1) {
        tree_add(ends, tree_new_real(values[(int)(0.025 * (count - 1) + 0.5)]));
        tree_add(ends, tree_new_real(values[(int)(0.975 * (count - 1) + 0.5)]));
    }
    tree_put(t, "delta_ci95", ends);
    free(pick);
    free(values);
}

tree *videommmu_delta(const tree *before, const tree *after) {
    tree *out = tree_new(TREE_MAP), *missing = tree_new(TREE_LIST);
    change *c = mem_new((size_t)after->count + 1, sizeof *c);
    int n = changes_of(before, after, c, missing), right = 0, wrong = 0, was = 0, is = 0;
    for (int i = 0; i < n; i++) {
        was += c[i].before, is += c[i].after;
        right += c[i].before && c[i].after, wrong += !c[i].before && !c[i].after;
    }
    tree_put(out, "n", tree_new_int(n));
    put_real(out, "acc_before", n ? 100.0 * was / n : NAN);
    put_real(out, "acc_after", n ? 100.0 * is / n : NAN);
    put_real(out, "delta_knowledge", n ? gain_of(c, NULL, n) : NAN);
    tree_put(out, "wrong_to_right", crossing(c, n, false));
    tree_put(out, "right_to_wrong", crossing(c, n, true));
    tree_put(out, "stay_right", tree_new_int(right));
    tree_put(out, "stay_wrong", tree_new_int(wrong));
    put_real(out, "mcnemar_p", n ? mcnemar(is - right, was - right) : NAN);
    if (n) put_interval(out, c, n);
    tree_put(out, "missing_ids", missing);
    free(c);
    return out;
}
