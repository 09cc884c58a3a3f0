/* The thread that keeps what is typed: order, lateness, a full disk, and the end. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/journal_parts.h"
#include "sync/journal_writer.h"
#include "tests/support/scratch.h"

enum { LONG_US = 20 * 1000 * 1000, LONG_MS = 20 * 1000 }; /* never waited out unless something is broken */

/* What the app would be: opens the journal when asked, hears the callbacks. */
struct owner {
    char *path; /* NULL: in memory */
    atomic_bool refuses;
    atomic_uint opened, troubled, committed_calls, done_calls, done_failed;
    _Atomic uint64_t kept;
};

static struct journal *open_journal(const char *path, struct error *err)
{
    struct seal_key key;
    memset(key.bytes, 1, sizeof key.bytes);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .key = &key, .now_s = 1};
    return journal_open(&spec, err);
}

static struct journal *owner_opens(void *self, struct error *err)
{
    struct owner *owner = self;
    atomic_fetch_add(&owner->opened, 1);
    if (atomic_load(&owner->refuses)) {
        error_set(err, ERR_FULL, 0, "the disk is full");
        return NULL;
    }
    return open_journal(owner->path, err);
}

static void owner_committed(void *self, uint64_t ticket, uint64_t place)
{
    (void)ticket;
    (void)place;
    atomic_fetch_add(&((struct owner *)self)->committed_calls, 1);
}

static void owner_kept(void *self, uint64_t ticket)
{
    atomic_store(&((struct owner *)self)->kept, ticket);
}

static void owner_troubled(void *self)
{
    atomic_fetch_add(&((struct owner *)self)->troubled, 1);
}

static void owner_done(void *self, const struct journal_result *result)
{
    struct owner *owner = self;
    atomic_fetch_add(&owner->done_calls, 1);
    if (!result->ok)
        atomic_fetch_add(&owner->done_failed, 1);
}

static struct journal_writer *writer_of(struct owner *owner)
{
    struct journal_writer_spec spec = {.self = owner,
                                       .open = owner_opens,
                                       .committed = owner_committed,
                                       .kept = owner_kept,
                                       .troubled = owner_troubled};
    return journal_writer_new(&spec, NULL);
}

static uint64_t type(struct journal_writer *writer, struct owner *owner, uint64_t seq, const char *text)
{
    struct journal_local local = {.seq0 = seq, .count = strlen(text), .plain = bytes_of_string(text)};
    return journal_writer_local(writer, &local, true, (struct journal_done){owner_done, owner});
}

static void stop_ok(struct journal_writer *writer)
{
    struct error err = {0};
    if (!journal_writer_stop(writer, LONG_MS, &err))
        fail_msg("%s", err.text);
}

static struct journal_writer_state state_of(struct journal_writer *writer)
{
    struct journal_writer_state state;
    journal_writer_state(writer, &state);
    return state;
}

static bool print_row(void *self, const struct journal_row *row)
{
    buf_addf(self, "%d:%.*s ", (int)row->seq0, (int)row->body.len, (const char *)row->body.data);
    return true;
}

static void expect_rows(const char *path, const char *expected)
{
    struct error err = {0};
    struct journal *journal = open_journal(path, &err);
    assert_non_null(journal);
    struct buf printed = {0};
    struct journal_read read = {0};
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&printed, print_row}, &read, &err));
    assert_string_equal(buf_string(&printed), expected);
    buf_release(&printed);
    journal_close(journal);
}

/* Also a thread that is awake, as one is that was just started. */
static void while_it_is_paused_nothing_is_begun(void **state)
{
    enum { LOOKS = 50, LOOK_US = 1000 };
    struct owner owner = {0};
    struct journal_writer *writer = writer_of(&owner);
    (void)state;
    journal_writer_pause(writer);
    uint64_t ticket = type(writer, &owner, 0, "a");
    for (int i = 0; i < LOOKS; i++) {
        assert_int_equal(state_of(writer).committed, 0);
        usleep(LOOK_US);
    }
    journal_writer_go(writer);
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    journal_writer_pause(writer);
    ticket = type(writer, &owner, 1, "b");
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE); /* who waits wakes it */
    journal_writer_pause(writer);
    type(writer, &owner, 2, "c");
    stop_ok(writer); /* and keeps all */
    assert_int_equal(atomic_load(&owner.done_calls), 3);
}

static void nothing_is_made_on_disk_before_the_first_job(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    stop_ok(writer);
    assert_int_equal(owner.opened, 0);
    assert_int_not_equal(access(owner.path, F_OK), 0);
    free(owner.path);
}

