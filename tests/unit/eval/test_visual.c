/* test_visual.c - where the pictures of a row come from, and how a row becomes messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/eval_int.h"
#include "../folder.h"

#define OK(call) assert_int_equal((call), LMM_OK)

/* 24 bytes of base64 decode to the head of a PNG; the rest only has to be long. */
#define PNG64 "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

static void touch(const char *name) {
    char *path = path_join(folder, name), *dir = path_dir(path);
    OK(dir_make(dir));
    OK(file_write(path, "x", 1));
    free(dir);
    free(path);
}

typedef struct {
    eval_task task;
    table data;
    visual_source from;
} fixture;

/* config: the task in JSON; rows: a list in JSON. Closed by `done`. */
static void open_fixture(fixture *f, const char *config, const char *rows) {
    *f = (fixture){.task = {.name = (char *)"t"}};
    OK(tree_parse_json(&f->task.config, config, strlen(config), "config"));
    OK(tree_parse_json(&f->data.rows, rows, strlen(rows), "rows"));
    f->data.count = f->data.rows->count;
    f->from = (visual_source){&f->task, &f->data, folder, folder, NULL, false};
}

static void done(fixture *f) {
    tree_free(f->task.config);
    table_close(&f->data);
}

/* The messages of row i as JSON; free(). NULL: it failed. */
static char *messages(const fixture *f, int i) {
    row_prompt p;
    buf b = {0};
    lmm_status st = row_prompt_of(&p, &f->from, table_row(&f->data, i), &(lmm_eval_opts){0});
    if (!st) tree_write_json(&b, p.messages, 0);
    row_prompt_free(&p);
    return st ? NULL : buf_take(&b);
}

static void holds(const fixture *f, int row, const char *words) {
    char *have = messages(f, row);
    if (!have) fail_msg("%s", lmm_message());
    if (!strstr(have, words)) fail_msg("%s\nshould hold\n%s", have, words);
    free(have);
}

#define QUESTION "\"doc_to_text\": \"{{ q }}\", \"doc_to_visual\": "

static void a_cell_may_be_base64_or_a_file_or_nothing(void **state) {
    (void)state;
    fixture f;
    touch("images/a.png");
    open_fixture(&f, "{" QUESTION "\"{{ image }}\"}",
                 "[{\"q\": \"1\", \"image\": \"" PNG64 "\"}, {\"q\": \"2\", \"image\": \"a.png\"}, {\"q\": \"3\", \"image\": null},"
                 " {\"q\": \"4\", \"image\": \"b.png\"}, {\"q\": \"5\", \"picture\": 1}]");
    holds(&f, 0, "\"url\": \"data:image/png;base64,iVBOR");
    holds(&f, 1, "/images/a.png\"}}, {\"type\": \"text\", \"text\": \"2\"}");
    holds(&f, 2, "[{\"type\": \"text\", \"text\": \"3\"}]");
    assert_null(messages(&f, 3));
    assert_non_null(strstr(lmm_message(), "'b.png' is not there"));
    assert_null(messages(&f, 4));
    assert_non_null(strstr(lmm_message(), "it has: q, picture"));
    done(&f);
}

static void parquet_cells_hold_bytes_or_a_path_and_lists_hold_several(void **state) {
    (void)state;
    fixture f;
    touch("c.jpg");
    open_fixture(&f, "{" QUESTION "\"{{ image }}\"}",
                 "[{\"q\": \"1\", \"image\": {\"bytes\": \"GIF89a\", \"path\": \"x.gif\"}},"
                 " {\"q\": \"2\", \"image\": [{\"bytes\": null, \"path\": \"c.jpg\"}, {\"bytes\": \"GIF87a\", \"path\": null}]},"
                 " {\"q\": \"3\", \"image\": []}]");
    holds(&f, 0, "data:image/gif;base64,R0lGODlh\"}}");
    holds(&f, 1, "c.jpg\"}}, {\"type\": \"image_url\", \"image_url\": {\"url\": \"data:image/gif;base64,R0lGODdh\"}}, {\"type\": \"text\"");
    holds(&f, 2, "\"content\": [{\"type\": \"text\", \"text\": \"3\"}]");
    done(&f);
}

