/* picture_bytes.c - pictures that lie in a row as bytes, as the Image columns of hubs' Parquet files hold them. */
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

char *picture_uri(const char *bytes, size_t n) {
    const char *type = picture_type(bytes, n);
    buf b = {0};
    buf_printf(&b, "data:image/%s;base64,", type ? type : "unknown");
    base64_put(&b, bytes, n);
    return buf_take(&b);
}
