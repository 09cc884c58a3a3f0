/* A session receives: records, the base text, forks, what is missing; see test_session.c. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/inbox.h"
#include "sync/session_parts.h"
#include "tests/support/session_room.h"

/* --- receiving --- */

/* An author who has joined, in the room's session. */
static void a_record_that_verifies_is_handed_out_once(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "hello", &record);
    room_say_record(room, 3, buf_view(&record));
    room_say_record(room, 4, buf_view(&record));
    room_expect_text(room, "hello");
    assert_int_equal(room->received, 1);
    assert_int_equal(room->resume.place, 3);
    assert_int_equal(room->alarms, 0);
    author_release(&ben);
    buf_release(&record);
}

static void early_records_come_out_in_causal_order_and_the_resume_point_waits(void **state)
{
    struct room *room = *state;
    struct author ben, cleo;
    struct buf first = {0}, second = {0}, answer = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    room_join(room, &cleo, 0xc1);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    author_reads(&cleo, room, &first);
    author_reads(&cleo, room, &second);
    author_record(&cleo, room, &(struct event_id){ben.agent, 1}, "3", &answer);

    room_say_record(room, 5, buf_view(&answer));
    room_say_record(room, 6, buf_view(&second));
    assert_int_equal(room->received, 0);
    room_say_record(room, 7, buf_view(&first));
    room_expect_text(room, "123");
    assert_int_equal(room->resume.place, 7);
    author_release(&ben);
    author_release(&cleo);
    buf_release(&first);
    buf_release(&second);
    buf_release(&answer);
}

static void every_flipped_bit_is_refused_and_others_go_on(void **state)
{
    struct room *room = *state;
    struct author ben, cleo;
    struct buf record = {0}, other = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    room_join(room, &cleo, 0xc1);
    author_record(&ben, room, NULL, "good", &record);
    author_record(&cleo, room, NULL, "other", &other);
    record.data[record.len - 1] ^= 1; /* in the signature */
    room_say_record(room, 4, buf_view(&record));
    assert_int_equal(room->dropped, 1); /* it could build on something else than what is here: all is asked for, once */
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 4, buf_view(&record));
    assert_int_equal(room->alarms, 0);
    room_say_caught_up(room);
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room->received, 0);
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    assert_true(agent_id_equal(&room->alarm_agent, &ben.agent));
    room_say_record(room, 5, buf_view(&other));
    room_expect_text(room, "other");
    assert_true(room->resume.place < 4);
    record.data[record.len - 1] ^= 1;
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 4, buf_view(&record)); /* a new connection, a new chance */
    room_expect_text(room, "othergood");
    author_release(&ben);
    author_release(&cleo);
    buf_release(&record);
    buf_release(&other);
}

static void what_was_damaged_on_the_way_is_asked_for_again_each_time_later(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "good", &record);
    record.data[record.len - 1] ^= 1;
    room_say_record(room, 4, buf_view(&record));
    unsigned dropped = 1; /* for the whole log, once */
    for (unsigned asks = 0; asks < 3; asks++) {
        assert_int_equal(room->dropped, dropped);
        room_connect(room, (struct room_welcome){.peers = 2});
        room_say_record(room, 4, buf_view(&record));
        room_say_caught_up(room);
        for (unsigned wait = 1; wait < 1u << asks; wait++) {
            room_says(room, &(struct message){.kind = MESSAGE_PONG});
            room_pass_time(room, SESSION_GAP_MS - 1);
            assert_int_equal(room->dropped, dropped);
        }
        room_says(room, &(struct message){.kind = MESSAGE_PONG});
        room_pass_time(room, SESSION_GAP_MS + (1u << asks));
        dropped++;
    }
    assert_int_equal(room->dropped, dropped);
    record.data[record.len - 1] ^= 1;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 4, buf_view(&record));
    room_expect_text(room, "good");
    author_release(&ben);
    buf_release(&record);
}

