/* The journal: what comes back, what is told apart, what never reaches the disk in the clear. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "sync/db.h"
#include "sync/file_lock.h"
#include "sync/journal.h"
#include "tests/support/scratch.h"

static struct seal_key key_of(unsigned char filling)
{
    struct seal_key key;
    memset(key.bytes, filling, sizeof key.bytes);
    return key;
}

static struct agent_id agent_of(unsigned char filling)
{
    struct agent_id agent;
    memset(agent.bytes, filling, sizeof agent.bytes);
    return agent;
}

static struct digest digest_of(unsigned char filling)
{
    struct digest digest;
    memset(digest.bytes, filling, sizeof digest.bytes);
    return digest;
}

static struct journal *open_as(const char *path, enum journal_mode mode, unsigned char doc, unsigned char key,
                               struct error *err)
{
    struct seal_key seal = key_of(key);
    struct journal_spec spec = {.path = path, .mode = mode, .key = &seal, .now_s = 1700000000};
    memset(spec.doc.bytes, doc, sizeof spec.doc.bytes);
    return journal_open(&spec, err);
}

static struct journal *open_ok(const char *path, enum journal_mode mode)
{
    struct error err = {0};
    struct journal *journal = open_as(path, mode, 7, 1, &err);
    if (!journal)
        fail_msg("%s", err.text);
    return journal;
}

static struct journal_local local_of(unsigned char agent, uint64_t seq0, const char *plain)
{
    return (struct journal_local){
        .agent = agent_of(agent),
        .seq0 = seq0,
        .count = strlen(plain),
        .plain = bytes_of_string(plain),
        .digest = digest_of((unsigned char)seq0),
    };
}

static struct journal_received received_of(unsigned char agent, uint64_t seq0, uint64_t count, const char *stored)
{
    struct journal_received received = {
        .kind = count ? RECORD_EVENTS : RECORD_MEMBER,
        .agent = agent_of(agent),
        .seq0 = seq0,
        .count = count,
        .relay_place = seq0 + 100,
        .stored = bytes_of_string(stored),
    };
    crypto_blake2b(received.stored, &received.hash);
    return received;
}

static uint64_t add_local(struct journal *journal, struct journal_local local)
{
    struct error err = {0};
    uint64_t place = 0;
    if (journal_add_local(journal, &local, &place, &err) != JOURNAL_ADDED)
        fail_msg("not added: %s", err.text);
    return place;
}

static uint64_t add_received(struct journal *journal, struct journal_received received)
{
    struct error err = {0};
    uint64_t place = 0;
    if (journal_add_received(journal, &received, &place, &err) != JOURNAL_ADDED)
        fail_msg("not added: %s", err.text);
    return place;
}

/* Rows as one line of text: "L1@0:abc R2@3:def ". */
static bool print_row(void *self, const struct journal_row *row)
{
    buf_addf(self, "%c%d@%d:%.*s ", row->form == JOURNAL_LOCAL ? 'L' : 'R', row->agent.bytes[0], (int)row->seq0,
             (int)row->body.len, (const char *)row->body.data);
    return true;
}

static void expect_rows(struct journal *journal, uint64_t after, const char *expected)
{
    struct buf printed = {0};
    struct error err = {0};
    struct journal_read read = {.last_place = after};
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&printed, print_row}, &read, &err));
    assert_string_equal(buf_string(&printed), expected);
    assert_int_equal(read.damaged, 0);
    buf_release(&printed);
}

static void rows_come_back_in_the_order_they_arrived(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    uint64_t first = add_local(journal, local_of(1, 0, "abc"));
    add_received(journal, received_of(2, 0, 0, "member"));
    add_received(journal, received_of(2, 0, 9, "record"));
    add_local(journal, local_of(1, 3, "de"));
    journal_close(journal);

    journal = open_ok(path, JOURNAL_READ);
    expect_rows(journal, 0, "L1@0:abc R2@0:member R2@0:record L1@3:de ");
    expect_rows(journal, first, "R2@0:member R2@0:record L1@3:de ");
    struct journal_stats stats;
    struct error err = {0};
    assert_true(journal_stats(journal, &stats, &err));
    assert_int_equal(stats.rows, 4);
    assert_int_equal(stats.newest_place, first + 3);
    assert_int_equal(stats.created_s, 1700000000);
    journal_close(journal);
    free(path);
}

static bool keep_row(void *self, const struct journal_row *row)
{
    *(struct journal_row *)self = *row;
    return false;
}

static void a_row_keeps_every_field(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_read read = {0};
    struct journal_row row;
    struct journal_local local = local_of(1, 5, "abc");
    struct journal_received received = received_of(2, 40, 9, "record");
    add_local(journal, local);
    add_received(journal, received);

    assert_true(journal_rows(journal, 0, (struct journal_visitor){&row, keep_row}, &read, &err));
    assert_int_equal(row.kind, RECORD_EVENTS);
    assert_int_equal(row.count, 3);
    assert_true(digest_equal(&row.digest, &local.digest));
    assert_true(journal_rows(journal, 1, (struct journal_visitor){&row, keep_row}, &read, &err));
    assert_int_equal(row.form, JOURNAL_RECEIVED);
    assert_int_equal(row.relay_place, 140);
    assert_int_equal(row.count, 9);
    assert_true(digest_equal(&row.hash, &received.hash));
    journal_close(journal);
}

static void the_same_again_is_known_and_keeps_its_place(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_local local = local_of(1, 0, "abc");
    struct journal_received received = received_of(2, 0, 3, "record");
    uint64_t place = add_local(journal, local);
    uint64_t received_place = add_received(journal, received);
    uint64_t again = 0;
    assert_int_equal(journal_add_local(journal, &local, &again, &err), JOURNAL_KNOWN);
    assert_int_equal(again, place);
    assert_int_equal(journal_add_received(journal, &received, &again, &err), JOURNAL_KNOWN);
    assert_int_equal(again, received_place);
    expect_rows(journal, 0, "L1@0:abc R2@0:record ");
    journal_close(journal);
}

