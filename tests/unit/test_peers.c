/* Who is who in a document: ids, members (roster), what people say of where they are (presence), and who is there (peers). */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "sync/crypto.h"
#include "sync/id.h"
#include "sync/peers.h"
#include "sync/presence.h"
#include "sync/roster.h"

/* --- id --- */

static void ids_are_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    struct agent_id low = {{0x7f}}, high = {{0x80}}, last = high;
    last.bytes[AGENT_ID_BYTES - 1] = 1;
    assert_true(agent_id_compare(&low, &high) < 0); /* as unsigned bytes */
    assert_true(agent_id_compare(&last, &high) > 0);
    assert_int_equal(agent_id_compare(&last, &last), 0);
    assert_false(agent_id_equal(&high, &last));
    assert_true(agent_id_equal(&high, &(struct agent_id){{0x80}}));
}

static void an_id_is_equal_up_to_its_last_byte(void **state)
{
    (void)state;
    struct doc_id doc = {{1}}, other_doc = doc;
    struct digest digest = {{1}}, other_digest = digest;
    assert_true(doc_id_equal(&doc, &other_doc) && digest_equal(&digest, &other_digest));
    other_doc.bytes[DOC_ID_BYTES - 1] = 1;
    other_digest.bytes[DIGEST_BYTES - 1] = 1;
    assert_false(doc_id_equal(&doc, &other_doc) || digest_equal(&digest, &other_digest));
}

static void hex_is_lower_case_and_ends(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x00, 0xff, 0x5a, 0xc3};
    char hex[] = "xxxxxxxxx";
    id_hex(bytes, 4, hex);
    assert_string_equal(hex, "00ff5ac3");
    id_hex(bytes, 0, hex);
    assert_string_equal(hex, "");
}

/* --- roster --- */

static struct member member_named(uint64_t number, const char *name)
{
    struct member member = {.has_grant = true};
    memcpy(member.agent.bytes, &number, sizeof number);
    member.doc_key.bytes[0] = (unsigned char)number;
    snprintf(member.name, sizeof member.name, "%s", name);
    return member;
}

static void every_member_is_found_in_whatever_order_they_came(void **state)
{
    (void)state;
    struct roster roster = {0};
    enum { COUNT = 200, STEP = 77 }; /* coprime: all of them, up and down */
    const struct agent_id stranger = {{0xff, 0xff}};
    assert_null(roster_find(&roster, &stranger));
    for (uint64_t i = 0; i < COUNT; i++) {
        struct member member = member_named(i * STEP % COUNT, "ana");
        assert_true(roster_add(&roster, &member, bytes_of_string("record")));
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        struct member member = member_named(i, "ana");
        const struct roster_entry *entry = roster_find(&roster, &member.agent);
        assert_non_null(entry);
        assert_true(agent_id_equal(&entry->member.agent, &member.agent));
        assert_true(i == 0 || agent_id_compare(&roster.items[i - 1]->member.agent, &roster.items[i]->member.agent) < 0);
    }
    assert_null(roster_find(&roster, &stranger));
    roster_release(&roster);
    assert_int_equal(roster.count, 0);
}

static void the_first_member_of_an_agent_stays(void **state)
{
    (void)state;
    struct roster roster = {0};
    char stored[] = "first";
    struct member first = member_named(5, "ana"), second = member_named(5, "eve");
    second.doc_key.bytes[0] = 0xee;
    assert_true(roster_add(&roster, &first, bytes_of_string(stored)));
    memset(stored, 'x', 5); /* it has a copy of its own */
    assert_false(roster_add(&roster, &second, bytes_of_string("second")));
    const struct roster_entry *entry = roster_find(&roster, &first.agent);
    assert_string_equal(entry->member.name, "ana");
    assert_int_equal(entry->member.doc_key.bytes[0], 5);
    assert_true(bytes_equal(buf_view(&entry->stored), bytes_of_string("first")));
    roster_release(&roster);
}

static void a_full_roster_takes_nobody_more(void **state)
{
    (void)state;
    struct roster roster = {.count = ROSTER_MAX}; /* adding so many would take long, and nothing looks at them */
    struct member member = member_named(5, "ana");
    assert_false(roster_add(&roster, &member, bytes_of_string("record")));
}

/* --- presence --- */

static const unsigned char ana_seed[CRYPTO_SEED_BYTES] = {0xa7}, eve_seed[CRYPTO_SEED_BYTES] = {0xee};

struct scene {
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
};

static void scene_init(struct scene *scene)
{
    doc_keys_from_admin(&scene->keys, ana_seed);
    device_from_seed(&scene->device, ana_seed);
    device_doc_key(&scene->device, &scene->keys.doc, &scene->doc_key);
}

