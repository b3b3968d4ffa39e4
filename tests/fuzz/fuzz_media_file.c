/* fuzz_media_file.c - any bytes as a video or sound file, through lmm-media: frames and sound as announced, or one sentence. The worker may die; we may not. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media/media.h"

static lmm_status look(void *arg, int place, const image *im, double seconds) {
    const media_info *i = arg;
    LMM_ASSERT(im->width == i->width && im->height == i->height && isfinite(seconds) && place < 3, "%d x %d", im->width, im->height);
    return LMM_OK;
}

static lmm_status take_all(media_reader *r) {
    const media_info *i = media_about(r);
    sound s = {0};
    lmm_status st = LMM_OK;
    const int index[3] = {0, i->frame_count / 2, max_int(i->frame_count - 1, 0)};
    if (i->has_video) st = media_frames(r, index, 3, look, (void *)i);
    if (!st && i->has_sound) st = media_sound(r, &s);
    for (int64_t k = 0; k < s.count; k++) LMM_ASSERT(isfinite(s.samples[k]), "sample %" PRId64, k);
    sound_free(&s);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[] = "/tmp/lmm-fuzz-media-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return 0;
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    media_reader *r;
    const media_limits limits = {.memory_size_max = (uint64_t)512 << 20,
                                 .silence_seconds_max = 20,
                                 .cpu_seconds_max = 10,
                                 .seconds_max = 60};
    lmm_status st = written ? media_open(&r, path, &limits) : LMM_E_IO;
    if (!st) {
        st = take_all(r);
        media_close(r);
    }
    if (st) LMM_ASSERT(lmm_message()[0] && !strchr(lmm_message(), '\n'), "'%s'", lmm_message());
    unlink(path);
    return 0;
}
