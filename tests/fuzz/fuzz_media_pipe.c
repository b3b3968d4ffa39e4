/* fuzz_media_pipe.c - any bytes as the answers of a media worker: frames and sound of the sizes that were announced, or one sentence. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "media/media.h"

enum { PIPE_SIZE = 60000 }; /* fits into a pipe that nobody reads yet */

static lmm_status look(void *arg, int place, const image *im, double seconds) {
    const media_info *i = arg;
    LMM_ASSERT(im->width == i->width && im->height == i->height && isfinite(seconds) && place < 4, "%d x %d", im->width, im->height);
    return LMM_OK;
}

static media_reader *reader_of(const uint8_t *data, size_t size) {
    int ends[2];
    media_reader *r = NULL;
    if (pipe(ends)) return NULL;
    LMM_ASSERT(write(ends[1], data, size) == (ssize_t)size, "%zu bytes", size);
    close(ends[1]);
    return media_open_pipe(&r, ends[0], "fuzz") == LMM_OK ? r : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > PIPE_SIZE) return 0;
    for (int turn = 0; turn < 2; turn++) {
        media_reader *r = reader_of(data, size);
        sound s = {0};
        lmm_status st = LMM_OK;
        if (!r) continue;
        if (turn == 0) st = media_frames(r, (const int[]){0, 0, 0, 0}, 4, look, (void *)media_about(r));
        else st = media_sound(r, &s);
        if (st) LMM_ASSERT(lmm_message()[0] && !strchr(lmm_message(), '\n'), "'%s'", lmm_message());
        for (int64_t i = 0; i < s.count; i++) LMM_ASSERT(isfinite(s.samples[i]), "sample %" PRId64, i);
        sound_free(&s);
        media_close(r);
    }
    return 0;
}
