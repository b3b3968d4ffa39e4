/* qa.c - question files: EgoLifeQA as published (one array with everything), or a public file whose sealed half lies in ../sealed. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego.h"

void ego_qa_free(ego_qas *q) {
    for (int i = 0; i < q->count; i++) {
        ego_qa *x = &q->at[i];
        free(x->id), free(x->type), free(x->question), free(x->targets.at);
        for (int k = 0; k < 4; k++) free(x->options[k]);
    }
    free(q->at);
    *q = (ego_qas){0};
}

static lmm_status when_asked(const tree *t, const char *path, const char *id, int64_t *ms) {
    ego_spans s = {0};
    ego_targets(tree_get(t, "query_time"), &s);
    lmm_status st = s.count ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "'%s', question %s: no query_time {date, time}", path, id);
    if (!st) *ms = s.at[0].from;
    free(s.at);
    return st;
}

static int letter(const char *s) {
    return s && s[0] && !s[1] ? s[0] >= 'A' && s[0] <= 'D' ? s[0] - 'A' : s[0] >= 'a' && s[0] <= 'd' ? s[0] - 'a' : -1 : -1;
}

static void read_sealed(ego_qa *q, const tree *t) {
    q->answer = letter(tree_str(t, "answer", NULL));
    q->future = letter(tree_str(t, "future_answer", NULL));
    q->need_audio = tree_bool(t, "need_audio", false);
    ego_targets(tree_get(t, "target_time"), &q->targets);
    q->certificate = tree_int(t, "cert_span_s", 0) * 1000;
    for (int i = 0; !q->certificate && i < q->targets.count; i++)
        if (q->query_time - q->targets.at[i].from > q->certificate) q->certificate = q->query_time - q->targets.at[i].from;
}

static lmm_status read_one(ego_qa *q, const tree *t, const char *path, int number) {
    static const char *const keys[4] = {"choice_a", "choice_b", "choice_c", "choice_d"};
    char fallback[16];
    snprintf(fallback, sizeof fallback, "%d", number);
    const tree *id = tree_get(t, "ID");
    q->id = id && id->type == TREE_INT ? mem_printf("%" PRId64, id->i) : mem_strdup(tree_str(t, "ID", fallback));
    q->type = mem_strdup(tree_str(t, "type", "unknown"));
    const char *question = tree_str(t, "question", "");
    q->question = mem_strdup(question);
    if (!*question) return LMM_FAIL(LMM_E_FORMAT, "'%s', question %s: no question", path, q->id);
    for (int k = 0; k < 4; k++) {
        const char *o = tree_str(t, keys[k], NULL);
        if (!o || !*o) return LMM_FAIL(LMM_E_FORMAT, "'%s', question %s: '%s' is missing; four options are needed", path, q->id, keys[k]);
        q->options[k] = mem_strdup(o);
    }
    return when_asked(t, path, q->id, &q->query_time);
}

/* questions/X.public.json -> sealed/X.sealed.json; NULL when it is no public file. */
static char *sealed_path(const char *path) {
    const char *end = strstr(path_base(path), ".public.json");
    if (!end) return NULL;
    char *dir = path_dir(path), *stem = mem_strndup(path_base(path), (size_t)(end - path_base(path)));
    char *out = mem_printf("%s/../sealed/%s.sealed.json", dir, stem);
    free(dir), free(stem);
    return out;
}

static lmm_status join_sealed(ego_qas *out, const char *path) {
    tree *t;
    lmm_status st = tree_load(&t, path);
    for (int i = 0; !st && i < t->count; i++)
        for (int k = 0; k < out->count; k++)
            if (!strcmp(out->at[k].id, tree_str(t->items[i], "ID", ""))) read_sealed(&out->at[k], t->items[i]);
    if (!st) tree_free(t);
    return st;
}

lmm_status ego_qa_load(ego_qas *out, const char *path) {
    tree *t;
    lmm_status st = tree_load(&t, path);
    if (st) return st;
    char *sealed = sealed_path(path);
    if (t->type != TREE_LIST) st = LMM_FAIL(LMM_E_FORMAT, "'%s' is no list of questions", path);
    for (int i = 0; !st && i < t->count; i++) {
        VEC_PUSH(out, ((ego_qa){.answer = -1, .future = -1}));
        st = read_one(&out->at[i], t->items[i], path, i + 1);
        if (!st && !sealed) read_sealed(&out->at[i], t->items[i]);
    }
    if (!st && sealed) st = join_sealed(out, sealed);
    free(sealed);
    tree_free(t);
    if (st) ego_qa_free(out);
    return st;
}
