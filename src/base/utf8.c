/* utf8.c - strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "base/base.h"

#include <string.h>

enum { REPLACEMENT = 0xFFFD };

/* What the first byte promises: the length (0: it starts no character) and the range of the second byte, which
 * is where overlong forms, surrogates and too large values show. */
static int lead(unsigned char c, unsigned char *low, unsigned char *high) {
    *low = 0x80, *high = 0xBF;
    if (c < 0x80) return 1;
    if (c < 0xC2) return 0;
    if (c < 0xE0) return 2;
    if (c < 0xF0) {
        if (c == 0xE0) *low = 0xA0;
        if (c == 0xED) *high = 0x9F;
        return 3;
    }
    if (c > 0xF4) return 0;
    if (c == 0xF0) *low = 0x90;
    if (c == 0xF4) *high = 0x8F;
    return 4;
}

/* How many bytes at s belong together: *length is what the first byte promises (0 when nothing), the result how
 * many of them are there and good. A character is whole when the two are equal. */
static int good_bytes(const char *s, size_t n, int *length) {
    unsigned char low, high;
    *length = lead((unsigned char)s[0], &low, &high);
    int have = 1;
    while (have < *length && (size_t)have < n) {
        unsigned char c = (unsigned char)s[have];
        if (c < low || c > high) break;
        low = 0x80, high = 0xBF;
        have++;
    }
    return have;
}

int utf8_decode(const char *s, size_t n, uint32_t *cp) {
    static const unsigned char lead_mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    int length = 0;
    *cp = REPLACEMENT;
    if (n == 0) return 0;
    if (good_bytes(s, n, &length) != length) return 1;
    uint32_t value = (unsigned char)s[0] & lead_mask[length];
    for (int i = 1; i < length; i++) value = value << 6 | ((unsigned char)s[i] & 0x3F);
    *cp = value;
    return length;
}

int utf8_encode(uint32_t cp, char out[4]) {
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) cp = REPLACEMENT;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    int length = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00 >> length & 0xFF) | cp); /* C0, E0, F0 */
    return length;
}

size_t utf8_complete(const char *s, size_t n) {
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const char *at = s + n - back;
        if (((unsigned char)*at & 0xC0) == 0x80) continue;
        int length;
        int have = good_bytes(at, back, &length);
        return length > have && (size_t)have == back ? n - back : n;
    }
    return n;
}

void utf8_repair(buf *out, const char *s, size_t n) {
    size_t kept = 0, at = 0;
    while (at < n) {
        int length;
        int have = good_bytes(s + at, n - at, &length);
        if (have != length) {
            buf_put(out, s + kept, at - kept);
            buf_puts(out, "\xEF\xBF\xBD");
            kept = at + (size_t)have;
        }
        at += (size_t)have;
    }
    buf_put(out, s + kept, n - kept);
}

bool utf8_is_space(uint32_t c) {
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 28 && c <= 32);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

bool text_ends(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}
