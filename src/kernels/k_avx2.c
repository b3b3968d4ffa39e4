/* k_avx2.c - the table for processors with AVX2, FMA and F16C (built with -mavx2 -mfma -mf16c). */
#include "kernels/kernels.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_avx2
#define KERNELS_NAME "avx2"
#define KERNELS_GEMM_BF16 gemm_bf16_avx2
#define KERNELS_Q8_DOTS q8_dots_avx2
#include "kernels/body.h"
#endif
