/*
 * bench_cli - the command line that the benchmarks of whole programs share.
 *
 *     PROGRAM [--quick] [--json] [--dir DIR] [--weft PROGRAM] [SCENARIO...]      no name: all of them
 */
#ifndef WEFT_TESTS_BENCH_CLI_H
#define WEFT_TESTS_BENCH_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/bench/bench_stats.h"

struct bench {
    struct report report;
    const char *dir;  /* where everything is written; NULL: bench_dir_default() */
    const char *weft; /* the program that is measured; NULL: the one built here */
    bool quick;
};

struct scenario {
    const char *name; /* NULL ends the list */
    void (*run)(struct bench *bench);
};

/* Runs what is named and prints the report. Returns the exit status. */
int bench_main(int argc, char **argv, const struct scenario *scenarios, struct bench *bench);
size_t bench_scaled(const struct bench *bench, size_t full, size_t quick);

#endif
