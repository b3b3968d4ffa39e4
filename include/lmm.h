/* lmm.h - the public interface of liblmm.
 *
 *   lmm_model    weights, tokenizer, chat template, picture processor; immutable, may be shared between threads
 *   lmm_prompt   messages rendered: ids, media slots, positions
 *   lmm_session  one timeline: KV cache, position; used by one thread at a time
 *
 * All-zero options mean defaults: lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = 64}, ...).
 * Functions that can fail return lmm_status, give their result through `out` (untouched on failure), and leave one sentence in lmm_message().
 * Results are bit-identical for any number of threads, any batch, any split of the prefill, with and without a reused prefix. */
#ifndef LMM_H
#define LMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lmm_status.h"

#ifdef __cplusplus
extern "C" {
#endif

const char *lmm_version(void);

/* ---- runtime: threads and kernels, shared by all models opened with it ---- */

typedef struct lmm_runtime lmm_runtime;
/* thread_count 0: all cores. kernels NULL: the best for this processor, else "generic", "avx2", "avx512". */
lmm_status lmm_runtime_open(lmm_runtime **out, int thread_count, const char *kernels);
void lmm_runtime_close(lmm_runtime *r);
const char *lmm_runtime_kernels(const lmm_runtime *r);
int lmm_runtime_threads(const lmm_runtime *r);

/* ---- model ---- */

typedef struct lmm_model lmm_model;
/* A checkpoint folder in Hugging Face layout (config.json, *.safetensors, tokenizer.json, chat template, processor config). The runtime must outlive the model. */
lmm_status lmm_model_open(lmm_model **out, lmm_runtime *runtime, const char *path);
/* A LLaVA 1.5 or 1.6 in two GGUF files as llama.cpp has them: the language model, and the tower with the projector ("mmproj"). */
lmm_status lmm_model_open_projected(lmm_model **out, lmm_runtime *runtime, const char *path, const char *mmproj);
/* The text side alone, without weights: a folder with tokenizer.json (and template), or the tokenizer.json itself. For tokenizing and rendering. */
lmm_status lmm_model_open_text(lmm_model **out, lmm_runtime *runtime, const char *path);
void lmm_model_close(lmm_model *m);
/* How sessions opened from now on multiply with quantised weights (to float weights it is all one). Integer products are several times as fast; the law of
 * equal numbers holds in each. Training is always exact. */
typedef enum {
    LMM_PRODUCTS_FINE,  /* activations rounded to 15 bits in blocks of 32: logits move by some 1e-3 */
    LMM_PRODUCTS_FAST,  /* to 8 bits: prompts are read faster; logits move by some 1e-1 */
    LMM_PRODUCTS_EXACT, /* weights widened to f32, nothing rounded */
} lmm_products;
void lmm_model_products(lmm_model *m, lmm_products p);
/* Whose preparation of pictures is reproduced where the two differ: EXIF, padding, ties and roundings of the tiles. Before prompts are made. */
typedef enum {
    LMM_REFERENCE_PUBLISHED, /* of where the checkpoint was published, said by its layout */
    LMM_REFERENCE_HF,        /* transformers */
    LMM_REFERENCE_ORIGINAL,  /* the LLaVA repositories */
} lmm_reference;
void lmm_model_reference(lmm_model *m, lmm_reference r);
/* Puts an adapter (a folder in PEFT's layout: LoRA, rsLoRA) over the model: the next sessions see it. Before any session is open. */
lmm_status lmm_model_adapt(lmm_model *m, const char *dir);
/* Writes the model with its adapters added into the weights (f32) as a folder of its own; the model becomes that one. */
lmm_status lmm_model_save_merged(lmm_model *m, const char *dir);
/* Makes every weight the mean (f32) of the model's, adapters added, and of those of `count` > 0 folders or files of the same architecture: models that
 * were trained from the same start (arXiv 2203.05482). When it fails the model is spoilt. lmm_model_save_merged writes it. */
lmm_status lmm_model_mean(lmm_model *m, const char *const *others, int count);

typedef struct {
    const char *architecture; /* family: "llava", "llm" */
    int64_t parameter_count;
    int context, vocab, layer_count, hidden;
    int rows_per_image; /* of the picture with the most tiles; 0: sees no pictures */
    size_t weight_bytes, kv_bytes_per_token;
} lmm_model_info;
void lmm_model_describe(const lmm_model *m, lmm_model_info *out);
/* The families of checkpoints this engine opens as a JSON list of {family, classes (of config.json), answers, pictures, videos, sounds}. free() */
lmm_status lmm_model_families(char **json);
/* 16 hex digits of everything its answers depend on: weights with adapters, tokenizer, template, settings, how products are computed. Reads all weights. */
void lmm_model_fingerprint(const lmm_model *m, char hex[17]);
/* Lets a model go beyond the positions it was trained for, before a session of it is opened. scaling: "linear", "dynamic" or "yarn", or "none" (unscaled, to see what
 * happens), each with ":FACTOR". Without a factor it follows from a video of `frames` frames as the original code computes it. */
lmm_status lmm_model_rope_scaling(lmm_model *m, const char *scaling, int frames);
/* Bytes of activations and KV cache for a session of `context` rows with prefill pieces of `batch` rows, measured without computing. */
size_t lmm_model_memory(const lmm_model *m, int context, int batch);

/* Ids of a text. special: begin and end tokens are added, and special tokens spelled in the text are recognised. free(*ids). */
lmm_status lmm_tokenize(const lmm_model *m, const char *text, size_t size, bool special, int **ids, int *count);
/* free(*text) */
lmm_status lmm_detokenize(const lmm_model *m, const int *ids, int count, bool skip_special, char **text);

/* ---- prompt ---- */

/* Remembers what pictures and videos become for a model, so that prompts which show the same compute it once; up to `bytes`, not counting those that
 * prompts hold. Outlives its prompts and is used by one thread at a time. */
typedef struct lmm_media_cache lmm_media_cache;
lmm_status lmm_media_cache_new(lmm_media_cache **out, size_t bytes);
void lmm_media_cache_free(lmm_media_cache *c);

typedef struct lmm_prompt lmm_prompt;
/* Which frames of a video are taken. A video is a file (decoded by lmm-media) or a folder of pictures in the order of their names. */
typedef struct {
    int frames;          /* this many, evenly over the whole; 0 and no fps: 8 */
    double fps;          /* > 0: so many a second, at most `frames` when that is given */
    const double *rates; /* frames a second of each source, for sources that do not say; NULL or 0: 2 */
    int rate_count;
    bool repeat; /* of a video with fewer than `frames` some are taken more than once */
} lmm_video_opts;
typedef struct {
    const char *media_root;    /* relative media paths start here; NULL: the working folder */
    const char *const *images; /* further picture files, put before the first user text (or over the <image> of a raw prompt) */
    int image_count;
    const char *const *videos; /* further videos, behind the pictures */
    int video_count;
    const char *const *sounds; /* and sound files behind those (or over the <speech> of a raw prompt) */
    int sound_count;
    lmm_video_opts video;
    struct lmm_media_cache *cache; /* NULL: pictures are prepared anew */
    bool add_generation_prompt;    /* end with the assistant's opening */
} lmm_prompt_opts;
/* messages: OpenAI chat form as JSON, a list of {role, content: string or parts {type: text | image | image_url | video | audio}}. */
lmm_status lmm_prompt_messages(lmm_prompt **out, const lmm_model *m, const char *messages_json, size_t size, const lmm_prompt_opts *opts);
/* A prompt text as it is, special tokens recognised, begin token added as the tokenizer says, one placeholder (the model's image token) a picture. */
lmm_status lmm_prompt_raw(lmm_prompt **out, const lmm_model *m, const char *text, size_t size, const lmm_prompt_opts *opts);
/* Only the text: messages through the model's template, or through `template_text` when it is not NULL. No picture is read. free(*text). */
lmm_status lmm_prompt_render(const lmm_model *m, const char *messages_json, size_t size, const char *template_text,
                             const lmm_prompt_opts *opts, char **text);
void lmm_prompt_free(lmm_prompt *p);
/* The frames a video would give as DIR/0000.png, ... (dir NULL: none is written) and when they are shown, in seconds; free(*times). `at`, when it is not NULL, names the times of
 * the frames that are wanted instead. */
lmm_status lmm_video_frames(const char *video, const lmm_video_opts *opts, const double *at, int at_count, const char *dir, double **times,
                            int *count);
/* The frames a video would give, small and labelled with number and time, on one PNG. */
lmm_status lmm_video_sheet(const char *video, const lmm_video_opts *opts, const char *png);
int lmm_prompt_length(const lmm_prompt *p);
const int *lmm_prompt_ids(const lmm_prompt *p);   /* placeholders expanded to one id a row; on loan */
const char *lmm_prompt_text(const lmm_prompt *p); /* the rendered text; on loan */
/* What stands between it and a text whose likelihood is asked: nothing behind white space, else a space. */
const char *lmm_prompt_delimiter(const lmm_prompt *p);

/* ---- session ---- */

typedef struct lmm_session lmm_session;
typedef struct {
    int context; /* rows of the KV cache; 0: the model's, at most 4096 */
    int batch;   /* rows of a prefill piece; 0: 512 */
} lmm_session_opts;
lmm_status lmm_session_open(lmm_session **out, const lmm_model *m, const lmm_session_opts *opts);
void lmm_session_close(lmm_session *s);
/* Makes the session's timeline equal to the prompt, reusing the longest common prefix (pictures compared by content). *reused may be NULL. */
lmm_status lmm_session_sync(lmm_session *s, const lmm_prompt *p, int *reused);
/* The same; what others of the n sessions (s may be among them) already have of the prompt is copied from them, not computed. */
lmm_status lmm_session_sync_among(lmm_session *s, lmm_session *const *others, int n, const lmm_prompt *p, int *reused);
/* A second timeline that starts as s is now. What both have is kept once: s and its forks read the same rows. */
lmm_status lmm_session_fork(lmm_session **out, lmm_session *s);
int lmm_session_length(const lmm_session *s);
/* Logits (vocab) after the last row; on loan until the session changes. */
const float *lmm_session_logits(lmm_session *s);

/* ---- generation ---- */

typedef struct {
    int max_tokens;            /* 0: 256 */
    double temperature;        /* 0: greedy */
    int top_k;                 /* 0: all */
    double top_p, min_p;       /* 0: off */
    double repetition_penalty; /* 0: off; over the whole timeline, as in transformers */
    uint64_t seed;
    const uint64_t *streams; /* one a session: what is drawn for it depends on the seed and this; NULL: their numbers 0, 1, ... */
    const char *const *stop; /* texts that end the answer and are cut off */
    int stop_count;
    const int *eos; /* ids that end the answer; NULL: the model's */
    int eos_count;
    const int *banned; /* ids that are never drawn */
    int banned_count;
    bool logprobs; /* fill lmm_answer.logprobs */
} lmm_gen_opts;
typedef enum { LMM_FINISH_STOP, LMM_FINISH_LENGTH, LMM_FINISH_CANCELLED } lmm_finish;
typedef struct {
    char *text; /* free with lmm_answers_free */
    int *ids;   /* with the end token when there was one */
    int id_count;
    lmm_finish finish;
    float *
        logprobs; /* (id_count) of each id at the temperature (greedy: 1) without the banned ids, other filters left aside; NULL when not asked for */
} lmm_answer;
/* Called with every piece of text (whole UTF-8 characters); returning false stops that sequence. */
typedef bool (*lmm_text_fn)(void *arg, int sequence, const char *text, size_t size);
/* Continues n sessions of one model together; answers[n] are filled. Each draws from its own stream. */
lmm_status lmm_generate(lmm_session *const *sessions, int n, const lmm_gen_opts *opts, lmm_text_fn on_text, void *arg, lmm_answer *answers);
void lmm_answers_free(lmm_answer *answers, int n);

/* Sum of log-probabilities of `continuation` after the prompt, and whether greedy decoding would have said it. */
lmm_status lmm_score(lmm_session *s, const lmm_prompt *prompt, const char *continuation, double *log_likelihood, bool *greedy);

/* ---- embeddings ---- */

/* Sentence vectors of a BERT-like encoder, (count, *width), pooled and normalised as the checkpoint says. Texts longer than it takes are cut. free(*out). */
lmm_status lmm_embed(const lmm_model *m, const char *const *texts, int count, float **out, int *width);

/* ---- files of weights ---- */

typedef struct {
    const char *type; /* f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q4_K q5_K q6_K q4_K_M; lmm_convert: NULL keeps what the tensors have */
    bool requantize;  /* tensors that are quantised already may be quantised again */
    bool quiet;
} lmm_convert_opts;
/* A checkpoint folder in Hugging Face layout to a GGUF file as llama.cpp reads it, or a GGUF file to such a folder: weights, config, tokenizer and chat
 * template. Float values stay the same to the bit. Written beside `out` first, renamed when whole. *report: JSON, free(). */
lmm_status lmm_convert(lmm_runtime *r, const char *in, const char *out, const lmm_convert_opts *opts, char **report);
/* A folder or a GGUF file to a GGUF file with its matrices in opts->type, a few rows at a time. *report: JSON with the error of every tensor; free(). */
lmm_status lmm_quantize(lmm_runtime *r, const char *in, const char *out, const lmm_convert_opts *opts, char **report);

typedef struct {
    const char *shape;                                        /* "7b", "smollm2", ...; NULL: "7b" */
    int layers, hidden, heads, kv_heads, mlp, vocab, context; /* instead of the shape's; 0: the shape's */
    const char *type;                                         /* as lmm_convert_opts.type; NULL: "q4_0" */
    uint64_t seed;
    bool quiet;
} lmm_synth_opts;
/* Writes a GGUF file of a model's shape with random weights and a made-up vocabulary; memory stays small. The same seed gives the same bytes. */
lmm_status lmm_synth_checkpoint(lmm_runtime *r, const char *out, const lmm_synth_opts *opts);

/* How far the next-token distributions of `other` are from those of `m` over a text, in pieces of 256 tokens that begin anew. */
typedef struct {
    int tokens;           /* compared */
    double kl_mean;       /* sum p log(p/q), nats a token */
    double kl_max;        /* of the worst token */
    double same_top;      /* share of tokens where both find the same id most likely */
    double loss, loss_of; /* nats a token of the text under m and under other */
} lmm_divergence;
lmm_status lmm_compare(const lmm_model *m, const lmm_model *other, const char *text, size_t size, lmm_divergence *out);

/* ---- speech ---- */

typedef struct {
    const char *language; /* "en"; NULL: heard in the first window */
    bool translate;       /* into English */
    bool no_times;        /* one segment a window of 30 s */
    bool no_fallback;     /* greedy only: a window that came out badly is not tried again at higher temperatures */
    uint64_t seed;
} lmm_transcribe_opts;
typedef struct {
    double start, end; /* seconds */
    char *text;
    int *ids; /* with those of the times */
    int id_count;
    /* of the window it was heard in: mean log-probability of an id, probability that nobody speaks, how far its text can be squeezed */
    double log_probability, no_speech, compression, temperature;
} lmm_segment;
typedef struct {
    lmm_segment *segments; /* free with lmm_transcript_free */
    int count;
    char *text;
    char language[16];
    double language_probability; /* 0: it was given */
    double seconds;              /* length of the sound */
} lmm_transcript;
/* Called with every segment as it is heard; returning false stops. */
typedef bool (*lmm_segment_fn)(void *arg, const lmm_segment *s);
/* Speech of a sound file to text by a Whisper model. on_segment may be NULL. */
lmm_status lmm_transcribe(const lmm_model *m, const char *path, const lmm_transcribe_opts *opts, lmm_segment_fn on_segment, void *arg,
                          lmm_transcript *out);
void lmm_transcript_free(lmm_transcript *t);

/* ---- laboratory ---- */

/* Every named intermediate of one forward pass as a safetensors file (names: tensor names of docs/trace.md). generate > 0 adds that many greedy ids. */
lmm_status lmm_trace(const lmm_model *m, const lmm_prompt *p, int generate, const char *path);
/* Loss and the gradient of every parameter, for a batch file (input_ids, train.labels, ... as in docs/trace.md). */
lmm_status lmm_trace_grad(lmm_model *m, const char *batch_path, const char *path);

/* Runs a training recipe: a YAML file and key=value overrides. Resumes when its output folder holds a checkpoint. */
typedef struct {
    const char *algorithm; /* "sft" (NULL), "dpo", "grpo" */
    bool fresh;            /* ignore earlier checkpoints */
    bool quiet;
    bool ranks; /* this process is one of several started by mpirun: they share the micro batches of a step */
} lmm_train_opts;
lmm_status lmm_train(lmm_runtime *r, const char *recipe, const char *const *overrides, int override_count, const lmm_train_opts *opts);
/* What a run will need, without computing a step: exact for the parameters, measured shape by shape for the activations of the first steps. */
typedef struct {
    int64_t samples, skipped, steps; /* skipped: broken, too long, or with nothing to learn */
    int64_t params, params_trained;
    double weight_bytes, grad_bytes, optimizer_bytes; /* grad_bytes with the copies that accumulation holds */
    double activation_bytes;                          /* the largest micro batch of the steps looked at */
    double tokens_step, flops_step;                   /* means over them; forward and backward */
    int steps_measured;
    const char *precision; /* of the matrix products: "f32", "bf16" */
} lmm_training_plan;
lmm_status lmm_train_plan(lmm_runtime *r, const char *recipe, const char *const *overrides, int override_count, const lmm_train_opts *opts,
                          lmm_training_plan *out);
/* Asks a running lmm_train or lmm_generate to save and stop; safe in a signal handler. */
void lmm_cancel(void);
bool lmm_cancelled(void); /* whether it was asked since the last run began: for whoever waits in a call of its own */

/* Conversations that somebody else answers: a server, another model. */
typedef struct {
    int64_t id;           /* comes back with the answer */
    const char *messages; /* OpenAI's JSON; pictures are data: URIs. Lives until the answer is taken */
    int max_tokens;
    double temperature, top_p; /* top_p 0: not said */
    int64_t seed;
    const char *const *stop;
    int stop_count;
} lmm_chat_request;
typedef struct {
    const char *text;                /* NULL: there is none */
    const char *failure;             /* why, when there is none */
    int input_tokens, output_tokens; /* -1: not said */
} lmm_chat_reply;
typedef struct {
    lmm_status (*next)(void *arg, lmm_chat_request *out, bool *there); /* asked for the next one when there is room for it */
    lmm_status (*take)(void *arg, int64_t id, const lmm_chat_reply *reply);
    void *arg;
} lmm_chat_feed;
/* Answers all that `feed` gives, in any order, each exactly once, all calls from the caller's thread. A request without an answer is no failure. */
typedef lmm_status (*lmm_chat_fn)(void *self, const lmm_chat_feed *feed);

/* Runs evaluation tasks on a model, or scores answers that exist; see `lmm eval --help` for the fields. */
typedef struct {
    const char *const *tasks; /* names, groups, tags, patterns */
    int task_count;
    const char *task_dir;    /* tasks/ of the installation when NULL */
    const char *include_dir; /* another folder of task files, or NULL */
    const char *data_dir;    /* where data sets lie */
    double limit;            /* rows a task; below 1 a share of them; 0: all */
    int64_t offset;          /* first row */
    int batch;               /* sequences generated together; 0: 8 */
    const char *output_dir;  /* results JSON and samples JSONL; NULL: none */
    const char *answers; /* a JSONL file of answers to score instead of asking a model: {task, doc_id, responses} or a file of samples */
    const char *model, *model_args, *gen_kwargs, *reasoning_tags; /* as lmms-eval's flags of these names; may be NULL */
    uint64_t seed;                                                /* of what is drawn by chance */
    const char *baseline;    /* results or samples of an earlier run: the paired test against it is in the results; NULL: none */
    int repeats;             /* answers to every question, drawn by chance; 0: 1 */
    int video_frames;        /* of every video; 0: as the task says, else 8 */
    double video_fps;        /* > 0: so many a second, at most video_frames */
    const lmm_model *speech; /* hears the videos of tasks whose prompt has a place for a transcript; NULL: files of the data set */
    const char *speech_name;
    const char *cache_dir;   /* answers of earlier runs are taken from here and kept here; NULL: none */
    const char *fingerprint; /* of the model, as its answers are kept under; NULL: computed */
    lmm_chat_fn chat;        /* asked instead of a model of this engine; `fingerprint` names it */
    void *chat_self;
    lmm_chat_fn judge; /* asked by tasks whose answers a judge reads; NULL: they get no verdict */
    void *judge_self;
    const char *judge_name; /* of the judge, as its verdicts are kept under */
    int64_t judge_calls;    /* at most so many questions to the judge; 0: no bound */
    bool no_picture_cache;  /* pictures and prompts that begin alike are computed for every row anew */
    bool resume;            /* a run in output_dir that was broken off goes on; nothing in its results tells that */
    bool log_samples, predict_only, quiet;
    bool compat; /* lmms-eval's faults too */
    bool ranks;  /* this process was started by mpirun, as every rank is */
} lmm_eval_opts;
/* *report: JSON of all results, NULL on all ranks but the first; free(). m may be NULL when `answers` or `chat` is given. */
lmm_status lmm_eval(const lmm_model *m, const lmm_eval_opts *opts, char **report);
/* Rows of tasks as training data in LLaVA's form: the questions exactly as the tasks ask them, answered by the template `answer` over the row's columns (NULL: by the
 * right answer). Pictures that lie inside a table are written to media_dir. Uses the options that choose tasks and rows. free() */
lmm_status lmm_eval_conversations(const lmm_eval_opts *opts, const char *answer, const char *media_dir, char **json);
/* A model of this engine as somebody to ask (an lmm_chat_fn whose `self` is the lmm_model): greedy unless a temperature is said. */
lmm_status lmm_chat_local(void *model, const lmm_chat_feed *feed);
/* AI feedback: pairs for lmm_train's dpo from a model's own answers and a judge's scores of 1 to 5. Records {prompt (or problem, question, conversations), image(s)}; a
 * judge reads "evidence" (caption, description) instead of pictures when text_evidence is set, and "answer" (solution) as the right one. */
typedef struct {
    const char *prompts, *images,
        *out; /* JSON, JSONL, Parquet ...; where names of pictures start; JSONL of pairs, with OUT.journal beside it: a run goes on */
    lmm_chat_fn policy, judge;
    void *policy_self, *judge_self;
    const lmm_model *likelihood;           /* judges instead: an answer's score is how likely this model finds it (1 to 5) */
    const char *policy_name, *judge_name;  /* a journal belongs to them */
    int samples, max_tokens, judge_tokens; /* answers a prompt */
    double temperature, top_p, margin;     /* pairs whose scores are closer than the margin are left out */
    int retries;                           /* of a judge whose reply has no score */
    uint64_t seed;
    bool text_evidence, quiet;
} lmm_pairs_opts;
typedef struct {
    int64_t answers, judged, pairs;      /* judged: questions to the judge of this run */
    int64_t without_score;               /* answers the judge gave none */
    int64_t alike, unpaired;             /* prompts whose scores do not differ enough; prompts without any score */
    int64_t failed;                      /* requests nobody answered; the next run asks again */
    int64_t input_tokens, output_tokens; /* of this run, as far as they are said */
} lmm_pairs_report;
lmm_status lmm_pairs(const lmm_pairs_opts *opts, lmm_pairs_report *report);
/* The tasks in folders of task files as a JSON list of {name, kind, file, answer, dataset, metrics or tasks, tag, hash}. free() */
lmm_status lmm_eval_tasks(const char *const *dirs, int count, char **json);
/* A task file of lmms-eval in this program's words; fails naming the keys that are Python code. free() */
lmm_status lmm_eval_import(const char *path, char **yaml);
/* How many rows it takes to see a difference between two models on the same rows; with `rows`, what that many can show. */
typedef struct {
    double effect_size, alpha, power, correlation, std_a, std_b; /* 0: 0.03, 0.05, 0.8, 0, 0.5, 0.5 */
    int64_t rows;
} lmm_power_opts;
lmm_status lmm_eval_power(const lmm_power_opts *opts, char **json);
/* Video-MMMU's gain of knowledge between two files of samples, in all, by discipline and by subject. compat: judged as the benchmark's scripts do. */
lmm_status lmm_eval_delta(const char *before, const char *after, bool compat, char **json);
/* A finished run as one self-contained HTML page; `other`, a second results file, adds the comparison. free() */
lmm_status lmm_eval_page(const char *results, const char *other, char **html);
/* The scores of a finished run as a Markdown table, or as CSV (task, n, metric, filter, value, stderr). free() */
lmm_status lmm_eval_table(const char *results, bool csv, char **text);
/* Two runs compared: every metric's values, and per task the paired test over the samples both have. free() */
lmm_status lmm_eval_diff(const char *results, const char *other, char **json);

#ifdef __cplusplus
}
#endif
#endif
