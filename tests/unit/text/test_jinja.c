/* Templates render as jinja2 renders them (tests/golden/jinja_cases.jsonl, made by tests/peers/jinja_compare.py), and
 * hostile ones end with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "text/text.h"

/* ---- the recorded cases ---- */

typedef struct {
    buf text;
    span_list spans;
    lmm_status status;
} result;

static void result_free(result *r) {
    buf_free(&r->text);
    free(r->spans.at);
}

static result run(const char *source, size_t n, const tree *vars, int64_t now, const jinja_limits *limits) {
    result r = {0};
    jinja *j = NULL;
    r.status = jinja_compile(&j, source, n, limits);
    if (!r.status) r.status = jinja_render(j, vars, now, &r.text, &r.spans);
    jinja_free(j);
    return r;
}

static bool spans_are(const span_list *spans, const tree *want) {
    int n = want ? want->count : 0;
    if (spans->count != 2 * n) return false;
    for (int i = 0; i < n; i++) {
        if (spans->at[2 * i] != (size_t)want->items[i]->items[0]->i) return false;
        if (spans->at[2 * i + 1] != (size_t)want->items[i]->items[1]->i) return false;
    }
    return true;
}

/* True when it came out as recorded, else says what did not. */
static bool case_holds(const tree *c, int line) {
    const tree *source = tree_get(c, "template"), *want = tree_get(c, "rendered");
    result r = run(source->text, source->text_size, tree_get(c, "vars"), tree_int(c, "now", 0), NULL);
    bool holds =
        want ? !r.status && r.text.size == want->text_size && memcmp(r.text.size ? r.text.data : "", want->text, want->text_size) == 0
             : r.status != LMM_OK;
    if (want && holds) holds = spans_are(&r.spans, tree_get(c, "spans"));
    if (!holds) {
        print_error("line %d: %s\n  gives   %s\n  instead %s\n", line, source->text, r.status ? lmm_message() : r.text.data,
                    want ? want->text : tree_str(c, "error", ""));
    }
    result_free(&r);
    return holds;
}

static void recorded_cases_render_as_jinja2_renders_them(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    int line = 0, wrong = 0;
    assert_int_equal(file_read(&text, &size, LMM_TESTS "/golden/jinja_cases.jsonl", 16 << 20), LMM_OK);
    for (char *at = text, *end; at < text + size; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + size - at));
        if (!end) break;
        tree *c = NULL;
        line++;
        assert_int_equal(tree_parse_json(&c, at, (size_t)(end - at), "jinja_cases.jsonl"), LMM_OK);
        wrong += !case_holds(c, line);
        tree_free(c);
    }
    free(text);
    assert_true(line >= 400);
    assert_int_equal(wrong, 0);
}

/* ---- failure ---- */

static void expect_failure(const char *source, lmm_status status, const char *words) {
    buf out = {0};
    jinja *j = NULL;
    buf_puts(&out, "kept");
    lmm_status st = jinja_compile(&j, source, strlen(source), NULL);
    if (!st) st = jinja_render(j, NULL, 0, &out, NULL);
    if (st != status || !strstr(lmm_message(), words)) print_error("%s: status %d, %s\n", source, (int)st, lmm_message());
    assert_int_equal(st, status);
    assert_non_null(strstr(lmm_message(), words));
    assert_string_equal(out.data, "kept");
    jinja_free(j);
    buf_free(&out);
}

static void syntax_errors_name_their_line(void **state) {
    (void)state;
    expect_failure("a\n\n{{ 1 + }}", LMM_E_FORMAT, "line 3");
    expect_failure("{% if x %}\n\nb", LMM_E_FORMAT, "line 3: the template ends where 'endif' is missing");
    expect_failure("a\n{% nope %}", LMM_E_FORMAT, "line 2: unknown tag 'nope'");
    expect_failure("{{\n\n 'abc }}", LMM_E_FORMAT, "line 3: a string has no end");
    expect_failure("\n{{ x|nope }}", LMM_E_FORMAT, "line 2: there is no filter 'nope'");
    expect_failure("{{ a ! b }}", LMM_E_FORMAT, "unexpected character '!'");
    expect_failure("\n\xff", LMM_E_FORMAT, "line 2: the template is not valid UTF-8");
}

static void what_is_missing_is_refused_at_compile_time(void **state) {
    (void)state;
    jinja *j = NULL;
    static const char *const sources[] = {"\n{% block a %}{% endblock %}",
                                          "\n{% include 'x' %}",
                                          "\n{% extends 'x' %}",
                                          "\n{% import 'x' as y %}",
                                          "\n{{ x|pprint }}",
                                          "\n{{ x|urlize }}",
                                          "\n{% if x %}{{ x|random }}{% endif %}",
                                          "\n{{ '\\N{DASH}' }}"};
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        assert_int_equal(jinja_compile(&j, sources[i], strlen(sources[i]), NULL), LMM_E_UNSUPPORTED);
        assert_non_null(strstr(lmm_message(), "line 2"));
        assert_null(j);
    }
}

