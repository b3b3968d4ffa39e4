/* preprocess_patches.c - Qwen-VL's pictures: a size near their own with whole blocks of patches, and the order of the patches.
 *
 * Source: llava.md 2.8; transformers smart_resize and image_processing_pil_qwen2_vl. */
#include <math.h>

#include "media/media.h"

enum { ASPECT_MAX = 200 };

/* Python's round: half to even. */
static double whole_blocks(int side, int block) { return rint((double)side / block) * block; }

lmm_status preprocess_smart_size(const preprocess_spec *s, int width, int height, int *out_width, int *out_height) {
    int block = s->patch * s->merge;
    if ((double)max_int(width, height) / min_int(width, height) > ASPECT_MAX)
        return LMM_FAIL(LMM_E_SHAPE, "a picture of %d x %d pixels is more than %d times as long as wide: cut it", width, height,
                        ASPECT_MAX);
    double w = whole_blocks(width, block), h = whole_blocks(height, block), area = (double)width * height;
    if (h * w > (double)s->pixels_max) {
        double by = sqrt(area / (double)s->pixels_max);
        h = fmax(block, floor(height / by / block) * block);
        w = fmax(block, floor(width / by / block) * block);
    } else if (h * w < (double)s->pixels_min) {
        double by = sqrt((double)s->pixels_min / area);
        h = ceil(height * by / block) * block;
        w = ceil(width * by / block) * block;
    }
    if (h < block) h = block;
    if (w < block) w = block;
    *out_width = (int)w;
    *out_height = (int)h;
    return LMM_OK;
}

static void write_patch(float *to, const float *frame, int width, int height, int y0, int x0, const preprocess_spec *s) {
    for (int channel = 0; channel < 3; channel++) {
        const float *plane = frame + (int64_t)channel * width * height;
        float *at = to + (int64_t)channel * s->temporal * s->patch * s->patch;
        for (int y = y0; y < y0 + s->patch; y++)
            for (int x = x0; x < x0 + s->patch; x++) *at++ = plane[(int64_t)y * width + x];
    }
}

void preprocess_patches(float *to, const float *frame, int slot, int width, int height, const preprocess_spec *s) {
    int p = s->patch, block = p * s->merge, size = 3 * s->temporal * p * p;
    to += (int64_t)slot * p * p;
    for (int y = 0; y + block <= height; y += block)
        for (int x = 0; x + block <= width; x += block)
            for (int i = 0; i < s->merge * s->merge; i++, to += size)
                write_patch(to, frame, width, height, y + i / s->merge * p, x + i % s->merge * p, s);
}
