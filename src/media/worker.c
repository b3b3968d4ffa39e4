/* worker.c - the client of lmm-media: starts it on an open file, checks every message, and turns its death into one sentence.
 *
 * Nothing that comes out of the pipe is believed: types, sizes and numbers are checked before they are used. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "media/media_int.h"

enum { ERROR_TEXT_MAX = 1000, END_WAIT_MS = 1000, END_LOOK_MS = 5 };

struct media_reader {
    char *name;
    pid_t pid; /* 0: none, the pipe was given */
    int answers, requests;
    bool given_up; /* an answer was not read to its end */
    media_info info;
    media_limits limits;
};

static media_limits with_defaults(const media_limits *limits) {
    media_limits l = limits ? *limits : (media_limits){0};
    if (!l.memory_size_max) l.memory_size_max = (uint64_t)1 << 30;
    if (!l.file_size_max) l.file_size_max = (uint64_t)4 << 30;
    if (!l.seconds_max) l.seconds_max = 7200;
    if (!l.cpu_seconds_max) l.cpu_seconds_max = 600;
    if (!l.silence_seconds_max) l.silence_seconds_max = 60;
    if (!l.side_max) l.side_max = 4096;
    if (!l.frame_count_max) l.frame_count_max = 500000;
    if (!l.rate_max) l.rate_max = 192000;
    if (!l.channel_count_max) l.channel_count_max = 8;
    return l;
}

/* ---- messages ---- */

/* How the process ended; one that closed its pipe and stays is ended. */
static int end_of(media_reader *r) {
    int status = 0;
    pid_t done = 0;
    if (r->pid <= 0) return 0;
    for (int ms = 0; ms < END_WAIT_MS && !(done = waitpid(r->pid, &status, WNOHANG)); ms += END_LOOK_MS)
        nanosleep(&(struct timespec){.tv_nsec = END_LOOK_MS * 1000000L}, NULL);
    if (!done) {
        kill(r->pid, SIGKILL);
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) continue;
    }
    r->pid = 0;
    return done > 0 ? status : 0;
}

/* Why the pipe ended too early. */
static lmm_status died(media_reader *r) {
    int status = end_of(r);
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
        return LMM_FAIL(LMM_E_LIMIT, "cannot read '%s': decoding it takes more than %d seconds or more memory than the limit", r->name,
                        r->limits.cpu_seconds_max);
    if (WIFSIGNALED(status))
        return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': the media reader crashed on it (signal %d); nothing else is harmed", r->name,
                        WTERMSIG(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == lmm_status_exit_code(LMM_E_MEMORY))
        return LMM_FAIL(LMM_E_LIMIT, "cannot read '%s': decoding it takes more memory than the limit", r->name);
    return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': the media reader ended without an answer", r->name);
}

static lmm_status read_exact(media_reader *r, void *to, size_t n) {
    for (size_t at = 0; at < n;) {
        struct pollfd p = {r->answers, POLLIN, 0};
        int ready = poll(&p, 1, r->limits.silence_seconds_max * 1000);
        if (ready == 0)
            return LMM_FAIL(LMM_E_LIMIT, "cannot read '%s': a piece of it takes more than %d seconds to decode", r->name,
                            r->limits.silence_seconds_max);
        ssize_t got = ready > 0 ? read(r->answers, (char *)to + at, n - at) : -1;
        if (got > 0) at += (size_t)got;
        else if (got == 0 || (errno != EINTR && errno != EAGAIN)) return died(r);
    }
    return LMM_OK;
}

static lmm_status nonsense(const media_reader *r, const char *what) {
    return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': the media reader sent %s", r->name, what);
}

/* The worker's own sentence, without anything that is no text. */
static lmm_status take_error(media_reader *r, uint32_t size) {
    uint32_t code;
    char text[ERROR_TEXT_MAX + 1] = "";
    if (size < sizeof code || size > sizeof code + ERROR_TEXT_MAX) return nonsense(r, "an error of a wrong size");
    lmm_status st = read_exact(r, &code, sizeof code);
    if (!st) st = read_exact(r, text, size - sizeof code);
    if (st) return st;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    bool known = code == LMM_E_FORMAT || code == LMM_E_LIMIT || code == LMM_E_UNSUPPORTED || code == LMM_E_MEMORY || code == LMM_E_ARG;
    return LMM_FAIL(known ? (lmm_status)code : LMM_E_FORMAT, "cannot read '%s': %s", r->name, text);
}

