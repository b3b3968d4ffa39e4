/* dist.h - many processes as one: ranks started by mpirun (Open MPI), sums whose bits do not depend on how many there are.
 *
 * MPI carries the bytes and nothing else: additions are ours, in the order of a binary tree over rank numbers. A piece of work cut into a power of two
 * of equal parts, summed by the same tree within a rank, gives the same bits on 1, 2, 4, ... ranks. Calls are collective: every rank makes the same ones in the
 * same order. A NULL world is one rank. A rank that dies or cannot be reached ends all others within DIST_LOST_S seconds (watchdog.c): MPI alone would wait for ever. */
#ifndef LMM_DIST_H
#define LMM_DIST_H

#include "base/base.h"

typedef struct dist dist;
enum { DIST_LOST_S = 15 };

/* launched: this process was started by mpirun; false gives a world of one rank and touches no network. Fails in a build without Open MPI
 * and when the number of ranks is no power of two. */
lmm_status dist_open(dist **out, bool launched);
void dist_close(dist *d); /* collective; NULL is fine */
int dist_rank(const dist *d);
int dist_count(const dist *d);

/* all: dist_count pieces of `size` bytes, of which each rank brings the one at its own place. */
lmm_status dist_share(dist *d, void *all, size_t size);
/* The ranges [first[r], first[r + 1]) cut an array that every rank has; first has dist_count + 1 entries. Rank r's range becomes the sum over
 * all ranks there, the rest keeps its values. */
lmm_status dist_sum(dist *d, float *data, const int64_t *first);
/* The reverse: every rank gets every range from the rank it belongs to. Values of `item` bytes, at most 4. */
lmm_status dist_spread(dist *d, void *data, size_t item, const int64_t *first);
/* LMM_OK when st is LMM_OK on every rank; else every rank fails, the healthy ones naming the first that did not. */
lmm_status dist_agree(dist *d, lmm_status st);

#endif
