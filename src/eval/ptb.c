/* ptb.c - words as the Penn Treebank writes them, lower-cased and without punctuation: the rules of Stanford's PTBTokenizer that captions meet.
 *
 * Words are lower-cased after they are found, so brackets come out as "-lrb-", which the list of punctuation does not hold. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "eval/eval_int.h"

/* ---- what is dropped ---- */

static bool dropped(const char *word) {
    static const char *const marks[] = {"''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".",
                                        "?",  "!", ",",  ":", "-",     "--",    "...",   ";"};
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (!strcmp(word, marks[i])) return true;
    return false;
}

static void put_word(buf *b, const char *word, size_t n) {
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)n, word);
    if (n < sizeof text && dropped(text)) return;
    scratch mem = {0};
    if (b->size) buf_putc(b, ' ');
    buf_puts(b, py_lower(&mem, scratch_cut(&mem, word, n)));
    scratch_free(&mem);
}

/* ---- characters ---- */

static bool is_letter(const char *at) {
    uint32_t cp;
    if (!*at) return false;
    utf8_decode(at, strlen(at), &cp);
    return py_is_alpha(cp);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word_start(const char *at) { return is_letter(at) || is_digit(*at); }

static size_t step(const char *at) {
    uint32_t cp;
    return *at ? (size_t)utf8_decode(at, strlen(at), &cp) : 0;
}

static size_t letters(const char *at) {
    size_t n = 0;
    while (is_word_start(at + n)) n += step(at + n);
    return n;
}

/* ---- words that keep a full stop ---- */

/* "u.s.", "p.m.": single letters, each with a point. */
static size_t acronym(const char *at) {
    size_t n = 0;
    int pairs = 0;
    while (isalpha((unsigned char)at[n]) && at[n + 1] == '.') n += 2, pairs++;
    if (pairs && isalpha((unsigned char)at[n]) && !isalnum((unsigned char)at[n + 1])) return n + 1; /* u.k */
    return pairs > 1 && !isalnum((unsigned char)at[n]) ? n : 0;
}

static size_t abbreviation(const char *at) {
    static const char *const words[] = {"mr",   "mrs", "ms",  "dr",  "prof", "st",   "vs",   "jr",   "sr",   "gen",    "col", "capt",
                                        "lt",   "sgt", "gov", "sen", "rep",  "rev",  "hon",  "jan",  "feb",  "mar",    "apr", "aug",
                                        "sept", "sep", "oct", "nov", "dec",  "inc",  "corp", "co",   "ltd",  "bros",   "ave", "blvd",
                                        "rd",   "mt",  "ft",  "etc", "assn", "dept", "univ", "pres", "supt", "messrs", "mme", "no"};
    size_t n = letters(at);
    if (!n || at[n] != '.') return 0;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i]) == n && !strncasecmp(words[i], at, n)) {
            if (strcmp(words[i], "no")) return n + 1;
            return at[n + 1] == ' ' && is_digit(at[n + 2]) ? n + 1 : 0; /* "no. 5", else the end of a sentence */
        }
    return 0;
}

/* ---- numbers, addresses, tags ---- */

static size_t number(const char *at) {
    size_t n = 0, sign = *at == '-' || *at == '+' ? 1 : 0;
    if (!is_digit(at[sign]) && !((at[sign] == '.') && is_digit(at[sign + 1]))) return 0;
    for (n = sign; is_digit(at[n]) || (strchr(".,:/", at[n]) && at[n] && is_digit(at[n + 1]));) n++;
    return n;
}

static const char address_chars[] =
    "_%+.-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"; /* from the fourth on: of hosts */

static size_t address(const char *at) {
    static const char *const starts[] = {"http://", "https://", "www.", "ftp://"};
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (!strncasecmp(at, starts[i], strlen(starts[i]))) {
            size_t n = strcspn(at, " \t\n\"<>()");
            while (n && strchr(".,;:!?", at[n - 1])) n--;
            return n;
        }
    size_t name = strspn(at, address_chars), host;
    if (name && at[name] == '@' && (host = strspn(at + name + 1, address_chars + 3)) > 2 && memchr(at + name + 1, '.', host)) {
        size_t n = name + 1 + host;
        while (at[n - 1] == '.' || at[n - 1] == '-') n--;
        return n;
    }
    return 0;
}

