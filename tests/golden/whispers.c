/* whispers.c - Whisper: features, every layer and greedy ids of a tiny checkpoint, and real weights on spoken sentences. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static const double tolerance = 2e-4;

typedef struct {
    golden *g;
    const safetensors *want;
    const char *layout;
} watcher;

/* Stored: the first rows of (T, D); of the convolutions (D, first T), which is how PyTorch lays them out. */
static double rows_difference(const tensor *have, const tensor *want, bool turned) {
    int64_t D = tensor_cols(have), n = want->nd == 2 ? want->ne[turned ? 1 : 0] : 0;
    if (want->type != DT_F32 || n < 1 || n > tensor_rows(have) || want->ne[turned ? 0 : 1] != D) return INFINITY;
    double most = 0;
    for (int64_t r = 0; r < n; r++)
        for (int64_t k = 0; k < D; k++) {
            double d = fabs((double)tensor_f32(have)[r * D + k] - (double)tensor_f32(want)[turned ? k * n + r : r * D + k]);
            if (!(d <= most)) most = isnan(d) ? INFINITY : d;
        }
    return most;
}

static void on_tensor(void *arg, const char *name, const tensor *have) {
    const watcher *w = arg;
    const tensor *want = safetensors_find(w->want, name);
    if (!want) return;
    double d = rows_difference(have, want, strstr(name, "conv") != NULL);
    golden_check(w->g, d <= tolerance, "%s %s differs by %g", w->layout, name, d);
}

static int *ids_of(const tree *list, int *count) {
    *count = list ? list->count : 0;
    int *ids = mem_new((size_t)*count + 1, sizeof *ids);
    for (int i = 0; i < *count; i++) ids[i] = (int)list->items[i]->i;
    return ids;
}

