/*
 * Saving while the system fails: every call file_save() makes fails in turn, once and from then on, in each of the ways
 * it can. Afterwards the file has the old bytes or the new ones whole, or the error names the copy that has the old
 * ones; and what is reported is what happened.
 *
 * The linker puts the functions below in the place of libc's (--wrap, see tests/CMakeLists.txt), so that the code under
 * test is the code that ships.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "tests/support/support.h"

/* --- faults --- */

enum { FAULT_SHORT = -1 }; /* not an errno: reads and writes do half of what they were asked */

static struct {
    bool armed;
    int first;  /* the call that fails, counted from 0 */
    bool stays; /* so do all after it */
    int sys;    /* with this errno, or FAULT_SHORT */
    int calls;  /* made so far */
    int failed; /* of them */
} fault;

enum call { CALL_QUICK, CALL_SLOW /* a signal may interrupt it */ };

/* Whether the call that is about to be made fails; then errno is set. */
static bool fault_strikes(enum call kind)
{
    if (!fault.armed || (kind == CALL_QUICK && fault.sys == EINTR))
        return false;
    int call = fault.calls++;
    if (fault.sys == FAULT_SHORT || (fault.stays ? call < fault.first : call != fault.first))
        return false;
    fault.failed++;
    errno = fault.sys;
    return true;
}

static size_t fault_shortens(size_t len)
{
    return fault.armed && fault.sys == FAULT_SHORT && len > 1 ? len / 2 : len;
}

#define WRAP_INT(kind, name, parameters, arguments)                                                                    \
    int __real_##name parameters;                                                                                      \
    int __wrap_##name parameters;                                                                                      \
    int __wrap_##name parameters                                                                                       \
    {                                                                                                                  \
        return fault_strikes(CALL_##kind) ? -1 : __real_##name arguments;                                              \
    }

#define WRAP_SIZE(kind, name, parameters, arguments)                                                                   \
    ssize_t __real_##name parameters;                                                                                  \
    ssize_t __wrap_##name parameters;                                                                                  \
    ssize_t __wrap_##name parameters                                                                                   \
    {                                                                                                                  \
        return fault_strikes(CALL_##kind) ? -1 : __real_##name arguments;                                              \
    }

WRAP_INT(QUICK, stat, (const char *path, struct stat *st), (path, st))
WRAP_INT(QUICK, fstat, (int fd, struct stat *st), (fd, st))
WRAP_INT(QUICK, faccessat, (int dir, const char *path, int mode, int flags), (dir, path, mode, flags))
WRAP_INT(SLOW, ftruncate, (int fd, off_t len), (fd, len))
WRAP_INT(QUICK, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP_INT(QUICK, fchown, (int fd, uid_t owner, gid_t group), (fd, owner, group))
WRAP_INT(QUICK, rename, (const char *from, const char *to), (from, to))
WRAP_INT(QUICK, fsetxattr, (int fd, const char *name, const void *value, size_t len, int flags),
         (fd, name, value, len, flags))
WRAP_INT(QUICK, fremovexattr, (int fd, const char *name), (fd, name))
WRAP_SIZE(QUICK, flistxattr, (int fd, char *names, size_t len), (fd, names, len))
WRAP_SIZE(QUICK, fgetxattr, (int fd, const char *name, void *value, size_t len), (fd, name, value, len))
WRAP_SIZE(SLOW, read, (int fd, void *into, size_t len), (fd, into, fault_shortens(len)))
WRAP_SIZE(SLOW, pread, (int fd, void *into, size_t len, off_t at), (fd, into, fault_shortens(len), at))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t); /* all callers give one */
    va_end(args);
    return fault_strikes(CALL_SLOW) ? -1 : __real_open(path, flags, mode);
}

/* The file is closed in any case, as Linux does; descriptors must not be lost here. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    bool strikes = fault_strikes(CALL_SLOW);
    int sys = errno;
    int result = __real_close(fd);
    errno = strikes ? sys : errno;
    return strikes ? -1 : result;
}

/* Gives its error back instead of setting errno. */
int __real_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_posix_fallocate(int fd, off_t at, off_t len)
{
    return fault_strikes(CALL_SLOW) ? errno : __real_posix_fallocate(fd, at, len);
}

/* --- another program, at the worst moment --- */

static struct {
    void (*acts)(void); /* NULL: it does nothing (more) */
    const char *path;
    bool no_exchange;   /* the file system cannot exchange two files */
    bool no_way_back;   /* it cannot the second time */
    bool no_sync;       /* the file cannot be synced, once it has acted */
    bool no_next_write; /* the write fails that it came before */
} other;

static void other_program_acts(void)
{
    void (*acts)(void) = other.acts;
    other.acts = NULL;
    if (acts)
        acts();
}

/* True once. */
static bool strikes_once(bool *set)
{
    bool strikes = *set;
    *set = false;
    errno = EIO;
    return strikes;
}

/* The last call before the file has another place or other bytes. */
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    bool back = !other.acts;
    other_program_acts();
    if (back && strikes_once(&other.no_way_back))
        return -1;
    if (other.no_exchange) {
        errno = EINVAL;
        return -1;
    }
    return fault_strikes(CALL_QUICK) ? -1 : __real_renameat2(from_dir, from, to_dir, to, flags);
}

