/* transcribe.c - speech to text: windows of 30 s, decoded greedily or, when that went wrong, at rising temperatures; segments by the times said.
 *
 * A window begins where the last complete segment ended. Source: OpenAI's whisper/transcribe.py, without the previous text as prompt (as transformers'
 * default). Features are those of the whole file: their floor is relative to its loudest moment. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { FRAMES = MEL_FRAMES_WINDOW, FRAMES_SECOND = MEL_RATE / MEL_HOP, FRAMES_TIME = 2 /* a time id is 20 ms */ };

/* When a decoded window is not believed. */
static const double compression_max = 2.4, log_probability_min = -1.0, no_speech_max = 0.6;
static const double temperatures[] = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};

typedef struct {
    const lmm_model *m;
    const lmm_transcribe_opts *o;
    lmm_segment_fn on_segment;
    void *arg;
    listener ear;
    speech_rules rules;
    int prefix[4], prefix_count;
    candidates scratch;
    lmm_transcript *out;
    float *mel; /* (frames + FRAMES, bands) */
    int64_t frames;
} job;

/* What one window was heard to say. */
typedef struct {
    id_list ids; /* without the end */
    char *text;
    double log_probability, no_speech, compression, temperature;
} hearing;

static void hearing_free(hearing *h) {
    free(h->ids.at);
    free(h->text);
    *h = (hearing){0};
}

/* Text of ids below the end token: times and other marks are none. */
static lmm_status text_of(char **out, const job *j, const int *ids, int n) {
    int *words = mem_new((size_t)n + 1, sizeof *words), count = 0;
    for (int i = 0; i < n; i++)
        if (ids[i] < j->rules.end) words[count++] = ids[i];
    buf b = {0};
    lmm_status st = tokenizer_decode(j->m->tok, words, count, true, &b);
    free(words);
    if (st) return buf_free(&b), st;
    return *out = buf_take(&b), LMM_OK;
}

/* ---- one window ---- */

static lmm_status begin(job *j, double *no_speech) {
    listener *l = &j->ear;
    l->length = 0;
    /* The start token alone first: its row tells whether anybody speaks. */
    lmm_status st = listener_say(l, j->prefix, 1);
    if (st) return st;
    *no_speech = exp(speech_log_probability(l->logits, j->rules.vocab, j->rules.no_speech));
    return j->prefix_count > 1 ? listener_say(l, j->prefix + 1, j->prefix_count - 1) : LMM_OK;
}

static lmm_status decode(job *j, double temperature, uint64_t stream, hearing *h) {
    listener *l = &j->ear;
    const lmm_gen_opts o = {.temperature = temperature};
    int most = j->m->net->whisper.config.context / 2, id = -1, V = j->rules.vocab;
    rng r = rng_make(j->o->seed, stream);
    double sum = 0;
    *h = (hearing){.temperature = temperature};
    lmm_status st = begin(j, &h->no_speech);
    while (!st && h->ids.count < most) {
        speech_rules_apply(&j->rules, l->logits, h->ids.at, h->ids.count, !j->o->no_times);
        id = sample_next(l->logits, V, &o, NULL, 0, &r, &j->scratch);
        sum += speech_log_probability(l->logits, V, id);
        if (id == j->rules.end) break;
        VEC_PUSH(&h->ids, id);
        if (lmm_cancelled()) st = LMM_FAIL(LMM_E_CANCELLED, "stopped");
        else if (h->ids.count < most && l->length < j->m->net->whisper.config.context) st = listener_say(l, &id, 1);
        else break;
    }
    if (!st) st = text_of(&h->text, j, h->ids.at, h->ids.count);
    if (st) return hearing_free(h), st;
    size_t size = strlen(h->text);
    h->log_probability = sum / (h->ids.count + 1);
    h->compression = size ? (double)size / (double)zlib_size(h->text, size) : 0;
    return LMM_OK;
}

static bool is_silence(const hearing *h) { return h->no_speech > no_speech_max && h->log_probability < log_probability_min; }

