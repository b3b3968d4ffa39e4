/* lecture.c - what a lecture teaches, its pictures and its three questions. */
#include "synth/lecture.h"

#include <stdlib.h>
#include <string.h>

/* ---- what it teaches ---- */

static void draw_things(lecture *l, synth_split split, rng *r) {
    unsigned taken = 0;
    for (int i = 0; i < LECTURE_SLIDES; i++) {
        bool own = i == l->quiz[0] || i == l->quiz[1] || i == l->asked;
        do l->things[i] = own ? look_draw(split, r) : look_beside(split, r);
        while (taken >> l->things[i].shape & 1);
        taken |= 1u << l->things[i].shape;
    }
}

static void draw_worth(int worth[LECTURE_SLIDES], rng *r) {
    int all[LECTURE_WORTH_MAX];
    for (int i = 0; i < LECTURE_WORTH_MAX; i++) all[i] = i + 1;
    rng_shuffle(r, all, LECTURE_WORTH_MAX);
    memcpy(worth, all, LECTURE_SLIDES * sizeof *worth);
}

int lecture_sum(const lecture *l) { return l->worth[l->quiz[0]] + l->worth[l->quiz[1]]; }

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Six lectures with different answers to the same quiz; one of them is given. */
static void draw_answers(lecture *l, rng *r) {
    int worths[LECTURE_OPTIONS][LECTURE_SLIDES], n = 0;
    while (n < LECTURE_OPTIONS) {
        draw_worth(l->worth, r);
        bool again = false;
        for (int i = 0; i < n; i++) again |= l->sums[i] == lecture_sum(l);
        if (again) continue;
        memcpy(worths[n], l->worth, sizeof l->worth);
        l->sums[n++] = lecture_sum(l);
    }
    memcpy(l->worth, worths[pick(r, 0, LECTURE_OPTIONS - 1)], sizeof l->worth);
    qsort(l->sums, LECTURE_OPTIONS, sizeof *l->sums, ascending);
}

lecture lecture_make(uint64_t seed, synth_split split, int64_t index) {
    rng r = rng_make(seed, hash_u64(&index, sizeof index, 0x1ec + (uint64_t)split));
    lecture l = {.asked = pick(&r, 0, LECTURE_SLIDES - 1), .open = index % 8 == 7};
    l.quiz[0] = pick(&r, 0, LECTURE_SLIDES - 1);
    l.quiz[1] = (l.quiz[0] + pick(&r, 1, LECTURE_SLIDES - 1)) % LECTURE_SLIDES;
    draw_things(&l, split, &r);
    draw_answers(&l, &r);
    return l;
}

/* ---- pictures ---- */

static void draw_slide(image *im, const lecture *l, int i, bool spoken, rng *r) {
    char text[16];
    const double side = im->width, y = (0.42 + 0.16 * rng_unit(r)) * side;
    const int scale = max_int(1, im->width / 16);
    draw_look(im, l->things[i], (spoken ? 0.5 : 0.29) * side, y, 0.22 * side);
    snprintf(text, sizeof text, "%d", l->worth[i]);
    if (!spoken) draw_text(im, (int)(0.62 * side), (int)y - DRAW_TEXT_HEIGHT * scale / 2, scale, text, (draw_color){30, 30, 30});
}

static void draw_quiz(image *im, const lecture *l, rng *r) {
    const double side = im->width;
    for (int i = 0; i < LECTURE_QUIZ; i++)
        draw_look(im, l->things[l->quiz[i]], (0.27 + 0.46 * i) * side, (0.4 + 0.2 * rng_unit(r)) * side, 0.2 * side);
}

lmm_status lecture_draw(synth_item *out, const lecture *l, int side, bool spoken, uint64_t seed) {
    synth_item item = {.fps = 1};
    lmm_status st = LMM_OK;
    rng r = rng_make(seed, 0x511de);
    item.frames = mem_new(LECTURE_SLIDES + 1, sizeof *item.frames);
    for (int i = 0; i <= LECTURE_SLIDES && !st; i++) {
        if ((st = ground_new(&item.frames[i], side, &r))) break;
        item.frame_count++;
        if (i < LECTURE_SLIDES) draw_slide(&item.frames[i], l, i, spoken, &r);
        else draw_quiz(&item.frames[i], l, &r);
    }
    if (st) return synth_item_free(&item), st;
    *out = item;
    return LMM_OK;
}

