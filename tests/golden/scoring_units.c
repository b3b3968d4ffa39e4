/* scoring_units.c - cases of single functions: extractors, normalisers, random numbers, statistics, cache keys, arguments, captions, deltas. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scoring.h"

static const char *response_of(const tree *row) { return tree_str(row, "response", ""); }
static const tree *want_of(const tree *row, const char *key) { return tree_at(tree_get(row, "expected"), key); }

/* ---- letters and words ---- */

static void mcq(scoring *s, const tree *row) {
    scratch mem = {0};
    const tree *choices = tree_at(row, "doc.choices");
    char letters[32] = "ABCDEFGH";
    for (int i = 0; choices && choices->type == TREE_LIST && i < choices->count && i < 31; i++)
        letters[i] = *choices->items[i]->text, letters[i + 1] = '\0';
    letter_rule r = {.mem = &mem, .letters = letters};
    check_text(s, "the letter", letter_shared(&r, response_of(row)), want_of(row, "letter"));
    scratch_free(&mem);
}

static void normalise(scoring *s, const tree *row) {
    scratch mem = {0};
    const char *t = response_of(row);
    check_text(s, "word_tokenize", vqa_word_tokenize(&mem, t), want_of(row, "word_tokenize"));
    check_text(s, "process_punctuation", vqa_punctuation(&mem, t), want_of(row, "process_punctuation"));
    check_text(s, "process_digit_article", vqa_digit_article(&mem, t), want_of(row, "process_digit_article"));
    check_text(s, "full", vqa_normal(&mem, t, true), want_of(row, "full"));
    check_text(s, "vqav2_style", vqa_normal(&mem, t, false), want_of(row, "vqav2_style"));
    scratch_free(&mem);
}

static void ptb(scoring *s, const tree *row) {
    scratch mem = {0};
    check_text(s, "tokens", ptb_tokenize(&mem, response_of(row)), want_of(row, "tokens"));
    scratch_free(&mem);
}

static void reasoning(scoring *s, const tree *row) {
    scratch mem = {0};
    tree *tags = NULL;
    const tree *doc = tree_get(row, "doc"), *response = tree_get(row, "response");
    if (tree_get(tree_get(row, "expected"), "text")) {
        if (response->type == TREE_LIST) {
            tree *list = tree_new(TREE_LIST);
            for (int i = 0; i < response->count; i++)
                tree_add(list, tree_new_string(reasoning_strip(&mem, response->items[i]->text, tree_get(doc, "tags"))));
            check_value(s, "the texts", list, want_of(row, "text"), false);
            tree_free(list);
        } else if (tree_get(doc, "tags") && tree_get(doc, "tags")->type == TREE_LIST)
            check_text(s, "the text", reasoning_strip(&mem, response->text, tree_get(doc, "tags")), want_of(row, "text"));
        else check_value(s, "the text", response, want_of(row, "text"), false);
    } else if (reasoning_tags_of(&tags, tree_get(doc, "task"), tree_str(doc, "cli", NULL)))
        golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else check_value(s, "the tags", tags, want_of(row, "tags"), false);
    tree_free(tags);
    scratch_free(&mem);
}

static void filters(scoring *s, const tree *row) {
    tree *out = NULL;
    if (filter_apply(&out, tree_at(row, "doc.chain"), tree_get(row, "response")))
        golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else check_value(s, "the filtered response", out, want_of(row, "filtered"), false);
    tree_free(out);
}

/* ---- random numbers ---- */

/* Seeds beyond 64 bits are read from the line itself. free() */
static char *seed_digits(const scoring *s) {
    char *text, *at;
    if (file_read(&text, NULL, s->path, 1 << 24)) return mem_strdup("0");
    at = text;
    for (int i = 1; i < s->line && at; i++) at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    at = at ? strstr(at, "\"seed\": ") : NULL;
    char *digits = mem_strndup(at ? at + 8 : "0", at ? strspn(at + 8, "0123456789") : 1);
    free(text);
    return digits;
}

