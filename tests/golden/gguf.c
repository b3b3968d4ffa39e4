/* gguf.c - real weights in a GGUF file: tokens, first logits, hidden states and greedy text of SmolLM2-135M-Instruct (Q4_1).
 *
 * Tolerances are the folder's README's. Exact products: 1e-3 on logits (only the order of sums differs), and equal tokens as long as the reference's best two
 * are 5e-3 apart. Fine products must give the same tokens, too, and logits within 2e-2. Of fast ones (8-bit activations) the first token and the
 * direction of the logits count. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"

static const double hidden_tolerance = 1e-3, fast_cosine = 0.995;

static bool same_ids(const int *have, int count, const tree *want, int n) {
    if (!want || want->type != TREE_LIST || count < n || want->count < n) return false;
    for (int i = 0; i < n; i++)
        if (have[i] != want->items[i]->i) return false;
    return true;
}

static lmm_status make_prompt(lmm_prompt **p, const lmm_model *m, const tree *item) {
    const char *user = tree_str(item, "user", "");
    if (strcmp(tree_str(item, "kind", ""), "chat")) return lmm_prompt_raw(p, m, user, strlen(user), &(lmm_prompt_opts){0});
    buf json = {0};
    buf_puts(&json, "[{\"role\":\"user\",\"content\":");
    json_quote(&json, user, strlen(user));
    buf_puts(&json, "}]");
    lmm_status st = lmm_prompt_messages(p, m, json.data, json.size, &(lmm_prompt_opts){.add_generation_prompt = true});
    buf_free(&json);
    return st;
}

/* How a session multiplies, and how far its logits may be off. */
typedef struct {
    const char *name;
    lmm_products products;
    double tolerance;
} way;
static const way WAYS[] = {{"exact", LMM_PRODUCTS_EXACT, 1e-3}, {"fine", LMM_PRODUCTS_FINE, 2e-2}, {"fast", LMM_PRODUCTS_FAST, INFINITY}};

static void compare_first(golden *g, const way *w, const float *logits, const tree *item, int vocab, int number) {
    const tree *ids = tree_get(item, "first_step_top5_ids"), *values = tree_get(item, "first_step_top5_logits");
    double most = 0;
    int best = 0;
    for (int i = 0; i < ids->count; i++) most = fmax(most, fabs(logits[ids->items[i]->i] - values->items[i]->real));
    for (int i = 1; i < vocab; i++) best = logits[i] > logits[best] ? i : best;
    golden_check(g, most <= w->tolerance && best == ids->items[0]->i, "%s, item %d: the first five logits differ by %g, the best is %d",
                 w->name, number, most, best);
}

static double cosine(const float *a, const float *b, int n) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) ab += (double)a[i] * (double)b[i], aa += (double)a[i] * (double)a[i], bb += (double)b[i] * (double)b[i];
    return ab / sqrt(aa * bb);
}

static void compare_stored(golden *g, const way *w, const tensor *want, const float *logits, int vocab, int number) {
    if (!want) return;
    tensor have = tensor_make(DT_F32, 1, (int64_t[]){vocab}, (void *)(uintptr_t)logits);
    double d = max_difference(&have, want), same = d < INFINITY ? cosine(logits, tensor_f32(want), vocab) : 0;
    golden_check(g, d <= w->tolerance && same >= fast_cosine, "%s, item %d: logits differ by %g, cosine %.5f", w->name, number, d, same);
}

/* The reference numbers layers from 1, counts the embeddings as 0, and its last one is behind the final norm. */
static void compare_hidden(golden *g, const lmm_model *m, const lmm_prompt *p, const safetensors *want) {
    char *path = path_join(g->scratch, "trace.safetensors");
    safetensors *have = NULL;
    int last = m->net->dec.config.layer_count;
    if (lmm_trace(m, p, 0, path) || safetensors_open(&have, path)) golden_fail(g, "%s", lmm_message());
    for (int i = 0; have && i <= last; i++) {
        char key[64], name[64];
        snprintf(key, sizeof key, "item0.hidden_states.%d", i);
        if (i == 0 || i == last) snprintf(name, sizeof name, "%s", i ? "hs.norm" : "hs.embed");
        else snprintf(name, sizeof name, "hs.layer%d", i - 1);
        const tensor *a = safetensors_find(have, name), *b = safetensors_find(want, key);
        if (!b) continue;
        double d = a ? max_difference(a, b) : INFINITY, size = max_value(b);
        golden_check(g, d <= hidden_tolerance * fmax(1, size), "%s differs by %g of %g", name, d, size);
    }
    safetensors_close(have);
    unlink(path);
    free(path);
}

