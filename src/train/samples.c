/* samples.c - LLaVA conversations (records.c) as ids and labels (llava.md 6.1, 6.2).
 *
 * Targets are found by rendering: the text of a conversation up to an answer is a prefix of the text with it, what follows, through the end token, is
 * trained. "plain" (stage 1) is the picture, the caption and a newline, the caption and newline trained. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/train_int.h"

/* ---- messages as ids ---- */

static int common(const id_list *a, const id_list *b) {
    int i = 0;
    while (i < a->count && i < b->count && a->at[i] == b->at[i]) i++;
    return i;
}

/* Labels of one answer: ids [from, to) up to and including its end token. */
static void label_range(sample *s, const lmm_model *m, int offset, int from, int to) {
    int end = to;
    for (int i = from; i < to; i++)
        if (model_ends(m, s->ids.at[offset + i])) {
            end = i + 1;
            break;
        }
    for (int i = from; i < end; i++) s->labels.at[offset + i] = s->ids.at[offset + i];
    s->label_count += end - from;
}

/* Appends the conversation's ids from number `skip` on, with the answers labelled. */
static lmm_status append_conversation(sample *s, const record_source *src, const conversation *c, int skip) {
    id_list all = {0};
    lmm_status st = conversation_encode(&all, src->m, c->text.data, c->text.size);
    int offset = s->ids.count - skip;
    for (int i = skip; i < all.count && !st; i++) {
        VEC_PUSH(&s->ids, all.at[i]);
        VEC_PUSH(&s->labels, -1);
    }
    for (int i = 0; i < c->answers.count && !st; i++) {
        id_list before = {0}, after = {0};
        st = conversation_encode(&before, src->m, c->text.data, c->answers.at[i].first);
        if (!st) st = conversation_encode(&after, src->m, c->text.data, c->answers.at[i].end);
        if (!st) label_range(s, src->m, offset, common(&before, &all), common(&after, &all));
        free(before.at);
        free(after.at);
    }
    free(all.at);
    return st;
}

/* The place behind the last placeholder. */
static int media_end(const id_list *ids, const net *n) {
    for (int i = ids->count - 1; i >= 0; i--)
        if (net_is_slot(n, ids->at[i])) return i + 1;
    return 0;
}

/* Messages of one question alone: leading system turns, the pictures and videos of the first user turn, the question, its answer. */
static tree *question_alone(const tree *messages, int question) {
    tree *one = tree_new(TREE_LIST);
    int first = 0;
    for (; first < question && !strcmp(tree_str(messages->items[first], "role", ""), "system"); first++)
        tree_add(one, tree_copy(messages->items[first]));
    tree *user = tree_copy(messages->items[question]);
    if (question > first) {
        tree *parts = tree_new(TREE_LIST);
        const tree *head = tree_get(messages->items[first], "content"), *own = tree_get(user, "content");
        for (int i = 0; i < head->count; i++)
            if (strcmp(tree_str(head->items[i], "type", ""), "text")) tree_add(parts, tree_copy(head->items[i]));
        for (int i = 0; i < own->count; i++) tree_add(parts, tree_copy(own->items[i]));
        tree_put(user, "content", parts);
    }
    tree_add(one, user);
    tree_add(one, tree_copy(messages->items[question + 1]));
    return one;
}

/* One more question as a segment; the first one gives the shared prefix. */
static lmm_status add_question(sample *s, const record_source *src, const tree *one) {
    conversation c = {0};
    id_list ids = {0};
    lmm_status st = conversation_render(&c, src->m, one);
    if (!st) st = conversation_encode(&ids, src->m, c.text.data, c.text.size);
    if (!st && s->segs.count == 0) {
        s->prefix = media_end(&ids, src->m->net);
        for (int k = 0; k < s->prefix; k++) {
            VEC_PUSH(&s->ids, ids.at[k]);
            VEC_PUSH(&s->labels, -1);
        }
    }
    if (!st && common(&ids, &s->ids) < s->prefix)
        st = LMM_FAIL(LMM_E_UNSUPPORTED, "turns: independent needs questions that begin alike up to the picture");
    int first = s->ids.count;
    if (!st) st = append_conversation(s, src, &c, s->prefix);
    if (!st) VEC_PUSH(&s->segs, ((sample_seg){first, s->ids.count - first}));
    free(ids.at);
    conversation_free(&c);
    return st;
}

static lmm_status build_independent(sample *s, const record_source *src, const tree *messages) {
    lmm_status st = LMM_OK;
    for (int i = 0; i + 1 < messages->count && !st; i++) {
        if (!message_is_assistant(messages->items[i + 1]) || message_is_assistant(messages->items[i])) continue;
        tree *one = question_alone(messages, i);
        st = add_question(s, src, one);
        tree_free(one);
    }
    return st;
}

