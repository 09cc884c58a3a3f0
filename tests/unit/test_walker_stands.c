/* Where trackers stand: who is nearest, when another one is made, when one is dropped. */
#include "sync/walker_stands.h"

#include "tests/support/support.h"

static const struct agent_id ana = {{1}}, ben = {{2}};

struct story {
    struct graph *graph;
    struct walker_stands stands;
    uint64_t moved; /* events, over all moves */
    size_t copies;
};

static int set_up(void **state)
{
    static struct story story;
    story = (struct story){.graph = graph_new()};
    walker_stands_begin(&story.stands, NULL, 0);
    *state = &story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    walker_stands_release(&story->stands);
    graph_free(story->graph);
    return 0;
}

static uint64_t events_in(const struct lv_ranges *ranges)
{
    uint64_t events = 0;
    for (size_t i = 0; i < ranges->count; i++)
        events += ranges->items[i].end - ranges->items[i].first;
    return events;
}

/* An event, as a walk does it. Gives its LV. */
static uint64_t add(struct story *story, const struct agent_id *who, uint64_t seq, const uint64_t *parents, size_t count)
{
    uint64_t lv = graph_add(story->graph, graph_agent(story->graph, who), seq, 1, parents, count);
    struct walker_move move = walker_stands_move(&story->stands, story->graph, parents, count);
    story->moved += events_in(move.leave) + events_in(move.enter);
    story->copies += move.from != move.to;
    walker_stands_add(&story->stands, move.to, lv, 1);
    return lv;
}

static size_t live_ones(const struct walker_stands *stands)
{
    size_t live = 0;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        live += stands->items[i].live;
    return live;
}

static void who_goes_on_where_somebody_stands_costs_nothing(void **state)
{
    struct story *story = *state;
    uint64_t last = add(story, &ana, 0, NULL, 0);
    for (uint64_t seq = 1; seq < 1000; seq++)
        last = add(story, &ana, seq, &last, 1);
    assert_int_equal(story->moved, 0);
    assert_int_equal(live_ones(&story->stands), 1);
}

static void a_move_says_what_to_take_out_and_what_to_put_in(void **state)
{
    struct story *story = *state;
    uint64_t first = add(story, &ana, 0, NULL, 0);
    add(story, &ana, 1, &first, 1);
    uint64_t other = add(story, &ben, 0, NULL, 0);
    assert_int_equal(story->moved, 2);
    struct walker_move move = walker_stands_move(&story->stands, story->graph, &first, 1);
    assert_int_equal(move.to, move.from);
    assert_int_equal(move.leave->count, 1);
    assert_int_equal(move.leave->items[0].first, other);
    assert_int_equal(move.enter->count, 1);
    assert_int_equal(move.enter->items[0].first, first);
    assert_int_equal(move.enter->items[0].end, first + 1);
}

/* Ana hears nothing, ben hears her at once. */
static void tell_one_sided(struct story *story, uint64_t rounds)
{
    uint64_t heard[2] = {0}, deaf = 0;
    for (uint64_t seq = 0; seq < rounds; seq++) {
        deaf = add(story, &ana, seq, &deaf, seq > 0);
        heard[1] = deaf;
        heard[0] = seq > 0 ? add(story, &ben, seq, heard, 2) : add(story, &ben, seq, &deaf, 1);
    }
}

static void who_never_hears_the_other_soon_has_a_tracker_that_stays_with_him(void **state)
{
    struct story *story = *state;
    tell_one_sided(story, 10000);
    assert_int_equal(story->copies, 1);
    assert_int_equal(live_ones(&story->stands), 2);
    assert_in_range(story->moved, 10000, 40000); /* with one tracker it would be a hundred million */
}

static void the_cost_can_be_told_with_a_copy(void **state)
{
    struct story *story = *state;
    struct walker_stands copy = {0};
    const uint64_t root = 0;
    tell_one_sided(story, 500);
    walker_stands_copy(&copy, &story->stands);
    struct walker_move there = walker_stands_move(&copy, story->graph, &root, 1);
    uint64_t told = events_in(there.leave) + events_in(there.enter);
    struct walker_move move = walker_stands_move(&story->stands, story->graph, &root, 1);
    assert_int_equal(events_in(move.leave) + events_in(move.enter), told);
    assert_int_equal(move.to, there.to);
    walker_stands_release(&copy);
}

static void one_that_nobody_needs_any_more_is_dropped(void **state)
{
    struct story *story = *state;
    tell_one_sided(story, 500);
    assert_int_equal(live_ones(&story->stands), 2);
    uint64_t last = graph_len(story->graph) - 1;
    for (uint64_t seq = 500; seq < 5000; seq++)
        last = add(story, &ben, seq, &last, 1);
    assert_int_equal(live_ones(&story->stands), 1);
}

#define STORY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(who_goes_on_where_somebody_stands_costs_nothing),
        STORY_TEST(a_move_says_what_to_take_out_and_what_to_put_in),
        STORY_TEST(who_never_hears_the_other_soon_has_a_tracker_that_stays_with_him),
        STORY_TEST(the_cost_can_be_told_with_a_copy),
        STORY_TEST(one_that_nobody_needs_any_more_is_dropped),
    };
    return RUN_TESTS("walker_stands", tests);
}