/* Everything at its longest. */
static struct presence full_presence(const struct scene *scene, bool has_card)
{
    struct presence presence = {.agent = {{0xa7}},
                                .counter = UINT64_MAX,
                                .flags = 0xff,
                                .has_card = has_card,
                                .head_count = PRESENCE_HEADS_MAX,
                                .has_marks = !has_card,
                                .has_cursor = true,
                                .cursor = BATCH_POS_MAX,
                                .anchor = BATCH_POS_MAX,
                                .events_seen = UINT64_MAX};
    for (size_t i = 0; i < PRESENCE_HEADS_MAX; i++) {
        presence.heads[i] = (struct event_id){{{(unsigned char)i}}, BATCH_SEQ_MAX};
        memset(presence.marks[i], (int)i + 1, PRESENCE_MARK_BYTES);
    }
    if (has_card) {
        presence.device_key = scene->device.key.public_key;
        device_certify(&scene->device, &scene->keys.doc, &scene->doc_key.public_key, &presence.certificate);
        memset(presence.name, 'n', NAME_BYTES_MAX);
    }
    return presence;
}

static void expect_same_presence(const struct presence *a, const struct presence *b)
{
    assert_true(agent_id_equal(&a->agent, &b->agent));
    assert_int_equal(a->counter, b->counter);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->events_seen, b->events_seen);
    assert_int_equal(a->has_cursor, b->has_cursor);
    assert_int_equal(a->cursor, b->cursor);
    assert_int_equal(a->anchor, b->anchor);
    assert_int_equal(a->head_count, b->head_count);
    for (size_t i = 0; i < a->head_count; i++) {
        assert_true(agent_id_equal(&a->heads[i].agent, &b->heads[i].agent));
        assert_int_equal(a->heads[i].seq, b->heads[i].seq);
    }
    assert_int_equal(a->has_card, b->has_card);
    assert_string_equal(a->name, b->name);
    assert_memory_equal(&a->device_key, &b->device_key, sizeof a->device_key);
    assert_int_equal(a->has_marks, b->has_marks);
    assert_memory_equal(a->marks, b->marks, a->has_marks ? sizeof a->marks : 0);
}

static void expect_trip(const struct scene *scene, const struct presence *presence)
{
    struct buf sealed = {0};
    struct presence back;
    struct error err = {0};
    presence_seal(presence, &scene->keys, &scene->doc_key, &sealed);
    assert_in_range(sealed.len, 1, PRESENCE_BYTES_MAX);
    assert_true(presence_open(buf_view(&sealed), &scene->keys, &back, &err));
    assert_memory_equal(&back.doc_key, &scene->doc_key.public_key, sizeof back.doc_key); /* who sealed it, whatever was said */
    expect_same_presence(presence, &back);
    buf_release(&sealed);
}

static void a_presence_comes_back_as_it_was_sealed_also_at_its_longest(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    struct presence nothing = {.agent = {{0xa7}}}, card = full_presence(&scene, true),
                    marks = full_presence(&scene, false);
    expect_trip(&scene, &nothing);
    expect_trip(&scene, &card);
    expect_trip(&scene, &marks);
}

