/*
 * args - a verb's command line, taken apart by the verb's own table of options.
 *
 * `--name value` and `--name=value` both work; `--` ends the options; a lone `-` is an argument. One-letter options stand in
 * the table as they are written ("-o"). `--help` and `-h` are known without standing there.
 */
#ifndef WEFT_APP_ARGS_H
#define WEFT_APP_ARGS_H

#include <stddef.h>

#include "editor/base/error.h"

struct option_spec {
    const char *name;  /* "--relay"; NULL ends a table */
    const char *value; /* "URL": it takes a value, so named in the help; NULL: a flag */
    const char *help;  /* one line; NULL: not for people, named nowhere */
};

enum { ARGS_OPTIONS_MAX = 64 };

struct args {
    const struct option_spec *specs;
    const char *values[ARGS_OPTIONS_MAX]; /* by position in the table; "" for a flag that was given; NULL: not given */
    const char **positional;              /* heap array of borrowed strings */
    size_t positional_count;
    bool help;                            /* asked for, whatever else was said */
};

/* argv[0] is the first word after the verb. On failure nothing needs to be released. */
MUST_USE bool args_parse(struct args *args, const char *verb, const struct option_spec *specs, int argc, const char *const *argv,
                         struct error *err);
void args_release(struct args *args);
const char *args_value(const struct args *args, const char *name); /* NULL when not given; name is in the table */
bool args_flag(const struct args *args, const char *name);

#endif
