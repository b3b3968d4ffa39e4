/* tree_yaml.c - a careful subset of YAML by libyaml's events: one document, no aliases, no tags, no surprises in
 * plain scalars (`no`, `1_000`, `12:30` and `007` stay strings). */
#include "base/base_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { YAML_SIZE_MAX = 16 << 20 };

/* ---- plain scalars ---- */

static bool is_one_of(const char *s, size_t n, const char *const *words) {
    for (; *words; words++) {
        if (strlen(*words) == n && memcmp(s, *words, n) == 0) return true;
    }
    return false;
}

static size_t digit_count(const char *s) {
    return strspn(s, "0123456789");
}

static tree *integer_or_real(const char *text) {
    errno_t_is_not_needed:
    return NULL;
}
