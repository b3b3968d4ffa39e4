/* bpe.c - byte pair encoding: characters become symbols, then the pair with the lowest rank is joined until none is left. Ranks come from a list
 * of merges, or (tok_gguf.c) from a list of scores.
 *
 * Equal ranks go from left to right. A heap of (rank, position) makes it O(n log n); entries whose pair has changed since are dropped when
 * they come up. Without a pre-tokenizer (SentencePiece models) a piece is the whole text: it is cut where no merge can ever join the two
 * neighbours, and what is still long (one character a million times) goes through a queue of ranks with a list of positions
 * each, which mostly reads memory in order. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

typedef struct {
    uint64_t pair;
    int rank, id;
} merge;

enum { TABLE_CHARS = 0x180 }; /* ASCII, Latin, the byte-level alphabet */
enum { SHORT_RUN = 32, LONG_RUN = 1 << 16, JOINT_BITS = 1 << 20 };
static const uint64_t no_pair = UINT64_MAX;

struct bpe {
    const tok_vocab *vocab;
    merge *slots;
    size_t mask;
    uint64_t seed;
    char *prefix, *suffix; /* of all characters but the first; of the last one */
    size_t prefix_size, suffix_size;
    int unk; /* -1: unknown characters vanish */
    bool fuse_unk, byte_fallback, ignore_merges;
    int chars[TABLE_CHARS], bytes[256]; /* ids, -1 when there is none */
    int rank_count;
    uint32_t *joints; /* bit set of first symbols that can be joined, by hash; NULL: unknown */
};

/* ---- the table of merges ---- */

static size_t slot_of(const bpe *b, uint64_t pair) {
    uint64_t h = (pair ^ b->seed) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(h ^ h >> 32) & b->mask;
    while (b->slots[slot].pair != pair && b->slots[slot].pair != no_pair) slot = (slot + 1) & b->mask;
    return slot;
}

static const merge *merge_find(const bpe *b, int left, int right) {
    const merge *m = &b->slots[slot_of(b, (uint64_t)left << 32 | (uint32_t)right)];
    return m->pair == no_pair ? NULL : m;
}

/* "a b" or ["a", "b"]. */
static bool merge_words(const tree *row, const char **a, size_t *a_size, const char **b, size_t *b_size) {
    if (row->type == TREE_LIST) {
        if (row->count != 2 || row->items[0]->type != TREE_STRING || row->items[1]->type != TREE_STRING) return false;
        *a = row->items[0]->text, *a_size = row->items[0]->text_size;
        *b = row->items[1]->text, *b_size = row->items[1]->text_size;
        return true;
    }
    if (row->type != TREE_STRING) return false;
    const char *blank = memchr(row->text, ' ', row->text_size);
    if (!blank) return false;
    *a = row->text, *a_size = (size_t)(blank - row->text);
    *b = blank + 1, *b_size = row->text_size - *a_size - 1;
    return !memchr(*b, ' ', *b_size);
}

static lmm_status merge_put(bpe *b, const tree *row, int rank, buf *joined, const char *name) {
    const char *left, *right;
    size_t left_size, right_size;
    int left_id, right_id, id;
    if (!merge_words(row, &left, &left_size, &right, &right_size)) return tok_bad(name, "'model.merges[%d]' is no pair of tokens", rank);
    if (!strmap_get(b->vocab->ids, left, left_size, &left_id))
        return tok_bad(name, "'model.merges[%d]': '%.*s' is not in the vocabulary", rank, (int)left_size, left);
    if (!strmap_get(b->vocab->ids, right, right_size, &right_id))
        return tok_bad(name, "'model.merges[%d]': '%.*s' is not in the vocabulary", rank, (int)right_size, right);
    if (right_size < b->prefix_size) return tok_bad(name, "'model.merges[%d]': '%s' lacks the prefix '%s'", rank, right, b->prefix);
    buf_reset(joined);
    buf_put(joined, left, left_size);
    buf_put(joined, right + b->prefix_size, right_size - b->prefix_size);
    if (!strmap_get(b->vocab->ids, joined->data, joined->size, &id))
        return tok_bad(name, "'model.merges[%d]': '%s' is not in the vocabulary", rank, joined->data);
    uint64_t pair = (uint64_t)left_id << 32 | (uint32_t)right_id;
    b->slots[slot_of(b, pair)] = (merge){.pair = pair, .rank = rank, .id = id}; /* the last of equal pairs counts */
    return LMM_OK;
}

