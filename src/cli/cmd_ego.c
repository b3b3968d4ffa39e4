/* cmd_ego.c - the memory of a life: the verbs that read it (search, timeline, ask, eval), and the table of all. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd_ego.h"

typedef struct {
    const char *wearer, *as_of;
    bool json;
    int count;
} read_args;

/* clang-format off */
#define READ_OPTS(a) \
    {"-w|--wearer", OPT_STRING, &(a)->wearer, 0, 0, "NAME", "whose memory (required when there are several people)"}, \
    {"--as-of", OPT_STRING, &(a)->as_of, 0, 0, "TIME", "the moment of asking, DAY3_14300000 (default: after everything)"}, \
    {"-n|--count", OPT_INT, &(a)->count, 1, 100000, "N", "rows at most"}, \
    {"--json", OPT_FLAG, &(a)->json, 0, 0, NULL, "one JSON line a row"}
/* clang-format on */

static lmm_status view_of(ego_view **v, ego *e, const read_args *a) {
    int64_t cut;
    lmm_status st = ego_moment_read(a->as_of, INT64_MAX / 4, &cut);
    if (!st && !a->wearer) st = LMM_FAIL(LMM_E_ARG, "whose memory? give --wearer NAME");
    return st ? st : ego_view_open(v, e, a->wearer, cut);
}

static void json_field(buf *b, const char *name, const char *text) {
    buf_printf(b, ", \"%s\": ", name);
    if (text) json_quote(b, text, strlen(text));
    else buf_puts(b, "null");
}

static void print_hit(const ego_hit *h, bool json) {
    char from[40], to[40];
    ego_time_text(h->t0, from), ego_time_text(h->t1, to);
    if (!json) {
        printf("%s-%s  %s  %s%s%s\n", from, strchr(to, ' ') + 1, h->person, h->speaker ? h->speaker : "", h->speaker ? ": " : "", h->text);
        return;
    }
    buf b = {0};
    buf_printf(&b, "{\"t0\": %" PRId64 ", \"t1\": %" PRId64 ", \"score\": %.6g, \"kind\": \"%s\"", h->t0, h->t1, h->score,
               h->kind == EGO_SPEECH ? "speech" : "caption");
    json_field(&b, "from", from), json_field(&b, "wearer", h->person), json_field(&b, "speaker", h->speaker),
        json_field(&b, "text", h->text);
    buf_puts(&b, "}");
    puts(b.data);
    buf_free(&b);
}

/* A line of the timeline below its day and hour; the wearer is named when it changes. */
static void print_moment(const ego_hit *h, const ego_hit *before) {
    bool hour = !before || h->t0 / EGO_HOUR != before->t0 / EGO_HOUR, person = !before || h->person != before->person;
    char at[40];
    ego_time_text(h->t0, at);
    if (hour || person) printf("%s%.*s:00  %s\n", before ? "\n" : "", (int)(strcspn(at, " ") + 3), at, h->person);
    const char *clock = strchr(at, ':') + 1;
    if (h->speaker) printf("  %s  %s: \"%s\"\n", clock, h->speaker, h->text);
    else printf("  %s  %s\n", clock, h->text);
}

static lmm_status run_search(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    read_args a = {.count = 10};
    const char *model = NULL;
    const opt table[] = {READ_OPTS(&a), {"-e|--encoder", OPT_STRING, &model, 0, 0, "MODEL", "the encoder of the build"}, {0}};
    const char *use = "lmm ego search DIR QUERY";
    lmm_runtime *runtime = NULL;
    lmm_model *m = NULL;
    ego *e = NULL;
    ego_view *v = NULL;
    ego_hits hits = {0};
    ego_spans spans = {0};
    lmm_status st =
        cli_parse(table, argc, argv, &words, use, "Finds rows by words and meaning; times in the query (\"yesterday evening\") limit it.",
                  "  lmm ego search ~/memory -w JAKE \"scissors yesterday\"\n", &done);
    if (!st && !done) {
        st = ego_need(&words, 2, 2, use);
        if (!st) st = ego_encoder_open(model, 0, &runtime, &m);
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st && !*words.at[1]) st = LMM_FAIL(LMM_E_ARG, "the query is empty");
        if (!st) st = view_of(&v, e, &a);
        if (!st && a.as_of) ego_when(words.at[1], ego_view_cut(v), &spans);
        if (!st) st = ego_search(v, words.at[1], &(ego_search_opts){.count = a.count, .encoder = m, .spans = &spans}, &hits);
        for (int i = 0; !st && i < hits.count; i++) print_hit(&hits.at[i], a.json);
    }
    free(spans.at);
    ego_hits_free(&hits);
    ego_view_close(v), ego_close(e);
    lmm_model_close(m), lmm_runtime_close(runtime);
    free(words.at);
    return st;
}

