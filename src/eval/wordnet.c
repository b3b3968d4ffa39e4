/* wordnet.c - WordNet 3.0's database files (wndb(5WN)): senses of a word, hypernyms, base forms; the similarity of Wu and Palmer (1994) over
 * first senses, with NLTK's choices; WUPS of two short texts. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { KINDS = 4, ROOT = -1, FAR = 1 << 20, PATH_MAX_NODES = 512 };
static const char *const kind_names[KINDS] = {"noun", "verb", "adj", "adv"};

struct wordnet {
    file_map index[KINDS], data[KINDS], exceptions[KINDS];
};

typedef struct {
    int kind;
    long offset; /* ROOT: the made-up root above all others */
} sense;

lmm_status wordnet_open(wordnet **out, const char *dir) {
    wordnet *w = mem_new(1, sizeof *w);
    lmm_status st = LMM_OK;
    for (int k = 0; k < KINDS && !st; k++) {
        char *index = mem_printf("%s/index.%s", dir, kind_names[k]), *data = mem_printf("%s/data.%s", dir, kind_names[k]),
             *exceptions = mem_printf("%s/%s.exc", dir, kind_names[k]);
        st = file_map_open(&w->index[k], index);
        if (!st) st = file_map_open(&w->data[k], data);
        if (!st) st = file_map_open(&w->exceptions[k], exceptions);
        free(index);
        free(data);
        free(exceptions);
    }
    if (st) {
        wordnet_close(w);
        return LMM_CONTEXT(st, "WordNet is not in '%s' (package wordnet-base)", dir);
    }
    return *out = w, LMM_OK;
}

void wordnet_close(wordnet *w) {
    if (!w) return;
    for (int k = 0; k < KINDS; k++) {
        file_map_close(&w->index[k]);
        file_map_close(&w->data[k]);
        file_map_close(&w->exceptions[k]);
    }
    free(w);
}

/* ---- lines ---- */

/* The text after "WORD " on the line that begins with it, by bisection of a sorted file; NULL when absent. *end is the line's end. */
static const char *line_of(const file_map *f, const char *word, const char **end) {
    const char *text = (const char *)f->data;
    size_t low = 0, high = f->size, n = strlen(word);
    while (low < high) {
        size_t start = (low + high) / 2;
        while (start > low && text[start - 1] != '\n') start--;
        const char *stop = memchr(text + start, '\n', f->size - start);
        size_t finish = stop ? (size_t)(stop - text) : f->size, size = 0;
        while (start + size < finish && text[start + size] != ' ') size++;
        int order = memcmp(word, text + start, n < size ? n : size);
        if (!order) order = n < size ? -1 : n > size;
        if (!order) return *end = text + finish, text + start + size;
        if (order < 0) high = start;
        else low = finish + 1;
    }
    return NULL;
}

/* The next blank-separated field as a number in base 10 or 16; false at the end of the line. */
static bool field(const char **at, const char *end, char *out, size_t room) {
    while (*at < end && **at == ' ') ++*at;
    size_t n = 0;
    for (; *at < end && **at != ' '; ++*at)
        if (n + 1 < room) out[n++] = **at;
    out[n] = '\0';
    return n > 0;
}

/* The k-th sense of a lemma of one kind; false when there are fewer. */
static bool lemma_sense(const wordnet *w, int kind, const char *lemma, int k, sense *out) {
    char text[32];
    const char *end, *at = line_of(&w->index[kind], lemma, &end);
    if (!at || *lemma == ' ' || !*lemma) return false;
    long senses, pointers;
    field(&at, end, text, sizeof text); /* part of speech */
    field(&at, end, text, sizeof text), senses = strtol(text, NULL, 10);
    field(&at, end, text, sizeof text), pointers = strtol(text, NULL, 10);
    for (long i = 0; i < pointers + 2; i++) field(&at, end, text, sizeof text);
    for (int i = 0; i <= k && i < senses; i++) {
        if (!field(&at, end, text, sizeof text)) return false;
        if (i == k) return *out = (sense){kind, strtol(text, NULL, 10)}, true;
    }
    return false;
}

/* ---- base forms, as NLTK's morphy ---- */

static const char *const endings[KINDS][10][2] = {
    {{"s", ""}, {"ses", "s"}, {"ves", "f"}, {"xes", "x"}, {"zes", "z"}, {"ches", "ch"}, {"shes", "sh"}, {"men", "man"}, {"ies", "y"}},
    {{"s", ""}, {"ies", "y"}, {"es", "e"}, {"es", ""}, {"ed", "e"}, {"ed", ""}, {"ing", "e"}, {"ing", ""}},
    {{"er", ""}, {"est", ""}, {"er", "e"}, {"est", "e"}},
    {{NULL, NULL}},
};