static void make_slots(bpe *b, size_t merges) {
    size_t count = 16;
    while (count < 2 * merges) count *= 2;
    b->slots = mem_new(count, sizeof *b->slots);
    b->mask = count - 1;
    for (size_t i = 0; i < count; i++) b->slots[i].pair = no_pair;
}

static lmm_status load_merges(bpe *b, const tree *model, const char *name) {
    const tree *list = tree_get(model, "merges");
    if (!list || list->type != TREE_LIST) return tok_bad(name, "'model.merges' must be a list");
    make_slots(b, (size_t)list->count);
    buf joined = {0};
    lmm_status st = LMM_OK;
    for (int i = 0, rank = 0; !st && i < list->count; i++) {
        const tree *row = list->items[i];
        bool comment = row->type == TREE_STRING && !strncmp(row->text, "#version", 8);
        if (!comment) st = merge_put(b, row, rank++, &joined, name);
    }
    b->rank_count = list->count;
    buf_free(&joined);
    return st;
}

/* ---- scores instead of merges (SentencePiece) ----
 *
 * Any two neighbours whose joined text is a token may be joined, the highest score first: every way to cut a token into two tokens is a merge,
 * all with the rank of its score. */

enum { SCORED_SIZE_MAX = 1024 }; /* longer tokens would make loading quadratic */

typedef struct {
    float score;
    int id;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Counts the cuts of a token and, once there are slots, puts them. */
static size_t put_cuts(bpe *b, int id, int rank) {
    const token_row *row = &b->vocab->rows.at[id];
    const char *s = b->vocab->spelled.data + row->at;
    size_t cuts = 0, n = (size_t)row->size;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int left, right;
        at += (size_t)utf8_decode(s + at, n - at, &cp);
        if (at >= n || !strmap_get(b->vocab->ids, s, at, &left) || !strmap_get(b->vocab->ids, s + at, n - at, &right)) continue;
        uint64_t pair = (uint64_t)left << 32 | (uint32_t)right;
        if (b->slots) b->slots[slot_of(b, pair)] = (merge){.pair = pair, .rank = rank, .id = id};
        cuts++;
    }
    return cuts;
}

/* Scores by id; null for a token that no pair makes. */
static lmm_status load_scores(bpe *b, const tree *list, const char *name) {
    scored *order = mem_new((size_t)list->count + 1, sizeof *order);
    int count = 0;
    size_t cuts = 0;
    lmm_status st = LMM_OK;
    for (int id = 0; id < list->count && id < b->vocab->rows.count && !st; id++) {
        if (list->items[id]->type == TREE_NULL) continue;
        if (b->vocab->rows.at[id].size > SCORED_SIZE_MAX)
            st = tok_bad(name, "token %d has %d bytes (limit %d)", id, b->vocab->rows.at[id].size, SCORED_SIZE_MAX);
        else order[count++] = (scored){(float)list->items[id]->real, id};
    }
    if (!st) qsort(order, (size_t)count, sizeof *order, by_score);
    for (int i = 0; i < count && !st; i++) cuts += put_cuts(b, order[i].id, 0);
    if (!st) make_slots(b, cuts);
    for (int i = 0, rank = 0; i < count && !st; i++) {
        if (i && order[i].score != order[i - 1].score) rank = i;
        put_cuts(b, order[i].id, rank);
    }
    b->rank_count = list->count;
    free(order);
    return st;
}

/* ---- what the merges say about long texts ---- */

/* Symbols that stand for text before any merge, and so may not be made by one, if joints are to tell the truth. */
static bool is_first_symbol(const bpe *b, int id) {
    const token_row *row = &b->vocab->rows.at[id];
    uint32_t cp;
    const char *s = b->vocab->spelled.data + row->at;
    if (id == b->unk || row->size == 0 || utf8_decode(s, (size_t)row->size, &cp) == row->size) return true;
    for (int i = 0; b->byte_fallback && i < 256; i++)
        if (b->bytes[i] == id) return true;
    return false;
}

static uint32_t joint_of(const bpe *b, int left, int right) {
    uint64_t h = (((uint64_t)left << 32 | (uint32_t)right) ^ b->seed) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32) & (JOINT_BITS - 1);
}

typedef struct {
    const merge **maker;
    const bpe *b;
} makers; /* by token: a merge that makes it, NULL when there is none */