static lmm_status build_plain(sample *s, const record_source *src, const tree *messages) {
    const tree *parts = messages->count == 2 && message_is_assistant(messages->items[1]) ? tree_get(messages->items[1], "content") : NULL;
    if (!parts || parts->count != 1) return LMM_FAIL(LMM_E_FORMAT, "format plain needs one question and one caption");
    buf text = {0};
    if (src->m->image_text) buf_puts(&text, src->m->image_text);
    lmm_status st = prompt_encode(src->m, text.data, text.size, TOKENIZE_PARSE_SPECIAL | TOKENIZE_ADD_SPECIAL, &s->ids);
    int trained = s->ids.count;
    buf_reset(&text);
    buf_printf(&text, "%s\n", tree_str(parts->items[0], "text", ""));
    if (!st) st = tokenizer_encode(src->m->tok, text.data, text.size, 0, &s->ids);
    buf_free(&text);
    for (int i = 0; i < s->ids.count; i++) VEC_PUSH(&s->labels, i >= trained ? s->ids.at[i] : -1);
    s->label_count = s->ids.count - trained;
    VEC_PUSH(&s->segs, ((sample_seg){0, s->ids.count}));
    return st;
}

static lmm_status build(sample *s, const record_source *src, const tree *messages) {
    if (!strcmp(src->d->format, "plain")) return build_plain(s, src, messages);
    if (src->d->turns == TURNS_INDEPENDENT) return build_independent(s, src, messages);
    conversation c = {0};
    lmm_status st = conversation_render(&c, src->m, messages);
    if (!st) st = append_conversation(s, src, &c, 0);
    VEC_PUSH(&s->segs, ((sample_seg){0, s->ids.count}));
    conversation_free(&c);
    return st;
}

/* ---- loading ---- */

static sample sample_new(const recipe_data *d) {
    return (sample){.one_tile = d->one_tile,
                    .augment = augment_any(&d->augment) ? &d->augment : NULL,
                    .video = {.frames = d->frames, .fps = d->fps, .repeat = d->repeat_frames}};
}

bool sample_truncate(sample *s, int most, truncation how) {
    const int over = s->ids.count - most, first = how == TRUNCATE_KEEP_END ? over : 0;
    if (over <= 0) return true;
    if (s->segs.count != 1 || s->prefix || (first && s->media.count)) return false;
    for (int i = most; i < s->ids.count && s->media.count; i++)
        if (s->labels.at[i] < 0) return false; /* it may be a picture's place */
    for (int i = 0; i < most; i++) s->ids.at[i] = s->ids.at[first + i], s->labels.at[i] = s->labels.at[first + i];
    s->ids.count = s->labels.count = s->segs.at[0].count = most;
    s->label_count = 0;
    for (int i = 0; i < most; i++) s->label_count += s->labels.at[i] >= 0;
    return s->label_count > 0;
}

/* *fits: it has something to learn and is not too long. s: sample_free, nothing to free after a failure. */
static lmm_status make_sample(sample *s, bool *fits, const recipe *r, const record_source *src, const tree *record) {
    *s = sample_new(src->d);
    media_source media = {.record = record, .root = src->d->images, .to = &s->media};
    tree *messages = record_messages(&media);
    lmm_status st = messages ? record_media_check(&media) : LMM_FAIL(LMM_E_FORMAT, "it has no 'conversations' with 'from' and 'value'");
    if (!st) st = r->dpo.llava_layout ? llava_layout_sample(s, src->m, messages) : build(s, src, messages);
    tree_free(messages);
    if (!st && r->truncate != TRUNCATE_SKIP && !sample_truncate(s, r->max_length, r->truncate)) s->label_count = 0;
    *fits = !st && s->label_count > 0 && s->ids.count <= r->max_length;
    if (st) sample_free(s);
    return st;
}

/* Keeps what fits and counts what does not. */
static void keep(record_made *out, sample *s, bool fits) {
    if (fits) VEC_PUSH(&out->samples, *s);
    else sample_free(s);
    out->skipped += !fits;
}

static lmm_status make_record(record_made *out, const recipe *r, const record_source *src, const tree *record) {
    sample s;
    bool fits;
    lmm_status st = make_sample(&s, &fits, r, src, record);
    if (!st) keep(out, &s, fits);
    return st;
}

lmm_status samples_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar) {
    return records_load(out, r, d, m, bar, make_record);
}

/* ---- pairs ---- */

