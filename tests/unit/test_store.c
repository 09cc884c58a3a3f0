/* The relay's store: places without holes, answers in order, nothing acknowledged that a crash could take back. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/record.h"
#include "sync/relay/store.h"
#include "tests/support/scratch.h"

/* The newest answer, kept. */
struct heard {
    size_t count;
    enum store_result result;
    uint64_t tag;
    struct store_document document;
    struct store_agent agents[4];
    uint64_t places[64];
    size_t row_count;
    char last_row[64];
    size_t genesis_len, freed_count;
    uint64_t freed;
};

static void hear(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct heard *heard = self;
    heard->count++;
    heard->result = reply->result;
    heard->tag = tag;
    heard->document = reply->document;
    heard->document.agents = NULL;
    for (size_t i = 0; i < reply->document.agent_count && i < 4; i++)
        heard->agents[i] = reply->document.agents[i];
    heard->row_count = reply->row_count;
    for (size_t i = 0; i < reply->row_count && i < 64; i++) {
        heard->places[i] = reply->rows[i].place;
        snprintf(heard->last_row, sizeof heard->last_row, "%.*s", (int)reply->rows[i].stored.len,
                 (const char *)reply->rows[i].stored.data);
    }
    heard->genesis_len = reply->genesis.len;
    heard->freed_count = reply->freed_count;
    heard->freed = 0;
    for (size_t i = 0; i < reply->freed_count; i++)
        heard->freed += reply->freed[i].bytes;
}

static const struct doc_id doc = {{1, 2, 3}};
static const struct log_id log_id = {{9}};

static struct store_done to(struct heard *heard)
{
    return (struct store_done){.call = hear, .self = heard};
}

static enum store_result settle(struct store *store, struct heard *heard)
{
    store_commit(store);
    store_poll(store);
    return heard->result;
}

static struct store *open_store(const char *path)
{
    struct error err = {0};
    struct store *store = store_open(&(struct store_options){.path = path, .by_hand = true}, &err);
    if (!store)
        fail_msg("%s", err.text);
    return store;
}

static void create(struct store *store, struct heard *heard)
{
    store_create(store, &doc, &log_id, bytes_of_string("genesis"), 100, to(heard));
    assert_int_equal(settle(store, heard), STORE_OK);
    store_load(store, &doc, to(heard));
    assert_int_equal(settle(store, heard), STORE_OK);
}

static void append(struct store *store, const struct heard *loaded, uint64_t place, uint64_t seq, const char *body,
                   struct heard *heard)
{
    struct store_append append = {.key = loaded->document.key,
                                  .epoch = loaded->document.epoch,
                                  .now_s = 200,
                                  .row = {.place = place,
                                          .kind = RECORD_EVENTS,
                                          .agent_number = 1,
                                          .seq0 = seq,
                                          .count = 1,
                                          .stored = bytes_of_string(body)}};
    store_append(store, &append, to(heard));
}

static void introduce(struct store *store, const struct heard *loaded, struct heard *heard)
{
    struct store_agent member = {.number = 1, .id = {{7}}, .device_key = {{8}}, .member_hash = {{9}}};
    struct store_append append = {
        .key = loaded->document.key,
        .epoch = loaded->document.epoch,
        .row = {.place = 2, .kind = RECORD_MEMBER, .agent_number = 1, .stored = bytes_of_string("member")},
        .member = &member};
    store_append(store, &append, to(heard));
    assert_int_equal(settle(store, heard), STORE_OK);
}

static void a_document_is_created_once_and_found_again(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard heard = {0};
    store_find(store, &doc, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_MISSING);
    create(store, &heard);
    assert_int_equal(heard.document.head, 1);
    assert_memory_equal(heard.document.log.bytes, log_id.bytes, LOG_ID_BYTES);
    store_create(store, &doc, &log_id, bytes_of_string("other"), 100, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_EXISTS);
    store_find(store, &doc, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OK);
    assert_int_equal(heard.genesis_len, strlen("genesis"));
    assert_int_equal(store_totals(store).documents, 1);
    store_free(store);
}

