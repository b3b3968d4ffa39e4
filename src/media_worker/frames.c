/* frames.c - the frames that are asked for, as RGB: seek to the key frame before, decode up to them, turn them upright, send them. */
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

#include "media_worker/media_worker.h"

typedef struct {
    source *s;
    AVCodecContext *decoder;
    struct SwsContext *scaler;
    AVPacket *packet;
    AVFrame *frame, *spare; /* the last one decoded, and room for the next */
    bool have, drained;
    int64_t wanted;  /* frames before this time are only decoded where others need them */
    int64_t decoded; /* frames so far, for sources without times */
    unsigned char *rgb, *turned;
} reading;

/* ---- colours ---- */

/* Pictures that change their size on the way are brought to the size of the first. */
static lmm_status to_rgb(reading *r) {
    const AVCodecParameters *p = r->s->format->streams[r->s->video]->codecpar;
    const AVFrame *f = r->frame;
    if (f->width < 1 || f->height < 1 || f->width > r->s->limits.side_max || f->height > r->s->limits.side_max)
        return LMM_FAIL(LMM_E_LIMIT, "a frame has %d x %d pixels, the limit is %d a side", f->width, f->height, r->s->limits.side_max);
    r->scaler = sws_getCachedContext(r->scaler, f->width, f->height, (enum AVPixelFormat)f->format, p->width, p->height, AV_PIX_FMT_RGB24,
                                     SWS_BICUBIC, NULL, NULL, NULL);
    if (!r->scaler && sws_isSupportedInput((enum AVPixelFormat)f->format))
        return LMM_FAIL(LMM_E_LIMIT, "its frames need more memory than the limit");
    if (!r->scaler) return LMM_FAIL(LMM_E_UNSUPPORTED, "its colours are of a kind that is not read");
    if (f->colorspace != AVCOL_SPC_UNSPECIFIED && f->colorspace != AVCOL_SPC_RGB)
        sws_setColorspaceDetails(r->scaler, sws_getCoefficients(f->colorspace), f->color_range == AVCOL_RANGE_JPEG,
                                 sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    uint8_t *planes[4] = {r->rgb};
    int strides[4] = {p->width * 3};
    sws_scale(r->scaler, (const uint8_t *const *)f->data, f->linesize, 0, f->height, planes, strides);
    return LMM_OK;
}

/* Where pixel (x, y) of a picture turned clockwise comes from. */
static const unsigned char *upright(reading *r) {
    const AVCodecParameters *p = r->s->format->streams[r->s->video]->codecpar;
    int W = p->width, H = p->height, turn = r->s->turn, w = turn % 180 ? H : W, h = turn % 180 ? W : H;
    if (!turn) return r->rgb;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int from_x = turn == 90    ? y
                         : turn == 180 ? W - 1 - x
                                       : W - 1 - y,
                from_y = turn == 90    ? H - 1 - x
                         : turn == 180 ? H - 1 - y
                                       : x;
            memcpy(r->turned + ((size_t)y * (size_t)w + (size_t)x) * 3, r->rgb + ((size_t)from_y * (size_t)W + (size_t)from_x) * 3, 3);
        }
    return r->turned;
}

/* ---- decoding ---- */

/* Frames before the one wanted that no other is made from need no decoding. */
static enum AVDiscard needless(const reading *r) {
    bool before = !r->s->by_count && r->packet->pts != AV_NOPTS_VALUE && r->packet->pts < r->wanted;
    return before ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
}

/* The next frame in order of showing; *end when there is none, and then r->frame is still the last one. Broken packets are passed over, as players do. */
static lmm_status next_frame(reading *r, bool *end) {
    for (*end = false;;) {
        int code = avcodec_receive_frame(r->decoder, r->spare);
        if (code >= 0) {
            AVFrame *got = r->spare;
            r->spare = r->frame, r->frame = got;
            r->have = true;
            return r->decoded++, LMM_OK;
        }
        if (code == AVERROR(ENOMEM)) return av_fail(code, "a frame cannot be decoded");
        if (code == AVERROR_EOF || r->drained) return *end = true, LMM_OK;
        code = av_read_frame(r->s->format, r->packet);
        if (code < 0) {
            r->drained = avcodec_send_packet(r->decoder, NULL) < 0;
            continue;
        }
        r->decoder->skip_frame = needless(r);
        if (r->packet->stream_index == r->s->video) code = avcodec_send_packet(r->decoder, r->packet);
        av_packet_unref(r->packet);
        if (code == AVERROR(ENOMEM)) return av_fail(code, "a frame cannot be decoded");
    }
}

static bool reached(const reading *r, uint32_t index) {
    if (!r->have) return false;
    if (r->s->by_count) return r->decoded > (int64_t)index;
    return r->frame->best_effort_timestamp >= r->s->times[index];
}

