/* What a replica does with edits that come before, or without, what they build on. */
#include "tests/support/home.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "editor/base/xalloc.h"

/* More than a checkpoint is worth, and all of it in the journal. */
enum { ENOUGH = 1100 };

static void type_enough(struct replica *replica)
{
    for (int i = 0; i < ENOUGH; i++)
        home_insert(replica, "a");
    uint64_t ticket = journal_writer_run(replica->writer, replica_nothing, NULL, (struct journal_done){0});
    assert_int_equal(journal_writer_wait(replica->writer, ticket, 10000000), JOURNAL_WAIT_DONE);
}

static void expect_text(struct replica *replica, const char *text)
{
    struct buf have = {0};
    const struct rope *rope = replica_buffer(replica)->text;
    rope_append_to(rope, 0, rope_len(rope), &have);
    assert_string_equal(buf_string(&have), text);
    buf_release(&have);
}

/* Lin's letters behind the base text, one batch each, as they come out of a session: checked, and in the hash chain. */
static struct received letter_of_lin(struct replica *replica, uint64_t seq, const char *letter)
{
    struct received received = {.agent = {{0x11}}, .seq0 = seq, .count = 1, .place = seq + 1};
    struct batch batch = {.agent = received.agent, .seq0 = seq, .flags = seq > 0 ? BATCH_FLAG_SELF : 0};
    struct error err = {0};
    batch_add_insert(&batch, seq + 1, bytes_of_string(letter));
    batch_encode(&batch, &received.plain);
    received.digests = xcalloc(1, sizeof *received.digests);
    assert_int_equal(chain_add(replica->chain, &batch, buf_view(&received.plain), received.digests), CHAIN_NEXT);
    assert_true(batch_run_read_one(buf_view(&received.plain), &received.agent, seq, &received.run, &err));
    batch_release(&batch);
    buf_add_bytes(&received.stored, bytes_of_string(letter)); /* nobody reads it back here */
    record_hash(buf_view(&received.stored), &received.hash);
    return received;
}

static void edits_that_come_before_what_they_build_on_are_taken_when_it_comes(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    replica_begin_writing(replica);
    struct received first = letter_of_lin(replica, 0, "l"), second = letter_of_lin(replica, 1, "i"),
                    third = letter_of_lin(replica, 2, "n");
    replica_take_received(replica, &third);
    replica_take_received(replica, &second);
    assert_int_equal(replica->early_count, 2);
    replica_take_received(replica, &second);
    assert_int_equal(replica->early_count, 2); /* once is enough */
    replica_update_text(replica);
    expect_text(replica, "-");
    replica_take_received(replica, &first);
    assert_true(replica->text_due);
    replica_update_text(replica);
    expect_text(replica, "-lin");
    assert_int_equal(replica->early_count, 0);
    received_release(&first);
    received_release(&second);
    received_release(&third);
    home_close(replica);
}

static void edits_that_nobody_took_before_going_offline_are_taken_when_they_come_again(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    bool all_sent;
    home_insert(replica, "a");
    struct received first = letter_of_lin(replica, 0, "l"); /* lies in the session's queue, and is dropped there */
    replica_go_offline(replica, 0, &all_sent);
    assert_int_equal(chain_next_seq(replica->chain, &first.agent), 0);
    assert_int_equal(chain_next_seq(replica->chain, &replica->agent), 1);
    struct received again = letter_of_lin(replica, 0, "l");
    replica_take_received(replica, &again);
    replica_update_text(replica);
    expect_text(replica, "a-l");
    received_release(&first);
    received_release(&again);
    home_close(replica);
}

static void a_checkpoint_takes_nothing_for_known_that_is_not_in_its_document(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    type_enough(replica);
    struct received first = letter_of_lin(replica, 0, "l");
    home_close(replica);
    replica = home_open(*state, "notes.md");
    assert_true(replica->checkpoint_place > 0);
    assert_int_equal(document_events(replica->document), ENOUGH);
    assert_int_equal(chain_next_seq(replica->chain, &first.agent), 0);
    received_release(&first);
    home_close(replica);
}

/* An early row counts as read, so a checkpoint would be the only place to look for it. */
static void no_checkpoint_is_made_while_something_waits_for_its_parents(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    type_enough(replica);
    struct received first = letter_of_lin(replica, 0, "l"), second = letter_of_lin(replica, 1, "i");
    replica_add_batches(replica, &second.run, NULL);
    assert_int_equal(replica->early_count, 1);
    home_close(replica);
    replica = home_open(*state, "notes.md");
    assert_int_equal(replica->checkpoint_place, 0);
    assert_int_equal(document_events(replica->document), ENOUGH);
    received_release(&first);
    received_release(&second);
    home_close(replica);
}

