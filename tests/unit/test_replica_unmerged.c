/* Opening a text whose newest rows take long to merge: it is shown and typed in at once, and nothing is lost by that. */
#include "tests/support/late.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"
#include "editor/base/xalloc.h"

/* Without a turn: nothing of another window's comes in meanwhile. */
static void await_kept(struct replica *replica)
{
    struct replica_status status;
    uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS;
    do {
        assert_true(net_now_ms() < until_ms);
        (void)poll(NULL, 0, 5);
        replica_status(replica, net_now_ms(), &status);
    } while (!status.kept || status.edits_in_memory);
}

static bool knows_it(struct replica *replica, struct replica *other)
{
    (void)other;
    return home_count(replica, 'x') == 1;
}

/* A journal in which windows that did not see each other wrote everywhere; the file has the text before that. */
static void leave_much(struct home *home)
{
    static const char *const letters[LATE_WINDOWS] = {"a", "b", "c"};
    struct replica *windows[LATE_WINDOWS];
    late_write_file(home);
    windows[0] = late_open(home);
    home_insert(windows[0], "x");
    await_kept(windows[0]);
    home_save(windows[0], NULL);
    for (size_t i = 1; i < LATE_WINDOWS; i++) {
        windows[i] = late_open(home);
        home_wait(windows[i], NULL, knows_it);
    }
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        late_type_everywhere(windows[i], letters[i]);
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        await_kept(windows[i]);
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        home_close(windows[i]);
}

static void expect_all(struct replica *replica)
{
    assert_int_equal(home_count(replica, 'a'), LATE_PLACES);
    assert_int_equal(home_count(replica, 'b'), LATE_PLACES);
    assert_int_equal(home_count(replica, 'c'), LATE_PLACES);
    assert_int_equal(home_count(replica, '-'), 2 * LATE_PLACES);
}

static bool is_merged(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica_is_merging(replica);
}

/* For who has no screen: all at once. */
static char *whole_text(struct home *home)
{
    struct replica *replica = home_open_with(home, "notes.md", &(struct replica_options){.scripted = true, .reads_only = true});
    assert_null(replica->unmerged);
    char *text = home_text(replica);
    home_close(replica);
    return text;
}

static void it_is_shown_before_all_is_merged(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    assert_non_null(replica->unmerged);
    assert_int_equal(home_count(replica, 'a') + home_count(replica, 'b') + home_count(replica, 'c'), 0);
    struct buf remark = {0};
    replica_merging(replica, &remark);
    assert_true(strncmp(buf_string(&remark), "merging ", 8) == 0);
    buf_release(&remark);
    home_wait(replica, NULL, late_is_whole);
    expect_all(replica);
    char *alone = whole_text(*state), *text = home_text(replica);
    assert_string_equal(text, alone);
    home_expect_remark(replica, replica_merging, "");
    document_check(replica->document);
    assert_int_equal(replica->faults, 0);
    free(alone);
    free(text);
    home_close(replica);
}

static void keys_typed_meanwhile_are_kept(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    size_t typed = 0;
    for (; replica->unmerged; typed++) {
        home_type(replica, replica->buffer.selection.head, "k");
        assert_int_equal(home_count(replica, 'k'), typed + 1); /* is in the text at once */
        replica_handle(replica);
    }
    assert_in_range(typed, 1, 100000);
    expect_all(replica);
    assert_int_equal(home_count(replica, 'k'), typed);
    document_check(replica->document);
    char *text = home_text(replica);
    home_wait(replica, NULL, home_is_kept);
    char *alone = whole_text(*state);
    assert_string_equal(text, alone);
    free(text);
    free(alone);
    home_close(replica);
}

static void undo_takes_back_what_was_typed_meanwhile(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    struct error err = {0};
    home_insert(replica, "k");
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(home_count(replica, 'k'), 0);
    home_insert(replica, "K");
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(home_count(replica, 'K'), 1);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(home_count(replica, 'K'), 0);
    expect_all(replica);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE); /* then what was typed before this run */
    assert_int_equal(rope_len(replica->buffer.text), 4 * LATE_PLACES + 1);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    expect_all(replica);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    assert_int_equal(home_count(replica, 'K'), 1);
    home_close(replica);
}

static char *text_of(const char *path)
{
    struct buf out = {0};
    scratch_read(path, &out);
    char *text = xstrdup(buf_string(&out));
    buf_release(&out);
    return text;
}

static bool is_saved(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica->unmerged && !replica->file.saving;
}

