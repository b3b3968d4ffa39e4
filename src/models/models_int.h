/* models_int.h - what the families share. */
#ifndef LMM_MODELS_INT_H
#define LMM_MODELS_INT_H

#include "models/models.h"

char *names_canonical(const char *key);
char *names_canonical_vit(const char *key);
char *names_canonical_clip(const char *key);
char *names_key_llava(const char *name);
char *names_key_llm(const char *name);
char *names_key_vit(const char *name);

#endif
