/* jinja_tests.c - tests: what may stand behind `is`, and in select and reject. */
#include "text/jinja_int.h"

#include <string.h>

static jval test_defined(jx *x, jcall *c) { return (void)x, j_bool(c->self.type != J_UNDEFINED); }
static jval test_undefined(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_UNDEFINED); }
static jval test_none(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_NONE); }
static jval test_boolean(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_BOOL); }
static jval test_true(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_BOOL && c->self.i); }
static jval test_false(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_BOOL && !c->self.i); }
static jval test_integer(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_INT); }
static jval test_float(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_FLOAT); }
static jval test_number(jx *x, jcall *c) { return (void)x, j_bool(j_is_number(c->self)); }
static jval test_string(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_STRING); }
static jval test_mapping(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_DICT); }
static jval test_escaped(jx *x, jcall *c) { return (void)x, j_bool(c->self.type == J_STRING && c->self.s->is_safe); }
static jval test_sameas(jx *x, jcall *c) { return (void)x, j_bool(j_same(c->self, c->arg[0])); }

/* Python would say so of our undefined too: it has len() and []. */
static jval test_sequence(jx *x, jcall *c) {
    (void)x;
    jtype t = c->self.type;
    return j_bool(j_has_length(c->self) && t != J_VIEW && t != J_LOOP);
}

static jval test_iterable(jx *x, jcall *c) { return (void)x, j_bool(j_has_length(c->self) || c->self.type == J_ITER); }

static jval test_callable(jx *x, jcall *c) {
    (void)x;
    switch (c->self.type) {
    case J_MACRO:
    case J_BUILTIN:
    case J_METHOD:
    case J_JOINER:
    case J_LOOP:
    case J_UNDEFINED: return j_bool(true);
    default: return j_bool(false);
    }
}

static bool divides(jx *x, jval v, jval by, int64_t rest) {
    if (!j_is_number(v) || !j_is_number(by)) {
        if (v.type == J_UNDEFINED) undefined_fail(x, v);
        jx_fail(x, LMM_E_ARG, "divisibility needs numbers, not '%s'", type_name(j_is_number(v) ? by : v));
    }
    return j_equal(x, j_binary(x, '%', v, by), j_int(rest));
}

static jval test_odd(jx *x, jcall *c) { return j_bool(divides(x, c->self, j_int(2), 1)); }
static jval test_even(jx *x, jcall *c) { return j_bool(divides(x, c->self, j_int(2), 0)); }
static jval test_divisibleby(jx *x, jcall *c) { return j_bool(divides(x, c->self, c->arg[0], 0)); }

static jval test_lower(jx *x, jcall *c) { return str_has_case(x, j_str(x, c->self).s, CHAR_LOWER); }
static jval test_upper(jx *x, jcall *c) { return str_has_case(x, j_str(x, c->self).s, CHAR_UPPER); }

static jval test_in(jx *x, jcall *c) { return j_bool(j_contains(x, c->arg[0], c->self)); }
static jval test_eq(jx *x, jcall *c) { return j_bool(j_equal(x, c->self, c->arg[0])); }
static jval test_ne(jx *x, jcall *c) { return j_bool(!j_equal(x, c->self, c->arg[0])); }
static jval test_lt(jx *x, jcall *c) { return j_bool(j_order(x, CMP_LT, c->self, c->arg[0])); }
static jval test_le(jx *x, jcall *c) { return j_bool(j_order(x, CMP_LE, c->self, c->arg[0])); }
static jval test_gt(jx *x, jcall *c) { return j_bool(j_order(x, CMP_GT, c->self, c->arg[0])); }
static jval test_ge(jx *x, jcall *c) { return j_bool(j_order(x, CMP_GE, c->self, c->arg[0])); }

static bool is_filter(jval name) { return name.type == J_STRING && filter_find(name.s->at, name.s->size); }
static bool is_test(jval name) { return name.type == J_STRING && test_find(name.s->at, name.s->size); }
static jval test_filter(jx *x, jcall *c) { return (void)x, j_bool(is_filter(c->self)); }
static jval test_test(jx *x, jcall *c) { return (void)x, j_bool(is_test(c->self)); }

/* clang-format off */
static const jbuiltin tests[] = {
    {"defined", test_defined, "", 0}, {"undefined", test_undefined, "", 0}, {"none", test_none, "", 0}, {"boolean", test_boolean, "", 0},
    {"true", test_true, "", 0}, {"false", test_false, "", 0}, {"integer", test_integer, "", 0}, {"float", test_float, "", 0},
    {"number", test_number, "", 0}, {"string", test_string, "", 0}, {"mapping", test_mapping, "", 0}, {"sequence", test_sequence, "", 0},
    {"iterable", test_iterable, "", 0}, {"callable", test_callable, "", 0}, {"escaped", test_escaped, "", 0},
    {"sameas", test_sameas, "other", 1}, {"odd", test_odd, "", 0}, {"even", test_even, "", 0}, {"divisibleby", test_divisibleby, "num", 1},
    {"lower", test_lower, "", 0}, {"upper", test_upper, "", 0}, {"in", test_in, "seq", 1}, {"filter", test_filter, "", 0},
    {"test", test_test, "", 0}, {"==", test_eq, "/b", 1}, {"eq", test_eq, "/b", 1}, {"equalto", test_eq, "/b", 1},
    {"!=", test_ne, "/b", 1}, {"ne", test_ne, "/b", 1}, {"<", test_lt, "/b", 1}, {"lt", test_lt, "/b", 1}, {"lessthan", test_lt, "/b", 1},
    {"<=", test_le, "/b", 1}, {"le", test_le, "/b", 1}, {">", test_gt, "/b", 1}, {"gt", test_gt, "/b", 1}, {"greaterthan", test_gt, "/b", 1},
    {">=", test_ge, "/b", 1}, {"ge", test_ge, "/b", 1}, {0}};
/* clang-format on */

const jbuiltin *test_find(const char *name, size_t size) { return row_find(tests, name, size); }
