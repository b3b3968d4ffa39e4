/* progress.c - the clock, and a progress bar that stays out of the way. */
#include "base/base_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double quiet_s = 2.0;     /* work shorter than this shows nothing */
static const double redraw_s = 0.1;    /* on a terminal */
static const double log_line_s = 30.0; /* elsewhere */

double time_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct progress {
    char *title, *unit, *note;
    int64_t done, total;
    double start, last;                    /* last: when a line was drawn, negative: never */
    double first_time;                     /* of the first progress_set: resumed work starts above 0, and what */
    int64_t first_done;                    /* was done in an earlier run must not count for the rate */
    bool has_first, on_terminal, is_stale; /* stale: the screen shows less than we know */
};

/* ---- the line ---- */

/* "7 s", "4:05", "1:02:33" */
static void put_duration(buf *b, double seconds) {
    int64_t s = seconds < 0 ? 0 : seconds < 1e9 ? (int64_t)(seconds + 0.5) : 1000000000;
    if (s < 60) buf_printf(b, "%" PRId64 " s", s);
    else if (s < 3600) buf_printf(b, "%" PRId64 ":%02" PRId64, s / 60, s % 60);
    else buf_printf(b, "%" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60, s % 60);
}

static void put_bar(buf *b, double fraction) {
    enum { CELLS = 20 };
    int full = (int)(fraction * CELLS);
    buf_puts(b, " [");
    for (int i = 0; i < CELLS; i++) buf_putc(b, i < full ? '#' : '.');
    buf_putc(b, ']');
}

/* Notes are free text: a control character would break the line. Cuts to `width` columns, a character being one. */
static void put_fitted(buf *line, const buf *text, int width) {
    int columns = 0;
    for (size_t at = 0; at < text->size && (width == 0 || columns < width - 1); columns++) {
        uint32_t cp;
        char bytes[4];
        at += (size_t)utf8_decode(text->data + at, text->size - at, &cp);
        if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0)) cp = ' ';
        buf_put(line, bytes, (size_t)utf8_encode(cp, bytes));
    }
}

void progress_format(buf *line, const progress_view *v) {
    buf b = {0};
    buf_puts(&b, v->title);
    if (v->total > 0) {
        double fraction = (double)v->done / (double)v->total;
        fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
        buf_printf(&b, " %3d%%", (int)(100 * fraction));
        if (v->width >= 100) put_bar(&b, fraction);
        buf_printf(&b, " %" PRId64 "/%" PRId64 " %s", v->done, v->total, v->unit);
    } else {
        buf_printf(&b, " %" PRId64 " %s", v->done, v->unit);
    }
    if (v->rate > 0) buf_printf(&b, v->rate < 10 ? ", %.2f %s/s" : v->rate < 100 ? ", %.1f %s/s" : ", %.0f %s/s", v->rate, v->unit);
    buf_puts(&b, ", ");
    if (v->total > v->done && v->rate > 0) {
        put_duration(&b, (double)(v->total - v->done) / v->rate);
        buf_puts(&b, " left");
    } else {
        put_duration(&b, v->elapsed);
    }
    if (v->note && *v->note) buf_printf(&b, ", %s", v->note);
    put_fitted(line, &b, v->width);
    buf_free(&b);
}

bool progress_is_due(double now, double start, double last, bool on_terminal) {
    if (now - start < quiet_s) return false;
    double wait = on_terminal ? redraw_s : log_line_s;
    return last < 0 ? on_terminal || now - start >= wait : now - last >= wait;
}

/* ---- when and where ---- */

static int terminal_width(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

static void draw(progress *p, double now) {
    double spent = now - p->first_time;
    progress_view v = {.title = p->title,
                       .unit = p->unit,
                       .note = p->note,
                       .done = p->done,
                       .total = p->total,
                       .elapsed = now - p->start,
                       .rate = spent > 0 ? (double)(p->done - p->first_done) / spent : 0,
                       .width = p->on_terminal ? terminal_width() : 0};
    buf line = {0};
    if (p->on_terminal) buf_putc(&line, '\r');
    progress_format(&line, &v);
    buf_puts(&line, p->on_terminal ? "\033[K" : "\n");
    fwrite(line.data, 1, line.size, stderr); /* in one piece: others write there too */
    fflush(stderr);
    buf_free(&line);
    p->last = now;
    p->is_stale = false;
}

progress *progress_new(const char *title, int64_t total, const char *unit) {
    progress *p = mem_new(1, sizeof *p);
    p->title = mem_strdup(title);
    p->unit = mem_strdup(unit);
    p->total = total;
    p->start = time_now();
    p->last = -1;
    p->on_terminal = isatty(STDERR_FILENO);
    return p;
}

static void note_keep(progress *p, const char *note) {
    if (p->note && note && strcmp(p->note, note) == 0) return;
    free(p->note);
    p->note = note ? mem_strdup(note) : NULL;
}

void progress_set(progress *p, int64_t done, const char *note) {
    if (!p) return;
    double now = time_now();
    if (!p->has_first) {
        p->has_first = true;
        p->first_done = done;
        p->first_time = now;
    }
    p->done = done;
    p->is_stale = true;
    note_keep(p, note);
    if (progress_is_due(now, p->start, p->last, p->on_terminal)) draw(p, now);
}

void progress_free(progress *p) {
    if (!p) return;
    bool was_drawn = p->last >= 0;
    if (was_drawn && p->is_stale) draw(p, time_now());
    if (was_drawn && p->on_terminal) fputc('\n', stderr);
    free(p->title);
    free(p->unit);
    free(p->note);
    free(p);
}
