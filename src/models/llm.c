/* llm.c - text-only language models: Llama, Mistral, Qwen2, Qwen3 through the one decoder. */
#include "models/models_int.h"

static lmm_status llm_bind(net *n, const tree *config, binder *b) {
    decoder_config c = {0};
    lmm_status st = decoder_config_read(&c, config, "config.json");
    if (st) return st;
    n->has_decoder = true;
    return decoder_bind(&n->dec, &c, b);
}

const lmm_arch arch_llm = {
    .name = "llm",
    .answers = true,
    .hf = (const char *const[]){"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", NULL},
    .types = (const char *const[]){"llama", "mistral", "qwen2", "qwen3", NULL},
    .canonical = names_canonical,
    .key_of = names_key_llm,
    .bind = llm_bind,
};
