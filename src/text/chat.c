/* chat.c - messages to prompt text through the checkpoint's own template.
 *
 * What the template sees is what transformers shows it: messages, tools, documents, add_generation_prompt, the special
 * tokens and the caller's own variables; keys of messages that are null are left out, and reasoning is found under each
 * of its names. OpenAI's part types are turned into those of templates, without the media themselves. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE_MAX = 64 << 20 }; /* of a JSON file that holds a template; tokenizer_config.json can be large */

/* ---- content ---- */

/* Types of parts as clients send them, and as templates know them. */
static const struct {
    const char *sent, *shown;
} part_types[] = {{"image_url", "image"}, {"input_image", "image"}, {"video_url", "video"}, {"input_video", "video"},
                  {"audio_url", "audio"}, {"input_audio", "audio"}, {"input_text", "text"}, {"output_text", "text"}};

static tree *part_shown(const tree *part) {
    const char *type = tree_str(part, "type", "");
    for (size_t i = 0; i < COUNT_OF(part_types); i++) {
        if (strcmp(type, part_types[i].sent) != 0) continue;
        tree *shown = tree_new(TREE_MAP);
        tree_put(shown, "type", tree_new_string(part_types[i].shown));
        const tree *text = tree_get(part, "text");
        if (text) tree_put(shown, "text", tree_copy(text));
        return shown;
    }
    return tree_copy(part);
}

static tree *parts_shown(const tree *parts) {
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < parts->count; i++) tree_add(list, part_shown(parts->items[i]));
    return list;
}

/* The text parts, one a line: for templates that know strings only. */
static tree *parts_joined(const tree *parts) {
    buf b = {0};
    bool is_first = true;
    for (int i = 0; i < parts->count; i++) {
        const tree *text = parts->items[i]->type == TREE_STRING ? parts->items[i] : tree_get(parts->items[i], "text");
        if (!text || text->type != TREE_STRING) continue;
        if (!is_first) buf_putc(&b, '\n');
        buf_put(&b, text->text, text->text_size);
        is_first = false;
    }
    tree *t = tree_new_text(b.data ? b.data : "", b.size);
    buf_free(&b);
    return t;
}

static tree *string_as_part(const tree *text) {
    tree *list = tree_new(TREE_LIST), *part = tree_new(TREE_MAP);
    tree_put(part, "type", tree_new_string("text"));
    tree_put(part, "text", tree_copy(text));
    tree_add(list, part);
    return list;
}

/* Parts only for templates that go through them: one that merely asks `is string` has nothing good to do with a list. */
static tree *content_shown(const tree *content, const content_use *use) {
    if (content->type == TREE_LIST) return use->goes_through_parts ? parts_shown(content) : parts_joined(content);
    if (content->type == TREE_STRING && use->goes_through_parts && !use->asks_for_string) return string_as_part(content);
    return tree_copy(content);
}

/* ---- messages ---- */

static const tree *reasoning_of(const tree *message) {
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const tree *t = tree_get(message, names[i]);
        if (t && t->type != TREE_NULL) return t;
    }
    return NULL;
}

static tree *message_shown(const tree *message, const content_use *use) {
    tree *shown = tree_new(TREE_MAP);
    const tree *reasoning = reasoning_of(message);
    if (reasoning) tree_put(shown, "thinking", tree_copy(reasoning));
    for (int i = 0; i < message->count; i++) {
        const tree *value = message->items[i];
        if (value->type == TREE_NULL) continue;
        bool is_content = strcmp(message->keys[i], "content") == 0;
        tree_put(shown, message->keys[i], is_content ? content_shown(value, use) : tree_copy(value));
    }
    if (reasoning) tree_put(shown, "reasoning_content", tree_copy(reasoning));
    return shown;
}

static lmm_status messages_shown(const tree *messages, const content_use *use, tree *vars) {
    if (!messages || messages->type != TREE_LIST) return LMM_FAIL(LMM_E_ARG, "the messages of a chat need a list");
    tree *list = tree_new(TREE_LIST);
    tree_put(vars, "messages", list);
    for (int i = 0; i < messages->count; i++) {
        if (messages->items[i]->type != TREE_MAP) return LMM_FAIL(LMM_E_ARG, "message %d is no map of role and content", i + 1);
        tree_add(list, message_shown(messages->items[i], use));
    }
    return LMM_OK;
}

bool chat_takes_parts(const jinja *template_) { return jinja_content_use(template_)->goes_through_parts; }

lmm_status chat_render(const jinja *template_, const chat_input *in, buf *out, span_list *spans) {
    tree *vars = tree_new(TREE_MAP);
    if (in->bos_token) tree_put(vars, "bos_token", tree_new_string(in->bos_token));
    if (in->eos_token) tree_put(vars, "eos_token", tree_new_string(in->eos_token));
    tree_put(vars, "tools", in->tools ? tree_copy(in->tools) : tree_new(TREE_NULL));
    tree_put(vars, "documents", tree_new(TREE_NULL));
    tree_put(vars, "add_generation_prompt", tree_new_bool(in->add_generation_prompt));
    for (int i = 0; in->kwargs && i < in->kwargs->count; i++) tree_put(vars, in->kwargs->keys[i], tree_copy(in->kwargs->items[i]));
    lmm_status st = messages_shown(in->messages, jinja_content_use(template_), vars);
    if (!st) st = jinja_render(template_, vars, in->now, out, spans);
    tree_free(vars);
    return st;
}

/* ---- finding the template ---- */

/* A string, a list of {name, template} or a map of names: the one called "default" of several, else the first. */
static lmm_status pick(char **out, const tree *t, const char *path) {
    const tree *found = t;
    if (t && t->type == TREE_LIST) {
        found = t->count ? tree_get(t->items[0], "template") : NULL;
        for (int i = t->count - 1; i >= 0; i--) {
            if (strcmp(tree_str(t->items[i], "name", ""), "default") == 0) found = tree_get(t->items[i], "template");
        }
    } else if (t && t->type == TREE_MAP) {
        found = tree_get(t, "default");
        if (!found && t->count) found = t->items[0];
    }
    if (!found || found->type == TREE_NULL) return LMM_OK;
    if (found->type != TREE_STRING)
        return LMM_FAIL(LMM_E_FORMAT, "'%s': 'chat_template' is neither a string nor a list of named templates", path);
    *out = mem_strndup(found->text, found->text_size);
    return LMM_OK;
}

static lmm_status find_in_json(char **out, const char *dir, const char *name) {
    char *path = path_join(dir, name), *text = NULL;
    tree *t = NULL;
    size_t size = 0;
    lmm_status st = LMM_OK;
    if (file_exists(path)) {
        st = file_read(&text, &size, path, FILE_SIZE_MAX);
        if (!st) st = tree_parse_json(&t, text, size, path);
        if (!st) st = pick(out, tree_get(t, "chat_template"), path);
    }
    tree_free(t);
    free(text);
    free(path);
    return st;
}

lmm_status chat_template_find(char **out, char **from, const char *dir) {
    static const char *const names[] = {"chat_template.jinja", "chat_template.json", "tokenizer_config.json"};
    char *path = path_join(dir, names[0]), *found = NULL;
    size_t which = 0;
    lmm_status st = LMM_OK;
    if (file_exists(path)) st = file_read(&found, NULL, path, FILE_SIZE_MAX);
    while (!st && !found && ++which < COUNT_OF(names)) st = find_in_json(&found, dir, names[which]);
    free(path);
    if (st) return st;
    if (from) *from = found ? path_join(dir, names[which]) : NULL;
    return *out = found, LMM_OK;
}
