/* sim_ask.c - bank Q: how questions and options are worded. Cores, names of things and of acts differ by split: test shares no sentence pattern, no four
 * words in a row and no name of a thing or an act with train, dev or the captions (`lmm ego sim check` counts). */
#include <ctype.h>
#include <string.h>

#include "ego/sim_world.h"

enum { CORES = 4, GRAM = 4 };

/* clang-format off */
/* Two names each. */
static const char *const thing_ask[SPLITS][TYPES][2] = {
    [SPLIT_TRAIN] = {{"cup", "cup"}, {"adapter", "adapter"}, {"journal", "journal"}, {"shears", "shears"}, {"flask", "flask"}, {"bag", "bag"}, {"cloth", "cloth"}, {"light", "light"},
        {"throw", "throw"}, {"coat", "coat"}, {"brolly", "brolly"}, {"loudspeaker", "loudspeaker"}, {"pen", "pen"}, {"camcorder", "camcorder"}, {"basin", "basin"}},
    [SPLIT_DEV] = {{"cup", "beaker"}, {"adapter", "power cord"}, {"journal", "diary"}, {"shears", "clippers"}, {"flask", "jug"}, {"bag", "satchel"}, {"cloth", "rag"}, {"light", "spotlight"},
        {"throw", "bedspread"}, {"coat", "blazer"}, {"brolly", "sunshade"}, {"loudspeaker", "radio"}, {"pen", "crayon"}, {"camcorder", "webcam"}, {"basin", "pot"}},
    [SPLIT_TEST] = {{"tankard", "teacup"}, {"power brick", "plug"}, {"notepad", "exercise book"}, {"snips", "cutters"}, {"canteen", "water container"}, {"rucksack", "knapsack"},
        {"bath sheet", "washcloth"}, {"lantern", "torch"}, {"coverlet", "quilt"}, {"anorak", "windbreaker"}, {"parasol", "rain cover"}, {"boombox", "sound box"}, {"felt-tip", "highlighter"},
        {"video recorder", "photo apparatus"}, {"dish", "tureen"}},
};
static const char *const act_ask[SPLITS][ACTS][2] = {
    [SPLIT_TRAIN] = {{"rehearse on the guitar", "rehearse on the guitar"}, {"water the flowers", "water the flowers"}, {"repair the bicycle", "repair the bicycle"},
        {"work on painting the poster", "work on painting the poster"}, {"clean the plates", "clean the plates"}, {"have a game of cards", "have a game of cards"}, {"see a movie", "see a movie"},
        {"make some bread", "make some bread"}, {"separate the rubbish", "separate the rubbish"}, {"work out with yoga", "work out with yoga"}, {"read a book", "read a book"},
        {"stitch the outfits", "stitch the outfits"}, {"put the stage together", "put the stage together"}, {"cut the footage", "cut the footage"}, {"make some soup", "make some soup"},
        {"do some dancing", "do some dancing"}},
    [SPLIT_DEV] = {{"rehearse on the guitar", "play the guitar"}, {"water the flowers", "pour water on the flowers"}, {"repair the bicycle", "mend the bicycle"},
        {"work on painting the poster", "draw the banner"}, {"clean the plates", "rinse the plates"}, {"have a game of cards", "gamble with cards"}, {"see a movie", "enjoy a movie"},
        {"make some bread", "knead some bread"}, {"separate the rubbish", "take care of the garbage"}, {"work out with yoga", "bend and breathe"}, {"read a book", "study a book"},
        {"stitch the outfits", "stitch some garments"}, {"put the stage together", "construct the scene"}, {"cut the footage", "cut the movie"}, {"make some soup", "prepare some soup"},
        {"do some dancing", "do some waltzing"}},
    [SPLIT_TEST] = {{"play guitar music", "strum the guitar"}, {"give the houseplants a drink", "sprinkle the greenery"}, {"patch up the two-wheeler", "put the cycle in order"},
        {"colour the placard", "do the artwork of the placard"}, {"do the washing-up", "scrub the crockery"}, {"sit over a card game", "deal a round of whist"},
        {"look at a motion picture", "follow a flick"}, {"put loaves in the oven", "turn dough into loaves"}, {"divide the trash", "put the waste into its bins"},
        {"stretch on the mat with yoga", "take a yoga class"}, {"get lost in a story", "leaf through some fiction"}, {"tailor stage clothes", "make dresses with needle and thread"},
        {"erect the platform", "hammer the podium up"}, {"trim the clip", "work on the recording"}, {"simmer a broth", "heat up a pot of stew"}, {"move to music", "rehearse ballroom steps"}},
};
static const char *const part_name[SPLITS][PARTS] = {{"the morning", "the middle of the day", "the afternoon", "the evening"}, {"the morning", "the middle of the day", "the afternoon", "the evening"},
    {"the forenoon", "the midday hours", "the afternoon hours", "the evening hours"}};
