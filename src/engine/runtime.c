/* runtime.c - threads, kernels, version, and the cancel flag. */
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/engine.h"

const char *lmm_version(void) { return "0.1.0"; }

lmm_status lmm_runtime_open(lmm_runtime **out, int thread_count, const char *name) {
    const kernels *k = kernels_pick(name);
    if (!k) return LMM_FAIL(LMM_E_ARG, "kernels '%s' are unknown or this processor cannot run them (generic, avx2, avx512)", name);
    if (thread_count < 0 || thread_count > 1024) return LMM_FAIL(LMM_E_ARG, "%d threads: give 0 (all cores) to 1024", thread_count);
    lmm_runtime *r = mem_new(1, sizeof *r);
    *r = (lmm_runtime){.pool = pool_new(thread_count), .k = k};
    return *out = r, LMM_OK;
}

void lmm_runtime_close(lmm_runtime *r) {
    if (!r) return;
    pool_free(r->pool);
    free(r);
}

const char *lmm_runtime_kernels(const lmm_runtime *r) { return r->k->name; }
int lmm_runtime_threads(const lmm_runtime *r) { return pool_thread_count(r->pool); }

/* The one piece of process-wide state: a signal handler has nothing else to write to. */
static atomic_bool cancel_requested;

void lmm_cancel(void) { atomic_store(&cancel_requested, true); }
bool lmm_cancelled(void) { return atomic_load(&cancel_requested); }
void lmm_cancel_reset(void) { atomic_store(&cancel_requested, false); }
