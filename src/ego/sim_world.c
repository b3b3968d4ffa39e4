/* sim_world.c - the week itself: people choose what to do every five minutes, and doing leaves events.
 *
 * Choices are utilities plus Gumbel noise from counters keyed (seed, stream, day, person), so a world is a function of its seed and split. Habits
 * are latent and have exceptions; a quarter of them change mid-week. What a wearer perceives is decided here and never looked at again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/sim_world.h"

/* clang-format off */
const char *const thing_caption[TYPES] = {"mug", "charger", "notebook", "scissors", "bottle", "backpack", "towel", "lamp", "blanket", "jacket", "umbrella", "speaker", "marker", "camera", "bowl"};
const char *const colour_name[COLOURS] = {"blue", "red", "green", "yellow", "white", "black", "purple", "orange"};
const char *const place_name[PLACES] = {"kitchen", "living room", "balcony", "study", "hallway", "garden", "garage", "laundry room", "terrace", "attic", "dining room", "workshop",
                                        "market", "park", "cafe", "library"};
const char *const act_caption[ACTS] = {"practise the guitar", "water the plants", "fix the bike", "paint the poster", "wash the dishes", "play cards", "watch a film", "bake bread",
                                       "sort the recycling", "do yoga", "read a novel", "sew costumes", "build the stage", "edit the video", "cook soup", "dance"};
const char *const drink_name[DRINKS] = {"coffee", "green tea", "orange juice", "lemonade", "milk", "cocoa", "cola", "ginger ale"};
const char *const item_name[ITEMS] = {"eggs", "batteries", "flour", "candles", "strawberries", "napkins", "balloons", "cheese", "rice", "soap", "tomatoes", "ribbons",
                                      "honey", "butter", "glue", "sponges", "noodles", "apples", "straws", "sugar", "lemons", "yogurt", "stickers", "onions"};
const char *const topic_name[TOPICS] = {"concert", "exam", "trip", "festival", "museum", "train", "gallery", "tournament", "lecture", "parade", "wedding", "harbour"};
const char *const claim_name[CLAIMS] = {"starts on Friday", "was cancelled", "costs too much", "is full of tourists", "needs more volunteers", "was moved to June",
                                        "got great reviews", "opens at nine", "is run by students", "ended early", "was rained out", "is sold out"};
const char *const task_name[TASKS] = {"return the ladder", "call the plumber", "print the tickets", "feed the cat", "charge the drone", "book the van", "invite the neighbours",
                                      "hang the banners", "order the pizza", "fold the laundry", "borrow a projector", "collect the parcel", "update the playlist", "scrub the grill",
                                      "frost the cake", "design the flyer", "test the microphones", "weed the flowerbed", "oil the hinges", "sharpen the knives"};
static const char *const names[SPLITS][14] = {
    {"Marta", "Colin", "Priya", "Oskar", "Lena", "Hugo", "Nadia", "Felix", "Imogen", "Rafael", "Greta", "Tomas", "Yuki", "Bram"},
    {"Vera", "Anton", "Keiko", "Dario", "Saskia", "Milan", "Olive", "Pablo", "Ingrid", "Kwame", "Elif", "Jonas", "Thea", "Ravi"},
    {"Edith", "Lorenzo", "Amara", "Stefan", "Noor", "Caleb", "Zofia", "Hamid", "Beatriz", "Elias", "Rosa", "Dmitri", "Wanda", "Kofi"},
};
/* clang-format on */

enum { R_PEOPLE = 1, R_DAY, R_BLOCK, R_SEEN, R_DEVICE };

rng sim_rng(const world *w, int stream, int day, int person) {
    return rng_make(w->seed * 8 + (uint64_t)w->split, (uint64_t)stream << 32 | (uint64_t)(day + 1) << 16 | (uint64_t)(person + 1));
}

static bool chance(rng *r, double p) { return rng_unit(r) < p; }
static int below(rng *r, int n) { return (int)rng_below(r, (uint64_t)n); }

int part_of_day(int64_t t) {
    int hour = (int)(t % DAY_MS / 3600000);
    return hour < 11 ? 0 : hour < 14 ? 1 : hour < 18 ? 2 : 3;
}

bool event_is_speech(const event *e) { return e->kind == EV_TELL || e->kind == EV_PLAN || e->kind == EV_PROMISE || e->kind == EV_CHAT; }