static void no_altered_record_is_ever_accepted(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf member = {0}, record = {0};
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    author_record(&ben, room, NULL, "good", &record);
    for (size_t bit = 0; bit < record.len * 8; bit += 3) {
        record.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        room_connect(room, (struct room_welcome){.peers = 2});
        room_say_record(room, 2, buf_view(&member));
        room_say_record(room, 3, buf_view(&record));
        room_cut(room);
        record.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(room->received, 0);
    author_release(&ben);
    buf_release(&member);
    buf_release(&record);
}

/* A record without events, as some later weft would make it. */
static void strange_record(const struct author *author, const struct room *room, unsigned kind, struct buf *stored)
{
    struct hasher hasher;
    struct digest digest;
    struct record record;
    struct signature signature;
    struct error err = {0};
    record_seal(&(struct record_spec){.kind = kind | RECORD_OPTIONAL, .agent = author->agent, .sealer = author->agent,
                                      .counter = 50, .plain = bytes_of_string("?"), .keys = &room->keys,
                                      .signer = &author->doc_key},
                stored);
    stored->data[1] = (unsigned char)kind; /* and the signature over that */
    assert_true(record_decode_any(buf_view(stored), &record, &err));
    static const struct digest no_events;
    hasher_init(&hasher, "weft-record-1");
    hasher_add(&hasher, room->keys.doc.bytes, sizeof room->keys.doc.bytes);
    hasher_add_sized(&hasher, record.signed_part);
    hasher_add(&hasher, no_events.bytes, sizeof no_events.bytes);
    hasher_digest(&hasher, &digest);
    crypto_sign_digest(&author->doc_key, &digest, &signature);
    memcpy(stored->data + stored->len - sizeof signature.bytes, signature.bytes, sizeof signature.bytes);
}

enum { STRANGE = 0x21 };

static void an_unknown_optional_record_is_kept_if_a_writer_signed_it(void **state)
{
    struct room *room = *state;
    struct author ben, stranger;
    struct buf kept = {0}, forged = {0}, strangers = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&stranger, room, 0xee);
    strange_record(&ben, room, STRANGE | RECORD_OPTIONAL, &kept);
    strange_record(&ben, room, STRANGE | RECORD_OPTIONAL, &forged);
    forged.data[forged.len - 1] ^= 1;
    strange_record(&stranger, room, STRANGE | RECORD_OPTIONAL, &strangers);
    room_say_record(room, 4, buf_view(&forged));
    room_say_record(room, 5, buf_view(&strangers));
    assert_int_equal(room->received, 0);
    room_say_record(room, 6, buf_view(&kept));
    assert_int_equal(room->received, 1);
    assert_int_equal(room->resume.place, 6);
    assert_int_equal(room->alarms, 0);
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    author_release(&ben);
    author_release(&stranger);
    struct buf *used[] = {&kept, &forged, &strangers};
    for (size_t i = 0; i < 3; i++)
        buf_release(used[i]);
}

static void an_unknown_mandatory_record_of_a_writer_says_update_weft(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf stored = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    strange_record(&ben, room, STRANGE, &stored);
    room_say_record(room, 4, buf_view(&stored));
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_NEWER);
    assert_int_equal(room->why.sys, STRANGE);
    assert_int_equal(room_status(room).state, SESSION_REFUSED);
    assert_int_equal(room_status(room).refuse_code, REFUSE_PROTOCOL);
    assert_int_equal(room_status(room).retry_ms, 0); /* coming back would bring the same record */
    assert_non_null(strstr(room_status(room).why.text, "update weft"));
    author_release(&ben);
    buf_release(&stored);
}

/* A relay can make one up; it keeps nobody from writing. */
static void an_unknown_mandatory_record_that_nobody_signed_is_no_reason_to_stop_writing(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf stored = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    strange_record(&ben, room, STRANGE, &stored);
    stored.data[stored.len - 1] ^= 1;
    room_say_record(room, 4, buf_view(&stored));
    assert_int_equal(room->alarms, 0);
    assert_int_equal(room_status(room).state, SESSION_REFUSED);
    author_release(&ben);
    buf_release(&stored);
}

/* Of a frame, what the signature of a later record in it vouches for is taken; what none vouches for has to be good itself. */
static void the_newest_good_signature_of_a_frame_vouches_for_what_is_before_it(void **state)
{
    struct room *room = *state;
    struct author author;
    struct buf stored[4] = {{0}}; /* who writes comes in the same frame */
    room_connect(room, (struct room_welcome){.peers = 2});
    author_init(&author, room, 0x21);
    author_member(&author, room, &stored[0]);
    for (int i = 0; i < 3; i++)
        author_record(&author, room, NULL, (char[]){(char)('a' + i), '\0'}, &stored[1 + i]);
    stored[2].data[stored[2].len - 1] ^= 1;
    room_say_records(room, 3, stored, 4);
    room_expect_text(room, "abc");
    assert_int_equal(room->alarms, 0);

    struct buf live[5] = {{0}};
    room_say_caught_up(room);
    for (int i = 0; i < 5; i++)
        author_record(&author, room, NULL, (char[]){(char)('d' + i), '\0'}, &live[i]);
    live[1].data[live[1].len - 1] ^= 1;
    room_say_records(room, 7, live, 3);
    room_expect_text(room, "abcdef");
    live[4].data[live[4].len - 1] ^= 1;
    room_say_records(room, 10, live + 3, 2);
    room_expect_text(room, "abcdefg");
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 1); /* all is asked for again */
    for (int i = 0; i < 5; i++)
        buf_release(&live[i]);
    for (int i = 0; i < 4; i++)
        buf_release(&stored[i]);
    author_release(&author);
}

static void a_readers_record_is_refused(void **state)
{
    struct room *room = *state;
    struct author eve;
    struct buf member = {0}, record = {0};
    author_init(&eve, room, 0xee);
    eve.reader = true;
    author_member(&eve, room, &member);
    author_record(&eve, room, NULL, "no", &record);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 2, buf_view(&member));
    room_say_record(room, 3, buf_view(&record));
    assert_int_equal(room->received, 0);
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    author_release(&eve);
    buf_release(&member);
    buf_release(&record);
}

