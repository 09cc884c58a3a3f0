/*
 * growth - how the cost of merging grows with the size of histories that are bad for merge engines.
 *
 *   growth [--from N] [--upto N] [FAMILY...]        1000 and 64000 unless told otherwise
 *
 * Every family is a history of n events, made beforehand; what is measured is the CPU time in which a replica that has
 * nothing takes it: all batches, then one update, or an update after each. Prints one row a family, Markdown:
 * milliseconds for n = 1000, 2000, 4000 ..., and the exponent, by the last two doublings, with which they grow (1:
 * twice as much takes twice as long). A family stops growing when one run takes RUN_MS_MAX.
 *
 *   growth --portions [N]                N: 1000000 unless told otherwise
 *
 * Somebody has typed N bytes at any place, and a key comes of one who has seen none of it: its merge at once, and in portions
 * (document_approach()), all of them and the longest; and what is left to do at the end.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/rope.h"
#include "sync/document.h"
#include "tests/bench/bench_clock.h"

enum { LEAST = 1000, POINTS_MAX = 16, BRANCHES = 32, RUN_MS_MAX = 4000 };

enum updates { ONCE, EACH };

struct family {
    const char *name, *what;
    void (*make)(struct batch_list *out, size_t n);
    enum updates updates;
};

/* --- histories --- */

static struct agent_id agent_number(uint32_t number)
{
    struct agent_id id = {{0}};
    for (int i = 0; i < 4; i++)
        id.bytes[i] = (unsigned char)(number >> (8 * (3 - i)));
    return id;
}

/* The next batch of an agent: one byte at `pos`. The caller adds what it has seen besides its own. */
static struct batch *type(struct batch_list *out, uint32_t agent, uint64_t seq, uint64_t pos)
{
    struct batch *batch = batch_list_add(out);
    batch->agent = agent_number(agent);
    batch->seq0 = seq;
    if (seq > 0)
        batch_add_parent(batch, (struct event_id){batch->agent, seq - 1});
    batch_add_insert(batch, pos, bytes_of_string("x"));
    return batch;
}

static void make_ascending(struct batch_list *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        type(out, (uint32_t)i, 0, 0);
}

static void make_descending(struct batch_list *out, size_t n)
{
    for (size_t i = n; i > 0; i--)
        type(out, (uint32_t)i, 0, 0);
}

static void make_shuffled(struct batch_list *out, size_t n)
{
    struct random random = random_of(1);
    for (size_t i = 0; i < n; i++)
        type(out, (uint32_t)random_below(&random, 1000) << 20 | (uint32_t)i, 0, 0);
}

/* Two people who do not see each other; `pos` of each next byte by what they have typed. */
static void make_two(struct batch_list *out, size_t n, uint64_t (*pos)(struct random *random, uint64_t typed))
{
    struct random random = random_of(2);
    for (uint32_t agent = 0; agent < 2; agent++)
        for (uint64_t i = 0; i < n / 2; i++)
            type(out, agent, i, pos(&random, i));
}

static uint64_t at_end(struct random *random, uint64_t typed)
{
    (void)random;
    return typed;
}

static uint64_t at_start(struct random *random, uint64_t typed)
{
    (void)random;
    (void)typed;
    return 0;
}

static uint64_t anywhere(struct random *random, uint64_t typed)
{
    return random_below(random, typed + 1);
}

static void make_two_forward(struct batch_list *out, size_t n)
{
    make_two(out, n, at_end);
}

static void make_two_backward(struct batch_list *out, size_t n)
{
    make_two(out, n, at_start);
}

static void make_two_scattered(struct batch_list *out, size_t n)
{
    make_two(out, n, anywhere);
}

static void make_two_alternating(struct batch_list *out, size_t n)
{
    struct random random = random_of(5);
    for (uint64_t i = 0; i < n / 2; i++)
        for (uint32_t agent = 0; agent < 2; agent++)
            type(out, agent, i, random_below(&random, i + 1));
}

