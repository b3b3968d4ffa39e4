/* bench_open.c - from opening a model to the logits of its first prompt token, and the memory a full context takes.
 *
 * Time: opening, making the session, the first pass (which faults the weights in) and the same pass again; the difference of the two is what page
 * faults cost, the rest of all of it is ours (goal: at most 0.5 s). Memory: the peak of the process with every row of the context filled, against the
 * weights it touched plus what MEASURE promised plus what the process had before (goal: within 2 %). One JSON line.
 * usage: bench_open MODEL [memory] */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "lmm.h"

enum { CONTEXT = 256 }; /* rows, and of a piece of the prefill */

/* "VmHWM:   123 kB" of /proc/self/status, in bytes. */
static size_t status_bytes(const char *key) {
    char *text = NULL;
    size_t kb = 0;
    if (file_read(&text, NULL, "/proc/self/status", 1 << 20)) return 0;
    const char *at = strstr(text, key);
    if (at) kb = strtoul(at + strlen(key), NULL, 10);
    free(text);
    return kb * 1024;
}

/* What is resident of the mappings of that file. */
static size_t mapped_bytes(const char *path) {
    char *text = NULL;
    size_t kb = 0;
    bool inside = false;
    if (file_read(&text, NULL, "/proc/self/smaps", 64 << 20)) return 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        bool is_head = strchr(line, '-') && strchr(line, '-') < strchr(line, ' ');
        if (is_head) inside = strstr(line, path_base(path)) != NULL;
        else if (inside && !strncmp(line, "Rss:", 4)) kb += strtoul(line + 4, NULL, 10);
    }
    free(text);
    return kb * 1024;
}

static lmm_status pass(double *seconds, lmm_session *s, const lmm_prompt *p) {
    double start = time_now();
    lmm_status st = lmm_session_sync(s, p, NULL);
    if (!st) (void)lmm_session_logits(s);
    *seconds = time_now() - start;
    return st;
}

static const lmm_session_opts session_opts = {.context = CONTEXT, .batch = CONTEXT};

static lmm_status measure_time(lmm_runtime *runtime, const char *path) {
    lmm_model *m = NULL;
    lmm_prompt *p = NULL;
    lmm_session *s = NULL, *other = NULL;
    double begin = time_now(), opened, first = 0, again = 0;
    lmm_status st = lmm_model_open(&m, runtime, path);
    opened = time_now();
    if (!st) st = lmm_prompt_raw(&p, m, "a", 1, NULL);
    if (!st) st = lmm_session_open(&s, m, &session_opts);
    double ready = time_now();
    if (!st) st = pass(&first, s, p);
    if (!st) st = lmm_session_open(&other, m, &session_opts);
    if (!st) st = pass(&again, other, p);
    double faults = first > again ? first - again : 0;
    if (!st)
        printf("{\"open_s\": %.3f, \"session_s\": %.3f, \"first_pass_s\": %.3f, \"second_pass_s\": %.3f, \"beyond_faults_s\": %.3f}\n",
               opened - begin, ready - opened, first, again, ready - begin + first - faults);
    lmm_session_close(other);
    lmm_session_close(s);
    lmm_prompt_free(p);
    lmm_model_close(m);
    return st;
}

/* A prompt of CONTEXT rows: digits are never joined to long tokens. */
static lmm_status long_prompt(lmm_prompt **out, const lmm_model *m) {
    buf text = {0};
    lmm_status st = LMM_OK;
    for (int length = 0; length < CONTEXT && !st;) {
        if (*out) lmm_prompt_free(*out), *out = NULL;
        buf_puts(&text, "7 ");
        st = lmm_prompt_raw(out, m, text.data, text.size, NULL);
        if (!st) length = lmm_prompt_length(*out);
    }
    buf_free(&text);
    return st;
}

static lmm_status measure_memory(lmm_runtime *runtime, const char *path) {
    lmm_model *m = NULL;
    lmm_prompt *p = NULL;
    lmm_session *s = NULL;
    double seconds, before = (double)status_bytes("VmRSS:");
    lmm_status st = lmm_model_open(&m, runtime, path);
    double opened = (double)status_bytes("VmHWM:");
    if (!st) st = long_prompt(&p, m);
    if (!st) st = lmm_session_open(&s, m, &(lmm_session_opts){.context = lmm_prompt_length(p) + 1, .batch = CONTEXT});
    if (!st) st = pass(&seconds, s, p);
    if (!st) {
        double peak = (double)status_bytes("VmHWM:"), touched = (double)mapped_bytes(path);
        double promised = (double)lmm_model_memory(m, lmm_prompt_length(p) + 1, CONTEXT), expected = before + touched + promised;
        printf("{\"peak_mb\": %.1f, \"before_mb\": %.1f, \"after_open_mb\": %.1f, \"touched_mb\": %.1f, \"promised_mb\": %.1f, "
               "\"peak_over_expected\": %.4f}\n",
               peak / 1e6, before / 1e6, opened / 1e6, touched / 1e6, promised / 1e6, peak / expected);
    }
    lmm_session_close(s);
    lmm_prompt_free(p);
    lmm_model_close(m);
    return st;
}

int main(int argc, char **argv) {
    lmm_runtime *runtime;
    bool memory = argc == 3 && !strcmp(argv[2], "memory");
    if (argc != 2 && !memory) return fprintf(stderr, "usage: bench_open MODEL [memory]\n"), 2;
    lmm_status st = lmm_runtime_open(&runtime, 0, NULL);
    if (!st) st = (memory ? measure_memory : measure_time)(runtime, argv[1]);
    if (st) return fprintf(stderr, "bench_open: %s\n", lmm_message()), 1;
    lmm_runtime_close(runtime);
    return 0;
}
