/* lmm_status.h - result codes of the library and the sentence that goes with a failure. */
#ifndef LMM_STATUS_H
#define LMM_STATUS_H

/* One table: name, exit code of the command, meaning. */
#define LMM_STATUS_MAP(X)                           \
    X(LMM_OK, 0, "done")                            \
    X(LMM_E_ARG, 2, "wrong argument or option")     \
    X(LMM_E_IO, 3, "file or network error")         \
    X(LMM_E_FORMAT, 4, "malformed input")           \
    X(LMM_E_SHAPE, 5, "shapes or types do not fit") \
    X(LMM_E_UNSUPPORTED, 6, "not supported")        \
    X(LMM_E_LIMIT, 7, "a limit was exceeded")       \
    X(LMM_E_MEMORY, 9, "out of memory")             \
    X(LMM_E_CANCELLED, 130, "stopped on request")

typedef enum {
#define LMM_STATUS_ROW(name, exit_code, meaning) name,
    LMM_STATUS_MAP(LMM_STATUS_ROW)
#undef LMM_STATUS_ROW
} lmm_status;

/* The last failure on this thread, one sentence, lower case; "" when none. On loan until the next call into the library. */
const char *lmm_message(void);
int lmm_status_exit_code(lmm_status st);

#endif
