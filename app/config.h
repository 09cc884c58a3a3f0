/*
 * config - the configuration file: JSON, comments allowed, read once at the start.
 *
 *   { "name": "Ada L.",                 // how others see you
 *     "relay": "wss://relay.example",   // where `weft share` goes
 *     "relay_token_file": "~/.config/weft/token",
 *     "tab_width": 4, "indent_spaces": 0,
 *     "line_numbers": false, "merge_ms": 10000,
 *     "keys": "weft" }                  // "vim": Esc then :w :q is not commented on
 *
 * A mistake is no reason not to edit, and it is shown. A setting that is not known or has a wrong value is left out, all others
 * hold. A file that cannot be read or is not JSON gives the defaults; so does one that others can write: it could name their
 * relay.
 */
#ifndef WEFT_APP_CONFIG_H
#define WEFT_APP_CONFIG_H

#include "editor/base/bytes.h"
#include "editor/base/error.h"

enum { CONFIG_BYTES_MAX = 1 << 16 };

struct config {
    char *name;             /* NULL: git's user.name, else the login */
    char *relay;            /* NULL: none */
    char *relay_token_file; /* NULL: none */
    int tab_width;          /* 1 .. 16 */
    int indent_spaces;      /* 0 .. 16; 0: tabs */
    int merge_ms;           /* 1 .. 3600000: about what merging one writer's edits may take before they are held */
    bool line_numbers;
    bool vim_keys;
};

enum config_found {
    CONFIG_GOOD,
    CONFIG_PARTLY, /* *err names the first setting that was left out, its line, and how many others were */
    CONFIG_UNUSED, /* the defaults hold; *err says why */
};

void config_defaults(struct config *config);
/* The defaults with what `text` says. */
MUST_USE enum config_found config_parse(struct config *config, struct bytes text, struct error *err);
/* Reads the file; a missing one gives the defaults. */
MUST_USE enum config_found config_load(struct config *config, const char *path, struct error *err);
void config_release(struct config *config);
/* Writes one setting into the file, keeping the others (comments are lost; the sentence shown says so). */
MUST_USE bool config_set_name(const char *path, const char *name, struct error *err);
/* How others see this person, and which of the three says so: "the configuration", "git config", "login". Heap string. */
char *config_person(const struct config *config, const char **source);

#endif
