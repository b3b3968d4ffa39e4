/* sim_media.c - gate G5: whether a rendered track gives back what the clean text track says of the witnesses.
 *
 * A line of that track counts when the picture in the file is nearer to a drawing of it than to a drawing with anything else in a place of it (another thing,
 * act, price, person or room), and, when something is said, the transcript nearer to its words than to any other thing that could be said. Lines are those of all
 * events that prove an answer to a question of the wearer. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/sim_world.h"

enum { PIXELS = SIM_SIDE * SIM_SIDE * 3, HEADER = 54, PHRASE_MAX = 128, TEXT_MAX = 512, PRICES = 100 };

typedef struct {
    const world *w;
    int wearer;
    char *dir;
    tree *heard; /* clip: text; NULL: nobody listened */
    uint8_t picture[PIXELS];
    sim_media_lines *out;
} track;

/* ---- seen ---- */

static lmm_status read_picture(track *t, const char *clip) {
    char *path = mem_printf("%s/%s.bmp", t->dir, clip), *data = NULL;
    size_t size = 0;
    lmm_status st = file_read(&data, &size, path, 1 << 20);
    if (!st && (size != HEADER + PIXELS || memcmp(data, "BM", 2)))
        st = LMM_FAIL(LMM_E_FORMAT, "'%s' is no picture of `lmm ego sim render`", path);
    for (int i = 0; !st && i < PIXELS; i++) { /* lines from below, blue first */
        int y = i / (SIM_SIDE * 3), x = i / 3 % SIM_SIDE;
        t->picture[i] = (uint8_t)data[HEADER + ((SIM_SIDE - 1 - y) * SIM_SIDE + x) * 3 + 2 - i % 3];
    }
    free(data), free(path);
    return st;
}

static double distance(const track *t, const event *e) {
    uint8_t drawn[PIXELS];
    double least = 1e18;
    for (int move = 0; move < 9; move++) {
        double sum = 0;
        sim_draw(t->w, e, t->wearer, move % 3 - 1, move / 3 - 1, drawn);
        for (int i = 0; i < PIXELS; i++) sum += (drawn[i] - t->picture[i]) * (drawn[i] - t->picture[i]);
        if (sum < least) least = sum;
    }
    return least;
}

typedef enum { WHAT, KIND, ACTOR, OTHER, PLACE, VALUE, FIELDS } field;

/* How many values a field may have; 0: the event says nothing by it. */
static int domain(const event *e, field f) {
    static const int whats[EV_KINDS] = {[EV_ACT] = ACTS,   [EV_JOIN] = ACTS,   [EV_HELP] = ACTS, [EV_DRINK] = DRINKS, [EV_PUT] = THINGS,
                                        [EV_USE] = THINGS, [EV_GIVE] = THINGS, [EV_BUY] = ITEMS, [EV_SIT] = 2};
    switch (f) {
    case WHAT: return whats[e->kind];
    case KIND: return whats[e->kind] == ACTS || whats[e->kind] == THINGS ? 3 : 0;
    case ACTOR: return PEOPLE;
    case OTHER: return e->other >= 0 ? PEOPLE : 0;
    case PLACE: return PLACES;
    case VALUE: return e->kind == EV_BUY ? PRICES : 0;
    case FIELDS: break;
    }
    return 0;
}

/* The event with the field's value number k; false when it is what the event says anyway. */
static bool otherwise(const world *w, event *e, field f, int k) {
    static const event_kind acts[3] = {EV_ACT, EV_JOIN, EV_HELP}, things[3] = {EV_PUT, EV_USE, EV_GIVE};
    const event was = *e;
    switch (f) {
    case WHAT: e->what = k; break;
    case KIND: e->kind = domain(e, WHAT) == ACTS ? acts[k] : things[k]; break;
    case ACTOR: e->actor = k; break;
    case OTHER: e->other = k; break;
    case PLACE: e->place = k; break;
    case VALUE: e->value = 30 + 5 * k; break;
    case FIELDS: break;
    }
    if (f == WHAT && domain(e, WHAT) == THINGS)
        return w->thing_type[k] != w->thing_type[was.what] || w->thing_colour[k] != w->thing_colour[was.what];
    return e->what != was.what || e->kind != was.kind || e->actor != was.actor || e->other != was.other || e->place != was.place ||
           e->value != was.value;
}

/* Whether each field of the event is what the picture shows best. */
static bool shown(const track *t, const event *e) {
    double own = distance(t, e);
    for (int f = 0; f < FIELDS; f++)
        for (int k = 0, n = domain(e, (field)f); k < n; k++) {
            event x = *e;
            if (otherwise(t->w, &x, (field)f, k) && distance(t, &x) <= own) return false;
        }
    return true;
}

