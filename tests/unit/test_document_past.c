/* What a document remembers: its log, who wrote which bytes, the version of a moment. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/document_past.h"
#include "tests/support/replica.h"

enum { ANA = 'a', BEN = 'b', CLEO = 'c' };

static void edit_at(struct replica *replica, uint64_t time_s, const char *label, uint64_t pos, uint64_t deleted, const char *text)
{
    struct patch patch = {0};
    struct edit_mark mark = {.gesture = true, .time_s = time_s, .label = label};
    patch_replace(&patch, pos, deleted, bytes_of_string(text));
    document_local(replica->document, &replica->agents[replica->agent_count - 1], &patch, mark, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
}

static void exchange(struct replica *a, struct replica *b)
{
    replica_send(a, b, 0);
    replica_send(b, a, 0);
    replica_expect_same(a, b);
}

/* --- the log --- */

static void expect_entry(const struct log_entry *entry, unsigned char author, uint64_t time_s, enum log_kind kind,
                         uint64_t inserted, uint64_t deleted)
{
    assert_int_equal(entry->author.bytes[0], author);
    assert_int_equal(entry->time_s, time_s);
    assert_int_equal(entry->kind, kind);
    assert_int_equal(entry->inserted, inserted);
    assert_int_equal(entry->deleted, deleted);
}

static void the_log_says_who_did_what_and_when(void **state)
{
    (void)state;
    struct replica ana, ben;
    struct log_list log = {0};
    replica_init(&ana, "base", ANA);
    replica_init(&ben, "base", BEN);
    document_log(ana.document, &log);
    assert_int_equal(log.count, 0);
    edit_at(&ana, 100, NULL, 0, 2, "BA");
    replica_edit(&ana, 2, 0, bytes_of_string("+"), false); /* of the same gesture */
    exchange(&ana, &ben);
    edit_at(&ben, 200, "disk", 4, 1, "");
    exchange(&ana, &ben);
    assert_true(replica_undo(&ana));
    assert_true(replica_redo(&ana));
    document_log(ana.document, &log);
    assert_int_equal(log.count, 4);
    expect_entry(&log.items[0], ANA, 100, LOG_EDIT, 3, 2);
    assert_null(log.items[0].label);
    assert_int_equal(log.items[0].last.seq, 4);
    expect_entry(&log.items[1], BEN, 200, LOG_EDIT, 0, 1);
    assert_string_equal(log.items[1].label, "disk");
    expect_entry(&log.items[2], ANA, 0, LOG_UNDO, 2, 3);
    expect_entry(&log.items[3], ANA, 0, LOG_REDO, 3, 2);
    log_list_release(&log);
    replica_release(&ana);
    replica_release(&ben);
}

static void what_does_nothing_is_not_counted(void **state)
{
    (void)state;
    struct replica ana;
    struct batch wild = {.agent = {{BEN}}, .count = 0};
    struct error err = {0};
    struct patch patch = {0};
    struct log_list log = {0};
    replica_init(&ana, "base", ANA);
    batch_add_insert(&wild, 9, bytes_of_string("beyond"));
    batch_add_delete(&wild, 3, 7);
    assert_int_equal(document_add(ana.document, &wild, &err), DOCUMENT_ADDED);
    document_update(ana.document, &patch);
    document_log(ana.document, &log);
    assert_int_equal(log.count, 1);
    expect_entry(&log.items[0], BEN, 0, LOG_EDIT, 0, 0);
    log_list_release(&log);
    patch_release(&patch);
    batch_release(&wild);
    replica_release(&ana);
}

/* --- the version of a moment --- */

static void expect_text_at(struct replica *replica, uint64_t time_s, const char *base, const char *text)
{
    struct version version = {0};
    struct patch patch = {0};
    struct buf found = {0};
    document_version_at(replica->document, time_s, &version);
    assert_true(document_patch_to(replica->document, &version, &patch));
    patch_apply(&patch, bytes_of_string(base), &found);
    assert_string_equal(buf_string(&found), text);
    buf_release(&found);
    patch_release(&patch);
    version_release(&version);
}

