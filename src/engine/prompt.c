/* prompt.c - messages, pictures and videos to ids with every placeholder expanded to the rows of its picture. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"

void media_list_free(media_list *s) {
    for (int i = 0; i < s->count; i++) free(s->at[i].path);
    free(s->at);
    *s = (media_list){0};
}

uint64_t row_key_text(int id, int ahead) { return (uint64_t)(uint32_t)id | (uint64_t)((uint32_t)ahead & 0x7fffffffu) << 32; }
uint64_t row_key_media(uint64_t hash, int offset) { return (hash + (uint64_t)offset * 0x9e3779b97f4a7c15u) | (uint64_t)1 << 63; }

/* ---- pictures ---- */

lmm_status picture_load(image *out, const lmm_model *m, const char *path) {
    /* transformers applies EXIF's orientation, the original code does not; both drop alpha */
    int flags = m->net->reference == REFERENCE_HF ? IMAGE_EXIF : 0;
    return is_data_uri(path) ? image_load_data_uri(out, path, flags, NULL) : image_load(out, path, flags, NULL);
}

/* The same picture can be laid out in several ways; only rows of equal layout are equal. */
static uint64_t media_hash(const void *data, size_t size, const media_plan *plan, const net *n) {
    int about[] = {plan->tile_count,  plan->row_count,   plan->width,
                   plan->height,      plan->frames,      plan->grid.t,
                   plan->grid.h,      plan->grid.w,      (int)(plan->grid_seconds * 1e6),
                   (int)n->reference, (int)n->positions, plan->sound};
    return hash_u64(data, size, hash_u64(about, sizeof about, 0));
}

static lmm_status add_picture(prompt_media *media, const lmm_model *m, const char *path, int pictures) {
    const net *n = m->net;
    image im = {0};
    int tiles = 0;
    lmm_status st = picture_load(&im, m, path);
    if (st) return st;
    st = n->arch->media_plan(n, im.width, im.height, pictures, &media->plan);
    if (!st) st = n->arch->media_pixels(n, &im, &media->plan, &media->pixels, &tiles);
    int size[] = {im.width, im.height};
    if (!st) {
        media->hash = media_hash(im.data, (size_t)im.width * (size_t)im.height * (size_t)im.channels, &media->plan, n);
        media->hash = hash_u64(size, sizeof size, media->hash);
    }
    image_free(&im);
    return st;
}

static lmm_status add_video(prompt_media *media, const lmm_model *m, const char *path, const lmm_video_opts *o, int number) {
    video_media v;
    lmm_status st = video_take(&v, m, path, o, number);
    if (st) return st;
    *media = (prompt_media){.video = true, .plan = v.plan, .pixels = v.pixels};
    media->hash = media_hash(&v.hash, sizeof v.hash, &v.plan, m->net);
    return LMM_OK;
}

static lmm_status add_sound(prompt_media *media, const lmm_model *m, const char *path) {
    const net *n = m->net;
    sound s = {0};
    if (!n->arch->sound_features)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) hears nothing, but '%.200s' was given", m->path, n->arch->name, path);
    lmm_status st = sound_load(&s, path, MEL_RATE, NULL);
    if (!st) st = n->arch->sound_features(n, &s, &media->plan, &media->pixels);
    media->sound = true;
    if (!st) media->hash = media_hash(s.samples, (size_t)s.count * sizeof *s.samples, &media->plan, n);
    sound_free(&s);
    return st;
}

static void media_release(prompt_media *m) {
    if (m->entry) media_entry_release(m->entry);
    else free(m->pixels);
}

/* How a picture is prepared depends on how many there are, a video's frames on the options. */
static void key_of(uint64_t key[2], const lmm_prompt *p, const media_ref *r, const lmm_video_opts *o, int number, int pictures) {
    double rate = r->video && o->rates && number < o->rate_count ? o->rates[number] : 0;
    int about[] = {r->video + 2 * r->sound, r->video ? o->frames : pictures, (int)(o->fps * 1e6), (int)(rate * 1e6)};
    media_key(key, p->model, r->path, about, COUNT_OF(about));
}

