/* main.c - lmm-media: started by lmm, never by hand. Says what the file holds, then answers requests. */
#include <errno.h>
#include <libavutil/log.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media_worker/media_worker.h"

static void write_all(const void *bytes, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t done = write(FD_ANSWER, (const char *)bytes + at, n - at);
        if (done > 0) at += (size_t)done;
        else if (done < 0 && errno != EINTR) _exit(1); /* nobody reads any more */
    }
}

void answer(media_message type, const void *head, size_t head_size, const void *body, size_t body_size) {
    media_head h = {MEDIA_MAGIC, (uint32_t)type, (uint32_t)(head_size + body_size), 0};
    write_all(&h, sizeof h);
    write_all(head, head_size);
    write_all(body, body_size);
}

lmm_status av_fail(int code, const char *what) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (code == AVERROR(ENOMEM)) return LMM_FAIL(LMM_E_LIMIT, "it needs more memory than the limit");
    av_strerror(code, text, sizeof text);
    return LMM_FAIL(LMM_E_FORMAT, "%s (%s)", what, text);
}

static bool read_all(void *to, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t got = read(FD_REQUEST, (char *)to + at, n - at);
        if (got > 0) at += (size_t)got;
        else if (got == 0 || errno != EINTR) return false;
    }
    return true;
}

static lmm_status serve_frames(source *s, uint32_t count) {
    if (count > MEDIA_INDEX_MAX) return LMM_FAIL(LMM_E_ARG, "a request for too many frames");
    uint32_t *index = mem_new((size_t)count + 1, sizeof *index);
    lmm_status st =
        read_all(index, count * sizeof *index) ? send_frames(s, index, count) : LMM_FAIL(LMM_E_ARG, "a request that is cut off");
    free(index);
    return st;
}

/* Until the caller, who wants nothing more, closes the request pipe. */
static lmm_status serve(source *s) {
    media_request q;
    lmm_status st = LMM_OK;
    while (!st && read_all(&q, sizeof q)) {
        if (q.want == MEDIA_WANT_FRAMES) st = serve_frames(s, q.count);
        else if (q.want == MEDIA_WANT_TIMES) st = send_times(s);
        else if (q.want == MEDIA_WANT_SOUND) st = send_sound(s);
        else st = LMM_FAIL(LMM_E_ARG, "an unknown request");
    }
    return st;
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    av_log_set_level(AV_LOG_QUIET);
    media_limits limits;
    source s = {0};
    if (!read_all(&limits, sizeof limits)) return 2;
    lmm_status st = sandbox_enter(&limits);
    if (!st) st = source_open(&s, &limits);
    if (!st) {
        answer(MEDIA_INFO, NULL, 0, &s.info, sizeof s.info);
        st = serve(&s);
    }
    if (st) {
        uint32_t code = (uint32_t)st;
        answer(MEDIA_ERROR, &code, sizeof code, lmm_message(), strlen(lmm_message()));
    }
    _exit(0); /* what is still open goes with the process */
}
