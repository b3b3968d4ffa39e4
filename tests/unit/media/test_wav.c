/* test_wav.c - WAV files of every encoding give the same sound; broken ones give a sentence. */
#include <math.h>

#include "data/data.h"
#include "golden_util.h"

enum { PCM = 1, FLOATS = 3 };

typedef struct {
    int format, bits, channels, rate;
    bool extensible, junk;
} layout;

static void put_number(buf *b, uint64_t x, int size) {
    for (int i = 0; i < size; i++) buf_putc(b, (char)(x >> (8 * i)));
}

/* Values are multiples of 1/64, which every encoding holds exactly. */
static void put_value(buf *b, const layout *l, double x) {
    float f = (float)x;
    uint64_t bits = 0;
    if (l->format == FLOATS && l->bits == 32) memcpy(&bits, &f, sizeof f);
    else if (l->format == FLOATS) memcpy(&bits, &x, sizeof x);
    else bits = (uint64_t)(int64_t)(x * ldexp(1, l->bits - 1) + (l->bits == 8 ? 128 : 0));
    put_number(b, bits, l->bits / 8);
}

static double value_at(int frame, int channel) { return ((frame * 5 + channel * 3) % 64 - 32) / 64.0; }

static buf wav_file(const layout *l, int frames) {
    buf b = {0}, head = {0};
    put_number(&head, l->extensible ? 0xfffe : (uint64_t)l->format, 2);
    put_number(&head, (uint64_t)l->channels, 2);
    put_number(&head, (uint64_t)l->rate, 4);
    put_number(&head, (uint64_t)(l->rate * l->channels * l->bits / 8), 4);
    put_number(&head, (uint64_t)(l->channels * l->bits / 8), 2);
    put_number(&head, (uint64_t)l->bits, 2);
    if (l->extensible) {
        put_number(&head, 22, 2);
        put_number(&head, (uint64_t)l->bits, 2);
        put_number(&head, 3, 4);
        put_number(&head, (uint64_t)l->format, 2);
        for (int i = 0; i < 14; i++) buf_putc(&head, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"[i]);
    }
    buf_put(&b, "RIFF\0\0\0\0WAVE", 12);
    if (l->junk) {
        buf_puts(&b, "LIST");
        put_number(&b, 3, 4);
        buf_put(&b, "abc\0", 4);
    }
    buf_puts(&b, "fmt ");
    put_number(&b, head.size, 4);
    buf_put(&b, head.data, head.size);
    buf_puts(&b, "data");
    put_number(&b, (uint64_t)(frames * l->channels * l->bits / 8), 4);
    for (int i = 0; i < frames; i++)
        for (int c = 0; c < l->channels; c++) put_value(&b, l, value_at(i, c));
    buf_free(&head);
    return b;
}

static void every_encoding_gives_the_same_sound(void **state) {
    (void)state;
    static const struct { int format, bits; } kinds[] = {{PCM, 8}, {PCM, 16}, {PCM, 24}, {PCM, 32}, {FLOATS, 32}, {FLOATS, 64}};
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (int channels = 1; channels <= 2; channels++) {
            layout l = {kinds[k].format, kinds[k].bits, channels, 22050, k % 2 == 1, channels == 2};
            buf b = wav_file(&l, 100);
            sound s;
            if (wav_decode(&s, b.data, b.size, NULL, "made")) fail_msg("%s", lmm_message());
            assert_int_equal(s.count, 100);
            assert_int_equal(s.rate, 22050);
            for (int i = 0; i < 100; i++) {
                double want = channels == 1 ? value_at(i, 0) : (value_at(i, 0) + value_at(i, 1)) / 2;
                assert_true(s.samples[i] == (float)want);
            }
            sound_free(&s);
            buf_free(&b);
        }
}

static const layout plain = {PCM, 16, 1, 16000, false, false};

static void a_stream_of_unknown_size_is_read_to_its_end(void **state) {
    (void)state;
    buf b = wav_file(&plain, 50);
    memset(b.data + 40, 0xff, 4);
    sound s;
    assert_int_equal(wav_decode(&s, b.data, b.size, NULL, "piped"), LMM_OK);
    assert_int_equal(s.count, 50);
    sound_free(&s);
    buf_free(&b);
}

static void refuses(const void *bytes, size_t n, const sound_limits *l, const char *words) {
    sound s = {0};
    assert_int_not_equal(wav_decode(&s, bytes, n, l, "broken"), LMM_OK);
    assert_null(s.samples);
    if (!strstr(lmm_message(), words)) fail_msg("'%s' does not say '%s'", lmm_message(), words);
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    buf b = wav_file(&plain, 50);
    for (size_t n = 0; n < b.size; n++) refuses(b.data, n, NULL, "broken");
    buf_free(&b);
}

static void odd_headers_are_refused_with_a_reason(void **state) {
    (void)state;
    buf b = wav_file(&plain, 50);
    refuses(b.data, b.size, &(sound_limits){.seconds_max = 1, .rate_max = 8000}, "1000 to 8000");
    b.data[34] = 12;
    refuses(b.data, b.size, NULL, "12 bits");
    b.data[34] = 16, b.data[32] = 4;
    refuses(b.data, b.size, NULL, "4 bytes a frame");
    b.data[32] = 2;
    memcpy(b.data + 12, "none", 4);
    refuses(b.data, b.size, NULL, "before a format chunk");
    buf_free(&b);
}

static void a_sound_over_the_limit_is_refused(void **state) {
    (void)state;
    layout l = plain;
    l.rate = 1000;
    buf b = wav_file(&l, 3000);
    refuses(b.data, b.size, &(sound_limits){.seconds_max = 2}, "3 seconds long");
    buf_free(&b);
}

static void a_sound_may_be_written_into_a_text(void **state) {
    (void)state;
    layout l = {PCM, 16, 1, 8000, false, false};
    buf b = wav_file(&l, 100);
    char *uri = sound_uri(b.data, b.size);
    sound s, file;
    assert_int_equal(sound_load(&s, uri, 0, NULL), LMM_OK);
    assert_int_equal(wav_decode(&file, b.data, b.size, NULL, "file"), LMM_OK);
    assert_int_equal(s.count, 100);
    assert_memory_equal(s.samples, file.samples, 100 * sizeof *s.samples);
    sound_free(&file);
    sound_free(&s);
    uri[strlen(uri) - 8] = '?';
    assert_int_equal(sound_load(&s, uri, 0, NULL), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "none of base64"));
    assert_int_equal(sound_load(&s, "data:image/png;base64,AAAA", 0, NULL), LMM_E_UNSUPPORTED);
    assert_non_null(strstr(lmm_message(), "is no sound"));
    free(uri);
    buf_free(&b);
}

static void a_float_that_is_no_number_is_refused(void **state) {
    (void)state;
    layout l = {FLOATS, 32, 1, 16000, false, false};
    buf b = wav_file(&l, 10);
    memset(b.data + b.size - 4, 0xff, 4);
    refuses(b.data, b.size, NULL, "no numbers");
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_gives_the_same_sound), cmocka_unit_test(a_stream_of_unknown_size_is_read_to_its_end),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),      cmocka_unit_test(odd_headers_are_refused_with_a_reason),
        cmocka_unit_test(a_sound_over_the_limit_is_refused),   cmocka_unit_test(a_float_that_is_no_number_is_refused),
        cmocka_unit_test(a_sound_may_be_written_into_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