static const char *const part_many[SPLITS][PARTS] = {{"mornings", "lunchtimes", "afternoons", "evenings"}, {"mornings", "lunchtimes", "afternoons", "evenings"},
    {"forenoons", "midday breaks", "afternoons", "evenings"}};
static const char *const leads[SPLITS][4] = {{"", "Quick question: ", "Tell me, ", "Remind me: "}, {"", "Hey, ", "I forgot: ", "Help me out, "}, {"", "One thing. ", "Could you look this up: ", "Hm, "}};
static const char *const cores[SPLITS][FAMILIES][CORES] = {
    {
        [F_PLACE] = {"in which room is the %T now, as far as I saw?", "where was the %T put most recently?", "what is the latest spot of the %T?"},
        [F_HANDLER] = {"apart from me, who had the %T last?", "who other than me most recently touched the %T?", "which person, not counting me, was the last to have the %T?"},
        [F_PRICE] = {"how much did my latest %I cost?", "what price did I last see on the %I I got?", "what was the bill for the %I I got most recently?"},
        [F_AFTER] = {"what came right after my last go at this: %G?", "once I had begun to %G the last time, what did I turn to next?", "I went to %G; what was the very next thing I began?"},
        [F_WHEN] = {"when was the last time I got to %G?", "at what point did I most recently %G?", "when did I last %G?"},
        [F_COUNT] = {"how many times have I begun to %G so far?", "how often did I %G altogether?", "what is my count of going to %G?"},
        [F_SAID] = {"what did %N say about the %O last?", "according to %N, what is it with the %O?", "what was the latest word from %N on the %O?"},
        [F_DRINK] = {"what do I usually drink in the %H?", "which drink is my most common one in the %H?", "in the %H, what do I tend to sip?"},
        [F_COMPANY] = {"who usually joins me in the %H?", "in the %H, who most often comes along with what I do?", "which person tends to accompany me in the %H?"},
        [F_PART] = {"at what time of day do I usually %G?", "in which part of the day do I most often %G?", "when in the day do I tend to %G?"},
        [F_JOINS] = {"who most often joins %N?", "which person tends to come along when %N is busy?", "who accompanies %N the most?"},
        [F_ABSENT] = {"who was missing from %L %Y?", "which of us did not sit with us at %L %Y?", "whose chair stayed empty at %L %Y?"},
        [F_HELPED] = {"who last gave %N a hand to %G?", "who most recently assisted %N to %G?", "%N got help to %G; from whom last?"},
        [F_TOLD] = {"who last told me that the %O %C?", "from whom did I most recently hear that the %O %C?", "which person last mentioned that the %O %C?"},
        [F_OPEN] = {"which of these do we still have to get?", "what is still missing from our shopping?", "which of these was wanted but not bought yet?"},
        [F_PROMISED] = {"who last promised to %K?", "who most recently took it on to %K?", "whose promise was it last to %K?"},
    },
    {
        [F_PLACE] = {"where can I find the %T at the moment?", "what room did the %T end up in?", "where did the %T get left last?"},
        [F_HANDLER] = {"who else was last seen with the %T?", "besides myself, who was the last one with the %T?", "which other person handled the %T most recently?"},
        [F_PRICE] = {"what did I pay for the %I the last time?", "how expensive were the %I I last purchased?", "what was the latest cost of my %I?"},
        [F_AFTER] = {"after I last went to %G, what did I do next?", "what followed when I last stopped to %G?", "which thing did I take up straight after going to %G?"},
        [F_WHEN] = {"when have I last been seen to %G?", "what was the most recent time for me to %G?", "when did I %G the last time?"},
        [F_COUNT] = {"how many separate times did I %G this week?", "what number of times did I go and %G?", "how many rounds did I do where I %G?"},
        [F_SAID] = {"what was it that %N last claimed about the %O?", "what news of the %O did %N bring most recently?", "%N talked of the %O; what was said last?"},
        [F_DRINK] = {"what is my normal drink for the %H?", "what do I mostly drink in the %H?", "which drink do I go for most in the %H?"},
        [F_COMPANY] = {"who normally keeps me company, joining me in the %H?", "who joins me most in the %H?", "in the %H, which person usually joins what I am doing?"},
        [F_PART] = {"which time of day is the usual one for me to %G?", "do I normally %G early or late; which part of the day?", "in what part of a day do I mostly %G?"},
        [F_JOINS] = {"who is it that usually joins %N?", "who mostly joins in with %N?", "which one of us joins %N most?"},
        [F_ABSENT] = {"who did not turn up for %L %Y?", "who skipped %L %Y?", "which person was absent at %L %Y?"},
        [F_HELPED] = {"who was the last to help %N to %G?", "whose help did %N last get to %G?", "which person last lent %N a hand to %G?"},
        [F_TOLD] = {"who was the last to say that the %O %C?", "who brought me the latest news that the %O %C?", "who let me know last that the %O %C?"},
        [F_OPEN] = {"what on our list has not been bought yet?", "which item do we still need?", "what remains to be purchased?"},
        [F_PROMISED] = {"who was the last one to promise to %K?", "who said last they would definitely %K?", "which person gave their word most recently to %K?"},
    },
    {
        [F_PLACE] = {"whereabouts is the %T keeping itself?", "if I need the %T again, to which corner of the house do I walk?", "the %T: its current resting place?",
            "I am hunting for the %T. Any idea of its position?"},
        [F_HANDLER] = {"whose hands, mine excepted, was the %T in before this?", "name the final user of the %T other than yours truly.",
            "somebody else touched the %T lately; I would like the name.", "among my housemates, the newest user of the %T is?"},
        [F_PRICE] = {"for the newest batch of %I, what amount left my wallet?", "my receipt for the %I says what sum?", "what did the till show for the %I on my latest trip?",
            "what sum was I charged for %I, looking at the newest bag of them?"},
        [F_AFTER] = {"I had been busy trying to %G. Which activity came on its heels?", "as soon as I no longer wished to %G, I switched to something; to what?",
            "name the activity that succeeded my decision to %G, the newest one.", "having started to %G, how did my day continue?"},
        [F_WHEN] = {"how far back is the latest occasion I chose to %G?", "give me the date and part of day of my newest attempt to %G.", "since when have I not tried to %G any more?",
            "my freshest memory of starting to %G dates from when?"},
        [F_COUNT] = {"add it up for me: the tally of sessions in which I began to %G?", "put a figure on it: sessions where I would %G?",
            "if you tick off every session in which I got going to %G, what total comes out?", "what total do we reach for my attempts to %G?"},
        [F_SAID] = {"what is the newest opinion %N has of the %O?", "quote %N for me: the %O, what is up with it?", "if I believe %N, what is happening with the %O?",
            "%N commented on the %O; with which remark?"},
        [F_DRINK] = {"come the %H, what beverage ends up in my glass more than any other?", "my favourite refreshment of the %H, judging by frequency?",
            "what liquid gets me through the %H as a rule?", "when the %H come around, what would you pour me, going by habit?"},
        [F_COMPANY] = {"who is my regular sidekick of the %H?", "as a rule, who turns up beside me in the course of the %H?", "who has been tagging along with me through the %H above all?",
            "whom do the %H bring to my side more than anybody?"},
        [F_PART] = {"at roughly what clock time is it my habit to %G?", "what is the favourite hour of mine to %G?", "sunrise, noon or dusk: as a rule, I %G at which of them?",
            "around what time does it happen more than otherwise that I %G?"},
        [F_JOINS] = {"who is the most faithful companion %N has, whatever goes on?", "whom do we find tagging along with %N above all others?", "as a rule, who teams up with %N?",
            "%N has a shadow: who hangs around more than the rest?"},
        [F_ABSENT] = {"%L %Y: one of us stayed away. Who?", "when we had %L %Y, who gave it a pass?", "name the person we ate without at %L %Y.", "who never came to the table %Y at %L?"},
        [F_HELPED] = {"%N had to %G and got support. Who gave it, the newest time?", "who came to the aid of %N to %G, latest of all?", "with whose backing did %N %G not long ago?",
            "name the latest person to pitch in so that %N could %G."},
        [F_TOLD] = {"the %O %C: who is my newest source for this?", "I keep hearing that the %O %C; out of whose mouth was it freshest?", "who passed on to me, latest of all, that the %O %C?",
            "whose words were they, the newest time: the %O %C?"},
        [F_OPEN] = {"going to the store: what should I not forget?", "which of our requests has nobody dealt with?", "our supplies: which of these are we lacking at the moment?",
            "name the thing we were asked for and never brought home."},
        [F_PROMISED] = {"who pledged to %K, latest of all?", "who assured us, the newest time, that they would %K?", "on whose word can I count, latest of all, to %K?",
            "name the volunteer who would %K."},
    },
};
/* clang-format on */

