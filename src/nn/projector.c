/* projector.c - visual rows to the decoder's width: linear, erf-GELU, linear (mlp2x_gelu, llava.md 3.3). */
#include <math.h>

#include "nn/nn.h"

lmm_status projector_bind(projector *out, int in, int hidden, bool bias, activation act, binder *b) {
    b->part = PART_PROJECTOR;
    *out = (projector){.act = act};
    out->first = bind_linear(b, hidden, in, bias, 1.0f / sqrtf(3.0f * (float)in), "proj.0");
    out->second = bind_linear(b, hidden, hidden, bias, 1.0f / sqrtf(3.0f * (float)hidden), "proj.2");
    return b->status;
}

tensor *projector_forward(cx *c, const projector *p, tensor *x) {
    return nn_linear(c, &p->second, op_act(c, nn_linear(c, &p->first, x), p->act));
}