/* ---- words ---- */

static const char *name_of(const lecture *l, int slide) { return shape_names[l->things[slide].shape].one; }

char *lecture_speech(const lecture *l) {
    buf b = {0};
    for (int i = 0; i < LECTURE_SLIDES; i++) buf_printf(&b, "%sThe %s is worth %d.", i ? " " : "", name_of(l, i), l->worth[i]);
    return buf_take(&b);
}

static void put_notes(buf *b, const lecture *l) {
    for (int i = 0; i < LECTURE_SLIDES; i++) buf_printf(b, "%s%s %d", i ? ", " : "", name_of(l, i), l->worth[i]);
    buf_puts(b, ".");
}

typedef struct {
    char *question;
    tree *options; /* texts */
    int right;     /* of the options, -1: `open` is the answer */
    int open;
    buf why;
} task;

static void add_option(task *t, bool right, char *text) {
    if (right) t->right = t->options->count;
    tree_add(t->options, tree_new_string(text));
    free(text);
}

static void ask_perception(task *t, const lecture *l) {
    t->question = mem_printf("What is the %s worth?", name_of(l, l->asked));
    for (int v = 1; v <= LECTURE_WORTH_MAX; v++) add_option(t, v == l->worth[l->asked], mem_printf("%d", v));
    buf_printf(&t->why, " The %s: %d", name_of(l, l->asked), l->worth[l->asked]);
}

static void ask_comprehension(task *t, const lecture *l) {
    int best = 0;
    for (int i = 1; i < LECTURE_SLIDES; i++)
        if (l->worth[i] > l->worth[best]) best = i;
    t->question = mem_strdup("Which of these is worth the most?");
    for (int i = 0; i < SHAPE_COUNT; i++) {
        bool shown = false;
        for (int k = 0; k < LECTURE_SLIDES; k++) shown |= l->things[k].shape == i;
        if (shown) add_option(t, l->things[best].shape == i, mem_strdup(shape_names[i].one));
    }
    buf_printf(&t->why, " The most: %d, %s", l->worth[best], name_of(l, best));
}

static void ask_adaptation(task *t, const lecture *l) {
    const int a = l->quiz[0], b = l->quiz[1], sum = lecture_sum(l);
    t->question = mem_strdup("How much are the things in the picture worth together?");
    for (int i = 0; i < LECTURE_OPTIONS && !l->open; i++) add_option(t, l->sums[i] == sum, mem_printf("%d", l->sums[i]));
    t->open = sum;
    buf_printf(&t->why, " The picture: %s %d, %s %d. %d + %d = %d", name_of(l, a), l->worth[a], name_of(l, b), l->worth[b], l->worth[a],
               l->worth[b], sum);
}

tree *lecture_row(const lecture *l, lecture_track track, const char *id) {
    static void (*const asks[])(task *, const lecture *) = {ask_perception, ask_comprehension, ask_adaptation};
    task t = {.options = tree_new(TREE_LIST), .right = -1};
    put_notes(&t.why, l);
    asks[track](&t, l);
    char *answer = t.right < 0 ? mem_printf("%d", t.open) : mem_printf("%c", 'A' + t.right);
    buf_printf(&t.why, t.right < 0 ? "." : ", %s.", answer);
    tree *row = tree_new(TREE_MAP);
    tree_put(row, "id", tree_new_string(id));
    tree_put(row, "question", tree_new_string(t.question));
    tree_put(row, "options", t.options);
    tree_put(row, "answer", tree_new_string(answer));
    tree_put(row, "question_type", tree_new_string(t.right < 0 ? "open" : "multiple-choice"));
    tree_put(row, "reasoning", tree_new_string(t.why.data));
    free(answer);
    free(t.question);
    buf_free(&t.why);
    return row;
}
