/*
 * doorbell - how processes of one person on one machine reach each other when they have something in common.
 *
 * They meet in directories: who is in one rings everybody else there. A bell is one datagram socket, linked into as many as
 * DOORBELL_MEETINGS directories; who is in several of them with us is rung by one message.
 *
 *   Directories  made by the first who enters, removed by the last who leaves. A socket that nobody listens on any more is swept
 *                away by who rings it.
 *   Cost         who is there is read again when the directory has changed since: where nobody came or went a ring costs one
 *                stat() a directory, and a sendto() for each who is there.
 *   Threads      doorbell_ring() and doorbell_is_alone() from any thread; all else, and both directories, are one thread's.
 *   Errors       a directory that cannot be entered is not: nobody is met there.
 *   Bounds       of more than DOORBELL_OTHERS_MAX in a directory the others are not rung.
 */
#ifndef WEFT_APP_DOORBELL_H
#define WEFT_APP_DOORBELL_H

#include "editor/base/bytes.h"

enum {
    DOORBELL_MEETINGS = 2,
    DOORBELL_NAME_BYTES = 6, /* a socket's path has 107 bytes: names are as long as they must be to be distinct, not longer */
    DOORBELL_OTHERS_MAX = 1000,
};

struct doorbell;

/* `id` tells it from all others. NULL: there is no socket to be had. */
struct doorbell *doorbell_new(const unsigned char id[DOORBELL_NAME_BYTES]);
void doorbell_free(struct doorbell *bell); /* leaves all directories; NULL is fine */
int doorbell_fd(const struct doorbell *bell); /* readable when somebody rang */

/* From now on it is in `dir` (taken; NULL: in none) for that meeting; the new one is entered before the old one is left. */
void doorbell_move(struct doorbell *bell, size_t meeting, char *dir);
const char *doorbell_dir(const struct doorbell *bell, size_t meeting); /* NULL: in none */

/* In the order in which one outweighs the other. */
enum doorbell_rung { DOORBELL_NOBODY, DOORBELL_HEARD, DOORBELL_FULL /* somebody is there whose queue has no room */ };
enum doorbell_rung doorbell_ring(struct doorbell *bell, struct bytes message);
/* Nobody else is in any of its directories; who died there without a word counts until the next ring. */
bool doorbell_is_alone(struct doorbell *bell);
/* What was rung, one message; the length, or 0: there is nothing more. */
size_t doorbell_hear(struct doorbell *bell, unsigned char *out, size_t size);

/* Whether somebody else than `bell` (may be NULL) listens in `dir`, and is not in `but` as well (NULL: nobody is left out). */
bool doorbell_anyone_in(const struct doorbell *bell, const char *dir, const char *but);

#endif
