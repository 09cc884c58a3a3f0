/* What takes long is merged between the keys; what would take too long is held, and says whose it is. */
#include "tests/support/home.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "editor/base/random.h"
#include "editor/base/xalloc.h"

enum { PAGES = 4, PLACES = 20000 }; /* what mallory wrote: so many batches of letters at places of their own */

static const struct agent_id mallory = {{0x11}}, eve = {{0x22}}, bo = {{0x33}}, cy = {{0x44}};

/* Only what others wrote is ever held: that agent is theirs, called eve. */
static void is_eves(struct replica *replica, const struct agent_id *agent)
{
    struct member member = {.agent = *agent, .device_key = {{0xee}}, .name = "eve"};
    (void)roster_add(&replica->members, &member, (struct bytes){0});
}

/* As it comes out of a session: checked, and in the hash chain; with one portion of its way, as at the end of a
   turn. Takes the batch. */
static void come(struct replica *replica, struct batch *batch)
{
    struct received received = {.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count, .place = 1};
    struct error err = {0};
    batch_encode(batch, &received.plain);
    received.digests = xcalloc(1, sizeof *received.digests);
    assert_int_equal(chain_add(replica->chain, batch, buf_view(&received.plain), received.digests), CHAIN_NEXT);
    assert_true(batch_run_read_one(buf_view(&received.plain), &received.agent, received.seq0, &received.run, &err));
    batch_release(batch);
    buf_add(&received.stored, &received.digests[0], sizeof received.digests[0]); /* nobody reads it back here */
    record_hash(buf_view(&received.stored), &received.hash);
    replica->merging.until_ms = 0;
    is_eves(replica, &received.agent);
    replica_take_received(replica, &received);
    received_release(&received);
}

static void come_pages(struct replica *replica)
{
    for (uint64_t page = 0; page < PAGES; page++) {
        struct batch batch = {.agent = mallory, .seq0 = page * PLACES, .flags = page > 0 ? BATCH_FLAG_SELF : 0};
        for (uint64_t i = 0; i < PLACES; i++)
            batch_add_insert(&batch, (i * 7919) % (page * PLACES + i + 1), bytes_of_string("m"));
        come(replica, &batch);
    }
}

/* A letter in front of everything; `after` NULL: by somebody who has heard of nobody. */
static void come_letter(struct replica *replica, const struct agent_id *agent, uint64_t seq, const struct event_id *after,
                        const char *letter)
{
    struct batch batch = {.agent = *agent, .seq0 = seq, .flags = seq > 0 ? BATCH_FLAG_SELF : 0};
    if (after)
        batch_add_parent(&batch, *after);
    batch_add_insert(&batch, 0, bytes_of_string(letter));
    come(replica, &batch);
}

static bool is_done(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica_is_merging(replica);
}

static void expect_remark(const struct replica *replica, const char *expected)
{
    home_expect_remark(replica, replica_merging, expected);
}

/* Only then does another window know which document it is. */
static bool journal_has_all(struct replica *replica, struct replica *other)
{
    struct journal_writer_state state;
    (void)other;
    journal_writer_state(replica->writer, &state);
    return state.committed > 0 && state.queued_jobs == 0;
}

static struct replica *open_with_pages(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    replica_begin_writing(replica);
    replica_handle(replica);
    come_pages(replica);
    home_wait(replica, NULL, is_done);
    home_wait(replica, NULL, journal_has_all);
    assert_int_equal(home_count(replica, 'm'), PAGES * PLACES);
    return replica;
}

static void keys_come_between(void **state)
{
    struct replica *replica = open_with_pages(state);
    size_t turns = 0, waited = 0;
    come_letter(replica, &eve, 0, NULL, "e");
    come_letter(replica, &eve, 1, NULL, "e");
    for (; replica_is_merging(replica); turns++) {
        waited += home_count(replica, 'e') == 0;
        home_insert(replica, "a"); /* is in the text at once, */
        assert_int_equal(home_count(replica, 'a'), turns + 1);
        replica_handle(replica);
    }
    assert_in_range(waited, 3, 10000);
    assert_int_equal(home_count(replica, 'e'), 2);
    assert_int_equal(home_count(replica, 'a'), turns); /* and stays there */
    document_check(replica->document);
    home_close(replica);
}

/* Nothing comes on the file descriptor then: the loop of a verb goes on at once all the same, turn by turn. */
static void waiting_without_a_screen_merges_and_does_not_sleep(void **state)
{
    enum { AN_HOUR_MS = 3600000 };
    struct replica *replica = open_with_pages(state);
    struct replica_status status;
    come_letter(replica, &eve, 0, NULL, "e");
    size_t turns = 0;
    for (uint64_t steps = 0; replica_is_merging(replica); turns++) {
        replica_status(replica, net_now_ms(), &status);
        assert_true(status.merge_steps != steps); /* which is why nobody gives up */
        steps = status.merge_steps;
        assert_int_equal(replica_wait_ms(replica, net_now_ms(), AN_HOUR_MS), 0);
        replica_wait(replica, AN_HOUR_MS);
    }
    assert_in_range(turns, 2, 10000);
    assert_int_equal(home_count(replica, 'e'), 1);
    replica_status(replica, net_now_ms(), &status);
    assert_int_equal(status.merge_steps, 0);
    assert_int_equal(status.taken, document_events(replica->document));
    home_close(replica);
}

