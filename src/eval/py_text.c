/* py_text.c - Python's str methods on UTF-8, as far as scoring rules use them. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "eval/eval_int.h"

/* ---- scratch ---- */

struct scratch_block {
    scratch_block *before;
    size_t size, used;
    _Alignas(16) char bytes[];
};

void *scratch_get(scratch *s, size_t size) {
    size = (size + 15) & ~(size_t)15;
    if (!s->last || s->last->size - s->last->used < size) {
        size_t room = size > 4096 ? size : 4096;
        scratch_block *b = mem_new(1, sizeof *b + room);
        b->before = s->last, b->size = room;
        s->last = b;
    }
    void *p = s->last->bytes + s->last->used;
    s->last->used += size;
    return p;
}

void scratch_free(scratch *s) {
    while (s->last) {
        scratch_block *b = s->last;
        s->last = b->before;
        free(b);
    }
}

char *scratch_cut(scratch *s, const char *text, size_t n) {
    char *p = scratch_get(s, n + 1);
    memcpy(p, text, n);
    return p;
}

char *scratch_printf(scratch *s, const char *format, ...) {
    va_list a, b;
    va_start(a, format);
    va_copy(b, a);
    int n = vsnprintf(NULL, 0, format, a);
    char *p = scratch_get(s, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, b);
    va_end(b);
    va_end(a);
    return p;
}

static char *keep(scratch *s, buf *b) {
    char *p = scratch_cut(s, b->size ? b->data : "", b->size);
    buf_free(b);
    return p;
}

/* ---- characters ---- */

