/*
 * realtime - how fast the whole is: replicas with journals and network threads, a relay in a process of its own, loopback.
 *
 *     realtime [--quick] [--json] [--dir DIR] [SCENARIO...]      no name: all of them
 *
 * DIR should be on the disk one wants to know about: every operation is journaled there, and the relay's store is there
 * too. The relay's limits against many connections and records from one address are off, because
 * all people here come from 127.0.0.1; nothing else differs from `weft relay`.
 *
 * All people share one thread and, with the relay and everybody's network and journal threads, the cores of one
 * machine; a room of 50 is thus slower here than it is on 50 machines: 50 people x 1,000 operations are 2.5 million that are
 * opened, checked, merged and journaled here, 50,000 on a machine of one's own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/bench/bench_base.h"
#include "tests/bench/bench_cli.h"
#include "tests/bench/bench_load.h"
#include "tests/bench/bench_proxy.h"
#include "tests/bench/bench_room.h"
#include "tests/bench/bench_tty.h"

static const struct bytes one_letter = {(const unsigned char *)"x", 1};

/* A room whose host shares a text of 10 kB, with so many people. */
static void open_room(struct bench *bench, struct room *room, size_t people)
{
    struct buf text = {0};
    while (text.len < 10000)
        buf_add_string(&text, "The quick brown fox jumps over the lazy dog.\n");
    room_open(room, bench->dir);
    room_host(room, room->relay_port, buf_view(&text));
    while (room->count < people)
        room_join(room, room->relay_port);
    buf_release(&text);
}

static void need(bool done, const char *what)
{
    if (!done)
        bench_fail("%s: not done within %d s", what, ROOM_PATIENCE_MS / 1000);
}

/* Everybody somewhere else in the text, as people are. */
static void spread_out(struct room *room)
{
    uint64_t len = person_len(&room->people[0]);
    for (size_t i = 0; i < room->count; i++)
        replica_select(room->people[i].replica, selection_at(len * i / room->count));
    room_linger(room, 100);
}

/* --- one person --- */

static void local_operations(struct bench *bench, unsigned pause_ms, size_t keys)
{
    struct room room;
    struct samples edits = {0}, barriers = {0};
    open_room(bench, &room, 1);
    for (size_t i = 0; i < keys + 5; i++) { /* the first ones make the journal */
        room_linger(&room, pause_ms);
        uint64_t start_ns = bench_now_ns();
        person_type(&room.people[0], one_letter);
        uint64_t edited_ns = bench_now_ns();
        replica_barrier(room.people[0].replica);
        uint64_t held_ns = bench_now_ns();
        replica_shown(room.people[0].replica);
        if (i >= 5) {
            samples_add(&edits, edited_ns - start_ns);
            samples_add(&barriers, held_ns - start_ns);
        }
    }
    char *name = xformat("one local operation, keys %u ms apart, p50", pause_ms);
    report_at_most(&bench->report, name, 0.1, samples_percentile_ms(&barriers, 50), "ms");
    report_note(&bench->report, "until it is on the disk; p99 %.3f; the edit alone p50 %.3f, p99 %.3f",
                samples_percentile_ms(&barriers, 99), samples_percentile_ms(&edits, 50),
                samples_percentile_ms(&edits, 99));
    free(name);
    samples_release(&edits);
    samples_release(&barriers);
    room_close(&room);
}

static void run_local(struct bench *bench)
{
    local_operations(bench, 2, bench_scaled(bench, 1000, 300));
    local_operations(bench, 50, bench_scaled(bench, 200, 40));
}

/* --- two people --- */

static double sync_latency(struct bench *bench, struct room *room, unsigned pause_ms, size_t keys, double *p99_ms)
{
    struct samples samples = {0};
    (void)bench;
    for (size_t i = 0; i < keys; i++) {
        room_linger(room, pause_ms);
        uint64_t len = person_len(&room->people[1]);
        uint64_t start_ns = bench_now_ns();
        person_type(&room->people[0], one_letter);
        replica_barrier(room->people[0].replica);
        while (person_len(&room->people[1]) == len)
            room_turn(room, 1000);
        samples_add(&samples, bench_now_ns() - start_ns);
    }
    double median_ms = samples_percentile_ms(&samples, 50);
    *p99_ms = samples_percentile_ms(&samples, 99);
    samples_release(&samples);
    return median_ms;
}

