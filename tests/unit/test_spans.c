/* The trees of a merge: spans of text with their sums, and the index of ids. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/id_index.h"
#include "sync/spans.h"

/* --- spans --- */

static const struct span visible = {.state = SPAN_THERE}, not_yet = {.state = SPAN_NOT_YET},
                         deleted = {.state = SPAN_THERE + 1, .gone = true};

static struct span span_of(struct span like, uint64_t id, uint64_t len)
{
    like.id = id;
    like.len = (uint32_t)len;
    like.left = id - 1;
    return like;
}

static void put_last(struct spans *spans, struct span span)
{
    struct span_place place = spans_start(spans);
    while (spans_peek(spans, &place))
        spans_next(&place);
    spans_insert(spans, place, &span);
}

/* The ids of all units in text order, each as one letter. */
static void expect_units(const struct spans *spans, const char *letters)
{
    struct span_place place = spans_start(spans);
    size_t at = 0, len = strlen(letters);
    for (const struct span *span; (span = spans_peek(spans, &place)); spans_next(&place))
        for (uint64_t n = 0; n < span->len; n++, at++)
            assert_true(at < len && span->id + n == (unsigned char)letters[at]);
    assert_int_equal(at, len);
    spans_check(spans);
}

static void a_span_is_put_between_two_units_of_another(void **state)
{
    (void)state;
    struct spans spans = {0};
    spans_reset(&spans);
    put_last(&spans, span_of(visible, 'a', 4));
    struct span_place place = spans_find(&spans, SUM_SHOWN, 2);
    struct span span = span_of(visible, 'x', 2);
    place = spans_insert(&spans, place, &span);
    expect_units(&spans, "abxycd");
    assert_int_equal(spans_peek(&spans, &place)->id, 'x');
    assert_int_equal(spans_shown_before(&spans, place), 2);
    place = spans_find(&spans, SUM_SHOWN, 4);
    assert_int_equal(spans_peek(&spans, &place)->left, 'b'); /* the tail hangs on the unit before it still */
    spans_release(&spans);
}

static void a_run_typed_on_becomes_longer_and_nothing_else_does(void **state)
{
    (void)state;
    struct spans spans = {0};
    spans_reset(&spans);
    put_last(&spans, span_of(visible, 'a', 2));
    struct span_place end = spans_start(&spans);
    end.offset = 2;
    struct span on = span_of(visible, 'c', 1), other = on;
    assert_false(spans_append(&spans, spans_start(&spans), &on)); /* in front of it */
    other.right = 7;
    assert_false(spans_append(&spans, end, &other));
    other = span_of(deleted, 'c', 1);
    assert_false(spans_append(&spans, end, &other));
    other = span_of(visible, 'd', 1);
    assert_false(spans_append(&spans, end, &other));
    other = on;
    other.left = 7;
    assert_false(spans_append(&spans, end, &other));
    assert_true(spans_append(&spans, end, &on));
    expect_units(&spans, "abc");
    assert_int_equal(spans_total(&spans, SUM_SHOWN), 3);
    assert_int_equal(spans_total(&spans, SUM_KNOWN), 3);
    spans_release(&spans);
}

static void units_are_isolated_and_changed(void **state)
{
    (void)state;
    struct spans spans = {0};
    spans_reset(&spans);
    put_last(&spans, span_of(visible, 'a', 6));
    struct span_place place = spans_isolate(&spans, spans_find(&spans, SUM_SHOWN, 2), 2);
    assert_int_equal(spans_peek(&spans, &place)->id, 'c');
    assert_int_equal(spans_peek(&spans, &place)->len, 2);
    assert_int_equal(spans_total(&spans, SUM_KNOWN), 6);
    spans_set(&spans, place, SPAN_THERE + 1, true);
    assert_int_equal(spans_total(&spans, SUM_SHOWN), 4);
    assert_int_equal(spans_total(&spans, SUM_PREPARED), 4);
    expect_units(&spans, "abcdef");
    place = spans_find(&spans, SUM_SHOWN, 2); /* what is gone is not counted */
    assert_int_equal(spans_peek(&spans, &place)->id, 'e');
    assert_int_equal(spans_isolate(&spans, place, 2).at, place.at); /* it is a span of its own already */
    spans_release(&spans);
}

