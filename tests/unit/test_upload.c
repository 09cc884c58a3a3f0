/* What an upload owes and says of it. How a session sends it is in test_session_send.c. */
#include "tests/support/support.h"

#include <string.h>

#include "sync/upload.h"

static const struct agent_id ana = {{0xa7}}, disk = {{0xd1}}, ben = {{0xbe}};

enum { KEPT_MAX = 32 };

/* An upload, the journal that keeps its records, and the relay that is sent them. */
struct desk {
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
    struct chain *chain;
    struct roster roster;
    struct upload_config config;
    struct upload *upload;

    struct buf kept[KEPT_MAX]; /* by ticket */
    unsigned kinds[KEPT_MAX];
    uint64_t newest_ticket;
    struct agent_id sent[KEPT_MAX]; /* whose records, in order; MEMBERs too */
    unsigned sent_kinds[KEPT_MAX];
    struct digest sent_hashes[KEPT_MAX];
    size_t sent_count;
    uint64_t acked_seq, fetch_from;
    unsigned fetches, rejected;
    bool full;
};

static bool has_room(void *self)
{
    const struct desk *desk = self;
    return !desk->full;
}

static void send(void *self, const struct message *message)
{
    struct desk *desk = self;
    for (size_t i = 0; i < message->records.count; i++) {
        struct record record = {.kind = 0};
        struct error err = {0};
        struct bytes stored = message->records.items[i].stored;
        assert_int_equal(message->kind, MESSAGE_RECORDS);
        assert_true(desk->sent_count < KEPT_MAX && record_decode(stored, &record, &err));
        desk->sent[desk->sent_count] = record.agent;
        desk->sent_kinds[desk->sent_count] = record.kind;
        record_hash(stored, &desk->sent_hashes[desk->sent_count++]);
    }
}

static void persist(void *self, const struct outbox_record *record)
{
    struct desk *desk = self;
    assert_true(record->ticket > desk->newest_ticket && record->ticket < KEPT_MAX);
    desk->newest_ticket = record->ticket;
    desk->kinds[record->ticket] = record->kind;
    buf_add_bytes(&desk->kept[record->ticket], record->stored);
}

static void acked(void *self, const struct agent_id *agent, uint64_t next_seq)
{
    struct desk *desk = self;
    (void)agent;
    desk->acked_seq = next_seq;
}

static void fetch(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct desk *desk = self;
    (void)agent;
    (void)packs;
    desk->fetch_from = from_seq;
    desk->fetches++;
}

static void rejected(void *self, const struct agent_id *agent, unsigned code, struct bytes text)
{
    struct desk *desk = self;
    (void)agent;
    (void)code;
    (void)text;
    desk->rejected++;
}

static void begin(struct desk *desk)
{
    const struct upload_port port = {desk, has_room, send, persist, acked, fetch, rejected};
    upload_free(desk->upload);
    desk->upload = upload_new(&desk->config, &port);
}

static int set_up(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {7};
    static struct desk desk;
    desk = (struct desk){.full = false};
    doc_keys_from_admin(&desk.keys, seed);
    device_from_seed(&desk.device, seed);
    device_doc_key(&desk.device, &desk.keys.doc, &desk.doc_key);
    desk.chain = chain_new(&desk.keys.doc);
    desk.config = (struct upload_config){.keys = &desk.keys,
                                         .device = &desk.device,
                                         .doc_key = &desk.doc_key,
                                         .self = ana,
                                         .name = "ana",
                                         .chain = desk.chain,
                                         .roster = &desk.roster,
                                         .first_counter = 5};
    begin(&desk);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    upload_free(desk->upload);
    upload_free(NULL);
    chain_free(desk->chain);
    roster_release(&desk->roster);
    for (size_t i = 0; i < KEPT_MAX; i++)
        buf_release(&desk->kept[i]);
    return 0;
}

