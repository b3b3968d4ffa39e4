/* test_llava_original.c - checkpoints of the original repositories: the same weights under their names and their config give the same numbers, and
 * what is not in their config is found elsewhere. */
#include "../engine/model_util.h"

#include "models/models_int.h"
#include "../folder.h"

static tree *parsed(const char *json) {
    tree *t = NULL;
    OK(tree_parse_json(&t, json, strlen(json), "test"));
    return t;
}

static void put_all(tree *to, const tree *from) {
    for (int i = 0; from && i < from->count; i++) tree_put(to, from->keys[i], tree_copy(from->items[i]));
}

/* The original's config of n: the language model's keys, those of `more`, and the tower's config when it is kept. */
static tree *original_config(const net *n, const char *more, bool keeps_tower) {
    tree *c = tree_new(TREE_MAP), *t = parsed(more);
    put_all(c, tree_get(n->config, "text_config"));
    if (tree_get(n->config, "image_grid_pinpoints"))
        tree_put(c, "image_grid_pinpoints", tree_copy(tree_get(n->config, "image_grid_pinpoints")));
    if (keeps_tower) tree_put(c, "vision_config", tree_copy(tree_get(n->config, "vision_config")));
    put_all(c, t);
    tree_free(t);
    return c;
}

/* Writes n into a folder as the original repository would have. */
static void save_as_original(net *n, const char *dir, const char *more, bool keeps_tower) {
    tree *config = original_config(n, more, keeps_tower), *own = n->config;
    for (int i = 0; i < n->params.list.count; i++) {
        param *p = n->params.list.at[i];
        free(p->key);
        p->key = names_key_original(p->name);
    }
    n->config = config;
    OK(net_save(n, dir));
    n->config = own;
    tree_free(config);
}

static float *logits_of(const opened *o, const char *text, const char *const *pictures, int count) {
    lmm_prompt *p;
    OK(lmm_prompt_raw(&p, o->model, text, strlen(text), &(lmm_prompt_opts){.images = pictures, .image_count = count}));
    return fresh_logits(o, p, 0);
}

static void check_same(const opened *a, const opened *b, const char *text, const char *const *pictures, int count) {
    float *x = logits_of(a, text, pictures, count), *y = logits_of(b, text, pictures, count);
    assert_memory_equal(x, y, (size_t)a->model->net->dec.config.vocab * sizeof *x);
    free(x);
    free(y);
}

static const char onevision[] =
    "{\"architectures\": [\"LlavaQwenForCausalLM\"], \"model_type\": \"llava_qwen\", \"image_aspect_ratio\": \"anyres_max_9\","
    " \"mm_patch_merge_type\": \"spatial_unpad\", \"mm_projector_type\": \"mlp2x_gelu\", \"mm_vision_select_layer\": -2,"
    " \"mm_vision_tower\": \"somewhere/siglip\"}";
static const char one[] = "<|im_start|>user <image>\nWhat is shown in this image?<|im_end|><|im_start|>assistant\n";
static const char two[] = "<|im_start|>user <image><image>\nCompare the two pictures.<|im_end|><|im_start|>assistant\n";

/* With transformers' roundings forced nothing is left that could differ: no bit does. */
static void onevision_under_its_first_names_is_onevision(void **state) {
    const char *const pictures[] = {PICTURE("photo_decoded.png"), PICTURE("tall.png")};
    opened hf = open_tiny(TINY("llava_onevision"), 2);
    net *n;
    (void)state;
    OK(net_open(&n, TINY("llava_onevision")));
    save_as_original(n, folder, onevision, true);
    net_free(n);
    copy_in(TINY("llava_onevision"), "tokenizer.json");
    copy_in(TINY("llava_onevision"), "tokenizer_config.json");
    opened original = open_tiny(folder, 2);
    assert_string_equal(original.model->net->arch->name, "llava_original");
    assert_int_equal(original.model->net->reference, REFERENCE_ORIGINAL);
    original.model->net->reference = REFERENCE_HF;
    check_same(&hf, &original, one, pictures, 1);
    check_same(&hf, &original, two, pictures, 2);
    close_tiny(&original);
    close_tiny(&hf);
}

