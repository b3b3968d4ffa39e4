/* compress.c - how far a text can be squeezed: a measure of how much it repeats itself. */
#include <stdlib.h>
#include <zlib.h>

#include "base/base.h"

size_t zlib_size(const void *bytes, size_t n) {
    uLongf size = compressBound((uLong)n);
    Bytef *out = mem_new(size, 1);
    if (compress(out, &size, bytes, (uLong)n) != Z_OK) size = (uLongf)n;
    free(out);
    return size;
}