/* Calls back through `found` for the word and its base forms that the dictionary holds, at most `room`. */
static int base_forms(const wordnet *w, scratch *mem, int kind, const char *word, const char **found, int room) {
    int n = 0;
    sense s;
    char text[128];
    const char *end, *at = line_of(&w->exceptions[kind], word, &end);
    if (lemma_sense(w, kind, word, 0, &s)) found[n++] = scratch_cut(mem, word, strlen(word));
    while (at && n < room && field(&at, end, text, sizeof text))
        if (lemma_sense(w, kind, text, 0, &s)) found[n++] = scratch_cut(mem, text, strlen(text));
    if (at) return n;
    for (int i = 0; i < 10 && endings[kind][i][0] && n < room; i++) {
        size_t size = strlen(word), cut = strlen(endings[kind][i][0]);
        if (size < cut || strcmp(word + size - cut, endings[kind][i][0])) continue;
        const char *form = scratch_printf(mem, "%.*s%s", (int)(size - cut), word, endings[kind][i][1]);
        if (*form && lemma_sense(w, kind, form, 0, &s)) found[n++] = form;
    }
    return n;
}

const char *wordnet_base(const wordnet *w, scratch *mem, const char *word) {
    const char *forms[12], *shortest = NULL;
    for (int k = 0; k < KINDS && !shortest; k++)
        for (int i = 0, n = base_forms(w, mem, k, word, forms, COUNT_OF(forms)); i < n; i++)
            if (!shortest || strlen(forms[i]) < strlen(shortest)) shortest = forms[i];
    return shortest ? shortest : word;
}

static bool first_sense(const wordnet *w, scratch *mem, const char *word, sense *out) {
    const char *forms[12], *low = py_lower(mem, word);
    for (int k = 0; k < KINDS; k++)
        if (base_forms(w, mem, k, low, forms, COUNT_OF(forms)) > 0) return lemma_sense(w, k, forms[0], 0, out);
    return false;
}

/* ---- synsets ---- */

static int kind_of(char letter) { return letter == 'n' ? 0 : letter == 'v' ? 1 : letter == 'r' ? 3 : 2; }

typedef struct {
    const char *at, *end; /* after the words: at the count of pointers */
    char name[128];       /* first word */
    const char *words;
    int word_count;
} entry;

static bool entry_of(const wordnet *w, sense s, entry *e) {
    const file_map *f = &w->data[s.kind];
    char text[128];
    if (s.offset < 0 || (size_t)s.offset >= f->size) return false;
    e->at = (const char *)f->data + s.offset;
    e->end = memchr(e->at, '\n', f->size - (size_t)s.offset);
    if (!e->end) return false;
    for (int i = 0; i < 3; i++) field(&e->at, e->end, text, sizeof text);
    if (!field(&e->at, e->end, text, sizeof text)) return false;
    e->word_count = (int)strtol(text, NULL, 16);
    e->words = e->at;
    for (int i = 0; i < e->word_count; i++) {
        if (!field(&e->at, e->end, text, sizeof text)) return false;
        if (!i) memcpy(e->name, text, sizeof text);
        field(&e->at, e->end, text, sizeof text);
    }
    return true;
}

static int hypernyms(const wordnet *w, sense s, sense *out, int room) {
    entry e;
    char symbol[16], offset[16], kind[8], ends[16];
    int n = 0;
    if (s.offset == ROOT || !entry_of(w, s, &e) || !field(&e.at, e.end, symbol, sizeof symbol)) return 0;
    long count = strtol(symbol, NULL, 10);
    for (int pass = 0; pass < 2; pass++) { /* class hypernyms before instance hypernyms */
        const char *at = e.at;
        for (long i = 0; i < count && field(&at, e.end, symbol, sizeof symbol); i++) {
            field(&at, e.end, offset, sizeof offset);
            field(&at, e.end, kind, sizeof kind);
            field(&at, e.end, ends, sizeof ends);
            if (!strcmp(symbol, pass ? "@i" : "@") && n < room) out[n++] = (sense){kind_of(*kind), strtol(offset, NULL, 10)};
        }
    }
    return n;
}

static bool same(sense a, sense b) { return a.offset == b.offset && (a.kind == b.kind || a.offset == ROOT); }

static int depth(const wordnet *w, sense s, bool longest, int level) {
    sense up[16];
    int n = level < 64 ? hypernyms(w, s, up, COUNT_OF(up)) : 0, best = -1;
    for (int i = 0; i < n; i++) {
        int d = depth(w, up[i], longest, level + 1);
        if (best < 0 || (longest ? d > best : d < best)) best = d;
    }
    return best + 1;
}

/* ---- paths ---- */

typedef struct {
    sense node[PATH_MAX_NODES];
    int distance[PATH_MAX_NODES], count;
} paths;

