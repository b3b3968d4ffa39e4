/* train_int.h - what the trainer gives its algorithms and takes from them. */
#ifndef LMM_TRAIN_INT_H
#define LMM_TRAIN_INT_H

#include "train/train.h"

enum { METRIC_MAX = 12 };
typedef struct trainer trainer;

/* Item number k of the whole run: epoch k / n in its own shuffled order. `at` caches the epoch's permutation. */
typedef struct {
    int64_t epoch;
    int *at;
} order;
int order_at(order *o, const trainer *t, int64_t k);

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
    bool (*whole)(const trainer *t);                /* whether a checkpoint may be taken now; NULL: always */
    lmm_status (*make_batch)(trainer *t, order *o, int64_t micro, batch *b); /* micro: its number in the whole run */
    /* One of the two: sets b->weight before the forward pass (labels: of all micro batches of the step); or, with the rows' log-probabilities at hand, gives
     * the loss, the metrics, and as weights the negative slopes by them. */
    void (*weigh)(const trainer *t, batch *b, int64_t labels);
    lmm_status (*learn)(trainer *t, batch *b, const float *logprob, micro_result *out);
    void (*close)(trainer *t); /* may be NULL */
} algorithm;
extern const algorithm algorithm_sft, algorithm_dpo, algorithm_grpo;

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
    int64_t total, step, warmup;
    optim opt;
    grad_tree tree;
    arena mem;
    tape tape;
    cx cx;
    train_log *log; /* rank 0's */
    const char *metric_names[METRIC_MAX + 1];
    float *logprob; /* (logprob_count): of a micro batch's rows */
    int logprob_count;
    void *own; /* the algorithm's */
    bool quiet;
};

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
void token_grid_close(token_grid *g);

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

/* rewards.c: what a completion is worth; NAN where the reward has nothing to say. */
typedef struct {
    const char *text, *gold;
    const int *ids;
    int id_count, max_tokens;
    bool finished; /* it ended by itself */
} completion_view;
lmm_status reward_check(const char *name, const char *where); /* fails on an unknown name, listing the known */
double reward_value(const char *name, const completion_view *c);

/* sft.c: the weighted cross entropy of the batch; logprob (rows) may be NULL. */
tensor *batch_loss(cx *c, const net *n, const batch *b, float *logprob);

#endif
