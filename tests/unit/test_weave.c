/* Records that need pieces of each other, as packs of people who typed at once are: what comes out, and what does not. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/inbox.h"
#include "sync/weave.h"

enum { PEOPLE = 3, LETTERS_MAX = 600, RECORDS_MAX = 2 * LETTERS_MAX };

struct person {
    struct agent_id agent;
    struct device device;
    struct sign_key doc_key;
    uint64_t seq; /* a letter each: so also how many batches */
    uint64_t counter;
    struct buf plains[LETTERS_MAX];
    uint64_t heard[PEOPLE]; /* up to where he has seen the others, */
    uint64_t named[PEOPLE]; /* and said so */
    unsigned refused;
};

struct world {
    struct doc_keys keys;
    struct person people[PEOPLE];
    struct chain *chain; /* of the writers */
    struct roster roster;
    struct chain *read, *again; /* of the reader, and of who takes one by one what he hands out */
    struct inbox *inbox;
    struct buf stored[RECORDS_MAX];
    size_t count;
    size_t records, letters; /* that came out */
    bool forks;              /* then what comes out has names of its own */
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
    struct world *world = self;
    struct digest digest;
    struct batch_cursor cursor = batch_cursor_of(&received->run);
    world->records += received->stored.len > 0;
    for (size_t i = 0; batch_cursor_next(&cursor); i++) {
        world->letters++;
        if (world->forks)
            continue;
        assert_int_equal(chain_add(world->again, cursor.batch, cursor.plain, &digest), CHAIN_NEXT);
        assert_true(digest_equal(&digest, &received->digests[i]));
    }
    batch_cursor_release(&cursor);
}

static void on_refused(void *self, const struct agent_id *agent, const struct error *why)
{
    (void)why;
    person_of(self, agent)->refused++;
}

static void on_disputed(void *self, const struct agent_id *agent, uint64_t seq0)
{
    (void)self;
    (void)agent;
    (void)seq0;
    fail_msg("nobody packed anything else than he wrote");
}

static void reader_begins(struct world *world)
{
    struct inbox_port port = {world, on_received, on_refused, on_disputed};
    inbox_free(world->inbox);
    chain_free(world->read);
    chain_free(world->again);
    world->read = chain_new(&world->keys.doc);
    world->again = chain_new(&world->keys.doc);
    world->inbox = inbox_new(&world->keys, world->read, &world->roster, &port);
    world->records = world->letters = 0;
    for (size_t i = 0; i < PEOPLE; i++)
        world->people[i].refused = 0;
}

static void person_init(struct world *world, size_t number)
{
    struct person *person = &world->people[number];
    unsigned char seed[CRYPTO_SEED_BYTES] = {(unsigned char)(number + 1)};
    struct member member = {.agent = {{(unsigned char)(0x10 * (number + 1))}}, .has_grant = true, .name = "ben"};
    person->agent = member.agent;
    device_from_seed(&person->device, seed);
    device_doc_key(&person->device, &world->keys.doc, &person->doc_key);
    member.doc_key = person->doc_key.public_key;
    assert_true(roster_add(&world->roster, &member, (struct bytes){0}));
}

static int set_up(void **state)
{
    unsigned char seed[KEY_SEED_BYTES] = {1};
    struct world *world = xcalloc(1, sizeof *world);
    doc_keys_from_admin(&world->keys, seed);
    world->chain = chain_new(&world->keys.doc);
    for (size_t i = 0; i < PEOPLE; i++)
        person_init(world, i);
    reader_begins(world);
    *state = world;
    return 0;
}

static void forget_records(struct world *world)
{
    while (world->count > 0)
        buf_release(&world->stored[--world->count]);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    inbox_free(world->inbox);
    chain_free(world->read);
    chain_free(world->again);
    chain_free(world->chain);
    roster_release(&world->roster);
    forget_records(world);
    for (size_t i = 0; i < PEOPLE; i++)
        for (size_t j = 0; j < LETTERS_MAX; j++)
            buf_release(&world->people[i].plains[j]);
    free(world);
    return 0;
}

/* --- writing --- */

