/*
 * bench_stats - percentiles of times, and rows of figures, for the benchmarks.
 *
 *   Units      ns unless a name says otherwise.
 *   Ownership  texts of rows are copied; a report and samples are released by who made them.
 */
#ifndef WEFT_TESTS_BENCH_STATS_H
#define WEFT_TESTS_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct samples {
    uint64_t *ns;
    size_t count, cap;
};
void samples_add(struct samples *samples, uint64_t ns);
double samples_percentile_ms(struct samples *samples, unsigned percent); /* sorts; 0 when there are none */
double samples_mean_ms(const struct samples *samples);
void samples_release(struct samples *samples);

struct report_row {
    char *name, *target, *note;
    const char *unit;
    double measured;
    double limit; /* measured should not be above it (below, when at_least); 0: no target */
    bool at_least;
};

struct report {
    struct report_row *rows;
    size_t count, cap;
};
/* They copy what they are given and say it on stderr at once, for who watches. */
void report_at_most(struct report *report, const char *name, double limit, double measured, const char *unit);
void report_at_least(struct report *report, const char *name, double limit, double measured, const char *unit);
void report_figure(struct report *report, const char *name, double measured, const char *unit); /* without a target */
void report_note(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* on the last row */
void report_table(const struct report *report, FILE *out); /* Markdown */
void report_json(const struct report *report, FILE *out); /* one object, one line */
void report_release(struct report *report);

#endif
