/* cmd_ego.h - what the verbs of lmm ego share. */
#ifndef LMM_CMD_EGO_H
#define LMM_CMD_EGO_H

#include "cli/cli.h"
#include "ego/ego.h"

/* "DAY3" or "DAY3_14300000"; text NULL: the fallback. */
lmm_status ego_moment_read(const char *text, int64_t fallback, int64_t *ms);
lmm_status ego_need(const opt_list *words, int low, int high, const char *usage); /* that many words */
/* model NULL: nothing is opened. */
lmm_status ego_encoder_open(const char *model, int threads, lmm_runtime **runtime, lmm_model **m);

lmm_status ego_run_init(int argc, char **argv);
lmm_status ego_run_import(int argc, char **argv);
lmm_status ego_run_caption(int argc, char **argv);
lmm_status ego_run_build(int argc, char **argv);
lmm_status ego_run_grant(int argc, char **argv);
lmm_status ego_run_export(int argc, char **argv);
lmm_status ego_run_forget(int argc, char **argv);
lmm_status ego_run_sim(int argc, char **argv);

#endif
