/* token_grid.c - the answers of a batch as rows of a grid, which is how align's losses see them, and their slopes back as weights of the batch's rows. */
#include <stdlib.h>

#include "train/train_int.h"

void token_grid_open(token_grid *g, int rows, int width) {
    const size_t n = (size_t)(rows * width);
    *g = (token_grid){.rows = rows, .width = width};
    g->now = mem_new(5 * n + 1, sizeof *g->now);
    g->old = g->now + n, g->start = g->now + 2 * n, g->mask = g->now + 3 * n, g->grad = g->now + 4 * n;
    g->row = mem_new(n + 1, sizeof *g->row);
    for (size_t i = 0; i < n; i++) g->row[i] = -1;
}

void token_grid_weigh(const token_grid *g, batch *b, double divisor) {
    for (int i = 0; i < b->rows; i++) b->weight.at[i] = 0;
    for (int i = 0; i < g->rows * g->width; i++)
        if (g->row[i] >= 0) b->weight.at[g->row[i]] = (float)(-g->grad[i] / divisor);
}

void token_grid_spread(const token_grid *g, const double *values, float *out) {
    for (int i = 0; i < g->rows * g->width; i++)
        if (g->row[i] >= 0) out[g->row[i]] = (float)values[i];
}

void token_grid_close(token_grid *g) {
    free(g->row);
    free(g->now);
}