/* The next message that is no error. */
static lmm_status next_message(media_reader *r, media_head *h) {
    lmm_status st = read_exact(r, h, sizeof *h);
    if (st) return st;
    if (h->magic != MEDIA_MAGIC) return nonsense(r, "something that is no message");
    return h->type == MEDIA_ERROR ? take_error(r, h->size) : LMM_OK;
}

static lmm_status take_info(media_reader *r) {
    media_head h;
    lmm_status st = next_message(r, &h);
    if (st) return st;
    media_info *i = &r->info;
    if (h.type != MEDIA_INFO || h.size != sizeof *i) return nonsense(r, "no description of the file");
    if ((st = read_exact(r, i, sizeof *i))) return st;
    bool video = i->width > 0 && i->height > 0 && i->width <= r->limits.side_max && i->height <= r->limits.side_max && i->frame_count > 0 &&
                 i->frame_count <= r->limits.frame_count_max;
    bool numbers = isfinite(i->fps) && i->fps >= 0 && isfinite(i->seconds) && i->seconds >= 0;
    if (!numbers || (i->has_video && !video)) return nonsense(r, "a description with numbers out of range");
    return LMM_OK;
}

/* ---- starting ---- */

/* Beside the program, one folder above it (programs of tests), or in the installation. free(); NULL when it is nowhere. */
static char *find_worker(void) {
    static const char *const places[] = {"lmm-media", "../lmm-media", "../libexec/lmm/lmm-media"};
    char exe[4096], *found = NULL;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    char *dir = path_dir(exe);
    for (size_t i = 0; i < COUNT_OF(places) && !found; i++) {
        char *path = path_join(dir, places[i]);
        if (access(path, X_OK) == 0) found = path;
        else free(path);
    }
    free(dir);
    return found;
}

/* Nothing is inherited but the file, the two pipes and a null device for complaints. */
static lmm_status spawn(media_reader *r, const char *program, int file, int answer_end, int request_end) {
    posix_spawn_file_actions_t a;
    char *argv[] = {(char *)"lmm-media", NULL}, *envp[] = {NULL};
    posix_spawn_file_actions_init(&a);
    posix_spawn_file_actions_adddup2(&a, file, 0);
    posix_spawn_file_actions_adddup2(&a, answer_end, 1);
    posix_spawn_file_actions_addopen(&a, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&a, request_end, 3);
    int code = posix_spawn(&r->pid, program, &a, NULL, argv, envp);
    posix_spawn_file_actions_destroy(&a);
    return code ? LMM_FAIL(LMM_E_IO, "cannot start '%s': %s", program, strerror(code)) : LMM_OK;
}

/* A descriptor above 3, closed in other programs: the numbers below are the worker's. */
static int moved(int fd) {
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    close(fd);
    return high;
}

static bool make_pipe(int ends[2]) {
    if (pipe(ends)) return false;
    ends[0] = moved(ends[0]), ends[1] = moved(ends[1]);
    return ends[0] >= 0 && ends[1] >= 0;
}

static lmm_status open_file(int *out, const media_reader *r) {
    struct stat s;
    int fd = open(r->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    lmm_status st = LMM_OK;
    if (fd < 0) return LMM_FAIL(LMM_E_IO, "cannot open '%s': %s", r->name, strerror(errno));
    if (fstat(fd, &s) || !S_ISREG(s.st_mode)) st = LMM_FAIL(LMM_E_IO, "cannot read '%s': it is no file", r->name);
    else if ((uint64_t)s.st_size > r->limits.file_size_max)
        st = LMM_FAIL(LMM_E_LIMIT, "'%s' has %jd bytes, the limit is %" PRIu64, r->name, (intmax_t)s.st_size, r->limits.file_size_max);
    if (st) close(fd);
    else *out = moved(fd);
    return st;
}

static bool send_all(media_reader *r, const void *bytes, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t done = write(r->requests, (const char *)bytes + at, n - at);
        if (done > 0) at += (size_t)done;
        else if (errno != EINTR) return false;
    }
    return true;
}

