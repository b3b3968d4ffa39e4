/* train.h - the training laboratory: recipe -> samples -> packed batches -> loss with a tape -> optimizer -> checkpoint.
 *
 * The one laboratory that may look inside the engine. An algorithm (sft.c, later dpo.c, grpo.c) is a function from a batch to a scalar; trainer.c owns
 * accumulation, clipping, schedule, logging, checkpoints and seeds once. Everything random is a function of (seed, epoch, sample), and the
 * order of data of (seed, step), so a resumed run needs no cursor and ends in the same bits as one that never stopped. */
#ifndef LMM_TRAIN_H
#define LMM_TRAIN_H

#include "align/align.h"
#include "base/base.h"
#include "dist/dist.h"
#include "engine/engine.h"

/* ---- recipe (recipe.c): a YAML file, every key checked ---- */

typedef enum { TRUNCATE_SKIP, TRUNCATE_KEEP_START, TRUNCATE_KEEP_END } truncation;
/* What the samples of a batch have in common: nothing, micro batches of like length, all with pictures or all without (grouping.c). */
typedef enum { GROUP_NONE, GROUP_LENGTH, GROUP_MODALITY } grouping;
typedef enum { TURNS_SEQUENCE, TURNS_INDEPENDENT } turn_mode;
/* Words of a recipe, each one token with a space before it. */
typedef struct {
    char **at;
    int count;
    id_list ids; /* once the model is open */
} recipe_words;

/* Word dropout (arXiv 1511.06349): that share of `words` in answers is read as the padding, while it is still learnt, so that what follows has to be
 * seen and cannot be guessed from the word before. Words of `blank` are neither read nor learnt: they stand where an answer has nothing to say. Words of
 * `given` are read and not learnt: this data set says them, another one teaches them. */
typedef struct {
    double share;
    recipe_words words, blank, given;
} recipe_hide;

/* Label-preserving moves of a picture: mirrored left to right, quarter turns, shifted by up to `shift` pixels with the border stretched, or the
 * foreground (what differs from the corner's colour) moved anywhere it still fits; and words of answers hidden. */
typedef struct {
    bool mirror, turn, roam;
    int shift;
    recipe_hide hide;
} recipe_augment;

typedef struct {
    char *path, *images; /* LLaVA JSON or JSONL; the folder the names of its pictures and videos start in */
    char *format;        /* "chat": the model's template; "plain": <image>caption\n (stage 1) */
    turn_mode turns;     /* INDEPENDENT: every question of a conversation sees the picture and itself, not the other answers */
    double repeat;       /* passes over it in one epoch */
    int frames;          /* of a video, evenly over the whole; 0: as many as fps says, else 8 */
    double fps;
    bool repeat_frames;     /* LLaVA-NeXT's DPO loader: always `frames`, some twice in a short video */
    char *take;             /* part of its records: "all", "first:100", "end:10%", "random:5%" (LLaVA's sampling_strategy) */
    bool one_tile;          /* pictures are one padded tile each, as several pictures of one sample are (OneVision's first stages) */
    recipe_augment augment; /* its own, or the recipe's; nothing of held-out data */
} recipe_data;

/* Preference losses: dpo_config of align/align.h. */
typedef struct {
    char *loss;                  /* sigmoid, ipo, hinge, robust, ...; llava_sigmoid, ... */
    double beta, smoothing, sft; /* sft: weight of the chosen answers' cross entropy beside it */
    dpo_divergence divergence;
    double alpha, tau;                 /* of the alpha divergence, of discopop */
    double tail_weight;                /* LD-DPO; 1: off */
    bool reference_free, llava_layout; /* llava_layout: turns and labels as LLaVA-NeXT lays them out for Qwen */
} recipe_dpo;
extern const char dpo_llava[]; /* begins the names of LLaVA-NeXT's losses */

/* Evaluation while training, on samples that are not learnt. */
typedef struct {
    VEC(recipe_data) data;
    int every, answers, max_tokens; /* steps, 0: never; how many of the samples are answered too, and how long at most */
} recipe_held;

