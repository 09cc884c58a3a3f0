/* The plan of a walk: which pieces, and in which order they are visited. */
#include "sync/walker_plan.h"

#include "tests/support/support.h"

#include <stdlib.h>

#include "editor/base/random.h"

enum { RUNS_MAX = 60 };

struct story {
    struct graph *graph;
    struct critical critical;
    struct walker_plan plan;
    struct lv_ranges old, fresh;
    uint64_t told; /* moves that the plan knew */
};

static int set_up(void **state)
{
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    story->graph = graph_new();
    *state = story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    graph_free(story->graph);
    critical_release(&story->critical);
    walker_plan_release(&story->plan);
    lv_ranges_release(&story->old);
    lv_ranges_release(&story->fresh);
    free(story);
    return 0;
}

/* Events by an agent of their own. */
static uint64_t add(struct story *story, uint64_t len, const uint64_t *parents, size_t count)
{
    size_t agents = 1 + graph_agents(story->graph);
    struct agent_id id = {{(unsigned char)(agents >> 8), (unsigned char)agents}};
    uint64_t first = graph_add(story->graph, graph_agent(story->graph, &id), 0, len, parents, count);
    critical_add(&story->critical, story->graph, first, first + len - 1, parents, count);
    return first + len - 1;
}

/* The history that the header draws. */
static void add_two_branches(struct story *story)
{
    uint64_t fork = add(story, 2, NULL, 0);
    uint64_t upper = add(story, 2, &fork, 1), lower = add(story, 3, &fork, 1);
    upper = add(story, 2, &upper, 1);
    add(story, 1, (uint64_t[]){lower, upper}, 2);
}

/* Events before LV `merged` are old. */
static void make(struct story *story, uint64_t merged, bool all)
{
    story->old.count = story->fresh.count = 0;
    lv_ranges_add(&story->old, 0, merged);
    lv_ranges_add(&story->fresh, merged, graph_len(story->graph));
    walker_plan_make(&story->plan, story->graph, &story->old, &story->fresh, all ? &story->critical : NULL);
}

static void expect_piece(const struct walker_piece *piece, uint64_t first, uint64_t end, bool fresh, bool critical)
{
    assert_non_null(piece);
    assert_int_equal(piece->first, first);
    assert_int_equal(piece->end, end);
    assert_int_equal(piece->fresh, fresh);
    assert_int_equal(piece->critical, critical);
}

static void expect_stop(struct story *story, enum walker_stop stop, uint64_t first)
{
    const struct walker_piece *piece = NULL;
    assert_int_equal(walker_plan_go(&story->plan, &piece), stop);
    if (stop == WALKER_SUM || stop == WALKER_END)
        return;
    assert_non_null(piece);
    assert_int_equal(piece->first, first);
}

static void expect_next(struct story *story, uint64_t first)
{
    expect_stop(story, WALKER_PIECE, first);
}

static void events_in_a_row_are_one_piece(void **state)
{
    struct story *story = *state;
    uint64_t last = add(story, 5, NULL, 0);
    add(story, 3, &last, 1);
    for (int all = 0; all < 2; all++) {
        make(story, 0, all);
        assert_int_equal(story->plan.count, 1); /* whoever wrote them */
        expect_piece(&story->plan.pieces[0], 0, 8, true, true);
    }
    make(story, 2, true);
    assert_int_equal(story->plan.count, 2);
    expect_piece(&story->plan.pieces[0], 0, 2, false, false); /* of old ones nobody asks */
    expect_piece(&story->plan.pieces[1], 2, 8, true, true);
}

static void branches_are_cut_where_they_part_and_meet(void **state)
{
    struct story *story = *state;
    add_two_branches(story);
    for (int all = 0; all < 2; all++) {
        make(story, 0, all);
        assert_int_equal(story->plan.count, 5);
        expect_piece(&story->plan.pieces[0], 0, 2, true, true);
        expect_piece(&story->plan.pieces[1], 2, 4, true, false);
        expect_piece(&story->plan.pieces[2], 4, 7, true, false);
        expect_piece(&story->plan.pieces[3], 7, 9, true, false);
        expect_piece(&story->plan.pieces[4], 9, 10, true, true);
    }
}

static void a_piece_ends_where_somebody_goes_on_from_its_middle(void **state)
{
    struct story *story = *state;
    uint64_t before, middle = 3;
    size_t count;
    add(story, 6, NULL, 0);
    add(story, 1, &middle, 1);
    make(story, 0, true);
    assert_int_equal(story->plan.count, 3);
    expect_piece(&story->plan.pieces[0], 0, 4, true, true);
    expect_piece(&story->plan.pieces[1], 4, 6, true, false);
    expect_piece(&story->plan.pieces[2], 6, 7, true, false);
    const uint64_t *parents = walker_plan_parents(&story->plan.pieces[1], &count, &before);
    assert_int_equal(count, 1);
    assert_int_equal(parents[0], 3);
    walker_plan_parents(&story->plan.pieces[0], &count, &before);
    assert_int_equal(count, 0);
}

