/* models.h - model families: from config.json and tensor names to blocks, and from pictures to rows.
 *
 * A family is one file and one row in registry.c. What differs by data is a field of a config in nn.h; what differs by structure is a
 * function here. Nothing outside this folder knows a model's name. */
#ifndef LMM_MODELS_H
#define LMM_MODELS_H

#include "base/base.h"
#include "format/format.h"
#include "media/media.h"
#include "nn/nn.h"
#include "text/text.h"

typedef struct net net;

/* What a picture becomes, known before any weight is touched. */
typedef struct {
    int tile_count, row_count;
    int width, height;   /* of the picture, where its tiles are laid out by them; 0: one tile shows it all */
    int frames;          /* of a video; 0: a picture */
    bool sound;          /* a tile is a window of sound */
    patch_grid grid;     /* families with a patch tower, where a tile is one patch */
    double grid_seconds; /* between two steps of grid.t */
} media_plan;

/* How the rows of a video's frames become fewer (llava.md 5.3, 5.4). */
typedef enum { POOL_NONE, POOL_AVERAGE, POOL_BILINEAR } pool_mode;
typedef enum {
    NEWLINE_NONE,
    NEWLINE_END,
    NEWLINE_FRAME,
    NEWLINE_GRID
} newline_rule; /* after the clip, every frame, every line of a frame */
typedef struct {
    pool_mode mode;
    int stride;
    bool before_projector;
    newline_rule newline;
} video_pool;

/* Where text goes on behind a picture or video with positions of three axes: behind its largest position (published models, transformers 4), or behind its larger side
 * alone (transformers 5.23, which lets text overlap a video's times). */
typedef enum { POSITIONS_MAX, POSITIONS_SIDE } position_rule;

typedef struct lmm_arch {
    const char *name;         /* "llava" */
    bool answers;             /* prompts in, text out */
    const char *const *hf;    /* names in config.json "architectures", NULL-terminated */
    const char *const *types; /* model_type, for configs without architectures */
    /* Canonical name of a tensor of the file, NULL for one this family never reads. free(). */
    char *(*canonical)(const char *key);
    char *(*key_of)(const char *canonical); /* spelling of new checkpoints */
    lmm_status (*bind)(net *n, const tree *config, binder *b);
    /* How a picture of that size is laid out, one of `pictures` in its prompt; NULL: the family sees no pictures. */
    lmm_status (*media_plan)(const net *n, int width, int height, int pictures, media_plan *out);
    /* Of all pictures the one with the most tiles. */
    lmm_status (*media_largest)(const net *n, media_plan *out);
    /* Adds the planned tiles of a picture to pixels (tile, 3, S, S); *pixels grows by realloc, *tile_count by plan->tile_count. */
    lmm_status (*media_pixels)(const net *n, const image *im, const media_plan *plan, float **pixels, int *tile_count);
    /* pixels (tiles,3,S,S) of several pictures, tiles of picture i counted in plan[i] -> all their rows, in order. */
    tensor *(*media_embed)(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count);
    /* The same for the frames of a video (all NULL: it sees none); media_embed is given pictures only or videos only. */
    lmm_status (*video_plan)(const net *n, const video_frames *v, media_plan *out);
    /* Writes frame number `place` to its part of the video's pixels (as net_pixels says), of which plan->tile_count tiles have room at `to`. */
    lmm_status (*video_pixels)(const net *n, const image *frame, int place, const media_plan *plan, float *to);
    /* Features of a sound of MEL_RATE, (windows * frames, bands), free(*features); NULL: the family hears nothing. */
    lmm_status (*sound_features)(const net *n, const sound *s, media_plan *out, float **features);
    bool makes_processor; /* a folder may lack the picture processor: bind fills net.pre */
    /* Reads further files of the checkpoint's folder; may be NULL. */
    lmm_status (*finish)(net *n, const char *dir);
} lmm_arch;

const lmm_arch *arch_at(int index);                              /* the families, NULL behind the last */
const lmm_arch *arch_find(const tree *config, const char *name); /* NULL with a message naming the known ones */

