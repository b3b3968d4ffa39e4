/* store.c - the database of a memory: schema, migrations, writing.
 *
 * Bitemporal: t0..t1 is when something happened, known_t when the memory learned of it. Rows are added, never changed; a correction is a later row.
 * WAL with synchronous=FULL: what was committed survives a kill. secure_delete zeroes what is deleted. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/ego_int.h"

/* clang-format off */
/* Step i brings user_version i to i + 1. */
static const char *const migrations[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INT NOT NULL) STRICT;"
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, consent INT NOT NULL DEFAULT 1) STRICT;"
    "CREATE TABLE stream(id INTEGER PRIMARY KEY, person_id INT NOT NULL UNIQUE REFERENCES person(id)) STRICT;"
    "CREATE TABLE access(reader INT NOT NULL, owner INT NOT NULL, t0 INT NOT NULL, t1 INT NOT NULL) STRICT;"
    "CREATE TABLE clip(id INTEGER PRIMARY KEY, stream_id INT NOT NULL, t0 INT NOT NULL, t1 INT NOT NULL, path TEXT, known_t INT NOT NULL,"
    " UNIQUE(stream_id, t0)) STRICT;"
    "CREATE TABLE caption(id INTEGER PRIMARY KEY AUTOINCREMENT, stream_id INT NOT NULL, t0 INT NOT NULL, t1 INT NOT NULL, speaker TEXT, text TEXT NOT NULL,"
    " source TEXT, known_t INT NOT NULL, UNIQUE(stream_id, t0, t1, text)) STRICT;"
    "CREATE TABLE utter(id INTEGER PRIMARY KEY AUTOINCREMENT, stream_id INT NOT NULL, t0 INT NOT NULL, t1 INT NOT NULL, speaker TEXT, text TEXT NOT NULL,"
    " source TEXT, known_t INT NOT NULL, UNIQUE(stream_id, t0, t1, text)) STRICT;"
    "CREATE TABLE seg(id INTEGER PRIMARY KEY, stream_id INT NOT NULL, level INT NOT NULL, t0 INT NOT NULL, t1 INT NOT NULL, text TEXT NOT NULL,"
    " n_src INT NOT NULL, known_t INT NOT NULL, UNIQUE(stream_id, level, t0)) STRICT;"
    "CREATE TABLE entity(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, known_t INT NOT NULL, UNIQUE(kind, name)) STRICT;"
    "CREATE TABLE alias(entity_id INT NOT NULL, norm TEXT NOT NULL, known_t INT NOT NULL, UNIQUE(entity_id, norm)) STRICT;"
    "CREATE TABLE obs(id INTEGER PRIMARY KEY, entity_id INT NOT NULL, doc INT NOT NULL, t0 INT NOT NULL, known_t INT NOT NULL) STRICT;"
    "CREATE INDEX obs_entity ON obs(entity_id, t0);"
    "CREATE TABLE edge(src INT NOT NULL, rel TEXT NOT NULL, dst INT NOT NULL, doc INT NOT NULL, t0 INT NOT NULL, known_t INT NOT NULL) STRICT;"
    "CREATE INDEX edge_src ON edge(src, t0);"
    "CREATE TABLE fact(id INTEGER PRIMARY KEY, s TEXT NOT NULL, p TEXT NOT NULL, o TEXT NOT NULL, doc INT NOT NULL, t0 INT NOT NULL,"
    " known_t INT NOT NULL) STRICT;"
    "CREATE TABLE task(id INTEGER PRIMARY KEY, owner TEXT NOT NULL, what TEXT NOT NULL, doc INT NOT NULL, made_t INT NOT NULL, known_t INT NOT NULL) STRICT;"
    "CREATE TABLE source(name TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY(name, sha256)) STRICT;"
    "CREATE TABLE tombstone(id INTEGER PRIMARY KEY, t0 INT NOT NULL, t1 INT NOT NULL, done INT NOT NULL) STRICT;"
    "CREATE VIEW doc AS SELECT id AS rowid, text, coalesce(speaker, '') AS who FROM caption UNION ALL"
    " SELECT id + (1 << 40), text, coalesce(speaker, '') FROM utter;"
    "CREATE VIRTUAL TABLE fts USING fts5(text, who, content='doc', content_rowid='rowid', tokenize='ego', detail=none, columnsize=0);"
    "CREATE VIRTUAL TABLE terms USING fts5vocab(fts, 'instance');",
    /* Who is known when follows from the rows of a view; a time kept beside the name would be that of whichever row came in first. */
    ("DROP TABLE alias; ALTER TABLE entity DROP COLUMN known_t; INSERT INTO meta VALUES('stale_from', 0);"
     "INSERT INTO fts(fts) VALUES('rebuild');"), /* its words are other stems now */
    "CREATE TABLE lexicon(term TEXT PRIMARY KEY, vec BLOB NOT NULL) STRICT;",
    /* A person's rows are read from the index alone. */
    "DROP INDEX obs_entity; CREATE INDEX obs_entity ON obs(entity_id, doc); DROP INDEX edge_src; CREATE INDEX edge_src ON edge(src, dst, doc);",
    /* Words are compared as people said them; the next build fills the table. */
    "DROP TABLE lexicon; CREATE TABLE lexicon(said TEXT PRIMARY KEY, term TEXT NOT NULL, vec BLOB NOT NULL) STRICT;",
};
static const char *const inserts[EGO_KINDS] = {
    "INSERT OR IGNORE INTO caption(stream_id, t0, t1, speaker, text, source, known_t) VALUES(?1,?2,?3,?4,?5,?6,?7)",
    "INSERT OR IGNORE INTO utter(stream_id, t0, t1, speaker, text, source, known_t) VALUES(?1,?2,?3,?4,?5,?6,?7)",
};
static const char *const texts[EGO_KINDS] = {
    "SELECT text, speaker FROM caption WHERE id = ?1",
    "SELECT text, speaker FROM utter WHERE id = ?1",
};
/* clang-format on */