static void an_empty_sequence_has_a_start_and_no_span(void **state)
{
    (void)state;
    struct spans spans = {0};
    spans_reset(&spans);
    struct span_place place = spans_start(&spans);
    assert_null(spans_peek(&spans, &place));
    assert_null(spans_next_known(&spans, &place));
    put_last(&spans, span_of(visible, 'a', 1));
    spans_reset(&spans);
    expect_units(&spans, "");
    assert_int_equal(spans_total(&spans, SUM_KNOWN), 0);
    spans_release(&spans);
}

static void what_the_prepare_version_does_not_know_is_passed_over(void **state)
{
    (void)state;
    enum { UNKNOWN = 5 * SPANS_LEAF_MAX };
    struct spans spans = {0};
    spans_reset(&spans);
    put_last(&spans, span_of(visible, 1000, 3));
    for (uint64_t i = 0; i < UNKNOWN; i++)
        put_last(&spans, span_of(not_yet, 10 * i, 2));
    put_last(&spans, span_of(deleted, 2000, 1));
    struct span_place place = {spans_start(&spans).leaf, 0, 3};
    assert_int_equal(spans_next_known(&spans, &place)->id, 2000); /* deleted is known too */
    assert_int_equal(place.offset, 0);
    place = (struct span_place){spans_start(&spans).leaf, 0, 1};
    assert_int_equal(spans_next_known(&spans, &place)->id, 1000);
    assert_int_equal(place.offset, 1); /* in the middle of it */
    spans_set(&spans, place, SPAN_NOT_YET, false);
    assert_int_equal(spans_next_known(&spans, &place)->id, 2000);
    spans_set(&spans, place, SPAN_NOT_YET, true);
    place = spans_start(&spans);
    assert_null(spans_next_known(&spans, &place));
    spans_release(&spans);
}

static void the_last_span_below_a_node_closes_what_is_below_it(void **state)
{
    (void)state;
    enum { COUNT = SPANS_LEAF_MAX * SUM_TREE_FAN };
    struct spans spans = {0};
    spans_reset(&spans);
    for (uint64_t i = 0; i < COUNT; i++)
        put_last(&spans, span_of(visible, 10 * i, 1));
    assert_true(spans.tree.depth >= 2);
    struct span_place place = spans_start(&spans), before = place;
    for (uint32_t level = 0; level <= spans.tree.depth; level++) {
        assert_non_null(spans_last_below(&spans, &place, level));
        assert_true(spans_compare(&spans, before, place) < (level == 0)); /* a leaf may hold one span only */
        before = place;
    }
    assert_int_equal(spans_peek(&spans, &place)->id, 10 * (COUNT - 1)); /* below the root: of all */
    spans_next(&place);
    assert_null(spans_peek(&spans, &place));
    place = spans_start(&spans);
    assert_null(spans_last_below(&spans, &place, spans.tree.depth + 1));
    spans_release(&spans);
}

/* Unit by unit, what the tree is to say: the order, both versions, and in which leaf whoever is told believes it. */
enum { UNITS_MAX = 4000 };

struct model {
    struct spans spans;
    struct {
        uint64_t id;
        uint32_t state;
        bool gone;
    } units[UNITS_MAX];
    size_t count;
    uint32_t leaf_of[2 * UNITS_MAX]; /* by id */
    uint64_t next_id;
};

static void note_move(void *self, uint64_t id, uint64_t len, struct span_place place)
{
    struct model *model = self;
    for (uint64_t n = 0; n < len; n++)
        model->leaf_of[id + n] = place.leaf;
}

static bool is_counted(const struct model *model, size_t at, enum span_sum sum)
{
    return sum == SUM_SHOWN ? !model->units[at].gone : model->units[at].state == SPAN_THERE;
}

static void insert_units(struct model *model, struct random *random)
{
    uint64_t len = 1 + random_below(random, 4), shown = spans_total(&model->spans, SUM_SHOWN);
    uint64_t pos = shown ? random_below(random, shown) : 0;
    size_t at = 0;
    struct span_place place = spans_start(&model->spans);
    if (shown) {
        for (uint64_t left = pos; left > 0 || model->units[at].gone; at++)
            left -= !model->units[at].gone;
        place = spans_find(&model->spans, SUM_SHOWN, pos);
    }
    struct span span = span_of(random_chance(random, 3) ? not_yet : visible, model->next_id, len);
    place = spans_insert(&model->spans, place, &span);
    note_move(model, span.id, span.len, place);
    memmove(model->units + at + len, model->units + at, (model->count - at) * sizeof *model->units);
    for (size_t n = 0; n < len; n++) {
        model->units[at + n].id = span.id + n;
        model->units[at + n].state = span.state;
        model->units[at + n].gone = false;
    }
    model->count += (size_t)len;
    model->next_id += len + 1;
}