static lmm_status prepare_media(prompt_media *out, const lmm_prompt *p, const media_ref *r, const lmm_video_opts *o, int number,
                                int pictures) {
    if (r->sound) return add_sound(out, p->model, r->path);
    return r->video ? add_video(out, p->model, r->path, o, number) : add_picture(out, p->model, r->path, pictures);
}

static lmm_status remembered_media(prompt_media *out, lmm_prompt *p, const media_ref *r, const lmm_video_opts *o, int number, int pictures,
                                   lmm_media_cache *cache) {
    uint64_t key[2];
    key_of(key, p, r, o, number, pictures);
    media_entry *e = media_cache_find(cache, key);
    if (!e) {
        lmm_status st = prepare_media(out, p, r, o, number, pictures);
        if (st) return st;
        tensor one = net_media(p->model->net, out->sound, out->plan.tile_count, NULL);
        e = media_cache_add(cache, key, out, tensor_size(&one));
    }
    *out = e->media;
    out->entry = e;
    return LMM_OK;
}

static lmm_status media_add(lmm_prompt *p, const media_list *list, const lmm_video_opts *o, lmm_media_cache *cache) {
    int pictures = 0, videos = 0;
    lmm_status st = LMM_OK;
    if (list->count && !p->model->net->arch->media_plan)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' sees no pictures, but '%.80s' was given", p->model->path, list->at[0].path);
    for (int i = 0; i < list->count; i++) pictures += !list->at[i].video && !list->at[i].sound;
    for (int i = 0; i < list->count && !st; i++) {
        prompt_media media = {0};
        const media_ref *r = &list->at[i];
        int number = r->video ? videos++ : 0;
        st = cache ? remembered_media(&media, p, r, o, number, pictures, cache) : prepare_media(&media, p, r, o, number, pictures);
        if (st) free(media.pixels);
        else VEC_PUSH(&p->media, media);
    }
    return st;
}

/* ---- ids ---- */

bool prompt_adds_special(const lmm_model *m, const char *text) {
    int bos = tokenizer_bos(m->tok);
    const char *spelled = bos >= 0 ? tokenizer_token(m->tok, bos) : NULL;
    return !spelled || strncmp(text, spelled, strlen(spelled));
}

/* Bytes of the placeholder that stands here, 0 when none does. */
static size_t placeholder_here(const net *n, const char *text, size_t size, int *id) {
    const char *const spelled[] = {n->image_text, n->sound_text};
    const int ids[] = {n->image_token, n->sound_token};
    for (size_t i = 0; i < COUNT_OF(spelled); i++) {
        size_t k = spelled[i] ? strlen(spelled[i]) : 0;
        if (k && size >= k && !memcmp(text, spelled[i], k)) return *id = ids[i], k;
    }
    return 0;
}

/* Where no token stands for the picture, every piece between two placeholders is tokenised for itself and only the first keeps its begin token, as
 * the original code does: a piece's first word is spelled as at the beginning of a text. */
static lmm_status encode_pieces(const lmm_model *m, const char *text, size_t size, int flags, id_list *out) {
    const char *end = text + size;
    for (bool first = true;; first = false) {
        const char *at = text;
        int id = -1;
        size_t n = 0;
        while (at < end && !(n = placeholder_here(m->net, at, (size_t)(end - at), &id))) at++;
        id_list piece = {0};
        lmm_status st = tokenizer_encode(m->tok, text, (size_t)(at - text), flags, &piece);
        int skip = !first && piece.count && piece.at[0] == tokenizer_bos(m->tok);
        for (int i = skip; i < piece.count; i++) VEC_PUSH(out, piece.at[i]);
        free(piece.at);
        if (st || at == end) return st;
        VEC_PUSH(out, id);
        text = at + n;
    }
}