/* Bytes as a file without a name. */
static lmm_status open_bytes(int *out, const media_reader *r, const void *bytes, size_t n) {
    FILE *f = tmpfile();
    if (!f || fwrite(bytes, 1, n, f) != n || fseek(f, 0, SEEK_SET)) {
        lmm_status st = LMM_FAIL(LMM_E_IO, "cannot put '%s' into a temporary file: %s", r->name, strerror(errno));
        if (f) fclose(f);
        return st;
    }
    *out = fcntl(fileno(f), F_DUPFD_CLOEXEC, 10);
    fclose(f);
    return LMM_OK;
}

/* bytes NULL: the file of that name. */
static lmm_status start(media_reader *r, const void *bytes, size_t n) {
    int file = -1, answers[2] = {-1, -1}, requests[2] = {-1, -1};
    char *program = find_worker();
    lmm_status st =
        program ? bytes ? open_bytes(&file, r, bytes, n) : open_file(&file, r)
                : LMM_FAIL(LMM_E_UNSUPPORTED,
                           "cannot read '%s': this needs lmm-media, which was not built (libavformat-dev and its sisters were missing)",
                           r->name);
    if (!st && (!make_pipe(answers) || !make_pipe(requests))) st = LMM_FAIL(LMM_E_IO, "cannot make a pipe: %s", strerror(errno));
    if (!st) st = spawn(r, program, file, answers[1], requests[0]);
    r->answers = answers[0], r->requests = requests[1];
    if (file >= 0) close(file);
    if (answers[1] >= 0) close(answers[1]);
    if (requests[0] >= 0) close(requests[0]);
    free(program);
    if (!st && !send_all(r, &r->limits, sizeof r->limits)) st = died(r);
    return st ? st : take_info(r);
}

static media_reader *reader_new(const char *name, int answers, const media_limits *limits) {
    media_reader *r = mem_new(1, sizeof *r);
    *r = (media_reader){.name = mem_strdup(name), .answers = answers, .requests = -1, .limits = with_defaults(limits)};
    return r;
}

static lmm_status give(media_reader **out, media_reader *r, lmm_status st) {
    if (st) return media_close(r), st;
    return *out = r, LMM_OK;
}

lmm_status media_open(media_reader **out, const char *path, const media_limits *limits) {
    media_reader *r = reader_new(path, -1, limits);
    return give(out, r, start(r, NULL, 0));
}

lmm_status media_open_bytes(media_reader **out, const void *bytes, size_t n, const char *name, const media_limits *limits) {
    media_reader *r = reader_new(name, -1, limits);
    return give(out, r, start(r, bytes, n));
}

lmm_status media_open_pipe(media_reader **out, int answers, const char *name) {
    media_reader *r = reader_new(name, answers, NULL);
    return give(out, r, take_info(r));
}

void media_close(media_reader *r) {
    if (!r) return;
    if (r->requests >= 0) close(r->requests);
    if (r->answers >= 0) close(r->answers);
    if (r->pid > 0) {
        kill(r->pid, SIGKILL); /* ours, and nothing it holds needs saving */
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) continue;
    }
    free(r->name);
    free(r);
}

const media_info *media_about(const media_reader *r) { return &r->info; }

/* ---- asking ---- */

static lmm_status ask(media_reader *r, media_want want, const int *index, int count) {
    media_request q = {(uint32_t)want, (uint32_t)count};
    if (r->given_up) return LMM_FAIL(LMM_E_ARG, "'%s' was not read to the end of the last answer; open it again", r->name);
    r->given_up = true;
    if (r->requests < 0) return LMM_OK; /* the answers are there */
    bool sent = send_all(r, &q, sizeof q);
    for (int i = 0; i < count && sent; i++) {
        uint32_t at = (uint32_t)index[i];
        sent = send_all(r, &at, sizeof at);
    }
    return sent ? LMM_OK : died(r);
}

static lmm_status check_frames(const media_reader *r, const int *index, int count) {
    const media_info *i = &r->info;
    if (!i->has_video) return LMM_FAIL(LMM_E_FORMAT, "'%s' has no video", r->name);
    if (count < 0 || count > MEDIA_INDEX_MAX) return LMM_FAIL(LMM_E_ARG, "%d frames are out of range (1 to %d)", count, MEDIA_INDEX_MAX);
    for (int k = 0; k < count; k++)
        if (index[k] < 0 || index[k] >= i->frame_count || (k && index[k] < index[k - 1]))
            return LMM_FAIL(LMM_E_ARG, "frame %d is asked for out of order or beyond the %d of '%s'", index[k], i->frame_count, r->name);
    return LMM_OK;
}