static void run_sync(struct bench *bench)
{
    struct room room;
    double p99_ms;
    open_room(bench, &room, 2);
    double median_ms = sync_latency(bench, &room, 25, bench_scaled(bench, 200, 80), &p99_ms);
    report_at_most(&bench->report, "a key to the other's text, keys 25 ms apart, median", 5, median_ms, "ms");
    report_note(&bench->report, "p99 %.2f", p99_ms);
    median_ms = sync_latency(bench, &room, 120, bench_scaled(bench, 100, 20), &p99_ms);
    report_at_most(&bench->report, "a key to the other's text, keys 120 ms apart, median", 5, median_ms, "ms");
    report_note(&bench->report, "p99 %.2f", p99_ms);
    room_close(&room);
}

/* Until both have put all they typed onto the wire, where it is held. */
static void wait_until_held(struct room *room, struct proxy *proxy)
{
    uint64_t before;
    do {
        before = proxy_counts(proxy).waiting_bytes;
        room_linger(room, 150);
    } while (proxy_counts(proxy).waiting_bytes != before);
}

static void run_conflict(struct bench *bench)
{
    struct room room;
    struct samples samples = {0};
    room_open(&room, bench->dir);
    struct proxy *proxy = proxy_start(room.relay_port);
    room_host(&room, proxy_port(proxy), bytes_of_string("one line\n"));
    room_join(&room, proxy_port(proxy));
    for (size_t round = 0; round < bench_scaled(bench, 20, 5); round++) {
        uint64_t len = person_len(&room.people[0]);
        proxy_hold(proxy, true);
        for (size_t i = 0; i < 200; i++)
            person_type(&room.people[i % 2], one_letter);
        wait_until_held(&room, proxy);
        uint64_t start_ns = bench_now_ns();
        proxy_hold(proxy, false);
        need(room_converge(&room, len + 200), "conflict");
        samples_add(&samples, bench_now_ns() - start_ns);
        need(room_settle(&room), "conflict");
    }
    report_at_most(&bench->report, "conflict of 2 x 100 edits at one place, median", 5,
                   samples_percentile_ms(&samples, 50), "ms");
    report_note(&bench->report, "from the wire let go until both texts are equal; worst %.2f",
                samples_percentile_ms(&samples, 100));
    samples_release(&samples);
    room_close(&room);
    proxy_stop(proxy);
}

static void run_wire(struct bench *bench)
{
    struct room room;
    room_open(&room, bench->dir);
    struct proxy *proxy = proxy_start(room.relay_port);
    room_host(&room, proxy_port(proxy), bytes_of_string("one line\n"));
    room_join(&room, room.relay_port);
    size_t keys = bench_scaled(bench, 200, 60);
    room_linger(&room, 500);
    struct proxy_counts before = proxy_counts(proxy);
    for (size_t i = 0; i < keys; i++) {
        person_type(&room.people[0], one_letter);
        replica_barrier(room.people[0].replica);
        room_linger(&room, 120);
    }
    struct proxy_counts after = proxy_counts(proxy);
    report_figure(&bench->report, "bytes sent per key, keys 120 ms apart",
                  (double)(after.up_bytes - before.up_bytes) / (double)keys, "bytes");
    report_note(&bench->report, "edit, signature, cursor, proofs of life; %.0f bytes come back per key",
                (double)(after.down_bytes - before.down_bytes) / (double)keys);
    room_close(&room);
    proxy_stop(proxy);
}

static double type_all(struct room *room, size_t operations, struct bytes text, const char *what)
{
    uint64_t len = person_len(&room->people[0]);
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < operations; i++) {
        person_type(&room->people[0], text);
        room_turn(room, 0);
    }
    need(room_converge(room, len + operations * text.len), what);
    return bench_ms_since(start_ns);
}

