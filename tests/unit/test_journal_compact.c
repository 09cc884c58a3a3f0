/* A journal in less space: what was written comes back batch by batch, whatever was put together and when. */
#include "sync/journal_compact.h"
#include "sync/journal_parts.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/support/heap.h"
#include "tests/support/scratch.h"

static const struct agent_id ana = {{'a'}}, ben = {{'b'}};

static struct journal *open_ok(const char *path)
{
    struct seal_key key = {{1}};
    struct error err = {0};
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .key = &key, .now_s = 1};
    struct journal *journal = journal_open(&spec, &err);
    if (!journal)
        fail_msg("%s", err.text);
    return journal;
}

/* One key of an agent; with `foreign` it builds on what the other one wrote. */
struct key {
    const struct agent_id *agent;
    uint64_t seq;
    bool foreign;
    const char *path; /* whose view rides along */
};

static struct digest digest_of(const struct key *key)
{
    struct digest digest = {{0}};
    memcpy(digest.bytes, &key->seq, sizeof key->seq);
    digest.bytes[31] = key->agent->bytes[0];
    return digest;
}

static void encode_key(const struct key *key, struct buf *plain)
{
    struct batch batch = {.agent = *key->agent, .seq0 = key->seq};
    char text[] = {(char)('a' + key->seq % 26), '\0'};
    if (key->seq > 0)
        batch_add_parent(&batch, (struct event_id){*key->agent, key->seq - 1});
    if (key->foreign)
        batch_add_parent(&batch, (struct event_id){agent_id_equal(key->agent, &ana) ? ben : ana, key->seq});
    batch_add_insert(&batch, key->seq, bytes_of_string(text));
    batch_encode(&batch, plain);
    batch_release(&batch);
}

static void type(struct journal *journal, struct key key)
{
    struct buf plain = {0};
    struct error err = {0};
    encode_key(&key, &plain);
    struct journal_local local = {.agent = *key.agent, .seq0 = key.seq, .count = 1, .plain = buf_view(&plain),
                                  .digest = digest_of(&key), .path = key.path, .view = {.cursor = key.seq + 1}};
    if (journal_add_local(journal, &local, NULL, &err) != JOURNAL_ADDED)
        fail_msg("%s", err.text);
    buf_release(&plain);
}

static void type_all(struct journal *journal, const struct agent_id *agent, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq < to; seq++)
        type(journal, (struct key){agent, seq, false, "/a"});
}

static void cover(struct journal *journal, uint64_t place)
{
    struct error err = {0};
    assert_true(journal_checkpoint_put(journal, place, bytes_of_string("all of it"), NULL, &err));
}

/* Returns how many steps it took. */
static unsigned compact(struct journal *journal, struct journal_compaction *compaction)
{
    struct error err = {0};
    unsigned steps = 0;
    for (bool more = true; more; steps++)
        if (!journal_compact(journal, compaction, &more, &err))
            fail_msg("%s", err.text);
    compaction->upto = 0;
    return steps;
}

/* What is read of a journal: rows, and the batches in them. */
struct reading {
    uint64_t next[2]; /* of ana, of ben */
    uint64_t rows, packed, last_place;
};

static bool read_row(void *self, const struct journal_row *row)
{
    struct reading *reading = self;
    struct batch_run run;
    struct error err = {0};
    uint64_t *next = &reading->next[agent_id_equal(&row->agent, &ben)];
    assert_true(row->place > reading->last_place);
    reading->last_place = row->place;
    reading->rows++;
    if (row->form == JOURNAL_LOCAL) {
        assert_true(batch_run_read_one(row->body, &row->agent, row->seq0, &run, &err));
    } else {
        reading->packed++;
        assert_int_equal(row->form, JOURNAL_PACKED);
        assert_true(batch_run_read(row->body, &row->agent, row->seq0, row->count, &run, &err));
    }
    struct batch_cursor cursor = batch_cursor_of(&run);
    for (size_t i = 0; batch_cursor_next(&cursor); i++) {
        struct key key = {&row->agent, *next, cursor.batch->flags & BATCH_FLAG_FOREIGN, NULL};
        struct buf expected = {0};
        struct digest digest = digest_of(&key);
        assert_int_equal(cursor.batch->seq0, *next);
        encode_key(&key, &expected);
        assert_true(bytes_equal(cursor.plain, buf_view(&expected)));
        if (i + 1 == run.count)
            assert_true(digest_equal(&row->digest, &digest));
        if (i > 0)
            assert_false(key.foreign);
        buf_release(&expected);
        ++*next;
    }
    batch_cursor_release(&cursor);
    return true;
}

