/* Two machines on which people type at once, key by key: what each journal and the relay keep of it, and what can be made of that. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "tests/support/filled_relay.h"
#include "tests/support/home.h"

enum { RECORDS = 3, KEYS = 200, KEYS_MORE = 30, FEW_ROWS = 60 };

struct room {
    struct home *home;
    struct doc_keys keys;
    struct filled_relay relay;
    char *path;
};

static struct replica *join(const struct room *room, struct home *home)
{
    struct error err = {0};
    struct share_link link = {.doc = room->keys.doc, .access = ACCESS_WRITE, .host_count = 1};
    struct replica_options options = {.port = home_port(home), .name = "lin"};
    link.hosts[0].port = room->relay.port;
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "127.0.0.1");
    memcpy(link.seed, room->keys.write_seed, sizeof link.seed);
    struct replica *replica = replica_join(&home->env, &link, NULL, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    return replica;
}

static bool is_settled(struct replica *replica, struct replica *none)
{
    (void)none;
    return replica_is_settled(replica);
}

static bool have_one_text(struct replica *replica, struct replica *other)
{
    return rope_equal(replica_buffer(replica)->text, replica_buffer(other)->text);
}

static void begin_room(struct room *room, struct home *home)
{
    struct filling filling = {.records = RECORDS};
    *room = (struct room){.home = home, .path = xformat("%s/relay.db", home->dir)};
    doc_keys_new(&room->keys);
    room->relay = filled_relay_start(room->path, &room->keys, &filling);
}

static void end_room(struct room *room)
{
    filled_relay_end(&room->relay);
    free(room->path);
}

static struct journal *journal_of(struct home *home, const struct doc_id *doc)
{
    struct error err = {0};
    char *path = env_journal_path(&home->env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_READ, .doc = *doc};
    struct journal *journal = journal_open_on(&home->env.device, spec, &err);
    if (!journal)
        fail_msg("%s", err.text);
    free(path);
    return journal;
}

/* --- rows of a journal --- */

struct kinds {
    uint64_t rows, packs, woven; /* woven: packed rows of which a later batch builds on others */
};

static bool count_kind(void *self, const struct journal_row *row)
{
    struct kinds *kinds = self;
    struct batch_run run;
    struct error err = {0};
    kinds->rows++;
    kinds->packs += row->form == JOURNAL_RECEIVED && row->kind == RECORD_PACK;
    if (row->form != JOURNAL_PACKED)
        return true;
    assert_true(batch_run_read(row->body, &row->agent, row->seq0, row->count, &run, &err));
    struct batch_cursor cursor = batch_cursor_of(&run);
    bool woven = false;
    for (size_t i = 0; batch_cursor_next(&cursor); i++)
        woven |= i > 0 && cursor.batch->parent_count > 0;
    batch_cursor_release(&cursor);
    kinds->woven += woven;
    return true;
}

static struct kinds kinds_of(struct home *home, const struct doc_id *doc)
{
    struct kinds kinds = {0};
    struct journal_read read = {0};
    struct error err = {0};
    struct journal *journal = journal_of(home, doc);
    assert_true(journal_rows(journal, 0, (struct journal_visitor){&kinds, count_kind}, &read, &err));
    assert_int_equal(read.damaged, 0);
    journal_close(journal);
    return kinds;
}

/* By every signature, from the rows alone. */
static void expect_audited(struct home *home, const struct room *room, uint64_t batches)
{
    struct replica_audit audit;
    struct error err = {0};
    struct replica_options options = {.port = home_port(home), .reads_only = true, .alone = true, .audits = true};
    struct replica *replica = replica_open_known(&home->env, &room->keys.doc, NULL, &options, &err);
    assert_non_null(replica);
    if (!replica_audit(replica, &audit, &err))
        fail_msg("%s", err.text);
    assert_int_equal(audit.batches, batches);
    home_close(replica);
}

/* --- two people --- */

struct pair {
    struct room room;
    struct home *machine; /* kim's */
    struct replica *lin, *kim;
};

static void type_by_turns(struct pair *pair, size_t keys)
{
    for (size_t i = 0; i < keys; i++) {
        home_type(pair->lin, 0, "l");
        home_wait(pair->lin, pair->kim, have_one_text);
        home_type(pair->kim, 0, "k");
        home_wait(pair->lin, pair->kim, have_one_text);
    }
}

/* Both type no more until each one's packs are with the other one. */
static void pause(struct pair *pair)
{
    for (uint64_t until_ms = net_now_ms() + 3 * UPLOAD_PACK_IDLE_MS / 2; net_now_ms() < until_ms;) {
        replica_wait(pair->lin, HOME_STEP_MS);
        replica_wait(pair->kim, HOME_STEP_MS);
    }
    home_wait(pair->lin, NULL, is_settled);
    home_wait(pair->kim, NULL, is_settled);
}