/* The same model on 49 x 245 pixels: 49 * (20 / 245) is a bit less than 4 columns of its map of 5 x 20; the original cuts two of five, not none. */
static void the_reference_can_be_changed_between_prompts(void **state) {
    opened o = open_tiny(folder, 1);
    net *n = o.model->net;
    media_plan plan;
    (void)state;
    OK(n->arch->media_plan(n, 49, 245, 1, &plan));
    assert_int_equal(plan.row_count, 25 + 20 * (3 + 1));
    n->reference = REFERENCE_HF;
    OK(n->arch->media_plan(n, 49, 245, 1, &plan));
    assert_int_equal(plan.row_count, 25 + 20 * (5 + 1));
    close_tiny(&o);
}

/* Where one tile shows the picture, the original pads it to a square with the mean colour and transformers cuts the square out of its middle. */
static void one_tile_is_padded_by_the_original_and_cut_by_transformers(void **state) {
    net *n;
    image wide = {0};
    media_plan plan;
    (void)state;
    OK(net_open(&n, TINY("llava")));
    OK(image_new(&wide, 64, 32, 3)); /* black */
    OK(n->arch->media_plan(n, 64, 32, 1, &plan));
    static const struct {
        reference whose;
        double corner;
    } cases[] = {{REFERENCE_ORIGINAL, 122}, {REFERENCE_HF, 0}};
    for (int i = 0; i < 2; i++) {
        float *pixels = NULL;
        int tiles = 0;
        net_reference(n, cases[i].whose);
        OK(n->arch->media_pixels(n, &wide, &plan, &pixels, &tiles));
        assert_int_equal(tiles, 1);
        assert_float_equal(pixels[0], (cases[i].corner / 255 - 0.48145466) / 0.26862954, 1e-5); /* the first channel's corner */
        free(pixels);
    }
    image_free(&wide);
    net_free(n);
}

/* ---- prompts ---- */

static void encode(const opened *o, const char *text, id_list *out) {
    OK(tokenizer_encode(o->model->tok, text, strlen(text), TOKENIZE_PARSE_SPECIAL | TOKENIZE_ADD_SPECIAL, out));
}

/* A text's pieces are tokenised one by one: the first keeps its begin token, the others begin like texts and drop theirs. */
static void pieces_between_pictures_are_tokenised_alone(void **state) {
    const char *const pictures[] = {PICTURE("rgb.png")};
    net *n;
    (void)state;
    OK(net_open(&n, TINY("llava")));
    save_as_original(n, folder, "{\"architectures\": [\"LlavaLlamaForCausalLM\"], \"mm_vision_select_layer\": -2}", true);
    net_free(n);
    copy_in(TINY("llava"), "tokenizer.json");
    copy_in(TINY("llava"), "tokenizer_config.json");
    opened o = open_tiny(folder, 1);
    id_list first = {0}, second = {0};
    lmm_prompt *p;
    const char *text = "USER: <image>\nWhat is it? ASSISTANT:";
    encode(&o, "USER: ", &first);
    encode(&o, "\nWhat is it? ASSISTANT:", &second);
    assert_int_equal(first.at[0], tokenizer_bos(o.model->tok));
    assert_int_equal(second.at[0], tokenizer_bos(o.model->tok));
    OK(lmm_prompt_raw(&p, o.model, text, strlen(text), &(lmm_prompt_opts){.images = pictures, .image_count = 1}));
    const int *ids = lmm_prompt_ids(p);
    assert_int_equal(lmm_prompt_length(p), first.count + 16 + second.count - 1);
    assert_memory_equal(ids, first.at, (size_t)first.count * sizeof *ids);
    for (int i = 0; i < 16; i++) assert_int_equal(ids[first.count + i], o.model->net->dec.config.vocab);
    assert_memory_equal(ids + first.count + 16, second.at + 1, (size_t)(second.count - 1) * sizeof *ids);
    lmm_prompt_free(p);
    assert_int_equal(lmm_prompt_raw(&p, o.model, text, strlen(text), NULL), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "1 picture placeholder ('<image>') for 0 pictures"));
    free(first.at);
    free(second.at);
    close_tiny(&o);
}

/* ---- towers without a config ---- */

/* Two layers of one head of 64, 4 x 4 patches. */
static const char clip_64[] =
    "{\"model_type\": \"llava\", \"image_token_index\": 9, \"vision_config\": {\"model_type\": \"clip_vision_model\", \"hidden_size\": 64,"
    " \"intermediate_size\": 24, \"num_hidden_layers\": 3, \"num_attention_heads\": 1, \"image_size\": 28, \"patch_size\": 7},"
    " \"text_config\": {\"model_type\": \"llama\", \"hidden_size\": 12, \"intermediate_size\": 8, \"num_hidden_layers\": 1,"
    " \"num_attention_heads\": 1, \"vocab_size\": 10, \"max_position_embeddings\": 64}}";