static struct reading read_all(struct journal *journal)
{
    struct reading reading = {0};
    struct journal_read read = {0};
    struct error err = {0};
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&reading, read_row}, &read, &err));
    assert_int_equal(read.damaged, 0);
    return reading;
}

static void keys_become_few_rows_and_the_file_small(void **state)
{
    enum { KEYS = 5000, HELD_MAX = 256 * 1024 };
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    struct error err = {0};
    heap_begin();
    assert_true(journal_begin(journal, &err));
    type_all(journal, &ana, 0, KEYS);
    assert_true(journal_commit(journal, &err));
    assert_true(journal_checkpoint_wal(path, &err));
    uint64_t before = journal_file_bytes(path);
    cover(journal, KEYS);
    assert_true(compact(journal, &compaction) > 5); /* a key waits for one of them */
    assert_in_range(heap_now(), 0, HELD_MAX); /* prepared statements, and none of the pages that were read */
    heap_end();
    assert_true(journal_checkpoint_wal(path, &err));
    print_message("%d keys: %llu B as rows, %llu B packed\n", KEYS, (unsigned long long)before,
                  (unsigned long long)journal_file_bytes(path));
    assert_true(journal_file_bytes(path) * 10 < before);
    struct reading reading = read_all(journal);
    assert_int_equal(reading.next[0], KEYS);
    assert_int_equal(reading.rows, (KEYS + JOURNAL_PACK_ROWS_MAX - 1) / JOURNAL_PACK_ROWS_MAX);
    assert_int_equal(reading.last_place, KEYS); /* no place is given twice: */
    type(journal, (struct key){&ana, KEYS, false, "/a"});
    assert_int_equal(read_all(journal).last_place, KEYS + 1);
    journal_close(journal);
    free(path);
}

static void a_long_base_has_large_pages(void **state)
{
    uint64_t sizes[2];
    for (int large = 0; large < 2; large++) {
        char *path = scratch_file(*state, large ? "large.journal" : "small.journal");
        struct seal_key key = {{1}};
        struct error err = {0};
        struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .key = &key, .base_len = large ? 1 << 20 : 1000};
        struct journal *journal = journal_open(&spec, &err);
        assert_non_null(journal);
        journal_close(journal);
        sizes[large] = journal_file_bytes(path);
        free(path);
    }
    assert_true(sizes[0] < 32 * 1024 && sizes[1] > 2 * sizes[0]);
}

static void only_what_a_checkpoint_covers_is_packed(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    type_all(journal, &ana, 0, 100);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).rows, 100);
    cover(journal, 60);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).rows, 41);
    assert_int_equal(read_all(journal).next[0], 100);
    journal_close(journal);
    free(path);
}

static bool has(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count)
{
    struct error err = {0};
    bool has = false;
    assert_true(journal_has_events(journal, agent, seq0, count, &has, &err));
    return has;
}

static void events_are_known_to_be_there_in_whatever_row(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    assert_false(has(journal, &ana, 0, 1));
    type_all(journal, &ana, 0, 100);
    assert_true(has(journal, &ana, 0, 1) && has(journal, &ana, 99, 1) && !has(journal, &ana, 99, 2) && !has(journal, &ben, 0, 1));
    cover(journal, 60);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).rows, 41);
    assert_true(has(journal, &ana, 0, 1) && has(journal, &ana, 37, 1) && has(journal, &ana, 59, 1) && has(journal, &ana, 60, 1));
    assert_true(!has(journal, &ana, 100, 1) && !has(journal, &ben, 30, 1));
    journal_close(journal);
    free(path);
}

static void few_rows_wait_for_more(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    type_all(journal, &ana, 0, JOURNAL_PACK_ROWS_MIN - 1);
    cover(journal, JOURNAL_PACK_ROWS_MIN - 1);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).packed, 0);
    type_all(journal, &ana, JOURNAL_PACK_ROWS_MIN - 1, 40);
    cover(journal, 40);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).rows, 1);
    journal_close(journal);
    free(path);
}

/* Two who write at once: nothing that a packed row needs comes behind it. */
static void a_packed_row_begins_where_another_agent_is_built_on(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    for (uint64_t seq = 0; seq < 400; seq++) {
        type(journal, (struct key){&ana, seq, seq % 50 == 49, "/a"});
        type(journal, (struct key){&ben, seq, seq % 40 == 39, "/b"});
    }
    cover(journal, 800);
    compact(journal, &compaction);
    struct reading reading = read_all(journal);
    assert_int_equal(reading.next[0], 400);
    assert_int_equal(reading.next[1], 400);
    assert_in_range(reading.packed, 16, 24);
    journal_close(journal);
    free(path);
}

