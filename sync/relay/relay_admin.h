/*
 * relay_admin - what an operator asks of a relay's store: `weft relay ls | stat | rm DOC | backup FILE`.
 *
 * All of it works beside a running relay. Names, texts and people are sealed: there are only ids, counts and sizes to
 * see.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_ADMIN_H
#define WEFT_SYNC_RELAY_RELAY_ADMIN_H

#include <stdint.h>
#include <stdio.h>

#include "editor/base/error.h"

/* "34 MB": what people call a size. */
enum { RELAY_SIZE_TEXT_BYTES = 16 };
void relay_admin_size(uint64_t bytes, char out[RELAY_SIZE_TEXT_BYTES]);

/* One line a document, largest first: id, size, records, agents, day of the newest record. */
MUST_USE bool relay_admin_list(const char *store_path, FILE *out, struct error *err);
/* Sums, and the largest documents. */
MUST_USE bool relay_admin_stat(const char *store_path, FILE *out, struct error *err);
/*
 * Forgets one document and says what that was. It is named by a link to it, by the 22 letters between the last / and the # of
 * one, by its id in hex as `ls` prints it, or by an unambiguous beginning of that of at least 8 digits. It stays closed; a relay
 * that has it open right now tells its clients when it next touches the store.
 */
MUST_USE bool relay_admin_remove(const char *store_path, const char *doc, FILE *out, struct error *err);
/* A consistent copy; `path` must not exist. */
MUST_USE bool relay_admin_backup(const char *store_path, const char *path, FILE *out, struct error *err);

#endif