static const char vicuna[] =
    "{\"architectures\": [\"LlavaLlamaForCausalLM\"], \"model_type\": \"llava\", \"image_aspect_ratio\": \"pad\", "
    "\"mm_vision_select_layer\": -2,"
    " \"mm_vision_select_feature\": \"patch\", \"mm_projector_type\": \"mlp2x_gelu\", \"mm_vision_tower\": \"somewhere/clip\"}";

static net *llava_net(void) {
    tree *config = parsed(clip_64),
         *processor = parsed("{\"image_processor_type\": \"LlavaImageProcessor\", \"do_pad\": true, \"size\": 28, \"crop_size\": 28}");
    preprocess_spec spec;
    net *n;
    OK(preprocess_read(&spec, processor, "processor"));
    OK(net_new(&n, config, &spec, &(net_start){.seed = 3, .fan_in = true}, "config.json"));
    tree_free(processor);
    tree_free(config);
    return n;
}

static float *rows_of(const net *n, const image *im, int *count) {
    media_plan plan;
    float *pixels = NULL;
    int tiles = 0, S = n->tower.config.image_size;
    OK(n->arch->media_plan(n, im->width, im->height, 1, &plan));
    OK(n->arch->media_pixels(n, im, &plan, &pixels, &tiles));
    arena mem;
    OK(arena_open(&mem, 1 << 24, "test"));
    tensor x = tensor_make(DT_F32, 4, (int64_t[]){tiles, 3, S, S}, pixels);
    cx c = {.mem = &mem, .k = kernels_pick(NULL)};
    tensor *y = n->arch->media_embed(&c, n, &x, &plan, 1);
    assert_int_equal(tensor_rows(y), plan.row_count);
    *count = (int)tensor_count(y);
    float *copy = mem_new((size_t)*count, sizeof *copy);
    memcpy(copy, y->data, tensor_size(y));
    cx_free(&c);
    arena_close(&mem);
    free(pixels);
    return copy;
}

static image noise(int width, int height) {
    image im = {0};
    rng r = rng_make(1, (uint64_t)width);
    OK(image_new(&im, width, height, 3));
    for (int i = 0; i < width * height * 3; i++) im.data[i] = (unsigned char)(rng_unit(&r) * 256);
    return im;
}

static void a_tower_is_read_off_its_tensors(void **state) {
    net *n = llava_net(), *original;
    image im = noise(50, 31);
    int a, b;
    (void)state;
    save_as_original(n, folder, vicuna, false);
    OK(net_open(&original, folder));
    assert_int_equal(original->tower.config.enc.layer_count, 3);
    assert_int_equal(original->tower.config.image_size, 28);
    assert_int_equal(original->vision_layer_count, 2);
    assert_true(original->drop_class_row && !original->newline);
    float *x = rows_of(n, &im, &a), *y = rows_of(original, &im, &b);
    assert_int_equal(a, b);
    assert_memory_equal(x, y, (size_t)a * sizeof *x);
    free(x);
    free(y);
    image_free(&im);
    net_free(original);
    net_free(n);
}

/* Canvases of 30 pixels a tile: 4 x 4 patches of 7 leave 2 pixels unused. */
static void the_canvases_tell_the_side_of_a_tile(void **state) {
    static const char *const grids[] = {"[[30, 60], [60, 30]]", "\"[[30, 60], [60, 30]]\""};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grids); i++) {
        net *n = llava_net(), *original;
        char *more =
            mem_printf("{\"architectures\": [\"LlavaLlamaForCausalLM\"], \"image_aspect_ratio\": \"anyres\", \"image_grid_pinpoints\": %s}",
                       grids[i]);
        save_as_original(n, folder, more, false);
        OK(net_open(&original, folder));
        assert_int_equal(original->tower.config.image_size, 30);
        assert_int_equal(original->grid.count, 2);
        assert_int_equal(original->pre.crop_width, 30);
        media_plan plan;
        OK(original->arch->media_plan(original, 300, 100, 1, &plan));
        assert_int_equal(plan.tile_count, 3);
        assert_int_equal(plan.row_count, 3 * 16); /* flat: tile after tile, no newline */
        free(more);
        net_free(original);
        net_free(n);
    }
}

