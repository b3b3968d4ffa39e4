/* engine.h - behind lmm.h: what models, prompts and sessions are made of. For engine/ and train/; everybody else uses lmm.h.
 *
 * The straight road: messages -> chat_render -> ids with placeholders -> media rows over them -> decoder -> logits -> ids -> text. */
#ifndef LMM_ENGINE_H
#define LMM_ENGINE_H

#include <stdatomic.h>

#include "base/base.h"
#include "lmm.h"
#include "models/models.h"
#include "text/text.h"

struct lmm_runtime {
    pool *pool;
    const kernels *k;
};

struct lmm_model {
    lmm_runtime *runtime;
    net *net;
    char *path;
    tokenizer *tok;         /* NULL: a tower alone */
    jinja *chat_template;   /* NULL: raw prompts only */
    VEC(int) eos;           /* ids that end an answer */
    const char *image_text; /* spelling of the placeholder, NULL when there is none */
    lmm_products products;  /* lmm_model_products */
    uint64_t version;       /* counts optimizer steps: a session that sees another one drops its cache */
};
bool model_ends(const lmm_model *m, int id); /* whether the id ends an answer */
int model_digits(const lmm_model *m);        /* cx.digits of its sessions */
/* Opens the text side of a folder around a network (taken over, also on failure). A network of a GGUF file brings its own. */
lmm_status model_wrap(lmm_model **out, lmm_runtime *runtime, net *n, const char *text_dir);

/* The tokenizer and the chat template (NULL when it has none) of a GGUF file (gguf_text.c). */
lmm_status gguf_text_open(tokenizer **tok, jinja **chat_template, const gguf *g);
/* Its vocabulary as tokenizer.json and tokenizer_config.json. */
lmm_status gguf_text_json(tree **json, tree **config, const gguf *g);

/* One picture of a prompt: its pixels are ready for the tower. */
typedef struct media_entry media_entry;
typedef struct {
    uint64_t hash; /* of the decoded picture */
    media_plan plan;
    bool video, sound;
    float *pixels;      /* tiles as net_media says */
    media_entry *entry; /* remembered: owns the pixels, and the rows when they have been computed; NULL: nothing is */
} prompt_media;

/* ---- media_cache.c ---- */
struct media_entry {
    lmm_media_cache *cache;
    uint64_t key[2], used_at, version; /* version: the model's, when the rows were computed */
    prompt_media media;
    float *rows; /* (plan.row_count, D), NULL: not computed yet */
    size_t size;
    int holders; /* prompts */
};
/* about: what else decides how the picture is prepared. */
void media_key(uint64_t key[2], const lmm_model *m, const char *path, const int about[], int count);
media_entry *media_cache_find(lmm_media_cache *c, const uint64_t key[2]); /* held for the caller; NULL when unknown */
/* Takes the pixels over; held for the caller. */
media_entry *media_cache_add(lmm_media_cache *c, const uint64_t key[2], const prompt_media *media, size_t pixel_bytes);
void media_cache_rows(media_entry *e, const float *rows, size_t size, uint64_t version);
void media_entry_release(media_entry *e);

/* A picture, video or sound a prompt names. */
typedef struct {
    char *path;
    bool video, sound;
} media_ref;
typedef VEC(media_ref) media_list;
void media_list_free(media_list *s);

struct lmm_prompt {
    const lmm_model *model;
    char *text;
    id_list ids;             /* placeholders expanded */
    VEC(prompt_media) media; /* in order of their placeholders */
    int *position;           /* of every row, net_axes each */
    int position_ahead;      /* position of a row behind the last minus its number */
};
/* The road's first half, used by prompts and by training samples: text with placeholders and picture files to ids and media. */
lmm_status prompt_build(lmm_prompt **out, const lmm_model *m, const char *text, size_t size, const media_list *media,
                        const lmm_video_opts *video, lmm_media_cache *cache, bool add_special);
/* Text with placeholders to ids, one id a placeholder. flags: TOKENIZE_*. */
lmm_status prompt_encode(const lmm_model *m, const char *text, size_t size, int flags, id_list *out);
/* Renders messages with the model's template; what they show is appended to `media` in order. */
lmm_status messages_render(buf *text, media_list *media, const lmm_model *m, const tree *messages, const lmm_prompt_opts *opts);
/* video.c: the frames of a video that the options choose, as the tower takes them; number: which of the prompt's videos it is. free(out->pixels). */
typedef struct {
    media_plan plan;
    float *pixels; /* as net_pixels says */
    uint64_t hash; /* of the frames as decoded */
} video_media;
lmm_status video_take(video_media *out, const lmm_model *m, const char *path, const lmm_video_opts *o, int number);
lmm_status picture_load(image *out, const lmm_model *m, const char *path);
/* Whether the begin token must be added: not when the text spells it already. */
bool prompt_adds_special(const lmm_model *m, const char *text);