static void beside_a_card_there_is_no_room_for_marks(void **state)
{
    (void)state;
    struct scene scene;
    struct buf sealed = {0};
    struct presence back;
    struct error err = {0};
    scene_init(&scene);
    struct presence presence = full_presence(&scene, true);
    presence.has_marks = true;
    presence_seal(&presence, &scene.keys, &scene.doc_key, &sealed);
    assert_true(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
    assert_false(back.has_marks);
    buf_release(&sealed);
}

static void expect_refused(const struct scene *scene, struct bytes sealed, enum err code)
{
    struct presence back;
    struct error err = {0};
    assert_false(presence_open(sealed, &scene->keys, &back, &err));
    assert_int_equal(err.code, code);
}

static void no_byte_of_it_can_be_changed_and_none_cut_off(void **state)
{
    (void)state;
    struct scene scene;
    struct buf sealed = {0};
    struct presence back;
    scene_init(&scene);
    const struct presence presence = full_presence(&scene, true);
    presence_seal(&presence, &scene.keys, &scene.doc_key, &sealed);
    for (size_t i = 0; i < sealed.len; i++) {
        struct error err = {0};
        sealed.data[i] ^= 1;
        assert_false(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
        assert_true(err.code == ERR_AUTH || err.code == ERR_FORMAT);
        sealed.data[i] ^= 1;
        expect_refused(&scene, bytes_of(sealed.data, i), ERR_FORMAT);
    }
    buf_add_byte(&sealed, 0);
    expect_refused(&scene, buf_view(&sealed), ERR_FORMAT);
    buf_release(&sealed);
}

static void without_the_documents_key_it_does_not_open(void **state)
{
    (void)state;
    struct scene ana, other;
    struct buf sealed = {0};
    struct presence presence = {.agent = {{0xa7}}};
    scene_init(&ana);
    other = ana;
    doc_keys_from_admin(&other.keys, eve_seed);
    presence_seal(&presence, &ana.keys, &ana.doc_key, &sealed);
    expect_refused(&other, buf_view(&sealed), ERR_AUTH);
    buf_release(&sealed);
}

/* Who may read has the content key and could write any card; only the device it names can certify the signing key. */
static void a_card_of_somebody_elses_device_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct device eve;
    struct sign_key eve_key;
    struct buf sealed = {0};
    scene_init(&scene);
    device_from_seed(&eve, eve_seed);
    device_doc_key(&eve, &scene.keys.doc, &eve_key);
    struct presence presence = full_presence(&scene, true);
    presence_seal(&presence, &scene.keys, &eve_key, &sealed);
    expect_refused(&scene, buf_view(&sealed), ERR_AUTH);
    buf_release(&sealed);
}

/* --- peers --- */

static struct presence presence_of(unsigned char agent, uint64_t counter)
{
    return (struct presence){.agent = {{agent}}, .counter = counter, .doc_key = {{agent}}};
}

static const struct session_peer *hear(struct peers *peers, const struct presence *presence, uint64_t now_ms)
{
    static const struct roster nobody = {0};
    return peers_hear(peers, &nobody, presence, now_ms);
}

static void an_older_message_or_one_under_another_key_changes_nothing(void **state)
{
    (void)state;
    static struct peers peers;
    struct presence presence = presence_of(1, 10);
    peers = (struct peers){0};
    presence.cursor = 4;
    assert_non_null(hear(&peers, &presence, 100));
    presence.cursor = 5;
    assert_null(hear(&peers, &presence, 200)); /* the same once more */
    presence.counter = 9;
    assert_null(hear(&peers, &presence, 200));
    presence.counter = 11;
    presence.doc_key.bytes[0] = 0xee; /* the key seen first stays its own */
    assert_null(hear(&peers, &presence, 200));
    assert_int_equal(peers.count, 1);
    assert_int_equal(peers.items[0].presence.cursor, 4);
    assert_int_equal(peers.items[0].heard_ms, 100);
    presence.doc_key.bytes[0] = 1;
    assert_ptr_equal(hear(&peers, &presence, 200), &peers.items[0]);
    assert_int_equal(peers.items[0].presence.cursor, 5);
}

static void an_agent_with_a_member_is_believed_only_under_its_key(void **state)
{
    (void)state;
    static struct peers peers;
    struct roster roster = {0};
    struct member member = member_named(7, "ana");
    struct presence presence = {.agent = member.agent, .counter = 1, .doc_key = {{0xee}}};
    peers = (struct peers){0};
    roster_add(&roster, &member, bytes_of_string(""));
    assert_null(peers_hear(&peers, &roster, &presence, 0));
    assert_int_equal(peers.count, 0);
    presence.doc_key = member.doc_key;
    const struct session_peer *peer = peers_hear(&peers, &roster, &presence, 0);
    assert_true(peer && peer->writer && peer->introduced);
    assert_string_equal(peer->presence.name, "ana");
    roster_release(&roster);
}

static void a_reader_is_introduced_by_a_card_that_is_kept(void **state)
{
    (void)state;
    static struct peers peers;
    struct presence presence = presence_of(1, 1);
    peers = (struct peers){0};
    assert_false(hear(&peers, &presence, 0)->introduced);
    presence.counter = 2;
    presence.has_card = true;
    presence.device_key.bytes[0] = 0xde;
    snprintf(presence.name, sizeof presence.name, "ben");
    assert_true(hear(&peers, &presence, 0)->introduced);
    presence = presence_of(1, 3);
    presence.cursor = 8;
    const struct session_peer *peer = hear(&peers, &presence, 0);
    assert_true(peer->introduced && !peer->writer);
    assert_string_equal(peer->presence.name, "ben");
    assert_int_equal(peer->presence.device_key.bytes[0], 0xde);
    assert_int_equal(peer->presence.cursor, 8);
}

static void who_is_not_heard_becomes_quiet_then_gone_and_is_then_forgotten(void **state)
{
    (void)state;
    static struct peers peers;
    struct presence presence = presence_of(1, 1);
    peers = (struct peers){0};
    hear(&peers, &presence, 1000);
    assert_int_equal(peers_next_ms(&peers, true), 1000 + PEERS_QUIET_MS);
    assert_null(peers_age(&peers, true, 1000 + PEERS_QUIET_MS - 1));
    assert_int_equal(peers_age(&peers, true, 1000 + PEERS_QUIET_MS)->state, PEER_QUIET);
    assert_null(peers_age(&peers, true, 1000 + PEERS_QUIET_MS));
    assert_int_equal(peers_next_ms(&peers, true), 1000 + PEERS_GONE_MS);
    assert_int_equal(peers_age(&peers, true, 1000 + PEERS_GONE_MS)->state, PEER_GONE);
    assert_int_equal(peers.count, 1); /* the caller may still look at whom it was */
    assert_null(peers_age(&peers, true, 1000 + PEERS_GONE_MS));
    assert_int_equal(peers.count, 0);
    assert_int_equal(peers_next_ms(&peers, true), UINT64_MAX);
}

static void while_we_are_offline_nobody_goes(void **state)
{
    (void)state;
    static struct peers peers;
    struct presence presence = presence_of(1, 1);
    peers = (struct peers){0};
    hear(&peers, &presence, 0);
    assert_int_equal(peers_age(&peers, false, PEERS_GONE_MS)->state, PEER_QUIET);
    assert_null(peers_age(&peers, false, 100 * (uint64_t)PEERS_GONE_MS));
    assert_int_equal(peers_next_ms(&peers, false), UINT64_MAX); /* nothing will change by itself */
    presence.counter = 2;
    assert_int_equal(hear(&peers, &presence, 7)->state, PEER_HERE); /* heard again */
}

static void when_the_relay_says_that_nobody_is_here_each_one_is_told(void **state)
{
    (void)state;
    static struct peers peers;
    peers = (struct peers){0};
    for (unsigned char agent = 1; agent <= 3; agent++) {
        struct presence presence = presence_of(agent, 1);
        hear(&peers, &presence, 0);
    }
    peers_leave_all(&peers);
    for (int told = 0; told < 3; told++)
        assert_int_equal(peers_age(&peers, true, 1)->state, PEER_GONE);
    assert_null(peers_age(&peers, true, 1));
    assert_int_equal(peers.count, 0);
    struct presence presence = presence_of(4, 1);
    hear(&peers, &presence, 1);
    assert_null(peers_age(&peers, true, 1)); /* what was said is over */
}

static void who_leaves_is_gone_at_once_and_a_stranger_who_leaves_never_came(void **state)
{
    (void)state;
    static struct peers peers;
    struct presence presence = presence_of(1, 1), stranger = presence_of(2, 1);
    peers = (struct peers){0};
    hear(&peers, &presence, 0);
    presence.counter = 2;
    presence.flags = stranger.flags = PRESENCE_LEAVING;
    assert_int_equal(hear(&peers, &presence, 0)->state, PEER_GONE);
    assert_null(hear(&peers, &stranger, 0));
    assert_null(peers_age(&peers, true, 0));
    assert_int_equal(peers.count, 0);
}

static void so_many_people_are_followed_and_no_more(void **state)
{
    (void)state;
    static struct peers peers;
    peers = (struct peers){0};
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        struct presence presence = {.agent = {{1, (unsigned char)i}}, .counter = 1};
        assert_non_null(hear(&peers, &presence, 0));
    }
    struct presence late = {.agent = {{2}}, .counter = 1}, known = {.agent = {{1, 9}}, .counter = 2};
    assert_null(hear(&peers, &late, 0));
    assert_non_null(hear(&peers, &known, 0));
    assert_int_equal(peers.count, PEERS_MAX);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_in_the_order_of_their_bytes),
        cmocka_unit_test(an_id_is_equal_up_to_its_last_byte),
        cmocka_unit_test(hex_is_lower_case_and_ends),
        cmocka_unit_test(every_member_is_found_in_whatever_order_they_came),
        cmocka_unit_test(the_first_member_of_an_agent_stays),
        cmocka_unit_test(a_full_roster_takes_nobody_more),
        cmocka_unit_test(a_presence_comes_back_as_it_was_sealed_also_at_its_longest),
        cmocka_unit_test(beside_a_card_there_is_no_room_for_marks),
        cmocka_unit_test(no_byte_of_it_can_be_changed_and_none_cut_off),
        cmocka_unit_test(without_the_documents_key_it_does_not_open),
        cmocka_unit_test(a_card_of_somebody_elses_device_is_refused),
        cmocka_unit_test(an_older_message_or_one_under_another_key_changes_nothing),
        cmocka_unit_test(an_agent_with_a_member_is_believed_only_under_its_key),
        cmocka_unit_test(a_reader_is_introduced_by_a_card_that_is_kept),
        cmocka_unit_test(who_is_not_heard_becomes_quiet_then_gone_and_is_then_forgotten),
        cmocka_unit_test(while_we_are_offline_nobody_goes),
        cmocka_unit_test(when_the_relay_says_that_nobody_is_here_each_one_is_told),
        cmocka_unit_test(who_leaves_is_gone_at_once_and_a_stranger_who_leaves_never_came),
        cmocka_unit_test(so_many_people_are_followed_and_no_more),
    };
    return RUN_TESTS("peers", tests);
}