/* The file may have more than the text that is shown: the older one is never written over it. */
static void a_save_waits_until_all_is_in_the_text(void **state)
{
    struct home *home = *state;
    leave_much(home);
    struct replica *replica = late_open(home);
    struct replica_status status;
    struct error err = {0};
    char *path = scratch_file(home->dir, "notes.md"), *before = text_of(path);
    home_insert(replica, "k");
    assert_true(replica_save(replica, NULL, &err));
    assert_true(home_was_said(home, "notes.md is written as soon as all edits that are kept of it are merged."));
    replica_status(replica, net_now_ms(), &status);
    assert_true(status.saving); /* who leaves waits for it */
    char *now = text_of(path);
    assert_string_equal(now, before);
    assert_false(replica_save(replica, path, &err));
    home_wait(replica, NULL, is_saved);
    expect_all(replica);
    assert_true(home_was_said(home, "Saved notes.md: 1 line."));
    char *text = home_text(replica), *written = text_of(path);
    assert_string_equal(written, text);
    replica_status(replica, net_now_ms(), &status);
    assert_true(status.in_file);
    free(path);
    free(before);
    free(now);
    free(text);
    free(written);
    home_close(replica);
}

/* Another program's change is merged when there is something to merge it into, and not with a text that is older than the file. */
static void a_change_of_the_file_waits_too(void **state)
{
    struct home *home = *state;
    leave_much(home);
    struct replica *replica = late_open(home);
    home_wait(replica, NULL, late_is_whole);
    home_save(replica, NULL);
    home_close(replica);
    char *path = scratch_file(home->dir, "notes.md"), *text = text_of(path), *changed = xformat("P%s", text);
    scratch_write(path, changed);
    replica = late_open(home);
    assert_non_null(replica->unmerged);
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(home_count(replica, 'P'), 1);
    expect_all(replica);
    home_expect_text(replica, changed);
    free(path);
    free(text);
    free(changed);
    home_close(replica);
}

static void leaving_meanwhile_loses_nothing(void **state)
{
    leave_much(*state);
    for (size_t i = 0; i < 3; i++) {
        struct replica *replica = late_open(*state);
        struct replica_status status;
        assert_non_null(replica->unmerged);
        replica_status(replica, net_now_ms(), &status);
        assert_true(status.in_file); /* nothing needs a word: what was kept stays so */
        replica_handle(replica);
        home_insert(replica, "k");
        replica_handle(replica);
        replica_status(replica, net_now_ms(), &status);
        assert_false(status.in_file);
        home_close(replica);
    }
    struct replica *replica = late_open(*state);
    home_wait(replica, NULL, late_is_whole);
    expect_all(replica);
    assert_int_equal(home_count(replica, 'k'), 3);
    home_close(replica);
}

/* Where it was in the text that was left, unless the person has put it elsewhere meanwhile. */
static void the_cursor_comes_back_to_where_it_was(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    home_wait(replica, NULL, late_is_whole);
    uint64_t at = rope_len(replica->buffer.text) - 7;
    replica_select(replica, selection_at(at));
    home_insert(replica, "k"); /* begins to write, so that it is remembered */
    replica_select(replica, selection_at(at));
    home_close(replica);
    replica = late_open(*state);
    assert_non_null(replica->unmerged);
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(replica->buffer.selection.head, at);
    home_close(replica);
    replica = late_open(*state);
    assert_non_null(replica->unmerged);
    replica_select(replica, selection_at(3));
    home_wait(replica, NULL, late_is_whole);
    assert_in_range(replica->buffer.selection.head, 3, 12); /* with what came in front of it */
    home_close(replica);
}

static bool has_both(struct replica *replica, struct replica *other)
{
    return !replica->unmerged && !other->unmerged && home_count(replica, 'z') == 1 && home_count(other, 'z') == 1;
}

static void another_window_types_meanwhile(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state), *other = late_open(*state);
    assert_non_null(other->unmerged);
    home_insert(other, "z");
    home_wait(replica, other, has_both);
    expect_all(replica);
    expect_all(other);
    char *text = home_text(replica), *others = home_text(other);
    assert_string_equal(text, others);
    free(text);
    free(others);
    document_check(replica->document);
    document_check(other->document);
    home_close(replica);
    home_close(other);
}

