/* rl_data.c - data on its way into alignment: replies taken apart, pairs laid out and cut, frames, prompts. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "rl.h"
#include "train/train.h"

static bool says(const tree *t, const char *key, bool have) { return tree_get(t, key) && tree_bool(t, key, !have) == have; }

static bool reply_parts(const tree *c) {
    const tree *expect = tree_get(c, "expect");
    solved_reply r;
    reply_split(&r, tree_str(c, "gpt4o_response", ""));
    bool empty = tags_empty(r.solution), leaks = reply_leaks(&r);
    bool same = !strcmp(r.problem, tree_str(expect, "problem", "?")) && !strcmp(r.solution, tree_str(expect, "solution", "?")) &&
                says(expect, "has_empty_tags", empty) && says(expect, "has_answer_pattern", leaks) &&
                says(expect, "kept", !empty && !leaks);
    reply_free(&r);
    return same;
}

static bool empty_tags(const tree *c) { return says(c, "expect", tags_empty(tree_str(c, "text", ""))); }

/* ---- pairs ---- */

/* One answer behind its prompt, cut to max_length. */
static sample pair_sample(const tree *example, const char *answer, const tree *config) {
    sample s = {0};
    const tree *parts[] = {tree_get(example, "prompt_ids"), tree_get(example, answer)};
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < parts[p]->count; i++) {
            const int id = (int)parts[p]->items[i]->i;
            VEC_PUSH(&s.ids, id);
            VEC_PUSH(&s.labels, p ? id : -1);
            s.label_count += p;
        }
    VEC_PUSH(&s.segs, ((sample_seg){0, s.ids.count}));
    const int most = (int)tree_int(config, "max_length", 1 << 20);
    const bool end = !strcmp(tree_str(config, "truncation_mode", ""), "keep_end");
    sample_truncate(&s, most, end ? TRUNCATE_KEEP_END : TRUNCATE_KEEP_START);
    return s;
}

static bool row_is(const tree *row, const sample *s, const int *values, int pad) {
    for (int i = 0; i < row->count; i++)
        if (row->items[i]->i != (i < s->ids.count ? values[i] : pad)) return false;
    return row->count >= s->ids.count;
}

/* Chosen rows first, then rejected ones; what the file pads, we do not store. */
static bool collator(const tree *c) {
    static const char *const answers[] = {"chosen_ids", "rejected_ids"};
    const tree *config = tree_get(c, "config"), *examples = tree_get(c, "examples"), *expect = tree_get(c, "expect");
    bool same = true;
    int width = 0;
    for (int a = 0; a < 2; a++)
        for (int i = 0; i < examples->count; i++) {
            const int row = a * examples->count + i;
            sample s = pair_sample(examples->items[i], answers[a], config);
            int *ones = mem_new((size_t)s.ids.count + 1, sizeof *ones), *learnt = mem_new((size_t)s.ids.count + 1, sizeof *learnt);
            for (int k = 0; k < s.ids.count; k++) ones[k] = 1, learnt[k] = s.labels.at[k] >= 0;
            same = same && row_is(tree_get(expect, "input_ids")->items[row], &s, s.ids.at, (int)tree_int(config, "pad_token_id", 0)) &&
                   row_is(tree_get(expect, "attention_mask")->items[row], &s, ones, 0) &&
                   row_is(tree_get(expect, "completion_mask")->items[row], &s, learnt, 0);
            width = max_int(width, s.ids.count);
            free(learnt), free(ones), free(s.segs.at), free(s.labels.at), free(s.ids.at);
        }
    const int multiple = max_int(1, (int)tree_int(config, "pad_to_multiple_of", 1));
    return same && tree_get(expect, "input_ids")->items[0]->count == (width + multiple - 1) / multiple * multiple;
}

/* The file's tokenizer: a token a character, two special ones. */
static lmm_status encode(void *arg, const char *text, size_t size, id_list *out) {
    (void)arg;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        i += (size_t)utf8_decode(text + i, size - i, &code);
        VEC_PUSH(out, 1000 + (int)code);
    }
    return LMM_OK;
}

