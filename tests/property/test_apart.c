/* Two branches without a tracker: against the naive model, and what is not such a thing. */
#include "sync/apart.h"

#include <string.h>

#include "sync/branch_text.h"
#include "tests/support/scene.h"
#include "tests/support/support.h"

static const struct agent_id ana = {{1}}, ben = {{2}}, cem = {{3}};

/* --- one branch --- */

enum { KEYS = 400, BASE = 40 };

/* A byte that was ever there. */
struct unit {
    uint64_t from;
    uint32_t in;
};

struct row {
    struct unit units[BASE + KEYS];
    size_t count;
};

/* Which unit the byte of the new text is. */
static size_t unit_at(const struct row *row, uint64_t pos)
{
    for (size_t i = 0;; i++)
        if (row->units[i].in & IN_NEW && pos-- == 0)
            return i;
}

static void row_put(struct row *row, size_t at, struct unit unit)
{
    for (size_t i = row->count++; i > at; i--)
        row->units[i] = row->units[i - 1];
    row->units[at] = unit;
}

static void expect_row(const struct branch_text *text, const struct row *row)
{
    struct branch_cursor cursor = branch_cursor_of(text);
    for (size_t i = 0; i < row->count; i++) {
        assert_true(cursor.piece.len > 0);
        assert_true(cursor.piece.from == row->units[i].from && cursor.piece.in == row->units[i].in);
        branch_cursor_skip(&cursor, 1);
    }
    assert_int_equal(cursor.piece.len, 0);
    branch_text_check(text);
}

/* Inserts a byte, or deletes a few, in both; gives how many were inserted. */
static size_t edit(struct random *random, struct branch_text *text, struct row *row, size_t typed, bool old)
{
    uint64_t len = branch_text_len(text);
    uint64_t pos = random_below(random, len + 1), some = random_below(random, 4);
    if (random_chance(random, 3)) {
        some = some < len - pos ? some : len - pos;
        branch_text_delete(text, pos, some, old);
        for (; some > 0; some--)
            row->units[unit_at(row, pos)].in &= old ? 0 : IN_OLD;
        return 0;
    }
    branch_text_insert(text, pos, typed, 1, old);
    row_put(row, pos > 0 ? unit_at(row, pos - 1) + 1 : 0, (struct unit){typed, old ? IN_OLD | IN_NEW : IN_NEW});
    return 1;
}

static void a_branch_keeps_what_was_deleted_where_it_was(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("branch", 1));
    struct branch_text text = {0};
    static struct row row;
    for (uint64_t round = support_rounds(50); round > 0; round--) {
        uint64_t base = random_below(&random, BASE), turn = random_below(&random, KEYS);
        size_t typed = 0;
        branch_text_begin(&text, base);
        for (row.count = 0; row.count < base; row.count++)
            row.units[row.count] = (struct unit){BRANCH_BASE + row.count, IN_OLD | IN_NEW};
        for (uint64_t key = 0; key < KEYS; key++)
            typed += edit(&random, &text, &row, typed, key < turn);
        expect_row(&text, &row);
    }
    branch_text_release(&text);
}

/* --- two --- */

/* The patch from what was told first to all, applied to the model's text of that, gives the model's text of all. */
static bool check_scene(struct scene *scene, size_t told_first)
{
    struct history history;
    struct apart apart = {0};
    struct patch patch = {0};
    struct buf then = {0}, now = {0};
    size_t order[SCENE_ACTS_MAX], events[SCENE_ACTS_MAX];
    uint64_t last_lv[SCENE_ACTS_MAX], merged = 0, len = strlen(scene->base);
    scene_shuffle(scene, order);
    history_init(&history, bytes_of_string(scene->base));
    for (size_t i = 0; i < scene->count; i++) {
        events[i] = scene_last_event(&scene->acts[order[i]]);
        merged = i == told_first ? graph_len(history.graph) : merged;
        scene_tell(scene, &history, order[i], last_lv);
    }
    buf_extend(&then, NAIVE_EVENTS_MAX + sizeof scene->base);
    then.len = naive_text(scene->naive, events, told_first, then.data);
    bool found = apart_find(&apart, history.graph, &history.log, LV_NONE, len);
    if (found) {
        apart_merge(&apart, history.graph, &history.log, len, merged, &patch);
        patch_check(&patch);
        patch_apply(&patch, buf_view(&then), &now);
        scene_expect(scene, order, scene->count, buf_view(&now));
        branch_text_check(&apart.text[0]);
        branch_text_check(&apart.text[1]);
        oplog_check(&history.log);
    }
    apart_release(&apart);
    patch_release(&patch);
    buf_release(&then);
    buf_release(&now);
    history_release(&history);
    return found;
}

