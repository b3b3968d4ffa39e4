/* import.c - EgoLife's folders, and single files, into the memory.
 *
 * What a file holds is read from its name: A1_JAKE_DAY1_11000000.srt below Transcript/ or DenseCaption/, DAY1_A1_JAKE_11094208.mp4, *.json with
 * captions, *.jsonl. One file is one transaction together with its hash: a killed import goes on where it was, a repeated one does nothing. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/ego_int.h"

enum { FILE_MAX = 1 << 28, DEPTH_MAX = 12, CLIP_MS = 30 * EGO_SECOND, LATE_MS = 2 * EGO_HOUR, NOTES_MAX = 1 << 16 };

typedef struct {
    ego *e;
    const ego_import_opts *opts;
    ego_import_report *r;
    progress *bar;
    bool day_seen[64];
} importer;

typedef struct {
    char *person; /* "A1_JAKE"; NULL: the name does not say */
    int day;      /* 0: the name does not say */
    int64_t base;
} file_name;

static void note(importer *im, const char *path, const char *what) {
    if (im->r->notes.size < NOTES_MAX) buf_printf(&im->r->notes, "%s: %s\n", path_base(path), what);
}

/* Parts between '_': DAYd, a stamp of 8 digits, the rest is the person, in either of EgoLife's two orders. */
static file_name name_read(const char *base) {
    file_name f = {0};
    buf person = {0};
    const char *stamp = NULL;
    size_t end = strcspn(base, ".");
    for (const char *p = base, *stop = base + end; p < stop;) {
        size_t n = 0;
        while (p + n < stop && p[n] != '_') n++;
        if (n == 8 && strspn(p, "0123456789") >= 8) stamp = p;
        else if (!ego_day(p, n, &f.day) && n) {
            if (person.size) buf_putc(&person, '_');
            utf8_repair(&person, p, n);
        }
        p += n + 1;
    }
    bool placed = f.day && (!stamp || ego_stamp(stamp, 8, f.day, &f.base));
    if (f.day && !stamp) f.base = (int64_t)(f.day - 1) * EGO_DAY;
    if (placed && person.size) f.person = buf_take(&person);
    else f.day = 0;
    buf_free(&person);
    return f;
}

/* The nearest folder that is called like a person of EgoLife: A1_JAKE. */
static char *person_of_path(const char *path) {
    char *found = NULL;
    for (const char *p = path, *slash; (slash = strchr(p, '/')); p = slash + 1)
        if (slash - p > 3 && p[0] == 'A' && p[1] >= '0' && p[1] <= '9' && memchr(p, '_', (size_t)(slash - p))) {
            free(found);
            found = mem_strndup(p, (size_t)(slash - p));
        }
    return found;
}

static lmm_status add_cue(importer *im, const ego_cue *c, int stream, const char *source) {
    const ego_row row = {c->speech ? EGO_SPEECH : EGO_CAPTION, stream, c->t0, c->t1, c->known, c->speaker, c->text, source};
    int64_t day = c->t0 / EGO_DAY;
    if (day >= 0 && day < (int64_t)COUNT_OF(im->day_seen)) im->day_seen[day] = true;
    if (c->speech) im->r->speech++;
    else im->r->captions++;
    return ego_add(im->e, &row);
}

static lmm_status add_cues(importer *im, const ego_cues *cues, const char *path, const char *person) {
    int64_t end = INT64_MIN;
    int overlaps = 0, stream = -1;
    lmm_status st = person ? ego_stream(im->e, person, &stream) : LMM_OK;
    for (int i = 0; !st && i < cues->cues.count; i++) {
        const ego_cue *c = &cues->cues.at[i];
        int own = stream;
        if (c->wearer) st = ego_stream(im->e, c->wearer, &own);
        if (!st && own < 0) return LMM_FAIL(LMM_E_ARG, "'%s' does not say whose memory it is; give --wearer NAME", path);
        if (!c->speech && c->t0 < end) overlaps++;
        if (!c->speech && c->t1 > end) end = c->t1;
        if (!st) st = add_cue(im, c, own, path_base(path));
    }
    im->r->overlaps += overlaps;
    return st;
}

static void note_odd(importer *im, const ego_cues *cues, const char *path, const file_name *f) {
    char what[160];
    int late = 0;
    for (int i = 0; f->day && i < cues->cues.count; i++) late += cues->cues.at[i].t0 - f->base > LATE_MS;
    if (cues->skipped) {
        snprintf(what, sizeof what, "%d pieces could not be read, the first at line %d; the rest is kept", cues->skipped, cues->first_bad);
        note(im, path, what);
        im->r->bad += cues->skipped;
    }
    if (late) {
        snprintf(what, sizeof what, "%d cues lie more than 2 hours after the file's stamp (clock off?)", late);
        note(im, path, what);
    }
    if (!cues->cues.count && !cues->skipped) note(im, path, "empty");
}