/* So many that one more has room, whatever relay let them in. */
static void fill_roster(struct roster *roster)
{
    for (uint64_t i = 0; roster->count < ROSTER_MAX - 1; i++) {
        struct member member = {.agent = {{0xff, 1, (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i}}};
        assert_true(roster_add(roster, &member, (struct bytes){0}));
    }
}

static void a_document_has_so_many_writers_at_most_whatever_its_relay_says(void **state)
{
    struct room *room = *state;
    struct author ben, cleo, dan;
    struct buf members[2] = {{0}}, record = {0}, last = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    fill_roster(&room->session->roster);
    room_join(room, &ben, 0xbe); /* the last one */
    assert_int_equal(room->alarms, 0);
    author_init(&cleo, room, 0xc1);
    author_init(&dan, room, 0xda);
    author_member(&cleo, room, &members[0]);
    author_member(&dan, room, &members[1]);
    for (int i = 0; i < 2; i++)
        room_say_record(room, (uint64_t)4 + (uint64_t)i, buf_view(&members[i]));
    assert_int_equal(room->alarms, 1); /* once, however many come */
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    assert_true(agent_id_equal(&room->alarm_agent, &cleo.agent));
    assert_int_equal(room->why.code, ERR_LIMIT);
    assert_string_equal(room->why.text, "this document has as many writers as weft takes (65536)");
    author_record(&cleo, room, NULL, "no", &record);
    author_record(&ben, room, NULL, "yes", &last);
    room_say_record(room, 6, buf_view(&record));
    assert_false(inbox_has_hole(room->session->inbox)); /* nothing waits for them, */
    room_say_record(room, 7, buf_view(&last));
    room_expect_text(room, "yes"); /* and others go on */
    assert_int_equal(room->resume.place, 7);
    assert_int_equal(room->dropped, 0);
    struct author *authors[] = {&ben, &cleo, &dan};
    struct buf *used[] = {&members[0], &members[1], &record, &last};
    for (size_t i = 0; i < sizeof authors / sizeof *authors; i++)
        author_release(authors[i]);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buf_release(used[i]);
}

static void of_a_writer_who_gives_one_id_two_contents_both_are_taken_and_it_is_told(void **state)
{
    struct room *room = *state;
    struct author ben, twin;
    struct buf record = {0}, other = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&twin, room, 0xbe);
    author_record(&ben, room, NULL, "one", &record);
    author_record(&twin, room, NULL, "two", &other);
    room_say_record(room, 3, buf_view(&record));
    room_say_record(room, 4, buf_view(&other));
    room_expect_text(room, "onetwo");
    assert_int_equal(room->alarm, ALARM_FORKED);
    room_say_record(room, 5, buf_view(&other));
    room_say_record(room, 6, buf_view(&record));
    room_expect_text(room, "onetwo");
    author_release(&ben);
    author_release(&twin);
    buf_release(&record);
    buf_release(&other);
}

static void say_twin(struct room *room, unsigned char name, uint64_t place, const char *text)
{
    struct author twin;
    struct buf record = {0};
    author_init(&twin, room, name);
    author_record(&twin, room, NULL, text, &record);
    room_say_record(room, place, buf_view(&record));
    author_release(&twin);
    buf_release(&record);
}

static void of_a_writer_who_forks_without_end_so_many_branches_are_kept_and_nobody_waits(void **state)
{
    enum { TWINS = 40 };
    struct room *room = *state;
    struct author eve, ben;
    char expected[TWINS + 2] = "";
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &eve, 0xee);
    room_join(room, &ben, 0xbe);
    room_say_caught_up(room);
    for (unsigned i = 0; i < TWINS; i++) {
        char letter[2] = {(char)('A' + i), 0};
        say_twin(room, 0xee, 4 + i, letter);
        if (i <= CHAIN_AGENT_FORKS_MAX)
            expected[i] = letter[0];
        room_expect_text(room, expected);
    }
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    assert_int_equal(room->alarms, CHAIN_AGENT_FORKS_MAX + 1);
    say_twin(room, 0xbe, 4 + TWINS, "!");
    expected[CHAIN_AGENT_FORKS_MAX + 1] = '!';
    room_expect_text(room, expected);
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    assert_int_equal(room_expect_kind(room, MESSAGE_RESUME)->resume.place, 4 + TWINS); /* nothing of it comes again */
    author_release(&eve);
    author_release(&ben);
}

static void a_joiner_gets_genesis_and_base(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    room_restart(room);
    base_seal(&room->keys, room->base, 0, &base);
    room_connect(room, (struct room_welcome){.head = 2, .peers = 1});
    room_say_record(room, 1, buf_view(&room->genesis));
    room_say_record(room, 2, buf_view(&base));
    assert_int_equal(room->genesis_count, 1);
    assert_string_equal(buf_string(&room->base_text), "base");
    buf_release(&base);
}

