/* Batches in a bundle: every byte comes back, in a small part of the bytes; what is no bundle is refused. */
#include "sync/bundle.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "sync/record.h"

static const struct agent_id ana = {{'a'}}, ben = {{'b'}}, cem = {{'c'}};

struct writing {
    struct buf plain; /* of all batches */
    uint64_t seq;
};

static void add(struct writing *writing, const struct batch *batch)
{
    struct buf one = {0};
    batch_encode(batch, &one);
    record_plain_add(&writing->plain, buf_view(&one));
    writing->seq += batch->count;
    buf_release(&one);
}

static struct batch begin(const struct writing *writing)
{
    struct batch batch = {.agent = ana, .seq0 = writing->seq};
    if (writing->seq > 0)
        batch_add_parent(&batch, (struct event_id){ana, writing->seq - 1});
    return batch;
}

/* One key of somebody who types words, looks back now and then, and goes elsewhere. */
static void type_key(struct writing *writing, struct random *random, uint64_t *cursor, uint64_t *time_s)
{
    struct batch batch = begin(writing);
    char key[] = {(char)('a' + random_below(random, 26)), '\0'};
    *time_s += random_below(random, 2);
    if (random_below(random, 6) == 0) {
        batch.flags |= BATCH_FLAG_GESTURE | BATCH_FLAG_TIME;
        batch.time_s = *time_s;
    }
    if (random_below(random, 40) == 0)
        *cursor = random_below(random, 100000);
    if (*cursor > 0 && random_below(random, 12) == 0)
        batch_add_delete(&batch, --*cursor, 1);
    else
        batch_add_insert(&batch, (*cursor)++, bytes_of_string(key));
    batch_end(&batch);
    add(writing, &batch);
    batch_release(&batch);
}

static void expect_back(const struct writing *writing, struct bytes bundle)
{
    struct buf back = {0};
    assert_true(bundle_unpack(bundle, writing->plain.len, &back));
    assert_true(bytes_equal(buf_view(&back), buf_view(&writing->plain)));
    buf_clear(&back);
    assert_false(bundle_unpack(bundle, writing->plain.len - 1, &back));
    assert_int_equal(back.len, 0);
    buf_release(&back);
}

static void an_hour_of_typing_takes_a_quarter_of_its_bytes(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("test_bundle", 1));
    struct writing writing = {0};
    struct buf bundle = {0};
    uint64_t cursor = 0, time_s = 1700000000;
    for (int i = 0; i < 1000; i++)
        type_key(&writing, &random, &cursor, &time_s);
    assert_true(bundle_pack(&ana, 0, buf_view(&writing.plain), &bundle));
    print_message("1000 keys: %zu B as batches, %zu B in a bundle\n", writing.plain.len, bundle.len);
    assert_true(bundle.len * 4 < writing.plain.len);
    expect_back(&writing, buf_view(&bundle));
    buf_release(&bundle);
    buf_release(&writing.plain);
}

static void everything_that_a_batch_can_hold_comes_back(void **state)
{
    (void)state;
    struct writing writing = {.seq = 7};
    struct buf bundle = {0};
    for (unsigned i = 0; i < 40; i++) {
        struct batch batch = begin(&writing);
        batch.flags |= BATCH_FLAG_GESTURE | BATCH_FLAG_TIME | BATCH_FLAG_LABEL;
        batch.time_s = i % 3 ? UINT64_MAX - i : i;
        snprintf(batch.label, sizeof batch.label, "%s", i % 2 ? "disk" : "x");
        batch_add_parent(&batch, (struct event_id){ben, 1000 * i});
        batch_add_parent(&batch, (struct event_id){cem, BATCH_SEQ_MAX - i});
        batch_add_undo(&batch, (struct event_span){ana, i, 3});
        batch_add_undo(&batch, (struct event_span){cem, 5, BATCH_SEQ_MAX});
        if (i % 5 == 0) {
            batch_add_nop(&batch);
        } else {
            batch_add_insert(&batch, BATCH_POS_MAX - i, bytes_of_string("words that come again and again"));
            batch_add_delete(&batch, 3 * i, 1 + 300 * i);
        }
        if (i % 2)
            batch_end(&batch);
        add(&writing, &batch);
        batch_release(&batch);
    }
    assert_true(bundle_pack(&ana, 7, buf_view(&writing.plain), &bundle));
    expect_back(&writing, buf_view(&bundle));
    buf_release(&bundle);
    buf_release(&writing.plain);
}