static lmm_status seen_before(ego *e, const char *name, const char *hex, bool *seen) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "INSERT OR IGNORE INTO source VALUES(?1, ?2)");
    if (st) return st;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 2, hex, -1, SQLITE_TRANSIENT);
    st = ego_step(e, s);
    *seen = !sqlite3_changes(e->db);
    sqlite3_finalize(s);
    return st;
}

/* Reads and keeps one text file; what cannot be read as captions at all is noted and passed over. */
static lmm_status text_file(importer *im, const char *path, const char *kind) {
    char *text = NULL, hex[65];
    size_t size;
    bool seen = false;
    lmm_status st = file_read(&text, &size, path, FILE_MAX);
    if (st) return st;
    file_name f = name_read(path_base(path));
    char *folder = f.person || im->opts->wearer ? NULL : person_of_path(path);
    const char *person = im->opts->wearer ? im->opts->wearer : f.person ? f.person : folder;
    ego_cues cues = {0};
    if (!strcmp(kind, ".srt")) ego_srt_parse(&cues, text, size, f.base, strstr(path, "ranscript") != NULL);
    else if (!strcmp(kind, ".jsonl")) ego_jsonl_parse(&cues, text, size);
    else if (ego_captions_parse(&cues, text, size, path)) {
        note(im, path, lmm_message());
        im->r->bad++;
    }
    if (!strcmp(kind, ".srt") && !f.day) note(im, path, "the name has no DAYd_HHMMSSFF; times count from DAY1 00:00");
    note_odd(im, &cues, path, &f);
    sha256_hex(text, size, hex);
    st = ego_begin(im->e);
    if (!st) st = seen_before(im->e, path_base(path), hex, &seen);
    if (!st && !seen) st = add_cues(im, &cues, path, person);
    if (!st) st = ego_commit(im->e);
    else if (im->e->pending) ego_rollback(im->e);
    im->r->skipped_files += seen;
    ego_cues_free(&cues);
    free(folder), free(f.person), free(text);
    return st;
}

static lmm_status clip_file(importer *im, const char *path) {
    file_name f = name_read(path_base(path));
    if (!f.person) {
        note(im, path, "the name is not DAYd_WHO_HHMMSSFF.mp4; passed over");
        return LMM_OK;
    }
    int stream;
    lmm_status st = ego_begin(im->e);
    if (!st) st = ego_stream(im->e, f.person, &stream);
    if (!st) st = ego_add_clip(im->e, stream, f.base, f.base + CLIP_MS, path);
    if (!st) st = ego_commit(im->e);
    else if (im->e->pending) ego_rollback(im->e);
    im->r->clips++;
    free(f.person);
    return st;
}

static lmm_status one_file(importer *im, const char *path) {
    const char *dot = strrchr(path_base(path), '.');
    static const char *const kinds[] = {".srt", ".jsonl", ".json"};
    if (im->r->files++ % 16 == 0 && im->bar) progress_set(im->bar, im->r->files, path_base(path));
    for (size_t i = 0; dot && i < COUNT_OF(kinds); i++)
        if (!strcasecmp(dot, kinds[i])) return text_file(im, path, kinds[i]);
    if (dot && !strcasecmp(dot, ".mp4")) return clip_file(im, path);
    im->r->files--;
    return LMM_OK;
}

static lmm_status walk(importer *im, const char *path, int depth) {
    if (!file_is_dir(path)) return one_file(im, path);
    if (depth > DEPTH_MAX) return LMM_FAIL(LMM_E_LIMIT, "'%s' is nested deeper than %d folders", path, DEPTH_MAX);
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, path);
    if (st) return st;
    for (int i = 0; !st && i < count; i++) {
        /* Questions and sealed answers are no memories. */
        if (!strncmp(names[i], "EgoLifeQA", 9) || !strncmp(names[i], "EgoSimQA", 8) || !strcmp(names[i], "world.json")) continue;
        char *child = path_join(path, names[i]);
        st = walk(im, child, depth + 1);
        free(child);
    }
    names_free(names, count);
    return st;
}

lmm_status ego_import(ego *e, const char *path, const ego_import_opts *o, ego_import_report *r) {
    if (!file_exists(path)) return LMM_FAIL(LMM_E_IO, "no file or folder '%s'", path);
    importer im = {.e = e, .opts = o, .r = r, .bar = o->quiet ? NULL : progress_new("import", 0, "files")};
    lmm_status st = walk(&im, path, 0);
    progress_free(im.bar);
    int first = -1, last = -1;
    for (int d = 0; d < (int)COUNT_OF(im.day_seen); d++)
        if (im.day_seen[d]) first = first < 0 ? d : first, last = d;
    for (int d = first; d >= 0 && d < last; d++)
        if (!im.day_seen[d]) buf_printf(&r->notes, "DAY%d: nothing between days that have something\n", d + 1);
    return st;
}
