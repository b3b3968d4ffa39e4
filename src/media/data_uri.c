/* data_uri.c - pictures and sounds inside messages: data:image/png;base64,... (RFC 2397, RFC 4648 section 4).
 *
 * The type must be a picture's or a sound's, which one is read off the bytes. Base64 is taken strictly: no line breaks, no letters of the URL alphabet, padding
 * in full or not at all, and the bits a last letter has too many must be zero, so that one picture has one text. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "media/media_int.h"

bool is_data_uri(const char *text) { return !strncmp(text, "data:", 5); }

static int letter_value(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Letters without padding; *out has room for three bytes of every four letters. */
static lmm_status decode(unsigned char *out, const char *letters, size_t count, const char *name) {
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < count; i++) {
        int v = letter_value((unsigned char)letters[i]);
        if (v < 0) return LMM_FAIL(LMM_E_FORMAT, "'%s' is damaged: letter %zu is none of base64", name, i + 1);
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        *out++ = (unsigned char)(bits >> held);
        bits &= ((uint32_t)1 << held) - 1;
    }
    if (bits) return LMM_FAIL(LMM_E_FORMAT, "'%s' is damaged: its last letter has bits that are not used", name);
    return LMM_OK;
}

/* How many letters stand before the padding. */
static lmm_status letter_count(size_t *out, const char *text, const char *name) {
    size_t n = strlen(text), padding = 0;
    while (padding < 2 && padding < n && text[n - 1 - padding] == '=') padding++;
    size_t count = n - padding, rest = count % 4;
    if (rest == 1 || (padding && padding != (4 - rest) % 4))
        return LMM_FAIL(LMM_E_FORMAT, "'%s' is cut short: its base64 ends after %zu letters, inside a byte", name, n);
    return *out = count, LMM_OK;
}

lmm_status data_uri_decode(void **bytes, size_t *size, char name[DATA_URI_NAME], const char *uri, const char *kind, const char *what) {
    static const char packing[] = ";base64";
    size_t count = 0, kind_size = strlen(kind);
    const char *comma = strchr(uri, ',');
    size_t head = comma ? (size_t)(comma - uri) : strlen(uri);
    snprintf(name, DATA_URI_NAME, "%.*s", (int)(head < 60 ? head : 60), uri);
    if (!comma) return LMM_FAIL(LMM_E_FORMAT, "'%s' has no comma before its bytes", name);
    if (strncmp(uri, "data:", 5) || strncmp(uri + 5, kind, kind_size))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' is no %s: data:%s...;base64,... is expected", name, what, kind);
    if (head < sizeof packing - 1 || strncasecmp(comma - (sizeof packing - 1), packing, sizeof packing - 1))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' is not in base64: data:%s...;base64,... is expected", name, kind);
    lmm_status st = letter_count(&count, comma + 1, name);
    if (st) return st;
    *size = count / 4 * 3 + count % 4 * 3 / 4; /* fewer than the text has: nothing is allocated that was not sent */
    if ((st = mem_try(bytes, *size + 1, "a medium in a message"))) return st;
    st = decode(*bytes, comma + 1, count, name);
    if (st) free(*bytes);
    return st;
}

lmm_status image_load_data_uri(image *out, const char *uri, int flags, const image_limits *limits) {
    char name[DATA_URI_NAME];
    size_t size;
    void *bytes;
    lmm_status st = data_uri_decode(&bytes, &size, name, uri, "image/", "picture");
    if (st) return st;
    st = image_decode(out, bytes, size, flags, limits, name);
    free(bytes);
    return st;
}
