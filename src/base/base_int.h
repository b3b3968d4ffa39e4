/* base_int.h - what files of this directory share among themselves. */
#ifndef LMM_BASE_INT_H
#define LMM_BASE_INT_H

#include "base/base.h"

enum { TREE_DEPTH_MAX = 512 };

/* A value given on the command line (tree_yaml.c): flow lists, flow maps and quoted strings as in a file, all else
 * one plain scalar, whatever characters it holds. */
lmm_status tree_parse_yaml_value(tree **out, const char *text, const char *name);

#endif
