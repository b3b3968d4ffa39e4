/* jinja_methods.c - methods of str that take strings apart and put them together. */
#include "text/jinja_int.h"

#include <string.h>

/* Methods count in characters, strings in bytes. */
static int64_t characters_before(jx *x, const jstr *s, int64_t offset) {
    if (offset < 0 || s->length == s->size) return offset;
    int64_t n = 0;
    jx_chars(x, (size_t)offset);
    for (int64_t i = 0; i < offset; i++) n += ((unsigned char)s->at[i] & 0xC0) != 0x80;
    return n;
}

typedef struct {
    size_t first, last;
    bool is_empty;
} part; /* bytes */

/* Optional start and end arguments, as in slices. */
static part part_of(jx *x, const jstr *s, jval start, jval end) {
    int64_t length = (int64_t)s->length, first = 0, last = length;
    if (given(start) && start.type != J_NONE) first = need_int(x, start, "the start argument");
    if (given(end) && end.type != J_NONE) last = need_int(x, end, "the end argument");
    if (first < 0) first = first < -length ? 0 : first + length;
    if (last < 0) last = last < -length ? 0 : last + length;
    if (last > length) last = length;
    part p = {.is_empty = first > last || first > length};
    if (p.is_empty) return p;
    p.first = str_offset(x, s, (size_t)first);
    p.last = str_offset(x, s, (size_t)last);
    return p;
}

/* ---- strip ---- */

static bool is_stripped(jx *x, uint32_t c, const jstr *chars) {
    if (!chars) return utf8_is_space(c);
    jx_chars(x, chars->size);
    uint32_t d;
    for (size_t at = 0; at < chars->size;) {
        at += (size_t)utf8_decode(chars->at + at, chars->size - at, &d);
        if (c == d) return true;
    }
    return false;
}

static jval strip(jx *x, const jstr *s, jval chars_arg, bool left, bool right) {
    bool has_chars = given(chars_arg) && chars_arg.type != J_NONE;
    const jstr *chars = has_chars ? need_str(x, chars_arg, "the argument of strip()") : NULL;
    size_t first = 0, last = s->size;
    uint32_t c;
    for (size_t n; left && first < last; first += n) {
        n = (size_t)utf8_decode(s->at + first, last - first, &c);
        if (!is_stripped(x, c, chars)) break;
    }
    while (right && last > first) {
        size_t at = last - 1;
        while (at > first && ((unsigned char)s->at[at] & 0xC0) == 0x80) at--;
        (void)utf8_decode(s->at + at, last - at, &c);
        if (!is_stripped(x, c, chars)) break;
        last = at;
    }
    jx_chars(x, (s->size - (last - first)) * (chars && chars->size < 32 ? chars->size : 1));
    return j_part(x, s, first, last);
}

static jval str_strip(jx *x, jcall *c) { return strip(x, c->self.s, c->arg[0], true, true); }
static jval str_lstrip(jx *x, jcall *c) { return strip(x, c->self.s, c->arg[0], true, false); }
static jval str_rstrip(jx *x, jcall *c) { return strip(x, c->self.s, c->arg[0], false, true); }

static jval str_removeprefix(jx *x, jcall *c) {
    const jstr *s = c->self.s, *what = need_str(x, c->arg[0], "the argument of removeprefix()");
    jx_bytes(x, what->size);
    bool has = what->size <= s->size && memcmp(s->at, what->at, what->size) == 0;
    return j_part(x, s, has ? what->size : 0, s->size);
}

static jval str_removesuffix(jx *x, jcall *c) {
    const jstr *s = c->self.s, *what = need_str(x, c->arg[0], "the argument of removesuffix()");
    jx_bytes(x, what->size);
    bool has = what->size && what->size <= s->size && memcmp(s->at + s->size - what->size, what->at, what->size) == 0;
    return j_part(x, s, 0, has ? s->size - what->size : s->size);
}

/* ---- split ---- */

static jval list_value(jx *x, const jvals *v) { return j_list(x, J_LIST, v->at, (size_t)v->count); }