/* The session with a relay begins with all that is kept, also where it is not in the text. */
static void the_hash_chain_has_all_of_it(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    size_t count, known = 0;
    bool all_sent;
    assert_non_null(replica->unmerged);
    replica_go_offline(replica, 0, &all_sent); /* cuts it back to what is here, or waits */
    struct chain_head *heads = chain_branches(replica->chain, &count);
    for (size_t i = 0; i < count; i++)
        known += heads[i].next_seq > 0;
    assert_int_equal(known, LATE_WINDOWS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(replica_unmerged_upto(replica, &heads[i].agent), heads[i].next_seq);
    free(heads);
    home_wait(replica, NULL, late_is_whole);
    expect_all(replica);
    home_close(replica);
}

/* As if mallory had written it all. */
static void are_mallorys(struct replica *replica)
{
    size_t count;
    struct chain_head *heads = chain_branches(replica->chain, &count);
    for (size_t i = 0; i < count; i++) {
        struct member member = {.agent = heads[i].agent, .device_key = {{0xee}}, .name = "mallory"};
        (void)roster_add(&replica->members, &member, (struct bytes){0});
    }
    free(heads);
}

/* Nothing was noted of it: weft was killed, or it came while weft was not there. */
static void what_takes_too_long_is_held(void **state)
{
    struct home *home = *state;
    leave_much(home);
    for (size_t i = 0; i < 2; i++) {
        struct replica *replica = late_open(home);
        replica->merge_steps_max = LATE_PLACES / 2; /* of as many and more */
        assert_true(replica->unmerged || i > 0);
        are_mallorys(replica);
        home_insert(replica, "k");
        home_wait(replica, NULL, late_is_whole);
        home_expect_remark(replica, replica_merging, "mallory's edits held");
        assert_in_range(home_count(replica, 'a') + home_count(replica, 'b') + home_count(replica, 'c'), LATE_PLACES, 2 * LATE_PLACES);
        assert_int_equal(home_count(replica, 'k'), i + 1);
        home_close(replica);
    }
    struct replica *replica = late_open(home);
    assert_true(replica_merge_held(replica));
    home_wait(replica, NULL, is_merged);
    expect_all(replica);
    assert_int_equal(home_count(replica, 'k'), 2);
    document_check(replica->document);
    home_close(replica);
}

/* All of it is in the text and in the file: `limited` had held it, and a person wanted it. */
static void leave_saved(struct home *home, bool limited)
{
    leave_much(home);
    struct replica *replica = late_open(home);
    if (limited) {
        replica->merge_steps_max = LATE_PLACES / 2;
        are_mallorys(replica);
        home_wait(replica, NULL, late_is_whole);
        assert_true(replica_merge_held(replica));
        home_wait(replica, NULL, is_merged);
    }
    home_wait(replica, NULL, late_is_whole);
    expect_all(replica);
    home_save(replica, NULL);
    home_close(replica);
}

static struct replica *open_limited(struct home *home)
{
    struct replica *replica = late_open(home);
    assert_non_null(replica->unmerged);
    replica->merge_steps_max = LATE_PLACES / 2;
    are_mallorys(replica);
    return replica;
}

static void expect_written(struct home *home, size_t more)
{
    char *path = scratch_file(home->dir, "notes.md"), *text = text_of(path);
    assert_int_equal(strlen(text), LATE_WINDOWS * LATE_PLACES + 2 * LATE_PLACES + 1 + more);
    free(path);
    free(text);
}

static void expect_nothing_held(struct home *home, struct replica *replica)
{
    home_expect_remark(replica, replica_merging, "");
    expect_all(replica);
    assert_false(replica_merge_held(replica));
    home_save(replica, NULL);
    expect_all(replica);
    document_check(replica->document);
    expect_written(home, 0);
}

/* The limit may be a lower one than when it was merged. */
static void what_was_in_the_text_is_not_held_again(void **state)
{
    leave_saved(*state, false);
    struct replica *replica = open_limited(*state);
    home_wait(replica, NULL, late_is_whole);
    expect_nothing_held(*state, replica);
    home_close(replica);
}

static void what_a_person_wanted_and_saved_is_not_held_again(void **state)
{
    struct home *home = *state;
    leave_saved(home, true);
    for (size_t i = 0; i < 2; i++) {
        struct replica *replica = open_limited(home);
        home_wait(replica, NULL, late_is_whole);
        expect_nothing_held(home, replica);
        home_close(replica);
    }
}

static void a_save_asked_for_meanwhile_takes_nothing_from_the_file(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    leave_saved(home, true);
    struct replica *replica = open_limited(home);
    struct replica_status status;
    assert_true(replica_save(replica, NULL, &err));
    replica_status(replica, net_now_ms(), &status);
    assert_true(status.saving && !status.in_file); /* who leaves waits for it, though nothing was typed */
    home_wait(replica, NULL, is_saved);
    expect_all(replica);
    expect_written(home, 0);
    home_close(replica);
}

/* It is not dropped: it is said, and who leaves is asked. */
static void a_save_that_meets_a_question_says_so(void **state)
{
    struct home *home = *state;
    struct replica_status status;
    struct error err = {0};
    char *path = scratch_file(home->dir, "notes.md");
    leave_saved(home, true);
    assert_int_equal(unlink(path), 0);
    struct replica *replica = open_limited(home);
    assert_true(replica_save(replica, NULL, &err));
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_GONE);
    assert_true(home_was_said(home, "notes.md is not written"));
    replica_status(replica, net_now_ms(), &status);
    assert_false(status.in_file);
    assert_int_not_equal(access(path, F_OK), 0);
    home_close(replica);
    free(path);
}