/* A letter, which builds on what he has heard of the others. */
static void write_letter(struct world *world, size_t number)
{
    struct person *by = &world->people[number];
    struct batch batch = {.agent = by->agent, .seq0 = by->seq, .flags = by->seq > 0 ? BATCH_FLAG_SELF : 0};
    struct digest digest;
    for (size_t i = 0; i < PEOPLE; i++) {
        if (i != number && by->heard[i] > by->named[i])
            batch_add_parent(&batch, (struct event_id){world->people[i].agent, by->heard[i] - 1});
        by->named[i] = by->heard[i];
    }
    batch_add_insert(&batch, 0, bytes_of_string("a"));
    batch_encode(&batch, &by->plains[by->seq]);
    assert_int_equal(chain_add(world->chain, &batch, buf_view(&by->plains[by->seq]), &digest), CHAIN_NEXT);
    by->seq++;
    batch_release(&batch);
}

static void hear_all(struct world *world, size_t number)
{
    for (size_t i = 0; i < PEOPLE; i++)
        world->people[number].heard[i] = world->people[i].seq;
}

/* By turns, each letter on top of the one before. */
static void alternate(struct world *world, size_t letters)
{
    for (size_t i = 0; i < letters; i++) {
        hear_all(world, i % PEOPLE);
        write_letter(world, i % PEOPLE);
    }
}

static void add_record(struct world *world, size_t number, uint64_t from, uint64_t to, const struct sign_key *signer)
{
    struct person *by = &world->people[number];
    struct buf plain = {0};
    struct digest last;
    for (uint64_t i = from; i < to; i++)
        record_plain_add(&plain, buf_view(&by->plains[i]));
    assert_true(chain_find(world->chain, &(struct event_id){by->agent, to - 1}, &last));
    record_seal(&(struct record_spec){.kind = to - from > 1 ? RECORD_PACK : RECORD_EVENTS, .agent = by->agent, .sealer = by->agent,
                                      .counter = ++by->counter, .seq0 = from, .count = to - from, .plain = buf_view(&plain),
                                      .last = &last, .keys = &world->keys, .signer = signer ? signer : &by->doc_key},
                &world->stored[world->count++]);
    buf_release(&plain);
}

static void pack_all(struct world *world)
{
    for (size_t i = 0; i < PEOPLE; i++)
        add_record(world, i, 0, world->people[i].seq, NULL);
}

static size_t all_letters(const struct world *world)
{
    size_t letters = 0;
    for (size_t i = 0; i < PEOPLE; i++)
        letters += world->people[i].seq;
    return letters;
}

/* --- reading --- */

static void take(struct world *world, size_t from, size_t count)
{
    struct record record;
    struct error err = {0};
    for (size_t i = from; i < from + count; i++) {
        assert_true(record_decode(buf_view(&world->stored[i]), &record, &err));
        (void)inbox_take(world->inbox, i + 1, &record, 0);
        inbox_tell_refused(world->inbox);
        inbox_settle(world->inbox);
    }
    inbox_weave(world->inbox);
}

static void expect_all(const struct world *world)
{
    assert_int_equal(world->letters, all_letters(world));
    assert_false(inbox_has_hole(world->inbox));
    for (size_t i = 0; i < PEOPLE; i++)
        assert_int_equal(world->people[i].refused, 0);
}

static void packs_that_need_pieces_of_each_other_come_out_together(void **state)
{
    struct world *world = *state;
    alternate(world, 90);
    pack_all(world);
    take(world, 0, 2);
    assert_int_equal(world->letters, 0); /* nothing is taken on another one's word */
    assert_true(inbox_has_hole(world->inbox));
    take(world, 2, 1);
    expect_all(world);
    assert_int_equal(world->records, PEOPLE);
    take(world, 0, 3);
    expect_all(world); /* nothing twice */
}

static void who_has_some_of_it_gets_the_rest(void **state)
{
    struct world *world = *state;
    alternate(world, 90);
    for (uint64_t i = 0; i < 7; i++)
        for (size_t person = 0; person < PEOPLE; person++)
            add_record(world, person, i, i + 1, NULL);
    size_t known = world->count;
    pack_all(world);
    take(world, 0, known);
    assert_int_equal(world->letters, known);
    take(world, known, PEOPLE);
    expect_all(world);
}

