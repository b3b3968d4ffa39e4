/* words.c - text to search tokens, the same for the index, for questions and for the reader.
 *
 * Latin words are lower-cased and stemmed lightly; irregular forms and everyday synonyms meet in one stem (synonyms.c); numbers keep their digits and
 * point ("19.9").
 * Chinese, Japanese and Korean text has no spaces: every character is a token, and every pair of neighbours one more in the same place. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { WORD_MAX = 48 };

/* Information of a word in nats: words below COMMON_FROM ("make") say next to nothing, from COMMON_TO on (one in 8,000) all they can. */
static const double SEEN_ALL = 258691 /* sense-tagged words WordNet counted */, COMMON_FROM = 4.8, COMMON_TO = 9.0;

/* clang-format off */
static const char *const stops[] = {
    "a", "an", "the", "and", "or", "of", "to", "in", "on", "at", "by", "for", "from", "with", "is", "are", "was", "were", "be", "been", "am", "do", "did", "doe", "doing",
    "i", "me", "my", "we", "us", "our", "you", "your", "he", "she", "it", "they", "them", "his", "her", "their", "that", "thi", "this", "these", "those", "there",
    "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "have", "ha", "had", "has", "so", "as", "if", "then", "than", "up", "out", "into", "over", "through", "during",
    "some", "any", "not", "no", "will", "would", "can", "could", "should", "about", "just", "now", "s", "t", "m", "ll", "re", "ve",
    "most", "last", "time", "thing", "one", "of", "us",
};
/* clang-format on */

bool ego_stop_word(const char *token, size_t size) {
    for (size_t i = 0; i < COUNT_OF(stops); i++)
        if (strlen(stops[i]) == size && !memcmp(stops[i], token, size)) return true;
    return false;
}

/* Plural, -ing and -ed off; enough to make forms meet, never fewer than three letters. */
static int stem(char *w, int n) {
    if (n > 4 && !memcmp(w + n - 3, "ies", 3)) return w[n - 3] = 'y', n - 2;
    if (n > 4 && !memcmp(w + n - 3, "ses", 3)) n -= 2;
    else if (n > 4 && (!memcmp(w + n - 4, "shes", 4) || !memcmp(w + n - 4, "ches", 4))) n -= 2;
    else if (n > 3 && w[n - 1] == 's' && w[n - 2] != 's' && w[n - 2] != 'u') n--;
    if (n > 5 && !memcmp(w + n - 3, "ing", 3)) n -= 3;
    else if (n > 4 && !memcmp(w + n - 2, "ed", 2)) n -= 2;
    else return n;
    if (n > 3 && w[n - 1] == w[n - 2] && !strchr("lse", w[n - 1])) n--;
    return n;
}

/* Compares w with the first word of a row. */
static int by_word(const void *w, const void *row) {
    const char *key = w, *at = *(const char *const *)row;
    size_t n = strcspn(at, " ");
    int order = strncmp(key, at, n);
    return order ? order : key[n] != 0;
}

/* What a table of "word rest" rows says of a word; NULL: nothing. */
static const char *row_of(const char *const *table, int count, const char *word) {
    const char *const *row = bsearch(word, table, (size_t)count, sizeof *table, by_word);
    return row ? strchr(*row, ' ') + 1 : NULL;
}

/* The basic colour terms of English (Berlin and Kay 1969), and those that things are sold in. */
bool ego_word_colour(const char *token) {
    static const char *const colours[] = {"black",  "white", "red",  "green",  "yellow", "blue",  "brown",     "purple", "pink",
                                          "orange", "gray",  "grey", "golden", "silver", "beige", "turquoise", "violet"};
    for (size_t i = 0; i < COUNT_OF(colours); i++)
        if (!strcmp(colours[i], token)) return true;
    return false;
}

double ego_word_tells(const char *token) {
    const char *seen = row_of(ego_common, ego_common_count, token);
    double information = log(SEEN_ALL / (seen ? atoi(seen) : 1));
    return fmax(0.1, fmin(1, (information - COMMON_FROM) / (COMMON_TO - COMMON_FROM)));
}

/* The stem that stands for w's meaning; w itself when it stands alone. */
static int canonical(char *w, int n) {
    char key[WORD_MAX + 1];
    snprintf(key, sizeof key, "%.*s", n, w);
    const char *head = row_of(ego_synonyms, ego_synonyms_count, key);
    if (!head) return n;
    n = (int)strlen(head);
    memcpy(w, head, (size_t)n);
    return n;
}

static bool is_wide(uint32_t c) {
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

static bool is_letter(const char *s, size_t i, size_t size, uint32_t c) {
    if (c < 128)
        return isalnum((int)c) || (c == '.' && i && i + 1 < size && isdigit((unsigned char)s[i - 1]) && isdigit((unsigned char)s[i + 1]));
    return !is_wide(c) && ((c >= 0xc0 && c < 0x2000) || c >= 0x1f000);
}

/* The run of letters from i; returns where it ends. Longer ones are cut for the token, not for the text. */
static size_t latin(const char *s, size_t i, size_t size, char word[WORD_MAX + 4], int *n) {
    *n = 0;
    while (i < size) {
        uint32_t c;
        int k = utf8_decode(s + i, size - i, &c);
        if (!is_letter(s, i, size, c)) break;
        for (int b = 0; b < k && *n < WORD_MAX; b++)
            word[(*n)++] = (char)(c < 128 ? tolower((unsigned char)s[i + (size_t)b]) : s[i + (size_t)b]);
        i += (size_t)k;
    }
    *n = canonical(word, stem(word, *n));
    return i;
}

int ego_words(const char *text, size_t size, ego_word_fn fn, void *arg) {
    size_t before = 0; /* where the wide character before this one began; size + 1: none */
    bool pair = false;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        int k = utf8_decode(text + i, size - i, &c), rc = 0;
        if (is_letter(text, i, size, c)) {
            char word[WORD_MAX + 4];
            int n;
            size_t end = latin(text, i, size, word, &n);
            rc = fn(arg, word, n, (int)i, (int)end, false);
            i = end;
            pair = false;
        } else if (is_wide(c)) {
            rc = fn(arg, text + i, k, (int)i, (int)i + k, false);
            if (!rc && pair) rc = fn(arg, text + before, (int)(i - before) + k, (int)before, (int)i + k, true);
            before = i;
            pair = true;
            i += (size_t)k;
        } else {
            pair = false;
            i += (size_t)k;
        }
        if (rc) return rc;
    }
    return 0;
}

static int collect(void *arg, const char *token, int size, int from, int to, bool colocated) {
    (void)from, (void)to, (void)colocated;
    ego_terms *t = arg;
    if (ego_stop_word(token, (size_t)size)) return 0;
    for (int i = 0; i < t->count; i++)
        if (strlen(t->at[i]) == (size_t)size && !memcmp(t->at[i], token, (size_t)size)) return 0;
    VEC_PUSH(t, mem_strndup(token, (size_t)size));
    return 0;
}

void ego_terms_of(ego_terms *out, const char *text) { ego_words(text, strlen(text), collect, out); }

void ego_terms_free(ego_terms *t) {
    for (int i = 0; i < t->count; i++) free(t->at[i]);
    free(t->at);
    *t = (ego_terms){0};
}
