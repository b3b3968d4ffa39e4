/* pairs.c - pairs of answers for preference training, from a model's own answers and a judge: k answers a prompt, a score each, the best against the worst (rl.md 8.8).
 *
 * Everything that was answered or judged is a line of a journal, written when it comes, so a run that is broken off goes on. The pairs are a function of the journal. What is drawn for an
 * answer depends on prompt, number and seed alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { ROWS_MAX = 1 << 24, SAMPLES_MAX = 64 };

typedef struct {
    char *text;    /* NULL: not answered */
    double score;  /* NAN: none yet */
    int asked;     /* how often the judge was */
    bool hopeless; /* there will be none */
} sampled;

typedef struct {
    const lmm_pairs_opts *o;
    table data;
    sampled *all; /* (rows, samples) */
    FILE *journal;
    progress *bar;
    char **sent; /* messages on their way, (rows, samples) */
    int next, taken;
    bool judging;
    lmm_pairs_report report;
} pairing;

/* ---- a row ---- */

static const char *prompt_of(const tree *row) {
    static const char *const keys[] = {"prompt", "problem", "question"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (tree_str(row, keys[i], NULL)) return tree_str(row, keys[i], NULL);
    const tree *turns = tree_get(row, "conversations");
    return turns && turns->type == TREE_LIST && turns->count ? tree_str(turns->items[0], "value", NULL) : NULL;
}

/* What a judge that reads goes by. */
static lmm_status evidence_of(const char **out, const tree *row) {
    static const char *const keys[] = {"evidence", "caption", "description"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if ((*out = tree_str(row, keys[i], NULL))) return LMM_OK;
    return LMM_FAIL(LMM_E_FORMAT, "it has no 'evidence', 'caption' or 'description' for a judge that reads");
}

/* The prompt without the marks where pictures stand. */
static char *without_marks(const char *text) {
    static const char *const marks[] = {"<image>\n", "<image>", "<video>\n", "<video>"};
    buf b = {0};
    while (*text) {
        size_t skip = 0;
        for (size_t i = 0; i < COUNT_OF(marks) && !skip; i++)
            if (!strncmp(text, marks[i], strlen(marks[i]))) skip = strlen(marks[i]);
        if (!skip) buf_putc(&b, *text++);
        text += skip;
    }
    return buf_take(&b);
}

static const tree *pictures_of(const tree *row) { return tree_get(row, "images") ? tree_get(row, "images") : tree_get(row, "image"); }

static void add_text(tree *parts, const char *text) {
    tree *part = tree_new(TREE_MAP);
    tree_put(part, "type", tree_new_string("text"));
    tree_put(part, "text", tree_new_string(text));
    tree_add(parts, part);
}

static lmm_status add_picture(tree *parts, const char *folder, const char *name) {
    char *path = path_join(folder, name), *bytes = NULL;
    size_t n;
    lmm_status st = file_read(&bytes, &n, path, (size_t)256 << 20);
    free(path);
    if (st) return st;
    char *uri = picture_uri(bytes, n);
    tree *part = tree_new(TREE_MAP), *url = tree_new(TREE_MAP);
    tree_put(url, "url", tree_new_string(uri));
    tree_put(part, "type", tree_new_string("image_url"));
    tree_put(part, "image_url", url);
    tree_add(parts, part);
    free(uri);
    free(bytes);
    return LMM_OK;
}

static lmm_status add_pictures(tree *parts, const char *folder, const tree *row) {
    const tree *p = pictures_of(row);
    if (p && p->type == TREE_STRING) return add_picture(parts, folder, p->text);
    lmm_status st = LMM_OK;
    for (int i = 0; p && p->type == TREE_LIST && i < p->count && !st; i++)
        st = p->items[i]->type == TREE_STRING ? add_picture(parts, folder, p->items[i]->text)
                                              : LMM_FAIL(LMM_E_FORMAT, "'images' has to name files");
    return st;
}

static char *one_message(tree *parts) {
    tree *list = tree_new(TREE_LIST), *message = tree_new(TREE_MAP);
    buf json = {0};
    tree_put(message, "role", tree_new_string("user"));
    tree_put(message, "content", parts);
    tree_add(list, message);
    tree_write_json(&json, list, 0);
    tree_free(list);
    return buf_take(&json);
}

static lmm_status policy_message(char **out, const pairing *p, const tree *row) {
    tree *parts = tree_new(TREE_LIST);
    char *prompt = without_marks(prompt_of(row));
    lmm_status st = add_pictures(parts, p->o->images, row);
    if (!st) add_text(parts, prompt);
    free(prompt);
    if (st) return tree_free(parts), st;
    return *out = one_message(parts), LMM_OK;
}

/* The judge sees the pictures, or a description of them, and the reference answer when the row has one. */
static lmm_status judge_message(char **out, const pairing *p, const tree *row, const char *answer) {
    tree *parts = tree_new(TREE_LIST);
    char *prompt = without_marks(prompt_of(row));
    const char *evidence = NULL, *reference = tree_str(row, "answer", tree_str(row, "solution", NULL));
    buf text = {0};
    lmm_status st = p->o->text_evidence ? evidence_of(&evidence, row) : add_pictures(parts, p->o->images, row);
    buf_puts(&text, "Rate how good an answer to a question is. Facts count first: what is said must be true of what is shown.\n");
    if (evidence) buf_printf(&text, "What is shown: %s\n", evidence);
    if (reference) buf_printf(&text, "A right answer: %s\n", reference);
    buf_printf(&text, "Question: %s\nAnswer to rate: %s\n", prompt, answer);
    buf_puts(&text, "Reply with one line, \"Score: N\", N from 1 (wrong or made up) to 5 (right and helpful).");
    if (!st) add_text(parts, text.data);
    buf_free(&text);
    free(prompt);
    if (st) return tree_free(parts), st;
    return *out = one_message(parts), LMM_OK;
}

/* The number behind "score", else the reply when it is a number alone; NAN for anything but 1 to 5. */
double pairs_score(const char *reply) {
    const char *at = reply;
    for (const char *s = reply; *s; s++)
        if (!strncmp(s, "Score", 5) || !strncmp(s, "score", 5)) {
            at = s + 5 + strspn(s + 5, " :=*_\t");
            break;
        }
    char *end;
    at += strspn(at, " \t\r\n");
    if (*at < '0' || *at > '9') return NAN;
    double x = strtod(at, &end);
    bool named = at > reply + 4 && at[-1] != '\n';
    if (!named && end[strspn(end, " .\t\r\n")]) return NAN;
    return x >= 1 && x <= 5 ? x : NAN;
}

/* ---- the journal ---- */

static void note(pairing *p, int at, const char *key, tree *value) {
    tree *line = tree_new(TREE_MAP);
    buf json = {0};
    tree_put(line, "row", tree_new_int(at / p->o->samples));
    tree_put(line, "sample", tree_new_int(at % p->o->samples));
    tree_put(line, key, value);
    tree_write_json(&json, line, 0);
    buf_putc(&json, '\n');
    fwrite(json.data, 1, json.size, p->journal);
    fflush(p->journal);
    buf_free(&json);
    tree_free(line);
}

/* What answers and scores depend on, as the first line. */
static char *heading(const pairing *p) {
    tree *t = tree_new(TREE_MAP);
    buf json = {0}, rows = {0};
    for (int i = 0; i < p->data.count; i++) tree_write_json(&rows, table_row(&p->data, i), 0);
    char *hash = mem_printf("%016" PRIx64, hash_u64(rows.data ? rows.data : "", rows.size, 1));
    tree_put(t, "prompts", tree_new_string(hash));
    tree_put(t, "policy", tree_new_string(p->o->policy_name));
    tree_put(t, "judge", tree_new_string(p->o->judge_name));
    tree_put(t, "samples", tree_new_int(p->o->samples));
    tree_put(t, "temperature", tree_new_real(p->o->temperature));
    tree_put(t, "top_p", tree_new_real(p->o->top_p));
    tree_put(t, "max_tokens", tree_new_int(p->o->max_tokens));
    tree_put(t, "seed", tree_new_int((int64_t)p->o->seed));
    tree_put(t, "text_evidence", tree_new_bool(p->o->text_evidence));
    if (p->o->likelihood) tree_put(t, "judged_by", tree_new_string("likelihood"));
    tree_write_json(&json, t, 0);
    free(hash);
    buf_free(&rows);
    tree_free(t);
    return buf_take(&json);
}

static void recall(pairing *p, const tree *line) {
    int64_t row = tree_int(line, "row", -1), sample = tree_int(line, "sample", -1);
    if (row < 0 || row >= p->data.count || sample < 0 || sample >= p->o->samples) return;
    sampled *s = &p->all[row * p->o->samples + sample];
    const tree *score = tree_get(line, "score");
    const char *answer = tree_str(line, "answer", NULL);
    if (answer && !s->text) s->text = mem_strdup(answer);
    if (!score) return;
    s->score = score->type == TREE_NULL ? NAN : score->real;
    s->hopeless = score->type == TREE_NULL;
}

/* Reads whole lines; a last one that was cut is answered again. Gives the bytes that hold. */
static lmm_status read_journal(pairing *p, const char *path, const char *head, size_t *good) {
    char *text = NULL;
    size_t size = 0;
    *good = 0;
    if (!file_exists(path)) return LMM_OK;
    lmm_status st = file_read(&text, &size, path, (size_t)4 << 30);
    if (st) return st;
    for (size_t at = 0; at < size && !st;) {
        const char *end = memchr(text + at, '\n', size - at);
        tree *line = NULL;
        if (!end) break;
        size_t n = (size_t)(end - text) - at;
        if (!at && (n != strlen(head) || memcmp(text, head, n)))
            st = LMM_FAIL(LMM_E_ARG, "'%s' was begun with other prompts, models or settings: give another --out, or remove it", path);
        else if (at && tree_parse_json(&line, text + at, n, path)) break;
        else if (at) recall(p, line);
        tree_free(line);
        at += n + 1;
        *good = at;
    }
    free(text);
    return st;
}

static lmm_status open_journal(pairing *p, const char *path) {
    char *head = heading(p), *kept = NULL;
    size_t good, size;
    lmm_status st = read_journal(p, path, head, &good);
    if (!st && good) { /* without a line that was cut */
        st = file_read(&kept, &size, path, (size_t)4 << 30);
        if (!st && size > good) st = file_write(path, kept, good);
        free(kept);
    }
    if (!st && !(p->journal = fopen(path, "ab"))) st = LMM_FAIL(LMM_E_IO, "'%s' cannot be written", path);
    if (!st && !good) fprintf(p->journal, "%s\n", head), fflush(p->journal);
    free(head);
    return st;
}

/* ---- asking ---- */

/* A prompt that cannot be asked is named once. */
static void give_up(pairing *p, int at, bool name_it) {
    if (name_it) fprintf(stderr, "lmm: prompt %d: %s\n", at / p->o->samples + 1, lmm_message());
    p->all[at].hopeless = true;
}

static bool wanted(const pairing *p, const sampled *s) {
    return p->judging ? s->text && isnan(s->score) && !s->hopeless && s->asked <= p->o->retries : !s->text && !s->hopeless;
}

static lmm_status give_next(void *arg, lmm_chat_request *out, bool *there) {
    pairing *p = arg;
    const int all = p->data.count * p->o->samples;
    for (*there = false; p->next < all && !*there; p->next++) {
        const int at = p->next;
        const tree *row = table_row(&p->data, at / p->o->samples);
        if (!wanted(p, &p->all[at])) continue;
        lmm_status st = !prompt_of(row) ? LMM_FAIL(LMM_E_FORMAT, "it has no 'prompt', 'problem', 'question' or 'conversations'")
                        : p->judging    ? judge_message(&p->sent[at], p, row, p->all[at].text)
                                        : policy_message(&p->sent[at], p, row);
        if (st == LMM_E_MEMORY) return st;
        if (st) {
            give_up(p, at, at % p->o->samples == 0 || p->judging);
            continue;
        }
        uint64_t seed = hash_u64(&at, sizeof at, p->o->seed + (p->judging ? 1 + (uint64_t)p->all[at].asked : 0));
        *out = (lmm_chat_request){.id = at, .messages = p->sent[at], .seed = (int64_t)(seed >> 33)};
        out->max_tokens = p->judging ? p->o->judge_tokens : p->o->max_tokens;
        out->temperature =
            p->judging ? (p->all[at].asked ? 0.7 : 0) : p->o->temperature; /* a judge who talked nonsense is to say something else */
        out->top_p = p->judging ? 0 : p->o->top_p;
        *there = true;
    }
    return LMM_OK;
}

static lmm_status take(void *arg, int64_t id, const lmm_chat_reply *reply) {
    pairing *p = arg;
    sampled *s = &p->all[id];
    free(p->sent[id]);
    p->sent[id] = NULL;
    if (p->bar) progress_set(p->bar, ++p->taken, NULL);
    if (reply->input_tokens > 0) p->report.input_tokens += reply->input_tokens;
    if (reply->output_tokens > 0) p->report.output_tokens += reply->output_tokens;
    p->report.failed += !reply->text;
    if (!p->judging) {
        if (!reply->text) return LMM_OK;                                    /* asked again by the next run */
        s->text = mem_strdup(reply->text + strspn(reply->text, " \t\r\n")); /* the space behind the opening is the template's */
        note(p, (int)id, "answer", tree_new_string(s->text));
        return LMM_OK;
    }
    p->report.judged++;
    s->asked++;
    s->score = reply->text ? pairs_score(reply->text) : NAN;
    if (!isnan(s->score)) note(p, (int)id, "score", tree_new_real(s->score));
    else if (reply->text && s->asked > p->o->retries) {
        s->hopeless = true;
        note(p, (int)id, "score", tree_new(TREE_NULL));
    }
    return LMM_OK;
}

static int left(const pairing *p) {
    int n = 0;
    for (int i = 0; i < p->data.count * p->o->samples; i++) n += wanted(p, &p->all[i]);
    return n;
}

static lmm_status ask(pairing *p, bool judging) {
    p->judging = judging;
    lmm_status st = LMM_OK;
    for (int round = 0, n; round <= (judging ? p->o->retries : 0) && (n = left(p)) && !st; round++) {
        p->next = p->taken = 0;
        p->bar = p->o->quiet ? NULL : progress_new(judging ? "judging" : "answering", n, "answers");
        st = judging ? p->o->judge(p->o->judge_self, &(lmm_chat_feed){give_next, take, p})
                     : p->o->policy(p->o->policy_self, &(lmm_chat_feed){give_next, take, p});
        progress_free(p->bar);
    }
    return st;
}

/* The prompt for a judge that answers it itself: with the pictures, or behind a description of them. */
static lmm_status weighing_message(char **out, const pairing *p, const tree *row) {
    if (!p->o->text_evidence) return policy_message(out, p, row);
    const char *evidence;
    lmm_status st = evidence_of(&evidence, row);
    if (st) return st;
    tree *parts = tree_new(TREE_LIST);
    char *prompt = without_marks(prompt_of(row)), *text = mem_printf("What is shown: %s\n%s", evidence, prompt);
    add_text(parts, text);
    free(text);
    free(prompt);
    return *out = one_message(parts), LMM_OK;
}

/* A row's answers by the judge's own likelihoods; they cost nothing twice, so a row is judged as a whole. */
static lmm_status weigh_row(pairing *p, lmm_session *session, int row) {
    sampled *s = &p->all[row * p->o->samples];
    char *texts[SAMPLES_MAX], *message = NULL;
    double scores[SAMPLES_MAX];
    int open = 0;
    for (int k = 0; k < p->o->samples; k++) texts[k] = s[k].text, open += wanted(p, &s[k]);
    if (!open) return LMM_OK;
    lmm_status st = weighing_message(&message, p, table_row(&p->data, row));
    if (!st) st = likelihood_scores(session, p->o->likelihood, message, texts, p->o->samples, scores);
    free(message);
    if (st == LMM_E_MEMORY || st == LMM_E_CANCELLED) return st;
    for (int k = 0; k < p->o->samples && st; k++) give_up(p, row * p->o->samples + k, k == 0);
    for (int k = 0; k < p->o->samples && !st; k++) {
        if (!wanted(p, &s[k])) continue;
        s[k].score = scores[k];
        s[k].hopeless = isnan(scores[k]);
        p->report.judged++;
        note(p, row * p->o->samples + k, "score", s[k].hopeless ? tree_new(TREE_NULL) : tree_new_real(scores[k]));
    }
    return LMM_OK;
}

static lmm_status weigh(pairing *p) {
    lmm_session *session = NULL;
    p->judging = true;
    lmm_status st = lmm_session_open(&session, p->o->likelihood, NULL);
    progress *bar = p->o->quiet || !left(p) ? NULL : progress_new("judging", p->data.count, "prompts");
    for (int row = 0; row < p->data.count && !st; row++) {
        st = weigh_row(p, session, row);
        if (bar) progress_set(bar, row + 1, NULL);
    }
    progress_free(bar);
    lmm_session_close(session);
    return st;
}

/* ---- the pairs ---- */

static lmm_status put_pair(file_writer *f, const pairing *p, int row, int best, int worst) {
    const tree *r = table_row(&p->data, row);
    const sampled *s = &p->all[row * p->o->samples];
    tree *pair = tree_new(TREE_MAP), *scores = tree_new(TREE_LIST);
    static const char *const kept[] = {"id", "image", "images"};
    buf json = {0};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (tree_get(r, kept[i])) tree_put(pair, kept[i], tree_copy(tree_get(r, kept[i])));
    char *prompt = without_marks(prompt_of(r));
    tree_put(pair, "prompt", tree_new_string(prompt));
    tree_put(pair, "chosen", tree_new_string(s[best].text));
    tree_put(pair, "rejected", tree_new_string(s[worst].text));
    tree_put(pair, "chosen_score", tree_new_real(s[best].score));
    tree_put(pair, "rejected_score", tree_new_real(s[worst].score));
    for (int k = 0; k < p->o->samples; k++) tree_add(scores, isnan(s[k].score) ? tree_new(TREE_NULL) : tree_new_real(s[k].score));
    tree_put(pair, "scores", scores);
    tree_write_json(&json, pair, 0);
    buf_putc(&json, '\n');
    lmm_status st = file_writer_put(f, json.data, json.size);
    free(prompt);
    buf_free(&json);
    tree_free(pair);
    return st;
}

static lmm_status write_pairs(pairing *p, const char *path) {
    file_writer *f;
    lmm_status st = file_writer_open(&f, path);
    if (st) return st;
    for (int row = 0; row < p->data.count && !st; row++) {
        const sampled *s = &p->all[row * p->o->samples];
        int best = -1, worst = -1, scored = 0;
        for (int k = 0; k < p->o->samples; k++) {
            p->report.answers += s[k].text != NULL;
            p->report.without_score += s[k].text && isnan(s[k].score);
            if (!s[k].text || !*s[k].text || isnan(s[k].score)) continue; /* who says nothing is no example */
            scored++;
            if (best < 0 || s[k].score > s[best].score) best = k;
            if (worst < 0 || s[k].score < s[worst].score) worst = k;
        }
        p->report.unpaired += !scored;
        if (!scored) continue;
        if (s[best].score - s[worst].score < p->o->margin || s[best].score == s[worst].score) p->report.alike++;
        else st = put_pair(f, p, row, best, worst), p->report.pairs++;
    }
    if (st) return file_writer_abort(f), st;
    return file_writer_commit(f);
}

static void close_all(pairing *p) {
    for (int i = 0; i < p->data.count * p->o->samples && p->all; i++) free(p->all[i].text), free(p->sent[i]);
    if (p->journal) fclose(p->journal);
    free(p->all);
    free(p->sent);
    table_close(&p->data);
}

lmm_status lmm_pairs(const lmm_pairs_opts *o, lmm_pairs_report *report) {
    pairing p = {.o = o};
    if (!o->policy || !(o->judge || o->likelihood) || !o->prompts || !o->out)
        return LMM_FAIL(LMM_E_ARG, "pairs need prompts, who answers, a judge, and a place for them");
    if (o->samples < 2 || o->samples > SAMPLES_MAX)
        return LMM_FAIL(LMM_E_ARG, "%d answers a prompt: 2 to %d make pairs", o->samples, SAMPLES_MAX);
    lmm_status st = table_open(&p.data, o->prompts, NULL, ROWS_MAX);
    if (st) return st;
    p.all = mem_new((size_t)p.data.count * (size_t)o->samples + 1, sizeof *p.all);
    p.sent = mem_new((size_t)p.data.count * (size_t)o->samples + 1, sizeof *p.sent);
    for (int i = 0; i < p.data.count * o->samples; i++) p.all[i].score = NAN;
    char *journal = mem_printf("%s.journal", o->out);
    st = open_journal(&p, journal);
    free(journal);
    if (!st) st = ask(&p, false);
    if (!st) st = o->likelihood ? weigh(&p) : ask(&p, true);
    if (!st && ferror(p.journal)) st = LMM_FAIL(LMM_E_IO, "'%s.journal' could not be written: is the disk full?", o->out);
    if (!st) st = write_pairs(&p, o->out);
    close_all(&p);
    if (st) return st;
    return *report = p.report, LMM_OK;
}
