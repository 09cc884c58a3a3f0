/* A session sends: what the journal has, packs, what the relay lacks; see test_session.c. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/support/session_room.h"

/* --- sending --- */

static void a_record_leaves_only_after_the_journal_has_it(void **state)
{
    struct room *room = *state;
    room->auto_persist = false;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(room->ticket_count, 2); /* EVENTS and MEMBER */
    room_persist_all(room);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
}

static void an_agents_first_record_is_its_member(void **state)
{
    struct room *room = *state;
    struct record record;
    struct error err = {0};
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_MEMBER);
    assert_true(record_decode(message->records.items[1].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_EVENTS);
}

/* A change by another program is no person's: the others see whose disk it came from. */
static void a_change_on_disk_is_introduced_as_somebodys_disk(void **state)
{
    struct room *room = *state;
    struct agent_id disk = {{0x11}};
    struct batch batch = {.agent = disk, .flags = BATCH_FLAG_GESTURE | BATCH_FLAG_LABEL, .label = "disk"};
    struct local_batch local = {.agent = disk, .gesture = true};
    struct buf plain = {0};
    struct sign_public write_key = room->keys.write_key.public_key;
    struct record record;
    struct member member;
    struct error err = {0};
    batch_add_insert(&batch, 0, bytes_of_string("x"));
    batch_encode(&batch, &plain);
    assert_int_equal(chain_add(room->chain, &batch, buf_view(&plain), &local.digest), CHAIN_NEXT);
    local.count = batch.count;
    local.plain = buf_view(&plain);
    session_local(room->session, &local, room->now_ms);
    room_connect(room, (struct room_welcome){.peers = 1});
    room_persist_all(room);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_true(member_open(&record, &room->keys, &write_key, &member, &err));
    assert_true(agent_id_equal(&member.agent, &disk));
    char *expected = xformat("%s's disk", room->config.name);
    assert_string_equal(member.name, expected);
    free(expected);
    batch_release(&batch);
    buf_release(&plain);
}

static void an_acknowledged_record_is_reported_and_no_longer_counted(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "abc");
    assert_int_equal(room_status(room).unacked_edits, 1);
    assert_int_equal(room_status(room).oldest_unacked_ms, room->now_ms);
    room_say_ack(room, 2);
    assert_int_equal(room->acked, 3);
    assert_int_equal(room_status(room).unacked_edits, 0);
    assert_int_equal(room_status(room).oldest_unacked_ms, 0);
}

static void a_key_after_a_pause_leaves_at_once_and_the_next_ones_together(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_pass_time(room, 1000);
    room_type(room, "a");
    room_expect_kind(room, MESSAGE_RECORDS);
    room_type(room, "b");
    room_type(room, "c");
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(session_next_ms(room->session), room->now_ms + SESSION_FLUSH_MS);
    room_pass_time(room, SESSION_FLUSH_MS);
    assert_int_equal(room_expect_kind(room, MESSAGE_RECORDS)->records.count, 1);
}

static void a_relay_that_answers_quickly_gets_the_next_key_quickly(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_pass_time(room, 1000);
    room_type(room, "a");
    room_expect_kind(room, MESSAGE_RECORDS);
    room_say_ack(room, 2);
    room_type(room, "b");
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(session_next_ms(room->session), room->now_ms + SESSION_FLUSH_ANSWERED_MS);
    room_pass_time(room, SESSION_FLUSH_ANSWERED_MS);
    room_expect_kind(room, MESSAGE_RECORDS);
}

static void alone_in_the_document_batches_wait_longer_until_somebody_joins(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_pass_time(room, 1000);
    room_type(room, "a");
    room_expect_kind(room, MESSAGE_RECORDS);
    room_type(room, "b");
    room_pass_time(room, 2 * (uint64_t)SESSION_FLUSH_MS);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    room_say_peers(room, 2);
    room_persist_all(room);
    room_expect_kind(room, MESSAGE_RECORDS);
}

static void what_was_typed_offline_travels_in_one_record(void **state)
{
    struct room *room = *state;
    for (int i = 0; i < 100; i++)
        room_type(room, "x");
    assert_int_equal(room->ticket_count, 0);
    assert_int_equal(room_status(room).unacked_edits, 100);
    room_connect(room, (struct room_welcome){.peers = 1});
    room_persist_all(room);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
    room_say_ack(room, 2);
    assert_int_equal(room->acked, 100);
    assert_int_equal(room_status(room).unacked_edits, 0);
}

static void a_thousand_edits_typed_offline_travel_in_few_records(void **state)
{
    struct room *room = *state;
    for (int i = 0; i < 1000; i++)
        room_type(room, "a few words ");
    room_connect(room, (struct room_welcome){.peers = 1});
    room_persist_all(room);
    assert_true(room->ticket_count <= 3); /* its MEMBER, and 16 KiB of edits each */
}

/*
 * Two processes of one person read each other in their journal, whatever the link does: of two records that need a piece of
 * each other neither could ever be read.
 */
static void only_the_first_batch_of_a_record_builds_on_others(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf records[2] = {{0}};
    struct record record;
    struct error err = {0};
    room_connect(room, (struct room_welcome){.peers = 1});
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &records[0]);
    author_record(&ben, room, NULL, "1", &records[1]);
    for (int i = 0; i < 2; i++)
        room_say_record(room, 3 + (uint64_t)i, buf_view(&records[i]));
    session_disconnected(room->session, room->now_ms);
    room_type(room, "a");
    room_type(room, "b");
    room_type_after(room, &(struct event_id){ben.agent, 0}, "c");
    room_type(room, "d");
    room_connect(room, (struct room_welcome){.peers = 1, .head = 4, .vector = {{ben.agent, 1}}, .count = 1});
    room_persist_all(room);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 3); /* its MEMBER first */
    assert_true(record_decode(message->records.items[1].stored, &record, &err));
    assert_int_equal(record.count, 2);
    assert_true(record_decode(message->records.items[2].stored, &record, &err));
    assert_int_equal(record.seq0, 2);
    assert_int_equal(record.count, 2);
    author_release(&ben);
    for (int i = 0; i < 2; i++)
        buf_release(&records[i]);
}

/* --- packs --- */

enum { PACKED = UPLOAD_PACK_RECORDS_MIN };

