/* train_int.h - what the trainer gives its algorithms and takes from them. */
#ifndef LMM_TRAIN_INT_H
#define LMM_TRAIN_INT_H

#include "train/train.h"

enum { METRIC_MAX = 32 };
typedef struct trainer trainer;

/* Item number k of the whole run: epoch k / n in its own shuffled order. `at` caches the epoch's permutation. */
typedef struct {
    int64_t epoch;
    int *at;
} order;
int order_at(order *o, const trainer *t, int64_t k);
/* grouping.c: lays out a shuffled epoch of n items, `before` of which came in earlier epochs, in batches of micros * each; length[item] < 0: text only. */
void order_grouped(int *at, int n, const int *length, int micros, int each, int64_t before, rng *r);

/* What one micro batch came to. */
typedef struct {
    double loss;
    double metric[METRIC_MAX]; /* of the algorithm's names; a step's are the means over micro batches */
} micro_result;

/* Everything but this is the trainer's: accumulation, clipping, schedule, log, checkpoints, ranks. */
typedef struct {
    const char *name;
    const char *const *metrics; /* NULL-terminated, at most METRIC_MAX; NULL: none, or what `prepare` put into metric_names */
    lmm_status (*load)(trainer *t);
    lmm_status (*prepare)(trainer *t, bool fresh);  /* with the model as it was opened, before a checkpoint is restored; may be NULL */
    lmm_status (*begin_step)(trainer *t, order *o); /* before a step's batches are made; may be NULL */
    lmm_status (*make_batch)(trainer *t, order *o, int64_t micro, batch *b); /* micro: its number in the whole run */
    lmm_status (*imagine)(trainer *t, order *o, int64_t micro,
                          batch *b);                       /* the largest that make_batch may give, for a plan; NULL: make_batch's */
    lmm_status (*save)(const trainer *t, const char *dir); /* adds its own files to a checkpoint, on every rank; may be NULL */
    lmm_status (*restore)(trainer *t, const char *dir);    /* from there; may be NULL */
    /* One of the two: sets b->weight before the forward pass (labels: of all micro batches of the step); or, with the rows' log-probabilities at hand, gives
     * the loss, the metrics, and as weights the negative slopes by them. */
    void (*weigh)(const trainer *t, batch *b, int64_t labels);
    lmm_status (*learn)(trainer *t, batch *b, const float *logprob, micro_result *out);
    lmm_status (*end_step)(
        trainer *t,
        const double *metric); /* after the optimizer's; metric: means over all micro batches, the same on every rank; may be NULL */
    void (*close)(trainer *t); /* may be NULL */
} algorithm;
extern const algorithm algorithm_sft, algorithm_dpo, algorithm_grpo;

/* ---- reading a recipe (recipe.c): each fails with a sentence that names file and key ---- */

lmm_status recipe_bad(const recipe *r, const char *key, const char *what);
/* The place of a word in a list with NULL at the end; absent is its first. */
lmm_status recipe_word(const recipe *r, const tree *map, const char *key, const char *const *names, int *index);
lmm_status recipe_number(const recipe *r, const tree *map, const char *key, double fallback, double low, double high, double *out);
lmm_status recipe_integer(const recipe *r, const tree *map, const char *key, int fallback, int low, int high, int *out);
lmm_status recipe_keys(const recipe *r, const tree *map, const char *section, const char *const *known);
/* A path of the recipe's, owned; NULL gives NULL. */
char *recipe_path(const recipe *r, const char *path);
/* A list of strings, none when the key is absent; `must` says what it has to be. What was read is owned by `at` also after an error. */
lmm_status recipe_strings(const recipe *r, const tree *map, const char *key, const char *must, char ***at, int *count);
/* recipe_data.c: `data`, `augment` and `evaluate`; lists of other recipes are put where `include` names them. */
lmm_status recipe_data_read(recipe *r, tree *t);
void recipe_data_free(recipe *r);
/* recipe_align.c */
lmm_status recipe_dpo_read(recipe *r, const tree *t);
lmm_status recipe_grpo_read(recipe *r, const tree *t);

/* ---- one update (optim.c, optim_8bit.c) ---- */

/* What AdamW's arithmetic takes besides the values. */
typedef struct {
    float beta2, gain1, gain2, keep, rate, root, eps, scale;
} adamw_rule;
adamw_rule adamw_rule_of(const optim *o, const optim_slot *s, double rate, double grad_scale);
/* Updates n weights and both their states; the gradients become 0. */
void adamw_step(const adamw_rule *rule, float *restrict p, float *restrict g, float *restrict m, float *restrict v, int64_t n);
void update_8bit(const optim *o, const optim_slot *s, double rate, double grad_scale); /* of a slot with scales */
int64_t optim_blocks(int64_t n);                                                       /* of OPTIM_BLOCK, that n values make */
void state_map_free(state_map *map);