static void reverse_values(jvals *v) {
    for (int i = 0; i < v->count / 2; i++) {
        jval t = v->at[i];
        v->at[i] = v->at[v->count - 1 - i];
        v->at[v->count - 1 - i] = t;
    }
}

static jval split_by_space(jx *x, const jstr *s, int64_t limit) {
    jvals parts = {0};
    size_t at = 0;
    uint32_t c;
    jx_chars(x, s->size);
    while (at < s->size) {
        size_t n = (size_t)utf8_decode(s->at + at, s->size - at, &c), first = at;
        at += n;
        if (utf8_is_space(c)) continue;
        if (limit >= 0 && parts.count >= limit) { /* the rest, with its blanks */
            JX_PUSH(x, &parts, j_part(x, s, first, s->size));
            break;
        }
        while (at < s->size) {
            n = (size_t)utf8_decode(s->at + at, s->size - at, &c);
            if (utf8_is_space(c)) break;
            at += n;
        }
        JX_PUSH(x, &parts, j_part(x, s, first, at));
    }
    return list_value(x, &parts);
}

static size_t step_back(const jstr *s, size_t at, uint32_t *c) {
    size_t before = at - 1;
    while (before > 0 && ((unsigned char)s->at[before] & 0xC0) == 0x80) before--;
    (void)utf8_decode(s->at + before, at - before, c);
    return before;
}

static jval split_by_space_backwards(jx *x, const jstr *s, int64_t limit) {
    jvals parts = {0};
    uint32_t c;
    jx_chars(x, s->size);
    for (size_t last = s->size; last > 0;) {
        size_t before = step_back(s, last, &c);
        if (utf8_is_space(c)) {
            last = before;
            continue;
        }
        if (limit >= 0 && parts.count >= limit) {
            JX_PUSH(x, &parts, j_part(x, s, 0, last));
            break;
        }
        size_t first = before;
        while (first > 0 && (before = step_back(s, first, &c), !utf8_is_space(c))) first = before;
        JX_PUSH(x, &parts, j_part(x, s, first, last));
        last = first;
    }
    reverse_values(&parts);
    return list_value(x, &parts);
}

static int64_t split_limit(jx *x, jval arg) {
    int64_t limit = given(arg) ? need_int(x, arg, "the maxsplit argument") : -1;
    return limit < 0 ? -1 : limit;
}

static const jstr *separator(jx *x, jval arg) {
    if (!given(arg) || arg.type == J_NONE) return NULL;
    const jstr *s = need_str(x, arg, "the separator");
    if (!s->size) jx_fail(x, LMM_E_ARG, "empty separator");
    return s;
}

static jval str_split(jx *x, jcall *c) {
    const jstr *s = c->self.s, *sep = separator(x, c->arg[0]);
    int64_t limit = split_limit(x, c->arg[1]), hit;
    if (!sep) return split_by_space(x, s, limit);
    jvals parts = {0};
    size_t at = 0;
    while ((limit < 0 || parts.count < limit) && (hit = str_find(x, s, sep, at, s->size)) >= 0) {
        JX_PUSH(x, &parts, j_part(x, s, at, (size_t)hit));
        at = (size_t)hit + sep->size;
    }
    JX_PUSH(x, &parts, j_part(x, s, at, s->size));
    return list_value(x, &parts);
}

static jval str_rsplit(jx *x, jcall *c) {
    const jstr *s = c->self.s, *sep = separator(x, c->arg[0]);
    int64_t limit = split_limit(x, c->arg[1]), hit;
    if (!sep) return split_by_space_backwards(x, s, limit);
    jvals parts = {0};
    size_t last = s->size;
    while ((limit < 0 || parts.count < limit) && (hit = str_find_last(x, s, sep, 0, last)) >= 0) {
        JX_PUSH(x, &parts, j_part(x, s, (size_t)hit + sep->size, last));
        last = (size_t)hit;
    }
    JX_PUSH(x, &parts, j_part(x, s, 0, last));
    reverse_values(&parts);
    return list_value(x, &parts);
}

