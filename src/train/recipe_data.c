/* recipe_data.c - the data sets of a recipe: what is read of each, what is done to its samples, and lists taken from other recipes. */
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

enum { INCLUDES_MAX = 8 };

/* ---- one data set ---- */

static lmm_status read_words(const recipe *r, const tree *h, const char *key, recipe_words *out) {
    return recipe_strings(r, h, key, "must list words: [red, blue]", &out->at, &out->count);
}

static void words_free(recipe_words *w) {
    for (int i = 0; i < w->count; i++) free(w->at[i]);
    free(w->at);
    free(w->ids.at);
}

static lmm_status read_hide(recipe *r, const tree *h, recipe_hide *hide) {
    static const char *const known[] = {"share", "words", "blank", "given", NULL};
    if (!h) return LMM_OK;
    lmm_status st = recipe_keys(r, h, "hide", known);
    if (!st) st = recipe_number(r, h, "share", 0.5, 0, 1, &hide->share);
    if (!st) st = read_words(r, h, "words", &hide->words);
    if (!st) st = read_words(r, h, "blank", &hide->blank);
    if (!st) st = read_words(r, h, "given", &hide->given);
    if (!st && !hide->words.count && !hide->blank.count && !hide->given.count)
        st = recipe_bad(r, "hide", "needs words: [red, blue], blank: [a, shape] or given: [circle]");
    return st;
}

static lmm_status read_augment(recipe *r, const tree *a, recipe_augment *out) {
    static const char *const known[] = {"mirror", "turn", "roam", "shift", "hide", NULL};
    lmm_status st = recipe_keys(r, a, "augment", known);
    if (st) return st;
    out->mirror = tree_bool(a, "mirror", false);
    out->roam = tree_bool(a, "roam", false);
    out->turn = tree_bool(a, "turn", false);
    st = recipe_integer(r, a, "shift", 0, 0, 4096, &out->shift);
    return st ? st : read_hide(r, tree_get(a, "hide"), &out->hide);
}

static void augment_free(recipe_augment *a) {
    words_free(&a->hide.words);
    words_free(&a->hide.blank);
    words_free(&a->hide.given);
}

/* "all", or first: end: random: with N or N%. */
static bool take_known(const char *take) {
    const char *colon = strchr(take, ':');
    if (!colon) return !strcmp(take, "all");
    size_t n = (size_t)(colon - take), digits = strspn(colon + 1, "0123456789");
    bool way = (n == 5 && !strncmp(take, "first", n)) || (n == 3 && !strncmp(take, "end", n)) || (n == 6 && !strncmp(take, "random", n));
    return way && digits && digits < 10 && (!colon[1 + digits] || !strcmp(colon + 1 + digits, "%"));
}

static const char *const data_keys[] = {"path", "images",        "format",   "turns",   "repeat",  "take", "frames",
                                        "fps",  "repeat_frames", "one_tile", "augment", "include", NULL};

static lmm_status read_one_data(recipe *r, const tree *d, recipe_data *out) {
    recipe_data x = {.path = recipe_path(r, tree_str(d, "path", NULL)),
                     .images = recipe_path(r, tree_str(d, "images", ".")),
                     .format = mem_strdup(tree_str(d, "format", "chat")),
                     .take = mem_strdup(tree_str(d, "take", "all"))};
    const char *turns = tree_str(d, "turns", "sequence");
    x.turns = !strcmp(turns, "independent") ? TURNS_INDEPENDENT : TURNS_SEQUENCE;
    lmm_status st = recipe_number(r, d, "repeat", 1.0, 0.0, 1000.0, &x.repeat);
    if (!st) st = recipe_integer(r, d, "frames", 0, 0, VIDEO_FRAMES_MAX, &x.frames);
    if (!st) st = recipe_number(r, d, "fps", 0, 0, 1000, &x.fps);
    x.repeat_frames = tree_bool(d, "repeat_frames", false);
    x.one_tile = tree_bool(d, "one_tile", false);
    *out = x;
    if (!x.path) return recipe_bad(r, "data", "needs a 'path'");
    if (strcmp(x.format, "chat") && strcmp(x.format, "plain")) return recipe_bad(r, "format", "must be chat or plain");
    if (strcmp(turns, "independent") && strcmp(turns, "sequence")) return recipe_bad(r, "turns", "must be sequence or independent");
    if (!take_known(x.take))
        return recipe_bad(r, "take", "must be all, or first, end or random with a number or a share: first:1000, random:10%");
    return st;
}

/* ---- lists of other recipes ---- */

typedef struct {
    const char *path;    /* of the recipe whose list it is */
    const tree *augment; /* for data sets without their own; NULL leaves them so */
    double repeat;       /* times their own */
    int level;
} listed;

static lmm_status add_listed(tree *out, const tree *data, const listed *from);

/* An item's `repeat`, absent 1, times the list's. */
static lmm_status read_repeat(const tree *item, const listed *from, double *out) {
    const tree *own = tree_get(item, "repeat");
    if (own && own->type != TREE_INT && own->type != TREE_REAL) return LMM_FAIL(LMM_E_ARG, "%s: 'repeat' must be a number", from->path);
    *out = from->repeat * (own ? own->real : 1);
    return LMM_OK;
}

