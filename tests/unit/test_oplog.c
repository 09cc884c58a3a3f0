/* The columns of a history: what every event does (oplog), what its batch says besides (marks), and the search in both. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/column.h"
#include "sync/marks.h"
#include "sync/oplog.h"

static struct bytes text_of(const char *text)
{
    return bytes_of_string(text);
}

/* --- column --- */

/* A run as columns have them: its first LV in front. */
struct wide_run {
    uint64_t first;
    uint64_t what[2];
};

static void a_run_is_found_from_wherever_the_search_begins(void **state)
{
    (void)state;
    enum { RUNS = 23, EACH = 3 };
    struct wide_run runs[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        runs[i] = (struct wide_run){.first = i * EACH};
    for (uint64_t lv = 0; lv < (uint64_t)(RUNS + 1) * EACH; lv++)
        for (size_t from = 0; from <= RUNS; from++) {
            size_t hint = from, expected = lv / EACH < RUNS ? (size_t)(lv / EACH) : RUNS - 1;
            assert_int_equal(column_find(runs, sizeof *runs, RUNS, lv, &hint), expected);
            assert_int_equal(hint, expected);
        }
}

static void any_number_is_a_hint_and_one_run_holds_everything(void **state)
{
    (void)state;
    const struct wide_run one = {.first = 0};
    size_t hint = SIZE_MAX;
    assert_int_equal(column_find(&one, sizeof one, 1, UINT64_MAX, &hint), 0);
    assert_int_equal(hint, 0);
    const struct wide_run two[] = {{.first = 0}, {.first = UINT64_MAX}};
    hint = SIZE_MAX;
    assert_int_equal(column_find(two, sizeof *two, 2, UINT64_MAX, &hint), 1);
    assert_int_equal(column_find(two, sizeof *two, 2, UINT64_MAX - 1, &hint), 0);
}

/* --- oplog: runs --- */

static void expect_piece(const struct op_piece *piece, enum op_shape shape, uint64_t lv, uint64_t len, uint64_t pos)
{
    assert_int_equal(piece->shape, shape);
    assert_int_equal(piece->lv, lv);
    assert_int_equal(piece->len, len);
    assert_int_equal(piece->pos, pos);
}

static void expect_run(const struct oplog *log, size_t index, enum op_shape shape, uint64_t len, uint64_t pos)
{
    struct op_piece run = oplog_run(log, index);
    expect_piece(&run, shape, log->runs[index].first, len, pos);
}

static void typing_on_deleting_forward_and_backspacing_are_one_run_each(void **state)
{
    (void)state;
    struct oplog log = {0};
    oplog_add_insert(&log, 10, text_of("ab"));
    oplog_add_insert(&log, 12, text_of("c"));
    for (int i = 0; i < 3; i++)
        oplog_add_delete(&log, 5, 1);
    for (uint64_t pos = 4; pos > 0; pos--)
        oplog_add_delete(&log, pos, 1);
    oplog_add_nop(&log);
    oplog_add_nop(&log);
    oplog_check(&log);
    assert_int_equal(oplog_runs(&log), 3 + 1);
    expect_run(&log, 0, SHAPE_INSERT, 3, 10);
    expect_run(&log, 1, SHAPE_DELETE_EACH, 3, 5);
    expect_run(&log, 2, SHAPE_BACKSPACE, 4, 4);
    expect_run(&log, 3, SHAPE_NOP, 2, 0);
    assert_int_equal(log.len, 3 + 3 + 4 + 2);
    oplog_release(&log);
    assert_int_equal(oplog_runs(&log), 0); /* released it is empty again */
}

static void what_does_not_go_on_is_a_run_of_its_own(void **state)
{
    (void)state;
    struct oplog log = {0};
    oplog_add_insert(&log, 3, text_of("ab"));
    oplog_add_insert(&log, 4, text_of("x")); /* between the two */
    oplog_add_delete(&log, 7, 2);
    oplog_add_delete(&log, 7, 2); /* two operations, each valid or void by itself */
    oplog_add_delete(&log, 7, 1); /* a longer one is not gone on with */
    oplog_add_delete(&log, 9, 1);
    oplog_add_delete(&log, 9, 1);
    oplog_add_delete(&log, 8, 1); /* the direction is settled */
    oplog_check(&log);
    static const enum op_shape shapes[] = {SHAPE_INSERT, SHAPE_INSERT,      SHAPE_DELETE, SHAPE_DELETE,
                                           SHAPE_DELETE, SHAPE_DELETE_EACH, SHAPE_DELETE};
    static const uint64_t lens[] = {2, 1, 2, 2, 1, 2, 1}, at[] = {3, 4, 7, 7, 7, 9, 8};
    assert_int_equal(oplog_runs(&log), 7);
    for (size_t i = 0; i < 7; i++)
        expect_run(&log, i, shapes[i], lens[i], at[i]);
    oplog_release(&log);
}

static void a_piece_is_a_run_as_it_looks_from_within(void **state)
{
    (void)state;
    struct oplog log = {0};
    oplog_add_insert(&log, 10, text_of("warp"));  /* 0..3 */
    oplog_add_delete(&log, 20, 4);                /* 4..7 */
    for (uint64_t pos = 9; pos > 6; pos--)        /* 8..10 */
        oplog_add_delete(&log, pos, 1);
    struct op_piece piece = oplog_piece(&log, 1, log.len);
    expect_piece(&piece, SHAPE_INSERT, 1, 3, 11);
    assert_true(bytes_equal(oplog_text(&log, piece.text_at, piece.len), text_of("arp")));
    piece = oplog_piece(&log, 6, 7);
    expect_piece(&piece, SHAPE_DELETE, 6, 1, 20);
    assert_int_equal(piece.op_first, 4);
    assert_int_equal(piece.op_len, 4);
    size_t hint = 0;
    piece = oplog_piece_near(&log, &hint, 9, log.len);
    expect_piece(&piece, SHAPE_BACKSPACE, 9, 2, 8);
    assert_int_equal(hint, 2);
    oplog_release(&log);
}

static void runs_coded_elsewhere_are_the_same_log(void **state)
{
    (void)state;
    struct oplog log = {0}, copy = {0};
    oplog_add_insert(&log, 0, text_of("warp"));
    oplog_add_delete(&log, 2, 2);
    oplog_add_insert(&log, 2, text_of("x"));
    oplog_add_nop(&log);
    for (uint64_t pos = 3; pos-- > 0;)
        oplog_add_delete(&log, pos, 1);
    for (size_t i = 0; i < oplog_runs(&log); i++) {
        struct op_piece run = oplog_run(&log, i);
        oplog_add_run(&copy, run.shape, run.pos, run.len, run.text_at);
    }
    buf_add_bytes(&copy.text, buf_view(&log.text));
    oplog_check(&copy);
    assert_int_equal(copy.len, log.len);
    for (uint64_t lv = 0; lv < log.len; lv++) {
        struct op_piece mine = oplog_piece(&log, lv, log.len), other = oplog_piece(&copy, lv, log.len);
        expect_piece(&other, mine.shape, mine.lv, mine.len, mine.pos);
        assert_int_equal(oplog_net(&copy, lv, log.len), oplog_net(&log, lv, log.len));
    }
    oplog_release(&log);
    oplog_release(&copy);
}

/* --- oplog: what is out of range --- */

/* Of the piece from lv on in a text of `len` bytes. */
static void expect_verdict(const struct oplog *log, uint64_t lv, uint64_t len, bool valid, uint64_t events)
{
    struct op_piece piece = oplog_piece(log, lv, log->len);
    bool verdict = !valid;
    assert_int_equal(oplog_judge(log, &piece, len, &verdict), events);
    assert_int_equal(verdict, valid);
}

static void an_insert_is_valid_up_to_the_end_of_the_text(void **state)
{
    (void)state;
    struct oplog log = {0};
    oplog_add_insert(&log, 3, text_of("abc"));
    expect_verdict(&log, 0, 3, true, 3);
    expect_verdict(&log, 0, 2, false, 3);
    expect_verdict(&log, 2, 5, true, 1); /* its third byte, the two before having been applied */
    oplog_release(&log);
}

static void a_delete_of_several_bytes_is_valid_or_void_as_a_whole(void **state)
{
    (void)state;
    struct oplog log = {0};
    oplog_add_delete(&log, 3, 4);
    expect_verdict(&log, 0, 7, true, 4);
    expect_verdict(&log, 0, 6, false, 4);
    expect_verdict(&log, 0, 0, false, 4);
    expect_verdict(&log, 2, 0, true, 2); /* the verdict was given at its start */
    oplog_note_invalid(&log, 0, 4);
    expect_verdict(&log, 2, 100, false, 2);
    oplog_release(&log);
    const uint64_t last = ((uint64_t)1 << OPLOG_POS_BITS) - 1;
    oplog_add_delete(&log, last, 4); /* the last place that can be said */
    expect_verdict(&log, 0, last, false, 4);
    expect_verdict(&log, 0, last + 4, true, 4);
    oplog_release(&log);
}

static void deletes_of_one_byte_are_judged_one_by_one(void **state)
{
    (void)state;
    struct oplog log = {0};
    for (int i = 0; i < 4; i++)
        oplog_add_delete(&log, 3, 1);
    expect_verdict(&log, 0, 5, true, 2); /* then the text ends */
    expect_verdict(&log, 2, 3, false, 2);
    oplog_release(&log);
    for (uint64_t pos = 5; pos > 1; pos--)
        oplog_add_delete(&log, pos, 1);
    expect_verdict(&log, 0, 4, false, 2); /* at 5 and 4 nothing is there */
    expect_verdict(&log, 2, 4, true, 2);
    expect_verdict(&log, 0, 0, false, 4);
    oplog_release(&log);
    oplog_add_nop(&log);
    expect_verdict(&log, 0, 0, true, 1);
    oplog_release(&log);
}

/* What oplog_note_invalid(), oplog_net() and oplog_void() say, event by event. */
enum { EVENTS = 64 };

struct plain_log {
    bool invalid[EVENTS];
    int64_t net[EVENTS];
};

static void fill_log(struct oplog *log, struct plain_log *plain, struct random *random)
{
    char letters[] = "abcdefgh";
    while (log->len < EVENTS) {
        uint64_t first = log->len, room = EVENTS - first, len = 1 + random_below(random, room < 8 ? room : 8);
        bool inserts = random_chance(random, 2);
        if (inserts)
            oplog_add_insert(log, random_below(random, 20), bytes_of(letters, (size_t)len));
        else
            oplog_add_delete(log, random_below(random, 20), len);
        for (uint64_t lv = first; lv < log->len; lv++)
            plain->net[lv] = inserts ? 1 : -1;
    }
}

static void expect_nets(const struct oplog *log, const struct plain_log *plain)
{
    for (uint64_t first = 0; first < EVENTS; first++) {
        int64_t net = 0;
        uint64_t without_effect = 0;
        assert_int_equal(oplog_net(log, first, first), 0);
        assert_int_equal(oplog_void(log, first, first), 0);
        for (uint64_t end = first + 1; end <= EVENTS; end++) {
            net += plain->invalid[end - 1] ? 0 : plain->net[end - 1];
            assert_int_equal(oplog_net(log, first, end), net);
            without_effect += plain->invalid[end - 1];
            assert_int_equal(oplog_void(log, first, end), without_effect);
        }
    }
}

static void only_valid_events_change_the_length_however_often_the_others_are_noted(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("oplog", 3));
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct oplog log = {0};
        struct plain_log plain = {0};
        fill_log(&log, &plain, &random);
        for (int note = 0; note < 12; note++) {
            uint64_t first = random_below(&random, EVENTS), end = first + 1 + random_below(&random, 6);
            end = end < EVENTS ? end : EVENTS;
            oplog_note_invalid(&log, first, end);
            for (uint64_t lv = first; lv < end; lv++)
                plain.invalid[lv] = true;
            oplog_check(&log);
        }
        expect_nets(&log, &plain);
        oplog_release(&log);
    }
}

