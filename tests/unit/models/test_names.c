/* test_names.c - all generations of tensor names meet in one canonical spelling, and new checkpoints are written as generation B. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "models/models_int.h"

static void becomes(const char *key, const char *want) {
    char *name = names_canonical(key);
    if (want) assert_string_equal(name, want);
    else assert_null(name);
    free(name);
}

static void the_four_generations_agree(void **state) {
    (void)state;
    static const char *const q[] = {"model.layers.3.self_attn.q_proj.weight", "language_model.model.layers.3.self_attn.q_proj.weight",
                                    "model.language_model.layers.3.self_attn.q_proj.weight"};
    for (size_t i = 0; i < COUNT_OF(q); i++) becomes(q[i], "llm.layers.3.self_attn.q_proj.weight");
    static const char *const proj[] = {"model.mm_projector.0.bias", "multi_modal_projector.linear_1.bias",
                                       "model.multi_modal_projector.linear_1.bias"};
    for (size_t i = 0; i < COUNT_OF(proj); i++) becomes(proj[i], "proj.0.bias");
    static const char *const vis[] = {"model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
                                      "vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
                                      "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
                                      "model.vision_tower.encoder.layers.0.mlp.fc1.bias", "vision_tower.encoder.layers.0.mlp.fc1.bias"};
    for (size_t i = 0; i < COUNT_OF(vis); i++) becomes(vis[i], "vision_tower.encoder.layers.0.mlp.fc1.bias");
    static const char *const head[] = {"lm_head.weight", "language_model.lm_head.weight"};
    for (size_t i = 0; i < COUNT_OF(head); i++) becomes(head[i], "lm_head.weight");
    becomes("model.embed_tokens.weight", "llm.embed_tokens.weight");
    becomes("model.image_newline", "image_newline");
}

static void leftovers_are_passed_over(void **state) {
    (void)state;
    becomes("model.layers.0.self_attn.rotary_emb.inv_freq", NULL);
    becomes("vision_tower.vision_model.embeddings.position_ids", NULL);
}

static void written_keys_read_back(void **state) {
    (void)state;
    static const char *const names[] = {"llm.layers.0.mlp.up_proj.weight", "lm_head.weight", "proj.2.weight",
                                        "vision_tower.post_layernorm.bias", "llm.norm.weight"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *key = names_key_llava(names[i]), *back = names_canonical(key);
        assert_string_equal(back, names[i]);
        free(back);
        free(key);
    }
    char *key = names_key_llava("vision_tower.post_layernorm.bias");
    assert_string_equal(key, "vision_tower.vision_model.post_layernorm.bias");
    free(key);
}

static void names_of_gguf_files_become_ours(void **unused) {
    (void)unused;
    static const char *const row[][2] = {
        {"token_embd.weight", "llm.embed_tokens.weight"},
        {"output_norm.weight", "llm.norm.weight"},
        {"output.weight", "lm_head.weight"},
        {"blk.12.attn_q.bias", "llm.layers.12.self_attn.q_proj.bias"},
        {"blk.0.ffn_norm.weight", "llm.layers.0.post_attention_layernorm.weight"},
        {"blk.3.attn_q_norm.weight", "llm.layers.3.self_attn.q_norm.weight"},
        {"blk.3.attn_output.weight", "llm.layers.3.self_attn.o_proj.weight"},
        {"rope_freqs.weight", NULL},
        {"blk.x.attn_q.weight", NULL},
        {"blk.1.ssm_a", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char *name = names_canonical_gguf(row[i][0]);
        if (row[i][1]) assert_string_equal(name, row[i][1]);
        else assert_null(name);
        free(name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_four_generations_agree),
        cmocka_unit_test(leftovers_are_passed_over),
        cmocka_unit_test(names_of_gguf_files_become_ours),
        cmocka_unit_test(written_keys_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