/* Some units of one span get another state, found by the id of the first. */
static void set_units(struct model *model, struct random *random)
{
    size_t at = (size_t)random_below(random, model->count), len = 1;
    struct span_place place;
    uint64_t first = model->units[at].id;
    assert_true(spans_find_id(&model->spans, model->leaf_of[first], (uint32_t)at, first, &place));
    const struct span *span = spans_peek(&model->spans, &place);
    len += (size_t)random_below(random, span->len - place.offset);
    uint32_t now = (uint32_t)random_below(random, 4);
    bool gone = now > SPAN_THERE;
    place = spans_isolate(&model->spans, place, len);
    spans_set(&model->spans, place, now, gone);
    for (size_t n = 0; n < len; n++) {
        model->units[at + n].state = now;
        model->units[at + n].gone = gone;
    }
}

static void expect_found(const struct model *model, enum span_sum sum)
{
    uint64_t pos = 0;
    for (size_t at = 0; at < model->count; at++) {
        if (!is_counted(model, at, sum))
            continue;
        struct span_place place = spans_find(&model->spans, sum, pos++);
        const struct span *span = spans_peek(&model->spans, &place);
        assert_int_equal(span->id + place.offset, model->units[at].id);
    }
    assert_int_equal(spans_total(&model->spans, sum), pos);
}

static void expect_places(const struct model *model)
{
    uint64_t shown = 0;
    struct span_place before = {0};
    for (size_t at = 0; at < model->count; at++) {
        uint64_t id = model->units[at].id;
        struct span_place place;
        assert_false(spans_find_id(&model->spans, UINT32_MAX, 0, id, &place));
        assert_true(spans_find_id(&model->spans, model->leaf_of[id], (uint32_t)id % 5, id, &place));
        assert_int_equal(spans_shown_before(&model->spans, place), shown);
        assert_int_equal(spans_compare(&model->spans, place, place), 0);
        assert_true(at == 0 || spans_compare(&model->spans, before, place) < 0);
        assert_true(at == 0 || spans_compare(&model->spans, place, before) > 0);
        shown += !model->units[at].gone;
        before = place;
    }
}

static void any_changes_agree_with_a_list_of_units(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("spans", 5));
    for (uint64_t round = support_rounds(3); round > 0; round--) {
        static struct model model;
        model = (struct model){.spans = {.moved = note_move, .self = &model}};
        spans_reset(&model.spans);
        for (int step = 1; step <= 900; step++) {
            if (model.count == 0 || random_chance(&random, 2))
                insert_units(&model, &random);
            else
                set_units(&model, &random);
            if (step % 100 == 0)
                spans_check(&model.spans);
        }
        expect_places(&model);
        expect_found(&model, SUM_SHOWN);
        expect_found(&model, SUM_PREPARED);
        spans_release(&model.spans);
    }
}

/* --- id_index --- */

static void expect_entry(const struct id_index *index, uint64_t key, enum id_kind kind, uint64_t len, uint64_t value)
{
    struct id_entry entry = id_index_get(index, key);
    assert_int_equal(entry.key, key);
    assert_int_equal(entry.kind, kind);
    assert_int_equal(entry.len, len);
    if (kind != ID_NOTHING)
        assert_int_equal(entry.value, value);
}

static void an_entry_is_known_from_any_of_its_keys_on(void **state)
{
    (void)state;
    struct id_index index = {0};
    id_index_reset(&index);
    id_index_put(&index, (struct id_entry){10, 5, 3, ID_UNITS});
    id_index_put(&index, (struct id_entry){20, 5, 100, ID_DELETES});
    id_index_put(&index, (struct id_entry){30, 5, 100, ID_DELETES_BACK});
    expect_entry(&index, 10, ID_UNITS, 5, 3);
    expect_entry(&index, 14, ID_UNITS, 1, 3);
    expect_entry(&index, 22, ID_DELETES, 3, 102);
    expect_entry(&index, 32, ID_DELETES_BACK, 3, 98);
    expect_entry(&index, 0, ID_NOTHING, 10, 0);
    expect_entry(&index, 16, ID_NOTHING, 4, 0); /* up to the next one */
    expect_entry(&index, 35, ID_NOTHING, UINT64_MAX - 35, 0);
    id_index_reset(&index);
    expect_entry(&index, 0, ID_NOTHING, UINT64_MAX, 0);
    id_index_release(&index);
}