/* One never sees the other, who sees everything at once. */
static void make_one_sided(struct batch_list *out, size_t n)
{
    for (uint64_t i = 0; i < n / 2; i++) {
        type(out, 0, i, i);
        batch_add_parent(type(out, 1, i, 2 * i + 1), (struct event_id){agent_number(0), i});
    }
}

/* Both type one byte at once, then each sees what the other typed. */
static void make_rounds(struct batch_list *out, size_t n)
{
    for (uint64_t i = 0; i < n / 2; i++)
        for (uint32_t agent = 0; agent < 2; agent++) {
            struct batch *batch = type(out, agent, i, 2 * i);
            if (i > 0)
                batch_add_parent(batch, (struct event_id){agent_number(1 - agent), i - 1});
        }
}

/* Branches with bytes in them, then people each of whom has seen another half of them. */
static void make_halves(struct batch_list *out, size_t n)
{
    struct random random = random_of(3);
    for (uint32_t branch = 0; branch < BRANCHES; branch++)
        for (uint64_t i = 0; i < n / 2 / BRANCHES; i++)
            type(out, branch, i, random_below(&random, i + 1));
    for (uint32_t i = 0; i < n / 2; i++) {
        struct batch *batch = type(out, BRANCHES + i, 0, 0);
        for (uint32_t branch = 0; branch < BRANCHES; branch++)
            if (random_chance(&random, 2))
                batch_add_parent(batch, (struct event_id){agent_number(branch), n / 2 / BRANCHES - 1});
    }
}

/* A chain, then people with a key each, each of whom has seen one event of it less: every one makes its newest event
   concurrent. */
static void make_backing(struct batch_list *out, size_t n)
{
    for (uint64_t i = 0; i < n / 2; i++)
        type(out, 0, i, i);
    for (uint32_t i = 0; i < n / 2; i++) {
        uint64_t seen = n / 2 - 1 - i;
        struct batch *batch = type(out, 1 + i, 0, seen);
        if (seen > 0)
            batch_add_parent(batch, (struct event_id){agent_number(0), seen - 1});
    }
}

static const struct family families[] = {
    {"ascending", "n people insert at one place, ids ascending", make_ascending, ONCE},
    {"descending", "the same, ids descending", make_descending, ONCE},
    {"shuffled", "the same, ids in any order", make_shuffled, ONCE},
    {"shuffled-live", "the same, an update after each", make_shuffled, EACH},
    {"forward", "two type n / 2 each, unseen by the other", make_two_forward, ONCE},
    {"forward-live", "the same, an update after each key", make_two_forward, EACH},
    {"scattered", "two type n / 2 each anywhere in what they have, unseen", make_two_scattered, ONCE},
    {"alternating-live", "the same, by turns, an update after each key", make_two_alternating, EACH},
    {"backward", "two type backwards at one place, byte by byte, unseen", make_two_backward, ONCE},
    {"one-sided-live", "one never sees the other, an update after each key", make_one_sided, EACH},
    {"rounds-live", "both type one byte at once, sync, n / 2 times", make_rounds, EACH},
    {"backing-live", "n / 2 keys, then n / 2 people who have seen one of them less each", make_backing, EACH},
    {"halves", "32 branches, then n / 2 people who have seen another half of them each", make_halves, ONCE},
};

/* --- measuring --- */

static void update(struct document *document, struct patch *patch)
{
    document_update(document, patch);
}

static double run(const struct family *family, size_t n)
{
    struct batch_list batches = {0};
    struct error err = {0};
    struct patch patch = {0};
    struct rope *base = rope_new();
    struct document *document = document_new(base);
    family->make(&batches, n);
    double start = process_ms();
    for (size_t i = 0; i < batches.count; i++) {
        if (document_add(document, &batches.items[i], &err) != DOCUMENT_ADDED) {
            fprintf(stderr, "growth: a batch of %s was not added: %s\n", family->name, err.text);
            exit(1);
        }
        if (family->updates == EACH)
            update(document, &patch);
    }
    update(document, &patch);
    double ms = process_ms() - start;
    batch_list_release(&batches);
    patch_release(&patch);
    document_free(document);
    rope_free(base);
    return ms;
}

