/* says.c - what a row says: how well it fits the question, and which option it speaks for.
 *
 * A row weighs by the share of the question's words it holds, rare ones more, and by the cosine of its vector to the question's. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/read.h"

static const char *word_in(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[n])) return p;
    return NULL;
}

/* The name stands first of all people in the row: it is who does it. */
static bool acts(const ego_hit *h, const char *name) {
    if (h->speaker) return !strcasecmp(h->speaker, name);
    static const char *const openers[] = {"In", "At", "On", "The", "Then", "While", "After", "Inside", "Outside", "Near"};
    const char *at = word_in(h->text, name), *self = word_in(h->text, "I");
    if (!at || (self && self < at)) return false;
    for (const char *p = h->text; p < at; p += strcspn(p, " ") + (p[strcspn(p, " ")] == ' ')) {
        bool opener = false;
        for (size_t i = 0; i < COUNT_OF(openers); i++)
            opener |= !strncmp(p, openers[i], strlen(openers[i])) && !isalnum((unsigned char)p[strlen(openers[i])]);
        if (isupper((unsigned char)*p) && !opener) return false;
        if (!p[strcspn(p, " ")]) break;
    }
    return true;
}

static bool in_part(const ego_hit *h, const char *part) {
    int from, to, hour = (int)(h->t0 / EGO_HOUR % 24);
    return ego_part_of_day(part, &from, &to) && ((hour >= from && hour < to) || hour + 24 < to);
}

/* Of the options' times that hold the row's, the shortest: "yesterday, at dawn" before "yesterday". -1: none */
static int option_of_time(const ego_reading *r, const ego_hit *h) {
    int best = -1;
    int64_t length = INT64_MAX;
    for (int o = 0; o < r->q->option_count; o++)
        for (int i = 0; i < r->in.option_spans[o].count; i++) {
            const ego_span *s = &r->in.option_spans[o].at[i];
            if (h->t0 >= s->from && h->t0 <= s->to && s->to - s->from < length) best = o, length = s->to - s->from;
        }
    return best;
}

bool ego_supports(const ego_reading *r, const ego_said *w, int option) {
    switch (r->in.shape) {
    case SHAPE_NAMES:
        return acts(w->hit, r->q->options[option]) || (r->silent[option] && w->hit->speaker && ego_is_nobody(w->hit->speaker));
    case SHAPE_DAYS: return option_of_time(r, w->hit) == option;
    case SHAPE_PARTS: return in_part(w->hit, r->q->options[option]);
    default: break;
    }
    return w->share[option] > 1 - 1e-9;
}

/* The option a row speaks for: by its words, else, for options in words, the nearest by far enough. */
int ego_option_of(const ego_reading *r, const ego_said *w) {
    int best = 0;
    for (int i = 0; i < r->q->option_count; i++)
        if (ego_supports(r, w, i)) return i;
    if (r->in.shape != SHAPE_WORDS) return -1;
    for (int i = 1; i < r->q->option_count; i++)
        if (w->near[i] + w->share[i] > w->near[best] + w->share[best]) best = i;
    return r->q->option_count && w->near[best] + w->share[best] >= r->space->option ? best : -1;
}

static double cosine(const ego_vector *x, const float *y) { return x ? fmax(0, (double)ego_vector_dot(x, y)) : 0; }

static bool holds_term(const ego_terms *t, const char *term) {
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->at[i], term)) return true;
    return false;
}

ego_said ego_weigh(const ego_reading *r, const ego *e, const ego_hit *h) {
    ego_said w = {.hit = h};
    const ego_vector *x = r->fits ? ego_vector_at(e, h->doc) : NULL;
    ego_terms_of(&w.terms, h->text);
    if (h->speaker) ego_terms_of(&w.terms, h->speaker);
    for (int i = 0; h->speaker && ego_is_nobody(h->speaker) && i < r->silent_people.count; i++)
        VEC_PUSH(&w.terms, mem_strdup(r->silent_people.at[i]));
    w.self = h->kind == EGO_CAPTION && word_in(h->text, "I");
    w.me = word_in(h->text, "me") != NULL;
    w.put = ego_tokens_hold(&w.terms, "put set place leave lay drop store hang");
    w.named = true;
    for (int i = 0; i < r->people.count; i++) w.named &= holds_term(&w.terms, r->people.at[i]);
    bool speech = h->kind == EGO_SPEECH;
    w.words = ego_query_share(&r->query, &w.terms, speech, &w.sense);
    w.weight = w.words + r->space->cosine * cosine(x, r->vector[0]);
    for (int i = 0; i < r->q->option_count; i++) {
        w.near[i] = cosine(x, r->vector[i + 1]);
        w.share[i] = ego_query_share(&r->option[i], &w.terms, speech, NULL);
    }
    return w;
}
