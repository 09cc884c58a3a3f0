/* Going online: with everything or not at all, and then again. What a relay lost; what another process left. */
#include "tests/support/support.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "app/addresses.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

/* --- faults --- */

/* Which call fails, of those that going online consists of; all are made on the thread of the test. */
static struct {
    bool armed;
    unsigned fails_at, calls;
} fault;

static bool fault_strikes(struct error *err)
{
    if (!fault.armed || fault.calls++ != fault.fails_at)
        return false;
    error_set(err, ERR_IO, 0, "the disk is gone");
    return true;
}

#define WRAP(type, failure, name, parameters, arguments)                                                               \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fault_strikes(err) ? (failure) : __real_##name arguments;                                               \
    }

WRAP(struct journal *, NULL, journal_open_on, (const struct device *device, struct journal_spec spec, struct error *err),
     (device, spec, err))
WRAP(bool, false, journal_outbox_of,
     (struct journal * journal, const struct agent_id *agent, uint64_t seq, struct journal_sent_visitor visitor,
      struct error *err),
     (journal, agent, seq, visitor, err))
WRAP(bool, false, journal_outbox_unacked, (struct journal * journal, struct journal_sent_visitor visitor, struct error *err),
     (journal, visitor, err))
WRAP(bool, false, journal_outbox_next_seq,
     (struct journal * journal, const struct agent_id *agent, uint64_t *next_seq, struct error *err),
     (journal, agent, next_seq, err))
WRAP(bool, false, journal_rows_of,
     (struct journal * journal, const struct agent_id *agent, uint64_t seq, struct journal_visitor visitor,
      struct journal_read *read, struct error *err),
     (journal, agent, seq, visitor, read, err))
WRAP(bool, false, journal_relay_get, (struct journal * journal, struct journal_relay *relay, struct error *err),
     (journal, relay, err))
WRAP(bool, false, addresses_of_entry,
     (const struct doc_entry *entry, bool insecure, struct addresses *addresses, struct error *err),
     (entry, insecure, addresses, err))
WRAP(struct net *, NULL, net_start, (const struct net_config *config, struct error *err), (config, err))

enum journal_waited __real_journal_writer_outwait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us);
enum journal_waited __wrap_journal_writer_outwait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us);
enum journal_waited __wrap_journal_writer_outwait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us)
{
    struct error ignored = {0};
    return fault_strikes(&ignored) ? JOURNAL_WAIT_FAILED : __real_journal_writer_outwait(writer, ticket, timeout_us);
}

/* --- what the journal's thread answers the session --- */

static struct {
    _Atomic unsigned answers;
    size_t count, bytes;
    bool more;
} fetched;

void __real_net_fetched(struct net *net, const struct agent_id *agent, const struct bytes *stored, size_t count, bool more);
void __wrap_net_fetched(struct net *net, const struct agent_id *agent, const struct bytes *stored, size_t count, bool more);
void __wrap_net_fetched(struct net *net, const struct agent_id *agent, const struct bytes *stored, size_t count, bool more)
{
    fetched.count = count;
    fetched.bytes = 0;
    for (size_t i = 0; i < count; i++)
        fetched.bytes += stored[i].len;
    fetched.more = more;
    fetched.answers++;
    __real_net_fetched(net, agent, stored, count, more);
}

/* --- what must not change --- */

