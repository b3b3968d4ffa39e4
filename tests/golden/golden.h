/* golden.h - comparison with reference numbers: one handler a kind of group, counted cases, one line each.
 *
 * A case passes, fails (both with a name and a reason), or is skipped because what it needs is not supported yet. Nothing is counted as passed
 * that was not compared. */
#ifndef LMM_GOLDEN_H
#define LMM_GOLDEN_H

#include "engine/engine.h"
#include "train/train.h"

typedef struct {
    lmm_runtime *runtime;
    const char *root;            /* folder with golden/, golden_rl/, golden_scoring/ */
    char *scratch;               /* a temporary folder */
    const char *group;           /* path of the running group, for the lines printed */
    int passed, failed, skipped; /* of the running group */
} golden;

void golden_pass(golden *g);
void golden_fail(golden *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void golden_skip(golden *g, int cases, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Passes when ok, else fails with the sentence. */
void golden_check(golden *g, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Largest |a - b|; INFINITY when shapes (element counts) or types differ or a value is no number. */
double max_difference(const tensor *a, const tensor *b);
double max_value(const tensor *a);
int64_t int_at(const tensor *a, int64_t i); /* of an I64 tensor, which a file may hold at any address */

/* Handlers; dir is the group's folder. */
void golden_checkpoint(golden *g, const char *dir);
void golden_tower(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *images, const char *layout);
void golden_clip(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *layout);
void golden_train(golden *g, const char *dir, const char *layout, lmm_model *m, const safetensors *want, const tree *about);
void golden_bert(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *layout);
void golden_minilm(golden *g, const char *dir);
char *golden_model_folder(const char *name);
void golden_smollm2(golden *g, const char *dir);
void golden_tokenizers(golden *g, const char *dir);
void golden_chat_templates(golden *g, const char *dir);
void golden_images(golden *g, const char *dir);
void golden_video(golden *g, const char *dir);
void golden_rl(golden *g, const char *dir);
/* mel (3000, bands) against the first frames of a stored (bands, frames), and against probes of the whole. */
double mel_difference(const float *mel, int bands, const tensor *want);
double mel_probe_difference(const float *mel, int bands, const tree *fingerprint);
void golden_audio(golden *g, const char *dir);
void golden_audio_encoder(golden *g, const safetensors *want, const char *file, const float *mel);
void golden_whisper(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *layout);
void golden_whisper_real(golden *g, const char *dir);
void golden_processors(golden *g, const char *dir);
void golden_scoring(golden *g, const char *dir);
void golden_e2e(golden *g, const char *dir);

#endif
