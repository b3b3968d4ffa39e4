/* egogpt.c - EgoGPT: the original LLaVA-OneVision over Qwen2, with an ear: Whisper's encoder, five of its rows side by side, linear, ReLU, linear.
 *
 * What differs from llava_original.c: frames are halved by averages behind the projector (27 x 27 patches to 13 x 13), a newline stands behind every line of them,
 * and rope_scaling is not looked at. A sound is heard in windows of 30 s, the last one followed by silence; a window gives 300 rows (100 ms each). The original
 * stops after the first window. The encoder's config is not in the file and is read off its tensors, which have OpenAI's names. Texts spell <image> and
 * <speech>; the original puts pictures before sounds whatever the placeholders say, here each stands at its own. Source: ego.md 2. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

enum { WINDOWS_MAX = 240, HEAD_WIDTH = 64, STACK_DEFAULT = 5 };

/* ---- names ---- */

static const struct {
    const char *file, *canonical;
} ear_parts[] = {
    {"attn.query.", "self_attn.q_proj."},
    {"attn.key.", "self_attn.k_proj."},
    {"attn.value.", "self_attn.v_proj."},
    {"attn.out.", "self_attn.out_proj."},
    {"attn_ln.", "layer_norm1."},
    {"mlp_ln.", "layer_norm2."},
    {"mlp.0.", "mlp.fc1."},
    {"mlp.2.", "mlp.fc2."},
};

