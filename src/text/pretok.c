/* pretok.c - the pre-tokenizers of tokenizer.json: a list of steps, each of which cuts the pieces of a text further.
 *
 * A step sees every piece as a text of its own: \s+(?!\S) looks no further than the piece. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

/* What happens to the matches of a pattern (the library's names). */
typedef enum { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS } behavior;
typedef enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

typedef struct step step;
typedef struct {
    const char *type;
    lmm_status (*load)(step *s, const tree *json, const char *name); /* NULL: there is nothing to load */
    lmm_status (*run)(const step *s, splits *t);
} step_kind;
struct step {
    const step_kind *kind;
    pattern *pattern; /* Split, ByteLevel with use_regex */
    behavior behavior;
    bool invert, prefix_space, individual, split;
    prepend_scheme prepend;
    char replacement[8]; /* Metaspace */
};
struct pretokenizer {
    VEC(step) steps;
};

/* ---- cutting ---- */

typedef VEC(piece) piece_list;

/* Collects the pieces of one text from its matches and what lies between them, which come in order. */
typedef struct {
    behavior behavior;
    piece last;                    /* the newest piece: later ones may still lengthen it */
    bool open, last_is_match, any; /* is there one; was the part before a match; was there a part */
    piece_list *out;
} cutter;

static void cutter_flush(cutter *c) {
    if (c->open && c->last.end > c->last.begin) VEC_PUSH(c->out, c->last);
    c->open = false;
}

static void cutter_add(cutter *c, int begin, int end, bool is_match) {
    bool joins = false;
    switch (c->behavior) {
    case REMOVED: break;
    case ISOLATED: break;
    case MERGED_WITH_PREVIOUS: joins = is_match && !(c->any && c->last_is_match); break;
    case MERGED_WITH_NEXT: joins = !is_match && c->any && c->last_is_match; break;
    case CONTIGUOUS: joins = c->any && is_match == c->last_is_match; break;
    }
    if (joins && c->open) c->last.end = end;
    else {
        cutter_flush(c);
        c->last = (piece){begin, end};
        c->open = !(c->behavior == REMOVED && is_match);
    }
    c->last_is_match = is_match;
    c->any = true;
}

/* The pieces made so far become the ones that are cut next. */
static void pieces_replace(splits *t, piece_list *made) {
    t->at_start = t->at_start && made->count && t->pieces.count && made->at[0].begin == t->pieces.at[0].begin;
    free(t->pieces.at);
    t->pieces.at = made->at;
    t->pieces.count = made->count;
    t->pieces.capacity = made->capacity;
}

static lmm_status cut_by_pattern(const pattern *p, behavior how, bool invert, splits *t) {
    piece_list made = {0};
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < t->pieces.count; i++) {
        piece from = t->pieces.at[i];
        cutter c = {.behavior = how, .out = &made};
        matcher m;
        int begin, end, at = 0, size = from.end - from.begin;
        matcher_open(&m, p, t->text.data + from.begin, size);
        while (matcher_next(&m, &begin, &end)) {
            if (begin > at) cutter_add(&c, from.begin + at, from.begin + begin, invert);
            cutter_add(&c, from.begin + begin, from.begin + end, !invert);
            at = end;
        }
        if (at < size) cutter_add(&c, from.begin + at, from.end, invert);
        cutter_flush(&c);
        st = matcher_close(&m);
    }
    pieces_replace(t, &made);
    return st;
}

/* Every character that `is` accepts is a match of its own. */
static void cut_by_class(bool (*is)(uint32_t cp), behavior how, splits *t) {
    piece_list made = {0};
    for (int i = 0; i < t->pieces.count; i++) {
        piece from = t->pieces.at[i];
        cutter c = {.behavior = how, .out = &made};
        int between = from.begin;
        for (int at = from.begin, size; at < from.end; at += size) {
            uint32_t cp;
            size = utf8_decode(t->text.data + at, (size_t)(from.end - at), &cp);
            if (!is(cp)) continue;
            if (at > between) cutter_add(&c, between, at, false);
            cutter_add(&c, at, at + size, true);
            between = at + size;
        }
        if (from.end > between) cutter_add(&c, between, from.end, false);
        cutter_flush(&c);
    }
    pieces_replace(t, &made);
}

/* ---- steps that only cut ---- */

static lmm_status load_behavior(step *s, const tree *json, const char *fallback, const char *name) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *said = tree_str(json, "behavior", fallback);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (said && !strcmp(said, names[i])) return s->behavior = (behavior)i, LMM_OK;
    return tok_bad(name,
                   "'pre_tokenizer.behavior' is '%s', which is none of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous",
                   said ? said : "missing");
}

