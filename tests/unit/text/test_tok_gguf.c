/* test_tok_gguf.c - vocabularies of GGUF files: SentencePiece joins by score, byte-level BPE cuts by name, hostile ones are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/text.h"

enum { TOKENS_MAX = 16 };

typedef struct {
    vocab_text tokens[TOKENS_MAX], merges[TOKENS_MAX];
    vocab_source v;
} sample;

static void fill(vocab_text *to, int *count, const char *const *from) {
    for (*count = 0; from[*count]; ++*count) to[*count] = (vocab_text){from[*count], strlen(from[*count])};
}

static void make(sample *s, const char *model, const char *const *tokens, const char *const *merges) {
    *s = (sample){
        .v = {.model = model, .bos = -1, .eos = -1, .pad = -1, .unknown = -1, .add_bos = -1, .add_eos = -1, .add_space_prefix = -1}};
    fill(s->tokens, &s->v.count, tokens);
    fill(s->merges, &s->v.merge_count, merges);
    s->v.tokens = s->tokens, s->v.merges = s->merges;
}

static void expect_ids(const tokenizer *t, const char *text, int flags, const int *want, int n) {
    id_list ids = {0};
    assert_int_equal(tokenizer_encode(t, text, strlen(text), flags, &ids), LMM_OK);
    assert_int_equal(ids.count, n);
    for (int i = 0; i < n; i++) assert_int_equal(ids.at[i], want[i]);
    free(ids.at);
}

static void expect_text(const tokenizer *t, const int *ids, int n, bool skip, const char *want) {
    buf text = {0};
    buf_puts(&text, "");
    assert_int_equal(tokenizer_decode(t, ids, n, skip, &text), LMM_OK);
    assert_string_equal(text.data, want);
    buf_free(&text);
}

static const char *const none[] = {NULL};
#define BLANK "\xE2\x96\x81"
static const char *const pieces[] = {"<unk>", "<s>", "</s>", "<0x7A>", BLANK, "a", "b", "ab", "aa", BLANK "a", NULL};
static const int kinds[] = {VOCAB_UNKNOWN, VOCAB_CONTROL, VOCAB_CONTROL, VOCAB_BYTE, 1, 1, 1, 1, 1, 1};
static const float scores[] = {0, 0, 0, 0, -9, -8, -7, -1, -2, -3};

static tokenizer *sentencepiece(int add_space_prefix) {
    sample s;
    tokenizer *t = NULL;
    make(&s, "llama", pieces, none);
    s.v.kinds = kinds, s.v.scores = scores, s.v.bos = 1, s.v.eos = 2, s.v.unknown = 0, s.v.add_space_prefix = add_space_prefix;
    assert_int_equal(tokenizer_new_vocab(&t, &s.v, "test"), LMM_OK);
    return t;
}

static void sentencepiece_joins_the_best_score_first(void **unused) {
    (void)unused;
    tokenizer *t = sentencepiece(-1);
    expect_ids(t, "ab", 0, (int[]){4, 7}, 2); /* "ab" before " a" */
    expect_ids(t, "aa", 0, (int[]){4, 8}, 2);
    expect_ids(t, "aaa", 0, (int[]){4, 8, 5}, 3);               /* of equal scores the left one */
    expect_ids(t, "a", TOKENIZE_ADD_SPECIAL, (int[]){1, 9}, 2); /* begins with <s> unless the file says no */
    expect_ids(t, "z", 0, (int[]){4, 3}, 2);                    /* as its byte */
    expect_ids(t, "y", 0, (int[]){4, 0}, 2);                    /* not even that: unknown */
    expect_ids(t, "a</s>a", TOKENIZE_PARSE_SPECIAL, (int[]){9, 2, 9}, 3);
    expect_text(t, (int[]){1, 9, 4, 7, 3}, 5, true, "a abz");
    assert_true(tokenizer_bos(t) == 1 && tokenizer_eos(t) == 2 && tokenizer_is_special(t, 1) && !tokenizer_is_special(t, 5));
    tokenizer_free(t);
}

static void the_blank_in_front_can_be_left_out(void **unused) {
    (void)unused;
    tokenizer *t = sentencepiece(0);
    expect_ids(t, "ab", 0, (int[]){7}, 1);
    expect_text(t, (int[]){9}, 1, true, " a");
    tokenizer_free(t);
}

static void byte_level_vocabularies_cut_by_name(void **unused) {
    (void)unused;
    static const char *const tokens[] = {"1", "2", "12", "a", "<|end|>", "[new]", NULL}, *const merges[] = {"1 2", NULL};
    static const int types[] = {1, 1, 1, 1, VOCAB_CONTROL, VOCAB_USER};
    sample s;
    tokenizer *t = NULL;
    make(&s, "gpt2", tokens, merges);
    s.v.kinds = types, s.v.pre = "gpt-2", s.v.bos = 4;
    assert_int_equal(tokenizer_new_vocab(&t, &s.v, "test"), LMM_OK);
    expect_ids(t, "12a", TOKENIZE_ADD_SPECIAL, (int[]){2, 3}, 2);
    expect_ids(t, "1[new]<|end|>", TOKENIZE_PARSE_SPECIAL, (int[]){0, 5, 4}, 3);
    tokenizer_free(t);
    s.v.pre = "smollm"; /* digits one by one */
    assert_int_equal(tokenizer_new_vocab(&t, &s.v, "test"), LMM_OK);
    expect_ids(t, "12a", 0, (int[]){0, 1, 3}, 3);
    tokenizer_free(t);
    s.v.pre = "llama-bpe"; /* begins with its begin token */
    assert_int_equal(tokenizer_new_vocab(&t, &s.v, "test"), LMM_OK);
    expect_ids(t, "12a", TOKENIZE_ADD_SPECIAL, (int[]){4, 2, 3}, 3);
    tokenizer_free(t);
}

static void refuse(const sample *s, const char *why) {
    tokenizer *t = NULL;
    lmm_status st = tokenizer_new_vocab(&t, &s->v, "test");
    if (!st) fail_msg("opened, should say: %s", why);
    if (!strstr(lmm_message(), why)) fail_msg("says '%s', should say: %s", lmm_message(), why);
}

static void what_is_not_understood_is_named(void **unused) {
    (void)unused;
    static const char *const two[] = {"a", "b", NULL}, *const same[] = {"a", "a", NULL}, *const lost[] = {"a c", NULL};
    sample s;
    make(&s, "t5", two, none);
    refuse(&s, "the tokenizer model 't5' is not known");
    make(&s, "gpt2", two, none);
    s.v.pre = "tekken";
    refuse(&s, "the pre-tokenizer 'tekken' is not known");
    make(&s, "llama", two, none);
    refuse(&s, "needs scores");
    make(&s, "gpt2", same, none);
    refuse(&s, "token 1 is 'a', as one before it");
    make(&s, "gpt2", two, lost);
    refuse(&s, "'c' is not in the vocabulary");
    make(&s, "gpt2", two, none);
    s.v.eos = 2;
    refuse(&s, "a special token has the id 2, the vocabulary 2 tokens");
    make(&s, "gpt2", none, none);
    refuse(&s, "the vocabulary is empty");
    make(&s, "gpt2", two, none);
    s.tokens[1] = (vocab_text){"b\0c", 3};
    s.v.tokens = s.tokens;
    refuse(&s, "token 1 has a zero byte");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentencepiece_joins_the_best_score_first),
        cmocka_unit_test(the_blank_in_front_can_be_left_out),
        cmocka_unit_test(byte_level_vocabularies_cut_by_name),
        cmocka_unit_test(what_is_not_understood_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