bool py_is_alpha(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool py_is_upper(uint32_t cp) { return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_LU; }

/* Decoding needs to know how many bytes are left; four are always enough to ask about. */
static uint32_t peek(const char *at, int *size) {
    uint32_t cp;
    *size = utf8_decode(at, strnlen(at, 4), &cp);
    return cp;
}

static uint32_t next(const char **at) {
    int size;
    uint32_t cp = peek(*at, &size);
    *at += size;
    return cp;
}

static void put(buf *b, uint32_t cp) {
    char bytes[4];
    buf_put(b, bytes, (size_t)utf8_encode(cp, bytes));
}

size_t py_len(const char *text) {
    size_t n = 0;
    for (int step; *text; text += step, n++) peek(text, &step);
    return n;
}

uint32_t *py_code_points(scratch *s, const char *text, int *count) {
    uint32_t *out = scratch_get(s, (strlen(text) + 1) * sizeof *out);
    *count = 0;
    for (int step; *text; text += step) out[(*count)++] = peek(text, &step);
    return out;
}

/* ---- strip ---- */

char *py_strip(scratch *s, const char *text) {
    int step;
    while (*text && utf8_is_space(peek(text, &step))) text += step;
    const char *end = text;
    for (const char *at = text; *at; at += step)
        if (!utf8_is_space(peek(at, &step))) end = at + step;
    return scratch_cut(s, text, (size_t)(end - text));
}

char *py_rstrip_of(scratch *s, const char *text, const char *set) {
    size_t n = strlen(text);
    while (n && strchr(set, text[n - 1])) n--;
    return scratch_cut(s, text, n);
}

char *py_strip_of(scratch *s, const char *text, const char *set) { return py_rstrip_of(s, text + strspn(text, set), set); }

/* ---- case ---- */

/* Upper-case forms of more than one character (Unicode's SpecialCasing), Latin and Armenian. */
static const struct {
    uint32_t cp;
    const char *upper;
} long_upper[] = {
    {0xdf, "SS"},
    {0x149, "\u02bcN"},
    {0x1f0, "J\u030c"},
    {0x390, "\u0399\u0308\u0301"},
    {0x3b0, "\u03a5\u0308\u0301"},
    {0x587, "\u0535\u0552"},
    {0x1e96, "H\u0331"},
    {0x1e97, "T\u0308"},
    {0x1e98, "W\u030a"},
    {0x1e99, "Y\u030a"},
    {0x1e9a, "A\u02be"},
    {0xfb00, "FF"},
    {0xfb01, "FI"},
    {0xfb02, "FL"},
    {0xfb03, "FFI"},
    {0xfb04, "FFL"},
    {0xfb05, "ST"},
    {0xfb06, "ST"},
    {0xfb13, "\u0544\u0546"},
    {0xfb14, "\u0544\u0535"},
    {0xfb15, "\u0544\u053b"},
    {0xfb16, "\u054e\u0546"},
    {0xfb17, "\u0544\u053d"},
};

static void put_upper(buf *b, uint32_t cp) {
    for (size_t i = 0; i < COUNT_OF(long_upper); i++)
        if (long_upper[i].cp == cp) {
            buf_puts(b, long_upper[i].upper);
            return;
        }
    put(b, (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp));
}

static bool cased(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* The capital sigma ends a word as another letter than inside one. */
static uint32_t lower_sigma(bool after_letter, const char *rest) {
    int step;
    bool before_letter = *rest && cased(peek(rest, &step));
    return after_letter && !before_letter ? 0x3c2 : 0x3c3;
}

static void put_lower(buf *b, uint32_t cp, bool after_letter, const char *rest) {
    if (cp == 0x130) buf_puts(b, "i\u0307");
    else if (cp == 0x3a3) put(b, lower_sigma(after_letter, rest));
    else put(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
}

static void lower_into(buf *b, const char *text, bool after_letter) {
    while (*text) {
        uint32_t cp = next(&text);
        put_lower(b, cp, after_letter, text);
        after_letter = cased(cp);
    }
}

char *py_lower(scratch *s, const char *text) {
    buf b = {0};
    lower_into(&b, text, false);
    return keep(s, &b);
}

char *py_upper(scratch *s, const char *text) {
    buf b = {0};
    while (*text) put_upper(&b, next(&text));
    return keep(s, &b);
}

char *py_capitalize(scratch *s, const char *text) {
    buf b = {0};
    if (*text) {
        uint32_t cp = next(&text);
        if (cp == 0xdf) buf_puts(&b, "Ss"); /* title case, not upper case */
        else if (cp >= 0xfb00 && cp <= 0xfb06)
            buf_printf(&b, "%s", (const char *[]){"Ff", "Fi", "Fl", "Ffi", "Ffl", "St", "St"}[cp - 0xfb00]);
        else put_upper(&b, cp);
        lower_into(&b, text, cased(cp));
    }
    return keep(s, &b);
}

/* ---- replace, split, find ---- */

char *py_replace(scratch *s, const char *text, const char *from, const char *to) {
    size_t n = strlen(from);
    buf b = {0};
    const char *hit;
    while (n && (hit = strstr(text, from))) {
        buf_put(&b, text, (size_t)(hit - text));
        buf_puts(&b, to);
        text = hit + n;
    }
    buf_puts(&b, text);
    return keep(s, &b);
}

char **py_split(scratch *s, const char *text, int *count) {
    char **out = scratch_get(s, (strlen(text) / 2 + 2) * sizeof *out);
    int n = 0, step;
    while (*text) {
        while (*text && utf8_is_space(peek(text, &step))) text += step;
        const char *start = text;
        while (*text && !utf8_is_space(peek(text, &step))) text += step;
        if (text > start) out[n++] = scratch_cut(s, start, (size_t)(text - start));
    }
    *count = n;
    return out;
}

char **py_split_at(scratch *s, const char *text, const char *separator, int *count) {
    size_t size = strlen(separator);
    int n = 1;
    for (const char *at = text; (at = strstr(at, separator)); at += size) n++;
    char **out = scratch_get(s, (size_t)n * sizeof *out);
    for (int i = 0; i < n; i++) {
        const char *end = i + 1 < n ? strstr(text, separator) : text + strlen(text);
        out[i] = scratch_cut(s, text, (size_t)(end - text));
        text = end + size;
    }
    *count = n;
    return out;
}

const char *py_rfind(const char *text, const char *what) {
    size_t n = strlen(text), m = strlen(what);
    for (size_t i = n - m + 1; m <= n && i-- > 0;)
        if (!memcmp(text + i, what, m)) return text + i;
    return NULL;
}
