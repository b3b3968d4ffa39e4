/* cues.c - SRT as EgoLife has it: hourly files whose cue times are offsets from the stamp in the file's name.
 *
 * Files come from many tools: with a BOM, CRLF, without numbers, with '.' for ',', with 59:60, with two languages a cue, cut in the middle. A piece that
 * makes no sense is counted and passed over; what stands before and after it is kept. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego.h"

enum { CUE_MS_MAX = EGO_HOUR, SPEAKER_MAX = 40 };

void ego_cues_free(ego_cues *c) {
    for (int i = 0; i < c->cues.count; i++) free(c->cues.at[i].speaker), free(c->cues.at[i].text), free(c->cues.at[i].wearer);
    free(c->cues.at);
    *c = (ego_cues){0};
}

typedef struct {
    const char *at, *end;
    int line;
} source;

/* The next line without its end; false at the end of the text. */
static bool next_line(source *s, const char **line, size_t *n) {
    if (s->at >= s->end) return false;
    const char *stop = memchr(s->at, '\n', (size_t)(s->end - s->at));
    *line = s->at;
    *n = (size_t)((stop ? stop : s->end) - s->at);
    s->at = stop ? stop + 1 : s->end;
    s->line++;
    while (*n && isspace((unsigned char)(*line)[*n - 1])) --*n;
    while (*n && isspace((unsigned char)**line)) ++*line, --*n;
    return true;
}

/* HH:MM:SS,mmm; fields may overflow (59:60) and carry. Moves *p behind it. */
static bool clock_read(const char **p, const char *end, int64_t *ms) {
    int64_t part[3] = {0};
    const char *s = *p;
    for (int i = 0; i < 3; i++) {
        const char *first = s;
        for (; s < end && isdigit((unsigned char)*s) && s - first < 4; s++) part[i] = part[i] * 10 + (*s - '0');
        if (s == first || (i < 2 && (s >= end || *s++ != ':'))) return false;
    }
    int64_t fraction = 0;
    if (s < end && (*s == ',' || *s == '.'))
        for (int unit = 100, i = 0; ++s < end && isdigit((unsigned char)*s) && i < 6; i++, unit /= 10) fraction += (*s - '0') * unit;
    *ms = (part[0] * 3600 + part[1] * 60 + part[2]) * 1000 + fraction;
    *p = s;
    return true;
}

static bool timing_read(const char *line, size_t n, int64_t *t0, int64_t *t1) {
    const char *p = line, *end = line + n;
    if (!clock_read(&p, end, t0)) return false;
    while (p < end && *p == ' ') p++;
    if (end - p < 3 || memcmp(p, "-->", 3)) return false;
    for (p += 3; p < end && *p == ' '; p++) {}
    return clock_read(&p, end, t1) && *t1 >= *t0 && *t1 - *t0 <= CUE_MS_MAX;
}

static bool is_number(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)line[i])) return false;
    return n > 0 && n < 10;
}

/* "Name: words" with ':' or the full-width colon; the length of the name, 0 when nobody is named. */
static size_t speaker_length(const char *line, size_t n, size_t *words) {
    for (size_t i = 1; i < n && i <= SPEAKER_MAX; i++) {
        bool wide = n - i >= 3 && !memcmp(line + i, "\xef\xbc\x9a", 3);
        if (line[i] != ':' && !wide) continue;
        *words = i + (wide ? 3 : 1);
        while (*words < n && line[*words] == ' ') ++*words;
        return i;
    }
    return 0;
}

static void put_text(buf *b, const char *s, size_t n) {
    if (!n) return;
    if (b->size) buf_putc(b, ' ');
    utf8_repair(b, s, n);
}

static void bad(ego_cues *out, int line) {
    out->skipped++;
    if (!out->first_bad) out->first_bad = line;
}

void ego_srt_parse(ego_cues *out, const char *text, size_t size, int64_t base, bool speech) {
    source s = {text, text + size, 0};
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) s.at += 3;
    const char *line;
    size_t n;
    bool open = false;
    ego_cue cue = {0};
    buf words = {0}, name = {0};
    for (bool more = true; more;) {
        int64_t t0, t1;
        more = next_line(&s, &line, &n);
        bool timing = more && timing_read(line, n, &t0, &t1);
        if (open && (!more || timing || !n)) {
            if (words.size) {
                cue.text = buf_take(&words);
                cue.speaker = name.size ? buf_take(&name) : NULL;
                VEC_PUSH(&out->cues, cue);
            }
            buf_reset(&words), buf_reset(&name);
            open = false;
        }
        if (timing) {
            cue = (ego_cue){.t0 = base + t0, .t1 = base + t1, .speech = speech};
            open = true;
        } else if (more && n && !open) {
            if (!is_number(line, n)) bad(out, s.line);
        } else if (more && n && !(is_number(line, n) && words.size && s.at < s.end && isdigit((unsigned char)*s.at))) {
            size_t skip = 0, length = speech ? speaker_length(line, n, &skip) : 0;
            if (length && !name.size) utf8_repair(&name, line, length);
            put_text(&words, line + skip, n - skip);
        }
    }
    buf_free(&words), buf_free(&name);
}
