/*
 * verbs - the one table of what weft can be asked to do. `--help`, `weft help VERB`, the man page and the shells' completions
 * are all made from it.
 */
#ifndef WEFT_APP_VERBS_H
#define WEFT_APP_VERBS_H

#include <stdio.h>

#include "app/args.h"
#include "app/env.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct verb {
    const char *name;
    const char *synopsis; /* behind "weft NAME " */
    const char *summary;  /* one line */
    const char *text;     /* for `weft help NAME`: whole sentences */
    const struct option_spec *options;
    int (*run)(struct env *env, const struct args *args); /* the exit status; has said on stderr what went wrong */
    const char *words; /* what may stand first behind the verb, in front of files; "": no files either; NULL: files alone */
};

/* All of them, in the order of the manual; NULL behind the last. */
const struct verb *verb_at(size_t i);
/* The verb of that name, or NULL. */
const struct verb *verb_find(const char *name);
/* The verb that `word` (alone, or in front of more) was perhaps meant to be: within two letters of it. NULL: none. */
const struct verb *verb_near(const char *word, bool more_follows);
/* Editing files: what weft does without a verb. */
const struct verb *verb_edit(void);

/* Says "weft NAME: text" on stderr. What comes from elsewhere (a relay's words, a file's name) cannot steer the terminal. */
void verb_say(const char *name, const char *text);
/* The same with an error's text; gives EXIT_USAGE for ERR_USAGE, else EXIT_FAILED. */
int verb_fail(const char *name, const struct error *err);

/* For a verb that takes none: whether there are none. False has said so. */
bool verb_has_no_words(const char *name, const struct args *args);

void verbs_print_help(FILE *out);                       /* weft --help */
bool verbs_print_topic(const char *topic, FILE *out);   /* weft help VERB|scripts|relay|keys|trust; false: no such topic */
void verbs_print_man(FILE *out);                        /* the man page, roff */
bool verbs_print_completions(const char *shell, FILE *out); /* bash, zsh, fish; false: another shell */

#endif
