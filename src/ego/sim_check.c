/* sim_check.c - the gates a world must pass before anybody is measured on it, from its files alone.
 *
 * G1 what guessing by form or by counting mentions gets, G3 letters, types and certificates, G6 repeated questions, G7 hashes to compare between machines,
 * and traps. G2 (oracle) and G4 (witnesses deleted) need a reader: `lmm ego eval --oracle` and `--system nothing` measure them. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/sim_world.h"

enum { LINE_MAX_COUNT = 1 << 20 };

typedef struct {
    int64_t t;
    char *text;
} line;

typedef struct {
    VEC(line) lines; /* captions and transcripts of one wearer, noisy, in order of files */
    sha256 hash;
    int n, letters[4], buckets[4], traps, longest, frequent, recent, repeated, failed;
    VEC(char *) seen;
} checker;

static int64_t stamp_ms(int day, const char *s) {
    int64_t v = strtoll(s, NULL, 10);
    return (int64_t)(day - 1) * DAY_MS + ((v / 1000000 * 60 + v / 10000 % 100) * 60 + v / 100 % 100) * 1000;
}

/* Texts of one SRT with their times; our own files, written by sim_main.c. */
static lmm_status read_srt(checker *c, const char *path) {
    char *text;
    const char *day = strstr(path_base(path), "_DAY");
    lmm_status st = file_read(&text, NULL, path, 1 << 26);
    if (st) return st;
    int64_t base = day ? stamp_ms(atoi(day + 4), strrchr(day, '_') + 1) : 0, at = base;
    for (char *p = text, *end; *p && c->lines.count < LINE_MAX_COUNT; p = end + (*end == '\n')) {
        end = p + strcspn(p, "\n");
        if (end - p > 12 && !strncmp(p + 13, "-->", 3)) at = base + ((int64_t)atoi(p) * 3600 + atoi(p + 3) * 60 + atoi(p + 6)) * 1000;
        else if (end - p > 5) VEC_PUSH(&c->lines, ((line){at, mem_strndup(p, (size_t)(end - p))}));
    }
    free(text);
    return LMM_OK;
}

static lmm_status read_tree(checker *c, const char *path) {
    if (!file_is_dir(path)) return read_srt(c, path);
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, path);
    for (int i = 0; !st && i < count; i++) {
        char *child = path_join(path, names[i]);
        st = read_tree(c, child);
        free(child);
    }
    if (!st) names_free(names, count);
    return st;
}

/* How often, and when last, a wearer's text before the question holds the option's words as they stand. */
static void mentions(const checker *c, const char *option, int64_t until, int *count, int64_t *last) {
    const char *s = !strncmp(option, "In the ", 7) ? option + 7 : !strncmp(option, "It ", 3) ? option + 3 : option;
    *count = 0, *last = -1;
    for (int i = 0; i < c->lines.count; i++)
        if (c->lines.at[i].t <= until && strstr(c->lines.at[i].text, s)) {
            ++*count;
            if (c->lines.at[i].t > *last) *last = c->lines.at[i].t;
        }
}

static void shortcuts(checker *c, const tree *q, int gold, int64_t at) {
    int longest = 0, frequent = 0, recent = 0, most = -1;
    int64_t latest = -2;
    size_t length = 0;
    for (int k = 0; k < 4; k++) {
        char key[] = "choice_a";
        key[7] = (char)('a' + k);
        const char *o = tree_str(q, key, "");
        int n;
        int64_t last;
        mentions(c, o, at, &n, &last);
        if (strlen(o) > length) length = strlen(o), longest = k;
        if (n > most) most = n, frequent = k;
        if (last > latest) latest = last, recent = k;
    }
    c->longest += longest == gold, c->frequent += frequent == gold, c->recent += recent == gold;
}

static const tree *sealed_of(const tree *sealed, const char *id) {
    for (int i = 0; i < sealed->count; i++)
        if (!strcmp(tree_str(sealed->items[i], "ID", ""), id)) return sealed->items[i];
    return NULL;
}

/* Same wording within half an hour. */
static void repeats(checker *c, const char *who, const char *wording, int64_t at) {
    char *now = mem_printf("%s|%s|%" PRId64, who, wording, at / (30 * 60000));
    for (int i = 0; i < c->seen.count; i++)
        if (!strcmp(c->seen.at[i], now)) c->repeated++;
    VEC_PUSH(&c->seen, now);
}

