/* Checkpoints in a session: one that comes ahead of the log, and ours on its way out. */
#include "tests/support/support.h"

#include <string.h>

#include "sync/record.h"
#include "tests/support/session_room.h"

enum { SET = 50 };

/* The author's of a text, which he signs: record `part`, or behind all parts the CHECKPOINT. */
static void seal(const struct author *author, const struct room *room, const char *text, uint64_t part, struct buf *stored)
{
    struct checkpoint checkpoint = {.count = 1, .events = 5};
    struct checkpoint_sealer sealer = {&room->keys, &author->doc_key, author->agent, SET};
    struct rope *rope = rope_from_bytes(bytes_of_string(text));
    checkpoint.heads[0].event = (struct event_id){author->agent, 4};
    checkpoint_set_text(&checkpoint, rope);
    if (part < checkpoint_parts(rope_len(rope)))
        checkpoint_text_seal(&sealer, rope, part, stored);
    else
        checkpoint_seal(&sealer, &checkpoint, stored);
    rope_free(rope);
}

/* A joiner who has been let in. */
static void join(struct room *room)
{
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    room->config.wants_checkpoint = true;
    room_restart(room);
    room_connect(room, (struct room_welcome){.head = 9, .peers = 2});
}

static void say_ahead(struct room *room, const struct author *author, const char *text)
{
    struct buf member = {0}, stored = {0};
    author_member((struct author *)author, room, &member);
    room_say_record(room, 0, buf_view(&room->genesis));
    room_say_record(room, 0, buf_view(&member));
    seal(author, room, text, 1, &stored);
    room_say_record(room, 0, buf_view(&stored));
    buf_clear(&stored);
    seal(author, room, text, 0, &stored);
    room_say_record(room, 0, buf_view(&stored));
    buf_release(&member);
    buf_release(&stored);
}

static void a_joiner_is_given_the_checkpoint_before_anything_else(void **state)
{
    struct room *room = *state;
    struct author ada;
    author_init(&ada, room, 0xad);
    join(room);
    say_ahead(room, &ada, "the plan");
    assert_int_equal(room->checkpoints, 1);
    assert_string_equal(buf_string(&room->checkpoint_text), "the plan");
    assert_true(agent_id_equal(&room->checkpoint_by, &ada.agent));
    assert_int_equal(room->checkpoint.heads[0].event.seq, 4);
    assert_int_equal(room->members, 1);
    assert_int_equal(room->genesis_count, 1);
    assert_int_equal(room->base_text.len, 0);
    say_ahead(room, &ada, "the plan"); /* once is enough */
    assert_int_equal(room->checkpoints, 1);
    assert_int_equal(room->dropped, 0);
    author_release(&ada);
}

/* What holds up the text holds up the person. */
static void nothing_is_said_before_the_text_that_is_waited_for(void **state)
{
    struct room *room = *state;
    struct author ada;
    author_init(&ada, room, 0xad);
    join(room);
    room_pass_time(room, 5000);
    assert_true(room_hears_none_of(room, MESSAGE_PRESENCE));
    say_ahead(room, &ada, "the plan");
    assert_false(room_hears_none_of(room, MESSAGE_PRESENCE));
    author_release(&ada);
}

static void where_no_text_comes_ahead_presence_does_not_wait_for_one(void **state)
{
    struct room *room = *state;
    join(room);
    room_say_record(room, 1, buf_view(&room->genesis)); /* the log has begun */
    assert_false(room_hears_none_of(room, MESSAGE_PRESENCE));
    join(room);
    room_say_caught_up(room); /* there is none */
    assert_false(room_hears_none_of(room, MESSAGE_PRESENCE));
}

static void say_without_genesis(struct room *room, struct author *author, const char *text)
{
    struct buf record = {0};
    author_member(author, room, &record);
    room_say_record(room, 0, buf_view(&record));
    for (unsigned part = 2; part > 0; part--) {
        buf_clear(&record);
        seal(author, room, text, part - 1, &record);
        room_say_record(room, 0, buf_view(&record));
    }
    buf_release(&record);
}