/* What a newer weft wrote is not written over, also after it is opened again without a relay. */
static void a_document_with_something_newer_is_only_read(void **state)
{
    enum { STRANGE = 0x21 };
    struct error err = {0};
    struct patch patch = {0};
    struct replica *replica = home_open(*state, "notes.md");
    home_insert(replica, "a");
    patch_replace(&patch, 0, 0, bytes_of_string("b"));
    replica_take_newer(replica, STRANGE);
    for (int again = 0; again < 2; again++) {
        assert_false(replica_edit(replica, &patch, selection_at(0), EDIT_WHOLE, &err));
        assert_int_equal(err.code, ERR_NEWER);
        assert_non_null(strstr(err.text, "update weft"));
        assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDO_REFUSED);
        expect_text(replica, "a-");
        home_close(replica);
        replica = home_open(*state, "notes.md");
    }
    replica_begin_writing(replica);
    replica_take_newer(replica, RECORD_META); /* a weft that has learned what it is */
    home_close(replica);
    replica = home_open(*state, "notes.md");
    assert_true(replica_edit(replica, &patch, selection_at(0), EDIT_WHOLE, &err));
    patch_release(&patch);
    home_close(replica);
}

/* --- our own machine was copied --- */

/* A copy of this process wrote these letters under its first number: the last one as it comes out of a session. `after`: the
   first one builds on this letter of somebody else; or NULL. */
static struct received letter_after(struct replica *replica, const struct received *after, const struct agent_id *agent,
                                    const char *letters)
{
    uint64_t newest = strlen(letters) - 1;
    struct received received = {
        .kind = RECORD_EVENTS, .agent = *agent, .seq0 = newest, .count = 1, .place = 7 + newest};
    struct chain *chain = chain_new(&replica->entry.doc);
    struct buf plain = {0};
    struct sign_key doc_key;
    struct error err = {0};
    received.digests = xcalloc(1, sizeof *received.digests);
    if (after) {
        struct batch_cursor first = batch_cursor_of(&after->run);
        assert_true(batch_cursor_next(&first));
        assert_int_equal(chain_add(chain, first.batch, first.plain, received.digests), CHAIN_NEXT);
        batch_cursor_release(&first);
    }
    for (uint64_t seq = 0; seq <= newest; seq++) {
        struct batch batch = {.agent = *agent, .seq0 = seq, .flags = seq > 0 ? BATCH_FLAG_SELF : 0};
        buf_clear(&received.plain);
        if (after && seq == 0)
            batch_add_parent(&batch, (struct event_id){after->agent, 0});
        batch_add_insert(&batch, seq + 1, bytes_of(letters + seq, 1));
        batch_encode(&batch, &received.plain);
        assert_int_equal(chain_add(chain, &batch, buf_view(&received.plain), received.digests), CHAIN_NEXT);
        batch_release(&batch);
    }
    assert_true(batch_run_read_one(buf_view(&received.plain), agent, newest, &received.run, &err));
    record_plain_add(&plain, buf_view(&received.plain));
    device_doc_key(&replica->env->device, &replica->entry.doc, &doc_key);
    struct record_spec spec = {.kind = RECORD_EVENTS, .agent = *agent, .sealer = *agent, .counter = 1 + newest,
                               .seq0 = newest, .count = 1, .plain = buf_view(&plain), .last = received.digests,
                               .keys = &replica->entry.keys, .signer = &doc_key};
    record_seal(&spec, &received.stored);
    record_hash(buf_view(&received.stored), &received.hash);
    chain_free(chain);
    buf_release(&plain);
    return received;
}

static struct received letter_of_twin(struct replica *replica, const struct agent_id *agent, const char *letters)
{
    return letter_after(replica, NULL, agent, letters);
}

static void take_from_twin(struct replica *replica, struct received *received, enum chain_link expected)
{
    struct chain_taken taken;
    struct digest last = received->digests[0];
    assert_int_equal(chain_take_run(replica->chain, &received->run, 0, &last, received->digests, &taken), expected);
    received->forked = taken.forked;
    received->fork = taken.fork;
    replica_take_received(replica, received);
}

/* The record that says whose key an agent's records are signed with, in the journal and in memory. */
static void introduce(struct replica *replica, const struct agent_id *agent)
{
    struct member member = {.agent = *agent, .has_grant = true, .name = "ada"};
    struct sign_key doc_key;
    struct buf stored = {0};
    struct error err = {0};
    device_doc_key(&replica->env->device, &replica->entry.doc, &doc_key);
    grant_make(&replica->entry.keys, &doc_key.public_key, 0, 0, &member.grant);
    member_seal(&member, &replica->entry.keys, &replica->env->device, 0, &stored);
    assert_true(replica_read_member(replica, buf_view(&stored), &err));
    struct journal_received row = {.kind = RECORD_MEMBER, .agent = *agent, .stored = buf_view(&stored)};
    record_hash(row.stored, &row.hash);
    journal_writer_received(replica->writer, &row, (struct journal_done){0});
    buf_release(&stored);
}

