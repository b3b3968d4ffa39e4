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
    } while (taken || ((own || split == SYNTH_TRAIN) && pair_split(b.label, b.value) != split));
    c->bars[c->count++] = b;
}

static void lay_out(chart *c, synth_split split, int most, rng *r) {
    *c = (chart){0};
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

static void ask_value(synth_item *item, const chart *c, rng *r) {
    (void)r;
    const bar *b = &c->bars[c->subject];
    question_add(item, "value", mem_printf("What is the value of %c?", 'A' + b->label), mem_printf("%d", b->value),
                 mem_printf("Above the bar %c stands %d.", 'A' + b->label, b->value));
}

static bool is_extreme(const chart *c, bool highest) {
    for (int i = 0; i < c->count; i++)
        if (i != c->subject && (c->bars[i].value > c->bars[c->subject].value) == highest) return false;
    return true;
}

static bool ask_extreme(synth_item *item, const chart *c) {
    bool highest = is_extreme(c, true);
    if (!highest && !is_extreme(c, false)) return false;
    int label = 'A' + c->bars[c->subject].label;
    buf why = {0};
    put_bars(&why, c);
    buf_printf(&why, "The %s is %c.", highest ? "highest" : "lowest", label);
    question_add(item, "extreme", mem_printf("Which bar is the %s?", highest ? "highest" : "lowest"), mem_printf("%c", label),
                 buf_take(&why));
    return true;
}

static const bar *another(const chart *c, rng *r) { return &c->bars[(c->subject + pick(r, 1, c->count - 1)) % c->count]; }

static void ask_difference(synth_item *item, const chart *c, rng *r) {
    const bar *a = &c->bars[c->subject], *b = another(c, r);
    const bar *high = a->value > b->value ? a : b, *low = high == a ? b : a;
    question_add(item, "difference", mem_printf("How much higher is %c than %c?", 'A' + high->label, 'A' + low->label),
                 mem_printf("%d", high->value - low->value),
                 mem_printf("%c is %d, %c is %d. %d - %d = %d.", 'A' + high->label, high->value, 'A' + low->label, low->value, high->value,
                            low->value, high->value - low->value));
}

static void ask_sum(synth_item *item, const chart *c, rng *r) {
    const bar *a = &c->bars[c->subject], *b = another(c, r);
    int sum = a->value + b->value;
    question_add(item, "sum", mem_printf("What is the sum of %c and %c?", 'A' + a->label, 'A' + b->label), mem_printf("%d", sum),
                 mem_printf("%c is %d, %c is %d. %d + %d = %d.", 'A' + a->label, a->value, 'A' + b->label, b->value, a->value, b->value,
                            sum));
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
    do lay_out(&c, split, most, r);
    while (!ask(out, &c, family, r));
    for (int i = 1; i < (int)COUNT_OF(families) - 1 && !o->family && out->questions.count < o->questions; i++)
        ask(out, &c, (family + i) % ((int)COUNT_OF(families) - 1), r);
    return render(out, &c, o->side, r);
}

const synth_kind synth_charts = {"charts", "bar charts with printed values: value, extreme, difference, sum", families, false, make};