lmm_status ego_db_error(ego *e, const char *what) {
    int rc = sqlite3_extended_errcode(e->db) & 0xff;
    lmm_status st = rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? LMM_E_FORMAT : LMM_E_IO;
    return LMM_FAIL(st, "memory '%s': %s: %s", e->dir, what, sqlite3_errmsg(e->db));
}

lmm_status ego_sql(ego *e, const char *sql) {
    return sqlite3_exec(e->db, sql, NULL, NULL, NULL) == SQLITE_OK ? LMM_OK : ego_db_error(e, "cannot write");
}

lmm_status ego_prepare(ego *e, sqlite3_stmt **out, const char *sql) {
    return sqlite3_prepare_v2(e->db, sql, -1, out, NULL) == SQLITE_OK ? LMM_OK : ego_db_error(e, "cannot read");
}

lmm_status ego_step(ego *e, sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    lmm_status st = rc == SQLITE_DONE || rc == SQLITE_ROW ? LMM_OK : ego_db_error(e, "cannot write");
    sqlite3_reset(s);
    return st;
}

int64_t ego_meta(ego *e, const char *key, int64_t fallback) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(e->db, "SELECT value FROM meta WHERE key = ?1", -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        if (sqlite3_step(s) == SQLITE_ROW) fallback = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return fallback;
}

lmm_status ego_meta_set(ego *e, const char *key, int64_t value) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
    if (st) return st;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, value);
    st = ego_step(e, s);
    sqlite3_finalize(s);
    return st;
}

static lmm_status migrate(ego *e) {
    int version = 0, newest = (int)COUNT_OF(migrations);
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "PRAGMA user_version");
    if (st) return st;
    if (sqlite3_step(s) == SQLITE_ROW) version = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    if (version > newest)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "memory '%s' has version %d, this program knows %d; a newer lmm is needed", e->dir, version,
                        newest);
    for (; !st && version < newest; version++) {
        char set[48];
        snprintf(set, sizeof set, "PRAGMA user_version = %d", version + 1);
        st = ego_sql(e, "BEGIN IMMEDIATE");
        if (!st) st = ego_sql(e, migrations[version]);
        if (!st) st = ego_sql(e, set);
        if (!st) st = ego_sql(e, "COMMIT");
    }
    return st;
}

