/* ask.c - the rows of a task that no store knows yet, asked of a model: several at a time, rows of one picture next to each other.
 *
 * The law of equal numbers lets rows be asked in any order and company. A row that cannot be asked (its picture is missing, it is too long) is a
 * fault of that row alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- faults ---- */

const char *const fault_keys[] = {"broken_rows", "missing_media", "not_a_number", "request_failed", "too_long", NULL};

static const char *fault_key(lmm_status st) { return st == LMM_E_IO ? "missing_media" : st == LMM_E_LIMIT ? "too_long" : "broken_rows"; }

lmm_status row_fault(eval_row *r, lmm_status st, const char *key) {
    if (st == LMM_OK || st == LMM_E_MEMORY || st == LMM_E_CANCELLED) return st;
    free(r->fault);
    r->fault = mem_strdup(lmm_message());
    r->fault_key = key ? key : fault_key(st);
    return LMM_OK;
}

/* ---- what is asked, as a key ---- */

static void put_file(sha256 *h, const char *path) {
    char **names;
    int count;
    file_map map;
    if (file_is_dir(path)) {
        if (dir_list(&names, &count, path)) return;
        for (int i = 0; i < count; i++) {
            char *full = path_join(path, names[i]);
            sha256_put(h, names[i], strlen(names[i]) + 1);
            if (!file_is_dir(full)) put_file(h, full);
            free(full);
        }
        names_free(names, count);
    } else if (!file_map_open(&map, path)) {
        sha256_put(h, map.data, map.size);
        file_map_close(&map);
    }
}

/* Messages, the bytes of files they name, and the seed when the answer is drawn. */
static void content_hash(char hex[65], const asking *a, const row_prompt *p) {
    sha256 h;
    unsigned char digest[32];
    buf b = {0};
    sha256_init(&h);
    tree_write_json(&b, p->messages, 0);
    if (a->likelihood) tree_write_json(&b, p->choices, 0);
    if (ask_draws(a)) buf_printf(&b, "%" PRIu64, a->o->seed);
    buf_printf(&b, "%d %d %g", a->o->video_frames, p->frames, a->o->video_fps);
    sha256_put(&h, b.data, b.size);
    for (int i = 0; i < p->visuals.count; i++)
        if (p->visuals.at[i].file) put_file(&h, p->visuals.at[i].url);
    sha256_end(&h, digest);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    buf_free(&b);
}

/* The request as lmms-eval's cache describes it. tree_free */
static tree *request_of(const asking *a, int row) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "request_type", tree_new_string(a->type));
    tree_put(t, "task_name", tree_new_string(a->run->task->name));
    tree_put(t, "doc_id", tree_new_int(a->run->first + row));
    tree_put(t, "idx", tree_new_int(a->repeat));
    tree_put(t, "gen_kwargs", tree_copy(a->kwargs));
    tree_put(t, "model_fingerprint_hash", tree_new_string(a->fingerprint));
    return t;
}

/* ---- answers that are kept ---- */

/* A row has been answered: it is kept before others are begun. */
lmm_status ask_keep(asking *a, int row) {
    const eval_row *r = &a->run->rows[row];
    if (!a->store || r->fault) return LMM_OK;
    tree *request = request_of(a, row), *usage = tree_new(TREE_LIST), *text = r->outputs ? NULL : tree_new_string(r->response);
    tree_add(usage, tree_new_int(r->input_tokens));
    tree_add(usage, tree_new_int(r->output_tokens));
    lmm_status st = store_put(a->store, r->key, request, r->outputs ? r->outputs : text, usage);
    tree_free(text);
    tree_free(usage);
    tree_free(request);
    return st;
}

/* The answer that the store has, into the row; *found tells. */
static lmm_status recall(asking *a, int row, const row_prompt *p, bool *found) {
    char hash[65];
    tree *request = request_of(a, row), *response, *usage;
    eval_row *r = &a->run->rows[row];
    content_hash(hash, a, p);
    tree_put(request, "content_hash", tree_new_string(hash));
    cache_key(r->key, request);
    tree_free(request);
    lmm_status st = store_get(a->store, r->key, &response, &usage);
    if (st) return st;
    *found = response && response->type == (a->likelihood ? TREE_LIST : TREE_STRING);
    if (*found && usage && usage->type == TREE_LIST && usage->count == 2)
        r->input_tokens = (int)usage->items[0]->i, r->output_tokens = (int)usage->items[1]->i;
    if (*found && a->likelihood) r->outputs = response, r->response = mem_strdup(""), response = NULL;
    else if (*found) r->response = mem_strdup(response->text);
    a->run->recalled += *found;
    tree_free(response);
    tree_free(usage);
    return LMM_OK;
}

/* ---- which rows are asked, in which order ---- */

lmm_status ask_prompt(const asking *a, int row, row_prompt *p) {
    return row_prompt_of(p, &a->from, table_row(&a->run->data, a->run->first + row), a->o);
}

static uint64_t pictures_of(const row_prompt *p) {
    uint64_t h = 0;
    for (int i = 0; i < p->visuals.count; i++) h = hash_u64(p->visuals.at[i].url, strlen(p->visuals.at[i].url), h);
    return h;
}

/* The first row with the same pictures. */
static int group_of(strmap *seen, const row_prompt *p, int row) {
    char name[24];
    snprintf(name, sizeof name, "%016" PRIx64, pictures_of(p));
    if (p->visuals.count && !strmap_put(seen, name, strlen(name), row)) strmap_get(seen, name, strlen(name), &row);
    return row;
}