/* ---- heard ---- */

/* What number k of a kind of sentence is about; false: there is no such number. */
static bool phrase(event_kind kind, int k, char out[PHRASE_MAX]) {
    bool there = k < (kind == EV_TELL ? TOPICS * CLAIMS : kind == EV_PLAN ? ITEMS : TASKS);
    if (there && kind == EV_TELL) snprintf(out, PHRASE_MAX, "the %s %s", topic_name[k / CLAIMS], claim_name[k % CLAIMS]);
    else if (there) snprintf(out, PHRASE_MAX, "%s", kind == EV_PLAN ? item_name[k] : task_name[k]);
    return there;
}

/* Letters to change, of each of the phrase's, to find it somewhere in the text. */
static double misheard(const char *want, const char *text) {
    int row[TEXT_MAX + 1], n = (int)strlen(text), m = (int)strlen(want), least = m;
    for (int j = 0; j <= n; j++) row[j] = 0;
    for (int i = 1; i <= m; i++) {
        int before = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = before + (tolower((unsigned char)want[i - 1]) != tolower((unsigned char)text[j - 1]));
            before = row[j];
            row[j] = min_int(min_int(row[j] + 1, row[j - 1] + 1), change);
        }
    }
    for (int j = 0; j <= n; j++) least = min_int(least, row[j]);
    return (double)least / m;
}

static bool heard(const track *t, const event *e, const char *clip) {
    char text[TEXT_MAX], words[PHRASE_MAX];
    int own = e->kind == EV_TELL ? e->what * CLAIMS + e->value : e->what;
    snprintf(text, sizeof text, "%s", tree_str(t->heard, clip, ""));
    phrase(e->kind, own, words);
    double off = misheard(words, text);
    for (int k = 0; phrase(e->kind, k, words); k++)
        if (k != own && misheard(words, text) <= off) return false;
    return true;
}

/* ---- tracks ---- */

static lmm_status check_event(track *t, int index) {
    const event *e = &t->w->events.at[index];
    char clip[SIM_NAME];
    sim_clip_name(t->w, index, t->wearer, clip);
    lmm_status st = read_picture(t, clip);
    if (st) return st;
    if (!event_is_speech(e)) t->out->captions++, t->out->shown += shown(t, e);
    else if (t->heard) t->out->sayings++, t->out->heard += shown(t, e) && heard(t, e, clip);
    return LMM_OK;
}

/* Events of the track's day that prove an answer, each once. */
static lmm_status check_witnesses(track *t, int day, int questions_each) {
    questions all = {0};
    bool *proof = mem_new((size_t)t->w->events.count + 1, sizeof *proof);
    lmm_status st = LMM_OK;
    sim_ask(t->w, t->wearer, questions_each, &all);
    for (int i = 0; i < all.count; i++)
        for (int k = 0; k < all.at[i].witness.count; k++) proof[all.at[i].witness.at[k]] = true;
    for (int i = 0; !st && i < t->w->events.count; i++)
        if (proof[i] && t->w->events.at[i].t0 / DAY_MS == day) st = check_event(t, i);
    questions_free(&all);
    free(proof);
    return st;
}

static lmm_status check_track(const world *w, const char *media, const char *name, int questions_each, sim_media_lines *out) {
    int wearer, day, end = 0;
    if (sscanf(name, "A%d_DAY%d%n", &wearer, &day, &end) != 2 || name[end] || wearer < 1 || wearer > WEARERS || day < 1 || day > DAYS)
        return LMM_FAIL(LMM_E_FORMAT, "'%s/%s' is no track: tracks are called A<wearer>_DAY<day>, as A1_DAY2", media, name);
    track t = {.w = w, .wearer = wearer - 1, .dir = path_join(media, name), .out = out};
    char *path = path_join(t.dir, "heard.json");
    lmm_status st = file_exists(path) ? tree_load(&t.heard, path) : LMM_OK;
    if (!st) st = check_witnesses(&t, day - 1, questions_each);
    out->tracks++, out->silent += !t.heard;
    tree_free(t.heard);
    free(path), free(t.dir);
    return st;
}

lmm_status sim_media(const char *dir, sim_media_lines *out) {
    char *media = path_join(dir, "media"), **names = NULL;
    int count = 0, questions_each = 0;
    world *w = NULL;
    *out = (sim_media_lines){0};
    lmm_status st = file_is_dir(media) ? dir_list(&names, &count, media) : LMM_OK;
    if (!st && count) st = sim_load(dir, &w, &questions_each);
    for (int i = 0; !st && i < count; i++) st = check_track(w, media, names[i], questions_each, out);
    names_free(names, count);
    if (w) world_free(w);
    free(w), free(media);
    return st;
}
