/* normalize.c - the normalizers of tokenizer.json: a list of steps, each of which rewrites the whole text. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "text/text_int.h"

typedef struct step step;
typedef struct {
    const char *type;
    lmm_status (*load)(step *s, const tree *json, const char *name); /* NULL: there is nothing to load */
    lmm_status (*run)(const step *s, const char *text, size_t n, buf *out);
} step_kind;
struct step {
    const step_kind *kind;
    pattern *pattern; /* Replace */
    char *text;       /* Replace, Prepend: what is put in */
    size_t size;
    bool left, right;                    /* Strip */
    bool clean, chinese, accents, lower; /* BertNormalizer */
};
struct normalizer {
    VEC(step) steps;
};

static void put_char(buf *out, uint32_t cp) {
    char s[4];
    buf_put(out, s, (size_t)utf8_encode(cp, s));
}

/* ---- normal forms ---- */

/* Bytes below `first` begin characters (or lie in such) that the form leaves alone unless a later one joins them: ASCII, and for
 * NFC all below the combining marks. */
static size_t low_size(const char *text, size_t n, unsigned char first) {
    size_t i = 0;
    while (i < n && (unsigned char)text[i] < first) i++;
    return i;
}

static size_t high_size(const char *text, size_t n, unsigned char first) {
    size_t i = 0;
    uint32_t cp;
    while (i < n && (unsigned char)text[i] >= first) i += (size_t)utf8_decode(text + i, n - i, &cp);
    return i;
}

typedef VEC(utf8proc_int32_t) code_points;

static int compare_keys(const void *a, const void *b) {
    return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b;
}

static unsigned class_of(utf8proc_int32_t cp) { return utf8proc_get_property(cp)->combining_class; }

/* Sorts the marks from `begin` on by class, those of one class as they came. */
static void sort_marks(code_points *cps, int begin) {
    enum { CODE_BITS = 21, INDEX_BITS = 35 }; /* class, index, code point in one key */
    int count = cps->count - begin;
    bool sorted = true;
    for (int i = begin + 1; i < cps->count && sorted; i++) sorted = class_of(cps->at[i - 1]) <= class_of(cps->at[i]);
    if (sorted) return;
    utf8proc_int32_t *marks = cps->at + begin;
    uint64_t *keys = mem_new((size_t)count, sizeof *keys);
    for (int i = 0; i < count; i++)
        keys[i] = (uint64_t)class_of(marks[i]) << (CODE_BITS + INDEX_BITS) | (uint64_t)i << CODE_BITS | (uint32_t)marks[i];
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    for (int i = 0; i < count; i++) marks[i] = (utf8proc_int32_t)(keys[i] & ((1u << CODE_BITS) - 1));
    free(keys);
}

/* utf8proc_map in steps of our own: it orders marks by exchanging neighbours, and a million marks on one letter would take hours. */
static lmm_status map_form(const char *text, size_t n, int options, buf *out) {
    code_points cps = {0};
    if (!n) return LMM_OK;
    int last_class = 0, marks = 0; /* marks: where the newest run of them begins */
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        utf8proc_int32_t parts[32];
        at += (size_t)utf8_decode(text + at, n - at, &cp);
        int count = (int)utf8proc_decompose_char((utf8proc_int32_t)cp, parts, COUNT_OF(parts), (utf8proc_option_t)options, &last_class);
        LMM_ASSERT(count >= 0 && count <= (int)COUNT_OF(parts), "U+%04X", cp);
        for (int i = 0; i < count; i++) {
            if (!class_of(parts[i])) {
                sort_marks(&cps, marks);
                marks = cps.count + 1;
            }
            VEC_PUSH(&cps, parts[i]);
        }
    }
    sort_marks(&cps, marks);
    utf8proc_ssize_t count = utf8proc_normalize_utf32(cps.at, cps.count, (utf8proc_option_t)options);
    for (utf8proc_ssize_t i = 0; i < count; i++) put_char(out, (uint32_t)cps.at[i]);
    free(cps.at);
    return count < 0 ? LMM_FAIL(LMM_E_MEMORY, "cannot normalize a text of %zu bytes: %s", n, utf8proc_errmsg(count)) : LMM_OK;
}

/* Characters that are too new for the library's tables stay as they are, and nothing is reordered or joined across them. */
static lmm_status map_around_new(const char *text, size_t n, int options, buf *out) {
    lmm_status st = LMM_OK;
    size_t begin = 0;
    for (size_t at = 0; !st && at < n;) {
        uint32_t cp;
        size_t size = (size_t)utf8_decode(text + at, n - at, &cp);
        if (!uc_normalizes(cp)) {
            st = map_form(text + begin, at - begin, options, out);
            buf_put(out, text + at, size);
            begin = at + size;
        }
        at += size;
    }
    return st ? st : map_form(text + begin, n - begin, options, out);
}