/* ---- AnyRes (anyres.c): pictures of any shape as an overview and a grid of tiles; geometry only ---- */

/* Whose behaviour is reproduced where they differ: transformers', or that of the original LLaVA repositories (llava.md 2.5, 2.6). */
typedef enum { REFERENCE_HF, REFERENCE_ORIGINAL } reference;

/* How the rows of tiles become a picture's rows. transformers has the first alone. */
typedef enum {
    MERGE_UNPAD,   /* one map, cut to what shows picture, a newline behind every line */
    MERGE_SPATIAL, /* one map, whole, no newlines */
    MERGE_FLAT     /* tile after tile */
} tile_merge;

typedef struct {
    const tile_grid *grid;
    reference reference;
    tile_merge merge;
    int tile;            /* pixels along a tile */
    int side;            /* rows along a tile: its patches */
    int tiles_shown_max; /* N of anyres_max_N; 0: maps are never shrunk */
} anyres_spec;

/* One picture's way to rows: its canvas; the part of the tiles' map of rows that shows picture (may be empty); that part's size after shrinking. */
typedef struct {
    tile_canvas canvas;
    int tiles_across, tiles_down;
    int left, top, width, height;
    int map_width, map_height;
    int row_count; /* overview, map, and the newlines at the end of its lines */
} anyres_layout;
lmm_status anyres_check(const anyres_spec *s, const char *name); /* what must hold before anything else is called */
void anyres_lay_out(anyres_layout *l, const anyres_spec *s, int width, int height);
void anyres_largest(const anyres_spec *s, int *width, int *height); /* a picture with the most tiles */

/* Writes how rows are made of the rows of tiles (row `first` is the overview's first) and the newline (row 0 of op_rows_blend's second source).
 * Returns the place behind the last. */
enum { ANYRES_NEWLINE = -1 };
row_blend *anyres_overview(row_blend *to, const anyres_spec *s, int first);
row_blend *anyres_map(row_blend *to, const anyres_spec *s, const anyres_layout *l, int first);

/* Sound to rows of the decoder: `stack` rows of the encoder side by side, linear, ReLU, linear. */
typedef struct {
    whisper_encoder encoder;
    linear first, second;
    int stack;
} speech_tower;

enum { VISION_STATE_MAX = 16 };
/* An opened network: the blocks a family uses are set, the others zero. */
struct net {
    const lmm_arch *arch;
    param_set params, adapters; /* adapters: of LoRA, not part of the checkpoint */
    lora_config lora;           /* of the adapters; rank 0: none */
    checkpoint *file;           /* NULL when initialised from nothing; over a GGUF file it holds the text side too (checkpoint_gguf) */
    struct net **donors;        /* of a new network: its tensors may lie in their files */
    int donor_count;
    tree *config;
    decoder dec;
    bool has_decoder;
    vit tower;
    bool has_tower;
    projector proj;
    bool has_projector;
    int vision_layer_count;                                 /* layers run: vision_feature_layer resolved */
    int vision_state[VISION_STATE_MAX], vision_state_count; /* LLaVA: the hidden states that go to the projector, side by side */
    bool drop_class_row;                                    /* vision_feature_select_strategy "default" */
    tensor *newline;     /* (D): the row at the end of every line of a picture's map, NULL when the family has none */
    tile_grid grid;      /* AnyRes: the canvases */
    tile_merge merge;    /* AnyRes */
    int tiles_shown_max; /* AnyRes: N of anyres_max_N */
    reference reference; /* as published; net_reference changes it between prompts */
    int video_token;     /* placeholder id of a video, -1: a video stands at the picture's */
    video_pool pool;
    preprocess_spec video_pre;
    patch_tower patches; /* Qwen-VL */
    bool has_patches;
    double tokens_per_second; /* M-RoPE: steps of time positions a second; 0: one a step of the grid */
    position_rule positions;  /* may be changed between prompts */
    int image_token;          /* placeholder id, -1 when the family sees no pictures */
    const char
        *image_text; /* how texts spell the placeholder when no token of the tokenizer stands for it; its id is then vocab, NULL: a token */
    preprocess_spec pre;
    bool has_pre;
    encoder text; /* CLIP's text half */
    tensor *text_embed, *text_positions;
    norm text_norm;
    linear text_projection, visual_projection;
    tensor *logit_scale;
    int text_eos;
    bert bert; /* sentence encoders */
    bool has_bert;
    bool pool_class;  /* the sentence is the first row instead of the mean */
    int sentence_max; /* ids a text is cut to */
    whisper whisper;
    bool has_whisper;
    speech_tower ear;
    bool has_ear;
    int sound_token;        /* placeholder id, -1: the family hears nothing */
    const char *sound_text; /* as image_text */
};

