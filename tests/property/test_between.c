/* What two versions have in common, over random event graphs, against the naive model. */
#include "tests/support/support.h"

#include "sync/between.h"
#include "sync/document_past.h"
#include "tests/support/replica.h"
#include "tests/support/scene.h"

enum { UNITS_MAX = NAIVE_EVENTS_MAX + 64 };

struct world {
    struct scene *scene;
    struct history history;
    uint64_t last_lv[SCENE_ACTS_MAX];
    int events[NAIVE_EVENTS_MAX]; /* by LV: what it is in the naive model */
};

static void begin(struct world *world, struct scene *scene)
{
    world->scene = scene;
    scene_tell_all(scene, &world->history, world->last_lv);
    for (size_t i = 0; i < scene->count; i++)
        for (uint64_t back = 0; back < history_op_len(&scene->acts[i].op); back++)
            world->events[world->last_lv[i] - back] = (int)(scene_last_event(&scene->acts[i]) - back);
}

/* A version, for both. */
struct moment {
    struct lv_list lvs;
    size_t events[2];
    size_t count;
};

/* Of up to two acts; or the root. */
static void choose(const struct world *world, struct moment *moment)
{
    const struct scene *scene = world->scene;
    moment->lvs.count = 0;
    moment->count = random_below(scene->random, 3);
    for (size_t i = 0; i < moment->count; i++) {
        size_t act = (size_t)random_below(scene->random, scene->count);
        moment->events[i] = scene_last_event(&scene->acts[act]);
        lv_list_add(&moment->lvs, world->last_lv[act]);
    }
    lv_list_sort(&moment->lvs);
    if (moment->lvs.count == 2 && !graph_is_reduced(world->history.graph, moment->lvs.items, 2))
        lv_list_set(&moment->lvs, moment->lvs.items + 1, 1); /* the other one is an ancestor */
}

/* What the naive model calls a unit of the tracker. */
static int unit_of(const struct world *world, const struct between *between, uint64_t id)
{
    int units[UNITS_MAX];
    if (id < TRACKER_BASE)
        return world->events[id];
    size_t base = between->base == LV_NONE ? 0 : (size_t)world->events[between->base];
    size_t count = naive_units(world->scene->naive, &base, between->base != LV_NONE, units);
    assert_in_range(id - TRACKER_BASE, 0, count - 1);
    return units[id - TRACKER_BASE];
}

static void expect_side(const struct world *world, const struct between *between, const struct moment *moment, bool from)
{
    int expected[UNITS_MAX];
    size_t count = naive_units(world->scene->naive, moment->events, moment->count, expected), at = 0;
    for (size_t i = 0; i < between->count; i++) {
        const struct between_row *row = &between->items[i];
        for (uint64_t unit = 0; unit < row->len && (from ? row->in_from : row->in_to); unit++, at++) {
            assert_true(at < count);
            assert_int_equal(unit_of(world, between, row->id + unit), expected[at]);
        }
    }
    assert_int_equal(at, count);
}

/* Each side has its text; rows that touch are told apart by something; a byte that both have is in one row. */
static void check_pair(struct world *world, const struct moment *from, const struct moment *to)
{
    struct between between = {0};
    between_find(world->history.walker, &from->lvs, &to->lvs, &between);
    tracker_check(between.tracker);
    expect_side(world, &between, from, true);
    expect_side(world, &between, to, false);
    for (size_t i = 0; i < between.count; i++) {
        const struct between_row *row = &between.items[i];
        assert_true(row->len > 0 && (row->in_from || row->in_to));
        for (size_t j = 0; j < i; j++)
            assert_true(between.items[j].id + between.items[j].len <= row->id || row->id + row->len <= between.items[j].id);
    }
    between_release(&between);
}

static void check_scene(struct scene *scene)
{
    static struct world world;
    struct moment from = {0}, to = {0};
    begin(&world, scene);
    for (int i = 0; i < 8; i++) {
        choose(&world, &from);
        choose(&world, &to);
        check_pair(&world, &from, &to);
    }
    lv_list_release(&from.lvs);
    lv_list_release(&to.lvs);
    history_release(&world.history);
    naive_free(scene->naive);
}

