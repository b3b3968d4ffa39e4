/* sim_main.c - lmm-egosim: makes a world's folders, and checks a world.
 *
 *   DIR/oracle/, DIR/noisy/   EgoLifeCap in EgoLife's layout: what the six recorded, cleanly and as recordings are
 *   DIR/questions/            EgoSimQA_<wearer>.public.json: what an answerer may read
 *   DIR/sealed/               EgoSimQA_<wearer>.sealed.json (mode 0600): answers and where they come from; only the scorer opens it */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ego/sim_world.h"

enum { R_FORM = 90 };

static void stamp(buf *b, int64_t t) {
    int64_t s = t / 1000;
    buf_printf(b, "%02d%02d%02d%02d", (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60), (int)(t % 1000 / 50));
}

static void clock_text(buf *b, int64_t ms) {
    buf_printf(b, "%02d:%02d:%02d,%03d", (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

/* One hour of one wearer as SRT; nothing is written when there is nothing. */
static lmm_status write_hour(const world *w, int wearer, bool noise, bool speech, int day, int hour, const char *dir) {
    buf srt = {0}, text = {0};
    int64_t base = (int64_t)day * DAY_MS + (int64_t)hour * 3600000;
    int n = 0;
    for (int i = 0; i < w->events.count; i++) {
        const event *e = &w->events.at[i];
        const char *speaker;
        if (e->t0 < base || e->t0 >= base + 3600000 || event_is_speech(e) != speech || !sim_say(w, i, wearer, noise, &text, &speaker))
            continue;
        buf_printf(&srt, "%d\n", ++n);
        clock_text(&srt, e->t0 - base), buf_puts(&srt, " --> "), clock_text(&srt, e->t1 - base);
        buf_printf(&srt, "\n%s%s%s\n\n", speaker ? speaker : "", speaker ? ": " : "", text.data);
    }
    lmm_status st = LMM_OK;
    if (n) {
        char *path = mem_printf("%s/A%d_%s_DAY%d_%02d000000.srt", dir, wearer + 1, w->name[wearer], day + 1, hour);
        st = file_write(path, srt.data, srt.size);
        free(path);
    }
    buf_free(&srt), buf_free(&text);
    return st;
}

static lmm_status write_track(const world *w, const char *root, bool noise) {
    lmm_status st = LMM_OK;
    for (int p = 0; !st && p < WEARERS; p++)
        for (int kind = 0; !st && kind < 2; kind++)
            for (int d = 0; !st && d < DAYS; d++) {
                char *dir = mem_printf("%s/%s/EgoLifeCap/%s/A%d_%s/DAY%d", root, noise ? "noisy" : "oracle",
                                       kind ? "Transcript" : "DenseCaption", p + 1, w->name[p], d + 1);
                st = dir_make(dir);
                for (int h = 8; !st && h < 24; h++) st = write_hour(w, p, noise, kind, d, h, dir);
                free(dir);
            }
    return st;
}

static void put_public(const world *w, const question *q, buf *b) {
    buf option = {0};
    buf_printf(b, "{\"ID\": \"%d\", \"query_time\": {\"date\": \"DAY%d\", \"time\": \"", q->id, (int)(q->at / DAY_MS) + 1);
    stamp(b, q->at);
    buf_printf(b, "\"}, \"type\": \"%s\", \"question\": ", family_type(q->q.f));
    json_quote(b, q->text, strlen(q->text));
    for (int k = 0; k < 4; k++) {
        buf_reset(&option);
        sim_option_text(w, &q->q, q->option[k], q->at, &option);
        buf_printf(b, ", \"choice_%c\": ", 'a' + k);
        json_quote(b, option.data, option.size);
    }
    buf_puts(b, "}");
    buf_free(&option);
}

static void put_sealed(const world *w, const question *q, buf *b) {
    int64_t first = INT64_MAX, volume = 0;
    bool heard = false;
    for (int i = 0; i < q->witness.count; i++) {
        const event *e = &w->events.at[q->witness.at[i]];
        if (e->t0 < first) first = e->t0;
        volume += e->t1 - e->t0;
        heard |= event_is_speech(e);
    }
    int future = -1;
    for (int k = 0; k < 4; k++)
        if (q->future >= 0 && q->option[k] == q->future) future = k;
    buf_printf(b,
               "{\"ID\": \"%d\", \"answer\": \"%c\", \"family\": \"%s\", \"args\": [%d, %d], \"need_audio\": %s, \"cert_span_s\": %" PRId64
               ", \"cert_vol_s\": %" PRId64,
               q->id, 'A' + q->letter, family_name(q->q.f), q->q.a, q->q.b, heard ? "true" : "false", (q->at - first) / 1000,
               volume / 1000);
    if (future >= 0) buf_printf(b, ", \"future_answer\": \"%c\"", 'A' + future);
    buf_puts(b, ", \"target_time\": [");
    for (int i = 0; i < q->witness.count; i++) {
        const event *e = &w->events.at[q->witness.at[i]];
        buf_printf(b, "%s{\"date\": \"DAY%d\", \"time\": \"", i ? ", " : "", (int)(e->t0 / DAY_MS) + 1);
        stamp(b, e->t0);
        buf_putc(b, '_');
        stamp(b, e->t1);
        buf_puts(b, "\"}");
    }
    buf_puts(b, "]}");
}

static lmm_status write_questions(const world *w, const char *root, const questions *all, int wearer) {
    buf pub = {0}, sealed = {0};
    const char *between = "[\n";
    int n = 0;
    for (int id = 1; id <= all->count; id++)
        for (int i = 0; i < all->count; i++) {
            const question *q = &all->at[i];
            if (q->wearer != wearer || q->id != id) continue;
            buf_puts(&pub, between), buf_puts(&sealed, between);
            put_public(w, q, &pub), put_sealed(w, q, &sealed);
            between = ",\n";
            n++;
        }
    buf_puts(&pub, n ? "\n]\n" : "[]\n"), buf_puts(&sealed, n ? "\n]\n" : "[]\n");
    char *a = mem_printf("%s/questions/EgoSimQA_A%d_%s.public.json", root, wearer + 1, w->name[wearer]);
    char *b = mem_printf("%s/sealed/EgoSimQA_A%d_%s.sealed.json", root, wearer + 1, w->name[wearer]);
    lmm_status st = file_write(a, pub.data, pub.size);
    if (!st) st = file_write(b, sealed.data, sealed.size);
    if (!st && chmod(b, 0600)) st = LMM_FAIL(LMM_E_IO, "cannot seal '%s'", b);
    free(a), free(b);
    buf_free(&pub), buf_free(&sealed);
    return st;
}

static void word_questions(const world *w, questions *all) {
    rng r = sim_rng(w, R_FORM, 0, 0);
    for (int i = 0; i < all->count; i++) {
        buf b = {0};
        sim_word(w, &all->at[i], (int)rng_below(&r, FORMS), &b);
        all->at[i].text = buf_take(&b);
    }
}

/* What `check` needs to run the world again. */
static lmm_status write_seed(const char *root, int seed, sim_split split, int count) {
    char *path = path_join(root, "sealed/world.json"),
         *text = mem_printf("{\"seed\": %d, \"split\": %d, \"questions\": %d}\n", seed, (int)split, count);
    lmm_status st = file_write(path, text, strlen(text));
    if (!st && chmod(path, 0600)) st = LMM_FAIL(LMM_E_IO, "cannot seal '%s'", path);
    free(path), free(text);
    return st;
}

static lmm_status make(const char *root, int seed, sim_split split, int count) {
    world *w = mem_new(1, sizeof *w);
    questions all = {0};
    world_run(w, (uint64_t)seed, split);
    char *q = path_join(root, "questions"), *s = path_join(root, "sealed"), *about = path_join(root, "world.json");
    lmm_status st = dir_make(q);
    if (!st) st = dir_make(s);
    for (int n = 0; !st && n < 2; n++) st = write_track(w, root, n);
    for (int p = 0; p < WEARERS; p++) sim_ask(w, p, count, &all);
    word_questions(w, &all);
    for (int p = 0; !st && p < WEARERS; p++) st = write_questions(w, root, &all, p);
    buf b = {0};
    buf_puts(&b, "{\"house\": \"EgoSim\", \"wearers\": [");
    for (int p = 0; p < WEARERS; p++) buf_printf(&b, "%s\"A%d_%s\"", p ? ", " : "", p + 1, w->name[p]);
    buf_puts(&b, "]}\n");
    if (!st) st = file_write(about, b.data, b.size);
    if (!st) st = write_seed(root, seed, split, count);
    if (!st) printf("%d events, %d questions in %s\n", w->events.count, all.count, root);
    buf_free(&b);
    questions_free(&all);
    world_free(w);
    free(w), free(q), free(s), free(about);
    return st;
}

/* The media track of one wearer's day; people.json says who is which number. */
static lmm_status render(const char *dir, int seed, sim_split split, int wearer, int day) {
    world *w = mem_new(1, sizeof *w);
    buf people = {0};
    world_run(w, (uint64_t)seed, split);
    lmm_status st = sim_render(w, wearer - 1, day - 1, dir);
    for (int p = 0; p < PEOPLE; p++) buf_printf(&people, "%s\"P%d\": \"%s\"", p ? ", " : "{", p, w->name[p]);
    buf_puts(&people, "}\n");
    char *path = path_join(dir, "people.json");
    if (!st) st = file_write(path, people.data, people.size);
    free(path);
    buf_free(&people);
    world_free(w);
    free(w);
    return st;
}

int main(int argc, char **argv) {
    static const char *const splits[] = {"train", "dev", "test"};
    const char *split = "train";
    int seed = 1, count = 500, which = -1, wearer = 1, day = 1;
    bool help = false;
    opt_list words = {0};
    const opt table[] = {
        {"--seed", OPT_INT, &seed, 0, 1e9, "N", "the world's seed"},
        {"--split", OPT_STRING, &split, 0, 0, "NAME", "train, dev or test: names and wordings of questions"},
        {"--questions", OPT_INT, &count, 16, 5000, "N", "questions a wearer"},
        {"--wearer", OPT_INT, &wearer, 1, WEARERS, "N", "render: whose recording, 1 to 6"},
        {"--day", OPT_INT, &day, 1, DAYS, "N", "render: of which day"},
        {0},
    };
    lmm_status st = opts_parse(table, argc - 1, argv + 1, &words, &help);
    for (int i = 0; i < SPLITS; i++)
        if (!strcmp(split, splits[i])) which = i;
    if (!st && help) {
        buf b = {0};
        opts_help(&b, "lmm ego sim DIR | lmm ego sim check DIR | lmm ego sim render DIR",
                  "Makes a simulated week of six people with questions and sealed answers, checks one, or draws what a wearer saw on a "
                  "day.",
                  table,
                  "  lmm ego sim world --seed 7 --split dev\n  lmm ego sim check world\n"
                  "  lmm ego sim render clips --seed 7 --split dev --wearer 2 --day 1\n");
        fputs(b.data, stdout);
        buf_free(&b);
        return 0;
    }
    if (!st && which < 0) st = LMM_FAIL(LMM_E_ARG, "no split '%s': train, dev or test", split);
    if (!st && words.count == 2 && !strcmp(words.at[0], "check")) {
        int failed = sim_check(words.at[1]);
        if (failed) st = LMM_FAIL(LMM_E_FORMAT, "%d gates failed", failed);
    } else if (!st && words.count == 2 && !strcmp(words.at[0], "render")) st = render(words.at[1], seed, (sim_split)which, wearer, day);
    else if (!st && words.count != 1) st = LMM_FAIL(LMM_E_ARG, "say where: lmm ego sim DIR");
    else if (!st) st = make(words.at[0], seed, (sim_split)which, count);
    if (st) fprintf(stderr, "lmm ego sim: %s\n", lmm_message());
    free(words.at);
    return lmm_status_exit_code(st);
}