static lmm_status hear_window(job *j, int64_t seek, hearing *h) {
    lmm_status st = listener_hear(&j->ear, j->mel + seek * j->m->net->whisper.config.bands);
    size_t tries = j->o->no_fallback ? 1 : COUNT_OF(temperatures);
    for (size_t i = 0; i < tries && !st; i++) {
        hearing_free(h);
        st = decode(j, temperatures[i], (uint64_t)seek * COUNT_OF(temperatures) + i, h);
        if (!st && ((h->compression <= compression_max && h->log_probability >= log_probability_min) || is_silence(h))) break;
    }
    return st;
}

/* ---- segments ---- */

static lmm_status add_segment(job *j, const hearing *h, double start, double end, const int *ids, int n) {
    char *text;
    lmm_status st = text_of(&text, j, ids, n);
    if (st) return st;
    if (!text[strspn(text, " ")] || end <= start) return free(text), LMM_OK;
    lmm_transcript *t = j->out;
    lmm_segment s = {.start = start,
                     .end = end,
                     .text = text,
                     .ids = mem_new((size_t)n + 1, sizeof(int)),
                     .id_count = n,
                     .log_probability = h->log_probability,
                     .no_speech = h->no_speech,
                     .compression = h->compression,
                     .temperature = h->temperature};
    memcpy(s.ids, ids, (size_t)n * sizeof *ids);
    t->segments = mem_resize(t->segments, (size_t)t->count + 1, sizeof *t->segments);
    t->segments[t->count++] = s;
    if (j->on_segment && !j->on_segment(j->arg, &t->segments[t->count - 1])) return LMM_FAIL(LMM_E_CANCELLED, "stopped");
    return LMM_OK;
}

static double time_of(const job *j, int64_t seek, int id) {
    return (double)(seek + (int64_t)(id - j->rules.time_first) * FRAMES_TIME) / FRAMES_SECOND;
}

/* Cuts the ids of a window at pairs of times; *advance: frames to the next window. */
static lmm_status cut_segments(job *j, const hearing *h, int64_t seek, int64_t window, int64_t *advance) {
    const int *ids = h->ids.at, T = j->rules.time_first;
    int n = h->ids.count, from = 0, last = -1;
    bool open_end = n >= 1 && ids[n - 1] >= T && (n < 2 || ids[n - 2] < T); /* one time at the end: nothing is spoken behind it */
    lmm_status st = LMM_OK;
    for (int i = 1; i <= n && !st; i++) {
        bool pair = i < n && ids[i] >= T && ids[i - 1] >= T;
        if (!pair && !(i == n && open_end && from > 0)) continue;
        st = add_segment(j, h, time_of(j, seek, ids[from]), time_of(j, seek, ids[i - 1]), ids + from, i - from);
        last = ids[i - 1];
        from = i;
    }
    *advance = window;
    if (from > 0 && !open_end && last > T) *advance = min_i64((int64_t)(last - T) * FRAMES_TIME, window);
    if (st || from > 0) return st;
    int64_t end = window;
    for (int i = 0; i < n; i++)
        if (ids[i] > T) end = min_i64((int64_t)(ids[i] - T) * FRAMES_TIME, window);
    double start = n > 0 && ids[0] >= T ? time_of(j, seek, ids[0]) : (double)seek / FRAMES_SECOND;
    return add_segment(j, h, start, (double)(seek + end) / FRAMES_SECOND, ids, n);
}

/* ---- a file ---- */

static lmm_status find_language(job *j, int *id) {
    const speech_rules *r = &j->rules;
    lmm_transcript *t = j->out;
    if (j->o->language) {
        *id = speech_language_id(r, j->m, j->o->language);
        if (*id < 0) return LMM_FAIL(LMM_E_ARG, "the model knows no language '%s': give a code such as en, de or zh", j->o->language);
    } else {
        lmm_status st = listener_hear(&j->ear, j->mel);
        if (!st) st = listener_say(&j->ear, &r->start, 1);
        if (st) return st;
        const float *logits = j->ear.logits + r->start + 1;
        int count = r->translate - r->start - 1, best = 0;
        for (int i = 1; i < count; i++)
            if (logits[i] > logits[best]) best = i;
        *id = r->start + 1 + best;
        t->language_probability = exp(speech_log_probability(logits, count, best));
    }
    speech_language_name(t->language, j->m, *id);
    return LMM_OK;
}

