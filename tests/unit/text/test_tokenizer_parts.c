/* Single steps do what the tokenizers library does (tests/golden/tokenizers/parts.jsonl, made by make_parts.py), and every way of merging gives
 * what the plainest one gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/text_int.h"

/* ---- golden steps: every function appends what it got as JSON ---- */

static lmm_status run_normalizer(const tree *json, const tree *in, buf *got) {
    normalizer *z = NULL;
    buf text = {0};
    lmm_status st = normalizer_load(&z, json, "test");
    if (!st) st = normalizer_run(z, in->text, in->text_size, &text);
    if (!st) json_quote(got, text.data, text.size);
    buf_free(&text);
    normalizer_free(z);
    return st;
}

static lmm_status run_pretokenizer(const tree *json, const tree *in, buf *got) {
    pretokenizer *p = NULL;
    splits s = {0};
    lmm_status st = pretokenizer_load(&p, json, "test");
    splits_reset(&s, in->text, in->text_size, true);
    if (!st) st = pretokenizer_run(p, &s);
    buf_putc(got, '[');
    for (int i = 0; !st && i < s.pieces.count; i++) {
        buf_puts(got, i ? ", " : "");
        json_quote(got, s.text.data + s.pieces.at[i].begin, (size_t)(s.pieces.at[i].end - s.pieces.at[i].begin));
    }
    buf_putc(got, ']');
    splits_free(&s);
    pretokenizer_free(p);
    return st;
}

static lmm_status run_decoder(const tree *json, const tree *in, buf *got) {
    token_decoder *d = NULL;
    string_list tokens = {0};
    buf text = {0};
    bool pending;
    buf_puts(&tokens.text, "");
    lmm_status st = token_decoder_load(&d, json, "test");
    for (int i = 0; i < in->count; i++) string_list_add(&tokens, in->items[i]->text, in->items[i]->text_size);
    if (!st) st = token_decoder_run(d, &tokens, false, &pending, &text);
    if (!st) json_quote(got, text.data ? text.data : "", text.size);
    string_list_free(&tokens);
    buf_free(&text);
    token_decoder_free(d);
    return st;
}

static lmm_status run_tokenizer(const tree *json, const tree *in, int flags, buf *got) {
    tokenizer *t = NULL;
    id_list ids = {0};
    lmm_status st = tokenizer_new(&t, json, NULL, "test");
    if (!st) st = tokenizer_encode(t, in->text, in->text_size, flags, &ids);
    buf_putc(got, '[');
    for (int i = 0; i < ids.count; i++) buf_printf(got, "%s%d", i ? ", " : "", ids.at[i]);
    buf_putc(got, ']');
    free(ids.at);
    tokenizer_free(t);
    return st;
}

static bool row_holds(const tree *row, const char *line) {
    const tree *in = tree_get(row, "in"), *json;
    buf got = {0}, want = {0};
    lmm_status st = LMM_OK;
    if ((json = tree_get(row, "normalizer"))) st = run_normalizer(json, in, &got);
    else if ((json = tree_get(row, "pre_tokenizer"))) st = run_pretokenizer(json, in, &got);
    else if ((json = tree_get(row, "decoder"))) st = run_decoder(json, in, &got);
    else st = run_tokenizer(tree_get(row, "tokenizer"), in, (int)tree_int(row, "flags", 0), &got);
    tree_write_json(&want, tree_get(row, "out"), 0);
    tree *have = NULL;
    buf normal = {0};
    if (!st && !tree_parse_json(&have, got.data, got.size, "got")) tree_write_json(&normal, have, 0);
    bool holds = !st && normal.size == want.size && !memcmp(normal.data, want.data, want.size);
    if (!holds) print_error("%.400s\n  got %s, want %s\n", line, st ? lmm_message() : got.data, want.data);
    tree_free(have);
    buf_free(&normal);
    buf_free(&got);
    buf_free(&want);
    return holds;
}

