/* The tracker, event by event, in both its versions; and the walker: what it leaves to the tracker, and what it need not. */
#include "tests/support/support.h"

#include "sync/tracker.h"
#include "sync/walker.h"
#include "tests/support/history.h"

static const struct agent_id ana = {{1}}, ben = {{2}};

/* --- tracker --- */

enum { TEXT = 10, EVENTS = 20 };

/* A text of TEXT bytes, and events of two people who know only their own: LVs from 0 are ana's, from EVENTS on ben's. */
struct story {
    struct graph *graph;
    struct tracker tracker;
};

static int set_up(void **state)
{
    static struct story story;
    story = (struct story){.graph = graph_new()};
    graph_add(story.graph, graph_agent(story.graph, &ana), 0, EVENTS, NULL, 0);
    graph_add(story.graph, graph_agent(story.graph, &ben), 0, EVENTS, NULL, 0);
    tracker_begin(&story.tracker, story.graph, TEXT);
    *state = &story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    tracker_check(&story->tracker);
    tracker_release(&story->tracker);
    graph_free(story->graph);
    return 0;
}

static void expect_lens(const struct story *story, uint64_t prepared, uint64_t shown)
{
    assert_int_equal(tracker_len(&story->tracker), prepared);
    assert_int_equal(tracker_shown(&story->tracker), shown);
    tracker_check(&story->tracker);
}

static void expect_deleted(struct tracker_deleted deleted, uint64_t len, uint64_t at, bool shown)
{
    assert_int_equal(deleted.len, len);
    assert_int_equal(deleted.at, at);
    assert_int_equal(deleted.shown, shown);
}

static void of_the_beginning_only_the_length_is_known(void **state)
{
    struct story *story = *state;
    expect_lens(story, TEXT, TEXT);
    assert_true(tracker_compare(&story->tracker, TRACKER_BASE, TRACKER_BASE + TEXT - 1) < 0);
    assert_int_equal(tracker_find(&story->tracker, TRACKER_BASE + TEXT - 1)->state, SPAN_THERE);
    tracker_begin(&story->tracker, story->graph, 0);
    expect_lens(story, 0, 0);
    assert_int_equal(tracker_insert(&story->tracker, 0, 0, 3), 0);
    expect_lens(story, 3, 3);
}

static void an_event_counts_in_what_its_author_knew_and_lands_where_the_text_has_that_by_now(void **state)
{
    struct story *story = *state;
    assert_int_equal(tracker_insert(&story->tracker, 0, 4, 3), 4);
    expect_lens(story, TEXT + 3, TEXT + 3);
    tracker_retreat(&story->tracker, 0, 3);
    expect_lens(story, TEXT, TEXT + 3); /* the text keeps it, who does not know of it does not */
    assert_int_equal(tracker_insert(&story->tracker, EVENTS, 6, 2), 6 + 3);
    assert_int_equal(tracker_insert(&story->tracker, EVENTS + 2, 2, 1), 2);
    tracker_advance(&story->tracker, 0, 3);
    expect_lens(story, TEXT + 6, TEXT + 6);
}

static void at_one_place_the_lower_agent_stands_first_whoever_comes_first(void **state)
{
    struct story *story = *state;
    struct tracker *tracker = &story->tracker;
    assert_int_equal(tracker_insert(tracker, 0, 4, 3), 4);
    tracker_retreat(tracker, 0, 3);
    assert_int_equal(tracker_insert(tracker, EVENTS, 4, 3), 4 + 3);
    assert_true(tracker_compare(tracker, 2, EVENTS) < 0);
    tracker_begin(tracker, story->graph, TEXT);
    assert_int_equal(tracker_insert(tracker, EVENTS, 4, 3), 4);
    tracker_retreat(tracker, EVENTS, EVENTS + 3);
    assert_int_equal(tracker_insert(tracker, 0, 4, 3), 4);
    assert_true(tracker_compare(tracker, EVENTS, 2) > 0);
}

/* Both at 4: ana types "a", then in front of it "b"; ben, who does not know, types his own. His stays outside. */
static void a_run_of_others_is_not_cut_by_what_is_typed_beside_it(void **state)
{
    struct story *story = *state;
    struct tracker *tracker = &story->tracker;
    tracker_insert(tracker, 0, 4, 1);
    assert_int_equal(tracker_insert(tracker, 1, 4, 1), 4);
    tracker_retreat(tracker, 0, 2);
    assert_int_equal(tracker_insert(tracker, EVENTS, 4, 1), 4 + 2);
}

