/* A text that is edited ahead of its history: what is typed is what would have been typed with all of it. */
#include "sync/ahead.h"

#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* Two writers' history, "ana" and "ben" side by side after "one", and the checkpoint that one of them makes of it. */
struct scene {
    struct doc_id doc;
    struct rope *base;
    struct document *history;
    struct chain *chain;
    struct rope *text; /* of the history */
    struct agent_id ana, ben, cat; /* cat joins */
    struct checkpoint checkpoint;
};

static void add_to_chain(struct scene *scene, const struct batch *batch)
{
    struct buf plain = {0};
    struct digest digest;
    batch_encode(batch, &plain);
    assert_int_equal(chain_add(scene->chain, batch, buf_view(&plain), &digest), CHAIN_NEXT);
    buf_release(&plain);
}

static void write_at(struct scene *scene, const struct agent_id *agent, const struct version *at, const char *text)
{
    struct patch patch = {0};
    struct batch_list batches = {0};
    struct error err = {0};
    patch_insert(&patch, bytes_of_string(text));
    assert_true(document_local_at(scene->history, agent, at, &patch, (struct edit_mark){.gesture = true}, &batches, &err));
    for (size_t i = 0; i < batches.count; i++)
        add_to_chain(scene, &batches.items[i]);
    batch_list_release(&batches);
    patch_release(&patch);
}

static void bring_up(struct scene *scene)
{
    struct patch patch = {0};
    document_update(scene->history, &patch);
    rope_apply(scene->text, &patch);
    patch_release(&patch);
}

static void make_checkpoint(struct scene *scene)
{
    struct version now = {0};
    struct checkpoint *checkpoint = &scene->checkpoint;
    document_version(scene->history, &now);
    checkpoint->count = now.count;
    for (size_t i = 0; i < now.count; i++) {
        checkpoint->heads[i].event = now.heads[i];
        assert_true(chain_find(scene->chain, &now.heads[i], &checkpoint->heads[i].digest));
    }
    checkpoint->events = document_events(scene->history);
    checkpoint_set_text(checkpoint, scene->text);
    version_release(&now);
}

static int set_up(void **state)
{
    struct scene *scene = xcalloc(1, sizeof *scene);
    struct version one = {0};
    scene->doc.bytes[0] = 9;
    scene->ana.bytes[0] = 0xa;
    scene->ben.bytes[0] = 0xb;
    scene->cat.bytes[0] = 0xc;
    scene->base = rope_from_bytes(bytes_of_string("base\n"));
    scene->text = rope_snapshot(scene->base);
    scene->history = document_new(scene->base);
    scene->chain = chain_new(&scene->doc);
    write_at(scene, &scene->ana, &one, "one ");
    document_version(scene->history, &one);
    write_at(scene, &scene->ana, &one, "ana ");
    write_at(scene, &scene->ben, &one, "ben ");
    bring_up(scene);
    make_checkpoint(scene);
    assert_int_equal(scene->checkpoint.count, 2);
    version_release(&one);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    document_free(scene->history);
    chain_free(scene->chain);
    rope_free(scene->base);
    rope_free(scene->text);
    free(scene);
    return 0;
}

static char *string_of(const struct rope *rope)
{
    struct buf bytes = {0};
    rope_append_to(rope, 0, rope_len(rope), &bytes);
    char *string = xstrdup(buf_string(&bytes));
    buf_release(&bytes);
    return string;
}

static void expect_text(const struct rope *rope, const char *text)
{
    char *string = string_of(rope);
    assert_string_equal(string, text);
    free(string);
}

/* Types on it, and shows that in `shown`. */
static void type(struct ahead *ahead, const struct agent_id *agent, struct rope *shown, uint64_t at, uint64_t deletes, const char *text)
{
    struct patch patch = {0};
    struct batch_list batches = {0};
    patch_retain(&patch, at);
    patch_delete(&patch, deletes);
    patch_insert(&patch, bytes_of_string(text));
    document_local(ahead_document(ahead), agent, &patch, (struct edit_mark){.gesture = true}, &batches);
    rope_apply(shown, &patch);
    (void)ahead_wrote(ahead, &batches);
    batch_list_release(&batches);
    patch_release(&patch);
}

static enum ahead_state compare(struct scene *scene, const struct ahead *ahead, bool complete)
{
    struct error why = {0};
    enum ahead_state state = ahead_compare(ahead, scene->history, scene->base, scene->chain, complete, &why);
    assert_int_equal(why.text[0] != '\0', state == AHEAD_WRONG);
    return state;
}

static void move_over(struct scene *scene, const struct ahead *ahead)
{
    const struct batch_list *batches = ahead_batches(ahead);
    struct error err = {0};
    for (size_t i = 0; i < batches->count; i++) {
        assert_int_equal(document_add(scene->history, &batches->items[i], &err), DOCUMENT_ADDED);
        add_to_chain(scene, &batches->items[i]);
    }
    bring_up(scene);
    document_check(scene->history);
}

