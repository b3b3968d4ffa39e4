/* dist_int.h - what dist.c and watchdog.c share. */
#ifndef LMM_DIST_INT_H
#define LMM_DIST_INT_H

#include "dist/dist.h"

/* Where rank 0 listens: sent to the others through MPI. */
typedef struct {
    uint64_t token;      /* keeps strangers out */
    uint32_t address[8]; /* IPv4, network order; 0: none */
    uint16_t port;
} watch_place;

/* A thread that exchanges a byte a second with rank 0 (rank 0: with all), and ends the process when one stays silent for DIST_LOST_S seconds. */
typedef struct watchdog watchdog;
lmm_status watchdog_listen(watchdog **out, watch_place *place, int count); /* rank 0 */
lmm_status watchdog_accept(watchdog *w, int count);                        /* rank 0: waits for all others */
lmm_status watchdog_join(watchdog **out, const watch_place *place, int rank);
void watchdog_stop(watchdog *w); /* says goodbye; NULL is fine */

#endif