static void a_delete_takes_what_one_span_allows_and_is_called_again(void **state)
{
    struct story *story = *state;
    struct tracker *tracker = &story->tracker;
    tracker_insert(tracker, 0, 4, 3);
    expect_deleted(tracker_delete(tracker, 3, 2, 5, false), 2, 2, true); /* up to what was inserted */
    expect_deleted(tracker_delete(tracker, 5, 2, 3, false), 3, 2, true); /* that */
    expect_lens(story, TEXT - 2, TEXT - 2);
    expect_deleted(tracker_delete(tracker, 8, 7, 9, true), 6, 2, true); /* back from there */
    expect_lens(story, TEXT - 8, TEXT - 8);
}

static void what_is_deleted_twice_was_there_only_once(void **state)
{
    struct story *story = *state;
    struct tracker *tracker = &story->tracker;
    tracker_delete(tracker, 0, 2, 3, false);
    tracker_retreat(tracker, 0, 3);
    expect_lens(story, TEXT, TEXT - 3);
    expect_deleted(tracker_delete(tracker, EVENTS, 1, 5, false), 1, 1, true);
    expect_deleted(tracker_delete(tracker, EVENTS + 1, 1, 4, false), 3, 1, false);
    expect_deleted(tracker_delete(tracker, EVENTS + 4, 1, 1, false), 1, 1, true);
    expect_lens(story, TEXT - 5, TEXT - 5);
    tracker_advance(tracker, 0, 3);
    expect_lens(story, TEXT - 5, TEXT - 5);
    tracker_retreat(tracker, EVENTS, EVENTS + 5);
    expect_lens(story, TEXT - 3, TEXT - 5); /* once deleted by ana still */
}

/* Backspacing from 7: the events delete 7, 6, 5. Without the first two, 6 and 7 are there. */
static void part_of_a_row_of_backspaces_can_be_taken_out(void **state)
{
    struct story *story = *state;
    struct tracker *tracker = &story->tracker;
    expect_deleted(tracker_delete(tracker, 0, 7, 3, true), 3, 5, true);
    tracker_retreat(tracker, 0, 2);
    expect_lens(story, TEXT - 1, TEXT - 3);
    expect_deleted(tracker_delete(tracker, EVENTS, 5, 3, false), 2, 5, false);    /* 6 and 7: gone from the text */
    expect_deleted(tracker_delete(tracker, EVENTS + 2, 5, 1, false), 1, 5, true); /* 8 */
}

static void events_without_effect_are_skipped(void **state)
{
    struct story *story = *state;
    tracker_insert(&story->tracker, 5, 0, 2);
    tracker_retreat(&story->tracker, 0, EVENTS);
    expect_lens(story, TEXT, TEXT + 2);
    tracker_advance(&story->tracker, 0, EVENTS);
    expect_lens(story, TEXT + 2, TEXT + 2);
    tracker_retreat(&story->tracker, 7, 7);
    expect_lens(story, TEXT + 2, TEXT + 2);
}

/* Everything ends up in both, wherever each of them stands. */
static void a_second_tracker_gets_what_the_first_one_applies(void **state)
{
    struct story *story = *state;
    struct tracker second = {0};
    tracker_insert(&story->tracker, 0, 4, 3);
    tracker_copy(&second, &story->tracker);
    tracker_retreat(&second, 0, 3);
    assert_int_equal(tracker_insert(&story->tracker, 3, 5, 2), 5); /* inside ana's run */
    tracker_repeat_insert(&second, &story->tracker, 3, 2);
    assert_int_equal(tracker_insert(&story->tracker, 5, 0, 1), 0);
    tracker_repeat_insert(&second, &story->tracker, 5, 1);
    struct tracker_deleted deleted = tracker_delete(&story->tracker, 6, 6, 9, false);
    expect_deleted(deleted, 2, 6, true); /* what ana has put into her run */
    tracker_repeat_delete(&second, &deleted, 6, false);
    tracker_check(&second);
    assert_int_equal(tracker_len(&second), TEXT);
    assert_int_equal(tracker_shown(&second), tracker_shown(&story->tracker));
    tracker_advance(&second, 0, 8);
    assert_int_equal(tracker_len(&second), tracker_len(&story->tracker));
    assert_true(tracker_compare(&second, 5, 0) < 0);
    assert_true(tracker_compare(&second, 0, 3) < 0 && tracker_compare(&second, 4, 1) < 0);
    tracker_check(&second);
    tracker_release(&second);
}