static void begin_pair(struct pair *pair, struct home *home)
{
    void *machine;
    begin_room(&pair->room, home);
    assert_int_equal(home_setup(&machine), 0);
    pair->machine = machine;
    pair->lin = join(&pair->room, home);
    pair->kim = join(&pair->room, pair->machine);
    home_wait(pair->lin, NULL, is_settled);
    home_wait(pair->kim, NULL, is_settled);
}

static void end_pair(struct pair *pair)
{
    void *machine = pair->machine;
    home_close(pair->lin);
    home_close(pair->kim);
    home_teardown(&machine);
    end_room(&pair->room);
}

static void close_both(struct pair *pair)
{
    home_close(pair->lin);
    home_close(pair->kim);
    pair->lin = pair->kim = NULL;
}

static void join_both(struct pair *pair)
{
    pair->lin = join(&pair->room, pair->room.home);
    pair->kim = join(&pair->room, pair->machine);
}

static void two_who_type_key_by_key_have_small_journals(void **state)
{
    struct pair pair;
    uint64_t batches = RECORDS + 2 * KEYS;
    begin_pair(&pair, *state);
    type_by_turns(&pair, KEYS);
    pause(&pair);
    char *text = home_text(pair.lin);
    close_both(&pair);
    struct home *homes[] = {pair.room.home, pair.machine};
    for (size_t i = 0; i < 2; i++) {
        struct kinds kinds = kinds_of(homes[i], &pair.room.keys.doc);
        assert_in_range(kinds.rows, 1, FEW_ROWS);
        assert_in_range(kinds.packs, 1, FEW_ROWS);
        assert_in_range(kinds.woven, 1, FEW_ROWS);
        expect_audited(homes[i], &pair.room, batches);
    }
    join_both(&pair);
    home_expect_text(pair.lin, text);
    home_expect_text(pair.kim, text);
    type_by_turns(&pair, KEYS_MORE);
    free(text);
    end_pair(&pair);
}

/* The relay has few records of it as well, and who joins has all of it from them. */
static void who_joins_reads_the_packs_of_both(void **state)
{
    struct pair pair;
    void *machine;
    begin_pair(&pair, *state);
    type_by_turns(&pair, KEYS);
    pause(&pair);
    close_both(&pair);
    join_both(&pair); /* behind the packs: what they stand in for goes */
    home_wait(pair.lin, NULL, is_settled);
    home_wait(pair.kim, NULL, is_settled);
    type_by_turns(&pair, KEYS_MORE);
    assert_int_equal(home_setup(&machine), 0);
    struct replica *ann = join(&pair.room, machine);
    home_wait(ann, pair.lin, have_one_text);
    home_wait(ann, NULL, is_settled);
    home_close(ann);
    struct kinds kinds = kinds_of(machine, &pair.room.keys.doc);
    assert_in_range(kinds.rows, 1, 3 * KEYS_MORE + FEW_ROWS);
    assert_in_range(kinds.packs, 2, FEW_ROWS);
    expect_audited(machine, &pair.room, RECORDS + 2 * (KEYS + KEYS_MORE));
    home_teardown(&machine);
    end_pair(&pair);
}

/* One of the two is there again: what both wrote is in his packed rows, and in the other one's packs. */
static void a_relay_that_lost_all_of_it_gets_it_from_one_of_them(void **state)
{
    struct pair pair;
    void *machine;
    struct filling filling = {.records = RECORDS};
    begin_pair(&pair, *state);
    type_by_turns(&pair, KEYS);
    pause(&pair);
    char *text = home_text(pair.lin);
    close_both(&pair);
    pair.lin = join(&pair.room, pair.room.home);
    home_wait(pair.lin, NULL, is_settled);
    home_close(pair.lin);
    filled_relay_end(&pair.room.relay);
    char *other = xformat("%s/other.db", pair.room.home->dir);
    pair.room.relay = filled_relay_start(other, &pair.room.keys, &filling);
    pair.lin = join(&pair.room, pair.room.home);
    assert_int_equal(home_setup(&machine), 0);
    struct replica *ann = join(&pair.room, machine);
    home_wait(ann, pair.lin, have_one_text);
    home_expect_text(ann, text);
    home_wait(ann, NULL, is_settled);
    home_close(ann);
    expect_audited(machine, &pair.room, RECORDS + 2 * KEYS);
    pair.kim = join(&pair.room, pair.machine);
    home_wait(pair.lin, pair.kim, have_one_text);
    type_by_turns(&pair, KEYS_MORE);
    home_teardown(&machine);
    free(other);
    free(text);
    end_pair(&pair);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 2;
#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)
    const struct CMUnitTest tests[] = {
        HOME_TEST(two_who_type_key_by_key_have_small_journals),
        HOME_TEST(who_joins_reads_the_packs_of_both),
        HOME_TEST(a_relay_that_lost_all_of_it_gets_it_from_one_of_them),
    };
    return RUN_TESTS("replica_pair", tests);
}
