/* vec.h - the few vector words the kernels are written in; the width follows from the flags of the including file.
 *
 * Every word gives the same lane values at both widths (no approximate instructions), so the AVX2 and AVX-512 tables agree bit for bit. */
#ifndef LMM_KERNELS_VEC_H
#define LMM_KERNELS_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)") /* for short loops over registers */
#define UNROLL_NOT _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#define UNROLL_NOT _Pragma("GCC unroll 1")
#endif

#if defined(__AVX512F__)
enum { VL = 16 };
typedef __m512 vf;
typedef __mmask16 vm; /* one truth value a lane */
INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
INLINE vf v_set1(float a) { return _mm512_set1_ps(a); }
INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
INLINE vm v_head(int n) { return (vm)((1u << n) - 1); } /* true in the first n < VL lanes */
INLINE vf v_load_head(const float *p, vm head, vf rest) { return _mm512_mask_loadu_ps(rest, head, p); }
INLINE void v_store_head(float *p, vm head, vf a) { _mm512_mask_storeu_ps(p, head, a); }
INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); } /* b when one is NaN; so is v_max */
INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vf v_abs(vf a) { return _mm512_abs_ps(a); }
INLINE vm v_less(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INLINE vf v_select(vm m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }
INLINE vf v_ldexp(vf a, vf n) { return _mm512_scalef_ps(a, n); } /* a 2^n, n whole, |n| <= 250 */
INLINE vf v_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE vf v_load_bf16(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
INLINE void v_store_f16(uint16_t *p, vf a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE void v_store_bf16(uint16_t *p, vf a) { /* ties to even; a NaN keeps its top bits and becomes quiet */
    __m512i u = _mm512_castps_si512(a), top = _mm512_srli_epi32(u, 16);
    __m512i up = _mm512_add_epi32(_mm512_set1_epi32(0x7fff), _mm512_and_epi32(top, _mm512_set1_epi32(1)));
    __m512i r = _mm512_srli_epi32(_mm512_add_epi32(u, up), 16);
    r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), top, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(r));
}
INLINE __m256 v_fold_to_8(vf a) { return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)); }

INLINE void v_pair_f16(vf pair, vf *low, vf *high) { /* lanes of two f16 as two vectors */
    const __m512i order = _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1, 30, 28, 26, 24, 22, 20, 18, 16, 14,
                                           12, 10, 8, 6, 4, 2, 0);
    __m512i h = _mm512_permutexvar_epi16(order, _mm512_castps_si512(pair));
    *low = _mm512_cvtph_ps(_mm512_castsi512_si256(h));
    *high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(h, 1));
}
INLINE void v_pair_bf16(vf pair, vf *low, vf *high) {
    __m512i h = _mm512_castps_si512(pair);
    *low = _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
    *high = _mm512_castsi512_ps(_mm512_and_si512(h, _mm512_set1_epi32((int)0xffff0000)));
}

/* t[l], lane j: word l of the VL words of four bytes at p + j stride. */
INLINE void v_load_transposed(vf t[VL], const char *p, int64_t stride) {
    vf r[VL];
    UNROLL for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps((const float *)(p + i * stride));
    UNROLL for (int i = 0; i < 16; i += 4) {
        vf a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        vf c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        r[i] = _mm512_shuffle_ps(a, c, 0x44), r[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        r[i + 2] = _mm512_shuffle_ps(b, d, 0x44), r[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    UNROLL for (int i = 0; i < 4; i++) { /* r[4 q + i]: column i + 4 b of rows 4 q .. 4 q + 3 in its block b */
        vf a = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        vf c = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88), d = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
        t[i] = _mm512_shuffle_f32x4(a, c, 0x88), t[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        t[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), t[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#elif defined(__AVX2__)
enum { VL = 8 };
typedef __m256 vf;
typedef __m256i vm;
INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
INLINE vf v_set1(float a) { return _mm256_set1_ps(a); }
INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vm v_head(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
INLINE vf v_load_head(const float *p, vm head, vf rest) {
    return _mm256_blendv_ps(rest, _mm256_maskload_ps(p, head), _mm256_castsi256_ps(head));
}
INLINE void v_store_head(float *p, vm head, vf a) { _mm256_maskstore_ps(p, head, a); }
INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
INLINE vm v_less(vf a, vf b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
INLINE vf v_select(vm m, vf yes, vf no) { return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m)); }
INLINE vf v_ldexp(vf a, vf n) { /* in two exact powers: 2^n alone may not be a normal number */
    __m256i e = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(e, 1), bias = _mm256_set1_epi32(127);
    __m256i rest = _mm256_add_epi32(_mm256_sub_epi32(e, half), bias);
    a = _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(rest, 23)));
}
INLINE vf v_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE vf v_load_bf16(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
INLINE void v_store_f16(uint16_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE __m256i v_bf16_of(vf a) { /* below in each lane; ties to even; a NaN keeps its top bits and becomes quiet */
    __m256i u = _mm256_castps_si256(a), top = _mm256_srli_epi32(u, 16);
    __m256i up = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), _mm256_and_si256(top, _mm256_set1_epi32(1)));
    __m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, up), 16), nan = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(r, nan, _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
INLINE vf v_round_bf16(vf a) { return _mm256_castsi256_ps(_mm256_slli_epi32(v_bf16_of(a), 16)); }
INLINE vf v_swap_pairs(vf a) { return _mm256_permute_ps(a, 0xb1); } /* lanes 2 i and 2 i + 1 */
INLINE void v_store_bf16(uint16_t *p, vf a) {
    __m256i r = v_bf16_of(a);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1)));
}
INLINE __m256 v_fold_to_8(vf a) { return a; }

INLINE void v_pair_f16(vf pair, vf *low, vf *high) {
    const __m256i order =
        _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    __m256i h = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(_mm256_castps_si256(pair), order), 0xd8);
    *low = _mm256_cvtph_ps(_mm256_castsi256_si128(h));
    *high = _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1));
}
INLINE void v_pair_bf16(vf pair, vf *low, vf *high) {
    __m256i h = _mm256_castps_si256(pair);
    *low = _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
    *high = _mm256_castsi256_ps(_mm256_and_si256(h, _mm256_set1_epi32((int)0xffff0000)));
}
INLINE void v_load_transposed(vf t[VL], const char *p, int64_t stride) {
    UNROLL for (int r = 0; r < 4; r++) UNROLL for (int c = 0; c < 8; c += 4) {
        const char *at = p + r * stride + 4 * c;
        vf v = _mm256_castps128_ps256(_mm_loadu_ps((const float *)at));
        t[c + r] = _mm256_insertf128_ps(v, _mm_loadu_ps((const float *)(at + 4 * stride)), 1);
    }
    UNROLL for (int c = 0; c < 8; c += 4) {
        vf a = _mm256_unpacklo_ps(t[c], t[c + 1]), b = _mm256_unpackhi_ps(t[c], t[c + 1]);
        vf d = _mm256_unpacklo_ps(t[c + 2], t[c + 3]), e = _mm256_unpackhi_ps(t[c + 2], t[c + 3]);
        t[c] = _mm256_shuffle_ps(a, d, 0x44), t[c + 1] = _mm256_shuffle_ps(a, d, 0xee);
        t[c + 2] = _mm256_shuffle_ps(b, e, 0x44), t[c + 3] = _mm256_shuffle_ps(b, e, 0xee);
    }
}
#else
#error "compile this file with -mavx2 -mfma -mf16c, or with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c"
#endif

/* The fixed tree that adds eight lanes: i + 4, then i + 2, then i + 1. */
INLINE float v_sum8(__m256 a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

#endif