static void a_moment_has_all_that_was_written_until_then(void **state)
{
    (void)state;
    struct replica ana, ben;
    replica_init(&ana, "-", ANA);
    replica_init(&ben, "-", BEN);
    edit_at(&ana, 100, NULL, 0, 0, "one");
    edit_at(&ben, 150, NULL, 1, 0, "two");
    exchange(&ana, &ben);
    edit_at(&ana, 200, NULL, 3, 1, "");
    expect_text_at(&ana, 99, "-", "-");
    expect_text_at(&ana, 100, "-", "one-");
    expect_text_at(&ana, 199, "-", "one-two");
    expect_text_at(&ana, 200, "-", "onetwo");
    replica_release(&ana);
    replica_release(&ben);
}

/* A clock that is behind: what it dated early builds on what came later. */
static void what_builds_on_something_later_is_not_there_before_it(void **state)
{
    (void)state;
    struct replica ana, ben;
    replica_init(&ana, "", ANA);
    replica_init(&ben, "", BEN);
    edit_at(&ana, 500, NULL, 0, 0, "later ");
    exchange(&ana, &ben);
    edit_at(&ben, 100, NULL, 6, 0, "earlier");
    expect_text_at(&ben, 100, "", "");
    expect_text_at(&ben, 500, "", "later earlier");
    replica_release(&ana);
    replica_release(&ben);
}

static void what_has_no_time_has_that_of_the_edit_before_it(void **state)
{
    (void)state;
    struct replica ana;
    replica_init(&ana, "", ANA);
    edit_at(&ana, 0, NULL, 0, 0, "a");
    edit_at(&ana, 100, NULL, 1, 0, "b");
    edit_at(&ana, 0, NULL, 2, 0, "c");
    expect_text_at(&ana, 99, "", "a");
    expect_text_at(&ana, 100, "", "abc");
    replica_release(&ana);
}

/* --- blame --- */

static void expect_range(const struct blame *blame, size_t i, uint64_t at, uint64_t len, unsigned char author, uint64_t time_s)
{
    assert_true(i < blame->count);
    assert_int_equal(blame->items[i].at, at);
    assert_int_equal(blame->items[i].len, len);
    assert_int_equal(blame->items[i].base, author == 0);
    assert_int_equal(blame->items[i].author.bytes[0], author);
    assert_int_equal(blame->items[i].time_s, time_s);
}

static void blame_all(struct replica *replica, struct blame *blame)
{
    document_blame(replica->document, 0, rope_len(replica->text), blame);
}

static void blame_says_who_wrote_which_bytes(void **state)
{
    (void)state;
    struct replica ana, ben;
    struct blame blame = {0};
    replica_init(&ana, "base", ANA);
    replica_init(&ben, "base", BEN);
    edit_at(&ana, 100, NULL, 2, 0, "ANA");
    exchange(&ana, &ben);
    edit_at(&ben, 200, "disk", 3, 1, "ben");
    exchange(&ana, &ben);
    replica_expect(&ana, "baAbenAse");
    blame_all(&ana, &blame);
    assert_int_equal(blame.count, 5);
    expect_range(&blame, 0, 0, 2, 0, 0);
    expect_range(&blame, 1, 2, 1, ANA, 100);
    expect_range(&blame, 2, 3, 3, BEN, 200);
    assert_string_equal(blame.items[2].label, "disk");
    expect_range(&blame, 3, 6, 1, ANA, 100);
    expect_range(&blame, 4, 7, 2, 0, 0);
    assert_ptr_equal(blame_find(&blame, 0), &blame.items[0]);
    assert_ptr_equal(blame_find(&blame, 5), &blame.items[2]);
    assert_ptr_equal(blame_find(&blame, 8), &blame.items[4]);
    assert_null(blame_find(&blame, 9));
    blame_release(&blame);
    replica_release(&ana);
    replica_release(&ben);
}