static void what_comes_meanwhile_waits(void **state)
{
    struct replica *replica = open_with_pages(state);
    come_letter(replica, &eve, 0, NULL, "e");
    assert_true(replica_is_merging(replica));
    come_letter(replica, &bo, 0, &(struct event_id){mallory, PAGES * PLACES - 2}, "b");
    come_letter(replica, &cy, 0, &(struct event_id){eve, 0}, "c");
    assert_int_equal(home_count(replica, 'b') + home_count(replica, 'c'), 0);
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'e'), 1);
    assert_int_equal(home_count(replica, 'b'), 1);
    assert_int_equal(home_count(replica, 'c'), 1);
    home_close(replica);
}

/* As the keys of this person do. */
static void who_has_seen_all_that_is_here_goes_first(void **state)
{
    enum { LETTERS = 20 };
    struct replica *replica = open_with_pages(state);
    come_letter(replica, &eve, 0, NULL, "e");
    for (uint64_t i = 0; i < LETTERS; i++) {
        assert_true(replica_is_merging(replica));
        struct batch batch = {.agent = bo, .seq0 = i}; /* by who hears this person, and is heard */
        batch_add_parent(&batch, (struct event_id){i > 0 ? replica->agent : mallory, i > 0 ? i - 1 : PAGES * PLACES - 1});
        batch_add_insert(&batch, 0, bytes_of_string("b"));
        come(replica, &batch);
        assert_int_equal(home_count(replica, 'b'), i + 1);
        home_insert(replica, "a");
    }
    assert_int_equal(home_count(replica, 'e'), 0);
    uint64_t steps = document_approach_state(replica->document).steps;
    assert_true(steps > 0); /* it is where it was */
    replica_handle(replica);
    assert_true(!replica_is_merging(replica) || document_approach_state(replica->document).steps >= steps);
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'e'), 1);
    assert_int_equal(home_count(replica, 'b'), LETTERS);
    document_check(replica->document);
    home_close(replica);
}

static void leaving_meanwhile_loses_nothing(void **state)
{
    struct replica *replica = open_with_pages(state);
    bool all_sent;
    come_letter(replica, &eve, 0, NULL, "e");
    assert_true(replica_is_merging(replica));
    replica_go_offline(replica, 0, &all_sent);
    assert_int_equal(chain_next_seq(replica->chain, &eve), 1);
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'e'), 1);
    come_letter(replica, &eve, 1, NULL, "e");
    home_close(replica); /* in the middle of it */
}

static void what_would_take_too_long_is_held_and_so_is_what_builds_on_it(void **state)
{
    struct home *home = *state;
    struct replica *replica = open_with_pages(state);
    replica->merge_steps_max = 1000;
    come_letter(replica, &eve, 0, NULL, "e");
    home_wait(replica, NULL, is_done);
    assert_true(replica->merging.spent > 0); /* who comes with one agent after the other has that taken off */
    come_letter(replica, &eve, 1, NULL, "e");
    come_letter(replica, &cy, 0, &(struct event_id){eve, 1}, "c");
    come_letter(replica, &cy, 1, NULL, "c");
    come_letter(replica, &bo, 0, &(struct event_id){mallory, PAGES * PLACES - 1}, "b"); /* who has not seen it */
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'b'), 1);
    assert_int_equal(home_count(replica, 'e') + home_count(replica, 'c'), 0);
    assert_true(home_was_said(home, "Edits of eve would take too long to merge: they wait, and this copy lacks them."));
    expect_remark(replica, "eve's edits held");
    assert_int_equal(replica->early_count, 0); /* nothing that is offered again and again */

    assert_true(replica_merge_held(replica));
    assert_false(replica_merge_held(replica));
    home_wait(replica, NULL, is_done);
    assert_false(replica_merge_held(replica)); /* cy's would take long, but for nothing else than eve's */
    assert_int_equal(home_count(replica, 'e'), 2);
    assert_int_equal(home_count(replica, 'c'), 2);
    expect_remark(replica, "");
    document_check(replica->document);
    home_close(replica);
}

static void it_is_still_held_when_the_document_is_opened_again(void **state)
{
    struct replica *replica = open_with_pages(state);
    replica->merge_steps_max = 1000;
    come_letter(replica, &eve, 0, NULL, "e");
    home_wait(replica, NULL, is_done);
    home_close(replica);
    replica = home_open(*state, "notes.md");
    assert_int_equal(replica->merging.agent_count, 1);
    assert_true(agent_id_equal(&replica->merging.agents[0].agent, &eve));
    is_eves(replica, &eve);
    expect_remark(replica, "eve's edits held");
    home_close(replica);
}