/* One letter a record, each acknowledged. */
static void type_apart_after(struct room *room, const struct event_id *after, int letters)
{
    for (int i = 0; i < letters; i++) {
        room_pass_time(room, SESSION_FLUSH_ALONE_MS);
        room_type_after(room, i == 0 ? after : NULL, "x");
        uint64_t ordinal = 0;
        for (const struct message *message; (message = room_hears(room));)
            ordinal += message->kind == MESSAGE_RECORDS ? message->records.count : 0;
        room_say_ack(room, room->ordinal += ordinal);
        room_forget_out(room);
    }
}

static void type_apart(struct room *room, int letters)
{
    type_apart_after(room, NULL, letters);
}

/* The record in the next frame with any. */
static struct record hear_pack(struct room *room)
{
    struct record record;
    struct error err = {0};
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 1);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_PACK);
    return record;
}

static void expect_letters(struct room *room, const struct record *pack, size_t count)
{
    struct buf plain = {0};
    struct batch_run run;
    struct digest *digests = xcalloc(count, sizeof *digests);
    struct error err = {0};
    assert_true(record_open_events(pack, &room->keys, &plain, &run, &err));
    assert_int_equal(run.count, count);
    assert_int_equal(chain_check_run(room->chain, &run, 0, digests), CHAIN_KNOWN);
    struct sign_key doc_key;
    device_doc_key(&room->device, &room->keys.doc, &doc_key);
    assert_true(record_verify(pack, &room->keys.doc, &doc_key.public_key, &digests[count - 1]));
    free(digests);
    buf_release(&plain);
}

static void an_idle_author_packs_what_the_relay_has(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    type_apart(room, PACKED + 4);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS - 1);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    room_pass_time(room, 1);
    session_tick(room->session, room->now_ms);
    struct record pack = hear_pack(room);
    assert_int_equal(pack.seq0, 0);
    assert_int_equal(pack.count, PACKED + 4);
    expect_letters(room, &pack, PACKED + 4);
    assert_true(bytes_equal(pack.whole, buf_view(&room->persisted[room->ticket_count - 1])));
    room_say_ack(room, room->ordinal + 1);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS * 3);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(room_status(room).unacked_batches, 0);
}

/* Every key a record of its own, as where somebody watches; and a pause after every sixty. */
static void an_hour_of_typing_takes_a_relay_less_than_100_kB(void **state)
{
    enum { KEYS = 60, RUNS = 60, RUNS_AN_HOUR = 300 /* 18,000 keys */, ROW_BYTES = 60 /* what a store keeps beside a record */ };
    struct room *room = *state;
    size_t sent = 0, packed = 0, few = 0; /* of these packs of a few keys are not yet one */
    room_connect(room, (struct room_welcome){.peers = 2});
    for (int run = 0; run < RUNS; run++) {
        size_t first = room->ticket_count;
        type_apart(room, KEYS);
        for (size_t i = first; i < room->ticket_count; i++)
            sent += room->persisted[i].len;
        room_pass_time(room, UPLOAD_PACK_IDLE_MS);
        session_tick(room->session, room->now_ms);
        struct record pack = hear_pack(room);
        assert_int_equal(pack.count, KEYS);
        few += pack.whole.len + ROW_BYTES;
        room_say_ack(room, ++room->ordinal);
        if (run % PACKED != PACKED - 1) {
            assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
            continue;
        }
        room_pass_time(room, 1);
        session_tick(room->session, room->now_ms);
        pack = hear_pack(room);
        expect_letters(room, &pack, (size_t)PACKED * KEYS);
        packed += pack.whole.len + ROW_BYTES;
        few = 0;
        room_say_ack(room, ++room->ordinal);
        room_forget_out(room);
    }
    packed += few;
    print_message("an hour: %zu B sent, %zu B stay\n", sent * RUNS_AN_HOUR / RUNS, packed * RUNS_AN_HOUR / RUNS);
    assert_true(packed * RUNS_AN_HOUR / RUNS < 50000);
}

/* Text of so many bytes: nothing but spaces, or lines of a log, each unlike the others or not. */
enum pasted { PASTED_SPACES, PASTED_LOG, PASTED_RANDOM_LOG };

static void make_paste(enum pasted what, size_t len, unsigned *line, struct random *random, struct buf *text)
{
    text->len = 0;
    if (what == PASTED_SPACES)
        for (size_t i = 0; i < len; i++)
            buf_add_byte(text, ' ');
    for (; text->len < len; (*line)++)
        buf_addf(text, "2026-11-29T23:%02u:%02u.%03u INFO  http.server request id=%08x GET /api/v1/items/%u 200\n",
                 *line / 60 % 60, *line % 60, (unsigned)random_below(random, 1000), what == PASTED_LOG ? *line : (unsigned)random_next(random),
                 (unsigned)random_below(random, 500));
    text->len = len;
}

struct pasting {
    enum pasted what;
    int times; /* before each pause */
    size_t len;
    int runs;
};

static uint64_t take_uploads(struct room *room, size_t *most, size_t *packs)
{
    uint64_t ordinal = 0;
    for (const struct message *message; (message = room_hears(room));) {
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++, ordinal++) {
            struct record record;
            struct batch_run run;
            struct buf plain = {0};
            struct error err = {0};
            assert_true(record_decode(message->records.items[i].stored, &record, &err));
            if (record.kind == RECORD_PACK) {
                bool opens = record_open_events(&record, &room->keys, &plain, &run, &err);
                assert_string_equal(err.text, "");
                assert_true(opens);
                *most = plain.len > *most ? plain.len : *most;
                (*packs)++;
            }
            buf_release(&plain);
        }
    }
    return ordinal;
}