static void what_is_brought_back_is_its_first_writers(void **state)
{
    (void)state;
    struct replica ana, ben;
    struct blame blame = {0};
    replica_init(&ana, "base", ANA);
    replica_init(&ben, "base", BEN);
    edit_at(&ana, 100, NULL, 4, 0, "ana");
    exchange(&ana, &ben);
    edit_at(&ben, 200, NULL, 2, 4, ""); /* base text and Ana's */
    for (int i = 0; i < 3; i++) {
        assert_true(replica_undo(&ben));
        blame_all(&ben, &blame);
        assert_int_equal(blame.count, 2);
        expect_range(&blame, 0, 0, 4, 0, 0);
        expect_range(&blame, 1, 4, 3, ANA, 100);
        assert_true(replica_redo(&ben));
    }
    blame_release(&blame);
    replica_release(&ana);
    replica_release(&ben);
}

/*
 * An undo that says more than it inserted: that its spans go on into what others typed behind it, and over deletes again and again.
 */
static void no_undo_claims_what_it_did_not_insert(void **state)
{
    (void)state;
    struct replica ana;
    struct blame blame = {0};
    struct error err = {0};
    struct patch patch = {0};
    struct agent_id cleo = {{CLEO}};
    struct batch undo = {.agent = cleo, .seq0 = 4, .flags = BATCH_FLAG_GESTURE | BATCH_FLAG_UNDO | BATCH_FLAG_SELF};
    replica_init(&ana, "base", ANA);
    struct batch deletes = {.agent = cleo};
    batch_add_delete(&deletes, 0, 4);
    assert_int_equal(document_add(ana.document, &deletes, &err), DOCUMENT_ADDED);
    for (int i = 0; i < 3; i++)
        batch_add_undo(&undo, (struct event_span){cleo, 0, 4});
    batch_add_insert(&undo, 0, bytes_of_string("base"));
    batch_add_nop(&undo);
    assert_int_equal(document_add(ana.document, &undo, &err), DOCUMENT_ADDED);
    document_update(ana.document, &patch);
    rope_apply(ana.text, &patch);
    replica_expect(&ana, "base");
    edit_at(&ana, 100, NULL, 4, 0, "mine");
    blame_all(&ana, &blame);
    assert_int_equal(blame.count, 2);
    expect_range(&blame, 0, 0, 4, 0, 0);
    expect_range(&blame, 1, 4, 4, ANA, 100);
    batch_release(&undo);
    batch_release(&deletes);
    patch_release(&patch);
    blame_release(&blame);
    replica_release(&ana);
}

static void an_empty_text_has_nobody_to_blame(void **state)
{
    (void)state;
    struct replica ana;
    struct blame blame = {0};
    replica_init(&ana, "", ANA);
    blame_all(&ana, &blame);
    assert_int_equal(blame.count, 0);
    assert_null(blame_find(&blame, 0));
    edit_at(&ana, 100, NULL, 0, 0, "x");
    edit_at(&ana, 101, NULL, 0, 1, "");
    blame_all(&ana, &blame);
    assert_int_equal(blame.count, 0);
    blame_release(&blame);
    replica_release(&ana);
}

/* --- what changed, and who did it --- */

static void expect_change(const struct change *change, bool inserted, bool wrote, uint64_t from_at, uint64_t to_at, uint64_t len,
                          unsigned char author, uint64_t time_s)
{
    assert_true(change->inserted == inserted && change->wrote == wrote);
    assert_int_equal(change->from_at, from_at);
    assert_int_equal(change->to_at, to_at);
    assert_int_equal(change->len, len);
    assert_int_equal(change->author.bytes[0], author);
    assert_int_equal(change->time_s, time_s);
}

