/* open.c - a media file opened behind descriptor 0: allowed formats and codecs only, sizes checked before anything is decoded, frames numbered by their times. */
#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/display.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media_worker/media_worker.h"

enum { IO_BLOCK = 1 << 16, STREAMS_MAX = 32, PROBE_SIZE = 4 << 20 };

/* Containers by FFmpeg's names. What is not here (playlists, concat, images, captures) is never tried. */
static const char formats[] = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,wav,flac,mp3,ogg,aac";

/* Decoders by FFmpeg's names; no other is ever opened, not even to look at a stream. */
static const char decoders[] = "h264,hevc,vp8,vp9,libdav1d,libaom-av1,av1,mpeg4,mjpeg,aac,opus,libopus,vorbis,mp3,mp3float,flac,"
                               "pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw";

static bool codec_allowed(enum AVCodecID id) {
    const AVCodec *c = avcodec_find_decoder(id);
    return c && av_match_list(c->name, decoders, ',') > 0;
}

/* ---- bytes ---- */

static int read_bytes(void *arg, uint8_t *to, int n) {
    (void)arg;
    ssize_t got = read(FD_FILE, to, (size_t)n);
    return got > 0 ? (int)got : got == 0 ? AVERROR_EOF : AVERROR(errno);
}

static int64_t seek_bytes(void *arg, int64_t offset, int whence) {
    const source *s = arg;
    if (whence == AVSEEK_SIZE) return s->size;
    off_t at = lseek(FD_FILE, (off_t)offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : (int64_t)at;
}

/* Files named inside a file are not opened. */
static int open_nothing(AVFormatContext *f, AVIOContext **pb, const char *url, int flags, AVDictionary **options) {
    (void)f, (void)pb, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

/* ---- checks ---- */

static const char *codec_name(const AVStream *t) { return avcodec_get_name(t->codecpar->codec_id); }

static lmm_status check_video(const source *s, const AVStream *t) {
    const AVCodecParameters *p = t->codecpar;
    if (!codec_allowed(p->codec_id))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "its pictures are coded as '%s'; h264, hevc, vp8, vp9, av1, mpeg4 and mjpeg are read",
                        codec_name(t));
    if (p->width < 0 || p->height < 0 || p->width > s->limits.side_max || p->height > s->limits.side_max)
        return LMM_FAIL(LMM_E_LIMIT, "its pictures have %d x %d pixels, the limit is %d a side", p->width, p->height, s->limits.side_max);
    return LMM_OK;
}

static lmm_status check_audio(const source *s, const AVStream *t) {
    const AVCodecParameters *p = t->codecpar;
    if (!codec_allowed(p->codec_id))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "its sound is coded as '%s'; aac, opus, vorbis, mp3, flac and pcm are read", codec_name(t));
    if (p->ch_layout.nb_channels > s->limits.channel_count_max || p->sample_rate > s->limits.rate_max)
        return LMM_FAIL(LMM_E_LIMIT, "its sound has %d channels of %d samples a second, the limits are %d and %d", p->ch_layout.nb_channels,
                        p->sample_rate, s->limits.channel_count_max, s->limits.rate_max);
    return LMM_OK;
}

