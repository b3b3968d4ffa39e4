/* Every row of the golden files in tests/golden/tokenizers comes out exactly, at once and as a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/text.h"

/* ---- golden rows ---- */

static bool ids_hold(const tokenizer *t, const tree *text, const tree *want, int flags) {
    id_list ids = {0};
    assert_int_equal(tokenizer_encode(t, text->text, text->text_size, flags, &ids), LMM_OK);
    bool hold = ids.count == want->count;
    for (int i = 0; hold && i < ids.count; i++) hold = ids.at[i] == want->items[i]->i;
    free(ids.at);
    return hold;
}

static bool text_holds(const tokenizer *t, const tree *ids, const tree *want, bool skip_special) {
    int *list = mem_new((size_t)ids->count + 1, sizeof *list);
    buf whole = {0}, streamed = {0};
    token_stream stream = {.skip_special = skip_special};
    for (int i = 0; i < ids->count; i++) list[i] = (int)ids->items[i]->i;
    assert_int_equal(tokenizer_decode(t, list, ids->count, skip_special, &whole), LMM_OK);
    bool hold = true;
    for (int i = 0; i < ids->count; i++) {
        assert_int_equal(token_stream_push(&stream, t, list[i], &streamed), LMM_OK);
        if (streamed.size) hold &= utf8_complete(streamed.data, streamed.size) == streamed.size;
    }
    assert_int_equal(token_stream_end(&stream, t, &streamed), LMM_OK);
    hold &= whole.size == want->text_size && (!whole.size || !memcmp(whole.data, want->text, whole.size));
    hold &= streamed.size == whole.size && (!whole.size || !memcmp(whole.data, streamed.data, whole.size));
    token_stream_free(&stream);
    buf_free(&whole);
    buf_free(&streamed);
    free(list);
    return hold;
}

static bool row_holds(const tokenizer *t, const tree *row) {
    const tree *text = tree_get(row, "text"), *ids = tree_get(row, "ids"), *special = tree_get(row, "ids_special");
    const tree *decoded = tree_get(row, "decoded"), *skipped = tree_get(row, "decoded_skip_special");
    bool hold = text_holds(t, ids, decoded, false) && text_holds(t, ids, skipped ? skipped : decoded, true);
    if (!text) return hold;
    return hold && ids_hold(t, text, ids, TOKENIZE_PARSE_SPECIAL) &&
           ids_hold(t, text, special ? special : ids, TOKENIZE_PARSE_SPECIAL | TOKENIZE_ADD_SPECIAL);
}

static int rows_wrong(const tokenizer *t, const char *name, const char *ending, int *rows) {
    char *path = mem_printf("%s/golden/tokenizers/%s%s", LMM_TESTS, name, ending), *text = NULL;
    size_t size = 0;
    int wrong = 0;
    assert_int_equal(file_read(&text, &size, path, 1 << 24), LMM_OK);
    for (char *at = text, *end; (end = memchr(at, '\n', (size_t)(text + size - at))) != NULL; at = end + 1) {
        tree *row = NULL;
        assert_int_equal(tree_parse_json(&row, at, (size_t)(end - at), path), LMM_OK);
        ++*rows;
        if (!row_holds(t, row)) {
            print_error("%s%s: row %d differs\n", name, ending, *rows);
            wrong++;
        }
        tree_free(row);
    }
    free(text);
    free(path);
    return wrong;
}

static tokenizer *golden_tokenizer(const char *name) {
    char *path = mem_printf("%s/golden/tokenizers/%s", LMM_TESTS, name);
    tokenizer *t = NULL;
    if (tokenizer_open(&t, path)) fail_msg("%s", lmm_message());
    free(path);
    return t;
}

static void check_golden(const char *name) {
    tokenizer *t = golden_tokenizer(name);
    int rows = 0, wrong = rows_wrong(t, name, ".jsonl", &rows);
    wrong += rows_wrong(t, name, ".decode.jsonl", &rows);
    assert_int_equal(wrong, 0);
    assert_int_equal(rows, 508);
    tokenizer_free(t);
}

static void byte_level_rows_hold(void **state) {
    (void)state;
    check_golden("small_qwen");
}
static void byte_fallback_rows_hold(void **state) {
    (void)state;
    check_golden("small_llama");
}
static void word_piece_rows_hold(void **state) {
    (void)state;
    check_golden("small_bert");
}
static void clip_rows_hold(void **state) {
    (void)state;
    check_golden("small_clip");
}

/* ---- special tokens ---- */

static void expect_ids(const tokenizer *t, const char *text, int flags, const int *want, int count) {
    id_list ids = {0};
    assert_int_equal(tokenizer_encode(t, text, strlen(text), flags, &ids), LMM_OK);
    assert_int_equal(ids.count, count);
    for (int i = 0; i < count; i++) assert_int_equal(ids.at[i], want[i]);
    free(ids.at);
}