static bool is_others(int fd)
{
    struct stat st, there;
    return fstat(fd, &st) == 0 && stat(other.path, &there) == 0 && st.st_ino == there.st_ino;
}

ssize_t __real_pwrite(int fd, const void *from, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t at)
{
    if (other.acts && is_others(fd)) {
        other_program_acts();
        if (strikes_once(&other.no_next_write))
            return -1;
    }
    return fault_strikes(CALL_SLOW) ? -1 : __real_pwrite(fd, from, fault_shortens(len), at);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (other.no_sync && !other.acts && is_others(fd) && strikes_once(&other.no_sync))
        return -1;
    return fault_strikes(CALL_SLOW) ? -1 : __real_fsync(fd);
}

/* --- the scene --- */

enum { PATH_BYTES = 64 };

struct scene {
    const char *old; /* NULL: there is no file */
    const char *new;
    bool linked; /* a second name for it: saved in place */
    bool is_expected;
    char dir[PATH_BYTES];
    char path[PATH_BYTES + 16];
    char other[PATH_BYTES + 16];
};

static void write_plain(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static char *read_plain(const char *path)
{
    char *text = xcalloc(1, 1 << 20);
    FILE *file = fopen(path, "rb");
    if (!file) {
        free(text);
        return NULL;
    }
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    assert_true(len < (1 << 20) - 1);
    fclose(file);
    return text;
}

static void scene_set(struct scene *scene)
{
    snprintf(scene->dir, sizeof scene->dir, "/tmp/weft-faults-XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    snprintf(scene->path, sizeof scene->path, "%s/file", scene->dir);
    snprintf(scene->other, sizeof scene->other, "%s/other", scene->dir);
    if (!scene->old)
        return;
    write_plain(scene->path, scene->old);
    (void)!setxattr(scene->path, "user.weft.test", "kept", 4, 0); /* where the file system can */
    if (scene->linked)
        assert_int_equal(link(scene->path, scene->other), 0);
}

/* Removes everything; returns how many files were there besides the scene's own. */
static int scene_clear(struct scene *scene)
{
    char path[PATH_BYTES + 300];
    int strays = 0;
    DIR *dir = opendir(scene->dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        strays += strcmp(entry->d_name, "file") != 0 && strcmp(entry->d_name, "other") != 0;
        snprintf(path, sizeof path, "%s/%s", scene->dir, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(scene->dir);
    return strays;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The path that an error of the form "the old text is kept in PATH: ..." names; heap string. */
static char *kept_in(const struct error *err)
{
    static const char words[] = "the old text is kept in ";
    const char *named = strstr(err->text, words);
    if (!named)
        return NULL;
    named += sizeof words - 1;
    return xstrndup(named, strcspn(named, ":"));
}

static void expect_old_or_new(const struct scene *scene, enum file_saved saved, const struct error *err)
{
    char *text = read_plain(scene->path);
    char *kept = saved == FILE_SAVE_FAILED ? kept_in(err) : NULL;
    switch (saved) {
    case FILE_SAVED:
        assert_true(same_text(text, scene->new));
        break;
    case FILE_CHANGED_MEANWHILE:
        fail_msg("nobody else wrote the file");
        break;
    case FILE_SAVE_FAILED:
        assert_true(err->text[0] != '\0' && err->code != ERR_NONE);
        if (kept) {
            char *old = read_plain(kept);
            assert_true(same_text(old, scene->old));
            free(old);
        } else if (!same_text(text, scene->old)) {
            assert_true(same_text(text, scene->new)); /* whole, and the error does not claim otherwise */
            assert_non_null(strstr(err->text, scene->linked ? "cannot save" : "has the new text"));
        }
        break;
    }
    free(kept);
    free(text);
}

/* Saves with the fault as it is set; true when a fault was met. */
static bool save_with_fault(struct scene *scene)
{
    struct file_stamp seen;
    struct file_stamp stamp = {0};
    struct file_stamp now;
    struct error err = {0};

    scene_set(scene);
    struct rope *text = rope_from_bytes(bytes_of_string(scene->new));
    assert_true(file_stat(scene->path, &seen, &err));
    struct file_save save = {.path = scene->path, .text = text, .expected = scene->is_expected ? &seen : NULL};

    fault.calls = fault.failed = 0;
    fault.armed = true;
    enum file_saved saved = file_save(&save, &stamp, &err);
    fault.armed = false;

    expect_old_or_new(scene, saved, &err);
    assert_true(file_stat(scene->path, &now, &err));
    bool is_known = file_stamp_equal(now, stamp);
    char *kept = kept_in(&err);
    int strays = scene_clear(scene);
    assert_int_equal(strays, kept ? 1 : 0);
    assert_true(saved == FILE_SAVED ? is_known : fault.sys != EINTR && fault.sys != FAULT_SHORT);
    free(kept);
    rope_free(text);
    return fault.failed > 0;
}

/* Lets every call fail in turn until one run meets no fault any more. Returns how many calls a save makes. */
static int fail_every_call(struct scene *scene, int sys, bool stays)
{
    fault.sys = sys;
    fault.stays = stays;
    for (fault.first = 0; save_with_fault(scene); fault.first++)
        assert_true(fault.first < 1000);
    return fault.first;
}

static void fail_in_every_way(struct scene scene)
{
    static const int errors[] = {ENOSPC, EIO, EDQUOT, EACCES, EPERM};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        assert_true(fail_every_call(&scene, errors[i], false) > 8);
        assert_true(fail_every_call(&scene, errors[i], true) > 8);
    }
}

/* --- tests --- */

static const char old_text[] = "the old text, which is not to be lost\n";
static const char longer_text[] =
    "the new text is longer than the old text was, so that the disk has to give more room\n";

static void replacing_a_file_never_damages_it(void **state)
{
    (void)state;
    fail_in_every_way((struct scene){.old = old_text, .new = longer_text, .is_expected = true});
    fail_in_every_way((struct scene){.old = old_text, .new = "short"});
}

static void writing_in_place_never_loses_the_old_bytes(void **state)
{
    (void)state;
    fail_in_every_way((struct scene){.old = old_text, .new = longer_text, .linked = true, .is_expected = true});
    fail_in_every_way((struct scene){.old = old_text, .new = "short", .linked = true});
}

static void a_new_file_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    fail_in_every_way((struct scene){.new = longer_text, .is_expected = true});
    fail_in_every_way((struct scene){.new = longer_text});
}

static void neither_signals_nor_short_writes_stop_a_save(void **state)
{
    (void)state;
    struct scene scenes[] = {
        {.old = old_text, .new = longer_text},
        {.old = old_text, .new = longer_text, .linked = true},
        {.new = longer_text},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        fault.sys = FAULT_SHORT;
        assert_false(save_with_fault(&scenes[i]));
        fail_every_call(&scenes[i], EINTR, false);
    }
}

static const char line[] = "a line of another program\n";

static void append_line(void)
{
    FILE *file = fopen(other.path, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(line, 1, strlen(line), file), strlen(line));
    assert_int_equal(fclose(file), 0);
}

static void replace_by_line(void)
{
    char *temp = xformat("%s.other", other.path);
    write_plain(temp, line);
    assert_int_equal(rename(temp, other.path), 0);
    free(temp);
}

static void delete_it(void)
{
    assert_int_equal(unlink(other.path), 0);
}

/* A name for another file, which stands beside it. */
static void become_a_link(void)
{
    char *beside = xformat("%.*s/other", (int)(strrchr(other.path, '/') - other.path), other.path);
    delete_it();
    write_plain(beside, line);
    assert_int_equal(symlink(beside, other.path), 0);
    free(beside);
}

struct moment {
    struct scene scene;
    void (*acts)(void);
    bool no_exchange, no_way_back, no_sync, no_next_write;
    struct file_replaced *replaced;
    enum file_saved saved;
    const char *left; /* in the file afterwards; NULL: no file */
    const char *kept; /* in the file that the error names; NULL: none */
};

static void expect_kept(const struct scene *scene, const struct error *err, const char *kept)
{
    static const char words[] = "is kept in ";
    const char *path = strstr(err->text, words);
    if (!path)
        fail_msg("no file is named: %s", err->text);
    path += sizeof words - 1;
    assert_memory_equal(path, scene->dir, strlen(scene->dir));
    char *text = read_plain(path);
    assert_true(same_text(text, kept));
    free(text);
}

static void expect_moment(struct moment moment)
{
    struct scene *scene = &moment.scene;
    struct file_stamp seen, stamp = {0}, now;
    struct error err = {0};
    scene_set(scene);
    struct rope *text = rope_from_bytes(bytes_of_string(scene->new));
    assert_true(file_stat(scene->path, &seen, &err));
    struct file_save save = {.path = scene->path, .text = text, .expected = &seen, .replaced = moment.replaced};
    other.acts = moment.acts;
    other.path = scene->path;
    other.no_exchange = moment.no_exchange;
    other.no_way_back = moment.no_way_back;
    other.no_sync = moment.no_sync;
    other.no_next_write = moment.no_next_write;
    assert_int_equal(file_save(&save, &stamp, &err), moment.saved);
    assert_null(other.acts);
    assert_false(other.no_way_back || other.no_sync || other.no_next_write);
    other.no_exchange = false;
    char *left = read_plain(scene->path);
    if (!same_text(left, moment.left))
        fail_msg("left: %s\nexpected: %s", left ? left : "(nothing)", moment.left ? moment.left : "(nothing)");
    assert_true(file_stat(scene->path, &now, &err));
    bool is_all = !moment.left || !strstr(moment.left, line) || moment.saved == FILE_CHANGED_MEANWHILE;
    assert_true(file_stamp_equal(now, stamp) == is_all); /* what is not in the saved text is found at the next look */
    if (moment.kept)
        expect_kept(scene, &err, moment.kept);
    assert_int_equal(scene_clear(scene), moment.kept ? 1 : 0);
    free(left);
    rope_free(text);
}

static void what_is_appended_while_it_is_written_in_place_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {longer_text, "short", old_text};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *both = xformat("%s%s", texts[i], line);
        expect_moment((struct moment){.scene = {.old = old_text, .new = texts[i], .linked = true}, .acts = append_line,
                                      .saved = FILE_SAVED, .left = both});
        free(both);
    }
}

static void what_is_appended_stays_when_the_old_text_is_put_back(void **state)
{
    (void)state;
    static const char *const texts[] = {longer_text, "short", old_text};
    char *both = xformat("%s%s", old_text, line);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int synced = 0; synced < 2; synced++)
            expect_moment((struct moment){.scene = {.old = old_text, .new = texts[i], .linked = true}, .acts = append_line,
                                          .no_sync = !synced, .no_next_write = synced, .saved = FILE_SAVE_FAILED,
                                          .left = both});
    free(both);
}