static void what_was_waited_for_is_committed(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    uint64_t ticket = type(writer, &owner, 0, "abc");
    assert_int_equal(ticket, 1);
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    expect_rows(owner.path, "0:abc "); /* another connection sees it */
    assert_int_equal(state_of(writer).edits_in_memory, 0);
    assert_int_equal(state_of(writer).place, 1);
    stop_ok(writer);
    assert_int_equal(owner.done_calls, 1);
    assert_int_equal(owner.opened, 1);
    free(owner.path);
}

static void hundreds_of_jobs_keep_their_order(void **state)
{
    enum { JOBS = 500 };
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    struct buf expected = {0};
    for (uint64_t seq = 0; seq < JOBS; seq++) {
        assert_int_equal(type(writer, &owner, seq, "x"), seq + 1);
        buf_addf(&expected, "%d:x ", (int)seq);
    }
    stop_ok(writer);
    assert_int_equal(owner.done_calls, JOBS);
    assert_int_equal(owner.done_failed, 0);
    assert_true(owner.committed_calls >= JOBS / JOURNAL_GROUP_MAX);
    expect_rows(owner.path, buf_string(&expected));
    buf_release(&expected);
    free(owner.path);
}

static void kept_follows_committed(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    for (uint64_t seq = 0; seq < 3; seq++) {
        uint64_t ticket = type(writer, &owner, seq, "x");
        assert_int_equal(journal_writer_wait_kept(writer, ticket, LONG_MS), JOURNAL_WAIT_DONE);
        assert_true(state_of(writer).kept >= ticket);
    }
    stop_ok(writer);
    assert_true(owner.kept >= 3);
    free(owner.path);
}

static void a_journal_in_memory_is_committed_but_never_kept(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct journal_writer *writer = writer_of(&owner);
    uint64_t ticket = type(writer, &owner, 0, "abc");
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    assert_int_equal(journal_writer_wait_kept(writer, ticket, 1), JOURNAL_WAIT_NOT_YET);
    stop_ok(writer);
    assert_int_equal(owner.kept, 0);
}

static void a_journal_that_was_open_already_is_gone_on_with(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct error err = {0};
    struct journal_writer_spec spec = {.self = &owner, .open = owner_opens};
    struct journal_writer *writer = journal_writer_new(&spec, open_journal(owner.path, &err));
    type(writer, &owner, 0, "abc");
    stop_ok(writer);
    assert_int_equal(owner.opened, 0);
    expect_rows(owner.path, "0:abc ");
    free(owner.path);
}

static void a_journal_that_cannot_be_made_keeps_edits_in_memory_and_says_so(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal"), .refuses = true};
    struct journal_writer *writer = writer_of(&owner);
    uint64_t ticket = type(writer, &owner, 0, "abc");
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_FAILED);
    ticket = type(writer, &owner, 3, "d");
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_FAILED);
    struct journal_writer_state now = state_of(writer);
    assert_true(now.failing);
    assert_int_equal(now.why.code, ERR_FULL);
    assert_int_equal(now.edits_in_memory, 2);
    assert_int_equal(now.committed, 0);

    atomic_store(&owner.refuses, false);
    stop_ok(writer);
    assert_true(owner.troubled >= 2);
    assert_int_equal(owner.done_failed, 0);
    expect_rows(owner.path, "0:abc 3:d ");
    free(owner.path);
}

static void take_away(const char *path)
{
    char *wal = xformat("%s-wal", path), *shm = xformat("%s-shm", path);
    assert_int_equal(unlink(path) | unlink(wal) | unlink(shm), 0);
    free(wal);
    free(shm);
}

static void empty(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static void move_away(const char *path)
{
    char *aside = xformat("%s.aside", path);
    assert_int_equal(rename(path, aside), 0);
    free(aside);
}

/* Under its path something new has begun: what is written to the old one is found by nobody either. */
static void replace(const char *path)
{
    struct error err = {0};
    take_away(path);
    journal_close(open_journal(path, &err));
}

/* What goes into a file without a name is gone with this process: that is not kept. */
static void a_journal_that_somebody_removes_keeps_nothing_more_and_says_so(void **state)
{
    void (*const ways[])(const char *path) = {take_away, empty, move_away, replace};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char name[32];
        struct error err = {0};
        snprintf(name, sizeof name, "%zu.journal", i);
        struct owner owner = {.path = scratch_file(*state, name)};
        struct journal_writer *writer = writer_of(&owner);
        uint64_t ticket = type(writer, &owner, 0, "abc");
        assert_int_equal(journal_writer_wait_kept(writer, ticket, LONG_MS), JOURNAL_WAIT_DONE);
        ways[i](owner.path);
        ticket = type(writer, &owner, 3, "d");
        assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_FAILED);
        struct journal_writer_state now = state_of(writer);
        assert_true(now.failing);
        assert_int_equal(now.edits_in_memory, 1);
        assert_true(now.kept < ticket);
        assert_non_null(strstr(now.why.text, "was removed"));
        assert_false(journal_writer_stop(writer, 1, &err));
        assert_int_equal(owner.done_failed, 1);
        free(owner.path);
    }
}