/* The symbol that was there first at the begin (end) of a token. Parts are shorter than the whole, so the walk ends. */
static int outermost(const makers *m, int id, bool at_end) {
    for (const merge *by; (by = m->maker[id]); id = (int)(at_end ? (uint32_t)by->pair : by->pair >> 32)) continue;
    return id;
}

/* Every merge that makes a token must agree on its ends, and what it makes must not be there first. */
static bool is_clear(const makers *m, const merge *by) {
    const token_row *rows = m->b->vocab->rows.at;
    int left = (int)(by->pair >> 32), right = (int)(uint32_t)by->pair;
    return rows[left].size > 0 && rows[right].size > 0 && !is_first_symbol(m->b, by->id);
}
static bool agrees(const makers *m, const merge *by) {
    int left = (int)(by->pair >> 32), right = (int)(uint32_t)by->pair;
    return outermost(m, by->id, false) == outermost(m, left, false) && outermost(m, by->id, true) == outermost(m, right, true);
}

/* Every token begins and ends with a symbol that was there first; a merge of two tokens joins the last of one with the first of the
 * other. A pair of neighbours that no merge joins in this way stays apart for ever. */
static void note_joints(bpe *b) {
    makers m = {.b = b, .maker = mem_new((size_t)b->vocab->rows.count, sizeof *m.maker)};
    bool sure = !b->prefix_size && !b->suffix_size;
    for (size_t i = 0; sure && i <= b->mask; i++) {
        const merge *by = &b->slots[i];
        if (by->pair == no_pair) continue;
        sure = is_clear(&m, by);
        m.maker[by->id] = by;
    }
    b->joints = mem_new(JOINT_BITS / 32, sizeof *b->joints);
    for (size_t i = 0; sure && i <= b->mask; i++) {
        const merge *by = &b->slots[i];
        if (by->pair == no_pair) continue;
        sure = agrees(&m, by);
        uint32_t joint = joint_of(b, outermost(&m, (int)(by->pair >> 32), true), outermost(&m, (int)(uint32_t)by->pair, false));
        b->joints[joint / 32] |= 1u << joint % 32;
    }
    if (!sure) {
        free(b->joints);
        b->joints = NULL;
    }
    free(m.maker);
}

static bool can_join(const bpe *b, int left, int right) {
    uint32_t joint = joint_of(b, left, right);
    return b->joints[joint / 32] >> joint % 32 & 1;
}

/* ---- loading ---- */

static int id_of(const bpe *b, const char *s, size_t n) {
    int id;
    return strmap_get(b->vocab->ids, s, n, &id) ? id : -1;
}

static lmm_status load_affix(char **out, size_t *size, const tree *model, const char *key, const char *name) {
    const tree *t = tree_get(model, key);
    if (t && t->type != TREE_NULL && t->type != TREE_STRING) return tok_bad(name, "'model.%s' must be a string", key);
    bool there = t && t->type == TREE_STRING;
    *size = there ? t->text_size : 0;
    *out = mem_strndup(there ? t->text : "", *size);
    return LMM_OK;
}

static void fill_tables(bpe *b) {
    for (uint32_t cp = 0; cp < TABLE_CHARS; cp++) {
        char c[4];
        b->chars[cp] = id_of(b, c, (size_t)utf8_encode(cp, c));
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        char spelled[8];
        snprintf(spelled, sizeof spelled, "<0x%02X>", byte);
        b->bytes[byte] = id_of(b, spelled, 6);
    }
}

lmm_status bpe_load(bpe **out, const tree *model, const tok_vocab *v, int unk, const char *name) {
    bpe *b = mem_new(1, sizeof *b);
    b->vocab = v;
    b->unk = unk;
    b->seed = (uint64_t)(uintptr_t)b; /* against prepared collisions; nothing visible depends on it */
    lmm_status st = load_affix(&b->prefix, &b->prefix_size, model, "continuing_subword_prefix", name);
    if (!st) st = load_affix(&b->suffix, &b->suffix_size, model, "end_of_word_suffix", name);
    if (!st) st = tok_flag(&b->fuse_unk, model, "fuse_unk", false, name);
    if (!st) st = tok_flag(&b->byte_fallback, model, "byte_fallback", false, name);
    if (!st) st = tok_flag(&b->ignore_merges, model, "ignore_merges", false, name);
    const tree *scores = tree_get(model, "scores");
    if (!st) st = scores && scores->type == TREE_LIST ? load_scores(b, scores, name) : load_merges(b, model, name);
    if (!st) {
        fill_tables(b);
        note_joints(b);
    }
    if (st) bpe_free(b);
    else *out = b;
    return st;
}

