/* data.h - rows of data sets: one table over JSON, JSONL, Parquet, TSV and CSV files and folders of them; zip archives.
 *
 * A row is a map. Files whose rows are lists get their names from `columns`. */
#ifndef LMM_DATA_H
#define LMM_DATA_H

#include "base/base.h"

/* Rows that could not be read and why. */
typedef struct {
    int first, count;
    char *why;
} table_fault;
typedef VEC(table_fault) table_faults;
void table_faults_free(table_faults *f);
typedef struct {
    tree *rows; /* a list of maps */
    int count;
    table_faults faults; /* of table_salvage; their rows are empty maps */
} table;
/* A file by its extension, else as JSON. columns: names for list rows, NULL-terminated, or NULL. limit 0: all. */
lmm_status table_open(table *out, const char *path, const char *const *columns, int64_t limit);
/* The same, but rows that are damaged (a page of a Parquet file, a line of a JSONL file) are noted in `faults` and the others read. */
lmm_status table_salvage(table *out, const char *path, const char *const *columns, int64_t limit);
void table_close(table *t);
/* A data set's folder as hubs lay it out: the files of one configuration and split, whose names say them (CONFIG/SPLIT-00000-of-00002.parquet,
 * data/SPLIT-*.parquet, SPLIT.jsonl, ...), in order. config and split may be NULL. */
lmm_status table_open_set(table *out, const char *dir, const char *config, const char *split, int64_t limit);
lmm_status table_salvage_set(table *out, const char *dir, const char *config, const char *split, int64_t limit);
const tree *table_row(const table *t, int i);
/* The rows of a file one at a time, for those that need not fit into memory (row_reader.c): JSON, JSONL
 * and Parquet, a row group of it at a time; TSV and CSV are read at once. Opening reads a text once and keeps 16 bytes a row. */
typedef struct row_reader row_reader;
lmm_status row_reader_open(row_reader **out, const char *path);
int row_reader_count(const row_reader *r);
/* Row i, a map; tree_free. A damaged one fails with LMM_E_FORMAT or LMM_E_LIMIT and says in which line it begins; the others can be read. */
lmm_status row_reader_read(row_reader *r, int i, tree **out);
void row_reader_close(row_reader *r); /* NULL is fine */
/* Fills {name} in a pattern with the row's values; a name the row does not have fails. */
lmm_status row_format(buf *out, const char *pattern, const tree *row);

/* Rows of a Parquet file, a list of maps (parquet.c). cells_max bounds the values read, 0: 16 million. faults NULL: damage fails; else the rows of a
 * damaged group are noted there. */
lmm_status parquet_read(tree **out, const char *path, int64_t limit, int64_t cells_max, table_faults *faults);
/* The same, a row group at a time. cells_max bounds the values of one. */
typedef struct parquet parquet;
lmm_status parquet_open(parquet **out, const char *path, int64_t cells_max);
int parquet_groups(const parquet *p);
int64_t parquet_group_rows(const parquet *p, int g); /* as the file says: may be anything */
lmm_status parquet_read_group(parquet *p, int g, tree **out);
void parquet_close(parquet *p);
/* Rows of a table of text with a head line (tsv.c). */
lmm_status tsv_parse(tree **out, const char *text, size_t size, char separator, const char *path);

/* ---- replies that pose and solve a problem (reply.c) ---- */

/* "Question: P <think>t</think> ... <answer>a</answer>": the problem without its lead, the solution as "<think>all thoughts</think>\n\n<answer>a</answer>" (the last answer). */
typedef struct {
    char *problem, *solution;
} solved_reply;
void reply_split(solved_reply *out, const char *text);
void reply_free(solved_reply *r);
bool reply_leaks(const solved_reply *r); /* the problem speaks of an answer */
bool tags_empty(const char *text);       /* a tag is closed right behind its opening */

/* ---- pictures and sounds as bytes (media_bytes.c) ---- */

const char *picture_type(const char *bytes, size_t n); /* "png", ... by the first bytes; NULL: none that is known */
char *picture_uri(const char *bytes, size_t n);        /* data:image/png;base64,... free() */
char *sound_uri(const char *bytes, size_t n);          /* data:audio/unknown;base64,... free() */
int picture_side(const char *path);                    /* pixels of the shorter side; -1 when it cannot be read */

/* ---- zip archives (zip.c): stored and deflated entries, no zip64, no encryption ---- */

typedef struct {
    char *name;      /* as in the archive: relative, checked to stay inside */
    uint64_t size;   /* unpacked */
    uint64_t packed; /* bytes in the archive */
    uint64_t offset; /* of its local header */
    uint32_t crc;
    int method;
} zip_entry;
typedef struct {
    file_map map;
    VEC(zip_entry) entries;
} zip;
/* Reads the directory. Names that are absolute or hold "..", sizes beyond the file, and more than 1,000,000 entries are refused. */
lmm_status zip_open(zip *out, const char *path);
void zip_close(zip *z);
/* Unpacks one entry into a file, atomically; a wrong length or CRC leaves none. */
lmm_status zip_extract(const zip *z, const zip_entry *e, const char *path);

#endif
