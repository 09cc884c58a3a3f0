#include "app/args.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bytes.h"
#include "editor/base/xalloc.h"

static size_t spec_index(const struct option_spec *specs, const char *name, size_t name_len)
{
    size_t i = 0;
    while (specs[i].name && (strlen(specs[i].name) != name_len || memcmp(specs[i].name, name, name_len) != 0))
        i++;
    return i;
}

static bool unknown_option(const char *verb, const struct option_spec *specs, const char *word, struct error *err)
{
    struct buf known = {0};
    for (const struct option_spec *spec = specs; spec->name; spec++)
        if (spec->help)
            buf_addf(&known, "%s%s", known.len ? ", " : "", spec->name);
    error_set(err, ERR_USAGE, 0, "%s: unknown option %s; it knows %s", verb, word, known.len ? buf_string(&known) : "none");
    buf_release(&known);
    return false;
}

static bool parse_option(struct args *args, const char *verb, int argc, const char *const *argv, int *at, struct error *err)
{
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    size_t name_len = equals ? (size_t)(equals - word) : strlen(word);
    size_t i = spec_index(args->specs, word, name_len);
    const struct option_spec *spec = &args->specs[i];
    ensure(i < ARGS_OPTIONS_MAX);
    if (!spec->name)
        return unknown_option(verb, args->specs, word, err);
    if (!spec->value) {
        if (equals)
            return error_set(err, ERR_USAGE, 0, "%s: %s takes no value", verb, spec->name);
        args->values[i] = "";
        return true;
    }
    if (equals)
        args->values[i] = equals + 1;
    else if (*at + 1 < argc)
        args->values[i] = argv[++*at];
    else
        return error_set(err, ERR_USAGE, 0, "%s: %s needs a value: %s", verb, spec->name, spec->value);
    return true;
}

bool args_parse(struct args *args, const char *verb, const struct option_spec *specs, int argc, const char *const *argv,
                struct error *err)
{
    *args = (struct args){.specs = specs};
    args->positional = xcalloc((size_t)argc + 1, sizeof *args->positional);
    bool options_ended = false;
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];
        if (options_ended || word[0] != '-' || word[1] == '\0') {
            args->positional[args->positional_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            args->help = true;
        } else if (!parse_option(args, verb, argc, argv, &at, err)) {
            args_release(args);
            return false;
        }
    }
    return true;
}

void args_release(struct args *args)
{
    free(args->positional);
    *args = (struct args){0};
}

const char *args_value(const struct args *args, const char *name)
{
    size_t i = spec_index(args->specs, name, strlen(name));
    ensure(args->specs[i].name);
    return args->values[i];
}

bool args_flag(const struct args *args, const char *name)
{
    return args_value(args, name) != NULL;
}
