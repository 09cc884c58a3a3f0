/*
 * moment - a point in time as people write it: "2026-11-28", "2026-11-28 10:41", "10:41:07", "90m", "90m ago".
 *
 * A moment ends with what it names: a day with its last second, a minute with its 59th, so that what is printed of an edit finds
 * the edit again. "90m" (s, m, h, d) is so long before now; nine digits at most, six of days.
 */
#ifndef WEFT_APP_MOMENT_H
#define WEFT_APP_MOMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "editor/base/bytes.h"

/* By this machine's calendar; a day is taken for today, where none is named. False: it is none of these, or no such day. */
bool moment_parse(const char *word, time_t now, uint64_t *time_s);
/* How a moment is written, by this machine's calendar. All are appended. */
void moment_add(struct buf *out, uint64_t time_s);        /* "2026-11-28 10:41"; "-" for 0 */
void moment_add_clock(struct buf *out, uint64_t time_s);  /* "10:41" */
void moment_add_day(struct buf *out, uint64_t time_s);    /* "3 May" */
void moment_add_listed(struct buf *out, uint64_t time_s); /* " 3 May 10:41": as wide on every line */
/* "10:41", "3 May", "3 May 2024": as much as is needed at `now`. */
void moment_add_needed(struct buf *out, uint64_t time_s, time_t now);
bool moment_is_today(uint64_t time_s, time_t now);

#endif
