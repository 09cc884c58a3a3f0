/* A document: local and remote edits, admission, versions, undo, its saved form. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/document_parts.h"
#include "tests/support/replica.h"

enum { ANA = 'a', BEN = 'b', CLEO = 'c' };

struct pair {
    struct replica ana, ben;
};

static void begin(struct pair *pair, const char *base)
{
    replica_init(&pair->ana, base, ANA);
    replica_init(&pair->ben, base, BEN);
}

static void sync(struct pair *pair)
{
    replica_send(&pair->ana, &pair->ben, 0);
    replica_send(&pair->ben, &pair->ana, 0);
    replica_expect_same(&pair->ana, &pair->ben);
}

static void end(struct pair *pair)
{
    replica_release(&pair->ana);
    replica_release(&pair->ben);
}

static void what_one_types_the_other_reads(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " camp");
    sync(&pair);
    replica_edit(&pair.ben, 0, 4, bytes_of_string("boot"), true);
    sync(&pair);
    replica_expect(&pair.ana, "boot camp");
    end(&pair);
}

static void concurrent_words_at_one_place_stay_whole(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "--");
    for (size_t i = 0; i < 3; i++) {
        replica_edit(&pair.ana, 1 + i, 0, bytes_of_string(&"a\0b\0c"[2 * i]), true);
        replica_edit(&pair.ben, 1 + i, 0, bytes_of_string(&"x\0y\0z"[2 * i]), true);
    }
    sync(&pair);
    replica_expect(&pair.ana, "-abcxyz-"); /* the lower agent first */
    end(&pair);
}

static void random_edit(struct random *random, struct replica *replica)
{
    static const char letters[] = "key by key\n";
    struct patch patch = {0};
    uint64_t left = rope_len(replica->text);
    for (int places = random_chance(random, 5) ? 3 : 1; places > 0; places--) {
        uint64_t at = random_below(random, left + 1),
                 deleted = random_below(random, (left - at < 3 ? left - at : 3) + 1);
        patch_retain(&patch, at);
        patch_insert(&patch, bytes_of(letters, random_below(random, sizeof letters)));
        patch_delete(&patch, deleted);
        left -= at + deleted;
    }
    struct edit_mark mark = {.gesture = random_chance(random, 6), .time_s = random_chance(random, 8) ? 1000 : 0};
    document_local(replica->document, &replica->agents[random_chance(random, 8)], &patch, mark, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
}

/* The author records most keys by a short way; everybody else goes the long way, and has the same in the end. */
static void what_is_recorded_key_by_key_is_what_others_make_of_the_batches(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("keys", 31));
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct pair pair;
        struct buf left = {0}, right = {0};
        const char *base = random_chance(&random, 2) ? "" : "base text";
        begin(&pair, base);
        pair.ana.agents[1] = (struct agent_id){{'d'}};
        for (int i = 0; i < 120; i++) {
            if (random_chance(&random, 15))
                replica_undo(&pair.ana);
            else if (random_chance(&random, 15))
                random_edit(&random, &pair.ben);
            else
                random_edit(&random, &pair.ana);
            if (random_chance(&random, 10))
                sync(&pair);
        }
        sync(&pair);
        document_check(pair.ana.document);
        struct replica alone;
        replica_init(&alone, base, CLEO);
        replica_send(&pair.ana, &alone, 1); /* ana's batches in the order in which ana had them */
        replica_expect_same(&pair.ana, &alone);
        document_encode(pair.ana.document, &left);
        document_encode(alone.document, &right);
        assert_true(bytes_equal(buf_view(&left), buf_view(&right)));
        buf_release(&left);
        buf_release(&right);
        replica_release(&alone);
        end(&pair);
    }
}

static bool wants(const void *self, const struct agent_id *agent)
{
    const struct agent_id *unwanted = self;
    return !agent_id_equal(agent, unwanted);
}

static void edit_at(struct replica *replica, const struct agent_id *agent, uint64_t time_s, const char *label)
{
    struct patch patch = {0};
    patch_insert(&patch, bytes_of_string("x"));
    struct edit_mark mark = {.gesture = true, .time_s = time_s, .label = label};
    document_local(replica->document, agent, &patch, mark, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
}

static void the_last_edit_is_the_newest_of_those_that_are_wanted(void **state)
{
    (void)state;
    struct pair pair;
    struct agent_id disk = {{'d'}};
    begin(&pair, "");
    struct agent_filter not_ben = {&pair.ben.agents[0], wants};
    assert_int_equal(document_last_edit(pair.ben.document, not_ben).time_s, 0);
    edit_at(&pair.ben, &pair.ben.agents[0], 400, NULL);
    assert_int_equal(document_last_edit(pair.ben.document, not_ben).time_s, 0);
    edit_at(&pair.ana, &pair.ana.agents[0], 200, NULL);
    edit_at(&pair.ana, &pair.ana.agents[0], 100, NULL); /* a clock that was set back */
    edit_at(&pair.ana, &disk, 300, "disk");             /* another program's */
    sync(&pair);
    struct last_edit last = document_last_edit(pair.ben.document, not_ben);
    assert_int_equal(last.time_s, 200);
    assert_true(agent_id_equal(&last.agent, &pair.ana.agents[0]));
    end(&pair);
}

static void a_byte_deleted_twice_is_deleted_once(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "abc");
    replica_delete(&pair.ana, 1, 1);
    replica_delete(&pair.ben, 0, 2);
    sync(&pair);
    replica_expect(&pair.ana, "c");
    end(&pair);
}

static void what_is_known_is_not_added_again(void **state)
{
    (void)state;
    struct pair pair;
    struct error err = {0};
    begin(&pair, "");
    replica_type(&pair.ana, 0, "once");
    sync(&pair);
    assert_int_equal(document_add(pair.ben.document, &pair.ana.log.items[0], &err), DOCUMENT_KNOWN);
    end(&pair);
}

static void a_batch_waits_for_what_it_builds_on(void **state)
{
    (void)state;
    struct pair pair;
    struct replica cleo;
    struct error err = {0};
    begin(&pair, "");
    replica_init(&cleo, "", CLEO);
    replica_type(&pair.ana, 0, "one");
    replica_type(&pair.ana, 3, "two");
    assert_int_equal(document_add(cleo.document, &pair.ana.log.items[1], &err), DOCUMENT_EARLY);
    sync(&pair);
    replica_type(&pair.ben, 0, "three");
    assert_int_equal(document_add(cleo.document, &pair.ben.log.items[2], &err), DOCUMENT_EARLY);
    replica_send(&pair.ben, &cleo, 1);
    replica_expect(&cleo, "threeonetwo");
    replica_release(&cleo);
    end(&pair);
}

