/* prompt.c - messages and pictures to ids with every placeholder expanded to the rows of its picture. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"

void path_list_free(path_list *s) {
    for (int i = 0; i < s->count; i++) free(s->at[i]);
    free(s->at);
    *s = (path_list){0};
}

uint64_t row_key_text(int id) { return (uint64_t)(uint32_t)id; }
uint64_t row_key_media(uint64_t hash, int offset) { return (hash + (uint64_t)offset * 0x9e3779b97f4a7c15u) | (uint64_t)1 << 63; }

/* ---- pictures ---- */

lmm_status picture_load(image *out, const lmm_model *m, const char *path) {
    /* transformers applies EXIF's orientation, the original code does not; both drop alpha */
    return image_load(out, path, m->net->reference == REFERENCE_HF ? IMAGE_EXIF : 0, NULL);
}

/* The same picture can be laid out in several ways; only rows of equal layout are equal. */
static uint64_t media_hash(const image *im, const media_plan *plan, reference ref) {
    size_t size = (size_t)im->width * (size_t)im->height * (size_t)im->channels;
    int about[] = {im->width, im->height, plan->tile_count, plan->row_count, plan->width, (int)ref};
    return hash_u64(im->data, size, hash_u64(about, sizeof about, 0));
}

static lmm_status media_add(lmm_prompt *p, const char *path, int pictures) {
    const net *n = p->model->net;
    if (!n->arch->media_plan) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' sees no pictures, but '%s' was given", p->model->path, path);
    image im = {0};
    lmm_status st = picture_load(&im, p->model, path);
    if (st) return st;
    prompt_media media = {0};
    int tiles = 0;
    st = n->arch->media_plan(n, im.width, im.height, pictures, &media.plan);
    if (!st) st = n->arch->media_pixels(n, &im, &media.plan, &media.pixels, &tiles);
    if (!st) media.hash = media_hash(&im, &media.plan, n->reference);
    image_free(&im);
    if (st) return free(media.pixels), st;
    VEC_PUSH(&p->media, media);
    return LMM_OK;
}

/* ---- ids ---- */

bool prompt_adds_special(const lmm_model *m, const char *text) {
    int bos = tokenizer_bos(m->tok);
    const char *spelled = bos >= 0 ? tokenizer_token(m->tok, bos) : NULL;
    return !spelled || strncmp(text, spelled, strlen(spelled));
}

/* Where no token stands for the picture, every piece between two placeholders is tokenised for itself and only the first keeps its begin token, as
 * the original code does: a piece's first word is spelled as at the beginning of a text. */
static lmm_status encode_pieces(const lmm_model *m, const char *text, size_t size, int flags, id_list *out) {
    const char *spelled = m->net->image_text, *end = text + size;
    size_t n = strlen(spelled);
    for (bool first = true;; first = false) {
        const char *at = text;
        while (at < end && ((size_t)(end - at) < n || memcmp(at, spelled, n))) at++;
        id_list piece = {0};
        lmm_status st = tokenizer_encode(m->tok, text, (size_t)(at - text), flags, &piece);
        int skip = !first && piece.count && piece.at[0] == tokenizer_bos(m->tok);
        for (int i = skip; i < piece.count; i++) VEC_PUSH(out, piece.at[i]);
        free(piece.at);
        if (st || at == end) return st;
        VEC_PUSH(out, m->net->image_token);
        text = at + n;
    }
}

lmm_status prompt_encode(const lmm_model *m, const char *text, size_t size, int flags, id_list *out) {
    return m->net->image_text ? encode_pieces(m, text, size, flags, out) : tokenizer_encode(m->tok, text, size, flags, out);
}

static lmm_status expand(lmm_prompt *p, const id_list *ids) {
    int token = p->model->net->image_token, next = 0;
    for (int i = 0; i < ids->count; i++) {
        if (token < 0 || ids->at[i] != token) {
            VEC_PUSH(&p->ids, ids->at[i]);
            continue;
        }
        if (next == p->media.count) break;
        for (int r = p->media.at[next++].plan.row_count; r > 0; r--) VEC_PUSH(&p->ids, token);
    }
    int slots = 0;
    for (int i = 0; i < ids->count; i++) slots += token >= 0 && ids->at[i] == token;
    if (slots != p->media.count)
        return LMM_FAIL(LMM_E_ARG, "the prompt has %d picture placeholder%s ('%s') for %d picture%s", slots, slots == 1 ? "" : "s",
                        p->model->image_text ? p->model->image_text : "none", p->media.count, p->media.count == 1 ? "" : "s");
    return LMM_OK;
}

