#include "editor/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

enum { NOBODY = 65534 };

/* --- a directory for each test --- */

/* Open to the ordinary user that some tests turn into. */
static int make_dir(void **state)
{
    int failed = scratch_setup(state);
    return failed ? failed : chmod(*state, 0755);
}

/* A path in the test's directory; it lives for the next few calls. */
static const char *in(void **state, const char *name)
{
    enum { SLOTS = 8 };
    static char paths[SLOTS][256];
    static unsigned next;
    char *path = paths[next++ % SLOTS];
    snprintf(path, sizeof paths[0], "%s/%s", (const char *)*state, name);
    return path;
}

static void put(const char *path, struct bytes content)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *path, const char *text)
{
    struct buf content = {0};
    struct error err = {0};
    assert_true(file_read_small(path, 1 << 20, &content, &err));
    assert_string_equal(buf_string(&content), text);
    buf_release(&content);
}

static int entries_in(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

/* Nothing is left beside the one file. */
static void expect_alone(void **state)
{
    assert_int_equal(entries_in(*state), 1);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

struct outcome {
    enum file_saved saved;
    struct file_stamp stamp;
    struct error err;
};

static struct outcome save_expecting(const char *path, const char *text, const struct file_stamp *expected)
{
    struct outcome outcome = {0};
    struct rope *rope = rope_from_bytes(bytes_of_string(text));
    struct file_save save = {.path = path, .text = rope, .expected = expected};
    outcome.saved = file_save(&save, &outcome.stamp, &outcome.err);
    rope_free(rope);
    return outcome;
}

static void expect_saved(const char *path, const char *text)
{
    struct file_stamp now;
    struct error err = {0};
    struct outcome outcome = save_expecting(path, text, NULL);
    if (outcome.saved != FILE_SAVED)
        fail_msg("%s", outcome.err.text);
    expect_file(path, text);
    assert_true(file_stat(path, &now, &err));
    assert_true(file_stamp_equal(now, outcome.stamp));
}

/* Runs `test` as an ordinary user, whom the kernel refuses things; the test's own user where that is not root. */
static void as_ordinary_user(void **state, void (*test)(void **state))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
            _exit(2);
        test(state);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* In the child of as_ordinary_user(), where cmocka's long jumps lead nowhere. */
static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "not so: %s\n", what);
    _exit(1);
}

/* --- bytes --- */

static void expect_round_trip(void **state, struct bytes content)
{
    struct rope *text;
    struct file_stamp stamp;
    struct error err = {0};
    struct buf back = {0};
    const char *from = in(state, "from");
    const char *to = in(state, "to");

    put(from, content);
    assert_true(file_load(from, &text, &stamp, &err));
    assert_true(stamp.exists);
    assert_int_equal(stamp.size, content.len);
    struct file_save save = {.path = to, .text = text};
    assert_int_equal(file_save(&save, &stamp, &err), FILE_SAVED);
    assert_true(file_read_small(to, content.len, &back, &err));
    assert_true(bytes_equal(buf_view(&back), content));
    buf_release(&back);
    rope_free(text);
}

