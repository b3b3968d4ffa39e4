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
        if (!strcmp(name, "logits_last_native_dtype") || !strcmp(name, "second_per_grid_ts")) continue; /* information; input */
        if (!strncmp(name, "v5_23.", 6)) continue; /* another rule of positions: run_other_rule */
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

static void compare_positions(const comparison *c, const char *name) {
    const tensor *want = want_of(c, name), *have = safetensors_find(c->have, "position_ids");
    if (!want) return;
    bool same = have && tensor_count(have) == tensor_count(want);
    for (int64_t i = 0; same && i < tensor_count(want); i++) same = int_at(have, i) == int_at(want, i);
    golden_check(c->g, same, "%s %s %s differ", c->layout, c->name, name);
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

enum { VIDEOS_MAX = 4 };

/* Frames (count, height, width, 3) as a folder of pictures. */
static char *frames_folder(const comparison *c, const tensor *frames, int number) {
    char name[32];
    snprintf(name, sizeof name, "frames%d", number);
    char *dir = path_join(c->g->scratch, name);
    dir_remove(dir);
    dir_make(dir);
    int height = (int)frames->ne[1], width = (int)frames->ne[2];
    for (int i = 0; i < frames->ne[0]; i++) {
        image im = {width, height, 3, (unsigned char *)frames->data + (size_t)i * (size_t)height * (size_t)width * 3};
        snprintf(name, sizeof name, "%05d.png", i);
        char *path = path_join(dir, name);
        if (image_save_png(&im, path)) golden_fail(c->g, "%s", lmm_message());
        free(path);
    }
    return dir;
}

typedef struct {
    char *paths[VIDEOS_MAX];
    const char *list[VIDEOS_MAX];
    double rates[VIDEOS_MAX];
    int count;
} case_videos;

/* The case's videos, all of their frames; two frames make one step of a grid. */
static void make_videos(case_videos *v, const comparison *c, lmm_prompt_opts *o) {
    static const char *const names[VIDEOS_MAX] = {"frames", "frames1", "frames2", "frames3"};
    const tensor *frames, *seconds = want_of(c, "second_per_grid_ts");
    for (; v->count < VIDEOS_MAX && (frames = want_of(c, names[v->count])); v->count++) {
        v->list[v->count] = v->paths[v->count] = frames_folder(c, frames, v->count);
        if (seconds && v->count < tensor_count(seconds)) v->rates[v->count] = 2 / (double)tensor_f32(seconds)[v->count];
    }
    o->videos = v->list, o->video_count = v->count;
    o->video = (lmm_video_opts){.frames = VIDEO_FRAMES_MAX, .rates = v->rates, .rate_count = v->count};
}

static lmm_status make_prompt(lmm_prompt **p, const comparison *c, const tree *about, const char *images) {
    const char *text = tree_str(about, "prompt", ""), *files[16];
    const tree *list = tree_get(about, "images");
    lmm_prompt_opts o = {.images = files};
    char *paths[16];
    case_videos videos = {0};
    make_videos(&videos, c, &o);
    for (int i = 0; list && i < list->count && i < 16; i++) files[o.image_count++] = paths[i] = path_join(images, list->items[i]->text);
    lmm_status st = lmm_prompt_raw(p, c->m, text, strlen(text), &o);
    for (int i = 0; i < o.image_count; i++) free(paths[i]);
    for (int i = 0; i < videos.count; i++) free(videos.paths[i]);
    return st;
}

/* transformers 5.23 lets text overlap the times of a video (position_rule). */
static void run_other_rule(comparison *c, const tree *about, const char *images) {
    const tensor *logits = want_of(c, "v5_23.logits");
    const tree *ids = tree_get(about, "v5_23_generated_ids");
    if (!logits) return;
    lmm_prompt *p = NULL;
    safetensors *have;
    char *path = path_join(c->g->scratch, "rule.safetensors");
    c->m->net->positions = POSITIONS_SIDE;
    lmm_status st = make_prompt(&p, c, about, images);
    if (!st) st = lmm_trace(c->m, p, ids ? ids->count : 0, path);
    if (!st) st = safetensors_open(&have, path);
    if (st) golden_fail(c->g, "%s %s: %s", c->layout, c->name, lmm_message());
    else {
        c->have = have;
        compare_positions(c, "v5_23.position_ids");
        compare_logits(c, logits);
        if (ids)
            golden_check(c->g, same_ids(safetensors_find(have, "generated_ids"), ids), "%s %s: greedy ids by the other rule differ",
                         c->layout, c->name);
        safetensors_close(have);
    }
    c->m->net->positions = POSITIONS_MAX;
    lmm_prompt_free(p);
    free(path);
}

static void run_case(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *images, const char *layout) {
    comparison c = {g, m, want, NULL, layout, tree_str(about, "name", "case")};
    const tree *ids = tree_get(about, "generated_ids");
    lmm_prompt *p;
    safetensors *have;
    char *path = path_join(g->scratch, "trace.safetensors");
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
        compare_positions(&c, "position_ids");
        if (ids) {
            golden_check(g, same_ids(safetensors_find(have, "generated_ids"), ids), "%s %s: greedy ids differ", layout, c.name);
            compare_text(&c, about, ids);
        }
        if (tree_get(about, "stop_test")) stop_test(&c, p, tree_get(about, "stop_test"));
        safetensors_close(have);
    }
    lmm_prompt_free(p);
    free(path);
    run_other_rule(&c, about, images);
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
    /* The stored frames have their target size already; the older layout has only the pictures' processor, whose limit would enlarge small ones. */
    if (m->net->has_patches) m->net->video_pre.pixels_min = (int64_t)m->net->pre.patch * m->net->pre.patch;
    for (int i = 0; cases && i < cases->count; i++) run_case(g, m, want, cases->items[i], images, layout);
    if (m->net->arch == &arch_vit) golden_tower(g, m, want, about, images, layout);
    if (m->net->arch == &arch_clip) golden_clip(g, m, want, about, layout);
    if (m->net->arch == &arch_bert) golden_bert(g, m, want, about, layout);
    if (m->net->arch == &arch_whisper) golden_whisper(g, m, want, about, layout);
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
