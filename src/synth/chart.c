/* chart.c - bar charts with printed values, to read and to reckon with. A pair (label, value) belongs to one split. */
#include "synth/synth_int.h"

#include <stdlib.h>
#include <string.h>

enum { BAR_MAX = 5, LABEL_COUNT = 8, VALUE_MAX = 20 };
typedef struct {
    int label, value, color;
} bar;
typedef struct {
    bar bars[BAR_MAX];
    int count, subject; /* the bar whose pair is the split's own */
    bool cells;         /* reasoning names every bar first */
} chart;

enum { READ_VALUE, FIND_EXTREME, TAKE_DIFFERENCE, TAKE_SUM };
static const char *const families[] = {"value", "extreme", "difference", "sum", NULL};

static synth_split pair_split(int label, int value) { return number_split((uint64_t)(1000000 + label * 100 + value)); }

/* Values and labels are all different; training charts hold training pairs only. */
static void draw_bar(chart *c, synth_split split, bool own, rng *r) {
    bar b = {.color = pick(r, 0, COLOR_COUNT - 1)};
    bool taken;
    do {
        b.label = pick(r, 0, LABEL_COUNT - 1);
        b.value = pick(r, 1, VALUE_MAX);
        taken = false;
        for (int i = 0; i < c->count; i++) taken |= c->bars[i].label == b.label || c->bars[i].value == b.value;
    } while (taken || ((own || split == SYNTH_TRAIN) && !split_holds(split, pair_split(b.label, b.value))));
    c->bars[c->count++] = b;
}

static void lay_out(chart *c, const synth_options *o, synth_split split, int most, rng *r) {
    *c = (chart){.cells = o->cells};
    int count = pick(r, 2, most);
    for (int i = 0; i < count; i++) draw_bar(c, split, i == 0, r);
    c->subject = pick(r, 0, count - 1);
    bar first = c->bars[0];
    c->bars[0] = c->bars[c->subject];
    c->bars[c->subject] = first;
}

static void put_bars(buf *b, const chart *c) {
    for (int i = 0; i < c->count; i++) buf_printf(b, "%s%c is %d", i ? ", " : "", 'A' + c->bars[i].label, c->bars[i].value);
    buf_puts(b, ". ");
}

static int label_of(const bar *b) { return 'A' + b->label; }

/* "I see C 12 A 5 ...": every bar from the left, and behind a bar that the question names which of the two it is and its value again. */
static void put_scan(buf *out, const chart *c, const bar *x, const bar *y) {
    buf_puts(out, "I see");
    for (int i = 0; i < c->count; i++) {
        const bar *b = &c->bars[i];
        buf_printf(out, " %c %d", label_of(b), b->value);
        if (b == x || b == y) buf_printf(out, " %c %d", b == x ? 'X' : 'Y', b->value);
    }
    buf_puts(out, ". ");
}

/* The same with the highest or lowest one so far behind every bar. */
static void put_race(buf *out, const chart *c, bool highest) {
    const bar *best = &c->bars[0];
    buf_puts(out, "I see");
    for (int i = 0; i < c->count; i++) {
        const bar *b = &c->bars[i];
        if ((b->value > best->value) == highest && b != best) best = b;
        buf_printf(out, " %c %d = %c %d", label_of(b), b->value, label_of(best), best->value);
    }
    buf_puts(out, ". ");
}

static void ask_value(synth_item *item, const chart *c, rng *r) {
    (void)r;
    const bar *b = &c->bars[c->subject];
    buf why = {0};
    if (c->cells) {
        put_scan(&why, c, b, NULL);
        buf_printf(&why, "X is %d.", b->value);
    } else buf_printf(&why, "Above the bar %c stands %d.", label_of(b), b->value);
    question_add(item, "value", mem_printf("What is the value of %c?", label_of(b)), mem_printf("%d", b->value), buf_take(&why));
}

static bool is_extreme(const chart *c, bool highest) {
    for (int i = 0; i < c->count; i++)
        if (i != c->subject && (c->bars[i].value > c->bars[c->subject].value) == highest) return false;
    return true;
}