static void expect_replaced_has(struct file_replaced *replaced, const char *text)
{
    struct rope *has = NULL;
    struct rope *expected = rope_from_bytes(bytes_of_string(text));
    assert_true(file_replaced_look(replaced, &has));
    assert_true(rope_equal(has, expected));
    assert_false(file_replaced_look(replaced, &has));
    rope_free(has);
    rope_free(expected);
}

/* Between the last look and the rename, with and without a file system that can exchange two files. */
static void what_is_written_at_the_last_moment_is_handed_over(void **state)
{
    (void)state;
    char *both = xformat("%s%s", old_text, line);
    struct file_replaced replaced = {.fd = -1};
    for (int exchanges = 0; exchanges < 2; exchanges++) {
        expect_moment((struct moment){.scene = {.old = old_text, .new = longer_text}, .acts = append_line,
                                      .no_exchange = !exchanges, .replaced = &replaced, .saved = FILE_SAVED,
                                      .left = longer_text});
        expect_replaced_has(&replaced, both);
        file_replaced_release(&replaced);
    }
    expect_moment((struct moment){.scene = {.old = old_text, .new = longer_text}, .acts = replace_by_line,
                                  .replaced = &replaced, .saved = FILE_SAVED, .left = longer_text});
    expect_replaced_has(&replaced, line);
    file_replaced_release(&replaced);
    free(both);
}