/* As if another window, which has never merged it, had noted it last. */
static void note_as_held(struct home *home)
{
    struct replica *replica = late_open(home);
    struct error err = {0};
    struct buf note = {0};
    size_t count;
    struct chain_head *heads = chain_branches(replica->chain, &count);
    for (size_t i = 0; i < count; i++) {
        if (heads[i].next_seq != LATE_PLACES) /* b and c; a began with the x */
            continue;
        buf_add(&note, heads[i].agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(&note, 0);
        buf_add_byte(&note, HELD_COSTLY);
    }
    assert_true(note.len > 0);
    assert_true(replica_open_reader(replica, &err));
    assert_true(journal_note_put(replica->reader, "held", buf_view(&note), &err));
    buf_release(&note);
    free(heads);
    home_close(replica);
}

static bool is_offered(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica_unmerged_awaits(replica) && replica->merging.live && !replica_is_merging(replica);
}

/* What the file has is then not known: it is neither guessed nor written over. */
static void what_is_held_and_in_the_file_is_awaited(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    leave_saved(home, true);
    note_as_held(home);
    char *path = scratch_file(home->dir, "notes.md"), *text = text_of(path), *changed = xformat("P%s", text);
    scratch_write(path, changed);
    struct replica *replica = late_open(home);
    assert_non_null(replica->unmerged);
    are_mallorys(replica);
    replica->merge_steps_max = LATE_PLACES / 2;
    home_wait(replica, NULL, is_offered);
    assert_int_equal(home_count(replica, 'P') + home_count(replica, 'b') + home_count(replica, 'c'), 0);
    assert_false(replica_save(replica, NULL, &err));
    assert_non_null(strstr(err.text, "mallory"));
    assert_false(replica_save_now(replica, NULL, &err));
    char *now = text_of(path);
    assert_string_equal(now, changed);
    assert_true(replica_merge_held(replica));
    home_wait(replica, NULL, late_is_whole);
    expect_all(replica);
    home_expect_text(replica, changed);
    home_save(replica, NULL);
    expect_written(home, 1);
    home_close(replica);
    free(path);
    free(text);
    free(changed);
    free(now);
}

static void what_another_program_wrote_doubles_nothing(void **state)
{
    struct home *home = *state;
    leave_saved(home, true);
    char *path = scratch_file(home->dir, "notes.md"), *text = text_of(path), *changed = xformat("P%s", text);
    scratch_write(path, changed);
    struct replica *replica = open_limited(home);
    home_wait(replica, NULL, late_is_whole);
    expect_all(replica);
    assert_int_equal(home_count(replica, 'P'), 1);
    home_expect_text(replica, changed);
    home_close(replica);
    free(path);
    free(text);
    free(changed);
}

/* Closed before it was in the text: what a person wanted is in the note. */
static void what_a_person_wanted_is_not_held_again_though_it_was_not_saved(void **state)
{
    struct home *home = *state;
    leave_much(home);
    struct replica *replica = open_limited(home);
    home_wait(replica, NULL, late_is_whole);
    assert_true(replica_merge_held(replica));
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    replica = open_limited(home);
    home_wait(replica, NULL, late_is_whole);
    home_expect_remark(replica, replica_merging, "");
    expect_all(replica);
    home_close(replica);
}

static void it_is_not_shared_meanwhile(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    struct error err = {0};
    assert_false(replica_share(replica, "ws://127.0.0.1:9", &err));
    assert_non_null(strstr(err.text, "is not all merged yet"));
    home_close(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, home_setup, home_teardown)
        TEST(it_is_shown_before_all_is_merged),
        TEST(keys_typed_meanwhile_are_kept),
        TEST(undo_takes_back_what_was_typed_meanwhile),
        TEST(a_save_waits_until_all_is_in_the_text),
        TEST(a_change_of_the_file_waits_too),
        TEST(leaving_meanwhile_loses_nothing),
        TEST(the_cursor_comes_back_to_where_it_was),
        TEST(another_window_types_meanwhile),
        TEST(the_hash_chain_has_all_of_it),
        TEST(what_takes_too_long_is_held),
        TEST(what_was_in_the_text_is_not_held_again),
        TEST(what_a_person_wanted_and_saved_is_not_held_again),
        TEST(a_save_asked_for_meanwhile_takes_nothing_from_the_file),
        TEST(a_save_that_meets_a_question_says_so),
        TEST(what_is_held_and_in_the_file_is_awaited),
        TEST(what_another_program_wrote_doubles_nothing),
        TEST(what_a_person_wanted_is_not_held_again_though_it_was_not_saved),
        TEST(it_is_not_shared_meanwhile),
    };
    return RUN_TESTS("replica_unmerged", tests);
}
