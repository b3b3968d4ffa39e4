/* filter.c - filters of a task (regular expressions, votes, case, maps) and the removal of reasoning between tags. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- reasoning ---- */

/* First open to first close after it, again and again; a close left over keeps what follows the last one. */
static char *strip_pair(scratch *mem, char *t, const char *open, const char *close) {
    char *a, *b;
    while (*open && *close && (a = strstr(t, open)) && strstr(t, close)) {
        if (!(b = strstr(a, close))) break;
        *a = '\0';
        t = scratch_printf(mem, "%s%s", t, b + strlen(close));
    }
    const char *last = *close && !strstr(t, open) ? py_rfind(t, close) : NULL;
    return last ? scratch_cut(mem, last + strlen(close), strlen(last) - strlen(close)) : t;
}

char *reasoning_strip(scratch *mem, const char *text, const tree *tags) {
    char *t = scratch_cut(mem, text, strlen(text));
    for (int i = 0; tags && i < tags->count; i++) {
        const tree *pair = tags->items[i];
        if (pair->type == TREE_LIST && pair->count == 2 && pair->items[0]->type == TREE_STRING && pair->items[1]->type == TREE_STRING)
            t = strip_pair(mem, t, pair->items[0]->text, pair->items[1]->text);
    }
    return py_strip(mem, t);
}

static lmm_status tags_from(tree **out, const tree *says) {
    *out = NULL;
    if (!says || says->type == TREE_NULL || (says->type == TREE_BOOL && !says->i)) return LMM_OK;
    tree *list = NULL;
    if (says->type == TREE_STRING) {
        scratch mem = {0};
        const char *t = py_lower(&mem, py_strip(&mem, says->text));
        bool off = !strcmp(t, "none") || !strcmp(t, "false") || !*t;
        scratch_free(&mem);
        if (off) return LMM_OK;
        lmm_status st = tree_parse_json(&list, says->text, says->text_size, "reasoning tags");
        if (st) return st;
    } else list = tree_copy(says);
    /* One pair may stand alone. */
    if (list->type == TREE_LIST && list->count == 2 && list->items[0]->type == TREE_STRING) {
        tree *outer = tree_new(TREE_LIST);
        tree_add(outer, list);
        list = outer;
    }
    bool good = list->type == TREE_LIST;
    for (int i = 0; good && i < list->count; i++) good = list->items[i]->type == TREE_LIST && list->items[i]->count == 2;
    if (!good)
        return tree_free(list),
               LMM_FAIL(LMM_E_FORMAT, "reasoning tags must be a list of pairs, such as [[\"<think>\", \"</think>\"]], or none");
    return *out = list, LMM_OK;
}

lmm_status reasoning_tags_of(tree **out, const tree *task_says, const char *cli_says) {
    if (task_says && task_says->type != TREE_NULL) return tags_from(out, task_says);
    tree *cli = cli_says ? tree_new_string(cli_says) : NULL;
    lmm_status st = tags_from(out, cli);
    tree_free(cli);
    return st;
}

/* ---- filters: a list of responses becomes a list, or for take_first one value ---- */

typedef lmm_status (*filter_fn)(scratch *mem, const tree *args, const tree *in, tree *out);

static void put_text(tree *out, const char *text) { tree_add(out, tree_new_string(text)); }

static lmm_status take_first_k(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)mem;
    int64_t k = tree_int(args, "k", 1);
    for (int i = 0; i < in->count && i < k; i++) tree_add(out, tree_copy(in->items[i]));
    return LMM_OK;
}

static lmm_status majority_vote(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)args;
    int best = -1, most = 0;
    for (int i = 0; i < in->count; i++) {
        int n = 0;
        for (int k = 0; k < in->count; k++) n += !strcmp(py_str(mem, in->items[i]), py_str(mem, in->items[k]));
        if (n > most) most = n, best = i;
    }
    if (best >= 0) tree_add(out, tree_copy(in->items[best]));
    return LMM_OK;
}

static lmm_status lowercase(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)args;
    for (int i = 0; i < in->count; i++) put_text(out, py_lower(mem, py_str(mem, in->items[i])));
    return LMM_OK;
}

static lmm_status uppercase(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)args;
    for (int i = 0; i < in->count; i++) put_text(out, py_upper(mem, py_str(mem, in->items[i])));
    return LMM_OK;
}

static lmm_status remove_whitespace(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)args;
    for (int i = 0; i < in->count; i++) {
        const char *t = py_str(mem, in->items[i]);
        put_text(out, t + (*t == ' '));
    }
    return LMM_OK;
}

