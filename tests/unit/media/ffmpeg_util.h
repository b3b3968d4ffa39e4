/* ffmpeg_util.h - for tests whose files ffmpeg's command line makes: looks once whether it and lmm-media are there. */
#ifndef FFMPEG_UTIL_H
#define FFMPEG_UTIL_H

#include "golden_util.h"

/* Of a group: its state is not NULL when the tools are there. */
static inline int look_for_tools(void **state) {
    media_reader *r;
    bool worker = media_open(&r, "/dev/null", NULL) != LMM_E_UNSUPPORTED;
    *state = worker && system("ffmpeg -version >/dev/null 2>&1") == 0 ? state : NULL;
    return 0;
}

static inline void skip_without_tools(void **state) {
    if (*state) return;
    print_message("skipped: lmm-media was not built or there is no ffmpeg command\n");
    skip();
}

#endif
