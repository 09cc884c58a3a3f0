/* What stands in a tail comes back from it, and what was cut or written by a newer weft is refused. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "app/replica_frames.h"

static struct frames_head some_head(void)
{
    static char name[] = "notes.md", path[] = "/home/ada/notes.md";
    struct frames_head head = {.takes_path = true, .has_saved = true, .founding = bytes_of_string("founded on this")};
    struct doc_entry *entry = &head.entry;
    doc_keys_new(&entry->keys);
    entry->doc = entry->keys.doc;
    entry->name = name;
    entry->path = path;
    entry->created_s = 1700000000;
    entry->opened_s = 1700000001;
    entry->dev = 8;
    entry->ino = 1 << 20;
    entry->content_known = true;
    memset(entry->content.bytes, 7, sizeof entry->content.bytes);
    head.saved = (struct journal_saved){.dev = 8, .ino = 1 << 20, .size = 15, .mtime_ns = -1, .time_s = 1700000001,
                                        .version = bytes_of_string("a version")};
    return head;
}

static void a_founding_comes_back_whole(void **state)
{
    struct frames_head head = some_head(), back = {0};
    struct buf frame = {0};
    struct error err = {0};
    (void)state;
    frames_put_founding(&head, &frame);
    assert_true(frames_read_founding(buf_view(&frame), &back, &err));
    assert_true(doc_id_equal(&back.entry.doc, &head.entry.doc));
    assert_memory_equal(back.entry.keys.read_seed, head.entry.keys.read_seed, sizeof head.entry.keys.read_seed);
    assert_string_equal(back.entry.name, head.entry.name);
    assert_string_equal(back.entry.path, head.entry.path);
    assert_true(back.entry.created_s == head.entry.created_s && back.entry.opened_s == head.entry.opened_s);
    assert_true(back.entry.dev == head.entry.dev && back.entry.ino == head.entry.ino);
    assert_true(back.entry.content_known && digest_equal(&back.entry.content, &head.entry.content));
    assert_true(back.takes_path && back.has_saved);
    assert_true(back.saved.size == head.saved.size && back.saved.mtime_ns == head.saved.mtime_ns);
    assert_true(bytes_equal(back.saved.version, head.saved.version));
    assert_true(bytes_equal(back.founding, head.founding));
    frames_head_release(&back);
    buf_release(&frame);
}

/* The founding is the rest of its frame: whatever else is missing is noticed. */
static void a_founding_that_is_cut_is_refused(void **state)
{
    struct frames_head head = some_head();
    struct buf frame = {0};
    (void)state;
    frames_put_founding(&head, &frame);
    for (size_t len = 0; len <= frame.len - head.founding.len; len++) {
        struct frames_head back = {0};
        struct error err = {0};
        assert_false(frames_read_founding(bytes_slice(buf_view(&frame), 0, len), &back, &err));
        assert_true(err.code != ERR_NONE);
        frames_head_release(&back);
    }
    buf_release(&frame);
}

/* Which file was saved nobody could say. */
static void what_was_saved_has_a_path(void **state)
{
    struct frames_head head = some_head(), back = {0};
    struct buf frame = {0};
    struct error err = {0};
    (void)state;
    head.entry.path = NULL;
    frames_put_founding(&head, &frame);
    assert_false(frames_read_founding(buf_view(&frame), &back, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    frames_head_release(&back);
    buf_release(&frame);
}

static void a_document_comes_back_and_is_refused_when_cut_or_longer(void **state)
{
    struct frames_head head = some_head();
    struct buf frame = {0};
    (void)state;
    frames_put_document(&head.entry.doc, "notes.md", &frame);
    size_t whole = frame.len;
    buf_add_byte(&frame, 0);
    for (size_t len = 0; len <= frame.len; len++) {
        struct frames_head back = {0};
        struct error err = {0};
        assert_int_equal(frames_read_document(bytes_slice(buf_view(&frame), 0, len), &back, &err), len == whole);
        if (len == whole) {
            assert_true(doc_id_equal(&back.entry.doc, &head.entry.doc));
            assert_string_equal(back.entry.name, "notes.md");
        }
        frames_head_release(&back);
    }
    buf_release(&frame);
}

static void what_a_newer_weft_wrote_is_said_to_be_that(void **state)
{
    struct frames_head head = some_head();
    struct buf founding = {0}, document = {0};
    struct frames_head back = {0};
    struct error err = {0};
    (void)state;
    frames_put_founding(&head, &founding);
    frames_put_document(&head.entry.doc, "notes.md", &document);
    founding.data[0]++;
    document.data[0]++;
    assert_false(frames_read_founding(buf_view(&founding), &back, &err));
    assert_int_equal(err.code, ERR_NEWER);
    err = (struct error){0};
    assert_false(frames_read_document(buf_view(&document), &back, &err));
    assert_int_equal(err.code, ERR_NEWER);
    frames_head_release(&back);
    buf_release(&founding);
    buf_release(&document);
}

static void expect_row_back(const struct journal_local *row)
{
    struct buf frame = {0};
    struct error err = {0};
    struct journal_local back = {.agent = row->agent};
    char *path = NULL;
    frames_put_row(row, &frame);
    assert_true(frames_read_row(buf_view(&frame), &back, &path, &err));
    assert_true(back.seq0 == row->seq0 && back.count == row->count);
    assert_true(digest_equal(&back.digest, &row->digest));
    assert_true(bytes_equal(back.plain, row->plain));
    assert_int_equal(!back.path, !row->path);
    if (row->path) {
        assert_string_equal(back.path, row->path);
        assert_true(back.view.cursor == row->view.cursor && back.view.anchor == row->view.anchor);
        assert_true(back.view.top == row->view.top && back.view.left_cells == row->view.left_cells);
    }
    free(path);
    for (size_t len = 0; len <= frame.len - row->plain.len; len++) {
        path = NULL;
        assert_false(frames_read_row(bytes_slice(buf_view(&frame), 0, len), &back, &path, &err));
        free(path);
    }
    buf_release(&frame);
}

static void a_row_comes_back_with_its_view_or_without(void **state)
{
    struct journal_local row = {.seq0 = 3, .count = 2, .plain = bytes_of_string("a batch")};
    (void)state;
    memset(row.digest.bytes, 9, sizeof row.digest.bytes);
    expect_row_back(&row);
    row.path = "/home/ada/notes.md";
    row.view = (struct journal_view){.cursor = 5, .anchor = 4, .top = 3, .left_cells = 2};
    expect_row_back(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_founding_comes_back_whole),
        cmocka_unit_test(a_founding_that_is_cut_is_refused),
        cmocka_unit_test(what_was_saved_has_a_path),
        cmocka_unit_test(a_document_comes_back_and_is_refused_when_cut_or_longer),
        cmocka_unit_test(what_a_newer_weft_wrote_is_said_to_be_that),
        cmocka_unit_test(a_row_comes_back_with_its_view_or_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
