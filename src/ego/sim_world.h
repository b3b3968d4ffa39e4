/* sim_world.h - EgoSim: a procedural week of six people. Its own program; nothing of it is linked into whoever answers.
 *
 * sim_world.c runs the week and keeps the log of events, sim_text.c says what a wearer's captions and transcripts hold (bank C and W),
 * sim_quest.c asks (bank Q) and computes the answers from the log, sim_check.c, sim_gates.c and sim_media.c run the gates, sim_render.c draws, sim_main.c
 * writes and reads files. */
#ifndef LMM_SIM_WORLD_H
#define LMM_SIM_WORLD_H

#include "base/base.h"

enum {
    WEARERS = 6,
    PEOPLE = 10,
    DAYS = 7,
    BLOCKS = 168,
    BLOCK_MS = 300000,
    DAY_MS = 86400000,
    DAY_START_MS = 8 * 3600000 + 1800000,
    TYPES = 15,
    COLOURS = 8,
    THINGS = 90,
    ROOMS = 12,
    PLACES = 16,
    ACTS = 16,
    DRINKS = 8,
    ITEMS = 24,
    TOPICS = 12,
    CLAIMS = 12,
    TASKS = 20,
    PARTS = 4,
    FORMS = 96,
    SIM_SIDE = 64,
    SIM_NAME = 96
};

typedef enum { SPLIT_TRAIN, SPLIT_DEV, SPLIT_TEST, SPLITS } sim_split;
typedef enum {
    EV_ACT,
    EV_DRINK,
    EV_PUT,
    EV_USE,
    EV_GIVE,
    EV_BUY,
    EV_JOIN,
    EV_HELP,
    EV_SIT,
    EV_TELL,
    EV_PLAN,
    EV_PROMISE,
    EV_CHAT,
    EV_FILLER,
    EV_KINDS
} event_kind;

typedef struct {
    int64_t t0, t1;
    event_kind kind;
    int actor, other, place; /* other: a person, -1 none */
    int what;                /* thing, act, drink, item, topic, task, meal */
    int value;               /* price in tenths, claim */
    unsigned with, seen;     /* people who take part; wearers who perceive it */
} event;

typedef struct {
    uint64_t seed;
    sim_split split;
    const char *name[PEOPLE];
    int thing_type[THINGS], thing_colour[THINGS], thing_place[THINGS];
    int drink_habit[PEOPLE][PARTS][2], act_taste[PEOPLE][ACTS], act_place[ACTS][2], friend_of[PEOPLE];
    bool recording[WEARERS][DAYS][BLOCKS];
    VEC(event) events; /* in order of time */
} world;

/* Random numbers of one stream: (seed, stream, day, person). */
rng sim_rng(const world *w, int stream, int day, int person);
void world_run(world *w, uint64_t seed, sim_split split);
void world_free(world *w);
int part_of_day(int64_t t); /* 0 morning .. 3 evening */
bool event_is_speech(const event *e);

/* What wearer w's recording says of an event; noise false: as it was. Speech: the words alone, *speaker set ("" unknown). false: nothing. */
bool sim_say(const world *w, int index, int wearer, bool noise, buf *text, const char **speaker);

/* sim_render.c: DIR/DAYd_WHO_HHMMSSFF.bmp for each event of a day the wearer perceives, and DIR/clips.jsonl that says what is in them. */
lmm_status sim_render(const world *w, int wearer, int day, const char *dir);
/* The same picture, moved by dx and dy (-1..1 in files): rgb (SIM_SIDE, SIM_SIDE, 3). */
void sim_draw(const world *w, const event *e, int wearer, int dx, int dy, uint8_t *rgb);
void sim_clip_name(const world *w, int index, int wearer, char out[SIM_NAME]);
/* What a picture of the event shows, people as numbers. */
void sim_show(const world *w, int index, int wearer, buf *text);

/* Words of bank C (captions); names of items, topics, claims and tasks are the same in questions. */
/* clang-format off */
extern const char *const thing_caption[TYPES], *const colour_name[COLOURS], *const place_name[PLACES], *const act_caption[ACTS], *const drink_name[DRINKS],
    *const item_name[ITEMS], *const topic_name[TOPICS], *const claim_name[CLAIMS], *const task_name[TASKS];
/* clang-format on */

/* ---- questions ---- */

typedef enum {
    F_PLACE,
    F_HANDLER,
    F_PRICE,
    F_AFTER,
    F_WHEN,
    F_COUNT,
    F_SAID,
    F_DRINK,
    F_COMPANY,
    F_PART,
    F_JOINS,
    F_ABSENT,
    F_HELPED,
    F_TOLD,
    F_OPEN,
    F_PROMISED,
    FAMILIES
} family;
typedef struct {
    family f;
    int a, b;
} query;
typedef struct {
    query q;
    int wearer, id;
    int64_t at;
    int gold, future, stale, option[4], letter; /* values in the family's domain; -1 none */
    VEC(int) witness;                           /* events */
    char *text;
} question;
typedef VEC(question) questions;

/* The answer at a moment from what `wearer` perceived, without events whose gone[index] is true; -1 when there is none. */
int sim_answer_without(const world *w, const query *q, int wearer, int64_t at, const bool *gone);
void sim_ask(const world *w, int wearer, int count, questions *out);
/* Wording number `form` of FORMS. */
void sim_word(const world *w, const question *q, int form, buf *out);
void questions_free(questions *q);
const char *family_type(family f);
const char *family_name(family f);
void sim_option_text(const world *w, const query *q, int value, int64_t at, buf *out);
/* Four words in a row, and names of things and acts, that the test bank shares with another one. */
int sim_bank_shared(void);
typedef struct {
    int n;
    double sealed_right, without_witness, without_others; /* % */
} sim_replayed;
/* The world a folder was made from, run again. world_free and free(*w) in any case */
lmm_status sim_load(const char *dir, world **w, int *questions_each);
lmm_status sim_replay(const char *dir, sim_replayed *out);
typedef struct {
    int tracks, silent;                  /* silent: without heard.json */
    int captions, shown, sayings, heard; /* of the clean track's witnesses, and those given back; no sayings of silent tracks */
} sim_media_lines;
/* sim_media.c: of DIR/media/A<wearer>_DAY<day> as sim_render makes them, none: all zero. heard.json: {clip: what a recogniser heard}. */
lmm_status sim_media(const char *dir, sim_media_lines *out);
int sim_check(const char *dir); /* number of gates that failed */

#endif
