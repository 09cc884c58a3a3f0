/* The database layer: what survives, what is refused, what a full disk and a second process look like. */
#include "tests/support/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/db.h"
#include "tests/support/scratch.h"

static const char *const schema_one[] = {"CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB NOT NULL)"};
static const char *const schema_two[] = {"CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
                                         "CREATE TABLE extra(id INTEGER PRIMARY KEY)"};

static struct db_options options_of(enum db_mode mode)
{
    return (struct db_options){.what = "the test",
                               .mode = mode,
                               .application_id = 0x77667431,
                               .schema = schema_one,
                               .schema_count = 1,
                               .busy_ms = 2000};
}

static struct db *open_ok(const char *path, struct db_options options)
{
    struct error err = {0};
    struct db *db = db_open(path, &options, &err);
    if (!db)
        fail_msg("%s", err.text);
    return db;
}

static bool add_item(struct db *db, const void *data, size_t len, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "INSERT INTO item(body) VALUES (?1)");
    db_bind_bytes(stmt, 1, bytes_of(data, len));
    return db_run(stmt, err);
}

static int64_t count_items(struct db *db)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(db, "SELECT count(*) FROM item");
    assert_int_equal(db_step(stmt, &err), DB_ROW);
    int64_t count = db_column_int(stmt, 0);
    db_end(stmt);
    return count;
}

static void what_is_written_is_read_again_after_reopening(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct error err = {0};
    struct db *db = open_ok(path, options_of(DB_CREATE));
    assert_true(add_item(db, "a\0b", 3, &err));
    assert_true(add_item(db, NULL, 0, &err));
    assert_true(db_sync(db, &err));
    db_close(db);

    db = open_ok(path, options_of(DB_READ));
    struct db_stmt *stmt = db_use(db, "SELECT body FROM item ORDER BY id");
    assert_int_equal(db_step(stmt, &err), DB_ROW);
    assert_true(bytes_equal(db_column_bytes(stmt, 0), bytes_of("a\0b", 3)));
    assert_int_equal(db_step(stmt, &err), DB_ROW);
    assert_false(db_column_is_null(stmt, 0));
    assert_int_equal(db_column_bytes(stmt, 0).len, 0);
    assert_int_equal(db_step(stmt, &err), DB_DONE);
    db_close(db);
    free(path);
}

static void its_files_are_for_their_owner_only(void **state)
{
    char *path = scratch_file(*state, "a.db");
    char *wal = xformat("%s-wal", path);
    struct error err = {0};
    struct db *db = open_ok(path, options_of(DB_CREATE));
    assert_true(add_item(db, "x", 1, &err));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    db_close(db);
    free(wal);
    free(path);
}

