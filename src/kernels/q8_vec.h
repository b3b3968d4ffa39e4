/* q8_vec.h - the words of the integer products, beside vec.h's: vectors of VL 32-bit words, one row of weights a lane. */
#ifndef LMM_KERNELS_Q8_VEC_H
#define LMM_KERNELS_Q8_VEC_H

#include "kernels/vec.h"

typedef uint32_t vu __attribute__((vector_size(4 * VL))); /* has C's operators, lane by lane */

INLINE vu u_set1(uint32_t a) { return (vu){0} + a; }

/* The 32-bit words of VL rows, each at p[row] + at. */
INLINE vu u_load_rows(const char *const p[VL], size_t at) {
    uint32_t word[VL];
    UNROLL for (int i = 0; i < VL; i++) memcpy(&word[i], p[i] + at, sizeof word[i]);
#if defined(__AVX512F__)
    return (vu)_mm512_set_epi32((int)word[15], (int)word[14], (int)word[13], (int)word[12], (int)word[11], (int)word[10], (int)word[9],
                                (int)word[8], (int)word[7], (int)word[6], (int)word[5], (int)word[4], (int)word[3], (int)word[2],
                                (int)word[1], (int)word[0]);
#else
    return (vu)_mm256_set_epi32((int)word[7], (int)word[6], (int)word[5], (int)word[4], (int)word[3], (int)word[2], (int)word[1],
                                (int)word[0]);
#endif
}

INLINE __m128i load_16(const char *p) { return _mm_loadu_si128((const __m128i *)p); }

#if defined(__AVX512F__)
INLINE vf v_of_ints(vu a) { return _mm512_cvtepi32_ps((__m512i)a); }
INLINE vf v_of_low_f16(vu a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)a)); } /* of the low half of each word */
INLINE vu u_signed_shift(vu a, int n) { return (vu)_mm512_sra_epi32((__m512i)a, _mm_cvtsi32_si128(n)); }

/* t[c]: word c of the 16 bytes at p[row] + at. */
INLINE void u_load_transposed(vu t[4], const char *const p[VL], size_t at) {
    __m512i r[4];
    UNROLL for (int i = 0; i < 4; i++) {
        r[i] = _mm512_castsi128_si512(load_16(p[i] + at));
        r[i] = _mm512_inserti32x4(r[i], load_16(p[4 + i] + at), 1);
        r[i] = _mm512_inserti32x4(r[i], load_16(p[8 + i] + at), 2);
        r[i] = _mm512_inserti32x4(r[i], load_16(p[12 + i] + at), 3);
    }
    __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
    __m512i c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);
    t[0] = (vu)_mm512_unpacklo_epi64(a, c), t[1] = (vu)_mm512_unpackhi_epi64(a, c);
    t[2] = (vu)_mm512_unpacklo_epi64(b, d), t[3] = (vu)_mm512_unpackhi_epi64(b, d);
}
#else
INLINE vf v_of_ints(vu a) { return _mm256_cvtepi32_ps((__m256i)a); }
INLINE vf v_of_low_f16(vu a) {
    __m256i low = (__m256i)(a & 0xffffu);
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}
INLINE vu u_signed_shift(vu a, int n) { return (vu)_mm256_sra_epi32((__m256i)a, _mm_cvtsi32_si128(n)); }

INLINE void u_load_transposed(vu t[4], const char *const p[VL], size_t at) {
    __m256i r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] =
        _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(p[i] + at)), load_16(p[4 + i] + at), 1);
    __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
    __m256i c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);
    t[0] = (vu)_mm256_unpacklo_epi64(a, c), t[1] = (vu)_mm256_unpackhi_epi64(a, c);
    t[2] = (vu)_mm256_unpacklo_epi64(b, d), t[3] = (vu)_mm256_unpackhi_epi64(b, d);
}
#endif

#endif