static lmm_status load_split(step *s, const tree *json, const char *name) {
    lmm_status st = pattern_load(&s->pattern, json, "pattern", name);
    if (!st) st = tok_flag(&s->invert, json, "invert", false, name);
    return st ? st : load_behavior(s, json, NULL, name);
}
static lmm_status run_split(const step *s, splits *t) { return cut_by_pattern(s->pattern, s->behavior, s->invert, t); }

static lmm_status load_punctuation(step *s, const tree *json, const char *name) { return load_behavior(s, json, "Isolated", name); }
static lmm_status run_punctuation(const step *s, splits *t) { return cut_by_class(uc_is_punctuation, s->behavior, t), LMM_OK; }

static lmm_status load_digits(step *s, const tree *json, const char *name) {
    return tok_flag(&s->individual, json, "individual_digits", false, name);
}
static lmm_status run_digits(const step *s, splits *t) {
    return cut_by_class(uc_is_numeric, s->individual ? ISOLATED : CONTIGUOUS, t), LMM_OK;
}

static lmm_status run_whitespace_split(const step *s, splits *t) {
    (void)s;
    return cut_by_class(uc_is_space, REMOVED, t), LMM_OK;
}

static lmm_status run_bert(const step *s, splits *t) {
    (void)s;
    cut_by_class(uc_is_space, REMOVED, t);
    return cut_by_class(uc_is_punctuation, ISOLATED, t), LMM_OK;
}

/* Words, and what is neither word nor blank: \w+|[^\w\s]+ */
static lmm_status run_whitespace(const step *s, splits *t) {
    (void)s;
    cut_by_class(uc_is_space, REMOVED, t);
    return cut_by_class(uc_is_word, CONTIGUOUS, t), LMM_OK;
}

/* ---- ByteLevel: the text becomes visible characters, one a byte ---- */

static lmm_status load_byte_level(step *s, const tree *json, const char *name) {
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    bool use_regex = true;
    lmm_status st = tok_flag(&s->prefix_space, json, "add_prefix_space", true, name);
    if (!st) st = tok_flag(&use_regex, json, "use_regex", true, name);
    return st || !use_regex ? st : pattern_new(&s->pattern, gpt2, sizeof gpt2 - 1, true, name);
}

/* Puts `prefix` before every piece that does not begin with it (only the very first one when `first_only`). */
static void put_prefix(splits *t, const char *prefix, bool first_only) {
    buf text = {0};
    int n = (int)strlen(prefix);
    for (int i = 0; i < t->pieces.count; i++) {
        piece *p = &t->pieces.at[i];
        int begin = (int)text.size;
        bool has = p->end - p->begin >= n && !memcmp(t->text.data + p->begin, prefix, (size_t)n);
        if (!has && (!first_only || (i == 0 && t->at_start))) buf_put(&text, prefix, (size_t)n);
        buf_put(&text, t->text.data + p->begin, (size_t)(p->end - p->begin));
        *p = (piece){begin, (int)text.size};
    }
    buf_free(&t->text);
    t->text = text;
}

static lmm_status run_byte_level(const step *s, splits *t) {
    if (s->prefix_space) put_prefix(t, " ", false);
    lmm_status st = s->pattern ? cut_by_pattern(s->pattern, ISOLATED, false, t) : LMM_OK;
    buf text = {0};
    for (int i = 0; !st && i < t->pieces.count; i++) {
        piece *p = &t->pieces.at[i];
        int begin = (int)text.size;
        for (int at = p->begin; at < p->end; at++) {
            char c[4];
            buf_put(&text, c, (size_t)utf8_encode(byte_to_char((unsigned char)t->text.data[at]), c));
        }
        *p = (piece){begin, (int)text.size};
    }
    buf_free(&t->text);
    t->text = text;
    return st;
}

/* ---- Metaspace: blanks become a visible character, and words begin with it ---- */

static lmm_status load_metaspace(step *s, const tree *json, const char *name) {
    static const char *const schemes[] = {"always", "first", "never"};
    const char *character = tree_str(json, "replacement", "\xE2\x96\x81");
    uint32_t cp;
    size_t n = strlen(character);
    if (!n || (size_t)utf8_decode(character, n, &cp) != n) return tok_bad(name, "'pre_tokenizer.replacement' must be one character");
    memcpy(s->replacement, character, n);
    bool prefix_space = true; /* the old form */
    lmm_status st = tok_flag(&s->split, json, "split", true, name);
    if (!st) st = tok_flag(&prefix_space, json, "add_prefix_space", true, name);
    if (st) return st;
    const char *scheme = tree_str(json, "prepend_scheme", prefix_space ? "always" : "never");
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (!strcmp(scheme, schemes[i])) return s->prepend = (prepend_scheme)i, LMM_OK;
    return tok_bad(name, "'pre_tokenizer.prepend_scheme' is '%s', which is none of always, first, never", scheme);
}

