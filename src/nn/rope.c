/* rope.c - rotary frequencies: default, linear, dynamic NTK, llama3 and YaRN scaling (llava.md 4.2; arXiv 2309.00071). */
#include <math.h>
#include <string.h>

#include "nn/nn.h"

static const double pi = 3.14159265358979323846;

static const struct {
    const char *name;
    rope_type type;
} type_row[] = {
    {"default", ROPE_DEFAULT}, {"mrope", ROPE_DEFAULT}, {"linear", ROPE_LINEAR},
    {"dynamic", ROPE_DYNAMIC}, {"llama3", ROPE_LLAMA3}, {"yarn", ROPE_YARN},
};

static lmm_status type_find(rope_type *out, const char *name, const char *file) {
    for (size_t i = 0; i < COUNT_OF(type_row); i++)
        if (!strcmp(name, type_row[i].name)) return *out = type_row[i].type, LMM_OK;
    return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: rope type '%s' is not known (default, linear, dynamic, llama3, yarn are)", file, name);
}

static double number(const tree *p, const char *key, double fallback) {
    const tree *t = tree_get(p, key);
    return !t || t->type == TREE_NULL ? fallback : tree_real(p, key, fallback);
}

static lmm_status sections_read(rope_spec *s, const tree *p, const char *name) {
    const tree *list = tree_get(p, "mrope_section");
    if (!list || list->type == TREE_NULL) return LMM_OK;
    bool three = list->type == TREE_LIST && list->count == 3;
    for (int i = 0; three && i < 3; i++) {
        if (list->items[i]->type != TREE_INT || list->items[i]->i < 1 || list->items[i]->i > 512) three = false;
        else s->section[i] = (int)list->items[i]->i;
    }
    return three ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "%s: 'mrope_section' needs three numbers of frequencies", name);
}

lmm_status rope_read(rope_spec *out, const tree *config, const char *name) {
    const tree *p = tree_get(config, "rope_parameters");
    if (!p || p->type != TREE_MAP) p = tree_get(config, "rope_scaling");
    rope_spec s = {.type = ROPE_DEFAULT, .context = (int)min_i64(tree_int(config, "max_position_embeddings", 2048), 1 << 30)};
    s.theta = number(p, "rope_theta", number(config, "rope_theta", 10000.0));
    s.factor = number(p, "factor", 1.0);
    s.low_freq_factor = number(p, "low_freq_factor", 1.0);
    s.high_freq_factor = number(p, "high_freq_factor", 4.0);
    s.beta_fast = number(p, "beta_fast", 32.0);
    s.beta_slow = number(p, "beta_slow", 1.0);
    s.attention_factor = number(p, "attention_factor", 0.0);
    s.context_original = (int)fmin(number(p, "original_max_position_embeddings", s.context), 1 << 30);
    const char *type = tree_str(p, "rope_type", tree_str(p, "type", "default"));
    lmm_status st = type_find(&s.type, type, name);
    if (!st) st = sections_read(&s, p, name);
    if (st) return st;
    if (!(s.theta > 1) || !(s.factor > 0) || !isfinite(s.theta) || !isfinite(s.factor) || s.context_original < 1)
        return LMM_FAIL(LMM_E_FORMAT, "%s: rope theta must be above 1 and the factor above 0", name);
    if (!(s.low_freq_factor > 0) || !(s.high_freq_factor > s.low_freq_factor) || !(s.beta_slow > 0) || !(s.beta_fast > 0))
        return LMM_FAIL(LMM_E_FORMAT, "%s: rope frequency factors must be positive, the high one above the low one", name);
    *out = s;
    return LMM_OK;
}

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

static double llama3_freq(const rope_spec *s, double inv) {
    double wavelength = 2.0 * pi / inv, old = s->context_original;
    if (wavelength < old / s->high_freq_factor) return inv;
    if (wavelength > old / s->low_freq_factor) return inv / s->factor;
    double smooth = (old / wavelength - s->low_freq_factor) / (s->high_freq_factor - s->low_freq_factor);
    return (1.0 - smooth) * inv / s->factor + smooth * inv;
}

/* Dimension at which a wave turns n times over the original context. */
static double yarn_dim(const rope_spec *s, int head_dim, double n) {
    return head_dim * log(s->context_original / (n * 2.0 * pi)) / (2.0 * log(s->theta));
}

static double yarn_freq(const rope_spec *s, int head_dim, int k, double inv) {
    double low = clamp(floor(yarn_dim(s, head_dim, s->beta_fast)), 0, head_dim - 1);
    double high = clamp(ceil(yarn_dim(s, head_dim, s->beta_slow)), 0, head_dim - 1);
    if (low == high) high += 0.001;
    double ramp = clamp((k - low) / (high - low), 0, 1);
    return inv / s->factor * ramp + inv * (1.0 - ramp);
}

void rope_freqs(const rope_spec *s, int head_dim, int length, float *inv_freq, float *factor) {
    double theta = s->theta;
    if (s->type == ROPE_DYNAMIC && length > s->context)
        theta *= pow(s->factor * length / s->context - (s->factor - 1.0), head_dim / (head_dim - 2.0));
    for (int k = 0; k < head_dim / 2; k++) {
        /* transformers computes theta ** (2k/d) and its reciprocal in f32; later scaling too. */
        float inv = 1.0f / powf((float)theta, (float)(2 * k) / (float)head_dim);
        if (s->type == ROPE_LINEAR) inv = (float)(inv / s->factor);
        if (s->type == ROPE_LLAMA3) inv = (float)llama3_freq(s, inv);
        if (s->type == ROPE_YARN) inv = (float)yarn_freq(s, head_dim, k, inv);
        if (s->factors) inv = inv / s->factors[k];
        inv_freq[k] = inv;
    }
    *factor = 1.0f;
    if (s->type == ROPE_YARN)
        *factor = (float)(s->attention_factor > 0 ? s->attention_factor : s->factor <= 1.0 ? 1.0 : 0.1 * log(s->factor) + 1.0);
}