static void run_bulk(struct bench *bench)
{
    struct room room;
    char kilobyte[1000];
    memset(kilobyte, 'k', sizeof kilobyte);
    open_room(bench, &room, 2);
    size_t operations = bench_scaled(bench, 10000, 10000);
    double ms = type_all(&room, operations, one_letter, "10,000 operations");
    report_at_most(&bench->report, "10,000 operations until both have them", 1000, ms, "ms");
    ms = type_all(&room, 1000, bytes_of(kilobyte, sizeof kilobyte), "1 kB operations");
    report_at_most(&bench->report, "1,000 operations of 1 kB until both have them", 1000, ms, "ms");
    room_close(&room);
}

/* Typing as fast as it goes for `seconds`; the first and the last tenth are compared. */
static void run_sustained(struct bench *bench)
{
    struct room room;
    struct samples first = {0}, last = {0};
    unsigned seconds = (unsigned)bench_scaled(bench, 30, 5);
    uint64_t all_ns = (uint64_t)seconds * 1000000000, typed = 0;
    open_room(bench, &room, 2);
    uint64_t len = person_len(&room.people[0]), begin_ns = bench_now_ns();
    for (uint64_t start_ns; (start_ns = bench_now_ns()) - begin_ns < all_ns; typed++) {
        person_type(&room.people[0], one_letter);
        replica_barrier(room.people[0].replica);
        uint64_t took_ns = bench_now_ns() - start_ns;
        if (start_ns - begin_ns < all_ns / 10)
            samples_add(&first, took_ns);
        else if (start_ns - begin_ns > all_ns / 10 * 9)
            samples_add(&last, took_ns);
        room_turn(&room, 0);
    }
    uint64_t end_ns = bench_now_ns();
    need(room_converge(&room, len + typed), "sustained");
    double first_ms = samples_percentile_ms(&first, 50), last_ms = samples_percentile_ms(&last, 50);
    char *name = xformat("%u s without a pause: p50 at the end / at the start", seconds);
    report_at_most(&bench->report, name, 1.2, last_ms / first_ms, "times");
    report_note(&bench->report, "%.3f ms, then %.3f ms; %llu operations; the other had all %.1f ms after the last",
                first_ms, last_ms, (unsigned long long)typed, bench_ms_since(end_ns));
    free(name);
    samples_release(&first);
    samples_release(&last);
    room_close(&room);
}

/* --- many people --- */

struct crowd_cost {
    double mean_ms;            /* of one operation, journal included, while all others type */
    double cpu_us_per_arrival; /* of the replicas: operations x people */
    double relay_cpu_us_per_arrival;
    double relay_rss_mb;
};

/* Everybody types a key in each round, then all live through a pause. */
static struct crowd_cost crowd_types(struct bench *bench, size_t people, size_t rounds, unsigned pause_ms)
{
    struct room room;
    struct samples operations = {0};
    open_room(bench, &room, people);
    spread_out(&room);
    uint64_t len = person_len(&room.people[0]);
    double cpu_ms = bench_cpu_ms(0), relay_ms = bench_cpu_ms(room.relay);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < people; i++) {
            uint64_t start_ns = bench_now_ns();
            person_type(&room.people[i], one_letter);
            replica_barrier(room.people[i].replica);
            samples_add(&operations, bench_now_ns() - start_ns);
            room_turn(&room, 0);
        }
        room_linger(&room, pause_ms);
    }
    need(room_converge(&room, len + people * rounds), "a crowd");
    double arrivals = (double)(people * people * rounds);
    struct crowd_cost cost = {.mean_ms = samples_mean_ms(&operations),
                              .cpu_us_per_arrival = (bench_cpu_ms(0) - cpu_ms) * 1000 / arrivals,
                              .relay_cpu_us_per_arrival = (bench_cpu_ms(room.relay) - relay_ms) * 1000 / arrivals,
                              .relay_rss_mb = bench_rss_mb(room.relay)};
    samples_release(&operations);
    room_close(&room);
    return cost;
}

static void report_crowd(struct bench *bench, size_t people, const struct crowd_cost *cost)
{
    char *name = xformat("%zu people type at once: mean operation", people);
    if (people <= 10)
        report_at_most(&bench->report, name, 1, cost->mean_ms, "ms");
    else /* more than two cores can do for so many */
        report_figure(&bench->report, name, cost->mean_ms, "ms");
    report_note(&bench->report, "CPU per operation and reader: replicas %.0f us, relay %.0f us", cost->cpu_us_per_arrival,
                cost->relay_cpu_us_per_arrival);
    free(name);
}