lmm_status prompt_encode(const lmm_model *m, const char *text, size_t size, int flags, id_list *out) {
    return m->net->image_text ? encode_pieces(m, text, size, flags, out) : tokenizer_encode(m->tok, text, size, flags, out);
}

/* Which medium stands at a placeholder: the next of its kind, or just the next where videos have none of their own. */
static int medium_at(const lmm_prompt *p, int id, const bool *used) {
    const net *n = p->model->net;
    for (int i = 0; i < p->media.count; i++)
        if (!used[i] && p->media.at[i].sound == (id == n->sound_token) &&
            (n->video_token < 0 || p->media.at[i].video == (id == n->video_token)))
            return i;
    return -1;
}

static lmm_status wrong_count(const lmm_prompt *p, const id_list *ids) {
    enum { PICTURE, VIDEO, SOUND };
    static const char *const names[] = {"picture", "video", "sound"};
    const net *n = p->model->net;
    int slots[3] = {0}, media[3] = {0}, kind = PICTURE;
    for (int i = 0; i < ids->count; i++)
        if (net_is_slot(n, ids->at[i])) slots[ids->at[i] == n->sound_token ? SOUND : ids->at[i] == n->video_token ? VIDEO : PICTURE]++;
    for (int i = 0; i < p->media.count; i++)
        media[p->media.at[i].sound ? SOUND : p->media.at[i].video && n->video_token >= 0 ? VIDEO : PICTURE]++;
    while (kind < SOUND && slots[kind] == media[kind]) kind++;
    const char *text = kind == VIDEO   ? tokenizer_token(p->model->tok, n->video_token)
                       : kind == SOUND ? n->sound_text
                                       : p->model->image_text;
    return LMM_FAIL(LMM_E_ARG, "the prompt has %d %s placeholder%s ('%s') for %d %s%s", slots[kind], names[kind],
                    slots[kind] == 1 ? "" : "s", text ? text : "none", media[kind], names[kind], media[kind] == 1 ? "" : "s");
}

/* Placeholders become the rows of their media, which are put in the order of the placeholders. */
static lmm_status expand(lmm_prompt *p, const id_list *ids) {
    int n = p->media.count, found = 0;
    bool *used = mem_new((size_t)n + 1, sizeof *used), ok = true;
    prompt_media *ordered = mem_new((size_t)n + 1, sizeof *ordered);
    for (int i = 0; i < ids->count && ok; i++) {
        if (!net_is_slot(p->model->net, ids->at[i])) {
            VEC_PUSH(&p->ids, ids->at[i]);
            continue;
        }
        int at = medium_at(p, ids->at[i], used);
        ok = at >= 0;
        if (!ok) break;
        used[at] = true;
        ordered[found++] = p->media.at[at];
        for (int r = p->media.at[at].plan.row_count; r > 0; r--) VEC_PUSH(&p->ids, ids->at[i]);
    }
    ok = ok && found == n;
    if (ok && n) memcpy(p->media.at, ordered, (size_t)n * sizeof *ordered);
    free(used);
    free(ordered);
    return ok ? LMM_OK : wrong_count(p, ids);
}

static void set_positions(lmm_prompt *p) {
    const media_plan **plans = mem_new((size_t)p->media.count + 1, sizeof *plans);
    for (int i = 0; i < p->media.count; i++) plans[i] = &p->media.at[i].plan;
    p->position_ahead = net_positions(p->model->net, p->ids.at, p->ids.count, plans, &p->position);
    free(plans);
}

lmm_status prompt_build(lmm_prompt **out, const lmm_model *m, const char *text, size_t size, const media_list *media,
                        const lmm_video_opts *video, lmm_media_cache *cache, bool add_special) {
    if (!m->tok || !m->net->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) takes no prompts", m->path, m->net->arch->name);
    lmm_prompt *p = mem_new(1, sizeof *p);
    *p = (lmm_prompt){.model = m, .text = mem_strndup(text, size)};
    id_list ids = {0};
    lmm_status st = media_add(p, media, video, cache);
    if (!st) st = prompt_encode(m, text, size, TOKENIZE_PARSE_SPECIAL | (add_special ? TOKENIZE_ADD_SPECIAL : 0), &ids);
    if (!st) st = expand(p, &ids);
    if (!st && p->ids.count == 0) st = LMM_FAIL(LMM_E_ARG, "the prompt is empty");
    if (!st) set_positions(p);
    free(ids.at);
    if (st) return lmm_prompt_free(p), st;
    return *out = p, LMM_OK;
}