/* Adds the prompt's turns: a text, or a list of messages. */
static void add_turns(tree *turns, const tree *part, const char *role) {
    if (part && part->type == TREE_LIST) {
        for (int i = 0; i < part->count; i++) tree_add(turns, tree_copy(part->items[i]));
        return;
    }
    tree *turn = tree_new(TREE_MAP);
    tree_put(turn, "from", tree_new_string(role));
    tree_put(turn, "value", part ? tree_copy(part) : tree_new(TREE_NULL));
    tree_add(turns, turn);
}

static bool mentions_media(const tree *record, const tree *turns) {
    int kind;
    size_t size;
    for (int i = 0; i < turns->count; i++) {
        const char *text = turn_text(turns->items[i]);
        if (text && next_mark(record, text, &kind, &size)) return true;
    }
    return false;
}

/* A mark and a newline for each picture, video and sound of the record. */
static void put_marks(buf *b, const tree *record) {
    for (int k = 0; k < MEDIUM_KINDS; k++)
        for (int i = record_media_count(record, k); i > 0; i--) buf_printf(b, "%s\n", medium_kinds[k].marks[0]);
}

/* The conversation that ends in one of the answers. A prompt without a mark gets one in front for each picture, video or sound, as LLaVA's loader does. */
static tree *answer_record(const tree *record, const char *answer) {
    tree *one = tree_new(TREE_MAP), *turns = tree_new(TREE_LIST);
    add_turns(turns, tree_get(record, "prompt"), "human");
    const char *text = turns->count ? turn_text(turns->items[0]) : NULL;
    if (text && !mentions_media(record, turns)) {
        buf b = {0};
        put_marks(&b, record);
        buf_puts(&b, text);
        tree_put(turns->items[0], tree_get(turns->items[0], "value") ? "value" : "content", tree_new_text(b.data, b.size));
        buf_free(&b);
    }
    add_turns(turns, tree_get(record, answer), "gpt");
    for (int k = 0; k < MEDIUM_KINDS; k++)
        if (record_media(record, k)) tree_put(one, medium_kinds[k].keys[0], tree_copy(record_media(record, k)));
    tree_put(one, "conversations", turns);
    return one;
}

static bool is_blank(const char *text) {
    char *words = python_strip(text);
    bool blank = !*words;
    free(words);
    return blank;
}

/* A text, or a list of messages, that says nothing. */
static bool answer_is_blank(const tree *answer) {
    if (answer->type == TREE_STRING) return is_blank(answer->text);
    for (int i = 0; answer->type == TREE_LIST && i < answer->count; i++) {
        const char *text = turn_text(answer->items[i]);
        if (text && !is_blank(text)) return false;
    }
    return true;
}

static lmm_status check_pair(const record_source *src, const sample *s) {
    const int trained = src->m->net->dec.config.context;
    if (s->ids.count <= trained) return LMM_OK;
    return LMM_FAIL(LMM_E_LIMIT,
                    "prompt and answer have %d positions, the model was trained for %d: shorten them, or set 'max_length' and 'truncate'",
                    s->ids.count, trained);
}

static lmm_status make_answer(sample *s, bool *fits, const recipe *r, const record_source *src, const tree *record, const char *answer) {
    if (answer_is_blank(tree_get(record, answer))) return LMM_FAIL(LMM_E_FORMAT, "%s: the answer is empty", answer);
    tree *one = answer_record(record, answer);
    lmm_status st = make_sample(s, fits, r, src, one);
    if (!st && *fits && (st = check_pair(src, s))) sample_free(s);
    tree_free(one);
    return LMM_CONTEXT(st, "%s", answer);
}

/* Both answers or none. */
static lmm_status make_pair(record_made *out, const recipe *r, const record_source *src, const tree *record) {
    if (!tree_get(record, "prompt") || !tree_get(record, "chosen") || !tree_get(record, "rejected"))
        return LMM_FAIL(LMM_E_FORMAT, "it has no 'prompt', 'chosen' and 'rejected'");
    sample chosen = {0}, rejected = {0};
    bool fits[2] = {0};
    lmm_status st = make_answer(&chosen, &fits[0], r, src, record, "chosen");
    if (!st) st = make_answer(&rejected, &fits[1], r, src, record, "rejected");
    if (!st && fits[0] && fits[1]) {
        VEC_PUSH(&out->samples, chosen);
        VEC_PUSH(&out->samples, rejected);
        return LMM_OK;
    }
    if (!st) out->skipped += !fits[0] + !fits[1];
    sample_free(&chosen);
    sample_free(&rejected);
    return st;
}

lmm_status pairs_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar) {
    return records_load(out, r, d, m, bar, make_pair);
}

