/* page.c - a finished run as one HTML page that needs nothing else: scores with intervals, every sample with its picture, failures first, filters;
 * with a second run, what changed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/eval_int.h"

enum { PICTURE_MAX = 300 * 1024, PICTURES_MAX = 400, SHEETS_MAX = 60, SHEET_FRAMES = 9, SAMPLES_MAX = 2000 };

static const char style[] =
    "<style>:root{--b:#fff;--f:#1c2430;--m:#5d6b7d;--l:#dfe5ec;--g:#1d7f4e;--r:#b3372f;--h:#f4f6f9}"
    "@media(prefers-color-scheme:dark){:root{--b:#14181f;--f:#e4e9f0;--m:#93a0b1;--l:#2c3541;--g:#59c28a;--r:#ef8078;--h:#1c222b}}"
    "body{background:var(--b);color:var(--f);font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}p,.m{color:var(--m)}table{border-collapse:collapse;width:100%}"
    "th{text-align:left;color:var(--m);font-weight:500}th,td{padding:.35rem .6rem;border-bottom:1px solid "
    "var(--l)}td.n,th.n{text-align:right;"
    "font-variant-numeric:tabular-nums}.bar{position:relative;height:.7rem;background:var(--h);border-radius:.35rem;min-width:9rem}"
    ".bar i{position:absolute;left:0;top:0;bottom:0;background:var(--g);border-radius:.35rem}.bar "
    "b{position:absolute;top:.25rem;height:.2rem;background:var(--f)}"
    ".c{display:flex;gap:1rem;flex-wrap:wrap;position:sticky;top:0;background:var(--b);padding:.6rem "
    "0}input,select{font:inherit;color:inherit;"
    "background:var(--h);border:1px solid var(--l);border-radius:.4rem;padding:.3rem .6rem}article{border:1px solid "
    "var(--l);border-left:4px solid var(--g);"
    "border-radius:.4rem;margin:.7rem 0;padding:.7rem 1rem;display:flex;gap:1rem}article.f{border-left-color:var(--r)}article "
    "img{max-width:11rem;"
    "max-height:9rem;border-radius:.3rem}article div{min-width:0;flex:1}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.1rem "
    "0;font:inherit}"
    "dt{color:var(--m);font-size:.85rem}dd{margin:0 0 .3rem}.g{color:var(--g)}.r{color:var(--r)}</style>";

static const char script[] =
    "<script>const q=document.querySelector.bind(document),all=[...document.querySelectorAll('article')];function show(){const "
    "t=q('#t').value,"
    "f=q('#f').value,s=q('#s').value.toLowerCase();let n=0;for(const a of all){const ok=(!t||a.dataset.t===t)&&(!f||a.dataset.k===f)&&(!s||"
    "a.textContent.toLowerCase().includes(s));a.hidden=!ok;a.style.display=ok?'':'none';n+=ok}q('#n').textContent=n+' of '+all.length+' "
    "samples'}"
    "for(const i of ['#t','#f','#s'])q(i).addEventListener('input',show);show()</script>";

/* ---- text ---- */

void html_text(buf *b, const char *text) {
    for (; *text; text++) {
        if (*text == '<') buf_puts(b, "&lt;");
        else if (*text == '>') buf_puts(b, "&gt;");
        else if (*text == '&') buf_puts(b, "&amp;");
        else if (*text == '"') buf_puts(b, "&quot;");
        else buf_putc(b, *text);
    }
}

static void put_value(buf *b, const tree *v) {
    scratch mem = {0};
    html_text(b, py_str(&mem, v));
    scratch_free(&mem);
}

/* ---- pictures ---- */

/* Of each of them so many are shown; the page stays one that a browser opens. */
typedef struct {
    int pictures, sheets;
} media_left;

/* *data NULL: it is no picture that a page can show, or too large. */
static void read_picture(char **data, size_t *size, const char **type, const char *path) {
    *data = NULL;
    if (file_is_dir(path) || file_read(data, size, path, PICTURE_MAX)) return;
    const char *d = *data;
    *type = *size > 8 && !memcmp(d, "\x89PNG", 4)     ? "png"
            : *size > 8 && !memcmp(d, "\xff\xd8", 2)  ? "jpeg"
            : *size > 12 && !memcmp(d + 8, "WEBP", 4) ? "webp"
                                                      : NULL;
    if (*type) return;
    free(*data);
    *data = NULL;
}

/* A few frames of a film or of a folder of frames. */
static void read_sheet(char **data, size_t *size, const char *path) {
    char sheet[] = "/tmp/lmm-sheet-XXXXXX";
    int fd = mkstemp(sheet);
    *data = NULL;
    if (fd < 0) return;
    close(fd);
    if (!lmm_video_sheet(path, &(lmm_video_opts){.frames = SHEET_FRAMES}, sheet)) (void)file_read(data, size, sheet, PICTURE_MAX);
    remove(sheet);
}