static void special_tokens_are_text_unless_parsed(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_llama");
    id_list ids = {0};
    expect_ids(t, "<s>", TOKENIZE_PARSE_SPECIAL, (int[]){1}, 1);
    expect_ids(t, "<s>", TOKENIZE_PARSE_SPECIAL | TOKENIZE_ADD_SPECIAL, (int[]){1, 1}, 2);
    assert_int_equal(tokenizer_encode(t, "<s>", 3, 0, &ids), LMM_OK);
    assert_true(ids.count > 1);
    for (int i = 0; i < ids.count; i++) assert_false(tokenizer_is_special(t, ids.at[i]));
    free(ids.at);
    tokenizer_free(t);
}

static void added_tokens_that_are_not_special_are_always_found(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_qwen");
    int call = tokenizer_id(t, "<tool_call>");
    assert_false(tokenizer_is_special(t, call));
    expect_ids(t, "<tool_call>", 0, &call, 1);
    tokenizer_free(t);
}

static void config_names_begin_end_and_padding(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_llama");
    assert_int_equal(tokenizer_bos(t), 1);
    assert_int_equal(tokenizer_eos(t), 2);
    assert_int_equal(tokenizer_pad(t), 0);
    tokenizer_free(t);
    t = golden_tokenizer("small_qwen");
    assert_int_equal(tokenizer_bos(t), -1);
    assert_string_equal(tokenizer_token(t, tokenizer_eos(t)), "<|im_end|>");
    tokenizer_free(t);
}

static void vocabulary_answers_both_ways(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_llama");
    assert_int_equal(tokenizer_vocab_size(t), 1559);
    for (int id = 0; id < tokenizer_vocab_size(t); id++) assert_int_equal(tokenizer_id(t, tokenizer_token(t, id)), id);
    assert_int_equal(tokenizer_id(t, "no such token"), -1);
    assert_null(tokenizer_token(t, -1));
    assert_null(tokenizer_token(t, 1559));
    tokenizer_free(t);
}

static void the_file_itself_opens_too(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_llama/tokenizer.json");
    assert_int_equal(tokenizer_bos(t), 1);
    tokenizer_free(t);
}

/* ---- any bytes ---- */

static void bad_utf8_is_repaired_first(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_qwen");
    id_list bad = {0}, good = {0};
    assert_int_equal(tokenizer_encode(t, "a\xFF\xE2\x80z\0b", 7, 0, &bad), LMM_OK);
    assert_int_equal(tokenizer_encode(t, "a\xEF\xBF\xBD\xEF\xBF\xBDz\0b", 10, 0, &good), LMM_OK);
    assert_int_equal(bad.count, good.count);
    for (int i = 0; i < bad.count; i++) assert_int_equal(bad.at[i], good.at[i]);
    free(bad.at);
    free(good.at);
    tokenizer_free(t);
}

static void ids_without_token_are_left_out_of_text(void **state) {
    (void)state;
    tokenizer *t = golden_tokenizer("small_llama");
    buf text = {0};
    int a = tokenizer_id(t, "a"), ids[] = {-5, a, 1 << 30, a};
    assert_int_equal(tokenizer_decode(t, ids, 4, false, &text), LMM_OK);
    assert_string_equal(text.data, "aa");
    buf_free(&text);
    tokenizer_free(t);
}

/* What a window of ids gives must be what all of them give, for thousands of tokens. */
static void long_streams_equal_the_whole(void **state) {
    (void)state;
    static const char *const names[] = {"small_qwen", "small_llama", "small_bert", "small_clip"};
    for (size_t k = 0; k < COUNT_OF(names); k++) {
        tokenizer *t = golden_tokenizer(names[k]);
        rng r = rng_make(7, k);
        int ids[3000];
        buf whole = {0}, streamed = {0};
        token_stream stream = {.skip_special = k % 2};
        for (size_t i = 0; i < COUNT_OF(ids); i++) {
            uint64_t most = rng_below(&r, 3) ? (uint64_t)tokenizer_vocab_size(t) : 300; /* many single bytes */
            ids[i] = (int)rng_below(&r, most);
            if (i % 4 == 3) token_stream_hold(&stream, ids[i]);
            else assert_int_equal(token_stream_push(&stream, t, ids[i], &streamed), LMM_OK);
        }
        assert_true(stream.ids.count < 200);
        assert_int_equal(token_stream_end(&stream, t, &streamed), LMM_OK);
        assert_int_equal(tokenizer_decode(t, ids, COUNT_OF(ids), k % 2, &whole), LMM_OK);
        assert_int_equal(streamed.size, whole.size);
        assert_memory_equal(streamed.data, whole.data, whole.size);
        token_stream_free(&stream);
        buf_free(&whole);
        buf_free(&streamed);
        tokenizer_free(t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_rows_hold),
        cmocka_unit_test(byte_fallback_rows_hold),
        cmocka_unit_test(word_piece_rows_hold),
        cmocka_unit_test(clip_rows_hold),
        cmocka_unit_test(special_tokens_are_text_unless_parsed),
        cmocka_unit_test(added_tokens_that_are_not_special_are_always_found),
        cmocka_unit_test(config_names_begin_end_and_padding),
        cmocka_unit_test(vocabulary_answers_both_ways),
        cmocka_unit_test(the_file_itself_opens_too),
        cmocka_unit_test(bad_utf8_is_repaired_first),
        cmocka_unit_test(ids_without_token_are_left_out_of_text),
        cmocka_unit_test(long_streams_equal_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