/* More than are kept in memory: the session's chain is not cut back to before them all the same. */
static void what_is_held_does_not_come_again(void **state)
{
    enum { LETTERS = 5000 };
    struct replica *replica = open_with_pages(state);
    bool all_sent;
    replica->merge_steps_max = 1000;
    for (uint64_t i = 0; i < LETTERS; i++)
        come_letter(replica, &eve, i, NULL, "e");
    home_wait(replica, NULL, is_done);
    assert_true(replica->merging.held_more);
    replica_go_offline(replica, 0, &all_sent);
    assert_int_equal(chain_next_seq(replica->chain, &eve), LETTERS);
    assert_int_equal(replica_early_upto(replica, &eve), LETTERS);
    home_close(replica);
}

static void what_waited_comes_in_its_order(void **state)
{
    enum { LETTERS = 200 };
    struct replica *replica = open_with_pages(state);
    bool all_sent;
    come_letter(replica, &eve, 0, NULL, "e");
    for (uint64_t i = 0; i < LETTERS; i++)
        come_letter(replica, &bo, i, i == 0 ? &(struct event_id){mallory, PAGES * PLACES - 2} : NULL, i % 2 ? "b" : "B");
    assert_int_equal(replica->early_count, LETTERS + 1);
    replica_go_offline(replica, 0, &all_sent);
    assert_int_equal(chain_next_seq(replica->chain, &bo), LETTERS);
    home_wait(replica, NULL, is_done);
    assert_int_equal(replica->early_count, 0);
    char *text = home_text(replica);
    const char *at = strchr(text, 'b');
    assert_non_null(at);
    for (size_t i = 0; i < LETTERS; i++)
        assert_int_equal(at[i], i % 2 ? 'B' : 'b'); /* each in front of all before */
    free(text);
    document_check(replica->document);
    home_close(replica);
}

static bool has_both(struct replica *replica, struct replica *other)
{
    (void)other;
    return home_count(replica, 'z') == 1 && home_count(replica, 'e') == 1;
}

static void another_window_is_heard_after_what_is_on_its_way(void **state)
{
    struct replica *replica = open_with_pages(state), *other = home_open(*state, "notes.md");
    come_letter(replica, &eve, 0, NULL, "e");
    assert_true(replica_is_merging(replica));
    home_insert(other, "z");
    home_wait(other, NULL, home_is_kept);
    home_wait(replica, other, has_both);
    home_wait(replica, other, is_done);
    document_check(replica->document);
    home_close(replica);
    home_close(other);
}

static bool has_heard_y(struct replica *replica, struct replica *other)
{
    (void)other;
    return home_count(replica, 'y') == 1 && !replica_is_merging(replica);
}

/* Who writes the file next, for one, does not leave out what another process has written. */
static void catching_up_is_all_of_it(void **state)
{
    struct replica *replica = open_with_pages(state), *other = home_open(*state, "notes.md");
    home_insert(other, "y");
    home_wait(replica, other, has_heard_y);
    come_letter(replica, &eve, 0, &(struct event_id){mallory, PLACES - 1}, "e");
    assert_true(replica_is_merging(replica));
    home_insert(other, "z");
    home_wait(other, NULL, home_is_kept);
    replica_catch_up(replica);
    assert_true(has_both(replica, NULL));
    home_wait(replica, NULL, is_done);
    document_check(replica->document);
    home_close(replica);
    home_close(other);
}

/* The note says so, and then the machine failed before the journal had the batch: it comes from the relay again. */
static void what_was_on_its_way_and_lost_is_not_held_when_it_comes_again(void **state)
{
    struct replica *replica = open_with_pages(state);
    struct merging *merging = &replica->merging;
    merging->agents = xgrow(merging->agents, &merging->agent_cap, 1, sizeof *merging->agents);
    merging->agents[merging->agent_count++] = (struct held_agent){.agent = eve, .why = HELD_SLOW};
    merging->live = false; /* as after opening */
    home_insert(replica, "a");
    replica_handle(replica);
    come_letter(replica, &eve, 0, NULL, "e");
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'e'), 1);
    home_close(replica);
}

/* A copy of this machine has written on as this agent; that is in the hash chain, and waits. */
static void what_a_copy_of_this_machine_wrote_waits_too(void **state)
{
    struct replica *replica = open_with_pages(state);
    home_insert(replica, "a");
    home_wait(replica, NULL, home_is_kept);
    struct agent_id agent = replica->agent;
    come_letter(replica, &bo, 0, &(struct event_id){agent, 0}, "b");
    come_letter(replica, &eve, 0, NULL, "e");
    assert_true(replica_is_merging(replica));
    come_letter(replica, &agent, 1, NULL, "t");
    assert_int_equal(home_count(replica, 't'), 0);
    home_insert(replica, "c");
    assert_false(agent_id_equal(&replica->agent, &agent)); /* that number is taken: it goes on as another */
    assert_int_equal(home_count(replica, 'c'), 1);
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'a'), 1);
    assert_int_equal(home_count(replica, 't'), 1);
    assert_int_equal(home_count(replica, 'e'), 1);
    document_check(replica->document);
    home_close(replica);
}

static bool has_y(struct replica *replica, struct replica *other)
{
    return home_count(replica, 'x') == 1 && home_count(other, 'y') == 1;
}

static bool holds_some(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica->merging.agent_count > 0;
}

