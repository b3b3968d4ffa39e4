/* checkpoints.c - tiny checkpoints of every family, in both layouts: ids, intermediates, logits, greedy text, gradients. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "golden.h"

static const double tolerance = 2e-4; /* of the folder's README: f32, noise at most 5e-5 */

/* ---- layouts ---- */

static void link_all(const char *from, const char *to) {
    char **names;
    int n;
    if (dir_list(&names, &n, from)) return;
    for (int i = 0; i < n; i++) {
        char *a = path_join(from, names[i]), *b = path_join(to, names[i]);
        unlink(b);
        if (!file_is_dir(a) && symlink(a, b)) perror(b);
        free(a);
        free(b);
    }
    names_free(names, n);
}

/* The hub's older layout: files of hub_style replace those of the folder; a template inside tokenizer_config.json needs the newer files gone. */
static char *hub_layout(const golden *g, const char *dir) {
    char *hub = path_join(dir, "hub_style"), *to = path_join(g->scratch, "hub");
    static const char *const newer[] = {"chat_template.jinja", "processor_config.json", "model.safetensors.index.json"};
    if (!file_is_dir(hub)) return free(hub), free(to), NULL;
    dir_remove(to);
    dir_make(to);
    link_all(dir, to);
    char *weights = path_join(hub, "model.safetensors");
    for (size_t i = 0; i < COUNT_OF(newer); i++) {
        char *path = path_join(to, newer[i]);
        if (i < 2 || file_exists(weights)) unlink(path);
        free(path);
    }
    free(weights);
    link_all(hub, to);
    free(hub);
    return to;
}

/* ---- cases ---- */

typedef struct {
    golden *g;
    lmm_model *m;
    const safetensors *want, *have;
    const char *layout, *name;
} comparison;

static const tensor *want_of(const comparison *c, const char *name) {
    char full[160];
    snprintf(full, sizeof full, "%s.%s", c->name, name);
    return safetensors_find(c->want, full);
}

/* Rows of the traced logits at the golden's positions against its rows. */
static void compare_logits(const comparison *c, const tensor *want) {
    const tensor *have = safetensors_find(c->have, "logits"), *at = want_of(c, "logits_positions");
    double most = have && at ? 0 : INFINITY;
    for (int64_t i = 0; have && at && i < at->ne[0]; i++) {
        int64_t row = int_at(at, i), V = tensor_cols(want);
        if (row >= tensor_rows(have) || tensor_cols(have) != V) {
            most = INFINITY;
            break;
        }
        tensor a = tensor_make(DT_F32, 1, &V, tensor_f32(have) + row * V), b = tensor_make(DT_F32, 1, &V, tensor_f32(want) + i * V);
        most = fmax(most, max_difference(&a, &b));
    }
    golden_check(c->g, most <= tolerance, "%s %s logits differ by %g", c->layout, c->name, most);
}

/* The reference fills every picture's list of tiles up to the longest with zeros; no real tile is all zeros. */
static bool is_filling(const float *tile, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (tile[i] != 0.0f) return false;
    return true;
}

static double pixels_difference(const tensor *have, const tensor *want) {
    if (want->nd != 5) return max_difference(have, want);
    int64_t ne[3] = {want->ne[2], want->ne[3], want->ne[4]}, size = ne[0] * ne[1] * ne[2], next = 0;
    double most = 0;
    for (int64_t i = 0; i < want->ne[0] * want->ne[1]; i++) {
        float *tile = tensor_f32(want) + i * size;
        if (is_filling(tile, size)) continue;
        if ((next + 1) * size > tensor_count(have)) return INFINITY;
        tensor a = tensor_make(DT_F32, 3, ne, tensor_f32(have) + next++ * size), b = tensor_make(DT_F32, 3, ne, tile);
        most = fmax(most, max_difference(&a, &b));
    }
    return next * size == tensor_count(have) ? most : INFINITY;
}

/* Every stored f32 tensor of the case that the trace has under the same name. */
static void compare_tensors(const comparison *c) {
    size_t n = strlen(c->name);
    for (int i = 0; i < safetensors_count(c->want); i++) {
        const named_tensor *w = safetensors_at(c->want, i);
        if (strncmp(w->name, c->name, n) || w->name[n] != '.' || w->t.type != DT_F32) continue;
        const char *name = w->name + n + 1;
        if (!strcmp(name, "logits_last_native_dtype")) continue; /* another precision, for information */
        if (!strcmp(name, "logits")) {
            compare_logits(c, &w->t);
            continue;
        }
        const tensor *have = safetensors_find(c->have, name);
        bool pixels = !strcmp(name, "pixel_values");
        double limit = pixels ? 1e-6 : tolerance;
        if (!have) golden_fail(c->g, "%s %s is not traced", c->layout, w->name);
        else {
            double d = pixels ? pixels_difference(have, &w->t) : max_difference(have, &w->t);
            golden_check(c->g, d <= limit, "%s %s differs by %g", c->layout, w->name, d);
        }
    }
}

static bool same_ids(const tensor *have, const tree *want) {
    if (!have || !want || have->type != DT_I64 || tensor_count(have) != want->count) return false;
    for (int i = 0; i < want->count; i++)
        if (int_at(have, i) != want->items[i]->i) return false;
    return true;
}