static void steps_do_what_the_library_does(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    int wrong = 0, rows = 0;
    assert_int_equal(file_read(&text, &size, LMM_TESTS "/golden/tokenizers/parts.jsonl", 1 << 24), LMM_OK);
    for (char *at = text, *end; (end = memchr(at, '\n', (size_t)(text + size - at))) != NULL; at = end + 1, rows++) {
        tree *row = NULL;
        *end = '\0';
        assert_int_equal(tree_parse_json(&row, at, (size_t)(end - at), "parts.jsonl"), LMM_OK);
        wrong += !row_holds(row, at);
        tree_free(row);
    }
    assert_int_equal(wrong, 0);
    assert_true(rows > 200);
    free(text);
}

/* ---- merging ---- */

/* Looks through all pairs for the lowest rank, leftmost, as long as there is one. */
static void merge_plainly(const tree *merges, char (*symbols)[16], int *count) {
    for (;;) {
        int best = merges->count, at = -1;
        for (int i = 0; i + 1 < *count; i++)
            for (int r = 0; r < best; r++)
                if (!strcmp(merges->items[r]->items[0]->text, symbols[i]) && !strcmp(merges->items[r]->items[1]->text, symbols[i + 1]))
                    best = r, at = i;
        if (at < 0) return;
        char joined[32];
        snprintf(joined, sizeof joined, "%s%s", symbols[at], symbols[at + 1]);
        memcpy(symbols[at], joined, sizeof symbols[at]);
        memmove(symbols + at + 1, symbols + at + 2, (size_t)(*count - at - 2) * sizeof *symbols);
        --*count;
    }
}

/* A model over the letters a to d whose merges come in random order, as those of converted SentencePiece models do. */
static tree *random_model(rng *r) {
    tree *model = tree_new(TREE_MAP), *vocab = tree_new(TREE_MAP), *merges = tree_new(TREE_LIST);
    char words[60][16] = {"a", "b", "c", "d"};
    int count = 4;
    while (count < 40) {
        char word[32];
        snprintf(word, sizeof word, "%s%s", words[rng_below(r, (uint64_t)count)], words[rng_below(r, (uint64_t)count)]);
        bool known = strlen(word) > 10;
        for (int i = 0; i < count; i++) known |= !strcmp(words[i], word);
        if (!known) memcpy(words[count++], word, sizeof words[0]);
    }
    for (int i = 0; i < count; i++) tree_put(vocab, words[i], tree_new_int(i));
    int ranks[400], pairs = 0;
    char parts[400][2][16];
    for (int i = 4; i < count; i++) /* every way to make a word of two others */
        for (size_t cut = 1; cut < strlen(words[i]) && pairs < 400; cut++) {
            memcpy(parts[pairs][0], words[i], cut);
            parts[pairs][0][cut] = '\0';
            strcpy(parts[pairs][1], words[i] + cut);
            if (tree_get(vocab, parts[pairs][0]) && tree_get(vocab, parts[pairs][1])) pairs++;
        }
    for (int i = 0; i < pairs; i++) ranks[i] = i;
    rng_shuffle(r, ranks, pairs);
    for (int i = 0; i < pairs; i++) {
        tree *pair = tree_new(TREE_LIST);
        tree_add(pair, tree_new_string(parts[ranks[i]][0]));
        tree_add(pair, tree_new_string(parts[ranks[i]][1]));
        tree_add(merges, pair);
    }
    tree_put(model, "vocab", vocab);
    tree_put(model, "merges", merges);
    return model;
}

