/* export.c - a memory as JSON lines; importing them gives the same rows. */
#include <string.h>

#include "ego/ego_int.h"

static void field(buf *b, const char *name, const char *text) {
    buf_printf(b, ", \"%s\": ", name);
    json_quote(b, text, strlen(text));
}

static lmm_status put_rows(ego *e, file_writer *w, const char *sql, const char *kind, int64_t *count) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, sql);
    if (st) return st;
    buf line = {0};
    while (!st && sqlite3_step(s) == SQLITE_ROW) {
        const char *speaker = (const char *)sqlite3_column_text(s, 4);
        buf_reset(&line);
        buf_printf(&line, "{\"t0\": %" PRId64 ", \"t1\": %" PRId64 ", \"known\": %" PRId64 ", \"kind\": \"%s\"",
                   (int64_t)sqlite3_column_int64(s, 1), (int64_t)sqlite3_column_int64(s, 2), (int64_t)sqlite3_column_int64(s, 3), kind);
        field(&line, "wearer", (const char *)sqlite3_column_text(s, 0));
        if (speaker) field(&line, "speaker", speaker);
        field(&line, "text", (const char *)sqlite3_column_text(s, 5));
        buf_puts(&line, "}\n");
        st = file_writer_put(w, line.data, line.size);
        ++*count;
    }
    buf_free(&line);
    sqlite3_finalize(s);
    return st;
}

lmm_status ego_export(ego *e, const char *path, int64_t *count) {
    file_writer *w;
    int64_t n = 0;
    lmm_status st = file_writer_open(&w, path);
    if (st) return st;
    st = put_rows(e, w,
                  "SELECT p.name, t0, t1, known_t, speaker, text FROM caption c JOIN stream s ON s.id = c.stream_id JOIN person p ON p.id "
                  "= s.person_id ORDER BY c.id",
                  "caption", &n);
    if (!st)
        st = put_rows(e, w,
                      "SELECT p.name, t0, t1, known_t, speaker, text FROM utter c JOIN stream s ON s.id = c.stream_id JOIN person p ON "
                      "p.id = s.person_id ORDER BY c.id",
                      "speech", &n);
    if (st) return file_writer_abort(w), st;
    st = file_writer_commit(w);
    if (!st) *count = n;
    return st;
}
