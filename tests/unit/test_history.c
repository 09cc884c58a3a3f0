/* History on its way in: how few signatures it takes, and that nothing forged, moved or damaged gets through. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/history.h"
#include "sync/inbox.h"

enum { PEOPLE = 4, RECORDS_MAX = 256 };

/* Everybody's letters go into one history; a person's record is one letter, or several in a pack. */
struct person {
    struct agent_id agent;
    struct device device;
    struct sign_key doc_key;
    uint64_t seq, counter;
    struct buf wrote;    /* all he wrote */
    struct buf received; /* what the reader's inbox has handed out of him */
    unsigned refused, disputed;
    uint64_t disputed_from;
};

struct world {
    struct doc_keys keys;
    struct person people[PEOPLE];
    struct chain *chain; /* of the writers: they all know everything */
    struct buf stored[RECORDS_MAX];
    size_t count;
    struct event_id newest; /* the parent of what is written next, by whomever */
    bool begun;

    /* the reader */
    struct chain *read;
    struct roster roster;
    struct inbox *inbox;
};

static struct person *person_of(struct world *world, const struct agent_id *agent)
{
    for (size_t i = 0; i < PEOPLE; i++)
        if (agent_id_equal(&world->people[i].agent, agent))
            return &world->people[i];
    fail_msg("nobody of that name");
    return NULL;
}

static void on_received(void *self, struct received *received)
{
    struct person *person = person_of(self, &received->agent);
    struct batch_cursor cursor = batch_cursor_of(&received->run);
    while (batch_cursor_next(&cursor))
        buf_add_bytes(&person->received, buf_view(&cursor.batch->text));
    batch_cursor_release(&cursor);
}

static void on_refused(void *self, const struct agent_id *agent, const struct error *why)
{
    (void)why;
    person_of(self, agent)->refused++;
}

static void on_disputed(void *self, const struct agent_id *agent, uint64_t seq0)
{
    struct person *person = person_of(self, agent);
    person->disputed++;
    person->disputed_from = seq0;
}

static void person_init(struct world *world, size_t number, bool may_write)
{
    struct person *person = &world->people[number];
    unsigned char seed[CRYPTO_SEED_BYTES] = {(unsigned char)(number + 1)};
    struct member member = {.agent = {{(unsigned char)(0x10 * (number + 1))}}, .has_grant = may_write, .name = "ben"};
    person->agent = member.agent;
    device_from_seed(&person->device, seed);
    device_doc_key(&person->device, &world->keys.doc, &person->doc_key);
    member.doc_key = person->doc_key.public_key;
    assert_true(roster_add(&world->roster, &member, (struct bytes){0}));
}

static void reader_begins(struct world *world)
{
    struct inbox_port port = {world, on_received, on_refused, on_disputed};
    inbox_free(world->inbox);
    chain_free(world->read);
    world->read = chain_new(&world->keys.doc);
    world->inbox = inbox_new(&world->keys, world->read, &world->roster, &port);
    for (size_t i = 0; i < PEOPLE; i++) {
        buf_clear(&world->people[i].received);
        world->people[i].refused = 0;
    }
}

