/* What pieces of a short block have seen, as sets. (That a plan's moves are those of the graph: test_walker_plan.) */
#include "sync/walker_seen.h"

#include "tests/support/support.h"

static void expect_set(const struct walker_seen *seen, struct walker_set set, const size_t *pieces, size_t count)
{
    for (size_t i = seen->words; i > 0; i--) {
        while (set.words[i - 1] != 0) {
            size_t piece = (i - 1) * WALKER_WORD_BITS + walker_set_take(&set.words[i - 1]);
            assert_true(count > 0);
            assert_int_equal(piece, pieces[--count]);
        }
    }
    assert_int_equal(count, 0);
}

static void from_one_branch_to_the_other(void **state)
{
    struct walker_seen seen;
    struct walker_set leave, enter;
    (void)state;
    walker_seen_begin(&seen, 4); /* the picture in the header */
    walker_seen_piece(&seen, 0);
    walker_seen_piece(&seen, 1);
    walker_seen_parent(&seen, 1, 0);
    walker_seen_piece(&seen, 2);
    walker_seen_parent(&seen, 2, 0);
    walker_seen_piece(&seen, 3);
    walker_seen_parent(&seen, 3, 1);
    walker_seen_parent(&seen, 3, 2);

    walker_seen_move(&seen, 0, &leave, &enter);
    expect_set(&seen, leave, NULL, 0);
    expect_set(&seen, enter, NULL, 0);
    walker_seen_move(&seen, 1, &leave, &enter);
    expect_set(&seen, leave, NULL, 0);
    expect_set(&seen, enter, NULL, 0);
    walker_seen_move(&seen, 2, &leave, &enter);
    expect_set(&seen, leave, (size_t[]){1}, 1);
    expect_set(&seen, enter, NULL, 0);
    walker_seen_move(&seen, 3, &leave, &enter);
    expect_set(&seen, leave, NULL, 0);
    expect_set(&seen, enter, (size_t[]){1}, 1);
}

/* A root, then pieces that have only seen it, each in a word of its own or at the edge of one. */
static void sets_go_over_all_words(void **state)
{
    struct walker_seen seen;
    struct walker_set leave, enter;
    (void)state;
    walker_seen_begin(&seen, WALKER_SEEN_MAX);
    for (size_t piece = 0; piece < WALKER_SEEN_MAX; piece++) {
        walker_seen_piece(&seen, piece);
        if (piece > 0)
            walker_seen_parent(&seen, piece, piece % 2 == 0 ? piece - 1 : 0);
    }
    walker_seen_move(&seen, WALKER_SEEN_MAX - 1, &leave, &enter);
    expect_set(&seen, enter, (size_t[]){0}, 1);
    walker_seen_move(&seen, WALKER_WORD_BITS, &leave, &enter);
    expect_set(&seen, leave, (size_t[]){WALKER_SEEN_MAX - 1}, 1);
    expect_set(&seen, enter, (size_t[]){WALKER_WORD_BITS - 1}, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_one_branch_to_the_other),
        cmocka_unit_test(sets_go_over_all_words),
    };
    return RUN_TESTS("walker_seen", tests);
}
