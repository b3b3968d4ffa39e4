/* test_gguf_projector.c - a LLaVA in two GGUF files, written with the names and keys of llama.cpp's converter, gives the logits of the folder it
 * was made from, bit for bit. */
#include "../engine/model_util.h"

#include <unistd.h>

#include "media/media.h"
#include "models/models_int.h"
#include "../folder.h"

/* ---- the converter's work ---- */

/* As get_tensor_name of the converter: replacements anywhere in the name. */
static char *their_name(const char *ours, bool turned) {
    const struct {
        const char *from, *to;
    } row[] = {
        {"vision_tower.", "v."},
        {"encoder.layers", "blk"},
        {"embeddings.", ""},
        {"_proj", ""},
        {"self_attn.", "attn_"},
        {"layer_norm", "ln"},
        {"layernorm", "ln"},
        {"mlp.fc1", turned ? "ffn_up" : "ffn_down"},
        {"embedding", "embd"},
        {"mlp.fc2", turned ? "ffn_down" : "ffn_up"},
        {"pre_layrnorm", "pre_ln"},
        {"proj.", "mm."},
        {"image_newline", "model.image_newline"},
    };
    char *name = mem_strdup(ours);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char *at = strstr(name, row[i].from);
        if (!at) continue;
        char *other = mem_printf("%.*s%s%s", (int)(at - name), name, row[i].to, at + strlen(row[i].from));
        free(name);
        name = other;
    }
    return name;
}

typedef struct {
    bool names_state, turned; /* clip.vision.feature_layer is written; ffn_up goes up */
    const char *kind;
} variant;

static void put_tower_keys(gguf_keys *k, const net *n, const variant *v) {
    const vit_config *c = &n->tower.config;
    const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    gguf_put_string(k, "general.architecture", "clip", 4);
    gguf_put_bool(k, "clip.has_text_encoder", false);
    gguf_put_bool(k, "clip.has_vision_encoder", true);
    gguf_put_bool(k, "clip.has_llava_projector", true);
    gguf_put_string(k, "clip.projector_type", v->kind, strlen(v->kind));
    gguf_put_u32(k, "clip.vision.image_size", (uint32_t)c->image_size);
    gguf_put_u32(k, "clip.vision.patch_size", (uint32_t)c->patch);
    gguf_put_u32(k, "clip.vision.embedding_length", (uint32_t)c->enc.hidden);
    gguf_put_u32(k, "clip.vision.feed_forward_length", (uint32_t)c->enc.mlp);
    gguf_put_u32(k, "clip.vision.projection_dim", 32);
    gguf_put_u32(k, "clip.vision.attention.head_count", (uint32_t)c->enc.head_count);
    gguf_put_f32(k, "clip.vision.attention.layer_norm_epsilon", c->enc.eps);
    gguf_put_u32(k, "clip.vision.block_count", (uint32_t)n->vision_state[0]);
    if (v->names_state) gguf_put_i32s(k, "clip.vision.feature_layer", n->vision_state, 1);
    gguf_put_f32s(k, "clip.vision.image_mean", mean, 3);
    gguf_put_f32s(k, "clip.vision.image_std", std, 3);
    gguf_put_bool(k, "clip.use_gelu", false);
    int32_t flat[2 * TILE_GRID_MAX];
    for (int i = 0; i < n->grid.count; i++) flat[2 * i] = n->grid.pair[i][0], flat[2 * i + 1] = n->grid.pair[i][1];
    if (!n->grid.count) return;
    gguf_put_i32s(k, "clip.vision.image_grid_pinpoints", flat, 2 * n->grid.count);
    gguf_put_string(k, "clip.vision.image_aspect_ratio", "anyres", 6);
    gguf_put_string(k, "clip.vision.mm_patch_merge_type", "spatial_unpad", 13);
}

static bool is_written(const net *n, const param *p) {
    int layer;
    if (p->part == PART_DECODER || strstr(p->name, "post_layernorm")) return false;
    return sscanf(p->name, "vision_tower.encoder.layers.%d.", &layer) != 1 || layer < n->vision_state[0];
}

static void write_projector(const net *n, const char *path, const variant *v) {
    gguf_keys keys = {0};
    gguf_writer *w;
    named_tensor *at = mem_new((size_t)n->params.list.count, sizeof *at);
    char **names = mem_new((size_t)n->params.list.count, sizeof *names);
    int count = 0;
    put_tower_keys(&keys, n, v);
    for (int i = 0; i < n->params.list.count; i++) {
        const param *p = n->params.list.at[i];
        if (!is_written(n, p)) continue;
        names[count] = their_name(p->name, v->turned);
        at[count] = (named_tensor){names[count], p->t};
        count++;
    }
    OK(gguf_writer_open(&w, path, &keys, at, count));
    for (int i = 0; i < count; i++) OK(gguf_writer_put(w, at[i].t.data, tensor_size(&at[i].t)));
    OK(gguf_writer_commit(w));
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    free(at);
    gguf_keys_free(&keys);
}