static void what_is_typed_has_the_checkpoints_version_as_its_past(void **state)
{
    struct scene *scene = *state;
    struct ahead *ahead = ahead_new(&scene->checkpoint, scene->text, &scene->ana);
    struct rope *shown = rope_snapshot(scene->text);
    struct version before = {0}, after = {0};
    document_version(ahead_document(ahead), &before);
    document_version(scene->history, &after);
    assert_true(version_equal(&before, &after));
    assert_true(document_is_at(ahead_document(ahead), &before));
    assert_true(document_knows(ahead_document(ahead), &before));
    type(ahead, &scene->cat, shown, 0, 0, "cat ");
    type(ahead, &scene->cat, shown, 4, 1, "O");
    const struct batch *first = &ahead_batches(ahead)->items[0];
    assert_int_equal(first->parent_count, 2);
    assert_true(agent_id_equal(&first->parents[0].agent, &scene->ana));
    assert_int_equal(ahead_batches(ahead)->items[1].parent_count, 0);
    assert_int_equal(compare(scene, ahead, false), AHEAD_RIGHT);
    move_over(scene, ahead);
    assert_true(rope_equal(shown, scene->text));
    rope_free(shown);
    version_release(&before);
    version_release(&after);
    ahead_free(ahead);
}

/* Others have gone on meanwhile: it merges as always. */
static void what_others_wrote_since_is_merged(void **state)
{
    struct scene *scene = *state;
    struct ahead *ahead = ahead_new(&scene->checkpoint, scene->text, &scene->ana);
    struct rope *shown = rope_snapshot(scene->text);
    struct version now = {0};
    uint64_t len = rope_len(scene->text);
    document_version(scene->history, &now);
    write_at(scene, &scene->ben, &now, "later ");
    bring_up(scene);
    type(ahead, &scene->cat, shown, len, 0, "end");
    assert_int_equal(compare(scene, ahead, true), AHEAD_RIGHT);
    move_over(scene, ahead);
    char *string = string_of(scene->text);
    assert_memory_equal(string, "later ", 6);
    assert_string_equal(string + strlen(string) - 3, "end");
    free(string);
    rope_free(shown);
    version_release(&now);
    ahead_free(ahead);
}

static void what_was_taken_back_is_taken_back_in_the_history_too(void **state)
{
    struct scene *scene = *state;
    struct ahead *ahead = ahead_new(&scene->checkpoint, scene->text, &scene->ana);
    struct rope *shown = rope_snapshot(scene->text);
    struct patch patch = {0};
    struct batch_list batches = {0};
    type(ahead, &scene->cat, shown, 0, 4, ""); /* takes away what others wrote */
    enum document_undone undone = document_undo(ahead_document(ahead), &scene->cat, 1, &scene->cat, UNDO_BACK, 7, &patch, &batches);
    assert_int_equal(undone, DOCUMENT_UNDONE);
    rope_apply(shown, &patch);
    (void)ahead_wrote(ahead, &batches);
    assert_true(rope_equal(shown, scene->text));
    assert_int_equal(compare(scene, ahead, false), AHEAD_RIGHT);
    move_over(scene, ahead);
    assert_true(rope_equal(shown, scene->text));
    undone = document_undo(scene->history, &scene->cat, 1, &scene->cat, UNDO_AGAIN, 8, &patch, &batches);
    assert_int_equal(undone, DOCUMENT_UNDONE); /* the history knows it as an undo */
    batch_list_release(&batches);
    patch_release(&patch);
    rope_free(shown);
    ahead_free(ahead);
}

static void a_history_that_has_not_come_so_far_is_waited_for(void **state)
{
    struct scene *scene = *state;
    struct document *part = document_new(scene->base);
    struct ahead *ahead = ahead_new(&scene->checkpoint, scene->text, &scene->ana);
    struct error why = {0};
    assert_int_equal(ahead_compare(ahead, part, scene->base, scene->chain, false, &why), AHEAD_WAITS);
    assert_int_equal(ahead_compare(ahead, part, scene->base, scene->chain, true, &why), AHEAD_WRONG);
    assert_int_equal(why.code, ERR_MISSING);
    ahead_free(ahead);
    document_free(part);
}