static void check_question(checker *c, const tree *q, const tree *sealed, const char *who) {
    const tree *s = sealed_of(sealed, tree_str(q, "ID", ""));
    int gold = s ? tree_str(s, "answer", "?")[0] - 'A' : -1;
    const tree *when = tree_get(q, "query_time");
    const char *date = tree_str(when, "date", "DAY1");
    int64_t at = stamp_ms(strlen(date) > 3 ? atoi(date + 3) : 1, tree_str(when, "time", "0")), span = tree_int(s, "cert_span_s", 0);
    c->n++;
    if (gold < 0 || gold > 3) return;
    c->letters[gold]++;
    c->buckets[span < 7200 ? 0 : span < 21600 ? 1 : span < 86400 ? 2 : 3]++;
    c->traps += tree_get(s, "future_answer") != NULL;
    shortcuts(c, q, gold, at);
    repeats(c, who, tree_str(q, "question", ""), at);
}

static lmm_status check_wearer(checker *c, const char *dir, const char *who) {
    char *pub = mem_printf("%s/questions/EgoSimQA_%s.public.json", dir, who),
         *sea = mem_printf("%s/sealed/EgoSimQA_%s.sealed.json", dir, who);
    char *captions = mem_printf("%s/noisy/EgoLifeCap/DenseCaption/%s", dir, who),
         *speech = mem_printf("%s/noisy/EgoLifeCap/Transcript/%s", dir, who);
    tree *q = NULL, *s = NULL;
    lmm_status st = tree_load(&q, pub);
    if (!st) st = tree_load(&s, sea);
    if (!st) st = read_tree(c, captions);
    if (!st) st = read_tree(c, speech);
    for (int i = 0; !st && i < q->count; i++) check_question(c, q->items[i], s, who);
    for (int i = 0; i < c->lines.count; i++)
        sha256_put(&c->hash, c->lines.at[i].text, strlen(c->lines.at[i].text)), free(c->lines.at[i].text);
    c->lines.count = 0;
    tree_free(q), tree_free(s);
    free(pub), free(sea), free(captions), free(speech);
    return st;
}

static void gate(checker *c, const char *name, double value, double low, double high) {
    bool ok = value >= low && value <= high;
    c->failed += !ok;
    printf("%-46s %7.2f  in [%g, %g]  %s\n", name, value, low, high, ok ? "passed" : "FAILED");
}

static void gates(checker *c) {
    double n = c->n ? c->n : 1, chi = 0;
    for (int k = 0; k < 4; k++) chi += (c->letters[k] - n / 4) * (c->letters[k] - n / 4) / (n / 4);
    gate(c, "G0 phrases test shares with other banks", sim_bank_shared(), 0, 0);
    gate(c, "G1 longest option, %", 100 * c->longest / n, 0, 30);
    gate(c, "G1 option mentioned most often, %", 100 * c->frequent / n, 0, 36);
    gate(c, "G1 option mentioned most recently, %", 100 * c->recent / n, 0, 40);
    gate(c, "G3 letters, chi-squared of 3 degrees", chi, 0, 7.81);
    static const char *const names[4] = {"G3 certificate under 2 h, %", "G3 certificate 2-6 h, %", "G3 certificate 6-24 h, %",
                                         "G3 certificate over 24 h, %"};
    static const double share[4] = {30, 25, 22, 23};
    for (int k = 0; k < 4; k++) gate(c, names[k], 100 * c->buckets[k] / n, share[k] - 10, share[k] + 10);
    gate(c, "G3 questions with a future trap, %", 100 * c->traps / n, 35, 100);
    gate(c, "G6 repeated questions", c->repeated, 0, 0);
}

int sim_check(const char *dir) {
    checker c = {0};
    tree *about = NULL;
    char *path = path_join(dir, "world.json");
    unsigned char digest[32];
    sha256_init(&c.hash);
    lmm_status st = tree_load(&about, path);
    const tree *wearers = st ? NULL : tree_get(about, "wearers");
    for (int i = 0; !st && wearers && i < wearers->count; i++) st = check_wearer(&c, dir, wearers->items[i]->text);
    if (st) fprintf(stderr, "%s\n", lmm_message());
    else gates(&c);
    sha256_end(&c.hash, digest);
    printf("G7 noisy text of %d questions' wearers: ", c.n);
    for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
    printf("\n");
    for (int i = 0; i < c.seen.count; i++) free(c.seen.at[i]);
    free(c.seen.at), free(c.lines.at), free(path);
    tree_free(about);
    return st ? 1 : c.failed;
}
