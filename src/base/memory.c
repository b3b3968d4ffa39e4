/* memory.c - allocation that ends the process or says what did not fit, byte strings, vectors, arena, string map. */
#include "base/base.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static _Noreturn void out_of_memory(size_t count, size_t size) {
    fprintf(stderr, "lmm: out of memory: cannot allocate %zu x %zu bytes\n", count, size);
    exit(lmm_status_exit_code(LMM_E_MEMORY));
}

bool size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

void *mem_new(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) out_of_memory(count, size);
    return p;
}

void *mem_resize(void *p, size_t count, size_t size) {
    size_t bytes;
    if (!size_mul(count, size, &bytes)) out_of_memory(count, size);
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) out_of_memory(count, size);
    return q;
}

char *mem_strndup(const char *s, size_t n) {
    char *copy = mem_new(n + 1, 1);
    if (n) memcpy(copy, s, n);
    return copy;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

static void buf_vprintf(buf *b, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    LMM_ASSERT(need >= 0, "format '%s'", format);
    size_t at = b->size;
    buf_put(b, NULL, (size_t)need);
    vsnprintf(b->data + at, (size_t)need + 1, format, again);
    va_end(again);
}

char *mem_printf(const char *format, ...) {
    buf b = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    return buf_take(&b);
}

/* Aligned and not zeroed: untouched pages of a large block cost nothing yet. */
static lmm_status block_new(void **out, size_t size, const char *what) {
    void *p = NULL;
    if (size > PTRDIFF_MAX - ALIGNMENT || posix_memalign(&p, ALIGNMENT, size ? size : 1) != 0)
        return LMM_FAIL(LMM_E_MEMORY, "out of memory: %s needs %zu bytes", what, size);
    *out = p;
    return LMM_OK;
}

lmm_status mem_try_raw(void **out, size_t size, const char *what) { return block_new(out, size, what); }

lmm_status mem_try(void **out, size_t size, const char *what) {
    lmm_status st = block_new(out, size, what);
    if (!st) memset(*out, 0, size);
    return st;
}

/* ---- buf ---- */

/* NULL bytes make room for n bytes the caller writes itself. */
void buf_put(buf *b, const void *bytes, size_t n) {
    if (n >= b->capacity - b->size || !b->data) {
        if (n > PTRDIFF_MAX / 2 - b->size) out_of_memory(b->size, n);
        size_t capacity = b->capacity ? b->capacity : 32;
        while (capacity <= b->size + n) capacity *= 2;
        b->data = mem_resize(b->data, capacity, 1);
        b->capacity = capacity;
    }
    if (bytes && n) memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = '\0';
}

void buf_puts(buf *b, const char *s) { buf_put(b, s, strlen(s)); }

void buf_putc(buf *b, char c) { buf_put(b, &c, 1); }

void buf_printf(buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_reset(buf *b) {
    b->size = 0;
    if (b->data) b->data[0] = '\0';
}

char *buf_take(buf *b) {
    char *s = b->data ? b->data : mem_new(1, 1);
    *b = (buf){0};
    return s;
}

void buf_free(buf *b) {
    free(b->data);
    *b = (buf){0};
}

/* ---- vectors ---- */

void vec_reserve(void **at, int *capacity, int need, size_t size) {
    if (need <= *capacity) return;
    int grown = *capacity < INT_MAX / 2 ? max_int(*capacity * 2, 8) : INT_MAX;
    grown = max_int(grown, need);
    *at = mem_resize(*at, (size_t)grown, size);
    *capacity = grown;
}

/* ---- arena ---- */

lmm_status arena_open(arena *a, size_t capacity, const char *what) {
    void *base = NULL;
    if (capacity > PTRDIFF_MAX - ALIGNMENT) return LMM_FAIL(LMM_E_MEMORY, "out of memory: %s needs %zu bytes", what, capacity);
    capacity = (capacity + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    lmm_status st = block_new(&base, capacity, what);
    if (!st) *a = (arena){.base = base, .capacity = capacity};
    return st;
}

void arena_close(arena *a) {
    free(a->base);
    *a = (arena){0};
}

void *arena_alloc(arena *a, size_t size) {
    size_t left = a->capacity - a->used;
    LMM_ASSERT(size <= left, "the arena of %zu bytes is full: %zu used, %zu asked", a->capacity, a->used, size);
    void *p = a->base + a->used;
    a->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; /* fits: capacity and used are multiples too */
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

/* ---- string map ---- */

/* Entries lie in order of insertion, their keys behind each other in one byte string; the slots hold entry
 * number + 1, 0 is empty, at most half of them are full. */
typedef struct {
    uint64_t hash;
    size_t key, key_size;
    int value;
} map_entry;

struct strmap {
    VEC(map_entry) entries;
    buf keys;
    uint32_t *slots;
    size_t slot_count; /* a power of two */
    uint64_t seed;
};

/* Keys come from files of strangers: the seed differs from map to map and run to run (address space layout),
 * so that nobody can prepare a list of colliding names. Nothing visible depends on it. */
strmap *strmap_new(void) {
    strmap *m = mem_new(1, sizeof *m);
    m->slot_count = 16;
    m->slots = mem_new(m->slot_count, sizeof *m->slots);
    m->seed = (uint64_t)(uintptr_t)m ^ (uint64_t)(time_now() * 1e9);
    return m;
}

void strmap_free(strmap *m) {
    if (!m) return;
    free(m->entries.at);
    buf_free(&m->keys);
    free(m->slots);
    free(m);
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t slot_find(const strmap *m, uint64_t hash, const char *key, size_t n) {
    for (size_t slot = (size_t)hash;; slot++) {
        slot &= m->slot_count - 1;
        if (!m->slots[slot]) return slot;
        const map_entry *e = &m->entries.at[m->slots[slot] - 1];
        if (e->hash == hash && e->key_size == n && (n == 0 || memcmp(m->keys.data + e->key, key, n) == 0)) return slot;
    }
}

static void slots_double(strmap *m) {
    free(m->slots);
    m->slot_count *= 2;
    m->slots = mem_new(m->slot_count, sizeof *m->slots);
    for (int i = 0; i < m->entries.count; i++) {
        size_t slot = (size_t)m->entries.at[i].hash & (m->slot_count - 1);
        while (m->slots[slot]) slot = (slot + 1) & (m->slot_count - 1);
        m->slots[slot] = (uint32_t)i + 1;
    }
}

bool strmap_put(strmap *m, const char *key, size_t n, int value) {
    uint64_t hash = hash_u64(key, n, m->seed);
    size_t slot = slot_find(m, hash, key, n);
    if (m->slots[slot]) return false;
    VEC_PUSH(&m->entries, ((map_entry){hash, m->keys.size, n, value}));
    buf_put(&m->keys, key, n);
    m->slots[slot] = (uint32_t)m->entries.count;
    if ((size_t)m->entries.count * 2 > m->slot_count) slots_double(m);
    return true;
}

bool strmap_get(const strmap *m, const char *key, size_t n, int *value) {
    uint32_t entry = m->slots[slot_find(m, hash_u64(key, n, m->seed), key, n)];
    if (!entry) return false;
    if (value) *value = m->entries.at[entry - 1].value;
    return true;
}

int strmap_count(const strmap *m) { return m->entries.count; }