static bool list_is(const tree *want, const id_list *have, int nothing) {
    bool same = want->count == have->count;
    for (int i = 0; same && i < have->count; i++) same = want->items[i]->i == (have->at[i] == -1 ? nothing : have->at[i]);
    return same;
}

static bool layout(const tree *c) {
    const llava_words words = {encode, NULL, 151644, 151645, -200};
    id_list ids = {0}, labels = {0};
    bool same = llava_layout(&words, tree_str(c, "prompt", ""), tree_str(c, "answer", ""), &ids, &labels) == LMM_OK &&
                list_is(tree_at(c, "expect.input_ids"), &ids, -1) && list_is(tree_at(c, "expect.labels"), &labels, -100);
    free(labels.at), free(ids.at);
    return same;
}

static bool frames(const tree *c) {
    const tree *config = tree_get(c, "config"), *want = tree_get(c, "expect");
    const frame_take take = {.rule = FRAMES_LINSPACE, .count = (int)tree_int(config, "num_frames_to_sample", 10), .repeat = true};
    int *index, count;
    if (frames_index(&index, &count, &take, (int)tree_int(config, "total_frames", 1), 1)) return false;
    bool same = count == want->count;
    for (int i = 0; i < count && same; i++) same = index[i] == want->items[i]->i;
    free(index);
    return same;
}

/* What a model is asked in r1mm mode. */
static bool r1mm_asks(const tree *c) {
    const char *problem = tree_str(c, "problem", ""), *at = strstr(r1mm_prompt, "{question}");
    char *text = mem_printf("%.*s%s%s", (int)(at - r1mm_prompt), r1mm_prompt, problem, at + strlen("{question}"));
    bool same = !strcmp(text, tree_str(tree_get(c, "expect"), "user_text", ""));
    free(text);
    return same;
}

/* A picture and the question in Qwen2-VL's template. */
static char *rendered(const char *template_path, const char *question) {
    tree *messages = tree_new(TREE_LIST), *message = tree_new(TREE_MAP), *parts = tree_new(TREE_LIST),
         *part[2] = {tree_new(TREE_MAP), tree_new(TREE_MAP)};
    tree_put(part[0], "type", tree_new_string("image"));
    tree_put(part[1], "type", tree_new_string("text"));
    tree_put(part[1], "text", tree_new_string(question));
    for (int i = 0; i < 2; i++) tree_add(parts, part[i]);
    tree_put(message, "role", tree_new_string("user"));
    tree_put(message, "content", parts);
    tree_add(messages, message);
    char *source = NULL;
    size_t size;
    jinja *j = NULL;
    buf out = {0};
    lmm_status st = file_read(&source, &size, template_path, 1 << 20);
    if (!st) st = jinja_compile(&j, source, size, NULL);
    if (!st) st = chat_render(j, &(chat_input){.messages = messages, .add_generation_prompt = true}, &out, NULL);
    if (st) buf_puts(&out, lmm_message());
    free(source);
    jinja_free(j);
    tree_free(messages);
    return buf_take(&out);
}

void golden_rendered(golden *g, const tree *cases) {
    char *path = path_join(g->root, "golden/chat_templates/qwen2_vl.jinja");
    for (int i = 0; i < cases->count; i++) {
        const tree *expect = tree_get(cases->items[i], "expect");
        const char *want = expect && expect->type == TREE_MAP ? tree_str(expect, "qwen2vl_chat_text", NULL) : NULL;
        if (!want) continue;
        char *have = rendered(path, tree_str(expect, "user_text", ""));
        golden_check(g, !strcmp(have, want), "%s: the rendered chat differs", tree_str(cases->items[i], "id", ""));
        free(have);
    }
    free(path);
}

/* clang-format off */
const rl_check rl_data_checks[] = {
    {"data_prep", "extract_problem_solution", reply_parts, NULL},
    {"data_prep", "has_empty_tags", empty_tags, NULL},
    {"dpo_data", "trl_collator/*", collator, NULL},
    {"dpo_data", "llava_preprocess_qwen", layout, NULL},
    {"dpo_data", "llava_dpo_frames", frames, NULL},
    {"dpo_data", "open_r1_multimodal_prompt", r1mm_asks, NULL},
    {0},
};
/* clang-format on */
