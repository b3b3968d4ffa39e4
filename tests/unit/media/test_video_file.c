/* test_video_file.c - clips made by ffmpeg's command line: every frame equals ffmpeg's own, however it is reached; sound, times, and files that are odd but honest. */
#include <math.h>
#include <unistd.h>

#include "data/data.h"
#include "ffmpeg_util.h"

enum { WIDTH = 64, HEIGHT = 48, FRAMES = 40, FRAME_SIZE = WIDTH * HEIGHT * 3 };

static const char pictures[] = "-f lavfi -i testsrc2=size=64x48:rate=20:duration=2";

/* A folder with what the test makes. */
typedef struct {
    char folder[32], *path;
} place;

static bool run(const char *format, const char *a, const char *b, const char *c) {
    char *line = mem_printf(format, a, b, c);
    int code = system(line);
    free(line);
    return code == 0;
}

/* ffmpeg ARGUMENTS folder/NAME; false when this ffmpeg has no such encoder. */
static bool make(place *p, const char *arguments, const char *name) {
    *p = (place){.folder = "/tmp/lmm-clip-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
    p->path = path_join(p->folder, name);
    return run("ffmpeg -v error -y -threads 1 %s -threads 1 %s%s >/dev/null 2>&1", arguments, p->path, "");
}

static void drop(place *p) {
    dir_remove(p->folder);
    free(p->path);
}

/* What ffmpeg itself makes of the file: its frames one after another; free(). */
static char *reference(const place *p, int *count) {
    char *raw = path_join(p->folder, "raw"), *bytes;
    size_t n;
    assert_true(
        run("ffmpeg -v error -threads 1 -i %s -vsync passthrough -f rawvideo -pix_fmt rgb24 -sws_flags bicubic %s%s", p->path, raw, ""));
    if (file_read(&bytes, &n, raw, 1 << 26)) fail_msg("%s", lmm_message());
    free(raw);
    *count = (int)(n / FRAME_SIZE);
    return bytes;
}

static video_frames load(const place *p, const frame_take *t) {
    video_frames v;
    if (video_load_file(&v, p->path, t, 0, NULL)) fail_msg("%s", lmm_message());
    return v;
}

typedef struct {
    const char *name, *codec;
} coded;

static void check_clip(const coded *c) {
    place p;
    char *arguments = mem_printf("%s %s", pictures, c->codec);
    bool made = make(&p, arguments, c->name);
    free(arguments);
    if (!made) {
        print_message("skipped: this ffmpeg cannot make %s\n", c->name);
        drop(&p);
        return;
    }
    int count;
    char *want = reference(&p, &count);
    video_frames all = load(&p, &(frame_take){.rule = FRAMES_ARANGE, .count = FRAMES});
    if (all.count != count) fail_msg("%s: %d frames, ffmpeg gives %d", c->name, all.count, count);
    for (int i = 0; i < count; i++)
        if (memcmp(all.rgb + i * FRAME_SIZE, want + i * FRAME_SIZE, FRAME_SIZE)) fail_msg("%s: frame %d is not ffmpeg's", c->name, i);
    for (int n = 2; n <= 6; n += 2) { /* few frames: between them the reader jumps and leaves out what it can */
        video_frames few = load(&p, &(frame_take){.rule = FRAMES_ROUND, .count = n});
        int *index, got;
        assert_int_equal(frames_index(&index, &got, &(frame_take){.rule = FRAMES_ROUND, .count = n}, count, 0), LMM_OK);
        for (int i = 0; i < n; i++)
            if (memcmp(few.rgb + i * FRAME_SIZE, want + index[i] * FRAME_SIZE, FRAME_SIZE))
                fail_msg("%s: frame %d of %d is not frame %d", c->name, i, n, index[i]);
        free(index);
        video_free(&few);
    }
    video_free(&all);
    free(want);
    drop(&p);
}

static void frames_are_those_of_ffmpeg_in_every_codec(void **state) {
    skip_without_tools(state);
    static const coded clips[] = {
        {"h264.mp4", "-c:v libx264 -bf 3 -g 10 -pix_fmt yuv420p"},
        {"open.mkv", "-c:v libx264 -bf 3 -g 10 -x264-params open-gop=1 -pix_fmt yuv420p"},
        {"hevc.mp4", "-c:v libx265 -x265-params log-level=none:keyint=10:min-keyint=10:pools=1:frame-threads=1 -pix_fmt yuv420p"},
        {"vp8.webm", "-c:v libvpx -auto-alt-ref 0 -g 10 -b:v 300k"},
        {"vp9.webm", "-c:v libvpx-vp9 -g 10 -cpu-used 8 -b:v 300k"},
        {"av1.mp4", "-c:v libaom-av1 -cpu-used 8 -g 10 -b:v 300k"},
        {"mpeg4.avi", "-c:v mpeg4 -bf 2 -g 10"},
        {"mjpeg.avi", "-c:v mjpeg"},
        {"h264.avi", "-c:v libx264 -bf 0 -g 10 -pix_fmt yuv420p"},
    };
    for (size_t i = 0; i < COUNT_OF(clips); i++) check_clip(&clips[i]);
}

/* ---- odd but honest files ---- */

static void a_turned_video_is_shown_upright(void **state) {
    skip_without_tools(state);
    place p;
    assert_true(make(&p, "-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v mpeg4", "lying.mp4"));
    char *turned = path_join(p.folder, "turned.mp4");
    assert_true(run("ffmpeg -v error -i %s -c copy -metadata:s:v rotate=90 %s%s", p.path, turned, ""));
    free(p.path);
    p.path = turned;
    video_frames v = load(&p, &(frame_take){.rule = FRAMES_ARANGE, .count = 1});
    assert_int_equal(v.width, HEIGHT);
    assert_int_equal(v.height, WIDTH);
    char *raw = path_join(p.folder, "raw"), *bytes;
    size_t n;
    assert_true(run("ffmpeg -v error -i %s -frames:v 1 -f rawvideo -pix_fmt rgb24 %s%s", p.path, raw, "")); /* ffmpeg turns it too */
    assert_int_equal(file_read(&bytes, &n, raw, 1 << 20), LMM_OK);
    assert_int_equal(n, FRAME_SIZE);
    int most = 0;
    for (size_t i = 0; i < n; i++) most = max_int(most, abs(v.rgb[i] - (unsigned char)bytes[i]));
    if (most > 60) fail_msg("a turned frame is off by %d", most); /* ffmpeg turns before it makes colours, so that edges of colour differ */
    free(bytes);
    free(raw);
    video_free(&v);
    drop(&p);
}

/* 20 frames a second for one second, then 4. */
static void frames_of_a_varying_rate_have_their_own_times(void **state) {
    skip_without_tools(state);
    place p;
    assert_true(make(&p, "-f lavfi -i testsrc2=size=64x48:rate=20:duration=3 -vf \"select='lt(t,1)+not(mod(n,5))'\" -vsync vfr -c:v mpeg4",
                     "vfr.mp4"));
    video_frames v = load(&p, &(frame_take){.rule = FRAMES_ARANGE, .count = 100});
    assert_int_equal(v.count, 28);
    for (int i = 0; i < v.count; i++) assert_true(fabs(v.times[i] - (i < 20 ? i * 0.05 : 1 + (i - 20) * 0.25)) < 1e-3);
    const double times[] = {2.3, 0.5, 1.1, 99};
    video_frames at = load(&p, &(frame_take){.rule = FRAMES_TIMES, .times = times, .time_count = 4});
    const double shown[] = {2.25, 0.5, 1.0, 2.75};
    for (int i = 0; i < 4; i++) {
        assert_true(fabs(at.times[i] - shown[i]) < 1e-3);
        int same = (int)lround(shown[i] < 1 ? shown[i] * 20 : 20 + (shown[i] - 1) * 4);
        assert_memory_equal(at.rgb + i * FRAME_SIZE, v.rgb + same * FRAME_SIZE, FRAME_SIZE);
    }
    video_free(&at);
    video_free(&v);
    drop(&p);
}

static void fewer_frames_than_asked_for_come_once_each(void **state) {
    skip_without_tools(state);
    place p;
    assert_true(make(&p, "-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.25 -c:v mpeg4", "short.mp4"));
    video_frames v = load(&p, &(frame_take){.rule = FRAMES_LINSPACE, .count = 32});
    assert_int_equal(v.count, 5);
    for (int i = 1; i < 5; i++) assert_true(v.times[i] > v.times[i - 1]);
    video_free(&v);
    drop(&p);
}

static void more_frames_than_fit_are_refused_before_decoding(void **state) {
    skip_without_tools(state);
    place p;
    video_frames v;
    assert_true(make(&p, "-f lavfi -i testsrc2=size=64x48:rate=20:duration=1 -c:v mpeg4", "clip.mp4"));
    assert_int_equal(video_load_file(&v, p.path, &(frame_take){.count = 20}, 19 * FRAME_SIZE, NULL), LMM_E_LIMIT);
    assert_non_null(strstr(lmm_message(), "ask for fewer"));
    drop(&p);
}

static void sound_without_video_has_no_frames(void **state) {
    skip_without_tools(state);
    place p;
    video_frames v;
    assert_true(make(&p, "-f lavfi -i sine=440:duration=0.5 -c:a aac", "sound.mp4"));
    assert_int_equal(video_load_file(&v, p.path, &(frame_take){.count = 2}, 0, NULL), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "no video"));
    drop(&p);
}