static void a_range_of_canvases_is_expanded(void **state) {
    net *n = llava_net(), *original;
    (void)state;
    save_as_original(n, folder,
                     "{\"architectures\": [\"LlavaLlamaForCausalLM\"], \"image_aspect_ratio\": \"anyres\", \"mm_patch_merge_type\": "
                     "\"spatial\","
                     " \"image_grid_pinpoints\": \"(1x1),...,(2x3)\"}",
                     false);
    OK(net_open(&original, folder));
    assert_int_equal(original->grid.count, 6);
    assert_int_equal(original->grid.pair[4][0], 56);
    assert_int_equal(original->grid.pair[4][1], 56);
    media_plan plan;
    OK(original->arch->media_plan(original, 100, 140, 1, &plan)); /* 2 wide, 3 high */
    assert_int_equal(plan.tile_count, 7);
    assert_int_equal(plan.row_count, 7 * 16);
    net_free(original);
    net_free(n);
}

/* ---- refusals ---- */

static void what_is_not_supported_is_named(void **state) {
    static const struct {
        const char *more, *part;
    } rows[] = {
        {"\"mm_resampler_type\": \"qformer\"", "mm_resampler_type 'qformer'"},
        {"\"mm_projector_type\": \"linear\"", "mm_projector_type 'linear'"},
        {"\"mm_patch_merge_type\": \"unires\"", "mm_patch_merge_type 'unires'"},
        {"\"mm_vision_select_feature\": \"slicefour_patch\"", "mm_vision_select_feature 'slicefour_patch'"},
        {"\"mm_vision_select_layer\": 9", "mm_vision_select_layer 9"},
        {"\"image_aspect_ratio\": \"highres\"", "image_aspect_ratio 'highres'"},
        {"\"image_aspect_ratio\": \"anyres_max_x\", \"image_grid_pinpoints\": [[28, 28]]", "image_aspect_ratio 'anyres_max_x'"},
        {"\"image_aspect_ratio\": \"anyres\"", "no 'image_grid_pinpoints'"},
        {"\"image_aspect_ratio\": \"anyres\", \"image_grid_pinpoints\": \"(1x\"", "image_grid_pinpoints '(1x'"},
        {"\"image_aspect_ratio\": \"anyres\", \"image_grid_pinpoints\": \"(1x1),...,(99x99)\"", "more than 128 canvases"},
        {"\"image_aspect_ratio\": \"anyres\", \"image_grid_pinpoints\": \"none\"", "image_grid_pinpoints"},
    };
    (void)state;
    net *n = llava_net(), *original;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *more = mem_printf("{\"architectures\": [\"LlavaLlamaForCausalLM\"], %s}", rows[i].more);
        save_as_original(n, folder, more, false);
        if (net_open(&original, folder) == LMM_OK) fail_msg("%s is accepted", rows[i].more);
        if (!strstr(lmm_message(), rows[i].part)) fail_msg("%s: '%s'", rows[i].more, lmm_message());
        free(more);
    }
    net_free(n);
}

static void a_missing_tower_is_named(void **state) {
    tree *config = parsed("{\"architectures\": [\"LlavaLlamaForCausalLM\"], \"mm_vision_tower\": \"openai/clip\", \"hidden_size\": 12, "
                          "\"intermediate_size\": 8,"
                          " \"num_hidden_layers\": 1, \"num_attention_heads\": 1, \"vocab_size\": 10}");
    net *n = NULL;
    (void)state;
    assert_int_equal(net_new(&n, config, NULL, &(net_start){.seed = 1, .fan_in = true}, "config.json"), LMM_E_UNSUPPORTED);
    assert_non_null(strstr(lmm_message(), "the vision tower ('openai/clip') is not in this checkpoint"));
    tree_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onevision_under_its_first_names_is_onevision),
        cmocka_unit_test(the_reference_can_be_changed_between_prompts),
        cmocka_unit_test(one_tile_is_padded_by_the_original_and_cut_by_transformers),
        cmocka_unit_test(pieces_between_pictures_are_tokenised_alone),
        cmocka_unit_test(a_tower_is_read_off_its_tensors),
        cmocka_unit_test(the_canvases_tell_the_side_of_a_tile),
        cmocka_unit_test(a_range_of_canvases_is_expanded),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(a_missing_tower_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