static size_t count_of(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Threads of ours open a file for a moment, and end a moment later than what they did: what stays is what counts. */
static void expect_count(struct replica *replica, const char *path, size_t expected)
{
    uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS;
    size_t count = count_of(path);
    for (; count != expected && net_now_ms() < until_ms; count = count_of(path))
        replica_wait(replica, HOME_STEP_MS);
    assert_int_equal(count, expected);
}

/* All that a person, the journal or the room could notice. */
struct picture {
    struct replica_status status;
    struct doc_id doc;
    struct agent_id agent;
    size_t threads, descriptors, mine, owed, people;
    uint64_t sessions, alone_edits, not_in_file;
    bool was_away, away_noted, present_due;
    char *text;
};

static struct picture picture_of(struct replica *replica)
{
    struct picture picture = {.doc = replica->entry.doc, .agent = replica->agent, .mine = replica->mine_count,
                              .threads = count_of("/proc/self/task"), .descriptors = count_of("/proc/self/fd"),
                              .owed = replica->owed_count, .people = replica->people.count, .sessions = replica->sessions,
                              .alone_edits = replica->alone_edits, .was_away = replica->was_away,
                              .away_noted = replica->away_noted, .present_due = replica->present_due,
                              .text = home_text(replica)};
    replica_status(replica, net_now_ms(), &picture.status);
    picture.not_in_file = replica_edits_not_in_file(replica);
    return picture;
}

static void expect_as_before(struct replica *replica, struct picture *before)
{
    struct picture now = picture_of(replica);
    assert_null(replica->net);
    assert_string_equal(now.text, before->text);
    assert_int_equal(now.status.net.unacked_edits, before->status.net.unacked_edits);
    assert_int_equal(now.not_in_file, before->not_in_file);
    assert_int_equal(now.status.shared, before->status.shared);
    assert_true(doc_id_equal(&now.doc, &before->doc) && agent_id_equal(&now.agent, &before->agent));
    expect_count(replica, "/proc/self/task", before->threads);
    expect_count(replica, "/proc/self/fd", before->descriptors);
    assert_int_equal(now.mine, before->mine);
    assert_int_equal(now.owed, before->owed);
    assert_int_equal(now.people, before->people);
    assert_int_equal(now.sessions, before->sessions);
    assert_int_equal(now.alone_edits, before->alone_edits);
    assert_int_equal(now.was_away, before->was_away);
    assert_int_equal(now.away_noted, before->away_noted);
    assert_int_equal(now.present_due, before->present_due);
    free(now.text);
}

/* --- the test --- */

/* Nobody listens there: being online is a thread that tries. */
#define RELAY "ws://127.0.0.1:9"

/* Kept, not sent, and not online. */
static struct replica *share_and_type(struct home *home)
{
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    replica_work_alone(replica, true);
    home_type(replica, 0, "typed alone");
    home_wait(replica, NULL, home_is_kept);
    return replica;
}

static void whatever_fails_on_the_way_online_nothing_has_changed_and_it_works_again(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    bool all_sent;
    struct replica *replica = share_and_type(home);
    assert_true(replica_open_reader(replica, &err)); /* it stays open for the next try */
    replica->work_alone = false;
    worker_drain(replica->worker);
    struct picture before = picture_of(replica);
    unsigned steps = 0;
    for (bool failed = true; failed; steps++) {
        memset(&err, 0, sizeof err);
        fault.fails_at = steps;
        fault.calls = 0;
        fault.armed = true;
        failed = !replica_go_online(replica, &err);
        fault.armed = false;
        if (!failed)
            break;
        assert_string_not_equal(err.text, "");
        expect_as_before(replica, &before);
    }
    assert_true(steps >= 7);
    assert_non_null(replica->net);
    assert_int_equal(replica->alone_edits, 0);
    replica_go_offline(replica, 0, &all_sent);
    free(before.text);
    home_close(replica);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, "typed alone");
    assert_true(replica_is_shared(replica));
    home_close(replica);
}

static void a_reader_that_cannot_be_opened_is_opened_by_the_next_try(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = share_and_type(home);
    journal_close(replica->reader);
    replica->reader = NULL;
    replica->work_alone = false;
    fault.calls = 0;
    fault.fails_at = 1; /* behind the wait for the journal */
    fault.armed = true;
    bool online = replica_go_online(replica, &err);
    fault.armed = false;
    assert_false(online);
    assert_non_null(strstr(err.text, "the disk is gone"));
    assert_null(replica->reader);
    assert_true(replica_go_online(replica, &err));
    home_close(replica);
}

static bool is_online(struct replica *replica, struct replica *none)
{
    (void)none;
    return replica->net != NULL;
}

