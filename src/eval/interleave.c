/* interleave.c - pictures between the words of a prompt: LongVideoBench's subtitles, MMMU's <image 1>. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- LongVideoBench ---- */

/* "01:02:03.5" in seconds. */
static double clock_seconds(const char *text) {
    double h = strtod(text, (char **)&text), m = *text == ':' ? strtod(text + 1, (char **)&text) : 0;
    return h * 3600 + m * 60 + (*text == ':' ? strtod(text + 1, NULL) : 0);
}

typedef struct {
    double begin, end;
    const char *text;
} cue;

/* A cue without an end lasts until the video's; all are counted from the start of the clip. */
static cue cue_of(const tree *doc, const tree *sub) {
    const tree *when = tree_get(sub, "timestamp");
    double shift = tree_real(doc, "starting_timestamp_for_subtitles", tree_real(doc, "starting_timestamp", 0));
    cue c;
    if (when && when->type == TREE_LIST && when->count == 2)
        c = (cue){py_value(when->items[0], 0), when->items[1]->type == TREE_REAL ? when->items[1]->real : tree_real(doc, "duration", 0),
                  tree_str(sub, "text", "")};
    else c = (cue){clock_seconds(tree_str(sub, "start", "")), clock_seconds(tree_str(sub, "end", "")), tree_str(sub, "line", "")};
    c.begin -= shift, c.end -= shift;
    return c;
}

static void put_line(buf *b, const char *line) {
    if (b->size) buf_putc(b, '\n');
    buf_puts(b, line);
}

/* A cue is written when a frame lies inside it, widened to a second; frames up to its middle come before it. */
char *interleave_subtitles(scratch *mem, const tree *doc) {
    const tree *frames = tree_get(doc, "frame_timestamps"), *subs = tree_get(doc, "subtitles");
    buf b = {0};
    int at = 0, n = frames ? frames->count : 0;
    for (int i = 0; subs && i < subs->count; i++) {
        cue c = cue_of(doc, subs->items[i]);
        double middle = (c.begin + c.end) / 2;
        for (; at < n && py_value(frames->items[at], 0) <= middle; at++) put_line(&b, "<image>");
        if (c.end - c.begin < 1) c.begin = middle - 0.5, c.end = middle + 0.5;
        bool seen = false;
        for (int k = 0; k < n && !seen; k++) seen = py_value(frames->items[k], 0) > c.begin && py_value(frames->items[k], 0) < c.end;
        if (seen) put_line(&b, c.text);
    }
    for (; at < n; at++) put_line(&b, "<image>");
    char *out = scratch_cut(mem, b.size ? b.data : "", b.size);
    buf_free(&b);
    return out;
}

/* ---- MMMU ---- */

tree *mmmu_visuals(const tree *doc) {
    scratch mem = {0};
    tree *out = tree_new(TREE_LIST);
    const char *text = scratch_printf(&mem, "%s %s", tree_str(doc, "question", ""), py_str(&mem, tree_get(doc, "options")));
    for (int i = 1; i <= 7; i++)
        if (strstr(text, scratch_printf(&mem, "<image %d>", i))) tree_add(out, tree_new_string(scratch_printf(&mem, "image_%d", i)));
    scratch_free(&mem);
    return out;
}

static void put_part(tree *parts, const char *type, const char *key, const char *value) {
    tree *p = tree_new(TREE_MAP);
    tree_put(p, "type", tree_new_string(type));
    tree_put(p, key, tree_new_string(value));
    tree_add(parts, p);
}

/* Text between placeholders and pictures in turn; more placeholders than pictures lose the text between them, as upstream. */
tree *mmmu_parts(scratch *mem, const char *prompt, const tree *visuals, bool pictures_first) {
    tree *out = tree_new(TREE_LIST);
    if (pictures_first) {
        for (int i = 0; i < visuals->count; i++) put_part(out, "image", "url", visuals->items[i]->text);
        put_part(out, "text", "text", prompt);
        return out;
    }
    int n;
    char **pieces = py_split_at(mem, regex_sub(mem, "<image [1-7]>", prompt, "<image>", 0), "<image>", &n);
    for (int i = 0; i < visuals->count; i++) {
        const char *text = i < n - 1 ? py_strip(mem, pieces[i]) : "";
        if (*text) put_part(out, "text", "text", text);
        put_part(out, "image", "url", visuals->items[i]->text);
    }
    put_part(out, "text", "text", py_strip(mem, pieces[n - 1]));
    return out;
}