void bpe_free(bpe *b) {
    if (!b) return;
    free(b->slots);
    free(b->joints);
    free(b->prefix);
    free(b->suffix);
    free(b);
}

void bpe_scratch_free(bpe_scratch *s) {
    free(s->symbols.at);
    free(s->heap.at);
    buf_free(&s->key);
}

/* ---- characters to symbols ---- */

static void add_symbol(bpe_scratch *s, int id) {
    int at = s->symbols.count;
    VEC_PUSH(&s->symbols, ((bpe_symbol){.id = id, .previous = at - 1, .next = at + 1}));
}

/* A character the vocabulary lacks, as its bytes; false when not all of them have tokens. */
static bool add_bytes(const bpe *b, const char *c, size_t n, bpe_scratch *s) {
    for (size_t i = 0; i < n; i++)
        if (b->bytes[(unsigned char)c[i]] < 0) return false;
    for (size_t i = 0; i < n; i++) add_symbol(s, b->bytes[(unsigned char)c[i]]);
    return true;
}

static void add_symbols(const bpe *b, const char *text, int n, bpe_scratch *s) {
    bool unknown = false; /* an unknown token waits, to be fused with more */
    s->symbols.count = 0;
    for (int at = 0, size; at < n; at += size) {
        uint32_t cp;
        size = utf8_decode(text + at, (size_t)(n - at), &cp);
        const char *key = text + at;
        size_t key_size = (size_t)size;
        int id;
        bool prefixed = at > 0 && b->prefix_size, suffixed = at + size == n && b->suffix_size;
        if (prefixed || suffixed) {
            buf_reset(&s->key);
            if (prefixed) buf_put(&s->key, b->prefix, b->prefix_size);
            buf_put(&s->key, text + at, (size_t)size);
            if (suffixed) buf_put(&s->key, b->suffix, b->suffix_size);
            key = s->key.data, key_size = s->key.size;
            id = id_of(b, key, key_size);
        } else id = cp < TABLE_CHARS ? b->chars[cp] : id_of(b, key, key_size);
        if (id >= 0) {
            if (unknown) add_symbol(s, b->unk);
            unknown = false;
            add_symbol(s, id);
        } else if (b->byte_fallback && add_bytes(b, key, key_size, s)) continue; /* what waits goes on waiting, as in the library */
        else if (b->unk >= 0) {
            if (unknown && !b->fuse_unk) add_symbol(s, b->unk);
            unknown = true;
        }
    }
    if (unknown) add_symbol(s, b->unk);
}

/* ---- merging ---- */

static void heap_push(key_heap *h, uint64_t entry) {
    VEC_PUSH(h, entry);
    uint64_t *at = h->at;
    int i = h->count - 1;
    for (int parent; i > 0 && at[parent = (i - 1) / 2] > entry; i = parent) at[i] = at[parent];
    at[i] = entry;
}

static uint64_t heap_pop(key_heap *h) {
    uint64_t *at = h->at, top = at[0], entry = at[--h->count];
    int i = 0;
    for (int child; (child = 2 * i + 1) < h->count; i = child) {
        if (child + 1 < h->count && at[child + 1] < at[child]) child++;
        if (at[child] >= entry) break;
        at[i] = at[child];
    }
    at[i] = entry;
    return top;
}

static uint64_t entry_of(int rank, int position) { return (uint64_t)rank << 32 | (uint32_t)position; }

/* Joins the symbol at `at` with its right neighbour if their pair still has this rank. */
static bool join(const bpe *b, bpe_symbol *symbols, int at, int rank) {
    int next = symbols[at].next;
    if (symbols[at].id < 0 || next < 0) return false; /* joined to its left since, or the last one now */
    const merge *m = merge_find(b, symbols[at].id, symbols[next].id);
    if (!m || m->rank != rank) return false;
    symbols[at].id = m->id;
    symbols[at].next = symbols[next].next;
    symbols[next].id = -1;
    if (symbols[at].next >= 0) symbols[symbols[at].next].previous = at;
    return true;
}

static const merge *pair_at(const bpe *b, const bpe_symbol *symbols, int left) {
    return merge_find(b, symbols[left].id, symbols[symbols[left].next].id);
}