static void measure(const struct family *family, size_t from, size_t upto)
{
    double ms[POINTS_MAX];
    size_t count = 0;
    printf("| %s: %s |", family->name, family->what);
    for (size_t n = from; n <= upto && count < POINTS_MAX; n *= 2) {
        ms[count] = run(family, n);
        printf(" %.1f", ms[count]);
        fflush(stdout);
        if (ms[count++] > RUN_MS_MAX)
            break;
    }
    double exponent = count > 2 ? log2(ms[count - 1] / ms[count - 3]) / 2 : 0;
    printf(" | %.2f |\n", exponent);
}

static bool is_wanted(const struct family *family, char **names, int count)
{
    bool found = count == 0;
    for (int i = 0; i < count; i++)
        found = found || strcmp(names[i], family->name) == 0;
    return found;
}

/* --- in portions --- */

enum { PORTION_STEPS = 500, PAGE = 50000 };

static struct document *document_with_pages(const struct rope *base, size_t n)
{
    struct document *document = document_new(base);
    struct random random = random_of(7);
    struct patch patch = {0};
    struct error err = {0};
    for (size_t seq = 0; seq < n; seq += PAGE) {
        struct batch_list batches = {0};
        struct batch *batch = type(&batches, 1, seq, random_below(&random, seq + 1));
        for (size_t i = 1; i < PAGE; i++)
            batch_add_insert(batch, random_below(&random, seq + i + 1), bytes_of_string("x"));
        if (document_add(document, batch, &err) != DOCUMENT_ADDED)
            exit(1);
        batch_list_release(&batches);
    }
    document_update(document, &patch);
    patch_release(&patch);
    return document;
}

static double merge_rest(struct document *document, const struct batch *key)
{
    struct patch patch = {0};
    struct error err = {0};
    double start = process_ms();
    if (document_add(document, key, &err) != DOCUMENT_ADDED)
        exit(1);
    document_update(document, &patch);
    double ms = process_ms() - start;
    patch_release(&patch);
    return ms;
}

static void measure_portions(size_t n)
{
    struct rope *base = rope_new();
    struct batch_list keys = {0};
    struct batch *key = type(&keys, 2, 0, 0);
    struct document *document = document_with_pages(base, n);
    double at_once = merge_rest(document, key), all = 0, longest = 0;
    size_t portions = 0;
    document_free(document);
    document = document_with_pages(base, n);
    for (bool there = false; !there; portions++) {
        double start = process_ms();
        there = document_approach(document, key, PORTION_STEPS);
        double ms = process_ms() - start;
        all += ms;
        longest = ms > longest ? ms : longest;
    }
    printf("at once %.1f ms; %zu portions %.1f ms, the longest %.2f, then %.3f\n", at_once, portions, all, longest,
           merge_rest(document, key));
    document_free(document);
    batch_list_release(&keys);
    rope_free(base);
}

int main(int argc, char **argv)
{
    size_t from = LEAST, upto = (size_t)64 * LEAST;
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "--portions") == 0) {
        measure_portions(argc > 2 ? strtoul(argv[2], NULL, 10) : (size_t)1000 * 1000);
        return 0;
    }
    for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2)
        *(strcmp(argv[first], "--from") == 0 ? &from : &upto) = strtoul(argv[first + 1], NULL, 10);
    printf("| family | ms for n = %zu and twice as many each | exponent |\n|---|---|---:|\n", from);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (is_wanted(&families[i], argv + first, argc - first))
            measure(&families[i], from, upto);
    return 0;
}