static void a_missing_file_is_missing_and_stays_so(void **state)
{
    char *path = scratch_file(*state, "none.db");
    struct error err = {0};
    struct db_options reading = options_of(DB_READ);
    struct db_options writing = options_of(DB_WRITE);
    assert_null(db_open(path, &reading, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_null(db_open(path, &writing, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

static void a_file_of_another_kind_is_refused_untouched(void **state)
{
    char *path = scratch_file(*state, "notes.md");
    scratch_write(path, "# Notes\nThis is no database, and it is longer than a database header would be, by far....\n"
                        "....................................................................................\n");
    struct buf before = {0};
    struct buf after = {0};
    scratch_read(path, &before);
    struct error err = {0};
    struct db_options options = options_of(DB_CREATE);
    assert_null(db_open(path, &options, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    scratch_read(path, &after);
    assert_true(bytes_equal(buf_view(&before), buf_view(&after)));
    buf_release(&before);
    buf_release(&after);
    free(path);
}

static void another_program_s_database_is_refused(void **state)
{
    char *path = scratch_file(*state, "a.db");
    db_close(open_ok(path, options_of(DB_CREATE)));
    struct db_options other = options_of(DB_WRITE);
    other.application_id = 0x11111111;
    struct error err = {0};
    assert_null(db_open(path, &other, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    free(path);
}

static void an_older_schema_is_brought_up_to_date(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct error err = {0};
    struct db *db = open_ok(path, options_of(DB_CREATE));
    assert_true(add_item(db, "x", 1, &err));
    db_close(db);
    struct db_options newer = options_of(DB_WRITE);
    newer.schema = schema_two;
    newer.schema_count = 2;
    db = open_ok(path, newer);
    assert_int_equal(count_items(db), 1);
    assert_true(db_exec(db, "INSERT INTO extra VALUES (1)", &err));
    db_close(db);
    free(path);
}

/* The newer weft may have been killed: then its WAL is still there and must not be folded in by closing. */
static void a_newer_schema_is_refused_and_not_a_byte_changes(void **state)
{
    char *path = scratch_file(*state, "a.db");
    char *wal = xformat("%s-wal", path);
    pid_t child = fork();
    if (child == 0) {
        struct db_options newer = options_of(DB_CREATE);
        newer.schema = schema_two;
        newer.schema_count = 2;
        struct error err = {0};
        struct db *db = db_open(path, &newer, &err);
        _exit(db && add_item(db, "x", 1, &err) ? 0 : 1); /* without closing, like kill -9 */
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);

    struct buf before[2] = {{0}};
    struct buf after[2] = {{0}};
    scratch_read(path, &before[0]);
    scratch_read(wal, &before[1]);
    assert_true(before[1].len > 0);
    const enum db_mode modes[] = {DB_READ, DB_WRITE, DB_CREATE};
    for (size_t i = 0; i < 3; i++) {
        struct db_options older = options_of(modes[i]);
        struct error err = {0};
        assert_null(db_open(path, &older, &err));
        assert_int_equal(err.code, ERR_NEWER);
    }
    scratch_read(path, &after[0]);
    scratch_read(wal, &after[1]);
    for (int i = 0; i < 2; i++) {
        assert_true(bytes_equal(buf_view(&before[i]), buf_view(&after[i])));
        buf_release(&before[i]);
        buf_release(&after[i]);
    }
    free(wal);
    free(path);
}

static void a_full_disk_loses_nothing_and_the_same_connection_goes_on(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct db *db = open_ok(path, options_of(DB_CREATE));
    struct error err = {0};
    unsigned char body[1000] = {0};
    db_limit_pages(db, 20);
    int64_t added = 0;
    while (add_item(db, body, sizeof body, &err))
        added++;
    assert_int_equal(err.code, ERR_FULL);
    assert_true(added > 10);
    assert_int_equal(count_items(db), added);
    assert_false(add_item(db, body, sizeof body, &err));
    assert_false(db_in_transaction(db));

    db_limit_pages(db, 0);
    assert_true(add_item(db, body, sizeof body, &err));
    assert_int_equal(count_items(db), added + 1);
    db_close(db);
    free(path);
}

static void a_transaction_is_all_or_nothing(void **state)
{
    (void)state;
    struct db *db = open_ok(NULL, options_of(DB_CREATE));
    struct error err = {0};
    assert_true(db_in_memory(db));
    assert_true(db_begin(db, &err));
    assert_true(add_item(db, "x", 1, &err));
    db_rollback(db);
    assert_int_equal(count_items(db), 0);
    assert_true(db_begin(db, &err));
    assert_true(add_item(db, "x", 1, &err));
    assert_true(db_commit(db, &err));
    assert_int_equal(count_items(db), 1);
    db_rollback(db); /* fine when there is none */
    db_close(db);
}

static void somebody_else_s_transaction_is_busy_after_the_timeout(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct db_options impatient = options_of(DB_CREATE);
    impatient.busy_ms = 1;
    struct db *a = open_ok(path, options_of(DB_CREATE));
    struct db *b = open_ok(path, impatient);
    struct error err = {0};
    assert_true(db_begin(a, &err));
    assert_false(db_begin(b, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(db_commit(a, &err));
    assert_true(db_begin(b, &err));
    db_close(b); /* rolls back */
    assert_true(add_item(a, "x", 1, &err));
    db_close(a);
    free(path);
}

static void the_data_version_tells_of_others_commits_only(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct db *a = open_ok(path, options_of(DB_CREATE));
    struct db *b = open_ok(path, options_of(DB_WRITE));
    struct error err = {0};
    uint64_t version = db_data_version(a);
    assert_true(add_item(a, "x", 1, &err));
    assert_true(db_data_version(a) == version);
    assert_true(add_item(b, "x", 1, &err));
    assert_true(db_data_version(a) != version);
    db_close(a);
    db_close(b);
    free(path);
}

static void four_processes_write_at_once_and_none_is_refused(void **state)
{
    enum { WRITERS = 4, ROWS = 50 };
    char *path = scratch_file(*state, "a.db");
    for (int i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            struct error err = {0};
            struct db_options options = options_of(DB_CREATE);
            struct db *db = db_open(path, &options, &err);
            for (int row = 0; db && row < ROWS; row++)
                if (!db_begin(db, &err) || !add_item(db, &row, sizeof row, &err) || !db_commit(db, &err))
                    _exit(1);
            db_close(db);
            _exit(db ? 0 : 1);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = 0;
        wait(&status);
        assert_int_equal(status, 0);
    }
    struct db *db = open_ok(path, options_of(DB_READ));
    assert_int_equal(count_items(db), WRITERS * ROWS);
    db_close(db);
    free(path);
}

static void a_checkpoint_empties_the_wal_into_the_database(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct db_options options = options_of(DB_CREATE);
    options.manual_checkpoint = true;
    struct db *db = open_ok(path, options);
    struct db *other = open_ok(path, options);
    struct error err = {0};
    unsigned char body[4000] = {0};
    for (int i = 0; i < 100; i++)
        assert_true(add_item(db, body, sizeof body, &err));
    assert_true(db_wal_pages(db) > 100);
    assert_true(db_checkpoint(other, &err)); /* as the idle thread does, on its own connection */
    assert_true(add_item(db, "x", 1, &err));
    assert_true(db_wal_pages(db) < 20);
    assert_true(db_file_bytes(path) >= 400000);
    assert_true(db_page_bytes(db) >= 400000);
    db_close(other);
    db_close(db);
    free(path);
}

static void a_backup_is_whole_and_replaces_the_last_one(void **state)
{
    char *path = scratch_file(*state, "a.db");
    char *copy_path = scratch_file(*state, "copy.db");
    struct db *db = open_ok(path, options_of(DB_CREATE));
    struct error err = {0};
    for (int round = 1; round <= 2; round++) {
        assert_true(add_item(db, "x", 1, &err));
        assert_true(db_backup(db, copy_path, &err));
        struct db *copy = open_ok(copy_path, options_of(DB_WRITE));
        assert_int_equal(count_items(copy), round);
        db_close(copy);
    }
    db_close(db);
    free(copy_path);
    free(path);
}

static void removing_waits_until_nobody_has_it_open(void **state)
{
    char *path = scratch_file(*state, "a.db");
    char *wal = xformat("%s-wal", path);
    struct error err = {0};
    int ready[2];
    int go[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        struct db_options options = options_of(DB_CREATE);
        struct db *db = db_open(path, &options, &err);
        char byte = db && add_item(db, "x", 1, &err) ? 'y' : 'n';
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(1);
        db_close(db);
        _exit(0);
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_false(db_remove(path, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(write(go[1], "g", 1), 1);
    waitpid(child, NULL, 0);

    assert_true(db_remove(path, &err));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(wal, F_OK), 0);
    assert_true(db_remove(path, &err));
    scratch_write(path, "damaged beyond recognition");
    assert_true(db_remove(path, &err));
    assert_int_not_equal(access(path, F_OK), 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    free(wal);
    free(path);
}

static void vacuum_leaves_no_trace_of_what_was_deleted(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct db_options options = options_of(DB_CREATE);
    options.secure_delete = true;
    struct db *db = open_ok(path, options);
    struct error err = {0};
    assert_true(add_item(db, "MARKER-IN-A-ROW", 15, &err));
    assert_true(scratch_contains(*state, "MARKER-IN-A-ROW"));
    assert_true(db_exec(db, "DELETE FROM item", &err));
    assert_true(db_vacuum(db, &err));
    assert_false(scratch_contains(*state, "MARKER-IN-A-ROW"));
    db_close(db);
    free(path);
}

/* While one makes the file another opens it: in the moment in which SQLite would have had it locked. */
static struct {
    const char *path; /* NULL: nothing happens */
    struct db *other;
} meanwhile;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    const char *path = meanwhile.path;
    meanwhile.path = NULL;
    if (path) {
        struct db_options impatient = options_of(DB_CREATE);
        impatient.busy_ms = 0;
        meanwhile.other = open_ok(path, impatient);
    }
    return __real_fsync(fd);
}

/* Somebody removes the database and leaves its log, after a kill -9: what is made there then is new, and sound. */
static void the_log_of_a_database_that_was_removed_is_not_replayed_into_a_new_one(void **state)
{
    enum { ROWS = 2000 };
    char *path = scratch_file(*state, "a.db");
    pid_t child = fork();
    if (child == 0) {
        struct db_options options = options_of(DB_CREATE);
        options.manual_checkpoint = true;
        struct error err = {0};
        struct db *db = db_open(path, &options, &err);
        bool good = db && db_begin(db, &err);
        for (int row = 0; good && row < ROWS; row++)
            good = add_item(db, path, strlen(path), &err);
        _exit(good && db_commit(db, &err) ? 0 : 1); /* without closing, like kill -9 */
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(unlink(path), 0);

    struct db *db = open_ok(path, options_of(DB_CREATE));
    struct error err = {0};
    assert_int_equal(count_items(db), 0);
    assert_true(add_item(db, "new", 3, &err));
    struct db_stmt *check = db_use(db, "PRAGMA integrity_check");
    assert_int_equal(db_step(check, &err), DB_ROW);
    assert_string_equal(db_column_text(check, 0), "ok");
    db_end(check);
    db_close(db);
    free(path);
}

static void nobody_waits_for_who_makes_it(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct error err = {0};
    meanwhile.path = path;
    struct db *db = open_ok(path, options_of(DB_CREATE));
    assert_non_null(meanwhile.other); /* it was made, and opened, while this one was making it */
    assert_true(add_item(db, "one", 3, &err));
    assert_int_equal(count_items(meanwhile.other), 1); /* it is one file */
    db_close(meanwhile.other);
    db_close(db);
    DIR *dir = opendir(*state);
    for (struct dirent *entry; (entry = readdir(dir));)
        assert_null(strstr(entry->d_name, ".new"));
    closedir(dir);
    free(path);
}

int main(void)
{
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(what_is_written_is_read_again_after_reopening),
        SCRATCH_TEST(its_files_are_for_their_owner_only),
        SCRATCH_TEST(the_log_of_a_database_that_was_removed_is_not_replayed_into_a_new_one),
        SCRATCH_TEST(nobody_waits_for_who_makes_it),
        SCRATCH_TEST(a_missing_file_is_missing_and_stays_so),
        SCRATCH_TEST(a_file_of_another_kind_is_refused_untouched),
        SCRATCH_TEST(another_program_s_database_is_refused),
        SCRATCH_TEST(an_older_schema_is_brought_up_to_date),
        SCRATCH_TEST(a_newer_schema_is_refused_and_not_a_byte_changes),
        SCRATCH_TEST(a_full_disk_loses_nothing_and_the_same_connection_goes_on),
        cmocka_unit_test(a_transaction_is_all_or_nothing),
        SCRATCH_TEST(somebody_else_s_transaction_is_busy_after_the_timeout),
        SCRATCH_TEST(the_data_version_tells_of_others_commits_only),
        SCRATCH_TEST(four_processes_write_at_once_and_none_is_refused),
        SCRATCH_TEST(a_checkpoint_empties_the_wal_into_the_database),
        SCRATCH_TEST(a_backup_is_whole_and_replaces_the_last_one),
        SCRATCH_TEST(removing_waits_until_nobody_has_it_open),
        SCRATCH_TEST(vacuum_leaves_no_trace_of_what_was_deleted),
    };
    return RUN_TESTS("db", tests);
}