static lmm_status add_included(tree *out, const tree *item, const listed *from) {
    static const char *const known[] = {"include", "repeat", NULL};
    double repeat = 1;
    lmm_status st = tree_check_keys(item, known, from->path);
    if (!st) st = read_repeat(item, from, &repeat);
    if (st) return st;
    if (from->level == INCLUDES_MAX) return LMM_FAIL(LMM_E_ARG, "%s: included more than %d levels deep", from->path, INCLUDES_MAX);
    char *path = path_beside(from->path, tree_str(item, "include", ""));
    tree *t = NULL;
    st = tree_load(&t, path);
    const tree *data = tree_get(t, "data"), *augment = tree_get(t, "augment");
    listed inner = {path, augment ? augment : from->augment, repeat, from->level + 1};
    if (!st && (!data || data->type != TREE_LIST)) st = LMM_FAIL(LMM_E_ARG, "%s: has no list 'data' to include", path);
    if (!st) st = add_listed(out, data, &inner);
    if (st) st = LMM_CONTEXT(st, "reading '%s'", from->path);
    tree_free(t);
    free(path);
    return st;
}

static lmm_status add_listed(tree *out, const tree *data, const listed *from) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < data->count && !st; i++) {
        const tree *item = data->items[i];
        if (tree_get(item, "include")) {
            st = add_included(out, item, from);
            continue;
        }
        double repeat = 1;
        st = tree_check_keys(item, data_keys, from->path); /* here, where the file is known that it stands in */
        if (!st) st = read_repeat(item, from, &repeat);
        if (st) break;
        tree *copy = tree_copy(item);
        tree_add(out, copy);
        if (item->type != TREE_MAP) continue;
        if (from->augment && !tree_get(item, "augment")) tree_put(copy, "augment", tree_copy(from->augment));
        if (from->repeat != 1) tree_put(copy, "repeat", tree_new_real(repeat));
    }
    return st;
}

/* Replaces a list by one in which nothing is included any more, so that what a checkpoint keeps of its recipe is whole. */
static lmm_status put_included(const recipe *r, tree *map) {
    const tree *data = tree_get(map, "data");
    if (!data || data->type != TREE_LIST) return LMM_OK;
    tree *whole = tree_new(TREE_LIST);
    lmm_status st = add_listed(whole, data, &(listed){.path = r->path, .repeat = 1});
    if (st) return tree_free(whole), st;
    return tree_put(map, "data", whole), LMM_OK;
}

/* ---- all of it ---- */

static lmm_status read_data(recipe *r, const tree *t) {
    const tree *data = tree_get(t, "data");
    if (!data || data->type != TREE_LIST || !data->count) return recipe_bad(r, "data", "must list at least one data set: - path: FILE");
    const tree *common = tree_get(t, "augment");
    recipe_augment unused = {0};
    lmm_status st = read_augment(r, common, &unused); /* it has to be right even where every data set has its own */
    augment_free(&unused);
    for (int i = 0; i < data->count && !st; i++) {
        VEC_PUSH(&r->data, ((recipe_data){0}));
        recipe_data *d = &r->data.at[i];
        st = read_one_data(r, data->items[i], d);
        const tree *own = tree_get(data->items[i], "augment");
        if (!st) st = read_augment(r, own ? own : common, &d->augment);
    }
    return st;
}

static lmm_status read_held(recipe *r, const tree *t) {
    static const char *const known[] = {"data", "every", "answers", "max_tokens", NULL};
    const tree *h = tree_get(t, "evaluate"), *data = tree_get(h, "data");
    if (!h) return LMM_OK;
    lmm_status st = recipe_keys(r, h, "evaluate", known);
    if (!st) st = recipe_integer(r, h, "every", 500, 1, 1 << 30, &r->held.every);
    if (!st) st = recipe_integer(r, h, "answers", 0, 0, 1000, &r->held.answers);
    if (!st) st = recipe_integer(r, h, "max_tokens", 64, 1, 1 << 20, &r->held.max_tokens);
    if (!st && (!data || data->type != TREE_LIST || !data->count)) st = recipe_bad(r, "evaluate", "needs data: a list as the recipe's own");
    for (int i = 0; !st && i < data->count; i++) {
        if ((st = recipe_keys(r, data->items[i], "evaluate", data_keys))) break;
        VEC_PUSH(&r->held.data, ((recipe_data){0}));
        st = read_one_data(r, data->items[i], &r->held.data.at[i]);
        if (!st && tree_get(data->items[i], "augment"))
            st = recipe_bad(r, "augment", "cannot stand in 'evaluate': held-out samples stay as they are");
    }
    return st;
}

static void data_free(recipe_data *d) {
    free(d->path);
    free(d->images);
    free(d->format);
    free(d->take);
    augment_free(&d->augment);
}

lmm_status recipe_data_read(recipe *r, tree *t) {
    lmm_status st = put_included(r, t);
    if (!st) st = read_data(r, t);
    return st ? st : read_held(r, t);
}

void recipe_data_free(recipe *r) {
    for (int i = 0; i < r->data.count; i++) data_free(&r->data.at[i]);
    for (int i = 0; i < r->held.data.count; i++) data_free(&r->held.data.at[i]);
    free(r->data.at);
    free(r->held.data.at);
}
