/* ego.h - a memory of what people saw and heard: stored with the time it became known, searched as of a moment, answered with quotes.
 *
 *   ego        one data folder: memory.db (SQLite), vectors.arena (int8 sentence vectors)
 *   ego_view   the memory as one person had it at one moment; every read goes through a view, so nothing later can be seen
 *
 * Times are milliseconds since 00:00 local of DAY1. Text is UTF-8. Text in memory is data: nothing in it is ever followed as an instruction. */
#ifndef LMM_EGO_H
#define LMM_EGO_H

#include "base/base.h"
#include "lmm.h"

/* ---- time codes (time.c) ---- */

enum { EGO_SECOND = 1000, EGO_MINUTE = 60000, EGO_HOUR = 3600000, EGO_DAY = 86400000 };

/* HHMMSSFF, FF counting frames at 20 a second (not hundredths); shorter digit runs are read as left-padded. day counts from 1. */
bool ego_stamp(const char *digits, size_t n, int day, int64_t *ms);
/* "DAY3" in any case; false when it is none or the day is not in [1, 9999]. */
bool ego_day(const char *s, size_t n, int *day);
void ego_time_text(int64_t ms, char out[40]);  /* "DAY2 13:51:30" */
void ego_stamp_text(int64_t ms, char out[16]); /* "13513000" */

typedef struct {
    int64_t from, to; /* an instant has from == to */
} ego_span;
typedef VEC(ego_span) ego_spans;
/* EgoLifeQA's target_time in any of its shapes: {date, time}, {date, time_list}, lists of these, "11153417DAY1_11181201". */
void ego_targets(const tree *target, ego_spans *out);

/* ---- files of others (cues.c, rows.c) ---- */

typedef struct {
    int64_t t0, t1;
    char *speaker; /* NULL: nobody named; "" never */
    char *text;
    char *wearer; /* JSON lines: whose memory; NULL: the file's */
    bool speech;
    int64_t known; /* 0: t1 */
} ego_cue;
typedef struct {
    VEC(ego_cue) cues;
    int skipped;   /* pieces that could not be read */
    int first_bad; /* line of the first of them, 0: none */
} ego_cues;
/* SRT: BOM, CRLF, missing numbers, ',' or '.', hours that carry, 1 to 3 lines of text. speech: lines are "Name: words" and become one cue a
 * cue, the English line kept after the other. base: the file's own stamp. Bad pieces are counted, not fatal. */
void ego_srt_parse(ego_cues *out, const char *text, size_t size, int64_t base, bool speech);
/* JSON arrays of captions: {start_time, end_time, date, text} (HHMMSSFF as text or number), or EgoLifeCap/Sync {video_file, data: [...]}. */
lmm_status ego_captions_parse(ego_cues *out, const char *text, size_t size, const char *name);
/* One object a line: {day|date, start, end (HHMMSSFF) or t0, t1 (ms), text, speaker?, kind? ("speech"), wearer?, known?}; bad lines are counted. */
void ego_jsonl_parse(ego_cues *out, const char *text, size_t size);
void ego_cues_free(ego_cues *c);

/* ---- words (words.c): English stems with everyday synonyms joined, Chinese characters and pairs ---- */

/* Called with each token and the bytes of the text it stands for; colocated: stands where the one before stood. Non-zero stops. */
typedef int (*ego_word_fn)(void *arg, const char *token, int size, int from, int to, bool colocated);
int ego_words(const char *text, size_t size, ego_word_fn fn, void *arg);
bool ego_stop_word(const char *token, size_t size);
/* Distinct tokens of a text without stop words, in order; free each and .at. */
typedef VEC(char *) ego_terms;
void ego_terms_of(ego_terms *out, const char *text);
void ego_terms_free(ego_terms *t);

/* ---- the store (store.c) ---- */

typedef struct ego ego;
enum { EGO_CAPTION, EGO_SPEECH, EGO_KINDS };

lmm_status ego_create(const char *dir);          /* an existing memory is left as it is */
lmm_status ego_open(ego **out, const char *dir); /* migrates older versions */
void ego_close(ego *e);