static void an_own_event_with_other_content_is_refused(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    add_local(journal, local_of(1, 0, "abc"));
    struct journal_local other = local_of(1, 0, "abd");
    assert_int_equal(journal_add_local(journal, &other, NULL, &err), JOURNAL_FAILED);
    assert_int_equal(err.code, ERR_FORMAT);
    expect_rows(journal, 0, "L1@0:abc ");
    journal_close(journal);
}

static void two_packings_of_one_agent_s_events_are_both_kept(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    add_received(journal, received_of(2, 0, 3, "small"));
    add_received(journal, received_of(2, 0, 9, "large"));
    expect_rows(journal, 0, "R2@0:small R2@0:large ");
    journal_close(journal);
}

static void numbers_beyond_all_bounds_are_an_error_not_a_crash(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_received received = received_of(2, 0, 3, "record");
    received.seq0 = UINT64_MAX;
    assert_int_equal(journal_add_received(journal, &received, NULL, &err), JOURNAL_FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    struct journal_relay relay = {.place = UINT64_MAX};
    assert_false(journal_relay_put(journal, &relay, &err));
    assert_true(journal_outbox_ack_below(journal, &received.agent, UINT64_MAX, true, &err));
    journal_close(journal);
}

static void rows_of_one_agent_are_found_from_any_seq(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct agent_id two = agent_of(2);
    add_received(journal, received_of(2, 0, 0, "member"));
    add_received(journal, received_of(2, 10, 5, "b"));
    add_received(journal, received_of(2, 0, 10, "a"));
    add_local(journal, local_of(1, 0, "abc"));
    struct {
        uint64_t seq;
        const char *rows;
    } expected[] = {{0, "R2@0:member R2@0:a R2@10:b "}, {5, "R2@0:a R2@10:b "}, {10, "R2@10:b "}, {15, ""}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct buf printed = {0};
        struct error err = {0};
        struct journal_read read = {0};
        assert_true(journal_rows_of(journal, &two, expected[i].seq, (struct journal_visitor){&printed, print_row},
                                    &read, &err));
        assert_string_equal(buf_string(&printed), expected[i].rows);
        buf_release(&printed);
    }
    journal_close(journal);
}

/* The single records behind its middle never came, or are gone. */
static void a_pack_is_found_from_its_middle(void **state)
{
    enum { PACK = 1024 };
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct agent_id two = agent_of(2);
    struct buf printed = {0};
    struct error err = {0};
    struct journal_read read = {0};
    add_received(journal, received_of(2, 0, PACK, "pack"));
    for (uint64_t i = 0; i < PACK - 1; i++)
        add_received(journal, received_of(2, i, 1, "x"));
    add_received(journal, received_of(2, PACK, 1, "next"));
    assert_true(journal_rows_of(journal, &two, PACK - 1, (struct journal_visitor){&printed, print_row}, &read, &err));
    assert_string_equal(buf_string(&printed), "R2@0:pack R2@1024:next ");
    buf_release(&printed);
    journal_close(journal);
}

static void a_rolled_back_group_leaves_nothing(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    assert_true(journal_begin(journal, &err));
    add_local(journal, local_of(1, 0, "abc"));
    journal_rollback(journal);
    expect_rows(journal, 0, "");
    assert_true(journal_begin(journal, &err));
    add_local(journal, local_of(1, 0, "abc"));
    assert_true(journal_commit(journal, &err));
    expect_rows(journal, 0, "L1@0:abc ");
    journal_close(journal);
}

static void another_device_s_key_or_document_does_not_open_it(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct error err = {0};
    journal_close(open_ok(path, JOURNAL_CREATE));
    assert_null(open_as(path, JOURNAL_WRITE, 7, 2, &err));
    assert_int_equal(err.code, ERR_AUTH);
    err.code = ERR_NONE;
    assert_null(open_as(path, JOURNAL_CREATE, 8, 1, &err));
    assert_int_equal(err.code, ERR_AUTH);
    free(path);
}

static void a_missing_journal_is_missing_and_nothing_is_made(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct error err = {0};
    assert_null(open_as(path, JOURNAL_READ, 7, 1, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_null(open_as(path, JOURNAL_WRITE, 7, 1, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

/* Plain access to the database, as an attacker with the disk (or a newer weft) has it. */
static void tamper(const char *path, const char *sql)
{
    struct db_options options = {
        .what = "tampering", .mode = DB_WRITE, .application_id = 0x77666a31, .schema_count = 2, .busy_ms = 1000};
    struct error err = {0};
    struct db *db = db_open(path, &options, &err);
    if (!db || !db_exec(db, sql, &err))
        fail_msg("%s", err.text);
    db_close(db);
}

static void a_newer_journal_is_refused_and_not_a_byte_changes(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    add_local(journal, local_of(1, 0, "abc"));
    journal_close(journal);
    tamper(path, "PRAGMA user_version = 1000");
    struct buf before = {0};
    struct buf after = {0};
    scratch_read(path, &before);
    const enum journal_mode modes[] = {JOURNAL_READ, JOURNAL_WRITE, JOURNAL_CREATE};
    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        assert_null(open_as(path, modes[i], 7, 1, &err));
        assert_int_equal(err.code, ERR_NEWER);
    }
    scratch_read(path, &after);
    assert_true(bytes_equal(buf_view(&before), buf_view(&after)));
    buf_release(&before);
    buf_release(&after);
    free(path);
}

static void a_damaged_row_is_counted_and_the_others_are_read(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    add_local(journal, local_of(1, 0, "abc"));
    add_local(journal, local_of(1, 3, "def"));
    add_local(journal, local_of(1, 6, "ghi"));
    journal_close(journal);
    tamper(path, "UPDATE arrival SET body = substr(body, 1, 30) || iif(substr(body, 31, 1) = x'00', x'01', x'00') ||"
                 " substr(body, 32) WHERE place = 2");
    journal = open_ok(path, JOURNAL_READ);
    struct buf printed = {0};
    struct error err = {0};
    struct journal_read read = {0};
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&printed, print_row}, &read, &err));
    assert_string_equal(buf_string(&printed), "L1@0:abc L1@6:ghi ");
    assert_int_equal(read.damaged, 1);
    assert_int_equal(read.last_place, 3);
    buf_release(&printed);
    journal_close(journal);
    free(path);
}

static void rows_that_changed_places_do_not_open(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    add_local(journal, local_of(1, 0, "abc"));
    add_local(journal, local_of(1, 3, "def"));
    journal_close(journal);
    tamper(path, "UPDATE arrival SET body = (SELECT body FROM arrival WHERE place = 3 - p.place) FROM arrival AS p"
                 " WHERE p.place = arrival.place");
    journal = open_ok(path, JOURNAL_READ);
    struct buf printed = {0};
    struct error err = {0};
    struct journal_read read = {0};
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&printed, print_row}, &read, &err));
    assert_string_equal(buf_string(&printed), "");
    assert_int_equal(read.damaged, 2);
    buf_release(&printed);
    journal_close(journal);
    free(path);
}