static lmm_status load_streams(ego *e) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT s.id, p.name FROM stream s JOIN person p ON p.id = s.person_id ORDER BY s.id");
    if (st) return st;
    while (sqlite3_step(s) == SQLITE_ROW) {
        int id = sqlite3_column_int(s, 0);
        if (id < 0 || id > 1 << 20) continue;
        if (id >= e->stream_count) {
            e->stream_name = mem_resize(e->stream_name, (size_t)id + 1, sizeof *e->stream_name);
            while (e->stream_count <= id) e->stream_name[e->stream_count++] = NULL;
        }
        if (!e->stream_name[id]) e->stream_name[id] = mem_strdup((const char *)sqlite3_column_text(s, 1));
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

static lmm_status open_db(ego *e, int flags) {
    char *path = path_join(e->dir, "memory.db");
    int rc = sqlite3_open_v2(path, &e->db, flags | SQLITE_OPEN_READWRITE, NULL);
    free(path);
    if (rc != SQLITE_OK)
        return LMM_FAIL(LMM_E_IO, "no memory in '%s' (`lmm ego init %s` makes one): %s", e->dir, e->dir, sqlite3_errstr(rc));
    sqlite3_busy_timeout(e->db, 5000);
    lmm_status st = ego_fts_register(e->db);
    if (!st)
        st = ego_sql(e, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA "
                        "trusted_schema=ON");
    if (!st) st = migrate(e);
    for (int k = 0; !st && k < EGO_KINDS; k++) {
        st = ego_prepare(e, &e->insert[k], inserts[k]);
        if (!st) st = ego_prepare(e, &e->text[k], texts[k]);
    }
    if (!st) st = ego_prepare(e, &e->insert_clip, "INSERT OR IGNORE INTO clip(stream_id, t0, t1, path, known_t) VALUES(?1,?2,?3,?4,?3)");
    if (!st) st = load_streams(e);
    return st ? st : ego_forget_finish(e);
}

static lmm_status open_with(ego **out, const char *dir, int flags) {
    ego *e = mem_new(1, sizeof *e);
    e->dir = mem_strdup(dir);
    lmm_status st = open_db(e, flags);
    if (st) ego_close(e);
    else *out = e;
    return st;
}

lmm_status ego_open(ego **out, const char *dir) { return open_with(out, dir, 0); }

lmm_status ego_create(const char *dir) {
    ego *e;
    lmm_status st = dir_make(dir);
    if (!st) st = open_with(&e, dir, SQLITE_OPEN_CREATE);
    if (!st) ego_close(e);
    return st;
}

void ego_close(ego *e) {
    if (!e) return;
    ego_cache_drop(e);
    ego_kept_drop(e);
    for (int k = 0; k < EGO_KINDS; k++) sqlite3_finalize(e->insert[k]), sqlite3_finalize(e->text[k]);
    sqlite3_finalize(e->insert_clip);
    if (e->pending) ego_rollback(e);
    sqlite3_close(e->db);
    names_free(e->stream_name, e->stream_count);
    free(e->dir);
    free(e);
}

lmm_status ego_begin(ego *e) {
    lmm_status st = ego_sql(e, "BEGIN IMMEDIATE");
    e->pending = !st;
    return st;
}

lmm_status ego_commit(ego *e) {
    lmm_status st = ego_sql(e, "COMMIT");
    if (st) ego_rollback(e);
    e->pending = false;
    ego_cache_drop(e);
    return st;
}

void ego_rollback(ego *e) {
    sqlite3_exec(e->db, "ROLLBACK", NULL, NULL, NULL); /* nothing to do when it fails: the log is not committed */
    e->pending = false;
}

static int stream_find(const ego *e, const char *person) {
    for (int i = 0; i < e->stream_count; i++)
        if (e->stream_name[i] && !strcasecmp(e->stream_name[i], person)) return i;
    return -1;
}

lmm_status ego_stream(ego *e, const char *person, int *stream) {
    if (!*person) return LMM_FAIL(LMM_E_ARG, "a person needs a name");
    int found = stream_find(e, person);
    if (found < 0) {
        sqlite3_stmt *s;
        lmm_status st = ego_prepare(e, &s, "INSERT OR IGNORE INTO person(name) VALUES(?1)");
        if (st) return st;
        sqlite3_bind_text(s, 1, person, -1, SQLITE_TRANSIENT);
        st = ego_step(e, s);
        sqlite3_finalize(s);
        if (!st) st = ego_prepare(e, &s, "INSERT OR IGNORE INTO stream(person_id) SELECT id FROM person WHERE name = ?1");
        if (st) return st;
        sqlite3_bind_text(s, 1, person, -1, SQLITE_TRANSIENT);
        st = ego_step(e, s);
        sqlite3_finalize(s);
        if (!st) st = load_streams(e);
        if (st) return st;
        found = stream_find(e, person);
        if (found < 0) return LMM_FAIL(LMM_E_IO, "memory '%s': cannot make a stream for '%s'", e->dir, person);
    }
    *stream = found;
    return LMM_OK;
}

static void bind_text(sqlite3_stmt *s, int at, const char *text) {
    if (text) sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
    else sqlite3_bind_null(s, at);
}

lmm_status ego_add(ego *e, const ego_row *row) {
    LMM_ASSERT(row->kind >= 0 && row->kind < EGO_KINDS, "kind %d", row->kind);
    if (row->t1 < row->t0) return LMM_FAIL(LMM_E_ARG, "a row ends before it begins");
    sqlite3_stmt *s = e->insert[row->kind];
    sqlite3_bind_int(s, 1, row->stream);
    sqlite3_bind_int64(s, 2, row->t0);
    sqlite3_bind_int64(s, 3, row->t1);
    bind_text(s, 4, row->speaker);
    bind_text(s, 5, row->text);
    bind_text(s, 6, row->source);
    sqlite3_bind_int64(s, 7, row->known ? row->known : row->t1);
    return ego_step(e, s);
}

lmm_status ego_add_clip(ego *e, int stream, int64_t t0, int64_t t1, const char *path) {
    sqlite3_stmt *s = e->insert_clip;
    sqlite3_bind_int(s, 1, stream);
    sqlite3_bind_int64(s, 2, t0);
    sqlite3_bind_int64(s, 3, t1);
    bind_text(s, 4, path);
    return ego_step(e, s);
}

lmm_status ego_person(const ego *e, const char *name, int *stream) {
    int found = stream_find(e, name);
    buf there = {0};
    int alike = 0;
    for (int i = 0; i < e->stream_count; i++) {
        if (!e->stream_name[i]) continue;
        const char *full = e->stream_name[i], *tail = strchr(full, '_');
        buf_printf(&there, "%s%s", there.size ? ", " : "", full);
        if (found < 0 && tail && !strcasecmp(tail + 1, name)) *stream = i, alike++;
    }
    if (found >= 0) *stream = found, alike = 1;
    lmm_status st = LMM_OK;
    if (alike > 1) st = LMM_FAIL(LMM_E_ARG, "'%s' could be several people of memory '%s'; say which: %s", name, e->dir, there.data);
    else if (!alike)
        st = LMM_FAIL(LMM_E_ARG, "nobody called '%s' in memory '%s'; there is: %s", name, e->dir,
                      there.size ? there.data : "nobody yet (import first)");
    buf_free(&there);
    return st;
}

lmm_status ego_grant(ego *e, const char *reader, const char *owner, int64_t from, int64_t to) {
    int r, o;
    sqlite3_stmt *s;
    lmm_status st = ego_person(e, reader, &r);
    if (!st) st = ego_person(e, owner, &o);
    if (!st) st = ego_prepare(e, &s, "INSERT INTO access VALUES(?1,?2,?3,?4)");
    if (st) return st;
    sqlite3_bind_int(s, 1, r);
    sqlite3_bind_int(s, 2, o);
    sqlite3_bind_int64(s, 3, from);
    sqlite3_bind_int64(s, 4, to);
    st = ego_step(e, s);
    sqlite3_finalize(s);
    return st;
}

lmm_status ego_text(ego *e, int64_t key, char **text, char **speaker) {
    sqlite3_stmt *s = e->text[key >> EGO_KIND_SHIFT];
    sqlite3_bind_int64(s, 1, key & (((int64_t)1 << EGO_KIND_SHIFT) - 1));
    if (sqlite3_step(s) != SQLITE_ROW) {
        sqlite3_reset(s);
        return ego_db_error(e, "a row is gone");
    }
    const char *who = (const char *)sqlite3_column_text(s, 1);
    *text = mem_strdup((const char *)sqlite3_column_text(s, 0));
    *speaker = who ? mem_strdup(who) : NULL;
    sqlite3_reset(s);
    return LMM_OK;
}