static void nothing_is_answered_before_the_commit(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard heard = {0};
    store_create(store, &doc, &log_id, bytes_of_string("genesis"), 100, to(&heard));
    assert_int_equal(store_poll(store), 0);
    store_commit(store);
    assert_int_equal(heard.count, 0);
    assert_int_equal(store_poll(store), 1);
    assert_int_equal(heard.count, 1);
    store_free(store);
}

static void places_have_no_holes(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    introduce(store, &loaded, &heard);
    append(store, &loaded, 4, 0, "too far", &heard);
    assert_int_equal(settle(store, &heard), STORE_FENCED);
    append(store, &loaded, 2, 0, "taken", &heard);
    assert_int_equal(settle(store, &heard), STORE_FENCED);
    append(store, &loaded, 3, 0, "next", &heard);
    assert_int_equal(settle(store, &heard), STORE_OK);
    store_free(store);
}

static void after_a_refused_append_those_behind_it_are_refused_too(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, first = {0}, second = {0};
    create(store, &loaded);
    introduce(store, &loaded, &first);
    append(store, &loaded, 5, 0, "far", &first);
    append(store, &loaded, 6, 1, "farther", &second);
    settle(store, &second);
    assert_int_equal(first.result, STORE_FENCED);
    assert_int_equal(second.result, STORE_FENCED);
    store_free(store);
}

static void a_loaded_document_knows_its_agents_and_how_far_they_are(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    introduce(store, &loaded, &heard);
    append(store, &loaded, 3, 0, "one", &heard);
    append(store, &loaded, 4, 1, "two", &heard);
    settle(store, &heard);
    store_load(store, &doc, to(&loaded));
    settle(store, &loaded);
    assert_int_equal(loaded.document.head, 4);
    assert_int_equal(loaded.document.bytes, strlen("genesismemberonetwo"));
    assert_int_equal(loaded.document.agent_count, 1);
    assert_int_equal(loaded.agents[0].next_seq, 2);
    assert_int_equal(loaded.agents[0].device_key.bytes[0], 8);
    store_free(store);
}

static void reading_goes_on_where_it_stopped_in_pieces(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    introduce(store, &loaded, &heard);
    for (uint64_t i = 0; i < 10; i++)
        append(store, &loaded, 3 + i, i, "0123456789", &heard);
    settle(store, &heard);
    uint64_t after = 0;
    size_t pieces = 0;
    while (after < 12) {
        store_read(store, loaded.document.key, after, 30, to(&heard));
        assert_int_equal(settle(store, &heard), STORE_OK);
        assert_true(heard.row_count >= 1 && heard.row_count <= 3);
        for (size_t i = 0; i < heard.row_count; i++)
            assert_int_equal(heard.places[i], after + 1 + i);
        after += heard.row_count;
        pieces++;
    }
    assert_int_equal(pieces, 4);
    store_read(store, loaded.document.key, after, 30, to(&heard));
    settle(store, &heard);
    assert_int_equal(heard.row_count, 0);
    store_free(store);
}

static void a_look_up_tells_the_same_bytes_from_others_under_one_number(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    introduce(store, &loaded, &heard);
    append(store, &loaded, 3, 0, "mine", &heard);
    struct store_row row = {.kind = RECORD_EVENTS, .agent_number = 1, .seq0 = 0, .count = 1};
    struct digest same, other;
    record_hash(bytes_of_string("mine"), &same);
    record_hash(bytes_of_string("evil"), &other);
    row.stored.len = strlen("mine");
    store_lookup(store, loaded.document.key, &row, &same, to(&heard)); /* right behind the append */
    assert_int_equal(settle(store, &heard), STORE_EXISTS);
    store_lookup(store, loaded.document.key, &row, &other, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OTHER);
    row.stored.len = strlen("forged"); /* of another length: it cannot be the same */
    store_lookup(store, loaded.document.key, &row, &same, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OTHER);
    row.count = 2;
    store_lookup(store, loaded.document.key, &row, &other, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_MISSING);
    store_free(store);
}