/* The stream of a person, made when new. Names are matched without case. */
lmm_status ego_stream(ego *e, const char *person, int *stream);
typedef struct {
    int kind, stream;
    int64_t t0, t1, known; /* known 0: t1 */
    const char *speaker;   /* speech; may be NULL */
    const char *text;
    const char *source; /* the file it came from; may be NULL */
} ego_row;
/* The stream a name means: "A1_JAKE", or "JAKE" when only one is called so. Fails naming what there is. */
lmm_status ego_person(const ego *e, const char *name, int *stream);
/* Between begin and commit all or nothing is kept. A row that is there already is not doubled. */
lmm_status ego_begin(ego *e);
lmm_status ego_commit(ego *e);
void ego_rollback(ego *e);
lmm_status ego_add(ego *e, const ego_row *row);
lmm_status ego_add_clip(ego *e, int stream, int64_t t0, int64_t t1, const char *path);
/* reader may use owner's stream for what happened in [from, to]; a person always may use their own. */
lmm_status ego_grant(ego *e, const char *reader, const char *owner, int64_t from, int64_t to);

/* ---- import, build, forget, export ---- */

typedef struct {
    const char *wearer; /* for JSONL and single files: whose memory */
    bool quiet;
} ego_import_opts;
typedef struct {
    int files, skipped_files, clips, captions, speech, overlaps, bad;
    buf notes; /* one line for each thing that was odd */
} ego_import_report;
/* A folder in EgoLife's layout (any parent), one of its files, or a .jsonl. Each file is one transaction; files seen before are passed over. */
lmm_status ego_import(ego *e, const char *path, const ego_import_opts *o, ego_import_report *r);

typedef struct {
    const lmm_model *captioner, *listener; /* pictures to text, speech to text; NULL: that is left out */
    lmm_chat_fn ask; /* asked what pictures show instead of a captioner, by so many of them (frames; 0: 8); NULL: nobody */
    void *ask_self;
    const char *prompt;            /* what the captioner is asked of each clip */
    const char *language;          /* of the speech; NULL: heard */
    const char *const *names;      /* "P3=Alice": what the captioner says, and who that is */
    int name_count, frames, limit; /* pictures of a clip, 0: the clip as a video; clips, 0: all */
    bool quiet;
} ego_caption_opts;
typedef struct {
    int clips, captions, utterances, unheard, failed; /* unheard: without a sound that could be read */
    buf notes;                                        /* one line for each clip that failed; buf_free */
} ego_caption_report;
/* Describes the imported clips that no row comes from yet, each in one transaction. A clip that fails is noted and left for the next time. */
lmm_status ego_caption(ego *e, const ego_caption_opts *o, ego_caption_report *r);

typedef struct {
    const lmm_model *encoder; /* NULL: the hashing embedder */
    bool quiet;
} ego_build_opts;
typedef struct {
    int64_t rows, vectors, segments, facts, tasks;
} ego_build_report;
/* Full text, vectors, segments, facts and tasks of all that is new; safe to kill and to repeat. */
lmm_status ego_build(ego *e, const ego_build_opts *o, ego_build_report *r);

typedef struct {
    const char *wearer;  /* whose stream; NULL: all */
    const char *mention; /* rows that name this person or thing, or that it spoke; NULL: all of the range */
    int64_t from, to;    /* to 0: no end */
} ego_forget_opts;
/* Rows, everything derived from them, and their bytes in database, log, index and vectors. *count: rows gone. */
lmm_status ego_forget(ego *e, const ego_forget_opts *o, int64_t *count);
/* JSON lines that ego_import reads back to the same memory. */
lmm_status ego_export(ego *e, const char *path, int64_t *count);

/* ---- reading as of a moment (view.c) ---- */

typedef struct ego_view ego_view;
lmm_status ego_view_open(ego_view **out, ego *e, const char *wearer, int64_t cut); /* fails for a wearer nobody knows */
void ego_view_close(ego_view *v);
int64_t ego_view_cut(const ego_view *v);

typedef struct {
    int doc; /* handle inside the view's memory */
    int kind;
    int64_t t0, t1;
    double score;
    const char *person; /* whose stream; on loan from the ego */
    char *speaker;      /* NULL: none */
    char *text;
} ego_hit;
typedef VEC(ego_hit) ego_hits;
void ego_hits_free(ego_hits *h);

/* ---- search (search.c) ---- */

typedef enum { EGO_FUSED, EGO_BM25, EGO_DENSE } ego_rank;
typedef struct {
    ego_rank rank;
    int count;                /* 0: 10 */
    const lmm_model *encoder; /* must be the one of the build */
    const ego_spans *spans;   /* only what touches one of these; NULL: all */
    const char *const *also;  /* further texts searched with the query (option hypotheses) */
    int also_count;
} ego_search_opts;
lmm_status ego_search(ego_view *v, const char *query, const ego_search_opts *o, ego_hits *out);

