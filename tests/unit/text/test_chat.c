/* Messages reach a template as transformers shows them, and every golden row renders exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "text/text.h"

static tree *json(const char *text) {
    tree *t = NULL;
    assert_int_equal(tree_parse_json(&t, text, strlen(text), "test"), LMM_OK);
    return t;
}

static jinja *compiled(const char *source) {
    jinja *j = NULL;
    assert_int_equal(jinja_compile(&j, source, strlen(source), NULL), LMM_OK);
    return j;
}

/* ---- golden rows ---- */

static bool row_holds(const jinja *j, const tree *row, const tree *family, const char *name, int line) {
    const tree *kwargs = tree_get(row, "kwargs"), *want = tree_get(row, "rendered");
    chat_input in = {.messages = tree_get(row, "messages"),
                     .tools = tree_get(kwargs, "tools"),
                     .kwargs = kwargs,
                     .add_generation_prompt = tree_bool(kwargs, "add_generation_prompt", false),
                     .bos_token = tree_str(family, "bos_token", NULL),
                     .eos_token = tree_str(family, "eos_token", NULL)};
    buf out = {0};
    lmm_status st = chat_render(j, &in, &out, NULL);
    bool holds = want ? !st && out.size == want->text_size && memcmp(out.data, want->text, out.size) == 0 : st != LMM_OK;
    if (!holds) print_error("%s row %d gives %s\n", name, line, st ? lmm_message() : out.data);
    buf_free(&out);
    return holds;
}

static int rows_wrong(const char *name, const tree *family, int *rows) {
    char *source = NULL, *text = NULL, *path = mem_printf("%s/golden/chat_templates/%s.jinja", LMM_SHARED, name);
    size_t size = 0, source_size = 0;
    int wrong = 0, line = 0;
    jinja *j = NULL;
    assert_int_equal(file_read(&source, &source_size, path, 1 << 20), LMM_OK);
    memcpy(path + strlen(path) - 5, "jsonl", 5);
    assert_int_equal(file_read(&text, &size, path, 16 << 20), LMM_OK);
    assert_int_equal(jinja_compile(&j, source, source_size, NULL), LMM_OK);
    for (char *at = text, *end; (end = memchr(at, '\n', (size_t)(text + size - at))) != NULL; at = end + 1) {
        *end = '\0';
        tree *row = json(at);
        wrong += !row_holds(j, row, family, name, ++line);
        tree_free(row);
    }
    *rows += line;
    jinja_free(j);
    free(text);
    free(source);
    free(path);
    return wrong;
}

static void golden_rows_render_exactly(void **state) {
    (void)state;
    const char *index_path = LMM_SHARED "/golden/chat_templates/index.json";
    if (!file_exists(index_path)) {
        print_message("skipped: no '%s'\n", index_path);
        skip();
    }
    tree *index = NULL;
    int rows = 0, wrong = 0;
    assert_int_equal(tree_load(&index, index_path), LMM_OK);
    const tree *families = tree_get(index, "families");
    for (int i = 0; i < families->count; i++) wrong += rows_wrong(families->keys[i], families->items[i], &rows);
    tree_free(index);
    assert_true(rows >= 400);
    assert_int_equal(wrong, 0);
}

static void golden_checkpoints_have_templates_that_compile(void **state) {
    (void)state;
    const char *dir = LMM_SHARED "/golden/checkpoints";
    if (!file_exists(dir)) {
        print_message("skipped: no '%s'\n", dir);
        skip();
    }
    char **names = NULL;
    int count = 0, found = 0;
    assert_int_equal(dir_list(&names, &count, dir), LMM_OK);
    for (int i = 0; i < count; i++) {
        char *path = path_join(dir, names[i]), *source = NULL;
        assert_int_equal(chat_template_find(&source, NULL, path), LMM_OK);
        if (source) {
            jinja_free(compiled(source));
            found++;
        }
        free(source);
        free(path);
    }
    names_free(names, count);
    assert_true(found >= 10);
}

/* ---- what templates see ---- */

static void expect(const char *source, const char *messages, const char *want) {
    jinja *j = compiled(source);
    tree *m = json(messages);
    buf out = {0};
    chat_input in = {.messages = m, .add_generation_prompt = true, .eos_token = "</s>"};
    assert_int_equal(chat_render(j, &in, &out, NULL), LMM_OK);
    assert_string_equal(out.data ? out.data : "", want);
    buf_free(&out);
    tree_free(m);
    jinja_free(j);
}

