/* media_worker.h - lmm-media, the program that decodes video and compressed sound for lmm. The only code that links FFmpeg.
 *
 * It is started by media/worker.c with the media file on descriptor 0, the answer pipe on 1 and the request pipe on 3, locks itself in before it looks at the
 * first byte (sandbox.c), says what the file holds, and then sends the frames or the sound that are asked for (messages: media/media.h). */
#ifndef LMM_MEDIA_WORKER_H
#define LMM_MEDIA_WORKER_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "media/media.h"

enum { FD_FILE = 0, FD_ANSWER = 1, FD_REQUEST = 3 };

/* ---- sandbox.c ---- */

/* No files, no network, no processes, no more memory and time than the limits. What the kernel lacks (Landlock) is left out; seccomp must work. */
lmm_status sandbox_enter(const media_limits *l);

/* ---- open.c ---- */

typedef struct {
    AVFormatContext *format;
    AVIOContext *io;
    int video, audio; /* stream numbers, -1: none */
    int turn;         /* degrees a picture is turned clockwise for showing: 0, 90, 180, 270 */
    int64_t size;
    media_info info;
    bool by_count;  /* packets have no times: frame i is the i-th decoded, nothing is skipped */
    int64_t *times; /* (info.frame_count) in the stream's time base, in order of showing */
    media_limits limits;
} source;
lmm_status source_open(source *s, const media_limits *l);
lmm_status source_rewind(source *s);                    /* to the first packet */
double source_seconds(const source *s, uint32_t index); /* when frame `index` is shown, from the first one */
lmm_status decoder_open(AVCodecContext **out, const source *s, int stream);

/* ---- frames.c, sound.c ---- */

lmm_status send_frames(source *s, const uint32_t *index, uint32_t count);
lmm_status send_times(source *s);
lmm_status send_sound(source *s);

/* ---- main.c ---- */

/* One message to the answer pipe; a reader that went away ends the program. */
void answer(media_message type, const void *head, size_t head_size, const void *body, size_t body_size);
lmm_status av_fail(int code, const char *what); /* FFmpeg's number as a sentence */

#endif
