/* reward_command.c - a reward from an external program: a line of JSON in for each completion of a group, a line with a number out, within a time limit.
 *
 * The program sees {"question", "completion", "gold", "finished"}; it answers a number, or null for nothing to say. It runs in a process group of its own, which is ended when the
 * time is over, so a program that hangs costs a message and no more. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "train/train_int.h"

extern char **environ;

enum { ANSWER_MAX = 1 << 20 };

typedef struct {
    pid_t pid;
    int end; /* both ways; a socket, so that writing to a program that is gone is an error and no signal */
} program;

static void put_string(tree *row, const char *key, const char *text) { tree_put(row, key, tree_new_string(text ? text : "")); }

static void write_rows(buf *out, const completion_view *c, int n) {
    for (int i = 0; i < n; i++) {
        tree *row = tree_new(TREE_MAP);
        put_string(row, "question", c[i].question);
        put_string(row, "completion", c[i].text);
        put_string(row, "gold", c[i].gold);
        tree_put(row, "finished", tree_new_bool(c[i].finished));
        tree_write_json(out, row, 0);
        buf_putc(out, '\n');
        tree_free(row);
    }
}

static lmm_status start(program *p, const char *command) {
    int ends[2];
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, mem_strdup(command), NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return free(argv[2]), LMM_FAIL(LMM_E_IO, "no socket: %s", strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(&p->pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    free(argv[2]);
    if (failed) return close(ends[0]), LMM_FAIL(LMM_E_IO, "'%s' does not start: %s", command, strerror(failed));
    p->end = ends[0];
    return LMM_OK;
}

/* Sends what is left of `in`; a program that reads no more is fine. */
static void send_some(const program *p, const buf *in, size_t *sent) {
    ssize_t n = send(p->end, in->data + *sent, in->size - *sent, MSG_NOSIGNAL);
    if (n > 0) *sent += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR) *sent = in->size;
    if (*sent == in->size) shutdown(p->end, SHUT_WR);
}

/* False at the end of its answers. */
static bool receive_some(const program *p, buf *out) {
    char piece[4096];
    ssize_t n = recv(p->end, piece, sizeof piece, 0);
    if (n > 0) buf_put(out, piece, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static lmm_status talk(const program *p, const buf *in, buf *out, double limit) {
    const double end = time_now() + limit;
    size_t sent = 0;
    for (;;) {
        double left = end - time_now();
        if (left <= 0) return LMM_FAIL(LMM_E_IO, "no answer within %g s", limit);
        if (lmm_cancelled()) return LMM_FAIL(LMM_E_CANCELLED, "stopped while a reward was computed");
        if (out->size > ANSWER_MAX) return LMM_FAIL(LMM_E_LIMIT, "its answer is longer than %d bytes", ANSWER_MAX);
        struct pollfd wait = {.fd = p->end, .events = (short)(POLLIN | (sent < in->size ? POLLOUT : 0))};
        if (poll(&wait, 1, left < 0.25 ? (int)(left * 1000) + 1 : 250) < 0 && errno != EINTR)
            return LMM_FAIL(LMM_E_IO, "poll: %s", strerror(errno));
        if (wait.revents & POLLOUT) send_some(p, in, &sent);
        if (wait.revents & (POLLIN | POLLHUP | POLLERR) && !receive_some(p, out)) return LMM_OK;
    }
}

/* A program that has closed its answers has a second to end by itself. */
static lmm_status finish(const program *p, lmm_status st) {
    enum { PAUSES = 200, PAUSE_MS = 5 };
    int status = 0;
    pid_t ended = 0;
    close(p->end);
    for (int i = 0; i < PAUSES && !st && !(ended = waitpid(p->pid, &status, WNOHANG)); i++) poll(NULL, 0, PAUSE_MS);
    kill(-p->pid, SIGKILL); /* whoever of its group is still there */
    while (!ended && waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {}
    if (!st && WIFEXITED(status) && WEXITSTATUS(status)) return LMM_FAIL(LMM_E_IO, "it ended with exit status %d", WEXITSTATUS(status));
    return st;
}

static lmm_status read_values(double *out, const char *text, int n) {
    for (int i = 0; i < n; i++) {
        char *end;
        bool nothing = !strncmp(text, "null", 4);
        out[i] = nothing ? NAN : strtod(text, &end);
        if (nothing) end = (char *)text + 4;
        if (end == text || (!nothing && !isfinite(out[i]))) return LMM_FAIL(LMM_E_FORMAT, "line %d of its answer is no number", i + 1);
        end += strspn(end, " \t\r");
        if (*end && *end != '\n') return LMM_FAIL(LMM_E_FORMAT, "line %d of its answer is no number", i + 1);
        if (!*end && i + 1 < n) return LMM_FAIL(LMM_E_FORMAT, "it answered %d lines, %d were asked for", i + 1, n);
        text = end + (*end == '\n');
    }
    return text[strspn(text, " \t\r\n")] ? LMM_FAIL(LMM_E_FORMAT, "it answered more than the %d lines asked for", n) : LMM_OK;
}

lmm_status reward_command(double *out, const recipe_reward *w, const completion_view *c, int n) {
    program p;
    buf in = {0}, answer = {0};
    for (int i = 0; i < n; i++) out[i] = NAN;
    write_rows(&in, c, n);
    lmm_status st = start(&p, w->command);
    if (!st) st = finish(&p, talk(&p, &in, &answer, w->timeout));
    if (!st) st = read_values(out, answer.data ? answer.data : "", n);
    if (st)
        for (int i = 0; i < n; i++) out[i] = NAN;
    buf_free(&in);
    buf_free(&answer);
    if (st == LMM_E_CANCELLED) return st;
    if (st) fprintf(stderr, "lmm: reward command '%s': %s; its %d answers are not scored\n", w->command, lmm_message(), n);
    return LMM_OK;
}