lmm_status prompt_build(lmm_prompt **out, const lmm_model *m, const char *text, size_t size, const char *const *paths, int count,
                        bool add_special) {
    if (!m->tok || !m->net->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) takes no prompts", m->path, m->net->arch->name);
    lmm_prompt *p = mem_new(1, sizeof *p);
    *p = (lmm_prompt){.model = m, .text = mem_strndup(text, size)};
    id_list ids = {0};
    lmm_status st = LMM_OK;
    for (int i = 0; i < count && !st; i++) st = media_add(p, paths[i], count);
    if (!st) st = prompt_encode(m, text, size, TOKENIZE_PARSE_SPECIAL | (add_special ? TOKENIZE_ADD_SPECIAL : 0), &ids);
    if (!st) st = expand(p, &ids);
    if (!st && p->ids.count == 0) st = LMM_FAIL(LMM_E_ARG, "the prompt is empty");
    free(ids.at);
    if (st) return lmm_prompt_free(p), st;
    return *out = p, LMM_OK;
}

lmm_status lmm_prompt_raw(lmm_prompt **out, const lmm_model *m, const char *text, size_t size, const lmm_prompt_opts *o) {
    return prompt_build(out, m, text, size, o ? o->images : NULL, o ? o->image_count : 0, m->tok && prompt_adds_special(m, text));
}

/* ---- messages ---- */

static const char *part_path(const tree *part) {
    const tree *url = tree_get(part, "image_url");
    if (url && url->type == TREE_MAP) return tree_str(url, "url", NULL);
    if (url && url->type == TREE_STRING) return url->text;
    const char *path = tree_str(part, "image", NULL);
    if (!path) path = tree_str(part, "path", NULL);
    return path ? path : tree_str(part, "url", NULL);
}

static bool is_picture(const tree *part) {
    const char *type = tree_str(part, "type", "");
    return !strcmp(type, "image") || !strcmp(type, "image_url");
}

static lmm_status collect_pictures(path_list *images, const tree *messages, const char *root) {
    for (int i = 0; i < messages->count; i++) {
        const tree *content = tree_get(messages->items[i], "content");
        for (int k = 0; content && content->type == TREE_LIST && k < content->count; k++) {
            const tree *part = content->items[k];
            if (!is_picture(part)) continue;
            const char *path = part_path(part);
            if (!path) return LMM_FAIL(LMM_E_ARG, "message %d: picture part %d names no file (image_url.url, image or path)", i + 1, k + 1);
            if (strstr(path, "://") && strncmp(path, "file://", 7))
                return LMM_FAIL(LMM_E_UNSUPPORTED, "message %d: '%s' is remote; give a file", i + 1, path);
            if (!strncmp(path, "file://", 7)) path += 7;
            VEC_PUSH(images, root ? path_join(root, path) : mem_strdup(path));
        }
    }
    return LMM_OK;
}

/* A copy of the messages in which the first user message begins with `count` picture parts. */
static tree *with_pictures(const tree *messages, const char *const *paths, int count) {
    tree *copy = tree_copy(messages);
    for (int i = 0; i < copy->count; i++) {
        if (strcmp(tree_str(copy->items[i], "role", ""), "user")) continue;
        const tree *content = tree_get(copy->items[i], "content");
        tree *parts = tree_new(TREE_LIST);
        for (int k = 0; k < count; k++) {
            tree *part = tree_new(TREE_MAP);
            tree_put(part, "type", tree_new_string("image"));
            tree_put(part, "image", tree_new_string(paths[k]));
            tree_add(parts, part);
        }
        if (content && content->type == TREE_LIST)
            for (int k = 0; k < content->count; k++) tree_add(parts, tree_copy(content->items[k]));
        else if (content) {
            tree *part = tree_new(TREE_MAP);
            tree_put(part, "type", tree_new_string("text"));
            tree_put(part, "text", tree_copy(content));
            tree_add(parts, part);
        }
        tree_put(copy->items[i], "content", parts);
        break;
    }
    return copy;
}

