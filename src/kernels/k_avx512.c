/* k_avx512.c - the table for processors with AVX-512 (built with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c). */
#include "kernels/kernels.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_avx512
#define KERNELS_NAME "avx512"
#define KERNELS_GEMM_BF16 gemm_bf16_avx512
#define KERNELS_Q8_DOTS q8_dots_avx512
#include "kernels/body.h"
#endif