static lmm_status write_plot(ego_view *v, const char *words, const char *path) {
    ego_heat heat = {0};
    buf svg = {0};
    lmm_status st = ego_habits(v, words, &heat);
    if (!st && !heat.days)
        st = words ? LMM_FAIL(LMM_E_ARG, "no row of this memory holds '%s'; nothing to draw", words)
                   : LMM_FAIL(LMM_E_ARG, "nothing to draw yet");
    if (!st) ego_heat_svg(&svg, &heat, words ? words : "captions and sayings");
    if (!st) st = file_write(path, svg.data, svg.size);
    if (!st) fprintf(stderr, "habits drawn into %s\n", path);
    buf_free(&svg);
    free(heat.count);
    return st;
}

static lmm_status run_timeline(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    read_args a = {.count = 50};
    const char *from = NULL, *to = NULL, *plot = NULL, *about = NULL;
    const opt table[] = {
        READ_OPTS(&a),
        {"--from", OPT_STRING, &from, 0, 0, "TIME", "first moment, DAY1_09000000"},
        {"--to", OPT_STRING, &to, 0, 0, "TIME", "moment after the last"},
        {"--plot", OPT_STRING, &plot, 0, 0, "FILE.svg", "draw days by hours instead of printing rows"},
        {"--about", OPT_STRING, &about, 0, 0, "WORDS", "of the plot: rows that hold all these words"},
        {0},
    };
    const char *use = "lmm ego timeline DIR";
    ego *e = NULL;
    ego_view *v = NULL;
    ego_hits hits = {0};
    int64_t t0 = 0, t1 = 0;
    lmm_status st = cli_parse(table, argc, argv, &words, use, "What happened, in order of time; or when it happens, as a picture.",
                              "  lmm ego timeline ~/memory -w JAKE --from DAY2_14000000 --to DAY2_15000000\n"
                              "  lmm ego timeline ~/memory -w JAKE --plot coffee.svg --about coffee\n",
                              &done);
    if (!st && !done) {
        st = ego_need(&words, 1, 1, use);
        if (!st) st = ego_moment_read(from, 0, &t0);
        if (!st) st = ego_moment_read(to, INT64_MAX / 4, &t1);
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = view_of(&v, e, &a);
        if (!st && plot) st = write_plot(v, about, plot);
        else if (!st) st = ego_timeline(v, t0, t1, a.count + 1, &hits);
        if (hits.count > a.count) fprintf(stderr, "the first %d rows; -n N shows more, --from and --to a part\n", a.count);
        for (int i = 0; !st && i < min_int(hits.count, a.count); i++) {
            if (a.json) print_hit(&hits.at[i], true);
            else print_moment(&hits.at[i], i ? &hits.at[i - 1] : NULL);
        }
    }
    ego_hits_free(&hits);
    ego_view_close(v), ego_close(e);
    free(words.at);
    return st;
}

static void print_answer(const ego_question *q, const ego_answer *a, bool json, bool more) {
    if (json) {
        buf b = {0};
        buf_printf(&b, "{\"operator\": \"%s\", \"choice\": %d, \"confidence\": %.3f, \"found\": %s", ego_op_name(a->op), a->choice,
                   a->confidence, a->abstain ? "false" : "true");
        json_field(&b, "answer", a->text);
        buf_puts(&b, "}");
        puts(b.data);
        buf_free(&b);
    } else if (a->abstain) {
        printf("%s\n", a->text);
        if (a->choice >= 0) printf("if one must be named: %c (a guess)\n", 'A' + a->choice);
    } else if (q->option_count) printf("%c. %s  (confidence %.2f, by %s)\n", 'A' + a->choice, a->text, a->confidence, ego_op_name(a->op));
    else printf("%s\n", a->text);
    for (int i = 0; i < a->proof.count; i++) print_hit(&a->proof.at[i], json);
    if (more && !json) puts("next best:");
    for (int i = a->proof.count; more && i < a->returned.count; i++) print_hit(&a->returned.at[i], json);
}

static lmm_status weigh(ego_view *v, const ego_question *q, const lmm_model *reader, ego_answer *a) {
    lmm_session *s;
    lmm_status st = lmm_session_open(&s, reader, &(lmm_session_opts){0});
    if (st) return st;
    st = ego_weigh_options(s, reader, v, q, a);
    lmm_session_close(s);
    return st;
}

