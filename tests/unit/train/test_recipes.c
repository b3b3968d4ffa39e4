/* test_recipes.c - every recipe of the project is one: no key is unknown, no number out of bounds. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/train.h"
#include "../folder.h"

static void all_recipes_are_read(void **state) {
    (void)state;
    char *pattern = mem_printf("%s/configs/*/*.yaml", LMM_SOURCE);
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 15);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        recipe r;
        if (recipe_open(&r, found.gl_pathv[i], NULL, 0)) fail_msg("%s", lmm_message());
        recipe_free(&r);
    }
    globfree(&found);
    free(pattern);
}

static void a_wrong_word_names_the_right_ones(void **state) {
    (void)state;
    char *path = mem_printf("%s/configs/llava/1.5-stage2.yaml", LMM_SOURCE);
    const char *const over[] = {"group_by=kind"};
    recipe r;
    assert_int_equal(recipe_open(&r, path, over, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "none, length or modality"));
    free(path);
}

static lmm_status open_in(recipe *r, const char *name, const char *const *over, int n) {
    char *path = in_folder(name);
    lmm_status st = recipe_open(r, path, over, n);
    free(path);
    return st;
}

static void lists_of_other_recipes_are_put_in_place(void **state) {
    (void)state;
    write_text("all.yaml", "augment: {mirror: true}\ndata:\n  - {path: a, repeat: 0.5}\n  - {path: b, augment: {turn: true}}\n  - include: "
                           "deep/more.yaml\n");
    char *deep = in_folder("deep");
    assert_int_equal(dir_make(deep), LMM_OK);
    free(deep);
    write_text("deep/more.yaml", "data: [{path: c}, {include: ../last.yaml, repeat: 3}]\n");
    write_text("last.yaml", "augment: {roam: true}\ndata: [{path: d, repeat: 2}]\n");
    write_text("recipe.yaml",
               "run: out\nmodel: {open: m}\ndata: [{path: x}, {include: all.yaml, repeat: 0.5}, {path: y}]\naugment: {shift: 2}\n");
    recipe r;
    if (open_in(&r, "recipe.yaml", NULL, 0)) fail_msg("%s", lmm_message());
    static const struct {
        const char *path;
        double repeat;
        bool mirror, turn, roam;
        int shift;
    } want[] = {{"./x", 1, .shift = 2},       {"./a", 0.25, .mirror = true}, {"./b", 0.5, .turn = true},
                {"./c", 0.5, .mirror = true}, {"./d", 3, .roam = true},      {"./y", 1, .shift = 2}};
    assert_int_equal(r.data.count, COUNT_OF(want));
    for (int i = 0; i < r.data.count; i++) {
        const recipe_data *d = &r.data.at[i];
        assert_string_equal(d->path, want[i].path);
        assert_float_equal(d->repeat, want[i].repeat, 0);
        assert_int_equal(d->augment.mirror, want[i].mirror);
        assert_int_equal(d->augment.turn, want[i].turn);
        assert_int_equal(d->augment.roam, want[i].roam);
        assert_int_equal(d->augment.shift, want[i].shift);
    }
    buf kept = {0};
    tree_write_json(&kept, r.source, 0);
    assert_null(strstr(kept.data, "include")); /* a checkpoint's recipe needs no other file */
    buf_free(&kept);
    recipe_free(&r);
}

static void a_wrong_include_says_which(void **state) {
    (void)state;
    write_text("itself.yaml", "run: out\nmodel: {open: m}\ndata: [{include: itself.yaml}]\n");
    write_text("typo.yaml", "data: [{path: a},\n  {path: b, reapet: 2}]\n");
    write_text("often.yaml", "data: [{path: a, repeat: often}]\n");
    write_text("none.yaml", "run: out\n");
    static const char *const wrong[][2] = {
        {"data=[{include: itself.yaml}]", "more than 8 levels deep"},
        {"data=[{include: typo.yaml}]", "typo.yaml:2: unknown key 'reapet'"},
        {"data=[{include: none.yaml}]", "none.yaml: has no list 'data'"},
        {"data=[{include: missing.yaml}]", "missing.yaml"},
        {"data=[{inclde: all.yaml}]", "did you mean 'include'?"},
        {"data=[{include: all.yaml, frames: 8}]", "unknown key 'frames'"},
        {"data=[{include: often.yaml, repeat: 0.5}]", "often.yaml: 'repeat' must be a number"},
        {"data=[{include: all.yaml, repeat: often}]", "'repeat' must be a number"},
        {"data=[{include: all.yaml, repeat: -1}]", "'repeat' is -0.5"},
        {"data=[{include: []}]", "reading"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        recipe r;
        assert_int_not_equal(open_in(&r, "itself.yaml", &wrong[i][0], 1), LMM_OK);
        if (!strstr(lmm_message(), wrong[i][1])) fail_msg("%s: %s", wrong[i][0], lmm_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_recipes_are_read), cmocka_unit_test(a_wrong_word_names_the_right_ones),
                                       cmocka_unit_test(lists_of_other_recipes_are_put_in_place),
                                       cmocka_unit_test(a_wrong_include_says_which)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