/* --- base, notes, checkpoints --- */

static void the_base_text_comes_back_whole(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct buf text = {0};
    for (int i = 0; text.len < 2 * JOURNAL_CHUNK_BYTES + 100; i++)
        buf_addf(&text, "line %d\n", i);
    struct journal_base base;
    assert_true(journal_base_state(journal, &base, &err));
    assert_false(base.known);
    assert_true(journal_base_begin(journal, text.len, &err));
    for (int chunk = 2; chunk >= 0; chunk--) {
        size_t at = (size_t)chunk * JOURNAL_CHUNK_BYTES;
        size_t len = chunk == 2 ? text.len - at : JOURNAL_CHUNK_BYTES;
        struct buf out = {0};
        assert_false(journal_base_load(journal, &out, &err));
        assert_int_equal(err.code, ERR_MISSING);
        assert_true(journal_base_put(journal, (uint64_t)chunk, bytes_slice(buf_view(&text), at, len), &err));
        assert_true(journal_base_put(journal, (uint64_t)chunk, bytes_slice(buf_view(&text), at, len), &err));
    }
    assert_true(journal_base_state(journal, &base, &err));
    assert_true(base.complete);
    struct buf out = {0};
    assert_true(journal_base_load(journal, &out, &err));
    assert_true(bytes_equal(buf_view(&out), buf_view(&text)));
    buf_release(&out);
    buf_release(&text);
    journal_close(journal);
}