/* A session that joins with nothing but a link, to a document of this base; it has heard GENESIS. */
static void join_without_base(struct room *room)
{
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    room_restart(room);
    room_connect(room, (struct room_welcome){.head = 2, .peers = 2});
    room_say_record(room, 1, buf_view(&room->genesis));
}

static void a_joiner_takes_the_base_in_any_order(void **state)
{
    struct room *room = *state;
    struct buf base = {0}, chunks[3] = {{0}};
    memset(buf_extend(&base, 2 * BASE_CHUNK_BYTES + 5), 'x', 2 * BASE_CHUNK_BYTES + 5);
    base.data[BASE_CHUNK_BYTES] = 'y';
    rope_free(room->base);
    buf_clear(&room->genesis);
    room_make_genesis(room, buf_string(&base));
    join_without_base(room);
    for (uint64_t i = 0; i < 3; i++)
        base_seal(&room->keys, room->base, i, &chunks[i]);
    room_say_record(room, 2, buf_view(&chunks[2]));
    room_say_record(room, 3, buf_view(&chunks[0]));
    room_say_record(room, 4, buf_view(&chunks[2]));
    assert_int_equal(room_status(room).base_done, BASE_CHUNK_BYTES + 5);
    room_say_record(room, 5, buf_view(&chunks[1]));
    assert_true(bytes_equal(buf_view(&room->base_text), buf_view(&base)));
    assert_int_equal(room->dropped, 0);
    for (int i = 0; i < 3; i++)
        buf_release(&chunks[i]);
    buf_release(&base);
}

static void edits_in_front_of_the_base_are_read_once_it_is_here(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf base = {0}, record = {0}, member = {0};
    join_without_base(room);
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    author_record(&ben, room, NULL, "1", &record);
    base_seal(&room->keys, room->base, 0, &base);
    room_say_record(room, 2, buf_view(&member));
    room_say_record(room, 3, buf_view(&record));
    room_say_record(room, 4, buf_view(&base));
    assert_string_equal(buf_string(&room->base_text), "base");
    assert_int_equal(room->dropped, 1);
    room_forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    assert_int_equal(room_expect_kind(room, MESSAGE_RESUME)->resume.place, 0);
    room_say_welcome(room, (struct room_welcome){.head = 4, .peers = 2});
    room_say_record(room, 3, buf_view(&record));
    room_say_record(room, 4, buf_view(&base));
    room_expect_text(room, "1");
    assert_int_equal(room->resume.place, 3);
    author_release(&ben);
    buf_release(&base);
    buf_release(&record);
    buf_release(&member);
}

static void who_has_read_all_and_lacks_the_base_says_so(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    join_without_base(room);
    room_say_caught_up(room);
    room_forget_out(room);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_false(room_hear_presence_flags(room) & PRESENCE_NO_BASE); /* it may be on its way */
    room_pass_time(room, SESSION_GAP_MS);
    assert_true(room_hear_presence_flags(room) & PRESENCE_NO_BASE);
    base_seal(&room->keys, room->base, 0, &base);
    room_say_record(room, 2, buf_view(&base));
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_false(room_hear_presence_flags(room) & PRESENCE_NO_BASE);
    buf_release(&base);
}

static void say_presence_with(struct room *room, const struct author *author, uint64_t counter, unsigned flags)
{
    struct buf sealed = {0};
    struct presence presence = {
        .agent = author->agent, .counter = counter, .flags = flags, .doc_key = author->doc_key.public_key};
    presence_seal(&presence, &room->keys, &author->doc_key, &sealed);
    room_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

static void hear_base(struct room *room)
{
    struct record record;
    struct error err = {0};
    const struct message *message = room_expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_BASE);
}

/* The owner took it to be there, for the relay had spoken of more places than it has. */
static void the_owner_offers_the_base_again_to_whoever_lacks_it(void **state)
{
    struct room *room = *state;
    struct author ben;
    room->config.create = true;
    room->config.base = room->base;
    room_restart(room);
    room_connect(room, (struct room_welcome){.head = 1000, .peers = 2});
    author_init(&ben, room, 0xbe);
    say_presence_with(room, &ben, 1, 0);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS));
    say_presence_with(room, &ben, 2, PRESENCE_NO_BASE);
    hear_base(room);
    say_presence_with(room, &ben, 3, PRESENCE_NO_BASE);
    room_say_ack(room, 1);
    say_presence_with(room, &ben, 4, PRESENCE_NO_BASE);
    assert_true(room_hears_none_of(room, MESSAGE_RECORDS)); /* nobody makes us say it all the time */
    room->now_ms += UPLOAD_BASE_AGAIN_MS;
    say_presence_with(room, &ben, 5, PRESENCE_NO_BASE);
    hear_base(room);
    author_release(&ben);
}

