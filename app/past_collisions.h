/*
 * past_collisions - prints which edits touched each other unseen (sync/document_collisions.h), for `weft log --collisions`.
 *
 * For people a line each, the newest first, as for all of weft log:
 *
 *      2026-11-29 15:02  Ada and Ben  in line 12: Ada inserted "foo", Ben deleted "bar" (80 bytes)
 *
 * Where there are none, a line says so; with json there is nothing.
 *
 *   Units   lines are counted from 1.
 *   Errors  standard output cannot be written.
 */
#ifndef WEFT_APP_PAST_COLLISIONS_H
#define WEFT_APP_PAST_COLLISIONS_H

#include "app/replica_past.h"

MUST_USE bool past_print_collisions(const struct replica *replica, const struct collision_list *list, bool json,
                                    struct error *err);

#endif
