/* sim_check.c - the gates a world must pass before anybody is measured on it.
 *
 * From its files: G0 what banks share, G1 what guessing by form, by counting mentions or by the best matching line gets, G3 letters, certificates and
 * traps, G6 repeated questions, G7 hashes to compare between machines. From its seed: G2 and G4 (sim_gates.c), and G5 where there is a media track
 * (sim_media.c). */
#include <math.h>
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
    int n, letters[4], buckets[4], traps, longest, frequent, recent, matching, repeated, failed;
    VEC(line) seen;
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

/* Option k without the words that only frame it. */
static const char *option_core(const tree *q, int k) {
    static const char *const keys[4] = {"choice_a", "choice_b", "choice_c", "choice_d"};
    const char *s = tree_str(q, keys[k], "");
    return !strncmp(s, "In the ", 7) ? s + 7 : !strncmp(s, "It ", 3) ? s + 3 : s;
}

/* How often, and when last, a wearer's text before the question holds the option's words as they stand. */
static void mentions(const checker *c, const char *s, int64_t until, int *count, int64_t *last) {
    *count = 0, *last = -1;
    for (int i = 0; i < c->lines.count; i++)
        if (c->lines.at[i].t <= until && strstr(c->lines.at[i].text, s)) {
            ++*count;
            if (c->lines.at[i].t > *last) *last = c->lines.at[i].t;
        }
}

/* Rows before `until` that hold the word, and their number. */
static int rows_with(const checker *c, const char *word, int64_t until) {
    int n = 0;
    for (int i = 0; i < c->lines.count; i++) n += c->lines.at[i].t <= until && strstr(c->lines.at[i].text, word);
    return n;
}

/* The option that the line with the question's rarest words names. */
static int best_matching(const checker *c, const tree *q, int64_t until) {
    char word[24][24];
    double weight[24], most = 0;
    int words = 0, best = -1;
    for (const char *p = tree_str(q, "question", ""); *p && words < 24;) {
        size_t n = strcspn(p, " ,:;?.!");
        if (n > 3 && n < 24) {
            snprintf(word[words], sizeof word[words], "%.*s", (int)n, p);
            int rows = rows_with(c, word[words], until);
            weight[words] = rows ? log(1 + (double)c->lines.count / rows) : 0;
            words++;
        }
        p += n + (p[n] != 0);
    }
    for (int i = 0; i < c->lines.count; i++) {
        double sum = 0;
        for (int k = 0; k < words && c->lines.at[i].t <= until; k++)
            sum += weight[k] > 0 && strstr(c->lines.at[i].text, word[k]) ? weight[k] : 0;
        if (sum >= most && sum > 0) most = sum, best = i;
    }
    for (int k = 0; best >= 0 && k < 4; k++)
        if (strstr(c->lines.at[best].text, option_core(q, k))) return k;
    return -1;
}

static void shortcuts(checker *c, const tree *q, int gold, int64_t at) {
    int longest = 0, frequent = 0, recent = 0, most = -1;
    int64_t latest = -2;
    size_t length = 0;
    for (int k = 0; k < 4; k++) {
        const char *o = option_core(q, k);
        int n;
        int64_t last;
        mentions(c, o, at, &n, &last);
        if (strlen(o) > length) length = strlen(o), longest = k;
        if (n > most) most = n, frequent = k;
        if (last > latest) latest = last, recent = k;
    }
    c->matching += best_matching(c, q, at) == gold;
    c->longest += longest == gold, c->frequent += frequent == gold, c->recent += recent == gold;
}

static const tree *sealed_of(const tree *sealed, const char *id) {
    for (int i = 0; i < sealed->count; i++)
        if (!strcmp(tree_str(sealed->items[i], "ID", ""), id)) return sealed->items[i];
    return NULL;
}

/* Of one wearer the same family and arguments within half an hour. */
static void repeats(checker *c, const char *who, const tree *sealed, int64_t at) {
    const tree *args = tree_get(sealed, "args");
    if (!args || args->type != TREE_LIST || args->count != 2) return;
    char *now = mem_printf("%s %s %" PRId64 " %" PRId64, who, tree_str(sealed, "family", ""), args->items[0]->i, args->items[1]->i);
    for (int i = 0; i < c->seen.count; i++)
        if (llabs(c->seen.at[i].t - at) <= 30 * 60000 && !strcmp(c->seen.at[i].text, now)) c->repeated++;
    VEC_PUSH(&c->seen, ((line){at, now}));
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
    repeats(c, who, s, at);
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
    gate(c, "G1 option in the best matching line, %", 100 * c->matching / n, 0, 42);
    gate(c, "G3 letters, chi-squared of 3 degrees", chi, 0, 7.81);
    static const char *const names[4] = {"G3 certificate under 2 h, %", "G3 certificate 2-6 h, %", "G3 certificate 6-24 h, %",
                                         "G3 certificate over 24 h, %"};
    static const double share[4] = {30, 25, 22, 23};
    for (int k = 0; k < 4; k++) gate(c, names[k], 100 * c->buckets[k] / n, share[k] - 10, share[k] + 10);
    gate(c, "G3 questions with a future trap, %", 100 * c->traps / n, 35, 100);
    gate(c, "G6 repeated questions", c->repeated, 0, 0);
}

/* What the clean text says of the witnesses, from pictures and sound of the rendered tracks. */
static lmm_status media_gate(checker *c, const char *dir) {
    sim_media_lines m;
    lmm_status st = sim_media(dir, &m);
    if (st) return fprintf(stderr, "%s\n", lmm_message()), st;
    if (!m.tracks) return puts("G5 media: there is no media track; not checked"), LMM_OK;
    printf("G5 media: %d tracks; %d of %d captions shown, %d of %d sayings heard\n", m.tracks, m.shown, m.captions, m.heard, m.sayings);
    if (m.silent) printf("G5 media: %d tracks without heard.json; what is said in them is not checked\n", m.silent);
    int all = m.captions + m.sayings;
    if (all) gate(c, "G5 witnesses the media track gives back, %", 100.0 * (m.shown + m.heard) / all, 90, 100);
    return LMM_OK;
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
    sim_replayed again = {0};
    if (!st) st = sim_replay(dir, &again);
    if (!st) {
        gate(&c, "G2 sealed answers the executor finds, %", again.sealed_right, 100, 100);
        gate(&c, "G4 answered without the witnesses, %", again.without_witness, 0, 35);
        gate(&c, "G4 answered without as many others, %", again.without_others, 97, 100);
        st = media_gate(&c, dir);
    }
    sha256_end(&c.hash, digest);
    printf("G7 noisy text of %d questions' wearers: ", c.n);
    for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
    printf("\n");
    for (int i = 0; i < c.seen.count; i++) free(c.seen.at[i].text);
    free(c.seen.at), free(c.lines.at), free(path);
    tree_free(about);
    return st ? 1 : c.failed;
}
