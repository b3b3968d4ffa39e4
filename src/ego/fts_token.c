/* fts_token.c - the tokens of words.c as an FTS5 tokenizer named 'ego'. */
#include <stdlib.h>

#include "ego/ego_int.h"

typedef struct {
    void *context;
    int (*token)(void *, int, const char *, int, int, int);
} sink;

static int create(void *context, const char **args, int count, Fts5Tokenizer **out) {
    (void)context, (void)args, (void)count;
    *out = mem_new(1, 1); /* no state; FTS5 wants an object */
    return SQLITE_OK;
}

static void destroy(Fts5Tokenizer *t) { free(t); }

static int forward(void *arg, const char *token, int size, int from, int to, bool colocated) {
    sink *s = arg;
    return s->token(s->context, colocated ? FTS5_TOKEN_COLOCATED : 0, token, size, from, to);
}

static int tokenize(Fts5Tokenizer *t, void *context, int flags, const char *text, int size,
                    int (*token)(void *, int, const char *, int, int, int)) {
    (void)t, (void)flags;
    sink s = {context, token};
    return ego_words(text, size > 0 ? (size_t)size : 0, forward, &s);
}

lmm_status ego_fts_register(sqlite3 *db) {
    fts5_api *api = NULL;
    sqlite3_stmt *s = NULL;
    fts5_tokenizer row = {create, destroy, tokenize};
    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(s, 1, (void *)&api, "fts5_api_ptr", NULL);
        sqlite3_step(s);
    }
    sqlite3_finalize(s);
    if (!api || api->xCreateTokenizer(api, "ego", NULL, &row, NULL) != SQLITE_OK)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "this SQLite has no FTS5; a build with SQLITE_ENABLE_FTS5 is needed");
    return LMM_OK;
}
