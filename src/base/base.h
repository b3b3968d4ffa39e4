/* base.h - what every layer stands on: status and messages, memory, files, JSON/YAML values, threads,
 * random numbers, hashes, clocks and progress. Knows nothing about models.
 *
 * Nothing here prints to stdout, exits, or reads the environment (progress bars go to stderr, and only when
 * the caller made one). Every function that can fail returns an lmm_status and leaves `out` untouched then. */
#ifndef LMM_BASE_H
#define LMM_BASE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lmm_status.h" /* lmm_status, lmm_message(): shared with the public header */

/* ---- status and messages (status.c) ---- */

/* Sets the thread's message and returns the code: return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': ...", path);
 * The sentence is lower case, says what is wrong first, names the subject in quotes, then what would help. */
#define LMM_FAIL(code, ...) lmm_fail((code), __VA_ARGS__)
lmm_status lmm_fail(lmm_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prefixes the message on its way up: return LMM_CONTEXT(st, "loading '%s'", path) gives "loading 'x': <message>".
 * Returns `st` unchanged; does nothing when st is LMM_OK. */
#define LMM_CONTEXT(st, ...) lmm_context((st), __VA_ARGS__)
lmm_status lmm_context(lmm_status st, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For our own mistakes, on in release builds too; input from outside is checked, never asserted. */
#define LMM_ASSERT(cond, ...) ((cond) ? (void)0 : lmm_assert_failed(#cond, __FILE__, __LINE__, __VA_ARGS__))
_Noreturn void lmm_assert_failed(const char *cond, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))
static inline int min_int(int a, int b) { return a < b ? a : b; }
static inline int max_int(int a, int b) { return a > b ? a : b; }
static inline int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- memory (memory.c) ---- */

/* malloc that cannot return NULL: out of memory ends the process with a sentence. For small bookkeeping only;
 * sizes that come from a file or a model go through mem_try. mem_new zeroes. */
void *mem_new(size_t count, size_t size);
void *mem_resize(void *p, size_t count, size_t size); /* NULL p allocates; contents beyond the old size are not zeroed */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* 64-byte aligned, zeroed, fails with LMM_E_MEMORY and `what` in the message. Free with free(). */
lmm_status mem_try(void **out, size_t size, const char *what);
lmm_status mem_try_raw(void **out, size_t size, const char *what); /* not zeroed: for what is written before it is read */
bool size_mul(size_t a, size_t b, size_t *out);                    /* false when a*b does not fit */

/* A growing byte string, always NUL-terminated after the first write; zero-initialise, buf_free when done. */
typedef struct {
    char *data;
    size_t size, capacity;
} buf;
void buf_put(buf *b, const void *bytes, size_t n);
void buf_puts(buf *b, const char *s);
void buf_putc(buf *b, char c);
void buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_reset(buf *b); /* size 0, keeps the memory */
char *buf_take(buf *b); /* gives the string away (never NULL), leaves b empty */
void buf_free(buf *b);

/* Growing array of any element type: VEC(int) ids = {0}; VEC_PUSH(&ids, 7); free(ids.at). */
#define VEC(T)               \
    struct {                 \
        T *at;               \
        int count, capacity; \
    }
#define VEC_PUSH(v, x) (vec_reserve((void **)&(v)->at, &(v)->capacity, (v)->count + 1, sizeof *(v)->at), (v)->at[(v)->count++] = (x))
void vec_reserve(void **at, int *capacity, int need, size_t size);

/* Bump allocator over one block: 64-byte aligned pieces, freed all at once or back to a mark. */
typedef struct {
    char *base;
    size_t capacity, used, peak;
} arena;
lmm_status arena_open(arena *a, size_t capacity, const char *what);
void arena_close(arena *a);
void *arena_alloc(arena *a, size_t size); /* not zeroed; LMM_ASSERT when full: sizes were measured before */

/* String -> int map (open addressing, keys copied): tokens, tensor names, JSON keys. */
typedef struct strmap strmap;
strmap *strmap_new(void);
void strmap_free(strmap *m);
bool strmap_put(strmap *m, const char *key, size_t n, int value); /* false when the key was there (value kept) */
bool strmap_get(const strmap *m, const char *key, size_t n, int *value);
int strmap_count(const strmap *m);

/* ---- files (file.c) ---- */

typedef struct {
    const unsigned char *data;
    size_t size;
    char *path;
} file_map; /* read-only; size 0 has data "" */
lmm_status file_map_open(file_map *out, const char *path);
void file_map_close(file_map *m);
lmm_status file_read(char **out, size_t *size, const char *path, size_t limit); /* NUL-terminated, free(); size may be NULL */
/* A file read by parts, for those larger than memory (file_view.c); of a pipe all is read when it is opened. */
typedef struct {
    int fd;
    uint64_t size;
    char *path;
    char *held; /* a pipe's bytes */
} file_view;
lmm_status file_view_open(file_view *out, const char *path);
lmm_status file_view_read(const file_view *f, void *out, size_t n, uint64_t offset); /* exactly n bytes, or a failure */
void file_view_close(file_view *f);
bool file_exists(const char *path);
bool file_is_dir(const char *path);
lmm_status dir_make(const char *path);                            /* with parents; existing is fine */
lmm_status dir_remove(const char *path);                          /* recursively; missing is fine */
lmm_status dir_list(char ***names, int *count, const char *path); /* sorted, without . and ..; names_free */
void names_free(char **names, int count);
char *path_join(const char *dir, const char *name);    /* absolute `name` wins; free() */
const char *path_base(const char *path);               /* the part after the last slash */
char *path_dir(const char *path);                      /* the part before it, "." when none; free() */
char *path_beside(const char *path, const char *name); /* `name` in the folder of `path`; an absolute one wins; free() */

/* Atomic replacement of one file: writes go to PATH.tmp-PID, commit does flush, fsync, rename, fsync of the folder.
 * On any error (disk full) or abort the temporary file is removed and the old file stays as it was. */
typedef struct file_writer file_writer;
lmm_status file_writer_open(file_writer **out, const char *path);
lmm_status file_writer_put(file_writer *w, const void *bytes, size_t n); /* buffered; the first error sticks */
lmm_status file_writer_commit(file_writer *w);                           /* closes and frees w in every case */
lmm_status file_writer_commit_soon(
    file_writer *w);                    /* does not wait for the disk: for what can be made again, such as thousands of pictures */
void file_writer_abort(file_writer *w); /* NULL is fine */
lmm_status file_write(const char *path, const void *bytes, size_t n); /* the three in one */
/* A folder is replaced the same way: fill `tmp` (made by begin; free it), then commit renames it to `path`. */
lmm_status dir_replace_begin(char **tmp, const char *path);
lmm_status dir_replace_commit(const char *tmp, const char *path); /* fsyncs every file; old `path` removed last */

/* ---- bytes beyond memory (spool.c) ---- */

/* Put once, in order; read anywhere. Up to about 1 MiB stays in memory, the rest goes to a nameless temporary file, which is gone with the process. Zero-initialised it uses
 * the working folder. */
typedef struct {
    char *folder; /* where the file is made: this one or the nearest above that exists */
    buf tail;     /* bytes from `written` on */
    uint64_t written;
    int fd;
    bool is_file;
} spool;
void spool_open(spool *s, const char *folder);
lmm_status spool_put(spool *s, const void *bytes, size_t n, uint64_t *offset); /* a failed one has put nothing */
lmm_status spool_read(const spool *s, void *out, size_t n, uint64_t offset);   /* of one put */
void spool_close(spool *s);

/* ---- values: JSON (jansson) and YAML (libyaml) as one tree (tree.c, tree_json.c, tree_yaml.c) ---- */

typedef enum { TREE_NULL, TREE_BOOL, TREE_INT, TREE_REAL, TREE_STRING, TREE_LIST, TREE_MAP } tree_type;
typedef struct tree tree;
struct tree {
    tree_type type;
    int count;   /* LIST, MAP: children */
    int line;    /* source line (YAML), 0 when unknown */
    int64_t i;   /* BOOL (0/1), INT */
    double real; /* INT too (converted), REAL */
    char *text;  /* STRING: UTF-8, NUL-terminated (may hold NUL bytes: use text_size) */
    size_t text_size;
    char **keys;   /* MAP: in source order */
    tree **items;  /* LIST, MAP */
    strmap *index; /* private: key -> position, of maps with more than 16 keys */
};
/* Strict: bad UTF-8, trailing garbage, duplicate keys, depth over 512 are refused with line and column. `name` is for messages. */
lmm_status tree_parse_json(tree **out, const char *text, size_t size, const char *name);
/* YAML 1.1 core subset: no aliases, no tags, duplicate keys refused; plain scalars become null/bool/int/real/string
 * (only true/false are booleans: `no` stays a string). */
lmm_status tree_parse_yaml(tree **out, const char *text, size_t size, const char *name);
lmm_status tree_load(tree **out, const char *path); /* by extension: .yaml .yml else JSON; 256 MiB limit */
void tree_free(tree *t);
tree *tree_new(tree_type type); /* builders: children are owned by the parent */
tree *tree_new_text(const char *s, size_t n);
tree *tree_new_string(const char *s);
tree *tree_new_int(int64_t i);
tree *tree_new_real(double x);
tree *tree_new_bool(bool b);
tree *tree_copy(const tree *t);
void tree_add(tree *list, tree *item);
void tree_put(tree *map, const char *key, tree *item); /* replaces an existing key in place */
void tree_write_json(buf *b, const tree *t,
                     int indent); /* indent 0: one line; "NaN"/"Infinity" as strings; reals shortest round trip, as Python's repr */
char *tree_take_json(tree *t);    /* indent 2; frees t */
lmm_status tree_save_json(const tree *t, const char *dir, const char *name, int indent); /* a file, with a newline at its end */
void json_quote(buf *b, const char *s, size_t n); /* one JSON string with its quotes; UTF-8 kept as it is */
void json_user_message(buf *b, const char *text); /* [{"role": "user", "content": TEXT}], as chat templates and servers take it */
/* Reading; NULL trees and missing keys are fine and give the default. Dotted paths: tree_at(t, "text_config.hidden_size"). */
const tree *tree_get(const tree *map, const char *key); /* NULL when absent or not a map; a JSON null is returned as a node */
const tree *tree_at(const tree *t, const char *dotted);
const char *tree_str(const tree *t, const char *key, const char *fallback);
int64_t tree_int(const tree *t, const char *key, int64_t fallback);
double tree_real(const tree *t, const char *key, double fallback);
bool tree_bool(const tree *t, const char *key, bool fallback);
/* Checked reading for configs: fails with "config.json: 'hidden_size' is \"x\", needs an integer in [1, 65536]". */
lmm_status tree_need_int(const tree *t, const char *key, int64_t low, int64_t high, int64_t *out, const char *name);
/* Fails on the first key of `map` that is not in `known` (NULL-terminated), naming the nearest known one. */
lmm_status tree_check_keys(const tree *map, const char *const *known, const char *name);
const char *nearest_word(const char *word, const char *const *known); /* by edit distance; NULL when nothing is near */
/* key=value overrides on a YAML tree: sets the dotted key, value parsed as a YAML scalar. */
lmm_status tree_override(tree *root, const char *assignment);

/* ---- threads (pool.c) ---- */

/* A fixed team. parallel_for splits [0, n) into ceil(n / grain) chunks by n and grain alone; a chunk runs wholly on one thread,
 * which one is not fixed. Results must therefore depend on the chunk only: that is the law of equal numbers. */
typedef struct pool pool;
pool *pool_new(int thread_count); /* 0: the number of cores this process may use */
void pool_free(pool *p);
int pool_thread_count(const pool *p);
typedef void (*pool_fn)(void *arg, int64_t first, int64_t last, int thread); /* [first, last), thread in [0, count) */
void parallel_for(pool *p, int64_t n, int64_t grain, pool_fn fn, void *arg); /* NULL p: runs inline; returns when all is done */

/* ---- random numbers (rng.c): Philox4x32-10, counter based, no hidden state (Salmon et al. 2011) ---- */

typedef struct {
    uint64_t seed, stream, counter;
} rng; /* plain data: copy, store, resume */
rng rng_make(uint64_t seed, uint64_t stream);
uint32_t rng_u32(rng *r);
double rng_unit(rng *r);                 /* [0, 1), 53 bits */
float rng_normal(rng *r);                /* mean 0, variance 1; two counters a value */
uint64_t rng_below(rng *r, uint64_t n);  /* unbiased, n >= 1 */
void rng_shuffle(rng *r, int *a, int n); /* Fisher-Yates */

/* ---- hashes (hash.c) ---- */

typedef struct {
    uint32_t h[8];
    uint64_t size;
    unsigned char block[64];
} sha256;
void sha256_init(sha256 *s);
void sha256_put(sha256 *s, const void *bytes, size_t n);
void sha256_end(sha256 *s, unsigned char digest[32]);
void sha256_hex(const void *bytes, size_t n, char hex[65]);
uint64_t hash_u64(const void *bytes, size_t n, uint64_t seed); /* fast, not cryptographic */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

size_t zlib_size(const void *bytes, size_t n); /* bytes after compression at zlib's default level (compress.c) */

/* ---- text helpers (utf8.c) ---- */

/* Decodes one character at s (n bytes left): returns its length 1..4 and the code point, or 1 and U+FFFD when the bytes are bad. */
int utf8_decode(const char *s, size_t n, uint32_t *cp);
int utf8_encode(uint32_t cp, char out[4]);
bool text_ends(const char *s, const char *end); /* whether s ends with `end` */
bool utf8_is_space(uint32_t cp);                /* as Python's str.isspace and \s: Unicode white space and 1C..1F */
size_t utf8_complete(const char *s, size_t n);  /* length of the longest prefix that does not end inside a character */
/* What Python does to strings, for what must agree with a Python program to the letter (python_text.c). */
char *python_strip(const char *s);                   /* without white space around, Unicode's too; free() */
bool python_number(const char *s, double *out);      /* float(s); false where it raises */
int python_length(const char *from, const char *to); /* characters between */
void utf8_repair(buf *out, const char *s, size_t n); /* invalid sequences become U+FFFD as in Python's errors="replace" */

/* ---- bytes as letters (base64.c) ---- */

void base64_put(buf *b, const void *bytes, size_t n);
bool base64_read(buf *out, const char *text,
                 size_t n); /* appends; false (and nothing) unless all of it is base64, padded, without spare bits */

/* ---- time and progress (progress.c) ---- */

double time_now(void); /* monotonic seconds */
/* A bar on stderr: on a terminal redrawn at most 10 times a second, else a line every 30 s. Nothing under 2 seconds. */
typedef struct progress progress;
progress *progress_new(const char *title, int64_t total, const char *unit); /* total 0: unknown */
void progress_set(progress *p, int64_t done, const char *note);             /* note: free text at the end; both pointers may be NULL */
void progress_free(progress *p);                                            /* ends the line; NULL is fine */

/* ---- command options (opts.c): one table gives parsing, --help, bounds ---- */

/* LIST: may be repeated; TABLE: its rows stand here */
typedef enum { OPT_FLAG, OPT_INT, OPT_REAL, OPT_STRING, OPT_LIST, OPT_TABLE } opt_type;
typedef struct {
    const char *name; /* "--max-tokens"; "-m|--model" for a short form too */
    opt_type type;
    void *out;         /* bool*, int*, double*, const char**, opt_list*, const opt* */
    double low, high;  /* INT, REAL bounds when low < high */
    const char *value; /* its name in --help: "N", "FILE" */
    const char *help;
} opt;
typedef struct {
    const char **at;
    int count;
} opt_list;
/* Parses argv[0..argc); options end at "--"; words that are no options are moved to `rest` (may be NULL when none is allowed).
 * Unknown options fail naming the nearest. *help is set on --help / -h. Ends with a row whose name is NULL. */
lmm_status opts_parse(const opt *table, int argc, char **argv, opt_list *rest, bool *help);
void opts_help(buf *out, const char *usage, const char *summary, const opt *table, const char *examples);
void opts_free(const opt *table); /* frees the lists */

#endif