/* A batch of one merge marker with these parents. */
static enum document_added add_marker(struct document *document, unsigned char agent, uint64_t seq,
                                      const struct event_id *parents, size_t count)
{
    struct batch batch = {.agent = {{agent}}, .seq0 = seq};
    struct error err = {0};
    for (size_t i = 0; i < count; i++)
        batch_add_parent(&batch, parents[i]);
    batch_add_nop(&batch);
    enum document_added added = document_add(document, &batch, &err);
    assert_int_equal(added == DOCUMENT_REFUSED, err.code == ERR_FORMAT);
    batch_release(&batch);
    return added;
}

static void an_agent_that_forgets_its_past_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "");
    replica_type(&pair.ana, 0, "a");
    replica_type(&pair.ben, 0, "b");
    sync(&pair);
    struct event_id a = {{{ANA}}, 0}, b = {{{BEN}}, 0};
    uint64_t events = document_events(pair.ana.document);
    assert_int_equal(add_marker(pair.ana.document, ANA, 1, NULL, 0), DOCUMENT_REFUSED);
    assert_int_equal(add_marker(pair.ana.document, ANA, 1, &b, 1), DOCUMENT_REFUSED);
    assert_int_equal(document_events(pair.ana.document), events);
    assert_int_equal(add_marker(pair.ana.document, ANA, 1, &a, 1), DOCUMENT_ADDED);
    end(&pair);
}

static void parents_that_are_not_reduced_are_refused(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "");
    replica_type(&pair.ana, 0, "a");
    sync(&pair);
    replica_type(&pair.ben, 0, "b");
    sync(&pair);
    struct event_id both[] = {{{{ANA}}, 0}, {{{BEN}}, 0}};
    assert_int_equal(add_marker(pair.ana.document, CLEO, 0, both, 2), DOCUMENT_REFUSED);
    assert_int_equal(add_marker(pair.ana.document, CLEO, 0, both + 1, 1), DOCUMENT_ADDED);
    end(&pair);
}

static void add_and_update(struct document *document, const struct batch *const *batches, size_t count, bool each)
{
    struct patch patch = {0};
    struct error err = {0};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(document_add(document, batches[i], &err), DOCUMENT_ADDED);
        if (each)
            document_update(document, &patch);
    }
    document_update(document, &patch);
    patch_release(&patch);
}

/* Somebody builds on the middle of an insert that is void: a walk may come to it in one piece or in two, before that or after. */
static void what_does_nothing_is_counted_alike_in_whatever_order_it_came(void **state)
{
    (void)state;
    struct batch wrong = {.agent = {{CLEO}}}, behind = {.agent = {{'d'}}}, beside = {.agent = {{'e'}}};
    batch_add_insert(&wrong, 100, bytes_of_string("wrong"));
    batch_add_parent(&behind, (struct event_id){{{CLEO}}, 2});
    batch_add_insert(&behind, 0, bytes_of_string("d"));
    batch_add_delete(&beside, 3, 4);
    const struct batch *orders[][3] = {{&wrong, &behind, &beside}, {&beside, &wrong, &behind}, {&wrong, &beside, &behind}};
    struct batch *used[] = {&wrong, &behind, &beside};
    for (size_t i = 0; i < 3; i++)
        batch_end(used[i]);
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++)
        for (int each = 0; each < 2; each++) {
            struct rope *base = rope_from_bytes(bytes_of_string("12345"));
            struct document *document = document_new(base);
            add_and_update(document, orders[order], 3, each);
            assert_int_equal(document_len(document), 6);
            assert_int_equal(document_stats(document).void_events, 5 + 4);
            document_check(document);
            document_free(document);
            rope_free(base);
        }
    for (size_t i = 0; i < 3; i++)
        batch_release(used[i]);
}

/* Two replicas are told of an operation out of range; one in the middle of a merge, the other on the fast path. */
static void an_operation_out_of_range_does_nothing_everywhere(void **state)
{
    (void)state;
    struct pair pair;
    struct batch wrong = {.agent = {{CLEO}}};
    struct error err = {0};
    struct patch patch = {0};
    begin(&pair, "12345");
    batch_add_delete(&wrong, 3, 3);
    batch_add_insert(&wrong, 6, bytes_of_string("no"));
    batch_add_insert(&wrong, 5, bytes_of_string("yes"));
    batch_add_delete(&wrong, 8, 1);
    replica_type(&pair.ana, 0, "ana ");
    assert_int_equal(document_add(pair.ana.document, &wrong, &err), DOCUMENT_ADDED);
    assert_int_equal(document_add(pair.ben.document, &wrong, &err), DOCUMENT_ADDED);
    document_update(pair.ana.document, &patch);
    rope_apply(pair.ana.text, &patch);
    document_update(pair.ben.document, &patch);
    rope_apply(pair.ben.text, &patch);
    replica_expect(&pair.ana, "ana 12345yes");
    replica_expect(&pair.ben, "12345yes");
    assert_int_equal(document_stats(pair.ana.document).void_events, 6);
    assert_int_equal(document_stats(pair.ben.document).void_events, 6);
    replica_send(&pair.ana, &pair.ben, 0);
    replica_expect(&pair.ben, "ana 12345yes");
    replica_delete(&pair.ben, 0, 4); /* after this, lengths come from what was noted */
    replica_send(&pair.ben, &pair.ana, 0);
    replica_expect_same(&pair.ana, &pair.ben);
    patch_release(&patch);
    batch_release(&wrong);
    end(&pair);
}

static void add_to(struct replica *replica, const struct batch *batch)
{
    struct error err = {0};
    struct patch patch = {0};
    assert_int_equal(document_add(replica->document, batch, &err), DOCUMENT_ADDED);
    document_update(replica->document, &patch);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
}

/*
 * What deletes more than there is has events all the same. There are more of them here than what all of a document's events were
 * bounded by once: from then on nobody could have written anything, not even those who had not heard of it.
 */
static void deleting_more_than_there_is_uses_nothing_up(void **state)
{
    (void)state;
    enum { BATCHES = 300 };
    struct pair pair;
    begin(&pair, "--");
    replica_type(&pair.ana, 1, "a");
    for (uint64_t i = 0; i < BATCHES; i++) {
        struct batch wrong = {.agent = {{CLEO}}, .seq0 = i * BATCH_EVENTS_MAX};
        if (i > 0)
            batch_add_parent(&wrong, (struct event_id){wrong.agent, wrong.seq0 - 1});
        batch_add_delete(&wrong, 1, BATCH_EVENTS_MAX);
        add_to(&pair.ana, &wrong);
        add_to(&pair.ben, &wrong);
        batch_release(&wrong);
    }
    assert_true(document_events(pair.ben.document) > (uint64_t)1 << 40);
    replica_type(&pair.ben, 2, "b");
    sync(&pair);
    replica_expect(&pair.ana, "-a-b");
    replica_delete(&pair.ana, 1, 1);
    sync(&pair);
    replica_expect(&pair.ben, "--b");
    replica_restart(&pair.ana, 'd');
    replica_type(&pair.ana, 0, "c");
    replica_send(&pair.ana, &pair.ben, 0);
    replica_expect_same(&pair.ana, &pair.ben);
    end(&pair);
}