/* `weft cat` that hangs, or was killed: nobody would say that it has left. */
static void who_only_reads_along_is_given_the_base_and_is_none_of_the_people(void **state)
{
    struct room *room = *state;
    struct author ben;
    room->config.create = true;
    room->config.base = room->base;
    room_restart(room);
    room_connect(room, (struct room_welcome){.head = 1000, .peers = 2});
    author_init(&ben, room, 0xbe);
    say_presence_with(room, &ben, 1, PRESENCE_NO_BASE | PRESENCE_UNSEEN);
    hear_base(room);
    assert_int_equal(room->peers, 0);
    author_release(&ben);
}

static void the_owner_begins_the_base_anew_where_the_relay_has_less_than_it_said(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    memset(buf_extend(&base, 2 * BASE_CHUNK_BYTES + 5), 'x', 2 * BASE_CHUNK_BYTES + 5);
    rope_free(room->base);
    buf_clear(&room->genesis);
    room_make_genesis(room, buf_string(&base));
    room->config.genesis = buf_view(&room->genesis);
    room->config.create = true;
    room->config.base = room->base;
    room_restart(room);
    room_connect(room, (struct room_welcome){.head = 3, .peers = 1});
    hear_base(room); /* its third part */
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {1, REFUSE_ORDER, bytes_of_string("in order")}};
    room_says(room, &reject);
    for (int i = 0; i < 3; i++)
        hear_base(room);
    assert_int_equal(room->alarms, 0);
    reject.reject.ordinal = 2;
    room_says(room, &reject);
    assert_int_equal(room->alarm, ALARM_REJECTED);
    buf_release(&base);
}

static void who_only_reads_along_still_tells_that_the_base_is_missing(void **state)
{
    struct room *room = *state;
    room->config.unseen = true;
    join_without_base(room);
    room_say_caught_up(room);
    room_forget_out(room);
    room_pass_time(room, SESSION_GAP_MS + SESSION_PRESENCE_BEAT_MS);
    unsigned flags = room_hear_presence_flags(room);
    assert_true(flags & PRESENCE_NO_BASE && flags & PRESENCE_UNSEEN);
}

static void a_base_its_owner_did_not_sign_is_refused(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    struct rope *other = rope_from_bytes(bytes_of_string("fake"));
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    room_restart(room);
    base_seal(&room->keys, other, 0, &base);
    room_connect(room, (struct room_welcome){.head = 2, .peers = 1});
    room_say_record(room, 1, buf_view(&room->genesis));
    room_say_record(room, 2, buf_view(&base)); /* signed by the admin's key, but not the text GENESIS names */
    assert_int_equal(room->base_text.len, 0);
    assert_int_equal(room->dropped, 1);
    rope_free(other);
    buf_release(&base);
}

/* One agent on two machines, and somebody who has seen only one of them. */
struct fork {
    struct author ben, copy, carol;
    struct buf member, carol_member, first, on_ben[2], on_copy[2], on_that;
};

static void fork_init(struct fork *fork, const struct room *room)
{
    struct buf same = {0};
    *fork = (struct fork){.first = {0}};
    author_init(&fork->ben, room, 0xbe);
    author_init(&fork->copy, room, 0xbe);
    author_init(&fork->carol, room, 0xca);
    author_member(&fork->ben, room, &fork->member);
    author_member(&fork->carol, room, &fork->carol_member);
    author_record(&fork->ben, room, NULL, "1", &fork->first);
    author_record(&fork->copy, room, NULL, "1", &same);
    assert_true(bytes_equal(buf_view(&fork->first), buf_view(&same)));
    for (int i = 0; i < 2; i++) {
        author_record(&fork->ben, room, NULL, "b", &fork->on_ben[i]);
        author_record(&fork->copy, room, NULL, "c", &fork->on_copy[i]);
    }
    author_reads(&fork->carol, room, &fork->first);
    author_reads(&fork->carol, room, &fork->on_copy[0]);
    author_reads(&fork->carol, room, &fork->on_copy[1]);
    author_record(&fork->carol, room, &(struct event_id){fork->copy.agent, 2}, "t", &fork->on_that);
    buf_release(&same);
}

static void fork_release(struct fork *fork)
{
    author_release(&fork->ben);
    author_release(&fork->copy);
    author_release(&fork->carol);
    buf_release(&fork->member);
    buf_release(&fork->carol_member);
    buf_release(&fork->first);
    buf_release(&fork->on_that);
    for (int i = 0; i < 2; i++) {
        buf_release(&fork->on_ben[i]);
        buf_release(&fork->on_copy[i]);
    }
}

