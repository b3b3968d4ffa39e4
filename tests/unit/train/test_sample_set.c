/* A sample comes back from the spool as it was put, whatever it holds and wherever it lies. */
#include "run_util.h"
#include "train/train_int.h"

static void push_ids(id_list *l, int count, int first) {
    for (int i = 0; i < count; i++) VEC_PUSH(l, first + i);
}

/* Sample i: everything in it is a function of i. */
static sample make(int i) {
    sample s = {.video = {.frames = i, .fps = i / 2.0, .repeat = i % 2}, .prefix = i % 5, .label_count = i % 7};
    push_ids(&s.ids, i % 300, i);
    push_ids(&s.labels, i % 300, -i);
    for (int k = 0; k < i % 3; k++) VEC_PUSH(&s.segs, ((sample_seg){k, i}));
    if (i % 4 == 1) VEC_PUSH(&s.media, ((media_ref){.path = mem_printf("pictures/%d.png", i)}));
    if (i % 4 == 2) VEC_PUSH(&s.media, ((media_ref){.path = mem_printf("%d.mp4", i), .video = true}));
    if (i % 4 >= 2) VEC_PUSH(&s.media, ((media_ref){.path = mem_printf("data:image/png;base64,%08d", i / 8)}));
    if (i % 2) s.text = mem_printf("text %d", i), s.gold = mem_strdup("");
    if (i % 5 == 0) s.question = mem_printf("question %d", i);
    return s;
}

static void assert_text(const char *a, const char *b) {
    assert_int_equal(!a, !b);
    if (a) assert_string_equal(a, b);
}

static void assert_ints(const id_list *a, const id_list *b) {
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) assert_int_equal(a->at[i], b->at[i]);
}

static void assert_is(const sample_set *set, int i) {
    sample want = make(i), s;
    OK(sample_at(set, i, &s));
    assert_ints(&s.ids, &want.ids);
    assert_ints(&s.labels, &want.labels);
    assert_text(s.text, want.text);
    assert_text(s.question, want.question);
    assert_text(s.gold, want.gold);
    assert_true(s.video.frames == want.video.frames && s.video.fps == want.video.fps && s.video.repeat == want.video.repeat);
    assert_true(s.prefix == want.prefix && s.label_count == want.label_count);
    assert_int_equal(s.segs.count, want.segs.count);
    for (int k = 0; k < s.segs.count; k++) assert_true(s.segs.at[k].first == k && s.segs.at[k].count == i);
    assert_int_equal(s.media.count, want.media.count);
    for (int k = 0; k < s.media.count; k++) {
        assert_string_equal(s.media.at[k].path, want.media.at[k].path);
        assert_int_equal(s.media.at[k].video, want.media.at[k].video);
    }
    const sample_brief *brief = &set->list.at[i];
    assert_true(brief->length == s.ids.count && brief->has_media == (s.media.count > 0) && (int)brief->label_count == s.label_count);
    sample_free(&want);
    sample_free(&s);
}

static void samples_come_back_as_they_were(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    sample_set set = {0};
    spool_open(&set.rest, folder);
    for (int i = 0; i < COUNT; i++) {
        sample s = make(i);
        OK(sample_put(&set, &s));
    }
    assert_true(set.rest.is_file);
    for (int k = 0; k < COUNT; k++) assert_is(&set, (int)((int64_t)k * 1009 % COUNT));
    sample_set_free(&set);
}

static void a_picture_in_several_samples_is_kept_once(void **state) {
    (void)state;
    sample_set set = {0};
    char *uri = mem_new(10001, 1);
    memset(uri, 'A', 10000);
    memcpy(uri, "data:image/png;base64,", 22);
    for (int i = 0; i < 10; i++) {
        sample s = {0};
        VEC_PUSH(&s.media, ((media_ref){.path = mem_strdup(uri)}));
        OK(sample_put(&set, &s));
    }
    assert_true(set.rest.tail.size < 15000);
    sample s;
    OK(sample_at(&set, 9, &s));
    assert_string_equal(s.media.at[0].path, uri);
    sample_free(&s);
    sample_set_free(&set);
    free(uri);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(samples_come_back_as_they_were, set_up, tear_down),
        cmocka_unit_test(a_picture_in_several_samples_is_kept_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
