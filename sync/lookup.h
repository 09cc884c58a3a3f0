/*
 * lookup - which addresses a name stands for, asked of the system without waiting for it.
 *
 * getaddrinfo() takes as long as it likes, half a minute where DNS is down, and nothing ends it. So every question has a
 * thread of its own, which nobody joins: whoever asks goes on, takes the answer when there is one, or drops the question.
 *
 *     lookup_start() -> thread: getaddrinfo() -> answered()      lookup_state(), lookup_address() ... lookup_drop()
 *
 *   Ownership  a lookup belongs to who asks and to its thread; the one that lets go last frees it. So an answer that comes
 *              after the drop, or after everything else has ended, finds what it writes to.
 *   Threads    all calls are for one thread, that of the asker. answered() is called on the lookup's own, while
 *              lookup_drop() waits: it may wake somebody, and call nothing here.
 *   Errors     an answer too: LOOKUP_FAILED, with lookup_reason().
 *   Bounds     LOOKUP_ADDRESSES_MAX addresses, the first that the system names. A thread for each question that the system
 *              has not answered.
 */
#ifndef WEFT_SYNC_LOOKUP_H
#define WEFT_SYNC_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

enum {
    LOOKUP_ADDRESSES_MAX = 16,
    LOOKUP_ADDRESS_BYTES = 64, /* an IPv6 address, '%' and the name of an interface, NUL */
};

enum lookup_state { LOOKUP_PENDING, LOOKUP_FOUND, LOOKUP_FAILED };

struct lookup;

/* What is an address already ("::1") is found at once, without a thread and without answered(). `host` is copied. */
struct lookup *lookup_start(const char *host, void (*answered)(void *self), void *self);
/* Gives the question up. When it returns, answered() is not being called and never will be. NULL is fine. */
void lookup_drop(struct lookup *lookup);

const char *lookup_host(const struct lookup *lookup);
enum lookup_state lookup_state(struct lookup *lookup);
/* Once it is LOOKUP_FOUND: at least one address, in numbers, in the order in which they are to be tried. */
size_t lookup_count(const struct lookup *lookup);
const char *lookup_address(const struct lookup *lookup, size_t i);
/* Once it is LOOKUP_FAILED: "the name is not known". Lives for ever. */
const char *lookup_reason(const struct lookup *lookup);

#endif
