/* What is told of the cost of a walk; that it is never less than what the walk does is checked with every update of history.h. */
#include "sync/walker_cost.h"

#include "tests/support/support.h"

#include <string.h>

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

/* A byte between any two, then one delete of it all: that goes over the spans that were cut right before it. */
static void a_delete_of_what_was_cut_in_the_same_piece_is_counted(void **state)
{
    (void)state;
    for (uint64_t cuts = 1; cuts <= 20; cuts++) {
        struct history history;
        struct bytes base = bytes_of("012345678901234567890", cuts + 1);
        struct history_op all = {.kind = OP_DELETE, .len = 2 * cuts + 1}, one = {.kind = OP_DELETE, .pos = 1, .len = 1};
        uint64_t last = 0;
        history_init(&history, base);
        for (uint64_t seq = 0; seq < cuts; seq++)
            last = type(&history, &ana, seq, last, cuts - seq);
        last = history_add(&history, &ana, cuts, &last, 1, &all, 1) - 1;
        history_update(&history);
        history_add(&history, &ben, 0, &last, 0, &one, 1);
        history_update(&history);
        assert_int_equal(history.text.len, 0);
        history_release(&history);
    }
}

static uint64_t put(struct history *history, unsigned char who, const uint64_t *parents, size_t count, struct history_op op)
{
    return history_add(history, &(struct agent_id){{who}}, 0, parents, count, &op, 1) - 1;
}

/*
 * Ana deletes a run; then three type at one place, so the list of the block (sync/tracker_list.h) becomes a tracker. Somebody has
 * seen one of them and ana, whose deletes that puts back: they are in as few parts as they were in the list.
 */
static void a_delete_that_moves_from_a_list_to_a_tracker_is_counted(void **state)
{
    enum { BASE = 600, DELETED = 200, TYPED = 250 };
    (void)state;
    for (uint64_t back = 0; back < 2; back++) {
        struct history history;
        struct buf base = {0}, typed = {0};
        memset(buf_extend(&base, BASE), '-', BASE);
        memset(buf_extend(&typed, TYPED), 't', TYPED);
        history_init(&history, buf_view(&base));
        struct history_op one = {.kind = OP_DELETE, .pos = 300, .len = 1}, x = {.kind = OP_INSERT, .text = bytes_of_string("x")};
        struct history_op many = {.kind = OP_INSERT, .text = buf_view(&typed)};
        uint64_t deleted = 0, three[3], both[2], heads[2], last;
        for (uint64_t seq = 0; seq < DELETED; seq++, one.pos -= back)
            deleted = history_add(&history, &ana, seq, &deleted, seq > 0, &one, 1) - 1;
        for (unsigned char who = 0; who < 3; who++)
            three[who] = put(&history, (unsigned char)(2 + who), NULL, 0, x);
        both[0] = deleted;
        both[1] = three[2];
        heads[0] = put(&history, 5, three, 3, many); /* so the three come after ana */
        heads[1] = put(&history, 6, both, 2, x);
        last = put(&history, 7, heads, 2, x);
        (void)put(&history, 8, &last, 1, x);
        history_update(&history);
        assert_int_equal(history.text.len, BASE - DELETED + 3 + TYPED + 3);
        history_release(&history);
        buf_release(&base);
        buf_release(&typed);
    }
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
        cmocka_unit_test(a_delete_of_what_was_cut_in_the_same_piece_is_counted),
        cmocka_unit_test(a_delete_that_moves_from_a_list_to_a_tracker_is_counted),
        cmocka_unit_test(counting_ends_soon_after_the_limit),
        cmocka_unit_test(a_limit_bounds_the_plan),
        cmocka_unit_test(what_counting_took_is_given_back),
    };
    return RUN_TESTS("walker_cost", tests);
}
