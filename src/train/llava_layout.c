/* llava_layout.c - a question and its answer as LLaVA-NeXT's trainer lays them out for Qwen (preprocess_qwen): its own words around the turns, a newline behind every picture, and
 * labels that keep not only the answer but the marks of every turn. The marks are the same for both answers of a pair: they shift the logged log-probabilities and IPO's means,
 * not the difference (rl.md 8.5). */
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

static const char *const mark = "<image>";

typedef struct {
    const llava_words *w;
    id_list *ids, *labels;
    lmm_status st;
} writer;

static void put(writer *x, int id, bool learnt) {
    VEC_PUSH(x->ids, id);
    VEC_PUSH(x->labels, learnt ? id : -1);
}

static void put_text(writer *x, const char *text, size_t size, bool learnt) {
    id_list ids = {0};
    if (size && !x->st) x->st = x->w->encode(x->w->arg, text, size, &ids);
    for (int i = 0; i < ids.count; i++) put(x, ids.at[i], learnt);
    free(ids.at);
}

static void put_line(writer *x, bool learnt) { put_text(x, "\n", 1, learnt); }

/* <|im_start|>role, the text, <|im_end|> and a newline. */
static void put_turn(writer *x, const char *role, const char *text, bool answers) {
    put(x, x->w->im_start, true);
    put_text(x, role, strlen(role), false);
    put_line(x, false);
    for (const char *at; (at = strstr(text, mark)); text = at + strlen(mark)) {
        put_text(x, text, (size_t)(at - text), answers);
        put(x, x->w->image, false);
        put_line(x, false);
    }
    put_text(x, text, strlen(text), answers);
    put(x, x->w->im_end, true);
    put_line(x, true);
}

lmm_status llava_layout(const llava_words *w, const char *prompt, const char *answer, id_list *ids, id_list *labels) {
    writer x = {w, ids, labels, LMM_OK};
    put_turn(&x, "system", "You are a helpful assistant.", false);
    put_turn(&x, "user", prompt, false);
    put_turn(&x, "assistant", answer, true);
    return x.st;
}

/* ---- of a model ---- */

static lmm_status encode(void *arg, const char *text, size_t size, id_list *out) { return conversation_encode(out, arg, text, size); }

/* LLaVA's spelling of a turn: a mark and a newline for every picture or video, then the words. free() */
static char *marked(const tree *message) {
    const tree *content = tree_get(message, "content");
    if (content && content->type == TREE_STRING) return mem_strdup(content->text);
    buf b = {0};
    bool behind = false;
    for (int i = 0; content && i < content->count; i++) {
        const bool words = !strcmp(tree_str(content->items[i], "type", ""), "text");
        if (words && behind) buf_putc(&b, '\n');
        buf_puts(&b, words ? tree_str(content->items[i], "text", "") : mark);
        behind = !words;
    }
    return buf_take(&b);
}

lmm_status llava_layout_sample(sample *s, const lmm_model *m, const tree *messages) {
    const llava_words w = {.encode = encode,
                           .arg = (void *)m,
                           .im_start = m->tok ? tokenizer_id(m->tok, "<|im_start|>") : -1,
                           .im_end = m->tok ? tokenizer_id(m->tok, "<|im_end|>") : -1,
                           .image = m->net->image_token};
    if (w.im_start < 0 || w.im_end < 0)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "dpo.layout llava_qwen needs a tokenizer with <|im_start|> and <|im_end|>");
    if (messages->count != 2 || message_is_assistant(messages->items[0]) || !message_is_assistant(messages->items[1]))
        return LMM_FAIL(LMM_E_FORMAT, "dpo.layout llava_qwen takes one question with its answer, not %d turns", messages->count);
    char *prompt = marked(messages->items[0]), *answer = marked(messages->items[1]);
    lmm_status st = llava_layout(&w, prompt, answer, &s->ids, &s->labels);
    free(answer);
    free(prompt);
    if (s->labels.count) s->labels.at[0] = -1; /* nothing comes before it */
    for (int i = 0; i < s->labels.count; i++) s->label_count += s->labels.at[i] >= 0;
    VEC_PUSH(&s->segs, ((sample_seg){0, s->ids.count}));
    return st;
}