static int set_up(void **state)
{
    unsigned char seed[KEY_SEED_BYTES] = {1};
    struct world *world = xcalloc(1, sizeof *world);
    doc_keys_from_admin(&world->keys, seed);
    world->chain = chain_new(&world->keys.doc);
    for (size_t i = 0; i < PEOPLE; i++)
        person_init(world, i, i + 1 < PEOPLE); /* the last one only reads */
    reader_begins(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    inbox_free(world->inbox);
    chain_free(world->read);
    chain_free(world->chain);
    roster_release(&world->roster);
    for (size_t i = 0; i < world->count; i++)
        buf_release(&world->stored[i]);
    for (size_t i = 0; i < PEOPLE; i++) {
        buf_release(&world->people[i].wrote);
        buf_release(&world->people[i].received);
    }
    free(world);
    return 0;
}

/* --- writing --- */

struct writing {
    struct person *by;
    const struct sign_key *signer; /* NULL: his own */
    struct agent_id sealer;        /* zeros: himself */
    unsigned kind;
};

/* The letters of a record, one batch each, behind everything there is. */
static void seal(struct world *world, const struct writing *writing, const char *letters, struct buf *stored)
{
    static const struct agent_id nobody;
    struct person *by = writing->by;
    struct buf plain = {0}, canonical = {0};
    struct digest last = {{0}};
    uint64_t seq0 = by->seq;
    for (const char *letter = letters; *letter; letter++) {
        struct batch batch = {.agent = by->agent, .seq0 = by->seq, .flags = by->seq > 0 ? BATCH_FLAG_SELF : 0};
        if (world->begun && !agent_id_equal(&world->newest.agent, &by->agent))
            batch_add_parent(&batch, world->newest);
        batch_add_insert(&batch, 0, bytes_of(letter, 1));
        buf_clear(&canonical);
        batch_encode(&batch, &canonical);
        ensure(chain_add(world->chain, &batch, buf_view(&canonical), &last) == CHAIN_NEXT);
        record_plain_add(&plain, buf_view(&canonical));
        world->newest = (struct event_id){by->agent, by->seq++};
        world->begun = true;
        batch_release(&batch);
    }
    record_seal(&(struct record_spec){.kind = writing->kind ? writing->kind : RECORD_EVENTS,
                                      .agent = by->agent,
                                      .sealer = agent_id_equal(&writing->sealer, &nobody) ? by->agent : writing->sealer,
                                      .counter = ++by->counter,
                                      .seq0 = seq0,
                                      .count = by->seq - seq0,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &world->keys,
                                      .signer = writing->signer ? writing->signer : &by->doc_key},
                stored);
    buf_release(&plain);
    buf_release(&canonical);
}

/* What stored[from .. to) of one person hold, as one record. */
static void pack_records(struct world *world, const struct sign_key *signer, size_t from, size_t to, struct buf *out)
{
    struct record first, record = {0};
    struct buf plain = {0};
    struct digest last;
    struct error err = {0};
    ensure(record_decode(buf_view(&world->stored[from]), &first, &err));
    for (size_t i = from; i < to; i++)
        ensure(record_decode(buf_view(&world->stored[i]), &record, &err) &&
               record_open(&record, &world->keys, &plain, &err));
    uint64_t end = record.seq0 + record.count;
    ensure(chain_find(world->chain, &(struct event_id){first.agent, end - 1}, &last));
    record_seal(&(struct record_spec){.kind = RECORD_PACK, .agent = first.agent, .sealer = first.agent, .counter = 1000 + to,
                                      .seq0 = first.seq0, .count = end - first.seq0, .plain = buf_view(&plain),
                                      .last = &last, .keys = &world->keys, .signer = signer},
                out);
    buf_release(&plain);
}

/* A pack of the first person's with other letters from seq0 on, well-made in every other way. */
static void other_pack(struct world *world, const struct sign_key *signer, uint64_t seq0, const char *letters,
                       struct buf *out)
{
    struct agent_id agent = world->people[0].agent;
    struct buf plain = {0}, canonical = {0};
    struct digest last;
    uint64_t seq = seq0;
    ensure(chain_find(world->chain, &(struct event_id){agent, seq0 - 1}, &last));
    for (; *letters; letters++, seq++) {
        struct batch batch = {.agent = agent, .seq0 = seq, .flags = BATCH_FLAG_SELF};
        struct digest previous = last;
        batch_add_insert(&batch, 0, bytes_of(letters, 1));
        buf_clear(&canonical);
        batch_encode(&batch, &canonical);
        chain_digest(&world->keys.doc, &batch, buf_view(&canonical), &previous, NULL, &last);
        record_plain_add(&plain, buf_view(&canonical));
        batch_release(&batch);
    }
    record_seal(&(struct record_spec){.kind = RECORD_PACK, .agent = agent, .sealer = agent, .counter = 2000, .seq0 = seq0,
                                      .count = seq - seq0, .plain = buf_view(&plain), .last = &last,
                                      .keys = &world->keys, .signer = signer},
                out);
    buf_release(&plain);
    buf_release(&canonical);
}

static void write_letters(struct world *world, size_t person, const char *letters)
{
    struct writing writing = {.by = &world->people[person]};
    ensure(world->count < RECORDS_MAX);
    seal(world, &writing, letters, &world->stored[world->count++]);
    buf_add_bytes(&world->people[person].wrote, bytes_of_string(letters));
}

/* Three people by turns, each letter building on the one before. */
static void write_history(struct world *world, size_t records)
{
    for (size_t i = 0; i < records; i++)
        write_letters(world, i % (PEOPLE - 1), (char[]){(char)('a' + i % 26), '\0'});
}

/* --- reading --- */

static void take_frame(struct world *world, const struct buf *stored, size_t count, bool history)
{
    struct record records[RECORDS_MAX] = {{0}};
    struct error err = {0};
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += record_decode(buf_view(&stored[i]), &records[good], &err);
    if (history)
        inbox_expect(world->inbox, records, good);
    for (size_t i = 0; i < good; i++) {
        (void)inbox_take(world->inbox, i + 1, &records[i], 0);
        inbox_tell_refused(world->inbox);
        inbox_settle(world->inbox);
    }
    inbox_expect(world->inbox, NULL, 0);
}

/* Nobody's text is anything but what he wrote, from its beginning. */
static void expect_only_the_truth(struct world *world)
{
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct person *person = &world->people[i];
        assert_true(person->received.len <= person->wrote.len);
        if (person->received.len)
            assert_memory_equal(person->received.data, person->wrote.data, person->received.len);
    }
}

