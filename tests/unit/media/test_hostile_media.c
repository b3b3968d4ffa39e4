/* test_hostile_media.c - files that lie, are cut, are far too large or want other files: one sentence each, from a worker that is locked in. */
#include <unistd.h>

#include "ffmpeg_util.h"

static bool run(const char *line) { return system(line) == 0; }

typedef struct {
    char folder[32], *path, *bytes;
    size_t size;
} made;

/* A file of ffmpeg's making, and its bytes. */
static made make(const char *arguments, const char *name) {
    made m = {.folder = "/tmp/lmm-hostile-XXXXXX"};
    assert_non_null(mkdtemp(m.folder));
    m.path = path_join(m.folder, name);
    char *line = mem_printf("ffmpeg -v error -y -threads 1 %s -threads 1 %s", arguments, m.path);
    if (!run(line)) fail_msg("%s", line);
    free(line);
    if (file_read(&m.bytes, &m.size, m.path, 1 << 26)) fail_msg("%s", lmm_message());
    return m;
}

static void drop(made *m) {
    dir_remove(m->folder);
    free(m->bytes);
    free(m->path);
}

static void one_sentence(void) {
    const char *said = lmm_message();
    if (!said[0] || strchr(said, '\n') || strlen(said) > 400) fail_msg("this is not one sentence: '%s'", said);
}

static lmm_status ignore(void *arg, int at, const image *im, double seconds) {
    (void)arg, (void)at, (void)im, (void)seconds;
    return LMM_OK;
}

/* Everything a caller could want of the file. */
static lmm_status take_all(const char *path, const media_limits *l) {
    media_reader *r;
    sound s = {0};
    lmm_status st = media_open(&r, path, l);
    if (st) return st;
    const media_info *about = media_about(r);
    int last = about->frame_count - 1, index[3] = {0, last / 2, last};
    if (about->has_video) st = media_frames(r, index, 3, ignore, NULL);
    if (!st && about->has_sound) st = media_sound(r, &s);
    sound_free(&s);
    media_close(r);
    return st;
}

static void refuses(const char *path, const media_limits *l, const char *words) {
    if (take_all(path, l) == LMM_OK) fail_msg("'%s' was taken", path);
    one_sentence();
    if (!strstr(lmm_message(), words)) fail_msg("'%s' does not say '%s'", lmm_message(), words);
}

/* ---- cut ---- */

static void cut_anywhere(const char *arguments, const char *name, int times) {
    made m = make(arguments, name);
    rng r = rng_make(11, 0);
    int whole = 0;
    if (take_all(m.path, NULL)) fail_msg("%s: %s", name, lmm_message());
    for (int i = 0; i < times; i++) {
        assert_int_equal(file_write(m.path, m.bytes, (size_t)rng_below(&r, m.size)), LMM_OK);
        if (take_all(m.path, NULL)) one_sentence();
        else whole++;
    }
    if (whole == times) fail_msg("%s: no cut was noticed", name);
    drop(&m);
}

static void files_cut_anywhere_give_what_is_there_or_a_sentence(void **state) {
    skip_without_tools(state);
    cut_anywhere("-f lavfi -i testsrc2=size=64x48:rate=20:duration=1 -f lavfi -i sine=440:duration=1 -c:v libx264 -g 5 -c:a aac -movflags "
                 "+faststart",
                 "front.mp4", 50);
    cut_anywhere("-f lavfi -i testsrc2=size=64x48:rate=20:duration=1 -c:v mpeg4", "back.mp4", 8);
    cut_anywhere("-f lavfi -i sine=440:duration=1 -c:a flac", "sound.flac", 8);
    cut_anywhere("-f lavfi -i testsrc2=size=64x48:rate=20:duration=1 -f lavfi -i sine=440:duration=1 -c:v libvpx -c:a libvorbis",
                 "clip.webm", 8);
}

/* ---- lies ---- */

static void an_empty_file_is_refused(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v libx264 -pix_fmt yuv420p", "clip.mp4");
    assert_int_equal(file_write(m.path, "", 0), LMM_OK);
    refuses(m.path, NULL, "it is empty");
    drop(&m);
}

static unsigned char *find(const made *m, const char *box) {
    for (size_t i = 0; i + 4 <= m->size; i++)
        if (!memcmp(m->bytes + i, box, 4)) return (unsigned char *)m->bytes + i + 4;
    fail_msg("no box '%s'", box);
    return NULL;
}

