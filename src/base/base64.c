/* base64.c - bytes as letters (RFC 4648, section 4). */
#include <stdlib.h>

#include "base/base.h"

void base64_put(buf *b, const void *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned x = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
        char four[4] = {digits[x >> 18], digits[x >> 12 & 63], '=', '='};
        if (i + 1 < n) four[2] = digits[x >> 6 & 63];
        if (i + 2 < n) four[3] = digits[x & 63];
        buf_put(b, four, 4);
    }
}

static int value_of(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_read(buf *out, const char *text, size_t n) {
    size_t before = out->size;
    uint32_t bits = 0;
    int held = 0;
    if (n % 4 || !n) return !n;
    while (n && text[n - 1] == '=' && n % 4 != 2) n--;
    for (size_t i = 0; i < n; i++) {
        int v = value_of((unsigned char)text[i]);
        if (v < 0) return out->size = before, false;
        bits = bits << 6 | (uint32_t)v;
        if ((held += 6) < 8) continue;
        held -= 8;
        buf_putc(out, (char)(bits >> held));
        bits &= ((uint32_t)1 << held) - 1;
    }
    if (bits) out->size = before;
    return !bits;
}
