/* The batch and its one canonical form. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "editor/base/varint.h"
#include "sync/batch.h"

static struct agent_id agent_named(unsigned char name)
{
    return (struct agent_id){{name, 1, 2, 3}};
}

static struct bytes text_of(const char *text)
{
    return bytes_of_string(text);
}

static void fill_everything(struct batch *batch)
{
    batch->agent = agent_named('m');
    batch->seq0 = 40;
    batch_add_parent(batch, (struct event_id){agent_named('z'), 3});
    batch_add_parent(batch, (struct event_id){agent_named('m'), 39});
    batch_add_parent(batch, (struct event_id){agent_named('a'), 300});
    batch_add_undo(batch, (struct event_span){agent_named('m'), 7, 2});
    batch->flags |= BATCH_FLAG_GESTURE | BATCH_FLAG_TIME | BATCH_FLAG_LABEL | BATCH_FLAG_REDO;
    batch->time_s = 1700000000;
    strcpy(batch->label, "disk");
    batch_add_insert(batch, 0, text_of("hello"));
    batch_add_delete(batch, 1000, 3);
    batch_add_insert(batch, 5, text_of(" world"));
}

static void expect_same(const struct batch *a, const struct batch *b)
{
    struct buf left = {0}, right = {0};
    batch_encode(a, &left);
    batch_encode(b, &right);
    assert_true(bytes_equal(buf_view(&left), buf_view(&right)));
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->seq0, b->seq0);
    buf_release(&left);
    buf_release(&right);
}

static struct batch_op op_of(const struct batch *batch, size_t index)
{
    struct batch_ops ops = batch_ops_of(batch);
    struct batch_op op = {.len = 0};
    for (size_t i = 0; i <= index; i++)
        assert_true(batch_next_op(&ops, &op));
    return op;
}

static void a_batch_survives_the_trip_through_bytes(void **state)
{
    (void)state;
    struct batch batch = {0}, back = {0};
    struct buf plain = {0};
    struct error err = {0};
    fill_everything(&batch);
    batch_encode(&batch, &plain);
    assert_true(batch_decode(buf_view(&plain), &batch.agent, batch.seq0, &back, &err));
    expect_same(&batch, &back);
    assert_int_equal(back.count, 5 + 3 + 6);
    assert_int_equal(back.parent_count, 2);
    assert_true(back.parents[0].agent.bytes[0] == 'a' && back.parents[1].agent.bytes[0] == 'z');
    assert_true(back.flags & BATCH_FLAG_SELF);
    assert_string_equal(back.label, "disk");
    assert_true(bytes_equal(op_of(&back, 2).text, text_of(" world")));
    batch_copy(&back, &batch);
    expect_same(&batch, &back);
    buf_release(&plain);
    batch_release(&batch);
    batch_release(&back);
}

static void a_merge_marker_is_one_event_without_text(void **state)
{
    (void)state;
    struct batch batch = {.agent = agent_named('m')}, back = {0};
    struct buf plain = {0};
    struct error err = {0};
    batch_add_nop(&batch);
    batch_encode(&batch, &plain);
    assert_int_equal(plain.len, 3);
    assert_true(batch_decode(buf_view(&plain), &batch.agent, 0, &back, &err));
    assert_int_equal(back.count, 1);
    assert_true(op_of(&back, 0).kind == OP_NOP);
    buf_release(&plain);
    batch_release(&batch);
    batch_release(&back);
}

static void a_key_in_a_text_of_a_megabyte_is_six_bytes(void **state)
{
    (void)state;
    struct batch batch = {.agent = agent_named('m'), .seq0 = 1, .flags = BATCH_FLAG_SELF}, back = {0};
    struct buf plain = {0};
    struct error err = {0};
    batch_add_insert(&batch, 1 << 20, text_of("k"));
    batch_encode(&batch, &plain);
    assert_int_equal(plain.len, 7); /* as batches were before there was FLAG_ONE: they stay as they are */
    assert_true(batch_decode(buf_view(&plain), &batch.agent, 1, &back, &err));
    expect_same(&batch, &back);
    batch_end(&batch);
    buf_clear(&plain);
    batch_encode(&batch, &plain);
    assert_int_equal(plain.len, 6);
    assert_true(batch_decode(buf_view(&plain), &batch.agent, 1, &back, &err));
    expect_same(&batch, &back);
    assert_true(op_of(&back, 0).pos == 1 << 20 && bytes_equal(op_of(&back, 0).text, text_of("k")));
    batch_add_delete(&batch, 0, 1);
    batch.flags &= ~(unsigned)BATCH_FLAG_ONE;
    batch_end(&batch); /* it has two */
    buf_clear(&plain);
    batch_encode(&batch, &plain);
    assert_true(batch_decode(buf_view(&plain), &batch.agent, 1, &back, &err));
    assert_int_equal(back.op_count, 2);
    buf_release(&plain);
    batch_release(&batch);
    batch_release(&back);
}

