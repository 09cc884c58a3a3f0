/*
 * curves - what ordinary histories cost as they become long: CPU time and memory, up to ten million events.
 *
 *   curves [--upto N] [FAMILY...]        N: 10240000 unless told otherwise
 *
 * A history of n events is made as people would have written it, and taken in by a replica that has nothing: as one message
 * (bulk), as the other branch (offline), or key by key, with the text brought up to date after each (live). Making it is
 * not measured. Prints Markdown, for n = 10,000 and four times as many each: CPU milliseconds, the most memory that was held
 * meanwhile and what is held afterwards (document and text, from malloc(), tests/support/heap.h), and the exponent, by the
 * last two steps, with which time grows (1: four times as much takes four times as long).
 *
 * People who type at once sit at a line each, press 5 keys a second (every tenth is a backspace) and see the others' keys
 * 0.15 s later. With ten of them no version stays critical: what they make in an hour is 180,000 events.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/rope.h"
#include "sync/document.h"
#include "tests/bench/bench_clock.h"
#include "tests/support/heap.h"

enum { LEAST = 10000, FACTOR = 4, POINTS_MAX = 8, CHUNK = 256, PEOPLE_MAX = 10, BACKSPACE_EACH = 10 };
#define MEMORY_MAX 12e9 /* a family stops before it needs so much */
enum { KEY_MS = 200, JITTER_MS = 180, LATENCY_MS = 150, BASE_BYTES = 100000 };

/* --- histories: batches, one after another --- */

/* One person: words of up to 30 bytes at any place, of which every eighth is followed by a few bytes deleted there. */
struct writer {
    struct agent_id agent;
    struct random random;
    uint64_t events, len; /* of the text as they have it */
    bool has_base;        /* the first batch names the base branch as its parent */
};

struct person {
    struct agent_id agent;
    uint64_t typed;
    uint64_t seen[PEOPLE_MAX]; /* of each other's events */
};

struct room {
    struct person people[PEOPLE_MAX];
    size_t count;
};

static struct agent_id agent_number(unsigned char number)
{
    return (struct agent_id){{number}};
}

static void write_word(struct writer *writer, struct batch *batch)
{
    char word[30];
    struct random *random = &writer->random;
    size_t len = 1 + (size_t)random_below(random, sizeof word);
    uint64_t at = random_below(random, writer->len + 1), back = random_chance(random, 8) ? 1 + random_below(random, len) : 0;
    batch->agent = writer->agent;
    batch->seq0 = writer->events;
    if (writer->events > 0)
        batch_add_parent(batch, (struct event_id){writer->agent, writer->events - 1});
    else if (writer->has_base)
        batch_add_parent(batch, (struct event_id){agent_number(0), BASE_BYTES - 1});
    for (size_t i = 0; i < len; i++)
        word[i] = (char)('a' + random_below(random, 26));
    batch_add_insert(batch, at, bytes_of(word, len));
    if (back > 0)
        batch_add_delete(batch, at + len - back, back);
    writer->events += len + back;
    writer->len += len - back;
}

/* When somebody pressed a key, in milliseconds: ascending for each of them. */
static uint64_t key_ms(size_t who, uint64_t key)
{
    struct random random = random_of(key * PEOPLE_MAX + who);
    return key * KEY_MS + random_below(&random, JITTER_MS);
}

static uint64_t length_after(uint64_t keys)
{
    return keys - keys / BACKSPACE_EACH * 2;
}

/* Whether somebody's newest event that is seen in the room of `who` is an ancestor of another one seen there. */
static bool is_covered(const struct room *room, const struct person *who, size_t whose)
{
    uint64_t when = key_ms(whose, who->seen[whose] - 1);
    for (size_t other = 0; other < room->count; other++)
        if (other != whose && who->seen[other] > 0 && when + LATENCY_MS <= key_ms(other, who->seen[other] - 1))
            return true;
    return false;
}

static void press_key(struct room *room, size_t index, struct batch *batch)
{
    struct person *who = &room->people[index];
    uint64_t now = key_ms(index, who->typed), at = index;
    for (size_t other = 0; other < room->count; other++)
        while (other != index && who->seen[other] < room->people[other].typed &&
               key_ms(other, who->seen[other]) + LATENCY_MS <= now)
            who->seen[other]++;
    who->seen[index] = who->typed;
    batch->agent = who->agent;
    batch->seq0 = who->typed;
    for (size_t other = 0; other < room->count; other++)
        if (who->seen[other] > 0 && !is_covered(room, who, other))
            batch_add_parent(batch, (struct event_id){room->people[other].agent, who->seen[other] - 1});
    for (size_t other = 0; other <= index; other++)
        at += length_after(who->seen[other]);
    if (who->typed % BACKSPACE_EACH == BACKSPACE_EACH - 1)
        batch_add_delete(batch, at - 1, 1);
    else
        batch_add_insert(batch, at, bytes_of_string("x"));
    who->typed++;
}