jval str_lines(jx *x, const jstr *s, bool keep_ends) {
    jvals lines = {0};
    size_t first = 0;
    uint32_t c;
    jx_chars(x, s->size);
    for (size_t at = 0; at < s->size;) {
        size_t end = at;
        at += (size_t)utf8_decode(s->at + at, s->size - at, &c);
        if (!char_is_line_end(c)) continue;
        if (c == '\r' && at < s->size && s->at[at] == '\n') at++;
        JX_PUSH(x, &lines, j_part(x, s, first, keep_ends ? at : end));
        first = at;
    }
    if (first < s->size) JX_PUSH(x, &lines, j_part(x, s, first, s->size));
    return list_value(x, &lines);
}

static jval str_splitlines(jx *x, jcall *c) { return str_lines(x, c->self.s, j_truth(c->arg[0])); }

static jval triple(jx *x, jval a, jval b, jval c) {
    jval *at = jx_alloc(x, 3, sizeof *at);
    at[0] = a;
    at[1] = b;
    at[2] = c;
    return j_list(x, J_TUPLE, at, 3);
}

static jval str_partition(jx *x, jcall *c) {
    const jstr *s = c->self.s, *sep = separator(x, c->arg[0]);
    if (!sep) jx_fail(x, LMM_E_ARG, "partition() needs a separator");
    int64_t hit = str_find(x, s, sep, 0, s->size);
    if (hit < 0) return triple(x, c->self, j_part(x, s, 0, 0), j_part(x, s, 0, 0));
    size_t at = (size_t)hit, end = at + sep->size;
    return triple(x, j_part(x, s, 0, at), j_part(x, s, at, end), j_part(x, s, end, s->size));
}

static jval str_rpartition(jx *x, jcall *c) {
    const jstr *s = c->self.s, *sep = separator(x, c->arg[0]);
    if (!sep) jx_fail(x, LMM_E_ARG, "rpartition() needs a separator");
    int64_t hit = str_find_last(x, s, sep, 0, s->size);
    if (hit < 0) return triple(x, j_part(x, s, 0, 0), j_part(x, s, 0, 0), c->self);
    size_t at = (size_t)hit, end = at + sep->size;
    return triple(x, j_part(x, s, 0, at), j_part(x, s, at, end), j_part(x, s, end, s->size));
}

/* ---- find ---- */

static int64_t find_from(jx *x, jcall *c, bool from_end) {
    const jstr *s = c->self.s, *what = need_str(x, c->arg[0], "what to find");
    part p = part_of(x, s, c->arg[1], c->arg[2]);
    if (p.is_empty) return -1;
    int64_t hit = from_end ? str_find_last(x, s, what, p.first, p.last) : str_find(x, s, what, p.first, p.last);
    return characters_before(x, s, hit);
}

static jval str_find_method(jx *x, jcall *c) { return j_int(find_from(x, c, false)); }
static jval str_rfind(jx *x, jcall *c) { return j_int(find_from(x, c, true)); }

static jval found(jx *x, int64_t at) {
    if (at < 0) jx_fail(x, LMM_E_ARG, "substring not found");
    return j_int(at);
}

static jval str_index(jx *x, jcall *c) { return found(x, find_from(x, c, false)); }
static jval str_rindex(jx *x, jcall *c) { return found(x, find_from(x, c, true)); }

static jval str_count(jx *x, jcall *c) {
    const jstr *s = c->self.s, *what = need_str(x, c->arg[0], "what to count");
    part p = part_of(x, s, c->arg[1], c->arg[2]);
    if (p.is_empty) return j_int(0);
    if (!what->size) return j_int(characters_before(x, s, (int64_t)p.last) - characters_before(x, s, (int64_t)p.first) + 1);
    int64_t n = 0, hit;
    for (size_t at = p.first; (hit = str_find(x, s, what, at, p.last)) >= 0; at = (size_t)hit + what->size) n++;
    return j_int(n);
}

static bool has_end(jx *x, const jstr *s, const jstr *what, part p, bool at_end) {
    if (p.is_empty || what->size > p.last - p.first) return false;
    jx_bytes(x, what->size);
    return memcmp(s->at + (at_end ? p.last - what->size : p.first), what->at, what->size) == 0;
}

