#include "tests/bench/bench_cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench_base.h"

static int usage(const char *program, const struct scenario *scenarios)
{
    fprintf(stderr, "%s [--quick] [--json] [--dir DIR] [--weft PROGRAM] [SCENARIO...]; scenarios:", program);
    for (; scenarios->name; scenarios++)
        fprintf(stderr, " %s", scenarios->name);
    fputc('\n', stderr);
    return 2;
}

static bool is_among(const char *name, char *const *words)
{
    while (*words && strcmp(*words, name) != 0)
        words++;
    return *words != NULL;
}

static bool all_exist(char *const *words, const struct scenario *scenarios)
{
    for (; *words; words++) {
        const struct scenario *each = scenarios;
        while (each->name && strcmp(each->name, *words) != 0)
            each++;
        if (!each->name)
            return false;
    }
    return true;
}

int bench_main(int argc, char **argv, const struct scenario *scenarios, struct bench *bench)
{
    bool json = false;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--quick") == 0)
            bench->quick = true;
        else if (strcmp(argv[at], "--json") == 0)
            json = true;
        else if (strcmp(argv[at], "--dir") == 0 && at + 1 < argc)
            bench->dir = argv[++at];
        else if (strcmp(argv[at], "--weft") == 0 && at + 1 < argc)
            bench->weft = argv[++at];
        else
            return usage(argv[0], scenarios);
    }
    if (!all_exist(argv + at, scenarios))
        return usage(argv[0], scenarios);
    char *dir = bench_dir_default();
    bench->dir = bench->dir ? bench->dir : dir;
    for (const struct scenario *each = scenarios; each->name; each++)
        if (at == argc || is_among(each->name, argv + at))
            each->run(bench);
    (json ? report_json : report_table)(&bench->report, stdout);
    report_release(&bench->report);
    free(dir);
    return 0;
}

size_t bench_scaled(const struct bench *bench, size_t full, size_t quick)
{
    return bench->quick ? quick : full;
}
