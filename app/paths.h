/*
 * paths - where weft keeps things: the XDG directories, resolved once.
 *
 *   state    $XDG_STATE_HOME/weft, else ~/.local/state/weft     journals, tails, keys, agent locks (0700)
 *   config   $XDG_CONFIG_HOME/weft/config.json, else ~/.config/weft/config.json
 *   runtime  $XDG_RUNTIME_DIR/weft, else STATE/run               doorbell sockets
 *
 * Where one of them would be in another person's directory (sudo that keeps HOME), root's own, of the account, is taken: what
 * weft makes there could not be used by that person any more.
 *
 * A state directory on a network file system cannot hold a WAL database: a private directory below /var/tmp is used
 * instead, and state_moved says so.
 */
#ifndef WEFT_APP_PATHS_H
#define WEFT_APP_PATHS_H

#include "editor/base/error.h"

struct paths {
    char *state, *config, *runtime;
    char *home;       /* NULL: there is none */
    bool state_moved; /* the wanted directory is on NFS, 9p or sshfs */
};

/* Nothing is made on disk. Fails where there is neither HOME nor the XDG variables. */
MUST_USE bool paths_init(struct paths *paths, struct error *err);
void paths_release(struct paths *paths);
/* "STATE/name", heap string. */
char *paths_state_file(const struct paths *paths, const char *name);
/* The text for people to read: "~/notes.md" where a path in it begins with their home. Heap string. */
char *paths_shorten(const struct paths *paths, const char *text);
/* Makes the state directory (0700). Refuses one that belongs to somebody else (sudo). */
MUST_USE bool paths_make_state(const struct paths *paths, struct error *err);

#endif