/* held_out.c: the recipe's `evaluate`; all zero without one. */
typedef struct {
    sample_set samples, prompts;
    FILE *answers; /* rank 0's run/answers.jsonl, NULL: none wanted */
} held_out;
lmm_status held_out_open(held_out *h, const trainer *t);
lmm_status held_out_measure(const held_out *h, trainer *t, double *loss); /* collective; loss is rank 0's */
void held_out_close(held_out *h);

struct trainer {
    recipe r;
    const algorithm *way;
    lmm_runtime *runtime;
    dist *world;
    lmm_model *model;
    char *text_dir; /* tokenizer and processor files to copy along */
    sample_set samples;
    int samples_each;       /* of one item of an epoch: 2 for pairs */
    bool *broken;           /* items whose picture could not be read */
    VEC(int) epoch_samples; /* item numbers of one epoch, repeats included */
    int64_t total, step;
    schedule rate; /* of learning */
    optim opt;
    grad_tree tree;
    arena mem;
    tape tape;
    cx cx;
    train_log *log; /* rank 0's */
    held_out held;
    const char *metric_names[METRIC_MAX + 1];
    xent_opts view; /* the distribution that log-probabilities are of; set by `prepare` */
    bool wants_entropy;
    float *logprob, *entropy; /* (row_count): of a micro batch's rows */
    float *entropy_slope;     /* (row_count), all 0 before `learn`, which may put the loss's slopes by the entropies there */
    int row_count;
    void *own; /* the algorithm's */
    bool quiet;
};

/* trainer_open.c */
lmm_status trainer_find_algorithm(const algorithm **out, const char *name);
lmm_status trainer_set_up(trainer *t, const char *path, const char *const *overrides, int override_count);
void trainer_count_steps(trainer *t); /* total and warmup */
void trainer_close(trainer *t);
/* Bytes of activations that this batch needs forward and backward, counted without computing; flops (forward) may be NULL. */
size_t trainer_measure(trainer *t, const batch *b, double *flops);

/* Loads every data set of the recipe; `each` samples make one item. */
typedef lmm_status (*load_fn)(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar);
lmm_status trainer_load(trainer *t, load_fn load, int each);
/* Adds the samples of an item, moved by the recipe's augment with the randomness of place k of the run. A broken one leaves its place empty, this time and later. */
lmm_status trainer_add(trainer *t, int item, int64_t k, batch *b);
/* Log-probabilities of the batch's labelled rows under a network, without a tape. out: (rows). */
lmm_status trainer_logprobs(trainer *t, const net *n, batch *b, float *out);

/* token_grid.c: log-probabilities of answers, a row each: now, when they were sampled, and of the reference. (rows, width) each; all zero at first. */
typedef struct {
    int rows, width;
    double *now, *old, *start, *mask, *grad;
    int *row; /* the batch's row that predicts the token, -1: none */
} token_grid;
void token_grid_open(token_grid *g, int rows, int width);
/* The batch's weights: the negative slopes over `divisor`, 0 for rows without a token. */
void token_grid_weigh(const token_grid *g, batch *b, double divisor);
/* A grid's values (rows, width) to the batch's rows. */
void token_grid_spread(const token_grid *g, const double *values, float *out);
void token_grid_close(token_grid *g);

/* reading.c: the records of a data set that the recipe takes, each given to `make`, on any thread; what it makes of it is put into the set in their order. */
typedef struct {
    const lmm_model *m;
    const recipe_data *d;
} record_source;
typedef struct {
    VEC(sample) samples;
    int skipped;        /* longer than max_length, or with nothing to learn */
    VEC(char *) unread; /* references that were meant as mathematics and cannot be read */
} record_made;
typedef lmm_status (*make_fn)(record_made *out, const recipe *r, const record_source *src, const tree *record);
lmm_status records_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar, make_fn make);

/* records.c: LLaVA's records as messages. */
typedef struct {
    const char *marks[4]; /* in the texts; NULL-terminated, the first is the one that is written */
    const char *keys[6];  /* of the record, as well */
    const char *type, *many;
} medium_kind;
extern const medium_kind medium_kinds[MEDIUM_KINDS];
/* What a record names, taken mark by mark. */
typedef struct {
    const tree *record;
    const char *root;
    media_list *to;
    int found[MEDIUM_KINDS]; /* marks so far */
} media_source;
const tree *record_media(const tree *record, int kind); /* a name or a list of them, NULL: none */
int record_media_count(const tree *record, int kind);
lmm_status record_media_check(const media_source *src); /* as many marks as media */
const char *turn_role(const tree *turn);                /* "user", "assistant", "system", or NULL */
const char *turn_text(const tree *turn);                /* NULL: it has none */
/* The next mark in a text of the record, of `size` bytes; NULL: no further one. */
const char *next_mark(const tree *record, const char *text, int *kind, size_t *size);
/* "<image>\nWhat?" becomes a picture part and a text part. tree_free */
tree *turn_message(const char *role, const char *text, media_source *src);
/* All turns as messages, tree_free; NULL when the record makes no sense. A first turn that is not human is dropped. */
tree *record_messages(media_source *src);

