/* nn.h - the building blocks of models: parameters, linear layers, the decoder, the vision tower, the projector.
 *
 * A block is a struct of parameter pointers, filled once by binding names to tensors, and a forward function over ops. The same forward serves
 * inference, measuring, training and tracing (tensor.h). Shapes: n rows (tokens), D width, H heads, K kv heads, d head width, V vocabulary. */
#ifndef LMM_NN_H
#define LMM_NN_H

#include "base/base.h"
#include "format/format.h"
#include "tensor/tensor.h"

/* ---- parameters (param.c) ---- */

typedef enum { PART_VISION, PART_PROJECTOR, PART_DECODER, PART_NEWLINE, PART_COUNT } model_part; /* what recipes train or freeze */
const char *part_name(model_part p); /* "vision", "projector", "decoder", "newline" */

typedef enum { INIT_NORMAL, INIT_ONES, INIT_ZEROS, INIT_UNIFORM } init_kind;
typedef struct {
    init_kind kind;
    float scale;
} init_rule; /* NORMAL: standard deviation; UNIFORM: bound */

typedef struct adapter adapter;
typedef struct {
    char *name; /* canonical: llm.layers.0.self_attn.q_proj.weight (models/names.c) */
    char *key;  /* as the checkpoint spells it, kept for saving */
    model_part part;
    tensor t;    /* data: the mapped file, or `owned` */
    void *owned; /* copy made by param_own (f32) or param_own_bf16, or by initialisation (f32) */
    float *grad_owned;
    adapter *adapter; /* of a linear's weight: LoRA (lora.c), or NULL */
    init_rule init;   /* how it would begin */
} param;
typedef struct {
    VEC(param *) list;
} param_set;
void param_set_free(param_set *s);
param *param_find(const param_set *s, const char *name);
int64_t param_total(const param_set *s); /* number of values */
/* Gives the parameter its own f32 values (converted exactly) and a zeroed gradient: what training needs. */
lmm_status param_own(param *p, bool with_grad);
/* The same with values rounded to bf16, and a gradient in f32. Only for what may be narrow. */
lmm_status param_own_bf16(param *p);
bool param_may_be_narrow(const param *p); /* matrices: op_linear and op_rows_get alone read f16, bf16 and blocks; the small rest is f32 */
bool param_decays(const param *p);        /* weight decay applies: matrices, but no norms, biases, position tables */

/* Where parameters come from: a checkpoint under canonical names, or initialisation (checkpoint NULL), where every tensor draws from its own
 * random stream, named by its name: adding one changes no other. */