/* No text that anybody has is so long; its length will do here. */
static void what_is_too_long_for_a_batch_is_deleted_in_several(void **state)
{
    (void)state;
    const uint64_t len = 3 * BATCH_EVENTS_MAX - 5;
    struct document *mine = document_new_of(len), *theirs = document_new_of(len);
    struct agent_id agent = {{ANA}};
    struct batch_list log = {0};
    struct patch patch = {0};
    struct buf plain = {0};
    struct error err = {0};
    patch_retain(&patch, 2);
    patch_insert(&patch, bytes_of_string("new"));
    patch_delete(&patch, len - 3);
    document_local(mine, &agent, &patch, (struct edit_mark){.gesture = true}, &log);
    assert_int_equal(document_len(mine), 6);
    assert_int_equal(log.count, 4); /* the three bytes stand alone */
    for (size_t i = 0; i < log.count; i++) {
        struct batch batch = {0};
        buf_clear(&plain);
        batch_encode(&log.items[i], &plain);
        assert_true(batch_decode(buf_view(&plain), &agent, log.items[i].seq0, &batch, &err));
        assert_int_equal(document_add(theirs, &batch, &err), DOCUMENT_ADDED);
        batch_release(&batch);
    }
    document_update(theirs, &patch);
    assert_int_equal(document_len(theirs), 6);
    assert_true(document_stats(theirs).void_events == 0);
    batch_list_release(&log);
    patch_release(&patch);
    buf_release(&plain);
    document_free(mine);
    document_free(theirs);
}

/* So many people each wrote an x that no other one has seen, and all of it is here. */
static void let_people_type_at_once(struct replica *all, int people)
{
    for (int name = 1; name <= people; name++) {
        struct replica one;
        replica_init(&one, "", (unsigned char)name);
        replica_type(&one, 0, "x");
        replica_send(&one, all, 0);
        replica_release(&one);
    }
}

static void what_fifty_people_typed_at_once_takes_one_batch_to_build_on(void **state)
{
    (void)state;
    struct replica all;
    enum { PEOPLE = 50 };
    replica_init(&all, "", 200);
    let_people_type_at_once(&all, PEOPLE);
    replica_type(&all, PEOPLE, "!");
    assert_int_equal(all.log.count, PEOPLE + 1);
    replica_release(&all);
}

static void a_version_of_many_heads_goes_through_bytes(void **state)
{
    (void)state;
    struct replica all;
    struct version version = {0}, back = {0};
    struct buf bytes = {0};
    enum { PEOPLE = 100 };
    replica_init(&all, "", 200);
    let_people_type_at_once(&all, PEOPLE);
    document_version(all.document, &version);
    assert_int_equal(version.count, PEOPLE);
    version_encode(&version, &bytes);
    struct reader reader = reader_of(buf_view(&bytes));
    assert_true(version_decode(&reader, &back));
    assert_true(version_equal(&version, &back));
    version_release(&version);
    version_release(&back);
    buf_release(&bytes);
    replica_release(&all);
}

static void many_heads_are_joined_before_one_types(void **state)
{
    (void)state;
    struct replica all, late;
    enum { PEOPLE = 2 * BATCH_PARENTS_MAX + 20 };
    replica_init(&all, "", 200);
    replica_init(&late, "", 201);
    let_people_type_at_once(&all, PEOPLE);
    replica_type(&all, PEOPLE, "!");
    struct version version = {0};
    document_version(all.document, &version);
    assert_int_equal(version.count, 1);
    version_release(&version);
    replica_send(&all, &late, 0);
    replica_expect_same(&all, &late);
    replica_type(&late, 0, "?");
    replica_send(&late, &all, 0);
    replica_expect_same(&all, &late);
    assert_true(replica_undo(&all));
    replica_release(&all);
    replica_release(&late);
}

static void an_edit_of_megabytes_becomes_several_batches(void **state)
{
    (void)state;
    struct pair pair;
    struct buf text = {0};
    enum { BYTES = 5 * BATCH_BYTES_MAX / 2 };
    memset(buf_extend(&text, BYTES), 'm', BYTES);
    begin(&pair, "[]");
    replica_edit(&pair.ana, 1, 0, buf_view(&text), true);
    assert_int_equal(pair.ana.log.count, 3);
    for (size_t i = 0; i < pair.ana.log.count; i++) {
        buf_clear(&text);
        batch_encode(&pair.ana.log.items[i], &text);
        assert_true(text.len <= BATCH_BYTES_MAX);
    }
    sync(&pair);
    assert_true(replica_undo(&pair.ana));
    assert_true(replica_redo(&pair.ana));
    sync(&pair);
    assert_int_equal(rope_len(pair.ben.text), BYTES + 2);
    assert_true(replica_undo(&pair.ana));
    sync(&pair);
    replica_expect(&pair.ben, "[]");
    buf_release(&text);
    end(&pair);
}

static void the_text_of_any_version_can_be_had(void **state)
{
    (void)state;
    struct pair pair;
    struct version then = {0};
    struct patch patch = {0};
    struct buf text = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " one");
    replica_type(&pair.ben, 0, "two ");
    sync(&pair);
    document_version(pair.ana.document, &then);
    assert_int_equal(then.count, 2);
    replica_delete(&pair.ana, 0, 3);
    replica_type(&pair.ben, 3, "!");
    sync(&pair);
    assert_true(document_patch_to(pair.ben.document, &then, &patch));
    patch_apply(&patch, bytes_of_string("base"), &text);
    assert_string_equal(buf_string(&text), "two base one");
    assert_true(document_patch_since(pair.ben.document, &then, &patch));
    buf_clear(&text);
    patch_apply(&patch, bytes_of_string("two base one"), &text);
    replica_expect(&pair.ana, buf_string(&text));
    uint64_t places[] = {0, 4, 6, 8, 9, 12, 99}; /* in "two base one" */
    assert_true(document_map(pair.ben.document, &then, places, 7));
    uint64_t expected[] = {0, 2, 4, 6, 7, 10, 10};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(places[i], expected[i]);
    then.heads[0].seq = 99;
    assert_false(document_map(pair.ben.document, &then, places, 1));
    assert_false(document_knows(pair.ben.document, &then));
    assert_false(document_patch_since(pair.ben.document, &then, &patch));
    buf_release(&text);
    patch_release(&patch);
    version_release(&then);
    end(&pair);
}