static void expect_packs_that_open(struct room *room, const struct pasting *pasting)
{
    struct random random = random_of(5);
    struct buf text = {0};
    unsigned line = 0;
    size_t most = 0, packs = 0;
    room_connect(room, (struct room_welcome){.peers = 2});
    for (int run = 0; run < pasting->runs; run++) {
        for (int i = 0; i < pasting->times; i++) {
            make_paste(pasting->what, pasting->len, &line, &random, &text);
            room_pass_time(room, SESSION_FLUSH_ALONE_MS);
            room_type(room, buf_string(&text));
            room_say_ack(room, room->ordinal += take_uploads(room, &most, &packs));
            room_forget_out(room);
        }
        room_pass_time(room, UPLOAD_PACK_IDLE_MS);
        for (int again = 0; again < 3; again++) {
            session_tick(room->session, room->now_ms);
            uint64_t ordinal = take_uploads(room, &most, &packs);
            if (ordinal > 0)
                room_say_ack(room, room->ordinal += ordinal);
            room_pass_time(room, 1);
        }
        room_forget_out(room);
    }
    buf_release(&text);
    assert_true(packs >= (size_t)pasting->runs);
    assert_in_range(most, 1, UPLOAD_PACK_BYTES_MAX);
    assert_int_equal(room_status(room).unacked_edits, 0);
}

/*
 * A pack is stored in a thirtieth of what is in it: of what packs become, that which is in them is bounded. These were refused by
 * everybody who read them.
 */
static void packs_of_packs_of_a_log_can_be_read(void **state)
{
    expect_packs_that_open(*state, &(struct pasting){PASTED_LOG, 16, 4500, 17});
}

static void packs_of_packs_of_a_log_with_hashes_can_be_read(void **state)
{
    expect_packs_that_open(*state, &(struct pasting){PASTED_RANDOM_LOG, 16, 4200, 17});
}

static void packs_of_packs_of_many_lines_can_be_read(void **state)
{
    expect_packs_that_open(*state, &(struct pasting){PASTED_RANDOM_LOG, 60, 1100, 17});
}

/* What is nothing but zeros when it is compressed: these were more than a record may be, and ended the program. */
static void packs_of_packs_of_spaces_can_be_read(void **state)
{
    expect_packs_that_open(*state, &(struct pasting){PASTED_SPACES, 16, 15000, 17});
}

/* As somebody who was offline has them: each is a pack's worth, and more than a pack takes. */
static void records_of_more_edits_than_a_pack_has_are_left_as_they_are(void **state)
{
    enum { OFFLINE = 3 * UPLOAD_PACK_BATCHES_MAX };
    struct room *room = *state;
    struct record record;
    struct error err = {0};
    uint64_t ordinal = 0, most = 0;
    for (int i = 0; i < OFFLINE; i++)
        room_type(room, "x");
    room_connect(room, (struct room_welcome){.peers = 1});
    room_persist_all(room);
    for (const struct message *message; (message = room_hears(room));) {
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++, ordinal++) {
            assert_true(record_decode(message->records.items[i].stored, &record, &err));
            most = record.count > most ? record.count : most;
        }
    }
    assert_true(most > UPLOAD_PACK_BATCHES_MAX);
    room_say_ack(room, room->ordinal += ordinal);
    room_pass_time(room, 2 * (uint64_t)UPLOAD_PACK_IDLE_MS);
    room_persist_all(room);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    type_apart(room, 1);
    assert_int_equal(room_status(room).unacked_edits, 0);
}

static void a_pack_leaves_only_after_the_journal_has_it(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    type_apart(room, PACKED);
    room->auto_persist = false;
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    room_persist_all(room);
    hear_pack(room);
}

static void a_few_records_are_left_as_they_are_until_there_are_more(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    type_apart(room, PACKED - 1);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS * 2);
    session_tick(room->session, room->now_ms);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    type_apart(room, 1);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    assert_int_equal(hear_pack(room).count, PACKED);
}

/* Two packs that need a piece of each other could never be read. */
static void only_the_first_batch_of_a_pack_builds_on_others(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf records[3] = {{0}};
    room_connect(room, (struct room_welcome){.peers = 1});
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &records[0]);
    author_record(&ben, room, NULL, "1", &records[1]);
    author_record(&ben, room, NULL, "2", &records[2]);
    for (int i = 0; i < 3; i++)
        room_say_record(room, 3 + (uint64_t)i, buf_view(&records[i]));

    type_apart_after(room, &(struct event_id){ben.agent, 0}, PACKED);
    uint64_t second = room->seq;
    type_apart_after(room, &(struct event_id){ben.agent, 1}, PACKED + 2);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    struct record pack = hear_pack(room);
    assert_int_equal(pack.seq0, 0);
    assert_int_equal(pack.count, second);
    pack = hear_pack(room);
    assert_int_equal(pack.seq0, second);
    assert_int_equal(pack.count, room->seq - second);
    author_release(&ben);
    for (int i = 0; i < 3; i++)
        buf_release(&records[i]);
}

static void a_relay_that_takes_no_packs_is_not_asked_again_and_edits_go_on(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    type_apart(room, PACKED);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    hear_pack(room);
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {room->ordinal + 1, REFUSE_FORBIDDEN, bytes_of_string("no")}};
    room_says(room, &reject);
    room->ordinal++;
    assert_int_equal(room->alarms, 0);
    type_apart(room, PACKED);
    assert_int_equal(room->acked, 2 * PACKED);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
}

static void a_pack_lost_with_the_connection_is_sent_again_byte_for_byte(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    type_apart(room, PACKED);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    struct buf first = {0};
    buf_add_bytes(&first, hear_pack(room).whole);
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 1, .vector = {{room->self, PACKED}}, .count = 1});
    session_tick(room->session, room->now_ms);
    assert_true(bytes_equal(hear_pack(room).whole, buf_view(&first)));
    buf_release(&first);
}

/* Kept although it tells nothing new: the resume point has to get behind it. */
static void a_pack_of_what_is_known_is_kept_if_its_author_signed_it(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0}, plain = {0}, pack = {0};
    struct record opened;
    struct digest last;
    struct error err = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &record);
    room_say_record(room, 4, buf_view(&record));
    assert_true(record_decode(buf_view(&record), &opened, &err) && record_open(&opened, &room->keys, &plain, &err));
    assert_true(chain_newest(ben.chain, &ben.agent, &last));
    record_seal(&(struct record_spec){.kind = RECORD_PACK, .agent = ben.agent, .sealer = ben.agent, .counter = 99,
                                      .count = 1, .plain = buf_view(&plain), .last = &last, .keys = &room->keys,
                                      .signer = &ben.doc_key},
                &pack);
    pack.data[pack.len - 1] ^= 1;
    room_say_record(room, 5, buf_view(&pack));
    assert_int_equal(room->received, 1);
    pack.data[pack.len - 1] ^= 1;
    room_say_record(room, 6, buf_view(&pack));
    assert_int_equal(room->received, 2);
    assert_int_equal(room->resume.place, 6);
    room_expect_text(room, "1");
    assert_int_equal(room->alarms, 0);
    author_release(&ben);
    buf_release(&record);
    buf_release(&plain);
    buf_release(&pack);
}