static bool is_cover(const AVStream *t) { return (t->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0; }

/* The first stream of each kind; a picture on the cover of an album is no video. Others are thrown away unread. */
static lmm_status choose_streams(source *s) {
    lmm_status st = LMM_OK;
    s->video = s->audio = -1;
    for (unsigned i = 0; i < s->format->nb_streams && !st; i++) {
        AVStream *t = s->format->streams[i];
        bool video = t->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !is_cover(t), audio = t->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        if (video && s->video < 0) s->video = (int)i, st = check_video(s, t);
        else if (audio && s->audio < 0) s->audio = (int)i, st = check_audio(s, t);
        else t->discard = AVDISCARD_ALL;
    }
    if (!st && s->video < 0 && s->audio < 0) st = LMM_FAIL(LMM_E_FORMAT, "it holds neither video nor sound");
    return st;
}

/* Decoders that find_stream_info opens keep the limits too. */
static lmm_status find_info(source *s) {
    unsigned n = s->format->nb_streams;
    AVDictionary **options = mem_new(n + 1, sizeof(AVDictionary *));
    for (unsigned i = 0; i < n; i++) {
        av_dict_set_int(&options[i], "max_pixels", (int64_t)s->limits.side_max * s->limits.side_max, 0);
        av_dict_set_int(&options[i], "threads", 1, 0);
    }
    int code = avformat_find_stream_info(s->format, options);
    for (unsigned i = 0; i < n; i++) av_dict_free(&options[i]);
    free(options);
    return code < 0 ? av_fail(code, "its streams cannot be read") : LMM_OK;
}

static lmm_status open_format(source *s) {
    AVDictionary *options = NULL;
    uint8_t *block = av_malloc(IO_BLOCK);
    s->io = block ? avio_alloc_context(block, IO_BLOCK, 0, s, read_bytes, NULL, seek_bytes) : NULL;
    s->format = avformat_alloc_context();
    if (!s->io || !s->format) return LMM_FAIL(LMM_E_MEMORY, "out of memory");
    s->format->pb = s->io;
    s->format->io_open = open_nothing;
    s->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    s->format->max_streams = STREAMS_MAX;
    s->format->probesize = PROBE_SIZE;
    av_dict_set(&options, "codec_whitelist", decoders, 0);
    av_dict_set(&options, "format_whitelist", formats, 0);
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    int code = avformat_open_input(&s->format, "", NULL, &options);
    av_dict_free(&options);
    return code < 0 ? av_fail(code, "it is no media file of a kind that is read (mp4, mkv, webm, avi, wav, flac, mp3, ogg)") : LMM_OK;
}

/* ---- frames and their times ---- */

static int by_time(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static lmm_status too_many_frames(const source *s) {
    return LMM_FAIL(LMM_E_LIMIT, "it has more than %d frames", s->limits.frame_count_max);
}

/* Reads every packet once, decoding none: only so are frames counted and numbered when headers lie or rates vary. */
static lmm_status number_frames(source *s) {
    VEC(int64_t) times = {0};
    AVPacket *p = av_packet_alloc();
    lmm_status st = p ? LMM_OK : LMM_FAIL(LMM_E_MEMORY, "out of memory");
    while (!st && av_read_frame(s->format, p) >= 0) {
        if (p->stream_index == s->video && !(p->flags & AV_PKT_FLAG_DISCARD)) {
            if (p->pts == AV_NOPTS_VALUE) s->by_count = true;
            VEC_PUSH(&times, p->pts);
            if (times.count > s->limits.frame_count_max) st = too_many_frames(s);
        }
        av_packet_unref(p);
    }
    av_packet_free(&p);
    if (!st && !times.count) st = LMM_FAIL(LMM_E_FORMAT, "it has a video track without frames");
    if (!st && !s->by_count) qsort(times.at, (size_t)times.count, sizeof *times.at, by_time);
    s->times = times.at;
    s->info.frame_count = times.count;
    return st;
}

double source_seconds(const source *s, uint32_t index) {
    if (s->by_count) return s->info.fps > 0 ? index / s->info.fps : 0;
    return ((double)s->times[index] - (double)s->times[0]) * av_q2d(s->format->streams[s->video]->time_base);
}

static int turn_of(const AVStream *t) {
    const uint8_t *matrix = av_stream_get_side_data(t, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    double angle = matrix ? -av_display_rotation_get((const int32_t *)matrix) : 0; /* clockwise */
    if (!isfinite(angle)) return 0;
    return (((int)lround(angle / 90) % 4 + 4) % 4) * 90;
}

static double seconds_of(const source *s) { return s->format->duration > 0 ? (double)s->format->duration / AV_TIME_BASE : 0; }

static lmm_status describe_video(source *s) {
    const AVStream *t = s->format->streams[s->video];
    lmm_status st = check_video(s, t); /* the sizes may be known only now */
    if (st) return st;
    if (t->codecpar->width < 1 || t->codecpar->height < 1) return LMM_FAIL(LMM_E_FORMAT, "the size of its pictures is not known");
    if (avformat_index_get_entries_count(t) > s->limits.frame_count_max) return too_many_frames(s); /* by its header, whatever it holds */
    if ((st = number_frames(s))) return st;
    AVRational rate = t->avg_frame_rate.num > 0 && t->avg_frame_rate.den > 0 ? t->avg_frame_rate : t->r_frame_rate;
    s->turn = turn_of(t);
    bool upright = s->turn % 180 == 0;
    s->info.width = upright ? t->codecpar->width : t->codecpar->height;
    s->info.height = upright ? t->codecpar->height : t->codecpar->width;
    s->info.fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    s->info.has_video = true;
    return LMM_OK;
}

static void close_format(source *s) {
    avformat_close_input(&s->format);
    if (s->io) av_freep(&s->io->buffer);
    avio_context_free(&s->io);
}

/* Opened anew: winding back misses packets that lie before the first key frame. */
lmm_status source_rewind(source *s) {
    close_format(s);
    if (lseek(FD_FILE, 0, SEEK_SET)) return LMM_FAIL(LMM_E_IO, "it cannot be read twice");
    lmm_status st = open_format(s);
    if (!st) st = choose_streams(s);
    if (!st) st = find_info(s);
    return st ? st : choose_streams(s);
}

lmm_status source_open(source *s, const media_limits *l) {
    *s = (source){.video = -1, .audio = -1, .limits = *l};
    s->size = (int64_t)lseek(FD_FILE, 0, SEEK_END);
    if (s->size <= 0) return LMM_FAIL(LMM_E_FORMAT, "it is empty");
    lmm_status st = source_rewind(s);
    if (!st && seconds_of(s) > l->seconds_max)
        st = LMM_FAIL(LMM_E_LIMIT, "it is %.0f seconds long, the limit is %d", seconds_of(s), l->seconds_max);
    if (!st && s->video >= 0) st = describe_video(s);
    if (st) return st;
    s->info.seconds = seconds_of(s);
    s->info.has_sound = s->audio >= 0;
    return LMM_OK;
}

lmm_status decoder_open(AVCodecContext **out, const source *s, int stream) {
    const AVStream *t = s->format->streams[stream];
    const AVCodec *codec = avcodec_find_decoder(t->codecpar->codec_id);
    if (!codec) return LMM_FAIL(LMM_E_UNSUPPORTED, "this installation cannot decode '%s'", codec_name(t));
    AVCodecContext *c = avcodec_alloc_context3(codec);
    int code = c ? avcodec_parameters_to_context(c, t->codecpar) : AVERROR(ENOMEM);
    if (code >= 0) {
        c->pkt_timebase = t->time_base;
        c->thread_count = 1; /* no further threads may be made */
        c->max_pixels = (int64_t)s->limits.side_max * s->limits.side_max;
        code = avcodec_open2(c, codec, NULL);
    }
    if (code < 0) return avcodec_free_context(&c), av_fail(code, "its decoder cannot be opened");
    return *out = c, LMM_OK;
}
