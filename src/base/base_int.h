/* base_int.h - what files of this directory share among themselves and with their tests. */
#ifndef LMM_BASE_INT_H
#define LMM_BASE_INT_H

#include "base/base.h"

enum { TREE_DEPTH_MAX = 512 };

/* A value given on the command line (tree_yaml.c): flow lists, flow maps and quoted strings as in a file, all else
 * one plain scalar, whatever characters it holds. */
lmm_status tree_parse_yaml_value(tree **out, const char *text, const char *name);

/* n bytes of an open file at offset (file_view.c): 0, errno, or -1 where the file ends before. */
int fd_read_at(int fd, void *out, size_t n, uint64_t offset);

/* The forms without special instructions (hash.c), which the fast ones are tested against. State and remainder as
 * they are inside: the digest's words, the complement of the checksum. */
void sha256_blocks_portable(uint32_t h[8], const unsigned char *blocks, size_t count);
uint32_t crc32c_portable(uint32_t inverted, const unsigned char *bytes, size_t n);

/* What a progress line says, apart from when and where (progress.c). */
typedef struct {
    const char *title, *unit, *note; /* note may be NULL */
    int64_t done, total;             /* total 0: unknown */
    double elapsed;                  /* seconds since the start */
    double rate;                     /* units a second, 0: not known yet */
    int width;                       /* columns of the terminal, 0: not a terminal */
} progress_view;
void progress_format(buf *line, const progress_view *v);
/* Is it time to draw? Times in seconds; `last` is when a line was drawn before, negative: never. */
bool progress_is_due(double now, double start, double last, bool on_terminal);

#endif
