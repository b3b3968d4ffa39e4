/* test_truncated.c - every file of a checkpoint, cut at each byte of its first 4 KiB and at 200 places behind: refused with one sentence that names
 * the file and the place.
 *
 * A chat template has no end mark: a part of one may be a whole one. It must be refused so or render within its limits. */
#include "model_util.h"

#include <unistd.h>

#include "data/data.h"
#include "../models/projector_util.h"
#include "../folder.h"

enum { EACH_BYTE_OF = 4096, PLACES = 200 };

/* ---- readers: 0 or a status with its sentence; all that was opened is closed ---- */

static lmm_status read_gguf(const char *path) {
    gguf *g;
    lmm_status st = gguf_open(&g, path);
    if (!st) gguf_close(g);
    return st;
}

static lmm_status read_weights(const char *path) {
    checkpoint *c;
    lmm_status st = checkpoint_open(&c, path);
    if (!st) checkpoint_close(c);
    return st;
}

static lmm_status read_folder_weights(const char *path) {
    (void)path;
    return read_weights(folder);
}

static lmm_status read_tokenizer(const char *path) {
    tokenizer *t;
    (void)path;
    lmm_status st = tokenizer_open(&t, folder);
    if (!st) tokenizer_free(t);
    return st;
}

static lmm_status read_network(const char *path) {
    net *n;
    (void)path;
    lmm_status st = net_open(&n, folder);
    if (!st) net_free(n);
    return st;
}

static lmm_status read_projected(const char *path) {
    net *n;
    char *text = in_folder("text.gguf");
    lmm_status st = net_open_projected(&n, text, path);
    if (!st) net_free(n);
    free(text);
    return st;
}

static lmm_status read_processor(const char *path) {
    preprocess_spec spec;
    (void)path;
    return preprocess_open(&spec, folder);
}

static lmm_status read_zip(const char *path) {
    zip z;
    lmm_status st = zip_open(&z, path);
    if (!st) zip_close(&z);
    return st;
}

/* ---- cutting ---- */

static void check_sentence(const char *name, size_t size, lmm_status st) {
    const char *text = lmm_message();
    if (!st) fail_msg("%s of %zu bytes was read", name, size);
    if (strchr(text, '\n') || !strstr(text, name) || (!strstr(text, "byte") && !strstr(text, "line ")))
        fail_msg("%s of %zu bytes: '%s' names no file and place", name, size, text);
}

/* From the end to the beginning, so that one file serves: cut after cut. */
static void cut_all(const char *name, lmm_status (*read)(const char *path)) {
    char *path = in_folder(name), *bytes;
    size_t size;
    OK(read(path)); /* whole, it is fine */
    OK(file_read(&bytes, &size, path, 1 << 24));
    while (size && strchr(" \n", bytes[size - 1])) size--; /* without those it is whole still */
    bool *wanted = mem_new(size, sizeof *wanted);
    rng r = rng_make(20, 26);
    for (int i = 0; i < PLACES; i++) wanted[rng_below(&r, size)] = true;
    for (size_t n = size; n-- > 0;) {
        if (n >= EACH_BYTE_OF && !wanted[n]) continue;
        assert_int_equal(truncate(path, (off_t)n), 0);
        check_sentence(name, n, read(path));
    }
    OK(file_write(path, bytes, size));
    free(wanted);
    free(bytes);
    free(path);
}

/* ---- the files ---- */

static void gguf_file(void **state) {
    (void)state;
    enum { WORDS = 600 };
    static float values[2048];
    const named_tensor at[] = {{"a.weight", tensor_make(DT_F32, 2, (int64_t[]){32, 64}, values)}};
    gguf_keys keys = {0};
    gguf_text words[WORDS];
    gguf_writer *w;
    char *path = in_folder("model.gguf");
    for (int i = 0; i < WORDS; i++) words[i] = (gguf_text){"a word or two", (size_t)(i % 13 + 1)};
    gguf_put_string(&keys, "general.architecture", "llama", 5);
    gguf_put_strings(&keys, "tokenizer.ggml.tokens", words, WORDS);
    gguf_put_bool(&keys, "tokenizer.ggml.add_bos_token", true);
    OK(gguf_writer_open(&w, path, &keys, at, 1));
    OK(gguf_writer_put(w, values, sizeof values));
    OK(gguf_writer_commit(w));
    gguf_keys_free(&keys);
    free(path);
    cut_all("model.gguf", read_gguf);
}

static void projector_file(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 1);
    char *text = in_folder("text.gguf"), *mmproj = in_folder("mmproj.gguf"), *report;
    OK(lmm_convert(o.runtime, TINY("llava"), text, &(lmm_convert_opts){.quiet = true}, &report));
    write_projector(o.model->net, mmproj, &(variant){.names_state = true, .kind = "mlp"});
    cut_all("mmproj.gguf", read_projected);
    close_tiny(&o);
    free(report);
    free(mmproj);
    free(text);
}

