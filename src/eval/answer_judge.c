/* answer_judge.c - kinds of answer that a judge decides, or takes apart when rules cannot. A judge that gives no verdict leaves `score` null: the
 * row is counted as without a verdict, never as wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* Renders the task's judge_prompt (the row's variables, `response` and `answer`) and asks; *reply NULL when there is no verdict. */
static lmm_status ask(const answer_in *in, int attempt, char **reply) {
    const char *source = tree_str(in->spec, "judge_prompt", NULL);
    *reply = NULL;
    if (!in->judge) return LMM_OK;
    if (!source) return LMM_FAIL(LMM_E_FORMAT, "%s: the answer needs a 'judge_prompt'", in->task->name);
    tree *vars = tree_copy(in->vars);
    tree_put(vars, "response", tree_new_string(in->response));
    char *prompt;
    lmm_status st = template_render(&prompt, source, vars);
    tree_free(vars);
    if (st) return st;
    st = in->judge->ask(in->judge->arg, prompt, attempt, reply);
    free(prompt);
    return st;
}

static void put_unjudged(tree *v) {
    tree_put(v, "score", tree_new(TREE_NULL));
    tree_put(v, "no_verdict", tree_new_bool(true));
}

/* ---- MathVista ---- */

/* Without a judge: the response is a choice, or the number asked for. NULL: it has to be asked. */
static char *quick_extract(const answer_in *in) {
    const char *type = tree_str(in->row, "answer_type", ""), *r = in->response;
    const tree *choices = tree_get(in->row, "choices");
    int64_t i;
    double x;
    if (!*r) return scratch_cut(in->mem, "", 0);
    for (int k = 0; choices && k < choices->count; k++)
        if (!strcmp(py_str(in->mem, choices->items[k]), r)) return scratch_cut(in->mem, r, strlen(r));
    if (!strcmp(type, "integer") && py_int(&i, r)) return scratch_printf(in->mem, "%" PRId64, i);
    if (!strcmp(type, "float") && py_float(&x, r)) return py_repr_real(in->mem, x);
    return NULL;
}

/* A letter in brackets or alone names its choice; anything else the choice of the least edit distance. */
static const char *nearest_choice(const answer_in *in, const char *extraction) {
    const tree *choices = tree_get(in->row, "choices");
    const char *t = py_strip(in->mem, extraction);
    regex_match m;
    if (regex_search("\\(([a-zA-Z])\\)", t, &m)) t = py_upper(in->mem, scratch_cut(in->mem, t + m.begin[1], 1));
    if (strlen(t) == 1 && *t >= 'A' && *t - 'A' < choices->count) return py_str(in->mem, choices->items[*t - 'A']);
    int best = 0, least = -1;
    for (int i = 0; i < choices->count; i++) {
        int d = edit_distance(in->mem, t, py_str(in->mem, choices->items[i]));
        if (least < 0 || d < least) least = d, best = i;
    }
    return choices->count ? py_str(in->mem, choices->items[best]) : NULL;
}

static const char *mathvista_normal(const answer_in *in, const char *extraction) {
    const char *type = tree_str(in->row, "answer_type", "");
    double x;
    if (!strcmp(tree_str(in->row, "question_type", ""), "multi_choice")) return nearest_choice(in, extraction);
    if (!strcmp(type, "list")) return extraction;
    bool number = py_float(&x, extraction);
    if (!strcmp(type, "integer")) return number && isfinite(x) ? scratch_printf(in->mem, "%.0f", trunc(x) + 0.0) : NULL;
    if (!strcmp(type, "float")) return number ? py_repr_real(in->mem, py_round(x, (int)py_value(tree_get(in->row, "precision"), 0))) : NULL;
    return extraction;
}

static lmm_status mathvista(const answer_in *in, tree *v) {
    char *extraction = quick_extract(in), *reply = NULL;
    lmm_status st = extraction ? LMM_OK : ask(in, 0, &reply);
    if (st) return st;
    if (!extraction && !reply) return put_unjudged(v), LMM_OK;
    if (reply) extraction = scratch_cut(in->mem, reply, strlen(reply));
    free(reply);
    const char *pred = mathvista_normal(in, extraction), *answer = py_str(in->mem, tree_get(in->row, "answer"));
    bool right = !strcmp(py_strip(in->mem, pred ? pred : "None"), py_strip(in->mem, answer));
    tree_put(v, "extraction", tree_new_string(extraction));
    tree_put(v, "pred", pred ? tree_new_string(pred) : tree_new(TREE_NULL));
    tree_put(v, "right", tree_new_bool(right));
    tree_put(v, "score", tree_new_real(right));
    return LMM_OK;
}

/* ---- a number in [0, 1]: MM-Vet ---- */

static bool first_number(scratch *mem, const char *reply, double *x) {
    const char *t = py_strip(mem, reply);
    return py_float(x, scratch_cut(mem, t, strcspn(t, " ")));
}

static lmm_status grade(const answer_in *in, tree *v) {
    enum { ATTEMPTS = 5 };
    double x = -1;
    bool asked = false;
    for (int i = 0; i < ATTEMPTS && !(x >= 0 && x <= 1); i++) {
        char *reply;
        lmm_status st = ask(in, i, &reply);
        if (st) return st;
        if (!reply) break;
        asked = true;
        if (!first_number(in->mem, reply, &x)) x = -1;
        free(reply);
    }
    if (x >= 0 && x <= 1) tree_put(v, "score", tree_new_real(x));
    else if (asked && in->compat) tree_put(v, "score", tree_new_real(0)); /* upstream: prose is a zero */
    else put_unjudged(v);
    return LMM_OK;
}