static void replace_blanks(splits *t, const char *with) {
    buf text = {0};
    size_t n = strlen(with);
    for (int i = 0; i < t->pieces.count; i++) {
        piece *p = &t->pieces.at[i];
        int begin = (int)text.size;
        for (int at = p->begin; at < p->end; at++) {
            if (t->text.data[at] == ' ') buf_put(&text, with, n);
            else buf_putc(&text, t->text.data[at]);
        }
        *p = (piece){begin, (int)text.size};
    }
    buf_free(&t->text);
    t->text = text;
}

static lmm_status run_metaspace(const step *s, splits *t) {
    replace_blanks(t, s->replacement);
    if (s->prepend != PREPEND_NEVER) put_prefix(t, s->replacement, s->prepend == PREPEND_FIRST);
    if (!s->split) return LMM_OK;
    piece_list made = {0};
    int n = (int)strlen(s->replacement);
    for (int i = 0; i < t->pieces.count; i++) {
        piece rest = t->pieces.at[i];
        for (int at = rest.begin + 1; at + n <= rest.end; at++) {
            if (memcmp(t->text.data + at, s->replacement, (size_t)n)) continue;
            VEC_PUSH(&made, ((piece){rest.begin, at}));
            rest.begin = at;
        }
        VEC_PUSH(&made, rest);
    }
    pieces_replace(t, &made);
    return LMM_OK;
}

/* ---- the list ---- */

static const step_kind kinds[] = {
    {"ByteLevel", load_byte_level, run_byte_level},
    {"Split", load_split, run_split},
    {"Metaspace", load_metaspace, run_metaspace},
    {"Digits", load_digits, run_digits},
    {"Whitespace", NULL, run_whitespace},
    {"WhitespaceSplit", NULL, run_whitespace_split},
    {"Punctuation", load_punctuation, run_punctuation},
    {"BertPreTokenizer", NULL, run_bert},
};

static lmm_status load_step(pretokenizer *p, const tree *json, const char *name) {
    const char *type = tree_str(json, "type", NULL);
    if (!type) return tok_bad(name, "'pre_tokenizer' needs a 'type'");
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_get(json, "pretokenizers");
        if (!list || list->type != TREE_LIST) return tok_bad(name, "'pre_tokenizer.pretokenizers' must be a list");
        lmm_status st = LMM_OK;
        for (int i = 0; !st && i < list->count; i++) st = load_step(p, list->items[i], name);
        return st;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(type, kinds[i].type)) continue;
        VEC_PUSH(&p->steps, (step){.kind = &kinds[i]});
        return kinds[i].load ? kinds[i].load(&p->steps.at[p->steps.count - 1], json, name) : LMM_OK;
    }
    return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: 'pre_tokenizer.type' is '%s', which is not supported", name, type);
}

lmm_status pretokenizer_load(pretokenizer **out, const tree *json, const char *name) {
    if (!json || json->type == TREE_NULL) return *out = NULL, LMM_OK;
    pretokenizer *p = mem_new(1, sizeof *p);
    lmm_status st = load_step(p, json, name);
    if (st) pretokenizer_free(p);
    else *out = p;
    return st;
}

void pretokenizer_free(pretokenizer *p) {
    if (!p) return;
    for (int i = 0; i < p->steps.count; i++) pattern_free(p->steps.at[i].pattern);
    free(p->steps.at);
    free(p);
}

lmm_status pretokenizer_run(const pretokenizer *p, splits *s) {
    lmm_status st = LMM_OK;
    for (int i = 0; p && !st && i < p->steps.count && s->pieces.count; i++) {
        st = p->steps.at[i].kind->run(&p->steps.at[i], s);
        if (!st && s->text.size > TEXT_SIZE_MAX) st = LMM_FAIL(LMM_E_LIMIT, "the text is longer than %d bytes", TEXT_SIZE_MAX);
    }
    return st;
}

void splits_reset(splits *s, const char *text, size_t n, bool at_start) {
    buf_reset(&s->text);
    buf_put(&s->text, text, n);
    s->pieces.count = 0;
    s->at_start = at_start;
    if (n) VEC_PUSH(&s->pieces, ((piece){0, (int)n}));
}

void splits_free(splits *s) {
    buf_free(&s->text);
    free(s->pieces.at);
    *s = (splits){0};
}