static void a_place_stays_behind_the_byte_before_it(void **state)
{
    struct story *story = *state;
    struct tracker *tracker = &story->tracker;
    tracker_insert(tracker, 0, 0, 2);
    tracker_insert(tracker, 2, 2 + 5, 1);
    tracker_delete(tracker, 3, 2 + 2, 2, false);
    tracker_retreat(tracker, 0, 5);
    assert_int_equal(tracker_map(tracker, 0), 0); /* no byte is before it */
    assert_int_equal(tracker_map(tracker, 1), 2 + 1);
    assert_int_equal(tracker_map(tracker, 3), 2 + 2); /* the byte before it is gone: where that was */
    assert_int_equal(tracker_map(tracker, 5), 2 + 3);
    assert_int_equal(tracker_map(tracker, 6), 2 + 6 - 2 + 1);
    assert_int_equal(tracker_map(tracker, TEXT), TEXT + 1);
    assert_int_equal(tracker_map(tracker, UINT64_MAX), TEXT + 1); /* beyond the end it is the end */
}

/* The bytes of the example in their order; one that is not in the prepare version in brackets. */
static void expect_bytes(const struct tracker *tracker, const char *wanted)
{
    static const char base[] = "hat", typed[] = "sc!"; /* typed: by LV */
    struct buf bytes = {0};
    struct span_place place = spans_start(&tracker->spans);
    for (const struct span *span; (span = spans_peek(&tracker->spans, &place)); spans_next(&place))
        for (uint64_t id = span->id; id < span->id + span->len; id++)
            buf_addf(&bytes, span->state == SPAN_THERE ? "%c" : "(%c)", id < TRACKER_BASE ? typed[id] : base[id - TRACKER_BASE]);
    assert_string_equal(buf_string(&bytes), wanted);
    buf_release(&bytes);
    tracker_check(tracker);
}

/* Ana types "s" behind "hat", then "!"; ben, unseen, "c" before it: every move is in that document. */
static void the_walk_that_engine_md_shows_goes_like_that(void **state)
{
    (void)state;
    const uint64_t first = 0;
    struct graph *graph = graph_new();
    struct tracker tracker = {0};
    graph_add(graph, graph_agent(graph, &ana), 0, 1, NULL, 0);
    graph_add(graph, graph_agent(graph, &ben), 0, 1, NULL, 0);
    graph_add(graph, graph_agent(graph, &ana), 1, 1, &first, 1);
    tracker_begin(&tracker, graph, 3);
    expect_bytes(&tracker, "hat");
    assert_int_equal(tracker_insert(&tracker, 0, 3, 1), 3);
    expect_bytes(&tracker, "hats");
    tracker_retreat(&tracker, 0, 1);
    expect_bytes(&tracker, "hat(s)");
    assert_int_equal(tracker_insert(&tracker, 1, 0, 1), 0);
    expect_bytes(&tracker, "chat(s)");
    tracker_retreat(&tracker, 1, 2);
    expect_bytes(&tracker, "(c)hat(s)");
    tracker_advance(&tracker, 0, 1);
    expect_bytes(&tracker, "(c)hats");
    assert_int_equal(tracker_insert(&tracker, 2, 4, 1), 5);
    expect_bytes(&tracker, "(c)hats!");
    tracker_release(&tracker);
    graph_free(graph);
}

/* --- walker --- */

static const struct history_op type_x = {.kind = OP_INSERT, .pos = 0, .text = {(const unsigned char *)"x", 1}};

static void expect_text(struct history *history, const char *text)
{
    history_update(history);
    assert_string_equal(buf_string(&history->text), text);
}

static void a_history_in_a_row_needs_no_tracker(void **state)
{
    (void)state;
    for (int fast = 0; fast < 2; fast++) {
        struct history history;
        const struct history_op ops[] = {{.kind = OP_INSERT, .pos = 1, .text = bytes_of_string("xyz")},
                                         {.kind = OP_DELETE, .pos = 0, .len = 2}};
        history_init(&history, bytes_of_string("ab"));
        walker_set_fast_path(history.walker, fast);
        uint64_t end = history_add(&history, &ana, 0, NULL, 0, ops, 2);
        expect_text(&history, "yzb");
        assert_int_equal(walker_steps(history.walker), fast ? 0 : end);
        history_release(&history);
    }
}