static void a_number_means_the_row_that_has_the_picture(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, "{" QUESTION "\"{{ image }}\"}",
                 "[{\"q\": \"1\", \"index\": 7, \"image\": \"" PNG64 "\"}, {\"q\": \"2\", \"index\": 8, \"image\": \"7\"},"
                 " {\"q\": \"3\", \"index\": 9, \"image\": \"8\"}]");
    holds(&f, 1, "data:image/png;base64,iVBOR");
    assert_null(messages(&f, 2)); /* the row it names has none of its own */
    done(&f);
}

static void named_pictures_stand_where_the_words_put_them(void **state) {
    (void)state;
    fixture f;
    touch("one.png");
    touch("two.png");
    open_fixture(&f,
                 "{" QUESTION "{\"columns\": [\"image_1\", \"image_2\", \"image_3\"], \"named_in\": [\"q\", \"o\"], \"interleave\": true}}",
                 "[{\"q\": \"see <image 1> now\", \"o\": \"['<image 3>']\", \"image_1\": \"one.png\", \"image_2\": null, \"image_3\": "
                 "\"two.png\"}]");
    holds(&f, 0, "[{\"type\": \"text\", \"text\": \"see\"}, {\"type\": \"image_url\"");
    holds(&f, 0, "two.png\"}}, {\"type\": \"text\", \"text\": \"now\"}]");
    done(&f);
}

static void frames_of_a_video_may_lie_in_a_folder(void **state) {
    (void)state;
    fixture f;
    touch("videos/v1/1.png");
    open_fixture(&f, "{" QUESTION "\"{{ id }}.mp4\", \"frames\": {\"count\": 5}}", "[{\"q\": \"1\", \"id\": \"v1\"}]");
    holds(&f, 0, "{\"type\": \"video_url\", \"video_url\": {\"url\": ");
    holds(&f, 0, "/videos/v1\"}}");
    done(&f);
}

static void archives_of_the_data_set_are_unpacked_on_demand(void **state) {
    (void)state;
    fixture f;
    char *text, *path = path_join(folder, "parts/some.zip");
    size_t size;
    OK(file_read(&text, &size, LMM_TESTS "/fuzz/corpus/zip/stored.zip", 1 << 20));
    touch("parts/broken.zip");
    OK(file_write(path, text, size));
    free(text);
    free(path);
    open_fixture(&f, "{" QUESTION "\"{{ video }}\"}",
                 "[{\"q\": \"1\", \"video\": \"x.txt\"}, {\"q\": \"2\", \"video\": \"a.mp4\"}, {\"q\": \"3\", \"video\": \"none.mp4\"}]");
    archives *zips;
    OK(archives_open(&zips, folder));
    f.from.zips = zips;
    holds(&f, 0, "/unpacked/some/a/x.txt");
    holds(&f, 1, "\"video_url\": {\"url\": ");
    assert_null(messages(&f, 2));
    assert_non_null(strstr(lmm_message(), "broken.zip"));
    archives_close(zips);
    done(&f);
}

static void files_go_to_servers_as_their_bytes(void **state) {
    (void)state;
    fixture f;
    touch("d.png");
    open_fixture(&f, "{" QUESTION "\"{{ image }}\"}", "[{\"q\": \"1\", \"image\": \"d.png\"}]");
    f.from.inline_files = true;
    holds(&f, 0, "data:image/unknown;base64,eA==");
    done(&f);
}

static void templates_do_not_see_the_bytes(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, "{\"doc_to_text\": \"{{ image }}\"}", "[{\"image\": {\"bytes\": \"GIF89a\", \"path\": \"x.gif\"}}]");
    holds(&f, 0, "{'path': 'x.gif'}");
    done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_may_be_base64_or_a_file_or_nothing),
        cmocka_unit_test(parquet_cells_hold_bytes_or_a_path_and_lists_hold_several),
        cmocka_unit_test(a_number_means_the_row_that_has_the_picture),
        cmocka_unit_test(named_pictures_stand_where_the_words_put_them),
        cmocka_unit_test(frames_of_a_video_may_lie_in_a_folder),
        cmocka_unit_test(archives_of_the_data_set_are_unpacked_on_demand),
        cmocka_unit_test(files_go_to_servers_as_their_bytes),
        cmocka_unit_test(templates_do_not_see_the_bytes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