static void what_appears_or_goes_at_the_last_moment_is_a_change(void **state)
{
    (void)state;
    struct file_replaced replaced = {.fd = -1};
    expect_moment((struct moment){.scene = {.old = old_text, .new = longer_text}, .acts = delete_it, .replaced = &replaced,
                                  .saved = FILE_CHANGED_MEANWHILE, .left = NULL});
    expect_moment((struct moment){.scene = {.new = longer_text}, .acts = append_line, .replaced = &replaced,
                                  .saved = FILE_CHANGED_MEANWHILE, .left = line});
    expect_moment((struct moment){.scene = {.old = old_text, .new = longer_text}, .acts = become_a_link, .replaced = &replaced,
                                  .saved = FILE_CHANGED_MEANWHILE, .left = line});
    assert_int_equal(replaced.fd, -1);
}

static void what_appeared_and_cannot_go_back_is_kept_and_named(void **state)
{
    (void)state;
    struct file_replaced replaced = {.fd = -1};
    expect_moment((struct moment){.scene = {.old = old_text, .new = longer_text}, .acts = become_a_link, .no_way_back = true,
                                  .replaced = &replaced, .saved = FILE_SAVE_FAILED, .left = longer_text, .kept = line});
    assert_int_equal(replaced.fd, -1);
}

