/* fuzz_mathverify.c - two texts (before and behind the first zero byte) as reference and answer: every verdict comes, and a value never without its text. */
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const options[] = {"A", "B", "C", "D"};
    char *gold = mem_strndup((const char *)data, size), *raw;
    const char *zero = memchr(data, '\0', size);
    char *text = zero ? mem_strndup(zero + 1, size - (size_t)(zero + 1 - (const char *)data)) : mem_strdup(gold);
    math_verify(gold, text, true);
    math_verify(text, gold, false);
    answer_agrees(gold, text);
    reward_accuracy_r1mm(text, gold);
    math_option(text, options, 4);
    if (math_extracted(text, &raw) && !raw) abort();
    free(raw);
    free(text);
    free(gold);
    return 0;
}
