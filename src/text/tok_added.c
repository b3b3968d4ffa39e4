/* tok_added.c - cuts the added tokens out of a text: leftmost first, the longest of those that begin there. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

/* Children of a node are a list; those of the root, which is asked at every byte of a text, are a table. */
typedef struct {
    int child, sibling, token;
    unsigned char byte;
} node;
struct trie {
    int root[256];
    VEC(node) nodes; /* number 0 is no node */
    VEC(const added_token *) tokens;
};

trie *trie_new(void) {
    trie *t = mem_new(1, sizeof *t);
    VEC_PUSH(&t->nodes, ((node){0}));
    return t;
}

void trie_free(trie *t) {
    if (!t) return;
    free(t->nodes.at);
    free(t->tokens.at);
    free(t);
}

static int child_of(const trie *t, int parent, unsigned char byte) {
    int i = t->nodes.at[parent].child;
    while (i && t->nodes.at[i].byte != byte) i = t->nodes.at[i].sibling;
    return i;
}

void trie_put(trie *t, const char *key, size_t n, const added_token *token) {
    int at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)key[i];
        int next = i ? child_of(t, at, byte) : t->root[byte];
        if (!next) {
            next = t->nodes.count;
            VEC_PUSH(&t->nodes, ((node){.sibling = i ? t->nodes.at[at].child : 0, .token = -1, .byte = byte}));
            if (i) t->nodes.at[at].child = next;
            else t->root[byte] = next;
        }
        at = next;
    }
    if (!n || t->nodes.at[at].token >= 0) return;
    t->nodes.at[at].token = t->tokens.count;
    VEC_PUSH(&t->tokens, token);
}

/* The next match at or after *at; NULL when there is none. */
static const added_token *search(const trie *t, const char *text, int size, int *at, int *end) {
    if (!t->tokens.count) return NULL;
    for (int i = *at; i < size; i++) {
        int found = -1;
        for (int n = t->root[(unsigned char)text[i]], k = i + 1; n; n = child_of(t, n, (unsigned char)text[k++])) {
            if (t->nodes.at[n].token >= 0) found = t->nodes.at[n].token, *end = k;
            if (k == size) break;
        }
        if (found < 0) continue;
        *at = i;
        return t->tokens.at[found];
    }
    return NULL;
}

void token_cutter_open(token_cutter *c, const trie *t, const char *text, int size, bool skip_special) {
    *c = (token_cutter){.t = t, .text = text, .size = size, .skip_special = skip_special, .held = -1};
}

/* The character that ends before `end`: its first byte. */
static int previous_char(const token_cutter *c, int end, uint32_t *cp) {
    int at = end - 1;
    while (at > 0 && ((unsigned char)c->text[at] & 0xC0) == 0x80) at--;
    utf8_decode(c->text + at, (size_t)(end - at), cp);
    return at;
}

static bool is_single_word(const token_cutter *c, int begin, int end) {
    uint32_t cp;
    if (begin > 0 && (previous_char(c, begin, &cp), uc_is_word(cp))) return false;
    if (end < c->size && (utf8_decode(c->text + end, (size_t)(c->size - end), &cp), uc_is_word(cp))) return false;
    return true;
}

/* Takes blanks beside the match along; on the left none that an earlier token has. */
static void widen(const token_cutter *c, const added_token *t, int *begin, int *end) {
    uint32_t cp;
    for (int at; t->lstrip && *begin > c->given; *begin = at)
        if (at = previous_char(c, *begin, &cp), !uc_is_space(cp)) break;
    if (t->lstrip) *begin = max_int(*begin, c->given);
    for (int n; t->rstrip && *end < c->size; *end += n)
        if (n = utf8_decode(c->text + *end, (size_t)(c->size - *end), &cp), !uc_is_space(cp)) break;
}

bool token_cutter_next(token_cutter *c, int *begin, int *end, int *id) {
    if (c->held >= 0) {
        *begin = c->held_begin, *end = c->held_end, *id = c->held;
        c->held = -1;
        return true;
    }
    const added_token *t;
    for (int stop; (t = search(c->t, c->text, c->size, &c->at, &stop)) != NULL;) {
        int from = c->at, to = stop;
        c->at = stop;
        if ((c->skip_special && t->special) || (t->single_word && !is_single_word(c, from, to))) continue;
        widen(c, t, &from, &to);
        int given = c->given;
        c->given = to;
        if (from >= to) continue; /* an earlier token took it along with its blanks */
        if (given >= from) return *begin = from, *end = to, *id = t->id, true;
        c->held = t->id, c->held_begin = from, c->held_end = to;
        return *begin = given, *end = from, *id = -1, true;
    }
    c->at = c->size;
    if (c->given == c->size) return false;
    *begin = c->given, *end = c->given = c->size, *id = -1;
    return true;
}