static void what_is_not_sealed_for_the_relay_stays_in_rows(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {.sealed = true};
    struct error err = {0};
    type_all(journal, &ana, 0, 100);
    cover(journal, 100);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).packed, 0);
    struct journal_sent sent = {.kind = RECORD_EVENTS, .agent = ana, .seq0 = 0, .count = 30, .stored = bytes_of_string("sealed")};
    assert_int_equal(journal_outbox_put(journal, &sent, NULL, &err), JOURNAL_ADDED);
    compaction = (struct journal_compaction){.sealed = true};
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).rows, 71);
    journal_close(journal);
    free(path);
}

/* What it costs to find that nothing can be packed of so many rows; a shared journal is open while a script writes. */
static uint64_t work_for(struct journal *journal, uint64_t rows, uint64_t sealed, uint64_t covered)
{
    struct journal_compaction compaction = {.sealed = true};
    struct journal_sent sent = {.kind = RECORD_EVENTS, .agent = ana, .count = sealed, .stored = bytes_of_string("sealed")};
    struct error err = {0};
    assert_true(journal_begin(journal, &err));
    type_all(journal, &ana, 0, rows);
    assert_true(journal_commit(journal, &err));
    assert_int_equal(journal_outbox_put(journal, &sent, NULL, &err), JOURNAL_ADDED);
    cover(journal, covered);
    uint64_t before = db_work(journal->db);
    compact(journal, &compaction);
    return db_work(journal->db) - before;
}

static void rows_that_must_wait_are_not_looked_at_again_and_again(void **state)
{
    static const struct {
        uint64_t sealed, covered; /* of 1000, and of four times as many */
    } cases[] = {{10, 1000}, {1000, 10}};
    for (size_t i = 0; i < 2; i++) {
        char name[] = {(char)('a' + i), '1', '\0'};
        char *few_path = scratch_file(*state, name);
        name[1] = '4';
        char *many_path = scratch_file(*state, name);
        struct journal *few = open_ok(few_path), *many = open_ok(many_path);
        uint64_t work = work_for(few, 1000, cases[i].sealed, cases[i].covered);
        assert_in_range(work_for(many, 4000, cases[i].sealed * 4, cases[i].covered * 4), 1, work * 6);
        journal_close(few);
        journal_close(many);
        free(few_path);
        free(many_path);
    }
}

/* --- what was sent of them --- */

static void send(struct journal *journal, uint64_t seq0, uint64_t count)
{
    struct error err = {0};
    char stored[32];
    snprintf(stored, sizeof stored, "sealed %llu", (unsigned long long)seq0);
    struct journal_sent sent = {.kind = RECORD_EVENTS, .agent = ana, .seq0 = seq0, .count = count, .stored = bytes_of_string(stored)};
    assert_int_equal(journal_outbox_put(journal, &sent, NULL, &err), JOURNAL_ADDED);
}

struct left {
    uint64_t seqs[8];
    size_t count;
};

static bool note_left(void *self, const struct journal_sent *sent)
{
    struct left *left = self;
    assert_in_range(left->count, 0, 7);
    left->seqs[left->count++] = sent->kind == RECORD_EVENTS ? sent->seq0 : 1000;
    return true;
}

static void expect_left(struct journal *journal, const uint64_t *seqs, size_t count)
{
    struct left left = {0};
    struct error err = {0};
    assert_true(journal_outbox_of(journal, &ana, 0, (struct journal_sent_visitor){&left, note_left}, &err));
    assert_int_equal(left.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(left.seqs[i], seqs[i]);
}

/* What is acknowledged of packed rows goes; what is not, or reaches out of them, or says where sealing goes on, stays. */
static void what_was_sent_of_packed_rows_goes(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct error err = {0};
    uint64_t next_seq = 0;
    struct journal_sent member = {.kind = RECORD_MEMBER, .agent = ana, .stored = bytes_of_string("ana")};
    assert_int_equal(journal_outbox_put(journal, &member, NULL, &err), JOURNAL_ADDED);
    type_all(journal, &ana, 0, 100);
    for (uint64_t seq = 0; seq < 100; seq += 20)
        send(journal, seq, 20);
    assert_true(journal_outbox_ack_below(journal, &ana, 60, true, &err));
    cover(journal, 90); /* so the last record reaches out of the packed row */
    struct journal_compaction compaction = {.sealed = true};
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).packed, 1);
    expect_left(journal, (uint64_t[]){1000, 60, 80}, 3);
    assert_true(journal_outbox_ack_below(journal, &ana, 100, true, &err));
    compact(journal, &compaction);
    expect_left(journal, (uint64_t[]){1000, 80}, 2);
    cover(journal, 100);
    type_all(journal, &ana, 100, 140);
    send(journal, 100, 40);
    cover(journal, 140);
    compact(journal, &compaction);
    expect_left(journal, (uint64_t[]){1000, 80, 100}, 3);
    assert_true(journal_outbox_next_seq(journal, &ana, &next_seq, &err));
    assert_int_equal(next_seq, 140);
    assert_int_equal(read_all(journal).next[0], 140);
    journal_close(journal);
    free(path);
}

