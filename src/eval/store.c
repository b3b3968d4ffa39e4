/* store.c - answers that were given before, in SQLite: the table of lmms-eval's response cache with a column for the counts of tokens.
 *
 * Every answer is a transaction of its own in a write-ahead log, so a run that is killed loses only what was not answered. A file that is no such
 * store, or a damaged one, is refused and left as it is. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "eval/eval_int.h"

struct eval_store {
    sqlite3 *db;
    sqlite3_stmt *get, *put;
    char *path;
};

static const char schema[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                             "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT);"
                             "CREATE TABLE IF NOT EXISTS responses(cache_key TEXT PRIMARY KEY, request_type TEXT, task_name TEXT, doc_id "
                             "INTEGER, idx INTEGER, gen_kwargs TEXT, response TEXT, created_at REAL, usage TEXT);"
                             "CREATE INDEX IF NOT EXISTS responses_of ON responses(task_name, doc_id);"
                             "INSERT OR IGNORE INTO meta VALUES('schema_version', '3');";
static const char get_sql[] = "SELECT response, usage FROM responses WHERE cache_key = ?";
static const char put_sql[] = "INSERT OR REPLACE INTO responses VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)";

static lmm_status damaged(const eval_store *s, const char *doing) {
    return LMM_FAIL(LMM_E_IO, "cannot %s the answers in '%s': %s", doing, s->path, sqlite3_errmsg(s->db));
}

/* Changing to a write-ahead log does not wait for others who open the same new file, whatever the busy timeout: it is tried again. */
static bool make_tables(sqlite3 *db) {
    int code = SQLITE_BUSY;
    for (int tries = 0; tries < 500 && (code == SQLITE_BUSY || code == SQLITE_LOCKED); tries++) {
        if (tries) sqlite3_sleep(20);
        code = sqlite3_exec(db, schema, NULL, NULL, NULL);
    }
    return code == SQLITE_OK;
}

lmm_status store_open(eval_store **out, const char *path) {
    char *dir = path_dir(path);
    lmm_status st = dir_make(dir);
    free(dir);
    if (st) return st;
    eval_store *s = mem_new(1, sizeof *s);
    s->path = mem_strdup(path);
    bool fine = sqlite3_open(path, &s->db) == SQLITE_OK;
    if (fine) sqlite3_busy_timeout(s->db, 10000);
    fine = fine && make_tables(s->db) && sqlite3_prepare_v2(s->db, get_sql, -1, &s->get, NULL) == SQLITE_OK &&
           sqlite3_prepare_v2(s->db, put_sql, -1, &s->put, NULL) == SQLITE_OK;
    if (!fine) {
        st = damaged(s, "open");
        store_close(s);
        return st;
    }
    return *out = s, LMM_OK;
}

void store_close(eval_store *s) {
    if (!s) return;
    sqlite3_finalize(s->get);
    sqlite3_finalize(s->put);
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

static tree *column_json(sqlite3_stmt *s, int i) {
    const char *text = (const char *)sqlite3_column_text(s, i);
    tree *t = NULL;
    if (!text || tree_parse_json(&t, text, strlen(text), "answer")) return NULL;
    return t;
}

lmm_status store_get(eval_store *s, const char *key, tree **response, tree **usage) {
    *response = *usage = NULL;
    sqlite3_bind_text(s->get, 1, key, -1, SQLITE_TRANSIENT);
    int rc = sqlite3_step(s->get);
    if (rc == SQLITE_ROW) {
        tree *list = column_json(s->get, 0); /* JSON texts are lists: a scalar alone is none for every reader */
        *usage = column_json(s->get, 1);
        if (list && list->type == TREE_LIST && list->count == 1) *response = tree_copy(list->items[0]);
        tree_free(list);
    }
    lmm_status st = rc == SQLITE_ROW || rc == SQLITE_DONE ? LMM_OK : damaged(s, "read");
    sqlite3_reset(s->get);
    return st;
}

lmm_status store_put(eval_store *s, const char *key, const tree *request, const tree *response, const tree *usage) {
    buf answer = {0}, used = {0};
    buf_putc(&answer, '[');
    tree_write_json(&answer, response, 0);
    buf_putc(&answer, ']');
    if (usage) tree_write_json(&used, usage, 0);
    tree *kwargs = cache_kwargs(tree_get(request, "gen_kwargs"));
    char *text = json_sorted(kwargs);
    sqlite3_stmt *q = s->put;
    sqlite3_bind_text(q, 1, key, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 2, tree_str(request, "request_type", ""), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 3, tree_str(request, "task_name", ""), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(q, 4, tree_int(request, "doc_id", 0));
    sqlite3_bind_int64(q, 5, tree_int(request, "idx", 0));
    sqlite3_bind_text(q, 6, text, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 7, answer.data, (int)answer.size, SQLITE_TRANSIENT);
    sqlite3_bind_double(q, 8, (double)time(NULL));
    if (usage) sqlite3_bind_text(q, 9, used.data, (int)used.size, SQLITE_TRANSIENT);
    else sqlite3_bind_null(q, 9);
    lmm_status st = sqlite3_step(q) == SQLITE_DONE ? LMM_OK : damaged(s, "keep");
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    free(text);
    tree_free(kwargs);
    buf_free(&answer);
    buf_free(&used);
    return st;
}

/* ---- words about the run itself ---- */

lmm_status store_word(eval_store *s, const char *key, const char *fresh, char **value) {
    sqlite3_stmt *q = NULL;
    lmm_status st = sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO meta VALUES(?, ?)", -1, &q, NULL) ? damaged(s, "open") : LMM_OK;
    if (!st) {
        sqlite3_bind_text(q, 1, key, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(q, 2, fresh, -1, SQLITE_TRANSIENT);
        if (sqlite3_step(q) != SQLITE_DONE) st = damaged(s, "write");
    }
    sqlite3_finalize(q);
    q = NULL;
    if (!st && sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key = ?", -1, &q, NULL)) st = damaged(s, "read");
    if (!st) {
        sqlite3_bind_text(q, 1, key, -1, SQLITE_TRANSIENT);
        if (sqlite3_step(q) == SQLITE_ROW) *value = mem_strdup((const char *)sqlite3_column_text(q, 0));
        else st = damaged(s, "read");
    }
    sqlite3_finalize(q);
    return st;
}