/* Only the stretches that may change go through utf8proc, each with the low character before it, to which a mark may belong. */
static lmm_status form_run(const char *text, size_t n, int options, buf *out) {
    unsigned char first = (options & UTF8PROC_COMPOSE) && !(options & UTF8PROC_COMPAT) ? 0xCC : 0x80;
    lmm_status st = LMM_OK;
    for (size_t at = 0; !st && at < n;) {
        size_t begin = at + low_size(text + at, n - at, first), end = begin + high_size(text + begin, n - begin, first);
        if (end > begin && begin > at) do
                begin--;
            while (begin > at && ((unsigned char)text[begin] & 0xC0) == 0x80);
        buf_put(out, text + at, begin - at);
        st = map_around_new(text + begin, end - begin, options, out);
        at = end;
    }
    return st;
}

static lmm_status run_nfc(const step *s, const char *text, size_t n, buf *out) {
    (void)s;
    return form_run(text, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE, out);
}
static lmm_status run_nfkc(const step *s, const char *text, size_t n, buf *out) {
    (void)s;
    return form_run(text, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, out);
}
static lmm_status run_nfd(const step *s, const char *text, size_t n, buf *out) {
    (void)s;
    return form_run(text, n, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, out);
}
static lmm_status run_nfkd(const step *s, const char *text, size_t n, buf *out) {
    (void)s;
    return form_run(text, n, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, out);
}

/* ---- character by character ---- */

static void put_lower(buf *out, uint32_t cp) {
    uint32_t lower[2];
    int count = uc_lower(cp, lower);
    for (int i = 0; i < count; i++) put_char(out, lower[i]);
}

static lmm_status run_lowercase(const step *s, const char *text, size_t n, buf *out) {
    (void)s;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += (size_t)utf8_decode(text + at, n - at, &cp);
        put_lower(out, cp);
    }
    return LMM_OK;
}

/* Copies what `drop` does not want. */
static void filter(const char *text, size_t n, bool (*drop)(uint32_t cp), buf *out) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        size_t size = (size_t)utf8_decode(text + at, n - at, &cp);
        if (!drop(cp)) buf_put(out, text + at, size);
        at += size;
    }
}

static lmm_status run_strip_accents(const step *s, const char *text, size_t n, buf *out) {
    (void)s;
    filter(text, n, uc_is_mark, out);
    return LMM_OK;
}

static lmm_status load_strip(step *s, const tree *json, const char *name) {
    lmm_status st = tok_flag(&s->left, json, "strip_left", true, name);
    return st ? st : tok_flag(&s->right, json, "strip_right", true, name);
}

static lmm_status run_strip(const step *s, const char *text, size_t n, buf *out) {
    size_t begin = 0, end = n, kept = 0;
    uint32_t cp;
    if (s->left)
        for (int size; begin < n && (size = utf8_decode(text + begin, n - begin, &cp), uc_is_space(cp)); begin += (size_t)size) continue;
    for (size_t at = begin; s->right && at < n;) {
        at += (size_t)utf8_decode(text + at, n - at, &cp);
        if (!uc_is_space(cp)) kept = at;
    }
    if (s->right) end = kept > begin ? kept : begin;
    buf_put(out, text + begin, end - begin);
    return LMM_OK;
}

/* ---- replace and prepend ---- */

static lmm_status load_text(step *s, const tree *json, const char *key, const char *name) {
    const tree *t = tree_get(json, key);
    if (!t || t->type != TREE_STRING) return tok_bad(name, "'normalizer': '%s' must be a string", key);
    s->text = mem_strndup(t->text, t->text_size);
    s->size = t->text_size;
    return LMM_OK;
}

static lmm_status load_prepend(step *s, const tree *json, const char *name) { return load_text(s, json, "prepend", name); }

static lmm_status run_prepend(const step *s, const char *text, size_t n, buf *out) {
    if (n) buf_put(out, s->text, s->size);
    buf_put(out, text, n);
    return LMM_OK;
}

static lmm_status load_replace(step *s, const tree *json, const char *name) {
    lmm_status st = pattern_load(&s->pattern, json, "pattern", name);
    return st ? st : load_text(s, json, "content", name);
}

static lmm_status run_replace(const step *s, const char *text, size_t n, buf *out) {
    matcher m;
    int begin, end, at = 0;
    matcher_open(&m, s->pattern, text, (int)n);
    while (matcher_next(&m, &begin, &end)) {
        if (begin > at) buf_put(out, text + at, (size_t)(begin - at));
        if (out->size > TEXT_SIZE_MAX) break; /* refused by the caller */
        buf_put(out, s->text, s->size);
        at = end;
    }
    buf_put(out, text + at, n - (size_t)at);
    return matcher_close(&m);
}