/* To a key frame at or before `time`; where that is not possible, to the beginning. */
static lmm_status restart(reading *r, int64_t time, bool from_start) {
    lmm_status st = LMM_OK;
    if (from_start || av_seek_frame(r->s->format, r->s->video, time, AVSEEK_FLAG_BACKWARD) < 0) st = source_rewind(r->s);
    avcodec_flush_buffers(r->decoder);
    r->drained = false;
    r->decoded = 0;
    return st;
}

/* The first frame behind a key frame may lie after the one that is wanted (open groups of pictures, an index that lies): then from further back, at last
 * from the beginning. */
static lmm_status approach(reading *r, uint32_t index, bool *end) {
    enum { BACK_SECONDS = 10, TRIES = 3 };
    const int64_t time = r->s->by_count ? 0 : r->s->times[index];
    AVRational unit = r->s->format->streams[r->s->video]->time_base;
    lmm_status st = LMM_OK;
    for (int i = 0; i < TRIES && !st; i++) {
        r->wanted = time;
        st = restart(r, time - i * av_rescale(BACK_SECONDS, unit.den, max_int(unit.num, 1)), r->s->by_count || i == TRIES - 1);
        if (!st) st = next_frame(r, end);
        if (!st && (r->s->by_count || (!*end && r->frame->best_effort_timestamp <= time))) break;
    }
    return st;
}

/* Whether there is a key frame between here and the frame wanted, so that winding saves decoding. */
static bool winds(const reading *r, uint32_t from, uint32_t to) {
    AVStream *t = r->s->format->streams[r->s->video];
    if (r->s->by_count || to - from < 2) return false;
    int at = av_index_search_timestamp(t, r->s->times[to], AVSEEK_FLAG_BACKWARD);
    const AVIndexEntry *e = at >= 0 ? avformat_index_get_entry(t, at) : NULL;
    return e && e->timestamp > r->s->times[from];
}

static lmm_status send_frame(reading *r, uint32_t index) {
    if (!r->have) return LMM_FAIL(LMM_E_FORMAT, "frame %u of %d cannot be decoded", index, r->s->info.frame_count);
    lmm_status st = to_rgb(r);
    if (st) return st;
    media_frame_head head = {index, 0, source_seconds(r->s, index)};
    answer(MEDIA_FRAME, &head, sizeof head, upright(r), (size_t)r->s->info.width * (size_t)r->s->info.height * 3);
    return LMM_OK;
}

/* The frames of `index`, which rises. The file's last frames may not decode: the last good one stands for them. */
static lmm_status send_all(reading *r, const uint32_t *index, uint32_t count) {
    bool end = false;
    lmm_status st = count ? approach(r, index[0], &end) : LMM_OK;
    for (uint32_t i = 0; i < count && !st; i++) {
        if (i > 0 && !end && !reached(r, index[i]) && winds(r, index[i - 1], index[i])) st = approach(r, index[i], &end);
        r->wanted = r->s->times[index[i]];
        while (!st && !end && !reached(r, index[i])) st = next_frame(r, &end);
        if (!st) st = send_frame(r, index[i]);
    }
    return st;
}

lmm_status send_frames(source *s, const uint32_t *index, uint32_t count) {
    if (s->video < 0) return LMM_FAIL(LMM_E_FORMAT, "it has no video");
    for (uint32_t i = 0; i < count; i++)
        if (index[i] >= (uint32_t)s->info.frame_count || (i && index[i] < index[i - 1]))
            return LMM_FAIL(LMM_E_ARG, "frame %u of %d is asked for", index[i], s->info.frame_count);
    size_t size = (size_t)s->info.width * (size_t)s->info.height * 3 + 64; /* swscale writes whole vectors */
    reading r = {.s = s, .packet = av_packet_alloc(), .frame = av_frame_alloc(), .spare = av_frame_alloc()};
    r.rgb = mem_new(size, 1);
    if (s->turn) r.turned = mem_new(size, 1);
    lmm_status st = r.packet && r.frame && r.spare ? decoder_open(&r.decoder, s, s->video) : LMM_FAIL(LMM_E_MEMORY, "out of memory");
    if (!st) st = send_all(&r, index, count);
    sws_freeContext(r.scaler);
    avcodec_free_context(&r.decoder);
    av_frame_free(&r.spare);
    av_frame_free(&r.frame);
    av_packet_free(&r.packet);
    free(r.rgb);
    free(r.turned);
    return st;
}

lmm_status send_times(source *s) {
    if (s->video < 0) return LMM_FAIL(LMM_E_FORMAT, "it has no video");
    double *times = mem_new((size_t)s->info.frame_count, sizeof *times);
    for (int i = 0; i < s->info.frame_count; i++) times[i] = source_seconds(s, (uint32_t)i);
    answer(MEDIA_TIMES, NULL, 0, times, (size_t)s->info.frame_count * sizeof *times);
    free(times);
    return LMM_OK;
}