static void day_phrase(buf *b, int day, int64_t at) {
    int today = (int)(at / DAY_MS);
    if (day == today) buf_puts(b, "today");
    else if (day == today - 1) buf_puts(b, "yesterday");
    else buf_printf(b, "on day %d", day + 1);
}

static int core_count(sim_split split, family f) { return cores[split][f][CORES - 1] ? CORES : CORES - 1; }

void sim_word(const world *w, const question *q, int form, buf *b) {
    int count = core_count(w->split, q->q.f), name = form & 1;
    const char *s = cores[w->split][q->q.f][form / 8 % count];
    int act = q->q.f == F_HELPED ? q->q.b : q->q.a;
    buf_puts(b, leads[w->split][form / 2 % 4]);
    size_t first = b->size;
    for (; *s; s++) {
        if (*s != '%') {
            buf_putc(b, *s);
            continue;
        }
        switch (*++s) {
        case 'T': buf_printf(b, "%s %s", colour_name[w->thing_colour[q->q.a]], thing_ask[w->split][w->thing_type[q->q.a]][name]); break;
        case 'I': buf_puts(b, item_name[q->q.a]); break;
        case 'G': buf_puts(b, act_ask[w->split][act][name]); break;
        case 'N': buf_puts(b, w->name[q->q.a]); break;
        case 'O': buf_puts(b, topic_name[q->q.f == F_SAID ? q->q.b : q->q.a]); break;
        case 'C': buf_puts(b, claim_name[q->q.b]); break;
        case 'K': buf_puts(b, task_name[q->q.a]); break;
        case 'H': buf_puts(b, part_many[w->split][q->q.a]); break;
        case 'L': buf_puts(b, q->q.a ? "dinner" : "lunch"); break;
        case 'Y': day_phrase(b, q->q.b, q->at); break;
        }
    }
    bool opens = !first || (first > 1 && b->data[first - 2] == '.');
    if (opens && b->data[first] >= 'a' && b->data[first] <= 'z') b->data[first] = (char)(b->data[first] - 32);
}