/* ---- BERT ---- */

static lmm_status load_bert(step *s, const tree *json, const char *name) {
    lmm_status st = tok_flag(&s->clean, json, "clean_text", true, name);
    if (!st) st = tok_flag(&s->chinese, json, "handle_chinese_chars", true, name);
    if (!st) st = tok_flag(&s->lower, json, "lowercase", true, name);
    return st ? st : tok_flag(&s->accents, json, "strip_accents", s->lower, name); /* null: as lowercase */
}

/* Cleaning and blanks around ideographs; then, on the decomposed text, accents; then lower case. */
static void bert_clean(const step *s, const char *text, size_t n, buf *out) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += (size_t)utf8_decode(text + at, n - at, &cp);
        if (s->clean && (cp == 0xFFFD || uc_is_other(cp))) continue;
        bool around = s->chinese && uc_is_chinese(cp);
        if (around) buf_putc(out, ' ');
        put_char(out, s->clean && uc_is_space(cp) ? ' ' : cp);
        if (around) buf_putc(out, ' ');
    }
}

static lmm_status run_bert(const step *s, const char *text, size_t n, buf *out) {
    buf clean = {0}, split = {0}, bare = {0};
    lmm_status st = LMM_OK;
    bert_clean(s, text, n, &clean);
    if (s->accents) {
        st = run_nfd(s, clean.data ? clean.data : "", clean.size, &split);
        if (!st) filter(split.data, split.size, uc_is_nonspacing_mark, &bare);
    }
    const buf *result = s->accents ? &bare : &clean;
    if (!st && s->lower) st = run_lowercase(s, result->data, result->size, out);
    else if (!st) buf_put(out, result->data, result->size);
    buf_free(&clean);
    buf_free(&split);
    buf_free(&bare);
    return st;
}

/* ---- the list ---- */

static const step_kind kinds[] = {
    {"NFC", NULL, run_nfc},
    {"NFKC", NULL, run_nfkc},
    {"NFD", NULL, run_nfd},
    {"NFKD", NULL, run_nfkd},
    {"Lowercase", NULL, run_lowercase},
    {"StripAccents", NULL, run_strip_accents},
    {"Strip", load_strip, run_strip},
    {"Replace", load_replace, run_replace},
    {"Prepend", load_prepend, run_prepend},
    {"BertNormalizer", load_bert, run_bert},
};

static lmm_status load_step(normalizer *z, const tree *json, const char *name) {
    const char *type = tree_str(json, "type", NULL);
    if (!type) return tok_bad(name, "'normalizer' needs a 'type'");
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_get(json, "normalizers");
        if (!list || list->type != TREE_LIST) return tok_bad(name, "'normalizer.normalizers' must be a list");
        lmm_status st = LMM_OK;
        for (int i = 0; !st && i < list->count; i++) st = load_step(z, list->items[i], name);
        return st;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(type, kinds[i].type)) continue;
        VEC_PUSH(&z->steps, (step){.kind = &kinds[i]});
        return kinds[i].load ? kinds[i].load(&z->steps.at[z->steps.count - 1], json, name) : LMM_OK;
    }
    return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: 'normalizer.type' is '%s', which is not supported", name, type);
}

lmm_status normalizer_load(normalizer **out, const tree *json, const char *name) {
    if (!json || json->type == TREE_NULL) return *out = NULL, LMM_OK;
    normalizer *z = mem_new(1, sizeof *z);
    lmm_status st = load_step(z, json, name);
    if (st) normalizer_free(z);
    else *out = z;
    return st;
}

void normalizer_free(normalizer *z) {
    if (!z) return;
    for (int i = 0; i < z->steps.count; i++) {
        pattern_free(z->steps.at[i].pattern);
        free(z->steps.at[i].text);
    }
    free(z->steps.at);
    free(z);
}

lmm_status normalizer_run(const normalizer *z, const char *text, size_t n, buf *out) {
    buf made[2] = {{0}, {0}};
    lmm_status st = LMM_OK;
    int count = z ? z->steps.count : 0;
    for (int i = 0; !st && i < count; i++) {
        buf *to = &made[i & 1];
        buf_reset(to);
        buf_put(to, NULL, 0);
        st = z->steps.at[i].kind->run(&z->steps.at[i], text, n, to);
        if (!st && to->size > TEXT_SIZE_MAX) st = LMM_FAIL(LMM_E_LIMIT, "the normalized text is longer than %d bytes", TEXT_SIZE_MAX);
        text = to->data;
        n = to->size;
    }
    if (!st) buf_put(out, text, n);
    buf_free(&made[0]);
    buf_free(&made[1]);
    return st;
}
