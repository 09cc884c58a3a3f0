/*
 * other_relay - a relay of another version: it speaks weft.2 and nothing else, and says so in one of the places where that can
 * be said.
 *
 * On a thread of its own, one connection after another. It stores nothing and takes nothing.
 *
 *   Errors  what goes wrong fails the running test (cmocka), but only in the calls below.
 */
#ifndef WEFT_TESTS_OTHER_RELAY_H
#define WEFT_TESTS_OTHER_RELAY_H

enum other_relay_says {
    OTHER_REFUSES_UPGRADE,  /* HTTP 400 that names weft.2 */
    OTHER_UPGRADES_AS_OWN,  /* HTTP 101 to weft.2, which nobody asked for */
    OTHER_CHALLENGES,       /* takes weft.1 as the subprotocol; its CHALLENGE says: lowest and highest are 2 */
    OTHER_REFUSES_KNOCK,    /* takes weft.1 as the subprotocol; answers KNOCK with REFUSE */
};

struct other_relay;

struct other_relay *other_relay_start(int port, enum other_relay_says says); /* port 0: a free one */
int other_relay_port(const struct other_relay *relay);
unsigned other_relay_connections(const struct other_relay *relay); /* since the start */
void other_relay_stop(struct other_relay *relay);                  /* NULL is fine */

#endif