static void what_is_noted_again_is_counted_once_and_neighbours_become_one(void **state)
{
    (void)state;
    struct oplog log = {0};
    oplog_add_delete(&log, 0, 10);
    oplog_note_invalid(&log, 2, 4);
    oplog_note_invalid(&log, 6, 8);
    oplog_note_invalid(&log, 2, 4);
    oplog_note_invalid(&log, 7, 8);
    assert_int_equal(oplog_void_events(&log), 4);
    assert_int_equal(log.invalid.count, 2);
    oplog_note_invalid(&log, 4, 6);
    assert_int_equal(log.invalid.count, 1);
    assert_int_equal(log.invalid.items[0].first, 2);
    assert_int_equal(log.invalid.items[0].end, 8);
    oplog_release(&log);
}

/* --- marks --- */

static void a_look_up_gives_the_first_mark_at_or_after_an_event(void **state)
{
    (void)state;
    struct marks marks = {0};
    assert_int_equal(marks_from(&marks, 0), 0);
    for (uint64_t lv = 10; lv <= 40; lv += 10)
        marks_add(&marks, lv, BATCH_FLAG_GESTURE);
    assert_int_equal(marks_from(&marks, 0), 0);
    assert_int_equal(marks_from(&marks, 10), 0);
    assert_int_equal(marks_from(&marks, 11), 1);
    assert_int_equal(marks_from(&marks, 40), 3);
    assert_int_equal(marks_from(&marks, 41), marks.count);
    assert_int_equal(marks_from(&marks, UINT64_MAX), marks.count);
    marks_release(&marks);
    assert_int_equal(marks_from(&marks, 0), 0);
}

