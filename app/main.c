/*
 * main - takes the command line apart as far as the verb, and hands over.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/verbs.h"

static int run_verb(const struct verb *verb, const char *program, int argc, char **argv)
{
    struct error err = {0};
    struct args args;
    if (!args_parse(&args, verb->name[0] ? verb->name : "weft", verb->options, argc, (const char *const *)argv, &err)) {
        fprintf(stderr, verb->name[0] ? "weft %s\n" : "%s\n", err.text);
        return EXIT_USAGE;
    }
    struct env env;
    if (!env_init(&env, program, &err)) {
        args_release(&args);
        return verb_fail(verb->name, &err);
    }
    if (env.config_error.code != ERR_NONE)
        fprintf(stderr, "weft: %s\n", env.config_error.text);
    int status = verb->run(&env, &args);
    env_release(&env);
    args_release(&args);
    return status;
}

/* A word that is no file, has no `.` or `/` and is nearly a verb was meant as one: better to ask than to open a new file. */
static const struct verb *mistaken_verb(const char *word, bool more_follows)
{
    if (word[0] == '-' || strpbrk(word, "./") || access(word, F_OK) == 0)
        return NULL;
    return verb_near(word, more_follows);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk, not the end */
    const char *first = argc > 1 ? argv[1] : NULL;
    if (first && (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)) {
        verbs_print_help(stdout);
        return EXIT_OK;
    }
    if (first && strcmp(first, "--version") == 0) {
        printf("weft %s\n", WEFT_VERSION);
        return EXIT_OK;
    }
    const struct verb *verb = first ? verb_find(first) : NULL;
    if (verb)
        return run_verb(verb, argv[0], argc - 2, argv + 2);
    const struct verb *meant = first ? mistaken_verb(first, argc > 2) : NULL;
    if (meant) {
        fprintf(stderr, "weft: no file \"%s\"; did you mean \"weft %s\"? (weft -- %s creates it)\n", first, meant->name,
                first);
        return EXIT_USAGE;
    }
    return run_verb(verb_edit(), argv[0], argc - 1, argv + 1);
}
