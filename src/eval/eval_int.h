/* eval_int.h - what the files of eval/ share: Python's strings, numbers and random numbers (the scores we must reproduce were made by Python
 * programs), regular expressions, and the rules that read an answer out of a response.
 *
 * Strings are valid UTF-8 and end with NUL. Results that are new strings live in a `scratch` until it is freed: scoring one document makes many
 * short strings that die together. */
#ifndef LMM_EVAL_INT_H
#define LMM_EVAL_INT_H

#include "eval/eval.h"

/* ---- scratch (py_text.c): pieces that are freed together ---- */

typedef struct scratch_block scratch_block;
typedef struct {
    scratch_block *last;
} scratch;
void *scratch_get(scratch *s, size_t size); /* zeroed, aligned for any type */
void scratch_free(scratch *s);
char *scratch_cut(scratch *s, const char *text, size_t n);
char *scratch_printf(scratch *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Python's str (py_text.c) ---- */

bool py_is_alpha(uint32_t cp); /* str.isalpha */
bool py_is_upper(uint32_t cp);
char *py_strip(scratch *s, const char *text);                     /* white space, both ends */
char *py_strip_of(scratch *s, const char *text, const char *set); /* ASCII characters of `set`, both ends */
char *py_rstrip_of(scratch *s, const char *text, const char *set);
char *py_lower(scratch *s, const char *text);
char *py_upper(scratch *s, const char *text);
char *py_capitalize(scratch *s, const char *text); /* first character upper case, the rest lower */
/* All occurrences; an empty `from` changes nothing. */
char *py_replace(scratch *s, const char *text, const char *from, const char *to);
char **py_split(scratch *s, const char *text, int *count); /* at white space */
char **py_split_at(scratch *s, const char *text, const char *separator, int *count);
const char *py_rfind(const char *text, const char *what); /* last occurrence, NULL when absent */
size_t py_len(const char *text);                          /* code points */
uint32_t *py_code_points(scratch *s, const char *text, int *count);

/* ---- Python's numbers (py_number.c) ---- */

bool py_float(double *out, const char *text); /* float(text) */
bool py_int(int64_t *out, const char *text);  /* int(text); beyond 64 bits counts as failure */
double py_round(double x, int digits);        /* round(x, digits) */
char *py_repr_real(scratch *s, double x);     /* repr(x) */
char *py_str(scratch *s, const tree *value);  /* str(value): strings as they are, lists with quoted items, True, None */
tree *py_literal(const char *text);           /* ast.literal_eval of lists, tuples, dicts, strings, numbers, names; NULL when it is none */
double py_value(const tree *t, double missing); /* a number, a bool, or the strings "NaN", "Infinity" that stand for one in JSON */

/* ---- Python's random (py_random.c): MT19937 ---- */

typedef struct {
    uint32_t state[624];
    int at;
} py_random;
void py_random_seed(py_random *r, uint64_t seed);             /* random.seed(int) */
void py_random_seed_digits(py_random *r, const char *digits); /* the same, of any size up to 1,024 bits */
uint32_t py_random_bits32(py_random *r);                      /* getrandbits(32) */
double py_random_unit(py_random *r);                          /* random() */
int py_random_below(py_random *r, int n);                     /* choice(range(n)), n >= 1 */

/* ---- regular expressions (regex.c): PCRE2 with Python's Unicode classes ---- */

typedef struct {
    int group_count; /* with group 0 */
    size_t begin[10], end[10];
    bool set[10];
} regex_match;
typedef struct regex regex;
lmm_status regex_open(regex **out, const char *pattern, bool ignore_case);
void regex_close(regex *r);
bool regex_find(const regex *r, const char *text, size_t from, regex_match *m); /* first match at or after byte `from` */
/* One-shot forms for the patterns this program itself contains. */
bool regex_search(const char *pattern, const char *text, regex_match *m);
char *regex_sub(scratch *s, const char *pattern, const char *text, const char *with, int count); /* count 0: all; `with` is literal */

/* ---- letters (letters.c, letters_more.c): which option a response names; "" or NULL when none ---- */

typedef struct {
    scratch *mem;
    const char *letters; /* "ABCD" */
    char **texts;        /* text of each option, may be NULL */
    const char *chance;  /* letters a fallback draws from; NULL or "": `letters` */
    py_random *random;   /* the fallback's generator; counts in *drawn */
    int *drawn;
} letter_rule;
const char *letter_by_chance(const letter_rule *r);
const char *letter_shared(const letter_rule *r, const char *response);
const char *letter_mmmu(const letter_rule *r, const char *response);
const char *letter_paper(const letter_rule *r, const char *response, const char *none);
const char *letter_paper_choice(const letter_rule *r, const char *response);
const char *letter_phrase(const letter_rule *r, const char *response);
const char *letter_phrase_random(const letter_rule *r, const char *response);
const char *letter_egoplan(const letter_rule *r, const char *response);
const char *letter_egotaskqa(const letter_rule *r, const char *response);
const char *letter_egoschema(const letter_rule *r, const char *response);
const char *letter_word(const letter_rule *r, const char *response);
const char *letter_first_char(const letter_rule *r, const char *response);
const char *letter_raw(const letter_rule *r, const char *response);
const char *letter_leading(const letter_rule *r, const char *response);
const char *letter_mvbench(const letter_rule *r, const char *response);
/* MMBench: the option inferred from decorations alone, and from decorations or option texts. NULL: none. */
const char *mmbench_option(scratch *mem, const char *response);
const char *mmbench_prefetch(const letter_rule *r, const char *response);

/* ---- open answers (open.c, vqa.c, text_score.c) ---- */

extern const char *const open_words_mmmu[], *const open_words_video[];               /* NULL-terminated indicator lists */
tree *open_candidates(scratch *mem, const char *response, const char *const *words); /* list of strings and reals, no doubles */
bool open_correct(scratch *mem, const tree *gold, const tree *candidates);
char *vqa_word_tokenize(scratch *mem, const char *text);
char *vqa_punctuation(scratch *mem, const char *text);
char *vqa_digit_article(scratch *mem, const char *text);
char *vqa_normal(scratch *mem, const char *text, bool tokenize);
double vqa_accuracy(scratch *mem, const char *response, const tree *answers, bool tokenize);
int edit_distance(scratch *mem, const char *a, const char *b);
/* `collapse`: lengths after white space is made single, else of the texts as they came. */
double anls(scratch *mem, const char *response, const tree *answers, double threshold, bool collapse);
bool relaxed_equal(scratch *mem, const char *response, const char *target, double tolerance);
char *exact_form(scratch *mem, const char *text, bool ignore_case, bool ignore_punctuation, bool ignore_numbers);
bool ocr_contains(scratch *mem, const char *response, const tree *answers, bool formula);
const char *yes_no_label(scratch *mem, const char *response); /* MME */

/* ---- captions (ptb.c, captions.c, meteor.c, stem.c) ---- */

char *ptb_tokenize(scratch *mem, const char *text); /* lower-cased tokens joined by blanks, punctuation dropped, as pycocoevalcap does */
typedef struct {
    const char *candidate;
    const char *const *references; /* tokenized; at least one */
    int reference_count;
} caption;
typedef struct {
    double bleu[4], rouge_l, cider;
    double *cider_each, *rouge_each; /* one a caption; free() */
} caption_scores;
void captions_score(caption_scores *out, const caption *c, int count);
void caption_scores_free(caption_scores *s);
void bleu_score(double out[4], const caption *c, int count);
/* METEOR of a corpus, stages exact, stem and, with a WordNet, synonym; its paraphrase table is not available. */
typedef struct wordnet wordnet;
double meteor_score(const caption *c, int count, const wordnet *synonyms);
char *stem_english(scratch *mem, const char *word); /* Snowball "english" (Porter 2) of a lower-case word */

/* ---- WordNet 3.0 from its database files (wordnet.c) and WUPS (Wu and Palmer 1994) ---- */

lmm_status wordnet_open(wordnet **out, const char *dir); /* /usr/share/wordnet of Debian's wordnet-base */
void wordnet_close(wordnet *w);
double wordnet_wup(const wordnet *w, const char *a, const char *b);   /* of the first senses; 0 when a word is unknown or unrelated */
bool wordnet_synonym(const wordnet *w, const char *a, const char *b); /* share a synset, base forms included */
/* The word's base form as a noun, else as a verb, an adjective, an adverb; the word itself when it is none. */
const char *wordnet_base(const wordnet *w, scratch *mem, const char *word);
double wups(const wordnet *w, scratch *mem, const char *response, const char *truth, double alpha);

/* ---- statistics (stats.c) ---- */

/* Standard error of a mean whose rows come in clusters; NaN for fewer than two rows or clusters. */
double clustered_stderr(const double *x, const char *const *cluster, int n);
double pooled_stderr(const double *stderrs, const int *sizes, int n); /* of a group of tasks */
/* Deviation of a statistic over resamples; a generator seeded 0, 1, ... for every thousand, as lmms-eval draws them. */
double bootstrap_stderr(double (*of)(const double *, int), const double *x, int n, int iterations);
void bootstrap_values(double *out, double (*of)(const double *, int), const double *x, int n, int iterations);
double bootstrap_middle(const double *x, int n); /* as upstream: of the values as they come, not sorted */
double median_of(const double *x, int n);
typedef struct {
    double expected, consensus, variance, consistency;
} stability; /* of k answers a question: mean, share of majorities, mean variance, share of equal scores */
stability stability_of(const double *const *scores, const int *counts, int n);
double pass_at_k(int n, int c, int k);
typedef struct {
    double mean, se, low, high, t, p;
    int n;
} paired_test; /* differences of two runs on the same rows, 95 % interval, Student's t */
paired_test paired_of(const double *current, const double *baseline, int n);
typedef struct {
    double effect, std_a, std_b, correlation, alpha, power;
    double n; /* rows there are, 0: not asked */
} power_question;
typedef struct {
    double n, power, effect; /* rows needed; with the rows there are: power, and the least effect seen */
} power_result;
power_result power_of(const power_question *q);
double normal_quantile(double p);
double mcnemar(int b, int c);

/* ---- what a task file says about one row (template.c) ---- */

/* The row's columns, the words for this model (pre_prompt, ...), option_list (texts) and lettered ("A. text"), for templates. tree_free. */
tree *row_vars(const eval_task *t, const tree *row, const char *model);
lmm_status template_render(char **out, const char *source, const tree *vars); /* Jinja; free() */
/* `column` (as it is), "=template" (a number, list, ... read from the text), or text with {{ }}. NULL when the column is absent. */
lmm_status row_value(tree **out, const char *what, const tree *row, const tree *vars);

/* ---- kinds of answer (answer.c, answer_text.c, answer_judge.c) ---- */

/* Asks a judge; *reply NULL and LMM_OK: no verdict could be had. `attempt` counts repeated questions. free() */
typedef struct {
    lmm_status (*ask)(void *arg, const char *prompt, int attempt, char **reply);
    void *arg;
} judge;

typedef struct {
    scratch *mem;
    const eval_task *task;
    const tree *row, *vars, *spec; /* the row, its template variables, the `answer` map of the task */
    const char *response;          /* trimmed, after filters */
    const tree *outputs;           /* likelihood tasks: [loss, greedy] of every choice */
    char *letters, **options;      /* letters that count, and the texts of the row's options */
    char *option_letters;
    int option_count;
    py_random *random;
    int *drawn; /* answers drawn by chance */
    const judge *judge;
    bool compat; /* upstream's faults too */
} answer_in;

/* Puts pred, gold, score and what else the kind knows into `verdict`. */
typedef struct {
    const char *name;
    lmm_status (*run)(const answer_in *in, tree *verdict);
    const char *keys[8]; /* of the answer map, beyond the common ones */
} answer_kind;
const answer_kind *answer_kind_find(const char *name);
const char *const *answer_kind_names(void);
extern const answer_kind answer_kinds_text[], answer_kinds_judge[]; /* end with a row without a name */

/* What lmms-eval's process_results returns for the row: {metric: value}. Fails on rows that lack what the kind needs. */
lmm_status answer_run(tree **metrics, const answer_in *in);

/* ---- aggregations (aggregate.c, aggregate_more.c) ---- */

typedef struct {
    const char *metric;
    const tree *items; /* one value a row, in order */
    const tree *spec;  /* the metric_list entry */
    scratch *mem;
    const judge *judge;
    bool compat;
    tree *details; /* filled with named parts of the score, may be NULL */
} aggregate_in;
typedef struct {
    const char *name;
    lmm_status (*run)(const aggregate_in *in, tree **value); /* a number, or null: no score */
} aggregation;
const aggregation *aggregation_find(const char *name);
const char *const *aggregation_names(void);
extern const aggregation aggregations_more[];

/* ---- filters and reasoning (filter.c) ---- */

lmm_status filter_apply(tree **out, const tree *chain, const tree *responses); /* chain: [[name, args|null], ...] */
char *reasoning_strip(scratch *mem, const char *text, const tree *tags);       /* tags: [[open, close], ...] */
/* What `--reasoning_tags` or the task's reasoning_tags mean: a list of pairs, or *out NULL for off. */
lmm_status reasoning_tags_of(tree **out, const tree *task_says, const char *cli_says);

/* ---- Video-MMMU (videommmu.c) ---- */

bool videommmu_correct(scratch *mem, const tree *record);
tree *videommmu_scores(scratch *mem, const tree *records); /* {"Overall-Art and Design": {num, acc}, subjects..., "Overall": ...} */
const char *videommmu_discipline(const char *subject);     /* NULL when unknown */
/* Both lists hold records {id, ..., correct}: accuracies, the gain with its interval, who changed. */
tree *videommmu_delta(const tree *before, const tree *after);
bool videommmu_script_correct(scratch *mem, const tree *record); /* the judgement of the benchmark's own delta scripts */

/* The records of a file of samples with who was right (knowledge.c). compat: judged as the benchmark's scripts do. tree_free */
lmm_status knowledge_records(tree **out, const char *path, bool compat);
/* videommmu_delta of two files of samples, with by_discipline and by_subject. tree_free */
lmm_status knowledge_gain(tree **out, const char *before, const char *after, bool compat);
void html_text(buf *b, const char *text); /* escaped (page.c) */
/* Adds what a run says of Video-MMMU, when it does; `other`, a second results file or NULL, may be the run before the lectures: *used becomes true. */
lmm_status page_knowledge(buf *b, const char *results, const char *other, bool *used);

/* ---- scores of rows and tasks (score.c) ---- */

typedef struct {
    const char *model, *reasoning_tags; /* the model's name for its own prompts; as --reasoning_tags */
    uint64_t seed;
    const judge *judge;
    const tree *outputs; /* likelihoods of the row */
    bool compat;
} score_opts;
/* row->response is there; a row may be scored again. */
lmm_status score_row(eval_row *row, const task_run *run, const tree *doc, const score_opts *o);
/* The number of a row's metric: itself, or its `score_key`. NaN when it has none. */
double score_number(const eval_task *t, const tree *value);
/* The task's scores with their errors; predict_only: the number 999 for each, as lmms-eval says "not scored". */
lmm_status score_task(tree **out, const task_run *r, const score_opts *o, bool predict_only);

/* ---- finished runs (compare.c) ---- */

lmm_status run_results(tree **out, const char *path);          /* a results file */
char *run_samples_path(const char *results, const char *task); /* the samples of a task beside STAMP_results.json; NULL: none. free() */
lmm_status run_samples(table *out, const char *results, const char *task);  /* the samples written beside it; count 0: none */
double sample_score(const tree *sample);                                    /* one number for a sample, NaN when it has none */
lmm_status run_compare(tree **out, const char *results, const char *other); /* {task: {metrics, samples}} */

/* ---- the judge of a run (desk.c) ---- */

/* name: what verdicts are kept under; bound: questions at most, 0: none; store may be NULL. All borrowed. */
judge_desk *desk_new(lmm_chat_fn ask, void *self, const char *name, int64_t bound, eval_store *store);
void desk_free(judge_desk *d);
const judge *desk_judge(
    const judge_desk *d); /* NULL for no desk: its answers are those that are there, NULL for the others, which are noted */
/* Asks what was noted. *more: something was answered, score again. A judge that cannot be reached is no failure of the run: the report tells. */
lmm_status desk_settle(judge_desk *d, bool *more);
tree *desk_report(const judge_desk *d);
int64_t desk_calls(const judge_desk *d);

/* Puts the paired test against the samples of o->baseline (a results file, or samples) into the task's results. */
lmm_status baseline_add(tree *results, const task_run *run, const lmm_eval_opts *o);

/* ---- several answers a question (repeat.c) ---- */

/* Answers the rows of `first` o->repeats - 1 times more and puts M_expected_accuracy, M_pass_at_K, ... into the task's results. */
lmm_status repeats_run(tree *results, task_run *first, const eval_source *from, const lmm_eval_opts *o);
void task_rows_free(task_run *r);           /* the rows alone */
eval_row *task_rows_new(const task_run *r); /* empty ones; those that the data set cannot give have a fault. task_rows_free */

/* ---- sections of the results (report.c) ---- */

lmm_status report_add_task(tree *report, const task_run *r, const lmm_eval_opts *o, judge_desk *desk);
void report_add_group(tree *report, const eval_task *g); /* after its members */

/* ---- the command line as lmms-eval reads it (args.c) ---- */

lmm_status args_parse(tree **out, const char *text);         /* "k=v,k=v" of --model_args and --gen_kwargs */
char *args_model_name(scratch *mem, const char *model_args); /* for the folder of results; "" when none is named */
char *args_safe_name(scratch *mem, const char *model_name);  /* without what a file name must not hold */
int64_t args_sample_count(double limit, int64_t n);          /* rows that --limit means; n for a negative limit */

/* ---- pictures and videos of a row (visual.c), the row as messages (messages.c) ---- */

typedef struct {
    char *url;        /* path of a file or folder, or a data: URI */
    bool file, video; /* url is a path; it is a video */
} visual;
typedef VEC(visual) visual_list;
/* Zip archives below the folder of a data set (archive.c). */
lmm_status archives_open(archives **out, const char *home);
void archives_close(archives *a);
/* The file `name` unpacked, for a video also its folder of frames; *path NULL: no archive has it. free(*path) */
lmm_status archives_find(const archives *a, const char *name, bool video, char **path);

typedef struct {
    const eval_task *task;
    const table *data;
    const char *home, *data_dir;
    const archives *zips; /* NULL: none */
    bool inline_files;    /* files become data: URIs, for readers elsewhere */
} visual_source;
visual_source visuals_of_run(const task_run *run, const lmm_eval_opts *o);
void visuals_free(visual_list *v);
/* vars: row_vars of the row. Rows without a picture give an empty list. */
lmm_status visuals_of(visual_list *out, const visual_source *from, const tree *row, const tree *vars);
/* A file that a template names, looked for where pictures are. *text NULL: it is nowhere. free() */
lmm_status text_beside(char **text, const visual_source *from, const char *source, const tree *vars);
bool file_names_video(const char *name); /* by its ending */
/* A picture that is a data: URI as a file below `dir` named by its content; NULL when it cannot be written. free() */
char *visual_save(const visual *v, const char *dir);

/* Adds `subtitles` or `interleaved` to the row's variables where the task names a file of them (subtitles.c); frames may take the place of the video. */
lmm_status subtitles_add(tree *vars, visual_list *v, const visual_source *from);

typedef struct {
    tree *messages; /* OpenAI's form */
    char *question; /* its text */
    tree *choices;  /* texts whose likelihood is asked, NULL for tasks that generate */
    visual_list visuals;
    int frames; /* of videos, 0: the default */
} row_prompt;
/* On failure what could be made is there (the question, for reports): free in every case. */
lmm_status row_prompt_of(row_prompt *out, const visual_source *from, const tree *row, const lmm_eval_opts *o);
void row_prompt_free(row_prompt *p);

double pairs_score(const char *reply); /* of a judge, 1 to 5; NAN when it says none (pairs.c) */
/* Scores of 1 (impossible) to 5 (certain) of answers to messages: 1 + 4 times the geometric mean of their tokens' probabilities; NAN for those that are NULL or say nothing. */
lmm_status likelihood_scores(lmm_session *s, const lmm_model *m, const char *messages, char *const *answers, int count, double *scores);

/* ---- asking (ask.c, ask_model.c) ---- */

typedef struct {
    int row, group; /* group: the first row with the same pictures */
} todo_row;
typedef struct {
    task_run *run;
    const lmm_eval_opts *o;
    const lmm_model *model;
    eval_store *store; /* NULL: none */
    const char *fingerprint;
    int repeat;
    dist *world;
    lmm_media_cache *pictures;
    const char *type; /* generate_until or loglikelihood */
    bool likelihood;
    visual_source from;
    tree *kwargs;
    VEC(todo_row) todo;
    progress *bar;
} asking;
lmm_status ask_rows(task_run *run, const eval_source *from, const lmm_eval_opts *o);
lmm_status ask_model(asking *a); /* every row of todo */
lmm_status ask_remote(asking *a, lmm_chat_fn ask, void *self);
lmm_status ask_prompt(const asking *a, int row, row_prompt *p);
bool ask_draws(const asking *a);               /* whether answers are drawn by chance */
uint64_t ask_stream(const asking *a, int row); /* what is drawn for a row depends on the row alone, not on who is asked beside it */
lmm_status ask_keep(asking *a, int row);
/* Texts that end an answer; "\n\n", which lmms-eval adds by itself and most of its models ignore, is left out. free() */
const char **ask_stops(const tree *kwargs, int *count);
/* The kinds of faults, as the report counts them; NULL-terminated. */
extern const char *const fault_keys[];
/* Notes lmm_message() as the row's fault and gives LMM_OK; running out of memory is nobody's fault and stays. key NULL: by the status. */
lmm_status row_fault(eval_row *r, lmm_status st, const char *key);

/* Leaves this rank's share of the todo list (ranks.c). */
void ranks_take(asking *a);
/* Collective: the answers to this rank's todo list to all others, and theirs here. */
lmm_status ranks_merge(asking *a);

/* ---- answers of earlier runs (store.c) ---- */

lmm_status store_open(eval_store **out, const char *path); /* made when it is not there, with its folder */
void store_close(eval_store *s);
lmm_status store_get(eval_store *s, const char *key, tree **response, tree **usage); /* NULL when there is none */
lmm_status store_put(eval_store *s, const char *key, const tree *request, const tree *response, const tree *usage);
/* The word under `key`, which is `fresh` when there was none. free(*value) */
lmm_status store_word(eval_store *s, const char *key, const char *fresh, char **value);

/* ---- keys of the response cache (cache_key.c), as lmms-eval's schema 3 ---- */

tree *cache_kwargs(const tree *generation_kwargs); /* the keys that matter, sorted, whole reals as integers */
bool cache_deterministic(const char *request_type, const tree *generation_kwargs);
bool cache_valid(const char *request_type, const tree *response);
/* `request`: {request_type, task_name, doc_id, idx, gen_kwargs, content_hash, task_fingerprint, model_fingerprint_hash, eval_version} */
void cache_key(char hex[65], const tree *request);
char *json_sorted(const tree *t); /* compact, keys sorted, ASCII; free() */

/* ---- pictures between the words (interleave.c) ---- */

/* LongVideoBench: "<image>" lines and subtitles in the order of time. */
char *interleave_subtitles(scratch *mem, const tree *doc);
/* MMMU: the columns of the pictures a question names, sorted as text; and the parts of its chat message. */
tree *mmmu_visuals(const tree *doc);
tree *mmmu_parts(scratch *mem, const char *prompt, const tree *visuals, bool pictures_first);

#endif
