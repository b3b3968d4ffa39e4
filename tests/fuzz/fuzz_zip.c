/* fuzz_zip.c - any bytes as a zip archive: opened or refused, every entry unpacked or refused, nothing written outside one scratch file. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char in[64], out[80];
    snprintf(in, sizeof in, "/tmp/lmm-fuzz-zip-%d", (int)getpid());
    snprintf(out, sizeof out, "%s.out", in);
    FILE *f = fopen(in, "wb");
    if (!f || fwrite(data, 1, size, f) != size) return f ? fclose(f) : 0;
    fclose(f);
    zip z;
    if (!zip_open(&z, in)) {
        for (int i = 0; i < z.entries.count && i < 8; i++)
            if (z.entries.at[i].size < 1 << 20) zip_extract(&z, &z.entries.at[i], out);
        zip_close(&z);
    }
    remove(in);
    remove(out);
    return 0;
}
