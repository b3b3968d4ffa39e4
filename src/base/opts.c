/* opts.c - command options from one table: parsing with bounds, and the --help page. */
#include "base/base.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_WIDTH = 100, HELP_COLUMN = 28 };

/* ---- names ---- */

/* The long form of "-m|--model" for messages. */
static const char *long_name(const opt *o) {
    const char *bar = strchr(o->name, '|');
    return bar ? bar + 1 : o->name;
}

static bool is_named(const opt *o, const char *word, size_t n) {
    for (const char *name = o->name; name;) {
        size_t length = strcspn(name, "|");
        if (length == n && memcmp(name, word, n) == 0) return true;
        name = name[length] ? name + length + 1 : NULL;
    }
    return false;
}

static const opt *find_option(const opt *table, const char *word, size_t n) {
    const opt *found = NULL;
    for (const opt *o = table; o->name && !found; o++) {
        if (o->type == OPT_TABLE) found = find_option(o->out, word, n);
        else if (is_named(o, word, n)) found = o;
    }
    return found;
}

static bool is_help(const opt *table, const char *word) {
    bool asks = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    return asks && !find_option(table, word, strlen(word));
}

/* "-" is a file name, "-5" and "-.5" are numbers. */
static bool is_option(const char *word) { return word[0] == '-' && word[1] && !isdigit((unsigned char)word[1]) && word[1] != '.'; }

static void list_add(opt_list *list, const char *word) {
    list->at = mem_resize(list->at, (size_t)list->count + 1, sizeof *list->at);
    list->at[list->count++] = word;
}

static void list_names(opt_list *names, const opt *table) {
    for (const opt *o = table; o->name; o++) {
        if (o->type == OPT_TABLE) list_names(names, o->out);
        else list_add(names, long_name(o));
    }
}

static lmm_status fail_unknown(const opt *table, const char *word, size_t n) {
    opt_list names = {0};
    list_names(&names, table);
    list_add(&names, "--help");
    list_add(&names, NULL);
    char *name = mem_strndup(word, n);
    const char *near = nearest_word(name, names.at);
    lmm_status st = near ? LMM_FAIL(LMM_E_ARG, "unknown option '%s' (did you mean '%s'?)", name, near)
                         : LMM_FAIL(LMM_E_ARG, "unknown option '%s' (--help lists them)", name);
    free(name);
    free(names.at);
    return st;
}

/* ---- values ---- */

static bool is_bounded(const opt *o) { return o->low < o->high; }

static lmm_status fail_value(const opt *o, const char *value, const char *kind) {
    if (!is_bounded(o)) return LMM_FAIL(LMM_E_ARG, "option '%s' needs %s, not '%s'", long_name(o), kind, value);
    return LMM_FAIL(LMM_E_ARG, "option '%s' needs %s in [%.15g, %.15g], not '%s'", long_name(o), kind, o->low, o->high, value);
}

static bool in_bounds(const opt *o, double x) { return !is_bounded(o) || (x >= o->low && x <= o->high); }

static lmm_status set_int(const opt *o, const char *value) {
    char *end;
    errno = 0;
    long i = strtol(value, &end, 10);
    bool is_good = end != value && !*end && errno == 0 && i >= INT_MIN && i <= INT_MAX;
    if (!is_good || !in_bounds(o, (double)i)) return fail_value(o, value, "an integer");
    *(int *)o->out = (int)i;
    return LMM_OK;
}

static lmm_status set_real(const opt *o, const char *value) {
    char *end;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x) || !in_bounds(o, x)) return fail_value(o, value, "a number");
    *(double *)o->out = x;
    return LMM_OK;
}

static lmm_status set_value(const opt *o, const char *value) {
    switch (o->type) {
    case OPT_FLAG: *(bool *)o->out = true; return LMM_OK;
    case OPT_INT: return set_int(o, value);
    case OPT_REAL: return set_real(o, value);
    case OPT_STRING: *(const char **)o->out = value; return LMM_OK;
    case OPT_LIST: list_add(o->out, value); return LMM_OK;
    case OPT_TABLE: break;
    }
    return LMM_OK;
}

static const char *value_name(const opt *o) { return o->value ? o->value : o->type == OPT_INT ? "N" : o->type == OPT_REAL ? "X" : "VALUE"; }

