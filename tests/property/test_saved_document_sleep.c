/* A document that falls asleep anywhere, by any saved form of what it went through: as if it had never slept. */
#include "tests/support/support.h"

#include "editor/rope.h"
#include "sync/document_past.h"

static const struct agent_id ANA = {{'a'}};

/* A document and its text. */
struct copy {
    struct document *document;
    struct rope *text;
    size_t had; /* of the batches of all */
};

static void release(struct copy *copy)
{
    document_free(copy->document);
    rope_free(copy->text);
}

static struct copy begin(const struct rope *base)
{
    return (struct copy){document_new(base), rope_snapshot(base), 0};
}

static void replace(struct copy *copy, const struct agent_id *agent, uint64_t pos, uint64_t deleted, struct bytes text,
                    struct batch_list *out)
{
    struct patch patch = {0};
    patch_replace(&patch, pos, deleted, text);
    document_local(copy->document, agent, &patch, (struct edit_mark){.gesture = true}, out);
    rope_apply(copy->text, &patch);
    patch_release(&patch);
}

static enum document_undone undo(struct copy *copy, const struct agent_id *whose, const struct agent_id *writer,
                                 enum undo_direction way, struct batch_list *out)
{
    struct patch patch = {0};
    enum document_undone undone = document_undo(copy->document, whose, 1, writer, way, 0, &patch, out);
    rope_apply(copy->text, &patch);
    patch_release(&patch);
    return undone;
}

/* --- what was found out before it slept --- */

static void expect_text(const struct copy *copy, const char *expected)
{
    struct buf content = {0};
    rope_append_to(copy->text, 0, rope_len(copy->text), &content);
    assert_string_equal(buf_string(&content), expected);
    buf_release(&content);
}

static void sleep_now(struct copy *copy)
{
    struct buf saved = {0};
    document_save(copy->document, &saved);
    assert_true(document_sleep(copy->document, buf_view(&saved)));
    buf_release(&saved);
}

static void expect_blame(struct copy *copy)
{
    struct blame blame = {0};
    document_blame(copy->document, 0, document_len(copy->document), &blame);
    assert_true(blame.count > 0);
    assert_int_equal(blame.items[blame.count - 1].at + blame.items[blame.count - 1].len, document_len(copy->document));
    blame_release(&blame);
}

/* From now to what it was at first. */
static void expect_between(struct copy *copy)
{
    struct patch patch = {0};
    struct version now = {0}, nothing = {0};
    document_version(copy->document, &now);
    assert_true(document_patch_between(copy->document, &now, &nothing, &patch));
    struct copy then = {.text = rope_snapshot(copy->text)};
    rope_apply(then.text, &patch);
    expect_text(&then, "base");
    rope_free(then.text);
    patch_release(&patch);
    version_release(&now);
}

/* Whatever is asked before it sleeps, and after. */
static void ask(struct copy *copy, unsigned what)
{
    if (what & 1)
        expect_blame(copy);
    if (what & 2)
        expect_between(copy);
}

static void questions_before_a_sleep_leave_nothing_that_one_after_it_takes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 16; round++) {
        struct rope *base = rope_from_bytes(bytes_of_string("base"));
        struct copy copy = begin(base);
        struct batch_list log = {0};
        replace(&copy, &ANA, 4, 0, bytes_of_string(" one"), &log);
        replace(&copy, &ANA, 8, 0, bytes_of_string(" two"), &log);
        replace(&copy, &ANA, 0, 4, bytes_of_string(""), &log);
        assert_int_equal(undo(&copy, &ANA, &ANA, UNDO_BACK, &log), DOCUMENT_UNDONE); /* asks for all history */
        expect_text(&copy, "base one two");
        ask(&copy, round);
        sleep_now(&copy);
        replace(&copy, &ANA, 0, 2, bytes_of_string(""), &log);
        ask(&copy, round >> 2);
        assert_int_equal(undo(&copy, &ANA, &ANA, UNDO_BACK, &log), DOCUMENT_UNDONE);
        expect_text(&copy, "base one two");
        sleep_now(&copy);
        ask(&copy, round);
        assert_int_equal(undo(&copy, &ANA, &ANA, UNDO_BACK, &log), DOCUMENT_UNDONE);
        expect_text(&copy, "base one");
        document_check(copy.document);
        release(&copy);
        rope_free(base);
        batch_list_release(&log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_before_a_sleep_leave_nothing_that_one_after_it_takes),
    };
    return RUN_TESTS("saved_document_sleep", tests);
}
