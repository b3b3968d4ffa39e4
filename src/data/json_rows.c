/* json_rows.c - the elements of a JSON list and the lines of a JSONL file, one at a time.
 *
 * One pass over the file, through a small window, finds where each row begins; a row is parsed when it is asked for. Brackets and strings are all the pass looks at, so a
 * row that is no JSON costs itself alone as long as it can be seen where it ends: a string ends with its line, since none may hold a newline, a closing bracket closes what was
 * left open inside it, and a { inside a map that follows no colon begins the next row. None of that happens in JSON that is whole. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

enum { WINDOW = 1 << 16, OPEN_MAX = 1024 };
static const uint64_t row_size_max = (uint64_t)1 << 28;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* ---- where rows begin ---- */

typedef struct {
    json_rows *to;
    uint64_t at; /* of the byte that is looked at */
    int line;
    enum { BEFORE, BETWEEN, INSIDE, BEHIND } place; /* of the list and its elements; lines: BETWEEN or INSIDE */
    bool comma;                                     /* BETWEEN, after one */
    bool in_string, escaped;
    char last;           /* byte that is not blank, outside of strings */
    char open[OPEN_MAX]; /* brackets of the element */
    int depth;
} scan;

static lmm_status begin_row(scan *s) {
    if (s->to->at.count == INT_MAX - 1) return LMM_FAIL(LMM_E_LIMIT, "'%s' has more rows than can be counted", s->to->file.path);
    VEC_PUSH(&s->to->at, ((row_place){s->at, s->line}));
    s->place = INSIDE;
    return LMM_OK;
}

static lmm_status scan_line(scan *s, char c) {
    if (c == '\n') s->place = BETWEEN;
    else if (s->place != INSIDE && !is_blank(c)) return begin_row(s);
    return LMM_OK;
}

static void string_byte(scan *s, char c) {
    if (c == '\n') s->in_string = false;
    else if (s->escaped) s->escaped = false;
    else if (c == '\\') s->escaped = true;
    else if (c == '"') s->in_string = false;
}

/* Closes the innermost bracket of this kind and all inside it; false when there is none. */
static bool close_bracket(scan *s, char opened) {
    for (int i = s->depth - 1; i >= 0; i--)
        if (s->open[i] == opened) return s->depth = i, true;
    return false;
}

static void end_list(scan *s) {
    s->place = BEHIND;
    s->to->end = s->at;
}

static lmm_status open_bracket(scan *s, char c) {
    lmm_status st = LMM_OK;
    if (c == '{' && s->depth && s->open[s->depth - 1] == '{' && s->last != ':') s->depth = 0, st = begin_row(s);
    if (s->depth == OPEN_MAX) return LMM_FAIL(LMM_E_LIMIT, "'%s': line %d: nested deeper than %d", s->to->file.path, s->line, OPEN_MAX);
    s->open[s->depth++] = c;
    return st;
}

static lmm_status element_byte(scan *s, char c) {
    lmm_status st = LMM_OK;
    if (s->in_string) return string_byte(s, c), LMM_OK;
    if (c == '"') s->in_string = true, s->escaped = false;
    else if (c == '[' || c == '{') st = open_bracket(s, c);
    else if (c == '}') close_bracket(s, '{');
    else if (c == ']' && !close_bracket(s, '[')) end_list(s);
    else if (c == ',' && !s->depth) s->place = BETWEEN, s->comma = true;
    if (!is_blank(c)) s->last = c;
    return st;
}

/* The first byte of an element, or of none: [1,,2] and [1,] have an empty one. */
static lmm_status between_byte(scan *s, char c) {
    if (is_blank(c)) return LMM_OK;
    const bool ends = c == ']', comma = s->comma;
    s->comma = c == ',';
    if (ends && !comma) return end_list(s), LMM_OK;
    s->depth = 0;
    lmm_status st = begin_row(s);
    if (st) return st;
    if (ends) end_list(s);
    else if (c == ',') s->place = BETWEEN;
    else st = element_byte(s, c);
    return st;
}