static void random_numbers(scoring *s, const tree *row) {
    const tree *population = tree_at(row, "doc.population"), *want = want_of(row, "random");
    py_random r;
    char *seed = seed_digits(s);
    py_random_seed_digits(&r, seed);
    free(seed);
    for (int i = 0; i < want->count; i++) check_real(s, "random()", py_random_unit(&r), want->items[i]);
    int n = population->count;
    want = want_of(row, "choice");
    for (int i = 0; i < want->count; i++) check_value(s, "choice", population->items[py_random_below(&r, n)], want->items[i], false);
    want = want_of(row, "randint_0_n1");
    for (int i = 0; i < want->count; i++) check_real(s, "randint", py_random_below(&r, n), want->items[i]);
    want = want_of(row, "choices_idx");
    for (int i = 0; i < want->count; i++) check_real(s, "choices", (int)(py_random_unit(&r) * n), want->items[i]);
    want = want_of(row, "getrandbits32");
    for (int i = 0; i < want->count; i++) check_real(s, "getrandbits", py_random_bits32(&r), want->items[i]);
}

/* ---- statistics ---- */

static double *reals(const tree *list, int *n) {
    double *x = mem_new((size_t)(list ? list->count : 0) + 1, sizeof *x);
    *n = list ? list->count : 0;
    for (int i = 0; i < *n; i++) x[i] = py_value(list->items[i], NAN);
    return x;
}

static void errors(scoring *s, const tree *row) {
    int n;
    double *x = reals(tree_at(row, "doc.scores"), &n);
    const tree *clusters = tree_at(row, "doc.clusters"), *want = want_of(row, "clustered");
    const char **names = mem_new((size_t)n + 1, sizeof *names);
    for (int i = 0; i < n; i++) names[i] = clusters->items[i]->text;
    check_real(s, "mean", mean_of(x, n), want_of(row, "mean"));
    if (n > 1) check_real(s, "mean_stderr", mean_stderr(x, n), want_of(row, "mean_stderr"));
    check_real(s, "clt", mean_stderr(x, n), want_of(row, "clt"));
    /* Where upstream takes the root of a number that rounding made negative or tiny, ours is 0. */
    if (want->type != TREE_STRING || strcmp(want->text, "NaN")) {
        double have = clustered_stderr(x, names, n);
        if (want->type == TREE_REAL && fabs(want->real) < 1e-7)
            golden_check(s->golden, have < 1e-7, "%s line %d: clustered %g", s->file, s->line, have);
        else check_real(s, "clustered", have, want);
    }
    free(names);
    free(x);
}

static void paired(scoring *s, const tree *row) {
    int n, m;
    double *a = reals(tree_at(row, "doc.current"), &n), *b = reals(tree_at(row, "doc.baseline"), &m);
    paired_test p = paired_of(a, b, n);
    const struct {
        const char *key;
        double x;
    } parts[] = {{"mean_diff", p.mean}, {"se_diff", p.se}, {"ci_lower", p.low}, {"ci_upper", p.high},
                 {"t_stat", p.t},       {"p_value", p.p},  {"n", p.n}};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (want_of(row, parts[i].key)) check_real(s, parts[i].key, parts[i].x, want_of(row, parts[i].key));
    free(a);
    free(b);
}

static void repeats(scoring *s, const tree *row) {
    const tree *lists = tree_at(row, "doc.scores");
    double **x = mem_new((size_t)lists->count + 1, sizeof *x);
    int *n = mem_new((size_t)lists->count + 1, sizeof *n);
    for (int i = 0; i < lists->count; i++) x[i] = reals(lists->items[i], &n[i]);
    stability st = stability_of((const double *const *)x, n, lists->count);
    check_real(s, "expected_accuracy", st.expected, want_of(row, "expected_accuracy"));
    check_real(s, "consensus_accuracy", st.consensus, want_of(row, "consensus_accuracy"));
    check_real(s, "internal_variance", st.variance, want_of(row, "internal_variance"));
    check_real(s, "consistency_rate", st.consistency, want_of(row, "consistency_rate"));
    for (int i = 0; i < lists->count; i++) free(x[i]);
    free(x);
    free(n);
}

static void power(scoring *s, const tree *row) {
    const tree *d = tree_get(row, "doc"), *a = tree_get(d, "std_a"), *b = tree_get(d, "std_b");
    double sa = py_value(a, NAN), sb = py_value(b, NAN);
    if (isnan(sa)) sa = isnan(sb) ? 0.5 : sb;
    if (isnan(sb)) sb = sa;
    power_question q = {py_value(tree_get(d, "effect_size"), 0.03),
                        sa,
                        sb,
                        py_value(tree_get(d, "correlation"), 0.5),
                        py_value(tree_get(d, "alpha"), 0.05),
                        py_value(tree_get(d, "power"), 0.8),
                        py_value(tree_get(d, "current_n"), 0)};
    power_result r = power_of(&q);
    check_real(s, "min_n", r.n, want_of(row, "min_n"));
    if (want_of(row, "current_power")) check_real(s, "current_power", r.power, want_of(row, "current_power"));
    if (want_of(row, "min_detectable_effect")) check_real(s, "min_detectable_effect", r.effect, want_of(row, "min_detectable_effect"));
}

