/* watchdog.c - notices that a rank is gone or unreachable. MPI waits for ever on a cable that was pulled; a byte a second over a connection of our own does not.
 *
 * Rank 0 is the hub: the others lose it, it loses each of them. Whoever loses somebody says so and ends its process; that cuts its connections, so
 * the rest follows. A rank that ends properly says goodbye first. */
#include "dist/dist_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { JOIN_S = 20, BEAT = 'b', GOODBYE = 'q' };

typedef struct {
    uint64_t token;
    int32_t rank;
    int32_t unused;
} hello;

typedef struct {
    int fd; /* -1: gone properly */
    int rank;
    double heard;
} peer;

struct watchdog {
    pthread_t thread;
    bool running;
    atomic_bool stop;
    int listening;
    uint64_t token;
    int count; /* of peers */
    peer *peers;
};

/* Ends the process: the main thread sits in a call that never returns. */
_Noreturn static void lost(const peer *p, const char *why) {
    fprintf(stderr, "lmm: lost rank %d (%s); this rank stops. Start the same command again to resume from the last checkpoint\n", p->rank,
            why);
    _exit(3);
}

static void hear(peer *p) {
    char bytes[64];
    ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) lost(p, "its connection closed");
    p->heard = time_now();
    if (!memchr(bytes, GOODBYE, (size_t)n)) return;
    close(p->fd);
    p->fd = -1;
}

static void *watch(void *arg) {
    watchdog *w = arg;
    struct pollfd *fds = mem_new((size_t)w->count, sizeof *fds);
    double beat = 0;
    while (!atomic_load(&w->stop)) {
        for (int i = 0; i < w->count; i++) fds[i] = (struct pollfd){.fd = w->peers[i].fd, .events = POLLIN};
        poll(fds, (nfds_t)w->count, 200);
        double now = time_now();
        for (int i = 0; i < w->count; i++) {
            peer *p = &w->peers[i];
            if (p->fd >= 0 && fds[i].revents) hear(p);
            if (p->fd >= 0 && now - p->heard > DIST_LOST_S) lost(p, "nothing heard of it for a while: dead, or the network is down");
            if (p->fd >= 0 && now - beat >= 1.0) (void)!send(p->fd, &(char){BEAT}, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (now - beat >= 1.0) beat = now;
    }
    free(fds);
    return NULL;
}

static watchdog *watchdog_new(int count) {
    watchdog *w = mem_new(1, sizeof *w);
    w->listening = -1;
    w->peers = mem_new((size_t)count, sizeof *w->peers);
    return w;
}

static lmm_status begin(watchdog *w) {
    if (pthread_create(&w->thread, NULL, watch, w)) return LMM_FAIL(LMM_E_MEMORY, "cannot start the watchdog's thread");
    w->running = true;
    return LMM_OK;
}

static void add_peer(watchdog *w, int fd, int rank) { w->peers[w->count++] = (peer){fd, rank, time_now()}; }

/* ---- rank 0 ---- */

static void own_addresses(watch_place *place) {
    struct ifaddrs *list = NULL;
    size_t n = 0;
    if (getifaddrs(&list)) return;
    for (int loopback = 0; loopback < 2; loopback++) /* those that others can reach first */
        for (const struct ifaddrs *i = list; i && n < COUNT_OF(place->address); i = i->ifa_next) {
            if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET) continue;
            uint32_t address = ((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr;
            if ((ntohl(address) >> 24 == 127) == loopback) place->address[n++] = address;
        }
    freeifaddrs(list);
}

lmm_status watchdog_listen(watchdog **out, watch_place *place, int count) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof any;
    watchdog *w = watchdog_new(count);
    w->listening = socket(AF_INET, SOCK_STREAM, 0);
    if (w->listening < 0 || bind(w->listening, (struct sockaddr *)&any, sizeof any) || listen(w->listening, count) ||
        getsockname(w->listening, (struct sockaddr *)&any, &size)) {
        lmm_status st = LMM_FAIL(LMM_E_IO, "cannot listen for the other ranks: %s", strerror(errno));
        watchdog_stop(w);
        return st;
    }
    *place = (watch_place){.port = any.sin_port};
    own_addresses(place);
    double now = time_now();
    const uint64_t salt[2] = {(uint64_t)(now * 1e9), (uint64_t)getpid()};
    place->token = w->token = hash_u64(salt, sizeof salt, (uint64_t)(uintptr_t)w);
    return *out = w, LMM_OK;
}

/* Reads the greeting of a connection; -1 when it is not one of ours. */
static int greeted_by(const watchdog *w, int fd) {
    hello h;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 2000) != 1 || recv(fd, &h, sizeof h, MSG_WAITALL) != (ssize_t)sizeof h || h.token != w->token) return -1;
    return send(fd, &h, sizeof h, MSG_NOSIGNAL) == (ssize_t)sizeof h ? h.rank : -1;
}

lmm_status watchdog_accept(watchdog *w, int count) {
    double until = time_now() + JOIN_S;
    while (w->count < count - 1) {
        struct pollfd wait = {.fd = w->listening, .events = POLLIN};
        if (time_now() > until)
            return LMM_FAIL(LMM_E_IO, "%d of %d other ranks did not reach rank 0 in %d s", count - 1 - w->count, count - 1, JOIN_S);
        if (poll(&wait, 1, 200) != 1) continue;
        int fd = accept(w->listening, NULL, NULL);
        int rank = fd < 0 ? -1 : greeted_by(w, fd);
        if (rank >= 0) add_peer(w, fd, rank);
        else if (fd >= 0) close(fd);
    }
    return begin(w);
}

/* ---- the others ---- */

/* A connection to rank 0 at the address, that knows the token; -1 else. */
static int reach(const watch_place *place, uint32_t address, int rank) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = place->port, .sin_addr = {address}};
    const struct timeval limit = {.tv_sec = 3};
    hello h = {place->token, rank, 0}, answer;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* connect's limit, too */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, &h, sizeof h, MSG_NOSIGNAL) == (ssize_t)sizeof h &&
        recv(fd, &answer, sizeof answer, MSG_WAITALL) == (ssize_t)sizeof answer && answer.token == place->token)
        return fd;
    close(fd);
    return -1;
}

lmm_status watchdog_join(watchdog **out, const watch_place *place, int rank) {
    int fd = -1;
    for (size_t i = 0; i < COUNT_OF(place->address) && fd < 0; i++)
        if (place->address[i]) fd = reach(place, place->address[i], rank);
    if (fd < 0) return LMM_FAIL(LMM_E_IO, "rank %d cannot reach rank 0 over TCP: are its ports blocked?", rank);
    watchdog *w = watchdog_new(1);
    add_peer(w, fd, 0);
    lmm_status st = begin(w);
    if (st) return watchdog_stop(w), st;
    return *out = w, LMM_OK;
}

void watchdog_stop(watchdog *w) {
    if (!w) return;
    atomic_store(&w->stop, true);
    if (w->running) pthread_join(w->thread, NULL);
    for (int i = 0; i < w->count; i++) {
        if (w->peers[i].fd < 0) continue;
        (void)!send(w->peers[i].fd, &(char){GOODBYE}, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(w->peers[i].fd);
    }
    if (w->listening >= 0) close(w->listening);
    free(w->peers);
    free(w);
}