static void edits_that_find_no_place_until_the_end_are_reported(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal"), .refuses = true};
    struct journal_writer *writer = writer_of(&owner);
    type(writer, &owner, 0, "abc");
    type(writer, &owner, 3, "d");
    struct error err = {0};
    assert_false(journal_writer_stop(writer, 1, &err));
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(owner.done_calls, 2);
    assert_int_equal(owner.done_failed, 2);
    free(owner.path);
}

static bool set_page_limit(void *self, struct journal *journal, struct error *err)
{
    (void)err;
    db_limit_pages(journal->db, *(unsigned *)self);
    return true;
}

static void fill_disk(struct journal_writer *writer, struct owner *owner, uint64_t *seq)
{
    char text[2001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (uint64_t ticket = 0; journal_writer_wait(writer, ticket, LONG_US) == JOURNAL_WAIT_DONE; *seq += 2000)
        ticket = type(writer, owner, *seq, text);
}

/* A full disk as the database sees it: no page more. The same connection goes on when there is room again. */
static void a_full_disk_loses_nothing_and_changes_no_order(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    unsigned limit = 60;
    journal_writer_run(writer, set_page_limit, &limit, (struct journal_done){0});
    uint64_t seq = 0;
    fill_disk(writer, &owner, &seq);
    struct journal_writer_state full = state_of(writer);
    assert_true(full.failing);
    assert_int_equal(full.why.code, ERR_FULL);
    assert_int_equal(full.edits_in_memory, 1);
    type(writer, &owner, seq, "a");
    type(writer, &owner, seq + 1, "b");
    assert_int_equal(state_of(writer).edits_in_memory, 3);

    struct error err = {0};
    struct journal *other = open_journal(owner.path, &err); /* the page limit is a connection's own */
    assert_non_null(other);
    uint64_t before = seq / 2000 - 1;
    struct journal_stats stats;
    assert_true(journal_stats(other, &stats, &err));
    assert_int_equal(stats.rows, before); /* all that was acknowledged is there */
    journal_close(other);
    assert_false(journal_writer_stop(writer, 1, &err));
    assert_int_equal(owner.done_failed, 3);
    free(owner.path);
}

static void room_on_a_full_disk_is_used_in_order(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal"), .refuses = true};
    struct journal_writer *writer = writer_of(&owner);
    unsigned none = 0;
    uint64_t ticket = type(writer, &owner, 0, "a");
    journal_writer_run(writer, set_page_limit, &none, (struct journal_done){0});
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_FAILED);
    for (uint64_t seq = 1; seq < 200; seq++)
        (void)type(writer, &owner, seq, "b");
    assert_int_equal(state_of(writer).edits_in_memory, 200);
    atomic_store(&owner.refuses, false);
    stop_ok(writer);
    assert_int_equal(owner.done_calls, 200);
    struct error err = {0};
    struct journal *journal = open_journal(owner.path, &err);
    struct journal_stats stats;
    assert_true(journal_stats(journal, &stats, &err));
    assert_int_equal(stats.rows, 200);
    journal_close(journal);
    free(owner.path);
}

static bool add_note_then_fail(void *self, struct journal *journal, struct error *err)
{
    (*(int *)self)++;
    if (!journal_note_put(journal, "half", bytes_of_string("done"), err))
        return false;
    return error_set(err, ERR_USAGE, 0, "changed its mind");
}

static bool look_for_note(void *self, struct journal *journal, struct error *err)
{
    struct buf value = {0};
    bool ok = journal_note_get(journal, "half", &value, self, err);
    buf_release(&value);
    return ok;
}