static void pooled(scoring *s, const tree *row) {
    int n, m;
    double *se = reals(tree_at(row, "doc.stderrs"), &n), *sizes = reals(tree_at(row, "doc.sizes"), &m);
    int *count = mem_new((size_t)n + 1, sizeof *count);
    for (int i = 0; i < n; i++) count[i] = (int)sizes[i];
    check_real(s, "pooled_stderr", pooled_stderr(se, count, n), want_of(row, "pooled_stderr"));
    free(count);
    free(se);
    free(sizes);
}

static void bootstrap(scoring *s, const tree *row) {
    int n, iterations = (int)tree_int(tree_get(row, "doc"), "iters", 0);
    double *x = reals(tree_at(row, "doc.xs"), &n), *values = mem_new((size_t)iterations + 1, sizeof *values);
    const tree *first = want_of(row, "first_5");
    bootstrap_values(values, bootstrap_middle, x, n, iterations);
    for (int i = 0; i < first->count; i++) check_real(s, "a resample", values[i], first->items[i]);
    check_real(s, "stderr", bootstrap_stderr(bootstrap_middle, x, n, iterations), want_of(row, "stderr"));
    free(values);
    free(x);
}

static void statistics(scoring *s, const tree *row) {
    static const struct {
        const char *fn;
        scoring_row run;
    } rows[] = {{"stderr", errors},        {"paired_ttest", paired}, {"stability", repeats},
                {"power_analysis", power}, {"group", pooled},        {"bootstrap_median_stderr", bootstrap}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].fn, tree_str(row, "fn", ""))) {
            rows[i].run(s, row);
            return;
        }
    golden_fail(s->golden, "%s line %d: nothing runs '%s'", s->file, s->line, tree_str(row, "fn", ""));
}

/* ---- WUPS ---- */

static void wups_row(scoring *s, const tree *row) {
    wordnet *w;
    scratch mem = {0};
    if (wordnet_open(&w, "/usr/share/wordnet")) {
        golden_skip(s->golden, 1, "%s line %d: %s", s->file, s->line, lmm_message());
        return;
    }
    const char *truth = tree_str(tree_get(row, "doc"), "truth", "");
    const tree *pairs = want_of(row, "wup_alpha0"), *expected = tree_get(row, "expected");
    check_real(s, "wups_0", wups(w, &mem, response_of(row), truth, 0), tree_get(expected, "wups_0"));
    check_real(s, "wups_0.9", wups(w, &mem, response_of(row), truth, 0.9), tree_get(expected, "wups_0.9"));
    for (int i = 0; i < pairs->count; i++) {
        int n;
        char **words = py_split_at(&mem, pairs->keys[i], "|", &n);
        check_real(s, pairs->keys[i], wordnet_wup(w, words[0], words[1]), pairs->items[i]);
    }
    scratch_free(&mem);
    wordnet_close(w);
}

/* ---- cache and command line ---- */

static void cache(scoring *s, const tree *row) {
    const tree *d = tree_get(row, "doc"), *kwargs = tree_get(d, "gen_kwargs");
    const char *fn = tree_str(row, "fn", "");
    if (!strcmp(fn, "canonicalize")) {
        tree *kept = cache_kwargs(kwargs);
        char *text = json_sorted(kept);
        check_text(s, "canonical", text, want_of(row, "canonical"));
        check_real(s, "deterministic_generate", cache_deterministic("generate_until", kwargs), want_of(row, "deterministic_generate"));
        check_real(s, "deterministic_ll", cache_deterministic("loglikelihood", kwargs), want_of(row, "deterministic_ll"));
        free(text);
        tree_free(kept);
    } else if (!strcmp(fn, "cache_key")) {
        char hex[65];
        cache_key(hex, d);
        check_text(s, "key", hex, want_of(row, "key"));
    } else check_real(s, "valid", cache_valid(tree_str(d, "request_type", ""), tree_get(row, "response")), want_of(row, "valid"));
}

