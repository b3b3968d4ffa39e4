/* page_knowledge.c - the part of a run's page about Video-MMMU: the funnel of its three stages, and what the lectures taught by discipline. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { STAGES = 3, WIDTH = 620, ROW = 46, LABEL = 150, FULL = WIDTH - LABEL - 70 };

static const char *const stages[STAGES] = {"perception", "comprehension", "adaptation"};

/* Beside the results, when they are there. free() */
static char *samples_of(const char *results, const char *stage, const char *ending) {
    char *task = mem_printf("video_mmmu_%s%s", stage, ending), *path = results ? run_samples_path(results, task) : NULL;
    free(task);
    return path;
}

static double share_of(const tree *records) {
    int right = 0;
    for (int i = 0; i < records->count; i++) right += tree_bool(records->items[i], "correct", false);
    return records->count ? 100.0 * right / records->count : 0;
}

/* ---- the funnel ---- */

/* A stage as a trapezoid that narrows towards the next one. */
static void put_stage(buf *b, int k, double share, double next, int n) {
    const double middle = LABEL + FULL / 2.0, top = FULL * share / 200, bottom = FULL * next / 200, y = k * ROW;
    buf_printf(b,
               "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%s</text><polygon fill=\"var(--g)\" opacity=\"%.2f\" points=\"%.1f,%.0f "
               "%.1f,%.0f "
               "%.1f,%.0f %.1f,%.0f\"/><text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%.1f %%</text><title>%s: %.1f %% of %d</title>",
               LABEL - 14, y + 26, stages[k], 0.9 - 0.2 * k, middle - top, y + 4, middle + top, y + 4, middle + bottom, y + ROW - 4,
               middle - bottom, y + ROW - 4, WIDTH, y + 26, share, stages[k], share, n);
}

static void put_funnel(buf *b, tree *const records[STAGES]) {
    buf_printf(b,
               "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"accuracy of the three stages\" "
               "style=\"max-width:100%%;font:14px system-ui;fill:currentColor\">",
               WIDTH, STAGES * ROW, WIDTH);
    for (int k = 0; k < STAGES; k++)
        put_stage(b, k, share_of(records[k]), share_of(records[k + 1 < STAGES ? k + 1 : k]), records[k]->count);
    buf_puts(b, "</svg>\n");
}

/* ---- the gain ---- */

static void put_number(buf *b, const tree *t, const char *key) {
    double x = py_value(tree_get(t, key), NAN);
    buf_puts(b, "<td class=\"n\">");
    if (isfinite(x)) buf_printf(b, "%.1f", x);
    buf_puts(b, "</td>");
}

static void put_crossing(buf *b, const tree *t) {
    buf_printf(b, "<td class=\"n\">%" PRId64 " of %" PRId64 "</td>", tree_int(t, "n", 0), tree_int(t, "den", 0));
}

/* From -100 to 100 around the middle. */
static void put_gain_bar(buf *b, double x) {
    double half = fmin(50, fabs(x) / 2);
    buf_printf(b, "<td><div class=\"bar\"><i style=\"left:%.1f%%;width:%.1f%%;background:var(--%s)\"></i></div></td>",
               x < 0 ? 50 - half : 50, half, x < 0 ? "r" : "g");
}

static void put_gain(buf *b, const char *name, const tree *t) {
    double x = py_value(tree_get(t, "delta_knowledge"), NAN);
    buf_puts(b, "<tr><td>");
    html_text(b, name);
    buf_printf(b, "</td><td class=\"n\">%" PRId64 "</td>", tree_int(t, "n", 0));
    put_number(b, t, "acc_before");
    put_number(b, t, "acc_after");
    put_number(b, t, "delta_knowledge");
    const tree *ends = tree_get(t, "delta_ci95");
    if (ends && ends->count == 2)
        buf_printf(b, "<td class=\"n\">%.1f to %.1f</td>", py_value(ends->items[0], 0), py_value(ends->items[1], 0));
    else buf_puts(b, "<td></td>");
    put_crossing(b, tree_get(t, "wrong_to_right"));
    put_crossing(b, tree_get(t, "right_to_wrong"));
    if (isfinite(x)) put_gain_bar(b, x);
    buf_puts(b, "</tr>\n");
}

static void put_gains(buf *b, const tree *gain) {
    const tree *by = tree_get(gain, "by_discipline");
    buf_puts(
        b,
        "<p>The same questions before and after the lecture; the gain is the part of what was not known before that is known after, (after "
        "&minus; before) / (100 &minus; before).</p><table><tr><th>discipline</th><th class=\"n\">n</th><th class=\"n\">before</th><th "
        "class=\"n\">after</th><th class=\"n\">gain of knowledge</th><th class=\"n\">95 % interval</th><th class=\"n\">wrong to "
        "right</th><th "
        "class=\"n\">right to wrong</th><th>gain</th></tr>\n");
    put_gain(b, "all", gain);
    for (int i = 0; by && i < by->count; i++) put_gain(b, by->keys[i], by->items[i]);
    buf_puts(b, "</table>\n");
}

/* ---- both ---- */

/* What was known before the lecture is in this run, else in the other one. */
static lmm_status put_one(buf *b, const char *results, const char *other, const char *ending, bool *used) {
    tree *records[STAGES] = {0}, *gain = NULL;
    char *paths[STAGES], *before = samples_of(results, "adaptation", "_question_only");
    bool all = true;
    lmm_status st = LMM_OK;
    const bool own = before;
    if (!own) before = samples_of(other, "adaptation", "_question_only");
    for (int k = 0; k < STAGES; k++) all &= (paths[k] = samples_of(results, stages[k], ending)) != NULL;
    for (int k = 0; k < STAGES && all && !st; k++) st = knowledge_records(&records[k], paths[k], false);
    if (!st && before && paths[STAGES - 1]) st = knowledge_gain(&gain, before, paths[STAGES - 1], false);
    if (!st && (all || gain)) buf_printf(b, "<h2>Knowledge from lectures%s</h2>\n", *ending ? ", with their transcripts" : "");
    if (!st && all) put_funnel(b, records);
    if (!st && gain) put_gains(b, gain);
    *used |= gain && !own;
    for (int k = 0; k < STAGES; k++) tree_free(records[k]), free(paths[k]);
    tree_free(gain);
    free(before);
    return st;
}

lmm_status page_knowledge(buf *b, const char *results, const char *other, bool *used) {
    lmm_status st = put_one(b, results, other, "", used);
    return st ? st : put_one(b, results, other, "_with_transcript", used);
}
