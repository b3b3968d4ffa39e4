/* ego_int.h - what the files of ego/ share: the open store, small SQLite helpers, the arena, and the view's inside. */
#ifndef LMM_EGO_INT_H
#define LMM_EGO_INT_H

#include <sqlite3.h>

#include "ego/ego.h"

enum { EGO_WIDTH = 384, EGO_KIND_SHIFT = 40 };

/* One row of caption or utter as the readers need it; the text stays in the database. Ordered by key = kind << 40 | id. */
typedef struct {
    int64_t key, t0, t1, known;
    int stream, length; /* length: tokens */
} ego_doc;

typedef struct {
    int *doc, count;
} ego_postings;

/* A record of vectors.arena, and of the lexicon. */
typedef struct {
    int64_t key; /* 0: forgotten */
    float scale;
    int32_t unused;
    int8_t q[EGO_WIDTH];
} ego_vector;
_Static_assert(sizeof(ego_vector) == 16 + EGO_WIDTH, "one record of vectors.arena");

/* A word or phrase as people said it ("washing dishes"), and its stems ("wash dish"). */
typedef struct {
    char *said, *term;
    ego_vector vector;
} ego_word;

/* A person in the rows of the memory, and whom its rows show with them; a row counts once for each time it says so. */
typedef struct {
    int64_t id;
    char *name;
    ego_postings rows;
} ego_tie;
typedef struct {
    int64_t id;
    ego_postings rows;
    VEC(ego_tie) ties; /* by id */
} ego_acquaintance;

/* The vector of a summary, kept for the next question. */
typedef struct {
    int64_t id;
    const lmm_model *encoder;
    float x[EGO_WIDTH];
} ego_seg_vector;

struct ego {
    char *dir;
    sqlite3 *db;
    bool pending; /* inside ego_begin */
    sqlite3_stmt *insert[EGO_KINDS], *text[EGO_KINDS], *insert_clip;
    char **stream_name; /* by id; NULL where none */
    int stream_count;
    /* Caches of reading, dropped by every write. */
    VEC(ego_doc) docs;
    strmap *term;
    VEC(ego_postings) postings;
    VEC(ego_acquaintance) people;
    VEC(ego_word) lexicon; /* sorted by what is said */
    VEC(ego_seg_vector) segments;
    strmap *kept; /* text -> vector of kept_x */
    const lmm_model *kept_encoder;
    VEC(float) kept_x;
    file_map vectors;
    int vector_count; /* records, one for each of docs that has one */
    int *vector_of;   /* doc -> record, -1 */
};

lmm_status ego_sql(ego *e, const char *sql); /* one or more statements without parameters */
lmm_status ego_prepare(ego *e, sqlite3_stmt **out, const char *sql);
/* Steps a statement that gives no rows, and resets it. */
lmm_status ego_step(ego *e, sqlite3_stmt *s);
lmm_status ego_db_error(ego *e, const char *what);
int64_t ego_meta(ego *e, const char *key, int64_t fallback);
lmm_status ego_meta_set(ego *e, const char *key, int64_t value);
void ego_cache_drop(ego *e);
lmm_status ego_cache_load(ego *e);
int ego_doc_find(const ego *e, int64_t key);                           /* -1 when not there */
lmm_status ego_text(ego *e, int64_t key, char **text, char **speaker); /* free both */
/* Rows whose text or speaker holds the token, ascending; on loan until the next write. */
lmm_status ego_postings_of(ego *e, const char *term, ego_postings *out);
/* The rows of an entity; on loan until the next write or the next call. */
lmm_status ego_acquaintance_of(ego *e, int64_t entity, const ego_acquaintance **out);

/* synonyms.c: "stem head" sorted by stem; the index holds heads. */
extern const char *const ego_synonyms[];
extern const int ego_synonyms_count;
/* common.c: "stem times" of common words, sorted by stem. */
extern const char *const ego_common[];
extern const int ego_common_count;
/* words.c: how much a word tells, 0.1 (everybody says it about everything) to 1. */
double ego_word_tells(const char *token);
bool ego_word_colour(const char *token);

/* fts_token.c: teaches a connection the tokenizer 'ego' of words.c. */
lmm_status ego_fts_register(sqlite3 *db);

