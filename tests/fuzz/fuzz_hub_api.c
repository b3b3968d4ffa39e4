/* fuzz_hub_api.c - any bytes as the hub's answers: refused with one line, or every path stays inside and every hash is one. */
#include <string.h>

#include "hub/hub_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *json = (const char *)data;
    char sha[41];
    hub_files f = {0};
    if (!hub_revision_parse(sha, json, size)) LMM_ASSERT(hub_is_hex(sha, 40), "%s", sha);
    if (hub_tree_add(&f, json, size) || hub_tree_check(&f))
        LMM_ASSERT(lmm_message()[0] && !strchr(lmm_message(), '\n'), "no sentence: '%s'", lmm_message());
    for (int i = 0; i < f.list.count; i++) {
        const hub_file *file = &f.list.at[i];
        LMM_ASSERT(hub_path_is_safe(file->path, strlen(file->path)) && !strstr(file->path, "/../"), "%s", file->path);
        LMM_ASSERT(file->size >= 0 && (hub_is_hex(file->oid, 40) || hub_is_hex(file->oid, 64)), "%s", file->oid);
    }
    hub_files_free(&f);
    return 0;
}
