/* visual.c - the pictures and videos of a row: files beside the data, bytes in a cell of a table, base64 in a text, lists of these.
 *
 * doc_to_visual is "{{ column }}" (what is in it), any other template (the name of a file), a list of these, or
 * {columns: [...], named_in: [...]}: of these columns the ones that the named texts mention, as MMMU's <image 2>. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { TEXT_MAX = 64 << 20 };

typedef struct {
    visual_list *out;
    const visual_source *from;
    const tree *row, *vars;
} finder;

visual_source visuals_of_run(const task_run *run, const lmm_eval_opts *o) {
    return (visual_source){run->task, &run->data, run->home, o->data_dir ? o->data_dir : "", run->zips, o->chat != NULL};
}

void visuals_free(visual_list *v) {
    for (int i = 0; i < v->count; i++) free(v->at[i].url);
    free(v->at);
    *v = (visual_list){0};
}

static void add(finder *f, char *url, bool file, bool video) { VEC_PUSH(f->out, ((visual){url, file, video})); }

/* ---- bytes ---- */

char *visual_save(const visual *v, const char *dir) {
    const char *letters = strchr(v->url, ',');
    int type = (int)strcspn(v->url + 11, ";"); /* data:image/TYPE;base64,... */
    buf bytes = {0};
    char *name = mem_printf("%016" PRIx64 ".%.*s", hash_u64(v->url, strlen(v->url), 0), type, v->url + 11), *path = path_join(dir, name);
    bool fine = base64_read(&bytes, letters + 1, strlen(letters + 1)) &&
                (file_exists(path) || (!dir_make(dir) && !file_write(path, bytes.data, bytes.size)));
    free(name);
    buf_free(&bytes);
    if (fine) return path;
    free(path);
    return NULL;
}

/* Whether a cell is base64 of a picture: its first letters say so; all of it is checked when the picture is read. */
static bool is_base64_picture(const char *text, size_t n) {
    buf head = {0};
    bool yes = n > 64 && base64_read(&head, text, 24) && picture_type(head.data, head.size);
    buf_free(&head);
    return yes;
}

/* ---- files ---- */

static bool ends_in(const char *name, const char *const *ends, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (text_ends(name, ends[i])) return true;
    return false;
}

bool file_names_video(const char *name) {
    static const char *const ends[] = {".mp4", ".mkv", ".webm", ".avi", ".mov", ".MP4"};
    return ends_in(name, ends, COUNT_OF(ends));
}

/* Frames of NAME.mp4 may lie in a folder NAME. */
static char *existing(char *path) {
    if (file_exists(path)) return path;
    char *dot = strrchr(path, '.');
    if (dot && file_names_video(path)) {
        *dot = '\0';
        if (file_is_dir(path)) return path;
    }
    free(path);
    return NULL;
}

/* Below the folder of the data set, the folder of all data sets, and their folders for media. free(); NULL when it is nowhere. */
static char *find_file(const visual_source *from, const char *name) {
    static const char *const below[] = {"", "images", "videos", "video", "image"};
    const char *const roots[] = {from->home, from->data_dir, ""};
    for (size_t r = 0; r < COUNT_OF(roots); r++)
        for (size_t i = 0; i < COUNT_OF(below) && roots[r]; i++) {
            char *dir = path_join(roots[r], below[i]), *path = existing(*dir ? path_join(dir, name) : mem_strdup(name));
            free(dir);
            if (path) return path;
        }
    return NULL;
}

lmm_status text_beside(char **text, const visual_source *from, const char *source, const tree *vars) {
    char *name;
    *text = NULL;
    lmm_status st = template_render(&name, source, vars);
    if (st) return st;
    char *path = find_file(from, name);
    if (path) st = file_read(text, NULL, path, TEXT_MAX);
    free(path);
    free(name);
    return st;
}

static lmm_status add_file(finder *f, const char *name) {
    if (!*name || strlen(name) > 1024) return LMM_FAIL(LMM_E_FORMAT, "a picture is neither the name of a file nor a picture in base64");
    char *path = find_file(f->from, name);
    lmm_status st = path || !f->from->zips ? LMM_OK : archives_find(f->from->zips, name, file_names_video(name), &path);
    if (st) return st;
    if (!path) return LMM_FAIL(LMM_E_IO, "'%s' is not there (looked below '%s' and '%s')", name, f->from->home, f->from->data_dir);
    add(f, path, true, file_is_dir(path) || file_names_video(path));
    return LMM_OK;
}

/* ---- values ---- */

/* MMBench's tables repeat a picture by the `index` of the row that has it. */
static const tree *row_of_index(const visual_source *from, const char *text) {
    for (int i = 0; i < from->data->count; i++) {
        const tree *row = table_row(from->data, i), *index = tree_get(row, "index");
        if (index && index->type == TREE_INT && index->i == strtoll(text, NULL, 10)) return row;
    }
    return NULL;
}