enum { REWARD_MAX = 8 };
typedef struct {
    char *name; /* a row of rewards.c */
    double weight;
    char *command;  /* of "command": what sh runs; else NULL */
    double timeout; /* its seconds for a group */
} recipe_reward;
typedef struct {
    char *loss, *scale; /* grpo_config of align/align.h; group | batch | none */
    char *reduce;       /* NULL: the loss's own */
    char *kl;           /* estimator of the KL term: k1, abs, k2, k3 */
    char *advantage;    /* group | gdpo | rloo | passk | reinforce | remax */
    char *prompt;       /* what the model is asked: "{question}" and words around it */
    int group, updates; /* completions a prompt; optimizer steps a rollout */
    int max_tokens;
    double temperature, beta, clip_low, clip_high, delta, dual_clip, top_entropy, off_policy; /* off_policy NAN: off */
    double entropy_bonus, entropy_target, entropy_delta, entropy_low, entropy_high; /* the bonus follows a target; NAN: it stays */
    double kl_target, kl_horizon;                                                   /* beta follows a target; NAN: it stays */
    int reference_sync; /* steps between two steps of the reference; 0: it stays */
    double reference_mix;
    bool sequence_ratio, token_slope, mask_truncated, bias_corrected_kl, count_empty; /* count_empty: rows without a token count in means */
    recipe_reward rewards[REWARD_MAX];
    int reward_count;
} recipe_grpo;

typedef enum { ADAMW, ADAMW_BF16, ADAMW_8BIT } optim_kind;

typedef struct {
    tree *source;                 /* the recipe with overrides applied, for the record */
    char *path, *folder;          /* the YAML file and where relative paths start */
    char *run;                    /* output folder */
    char *model_open, *model_new; /* one of them: a checkpoint, or a folder with config and tokenizer to start from nothing */
    char **model_from;            /* model.from: checkpoints that give a new model the tensors they share with it */
    int model_from_count;
    bool model_parts[PART_COUNT]; /* model.parts: what they give */
    char **model_set;             /* model.set: "text_config.num_hidden_layers=2": values of a new model's config.json */
    int model_set_count;
    lmm_reference reference; /* model.reference: whose preparation of pictures */
    bool fan_in;             /* model.init: fan_in instead of the config's initializer_range */
    bool train[PART_COUNT];
    lora_config lora; /* rank > 0: adapters of the decoder learn, and nothing else */
    char **lora_targets;
    VEC(recipe_data) data;
    recipe_held held;
    recipe_dpo dpo;
    recipe_grpo grpo;
    uint64_t seed;
    int batch, accumulate; /* samples a micro batch; micro batches a step */
    grouping group_by;
    int64_t steps; /* 0: from epochs */
    double epochs;
    double lr, lr_part[PART_COUNT], beta1, beta2, eps, weight_decay, clip, clip_norm; /* lr_part 0: lr */
    optim_kind optimizer;                                                             /* optimizer.kind */
    char *schedule;                                                                   /* a row of schedule.c */
    double schedule_power, schedule_cycles, schedule_decay;                           /* decay: a share of all steps (< 1) or steps */
    double warmup, floor; /* share of all steps (< 1) or steps (>= 1); smallest lr as a share of lr */
    bool recompute;
    bool bf16;      /* precision: matrix products round their factors to bf16 and sum in f32; weights, gradients, states stay as they are */
    int max_length; /* longer samples are skipped and counted, or cut when `truncate` says so */
    truncation truncate;
    int broken_max; /* so many samples may be broken (no picture, no conversation): named, counted and skipped */
    int save_every, log_every, keep;
} recipe;
extern const char *const r1mm_prompt; /* grpo.compat: r1mm */
lmm_status recipe_open(recipe *out, const char *path, const char *const *overrides, int override_count);
void recipe_free(recipe *r);

/* ---- samples (samples.c): conversations as ids and labels ---- */

/* One question and its answer after the shared prefix, or a whole conversation with an empty prefix. */
typedef struct {
    int first, count;
} sample_seg; /* ids [first, first + count) of the sample */
typedef struct {
    media_list media;              /* full paths, in the order of their placeholders */
    lmm_video_opts video;          /* which frames of the videos are taken */
    bool one_tile;                 /* see recipe_data */
    const recipe_augment *augment; /* the recipe's; NULL: the sample stays as it is */
    id_list ids;                   /* placeholders not expanded: one id a picture or video */
    id_list labels;                /* per id: itself when it is trained, -1 else */
    char *text, *question,
        *gold;  /* of a prompt to be answered (prompts_load): the rendered text, what it asks, the reference answer; else NULL */
    int prefix; /* the first `prefix` ids are shared by all segments */
    VEC(sample_seg) segs;
    int label_count;
} sample;
/* What stays in memory of a sample. */
typedef struct {
    uint64_t offset; /* of the rest, in the spool */
    int length;      /* ids */
    unsigned label_count : 31, has_media : 1;
} sample_brief;
typedef struct {
    VEC(sample_brief) list;
    spool rest;     /* opened in the run's folder */
    char *last_uri; /* the picture put last, and where */
    uint64_t last_uri_at;
    bool failed; /* the spool cannot be written: no fault of a sample */
    int skipped, broken;
    int unread; /* references of prompts that were meant as mathematics and cannot be read */
    int enough; /* loading stops at so many; 0: never */
} sample_set;
lmm_status sample_put(sample_set *set, sample *s);               /* behind the others; frees s in every case */
lmm_status sample_at(const sample_set *set, int i, sample *out); /* sample_free; fails when the spool cannot be read */
void sample_free(sample *s);
lmm_status samples_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar);
/* Pairs: sample 2k is the chosen answer of pair k, 2k + 1 the rejected one. Records {image(s), prompt, chosen, rejected}: texts as LLaVA's, or lists of messages as trl's
 * (with "images" beside them). */