static bool ask_extreme(synth_item *item, const chart *c) {
    bool highest = is_extreme(c, true);
    if (!highest && !is_extreme(c, false)) return false;
    const int label = label_of(&c->bars[c->subject]);
    const char *word = highest ? "highest" : "lowest";
    buf why = {0};
    if (c->cells) put_race(&why, c, highest);
    else put_bars(&why, c);
    buf_printf(&why, "The %s is %c.", word, label);
    question_add(item, "extreme", mem_printf("Which bar is the %s?", word), mem_printf("%c", label), buf_take(&why));
    return true;
}

static const bar *another(const chart *c, rng *r) { return &c->bars[(c->subject + pick(r, 1, c->count - 1)) % c->count]; }

/* "C is 12, A is 5. ": what both lines of reckoning begin with */
static char *both(const chart *c, const bar *a, const bar *b) {
    buf why = {0};
    if (c->cells) {
        put_scan(&why, c, a, b);
        buf_printf(&why, "X is %d, Y is %d. ", a->value, b->value);
    } else buf_printf(&why, "%c is %d, %c is %d. ", label_of(a), a->value, label_of(b), b->value);
    return buf_take(&why);
}

static void ask_difference(synth_item *item, const chart *c, rng *r) {
    const bar *a = &c->bars[c->subject], *b = another(c, r);
    const bar *high = a->value > b->value ? a : b, *low = high == a ? b : a;
    const int difference = high->value - low->value;
    char *seen = both(c, high, low);
    question_add(item, "difference", mem_printf("How much higher is %c than %c?", label_of(high), label_of(low)),
                 mem_printf("%d", difference), mem_printf("%s%d - %d = %d.", seen, high->value, low->value, difference));
    free(seen);
}

static void ask_sum(synth_item *item, const chart *c, rng *r) {
    const bar *a = &c->bars[c->subject], *b = another(c, r);
    const int sum = a->value + b->value;
    char *seen = both(c, a, b);
    question_add(item, "sum", mem_printf("What is the sum of %c and %c?", label_of(a), label_of(b)), mem_printf("%d", sum),
                 mem_printf("%s%d + %d = %d.", seen, a->value, b->value, sum));
    free(seen);
}

static bool ask(synth_item *item, const chart *c, int family, rng *r) {
    switch (family) {
    case READ_VALUE: return ask_value(item, c, r), true;
    case FIND_EXTREME: return ask_extreme(item, c);
    case TAKE_DIFFERENCE: return ask_difference(item, c, r), true;
    default: return ask_sum(item, c, r), true;
    }
}

static int text_scale(int side) { return max_int(1, side / 64); }

static lmm_status render(synth_item *item, const chart *c, int side, rng *r) {
    static const draw_color ink = {30, 30, 30};
    lmm_status st = picture_begin(item, side, r);
    if (st) return st;
    image *im = &item->frames[0];
    const int scale = text_scale(side), line = (DRAW_TEXT_HEIGHT + 2) * scale, slot = side / c->count, base = side - line - scale;
    draw_rectangle(im, 0, base, side, scale, ink);
    for (int i = 0; i < c->count; i++) {
        const bar *b = &c->bars[i];
        int middle = slot * i + slot / 2, width = slot / 2, height = max_int(1, (base - line - scale) * b->value / VALUE_MAX);
        char text[16];
        draw_rectangle(im, middle - width / 2, base - height, width, height, color_inks[b->color]);
        snprintf(text, sizeof text, "%d", b->value);
        draw_text(im, middle - draw_text_width(text, scale) / 2, base - height - (DRAW_TEXT_HEIGHT + 1) * scale, scale, text, ink);
        snprintf(text, sizeof text, "%c", 'A' + b->label);
        draw_text(im, middle - draw_text_width(text, scale) / 2, base + 2 * scale, scale, text, ink);
    }
    return LMM_OK;
}

static lmm_status make(synth_item *out, const synth_options *o, int family, synth_split split, rng *r) {
    chart c;
    const int most = min_int(BAR_MAX, (o->side - 4) / (12 * text_scale(o->side)));
    do lay_out(&c, o, split, most, r);
    while (!ask(out, &c, family, r));
    for (int i = 1; i < (int)COUNT_OF(families) - 1 && !o->family && out->questions.count < o->questions; i++)
        ask(out, &c, (family + i) % ((int)COUNT_OF(families) - 1), r);
    return render(out, &c, o->side, r);
}

const synth_kind synth_charts = {"charts", "bar charts with printed values: value, extreme, difference, sum", families, false, make};