static void a_job_that_fails_by_itself_leaves_no_trace_and_no_other_job_behind(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct owner other = {0};
    struct journal_writer *writer = writer_of(&owner);
    int calls = 0;
    bool found = true;
    type(writer, &owner, 0, "abc");
    uint64_t ticket = journal_writer_run(writer, add_note_then_fail, &calls, (struct journal_done){owner_done, &other});
    type(writer, &owner, 3, "d");
    journal_writer_run(writer, look_for_note, &found, (struct journal_done){0});
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    stop_ok(writer);
    assert_int_equal(calls, 1);
    assert_int_equal(other.done_failed, 1);
    assert_int_equal(owner.done_failed, 0);
    assert_false(found);
    expect_rows(owner.path, "0:abc 3:d ");
    free(owner.path);
}

static void a_record_beyond_bounds_ends_alone(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct journal_writer *writer = writer_of(&owner);
    struct journal_received hostile = {.kind = RECORD_EVENTS, .seq0 = UINT64_MAX, .stored = bytes_of_string("x")};
    journal_writer_received(writer, &hostile, (struct journal_done){owner_done, &owner});
    uint64_t ticket = type(writer, &owner, 0, "abc");
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    stop_ok(writer);
    assert_int_equal(owner.done_calls, 2);
    assert_int_equal(owner.done_failed, 1);
}

struct follower {
    struct journal_writer *writer;
    struct owner *owner;
    _Atomic uint64_t ticket;
};

static void give_another(void *self, const struct journal_result *result)
{
    struct follower *follower = self;
    assert_true(result->ok);
    atomic_store(&follower->ticket, type(follower->writer, follower->owner, 3, "next"));
}

static void a_callback_may_give_another_job(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct journal_writer *writer = writer_of(&owner);
    struct follower follower = {.writer = writer, .owner = &owner};
    struct journal_local local = {.count = 3, .plain = bytes_of_string("abc")};
    journal_writer_local(writer, &local, true, (struct journal_done){give_another, &follower});
    stop_ok(writer);
    assert_true(atomic_load(&follower.ticket) == 2);
    assert_int_equal(owner.done_calls, 1);
}

static bool collect(void *self, const struct journal_sent *sent)
{
    buf_addf(self, "%.*s ", (int)sent->stored.len, (const char *)sent->stored.data);
    return true;
}

static void outbox_views_and_places_go_the_same_way(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    struct journal_sent sent = {.kind = RECORD_EVENTS, .count = 3, .stored = bytes_of_string("one")};
    journal_writer_outbox_put(writer, &sent, (struct journal_done){owner_done, &owner});
    sent.seq0 = 3;
    sent.stored = bytes_of_string("two");
    journal_writer_outbox_put(writer, &sent, (struct journal_done){owner_done, &owner});
    journal_writer_relay(writer, &(struct journal_relay){.place = 7});
    journal_writer_view(writer, "/a", &(struct journal_view){.cursor = 5}, (struct bytes){0});
    journal_writer_saved(writer, &(struct journal_saved){.path = "/a", .size = 9}, (struct journal_done){0});
    stop_ok(writer);

    struct error err = {0};
    struct journal *journal = open_journal(owner.path, &err);
    struct buf unacked = {0};
    struct buf memory = {0};
    struct journal_relay relay;
    struct journal_view view;
    struct journal_saved saved;
    uint64_t place;
    bool found;
    assert_true(journal_outbox_unacked(journal, (struct journal_sent_visitor){&unacked, collect}, &err));
    assert_string_equal(buf_string(&unacked), "one two ");
    assert_true(journal_relay_get(journal, &relay, &err));
    assert_int_equal(relay.place, 7);
    assert_true(journal_view_get(journal, "/a", NULL, &view, NULL, &place, &found, &err));
    assert_int_equal(view.cursor, 5);
    assert_true(journal_saved_get(journal, "/a", &saved, &memory, &found, &err));
    assert_int_equal(saved.size, 9);
    buf_release(&unacked);
    buf_release(&memory);
    journal_close(journal);
    free(owner.path);
}

static void another_process_s_transaction_makes_it_late_not_lost(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct error err = {0};
    struct journal *other = open_journal(owner.path, &err);
    struct journal_writer *writer = writer_of(&owner);
    assert_int_equal(journal_writer_wait(writer, type(writer, &owner, 0, "abc"), LONG_US), JOURNAL_WAIT_DONE);
    assert_true(journal_begin(other, &err));
    uint64_t ticket = type(writer, &owner, 3, "d");
    assert_int_equal(journal_writer_wait(writer, ticket, 100), JOURNAL_WAIT_NOT_YET);
    journal_rollback(other);
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    journal_close(other);
    stop_ok(writer);
    expect_rows(owner.path, "0:abc 3:d ");
    free(owner.path);
}

