/* kernels.c - which table this processor can run. */
#include "kernels/kernels.h"

#include <string.h>

size_t kernel_type_size(kernel_type t) { return t == KT_F32 ? sizeof(float) : sizeof(uint16_t); }

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
