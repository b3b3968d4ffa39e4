/* jinja_percent.c - numbers and texts laid out in a field, and Python's % operator for strings. */
#include "text/jinja_int.h"

#include <math.h>
#include <string.h>

enum { PRECISION_MAX = 500 };

/* ---- fields ---- */

static void put_field(jx *x, const fspec *s, char usual, const char *prefix, const char *body, size_t size, size_t length) {
    char align = s->align ? s->align : usual;
    size_t used = strlen(prefix) + length, pad = s->width > (int64_t)used ? (size_t)s->width - used : 0;
    size_t left = align == '>' ? pad : align == '^' ? pad / 2 : 0;
    jx_put_char(x, s->fill, left);
    jx_puts(x, prefix);
    if (align == '=') jx_put_char(x, s->fill, pad);
    jx_put(x, body, size);
    if (align != '=') jx_put_char(x, s->fill, pad - left);
}

void put_formatted_text(jx *x, const jstr *text, const fspec *s) {
    size_t size = s->precision >= 0 ? str_offset(x, text, (size_t)s->precision) : text->size;
    size_t length = s->precision >= 0 && (size_t)s->precision < text->length ? (size_t)s->precision : text->length;
    put_field(x, s, '<', "", text->at, size, length);
}

static const char *sign_text(const fspec *s, bool is_negative) {
    return is_negative ? "-" : s->sign == '+' ? "+" : s->sign == ' ' ? " " : "";
}

/* Digits with a separator after every `every` of them, counted from `last`. */
static size_t group_digits(char *out, const char *digits, size_t n, char separator, size_t every) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && separator && (n - i) % every == 0) out[size++] = separator;
        out[size++] = digits[i];
    }
    return size;
}

void put_formatted_int(jx *x, int64_t i, const fspec *s) {
    char digits[80 + PRECISION_MAX], grouped[2 * sizeof digits], prefix[8];
    uint64_t rest = i < 0 ? -(uint64_t)i : (uint64_t)i;
    unsigned base = s->type == 'x' || s->type == 'X' ? 16 : s->type == 'o' ? 8 : s->type == 'b' ? 2 : 10;
    const char *names = s->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t first = sizeof digits;
    if (s->precision > PRECISION_MAX) jx_fail(x, LMM_E_LIMIT, "a precision of more than %d", PRECISION_MAX);
    while (rest || first == sizeof digits || (int64_t)(sizeof digits - first) < s->precision) {
        digits[--first] = names[rest % base];
        rest /= base;
    }
    size_t size = group_digits(grouped, digits + first, sizeof digits - first, s->group, base == 10 ? 3 : 4);
    snprintf(prefix, sizeof prefix, "%s%s%.1s", sign_text(s, i < 0), s->alternate && base != 10 ? "0" : "",
             s->alternate && base != 10 ? &s->type : "");
    put_field(x, s, '>', prefix, grouped, size, size);
}

/* Without a type and with a precision: as %g, but it stays a float to look at. */
static void general(char *text, size_t size, double f, int precision) {
    snprintf(text, size, "%.*g", precision ? precision : 1, f);
    char *e = strchr(text, 'e');
    if (strchr(text, '.') || !isfinite(f)) return;
    if (!e && (int)strlen(text) >= (precision ? precision : 1) + (precision <= 1)) {
        snprintf(text, size, "%.*e", (precision ? precision : 1) - 1, f);
        return;
    }
    if (!e) strcat(text, ".0");
}

void put_formatted_real(jx *x, double f, const fspec *s) {
    char format[16], text[1024], grouped[1400];
    char type = s->type == '%' ? 'f' : s->type == 'n' ? 'g' : s->type;
    double value = fabs(s->type == '%' ? f * 100 : f);
    bool is_negative = signbit(f) && !isnan(f);
    if (s->precision > PRECISION_MAX) jx_fail(x, LMM_E_LIMIT, "a precision of more than %d", PRECISION_MAX);
    if (!type && s->precision < 0) {
        size_t mark = x->work.size;
        put_float(x, value);
        snprintf(text, sizeof text, "%.*s", (int)(x->work.size - mark), x->work.data + mark);
        x->work.size = mark;
    } else if (!type) {
        general(text, sizeof text, value, (int)s->precision);
    } else {
        snprintf(format, sizeof format, s->alternate ? "%%#.*%c" : "%%.*%c", type);
        snprintf(text, sizeof text, format, s->precision < 0 ? 6 : (int)s->precision, value);
    }
    if (s->type == '%') strcat(text, "%");
    size_t whole = strspn(text, "0123456789"), size = group_digits(grouped, text, whole, s->group, 3);
    strcpy(grouped + size, text + whole);
    put_field(x, s, '>', sign_text(s, is_negative), grouped, strlen(grouped), strlen(grouped));
}

/* ---- the % operator ---- */

typedef struct {
    jx *x;
    const jstr *format;
    size_t at;
    jval args; /* a tuple, or one value */
    size_t used;
    bool used_names;
} percent;

static jval next_argument(percent *p) {
    bool is_tuple = p->args.type == J_TUPLE;
    if (p->used >= (is_tuple ? p->args.l->count : 1)) jx_fail(p->x, LMM_E_ARG, "not enough arguments for format string");
    return is_tuple ? p->args.l->at[p->used++] : (p->used++, p->args);
}

static char here(const percent *p) { return p->at < p->format->size ? p->format->at[p->at] : 0; }