static void rows_are_what_the_model_says_of_any_two_versions(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("between", 41));
    static struct scene scene;
    for (uint64_t round = support_rounds(40); round > 0; round--) {
        scene_make(&scene, &random);
        check_scene(&scene);
        scene_make_crowded(&scene, &random);
        check_scene(&scene);
    }
}

/* Two thousand lines, of which two versions near the end differ in one: what lies before is not walked again. */
static void the_cost_is_what_lies_between(void **state)
{
    (void)state;
    enum { LINES = 2000 };
    static const struct agent_id ana = {{1}};
    struct history history;
    struct between between = {0};
    struct lv_list from = {0}, to = {0};
    uint64_t last = LV_NONE;
    history_init(&history, bytes_of_string(""));
    for (uint64_t i = 0; i < LINES; i++) {
        struct history_op op = {OP_INSERT, i * 3, 0, bytes_of_string("ab\n")};
        last = history_add(&history, &ana, i * 3, &last, last != LV_NONE, &op, 1) - 1;
        if (i == LINES - 2)
            lv_list_add(&from, last);
    }
    lv_list_add(&to, last);
    history_update(&history);
    uint64_t before = walker_steps(history.walker);
    between_find(history.walker, &from, &to, &between);
    assert_int_equal(walker_steps(history.walker) - before, 3);
    assert_int_equal(between.count, 2);
    assert_int_equal(between.items[1].len, 3);
    between_release(&between);
    lv_list_release(&from);
    lv_list_release(&to);
    history_release(&history);
}

/* --- the patch between two versions of a document --- */

enum { PEOPLE = 3, STATES = 24, VALUES = 200 };

/* What somebody's text was at some time. */
struct state {
    struct version version;
    struct buf text;
};

struct room {
    struct random *random;
    struct replica people[PEOPLE];
    unsigned char next_byte; /* every byte that is typed has a value of its own, as long as they last */
    bool undoes;             /* what was brought back is other bytes of the same value */
    struct state states[STATES];
};

static const char base_text[] = "\001\002\003\004\005\006\007\010\011\012";

static void edit(struct room *room, struct replica *replica)
{
    uint64_t len = rope_len(replica->text), pos = random_below(room->random, len + 1), left = len - pos;
    unsigned char text[3];
    size_t typed = 0;
    uint64_t deleted = left > 0 && random_chance(room->random, 2) ? 1 + random_below(room->random, left < 4 ? left : 4) : 0;
    while (typed < sizeof text && room->next_byte < VALUES && (typed == 0 || random_chance(room->random, 2)))
        text[typed++] = room->next_byte++;
    replica_edit(replica, pos, deleted, bytes_of(text, typed), random_chance(room->random, 2));
}

static void act(struct room *room)
{
    size_t who = (size_t)random_below(room->random, PEOPLE), other = (size_t)random_below(room->random, PEOPLE);
    uint64_t what = random_below(room->random, 8);
    if (what < 2 && who != other)
        replica_send(&room->people[who], &room->people[other], other);
    else if (what == 2 && room->undoes)
        replica_undo(&room->people[who]);
    else if (what == 3 && room->undoes)
        replica_redo(&room->people[who]);
    else
        edit(room, &room->people[who]);
}

static void note_state(struct room *room, struct state *state)
{
    const struct replica *replica = &room->people[random_below(room->random, PEOPLE)];
    document_version(replica->document, &state->version);
    replica_text(replica, &state->text);
}

static size_t common(const struct buf *a, const struct buf *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->len; i++)
        for (size_t j = 0; j < b->len; j++)
            count += a->data[i] == b->data[j];
    return count;
}

/* The changes are the parts of the patch, in order, cut where another edit begins. */
static void check_changes(const struct replica *asked, const struct state *from, const struct state *to, const struct patch *patch)
{
    struct change_list changes = {0};
    struct patch same = {0};
    uint64_t inserted = 0, deleted = 0, from_at = 0, to_at = 0;
    assert_true(document_changes(asked->document, &from->version, &to->version, &same, &changes));
    assert_true(patch_equal(&same, patch));
    for (size_t i = 0; i < changes.count; i++) {
        const struct change *change = &changes.items[i];
        assert_true(change->len > 0 && change->from_at >= from_at && change->to_at >= to_at);
        assert_int_equal(change->from_at - from_at, change->to_at - to_at); /* what is retained between them */
        from_at = change->from_at + (change->inserted ? 0 : change->len);
        to_at = change->to_at + (change->inserted ? change->len : 0);
        inserted += change->inserted ? change->len : 0;
        deleted += change->inserted ? 0 : change->len;
    }
    assert_int_equal(from->text.len - from_at, to->text.len - to_at);
    assert_int_equal(inserted, patch_inserted(patch));
    assert_int_equal(deleted, patch_deleted(patch));
    patch_release(&same);
    change_list_release(&changes);
}