lmm_status lmm_prompt_raw(lmm_prompt **out, const lmm_model *m, const char *text, size_t size, const lmm_prompt_opts *opts) {
    lmm_prompt_opts o = opts ? *opts : (lmm_prompt_opts){0};
    media_list media = {0};
    for (int i = 0; i < o.image_count; i++) VEC_PUSH(&media, ((media_ref){.path = mem_strdup(o.images[i])}));
    for (int i = 0; i < o.video_count; i++) VEC_PUSH(&media, ((media_ref){.path = mem_strdup(o.videos[i]), .video = true}));
    for (int i = 0; i < o.sound_count; i++) VEC_PUSH(&media, ((media_ref){.path = mem_strdup(o.sounds[i]), .sound = true}));
    lmm_status st = prompt_build(out, m, text, size, &media, &o.video, o.cache, m->tok && prompt_adds_special(m, text));
    media_list_free(&media);
    return st;
}

/* ---- messages ---- */

/* How a part of a message names a medium. */
typedef struct {
    const char *kind, *url, *name;
    bool video, sound;
} media_kind;
static const media_kind media_kinds[] = {{"image", "image_url", "picture", false, false},
                                         {"video", "video_url", "video", true, false},
                                         {"audio", "audio_url", "sound", false, true}};

static const char *part_path(const tree *part, const media_kind *k) {
    const tree *url = tree_get(part, k->url);
    if (url && url->type == TREE_MAP) return tree_str(url, "url", NULL);
    if (url && url->type == TREE_STRING) return url->text;
    const char *path = tree_str(part, k->kind, NULL);
    if (!path) path = tree_str(part, "path", NULL);
    return path ? path : tree_str(part, "url", NULL);
}

static bool is_kind(const tree *part, const char *kind, const char *url) {
    const char *type = tree_str(part, "type", "");
    return !strcmp(type, kind) || !strcmp(type, url);
}

static const media_kind *kind_of(const tree *part) {
    for (size_t i = 0; i < COUNT_OF(media_kinds); i++)
        if (is_kind(part, media_kinds[i].kind, media_kinds[i].url)) return &media_kinds[i];
    return NULL;
}

/* A part's path as the user meant it; what is remote is not fetched. */
static lmm_status add_media(media_list *media, const char *path, const media_kind *k, const char *root) {
    if (!k->video && is_data_uri(path)) return VEC_PUSH(media, ((media_ref){.path = mem_strdup(path), .sound = k->sound})), LMM_OK;
    bool is_file = !strncmp(path, "file://", 7);
    if (strstr(path, "://") && !is_file)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%.200s' is remote; give a file%s", path,
                        k->video   ? ""
                        : k->sound ? ", or its bytes as data:audio/wav;base64,..."
                                   : ", or its bytes as data:image/png;base64,...");
    if (is_file) path += 7;
    VEC_PUSH(media, ((media_ref){.path = root ? path_join(root, path) : mem_strdup(path), .video = k->video, .sound = k->sound}));
    return LMM_OK;
}

static lmm_status collect_media(media_list *media, const tree *messages, const char *root) {
    for (int i = 0; i < messages->count; i++) {
        const tree *content = tree_get(messages->items[i], "content");
        for (int k = 0; content && content->type == TREE_LIST && k < content->count; k++) {
            const tree *part = content->items[k];
            const media_kind *kind = kind_of(part);
            if (!kind) continue;
            const char *path = part_path(part, kind);
            if (!path)
                return LMM_FAIL(LMM_E_ARG, "message %d: %s part %d names no file (%s.url, %s or path)", i + 1, kind->name, k + 1, kind->url,
                                kind->kind);
            lmm_status st = add_media(media, path, kind, root);
            if (st) return LMM_CONTEXT(st, "message %d", i + 1);
        }
    }
    return LMM_OK;
}

