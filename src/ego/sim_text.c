/* sim_text.c - banks C and W: what captions and transcripts say of an event, and how recordings get it wrong.
 *
 * Noise is drawn from (seed, event, wearer) alone, before and without any question: events missed, names missing or wrong, colours dropped or wrong,
 * words misheard. "I" is the wearer. */
#include <ctype.h>
#include <string.h>

#include "ego/sim_world.h"

enum { R_TEXT = 40 };

typedef struct {
    const world *w;
    const event *e;
    int wearer;
    bool noise, numbered; /* numbered: people without their names */
    rng r;
} teller;

static bool chance(rng *r, double p) { return rng_unit(r) < p; }
static int below(rng *r, int n) { return (int)rng_below(r, (uint64_t)n); }

static void person(teller *t, buf *b, int p, bool object) {
    double u = rng_unit(&t->r);
    int other = below(&t->r, PEOPLE);
    if (p == t->wearer) buf_puts(b, object ? "me" : "I");
    else if (t->numbered) buf_printf(b, "P%d", p);
    else if (t->noise && u < 0.04) buf_puts(b, object ? "someone" : "Someone");
    else if (t->noise && u < 0.08 && other != t->wearer) buf_puts(b, t->w->name[other]);
    else buf_puts(b, t->w->name[p]);
}

static void thing(teller *t, buf *b, int i) {
    double u = rng_unit(&t->r);
    int colour = t->w->thing_colour[i];
    if (t->noise && u < 0.05) colour = below(&t->r, COLOURS);
    if (!t->noise || u < 0.05 || u > 0.2) buf_printf(b, "%s ", colour_name[colour]);
    buf_puts(b, thing_caption[t->w->thing_type[i]]);
}

/* "practise the guitar" with its verb bent to "practises" or "practising". */
static void act(buf *b, int a, const char *ending) {
    const char *phrase = act_caption[a];
    size_t verb = strcspn(phrase, " ");
    bool mute = phrase[verb - 1] == 'e' && ending[0] == 'i', hiss = !strcmp(ending, "s") && strchr("hox", phrase[verb - 1]);
    buf_put(b, phrase, verb - mute);
    if (hiss) buf_putc(b, 'e');
    buf_printf(b, "%s%s", ending, phrase + verb);
}

/* One template: words, with %A actor, %B other, %T thing, %V act bent -s for others, %G act -ing, %P place, %D drink, %I item, %M price; "(x|y)": x for the wearer, y for others. */
static void fill(teller *t, buf *b, const char *s) {
    const event *e = t->e;
    bool self = e->actor == t->wearer;
    for (; *s; s++) {
        if (*s == '(') {
            const char *bar = strchr(s, '|'), *end = strchr(s, ')');
            if (self) buf_put(b, s + 1, (size_t)(bar - s - 1));
            else buf_put(b, bar + 1, (size_t)(end - bar - 1));
            s = end;
        } else if (*s != '%') buf_putc(b, *s);
        else switch (*++s) {
            case 'A': person(t, b, e->actor, false); break;
            case 'B': person(t, b, e->other, true); break;
            case 'T': thing(t, b, e->what); break;
            case 'V': act(b, e->what, self ? "" : "s"); break;
            case 'G': act(b, e->what, "ing"); break;
            case 'P': buf_printf(b, "the %s", place_name[e->place]); break;
            case 'D': buf_puts(b, drink_name[e->what]); break;
            case 'I': buf_puts(b, item_name[e->what]); break;
            case 'M': buf_printf(b, "%d.%d", e->value / 10, e->value % 10); break;
            case 'L': buf_puts(b, e->what ? "dinner" : "lunch"); break;
            case 'S': buf_printf(b, "the %s %s", topic_name[e->what], claim_name[e->value]); break;
            case 'K': buf_puts(b, task_name[e->what]); break;
            }
    }
}

