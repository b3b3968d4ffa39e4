/* conversation.c - messages as the text that is learnt, and where the model's own words stand in it. */
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

bool message_is_assistant(const tree *message) { return !strcmp(tree_str(message, "role", ""), "assistant"); }

/* Text of messages [0, count), with the assistant's opening when `open`. */
static lmm_status render(buf *out, const lmm_model *m, const tree *messages, int count, bool open) {
    tree *part = tree_new(TREE_LIST);
    for (int i = 0; i < count; i++) tree_add(part, tree_copy(messages->items[i]));
    media_list named = {0};
    lmm_status st = count ? messages_render(out, &named, m, part, &(lmm_prompt_opts){.add_generation_prompt = open}) : LMM_OK;
    media_list_free(&named);
    tree_free(part);
    return st;
}

lmm_status conversation_encode(id_list *out, const lmm_model *m, const char *text, size_t size) {
    int flags = TOKENIZE_PARSE_SPECIAL | (prompt_adds_special(m, text) ? TOKENIZE_ADD_SPECIAL : 0);
    return prompt_encode(m, text, size, flags, out);
}

void conversation_free(conversation *c) {
    buf_free(&c->text);
    free(c->answers.at);
}

static size_t common_bytes(const buf *a, const buf *b) {
    size_t i = 0, n = a->size < b->size ? a->size : b->size;
    while (i < n && a->data[i] == b->data[i]) i++;
    return i;
}

/* Adds whole[from, end of answer i]. Some templates open an answer otherwise than they write one in a conversation (OneVision's: "assistant\n" and
 * "assistant \n"); what is learnt stands behind what generation will write. Returns the end of the answer in `whole`. */
static size_t add_answer(conversation *c, const buf *whole, size_t from, const buf *open, const buf *after, const tree *message) {
    size_t opened = common_bytes(open, whole), end = common_bytes(after, whole);
    const tree *parts = tree_get(message, "content");
    const char *answer = parts->count ? tree_str(parts->items[0], "text", NULL) : NULL;
    const char *at = answer && opened < open->size && opened <= end ? strstr(whole->data + opened, answer) : NULL;
    if (opened > from) buf_put(&c->text, whole->data + from, opened - from);
    if (at) buf_put(&c->text, open->data + opened, open->size - opened);
    size_t first = c->text.size, rest = at ? (size_t)(at - whole->data) : opened > from ? opened : from;
    if (end > rest) buf_put(&c->text, whole->data + rest, end - rest);
    VEC_PUSH(&c->answers, ((answer_range){first, c->text.size}));
    return end > from ? end : from;
}

lmm_status conversation_render(conversation *c, const lmm_model *m, const tree *messages) {
    buf whole = {0};
    size_t at = 0;
    lmm_status st = render(&whole, m, messages, messages->count, false);
    for (int i = 0; i < messages->count && !st; i++) {
        if (!message_is_assistant(messages->items[i])) continue;
        buf open = {0}, after = {0};
        st = render(&open, m, messages, i, true);
        if (!st) st = render(&after, m, messages, i + 1, false);
        if (!st) at = add_answer(c, &whole, at, &open, &after, messages->items[i]);
        buf_free(&open);
        buf_free(&after);
    }
    if (!st) buf_put(&c->text, whole.data + at, whole.size - at);
    buf_free(&whole);
    return st;
}