static void safetensors_file(void **state) {
    (void)state;
    copy_in(TINY("llava"), "model.safetensors");
    cut_all("model.safetensors", read_weights);
}

static void index_of_shards(void **state) {
    (void)state;
    static const float values[64] = {0};
    named_tensor at[100];
    char names[100][32], *single = in_folder("model.safetensors");
    unlink(single);
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "layers.%d.weight", i);
        at[i] = (named_tensor){names[i], tensor_make(DT_F32, 1, (int64_t[]){64}, (void *)(uintptr_t)values)};
    }
    OK(safetensors_save_dir(folder, at, 100, NULL, 4096));
    cut_all("model.safetensors.index.json", read_folder_weights);
    free(single);
}

static void tokenizer_json(void **state) {
    (void)state;
    copy_in(TINY("llava"), "tokenizer.json");
    cut_all("tokenizer.json", read_tokenizer);
}

static void config_and_processor(void **state) {
    (void)state;
    static const char *const files[] = {"model.safetensors", "config.json", "processor_config.json"};
    for (size_t i = 0; i < COUNT_OF(files); i++) copy_in(TINY("llava"), files[i]);
    cut_all("config.json", read_network);
    cut_all("processor_config.json", read_processor);
}

static void preprocessor_config_json(void **state) {
    (void)state;
    char *other = in_folder("processor_config.json");
    unlink(other);
    copy_in(TINY("clip_vision"), "preprocessor_config.json");
    cut_all("preprocessor_config.json", read_processor);
    free(other);
}

static void put_u(buf *b, uint32_t n, int size) {
    for (int i = 0; i < size; i++) buf_putc(b, (char)(n >> 8 * i));
}

/* A head of a stored file of two bytes: in front of them, or in the directory. */
static void put_head(buf *b, bool central, uint32_t offset, const char *name) {
    put_u(b, central ? 0x02014b50u : 0x04034b50u, 4);
    put_u(b, 20, central ? 4 : 2);
    for (int i = 0; i < 4; i++) put_u(b, 0, 2); /* flags, method, time, date */
    put_u(b, 0xd8932aac, 4);                    /* CRC-32, not looked at here */
    put_u(b, 2, 4), put_u(b, 2, 4);
    put_u(b, (uint32_t)strlen(name), 2);
    put_u(b, 0, 2);
    for (int i = 0; central && i < 5; i++) put_u(b, 0, 2);
    if (central) put_u(b, offset, 4);
    buf_puts(b, name);
}

static void wheel(void **state) {
    (void)state;
    buf files = {0}, directory = {0};
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "package/file-%d", i);
        put_head(&directory, true, (uint32_t)files.size, name);
        put_head(&files, false, 0, name);
        buf_puts(&files, "Hi");
    }
    uint32_t at = (uint32_t)files.size;
    buf_put(&files, directory.data, directory.size);
    put_u(&files, 0x06054b50u, 4);
    put_u(&files, 0, 4);
    put_u(&files, 100, 2), put_u(&files, 100, 2);
    put_u(&files, (uint32_t)directory.size, 4), put_u(&files, at, 4);
    put_u(&files, 0, 2);
    char *path = in_folder("package.whl");
    OK(file_write(path, files.data, files.size));
    free(path);
    buf_free(&files);
    buf_free(&directory);
    cut_all("package.whl", read_zip);
}

static void chat_template(void **state) {
    (void)state;
    static const char tokens[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}";
    char *path = in_folder("tokenizer.json"), *template_path = in_folder("chat_template.jinja"), *text, *rendered;
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"Hi\"}]";
    size_t size;
    int refused = 0;
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    OK(file_write(path, tokens, sizeof tokens - 1));
    copy_in(TINY("llava"), "chat_template.jinja");
    OK(file_read(&text, &size, template_path, 1 << 20));
    for (size_t n = size; n-- > 0;) {
        lmm_model *m;
        assert_int_equal(truncate(template_path, (off_t)n), 0);
        lmm_status st = lmm_model_open_text(&m, r, folder);
        if (st) check_sentence("chat_template.jinja", n, st);
        refused += st != LMM_OK;
        if (st) continue;
        if (!lmm_prompt_render(m, messages, sizeof messages - 1, NULL, NULL, &rendered)) free(rendered);
        else assert_non_null(strstr(lmm_message(), "line "));
        lmm_model_close(m);
    }
    assert_in_range(refused, size / 2, size);
    lmm_runtime_close(r);
    free(text);
    free(template_path);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_file),
        cmocka_unit_test(projector_file),
        cmocka_unit_test(safetensors_file),
        cmocka_unit_test(index_of_shards),
        cmocka_unit_test(tokenizer_json),
        cmocka_unit_test(config_and_processor),
        cmocka_unit_test(preprocessor_config_json),
        cmocka_unit_test(wheel),
        cmocka_unit_test(chat_template),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