static void expect_found(struct replica *replica, const struct version *since, const char *text, bool expected)
{
    struct rope *wanted = rope_from_bytes(bytes_of_string(text));
    struct version found = {0};
    struct patch patch = {0};
    assert_int_equal(document_find_text(replica->document, since, replica->text, wanted, &found), expected);
    if (expected) {
        assert_true(document_patch_to(replica->document, &found, &patch));
        struct rope *at = rope_snapshot(replica->base);
        rope_apply(at, &patch);
        assert_true(rope_equal(at, wanted));
        rope_free(at);
    }
    patch_release(&patch);
    version_release(&found);
    rope_free(wanted);
}

/* Ben's text of any moment is found by Ana, who got everything in another order, and has typed on. */
static void a_text_that_somebody_had_is_found(void **state)
{
    (void)state;
    struct pair pair;
    struct version base = {0}, saved = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " one");
    replica_type(&pair.ana, 8, "!");
    replica_type(&pair.ben, 0, "two");
    replica_send(&pair.ana, &pair.ben, 0);
    replica_delete(&pair.ben, 3, 4);
    replica_expect(&pair.ben, "two one!");
    replica_type(&pair.ana, 0, "more of Ana's ");
    replica_send(&pair.ben, &pair.ana, 0);
    replica_delete(&pair.ana, 0, 5);
    replica_expect(&pair.ana, "of Ana's two one!");
    expect_found(&pair.ana, &base, "base", true);
    expect_found(&pair.ana, &base, "base one", true);
    expect_found(&pair.ana, &base, "twobase", true);
    expect_found(&pair.ana, &base, "twobase one!", true);
    expect_found(&pair.ana, &base, "two one!", true);
    expect_found(&pair.ana, &base, "more of Ana's base one!", true);
    expect_found(&pair.ana, &base, "of Ana's two one!", true);
    expect_found(&pair.ana, &base, "two one?", false);
    expect_found(&pair.ana, &base, "", false);
    document_version(pair.ana.document, &saved);
    replica_type(&pair.ana, 17, " And more.");
    expect_found(&pair.ana, &saved, "of Ana's two one! And", true);
    expect_found(&pair.ana, &saved, "two one!", false); /* older: somebody went back to it on purpose */
    saved.heads[0].seq = 99;
    expect_found(&pair.ana, &saved, "of Ana's two one!", false);
    version_release(&saved);
    end(&pair);
}

static void a_change_on_disk_merges_with_what_was_typed_since(void **state)
{
    (void)state;
    struct replica ana;
    struct version saved = {0};
    struct patch patch = {0};
    struct error err = {0};
    struct agent_id disk = {{99}};
    replica_init(&ana, "one two three", ANA);
    replica_type(&ana, 3, "!");
    document_version(ana.document, &saved);
    replica_type(&ana, 14, "?");
    patch_replace(&patch, 5, 3, bytes_of_string("2"));
    struct edit_mark mark = {.gesture = true, .label = "disk"};
    assert_true(document_local_at(ana.document, &disk, &saved, &patch, mark, &ana.log, &err));
    document_update(ana.document, &patch);
    rope_apply(ana.text, &patch);
    replica_expect(&ana, "one! 2 three?");
    assert_string_equal(ana.log.items[2].label, "disk");
    patch_replace(&patch, 99, 0, bytes_of_string("beyond"));
    struct agent_id other = {{98}};
    assert_false(document_local_at(ana.document, &other, &saved, &patch, mark, &ana.log, &err));
    patch_release(&patch);
    version_release(&saved);
    replica_release(&ana);
}

static uint64_t count_in_log(void *self, const struct agent_id *agent, uint64_t seq, uint64_t end)
{
    const struct replica *replica = self;
    uint64_t count = 0;
    for (size_t i = 0; i < replica->log.count; i++) {
        const struct batch *batch = &replica->log.items[i];
        count += agent_id_equal(&batch->agent, agent) && batch->seq0 >= seq && batch->seq0 < end;
    }
    return count;
}

static uint64_t edits_since(struct replica *replica, const struct version *version)
{
    return document_edits_since(replica->document, version, (struct batch_counter){replica, count_in_log});
}

/* A key is one, also inside a word that is one step of undo; what was taken back is none. */
static void edits_are_counted_by_keys_and_what_was_taken_back_is_not(void **state)
{
    (void)state;
    struct replica ana;
    struct version saved = {0};
    replica_init(&ana, "base", ANA);
    replica_type(&ana, 4, "a");
    replica_edit(&ana, 5, 0, bytes_of_string("b"), false);
    document_version(ana.document, &saved);
    assert_int_equal(edits_since(&ana, &saved), 0);
    replica_edit(&ana, 6, 0, bytes_of_string("c"), false); /* more of the same word */
    replica_edit(&ana, 7, 0, bytes_of_string("d"), false);
    assert_int_equal(edits_since(&ana, NULL), 4);
    assert_int_equal(edits_since(&ana, &saved), 2);
    replica_type(&ana, 0, "pasted");
    assert_int_equal(edits_since(&ana, &saved), 3);
    assert_true(replica_undo(&ana));
    assert_int_equal(edits_since(&ana, &saved), 2);
    assert_true(replica_undo(&ana)); /* the word, of which some was saved */
    replica_expect(&ana, "base");
    assert_int_equal(edits_since(&ana, &saved), 1);
    assert_true(replica_redo(&ana));
    assert_int_equal(edits_since(&ana, &saved), 2);
    assert_true(replica_redo(&ana));
    assert_int_equal(edits_since(&ana, &saved), 3);
    version_release(&saved);
    replica_release(&ana);
}

static void undo_takes_back_gesture_by_gesture(void **state)
{
    (void)state;
    struct replica ana;
    replica_init(&ana, "base", ANA);
    replica_type(&ana, 4, " one");
    replica_edit(&ana, 8, 0, bytes_of_string(" more"), false);
    replica_delete(&ana, 0, 4);
    replica_expect(&ana, " one more");
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base one more");
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base");
    assert_false(replica_undo(&ana));
    assert_true(replica_redo(&ana));
    replica_expect(&ana, "base one more");
    assert_true(replica_redo(&ana));
    replica_expect(&ana, " one more");
    assert_false(replica_redo(&ana));
    assert_true(replica_undo(&ana));
    replica_edit(&ana, 4, 0, bytes_of_string("!"), false);
    assert_false(replica_redo(&ana)); /* something was typed since */
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base one more");
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base");
    assert_int_equal(edits_since(&ana, NULL), 0);
    replica_release(&ana);
}

static void undo_leaves_what_others_did(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "0123456789");
    replica_type(&pair.ana, 5, "abc");
    sync(&pair);
    replica_edit(&pair.ben, 6, 1, bytes_of_string("BEN"), true); /* inside Ana's word */
    sync(&pair);
    assert_true(replica_undo(&pair.ana));
    sync(&pair);
    replica_expect(&pair.ben, "01234BEN56789");
    assert_true(replica_redo(&pair.ana)); /* Ben deleted the b: it stays away */
    sync(&pair);
    replica_expect(&pair.ben, "01234aBENc56789");
    end(&pair);
}

