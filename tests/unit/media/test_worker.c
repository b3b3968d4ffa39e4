/* test_worker.c - video through lmm-media: the right frames, and one sentence for everything that is broken, too large or a lie. */
#include <math.h>
#include <unistd.h>

#include "golden_util.h"

enum { FRAMES = 12, WIDTH = 64, HEIGHT = 48 };
static const double rate = 4;

typedef struct {
    char folder[32], *path;
} made;

/* Frame i is grey 10 + 20 i, with a white mark in its upper left corner. */
static made make_video(void) {
    made m = {.folder = "/tmp/lmm-worker-XXXXXX"};
    image frames[FRAMES];
    assert_non_null(mkdtemp(m.folder));
    m.path = path_join(m.folder, "clip.mp4");
    for (int i = 0; i < FRAMES; i++) {
        unsigned char grey = (unsigned char)(10 + 20 * i);
        assert_int_equal(image_new(&frames[i], WIDTH, HEIGHT, 3), LMM_OK);
        draw_rectangle(&frames[i], 0, 0, WIDTH, HEIGHT, (draw_color){grey, grey, grey});
        draw_rectangle(&frames[i], 0, 0, 16, 8, (draw_color){255, 255, 255});
    }
    if (frames_save_mp4(frames, FRAMES, rate, m.path)) fail_msg("%s", lmm_message());
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    return m;
}

static void remove_video(made *m) {
    dir_remove(m->folder);
    free(m->path);
}

static void skip_without_worker(void) {
    media_reader *r;
    if (media_open(&r, "/dev/null", NULL) != LMM_E_UNSUPPORTED) return;
    print_message("skipped: lmm-media was not built\n");
    skip();
}

typedef struct {
    int count, grey[32], white; /* in the middle; side of the white mark: 0 upper left, 1 upper right, 2 lower right, 3 lower left */
    double seconds[32];
} seen;

static int bright(const image *im, int x, int y) { return im->data[(y * im->width + x) * 3] > 200; }

static lmm_status look(void *arg, int place, const image *im, double seconds) {
    seen *s = arg;
    assert_int_equal(place, s->count);
    s->grey[place] = im->data[(im->height / 2 * im->width + im->width / 2) * 3];
    s->seconds[place] = seconds;
    int right = im->width - 4, low = im->height - 4;
    s->white = bright(im, 3, 3) ? 0 : bright(im, right, 3) ? 1 : bright(im, right, low) ? 2 : bright(im, 3, low) ? 3 : -1;
    s->count++;
    return LMM_OK;
}

static void frames_come_by_number_with_their_times(void **state) {
    (void)state;
    skip_without_worker();
    made m = make_video();
    media_reader *r;
    seen s = {0};
    const int index[] = {0, 3, 3, 7, 11};
    if (media_open(&r, m.path, NULL)) fail_msg("%s", lmm_message());
    const media_info *i = media_about(r);
    assert_true(i->has_video && !i->has_sound && i->frame_count == FRAMES && i->width == WIDTH && i->height == HEIGHT);
    assert_true(fabs(i->fps - rate) < 1e-3 && fabs(i->seconds - FRAMES / rate) < 0.01);
    if (media_frames(r, index, 5, look, &s)) fail_msg("%s", lmm_message());
    for (int k = 0; k < 5; k++) {
        assert_true(abs(s.grey[k] - (10 + 20 * index[k])) <= 3);
        assert_true(fabs(s.seconds[k] - index[k] / rate) < 1e-3);
    }
    media_close(r);
    remove_video(&m);
}

static void a_video_without_sound_says_so(void **state) {
    (void)state;
    skip_without_worker();
    made m = make_video();
    sound s;
    assert_int_equal(sound_load(&s, m.path, 0, NULL), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "has no sound"));
    remove_video(&m);
}

static void frames_beyond_the_end_are_refused(void **state) {
    (void)state;
    skip_without_worker();
    made m = make_video();
    media_reader *r;
    seen s = {0};
    assert_int_equal(media_open(&r, m.path, NULL), LMM_OK);
    assert_int_equal(media_frames(r, (const int[]){FRAMES}, 1, look, &s), LMM_E_ARG);
    assert_int_equal(media_frames(r, (const int[]){4, 2}, 2, look, &s), LMM_E_ARG);
    media_close(r);
    remove_video(&m);
}

