/* main.c - lmm-golden [DIR [GROUP...]]: runs every comparison in a folder laid out like ../shared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"

/* ---- counting ---- */

void golden_pass(golden *g) { g->passed++; }

void golden_fail(golden *g, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("  FAIL %s: ", g->group);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    g->failed++;
}

void golden_skip(golden *g, int cases, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("  skip %s: ", g->group);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    g->skipped += cases;
}

void golden_check(golden *g, bool ok, const char *format, ...) {
    if (ok) {
        golden_pass(g);
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    golden_fail(g, "%s", text);
}

double max_difference(const tensor *a, const tensor *b) {
    if (a->type != DT_F32 || b->type != DT_F32 || tensor_count(a) != tensor_count(b)) return INFINITY;
    double most = 0;
    for (int64_t i = 0; i < tensor_count(a); i++) {
        double d = fabs((double)tensor_f32(a)[i] - (double)tensor_f32(b)[i]);
        if (!(d <= most)) most = isnan(d) ? INFINITY : d;
    }
    return most;
}

double max_value(const tensor *a) {
    double most = 0;
    for (int64_t i = 0; i < tensor_count(a); i++) most = fmax(most, fabs((double)tensor_f32(a)[i]));
    return most;
}

int64_t int_at(const tensor *a, int64_t i) {
    int64_t x;
    memcpy(&x, (const char *)a->data + i * (int64_t)sizeof x, sizeof x);
    return x;
}

/* ---- groups ---- */

/* Groups and who runs them; a prefix ends with '/': every folder below is a group. */
static const struct {
    const char *path;
    void (*run)(golden *g, const char *dir);
} groups[] = {
    {"golden/checkpoints/", golden_checkpoint},
    {"golden/tokenizers", golden_tokenizers},
    {"golden/chat_templates", golden_chat_templates},
    {"golden/images", golden_images},
    {"golden/audio", golden_audio},
    {"golden/video", golden_video},
    {"golden/real/minilm", golden_minilm},
    {"golden/real/smollm2", golden_smollm2},
    {"golden/real/whisper_tiny_en", golden_whisper_real},
    {"golden_rl", golden_rl},
    {"golden_scoring", golden_scoring},
    {"golden_scoring/e2e", golden_e2e},
};

static bool wanted(const char *group, char **names, int count) {
    for (int i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        while (n && names[i][n - 1] == '/') n--;
        if (!strncmp(group, names[i], n) && (group[n] == '\0' || group[n] == '/')) return true;
    }
    return count == 0;
}

typedef struct {
    int passed, failed, skipped, groups;
} totals;

static void run_group(golden *g, const char *group, void (*run)(golden *, const char *), totals *t) {
    char *dir = path_join(g->root, group);
    g->group = group;
    g->passed = g->failed = g->skipped = 0;
    run(g, dir);
    printf("%-40s %5d passed, %d failed, %d skipped\n", group, g->passed, g->failed, g->skipped);
    fflush(stdout);
    t->passed += g->passed, t->failed += g->failed, t->skipped += g->skipped, t->groups++;
    free(dir);
}

static void run_row(golden *g, size_t row, char **names, int count, totals *t) {
    const char *path = groups[row].path;
    char *dir = path_join(g->root, path), **sub = NULL;
    int n = 0;
    if (path[strlen(path) - 1] != '/') {
        if (file_is_dir(dir) && wanted(path, names, count)) run_group(g, path, groups[row].run, t);
    } else if (file_is_dir(dir) && !dir_list(&sub, &n, dir)) {
        for (int i = 0; i < n; i++) {
            char *group = mem_printf("%s%s", path, sub[i]), *full = path_join(g->root, group);
            if (file_is_dir(full) && wanted(group, names, count)) run_group(g, group, groups[row].run, t);
            free(full);
            free(group);
        }
        names_free(sub, n);
    }
    free(dir);
}

int main(int argc, char **argv) {
    char folder[] = "/tmp/lmm-golden-XXXXXX";
    const char *force = getenv("LMM_KERNELS");
    char here[4096];
    if (!getcwd(here, sizeof here)) return 1;
    char *root = path_join(here, argc > 1 ? argv[1] : "../shared"); /* absolute: folders of links are made of it */
    golden g = {.root = root};
    if (lmm_runtime_open(&g.runtime, 0, force && *force ? force : NULL) || !mkdtemp(folder)) {
        fprintf(stderr, "lmm-golden: %s\n", lmm_message());
        return 1;
    }
    g.scratch = folder;
    totals t = {0};
    for (size_t i = 0; i < COUNT_OF(groups); i++) run_row(&g, i, argv + 2, argc > 2 ? argc - 2 : 0, &t);
    dir_remove(folder);
    lmm_runtime_close(g.runtime);
    free(root);
    if (!t.groups) fprintf(stderr, "lmm-golden: no group of that name in '%s'\n", argc > 1 ? argv[1] : "../shared");
    printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped);
    return t.failed || !t.groups;
}