/* "base" -> "b" + "ANA" + "e", Ben having deleted "as"; and the way back, which is nobody else's doing. */
static void a_change_is_whose_edit_made_the_difference(void **state)
{
    (void)state;
    struct replica ana, ben;
    struct version base = {0}, now = {0};
    struct change_list changes = {0};
    struct patch patch = {0};
    replica_init(&ana, "base", ANA);
    replica_init(&ben, "base", BEN);
    edit_at(&ana, 100, NULL, 1, 0, "ANA");
    edit_at(&ben, 200, NULL, 1, 2, "");
    exchange(&ana, &ben);
    replica_expect(&ana, "bANAe");
    document_version(ana.document, &now);
    assert_true(document_changes(ana.document, &base, &now, &patch, &changes));
    assert_int_equal(changes.count, 2);
    expect_change(&changes.items[0], true, true, 1, 1, 3, ANA, 100);
    expect_change(&changes.items[1], false, false, 1, 4, 2, BEN, 200);
    assert_true(document_changes(ana.document, &now, &base, &patch, &changes));
    assert_int_equal(changes.count, 2);
    expect_change(&changes.items[0], false, true, 1, 1, 3, ANA, 100);
    expect_change(&changes.items[1], true, false, 4, 1, 2, BEN, 200);
    assert_true(document_changes(ana.document, &now, &now, &patch, &changes));
    assert_int_equal(changes.count, 0);
    change_list_release(&changes);
    patch_release(&patch);
    version_release(&base);
    version_release(&now);
    replica_release(&ana);
    replica_release(&ben);
}

static void deleted_text_is_of_who_deleted_it_whoever_wrote_it(void **state)
{
    (void)state;
    struct replica ana, ben;
    struct version before = {0}, now = {0};
    struct change_list changes = {0};
    struct patch patch = {0};
    replica_init(&ana, "", ANA);
    replica_init(&ben, "", BEN);
    edit_at(&ana, 100, NULL, 0, 0, "one two three");
    exchange(&ana, &ben);
    document_version(ana.document, &before);
    for (uint64_t at = 7; at-- > 4;)
        edit_at(&ben, 200 + at, NULL, at, 1, ""); /* backwards, each key an edit */
    edit_at(&ben, 300, NULL, 0, 2, "");
    exchange(&ana, &ben);
    document_version(ana.document, &now);
    assert_true(document_changes(ana.document, &before, &now, &patch, &changes));
    assert_int_equal(changes.count, 4);
    expect_change(&changes.items[0], false, false, 0, 0, 2, BEN, 300);
    expect_change(&changes.items[1], false, false, 4, 2, 1, BEN, 204);
    expect_change(&changes.items[2], false, false, 5, 2, 1, BEN, 205);
    expect_change(&changes.items[3], false, false, 6, 2, 1, BEN, 206);
    change_list_release(&changes);
    patch_release(&patch);
    version_release(&before);
    version_release(&now);
    replica_release(&ana);
    replica_release(&ben);
}

/* --- at random: everybody types a letter of his own --- */

enum { PEOPLE = 3, STEPS = 120 };

struct room {
    struct replica people[PEOPLE];
    struct random random;
    uint64_t now_s;
};

static void step(struct room *room)
{
    size_t who = random_below(&room->random, PEOPLE);
    struct replica *one = &room->people[who];
    uint64_t len = rope_len(one->text), pos = random_below(&room->random, len + 1), most = len - pos < 9 ? len - pos : 9;
    char text[] = {(char)('a' + who), (char)('a' + who), '\0'};
    switch (random_below(&room->random, 8)) {
    case 0:
        replica_undo(one);
        return;
    case 1:
        replica_redo(one);
        return;
    case 2:
        edit_at(one, ++room->now_s, NULL, pos, random_below(&room->random, most + 1), "");
        return;
    case 3:
        for (size_t other = 0; other < PEOPLE; other++)
            if (other != who)
                replica_send(&room->people[other], one, who);
        return;
    default:
        edit_at(one, ++room->now_s, NULL, pos, random_below(&room->random, 3) ? 0 : random_below(&room->random, most + 1), text);
    }
}