static void two_branches_give_the_text_of_the_model_from_any_version(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("apart", 5, 80);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        scene_make_apart(&scene, &random);
        bool both = false;
        for (size_t i = 1; i < scene.count; i++)
            both |= (scene.acts[i].agent ^ scene.acts[0].agent) & 1;
        for (int i = 0; i < 3; i++)
            assert_int_equal(check_scene(&scene, (size_t)random_below(&random, scene.count)), both);
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
}

/* Whatever else happened: it is not taken for two branches, or it comes to the same. */
static void any_other_history_is_left_alone(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("not apart", 6, 80);
    struct random random;
    static struct scene scene;
    uint64_t left = 0;
    while (rounds_next(&rounds, &random)) {
        scene_make(&scene, &random);
        left += !check_scene(&scene, (size_t)random_below(&random, scene.count));
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
    assert_true(left > 0);
}

/* --- what is found --- */

static uint64_t type(struct history *history, const struct agent_id *who, uint64_t seq, const uint64_t *parents, size_t count)
{
    struct history_op op = {.kind = OP_INSERT, .text = bytes_of_string("x")};
    return history_add(history, who, seq, parents, count, &op, 1) - 1;
}

static bool is_apart(const struct history *history, uint64_t start)
{
    struct apart apart = {0};
    bool found = apart_find(&apart, history->graph, &history->log, start, history->text.len);
    apart_release(&apart);
    return found;
}

static void it_is_told_from_one_who_types_alone_from_three_and_from_who_heard_the_other(void **state)
{
    (void)state;
    enum { MANY = 20 };
    struct history history;
    uint64_t at_ana, at_ben, base;
    history_init(&history, bytes_of_string("hat"));
    base = at_ana = type(&history, &ana, 0, NULL, 0);
    for (uint64_t seq = 1; seq <= MANY; seq++)
        at_ana = type(&history, &ana, seq, &at_ana, 1);
    assert_false(is_apart(&history, base)); /* alone */
    at_ben = base;
    for (uint64_t seq = 0; seq < MANY; seq++)
        at_ben = type(&history, &ben, seq, &at_ben, 1);
    assert_true(is_apart(&history, base));
    assert_false(is_apart(&history, LV_NONE)); /* it begins later */
    at_ana = type(&history, &ana, MANY + 1, &at_ana, 1);
    assert_true(is_apart(&history, base)); /* by turns */
    uint64_t both[] = {at_ben, at_ana};
    type(&history, &ben, MANY, both, 2);
    assert_false(is_apart(&history, base));
    history_release(&history);
}

static void three_are_not_two(void **state)
{
    (void)state;
    struct history history;
    const struct agent_id *const people[] = {&ana, &ben, &cem};
    uint64_t last[3] = {0};
    history_init(&history, bytes_of_string("hat"));
    for (uint64_t seq = 0; seq < 20; seq++)
        for (size_t who = 0; who < 3; who++)
            last[who] = type(&history, people[who], seq, &last[who], seq > 0);
    assert_false(is_apart(&history, LV_NONE));
    history_release(&history);
}

/* Afterwards the tracker is there for who goes on in a branch: updates cost what they bring, not what there is. */
static void who_goes_on_in_a_branch_pays_for_the_whole_once(void **state)
{
    (void)state;
    enum { MANY = 500, MORE = 200 };
    struct history history;
    uint64_t at_ana = 0, at_ben = 0;
    history_init(&history, bytes_of_string("hat"));
    for (uint64_t seq = 0; seq < MANY; seq++)
        at_ana = type(&history, &ana, seq, &at_ana, seq > 0);
    history_update(&history);
    for (uint64_t seq = 0; seq < MANY + MORE; seq++) {
        at_ben = type(&history, &ben, seq, &at_ben, seq > 0);
        if (seq >= MANY)
            history_update(&history);
    }
    assert_in_range(walker_work(history.walker), 2 * MANY, 5 * MANY + 10 * MORE);
    history_release(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_branch_keeps_what_was_deleted_where_it_was),
        cmocka_unit_test(two_branches_give_the_text_of_the_model_from_any_version),
        cmocka_unit_test(any_other_history_is_left_alone),
        cmocka_unit_test(it_is_told_from_one_who_types_alone_from_three_and_from_who_heard_the_other),
        cmocka_unit_test(three_are_not_two),
        cmocka_unit_test(who_goes_on_in_a_branch_pays_for_the_whole_once),
    };
    return RUN_TESTS("apart", tests);
}