/* Greedy decoding stops at a given end token. */
static void stop_test(const comparison *c, const lmm_prompt *p, const tree *test) {
    const tree *ids = tree_get(test, "expected_ids");
    int eos = (int)tree_int(test, "eos_token_id", -1);
    lmm_session *s;
    lmm_answer a = {0};
    if (!ids || lmm_session_open(&s, c->m, &(lmm_session_opts){.context = lmm_prompt_length(p) + 64})) {
        golden_fail(c->g, "%s %s: %s", c->layout, c->name, lmm_message());
        return;
    }
    lmm_status st = lmm_session_sync(s, p, NULL);
    if (!st) st = lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = 40, .eos = &eos, .eos_count = 1}, NULL, NULL, &a);
    bool same = !st && a.id_count == ids->count && a.finish == LMM_FINISH_STOP;
    for (int i = 0; same && i < ids->count; i++) same = a.ids[i] == ids->items[i]->i;
    golden_check(c->g, same, "%s %s: generation does not stop as it should", c->layout, c->name);
    lmm_answers_free(&a, 1);
    lmm_session_close(s);
}

static void compare_text(const comparison *c, const tree *about, const tree *ids) {
    int *list = mem_new((size_t)ids->count + 1, sizeof *list);
    for (int i = 0; i < ids->count; i++) list[i] = (int)ids->items[i]->i;
    char *text = NULL;
    const char *want = tree_str(about, "generated_text", NULL);
    if (want && !lmm_detokenize(c->m, list, ids->count, false, &text))
        golden_check(c->g, !strcmp(text, want), "%s %s: the text of the greedy ids differs", c->layout, c->name);
    free(text);
    free(list);
}

static lmm_status make_prompt(lmm_prompt **p, const comparison *c, const tree *about, const char *images) {
    const char *text = tree_str(about, "prompt", ""), *files[16];
    const tree *list = tree_get(about, "images");
    lmm_prompt_opts o = {.images = files};
    char *paths[16];
    for (int i = 0; list && i < list->count && i < 16; i++) files[o.image_count++] = paths[i] = path_join(images, list->items[i]->text);
    lmm_status st = lmm_prompt_raw(p, c->m, text, strlen(text), &o);
    for (int i = 0; i < o.image_count; i++) free(paths[i]);
    return st;
}

static void run_case(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *images, const char *layout) {
    comparison c = {g, m, want, NULL, layout, tree_str(about, "name", "case")};
    const tree *ids = tree_get(about, "generated_ids");
    lmm_prompt *p;
    safetensors *have;
    char *path = path_join(g->scratch, "trace.safetensors");
    if (tree_at(about, "shapes.pixel_values_videos")) {
        golden_skip(g, 1, "%s: video is not supported yet", c.name);
        free(path);
        return;
    }
    lmm_status st = make_prompt(&p, &c, about, images);
    if (st) {
        golden_fail(g, "%s %s: %s", layout, c.name, lmm_message());
        free(path);
        return;
    }
    st = lmm_trace(m, p, ids ? ids->count : 0, path);
    if (!st) st = safetensors_open(&have, path);
    if (st) golden_fail(g, "%s %s: %s", layout, c.name, lmm_message());
    else {
        c.have = have;
        golden_check(g, same_ids(safetensors_find(have, "input_ids"), tree_get(about, "input_ids")), "%s %s: input ids differ", layout,
                     c.name);
        compare_tensors(&c);
        if (ids) {
            golden_check(g, same_ids(safetensors_find(have, "generated_ids"), ids), "%s %s: greedy ids differ", layout, c.name);
            compare_text(&c, about, ids);
        }
        if (tree_get(about, "stop_test")) stop_test(&c, p, tree_get(about, "stop_test"));
        safetensors_close(have);
    }
    lmm_prompt_free(p);
    free(path);
}

/* ---- a folder ---- */

static void run_layout(golden *g, const char *dir, const char *layout, const safetensors *want, const tree *about) {
    lmm_model *m;
    const tree *cases = tree_get(about, "cases");
    lmm_status st = lmm_model_open(&m, g->runtime, dir);
    if (st == LMM_E_UNSUPPORTED) {
        golden_skip(g, max_int(1, cases ? cases->count : 0), "%s: not supported yet: %s", layout, lmm_message());
        return;
    }
    if (st) {
        golden_fail(g, "%s: %s", layout, lmm_message());
        return;
    }
    char *images = path_join(g->root, "golden/images");
    for (int i = 0; cases && i < cases->count; i++) run_case(g, m, want, cases->items[i], images, layout);
    if (m->net->arch == &arch_vit) golden_tower(g, m, want, about, images, layout);
    if (m->net->arch == &arch_clip) golden_clip(g, m, want, about, layout);
    if (m->net->arch == &arch_bert) golden_bert(g, m, want, about, layout);
    if (tree_get(about, "train")) golden_train(g, dir, layout, m, want, about);
    free(images);
    lmm_model_close(m);
}

void golden_checkpoint(golden *g, const char *dir) {
    char *json = path_join(dir, "golden.json"), *file = path_join(dir, "golden.safetensors");
    tree *about = NULL;
    safetensors *want = NULL;
    lmm_status st = tree_load(&about, json);
    if (!st) st = safetensors_open(&want, file);
    if (st) golden_fail(g, "%s", lmm_message());
    else {
        run_layout(g, dir, "folder", want, about);
        char *hub = hub_layout(g, dir);
        if (hub) run_layout(g, hub, "hub", want, about);
        free(hub);
    }
    safetensors_close(want);
    tree_free(about);
    free(json);
    free(file);
}
