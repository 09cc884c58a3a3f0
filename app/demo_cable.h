/*
 * demo_cable - a TCP proxy that can be cut: what goes between the panes and the relay passes through here.
 */
#ifndef WEFT_APP_DEMO_CABLE_H
#define WEFT_APP_DEMO_CABLE_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "editor/base/error.h"

enum { CABLE_PAIRS_MAX = 16, CABLE_FDS_MAX = 2 * CABLE_PAIRS_MAX + 1 };

struct cable;

/* Listens on a free port of 127.0.0.1 and passes everything on to relay_port. */
MUST_USE struct cable *cable_new(int relay_port, struct error *err);
void cable_free(struct cable *cable);
int cable_port(const struct cable *cable);
void cable_cut(struct cable *cable, bool cut);
bool cable_is_cut(const struct cable *cable);
/* The descriptors to poll, and what to do once poll() has filled them in. */
size_t cable_fds(const struct cable *cable, struct pollfd fds[CABLE_FDS_MAX]);
void cable_handle(struct cable *cable, const struct pollfd *fds, size_t count);

#endif
