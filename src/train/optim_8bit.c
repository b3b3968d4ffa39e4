/* optim_8bit.c - AdamW's two states in a quarter of the memory: a byte a value and a scale a block, as 8-bit optimizers do (arXiv 2110.02861).
 *
 * A code is a place in a sorted map of 256 numbers from -1 (or 0) to 1, denser towards 0: seven decades, each with twice as many steps as the one below it
 * ("dynamic tree" quantisation, arXiv 1511.04561; bitsandbytes and torchao use the same maps). A step decodes a block, updates it in f32 as the other kinds do,
 * and encodes it again: weights see the states before they are rounded. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

/* To find a code the bits of |x|, cut behind MANTISSA bits of the mantissa, name a place at or just below it; a step upwards may follow. */
enum { CODES = 256, DECADES = 7, MANTISSA = 7, LOWEST = 127 - 25, PLACES = (127 - LOWEST + 1) << MANTISSA };

struct state_map {
    float value[CODES];
    float reach[CODES + 1];        /* where code c begins: half-way from the one before it */
    unsigned char near[2][PLACES]; /* of x >= 0 and x < 0 */
};

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The middles of `steps` equal steps of each decade, 0 and 1. */
static void fill_values(state_map *map, bool has_sign) {
    int n = 0;
    for (int d = 0; d < DECADES; d++) {
        const int steps = has_sign ? 1 << d : 2 << d;
        const double decade = pow(10, d - DECADES + 1), width = 0.9 / steps;
        for (int i = 0; i < steps; i++) {
            const float middle = (float)(decade * (0.1 + width * (i + 0.5)));
            map->value[n++] = middle;
            if (has_sign) map->value[n++] = -middle;
        }
    }
    map->value[n++] = 0.0f;
    map->value[n++] = 1.0f;
    LMM_ASSERT(n == CODES, "%d codes", n);
    qsort(map->value, CODES, sizeof *map->value, by_value);
}

static int climb(const state_map *map, int code, float x) {
    while (code + 1 < CODES && x >= map->reach[code + 1]) code++;
    return code;
}

static state_map *state_map_new(bool has_sign) {
    state_map *map = mem_new(1, sizeof *map);
    fill_values(map, has_sign);
    map->reach[0] = -INFINITY;
    for (int c = 1; c < CODES; c++) map->reach[c] = (map->value[c - 1] + map->value[c]) / 2;
    for (uint32_t place = 0; place < PLACES; place++) {
        const uint32_t from = ((uint32_t)LOWEST << 23) + (place << (23 - MANTISSA)), to = from + (1u << (23 - MANTISSA));
        float low, high;
        memcpy(&low, &from, sizeof low);
        memcpy(&high, &to, sizeof high);
        map->near[0][place] = (unsigned char)climb(map, 0, place ? low : 0.0f);
        map->near[1][place] = (unsigned char)climb(map, 0, -high);
    }
    return map;
}

void state_map_free(state_map *map) { free(map); }

void optim_use_8bit(optim *o) {
    o->m_map = state_map_new(true);
    o->v_map = state_map_new(false);
}

/* x: at most 1 in size. */
static unsigned char encode(const state_map *map, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int below_zero = (int)(bits >> 31), place = (int)((bits & 0x7fffffff) >> (23 - MANTISSA)) - (LOWEST << MANTISSA);
    return (unsigned char)climb(map, map->near[below_zero][place < 0 ? 0 : min_int(place, PLACES - 1)], x);
}

static void decode_block(float *x, const state_map *map, const unsigned char *code, float scale, int n) {
    for (int i = 0; i < n; i++) x[i] = map->value[code[i]] * scale;
}

static void encode_block(unsigned char *code, float *scale, const state_map *map, const float *x, int n) {
    float most = 1e-12f;
    for (int i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    *scale = most;
    for (int i = 0; i < n; i++) code[i] = encode(map, x[i] / most);
}

typedef struct {
    const optim *o;
    const optim_slot *s;
    adamw_rule rule;
} job;

static void update_blocks(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    const optim_slot *s = j->s;
    (void)thread;
    for (int64_t b = first; b < last; b++) {
        const int64_t at = b * OPTIM_BLOCK;
        const int n = (int)min_i64(OPTIM_BLOCK, s->last - s->first - at);
        unsigned char *m_code = (unsigned char *)s->m + at, *v_code = (unsigned char *)s->v + at;
        float m[OPTIM_BLOCK], v[OPTIM_BLOCK];
        decode_block(m, j->o->m_map, m_code, s->m_scale[b], n);
        decode_block(v, j->o->v_map, v_code, s->v_scale[b], n);
        adamw_step(&j->rule, (float *)s->p->t.data + s->first + at, s->p->t.grad + s->first + at, m, v, n);
        encode_block(m_code, &s->m_scale[b], j->o->m_map, m, n);
        encode_block(v_code, &s->v_scale[b], j->o->v_map, v, n);
    }
}

void update_8bit(const optim *o, const optim_slot *s, double rate, double grad_scale) {
    enum { GRAIN = 64 }; /* blocks a task */
    job j = {o, s, adamw_rule_of(o, s, rate, grad_scale)};
    parallel_for(o->pool, optim_blocks(s->last - s->first), GRAIN, update_blocks, &j);
}