/* ---- changed bytes ---- */

static unsigned char *find(char *data, size_t n, const char *box) {
    for (size_t i = 0; i + 4 <= n; i++)
        if (!memcmp(data + i, box, 4)) return (unsigned char *)data + i + 4;
    fail_msg("no box '%s'", box);
    return NULL;
}

static void put32(unsigned char *p, int32_t x) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)((uint32_t)x >> (24 - 8 * i));
}

static void a_turned_video_stands_upright(void **state) {
    (void)state;
    skip_without_worker();
    static const struct {
        int32_t a, b, c, d;
        int white, width;
    } turn[] = {{0, 65536, -65536, 0, 1, HEIGHT}, {-65536, 0, 0, -65536, 2, WIDTH}, {0, -65536, 65536, 0, 3, HEIGHT}};
    for (size_t t = 0; t < COUNT_OF(turn); t++) {
        made m = make_video();
        media_reader *r;
        seen s = {0};
        char *data;
        size_t n;
        assert_int_equal(file_read(&data, &n, m.path, 1 << 24), LMM_OK);
        unsigned char *matrix = find(data, n, "tkhd") + 40;
        put32(matrix, turn[t].a), put32(matrix + 4, turn[t].b), put32(matrix + 12, turn[t].c), put32(matrix + 16, turn[t].d);
        assert_int_equal(file_write(m.path, data, n), LMM_OK);
        if (media_open(&r, m.path, NULL)) fail_msg("%s", lmm_message());
        assert_int_equal(media_about(r)->width, turn[t].width);
        if (media_frames(r, (const int[]){0}, 1, look, &s)) fail_msg("%s", lmm_message());
        assert_int_equal(s.white, turn[t].white);
        media_close(r);
        free(data);
        remove_video(&m);
    }
}

static lmm_status ignore(void *arg, int place, const image *im, double seconds) {
    (void)arg, (void)place, (void)im, (void)seconds;
    return LMM_OK;
}

/* All frames or one sentence. */
static void survives(const char *path) {
    media_reader *r;
    lmm_status st = media_open(&r, path, NULL);
    if (!st) {
        int count = media_about(r)->has_video ? media_about(r)->frame_count : 0, index[FRAMES] = {0};
        for (int i = 0; i < count && i < FRAMES; i++) index[i] = i;
        if (count) st = media_frames(r, index, min_int(count, FRAMES), ignore, NULL);
        media_close(r);
    }
    if (st) assert_true(lmm_message()[0] && !strchr(lmm_message(), '\n'));
}

static void a_video_cut_or_changed_anywhere_gives_frames_or_a_sentence(void **state) {
    (void)state;
    skip_without_worker();
    made m = make_video();
    char *data;
    size_t n;
    rng r = rng_make(7, 0);
    assert_int_equal(file_read(&data, &n, m.path, 1 << 24), LMM_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(file_write(m.path, data, (size_t)rng_below(&r, n)), LMM_OK);
        survives(m.path);
    }
    for (int i = 0; i < 10; i++) {
        char *changed = mem_strndup("", 0);
        changed = mem_resize(changed, n, 1);
        memcpy(changed, data, n);
        for (int k = 0; k < 20; k++) changed[rng_below(&r, n)] = (char)rng_u32(&r);
        assert_int_equal(file_write(m.path, changed, n), LMM_OK);
        survives(m.path);
        free(changed);
    }
    free(data);
    remove_video(&m);
}

static void refuses(const char *path, const media_limits *l, const char *words) {
    media_reader *r;
    if (media_open(&r, path, l) == LMM_OK) fail_msg("'%s' was taken", path);
    if (!strstr(lmm_message(), words)) fail_msg("'%s' does not say '%s'", lmm_message(), words);
}

static void what_is_over_a_limit_is_refused_by_its_header(void **state) {
    (void)state;
    skip_without_worker();
    made m = make_video();
    refuses(m.path, &(media_limits){.side_max = 32}, "the limit is 32");
    refuses(m.path, &(media_limits){.frame_count_max = 5}, "more than 5 frames");
    refuses(m.path, &(media_limits){.seconds_max = 1}, "the limit is 1");
    refuses(m.path, &(media_limits){.file_size_max = 10}, "the limit is 10");
    remove_video(&m);
}