/* Nobody else has written as we do: it is what we packed ourselves. */
static void a_pack_of_ours_that_comes_back_is_kept_and_no_fork(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    type_apart(room, PACKED);
    room_pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    hear_pack(room);
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 1});
    room_say_record(room, 3, buf_view(&room->persisted[0]));
    room_say_record(room, 4, buf_view(&room->persisted[room->ticket_count - 1]));
    assert_int_equal(room->received, 1);
    assert_int_equal(room->resume.place, 4);
    assert_int_equal(room->alarms, 0);
}

/* The author packed something else than he had written: what we have of him is given back to the relay. */
static void originals_of_a_disputed_pack_are_offered_again(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf first = {0}, second = {0}, canonical = {0}, plain = {0}, pack = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    room_say_record(room, 4, buf_view(&first));
    room_say_record(room, 5, buf_view(&second));
    struct batch other = {.agent = ben.agent};
    struct digest last;
    batch_add_insert(&other, 0, bytes_of_string("XX"));
    batch_encode(&other, &canonical);
    chain_digest(&room->keys.doc, &other, buf_view(&canonical), NULL, NULL, &last);
    record_plain_add(&plain, buf_view(&canonical));
    record_seal(&(struct record_spec){.kind = RECORD_PACK, .agent = ben.agent, .sealer = ben.agent, .counter = 99,
                                      .count = 2, .plain = buf_view(&plain), .last = &last, .keys = &room->keys,
                                      .signer = &ben.doc_key},
                &pack);
    room_say_record(room, 6, buf_view(&pack));
    assert_int_equal(room->alarm, ALARM_FORKED);
    assert_int_equal(room->fetches, 1);
    assert_int_equal(room->fetch_from, 0);
    assert_false(room->fetch_packs); /* this one lies, and could fill piece after piece */
    struct bytes answer[] = {buf_view(&pack), buf_view(&first), buf_view(&second)};
    session_fetched(room->session, &ben.agent, answer, 3, false, room->now_ms);
    room_persist_all(room); /* our own MEMBER, which a relay wants to see before */
    assert_true(bytes_equal(room_expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&first)));
    assert_true(bytes_equal(room_expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&second)));
    room_expect_text(room, "12XX"); /* both are kept, as two branches */
    batch_release(&other);
    author_release(&ben);
    struct buf *used[] = {&first, &second, &canonical, &plain, &pack};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buf_release(used[i]);
}

static void after_a_cut_the_same_bytes_are_sent_again(void **state)
{
    struct room *room = *state;
    struct buf first = {0};
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    buf_add_bytes(&first, room_expect_kind(room, MESSAGE_RECORDS)->records.items[1].stored);
    room_cut(room);
    assert_int_equal(room_status(room).state, SESSION_OFFLINE);
    room_connect(room, (struct room_welcome){.peers = 1});
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_true(bytes_equal(message->records.items[1].stored, buf_view(&first)));
    buf_release(&first);
}

/* The vector may speak of others' content under the same numbers: only the relay can compare. */
static void resuming_gets_behind_what_we_wrote_ourselves(void **state)
{
    struct room *room = *state;
    struct digest hash;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
    record_hash(message->records.items[1].stored, &hash);
    room_say_ack_at(room, 2, 4);
    assert_int_equal(room->resume.place, 4);
    assert_true(digest_equal(&room->resume.hash, &hash));
    room_pass_time(room, SESSION_FLUSH_ALONE_MS);
    room_type(room, "b"); /* is not acknowledged: no vector speaks for us */
    room_cut(room);
    room_forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    message = room_expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(message->resume.vector_count, 0);
    assert_int_equal(message->resume.place, 4);
    assert_true(digest_equal(&message->resume.hash, &hash));
}

static void resuming_does_not_pass_what_is_waited_for_by_an_acknowledgement(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf first = {0}, second = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    room_say_record(room, 5, buf_view(&second));
    room_type(room, "a");
    room_say_ack_at(room, 2, 6);
    assert_int_equal(room->acked, 1);
    assert_true(room->resume.place < 5);
    author_release(&ben);
    buf_release(&first);
    buf_release(&second);
}

/* What an agent wrote that this process has taken over. */
static void type_as(struct room *room, const struct agent_id *agent, const char *text)
{
    struct agent_id self = room->self;
    uint64_t seq = room->seq;
    room->self = *agent;
    room->seq = 0;
    room_type(room, text);
    room->self = self;
    room->seq = seq;
}

/* A copy of ben's machine wrote shorter records under the numbers of his long one: each is signed for its own side. */
static void all_records_of_both_sides_of_a_fork_are_offered_again(void **state)
{
    struct room *room = *state;
    struct author ben, copy;
    struct buf sides[3] = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&copy, room, 0xbe);
    author_record(&ben, room, NULL, "long", &sides[0]);
    author_record(&copy, room, NULL, "s", &sides[1]);
    author_record(&copy, room, NULL, "t", &sides[2]);
    for (size_t i = 0; i < 3; i++)
        room_say_record(room, 4 + i, buf_view(&sides[i]));
    room_expect_text(room, "longst");
    assert_int_equal(room->fetches, 1); /* this log may lack the side that was here first */
    struct bytes answer[] = {buf_view(&sides[0]), buf_view(&sides[1]), buf_view(&sides[2])};
    session_fetched(room->session, &ben.agent, answer, 3, false, room->now_ms);
    room_persist_all(room);
    for (size_t i = 0; i < 3; i++) {
        const struct message *message = room_expect_kind(room, MESSAGE_REOFFER);
        struct record record;
        struct error err = {0};
        assert_true(bytes_equal(message->reoffer.stored, buf_view(&sides[i])));
        assert_true(record_decode(message->reoffer.stored, &record, &err));
        assert_true(record_verify(&record, &room->keys.doc, &ben.doc_key.public_key, &message->reoffer.last));
    }
    author_release(&ben);
    author_release(&copy);
    for (size_t i = 0; i < 3; i++)
        buf_release(&sides[i]);
}

