/* A document that falls asleep anywhere, by any saved form of what it went through: as if it had never slept. */
#include "tests/support/support.h"

#include "editor/base/random.h"
#include "editor/rope.h"
#include "sync/document_past.h"

static const struct agent_id ANA = {{'a'}};

/* A document and its text. */
struct copy {
    struct document *document;
    struct rope *text;
    size_t had; /* of the batches of all */
};

static void release(struct copy *copy)
{
    document_free(copy->document);
    rope_free(copy->text);
}

static struct copy begin(const struct rope *base)
{
    return (struct copy){document_new(base), rope_snapshot(base), 0};
}

static void replace(struct copy *copy, const struct agent_id *agent, uint64_t pos, uint64_t deleted, struct bytes text,
                    struct batch_list *out)
{
    struct patch patch = {0};
    patch_replace(&patch, pos, deleted, text);
    document_local(copy->document, agent, &patch, (struct edit_mark){.gesture = true}, out);
    rope_apply(copy->text, &patch);
    patch_release(&patch);
}

static enum document_undone undo(struct copy *copy, const struct agent_id *whose, const struct agent_id *writer,
                                 enum undo_direction way, struct batch_list *out)
{
    struct patch patch = {0};
    enum document_undone undone = document_undo(copy->document, whose, 1, writer, way, 0, &patch, out);
    rope_apply(copy->text, &patch);
    patch_release(&patch);
    return undone;
}

/* --- what was found out before it slept --- */

static void expect_text(const struct copy *copy, const char *expected)
{
    struct buf content = {0};
    rope_append_to(copy->text, 0, rope_len(copy->text), &content);
    assert_string_equal(buf_string(&content), expected);
    buf_release(&content);
}

static void sleep_now(struct copy *copy)
{
    struct buf saved = {0};
    document_save(copy->document, &saved);
    assert_true(document_sleep(copy->document, buf_view(&saved)));
    buf_release(&saved);
}

static void expect_blame(struct copy *copy)
{
    struct blame blame = {0};
    document_blame(copy->document, 0, document_len(copy->document), &blame);
    assert_true(blame.count > 0);
    assert_int_equal(blame.items[blame.count - 1].at + blame.items[blame.count - 1].len, document_len(copy->document));
    blame_release(&blame);
}

/* From now to what it was at first. */
static void expect_between(struct copy *copy)
{
    struct patch patch = {0};
    struct version now = {0}, nothing = {0};
    document_version(copy->document, &now);
    assert_true(document_patch_between(copy->document, &now, &nothing, &patch));
    struct copy then = {.text = rope_snapshot(copy->text)};
    rope_apply(then.text, &patch);
    expect_text(&then, "base");
    rope_free(then.text);
    patch_release(&patch);
    version_release(&now);
}

/* Whatever is asked before it sleeps, and after. */
static void ask(struct copy *copy, unsigned what)
{
    if (what & 1)
        expect_blame(copy);
    if (what & 2)
        expect_between(copy);
}

static void questions_before_a_sleep_leave_nothing_that_one_after_it_takes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 16; round++) {
        struct rope *base = rope_from_bytes(bytes_of_string("base"));
        struct copy copy = begin(base);
        struct batch_list log = {0};
        replace(&copy, &ANA, 4, 0, bytes_of_string(" one"), &log);
        replace(&copy, &ANA, 8, 0, bytes_of_string(" two"), &log);
        replace(&copy, &ANA, 0, 4, bytes_of_string(""), &log);
        assert_int_equal(undo(&copy, &ANA, &ANA, UNDO_BACK, &log), DOCUMENT_UNDONE); /* asks for all history */
        expect_text(&copy, "base one two");
        ask(&copy, round);
        sleep_now(&copy);
        replace(&copy, &ANA, 0, 2, bytes_of_string(""), &log);
        ask(&copy, round >> 2);
        assert_int_equal(undo(&copy, &ANA, &ANA, UNDO_BACK, &log), DOCUMENT_UNDONE);
        expect_text(&copy, "base one two");
        sleep_now(&copy);
        ask(&copy, round);
        assert_int_equal(undo(&copy, &ANA, &ANA, UNDO_BACK, &log), DOCUMENT_UNDONE);
        expect_text(&copy, "base one");
        document_check(copy.document);
        release(&copy);
        rope_free(base);
        batch_list_release(&log);
    }
}