static void iterator(scoring *s, const tree *d, const tree *want) {
    int64_t n = tree_int(d, "n", 0), offset = tree_int(d, "offset", 0), limit = tree_int(d, "limit", -1);
    int64_t end = limit < 0 ? n : min_i64(n, offset + limit), count = 0;
    for (int64_t i = offset + tree_int(d, "rank", 0); i < end; i += tree_int(d, "world_size", 1), count++)
        golden_check(s->golden, count < want->count && want->items[count]->i == i, "%s line %d: row %d", s->file, s->line, (int)i);
    golden_check(s->golden, count == want->count, "%s line %d: %d rows", s->file, s->line, (int)count);
}

static void template_row(scoring *s, const tree *row) {
    char *text;
    if (template_render(&text, response_of(row), tree_get(row, "doc")))
        golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else {
        check_text(s, "the text", text, want_of(row, "value"));
        free(text);
    }
}

static void command_line(scoring *s, const tree *row) {
    scratch mem = {0};
    const tree *d = tree_get(row, "doc"), *want = want_of(row, "value"), *limit = tree_get(d, "limit");
    const char *fn = tree_str(row, "fn", ""), *text = response_of(row);
    if (!strcmp(fn, "simple_parse_args_string")) {
        tree *map = NULL;
        lmm_status st = args_parse(&map, text);
        if (tree_get(want, "__error__")) golden_check(s->golden, st != LMM_OK, "%s line %d: should be refused", s->file, s->line);
        else check_value(s, "the arguments", map, want, false);
        tree_free(map);
    } else if (!strcmp(fn, "sanitize_model_name")) check_text(s, "the name", args_safe_name(&mem, text), want);
    else if (!strcmp(fn, "tracker_model_name")) check_text(s, "the name", args_model_name(&mem, text), want);
    else if (!strcmp(fn, "create_iterator")) iterator(s, d, want);
    else if (!strcmp(fn, "hash_string")) {
        char hex[65];
        sha256_hex(text, strlen(text), hex);
        check_text(s, "the hash", hex, want);
    } else if (!strcmp(fn, "get_sample_size")) {
        bool all = !limit || limit->type == TREE_NULL || limit->real < 0;
        if (all) check_real(s, "all rows", (double)args_sample_count(-1, tree_int(d, "n_docs", 0)), tree_get(d, "n_docs"));
        else check_real(s, "the count", (double)args_sample_count(limit->real, tree_int(d, "n_docs", 0)), want);
    } else template_row(s, row);
    scratch_free(&mem);
}

/* ---- prompts with parts ---- */

static void subtitles(scoring *s, const tree *row) {
    scratch mem = {0};
    check_text(s, "the text", interleave_subtitles(&mem, tree_get(row, "doc")), want_of(row, "text"));
    scratch_free(&mem);
}

static void mmmu_messages(scoring *s, const tree *row) {
    scratch mem = {0};
    const tree *doc = tree_get(row, "doc"), *want = tree_get(row, "expected");
    const char *mode = tree_str(row, "mode", "");
    const eval_task *t = task_of(s, "mmmu_val");
    char *text = NULL;
    tree *vars = row_vars(t, doc, strcmp(mode, "default") ? mode : NULL), *visuals = mmmu_visuals(doc);
    if (template_render(&text, tree_str(t->config, "doc_to_text", ""), vars))
        golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else {
        tree *parts = mmmu_parts(&mem, text, visuals, strcmp(mode, "default") != 0);
        check_text(s, "the prompt", text, tree_get(want, "flat_text"));
        check_value(s, "the pictures", visuals, tree_get(want, "visuals"), false);
        check_value(s, "the parts", parts, tree_get(tree_get(want, "messages")->items[0], "content"), false);
        tree_free(parts);
    }
    free(text);
    tree_free(visuals);
    tree_free(vars);
    scratch_free(&mem);
}

/* ---- captions of one picture ---- */

static caption caption_case(scratch *mem, const tree *row) {
    const tree *refs = tree_at(row, "doc.answer");
    const char **list = scratch_get(mem, ((size_t)refs->count + 1) * sizeof *list);
    for (int i = 0; i < refs->count; i++) list[i] = ptb_tokenize(mem, refs->items[i]->text);
    return (caption){ptb_tokenize(mem, response_of(row)), list, refs->count};
}