static void expect_all(struct world *world)
{
    expect_only_the_truth(world);
    for (size_t i = 0; i < PEOPLE; i++)
        assert_int_equal(world->people[i].received.len, world->people[i].wrote.len);
}

/* --- what it costs --- */

static void a_frame_of_history_costs_one_signature_for_each_of_its_people(void **state)
{
    struct world *world = *state;
    write_history(world, 90);
    take_frame(world, world->stored, 60, true);
    assert_int_equal(inbox_signatures(world->inbox), 3);
    take_frame(world, world->stored + 60, 30, true);
    assert_int_equal(inbox_signatures(world->inbox), 6);
    expect_all(world);
}

static void live_every_signature_is_checked(void **state)
{
    struct world *world = *state;
    write_history(world, 30);
    take_frame(world, world->stored, 30, false);
    assert_int_equal(inbox_signatures(world->inbox), 30);
    expect_all(world);
}

static void what_another_session_of_an_agent_sealed_is_of_the_same_chain(void **state)
{
    struct world *world = *state;
    struct writing later = {.by = &world->people[0], .sealer = {{0x77}}};
    write_letters(world, 0, "a");
    seal(world, &later, "b", &world->stored[world->count++]);
    seal(world, &later, "c", &world->stored[world->count++]);
    buf_add_bytes(&world->people[0].wrote, bytes_of_string("bc"));
    take_frame(world, world->stored, 3, true);
    assert_int_equal(inbox_signatures(world->inbox), 1);
    expect_all(world);
}

static void history_that_is_known_or_half_known_is_taken_once(void **state)
{
    struct world *world = *state;
    write_history(world, 30);
    take_frame(world, world->stored, 20, true);
    take_frame(world, world->stored + 10, 20, true);
    expect_all(world);
    take_frame(world, world->stored, 30, true);
    expect_all(world);
    assert_int_equal(inbox_signatures(world->inbox), 6);
}

static void history_out_of_order_is_taken_all_the_same(void **state)
{
    struct world *world = *state;
    struct buf turned[RECORDS_MAX];
    write_history(world, 30);
    for (size_t i = 0; i < 30; i++)
        turned[i] = world->stored[29 - i];
    take_frame(world, turned, 30, true);
    expect_all(world);
}

/* --- what does not get through --- */

/* Damage at one place of one record: whatever is taken is true; who wrote it is heard again from another relay. */
static void damage_at_every_record_of_a_history_lets_nothing_else_in(void **state)
{
    enum { RECORDS = 24 };
    struct world *world = *state;
    write_history(world, RECORDS);
    for (size_t at = 0; at < RECORDS; at++) {
        struct buf *damaged = &world->stored[at];
        for (size_t byte = 0; byte < damaged->len; byte++) {
            reader_begins(world);
            damaged->data[byte] ^= 1;
            take_frame(world, world->stored, RECORDS, true);
            expect_only_the_truth(world);
            damaged->data[byte] ^= 1;
        }
        reader_begins(world);
        take_frame(world, world->stored, RECORDS, true);
        expect_all(world);
    }
}