lmm_status pairs_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar);
/* Prompts to be answered, with their reference answers: a sample has the ids of the prompt up to the answer's opening, no labels, and one segment per id list added later.
 * Records {image(s), problem, solution}, or conversations, of which every question with its answer is one prompt. */
lmm_status prompts_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar);
/* A session that has read the prompt and has room for `answer` ids more. */
lmm_status prompt_session(lmm_session **out, const lmm_model *m, const sample *prompt, int answer);
/* Cuts a sample of one segment without a shared prefix to `most` ids; false when that would take a picture away, or all of its labels. */
bool sample_truncate(sample *s, int most, truncation how);
/* The words and ids that llava_layout puts around a question and its answer; `encode` turns text into ids. */
typedef struct {
    lmm_status (*encode)(void *arg, const char *text, size_t size, id_list *out);
    void *arg;
    int im_start, im_end, image;
} llava_words;
/* llava_layout.c: ids and labels (-1: not learnt); every "<image>" in the texts becomes w->image. */
lmm_status llava_layout(const llava_words *w, const char *prompt, const char *answer, id_list *ids, id_list *labels);
/* Counts a broken sample, whose message is set: LMM_OK while the recipe allows one more, with the message on stderr; else st. */
lmm_status sample_broken(sample_set *set, const recipe *r, lmm_status st);
void sample_set_free(sample_set *s);

/* ---- augment (augment.c) ---- */

bool augment_any(const recipe_augment *a);
bool augment_used(const recipe *r); /* for some of its data */
/* Moves im in place as `a` allows, drawing from r. */
lmm_status augment_picture(image *im, const recipe_augment *a, rng *r);
/* The input that stands in place of the answer's `id`; *learnt is set to false when that is a blank or given. */
int augment_word(int id, const recipe_hide *h, int padding, rng *r, bool *learnt);

/* ---- batches (batch.c): samples packed into rows ---- */

typedef enum { MEDIUM_PICTURE, MEDIUM_VIDEO, MEDIUM_SOUND, MEDIUM_KINDS } medium;
/* Media of one kind. */
typedef struct {
    VEC(media_plan) plans;
    float *pixels; /* as net_media says */
    int tile_count;
} batch_media;
typedef struct {
    int rows;
    id_list ids, label; /* (rows); label[i] is what row i predicts, -1 none */
    VEC(int) position;  /* (rows, net_axes) */
    VEC(float) weight;  /* (rows) of the loss */
    VEC(attn_seg) segs;
    batch_media media[MEDIUM_KINDS];
    VEC(medium) media_order; /* of which kind each is, in the order of the rows */
    int label_count;
    VEC(int) items; /* an algorithm's own: which items it was made of */
} batch;
medium medium_of(const media_ref *r);
/* Adds one sample, or nothing of it when it fails; its media are read, pictures moved and words hidden by the sample's augment with
 * randomness from r, and preprocessed. */
lmm_status batch_add(batch *b, const lmm_model *m, const sample *s, rng r);
void batch_free(batch *b);
/* trace_grad.c: the batch of a safetensors file (docs/trace.md), every label with the same weight. */
lmm_status batch_from_file(batch *b, const net *n, const char *path);

/* ---- algorithms ---- */

/* sft.c: sum over labelled rows of weight * cross entropy; a backward pass from it has to start from 1. */
tensor *sft_loss(cx *c, const net *n, const batch *b);

/* ---- optimizer (optim.c): AdamW (arXiv 1711.05101) ---- */

/* Each rank of a world keeps the states of its own share of every parameter and updates that; the others get the new values.
 * Weights and states are f32. Both are bf16 when the parameter owns its values as such (param_own_bf16): then `lost` is what rounding has kept from the weights so
 * far and adds to the next update: Kahan's summation, in the arithmetic of AnyPrecisionAdamW, every intermediate in bf16. Or states alone are codes of 8 bits
 * (optim_8bit.c), each block of OPTIM_BLOCK with a scale of its own. */
