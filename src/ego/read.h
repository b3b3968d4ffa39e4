/* read.h - the reader's inside: what is asked (asked.c), what a row says (says.c), how an operator decides (operators.c), which rows are returned
 * (returned.c), and the answer (read.c). */
#ifndef LMM_EGO_READ_H
#define LMM_EGO_READ_H

#include "ego/ego_int.h"

/* Of a vector space: what a cosine counts beside words, and from where on an option is meant by a row. */
typedef struct {
    double cosine, option;
} ego_space;

typedef struct {
    const ego_hit *hit;
    ego_terms terms;
    double weight, words, near[EGO_OPTIONS_MAX], share[EGO_OPTIONS_MAX]; /* words: without the cosine; of options: cosine, share of words */
    uint64_t sense;                                                      /* what it takes the question to be about: ego_query_share */
    bool self, me, named, put; /* done by the wearer; to the wearer; with all people named; something was put somewhere */
} ego_said;

typedef struct {
    const ego_question *q;
    ego_intent in;
    const ego_space *space;
    bool named;       /* the question names the wearer */
    ego_terms people; /* others it names, as tokens; on loan from their queries */
    bool silent[EGO_OPTIONS_MAX];
    ego_terms silent_people; /* of `people` */
    bool fits;               /* the memory has vectors of this encoder */
    ego_query query, option[EGO_OPTIONS_MAX];
    float (*vector)[EGO_WIDTH]; /* of the question, then of each option */
    VEC(ego_said) rows, others; /* that may decide, in order of time; that may not, but bear on it */
    double best, best_words;    /* weight of the heaviest row that could decide, and its words' part */
} ego_reading;

/* Of the question alone; the rows are still to be filled. ego_reading_free in any case */
lmm_status ego_understand(ego_reading *r, ego_view *v, const ego_question *q, const lmm_model *encoder);
void ego_reading_free(ego_reading *r);
/* Whoever a transcript does not know is "Others". */
bool ego_is_nobody(const char *speaker);

ego_said ego_weigh(const ego_reading *r, const ego *e, const ego_hit *h);
bool ego_supports(const ego_reading *r, const ego_said *w, int option);
/* The option a row speaks for, -1 none. */
int ego_option_of(const ego_reading *r, const ego_said *w);

typedef struct {
    int choice;
    double confidence;
    VEC(int) rows; /* that say so */
} ego_verdict;
/* Sets best and best_words. */
void ego_find_best(ego_reading *r);
bool ego_near_best(const ego_reading *r, const ego_said *w);
void ego_decide(const ego_reading *r, ego_verdict *v);

/* The earlier of two rows first. */
int ego_said_by_time(const void *a, const void *b);
/* Fills proof and returned. */
void ego_return_rows(const ego_reading *r, const ego_verdict *v, ego_answer *out);

#endif
