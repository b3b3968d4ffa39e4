/* parquet_codec.c - unpacks pages: snappy's block format by hand (format_description.txt of snappy), gzip by zlib, zstd by libzstd. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "data/data_int.h"

enum { CODEC_NONE, CODEC_SNAPPY, CODEC_GZIP, CODEC_ZSTD = 6, PAGE_MAX = 1 << 30 };

/* ---- snappy ---- */

static lmm_status damaged(void) { return LMM_FAIL(LMM_E_FORMAT, "a snappy page is damaged"); }

/* The length of a literal is in its tag, or in 1 to 4 bytes after it. */
static bool literal_length(bytes *in, uint8_t tag, size_t *n) {
    size_t x = tag >> 2, more = x < 60 ? 0 : x - 59;
    if (more > in->size) return false;
    if (more) x = 0;
    for (size_t i = 0; i < more; i++) x |= (size_t)in->at[i] << (8 * i);
    *n = x + 1;
    return bytes_skip(in, more);
}

static bool copy_of(bytes *in, uint8_t tag, size_t *n, size_t *back) {
    size_t more = (tag & 3) == 1 ? 1 : (tag & 3) == 2 ? 2 : 4;
    if (more > in->size) return false;
    *back = 0;
    for (size_t i = 0; i < more; i++) *back |= (size_t)in->at[i] << (8 * i);
    *n = (tag >> 2) + 1u;
    if (more == 1) *n = ((tag >> 2) & 7) + 4u, *back |= (size_t)(tag >> 5) << 8;
    return bytes_skip(in, more);
}

lmm_status snappy_unpack(uint8_t *out, size_t size, bytes in) {
    uint64_t promised;
    size_t at = 0, n, back;
    if (!bytes_varint(&in, &promised) || promised != size) return damaged();
    while (in.size) {
        uint8_t tag = *in.at;
        bytes_skip(&in, 1);
        if ((tag & 3) == 0) {
            if (!literal_length(&in, tag, &n) || n > in.size || n > size - at) return damaged();
            memcpy(out + at, in.at, n);
            bytes_skip(&in, n);
        } else {
            if (!copy_of(&in, tag, &n, &back) || !back || back > at || n > size - at) return damaged();
            for (size_t i = 0; i < n; i++) out[at + i] = out[at + i - back]; /* may overlap itself */
        }
        at += n;
    }
    return at == size ? LMM_OK : damaged();
}

/* ---- the others ---- */

static lmm_status gzip_unpack(uint8_t *out, size_t size, bytes in) {
    z_stream z = {.next_in = (Bytef *)in.at, .avail_in = (uInt)in.size, .next_out = out, .avail_out = (uInt)size};
    if (inflateInit2(&z, 15 + 32) != Z_OK) return LMM_FAIL(LMM_E_MEMORY, "no memory to unpack a page");
    int end = inflate(&z, Z_FINISH);
    bool good = end == Z_STREAM_END && z.total_out == size;
    inflateEnd(&z);
    return good ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "a gzip page is damaged");
}

static lmm_status zstd_unpack(uint8_t *out, size_t size, bytes in) {
    size_t n = ZSTD_decompress(out, size, in.at, in.size);
    return !ZSTD_isError(n) && n == size ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "a zstd page is damaged");
}

/* No codec makes more than this of a byte, so a small file cannot ask for much memory. */
static bool plausible(int codec, size_t packed, size_t size) {
    size_t most = codec == CODEC_NONE ? 1 : codec == CODEC_SNAPPY ? 32 : codec == CODEC_GZIP ? 1032 : 65536;
    return size <= PAGE_MAX && size / most <= packed + 64;
}

lmm_status parquet_unpack(uint8_t **out, bytes page, int codec, size_t size) {
    void *p;
    if (codec != CODEC_NONE && codec != CODEC_SNAPPY && codec != CODEC_GZIP && codec != CODEC_ZSTD)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "pages packed with codec %d are not supported (snappy, gzip, zstd and none are)", codec);
    if (!plausible(codec, page.size, size)) return LMM_FAIL(LMM_E_FORMAT, "a page of %zu bytes says that it holds %zu", page.size, size);
    if (codec == CODEC_NONE && size != page.size)
        return LMM_FAIL(LMM_E_FORMAT, "an unpacked page has %zu bytes, its header says %zu", page.size, size);
    lmm_status st = mem_try(&p, size + 1, "a page");
    if (st) return st;
    if (codec == CODEC_NONE) memcpy(p, page.at, size);
    else
        st = codec == CODEC_SNAPPY ? snappy_unpack(p, size, page)
             : codec == CODEC_GZIP ? gzip_unpack(p, size, page)
                                   : zstd_unpack(p, size, page);
    if (st) return free(p), st;
    return *out = p, LMM_OK;
}