/* Its CIDEr depends on every picture of the same corpus. */
static void coco(scoring *s, const tree *row) {
    if (strcmp(tree_str(row, "kind", ""), "doc")) {
        check_agg(s, task_of(s, tree_str(row, "task", "")), row);
        return;
    }
    scratch mem = {0};
    VEC(caption) all = {0};
    int mine = -1;
    for (int i = 0; i < s->rows->count; i++) {
        const tree *r = table_row(s->rows, i);
        if (strcmp(tree_str(r, "kind", ""), "doc") || tree_int(r, "corpus", -1) != tree_int(row, "corpus", -2)) continue;
        if (r == row) mine = all.count;
        VEC_PUSH(&all, caption_case(&mem, r));
    }
    caption_scores scores;
    double bleu[4];
    const tree *refs = want_of(row, "refs_tok");
    captions_score(&scores, all.at, all.count);
    bleu_score(bleu, &all.at[mine], 1);
    check_text(s, "pred_tok", all.at[mine].candidate, want_of(row, "pred_tok"));
    for (int i = 0; i < refs->count; i++) check_text(s, "refs_tok", all.at[mine].references[i], refs->items[i]);
    check_real(s, "CIDEr", scores.cider_each[mine], want_of(row, "CIDEr"));
    check_real(s, "ROUGE_L", scores.rouge_each[mine], want_of(row, "ROUGE_L"));
    for (int k = 0; k < 4; k++) {
        char key[24];
        snprintf(key, sizeof key, "Bleu_%d", k + 1);
        check_real(s, key, bleu[k], want_of(row, key));
    }
    golden_skip(s->golden, 1, "%s line %d: METEOR's tables are not available", s->file, s->line);
    caption_scores_free(&scores);
    free(all.at);
    scratch_free(&mem);
}

/* ---- MMBench, one row ---- */

static void mmbench(scoring *s, const tree *row) {
    const eval_task *t = task_of(s, tree_str(row, "task", ""));
    if (strcmp(tree_str(row, "kind", ""), "doc")) {
        check_agg(s, t, row);
        return;
    }
    scratch mem = {0};
    const tree *doc = tree_get(row, "doc");
    char letters[5] = "", *texts[5] = {0};
    for (char l = 'A'; l <= 'D'; l++) {
        const tree *v = tree_get(doc, (char[]){l, 0});
        if (!v || v->type == TREE_NULL || (v->type == TREE_STRING && !strcmp(v->text, "NaN"))) continue;
        texts[strlen(letters)] = py_str(&mem, v);
        letters[strlen(letters)] = l;
    }
    letter_rule r = {.mem = &mem, .letters = letters, .texts = texts};
    const char *response = py_strip(&mem, response_of(row)), *option = mmbench_option(&mem, response),
               *pre = mmbench_prefetch(&r, response);
    const char *settled = pre ? pre : letter_shared(&r, response);
    const tree *want_option = want_of(row, "can_infer_option"), *want_pre = want_of(row, "prefetch"),
               *want_static = want_of(row, "static_pred");
    check_text(s, "prediction", response, want_of(row, "prediction"));
    if (want_option->type == TREE_STRING) check_text(s, "can_infer_option", option, want_option);
    else golden_check(s->golden, !option, "%s line %d: no option should be inferred", s->file, s->line);
    if (want_pre->type == TREE_STRING) check_text(s, "prefetch", pre, want_pre);
    else golden_check(s->golden, !pre, "%s line %d: nothing should be fetched", s->file, s->line);
    if (want_static->type == TREE_STRING) check_text(s, "static_pred", settled, want_static);
    check_real(s, "static_hit_single", !strcmp(settled, tree_str(doc, "answer", "")), want_of(row, "static_hit_single"));
    char *text;
    tree *vars = row_vars(t, doc, NULL);
    if (!template_render(&text, tree_str(t->config, "doc_to_text", ""), vars)) {
        check_text(s, "the prompt", text, tree_get(row, "prompt"));
        free(text);
    } else golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    tree_free(vars);
    scratch_free(&mem);
}

/* ---- judges ---- */