/* conversation.c: a conversation as it is learnt; each answer is text [first, end), what the model writes behind the opening of its turn. */
typedef struct {
    size_t first, end;
} answer_range;
typedef struct {
    buf text;
    VEC(answer_range) answers;
} conversation;
bool message_is_assistant(const tree *message);
lmm_status conversation_render(conversation *c, const lmm_model *m, const tree *messages);
lmm_status conversation_encode(id_list *out, const lmm_model *m, const char *text, size_t size);
void conversation_free(conversation *c);
/* llava_layout.c: a question and its answer, pictures as parts, in LLaVA-NeXT's layout. */
lmm_status llava_layout_sample(sample *s, const lmm_model *m, const tree *messages);

/* rewards.c: what a completion is worth; NAN where the reward has nothing to say. */
typedef struct {
    const char *question, *text, *gold;
    const int *ids;
    int id_count, max_tokens;
    bool finished; /* it ended by itself */
} completion_view;
lmm_status reward_check(const char *name, const char *where); /* fails on an unknown name, listing the known */
/* out (n): one reward of the n completions of a group. Fails on cancellation alone: what cannot be scored is said on stderr and NAN. */
lmm_status reward_group(double *out, const recipe_reward *w, const completion_view *c, int n);

/* reward_command.c: an external program's; all NAN, with a message on stderr, when it fails. */
lmm_status reward_command(double *out, const recipe_reward *w, const completion_view *c, int n);

/* banned.c: placeholders of media, ids without a spelling, padding that ends nothing. */
void banned_ids(id_list *out, const lmm_model *m);

/* rollout.c: the answers of this rank to the prompts of one rollout, group after group. */
typedef struct {
    id_list ids;      /* with the end token when there was one */
    VEC(float) logp;  /* (ids) the sampler's */
    float *reference; /* (ids) under the reference, NULL: not asked yet */
    bool finished;
    double reward[REWARD_MAX], advantage;
} completion;
typedef struct {
    double reward, deviation, zero_groups, length, cut, unscored,
        each[REWARD_MAX];           /* unscored: the share no reward had anything to say of */
    double prefill_rows, step_rows; /* sums: what sessions ran */
    double seconds;                 /* that this process of this rank spent on it; all else is over all ranks */
} rollout_means;
typedef struct {
    int64_t number; /* -1: none */
    int group_count;
    bool *answered;               /* (group_count) */
    completion *all;              /* (group_count, group) */
    bool scored;                  /* all are answered, advantages and means hold */
    double *baseline;             /* (group_count): the greedy answer's weighted reward, for remax; NAN without any reward */
    double item_count, row_count; /* tokens that learn, completions that have some, over all ranks */
    rollout_means mean;
    bool told;                       /* that no group of a rollout had anything to teach: said once a run */
    int64_t prefill_rows, step_rows; /* rows this rank's sessions ran */
    double seconds;
    id_list banned;
} rollout;
void rollout_open(rollout *o, const trainer *t);
void rollout_close(rollout *o, const trainer *t);
int rollout_groups(const trainer *t);                               /* of a rank */
int64_t rollout_place(const trainer *t, int64_t number, int group); /* which prompt of the run a group of this rank answers */
/* Collective: answers what is not answered yet of rollout `number`. LMM_E_CANCELLED keeps the groups that are through. */
lmm_status rollout_make(rollout *o, trainer *t, order *turn, int64_t number);
bool rollout_under_way(const rollout *o, const trainer *t); /* updates from it are still to come */
lmm_status rollout_save(const rollout *o, const trainer *t, const char *dir);
lmm_status rollout_restore(rollout *o, trainer *t, const char *dir);

/* grpo_control.c: coefficients and reference of a run; start may be NULL. */
typedef struct {
    entropy_controller entropy;
    double beta;
    lmm_model *reference; /* on loan */
} grpo_control;
lmm_status grpo_control_open(grpo_control *c, const trainer *t, lmm_model *start);
double grpo_entropy_bonus(const grpo_control *c, const recipe_grpo *g);
void grpo_control_update(grpo_control *c, const trainer *t, double entropy, double kl); /* after a step, with its means */
lmm_status grpo_control_save(const grpo_control *c, const trainer *t, const char *dir);
lmm_status grpo_control_restore(grpo_control *c, const trainer *t, const char *dir);

/* sft.c: the weighted cross entropy of the batch, whose backward pass starts from 1; opts may be NULL, and is in MEASURE what it will be in RUN. */
tensor *batch_loss(cx *c, const net *n, const batch *b, const xent_opts *opts);

#endif