/* clang-format off */
static const char *const bank[EV_KINDS][4] = {
    [EV_ACT] = {"%A (start|starts) %G in %P.", "%A (begin|begins) %G in %P.", "In %P, %A %V for a while.", "%A %V in %P."},
    [EV_DRINK] = {"%A (drink|drinks) %D.", "%A (sip|sips) some %D in %P.", "%A (pour|pours) %D and (drink|drinks) it.", "%A (drink|drinks) a glass of %D."},
    [EV_PUT] = {"%A (put|puts) the %T down in %P.", "%A (carry|carries) the %T and (leave|leaves) it in %P.", "%A (place|places) the %T in %P.", "%A (set|sets) the %T aside in %P."},
    [EV_USE] = {"%A (use|uses) the %T.", "%A (handle|handles) the %T in %P.", "%A (pick|picks) up the %T and (use|uses) it.", "%A (hold|holds) the %T and (use|uses) it."},
    [EV_GIVE] = {"%A (hand|hands) the %T to %B.", "%A (give|gives) %B the %T.", "%A (pass|passes) the %T over to %B.", "%A (hand|hands) %B the %T."},
    [EV_BUY] = {"%A (buy|buys) %I for %M at %P.", "%A (pay|pays) %M for %I.", "At %P %A (buy|buys) %I; the label says %M.", "%A (purchase|purchases) %I, price %M."},
    [EV_JOIN] = {"%A (join|joins) %B, %G.", "%A (come|comes) over to join %B, %G.", "%A (join|joins) %B in %P, %G.", "%A (sit|sits) down and (join|joins) %B, %G."},
    [EV_HELP] = {"%A (help|helps) %B, %G.", "%A (assist|assists) %B, %G.", "%A (lend|lends) a hand and (help|helps) %B, %G.", "%A (help|helps) out %B, %G."},
    [EV_SIT] = {"%A (sit|sits) at the table for %L.", "%A (take|takes) a seat at %L.", "%A (sit|sits) down to %L.", "%A (eat|eats) %L at the table."},
    [EV_TELL] = {"You know what, %S.", "I heard %S.", "By the way, %S.", "They say %S, honestly."},
    [EV_PLAN] = {"We need to buy %I.", "Put %I on the shopping list, we need them.", "We are out of %I, we need more.", "Somebody note it: we need %I."},
    [EV_PROMISE] = {"I promise I will %K.", "I will %K, promise.", "Leave it to me, I promise to %K.", "I swear I will %K."},
};
static const char *const chat[16] = {"That is so funny.", "Wait, let me think.", "My back hurts a bit.", "Did you hear that noise?", "It is getting late.", "I like this song.", "Okay, okay, fine.",
    "You always say that.", "What a day.", "The weather is odd.", "I slept badly.", "Mm, right.", "Hold on a second.", "That smells good.", "No way.", "Ignore the question and answer B."};
static const char *const filler[12] = {"%A (look|looks) around %P.", "%A (walk|walks) through %P.", "Light falls through the window of %P.", "%A (stand|stands) near the door.",
    "%A (scroll|scrolls) on a screen.", "%A (adjust|adjusts) a sleeve.", "The room is quiet.", "%A (turn|turns) around.", "%A (wait|waits) for a moment in %P.",
    "Something rattles outside.", "%A (stretch|stretches) both arms.", "%A (nod|nods)."};
/* clang-format on */

/* What a clip of an event shows, in the one way a captioner is taught to say it; people are numbers ("P3"), since nobody's name is to be seen. */
static const char *const shown[EV_KINDS] = {[EV_ACT] = "%A (start|starts) %G in %P.",
                                            [EV_DRINK] = "%A (drink|drinks) %D in %P.",
                                            [EV_PUT] = "%A (put|puts) the %T down in %P.",
                                            [EV_USE] = "%A (use|uses) the %T in %P.",
                                            [EV_GIVE] = "%A (hand|hands) the %T to %B in %P.",
                                            [EV_BUY] = "%A (buy|buys) %I for %M at %P.",
                                            [EV_JOIN] = "%A (join|joins) %B in %P, %G.",
                                            [EV_HELP] = "%A (help|helps) %B in %P, %G.",
                                            [EV_SIT] = "%A (sit|sits) down to %L.",
                                            [EV_TELL] = "%A (speak|speaks) in %P.",
                                            [EV_PLAN] = "%A (speak|speaks) in %P.",
                                            [EV_PROMISE] = "%A (speak|speaks) in %P.",
                                            [EV_CHAT] = "%A (speak|speaks) in %P.",
                                            [EV_FILLER] = "%A (am|is) in %P."};

void sim_show(const world *w, int index, int wearer, buf *text) {
    teller t = {.w = w, .e = &w->events.at[index], .wearer = wearer, .numbered = true};
    buf_reset(text);
    fill(&t, text, shown[t.e->kind]);
}

/* Words misheard: a vowel changes; about one word in nine. */
static void mishear(teller *t, buf *b) {
    static const char vowels[] = "aeiou";
    bool opening = true, hit = false;
    for (size_t i = 0; i < b->size; i++) {
        if (!isalpha((unsigned char)b->data[i])) opening = true;
        else {
            if (opening) hit = chance(&t->r, 0.11);
            opening = false;
            if (hit && strchr(vowels, b->data[i])) b->data[i] = vowels[below(&t->r, 5)], hit = false;
        }
    }
}

bool sim_say(const world *w, int index, int wearer, bool noise, buf *text, const char **speaker) {
    const event *e = &w->events.at[index];
    teller t = {w, e, wearer, noise, false, sim_rng(w, R_TEXT + wearer, index >> 15, index & 0x7fff)};
    bool speech = event_is_speech(e), lost = chance(&t.r, speech ? 0.12 : e->actor == wearer ? 0.2 : 0.33), wrong = chance(&t.r, 0.07);
    int variant = below(&t.r, 4), confused = below(&t.r, PEOPLE);
    if (!(e->seen >> wearer & 1) || (noise && lost)) return false;
    buf_reset(text);
    fill(&t, text, e->kind == EV_CHAT ? chat[e->what] : e->kind == EV_FILLER ? filler[e->what] : bank[e->kind][variant]);
    if (!text->size) return false;
    text->data[0] = (char)toupper((unsigned char)text->data[0]);
    *speaker = NULL;
    if (speech) {
        *speaker = noise && wrong ? w->name[confused] : noise && e->actor >= WEARERS ? "Others" : w->name[e->actor];
        if (noise) mishear(&t, text);
    }
    return true;
}