static void what_two_people_deleted_stays_deleted(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, "0123456789");
    replica_delete(&pair.ana, 2, 4);
    replica_delete(&pair.ben, 4, 4);
    sync(&pair);
    replica_expect(&pair.ana, "0189");
    assert_true(replica_undo(&pair.ana));
    sync(&pair);
    replica_expect(&pair.ben, "012389");
    end(&pair);
}

static void undo_survives_a_restart(void **state)
{
    (void)state;
    struct replica ana;
    replica_init(&ana, "base", ANA);
    replica_type(&ana, 4, " one");
    replica_delete(&ana, 0, 2);
    assert_true(replica_undo(&ana));
    replica_restart(&ana, 'A');
    replica_expect(&ana, "base one");
    assert_true(replica_redo(&ana));
    replica_expect(&ana, "se one");
    assert_true(replica_undo(&ana));
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base");
    replica_restart(&ana, 'B');
    assert_true(replica_redo(&ana));
    replica_expect(&ana, "base one");
    replica_release(&ana);
}

static void a_saved_document_goes_on_where_it_was(void **state)
{
    (void)state;
    struct pair pair;
    struct buf first = {0}, second = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 0, "ana ");
    replica_type(&pair.ben, 4, " ben");
    sync(&pair);
    replica_delete(&pair.ben, 1, 3);
    assert_true(replica_undo(&pair.ben));
    sync(&pair);
    document_encode(pair.ana.document, &first);
    replica_restart(&pair.ana, 'A');
    document_encode(pair.ana.document, &second);
    assert_true(bytes_equal(buf_view(&first), buf_view(&second)));
    replica_expect_same(&pair.ana, &pair.ben);
    replica_type(&pair.ana, 0, "again ");
    sync(&pair);
    buf_release(&first);
    buf_release(&second);
    end(&pair);
}

static void a_document_says_whether_its_text_is_that_of_a_version(void **state)
{
    (void)state;
    struct pair pair;
    struct version before = {0}, now = {0};
    struct patch patch = {0};
    struct buf saved = {0};
    struct error err = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " one");
    document_version(pair.ana.document, &before);
    assert_true(document_is_at(pair.ana.document, &before));
    replica_type(&pair.ana, 8, " two");
    document_version(pair.ana.document, &now);
    assert_false(document_is_at(pair.ana.document, &before));
    assert_true(document_is_at(pair.ana.document, &now));
    document_save(pair.ana.document, &saved);
    struct document *loaded = document_load(buf_view(&saved), pair.ana.base, &err);
    assert_false(document_is_at(loaded, &now)); /* the text was not given out yet */
    document_update(loaded, &patch);
    assert_true(document_is_at(loaded, &now));
    assert_false(document_is_at(loaded, &before));
    document_free(loaded);
    version_release(&before);
    version_release(&now);
    patch_release(&patch);
    buf_release(&saved);
    end(&pair);
}

