/* cli.h - the commands of `lmm`: one row each in main.c, one file each here. They know lmm.h, base/, data/ and hub/ only.
 *
 * A command parses its own options (tables of base/opts), prints answers to stdout and everything else to stderr, and returns a status; main.c
 * turns that into one line and an exit code. */
#ifndef LMM_CLI_H
#define LMM_CLI_H

#include "base/base.h"
#include "hub/hub.h"
#include "lmm.h"

typedef struct {
    const char *name, *summary;
    lmm_status (*run)(int argc, char **argv); /* argv[0] is the first word after the command's name */
} command;

typedef struct {
    const char *model, *adapter, *kernels, *products, *rope_scaling, *reference, *projector;
    int threads;
    opt rows[8]; /* what model_opts gives */
} model_args;
/* The options of every command that opens a model, as one row of its table. name: "-m|--model", or "-m" where `--model` means something else. */
opt model_opts(model_args *a, const char *name);
opt scaling_opt(model_args *a);
/* Takes `frames` for a rope scaling without a factor. */
lmm_status model_args_scale(lmm_model *model, const model_args *a, int frames);
lmm_status model_args_open(lmm_runtime **runtime, lmm_model **model, const model_args *a);
lmm_status model_args_open_text(lmm_runtime **runtime, lmm_model **model, const model_args *a); /* without weights */
lmm_status runtime_open(lmm_runtime **runtime, const model_args *a);
bool launched_by_mpi(void); /* whether this process is one of several ranks */

/* ---- model_name.c: what -m may say ---- */

/* The folder or file of a model: a path; ORG/NAME[@REVISION][:QUANT] of the hub's cache; the name of an imported model or of one of the
 * installation; NULL: the embedded one. A folder of GGUF files stands for the one in it (of that quantisation). free(*path). */
lmm_status model_find(char **path, const char *name);
char **model_names(void); /* names that model_find knows without a path, NULL at the end; free them and the list */
/* The projector ("mmproj" in its name) in the folder of a GGUF file; NULL: there is none, or `path` is no such file. free(). */
char *projector_beside(const char *path);
/* A path of the installation (models/mini, tasks): beside the source tree or under the install prefix; free(). */
char *installed_path(const char *name);
/* Where imported models lie: LMM_MODELS, else $XDG_DATA_HOME/lmm/models, else ~/.local/share/lmm/models; free(). */
char *model_folder_path(const char *name);

/* The hub as the environment describes it: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_HUB_ETAG_TIMEOUT,
 * HF_HUB_DOWNLOAD_TIMEOUT; LMM_HUB_BACKOFF is the first wait before a retry in seconds. token_file NULL: as the environment says. */
typedef struct {
    hub_opts opts; /* borrows the two below */
    char *token, *cache;
} hub_args;
lmm_status hub_args_read(hub_args *a, const char *token_file);
void hub_args_free(hub_args *a);
char *hub_cache_path(void); /* HF_HUB_CACHE, else hub/ in HF_HOME; free() */

/* Parses; prints help and sets *done when asked. rest: words left over, NULL when none are allowed. */
lmm_status cli_parse(const opt *table, int argc, char **argv, opt_list *rest, const char *usage, const char *summary, const char *examples,
                     bool *done);

/* ---- eval_source.c: who `lmm eval` asks, and who judges ---- */

typedef struct {
    lmm_runtime *runtime;
    lmm_model *model, *judge_model, *speech;
    chat *server, *judge_server;
    lmm_chat_fn judge;
    void *judge_self;
    char name[17],
        judge_name[17]; /* what answers and verdicts are kept under; "" for a checkpoint under test, whose name the library finds */
} eval_source_set;
typedef struct {
    const char *model, *model_args; /* --model: openai and its like are servers; another word with pretrained=PATH names a checkpoint */
    const char *judge, *judge_args; /* none, self, the address of a server, or a checkpoint */
    const char *answers;            /* a file of them: no model is opened */
    const char *transcript;         /* NULL, files, or a checkpoint that hears videos */
    int frames;
} eval_source_opts;
lmm_status eval_source_open(eval_source_set *out, const model_args *m, const eval_source_opts *o);
void eval_source_close(eval_source_set *s);
/* A server of args "model=NAME,...". url NULL: base_url= of them, or the environment's. *name is what its answers are kept under, 16 hex digits. */
lmm_status chat_server_open(chat **out, char name[17], const char *args, const char *url);

lmm_status cmd_chat(int argc, char **argv);
lmm_status cmd_trace(int argc, char **argv);
lmm_status cmd_tokenize(int argc, char **argv);
lmm_status cmd_train(int argc, char **argv);
lmm_status cmd_eval(int argc, char **argv);
const command *eval_tool(const char *name); /* of `lmm eval NAME ...`, NULL: none */
lmm_status cmd_info(int argc, char **argv);
lmm_status cmd_data(int argc, char **argv);
lmm_status cmd_ego(int argc, char **argv);
lmm_status cmd_embed(int argc, char **argv);
lmm_status cmd_import(int argc, char **argv);
lmm_status cmd_pairs(int argc, char **argv);
lmm_status cmd_pull(int argc, char **argv);
lmm_status cmd_prompt(int argc, char **argv);
lmm_status cmd_synth(int argc, char **argv);
lmm_status cmd_synth_checkpoint(int argc, char **argv); /* of `lmm synth checkpoint ...` */
lmm_status cmd_convert(int argc, char **argv);
lmm_status cmd_quantize(int argc, char **argv);
lmm_status cmd_plot(int argc, char **argv);
lmm_status cmd_merge(int argc, char **argv);
lmm_status cmd_transcribe(int argc, char **argv);

/* cmd_data_replies.c: rows {image, response} of a file as {image, problem, solution} in a JSONL file; pictures lie beside the file. */
lmm_status data_replies(const char *file, const char *out);

#endif