static void compare_answer(golden *g, const way *w, lmm_session *s, const tree *item, int number) {
    lmm_answer a = {0};
    int safe = (int)tree_int(item, "safe_prefix", 0);
    lmm_status st = lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = max_int(safe, 1)}, NULL, NULL, &a);
    golden_check(g, !st && same_ids(a.ids, a.id_count, tree_get(item, "generated_ids"), safe), "%s, item %d: another answer: %s", w->name,
                 number, st ? lmm_message() : a.text);
    lmm_answers_free(&a, 1);
}

static void run_item(golden *g, const way *w, const lmm_model *m, lmm_session *s, const tree *item, const safetensors *want, int number) {
    lmm_prompt *p = NULL;
    char key[64];
    snprintf(key, sizeof key, "item%d.first_step_logits", number);
    lmm_status st = make_prompt(&p, m, item);
    if (!st) st = lmm_session_sync(s, p, NULL);
    const float *logits = st ? NULL : lmm_session_logits(s);
    if (!logits) golden_fail(g, "item %d: %s", number, lmm_message());
    else {
        const tree *ids = tree_get(item, "input_ids");
        int vocab = m->net->dec.config.vocab;
        golden_check(g, p->ids.count == ids->count && same_ids(p->ids.at, p->ids.count, ids, ids->count), "item %d: other input ids",
                     number);
        compare_first(g, w, logits, item, vocab, number);
        compare_stored(g, w, safetensors_find(want, key), logits, vocab, number);
        if (number == 0 && w->products == LMM_PRODUCTS_EXACT) compare_hidden(g, m, p, want);
        if (w->products != LMM_PRODUCTS_FAST) compare_answer(g, w, s, item, number);
    }
    lmm_prompt_free(p);
}

static void run_items(golden *g, const way *w, lmm_model *m, const tree *about, const safetensors *want) {
    const tree *items = tree_get(about, "items");
    lmm_session *s;
    lmm_model_products(m, w->products);
    if (lmm_session_open(&s, m, &(lmm_session_opts){.context = 512})) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    for (int i = 0; items && i < items->count; i++) run_item(g, w, m, s, items->items[i], want, i);
    lmm_session_close(s);
}

/* The GGUF file in build/models/smollm2, as ./dev models brings it; NULL when it is not there. */
static char *find_weights(void) {
    char **names, *found = NULL, *place = golden_model_folder("smollm2");
    int count = 0;
    if (file_is_dir(place) && !dir_list(&names, &count, place)) {
        for (int i = 0; i < count && !found; i++) {
            char *path = path_join(place, names[i]);
            if (gguf_is(path)) found = path;
            else free(path);
        }
        names_free(names, count);
    }
    free(place);
    return found;
}

void golden_smollm2(golden *g, const char *dir) {
    char *json = path_join(dir, "golden.json"), *file = path_join(dir, "golden.safetensors"), *weights = find_weights();
    tree *about = NULL;
    safetensors *want = NULL;
    lmm_model *m = NULL;
    if (!weights) golden_skip(g, 1, "the weights are not here (./dev models)");
    else if (tree_load(&about, json) || safetensors_open(&want, file) || lmm_model_open(&m, g->runtime, weights))
        golden_fail(g, "%s", lmm_message());
    else
        for (size_t i = 0; i < COUNT_OF(WAYS); i++) run_items(g, &WAYS[i], m, about, want);
    lmm_model_close(m);
    safetensors_close(want);
    tree_free(about);
    free(weights);
    free(json);
    free(file);
}