/* vectors.c */
void ego_hash_embed(const char *text, float out[EGO_WIDTH]);
/* (count, EGO_WIDTH); encoder NULL: the hashing embedder. */
lmm_status ego_embed(const lmm_model *encoder, const char *const *texts, int count, float *out);
/* The same, of short texts that come again: vectors are kept with the memory while it is open. */
void ego_kept_drop(ego *e);
lmm_status ego_embed_kept(ego *e, const lmm_model *encoder, const char *const *texts, int count, float *out);
void ego_vector_pack(ego_vector *v, int64_t key, const float *x);
float ego_vector_dot(const ego_vector *v, const float *x);
/* A vector to be compared with every row: the sum is one of integers, so it is the same in any order of adding. */
typedef struct {
    int16_t q[EGO_WIDTH];
    double scale;
} ego_probe;
void ego_probe_of(ego_probe *p, const float *x);
double ego_probe_dot(const ego_probe *p, const ego_vector *v);
lmm_status ego_vectors_append(ego *e, const ego_vector *v, int count, int64_t at);
/* Whether the memory's vectors are of the kind this encoder (NULL: hashed words) gives. */
bool ego_vectors_fit(ego *e, const lmm_model *encoder);
lmm_status ego_vectors_open(ego *e);                    /* maps the arena and fills vector_of */
lmm_status ego_vectors_forget(ego *e);                  /* zeroes records whose row is gone */
const ego_vector *ego_vector_at(const ego *e, int doc); /* NULL: none */

/* forget.c: what a killed forget left undone. */
lmm_status ego_forget_finish(ego *e);

/* build.c: a dozen sentences that say the most new. */
void ego_digest(const char *const *texts, int count, buf *out);
/* build.c: the segments of all streams from meta "stale_from" on, in one transaction. */
lmm_status ego_resegment(ego *e, int64_t *made);

/* view.c: the only door between stored rows and whoever answers. */
bool ego_view_sees(const ego_view *v, int doc);
ego *ego_view_store(ego_view *v);
int ego_view_wearer(const ego_view *v);
int64_t ego_view_count(ego_view *v, double *length_mean);
/* Visible rows of a token. free(out->doc) */
lmm_status ego_view_postings(ego_view *v, const char *term, ego_postings *out);
lmm_status ego_view_hit(ego_view *v, int doc, double score, ego_hits *out); /* reads the row's text */
int ego_hit_by_time(const ego_hit *x, const ego_hit *y);                    /* the earlier first */

/* ---- words by meaning (lexicon.c, query.c) ---- */

typedef struct {
    const char *term; /* a token, or a phrase of several with blanks between; on loan from the ego */
    double cosine;
    int rows;
} ego_near;
typedef VEC(ego_near) ego_nears;
typedef struct {
    double least;          /* cosine */
    int count;             /* at most; 0: 8 */
    bool phrases;          /* false: single words only */
    bool coloured;         /* things with a colour only; the terms are those of the things, without */
    const ego_terms *said; /* what these words alone say is passed over; NULL: nothing */
} ego_near_opts;
lmm_status ego_lexicon_fill(ego *e, const lmm_model *encoder); /* with all that is said and not in it yet; encoder NULL: nothing */
lmm_status ego_lexicon_forget(ego *e);                         /* what no row says any more goes, in the transaction that is open */
lmm_status ego_lexicon_load(ego *e);
void ego_lexicon_drop(ego *e);
/* What visible rows hold that is nearest to x (EGO_WIDTH), nearest first. free(out->at) */
lmm_status ego_lexicon_near(ego_view *v, const float *x, const ego_near_opts *o, ego_nears *out);

/* phrase.c: two or three words that stand together, as tokens with blanks between. */
enum { EGO_SAID_LEAST = 3 }; /* times a phrase is said before it counts as one */
typedef int (*ego_saying_fn)(void *arg, const char *term, const char *said);
/* Called with each word and each phrase of a text; non-zero stops. */
int ego_sayings_of(const char *text, ego_saying_fn fn, void *arg);
bool ego_phrase_has(const char *phrase, const char *term);
bool ego_phrase_within(const char *phrase, const ego_terms *terms); /* all its words are among them */
/* Visible rows that hold all words of a phrase, or of a single word. free(out->doc) */
lmm_status ego_phrase_postings(ego_view *v, const char *phrase, ego_postings *out);
/* Whether enough visible rows hold the term, and one of them says it so: it would be in the lexicon of a memory that held no others. */
lmm_status ego_saying_seen(ego_view *v, const char *term, const char *said, const ego_postings *rows, bool *out);

