/* bench_ego.c - a memory at scale: build time, searches and answers at the 95th percentile, bytes per recorded day.
 *
 * usage: bench_ego ROWS DAYS PEOPLE [ASKS [DIR]]      rows of everyday sentences spread over people and days; vectors are hashed words. DIR: where the
 * memory is kept; one that is there already is only read, so that building and reading can be measured apart. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ego/ego.h"

enum { BATCH = 20000 };

static const char *const verbs[] = {"put", "carry", "wash", "open", "read", "paint", "fold", "repair", "cook", "sort", "find", "move"};
static const char *const things[] = {"mug",    "letter", "ladder", "towel",  "lamp",   "guitar",
                                     "jacket", "kettle", "book",   "camera", "basket", "bowl"};
static const char *const rooms[] = {"kitchen", "study", "attic", "garden", "hall", "garage", "cellar", "balcony"};
static const char *const people[] = {"Alice", "Tasha", "Lucia", "Katrina", "Shure", "Jake"};
#define PICK(r, list) (list)[rng_below(r, COUNT_OF(list))]

static void check(lmm_status st) {
    if (!st) return;
    fprintf(stderr, "bench_ego: %s\n", lmm_message());
    exit(1);
}

static void fill(ego *e, int rows, int days, int count) {
    rng r = rng_make(1, 1);
    char name[32], text[200];
    for (int i = 0; i < rows; i++) {
        int stream;
        int64_t t = (int64_t)((double)i / rows * days) * EGO_DAY + 8 * EGO_HOUR + (int64_t)rng_below(&r, 14 * 3600) * EGO_SECOND;
        if (i % BATCH == 0) check(ego_begin(e));
        snprintf(name, sizeof name, "A%d_%s", i % count + 1, people[i % count % (int)COUNT_OF(people)]);
        check(ego_stream(e, name, &stream));
        snprintf(text, sizeof text, "I %s the %s number %d in the %s with %s, then %s a %s near the %s.", PICK(&r, verbs), PICK(&r, things),
                 (int)rng_below(&r, 500), PICK(&r, rooms), PICK(&r, people), PICK(&r, verbs), PICK(&r, things), PICK(&r, rooms));
        check(ego_add(e, &(ego_row){i % 5 ? EGO_CAPTION : EGO_SPEECH, stream, t, t + 30 * EGO_SECOND, 0, i % 5 ? NULL : PICK(&r, people),
                                    text, NULL}));
        if (i % BATCH == BATCH - 1 || i == rows - 1) check(ego_commit(e));
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *ms, int n) {
    qsort(ms, (size_t)n, sizeof *ms, ascending);
    printf("%s: p50 %.1f ms, p95 %.1f ms (%d)\n", what, ms[n / 2], ms[(int)(0.95 * (n - 1))], n);
}

static void reads(ego *e, int asks, bool ask) {
    rng r = rng_make(2, ask);
    double *ms = mem_new((size_t)asks, sizeof *ms);
    for (int i = 0; i < asks; i++) {
        ego_view *v;
        char text[160];
        snprintf(text, sizeof text, "Where did I %s the %s with %s?", PICK(&r, verbs), PICK(&r, things), PICK(&r, people));
        double start = time_now();
        check(ego_view_open(&v, e, "A1_Alice", INT64_MAX / 4));
        if (ask) {
            ego_answer a;
            const ego_question q = {.question = text,
                                    .options = {"In the kitchen", "In the study", "In the attic", "In the hall"},
                                    .option_count = 4};
            check(ego_ask(v, &q, EGO_OURS, NULL, &a));
            ego_answer_free(&a);
        } else {
            ego_hits h = {0};
            check(ego_search(v, text, &(ego_search_opts){0}, &h));
            ego_hits_free(&h);
        }
        ego_view_close(v);
        ms[i] = 1000 * (time_now() - start);
    }
    report(ask ? "ask" : "search", ms, asks);
    free(ms);
}

static int64_t bytes_of(const char *dir) {
    char **names;
    int count;
    int64_t sum = 0;
    struct stat s;
    check(dir_list(&names, &count, dir));
    for (int i = 0; i < count; i++) {
        char *path = path_join(dir, names[i]);
        if (!stat(path, &s)) sum += s.st_size;
        free(path);
    }
    names_free(names, count);
    return sum;
}

static void make(const char *dir, int rows, int days, int count) {
    ego *e;
    ego_build_report r;
    check(ego_create(dir));
    check(ego_open(&e, dir));
    double start = time_now();
    fill(e, rows, days, count);
    printf("%d rows, %d days, %d people\nimport %.1f s\n", rows, days, count, time_now() - start);
    start = time_now();
    check(ego_build(e, &(ego_build_opts){.quiet = true}, &r));
    printf("build %.1f s\n", time_now() - start);
    ego_close(e);
}

int main(int argc, char **argv) {
    int rows = argc > 1 ? atoi(argv[1]) : 40000, days = argc > 2 ? atoi(argv[2]) : 7, count = argc > 3 ? atoi(argv[3]) : 6,
        asks = argc > 4 ? atoi(argv[4]) : 200;
    char own[] = "/tmp/lmm-bench-ego-XXXXXX";
    const char *dir = argc > 5 ? argv[5] : own;
    ego *e;
    ego_view *v;
    if (rows < 1 || days < 1 || count < 1 || asks < 1 || (argc <= 5 && !mkdtemp(own)))
        return fprintf(stderr, "usage: bench_ego ROWS DAYS PEOPLE [ASKS [DIR]]\n"), 2;
    char *db = path_join(dir, "memory.db");
    if (!file_exists(db)) make(dir, rows, days, count);
    free(db);
    check(ego_open(&e, dir));
    double start = time_now();
    check(ego_view_open(&v, e, "A1_Alice", INT64_MAX / 4));
    ego_view_close(v);
    printf("open %.1f s\n", time_now() - start);
    reads(e, asks, false);
    reads(e, asks, true);
    ego_close(e);
    printf("bytes per person and day: %" PRId64 "\n", bytes_of(dir) / ((int64_t)days * count));
    if (argc <= 5) dir_remove(dir);
    return 0;
}
