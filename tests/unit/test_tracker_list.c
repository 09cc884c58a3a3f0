/* The tracker of a short block says what a tracker says, as long as it says anything. */
#include "sync/tracker_list.h"

#include "tests/support/support.h"

#include "editor/base/least.h"
#include "editor/base/random.h"

enum { BASE_LEN = 6, STEPS = 60, RUN_MAX = 3 };

/* What one of two people wrote: pieces of events, each with how many of the other's pieces its author had seen. */
struct writer {
    struct piece {
        uint64_t first, end;
        size_t seen;
    } pieces[STEPS];
    size_t count, prepared; /* the first ones are in the prepare version */
};

struct story {
    struct graph *graph;
    struct tracker tracker;
    struct tracker_list list;
    struct writer writers[2];
    uint64_t events;
};

static void begin(struct story *story)
{
    *story = (struct story){.graph = graph_new()};
    tracker_begin(&story->tracker, story->graph, BASE_LEN);
    assert_true(tracker_list_begin(&story->list, 0, STEPS * RUN_MAX, BASE_LEN));
}

static void end(struct story *story)
{
    tracker_release(&story->tracker);
    tracker_list_release(&story->list);
    graph_free(story->graph);
}

static void expect_same(const struct story *story)
{
    tracker_list_check(&story->list);
    assert_int_equal(story->list.prepared, tracker_len(&story->tracker));
    assert_int_equal(story->list.shown, tracker_shown(&story->tracker));
}

static void expect_same_spans(const struct tracker *a, const struct tracker *b)
{
    struct span_place at_a = spans_start(&a->spans), at_b = spans_start(&b->spans);
    for (;;) {
        const struct span *left = spans_peek(&a->spans, &at_a), *right = spans_peek(&b->spans, &at_b);
        if (!left || !right) {
            assert_true(!left && !right);
            return;
        }
        uint64_t step = least(left->len - at_a.offset, right->len - at_b.offset);
        assert_int_equal(left->id + at_a.offset, right->id + at_b.offset);
        assert_int_equal(left->state, right->state);
        assert_int_equal(left->gone, right->gone);
        assert_int_equal(left->right, right->right);
        at_a.offset += step;
        at_b.offset += step;
    }
}

/* A tracker made of the list is the one that was there all the time. */
static void expect_it_moves(const struct story *story)
{
    struct tracker moved = {0};
    tracker_begin(&moved, story->graph, 0);
    tracker_list_move_to(&story->list, &moved);
    tracker_check(&moved);
    expect_same_spans(&moved, &story->tracker);
    for (uint64_t lv = 0; lv < story->events; lv++) {
        struct id_entry a = tracker_event(&moved, lv), b = tracker_event(&story->tracker, lv);
        assert_int_equal(a.kind == ID_UNITS, b.kind == ID_UNITS);
        assert_true(a.kind == ID_UNITS || a.value == b.value);
    }
    tracker_release(&moved);
}

static void move(struct story *story, size_t who, size_t prepared)
{
    struct writer *writer = &story->writers[who];
    for (; writer->prepared > prepared; writer->prepared--) {
        const struct piece *piece = &writer->pieces[writer->prepared - 1];
        tracker_retreat(&story->tracker, piece->first, piece->end);
        tracker_list_retreat(&story->list, piece->first, piece->end);
    }
    for (; writer->prepared < prepared; writer->prepared++) {
        const struct piece *piece = &writer->pieces[writer->prepared];
        tracker_advance(&story->tracker, piece->first, piece->end);
        tracker_list_advance(&story->list, piece->first, piece->end);
    }
}

/* To a version in which `who` has all that is his, and of the other's what he had seen at least, and some more. */
static void prepare(struct story *story, struct random *random, size_t who)
{
    struct writer *own = &story->writers[who], *other = &story->writers[1 - who];
    size_t seen = own->count > 0 ? own->pieces[own->count - 1].seen : 0, most = seen;
    while (most < other->count && other->pieces[most].seen <= own->count)
        most++;
    seen += random_below(random, most - seen + 1);
    move(story, 1 - who, least(seen, other->prepared)); /* nothing may be there without what it was typed into */
    move(story, who, own->count);
    move(story, 1 - who, seen);
}

