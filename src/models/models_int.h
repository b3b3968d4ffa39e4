/* models_int.h - what the families share. */
#ifndef LMM_MODELS_INT_H
#define LMM_MODELS_INT_H

#include "models/models.h"

char *names_canonical(const char *key);
char *names_canonical_vit(const char *key);
char *names_canonical_clip(const char *key);
char *names_canonical_gguf(const char *key);
char *names_canonical_mmproj(const char *key); /* with a projector whose tower says ffn_up for what goes up: earlier files say ffn_down */
char *names_canonical_ct2(const char *key);
char *names_whisper_encoder(const char *key); /* Whisper's names inside its encoder to those encoder.c binds */
char *names_key_llava(const char *name);
char *names_key_original(const char *name);
char *names_key_llm(const char *name);
char *names_key_vit(const char *name);

/* ---- GGUF (gguf_model.c) ---- */

/* The network in a GGUF file: config, names and order of rows brought to what the families bind. A file without tensors is a vocabulary alone. */
lmm_status gguf_net_config(tree **out, const gguf *g);
lmm_status gguf_net_order_rows(checkpoint *file, const tree *config);
lmm_status gguf_net_finish(net *n, const gguf *g);
extern const lmm_arch arch_vocabulary;

/* Reads keys below `prefix` into the config; the first failure sticks. */
typedef struct {
    const gguf *g;
    const char *prefix;
    tree *config;
    lmm_status status;
} gguf_reader;
int64_t gguf_read_int(gguf_reader *r, const char *key, int64_t fallback);
double gguf_read_real(gguf_reader *r, const char *key, double fallback);
void gguf_copy_int(gguf_reader *r, const char *name, const char *key); /* a count every file has, as config[name] */

/* ---- a projector file beside it (gguf_projector.c) ---- */

/* Adds what the projector's file says to the text side's config, which becomes one of the original LLaVA's. */
lmm_status gguf_projector_config(tree *config, const gguf *g);
lmm_status gguf_projector_finish(net *n, const gguf *g); /* the picture processor's mean and deviation */
bool gguf_projector_turned(const checkpoint *file);      /* see names_canonical_mmproj */

/* ---- CTranslate2 (whisper.c) ---- */

lmm_status ct2_net_config(tree **out, const ct2 *c, const tree *own);
lmm_status ct2_net_split(checkpoint *file);

/* ---- the LLaVA families (llava.c) ---- */

/* What a family's class implies when config.json does not say (llava.md 1.4). */
typedef struct {
    int image_token, feature_layer, video_token; /* video_token 0: none */
    const char *strategy;
    const char *vision; /* JSON */
} llava_defaults;
#define LLAVA_CLIP                                                                                                           \
    "{\"model_type\": \"clip_vision_model\", \"hidden_size\": 1024, \"intermediate_size\": 4096, \"num_hidden_layers\": 24," \
    " \"num_attention_heads\": 16, \"image_size\": 336, \"patch_size\": 14}"

/* Tower, projector, decoder and placeholder. */
lmm_status llava_bind_parts(net *n, const tree *config, binder *b, const llava_defaults *d);
int llava_tile_rows(const net *n);                                                         /* rows of one tile */
lmm_status llava_tile(const net *n, const preprocess_spec *s, const image *u8, float *to); /* the float stage of one tile (3,S,S) */
lmm_status llava_add_tile(const net *n, const image *u8, float **pixels, int *tile_count); /* appended */
/* Tiles through tower, projector and what fn makes of them, a few at a time: `each` rows of the decoder a tile. */
tensor *llava_in_groups(cx *c, const net *n, tensor *pixels, int each, tensor *(*fn)(cx *c, const net *n, tensor *pixels));
tensor *llava_tower_rows(cx *c, const net *n, tensor *pixels); /* the selected states */

/* A square map of rows, row `first` its first, as one of `out` each way: torch's bilinear (anyres.c). */
row_blend *map_resample(row_blend *to, int first, int side, int out);

/* ---- the original repositories' layout (llava_original.c), which EgoGPT builds on ---- */

lmm_status llava_original_bind(net *n, const tree *config, binder *b);
lmm_status llava_original_plan(const net *n, int width, int height, int pictures, media_plan *out);
lmm_status llava_original_largest(const net *n, media_plan *out);

/* ---- videos as frames of one tile each (llava_video.c) ---- */

int video_frame_rows(const net *n); /* of one frame, newlines not counted */
lmm_status video_plan_frames(const net *n, const video_frames *v, media_plan *out);
lmm_status video_frame_pixels(const net *n, const image *frame, int place, const media_plan *plan, float *to);
tensor *video_embed(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count);
tensor *llava_tile_features(cx *c, const net *n, tensor *pixels); /* (tiles,3,S,S) through tower and projector -> (tiles * tile rows, D) */

/* ---- the families that cut pictures to tiles (llava_next.c) ---- */

/* The newline and the grid, after llava_bind_parts. */
lmm_status anyres_bind(net *n, const tree *config, binder *b);
void anyres_bind_newline(net *n, binder *b);
lmm_status anyres_fits(const net *n); /* grid, tower and picture processor are of one kind */
void anyres_plan_one_tile(const net *n, media_plan *out);
lmm_status anyres_media_plan(const net *n, int width, int height, int pictures, media_plan *out);
lmm_status anyres_media_largest(const net *n, media_plan *out);
lmm_status anyres_media_pixels(const net *n, const image *im, const media_plan *plan, float **pixels, int *tile_count);
tensor *anyres_media_embed(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count);

#endif
