/* transcript.c - the speech of a row's video as its column `transcript`, for tasks whose prompt has a place for it.
 *
 * `transcript: "transcripts/{{ id }}.txt"` of a task names the file it is in, as Video-MMMU's own scripts write them. With a speech model the model
 * hears the video instead; what it heard is kept in the store, since hours of lectures take their time. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

typedef struct {
    task_run *run;
    const lmm_eval_opts *opts;
    eval_store *store;
    char fingerprint[17]; /* of the speech model */
} listening;

/* ---- a speech model ---- */

static lmm_status request_of(tree **out, char key[65], const listening *l, const char *path, int i) {
    char hash[65];
    file_map film;
    lmm_status st = file_map_open(&film, path);
    if (st) return st;
    sha256_hex(film.data, film.size, hash);
    file_map_close(&film);
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "request_type", tree_new_string("transcript"));
    tree_put(t, "task_name", tree_new_string(""));
    tree_put(t, "doc_id", tree_new_int(0));
    tree_put(t, "idx", tree_new_int(0));
    tree_put(t, "content_hash", tree_new_string(hash));
    tree_put(t, "model_fingerprint_hash", tree_new_string(l->fingerprint));
    cache_key(key, t);
    tree_put(t, "doc_id", tree_new_int(l->run->first + i));
    return *out = t, LMM_OK;
}

static lmm_status hear(char **text, const listening *l, const char *path, int i) {
    char key[65];
    tree *request, *known = NULL, *usage = NULL;
    lmm_transcript heard;
    lmm_status st = request_of(&request, key, l, path, i);
    if (st) return st;
    if (l->store) st = store_get(l->store, key, &known, &usage);
    if (!st && known && known->type == TREE_STRING) *text = mem_strdup(known->text);
    else if (!st && !(st = lmm_transcribe(l->opts->speech, path, NULL, NULL, NULL, &heard))) {
        tree *said = tree_new_string(heard.text);
        if (l->store) st = store_put(l->store, key, request, said, NULL);
        *text = mem_strdup(heard.text);
        tree_free(said);
        lmm_transcript_free(&heard);
    }
    tree_free(known);
    tree_free(usage);
    tree_free(request);
    return st;
}

/* The first video of the row. */
static lmm_status hear_row(char **text, const listening *l, const tree *row, int i) {
    const task_run *run = l->run;
    const visual_source from = visuals_of_run(run, l->opts);
    visual_list list = {0};
    tree *vars = row_vars(run->task, row, l->opts->model);
    lmm_status st = visuals_of(&list, &from, row, vars);
    const char *path = NULL;
    for (int k = 0; k < list.count && !path; k++)
        if (list.at[k].video && !file_is_dir(list.at[k].url)) path = list.at[k].url;
    if (!st && !path) st = LMM_FAIL(LMM_E_FORMAT, "the row has no video file that could be heard");
    if (!st) st = hear(text, l, path, i);
    tree_free(vars);
    visuals_free(&list);
    return st;
}

/* ---- all rows ---- */

lmm_status transcripts_add(task_run *run, eval_store *store, const lmm_eval_opts *o) {
    const char *source = tree_str(run->task->config, "transcript", NULL);
    if (!source) return LMM_OK;
    const visual_source from = visuals_of_run(run, o);
    listening l = {.run = run, .opts = o, .store = store};
    if (o->speech) lmm_model_fingerprint(o->speech, l.fingerprint);
    progress *bar = o->speech && !o->quiet ? progress_new("transcripts", run->count, "videos") : NULL;
    lmm_status st = LMM_OK;
    for (int i = 0; i < run->count && !st; i++) {
        tree *row = run->data.rows->items[run->first + i];
        char *text = NULL;
        if (tree_get(row, "transcript") && !o->speech) continue;
        st = o->speech ? hear_row(&text, &l, row, i) : text_beside(&text, &from, source, row);
        if (st && st != LMM_E_MEMORY && st != LMM_E_CANCELLED) st = LMM_OK; /* the prompt says that there is none, the results count it */
        if (text) tree_put(row, "transcript", tree_new_string(text));
        else run->untranscribed++;
        free(text);
        if (bar) progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    return st;
}