static bool starts(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

/* OpenAI's name inside the encoder. */
static char *ear_name(const char *key) {
    int layer, end = 0;
    if (!strcmp(key, "positional_embedding")) return mem_strdup("ear.embed_positions.weight");
    if (starts(key, "ln_post.")) return mem_printf("ear.layer_norm.%s", key + strlen("ln_post."));
    if (sscanf(key, "blocks.%d.%n", &layer, &end) != 1 || !end) return mem_printf("ear.%s", key);
    for (size_t i = 0; i < COUNT_OF(ear_parts); i++)
        if (starts(key + end, ear_parts[i].file))
            return mem_printf("ear.layers.%d.%s%s", layer, ear_parts[i].canonical, key + end + strlen(ear_parts[i].file));
    return NULL;
}

static char *egogpt_canonical(const char *key) {
    static const char tower[] = "model.speech_encoder.", to_decoder[] = "model.speech_projector.linear";
    if (starts(key, tower)) return ear_name(key + strlen(tower));
    if (starts(key, to_decoder)) return mem_printf("ear.projector.%s", key + strlen(to_decoder));
    return names_canonical(key);
}

/* ---- the ear ---- */

static const tensor *file_tensor(const binder *b, const char *name) {
    int i;
    return b->source && strmap_get(b->index, name, strlen(name), &i) ? &checkpoint_at(b->source, i)->t : NULL;
}

static lmm_status ear_measure(whisper_config *out, int *width, const binder *b) {
    const tensor *conv = file_tensor(b, "ear.conv1.weight"), *table = file_tensor(b, "ear.embed_positions.weight"),
                 *mlp = file_tensor(b, "ear.layers.0.mlp.fc1.weight"), *first = file_tensor(b, "ear.projector.1.weight");
    int layers = 0;
    if (!conv || !table || !mlp || !first)
        return LMM_FAIL(LMM_E_UNSUPPORTED,
                        "the speech encoder or its projector is not in this checkpoint: use one that was saved with them");
    while (bind_has(b, "ear.layers.%d.layer_norm1.weight", layers)) layers++;
    int64_t D = conv->ne[0];
    if (conv->nd != 3 || table->nd != 2 || mlp->nd != 2 || first->nd != 2 || D < HEAD_WIDTH || D % HEAD_WIDTH || D > 1 << 16 ||
        conv->ne[1] > 256 || table->ne[0] < 1 || table->ne[0] > 1 << 16 || mlp->ne[0] > 1 << 20 || first->ne[0] > 1 << 20)
        return LMM_FAIL(LMM_E_SHAPE, "the speech encoder's tensors have shapes of no Whisper encoder");
    *out = (whisper_config){.enc = {.hidden = (int)D,
                                    .layer_count = layers,
                                    .head_count = (int)D / HEAD_WIDTH,
                                    .mlp = (int)mlp->ne[0],
                                    .eps = 1e-5f,
                                    .act = ACT_GELU_ERF,
                                    .init_std = 0.02f,
                                    .no_key_bias = true},
                            .bands = (int)conv->ne[1],
                            .positions = (int)table->ne[0]};
    return *width = (int)first->ne[0], LMM_OK;
}

static lmm_status ear_bind(net *n, const tree *config, binder *b) {
    whisper_config w = {0};
    int width = 0, D = n->dec.config.hidden;
    int64_t stack = STACK_DEFAULT;
    lmm_status st = ear_measure(&w, &width, b);
    if (!st && tree_get(config, "speech_encoder_ds_rate"))
        st = tree_need_int(config, "speech_encoder_ds_rate", 1, w.positions, &stack, "config.json");
    if (!st) st = whisper_encoder_bind(&n->ear.encoder, &w, b, "ear");
    if (st) return st;
    int in = w.enc.hidden * (int)stack;
    b->part = PART_PROJECTOR;
    n->ear.first = bind_linear(b, width, in, true, 1.0f / sqrtf(3.0f * (float)in), "ear.projector.1");
    n->ear.second = bind_linear(b, D, width, true, 1.0f / sqrtf(3.0f * (float)width), "ear.projector.2");
    n->ear.stack = (int)stack;
    n->has_ear = true;
    n->sound_text = "<speech>";
    n->sound_token = n->dec.config.vocab + 1; /* behind the picture's */
    return b->status;
}

static lmm_status egogpt_bind(net *n, const tree *config, binder *b) {
    tree *own = tree_copy(config);
    tree_put(own, "rope_scaling", tree_new(TREE_NULL));
    tree_put(own, "mm_spatial_pool_mode", tree_new_string("average"));
    if (!tree_get(own, "mm_newline_position")) tree_put(own, "mm_newline_position", tree_new_string("grid"));
    lmm_status st = llava_original_bind(n, own, b);
    tree_free(own);
    return st ? st : ear_bind(n, config, b);
}

/* ---- sound to rows ---- */

static int window_rows(const net *n) { return n->ear.encoder.positions / n->ear.stack; }

static lmm_status egogpt_sound(const net *n, const sound *s, media_plan *plan, float **pixels) {
    int frames = 2 * n->ear.encoder.positions, bands = n->ear.encoder.bands;
    int64_t window = (int64_t)frames * MEL_HOP, windows = s->count ? (s->count + window - 1) / window : 1;
    if (windows > WINDOWS_MAX)
        return LMM_FAIL(LMM_E_LIMIT, "a sound of %.0f s is too long for a prompt (at most %.0f)", (double)s->count / MEL_RATE,
                        (double)(WINDOWS_MAX * window) / MEL_RATE);
    size_t size = (size_t)frames * (size_t)bands;
    float *all = mem_new((size_t)windows * size, sizeof *all);
    lmm_status st = LMM_OK;
    for (int64_t i = 0; i < windows && !st; i++) {
        float *mel;
        int64_t left = s->count - i * window;
        st = mel_log(&mel, s->samples + i * window, left < window ? left : window, bands, frames);
        if (st) break;
        memcpy(all + (size_t)i * size, mel, size * sizeof *all);
        free(mel);
    }
    if (st) return free(all), st;
    *plan = (media_plan){.tile_count = (int)windows, .row_count = (int)windows * window_rows(n), .sound = true};
    return *pixels = all, LMM_OK;
}

/* mel (windows * frames, bands) -> (windows * window_rows, D). Rows that do not fill a stack are left out. */
static tensor *hear(cx *c, const net *n, tensor *mel) {
    const speech_tower *e = &n->ear;
    tensor *x = whisper_encode(c, &e->encoder, mel);
    int P = e->encoder.positions, rows = window_rows(n), kept = rows * e->stack, windows = (int)tensor_rows(x) / P;
    if (kept != P) {
        int *index = mem_new((size_t)(windows * kept), sizeof *index);
        for (int i = 0; i < windows * kept; i++) index[i] = i / kept * P + i % kept;
        x = op_rows_get(c, x, index, windows * kept);
        free(index);
    }
    x = nn_linear(c, &e->first, nn_side_by_side(c, x, e->stack));
    x = nn_linear(c, &e->second, op_act(c, x, ACT_RELU));
    cx_trace(c, x, "speech_features");
    return x;
}

static tensor *egogpt_embed(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count) {
    return count && plan->sound ? hear(c, n, pixels) : anyres_media_embed(c, n, pixels, plan, count);
}

const lmm_arch arch_egogpt = {
    .name = "egogpt",
    .answers = true,
    .hf = (const char *const[]){"EgoGPTQwenForCausalLM", NULL},
    .types = (const char *const[]){"egogpt_qwen", NULL},
    .canonical = egogpt_canonical,
    .key_of = names_key_original,
    .bind = egogpt_bind,
    .media_plan = llava_original_plan,
    .media_largest = llava_original_largest,
    .media_pixels = anyres_media_pixels,
    .media_embed = egogpt_embed,
    .video_plan = video_plan_frames,
    .video_pixels = video_frame_pixels,
    .sound_features = egogpt_sound,
    .makes_processor = true,
};