static void what_was_taken_over_is_sent_in_the_order_in_which_it_was_written(void **state)
{
    struct room *room = *state;
    struct agent_id written[] = {{{0xee}}, {{0x11}}, room->self};
    struct record record;
    struct error err = {0};
    size_t seen = 0;
    for (size_t i = 0; i < 3; i++)
        type_as(room, &written[i], "x");
    room_connect(room, (struct room_welcome){.peers = 1});
    room_persist_all(room);
    for (const struct message *message; (message = room_hears(room));)
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++) {
            assert_true(record_decode(message->records.items[i].stored, &record, &err));
            if (record.kind == RECORD_EVENTS)
                assert_true(agent_id_equal(&record.agent, &written[seen++]));
        }
    assert_int_equal(seen, 3);
}

static void what_was_not_acknowledged_is_sent_again_whatever_the_vector_says(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 1, .vector = {{room->self, 1}}, .count = 1});
    assert_int_equal(room->acked, 0);
    assert_int_equal(room_expect_kind(room, MESSAGE_RECORDS)->records.count, 1);
    room_say_ack(room, 1);
    assert_int_equal(room->acked, 1);
    assert_int_equal(room_status(room).unacked_batches, 0);
}

static void a_restart_sends_what_the_outbox_holds_byte_for_byte(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    struct bytes outbox[] = {buf_view(&room->persisted[0])}, members[] = {buf_view(&room->persisted[1])};
    room->config.outbox = outbox;
    room->config.outbox_count = 1;
    room->config.members = members;
    room->config.member_count = 1;
    room->config.first_counter = session_counter(room->session);
    room_restart(room);
    assert_int_equal(room_status(room).unacked_edits, 1);
    room_connect(room, (struct room_welcome){.peers = 1});
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
    assert_true(bytes_equal(message->records.items[0].stored, members[0]));
    assert_true(bytes_equal(message->records.items[1].stored, outbox[0]));
}

static void a_relay_that_lost_its_tail_gets_acknowledged_records_again(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    room_say_ack(room, 2);
    room_type(room, "b");
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 1});
    assert_int_equal(room_status(room).unacked_batches, 1);
    assert_int_equal(room_status(room).lacking_batches, 1);
    assert_int_equal(room->fetches, 1);
    assert_int_equal(room->fetch_from, 0);
    room_persist_all(room);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS)); /* nothing overtakes what is being fetched */
    struct bytes answer[] = {buf_view(&room->persisted[0])};
    session_fetched(room->session, &room->self, answer, 1, false, room->now_ms);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 3); /* MEMBER, the lost one, the new one */
    assert_int_equal(room_status(room).lacking_batches, 1);
    room_say_ack(room, 2);
    assert_int_equal(room_status(room).lacking_batches, 0);
    assert_int_equal(room_status(room).unacked_batches, 1);
    room_say_ack(room, 3);
    assert_int_equal(room->acked, 2);
}

static void what_a_relay_lost_is_asked_for_piece_by_piece(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    room_say_ack(room, 2);
    room_pass_time(room, 1000);
    room_type(room, "b");
    room_say_ack(room, 3);
    room_type(room, "c");
    room_cut(room);
    struct bytes first[] = {buf_view(&room->persisted[0])}, second[] = {buf_view(&room->persisted[2])};
    room_connect(room, (struct room_welcome){.peers = 1});
    assert_int_equal(room->fetches, 1);
    room_persist_all(room);
    session_fetched(room->session, &room->self, first, 1, true, room->now_ms);
    assert_int_equal(room_expect_kind(room, MESSAGE_RECORDS)->records.count, 2); /* MEMBER, and the piece */
    assert_int_equal(room->fetches, 2); /* it is on its way: the next one can be read */
    assert_int_equal(room->fetch_from, 1);
    room_pass_time(room, 1000);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS)); /* nothing overtakes it */
    session_fetched(room->session, &room->self, second, 1, false, room->now_ms);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2); /* the piece, and the new one */
    assert_true(bytes_equal(message->records.items[0].stored, second[0]));
    assert_int_equal(room->fetches, 2);
}

static void other_peoples_lost_records_are_offered_again_after_a_while(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf member = {0}, record = {0};
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    author_record(&ben, room, NULL, "x", &record);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 2, buf_view(&member));
    room_say_record(room, 3, buf_view(&record));
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_pass_time(room, UPLOAD_REOFFER_MS + 1);
    assert_int_equal(room->fetches, 1);
    assert_true(agent_id_equal(&room->fetch_agent, &ben.agent));
    assert_true(room->fetch_packs); /* it may be all that is left of them */
    struct bytes answer[] = {buf_view(&record)};
    session_fetched(room->session, &ben.agent, answer, 1, false, room->now_ms);
    room_persist_all(room);
    assert_true(bytes_equal(room_expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&member)));
    assert_true(bytes_equal(room_expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&record)));
    author_release(&ben);
    buf_release(&member);
    buf_release(&record);
}

/* Somebody else gives back the same, faster, and may leave before the end. */
static void a_piece_that_the_relay_has_got_meanwhile_does_not_end_the_offering(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf member = {0}, records[4] = {{0}};
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 2, buf_view(&member));
    for (uint64_t i = 0; i < 4; i++) {
        author_record(&ben, room, NULL, "x", &records[i]);
        room_say_record(room, 3 + i, buf_view(&records[i]));
    }
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_pass_time(room, UPLOAD_REOFFER_MS + 1);
    assert_int_equal(room->fetches, 1);
    room_say_record(room, 2, buf_view(&member));
    for (uint64_t i = 0; i < 2; i++)
        room_say_record(room, 3 + i, buf_view(&records[i]));
    struct bytes first[] = {buf_view(&records[0]), buf_view(&records[1])};
    session_fetched(room->session, &ben.agent, first, 2, true, room->now_ms);
    assert_int_equal(room->fetches, 2);
    assert_int_equal(room->fetch_from, 2);
    struct bytes second[] = {buf_view(&records[2]), buf_view(&records[3])};
    session_fetched(room->session, &ben.agent, second, 2, false, room->now_ms);
    room_persist_all(room);
    for (size_t i = 0; i < 2; i++)
        assert_true(bytes_equal(room_expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, second[i]));
    assert_int_equal(room->fetches, 2);
    author_release(&ben);
    buf_release(&member);
    for (size_t i = 0; i < 4; i++)
        buf_release(&records[i]);
}

