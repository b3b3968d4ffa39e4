/* synth.c - the kinds of samples, and what makes sample `index` of a split. */
#include "synth/synth_int.h"

#include <stdlib.h>
#include <string.h>

const char *const synth_split_names[SYNTH_SPLIT_COUNT] = {"train", "validation", "test", "words"};

static const synth_kind *const kinds[] = {&synth_scenes, &synth_shapes, &synth_colors, &synth_charts, &synth_numbers, &synth_clips};

const synth_kind *synth_kind_at(int index) { return index >= 0 && index < (int)COUNT_OF(kinds) ? kinds[index] : NULL; }

lmm_status synth_find(const synth_kind **out, const char *name) {
    const char *names[COUNT_OF(kinds) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        names[i] = kinds[i]->name;
        if (!strcmp(name, names[i])) return *out = kinds[i], LMM_OK;
    }
    const char *near = nearest_word(name, names);
    return LMM_FAIL(LMM_E_ARG, "no generator '%s'%s%s%s (scenes, shapes, colors, charts, numbers, clips, lectures)", name,
                    near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

bool split_holds(synth_split wanted, synth_split own) { return wanted == own || wanted == SYNTH_WORDS; }
bool coin(rng *r) { return rng_below(r, 2) == 1; }
int pick(rng *r, int low, int high) { return low + (int)rng_below(r, (uint64_t)(high - low) + 1); }

synth_split number_split(uint64_t number) {
    if (number < 10) return SYNTH_TRAIN;
    uint64_t k = hash_u64(&number, sizeof number, 0x5eed) % 8;
    return k == 0 ? SYNTH_TEST : k == 1 ? SYNTH_VALIDATION : SYNTH_TRAIN;
}

void question_add(synth_item *item, const char *family, char *question, char *answer, char *reasoning) {
    LMM_ASSERT(question && answer && reasoning, "a question of '%s' is not whole", family);
    VEC_PUSH(&item->questions, ((synth_question){family, question, answer, reasoning}));
}

void synth_item_free(synth_item *item) {
    for (int i = 0; i < item->frame_count; i++) image_free(&item->frames[i]);
    free(item->frames);
    for (int i = 0; i < item->questions.count; i++) {
        synth_question *q = &item->questions.at[i];
        free(q->question);
        free(q->answer);
        free(q->reasoning);
    }
    free(item->questions.at);
    *item = (synth_item){0};
}

static lmm_status bounded(int value, int low, int high, const char *what) {
    return value >= low && value <= high ? LMM_OK : LMM_FAIL(LMM_E_ARG, "%s %d is not between %d and %d", what, value, low, high);
}

static lmm_status options_complete(synth_options *o) {
    if (!o->side) o->side = 128;
    if (!o->frames) o->frames = 8;
    if (!o->questions) o->questions = 4;
    if (!o->things) o->things = SYNTH_THINGS_MAX;
    if (!o->digits) o->digits = SYNTH_DIGITS_MAX;
    lmm_status st = bounded(o->side, SYNTH_SIDE_MIN, SYNTH_SIDE_MAX, "side");
    if (!st) st = bounded(o->frames, SYNTH_FRAMES_MIN, SYNTH_FRAMES_MAX, "frames");
    if (!st) st = bounded(o->questions, 1, 16, "questions");
    if (!st) st = bounded(o->digits, 1, SYNTH_DIGITS_MAX, "digits");
    if (!st) st = bounded(o->things, SYNTH_THINGS_MIN, SYNTH_THINGS_MAX, "things");
    return st;
}

static int family_count(const synth_kind *k) {
    int n = 0;
    while (k->families[n]) n++;
    return n;
}

static lmm_status family_find(int *out, const synth_kind *k, const char *name) {
    for (int i = 0; k->families[i]; i++)
        if (!strcmp(k->families[i], name)) return *out = i, LMM_OK;
    const char *near = nearest_word(name, k->families);
    return LMM_FAIL(LMM_E_ARG, "%s have no questions of family '%s' (%s%s%s)", k->name, name,
                    near ? "did you mean '" : "'lmm synth --help' lists them", near ? near : "", near ? "'?" : "");
}

/* The family of sample `index` when the names of a list, "count,compare", take turns. */
static lmm_status family_of(int *out, const synth_kind *k, const char *list, int64_t index) {
    int names = 1;
    for (const char *c = list; *c; c++) names += *c == ',';
    const char *from = list;
    for (int64_t skip = index % names; skip > 0; skip--) from = strchr(from, ',') + 1;
    char *name = mem_strndup(from, strcspn(from, ","));
    lmm_status st = family_find(out, k, name);
    free(name);
    return st;
}

/* A stream of its own for each (kind, family wanted, split, index): what one sample draws never moves another. */
static rng sample_rng(const synth_kind *k, const synth_options *o, synth_split split, int64_t index) {
    uint64_t stream = hash_u64(k->name, strlen(k->name), (uint64_t)split);
    return rng_make(o->seed, hash_u64(&index, sizeof index, stream));
}

lmm_status synth_make(synth_item *out, const synth_kind *k, const synth_options *options, synth_split split, int64_t index) {
    synth_options o = *options;
    lmm_status st = options_complete(&o);
    int family = (int)(index % family_count(k));
    if (!st && o.family) st = family_of(&family, k, o.family, index);
    if (st) return st;
    rng r = sample_rng(k, &o, split, index);
    synth_item item = {.fps = 4};
    st = k->make(&item, &o, family, split, &r);
    if (st) return synth_item_free(&item), st;
    *out = item;
    return LMM_OK;
}
