/* fuzz_data_uri.c - any text as a data: URI: refused in one sentence, or a picture within the limits. */
#include <stdlib.h>
#include <string.h>

#include "media/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const image_limits limits = {.pixel_count_max = 1 << 16, .side_max = 1024, .file_size_max = 1 << 16};
    char *text = mem_strndup((const char *)data, size);
    image im = {0};
    lmm_status st = image_load_data_uri(&im, text, 0, &limits);
    if (st) LMM_ASSERT(!im.data && lmm_message()[0] && !strchr(lmm_message(), '\n'), "status %d, '%s'", (int)st, lmm_message());
    else LMM_ASSERT(is_data_uri(text) && im.width > 0 && im.height > 0, "%d x %d", im.width, im.height);
    image_free(&im);
    free(text);
    return 0;
}
