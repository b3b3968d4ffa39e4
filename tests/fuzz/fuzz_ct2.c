/* fuzz_ct2.c - any bytes as CTranslate2's model.bin: refused in one sentence, or every tensor lies inside them or in a copy. */
#include <string.h>

#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ct2 *c;
    if (ct2_open_mem(&c, data, size, "fuzz")) {
        LMM_ASSERT(lmm_message()[0] && !strchr(lmm_message(), '\n'), "'%s'", lmm_message());
        return 0;
    }
    unsigned sum = 0;
    for (int i = 0; i < ct2_count(c); i++) {
        const named_tensor *n = ct2_at(c, i);
        const uint8_t *bytes = n->t.data;
        for (size_t j = 0; j < tensor_size(&n->t) && j < 4096; j++) sum += bytes[j];
        LMM_ASSERT(ct2_find(c, n->name) == &n->t, "'%s' is not found", n->name);
    }
    LMM_ASSERT(sum + 1 > 0 && ct2_spec(c), "no spec, %u", sum);
    ct2_close(c);
    return 0;
}