/* However many there are, so many are looked at. */
static void a_look_up_says_when_a_number_is_crowded(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    char body[16];
    struct digest hash;
    create(store, &loaded);
    introduce(store, &loaded, &heard);
    struct store_row row = {.kind = RECORD_EVENTS, .agent_number = 1, .seq0 = 0, .count = 1, .stored = {.len = 8}};
    for (unsigned i = 0; i < STORE_SIDES_MAX; i++) {
        record_hash(bytes_of_string("new one!"), &hash);
        store_lookup(store, loaded.document.key, &row, &hash, to(&heard));
        assert_int_equal(settle(store, &heard), i == 0 ? STORE_MISSING : STORE_OTHER);
        snprintf(body, sizeof body, "side %03u", i);
        append(store, &loaded, 3 + i, 0, body, &heard);
    }
    store_lookup(store, loaded.document.key, &row, &hash, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_CROWDED);
    record_hash(bytes_of_string(body), &hash); /* the newest of them */
    store_lookup(store, loaded.document.key, &row, &hash, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_EXISTS);
    row.seq0 = 1;
    store_lookup(store, loaded.document.key, &row, &hash, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_MISSING);
    store_free(store);
}

/* --- packs --- */

static void append_row(struct store *store, const struct heard *loaded, const struct store_row *row, uint64_t now_s,
                       struct heard *heard)
{
    struct store_append append = {
        .key = loaded->document.key, .epoch = loaded->document.epoch, .now_s = now_s, .row = *row};
    append.row.agent_number = 1;
    store_append(store, &append, to(heard));
    assert_int_equal(settle(store, heard), STORE_OK);
}

/* Places 3 to 7: five rows of two events each; place 8: what is said to be their pack. */
static struct store *packed_store(struct heard *loaded, uint64_t seq0, uint64_t count, uint64_t now_s)
{
    struct store *store = open_store(":memory:");
    struct heard heard = {0};
    create(store, loaded);
    introduce(store, loaded, &heard);
    for (uint64_t i = 0; i < 5; i++)
        append_row(store, loaded,
                   &(struct store_row){.place = 3 + i, .kind = RECORD_EVENTS, .seq0 = 2 * i, .count = 2,
                                       .stored = bytes_of_string((char[]){(char)('a' + i), 0})},
                   100, &heard);
    append_row(store, loaded,
               &(struct store_row){.place = 8, .kind = RECORD_PACK, .seq0 = seq0, .count = count,
                                   .stored = bytes_of_string("pack")},
               now_s, &heard);
    return store;
}

static const struct store_purge everything = {.place = INT64_MAX, .before_s = INT64_MAX};

static size_t purge(struct store *store, const struct store_purge *purge, struct heard *heard)
{
    store_purge(store, purge, to(heard));
    assert_int_equal(settle(store, heard), STORE_OK);
    return heard->freed_count;
}