/* ---- questions (when.c, intent.c, read.c, answer.c) ---- */

/* Spans a question names ("yesterday evening", "two hours ago", "on day 3"), relative to `now`; false when it names none. */
bool ego_when(const char *text, int64_t now, ego_spans *out);

typedef enum {
    EGO_OP_FACT,
    EGO_OP_LAST,
    EGO_OP_FIRST,
    EGO_OP_WHEN,
    EGO_OP_COUNT,
    EGO_OP_MOST,
    EGO_OP_LEAST,
    EGO_OP_ABSENT,
    EGO_OP_BEFORE,
    EGO_OP_AFTER,
    EGO_OP_OPEN
} ego_op;
const char *ego_op_name(ego_op op);
typedef struct {
    const char *question, *type; /* type may be NULL */
    const char *options[8];
    int option_count; /* 0: open answer */
} ego_question;
enum { EGO_RETURNED = 10 };
typedef struct {
    ego_op op;
    int choice; /* index of the option, -1: none */
    double confidence;
    bool abstain;      /* "not in your recordings" */
    char *text;        /* the answer in words */
    ego_hits proof;    /* the rows that decided, and no others */
    ego_hits returned; /* at most EGO_RETURNED: those, then the next best for the question, best first */
} ego_answer;
void ego_answer_free(ego_answer *a);
/* The reader: answers from these rows alone, all from v. Word weights are those of v, so that any retrieval can be put before it. */
lmm_status ego_read(ego_view *v, const ego_question *q, const ego_hits *evidence, const lmm_model *encoder, ego_answer *out);
typedef enum { EGO_OURS, EGO_EGORAG, EGO_ONLY_BM25, EGO_ONLY_DENSE, EGO_NOTHING, EGO_SYSTEMS } ego_system;
const char *ego_system_name(ego_system s);
lmm_status ego_ask(ego_view *v, const ego_question *q, ego_system s, const lmm_model *encoder, ego_answer *out);
/* weigh.c: lets a language model m, by its session, read the returned rows and weigh the options with the operator's word. May change choice, confidence, text and
 * abstain; the rows stay. Nothing happens without options or rows. */
lmm_status ego_weigh_options(lmm_session *reader, const lmm_model *m, const ego_view *v, const ego_question *q, ego_answer *a);

/* ---- what is there (timeline.c) ---- */

/* Rows of [from, to) in order of time, at most `limit`. */
lmm_status ego_timeline(ego_view *v, int64_t from, int64_t to, int limit, ego_hits *out);
typedef struct {
    int days;
    int *count; /* days x 24 */
} ego_heat;
/* When something happened: episodes (10 minutes apart) per day and hour of rows that hold all the words; NULL words: all rows, each counted. No such row: no
 * days. free(count). */
lmm_status ego_habits(ego_view *v, const char *words, ego_heat *out);
void ego_heat_svg(buf *out, const ego_heat *h, const char *title);

/* ---- EgoLifeQA (qa.c, eval.c) ---- */

typedef struct {
    char *id, *type, *question, *options[4];
    int64_t query_time;
    int answer; /* sealed; 0..3, -1 unknown */
    bool need_audio;
    ego_spans targets;   /* sealed */
    int64_t certificate; /* sealed, ms; from the targets when the file does not say */
    int future;          /* sealed: option that would be right with the whole week, -1 none */
} ego_qa;
typedef VEC(ego_qa) ego_qas;
lmm_status ego_qa_load(ego_qas *out, const char *path);
void ego_qa_free(ego_qas *q);
typedef struct {
    const char *wearer;
    ego_system system;
    bool oracle;  /* evidence is what the target times hold, nothing else */
    bool control; /* ask every trap once more of a memory cut off for real: gives the leak index, takes minutes */
    int limit;
    const lmm_model *encoder;
    const lmm_model *reader; /* weighs the options, NULL: operators alone */
    buf *samples;            /* one JSON line a question; may be NULL */
    bool quiet;
} ego_eval_opts;
/* *report: JSON with micro and macro accuracy, per type, per certificate length, recall of rows, leak and latency; free(). hit@k: share of questions with a
 * target within 30 s of one of the first k rows returned; cited_hit: of those that decided; cited: how many these are. */
lmm_status ego_eval(ego *e, const ego_qas *q, const ego_eval_opts *o, char **report);

#endif