static void any_bytes_come_back_as_they_were(void **state)
{
    static const char *const texts[] = {
        "", "\n", "no newline at the end", "a\r\nb\nc\r", "\357\273\277BOM\n", "\xff\xfe\x80", "\xc3"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_round_trip(state, bytes_of_string(texts[i]));
    expect_round_trip(state, bytes_of("\0a\0\n\0", 5));

    struct random random = random_of(support_seed("file round trip", 1));
    struct buf bytes = {0};
    for (int round = 0; round < 8; round++) {
        buf_clear(&bytes);
        for (uint64_t left = random_below(&random, 600000); left > 0; left--)
            buf_add_byte(&bytes, (unsigned char)random_next(&random));
        expect_round_trip(state, buf_view(&bytes));
    }
    buf_release(&bytes);
}

static void a_missing_file_loads_as_an_empty_text(void **state)
{
    struct rope *text;
    struct file_stamp stamp;
    struct error err = {0};
    assert_true(file_load(in(state, "none"), &text, &stamp, &err));
    assert_false(stamp.exists);
    assert_int_equal(rope_len(text), 0);
    rope_free(text);
}

static void a_file_that_does_not_know_its_length_is_read_to_its_end(void **state)
{
    (void)state;
    struct rope *text;
    struct file_stamp stamp;
    struct error err = {0};
    if (access("/proc/self/status", R_OK) < 0)
        skip();
    if (!file_load("/proc/version", &text, &stamp, &err))
        fail_msg("%s", err.text);
    assert_true(rope_len(text) > 10);
    rope_free(text);
}

static void what_is_no_file_is_refused_in_words(void **state)
{
    struct rope *text;
    struct file_stamp stamp;
    struct error err = {0};
    assert_false(file_load(*state, &text, &stamp, &err));
    assert_non_null(strstr(err.text, "is a directory"));
    assert_false(file_load("/dev/null", &text, &stamp, &err));
    assert_non_null(strstr(err.text, "is a device"));
    assert_int_equal(mkfifo(in(state, "pipe"), 0600), 0);
    assert_false(file_load(in(state, "pipe"), &text, &stamp, &err));
    assert_non_null(strstr(err.text, "is a pipe"));
    struct outcome outcome = save_expecting(*state, "text", NULL);
    assert_int_equal(outcome.saved, FILE_SAVE_FAILED);
    assert_non_null(strstr(outcome.err.text, "is a directory"));
}

static void load_unreadable(void **state)
{
    struct rope *text;
    struct file_stamp stamp;
    struct error err = {0};
    require(!file_load(in(state, "secret"), &text, &stamp, &err), "refused");
    require(err.sys == EACCES, "the reason is permission");
    require(strstr(err.text, "secret") != NULL, "the text names the file");
}

static void an_unreadable_file_is_refused_with_its_name(void **state)
{
    scratch_write(in(state, "secret"), "x");
    assert_int_equal(chmod(in(state, "secret"), 0), 0);
    as_ordinary_user(state, load_unreadable);
}

/* --- what is kept --- */

static void modes_are_kept(void **state)
{
    static const mode_t modes[] = {0600, 0644, 0755, 0777, 0666, 04755, 02750};
    const char *path = in(state, "file");
    scratch_write(path, "old");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        expect_saved(path, "new");
        assert_int_equal(mode_of(path), modes[i]);
    }
    expect_alone(state);
}

static void the_owner_is_kept(void **state)
{
    struct stat st;
    const char *path = in(state, "file");
    scratch_write(path, "old");
    if (chown(path, NOBODY, NOBODY) < 0)
        skip(); /* only root gives files away */
    expect_saved(path, "new");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, NOBODY);
    assert_int_equal(st.st_gid, NOBODY);
}

static void extended_attributes_are_kept(void **state)
{
    char value[16] = {0};
    const char *path = in(state, "file");
    scratch_write(path, "old");
    if (setxattr(path, "user.weft.test", "kept", 4, 0) < 0)
        skip(); /* this file system has none */
    assert_int_equal(setxattr(path, "user.weft.empty", "", 0, 0), 0);
    ino_t inode = inode_of(path);
    expect_saved(path, "new");
    assert_true(inode_of(path) != inode); /* it was replaced, not written over */
    assert_int_equal(getxattr(path, "user.weft.test", value, sizeof value), 4);
    assert_string_equal(value, "kept");
    assert_int_equal(getxattr(path, "user.weft.empty", value, sizeof value), 0);
}

/* The kernel's form of an access control list: version 2, then tag, permissions and id of each entry. */
static const unsigned char acl_of_nobody[] = {
    2,    0, 0, 0,                                         /* version */
    0x01, 0, 6, 0, 0xff,          0xff,        0xff, 0xff, /* owner rw */
    0x02, 0, 4, 0, NOBODY & 0xff, NOBODY >> 8, 0,    0,    /* user nobody r */
    0x04, 0, 4, 0, 0xff,          0xff,        0xff, 0xff, /* group r */
    0x10, 0, 4, 0, 0xff,          0xff,        0xff, 0xff, /* mask r */
    0x20, 0, 0, 0, 0xff,          0xff,        0xff, 0xff, /* others nothing */
};

