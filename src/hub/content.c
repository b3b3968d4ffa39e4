/* content.c - the hash a file of the hub is named by: SHA-256 of large files, git's SHA-1 of "blob <size>\0" + bytes of small ones.
 *
 * SHA-1 (FIPS 180-4) stands here and not in base/: it names files, nothing else should be tempted by it. */
#include "hub/hub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t rotate_left(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void sha1_block(uint32_t h[5], const unsigned char *p) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotate_left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        uint32_t k = i < 20 ? 0x5a827999u : i < 40 ? 0x6ed9eba1u : i < 60 ? 0x8f1bbcdcu : 0xca62c1d6u;
        uint32_t t = rotate_left(a, 5) + f + e + k + w[i];
        e = d, d = c, c = rotate_left(b, 30), b = a, a = t;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void sha1_put(content_hash *c, const unsigned char *p, size_t n) {
    while (n > 0) {
        size_t held = c->size % 64, take = n < 64 - held ? n : 64 - held;
        memcpy(c->block + held, p, take);
        c->size += take, p += take, n -= take;
        if (c->size % 64 == 0) sha1_block(c->h, c->block);
    }
}

static void sha1_end(content_hash *c, unsigned char digest[20]) {
    static const unsigned char padding[64] = {0x80};
    uint64_t bits = c->size * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    size_t held = c->size % 64;
    sha1_put(c, padding, held < 56 ? 56 - held : 120 - held);
    sha1_put(c, length, 8);
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(c->h[i / 4] >> (24 - 8 * (i % 4)));
}

void content_begin(content_hash *c, size_t oid_length, int64_t size) {
    static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    *c = (content_hash){.is_git = oid_length == 40};
    memcpy(c->h, start, sizeof start);
    sha256_init(&c->sha2);
    if (!c->is_git) return;
    char head[32];
    int n = snprintf(head, sizeof head, "blob %" PRId64, size);
    sha1_put(c, (const unsigned char *)head, (size_t)n + 1); /* its NUL too */
}

void content_put(content_hash *c, const void *bytes, size_t n) {
    if (c->is_git) sha1_put(c, bytes, n);
    else sha256_put(&c->sha2, bytes, n);
}

void content_end(content_hash *c, char oid[65]) {
    unsigned char digest[32];
    if (c->is_git) sha1_end(c, digest);
    else sha256_end(&c->sha2, digest);
    for (int i = 0; i < (c->is_git ? 20 : 32); i++) snprintf(oid + 2 * i, 3, "%02x", digest[i]);
}

static lmm_status hash_file(content_hash *c, int fd, const char *path) {
    unsigned char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return LMM_FAIL(LMM_E_IO, "cannot read '%s': %s", path, strerror(errno));
        if (n == 0) return LMM_OK;
        content_put(c, piece, (size_t)n);
    }
}

lmm_status content_check(bool *same, const char *path, const char *oid, int64_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return LMM_FAIL(LMM_E_IO, "cannot open '%s': %s", path, strerror(errno));
    struct stat info;
    content_hash c;
    char have[65] = "";
    lmm_status st = LMM_OK;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == size) {
        content_begin(&c, strlen(oid), size);
        st = hash_file(&c, fd, path);
        if (!st) content_end(&c, have);
    }
    close(fd);
    if (!st) *same = !strcmp(have, oid);
    return st;
}
