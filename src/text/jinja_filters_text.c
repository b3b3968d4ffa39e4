/* jinja_filters_text.c - filters that make text. */
#include "text/jinja_int.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

jval str_soft(jx *x, jval v) { return v.type == J_STRING ? v : j_str(x, v); }

static const jstr *soft(jx *x, jcall *c) { return str_soft(x, c->self).s; }

static jval filter_upper(jx *x, jcall *c) { return str_upper(x, soft(x, c)); }
static jval filter_lower(jx *x, jcall *c) { return str_lower(x, soft(x, c)); }
static jval filter_capitalize(jx *x, jcall *c) { return str_capitalize(x, soft(x, c)); }
static jval filter_title(jx *x, jcall *c) { return str_title_words(x, soft(x, c)); }
static jval filter_string(jx *x, jcall *c) { return str_soft(x, c->self); }
static jval filter_safe(jx *x, jcall *c) { return j_safe(x, str_soft(x, c->self), true); }

static jval filter_trim(jx *x, jcall *c) {
    c->self = str_soft(x, c->self);
    return row_find(str_methods, "strip", 5)->fn(x, c);
}

static jval filter_center(jx *x, jcall *c) {
    return str_center(x, soft(x, c), given(c->arg[0]) ? need_int(x, c->arg[0], "the width of center") : 80, ' ');
}

static jval filter_replace(jx *x, jcall *c) {
    bool has_limit = given(c->arg[2]) && c->arg[2].type != J_NONE;
    int64_t limit = has_limit ? need_int(x, c->arg[2], "the count of replace") : -1;
    jval s = j_str(x, c->self), old = j_str(x, c->arg[0]), new_text = j_str(x, c->arg[1]);
    return str_replace_all(x, s.s, old.s, new_text.s, limit);
}

/* lmms-eval's own: Python's re.sub with a literal replacement. */
static jval filter_regex_replace(jx *x, jcall *c) {
    jval s = j_str(x, c->self), pattern = j_str(x, c->arg[0]), with = j_str(x, c->arg[1]);
    int error;
    PCRE2_SIZE where, at = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.s->at, pattern.s->size, PCRE2_UTF | PCRE2_UCP, &error, &where, NULL);
    if (!code) jx_fail(x, LMM_E_ARG, "the pattern of regex_replace is no regular expression (character %zu)", (size_t)where + 1);
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
    size_t mark = x->work.size; /* buf_put, not jx_put: nothing may jump away before the pattern is freed */
    while (pcre2_match(code, (PCRE2_SPTR)s.s->at, s.s->size, at, 0, match, NULL) > 0) {
        const PCRE2_SIZE *hit = pcre2_get_ovector_pointer(match);
        if (hit[1] <= hit[0]) break; /* empty matches change nothing here */
        buf_put(&x->work, s.s->at + at, hit[0] - at);
        buf_put(&x->work, with.s->at, with.s->size);
        at = hit[1];
    }
    buf_put(&x->work, s.s->at + at, s.s->size - at);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return j_take(x, &x->work, mark);
}

/* ---- HTML ---- */

jval j_escape(jx *x, jval v) {
    v = str_soft(x, v);
    if (v.s->is_safe) return v;
    size_t mark = x->work.size, kept = 0;
    jx_chars(x, v.s->size);
    for (size_t i = 0; i < v.s->size; i++) {
        const char *to = NULL;
        switch (v.s->at[i]) {
        case '&': to = "&amp;"; break;
        case '<': to = "&lt;"; break;
        case '>': to = "&gt;"; break;
        case '\'': to = "&#39;"; break;
        case '"': to = "&#34;"; break;
        default: continue;
        }
        jx_put(x, v.s->at + kept, i - kept);
        jx_puts(x, to);
        kept = i + 1;
    }
    jx_put(x, v.s->at + kept, v.s->size - kept);
    return j_safe(x, j_take(x, &x->work, mark), true);
}

static jval filter_escape(jx *x, jcall *c) { return j_escape(x, c->self); }