/* Ben and his copy went different ways, and then wrote the same: one content, twice, and known it is only once. */
static void the_same_content_on_both_sides_of_a_fork_is_taken_twice_and_what_builds_on_it_is_too(void **state)
{
    struct room *room = *state;
    struct author ben, copy, carol;
    struct buf carol_member = {0}, on_ben[2] = {{0}}, on_copy[2] = {{0}}, on_that = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&copy, room, 0xbe);
    author_init(&carol, room, 0xca);
    author_member(&carol, room, &carol_member);
    author_record(&ben, room, NULL, "b", &on_ben[0]);
    author_record(&copy, room, NULL, "c", &on_copy[0]);
    author_record(&ben, room, NULL, "s", &on_ben[1]);
    author_record(&copy, room, NULL, "s", &on_copy[1]);
    author_reads(&carol, room, &on_copy[0]);
    author_reads(&carol, room, &on_copy[1]);
    author_record(&carol, room, &(struct event_id){copy.agent, 1}, "t", &on_that);
    const struct buf *all[] = {&on_ben[0], &on_ben[1], &on_copy[0], &on_copy[1], &carol_member, &on_that};
    for (size_t again = 0; again < 2; again++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            room_say_record(room, 4 + i, buf_view(all[i]));
            room_pass_time(room, 1);
        }
    room_expect_text(room, "bscst");
    assert_int_equal(room->dropped, 0);
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_FORKED);
    author_release(&ben);
    author_release(&copy);
    author_release(&carol);
    buf_release(&carol_member);
    buf_release(&on_that);
    for (size_t i = 0; i < 2; i++) {
        buf_release(&on_ben[i]);
        buf_release(&on_copy[i]);
    }
}

/* The branch it stands on is not known yet, and the same was typed on the one that is. */
static void what_looks_known_is_so_only_if_it_is_signed_for_that_place(void **state)
{
    struct room *room = *state;
    struct author ben, copy, carol;
    struct buf member = {0}, carol_member = {0}, on_carol = {0}, first = {0}, same = {0};
    struct buf on_ben[2] = {0}, on_copy[2] = {0};
    author_init(&ben, room, 0xbe);
    author_init(&copy, room, 0xbe);
    author_init(&carol, room, 0xca);
    author_member(&ben, room, &member);
    author_member(&carol, room, &carol_member);
    author_record(&carol, room, NULL, "t", &on_carol);
    author_reads(&copy, room, &on_carol);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&copy, room, NULL, "1", &same);
    author_record(&ben, room, NULL, "b", &on_ben[0]);
    author_record(&copy, room, &(struct event_id){carol.agent, 0}, "c", &on_copy[0]);
    author_record(&ben, room, NULL, "x", &on_ben[1]);
    author_record(&copy, room, NULL, "x", &on_copy[1]);
    const struct buf *log[] = {&member, &first, &on_ben[0], &on_ben[1], &on_copy[0], &on_copy[1], &carol_member, &on_carol};
    room_connect(room, (struct room_welcome){.peers = 2});
    for (size_t i = 0; i < sizeof log / sizeof *log; i++)
        room_say_record(room, 3 + i, buf_view(log[i]));
    room_expect_text(room, "1bxtcx");
    assert_int_equal(room->dropped, 0);
    for (size_t i = 0; i < 2; i++) {
        buf_release(&on_ben[i]);
        buf_release(&on_copy[i]);
    }
    buf_release(&member);
    buf_release(&carol_member);
    buf_release(&on_carol);
    buf_release(&first);
    buf_release(&same);
    author_release(&ben);
    author_release(&copy);
    author_release(&carol);
}

static void a_record_that_fitted_nowhere_is_asked_for_again_when_its_branch_has_grown(void **state)
{
    struct room *room = *state;
    struct fork fork;
    fork_init(&fork, room);
    room_connect(room, (struct room_welcome){.peers = 2});
    const struct buf *first[] = {&fork.member,    &fork.first,        &fork.on_ben[0], &fork.on_ben[1],
                                 &fork.on_copy[0], &fork.carol_member, &fork.on_that};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        room_say_record(room, 3 + i, buf_view(first[i]));
    room_expect_text(room, "1bbc");
    unsigned before = room->dropped;
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 9, buf_view(&fork.on_that));
    room_say_record(room, 10, buf_view(&fork.on_copy[1]));
    assert_int_equal(room->dropped, before + 1);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_record(room, 9, buf_view(&fork.on_that));
    room_expect_text(room, "1bbcct");
    fork_release(&fork);
}

static void who_forks_on_beside_a_record_that_fits_nowhere_does_not_keep_us_reconnecting(void **state)
{
    struct room *room = *state;
    struct author eve, ben;
    struct buf bad = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &eve, 0xee);
    room_join(room, &ben, 0xbe);
    room_say_caught_up(room);
    author_record(&ben, room, NULL, "x", &bad);
    bad.data[bad.len - 1] ^= 1;
    for (unsigned i = 0; i <= CHAIN_AGENT_FORKS_MAX; i++) {
        unsigned before = room->dropped;
        room_say_record(room, 4 + i, buf_view(&bad));
        if (room->dropped > before) { /* the whole log is asked for, once */
            assert_int_equal(before++, 0);
            room_connect(room, (struct room_welcome){.peers = 2});
            room_say_caught_up(room);
            room_say_record(room, 4, buf_view(&bad));
        }
        say_twin(room, 0xee, 5 + i, (char[]){(char)('A' + i), 0});
        room_pass_time(room, 1000);
        if (room->dropped > before) {
            room_connect(room, (struct room_welcome){.peers = 2});
            room_say_caught_up(room);
        } else {
            room_say_peers(room, 2);
        }
    }
    assert_in_range(room->dropped, 1, 3);
    assert_int_equal(room->text.len, CHAIN_AGENT_FORKS_MAX + 1);
    author_release(&eve);
    author_release(&ben);
    buf_release(&bad);
}