static void files_that_name_other_files_are_no_media(void **state) {
    (void)state;
    skip_without_worker();
    static const char *const texts[] = {"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n",
                                        "concat:/etc/passwd|/etc/passwd\n", "http://127.0.0.1/x.mp4\n", "#EXTM3U\nhttp://127.0.0.1/\n"};
    made m = make_video();
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(file_write(m.path, texts[i], strlen(texts[i])), LMM_OK);
        refuses(m.path, NULL, "no media file");
    }
    assert_int_equal(file_write(m.path, "", 0), LMM_OK);
    refuses(m.path, NULL, "it is empty");
    remove_video(&m);
    refuses("/tmp", NULL, "it is no file");
    refuses("/tmp/lmm-there-is-no-such-file", NULL, "cannot open");
}

/* ---- the client alone: what comes out of the pipe is not believed ---- */

static media_reader *pipe_of(const void *bytes, size_t n, lmm_status *st) {
    int ends[2];
    media_reader *r = NULL;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, n), n);
    close(ends[1]);
    *st = media_open_pipe(&r, ends[0], "pipe");
    return r;
}

typedef struct {
    media_head head;
    media_info info;
} opening;
static const opening good = {{MEDIA_MAGIC, MEDIA_INFO, sizeof(media_info), 0}, {1, 1, 8, 4, 3, 0, 25, 1}};

static void a_description_out_of_range_is_refused(void **state) {
    (void)state;
    lmm_status st;
    opening bad[5] = {good, good, good, good, good};
    bad[0].head.magic = 1, bad[1].head.size = 3, bad[2].info.width = 1 << 20, bad[3].info.fps = NAN, bad[4].info.frame_count = -1;
    for (int i = 0; i < 5; i++) {
        assert_null(pipe_of(&bad[i], sizeof bad[i], &st));
        assert_int_equal(st, LMM_E_FORMAT);
    }
    assert_null(pipe_of(&good, sizeof good - 1, &st));
    media_close(pipe_of(&good, sizeof good, &st));
    assert_int_equal(st, LMM_OK);
}

static void frames_of_another_size_or_number_are_refused(void **state) {
    (void)state;
    struct {
        opening o;
        media_head head;
        media_frame_head frame;
        unsigned char rgb[8 * 4 * 3];
    } m = {good, {MEDIA_MAGIC, MEDIA_FRAME, sizeof(media_frame_head) + 96, 0}, {0, 0, 0}, {0}};
    lmm_status st;
    for (int i = 0; i < 3; i++) {
        m.head.size = i == 1 ? 4 : sizeof(media_frame_head) + 96;
        m.frame.index = i == 2 ? 1 : 0;
        media_reader *r = pipe_of(&m, sizeof m, &st);
        assert_int_equal(media_frames(r, (const int[]){0}, 1, ignore, NULL), i == 0 ? LMM_OK : LMM_E_FORMAT);
        media_close(r);
    }
}

static void the_workers_sentence_is_text(void **state) {
    (void)state;
    struct {
        opening o;
        media_head head;
        uint32_t code;
        char text[8];
    } m = {good, {MEDIA_MAGIC, MEDIA_ERROR, 12, 0}, LMM_E_LIMIT, {'t', 'o', 'o', '\n', 'b', 'i', 'g', '\x1b'}};
    lmm_status st;
    sound s;
    media_reader *r = pipe_of(&m, sizeof m, &st);
    assert_int_equal(media_sound(r, &s), LMM_E_LIMIT);
    assert_non_null(strstr(lmm_message(), "too?big?"));
    media_close(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_by_number_with_their_times),
        cmocka_unit_test(a_video_without_sound_says_so),
        cmocka_unit_test(frames_beyond_the_end_are_refused),
        cmocka_unit_test(a_turned_video_stands_upright),
        cmocka_unit_test(a_video_cut_or_changed_anywhere_gives_frames_or_a_sentence),
        cmocka_unit_test(what_is_over_a_limit_is_refused_by_its_header),
        cmocka_unit_test(files_that_name_other_files_are_no_media),
        cmocka_unit_test(a_description_out_of_range_is_refused),
        cmocka_unit_test(frames_of_another_size_or_number_are_refused),
        cmocka_unit_test(the_workers_sentence_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
