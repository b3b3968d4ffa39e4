/* test_opts.c - one table gives parsing, bounds and help; every mistake is one clear sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

typedef struct {
    bool json, help;
    int tokens;
    double top_p;
    const char *model;
    opt_list images, rest;
    opt shared[3]; /* a table in the table, as the options of a model are in many commands */
} values;

enum { ROWS = 5 };

static void make_table(opt table[ROWS], values *v) {
    *v = (values){.tokens = 64, .top_p = 0.9};
    const opt shared[] = {
        {"--top-p", OPT_REAL, &v->top_p, 0, 1, NULL, "keep this share"},
        {"--image", OPT_LIST, &v->images, 0, 0, "FILE", "a picture"},
        {0},
    };
    memcpy(v->shared, shared, sizeof shared);
    const opt rows[ROWS] = {
        {"-m|--model", OPT_STRING, &v->model, 0, 0, "DIR", "the model"},
        {"--max-tokens", OPT_INT, &v->tokens, 1, 4096, "N", "how many tokens at most"},
        {"", OPT_TABLE, v->shared, 0, 0, NULL, NULL},
        {"--json", OPT_FLAG, &v->json, 0, 0, NULL, "for programs"},
        {0},
    };
    memcpy(table, rows, sizeof rows);
}

/* Parses words separated by blanks; "''" is an empty word. */
static lmm_status parse(values *v, opt table[ROWS], const char *line, bool takes_rest) {
    static char text[512];
    char *argv[32];
    int argc = 0;
    make_table(table, v);
    snprintf(text, sizeof text, "%s", line);
    for (char *s = strtok(text, " "); s; s = strtok(NULL, " ")) {
        if (strcmp(s, "''") == 0) *s = '\0';
        argv[argc++] = s;
    }
    return opts_parse(table, argc, argv, takes_rest ? &v->rest : NULL, &v->help);
}

static void drop(values *v, const opt *table) {
    opts_free(table);
    assert_true(!v->images.at && !v->images.count);
    free(v->rest.at);
}

static void every_form_of_option_is_taken(void **state) {
    (void)state;
    values v;
    opt table[ROWS];
    assert_int_equal(parse(&v, table, "-m dir one --max-tokens=7 --top-p 0.5 --image a --json --image=b=c two -- --json -m", true), LMM_OK);
    assert_string_equal(v.model, "dir");
    assert_int_equal(v.tokens, 7);
    assert_true(v.top_p == 0.5);
    assert_true(v.json);
    assert_int_equal(v.images.count, 2);
    assert_string_equal(v.images.at[0], "a");
    assert_string_equal(v.images.at[1], "b=c");
    assert_int_equal(v.rest.count, 4);
    assert_string_equal(v.rest.at[0], "one");
    assert_string_equal(v.rest.at[1], "two");
    assert_string_equal(v.rest.at[2], "--json");
    assert_string_equal(v.rest.at[3], "-m");
    drop(&v, table);
}

static void defaults_stay_and_the_last_value_wins(void **state) {
    (void)state;
    values v;
    opt table[ROWS];
    assert_int_equal(parse(&v, table, "", false), LMM_OK);
    assert_true(v.tokens == 64 && v.top_p == 0.9 && !v.model && !v.json && !v.help);
    assert_int_equal(parse(&v, table, "--max-tokens 1 --max-tokens 2 --model=", false), LMM_OK);
    assert_int_equal(v.tokens, 2);
    assert_string_equal(v.model, "");
    drop(&v, table);
}

static void a_dash_and_negative_numbers_are_words(void **state) {
    (void)state;
    values v;
    opt table[ROWS];
    assert_int_equal(parse(&v, table, "- -5 -.5 -m -", true), LMM_OK);
    assert_int_equal(v.rest.count, 3);
    assert_string_equal(v.model, "-");
    drop(&v, table);
}

static void every_mistake_is_one_sentence(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"--max-token 3", "unknown option '--max-token' (did you mean '--max-tokens'?)"},
        {"--qqqqqqqq=3", "unknown option '--qqqqqqqq' (--help lists them)"},
        {"-x", "unknown option '-x' (--help lists them)"},
        {"--max-tokens abc", "option '--max-tokens' needs an integer in [1, 4096], not 'abc'"},
        {"--max-tokens 3x", "option '--max-tokens' needs an integer in [1, 4096], not '3x'"},
        {"--max-tokens 0", "option '--max-tokens' needs an integer in [1, 4096], not '0'"},
        {"--max-tokens -1", "option '--max-tokens' needs an integer in [1, 4096], not '-1'"},
        {"--max-tokens 99999999999999999999", "option '--max-tokens' needs an integer in [1, 4096], not '99999999999999999999'"},
        {"--max-tokens ''", "option '--max-tokens' needs an integer in [1, 4096], not ''"},
        {"--top-p 1.5", "option '--top-p' needs a number in [0, 1], not '1.5'"},
        {"--top-p nan", "option '--top-p' needs a number in [0, 1], not 'nan'"},
        {"--model", "option '--model' needs a value: DIR"},
        {"-m --json", "option '--model' needs a value: DIR"},
        {"--top-p", "option '--top-p' needs a value: X"},
        {"--image --", "option '--image' needs a value: FILE"},
        {"--json=yes", "option '--json' takes no value"},
        {"word", "unexpected argument 'word'"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        values v;
        opt table[ROWS];
        assert_int_equal(parse(&v, table, cases[i][0], false), LMM_E_ARG);
        assert_string_equal(lmm_message(), cases[i][1]);
        drop(&v, table);
    }
}

static void help_comes_before_every_mistake(void **state) {
    (void)state;
    values v;
    opt table[ROWS];
    assert_int_equal(parse(&v, table, "--max-tokens 9 --nonsense --help", false), LMM_OK);
    assert_true(v.help);
    assert_int_equal(v.tokens, 64);
    assert_int_equal(parse(&v, table, "-h", false), LMM_OK);
    assert_true(v.help);
    assert_int_equal(parse(&v, table, "-- -h", true), LMM_OK);
    assert_false(v.help);
    drop(&v, table);
}

static void the_help_page_shows_names_defaults_and_bounds(void **state) {
    (void)state;
    values v;
    opt table[ROWS];
    buf b = {0};
    make_table(table, &v);
    table[0].help = "the model: a folder with config.json, weights and tokenizer, as transformers writes it, or one file in the "
                    "GGUF format";
    opts_help(&b, "lmm chat [OPTION...]", "Talks.", table, "  lmm chat -m x\n");
    assert_non_null(strstr(b.data, "usage: lmm chat [OPTION...]\n\nTalks.\n\noptions:\n  -m, --model DIR "));
    assert_non_null(strstr(b.data, "      --max-tokens N        how many tokens at most (default 64, 1 to 4096)\n"));
    assert_non_null(strstr(b.data, "      --top-p X             keep this share (default 0.9, 0 to 1)\n"));
    assert_non_null(strstr(b.data, "      --image FILE          a picture (may be repeated)\n"));
    assert_non_null(strstr(b.data, "  -h, --help                show this page\n\nexamples:\n  lmm chat -m x\n"));
    for (char *line = strtok(b.data, "\n"); line; line = strtok(NULL, "\n")) assert_true(strlen(line) <= 100);
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_option_is_taken),         cmocka_unit_test(defaults_stay_and_the_last_value_wins),
        cmocka_unit_test(a_dash_and_negative_numbers_are_words), cmocka_unit_test(every_mistake_is_one_sentence),
        cmocka_unit_test(help_comes_before_every_mistake),       cmocka_unit_test(the_help_page_shows_names_defaults_and_bounds),
    };
    return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