/* Ben's writing was acknowledged by one log, his copy's by another, which we come to now: no vector shows that they differ. */
static void both_sides_of_a_fork_that_two_logs_acknowledged_come_together(void **state)
{
    struct room *room = *state;
    struct fork fork;
    fork_init(&fork, room);
    room_connect(room, (struct room_welcome){.peers = 2});
    const struct buf *here[] = {&fork.member, &fork.first, &fork.on_ben[0], &fork.on_ben[1]};
    const struct buf *there[] = {&fork.member,     &fork.first,        &fork.on_copy[0],
                                 &fork.on_copy[1], &fork.carol_member, &fork.on_that};
    for (size_t i = 0; i < 4; i++)
        room_say_record(room, 3 + i, buf_view(here[i]));
    room_say_caught_up(room);
    room_say_record(room, 7, buf_view(&fork.carol_member));
    room_say_record(room, 8, buf_view(&fork.on_that));
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room->alarms, 0);

    room_forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    const struct message *resume = room_expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(resume->resume.place, 0);
    assert_int_equal(resume->resume.vector_count, 0);
    room_say_welcome(room, (struct room_welcome){.peers = 2, .vector = {{fork.ben.agent, 3}}, .count = 1});
    for (size_t i = 0; i < 6; i++)
        room_say_record(room, 3 + i, buf_view(there[i]));
    room_say_caught_up(room);
    room_expect_text(room, "1bbcct");
    assert_int_equal(room->alarm, ALARM_FORKED);

    struct bytes stored[] = {buf_view(&fork.on_ben[0]), buf_view(&fork.on_ben[1])};
    assert_true(agent_id_equal(&room->fetch_agent, &fork.ben.agent));
    assert_int_equal(room->fetch_from, 1);
    session_fetched(room->session, &fork.ben.agent, stored, 2, false, room->now_ms);
    room_persist_all(room);
    session_tick(room->session, room->now_ms);
    for (size_t i = 0; i < 2; i++)
        assert_true(bytes_equal(room_expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, stored[i]));
    fork_release(&fork);
}

/* This log has another side of ben than the one we read from another log: it is offered ours, for it may not have it. */
static void a_side_that_comes_while_we_catch_up_has_ours_offered(void **state)
{
    struct room *room = *state;
    struct author ben, twin;
    struct buf ours = {0}, theirs = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&twin, room, 0xbe);
    author_record(&ben, room, NULL, "ours", &ours);
    author_record(&twin, room, NULL, "theirs", &theirs);
    room_say_record(room, 3, buf_view(&ours));
    room_say_caught_up(room);
    room_cut(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    unsigned fetches = room->fetches;
    room_say_record(room, 3, buf_view(&theirs));
    assert_int_equal(room->fetches, fetches + 1);
    assert_true(agent_id_equal(&room->fetch_agent, &ben.agent));
    assert_int_equal(room->fetch_from, 0);
    author_release(&ben);
    author_release(&twin);
    buf_release(&ours);
    buf_release(&theirs);
}

/* More than there is room for, and each builds on what is not here: the first of them is kept back. */
static void say_endless(struct room *room, struct author *author, uint64_t place)
{
    enum { LEN = 200 * 1000, TIMES = 3 * INBOX_EARLY_BYTES_MAX / LEN };
    char *text = xcalloc(LEN + 1, 1);
    memset(text, 'x', LEN);
    for (unsigned i = 0; i <= TIMES; i++) {
        struct buf record = {0};
        author_record(author, room, NULL, i > 0 ? text : "0", &record);
        if (i > 0)
            room_say_record(room, place, buf_view(&record));
        buf_release(&record);
    }
    free(text);
}

