/*
 * bench_base - what every benchmark of whole programs needs: a clock, a directory, a look at a process, giving up.
 *
 *   Units      ns of CLOCK_MONOTONIC unless a name says otherwise.
 *   Errors     a benchmark that cannot go on says why and exits; what it has not measured it does not report.
 */
#ifndef WEFT_TESTS_BENCH_BASE_H
#define WEFT_TESTS_BENCH_BASE_H

#include <stdint.h>
#include <sys/types.h>

uint64_t bench_now_ns(void);
double bench_ms_since(uint64_t start_ns);
void bench_pause_ms(unsigned ms); /* the pause between two keys: a model of a person, not a way of waiting */

void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A fresh directory below `below`, which is made when it is missing. Heap string. */
char *bench_dir_new(const char *below);
void bench_dir_remove(char *dir); /* with all in it; frees the name */
/* Below the user's cache: files in temporary directories are special to weft. Heap string. */
char *bench_dir_default(void);

/* Of another process, or of this one with pid 0. -1: it cannot be read. */
double bench_rss_mb(pid_t pid);
double bench_cpu_ms(pid_t pid);
/* What all its threads have waited for a CPU while they had work, and how often they went to sleep or were put there. */
uint64_t bench_cpu_wait_ns(pid_t pid);
uint64_t bench_switches(pid_t pid);

#endif