/* ---- two numbers: LLaVA-Bench ---- */

/* The first two numbers of the reply's first line; [-1, -1] when there are none. */
static tree *two_numbers(scratch *mem, const char *reply) {
    int n;
    double a, b;
    const char *t = py_strip(mem, reply), *line = scratch_cut(mem, t, strcspn(t, "\n"));
    char **words = py_split(mem, py_replace(mem, py_replace(mem, line, ",", " "), ";", " "), &n);
    int found = 0;
    for (int i = 0; i < n && found < 2; i++) {
        regex_match m;
        const char *w = words[i];
        for (size_t at = 0; found < 2 && regex_search("-?\\d+(?:\\.\\d+)?", w + at, &m); at += m.end[0])
            if (py_float(found ? &b : &a, scratch_cut(mem, w + at + m.begin[0], m.end[0] - m.begin[0]))) found++;
    }
    tree *out = tree_new(TREE_LIST);
    tree_add(out, found == 2 ? tree_new_real(a) : tree_new_int(-1));
    tree_add(out, found == 2 ? tree_new_real(b) : tree_new_int(-1));
    return out;
}

static tree *pair_of(double a, double b) {
    tree *t = tree_new(TREE_LIST);
    tree_add(t, tree_new_real(a));
    tree_add(t, tree_new_real(b));
    return t;
}

static lmm_status pair(const answer_in *in, tree *v) {
    const tree *list = tree_get(in->task->config, "metric_list");
    const char *category = tree_str(in->row, "category", "");
    char *reply;
    lmm_status st = ask(in, 0, &reply);
    if (st) return st;
    if (!reply) put_unjudged(v);
    tree *scores = reply ? two_numbers(in->mem, reply) : pair_of(-1, -1);
    for (int i = 0; list && i < list->count; i++) {
        const char *metric = tree_str(list->items[i], "metric", ""), *only = tree_str(list->items[i], "category", NULL);
        tree *record = tree_new(TREE_MAP);
        tree_put(record, "question", tree_copy(tree_get(in->row, "question")));
        tree_put(record, "ans2", tree_new_string(in->response));
        tree_put(record, "category", tree_new_string(category));
        tree_put(record, "review", reply ? tree_new_string(reply) : tree_new(TREE_NULL));
        tree_put(record, "scores", only && strcmp(only, category) ? pair_of(-999, -999) : tree_copy(scores));
        tree_put(v, metric, record);
    }
    tree_free(scores);
    free(reply);
    return LMM_OK;
}

/* ---- {'pred': 'yes', 'score': 4}: ActivityNet-QA ---- */

static bool read_dict(const char *reply, bool *yes, int64_t *score) {
    const char *open = strchr(reply, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close) return false;
    scratch mem = {0};
    tree *t = py_literal(scratch_cut(&mem, open, (size_t)(close - open) + 1));
    const tree *s = tree_get(t, "score"), *p = tree_get(t, "pred");
    bool good = s && p && p->type == TREE_STRING;
    if (good) *yes = strstr(py_lower(&mem, p->text), "yes") != NULL, good = *yes || strstr(py_lower(&mem, p->text), "no");
    if (good && s->type == TREE_STRING) good = py_int(score, s->text);
    else if (good) good = s->type == TREE_INT || s->type == TREE_REAL, *score = good ? (int64_t)s->real : 0;
    tree_free(t);
    scratch_free(&mem);
    return good;
}

static lmm_status yes_and_score(const answer_in *in, tree *v) {
    bool yes;
    int64_t score;
    char *reply;
    lmm_status st = ask(in, 0, &reply);
    if (st) return st;
    if (reply && read_dict(reply, &yes, &score)) {
        tree_put(v, "pred", tree_new_string(yes ? "yes" : "no"));
        tree_put(v, "score", tree_new_int(score));
    } else put_unjudged(v);
    free(reply);
    return LMM_OK;
}

/* ---- correct, incorrect or unclear: HallusionBench ---- */

static lmm_status verdict_word(const answer_in *in, tree *v) {
    char *reply;
    lmm_status st = ask(in, 0, &reply);
    if (st) return st;
    tree_put(v, "reply", reply ? tree_new_string(reply) : tree_new(TREE_NULL));
    if (!reply) put_unjudged(v);
    free(reply);
    return LMM_OK;
}

/* ---- 1 or 0 ---- */

static lmm_status binary(const answer_in *in, tree *v) {
    char *reply;
    lmm_status st = ask(in, 0, &reply);
    if (st) return st;
    const char *t = reply ? py_strip(in->mem, reply) : "";
    if (reply && in->compat) tree_put(v, "score", tree_new_real(strchr(t, '1') != NULL)); /* upstream: a 1 anywhere */
    else if (!strcmp(t, "1") || !strcmp(t, "0")) tree_put(v, "score", tree_new_real(*t == '1'));
    else put_unjudged(v);
    free(reply);
    return LMM_OK;
}

const answer_kind answer_kinds_judge[] = {
    {"mathvista", mathvista, {"judge_prompt"}},
    {"grade", grade, {"judge_prompt"}},
    {"pair", pair, {"judge_prompt"}},
    {"yes_and_score", yes_and_score, {"judge_prompt"}},
    {"verdict_word", verdict_word, {"judge_prompt"}},
    {"binary", binary, {"judge_prompt"}},
    {0},
};