/* ---- both against each other ---- */

static float *logits_of(const lmm_model *m, const char *picture) {
    lmm_prompt *p = raw_prompt(m, "USER: <image>\nWhat is shown? ASSISTANT:", picture);
    lmm_session *s;
    OK(lmm_session_open(&s, m, &(lmm_session_opts){.context = 512}));
    OK(lmm_session_sync(s, p, NULL));
    size_t size = (size_t)m->net->dec.config.vocab * sizeof(float);
    float *copy = mem_new(1, size);
    memcpy(copy, lmm_session_logits(s), size);
    lmm_session_close(s);
    lmm_prompt_free(p);
    return copy;
}

static void convert(lmm_runtime *r, const char *from, const char *to) {
    char *report;
    OK(lmm_convert(r, from, to, &(lmm_convert_opts){.quiet = true}, &report));
    free(report);
}

static void check_pair(const char *dir, const variant *v) {
    static const char *const pictures[] = {PICTURE("wide.png"), PICTURE("tall.png")};
    char *text = in_folder("text.gguf"), *mmproj = in_folder("mmproj.gguf");
    opened o = open_tiny(dir, 2);
    lmm_model *pair;
    convert(o.runtime, dir, text);
    write_projector(o.model->net, mmproj, v);
    if (lmm_model_open_projected(&pair, o.runtime, text, mmproj)) fail_msg("%s", lmm_message());
    lmm_model_reference(o.model, LMM_REFERENCE_ORIGINAL);
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        float *a = logits_of(o.model, pictures[i]), *b = logits_of(pair, pictures[i]);
        assert_memory_equal(a, b, (size_t)pair->net->dec.config.vocab * sizeof *a);
        free(a);
        free(b);
    }
    lmm_model_close(pair);
    close_tiny(&o);
    free(text);
    free(mmproj);
}

static void llava_1_5_in_two_files_is_its_folder(void **state) {
    (void)state;
    check_pair(TINY("llava"), &(variant){.names_state = false, .kind = "mlp"});
    check_pair(TINY("llava"), &(variant){.names_state = true, .turned = true, .kind = "mlp"});
}

static void llava_1_6_in_two_files_is_its_folder(void **state) {
    (void)state;
    static const char dir[] = LMM_SHARED "/golden/checkpoints/llava_next";
    if (!file_is_dir(dir)) {
        print_message("skipped: no %s\n", dir);
        skip();
    }
    check_pair(dir, &(variant){.names_state = true, .kind = "mlp"});
}

static void refused(lmm_runtime *r, const char *text, const char *mmproj, const char *why) {
    lmm_model *m;
    if (!lmm_model_open_projected(&m, r, text, mmproj)) fail_msg("opened, should say: %s", why);
    if (!strstr(lmm_message(), why)) fail_msg("says '%s', should say: %s", lmm_message(), why);
}

static void what_does_not_fit_is_said(void **state) {
    (void)state;
    char *text = in_folder("text.gguf"), *mmproj = in_folder("mmproj.gguf"), *other = in_folder("other.gguf");
    opened o = open_tiny(TINY("llava"), 1), llama = open_tiny(TINY("llama"), 1);
    convert(o.runtime, TINY("llava"), text);
    convert(o.runtime, TINY("llama"), other);
    write_projector(o.model->net, mmproj, &(variant){.kind = "ldp"});
    refused(o.runtime, text, mmproj, "projectors of the type 'ldp' are not supported");
    write_projector(o.model->net, mmproj, &(variant){.kind = "mlp"});
    refused(o.runtime, text, text, "is no projector file: its architecture is 'llama', not 'clip'");
    refused(o.runtime, mmproj, mmproj, "and this one with --mmproj");
    refused(o.runtime, TINY("llava"), mmproj, "is no GGUF file, and only these have their projector");
    if (llama.model->net->dec.config.hidden != o.model->net->dec.config.hidden) refused(o.runtime, other, mmproj, "model needs");
    close_tiny(&llama);
    close_tiny(&o);
    free(text);
    free(mmproj);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llava_1_5_in_two_files_is_its_folder),
        cmocka_unit_test(llava_1_6_in_two_files_is_its_folder),
        cmocka_unit_test(what_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
