/* blocks.h - the block formats of quantised weights, byte for byte as GGUF files hold them.
 *
 * Blocks of 32 values: a scale d (f16), for the "_1" types also a minimum m, and the values in 4, 5 or 8 bits. Value i and value i + 16 share
 * a byte: the low and the high nibble; fifth bits are a word apart.
 * Blocks of 256 ("K"): sub-blocks of 16 or 32 values, each with a scale of few bits (and a minimum) that counts in d (and dmin).
 * Rows are whole: a row of n values is n / 32 or n / 256 blocks. */
#ifndef LMM_KERNELS_BLOCKS_H
#define LMM_KERNELS_BLOCKS_H

#include <stdint.h>

enum { BLOCK_VALUES = 32, SUPER_VALUES = 256 };

/* clang-format off */
typedef struct { uint16_t d; uint8_t q[16]; } block_q4_0;                    /* (q - 8) d */
typedef struct { uint16_t d, m; uint8_t q[16]; } block_q4_1;                 /* q d + m */
typedef struct { uint16_t d; uint8_t high[4], q[16]; } block_q5_0;           /* (q - 16) d */
typedef struct { uint16_t d, m; uint8_t high[4], q[16]; } block_q5_1;        /* q d + m */
typedef struct { uint16_t d; int8_t q[32]; } block_q8_0;                     /* q d */
typedef struct { uint8_t scales[16], q[64]; uint16_t d, dmin; } block_q2_K;  /* q (d scale) - dmin min, nibbles of 16 sub-blocks */
typedef struct { uint8_t high[32], q[64], scales[12]; uint16_t d; } block_q3_K;    /* (q - 4) d (scale - 32) */
typedef struct { uint16_t d, dmin; uint8_t scales[12], q[128]; } block_q4_K;       /* q (d scale) - dmin min, 6 bits of 8 sub-blocks */
typedef struct { uint16_t d, dmin; uint8_t scales[12], high[32], q[128]; } block_q5_K;
typedef struct { uint8_t q[128], high[64]; int8_t scales[16]; uint16_t d; } block_q6_K;     /* (q - 32) (d scale) */
/* clang-format on */

_Static_assert(sizeof(block_q4_0) == 18, "GGUF q4_0: f16 + 16 nibble bytes");
_Static_assert(sizeof(block_q4_1) == 20, "GGUF q4_1: 2 x f16 + 16 nibble bytes");
_Static_assert(sizeof(block_q5_0) == 22, "GGUF q5_0: f16 + 32 bits + 16 nibble bytes");
_Static_assert(sizeof(block_q5_1) == 24, "GGUF q5_1: 2 x f16 + 32 bits + 16 nibble bytes");
_Static_assert(sizeof(block_q8_0) == 34, "GGUF q8_0: f16 + 32 bytes");
_Static_assert(sizeof(block_q2_K) == 84, "GGUF q2_K: 16 scales + 64 bytes of 2 bits + 2 x f16");
_Static_assert(sizeof(block_q3_K) == 110, "GGUF q3_K: 256 bits + 64 bytes of 2 bits + 12 scale bytes + f16");
_Static_assert(sizeof(block_q4_K) == 144, "GGUF q4_K: 2 x f16 + 12 scale bytes + 128 nibble bytes");
_Static_assert(sizeof(block_q5_K) == 176, "GGUF q5_K: 2 x f16 + 12 scale bytes + 256 bits + 128 nibble bytes");
_Static_assert(sizeof(block_q6_K) == 210, "GGUF q6_K: 128 nibble bytes + 64 bytes of 2 bits + 16 scales + f16");

#endif