static void make_people(world *w) {
    rng r = sim_rng(w, R_PEOPLE, 0, 0);
    int order[14];
    for (int i = 0; i < 14; i++) order[i] = i;
    rng_shuffle(&r, order, 14);
    for (int p = 0; p < PEOPLE; p++) {
        w->name[p] = names[w->split][order[p]];
        w->friend_of[p] = (p + 1 + below(&r, WEARERS - 1)) % WEARERS;
        for (int d = 0; d < PARTS; d++) {
            w->drink_habit[p][d][0] = below(&r, DRINKS);
            w->drink_habit[p][d][1] = chance(&r, 0.25) ? below(&r, DRINKS) : w->drink_habit[p][d][0];
        }
        for (int a = 0; a < ACTS; a++) w->act_taste[p][a] = below(&r, PARTS + 2); /* a preferred part of day; beyond: none */
    }
    for (int a = 0; a < ACTS; a++) w->act_place[a][0] = below(&r, ROOMS), w->act_place[a][1] = below(&r, ROOMS);
    for (int i = 0; i < THINGS; i++) {
        w->thing_type[i] = i % TYPES;
        w->thing_colour[i] = (i / TYPES + i % TYPES) % COLOURS;
        w->thing_place[i] = below(&r, ROOMS);
    }
}

/* Late starts, gaps of two to eight minutes rounded to a block, and a share of lost blocks. */
static void make_devices(world *w) {
    for (int p = 0; p < WEARERS; p++)
        for (int d = 0; d < DAYS; d++) {
            rng r = sim_rng(w, R_DEVICE, d, p);
            int first = below(&r, 12), last = BLOCKS - below(&r, 12);
            for (int b = 0; b < BLOCKS; b++) w->recording[p][d][b] = b >= first && b < last && !chance(&r, 0.04);
        }
}

typedef struct {
    int act, place, leader; /* leader: whom one joined, -1 */
    int until;              /* block */
} doing;

typedef struct {
    world *w;
    int day, block;
    doing now[PEOPLE];
    rng r, seen;
    int meal_block[2];
    int planned[ITEMS];
} week;

static bool away(const week *k, int p) { return p >= WEARERS && (k->day + p) % 3; }

static unsigned company(const week *k, int place, int self) {
    unsigned m = 0;
    for (int p = 0; p < PEOPLE; p++)
        if (p != self && !away(k, p) && k->now[p].place == place) m |= 1u << p;
    return m;
}

static int pick(rng *r, unsigned mask) {
    int list[PEOPLE], n = 0;
    for (int p = 0; p < PEOPLE; p++)
        if (mask >> p & 1) list[n++] = p;
    return n ? list[below(r, n)] : -1;
}

/* In view of whoever is there and looks; speech carries further than a look, and at a table nobody is overlooked. */
static void emit(week *k, event e) {
    bool speech = event_is_speech(&e);
    e.t0 = (int64_t)k->day * DAY_MS + DAY_START_MS + (int64_t)k->block * BLOCK_MS + below(&k->r, BLOCK_MS / 1000 - 8) * 1000;
    e.t1 = e.t0 + (speech ? 2000 + below(&k->r, 2) * 1000 : 3000 + below(&k->r, 4) * 1000);
    for (int p = 0; p < WEARERS; p++) {
        bool here = p == e.actor || (k->now[p].place == e.place && chance(&k->seen, e.kind == EV_SIT ? 0.98 : speech ? 0.9 : 0.75));
        if (here && k->w->recording[p][k->day][k->block]) e.seen |= 1u << p;
    }
    VEC_PUSH(&k->w->events, e);
}

static void choose(week *k, int p) {
    world *w = k->w;
    doing *d = &k->now[p];
    int64_t t = (int64_t)k->day * DAY_MS + DAY_START_MS + (int64_t)k->block * BLOCK_MS;
    double best = -1e9;
    int friend_place = k->now[w->friend_of[p]].place;
    *d = (doing){.leader = -1};
    for (int a = 0; a < ACTS + 4; a++) {
        bool out = a >= ACTS;
        double utility = -log(-log(rng_unit(&k->r) + 1e-12)) +
                         (!out        ? 0
                          : a == ACTS ? 0.2
                                      : -1.2) +
                         (!out && w->act_taste[p][a] == part_of_day(t) ? 1.6 : 0);
        int place = out ? ROOMS + a - ACTS : w->act_place[a][chance(&k->r, 0.25)];
        if (place == friend_place) utility += 0.8;
        if (utility > best) best = utility, d->act = out ? -1 : a, d->place = place;
    }
    d->until = k->block + 3 + below(&k->r, 7);
    if (d->act < 0) return;
    unsigned others = company(k, d->place, p);
    emit(k, (event){.kind = EV_ACT, .actor = p, .other = -1, .place = d->place, .what = d->act, .with = others});
    for (int q = 0; q < WEARERS; q++) {
        double liking = q == w->friend_of[p] ? 0.45 : 0.12;
        if (q == p || k->now[q].until - k->block > 6 || !chance(&k->r, liking)) continue;
        k->now[q] = (doing){d->act, d->place, p, d->until};
        emit(k, (event){.kind = EV_JOIN, .actor = q, .other = p, .place = d->place, .what = d->act});
    }
}