/* Identity of one row of a timeline: two rows with equal keys and equal prefixes have equal KV rows. */
uint64_t row_key_text(int id, int ahead); /* ahead: its position minus its number */
uint64_t row_key_media(uint64_t hash, int offset);

/* Rows that a session and its forks go on from: nobody writes to them any more. */
typedef struct {
    kv_cache cache;
    atomic_int holders; /* sessions, on any threads */
} kv_shared;

struct lmm_session {
    const lmm_model *model;
    int context, batch;
    kv_shared *shared; /* the first rows of the timeline, row for row; NULL: none */
    int shared_rows;
    kv_cache cache; /* the rows behind them, from its row 0 on */
    uint64_t version;
    VEC(uint64_t) keys; /* of every row of the timeline */
    VEC(int) ids;
    int position_ahead; /* of the next row */
    arena mem;
    cx cx;
    float *logits; /* (vocab), of the last row */
    bool logits_valid;
    int step_count, step_context; /* largest batch its arena was measured for */
    int64_t prefill_rows,
        step_rows; /* rows this session has run itself, in prompts and one by one; those of a fork's origin are not its own */
};
/* Appends n text rows in one pass per session: batched decoding. */
lmm_status sessions_step(lmm_session *const *sessions, const int *ids, int n);

/* Arena bytes a pass of `sequences` x `rows` rows, each over `context` keys, needs, and the way of one picture to its rows; by MEASURE. */
size_t measure_decoder(const lmm_model *m, int sequences, int rows, int context);
size_t measure_picture(const lmm_model *m, const media_plan *plan);

/* ---- sampler.c ---- */
typedef struct {
    int *id;
    float *logit;
    double *weight; /* e^(logit - best logit) where it was asked for */
    int count;
} candidates;
candidates candidates_new(int vocab); /* room for as many; count 0 */
void candidates_free(candidates *c);  /* zeroes it; of a zeroed one nothing */
/* What may be drawn, best first, ties by id: penalty, temperature (0: none), top-k, top-p, min-p applied to logits (vocab). c holds vocab entries. */
void sample_filter(const float *logits, int vocab, const lmm_gen_opts *o, const int *history, int history_count, candidates *c);
/* The next id from logits (vocab); history counts for the repetition penalty; scratch (vocab) is overwritten. */
int sample_next(const float *logits, int vocab, const lmm_gen_opts *o, const int *history, int history_count, rng *r, candidates *scratch);

/* ---- listener.c: one window of sound, decoded id by id (Whisper) ---- */
typedef struct {
    const lmm_model *model;
    kv_cache self, cross; /* of the ids said, and of the window */
    arena mem;
    cx cx;         /* a tracer may be set: then all rows of logits are shown */
    float *logits; /* (vocab) after the last id; may be changed */
    int length;    /* ids said; 0 begins again */
} listener;
lmm_status listener_open(listener *l, const lmm_model *m);
void listener_close(listener *l);
lmm_status listener_hear(listener *l, float *mel); /* (2 positions, bands) */
lmm_status listener_say(listener *l, const int *ids, int n);

/* ---- speech_rules.c ---- */
typedef struct {
    int vocab, end, start, translate, transcribe, no_speech, no_times;
    int time_first;     /* id of 0.00; every further id is 20 ms later */
    int time_begin_max; /* the first time said is at most this many ids after 0.00; below 0: any */
    id_list never, not_first;
    bool multilingual;
} speech_rules;
lmm_status speech_rules_read(speech_rules *r, const lmm_model *m);
void speech_rules_free(speech_rules *r);
int speech_language_id(const speech_rules *r, const lmm_model *m, const char *language); /* -1: not one of its */
void speech_language_name(char out[16], const lmm_model *m, int id);
/* Sets logits (vocab) of what must not follow the n ids said in this window to minus infinity. */
void speech_rules_apply(const speech_rules *r, float *logits, const int *said, int n, bool times);
double speech_log_probability(const float *logits, int vocab, int id);

/* ---- cancel.c ---- */
void lmm_cancel_reset(void);

#endif