/* A window that has not read what was typed in this one since; it stays open. */
static struct replica *hold_what_another_window_types(void **state, struct replica *replica)
{
    enum { PLACES_UNSEEN = 2000 };
    struct replica *other = home_open(*state, "notes.md");
    home_type(other, 0, "y");
    home_wait(other, replica, has_y);
    is_eves(replica, &other->agent);
    replica->merge_steps_max = 1000;
    for (uint64_t i = 0; i < PLACES_UNSEEN; i++)
        home_type(replica, (i * 7919) % (i + 1), "p");
    home_wait(replica, NULL, home_is_kept); /* what comes next is behind them in the journal */
    home_insert(other, "z");
    home_wait(replica, NULL, holds_some);
    assert_int_equal(home_count(replica, 'z'), 0);
    return other;
}

static bool has_z(struct replica *replica, struct replica *other)
{
    (void)other;
    return home_count(replica, 'z') == 1;
}

static bool is_written(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica->file.saving;
}

static bool has_all_pastes(struct replica *replica, struct replica *other)
{
    (void)other;
    return home_count(replica, 'q') == 9000000;
}

static struct replica *open_with_x(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    home_type(replica, 0, "x");
    home_wait(replica, NULL, home_is_kept);
    return replica;
}

static void it_is_held_over_restarts_until_somebody_wants_it(void **state)
{
    struct replica *replica = open_with_x(state), *other = hold_what_another_window_types(state, replica);
    for (size_t i = 0; i < 3; i++) {
        home_insert(replica, "a");
        home_close(replica);
        replica = home_open(*state, "notes.md");
        is_eves(replica, &other->agent);
        replica->merge_steps_max = 1000;
        home_wait(replica, NULL, is_done);
        expect_remark(replica, "eve's edits held");
        assert_int_equal(home_count(replica, 'z'), 0);
        assert_int_equal(home_count(replica, 'a'), i + 1);
        assert_int_equal(replica->faults, 0); /* nothing of the journal counts as broken */
    }
    assert_true(replica_merge_held(replica));
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'z'), 1);
    document_check(replica->document);
    home_close(replica);
    replica = home_open(*state, "notes.md");
    expect_remark(replica, "");
    assert_int_equal(home_count(replica, 'z'), 1);
    home_close(replica);
    home_close(other);
}

static void what_another_window_has_merged_meanwhile_is_not_held(void **state)
{
    struct replica *replica = open_with_x(state), *other = hold_what_another_window_types(state, replica);
    home_close(replica);
    replica_catch_up(other);
    home_close(other); /* makes a checkpoint with all of it */
    replica = home_open(*state, "notes.md");
    expect_remark(replica, "");
    assert_int_equal(home_count(replica, 'z'), 1);
    home_close(replica);
}

/* However long it takes: it is this person's own. */
static void what_this_device_wrote_is_never_held(void **state)
{
    enum { PLACES_UNSEEN = 2000 };
    struct replica *replica = open_with_x(state), *other = home_open(*state, "notes.md");
    home_type(other, 0, "y");
    home_wait(other, replica, has_y);
    replica->merge_steps_max = 1000;
    for (uint64_t i = 0; i < PLACES_UNSEEN; i++)
        home_type(replica, (i * 7919) % (i + 1), "p");
    home_wait(replica, NULL, home_is_kept);
    home_insert(other, "z");
    home_wait(replica, other, has_z);
    assert_int_equal(replica->merging.agent_count, 0);
    home_close(replica);
    home_close(other);
}

/* As an older weft noted it. */
static void what_this_device_wrote_is_not_held_because_a_note_says_so(void **state)
{
    struct replica *replica = open_with_x(state), *other = hold_what_another_window_types(state, replica);
    home_close(replica);
    replica = home_open(*state, "notes.md");
    assert_int_equal(replica->merging.agent_count, 1);
    home_wait(replica, NULL, has_z);
    assert_int_equal(replica->merging.agent_count, 0);
    home_close(replica);
    home_close(other);
}

static size_t noted(struct replica *replica)
{
    struct buf value = {0};
    struct error err = {0};
    bool found;
    home_wait(replica, NULL, journal_has_all);
    assert_true(replica_open_reader(replica, &err));
    assert_true(journal_note_get(replica->reader, "held", &value, &found, &err));
    size_t count = 0;
    for (size_t at = AGENT_ID_BYTES + 1; found && at < value.len; at += AGENT_ID_BYTES + 2) /* seqs of one byte each */
        count += value.data[at] != HELD_WANTED;
    buf_release(&value);
    return count;
}

static void hold_one(struct replica *replica, const struct agent_id *agent)
{
    struct batch batch = {.agent = *agent};
    batch_add_insert(&batch, 0, bytes_of_string("h"));
    is_eves(replica, agent);
    replica_hold_costly(replica, &batch);
    batch_release(&batch);
}

/* Two windows hold something each: what one of them notes takes nothing of the other's away. */
static void each_window_notes_what_it_holds(void **state)
{
    struct replica *replica = open_with_x(state), *other = home_open(*state, "notes.md");
    home_type(other, 0, "y");
    home_wait(other, replica, has_y);
    hold_one(replica, &eve);
    assert_int_equal(noted(replica), 1);
    hold_one(other, &bo);
    hold_one(other, &cy);
    assert_int_equal(noted(other), 3);
    hold_one(replica, &mallory);
    assert_int_equal(noted(replica), 4);
    assert_true(replica_merge_held(other)); /* takes its own two out */
    assert_int_equal(noted(other), 2);
    assert_true(replica_merge_held(replica));
    assert_int_equal(noted(replica), 0);
    home_close(replica);
    home_close(other);
}