static void expect_refused(const void *data, size_t len, uint64_t seq0, enum err code)
{
    struct batch batch = {0};
    struct error err = {0};
    struct agent_id agent = agent_named('m');
    assert_false(batch_decode(bytes_of(data, len), &agent, seq0, &batch, &err));
    assert_int_equal(err.code, code);
    assert_int_equal(batch.op_count, 0);
    batch_release(&batch);
}

static void what_is_not_canonical_is_refused(void **state)
{
    (void)state;
    expect_refused("", 0, 0, ERR_FORMAT);
    expect_refused("\x80\x01\x06", 3, 0, ERR_FORMAT);               /* one operation, and still a number of them */
    expect_refused("\x80", 1, 0, ERR_FORMAT);
    expect_refused("\x80\x0a", 2, 0, ERR_FORMAT);                   /* a marker of length 2 */
    expect_refused("\x80\x06\x06", 3, 0, ERR_FORMAT);               /* two operations */
    expect_refused("\x01\x01\x06", 3, 0, ERR_FORMAT);               /* a previous event before the first */
    expect_refused("\x40\x01\x06", 3, 1, ERR_FORMAT);               /* redo without undo */
    expect_refused("\x02\x00\x01\x06", 4, 0, ERR_FORMAT);           /* foreign parents, but none */
    expect_refused("\x08\x00\x01\x06", 4, 0, ERR_FORMAT);           /* takes back nothing */
    expect_refused("\x20\x00\x01\x06", 4, 0, ERR_FORMAT);           /* an empty label */
    expect_refused("\x20\x01\x00\x01\x06", 5, 0, ERR_FORMAT);       /* NUL in a label */
    expect_refused("\x00", 1, 0, ERR_FORMAT);
    expect_refused("\x00\x00", 2, 0, ERR_NEWER);                    /* kept for later versions */
    expect_refused("\x00\x01\x02", 3, 0, ERR_FORMAT);               /* an operation of length 0 */
    expect_refused("\x00\x01\x07", 3, 0, ERR_FORMAT);               /* an unknown kind */
    expect_refused("\x00\x01\x0a", 3, 0, ERR_FORMAT);               /* a marker of length 2 */
    expect_refused("\x00\x02\x06\x06", 4, 0, ERR_FORMAT);           /* two markers */
    expect_refused("\x00\x01\x04\x00", 4, 0, ERR_FORMAT);           /* an insert without its text */
    expect_refused("\x00\x01\x04\x00yz", 6, 0, ERR_FORMAT);         /* text left over */
    expect_refused("\x00\x01\x84\x00\x00y", 6, 0, ERR_FORMAT);      /* a number in a longer form */
    expect_refused("\x00\x01\x06", 3, BATCH_SEQ_MAX, ERR_FORMAT);   /* numbers beyond the last */
    expect_refused("\x00\x01\x06", 3, UINT64_MAX, ERR_LIMIT);
}

static void parents_out_of_order_are_refused(void **state)
{
    (void)state;
    struct batch batch = {.agent = agent_named('m'), .seq0 = 1};
    struct buf plain = {0};
    batch_add_parent(&batch, (struct event_id){agent_named('a'), 1});
    batch_add_parent(&batch, (struct event_id){agent_named('b'), 1});
    batch_add_nop(&batch);
    batch_encode(&batch, &plain);
    enum { FIRST_AGENT = 2, SECOND_AGENT = 2 + AGENT_ID_BYTES + 1 };
    plain.data[FIRST_AGENT] = 'b';
    expect_refused(plain.data, plain.len, 1, ERR_FORMAT); /* the same one twice */
    plain.data[FIRST_AGENT] = 'c';
    expect_refused(plain.data, plain.len, 1, ERR_FORMAT);
    plain.data[FIRST_AGENT] = 'a';
    plain.data[SECOND_AGENT] = 'm';
    expect_refused(plain.data, plain.len, 1, ERR_FORMAT); /* its own agent */
    buf_release(&plain);
    batch_release(&batch);
}

static void a_batch_of_a_megabyte_and_more_is_refused(void **state)
{
    (void)state;
    struct buf plain = {0};
    memset(buf_extend(&plain, BATCH_BYTES_MAX + 1), 0, BATCH_BYTES_MAX + 1);
    expect_refused(plain.data, plain.len, 0, ERR_LIMIT);
    buf_release(&plain);
}

