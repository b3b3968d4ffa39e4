/* fuzz_pairs_score.c - any bytes as a judge's reply: a score of 1 to 5, or none. */
#include <math.h>
#include <stdlib.h>

#include "eval/eval_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *reply = mem_strndup((const char *)data, size);
    double score = pairs_score(reply);
    if (!isnan(score) && !(score >= 1 && score <= 5)) abort();
    free(reply);
    return 0;
}