static void a_mark_has_the_flags_of_marks_and_no_others(void **state)
{
    (void)state;
    struct marks marks = {0};
    assert_int_equal(marks_add(&marks, 0, ~0U)->flags, MARK_FLAGS);
    assert_int_equal(marks_add(&marks, 1, BATCH_FLAG_SELF | BATCH_FLAG_TIME)->flags, BATCH_FLAG_TIME);
    marks_release(&marks);
}

static void what_is_taken_back_belongs_to_the_mark_added_last(void **state)
{
    (void)state;
    struct marks marks = {0};
    marks_add(&marks, 0, BATCH_FLAG_GESTURE);
    marks_add(&marks, 5, BATCH_FLAG_UNDO);
    marks_add_undo(&marks, (struct agent_span){1, 7, 2});
    marks_add_undo(&marks, (struct agent_span){0, 3, 1});
    marks_add(&marks, 8, BATCH_FLAG_UNDO);
    marks_add_undo(&marks, (struct agent_span){2, 9, 4});
    assert_int_equal(marks.items[0].undo_count, 0);
    assert_int_equal(marks.items[1].undo_count, 2);
    assert_int_equal(marks.undo[marks.items[1].undo_at].seq, 7);
    assert_int_equal(marks.undo[marks.items[1].undo_at + 1].seq, 3);
    assert_int_equal(marks.items[2].undo_count, 1);
    assert_int_equal(marks.undo[marks.items[2].undo_at].agent, 2);
    marks_release(&marks);
}