/* A damaged signature in the middle is made good by the next one; at the end it costs the record it is under. */
static void a_damaged_signature_costs_at_most_its_own_record(void **state)
{
    enum { RECORDS = 24 };
    struct world *world = *state;
    write_history(world, RECORDS);
    for (size_t at = 0; at < RECORDS; at++) {
        struct buf *damaged = &world->stored[at];
        reader_begins(world);
        damaged->data[damaged->len - 1] ^= 1;
        take_frame(world, world->stored, RECORDS, true);
        damaged->data[damaged->len - 1] ^= 1;
        expect_only_the_truth(world);
        bool newest = at + (PEOPLE - 1) >= RECORDS;
        struct person *author = &world->people[at % (PEOPLE - 1)];
        assert_int_equal(author->wrote.len - author->received.len, newest);
        assert_int_equal(author->refused, newest);
    }
}

/* Who may only read has the key to seal, and a relay would pass it on; what he lacks is the signature. */
static void forged_records_behind_good_ones_do_not_get_in_and_cost_no_good_one(void **state)
{
    struct world *world = *state;
    struct writing forged = {.by = &world->people[0], .signer = &world->people[PEOPLE - 1].doc_key};
    write_history(world, 30);
    for (int i = 0; i < 40; i++)
        seal(world, &forged, "X", &world->stored[world->count++]);
    take_frame(world, world->stored, world->count, true);
    expect_all(world);
    assert_int_equal(world->people[0].refused, 1);
    assert_true(inbox_signatures(world->inbox) <= world->count + 1);
}

/* Good records that build on a forged one are of a writer who was deceived: none of it is shown. */
static void nothing_that_builds_on_a_forged_record_gets_in(void **state)
{
    struct world *world = *state;
    struct writing forged = {.by = &world->people[0], .signer = &world->people[PEOPLE - 1].doc_key};
    struct writing honest = {.by = &world->people[1]};
    write_history(world, 9);
    seal(world, &forged, "X", &world->stored[world->count++]);
    seal(world, &honest, "Y", &world->stored[world->count++]);
    take_frame(world, world->stored, world->count, true);
    expect_all(world);
    assert_true(inbox_has_hole(world->inbox));
}

/* Frame by frame, wherever the cuts are. */
static void a_history_with_a_forged_end_is_the_same_in_any_frames(void **state)
{
    struct world *world = *state;
    struct writing forged = {.by = &world->people[2], .signer = &world->people[0].doc_key};
    write_history(world, 21);
    seal(world, &forged, "X", &world->stored[world->count++]);
    seal(world, &forged, "X", &world->stored[world->count++]);
    for (size_t frame = 1; frame <= world->count; frame++) {
        reader_begins(world);
        for (size_t at = 0; at < world->count; at += frame)
            take_frame(world, world->stored + at, at + frame < world->count ? frame : world->count - at, true);
        expect_all(world);
        assert_int_equal(world->people[2].refused, 1);
    }
}

static void a_readers_history_is_not_taken(void **state)
{
    struct world *world = *state;
    struct writing reader = {.by = &world->people[PEOPLE - 1]};
    write_history(world, 6);
    seal(world, &reader, "r", &world->stored[world->count++]);
    seal(world, &reader, "r", &world->stored[world->count++]);
    take_frame(world, world->stored, world->count, true);
    expect_all(world);
    assert_int_equal(world->people[PEOPLE - 1].refused, 1);
}

/* --- what is vouched for --- */

struct frame {
    struct record records[RECORDS_MAX];
    struct digest last[RECORDS_MAX]; /* as whoever asks has computed it */
    size_t count;
};

static void frame_of(struct world *world, size_t from, size_t count, struct frame *frame)
{
    *frame = (struct frame){.count = count};
    for (size_t i = 0; i < count; i++) {
        struct record *record = &frame->records[i];
        struct error err = {0};
        assert_true(record_decode(buf_view(&world->stored[from + i]), record, &err));
        const struct event_id newest = {record->agent, record->seq0 + record->count - 1};
        assert_true(chain_find(world->chain, &newest, &frame->last[i]));
    }
}

static void vouch(struct world *world, struct history *history, const struct frame *frame)
{
    history_vouch(history, frame->records, frame->count, &world->keys, world->read, &world->roster);
}