/* The rule of the benchmark is data of the case: what stands after [System]. */
static void llava(scoring *s, const tree *row) {
    const eval_task *t = task_of(s, tree_str(row, "task", ""));
    const char *prompt = tree_str(row, "judge_prompt", NULL), *rule = prompt ? strstr(prompt, "[System]\n") : NULL;
    if (!rule) {
        check_agg(s, t, row);
        return;
    }
    tree *own = tree_copy(row), *expected = (tree *)tree_get(own, "expected");
    rule += strlen("[System]\n");
    tree_put(own, "rule", tree_new_text(rule, strlen(rule) - 2));
    for (int i = 0; i < expected->count; i++) { /* the case keeps the pair of numbers alone */
        tree *record = tree_new(TREE_MAP);
        tree_put(record, "scores", tree_copy(expected->items[i]));
        tree_put(expected, expected->keys[i], record);
    }
    check_doc(s, t, own);
    tree_free(own);
}

static void mathvista_row(scoring *s, const tree *row) {
    const eval_task *t = task_of(s, tree_str(row, "task", ""));
    if (strcmp(tree_str(row, "kind", ""), "doc")) {
        check_agg(s, t, row);
        return;
    }
    check_doc(s, t, row);
    const tree *prompts = tree_get(row, "prompts");
    for (int i = 0; prompts && i < prompts->count; i++) {
        char name[64], *text;
        snprintf(name, sizeof name, "mathvista_testmini_%s", prompts->keys[i]);
        const eval_task *form = task_of(s, name);
        tree *vars = row_vars(form, tree_get(row, "doc"), NULL);
        if (template_render(&text, tree_str(form->config, "doc_to_text", ""), vars))
            golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
        else {
            check_text(s, name, text, prompts->items[i]);
            free(text);
        }
        tree_free(vars);
    }
}

static void activitynet(scoring *s, const tree *row) {
    const eval_task *t = task_of(s, tree_str(row, "task", ""));
    if (!strcmp(tree_str(row, "kind", ""), "agg")) {
        check_agg(s, t, row);
        return;
    }
    tree *own = tree_copy(row), *expected = tree_new(TREE_MAP);
    if (tree_get(tree_get(row, "expected"), "parse_score")) { /* where upstream raises, ours has no verdict */
        tree_put(expected, "score", tree_new(TREE_NULL));
        tree_put(own, "expected", expected);
    } else tree_free(expected);
    check_doc(s, t, own);
    tree_free(own);
}

/* ---- likelihood ---- */

static void likelihood_row(scoring *s, const tree *row) { check_doc(s, task_of(s, "seedbench_ppl"), row); }

/* ---- Video-MMMU ---- */

static void paper(scoring *s, const tree *row) {
    scratch mem = {0};
    const tree *doc = tree_get(row, "doc"), *expected = tree_get(row, "expected");
    if (!strcmp(tree_str(row, "kind", ""), "prompt")) {
        static const char *const tasks[][2] = {{"adaptation", "video_mmmu_adaptation"},
                                               {"question_only", "video_mmmu_adaptation_question_only"},
                                               {"perception_comprehension", "video_mmmu_perception"},
                                               {"perception_comprehension_with_transcript", "video_mmmu_comprehension_with_transcript"},
                                               {"adaptation_with_transcript", "video_mmmu_adaptation_with_transcript"}};
        for (size_t i = 0; i < COUNT_OF(tasks); i++) {
            const eval_task *t = task_of(s, tasks[i][1]);
            char *text = NULL;
            tree *vars = row_vars(t, doc, NULL);
            if (tree_get(row, "transcript")) tree_put(vars, "transcript", tree_copy(tree_get(row, "transcript")));
            if (template_render(&text, tree_str(t->config, "doc_to_text", ""), vars))
                golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
            else check_text(s, tasks[i][0], text, tree_get(expected, tasks[i][0]));
            free(text);
            tree_free(vars);
        }
    } else {
        eval_task t = *task_of(s, "video_mmmu_adaptation");
        t.config = tree_copy(t.config);
        tree_put((tree *)tree_get(t.config, "answer"), "parser", tree_new_string("paper"));
        tree *own = tree_copy(row), *want = (tree *)tree_get(own, "expected"), *kept = tree_new(TREE_MAP);
        for (int i = 0; i < want->count; i++)
            if (strcmp(want->keys[i], "lmms_eval_shared_copy")) tree_put(kept, want->keys[i], tree_copy(want->items[i]));
        const tree *copy = tree_get(expected, "lmms_eval_shared_copy"), *options = tree_get(doc, "options");
        if (copy && copy->type == TREE_STRING) {
            letter_rule r = {.mem = &mem,
                             .letters = scratch_get(&mem, (size_t)options->count + 1),
                             .texts = scratch_get(&mem, ((size_t)options->count + 1) * sizeof(char *))};
            for (int i = 0; i < options->count; i++) ((char *)r.letters)[i] = (char)('A' + i), r.texts[i] = options->items[i]->text;
            check_text(s, "lmms_eval_shared_copy", letter_paper(&r, response_of(row), "No Answer Found."), copy);
        }
        tree_put(own, "expected", kept);
        s->raw = true;
        check_doc(s, &t, own);
        s->raw = false;
        tree_free(own);
        tree_free(t.config);
    }
    scratch_free(&mem);
}