static void put(unsigned char *to, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(x >> 8 * (bytes - 1 - i));
}

static void a_header_of_too_many_pixels_is_refused(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v libx264 -pix_fmt yuv420p", "clip.mp4");
    unsigned char *entry = find(&m, "stsd") + 8 + 32; /* ISO 14496-12, VisualSampleEntry: the box's head, then width and height at 32 */
    put(entry, 16384, 2), put(entry + 2, 16384, 2);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    refuses(m.path, NULL, "16384 x 16384 pixels, the limit is 4096 a side");
    drop(&m);
    m = make("-f lavfi -i testsrc2=size=16384x16:rate=20:duration=0.1 -c:v mjpeg", "wide.avi");
    refuses(m.path, NULL, "16384 x 16 pixels");
    drop(&m);
}

/* The box says nothing, the stream its own size. */
static void a_header_without_pixels_is_not_believed(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v libx264 -pix_fmt yuv420p", "clip.mp4");
    media_reader *r = NULL;
    put(find(&m, "stsd") + 8 + 32, 0, 4);
    put(find(&m, "tkhd") + 76, 0, 8);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    if (take_all(m.path, NULL) || media_open(&r, m.path, NULL)) fail_msg("%s", lmm_message());
    assert_int_equal(media_about(r)->width, 64);
    assert_int_equal(media_about(r)->height, 48);
    media_close(r);
    drop(&m);
    m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v mjpeg", "clip.avi");
    unsigned char *format = find(&m, "strf") + 4; /* BITMAPINFOHEADER: width and height at 4 */
    put(format + 4, 0, 8);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    if (take_all(m.path, NULL)) one_sentence();
    drop(&m);
}

/* The box says small, the stream is large. */
static void a_stream_larger_than_its_header_is_refused(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=4608x64:rate=20:duration=0.1 -c:v libx264 -pix_fmt yuv420p", "clip.mp4");
    put(find(&m, "stsd") + 8 + 32, 64, 2);
    put(find(&m, "tkhd") + 76, 64 << 16, 4);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    assert_int_not_equal(take_all(m.path, NULL), LMM_OK);
    one_sentence();
    drop(&m);
}

static void three_days_of_sound_are_refused(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i sine=440:duration=1:sample_rate=8000 -c:a flac", "long.flac");
    const uint64_t three_days = 3 * 86400 * 8000ull;
    unsigned char *samples = (unsigned char *)m.bytes + 21; /* 36 bits of STREAMINFO, the first four of them shared with the sample size */
    samples[0] = (unsigned char)((samples[0] & 0xf0) | three_days >> 32);
    put(samples + 1, three_days & 0xffffffffu, 4);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    refuses(m.path, NULL, "259200 seconds long, the limit is 7200");
    drop(&m);
    /* A header that says less than there is: counted while it is decoded. */
    m = make("-f lavfi -i sine=440:duration=3:sample_rate=8000 -c:a flac", "short.flac");
    samples = (unsigned char *)m.bytes + 21;
    samples[0] &= 0xf0;
    put(samples + 1, 8000, 4);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    refuses(m.path, &(media_limits){.seconds_max = 2}, "longer than 2 seconds");
    drop(&m);
}

static void a_million_frames_are_refused_without_decoding_one(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v mpeg4", "clip.mp4");
    unsigned char *times = find(&m, "stts") + 4; /* count of runs, then (frames, ticks) */
    put(times + 4, 1000000, 4);
    unsigned char *sizes = find(&m, "stsz") + 4; /* one size for all, frames */
    put(sizes, 16, 4), put(sizes + 4, 1000000, 4);
    unsigned char *chunks = find(&m, "stsc") + 4;
    put(chunks + 8, 1000000, 4);
    assert_int_equal(file_write(m.path, m.bytes, m.size), LMM_OK);
    refuses(m.path, NULL, "more than 500000 frames");
    drop(&m);
    m = make("-f lavfi -i color=size=16x16:rate=100:duration=6 -c:v mpeg4", "many.avi");
    refuses(m.path, &(media_limits){.frame_count_max = 500}, "more than 500 frames");
    drop(&m);
}

static void a_video_without_key_frames_is_refused(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=2 -c:v libx264 -g 10 -pix_fmt yuv420p", "clip.mp4");
    char *line = mem_printf("ffmpeg -v error -y -i %s -c copy -bsf:v noise=drop=key %s/none.mp4", m.path, m.folder);
    assert_true(run(line));
    free(line);
    char *none = path_join(m.folder, "none.mp4");
    refuses(none, NULL, "cannot be decoded");
    free(none);
    drop(&m);
}