static lmm_status check_messages(const tree *messages) {
    if (messages->type != TREE_LIST || messages->count == 0)
        return LMM_FAIL(LMM_E_ARG, "messages must be a list of {role, content}, and not empty");
    for (int i = 0; i < messages->count; i++)
        if (!tree_str(messages->items[i], "role", NULL)) return LMM_FAIL(LMM_E_ARG, "message %d has no role", i + 1);
    return LMM_OK;
}

static const char *spelled(const lmm_model *m, int id) { return id >= 0 ? tokenizer_token(m->tok, id) : NULL; }

/* What every rendering is given; messages, tools and kwargs are the caller's. */
static chat_input input_of(const lmm_model *m, const tree *messages, bool open) {
    chat_input in = {.messages = messages, .add_generation_prompt = open, .now = (int64_t)time(NULL)};
    if (m->tok) in.bos_token = spelled(m, tokenizer_bos(m->tok)), in.eos_token = spelled(m, tokenizer_eos(m->tok));
    return in;
}

lmm_status messages_render(buf *text, path_list *images, const lmm_model *m, const tree *messages, const lmm_prompt_opts *o) {
    if (!m->chat_template) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no chat template; use a raw prompt", m->path);
    lmm_status st = check_messages(messages);
    if (st) return st;
    tree *full = with_pictures(messages, o->images, o->image_count);
    chat_input in = input_of(m, full, o->add_generation_prompt);
    st = collect_pictures(images, full, o->media_root);
    if (!st) st = chat_render(m->chat_template, &in, text, NULL);
    tree_free(full);
    return st;
}

/* A list of messages, or {messages, tools, chat_template_kwargs, add_generation_prompt} as in a request. */
static lmm_status render_request(buf *out, const lmm_model *m, const jinja *template_, const tree *request, const lmm_prompt_opts *o) {
    const tree *messages = request->type == TREE_MAP ? tree_get(request, "messages") : request;
    lmm_status st = messages ? check_messages(messages) : LMM_FAIL(LMM_E_ARG, "the request has no 'messages'");
    if (st) return st;
    chat_input in = input_of(m, messages, tree_bool(request, "add_generation_prompt", !o || o->add_generation_prompt));
    in.tools = tree_get(request, "tools");
    in.kwargs = tree_get(request, "chat_template_kwargs");
    return chat_render(template_, &in, out, NULL);
}

lmm_status lmm_prompt_render(const lmm_model *m, const char *json, size_t size, const char *template_text, const lmm_prompt_opts *o,
                             char **text) {
    tree *request;
    jinja *own = NULL;
    buf out = {0};
    lmm_status st = tree_parse_json(&request, json, size, "messages");
    if (st) return st;
    if (template_text) st = jinja_compile(&own, template_text, strlen(template_text), NULL);
    else if (!m->chat_template) st = LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no chat template; give one", m->path);
    if (!st) st = render_request(&out, m, own ? own : m->chat_template, request, o);
    jinja_free(own);
    tree_free(request);
    if (st) return buf_free(&out), st;
    return *text = buf_take(&out), LMM_OK;
}

lmm_status lmm_prompt_messages(lmm_prompt **out, const lmm_model *m, const char *json, size_t size, const lmm_prompt_opts *opts) {
    lmm_prompt_opts o = opts ? *opts : (lmm_prompt_opts){.add_generation_prompt = true};
    tree *messages;
    lmm_status st = tree_parse_json(&messages, json, size, "messages");
    if (st) return st;
    buf text = {0};
    path_list images = {0};
    st = messages_render(&text, &images, m, messages, &o);
    if (!st)
        st = prompt_build(out, m, text.data, text.size, (const char *const *)images.at, images.count, prompt_adds_special(m, text.data));
    path_list_free(&images);
    buf_free(&text);
    tree_free(messages);
    return st;
}

void lmm_prompt_free(lmm_prompt *p) {
    if (!p) return;
    for (int i = 0; i < p->media.count; i++) free(p->media.at[i].pixels);
    free(p->media.at);
    free(p->ids.at);
    free(p->text);
    free(p);
}

int lmm_prompt_length(const lmm_prompt *p) { return p->ids.count; }
const int *lmm_prompt_ids(const lmm_prompt *p) { return p->ids.at; }
const char *lmm_prompt_text(const lmm_prompt *p) { return p->text; }
