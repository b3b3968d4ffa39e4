/* rl.c - golden_rl: every file's cases go to their handlers; what has none is counted as skipped, file by file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

bool near(double have, double want, double relative, double absolute) {
    if (isnan(want) || isinf(want)) return isnan(want) ? isnan(have) : have == want;
    return fabs(have - want) <= absolute + relative * fabs(want);
}

double number(const tree *t) {
    if (t->type != TREE_STRING) return t->type == TREE_BOOL ? (double)t->i : t->real;
    return !strcmp(t->text, "inf") ? INFINITY : !strcmp(t->text, "-inf") ? -INFINITY : NAN;
}

double real(const tree *t, const char *key) {
    const tree *v = tree_get(t, key);
    return v && v->type != TREE_NULL ? number(v) : 0;
}

int flatten(const tree *t, double *out) {
    if (t->type != TREE_LIST) {
        if (out) *out = t->type == TREE_NULL ? NAN : number(t);
        return 1;
    }
    int n = 0;
    for (int i = 0; i < t->count; i++) n += flatten(t->items[i], out ? out + n : NULL);
    return n;
}

double *numbers(const tree *c, const char *key, int *count) {
    const tree *t = tree_get(c, key);
    if (!t || t->type == TREE_NULL) return NULL;
    int n = flatten(t, NULL);
    double *out = mem_new((size_t)n + 1, sizeof *out);
    flatten(t, out);
    if (count) *count = n;
    return out;
}

bool near_numbers(const double *have, const tree *want, double relative, double absolute) {
    if (!want) return false;
    int n = flatten(want, NULL);
    double *values = mem_new((size_t)n + 1, sizeof *values);
    flatten(want, values);
    bool same = true;
    for (int i = 0; i < n && same; i++) same = near(have[i], values[i], relative, absolute);
    free(values);
    return same;
}

/* ---- files ---- */

static const rl_check *const tables[] = {rl_optimizer_checks, rl_preference_checks, rl_logit_checks, rl_data_checks, rl_loss_checks,
                                         rl_advantage_checks, rl_reward_checks,     rl_lora_checks,  rl_run_checks};

static bool group_matches(const char *pattern, const char *group) {
    size_t n = strlen(pattern);
    return n && pattern[n - 1] == '*' ? !strncmp(pattern, group, n - 1) : !strcmp(pattern, group);
}

static const rl_check *find_check(const char *file, const char *group) {
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (const rl_check *k = tables[t]; k->file; k++)
            if (!strcmp(file, k->file) && group_matches(k->group, group)) return k;
    return NULL;
}

static void run_file(golden *g, const char *dir, const char *name) {
    char *path = path_join(dir, name), *file = mem_strndup(name, strlen(name) - 5);
    tree *t = NULL;
    int skipped = 0;
    if (tree_load(&t, path)) golden_fail(g, "%s", lmm_message());
    const tree *cases = tree_get(t, "cases");
    for (int i = 0; cases && i < cases->count; i++) {
        const tree *c = cases->items[i];
        const rl_check *check = find_check(file, tree_str(c, "group", ""));
        if (!check) skipped++;
        else if (check->run) golden_check(g, check->run(c), "%s differs", tree_str(c, "id", file));
        if (check && check->left_out) golden_skip(g, 1, "%s: %s not compared", tree_str(c, "id", file), check->left_out);
    }
    if (cases && !strcmp(file, "math_verify")) golden_judgement(g, cases);
    if (cases && !strcmp(file, "dpo_data")) golden_rendered(g, cases);
    if (skipped) golden_skip(g, skipped, "%s: %d cases not supported yet", file, skipped);
    tree_free(t);
    free(file);
    free(path);
}

void golden_rl(golden *g, const char *dir) {
    char **names;
    int count;
    if (dir_list(&names, &count, dir)) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    for (int i = 0; i < count; i++)
        if (strstr(names[i], ".json")) run_file(g, dir, names[i]);
    names_free(names, count);
}
