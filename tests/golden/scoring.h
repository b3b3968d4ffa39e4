/* scoring.h - shared by the files that compare scores: a case, a scripted judge, comparison of values. */
#ifndef LMM_GOLDEN_SCORING_H
#define LMM_GOLDEN_SCORING_H

#include "eval/eval_int.h"
#include "golden.h"

typedef struct {
    golden *golden;
    task_set tasks;
    const char *file, *path;
    const table *rows; /* of the file */
    int line;
    bool raw; /* responses reach the rule as they are, not trimmed */
} scoring;
typedef struct {
    const tree *reply, *log;
    int at;
    char *prompt; /* of the last question; free() */
} script;

judge scripted(script *s, const tree *row);
bool same_value(const tree *have, const tree *want, bool as_set); /* maps: every key of `want`; floats to 1e-9 relative */
void check_value(scoring *s, const char *what, const tree *have, const tree *want, bool as_set);
void check_text(scoring *s, const char *what, const char *have, const tree *want);
void check_real(scoring *s, const char *what, double have, const tree *want);
const eval_task *task_of(scoring *s, const char *name);
void check_doc(scoring *s, const eval_task *t, const tree *row);
void check_agg(scoring *s, const eval_task *t, const tree *row);

/* Who runs the rows of a file that are not simply a task's; NULL: the task. */
typedef void (*scoring_row)(scoring *s, const tree *row);
scoring_row scoring_unit(const char *file);

#endif
