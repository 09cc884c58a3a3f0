/*
 * filled_relay - a relay process that has had a document for long: one key a record, each behind the one before, all by one
 * writer, `ada`. Her text is a row of x. A process of its own, so that what it needs is not taken for its reader's.
 *
 *   Errors  what goes wrong ends the program.
 */
#ifndef WEFT_TESTS_FILLED_RELAY_H
#define WEFT_TESTS_FILLED_RELAY_H

#include <sys/types.h>

#include "sync/keys.h"

enum filled_checkpoint {
    FILLED_NONE,
    FILLED_TRUE,
    FILLED_FALSE_TEXT,    /* "evil" at its end */
    FILLED_FALSE_HISTORY, /* its head's digest is another */
    FILLED_FALSE_VERSION, /* nobody has written its head */
};

struct filling {
    uint64_t records;
    enum filled_checkpoint checkpoint;
    uint64_t checkpoint_at; /* after so many records */
};

struct filled_relay {
    pid_t pid;
    unsigned port;
    const char *path;
};

/* `path`: of its store, which is made; lives as long as the relay. */
struct filled_relay filled_relay_start(const char *path, const struct doc_keys *keys, const struct filling *filling);
void filled_relay_end(struct filled_relay *relay);
/* On the same store, at another port. */
void filled_relay_again(struct filled_relay *relay);

#endif