/* The next key of whoever presses one first. */
static void next_key(struct room *room, struct batch *batch)
{
    size_t first = 0;
    for (size_t i = 1; i < room->count; i++)
        if (key_ms(i, room->people[i].typed) < key_ms(first, room->people[first].typed))
            first = i;
    press_key(room, first, batch);
}

static struct room room_of(size_t people)
{
    struct room room = {.count = people};
    for (size_t i = 0; i < people; i++)
        room.people[i].agent = agent_number((unsigned char)(i + 1));
    return room;
}

/* A line for each of them. */
static struct rope *lines_of(size_t people)
{
    return rope_from_bytes(bytes_of("\n\n\n\n\n\n\n\n\n\n", people));
}

/* --- a replica, and what it costs --- */

struct cost {
    double ms;
    long peak, held; /* bytes */
};

struct peer {
    struct document *document;
    struct rope *text;
    struct patch patch;
};

static struct peer peer_of(struct document *document, const struct rope *base)
{
    ensure(document);
    return (struct peer){.document = document, .text = rope_snapshot(base)};
}

static void peer_add(struct peer *peer, const struct batch *batch)
{
    struct error err = {0};
    if (document_add(peer->document, batch, &err) != DOCUMENT_ADDED) {
        fprintf(stderr, "curves: a batch was not added: %s\n", err.text);
        exit(1);
    }
}

static void peer_update(struct peer *peer)
{
    document_update(peer->document, &peer->patch);
    rope_apply(peer->text, &peer->patch);
}

static void peer_release(struct peer *peer)
{
    document_free(peer->document);
    rope_free(peer->text);
    patch_release(&peer->patch);
}

static void add_words(struct peer *peer, struct writer *writer, uint64_t events)
{
    struct batch batch = {0};
    for (uint64_t end = writer->events + events; writer->events < end;) {
        batch_clear(&batch);
        write_word(writer, &batch);
        peer_add(peer, &batch);
    }
    batch_release(&batch);
}

/* --- tasks --- */

/* The whole history as one message. */
static struct cost run_bulk(struct peer *source, const struct rope *base)
{
    struct buf message = {0};
    struct error err = {0};
    struct cost cost;
    document_encode(source->document, &message);
    peer_release(source);
    heap_begin();
    double start = process_ms();
    struct peer peer = peer_of(document_decode(buf_view(&message), base, &err), base);
    peer_update(&peer);
    cost = (struct cost){process_ms() - start, heap_peak(), heap_now()};
    heap_end();
    peer_release(&peer);
    buf_release(&message);
    return cost;
}

static struct cost bulk_alone(uint64_t n, size_t people)
{
    struct rope *base = rope_new();
    struct peer source = peer_of(document_new(base), base);
    struct writer writer = {.agent = agent_number((unsigned char)people), .random = random_of(1)};
    add_words(&source, &writer, n);
    struct cost cost = run_bulk(&source, base);
    rope_free(base);
    return cost;
}

static struct cost bulk_together(uint64_t n, size_t people)
{
    struct rope *base = lines_of(people);
    struct peer source = peer_of(document_new(base), base);
    struct room room = room_of(people);
    struct batch batch = {0};
    for (uint64_t i = 0; i < n; i++) {
        batch_clear(&batch);
        next_key(&room, &batch);
        peer_add(&source, &batch);
    }
    batch_release(&batch);
    struct cost cost = run_bulk(&source, base);
    rope_free(base);
    return cost;
}