static void run_crowd(struct bench *bench)
{
    static const size_t sizes[] = {2, 10, 25, 50};
    struct crowd_cost costs[4] = {{0}};
    for (size_t i = 0; i < 4; i++) {
        if (bench->quick && sizes[i] == 25)
            continue;
        unsigned pause_ms = 100 + 10 * (unsigned)sizes[i]; /* so that the machine is not the limit that is measured */
        costs[i] = crowd_types(bench, sizes[i], bench_scaled(bench, 40, 8), pause_ms);
        report_crowd(bench, sizes[i], &costs[i]);
    }
    report_at_most(&bench->report, "CPU per operation and reader, 50 people / 2 people", 1,
                   (costs[3].cpu_us_per_arrival + costs[3].relay_cpu_us_per_arrival) /
                       (costs[0].cpu_us_per_arrival + costs[0].relay_cpu_us_per_arrival),
                   "times");
    report_at_most(&bench->report, "memory of the relay with 50 people", 40, costs[3].relay_rss_mb, "MB");
    report_note(&bench->report, "VmRSS");
}

/*
 * Everybody types by the clock, as people do: nobody waits for the machines of the others, though here they are one. Each
 * types what is due before he looks at what has come.
 */
static void type_by_the_clock(struct room *room, size_t each, unsigned a_second)
{
    uint64_t start_ns = bench_now_ns();
    for (size_t typed = 0; typed < each;) {
        size_t due = (size_t)((bench_now_ns() - start_ns) * a_second / 1000000000) + 1;
        for (; typed < due && typed < each; typed++)
            for (size_t p = 0; p < room->count; p++)
                person_type(&room->people[p], one_letter);
        room_turn(room, 1);
    }
}

/* The whole program in a terminal, after it has read all that these people wrote. */
static void report_editor(struct bench *bench, const struct room *room)
{
    enum { CALM_MS = 1000 };
    char *link = replica_link(room->people[0].replica, ACCESS_WRITE), *home = xformat("%s/editor", room->dir);
    const char *program = bench->weft ? bench->weft : WEFT_PROGRAM;
    struct tty *tty = tty_start((const char *[]){program, "join", "--name", "lin", link, NULL}, room->dir, home);
    tty_await(tty, "xxxxxxxx"); /* the text this began with has no such word */
    tty_calm(tty, CALM_MS);
    report_at_most(&bench->report, "memory of an editor that joins these 50", 30, bench_rss_mb(tty_pid(tty)), "MB");
    report_note(&bench->report, "VmRSS");
    tty_leave(tty, "\x11");
    free(link);
    free(home);
}

static void run_everybody(struct bench *bench)
{
    enum { PEOPLE = 50, A_SECOND = 20 };
    struct room room;
    size_t each = bench_scaled(bench, 1000, 40);
    open_room(bench, &room, PEOPLE);
    spread_out(&room);
    uint64_t len = person_len(&room.people[0]), start_ns = bench_now_ns();
    type_by_the_clock(&room, each, A_SECOND);
    double typing_ms = bench_ms_since(start_ns);
    need(room_converge(&room, len + PEOPLE * each), "50 people");
    double ms = bench_ms_since(start_ns);
    char *name = xformat("50 people x %zu operations, each %d a second: all texts equal after the last", each, A_SECOND);
    report_figure(&bench->report, name, ms - typing_ms, "ms");
    report_note(&bench->report, "%.0f arrivals a second; typing took %.1f s; relay VmRSS %.1f MB",
                (double)each * PEOPLE * PEOPLE / ms * 1000, typing_ms / 1000, bench_rss_mb(room.relay));
    free(name);
    report_editor(bench, &room);
    room_close(&room);
}

/* --- bad days --- */