static void expect_letters_are_their_writers(struct replica *replica)
{
    struct blame blame = {0};
    struct buf text = {0};
    replica_text(replica, &text);
    blame_all(replica, &blame);
    uint64_t end = 0;
    for (size_t i = 0; i < blame.count; i++) {
        const struct blame_range *range = &blame.items[i];
        assert_int_equal(range->at, end);
        end += range->len;
        assert_true(end <= text.len);
        for (uint64_t at = range->at; at < end; at++)
            assert_int_equal(text.data[at], range->base ? '-' : range->author.bytes[0]);
    }
    assert_int_equal(end, text.len);
    buf_release(&text);
    blame_release(&blame);
}

/* A screen of one that is asked again and again is the same as in a copy that was never asked. */
static void expect_screen(struct room *room, struct replica *replica)
{
    struct blame screen = {0}, all = {0};
    struct buf bytes = {0};
    struct error err = {0};
    struct patch patch = {0};
    uint64_t at = random_below(&room->random, rope_len(replica->text) + 1);
    uint64_t len = random_below(&room->random, rope_len(replica->text) - at + 1), end = at;
    document_encode(replica->document, &bytes);
    struct document *copy = document_decode(buf_view(&bytes), replica->base, &err);
    assert_non_null(copy);
    document_update(copy, &patch);
    document_blame(replica->document, at, len, &screen);
    document_blame(copy, 0, document_len(copy), &all);
    for (size_t i = 0; i < screen.count; i++) {
        const struct blame_range *range = &screen.items[i];
        assert_int_equal(range->at, end);
        end += range->len;
        for (uint64_t byte = range->at; byte < end; byte++) {
            const struct blame_range *same = blame_find(&all, byte);
            assert_true(same->base == range->base && same->time_s == range->time_s);
            assert_true(agent_id_equal(&same->author, &range->author));
            assert_ptr_equal(blame_find(&screen, byte), range);
        }
    }
    assert_int_equal(end, at + len);
    patch_release(&patch);
    buf_release(&bytes);
    document_free(copy);
    blame_release(&screen);
    blame_release(&all);
}

static void every_letter_is_its_writers(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("blame", 35));
    for (uint64_t round = support_rounds(200); round > 0; round--) {
        struct room room = {.now_s = 1000, .random = random_of(random_next(&random))};
        for (size_t i = 0; i < PEOPLE; i++)
            replica_init(&room.people[i], "----------", (unsigned char)('a' + i));
        for (size_t i = 0; i < STEPS; i++) {
            step(&room);
            if (random_chance(&room.random, 10))
                expect_screen(&room, &room.people[random_below(&room.random, PEOPLE)]);
        }
        for (size_t i = 0; i < PEOPLE; i++)
            expect_letters_are_their_writers(&room.people[i]);
        for (size_t i = 0; i < PEOPLE; i++)
            replica_release(&room.people[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_says_who_did_what_and_when),
        cmocka_unit_test(what_does_nothing_is_not_counted),
        cmocka_unit_test(a_moment_has_all_that_was_written_until_then),
        cmocka_unit_test(what_builds_on_something_later_is_not_there_before_it),
        cmocka_unit_test(what_has_no_time_has_that_of_the_edit_before_it),
        cmocka_unit_test(blame_says_who_wrote_which_bytes),
        cmocka_unit_test(what_is_brought_back_is_its_first_writers),
        cmocka_unit_test(no_undo_claims_what_it_did_not_insert),
        cmocka_unit_test(an_empty_text_has_nobody_to_blame),
        cmocka_unit_test(a_change_is_whose_edit_made_the_difference),
        cmocka_unit_test(deleted_text_is_of_who_deleted_it_whoever_wrote_it),
        cmocka_unit_test(every_letter_is_its_writers),
    };
    return RUN_TESTS("document_past", tests);
}