static void add_parts(tree *parts, const char *kind, const char *const *paths, int count) {
    for (int k = 0; k < count; k++) {
        tree *part = tree_new(TREE_MAP);
        tree_put(part, "type", tree_new_string(kind));
        tree_put(part, kind, tree_new_string(paths[k]));
        tree_add(parts, part);
    }
}

/* A copy of the messages in which the first user message begins with the options' pictures and videos. */
static tree *with_media(const tree *messages, const lmm_prompt_opts *o) {
    tree *copy = tree_copy(messages);
    for (int i = 0; i < copy->count; i++) {
        if (strcmp(tree_str(copy->items[i], "role", ""), "user")) continue;
        const tree *content = tree_get(copy->items[i], "content");
        tree *parts = tree_new(TREE_LIST);
        add_parts(parts, "image", o->images, o->image_count);
        add_parts(parts, "video", o->videos, o->video_count);
        add_parts(parts, "audio", o->sounds, o->sound_count);
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

/* A model whose tokens know no videos has its template write a picture's placeholder for one. */
static void videos_as_pictures(tree *messages) {
    for (int i = 0; i < messages->count; i++) {
        const tree *content = tree_get(messages->items[i], "content");
        for (int k = 0; content && content->type == TREE_LIST && k < content->count; k++)
            if (is_kind(content->items[k], "video", "video_url")) tree_put(content->items[k], "type", tree_new_string("image"));
    }
}

/* Templates of the original code know texts only, in which a medium is a word of its own; parts become lines. */
static void media_as_words(tree *messages, const net *n) {
    for (int i = 0; i < messages->count; i++) {
        const tree *content = tree_get(messages->items[i], "content");
        for (int k = 0; content && content->type == TREE_LIST && k < content->count; k++) {
            const media_kind *kind = kind_of(content->items[k]);
            const char *word = kind && kind->sound ? n->sound_text : n->image_text;
            if (!kind || !word) continue;
            tree_put(content->items[k], "type", tree_new_string("text"));
            tree_put(content->items[k], "text", tree_new_string(word));
        }
    }
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

lmm_status messages_render(buf *text, media_list *media, const lmm_model *m, const tree *messages, const lmm_prompt_opts *o) {
    if (!m->chat_template) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no chat template; use a raw prompt", m->path);
    lmm_status st = check_messages(messages);
    if (st) return st;
    tree *full = with_media(messages, o);
    chat_input in = input_of(m, full, o->add_generation_prompt);
    st = collect_media(media, full, o->media_root);
    if (m->net->image_text && !chat_takes_parts(m->chat_template)) media_as_words(full, m->net);
    if (m->net->video_token < 0) videos_as_pictures(full);
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
    media_list media = {0};
    st = messages_render(&text, &media, m, messages, &o);
    if (!st) st = prompt_build(out, m, text.data, text.size, &media, &o.video, o.cache, prompt_adds_special(m, text.data));
    media_list_free(&media);
    buf_free(&text);
    tree_free(messages);
    return st;
}

void lmm_prompt_free(lmm_prompt *p) {
    if (!p) return;
    for (int i = 0; i < p->media.count; i++) media_release(&p->media.at[i]);
    free(p->media.at);
    free(p->position);
    free(p->ids.at);
    free(p->text);
    free(p);
}

int lmm_prompt_length(const lmm_prompt *p) { return p->ids.count; }
const int *lmm_prompt_ids(const lmm_prompt *p) { return p->ids.at; }
const char *lmm_prompt_text(const lmm_prompt *p) { return p->text; }

const char *lmm_prompt_delimiter(const lmm_prompt *p) {
    const size_t n = strlen(p->text);
    return n && isspace((unsigned char)p->text[n - 1]) ? "" : " ";
}