/* Opens the weights of a folder, or of a GGUF file. */
lmm_status net_open(net **out, const char *dir);
/* A LLaVA in two GGUF files: the language model, and the tower with the projector. */
lmm_status net_open_projected(net **out, const char *path, const char *mmproj);
/* No network at all, only the config when the folder has one: for the text side of a checkpoint. */
lmm_status net_open_text(net **out, const char *path);
/* What a new network starts from. `from` names checkpoints, of any family and in either format: a tensor of the same canonical name and shape is taken
 * from the first that has it, the rest is initialised. Of `parts` alone when that is given. `taken` tells how many each gave; one that gives none is refused. */
typedef struct {
    uint64_t seed;
    bool fan_in; /* see binder */
    const char *const *from;
    int from_count, *taken;
    const bool *parts; /* PART_COUNT, or NULL */
} net_start;
/* A new network from a config. config is copied. pre: picture processing, may be NULL. */
lmm_status net_new(net **out, const tree *config, const preprocess_spec *pre, const net_start *s, const char *name);
/* Names and shapes of a network, no values: for what is made of them (lmm_synth_checkpoint). Nothing can be run. */
lmm_status net_plan(net **out, const tree *config, const char *name);
void net_free(net *n);
/* Prepares pictures as that reference does from now on. Where a picture is one tile the original pads it to a square and transformers cuts it. */
void net_reference(net *n, reference r);
/* Writes config.json and the weights (dtype F32) of n into an existing folder, under the keys it was opened with. */
lmm_status net_save(const net *n, const char *dir);

/* llama.cpp's name of a decoder's tensor, "blk.7.attn_q.weight"; NULL when it has none. free(). */
char *names_key_gguf(const char *canonical);

/* A batch of tiles as the family's media_embed takes it: (count,3,S,S), or (count, values of a patch). data NULL: the shape alone. */
tensor net_pixels(const net *n, int count, float *data);
/* What media_embed takes for `tiles` tiles of media of one kind. */
tensor net_media(const net *n, bool heard, int tiles, float *data);
bool net_is_slot(const net *n, int id);
/* Position of every row of a prompt, placeholders expanded, plans in order of appearance: (count), or (count, 3) for a decoder with rope sections. free(*position).
 * Returns what a row behind the last adds to its number to get its position. */
int net_positions(const net *n, const int *ids, int count, const media_plan *const *plans, int **position);
int net_axes(const net *n); /* 1 or 3 */

/* Embeddings of a prompt: text rows, with media rows put over the slots (rows whose id is the image or video token). media NULL: text only. */
tensor *net_embed(cx *c, const net *n, const int *ids, int count, tensor *media);

extern const lmm_arch arch_llm, arch_llava, arch_llava_next, arch_llava_next_video, arch_llava_onevision, arch_qwen2_vl,
    arch_llava_original, arch_vit, arch_clip, arch_bert, arch_whisper, arch_egogpt;

/* CLIP's two halves (clip.c): pixels (B,3,S,S) and ids (B x T, padded) -> unit embeddings (B, E). Text is pooled at the first end token. */
tensor *clip_image_embed(cx *c, const net *n, tensor *pixels);
tensor *clip_text_embed(cx *c, const net *n, const int *ids, int texts, int tokens);
/* (texts, images) similarities times exp(logit_scale), and the contrastive loss of matching pairs. */
tensor *clip_logits(cx *c, const net *n, tensor *text, tensor *image);
tensor *clip_loss(cx *c, const net *n, tensor *text, tensor *image);

#endif