static void access_control_lists_are_kept(void **state)
{
    unsigned char acl[sizeof acl_of_nobody + 1];
    const char *path = in(state, "file");
    scratch_write(path, "old");
    if (setxattr(path, "system.posix_acl_access", acl_of_nobody, sizeof acl_of_nobody, 0) < 0)
        skip(); /* this file system has none */
    expect_saved(path, "new");
    assert_int_equal(getxattr(path, "system.posix_acl_access", acl, sizeof acl), sizeof acl_of_nobody);
    assert_memory_equal(acl, acl_of_nobody, sizeof acl_of_nobody);
    assert_int_equal(mode_of(path), 0640);
}

static void a_default_access_control_list_does_not_reach_a_file_without_one(void **state)
{
    const char *path = in(state, "file");
    scratch_write(path, "old");
    assert_int_equal(chmod(path, 0644), 0);
    if (setxattr(*state, "system.posix_acl_default", acl_of_nobody, sizeof acl_of_nobody, 0) < 0)
        skip();
    expect_saved(path, "new");
    assert_true(getxattr(path, "system.posix_acl_access", NULL, 0) < 0);
    assert_int_equal(mode_of(path), 0644);
}

static void a_new_file_gets_what_the_umask_leaves(void **state)
{
    mode_t before = umask(027);
    expect_saved(in(state, "file"), "new");
    umask(before);
    assert_int_equal(mode_of(in(state, "file")), 0640);
    expect_alone(state);
}

static void hard_links_go_on_being_one_file(void **state)
{
    const char *path = in(state, "file");
    const char *other = in(state, "other");
    scratch_write(path, "old text");
    assert_int_equal(link(path, other), 0);
    expect_saved(path, "longer new text");
    expect_file(other, "longer new text");
    expect_saved(path, "short");
    expect_file(other, "short");
    assert_int_equal(unlink(other), 0);
    expect_alone(state);
}

static void save_below_read_only_dir(void **state)
{
    struct outcome outcome = save_expecting(in(state, "dir/file"), "lost?", NULL);
    require(outcome.saved == FILE_SAVE_FAILED, "no copy of the old text can be kept there");
    struct rope *text = rope_from_bytes(bytes_of_string("new"));
    char *backups = xstrdup(in(state, "backups"));
    struct file_save save = {.path = in(state, "dir/file"), .text = text, .backup_dir = backups};
    require(file_save(&save, &outcome.stamp, &outcome.err) == FILE_SAVED, outcome.err.text);
    rope_free(text);
    free(backups);
}

static void a_directory_that_cannot_be_written_has_its_file_written_in_place(void **state)
{
    assert_int_equal(mkdir(in(state, "dir"), 0755), 0);
    assert_int_equal(mkdir(in(state, "backups"), 0777), 0);
    assert_int_equal(chmod(in(state, "backups"), 0777), 0);
    scratch_write(in(state, "dir/file"), "old");
    assert_int_equal(chmod(in(state, "dir/file"), 0666), 0);
    assert_int_equal(chmod(in(state, "dir"), 0555), 0);
    ino_t inode = inode_of(in(state, "dir/file"));
    as_ordinary_user(state, save_below_read_only_dir);
    expect_file(in(state, "dir/file"), "new");
    assert_int_equal(inode_of(in(state, "dir/file")), inode);
    assert_int_equal(entries_in(in(state, "dir")), 1);
    assert_int_equal(entries_in(in(state, "backups")), 0);
    assert_int_equal(chmod(in(state, "dir"), 0755), 0);
}

static void save_foreign(void **state)
{
    struct outcome outcome = save_expecting(in(state, "file"), "new", NULL);
    require(outcome.saved == FILE_SAVED, outcome.err.text);
}

