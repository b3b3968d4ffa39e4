/* gemm_load.h - vectors of weights of any storage type, along a row or across rows. */
#ifndef LMM_KERNELS_GEMM_LOAD_H
#define LMM_KERNELS_GEMM_LOAD_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

INLINE vf load_as(const void *x, kernel_type t, int64_t at) {
    if (t == KT_F32) return v_load((const float *)x + at);
    return t == KT_F16 ? v_load_f16((const uint16_t *)x + at) : v_load_bf16((const uint16_t *)x + at);
}

/* The first n < VL of them, 0 beyond. */
INLINE vf load_as_head(const void *x, kernel_type t, int64_t at, int n) {
    if (t == KT_F32) return v_load_head((const float *)x + at, v_head(n), v_zero());
    uint16_t rest[VL] = {0};
    memcpy(rest, (const uint16_t *)x + at, (size_t)n * sizeof *rest);
    return t == KT_F16 ? v_load_f16(rest) : v_load_bf16(rest);
}

/* As many of n as fit, 0 beyond; n may be 0 or less. */
INLINE vf load_some(const void *x, kernel_type t, int64_t at, int n) {
    return n >= VL ? load_as(x, t, at) : n > 0 ? load_as_head(x, t, at, n) : v_zero();
}

enum { WORDS = VL * 4 }; /* bytes of VL words */

/* The first `size` bytes of `rows` rows, 0 beyond. */
static void gather_words(char to[VL][WORDS], const char *from, int64_t stride, int rows, int size) {
    memset(to, 0, VL * WORDS);
    for (int j = 0; j < min_int(rows, VL); j++) memcpy(to[j], from + j * stride, (size_t)min_int(size, WORDS));
}

/* VL rows of w by VL words of four bytes, transposed: word l of row j is lane j of t[l]. A word is one f32 or two 16-bit weights, first in
 * the low half. Rows and steps of k beyond the given are 0. */
INLINE void load_words(vf t[VL], kernel_type wt, const void *w, int64_t at, int64_t ldw, int rows, int k) {
    const int bytes = wt == KT_F32 ? 4 : 2;
    const char *from = (const char *)w + at * bytes;
    int64_t stride = ldw * bytes;
    char edge[VL][WORDS];
    if (rows < VL || k * bytes < WORDS) {
        gather_words(edge, from, stride, rows, k * bytes);
        from = edge[0], stride = WORDS;
    }
    v_load_transposed(t, from, stride);
}

INLINE void split_word(kernel_type wt, vf word, vf *low, vf *high) {
    if (wt == KT_F16) v_pair_f16(word, low, high);
    else v_pair_bf16(word, low, high);
}

#endif
