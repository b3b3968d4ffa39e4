/* A broken tokenizer.json is refused with one sentence that names the file and the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/text.h"

/* The message of the refusal must hold both words; NULL: it must load. */
static void expect(const char *json, const char *config, const char *first, const char *second) {
    tree *root = NULL, *settings = NULL;
    tokenizer *t = NULL;
    if (tree_parse_json(&root, json, strlen(json), "test")) fail_msg("%s", lmm_message());
    if (config) assert_int_equal(tree_parse_json(&settings, config, strlen(config), "test"), LMM_OK);
    lmm_status st = tokenizer_new(&t, root, settings, "dir/tokenizer.json");
    tree_free(root);
    tree_free(settings);
    if (!first) {
        if (st) fail_msg("%s\n%s", json, lmm_message());
        tokenizer_free(t);
        return;
    }
    if (!st) fail_msg("loaded: %s", json);
    if (!strstr(lmm_message(), "dir/tokenizer.json") || !strstr(lmm_message(), first) || !strstr(lmm_message(), second))
        fail_msg("%s\n%s", json, lmm_message());
}

#define BPE(fields) "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a b\"]}" fields "}"

static void a_whole_one_loads(void **state) {
    (void)state;
    expect(BPE(""), NULL, NULL, NULL);
    expect(BPE(", \"added_tokens\": [{\"id\": 3, \"content\": \"<s>\", \"special\": true}]"),
           "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": null}", NULL, NULL);
}

static void models_are_checked(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"{}", "'model'", "no tokenizer.json"},
        {"[]", "'model'", "missing"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}", "Unigram", "not supported"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": [], \"merges\": []}}", "'model.vocab'", "map"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}", "'model.vocab'", "0 tokens"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}", "'model.vocab'", "'a'"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 4000000000}, \"merges\": []}}", "'model.vocab'", "'a'"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": \"0\"}, \"merges\": []}}", "'model.vocab'", "no integer"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}", "same id 0", "'b'"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 2}, \"merges\": []}, \"added_tokens\": [{\"id\": 2, \"content\": "
         "\"b\"}]}",
         "id 1", "id 2"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}}", "'model.merges'", "list"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a b\"]}}", "'model.merges[0]'", "'ab'"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"aa\": 1}, \"merges\": [\"a a\", [\"a\", \"x\"]]}}", "'model.merges[1]'",
         "'x'"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a\"]}}", "'model.merges[0]'", "pair"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [[\"a\"]]}}", "'model.merges[0]'", "pair"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [1]}}", "'model.merges[0]'", "pair"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"unk_token\": \"u\"}}", "'model.unk_token'", "'u'"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"unk_token\": 1}}", "'model.unk_token'", "string"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"fuse_unk\": 1}}", "'fuse_unk'", "true or false"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"end_of_word_suffix\": 1}}", "end_of_word_suffix",
         "string"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}}", "'model.unk_token'", "missing"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}, \"unk_token\": \"a\", \"max_input_chars_per_word\": -1}}",
         "max_input_chars_per_word", "-1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) expect(rows[i][0], NULL, rows[i][1], rows[i][2]);
}

static void added_tokens_are_checked(void **state) {
    (void)state;
    expect(BPE(", \"added_tokens\": {}"), NULL, "'added_tokens'", "list");
    expect(BPE(", \"added_tokens\": [{\"id\": 3}]"), NULL, "'added_tokens[0].content'", "string");
    expect(BPE(", \"added_tokens\": [{\"content\": \"x\"}]"), NULL, "'added_tokens[0].id'", "'x'");
    expect(BPE(", \"added_tokens\": [{\"id\": 9, \"content\": \"x\"}]"), NULL, "'added_tokens[0].id'", "[0, 3]");
    expect(BPE(", \"added_tokens\": [{\"id\": 1, \"content\": \"x\"}]"), NULL, "id 1", "'b'");
    expect(BPE(", \"added_tokens\": [{\"id\": 1, \"content\": \"a\"}]"), NULL, "'a'", "0 elsewhere");
    expect(BPE(", \"added_tokens\": [{\"id\": 3, \"content\": \"x\", \"lstrip\": \"no\"}]"), NULL, "'lstrip'", "true or false");
}