static void put_picture(buf *b, const tree *sample, media_left *left) {
    const tree *media = tree_get(sample, "input_media");
    const char *path = media && media->count && media->items[0]->type == TREE_STRING ? media->items[0]->text : NULL, *type = "png";
    char *data = NULL;
    size_t size;
    if (!path || !file_exists(path)) return;
    if (left->pictures > 0) read_picture(&data, &size, &type, path);
    if (data) left->pictures--;
    else if (left->sheets > 0 && (file_is_dir(path) || file_names_video(path))) {
        read_sheet(&data, &size, path);
        left->sheets--;
    }
    if (!data) return;
    buf_printf(b, "<img alt=\"what this row shows\" src=\"data:image/%s;base64,", type);
    base64_put(b, data, size);
    buf_puts(b, "\">");
    free(data);
}

/* ---- scores ---- */

/* A bar from 0 to 1 (or to 100) with the 95 % interval across it. */
static void put_bar(buf *b, double x, double se) {
    double scale = x > 1 ? 1 : 100, low = fmax(0, (x - 1.96 * se) * scale), high = fmin(100, (x + 1.96 * se) * scale);
    if (x < 0 || x * scale > 100) return;
    buf_printf(b, "<div class=\"bar\"><i style=\"width:%.1f%%\"></i>", x * scale);
    if (isfinite(se) && x <= 1) buf_printf(b, "<b style=\"left:%.1f%%;width:%.1f%%\"></b>", low, fmax(0.3, high - low));
    buf_puts(b, "</div>");
}

static void put_score(buf *b, const tree *task, const char *name, const char *key, int64_t n) {
    const char *comma = strchr(key, ',');
    double x = py_value(tree_get(task, key), NAN), se;
    char *se_key = mem_printf("%.*s_stderr%s", (int)(comma - key), key, comma),
         *clt = mem_printf("%.*s_stderr_clt%s", (int)(comma - key), key, comma);
    se = py_value(tree_get(task, se_key), NAN);
    if (isnan(se)) se = py_value(tree_get(task, clt), NAN);
    free(se_key);
    free(clt);
    if (isnan(x)) return;
    buf_puts(b, "<tr><td>");
    html_text(b, name);
    buf_puts(b, "</td><td class=\"n\">");
    if (n >= 0) buf_printf(b, "%" PRId64, n);
    buf_printf(b, "</td><td>%.*s</td><td class=\"n\">%.4f</td><td class=\"n\">", (int)(comma - key), key, x);
    if (isfinite(se)) buf_printf(b, "± %.4f", se);
    buf_puts(b, "</td><td>");
    put_bar(b, x, se);
    buf_puts(b, "</td></tr>\n");
}

static void put_scores(buf *b, const tree *run) {
    const tree *tasks = tree_get(run, "results");
    buf_puts(b, "<table><tr><th>task</th><th class=\"n\">n</th><th>metric</th><th class=\"n\">value</th><th class=\"n\">error</th><th>95 % "
                "interval</th></tr>\n");
    for (int i = 0; i < tasks->count; i++) {
        int64_t n = tree_int(tree_get(tree_get(run, "n-samples"), tasks->keys[i]), "effective", -1);
        for (int k = 0; k < tasks->items[i]->count; k++) {
            const char *key = tasks->items[i]->keys[k];
            if (strchr(key, ',') && !strstr(key, "_stderr")) put_score(b, tasks->items[i], tasks->keys[i], key, n);
        }
    }
    buf_puts(b, "</table>\n");
}

/* ---- samples ---- */

static void put_pair(buf *b, const char *name, const tree *value) {
    if (!value) return;
    buf_printf(b, "<dt>%s</dt><dd><pre>", name);
    put_value(b, value);
    buf_puts(b, "</pre></dd>");
}

static void put_sample(buf *b, const char *task, const tree *s, media_left *left) {
    double score = sample_score(s);
    bool failed = !(score > 0);
    buf_printf(b, "<article class=\"%s\" data-t=\"%s\" data-k=\"%s\">", failed ? "f" : "", task, failed ? "failed" : "right");
    put_picture(b, s, left);
    buf_printf(b, "<div><span class=\"m\">%s, row ", task);
    put_value(b, tree_get(s, "doc_id"));
    if (isnan(score)) buf_puts(b, ", no score</span><dl>");
    else buf_printf(b, "</span> <b class=\"%s\">%.3g</b><dl>", failed ? "r" : "g", score);
    put_pair(b, "question", tree_get(s, "input"));
    put_pair(b, "answer", tree_get(s, "filtered_resps"));
    put_pair(b, "before reasoning was taken out", tree_get(s, "resps"));
    put_pair(b, "right", tree_get(s, "target"));
    buf_puts(b, "</dl></div></article>\n");
}