static void unacknowledged_bytes_stay_within_the_window(void **state)
{
    struct room *room = *state;
    char *large = xmalloc(60001);
    size_t bytes = 0;
    const struct message *message;
    memset(large, 'x', 60000);
    large[60000] = '\0';
    room_connect(room, (struct room_welcome){.peers = 2});
    for (int i = 0; i < 40; i++) {
        room_type(room, large);
        room_pass_time(room, 100);
    }
    uint64_t ordinal = 0;
    while ((message = room_hears(room)))
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++, ordinal++)
            bytes += message->records.items[i].stored.len;
    assert_in_range(bytes, UPLOAD_WINDOW_BYTES / 2, UPLOAD_WINDOW_BYTES + 70000);
    room_say_ack(room, ordinal);
    room_persist_all(room);
    assert_non_null(room_expect_kind(room, MESSAGE_RECORDS));
    free(large);
}

static void a_full_link_is_asked_again_when_it_has_room(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_forget_out(room);
    room->refuse_sends = true;
    room_type(room, "a");
    assert_int_equal(room->out_count, 0);
    room->refuse_sends = false;
    session_writable(room->session, room->now_ms);
    room_expect_kind(room, MESSAGE_RECORDS);
}

static void not_now_means_the_same_record_after_a_pause(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    room_expect_kind(room, MESSAGE_RECORDS);
    room_say_ack(room, 1);
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {2, REFUSE_LIMIT, bytes_of_string("later")}};
    room_says(room, &reject);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    room_pass_time(room, UPLOAD_PAUSE_MS);
    room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(room->alarms, 0);
}

static void a_full_relay_is_told_once_in_its_words_until_it_has_room(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    room_expect_kind(room, MESSAGE_RECORDS);
    room_say_ack(room, 1);
    for (uint64_t ordinal = 2; ordinal < 5; ordinal++) {
        struct message reject = {.kind = MESSAGE_REJECT, .reject = {ordinal, REFUSE_FULL, bytes_of_string("no room\n")}};
        room_says(room, &reject);
        room_pass_time(room, UPLOAD_PAUSE_MS);
        room_expect_kind(room, MESSAGE_RECORDS);
    }
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_REJECTED);
    assert_non_null(strstr(room_status(room).full.text, "does not take your edits: no room"));
    assert_null(strchr(room_status(room).full.text, '\n'));
    room_say_ack(room, 5);
    assert_int_equal(room_status(room).unacked_edits, 0);
    assert_string_equal(room_status(room).full.text, "");
}

/* It refuses at once and acknowledges when a record is durable: what was sent before may be acknowledged after. */
static void an_acknowledgement_of_what_was_sent_before_does_not_make_room(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    room_expect_kind(room, MESSAGE_RECORDS);
    room_type(room, "b");
    room_pass_time(room, 1000);
    room_expect_kind(room, MESSAGE_RECORDS);
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {3, REFUSE_FULL, bytes_of_string("no room")}};
    room_says(room, &reject);
    room_say_ack(room, 2); /* the MEMBER and the first */
    assert_non_null(strstr(room_status(room).full.text, "no room"));
    room_pass_time(room, UPLOAD_PAUSE_MS);
    room_expect_kind(room, MESSAGE_RECORDS);
    reject.reject.ordinal = 4;
    room_says(room, &reject);
    assert_int_equal(room->alarms, 1);
}

static void an_id_that_the_relay_has_with_other_content_is_an_alarm(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_type(room, "a");
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {2, REFUSE_FORKED, bytes_of_string("other content")}};
    room_says(room, &reject);
    assert_int_equal(room->alarm, ALARM_OWN_FORKED);
    assert_true(agent_id_equal(&room->alarm_agent, &room->self));
}

static void the_owner_uploads_the_base_before_anything_else(void **state)
{
    struct room *room = *state;
    struct record record;
    struct error err = {0};
    room->config.create = true;
    room->config.base = room->base;
    room_restart(room);
    room_type(room, "a");
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    assert_true(bytes_equal(room_expect_kind(room, MESSAGE_HELLO)->hello.genesis, buf_view(&room->genesis)));
    room_say_welcome(room, (struct room_welcome){.head = 1, .peers = 1});
    room_persist_all(room);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_BASE);
    assert_int_equal(room_status(room).base_done, 0);
    room_say_ack(room, 1);
    assert_int_equal(room_status(room).base_done, 4);
    assert_int_equal(room_status(room).base_total, 4);
}

static void nobody_writes_into_the_places_of_a_base_that_the_relay_lost(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    room_type(room, "a");
    room_connect(room, (struct room_welcome){.head = 1, .peers = 2});
    room_pass_time(room, 1000);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    base_seal(&room->keys, room->base, 0, &base);
    room_say_record(room, 2, buf_view(&base)); /* the owner gave it again */
    room_persist_all(room);
    room_expect_kind(room, MESSAGE_RECORDS);
    buf_release(&base);
}

