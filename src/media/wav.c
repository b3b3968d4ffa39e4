/* wav.c - WAV files to one channel of f32.
 *
 * RIFF is a list of chunks (name, size, bytes, one pad byte after an odd size); "fmt " comes before "data". PCM is divided by 2^(bits - 1), 8-bit PCM is
 * unsigned. Source: Microsoft's mmreg.h and "Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306 for RF64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/media_int.h"

enum { FORMAT_PCM = 1, FORMAT_FLOAT = 3, FORMAT_EXTENSIBLE = 0xfffe };
#define SIZE_UNKNOWN 0xffffffffu

static uint32_t u16(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }
static uint64_t u64(const unsigned char *p) { return u32(p) | (uint64_t)u32(p + 4) << 32; }

bool wav_is(const void *bytes, size_t n) {
    return n >= 12 && (!memcmp(bytes, "RIFF", 4) || !memcmp(bytes, "RF64", 4)) && !memcmp((const char *)bytes + 8, "WAVE", 4);
}

/* ---- values ---- */

static float pcm8(const unsigned char *p) { return (float)(p[0] - 128) / 128.0f; }
static float pcm16(const unsigned char *p) { return (float)(int16_t)u16(p) / 32768.0f; }
static float pcm24(const unsigned char *p) { return (float)((int32_t)((u16(p) << 8 | (uint32_t)p[2] << 24)) / 256) / 8388608.0f; }
static float pcm32(const unsigned char *p) { return (float)((double)(int32_t)u32(p) / 2147483648.0); }

static float float32(const unsigned char *p) {
    uint32_t bits = u32(p);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float float64(const unsigned char *p) {
    uint64_t bits = u64(p);
    double x;
    memcpy(&x, &bits, sizeof x);
    return (float)x;
}

typedef float (*sample_fn)(const unsigned char *p);
static const struct {
    int format, bits;
    sample_fn read;
} encodings[] = {
    {FORMAT_PCM, 8, pcm8},   {FORMAT_PCM, 16, pcm16},     {FORMAT_PCM, 24, pcm24},
    {FORMAT_PCM, 32, pcm32}, {FORMAT_FLOAT, 32, float32}, {FORMAT_FLOAT, 64, float64},
};

/* ---- header ---- */

typedef struct {
    int channels, rate, bits;
    sample_fn read;
    const unsigned char *data;
    uint64_t size;    /* of data */
    uint64_t size_64; /* RF64: its size as "ds64" says */
} wav;

static lmm_status read_format(wav *w, const unsigned char *p, uint64_t size, const sound_limits *l, const char *name) {
    if (size < 16) return LMM_FAIL(LMM_E_FORMAT, "'%s' is no sound file: its format chunk has %" PRIu64 " bytes, not 16", name, size);
    uint32_t format = u16(p), channels = u16(p + 2), rate = u32(p + 4), block = u16(p + 12), bits = u16(p + 14);
    if (format == FORMAT_EXTENSIBLE && size >= 40) format = u16(p + 24); /* the first bytes of the sub-format's GUID */
    for (size_t i = 0; i < COUNT_OF(encodings); i++)
        if ((int)format == encodings[i].format && (int)bits == encodings[i].bits) w->read = encodings[i].read;
    if (!w->read)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' holds WAV format %u with %u bits; PCM of 8, 16, 24, 32 and floats of 32, 64 bits are read",
                        name, format, bits);
    if (channels < 1 || (int)channels > l->channel_count_max || rate < 1000 || rate > (uint32_t)l->rate_max)
        return LMM_FAIL(LMM_E_LIMIT, "'%s' has %u channels of %u samples a second; 1 to %d of 1000 to %d are taken", name, channels, rate,
                        l->channel_count_max, l->rate_max);
    if (block != channels * bits / 8)
        return LMM_FAIL(LMM_E_FORMAT, "'%s' says %u bytes a frame, but %u channels of %u bits are %u", name, block, channels, bits,
                        channels * bits / 8);
    w->channels = (int)channels, w->rate = (int)rate, w->bits = (int)bits;
    return LMM_OK;
}

static lmm_status read_chunks(wav *w, const unsigned char *p, size_t n, const sound_limits *l, const char *name) {
    for (size_t at = 12; n - at >= 8;) {
        const unsigned char *chunk = p + at + 8;
        uint64_t size = u32(p + at + 4), left = n - at - 8;
        bool data = !memcmp(p + at, "data", 4);
        if (data && size == SIZE_UNKNOWN) size = w->size_64 ? w->size_64 : left;
        if (size > left)
            return LMM_FAIL(LMM_E_FORMAT, "'%s' is cut: its header says %" PRIu64 " bytes more, the file has %" PRIu64, name, size, left);
        if (!memcmp(p + at, "ds64", 4) && size >= 16) w->size_64 = u64(chunk + 8);
        if (!memcmp(p + at, "fmt ", 4)) {
            lmm_status st = read_format(w, chunk, size, l, name);
            if (st) return st;
        }
        if (data) return w->data = chunk, w->size = size, LMM_OK;
        at += 8 + (size_t)size;
        if (size % 2 && at < n) at++;
    }
    return LMM_FAIL(LMM_E_FORMAT, "'%s' has no sound in it: no data chunk", name);
}