/* --- anywhere --- */

enum { PEOPLE = 3 };

/* Several people write; `asleep` writes too and falls asleep again and again, `awake` hears the same and never does. */
struct room {
    struct random random;
    struct rope *base;
    struct copy people[PEOPLE], asleep, awake;
    struct batch_list log; /* of everybody, in the order in which the last two get it */
};

static void update(struct copy *copy)
{
    struct patch patch = {0};
    document_update(copy->document, &patch);
    rope_apply(copy->text, &patch);
    patch_release(&patch);
}

static void hear(struct room *room, struct copy *copy)
{
    struct error err = {0};
    for (; copy->had < room->log.count; copy->had++)
        assert_int_not_equal(document_add(copy->document, &room->log.items[copy->had], &err), DOCUMENT_REFUSED);
    update(copy);
}

static void edit(struct room *room, struct copy *copy, const struct agent_id *agent, bool undoes)
{
    struct random *random = &room->random;
    uint64_t len = rope_len(copy->text), pos = random_below(random, len + 1);
    uint64_t deleted = random_below(random, (len - pos < 6 ? len - pos : 6) + 1);
    char text[10];
    size_t count = (size_t)random_below(random, sizeof text);
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('a' + random_below(random, 26));
    if (undoes && random_chance(random, 6))
        undo(copy, agent, agent, random_chance(random, 3) ? UNDO_AGAIN : UNDO_BACK, &room->log);
    else
        replace(copy, agent, pos, deleted, count + deleted ? bytes_of(text, count) : bytes_of_string("z"), &room->log);
}

static void expect_same(struct room *room)
{
    struct version left = {0}, right = {0};
    document_version(room->asleep.document, &left);
    document_version(room->awake.document, &right);
    assert_true(version_equal(&left, &right));
    assert_true(rope_equal(room->asleep.text, room->awake.text));
    assert_int_equal(document_len(room->asleep.document), rope_len(room->asleep.text));
    version_release(&left);
    version_release(&right);
}

static void hear_both(struct room *room)
{
    hear(room, &room->asleep);
    hear(room, &room->awake);
    expect_same(room);
}

/* What reaches beyond the text has no effect. */
static void write_far(struct room *room, struct copy *copy)
{
    struct batch far = {.agent = {{'e'}}};
    struct version now = {0};
    struct error err = {0};
    document_version(copy->document, &now);
    far.seq0 = document_next_seq(copy->document, &far.agent);
    for (size_t i = 0; i < now.count; i++)
        batch_add_parent(&far, now.heads[i]);
    batch_add_delete(&far, rope_len(copy->text) + random_below(&room->random, 4), 3);
    batch_add_insert(&far, rope_len(copy->text) + random_below(&room->random, 5), bytes_of_string("far"));
    batch_end(&far);
    if (document_add(copy->document, &far, &err) == DOCUMENT_ADDED)
        batch_copy(batch_list_add(&room->log), &far);
    update(copy);
    version_release(&now);
    batch_release(&far);
}

static void somebody_writes(struct room *room)
{
    size_t who = (size_t)random_below(&room->random, PEOPLE);
    struct copy *copy = &room->people[who];
    if (random_chance(&room->random, 2))
        hear(room, copy);
    for (uint64_t edits = 1 + random_below(&room->random, 3); edits > 0; edits--)
        edit(room, copy, &(struct agent_id){{(unsigned char)('a' + who)}}, true);
    if (who == 0 && random_chance(&room->random, 6)) /* one alone, or it would fork */
        write_far(room, copy);
}

/* Without its history, where it can. */
static void sleeper_writes(struct room *room)
{
    hear_both(room);
    edit(room, &room->asleep, &(struct agent_id){{'s'}}, false);
    room->asleep.had = room->log.count;
    hear(room, &room->awake);
    expect_same(room);
}