static void a_branch_is_followed_to_its_end_the_lighter_one_first(void **state)
{
    struct story *story = *state;
    add_two_branches(story);
    make(story, 0, true);
    walker_plan_start(&story->plan, (struct walker_way){.summing = true});
    expect_stop(story, WALKER_BLOCK, 0);
    expect_next(story, 0);
    expect_next(story, 4); /* 3 events and the last; the other branch has 4 */
    expect_next(story, 2);
    expect_next(story, 7);
    expect_next(story, 9);
    expect_stop(story, WALKER_END, 0);
}

static void what_is_critical_needs_no_tracker(void **state)
{
    struct story *story = *state;
    add_two_branches(story);
    make(story, 0, true);
    walker_plan_start(&story->plan, (struct walker_way){.fast_path = true, .summing = true});
    expect_stop(story, WALKER_FAST, 0);
    expect_stop(story, WALKER_BLOCK, 2);
    expect_next(story, 4);
    expect_next(story, 2);
    expect_next(story, 7);
    expect_stop(story, WALKER_FAST, 9);
    expect_stop(story, WALKER_END, 0);
}

static void old_pieces_come_in_a_pass_of_their_own(void **state)
{
    struct story *story = *state;
    add_two_branches(story);
    make(story, 4, true);
    walker_plan_start(&story->plan, (struct walker_way){.warm = true}); /* so there is no block to begin */
    expect_next(story, 0);
    expect_next(story, 2);
    expect_stop(story, WALKER_SUM, 0);
    expect_next(story, 7);
    expect_next(story, 4);
    expect_next(story, 9);
    expect_stop(story, WALKER_END, 0);
}

static void add_random_run(struct story *story, struct random *random)
{
    uint64_t parents[2], len = graph_len(story->graph);
    size_t count = len == 0 ? 0 : (size_t)random_below(random, 3);
    for (size_t i = 0; i < count; i++)
        parents[i] = random_below(random, len);
    if (count == 2 && parents[0] > parents[1]) {
        uint64_t swap = parents[0];
        parents[0] = parents[1];
        parents[1] = swap;
    }
    if (count == 2 && (parents[0] == parents[1] || graph_contains(story->graph, &parents[1], 1, parents[0])))
        count = 1;
    add(story, 1 + random_below(random, 5), parents, count);
}

/* A piece, after its parents; `done` has an entry for each event. */
static void expect_ready(const struct walker_piece *piece, bool *done)
{
    uint64_t before;
    size_t count;
    const uint64_t *parents = walker_plan_parents(piece, &count, &before);
    for (size_t p = 0; p < count; p++)
        assert_true(done[parents[p]]);
    for (uint64_t lv = piece->first; lv < piece->end; lv++) {
        assert_false(done[lv]);
        done[lv] = true;
    }
}

static void expect_ranges(struct lv_ranges *got, struct lv_ranges *expected)
{
    lv_ranges_sort(got);
    lv_ranges_sort(expected);
    assert_int_equal(got->count, expected->count);
    for (size_t i = 0; i < got->count; i++) {
        assert_int_equal(got->items[i].first, expected->items[i].first);
        assert_int_equal(got->items[i].end, expected->items[i].end);
    }
}

/* The plan moves from `at` to where a piece begins as the graph says; `at` becomes where the piece ends. */
static void expect_move(struct story *story, const struct walker_piece *piece, struct lv_list *at)
{
    struct lv_ranges leave = {0}, enter = {0}, only_at = {0}, only_begin = {0};
    struct lv_list begin = {0};
    uint64_t before, last = piece->end - 1;
    size_t count;
    const uint64_t *parents = walker_plan_parents(piece, &count, &before);
    lv_list_set(&begin, parents, count);
    graph_diff(story->graph, at, &begin, &only_at, &only_begin);
    if (walker_plan_move(&story->plan, piece, &leave, &enter)) {
        expect_ranges(&leave, &only_at);
        expect_ranges(&enter, &only_begin);
        story->told++;
    }
    lv_list_set(at, &last, 1);
    lv_list_release(&begin);
    lv_ranges_release(&leave);
    lv_ranges_release(&enter);
    lv_ranges_release(&only_at);
    lv_ranges_release(&only_begin);
}