static void a_note_that_cannot_be_read_is_written_anew(void **state)
{
    struct replica *replica = open_with_x(state);
    struct error err = {0};
    home_wait(replica, NULL, journal_has_all);
    assert_true(replica_open_reader(replica, &err));
    assert_true(journal_note_put(replica->reader, "held", bytes_of_string("nothing of the kind"), &err));
    hold_one(replica, &eve);
    assert_int_equal(noted(replica), 1);
    home_close(replica);
}

static void what_is_saved_lacks_what_is_held_and_says_so(void **state)
{
    struct home *home = *state;
    struct replica *replica = open_with_x(state);
    struct error err = {0};
    assert_true(replica_save(replica, NULL, &err));
    home_wait(replica, NULL, is_written);
    assert_true(home_was_said(home, "Saved notes.md: 1 line.\n"));
    hold_one(replica, &eve);
    home_insert(replica, "a");
    assert_true(replica_save(replica, NULL, &err));
    home_wait(replica, NULL, is_written);
    assert_true(home_was_said(home, "Saved notes.md: 1 line. eve's edits are held and not in it."));
    hold_one(replica, &bo);
    home_insert(replica, "b");
    assert_true(replica_save(replica, NULL, &err));
    home_wait(replica, NULL, is_written);
    assert_true(home_was_said(home, "Saved notes.md: 1 line. Edits of eve and 1 other are held and not in it."));
    home_close(replica);
}

/* Somebody may have any number of agents, each of which takes only what one may. */
static void who_has_many_agents_does_not_have_the_time_of_all_of_them(void **state)
{
    struct replica *replica = open_with_pages(state);
    replica->merge_steps_max = (uint64_t)10 * PAGES * PLACES;
    come_letter(replica, &eve, 0, NULL, "e");
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'e'), 1);
    replica->merging.spent = 5 * replica->merge_steps_max; /* as after a hundred of them */
    come_letter(replica, &cy, 0, &(struct event_id){mallory, PLACES - 1}, "c");
    come_letter(replica, &mallory, PAGES * PLACES, NULL, "M"); /* who has written much */
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'c'), 0);
    assert_int_equal(home_count(replica, 'M'), 1);
    expect_remark(replica, "eve's edits held");
    home_close(replica);
}

/* --- many who have each seen another half of many branches --- */

enum { BRANCHES = 32, BRANCH_KEYS = 300, HALVES = 100 };

static void come_branches(struct replica *replica, struct random *random)
{
    for (unsigned branch = 0; branch < BRANCHES; branch++) {
        struct batch batch = {.agent = {{0xb0, (unsigned char)branch}}};
        for (uint64_t i = 0; i < BRANCH_KEYS; i++)
            batch_add_insert(&batch, random_below(random, i + 1), bytes_of_string("m"));
        come(replica, &batch);
    }
}

/* No order of these keys makes it little what has to be taken out of the tracker and put back between two of them. */
static void come_half(struct replica *replica, unsigned who, struct random *random)
{
    struct batch batch = {.agent = {{0xc0, (unsigned char)(who >> 8), (unsigned char)who}}};
    for (unsigned branch = 0; branch < BRANCHES; branch++)
        if (random_chance(random, 2))
            batch_add_parent(&batch, (struct event_id){{{0xb0, (unsigned char)branch}}, BRANCH_KEYS - 1});
    batch_add_insert(&batch, 0, bytes_of_string("h"));
    come(replica, &batch);
}

static void who_has_seen_another_half_of_many_branches_each_is_merged_between_the_keys(void **state)
{
    struct random random = random_of(support_seed("test_replica_merge", 1));
    struct replica *replica = home_open(*state, "notes.md");
    size_t turns = 0, waited = 0;
    replica_begin_writing(replica);
    replica_handle(replica);
    come_branches(replica, &random);
    home_wait(replica, NULL, is_done);
    for (unsigned who = 0; who < HALVES; who++)
        come_half(replica, who, &random);
    for (; replica_is_merging(replica); turns++) {
        waited += home_count(replica, 'h') < HALVES;
        home_insert(replica, "a");
        assert_int_equal(home_count(replica, 'a'), turns + 1);
        replica_handle(replica);
    }
    assert_in_range(waited, 3, 100000);
    assert_int_equal(home_count(replica, 'h'), HALVES);
    assert_int_equal(home_count(replica, 'a'), turns);
    assert_int_equal(home_count(replica, 'm'), BRANCHES * BRANCH_KEYS);
    document_check(replica->document);
    home_close(replica);
}

