/* bench_rollout.c - decoding many answers to few prompts: groups of forked sessions, sampled together as a GRPO rollout does.
 *
 * Best of some rounds: answers' tokens a second, prefill and forks apart; and a number of all ids, which must not depend on anything but the sizes.
 * usage: bench_rollout MODEL [prompts 8] [group 8] [rows of a prompt 77] [tokens 64] [threads 2] [rounds 5] */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "lmm.h"

typedef struct {
    int prompts, group, rows, tokens, threads, rounds;
} sizes;

/* Words that make about so many rows, others for every prompt. */
static lmm_status make_prompt(lmm_prompt **p, const lmm_model *m, int rows, int number) {
    buf text = {0};
    lmm_status st = LMM_OK;
    for (int count = 0; count < rows && !st;) {
        lmm_prompt *so_far;
        buf_printf(&text, "%c", 'a' + (number + (int)text.size * 7) % 26);
        st = lmm_prompt_raw(&so_far, m, text.data, text.size, NULL);
        if (!st) count = lmm_prompt_length(so_far), lmm_prompt_free(so_far);
    }
    if (!st) st = lmm_prompt_raw(p, m, text.data, text.size, NULL);
    buf_free(&text);
    return st;
}

static lmm_status open_groups(lmm_session **s, const lmm_model *m, lmm_prompt *const *prompts, const sizes *z) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < z->prompts * z->group && !st; i++) {
        if (i % z->group) st = lmm_session_fork(&s[i], s[i / z->group * z->group]);
        else st = lmm_session_open(&s[i], m, &(lmm_session_opts){.context = z->rows + z->tokens + 2});
        if (!st && i % z->group == 0) st = lmm_session_sync(s[i], prompts[i / z->group], NULL);
    }
    return st;
}

static lmm_status run_round(const lmm_model *m, lmm_prompt *const *prompts, const sizes *z, double *opened, double *decoded,
                            uint64_t *hash) {
    const int n = z->prompts * z->group, nothing = -1;
    lmm_session **s = mem_new((size_t)n, sizeof(lmm_session *));
    lmm_answer *answers = mem_new((size_t)n, sizeof *answers);
    const lmm_gen_opts o = {.max_tokens = z->tokens, .temperature = 1, .seed = 3, .eos = &nothing, .eos_count = 1, .logprobs = true};
    double begin = time_now();
    lmm_status st = open_groups(s, m, prompts, z);
    *opened = time_now() - begin, begin = time_now();
    if (!st) st = lmm_generate(s, n, &o, NULL, NULL, answers);
    *decoded = time_now() - begin;
    for (int i = 0; i < n && !st; i++) *hash = hash_u64(answers[i].ids, (size_t)answers[i].id_count * sizeof(int), *hash);
    lmm_answers_free(answers, n);
    for (int i = 0; i < n; i++) lmm_session_close(s[i]);
    free(answers);
    free(s);
    return st;
}

static lmm_status run(const char *path, const sizes *z) {
    lmm_runtime *r;
    lmm_model *m = NULL;
    lmm_prompt **prompts = mem_new((size_t)z->prompts, sizeof(lmm_prompt *));
    double best_opened = 1e9, best_decoded = 1e9;
    uint64_t hash = 0;
    lmm_status st = lmm_runtime_open(&r, z->threads, NULL);
    if (st) return free(prompts), st;
    st = lmm_model_open(&m, r, path);
    for (int i = 0; i < z->prompts && !st; i++) st = make_prompt(&prompts[i], m, z->rows, i);
    for (int i = 0; i < z->rounds && !st; i++) {
        double opened, decoded;
        hash = 0;
        st = run_round(m, prompts, z, &opened, &decoded, &hash);
        if (opened < best_opened) best_opened = opened;
        if (decoded < best_decoded) best_decoded = decoded;
    }
    if (!st)
        printf("%d x %d answers of %d tokens behind %d rows: opened in %.1f ms, %.0f tokens/s, ids %016" PRIx64 "\n", z->prompts, z->group,
               z->tokens, z->rows, 1e3 * best_opened, z->prompts * z->group * z->tokens / best_decoded, hash);
    for (int i = 0; i < z->prompts; i++) lmm_prompt_free(prompts[i]);
    lmm_model_close(m);
    lmm_runtime_close(r);
    free(prompts);
    return st;
}

static int number(int argc, char **argv, int i, int fallback) { return argc > i ? max_int(1, atoi(argv[i])) : fallback; }

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: bench_rollout MODEL [prompts] [group] [rows] [tokens] [threads] [rounds]\n"), 2;
    const sizes z = {number(argc, argv, 2, 8),  number(argc, argv, 3, 8), number(argc, argv, 4, 77),
                     number(argc, argv, 5, 64), number(argc, argv, 6, 2), number(argc, argv, 7, 5)};
    if (run(argv[1], &z)) return fprintf(stderr, "bench_rollout: %s\n", lmm_message()), 1;
    return 0;
}
