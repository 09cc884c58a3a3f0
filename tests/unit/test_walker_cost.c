/* What is told of the cost of a walk; that it is never less than what the walk does is checked with every update of history.h. */
#include "sync/walker_cost.h"

#include "tests/support/support.h"

#include "sync/walker.h"
#include "tests/support/heap.h"
#include "tests/support/history.h"

static const struct agent_id ana = {{1}}, ben = {{2}};

/* Gives the LV of the key. */
static uint64_t type(struct history *history, const struct agent_id *who, uint64_t seq, uint64_t parent, uint64_t pos)
{
    struct history_op op = {.kind = OP_INSERT, .pos = pos, .text = bytes_of_string("x")};
    return history_add(history, who, seq, &parent, seq > 0, &op, 1) - 1;
}

static uint64_t scattered(uint64_t seq, uint64_t by)
{
    return (seq ^ 0x2d) * 7919 * by % (seq + 1);
}

/* Two who do not hear of each other, at places of their own, byte by byte. */
static void type_apart(struct history *history, uint64_t keys)
{
    uint64_t last = 0;
    for (uint64_t seq = 0; seq < keys; seq++)
        last = type(history, &ana, seq, last, scattered(seq, 7));
    for (uint64_t seq = 0; seq < keys; seq++)
        last = type(history, &ben, seq, last, scattered(seq, 5));
}

static void expect_near(bool fast_path, uint64_t least, uint64_t most)
{
    struct history history;
    history_init(&history, (struct bytes){0});
    walker_set_fast_path(history.walker, fast_path);
    type_apart(&history, 1000);
    uint64_t told = walker_cost(history.walker, 0, UINT64_MAX);
    assert_int_equal(walker_work(history.walker), 0);
    history_update(&history);
    assert_in_range(told, walker_work(history.walker), 2 * walker_work(history.walker));
    assert_in_range(walker_work(history.walker), least, most);
    history_release(&history);
}

static void it_is_told_before_and_is_near_what_it_comes_to_where_people_type(void **state)
{
    (void)state;
    expect_near(false, 2500, 3200); /* ana's bytes are taken out once */
    expect_near(true, 1900, 2000);  /* each by himself, without a tracker (sync/apart.h) */
}

static void what_is_applied_as_it_is_costs_a_step_for_each_operation(void **state)
{
    struct history history;
    uint64_t last = 0;
    (void)state;
    history_init(&history, (struct bytes){0});
    for (uint64_t seq = 0; seq < 100; seq++)
        last = type(&history, &ana, seq, last, 0);
    assert_int_equal(walker_cost(history.walker, 0, UINT64_MAX), 100);
    assert_int_equal(walker_cost(history.walker, 50, UINT64_MAX), 100 + 50); /* how long the text was there is not known yet */
    history_update(&history);
    assert_int_equal(walker_cost(history.walker, 50, UINT64_MAX), 50);
    history_release(&history);
}

static void a_long_run_costs_no_more_than_there_are_spans(void **state)
{
    struct history history;
    uint64_t base = 0;
    (void)state;
    struct buf paste = {0};
    for (int i = 0; i < 100000; i++)
        buf_add(&paste, "p", 1);
    history_init(&history, (struct bytes){0});
    struct history_op op = {.kind = OP_INSERT, .text = buf_view(&paste)};
    history_add(&history, &ana, 0, &base, 0, &op, 1);
    type(&history, &ben, 0, 0, 0);
    assert_in_range(walker_cost(history.walker, 0, UINT64_MAX), 3, 100);
    history_update(&history);
    buf_release(&paste);
    history_release(&history);
}

static void counting_ends_soon_after_the_limit(void **state)
{
    struct history history;
    (void)state;
    history_init(&history, (struct bytes){0});
    type_apart(&history, 1000);
    assert_in_range(walker_cost(history.walker, 0, 500), 501, 2100); /* the piece that goes beyond it is counted whole */
    history_release(&history);
}

/* Each key is a run of the graph: both type at once, and both have seen all before. */
static void type_in_rounds(struct history *history, uint64_t rounds)
{
    uint64_t seen[2] = {0};
    for (uint64_t seq = 0; seq < rounds; seq++) {
        struct history_op op = {.kind = OP_INSERT, .pos = 0, .text = bytes_of_string("x")};
        size_t count = seq > 0 ? 2 : 0;
        uint64_t anas = history_add(history, &ana, seq, seen, count, &op, 1) - 1;
        seen[1] = history_add(history, &ben, seq, seen, count, &op, 1) - 1;
        seen[0] = anas;
    }
}

enum { LIMIT = 100, MANY = 8000, LITTLE = 32 * 1024 };

/* What is asked with a limit costs what the limit is, whatever the history is: where that is long there is no plan of it. */
static void a_limit_bounds_the_plan(void **state)
{
    (void)state;
    for (uint64_t rounds = 1000; rounds <= MANY; rounds *= 2) {
        struct history history;
        history_init(&history, (struct bytes){0});
        type_in_rounds(&history, rounds);
        heap_begin();
        assert_true(walker_cost(history.walker, 0, LIMIT) > LIMIT);
        long peak = heap_peak();
        heap_end();
        assert_in_range(peak, 0, LITTLE);
        assert_true(walker_cost(history.walker, 2 * rounds - 2, UINT64_MAX) > LIMIT); /* the old events are walked too */
        history_release(&history);
    }
}

static void what_counting_took_is_given_back(void **state)
{
    struct history history;
    (void)state;
    history_init(&history, (struct bytes){0});
    type_in_rounds(&history, MANY);
    heap_begin();
    assert_true(walker_cost(history.walker, 0, UINT64_MAX) >= 2 * MANY);
    long held = heap_now();
    heap_end();
    assert_in_range(held, 0, 2 * MANY * 16 + LITTLE); /* 16 bytes a run are the graph's, which keeps room for its own questions */
    history_release(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told_before_and_is_near_what_it_comes_to_where_people_type),
        cmocka_unit_test(what_is_applied_as_it_is_costs_a_step_for_each_operation),
        cmocka_unit_test(a_long_run_costs_no_more_than_there_are_spans),
        cmocka_unit_test(counting_ends_soon_after_the_limit),
        cmocka_unit_test(a_limit_bounds_the_plan),
        cmocka_unit_test(what_counting_took_is_given_back),
    };
    return RUN_TESTS("walker_cost", tests);
}