static int64_t number_here(percent *p) {
    int64_t n = 0;
    if (here(p) == '*') {
        p->at++;
        return need_int(p->x, next_argument(p), "the width or precision for *");
    }
    for (; here(p) >= '0' && here(p) <= '9'; p->at++) n = n < INT32_MAX / 10 ? n * 10 + here(p) - '0' : INT32_MAX;
    return n;
}

/* %(name)s: the name, brackets inside counted. */
static jval name_here(percent *p) {
    size_t first = ++p->at;
    for (int open = 1; open > 0; p->at++) {
        if (p->at >= p->format->size) jx_fail(p->x, LMM_E_ARG, "incomplete format key");
        open += (here(p) == '(') - (here(p) == ')');
    }
    return j_text(p->x, p->format->at + first, p->at - first - 1);
}

static fspec spec_here(percent *p) {
    fspec s = {.fill = ' ', .align = '>', .precision = -1};
    bool zero = false, left = false;
    for (; here(p) && strchr("#0- +", here(p)); p->at++) {
        s.alternate |= here(p) == '#';
        zero |= here(p) == '0';
        left |= here(p) == '-';
        if (here(p) == '+' || (here(p) == ' ' && !s.sign)) s.sign = here(p);
    }
    s.width = number_here(p);
    if (s.width < 0) {
        left = true;
        s.width = s.width == INT64_MIN ? INT64_MAX : -s.width;
    }
    if (here(p) == '.') {
        p->at++;
        s.precision = number_here(p);
        if (s.precision < 0) s.precision = 0;
    }
    while (here(p) == 'h' || here(p) == 'l' || here(p) == 'L') p->at++;
    s.type = here(p);
    if (!s.type) jx_fail(p->x, LMM_E_ARG, "incomplete format");
    p->at++;
    if (zero && !left && strchr("diuoxXeEfFgG", s.type)) {
        s.fill = '0';
        s.align = '=';
    }
    if (left) s.align = '<';
    return s;
}

static void put_percent_text(percent *p, jval v, const fspec *s) {
    if (s->type == 'r') {
        size_t mark = p->x->work.size;
        put_repr(p->x, v);
        v = j_take(p->x, &p->x->work, mark);
    }
    if (p->format->is_safe) v = j_escape(p->x, v);
    put_formatted_text(p->x, str_soft(p->x, v).s, s);
}

static void put_percent_number(percent *p, jval v, fspec *s) {
    jx *x = p->x;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (!j_is_number(v)) jx_fail(x, LMM_E_ARG, "%%%c format: a number is required, not %s", s->type, type_name(v));
    if (strchr("eEfFgG", s->type)) {
        put_formatted_real(x, j_to_real(v), s);
        return;
    }
    if (v.type == J_FLOAT && strchr("oxX", s->type)) jx_fail(x, LMM_E_ARG, "%%%c format: an integer is required, not float", s->type);
    put_formatted_int(x, v.type == J_FLOAT ? real_to_int(x, v.f) : v.i, s);
}

static void put_percent_character(percent *p, jval v, fspec *s) {
    char bytes[4];
    jval text = v;
    if (j_is_int(v)) {
        if (v.i < 0 || v.i > 0x10FFFF) jx_fail(p->x, LMM_E_ARG, "%%c arg not in range(0x110000)");
        text = j_text(p->x, bytes, (size_t)utf8_encode((uint32_t)v.i, bytes));
    }
    if (text.type != J_STRING || text.s->length != 1) jx_fail(p->x, LMM_E_ARG, "%%c requires int or char");
    s->precision = -1;
    put_formatted_text(p->x, text.s, s);
}

static void put_directive(percent *p) {
    jval named = j_missing();
    p->at++;
    if (here(p) == '(') {
        if (p->args.type != J_DICT) jx_fail(p->x, LMM_E_ARG, "format requires a mapping");
        jval name = name_here(p);
        if (!dict_get(p->x, p->args.d, name, &named))
            jx_fail(p->x, LMM_E_ARG, "format key '%.*s' is missing", (int)name.s->size, name.s->at);
        p->used_names = true;
    }
    fspec s = spec_here(p);
    if (s.type == '%') {
        jx_puts(p->x, "%");
        return;
    }
    if (!strchr("srdiuoxXeEfFgGc", s.type)) jx_fail(p->x, LMM_E_ARG, "unsupported format character '%c'", s.type);
    jval v = given(named) ? named : next_argument(p);
    if (s.type == 's' || s.type == 'r') put_percent_text(p, v, &s);
    else if (s.type == 'c') put_percent_character(p, v, &s);
    else put_percent_number(p, v, &s);
}

jval j_percent(jx *x, jval format, jval args) {
    percent p = {.x = x, .format = format.s, .args = args};
    size_t mark = x->work.size;
    while (p.at < format.s->size) {
        jx_step(x, 1);
        if (here(&p) == '%') {
            put_directive(&p);
            continue;
        }
        size_t first = p.at;
        while (p.at < format.s->size && here(&p) != '%') p.at++;
        jx_put(x, format.s->at + first, p.at - first);
    }
    bool may_be_left = args.type == J_DICT || args.type == J_LIST || args.type == J_RANGE || args.type == J_UNDEFINED;
    if (!may_be_left && p.used < (args.type == J_TUPLE ? args.l->count : 1)) {
        jx_fail(x, LMM_E_ARG, "not all arguments converted during string formatting");
    }
    return j_safe(x, j_take(x, &x->work, mark), format.s->is_safe);
}