/* Off for a reason of its own, like one whose neighbour has died, and the journal is slow in that moment. */
static void who_cannot_come_back_counts_on_and_tries_again(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica_status status;
    uint64_t unsent = 0;
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    home_type(replica, 0, "one ");
    home_wait(replica, NULL, home_is_kept);

    fault.calls = 0;
    fault.fails_at = 0; /* the wait for the journal */
    fault.armed = true;
    replica_come_off(replica);
    replica_come_back(replica);
    fault.armed = false;
    assert_null(replica->net);
    assert_true(home_was_said(home, "It is tried again."));
    home_type(replica, 4, "two ");
    replica_status(replica, net_now_ms(), &status);
    assert_int_equal(status.net.unacked_edits, 2);
    assert_int_equal(status.net.state, SESSION_OFFLINE);

    home_wait(replica, NULL, is_online);
    assert_int_equal(replica->again_ms, 0);
    replica_status(replica, net_now_ms(), &status);
    assert_int_equal(status.net.unacked_edits, 2);
    assert_true(replica_close(replica, 0, &unsent, &err));
    assert_int_equal(unsent, 2);
}

/* --- a journal in memory --- */

/* What has no file for a journal is read again all the same: it follows a move, comes back and was alone like any other. */
static void who_is_private_takes_along_what_is_not_acknowledged(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica_status status;
    struct share_link link = {0};
    uint64_t unsent = 0;
    struct replica *host = home_open(home, "notes.md");
    assert_true(replica_share(host, RELAY, &err));
    char *text = addresses_link(&host->entry, ACCESS_WRITE);
    assert_true(share_link_parse(bytes_of_string(text), &link, &err));
    free(text);
    struct replica_options options = {.port = home_port(home), .name = "lin", .is_private = true};
    struct replica *replica = replica_join(&home->env, &link, NULL, &options, &err);
    assert_non_null(replica);
    replica->joining = false; /* as when the text has come: an empty one */
    replica_take_base(replica, rope_new());
    home_type(replica, 0, "one ");
    replica_come_off(replica);
    home_type(replica, 4, "two ");
    replica_come_back(replica);
    assert_non_null(replica->net);
    replica_status(replica, net_now_ms(), &status);
    assert_int_equal(status.net.unacked_edits, 2);
    assert_int_equal(status.net.unacked_batches, 2);
    assert_true(replica_close(replica, 0, &unsent, &err));
    assert_int_equal(unsent, 2);
    share_link_wipe(&link);
    home_close(host);
}

/* --- what a relay lost --- */

enum { LOST = 3, LONG = 300000 /* bytes: more than a piece has room for */ };

struct row_to_add {
    unsigned kind;
    struct agent_id agent;
    uint64_t seq0, count;
    size_t bytes;
};

static bool add_row(void *self, struct journal *journal, struct error *err)
{
    const struct row_to_add *row = self;
    char *stored = xcalloc(row->bytes, 1);
    stored[0] = (char)row->seq0;
    struct journal_received received = {.kind = row->kind, .agent = row->agent, .seq0 = row->seq0, .count = row->count,
                                        .stored = bytes_of(stored, row->bytes)};
    record_hash(received.stored, &received.hash);
    bool added = journal_add_received(journal, &received, NULL, err) == JOURNAL_ADDED;
    free(stored);
    return added;
}

static void add_rows(struct replica *replica, const struct agent_id *agent)
{
    for (uint64_t i = 0; i <= LOST; i++) {
        struct row_to_add row = {RECORD_EVENTS, *agent, i, 1, 100};
        if (i == LOST)
            row = (struct row_to_add){RECORD_PACK, *agent, 0, 1000, LONG};
        uint64_t ticket = journal_writer_run(replica->writer, add_row, &row, (struct journal_done){0});
        assert_int_equal(journal_writer_outwait(replica->writer, ticket, 5000000), JOURNAL_WAIT_DONE);
    }
}

static void fetch_and_wait(struct replica *replica, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    unsigned before = fetched.answers;
    replica_fetch(replica, agent, from_seq, packs);
    for (uint64_t until_ms = net_now_ms() + 5000; fetched.answers == before && net_now_ms() < until_ms;)
        replica_wait(replica, 5);
    assert_int_equal(fetched.answers, before + 1);
}

