/* when.c - the time expressions of a question, relative to the moment it is asked.
 *
 * A life's day starts at 04:00. Parts of a day: morning 5-11, noon 11-14, afternoon 14-18, evening 18-23, night 23-05. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

typedef struct {
    const char *word;
    int from, to; /* hours */
} part;
static const part parts[] = {{"morning", 5, 11},  {"noon", 11, 14},    {"lunchtime", 11, 14}, {"afternoon", 14, 18},
                             {"evening", 18, 23}, {"tonight", 18, 27}, {"night", 18, 29}};
static const char *const numbers[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};

static const part *part_in(const char *s) {
    ego_terms t = {0};
    const part *found = NULL;
    ego_tokens_of(&t, s);
    for (size_t i = 0; i < COUNT_OF(parts) && !found; i++)
        if (ego_tokens_hold(&t, parts[i].word)) found = &parts[i];
    if (!found && ego_tokens_hold(&t, "middle") && ego_tokens_hold(&t, "day")) found = &parts[1];
    ego_terms_free(&t);
    return found;
}

bool ego_part_of_day(const char *text, int *from, int *to) {
    const part *p = part_in(text);
    if (p) *from = p->from, *to = p->to;
    return p != NULL;
}

/* A number written before `at`: "two " or "12 ". */
static int number_before(const char *s, const char *at) {
    while (at > s && at[-1] == ' ') at--;
    const char *end = at;
    while (at > s && isalnum((unsigned char)at[-1])) at--;
    size_t n = (size_t)(end - at);
    if (n && n < 4 && isdigit((unsigned char)*at)) return atoi(at);
    for (int i = 0; i < (int)COUNT_OF(numbers); i++)
        if (strlen(numbers[i]) == n && !memcmp(numbers[i], at, n)) return i;
    return n == 2 && !memcmp(at, "an", 2) ? 1 : n == 1 && *at == 'a' ? 1 : -1;
}

static void whole_day(int64_t day, const part *p, int64_t now, ego_spans *out) {
    int64_t from = day * EGO_DAY + (p ? p->from : 4) * (int64_t)EGO_HOUR, to = day * EGO_DAY + (p ? p->to : 28) * (int64_t)EGO_HOUR;
    if (to > now) to = now;
    if (day >= 0 && from <= to) VEC_PUSH(out, ((ego_span){from, to}));
}

/* "two hours ago" is half a unit wide on either side. */
static bool ago(const char *s, int64_t now, ego_spans *out) {
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{" minute", EGO_MINUTE}, {" hour", EGO_HOUR}, {" day", EGO_DAY}};
    const char *end = strstr(s, " ago");
    for (size_t i = 0; end && i < COUNT_OF(units); i++) {
        const char *at = strstr(s, units[i].unit);
        int n = at && at < end && end - at <= 9 ? number_before(s, at) : -1;
        if (n < 0) continue;
        if (units[i].ms == EGO_DAY) whole_day((now - 4 * EGO_HOUR) / EGO_DAY - n, part_in(s), now, out);
        else VEC_PUSH(out, ((ego_span){now - n * units[i].ms - units[i].ms / 2, now - n * units[i].ms + units[i].ms / 2}));
        return true;
    }
    return false;
}

static bool day_named(const char *s, int64_t now, ego_spans *out) {
    for (const char *at = s; (at = strstr(at, "day")); at += 3) {
        const char *p = at + 3;
        if (at != s && isalpha((unsigned char)at[-1])) continue;
        while (*p == ' ') p++;
        int n = isdigit((unsigned char)*p) ? atoi(p) : 0;
        for (int i = 1; !n && i < (int)COUNT_OF(numbers); i++)
            if (!strncmp(p, numbers[i], strlen(numbers[i]))) n = i;
        if (n < 1 || n > 9999) continue;
        whole_day(n - 1, part_in(s), now, out);
        return true;
    }
    return false;
}

bool ego_when(const char *text, int64_t now, ego_spans *out) {
    buf lower = {0};
    int before = out->count;
    for (const char *p = text; *p; p++) buf_putc(&lower, (char)tolower((unsigned char)*p));
    const char *s = lower.size ? lower.data : "";
    int64_t today = (now - 4 * EGO_HOUR) / EGO_DAY;
    const part *p = part_in(s);
    if (ago(s, now, out) || day_named(s, now, out)) {
    } else if (strstr(s, "day before yesterday")) whole_day(today - 2, p, now, out);
    else if (strstr(s, "yesterday") || strstr(s, "last night")) whole_day(today - 1, p, now, out);
    else if (strstr(s, "today") || strstr(s, "tonight") || (p && strstr(s, "this "))) whole_day(today, p, now, out);
    buf_free(&lower);
    return out->count > before;
}
