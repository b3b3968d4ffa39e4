/* test_start.c - what a new network starts from: tensors of other checkpoints where name and shape agree, initial values elsewhere. */
#include "../engine/model_util.h"

static lmm_status start(net **out, const char *const *from, int count, int *taken, const bool *parts) {
    char *path = mem_printf("%s/configs/length/config.json", LMM_SOURCE), *dir = mem_printf("%s/configs/length", LMM_SOURCE);
    tree *config = NULL;
    preprocess_spec spec = {0};
    OK(tree_load(&config, path));
    OK(preprocess_open(&spec, dir));
    lmm_status st =
        net_new(out, config, &spec,
                &(net_start){.seed = 5, .fan_in = true, .from = from, .from_count = count, .taken = taken, .parts = parts}, path);
    tree_free(config);
    free(dir);
    free(path);
    return st;
}

static bool same_values(const param *a, const param *b) {
    return tensor_same_shape(&a->t, &b->t) && !memcmp(a->t.data, b->t.data, tensor_size(&a->t));
}

/* The mini has no newline: that one row begins as it would without a donor. */
static void another_family_gives_what_it_has(void **state) {
    (void)state;
    char *mini = mem_printf("%s/models/mini-v0", LMM_SOURCE);
    int taken[1];
    net *n = NULL, *plain = NULL, *donor = NULL;
    OK(start(&n, (const char *const[]){mini}, 1, taken, NULL));
    OK(start(&plain, NULL, 0, NULL, NULL));
    OK(net_open(&donor, mini));
    assert_int_equal(taken[0], n->params.list.count - 1);
    for (int i = 0; i < n->params.list.count; i++) {
        param *p = n->params.list.at[i], *other = param_find(&donor->params, p->name);
        assert_true(same_values(p, other ? other : param_find(&plain->params, p->name)));
        assert_int_equal(!other, !strcmp(p->name, "image_newline"));
    }
    /* What learns gets values of its own, so the file behind is never written. */
    param *p = n->params.list.at[0];
    OK(param_own(p, true));
    ((float *)p->t.data)[0] += 1;
    assert_false(same_values(p, param_find(&donor->params, p->name)));
    net_free(donor);
    net_free(plain);
    net_free(n);
    free(mini);
}

static void a_donor_gives_the_asked_parts_alone(void **state) {
    (void)state;
    char *mini = mem_printf("%s/models/mini-v0", LMM_SOURCE);
    const bool parts[PART_COUNT] = {[PART_VISION] = true}, none[PART_COUNT] = {false};
    int taken[1], vision = 0;
    net *n = NULL, *plain = NULL, *donor = NULL;
    OK(start(&n, (const char *const[]){mini}, 1, taken, parts));
    OK(start(&plain, NULL, 0, NULL, NULL));
    OK(net_open(&donor, mini));
    for (int i = 0; i < n->params.list.count; i++) {
        param *p = n->params.list.at[i];
        vision += p->part == PART_VISION;
        assert_true(same_values(p, param_find(p->part == PART_VISION ? &donor->params : &plain->params, p->name)));
    }
    assert_int_equal(taken[0], vision);
    assert_in_range(vision, 1, n->params.list.count - 1);
    net_free(donor);
    net_free(plain);
    net_free(n);
    assert_int_equal(start(&n, (const char *const[]){mini}, 1, taken, none), LMM_E_SHAPE);
    free(mini);
}

static void the_first_donor_wins(void **state) {
    (void)state;
    char *mini = mem_printf("%s/models/mini-v0", LMM_SOURCE);
    int taken[2];
    net *n = NULL;
    assert_int_equal(start(&n, (const char *const[]){mini, mini}, 2, taken, NULL), LMM_E_SHAPE);
    assert_non_null(strstr(lmm_message(), "has no tensor whose name and shape"));
    free(mini);
}

static void a_donor_that_fits_nowhere_is_refused(void **state) {
    (void)state;
    char *other = mem_printf("%s/golden/checkpoints/bert", LMM_SHARED);
    int taken[1];
    net *n = NULL;
    if (!file_is_dir(other)) {
        free(other);
        skip();
    }
    assert_int_equal(start(&n, (const char *const[]){other}, 1, taken, NULL), LMM_E_SHAPE);
    assert_non_null(strstr(lmm_message(), "bert"));
    free(other);
    assert_int_equal(start(&n, (const char *const[]){"/nowhere"}, 1, taken, NULL), LMM_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_family_gives_what_it_has),
        cmocka_unit_test(a_donor_gives_the_asked_parts_alone),
        cmocka_unit_test(the_first_donor_wins),
        cmocka_unit_test(a_donor_that_fits_nowhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
