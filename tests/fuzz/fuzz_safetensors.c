/* fuzz_safetensors.c - any bytes as a safetensors file: refused, or every tensor lies inside them. */
#include <string.h>

#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    safetensors *s;
    if (safetensors_open_mem(&s, data, size, "fuzz")) return 0;
    size_t at = 0;
    unsigned sum = 0;
    for (int i = 0; i < safetensors_count(s); i++) {
        const named_tensor *n = safetensors_at(s, i);
        const uint8_t *bytes = n->t.data;
        for (size_t j = 0; j < tensor_size(&n->t); j++) sum += bytes[j];
        LMM_ASSERT(safetensors_find(s, n->name) == &n->t, "'%s' is not found", n->name);
        at += tensor_size(&n->t);
    }
    LMM_ASSERT(at <= size && sum <= 255 * size, "%zu bytes of tensors in a file of %zu", at, size);
    safetensors_close(s);
    return 0;
}