static void check_merging(const tokenizer *t, const tree *model, const char *text, int n) {
    char symbols[200][16];
    int count = n;
    for (int i = 0; i < n; i++) symbols[i][0] = text[i], symbols[i][1] = '\0';
    merge_plainly(tree_get(model, "merges"), symbols, &count);
    static const int long_runs[] = {1 << 20, 2}; /* all by heap, all by rank */
    for (size_t k = 0; k < COUNT_OF(long_runs); k++) {
        bpe_scratch scratch = {.long_run = long_runs[k]};
        id_list ids = {0};
        bpe_encode(t->bpe, text, n, &scratch, &ids);
        assert_int_equal(ids.count, count);
        for (int i = 0; i < count; i++) assert_string_equal(tokenizer_token(t, ids.at[i]), symbols[i]);
        free(ids.at);
        bpe_scratch_free(&scratch);
    }
}

static void all_ways_of_merging_agree(void **state) {
    (void)state;
    rng r = rng_make(11, 0);
    for (int round = 0; round < 30; round++) {
        tree *json = tree_new(TREE_MAP), *model = random_model(&r);
        tokenizer *t = NULL;
        tree_put(json, "model", model);
        if (tokenizer_new(&t, json, NULL, "test")) fail_msg("%s", lmm_message());
        for (int i = 0; i < 6; i++) {
            char text[200];
            int n = 1 + (int)rng_below(&r, 199), letters = 1 + (int)rng_below(&r, 4);
            for (int k = 0; k < n; k++) text[k] = (char)('a' + rng_below(&r, (uint64_t)letters));
            check_merging(t, model, text, n);
        }
        tokenizer_free(t);
        tree_free(json);
    }
}

static void a_million_equal_letters_come_out_in_halves(void **state) {
    (void)state;
    const char *json = "{\"model\": {\"vocab\": {\"a\": 0, \"aa\": 1, \"aaaa\": 2}, \"merges\": [\"a a\", \"aa aa\"]}}";
    enum { SIZE = 1000003 };
    tree *root = NULL;
    tokenizer *t = NULL;
    id_list ids = {0};
    char *text = mem_new(SIZE, 1);
    memset(text, 'a', SIZE);
    assert_int_equal(tree_parse_json(&root, json, strlen(json), "test"), LMM_OK);
    assert_int_equal(tokenizer_new(&t, root, NULL, "test"), LMM_OK);
    assert_int_equal(tokenizer_encode(t, text, SIZE, 0, &ids), LMM_OK);
    assert_int_equal(ids.count, SIZE / 4 + 2);
    assert_int_equal(ids.at[0], 2);
    assert_int_equal(ids.at[ids.count - 2], 1);
    assert_int_equal(ids.at[ids.count - 1], 0);
    free(ids.at);
    free(text);
    tokenizer_free(t);
    tree_free(root);
}

/* utf8proc's own ordering takes minutes for this. */
static void a_letter_with_a_hundred_thousand_marks_is_normalized(void **state) {
    (void)state;
    enum { PAIRS = 50000 };
    const char *json = "{\"type\": \"NFC\"}";
    tree *root = NULL;
    normalizer *z = NULL;
    buf text = {0}, out = {0};
    buf_puts(&text, "z");
    for (int i = 0; i < PAIRS; i++) buf_puts(&text, "\xCC\x81\xCC\xA3"); /* above, below */
    assert_int_equal(tree_parse_json(&root, json, strlen(json), "test"), LMM_OK);
    assert_int_equal(normalizer_load(&z, root, "test"), LMM_OK);
    assert_int_equal(normalizer_run(z, text.data, text.size, &out), LMM_OK);
    assert_int_equal(out.size, 3 + 2 * (PAIRS - 1) + 2 * PAIRS);
    assert_memory_equal(out.data, "\xE1\xBA\x93\xCC\xA3", 5); /* z with dot below, then the other dots, then the accents */
    assert_memory_equal(out.data + out.size - 2, "\xCC\x81", 2);
    buf_free(&text);
    buf_free(&out);
    normalizer_free(z);
    tree_free(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_do_what_the_library_does),
        cmocka_unit_test(all_ways_of_merging_agree),
        cmocka_unit_test(a_million_equal_letters_come_out_in_halves),
        cmocka_unit_test(a_letter_with_a_hundred_thousand_marks_is_normalized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
