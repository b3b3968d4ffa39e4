/* cmd_ego_keep.c - the verbs that fill a memory, take from it and look after it: init, import, build, grant, export, forget, sim. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd_ego.h"

lmm_status ego_moment_read(const char *text, int64_t fallback, int64_t *ms) {
    *ms = fallback;
    if (!text) return LMM_OK;
    size_t n = strcspn(text, "_ ");
    int day;
    if (!ego_day(text, n, &day))
        return LMM_FAIL(LMM_E_ARG, "'%s' is no moment; expected DAY3 or DAY3_14300000 (HHMMSSFF, FF frames of 20 a second)", text);
    *ms = (int64_t)(day - 1) * EGO_DAY;
    if (!text[n]) return LMM_OK;
    int64_t at;
    if (!ego_stamp(text + n + 1, strlen(text + n + 1), day, &at))
        return LMM_FAIL(LMM_E_ARG, "'%s': '%s' is no HHMMSSFF", text, text + n + 1);
    *ms = at;
    return LMM_OK;
}

lmm_status ego_need(const opt_list *words, int low, int high, const char *usage) {
    return words->count < low || words->count > high ? LMM_FAIL(LMM_E_ARG, "usage: %s", usage) : LMM_OK;
}

lmm_status ego_encoder_open(const char *model, int threads, lmm_runtime **runtime, lmm_model **m) {
    if (!model) return LMM_OK;
    const model_args a = {.model = model, .threads = threads};
    return model_args_open(runtime, m, &a);
}

lmm_status ego_run_init(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    const opt table[] = {{0}};
    const char *use = "lmm ego init DIR";
    lmm_status st = cli_parse(table, argc, argv, &words, use, "Makes an empty memory.", "  lmm ego init ~/memory\n", &done);
    if (!st && !done) st = ego_need(&words, 1, 1, use);
    if (!st && !done) st = ego_create(words.at[0]);
    if (!st && !done) printf("memory in %s; next: lmm ego import %s FOLDER\n", words.at[0], words.at[0]);
    free(words.at);
    return st;
}

lmm_status ego_run_import(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    ego_import_opts o = {0};
    const opt table[] = {
        {"-w|--wearer", OPT_STRING, &o.wearer, 0, 0, "NAME", "whose memory, when names of files and lines do not say"},
        {"-q|--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress"},
        {0},
    };
    const char *use = "lmm ego import DIR PATH...";
    ego *e = NULL;
    ego_import_report r = {0};
    lmm_status st =
        cli_parse(table, argc, argv, &words, use, "Brings EgoLife folders, SRT files, caption JSON and JSON lines into a memory.",
                  "  lmm ego import ~/memory EgoLife/\n  lmm ego import ~/memory notes.jsonl --wearer A1_JAKE\n", &done);
    if (!st && !done) {
        st = ego_need(&words, 2, 1000000, use);
        if (!st) st = ego_open(&e, words.at[0]);
        for (int i = 1; !st && i < words.count; i++) st = ego_import(e, words.at[i], &o, &r);
        if (r.notes.size) fputs(r.notes.data, stderr);
        if (!st)
            printf("%d files (%d seen before): %d clips, %d captions, %d utterances; %d overlaps, %d unreadable pieces\n", r.files,
                   r.skipped_files, r.clips, r.captions, r.speech, r.overlaps, r.bad);
    }
    buf_free(&r.notes);
    ego_close(e);
    free(words.at);
    return st;
}

lmm_status ego_run_caption(int argc, char **argv) {
    bool done;
    opt_list words = {0}, names = {0};
    const char *model = NULL, *server_args = NULL, *speech = NULL;
    int threads = 0;
    ego_caption_opts o = {.prompt = "Describe what happens, in one sentence."};
    const opt table[] = {
        {"-m|--model", OPT_STRING, &model, 0, 0, "WHO",
         "says what the pictures show: a checkpoint, or the address of a server with OpenAI's interface"},
        {"--model_args", OPT_STRING, &server_args, 0, 0, "K=V,...", "of a server: model=NAME, api_key_env=VARIABLE, concurrency=N"},
        {"-s|--speech", OPT_STRING, &speech, 0, 0, "MODEL", "a Whisper model: what is said"},
        {"-p|--prompt", OPT_STRING, &o.prompt, 0, 0, "TEXT", "what the model is asked of each clip"},
        {"-f|--frames", OPT_INT, &o.frames, 1, 1024, "N",
         "give the model so many pictures of a clip (default: the clip as a video; a server: 8)"},
        {"-l|--language", OPT_STRING, &o.language, 0, 0, "CODE", "of the speech (default: heard)"},
        {"--name", OPT_LIST, &names, 0, 0, "WORD=NAME", "who somebody is whom the model calls by a word of its own; repeat for more"},
        {"-n|--limit", OPT_INT, &o.limit, 1, 1e9, "N", "only the next N clips"},
        {"-t|--threads", OPT_INT, &threads, 0, 1024, "N", "threads"},
        {"-q|--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress"},
        {0},
    };
    const char *use = "lmm ego caption DIR -m MODEL -s WHISPER";
    lmm_runtime *runtime[2] = {NULL, NULL};
    lmm_model *m = NULL, *w = NULL;
    chat *server = NULL;
    char server_name[17];
    ego *e = NULL;
    ego_caption_report r = {0};
    lmm_status st = cli_parse(table, argc, argv, &words, use,
                              "Writes captions and transcripts of imported clips that have none; may be stopped and repeated.",
                              "  lmm ego import ~/memory clips/\n  lmm ego caption ~/memory -m egogpt -s whisper-tiny.en --name P3=Alice\n"
                              "  lmm ego caption ~/memory -m http://localhost:8000/v1 --model_args model=big\n",
                              &done);
    if (!st && !done) {
        st = ego_need(&words, 1, 1, use);
        if (!st && !model && !speech) st = LMM_FAIL(LMM_E_ARG, "nothing to caption with: give --model, --speech or both");
        for (int i = 0; !st && i < names.count; i++)
            if (!strchr(names.at[i], '=')) st = LMM_FAIL(LMM_E_ARG, "--name %s: write WORD=NAME", names.at[i]);
        const bool is_url = model && strstr(model, "://");
        if (!st && is_url) st = LMM_CONTEXT(chat_server_open(&server, server_name, server_args, model), "--model");
        else if (!st) st = ego_encoder_open(model, threads, &runtime[0], &m);
        if (server) o.ask = chat_ask, o.ask_self = server;
        if (!st) st = ego_encoder_open(speech, threads, &runtime[1], &w);
        o.captioner = m, o.listener = w, o.names = names.at, o.name_count = names.count;
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = ego_caption(e, &o, &r);
        if (r.notes.size) fputs(r.notes.data, stderr);
        if (!st)
            printf("%d clips: %d captions, %d utterances; %d without readable sound, %d failed\n", r.clips, r.captions, r.utterances,
                   r.unheard, r.failed);
    }
    buf_free(&r.notes);
    ego_close(e);
    chat_close(server);
    lmm_model_close(m), lmm_model_close(w);
    lmm_runtime_close(runtime[0]), lmm_runtime_close(runtime[1]);
    free(words.at);
    opts_free(table);
    return st;
}

lmm_status ego_run_build(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    ego_build_opts o = {0};
    const char *model = NULL;
    int threads = 0;
    const opt table[] = {
        {"-e|--encoder", OPT_STRING, &model, 0, 0, "MODEL", "sentence encoder of 384 numbers (MiniLM-L6); default: hashed words, no model"},
        {"-t|--threads", OPT_INT, &threads, 0, 1024, "N", "threads of the encoder"},
        {"-q|--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress"},
        {0},
    };
    const char *use = "lmm ego build DIR";
    lmm_runtime *runtime = NULL;
    lmm_model *m = NULL;
    ego *e = NULL;
    ego_build_report r;
    lmm_status st = cli_parse(table, argc, argv, &words, use, "Indexes what is new: words, vectors, segments, people, facts and tasks.",
                              "  lmm ego build ~/memory\n", &done);
    if (!st && !done) {
        st = ego_need(&words, 1, 1, use);
        if (!st) st = ego_encoder_open(model, threads, &runtime, &m);
        o.encoder = m;
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = ego_build(e, &o, &r);
        if (!st)
            printf("%" PRId64 " new rows; %" PRId64 " vectors, %" PRId64 " new segments, %" PRId64 " facts, %" PRId64 " tasks\n", r.rows,
                   r.vectors, r.segments, r.facts, r.tasks);
    }
    ego_close(e);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    free(words.at);
    return st;
}

lmm_status ego_run_export(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    const opt table[] = {{0}};
    const char *use = "lmm ego export DIR FILE.jsonl";
    ego *e = NULL;
    int64_t count = 0;
    lmm_status st = cli_parse(table, argc, argv, &words, use, "Writes every row as a JSON line; importing the file gives the same memory.",
                              "  lmm ego export ~/memory all.jsonl\n", &done);
    if (!st && !done) {
        st = ego_need(&words, 2, 2, use);
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = ego_export(e, words.at[1], &count);
        if (!st) printf("%" PRId64 " rows in %s\n", count, words.at[1]);
    }
    ego_close(e);
    free(words.at);
    return st;
}

lmm_status ego_run_forget(int argc, char **argv) {
    bool done, yes = false;
    opt_list words = {0};
    ego_forget_opts o = {0};
    const char *from = NULL, *to = NULL;
    const opt table[] = {
        {"-w|--wearer", OPT_STRING, &o.wearer, 0, 0, "NAME", "only this person's recordings"},
        {"--mention", OPT_STRING, &o.mention, 0, 0, "WORD", "only what names this person, place or thing, or was said by them"},
        {"--from", OPT_STRING, &from, 0, 0, "TIME", "from this moment"},
        {"--to", OPT_STRING, &to, 0, 0, "TIME", "to this moment"},
        {"--yes", OPT_FLAG, &yes, 0, 0, NULL, "really do it; there is no way back"},
        {0},
    };
    const char *use = "lmm ego forget DIR --yes";
    ego *e = NULL;
    int64_t count = 0;
    lmm_status st =
        cli_parse(table, argc, argv, &words, use, "Deletes a person, a thing or a time, with every trace in database, index and vectors.",
                  "  lmm ego forget ~/memory --mention Violet --yes\n  lmm ego forget ~/memory -w JAKE --from DAY2_22000000 --to DAY3 "
                  "--yes\n",
                  &done);
    if (!st && !done) {
        st = ego_need(&words, 1, 1, use);
        if (!st && !yes) st = LMM_FAIL(LMM_E_ARG, "forgetting has no way back; add --yes");
        if (!st && !o.wearer && !o.mention && !from && !to)
            st = LMM_FAIL(LMM_E_ARG, "forget what? give --wearer, --mention, --from or --to");
        if (!st) st = ego_moment_read(from, 0, &o.from);
        if (!st) st = ego_moment_read(to, 0, &o.to);
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = ego_forget(e, &o, &count);
        if (!st) printf("%" PRId64 " rows forgotten\n", count);
    }
    ego_close(e);
    free(words.at);
    return st;
}

lmm_status ego_run_grant(int argc, char **argv) {
    bool done;
    opt_list words = {0};
    const char *from = NULL, *to = NULL;
    const opt table[] = {
        {"--from", OPT_STRING, &from, 0, 0, "TIME", "from this moment"},
        {"--to", OPT_STRING, &to, 0, 0, "TIME", "to this moment"},
        {0},
    };
    const char *use = "lmm ego grant DIR READER OWNER";
    ego *e = NULL;
    int64_t t0 = 0, t1 = 0;
    lmm_status st = cli_parse(table, argc, argv, &words, use, "Lets READER's questions use OWNER's recordings.",
                              "  lmm ego grant ~/memory JAKE ALICE --from DAY2 --to DAY3\n", &done);
    if (!st && !done) {
        st = ego_need(&words, 3, 3, use);
        if (!st) st = ego_moment_read(from, 0, &t0);
        if (!st) st = ego_moment_read(to, INT64_MAX / 4, &t1);
        if (!st) st = ego_open(&e, words.at[0]);
        if (!st) st = ego_grant(e, words.at[1], words.at[2], t0, t1);
    }
    ego_close(e);
    free(words.at);
    return st;
}

/* The simulator is a program beside this one: it holds the words of its worlds, which nobody who answers may know. */
lmm_status ego_run_sim(int argc, char **argv) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return LMM_FAIL(LMM_E_IO, "cannot find the folder of this program");
    self[n] = 0;
    char *path = path_beside(self, "lmm-egosim"), **args = mem_new((size_t)argc + 2, sizeof *args);
    args[0] = path;
    for (int i = 0; i < argc; i++) args[i + 1] = argv[i];
    execv(path, args);
    lmm_status st = LMM_FAIL(LMM_E_IO, "cannot start '%s'; it belongs beside lmm", path);
    free(path), free(args);
    return st;
}