static void who_may_write_checks_the_grant_before_the_beginning_is_here(void **state)
{
    struct room *room = *state;
    struct author ada, reader;
    author_init(&reader, room, 0xbe);
    reader.reader = true;
    join(room);
    say_without_genesis(room, &reader, "no writer's");
    assert_int_equal(room->checkpoints, 0);
    assert_int_equal(room->members, 1);
    author_init(&ada, room, 0xad);
    join(room);
    struct digest hash = room_expect_kind(room, MESSAGE_RESUME)->resume.hash;
    assert_true(digest_equal(&hash, &RESUME_CHECKS_GRANTS));
    say_without_genesis(room, &ada, "the plan");
    assert_int_equal(room->checkpoints, 1);
    assert_int_equal(room->members, 2);
    room_say_record(room, 1, buf_view(&room->genesis));
    assert_int_equal(room->genesis_count, 1);
    assert_int_equal(room->members, 2);
    assert_int_equal(room->dropped, 0);
    author_release(&ada);
    author_release(&reader);
}

/* Who may write, a viewer's link does not say. */
static void a_viewer_needs_the_beginning_first(void **state)
{
    struct room *room = *state;
    struct author ada;
    struct doc_keys keys = room->keys, reader;
    doc_keys_from_link(&reader, &keys.doc, ACCESS_READ, doc_keys_seed(&keys, ACCESS_READ));
    author_init(&ada, room, 0xad);
    room->config.keys = &reader;
    join(room);
    struct digest hash = room_expect_kind(room, MESSAGE_RESUME)->resume.hash;
    assert_false(digest_equal(&hash, &RESUME_CHECKS_GRANTS));
    say_without_genesis(room, &ada, "the plan");
    assert_int_equal(room->checkpoints, 0);
    join(room);
    say_ahead(room, &ada, "the plan");
    assert_int_equal(room->checkpoints, 1);
    room->config.keys = &room->keys;
    author_release(&ada);
}

static struct digest hear_resume(struct room *room)
{
    return room_expect_kind(room, MESSAGE_RESUME)->resume.log;
}

static void it_is_asked_for_by_a_log_of_zeros_until_it_is_here(void **state)
{
    static const struct digest never;
    struct room *room = *state;
    struct author ada;
    author_init(&ada, room, 0xad);
    join(room);
    struct digest log = hear_resume(room);
    assert_true(digest_equal(&log, &never));
    room_cut(room);
    room_connect(room, (struct room_welcome){.head = 9, .peers = 2});
    log = hear_resume(room);
    assert_true(digest_equal(&log, &never));
    say_ahead(room, &ada, "the plan");
    room_cut(room);
    room_connect(room, (struct room_welcome){.head = 9, .peers = 2});
    log = hear_resume(room);
    assert_false(digest_equal(&log, &never));
    author_release(&ada);
}

/* Else every connection would begin anew. */
static void nobody_asks_for_it_who_has_the_base(void **state)
{
    static const struct digest never;
    struct room *room = *state;
    struct author ada;
    struct buf base = {0}, member = {0}, record = {0};
    author_init(&ada, room, 0xad);
    join(room);
    base_seal(&room->keys, room->base, 0, &base);
    author_member(&ada, room, &member);
    author_record(&ada, room, NULL, "hello", &record);
    room_say_record(room, 1, buf_view(&room->genesis));
    room_say_record(room, 2, buf_view(&base));
    room_say_record(room, 3, buf_view(&member));
    room_say_record(room, 4, buf_view(&record));
    room_cut(room);
    room_forget_out(room);
    room_connect(room, (struct room_welcome){.head = 9, .peers = 2});
    const struct message *resume = room_expect_kind(room, MESSAGE_RESUME);
    assert_false(digest_equal(&resume->resume.log, &never));
    assert_int_equal(resume->resume.place, 4);
    say_ahead(room, &ada, "the plan");
    assert_int_equal(room->checkpoints, 0);
    buf_release(&base);
    buf_release(&member);
    buf_release(&record);
    author_release(&ada);
}