static void run_bad_network(struct bench *bench)
{
    struct room room;
    size_t operations = bench_scaled(bench, 5000, 500);
    room_open(&room, bench->dir);
    struct proxy *proxy = proxy_start(room.relay_port);
    room_host(&room, proxy_port(proxy), bytes_of_string("one line\n"));
    room_join(&room, proxy_port(proxy));
    proxy_delay(proxy, 50, 30);
    uint64_t len = person_len(&room.people[0]), start_ns = bench_now_ns();
    uint64_t connections = proxy_counts(proxy).connections;
    for (size_t i = 0; i < operations; i++) {
        person_type(&room.people[i % 2], one_letter);
        room_linger(&room, 2);
        if (i % (operations / 5) == operations / 10)
            proxy_cut(proxy);
    }
    double typing_ms = bench_ms_since(start_ns);
    need(room_converge(&room, len + operations), "a bad network");
    char *name = xformat("%zu operations, 50-80 ms each way, 5 cuts: equal after the last", operations);
    report_figure(&bench->report, name, bench_ms_since(start_ns) - typing_ms, "ms");
    report_note(&bench->report, "2 people; typed for %.0f ms; %llu reconnections", typing_ms,
                (unsigned long long)(proxy_counts(proxy).connections - connections));
    free(name);
    room_close(&room);
    proxy_stop(proxy);
}

static void run_offline(struct bench *bench)
{
    struct room room;
    enum { EDITS = 1000, READERS = 3 };
    struct samples samples = {0};
    room_open(&room, bench->dir);
    struct proxy *proxy = proxy_start(room.relay_port);
    room_host(&room, proxy_port(proxy), bytes_of_string("one line\n"));
    while (room.count < 1 + READERS)
        room_join(&room, room.relay_port);
    for (size_t round = 0; round < bench_scaled(bench, 5, 2); round++) {
        uint64_t len = person_len(&room.people[0]);
        proxy_refuse(proxy, true);
        for (size_t i = 0; i < EDITS; i++) {
            person_type(&room.people[0], one_letter);
            room_linger(&room, i % 4 == 0);
        }
        room_linger(&room, 100);
        proxy_refuse(proxy, false);
        uint64_t start_ns = bench_now_ns();
        replica_retry(room.people[0].replica);
        need(room_converge(&room, len + EDITS), "offline");
        samples_add(&samples, bench_now_ns() - start_ns);
        need(room_settle(&room), "offline");
    }
    report_at_most(&bench->report, "1,000 edits made offline are with 3 others, median", 50,
                   samples_percentile_ms(&samples, 50), "ms");
    report_note(&bench->report, "from the link's return (retried at once): connect, prove, resume, send; worst %.1f",
                samples_percentile_ms(&samples, 100));
    samples_release(&samples);
    room_close(&room);
    proxy_stop(proxy);
}

/* What goes wrong for person 0 (whose wire is the proxy's) or for both, and is put right again after a while. */
struct stricken {
    struct room *room;
    struct proxy *proxy;
};

struct fault {
    const char *name;
    unsigned lasts_ms;
    void (*begin)(struct stricken *stricken);
    void (*end)(struct stricken *stricken);
    bool once; /* asking again for damaged records waits twice as long each time */
};

static void nothing_ends(struct stricken *stricken)
{
    (void)stricken;
}

static void cut_begins(struct stricken *stricken)
{
    proxy_cut(stricken->proxy);
}

static void garbling_begins(struct stricken *stricken)
{
    proxy_garble(stricken->proxy, true);
}

static void garbling_ends(struct stricken *stricken)
{
    proxy_garble(stricken->proxy, false);
}

static void silence_begins(struct stricken *stricken)
{
    proxy_swallow(stricken->proxy, true);
}

static void silence_ends(struct stricken *stricken)
{
    proxy_swallow(stricken->proxy, false);
}

static void refusal_begins(struct stricken *stricken)
{
    proxy_refuse(stricken->proxy, true);
}

static void refusal_ends(struct stricken *stricken)
{
    proxy_refuse(stricken->proxy, false);
}

static void stop_begins(struct stricken *stricken)
{
    kill(stricken->room->relay, SIGSTOP);
}

static void stop_ends(struct stricken *stricken)
{
    kill(stricken->room->relay, SIGCONT);
}

static void relay_dies(struct stricken *stricken)
{
    room_kill_relay(stricken->room);
}

static void relay_comes_back(struct stricken *stricken)
{
    room_restart_relay(stricken->room);
}

static void relay_dies_and_is_backed_up(struct stricken *stricken)
{
    room_kill_relay(stricken->room);
    room_back_up(stricken->room);
}