typedef struct {
    char *term;   /* or phrase */
    double share; /* of the unit's weight */
} ego_share;
typedef struct {
    double weight, lost;  /* lost: what its word would weigh more, were it there */
    bool colour;          /* a row that names no colour at all may mean this one */
    VEC(ego_share) terms; /* any of them */
} ego_unit;
typedef VEC(ego_unit) ego_query;
/* question: words that only say what is wanted (ego_word_asks) are not looked for. */
lmm_status ego_query_of(ego_query *out, ego_view *v, const lmm_model *encoder, const char *text, bool question);
void ego_query_free(ego_query *q);
/* Share of the query's weight, 0..1, that a row's terms hold. misheard: a letter may be off. sense: a number for which of the words that may stand
 * for each unit they are; NULL: not wanted */
double ego_query_share(const ego_query *q, const ego_terms *row, bool misheard, uint64_t *sense);

/* ---- the control of a leak (control.c) ---- */

typedef struct ego_control ego_control;
lmm_status ego_control_open(ego_control **out, ego *whole, const char *wearer, const lmm_model *encoder);
void ego_control_close(ego_control *c);
/* A view of a memory with nothing but what the wearer may see at `cut`, which must not go back. ego_view_close */
lmm_status ego_control_view(ego_control *c, int64_t cut, ego_view **out);

/* ---- what a question wants (intent.c) ---- */

enum { EGO_OPTIONS_MAX = 8 };
typedef enum { SHAPE_WORDS, SHAPE_NAMES, SHAPE_NUMBERS, SHAPE_DAYS, SHAPE_PARTS, SHAPE_PLACES } ego_shape; /* of the options */
typedef struct {
    ego_op op;
    ego_shape shape;
    bool first_person, plural_part;
    int hour_from, hour_to; /* of a part of day named as a habit's; equal: none */
    char *text;             /* lower case, without the opening clause */
    ego_terms tokens;       /* all words of it as stems, stop words too */
    ego_spans spans, option_spans[EGO_OPTIONS_MAX];
} ego_intent;
lmm_status ego_intent_of(ego_intent *out, ego_view *v, const ego_question *q, const lmm_model *encoder);
/* wants.c: the operator of the example most like the question among those of a shape; bonus: by operator, added to the cosine. */
lmm_status ego_wants(ego_view *v, const lmm_model *encoder, const char *question, ego_shape shape, const double *bonus, ego_op *out);
void ego_intent_free(ego_intent *in);
bool ego_word_asks(const char *token); /* a word that only says what is wanted: "usually", "yesterday", "please" */
void ego_tokens_of(ego_terms *out, const char *text);
bool ego_tokens_hold(const ego_terms *t, const char *words); /* any of these words, as stems */
/* when.c: hours [*from, *to) of a part of the day the text names; *to may pass midnight. */
bool ego_part_of_day(const char *text, int *from, int *to);

/* ---- rows by score (search.c) ---- */

typedef struct {
    int doc;
    double score;
    int64_t t0;
} ego_scored;
typedef struct {
    ego_scored *at;
    int count, capacity;
    int most; /* the best so many are kept, 0: all */
} ego_ranking;
void ego_ranking_add(ego_ranking *r, const ego *e, int doc, double score);
void ego_ranking_sort(ego_ranking *r); /* best first, of equals the later row */

/* ---- what a clip's pictures show (clip_look.c) ---- */

enum { CAPTION_TOKENS_MAX = 128 };
lmm_status clip_look(lmm_session *s, const char *clip, const ego_caption_opts *o, char **out); /* by o->captioner; free(*out) */
lmm_status clip_messages(const char *clip, const ego_caption_opts *o, char **json);            /* an lmm_chat_request's; free(*json) */

#endif