static void a_file_of_another_owner_stays_his(void **state)
{
    struct stat st;
    if (geteuid() != 0)
        skip(); /* needs a file of somebody else's */
    scratch_write(in(state, "file"), "old");
    assert_int_equal(chmod(in(state, "file"), 0666), 0);
    assert_int_equal(chmod(*state, 0777), 0);
    as_ordinary_user(state, save_foreign);
    expect_file(in(state, "file"), "new");
    assert_int_equal(stat(in(state, "file"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    expect_alone(state);
}

static void save_protected(void **state)
{
    struct outcome outcome = save_expecting(in(state, "file"), "new", NULL);
    require(outcome.saved == FILE_SAVE_FAILED && outcome.err.sys == EACCES, "write protection counts");
}

static void a_write_protected_file_is_not_replaced(void **state)
{
    scratch_write(in(state, "file"), "old");
    assert_int_equal(chmod(in(state, "file"), 0444), 0);
    assert_int_equal(chmod(*state, 0777), 0);
    as_ordinary_user(state, save_protected);
    expect_file(in(state, "file"), "old");
    expect_alone(state);
}

/* --- links and names --- */

static void expect_resolved(const char *path, const char *expected)
{
    char *resolved;
    struct error err = {0};
    if (!file_resolve(path, &resolved, &err))
        fail_msg("%s", err.text);
    assert_string_equal(resolved, expected);
    free(resolved);
}

static void a_link_leads_to_its_file_and_stays_a_link(void **state)
{
    struct stat st;
    scratch_write(in(state, "file"), "old");
    assert_int_equal(symlink("file", in(state, "link")), 0);
    expect_resolved(in(state, "link"), in(state, "file"));
    expect_saved(in(state, "file"), "new");
    expect_file(in(state, "link"), "new");
    assert_int_equal(lstat(in(state, "link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void a_dangling_link_resolves_to_what_it_names(void **state)
{
    assert_int_equal(mkdir(in(state, "dir"), 0755), 0);
    assert_int_equal(symlink("dir/there", in(state, "link")), 0);
    assert_int_equal(symlink("link", in(state, "second")), 0);
    expect_resolved(in(state, "second"), in(state, "dir/there"));
    expect_saved(in(state, "dir/there"), "made");
    expect_file(in(state, "second"), "made");
}

static void a_new_file_resolves_below_its_directory(void **state)
{
    char *resolved;
    struct error err = {0};
    assert_int_equal(mkdir(in(state, "dir"), 0755), 0);
    expect_resolved(in(state, "dir/../dir/./new"), in(state, "dir/new"));
    expect_resolved("/new-in-the-root", "/new-in-the-root");
    assert_false(file_resolve(in(state, "nowhere/new"), &resolved, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_false(file_resolve(in(state, "new/"), &resolved, &err));
    assert_false(file_resolve("", &resolved, &err));
}

static void a_circle_of_links_ends(void **state)
{
    char *resolved;
    struct error err = {0};
    assert_int_equal(symlink("b", in(state, "a")), 0);
    assert_int_equal(symlink("a", in(state, "b")), 0);
    assert_false(file_resolve(in(state, "a"), &resolved, &err));
    assert_true(err.text[0] != '\0');
}

/* --- other writers --- */

static void a_file_changed_meanwhile_is_not_overwritten(void **state)
{
    struct rope *text;
    struct file_stamp seen;
    struct error err = {0};
    const char *path = in(state, "file");

    scratch_write(path, "old");
    assert_true(file_load(path, &text, &seen, &err));
    rope_free(text);
    scratch_write(path, "theirs");
    struct outcome outcome = save_expecting(path, "ours", &seen);
    assert_int_equal(outcome.saved, FILE_CHANGED_MEANWHILE);
    expect_file(path, "theirs");
    outcome = save_expecting(path, "ours", &outcome.stamp); /* it told what is there now */
    assert_int_equal(outcome.saved, FILE_SAVED);
    expect_file(path, "ours");
    expect_alone(state);
}

static void a_file_that_came_or_went_meanwhile_has_changed(void **state)
{
    struct file_stamp none = {0};
    const char *path = in(state, "file");
    scratch_write(path, "theirs");
    struct outcome outcome = save_expecting(path, "ours", &none);
    assert_int_equal(outcome.saved, FILE_CHANGED_MEANWHILE);
    assert_int_equal(unlink(path), 0);
    outcome = save_expecting(path, "ours", &outcome.stamp);
    assert_int_equal(outcome.saved, FILE_CHANGED_MEANWHILE);
    assert_true(access(path, F_OK) < 0);
    assert_int_equal(save_expecting(path, "ours", &none).saved, FILE_SAVED);
    expect_file(path, "ours");
}

static void one_save_after_another_needs_only_the_last_stamp(void **state)
{
    struct file_stamp stamp = {0};
    for (int i = 0; i < 5; i++) {
        struct outcome outcome = save_expecting(in(state, "file"), i % 2 ? "one" : "two", &stamp);
        assert_int_equal(outcome.saved, FILE_SAVED);
        stamp = outcome.stamp;
    }
}

/* --- small files --- */

static void small_files_are_bounded_and_private(void **state)
{
    struct error err = {0};
    struct buf content = {0};
    const char *path = in(state, "key");
    assert_true(file_write_private(path, bytes_of_string("12345"), &err));
    assert_int_equal(mode_of(path), 0600);
    assert_true(file_read_small(path, 5, &content, &err));
    assert_int_equal(content.len, 5);
    assert_false(file_read_small(path, 4, &content, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(content.len, 5);
    assert_true(file_write_private(path, bytes_of_string(""), &err));
    assert_false(file_read_small(in(state, "none"), 4, &content, &err));
    assert_int_equal(err.code, ERR_MISSING);
    expect_alone(state);
    buf_release(&content);
}

static void directories_are_made_with_their_parents(void **state)
{
    struct error err = {0};
    assert_true(file_make_dirs(in(state, "a/b/c"), &err));
    assert_true(file_make_dirs(in(state, "a/b/c"), &err));
    assert_int_equal(mode_of(in(state, "a/b")), 0700);
    scratch_write(in(state, "file"), "");
    assert_false(file_make_dirs(in(state, "file/d"), &err));
    assert_non_null(strstr(err.text, "file"));
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, make_dir, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(any_bytes_come_back_as_they_were),
        FILE_TEST(a_missing_file_loads_as_an_empty_text),
        FILE_TEST(a_file_that_does_not_know_its_length_is_read_to_its_end),
        FILE_TEST(what_is_no_file_is_refused_in_words),
        FILE_TEST(an_unreadable_file_is_refused_with_its_name),
        FILE_TEST(modes_are_kept),
        FILE_TEST(the_owner_is_kept),
        FILE_TEST(extended_attributes_are_kept),
        FILE_TEST(access_control_lists_are_kept),
        FILE_TEST(a_default_access_control_list_does_not_reach_a_file_without_one),
        FILE_TEST(a_new_file_gets_what_the_umask_leaves),
        FILE_TEST(hard_links_go_on_being_one_file),
        FILE_TEST(a_directory_that_cannot_be_written_has_its_file_written_in_place),
        FILE_TEST(a_file_of_another_owner_stays_his),
        FILE_TEST(a_write_protected_file_is_not_replaced),
        FILE_TEST(a_link_leads_to_its_file_and_stays_a_link),
        FILE_TEST(a_dangling_link_resolves_to_what_it_names),
        FILE_TEST(a_new_file_resolves_below_its_directory),
        FILE_TEST(a_circle_of_links_ends),
        FILE_TEST(a_file_changed_meanwhile_is_not_overwritten),
        FILE_TEST(a_file_that_came_or_went_meanwhile_has_changed),
        FILE_TEST(one_save_after_another_needs_only_the_last_stamp),
        FILE_TEST(small_files_are_bounded_and_private),
        FILE_TEST(directories_are_made_with_their_parents),
    };
    return RUN_TESTS("file", tests);
}