static void merge_by_heap(const bpe *b, bpe_scratch *s, int begin, int end) {
    bpe_symbol *symbols = s->symbols.at;
    const merge *m;
    s->heap.count = 0;
    for (int i = begin; i + 1 < end; i++)
        if ((m = pair_at(b, symbols, i))) heap_push(&s->heap, entry_of(m->rank, i));
    while (s->heap.count) {
        uint64_t entry = heap_pop(&s->heap);
        int at = (int)(uint32_t)entry;
        if (!join(b, symbols, at, (int)(entry >> 32))) continue;
        if (symbols[at].next >= 0 && (m = pair_at(b, symbols, at))) heap_push(&s->heap, entry_of(m->rank, at));
        if (symbols[at].previous >= 0 && (m = pair_at(b, symbols, symbols[at].previous)))
            heap_push(&s->heap, entry_of(m->rank, symbols[at].previous));
    }
}

/* The positions of one rank: those that came in order, and a heap of the others. */
typedef struct {
    VEC(int) sorted;
    int taken;
    bool queued;
    key_heap late;
} positions;

/* The queue holds every rank that has positions. */
static void list_pair(key_heap *queue, positions *lists, int rank, int position) {
    positions *l = &lists[rank];
    if (l->sorted.count > l->taken && l->sorted.at[l->sorted.count - 1] > position) heap_push(&l->late, (uint64_t)position);
    else VEC_PUSH(&l->sorted, position);
    if (!l->queued) heap_push(queue, (uint64_t)rank);
    l->queued = true;
}

/* The leftmost position, -1 when none is left. */
static int take_position(positions *l) {
    bool has = l->taken < l->sorted.count;
    if (l->late.count && (!has || l->late.at[0] < (uint64_t)l->sorted.at[l->taken])) return (int)heap_pop(&l->late);
    if (has) return l->sorted.at[l->taken++];
    l->sorted.count = l->taken = 0;
    return -1;
}

static void merge_by_rank(const bpe *b, bpe_scratch *s, int begin, int end) {
    bpe_symbol *symbols = s->symbols.at;
    positions *lists = mem_new((size_t)b->rank_count, sizeof *lists);
    const merge *m;
    s->heap.count = 0;
    for (int i = begin; i + 1 < end; i++)
        if ((m = pair_at(b, symbols, i))) list_pair(&s->heap, lists, m->rank, i);
    while (s->heap.count) {
        int rank = (int)s->heap.at[0], at = take_position(&lists[rank]);
        if (at < 0) {
            heap_pop(&s->heap);
            lists[rank].queued = false;
        } else if (join(b, symbols, at, rank)) {
            if (symbols[at].previous >= 0 && (m = pair_at(b, symbols, symbols[at].previous)))
                list_pair(&s->heap, lists, m->rank, symbols[at].previous);
            if (symbols[at].next >= 0 && (m = pair_at(b, symbols, at))) list_pair(&s->heap, lists, m->rank, at);
        }
    }
    for (int i = 0; i < b->rank_count; i++) {
        free(lists[i].sorted.at);
        free(lists[i].late.at);
    }
    free(lists);
}

static void merge_run(const bpe *b, bpe_scratch *s, int begin, int end) {
    s->symbols.at[begin].previous = s->symbols.at[end - 1].next = -1;
    if (end - begin >= (s->long_run ? s->long_run : LONG_RUN)) merge_by_rank(b, s, begin, end);
    else merge_by_heap(b, s, begin, end);
}

static void merge_symbols(const bpe *b, bpe_scratch *s) {
    int count = s->symbols.count, begin = 0;
    if (count < 2) return;
    for (int i = 1; b->joints && count > SHORT_RUN && i < count; i++) {
        if (can_join(b, s->symbols.at[i - 1].id, s->symbols.at[i].id)) continue;
        if (i - begin > 1) merge_run(b, s, begin, i);
        begin = i;
    }
    if (count - begin > 1) merge_run(b, s, begin, count);
}

void bpe_encode(const bpe *b, const char *text, int n, bpe_scratch *s, id_list *out) {
    int id;
    if (b->ignore_merges && (id = id_of(b, text, (size_t)n)) >= 0) {
        VEC_PUSH(out, id);
        return;
    }
    add_symbols(b, text, n, s);
    merge_symbols(b, s);
    for (int i = 0; i < s->symbols.count; i++)
        if (s->symbols.at[i].id >= 0) VEC_PUSH(out, s->symbols.at[i].id);
}