enum { OPTIM_BLOCK = 256, OPTIM_8BIT_MIN = 4096, OPTIM_STATES_MAX = 4 }; /* smaller parameters keep states in f32, as bitsandbytes does */
typedef struct {
    param *p;
    int64_t first, last;      /* this rank's values */
    void *m, *v;              /* (last - first) */
    void *lost;               /* (last - first); NULL: not in bf16 */
    float *m_scale, *v_scale; /* one a block; NULL: not in 8 bits */
    double lr_scale, weight_decay;
} optim_slot;
typedef struct state_map state_map;
typedef struct {
    VEC(optim_slot) slots;
    double beta1, beta2, eps;
    double norm; /* which length of the gradient is measured: 2 (0 means that), 1 or INFINITY */
    int64_t step;
    pool *pool;
    dist *world;              /* NULL: one rank; set before the first optim_add */
    state_map *m_map, *v_map; /* optim_use_8bit: what codes of either state mean; NULL: f32 or bf16 */
} optim;
/* One array of a slot as a checkpoint keeps it: values [first, first + count) of `whole`, blocks for scales. */
typedef struct {
    char letter;
    dtype type;
    void *values;
    int64_t first, count, whole;
} optim_state;
int optim_states(const optim_slot *s, optim_state out[OPTIM_STATES_MAX]); /* how many */
void optim_use_8bit(optim *o);                                            /* before the first optim_add */
lmm_status optim_open(optim *o, pool *p, double beta1, double beta2, double eps);
lmm_status optim_add(optim *o, param *p, double lr_scale, double weight_decay); /* the parameter must own its values and gradient */
size_t optim_size(const optim *o);                                              /* bytes of this rank's states */
void optim_close(optim *o);
/* Collective: sums the gradients over the ranks, each its own share; then the norm over all of them, in a fixed order. */
lmm_status optim_reduce(optim *o, double *length);
/* Collective: updates the values everywhere, then zeroes the gradients. */
lmm_status optim_step(optim *o, double lr, double grad_scale);

/* ---- accumulation (accumulate.c): the micro batches of a step, summed as a binary tree over their numbers ---- */

/* What makes a sum over micro batches independent of how many ranks share them. */
typedef struct {
    VEC(float *) held; /* (levels, slots): sums of 1, 2, 4, ... micro batches that wait for their other half */
    int levels, slots;
    int64_t done;
} grad_tree;
/* After each micro batch; the gradients are taken over and zeroed, until the last one of `count` leaves the sum in them. */
lmm_status grad_tree_push(grad_tree *g, const optim *o, int64_t count);
void grad_tree_free(grad_tree *g);

/* ---- schedule (schedule.c) ---- */

typedef struct {
    const char *kind; /* cosine, linear, constant, polynomial, restarts, inverse_sqrt, stable_decay */
    double lr;
    int64_t total, warmup; /* steps; the warm-up rises linearly from 0, stable_decay's from the floor */
    double floor;          /* smallest rate as a share of lr */
    double power, cycles;  /* of polynomial; of restarts */
    int64_t decay;         /* last steps of stable_decay */
} schedule;
/* Learning rate of step `step` (0-based), as transformers' schedulers give it. */
double schedule_at(const schedule *s, int64_t step);
bool schedule_known(const char *kind);

/* ---- log (log.c): metrics.jsonl and a TensorBoard event file ---- */

typedef struct {
    const char *name;
    double value; /* left out when it is not finite */
} log_value;
typedef struct train_log train_log;
lmm_status train_log_open(train_log **out, const char *run, int64_t step);          /* step > 0: a resumed run appends */
void train_log_put(train_log *l, int64_t step, const log_value *values, int count); /* NULL: nothing */
void train_log_close(train_log *l);                                                 /* NULL is fine */

/* ---- checkpoints (train_checkpoint.c) ---- */

/* run/step-N: a loadable model folder plus optimizer.safetensors (with more ranks a file each) and state.json, committed with MANIFEST.json; run/LATEST names the newest good one. */
typedef lmm_status (*save_fn)(void *arg, const char *dir); /* adds files of its own, on every rank */
lmm_status train_save(const recipe *r, const lmm_model *m, const optim *o, const char *text_dir, int64_t step, save_fn more, void *arg);
/* The folder of the newest checkpoint whose manifest holds, NULL when there is none; damaged ones are reported on stderr and left alone. */
char *train_latest(const char *run, int64_t *step);
/* Collective; the number of ranks may differ from the one that saved. */
lmm_status train_restore(const char *dir, lmm_model *m, optim *o);
/* Names of the recipe's sections about what is learnt (model, data, train, lora, dpo, grpo) that were others when the checkpoint was written; NULL: none. free() */
char *train_changed(const char *dir, const recipe *r);
/* A model folder alone: config, weights, tokenizer and processor files. */
lmm_status train_export(const lmm_model *m, const char *text_dir, const char *dir);

#endif