static void a_base_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    assert_false(journal_base_put(journal, 0, bytes_of_string("abc"), &err));
    assert_false(journal_base_begin(journal, (uint64_t)JOURNAL_BASE_BYTES_MAX + 1, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(journal_base_begin(journal, 3, &err));
    assert_true(journal_base_begin(journal, 3, &err));
    assert_false(journal_base_begin(journal, 4, &err));
    assert_false(journal_base_put(journal, 1, bytes_of_string("abc"), &err));
    assert_false(journal_base_put(journal, 0, bytes_of_string("abcd"), &err));
    assert_true(journal_base_put(journal, 0, bytes_of_string("abc"), &err));
    journal_close(journal);
}

static void an_empty_base_is_complete_at_once(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct buf out = {0};
    assert_true(journal_base_begin(journal, 0, &err));
    assert_true(journal_base_load(journal, &out, &err));
    assert_int_equal(out.len, 0);
    journal_close(journal);
}

static void notes_are_kept_under_their_name(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct buf out = {0};
    bool found = true;
    assert_true(journal_note_get(journal, "genesis", &out, &found, &err));
    assert_false(found);
    assert_true(journal_note_put(journal, "genesis", bytes_of_string("one"), &err));
    assert_true(journal_note_put(journal, "genesis", bytes_of_string("two"), &err));
    assert_true(journal_note_put(journal, "title", bytes_of(NULL, 0), &err));
    assert_true(journal_note_get(journal, "genesis", &out, &found, &err));
    assert_true(found);
    assert_string_equal(buf_string(&out), "two");
    buf_clear(&out);
    assert_true(journal_note_get(journal, "title", &out, &found, &err));
    assert_true(found);
    assert_int_equal(out.len, 0);
    buf_release(&out);
    journal_close(journal);
}

static bool has_note(struct journal *journal, const char *name)
{
    struct error err = {0};
    struct buf out = {0};
    bool found = false;
    assert_true(journal_note_get(journal, name, &out, &found, &err));
    buf_release(&out);
    return found;
}

static void a_note_goes_with_those_below_its_name_and_no_others(void **state)
{
    (void)state;
    static const char *const names[] = {"ahead", "ahead/text/0", "ahead/typed/12", "ahead-of", "aheads", "a", "ahead0"};
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(journal_note_put(journal, names[i], bytes_of_string("x"), &err));
    assert_true(journal_notes_drop(journal, "ahead", &err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(has_note(journal, names[i]), i >= 3);
    journal_close(journal);
}

static void put_checkpoint(struct journal *journal, uint64_t place, const char *encoded, const char *text)
{
    struct error err = {0};
    struct rope *rope = text ? rope_from_bytes(bytes_of_string(text)) : NULL;
    if (!journal_checkpoint_put(journal, place, bytes_of_string(encoded), rope, &err))
        fail_msg("%s", err.text);
    rope_free(rope);
}

static void expect_checkpoint(struct journal *journal, uint64_t place, const char *encoded, const char *text)
{
    struct error err = {0};
    struct journal_checkpoint checkpoint;
    assert_true(journal_checkpoint_get(journal, &checkpoint, &err));
    assert_true(checkpoint.found);
    assert_int_equal(checkpoint.place, place);
    assert_string_equal(buf_string(&checkpoint.encoded), encoded);
    assert_int_equal(checkpoint.has_text, text != NULL);
    if (text)
        assert_string_equal(buf_string(&checkpoint.text), text);
    journal_checkpoint_release(&checkpoint);
}

static void the_newest_checkpoint_is_loaded(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_checkpoint checkpoint;
    assert_true(journal_checkpoint_get(journal, &checkpoint, &err));
    assert_false(checkpoint.found);
    put_checkpoint(journal, 1, "graph one", "text one");
    expect_checkpoint(journal, 1, "graph one", "text one");
    put_checkpoint(journal, 2, "graph two", "");
    expect_checkpoint(journal, 2, "graph two", "");
    put_checkpoint(journal, 3, "graph three", NULL);
    expect_checkpoint(journal, 3, "graph three", NULL);
    journal_close(journal);
}

static void a_checkpoint_of_many_chunks_comes_back_whole(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct buf encoded = {0};
    struct rope *text = rope_new();
    for (int i = 0; encoded.len < JOURNAL_CHUNK_BYTES + 7; i++)
        buf_addf(&encoded, "%d,", i);
    rope_insert(text, 0, buf_view(&encoded));
    rope_insert(text, 100, buf_view(&encoded));
    assert_true(journal_checkpoint_put(journal, 9, buf_view(&encoded), text, &err));
    struct journal_checkpoint checkpoint;
    assert_true(journal_checkpoint_get(journal, &checkpoint, &err));
    assert_true(bytes_equal(buf_view(&checkpoint.encoded), buf_view(&encoded)));
    struct rope *loaded = rope_from_bytes(buf_view(&checkpoint.text));
    assert_true(rope_equal(loaded, text));
    rope_free(loaded);
    rope_free(text);
    journal_checkpoint_release(&checkpoint);
    buf_release(&encoded);
    journal_close(journal);
}

static void expect_no_checkpoint(const char *path)
{
    struct journal *journal = open_ok(path, JOURNAL_WRITE);
    struct journal_checkpoint checkpoint;
    struct error err = {0};
    assert_true(journal_checkpoint_get(journal, &checkpoint, &err));
    assert_false(checkpoint.found);
    journal_close(journal);
}

/* All rows are there, so one is enough: who cannot read it reads them. */
static void a_short_checkpoint_takes_the_place_of_the_one_before(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    put_checkpoint(journal, 1, "graph one", "text one");
    put_checkpoint(journal, 2, "graph two", NULL);
    journal_close(journal);
    tamper(path, "UPDATE checkpoint SET place = 7"); /* a lie about what it covers; it was the only one */
    expect_no_checkpoint(path);
    free(path);
}

/* There are two of them at most. */
static void behind_a_long_checkpoint_the_one_before_is_kept(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    put_checkpoint(journal, 1, "graph one", "text one");
    put_checkpoint(journal, 2, "graph two", "text two");
    put_checkpoint(journal, 3, "graph three", "text three");
    journal_close(journal);
    tamper(path, "UPDATE checkpoint SET place = 7 WHERE id = 3");
    journal = open_ok(path, JOURNAL_WRITE);
    expect_checkpoint(journal, 2, "graph two", "text two");
    journal_close(journal);
    tamper(path, "UPDATE checkpoint SET place = 7");
    expect_no_checkpoint(path);
    free(path);
}

/* An older weft has dropped rows that two checkpoints cover. */
static void a_damaged_checkpoint_gives_way_to_the_one_before_where_rows_were_dropped(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    journal_close(journal);
    tamper(path, "UPDATE journal SET trimmed = 1");
    journal = open_ok(path, JOURNAL_WRITE);
    put_checkpoint(journal, 1, "graph one", "text one");
    put_checkpoint(journal, 2, "graph two", "text two");
    journal_close(journal);
    tamper(path, "UPDATE checkpoint_part SET sealed = zeroblob(60) WHERE checkpoint = 2 AND part = 1");
    journal = open_ok(path, JOURNAL_WRITE);
    expect_checkpoint(journal, 1, "graph one", "text one");
    journal_close(journal);
    tamper(path, "UPDATE checkpoint SET place = 7");
    expect_no_checkpoint(path);
    free(path);
}

/* --- outbox and relay --- */

static bool print_sent(void *self, const struct journal_sent *sent)
{
    buf_addf(self, "%d@%d+%d:%.*s%s ", sent->agent.bytes[0], (int)sent->seq0, (int)sent->count, (int)sent->stored.len,
             (const char *)sent->stored.data, sent->acked ? "*" : "");
    return true;
}

static void expect_unacked(struct journal *journal, const char *expected)
{
    struct buf printed = {0};
    struct error err = {0};
    assert_true(journal_outbox_unacked(journal, (struct journal_sent_visitor){&printed, print_sent}, &err));
    assert_string_equal(buf_string(&printed), expected);
    buf_release(&printed);
}

static uint64_t put_sent(struct journal *journal, uint64_t seq0, uint64_t count, const char *stored)
{
    struct error err = {0};
    uint64_t id = 0;
    struct journal_sent sent = {.kind = count ? RECORD_EVENTS : RECORD_MEMBER,
                                .agent = agent_of(1),
                                .seq0 = seq0,
                                .count = count,
                                .stored = bytes_of_string(stored)};
    assert_int_not_equal(journal_outbox_put(journal, &sent, &id, &err), JOURNAL_FAILED);
    return id;
}

static void the_outbox_keeps_what_was_acked_and_resends_what_was_not(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct agent_id one = agent_of(1);
    put_sent(journal, 0, 0, "m");
    uint64_t id = put_sent(journal, 0, 3, "a");
    put_sent(journal, 3, 2, "b");
    put_sent(journal, 5, 1, "c");
    assert_int_equal(put_sent(journal, 0, 3, "a"), id); /* the same bytes again */
    expect_unacked(journal, "1@0+0:m 1@0+3:a 1@3+2:b 1@5+1:c ");
    assert_true(journal_outbox_ack(journal, id, &err));
    expect_unacked(journal, "1@0+0:m 1@3+2:b 1@5+1:c ");
    assert_true(journal_outbox_ack_below(journal, &one, 5, false, &err));
    expect_unacked(journal, "1@0+0:m 1@5+1:c ");
    assert_true(journal_outbox_ack_below(journal, &one, 5, true, &err));
    expect_unacked(journal, "1@5+1:c ");

    struct buf printed = {0};
    assert_true(journal_outbox_of(journal, &one, 4, (struct journal_sent_visitor){&printed, print_sent}, &err));
    assert_string_equal(buf_string(&printed), "1@3+2:b* 1@5+1:c ");
    buf_release(&printed);
    uint64_t next = 0;
    assert_true(journal_outbox_next_seq(journal, &one, &next, &err));
    assert_int_equal(next, 6);
    struct agent_id nobody = agent_of(9);
    assert_true(journal_outbox_next_seq(journal, &nobody, &next, &err));
    assert_int_equal(next, 0);
    journal_close(journal);
}

static void the_relay_s_place_only_grows_within_one_log(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_relay relay;
    assert_true(journal_relay_get(journal, &relay, &err));
    assert_int_equal(relay.place, 0);
    struct {
        unsigned char log;
        uint64_t place;
        bool rewound;
        uint64_t expected;
    } steps[] = {{1, 10, false, 10}, {1, 7, false, 10}, {1, 12, false, 12}, {1, 5, true, 5}, {2, 3, false, 3}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct journal_relay put = {
            .log = digest_of(steps[i].log), .place = steps[i].place, .rewound = steps[i].rewound};
        assert_true(journal_relay_put(journal, &put, &err));
        assert_true(journal_relay_get(journal, &relay, &err));
        assert_int_equal(relay.place, steps[i].expected);
    }
    journal_close(journal);
}

/* --- agents, saved states, imports, views --- */

static void a_dead_agent_is_taken_over_once(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct agent_id dead = agent_of(1);
    struct agent_id bo = agent_of(2);
    struct agent_id lin = agent_of(3);
    assert_true(journal_agent_add(journal, &dead, 100, &err));
    assert_true(journal_agent_add(journal, &dead, 200, &err)); /* again: as it was */
    assert_int_equal(journal_agent_claim(journal, &dead, &dead, &bo, &err), JOURNAL_CLAIMED);
    assert_int_equal(journal_agent_claim(journal, &dead, &dead, &lin, &err), JOURNAL_TAKEN);
    assert_int_equal(journal_agent_claim(journal, &dead, &bo, &lin, &err), JOURNAL_CLAIMED); /* bo died too */
    struct journal_agent *agents = NULL;
    size_t count = 0;
    assert_true(journal_agents(journal, &agents, &count, &err));
    assert_int_equal(count, 1);
    assert_int_equal(agents[0].started_s, 100);
    assert_true(agent_id_equal(&agents[0].owner, &lin));
    free(agents);
    journal_close(journal);
}

static void of_four_processes_exactly_one_claims_each_agent(void **state)
{
    enum { PROCESSES = 4, AGENTS = 20 };
    char *path = scratch_file(*state, "a.journal");
    struct error err = {0};
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    for (unsigned char i = 0; i < AGENTS; i++) {
        struct agent_id agent = agent_of(i);
        assert_true(journal_agent_add(journal, &agent, i, &err));
    }
    journal_close(journal);
    for (unsigned char p = 0; p < PROCESSES; p++) {
        if (fork() == 0) {
            struct agent_id by = agent_of((unsigned char)(100 + p));
            int claimed = 0;
            journal = open_as(path, JOURNAL_WRITE, 7, 1, &err);
            for (unsigned char i = 0; journal && i < AGENTS; i++) {
                struct agent_id agent = agent_of(i);
                enum journal_claim claim = journal_agent_claim(journal, &agent, &agent, &by, &err);
                if (claim == JOURNAL_CLAIM_FAILED)
                    _exit(255);
                claimed += claim == JOURNAL_CLAIMED;
            }
            journal_close(journal);
            _exit(claimed);
        }
    }
    int total = 0;
    for (int p = 0; p < PROCESSES; p++) {
        int status = 0;
        wait(&status);
        assert_true(WIFEXITED(status));
        total += WEXITSTATUS(status);
    }
    assert_int_equal(total, AGENTS);
    free(path);
}

static void the_newest_saved_state_of_a_path_comes_back(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_saved saved;
    struct buf memory = {0};
    bool found = true;
    assert_true(journal_saved_get(journal, "/a", &saved, &memory, &found, &err));
    assert_false(found);
    struct journal_saved put = {.path = "/a", .dev = 1, .ino = 2, .size = 3, .mtime_ns = -4, .time_s = 5};
    put.hash = digest_of(6);
    put.version = bytes_of_string("old");
    assert_true(journal_saved_put(journal, &put, &err));
    put.version = bytes_of_string("new");
    assert_true(journal_saved_put(journal, &put, &err));
    put.path = "/b";
    put.version = bytes_of_string("other");
    assert_true(journal_saved_put(journal, &put, &err));

    assert_true(journal_saved_get(journal, "/a", &saved, &memory, &found, &err));
    assert_true(found);
    assert_int_equal(saved.ino, 2);
    assert_true(saved.mtime_ns == -4);
    assert_true(digest_equal(&saved.hash, &put.hash));
    assert_true(bytes_equal(saved.version, bytes_of_string("new")));
    buf_release(&memory);
    journal_close(journal);
}

static void a_saved_state_is_found_by_the_bytes_of_its_file(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_saved saved;
    struct buf memory = {0};
    struct digest first = digest_of(1), second = digest_of(2), never = digest_of(3);
    bool found = false;
    struct journal_saved put = {.path = "/a", .time_s = 1, .hash = first, .version = bytes_of_string("v1")};
    assert_true(journal_saved_put(journal, &put, &err));
    put.hash = second;
    put.version = bytes_of_string("v2");
    assert_true(journal_saved_put(journal, &put, &err));
    assert_true(journal_saved_find(journal, "/a", &first, &saved, &memory, &found, &err));
    assert_true(found && bytes_equal(saved.version, bytes_of_string("v1")));
    assert_true(journal_saved_find(journal, "/a", &never, &saved, &memory, &found, &err));
    assert_false(found);
    assert_true(journal_saved_find(journal, "/b", &first, &saved, &memory, &found, &err));
    assert_false(found);
    buf_release(&memory);
    journal_close(journal);
}

/* Killed between writing the file and noting it: the note from before tells that it was us. */
static void a_save_that_was_about_to_be_made_is_pending_until_one_is_noted(void **state)
{
    (void)state;
    struct error err = {0};
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct digest before = digest_of(1), after = digest_of(2);
    struct journal_saved saved;
    struct buf memory = {0};
    bool found = false;
    struct journal_saved put = {.path = "/a", .time_s = 1, .hash = before, .version = bytes_of_string("v1")};
    assert_true(journal_saved_put(journal, &put, &err));
    put = (struct journal_saved){.path = "/a", .hash = after, .version = bytes_of_string("v2")};
    assert_true(journal_saved_put(journal, &put, &err));
    assert_true(journal_saved_get(journal, "/a", &saved, &memory, &found, &err));
    assert_true(found && digest_equal(&saved.hash, &before));
    assert_true(journal_saved_pending(journal, "/a", &after, &saved, &memory, &found, &err));
    assert_true(found && bytes_equal(saved.version, bytes_of_string("v2")));
    assert_true(journal_saved_pending(journal, "/a", &before, &saved, &memory, &found, &err));
    assert_false(found);
    put.time_s = 2;
    assert_true(journal_saved_put(journal, &put, &err));
    assert_true(journal_saved_pending(journal, "/a", &after, &saved, &memory, &found, &err));
    assert_false(found);
    buf_release(&memory);
    journal_close(journal);
}

static void a_change_of_the_file_is_imported_once(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct agent_id ada = agent_of(1);
    struct agent_id bo = agent_of(2);
    struct agent_id owner;
    bool done = true;
    struct journal_import import = {.version = bytes_of_string("v"), .hash = digest_of(1)};
    struct journal_import other = {.version = bytes_of_string("v"), .hash = digest_of(2)};
    assert_int_equal(journal_import_claim(journal, &import, &ada, NULL, &owner, &done, &err), JOURNAL_CLAIMED);
    assert_false(done);
    assert_int_equal(journal_import_claim(journal, &import, &bo, NULL, &owner, &done, &err), JOURNAL_TAKEN);
    assert_true(agent_id_equal(&owner, &ada));
    assert_int_equal(journal_import_claim(journal, &other, &bo, NULL, NULL, &done, &err), JOURNAL_CLAIMED);

    /* ada is killed before her import is in the journal: bo may do it. */
    assert_int_equal(journal_import_claim(journal, &import, &bo, &ada, &owner, &done, &err), JOURNAL_CLAIMED);
    assert_true(journal_import_done(journal, &import, &err));
    assert_int_equal(journal_import_claim(journal, &import, &ada, &bo, &owner, &done, &err), JOURNAL_TAKEN);
    assert_true(done);
    journal_close(journal);
}

static void the_cursor_is_where_the_last_row_left_it(void **state)
{
    (void)state;
    struct journal *journal = open_ok(NULL, JOURNAL_CREATE);
    struct error err = {0};
    struct journal_view view = {0};
    struct buf version = {0};
    uint64_t place = 0;
    bool found = true;
    assert_true(journal_view_get(journal, "/a", NULL, &view, NULL, &place, &found, &err));
    assert_false(found);

    struct journal_local local = local_of(1, 0, "abc");
    local.path = "/a";
    local.view = (struct journal_view){.cursor = 3, .anchor = 1, .top = 0, .left_cells = 2};
    add_local(journal, local);
    assert_true(journal_view_get(journal, "/a", NULL, &view, NULL, &place, &found, &err));
    assert_true(found);
    assert_int_equal(view.cursor, 3);
    assert_int_equal(view.anchor, 1);
    assert_int_equal(view.left_cells, 2);
    assert_int_equal(place, 1);

    assert_true(journal_view_put(journal, "/a", &(struct journal_view){.cursor = 9}, bytes_of_string("now"), &err)); /* moved, then quit */
    assert_true(journal_view_get(journal, "/a", NULL, &view, &version, &place, &found, &err));
    assert_int_equal(view.cursor, 9);
    assert_string_equal(buf_string(&version), "now");

    struct journal_local elsewhere = local_of(1, 3, "d");
    elsewhere.path = "/b";
    add_local(journal, elsewhere);
    add_received(journal, received_of(2, 0, 3, "record"));
    assert_true(journal_view_get(journal, "/a", NULL, &view, NULL, &place, &found, &err));
    assert_int_equal(view.cursor, 9);

    local.seq0 = 4;
    local.view.cursor = 12;
    add_local(journal, local);
    assert_true(journal_view_get(journal, "/a", NULL, &view, &version, &place, &found, &err));
    assert_int_equal(view.cursor, 12);
    assert_int_equal(version.len, 0);
    buf_release(&version);
    journal_close(journal);
}

/* --- processes --- */

static void another_process_s_rows_are_seen_as_a_tail(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct journal *ada = open_ok(path, JOURNAL_CREATE);
    struct journal *bo = open_ok(path, JOURNAL_WRITE);
    uint64_t mine = add_local(ada, local_of(1, 0, "abc"));
    add_local(bo, local_of(2, 0, "xyz"));
    expect_rows(ada, mine, "L2@0:xyz ");
    journal_close(ada);
    journal_close(bo);
    free(path);
}

static void four_processes_keep_every_row_in_their_own_order(void **state)
{
    enum { PROCESSES = 4, ROWS = 60 };
    char *path = scratch_file(*state, "a.journal");
    for (unsigned char p = 1; p <= PROCESSES; p++) {
        if (fork() == 0) {
            struct error err = {0};
            struct journal *journal = open_as(path, JOURNAL_CREATE, 7, 1, &err);
            struct journal_received shared = received_of(9, 0, 4, "the same from the relay");
            bool ok = journal && journal_add_received(journal, &shared, NULL, &err) != JOURNAL_FAILED;
            for (uint64_t seq = 0; ok && seq < ROWS; seq++) {
                struct journal_local local = local_of(p, seq, "x");
                ok = journal_add_local(journal, &local, NULL, &err) == JOURNAL_ADDED;
            }
            journal_close(journal);
            _exit(ok ? 0 : 1);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status = 0;
        wait(&status);
        assert_int_equal(status, 0);
    }
    struct journal *journal = open_ok(path, JOURNAL_READ);
    struct error err = {0};
    struct journal_stats stats;
    assert_true(journal_stats(journal, &stats, &err));
    assert_int_equal(stats.rows, PROCESSES * ROWS + 1);
    for (unsigned char p = 1; p <= PROCESSES; p++) {
        struct agent_id agent = agent_of(p);
        struct buf printed = {0};
        struct journal_read read = {0};
        assert_true(
            journal_rows_of(journal, &agent, ROWS - 2, (struct journal_visitor){&printed, print_row}, &read, &err));
        char expected[64];
        snprintf(expected, sizeof expected, "L%d@%d:x L%d@%d:x ", p, ROWS - 2, p, ROWS - 1);
        assert_string_equal(buf_string(&printed), expected);
        buf_release(&printed);
    }
    journal_close(journal);
    free(path);
}

static void the_wal_is_folded_in_over_another_connection(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct error err = {0};
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    for (uint64_t seq = 0; seq < 100; seq++)
        add_local(journal, local_of(1, seq, "x"));
    assert_true(journal_wal_pages(journal) > 100);
    assert_true(journal_checkpoint_wal(journal_file_path(journal), &err));
    add_local(journal, local_of(1, 100, "x"));
    assert_true(journal_wal_pages(journal) < 10); /* it starts over */
    journal_close(journal);
    free(path);
}

/* `weft cat` of a journal whose process was killed: recovered for reading, and not a byte of the database changes. */
static void a_killed_process_s_journal_is_read_without_changing_it(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    char *wal = scratch_file(*state, "a.journal-wal");
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        struct journal *journal = open_as(path, JOURNAL_CREATE, 7, 1, &err);
        struct journal_local local = local_of(1, 0, "abc");
        _exit(journal && journal_add_local(journal, &local, NULL, &err) == JOURNAL_ADDED ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    struct buf before[2] = {{0}};
    struct buf after[2] = {{0}};
    scratch_read(path, &before[0]);
    scratch_read(wal, &before[1]);
    struct journal *journal = open_ok(path, JOURNAL_READ);
    expect_rows(journal, 0, "L1@0:abc ");
    journal_close(journal);
    scratch_read(path, &after[0]);
    scratch_read(wal, &after[1]);
    for (int i = 0; i < 2; i++) {
        assert_true(bytes_equal(buf_view(&before[i]), buf_view(&after[i])));
        buf_release(&before[i]);
        buf_release(&after[i]);
    }
    free(wal);
    free(path);
}

static void forgetting_leaves_no_file(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct error err = {0};
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    add_local(journal, local_of(1, 0, "abc"));
    assert_false(journal_forget(path, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(journal_file_bytes(path) > 0);
    journal_close(journal);
    assert_true(journal_forget(path, &err));
    assert_int_equal(journal_file_bytes(path), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

static void what_was_written_to_since_it_was_looked_at_is_not_forgotten(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct error err = {0};
    struct journal *journal = open_ok(path, JOURNAL_CREATE);
    add_local(journal, local_of(1, 0, "abc"));
    journal_close(journal);
    assert_false(journal_forget_unchanged(path, 0, &err));
    assert_int_equal(err.code, ERR_BUSY);
    journal = open_ok(path, JOURNAL_WRITE);
    expect_rows(journal, 0, "L1@0:abc ");
    assert_false(journal_forget_unchanged(path, 1, &err)); /* it is open */
    journal_close(journal);
    assert_true(journal_forget_unchanged(path, 1, &err));
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

/* --- an empty one is set aside --- */

static const char *racing; /* path of an empty journal that another process sets aside before the next lock or rename */
static struct journal *racer; /* what that process makes in its place */
static bool looks_at_lock;

static void race(void)
{
    const char *path = racing;
    struct error err = {0};
    char *aside;
    racing = NULL;
    if (!path)
        return;
    assert_true(journal_set_aside_empty(path, &aside, &err));
    assert_non_null(aside);
    free(aside);
    racer = open_ok(path, JOURNAL_CREATE);
    add_local(racer, local_of(1, 0, "abc"));
}

bool __real_file_lock(int fd, int how);
bool __wrap_file_lock(int fd, int how);
bool __wrap_file_lock(int fd, int how)
{
    race();
    return __real_file_lock(fd, how);
}

/* Moving is under the lock: nobody else has it now. */
static void expect_locked(const char *path)
{
    char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(__real_file_lock(fd, LOCK_EX | LOCK_NB));
    close(fd);
    free(dir);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    race();
    if (looks_at_lock)
        expect_locked(from);
    return __real_rename(from, to);
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void an_empty_one_is_set_aside_with_its_log_under_a_lock(void **state)
{
    char *path = scratch_file(*state, "a.journal"), *aside;
    char *log = xformat("%s-wal", path), *log_aside = xformat("%s.lost-wal", path);
    struct error err = {0};
    write_file(path, "");
    write_file(log, "rows");
    looks_at_lock = true;
    assert_true(journal_set_aside_empty(path, &aside, &err));
    looks_at_lock = false;
    assert_non_null(aside);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(access(log_aside, F_OK), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(log, F_OK), 0);
    free(aside);
    assert_true(journal_set_aside_empty(path, &aside, &err)); /* there is none any more */
    assert_null(aside);
    free(log_aside);
    free(log);
    free(path);
}

static void what_another_has_made_in_place_of_an_empty_one_keeps_its_log(void **state)
{
    char *path = scratch_file(*state, "a.journal"), *log = xformat("%s-wal", path), *aside;
    struct error err = {0};
    write_file(path, "");
    looks_at_lock = false;
    racing = path;
    assert_true(journal_set_aside_empty(path, &aside, &err));
    assert_null(racing);
    assert_int_equal(access(log, F_OK), 0);
    assert_null(aside);
    struct journal *journal = open_ok(path, JOURNAL_WRITE);
    expect_rows(journal, 0, "L1@0:abc ");
    journal_close(journal);
    journal_close(racer);
    journal = open_ok(path, JOURNAL_WRITE);
    expect_rows(journal, 0, "L1@0:abc ");
    journal_close(journal);
    free(log);
    free(path);
}

#define MARKER "MARKER-that-was-typed"

/* Written by a child that is then gone without closing, so that the WAL is searched too. */
static void what_was_typed_is_in_no_file_in_the_clear(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        struct journal *journal = open_as(path, JOURNAL_CREATE, 7, 1, &err);
        struct journal_local local = local_of(1, 0, "1:" MARKER);
        local.path = "/home/ada/" MARKER;
        struct journal_saved saved = {.path = "/home/ada/" MARKER, .version = bytes_of_string(MARKER)};
        struct rope *text = rope_from_bytes(bytes_of_string(MARKER));
        bool ok = journal && journal_add_local(journal, &local, NULL, &err) == JOURNAL_ADDED &&
                  journal_base_begin(journal, strlen(MARKER), &err) &&
                  journal_base_put(journal, 0, bytes_of_string(MARKER), &err) &&
                  journal_note_put(journal, "title", bytes_of_string(MARKER), &err) &&
                  journal_saved_put(journal, &saved, &err) &&
                  journal_view_put(journal, "/home/ada/" MARKER, &local.view, (struct bytes){0}, &err) &&
                  journal_checkpoint_put(journal, 1, bytes_of_string(MARKER), text, &err);
        _exit(ok ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_false(scratch_contains(*state, MARKER));
    assert_true(scratch_contains(*state, "CREATE TABLE arrival")); /* the search does find what is there */
    struct journal *journal = open_ok(path, JOURNAL_WRITE);
    expect_rows(journal, 0, "L1@0:1:" MARKER " ");
    journal_close(journal);
    assert_false(scratch_contains(*state, MARKER));
    free(path);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(rows_come_back_in_the_order_they_arrived),
        cmocka_unit_test(a_row_keeps_every_field),
        cmocka_unit_test(the_same_again_is_known_and_keeps_its_place),
        cmocka_unit_test(an_own_event_with_other_content_is_refused),
        cmocka_unit_test(two_packings_of_one_agent_s_events_are_both_kept),
        cmocka_unit_test(numbers_beyond_all_bounds_are_an_error_not_a_crash),
        cmocka_unit_test(rows_of_one_agent_are_found_from_any_seq),
        cmocka_unit_test(a_pack_is_found_from_its_middle),
        cmocka_unit_test(a_rolled_back_group_leaves_nothing),
        SCRATCH_TEST(another_device_s_key_or_document_does_not_open_it),
        SCRATCH_TEST(a_missing_journal_is_missing_and_nothing_is_made),
        SCRATCH_TEST(a_newer_journal_is_refused_and_not_a_byte_changes),
        SCRATCH_TEST(a_damaged_row_is_counted_and_the_others_are_read),
        SCRATCH_TEST(rows_that_changed_places_do_not_open),
        cmocka_unit_test(the_base_text_comes_back_whole),
        cmocka_unit_test(a_base_that_does_not_fit_is_refused),
        cmocka_unit_test(an_empty_base_is_complete_at_once),
        cmocka_unit_test(notes_are_kept_under_their_name),
        cmocka_unit_test(a_note_goes_with_those_below_its_name_and_no_others),
        cmocka_unit_test(the_newest_checkpoint_is_loaded),
        cmocka_unit_test(a_checkpoint_of_many_chunks_comes_back_whole),
        SCRATCH_TEST(a_short_checkpoint_takes_the_place_of_the_one_before),
        SCRATCH_TEST(behind_a_long_checkpoint_the_one_before_is_kept),
        SCRATCH_TEST(a_damaged_checkpoint_gives_way_to_the_one_before_where_rows_were_dropped),
        cmocka_unit_test(the_outbox_keeps_what_was_acked_and_resends_what_was_not),
        cmocka_unit_test(the_relay_s_place_only_grows_within_one_log),
        cmocka_unit_test(a_dead_agent_is_taken_over_once),
        SCRATCH_TEST(of_four_processes_exactly_one_claims_each_agent),
        cmocka_unit_test(the_newest_saved_state_of_a_path_comes_back),
        cmocka_unit_test(a_saved_state_is_found_by_the_bytes_of_its_file),
        cmocka_unit_test(a_save_that_was_about_to_be_made_is_pending_until_one_is_noted),
        cmocka_unit_test(a_change_of_the_file_is_imported_once),
        cmocka_unit_test(the_cursor_is_where_the_last_row_left_it),
        SCRATCH_TEST(another_process_s_rows_are_seen_as_a_tail),
        SCRATCH_TEST(four_processes_keep_every_row_in_their_own_order),
        SCRATCH_TEST(the_wal_is_folded_in_over_another_connection),
        SCRATCH_TEST(a_killed_process_s_journal_is_read_without_changing_it),
        SCRATCH_TEST(forgetting_leaves_no_file),
        SCRATCH_TEST(what_was_written_to_since_it_was_looked_at_is_not_forgotten),
        SCRATCH_TEST(an_empty_one_is_set_aside_with_its_log_under_a_lock),
        SCRATCH_TEST(what_another_has_made_in_place_of_an_empty_one_keeps_its_log),
        SCRATCH_TEST(what_was_typed_is_in_no_file_in_the_clear),
    };
    return RUN_TESTS("journal", tests);
}