static void parts_lose_their_media_and_get_the_types_of_templates(void **state) {
    (void)state;
    const char *messages =
        "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": \"data:x\"}}, {\"type\": \"text\", "
        "\"text\": \"hi\"}, {\"type\": \"image\", \"path\": \"a.png\"}, {\"type\": \"input_audio\", \"input_audio\": {}}]}]";
    expect("{% for p in messages[0].content %}{{ p|tojson }}{% endfor %}", messages,
           "{\"type\": \"image\"}{\"type\": \"text\", \"text\": \"hi\"}{\"type\": \"image\", \"path\": \"a.png\"}{\"type\": \"audio\"}");
}

static const char *const parts = "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"image\"}, "
                                 "{\"type\": \"text\", \"text\": \"b\"}]}]";
static const char *const plain = "[{\"role\": \"user\", \"content\": \"a\"}]";

static void templates_that_know_strings_only_get_the_text_joined(void **state) {
    (void)state;
    expect("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}", parts, "<user>a\nb");
    expect("{% for m in messages %}{% set c = m['content'] | trim %}{{ c + eos_token }}{% endfor %}", parts, "a\nb</s>");
    expect("{% if messages[0].content is string %}{{ messages[0].content }}{% endif %}", parts, "a\nb");
    expect("{{ messages[0].content }}", "[{\"role\": \"user\", \"content\": []}]", "");
}

static void templates_that_go_through_parts_get_parts(void **state) {
    (void)state;
    expect("{% for m in messages %}{% for p in m.content %}{{ p.type }};{% endfor %}{% endfor %}", parts, "text;image;text;");
    expect("{% for m in messages %}{{ m['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join }}{% endfor %}",
           parts, "ab");
    expect("{% for m in messages %}{% set c = m.content %}{% if c is string %}s{% else %}{{ c[0].text }}{% endif %}{% endfor %}", parts,
           "a");
    expect("{% macro r(content) %}{% for p in content %}{{ p.type }};{% endfor %}{% endmacro %}{{ r(messages[0].content) }}", parts,
           "text;image;text;");
}

static void templates_that_know_parts_only_get_a_string_as_one(void **state) {
    (void)state;
    expect("{% for m in messages %}{% for p in m.content %}{{ p.type }}:{{ p.text }};{% endfor %}{% endfor %}", plain, "text:a;");
    expect("{{ messages[0]['content'][0]['text'] }}", plain, "a");
    expect("{% if messages[0].content is string %}s{% else %}{% for p in messages[0].content %}{% endfor %}{% endif %}", plain, "s");
}

static void null_keys_of_messages_are_left_out(void **state) {
    (void)state;
    expect("{{ messages[0].content is defined }}{{ messages[0] }}", "[{\"role\": \"assistant\", \"content\": null, \"tool_calls\": null}]",
           "False{'role': 'assistant'}");
}

static void reasoning_is_found_under_each_of_its_names(void **state) {
    (void)state;
    expect("{{ messages[0].reasoning_content }}{{ messages[0].thinking }}", "[{\"role\": \"assistant\", \"reasoning\": \"r\"}]", "rr");
    expect("{{ messages[0].reasoning_content }}", "[{\"role\": \"assistant\", \"thinking\": \"t\"}]", "t");
}

static void tools_are_none_when_there_are_none(void **state) {
    (void)state;
    expect("{{ tools }}{{ documents }}{{ add_generation_prompt }}{{ bos_token is defined }}{{ eos_token }}", plain,
           "NoneNoneTrueFalse</s>");
}

static void messages_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"{}", "[1]", "\"x\"", "null"};
    jinja *j = compiled("{{ messages|length }}");
    buf out = {0};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        tree *m = json(wrong[i]);
        chat_input in = {.messages = m};
        assert_int_equal(chat_render(j, &in, &out, NULL), LMM_E_ARG);
        tree_free(m);
    }
    assert_int_equal(chat_render(j, &(chat_input){0}, &out, NULL), LMM_E_ARG);
    assert_int_equal(out.size, 0);
    jinja_free(j);
}

