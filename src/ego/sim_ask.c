/* sim_ask.c - bank Q: how questions and options are worded. Cores differ by split, so forms of dev and test are unseen in train; key words are other
 * words than the captions' where English has one. */
#include <string.h>

#include "ego/sim_world.h"

/* clang-format off */
const char *const thing_ask[TYPES] = {"cup", "adapter", "journal", "shears", "flask", "bag", "cloth", "light", "throw", "coat", "brolly", "loudspeaker", "pen", "camcorder", "basin"};
const char *const act_ask[ACTS] = {"rehearse on the guitar", "water the flowers", "repair the bicycle", "work on painting the poster", "clean the plates", "have a game of cards", "see a movie",
    "make some bread", "separate the rubbish", "work out with yoga", "read a book", "stitch the outfits", "put the stage together", "cut the footage", "make some soup", "do some dancing"};
static const char *const part_name[PARTS] = {"the morning", "the middle of the day", "the afternoon", "the evening"};
static const char *const part_many[PARTS] = {"mornings", "lunchtimes", "afternoons", "evenings"};
static const char *const leads[SPLITS][4] = {{"", "Quick question: ", "Tell me, ", "Remind me: "}, {"", "Hey, ", "I forgot: ", "Help me out, "}, {"", "I was wondering, ", "Do you remember: ", "Small thing, "}};
static const char *const cores[SPLITS][FAMILIES][3] = {
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
        [F_PLACE] = {"where should I look for the %T, going by the last time?", "which room holds the %T these days?", "where is the %T lying right now?"},
        [F_HANDLER] = {"who, if not me, was using the %T last?", "leaving me out, who was latest with the %T?", "who of the others held the %T most recently?"},
        [F_PRICE] = {"how much money went into my last %I?", "what did the %I set me back most recently?", "what was the price when I last bought %I?"},
        [F_AFTER] = {"which thing did I start immediately after I last chose to %G?", "what did I do right after I last had to %G?", "when I was through with it, having gone to %G, what was next?"},
        [F_WHEN] = {"when did I most recently %G?", "which day and time was the last I spent to %G?", "when was it that I last happened to %G?"},
        [F_COUNT] = {"on how many occasions did I %G?", "how many times up to now did I %G?", "how frequently, in total, did I %G?"},
        [F_SAID] = {"what did I last hear from %N about the %O?", "how did %N describe the %O most recently?", "the %O came up with %N; what was the last statement?"},
        [F_DRINK] = {"which drink do I typically have in the %H?", "what do I drink most often in the %H?", "in the %H, what is my regular drink?"},
        [F_COMPANY] = {"who typically joins me in the %H?", "in the %H, who is the one that joins me most often?", "which friend mostly joins me in the %H?"},
        [F_PART] = {"what part of the day do I generally %G in?", "when, by time of day, do I typically %G?", "at which hours do I most often %G: early or late?"},
        [F_JOINS] = {"who typically joins %N?", "who has joined %N most often?", "with %N busy, who generally joins?"},
        [F_ABSENT] = {"who failed to show up at %L %Y?", "which of the others was not at the table for %L %Y?", "who was not there for %L %Y?"},
        [F_HELPED] = {"from whom did %N last receive help to %G?", "who was helping %N most recently to %G?", "who helped %N the last time it was about this: %G?"},
        [F_TOLD] = {"who most recently said to me that the %O %C?", "whom did I last hear saying that the %O %C?", "who spoke last about it, that the %O %C?"},
        [F_OPEN] = {"which of these is still on the list to buy?", "what have we yet to buy?", "which of these did nobody get so far?"},
        [F_PROMISED] = {"who last gave a promise to %K?", "who most recently vowed to %K?", "who has promised, most lately, to %K?"},
    },
};
/* clang-format on */

static void day_phrase(buf *b, int day, int64_t at) {
    int today = (int)(at / DAY_MS);
    if (day == today) buf_puts(b, "today");
    else if (day == today - 1) buf_puts(b, "yesterday");
    else buf_printf(b, "on day %d", day + 1);
}

static void thing(const world *w, int i, buf *b) { buf_printf(b, "%s %s", colour_name[w->thing_colour[i]], thing_ask[w->thing_type[i]]); }

void sim_word(const world *w, const question *q, int form, buf *b) {
    const char *s = cores[w->split][q->q.f][form % 3];
    int act = q->q.f == F_HELPED ? q->q.b : q->q.a;
    buf_puts(b, leads[w->split][form / 3 % 4]);
    size_t first = b->size;
    for (; *s; s++) {
        if (*s != '%') {
            buf_putc(b, *s);
            continue;
        }
        switch (*++s) {
        case 'T': thing(w, q->q.a, b); break;
        case 'I': buf_puts(b, item_name[q->q.a]); break;
        case 'G': buf_puts(b, act_ask[act]); break;
        case 'N': buf_puts(b, w->name[q->q.a]); break;
        case 'O': buf_puts(b, topic_name[q->q.f == F_SAID ? q->q.b : q->q.a]); break;
        case 'C': buf_puts(b, claim_name[q->q.b]); break;
        case 'K': buf_puts(b, task_name[q->q.a]); break;
        case 'H': buf_puts(b, part_many[q->q.a]); break;
        case 'L': buf_puts(b, q->q.a ? "dinner" : "lunch"); break;
        case 'Y': day_phrase(b, q->q.b, q->at); break;
        }
    }
    if (!first && b->data[0] >= 'a' && b->data[0] <= 'z') b->data[0] = (char)(b->data[0] - 32);
}

void sim_option_text(const world *w, const query *q, int v, int64_t at, buf *b) {
    switch (q->f) {
    case F_PLACE: buf_printf(b, "In the %s", place_name[v]); break;
    case F_PRICE: buf_printf(b, "%d.%d", v / 10, v % 10); break;
    case F_AFTER: buf_puts(b, act_ask[v]); break;
    case F_WHEN: day_phrase(b, v / PARTS, at), buf_printf(b, ", in %s", part_name[v % PARTS]); break;
    case F_COUNT: buf_printf(b, "%d", v); break;
    case F_SAID: buf_printf(b, "It %s", claim_name[v]); break;
    case F_DRINK: buf_puts(b, drink_name[v]); break;
    case F_PART: buf_printf(b, "In %s", part_name[v]); break;
    case F_OPEN: buf_puts(b, item_name[v]); break;
    default: buf_puts(b, w->name[v]); break;
    }
}