static void what_nearly_vanishes_is_filled_up_to_an_eighth(void **state)
{
    (void)state;
    struct writing writing = {0};
    struct buf bundle = {0};
    for (uint64_t i = 0; i < 2000; i++) { /* a key held down */
        struct batch batch = begin(&writing);
        batch_add_insert(&batch, 5000 + i, bytes_of_string("a"));
        add(&writing, &batch);
        batch_release(&batch);
    }
    assert_true(bundle_pack(&ana, 0, buf_view(&writing.plain), &bundle));
    assert_true(bundle.len >= writing.plain.len / BUNDLE_RATIO_MAX);
    expect_back(&writing, buf_view(&bundle));
    assert_int_equal(bundle.data[bundle.len - 1], 0);
    struct buf back = {0};
    assert_false(bundle_unpack(bytes_of(bundle.data, bundle.len - 1), writing.plain.len, &back)); /* beyond the ratio */
    bundle.data[bundle.len - 1] = 1;
    assert_false(bundle_unpack(buf_view(&bundle), writing.plain.len, &back));
    assert_int_equal(back.len, 0);
    buf_release(&bundle);
    buf_release(&writing.plain);
}

static void what_is_not_batches_is_not_packed(void **state)
{
    (void)state;
    struct writing writing = {0};
    struct buf bundle = {0};
    for (int i = 0; i < 100; i++) {
        struct batch batch = begin(&writing);
        batch_add_insert(&batch, (uint64_t)i, bytes_of_string("a"));
        add(&writing, &batch);
        batch_release(&batch);
    }
    assert_false(bundle_pack(&ana, 0, (struct bytes){0}, &bundle));
    assert_false(bundle_pack(&ana, 0, bytes_of(writing.plain.data, writing.plain.len - 1), &bundle));
    assert_false(bundle_pack(&ana, 0, bytes_of_string("\x03nothing of the kind"), &bundle));
    assert_int_equal(bundle.len, 0);
    buf_release(&bundle);
    buf_release(&writing.plain);
}

/* Nothing but refusal, or batches that are read like any others. */
static void a_damaged_bundle_does_no_harm(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("test_bundle", 2));
    struct writing writing = {0};
    struct buf bundle = {0}, back = {0};
    uint64_t cursor = 0, time_s = 1700000000;
    for (int i = 0; i < 200; i++)
        type_key(&writing, &random, &cursor, &time_s);
    assert_true(bundle_pack(&ana, 0, buf_view(&writing.plain), &bundle));
    for (uint64_t round = 0; round < support_rounds(20000); round++) {
        size_t at = (size_t)random_below(&random, bundle.len);
        unsigned char was = bundle.data[at];
        bundle.data[at] ^= (unsigned char)(1 + random_below(&random, 255));
        size_t len = random_below(&random, 4) ? bundle.len : (size_t)random_below(&random, bundle.len);
        buf_clear(&back);
        if (bundle_unpack(bytes_of(bundle.data, len), BATCH_BYTES_MAX, &back))
            assert_true(back.len <= BUNDLE_RATIO_MAX * len);
        else
            assert_int_equal(back.len, 0);
        bundle.data[at] = was;
    }
    buf_release(&back);
    buf_release(&bundle);
    buf_release(&writing.plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_of_typing_takes_a_quarter_of_its_bytes),
        cmocka_unit_test(everything_that_a_batch_can_hold_comes_back),
        cmocka_unit_test(what_nearly_vanishes_is_filled_up_to_an_eighth),
        cmocka_unit_test(what_is_not_batches_is_not_packed),
        cmocka_unit_test(a_damaged_bundle_does_no_harm),
    };
    return RUN_TESTS("bundle", tests);
}
