/* The history of a document by the names that people know: versions, moments, authors. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "app/past_columns.h"
#include "app/replica_past.h"
#include "app/replica_version.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

static void expect_at(const struct replica *replica, const char *word, const char *text)
{
    struct version version = {0};
    struct error err = {0};
    struct buf found = {0};
    if (!replica_find_version(replica, word, &version, &err))
        fail_msg("%s: %s", word, err.text);
    struct rope *then = replica_text_at(replica, &version);
    rope_append_to(then, 0, rope_len(then), &found);
    assert_string_equal(buf_string(&found), text);
    buf_release(&found);
    rope_free(then);
    version_release(&version);
}

static void expect_none(const struct replica *replica, const char *word, enum err code, const char *part)
{
    struct version version = {0};
    struct error err = {0};
    assert_false(replica_find_version(replica, word, &version, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.text, part))
        fail_msg("%s: \"%s\" is not in: %s", word, part, err.text);
    version_release(&version);
}

/* What the n-th edit's version is called; heap string. */
static char *version_after(const struct replica *replica, size_t n)
{
    struct log_list log = {0};
    struct buf name = {0};
    replica_log(replica, &log);
    assert_true(n < log.count);
    replica_add_event(replica, log.items[n].last, &name);
    log_list_release(&log);
    char *heap = xstrdup(buf_string(&name));
    buf_release(&name);
    return heap;
}

static void a_version_is_found_by_what_the_log_calls_it(void **state)
{
    struct home *home = *state;
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "base\n");
    struct replica *replica = home_open(home, "notes.md");
    home_insert(replica, "one ");
    home_insert(replica, "two ");
    expect_at(replica, "base", "base\n");
    char *first = version_after(replica, 0), *second = version_after(replica, 1);
    expect_at(replica, first, "one base\n");
    expect_at(replica, second, "two one base\n");
    char *both = xformat("%s %s", second, first), *beyond = xformat("%s %s x", second, first);
    expect_at(replica, both, "two one base\n"); /* what one has that the other has, too, is there once */
    expect_none(replica, beyond, ERR_USAGE, "is no version");
    free(both);
    free(beyond);
    expect_at(replica, "0s", "two one base\n");
    expect_at(replica, "1970-01-02", "base\n");
    home_expect_text(replica, "two one base\n"); /* looking back changes nothing */
    free(first);
    free(second);
    free(path);
    home_close(replica);
}

static void what_is_no_version_is_said(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "a");
    char *name = version_after(replica, 0);
    *strchr(name, ':') = '\0';
    char *later = xformat("%s:1", name), *shorter = xformat("%.7s:0", name), *longer = xformat("%s00000000000000000000000000:0", name);
    expect_none(replica, later, ERR_MISSING, "notes.md has no version");
    expect_none(replica, "00000000:0", ERR_MISSING, "weft log lists them");
    expect_none(replica, shorter, ERR_USAGE, "is no version");
    expect_none(replica, longer, ERR_USAGE, "is no version");
    expect_none(replica, name, ERR_USAGE, "is no version");
    expect_none(replica, "00000000:18446744073709551616", ERR_USAGE, "is no version");
    expect_none(replica, "", ERR_USAGE, "and no time");
    expect_none(replica, "yesterday", ERR_USAGE, "and no time");
    free(later);
    free(shorter);
    free(longer);
    free(name);
    home_close(replica);
}

static void expect_author(const struct replica *replica, const struct blame_range *range, const char *name)
{
    struct buf found = {0};
    replica_add_author(replica, &range->author, range->label, &found);
    assert_string_equal(buf_string(&found), name);
    buf_release(&found);
}

#define CHANGED "mine one\nTWO\nthree\n"

static bool is_merged(struct replica *a, struct replica *b)
{
    (void)b;
    char *text = home_text(a);
    bool merged = strcmp(text, CHANGED) == 0;
    free(text);
    return merged;
}

static void a_change_by_another_program_is_nobodys(void **state)
{
    struct home *home = *state;
    char *path = scratch_file(home->dir, "notes.md");
    struct blame blame = {0};
    scratch_write(path, "one\ntwo\nthree\n");
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "mine ");
    home_save(replica, NULL);
    scratch_write(path, CHANGED);
    home_wait(replica, NULL, is_merged);
    replica_blame(replica, &blame);
    expect_author(replica, blame_find(&blame, 0), "ada");
    expect_author(replica, blame_find(&blame, 9), "another program");
    assert_true(blame_find(&blame, 5)->base);
    blame_release(&blame);
    free(path);
    home_close(replica);
}

static void columns_are_as_wide_whoever_stands_in_them(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    struct agent_id nobody = {{0}};
    struct buf who = {0}, blank = {0}, json = {0};
    past_add_nobody(&blank);
    assert_int_equal(blank.len, PAST_MOMENT_CELLS + 2 + PAST_NAME_CELLS + 2);
    past_add_who(replica, &nobody, "disk", 0, &who);
    assert_int_equal(who.len, blank.len);
    assert_memory_equal(who.data, "-                 another program    ", 37);
    buf_clear(&who);
    past_add_padded(&who, bytes_of_string("\xe6\xbc\xa2" "x"), 5); /* two cells and one */
    assert_string_equal(buf_string(&who), "\xe6\xbc\xa2" "x  ");
    past_add_json_who(replica, &nobody, "disk", 7, &json);
    assert_string_equal(buf_string(&json), "\"time\": 7, \"author\": \"another program\"");
    buf_release(&who);
    buf_release(&blank);
    buf_release(&json);
    home_close(replica);
}

static void changes_lead_from_one_text_to_the_other(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    struct version base = {0}, now = {0};
    struct patch patch = {0};
    struct change_list changes = {0};
    struct error err = {0};
    home_type(replica, 0, "typed");
    assert_true(replica_find_version(replica, "base", &base, &err));
    assert_true(replica_find_version(replica, "now", &now, &err));
    replica_changes(replica, &base, &now, &patch, &changes);
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.items[0].len, 5);
    assert_int_equal(patch_inserted(&patch), 5);
    change_list_release(&changes);
    patch_release(&patch);
    version_release(&base);
    version_release(&now);
    home_close(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_version_is_found_by_what_the_log_calls_it, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_version_is_said, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_change_by_another_program_is_nobodys, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(columns_are_as_wide_whoever_stands_in_them, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(changes_lead_from_one_text_to_the_other, home_setup, home_teardown),
    };
    return RUN_TESTS("replica_past", tests);
}