static lmm_status run_ask(int argc, char **argv) {
    bool done, more = false;
    opt_list words = {0}, options = {0};
    read_args a = {.count = 10};
    const char *model = NULL, *reader = NULL;
    const opt table[] = {READ_OPTS(&a),
                         {"-e|--encoder", OPT_STRING, &model, 0, 0, "MODEL", "the encoder of the build; without it words alone decide"},
                         {"-m|--reader", OPT_STRING, &reader, 0, 0, "MODEL", "a language model that reads the rows and weighs the options"},
                         {"--more", OPT_FLAG, &more, 0, 0, NULL, "also the next best rows, ten in all"},
                         {"-o|--option", OPT_LIST, &options, 0, 0, "TEXT", "a possible answer; repeat for each (at most 8)"},
                         {0}};
    const char *use = "lmm ego ask DIR QUESTION";
    ego *e = NULL;
    ego_view *v = NULL;
    lmm_runtime *runtime = NULL, *reader_runtime = NULL;
    lmm_model *m = NULL, *r = NULL;
    ego_answer answer = {.choice = -1};
    ego_question q = {0};
    lmm_status st = cli_parse(table, argc, argv, &words, use,
                              "Answers from a memory, with the rows that say so, or says that it is not in the recordings.",
                              "  lmm ego ask ~/memory -w JAKE \"where did I put the red mug?\"\n"
                              "  lmm ego ask ~/memory -w JAKE \"who joins me most?\" -o Alice -o Tasha --as-of DAY3_14000000\n",
                              &done);
    if (!st && !done) {
        st = ego_need(&words, 2, 2, use);
        if (!st && options.count > 8) st = LMM_FAIL(LMM_E_LIMIT, "%d options, at most 8", options.count);
        if (!st && reader && !options.count) st = LMM_FAIL(LMM_E_ARG, "a reader weighs options; give two or more with -o");
        if (!st && options.count == 1) st = LMM_FAIL(LMM_E_ARG, "one option is no choice; give two or more, or none");
        for (int i = 0; !st && i < options.count; i++) q.options[q.option_count++] = options.at[i];
        if (!st) q.question = words.at[1];
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = view_of(&v, e, &a);
        if (!st) st = ego_encoder_open(model, 0, &runtime, &m);
        if (!st) st = ego_encoder_open(reader, 0, &reader_runtime, &r);
        if (!st) st = ego_ask(v, &q, EGO_OURS, m, &answer);
        if (!st && r) st = weigh(v, &q, r, &answer);
        if (!st) print_answer(&q, &answer, a.json, more);
    }
    ego_answer_free(&answer);
    ego_view_close(v), ego_close(e);
    lmm_model_close(m), lmm_model_close(r), lmm_runtime_close(runtime), lmm_runtime_close(reader_runtime);
    free(words.at);
    opts_free(table);
    return st;
}

static lmm_status system_of(const char *name, ego_system *s) {
    const char *names[EGO_SYSTEMS + 1] = {0};
    for (int i = 0; i < EGO_SYSTEMS; i++) {
        names[i] = ego_system_name((ego_system)i);
        if (!strcmp(name, names[i])) return *s = (ego_system)i, LMM_OK;
    }
    const char *near = nearest_word(name, names);
    return LMM_FAIL(LMM_E_ARG, "no system '%s'%s%s; there are ours, egorag, bm25, dense, nothing", name, near ? ", perhaps " : "",
                    near ? near : "");
}

/* One report a line for each system of the list; they share the vectors of what is asked. Leaks are a matter of the first alone. */
static lmm_status eval_systems(ego *e, const ego_qas *qas, const char *list, ego_eval_opts *o) {
    lmm_status st = LMM_OK;
    for (const char *p = list; !st && *p; p += strcspn(p, ","), p += *p == ',') {
        char *name = mem_strndup(p, strcspn(p, ",")), *report = NULL;
        st = system_of(name, &o->system);
        if (!st) st = ego_eval(e, qas, o, &report);
        if (!st) puts(report);
        free(report), free(name);
        o->control = false;
    }
    return st;
}