/* A pack that says something else than what it stands for begins before it and can be longer than a piece. */
static void a_long_pack_takes_the_place_of_nothing_where_no_packs_are_wanted(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct agent_id agent = {{0xbe}};
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    home_type(replica, 0, "one ");
    home_wait(replica, NULL, home_is_kept);
    add_rows(replica, &agent);

    fetch_and_wait(replica, &agent, 1, false);
    assert_int_equal(fetched.count, LOST - 1);
    assert_int_equal(fetched.bytes, (LOST - 1) * 100);
    assert_false(fetched.more);
    fetch_and_wait(replica, &agent, 1, true);
    assert_int_equal(fetched.count, 1);
    assert_int_equal(fetched.bytes, LONG);
    assert_true(fetched.more);
    home_close(replica);
}

static void take_letter(struct replica *replica, const struct agent_id *agent, const char *letter, enum chain_link expected)
{
    struct batch batch = {.agent = *agent};
    struct buf plain = {0};
    struct digest digest;
    struct chain_taken taken;
    batch_add_insert(&batch, 0, bytes_of_string(letter));
    batch_encode(&batch, &plain);
    struct bytes view = buf_view(&plain);
    chain_digest(&replica->entry.doc, &batch, view, NULL, NULL, &digest);
    struct digest last = digest;
    struct batch_run run = batch_run_of(&batch, view);
    assert_int_equal(chain_take_run(replica->chain, &run, 0, &last, &digest, &taken), expected);
    batch_run_release(&run);
    batch_release(&batch);
    buf_release(&plain);
}

static bool put_sent(void *self, struct journal *journal, struct error *err)
{
    struct journal_sent sent = {.kind = RECORD_EVENTS, .agent = *(struct agent_id *)self, .count = 1,
                                .stored = bytes_of_string("sent from here")};
    return journal_outbox_put(journal, &sent, NULL, err) == JOURNAL_ADDED;
}

/* One machine of two that are copies of each other: it has sent its own side, and received the other one. */
static void of_a_forked_agent_what_was_sent_and_what_was_received_is_fetched(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct agent_id agent = {{0xbe}};
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    home_type(replica, 0, "one ");
    home_wait(replica, NULL, home_is_kept);
    add_rows(replica, &agent);
    uint64_t ticket = journal_writer_run(replica->writer, put_sent, &agent, (struct journal_done){0});
    assert_int_equal(journal_writer_outwait(replica->writer, ticket, 5000000), JOURNAL_WAIT_DONE);
    take_letter(replica, &agent, "a", CHAIN_NEXT);
    fetch_and_wait(replica, &agent, 0, false);
    assert_int_equal(fetched.count, 1);
    take_letter(replica, &agent, "b", CHAIN_FORKED);
    fetch_and_wait(replica, &agent, 0, false);
    assert_int_equal(fetched.count, 1 + LOST);
    home_close(replica);
}

/* --- what another process left --- */

static bool has_inherited(struct replica *replica, struct replica *none)
{
    (void)none;
    return replica->heir_ms == 0;
}

static bool has_neighbour(struct replica *replica, struct replica *neighbour)
{
    (void)neighbour;
    return replica->people.count == 1 && replica->people.items[0].is_neighbour;
}

/* Stopped, so quiet and alive; killed afterwards. A third one is still there, so that the silence is not everybody's. */
static void who_was_quiet_and_is_gone_now_leaves_something_as_well(void **state)
{
    enum { HOUR_MS = 3600000 };
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    home_type(replica, 0, "one ");
    home_wait(replica, NULL, home_is_kept);
    struct replica *neighbour = home_open(home, "notes.md");
    home_wait(replica, neighbour, has_neighbour);
    neighbours_handle(replica, net_now_ms()); /* what it has said until now */
    struct person *person = &replica->people.items[0];
    person->peer.state = PEER_QUIET;
    person->peer.heard_ms = net_now_ms() - HOUR_MS;
    replica->heir_ms = 0;
    neighbours_handle(replica, neighbours_next_ms(replica));
    assert_int_equal(replica->people.count, 0);
    assert_true(replica->heir_ms > 0);
    home_close(neighbour);
    home_close(replica);
}

