#include "app/moment.h"

#include <stdlib.h>
#include <string.h>

/* "1234567d" is no number of days but the beginning of a version's name, eight digits or more (replica_find_version()). */
static bool parse_ago(const char *word, time_t now, uint64_t *time_s)
{
    enum { DIGITS_MAX = 9, DAY_DIGITS_MAX = 6 };
    static const struct {
        char unit;
        size_t digits_max;
        uint64_t seconds;
    } units[] = {{'s', DIGITS_MAX, 1}, {'m', DIGITS_MAX, 60}, {'h', DIGITS_MAX, 3600}, {'d', DAY_DIGITS_MAX, 86400}};
    size_t digits = strspn(word, "0123456789");
    const char *after = word + digits + 1;
    if (digits == 0 || digits > DIGITS_MAX || !word[digits] || (*after && strcmp(after, " ago") != 0))
        return false;
    uint64_t count = strtoull(word, NULL, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (word[digits] != units[i].unit || digits > units[i].digits_max)
            continue;
        uint64_t ago = count * units[i].seconds;
        *time_s = ago < (uint64_t)now ? (uint64_t)now - ago : 0;
        return true;
    }
    return false;
}

/* The calendar takes 31 February for 3 March; people do not mean that. */
static bool to_seconds(struct tm then, uint64_t *time_s)
{
    struct tm made = then;
    made.tm_isdst = -1;
    time_t at = mktime(&made);
    *time_s = (uint64_t)at;
    return at >= 0 && made.tm_mday == then.tm_mday && made.tm_mon == then.tm_mon && made.tm_hour == then.tm_hour;
}

bool moment_parse(const char *word, time_t now, uint64_t *time_s)
{
    static const struct {
        const char *form;
        bool has_day;
        int hour, minute, second; /* where the form names none; -1: it does */
    } forms[] = {
        {"%Y-%m-%d", true, 23, 59, 59},        {"%Y-%m-%d %H:%M", true, -1, -1, 59}, {"%Y-%m-%dT%H:%M", true, -1, -1, 59},
        {"%Y-%m-%d %H:%M:%S", true, -1, -1, -1}, {"%Y-%m-%dT%H:%M:%S", true, -1, -1, -1}, {"%H:%M", false, -1, -1, 59},
        {"%H:%M:%S", false, -1, -1, -1},
    };
    if (parse_ago(word, now, time_s))
        return true;
    struct tm today;
    localtime_r(&now, &today);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm then = {.tm_year = today.tm_year, .tm_mon = today.tm_mon, .tm_mday = today.tm_mday};
        const char *end = strptime(word, forms[i].form, &then);
        if (!end || *end)
            continue;
        then.tm_hour = forms[i].hour < 0 ? then.tm_hour : forms[i].hour;
        then.tm_min = forms[i].minute < 0 ? then.tm_min : forms[i].minute;
        then.tm_sec = forms[i].second < 0 ? then.tm_sec : forms[i].second;
        return to_seconds(then, time_s);
    }
    return false;
}

/* Appends nothing for a time that no calendar has. */
static void add(struct buf *out, uint64_t time_s, const char *form)
{
    char text[32];
    struct tm local;
    time_t at = (time_t)time_s;
    if (localtime_r(&at, &local) && strftime(text, sizeof text, form, &local) > 0)
        buf_add_string(out, text[0] == ' ' && strcmp(form, "%e %B") == 0 ? text + 1 : text);
}

void moment_add(struct buf *out, uint64_t time_s)
{
    size_t before = out->len;
    if (time_s != 0)
        add(out, time_s, "%Y-%m-%d %H:%M");
    if (out->len == before)
        buf_add_byte(out, '-');
}

void moment_add_clock(struct buf *out, uint64_t time_s)
{
    add(out, time_s, "%H:%M");
}

void moment_add_day(struct buf *out, uint64_t time_s)
{
    add(out, time_s, "%e %B");
}

void moment_add_listed(struct buf *out, uint64_t time_s)
{
    add(out, time_s, "%e %b %H:%M");
}

/* False for both where a calendar has no such time. */
static bool is_same(uint64_t time_s, time_t now, bool *same_year)
{
    struct tm then, today;
    time_t at = (time_t)time_s;
    *same_year = localtime_r(&at, &then) && localtime_r(&now, &today) && then.tm_year == today.tm_year;
    return *same_year && then.tm_yday == today.tm_yday;
}

bool moment_is_today(uint64_t time_s, time_t now)
{
    bool same_year;
    return is_same(time_s, now, &same_year);
}

void moment_add_needed(struct buf *out, uint64_t time_s, time_t now)
{
    bool same_year, today = is_same(time_s, now, &same_year);
    if (today)
        moment_add_clock(out, time_s);
    else
        moment_add_day(out, time_s);
    if (!same_year)
        add(out, time_s, " %Y");
}