static void send_pack(struct journal *journal, uint64_t seq0, uint64_t count)
{
    struct error err = {0};
    struct journal_sent sent = {
        .kind = RECORD_PACK, .agent = ana, .seq0 = seq0, .count = count, .stored = bytes_of_string("pack")};
    assert_int_equal(journal_outbox_put(journal, &sent, NULL, &err), JOURNAL_ADDED);
}

/* It may reach over several packed rows. */
static void a_pack_that_was_sent_goes_too(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct error err = {0};
    type_all(journal, &ana, 0, 1000);
    send(journal, 0, 900);
    send(journal, 900, 100);
    send_pack(journal, 0, 1000);
    struct journal_compaction compaction = {.sealed = true};
    cover(journal, 1000);
    compact(journal, &compaction);
    expect_left(journal, (uint64_t[]){0, 1000, 900}, 3);
    assert_true(journal_outbox_ack_below(journal, &ana, 1000, true, &err));
    compact(journal, &compaction);
    expect_left(journal, (uint64_t[]){0, 900}, 2); /* the first one reaches over two rows */
    journal_close(journal);
    free(path);
}

static void the_cursor_that_rode_with_a_row_is_still_known(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    struct journal_view view;
    struct error err = {0};
    uint64_t place;
    bool found;
    type_all(journal, &ana, 0, 50);
    for (uint64_t seq = 50; seq < 100; seq++)
        type(journal, (struct key){&ana, seq, false, "/other"});
    cover(journal, 100);
    compact(journal, &compaction);
    assert_int_equal(read_all(journal).rows, 2);
    assert_true(journal_view_get(journal, "/a", NULL, &view, NULL, &place, &found, &err));
    assert_true(found && view.cursor == 50 && place == 50);
    assert_true(journal_view_get(journal, "/other", NULL, &view, NULL, &place, &found, &err));
    assert_true(found && view.cursor == 100 && place == 100);
    journal_close(journal);
    free(path);
}

/* One who has read up to a place in the middle of what became one row. */
static void who_has_read_half_of_it_meets_the_rest(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct journal_compaction compaction = {0};
    struct error err = {0};
    type_all(journal, &ana, 0, 100);
    cover(journal, 100);
    compact(journal, &compaction);
    struct reading reading = {0};
    struct journal_read read = {.last_place = 40};
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&reading, read_row}, &read, &err));
    assert_int_equal(reading.next[0], 100); /* and what he has already, which does no harm */
    assert_int_equal(read.last_place, 100);
    journal_close(journal);
    free(path);
}

static void all_at_once_leaves_nothing_free(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path);
    struct error err = {0};
    type_all(journal, &ana, 0, 2000);
    cover(journal, 2000);
    assert_true(journal_compact_all(journal, false, &err));
    assert_int_equal(read_all(journal).next[0], 2000);
    assert_in_range(journal_file_bytes(path), 1, 60000);
    journal_close(journal);
    free(path);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 2;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(keys_become_few_rows_and_the_file_small),
        SCRATCH_TEST(a_long_base_has_large_pages),
        SCRATCH_TEST(only_what_a_checkpoint_covers_is_packed),
        SCRATCH_TEST(events_are_known_to_be_there_in_whatever_row),
        SCRATCH_TEST(few_rows_wait_for_more),
        SCRATCH_TEST(a_packed_row_begins_where_another_agent_is_built_on),
        SCRATCH_TEST(what_is_not_sealed_for_the_relay_stays_in_rows),
        SCRATCH_TEST(rows_that_must_wait_are_not_looked_at_again_and_again),
        SCRATCH_TEST(what_was_sent_of_packed_rows_goes),
        SCRATCH_TEST(a_pack_that_was_sent_goes_too),
        SCRATCH_TEST(the_cursor_that_rode_with_a_row_is_still_known),
        SCRATCH_TEST(who_has_read_half_of_it_meets_the_rest),
        SCRATCH_TEST(all_at_once_leaves_nothing_free),
    };
    return RUN_TESTS("journal_compact", tests);
}