/* All of them are one person's agents, who has four times what one may take: what is beyond is held, and said. */
static void and_beyond_the_limit_of_all_of_them_is_held(void **state)
{
    struct random random = random_of(support_seed("test_replica_merge", 2));
    struct replica *replica = home_open(*state, "notes.md");
    replica_begin_writing(replica);
    replica_handle(replica);
    come_branches(replica, &random);
    home_wait(replica, NULL, is_done);
    replica->merge_steps_max = (uint64_t)2 * BRANCHES * BRANCH_KEYS; /* two times all branches, and a few keys more than that */
    for (unsigned who = 0; who < HALVES; who++)
        come_half(replica, who, &random);
    home_wait(replica, NULL, is_done);
    size_t merged = home_count(replica, 'h');
    assert_in_range(merged, 1, HALVES - 1);
    struct buf remark = {0};
    replica_merging(replica, &remark);
    assert_non_null(strstr(buf_string(&remark), "edits held"));
    buf_release(&remark);
    home_insert(replica, "a");
    assert_int_equal(home_count(replica, 'a'), 1);
    assert_true(replica_merge_held(replica));
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'h'), HALVES);
    assert_int_equal(home_count(replica, 'a'), 1);
    document_check(replica->document);
    home_close(replica);
}

/* --- what waits has bounds --- */

static uint64_t text_held(const struct merging *merging)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < merging->held_count; i++)
        bytes += merging->held[i].text.len;
    return bytes;
}

static bool has_no_room(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica->merging.held_more;
}

/* What there is no room for is read from the journal again. */
static void so_many_bytes_are_held_in_memory_and_none_is_lost(void **state)
{
    enum { LONG = 12 << 20, HELD = 8 << 20 };
    struct replica *replica = open_with_x(state), *other = hold_what_another_window_types(state, replica);
    char *text = xmalloc(LONG + 1);
    memset(text, 'q', LONG);
    text[LONG] = '\0';
    home_insert(other, text);
    home_wait(replica, other, has_no_room);
    home_wait(other, replica, home_is_kept);
    home_wait(replica, NULL, is_done);
    replica_catch_up(replica);
    assert_in_range(text_held(&replica->merging), 1, HELD);
    assert_in_range(replica->merging.held_bytes, text_held(&replica->merging), HELD);
    assert_int_equal(home_count(replica, 'q'), 0);
    assert_true(replica_merge_held(replica));
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'q'), LONG);
    assert_int_equal(home_count(replica, 'z'), 1);
    assert_int_equal(replica->merging.held_bytes, 0);
    home_close(replica);
    home_close(other);
    free(text);
}

static struct agent_id number(uint64_t n)
{
    struct agent_id agent = {{0xee}};
    memcpy(agent.bytes + 1, &n, sizeof n);
    return agent;
}

static void so_many_are_remembered_for_what_they_took(void **state)
{
    enum { KEPT = 1024 };
    struct replica *replica = open_with_pages(state);
    struct merging *merging = &replica->merging;
    merging->spenders = xgrow(merging->spenders, &merging->spender_cap, KEPT, sizeof *merging->spenders);
    merging->spender_count = KEPT;
    for (uint64_t i = 0; i < KEPT; i++)
        merging->spenders[i] = (struct spender){.agent = number(i), .steps = KEPT - i, .granted = i == KEPT - 1};
    come_letter(replica, &eve, 0, NULL, "e");
    home_wait(replica, NULL, is_done);
    assert_int_equal(merging->spender_count, KEPT);
    assert_true(merging->spenders[KEPT - 1].granted); /* nobody whom a person has granted it, */
    assert_true(agent_id_equal(&merging->spenders[KEPT - 2].agent, &eve)); /* but who took least */
    assert_true(merging->spenders[KEPT - 2].steps > PLACES);
    home_close(replica);
}

/* A row of another window's is not read while what is read already waits for what is on its way. */
static void so_many_bytes_wait_for_what_is_on_its_way(void **state)
{
    enum { LONG = 900000, PASTES = 10, EARLY = 4 << 20 };
    struct replica *replica = open_with_pages(state), *other = home_open(*state, "notes.md");
    uint64_t most = 0;
    char *text = xmalloc(LONG + 1);
    memset(text, 'q', LONG);
    text[LONG] = '\0';
    for (size_t i = 0; i < PASTES; i++)
        home_insert(other, text);
    home_wait(other, NULL, home_is_kept);
    come_letter(replica, &eve, 0, NULL, "e");
    assert_true(replica_is_merging(replica));
    for (size_t turns = 0; turns < 3; turns++) {
        replica->merging.until_ms = 0;
        replica_read_rows(replica);
    }
    while (replica_is_merging(replica)) {
        most = replica->early_bytes > most ? replica->early_bytes : most;
        replica_handle(replica);
    }
    assert_in_range(most, LONG, EARLY + 2 * LONG);
    home_wait(replica, other, has_all_pastes);
    assert_int_equal(replica->early_bytes, 0);
    document_check(replica->document);
    home_close(replica);
    home_close(other);
    free(text);
}