/* Failures first. */
static lmm_status put_samples(buf *b, const tree *run, const char *path) {
    const tree *tasks = tree_get(run, "results");
    media_left media = {PICTURES_MAX, SHEETS_MAX};
    int left = SAMPLES_MAX, hidden = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < tasks->count; i++) {
            table t;
            lmm_status st = run_samples(&t, path, tasks->keys[i]);
            if (st) return st;
            for (int k = 0; k < t.count; k++) {
                if ((sample_score(table_row(&t, k)) > 0) != (pass == 1)) continue;
                if (left > 0) put_sample(b, tasks->keys[i], table_row(&t, k), &media), left--;
                else hidden++;
            }
            if (t.rows) table_close(&t);
        }
    if (hidden) buf_printf(b, "<p>%d further samples are in the JSONL files.</p>", hidden);
    return LMM_OK;
}

static void put_controls(buf *b, const tree *run) {
    const tree *tasks = tree_get(run, "results");
    buf_puts(b, "<h2>Samples</h2><div class=\"c\"><select id=\"t\" aria-label=\"task\"><option value=\"\">all tasks</option>");
    for (int i = 0; i < tasks->count; i++) {
        buf_puts(b, "<option>");
        html_text(b, tasks->keys[i]);
        buf_puts(b, "</option>");
    }
    buf_puts(b, "</select><select id=\"f\" aria-label=\"outcome\"><option value=\"\">right and wrong</option><option "
                "value=\"failed\">wrong only</option>"
                "<option value=\"right\">right only</option></select><input id=\"s\" placeholder=\"search in the samples\"><span id=\"n\" "
                "class=\"m\"></span></div>\n");
}

/* ---- two runs ---- */

static lmm_status put_comparison(buf *b, const char *path, const char *other) {
    tree *t, *run;
    lmm_status st = run_compare(&t, path, other);
    if (st) return st;
    if ((st = run_results(&run, other))) return tree_free(t), st;
    const char *name = tree_str(run, "model_name", "");
    buf_puts(b, "<h2>Against ");
    html_text(b, *name ? name : path_base(other));
    tree_free(run);
    buf_puts(b, "</h2><table><tr><th>task</th><th>metric</th><th class=\"n\">this run</th><th class=\"n\">the other</th><th "
                "class=\"n\">difference</th><th>over the samples of "
                "both</th></tr>\n");
    for (int i = 0; i < t->count; i++) {
        const tree *metrics = tree_get(t->items[i], "metrics"), *s = tree_get(t->items[i], "samples");
        for (int k = 0; k < metrics->count; k++) {
            const tree *m = metrics->items[k];
            double d = tree_real(m, "difference", 0);
            buf_puts(b, "<tr><td>");
            html_text(b, t->keys[i]);
            buf_printf(b, "</td><td>%.*s</td><td class=\"n\">%.4f</td><td class=\"n\">%.4f</td><td class=\"n %s\">%+.4f</td><td>",
                       (int)strcspn(metrics->keys[k], ","), metrics->keys[k], tree_real(m, "first", 0), tree_real(m, "second", 0),
                       d > 0   ? "g"
                       : d < 0 ? "r"
                               : "",
                       d);
            if (s)
                buf_printf(b, "%d better, %d worse, p = %.3g", tree_get(s, "better")->count, tree_get(s, "worse")->count,
                           tree_real(s, "p", NAN));
            buf_puts(b, "</td></tr>\n");
        }
    }
    buf_puts(b, "</table>\n");
    tree_free(t);
    return LMM_OK;
}

lmm_status lmm_eval_page(const char *results, const char *other, char **html) {
    tree *run;
    buf b = {0};
    lmm_status st = run_results(&run, results);
    if (st) return st;
    buf_puts(&b, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
                 "content=\"width=device-width\"><title>Evaluation ");
    html_text(&b, path_base(results));
    buf_puts(&b, "</title>");
    buf_puts(&b, style);
    buf_puts(&b, "<h1>Evaluation of ");
    const char *name = tree_str(run, "model_name", "");
    html_text(&b, *name ? name : tree_str(run, "model_source", "a model"));
    buf_puts(&b, "</h1><p>");
    html_text(&b, tree_str(run, "date", ""));
    buf_printf(&b, ", %.1f s</p>\n", tree_real(run, "total_evaluation_time_seconds", 0));
    put_scores(&b, run);
    bool used = false;
    st = page_knowledge(&b, results, other, &used);
    if (!st && other) st = put_comparison(&b, results, other);
    if (st == LMM_E_ARG && used) st = LMM_OK; /* no task in common with the run before the lectures */
    if (!st) put_controls(&b, run);
    if (!st) st = put_samples(&b, run, results);
    buf_puts(&b, script);
    tree_free(run);
    if (st) return buf_free(&b), st;
    return *html = buf_take(&b), LMM_OK;
}
