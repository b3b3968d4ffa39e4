/* exif.c - the orientation of a picture, from EXIF or XMP. Everything else in there is of no interest.
 *
 * A damaged block says nothing: Pillow reads on past its faults too, and a picture is worth more than its notes.
 * Source: TIFF 6.0 section 2, EXIF 2.3 section 4.6.4. */
#include "media/media_int.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4 };

typedef struct {
    const unsigned char *at;
    size_t size;
    bool big_endian;
} tiff;

/* The caller has checked offset + 2 or + 4 against the size. */
static unsigned tiff_u16(const tiff *t, size_t offset) { return t->big_endian ? read_be16(t->at + offset) : read_le16(t->at + offset); }

static uint32_t tiff_u32(const tiff *t, size_t offset) { return t->big_endian ? read_be32(t->at + offset) : read_le32(t->at + offset); }

/* One 12-byte directory entry: tag, type, count, value. */
static int entry_value(const tiff *t, size_t entry) {
    if (tiff_u32(t, entry + 4) != 1) return 0; /* said, but nothing that could be an orientation */
    switch (tiff_u16(t, entry + 2)) {
    case TYPE_BYTE: return t->at[entry + 8];
    case TYPE_SHORT: return (int)tiff_u16(t, entry + 8);
    case TYPE_LONG: return tiff_u32(t, entry + 8) <= 8 ? (int)tiff_u32(t, entry + 8) : 0;
    default: return 0;
    }
}

int exif_orientation(const unsigned char *bytes, size_t n) {
    /* Some writers put the prefix twice. */
    for (int i = 0; i < 2 && n >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0; i++, bytes += 6, n -= 6) {}
    tiff t = {.at = bytes, .size = n};
    if (n < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) return -1;
    t.big_endian = bytes[0] == 'M';
    size_t directory = tiff_u32(&t, 4);
    if (directory > n || n - directory < 2) return -1;
    size_t count = tiff_u16(&t, directory);
    for (size_t i = 0, entry = directory + 2; i < count && n - entry >= 12; i++, entry += 12)
        if (tiff_u16(&t, entry) == TAG_ORIENTATION) return entry_value(&t, entry);
    return -1;
}

int xmp_orientation(const unsigned char *bytes, size_t n) {
    static const char key[] = "tiff:Orientation";
    size_t key_size = sizeof key - 1;
    for (size_t i = 0; i + key_size < n; i++) {
        const unsigned char *p = memchr(bytes + i, 't', n - i - key_size);
        if (!p) return 0;
        i = (size_t)(p - bytes);
        if (memcmp(p, key, key_size) != 0) continue;
        /* tiff:Orientation="6" as an attribute, <tiff:Orientation>6</... as an element */
        p += key_size;
        size_t left = n - i - key_size;
        size_t skip = left > 2 && p[0] == '=' && p[1] == '"' ? 2 : left > 1 && p[0] == '>' ? 1 : 0;
        if (skip && p[skip] >= '0' && p[skip] <= '9') return p[skip] - '0';
    }
    return 0;
}