/* A batch of two deletes with so many events. */
static void delete_twice(struct buf *out, uint64_t first, uint64_t second)
{
    buf_clear(out);
    buf_add_byte(out, 0);
    buf_add_varint(out, 2);
    buf_add_varint(out, first << 2 | OP_DELETE);
    buf_add_varint(out, 0);
    buf_add_varint(out, second << 2 | OP_DELETE);
    buf_add_varint(out, 0);
}

static void a_batch_of_more_events_than_any_text_has_is_refused(void **state)
{
    (void)state;
    struct buf plain = {0};
    struct batch batch = {0};
    struct agent_id agent = agent_named('m');
    struct error err = {0};
    delete_twice(&plain, BATCH_EVENTS_MAX - 1, 1);
    assert_true(batch_decode(buf_view(&plain), &agent, 0, &batch, &err));
    assert_int_equal(batch.count, BATCH_EVENTS_MAX);
    delete_twice(&plain, BATCH_EVENTS_MAX - 1, 2);
    expect_refused(plain.data, plain.len, 0, ERR_FORMAT);
    delete_twice(&plain, BATCH_POS_MAX, BATCH_POS_MAX);
    expect_refused(plain.data, plain.len, 0, ERR_FORMAT);
    buf_release(&plain);
    batch_release(&batch);
}

static void fill_random(struct random *random, struct batch *batch)
{
    char letters[] = "abcdefghijklmnop";
    batch->agent = agent_named('m');
    batch->seq0 = random_below(random, 1000);
    for (int name = 'a'; name < 'd'; name++)
        if (random_chance(random, 2))
            batch_add_parent(batch, (struct event_id){agent_named((unsigned char)name), random_below(random, 1 << 20)});
    if (random_chance(random, 3))
        batch_add_undo(batch, (struct event_span){agent_named('q'), random_below(random, 99), 1});
    for (uint64_t i = random_below(random, 6) + 1; i > 0; i--) {
        uint64_t pos = random_below(random, (uint64_t)1 << random_below(random, 40));
        if (random_chance(random, 2))
            batch_add_delete(batch, pos, 1 + random_below(random, 500));
        else
            batch_add_insert(batch, pos, bytes_of(letters, 1 + (size_t)random_below(random, 15)));
    }
    if (random_chance(random, 2))
        batch_end(batch);
}

static void random_batches_survive_and_mutations_are_refused_or_canonical(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("batch", 11));
    struct batch batch = {0}, back = {0};
    struct buf plain = {0}, again = {0};
    for (uint64_t round = support_rounds(2000); round > 0; round--) {
        struct error err = {0};
        batch_clear(&batch);
        buf_clear(&plain);
        fill_random(&random, &batch);
        batch_encode(&batch, &plain);
        assert_true(batch_decode(buf_view(&plain), &batch.agent, batch.seq0, &back, &err));
        expect_same(&batch, &back);
        plain.data[random_below(&random, plain.len)] ^= (unsigned char)(1 + random_below(&random, 255));
        if (batch_decode(buf_view(&plain), &batch.agent, batch.seq0, &back, &err)) {
            buf_clear(&again);
            batch_encode(&back, &again);
            assert_true(bytes_equal(buf_view(&plain), buf_view(&again)));
        }
    }
    buf_release(&plain);
    buf_release(&again);
    batch_release(&batch);
    batch_release(&back);
}

static void a_list_gives_the_memory_of_what_has_gone_to_what_comes(void **state)
{
    struct batch_list list = {0};
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5; i++) {
            struct batch *batch = batch_list_add(&list);
            assert_int_equal(batch->op_count, 0);
            assert_int_equal(batch->text.len, 0);
            batch_add_insert(batch, i, bytes_of_string("text"));
        }
        batch_list_cut(&list, 2);
        assert_int_equal(list.count, 2);
        assert_int_equal(op_of(&list.items[0], 0).pos, 0);
        assert_int_equal(op_of(&list.items[1], 0).pos, 1);
        batch_list_clear(&list);
    }
    batch_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_survives_the_trip_through_bytes),
        cmocka_unit_test(a_merge_marker_is_one_event_without_text),
        cmocka_unit_test(a_key_in_a_text_of_a_megabyte_is_six_bytes),
        cmocka_unit_test(what_is_not_canonical_is_refused),
        cmocka_unit_test(parents_out_of_order_are_refused),
        cmocka_unit_test(a_batch_of_a_megabyte_and_more_is_refused),
        cmocka_unit_test(a_batch_of_more_events_than_any_text_has_is_refused),
        cmocka_unit_test(random_batches_survive_and_mutations_are_refused_or_canonical),
        cmocka_unit_test(a_list_gives_the_memory_of_what_has_gone_to_what_comes),
    };
    return RUN_TESTS("batch", tests);
}