static tree *ids_of(scoring *s, const tree *rows, tree *records) {
    scratch mem = {0};
    tree *ids = tree_new(TREE_LIST);
    (void)s;
    for (int i = 0; i < rows->count; i++) {
        const tree *acc = tree_get(rows->items[i], "mmmu_acc");
        tree *r = tree_new(TREE_MAP);
        bool right = videommmu_script_correct(&mem, acc);
        tree_put(r, "id", tree_copy(tree_get(acc, "id")));
        tree_put(r, "correct", tree_new_bool(right));
        tree_add(records, r);
        if (right) tree_add(ids, tree_copy(tree_get(acc, "id")));
    }
    scratch_free(&mem);
    return ids;
}

static void delta(scoring *s, const tree *row) {
    tree *before = tree_new(TREE_LIST), *after = tree_new(TREE_LIST), *q = ids_of(s, tree_get(row, "question_only"), before),
         *a = ids_of(s, tree_get(row, "adaptation"), after), *d = videommmu_delta(before, after);
    check_value(s, "correct_ids_question_only", q, want_of(row, "correct_ids_question_only"), false);
    check_value(s, "correct_ids_adaptation", a, want_of(row, "correct_ids_adaptation"), false);
    check_value(s, "w2r_ids", tree_at(d, "wrong_to_right.ids"), want_of(row, "w2r_ids"), true);
    static const char *const keys[] = {"acc_before", "acc_after", "delta_knowledge"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (want_of(row, keys[i])) check_value(s, keys[i], tree_get(d, keys[i]), want_of(row, keys[i]), false);
    tree_free(q);
    tree_free(a);
    tree_free(d);
    tree_free(before);
    tree_free(after);
}

/* ---- WUPS of a run ---- */

static void wups_agg(scoring *s, const tree *row) {
    static const char spec_text[] = "{\"metric\": \"WUPS\", \"aggregation\": \"mean\", \"field\": \"0\", \"scale\": 100}";
    scratch mem = {0};
    tree *spec, *value = NULL;
    if (tree_parse_json(&spec, spec_text, strlen(spec_text), "metric")) return;
    aggregate_in in = {"WUPS", tree_get(row, "items"), spec, &mem, NULL, true, NULL};
    if (aggregation_find("mean")->run(&in, &value)) golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else check_value(s, "WUPS", value, want_of(row, "WUPS"), false);
    tree_free(value);
    tree_free(spec);
    scratch_free(&mem);
}

scoring_row scoring_unit(const char *file) {
    static const struct {
        const char *file;
        scoring_row run;
    } rows[] = {
        {"mcq_extract.jsonl", mcq},
        {"vqa_normalize.jsonl", normalise},
        {"ptb_tokenize.jsonl", ptb},
        {"reasoning_tags.jsonl", reasoning},
        {"filters.jsonl", filters},
        {"python_random.jsonl", random_numbers},
        {"stats.jsonl", statistics},
        {"wups.jsonl", wups_row},
        {"response_cache.jsonl", cache},
        {"cli_utils.jsonl", command_line},
        {"lvb_interleave.jsonl", subtitles},
        {"mmmu_messages.jsonl", mmmu_messages},
        {"coco_cap.jsonl", coco},
        {"mmbench_en_dev.jsonl", mmbench},
        {"mmbench_cn_dev.jsonl", mmbench},
        {"llava_in_the_wild.jsonl", llava},
        {"mathvista.jsonl", mathvista_row},
        {"activitynetqa.jsonl", activitynet},
        {"loglikelihood_mc.jsonl", likelihood_row},
        {"videommmu_paper.jsonl", paper},
        {"videommmu_delta.jsonl", delta},
        {"nextqa_oe_agg.jsonl", wups_agg},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].file, file)) return rows[i].run;
    return NULL;
}
