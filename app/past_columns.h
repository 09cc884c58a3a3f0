/*
 * past_columns - how the verbs that look back write down who did something and when: the columns of log, blame and diff, and the
 * texts of their JSON.
 *
 *   Units   cells of a terminal.
 */
#ifndef WEFT_APP_PAST_COLUMNS_H
#define WEFT_APP_PAST_COLUMNS_H

#include "app/replica_past.h"

enum { PAST_MOMENT_CELLS = 16, PAST_NAME_CELLS = REPLICA_AUTHOR_CELLS };

/* Padded with blanks to so many cells. Appended, as is all here. */
void past_add_padded(struct buf *out, struct bytes label, int cells);
/* "2026-11-28 10:41  Ana                       ", and two blanks behind it. */
void past_add_who(const struct replica *replica, const struct agent_id *author, const char *label, uint64_t time_s,
                  struct buf *out);
/* The same with blanks alone. */
void past_add_nobody(struct buf *out);
/* `"time": 1795863600, "author": "Ana"` */
void past_add_json_who(const struct replica *replica, const struct agent_id *author, const char *label, uint64_t time_s,
                       struct buf *out);

#endif