/* One of them is forged: the others wait, nobody is accused, and his originals set all of it free. */
static void a_forged_one_costs_the_others_the_wait_for_its_originals(void **state)
{
    struct world *world = *state;
    alternate(world, 60);
    add_record(world, 0, 0, world->people[0].seq, NULL);
    add_record(world, 1, 0, world->people[1].seq, NULL);
    add_record(world, 2, 0, world->people[2].seq, &world->people[1].doc_key);
    take(world, 0, 3);
    assert_int_equal(world->letters, 0);
    assert_true(inbox_has_hole(world->inbox));
    size_t from = world->count;
    for (uint64_t i = 0; i < world->people[2].seq; i++)
        add_record(world, 2, i, i + 1, NULL);
    take(world, from, world->count - from);
    assert_int_equal(world->letters, all_letters(world));
}

/* Each one's pieces cut anywhere, so all hang together, in any order and any frames. */
static void whatever_is_packed_how_all_of_it_comes_out(void **state)
{
    struct world *world = *state;
    struct random random = random_of(support_seed("whatever_is_packed_how_all_of_it_comes_out", 5));
    for (size_t i = 0; i < LETTERS_MAX; i++) {
        size_t number = (size_t)random_below(&random, PEOPLE), other = (size_t)random_below(&random, PEOPLE);
        if (random_chance(&random, 2))
            world->people[number].heard[other] = world->people[other].seq;
        write_letter(world, number);
    }
    for (uint64_t round = support_rounds(40); round > 0; round--) {
        forget_records(world);
        reader_begins(world);
        for (size_t i = 0; i < PEOPLE; i++)
            for (uint64_t at = 0, end; at < world->people[i].seq; at = end) {
                end = at + 1 + random_below(&random, round % 3 == 0 ? 4 : 80);
                end = end < world->people[i].seq ? end : world->people[i].seq;
                add_record(world, i, at, end, NULL);
            }
        for (size_t i = world->count; i > 1; i--) {
            size_t other = (size_t)random_below(&random, i);
            struct buf swapped = world->stored[i - 1];
            world->stored[i - 1] = world->stored[other];
            world->stored[other] = swapped;
        }
        for (size_t at = 0, frame; at < world->count; at += frame) {
            frame = 1 + (size_t)random_below(&random, world->count - at);
            take(world, at, frame);
        }
        expect_all(world);
    }
}

/* --- forks --- */

/* Of two branches of somebody the packs mean the one that came second here. */
static void names_mean_what_their_author_signed(void **state)
{
    struct world *world = *state;
    struct person *forked = &world->people[2];
    struct batch other = {.agent = forked->agent};
    struct buf canonical = {0}, plain = {0};
    struct digest digest;
    batch_add_insert(&other, 0, bytes_of_string("z"));
    batch_encode(&other, &canonical);
    record_plain_add(&plain, buf_view(&canonical));
    chain_digest(&world->keys.doc, &other, buf_view(&canonical), NULL, NULL, &digest);
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS, .agent = forked->agent, .sealer = forked->agent, .counter = 77,
                                      .count = 1, .plain = buf_view(&plain), .last = &digest, .keys = &world->keys,
                                      .signer = &forked->doc_key},
                &world->stored[world->count++]);
    write_letter(world, 2);
    add_record(world, 2, 0, 1, NULL);
    for (size_t i = 0; i < 40; i++) {
        hear_all(world, i % 2);
        write_letter(world, i % 2);
    }
    add_record(world, 0, 0, world->people[0].seq, NULL);
    add_record(world, 1, 0, world->people[1].seq, NULL);
    world->forks = true;
    take(world, 0, world->count);
    assert_int_equal(world->letters, all_letters(world) + 1);
    assert_false(inbox_has_hole(world->inbox));
    assert_int_equal(chain_forks(world->read), 1);
    batch_release(&other);
    buf_release(&canonical);
    buf_release(&plain);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        WORLD_TEST(packs_that_need_pieces_of_each_other_come_out_together),
        WORLD_TEST(who_has_some_of_it_gets_the_rest),
        WORLD_TEST(a_forged_one_costs_the_others_the_wait_for_its_originals),
        WORLD_TEST(whatever_is_packed_how_all_of_it_comes_out),
        WORLD_TEST(names_mean_what_their_author_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