static void a_false_checkpoint_is_told_by_text_digest_and_version(void **state)
{
    struct scene *scene = *state;
    struct checkpoint checkpoint = scene->checkpoint;
    struct rope *evil = rope_from_bytes(bytes_of_string("evil"));
    checkpoint_set_text(&checkpoint, evil);
    struct ahead *ahead = ahead_new(&checkpoint, evil, &scene->ana);
    assert_int_equal(compare(scene, ahead, false), AHEAD_WRONG);
    ahead_free(ahead);

    checkpoint = scene->checkpoint;
    checkpoint.heads[1].digest.bytes[3] ^= 1;
    ahead = ahead_new(&checkpoint, scene->text, &scene->ana);
    assert_int_equal(compare(scene, ahead, false), AHEAD_WRONG);
    ahead_free(ahead);

    /* Heads of which one is behind the other: nobody could write on that. */
    checkpoint = scene->checkpoint;
    checkpoint.heads[0].event.seq = 3;
    assert_true(chain_find(scene->chain, &checkpoint.heads[0].event, &checkpoint.heads[0].digest));
    ahead = ahead_new(&checkpoint, scene->text, &scene->ana);
    assert_int_equal(compare(scene, ahead, false), AHEAD_WRONG);
    ahead_free(ahead);
    rope_free(evil);
}

static void write_typed(struct scene *scene, struct ahead *ahead)
{
    struct batch_list batches = {0};
    ahead_write(ahead, scene->history, scene->base, scene->text, &scene->cat, (struct edit_mark){.gesture = true}, &batches);
    for (size_t i = 0; i < batches.count; i++)
        add_to_chain(scene, &batches.items[i]);
    bring_up(scene);
    document_check(scene->history);
    batch_list_release(&batches);
}

static void what_was_typed_on_a_false_text_is_an_edit_of_the_true_one(void **state)
{
    struct scene *scene = *state;
    struct checkpoint checkpoint = scene->checkpoint;
    struct rope *evil = rope_from_bytes(bytes_of_string("evil\nbase\n")), *shown = rope_snapshot(evil);
    checkpoint_set_text(&checkpoint, evil);
    struct ahead *ahead = ahead_new(&checkpoint, evil, &scene->ana);
    type(ahead, &scene->cat, shown, 10, 0, "cat\n");
    expect_text(shown, "evil\nbase\ncat\n");
    write_typed(scene, ahead);
    char *string = string_of(scene->text);
    assert_non_null(strstr(string, "cat\n"));
    assert_non_null(strstr(string, "base\n"));
    assert_null(strstr(string, "evil"));
    free(string);
    rope_free(evil);
    rope_free(shown);
    ahead_free(ahead);
}

/* Others have written since, at the very place: only at the right version nothing is cut. */
static void what_was_typed_under_a_false_version_goes_where_that_text_was(void **state)
{
    struct scene *scene = *state;
    struct checkpoint checkpoint = scene->checkpoint;
    struct rope *was = rope_snapshot(scene->text), *shown = rope_snapshot(was);
    struct version now = {0};
    checkpoint.heads[0].event.seq += 100;
    struct ahead *ahead = ahead_new(&checkpoint, was, &scene->ana);
    type(ahead, &scene->cat, shown, 4, 0, "cat ");
    document_version(scene->history, &now);
    write_at(scene, &scene->ben, &now, "one an");
    bring_up(scene);
    assert_int_equal(compare(scene, ahead, true), AHEAD_WRONG);
    write_typed(scene, ahead);
    char *string = string_of(scene->text);
    assert_memory_equal(string, "one anana cat ", 14);
    free(string);
    version_release(&now);
    rope_free(was);
    rope_free(shown);
    ahead_free(ahead);
}

/* As after kill -9: by another process, under another name. */
static void what_was_kept_is_there_again_and_goes_on(void **state)
{
    struct scene *scene = *state;
    struct agent_id dog = {{0xd}};
    struct ahead *before = ahead_new(&scene->checkpoint, scene->text, &scene->ana);
    struct ahead *after = ahead_new(&scene->checkpoint, scene->text, &scene->ana);
    struct rope *shown = rope_snapshot(scene->text);
    struct patch patch = {0};
    type(before, &scene->cat, shown, 0, 0, "cat ");
    type(before, &scene->cat, shown, 4, 0, "two ");
    assert_false(ahead_restore(after, &ahead_batches(before)->items[1])); /* its first is missing */
    assert_true(ahead_restore(after, &ahead_batches(before)->items[0]));
    assert_true(ahead_restore(after, &ahead_batches(before)->items[1]));
    document_update(ahead_document(after), &patch);
    type(after, &dog, shown, 0, 0, "dog ");
    assert_int_equal(compare(scene, after, false), AHEAD_RIGHT);
    move_over(scene, after);
    assert_true(rope_equal(shown, scene->text));
    patch_release(&patch);
    rope_free(shown);
    ahead_free(before);
    ahead_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_typed_has_the_checkpoints_version_as_its_past, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_wrote_since_is_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_taken_back_is_taken_back_in_the_history_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_history_that_has_not_come_so_far_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_false_checkpoint_is_told_by_text_digest_and_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_typed_on_a_false_text_is_an_edit_of_the_true_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_typed_under_a_false_version_goes_where_that_text_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_kept_is_there_again_and_goes_on, set_up, tear_down),
    };
    return RUN_TESTS("ahead", tests);
}