static void generation_blocks_give_spans_of_bytes(void **state) {
    (void)state;
    jinja *j = compiled("{% for m in messages %}{{ m.role }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration "
                        "%}{% else %}{{ m.content }}{% endif %}{% endfor %}");
    tree *m = json("[{\"role\": \"user\", \"content\": \"\\u00e9\"}, {\"role\": \"assistant\", \"content\": \"\\u00e9x\"}]");
    span_list spans = {0};
    buf out = {0};
    assert_int_equal(chat_render(j, &(chat_input){.messages = m}, &out, &spans), LMM_OK);
    assert_int_equal(spans.count, 2);
    assert_int_equal(spans.at[0], 17);
    assert_int_equal(spans.at[1], 20);
    free(spans.at);
    buf_free(&out);
    tree_free(m);
    jinja_free(j);
}

/* ---- finding the template ---- */

typedef struct {
    char dir[64];
} folder;

static int folder_open(void **state) {
    folder *f = mem_new(1, sizeof *f);
    strcpy(f->dir, "/tmp/lmm-chat-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int folder_close(void **state) {
    folder *f = *state;
    (void)dir_remove(f->dir);
    free(f);
    return 0;
}

static void put_file(const folder *f, const char *name, const char *text) {
    char *path = path_join(f->dir, name);
    assert_int_equal(file_write(path, text, strlen(text)), LMM_OK);
    free(path);
}

static void expect_found(const folder *f, const char *want) {
    char *found = NULL;
    assert_int_equal(chat_template_find(&found, NULL, f->dir), LMM_OK);
    if (want) assert_string_equal(found, want);
    else assert_null(found);
    free(found);
}

static void the_template_is_looked_for_in_three_files(void **state) {
    folder *f = *state;
    expect_found(f, NULL);
    put_file(f, "tokenizer_config.json", "{\"chat_template\": null}");
    expect_found(f, NULL);
    put_file(f, "tokenizer_config.json", "{\"chat_template\": \"third\"}");
    expect_found(f, "third");
    put_file(f, "chat_template.json", "{\"chat_template\": \"second\"}");
    expect_found(f, "second");
    put_file(f, "chat_template.jinja", "first");
    expect_found(f, "first");
}

static void of_several_templates_the_default_is_taken(void **state) {
    folder *f = *state;
    put_file(f, "tokenizer_config.json",
             "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"r\"}, {\"name\": \"default\", \"template\": \"d\"}]}");
    expect_found(f, "d");
    put_file(f, "tokenizer_config.json", "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"r\"}]}");
    expect_found(f, "r");
    put_file(f, "tokenizer_config.json", "{\"chat_template\": []}");
    expect_found(f, NULL);
}

static void a_broken_file_is_an_error(void **state) {
    folder *f = *state;
    char *found = NULL;
    put_file(f, "tokenizer_config.json", "{\"chat_template\": 5}");
    assert_int_equal(chat_template_find(&found, NULL, f->dir), LMM_E_FORMAT);
    put_file(f, "tokenizer_config.json", "{");
    assert_int_equal(chat_template_find(&found, NULL, f->dir), LMM_E_FORMAT);
    assert_null(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_rows_render_exactly),
        cmocka_unit_test(golden_checkpoints_have_templates_that_compile),
        cmocka_unit_test(parts_lose_their_media_and_get_the_types_of_templates),
        cmocka_unit_test(templates_that_know_strings_only_get_the_text_joined),
        cmocka_unit_test(templates_that_go_through_parts_get_parts),
        cmocka_unit_test(templates_that_know_parts_only_get_a_string_as_one),
        cmocka_unit_test(null_keys_of_messages_are_left_out),
        cmocka_unit_test(reasoning_is_found_under_each_of_its_names),
        cmocka_unit_test(tools_are_none_when_there_are_none),
        cmocka_unit_test(messages_that_are_none_are_refused),
        cmocka_unit_test(generation_blocks_give_spans_of_bytes),
        cmocka_unit_test_setup_teardown(the_template_is_looked_for_in_three_files, folder_open, folder_close),
        cmocka_unit_test_setup_teardown(of_several_templates_the_default_is_taken, folder_open, folder_close),
        cmocka_unit_test_setup_teardown(a_broken_file_is_an_error, folder_open, folder_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