/* Adds to the chain, and hands in. */
static void type(struct desk *desk, const struct agent_id *agent, const char *text, bool gesture, uint64_t now_ms)
{
    uint64_t seq = chain_next_seq(desk->chain, agent);
    struct batch batch = {.agent = *agent, .seq0 = seq, .flags = seq ? BATCH_FLAG_SELF : 0};
    struct local_batch local = {.agent = *agent, .seq0 = seq, .gesture = gesture};
    struct buf plain = {0};
    batch_add_insert(&batch, 0, bytes_of_string(text));
    batch_encode(&batch, &plain);
    assert_int_equal(chain_add(desk->chain, &batch, buf_view(&plain), &local.digest), CHAIN_NEXT);
    local.count = batch.count;
    local.plain = buf_view(&plain);
    upload_local(desk->upload, &local, now_ms);
    batch_release(&batch);
    buf_release(&plain);
}

static void welcome(struct desk *desk, uint64_t next_seq, uint64_t now_ms)
{
    const struct vector_entry vector[] = {{ana, next_seq}};
    upload_welcome(desk->upload, vector, next_seq > 0, 1, now_ms);
}

static void keep_all(struct desk *desk)
{
    for (uint64_t ticket = 1; ticket <= desk->newest_ticket; ticket++)
        upload_persisted(desk->upload, ticket);
}

/* Seals, keeps, sends. */
static void run(struct desk *desk, uint64_t now_ms)
{
    upload_run(desk->upload, 0, now_ms);
    keep_all(desk);
    upload_run(desk->upload, 0, now_ms);
}

static void expect_counts(const struct desk *desk, uint64_t edits, uint64_t batches, uint64_t oldest_ms)
{
    struct upload_counts counts = upload_counts(desk->upload);
    assert_int_equal(counts.edits, edits);
    assert_int_equal(counts.batches, batches);
    assert_int_equal(counts.oldest_ms, oldest_ms);
}

static void what_is_not_acknowledged_is_counted_as_people_count_it(void **state)
{
    struct desk *desk = *state;
    expect_counts(desk, 0, 0, 0);
    assert_false(upload_owes(desk->upload, &ana));
    type(desk, &ana, "a", true, 100);
    type(desk, &ana, "b", false, 200);
    expect_counts(desk, 1, 2, 100);
    welcome(desk, 0, 300);
    run(desk, 300);
    type(desk, &ana, "c", true, 400);
    expect_counts(desk, 2, 3, 100); /* sent is not acknowledged */
    assert_true(upload_owes(desk->upload, &ana) && !upload_owes(desk->upload, &ben));
    upload_ack(desk->upload, 2);
    expect_counts(desk, 1, 1, 400);
    assert_int_equal(desk->acked_seq, 2);
    run(desk, 500);
    upload_ack(desk->upload, 3);
    expect_counts(desk, 0, 0, 0);
    assert_false(upload_owes(desk->upload, &ana));
    assert_int_equal(upload_relay_next(desk->upload, &ana), 3);
    assert_int_equal(upload_relay_next(desk->upload, &ben), 0);
}

static void nothing_is_sealed_while_there_is_no_relay_to_take_it(void **state)
{
    struct desk *desk = *state;
    for (int i = 0; i < 5; i++)
        type(desk, &ana, "x", true, 100);
    run(desk, 100);
    assert_int_equal(desk->newest_ticket, 0);
    assert_int_equal(upload_next_ms(desk->upload, 50), UINT64_MAX);
    assert_int_equal(upload_counter(desk->upload), 5); /* as configured: it names what is sealed next */
    welcome(desk, 0, 200);
    upload_run(desk->upload, 50, 200);
    assert_int_equal(desk->newest_ticket, 2); /* all in one record, and the MEMBER */
    assert_int_equal(upload_counter(desk->upload), 6);
    assert_int_equal(desk->sent_count, 0); /* the journal has neither */
    keep_all(desk);
    upload_run(desk->upload, 50, 200);
    assert_int_equal(desk->sent_count, 2);
    assert_int_equal(desk->sent_kinds[0], RECORD_MEMBER);
    assert_int_equal(desk->sent_kinds[1], RECORD_EVENTS);
}

