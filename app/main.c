/*
 * main - takes the command line apart as far as the verb, and hands over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/verbs.h"
#include "editor/base/xalloc.h"

/*
 * The number of a stream that is closed would be given to the next file that is opened, and what is printed be written into
 * that: a journal, a key. What is opened with O_PATH can be neither read nor written, so it is an error as it should be.
 */
static void occupy_closed_streams(void)
{
    int fd;
    do
        fd = open("/", O_PATH);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* Whoever lists processes would read the key in a link for as long as weft runs; so weft goes on with a copy. */
static void hide_keys(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *key = strstr(argv[i], "://") ? strchr(argv[i], '#') : NULL;
        if (!key)
            continue;
        char *copy = xstrdup(argv[i]);
        memset(key + 1, 'x', strlen(key + 1));
        argv[i] = copy;
    }
}

/* Room for all that most verbs print, so that it is written, and fails, in the flush at the end, which knows why. */
static void buffer_output(void)
{
    enum { OUTPUT_BYTES = 1 << 16 };
    static char output[OUTPUT_BYTES];
    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, output, _IOFBF, sizeof output);
}

/* Asked of the pipe, for errno is of the last write alone. */
static bool nobody_reads(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) > 0 && (output.revents & POLLERR);
}

/* The exit status, given the one so far. Who closed the other end of a pipe has seen enough and is told nothing. */
static int flush_output(int status)
{
    bool flushed = fflush(stdout) == 0;
    const char *why = flushed ? "some of it was not written" : strerror(errno);
    if (flushed && !ferror(stdout))
        return status;
    if (!nobody_reads())
        fprintf(stderr, "weft: cannot write to standard output: %s\n", why);
    return status == EXIT_OK ? EXIT_FAILED : status;
}

static void print_help_of(const struct verb *verb)
{
    if (!verbs_print_topic(verb->name, stdout))
        verbs_print_help(stdout);
}

static int run_verb(const struct verb *verb, const char *program, int argc, char **argv)
{
    struct error err = {0};
    struct args args;
    if (!args_parse(&args, verb->name[0] ? verb->name : "weft", verb->options, argc, (const char *const *)argv, &err)) {
        fprintf(stderr, verb->name[0] ? "weft %s\n" : "%s\n", err.text);
        return EXIT_USAGE;
    }
    if (args.help) {
        args_release(&args);
        print_help_of(verb);
        return EXIT_OK;
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

static int run(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : NULL;
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

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk, not the end */
    occupy_closed_streams();
    hide_keys(argc, argv);
    buffer_output();
    return flush_output(run(argc, argv));
}
