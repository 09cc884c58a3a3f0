/* Runs of batches: read once, gone over as often as one likes, with the names that agents have here. */
#include "sync/batch_run.h"

#include "tests/support/support.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

enum { BATCHES = 5 };

static const struct agent_id ana = {{'a'}}, ben = {{'b'}}, cem = {{'c'}};

/* Batches of 1, 2, ... events; of each but the first an event of ben is a parent, and the last takes back what cem wrote. */
static void write_run(struct buf *plain)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch batch = {.agent = ana, .seq0 = seq, .flags = seq ? BATCH_FLAG_SELF : 0};
        struct buf one = {0};
        if (i > 0)
            batch_add_parent(&batch, (struct event_id){ben, i});
        if (i + 1 == BATCHES)
            batch_add_undo(&batch, (struct event_span){cem, 7, 2});
        batch_add_insert(&batch, seq, bytes_of("abcde", i + 1));
        batch_encode(&batch, &one);
        buf_add_sized(plain, buf_view(&one));
        seq += batch.count;
        batch_release(&batch);
        buf_release(&one);
    }
}

enum { EVENTS = BATCHES * (BATCHES + 1) / 2 };

/* The batches from number `first` on. */
static void expect_batches(const struct batch_run *run, size_t first)
{
    struct batch_cursor cursor = batch_cursor_of(run);
    struct buf again = {0};
    size_t i = first;
    for (; batch_cursor_next(&cursor); i++) {
        assert_int_equal(cursor.batch->seq0, i * (i + 1) / 2);
        assert_int_equal(cursor.batch->count, i + 1);
        assert_int_equal(cursor.batch->parent_count, i > 0);
        buf_clear(&again);
        batch_encode(cursor.batch, &again);
        assert_true(bytes_equal(cursor.plain, buf_view(&again)));
    }
    assert_int_equal(i, BATCHES);
    buf_release(&again);
    batch_cursor_release(&cursor);
}

static void a_run_gives_every_batch_again_and_again(void **state)
{
    (void)state;
    struct buf plain = {0};
    struct batch_run run;
    struct error err = {0};
    write_run(&plain);
    assert_true(batch_run_read(buf_view(&plain), &ana, 0, EVENTS, &run, &err));
    assert_int_equal(run.count, BATCHES);
    expect_batches(&run, 0);
    expect_batches(&run, 0);
    buf_release(&plain);
}

static void what_is_dropped_is_gone_over_no_more(void **state)
{
    (void)state;
    struct buf plain = {0};
    struct error err = {0};
    write_run(&plain);
    for (size_t known = 0; known <= BATCHES; known++) {
        struct batch_run run;
        assert_true(batch_run_read(buf_view(&plain), &ana, 0, EVENTS, &run, &err));
        batch_run_drop(&run, known);
        assert_int_equal(run.count, BATCHES - known);
        assert_int_equal(run.seq0, known * (known + 1) / 2);
        expect_batches(&run, known);
    }
    buf_release(&plain);
}

/* The names are told by their place: own, parents, spans of each batch in turn. */
static void expect_names(const struct batch_run *run, size_t first)
{
    struct batch_cursor cursor = batch_cursor_of(run);
    unsigned char name = (unsigned char)(first == 0 ? 0 : 2 * first - 1);
    for (size_t i = first; batch_cursor_next(&cursor); i++) {
        assert_int_equal(cursor.batch->agent.bytes[0], name++);
        if (i > 0)
            assert_int_equal(cursor.batch->parents[0].agent.bytes[0], name++);
        if (i + 1 == BATCHES)
            assert_int_equal(cursor.batch->undo[0].agent.bytes[0], name++);
    }
    batch_cursor_release(&cursor);
}

static void batches_have_the_names_of_the_run_also_behind_what_was_dropped(void **state)
{
    (void)state;
    enum { NAMES = BATCHES + (BATCHES - 1) + 1 };
    struct buf plain = {0};
    struct batch_run run;
    struct error err = {0};
    write_run(&plain);
    assert_true(batch_run_read(buf_view(&plain), &ana, 0, EVENTS, &run, &err));
    run.local = xcalloc(NAMES, sizeof *run.local);
    for (unsigned char i = 0; i < NAMES; i++)
        run.local[i].bytes[0] = i;
    expect_names(&run, 0);
    batch_run_drop(&run, 1);
    expect_names(&run, 1);
    batch_run_drop(&run, 2);
    expect_names(&run, 3);
    batch_run_release(&run);
    buf_release(&plain);
}