static void what_the_journal_has_not_is_not_sent(void **state)
{
    struct desk *desk = *state;
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    upload_run(desk->upload, 0, 100);
    upload_persisted(desk->upload, 1); /* the edit, but not who she is */
    upload_run(desk->upload, 0, 100);
    assert_int_equal(desk->sent_count, 0);
    upload_persisted(desk->upload, 2);
    upload_run(desk->upload, 0, 100);
    assert_int_equal(desk->sent_count, 2);
    type(desk, &ana, "b", true, 200);
    type(desk, &ana, "c", true, 300);
    upload_run(desk->upload, 0, 200);
    upload_run(desk->upload, 0, 300);
    assert_int_equal(desk->sent_count, 2);
    keep_all(desk);
    upload_run(desk->upload, 0, 300);
    assert_int_equal(desk->sent_count, 3);
}

static void the_pace_is_kept_unless_there_is_a_hurry(void **state)
{
    enum { PACE = 50 };
    struct desk *desk = *state;
    welcome(desk, 0, 1000);
    type(desk, &ana, "a", true, 1000);
    run(desk, 1000);
    upload_ack(desk->upload, 2);
    type(desk, &ana, "b", true, 1010);
    assert_int_equal(upload_next_ms(desk->upload, PACE), 1000 + PACE);
    uint64_t before = desk->newest_ticket;
    upload_run(desk->upload, PACE, 1000 + PACE - 1);
    assert_int_equal(desk->newest_ticket, before);
    upload_run(desk->upload, PACE, 1000 + PACE);
    assert_int_equal(desk->newest_ticket, before + 1);
    type(desk, &ana, "c", true, 1000 + PACE);
    upload_hurry(desk->upload);
    upload_run(desk->upload, PACE, 1000 + PACE);
    assert_int_equal(desk->newest_ticket, before + 2);
}

static void what_is_sent_is_known_by_its_hash_until_it_is_acknowledged(void **state)
{
    struct desk *desk = *state;
    struct digest hash;
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    assert_true(upload_is_answered(desk->upload));
    run(desk, 100);
    assert_false(upload_is_answered(desk->upload));
    assert_true(upload_in_flight_bytes(desk->upload) > 0);
    for (uint64_t ordinal = 1; ordinal <= 2; ordinal++) {
        assert_true(upload_sent_hash(desk->upload, ordinal, &hash));
        assert_true(digest_equal(&hash, &desk->sent_hashes[ordinal - 1]));
    }
    assert_false(upload_sent_hash(desk->upload, 3, &hash));
    upload_ack(desk->upload, 2);
    assert_false(upload_sent_hash(desk->upload, 2, &hash));
    assert_int_equal(upload_in_flight_bytes(desk->upload), 0);
    assert_true(upload_is_answered(desk->upload));
    upload_ack(desk->upload, 99); /* of what was never sent */
    upload_reject(desk->upload, 99, REFUSE_FORBIDDEN, bytes_of_string("no"), 100);
    assert_int_equal(desk->rejected, 0);
}

static void what_a_connection_lost_is_sent_again_on_the_next(void **state)
{
    struct desk *desk = *state;
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    upload_lost(desk->upload);
    assert_int_equal(upload_in_flight_bytes(desk->upload), 0);
    assert_false(upload_is_answered(desk->upload)); /* it is sealed and has no answer */
    run(desk, 200);
    assert_int_equal(desk->sent_count, 2);
    welcome(desk, 0, 300);
    run(desk, 300);
    assert_int_equal(desk->sent_count, 4);
    for (size_t i = 0; i < 2; i++)
        assert_true(digest_equal(&desk->sent_hashes[i], &desk->sent_hashes[i + 2]));
    upload_ack(desk->upload, 2); /* counted anew */
    expect_counts(desk, 0, 0, 0);
}