static lmm_status plan_row(asking *a, int row, strmap *seen) {
    eval_row *r = &a->run->rows[row];
    row_prompt p;
    bool found = false;
    lmm_status st = ask_prompt(a, row, &p);
    if (p.question) r->input = mem_strdup(p.question);
    if (st) return row_prompt_free(&p), row_fault(r, st, NULL);
    if (a->store) st = recall(a, row, &p, &found);
    if (!st && !found) VEC_PUSH(&a->todo, ((todo_row){row, group_of(seen, &p, row)}));
    row_prompt_free(&p);
    return st;
}

static int by_group(const void *a, const void *b) {
    const todo_row *x = a, *y = b;
    return x->group != y->group ? (x->group > y->group) - (x->group < y->group) : (x->row > y->row) - (x->row < y->row);
}

static lmm_status plan(asking *a) {
    strmap *seen = strmap_new();
    lmm_status st = LMM_OK;
    for (int i = 0; i < a->run->count && !st; i++)
        if (!a->run->rows[i].fault) st = LMM_CONTEXT(plan_row(a, i, seen), "task '%s': row %d", a->run->task->name, a->run->first + i);
    strmap_free(seen);
    if (a->todo.count && !a->o->no_picture_cache) qsort(a->todo.at, (size_t)a->todo.count, sizeof *a->todo.at, by_group);
    return st;
}

/* ---- settings ---- */

/* The task's generation_kwargs, those of --gen_kwargs over them. tree_free */
static lmm_status kwargs_of(tree **out, const eval_task *t, const lmm_eval_opts *o) {
    const tree *own = tree_get(t->config, "generation_kwargs");
    tree *all = own ? tree_copy(own) : tree_new(TREE_MAP), *given = NULL;
    lmm_status st = o->gen_kwargs ? args_parse(&given, o->gen_kwargs) : LMM_OK;
    for (int i = 0; !st && given && i < given->count; i++) tree_put(all, given->keys[i], tree_copy(given->items[i]));
    tree_free(given);
    if (st) return tree_free(all), LMM_CONTEXT(st, "--gen_kwargs");
    return *out = all, LMM_OK;
}

bool ask_draws(const asking *a) { return !cache_deterministic(a->type, a->kwargs) && tree_bool(a->kwargs, "do_sample", true); }

uint64_t ask_stream(const asking *a, int row) {
    const char *task = a->run->task->name;
    return hash_u64(task, strlen(task), (uint64_t)(a->run->first + row) + ((uint64_t)a->repeat << 32));
}

const char **ask_stops(const tree *kwargs, int *count) {
    const tree *until = tree_get(kwargs, "until");
    const char **out = mem_new((size_t)(until ? until->count : 0) + 2, sizeof *out);
    *count = 0;
    if (until && until->type == TREE_STRING && strcmp(until->text, "\n\n")) out[(*count)++] = until->text;
    for (int i = 0; until && until->type == TREE_LIST && i < until->count; i++)
        if (until->items[i]->type == TREE_STRING && strcmp(until->items[i]->text, "\n\n")) out[(*count)++] = until->items[i]->text;
    return out;
}

static const char *type_of(const eval_task *t) {
    const char *said = tree_str(t->config, "output_type", "generate_until");
    return !strcmp(said, "multiple_choice") ? "loglikelihood" : said;
}

/* A server that answers nothing at all is no result. */
static lmm_status check_server(const task_run *run) {
    const char *first = NULL;
    int failed = 0;
    for (int i = 0; i < run->count; i++) {
        const eval_row *r = &run->rows[i];
        if (r->response && !r->fault) return LMM_OK;
        if (!r->fault || strcmp(r->fault_key, "request_failed")) continue;
        if (!failed++) first = r->fault;
    }
    return failed ? LMM_FAIL(LMM_E_IO, "task '%s': none of %d questions got an answer; the first: %s", run->task->name, failed, first)
                  : LMM_OK;
}

/* This rank's rows. */
static lmm_status ask_share(asking *a) {
    const lmm_eval_opts *o = a->o;
    ranks_take(a);
    a->bar = o->quiet || dist_rank(a->world) ? NULL : progress_new(a->run->task->name, a->todo.count, "rows");
    lmm_status st = !a->todo.count ? LMM_OK : o->chat ? ask_remote(a, o->chat, o->chat_self) : ask_model(a);
    progress_free(a->bar);
    return dist_agree(a->world, st);
}

lmm_status ask_rows(task_run *run, const eval_source *from, const lmm_eval_opts *o) {
    asking a =
        {.run = run, .o = o, .model = from->model, .store = from->store, .fingerprint = from->fingerprint, .type = type_of(run->task)};
    a.repeat = from->repeat;
    a.world = from->world;
    a.pictures = from->pictures;
    a.likelihood = !strcmp(a.type, "loglikelihood");
    a.from = visuals_of_run(run, o);
    lmm_status st = kwargs_of(&a.kwargs, run->task, o);
    if (!st && o->repeats > 1 && !ask_draws(&a))
        st =
            LMM_FAIL(LMM_E_ARG,
                     "task '%s': its answers are not drawn, so that all repeats would be the same; --gen_kwargs temperature=0.7 draws them",
                     run->task->name);
    if (!st) st = plan(&a);
    st = dist_agree(a.world, st);
    if (!st) st = ask_share(&a);
    if (!st) st = ranks_merge(&a);
    if (!st && o->chat) st = check_server(run);
    free(a.todo.at);
    tree_free(a.kwargs);
    return st;
}