static void a_lock_held_for_longer_is_told_and_can_be_outwaited(void **state)
{
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct error err = {0};
    struct journal *other = open_journal(owner.path, &err);
    struct journal_writer *writer = writer_of(&owner);
    assert_int_equal(journal_writer_wait(writer, type(writer, &owner, 0, "abc"), LONG_US), JOURNAL_WAIT_DONE);
    assert_true(journal_begin(other, &err));
    uint64_t ticket = type(writer, &owner, 3, "d");
    assert_int_equal(journal_writer_wait(writer, ticket, LONG_US), JOURNAL_WAIT_FAILED); /* after JOURNAL_BUSY_MS */
    assert_int_equal(journal_writer_outwait(writer, ticket, 100), JOURNAL_WAIT_NOT_YET);
    struct journal_writer_state now;
    journal_writer_state(writer, &now);
    assert_true(now.failing);
    assert_int_equal(now.why.code, ERR_BUSY);
    assert_int_equal(now.edits_in_memory, 1);
    journal_rollback(other);
    assert_int_equal(journal_writer_outwait(writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    journal_close(other);
    stop_ok(writer);
    expect_rows(owner.path, "0:abc 3:d ");
    free(owner.path);
}

struct typist {
    struct journal_writer *writer;
    struct owner *owner;
    unsigned char agent;
};

static void *type_much(void *self)
{
    const struct typist *typist = self;
    for (uint64_t seq = 0; seq < 200; seq++) {
        struct journal_local local = {.seq0 = seq, .count = 1, .plain = bytes_of_string("x")};
        memset(local.agent.bytes, typist->agent, sizeof local.agent.bytes);
        uint64_t ticket =
            journal_writer_local(typist->writer, &local, true, (struct journal_done){owner_done, typist->owner});
        if (seq % 50 == 0)
            assert_int_equal(journal_writer_wait(typist->writer, ticket, LONG_US), JOURNAL_WAIT_DONE);
    }
    return NULL;
}

static void several_threads_may_give_jobs(void **state)
{
    enum { THREADS = 4 };
    struct owner owner = {.path = scratch_file(*state, "a.journal")};
    struct journal_writer *writer = writer_of(&owner);
    pthread_t threads[THREADS];
    struct typist typists[THREADS];
    for (unsigned char i = 0; i < THREADS; i++) {
        typists[i] = (struct typist){writer, &owner, i};
        assert_int_equal(pthread_create(&threads[i], NULL, type_much, &typists[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop_ok(writer);
    assert_int_equal(owner.done_calls, THREADS * 200);
    assert_int_equal(owner.done_failed, 0);
    free(owner.path);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(nothing_is_made_on_disk_before_the_first_job),
        SCRATCH_TEST(what_was_waited_for_is_committed),
        SCRATCH_TEST(hundreds_of_jobs_keep_their_order),
        SCRATCH_TEST(kept_follows_committed),
        cmocka_unit_test(while_it_is_paused_nothing_is_begun),
        cmocka_unit_test(a_journal_in_memory_is_committed_but_never_kept),
        SCRATCH_TEST(a_journal_that_was_open_already_is_gone_on_with),
        SCRATCH_TEST(a_journal_that_cannot_be_made_keeps_edits_in_memory_and_says_so),
        SCRATCH_TEST(a_journal_that_somebody_removes_keeps_nothing_more_and_says_so),
        SCRATCH_TEST(edits_that_find_no_place_until_the_end_are_reported),
        SCRATCH_TEST(a_full_disk_loses_nothing_and_changes_no_order),
        SCRATCH_TEST(room_on_a_full_disk_is_used_in_order),
        SCRATCH_TEST(a_job_that_fails_by_itself_leaves_no_trace_and_no_other_job_behind),
        cmocka_unit_test(a_record_beyond_bounds_ends_alone),
        cmocka_unit_test(a_callback_may_give_another_job),
        SCRATCH_TEST(outbox_views_and_places_go_the_same_way),
        SCRATCH_TEST(another_process_s_transaction_makes_it_late_not_lost),
        SCRATCH_TEST(a_lock_held_for_longer_is_told_and_can_be_outwaited),
        SCRATCH_TEST(several_threads_may_give_jobs),
    };
    return RUN_TESTS("journal_writer", tests);
}
