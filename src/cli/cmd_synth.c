/* cmd_synth.c - `lmm synth WHAT`: data made from nothing, with known answers. One row a generator. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "synth/synth.h"

typedef struct {
    const char *out, *family, *split;
    int count, seed, side, frames, questions, things, digits;
    bool mp4, think, cells, spoken;
} settings;

static lmm_status split_find(int *out, const char *name) {
    for (int i = 0; i < SYNTH_SPLIT_COUNT; i++)
        if (!strcmp(synth_split_names[i], name)) return *out = i, LMM_OK;
    return LMM_FAIL(LMM_E_ARG, "no split '%s' (train, validation, test, words)", name);
}

static lmm_status write_split(const synth_kind *k, const synth_options *o, const settings *s, synth_split split, int64_t count) {
    lmm_status st = k ? synth_write(s->out, k, o, split, count, s->mp4 ? SYNTH_MP4 : SYNTH_FRAMES)
                      : lectures_write(s->out, o, s->spoken, split, count, s->mp4 ? SYNTH_MP4 : SYNTH_FRAMES);
    if (!st && k) printf("%s/%s.json: %" PRId64 " %s\n", s->out, synth_split_names[split], count, synth_noun(k, split));
    else if (!st) printf("%s: %" PRId64 " lectures of the %s split\n", s->out, count, synth_split_names[split]);
    return st;
}

/* The test and the validation are a tenth each, and never empty; a split asked for alone has all. k NULL: lectures. */
static lmm_status write_splits(const synth_kind *k, const settings *s) {
    const synth_options o = {.seed = (uint64_t)s->seed,
                             .side = s->side,
                             .frames = s->frames,
                             .questions = s->questions,
                             .things = s->things,
                             .digits = s->digits,
                             .family = s->family,
                             .think = s->think,
                             .cells = s->cells};
    int only = -1;
    if (s->split) {
        lmm_status st = split_find(&only, s->split);
        if (st) return st;
    }
    if (!k && only == SYNTH_WORDS) return LMM_FAIL(LMM_E_ARG, "lectures have no split of words alone (train, validation, test)");
    for (int split = 0; split < SYNTH_SPLIT_COUNT; split++) {
        if (only >= 0 ? split != only : split == SYNTH_WORDS) continue;
        int64_t count = split == SYNTH_TRAIN || split == only ? s->count : (s->count + 9) / 10;
        lmm_status st = write_split(k, &o, s, (synth_split)split, count);
        if (st) return st;
    }
    return LMM_OK;
}

static lmm_status run(const opt_list *words, const settings *s) {
    if (words->count != 1 || !s->out)
        return LMM_FAIL(LMM_E_ARG, "usage: lmm synth scenes|shapes|colors|charts|numbers|clips|lectures -o DIR");
    const synth_kind *k = NULL;
    lmm_status st = strcmp(words->at[0], "lectures") ? synth_find(&k, words->at[0]) : LMM_OK;
    return st ? st : write_splits(k, s);
}

static char *summary(void) {
    buf b = {0};
    buf_puts(&b, "Pictures and clips with questions whose answers are known. Training, validation and test share no combination.\n\n");
    const synth_kind *k;
    for (int i = 0; (k = synth_kind_at(i)); i++) buf_printf(&b, "  %-10s %s\n", k->name, k->summary);
    buf_printf(&b, "  %-10s %s\n", "lectures", "slides that teach something made up, and three questions each, in Video-MMMU's layout");
    buf_printf(&b, "  %-10s %s\n", "checkpoint", "a model's file with random weights; 'lmm synth checkpoint --help' has its options");
    return buf_take(&b);
}

lmm_status cmd_synth(int argc, char **argv) {
    if (argc > 0 && !strcmp(argv[0], "checkpoint")) return cmd_synth_checkpoint(argc - 1, argv + 1);
    settings s = {.count = 1000, .seed = 1};
    opt_list words = {0};
    const opt options[] = {
        {"-o|--out", OPT_STRING, &s.out, 0, 0, "DIR", "folder of the data set"},
        {"-n|--count", OPT_INT, &s.count, 1, 10000000, "N",
         "training pictures or clips (default 1000); a tenth each for validation and test"},
        {"--seed", OPT_INT, &s.seed, 0, 2147483647, "N", "another seed gives another data set (default 1)"},
        {"--side", OPT_INT, &s.side, SYNTH_SIDE_MIN, SYNTH_SIDE_MAX, "N", "pixels a side (default 128)"},
        {"--frames", OPT_INT, &s.frames, SYNTH_FRAMES_MIN, SYNTH_FRAMES_MAX, "N", "frames a clip (default 8)"},
        {"--questions", OPT_INT, &s.questions, 1, 16, "N", "questions a picture at most (default 4)"},
        {"--things", OPT_INT, &s.things, SYNTH_THINGS_MIN, SYNTH_THINGS_MAX, "N",
         "things in a scene at most (default 16); 9 and 4 are larger"},
        {"--digits", OPT_INT, &s.digits, 1, SYNTH_DIGITS_MAX, "N", "digits of a printed number at most (default 4)"},
        {"--family", OPT_STRING, &s.family, 0, 0, "NAME", "only questions of this family, or of these in turn: count,compare"},
        {"--split", OPT_STRING, &s.split, 0, 0, "NAME",
         "only this split (train, validation or test), N samples of it; words: conversations alone, without pictures"},
        {"--think", OPT_FLAG, &s.think, 0, 0, NULL, "conversations answer <think>reasoning</think><answer>answer</answer>"},
        {"--cells", OPT_FLAG, &s.cells, 0, 0, NULL, "reasoning first names all that is seen, a step for each cell, bar, number or frame"},
        {"--mp4", OPT_FLAG, &s.mp4, 0, 0, NULL, "clips and lectures as MP4 files instead of folders of frames"},
        {"--spoken", OPT_FLAG, &s.spoken, 0, 0, NULL, "lectures whose numbers are said (transcripts/), not printed"},
        {0},
    };
    bool done;
    char *about = summary();
    lmm_status st =
        cli_parse(options, argc, argv, &words, "lmm synth scenes|shapes|colors|charts|numbers|clips|lectures|checkpoint -o DIR [OPTIONS]",
                  about, "  lmm synth scenes -o data/scenes -n 5000\n  lmm synth clips -o data/clips --frames 16 --mp4\n", &done);
    if (!st && !done) st = run(&words, &s);
    free(about);
    opts_free(options);
    free(words.at);
    return st;
}
