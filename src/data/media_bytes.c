/* media_bytes.c - pictures and sounds that lie in a row as bytes, as the Image and Audio columns of hubs' Parquet files hold them. */
#include <string.h>

#include "data/data.h"

const char *picture_type(const char *bytes, size_t n) {
    static const struct {
        const char *magic, *type;
        size_t at;
    } kinds[] = {{"\xff\xd8\xff", "jpeg", 0}, {"\x89PNG", "png", 0}, {"GIF8", "gif", 0}, {"WEBP", "webp", 8}, {"BM", "bmp", 0}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t size = strlen(kinds[i].magic);
        if (n >= kinds[i].at + size && !memcmp(bytes + kinds[i].at, kinds[i].magic, size)) return kinds[i].type;
    }
    return NULL;
}

static char *uri(const char *kind, const char *type, const char *bytes, size_t n) {
    buf b = {0};
    buf_printf(&b, "data:%s/%s;base64,", kind, type ? type : "unknown");
    base64_put(&b, bytes, n);
    return buf_take(&b);
}

char *picture_uri(const char *bytes, size_t n) { return uri("image", picture_type(bytes, n), bytes, n); }

char *sound_uri(const char *bytes, size_t n) { return uri("audio", NULL, bytes, n); }