static void a_codec_that_is_not_on_the_list_is_never_opened(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v jpeg2000", "j2k.mp4");
    refuses(m.path, NULL, "coded as 'jpeg2000'");
    drop(&m);
}

/* ---- other files ---- */

static void a_file_that_names_others_opens_none(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v mpeg4", "clip.mp4");
    static const struct {
        const char *name, *text;
    } list[] = {
        {"a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"},
        {"a.ffconcat", "ffconcat version 1.0\nfile %s\n"},
        {"a.mpd", "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
                  "type=\"static\"><Period><BaseURL>%s</BaseURL></Period></MPD>\n"},
        {"a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"},
        {"a.mp4", "concat:%s|%s\n"},
        {"b.mp4", "http://127.0.0.1:9/%s\n"},
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        char *path = path_join(m.folder, list[i].name);
        buf text = {0};
        for (const char *c = list[i].text; *c; c++) {
            if (c[0] == '%' && c[1] == 's') buf_puts(&text, m.path), c++;
            else buf_put(&text, c, 1);
        }
        assert_int_equal(file_write(path, text.data, text.size), LMM_OK);
        refuses(path, NULL, "no media file");
        free(path);
        buf_free(&text);
    }
    drop(&m);
}

/* ---- the lock ---- */

static char *read_proc(int pid, const char *file) {
    char *path = mem_printf("/proc/%d/%s", pid, file), *text = mem_new(8192, 1);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 8191, f) > 0);
    fclose(f);
    free(path);
    return text;
}

static void the_worker_is_locked_in_and_holds_only_its_file_and_pipes(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i testsrc2=size=64x48:rate=20:duration=0.2 -c:v mpeg4", "clip.mp4");
    media_reader *r;
    int leaked = dup(0), pid;
    if (media_open(&r, m.path, NULL)) fail_msg("%s", lmm_message());
    char *task = mem_printf("task/%d/children", (int)getpid()), *children = read_proc((int)getpid(), task);
    assert_int_equal(sscanf(children, "%d", &pid), 1);
    char *status = read_proc(pid, "status"), *limits = read_proc(pid, "limits"), *fds = mem_printf("/proc/%d/fd", pid), **names;
    int count;
    assert_non_null(strstr(status, "Seccomp:\t2"));
    assert_non_null(strstr(status, "NoNewPrivs:\t1"));
    assert_non_null(strstr(limits, "1073741824")); /* address space */
    assert_int_equal(dir_list(&names, &count, fds), LMM_OK);
    assert_int_equal(count, 4);
    names_free(names, count);
    free(fds), free(limits), free(status), free(children), free(task);
    close(leaked);
    media_close(r);
    drop(&m);
}

static void memory_beyond_the_limit_is_one_sentence(void **state) {
    skip_without_tools(state);
    made m = make("-f lavfi -i color=size=4096x4096:rate=20:duration=0.1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p", "clip.mp4");
    if (take_all(m.path, NULL)) fail_msg("%s", lmm_message());
    /* The libraries fit, the frames of 24 MiB that decoding needs do not; not every decoder says why it failed. */
    assert_int_not_equal(take_all(m.path, &(media_limits){.memory_size_max = 256 << 20}), LMM_OK);
    one_sentence();
    refuses(m.path, &(media_limits){.memory_size_max = 48 << 20}, "memory than the limit");
    drop(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_cut_anywhere_give_what_is_there_or_a_sentence),
        cmocka_unit_test(an_empty_file_is_refused),
        cmocka_unit_test(a_header_without_pixels_is_not_believed),
        cmocka_unit_test(a_header_of_too_many_pixels_is_refused),
        cmocka_unit_test(a_stream_larger_than_its_header_is_refused),
        cmocka_unit_test(three_days_of_sound_are_refused),
        cmocka_unit_test(a_million_frames_are_refused_without_decoding_one),
        cmocka_unit_test(a_video_without_key_frames_is_refused),
        cmocka_unit_test(a_codec_that_is_not_on_the_list_is_never_opened),
        cmocka_unit_test(a_file_that_names_others_opens_none),
        cmocka_unit_test(the_worker_is_locked_in_and_holds_only_its_file_and_pipes),
        cmocka_unit_test(memory_beyond_the_limit_is_one_sentence),
    };
    return cmocka_run_group_tests(tests, look_for_tools, NULL);
}
