/* number.c - printed numbers to read: one, or two in different colours. A number belongs to one split. */
#include "synth/synth_int.h"

#include <stdlib.h>

enum { READ, READ_BY_COLOR, FIND_LARGER };
static const char *const families[] = {"read", "read_color", "larger", NULL};

typedef struct {
    int value, color;
} printed;

static const int below[SYNTH_DIGITS_MAX] = {10, 100, 1000, 10000};

static bool two_there(int most, synth_split split) {
    int n = 0;
    for (int value = 0; value < below[most - 1] && n < 2; value++) n += split_holds(split, number_split((uint64_t)value));
    return n == 2;
}

static int digits_draw(int most, synth_split split, rng *r) {
    int length, value;
    do {
        length = pick(r, 0, most - 1);
        value = pick(r, length ? below[length - 1] : 0, below[length] - 1);
    } while (!split_holds(split, number_split((uint64_t)value)));
    return value;
}

/* In the upper or lower part of the picture (part 0, 1 of `parts`), as large as fits and sometimes smaller. */
static void print(image *im, const printed *p, int part, int parts, rng *r) {
    char text[16];
    snprintf(text, sizeof text, "%d", p->value);
    const int side = im->width, height = side / parts;
    int largest = min_int((side - 4) / draw_text_width(text, 1), (height - 4) / DRAW_TEXT_HEIGHT);
    int scale = pick(r, max_int(1, side / 64), max_int(max_int(1, side / 64), min_int(largest, side / 24)));
    int x = pick(r, 2, max_int(2, side - draw_text_width(text, scale) - 2));
    int y = part * height + pick(r, 2, max_int(2, height - DRAW_TEXT_HEIGHT * scale - 2));
    draw_text(im, x, y, scale, text, color_inks[p->color]);
}

/* "I see red 123, blue 4567.": all that is printed, from the top. */
static void put_printed(buf *b, const printed *p, int count, int top) {
    buf_puts(b, "I see");
    for (int i = 0; i < count; i++) {
        const printed *one = &p[(top + i) % count];
        buf_printf(b, "%s %s %d", i ? "," : "", color_names[one->color], one->value);
    }
    buf_puts(b, ".");
}

/* `count` numbers; `top` is the upper one's place in p. */
static void ask(synth_item *item, const printed *p, int family, int count, int top, bool cells, bool asked_larger) {
    const printed *large = p[0].value > p[1].value ? &p[0] : &p[1], *small = large == &p[0] ? &p[1] : &p[0];
    const char *color = color_names[p->color];
    buf why = {0};
    if (cells) put_printed(&why, p, count, top);
    if (family == READ) {
        if (cells) buf_printf(&why, " It is %s %d.", color, p->value);
        else buf_printf(&why, "I read %d.", p->value);
        question_add(item, "read", mem_strdup("What number is printed?"), mem_printf("%d", p->value), buf_take(&why));
    } else if (family == READ_BY_COLOR) {
        if (cells) buf_printf(&why, " It is %s %d.", color, p->value);
        else buf_printf(&why, "The numbers are %d in %s and %d in %s.", p->value, color, p[1].value, color_names[p[1].color]);
        question_add(item, "read_color", mem_printf("What number is printed in %s?", color), mem_printf("%d", p->value), buf_take(&why));
    } else {
        if (cells) buf_printf(&why, " %d > %d.", large->value, small->value);
        else buf_printf(&why, "The numbers are %d and %d. %d > %d.", p[0].value, p[1].value, large->value, small->value);
        question_add(item, "larger", mem_printf("Which number is %s?", asked_larger ? "larger" : "smaller"),
                     mem_printf("%d", asked_larger ? large->value : small->value), buf_take(&why));
    }
}

static lmm_status make(synth_item *out, const synth_options *o, int family, synth_split split, rng *r) {
    printed p[2];
    if (!two_there(o->digits, split))
        return LMM_FAIL(LMM_E_ARG, "the %s split has no two numbers of %d digit%s; ask for more digits, or for the training split alone",
                        synth_split_names[split], o->digits, o->digits > 1 ? "s" : "");
    do {
        for (int i = 0; i < 2; i++) p[i] = (printed){digits_draw(o->digits, split, r), pick(r, 0, COLOR_COUNT - 1)};
    } while (p[0].value == p[1].value || p[0].color == p[1].color || p[0].color == 3 || p[1].color == 3); /* no yellow on pale */
    const int count = family == READ ? 1 : 2, up = coin(r);
    ask(out, p, family, count, count > 1 ? up : 0, o->cells, coin(r));
    lmm_status st = picture_begin(out, o->side, r);
    if (st) return st;
    for (int i = 0; i < count; i++) print(&out->frames[0], &p[i], count == 1 ? 0 : (i + up) % 2, count, r);
    return LMM_OK;
}

const synth_kind synth_numbers = {"numbers", "printed numbers: read, read by colour, larger", families, false, make};