/* "k" is the end of "disk", and "" of everything: neither is that label. */
static void every_mark_keeps_its_own_label(void **state)
{
    (void)state;
    static const char *const labels[] = {"disk", "disk", "k", "", "", "sort", "disk", "a disk", "disk"};
    enum { COUNT = sizeof labels / sizeof *labels };
    struct marks marks = {0};
    for (size_t i = 0; i < COUNT; i++) {
        marks_add(&marks, i, BATCH_FLAG_LABEL);
        marks_set_label(&marks, text_of(labels[i]));
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_string_equal((const char *)marks.labels.data + marks.items[i].label_at, labels[i]);
    assert_int_equal(marks.items[0].label_at, marks.items[1].label_at); /* a row of the same is kept once */
    marks_release(&marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_found_from_wherever_the_search_begins),
        cmocka_unit_test(any_number_is_a_hint_and_one_run_holds_everything),
        cmocka_unit_test(typing_on_deleting_forward_and_backspacing_are_one_run_each),
        cmocka_unit_test(what_does_not_go_on_is_a_run_of_its_own),
        cmocka_unit_test(a_piece_is_a_run_as_it_looks_from_within),
        cmocka_unit_test(runs_coded_elsewhere_are_the_same_log),
        cmocka_unit_test(an_insert_is_valid_up_to_the_end_of_the_text),
        cmocka_unit_test(a_delete_of_several_bytes_is_valid_or_void_as_a_whole),
        cmocka_unit_test(deletes_of_one_byte_are_judged_one_by_one),
        cmocka_unit_test(only_valid_events_change_the_length_however_often_the_others_are_noted),
        cmocka_unit_test(what_is_noted_again_is_counted_once_and_neighbours_become_one),
        cmocka_unit_test(a_look_up_gives_the_first_mark_at_or_after_an_event),
        cmocka_unit_test(a_mark_has_the_flags_of_marks_and_no_others),
        cmocka_unit_test(what_is_taken_back_belongs_to_the_mark_added_last),
        cmocka_unit_test(every_mark_keeps_its_own_label),
    };
    return RUN_TESTS("oplog", tests);
}