void sim_option_text(const world *w, const query *q, int v, int64_t at, buf *b) {
    switch (q->f) {
    case F_PLACE: buf_printf(b, "In the %s", place_name[v]); break;
    case F_PRICE: buf_printf(b, "%d.%d", v / 10, v % 10); break;
    case F_AFTER: buf_puts(b, act_ask[w->split][v][v & 1]); break;
    case F_WHEN: day_phrase(b, v / PARTS, at), buf_printf(b, ", in %s", part_name[w->split][v % PARTS]); break;
    case F_COUNT: buf_printf(b, "%d", v); break;
    case F_SAID: buf_printf(b, "It %s", claim_name[v]); break;
    case F_DRINK: buf_puts(b, drink_name[v]); break;
    case F_PART: buf_printf(b, "In %s", part_name[w->split][v]); break;
    case F_OPEN: buf_puts(b, item_name[v]); break;
    default: buf_puts(b, w->name[v]); break;
    }
}

/* ---- what banks share ---- */

/* Words of a template in lower case; a slot breaks the chain. */
static int words_of(const char *s, char out[][24], int most) {
    int n = 0;
    for (size_t k = 0; *s && n < most; s += k) {
        k = 1;
        if (*s == '%') strcpy(out[n++], "%"), k = 2;
        else if (isalpha((unsigned char)*s)) {
            while (isalpha((unsigned char)s[k]) || s[k] == '\'' || s[k] == '-') k++;
            for (size_t i = 0; i < 23 && i <= k; i++) out[n][i] = i < k ? (char)tolower((unsigned char)s[i]) : 0;
            out[n++][23] = 0;
        }
        if (!s[1] && k == 2) break;
    }
    return n;
}