static void what_is_refused_for_good_is_told_once_and_ends_its_stream(void **state)
{
    struct desk *desk = *state;
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    upload_reject(desk->upload, 1, REFUSE_FORBIDDEN, bytes_of_string("no"), 100);
    upload_reject(desk->upload, 2, REFUSE_FORBIDDEN, bytes_of_string("no"), 100);
    assert_int_equal(desk->rejected, 1);
    run(desk, 100 + UPLOAD_PAUSE_MS);
    assert_int_equal(desk->sent_count, 2);
    expect_counts(desk, 1, 1, 100); /* it is owed still */
}

static void who_was_taken_over_comes_before_ourselves(void **state)
{
    struct desk *desk = *state;
    type(desk, &ana, "a", true, 100);
    type(desk, &disk, "d", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    assert_int_equal(desk->sent_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(agent_id_equal(&desk->sent[i], i < 2 ? &disk : &ana));
    assert_non_null(roster_find(&desk->roster, &disk)); /* own MEMBER records are added */
}

/* Another process begins, as another agent, with what the journal has. */
static void begin_again(struct desk *desk)
{
    struct error err = {0};
    desk->config.self = ben;
    begin(desk);
    for (uint64_t ticket = 1; ticket <= desk->newest_ticket; ticket++)
        if (desk->kinds[ticket] == RECORD_EVENTS)
            assert_true(upload_restore(desk->upload, buf_view(&desk->kept[ticket]), 200, &err));
}

static void so_it_is_when_another_process_finds_the_records(void **state)
{
    struct desk *desk = *state;
    type(desk, &disk, "d", true, 100);
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    begin_again(desk);
    desk->sent_count = 0;
    welcome(desk, 0, 200);
    run(desk, 200);
    assert_int_equal(desk->sent_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(agent_id_equal(&desk->sent[i], i < 2 ? &disk : &ana));
}

static void nothing_is_sealed_before_what_it_may_build_on(void **state)
{
    struct desk *desk = *state;
    const struct vector_entry vector[] = {{disk, 5}}; /* somebody else's, under the same numbers */
    type(desk, &disk, "d", true, 100);
    type(desk, &ana, "a", true, 100);
    upload_welcome(desk->upload, vector, 1, 1, 100);
    run(desk, 100);
    assert_int_equal(desk->newest_ticket, 0);
    upload_caught_up(desk->upload);
    run(desk, 200);
    assert_true(desk->sent_count > 1);
    assert_true(agent_id_equal(&desk->sent[0], &disk));
    assert_true(agent_id_equal(&desk->sent[desk->sent_count - 1], &ana));
}

static void what_a_relay_takes_no_more_of_holds_nobody_up(void **state)
{
    struct desk *desk = *state;
    const struct vector_entry vector[] = {{disk, 5}};
    type(desk, &disk, "d", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    upload_reject(desk->upload, 2, REFUSE_FORBIDDEN, bytes_of_string("no"), 100);
    upload_relay_has(desk->upload, &vector[0].agent, vector[0].next_seq);
    type(desk, &disk, "e", true, 200);
    type(desk, &ana, "a", true, 200);
    desk->sent_count = 0;
    run(desk, 200);
    assert_true(desk->sent_count > 0 && agent_id_equal(&desk->sent[desk->sent_count - 1], &ana));
}

static void the_outbox_is_restored_with_edits_and_with_nothing_else(void **state)
{
    struct desk *desk = *state;
    struct error err = {0};
    type(desk, &ana, "a", true, 100);
    type(desk, &ana, "b", true, 100);
    welcome(desk, 0, 100);
    upload_run(desk->upload, 0, 100);
    assert_int_equal(desk->kinds[1], RECORD_EVENTS);
    assert_int_equal(desk->kinds[2], RECORD_MEMBER);
    begin(desk);
    assert_false(upload_restore(desk->upload, buf_view(&desk->kept[2]), 700, &err));
    assert_non_null(strstr(err.text, "another kind"));
    assert_false(upload_restore(desk->upload, bytes_of_string("no record"), 700, &err));
    struct buf damaged = {0};
    buf_add_bytes(&damaged, buf_view(&desk->kept[1]));
    damaged.data[damaged.len - CRYPTO_SIGNATURE_BYTES - 1] ^= 1; /* its tag */
    assert_false(upload_restore(desk->upload, buf_view(&damaged), 700, &err));
    assert_int_equal(err.code, ERR_AUTH);
    buf_release(&damaged);
    expect_counts(desk, 0, 0, 0);
    assert_true(upload_is_answered(desk->upload));
    assert_true(upload_restore(desk->upload, buf_view(&desk->kept[1]), 700, &err));
    expect_counts(desk, 2, 2, 700);
    welcome(desk, 0, 800);
    run(desk, 800);
    struct digest kept;
    record_hash(buf_view(&desk->kept[1]), &kept);
    assert_true(digest_equal(&desk->sent_hashes[1], &kept)); /* behind the MEMBER, byte for byte */
}

static bool skip_none(void *self, const struct agent_id *agent)
{
    (void)self;
    (void)agent;
    return false;
}

static bool skip_all(void *self, const struct agent_id *agent)
{
    (void)self;
    (void)agent;
    return true;
}

static void what_the_relay_has_more_or_less_of_than_we_is_known(void **state)
{
    struct desk *desk = *state;
    struct agent_id ahead;
    type(desk, &ana, "abc", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    upload_ack(desk->upload, 2);
    assert_false(upload_relay_ahead(desk->upload, skip_none, NULL, &ahead));
    upload_relay_has(desk->upload, &ben, 4); /* of whom the chain has nothing */
    assert_true(upload_relay_ahead(desk->upload, skip_none, NULL, &ahead) && agent_id_equal(&ahead, &ben));
    assert_false(upload_relay_ahead(desk->upload, skip_all, NULL, &ahead));
    upload_lost(desk->upload);
    welcome(desk, 2, 200); /* it had 3 once */
    assert_int_equal(desk->fetches, 1);
    assert_int_equal(desk->fetch_from, 2);
    assert_true(upload_is_offering(desk->upload));
}

static void a_full_link_is_sent_nothing(void **state)
{
    struct desk *desk = *state;
    desk->full = true;
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    assert_int_equal(desk->sent_count, 0);
    desk->full = false;
    run(desk, 100);
    assert_int_equal(desk->sent_count, 2);
}

static void who_may_only_read_uploads_nothing(void **state)
{
    struct desk *desk = *state;
    const struct doc_keys writer = desk->keys;
    doc_keys_from_link(&desk->keys, &writer.doc, ACCESS_READ, doc_keys_seed(&writer, ACCESS_READ));
    type(desk, &ana, "a", true, 100);
    welcome(desk, 0, 100);
    run(desk, 100);
    assert_int_equal(desk->newest_ticket, 0);
    assert_int_equal(upload_next_ms(desk->upload, 50), UINT64_MAX);
}

#define DESK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        DESK_TEST(what_is_not_acknowledged_is_counted_as_people_count_it),
        DESK_TEST(nothing_is_sealed_while_there_is_no_relay_to_take_it),
        DESK_TEST(what_the_journal_has_not_is_not_sent),
        DESK_TEST(the_pace_is_kept_unless_there_is_a_hurry),
        DESK_TEST(what_is_sent_is_known_by_its_hash_until_it_is_acknowledged),
        DESK_TEST(what_a_connection_lost_is_sent_again_on_the_next),
        DESK_TEST(what_is_refused_for_good_is_told_once_and_ends_its_stream),
        DESK_TEST(who_was_taken_over_comes_before_ourselves),
        DESK_TEST(so_it_is_when_another_process_finds_the_records),
        DESK_TEST(nothing_is_sealed_before_what_it_may_build_on),
        DESK_TEST(what_a_relay_takes_no_more_of_holds_nobody_up),
        DESK_TEST(the_outbox_is_restored_with_edits_and_with_nothing_else),
        DESK_TEST(what_the_relay_has_more_or_less_of_than_we_is_known),
        DESK_TEST(a_full_link_is_sent_nothing),
        DESK_TEST(who_may_only_read_uploads_nothing),
    };
    return RUN_TESTS("upload", tests);
}