static size_t markup(const char *at) {
    if (*at != '<') return 0;
    size_t n = 1 + (at[1] == '/');
    if (!isalpha((unsigned char)at[n])) return 0;
    n += strcspn(at + n, "<>\n");
    return at[n] == '>' ? n + 1 : 0;
}

/* ---- words with apostrophes and hyphens ---- */

/* The contraction that begins at an apostrophe: 's 'm 'd 're 've 'll. */
static size_t clitic(const char *at) {
    static const char *const ends[] = {"s", "m", "d", "re", "ve", "ll"};
    size_t quote = *at == '\'' ? 1 : !strncmp(at, "\u2019", 3) ? 3 : 0;
    if (!quote) return 0;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t n = strlen(ends[i]);
        if (!strncasecmp(at + quote, ends[i], n) && !is_word_start(at + quote + n)) return quote + n;
    }
    return 0;
}

/* "black/white", "and/or": two or three words with hyphens inside, joined by slashes. */
static size_t slashed(const char *at) {
    size_t n = 0;
    int parts = 0;
    for (;;) {
        size_t more = letters(at + n);
        if (!more) return 0;
        n += more;
        for (int hyphens = 0; hyphens < 2 && at[n] == '-' && is_letter(at + n + 1); hyphens++) n += 1 + letters(at + n + 1);
        parts++;
        if (at[n] != '/' || !is_word_start(at + n + 1) || parts == 3) break;
        n++;
    }
    return parts > 1 && is_letter(at) ? n : 0;
}

/* "AT&T": capitals alone. */
static size_t ampersand(const char *at) {
    size_t n = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), more;
    bool joined = false;
    while (n && (at[n] == '&' || at[n] == '+') && (more = strspn(at + n + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))) n += more + 1, joined = true;
    return joined && !is_word_start(at + n) ? n : 0;
}

/* "'n'", "'90s". */
static size_t clipped(const char *at) {
    if (!strncmp(at, "'n'", 3)) return 3;
    return *at == '\'' && is_digit(at[1]) && is_digit(at[2]) && at[3] == 's' && !is_word_start(at + 4) ? 4 : 0;
}

/* Letters and digits joined inside by hyphens and underscores. */
static size_t word(const char *at) {
    size_t n = letters(at);
    for (;;) {
        size_t more = 0;
        char c = at[n];
        if (n && c && strchr("-_", c)) more = letters(at + n + 1);
        if (n && is_letter(at) && (c == '\'' || !strncmp(at + n, "\u2019", 3)) && !clitic(at + n)) { /* o'clock, but not do + n't */
            size_t quote = c == '\'' ? 1 : 3;
            bool negation = tolower((unsigned char)at[n - 1]) == 'n' && tolower((unsigned char)at[n + quote]) == 't' &&
                            !is_word_start(at + n + quote + 1);
            more = negation ? 0 : letters(at + n + quote);
            if (more) more += quote - 1;
        }
        if (n && c == '.' && letters(at + n + 1) >= 2 && is_letter(at + n + 1) && is_letter(at)) { /* example.com */
            static const char *const tops[] = {"com", "org", "net", "edu", "gov"};
            size_t top = letters(at + n + 1);
            for (size_t i = 0; i < COUNT_OF(tops); i++)
                if (strlen(tops[i]) == top && !strncasecmp(tops[i], at + n + 1, top)) more = top;
        }
        if (!more) return n;
        n += more + 1;
    }
}