static bool same_gram(char a[][24], char b[][24]) {
    for (int i = 0; i < GRAM; i++)
        if (a[i][0] == '%' || strcmp(a[i], b[i])) return false;
    return true;
}

static int shared_grams(const char *x, const char *y) {
    char a[40][24], b[40][24];
    int n = words_of(x, a, 40), m = words_of(y, b, 40), shared = 0;
    for (int i = 0; i + GRAM <= n; i++)
        for (int k = 0; k + GRAM <= m; k++) shared += same_gram(a + i, b + k);
    return shared;
}

static bool shares_name(const char *const (*names)[2], int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i][0], name) || !strcmp(names[i][1], name)) return true;
    return false;
}

static int shared_names(sim_split other) {
    int shared = 0;
    for (int i = 0; i < TYPES; i++)
        for (int k = 0; k < 2; k++)
            shared +=
                shares_name(thing_ask[other], TYPES, thing_ask[SPLIT_TEST][i][k]) || !strcmp(thing_caption[i], thing_ask[SPLIT_TEST][i][k]);
    for (int i = 0; i < ACTS; i++)
        for (int k = 0; k < 2; k++)
            shared += shares_name(act_ask[other], ACTS, act_ask[SPLIT_TEST][i][k]) || !strcmp(act_caption[i], act_ask[SPLIT_TEST][i][k]);
    return shared;
}

int sim_bank_shared(void) {
    int shared = 0;
    for (int other = 0; other < SPLIT_TEST; other++) {
        for (int f = 0; f < FAMILIES * CORES; f++)
            for (int g = 0; g < FAMILIES * CORES; g++) {
                const char *x = cores[SPLIT_TEST][f / CORES][f % CORES], *y = cores[other][g / CORES][g % CORES];
                if (x && y) shared += shared_grams(x, y);
            }
        shared += shared_names((sim_split)other);
    }
    return shared;
}