static void what_goes_on_is_one_entry(void **state)
{
    (void)state;
    struct id_index index = {0};
    id_index_reset(&index);
    id_index_put(&index, (struct id_entry){0, 2, 7, ID_UNITS});
    id_index_put(&index, (struct id_entry){2, 2, 7, ID_UNITS});
    expect_entry(&index, 0, ID_UNITS, 4, 7);
    id_index_put(&index, (struct id_entry){4, 1, 8, ID_UNITS}); /* another leaf */
    expect_entry(&index, 0, ID_UNITS, 4, 7);
    id_index_put(&index, (struct id_entry){5, 2, 50, ID_DELETES_BACK});
    id_index_put(&index, (struct id_entry){7, 2, 48, ID_DELETES_BACK});
    expect_entry(&index, 5, ID_DELETES_BACK, 4, 50);
    assert_int_equal(*id_index_note(&index, 5), 0);
    *id_index_note(&index, 8) = 11;
    assert_int_equal(*id_index_note(&index, 5), 11); /* of the same entry */
    assert_int_equal(*id_index_note(&index, 3), 0);
    id_index_release(&index);
}

/* Keys in any order, as branches of a history bring them; then units move from leaf to leaf. */
static void any_order_of_keys_agrees_with_a_table(void **state)
{
    (void)state;
    enum { KEYS = 3000, BLOCK = 3 };
    static uint64_t leaf_of[KEYS];
    static uint64_t order[KEYS / BLOCK];
    struct random random = random_of(support_seed("id_index", 8));
    struct id_index index = {0};
    id_index_reset(&index);
    for (uint64_t i = 0; i < KEYS / BLOCK; i++)
        order[i] = i;
    for (size_t i = KEYS / BLOCK; i-- > 1;) {
        size_t other = (size_t)random_below(&random, i + 1);
        uint64_t swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
    for (size_t i = 0; i < KEYS / BLOCK; i++) {
        uint64_t key = order[i] * BLOCK, leaf = random_below(&random, 5);
        id_index_put(&index, (struct id_entry){key, BLOCK, leaf, ID_UNITS});
        for (uint64_t n = 0; n < BLOCK; n++)
            leaf_of[key + n] = leaf;
    }
    for (int move = 0; move < 500; move++) {
        uint64_t key = random_below(&random, KEYS), len = 1 + random_below(&random, 20);
        uint32_t leaf = (uint32_t)random_below(&random, 5);
        len = len < KEYS - key ? len : KEYS - key;
        id_index_move(&index, key, len, leaf);
        for (uint64_t n = 0; n < len; n++)
            leaf_of[key + n] = leaf;
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        struct id_entry entry = id_index_get(&index, key);
        assert_int_equal(entry.kind, ID_UNITS);
        for (uint64_t n = 0; n < entry.len; n++)
            assert_int_equal(leaf_of[key + n], entry.value);
    }
    expect_entry(&index, KEYS, ID_NOTHING, UINT64_MAX - KEYS, 0);
    id_index_release(&index);
}

static void keys_that_come_backwards_make_no_deep_tree(void **state)
{
    (void)state;
    enum { KEYS = 2000 };
    struct id_index index = {0};
    id_index_reset(&index);
    for (uint64_t key = KEYS; key-- > 0;)
        id_index_put(&index, (struct id_entry){2 * key, 1, key, ID_UNITS});
    for (uint64_t key = 0; key < KEYS; key++)
        expect_entry(&index, 2 * key, ID_UNITS, 1, key);
    assert_in_range(index.depth, 0, 11); /* every node has two children or more */
    id_index_release(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_put_between_two_units_of_another),
        cmocka_unit_test(a_run_typed_on_becomes_longer_and_nothing_else_does),
        cmocka_unit_test(units_are_isolated_and_changed),
        cmocka_unit_test(an_empty_sequence_has_a_start_and_no_span),
        cmocka_unit_test(what_the_prepare_version_does_not_know_is_passed_over),
        cmocka_unit_test(the_last_span_below_a_node_closes_what_is_below_it),
        cmocka_unit_test(any_changes_agree_with_a_list_of_units),
        cmocka_unit_test(an_entry_is_known_from_any_of_its_keys_on),
        cmocka_unit_test(what_goes_on_is_one_entry),
        cmocka_unit_test(any_order_of_keys_agrees_with_a_table),
        cmocka_unit_test(keys_that_come_backwards_make_no_deep_tree),
    };
    return RUN_TESTS("spans", tests);
}
