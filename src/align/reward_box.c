/* reward_box.c - rewards for boxes around things, as VLM-R1 computes them. Source: rl.md 3.9. */
#include "align/align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double area(const labelled_box *b) { return (b->x2 - b->x1) * (b->y2 - b->y1); }

double box_iou(const labelled_box *a, const labelled_box *b) {
    double x1 = fmax(a->x1, b->x1), y1 = fmax(a->y1, b->y1), x2 = fmin(a->x2 - 1, b->x2 - 1), y2 = fmin(a->y2 - 1, b->y2 - 1);
    double both = x1 < x2 && y1 < y2 ? (x2 - x1 + 1) * (y2 - y1 + 1) : 0, all = area(a) + area(b) - both;
    return all > 0 ? both / all : 0;
}

/* The pair with the largest overlap among those not taken; its overlap, 0 when none is left. */
static double best_pair(const labelled_box *found, int found_count, const bool *found_taken, const labelled_box *wanted, int wanted_count,
                        const bool *wanted_taken, int *f, int *w) {
    double best = 0;
    for (int i = 0; i < found_count; i++)
        for (int k = 0; k < wanted_count; k++) {
            if (found_taken[i] || wanted_taken[k]) continue;
            double overlap = box_iou(&found[i], &wanted[k]);
            if (overlap > best) best = overlap, *f = i, *w = k;
        }
    return best;
}

double reward_detection(const labelled_box *found, int found_count, const labelled_box *wanted, int wanted_count, double threshold,
                        double w_position, double w_label, double w_completeness) {
    if (!wanted_count || !found_count) return wanted_count == found_count;
    bool *found_taken = mem_new((size_t)(found_count + wanted_count), sizeof *found_taken), *wanted_taken = found_taken + found_count;
    double overlap, position = 0, labels = 0;
    int f = 0, w = 0, pairs = 0;
    while ((overlap = best_pair(found, found_count, found_taken, wanted, wanted_count, wanted_taken, &f, &w)) >= threshold && overlap > 0) {
        found_taken[f] = wanted_taken[w] = true;
        bool same = !strcmp(found[f].label, wanted[w].label);
        position += same ? overlap : 0; /* a wrong label takes both boxes and gives nothing */
        labels += same;
        pairs++;
    }
    free(found_taken);
    double missed = (double)(wanted_count - pairs) / wanted_count, invented = (double)(found_count - pairs) / found_count;
    double score = w_position * position / wanted_count + w_label * labels / wanted_count + w_completeness * (1 - (missed + invented) / 2);
    return score / (w_position + w_label + w_completeness);
}

/* The numbers of "[a, b, c, d]" at s. */
static bool four_numbers(const char *s, const char *end, double out[4]) {
    if (*s++ != '[') return false;
    for (int i = 0; i < 4; i++) {
        char *after;
        s += strspn(s, " \t\r\n");
        if (!*s || !strchr("+-.0123456789", *s)) return false; /* no inf, no nan */
        out[i] = strtod(s, &after);
        if (after == s || !isfinite(out[i])) return false;
        s = after + strspn(after, " \t\r\n");
        if (*s++ != (i < 3 ? ',' : ']')) return false;
    }
    return s <= end;
}

bool box_read(labelled_box *out, const char *text) {
    size_t size = strlen(text);
    const char *answer = answer_find(text, true, false, &size), *s = answer ? answer : text;
    double v[4];
    for (const char *end = s + size; s < end; s++)
        if (four_numbers(s, end, v)) return *out = (labelled_box){v[0], v[1], v[2], v[3], ""}, true;
    return false;
}