/* As many as somebody likes build on what is held: those of whom nothing is kept are known by what their batches lack. */
static void so_many_agents_are_held_and_what_the_others_write_waits_too(void **state)
{
    enum { AGENTS = 4500, KEPT = 4096 };
    struct replica *replica = open_with_pages(state);
    replica->merge_steps_max = 1000;
    come_letter(replica, &eve, 0, NULL, "e");
    home_wait(replica, NULL, is_done);
    for (uint64_t i = 0; i < AGENTS; i++) {
        struct agent_id agent = number(i);
        come_letter(replica, &agent, 0, &(struct event_id){eve, 0}, "c");
    }
    for (uint64_t i = 0; i < AGENTS; i += AGENTS / 9) {
        struct agent_id agent = number(i);
        come_letter(replica, &agent, 1, NULL, "c");
    }
    come_letter(replica, &bo, 0, &(struct event_id){mallory, PAGES * PLACES - 1}, "b"); /* who has not seen it */
    home_wait(replica, NULL, is_done);
    assert_int_equal(replica->merging.agent_count, KEPT);
    assert_int_equal(replica->early_count, 0);
    assert_true(replica->merging.held_more);
    assert_int_equal(home_count(replica, 'c') + home_count(replica, 'e'), 0);
    assert_int_equal(home_count(replica, 'b'), 1);
    come_letter(replica, &cy, 0, NULL, "C"); /* who would take too long: that is noted, and finds room */
    home_wait(replica, NULL, is_done);
    assert_int_equal(replica->merging.agent_count, KEPT);
    assert_int_equal(home_count(replica, 'C'), 0);
    home_close(replica);
    replica = home_open(*state, "notes.md");
    size_t costly = 0;
    for (size_t i = 0; i < replica->merging.agent_count; i++)
        costly += replica->merging.agents[i].why == HELD_COSTLY;
    assert_int_equal(costly, 2);
    home_close(replica);
}

static void arrive_long(struct replica *replica, const struct agent_id *agent, uint64_t seq, size_t len)
{
    struct net_event *event = xcalloc(1, sizeof *event);
    struct received *received = &event->received;
    struct batch batch = {.agent = *agent, .seq0 = seq, .flags = seq > 0 ? BATCH_FLAG_SELF : 0};
    struct error err = {0};
    struct buf text = {0};
    for (size_t i = 0; i < len; i++)
        buf_add_byte(&text, 'l');
    if (seq == 0)
        batch_add_parent(&batch, (struct event_id){mallory, PAGES * PLACES - 1});
    batch_add_insert(&batch, 0, buf_view(&text));
    event->kind = NET_RECEIVED;
    *received = (struct received){.agent = *agent, .seq0 = seq, .count = len, .place = 1};
    batch_encode(&batch, &received->plain);
    received->digests = xcalloc(1, sizeof *received->digests);
    assert_int_equal(chain_add(replica->chain, &batch, buf_view(&received->plain), received->digests), CHAIN_NEXT);
    assert_true(batch_run_read_one(buf_view(&received->plain), agent, seq, &received->run, &err));
    buf_add(&received->stored, &received->digests[0], sizeof received->digests[0]);
    record_hash(buf_view(&received->stored), &received->hash);
    batch_release(&batch);
    buf_release(&text);
    replica_arrive(replica, event);
}

static bool has_arrived(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica->arrived;
}

static void so_many_bytes_arrive_before_the_relay_has_to_wait(void **state)
{
    enum { LONG = 900000, RECORDS = 6, FEW = 4 };
    struct replica *replica = open_with_pages(state);
    for (uint64_t i = 0; i < RECORDS; i++) {
        assert_int_equal(replica_arrived_enough(replica), i > FEW);
        arrive_long(replica, &bo, i * LONG, LONG);
    }
    assert_true(replica_arrived_enough(replica));
    replica->joining = true; /* the base text comes behind them */
    assert_false(replica_arrived_enough(replica));
    replica->joining = false;
    home_wait(replica, NULL, has_arrived);
    assert_false(replica_arrived_enough(replica));
    assert_int_equal(replica->arrived_bytes, 0);
    home_wait(replica, NULL, is_done);
    assert_int_equal(home_count(replica, 'l'), RECORDS * LONG);
    home_close(replica);
}

/* --- whatever each holds, all have one text in the end --- */

enum { WRITTEN = 48, PAGES_WRITTEN = 2, PLACES_WRITTEN = 1500, READERS = 3 };

struct written {
    const struct agent_id *agent;
    uint64_t seq, count, ancestors; /* a bit each, its own one too */
    struct batch batch;
};

static struct event_id last_of(const struct written *written)
{
    return (struct event_id){*written->agent, written->seq + written->count - 1};
}

/* By somebody who has seen of `before` what he says, which is often little: at one place, or two at places of their own. */
static void write_one(struct random *random, const struct written *before, size_t number, struct written *out)
{
    static const struct agent_id *const agents[] = {&eve, &bo, &cy};
    const struct written *previous = NULL;
    bool page = number < PAGES_WRITTEN;
    *out = (struct written){.agent = page ? &mallory : agents[random_below(random, 3)], .count = page ? PLACES_WRITTEN : 1};
    for (size_t i = 0; i < number; i++)
        if (before[i].agent == out->agent)
            previous = &before[i];
    const struct written *seen = !page && random_chance(random, 2) ? &before[random_below(random, number)] : NULL;
    bool sees = seen && seen->agent != out->agent && !(previous && previous->ancestors >> (seen - before) & 1);
    bool follows = previous && !(sees && seen->ancestors >> (previous - before) & 1);
    out->ancestors = (uint64_t)1 << number | (sees ? seen->ancestors : 0) | (previous ? previous->ancestors : 0);
    out->seq = previous ? previous->seq + previous->count : 0;
    out->batch = (struct batch){.agent = *out->agent, .seq0 = out->seq, .flags = follows ? BATCH_FLAG_SELF : 0};
    if (sees)
        batch_add_parent(&out->batch, last_of(seen));
    for (uint64_t i = 0; i < out->count; i++)
        batch_add_insert(&out->batch, page ? random_below(random, out->seq + i + 1) : 0, bytes_of_string(page ? "m" : "l"));
}