/* Of a relay that does not know what it is. */
static void a_text_in_the_log_is_passed_over(void **state)
{
    struct room *room = *state;
    struct author ada;
    struct buf stored = {0};
    room_connect(room, (struct room_welcome){.head = 2, .peers = 2});
    room_join(room, &ada, 0xad);
    seal(&ada, room, "the plan", 0, &stored);
    unsigned before = room->received;
    room_say_record(room, 5, buf_view(&stored));
    assert_int_equal(room->received, before);
    buf_clear(&stored);
    seal(&ada, room, "the plan", 1, &stored);
    room_say_record(room, 6, buf_view(&stored));
    assert_int_equal(room->received, before + 1); /* that there is one is of interest */
    assert_int_equal(room->dropped, 0);
    buf_release(&stored);
    author_release(&ada);
}

/* It is no part of the log: what is read next begins where it always did. */
static void what_came_ahead_is_no_place_to_resume_at(void **state)
{
    struct room *room = *state;
    struct author ada;
    struct buf base = {0}, member = {0}, record = {0};
    author_init(&ada, room, 0xad);
    join(room);
    say_ahead(room, &ada, "the plan");
    base_seal(&room->keys, room->base, 0, &base);
    author_member(&ada, room, &member);
    author_record(&ada, room, NULL, "hello", &record);
    room_say_record(room, 1, buf_view(&room->genesis));
    room_say_record(room, 2, buf_view(&base));
    room_say_record(room, 3, buf_view(&member));
    room_say_record(room, 4, buf_view(&record));
    room_expect_text(room, "hello");
    assert_int_equal(room->resume.place, 4);
    assert_int_equal(room->members, 1);
    say_ahead(room, &ada, "the plan");
    room_cut(room);
    room_forget_out(room);
    room_connect(room, (struct room_welcome){.head = 9, .peers = 2});
    assert_int_equal(room_expect_kind(room, MESSAGE_RESUME)->resume.place, 4);
    buf_release(&base);
    buf_release(&member);
    buf_release(&record);
    author_release(&ada);
}

/* Whatever is wrong with it, the history comes as if there had been none. */
static void expect_done_without(struct room *room)
{
    assert_int_equal(room->checkpoints, 0);
    assert_int_equal(room->dropped, 0);
    assert_int_equal(room->alarms, 0);
}

static void one_that_no_writer_signed_is_as_good_as_none(void **state)
{
    struct room *room = *state;
    struct author reader, ada;
    struct buf stored = {0};
    author_init(&reader, room, 0xbe);
    reader.reader = true;
    join(room);
    say_ahead(room, &reader, "the plan");
    expect_done_without(room);
    author_init(&ada, room, 0xad);
    join(room);
    room_say_record(room, 0, buf_view(&room->genesis));
    seal(&ada, room, "the plan", 1, &stored); /* nobody knows her */
    room_say_record(room, 0, buf_view(&stored));
    say_ahead(room, &ada, "the plan");
    expect_done_without(room);
    buf_release(&stored);
    author_release(&reader);
    author_release(&ada);
}

/* The member record of `ada`, who can say things from then on, has come. */
static void join_knowing(struct room *room, struct author *ada)
{
    struct buf member = {0};
    author_init(ada, room, 0xad);
    join(room);
    author_member(ada, room, &member);
    room_say_record(room, 0, buf_view(&room->genesis));
    room_say_record(room, 0, buf_view(&member));
    buf_release(&member);
}

static void one_whose_text_is_another_is_as_good_as_none(void **state)
{
    struct room *room = *state;
    struct author ada;
    struct buf stored = {0};
    join_knowing(room, &ada);
    seal(&ada, room, "plan a", 1, &stored);
    room_say_record(room, 0, buf_view(&stored));
    buf_clear(&stored);
    seal(&ada, room, "plan b", 0, &stored);
    room_say_record(room, 0, buf_view(&stored));
    expect_done_without(room);
    buf_release(&stored);
    author_release(&ada);
}

static void a_text_before_its_checkpoint_is_as_good_as_none(void **state)
{
    struct room *room = *state;
    struct author ada;
    struct buf stored = {0};
    join_knowing(room, &ada);
    seal(&ada, room, "plan a", 0, &stored);
    room_say_record(room, 0, buf_view(&stored));
    say_ahead(room, &ada, "plan a");
    expect_done_without(room);
    buf_release(&stored);
    author_release(&ada);
}

/* --- ours --- */

