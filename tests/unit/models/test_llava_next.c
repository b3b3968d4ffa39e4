/* test_llava_next.c - the families that cut pictures to tiles: their rows depend on the picture and its company alone, and configs that do not
 * fit are refused. Their numbers are compared by lmm-golden. */
#include "../engine/model_util.h"

/* 1024 rows a tile, so that every tile goes through the tower alone when there is no tape. */
static const char tiles_of_many_rows[] =
    "{\"model_type\": \"llava_next\", \"image_token_index\": 9, \"image_grid_pinpoints\": [[128, 64], [64, 192]],"
    " \"vision_config\": {\"model_type\": \"clip_vision_model\", \"hidden_size\": 8, \"intermediate_size\": 8, \"num_hidden_layers\": 2,"
    "   \"num_attention_heads\": 1, \"image_size\": 64, \"patch_size\": 2},"
    " \"text_config\": {\"model_type\": \"llama\", \"hidden_size\": 12, \"intermediate_size\": 8, \"num_hidden_layers\": 1,"
    "   \"num_attention_heads\": 1, \"vocab_size\": 10, \"max_position_embeddings\": 64}}";

static const char processor[] = "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"size\": {\"shortest_edge\": 64},"
                                " \"crop_size\": {\"height\": 64, \"width\": 64}, \"image_grid_pinpoints\": [[128, 64], [64, 192]]}";

static tree *parsed(const char *json) {
    tree *t = NULL;
    OK(tree_parse_json(&t, json, strlen(json), "test"));
    return t;
}

static lmm_status make_net(net **out, const char *config_json, const char *processor_json) {
    tree *config = parsed(config_json), *p = parsed(processor_json);
    preprocess_spec spec;
    OK(preprocess_read(&spec, p, "processor"));
    lmm_status st = net_new(out, config, &spec, &(net_start){.seed = 3, .fan_in = true}, "config.json");
    tree_free(p);
    tree_free(config);
    return st;
}

static image noise(int width, int height) {
    image im = {0};
    rng r = rng_make(1, (uint64_t)width);
    OK(image_new(&im, width, height, 3));
    for (int i = 0; i < width * height * 3; i++) im.data[i] = (unsigned char)(rng_unit(&r) * 256);
    return im;
}

static void ignore(void *arg, const char *name, const tensor *t) { (void)arg, (void)name, (void)t; }

/* The rows of one picture, by a net of its own threads; a tracer makes all tiles go through the tower at once. */
static float *rows_of(const net *n, float *pixels, const media_plan *plan, int threads, trace_fn trace) {
    int S = n->tower.config.image_size;
    pool *p = pool_new(threads);
    arena mem = {0};
    tensor x = tensor_make(DT_F32, 4, (int64_t[]){plan->tile_count, 3, S, S}, pixels);
    cx c = {.mode = CX_MEASURE, .mem = &mem, .k = kernels_pick(NULL), .pool = p, .trace = trace};
    n->arch->media_embed(&c, n, &x, plan, 1);
    size_t need = mem.peak;
    cx_free(&c);
    OK(arena_open(&mem, need, "test"));
    c = (cx){.mem = &mem, .k = c.k, .pool = p, .trace = trace};
    tensor *y = n->arch->media_embed(&c, n, &x, plan, 1);
    assert_int_equal(tensor_rows(y), plan->row_count);
    assert_int_equal(mem.peak, need);
    float *copy = mem_new((size_t)tensor_count(y), sizeof *copy);
    memcpy(copy, y->data, tensor_size(y));
    cx_free(&c);
    arena_close(&mem);
    pool_free(p);
    return copy;
}