static void one_batch_is_a_run_sized_or_not_decoded_or_not(void **state)
{
    (void)state;
    struct batch batch = {.agent = ana, .seq0 = 3};
    struct batch_run run;
    struct buf plain = {0};
    struct error err = {0};
    struct agent_id name = {{'n'}};
    batch_add_insert(&batch, 0, bytes_of_string("x"));
    batch_encode(&batch, &plain);
    assert_true(batch_run_read_one(buf_view(&plain), &ana, 3, &run, &err));
    for (int given = 0; given < 2; given++) {
        if (given)
            run = batch_run_of(&batch, buf_view(&plain));
        for (int named = 0; named < 2; named++) {
            struct batch_cursor cursor = batch_cursor_of(&run);
            assert_true(batch_cursor_next(&cursor));
            assert_true(bytes_equal(cursor.plain, buf_view(&plain)));
            assert_int_equal(cursor.batch->seq0, 3);
            assert_true(agent_id_equal(&cursor.batch->agent, named ? &name : &ana));
            assert_false(batch_cursor_next(&cursor));
            batch_cursor_release(&cursor);
            if (!named)
                run.local = xmemdup(&name, sizeof name);
        }
        batch_run_drop(&run, 1);
        assert_int_equal(run.count, 0);
        batch_run_release(&run);
    }
    assert_false(batch_run_read_one(bytes_slice(buf_view(&plain), 0, plain.len - 1), &ana, 3, &run, &err));
    assert_int_equal(run.count, 0);
    batch_release(&batch);
    buf_release(&plain);
}

static void expect_refused(struct bytes plain, uint64_t events, int code)
{
    struct batch_run run;
    struct error err = {0};
    assert_false(batch_run_read(plain, &ana, 0, events, &run, &err));
    assert_int_equal(err.code, code);
    assert_int_equal(run.count, 0);
}

static void what_does_not_fill_its_events_is_refused(void **state)
{
    (void)state;
    struct buf plain = {0};
    write_run(&plain);
    expect_refused(buf_view(&plain), EVENTS - 1, ERR_FORMAT);
    expect_refused(buf_view(&plain), EVENTS + 1, ERR_FORMAT);
    expect_refused(buf_view(&plain), 0, ERR_FORMAT);
    expect_refused((struct bytes){0}, 1, ERR_FORMAT);
    expect_refused((struct bytes){0}, 0, ERR_FORMAT);
    for (size_t cut = 0; cut < plain.len; cut++)
        expect_refused(bytes_slice(buf_view(&plain), 0, cut), EVENTS, ERR_FORMAT);
    buf_release(&plain);
}

static void a_run_has_no_more_batches_than_a_record(void **state)
{
    (void)state;
    struct buf plain = {0};
    struct batch_run run;
    struct error err = {0};
    static const unsigned char first[] = {BATCH_FLAG_ONE, 1 << 2 | OP_NOP},
                               next[] = {BATCH_FLAG_SELF | BATCH_FLAG_ONE, 1 << 2 | OP_NOP};
    for (int i = 0; i < BATCH_RUN_MAX; i++)
        buf_add_sized(&plain, bytes_of(i ? next : first, sizeof first));
    assert_true(batch_run_read(buf_view(&plain), &ana, 0, BATCH_RUN_MAX, &run, &err));
    buf_add_sized(&plain, bytes_of(next, sizeof next));
    expect_refused(buf_view(&plain), BATCH_RUN_MAX + 1, ERR_LIMIT);
    buf_release(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_gives_every_batch_again_and_again),
        cmocka_unit_test(what_is_dropped_is_gone_over_no_more),
        cmocka_unit_test(batches_have_the_names_of_the_run_also_behind_what_was_dropped),
        cmocka_unit_test(one_batch_is_a_run_sized_or_not_decoded_or_not),
        cmocka_unit_test(what_does_not_fill_its_events_is_refused),
        cmocka_unit_test(a_run_has_no_more_batches_than_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
