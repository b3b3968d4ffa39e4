/* intent.c - what a question wants: which operator, over whose rows, in which hours.
 *
 * The shape of the options says most (numbers are counted, days and parts of a day are times, names are people). Words decide the rest, by plain cues of
 * English grammar; they are compared as the stems of words.c, so that "ordinarily" is "usually". What options are in the memory says whether they
 * are things to be bought. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

/* Beside a cosine: what a cue is worth, and that most questions are about the last time. */
static const double CUE_BONUS = 0.06, HABIT_BONUS = 0.12, LAST_BONUS = 0.03;

/* ---- words as stems ---- */

static int push_token(void *arg, const char *token, int size, int from, int to, bool colocated) {
    (void)from, (void)to, (void)colocated;
    ego_terms *t = arg;
    VEC_PUSH(t, mem_strndup(token, (size_t)size));
    return 0;
}

static int compare_first(void *arg, const char *token, int size, int from, int to, bool colocated) {
    (void)from, (void)to, (void)colocated;
    const char *want = arg;
    return strlen(want) == (size_t)size && !memcmp(want, token, (size_t)size) ? 1 : -1;
}

void ego_tokens_of(ego_terms *out, const char *text) { ego_words(text, strlen(text), push_token, out); }

bool ego_tokens_hold(const ego_terms *t, const char *words) {
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        for (int i = 0; i < t->count; i++)
            if (ego_words(p, n, compare_first, t->at[i]) == 1) return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

bool ego_word_asks(const char *token) {
    const ego_terms one = {(char *[]){(char *)token}, 1, 1};
    return ego_tokens_hold(&one, "usually usual often mostly typical typically general generally regular regularly habit habitually tend "
                                 "common commonly always routine normal normally ordinary ordinarily every each "
                                 "last late latest recent recently newest again ago already currently moment lately "
                                 "many much number count total times often exactly altogether "
                                 "today yesterday day week hour date morning noon lunchtime midday afternoon evening night "
                                 "until once while since soon after afterwards before next following then activity occupation thing "
                                 "something anything everything nothing somebody anybody everybody nobody someone anyone everyone "
                                 "please question remind remember forget wonder else other besides apart except");
}

/* ---- options ---- */

static bool is_number(const char *s) { return *s && strspn(s, "0123456789") == strlen(s); }

static bool is_name(const char *s) { return isupper((unsigned char)*s) && !strchr(s, ' ') && !isdigit((unsigned char)s[1]); }

static bool is_place(const char *s) {
    static const char *const openers[] = {"In ", "On ", "At ", "Under ", "Behind ", "Beside ", "Inside ", "Outside ", "Near ", "By "};
    for (size_t i = 0; i < COUNT_OF(openers); i++)
        if (!strncmp(s, openers[i], strlen(openers[i]))) return true;
    return false;
}

static ego_shape shape_of(const ego_question *q, int64_t now, ego_spans *spans) {
    int numbers = 0, names = 0, days = 0, parts = 0, places = 0, n = q->option_count, a, b;
    int64_t day_end = ((now - 4 * EGO_HOUR) / EGO_DAY + 1) * EGO_DAY + 4 * EGO_HOUR - 1;
    for (int i = 0; i < n; i++) {
        const char *o = q->options[i];
        numbers += is_number(o);
        names += is_name(o);
        places += is_place(o);
        days += ego_when(o, now, &spans[i]) || ego_when(o, day_end, &spans[i]); /* "this evening", asked at noon, is a time too */
        parts += ego_part_of_day(o, &a, &b);
    }
    if (!n) return SHAPE_WORDS;
    return numbers == n              ? SHAPE_NUMBERS
           : days == n               ? SHAPE_DAYS
           : parts && parts >= n - 1 ? SHAPE_PARTS
           : names == n              ? SHAPE_NAMES
           : places == n             ? SHAPE_PLACES
                                     : SHAPE_WORDS;
}

/* Things somebody said are needed: most of the options. */
static lmm_status wanted_things(ego_view *v, const ego_question *q, bool *out) {
    int wanted = 0;
    for (int i = 0; i < q->option_count; i++) {
        ego_hits h = {0};
        lmm_status st = ego_search(v, q->options[i], &(ego_search_opts){.rank = EGO_BM25, .count = 12}, &h);
        bool said = false;
        for (int k = 0; k < h.count && !said; k++) {
            ego_terms t = {0};
            ego_tokens_of(&t, h.at[k].text);
            said = h.at[k].kind == EGO_SPEECH && ego_tokens_hold(&t, "need buy list");
            ego_terms_free(&t);
        }
        ego_hits_free(&h);
        if (st) return st;
        wanted += said;
    }
    *out = q->option_count > 1 && wanted * 2 > q->option_count;
    return LMM_OK;
}

/* ---- the question ---- */

/* "Quick question: where ..." asks "where ...": a short opening clause without a verb or a question word is dropped. */
static const char *without_opening(const char *s) {
    size_t n = strcspn(s, ":,");
    int words = 1;
    for (size_t i = 0; i < n; i++) words += s[i] == ' ';
    if (!s[n] || words > 4) return s;
    char *clause = mem_strndup(s, n);
    ego_terms t = {0};
    ego_tokens_of(&t, clause);
    bool keep =
        ego_tokens_hold(&t, "who what which where when how whose whom in at on the after before with besides except apart once from");
    ego_terms_free(&t);
    free(clause);
    if (keep) return s;
    for (n++; s[n] == ' '; n++) {}
    return s[n] ? s + n : s;
}

static bool habitual(const ego_intent *in) {
    const ego_terms *t = &in->tokens;
    bool most = ego_tokens_hold(t, "most") && !ego_tokens_hold(t, "recent recently late latest last");
    return most ||
           ego_tokens_hold(t, "usually usual often mostly typical typically general generally regular regularly habit tend common always "
                              "routine "
                              "every each") ||
           in->plural_part;
}

/* "Not me" and the like leave somebody out; they are no absence. */
static bool absence(const ego_intent *in) {
    const ego_terms *t = &in->tokens;
    return ego_tokens_hold(t, "absent missing miss skip fail lack empty without nobody never away") ||
           (ego_tokens_hold(t, "not didn wasn hasn") && !strstr(in->text, "not me") && !strstr(in->text, "not count"));
}

/* By the shape of the options alone; false when words must decide. */
static bool op_of_shape(const ego_intent *in, bool wanted, ego_op *out) {
    const ego_terms *t = &in->tokens;
    if (in->shape == SHAPE_NUMBERS && !ego_tokens_hold(t, "much price cost old pay")) return *out = EGO_OP_COUNT, true;
    if (in->shape == SHAPE_PARTS) return *out = ego_tokens_hold(t, "least rarely seldom") ? EGO_OP_LEAST : EGO_OP_MOST, true;
    if (in->shape == SHAPE_DAYS) return *out = EGO_OP_WHEN, true;
    if (in->shape == SHAPE_WORDS && wanted) return *out = EGO_OP_OPEN, true;
    return false;
}

static ego_op op_of_cues(const ego_intent *in) {
    const ego_terms *t = &in->tokens;
    if (ego_tokens_hold(t, "least rarely seldom")) return EGO_OP_LEAST;
    if (habitual(in)) return EGO_OP_MOST;
    if (in->shape == SHAPE_NAMES && absence(in)) return EGO_OP_ABSENT;
    if (in->shape == SHAPE_WORDS && ego_tokens_hold(t, "after next follow then subsequently afterwards")) return EGO_OP_AFTER;
    if (in->shape == SHAPE_WORDS && ego_tokens_hold(t, "before prior precede")) return EGO_OP_BEFORE;
    if (in->text && !strncmp(in->text, "when", 4)) return EGO_OP_WHEN;
    return EGO_OP_LAST;
}

/* Numbers with a point are prices and the like: they are neither habits nor acts. */
static bool amounts(const ego_question *q) {
    int n = 0;
    for (int i = 0; i < q->option_count; i++) n += q->options[i][0] && strspn(q->options[i], "0123456789., ") == strlen(q->options[i]);
    return n && n == q->option_count;
}

/* Cues of grammar, and where there is an encoder, likeness to examples, which cues tip. */
static lmm_status op_of_words(ego_intent *in, ego_view *v, const lmm_model *encoder, const ego_question *q, const char *text) {
    double bonus[EGO_OP_OPEN + 1] = {0};
    bool first = ego_tokens_hold(&in->tokens, "first earliest");
    lmm_status st = LMM_OK;
    in->op = op_of_cues(in);
    bonus[EGO_OP_LAST] = LAST_BONUS;
    if (in->op != EGO_OP_BEFORE) bonus[EGO_OP_BEFORE] = -CUE_BONUS; /* hardly ever asked without its word */
    bonus[in->op] += in->op == EGO_OP_MOST ? HABIT_BONUS : CUE_BONUS;
    bool words = in->shape == SHAPE_NAMES || (in->shape == SHAPE_WORDS && q->option_count && !amounts(q));
    if (encoder && words && in->op != EGO_OP_LEAST) st = ego_wants(v, encoder, text, in->shape, bonus, &in->op);
    if (in->op == EGO_OP_LAST && first) in->op = EGO_OP_FIRST;
    return st;
}

/* A part of the day in the plural is a habit's hours. */
static bool plural_part(const char *text, int *from, int *to) {
    for (const char *p = text; *p;) {
        size_t n = 0;
        while (isalpha((unsigned char)p[n])) n++;
        if (n > 4 && p[n - 1] == 's') {
            char *word = mem_strndup(p, n);
            bool part = ego_part_of_day(word, from, to);
            free(word);
            if (part) return true;
        }
        p += n ? n : 1;
    }
    return false;
}

lmm_status ego_intent_of(ego_intent *in, ego_view *v, const ego_question *q, const lmm_model *encoder) {
    const char *s = without_opening(q->question);
    *in = (ego_intent){.text = mem_strdup(s)};
    for (char *p = in->text; *p; p++) *p = (char)tolower((unsigned char)*p);
    ego_tokens_of(&in->tokens, s);
    in->shape = shape_of(q, ego_view_cut(v), in->option_spans);
    in->plural_part = plural_part(in->text, &in->hour_from, &in->hour_to);
    bool wanted = false;
    lmm_status st = in->shape == SHAPE_WORDS ? wanted_things(v, q, &wanted) : LMM_OK;
    if (!st && !op_of_shape(in, wanted, &in->op)) st = op_of_words(in, v, encoder, q, s);
    in->first_person = ego_tokens_hold(&in->tokens, "i me my");
    if (in->op == EGO_OP_MOST && !in->plural_part && in->shape != SHAPE_PARTS) ego_part_of_day(in->text, &in->hour_from, &in->hour_to);
    ego_when(in->text, ego_view_cut(v), &in->spans);
    return st;
}

void ego_intent_free(ego_intent *in) {
    for (int i = 0; i < EGO_OPTIONS_MAX; i++) free(in->option_spans[i].at);
    ego_terms_free(&in->tokens);
    free(in->spans.at), free(in->text);
}

const char *ego_op_name(ego_op op) {
    static const char *const names[] = {"fact", "last", "first", "when", "count", "most", "least", "absent", "before", "after", "open"};
    return names[op];
}