static void a_view_only_session_uploads_nothing(void **state)
{
    struct room *room = *state;
    struct doc_keys reader;
    doc_keys_from_link(&reader, &room->keys.doc, ACCESS_READ, doc_keys_seed(&room->keys, ACCESS_READ));
    room->config.keys = &reader;
    room_restart(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_pass_time(room, 10000);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(room->ticket_count, 0);
}

/* --- another process of ours --- */

/* What it writes is in the journal, so the chain here has it; `record` is how it would be sent from there. */
struct window {
    struct author author;
    struct buf record, plain;
    struct local_batch batch; /* lent */
};

static void window_open(struct window *window, const struct room *room)
{
    *window = (struct window){.batch = {.lent = true, .gesture = true}};
    author_init(&window->author, room, 0x22);
    window->author.device = room->device;
    device_doc_key(&room->device, &room->keys.doc, &window->author.doc_key);
}

static void window_close(struct window *window)
{
    author_release(&window->author);
    buf_release(&window->record);
    buf_release(&window->plain);
}

static void window_types(struct window *window, struct room *room, const char *text)
{
    struct record record;
    struct error err = {0};
    struct batch_run run;
    struct local_batch *batch = &window->batch;
    buf_clear(&window->record);
    buf_clear(&window->plain);
    author_record(&window->author, room, NULL, text, &window->record);
    assert_true(record_decode(buf_view(&window->record), &record, &err));
    assert_true(record_open_events(&record, &room->keys, &window->plain, &run, &err));
    struct batch_cursor first = batch_cursor_of(&run);
    assert_true(batch_cursor_next(&first));
    assert_int_equal(chain_add(room->chain, first.batch, first.plain, &batch->digest), CHAIN_NEXT);
    batch->agent = record.agent;
    batch->seq0 = record.seq0;
    batch->count = record.count;
    batch->plain = first.plain;
    session_neighbour(room->session, &record.agent, record.seq0 + record.count, room->now_ms);
    batch_cursor_release(&first);
}

static void what_another_process_of_ours_has_to_send_is_lacking_until_the_relay_has_it(void **state)
{
    struct room *room = *state;
    struct window window;
    struct buf member = {0};
    window_open(&window, room);
    author_member(&window.author, room, &member);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    room_say_record(room, 2, buf_view(&member));
    window_types(&window, room, "below");
    room_type_after(room, &(struct event_id){window.author.agent, 4}, "on top");
    room_say_ack(room, 2);
    assert_int_equal(room_status(room).unacked_batches, 0);
    assert_int_equal(room_status(room).lacking_batches, 1);
    assert_int_equal(room_status(room).lacking_since_ms, room->now_ms);
    room_say_record(room, 3, buf_view(&window.record));
    assert_int_equal(room_status(room).lacking_batches, 0);
    assert_int_equal(room_status(room).lacking_since_ms, 0);
    window_close(&window);
    buf_release(&member);
}

static void so_is_what_a_relay_lost_until_it_is_offered_again(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "x", &record);
    room_say_record(room, 3, buf_view(&record));
    assert_int_equal(room_status(room).lacking_batches, 0);
    room_cut(room);
    assert_int_equal(room_status(room).lacking_batches, 0); /* nobody knows */
    room_connect(room, (struct room_welcome){.peers = 2});
    assert_int_equal(room_status(room).lacking_batches, 1);
    room_pass_time(room, UPLOAD_REOFFER_MS + 1);
    struct bytes answer[] = {buf_view(&record)};
    session_fetched(room->session, &ben.agent, answer, 1, false, room->now_ms);
    room_persist_all(room);
    room_expect_kind(room, MESSAGE_REOFFER);
    assert_int_equal(room_status(room).lacking_batches, 1);
    room_say_ack(room, 3); /* our MEMBER, his, his edit */
    assert_int_equal(room_status(room).lacking_batches, 0);
    author_release(&ben);
    buf_release(&record);
}

/* It sealed it, and was stopped before it could send it: the journal has the record. */
static void what_another_process_sealed_and_does_not_send_is_offered_again_and_again(void **state)
{
    struct room *room = *state;
    struct window window;
    window_open(&window, room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    room_pass_time(room, UPLOAD_REOFFER_MS + 1);
    window_types(&window, room, "sealed");
    room_pass_time(room, UPLOAD_LACKING_MS - 1);
    assert_int_equal(room->fetches, 0);
    room_pass_time(room, 1);
    assert_int_equal(room->fetches, 1);
    session_fetched(room->session, &window.author.agent, NULL, 0, false, room->now_ms); /* not sealed yet */
    room_say_peers(room, 2); /* the relay is well */
    room_pass_time(room, UPLOAD_LACKING_MS);
    assert_int_equal(room->fetches, 1);
    room_say_peers(room, 2);
    room_pass_time(room, UPLOAD_LACKING_MS);
    assert_int_equal(room->fetches, 2);
    assert_true(agent_id_equal(&room->fetch_agent, &window.author.agent));
    window_close(&window);
}

static void what_is_lent_is_sent_in_front_of_our_own_and_once(void **state)
{
    struct room *room = *state;
    struct window window;
    struct record record;
    struct error err = {0};
    window_open(&window, room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    window_types(&window, room, "below");
    session_local(room->session, &window.batch, room->now_ms);
    session_local(room->session, &window.batch, room->now_ms); /* looked for twice */
    room_type(room, "on top");
    assert_int_equal(room_status(room).unacked_batches, 2);
    assert_int_equal(room_status(room).lacking_batches, 0);
    room_pass_time(room, SESSION_FLUSH_MS);
    room_persist_all(room);
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2); /* MEMBER and the edit */
    assert_true(record_decode(message->records.items[1].stored, &record, &err));
    assert_true(agent_id_equal(&record.agent, &window.author.agent));
    assert_true(agent_id_equal(&record.sealer, &room->self));
    room_say_ack(room, 4);
    assert_int_equal(room->acked, 6); /* of ours; of the other one before that */
    assert_int_equal(room_status(room).unacked_batches, 0);
    window_types(&window, room, "more"); /* it goes on by itself: for it to send */
    assert_int_equal(room_status(room).lacking_batches, 1);
    window_close(&window);
}

static void what_the_relay_got_meanwhile_is_not_lent(void **state)
{
    struct room *room = *state;
    struct window window;
    struct buf member = {0};
    window_open(&window, room);
    author_member(&window.author, room, &member);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    room_say_record(room, 2, buf_view(&member));
    window_types(&window, room, "below");
    room_say_record(room, 3, buf_view(&window.record));
    session_local(room->session, &window.batch, room->now_ms);
    assert_int_equal(room_status(room).unacked_batches, 0);
    window_close(&window);
    buf_release(&member);
}

/* We were stopped; another process has sent it in our stead. Its record comes with the history. */
static void lent_record(struct room *room, const char *text, const struct sign_key *signer, struct buf *stored)
{
    struct author twin = {.agent = room->self, .doc_key = *signer, .counter = 77, .flags = BATCH_FLAG_GESTURE,
                          .chain = chain_new(&room->keys.doc)};
    author_record(&twin, room, NULL, text, stored);
    author_release(&twin);
}

static void sleep_on(struct room *room, const struct sign_key *signer)
{
    struct buf stored = {0};
    struct author own = {.agent = room->self, .device = room->device};
    struct buf member = {0};
    device_doc_key(&room->device, &room->keys.doc, &own.doc_key);
    author_member(&own, room, &member);
    room_type(room, "abc");
    lent_record(room, "abc", signer, &stored);
    room_connect(room, (struct room_welcome){.peers = 2, .vector = {{room->self, 3}}, .count = 1});
    room_pass_time(room, SESSION_FLUSH_MS);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS)); /* it may be this */
    room_say_record(room, 2, buf_view(&member));
    room_say_record(room, 3, buf_view(&stored));
    room_say_caught_up(room);
    room_pass_time(room, SESSION_FLUSH_MS);
    buf_release(&stored);
    buf_release(&member);
}

