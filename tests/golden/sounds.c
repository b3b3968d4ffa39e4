/* sounds.c - WAV files to samples to Whisper's features, and the features through a tiny encoder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

enum { FRAMES = MEL_FRAMES_WINDOW };

static void compare_samples(golden *g, const safetensors *want, const char *file, const sound *s) {
    char *name = mem_printf("%s/samples", file);
    const tensor *t = safetensors_find(want, name);
    tensor have = tensor_make(DT_F32, 1, &s->count, s->samples);
    double d = t ? max_difference(&have, t) : INFINITY;
    golden_check(g, d <= 6e-8, "%s differ by %g", name, d);
    free(name);
}

/* mel (FRAMES, bands) against the first frames of (bands, frames), and against probes of the whole (bands, FRAMES). */
double mel_difference(const float *mel, int bands, const tensor *want) {
    double most = want && want->nd == 2 && want->ne[0] == bands && want->ne[1] <= FRAMES ? 0 : INFINITY;
    for (int64_t b = 0; most < INFINITY && b < bands; b++)
        for (int64_t t = 0; t < want->ne[1]; t++)
            most = fmax(most, fabs((double)mel[t * bands + b] - (double)tensor_f32(want)[b * want->ne[1] + t]));
    return most;
}

double mel_probe_difference(const float *mel, int bands, const tree *fingerprint) {
    const tree *at = tree_get(fingerprint, "probe_index"), *value = tree_get(fingerprint, "probe_value");
    double most = at && value && at->count == value->count && at->count > 0 ? 0 : INFINITY;
    for (int i = 0; most < INFINITY && i < at->count; i++) {
        int64_t band = at->items[i]->i / FRAMES, frame = at->items[i]->i % FRAMES;
        if (band < 0 || band >= bands) return INFINITY;
        most = fmax(most, fabs((double)mel[frame * bands + band] - value->items[i]->real));
    }
    return most;
}

static void compare_mel(golden *g, const safetensors *want, const tree *item, const char *file, const sound *s, int bands) {
    float *mel;
    if (mel_log(&mel, s->samples, s->count, bands, FRAMES)) {
        golden_fail(g, "%s: %s", file, lmm_message());
        return;
    }
    char *name = mem_printf("%s/mel%d", file, bands), *path = mem_printf("mel.%d.full", bands);
    double d = mel_difference(mel, bands, safetensors_find(want, name)), p = mel_probe_difference(mel, bands, tree_at(item, path));
    golden_check(g, d <= 1e-4, "%s differs by %g", name, d);
    golden_check(g, p <= 1e-4, "%s: its probes differ by %g", name, p);
    if (bands == 80) golden_audio_encoder(g, want, file, mel);
    free(path);
    free(name);
    free(mel);
}

static void compare_filters(golden *g, const safetensors *want, int bands) {
    char *name = mem_printf("mel_filters_%d", bands);
    const tensor *t = safetensors_find(want, name);
    double *f = mel_filters(bands), most = t && tensor_count(t) == MEL_BIN_COUNT * bands ? 0 : INFINITY;
    for (int i = 0; most < INFINITY && i < MEL_BIN_COUNT * bands; i++) most = fmax(most, fabs(f[i] - (double)tensor_f32(t)[i]));
    golden_check(g, most <= 1e-8, "%s differ by %g", name, most);
    free(f);
    free(name);
}

static void run_file(golden *g, const char *dir, const safetensors *want, const tree *item) {
    const char *file = tree_str(item, "file", "");
    char *path = path_join(dir, file);
    sound s;
    if (sound_load(&s, path, 0, NULL)) golden_fail(g, "%s: %s", file, lmm_message());
    else {
        compare_samples(g, want, file, &s);
        compare_mel(g, want, item, file, &s, 80);
        compare_mel(g, want, item, file, &s, 128);
        sound_free(&s);
    }
    free(path);
}

void golden_audio(golden *g, const char *dir) {
    char *json = path_join(dir, "audio.json"), *file = path_join(dir, "audio.safetensors");
    tree *about = NULL;
    safetensors *want = NULL;
    const tree *items;
    if (tree_load(&about, json) || safetensors_open(&want, file)) golden_fail(g, "%s", lmm_message());
    else {
        compare_filters(g, want, 80);
        compare_filters(g, want, 128);
        items = tree_get(about, "items");
        for (int i = 0; items && i < items->count; i++) run_file(g, dir, want, items->items[i]);
    }
    safetensors_close(want);
    tree_free(about);
    free(file);
    free(json);
}