static void a_damaged_document_is_refused(void **state)
{
    (void)state;
    struct replica ana;
    struct buf bytes = {0};
    struct error err = {0};
    replica_init(&ana, "base", ANA);
    replica_type(&ana, 0, "text");
    document_encode(ana.document, &bytes);
    assert_null(document_decode(bytes_slice(buf_view(&bytes), 0, bytes.len - 1), ana.base, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    struct rope *other = rope_from_bytes(bytes_of_string("another"));
    assert_null(document_decode(buf_view(&bytes), other, &err));
    bytes.data[7] = 99;
    assert_null(document_decode(buf_view(&bytes), ana.base, &err));
    assert_int_equal(err.code, ERR_NEWER);
    rope_free(other);
    buf_release(&bytes);
    replica_release(&ana);
}

/* "base" with what ana and ben typed, a label, times, deletes of both directions and an undo, as version 1 had it. */
static const unsigned char saved_1[] = {
    0x77, 0x65, 0x66, 0x74, 0x64, 0x6f, 0x63, 0x01, 0x04, 0x02, 0x62, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x61, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x03, 0x04, 0x00, 0x0a, 0x04, 0x06, 0x03, 0x02, 0x0b, 0x01, 0x07, 0x20, 0x08, 0x40, 0x0f, 0x13, 0x03, 0x08,
    0x07, 0x11, 0x00, 0x09, 0x01, 0x10, 0x00, 0x06, 0x00, 0x34, 0x88, 0x0e, 0x04, 0x64, 0x69, 0x73, 0x6b, 0x04, 0x14, 0xc8,
    0x01, 0x04, 0x14, 0x78, 0x04, 0x14, 0x02, 0x02, 0x14, 0x4e, 0x03, 0x1c, 0xc8, 0x01, 0x02, 0x00, 0x04, 0x03, 0x00, 0x05,
    0x02, 0x20, 0x65, 0x6e, 0x64, 0x6f, 0x6e, 0x65, 0x20, 0x74, 0x77, 0x6f, 0x20, 0x4e, 0x6e, 0x65,
};
/* The same with a branch of ana: version 2. */
static const unsigned char saved_2[] = {
    0x77, 0x65, 0x66, 0x74, 0x64, 0x6f, 0x63, 0x02, 0x04, 0x03, 0x62, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x61, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x78, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x02, 0x02, 0x72, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x04,
    0x00, 0x0a, 0x04, 0x06, 0x03, 0x02, 0x0b, 0x01, 0x01, 0x0a, 0x0f, 0x08, 0x20, 0x08, 0x40, 0x0f, 0x13, 0x03, 0x08, 0x07,
    0x11, 0x00, 0x09, 0x01, 0x10, 0x00, 0x08, 0x01, 0x06, 0x00, 0x34, 0x88, 0x0e, 0x04, 0x64, 0x69, 0x73, 0x6b, 0x04, 0x14,
    0xc8, 0x01, 0x04, 0x14, 0x78, 0x04, 0x14, 0x02, 0x02, 0x14, 0x4e, 0x03, 0x1c, 0xc8, 0x01, 0x02, 0x00, 0x04, 0x03, 0x00,
    0x05, 0x02, 0x20, 0x65, 0x6e, 0x64, 0x6f, 0x6e, 0x65, 0x20, 0x74, 0x77, 0x6f, 0x20, 0x4e, 0x6e, 0x65, 0x21,
};

static void expect_saved(struct bytes saved, const char *text)
{
    struct rope *base = rope_from_bytes(bytes_of_string("base")), *got = rope_snapshot(base);
    struct error err = {0};
    struct patch patch = {0};
    struct buf again = {0};
    struct document *document = document_decode(saved, base, &err);
    assert_non_null(document);
    document_check(document);
    document_encode(document, &again);
    document_update(document, &patch);
    rope_apply(got, &patch);
    struct rope *expected = rope_from_bytes(bytes_of_string(text));
    assert_true(rope_equal(got, expected));
    if (saved.data[7] < 3)
        expect_saved(buf_view(&again), text);
    else
        assert_true(bytes_equal(buf_view(&again), saved));
    rope_free(expected);
    rope_free(got);
    rope_free(base);
    patch_release(&patch);
    buf_release(&again);
    document_free(document);
}

static void what_an_older_weft_saved_is_read_and_saved_anew(void **state)
{
    (void)state;
    expect_saved(bytes_of(saved_1, sizeof saved_1), "one t base end");
    expect_saved(bytes_of(saved_2, sizeof saved_2), "one t !base end");
}

/* Where operations have no effect, that is found out by replaying everything, so nothing is put in front. */
static void a_history_with_void_operations_is_read_at_once(void **state)
{
    (void)state;
    struct rope *base = rope_from_bytes(bytes_of_string("base")), *text = rope_snapshot(base);
    struct document *document = document_new(base);
    struct batch batch = {.agent = {{'m'}}};
    struct buf saved = {0};
    struct error err = {0};
    struct patch patch = {0};
    batch_add_insert(&batch, 99, bytes_of_string("void"));
    batch_add_insert(&batch, 4, bytes_of_string(" end"));
    assert_int_equal(document_add(document, &batch, &err), DOCUMENT_ADDED);
    document_save(document, &saved);
    assert_int_equal(saved.data[7], 3);
    document_free(document);
    document = document_load(buf_view(&saved), base, &err);
    document_update(document, &patch);
    rope_apply(text, &patch);
    assert_int_equal(rope_len(text), 8);
    assert_int_equal(document_stats(document).void_events, 4);
    document_free(document);
    batch_release(&batch);
    buf_release(&saved);
    patch_release(&patch);
    rope_free(text);
    rope_free(base);
}

/* --- a saved history that cannot be read --- */

struct elsewhere {
    struct replica *replica; /* has all batches */
    unsigned distrusted, replayed;
    bool lost;
    struct bytes rest;
};

static void note_distrust(void *self)
{
    struct elsewhere *elsewhere = self;
    elsewhere->distrusted++;
}

static bool replay_elsewhere(void *self, struct document *whole, struct error *err)
{
    struct elsewhere *elsewhere = self;
    elsewhere->replayed++;
    for (size_t i = 0; i < elsewhere->replica->log.count && !elsewhere->lost; i++)
        assert_int_not_equal(document_add(whole, &elsewhere->replica->log.items[i], err), DOCUMENT_REFUSED);
    return true;
}

/* Two who wrote at once, saved; the last byte is missing. */
static struct document *load_damaged(struct pair *pair, struct elsewhere *elsewhere)
{
    struct buf saved = {0};
    struct error err = {0};
    replica_type(&pair->ana, 4, " camp");
    replica_edit(&pair->ben, 0, 4, bytes_of_string("boot"), true);
    sync(pair);
    document_save(pair->ana.document, &saved);
    struct document *loaded = document_load(bytes_of(saved.data, saved.len - 1), pair->ana.base, &err);
    assert_non_null(loaded);
    *elsewhere = (struct elsewhere){.replica = &pair->ana};
    document_set_source(loaded, (struct document_source){.self = elsewhere, .distrust = note_distrust, .replay = replay_elsewhere});
    buf_release(&saved);
    return loaded;
}

/* --- a saved history that stays where it is --- */

/* What was saved behind the front; nothing: it is gone. */
static bool give_rest(void *self, struct buf *out, struct error *err)
{
    struct elsewhere *elsewhere = self;
    buf_add_bytes(out, elsewhere->rest);
    return elsewhere->rest.len > 0 || error_set(err, ERR_IO, 0, "there is no disk");
}

static struct document *load_front_of(struct pair *pair, struct elsewhere *elsewhere, struct buf *saved)
{
    struct error err = {0};
    struct patch patch = {0};
    *elsewhere = (struct elsewhere){.replica = &pair->ana};
    document_save(pair->ana.document, saved);
    size_t front = document_saved_front(buf_view(saved), pair->ana.base);
    assert_in_range(front, 1, saved->len - 1);
    struct document *loaded = document_load_front(bytes_slice(buf_view(saved), 0, front), pair->ana.base, &err);
    assert_non_null(loaded);
    document_set_source(loaded, (struct document_source){.self = elsewhere, .distrust = note_distrust, .replay = replay_elsewhere,
                                                         .history = give_rest});
    document_update(loaded, &patch);
    patch_release(&patch);
    elsewhere->rest = bytes_slice(buf_view(saved), front, saved->len - front);
    return loaded;
}

static void a_history_stays_where_it_is_until_it_is_asked_for(void **state)
{
    (void)state;
    struct pair pair;
    struct elsewhere elsewhere;
    struct buf saved = {0}, again = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " camp");
    struct document *loaded = load_front_of(&pair, &elsewhere, &saved);
    assert_int_equal(document_len(loaded), 9);
    document_save(loaded, &again); /* asks for it */
    assert_true(bytes_equal(buf_view(&saved), buf_view(&again)));
    document_check(loaded);
    document_free(loaded);
    buf_clear(&saved);
    loaded = load_front_of(&pair, &elsewhere, &saved);
    assert_true(document_hold(loaded));
    elsewhere.rest = (struct bytes){0}; /* something else is in its place now */
    document_check(loaded);
    assert_int_equal(elsewhere.replayed, 0);
    document_free(loaded);
    buf_clear(&saved);
    loaded = load_front_of(&pair, &elsewhere, &saved);
    elsewhere.rest = (struct bytes){0};
    assert_false(document_hold(loaded));
    document_check(loaded);
    assert_int_equal(elsewhere.replayed, 1);
    assert_int_equal(elsewhere.distrusted, 0);
    document_free(loaded);
    buf_release(&saved);
    buf_release(&again);
    end(&pair);
}

static void a_history_that_cannot_be_had_is_waited_for(void **state)
{
    (void)state;
    struct pair pair;
    struct elsewhere elsewhere;
    struct buf saved = {0};
    struct patch patch = {0};
    struct batch_list batches = {0};
    struct version nothing = {0};
    struct error err = {0};
    const struct agent_id cleo = {{CLEO}};
    uint64_t place = 0;
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " camp");
    replica_type(&pair.ben, 0, "re");
    struct document *loaded = load_front_of(&pair, &elsewhere, &saved);
    struct bytes rest = elsewhere.rest;
    elsewhere.rest = (struct bytes){0};
    elsewhere.lost = true;
    for (int i = 0; i < 2; i++) {
        assert_false(document_read_history(loaded, &err));
        assert_int_equal(err.code, ERR_IO);
        assert_int_equal(document_add(loaded, &pair.ben.log.items[0], &err), DOCUMENT_EARLY); /* which has seen less */
        assert_false(document_map(loaded, &nothing, &place, 1));
        assert_int_equal(document_last_edit(loaded, (struct agent_filter){0}).time_s, 0);
        patch_clear(&patch); /* typing goes on */
        patch_replace(&patch, document_len(loaded), 0, bytes_of_string("s"));
        document_local(loaded, &cleo, &patch, (struct edit_mark){.gesture = true}, &batches);
    }
    assert_int_equal(elsewhere.replayed, 8);
    assert_int_equal(elsewhere.distrusted, 0);
    elsewhere.rest = rest; /* it is back */
    assert_int_equal(document_add(loaded, &pair.ben.log.items[0], &err), DOCUMENT_ADDED);
    document_update(loaded, &patch);
    assert_int_equal(document_len(loaded), 13);
    assert_int_equal(document_undo(loaded, &cleo, 1, &cleo, UNDO_BACK, 0, &patch, &batches), DOCUMENT_UNDONE);
    assert_int_equal(document_len(loaded), 12);
    document_check(loaded);
    patch_release(&patch);
    batch_list_release(&batches);
    buf_release(&saved);
    document_free(loaded);
    end(&pair);
}