/* Parents first, else in any order; turns in between. */
static void come_in_any_order(struct random *random, struct replica *replica, const struct written *written)
{
    uint64_t here = 0;
    while (here != ((uint64_t)1 << WRITTEN) - 1) {
        size_t i = (size_t)random_below(random, WRITTEN);
        uint64_t bit = (uint64_t)1 << i;
        if (here & bit || (written[i].ancestors & ~bit & ~here))
            continue;
        struct batch batch = {0};
        batch_copy(&batch, &written[i].batch);
        come(replica, &batch);
        here |= bit;
        if (random_chance(random, 3))
            replica_handle(replica);
    }
}

static void whatever_each_holds_all_have_one_text_in_the_end(void **state)
{
    static const uint64_t max[READERS] = {UINT64_MAX / 8, 4000, 100};
    struct home *home = *state;
    struct random random = random_of(support_seed("merge-held", 41));
    size_t held = 0;
    for (uint64_t round = support_rounds(3); round > 0; round--) {
        struct written written[WRITTEN];
        char *texts[READERS];
        for (size_t i = 0; i < WRITTEN; i++)
            write_one(&random, written, i, &written[i]);
        for (size_t i = 0; i < READERS; i++) {
            char name[32];
            snprintf(name, sizeof name, "%llu-%zu.md", (unsigned long long)round, i);
            char *path = scratch_file(home->dir, name);
            scratch_write(path, "-");
            free(path);
            struct replica *replica = home_open(home, name);
            replica_begin_writing(replica);
            replica_handle(replica);
            replica->merge_steps_max = max[i];
            come_in_any_order(&random, replica, written);
            home_wait(replica, NULL, is_done);
            held += replica->merging.agent_count;
            while (replica_merge_held(replica))
                home_wait(replica, NULL, is_done);
            document_check(replica->document);
            assert_int_equal(document_events(replica->document), PAGES_WRITTEN * PLACES_WRITTEN + WRITTEN - PAGES_WRITTEN);
            texts[i] = home_text(replica);
            home_close(replica);
        }
        for (size_t i = 1; i < READERS; i++)
            assert_string_equal(texts[i], texts[0]);
        for (size_t i = 0; i < READERS; i++)
            free(texts[i]);
        for (size_t i = 0; i < WRITTEN; i++)
            batch_release(&written[i].batch);
    }
    assert_true(held > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, home_setup_with_file, home_teardown)
        TEST(keys_come_between),
        TEST(waiting_without_a_screen_merges_and_does_not_sleep),
        TEST(what_comes_meanwhile_waits),
        TEST(who_has_seen_all_that_is_here_goes_first),
        TEST(leaving_meanwhile_loses_nothing),
        TEST(what_would_take_too_long_is_held_and_so_is_what_builds_on_it),
        TEST(it_is_still_held_when_the_document_is_opened_again),
        TEST(it_is_held_over_restarts_until_somebody_wants_it),
        TEST(what_another_window_has_merged_meanwhile_is_not_held),
        TEST(what_a_copy_of_this_machine_wrote_waits_too),
        TEST(what_this_device_wrote_is_never_held),
        TEST(what_this_device_wrote_is_not_held_because_a_note_says_so),
        TEST(each_window_notes_what_it_holds),
        TEST(a_note_that_cannot_be_read_is_written_anew),
        TEST(what_is_saved_lacks_what_is_held_and_says_so),
        TEST(so_many_are_remembered_for_what_they_took),
        TEST(so_many_bytes_wait_for_what_is_on_its_way),
        TEST(what_is_held_does_not_come_again),
        TEST(what_waited_comes_in_its_order),
        TEST(another_window_is_heard_after_what_is_on_its_way),
        TEST(catching_up_is_all_of_it),
        TEST(who_has_many_agents_does_not_have_the_time_of_all_of_them),
        TEST(who_has_seen_another_half_of_many_branches_each_is_merged_between_the_keys),
        TEST(and_beyond_the_limit_of_all_of_them_is_held),
        TEST(so_many_bytes_are_held_in_memory_and_none_is_lost),
        TEST(so_many_agents_are_held_and_what_the_others_write_waits_too),
        TEST(so_many_bytes_arrive_before_the_relay_has_to_wait),
        TEST(whatever_each_holds_all_have_one_text_in_the_end),
        TEST(what_was_on_its_way_and_lost_is_not_held_when_it_comes_again),
    };
    return RUN_TESTS("replica_merge", tests);
}
