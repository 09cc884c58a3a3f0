#include "sync/backoff.h"

void backoff_init(struct backoff *backoff, uint64_t seed)
{
    *backoff = (struct backoff){.random = random_of(seed)};
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}

/* The bound after `failures` waits: 0.5, 1, 2 ... 60 s. */
static uint64_t bound_ms(unsigned failures)
{
    uint64_t bound = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < failures && bound < BACKOFF_MAX_MS; i++)
        bound *= 2;
    return bound < BACKOFF_MAX_MS ? bound : BACKOFF_MAX_MS;
}

uint64_t backoff_next_ms(struct backoff *backoff, uint64_t floor_ms)
{
    unsigned failures = backoff->failures++;
    uint64_t wait_ms = failures == 0 ? 0 : random_below(&backoff->random, bound_ms(failures) + 1);
    return wait_ms > floor_ms ? wait_ms : floor_ms;
}
