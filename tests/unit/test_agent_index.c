/* Which number an agent has. */
#include "sync/agent_index.h"

#include "tests/support/support.h"

static struct agent_id id_of(uint64_t value)
{
    struct agent_id id = {{0}};
    for (size_t i = 0; i < 8; i++)
        id.bytes[i] = (unsigned char)(value >> (8 * (7 - i)));
    return id;
}

static void nobody_is_found_where_nobody_is(void **state)
{
    struct agent_index index = {0};
    struct agent_id id = id_of(1);
    size_t number;
    (void)state;
    assert_false(agent_index_find(&index, &id, &number));
    agent_index_check(&index, 0);
    agent_index_add(&index, &id, 7);
    id = id_of(2);
    assert_false(agent_index_find(&index, &id, &number));
    id = id_of(0);
    assert_false(agent_index_find(&index, &id, &number));
    agent_index_release(&index);
}

/* Odd numbers are there, even ones are not; `step` and `count` have no common factor. */
static void add_and_find(uint64_t count, uint64_t step)
{
    struct agent_index index = {0};
    size_t number;
    for (uint64_t i = 0, at = 0; i < count; i++, at = (at + step) % count) {
        struct agent_id id = id_of(2 * at + 1);
        assert_false(agent_index_find(&index, &id, &number));
        agent_index_add(&index, &id, (size_t)at);
    }
    agent_index_check(&index, (size_t)count);
    for (uint64_t at = 0; at < count; at++) {
        struct agent_id id = id_of(2 * at + 1), other = id_of(2 * at);
        assert_true(agent_index_find(&index, &id, &number));
        assert_int_equal(number, at);
        assert_false(agent_index_find(&index, &other, &number));
    }
    agent_index_release(&index);
}

static void everybody_is_found_in_whatever_order_they_came(void **state)
{
    (void)state;
    add_and_find(1000, 1);
    add_and_find(1000, 999);
    add_and_find(1000, 37);
    add_and_find(1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_found_where_nobody_is),
        cmocka_unit_test(everybody_is_found_in_whatever_order_they_came),
    };
    return RUN_TESTS("agent_index", tests);
}