static jval starts_or_ends(jx *x, jcall *c, bool at_end) {
    part p = part_of(x, c->self.s, c->arg[1], c->arg[2]);
    if (c->arg[0].type != J_TUPLE) return j_bool(has_end(x, c->self.s, need_str(x, c->arg[0], "what to look for"), p, at_end));
    bool has = false;
    for (size_t i = 0; !has && i < c->arg[0].l->count; i++)
        has = has_end(x, c->self.s, need_str(x, c->arg[0].l->at[i], "what to look for"), p, at_end);
    return j_bool(has);
}

static jval str_startswith(jx *x, jcall *c) { return starts_or_ends(x, c, false); }
static jval str_endswith(jx *x, jcall *c) { return starts_or_ends(x, c, true); }

/* ---- put together ---- */

jval str_replace_all(jx *x, const jstr *s, const jstr *old, const jstr *new_text, int64_t limit) {
    size_t mark = x->work.size, at = 0;
    int64_t n = 0, hit;
    if (limit < 0) limit = INT64_MAX;
    if (!old->size) jx_chars(x, s->size);
    if (!old->size) { /* between all characters, and at both ends */
        while (n++ < limit) {
            uint32_t c;
            jx_put(x, new_text->at, new_text->size);
            if (at == s->size) break;
            size_t size = (size_t)utf8_decode(s->at + at, s->size - at, &c);
            jx_put(x, s->at + at, size);
            at += size;
        }
    }
    for (; old->size && n < limit && (hit = str_find(x, s, old, at, s->size)) >= 0; n++) {
        jx_put(x, s->at + at, (size_t)hit - at);
        jx_put(x, new_text->at, new_text->size);
        at = (size_t)hit + old->size;
    }
    jx_put(x, s->at + at, s->size - at);
    return j_take(x, &x->work, mark);
}

static jval str_replace(jx *x, jcall *c) {
    const jstr *s = c->self.s, *old = need_str(x, c->arg[0], "what to replace");
    jval new_text = c->arg[1];
    (void)need_str(x, new_text, "the replacement");
    if (s->is_safe) new_text = j_escape(x, new_text);
    int64_t limit = given(c->arg[2]) ? need_int(x, c->arg[2], "the count argument") : -1;
    return j_safe(x, str_replace_all(x, s, old, new_text.s, limit), s->is_safe);
}

static jval str_join(jx *x, jcall *c) {
    jiter *it = iter_new(x, c->arg[0]);
    size_t mark = x->work.size, n = 0;
    for (jval v; iter_next(x, it, &v); n++) {
        if (v.type != J_STRING && !c->self.s->is_safe)
            jx_fail(x, LMM_E_ARG, "join(): item %zu is of type '%s', needs a string", n, type_name(v));
        if (c->self.s->is_safe) v = j_escape(x, v);
        if (n) jx_put(x, c->self.s->at, c->self.s->size);
        jx_put(x, v.s->at, v.s->size);
    }
    return j_safe(x, j_take(x, &x->work, mark), c->self.s->is_safe);
}

/* clang-format off */
const jbuiltin str_methods[] = {
    {"strip", str_strip, "/chars", 0}, {"lstrip", str_lstrip, "/chars", 0}, {"rstrip", str_rstrip, "/chars", 0},
    {"split", str_split, "sep maxsplit", 0}, {"rsplit", str_rsplit, "sep maxsplit", 0}, {"splitlines", str_splitlines, "keepends", 0},
    {"partition", str_partition, "/sep", 1}, {"rpartition", str_rpartition, "/sep", 1},
    {"removeprefix", str_removeprefix, "/prefix", 1}, {"removesuffix", str_removesuffix, "/suffix", 1},
    {"startswith", str_startswith, "/prefix start end", 1}, {"endswith", str_endswith, "/suffix start end", 1},
    {"find", str_find_method, "/sub start end", 1}, {"rfind", str_rfind, "/sub start end", 1},
    {"index", str_index, "/sub start end", 1}, {"rindex", str_rindex, "/sub start end", 1},
    {"count", str_count, "/sub start end", 1}, {"replace", str_replace, "/old new count", 2}, {"join", str_join, "/iterable", 1}, {0}};
/* clang-format on */