static void steps_are_checked(void **state) {
    (void)state;
    expect(BPE(", \"normalizer\": {\"type\": \"Precompiled\"}"), NULL, "'normalizer.type'", "Precompiled");
    expect(BPE(", \"normalizer\": {}"), NULL, "'normalizer'", "'type'");
    expect(BPE(", \"normalizer\": {\"type\": \"Sequence\"}"), NULL, "normalizers", "list");
    expect(BPE(", \"normalizer\": {\"type\": \"Prepend\"}"), NULL, "'prepend'", "string");
    expect(BPE(", \"normalizer\": {\"type\": \"Replace\", \"pattern\": \"a\", \"content\": \"b\"}"), NULL, "'pattern'", "Regex");
    expect(BPE(", \"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}"), NULL, "'pre_tokenizer.type'", "UnicodeScripts");
    expect(BPE(", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a\"}, \"behavior\": \"Isolated\"}"), NULL, "(a",
           "( without )");
    expect(BPE(", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"*\"}, \"behavior\": \"Isolated\"}"), NULL, "'*'",
           "regular expression");
    expect(BPE(", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}, \"behavior\": \"Gone\"}"), NULL, "behavior",
           "Gone");
    expect(BPE(", \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"ab\"}"), NULL, "replacement", "one character");
    expect(BPE(", \"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"sometimes\"}"), NULL, "prepend_scheme", "sometimes");
    expect(BPE(", \"decoder\": {\"type\": \"CTC\"}"), NULL, "'decoder.type'", "CTC");
    expect(BPE(", \"decoder\": {\"type\": \"Strip\", \"content\": \" \", \"start\": -1, \"stop\": 0}"), NULL, "start", "-1");
    expect(BPE(", \"post_processor\": {\"type\": \"Magic\"}"), NULL, "'post_processor.type'", "Magic");
    expect(BPE(", \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": []}"), NULL, "single", "exactly once");
    expect(BPE(", \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"x\"}}], "
               "\"special_tokens\": {}}"),
           NULL, "special_tokens", "'x'");
    expect(BPE(", \"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 0], \"sep\": [\"z\", 99]}"), NULL, "sep", "id");
}

static void the_config_is_checked(void **state) {
    (void)state;
    expect(BPE(""), "{\"eos_token\": 3}", "'eos_token'", "tokenizer_config.json");
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    tokenizer *t = NULL;
    assert_int_not_equal(tokenizer_open(&t, LMM_TESTS "/golden"), LMM_OK);
    assert_non_null(strstr(lmm_message(), "tokenizer.json"));
}

/* A pattern that backtracks without end is stopped. */
static void a_pattern_that_explodes_gives_up(void **state) {
    (void)state;
    const char *json =
        BPE(", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(?:(?:a+)+)+b\"}, \"behavior\": \"Isolated\"}");
    tree *root = NULL;
    tokenizer *t = NULL;
    id_list ids = {0};
    assert_int_equal(tree_parse_json(&root, json, strlen(json), "test"), LMM_OK);
    assert_int_equal(tokenizer_new(&t, root, NULL, "test"), LMM_OK);
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac b";
    assert_int_equal(tokenizer_encode(t, text, strlen(text), 0, &ids), LMM_E_LIMIT);
    assert_non_null(strstr(lmm_message(), "gave up"));
    assert_int_equal(ids.count, 0);
    free(ids.at);
    tokenizer_free(t);
    tree_free(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one_loads),
        cmocka_unit_test(models_are_checked),
        cmocka_unit_test(added_tokens_are_checked),
        cmocka_unit_test(steps_are_checked),
        cmocka_unit_test(the_config_is_checked),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_pattern_that_explodes_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