static void only_of_the_newest_record_of_each_agent_the_signature_is_checked_itself(void **state)
{
    struct world *world = *state;
    struct history history = {0};
    struct frame frame;
    write_history(world, 12);
    frame_of(world, 0, 12, &frame);
    vouch(world, &history, &frame);
    for (size_t i = 0; i < 12; i++) {
        const struct vouched *vouched = history_find(&history, &frame.last[i]);
        assert_non_null(vouched);
        assert_int_equal(vouched->itself, i >= 12 - (PEOPLE - 1));
    }
    assert_int_equal(history.signatures, PEOPLE - 1);
    for (size_t i = 0; i < PEOPLE; i++)
        assert_int_equal(chain_next_seq(world->read, &world->people[i].agent), 0); /* the chain is read, not changed */
    history_release(&history);
}

static void a_new_call_forgets_what_the_one_before_it_found(void **state)
{
    struct world *world = *state;
    struct history history = {0};
    struct frame first, second;
    write_letters(world, 0, "a");
    write_letters(world, 1, "b");
    frame_of(world, 0, 1, &first);
    frame_of(world, 1, 1, &second);
    assert_null(history_find(&history, &first.last[0])); /* nothing was asked for yet */
    vouch(world, &history, &first);
    assert_non_null(history_find(&history, &first.last[0]));
    assert_non_null(history_find(&history, &first.last[0])); /* as often as one likes */
    vouch(world, &history, &second);
    assert_null(history_find(&history, &first.last[0]));
    assert_null(history_find(&history, &second.last[0])); /* what it builds on is not here */
    vouch(world, &history, &first);
    vouch(world, &history, &(struct frame){.count = 0});
    assert_null(history_find(&history, &first.last[0]));
    history_release(&history);
}

/* --- packs --- */

static void a_pack_tells_what_its_records_told_and_nothing_twice(void **state)
{
    struct world *world = *state;
    struct writing pack = {.by = &world->people[0], .kind = RECORD_PACK};
    write_letters(world, 1, "b");
    seal(world, &pack, "hello", &world->stored[world->count++]);
    buf_add_bytes(&world->people[0].wrote, bytes_of_string("hello"));
    write_letters(world, 0, "!");
    for (int live = 0; live < 2; live++) {
        reader_begins(world);
        take_frame(world, world->stored, 2, !live);
        take_frame(world, world->stored, 3, !live);
        expect_all(world);
    }
}

/* The same letters in records and in a pack: whichever comes first, they are there once. */
static void a_pack_and_what_it_stands_in_for_are_one(void **state)
{
    struct world *world = *state;
    struct buf pack = {0}, half = {0};
    for (int i = 0; i < 6; i++)
        write_letters(world, 0, (char[]){(char)('a' + i), '\0'});
    pack_records(world, &world->people[0].doc_key, 0, 6, &pack);
    pack_records(world, &world->people[0].doc_key, 0, 4, &half);
    struct buf orders[][8] = {
        {world->stored[0], world->stored[1], pack, world->stored[2], world->stored[3], world->stored[4]},
        {pack, world->stored[0], world->stored[5], half},
        {half, world->stored[2], pack, world->stored[5]},
        {world->stored[4], half, world->stored[5]},
        {world->stored[5], world->stored[0], half, pack},
    };
    static const size_t counts[] = {6, 4, 4, 3, 4};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (int history = 0; history < 2; history++) {
            reader_begins(world);
            take_frame(world, orders[i], counts[i], history);
            expect_all(world);
            assert_int_equal(world->people[0].refused, 0);
        }
    buf_release(&pack);
    buf_release(&half);
}

/* An author who packs something else than he had written is reported, and his originals are stood up for. */
static void a_pack_that_says_something_else_is_disputed(void **state)
{
    struct world *world = *state;
    struct buf pack = {0};
    for (int i = 0; i < 6; i++)
        write_letters(world, 0, (char[]){(char)('a' + i), '\0'});
    take_frame(world, world->stored, 6, false);
    other_pack(world, &world->people[0].doc_key, 2, "XYZ", &pack);
    take_frame(world, &pack, 1, false);
    assert_string_equal(buf_string(&world->people[0].received), "abcdefXYZ"); /* both are kept, as two branches */
    assert_int_equal(world->people[0].disputed, 1);
    assert_int_equal(world->people[0].disputed_from, 2);
    buf_release(&pack);
}