static bool splits(buf *b, const char *at, size_t n) {
    static const char *const pairs[][2] = {{"can", "not"}, {"gon", "na"}, {"wan", "na"}, {"got", "ta"},
                                           {"gim", "me"},  {"lem", "me"}, {"y'", "all"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        size_t first = strlen(pairs[i][0]), second = strlen(pairs[i][1]);
        if (n != first + second || strncasecmp(at, pairs[i][0], first) || strncasecmp(at + first, pairs[i][1], second)) continue;
        put_word(b, at, first);
        put_word(b, at + first, second);
        return true;
    }
    return false;
}

/* Writes a word, its n't and its clitics apart; returns the bytes used. */
static size_t put_letters(buf *b, const char *at) {
    size_t n = slashed(at);
    if (!n) n = ampersand(at);
    if (!n) n = word(at);
    size_t quote = at[n] == '\'' ? 1 : !strncmp(at + n, "\u2019", 3) ? 3 : 0;
    if (n > 1 && quote && tolower((unsigned char)at[n - 1]) == 'n' && tolower((unsigned char)at[n + quote]) == 't' &&
        !is_word_start(at + n + quote + 1)) {
        put_word(b, at, n - 1);
        put_word(b, "n't", 3);
        n += quote + 1;
    } else if ((at[n] == '+' && at[n + 1] == '+') || (n == 1 && at[n] == '#')) { /* c++, c# */
        n += at[n] == '+' ? 2 : 1;
        put_word(b, at, n);
    } else if (!splits(b, at, n)) put_word(b, at, n);
    size_t tail = clitic(at + n);
    if (tail) {
        char text[4];
        size_t q = at[n] == '\'' ? 1 : 3;
        snprintf(text, sizeof text, "'%.*s", (int)(tail - q), at + n + q);
        put_word(b, text, strlen(text));
    }
    return n + tail;
}

/* ---- marks ---- */

static size_t put_mark(buf *b, const char *at) {
    static const struct {
        const char *mark, *word;
    } rows[] = {{"(", "-lrb-"},    {")", "-rrb-"},   {"[", "-lsb-"},  {"]", "-rsb-"},   {"{", "-lcb-"},     {"}", "-rcb-"},
                {"\u2026", "..."}, {"\u2018", "`"},  {"\u2019", "'"}, {"\u201c", "``"}, {"\u201d", "''"},   {"\"", "''"},
                {"\u2013", "--"},  {"\u2014", "--"}, {"\u20ac", "$"}, {"\u00a3", "#"},  {"\u00a2", "cents"}};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strncmp(at, rows[i].mark, strlen(rows[i].mark))) {
            put_word(b, rows[i].word, strlen(rows[i].word));
            return strlen(rows[i].mark);
        }
    if (strchr("?!", *at)) n = strspn(at, "?!");
    else if (*at == '.' && strspn(at, ".") > 1) {
        n = strspn(at, ".");
        put_word(b, "...", 3);
        return n;
    } else if (*at == '-') n = strspn(at, "-");
    else n = step(at);
    if (n < 4) put_word(b, at, n); /* characters beyond the basic plane that are no letters are not known to the tokenizer */
    return n;
}

/* "'tis", "'twas": the cut-off it. */
static size_t put_tis(buf *b, const char *at) {
    static const char *const verbs[] = {"is", "was"};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        size_t n = strlen(verbs[i]);
        if (strncasecmp(at, "'t", 2) || strncasecmp(at + 2, verbs[i], n) || is_word_start(at + 2 + n)) continue;
        put_word(b, "'t", 2);
        put_word(b, verbs[i], n);
        return n + 2;
    }
    return 0;
}

static size_t put_next(buf *b, const char *at) {
    static size_t (*const whole[])(const char *) = {address, markup, acronym, abbreviation, clipped};
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        size_t n = whole[i](at);
        if (n) return put_word(b, at, n), n;
    }
    size_t n = put_tis(b, at);
    if (n) return n;
    n = number(at);
    if (n && at[n] == '-' && is_letter(at + n + 1)) n += 1 + letters(at + n + 1); /* 1.5-inch */
    if (n && n >= word(at)) return put_word(b, at, n), n;
    if ((*at == '@') && is_letter(at + 1)) return n = 1 + letters(at + 1), put_word(b, at, n), n;
    if (*at == '#' && is_letter(at + 1)) return n = 1 + letters(at + 1), put_word(b, at, n), n;
    if (is_word_start(at)) return put_letters(b, at);
    return put_mark(b, at);
}

char *ptb_tokenize(scratch *mem, const char *text) {
    const char *at = py_replace(mem, text, "\n", " ");
    buf b = {0};
    while (*at) {
        uint32_t cp;
        size_t n = (size_t)utf8_decode(at, strlen(at), &cp);
        at += utf8_is_space(cp) ? n : put_next(&b, at);
    }
    char *out = scratch_cut(mem, b.size ? b.data : "", b.size);
    buf_free(&b);
    return out;
}