static void errors_while_rendering_name_their_line(void **state) {
    (void)state;
    expect_failure("a\n{{ x.y.z }}", LMM_E_ARG, "line 2: 'x' is undefined");
    expect_failure("{% macro m() %}\n{{ 1 / 0 }}{% endmacro %}\n\n{{ m() }}", LMM_E_ARG, "line 2: division by zero");
    expect_failure("{{ [].append(1) }}", LMM_E_ARG, "unsafe");
    expect_failure("{{ ''.__class__.__mro__ }}", LMM_E_ARG, "unsafe");
    expect_failure("{{ '{0.__class__.x}'.format(1) }}", LMM_E_ARG, "unsafe");
}

static void raise_exception_fails_with_exactly_its_message(void **state) {
    (void)state;
    expect_failure("{{ raise_exception('Only user & assistant: \"x\" 100%') }}", LMM_E_ARG, "Only user");
    assert_string_equal(lmm_message(), "Only user & assistant: \"x\" 100%");
}

/* ---- limits ---- */

static void hostile_templates_end_with_a_limit(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{{ 'a' * 10**9 }}",
        "{{ ('a' * 10000) * 10**15 }}",
        "{{ [0] * 10**12 }}",
        "{{ [] * 9223372036854775807 }}{{ [0, 1] * 9223372036854775807 }}",
        "{{ range(10**12) }}",
        "{{ range(-9223372036854775807, 9223372036854775807)|list }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(l=[0]) %}{% for i in range(99999) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        ("{% set ns = namespace(l=[]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l }}{{ ns.l|tojson "
         "}}"),
        "{% set ns = namespace(s='x') %}{% for i in range(99999) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(i=[]) %}{% for x in range(99999) %}{% set ns.i = ns.i|map('string') %}{% endfor %}{{ ns.i|list }}",
        "{% for i in range(100000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%.1000000000f' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 'x'.center(10**15) }}",
        "{{ 'x'|indent(10**15, true) }}",
        "{{ '\t'.expandtabs(10**15) }}",
        "{{ ('ab' * 100000).replace('', 'x' * 100000) }}",
        "{{ [1]|batch(10**15, 0)|list }}",
        "{{ 2 ** 64 }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 99999999999999999999 }}",
        "{{ '99999999999999999999'|int }}",
        "{{ 1e300|int }}",
    };
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        result r = run(sources[i], strlen(sources[i]), NULL, 0, NULL);
        if (r.status != LMM_E_LIMIT) print_error("%s: status %d, %s\n", sources[i], (int)r.status, r.status ? lmm_message() : "");
        assert_int_equal(r.status, LMM_E_LIMIT);
        assert_int_equal(r.text.size, 0);
        result_free(&r);
    }
}

static void every_limit_can_be_set(void **state) {
    (void)state;
    static const struct {
        const char *source;
        jinja_limits limits;
    } rows[] = {
        {"{% for i in range(100) %}{{ i }}{% endfor %}", {.step_count_max = 100}},
        {"{{ 'x' * 101 }}", {.output_size_max = 100}},
        {"{% macro m(n) %}{{ m(n - 1) if n else '' }}{% endmacro %}{{ m(10) }}", {.depth_max = 9}},
        {"{{ ((((((((((1)))))))))) }}", {.depth_max = 4}},
        {"0123456789", {.source_size_max = 9}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        result tight = run(rows[i].source, strlen(rows[i].source), NULL, 0, &rows[i].limits),
               wide = run(rows[i].source, strlen(rows[i].source), NULL, 0, NULL);
        if (tight.status != LMM_E_LIMIT) print_error("%s: status %d\n", rows[i].source, (int)tight.status);
        assert_int_equal(tight.status, LMM_E_LIMIT);
        assert_int_equal(wide.status, LMM_OK);
        result_free(&tight);
        result_free(&wide);
    }
}

/* However a template goes round, it stops, and the sentence says at what. */
static void loops_stop_at_the_step_limit(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = i * j %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% for i in range(9) %}{{ m(n - 1) if n else '' }}{% endfor %}{% endmacro %}{{ m(20) }}",
        "{% for i in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
        "{% for i in range(99999) %}{{ range(99999)|map('string')|list|length }}{% endfor %}",
        "{% for i in range(99999) %}{{ range(99999)|sum }}{{ 99998 in range(99999)|list }}{% endfor %}",
        "{% for i in range(99999) if range(99999)|select('odd')|list %}{% endfor %}",
    };
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        jinja_limits few = {.step_count_max = 10000};
        result r = run(sources[i], strlen(sources[i]), NULL, 0, &few), usual = run(sources[i], strlen(sources[i]), NULL, 0, NULL);
        bool deep = strstr(sources[i], "recursive") != NULL; /* that one reaches the limit of depth first */
        assert_int_equal(r.status, LMM_E_LIMIT);
        assert_int_equal(usual.status, LMM_E_LIMIT);
        if (!strstr(lmm_message(), deep ? "deep" : "steps")) fail_msg("%s: %s", sources[i], lmm_message());
        assert_int_equal(usual.text.size, 0);
        result_free(&r);
        result_free(&usual);
    }
}

