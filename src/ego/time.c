/* time.c - EgoLife's time codes: DAYd and HHMMSSFF, and the shapes target_time comes in. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "ego/ego.h"

enum { FRAME_MS = 50 }; /* FF counts frames of 20 a second */

bool ego_stamp(const char *digits, size_t n, int day, int64_t *ms) {
    if (!n || n > 8 || day < 1) return false;
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)digits[i])) return false;
        value = value * 10 + (digits[i] - '0');
    }
    int ff = value % 100, ss = value / 100 % 100, mm = value / 10000 % 100, hh = value / 1000000;
    if (ff > 19 || ss > 59 || mm > 59 || hh > 23) return false;
    *ms = ((int64_t)(day - 1) * 86400 + hh * 3600 + mm * 60 + ss) * 1000 + ff * FRAME_MS;
    return true;
}

bool ego_day(const char *s, size_t n, int *day) {
    if (n < 4 || n > 7 || strncasecmp(s, "DAY", 3)) return false;
    int d = 0;
    for (size_t i = 3; i < n; i++) {
        if (!isdigit((unsigned char)s[i])) return false;
        d = d * 10 + (s[i] - '0');
    }
    if (d < 1) return false;
    *day = d;
    return true;
}

void ego_time_text(int64_t ms, char out[40]) {
    int64_t s = ms / 1000, day = s / 86400 + 1;
    snprintf(out, 40, "DAY%" PRId64 " %02d:%02d:%02d", day, (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60));
}

void ego_stamp_text(int64_t ms, char out[16]) {
    int64_t s = ms / 1000;
    snprintf(out, 16, "%02d%02d%02d%02d", (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60), (int)(ms % 1000 / FRAME_MS));
}

/* Tokens of one string: DAYd changes the day, a run of 8 digits is an instant, '_' between two instants makes them a span. */
static void scan(const char *s, size_t n, int *day, ego_spans *out) {
    bool join = false;
    for (size_t i = 0; i < n;) {
        size_t k = i;
        if (!strncasecmp(s + i, "DAY", 3)) {
            for (k = i + 3; k < n && isdigit((unsigned char)s[k]) && k - i < 7; k++) {}
            ego_day(s + i, k - i, day);
            i = k;
        } else if (isdigit((unsigned char)s[i])) {
            int64_t ms;
            for (; k < n && isdigit((unsigned char)s[k]) && k - i < 8; k++) {}
            if (ego_stamp(s + i, k - i, *day, &ms)) {
                ego_span *last = out->count ? &out->at[out->count - 1] : NULL;
                if (join && last && ms >= last->from) last->to = ms;
                else VEC_PUSH(out, ((ego_span){ms, ms}));
                join = false;
            }
            i = k;
        } else {
            if (s[i] == '_') join = out->count > 0;
            i++;
        }
    }
}

static void walk(const tree *t, int *day, ego_spans *out) {
    if (!t) return;
    if (t->type == TREE_STRING) scan(t->text, t->text_size, day, out);
    else if (t->type == TREE_INT) {
        char digits[24];
        int64_t ms;
        int n = snprintf(digits, sizeof digits, "%" PRId64, t->i);
        if (n > 0 && ego_stamp(digits, (size_t)n, *day, &ms)) VEC_PUSH(out, ((ego_span){ms, ms}));
    } else if (t->type == TREE_LIST) {
        for (int i = 0; i < t->count; i++) walk(t->items[i], day, out);
    } else if (t->type == TREE_MAP) {
        const char *date = tree_str(t, "date", "");
        ego_day(date, strlen(date), day);
        for (int i = 0; i < t->count; i++)
            if (strcmp(t->keys[i], "date")) walk(t->items[i], day, out);
    }
}

void ego_targets(const tree *target, ego_spans *out) {
    int day = 1;
    walk(target, &day, out);
}