/* Also where it comes from agents that nobody has heard of: `joins` false. */
static void expect_others_go_on(struct room *room, bool joins)
{
    struct author ben, carol;
    struct buf first = {0}, second = {0}, third = {0};
    room_connect(room, (struct room_welcome){.peers = 3});
    room_join(room, &ben, 0xbe);
    if (joins)
        room_join(room, &carol, 0xca);
    else
        author_init(&carol, room, 0xca);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    author_record(&ben, room, NULL, "3", &third);
    room_say_record(room, 5, buf_view(&second));
    say_endless(room, &carol, 6);
    room_say_record(room, 7, buf_view(&first));
    room_expect_text(room, "12");
    say_endless(room, &carol, 8);
    room_say_record(room, 9, buf_view(&third));
    room_expect_text(room, "123");
    assert_int_equal(room->dropped, 0);
    assert_true(room->resume.place < 5); /* from there on something is missing */
    room_pass_time(room, SESSION_GAP_MS + 1);
    assert_int_equal(room->dropped, 1); /* asked for again: its time may have come */
    if (joins) {
        assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
        assert_memory_equal(&room->alarm_agent, &carol.agent, sizeof carol.agent);
    }
    author_release(&ben);
    author_release(&carol);
    buf_release(&first);
    buf_release(&second);
    buf_release(&third);
}

static void who_fills_the_room_for_what_waits_is_the_one_who_goes_without(void **state)
{
    expect_others_go_on(*state, true);
}

static void nor_does_what_nobody_has_introduced_keep_others_from_it(void **state)
{
    expect_others_go_on(*state, false);
}

static void what_is_missing_is_asked_for_again_and_then_told(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf lost = {0}, record = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &lost);
    author_record(&ben, room, NULL, "2", &record);
    room_say_record(room, 4, buf_view(&record));
    room_pass_time(room, SESSION_GAP_MS + 1);
    assert_int_equal(room->dropped, 1); /* to resume by the vector alone */
    room_connect(room, (struct room_welcome){.peers = 2});
    assert_int_equal(room_expect_kind(room, MESSAGE_RESUME)->resume.place, 0);
    room_say_record(room, 4, buf_view(&record));
    room_say_caught_up(room);
    for (int i = 0; i < 20 && room->alarms == 0; i++) {
        room_pass_time(room, 2000);
        room_says(room, &(struct message){.kind = MESSAGE_PEERS, .peers = {2}});
    }
    assert_int_equal(room->alarm, ALARM_WITHHELD);
    author_release(&ben);
    buf_release(&lost);
    buf_release(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(a_record_that_verifies_is_handed_out_once),
        ROOM_TEST(early_records_come_out_in_causal_order_and_the_resume_point_waits),
        ROOM_TEST(every_flipped_bit_is_refused_and_others_go_on),
        ROOM_TEST(what_was_damaged_on_the_way_is_asked_for_again_each_time_later),
        ROOM_TEST(no_altered_record_is_ever_accepted),
        ROOM_TEST(an_unknown_optional_record_is_kept_if_a_writer_signed_it),
        ROOM_TEST(an_unknown_mandatory_record_of_a_writer_says_update_weft),
        ROOM_TEST(an_unknown_mandatory_record_that_nobody_signed_is_no_reason_to_stop_writing),
        ROOM_TEST(the_newest_good_signature_of_a_frame_vouches_for_what_is_before_it),
        ROOM_TEST(a_readers_record_is_refused),
        ROOM_TEST(a_document_has_so_many_writers_at_most_whatever_its_relay_says),
        ROOM_TEST(of_a_writer_who_gives_one_id_two_contents_both_are_taken_and_it_is_told),
        ROOM_TEST(of_a_writer_who_forks_without_end_so_many_branches_are_kept_and_nobody_waits),
        ROOM_TEST(a_joiner_gets_genesis_and_base),
        ROOM_TEST(a_joiner_takes_the_base_in_any_order),
        ROOM_TEST(edits_in_front_of_the_base_are_read_once_it_is_here),
        ROOM_TEST(who_has_read_all_and_lacks_the_base_says_so),
        ROOM_TEST(the_owner_offers_the_base_again_to_whoever_lacks_it),
        ROOM_TEST(who_only_reads_along_is_given_the_base_and_is_none_of_the_people),
        ROOM_TEST(the_owner_begins_the_base_anew_where_the_relay_has_less_than_it_said),
        ROOM_TEST(a_base_its_owner_did_not_sign_is_refused),
        ROOM_TEST(the_same_content_on_both_sides_of_a_fork_is_taken_twice_and_what_builds_on_it_is_too),
        ROOM_TEST(what_looks_known_is_so_only_if_it_is_signed_for_that_place),
        ROOM_TEST(a_record_that_fitted_nowhere_is_asked_for_again_when_its_branch_has_grown),
        ROOM_TEST(who_forks_on_beside_a_record_that_fits_nowhere_does_not_keep_us_reconnecting),
        ROOM_TEST(both_sides_of_a_fork_that_two_logs_acknowledged_come_together),
        ROOM_TEST(a_side_that_comes_while_we_catch_up_has_ours_offered),
        ROOM_TEST(who_fills_the_room_for_what_waits_is_the_one_who_goes_without),
        ROOM_TEST(nor_does_what_nobody_has_introduced_keep_others_from_it),
        ROOM_TEST(what_is_missing_is_asked_for_again_and_then_told),
        ROOM_TEST(who_only_reads_along_still_tells_that_the_base_is_missing),
    };
    return RUN_TESTS("session_receive", tests);
}