static lmm_status run_eval(int argc, char **argv) {
    bool done;
    int threads = 0;
    opt_list words = {0};
    const char *systems = "ours", *model = NULL, *reader = NULL, *samples = NULL;
    ego_eval_opts o = {0};
    buf lines = {0};
    ego_qas qas = {0};
    const opt table[] = {
        {"-w|--wearer", OPT_STRING, &o.wearer, 0, 0, "NAME", "whose memory answers"},
        {"-s|--system", OPT_STRING, &systems, 0, 0, "NAMES", "ours, egorag, bm25, dense, nothing (questions alone); several with commas"},
        {"--oracle", OPT_FLAG, &o.oracle, 0, 0, NULL, "give the reader exactly what the target times hold"},
        {"-e|--encoder", OPT_STRING, &model, 0, 0, "MODEL", "the encoder of the build"},
        {"-m|--reader", OPT_STRING, &reader, 0, 0, "MODEL", "a language model that reads the rows and weighs the options"},
        {"-t|--threads", OPT_INT, &threads, 0, 1024, "N", "threads of the models"},
        {"--leaks", OPT_FLAG, &o.control, 0, 0, NULL, "ask traps again of a memory cut off for real: the leak index (minutes)"},
        {"--samples", OPT_STRING, &samples, 0, 0, "FILE.jsonl", "write every answer with the rows it cites"},
        {"--limit", OPT_INT, &o.limit, 1, 1e9, "N", "only the first N questions"},
        {"-q|--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress"},
        {0},
    };
    const char *use = "lmm ego eval DIR QUESTIONS.json --wearer NAME";
    lmm_runtime *runtime = NULL, *reader_runtime = NULL;
    lmm_model *m = NULL, *r = NULL;
    ego *e = NULL;
    lmm_status st = cli_parse(table, argc, argv, &words, use,
                              "Measures a memory on EgoLifeQA's format; every question sees only what was known when it was asked.",
                              "  lmm ego eval ~/memory EgoLifeQA_A1_JAKE.json -w A1_JAKE --system ours,egorag\n", &done);
    if (!st && !done) {
        st = ego_need(&words, 2, 2, use);
        if (!st && !o.wearer) st = LMM_FAIL(LMM_E_ARG, "whose memory? give --wearer NAME");
        if (!st) st = ego_qa_load(&qas, words.at[1]);
        if (!st) st = ego_encoder_open(model, threads, &runtime, &m);
        if (!st) st = ego_encoder_open(reader, threads, &reader_runtime, &r);
        o.encoder = m, o.reader = r, o.samples = samples ? &lines : NULL;
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = eval_systems(e, &qas, systems, &o);
        if (!st && samples) st = file_write(samples, lines.data, lines.size);
    }
    buf_free(&lines);
    ego_qa_free(&qas);
    ego_close(e);
    lmm_model_close(m), lmm_model_close(r), lmm_runtime_close(runtime), lmm_runtime_close(reader_runtime);
    free(words.at);
    return st;
}

/* clang-format off */
static const command verbs[] = {
    {"init", "make an empty memory", ego_run_init},
    {"import", "bring recordings' captions and transcripts in", ego_run_import},
    {"caption", "describe imported clips with models: pictures and speech", ego_run_caption},
    {"build", "index what is new", ego_run_build},
    {"search", "find moments", run_search},
    {"timeline", "what happened, in order; habits as a picture", run_timeline},
    {"ask", "answer a question, with the rows that say so", run_ask},
    {"eval", "measure on questions with known answers", run_eval},
    {"grant", "let one person's questions use another's recordings", ego_run_grant},
    {"export", "everything as JSON lines", ego_run_export},
    {"forget", "delete with every trace", ego_run_forget},
    {"sim", "make or check a simulated week (its own program)", ego_run_sim},
};
/* clang-format on */

static void usage(FILE *to) {
    fprintf(to, "usage: lmm ego VERB DIR [OPTIONS]\n\nA memory of what people saw and heard, in one folder.\n\n");
    for (size_t i = 0; i < COUNT_OF(verbs); i++) fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(to, "\nexample:\n  lmm ego init ~/memory && lmm ego import ~/memory EgoLife/ && lmm ego build ~/memory\n");
}

lmm_status cmd_ego(int argc, char **argv) {
    const char *names[COUNT_OF(verbs) + 1] = {0};
    if (argc && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) return usage(stdout), LMM_OK;
    for (size_t i = 0; argc && i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (!strcmp(argv[0], verbs[i].name)) return verbs[i].run(argc - 1, argv + 1);
    }
    const char *near = argc ? nearest_word(argv[0], names) : NULL;
    if (near) return LMM_FAIL(LMM_E_ARG, "unknown verb '%s' (did you mean '%s'?)", argv[0], near);
    usage(stderr);
    return LMM_FAIL(LMM_E_ARG, "say what to do with which memory");
}