static lmm_status add_text(finder *f, const tree *value, const char *column) {
    const char *text = value->text;
    if (is_base64_picture(text, value->text_size)) {
        buf b = {0}, head = {0};
        base64_read(&head, text, 24);
        buf_printf(&b, "data:image/%s;base64,%s", picture_type(head.data, head.size), text);
        buf_free(&head);
        add(f, buf_take(&b), false, false);
        return LMM_OK;
    }
    const tree *other = *text && strlen(text) < 20 && !text[strspn(text, "0123456789")] ? row_of_index(f->from, text) : NULL,
               *there = tree_get(other, column);
    if (there && there->type == TREE_STRING && is_base64_picture(there->text, there->text_size)) return add_text(f, there, column);
    return add_file(f, text);
}

/* null is a row without a picture; {bytes, path} is how Parquet files hold one. */
static lmm_status add_value(finder *f, const tree *value, const char *column) {
    lmm_status st = LMM_OK;
    const tree *bytes = tree_get(value, "bytes"), *path = tree_get(value, "path");
    if (value->type == TREE_NULL || (value->type == TREE_STRING && !value->text_size)) return LMM_OK;
    if (value->type == TREE_LIST) {
        for (int i = 0; i < value->count && !st; i++) st = add_value(f, value->items[i], column);
        return st;
    }
    if (value->type == TREE_STRING) return add_text(f, value, column);
    if (bytes && bytes->type == TREE_STRING && bytes->text_size)
        return add(f, picture_uri(bytes->text, bytes->text_size), false, false), LMM_OK;
    if (path && path->type == TREE_STRING) return add_file(f, path->text);
    if (value->type == TREE_MAP && (bytes || path)) return LMM_OK;
    if (value->type == TREE_INT) {
        scratch mem = {0};
        tree *text = tree_new_string(py_str(&mem, value));
        st = add_text(f, text, column);
        tree_free(text);
        scratch_free(&mem);
        return st;
    }
    return LMM_FAIL(LMM_E_FORMAT, "column '%s' holds no picture", column);
}

static lmm_status no_column(const finder *f, const char *column) {
    buf names = {0};
    for (int i = 0; i < f->row->count; i++) buf_printf(&names, "%s%s", i ? ", " : "", f->row->keys[i]);
    lmm_status st = LMM_FAIL(LMM_E_FORMAT, "the row has no column '%s'; it has: %s", column, names.data ? names.data : "none");
    buf_free(&names);
    return st;
}

/* The NAME of "{{ NAME }}", free(); NULL when the template is more than that. */
static char *single_name(const char *source) {
    size_t n = strlen(source);
    if (n < 5 || strncmp(source, "{{", 2) || strcmp(source + n - 2, "}}")) return NULL;
    const char *at = source + 2, *end = source + n - 2;
    while (at < end && isspace((unsigned char)*at)) at++;
    while (end > at && isspace((unsigned char)end[-1])) end--;
    for (const char *c = at; c < end; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.') return NULL;
    return mem_strndup(at, (size_t)(end - at));
}

static lmm_status add_source(finder *f, const char *source) {
    char *column = single_name(source), *name;
    lmm_status st;
    if (column) {
        const tree *value = tree_get(f->row, column);
        if (!value) value = tree_at(f->row, column);
        st = value ? add_value(f, value, column) : no_column(f, column);
    } else if (!(st = template_render(&name, source, f->vars))) {
        st = add_file(f, name);
        free(name);
    }
    free(column);
    return st;
}

/* ---- rows ---- */

/* Whether the texts of the row mention column image_2 as "<image 2>". */
static bool is_named(const finder *f, const tree *texts, const char *column) {
    scratch mem = {0};
    bool found = false;
    const char *tag = regex_sub(&mem, "_", scratch_printf(&mem, "<%s>", column), " ", 0);
    for (int i = 0; i < texts->count && !found; i++) {
        const tree *value = tree_get(f->vars, texts->items[i]->text);
        found = value && strstr(py_str(&mem, value), tag);
    }
    scratch_free(&mem);
    return found;
}

static lmm_status add_named(finder *f, const tree *spec) {
    const tree *columns = tree_get(spec, "columns"), *texts = tree_get(spec, "named_in");
    lmm_status st = LMM_OK;
    for (int i = 0; columns && i < columns->count && !st; i++) {
        const char *column = columns->items[i]->text;
        const tree *value = tree_get(f->row, column);
        if (!texts || is_named(f, texts, column)) st = value ? add_value(f, value, column) : no_column(f, column);
    }
    return st;
}

lmm_status visuals_of(visual_list *out, const visual_source *from, const tree *row, const tree *vars) {
    visual_list list = {0};
    finder f = {&list, from, row, vars};
    const tree *spec = tree_get(from->task->config, "doc_to_visual");
    lmm_status st = LMM_OK;
    if (spec && spec->type == TREE_STRING) st = add_source(&f, spec->text);
    else if (spec && spec->type == TREE_MAP) st = add_named(&f, spec);
    for (int i = 0; spec && spec->type == TREE_LIST && i < spec->count && !st; i++) st = add_source(&f, spec->items[i]->text);
    if (st) return visuals_free(&list), st;
    return *out = list, LMM_OK;
}