/* ---- sound ---- */

/* The same file written into a text. */
static void check_uri(const char *path, const sound *want) {
    sound s;
    char *bytes, *uri;
    size_t size;
    assert_int_equal(file_read(&bytes, &size, path, 1 << 20), LMM_OK);
    uri = sound_uri(bytes, size);
    if (sound_load(&s, uri, 16000, NULL)) fail_msg("%s", lmm_message());
    assert_int_equal(s.count, want->count);
    assert_memory_equal(s.samples, want->samples, (size_t)s.count * sizeof *s.samples);
    sound_free(&s);
    free(uri);
    free(bytes);
}

/* ffmpeg's sine is 1/8 of full scale, its two channels 1/sqrt(2) of it each; the mean of two equal channels is as strong as one. */
static void check_sound(const char *codec, const char *name) {
    place p;
    sound s;
    char *arguments = mem_printf("-f lavfi -i sine=440:duration=1:sample_rate=48000 -ac 2 %s", codec);
    bool made = make(&p, arguments, name);
    free(arguments);
    if (!made) print_message("skipped: this ffmpeg cannot make %s\n", name);
    else {
        if (sound_load(&s, p.path, 16000, NULL)) fail_msg("%s", lmm_message());
        assert_int_equal(s.rate, 16000);
        check_uri(p.path, &s);
        if (s.count < 15500 || s.count > 17000) fail_msg("%s: %" PRId64 " samples", name, s.count);
        double sum = 0;
        for (int i = 4000; i < 12000; i++) sum += (double)s.samples[i] * s.samples[i];
        double strength = sqrt(sum / 8000);
        if (fabs(strength - 0.0625) > 0.005) /* lossy codecs */
            fail_msg("%s: a strength of %g", name, strength);
        sound_free(&s);
    }
    drop(&p);
}

static void sound_of_every_codec_is_as_long_and_loud_as_it_was(void **state) {
    skip_without_tools(state);
    static const coded sounds[] =
        {{"s.wav", ""},         {"s.flac", "-c:a flac"},    {"s.mp3", "-c:a libmp3lame"}, {"s.ogg", "-c:a libvorbis"},
         {"s.m4a", "-c:a aac"}, {"s.opus", "-c:a libopus"}, {"s.mka", "-c:a pcm_s24le"}};
    for (size_t i = 0; i < COUNT_OF(sounds); i++) check_sound(sounds[i].codec, sounds[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_those_of_ffmpeg_in_every_codec),          cmocka_unit_test(a_turned_video_is_shown_upright),
        cmocka_unit_test(frames_of_a_varying_rate_have_their_own_times),      cmocka_unit_test(fewer_frames_than_asked_for_come_once_each),
        cmocka_unit_test(more_frames_than_fit_are_refused_before_decoding),   cmocka_unit_test(sound_without_video_has_no_frames),
        cmocka_unit_test(sound_of_every_codec_is_as_long_and_loud_as_it_was),
    };
    return cmocka_run_group_tests(tests, look_for_tools, NULL);
}
