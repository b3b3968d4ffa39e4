/* jinja_str.c - strings of templates: valid UTF-8 with a known number of characters.
 *
 * A part of a string shares its bytes. A string made by joining has room behind it, and the next join to its end
 * grows it in place: building a text in a loop, as templates do with namespaces, takes linear time and memory. */
#include "text/jinja_int.h"

#include <string.h>

static size_t count_characters(const char *at, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++) n += ((unsigned char)at[i] & 0xC0) != 0x80;
    return n;
}

static jstr *str_new(jx *x, const char *at, size_t size) {
    jx_bytes(x, size);
    jstr *s = jx_alloc(x, 1, sizeof *s);
    *s = (jstr){.at = at, .size = size, .length = count_characters(at, size)};
    return s;
}

static jval of(const jstr *s) { return (jval){.type = J_STRING, .s = s}; }

jval j_borrow(jx *x, const char *at, size_t size) { return of(str_new(x, at, size)); }

jval j_word(jx *x, const char *literal) { return j_borrow(x, literal, strlen(literal)); }

jval j_text(jx *x, const char *at, size_t size) {
    char *copy = jx_alloc(x, size + 1, 1);
    if (size) memcpy(copy, at, size);
    return j_borrow(x, copy, size);
}

jval j_take(jx *x, buf *b, size_t first) {
    jval v = j_text(x, b->data ? b->data + first : "", b->size - first);
    b->size = first;
    return v;
}

jval j_part(jx *x, const jstr *s, size_t first, size_t last) {
    if (first == 0 && last == s->size) return of(s);
    jstr *part = str_new(x, s->at + first, last - first);
    part->is_safe = s->is_safe;
    return of(part);
}

jval j_safe(jx *x, jval string, bool is_safe) {
    if (string.s->is_safe == is_safe) return string;
    jstr *s = jx_alloc(x, 1, sizeof *s);
    *s = *string.s;
    s->is_safe = is_safe;
    return of(s);
}

static bool grows_in_place(const jstr *a, size_t more) {
    const jstore *store = a->store;
    return store && a->at + a->size == store->at + store->used && store->capacity - store->used >= more;
}

jval j_concat(jx *x, const jstr *a, const jstr *b) {
    if (!b->size && !b->is_safe) return of(a);
    jx_bytes(x, b->size);
    jstr *s = jx_alloc(x, 1, sizeof *s);
    size_t size = a->size + b->size;
    *s = (jstr){.at = a->at, .size = size, .length = a->length + b->length, .store = a->store};
    if (!grows_in_place(a, b->size)) {
        jx_bytes(x, a->size);
        jstore *store = jx_alloc(x, 1, sizeof *store);
        *store = (jstore){.used = a->size, .capacity = size + size / 2 + 16};
        store->at = jx_alloc(x, store->capacity, 1);
        if (a->size) memcpy(store->at, a->at, a->size);
        s->at = store->at;
        s->store = store;
    }
    if (b->size) memcpy(s->store->at + s->store->used, b->at, b->size);
    s->store->used += b->size;
    return of(s);
}

bool str_is(jval v, const char *word) { return v.type == J_STRING && v.s->size == strlen(word) && memcmp(v.s->at, word, v.s->size) == 0; }

bool str_equal(const jstr *a, const jstr *b) { return a->size == b->size && memcmp(a->at, b->at, a->size) == 0; }

int str_compare(const jstr *a, const jstr *b) {
    int order = memcmp(a->at, b->at, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

size_t str_offset(jx *x, const jstr *s, size_t character) {
    if (character >= s->length) return s->size;
    if (s->length == s->size) return character;
    size_t at = 0;
    for (size_t seen = 0; at < s->size; at++) {
        if (((unsigned char)s->at[at] & 0xC0) != 0x80 && seen++ == character) break;
    }
    jx_bytes(x, at);
    return at;
}

/* Work that depends on the text is paid for: a place where only the beginning fits costs a step and its bytes. */
static bool is_here(jx *x, const jstr *s, const jstr *what, size_t at) {
    if (s->at[at] != what->at[0]) return false;
    jx_step(x, 1);
    jx_bytes(x, what->size);
    return memcmp(s->at + at, what->at, what->size) == 0;
}

int64_t str_find(jx *x, const jstr *s, const jstr *what, size_t first, size_t last) {
    jx_bytes(x, last > first ? last - first : 0);
    if (first > last || what->size > last - first) return -1;
    if (!what->size) return (int64_t)first;
    for (size_t at = first; at + what->size <= last; at++) {
        const char *hit = memchr(s->at + at, what->at[0], last - what->size - at + 1);
        if (!hit) return -1;
        at = (size_t)(hit - s->at);
        if (is_here(x, s, what, at)) return (int64_t)at;
    }
    return -1;
}

int64_t str_find_last(jx *x, const jstr *s, const jstr *what, size_t first, size_t last) {
    jx_bytes(x, last > first ? last - first : 0);
    if (first > last || what->size > last - first) return -1;
    if (!what->size) return (int64_t)last;
    for (size_t at = last - what->size;; at--) {
        if (is_here(x, s, what, at)) return (int64_t)at;
        if (at == first) return -1;
    }
}
