/* forget.c - taking things out of a memory so that no byte of them is left.
 *
 * One transaction deletes the rows, everything derived, and writes a tombstone that is not done yet: from then on nothing forgotten can come back. What
 * follows (vectors, index, free pages, log) only cleans bytes, can be repeated, and is repeated by the next open when a kill came between. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

/* Clears what a deleted row left: index rebuilt from the rows that remain, free pages dropped, log emptied. */
lmm_status ego_forget_finish(ego *e) {
    sqlite3_stmt *s;
    int open = 0;
    lmm_status st = ego_prepare(e, &s, "SELECT count(*) FROM tombstone WHERE done = 0");
    if (st) return st;
    if (sqlite3_step(s) == SQLITE_ROW) open = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    if (!open) return LMM_OK;
    int64_t segments = 0;
    st = ego_vectors_forget(e);
    if (!st) st = ego_resegment(e, &segments);
    if (!st) st = ego_sql(e, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    if (!st) st = ego_sql(e, "UPDATE tombstone SET done = 1; PRAGMA wal_checkpoint(TRUNCATE)");
    return st;
}

typedef struct {
    const char *sql;
    bool derived; /* takes no parameters: follows from what is gone */
} erasure;

/* clang-format off */
#define WHICH " WHERE (?1 < 0 OR stream_id = ?1) AND t1 >= ?2 AND t0 <= ?3 AND (?4 IS NULL OR instr(lower(text), lower(?4)) OR lower(coalesce(speaker, '')) = lower(?4))"
static const erasure erasures[] = {
    {"DELETE FROM caption" WHICH, false},
    {"DELETE FROM utter" WHICH, false},
    {"DELETE FROM clip WHERE (?1 < 0 OR stream_id = ?1) AND t1 >= ?2 AND t0 <= ?3 AND ?4 IS NULL", false},
    {"DELETE FROM obs WHERE doc NOT IN (SELECT rowid FROM doc)", true},
    {"DELETE FROM edge WHERE doc NOT IN (SELECT rowid FROM doc)", true},
    {"DELETE FROM fact WHERE doc NOT IN (SELECT rowid FROM doc)", true},
    {"DELETE FROM task WHERE doc NOT IN (SELECT rowid FROM doc)", true},
    {"DELETE FROM entity WHERE id NOT IN (SELECT entity_id FROM obs)", true},
    {"DELETE FROM seg", true},
    {"UPDATE meta SET value = 0 WHERE key = 'stale_from'", true},
    {"DELETE FROM source WHERE name NOT IN (SELECT source FROM caption WHERE source NOT NULL UNION SELECT source FROM utter WHERE source NOT NULL)", true},
    {"INSERT INTO fts(fts) VALUES('rebuild')", true},
};
#undef WHICH
/* clang-format on */

static lmm_status erase(ego *e, const erasure *x, const ego_forget_opts *o, int stream, int64_t *count) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, x->sql);
    if (st) return st;
    if (!x->derived) {
        sqlite3_bind_int(s, 1, stream);
        sqlite3_bind_int64(s, 2, o->from);
        sqlite3_bind_int64(s, 3, o->to ? o->to : INT64_MAX);
        if (o->mention) sqlite3_bind_text(s, 4, o->mention, -1, SQLITE_STATIC);
    }
    st = ego_step(e, s);
    if (!st && !x->derived) *count += sqlite3_changes(e->db);
    sqlite3_finalize(s);
    return st;
}

static lmm_status tombstone(ego *e, const ego_forget_opts *o) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "INSERT INTO tombstone(t0, t1, done) VALUES(?1, ?2, 0)");
    if (st) return st;
    sqlite3_bind_int64(s, 1, o->from);
    sqlite3_bind_int64(s, 2, o->to);
    st = ego_step(e, s);
    sqlite3_finalize(s);
    return st;
}

lmm_status ego_forget(ego *e, const ego_forget_opts *o, int64_t *count) {
    int stream = -1;
    lmm_status st = o->wearer ? ego_person(e, o->wearer, &stream) : LMM_OK;
    if (st) return st;
    int64_t gone = 0;
    st = ego_begin(e);
    for (size_t i = 0; !st && i < COUNT_OF(erasures); i++) st = erase(e, &erasures[i], o, stream, &gone);
    if (!st) st = ego_lexicon_forget(e);
    if (!st) st = tombstone(e, o);
    if (!st) st = ego_commit(e);
    else if (e->pending) ego_rollback(e);
    if (!st) st = ego_forget_finish(e);
    if (!st) *count = gone;
    return st;
}
