/* fuzz_ego_rows.c - any bytes as caption JSON, as JSON lines and as target times. */
#include <stdlib.h>

#include "ego/ego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ego_cues c = {0};
    ego_spans spans = {0};
    tree *t = NULL;
    (void)ego_captions_parse(&c, (const char *)data, size, "fuzz");
    ego_jsonl_parse(&c, (const char *)data, size);
    for (int i = 0; i < c.cues.count; i++)
        if (c.cues.at[i].t1 < c.cues.at[i].t0 || !c.cues.at[i].text[0]) abort();
    ego_cues_free(&c);
    if (!tree_parse_json(&t, (const char *)data, size, "fuzz")) ego_targets(t, &spans);
    for (int i = 0; i < spans.count; i++)
        if (spans.at[i].to < spans.at[i].from) abort();
    free(spans.at);
    tree_free(t);
    return 0;
}
