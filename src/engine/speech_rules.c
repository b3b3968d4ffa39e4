/* speech_rules.c - what Whisper may say next: ids that are never said, times in pairs that do not run back, text or time by their probability.
 *
 * Source: OpenAI's whisper/decoding.py (SuppressBlank, SuppressTokens, ApplyTimestampRules) and transformers' WhisperTimeStampLogitsProcessor. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* ---- reading ---- */

static void read_list(id_list *out, const tree *t, int vocab) {
    for (int i = 0; t && t->type == TREE_LIST && i < t->count; i++)
        if (t->items[i]->type == TREE_INT && t->items[i]->i >= 0 && t->items[i]->i < vocab) VEC_PUSH(out, (int)t->items[i]->i);
}

/* generation_config.json decides, else config.json. */
static const tree *setting(const tree *generation, const tree *config, const char *key) {
    const tree *t = tree_get(generation, key);
    return t && t->type != TREE_NULL ? t : tree_get(config, key);
}

static lmm_status read_ids(speech_rules *r, const lmm_model *m) {
    const struct {
        int *id;
        const char *name, *other;
    } row[] = {
        {&r->end, "<|endoftext|>", NULL},
        {&r->start, "<|startoftranscript|>", NULL},
        {&r->translate, "<|translate|>", NULL},
        {&r->transcribe, "<|transcribe|>", NULL},
        {&r->no_speech, "<|nospeech|>", "<|nocaptions|>"},
        {&r->no_times, "<|notimestamps|>", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        *row[i].id = tokenizer_id(m->tok, row[i].name);
        if (*row[i].id < 0 && row[i].other) *row[i].id = tokenizer_id(m->tok, row[i].other);
        if (*row[i].id < 0 || *row[i].id >= m->net->whisper.config.vocab)
            return LMM_FAIL(LMM_E_FORMAT, "'%s': the tokenizer has no %s, so it is none of Whisper's", m->path, row[i].name);
    }
    r->time_first = r->no_times + 1;
    if (r->time_first >= m->net->whisper.config.vocab) return LMM_FAIL(LMM_E_SHAPE, "'%s' has no ids for times", m->path);
    return LMM_OK;
}

enum { VOCAB_ENGLISH = 51864, TIME_FIRST_MAX = 50 }; /* English-only models have this vocabulary; the first time is within a second */

lmm_status speech_rules_read(speech_rules *r, const lmm_model *m) {
    tree *generation = NULL;
    *r = (speech_rules){.vocab = m->net->whisper.config.vocab};
    char *path = path_join(m->path, "generation_config.json");
    lmm_status st = file_exists(path) ? tree_load(&generation, path) : LMM_OK;
    free(path);
    if (!st) st = m->tok ? read_ids(r, m) : LMM_FAIL(LMM_E_FORMAT, "'%s' has no tokenizer", m->path);
    if (!st) {
        const tree *config = m->net->config;
        read_list(&r->never, setting(generation, config, "suppress_tokens"), r->vocab);
        read_list(&r->not_first, setting(generation, config, "begin_suppress_tokens"), r->vocab);
        r->multilingual = tree_bool(generation, "is_multilingual", r->vocab > VOCAB_ENGLISH);
        r->time_begin_max = (int)tree_int(generation, "max_initial_timestamp_index", TIME_FIRST_MAX);
    }
    tree_free(generation);
    if (st) speech_rules_free(r);
    return st;
}

void speech_rules_free(speech_rules *r) {
    free(r->never.at);
    free(r->not_first.at);
    *r = (speech_rules){0};
}

/* Languages lie between the start and the first task: "<|en|>". */
int speech_language_id(const speech_rules *r, const lmm_model *m, const char *language) {
    char *name = mem_printf("<|%s|>", language);
    int id = tokenizer_id(m->tok, name);
    free(name);
    return id > r->start && id < r->translate ? id : -1;
}

void speech_language_name(char out[16], const lmm_model *m, int id) {
    const char *token = tokenizer_token(m->tok, id);
    size_t n = token ? strlen(token) : 0;
    snprintf(out, 16, "%.*s", n > 4 && n < 20 ? (int)n - 4 : 0, token ? token + 2 : "");
}

/* ---- applying ---- */

static void forbid(float *logits, int first, int last) {
    for (int i = first; i < last; i++) logits[i] = -INFINITY;
}

static void time_rules(const speech_rules *r, float *logits, const int *said, int n) {
    int T = r->time_first, last_time = -1;
    bool last = n >= 1 && said[n - 1] >= T, before = n < 2 || said[n - 2] >= T;
    logits[r->no_times] = -INFINITY;
    if (last && before) forbid(logits, T, r->vocab);
    if (last && !before) forbid(logits, 0, r->end);
    for (int i = 0; i < n; i++)
        if (said[i] >= T) last_time = said[i];
    /* A time that closes may be opened again; a segment has a length above zero. */
    if (last_time >= 0) forbid(logits, T, min_int(last && !before ? last_time : last_time + 1, r->vocab));
    if (n > 0) return;
    forbid(logits, 0, T);
    if (r->time_begin_max >= 0) forbid(logits, min_int(T + r->time_begin_max + 1, r->vocab), r->vocab);
}

static double log_sum(const float *logits, int first, int last, float *most) {
    *most = -INFINITY;
    for (int i = first; i < last; i++) *most = fmaxf(*most, logits[i]);
    if (*most == -INFINITY) return -INFINITY;
    double sum = 0;
    for (int i = first; i < last; i++) sum += exp((double)logits[i] - (double)*most);
    return (double)*most + log(sum);
}

void speech_rules_apply(const speech_rules *r, float *logits, const int *said, int n, bool times) {
    for (int i = 0; i < r->never.count; i++) logits[r->never.at[i]] = -INFINITY;
    for (int i = 0; n == 0 && i < r->not_first.count; i++) logits[r->not_first.at[i]] = -INFINITY;
    if (!times) return;
    time_rules(r, logits, said, n);
    float text, time;
    log_sum(logits, 0, r->time_first, &text);
    if (log_sum(logits, r->time_first, r->vocab, &time) > (double)text) forbid(logits, 0, r->time_first);
}

double speech_log_probability(const float *logits, int vocab, int id) {
    float most;
    return (double)logits[id] - log_sum(logits, 0, vocab, &most);
}