/* Of two bytes ben deletes three, or types behind a third; ana's insert beside it is none of that. */
static void a_run_out_of_range_does_nothing_for_anybody(void **state)
{
    (void)state;
    const struct history_op wrong[] = {{.kind = OP_DELETE, .pos = 0, .len = 3},
                                       {.kind = OP_INSERT, .pos = 3, .text = bytes_of_string("wrong")}};
    for (int kind = 0; kind < 2; kind++)
        for (int ana_too = 0; ana_too < 2; ana_too++) {
            struct history history;
            history_init(&history, bytes_of_string("ab"));
            if (ana_too)
                history_add(&history, &ana, 0, NULL, 0, &type_x, 1);
            history_add(&history, &ben, 0, NULL, 0, &wrong[kind], 1);
            expect_text(&history, ana_too ? "xab" : "ab");
            assert_int_equal(oplog_void_events(&history.log), kind == 0 ? 3 : 5);
            history_release(&history);
        }
}

static void the_tracker_begins_at_the_last_version_that_everything_passes_through(void **state)
{
    (void)state;
    struct history history;
    uint64_t base;
    history_init(&history, bytes_of_string("ab"));
    uint64_t first = history_add(&history, &ana, 0, NULL, 0, &type_x, 1) - 1;
    uint64_t mine = history_add(&history, &ana, 1, &first, 1, &type_x, 1) - 1;
    uint64_t his = history_add(&history, &ben, 0, &first, 1, &type_x, 1) - 1;
    expect_text(&history, "xxxab");
    const struct tracker *tracker = walker_track(history.walker, mine, &base);
    assert_int_equal(base, first);
    assert_int_equal(tracker_len(tracker), 5); /* both its versions are that of all events */
    assert_int_equal(tracker_shown(tracker), 5);
    assert_true(tracker_compare(tracker, mine, his) < 0);
    assert_int_equal(tracker_len(walker_track(history.walker, first, &base)), 5);
    assert_int_equal(base, LV_NONE); /* from before the first event: the root */
    history_release(&history);
}

/* What the kept tracker does not reach back to is left to walker_since(). */
static void places_are_mapped_in_the_tracker_that_is_kept_or_not_at_all(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, bytes_of_string("ab"));
    uint64_t mine = history_add(&history, &ana, 0, NULL, 0, &type_x, 1) - 1;
    history_add(&history, &ben, 0, NULL, 0, &type_x, 1);
    expect_text(&history, "xxab");
    struct lv_list version = {&mine, 1, 1}, root = {0};
    uint64_t places[] = {0, 1, 2, 99};
    assert_true(walker_map(history.walker, &version, places, 4)); /* ana knew "xab" */
    static const uint64_t expected[] = {0, 1, 3, 4};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(places[i], expected[i]);
    struct patch patch = {0};
    walker_to(history.walker, &root, &patch);
    assert_true(patch_is_empty(&patch));
    places[0] = 1;
    assert_false(walker_map(history.walker, &version, places, 1)); /* walker_to() has dropped it */
    assert_int_equal(places[0], 1);
    patch_release(&patch);
    history_release(&history);
}

#define STORY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(of_the_beginning_only_the_length_is_known),
        STORY_TEST(an_event_counts_in_what_its_author_knew_and_lands_where_the_text_has_that_by_now),
        STORY_TEST(at_one_place_the_lower_agent_stands_first_whoever_comes_first),
        STORY_TEST(a_run_of_others_is_not_cut_by_what_is_typed_beside_it),
        STORY_TEST(a_delete_takes_what_one_span_allows_and_is_called_again),
        STORY_TEST(what_is_deleted_twice_was_there_only_once),
        STORY_TEST(part_of_a_row_of_backspaces_can_be_taken_out),
        STORY_TEST(events_without_effect_are_skipped),
        STORY_TEST(a_second_tracker_gets_what_the_first_one_applies),
        STORY_TEST(a_place_stays_behind_the_byte_before_it),
        cmocka_unit_test(the_walk_that_engine_md_shows_goes_like_that),
        cmocka_unit_test(a_history_in_a_row_needs_no_tracker),
        cmocka_unit_test(a_run_out_of_range_does_nothing_for_anybody),
        cmocka_unit_test(the_tracker_begins_at_the_last_version_that_everything_passes_through),
        cmocka_unit_test(places_are_mapped_in_the_tracker_that_is_kept_or_not_at_all),
    };
    return RUN_TESTS("tracker", tests);
}
