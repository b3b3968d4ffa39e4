/* cmd_pairs.c - `lmm pairs`: preference pairs from a model's own answers and a judge. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "hub/hub.h"

typedef struct {
    const char *prompts, *images, *out, *judge, *judge_args, *model_id, *model_args, *evidence, *judge_by;
    int samples, max_tokens, retries, seed;
    double temperature, top_p, margin;
    bool json, quiet;
} settings;

static void print_report(const settings *s, const lmm_pairs_report *r) {
    if (s->json)
        printf("{\"pairs\": %" PRId64 ", \"answers\": %" PRId64 ", \"judged\": %" PRId64 ", \"without_score\": %" PRId64
               ", \"alike\": %" PRId64 ", \"unpaired\": %" PRId64 ", \"failed\": %" PRId64 ", \"input_tokens\": %" PRId64
               ", \"output_tokens\": %" PRId64 "}\n",
               r->pairs, r->answers, r->judged, r->without_score, r->alike, r->unpaired, r->failed, r->input_tokens, r->output_tokens);
    else
        printf("%s: %" PRId64 " pairs of %" PRId64 " answers; %" PRId64 " prompts with scores alike, %" PRId64 " with none, %" PRId64
               " answers without a score\n%" PRId64 " questions to the judge, %" PRId64 " requests failed, %" PRId64
               " tokens read and %" PRId64 " written in this run\n",
               s->out, r->pairs, r->answers, r->alike, r->unpaired, r->without_score, r->judged, r->failed, r->input_tokens,
               r->output_tokens);
}

static lmm_status run(const model_args *a, const settings *s) {
    eval_source_set from;
    lmm_pairs_report report;
    char name[17] = "";
    if (!s->prompts || !s->out || !s->judge) return LMM_FAIL(LMM_E_ARG, "give --prompts FILE, --judge WHO and -o FILE");
    const bool likelihood = !strcmp(s->judge_by, "likelihood");
    if (!likelihood && strcmp(s->judge_by, "score")) return LMM_FAIL(LMM_E_ARG, "--judge_by is score or likelihood, not '%s'", s->judge_by);
    if (strcmp(s->evidence, "pictures") && strcmp(s->evidence, "text"))
        return LMM_FAIL(LMM_E_ARG, "--evidence is pictures or text, not '%s'", s->evidence);
    lmm_status st = eval_source_open(&from, a,
                                     &(eval_source_opts){.model = s->model_id,
                                                         .model_args = s->model_args,
                                                         .judge = s->judge,
                                                         .judge_args = s->judge_args});
    if (st) return st;
    if (from.model) lmm_model_fingerprint(from.model, name);
    if (likelihood && from.judge != lmm_chat_local) {
        eval_source_close(&from);
        return LMM_FAIL(LMM_E_ARG, "--judge_by likelihood needs a judge of this engine: a checkpoint, or self");
    }
    lmm_pairs_opts o = {.prompts = s->prompts,
                        .images = s->images,
                        .out = s->out,
                        .policy = from.server ? chat_ask : lmm_chat_local,
                        .policy_self = from.server ? (void *)from.server : (void *)from.model,
                        .policy_name = from.server ? from.name : name,
                        .judge = from.judge,
                        .judge_self = from.judge_self,
                        .judge_name = from.judge_name,
                        .samples = s->samples,
                        .max_tokens = s->max_tokens,
                        .judge_tokens = 64,
                        .temperature = s->temperature,
                        .top_p = s->top_p,
                        .margin = s->margin,
                        .retries = s->retries,
                        .seed = (uint64_t)s->seed,
                        .likelihood = likelihood ? from.judge_self : NULL,
                        .text_evidence = !strcmp(s->evidence, "text"),
                        .quiet = s->quiet};
    if (!o.judge) st = LMM_FAIL(LMM_E_ARG, "--judge names nobody: give a server's address, a checkpoint, or self");
    if (!st) st = lmm_pairs(&o, &report);
    eval_source_close(&from);
    if (!st) print_report(s, &report);
    return st;
}

lmm_status cmd_pairs(int argc, char **argv) {
    model_args a = {0};
    settings s = {.images = ".",
                  .evidence = "pictures",
                  .judge_by = "score",
                  .samples = 5,
                  .max_tokens = 256,
                  .retries = 2,
                  .temperature = 0.7,
                  .top_p = 0.9,
                  .margin = 1};
    const opt table[] = {
        model_opts(&a, "-m|--model"),
        {"--prompts", OPT_STRING, &s.prompts, 0, 0, "FILE", "records with a prompt (problem, question, conversations) and image(s)"},
        {"--images", OPT_STRING, &s.images, 0, 0, "DIR", "where the names of pictures start"},
        {"-o|--out", OPT_STRING, &s.out, 0, 0, "FILE", "the pairs (JSONL); FILE.journal keeps what was answered: the same command goes on"},
        {"--judge", OPT_STRING, &s.judge, 0, 0, "WHO", "a server's address, a checkpoint, or self"},
        {"--judge_args", OPT_STRING, &s.judge_args, 0, 0, "K=V,...", "of a judge that is a server: model=NAME, ..."},
        {"--model", OPT_STRING, &s.model_id, 0, 0, "ID", "openai: the answers come from a server (--model_args)"},
        {"--model_args", OPT_STRING, &s.model_args, 0, 0, "K=V,...", "of that server: base_url=URL,model=NAME"},
        {"--evidence", OPT_STRING, &s.evidence, 0, 0, "WHAT", "what the judge goes by: pictures (default), or text: the records' evidence"},
        {"--judge_by", OPT_STRING, &s.judge_by, 0, 0, "HOW",
         "score (default): the judge is asked for one; likelihood: how likely it finds the answer itself"},
        {"--samples", OPT_INT, &s.samples, 2, 64, "K", "answers a prompt (default 5)"},
        {"--temperature", OPT_REAL, &s.temperature, 0.01, 10, "T", "of the answers (default 0.7)"},
        {"--top_p", OPT_REAL, &s.top_p, 0.01, 1, "P", "of the answers (default 0.9)"},
        {"--max_tokens", OPT_INT, &s.max_tokens, 1, 1 << 20, "N", "of an answer (default 256)"},
        {"--margin", OPT_REAL, &s.margin, 0, 4, "X", "scores of a pair differ at least so much (default 1)"},
        {"--retries", OPT_INT, &s.retries, 0, 20, "N", "when the judge's reply has no score (default 2)"},
        {"--seed", OPT_INT, &s.seed, 0, 2147483647, "N", "of the answers (default 0)"},
        {"--json", OPT_FLAG, &s.json, 0, 0, NULL, "the report as JSON"},
        {"-q|--quiet", OPT_FLAG, &s.quiet, 0, 0, NULL, "no progress bar"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, NULL, "lmm pairs -m POLICY --judge MODEL|URL --prompts FILE -o PAIRS.jsonl",
                  "Samples answers, has a judge score them from 1 to 5, and writes best and worst as pairs for `lmm train dpo`.",
                  "  lmm pairs -m llava --judge http://localhost:8000/v1 --judge_args model=big --prompts p.json --images pics -o "
                  "pairs.jsonl\n"
                  "  lmm pairs -m llava --judge qwen --evidence text --prompts captioned.jsonl -o pairs.jsonl\n",
                  &done);
    if (!st && !done) st = run(&a, &s);
    opts_free(table);
    return st;
}