static void rows_do_not_depend_on_groups_of_tiles_or_threads(void **state) {
    net *n;
    media_plan plan;
    float *pixels = NULL;
    int tiles = 0;
    (void)state;
    OK(make_net(&n, tiles_of_many_rows, processor));
    image im = noise(300, 100);
    OK(n->arch->media_plan(n, im.width, im.height, 1, &plan));
    OK(n->arch->media_pixels(n, &im, &plan, &pixels, &tiles));
    assert_int_equal(tiles, 4);
    size_t size = (size_t)plan.row_count * (size_t)n->dec.config.hidden * sizeof(float);
    float *want = rows_of(n, pixels, &plan, 1, ignore);
    for (int threads = 1; threads <= 4; threads *= 2) {
        float *have = rows_of(n, pixels, &plan, threads, NULL);
        assert_memory_equal(have, want, size);
        free(have);
    }
    free(want);
    free(pixels);
    image_free(&im);
    net_free(n);
}

/* ---- sessions ---- */

static const char one[] = "<|im_start|>user <image>\nWhat is shown in this image?<|im_end|><|im_start|>assistant\n";
static const char another[] = "<|im_start|>user <image>\nWhere was it taken?<|im_end|><|im_start|>assistant\n";
static const char two[] = "<|im_start|>user <image><image>\nCompare the two pictures.<|im_end|><|im_start|>assistant\n";

static lmm_prompt *prompt_of(const opened *o, const char *text, const char *first, const char *second) {
    const char *paths[] = {first, second};
    lmm_prompt *p;
    OK(lmm_prompt_raw(&p, o->model, text, strlen(text), &(lmm_prompt_opts){.images = paths, .image_count = second ? 2 : 1}));
    return p;
}

static lmm_session *session_of(const opened *o, int batch) {
    lmm_session *s;
    OK(lmm_session_open(&s, o->model, &(lmm_session_opts){.context = 512, .batch = batch}));
    return s;
}

/* After `before` (NULL: nothing), the logits of p are those of a session that never saw anything else. */
static int check_reuse(const opened *o, lmm_prompt *before, lmm_prompt *p, int batch) {
    lmm_session *fresh = session_of(o, 0), *s = session_of(o, batch);
    int reused = 0;
    OK(lmm_session_sync(fresh, p, NULL));
    if (before) OK(lmm_session_sync(s, before, NULL));
    OK(lmm_session_sync(s, p, &reused));
    assert_memory_equal(lmm_session_logits(s), lmm_session_logits(fresh), (size_t)o->model->net->dec.config.vocab * sizeof(float));
    lmm_session_close(fresh);
    lmm_session_close(s);
    return reused;
}

static void logits_do_not_depend_on_pieces_or_reuse(void **state) {
    opened o = open_tiny(TINY("llava_onevision"), 2);
    lmm_prompt *p = prompt_of(&o, one, PICTURE("adam7.png"), NULL), *q = prompt_of(&o, another, PICTURE("adam7.png"), NULL);
    (void)state;
    check_reuse(&o, NULL, p, 1);
    check_reuse(&o, NULL, p, 7);
    assert_in_range(check_reuse(&o, p, q, 13), 70, lmm_prompt_length(q) - 1); /* the picture's 70 rows among them */
    lmm_prompt_free(p);
    lmm_prompt_free(q);
    close_tiny(&o);
}

/* Alone a picture is tiled, in company it is one padded tile: none of its rows may be taken from the other prompt. */
static void a_picture_in_company_is_not_the_picture_alone(void **state) {
    opened o = open_tiny(TINY("llava_onevision"), 1);
    lmm_prompt *p = prompt_of(&o, one, PICTURE("rgb.png"), NULL), *q = prompt_of(&o, two, PICTURE("rgb.png"), PICTURE("tall.png"));
    (void)state;
    assert_int_equal(q->media.at[0].plan.tile_count, 1);
    assert_int_equal(q->media.at[0].plan.row_count, 26);
    assert_true(p->media.at[0].plan.tile_count > 1);
    assert_in_range(check_reuse(&o, p, q, 0), 1, 5);
    lmm_prompt_free(p);
    lmm_prompt_free(q);
    close_tiny(&o);
}

/* ---- configs ---- */