static void what_another_process_has_sent_for_us_is_not_sent_twice(void **state)
{
    struct room *room = *state;
    struct sign_key doc_key;
    device_doc_key(&room->device, &room->keys.doc, &doc_key);
    sleep_on(room, &doc_key);
    assert_int_equal(room->acked, 3);
    assert_int_equal(room_status(room).unacked_batches, 0);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    room_type(room, "d");
    assert_int_equal(room_status(room).unacked_batches, 1);
    assert_int_equal(room->alarms, 0);
}

/* The relay, or a reader with it, would have us believe that others have what they refuse. */
static void only_what_we_signed_counts_as_sent_for_us(void **state)
{
    struct room *room = *state;
    sleep_on(room, &room->relay_key);
    assert_int_equal(room->acked, 0);
    room_persist_all(room);
    room_expect_kind(room, MESSAGE_RECORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(a_record_leaves_only_after_the_journal_has_it),
        ROOM_TEST(an_agents_first_record_is_its_member),
        ROOM_TEST(a_change_on_disk_is_introduced_as_somebodys_disk),
        ROOM_TEST(an_acknowledged_record_is_reported_and_no_longer_counted),
        ROOM_TEST(a_key_after_a_pause_leaves_at_once_and_the_next_ones_together),
        ROOM_TEST(a_relay_that_answers_quickly_gets_the_next_key_quickly),
        ROOM_TEST(alone_in_the_document_batches_wait_longer_until_somebody_joins),
        ROOM_TEST(what_was_typed_offline_travels_in_one_record),
        ROOM_TEST(a_thousand_edits_typed_offline_travel_in_few_records),
        ROOM_TEST(only_the_first_batch_of_a_record_builds_on_others),
        ROOM_TEST(an_idle_author_packs_what_the_relay_has),
        ROOM_TEST(an_hour_of_typing_takes_a_relay_less_than_100_kB),
        ROOM_TEST(packs_of_packs_of_a_log_can_be_read),
        ROOM_TEST(packs_of_packs_of_a_log_with_hashes_can_be_read),
        ROOM_TEST(packs_of_packs_of_many_lines_can_be_read),
        ROOM_TEST(packs_of_packs_of_spaces_can_be_read),
        ROOM_TEST(records_of_more_edits_than_a_pack_has_are_left_as_they_are),
        ROOM_TEST(a_pack_leaves_only_after_the_journal_has_it),
        ROOM_TEST(a_few_records_are_left_as_they_are_until_there_are_more),
        ROOM_TEST(only_the_first_batch_of_a_pack_builds_on_others),
        ROOM_TEST(a_relay_that_takes_no_packs_is_not_asked_again_and_edits_go_on),
        ROOM_TEST(a_pack_lost_with_the_connection_is_sent_again_byte_for_byte),
        ROOM_TEST(a_pack_of_what_is_known_is_kept_if_its_author_signed_it),
        ROOM_TEST(a_pack_of_ours_that_comes_back_is_kept_and_no_fork),
        ROOM_TEST(originals_of_a_disputed_pack_are_offered_again),
        ROOM_TEST(after_a_cut_the_same_bytes_are_sent_again),
        ROOM_TEST(resuming_gets_behind_what_we_wrote_ourselves),
        ROOM_TEST(resuming_does_not_pass_what_is_waited_for_by_an_acknowledgement),
        ROOM_TEST(all_records_of_both_sides_of_a_fork_are_offered_again),
        ROOM_TEST(what_was_taken_over_is_sent_in_the_order_in_which_it_was_written),
        ROOM_TEST(what_was_not_acknowledged_is_sent_again_whatever_the_vector_says),
        ROOM_TEST(a_restart_sends_what_the_outbox_holds_byte_for_byte),
        ROOM_TEST(a_relay_that_lost_its_tail_gets_acknowledged_records_again),
        ROOM_TEST(what_a_relay_lost_is_asked_for_piece_by_piece),
        ROOM_TEST(other_peoples_lost_records_are_offered_again_after_a_while),
        ROOM_TEST(a_piece_that_the_relay_has_got_meanwhile_does_not_end_the_offering),
        ROOM_TEST(unacknowledged_bytes_stay_within_the_window),
        ROOM_TEST(a_full_link_is_asked_again_when_it_has_room),
        ROOM_TEST(not_now_means_the_same_record_after_a_pause),
        ROOM_TEST(an_id_that_the_relay_has_with_other_content_is_an_alarm),
        ROOM_TEST(the_owner_uploads_the_base_before_anything_else),
        ROOM_TEST(nobody_writes_into_the_places_of_a_base_that_the_relay_lost),
        ROOM_TEST(a_view_only_session_uploads_nothing),
        ROOM_TEST(a_full_relay_is_told_once_in_its_words_until_it_has_room),
        ROOM_TEST(an_acknowledgement_of_what_was_sent_before_does_not_make_room),
        ROOM_TEST(what_another_process_of_ours_has_to_send_is_lacking_until_the_relay_has_it),
        ROOM_TEST(so_is_what_a_relay_lost_until_it_is_offered_again),
        ROOM_TEST(what_another_process_sealed_and_does_not_send_is_offered_again_and_again),
        ROOM_TEST(what_is_lent_is_sent_in_front_of_our_own_and_once),
        ROOM_TEST(what_the_relay_got_meanwhile_is_not_lent),
        ROOM_TEST(what_another_process_has_sent_for_us_is_not_sent_twice),
        ROOM_TEST(only_what_we_signed_counts_as_sent_for_us),
    };
    return RUN_TESTS("session_send", tests);
}