static lmm_status take_frame(media_reader *r, image *im, int index, double *seconds) {
    media_head h;
    media_frame_head f = {0};
    size_t size = (size_t)im->width * (size_t)im->height * 3;
    lmm_status st = next_message(r, &h);
    if (!st && (h.type != MEDIA_FRAME || h.size != sizeof f + size)) st = nonsense(r, "a frame of a wrong size");
    if (!st) st = read_exact(r, &f, sizeof f);
    if (!st && (f.index != (uint32_t)index || !isfinite(f.seconds))) st = nonsense(r, "another frame than asked for");
    if (!st) st = read_exact(r, im->data, size);
    *seconds = f.seconds;
    return st;
}

lmm_status media_frames(media_reader *r, const int *index, int count, media_frame_fn on_frame, void *arg) {
    image im = {0};
    lmm_status st = check_frames(r, index, count);
    if (!st) st = image_new(&im, r->info.width, r->info.height, 3);
    if (!st) st = ask(r, MEDIA_WANT_FRAMES, index, count);
    for (int k = 0; k < count && !st; k++) {
        double seconds;
        st = take_frame(r, &im, index[k], &seconds);
        if (!st) st = on_frame(arg, k, &im, seconds);
    }
    image_free(&im);
    if (!st) r->given_up = false;
    return st;
}

lmm_status media_times(media_reader *r, double **out) {
    media_head h;
    double *times = NULL;
    size_t n = (size_t)r->info.frame_count, size = n * sizeof *times;
    if (!r->info.has_video) return LMM_FAIL(LMM_E_FORMAT, "'%s' has no video", r->name);
    lmm_status st = ask(r, MEDIA_WANT_TIMES, NULL, 0);
    if (!st) st = next_message(r, &h);
    if (!st && (h.type != MEDIA_TIMES || h.size != size)) st = nonsense(r, "times of a wrong number");
    if (!st) {
        times = mem_new(n, sizeof *times);
        st = read_exact(r, times, size);
    }
    for (size_t i = 0; i < n && !st; i++)
        if (!isfinite(times[i]) || (i && times[i] < times[i - 1])) st = nonsense(r, "times that do not rise");
    if (st) return free(times), st;
    r->given_up = false;
    return *out = times, LMM_OK;
}

/* Doubles the room until `count` samples fit. */
static lmm_status make_room(sound *s, int64_t *capacity, int64_t count) {
    if (count <= *capacity) return LMM_OK;
    int64_t room = *capacity ? *capacity : 1 << 16;
    while (room < count) room *= 2;
    void *samples;
    lmm_status st = mem_try(&samples, (size_t)room * sizeof(float), "sound");
    if (st) return st;
    if (s->count) memcpy(samples, s->samples, (size_t)s->count * sizeof(float));
    free(s->samples);
    s->samples = samples;
    *capacity = room;
    return LMM_OK;
}

lmm_status media_sound(media_reader *r, sound *out) {
    if (!r->info.has_sound) return LMM_FAIL(LMM_E_FORMAT, "'%s' has no sound", r->name);
    sound s = {.rate = MEL_RATE};
    int64_t capacity = 0, most = (int64_t)r->limits.seconds_max * MEL_RATE;
    media_head h = {0};
    lmm_status st = ask(r, MEDIA_WANT_SOUND, NULL, 0);
    while (!st && !(st = next_message(r, &h)) && h.type != MEDIA_END) {
        int64_t n = h.size / sizeof(float);
        if (h.type != MEDIA_SOUND || h.size % sizeof(float) || n < 1 || n > MEDIA_PIECE_MAX || s.count + n > most)
            st = nonsense(r, "sound of a wrong size");
        if (!st) st = make_room(&s, &capacity, s.count + n);
        if (!st) st = read_exact(r, s.samples + s.count, h.size);
        for (int64_t i = 0; i < n && !st; i++)
            if (!isfinite(s.samples[s.count + i])) s.samples[s.count + i] = 0;
        if (!st) s.count += n;
    }
    if (st) return sound_free(&s), st;
    r->given_up = false;
    return *out = s, LMM_OK;
}