static lmm_status make_prefix(job *j) {
    const speech_rules *r = &j->rules;
    int language;
    j->prefix[j->prefix_count++] = r->start;
    if (r->multilingual) {
        lmm_status st = find_language(j, &language);
        if (st) return st;
        j->prefix[j->prefix_count++] = language;
        j->prefix[j->prefix_count++] = j->o->translate ? r->translate : r->transcribe;
    } else {
        if (j->o->translate || (j->o->language && strcmp(j->o->language, "en")))
            return LMM_FAIL(LMM_E_ARG, "this model knows English only: leave out the language and the translation");
        snprintf(j->out->language, sizeof j->out->language, "en");
        j->out->language_probability = 1;
    }
    if (j->o->no_times) j->prefix[j->prefix_count++] = r->no_times;
    return LMM_OK;
}

static lmm_status load_features(job *j, const char *path) {
    sound s;
    lmm_status st = sound_load(&s, path, MEL_RATE, NULL);
    if (st) return st;
    j->frames = (s.count + MEL_HOP - 1) / MEL_HOP;
    j->out->seconds = (double)s.count / MEL_RATE;
    /* Behind the end lies silence, so that the last window is whole; a short file is exactly one. */
    int64_t frames = j->frames <= FRAMES ? FRAMES : j->frames + FRAMES;
    st = mel_log(&j->mel, s.samples, s.count, j->m->net->whisper.config.bands, frames);
    sound_free(&s);
    return st;
}

static void join_text(lmm_transcript *t) {
    buf b = {0};
    for (int i = 0; i < t->count; i++) buf_puts(&b, t->segments[i].text);
    t->text = buf_take(&b);
}

static lmm_status run(job *j) {
    lmm_status st = make_prefix(j);
    bool short_file = j->frames <= FRAMES; /* has no silence laid behind it */
    for (int64_t seek = 0, advance = 0; seek < j->frames && !st; seek += advance) {
        hearing h = {0};
        int64_t window = min_i64(FRAMES, j->frames - seek);
        advance = window;
        if (short_file && seek > 0) break;
        st = hear_window(j, seek, &h);
        if (!st && !is_silence(&h)) st = cut_segments(j, &h, seek, window, &advance);
        hearing_free(&h);
    }
    return st;
}

lmm_status lmm_transcribe(const lmm_model *m, const char *path, const lmm_transcribe_opts *opts, lmm_segment_fn on_segment, void *arg,
                          lmm_transcript *out) {
    lmm_transcript t = {0};
    job j = {.m = m, .o = opts ? opts : &(lmm_transcribe_opts){0}, .on_segment = on_segment, .arg = arg, .out = &t};
    lmm_status st = listener_open(&j.ear, m);
    if (st) return st;
    st = speech_rules_read(&j.rules, m);
    if (!st && 2 * m->net->whisper.config.positions != FRAMES)
        st = LMM_FAIL(LMM_E_SHAPE, "'%s' hears %d frames at a time, Whisper's windows have %d", m->path,
                      2 * m->net->whisper.config.positions, FRAMES);
    if (!st) st = load_features(&j, path);
    if (!st) {
        j.scratch = candidates_new(j.rules.vocab);
        st = run(&j);
    }
    candidates_free(&j.scratch);
    free(j.mel);
    speech_rules_free(&j.rules);
    listener_close(&j.ear);
    if (st) return lmm_transcript_free(&t), st;
    join_text(&t);
    return *out = t, LMM_OK;
}

void lmm_transcript_free(lmm_transcript *t) {
    for (int i = 0; i < t->count; i++) {
        free(t->segments[i].text);
        free(t->segments[i].ids);
    }
    free(t->segments);
    free(t->text);
    *t = (lmm_transcript){0};
}