static sound_limits with_defaults(const sound_limits *limits) {
    sound_limits l = limits ? *limits : (sound_limits){0};
    if (!l.seconds_max) l.seconds_max = 7200;
    if (!l.rate_max) l.rate_max = 192000;
    if (!l.channel_count_max) l.channel_count_max = 8;
    if (!l.file_size_max) l.file_size_max = (size_t)2 << 30;
    return l;
}

/* ---- decoding ---- */

/* The mean of the channels; false at a value that is no number. */
static bool read_samples(float *to, int64_t count, const wav *w) {
    int step = w->bits / 8;
    const unsigned char *p = w->data;
    for (int64_t i = 0; i < count; i++) {
        float sum = 0;
        for (int c = 0; c < w->channels; c++, p += step) sum += w->read(p);
        to[i] = sum / (float)w->channels;
        if (!isfinite(to[i])) return false;
    }
    return true;
}

lmm_status wav_decode(sound *out, const void *bytes, size_t n, const sound_limits *limits, const char *name) {
    if (!wav_is(bytes, n)) return LMM_FAIL(LMM_E_FORMAT, "'%s' is no WAV file", name);
    sound_limits l = with_defaults(limits);
    wav w = {0};
    lmm_status st = read_chunks(&w, bytes, n, &l, name);
    if (st) return st;
    if (!w.read) return LMM_FAIL(LMM_E_FORMAT, "'%s' has data before a format chunk", name);
    int64_t count = (int64_t)(w.size / (uint64_t)(w.channels * w.bits / 8));
    if (count > (int64_t)l.seconds_max * w.rate)
        return LMM_FAIL(LMM_E_LIMIT, "'%s' is %" PRId64 " seconds long, the limit is %d", name, count / w.rate, l.seconds_max);
    void *samples;
    if ((st = mem_try(&samples, (size_t)count * sizeof(float) + 1, name))) return st;
    if (!read_samples(samples, count, &w)) {
        free(samples);
        return LMM_FAIL(LMM_E_FORMAT, "'%s' holds samples that are no numbers", name);
    }
    return *out = (sound){samples, count, w.rate}, LMM_OK;
}

/* A sound file in memory; is_file: it lies on disk under that name too. */
static lmm_status load_bytes(sound *out, const void *bytes, size_t n, const sound_limits *l, const char *name, bool is_file) {
    const media_limits limits = {.seconds_max = l->seconds_max, .rate_max = l->rate_max, .channel_count_max = l->channel_count_max};
    if (wav_is(bytes, n) && n > l->file_size_max)
        return LMM_FAIL(LMM_E_LIMIT, "'%s' has %zu bytes, the limit is %zu", name, n, l->file_size_max);
    if (wav_is(bytes, n)) return wav_decode(out, bytes, n, l, name);
    media_reader *r;
    lmm_status st = is_file ? media_open(&r, name, &limits) : media_open_bytes(&r, bytes, n, name, &limits);
    if (st) return st;
    st = media_sound(r, out);
    media_close(r);
    return st;
}

static lmm_status load_uri(sound *out, const char *uri, const sound_limits *l) {
    char name[DATA_URI_NAME];
    size_t size;
    void *bytes;
    lmm_status st = data_uri_decode(&bytes, &size, name, uri, "audio/", "sound");
    if (st) return st;
    st = load_bytes(out, bytes, size, l, name, false);
    free(bytes);
    return st;
}

static lmm_status load_file(sound *out, const char *path, const sound_limits *l) {
    file_map m;
    lmm_status st = file_map_open(&m, path);
    if (st) return st;
    st = load_bytes(out, m.data, m.size, l, path, true);
    file_map_close(&m);
    return st;
}

lmm_status sound_load(sound *out, const char *path, int rate, const sound_limits *limits) {
    sound_limits l = with_defaults(limits);
    sound s = {0};
    lmm_status st = is_data_uri(path) ? load_uri(&s, path, &l) : load_file(&s, path, &l);
    if (st || !rate || s.rate == rate) return st ? st : (*out = s, LMM_OK);
    st = sound_resample(out, &s, rate);
    sound_free(&s);
    return st;
}

void sound_free(sound *s) {
    free(s->samples);
    *s = (sound){0};
}