static lmm_status map_words(scratch *mem, const tree *args, const tree *in, tree *out) {
    const tree *fallback = tree_get(args, "default_value");
    for (int i = 0; i < in->count; i++) {
        const tree *value = tree_get(tree_get(args, "mapping_dict"), py_str(mem, in->items[i]));
        if (!value) value = fallback;
        tree_add(out, value ? tree_copy(value) : tree_new(TREE_NULL));
    }
    return LMM_OK;
}

static lmm_status strip_thinking(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)args;
    for (int i = 0; i < in->count; i++) {
        char *t = py_str(mem, in->items[i]);
        t = strip_pair(mem, t, "<think>", "</think>");
        put_text(out, py_strip(mem, strip_pair(mem, t, "<thinking>", "</thinking>")));
    }
    return LMM_OK;
}

/* "B. text" becomes B; anything else stays as it is. */
static lmm_status leading_letter(scratch *mem, const tree *args, const tree *in, tree *out) {
    (void)args;
    for (int i = 0; i < in->count; i++) {
        const char *t = py_str(mem, in->items[i]);
        regex_match m;
        put_text(out, regex_search("^\\s*([A-Z])\\.", t, &m) ? scratch_cut(mem, t + m.begin[1], 1) : t);
    }
    return LMM_OK;
}

/* The first group that is not empty, or the whole match of a pattern without groups. */
static const char *match_text(scratch *mem, const char *t, const regex_match *m) {
    for (int g = 1; g < m->group_count; g++)
        if (m->set[g] && m->end[g] > m->begin[g]) return scratch_cut(mem, t + m->begin[g], m->end[g] - m->begin[g]);
    return m->group_count > 1 ? "" : scratch_cut(mem, t + m->begin[0], m->end[0] - m->begin[0]);
}

/* The match that `group_select` counts (negative: from the end), else the fallback. */
static const char *select_match(scratch *mem, const regex *r, const char *t, int64_t which, const char *fallback) {
    const char *found[256];
    int n = 0;
    regex_match m;
    for (size_t at = 0; n < (int)COUNT_OF(found) && regex_find(r, t, at, &m); at = m.end[0] > m.begin[0] ? m.end[0] : m.end[0] + 1)
        found[n++] = match_text(mem, t, &m);
    if (which < 0) which += n;
    return which >= 0 && which < n ? py_strip(mem, found[which]) : fallback;
}

static lmm_status regex_filter(scratch *mem, const tree *args, const tree *in, tree *out) {
    regex *r;
    lmm_status st = regex_open(&r, tree_str(args, "regex_pattern", "#### (\\-?[0-9\\.\\,]+)"), false);
    if (st) return st;
    for (int i = 0; i < in->count; i++)
        put_text(out, select_match(mem, r, py_str(mem, in->items[i]), tree_int(args, "group_select", 0),
                                   tree_str(args, "fallback", "[invalid]")));
    regex_close(r);
    return LMM_OK;
}

static const struct {
    const char *name;
    filter_fn run;
} filters[] = {
    {"take_first_k", take_first_k},     {"majority_vote", majority_vote},         {"lowercase", lowercase},
    {"uppercase", uppercase},           {"remove_whitespace", remove_whitespace}, {"map", map_words},
    {"strip_thinking", strip_thinking}, {"leading_letter", leading_letter},       {"regex", regex_filter},
};

static lmm_status unknown(const char *name) {
    const char *known[COUNT_OF(filters) + 2] = {"take_first"};
    for (size_t i = 0; i < COUNT_OF(filters); i++) known[i + 1] = filters[i].name;
    const char *near = nearest_word(name, known);
    return LMM_FAIL(LMM_E_FORMAT, "unknown filter '%s'%s%s%s", name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static lmm_status apply_one(scratch *mem, const char *name, const tree *args, tree **value) {
    if (!strcmp(name, "take_first")) {
        tree *first = (*value)->count ? tree_copy((*value)->items[0]) : tree_new_string("");
        tree_free(*value);
        return *value = first, LMM_OK;
    }
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        if (strcmp(filters[i].name, name)) continue;
        tree *out = tree_new(TREE_LIST);
        lmm_status st = filters[i].run(mem, args, *value, out);
        tree_free(*value);
        return *value = out, st;
    }
    return unknown(name);
}

lmm_status filter_apply(tree **out, const tree *chain, const tree *responses) {
    scratch mem = {0};
    tree *value = tree_copy(responses);
    lmm_status st = LMM_OK;
    for (int i = 0; chain && i < chain->count && !st; i++) {
        const tree *step = chain->items[i];
        bool list = step->type == TREE_LIST;
        const char *name = list ? (step->count ? py_str(&mem, step->items[0]) : "") : tree_str(step, "function", "");
        st = apply_one(&mem, name, list && step->count > 1 ? step->items[1] : step, &value);
    }
    scratch_free(&mem);
    if (st) return tree_free(value), st;
    return *out = value, LMM_OK;
}
