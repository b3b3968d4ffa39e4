/* python_text.c - str.strip and float() as Python 3 has them. */
#include "base/base.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

char *python_strip(const char *s) {
    size_t n = strlen(s), from = 0, space;
    uint32_t c;
    while (from < n && (space = (size_t)utf8_decode(s + from, n - from, &c), utf8_is_space(c))) from += space;
    while (n > from) {
        size_t last = n - 1;
        while (last > from && (s[last] & 0xc0) == 0x80) last--;
        utf8_decode(s + last, n - last, &c);
        if (!utf8_is_space(c)) break;
        n = last;
    }
    return mem_strndup(s + from, n - from);
}

int python_length(const char *from, const char *to) {
    int n = 0;
    for (; from < to; from++) n += (*from & 0xc0) != 0x80;
    return n;
}

bool python_number(const char *s, double *out) {
    buf b = {0};
    char *t = python_strip(s), *end;
    bool good = true;
    for (size_t i = 0; t[i]; i++) { /* an underscore may stand between digits */
        if (t[i] != '_') buf_putc(&b, t[i]);
        else good = good && i && isdigit((unsigned char)t[i - 1]) && isdigit((unsigned char)t[i + 1]);
    }
    const char *digits = b.data ? b.data + strspn(b.data, "+-") : "";
    good = good && b.size && digits - b.data <= 1 && !(digits[0] == '0' && (digits[1] | 32) == 'x') && !strchr(digits, '(');
    *out = good ? strtod(b.data, &end) : NAN;
    good = good && !*end;
    buf_free(&b);
    free(t);
    return good;
}