static bool write(struct story *story, struct random *random, size_t who)
{
    struct writer *writer = &story->writers[who];
    uint64_t lv = story->events, text = story->list.prepared, len = 1 + random_below(random, RUN_MAX), at = 0;
    if (text == 0 || random_chance(random, 2)) {
        uint64_t pos = random_below(random, text + 1);
        bool taken = tracker_list_insert(&story->list, lv, pos, len, &at);
        if (!taken)
            return false;
        assert_int_equal(tracker_insert(&story->tracker, lv, pos, len), at);
    } else {
        uint64_t pos = random_below(random, text);
        bool back = random_chance(random, 2);
        len = back ? least(len, pos + 1) : least(len, text - pos);
        struct tracker_deleted a = tracker_list_delete(&story->list, lv, pos, len, back);
        struct tracker_deleted b = tracker_delete(&story->tracker, lv, pos, a.len, back);
        assert_int_equal(a.len, b.len);
        assert_int_equal(a.id, b.id);
        assert_int_equal(a.at, b.at);
        assert_int_equal(a.shown, b.shown);
        len = a.len;
    }
    writer->pieces[writer->count++] = (struct piece){lv, lv + len, story->writers[1 - who].prepared};
    writer->prepared = writer->count;
    story->events += len;
    return true;
}

static void check_random_story(struct random *random, size_t *refused)
{
    struct story story;
    begin(&story);
    for (size_t step = 0; step < STEPS; step++) {
        size_t who = random_below(random, 2);
        prepare(&story, random, who);
        expect_same(&story);
        if (!write(&story, random, who)) {
            (*refused)++;
            break;
        }
        expect_same(&story);
    }
    expect_it_moves(&story);
    end(&story);
}

static void it_says_what_a_tracker_says(void **state)
{
    struct random random = random_of(support_seed("tracker_list", 11));
    size_t refused = 0;
    (void)state;
    for (uint64_t rounds = support_rounds(2000); rounds > 0; rounds--)
        check_random_story(&random, &refused);
    assert_true(refused > 0);
}

static void it_does_not_put_concurrent_inserts_in_order(void **state)
{
    struct story story;
    uint64_t at = 0;
    (void)state;
    begin(&story);
    assert_true(tracker_list_insert(&story.list, 0, 3, 2, &at));
    tracker_list_retreat(&story.list, 0, 2);
    assert_false(tracker_list_insert(&story.list, 2, 3, 1, &at));
    assert_int_equal(story.list.prepared, BASE_LEN);
    assert_true(tracker_list_insert(&story.list, 2, 4, 1, &at));
    assert_int_equal(at, 6);
    end(&story);
}

static void what_is_typed_on_stays_one_span(void **state)
{
    struct story story;
    uint64_t at = 0;
    (void)state;
    begin(&story);
    for (uint64_t lv = 0; lv < STEPS; lv++)
        assert_true(tracker_list_insert(&story.list, lv, 3 + lv, 1, &at) && at == 3 + lv);
    assert_int_equal(story.list.count, 4); /* the head, the text before and behind, what was typed */
    end(&story);
}

static void what_is_too_much_is_refused(void **state)
{
    struct tracker_list list = {0};
    (void)state;
    assert_true(tracker_list_begin(&list, 5, 5 + TRACKER_LIST_EVENTS_MAX, 0));
    assert_false(tracker_list_begin(&list, 5, 6 + TRACKER_LIST_EVENTS_MAX, 0));
    assert_false(tracker_list_begin(&list, 0, 1, SPAN_LEN_MAX + 1));
    tracker_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_a_tracker_says),
        cmocka_unit_test(it_does_not_put_concurrent_inserts_in_order),
        cmocka_unit_test(what_is_typed_on_stays_one_span),
        cmocka_unit_test(what_is_too_much_is_refused),
    };
    return RUN_TESTS("tracker_list", tests);
}
