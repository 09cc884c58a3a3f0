/*
 * Joining a document with a long history: it comes no faster than the journal takes it, and keys go on meanwhile. How long they
 * take is printed; what is asserted is what they have to wait for.
 */
#include "tests/support/support.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "tests/support/filled_relay.h"
#include "tests/support/home.h"
#include "tests/support/stalls.h"

enum {
    RECORDS = 20000, /* by default; WEFT_ROUNDS=10 shows what 200,000 take */
    KEY_MS = 10,
    QUEUED_MAX = 1024,  /* rows in front of a key in the journal's queue */
    ARRIVED_MAX = (4 << 20) + 4096, /* bytes of records in memory that are not in the document */
    PATIENCE_US = 300 * 1000000,
};

/* --- the joiner --- */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static long memory_kb(const char *name)
{
    char line[256];
    long kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtol(line + strlen(name), NULL, 10);
    if (file)
        fclose(file);
    return kb;
}

static struct replica *join(struct home *home, const struct doc_keys *keys, unsigned port)
{
    struct error err = {0};
    struct share_link link = {.doc = keys->doc, .access = ACCESS_WRITE, .host_count = 1};
    struct replica_options options = {.port = home_port(home), .name = "lin"};
    link.hosts[0].port = port;
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "127.0.0.1");
    memcpy(link.seed, keys->write_seed, sizeof link.seed);
    struct replica *replica = replica_join(&home->env, &link, NULL, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    return replica;
}

/* What a key meets while the history comes. */
struct met {
    uint64_t keys, worst_us, worst_turn_us, most_queued, most_arrived;
};

static void note_queue(struct replica *replica, struct met *met)
{
    struct journal_writer_state state;
    journal_writer_state(replica->writer, &state);
    met->most_queued = state.queued_jobs > met->most_queued ? state.queued_jobs : met->most_queued;
    met->most_arrived = replica->arrived_bytes > met->most_arrived ? replica->arrived_bytes : met->most_arrived;
}

/* As in the editor: a key, and what is shown of it only when it is kept. */
static void press(struct replica *replica, uint64_t due_us, struct met *met)
{
    home_type(replica, 0, "k");
    replica_barrier(replica);
    uint64_t took_us = now_us() - due_us;
    met->worst_us = took_us > met->worst_us ? took_us : met->worst_us;
    met->keys++;
}

static void turn(struct replica *replica, struct met *met)
{
    struct pollfd fd = {.fd = replica_fd(replica), .events = POLLIN};
    (void)poll(&fd, 1, 1);
    uint64_t began_us = now_us();
    replica_handle(replica);
    uint64_t took_us = now_us() - began_us;
    met->worst_turn_us = took_us > met->worst_turn_us ? took_us : met->worst_turn_us;
    note_queue(replica, met);
}

static struct met type_until_all_is_here(struct replica *replica, uint64_t records)
{
    struct met met = {0};
    uint64_t due_us = now_us(), until_us = due_us + PATIENCE_US;
    while (document_events(replica->document) < records + met.keys) {
        assert_true(now_us() < until_us);
        turn(replica, &met);
        if (!replica->joining && now_us() >= due_us) {
            press(replica, due_us, &met);
            due_us = now_us() + KEY_MS * 1000;
        }
    }
    return met;
}

static void a_long_history_comes_in_pieces_and_keys_go_on(void **state)
{
    struct home *home = *state;
    struct doc_keys keys;
    uint64_t records = support_rounds(RECORDS);
    char *path = xformat("%s/relay.db", home->dir);
    doc_keys_new(&keys);
    struct filled_relay relay = filled_relay_start(path, &keys, &(struct filling){.records = records});
    long before_kb = memory_kb("VmRSS:");
    uint64_t began_us = now_us();
    struct replica *replica = join(home, &keys, relay.port);
    struct met met = type_until_all_is_here(replica, records);
    home_wait(replica, NULL, home_is_kept);
    print_message("%llu records in %.1f s; %llu keys, the worst %.1f ms; the longest turn %.1f ms; %llu rows queued, %llu bytes "
                  "not in the text; memory at its most %ld kB\n",
                  (unsigned long long)records, (double)(now_us() - began_us) / 1e6, (unsigned long long)met.keys,
                  (double)met.worst_us / 1e3, (double)met.worst_turn_us / 1e3, (unsigned long long)met.most_queued,
                  (unsigned long long)met.most_arrived, memory_kb("VmHWM:") - before_kb);
    assert_true(met.most_queued <= QUEUED_MAX);
    assert_true(met.most_arrived <= ARRIVED_MAX);
    assert_int_equal(rope_len(replica_buffer(replica)->text), records + met.keys);
    home_close(replica);
    filled_relay_end(&relay);
    free(path);
}

/* --- while the journal takes nothing --- */

static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool shut;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void set_gate(bool shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/* On the journal's thread: as a disk that does not come back. */
static bool pass_gate(void *self, struct journal *journal, struct error *err)
{
    (void)self;
    (void)journal;
    (void)err;
    pthread_mutex_lock(&gate.lock);
    while (gate.shut)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return true;
}

static void hold(struct replica *replica)
{
    set_gate(true);
    for (int i = 0; i < QUEUED_MAX; i++)
        journal_writer_run(replica->writer, pass_gate, NULL, (struct journal_done){0});
    while (!replica->held)
        replica_wait(replica, HOME_STEP_MS);
}

static unsigned time_until(struct replica *replica, enum session_state state)
{
    uint64_t began_us = now_us();
    while (replica->net_status.state != state && now_us() - began_us < PATIENCE_US) {
        assert_true(replica_room_next_ms(replica) <= net_now_ms() + 1000); /* nothing else would wake us */
        replica_wait(replica, HOME_STEP_MS);
    }
    return (unsigned)((now_us() - began_us) / 1000);
}

static bool is_settled(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica_is_settled(replica);
}

static void that_the_link_is_gone_shows_while_the_journal_takes_nothing(void **state)
{
    enum { NOTICE_MS = SESSION_SILENT_MS + 1000, DRAWN_MS = 1500 };
    struct home *home = *state;
    struct doc_keys keys;
    char *path = xformat("%s/relay.db", home->dir);
    doc_keys_new(&keys);
    struct filled_relay relay = filled_relay_start(path, &keys, &(struct filling){.records = 10});
    struct replica *replica = join(home, &keys, relay.port);
    home_wait(replica, NULL, is_settled);
    hold(replica);
    struct stalls *stalls = stalls_watch();
    kill(relay.pid, SIGSTOP);
    unsigned gone_ms = time_until(replica, SESSION_OFFLINE);
    kill(relay.pid, SIGCONT);
    unsigned back_ms = time_until(replica, SESSION_ONLINE);
    print_message("offline after %u ms, online after %u ms\n", gone_ms, back_ms);
    assert_in_range(gone_ms, 0, stalls_allow_ms(stalls, NOTICE_MS + DRAWN_MS));
    assert_in_range(back_ms, 0, stalls_allow_ms(stalls, NOTICE_MS + DRAWN_MS));
    stalls_free(stalls);
    assert_true(home_was_said(home, "Offline. Type on"));
    assert_true(replica->held);
    set_gate(false);
    home_wait(replica, NULL, is_settled);
    home_close(replica);
    filled_relay_end(&relay);
    free(path);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_long_history_comes_in_pieces_and_keys_go_on, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(that_the_link_is_gone_shows_while_the_journal_takes_nothing, home_setup, home_teardown),
    };
    return RUN_TESTS("replica_joining", tests);
}