static void check_states(const struct room *room, const struct replica *asked, const struct state *from, const struct state *to)
{
    struct patch patch = {0};
    struct buf text = {0};
    assert_true(document_patch_between(asked->document, &from->version, &to->version, &patch));
    patch_check(&patch);
    patch_apply(&patch, buf_view(&from->text), &text);
    assert_true(bytes_equal(buf_view(&text), buf_view(&to->text)));
    check_changes(asked, from, to, &patch);
    if (!room->undoes)
        assert_int_equal(from->text.len - patch_deleted(&patch), common(&from->text, &to->text));
    buf_release(&text);
    patch_release(&patch);
}

/* Whichever way is shorter. */
static void check_text_at(const struct replica *asked, const struct state *state)
{
    struct buf text = {0};
    struct rope *found = document_text_at(asked->document, asked->text, &state->version);
    assert_non_null(found);
    rope_append_to(found, 0, rope_len(found), &text);
    assert_true(bytes_equal(buf_view(&text), buf_view(&state->text)));
    rope_free(found);
    buf_release(&text);
}

static void check_room(struct random *random, bool undoes)
{
    struct room room = {.random = random, .next_byte = sizeof base_text, .undoes = undoes};
    for (size_t i = 0; i < PEOPLE; i++)
        replica_init(&room.people[i], base_text, (unsigned char)('a' + i));
    for (size_t i = 0; i < STATES; i++) {
        note_state(&room, &room.states[i]);
        for (int step = 0; step < 4; step++)
            act(&room);
    }
    for (size_t from = 1; from < PEOPLE; from++)
        replica_send(&room.people[from], &room.people[0], 0);
    for (int i = 0; i < 3 * STATES; i++) { /* what it is asked goes on in between */
        const struct state *from = &room.states[random_below(random, STATES)];
        check_states(&room, &room.people[0], from, &room.states[random_below(random, STATES)]);
        check_text_at(&room.people[0], from);
        if (random_chance(random, 4))
            edit(&room, &room.people[0]);
    }
    for (size_t i = 0; i < STATES; i++) {
        version_release(&room.states[i].version);
        buf_release(&room.states[i].text);
    }
    for (size_t i = 0; i < PEOPLE; i++)
        replica_release(&room.people[i]);
}

static void a_patch_leads_from_any_text_to_any_other_and_keeps_what_both_have(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("patch-between", 42));
    for (uint64_t round = support_rounds(60); round > 0; round--)
        check_room(&random, round % 2 == 0);
}

static void versions_that_are_not_known_are_refused(void **state)
{
    (void)state;
    struct replica ana;
    struct version known = {0}, unknown = {0};
    struct patch patch = {0};
    replica_init(&ana, "base", 'a');
    version_set(&unknown, (struct event_id){{{'x'}}, 3});
    assert_false(document_patch_between(ana.document, &known, &unknown, &patch));
    assert_false(document_patch_between(ana.document, &unknown, &known, &patch));
    assert_null(document_text_at(ana.document, ana.text, &unknown));
    assert_true(document_patch_between(ana.document, &known, &known, &patch));
    assert_true(patch_is_empty(&patch));
    patch_release(&patch);
    version_release(&unknown);
    version_release(&known);
    replica_release(&ana);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_the_model_says_of_any_two_versions),
        cmocka_unit_test(the_cost_is_what_lies_between),
        cmocka_unit_test(a_patch_leads_from_any_text_to_any_other_and_keeps_what_both_have),
        cmocka_unit_test(versions_that_are_not_known_are_refused),
    };
    return RUN_TESTS("between", tests);
}
