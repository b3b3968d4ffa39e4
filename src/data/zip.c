/* zip.c - the part of ZIP that wheels and data sets use: a central directory, stored or deflated entries (APPNOTE 4.3, 4.4). */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/data.h"

enum { END_SIZE = 22, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, COMMENT_MAX = 65535, ENTRY_MAX = 1000000, PIECE = 1 << 16 };

static uint32_t u16(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }

/* ---- directory ---- */

/* The end record stands last, before a comment of any length. */
static const unsigned char *find_end(const file_map *m) {
    for (size_t back = END_SIZE; back <= m->size && back <= END_SIZE + COMMENT_MAX; back++) {
        const unsigned char *p = m->data + m->size - back;
        if (u32(p) == 0x06054b50u && u16(p + 20) == back - END_SIZE) return p;
    }
    return NULL;
}

static bool name_is_safe(const char *name) {
    if (!*name || *name == '/' || strchr(name, '\\')) return false;
    for (const char *at = name; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (!strncmp(at, "..", 2) && (at[2] == '/' || at[2] == '\0')) return false;
    return true;
}

static lmm_status cut_short(const zip *z, const unsigned char *p, const char *path) {
    return LMM_FAIL(LMM_E_FORMAT, "'%s': the zip directory is cut short at byte %zu", path, (size_t)(p - z->map.data));
}

static lmm_status read_entry(zip *z, const unsigned char *p, size_t left, const char *path, size_t *used) {
    if (left < CENTRAL_SIZE || u32(p) != 0x02014b50u) return cut_short(z, p, path);
    size_t name_size = u16(p + 28);
    *used = CENTRAL_SIZE + name_size + u16(p + 30) + u16(p + 32);
    if (*used > left) return cut_short(z, p, path);
    zip_entry e = {.method = (int)u16(p + 10), .crc = u32(p + 16), .packed = u32(p + 20), .size = u32(p + 24), .offset = u32(p + 42)};
    bool locked = u16(p + 8) & 1;
    e.name = mem_strndup((const char *)p + CENTRAL_SIZE, name_size);
    VEC_PUSH(&z->entries, e);
    if (strlen(e.name) != name_size || !name_is_safe(e.name))
        return LMM_FAIL(LMM_E_FORMAT, "'%s': entry '%s' would leave the folder", path, e.name);
    if (locked || (e.method != 0 && e.method != 8))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': entry '%s' is encrypted or packed by method %d", path, e.name, e.method);
    if (e.size == UINT32_MAX || e.packed == UINT32_MAX || e.offset == UINT32_MAX)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': zip64 is not supported", path);
    if (e.offset > z->map.size || e.packed > z->map.size - e.offset)
        return LMM_FAIL(LMM_E_FORMAT, "'%s': entry '%s' at byte %" PRIu64 " lies outside the file of %zu bytes", path, e.name, e.offset,
                        z->map.size);
    return LMM_OK;
}

static lmm_status read_directory(zip *z, const char *path) {
    const unsigned char *end = find_end(&z->map);
    if (!end)
        return LMM_FAIL(LMM_E_FORMAT, "'%s' is no zip archive, or cut off: its last of %zu bytes ends no directory", path, z->map.size);
    size_t count = u16(end + 10), size = u32(end + 12), offset = u32(end + 16);
    if (count == UINT16_MAX || count > ENTRY_MAX) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': zip64 is not supported", path);
    if (offset > z->map.size || size > z->map.size - offset)
        return LMM_FAIL(LMM_E_FORMAT, "'%s': the zip directory, %zu bytes from byte %zu on, lies outside the file", path, size, offset);
    const unsigned char *at = z->map.data + offset, *stop = at + size;
    lmm_status st = LMM_OK;
    for (size_t i = 0, used = 0; i < count && !st; i++, at += used) st = read_entry(z, at, (size_t)(stop - at), path, &used);
    return st;
}

lmm_status zip_open(zip *out, const char *path) {
    zip z = {0};
    lmm_status st = file_map_open(&z.map, path);
    if (st) return st;
    if ((st = read_directory(&z, path))) return zip_close(&z), st;
    return *out = z, LMM_OK;
}

void zip_close(zip *z) {
    for (int i = 0; i < z->entries.count; i++) free(z->entries.at[i].name);
    free(z->entries.at);
    file_map_close(&z->map);
    *z = (zip){0};
}

/* ---- one entry ---- */

static lmm_status damaged(const zip *z, const zip_entry *e) {
    return LMM_FAIL(LMM_E_FORMAT, "'%s': entry '%s' is damaged", z->map.path, e->name);
}

static lmm_status find_data(const zip *z, const zip_entry *e, const unsigned char **data) {
    const unsigned char *p = z->map.data + e->offset;
    uint64_t left = z->map.size - e->offset;
    if (left < LOCAL_SIZE || u32(p) != 0x04034b50u) return damaged(z, e);
    uint64_t head = LOCAL_SIZE + u16(p + 26) + u16(p + 28);
    if (head > left || e->packed > left - head) return damaged(z, e);
    *data = p + head;
    return LMM_OK;
}

static lmm_status inflate_to(file_writer *w, const zip *z, const zip_entry *e, const unsigned char *data, uint32_t *crc, uint64_t *size) {
    z_stream s = {.next_in = (unsigned char *)data, .avail_in = (uInt)e->packed};
    unsigned char *piece = mem_new(PIECE, 1);
    lmm_status st = inflateInit2(&s, -MAX_WBITS) == Z_OK ? LMM_OK : LMM_FAIL(LMM_E_MEMORY, "zlib does not start");
    for (int end = Z_OK; !st && end != Z_STREAM_END;) {
        s.next_out = piece;
        s.avail_out = PIECE;
        end = inflate(&s, Z_NO_FLUSH);
        size_t n = PIECE - s.avail_out;
        *size += n;
        if ((end != Z_OK && end != Z_STREAM_END) || *size > e->size || (end == Z_OK && n == 0)) st = damaged(z, e);
        else *crc = (uint32_t)crc32(*crc, piece, (uInt)n), st = file_writer_put(w, piece, n);
    }
    inflateEnd(&s);
    free(piece);
    return st;
}

lmm_status zip_extract(const zip *z, const zip_entry *e, const char *path) {
    const unsigned char *data = NULL;
    file_writer *w;
    uint32_t crc = 0;
    uint64_t size = 0;
    lmm_status st = find_data(z, e, &data);
    if (!st) st = file_writer_open(&w, path);
    if (st) return st;
    if (e->method == 8) st = inflate_to(w, z, e, data, &crc, &size);
    else {
        crc = (uint32_t)crc32_z(0, data, e->packed);
        size = e->packed;
        st = file_writer_put(w, data, e->packed);
    }
    if (!st && (size != e->size || crc != e->crc)) st = damaged(z, e);
    if (!st) return file_writer_commit(w);
    file_writer_abort(w);
    return st;
}