static void who_meets_his_own_copy_goes_on_as_another_and_keeps_both(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    struct error err = {0};
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody is there */
    home_insert(replica, "a");
    struct agent_id was = replica->agent;
    introduce(replica, &was);
    struct received twins = letter_of_twin(replica, &was, "t");
    take_from_twin(replica, &twins, CHAIN_FORKED);
    replica_take_fork(replica, &was);
    replica_handle(replica);
    assert_false(agent_id_equal(&replica->agent, &was));
    assert_true(replica_wrote_twice(replica, &replica->members.items[0]->member.doc_key));
    expect_text(replica, "a-t");
    home_insert(replica, "b");
    expect_text(replica, "ba-t");
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE); /* what it was wrote that */
    expect_text(replica, "-t");
    home_close(replica);
    replica = home_open(*state, "notes.md");
    expect_text(replica, "-t");
    assert_int_equal(chain_forks(replica->chain), 1);
    home_insert(replica, "c");
    expect_text(replica, "c-t");
    received_release(&twins);
    home_close(replica);
}

/* Two copies, and on both the same was written behind what each had written first. */
static void the_same_content_on_two_branches_is_read_from_the_journal_twice(void **state)
{
    struct replica *replica = home_open(*state, "notes.md");
    struct error err = {0};
    struct buf text = {0};
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody is there */
    home_insert(replica, "a");
    struct agent_id was = replica->agent;
    struct received letters[] = {letter_of_twin(replica, &was, "t"), letter_of_twin(replica, &was, "ts"),
                                 letter_of_twin(replica, &was, "u"), letter_of_twin(replica, &was, "us")};
    for (size_t i = 0; i < 4; i++)
        take_from_twin(replica, &letters[i], i % 2 == 0 ? CHAIN_FORKED : CHAIN_NEXT);
    replica_take_fork(replica, &was);
    replica_handle(replica);
    rope_append_to(replica_buffer(replica)->text, 0, rope_len(replica_buffer(replica)->text), &text);
    assert_int_equal(text.len, strlen("a-tsus"));
    home_close(replica);
    replica = home_open(*state, "notes.md");
    expect_text(replica, buf_string(&text));
    assert_int_equal(chain_forks(replica->chain), 2);
    assert_int_equal(replica->faults, 0);
    for (size_t i = 0; i < 4; i++)
        received_release(&letters[i]);
    buf_release(&text);
    home_close(replica);
}

/* Another window has taken it from the room. */
static void put_row(struct replica *replica, const struct received *received)
{
    struct error err = {0};
    struct journal *journal = replica_open_journal(replica, JOURNAL_WRITE, &err);
    struct journal_received row = {.kind = received->kind, .agent = received->agent, .seq0 = received->seq0,
                                   .count = received->count, .relay_place = received->place, .hash = received->hash,
                                   .stored = buf_view(&received->stored)};
    assert_non_null(journal);
    assert_int_equal(journal_add_received(journal, &row, NULL, &err), JOURNAL_ADDED);
    journal_close(journal);
}

/* What another window wrote is merged some ms at a turn. */
static bool has_merged(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica_is_merging(replica) && replica->early_count == 0;
}

/* The branch waits for what it builds on, so no fork is known yet; and on the side that is, the same was written. */
static void the_same_content_behind_a_branch_that_waits_is_read_when_the_branch_is(void **state)
{
    static const struct agent_id ben = {{0xbe}}, carol = {{0xca}};
    struct replica *replica = home_open(*state, "notes.md");
    struct error err = {0};
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody is there */
    home_insert(replica, "a");
    home_wait(replica, NULL, home_is_kept);
    introduce(replica, &ben);
    introduce(replica, &carol);
    struct received carols = letter_of_twin(replica, &carol, "C");
    struct received side[] = {letter_of_twin(replica, &ben, "t"), letter_of_twin(replica, &ben, "ts")};
    struct received other[] = {letter_after(replica, &carols, &ben, "u"), letter_after(replica, &carols, &ben, "us")};
    for (size_t i = 0; i < 2; i++)
        take_from_twin(replica, &side[i], CHAIN_NEXT);
    for (size_t i = 0; i < 2; i++)
        put_row(replica, &other[i]);
    replica_handle(replica);
    replica_read_rows(replica);
    assert_int_equal(rope_len(replica_buffer(replica)->text), strlen("a-ts"));
    put_row(replica, &carols);
    replica_read_rows(replica);
    home_wait(replica, NULL, has_merged);
    assert_int_equal(rope_len(replica_buffer(replica)->text), strlen("a-tsCus"));
    assert_int_equal(replica->faults, 0);
    for (size_t i = 0; i < 2; i++) {
        received_release(&side[i]);
        received_release(&other[i]);
    }
    received_release(&carols);
    home_close(replica);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, home_setup_with_file, home_teardown)
        TEST(edits_that_come_before_what_they_build_on_are_taken_when_it_comes),
        TEST(edits_that_nobody_took_before_going_offline_are_taken_when_they_come_again),
        TEST(a_checkpoint_takes_nothing_for_known_that_is_not_in_its_document),
        TEST(a_document_with_something_newer_is_only_read),
        TEST(who_meets_his_own_copy_goes_on_as_another_and_keeps_both),
        TEST(the_same_content_on_two_branches_is_read_from_the_journal_twice),
        TEST(the_same_content_behind_a_branch_that_waits_is_read_when_the_branch_is),
        TEST(no_checkpoint_is_made_while_something_waits_for_its_parents),
    };
    return RUN_TESTS("replica", tests);
}
