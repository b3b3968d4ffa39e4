/* test_mel.c - features against numbers measured on Whisper's own code (specs/ego.md 2.8), and resampling against what a sine must become. */
#include <math.h>

#include "golden_util.h"

enum { WINDOW = MEL_FRAMES_WINDOW * MEL_HOP };

static float *features(const float *x, int64_t count, int bands) {
    float *mel;
    if (mel_log(&mel, x, count, bands, MEL_FRAMES_WINDOW)) fail_msg("%s", lmm_message());
    return mel;
}

static float *silence(void) { return mem_new(WINDOW, sizeof(float)); }

static void assert_at(const float *mel, int bands, int band, int frame, double want) {
    double have = mel[frame * bands + band];
    if (fabs(have - want) > 1e-4) fail_msg("band %d of frame %d is %.6f, not %.6f", band, frame, have, want);
}

static void extremes(const float *mel, int bands, double *low, double *high, double *mean) {
    *low = INFINITY, *high = -INFINITY, *mean = 0;
    for (int i = 0; i < MEL_FRAMES_WINDOW * bands; i++) { *low = fmin(*low, mel[i]), *high = fmax(*high, mel[i]), *mean += mel[i]; }
    *mean /= MEL_FRAMES_WINDOW * bands;
}

static void bands_are_slaneys(void **state) {
    (void)state;
    double *f = mel_filters(80), sum = 0, most = 0;
    for (int i = 0; i < MEL_BIN_COUNT * 80; i++) sum += f[i], most = fmax(most, f[i]);
    assert_true(fabs(f[1 * 80 + 0] - 0.02486259) < 1e-8 && fabs(f[1 * 80 + 1] - 0.00199082) < 1e-8);
    assert_true(fabs(sum - 1.999024) < 1e-6 && fabs(most - 0.02588068) < 1e-8);
    free(f);
}

static void silence_is_minus_one_and_a_half(void **state) {
    (void)state;
    float *x = silence(), *mel = features(x, WINDOW, 80);
    for (int i = 0; i < MEL_FRAMES_WINDOW * 80; i++) assert_true(mel[i] == -1.5f);
    free(mel);
    free(x);
}

static void an_impulse_has_whispers_numbers(void **state) {
    (void)state;
    float *x = silence();
    double low, high, mean;
    x[16000] = 1;
    float *mel = features(x, WINDOW, 80);
    assert_at(mel, 80, 10, 100, 0.598887);
    extremes(mel, 80, &low, &high, &mean);
    assert_true(fabs(high - 0.607791) < 1e-4 && fabs(low + 1.392209) < 1e-4);
    free(mel);
    mel = features(x, WINDOW, 128);
    assert_at(mel, 128, 10, 100, 0.523127);
    free(mel);
    free(x);
}

static void a_sine_through_the_whole_window_has_whispers_numbers(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    float *x = silence();
    double low, high, mean;
    for (int i = 0; i < WINDOW; i++) x[i] = (float)(0.5 * sin(2 * pi * 440 * i / 16000.0));
    float *mel = features(x, WINDOW, 80);
    assert_at(mel, 80, 0, 0, 0.983279); /* the mirrored edge */
    assert_at(mel, 80, 10, 100, 1.348738);
    extremes(mel, 80, &low, &high, &mean);
    assert_true(fabs(high - 1.438204) < 1e-4 && fabs(low + 0.561796) < 1e-4 && fabs(mean + 0.467582) < 1e-4);
    free(mel);
    free(x);
}

static void noise_followed_by_silence_has_whispers_numbers(void **state) {
    (void)state;
    static const struct {
        int bands, band, frame;
        double want;
    } row[] = {{80, 0, 0, .1619},     {80, 0, 1, .4411},      {80, 5, 17, .5971},     {80, 40, 250, .5082},   {80, 79, 499, .4728},
               {80, 79, 500, .4477},  {80, 79, 501, -.5961},  {128, 0, 0, .0861},     {128, 0, 1, .3654},     {128, 5, 17, .3026},
               {128, 40, 250, .6199}, {128, 127, 499, .5175}, {128, 127, 500, .4706}, {128, 127, 501, -.5419}};
    float *x = silence();
    uint32_t s = 12345;
    for (int i = 0; i < 80000; i++) {
        s = (1103515245u * s + 12345u) & 0x7fffffffu;
        x[i] = (float)(0.1 * (s / 1073741824.0 - 1));
    }
    float *mel[2] = {features(x, 80000, 80), features(x, WINDOW, 128)};
    for (size_t i = 0; i < COUNT_OF(row); i++) assert_at(mel[row[i].bands == 128], row[i].bands, row[i].band, row[i].frame, row[i].want);
    free(mel[0]);
    free(mel[1]);
    free(x);
}

/* ---- rates ---- */

static double sine_error(int from, int to, double hz) {
    const double pi = acos(-1.0);
    sound in = {mem_new((size_t)from, sizeof(float)), from, from}, out;
    for (int i = 0; i < from; i++) in.samples[i] = (float)sin(2 * pi * hz * i / from);
    if (sound_resample(&out, &in, to)) fail_msg("%s", lmm_message());
    assert_int_equal(out.count, to);
    double most = 0;
    for (int i = to / 4; i < to * 3 / 4; i++) most = fmax(most, fabs(out.samples[i] - sin(2 * pi * hz * i / to)));
    sound_free(&out);
    sound_free(&in);
    return most;
}

/* Kaiser's beta 9: ripple about 90 dB below, in the pass band of both rates. */
static void a_sine_stays_itself_at_another_rate(void **state) {
    (void)state;
    static const int from[] = {8000, 11025, 22050, 44100, 48000, 12345};
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        double e = sine_error(from[i], 16000, 1000);
        if (e > 5e-5) fail_msg("from %d: off by %g", from[i], e);
    }
}

static void what_the_lower_rate_cannot_hold_is_gone(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    sound in = {mem_new(48000, sizeof(float)), 48000, 48000}, out;
    for (int i = 0; i < 48000; i++) in.samples[i] = (float)sin(2 * pi * 11000 * i / 48000.0);
    assert_int_equal(sound_resample(&out, &in, 16000), LMM_OK);
    for (int i = 4000; i < 12000; i++) assert_true(fabsf(out.samples[i]) < 1e-4f);
    sound_free(&out);
    sound_free(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_are_slaneys),
        cmocka_unit_test(silence_is_minus_one_and_a_half),
        cmocka_unit_test(an_impulse_has_whispers_numbers),
        cmocka_unit_test(a_sine_through_the_whole_window_has_whispers_numbers),
        cmocka_unit_test(noise_followed_by_silence_has_whispers_numbers),
        cmocka_unit_test(a_sine_stays_itself_at_another_rate),
        cmocka_unit_test(what_the_lower_rate_cannot_hold_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