static void check_random_plan(struct story *story, struct random *random, uint64_t *told)
{
    bool done[RUNS_MAX * 5] = {false};
    for (int runs = 1 + (int)random_below(random, RUNS_MAX); runs > 0; runs--)
        add_random_run(story, random);
    uint64_t len = graph_len(story->graph), merged = random_below(random, len + 1);
    make(story, merged, true);
    walker_plan_start(&story->plan, (struct walker_way){.fast_path = random_chance(random, 2), .summing = merged == 0});
    const struct walker_piece *piece;
    bool summing = merged == 0;
    struct lv_list at = {0};
    for (enum walker_stop stop; (stop = walker_plan_go(&story->plan, &piece)) != WALKER_END;) {
        summing |= stop == WALKER_SUM;
        if (stop == WALKER_BLOCK && story->plan.low > 0)
            lv_list_set(&at, &(uint64_t){story->plan.pieces[story->plan.low - 1].end - 1}, 1);
        if (stop != WALKER_FAST && stop != WALKER_PIECE)
            continue;
        assert_int_equal(piece->fresh, summing);
        expect_ready(piece, done);
        if (stop == WALKER_PIECE)
            expect_move(story, piece, &at);
    }
    lv_list_release(&at);
    *told += story->told;
    for (uint64_t lv = 0; lv < len; lv++)
        assert_true(done[lv]);
}

static void every_event_comes_once_after_its_parents_and_by_the_nearest_way(void **state)
{
    struct random random = random_of(support_seed("plan", 6));
    uint64_t told = 0;
    (void)state;
    for (uint64_t rounds = support_rounds(100); rounds > 0; rounds--) {
        void *story;
        set_up(&story);
        check_random_plan(story, &random, &told);
        tear_down(&story);
    }
    assert_true(told > support_rounds(100));
}

/* Two write by turns, each having seen what the other wrote but for the last. */
static void of_a_long_block_the_graph_is_asked(void **state)
{
    struct story *story = *state;
    const struct walker_piece *piece;
    struct lv_ranges leave = {0}, enter = {0};
    uint64_t upper = add(story, 1, NULL, 0), lower = add(story, 1, NULL, 0);
    for (size_t pieces = 2; pieces <= WALKER_SEEN_MAX; pieces += 2) {
        uint64_t upper_before = upper;
        upper = add(story, 1, (uint64_t[]){upper, lower}, 2);
        lower = add(story, 1, (uint64_t[]){upper_before, lower}, 2);
    }
    make(story, 0, true);
    walker_plan_start(&story->plan, (struct walker_way){.fast_path = true, .summing = true});
    assert_int_equal(walker_plan_go(&story->plan, &piece), WALKER_BLOCK);
    assert_true(story->plan.high - story->plan.low > WALKER_SEEN_MAX);
    assert_int_equal(walker_plan_go(&story->plan, &piece), WALKER_PIECE);
    assert_false(walker_plan_move(&story->plan, piece, &leave, &enter));
    lv_ranges_release(&leave);
    lv_ranges_release(&enter);
}

/* Two write, and hear each other only after a long while: each piece is far from the one before. */
static void where_moves_come_to_much_the_graph_is_asked(void **state)
{
    enum { PAIRS = WALKER_SEEN_MAX / 2, LATE = 24, EVENTS = 20 };
    struct story *story = *state;
    uint64_t ends[2][PAIRS];
    const struct walker_piece *piece;
    struct lv_ranges leave = {0}, enter = {0};
    for (size_t i = 0; i < PAIRS; i++) {
        for (size_t who = 0; who < 2; who++) {
            uint64_t parents[2];
            size_t count = 0;
            if (i >= LATE)
                parents[count++] = ends[1 - who][i - LATE];
            if (i > 0)
                parents[count++] = ends[who][i - 1];
            ends[who][i] = add(story, EVENTS, parents, count);
        }
    }
    make(story, 0, true);
    walker_plan_start(&story->plan, (struct walker_way){.fast_path = true, .summing = true});
    assert_int_equal(walker_plan_go(&story->plan, &piece), WALKER_BLOCK);
    assert_int_equal(walker_plan_go(&story->plan, &piece), WALKER_PIECE);
    assert_true(walker_plan_move(&story->plan, piece, &leave, &enter));
    while (walker_plan_go(&story->plan, &piece) == WALKER_PIECE)
        (void)walker_plan_move(&story->plan, piece, &leave, &enter);
    assert_false(story->plan.is_short);
    lv_ranges_release(&leave);
    lv_ranges_release(&enter);
}

#define STORY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(events_in_a_row_are_one_piece),
        STORY_TEST(branches_are_cut_where_they_part_and_meet),
        STORY_TEST(a_piece_ends_where_somebody_goes_on_from_its_middle),
        STORY_TEST(a_branch_is_followed_to_its_end_the_lighter_one_first),
        STORY_TEST(what_is_critical_needs_no_tracker),
        STORY_TEST(old_pieces_come_in_a_pass_of_their_own),
        STORY_TEST(of_a_long_block_the_graph_is_asked),
        STORY_TEST(where_moves_come_to_much_the_graph_is_asked),
        cmocka_unit_test(every_event_comes_once_after_its_parents_and_by_the_nearest_way),
    };
    return RUN_TESTS("walker_plan", tests);
}
