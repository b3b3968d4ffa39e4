/* test_store.c - answers that are kept: what comes back, and files that are no stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "eval/eval_int.h"
#include "../folder.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static eval_store *open_store(void) {
    char *path = path_join(folder, "new/cache.db");
    eval_store *s;
    OK(store_open(&s, path));
    free(path);
    return s;
}

static void keep(eval_store *s, const char *key, const char *response_json) {
    tree *request, *response;
    static const char about[] =
        "{\"request_type\": \"loglikelihood\", \"task_name\": \"t\", \"doc_id\": 3, \"idx\": 0, \"gen_kwargs\": {}}";
    OK(tree_parse_json(&request, about, strlen(about), "request"));
    OK(tree_parse_json(&response, response_json, strlen(response_json), "response"));
    OK(store_put(s, key, request, response, NULL));
    tree_free(request);
    tree_free(response);
}

static void answers_come_back_to_the_last_bit(void **state) {
    (void)state;
    eval_store *s = open_store();
    tree *response, *usage;
    keep(s, "a", "[[0.1234567890123456789, true], [1e-300, false]]");
    store_close(s);
    s = open_store();
    OK(store_get(s, "a", &response, &usage));
    assert_non_null(response);
    assert_null(usage);
    assert_true(response->items[0]->items[0]->real == 0.1234567890123456789);
    assert_true(response->items[1]->items[0]->real == 1e-300);
    tree_free(response);
    OK(store_get(s, "b", &response, &usage));
    assert_null(response);
    store_close(s);
}

static void the_first_word_of_a_run_stays(void **state) {
    (void)state;
    eval_store *s = open_store();
    char *word;
    OK(store_word(s, "began", "monday", &word));
    assert_string_equal(word, "monday");
    free(word);
    OK(store_word(s, "began", "tuesday", &word));
    assert_string_equal(word, "monday");
    free(word);
    store_close(s);
}

static void a_file_that_is_no_store_is_refused_and_left_alone(void **state) {
    (void)state;
    char *path = path_join(folder, "letter.db"), *text;
    eval_store *s;
    OK(file_write(path, "Dear all, this is no table of answers.", 38));
    assert_int_equal(store_open(&s, path), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "letter.db"));
    OK(file_read(&text, NULL, path, 1000));
    assert_string_equal(text, "Dear all, this is no table of answers.");
    free(text);
    free(path);
}

/* As ranks do, or two runs with one cache: all open the same new file at once and each keeps an answer. */
static void several_may_open_a_new_store_at_once(void **state) {
    (void)state;
    enum { ROUNDS = 10, WRITERS = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        char *name = mem_printf("shared-%d.db", round), *path = path_join(folder, name);
        for (int k = 0; k < WRITERS; k++) {
            if (fork()) continue;
            eval_store *s;
            tree *request = tree_new(TREE_MAP), *answer = tree_new_string("yes");
            const char key[] = {(char)('a' + k), '\0'};
            _exit(store_open(&s, path) || store_put(s, key, request, answer, NULL));
        }
        int status, failed = 0;
        for (int k = 0; k < WRITERS; k++) failed += wait(&status) < 0 || status != 0;
        assert_int_equal(failed, 0);
        eval_store *s;
        tree *response, *usage;
        OK(store_open(&s, path));
        OK(store_get(s, "f", &response, &usage));
        assert_string_equal(response->text, "yes");
        tree_free(response);
        tree_free(usage);
        store_close(s);
        free(path);
        free(name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_back_to_the_last_bit),
        cmocka_unit_test(the_first_word_of_a_run_stays),
        cmocka_unit_test(a_file_that_is_no_store_is_refused_and_left_alone),
        cmocka_unit_test(several_may_open_a_new_store_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