static void relay_comes_back_from_backup(struct stricken *stricken)
{
    room_restore(stricken->room);
    room_restart_relay(stricken->room);
}

static const struct fault faults[] = {
    {"the connection is cut", 0, cut_begins, nothing_ends, false},
    {"bytes on the wire are changed for 1 s", 1000, garbling_begins, garbling_ends, true},
    {"packets vanish for 4 s", 4000, silence_begins, silence_ends, false},
    {"connections are refused for 2 s", 2000, refusal_begins, refusal_ends, false},
    {"the relay stands still for 4 s", 4000, stop_begins, stop_ends, false},
    {"the relay is killed and away for 1 s", 1000, relay_dies, relay_comes_back, false},
    /* The second half of one story: what was made durable since the copy is only with the clients. */
    {"the relay is killed and away for 1 s once more", 1000, relay_dies_and_is_backed_up, relay_comes_back, false},
    {"the relay is killed and put back to that copy", 1000, relay_dies, relay_comes_back_from_backup, false},
};

static void type_both(struct room *room, size_t each)
{
    for (size_t i = 0; i < 2 * each; i++) {
        person_type(&room->people[i % 2], one_letter);
        room_turn(room, 1);
    }
}

/* From the end of the fault until both texts are equal. */
static double recover(struct stricken *stricken, const struct fault *fault)
{
    enum { LETTERS = 20 };
    struct room *room = stricken->room;
    uint64_t len = person_len(&room->people[0]);
    fault->begin(stricken);
    type_both(room, LETTERS);
    room_linger(room, fault->lasts_ms);
    fault->end(stricken);
    uint64_t start_ns = bench_now_ns();
    need(room_converge(room, len + 2 * (uint64_t)LETTERS), fault->name);
    double ms = bench_ms_since(start_ns);
    need(room_settle(room), fault->name);
    return ms;
}

static void run_recovery(struct bench *bench)
{
    struct room room;
    room_open(&room, bench->dir);
    struct stricken stricken = {&room, proxy_start(room.relay_port)};
    room_host(&room, proxy_port(stricken.proxy), bytes_of_string("one line\n"));
    room_join(&room, room.relay_port);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct samples samples = {0};
        size_t rounds = faults[i].once ? 1 : bench_scaled(bench, 5, 1);
        for (size_t round = 0; round < rounds; round++)
            samples_add(&samples, (uint64_t)(recover(&stricken, &faults[i]) * 1e6));
        char *name = xformat("%s: equal again after, worst of %zu", faults[i].name, rounds);
        report_at_most(&bench->report, name, 2000, samples_percentile_ms(&samples, 100), "ms");
        report_note(&bench->report, "median %.0f", samples_percentile_ms(&samples, 50));
        free(name);
        samples_release(&samples);
    }
    room_close(&room);
    proxy_stop(stricken.proxy);
}

/* --- the relay alone --- */

static void run_relay(struct bench *bench)
{
    struct room room;
    struct load load = {.people = 10, .records = bench_scaled(bench, 5000, 1000)};
    room_open(&room, bench->dir);
    load_run(room.relay_port, room.relay, &load);
    double messages = (double)(load.acked + load.delivered);
    report_at_least(&bench->report, "records a second through one relay, made durable", 20000,
                    (double)load.acked / load.seconds, "1/s");
    report_note(&bench->report, "10 connections in one document, a frame each; %.0f/s handed on; %.1f us of relay CPU a "
                "record in or out; clients on the same cores",
                (double)load.delivered / load.seconds, load.relay_cpu_ms * 1000 / messages);
    room_close(&room);
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {"local", run_local},     {"sync", run_sync},       {"conflict", run_conflict},   {"wire", run_wire},
        {"bulk", run_bulk},       {"offline", run_offline}, {"relay", run_relay},         {"sustained", run_sustained},
        {"crowd", run_crowd},     {"bad", run_bad_network}, {"everybody", run_everybody},
        {"recovery", run_recovery}, {NULL, NULL},
    };
    struct bench bench = {0};
    if (argc == 4 && strcmp(argv[1], "--serve") == 0)
        return room_serve(argv[2], argv[3]);
    return bench_main(argc, argv, scenarios, &bench);
}
