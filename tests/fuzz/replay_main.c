/* replay_main.c - runs a fuzz target once over the files of its corpus, without libFuzzer: every seed and every past crash is a test.
 *
 * usage: fuzz_NAME NAME FOLDER...   The file at hand is named before it is tried, so a crash says which one it was. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block of exactly the file's size, so that the address sanitizer sees a read one byte beyond. */
static int replay_file(const char *path, size_t size) {
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    int ok = f && data && fread(data, 1, size, f) == size;
    if (ok) {
        printf("# %s, %zu bytes\n", path, size);
        fflush(stdout);
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    if (f) fclose(f);
    return ok;
}

/* Returns the number of files tried, or -1 when one cannot be read. */
static int replay_folder(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) return -1;
    int count = 0;
    for (struct dirent *e; count >= 0 && (e = readdir(dir));) {
        char path[4096];
        struct stat st;
        if (e->d_name[0] == '.') continue;
        int n = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) || !S_ISREG(st.st_mode) || !replay_file(path, (size_t)st.st_size)) {
            printf("# cannot read '%s/%s'\n", folder, e->d_name);
            count = -1;
        } else count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: %s NAME FOLDER...\n", argv[0]), 2;
    int total = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0); /* every target must take nothing at all */
    for (int i = 2; i < argc; i++) {
        int count = replay_folder(argv[i]);
        if (count < 0) return printf("not ok %s: cannot read the corpus '%s'\n", argv[1], argv[i]), 1;
        total += count;
    }
    if (total == 0) return printf("not ok %s: no file in the corpus\n", argv[1]), 1;
    printf("ok %s_takes_its_corpus (%d files)\n", argv[1], total);
    return 0;
}