static void a_saved_net_opens_with_its_newline(void **state) {
    char folder[] = "/tmp/test-llava-next-XXXXXX";
    net *n, *again;
    (void)state;
    assert_non_null(mkdtemp(folder));
    OK(make_net(&n, tiles_of_many_rows, processor));
    OK(net_save(n, folder));
    char *path = path_join(folder, "preprocessor_config.json");
    OK(file_write(path, processor, strlen(processor)));
    OK(net_open(&again, folder));
    param *a = param_find(&n->params, "image_newline"), *b = param_find(&again->params, "image_newline");
    assert_string_equal(b->key, "image_newline");
    assert_int_equal(b->part, PART_NEWLINE);
    assert_memory_equal(a->t.data, b->t.data, 12 * sizeof(float));
    free(path);
    net_free(again);
    net_free(n);
    OK(dir_remove(folder));
}

/* `from` replaced by `to` in the config above. */
static char *changed(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    assert_non_null(at);
    return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void configs_that_do_not_fit_are_refused(void **state) {
    static const struct {
        const char *from, *to, *part;
    } rows[] = {
        {"\"image_token_index\": 9", "\"vision_feature_select_strategy\": \"full\", \"image_token_index\": 9", "leaves 1025 rows a tile"},
        {"\"image_token_index\": 9", "\"image_token_index\": 10", "image_token_index 10 lies outside"},
        {"\"image_token_index\": 9", "\"vision_feature_layer\": [], \"image_token_index\": 9", "lists 0 layers"},
        {"\"image_token_index\": 9", "\"vision_feature_layer\": [-1, 3], \"image_token_index\": 9",
         "vision_feature_layer 3 of a tower with 2"},
        {"\"image_token_index\": 9", "\"vision_feature_layer\": [\"a\"], \"image_token_index\": 9", "no whole number"},
        {"[64, 192]]", "[64, 256]]", "of config.json and of the picture processor differ"},
        {"[64, 192]]", "[64]]", "is no pair of sizes"},
        {"\"image_size\": 64", "\"image_size\": 32", "cuts tiles of 64 pixels, the tower needs 32"},
        {"llava_next", "llava_onevision", "leaves 1025 rows a tile"},
        {"\"model_type\": \"llava_next\"", "\"model_type\": \"llava_onevision\", \"vision_aspect_ratio\": \"pad\"",
         "vision_aspect_ratio is 'pad'"},
        {"\"model_type\": \"llava_next\"", "\"model_type\": \"llava_onevision\", \"vision_aspect_ratio\": \"anyres_max_0\"",
         "anyres_max_0"},
        {"\"model_type\": \"llava_next\"", "\"model_type\": \"llava_onevision\", \"vision_aspect_ratio\": \"anyres_max_9x\"",
         "anyres_max_9x"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *json = changed(tiles_of_many_rows, rows[i].from, rows[i].to);
        net *n = NULL;
        if (make_net(&n, json, processor) == LMM_OK) fail_msg("%s is accepted", rows[i].to);
        if (!strstr(lmm_message(), rows[i].part)) fail_msg("%s: '%s'", rows[i].to, lmm_message());
        free(json);
    }
}

static void a_grid_can_come_from_the_processor_alone(void **state) {
    char *json = changed(tiles_of_many_rows, ", \"image_grid_pinpoints\": [[128, 64], [64, 192]]", "");
    net *n = NULL;
    (void)state;
    OK(make_net(&n, json, processor));
    assert_int_equal(n->grid.count, 2);
    net_free(n);
    assert_int_not_equal(make_net(&n, json, "{\"image_processor_type\": \"CLIPImageProcessor\", \"crop_size\": 64}"), LMM_OK);
    assert_non_null(strstr(lmm_message(), "no 'image_grid_pinpoints'"));
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_do_not_depend_on_groups_of_tiles_or_threads),
        cmocka_unit_test(logits_do_not_depend_on_pieces_or_reuse),
        cmocka_unit_test(a_picture_in_company_is_not_the_picture_alone),
        cmocka_unit_test(a_saved_net_opens_with_its_newline),
        cmocka_unit_test(configs_that_do_not_fit_are_refused),
        cmocka_unit_test(a_grid_can_come_from_the_processor_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
