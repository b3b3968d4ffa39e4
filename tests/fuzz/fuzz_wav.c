/* fuzz_wav.c - any bytes as a WAV file: refused in one sentence, or every sample is a number. */
#include <math.h>
#include <string.h>

#include "media/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sound s = {0};
    if (wav_decode(&s, data, size, &(sound_limits){.seconds_max = 60}, "fuzz")) {
        LMM_ASSERT(!s.samples && lmm_message()[0] && !strchr(lmm_message(), '\n'), "'%s'", lmm_message());
        return 0;
    }
    LMM_ASSERT(s.count >= 0 && s.count <= 60 * (int64_t)s.rate && s.count <= (int64_t)size, "%" PRId64 " samples", s.count);
    for (int64_t i = 0; i < s.count; i++) LMM_ASSERT(isfinite(s.samples[i]), "sample %" PRId64, i);
    sound_free(&s);
    return 0;
}
