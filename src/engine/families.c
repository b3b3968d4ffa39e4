/* families.c - which checkpoints this engine opens, and what each family takes in. */
#include "engine/engine.h"

lmm_status lmm_model_families(char **json) {
    tree *list = tree_new(TREE_LIST);
    const lmm_arch *a;
    for (int i = 0; (a = arch_at(i)); i++) {
        tree *t = tree_new(TREE_MAP), *classes = tree_new(TREE_LIST);
        for (const char *const *name = a->hf; *name; name++) tree_add(classes, tree_new_string(*name));
        tree_put(t, "family", tree_new_string(a->name));
        tree_put(t, "classes", classes);
        tree_put(t, "answers", tree_new_bool(a->answers));
        tree_put(t, "pictures", tree_new_bool(a->media_plan != NULL));
        tree_put(t, "videos", tree_new_bool(a->video_plan != NULL));
        tree_put(t, "sounds", tree_new_bool(a->sound_features != NULL));
        tree_add(list, t);
    }
    return *json = tree_take_json(list), LMM_OK;
}