static void talk(week *k, int p, int place, unsigned others) {
    rng *r = &k->r;
    double u = rng_unit(r);
    event e = {.kind = EV_CHAT, .actor = p, .other = pick(r, others), .place = place, .what = below(r, 16)};
    if (u < 0.14) e.kind = EV_TELL, e.what = below(r, TOPICS), e.value = below(r, CLAIMS);
    else if (u < 0.22) e.kind = EV_PLAN, e.what = below(r, ITEMS), k->planned[e.what]++;
    else if (u < 0.29) e.kind = EV_PROMISE, e.what = below(r, TASKS);
    emit(k, e);
}

static void handle_thing(week *k, int p, int place, unsigned others) {
    rng *r = &k->r;
    world *w = k->w;
    int thing = below(r, THINGS), near = below(r, THINGS);
    if (w->thing_place[near] == place) thing = near;
    event e = {.kind = EV_PUT, .actor = p, .other = -1, .place = place, .what = thing};
    double u = rng_unit(r);
    if (u < 0.4) e.kind = EV_USE;
    else if (u < 0.5 && others) e.kind = EV_GIVE, e.other = pick(r, others);
    else w->thing_place[thing] = place;
    emit(k, e);
}

static void live(week *k, int p) {
    rng *r = &k->r;
    world *w = k->w;
    const doing d = k->now[p];
    unsigned others = company(k, d.place, p);
    int part = part_of_day(DAY_START_MS + (int64_t)k->block * BLOCK_MS);
    if (chance(r, 0.10)) {
        int habit = w->drink_habit[p][part][k->day >= 4];
        emit(k, (event){.kind = EV_DRINK, .actor = p, .other = -1, .place = d.place, .what = chance(r, 0.62) ? habit : below(r, DRINKS)});
    }
    if (chance(r, 0.5) && d.place < ROOMS) handle_thing(k, p, d.place, others);
    if (others && chance(r, 0.5)) talk(k, p, d.place, others);
    if (others && d.act >= 0 && chance(r, 0.07))
        emit(k, (event){.kind = EV_HELP, .actor = pick(r, others), .other = p, .place = d.place, .what = d.act});
    if (d.place == ROOMS && chance(r, 0.75)) {
        int item = below(r, ITEMS);
        for (int i = 0; i < 8 && !k->planned[item]; i++) item = below(r, ITEMS);
        k->planned[item] = 0;
        emit(k, (event){.kind = EV_BUY, .actor = p, .other = -1, .place = d.place, .what = item, .value = 30 + 5 * below(r, 100)});
    }
    for (int i = 0; i < 2; i++)
        if (chance(r, 0.6)) emit(k, (event){.kind = EV_FILLER, .actor = p, .other = -1, .place = d.place, .what = below(r, 12)});
}

static void meal(week *k, int which) {
    unsigned there = 0;
    for (int p = 0; p < WEARERS; p++)
        if (chance(&k->r, 0.8)) there |= 1u << p, k->now[p] = (doing){-1, 10, -1, k->block + 8};
    for (int p = 0; p < WEARERS; p++)
        if (there >> p & 1) emit(k, (event){.kind = EV_SIT, .actor = p, .other = -1, .place = 10, .what = which, .with = there});
}

static int by_time(const void *a, const void *b) {
    const event *x = a, *y = b;
    return x->t0 != y->t0 ? (x->t0 > y->t0) - (x->t0 < y->t0) : x->actor != y->actor ? x->actor - y->actor : (int)x->kind - (int)y->kind;
}

void world_run(world *w, uint64_t seed, sim_split split) {
    *w = (world){.seed = seed, .split = split};
    make_people(w);
    make_devices(w);
    week k = {.w = w};
    for (k.day = 0; k.day < DAYS; k.day++) {
        k.r = sim_rng(w, R_DAY, k.day, 0), k.seen = sim_rng(w, R_SEEN, k.day, 0);
        k.meal_block[0] = 38 + below(&k.r, 18), k.meal_block[1] = 112 + below(&k.r, 22);
        for (int p = 0; p < PEOPLE; p++) k.now[p] = (doing){-1, below(&k.r, ROOMS), -1, below(&k.r, 6)};
        for (k.block = 0; k.block < BLOCKS; k.block++) {
            for (int m = 0; m < 2; m++)
                if (k.block == k.meal_block[m]) meal(&k, m);
            for (int p = 0; p < PEOPLE; p++) {
                if (away(&k, p)) continue;
                if (k.block >= k.now[p].until) choose(&k, p);
                live(&k, p);
            }
        }
    }
    qsort(w->events.at, (size_t)w->events.count, sizeof *w->events.at, by_time);
}

void world_free(world *w) { free(w->events.at); }
