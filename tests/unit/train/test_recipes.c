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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_recipes_are_read), cmocka_unit_test(a_wrong_word_names_the_right_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
