/* stats.c - errors of scores: plain, clustered, pooled, by bootstrap; stability of repeats; two runs compared; how many questions a difference needs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

double mean_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return n ? sum / n : NAN;
}

static double variance(const double *x, int n) {
    double mean = mean_of(x, n), sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum / (n - 1);
}

double mean_stderr(const double *x, int n) { return n < 2 ? NAN : sqrt(variance(x, n) / n); }

/* Answers about one video or picture are not independent (Miller 2024, "Adding error bars to evals"). */
double clustered_stderr(const double *x, const char *const *cluster, int n) {
    strmap *ids = strmap_new();
    double *sum = mem_new((size_t)n + 1, sizeof *sum), mean = mean_of(x, n), within = 0, between = 0;
    for (int i = 0; i < n; i++) {
        int id = strmap_count(ids);
        if (!strmap_put(ids, cluster[i], strlen(cluster[i]), id)) strmap_get(ids, cluster[i], strlen(cluster[i]), &id);
        sum[id] += x[i] - mean;
        within += (x[i] - mean) * (x[i] - mean);
    }
    int count = strmap_count(ids);
    for (int i = 0; i < count; i++) between += sum[i] * sum[i];
    free(sum);
    strmap_free(ids);
    if (n < 2 || count < 2) return NAN;
    return sqrt(fmax(0, within / (n - 1) / n + (between - within) / n / n));
}

double pooled_stderr(const double *stderrs, const int *sizes, int n) {
    double sum = 0, total = 0;
    for (int i = 0; i < n; i++) {
        sum += (sizes[i] - 1.0) * stderrs[i] * stderrs[i] * sizes[i];
        total += sizes[i];
    }
    return sqrt(sum / (total - n) / total);
}

/* ---- bootstrap ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bootstrap_middle(const double *x, int n) { return x[n / 2]; }

double median_of(const double *x, int n) {
    double *copy = mem_new((size_t)n, sizeof *copy);
    memcpy(copy, x, (size_t)n * sizeof *copy);
    qsort(copy, (size_t)n, sizeof *copy, by_value);
    double middle = n % 2 ? copy[n / 2] : (copy[n / 2 - 1] + copy[n / 2]) / 2;
    free(copy);
    return middle;
}

void bootstrap_values(double *out, double (*of)(const double *, int), const double *x, int n, int iterations) {
    int chunk = min_int(1000, iterations);
    double *draw = mem_new((size_t)n, sizeof *draw);
    py_random r;
    for (int i = 0; i < iterations; i++) {
        if (i % chunk == 0) py_random_seed(&r, (uint64_t)(i / chunk));
        for (int k = 0; k < n; k++) draw[k] = x[(int)(py_random_unit(&r) * n)];
        out[i] = of(draw, n);
    }
    free(draw);
}

double bootstrap_stderr(double (*of)(const double *, int), const double *x, int n, int iterations) {
    int chunk = min_int(1000, iterations), whole = chunk ? iterations / chunk * chunk : 0;
    if (n < 1 || whole < 2) return NAN;
    double *values = mem_new((size_t)whole, sizeof *values);
    bootstrap_values(values, of, x, n, whole);
    double out = sqrt(variance(values, whole));
    free(values);
    return out;
}

/* ---- repeats ---- */

stability stability_of(const double *const *scores, const int *counts, int n) {
    stability s = {0};
    double sum = 0, total = 0, spread = 0;
    int spread_count = 0;
    for (int i = 0; i < n; i++) {
        double mine = 0;
        bool equal = counts[i] > 0;
        for (int k = 0; k < counts[i]; k++) mine += scores[i][k], equal = equal && scores[i][k] == scores[i][0];
        sum += mine, total += counts[i];
        s.consensus += mine > counts[i] / 2.0;
        s.consistency += equal;
        if (counts[i] > 1) spread += variance(scores[i], counts[i]), spread_count++;
    }
    s.expected = total > 0 ? sum / total : 0;
    s.variance = spread_count ? spread / spread_count : 0;
    if (n) s.consensus /= n, s.consistency /= n;
    return s;
}

/* The chance that at least one of k answers drawn from n with c right ones is right (Chen et al. 2021). */
double pass_at_k(int n, int c, int k) {
    double miss = 1;
    if (n - c < k) return 1;
    for (int i = n - c + 1; i <= n; i++) miss *= 1 - (double)k / i;
    return 1 - miss;
}

/* ---- distributions ---- */

/* The continued fraction of the regularised incomplete beta function, by Lentz's method. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;
    d = 1 / (fabs(d) < tiny ? tiny : d);
    h = d;
    for (int m = 1; m <= 10000; m++) {
        double up = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), down = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + up * d, c = 1 + up / c;
        d = 1 / (fabs(d) < tiny ? tiny : d), c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        d = 1 + down * d, c = 1 + down / c;
        d = 1 / (fabs(d) < tiny ? tiny : d), c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h;
}

static double beta_regular(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(|T| > t) of Student's t. */
static double student_two_sided(double t, double freedom) { return beta_regular(freedom / 2, 0.5, freedom / (freedom + t * t)); }

static double student_quantile_975(double freedom) {
    double low = 0, high = 1e4;
    for (int i = 0; i < 200; i++) {
        double mid = (low + high) / 2;
        if (student_two_sided(mid, freedom) > 0.05) low = mid;
        else high = mid;
    }
    return (low + high) / 2;
}

static double normal_below(double x) { return 0.5 * erfc(-x / sqrt(2)); }

double normal_quantile(double p) {
    double low = -40, high = 40;
    for (int i = 0; i < 200; i++) {
        double mid = (low + high) / 2;
        if (normal_below(mid) < p) low = mid;
        else high = mid;
    }
    return (low + high) / 2;
}

/* ---- two runs, and how many questions a difference needs ---- */

paired_test paired_of(const double *current, const double *baseline, int n) {
    paired_test p = {.n = n, .p = NAN, .t = NAN};
    if (!n) return p;
    double *d = mem_new((size_t)n, sizeof *d);
    for (int i = 0; i < n; i++) d[i] = current[i] - baseline[i];
    p.mean = mean_of(d, n);
    p.se = n > 1 ? mean_stderr(d, n) : 0;
    free(d);
    double wide = n > 1 && p.se > 0 ? student_quantile_975(n - 1) * p.se : 0;
    p.low = p.mean - wide, p.high = p.mean + wide;
    if (p.se == 0) {
        p.t = p.mean == 0 ? 0 : copysign(INFINITY, p.mean);
        p.p = p.mean == 0 ? 1 : 0;
    } else p.t = p.mean / p.se, p.p = student_two_sided(p.t, n - 1);
    return p;
}

power_result power_of(const power_question *q) {
    power_result r = {0};
    double sigma = sqrt(q->std_a * q->std_a + q->std_b * q->std_b - 2 * q->correlation * q->std_a * q->std_b);
    double z = normal_quantile(1 - q->alpha / 2), reach = z + normal_quantile(q->power);
    r.n = ceil(pow(reach * sigma / q->effect, 2));
    if (q->n > 0) {
        r.power = py_round(normal_below(q->effect * sqrt(q->n) / sigma - z), 4);
        r.effect = py_round(reach * sigma / sqrt(q->n), 4);
    }
    return r;
}

/* Two-sided exact test of McNemar: of b + c questions whose answer changed, b one way. */
double mcnemar(int b, int c) {
    double sum = 0;
    int n = b + c, less = min_int(b, c);
    for (int k = 0; k <= less; k++) sum += exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * log(2));
    return fmin(1, 2 * sum);
}
