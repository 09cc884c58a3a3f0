/*
 * backoff - when to try again.
 *
 * The first retry comes at once (most cuts are short); then each waits a random time below a bound that doubles: "full
 * jitter", so that a thousand clients of a restarted relay do not come back in step. Reset by the relay's welcome,
 * never by a mere connection: a relay that accepts and refuses would otherwise be tried without a pause.
 *
 *   Units   ms.
 *   Source  Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
#ifndef WEFT_SYNC_BACKOFF_H
#define WEFT_SYNC_BACKOFF_H

#include "editor/base/random.h"

enum { BACKOFF_FIRST_MS = 500, BACKOFF_MAX_MS = 60000 };

struct backoff {
    struct random random;
    unsigned failures; /* in a row */
};

void backoff_init(struct backoff *backoff, uint64_t seed);
void backoff_reset(struct backoff *backoff);
/* One more failure: how long to wait now. 0 the first time; at least `floor_ms` (what the relay asked for). */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t floor_ms);

#endif
