/* kernels.c - sizes of the storage types, and which table this processor can run. */
#include "kernels/kernels.h"

#include <string.h>

#include "kernels/blocks.h"

static const struct {
    int block;
    size_t size;
    int group; /* values that share a scale, of block types */
} type_row[KT_COUNT] = {
    [KT_F32] = {1, sizeof(float), 0},
    [KT_F16] = {1, sizeof(uint16_t), 0},
    [KT_BF16] = {1, sizeof(uint16_t), 0},
    [KT_Q4_0] = {BLOCK_VALUES, sizeof(block_q4_0), 32},
    [KT_Q4_1] = {BLOCK_VALUES, sizeof(block_q4_1), 32},
    [KT_Q5_0] = {BLOCK_VALUES, sizeof(block_q5_0), 32},
    [KT_Q5_1] = {BLOCK_VALUES, sizeof(block_q5_1), 32},
    [KT_Q8_0] = {BLOCK_VALUES, sizeof(block_q8_0), 32},
    [KT_Q2_K] = {SUPER_VALUES, sizeof(block_q2_K), 16},
    [KT_Q3_K] = {SUPER_VALUES, sizeof(block_q3_K), 16},
    [KT_Q4_K] = {SUPER_VALUES, sizeof(block_q4_K), 32},
    [KT_Q5_K] = {SUPER_VALUES, sizeof(block_q5_K), 32},
    [KT_Q6_K] = {SUPER_VALUES, sizeof(block_q6_K), 16},
};

int kernel_type_block(kernel_type t) { return type_row[t].block; }
size_t kernel_type_bytes(kernel_type t, int64_t n) { return (size_t)(n / type_row[t].block) * type_row[t].size; }

size_t q8_rows_size(kernel_type wt, int digits, int64_t m, int64_t k) {
    int64_t words = m * k / BLOCK_VALUES, groups = m * k / type_row[wt].group;
    return (size_t)(digits * (m * k + 4 * words + 4 * groups) + 4 * groups);
}

q8_rows q8_rows_at(void *memory, kernel_type wt, int digits, int64_t m, int k) {
    int64_t blocks = m * k / BLOCK_VALUES, groups = m * k / type_row[wt].group;
    q8_rows x = {.k = k, .group = type_row[wt].group, .digit_count = digits, .sum = memory};
    char *at = (char *)memory + groups * 4;
    for (int i = 0; i < digits; i++) { /* all pieces are whole words long */
        x.digit[i] = (q8_digit){.d = (float *)at, .minus_sum = (int32_t *)(at + 4 * blocks), .q = (int8_t *)(at + 4 * (blocks + groups))};
        at += 4 * (blocks + groups) + m * k;
    }
    return x;
}

#if defined(__x86_64__)
#include <cpuid.h>

/* The registers the operating system saves on a task switch: an instruction set is usable only when they are among them. */
static uint64_t saved_state(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_all(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

/* 0: neither, 1: AVX2 with FMA and F16C, 2: AVX-512 F, BW, DQ and VL as well. */
static int vector_level(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C)) return 0;
    uint64_t state = saved_state();
    if (!has_all(state, 0x06) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has_all(b, bit_AVX2)) return 0;
    return has_all(state, 0xe6) && has_all(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) ? 2 : 1;
}

static const kernels *const TABLES[] = {&kernels_generic, &kernels_avx2, &kernels_avx512};
#else
static int vector_level(void) { return 0; }
static const kernels *const TABLES[] = {&kernels_generic};
#endif

const kernels *kernels_pick(const char *force) {
    int level = vector_level();
    if (!force) return TABLES[level];
    for (int i = 0; i <= level; i++)
        if (!strcmp(force, TABLES[i]->name)) return TABLES[i];
    return NULL;
}
