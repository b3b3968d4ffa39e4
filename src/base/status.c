/* status.c - the sentence that goes with a failure, kept per thread. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_SIZE = 2048 };

/* The one piece of mutable state of this directory besides the pool's marker: errno's little brother. */
static _Thread_local char thread_message[MESSAGE_SIZE];

/* Messages quote names from files and command lines: a control character there must neither break the line
 * nor reach a terminal. The end is cut between characters. */
static void message_store(char *text) {
    size_t size = strlen(text);
    if (size >= MESSAGE_SIZE) size = utf8_complete(text, MESSAGE_SIZE - 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        thread_message[i] = c == '\n' || c == '\t' ? ' ' : c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    thread_message[size] = '\0';
}

/* The arguments may hold lmm_message() itself, so the text is built aside. */
lmm_status lmm_fail(lmm_status code, const char *format, ...) {
    char text[MESSAGE_SIZE + 8];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    message_store(text);
    return code;
}

lmm_status lmm_context(lmm_status st, const char *format, ...) {
    if (st == LMM_OK) return st;
    char text[2 * MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, MESSAGE_SIZE, format, args);
    va_end(args);
    size_t at = used < 0 ? 0 : used < MESSAGE_SIZE ? (size_t)used : MESSAGE_SIZE - 1;
    snprintf(text + at, sizeof text - at, ": %s", thread_message);
    message_store(text);
    return st;
}

const char *lmm_message(void) { return thread_message; }

int lmm_status_exit_code(lmm_status st) {
    switch (st) {
#define STATUS_CASE(name, exit_code, meaning) \
    case name: return exit_code;
        LMM_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    }
    return 1;
}

_Noreturn void lmm_assert_failed(const char *cond, const char *file, int line, const char *format, ...) {
    char text[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "lmm: this is a bug: %s:%d: '%s' does not hold: %s\n", file, line, cond, text);
    abort();
}