static lmm_status scan_element(scan *s, char c) {
    switch (s->place) {
    case BETWEEN: return between_byte(s, c);
    case INSIDE: return element_byte(s, c);
    case BEFORE:
        if (c == '[') s->place = BETWEEN;
        else if (!is_blank(c))
            return LMM_FAIL(LMM_E_FORMAT, "'%s' is no list of rows: line %d does not begin with [", s->to->file.path, s->line);
        return LMM_OK;
    case BEHIND: break;
    }
    return is_blank(c) ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "'%s': line %d: text behind the end of the list", s->to->file.path, s->line);
}

static lmm_status scan_file(json_rows *r) {
    scan *s = mem_new(1, sizeof *s);
    *s = (scan){.to = r, .line = 1, .place = r->lines ? BETWEEN : BEFORE};
    char *window = mem_new(WINDOW, 1);
    lmm_status st = LMM_OK;
    r->end = r->file.size;
    while (s->at < r->file.size && !st) {
        const uint64_t left = r->file.size - s->at;
        const size_t n = left < WINDOW ? (size_t)left : WINDOW;
        st = file_view_read(&r->file, window, n, s->at);
        for (size_t i = 0; i < n && !st; i++, s->at++) {
            st = (r->lines ? scan_line : scan_element)(s, window[i]);
            s->line += window[i] == '\n';
        }
    }
    if (!st && !r->lines && s->place == BEFORE) st = LMM_FAIL(LMM_E_FORMAT, "'%s' is no list of rows: it is empty", r->file.path);
    if (!st && !r->lines && s->place != BEHIND)
        st = LMM_FAIL(LMM_E_FORMAT, "'%s': the list does not end; the last row that begins is in line %d", r->file.path,
                      r->at.count ? r->at.at[r->at.count - 1].line : 1);
    free(window);
    free(s);
    return st;
}

/* ---- rows ---- */

lmm_status json_rows_open(json_rows *out, const char *path, bool lines) {
    json_rows r = {.lines = lines};
    lmm_status st = file_view_open(&r.file, path);
    if (st) return st;
    st = scan_file(&r);
    if (st) return json_rows_close(&r), st;
    return *out = r, LMM_OK;
}

void json_rows_close(json_rows *r) {
    file_view_close(&r->file);
    free(r->at.at);
    buf_free(&r->text);
    *r = (json_rows){0};
}

/* Of the bytes up to where the next row begins, those of the row. */
static size_t row_size(const json_rows *r) {
    const char *text = r->text.data, *end = r->lines ? memchr(text, '\n', r->text.size) : NULL;
    size_t n = end ? (size_t)(end - text) : r->text.size;
    while (n && is_blank(text[n - 1])) n--;
    return n && !r->lines && text[n - 1] == ',' ? n - 1 : n;
}

static lmm_status load_row(json_rows *r, int i) {
    const uint64_t from = r->at.at[i].offset, to = i + 1 < r->at.count ? r->at.at[i + 1].offset : r->end;
    if (to - from > row_size_max)
        return LMM_FAIL(LMM_E_LIMIT, "the row has %" PRIu64 " bytes, at most %" PRIu64 " are taken", to - from, row_size_max);
    if (r->text.capacity > 1 << 20) buf_free(&r->text);
    buf_reset(&r->text);
    buf_put(&r->text, NULL, (size_t)(to - from));
    return file_view_read(&r->file, r->text.data, (size_t)(to - from), from);
}

lmm_status json_rows_read(json_rows *r, int i, tree **out) {
    lmm_status st = load_row(r, i);
    if (!st) st = tree_parse_json(out, r->text.data, row_size(r), r->file.path);
    return LMM_CONTEXT(st, "line %d", r->at.at[i].line);
}