/* Nobody is reported for what somebody else made up. */
static void a_pack_its_author_did_not_sign_is_refused_without_a_word_about_him(void **state)
{
    struct world *world = *state;
    struct buf pack = {0};
    for (int i = 0; i < 6; i++)
        write_letters(world, 0, (char[]){(char)('a' + i), '\0'});
    take_frame(world, world->stored, 6, false);
    other_pack(world, &world->people[PEOPLE - 1].doc_key, 2, "XYZ", &pack);
    take_frame(world, &pack, 1, false);
    expect_all(world);
    assert_int_equal(world->people[0].disputed, 0);
    assert_int_equal(world->people[0].refused, 1);
    buf_release(&pack);
}

/* Records dropped, doubled, swapped, damaged and forged, in frames of any size. */
static void no_evil_at_random_gets_anything_else_in(void **state)
{
    enum { RECORDS = 60 };
    struct world *world = *state;
    uint64_t seed = support_seed("no_evil_at_random_gets_anything_else_in", 11);
    struct random random = random_of(seed);
    struct buf forged = {0};
    struct writing forger = {.by = &world->people[1], .signer = &world->people[PEOPLE - 1].doc_key};
    write_history(world, RECORDS);
    seal(world, &forger, "X", &forged);
    for (uint64_t round = support_rounds(300); round > 0; round--) {
        struct buf evil[RECORDS_MAX];
        size_t count = 0, damaged = SIZE_MAX;
        reader_begins(world);
        for (size_t i = 0; i < RECORDS; i++) {
            uint64_t what = random_below(&random, 40);
            if (what != 0)
                evil[count++] = world->stored[i];
            if (what == 1)
                evil[count++] = world->stored[random_below(&random, RECORDS)];
            if (what == 2)
                evil[count++] = forged;
            if (what == 3)
                damaged = i;
        }
        struct buf *hit = damaged == SIZE_MAX ? NULL : &world->stored[damaged];
        size_t byte = hit ? (size_t)random_below(&random, hit->len) : 0;
        if (hit)
            hit->data[byte] ^= 0x40;
        for (size_t at = 0, frame; at < count; at += frame) {
            frame = 1 + (size_t)random_below(&random, count - at);
            take_frame(world, evil + at, frame, random_chance(&random, 2) != 0 || round % 2);
        }
        expect_only_the_truth(world);
        if (hit)
            hit->data[byte] ^= 0x40;
    }
    buf_release(&forged);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_frame_of_history_costs_one_signature_for_each_of_its_people),
        WORLD_TEST(live_every_signature_is_checked),
        WORLD_TEST(what_another_session_of_an_agent_sealed_is_of_the_same_chain),
        WORLD_TEST(history_that_is_known_or_half_known_is_taken_once),
        WORLD_TEST(history_out_of_order_is_taken_all_the_same),
        WORLD_TEST(damage_at_every_record_of_a_history_lets_nothing_else_in),
        WORLD_TEST(a_damaged_signature_costs_at_most_its_own_record),
        WORLD_TEST(forged_records_behind_good_ones_do_not_get_in_and_cost_no_good_one),
        WORLD_TEST(nothing_that_builds_on_a_forged_record_gets_in),
        WORLD_TEST(a_history_with_a_forged_end_is_the_same_in_any_frames),
        WORLD_TEST(a_readers_history_is_not_taken),
        WORLD_TEST(only_of_the_newest_record_of_each_agent_the_signature_is_checked_itself),
        WORLD_TEST(a_new_call_forgets_what_the_one_before_it_found),
        WORLD_TEST(a_pack_tells_what_its_records_told_and_nothing_twice),
        WORLD_TEST(a_pack_and_what_it_stands_in_for_are_one),
        WORLD_TEST(a_pack_that_says_something_else_is_disputed),
        WORLD_TEST(a_pack_its_author_did_not_sign_is_refused_without_a_word_about_him),
        WORLD_TEST(no_evil_at_random_gets_anything_else_in),
    };
    return RUN_TESTS("history", tests);
}
