/* jinja_int.h - what the parts of the template engine share.
 *
 *   source -jinja_lex-> tokens -jinja_parse, jinja_expr-> nodes -jinja_scope-> names become slots -jinja_run, jinja_eval-> text
 *
 * One compilation or one rendering is one `jx`. All it makes lives in its pool, which has a ceiling and goes away at
 * once, so no value has an owner; a failure jumps straight back to the entry point (jx_fail), so no function returns a
 * status. Values never change once made, as in the reference's immutable sandbox, and share storage freely; only
 * namespaces, iterators, loops, cyclers and joiners have state. Strings are valid UTF-8 throughout.
 *
 * "The reference" is jinja2 3.1 as transformers sets it up: trim_blocks, lstrip_blocks, no autoescape,
 * ImmutableSandboxedEnvironment, loop controls, {% generation %}. */
#ifndef LMM_JINJA_INT_H
#define LMM_JINJA_INT_H

#include "text/text.h"

#include <setjmp.h>

/* ---- one compilation or rendering (jinja_pool.c) ---- */

typedef struct jx jx;
typedef struct jval jval;

typedef struct jchunk jchunk;
typedef struct {
    jchunk *last;
    size_t size, size_max;
} jpool;
void jpool_free(jpool *p);

void *jx_alloc(jx *x, size_t count, size_t size); /* zeroed, aligned for anything; over the ceiling: LMM_E_LIMIT */
/* Array growth inside the pool: makes room for `need` elements; the old array stays as garbage. */
void *jx_grow(jx *x, void *at, int count, int *capacity, int need, size_t size);
#define JX_PUSH(x, v, item) \
    ((v)->at = jx_grow((x), (v)->at, (v)->count, &(v)->capacity, (v)->count + 1, sizeof *(v)->at), (v)->at[(v)->count++] = (item))