static int greedy(const float *logits, int vocab) {
    int best = 0;
    for (int i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Prefix, then the most probable id again and again: the stored ids. */
static void compare_greedy(golden *g, listener *ear, const tree *about, const char *layout) {
    int prefix_count, count, *prefix = ids_of(tree_get(about, "prefix_ids"), &prefix_count),
                             *ids = ids_of(tree_get(about, "generated_ids"), &count);
    const lmm_model *m = ear->model;
    bool same = count > 0;
    ear->length = 0;
    lmm_status st = listener_say(ear, prefix, prefix_count);
    for (int i = 0; i < count && !st && same; i++) {
        int id = greedy(ear->logits, m->net->whisper.config.vocab);
        same = id == ids[i];
        st = listener_say(ear, &id, 1);
    }
    golden_check(g, !st && same, "%s: greedy ids differ", layout);
    char *text = NULL;
    const char *want = tree_str(about, "generated_text", NULL);
    if (want && !lmm_detokenize(m, ids, count, false, &text))
        golden_check(g, !strcmp(text, want), "%s: the text of the ids differs", layout);
    free(text);
    free(prefix);
    free(ids);
}

static void compare_window(golden *g, listener *ear, const safetensors *want, const tree *about, const char *layout) {
    const tensor *wav = safetensors_find(want, "wav_f32"), *ids = safetensors_find(want, "decoder_input_ids");
    int bands = ear->model->net->whisper.config.bands, n = ids ? (int)tensor_count(ids) : 0, *in = mem_new((size_t)n + 1, sizeof *in);
    float *mel = NULL;
    for (int i = 0; i < n; i++) in[i] = (int)int_at(ids, i);
    if (!wav || !n || mel_log(&mel, wav->data, tensor_count(wav), bands, MEL_FRAMES_WINDOW))
        golden_fail(g, "%s: no sound or no ids", layout);
    else {
        double d = mel_difference(mel, bands, safetensors_find(want, "input_features"));
        golden_check(g, d <= 1e-4, "%s input_features differ by %g", layout, d);
        watcher w = {g, want, layout};
        ear->cx.trace = on_tensor, ear->cx.trace_arg = &w;
        lmm_status st = listener_hear(ear, mel);
        if (!st) st = listener_say(ear, in, n);
        if (st) golden_fail(g, "%s: %s", layout, lmm_message());
        ear->cx.trace = NULL;
        compare_greedy(g, ear, about, layout);
    }
    free(mel);
    free(in);
}

void golden_whisper(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *layout) {
    listener ear;
    if (listener_open(&ear, m)) golden_fail(g, "%s: %s", layout, lmm_message());
    else {
        compare_window(g, &ear, want, about, layout);
        listener_close(&ear);
    }
}

/* The encoder on the features of the group `audio`, which were put through the tiny checkpoint too. */
void golden_audio_encoder(golden *g, const safetensors *want, const char *file, const float *mel) {
    lmm_model *m;
    listener ear;
    char *folder = path_join(g->root, "golden/checkpoints/whisper"), *name = mem_printf("%s/encoder", file);
    const tensor *t = safetensors_find(want, name);
    if (!t || !file_is_dir(folder)) golden_skip(g, 1, "%s: the tiny checkpoint is not here", name);
    else if (lmm_model_open(&m, g->runtime, folder)) golden_fail(g, "%s: %s", name, lmm_message());
    else {
        int64_t ne[2] = {MEL_FRAMES_WINDOW, m->net->whisper.config.bands};
        if (listener_open(&ear, m)) golden_fail(g, "%s: %s", name, lmm_message());
        else {
            tensor x = tensor_make(DT_F32, 2, ne, (void *)mel);
            tensor *y = whisper_encode(&ear.cx, &m->net->whisper.encoder, &x);
            double d = rows_difference(y, t, false);
            golden_check(g, d <= 1e-4, "%s differs by %g", name, d);
            listener_close(&ear);
        }
        lmm_model_close(m);
    }
    free(name);
    free(folder);
}

/* ---- real weights, from a published package that may not be here ---- */

typedef struct {
    golden *g;
    const safetensors *want;
    const tree *item;
    const char *file;
} spoken;

static const tensor *stored(const spoken *s, const char *what) {
    char *name = mem_printf("%s/%s", s->file, what);
    const tensor *t = safetensors_find(s->want, name);
    free(name);
    return t;
}

static double probe_difference(const tensor *have, const tree *fingerprint) {
    const tree *at = tree_get(fingerprint, "probe_index"), *value = tree_get(fingerprint, "probe_value");
    double most = at && value && at->count == value->count && at->count > 0 ? 0 : INFINITY;
    for (int i = 0; most < INFINITY && i < at->count; i++) {
        int64_t k = at->items[i]->i;
        if (k < 0 || k >= tensor_count(have)) return INFINITY;
        most = fmax(most, fabs((double)tensor_f32(have)[k] - value->items[i]->real));
    }
    return most;
}

static void on_encoded(void *arg, const char *name, const tensor *have) {
    const spoken *s = arg;
    const tensor *rows = stored(s, "encoder_first60");
    if (strcmp(name, "enc.out") != 0) return;
    double d = probe_difference(have, tree_get(s->item, "encoder"));
    golden_check(s->g, d <= 5e-3, "%s: the encoder's probes differ by %g", s->file, d);
    if (!rows) return;
    d = rows_difference(have, rows, false);
    golden_check(s->g, d <= 5e-3, "%s: the encoder differs by %g", s->file, d);
}

static void compare_first_step(const spoken *s, listener *ear, const char *path) {
    sound wav;
    float *mel = NULL;
    int n, *prefix = ids_of(tree_get(s->item, "prefix_ids"), &n), bands = ear->model->net->whisper.config.bands;
    lmm_status st = sound_load(&wav, path, MEL_RATE, NULL);
    if (!st) {
        st = mel_log(&mel, wav.samples, wav.count, bands, MEL_FRAMES_WINDOW);
        sound_free(&wav);
    }
    if (!st) {
        double d = mel_probe_difference(mel, bands, tree_get(s->item, "mel"));
        golden_check(s->g, d <= 1e-4, "%s: the features' probes differ by %g", s->file, d);
        ear->cx.trace = on_encoded, ear->cx.trace_arg = (void *)s;
        st = listener_hear(ear, mel);
        ear->cx.trace = NULL;
    }
    if (!st) st = listener_say(ear, prefix, n);
    const tensor *want = stored(s, "first_step_logits");
    if (st) golden_fail(s->g, "%s: %s", s->file, lmm_message());
    else if (want) {
        int64_t V = ear->model->net->whisper.config.vocab;
        tensor have = tensor_make(DT_F32, 1, &V, ear->logits);
        double d = max_difference(&have, want);
        golden_check(s->g, d <= 2e-3, "%s: first logits differ by %g", s->file, d);
    }
    free(mel);
    free(prefix);
}

static void compare_transcript(const spoken *s, const lmm_model *m, const char *path) {
    lmm_transcript t;
    if (lmm_transcribe(m, path, &(lmm_transcribe_opts){.no_times = true, .no_fallback = true}, NULL, NULL, &t)) {
        golden_fail(s->g, "%s: %s", s->file, lmm_message());
        return;
    }
    int n, *ids = ids_of(tree_get(s->item, "generated_ids"), &n), safe = (int)tree_int(s->item, "safe_prefix", n);
    int have = t.count == 1 ? t.segments[0].id_count : -1;
    bool same = have == n - 1; /* the stored ids have the end */
    for (int i = 0; i < n - 1 && i < safe && i < have; i++) same = same && t.segments[0].ids[i] == ids[i];
    golden_check(s->g, same, "%s: ids differ", s->file);
    golden_check(s->g, !strcmp(t.text, tree_str(s->item, "text", "")), "%s: the text differs: '%s'", s->file, t.text);
    lmm_transcript_free(&t);
    free(ids);
}

static void compare_other_rate(golden *g, const lmm_model *m, const char *dir, const tree *items) {
    char *path = path_join(dir, "speech0_22050.wav");
    lmm_transcript t;
    if (!file_exists(path)) golden_skip(g, 1, "speech0_22050.wav is not here");
    else if (lmm_transcribe(m, path, &(lmm_transcribe_opts){.no_times = true}, NULL, NULL, &t)) golden_fail(g, "%s", lmm_message());
    else {
        golden_check(g, !strcmp(t.text, tree_str(items->items[0], "text", "")), "speech0_22050.wav: the text differs: '%s'", t.text);
        lmm_transcript_free(&t);
    }
    free(path);
}

static void compare_speech(golden *g, const lmm_model *m, const char *dir, const safetensors *want, const tree *items) {
    listener ear;
    if (listener_open(&ear, m)) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    for (int i = 0; i < items->count; i++) {
        spoken s = {g, want, items->items[i], tree_str(items->items[i], "file", "")};
        char *path = path_join(dir, s.file);
        compare_first_step(&s, &ear, path);
        compare_transcript(&s, m, path);
        free(path);
    }
    listener_close(&ear);
    if (items->count) compare_other_rate(g, m, dir, items);
}

void golden_whisper_real(golden *g, const char *dir) {
    char *folder = golden_model_folder("whisper_tiny_en"), *json = path_join(dir, "golden.json"),
         *file = path_join(dir, "golden.safetensors");
    tree *about = NULL;
    safetensors *want = NULL;
    lmm_model *m = NULL;
    if (!file_is_dir(folder)) golden_skip(g, 1, "the weights are not here (./dev models)");
    else if (tree_load(&about, json) || safetensors_open(&want, file) || lmm_model_open(&m, g->runtime, folder))
        golden_fail(g, "%s", lmm_message());
    else if (tree_get(about, "items")) compare_speech(g, m, dir, want, tree_get(about, "items"));
    lmm_model_close(m);
    safetensors_close(want);
    tree_free(about);
    free(file);
    free(json);
    free(folder);
}