/* ---- prompts ---- */

/* The question with the recipe's words around it. */
static char *worded(const char *pattern, const char *question) {
    const char *at = strstr(pattern, "{question}");
    return mem_printf("%.*s%s%s", (int)(at - pattern), pattern, question, at + strlen("{question}"));
}

/* A reference that is empty can reward nothing; one that was meant as mathematics and cannot be read is compared as text, which is noted. */
static lmm_status check_gold(record_made *out, const char *gold) {
    size_t n = strlen(gold);
    const char *at = answer_find(gold, true, false, &n);
    char *answer = mem_strndup(at ? at : gold, n), *raw = NULL;
    const bool blank = is_blank(answer), formula = strpbrk(answer, "\\$") != NULL;
    const bool unread = !blank && formula && !math_extracted(gold, &raw);
    free(raw);
    if (unread) VEC_PUSH(&out->unread, answer);
    else free(answer);
    return blank ? LMM_FAIL(LMM_E_FORMAT, "the reference answer is empty") : LMM_OK;
}

/* One question as a sample to be answered. Pictures and videos stand before it. */
static lmm_status make_prompt(record_made *out, const recipe *r, const record_source *src, const tree *record, const char *question,
                              const char *gold) {
    lmm_status st = check_gold(out, gold);
    if (st) return st;
    sample s = sample_new(src->d);
    s.gold = mem_strdup(gold);
    s.question = mem_strdup(question);
    media_source media = {.record = record, .root = src->d->images, .to = &s.media};
    buf marked = {0}, text = {0};
    put_marks(&marked, record);
    char *asked = worded(r->grpo.prompt, question);
    buf_puts(&marked, asked);
    tree *messages = tree_new(TREE_LIST);
    tree_add(messages, turn_message("user", marked.data, &media));
    media_list named = {0};
    st = record_media_check(&media);
    if (!st) st = messages_render(&text, &named, src->m, messages, &(lmm_prompt_opts){.add_generation_prompt = true});
    if (!st) st = conversation_encode(&s.ids, src->m, text.data, text.size);
    media_list_free(&named);
    tree_free(messages);
    free(asked);
    buf_free(&marked);
    s.text = buf_take(&text);
    if (!st) keep(out, &s, s.ids.count > 1 && s.ids.count <= r->max_length);
    else sample_free(&s);
    return st;
}

/* The text without marks and the newline behind each; free(). */
static char *without_marks(const tree *record, const char *text) {
    buf b = {0};
    int kind;
    size_t size;
    for (const char *at; (at = next_mark(record, text, &kind, &size)); text = at) {
        buf_put(&b, text, (size_t)(at - text));
        at += size;
        if (*at == '\n') at++;
    }
    buf_puts(&b, text);
    return buf_take(&b);
}

static lmm_status make_prompts(record_made *out, const recipe *r, const record_source *src, const tree *record) {
    const char *problem = tree_str(record, "problem", NULL), *solution = tree_str(record, "solution", NULL);
    if (problem && solution) return make_prompt(out, r, src, record, problem, solution);
    const tree *turns = tree_get(record, "conversations");
    if (!turns || turns->type != TREE_LIST || turns->count < 2)
        return LMM_FAIL(LMM_E_FORMAT, "it has neither 'problem' and 'solution' nor 'conversations'");
    lmm_status st = LMM_OK;
    for (int i = 0; i + 1 < turns->count && !st; i++) {
        const char *role = turn_role(turns->items[i]), *next = turn_role(turns->items[i + 1]);
        const char *question = turn_text(turns->items[i]), *answer = turn_text(turns->items[i + 1]);
        if (!role || !next || !question || !answer || strcmp(role, "user") || strcmp(next, "assistant")) continue;
        char *plain = without_marks(record, question);
        st = make_prompt(out, r, src, record, plain, answer);
        free(plain);
    }
    return st;
}

lmm_status prompts_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar) {
    return records_load(out, r, d, m, bar, make_prompts);
}

lmm_status prompt_session(lmm_session **out, const lmm_model *m, const sample *s, int answer) {
    lmm_prompt *p;
    lmm_session *session = NULL;
    lmm_status st = prompt_build(&p, m, s->text, strlen(s->text), &s->media, &s->video, NULL, prompt_adds_special(m, s->text));
    if (st) return st;
    st = lmm_session_open(&session, m, &(lmm_session_opts){.context = lmm_prompt_length(p) + answer + 1});
    if (!st) st = lmm_session_sync(session, p, NULL);
    lmm_prompt_free(p);
    if (st) return lmm_session_close(session), st;
    return *out = session, LMM_OK;
}