static void put_url(jx *x, jval v, bool is_query) {
    const jstr *s = j_str(x, v).s;
    jx_chars(x, s->size * 4);
    for (size_t i = 0; i < s->size; i++) {
        unsigned char c = (unsigned char)s->at[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_.-~", c));
        if (is_plain || (c == '/' && !is_query)) {
            jx_put(x, s->at + i, 1);
        } else if (c == ' ' && is_query) {
            jx_puts(x, "+");
        } else {
            char text[4];
            snprintf(text, sizeof text, "%%%02X", c);
            jx_puts(x, text);
        }
    }
}

static bool is_iterable(jval v) { return j_has_length(v) || v.type == J_ITER; }

static jval filter_urlencode(jx *x, jcall *c) {
    size_t mark = x->work.size;
    if (c->self.type == J_STRING || !is_iterable(c->self)) {
        put_url(x, c->self, false);
        return j_take(x, &x->work, mark);
    }
    jiter *it = iter_new(x, c->self);
    bool is_first = true;
    for (jval v; iter_next(x, it, &v); is_first = false) {
        if (c->self.type == J_DICT) v = j_pair(x, v, c->self.d->values[it->at - 1]);
        const jlist *pair = list_of(x, v);
        if (pair->count != 2) jx_fail(x, LMM_E_ARG, "urlencode needs pairs");
        if (!is_first) jx_puts(x, "&");
        put_url(x, pair->at[0], true);
        jx_puts(x, "=");
        put_url(x, pair->at[1], true);
    }
    return j_take(x, &x->work, mark);
}

/* ---- layout ---- */

static jval indentation(jx *x, jval width) {
    if (width.type == J_STRING) return width;
    int64_t n = given(width) ? need_int(x, width, "the width of indent") : 4;
    size_t mark = x->work.size;
    jx_put_char(x, ' ', n > 0 ? (size_t)n : 0);
    return j_take(x, &x->work, mark);
}

static jval filter_indent(jx *x, jcall *c) {
    jval s = c->self;
    jval space = indentation(x, c->arg[0]);
    bool first = j_truth(c->arg[1]), blank = j_truth(c->arg[2]);
    (void)need_str(x, s, "the subject of indent");
    if (s.s->is_safe) space = j_escape(x, space);
    jval lines = str_lines(x, j_concat(x, s.s, j_word(x, "\n").s).s, false);
    size_t mark = x->work.size;
    for (size_t i = 0; i < lines.l->count; i++) {
        const jstr *line = lines.l->at[i].s;
        if (i) jx_puts(x, "\n");
        if (i ? blank || line->size : first) jx_put(x, space.s->at, space.s->size);
        jx_put(x, line->at, line->size);
    }
    return j_safe(x, j_take(x, &x->work, mark), s.s->is_safe);
}

static jval filter_truncate(jx *x, jcall *c) {
    int64_t length = given(c->arg[0]) ? need_int(x, c->arg[0], "the length of truncate") : 255;
    jval end = arg_or(c->arg[2], j_word(x, "..."));
    bool has_leeway = given(c->arg[3]) && c->arg[3].type != J_NONE;
    int64_t leeway = has_leeway ? need_int(x, c->arg[3], "the leeway of truncate") : 5;
    int64_t end_length = (int64_t)need_str(x, end, "the end of truncate")->length;
    if (length < end_length || leeway < 0) jx_fail(x, LMM_E_ARG, "truncate needs length >= %" PRId64 " and leeway >= 0", end_length);
    int64_t have = j_length(x, c->self);
    if (have <= length || have - length <= leeway) return c->self;
    const jstr *s = need_str(x, c->self, "the subject of truncate");
    size_t cut = str_offset(x, s, (size_t)(length - end_length));
    if (!j_truth(c->arg[1])) {
        int64_t space = str_find_last(x, s, j_word(x, " ").s, 0, cut);
        if (space >= 0) cut = (size_t)space;
    }
    return j_binary(x, '+', j_part(x, s, 0, cut), end);
}

static jval filter_wordcount(jx *x, jcall *c) {
    const jstr *s = soft(x, c);
    int64_t words = 0;
    bool in_word = false;
    uint32_t k;
    jx_chars(x, s->size);
    for (size_t at = 0; at < s->size;) {
        at += (size_t)utf8_decode(s->at + at, s->size - at, &k);
        bool is_word = char_is_word(k);
        words += is_word && !in_word;
        in_word = is_word;
    }
    return j_int(words);
}

static jval filter_format(jx *x, jcall *c) {
    if (c->count && c->named) jx_fail(x, LMM_E_ARG, "format takes positional or keyword arguments, not both");
    jval args = c->named ? j_dict(c->named) : j_list(x, J_TUPLE, c->at, (size_t)c->count);
    return j_percent(x, str_soft(x, c->self), args);
}

static jval filter_filesizeformat(jx *x, jcall *c) {
    static const char *const units[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                            {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    bool binary = j_truth(c->arg[0]), ok = j_is_number(c->self);
    double bytes = ok ? j_to_real(c->self) : c->self.type == J_STRING ? parse_real(x, c->self.s, &ok) : 0;
    double base = binary ? 1024 : 1000, unit = base;
    char text[400];
    if (!ok) jx_fail(x, LMM_E_ARG, "filesizeformat needs a number");
    if (bytes == 1) return j_word(x, "1 Byte");
    if (bytes < base) {
        snprintf(text, sizeof text, "%" PRId64 " Bytes", real_to_int(x, bytes));
        return j_text(x, text, strlen(text));
    }
    int i = 0;
    for (unit *= base; i < 7 && bytes >= unit; i++) unit *= base;
    snprintf(text, sizeof text, "%.1f %s", base * bytes / unit, units[binary][i]);
    return j_text(x, text, strlen(text));
}

/* ---- JSON, as json.dumps ---- */

static const jstr *json_indent(jx *x, jval arg) {
    if (!given(arg) || arg.type == J_NONE) return NULL;
    return arg.type == J_STRING ? arg.s : indentation(x, arg).s;
}

static jval filter_tojson(jx *x, jcall *c) {
    json_style s = {.ascii = j_truth(c->arg[0]), .indent = json_indent(x, c->arg[1]), .sort_keys = j_truth(c->arg[3])};
    s.item_end = j_word(x, s.indent ? "," : ", ").s;
    s.key_end = j_word(x, ": ").s;
    if (given(c->arg[2]) && c->arg[2].type != J_NONE) {
        const jlist *pair = list_of(x, c->arg[2]);
        if (pair->count != 2) jx_fail(x, LMM_E_ARG, "the separators of tojson are two strings");
        s.item_end = need_str(x, pair->at[0], "a separator of tojson");
        s.key_end = need_str(x, pair->at[1], "a separator of tojson");
    }
    size_t mark = x->work.size;
    put_json(x, c->self, &s, 0);
    return j_take(x, &x->work, mark);
}

/* clang-format off */
const jbuiltin filters_of_text[] = {
    {"upper", filter_upper, "", 0}, {"lower", filter_lower, "", 0}, {"capitalize", filter_capitalize, "", 0}, {"title", filter_title, "", 0},
    {"string", filter_string, "", 0}, {"safe", filter_safe, "", 0}, {"trim", filter_trim, "chars", 0}, {"center", filter_center, "width", 0},
    {"replace", filter_replace, "old new count", 2}, {"regex_replace", filter_regex_replace, "regex replacement", 2}, {"escape", filter_escape, "", 0}, {"e", filter_escape, "", 0},
    {"forceescape", filter_escape, "", 0}, {"urlencode", filter_urlencode, "", 0}, {"indent", filter_indent, "width first blank", 0},
    {"truncate", filter_truncate, "length killwords end leeway", 0}, {"wordcount", filter_wordcount, "", 0},
    {"format", filter_format, "*", 0}, {"filesizeformat", filter_filesizeformat, "binary", 0},
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"striptags", NULL, "", 0}, {"urlize", NULL, "*", 0}, {"wordwrap", NULL, "*", 0}, {"xmlattr", NULL, "*", 0}, {"pprint", NULL, "*", 0}, {0}};
/* clang-format on */