typedef struct {
    param_set *set;
    const checkpoint *source;
    const strmap *index;               /* canonical name -> tensor number in source */
    char *(*key_of)(const char *name); /* spelling for new parameters; NULL keeps the canonical name */
    uint64_t seed;
    bool respell;     /* keys of the source are not Hugging Face's: parameters are saved under key_of's */
    bool shapes_only; /* no values: parameters have a shape and no data */
    const param_set *const
        *donors;             /* without a source: the first that has a tensor of that name and shape lends it, the rest is initialised */
    int donor_count, *taken; /* how many tensors each lent */
    const bool *lent_parts;  /* whether each part is lent at all; NULL: all are */
    bool fan_in;             /* linears start with standard deviation 1/sqrt(inputs) whatever their rule says */
    model_part part;         /* of what is bound next */
    lmm_status status;       /* the first failure sticks */
} binder;
/* The parameter `name` of the given shape. A missing tensor or another shape fails, naming both. */
tensor *param_bind(binder *b, init_rule init, int nd, const int64_t *ne, const char *format, ...) __attribute__((format(printf, 5, 6)));
bool bind_has(const binder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A linear layer, with the adapter of its weight when there is one. */
typedef struct {
    tensor *w, *b;
    const param *of; /* w's parameter; NULL when it was not bound */
} linear;
linear bind_linear(binder *b, int out, int in, bool bias, float init_std, const char *format, ...) __attribute__((format(printf, 6, 7)));
tensor *nn_linear(cx *c, const linear *l, tensor *x);
linear linear_part(cx *c, const linear *l, int first, int count); /* rows [first, first + count) of a stacked, biased projection */

typedef struct {
    tensor *w, *b;
    float eps;
} norm; /* b NULL: RMSNorm */
norm bind_norm(binder *b, int size, bool bias, float eps, const char *format, ...) __attribute__((format(printf, 5, 6)));
tensor *nn_norm(cx *c, const norm *n, tensor *x);
/* What is done with its last argument but a table, since nothing else is made of it (cx_done). */
tensor *nn_residual(cx *c, tensor *x, tensor *y);          /* x + y */
tensor *nn_linear_last(cx *c, const linear *l, tensor *x); /* nn_linear */
tensor *nn_turn(cx *c, tensor *x, tensor *table);          /* op_rope */
/* Every `each` rows side by side as one: (rows, D) -> (rows / each, each D). */
tensor *nn_side_by_side(cx *c, tensor *x, int each);

/* ---- adapters (lora.c) ---- */

struct adapter {
    param *a, *b;     /* (r, in), (out, r) */
    param *magnitude; /* (out): DoRA's; NULL: LoRA */
    tensor length;    /* (out), with a magnitude: of the rows of W + scale B A (lora_measure); owned */
    float scale;
};
void adapter_free(adapter *a); /* its parameters stay */
typedef struct {
    int rank;
    double alpha;
    bool rslora, dora;
    const char *const *targets; /* module names such as "q_proj"; none: every linear of the decoder's blocks */
    int target_count;
} lora_config;
/* Puts an adapter beside every targeted linear of the decoder; its parameters join `adapters`, which must outlive `base`'s use. B starts at zero and magnitudes at the
 * lengths of W's rows: nothing changes yet. `threads` may be NULL here and below. */
lmm_status lora_attach(const param_set *base, param_set *adapters, const lora_config *l, uint64_t seed, const kernels *k, pool *threads);
tensor *lora_linear(cx *c, const linear *l, tensor *x); /* of a linear with an adapter */
/* DoRA: measures the rows of W + scale B A. To be called whenever A or B have changed. */
void lora_measure(const param_set *base, const kernels *k, pool *threads);
/* Makes every adapter part of its weight (those that own f32 values). The adapters stay: drop them after. */
void lora_merge(const param_set *base);
/* PEFT's layout: adapter_config.json and adapter_model.safetensors in dir. `model`: base_model_name_or_path. */
lmm_status lora_save(const param_set *base, const param_set *adapters, const lora_config *l, const char *model, const char *dir);
/* Attaches what the folder holds; out may be NULL. */
lmm_status lora_load(const param_set *base, param_set *adapters, const char *dir, lora_config *out, const kernels *k, pool *threads);

/* ---- rotary positions (rope.c) ---- */

typedef enum { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_YARN } rope_type;
typedef struct {
    rope_type type;
    double theta, factor;
    double low_freq_factor, high_freq_factor;      /* llama3 */
    double beta_fast, beta_slow, attention_factor; /* yarn; attention_factor 0: from factor */
    int context_original;
    int context;    /* max_position_embeddings */
    int section[3]; /* M-RoPE: frequencies that turn with the time, line and column of a row, in this order; all 0: one position a row */
    const float *factors; /* (head_dim / 2) the frequencies are divided by these too; borrowed, NULL: none (GGUF files of Llama 3.1) */
} rope_spec;
/* Reads rope_parameters (transformers 5) or rope_theta + rope_scaling (4) of a text config. */
lmm_status rope_read(rope_spec *out, const tree *config, const char *name);
/* inv_freq[head_dim / 2] and the factor on cos and sin, for a sequence of `length` positions (only dynamic looks at it). */
void rope_freqs(const rope_spec *s, int head_dim, int length, float *inv_freq, float *factor);

/* ---- decoder (decoder.c): Llama, Mistral, Qwen2, Qwen3 as one block with fields ---- */

typedef struct {
    int hidden, layer_count, head_count, kv_head_count, head_dim, mlp, vocab, context;
    float eps, init_std;
    bool qkv_bias, o_bias, mlp_bias, qk_norm, tied;
    int window, window_first_layer; /* window > 0: sliding window for layers >= window_first_layer */
    rope_spec rope;
} decoder_config;

typedef struct {
    norm norm_attn, norm_mlp, norm_q, norm_k; /* the last two: w NULL when absent */
    linear q, k, v, o, gate, up, down;
} decoder_layer;

typedef struct {
    decoder_config config;
    tensor *embed; /* (V, D) */
    decoder_layer *layers;
    norm norm_out;
    tensor *head; /* (V, D); embed itself when tied */
} decoder;

lmm_status decoder_config_read(decoder_config *out, const tree *config, const char *name); /* by model_type: llama mistral qwen2 qwen3 */
lmm_status decoder_bind(decoder *out, const decoder_config *config, binder *b);
void decoder_free(decoder *d);

typedef struct {
    int layer_count, capacity;
    tensor *k, *v;
    float *data;
} kv_cache; /* each (capacity, K d) */
lmm_status kv_cache_open(kv_cache *out, const decoder_config *config, int capacity);
void kv_cache_close(kv_cache *c);

/* The rows of one pass. One sequence x n rows is prefill, n sequences x 1 row is batched decoding, packed samples are training.
 * Without caches the key rows of `segs` number the rows of this pass. With them segment i belongs to caches[i]: its rows are stored at the end of
 * its key range [key_first, key_first + key_count), which numbers rows of that cache. */
typedef struct {
    int n;
    const int *position; /* (n), or (n, 3) of a decoder with rope sections */
    const attn_seg *segs;
    int seg_count;
    kv_cache *const *caches;         /* (seg_count); NULL in training */
    const kv_cache *const *prefixes; /* (seg_count), with caches: where the segments' prefixes lie; NULL: without */
    int length;                      /* longest position + 1, for dynamic rope scaling; 0: from position */
    const int *unasked; /* (seg_count), without caches: so many rows at the head of each segment are not asked for; NULL: none */
} decoder_rows;
/* x (n, D) embeddings -> (n, D) after the final norm. Rows not asked for skip what the last layer does for themselves alone and come out as anything. */
tensor *decoder_forward(cx *c, const decoder *d, tensor *x, const decoder_rows *rows);
tensor *decoder_logits(cx *c, const decoder *d, tensor *h); /* (n, V) */

/* ---- encoder layers and the vision tower (encoder.c, vit.c): CLIP and SigLIP ---- */

typedef struct {
    int hidden, layer_count, head_count, mlp;
    float eps, init_std;
    activation act;
    bool no_key_bias; /* Whisper */
} encoder_config;
typedef struct {
    norm norm1, norm2;
    linear q, k, v, out, fc1, fc2;
} encoder_layer;
typedef struct {
    encoder_config config;
    encoder_layer *layers;
} encoder;
lmm_status encoder_bind(encoder *out, const encoder_config *config, binder *b, const char *prefix);
void encoder_free(encoder *e);
/* Layer `layer` of x (B * T, D), every T rows one sequence, causal for text. */
tensor *encoder_layer_forward(cx *c, const encoder *e, int layer, tensor *x, int tokens, bool causal);

typedef struct {
    encoder_config enc;
    int image_size, patch;
    bool class_token, patch_bias, pre_norm;
    bool head; /* SigLIP's attention pooling */
} vit_config;
typedef struct {
    vit_config config;
    encoder enc;
    linear patch; /* (D, 3 p p): the convolution's weight, flat */
    tensor *class_embed, *positions;
    norm pre_norm, post_norm;
    tensor *probe; /* pooling head, NULL when absent */
    linear head_qkv, head_out, head_fc1, head_fc2;
    norm head_norm;
} vit;
lmm_status vit_config_read(vit_config *out, const tree *config, const char *name); /* clip_vision_model, siglip_vision_model */
/* `layer_count`: layers to bind (a tower cut at the selected layer ignores the rest). Post norm and head are bound when the source has them. */
lmm_status vit_bind(vit *out, const vit_config *config, binder *b, const char *prefix);
void vit_free(vit *v);
int vit_tokens(const vit_config *c); /* rows a picture: patches plus class token */
/* pixels (B,3,S,S) -> (B * T, D) after `layer_count` layers; a tracer sees all layers and the post norm. */
tensor *vit_forward(cx *c, const vit *v, tensor *pixels, int layer_count);
/* The same, and every hidden state on the way: state[0] is what enters the layers, state[k] what leaves layer k - 1; (layer_count + 1) of them, NULL: none. */
tensor *vit_states(cx *c, const vit *v, tensor *pixels, int layer_count, tensor **state);
tensor *vit_post_norm(cx *c, const vit *v, tensor *x);  /* (B T, D) -> post norm of every row */
tensor *vit_class_rows(cx *c, const vit *v, tensor *x); /* row 0 of every picture */
tensor *vit_pool(cx *c, const vit *v, tensor *x);       /* SigLIP head: (B T, D) after post norm -> (B, D) */

/* ---- the patch tower (patch_tower.c): Qwen2-VL and Qwen2.5-VL, pictures of any size as patches, no position table ---- */

enum { TOWER_DEPTH_MAX = 256 };
typedef struct {
    int hidden, depth, head_count, mlp, patch, temporal, merge, out;
    bool gated;                 /* RMSNorm and a gated MLP (2.5) instead of LayerNorm and two linears */
    int window;                 /* merged cells along a window; 0: every block sees its whole frame */
    bool full[TOWER_DEPTH_MAX]; /* with a window: blocks that see the whole frame all the same */
    activation act;
    double theta;
} patch_tower_config;
typedef struct {
    norm norm1, norm2;
    linear qkv, proj, gate, up, down; /* gate.w NULL when not gated */
} patch_tower_block;
typedef struct {
    patch_tower_config config;
    linear patch; /* (D, 3 temporal p p), flat */
    patch_tower_block *blocks;
    norm merge_norm;
    linear merge1, merge2;
} patch_tower;
/* Patches of one picture or video: frames (in groups of `temporal`), lines and columns; the latter two are multiples of merge. */
typedef struct {
    int t, h, w;
} patch_grid;
lmm_status patch_tower_config_read(patch_tower_config *out, const tree *config, int hidden, const char *name);
lmm_status patch_tower_bind(patch_tower *out, const patch_tower_config *config, binder *b, const char *prefix);
void patch_tower_free(patch_tower *t);
int patch_size(const patch_tower_config *c); /* values of one patch */
/* patches (n, patch_size), block by block of merge x merge (llava.md 2.8), of `count` grids -> (n / merge^2, out). */
tensor *patch_tower_forward(cx *c, const patch_tower *t, tensor *patches, const patch_grid *grid, int count);
/* The order in which a windowed tower sees the merged cells of a grid, and the cells of each window; both free(). */
void patch_windows(const patch_tower_config *c, const patch_grid *g, int **order, int **lengths, int *windows);

/* ---- BERT (bert.c): norms after the residuals, learned positions, every sequence its own segment: no padding ---- */

typedef struct {
    int hidden, layer_count, head_count, mlp, vocab, context, type_vocab;
    float eps, init_std;
    activation act;
} bert_config;
typedef struct {
    linear q, k, v, out, up, down;
    norm norm_attn, norm_mlp;
} bert_layer;
typedef struct {
    bert_config config;
    tensor *words, *positions, *types;
    norm norm_embed;
    bert_layer *layers;
    linear pooler; /* w NULL when the checkpoint has none */
} bert;
lmm_status bert_config_read(bert_config *out, const tree *config, const char *name);
lmm_status bert_bind(bert *out, const bert_config *config, binder *b);
void bert_free(bert *t);
/* ids of `count` sequences one after the other, lengths[i] ids each, all of type 0 -> (sum of lengths, D). */
tensor *bert_forward(cx *c, const bert *t, const int *ids, const int *lengths, int count);
/* Mean over the rows of every sequence, length one: (count, D). */
tensor *bert_sentence(cx *c, tensor *x, const int *lengths, int count);

/* ---- Whisper (whisper.c) ---- */

typedef struct {
    encoder_config enc;
    int bands, positions;                      /* of the features; rows of a window: half its frames */
    int layer_count, head_count, mlp, context; /* of the decoder; its width is the encoder's */
    int vocab;
    bool scale_embedding, tied;
} whisper_config;
typedef struct {
    int bands, positions;
    linear conv1, conv2; /* weights (D, in, 3) */
    tensor *table;       /* (positions, D) */
    encoder enc;
    norm norm_out;
} whisper_encoder;
typedef struct {
    norm norm_self, norm_cross, norm_mlp;
    linear q, k, v, out, cross_q, cross_k, cross_v, cross_out, fc1, fc2;
} whisper_layer;
typedef struct {
    whisper_config config;
    whisper_encoder encoder;
    tensor *embed, *table, *head; /* head: embed itself when tied */
    whisper_layer *layers;
    norm norm_out;
} whisper;
lmm_status whisper_config_read(whisper_config *out, const tree *config, const char *name);
lmm_status whisper_encoder_bind(whisper_encoder *out, const whisper_config *c, binder *b, const char *prefix);
void whisper_encoder_free(whisper_encoder *e);
/* mel (windows * 2 positions, bands), the features of whole windows -> (windows * positions, D). */
tensor *whisper_encode(cx *c, const whisper_encoder *e, tensor *mel);
lmm_status whisper_bind(whisper *out, const whisper_config *c, binder *b);
void whisper_free(whisper *w);
/* A cache of `capacity` rows: of the decoder's own rows, or (capacity positions) of what it sees of a window. */
lmm_status whisper_cache_open(kv_cache *out, const whisper_config *c, int capacity);
/* Keys and values of one encoded window (positions, D) for every decoder layer. */
void whisper_look(cx *c, const whisper *w, tensor *encoded, kv_cache *cross);
/* ids at places [first, first + n) -> (n, D) after the final norm; rows before `first` are in `self`. */
tensor *whisper_decode(cx *c, const whisper *w, const int *ids, int n, int first, kv_cache *self, kv_cache *cross);
tensor *whisper_logits(cx *c, const whisper *w, tensor *h); /* (n, V) */

/* ---- projector (projector.c): linear, activation, linear ---- */

typedef struct {
    linear first, second;
    activation act;
} projector;
lmm_status projector_bind(projector *out, int in, int hidden, bool bias, activation act, binder *b);
tensor *projector_forward(cx *c, const projector *p, tensor *x);

#endif
