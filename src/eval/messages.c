/* messages.c - a row as the messages of a conversation: what the system says, pictures and videos, the question. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* {"type": "image_url", "image_url": {"url": ...}}, as every server with OpenAI's interface takes it. */
static tree *media_part(const char *kind, const char *url) {
    tree *part = tree_new(TREE_MAP), *map = tree_new(TREE_MAP);
    char *type = mem_printf("%s_url", kind);
    tree_put(map, "url", tree_new_string(url));
    tree_put(part, "type", tree_new_string(type));
    tree_put(part, type, map);
    free(type);
    return part;
}

static tree *text_part(const char *text) {
    tree *part = tree_new(TREE_MAP);
    tree_put(part, "type", tree_new_string("text"));
    tree_put(part, "text", tree_new_string(text));
    return part;
}

/* A file as others can read it: its bytes. */
static lmm_status inline_file(char **uri, const char *path) {
    char *bytes;
    size_t n;
    if (file_is_dir(path)) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' is a folder of frames; a server takes pictures", path);
    lmm_status st = file_read(&bytes, &n, path, (size_t)256 << 20);
    if (st) return st;
    *uri = picture_uri(bytes, n);
    free(bytes);
    return LMM_OK;
}

static lmm_status inline_all(visual_list *v) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < v->count && !st; i++) {
        char *path = v->at[i].url;
        if (!v->at[i].file || (st = inline_file(&v->at[i].url, path))) continue;
        v->at[i].file = false;
        free(path);
    }
    return st;
}

static tree *parts_of(const eval_task *t, const visual_list *v, const char *question, const char *model) {
    tree *parts = tree_new(TREE_LIST);
    /* A model with words of its own has its pictures in front, as upstream. */
    bool own = model && tree_get(tree_get(t->config, "lmms_eval_specific_kwargs"), model);
    bool interleaved =
        tree_bool(tree_get(t->config, "doc_to_visual"), "interleave", false) || tree_get(tree_get(t->config, "subtitles"), "interleave");
    if (interleaved && !own) {
        scratch mem = {0};
        tree *urls = tree_new(TREE_LIST);
        for (int i = 0; i < v->count; i++) tree_add(urls, tree_new_string(v->at[i].url));
        tree *mixed = mmmu_parts(&mem, question, urls, false);
        for (int i = 0; i < mixed->count; i++) {
            const char *url = tree_str(mixed->items[i], "url", NULL);
            tree_add(parts, url ? media_part("image", url) : text_part(tree_str(mixed->items[i], "text", "")));
        }
        tree_free(mixed);
        tree_free(urls);
        scratch_free(&mem);
        return parts;
    }
    for (int i = 0; i < v->count; i++) tree_add(parts, media_part(v->at[i].video ? "video" : "image", v->at[i].url));
    tree_add(parts, text_part(question));
    return parts;
}

static void add_message(tree *list, const char *role, tree *content) {
    tree *m = tree_new(TREE_MAP);
    tree_put(m, "role", tree_new_string(role));
    tree_put(m, "content", content);
    tree_add(list, m);
}

/* What the likelihood is asked of: the options of a choice, else the target. */
static lmm_status choices_of(tree **out, const eval_task *t, const tree *vars) {
    const char *type = tree_str(t->config, "output_type", "");
    const tree *options = tree_get(vars, "option_list");
    char *target;
    if (!strcmp(type, "multiple_choice")) {
        if (!options || options->count < 2)
            return LMM_FAIL(LMM_E_FORMAT, "%s: a choice by likelihood needs 'options' of at least two", t->name);
        scratch mem = {0};
        *out = tree_new(TREE_LIST);
        for (int i = 0; i < options->count; i++) tree_add(*out, tree_new_string(py_str(&mem, options->items[i])));
        scratch_free(&mem);
        return LMM_OK;
    }
    if (strcmp(type, "loglikelihood")) return LMM_OK;
    lmm_status st = template_render(&target, tree_str(t->config, "doc_to_target", ""), vars);
    if (st) return st;
    *out = tree_new(TREE_LIST);
    tree_add(*out, tree_new_string(target));
    free(target);
    return LMM_OK;
}

void row_prompt_free(row_prompt *p) {
    tree_free(p->messages);
    tree_free(p->choices);
    free(p->question);
    visuals_free(&p->visuals);
    *p = (row_prompt){0};
}

lmm_status row_prompt_of(row_prompt *p, const visual_source *from, const tree *row, const lmm_eval_opts *o) {
    const eval_task *t = from->task;
    const char *system = tree_str(t->config, "system", NULL);
    tree *vars = row_vars(t, row, o->model);
    *p = (row_prompt){.frames = o->video_frames > 0 ? o->video_frames : (int)tree_int(tree_get(t->config, "frames"), "count", 0)};
    lmm_status seen = visuals_of(&p->visuals, from, row, vars);
    if (!seen) seen = subtitles_add(vars, &p->visuals, from);
    char *fault = seen ? mem_strdup(lmm_message()) : NULL; /* the question is wanted in any case */
    lmm_status st = template_render(&p->question, tree_str(t->config, "doc_to_text", ""), vars);
    if (!st) st = choices_of(&p->choices, t, vars);
    if (!st && seen) st = LMM_FAIL(seen, "%s", fault);
    free(fault);
    if (!st && from->inline_files) st = inline_all(&p->visuals);
    if (!st) {
        p->messages = tree_new(TREE_LIST);
        if (system) add_message(p->messages, "system", tree_new_string(system));
        add_message(p->messages, "user", parts_of(t, &p->visuals, p->question, o->model));
    }
    tree_free(vars);
    return st;
}
