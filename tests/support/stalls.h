/*
 * stalls - how long this machine lets programs wait for their turn, measured beside a test by a thread that only sleeps.
 *
 * A test that measures time allows for it: what it expects is what was promised, and so its bounds are tight where the machine is
 * free and hold where it is busy.
 *
 *   Units   ms of a monotonic clock.
 *   Errors  what goes wrong fails the running test (cmocka).
 */
#ifndef WEFT_TESTS_STALLS_H
#define WEFT_TESTS_STALLS_H

struct stalls;

struct stalls *stalls_watch(void);
void stalls_free(struct stalls *stalls); /* NULL is fine */
/* The longest since it is watched, or since the last stalls_forget(). */
unsigned stalls_longest_ms(const struct stalls *stalls);
void stalls_forget(struct stalls *stalls);
/*
 * What a span that takes `ms` on a free machine may take on this one: there are several programs in it, each of which waits for
 * its turn more than once.
 */
unsigned stalls_allow_ms(const struct stalls *stalls, unsigned ms);

#endif