static void paths_from(const wordnet *w, sense s, bool root, paths *p) {
    p->count = 0;
    p->node[p->count] = s, p->distance[p->count++] = 0;
    for (int i = 0; i < p->count; i++) {
        sense up[16];
        int n = hypernyms(w, p->node[i], up, COUNT_OF(up));
        for (int k = 0; k < n && p->count < PATH_MAX_NODES - 1; k++) {
            bool known = false;
            for (int j = 0; j < p->count && !known; j++) known = same(p->node[j], up[k]);
            if (!known) p->node[p->count] = up[k], p->distance[p->count++] = p->distance[i] + 1;
        }
    }
    if (root && s.offset != ROOT) {
        p->node[p->count] = (sense){0, ROOT};
        p->distance[p->count] = p->distance[p->count - 1] + 1; /* breadth first: the last is the farthest */
        p->count++;
    }
}

static int distance(const paths *a, const paths *b) {
    int best = FAR;
    for (int i = 0; i < a->count; i++)
        for (int k = 0; k < b->count; k++)
            if (same(a->node[i], b->node[k])) best = min_int(best, a->distance[i] + b->distance[k]);
    return best;
}

/* "lemma.n.01": orders subsumers of equal depth. */
static const char *name_of(const wordnet *w, scratch *mem, sense s) {
    entry e;
    sense other;
    if (s.offset == ROOT || !entry_of(w, s, &e)) return "*ROOT*";
    const char *low = py_lower(mem, e.name);
    int k = 0;
    while (lemma_sense(w, s.kind, low, k, &other) && !same(other, s)) k++;
    return scratch_printf(mem, "%s.%c.%02d", low, "nvar"[s.kind], k + 1);
}

static sense deepest_common(const wordnet *w, scratch *mem, const paths *a, const paths *b, sense first, bool *found) {
    sense best = {0, ROOT};
    int most = -1;
    *found = false;
    for (int i = 0; i < a->count; i++)
        for (int k = 0; k < b->count; k++) {
            if (!same(a->node[i], b->node[k])) continue;
            int d = a->node[i].offset == ROOT ? 0 : depth(w, a->node[i], false, 0);
            bool better = d > most;
            if (d == most)
                better = same(a->node[i], first) || (!same(best, first) && strcmp(name_of(w, mem, a->node[i]), name_of(w, mem, best)) < 0);
            if (better) most = d, best = a->node[i], *found = true;
        }
    return best;
}

static double similarity(const wordnet *w, scratch *mem, sense a, sense b) {
    paths *pa = scratch_get(mem, sizeof *pa), *pb = scratch_get(mem, sizeof *pb), *ps = scratch_get(mem, sizeof *ps);
    bool root = a.kind || b.kind, found;
    paths_from(w, a, root, pa);
    paths_from(w, b, root, pb);
    sense s = deepest_common(w, mem, pa, pb, a, &found);
    if (!found) return 0;
    double down = (s.offset == ROOT ? 0 : depth(w, s, true, 0)) + 1;
    paths_from(w, s, root, ps);
    int da = same(a, s) ? 0 : distance(pa, ps), db = same(b, s) ? 0 : distance(pb, ps);
    return da == FAR || db == FAR ? 0 : 2 * down / (da + down + db + down);
}

double wordnet_wup(const wordnet *w, const char *a, const char *b) {
    scratch mem = {0};
    sense x, y;
    double out = !strcmp(a, b) ? 1 : first_sense(w, &mem, a, &x) && first_sense(w, &mem, b, &y) ? similarity(w, &mem, x, y) : 0;
    scratch_free(&mem);
    return out;
}

bool wordnet_synonym(const wordnet *w, const char *a, const char *b) {
    scratch mem = {0};
    bool shared = false;
    sense x, y;
    const char *fa[12], *fb[12];
    for (int k = 0; k < KINDS && !shared; k++) {
        int na = base_forms(w, &mem, k, a, fa, COUNT_OF(fa)), nb = base_forms(w, &mem, k, b, fb, COUNT_OF(fb));
        for (int i = 0; i < na && !shared; i++)
            for (int j = 0; j < nb && !shared; j++)
                for (int p = 0; lemma_sense(w, k, fa[i], p, &x) && !shared; p++)
                    for (int q = 0; lemma_sense(w, k, fb[j], q, &y) && !shared; q++) shared = same(x, y);
    }
    scratch_free(&mem);
    return shared;
}

/* ---- WUPS ---- */

/* Product over the words of `from` of their best match in `to`; words without any are left out. */
static double one_way(const wordnet *w, char **from, int n, char **to, int m, double alpha) {
    double product = 1;
    bool any = false;
    for (int i = 0; i < n; i++) {
        double best = 0;
        for (int k = 0; k < m; k++) {
            double s = wordnet_wup(w, from[i], to[k]);
            if (s < alpha) s *= 0.1;
            if (s > best) best = s;
        }
        if (best > 0) product *= best, any = true;
    }
    return any ? product : 0;
}

double wups(const wordnet *w, scratch *mem, const char *response, const char *truth, double alpha) {
    int n, m;
    char **a = py_split(mem, response, &n), **b = py_split(mem, truth, &m);
    double x = one_way(w, a, n, b, m, alpha), y = one_way(w, b, m, a, n, alpha);
    return x < y ? x : y;
}