static void expect_places(struct store *store, const struct heard *loaded, const uint64_t *places, size_t count)
{
    struct heard heard = {0};
    store_read(store, loaded->document.key, 2, 4096, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OK);
    assert_int_equal(heard.row_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(heard.places[i], places[i]);
}

/* --- checkpoints --- */

/* So many texts of a set, and with `whole` the word that it is; *place: the next one. */
static void append_set(struct store *store, const struct heard *loaded, uint64_t set, unsigned texts, bool whole, uint64_t *place)
{
    struct heard heard = {0};
    for (unsigned i = 0; i < texts + whole; i++) {
        unsigned kind = i < texts ? RECORD_CHECKPOINT_TEXT : RECORD_CHECKPOINT;
        append_row(store, loaded,
                   &(struct store_row){.place = (*place)++, .kind = kind, .seq0 = set, .stored = bytes_of_string("part")}, 100, &heard);
    }
}

static struct store *checkpoint_store(struct heard *loaded)
{
    struct store *store = open_store(":memory:");
    struct heard heard = {0};
    create(store, loaded);
    introduce(store, loaded, &heard);
    return store;
}

static void two_whole_checkpoints_are_kept_and_what_is_older_goes(void **state)
{
    (void)state;
    static const uint64_t both[] = {3, 4, 5, 6, 7, 8, 9}, three[] = {5, 6, 7, 8, 9, 10, 11}, four[] = {5, 10, 11, 12, 13};
    struct heard loaded = {0}, heard = {0};
    struct store *store = checkpoint_store(&loaded);
    uint64_t place = 3, whole = strlen("genesismember") + strlen("edit");
    append_set(store, &loaded, 10, 1, true, &place);
    append_row(store, &loaded, &(struct store_row){.place = place++, .kind = RECORD_EVENTS, .count = 1,
                                                   .stored = bytes_of_string("edit")}, 100, &heard);
    append_set(store, &loaded, 20, 2, true, &place);
    append_set(store, &loaded, 30, 1, false, &place); /* its writer has gone */
    expect_places(store, &loaded, both, 7);
    append_set(store, &loaded, 40, 1, true, &place);
    expect_places(store, &loaded, three, 7); /* which of the unfinished ones still go on is not known here */
    append_set(store, &loaded, 50, 1, true, &place);
    expect_places(store, &loaded, four, 5);
    store_load(store, &doc, to(&loaded));
    assert_int_equal(settle(store, &loaded), STORE_OK);
    assert_int_equal(loaded.document.bytes, whole + 4 * strlen("part"));
    assert_int_equal(store_totals(store).bytes, loaded.document.bytes);
    assert_int_equal(loaded.agents[0].next_seq, 1); /* they move nobody's seq */
    store_free(store);
}

static void the_newest_whole_checkpoint_is_read_with_what_it_is_checked_by(void **state)
{
    (void)state;
    struct heard loaded = {0}, heard = {0};
    struct store *store = checkpoint_store(&loaded);
    uint64_t place = 3;
    store_checkpoint(store, loaded.document.key, NULL, 9, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_MISSING);
    assert_int_equal(heard.row_count, 0);
    append_set(store, &loaded, 10, 1, true, &place);
    append_set(store, &loaded, 20, 3, true, &place); /* places 5 to 8 */
    append_set(store, &loaded, 30, 2, false, &place);
    store_checkpoint(store, loaded.document.key, NULL, 9, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OK);
    assert_int_equal(heard.row_count, 3);
    assert_int_equal(heard.places[0], 1);
    assert_int_equal(heard.places[1], 2);
    assert_int_equal(heard.places[2], 8);
    struct store_row from = {.agent_number = 1, .seq0 = 20};
    store_checkpoint(store, loaded.document.key, &from, 9, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OK);
    assert_int_equal(heard.row_count, 2);
    assert_int_equal(heard.places[0], 5);
    from.place = heard.places[1];
    store_checkpoint(store, loaded.document.key, &from, 9, to(&heard));
    settle(store, &heard);
    assert_int_equal(heard.row_count, 1);
    assert_int_equal(heard.places[0], 7);
    from.place = 7;
    store_checkpoint(store, loaded.document.key, &from, 9, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OK);
    assert_int_equal(heard.row_count, 0);
    store_free(store);
}

static void the_rows_a_pack_stands_in_for_are_read_until_they_are_purged(void **state)
{
    (void)state;
    struct heard loaded = {0}, heard = {0};
    struct store *store = packed_store(&loaded, 2, 8, 100);
    uint64_t before = store_totals(store).bytes;
    expect_places(store, &loaded, (uint64_t[]){3, 4, 5, 6, 7, 8}, 6);
    assert_int_equal(purge(store, &everything, &heard), 1);
    assert_int_equal(heard.freed, 4);
    expect_places(store, &loaded, (uint64_t[]){3, 8}, 2);
    assert_int_equal(store_totals(store).bytes, before - 4);
    store_load(store, &doc, to(&loaded));
    settle(store, &loaded);
    assert_int_equal(loaded.document.bytes, before - 4);
    assert_int_equal(loaded.document.head, 8);
    assert_int_equal(loaded.agents[0].next_seq, 10);
    assert_int_equal(purge(store, &everything, &heard), 0);
    store_free(store);
}

static void a_pack_that_does_not_cover_whole_rows_stands_in_for_nothing(void **state)
{
    (void)state;
    static const struct {
        uint64_t seq0, count;
    } cases[] = {{1, 9}, {0, 9}, {3, 4}, {1, 1}, {10, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct heard loaded = {0}, heard = {0};
        struct store *store = packed_store(&loaded, cases[i].seq0, cases[i].count, 100);
        assert_int_equal(purge(store, &everything, &heard), 0);
        expect_places(store, &loaded, (uint64_t[]){3, 4, 5, 6, 7, 8}, 6);
        store_free(store);
    }
}

/* A log that has lost its tail gets it back in the same record. */
static void a_pack_may_go_on_where_the_log_ends(void **state)
{
    (void)state;
    struct heard loaded = {0}, heard = {0};
    struct store *store = packed_store(&loaded, 0, 30, 100);
    assert_int_equal(purge(store, &everything, &heard), 1);
    expect_places(store, &loaded, (uint64_t[]){8}, 1);
    store_load(store, &doc, to(&loaded));
    settle(store, &loaded);
    assert_int_equal(loaded.agents[0].next_seq, 30);
    store_free(store);
}

static void the_same_pack_again_stands_in_for_the_first(void **state)
{
    (void)state;
    struct heard loaded = {0}, heard = {0};
    struct store *store = packed_store(&loaded, 0, 10, 100);
    append_row(store, &loaded,
               &(struct store_row){.place = 9, .kind = RECORD_PACK, .seq0 = 0, .count = 10,
                                   .stored = bytes_of_string("pack")},
               100, &heard);
    assert_int_equal(purge(store, &everything, &heard), 2);
    expect_places(store, &loaded, (uint64_t[]){9}, 1);
    store_free(store);
}

static void a_pack_far_behind_its_rows_stands_in_for_nothing(void **state)
{
    (void)state;
    enum { HALF = STORE_PACK_SPAN_BYTES / 2 };
    char *large = xcalloc(1, HALF + 1);
    memset(large, 'x', HALF);
    for (int far = 0; far < 2; far++) {
        struct heard loaded = {0}, heard = {0};
        struct store *store = open_store(":memory:");
        create(store, &loaded);
        introduce(store, &loaded, &heard);
        append(store, &loaded, 3, 0, "a", &heard);
        append(store, &loaded, 4, 1, large, &heard);
        append(store, &loaded, 5, 2, far ? large : "b", &heard);
        settle(store, &heard);
        append_row(store, &loaded,
                   &(struct store_row){.place = 6, .kind = RECORD_PACK, .seq0 = 0, .count = 3,
                                       .stored = bytes_of_string("pack")},
                   100, &heard);
        assert_int_equal(purge(store, &everything, &heard), far ? 0 : 1);
        store_free(store);
    }
    free(large);
}

static void a_purge_goes_by_document_place_time_and_device(void **state)
{
    (void)state;
    struct heard loaded = {0}, heard = {0};
    struct store *store = packed_store(&loaded, 0, 10, 100);
    uint64_t key = loaded.document.key;
    assert_int_equal(purge(store, &(struct store_purge){key + 1, INT64_MAX, INT64_MAX, {{0}}}, &heard), 0);
    assert_int_equal(purge(store, &(struct store_purge){key, 7, INT64_MAX, {{0}}}, &heard), 0);
    assert_int_equal(purge(store, &(struct store_purge){key, 8, 100, {{0}}}, &heard), 0);
    assert_int_equal(purge(store, &(struct store_purge){key, 8, 101, {{8}}}, &heard), 0); /* its own device */
    assert_int_equal(purge(store, &(struct store_purge){0, 8, 101, {{8}}}, &heard), 0);
    assert_int_equal(purge(store, &(struct store_purge){key, 8, 101, {{9}}}, &heard), 1);
    store_free(store);
}

static void a_row_that_somebody_stands_up_for_stays(void **state)
{
    (void)state;
    struct heard loaded = {0}, heard = {0};
    struct store *store = packed_store(&loaded, 0, 10, 100);
    struct store_row row = {.kind = RECORD_EVENTS, .agent_number = 1, .seq0 = 4, .count = 2, .stored = {.len = 1}};
    struct digest mine, other;
    record_hash(bytes_of_string("c"), &mine);
    record_hash(bytes_of_string("d"), &other);
    store_unpack(store, loaded.document.key, &row, &other, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OTHER);
    store_unpack(store, loaded.document.key, &row, &mine, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_EXISTS);
    assert_int_equal(purge(store, &everything, &heard), 1);
    expect_places(store, &loaded, (uint64_t[]){5, 8}, 2);
    store_free(store);
}

static void a_removed_document_stays_closed(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    store_remove(store, &doc, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_OK);
    store_find(store, &doc, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_CLOSED);
    store_create(store, &doc, &log_id, bytes_of_string("genesis"), 100, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_CLOSED);
    append(store, &loaded, 2, 0, "late", &heard);
    assert_int_equal(settle(store, &heard), STORE_FENCED);
    assert_int_equal(store_totals(store).documents, 0);
    assert_int_equal(store_totals(store).bytes, 0);
    store_free(store);
}

/* `weft relay rm` beside a relay that runs: what it frees can be used at once. */
static void totals_follow_what_another_program_removed(void **state)
{
    char *path = scratch_file(*state, "shared.db");
    struct store *store = open_store(path), *operator = open_store(path);
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    assert_int_equal(store_totals(store).documents, 1);
    store_remove(operator, &doc, to(&heard));
    assert_int_equal(settle(operator, &heard), STORE_OK);
    store_find(store, &doc, to(&heard));
    assert_int_equal(settle(store, &heard), STORE_CLOSED);
    assert_int_equal(store_totals(store).documents, 0);
    assert_int_equal(store_totals(store).bytes, 0);
    store_free(operator);
    store_free(store);
    free(path);
}

static void hear_sizes(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct heard *heard = self;
    (void)tag;
    heard->result = reply->result;
    heard->row_count = reply->size_count;
    for (size_t i = 0; i < reply->size_count; i++)
        heard->places[i] = reply->sizes[i].bytes;
}

static void the_largest_documents_are_told_in_order_and_no_more_than_so_many(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard heard = {0};
    char body[STORE_LARGEST_MAX + 8];
    memset(body, 'x', sizeof body);
    for (unsigned i = 1; i <= STORE_LARGEST_MAX + 5; i++)
        store_create(store, &(struct doc_id){{(unsigned char)i}}, &log_id, bytes_of(body, i), 100, to(&heard));
    store_remove(store, &(struct doc_id){{STORE_LARGEST_MAX + 5}}, to(&heard));
    store_largest(store, (struct store_done){.call = hear_sizes, .self = &heard});
    assert_int_equal(settle(store, &heard), STORE_OK);
    assert_int_equal(heard.row_count, STORE_LARGEST_MAX);
    for (unsigned i = 0; i < STORE_LARGEST_MAX; i++)
        assert_int_equal(heard.places[i], STORE_LARGEST_MAX + 4 - i);
    store_free(store);
}

static void a_crash_takes_only_what_was_not_committed(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard loaded = {0}, heard = {0};
    create(store, &loaded);
    introduce(store, &loaded, &heard);
    append(store, &loaded, 3, 0, "committed", &heard);
    settle(store, &heard);
    size_t answers = heard.count;
    append(store, &loaded, 4, 1, "queued", &heard);
    store_crash(store);
    settle(store, &heard);
    assert_int_equal(heard.count, answers);
    store_load(store, &doc, to(&loaded));
    settle(store, &loaded);
    assert_int_equal(loaded.document.head, 3);
    store_free(store);
}

static void who_went_away_gets_no_answers(void **state)
{
    (void)state;
    struct store *store = open_store(":memory:");
    struct heard heard = {0}, next = {0};
    store_create(store, &doc, &log_id, bytes_of_string("genesis"), 100, to(&heard));
    store_silence(store);
    store_find(store, &doc, to(&next));
    settle(store, &next);
    assert_int_equal(heard.count, 0);
    assert_int_equal(next.result, STORE_OK);
    store_free(store);
}

static void wake(void *self)
{
    __atomic_add_fetch((int *)self, 1, __ATOMIC_SEQ_CST);
}

static void on_its_own_thread_answers_come_in_order_and_survive_reopening(void **state)
{
    char *path = scratch_file(*state, "relay.db");
    struct error err = {0};
    int woken = 0;
    struct heard loaded = {0}, heard[100] = {{0}};
    struct store *store = store_open(&(struct store_options){.path = path, .wake = wake, .wake_self = &woken}, &err);
    assert_non_null(store);
    create(store, &loaded);
    introduce(store, &loaded, &heard[0]);
    for (uint64_t i = 0; i < 100; i++)
        append(store, &loaded, 3 + i, i, "body", &heard[i]);
    store_commit(store);
    store_poll(store);
    assert_true(__atomic_load_n(&woken, __ATOMIC_SEQ_CST) > 0);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(heard[i].result, STORE_OK);
    store_free(store);

    store = open_store(path);
    store_load(store, &doc, to(&loaded));
    settle(store, &loaded);
    assert_int_equal(loaded.document.head, 102);
    assert_int_equal(loaded.agents[0].next_seq, 100);
    assert_int_equal(store_totals(store).documents, 1);

    char *copy = scratch_file(*state, "copy.db");
    assert_true(store_backup(store, copy, &err));
    struct store *restored = open_store(copy);
    assert_int_equal(store_totals(restored).bytes, store_totals(store).bytes);
    store_free(restored);
    store_free(store);
    free(copy);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_created_once_and_found_again),
        cmocka_unit_test(nothing_is_answered_before_the_commit),
        cmocka_unit_test(places_have_no_holes),
        cmocka_unit_test(after_a_refused_append_those_behind_it_are_refused_too),
        cmocka_unit_test(a_loaded_document_knows_its_agents_and_how_far_they_are),
        cmocka_unit_test(reading_goes_on_where_it_stopped_in_pieces),
        cmocka_unit_test(a_look_up_tells_the_same_bytes_from_others_under_one_number),
        cmocka_unit_test(a_look_up_says_when_a_number_is_crowded),
        cmocka_unit_test(two_whole_checkpoints_are_kept_and_what_is_older_goes),
        cmocka_unit_test(the_newest_whole_checkpoint_is_read_with_what_it_is_checked_by),
        cmocka_unit_test(the_rows_a_pack_stands_in_for_are_read_until_they_are_purged),
        cmocka_unit_test(a_pack_that_does_not_cover_whole_rows_stands_in_for_nothing),
        cmocka_unit_test(a_pack_may_go_on_where_the_log_ends),
        cmocka_unit_test(the_same_pack_again_stands_in_for_the_first),
        cmocka_unit_test(a_pack_far_behind_its_rows_stands_in_for_nothing),
        cmocka_unit_test(a_purge_goes_by_document_place_time_and_device),
        cmocka_unit_test(a_row_that_somebody_stands_up_for_stays),
        cmocka_unit_test(a_removed_document_stays_closed),
        cmocka_unit_test_setup_teardown(totals_follow_what_another_program_removed, scratch_setup, scratch_teardown),
        cmocka_unit_test(the_largest_documents_are_told_in_order_and_no_more_than_so_many),
        cmocka_unit_test(a_crash_takes_only_what_was_not_committed),
        cmocka_unit_test(who_went_away_gets_no_answers),
        cmocka_unit_test_setup_teardown(on_its_own_thread_answers_come_in_order_and_survive_reopening, scratch_setup,
                                        scratch_teardown),
    };
    return RUN_TESTS("store", tests);
}
