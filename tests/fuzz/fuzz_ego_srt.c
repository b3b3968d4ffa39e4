/* fuzz_ego_srt.c - any bytes as SRT, as speech and as captions: cues are in order within themselves and never empty. */
#include <stdlib.h>

#include "ego/ego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int speech = 0; speech < 2; speech++) {
        ego_cues c = {0};
        ego_srt_parse(&c, (const char *)data, size, 0, speech);
        for (int i = 0; i < c.cues.count; i++)
            if (c.cues.at[i].t1 < c.cues.at[i].t0 || !c.cues.at[i].text[0]) abort();
        ego_cues_free(&c);
    }
    return 0;
}