static void loading_reads_on_after_signals_and_short_reads_and_reports_the_rest(void **state)
{
    (void)state;
    static const int errors[] = {EIO, EINTR, FAULT_SHORT};
    struct scene scene = {.old = longer_text};
    scene_set(&scene);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fault.sys = errors[i];
        fault.stays = false;
        for (fault.first = 0; fault.first < 12; fault.first++) {
            struct rope *text = NULL;
            struct file_stamp stamp;
            struct error err = {0};
            fault.calls = fault.failed = 0;
            fault.armed = true;
            bool loaded = file_load(scene.path, &text, &stamp, &err);
            fault.armed = false;
            assert_true(loaded || err.text[0] != '\0');
            if (fault.sys != EIO)
                assert_true(loaded);
            if (loaded) {
                struct rope *expected = rope_from_bytes(bytes_of_string(longer_text));
                assert_true(rope_equal(text, expected));
                rope_free(expected);
                rope_free(text);
            }
        }
    }
    assert_int_equal(scene_clear(&scene), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacing_a_file_never_damages_it),
        cmocka_unit_test(writing_in_place_never_loses_the_old_bytes),
        cmocka_unit_test(a_new_file_is_there_whole_or_not_at_all),
        cmocka_unit_test(neither_signals_nor_short_writes_stop_a_save),
        cmocka_unit_test(what_is_written_at_the_last_moment_is_handed_over),
        cmocka_unit_test(what_appears_or_goes_at_the_last_moment_is_a_change),
        cmocka_unit_test(what_appeared_and_cannot_go_back_is_kept_and_named),
        cmocka_unit_test(what_is_appended_while_it_is_written_in_place_stays),
        cmocka_unit_test(what_is_appended_stays_when_the_old_text_is_put_back),
        cmocka_unit_test(loading_reads_on_after_signals_and_short_reads_and_reports_the_rest),
    };
    return RUN_TESTS("file with a failing system", tests);
}
