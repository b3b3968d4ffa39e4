/* wants.c - the operator of a question by likeness to example questions, for wordings no cue of intent.c knows. What the question is about is masked
 * first, so that its frame alone is compared. Needs a sentence encoder. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { EXAMPLES_MAX = 64, TERM_MAX = 64 };
static const double TOPIC_TELLS = 0.65; /* from here on a word the memory holds is what is talked of */

typedef struct {
    ego_shape shape;
    ego_op op;
    const char *text;
} example;

static const example examples[] = {
    {SHAPE_NAMES, EGO_OP_LAST, "Who used it last?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who said that?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who helped him with it?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who gave it to her?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who promised to do it?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who was the last person to have it?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who told me about it?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who offered to do that?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Which person touched it most recently?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Who assisted her?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who usually joins me?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who is with him most often?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who normally keeps her company?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who spends most time with me?"},
    {SHAPE_NAMES, EGO_OP_MOST, "With whom do I usually do things?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who regularly comes along?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who is always around her?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who is her closest friend?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Who is his constant companion?"},
    {SHAPE_NAMES, EGO_OP_MOST, "Name the usual partner of her."},
    {SHAPE_NAMES, EGO_OP_MOST, "Who hangs out with them all the time?"},
    {SHAPE_NAMES, EGO_OP_LAST, "Name the person who had it."},
    {SHAPE_NAMES, EGO_OP_LAST, "Who was it that did this for her?"},
    {SHAPE_NAMES, EGO_OP_LAST, "From whom did I hear it?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who was absent?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Whose place stayed empty at dinner?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Name the one who did not show up for lunch."},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who never came to the meal?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who failed to appear at the table?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Without whom did we eat?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who did not come to the meal?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who was missing at the table?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who skipped it?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Who was not there?"},
    {SHAPE_NAMES, EGO_OP_ABSENT, "Which of us did not take part?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What did she say about it?"},
    {SHAPE_WORDS, EGO_OP_LAST, "How much did it cost?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What was the price I paid?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What is the latest news?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What did he tell me?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What have I heard about it?"},
    {SHAPE_WORDS, EGO_OP_LAST, "How did she describe it?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What is his opinion of it?"},
    {SHAPE_WORDS, EGO_OP_LAST, "What news did they bring?"},
    {SHAPE_WORDS, EGO_OP_MOST, "Which drink am I fond of?"},
    {SHAPE_WORDS, EGO_OP_MOST, "What do I usually drink?"},
    {SHAPE_WORDS, EGO_OP_MOST, "What do I normally have?"},
    {SHAPE_WORDS, EGO_OP_MOST, "What is my favourite drink?"},
    {SHAPE_WORDS, EGO_OP_MOST, "What do I mostly eat?"},
    {SHAPE_WORDS, EGO_OP_MOST, "What is my habit?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "What did I do next?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "What did I do after that?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "What came afterwards?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "Which activity followed?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "What did I begin when I had finished?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "What did I turn to then?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "With what did I go on?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "What was I busy with when that was over?"},
    {SHAPE_WORDS, EGO_OP_AFTER, "To which activity did I switch?"},
    {SHAPE_WORDS, EGO_OP_BEFORE, "What did I do before that?"},
    {SHAPE_WORDS, EGO_OP_BEFORE, "What preceded it?"},
    {SHAPE_WORDS, EGO_OP_BEFORE, "What had I been doing until then?"},
};
_Static_assert(COUNT_OF(examples) <= EXAMPLES_MAX, "room for every example");

typedef struct {
    ego_view *view;
    const char *text;
    buf *out;
    int end;    /* of the last word */
    bool topic; /* "it" was the last word */
    lmm_status st;
} masking;

static bool is_topic(masking *m, const char *token, int size, int from) {
    char term[TERM_MAX];
    ego_postings rows = {0};
    if (ego_stop_word(token, (size_t)size) || size >= TERM_MAX) return false;
    if (from && isupper((unsigned char)m->text[from]) && m->text[from - 1] == ' ') return true; /* a name */
    snprintf(term, sizeof term, "%.*s", size, token);
    if (ego_word_tells(term) < TOPIC_TELLS || ego_word_asks(term)) return false;
    m->st = ego_view_postings(m->view, term, &rows);
    free(rows.doc);
    return rows.count > 0;
}

static int mask_word(void *arg, const char *token, int size, int from, int to, bool colocated) {
    masking *m = arg;
    if (colocated) return 0;
    bool topic = is_topic(m, token, size, from);
    if (m->st) return 1;
    if (!(topic && m->topic)) {
        buf_put(m->out, m->text + m->end, (size_t)(from - m->end));
        if (topic) buf_puts(m->out, "it");
        else buf_put(m->out, m->text + from, (size_t)(to - from));
    }
    m->topic = topic, m->end = to;
    return 0;
}

lmm_status ego_wants(ego_view *v, const lmm_model *encoder, const char *question, ego_shape shape, const double *bonus, ego_op *out) {
    buf frame = {0};
    masking m = {.view = v, .text = question, .out = &frame};
    const char *texts[EXAMPLES_MAX + 1];
    float(*x)[EGO_WIDTH] = mem_new(EXAMPLES_MAX + 1, sizeof *x);
    double best = -2;
    ego_words(question, strlen(question), mask_word, &m);
    buf_puts(&frame, "?");
    texts[0] = frame.data;
    for (size_t i = 0; i < COUNT_OF(examples); i++) texts[i + 1] = examples[i].text;
    lmm_status st = m.st ? m.st : ego_embed_kept(ego_view_store(v), encoder, texts, 1 + (int)COUNT_OF(examples), x[0]);
    for (size_t k = 0; !st && k < COUNT_OF(examples); k++) {
        double score = bonus[examples[k].op];
        for (int i = 0; i < EGO_WIDTH; i++) score += (double)x[0][i] * (double)x[k + 1][i];
        if (examples[k].shape == shape && score > best) best = score, *out = examples[k].op;
    }
    free(x);
    buf_free(&frame);
    return st;
}