static void post(struct room *room, const char *text)
{
    struct checkpoint checkpoint = {.count = 1};
    struct rope *rope = rope_from_bytes(bytes_of_string(text));
    checkpoint.heads[0].event = (struct event_id){room->self, room->seq - 1};
    checkpoint_set_text(&checkpoint, rope);
    session_post_checkpoint(room->session, &checkpoint, rope, room->now_ms);
    rope_free(rope);
}

/* The kinds of all records that were sent since: M, e, t, C. */
static void hear_kinds(struct room *room, char *out)
{
    for (const struct message *message; (message = room_hears(room));)
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++) {
            unsigned kind = message->records.items[i].stored.data[1];
            *out++ = kind == RECORD_MEMBER ? 'M' : kind == RECORD_EVENTS ? 'e' : kind == RECORD_CHECKPOINT ? 'C'
                   : kind == RECORD_CHECKPOINT_TEXT ? 't' : '?';
        }
    *out = '\0';
}

static void ours_is_sent_behind_what_was_typed_text_first(void **state)
{
    struct room *room = *state;
    char kinds[64];
    room->auto_persist = true;
    room_connect(room, (struct room_welcome){.head = 2, .peers = 2});
    room_say_caught_up(room);
    room_type(room, "hello");
    room_pass_time(room, 1000);
    hear_kinds(room, kinds);
    assert_string_equal(kinds, "Me");
    post(room, "hello");
    hear_kinds(room, kinds);
    assert_string_equal(kinds, ""); /* not before the relay has all of it */
    room_say_ack(room, 2);
    hear_kinds(room, kinds);
    assert_string_equal(kinds, "tC");
    room_say_ack(room, 4);
    assert_int_equal(room_status(room).unacked_batches, 0);
    room_type(room, "x");
    room_pass_time(room, 1000);
    hear_kinds(room, kinds);
    assert_string_equal(kinds, "e"); /* once */
}

static void a_relay_that_does_not_take_ours_goes_without(void **state)
{
    struct room *room = *state;
    char kinds[64];
    room->auto_persist = true;
    room_connect(room, (struct room_welcome){.head = 2, .peers = 2});
    room_say_caught_up(room);
    post(room, "nothing of ours is there");
    room_pass_time(room, 1000);
    hear_kinds(room, kinds);
    assert_string_equal(kinds, "MtC"); /* who has written nothing is introduced */
    room_say_ack(room, 3);
    room_type(room, "hello");
    room_pass_time(room, 1000);
    room_say_ack(room, 4);
    post(room, "hello");
    hear_kinds(room, kinds);
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {.ordinal = 5, .code = REFUSE_FULL, .text = bytes_of_string("full")}};
    room_says(room, &reject);
    reject.reject.ordinal = 6;
    room_says(room, &reject);
    room_pass_time(room, 60000);
    hear_kinds(room, kinds);
    assert_string_equal(kinds, "");
    assert_int_equal(room->alarms, 0);
    assert_int_equal(room_status(room).full.code, ERR_NONE); /* nothing that anybody typed is in danger */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(a_joiner_is_given_the_checkpoint_before_anything_else),
        ROOM_TEST(nothing_is_said_before_the_text_that_is_waited_for),
        ROOM_TEST(where_no_text_comes_ahead_presence_does_not_wait_for_one),
        ROOM_TEST(who_may_write_checks_the_grant_before_the_beginning_is_here),
        ROOM_TEST(a_viewer_needs_the_beginning_first),
        ROOM_TEST(it_is_asked_for_by_a_log_of_zeros_until_it_is_here),
        ROOM_TEST(nobody_asks_for_it_who_has_the_base),
        ROOM_TEST(a_text_in_the_log_is_passed_over),
        ROOM_TEST(what_came_ahead_is_no_place_to_resume_at),
        ROOM_TEST(one_that_no_writer_signed_is_as_good_as_none),
        ROOM_TEST(one_whose_text_is_another_is_as_good_as_none),
        ROOM_TEST(a_text_before_its_checkpoint_is_as_good_as_none),
        ROOM_TEST(ours_is_sent_behind_what_was_typed_text_first),
        ROOM_TEST(a_relay_that_does_not_take_ours_goes_without),
    };
    return RUN_TESTS("session_checkpoint", tests);
}
