/* test_decoder_config.c - what a text config leaves out has its class's default, an explicit null its own meaning, and nonsense is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/nn.h"

static lmm_status read_text(decoder_config *out, const char *json) {
    tree *t = NULL;
    assert_int_equal(tree_parse_json(&t, json, strlen(json), "c.json"), LMM_OK);
    lmm_status st = decoder_config_read(out, t, "c.json");
    tree_free(t);
    return st;
}

/* The text_config of transformers' LLaVA-1.5 and of LLaVA-NeXT over Mistral, as they are on the hub. */
static void text_configs_of_released_checkpoints_are_short(void **state) {
    decoder_config c;
    (void)state;
    assert_int_equal(read_text(&c,
                               "{\"architectures\": [\"LlamaForCausalLM\"], \"max_position_embeddings\": 4096, \"model_type\": \"llama\","
                               " \"rms_norm_eps\": 1e-05, \"vocab_size\": 32064}"),
                     LMM_OK);
    assert_true(c.hidden == 4096 && c.layer_count == 32 && c.head_count == 32 && c.kv_head_count == 32 && c.head_dim == 128);
    assert_true(c.mlp == 11008 && c.vocab == 32064 && c.context == 4096 && c.eps == 1e-5f && c.window == 0 && !c.tied);
    assert_int_equal(read_text(&c,
                               "{\"intermediate_size\": 14336, \"max_position_embeddings\": 32768, \"model_type\": \"mistral\","
                               " \"num_key_value_heads\": 8, \"rms_norm_eps\": 1e-05, \"rope_theta\": 1000000.0, \"sliding_window\": null,"
                               " \"vocab_size\": 32064}"),
                     LMM_OK);
    assert_true(c.hidden == 4096 && c.kv_head_count == 8 && c.mlp == 14336 && c.window == 0 && c.rope.theta == 1e6);
}

static void every_class_has_its_defaults(void **state) {
    static const struct {
        const char *type;
        int mlp, vocab, context, kv, head_dim, window;
        bool bias, norm;
    } rows[] = {
        {"llama", 11008, 32000, 2048, 32, 128, 0, false, false},
        {"mistral", 14336, 32000, 131072, 8, 128, 4096, false, false},
        {"qwen2", 22016, 151936, 32768, 32, 128, 0, true, false},
        {"qwen3", 22016, 151936, 32768, 32, 128, 0, false, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        decoder_config c;
        char *json = mem_printf("{\"model_type\": \"%s\"}", rows[i].type);
        assert_int_equal(read_text(&c, json), LMM_OK);
        assert_true(c.hidden == 4096 && c.layer_count == 32 && c.head_count == 32 && c.eps == 1e-6f);
        assert_int_equal(c.mlp, rows[i].mlp);
        assert_int_equal(c.vocab, rows[i].vocab);
        assert_int_equal(c.context, rows[i].context);
        assert_int_equal(c.rope.context, rows[i].context);
        assert_int_equal(c.kv_head_count, rows[i].kv);
        assert_int_equal(c.head_dim, rows[i].head_dim);
        assert_int_equal(c.window, rows[i].window);
        assert_int_equal(c.qkv_bias, rows[i].bias);
        assert_int_equal(c.qk_norm, rows[i].norm);
        free(json);
    }
}

static void null_is_not_absent(void **state) {
    decoder_config c;
    (void)state;
    assert_int_equal(read_text(&c, "{\"model_type\": \"mistral\", \"num_key_value_heads\": null, \"sliding_window\": null}"), LMM_OK);
    assert_true(c.kv_head_count == 32 && c.window == 0);
    assert_int_equal(read_text(&c, "{\"model_type\": \"qwen3\", \"hidden_size\": 1024, \"num_attention_heads\": 16, "
                                   "\"num_key_value_heads\": 8}"),
                     LMM_OK);
    assert_int_equal(c.head_dim, 128);
    assert_int_equal(read_text(&c, "{\"model_type\": \"qwen3\", \"hidden_size\": 1024, \"num_attention_heads\": 16, "
                                   "\"num_key_value_heads\": 8, \"head_dim\": null}"),
                     LMM_OK);
    assert_int_equal(c.head_dim, 64);
}

static void nonsense_is_refused(void **state) {
    static const struct {
        const char *json, *part;
    } rows[] = {
        {"{\"model_type\": \"gpt9\"}", "language model 'gpt9' is not known"},
        {"{\"hidden_size\": \"many\"}", "'hidden_size'"},
        {"{\"num_hidden_layers\": 0}", "'num_hidden_layers'"},
        {"{\"num_key_value_heads\": 5}", "32 attention heads cannot share 5 key heads"},
        {"{\"hidden_size\": 100, \"num_attention_heads\": 32}", "does not divide into 32 heads"},
        {"{\"head_dim\": 7}", "head_dim 7 must be even"},
        {"{\"hidden_act\": \"relu\"}", "activation 'relu'"},
        {"{\"max_position_embeddings\": 0}", "max_position_embeddings is 0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        decoder_config c = {.hidden = -7};
        if (read_text(&c, rows[i].json) == LMM_OK || !strstr(lmm_message(), rows[i].part))
            fail_msg("%s: '%s'", rows[i].json, lmm_message());
        assert_int_equal(c.hidden, -7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_configs_of_released_checkpoints_are_short),
        cmocka_unit_test(every_class_has_its_defaults),
        cmocka_unit_test(null_is_not_absent),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