static void what_needs_a_history_that_cannot_be_had_fails_and_changes_nothing(void **state)
{
    (void)state;
    struct pair pair;
    struct elsewhere elsewhere;
    struct buf saved = {0};
    struct patch patch = {0};
    struct batch_list batches = {0};
    struct version nothing = {0}, now = {0}, found = {0};
    struct error err = {0};
    const struct agent_id cleo = {{CLEO}};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " camp");
    struct document *loaded = load_front_of(&pair, &elsewhere, &saved);
    struct rope *text = rope_snapshot(pair.ana.text);
    struct bytes rest = elsewhere.rest;
    elsewhere.rest = (struct bytes){0};
    elsewhere.lost = true;
    document_version(loaded, &now);
    assert_false(document_patch_since(loaded, &nothing, &patch));
    assert_false(document_patch_to(loaded, &now, &patch));
    assert_false(document_patch_between(loaded, &nothing, &now, &patch));
    assert_null(document_text_at(loaded, text, &nothing));
    assert_false(document_find_text(loaded, &nothing, text, text, &found));
    assert_false(document_may_follow(loaded, &now));
    patch_clear(&patch);
    patch_insert(&patch, bytes_of_string("x"));
    assert_false(document_local_at(loaded, &cleo, &nothing, &patch, (struct edit_mark){0}, &batches, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "there is no disk"));
    assert_int_equal(batches.count, 0);
    assert_int_equal(document_len(loaded), 9);
    elsewhere.rest = rest;
    assert_true(document_patch_since(loaded, &nothing, &patch));
    rope_free(text);
    patch_release(&patch);
    version_release(&now);
    buf_release(&saved);
    document_free(loaded);
    end(&pair);
}

static enum document_added add_to_branch(struct document *document, const struct agent_id *branch, uint64_t seq)
{
    struct batch batch = {.agent = *branch, .seq0 = seq, .flags = seq > 0 ? BATCH_FLAG_SELF : 0};
    struct error err = {0};
    batch_add_insert(&batch, 0, bytes_of_string("b"));
    batch_end(&batch);
    enum document_added added = document_add(document, &batch, &err);
    batch_release(&batch);
    return added;
}

/* From its beginning, and from where somebody had written already: both wait, and are branches afterwards. */
static void a_branch_that_begins_while_the_history_is_not_to_be_had_waits(void **state)
{
    (void)state;
    struct pair pair;
    struct elsewhere elsewhere;
    struct buf saved = {0};
    struct patch patch = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " camp");
    struct document *loaded = load_front_of(&pair, &elsewhere, &saved);
    struct bytes rest = elsewhere.rest;
    elsewhere.rest = (struct bytes){0};
    elsewhere.lost = true;
    const struct agent_fork forks[] = {{.branch = {{'x'}}, .from = pair.ana.log.items[0].agent, .seq = 0},
                                       {.branch = {{'y'}}, .from = pair.ana.log.items[0].agent, .seq = 2}};
    for (int i = 0; i < 2; i++)
        for (int again = 0; again < 2; again++) {
            document_fork(loaded, &forks[i]);
            assert_int_equal(add_to_branch(loaded, &forks[i].branch, forks[i].seq), DOCUMENT_EARLY);
        }
    assert_false(document_sleep(loaded, buf_view(&saved))); /* which would forget them */
    elsewhere.rest = rest;
    for (int i = 0; i < 2; i++)
        assert_int_equal(add_to_branch(loaded, &forks[i].branch, forks[i].seq), DOCUMENT_ADDED);
    document_update(loaded, &patch);
    assert_int_equal(document_len(loaded), 11);
    assert_int_equal(document_stats(loaded).agents, 3);
    document_check(loaded);
    patch_release(&patch);
    buf_release(&saved);
    document_free(loaded);
    end(&pair);
}

static void a_history_that_cannot_be_read_is_replayed_from_elsewhere(void **state)
{
    (void)state;
    struct pair pair;
    struct elsewhere elsewhere;
    struct version version = {0}, expected = {0};
    struct patch patch = {0};
    struct batch_list batches = {0};
    struct agent_id cleo = {{CLEO}};
    begin(&pair, "base");
    struct document *loaded = load_damaged(&pair, &elsewhere);
    document_version(pair.ana.document, &expected);
    replica_type(&pair.ben, 0, "later: "); /* what the saved version had not: it is passed over */
    replica_send(&pair.ben, &pair.ana, 0);

    struct rope *text = rope_snapshot(pair.ana.base);
    document_update(loaded, &patch);
    rope_apply(text, &patch);
    patch_clear(&patch); /* typed while it is asleep */
    patch_insert(&patch, bytes_of_string("now "));
    document_local(loaded, &cleo, &patch, (struct edit_mark){.gesture = true}, &batches);
    rope_apply(text, &patch);
    assert_int_equal(elsewhere.replayed, 0);

    assert_true(document_patch_to(loaded, &expected, &patch));
    struct rope *then = rope_snapshot(pair.ana.base);
    rope_apply(then, &patch);
    struct buf content = {0};
    rope_append_to(then, 0, rope_len(then), &content);
    assert_string_equal(buf_string(&content), "boot camp");
    assert_int_equal(elsewhere.distrusted, 1);
    assert_int_equal(elsewhere.replayed, 1);
    document_check(loaded);

    assert_int_equal(document_undo(loaded, &cleo, 1, &cleo, UNDO_BACK, 0, &patch, &batches), DOCUMENT_UNDONE);
    rope_apply(text, &patch);
    buf_clear(&content);
    rope_append_to(text, 0, rope_len(text), &content);
    assert_string_equal(buf_string(&content), "boot camp");
    document_version(loaded, &version);
    assert_true(document_knows(loaded, &expected));
    rope_free(text);
    rope_free(then);
    buf_release(&content);
    patch_release(&patch);
    batch_list_release(&batches);
    version_release(&version);
    version_release(&expected);
    document_free(loaded);
    end(&pair);
}