/* Takes argv[*at] and, when it needs one, the value behind it. */
static lmm_status take_option(const opt *table, int argc, char **argv, int *at) {
    const char *word = argv[*at], *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    const opt *o = find_option(table, word, n);
    if (!o) return fail_unknown(table, word, n);
    if (o->type == OPT_FLAG && equals) return LMM_FAIL(LMM_E_ARG, "option '%s' takes no value", long_name(o));
    const char *value = equals ? equals + 1 : NULL;
    if (o->type != OPT_FLAG && !value) {
        bool missing = *at + 1 >= argc || strcmp(argv[*at + 1], "--") == 0 || find_option(table, argv[*at + 1], strlen(argv[*at + 1]));
        if (missing) return LMM_FAIL(LMM_E_ARG, "option '%s' needs a value: %s", long_name(o), value_name(o));
        value = argv[++*at];
    }
    return set_value(o, value);
}

lmm_status opts_parse(const opt *table, int argc, char **argv, opt_list *rest, bool *help) {
    for (int i = 0; help && i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!is_help(table, argv[i])) continue;
        *help = true; /* before anything is set: the page shows the defaults */
        return LMM_OK;
    }
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        lmm_status st = LMM_OK;
        if (!only_words && strcmp(argv[i], "--") == 0) only_words = true;
        else if (!only_words && is_option(argv[i])) st = take_option(table, argc, argv, &i);
        else if (rest) list_add(rest, argv[i]);
        else st = LMM_FAIL(LMM_E_ARG, "unexpected argument '%s'", argv[i]);
        if (st) return st;
    }
    return LMM_OK;
}

void opts_free(const opt *table) {
    for (; table->name; table++) {
        if (table->type == OPT_TABLE) opts_free(table->out);
        if (table->type != OPT_LIST) continue;
        opt_list *list = table->out;
        free(list->at);
        *list = (opt_list){0};
    }
}

/* ---- help ---- */

/* Puts words from column `column` on, in lines of HELP_WIDTH, the later ones indented to HELP_COLUMN. */
static void put_wrapped(buf *b, const char *text, int column) {
    bool first = true;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        int n = (int)strcspn(text, " ");
        if (!first && column + 1 + n > HELP_WIDTH) {
            buf_printf(b, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (!first) {
            buf_putc(b, ' ');
            column++;
        }
        buf_put(b, text, (size_t)n);
        column += n;
        text += n;
        first = false;
    }
    buf_putc(b, '\n');
}

/* " (default 64, 1 to 4096)": what the variable holds before parsing, and the bounds. */
static void put_facts(buf *b, const opt *o) {
    buf facts = {0};
    const char *text = o->type == OPT_STRING ? *(const char **)o->out : NULL;
    if (o->type == OPT_INT) buf_printf(&facts, "default %d", *(int *)o->out);
    if (o->type == OPT_REAL) buf_printf(&facts, "default %.6g", *(double *)o->out);
    if (text && *text) buf_printf(&facts, "default %s", text);
    if (o->type == OPT_LIST) buf_puts(&facts, "may be repeated");
    if ((o->type == OPT_INT || o->type == OPT_REAL) && is_bounded(o)) buf_printf(&facts, ", %.15g to %.15g", o->low, o->high);
    if (facts.size) buf_printf(b, " (%s)", facts.data);
    buf_free(&facts);
}

static void put_option(buf *b, const opt *o) {
    const char *bar = strchr(o->name, '|');
    size_t start = b->size;
    if (bar) buf_printf(b, "  %.*s, %s", (int)(bar - o->name), o->name, bar + 1);
    else buf_printf(b, "      %s", o->name);
    if (o->type != OPT_FLAG) buf_printf(b, " %s", value_name(o));
    int column = (int)(b->size - start);
    if (column + 2 > HELP_COLUMN) {
        buf_putc(b, '\n');
        column = 0;
    }
    buf_printf(b, "%*s", HELP_COLUMN - column, "");
    buf help = {0};
    buf_puts(&help, o->help ? o->help : "");
    if (o->out) put_facts(&help, o);
    put_wrapped(b, help.data, HELP_COLUMN);
    buf_free(&help);
}

static void put_options(buf *b, const opt *table) {
    for (const opt *o = table; o->name; o++) {
        if (o->type == OPT_TABLE) put_options(b, o->out);
        else put_option(b, o);
    }
}

void opts_help(buf *out, const char *usage, const char *summary, const opt *table, const char *examples) {
    buf_printf(out, "usage: %s\n\n%s\n\noptions:\n", usage, summary);
    put_options(out, table);
    put_option(out, &(opt){.name = find_option(table, "-h", 2) ? "--help" : "-h|--help", .help = "show this page"});
    if (examples && *examples) {
        buf_printf(out, "\nexamples:\n%s", examples);
        if (out->data[out->size - 1] != '\n') buf_putc(out, '\n');
    }
}
