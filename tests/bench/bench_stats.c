#include "tests/bench/bench_stats.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- samples --- */

void samples_add(struct samples *samples, uint64_t ns)
{
    samples->ns = xgrow(samples->ns, &samples->cap, samples->count + 1, sizeof *samples->ns);
    samples->ns[samples->count++] = ns;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double samples_percentile_ms(struct samples *samples, unsigned percent)
{
    if (samples->count == 0)
        return 0;
    qsort(samples->ns, samples->count, sizeof *samples->ns, by_size);
    size_t at = samples->count * percent / 100;
    return (double)samples->ns[at < samples->count ? at : samples->count - 1] / 1e6;
}

double samples_mean_ms(const struct samples *samples)
{
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++)
        sum += (double)samples->ns[i];
    return samples->count ? sum / (double)samples->count / 1e6 : 0;
}

void samples_release(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){0};
}

/* --- reports --- */

static struct report_row *add_row(struct report *report, const char *name)
{
    report->rows = xgrow(report->rows, &report->cap, report->count + 1, sizeof *report->rows);
    struct report_row *row = &report->rows[report->count++];
    *row = (struct report_row){.name = xstrdup(name), .target = xstrdup(""), .note = xstrdup(""), .unit = ""};
    return row;
}

static void add_figure(struct report *report, struct report_row figure)
{
    struct report_row *row = add_row(report, figure.name);
    row->measured = figure.measured;
    row->unit = figure.unit;
    row->limit = figure.limit;
    row->at_least = figure.at_least;
    if (figure.limit > 0) {
        free(row->target);
        row->target = xformat("%s %.4g", figure.at_least ? ">=" : "<=", figure.limit);
    }
    fprintf(stderr, "%s: %.4g %s\n", figure.name, figure.measured, figure.unit);
}

void report_at_most(struct report *report, const char *name, double limit, double measured, const char *unit)
{
    add_figure(report, (struct report_row){.name = (char *)name, .limit = limit, .measured = measured, .unit = unit});
}

void report_at_least(struct report *report, const char *name, double limit, double measured, const char *unit)
{
    add_figure(report, (struct report_row){.name = (char *)name, .limit = limit, .measured = measured, .unit = unit,
                                           .at_least = true});
}

void report_figure(struct report *report, const char *name, double measured, const char *unit)
{
    add_figure(report, (struct report_row){.name = (char *)name, .measured = measured, .unit = unit});
}

void report_note(struct report *report, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct report_row *row = &report->rows[report->count - 1];
    free(row->note);
    row->note = xstrdup(text);
}

static const char *verdict(const struct report_row *row)
{
    if (row->limit <= 0)
        return "";
    bool met = row->at_least ? row->measured >= row->limit : row->measured <= row->limit;
    return met ? "met" : "MISSED";
}

void report_table(const struct report *report, FILE *out)
{
    fputs("| what | reach | measured | | note |\n|---|---:|---:|---|---|\n", out);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        fprintf(out, "| %s | %s | %.4g %s | %s | %s |\n", row->name, row->target, row->measured, row->unit, verdict(row),
                row->note);
    }
}

/* Names and notes are ours: letters, digits and marks without quotes. */
void report_json(const struct report *report, FILE *out)
{
    fputs("{\"rows\": [", out);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        fprintf(out, "%s{\"name\": \"%s\", \"target\": \"%s\", \"measured\": ", i ? ", " : "", row->name, row->target);
        fprintf(out, "%.6g, \"unit\": \"%s\", \"verdict\": \"%s\", \"note\": \"%s\"}", row->measured, row->unit,
                verdict(row), row->note);
    }
    fputs("]}\n", out);
}

void report_release(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->rows[i].name);
        free(report->rows[i].target);
        free(report->rows[i].note);
    }
    free(report->rows);
    *report = (struct report){0};
}