/* --- falling asleep --- */

static void expect_text_of(const struct document *document, const struct rope *text, const char *expected)
{
    struct buf content = {0};
    rope_append_to(text, 0, rope_len(text), &content);
    assert_string_equal(buf_string(&content), expected);
    assert_int_equal(document_len(document), rope_len(text));
    buf_release(&content);
}

/* replica_type() looks at everything, which wakes it. */
static void type_asleep(struct replica *replica, uint64_t pos, const char *text)
{
    struct patch patch = {0};
    patch_replace(&patch, pos, 0, bytes_of_string(text));
    document_local(replica->document, &replica->agents[0], &patch, (struct edit_mark){.gesture = true}, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
}

static void a_document_goes_to_sleep_and_goes_on_as_before(void **state)
{
    (void)state;
    struct pair pair;
    struct buf saved = {0};
    begin(&pair, "base");
    replica_type(&pair.ana, 4, " camp");
    replica_edit(&pair.ben, 0, 4, bytes_of_string("boot"), true);
    sync(&pair);
    document_save(pair.ana.document, &saved);
    assert_true(document_sleep(pair.ana.document, buf_view(&saved)));
    type_asleep(&pair.ana, 9, "s");
    expect_text_of(pair.ana.document, pair.ana.text, "boot camps");
    assert_true(document_sleep(pair.ana.document, buf_view(&saved))); /* it went through that: what came since stays */
    type_asleep(&pair.ana, 10, "!");
    sync(&pair);
    replica_expect(&pair.ana, "boot camps!");
    assert_true(replica_undo(&pair.ana));
    assert_true(replica_undo(&pair.ana));
    assert_true(replica_undo(&pair.ana));
    replica_expect(&pair.ana, "boot");
    document_check(pair.ana.document);
    sync(&pair);
    assert_false(document_sleep(pair.ana.document, buf_view(&saved))); /* of another version than that of now */
    document_check(pair.ana.document);
    replica_type(&pair.ben, 0, "re");
    sync(&pair);
    buf_release(&saved);
    end(&pair);
}

/* What was saved later covers a part of what was typed while it is asleep. */
static void a_sleeping_document_takes_a_newer_saved_form(void **state)
{
    (void)state;
    struct replica ana, other;
    struct buf first = {0}, second = {0};
    replica_init(&ana, "base", ANA);
    replica_init(&other, "base", BEN);
    replica_type(&ana, 4, " one");
    document_save(ana.document, &first);
    assert_true(document_sleep(ana.document, buf_view(&first)));
    type_asleep(&ana, 8, " two");
    replica_send(&ana, &other, 0);
    document_save(other.document, &second); /* as another thread would have it from the journal */
    type_asleep(&ana, 12, " three");
    assert_true(document_sleep(ana.document, buf_view(&second)));
    expect_text_of(ana.document, ana.text, "base one two three");
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base one two");
    assert_true(replica_undo(&ana));
    assert_true(replica_undo(&ana));
    replica_expect(&ana, "base");
    document_check(ana.document);
    replica_type(&other, 0, "unknown to ana ");
    buf_clear(&second);
    document_save(other.document, &second);
    assert_false(document_sleep(ana.document, buf_view(&second)));
    replica_expect(&ana, "base");
    buf_release(&first);
    buf_release(&second);
    replica_release(&ana);
    replica_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_types_the_other_reads),
        cmocka_unit_test(concurrent_words_at_one_place_stay_whole),
        cmocka_unit_test(what_is_recorded_key_by_key_is_what_others_make_of_the_batches),
        cmocka_unit_test(a_byte_deleted_twice_is_deleted_once),
        cmocka_unit_test(what_is_known_is_not_added_again),
        cmocka_unit_test(a_batch_waits_for_what_it_builds_on),
        cmocka_unit_test(an_agent_that_forgets_its_past_is_refused),
        cmocka_unit_test(parents_that_are_not_reduced_are_refused),
        cmocka_unit_test(an_operation_out_of_range_does_nothing_everywhere),
        cmocka_unit_test(what_does_nothing_is_counted_alike_in_whatever_order_it_came),
        cmocka_unit_test(deleting_more_than_there_is_uses_nothing_up),
        cmocka_unit_test(what_is_too_long_for_a_batch_is_deleted_in_several),
        cmocka_unit_test(what_fifty_people_typed_at_once_takes_one_batch_to_build_on),
        cmocka_unit_test(a_version_of_many_heads_goes_through_bytes),
        cmocka_unit_test(many_heads_are_joined_before_one_types),
        cmocka_unit_test(an_edit_of_megabytes_becomes_several_batches),
        cmocka_unit_test(the_text_of_any_version_can_be_had),
        cmocka_unit_test(a_text_that_somebody_had_is_found),
        cmocka_unit_test(a_change_on_disk_merges_with_what_was_typed_since),
        cmocka_unit_test(edits_are_counted_by_keys_and_what_was_taken_back_is_not),
        cmocka_unit_test(undo_takes_back_gesture_by_gesture),
        cmocka_unit_test(undo_leaves_what_others_did),
        cmocka_unit_test(what_two_people_deleted_stays_deleted),
        cmocka_unit_test(the_last_edit_is_the_newest_of_those_that_are_wanted),
        cmocka_unit_test(undo_survives_a_restart),
        cmocka_unit_test(a_saved_document_goes_on_where_it_was),
        cmocka_unit_test(a_document_says_whether_its_text_is_that_of_a_version),
        cmocka_unit_test(a_damaged_document_is_refused),
        cmocka_unit_test(what_an_older_weft_saved_is_read_and_saved_anew),
        cmocka_unit_test(a_history_with_void_operations_is_read_at_once),
        cmocka_unit_test(a_history_stays_where_it_is_until_it_is_asked_for),
        cmocka_unit_test(a_history_that_cannot_be_had_is_waited_for),
        cmocka_unit_test(what_needs_a_history_that_cannot_be_had_fails_and_changes_nothing),
        cmocka_unit_test(a_branch_that_begins_while_the_history_is_not_to_be_had_waits),
        cmocka_unit_test(a_history_that_cannot_be_read_is_replayed_from_elsewhere),
        cmocka_unit_test(a_document_goes_to_sleep_and_goes_on_as_before),
        cmocka_unit_test(a_sleeping_document_takes_a_newer_saved_form),
    };
    return RUN_TESTS("document", tests);
}