/* Two have a text in common, then write n / 2 each, unseen by the other; the branch of one comes to the other one. */
static struct cost offline(uint64_t n, size_t people)
{
    struct rope *base = rope_new();
    struct peer peer = peer_of(document_new(base), base);
    struct writer first = {.agent = agent_number(0), .random = random_of(2)};
    struct batch_list theirs = {0};
    struct batch *batch = batch_list_add(&theirs);
    struct buf text = {0};
    ensure(people == 2);
    memset(buf_extend(&text, BASE_BYTES), '.', BASE_BYTES);
    batch->agent = agent_number(0);
    batch_add_insert(batch, 0, buf_view(&text));
    heap_begin();
    peer_add(&peer, batch);
    first = (struct writer){.agent = agent_number(1), .random = random_of(2), .len = BASE_BYTES, .has_base = true};
    add_words(&peer, &first, n / 2);
    peer_update(&peer);
    struct cost cost = {.ms = 0};
    struct writer other = {.agent = agent_number(2), .random = random_of(3), .len = BASE_BYTES, .has_base = true};
    heap_peak_reset();
    while (other.events < n / 2) {
        batch_list_clear(&theirs);
        while (theirs.count < CHUNK && other.events < n / 2)
            write_word(&other, batch_list_add(&theirs));
        double start = process_ms();
        for (size_t i = 0; i < theirs.count; i++)
            peer_add(&peer, &theirs.items[i]);
        cost.ms += process_ms() - start;
    }
    double start = process_ms();
    peer_update(&peer);
    cost = (struct cost){cost.ms + process_ms() - start, heap_peak(), heap_now()};
    heap_end();
    peer_release(&peer);
    batch_list_release(&theirs);
    buf_release(&text);
    rope_free(base);
    return cost;
}

/* Key by key. */
static struct cost live(uint64_t n, size_t people)
{
    struct rope *base = lines_of(people);
    struct room room = room_of(people);
    struct batch_list keys = {0};
    struct cost cost = {.ms = 0};
    heap_begin();
    struct peer peer = peer_of(document_new(base), base);
    for (uint64_t done = 0; done < n; done += keys.count) {
        batch_list_clear(&keys);
        while (keys.count < CHUNK && done + keys.count < n)
            next_key(&room, batch_list_add(&keys));
        double start = process_ms();
        for (size_t i = 0; i < keys.count; i++) {
            peer_add(&peer, &keys.items[i]);
            peer_update(&peer);
        }
        cost.ms += process_ms() - start;
    }
    cost.peak = heap_peak();
    cost.held = heap_now();
    heap_end();
    peer_release(&peer);
    batch_list_release(&keys);
    rope_free(base);
    return cost;
}

static const struct family {
    const char *name, *what;
    struct cost (*run)(uint64_t n, size_t people);
    size_t people;
} families[] = {
    {"bulk-alone", "bulk: one person's words at any place", bulk_alone, 1},
    {"bulk-two", "bulk: two who typed at once", bulk_together, 2},
    {"bulk-ten", "bulk: ten who typed at once", bulk_together, 10},
    {"offline", "offline: two branches, words at any place", offline, 2},
    {"live-two", "live: two who type at once", live, 2},
    {"live-ten", "live: ten who type at once (an hour: 180,000)", live, 10},
};

/* --- printing --- */

static void print_row(const char *name, const struct cost *costs, size_t count, double (*of)(const struct cost *cost))
{
    printf("| %s |", name);
    for (size_t i = 0; i < count; i++)
        printf(" %.3g |", of(&costs[i]));
}

static double ms_of(const struct cost *cost)
{
    return cost->ms;
}

static double peak_of(const struct cost *cost)
{
    return (double)cost->peak / 1e6;
}

static double held_of(const struct cost *cost)
{
    return (double)cost->held / 1e6;
}

static void measure(const struct family *family, uint64_t upto)
{
    struct cost costs[POINTS_MAX];
    size_t count = 0;
    for (uint64_t n = LEAST; n <= upto && count < POINTS_MAX; n *= FACTOR) {
        if (count > 0 && (double)costs[count - 1].peak * FACTOR > MEMORY_MAX)
            break;
        costs[count++] = family->run(n, family->people);
    }
    double exponent = count > 2 ? log2(costs[count - 1].ms / costs[count - 3].ms) / (2 * log2(FACTOR)) : 0;
    print_row(family->what, costs, count, ms_of);
    printf(" %.2f |\n", exponent);
    print_row("at most, MB", costs, count, peak_of);
    printf(" |\n");
    print_row("held after, MB", costs, count, held_of);
    printf(" |\n");
    fflush(stdout);
}

static bool is_wanted(const struct family *family, char **names, int count)
{
    bool found = count == 0;
    for (int i = 0; i < count; i++)
        found = found || strcmp(names[i], family->name) == 0;
    return found;
}

int main(int argc, char **argv)
{
    uint64_t upto = 10240000;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--upto") == 0) {
        upto = strtoull(argv[2], NULL, 10);
        first = 3;
    }
    printf("| history, ms |");
    for (uint64_t n = LEAST; n <= upto; n *= FACTOR)
        printf(" %llu |", (unsigned long long)n);
    printf(" exponent |\n|---|");
    for (uint64_t n = LEAST; n <= upto; n *= FACTOR)
        printf("---:|");
    printf("---:|\n");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (is_wanted(&families[i], argv + first, argc - first))
            measure(&families[i], upto);
    return 0;
}
