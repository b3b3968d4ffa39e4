/* sound.c - the whole sound of a file as one channel of 16 kHz, sent piece by piece as it is decoded. */
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <stdlib.h>

#include "media_worker/media_worker.h"

typedef struct {
    source *s;
    AVCodecContext *decoder;
    SwrContext *resampler;
    AVFrame *frame;
    AVPacket *packet;
    int rate, channels; /* the resampler was made for */
    float *out;
    int capacity;
    int64_t sent;
} listening;

static lmm_status fit_resampler(listening *l) {
    AVFrame *f = l->frame;
    if (l->resampler && f->sample_rate == l->rate && f->ch_layout.nb_channels == l->channels) return LMM_OK;
    if (f->sample_rate < 1000 || f->sample_rate > l->s->limits.rate_max || f->ch_layout.nb_channels > l->s->limits.channel_count_max)
        return LMM_FAIL(LMM_E_LIMIT, "its sound has %d channels of %d samples a second", f->ch_layout.nb_channels, f->sample_rate);
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    swr_free(&l->resampler);
    int code = swr_alloc_set_opts2(&l->resampler, &mono, AV_SAMPLE_FMT_FLT, MEL_RATE, &f->ch_layout, (enum AVSampleFormat)f->format,
                                   f->sample_rate, 0, NULL);
    if (code >= 0) code = av_opt_set_double(l->resampler, "rematrix_maxval", 1, 0); /* two equal channels stay as loud as one */
    if (code >= 0) code = swr_init(l->resampler);
    l->rate = f->sample_rate, l->channels = f->ch_layout.nb_channels;
    return code < 0 ? av_fail(code, "its sound cannot be brought to another rate") : LMM_OK;
}

/* data NULL: what the resampler still holds. */
static lmm_status send_piece(listening *l, const uint8_t **data, int count) {
    int room = l->resampler ? swr_get_out_samples(l->resampler, count) : 0;
    if (room <= 0) return LMM_OK;
    if (room > MEDIA_PIECE_MAX) return LMM_FAIL(LMM_E_LIMIT, "a piece of its sound has %d samples", room);
    if (room > l->capacity) {
        l->out = mem_resize(l->out, (size_t)room, sizeof *l->out);
        l->capacity = room;
    }
    uint8_t *to[1] = {(uint8_t *)l->out};
    int n = swr_convert(l->resampler, to, room, data, count);
    if (n < 0) return av_fail(n, "its sound cannot be brought to another rate");
    l->sent += n;
    if (l->sent > (int64_t)l->s->limits.seconds_max * MEL_RATE)
        return LMM_FAIL(LMM_E_LIMIT, "its sound is longer than %d seconds", l->s->limits.seconds_max);
    if (n > 0) answer(MEDIA_SOUND, NULL, 0, l->out, (size_t)n * sizeof *l->out);
    return LMM_OK;
}

static lmm_status take_frames(listening *l) {
    lmm_status st = LMM_OK;
    while (!st && avcodec_receive_frame(l->decoder, l->frame) >= 0) {
        st = fit_resampler(l);
        if (!st) st = send_piece(l, (const uint8_t **)l->frame->extended_data, l->frame->nb_samples);
    }
    return st;
}

static lmm_status listen_through(listening *l) {
    lmm_status st = LMM_OK;
    while (!st && av_read_frame(l->s->format, l->packet) >= 0) {
        if (l->packet->stream_index == l->s->audio && avcodec_send_packet(l->decoder, l->packet) >= 0) st = take_frames(l);
        av_packet_unref(l->packet);
    }
    if (st) return st;
    avcodec_send_packet(l->decoder, NULL);
    st = take_frames(l);
    return st ? st : send_piece(l, NULL, 0);
}

lmm_status send_sound(source *s) {
    if (s->audio < 0) return LMM_FAIL(LMM_E_FORMAT, "it has no sound");
    listening l = {.s = s, .frame = av_frame_alloc(), .packet = av_packet_alloc()};
    lmm_status st = source_rewind(s);
    if (!st) st = l.frame && l.packet ? decoder_open(&l.decoder, s, s->audio) : LMM_FAIL(LMM_E_MEMORY, "out of memory");
    if (!st) st = listen_through(&l);
    if (!st && !l.sent) st = LMM_FAIL(LMM_E_FORMAT, "its sound cannot be decoded");
    if (!st) answer(MEDIA_END, NULL, 0, NULL, 0);
    swr_free(&l.resampler);
    avcodec_free_context(&l.decoder);
    av_frame_free(&l.frame);
    av_packet_free(&l.packet);
    free(l.out);
    return st;
}