static void deep_sources_are_refused_without_overflowing_the_stack(void **state) {
    (void)state;
    static const char *const pieces[] = {"(",      "[",        "{1:", "not ", "-", "x if y else ", "{% if x %}", "{% for x in y %}",
                                         "a.b|c(", "x is eq ", "x[",  "f("};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        buf b = {0};
        if (pieces[i][0] != '{' || pieces[i][1] == '1') buf_puts(&b, "{{ ");
        while (b.size < 200000) buf_puts(&b, pieces[i]);
        result r = run(b.data, b.size, NULL, 0, NULL);
        assert_int_not_equal(r.status, LMM_OK);
        result_free(&r);
        buf_free(&b);
    }
}

static void long_chains_are_fine(void **state) {
    (void)state;
    buf b = {0};
    buf_puts(&b, "{{ ''");
    for (int i = 0; i < 5000; i++) buf_puts(&b, " + 'a' ~ 1");
    buf_puts(&b, " }}{% if false %}");
    for (int i = 0; i < 1000; i++) buf_puts(&b, "{% elif false %}x");
    buf_puts(&b, "{% endif %}");
    result r = run(b.data, b.size, NULL, 0, NULL);
    assert_int_equal(r.status, LMM_OK);
    assert_int_equal(r.text.size, 10000);
    result_free(&r);
    buf_free(&b);
}

static void building_a_long_text_in_a_loop_takes_linear_memory(void **state) {
    (void)state;
    const char *source =
        "{% set ns = namespace(s='', l=[]) %}{% for i in range(20000) %}{% set ns.s = ns.s + '0123456789' %}{% set ns.l = ns.l + [i] %}"
        "{% endfor %}{{ ns.s|length }} {{ ns.l|length }} {{ ns.l[-1] }}";
    result r = run(source, strlen(source), NULL, 0, NULL);
    assert_int_equal(r.status, LMM_OK);
    assert_string_equal(r.text.data, "200000 20000 19999");
    result_free(&r);
}

/* ---- input ---- */

static void bad_bytes_in_variables_are_repaired(void **state) {
    (void)state;
    tree *vars = tree_new(TREE_MAP);
    tree_put(vars, "s", tree_new_text("a\xff\0b", 4));
    const char *source = "{{ s|length }}{{ s }}";
    result r = run(source, strlen(source), vars, 0, NULL);
    assert_int_equal(r.status, LMM_OK);
    assert_int_equal(r.text.size, 7);
    assert_memory_equal(r.text.data, "4a\xef\xbf\xbd\0b", 7);
    result_free(&r);
    tree_free(vars);
}

static void output_is_appended(void **state) {
    (void)state;
    buf out = {0};
    jinja *j = NULL;
    buf_puts(&out, "a");
    assert_int_equal(jinja_compile(&j, "b", 1, NULL), LMM_OK);
    assert_int_equal(jinja_render(j, NULL, 0, &out, NULL), LMM_OK);
    assert_int_equal(jinja_render(j, NULL, 0, &out, NULL), LMM_OK);
    assert_string_equal(out.data, "abb");
    jinja_free(j);
    jinja_free(NULL);
    buf_free(&out);
}

int main(void) {
    setenv("TZ", "UTC", 1); /* strftime_now is local time */
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_cases_render_as_jinja2_renders_them),
        cmocka_unit_test(syntax_errors_name_their_line),
        cmocka_unit_test(what_is_missing_is_refused_at_compile_time),
        cmocka_unit_test(errors_while_rendering_name_their_line),
        cmocka_unit_test(raise_exception_fails_with_exactly_its_message),
        cmocka_unit_test(hostile_templates_end_with_a_limit),
        cmocka_unit_test(every_limit_can_be_set),
        cmocka_unit_test(loops_stop_at_the_step_limit),
        cmocka_unit_test(deep_sources_are_refused_without_overflowing_the_stack),
        cmocka_unit_test(long_chains_are_fine),
        cmocka_unit_test(building_a_long_text_in_a_loop_takes_linear_memory),
        cmocka_unit_test(bad_bytes_in_variables_are_repaired),
        cmocka_unit_test(output_is_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