/* What was asked is answered on the connection it was asked on. */
static void who_waits_for_an_answer_on_its_connection_inherits_later(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    home_type(replica, 0, "one ");
    home_wait(replica, NULL, home_is_kept);
    replica->heir_ms = 1;
    assert_false(replica_unshare(replica, true, &err)); /* nobody is there to confirm it */
    assert_true(replica->heir_ms > 1);
    replica->heir_ms = 1;
    replica->moving = true; /* as while the old relay is told */
    replica_wait(replica, 1);
    assert_true(replica->heir_ms > 1);
    replica->moving = false;
    home_wait(replica, NULL, has_inherited);
    home_close(replica);
}

static void expect_away(const struct replica *replica, const char *expected)
{
    struct buf sentence = {0};
    replica_away(replica, &sentence);
    assert_string_equal(buf_string(&sentence), expected);
    buf_release(&sentence);
}

/* A relay that goes before it has acknowledged the first edit was reached all the same. */
static void a_relay_that_took_nothing_yet_was_reached(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    struct session_status online = {.state = SESSION_ONLINE, .unacked_batches = 1}, offline = {.state = SESSION_OFFLINE};
    error_set(&offline.why, ERR_OFFLINE, 0, "cannot reach 127.0.0.1:9: connection refused");
    replica->net_status = offline;
    replica_away_take_status(replica, &offline, 1);
    expect_away(replica, "not reached yet: connection refused");
    replica_away_take_status(replica, &online, 2);
    replica_away_take_status(replica, &offline, 3);
    expect_away(replica, "");
    home_close(replica);
}

/* As by a lost link: counted and noted from then on, and what came before is over. Its person knows, so nobody says it. */
static void who_goes_alone_is_away_from_then_on(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct session_status online = {.state = SESSION_ONLINE, .caught_up = true};
    struct replica *replica = home_open(home, "notes.md");
    assert_true(replica_share(replica, RELAY, &err));
    replica_away_take_status(replica, &online, 1);
    replica->received_edits = 5;
    replica_work_alone(replica, true);
    assert_true(replica->was_away);
    assert_int_equal(replica->received_edits, 0);
    home_type(replica, 0, "x");
    assert_false(patch_is_empty(&replica->away_mine));

    replica->received_edits = 1; /* as from another window: going alone once more begins nothing new */
    replica_work_alone(replica, true);
    assert_int_equal(replica->received_edits, 1);

    replica_work_alone(replica, false);
    assert_non_null(replica->net);
    assert_int_equal(replica->sent_edits, 1);
    assert_false(replica->away_noted);
    assert_false(patch_is_empty(&replica->away_mine));
    assert_false(home_was_said(home, "Offline"));
    home_close(replica);
}

/* It is sent, so coming back is told; what was counted while it was online is not of that. */
static void what_waited_before_it_was_online_is_counted_from_nothing(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = share_and_type(home);
    replica->received_edits = 5;
    replica->work_alone = false;
    assert_true(replica_go_online(replica, &err));
    assert_true(replica->was_away && replica->away_noted);
    assert_int_equal(replica->received_edits, 0);
    assert_int_equal(replica->sent_edits, 1);
    home_close(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_fails_on_the_way_online_nothing_has_changed_and_it_works_again, home_setup,
                                        home_teardown),
        cmocka_unit_test_setup_teardown(a_relay_that_took_nothing_yet_was_reached, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_goes_alone_is_away_from_then_on, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_waited_before_it_was_online_is_counted_from_nothing, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_cannot_come_back_counts_on_and_tries_again, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_is_private_takes_along_what_is_not_acknowledged, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_long_pack_takes_the_place_of_nothing_where_no_packs_are_wanted, home_setup,
                                        home_teardown),
        cmocka_unit_test_setup_teardown(of_a_forked_agent_what_was_sent_and_what_was_received_is_fetched, home_setup,
                                        home_teardown),
        cmocka_unit_test_setup_teardown(who_was_quiet_and_is_gone_now_leaves_something_as_well, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_an_answer_on_its_connection_inherits_later, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_cannot_be_opened_is_opened_by_the_next_try, home_setup, home_teardown),
    };
    return RUN_TESTS("replica_online", tests);
}