/* By what another replica has saved, which is of now or of some time before. */
static void fall_asleep(struct room *room, unsigned *slept)
{
    struct copy saver = begin(room->base);
    struct buf saved = {0};
    struct error err = {0};
    hear_both(room);
    size_t upto = room->log.count;
    if (random_chance(&room->random, 2))
        upto = (size_t)random_below(&room->random, upto + 1);
    for (size_t i = 0; i < upto; i++)
        assert_int_not_equal(document_add(saver.document, &room->log.items[i], &err), DOCUMENT_REFUSED);
    document_save(saver.document, &saved);
    *slept += document_sleep(room->asleep.document, buf_view(&saved));
    expect_same(room);
    buf_release(&saved);
    release(&saver);
}

static void compare_patches(struct room *room)
{
    struct patch left = {0}, right = {0};
    struct version version = {0};
    if (room->log.count > 0) {
        const struct batch *batch = &room->log.items[random_below(&room->random, room->log.count)];
        version_set(&version, (struct event_id){batch->agent, batch->seq0 + batch->count - 1});
    }
    hear_both(room);
    assert_true(document_patch_since(room->asleep.document, &version, &left));
    assert_true(document_patch_since(room->awake.document, &version, &right));
    assert_true(patch_equal(&left, &right));
    patch_release(&left);
    patch_release(&right);
    version_release(&version);
}

static void compare_blame(struct room *room)
{
    struct blame left = {0}, right = {0};
    document_blame(room->asleep.document, 0, document_len(room->asleep.document), &left);
    document_blame(room->awake.document, 0, document_len(room->awake.document), &right);
    assert_int_equal(left.count, right.count);
    for (size_t i = 0; i < left.count; i++) {
        assert_int_equal(left.items[i].at, right.items[i].at);
        assert_true(agent_id_equal(&left.items[i].author, &right.items[i].author));
    }
    blame_release(&left);
    blame_release(&right);
}

static void compare_undo(struct room *room)
{
    static const struct agent_id writer = {{'w'}};
    struct batch_list ignored = {0};
    const char *who = "abcs";
    for (size_t i = 0; who[i]; i++) {
        struct agent_id agent = {{(unsigned char)who[i]}};
        assert_int_equal(undo(&room->asleep, &agent, &writer, UNDO_BACK, &ignored),
                         undo(&room->awake, &agent, &writer, UNDO_BACK, &ignored));
        expect_same(room);
    }
    batch_list_release(&ignored);
}

static void compare_saved(struct room *room)
{
    struct buf left = {0}, right = {0};
    document_save(room->asleep.document, &left);
    document_save(room->awake.document, &right);
    assert_true(bytes_equal(buf_view(&left), buf_view(&right)));
    assert_int_equal(document_stats(room->asleep.document).void_events, document_stats(room->awake.document).void_events);
    document_check(room->asleep.document);
    buf_release(&left);
    buf_release(&right);
}

static void step(struct room *room, unsigned *slept)
{
    if (random_chance(&room->random, 4))
        sleeper_writes(room);
    else
        somebody_writes(room);
    if (random_chance(&room->random, 3))
        hear_both(room);
    if (random_chance(&room->random, 5))
        fall_asleep(room, slept);
    if (random_chance(&room->random, 8))
        compare_patches(room);
    if (random_chance(&room->random, 16)) {
        hear_both(room);
        compare_blame(room);
    }
}

static void a_document_may_fall_asleep_at_any_version_it_went_through(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("saved-sleep", 41));
    unsigned slept = 0;
    for (uint64_t round = support_rounds(300); round > 0; round--) {
        struct room room = {.random = random_of(random_next(&random)), .base = rope_from_bytes(bytes_of_string("0123456789"))};
        for (size_t i = 0; i < PEOPLE; i++)
            room.people[i] = begin(room.base);
        room.asleep = begin(room.base);
        room.awake = begin(room.base);
        for (int i = 0; i < 80; i++)
            step(&room, &slept);
        hear_both(&room);
        compare_blame(&room);
        compare_undo(&room);
        compare_saved(&room);
        for (size_t i = 0; i < PEOPLE; i++)
            release(&room.people[i]);
        release(&room.asleep);
        release(&room.awake);
        rope_free(room.base);
        batch_list_release(&room.log);
    }
    assert_true(slept > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_before_a_sleep_leave_nothing_that_one_after_it_takes),
        cmocka_unit_test(a_document_may_fall_asleep_at_any_version_it_went_through),
    };
    return RUN_TESTS("saved_document_sleep", tests);
}
