/* timeline.c - what there is, in order of time; and when something happens, as a picture of days by hours. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { EPISODE_GAP = 10 * EGO_MINUTE, HEAT_DAYS_MAX = 4000 };

typedef struct {
    int64_t t0;
    int doc;
} moment;
typedef VEC(moment) moments;

static int by_time(const void *a, const void *b) {
    const moment *x = a, *y = b;
    if (x->t0 != y->t0) return x->t0 < y->t0 ? -1 : 1;
    return (x->doc > y->doc) - (x->doc < y->doc);
}

static void sort(moments *m) {
    if (m->count) qsort(m->at, (size_t)m->count, sizeof *m->at, by_time);
}

lmm_status ego_timeline(ego_view *v, int64_t from, int64_t to, int limit, ego_hits *out) {
    ego *e = ego_view_store(v);
    moments m = {0};
    for (int d = 0; d < e->docs.count; d++)
        if (e->docs.at[d].t0 >= from && e->docs.at[d].t0 < to && ego_view_sees(v, d)) VEC_PUSH(&m, ((moment){e->docs.at[d].t0, d}));
    sort(&m);
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < m.count && i < limit; i++) st = ego_view_hit(v, m.at[i].doc, 0, out);
    free(m.at);
    return st;
}

/* Visible rows that hold every word. */
static lmm_status rows_with(ego_view *v, const char *words, moments *out) {
    ego *e = ego_view_store(v);
    ego_terms t = {0};
    int *holds = mem_new((size_t)e->docs.count + 1, sizeof *holds);
    lmm_status st = LMM_OK;
    if (words) ego_terms_of(&t, words);
    if (words && !t.count) st = LMM_FAIL(LMM_E_ARG, "'%s' holds no word to look for", words);
    for (int i = 0; !st && i < t.count; i++) {
        ego_postings p = {0};
        st = ego_view_postings(v, t.at[i], &p);
        for (int k = 0; !st && k < p.count; k++) holds[p.doc[k]]++;
        free(p.doc);
    }
    for (int d = 0; !st && d < e->docs.count; d++)
        if (holds[d] == t.count && ego_view_sees(v, d)) VEC_PUSH(out, ((moment){e->docs.at[d].t0, d}));
    free(holds);
    ego_terms_free(&t);
    sort(out);
    return st;
}

lmm_status ego_habits(ego_view *v, const char *words, ego_heat *out) {
    moments m = {0};
    lmm_status st = rows_with(v, words, &m);
    if (!st) {
        int64_t last = m.count ? m.at[m.count - 1].t0 / EGO_DAY : -1, before = INT64_MIN / 2;
        out->days = (int)min_i64(last + 1, HEAT_DAYS_MAX);
        out->count = mem_new((size_t)out->days * 24 + 1, sizeof *out->count);
        for (int i = 0; i < m.count; i++) {
            int64_t hour = m.at[i].t0 / EGO_HOUR;
            bool fresh = !words || m.at[i].t0 - before > EPISODE_GAP;
            if (fresh && hour >= 0 && hour < (int64_t)out->days * 24) out->count[hour]++;
            before = m.at[i].t0;
        }
    }
    free(m.at);
    return st;
}

void ego_heat_svg(buf *out, const ego_heat *h, const char *title) {
    enum { CELL = 22, LEFT = 60, TOP = 56 };
    int most = 1;
    for (int i = 0; i < h->days * 24; i++) most = max_int(most, h->count[i]);
    buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
               LEFT + 24 * CELL + 20, TOP + h->days * CELL + 20);
    buf_puts(out, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"60\" y=\"20\" font-size=\"14\">");
    for (const char *p = title; *p; p++) {
        if (*p == '<') buf_puts(out, "&lt;");
        else if (*p == '&') buf_puts(out, "&amp;");
        else buf_putc(out, *p);
    }
    buf_printf(out, " (darkest: %d in an hour)</text>\n", most);
    for (int hour = 0; hour < 24; hour += 3) buf_printf(out, "<text x=\"%d\" y=\"%d\">%02d</text>\n", LEFT + hour * CELL, TOP - 8, hour);
    for (int d = 0; d < h->days; d++) {
        buf_printf(out, "<text x=\"8\" y=\"%d\">DAY%d</text>\n", TOP + d * CELL + 15, d + 1);
        for (int hour = 0; hour < 24; hour++) {
            int n = h->count[d * 24 + hour], shade = 244 - 190 * n / most;
            buf_printf(out,
                       "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"rgb(%d,%d,%d)\"><title>DAY%d %02d:00: "
                       "%d</title></rect>\n",
                       LEFT + hour * CELL, TOP + d * CELL, CELL - 2, CELL - 2, n ? shade - 20 : 244, n ? shade : 244,
                       n ? min_int(shade + 60, 250) : 244, d + 1, hour, n);
        }
    }
    buf_puts(out, "</svg>\n");
}
