/* fuzz_image.c - any bytes as a picture file: refused in one sentence, or every pixel is there. */
#include <string.h>

#include "media/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* Small limits, so that time goes into parsing and not into pixels. */
    static const image_limits limits = {.pixel_count_max = 1 << 18, .side_max = 4096};
    int flags = (int)(size & 3);
    image im = {0};
    lmm_status st = image_decode(&im, data, size, flags, &limits, "fuzz");
    if (st) {
        LMM_ASSERT(!im.data && lmm_message()[0] && !strchr(lmm_message(), '\n'), "status %d, '%s'", (int)st, lmm_message());
        return 0;
    }
    LMM_ASSERT(im.channels == 3 && im.width > 0 && im.height > 0, "%d x %d x %d", im.width, im.height, im.channels);
    LMM_ASSERT((int64_t)im.width * im.height <= limits.pixel_count_max, "%d x %d", im.width, im.height);
    size_t n = (size_t)im.width * (size_t)im.height * 3;
    uint32_t first = crc32c(0, im.data, n);
    image again = {0};
    LMM_ASSERT(image_decode(&again, data, size, flags, &limits, "fuzz") == LMM_OK, "refused the second time: %s", lmm_message());
    LMM_ASSERT(crc32c(0, again.data, n) == first, "other pixels the second time");
    image_free(&again);
    image_free(&im);
    return 0;
}