_Noreturn void jx_fail(jx *x, lmm_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void jx_fail_plain(jx *x, lmm_status code, const char *text, size_t size); /* without the line */
void jx_step(jx *x, size_t count);                                                   /* pays for work; 0 left: LMM_E_LIMIT */
void jx_chars(jx *x, size_t size);                                                   /* for looking at the characters of so many bytes */
void jx_bytes(jx *x, size_t size);                                                   /* pays for going over so many bytes */
void jx_enter(jx *x); /* one level of recursion down; too deep: LMM_E_LIMIT */
static inline void jx_leave(jx *x);

/* ---- values (jinja_value.c, jinja_str.c, jinja_dict.c, jinja_iter.c) ---- */

typedef enum {
    J_MISSING, /* no value at all: an argument not given, a slot not set */
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STRING,
    J_LIST,
    J_TUPLE,
    J_DICT,
    J_VIEW, /* dict.keys(), .values(), .items() */
    J_RANGE,
    J_NAMESPACE,
    J_ITER, /* what map, select, batch, ... give: can be gone through once */
    J_MACRO,
    J_BUILTIN, /* range, namespace, ... */
    J_METHOD,  /* value.name, a built-in one */
    J_LOOP,
    J_CYCLER,
    J_JOINER
} jtype;

typedef struct jstr jstr;
typedef struct jlist jlist;
typedef struct jdict jdict;
typedef struct jview jview;
typedef struct jrange jrange;
typedef struct jiter jiter;
typedef struct jmacro jmacro;
typedef struct jmethod jmethod;
typedef struct jloop jloop;
typedef struct jcycler jcycler;
typedef struct jundefined jundefined;
typedef struct jbuiltin jbuiltin;
typedef struct jcall jcall;
typedef struct jnode jnode;
typedef struct jfunc jfunc;
typedef struct jframe jframe;

struct jval {
    jtype type;
    union {
        int64_t i; /* BOOL, INT */
        double f;
        const jstr *s;
        const jlist *l; /* LIST, TUPLE */
        const jdict *d; /* DICT */
        jdict *ns;      /* NAMESPACE */
        const jview *view;
        const jrange *range;
        jiter *iter;
        const jmacro *macro;
        const jbuiltin *builtin;
        const jmethod *method;
        jloop *loop;
        jcycler *cycler; /* CYCLER, JOINER */
        const jundefined *undefined;
    };
};

typedef struct jstore {
    char *at;
    size_t used, capacity;
} jstore; /* bytes that several strings may share the front of */
struct jstr {
    const char *at;
    size_t size, length; /* bytes, characters */
    jstore *store;       /* where it may grow in place; NULL when it cannot */
    bool is_safe;        /* Markup: escapes what is added to it */
};
typedef struct jitems {
    jval *at;
    size_t used, capacity;
} jitems;
struct jlist {
    const jval *at;
    size_t count;
    jitems *store;
    bool is_group; /* a tuple of groupby: .grouper, .list */
};
struct jdict {
    jval *keys, *values; /* in order of insertion */
    size_t count, capacity;
    uint32_t *index; /* open addressing: position + 1; NULL while small */
    size_t index_size;
};
typedef enum { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS } view_kind;
struct jview {
    const jdict *d;
    view_kind kind;
};
struct jrange {
    int64_t start, stop, step, count;
};
struct jmethod {
    jval self;
    const jbuiltin *row;
};
struct jcycler {
    const jlist *items;
    size_t at;
    jval separator;
};
/* Why it is undefined; a sentence is made of it only when somebody needs it. */
struct jundefined {
    const char *hint;
    jval name;
    const char *owner;
    bool is_unsafe;
};

static inline jval j_none(void) { return (jval){.type = J_NONE}; }
static inline jval j_missing(void) { return (jval){.type = J_MISSING}; }
static inline jval j_bool(bool b) { return (jval){.type = J_BOOL, .i = b}; }
static inline jval j_int(int64_t i) { return (jval){.type = J_INT, .i = i}; }
static inline jval j_float(double f) { return (jval){.type = J_FLOAT, .f = f}; }
static inline bool j_is_int(jval v) { return v.type == J_INT || v.type == J_BOOL; } /* Python's bool is an int */
static inline bool j_is_number(jval v) { return j_is_int(v) || v.type == J_FLOAT; }
static inline bool j_is_sequence(jval v) { return v.type == J_LIST || v.type == J_TUPLE; }
/* All elements fit; the way to them may not, hence without a sign. */
static inline int64_t range_at(const jrange *r, uint64_t i) { return (int64_t)((uint64_t)r->start + i * (uint64_t)r->step); }
static inline double j_to_real(jval v) { return v.type == J_FLOAT ? v.f : (double)v.i; }

/* strings (jinja_str.c) */
jval j_borrow(jx *x, const char *at, size_t size);            /* not copied: must outlive the pool; valid UTF-8 */
jval j_text(jx *x, const char *at, size_t size);              /* copied */
jval j_word(jx *x, const char *literal);                      /* not copied */
jval j_part(jx *x, const jstr *s, size_t first, size_t last); /* bytes [first, last) of s, shares its storage */
jval j_safe(jx *x, jval string, bool is_safe);
jval j_concat(jx *x, const jstr *a, const jstr *b); /* grows a in place when it can */
jval j_take(jx *x, buf *b, size_t first);           /* what b holds from `first` on; b is cut back to it */
bool str_is(jval v, const char *word);
bool str_equal(const jstr *a, const jstr *b);
int str_compare(const jstr *a, const jstr *b);             /* by code points, which is the order of the bytes */
size_t str_offset(jx *x, const jstr *s, size_t character); /* byte offset of a character; the end for any beyond */
/* First (or last) place of `what` in bytes [first, last) of s; -1 when there is none. */
int64_t str_find(jx *x, const jstr *s, const jstr *what, size_t first, size_t last);
int64_t str_find_last(jx *x, const jstr *s, const jstr *what, size_t first, size_t last);

/* x->work is the buffer for building strings: shared by everybody, used like a stack (remember its size, append, j_take). */
void jx_put(jx *x, const char *at, size_t size); /* appends to it; over the ceiling: LMM_E_LIMIT */
void jx_puts(jx *x, const char *s);
void jx_put_char(jx *x, uint32_t cp, size_t count);

jval str_lines(jx *x, const jstr *s, bool keep_ends);                                             /* splitlines() */
jval str_replace_all(jx *x, const jstr *s, const jstr *old, const jstr *new_text, int64_t limit); /* limit < 0: all */
jval str_center(jx *x, const jstr *s, int64_t width, uint32_t fill);
jval str_soft(jx *x, jval v); /* str(), but safe strings stay safe */

/* lists and dicts */
typedef struct {
    jval *at;
    int count, capacity;
} jvals;                                                      /* under construction: JX_PUSH */
jval j_list(jx *x, jtype type, const jval *at, size_t count); /* not copied */
jval j_pair(jx *x, jval a, jval b);
jdict *dict_new(jx *x);
void dict_put(jx *x, jdict *d, jval key, jval value); /* unhashable keys: LMM_E_ARG */
bool dict_get(jx *x, const jdict *d, jval key, jval *out);
bool dict_find_word(jx *x, const jdict *d, const char *key, jval *out);
jval j_dict(const jdict *d);
jval j_from_tree(jx *x, const tree *t);

/* undefined */
jval j_undefined(jx *x, jval name);                  /* a variable */
jval j_undefined_part(jx *x, jval owner, jval name); /* an attribute or element */
jval j_undefined_hint(jx *x, const char *literal);
_Noreturn void undefined_fail(jx *x, jval v);

/* iteration: over anything Python would iterate over */
jiter *iter_new(jx *x, jval v); /* not iterable: LMM_E_ARG */
jiter *iter_again(jx *x, const jval *at, size_t count);
bool iter_next(jx *x, jiter *it, jval *out);
jval j_reversed(jx *x, jval v); /* fails when v has no order to reverse */
jlist *list_of(jx *x, jval v);  /* all that is left, as a list */
/* An iterator made of another one, one item at a time: fn gives the next item or false; state is in the callee's hands. */
typedef bool (*iter_fn)(jx *x, jiter *it, jval *out);
jval j_lazy(jx *x, const char *name, iter_fn fn, jiter *source, void *state);
struct jiter {
    const char *name; /* for its print-out */
    iter_fn fn;
    jiter *source;
    void *state;
    jval v; /* what is gone through */
    size_t at, count;
};

/* ---- what values do (jinja_ops.c, jinja_compare.c, jinja_repr.c, jinja_json.c, jinja_attr.c) ---- */

const char *type_name(jval v); /* as Python says it */
bool j_truth(jval v);
int64_t j_length(jx *x, jval v); /* without a length: LMM_E_ARG */
bool j_has_length(jval v);
bool j_equal(jx *x, jval a, jval b);
typedef enum { CMP_LT, CMP_LE, CMP_GT, CMP_GE } compare_op;
bool j_order(jx *x, compare_op op, jval a, jval b); /* cannot be ordered: LMM_E_ARG */
bool j_same(jval a, jval b);                        /* Python's `is` */
bool j_contains(jx *x, jval container, jval item);
uint64_t j_hash(jx *x, jval v);               /* unhashable: LMM_E_ARG */
jval j_binary(jx *x, int op, jval a, jval b); /* op: '+' '-' '*' '/' '%', 'f' for //, 'p' for ** */
jval j_negative(jx *x, jval v);
jval j_positive(jx *x, jval v);
jval j_slice(jx *x, jval v, jval start, jval stop, jval step);
jval j_item(jx *x, jval v, jval key);            /* v[key]: item first, then attribute */
jval j_attribute(jx *x, jval v, jval name);      /* v.name: attribute first, then item */
jval j_attribute_only(jx *x, jval v, jval name); /* the filter attr */
jval j_str(jx *x, jval v);                       /* Python's str() */
void put_str(jx *x, jval v);                     /* the same, appended to the work buffer */
void put_repr(jx *x, jval v);
void put_float(jx *x, double f);
typedef struct {
    bool ascii, sort_keys;
    const jstr *indent, *item_end, *key_end;
} json_style;
void put_json(jx *x, jval v, const json_style *s, int level);
void put_quoted_json(jx *x, const jstr *s, bool ascii);
jval j_percent(jx *x, jval format, jval args);            /* "%d" % args (jinja_percent.c) */
jval j_format(jx *x, const jstr *format, const jcall *c); /* "{}".format(args) (jinja_format.c) */
/* What stands behind % or : there. align: '<' '>' '^', '=' pads behind the sign, 0 by kind; precision -1: none. */
typedef struct {
    uint32_t fill;
    char align, sign, group, type;
    bool alternate;
    int64_t width, precision;
} fspec;
void put_formatted_int(jx *x, int64_t i, const fspec *s);
void put_formatted_real(jx *x, double f, const fspec *s);
void put_formatted_text(jx *x, const jstr *text, const fspec *s);
jval j_escape(jx *x, jval v);                      /* HTML; gives a safe string */
double parse_real(jx *x, const jstr *s, bool *ok); /* as Python's float() and int() read them */
int64_t parse_integer(jx *x, const jstr *s, int base, bool *ok);
int64_t real_to_int(jx *x, double f); /* cut; beyond 64 bits: LMM_E_LIMIT */
int64_t need_int(jx *x, jval v, const char *what);
const jstr *need_str(jx *x, jval v, const char *what);

/* characters (jinja_char.c) */
bool char_is_line_end(uint32_t c);
bool char_is_printable(uint32_t c);
bool char_is_word(uint32_t c); /* \w */
bool char_starts_name(uint32_t c);
bool char_continues_name(uint32_t c);
typedef enum { CHAR_ALPHA, CHAR_DECIMAL, CHAR_DIGIT, CHAR_NUMERIC, CHAR_UPPER, CHAR_LOWER, CHAR_TITLE } char_kind;
bool char_is(uint32_t c, char_kind kind);
jval str_has_case(jx *x, const jstr *s, char_kind kind); /* isupper(), islower() */
jval str_upper(jx *x, const jstr *s);
jval str_lower(jx *x, const jstr *s);
jval str_title(jx *x, const jstr *s);
jval str_capitalize(jx *x, const jstr *s);
jval str_swapcase(jx *x, const jstr *s);
jval str_casefold(jx *x, const jstr *s);
jval str_title_words(jx *x, const jstr *s); /* the filter title: splits differently */

/* ---- callables (jinja_call.c and the tables) ---- */

enum { ARGS_MAX = 6 };
/* A call as the callee sees it. arg[]: bound to the names in the row, J_MISSING where nothing was given. */
struct jcall {
    jval self;      /* the value before | or . or `is` */
    const jval *at; /* positional */
    int count;
    const jdict *named; /* may be NULL */
    jval arg[ARGS_MAX];
};
typedef jval (*jfn)(jx *x, jcall *c);
struct jbuiltin {
    const char *name;
    jfn fn;             /* NULL: known to the reference, not to us */
    const char *params; /* names in order; "*": any, unbound; a leading '/': positional only */
    int need;           /* how many must be given */
};
jval j_call(jx *x, jval callee, jcall *c);
jval builtin_call(jx *x, const jbuiltin *row, jcall *c);
const jbuiltin *filter_find(const char *name, size_t size);
const jbuiltin *test_find(const char *name, size_t size);
const jbuiltin *global_find(const char *name, size_t size);
const jbuiltin *row_find(const jbuiltin *rows, const char *name, size_t size); /* rows end with a NULL name */
extern const jbuiltin filters_of_text[], filters_of_values[], filters_of_sequences[], filters_lazy[];
extern const jbuiltin str_methods[], str_methods_more[], str_tests[], list_methods[], tuple_methods[], dict_methods[], number_methods[];
/* Attribute paths of filters: "a.b.0". */
typedef struct {
    jval *at;
    int count;
} jpath;
jpath path_of(jx *x, jval attribute);                        /* missing or none: the item itself */
jval path_get(jx *x, jpath path, jval item, jval otherwise); /* otherwise: for undefined steps, may be missing */
jval lower_if_string(jx *x, jval v);
/* Stable, by keys; reverse keeps the order of equals too. Returns the items in order. */
jval *sorted_items(jx *x, const jval *items, const jval *keys, size_t count, bool reverse);
static inline bool given(jval arg) { return arg.type != J_MISSING; }
static inline jval arg_or(jval arg, jval otherwise) { return given(arg) ? arg : otherwise; }

/* ---- tokens (jinja_lex.c) ---- */

typedef enum { T_END, T_DATA, T_BLOCK_BEGIN, T_BLOCK_END, T_PRINT_BEGIN, T_PRINT_END, T_NAME, T_STRING, T_INT, T_FLOAT, T_OPERATOR } ttype;
typedef struct {
    ttype type;
    int line;
    int op;     /* OPERATOR: the character; TWO(a, b) for two */
    jval value; /* DATA, NAME, STRING: text; INT, FLOAT */
} token;
#define TWO(a, b) ((a) << 8 | (b))
typedef struct {
    token *at;
    int count, capacity;
} tokens;
tokens jinja_lex(jx *x, const char *source, size_t size);

/* ---- nodes (jinja_parse.c, jinja_expr.c) ---- */

typedef enum {
    N_DATA,
    N_PRINT,
    N_IF,
    N_FOR,
    N_SET,
    N_SET_BLOCK,
    N_WITH,
    N_MACRO,
    N_CALL_BLOCK,
    N_GENERATION,
    N_FILTER_BLOCK,
    N_BREAK,
    N_CONTINUE,
    N_CONST,
    N_NAME,
    N_NS_ATTRIBUTE,
    N_TUPLE,
    N_LIST,
    N_DICT,
    N_OR,
    N_AND,
    N_NOT,
    N_COMPARE,
    N_MATH,
    N_JOIN,
    N_NEGATIVE,
    N_POSITIVE,
    N_ATTRIBUTE,
    N_ITEM,
    N_SLICE,
    N_CALL,
    N_FILTER,
    N_TEST,
    N_COND
} nkind;

typedef struct {
    jnode **at;
    int count, capacity;
} jnodes;
typedef struct {
    int hops, slot;
} jref; /* so many frames out, then this slot */
/* What happens to a slot when a scope is entered. */
typedef struct {
    enum { LOAD_UNDEFINED, LOAD_GLOBAL, LOAD_OUTER } how;
    int slot;
    int name;
    jref from;
} jload;
typedef struct {
    jload *at;
    int count, capacity;
} jloads;

typedef struct {
    jnodes list;
    struct {
        jval name;
        jnode *value;
    } * named;
    int named_count, named_capacity;
    jnode *star, *star_star;
} jargs;

struct jnode {
    nkind kind;
    int line;
    int *ops;                 /* MATH, COMPARE: one operator for each of list[1..] */
    int name;                 /* NAME, NS_ATTRIBUTE, MACRO: number of the name */
    bool is_negated, is_soft; /* TEST: is not; FILTER, TEST: unknown row is an error only when reached */
    jval value;               /* CONST, DATA; attribute, filter or test name */
    jref ref;                 /* where the name lives */
    jnode *a, *b, *c;         /* operands; FOR: target, iterable, test */
    jnodes list;              /* items, operands, targets; PRINT: expressions; IF: tests */
    jnodes list2;             /* DICT, WITH: values */
    jnodes body, other;       /* statements; FOR: else */
    jnodes *bodies;           /* IF: one a test */
    jargs *args;
    const jbuiltin *row;
    jloads loads, loads2; /* entering body; entering other */
    int loop_slot;        /* FOR */
    jfunc *func;          /* MACRO, CALL_BLOCK, GENERATION; recursive FOR: the body */
    jfunc *test_func;     /* FOR with `if` */
};

/* A piece of template with its own frame: the template, a macro, the body of a call block, the test of a loop. */
struct jfunc {
    int number; /* in the template, for reuse of frames */
    jfunc *outer;
    int slot_count;
    jval name;       /* NONE for call blocks */
    jnodes params;   /* NAME nodes; of the test of a loop: the loop's target */
    jnodes defaults; /* of the last params */
    jnodes body;
    jloads loads;
    int caller_slot, kwargs_slot, varargs_slot; /* -1: the body does not ask for it */
    bool has_caller_param;
};

/* What chat.c wants to know: how the template treats `content`. */
typedef struct {
    bool goes_through_parts, asks_for_string;
} content_use;

struct jinja {
    jpool pool;
    jinja_limits limits;
    jfunc *root;
    int func_count;
    jval *names; /* strings */
    int name_count;
    content_use content;
};
const content_use *jinja_content_use(const jinja *j);

/* The parser's state, shared by jinja_parse.c and jinja_expr.c. */
typedef struct {
    jx *x;
    tokens tokens;
    int at;
    strmap *names;
    jvals name_list;
    int loops;                                   /* that a break would leave */
    bool sees_caller, sees_kwargs, sees_varargs; /* since the innermost macro began */
    int func_count;
} parser;
jnode *node_new(parser *p, nkind kind, int line);
token *peek(parser *p);
bool is_op(parser *p, int op);
bool is_word(parser *p, const char *word);
bool skip_op(parser *p, int op);
bool skip_word(parser *p, const char *word);
void expect_op(parser *p, int op);
_Noreturn void fail_expected(parser *p, const char *what);
jval expect_name(parser *p);
int name_number(parser *p, jval name);
jnode *parse_expression(parser *p, bool with_if);
jnode *parse_tuple(parser *p, bool with_if, const char *end_word, bool in_parentheses);
jnode *parse_target(parser *p, const char *end_word, bool with_namespace);
jnode *parse_filters(parser *p, jnode *first, bool starts_with_name);
jnode *parse_name_target(parser *p);
jfunc *jinja_parse(jx *x, tokens t, jinja *j, strmap *names);
enum { NAMES_MAX = 256 }; /* keyword arguments of a call, parameters of a macro: each is compared with the others */
enum { NAME_LOOP, NAME_CALLER, NAME_KWARGS, NAME_VARARGS }; /* numbers of names that are always there */
void jinja_resolve(jx *x, jfunc *root, int name_count);     /* jinja_scope.c: gives every name its slot */
/* Calls fn for every expression directly below the expression n. */
void expr_each(jnode *n, void (*fn)(void *arg, jnode *child), void *arg);
content_use content_use_of(jx *x, const jfunc *root, int name_count); /* jinja_content.c */

/* ---- running (jinja_run.c, jinja_eval.c) ---- */

struct jframe {
    jframe *outer;
    bool is_kept; /* a macro remembers it: no reuse */
    jval slot[];
};
struct jmacro {
    const jfunc *func;
    jframe *outer;
};
struct jloop {
    jiter *source;
    jval iterable;           /* what it was made of, for its length */
    int64_t index0, length;  /* length -1: not known yet */
    jval before, now, after; /* after: peeked */
    jval changed;            /* last arguments of changed() */
    const jnode *node;       /* recursive loops: to run again */
    jframe *outer;
    int64_t depth0;
};
typedef enum { RUN_ON, RUN_BREAK, RUN_CONTINUE } jflow;
jflow run_body(jx *x, jframe *f, const jnodes *body);
void enter_scope(jx *x, jframe *f, const jloads *loads);
void leave_scope(jframe *f, const jloads *loads);
jframe *frame_new(jx *x, const jfunc *func, jframe *outer);
void frame_done(jx *x, const jfunc *func, jframe *f);
void assign(jx *x, jframe *f, const jnode *target, jval v);
jval eval(jx *x, jframe *f, const jnode *n);
void eval_arguments(jx *x, jframe *f, const jargs *args, jcall *c); /* NULL args: leaves c as it is */
void run_for(jx *x, jframe *f, const jnode *n);
jval eval_filter(jx *x, jframe *f, const jnode *n, jval value);
jval macro_call(jx *x, const jmacro *m, jcall *c);
jval loop_call(jx *x, jloop *l, jcall *c);
jval loop_attribute(jx *x, jloop *l, jval name);
/* Output goes to the innermost capture. */
void capture_begin(jx *x);
jval capture_end(jx *x);
void emit(jx *x, const char *at, size_t size);

struct jx {
    jmp_buf trap;
    lmm_status status;
    jpool pool;
    jinja_limits limits;
    int64_t steps; /* left */
    int depth, depth_max, calls, line;
    buf work;
    /* rendering only */
    const jinja *code;
    const jdict *vars;
    jval *globals;        /* by number of the name; MISSING: not looked up yet */
    jframe **free_frames; /* by number of the function */
    buf *captures;
    int capture_count, capture_capacity;
    size_t captured; /* bytes in all captures */
    int64_t now;
    span_list spans;
};
static inline void jx_leave(jx *x) { x->depth--; }
void jx_init(jx *x, const jinja_limits *limits);
void jx_free(jx *x); /* all but the pool */

#endif
