/*
 * bench_clock - how much of a processor this process, or this thread, has had so far, for benchmarks that take their own time.
 *
 *   Units      milliseconds.
 *   Errors     none: there are these clocks on every machine that is measured.
 */
#ifndef WEFT_TESTS_BENCH_CLOCK_H
#define WEFT_TESTS_BENCH_CLOCK_H

#include <time.h>

static inline double bench_clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline double process_ms(void)
{
    return bench_clock_ms(CLOCK_PROCESS_CPUTIME_ID);
}

static inline double thread_ms(void)
{
    return bench_clock_ms(CLOCK_THREAD_CPUTIME_ID);
}

#endif
