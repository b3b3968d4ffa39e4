/* mathruler.h - the parts of mathruler's grader (mathruler.c): spellings (mathruler_text.c), LaTeX as plain text (mathruler_latex.c). Results: free(). */
#ifndef LMM_MATHRULER_H
#define LMM_MATHRULER_H

#include "align/align.h"

char *mathruler_math(const char *answer); /* the MATH data set's spelling */
char *mathruler_prm(const char *answer);  /* prm800k's */
/* LaTeX as pylatexenc's latex2text writes it, with the signs that the parser knows spelled out; NULL where that fails. */
char *mathruler_latex(const char *latex);
bool mathruler_is_integer(const char *s);
char *mathruler_without_commas(const char *s); /* 1,234 as 1234 */

#endif
