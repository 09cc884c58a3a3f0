/* Damage in the log of a real database: what is had again, what is said, and that killed processes raise no alarm. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/db.h"
#include "sync/wal_guard.h"
#include "tests/support/scratch.h"

enum { ROWS = 30, PAGE = 512 };

static const char *const schema[] = {"CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB NOT NULL)"};

static struct db *open_db(const char *path, enum db_mode mode)
{
    struct error err = {0};
    struct db_options options = {.what = "the test", .mode = mode, .application_id = 0x77667431, .schema = schema,
                                 .schema_count = 1, .busy_ms = 5000, .manual_checkpoint = true, .page_bytes = PAGE};
    struct db *db = db_open(path, &options, &err);
    if (!db)
        fail_msg("%s", err.text);
    return db;
}

static bool add_row(struct db *db, const void *body, size_t len)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(db, "INSERT INTO item(body) VALUES (?1)");
    db_bind_bytes(stmt, 1, bytes_of(body, len));
    return db_run(stmt, &err);
}

static uint64_t ask(struct db *db, const char *question)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(db, question);
    if (!db_one(stmt, &err))
        fail_msg("%s", err.text);
    uint64_t answer = db_column_u64(stmt, 0);
    db_end(stmt);
    return answer;
}

/* Rows 1 to n, each with its number in it. */
static uint64_t rows_in_order(struct db *db)
{
    uint64_t count = ask(db, "SELECT count(*) FROM item");
    assert_int_equal(ask(db, "SELECT count(*) FROM item WHERE hex(substr(body, 1, 1)) = printf('%02X', id)"), count);
    assert_int_equal(ask(db, "SELECT coalesce(max(id), 0) FROM item"), count);
    return count;
}

/* A database whose writer was killed: all rows are in the log. */
static void make_killed(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct db *db = open_db(path, DB_CREATE);
        for (int row = 1; row <= ROWS; row++) {
            unsigned char body[40] = {(unsigned char)row};
            if (!add_row(db, body, sizeof body))
                _exit(1);
        }
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void write_file(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.len), (ssize_t)content.len);
    close(fd);
}

static char *with(const char *path, const char *suffix)
{
    return xformat("%s%s", path, suffix);
}

/* What was told, and whether the damaged log is there as it was. */
static bool was_set_aside(const char *path, struct bytes damaged, struct wal_verdict *verdict)
{
    struct wal_damage damage;
    struct error err = {0};
    struct buf kept = {0};
    if (!wal_damage_get(path, 0, &damage))
        return false;
    assert_true(wal_damage_judge(&damage, verdict, &err));
    assert_false(damage.told);
    scratch_read(damage.path, &kept);
    assert_true(bytes_equal(buf_view(&kept), damaged));
    wal_damage_release(&damage);
    buf_release(&kept);
    return true;
}

static enum wal_state state_of(const struct wal_damage *damage)
{
    struct wal_verdict verdict = {0};
    struct error err = {0};
    assert_true(wal_damage_judge(damage, &verdict, &err));
    return verdict.state;
}

static void expect_all_or_told(const char *path, struct bytes damaged, unsigned counts[3])
{
    struct wal_verdict verdict = {0};
    struct db *db = open_db(path, DB_WRITE);
    uint64_t rows = rows_in_order(db);
    bool told = was_set_aside(path, damaged, &verdict);
    if (told && verdict.state == WAL_CUT)
        assert_true(rows + verdict.lost >= ROWS);
    else
        assert_int_equal(rows, ROWS);
    unsigned char next[40] = {(unsigned char)(rows + 1)};
    assert_true(add_row(db, next, sizeof next));
    db_close(db);
    db = open_db(path, DB_READ);
    assert_int_equal(rows_in_order(db), rows + 1);
    assert_true(ask(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0);
    db_close(db);
    counts[told ? verdict.state : WAL_WHOLE]++;
}

static void a_lost_byte_of_a_real_log_loses_nothing_or_is_told(void **state)
{
    enum { STEP = 409 };
    char *path = scratch_file(*state, "a.db"), *log_path = with(path, "-wal");
    struct buf file = {0}, log = {0}, damaged = {0};
    unsigned counts[3] = {0};
    struct error err = {0};
    make_killed(path);
    scratch_read(path, &file);
    scratch_read(log_path, &log);
    for (size_t at = 0; at < log.len; at += at < WAL_HEADER_BYTES + WAL_FRAME_HEADER_BYTES ? 1 : STEP) {
        assert_true(db_remove(path, &err));
        buf_clear(&damaged);
        buf_add_bytes(&damaged, buf_view(&log));
        damaged.data[at] ^= 1u << at % 8;
        write_file(path, buf_view(&file));
        write_file(log_path, buf_view(&damaged));
        expect_all_or_told(path, buf_view(&damaged), counts);
    }
    print_message("a log of %zu bytes: mended %u, cut %u, nothing to do %u\n", log.len, counts[WAL_MENDED], counts[WAL_CUT],
                  counts[WAL_WHOLE]);
    assert_true(counts[WAL_MENDED] > 4 * counts[WAL_CUT]);
    assert_int_equal(counts[WAL_WHOLE], 0);
    buf_release(&file);
    buf_release(&log);
    buf_release(&damaged);
    free(log_path);
    free(path);
}

static void damage(const char *path, size_t at)
{
    char *log_path = with(path, "-wal");
    struct buf log = {0};
    scratch_read(log_path, &log);
    for (size_t i = at; i < at + 100; i++)
        log.data[i] ^= 0x5a;
    write_file(log_path, buf_view(&log));
    buf_release(&log);
    free(log_path);
}

static void who_reads_only_mends_it_too_and_a_told_one_stays_told(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct wal_damage found;
    struct error err = {0};
    make_killed(path);
    damage(path, WAL_HEADER_BYTES + 10 * (WAL_FRAME_HEADER_BYTES + PAGE) + 300);
    struct db *db = open_db(path, DB_READ);
    uint64_t rows = rows_in_order(db);
    assert_true(wal_damage_get(path, 0, &found));
    assert_true(state_of(&found) == WAL_CUT ? rows < ROWS : rows == ROWS);
    wal_damage_tell(&found);
    wal_damage_release(&found);
    db_close(db);
    assert_true(wal_damage_get(path, 0, &found));
    assert_true(found.told);
    wal_damage_release(&found);
    assert_false(wal_damage_get(path, 1, &found));
    assert_true(db_remove(path, &err));
    assert_false(wal_damage_get(path, 0, &found));
    free(path);
}

/* A power cut: what was not synced is there in part. The page of any one commit that is zeros, or all since then, is lost or told. */
static void a_page_that_never_reached_the_disk_is_told_as_lost_at_most(void **state)
{
    enum { LAST = 3 /* frames of a commit, at most */ };
    char *path = scratch_file(*state, "a.db"), *log_path = with(path, "-wal");
    struct buf file = {0}, log = {0}, torn = {0};
    unsigned counts[3] = {0};
    struct error err = {0};
    make_killed(path);
    scratch_read(path, &file);
    scratch_read(log_path, &log);
    size_t frame = WAL_FRAME_HEADER_BYTES + PAGE, frames = (log.len - WAL_HEADER_BYTES) / frame;
    for (size_t n = 0; n + LAST < frames; n++) { /* the last commit alone looks like a killed writer */
        assert_true(db_remove(path, &err));
        buf_clear(&torn);
        buf_add_bytes(&torn, buf_view(&log));
        memset(torn.data + WAL_HEADER_BYTES + n * frame + WAL_FRAME_HEADER_BYTES, 0, PAGE);
        write_file(path, buf_view(&file));
        write_file(log_path, buf_view(&torn));
        expect_all_or_told(path, buf_view(&torn), counts);
    }
    print_message("%zu frames: mended %u, cut %u, nothing to do %u\n", frames, counts[WAL_MENDED], counts[WAL_CUT],
                  counts[WAL_WHOLE]);
    assert_true(counts[WAL_CUT] > 0);
    assert_int_equal(counts[WAL_WHOLE], 0);
    buf_release(&file);
    buf_release(&log);
    buf_release(&torn);
    free(log_path);
    free(path);
}

/* What a process that was killed while it mended had made. */
static void what_a_killed_mender_left_is_removed(void **state)
{
    char *path = scratch_file(*state, "a.db"), *left = with(path, "-wal.new");
    struct wal_damage found;
    struct error err = {0};
    for (int damaged = 0; damaged < 2; damaged++) {
        make_killed(path);
        if (damaged)
            damage(path, WAL_HEADER_BYTES + 10 * (WAL_FRAME_HEADER_BYTES + PAGE) + 300);
        write_file(left, bytes_of("half a lo", 9));
        struct db *db = open_db(path, DB_READ);
        assert_true(access(left, F_OK) != 0);
        assert_true(rows_in_order(db) > 0);
        db_close(db);
        assert_int_equal(wal_damage_get(path, 0, &found), damaged);
        if (damaged)
            wal_damage_release(&found);
        write_file(left, bytes_of("half a lo", 9));
        assert_true(db_remove(path, &err));
        assert_true(access(left, F_OK) != 0);
    }
    free(left);
    free(path);
}

/* Whoever only wants to know whether a person has been told of it has not to read it. */
static void one_that_cannot_be_read_hides_no_other(void **state)
{
    char *path = scratch_file(*state, "a.db"), *aside = with(path, "-wal.damaged");
    struct wal_damage found;
    struct wal_verdict verdict;
    struct error err = {0};
    assert_int_equal(mkdir(aside, 0700), 0); /* opens, and gives no bytes: root may read anything else */
    assert_true(wal_damage_get(path, 0, &found));
    assert_false(found.told);
    assert_false(wal_damage_judge(&found, &verdict, &err));
    assert_non_null(strstr(err.text, aside));
    wal_damage_release(&found);
    assert_int_equal(rmdir(aside), 0);
    assert_false(wal_damage_get(path, 0, &found));
    free(aside);
    free(path);
}

/* SQLite reads the log no more while anybody has it open; what is damaged then is found by the next first one. */
static void a_log_that_is_in_use_is_left_alone(void **state)
{
    char *path = scratch_file(*state, "a.db");
    struct wal_damage found;
    struct db *first = open_db(path, DB_CREATE);
    for (unsigned char row = 1; row <= ROWS; row++)
        assert_true(add_row(first, (unsigned char[40]){row}, 40));
    damage(path, WAL_HEADER_BYTES + 10 * (WAL_FRAME_HEADER_BYTES + PAGE) + 300);
    struct db *second = open_db(path, DB_WRITE);
    assert_false(wal_damage_get(path, 0, &found));
    assert_int_equal(ask(second, "SELECT count(*) FROM item"), ROWS);
    db_close(second);
    db_close(first);
    free(path);
}

static void of_many_that_come_at_once_one_mends_it(void **state)
{
    enum { MANY = 6 };
    char *path = scratch_file(*state, "a.db");
    struct wal_damage found;
    make_killed(path);
    damage(path, WAL_HEADER_BYTES + 10 * (WAL_FRAME_HEADER_BYTES + PAGE) + 300);
    for (int i = 0; i < MANY; i++) {
        if (fork() == 0) {
            struct db *db = open_db(path, i % 2 ? DB_WRITE : DB_READ);
            bool good = i % 2 == 0 || add_row(db, "x", 1);
            usleep(20000); /* so that several have it open at once; nothing is to be right by then */
            db_close(db);
            _exit(good ? 0 : 1);
        }
    }
    for (int i = 0; i < MANY; i++) {
        int status = 0;
        wait(&status);
        assert_int_equal(status, 0);
    }
    struct db *db = open_db(path, DB_READ);
    assert_true(wal_damage_get(path, 0, &found));
    uint64_t rows = ask(db, "SELECT count(*) FROM item");
    if (state_of(&found) == WAL_MENDED)
        assert_int_equal(rows, ROWS + MANY / 2);
    wal_damage_release(&found);
    assert_false(wal_damage_get(path, 1, &found));
    db_close(db);
    free(path);
}

/* --- no alarm --- */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Keys, long transactions that SQLite spills, some of them taken back; the log begun again now and then. Until it is killed. */
static void write_until_killed(const char *path, uint64_t seed)
{
    struct random random;
    random = random_of(seed);
    struct db *db = open_db(path, DB_WRITE);
    struct error err = {0};
    unsigned char body[3000] = {0};
    for (;;) {
        uint64_t what = random_below(&random, 100);
        bool good = true;
        if (what < 90) {
            good = add_row(db, body, random_below(&random, 400));
        } else if (what < 98) {
            good = db_begin(db, &err) && db_exec(db, "PRAGMA cache_size = 10", &err);
            for (uint64_t rows = random_below(&random, 60); good && rows > 0; rows--)
                good = add_row(db, body, random_below(&random, sizeof body)) &&
                       db_exec(db, "UPDATE item SET body = x'00' WHERE id = (SELECT min(id) + abs(random() % 50) FROM item)",
                               &err);
            if (random_below(&random, 3))
                good = good && db_commit(db, &err);
            else
                db_rollback(db);
        } else {
            good = db_checkpoint(db, &err);
        }
        if (!good)
            _exit(1);
    }
}

static void killed_writers_raise_no_alarm(void **state)
{
    enum { WRITERS = 3, BUDGET_MS = 3000 };
    char *path = scratch_file(*state, "a.db");
    struct random random;
    random = random_of(support_seed("wal_guard", 1));
    db_close(open_db(path, DB_CREATE));
    unsigned kills = 0, rounds = 0;
    for (uint64_t until_ms = now_ms() + BUDGET_MS; now_ms() < until_ms; rounds++) {
        pid_t writers[WRITERS];
        for (int i = 0; i < WRITERS; i++) {
            uint64_t seed = random_next(&random);
            writers[i] = fork();
            if (writers[i] == 0)
                write_until_killed(path, seed);
        }
        for (int i = 0; i < WRITERS; i++) {
            int status = 0;
            usleep((useconds_t)random_below(&random, 30000));
            kill(writers[i], SIGKILL);
            assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
            assert_true(WIFSIGNALED(status));
            kills++;
        }
        struct wal_damage found;
        struct db *db = open_db(path, DB_READ);
        assert_false(wal_damage_get(path, 0, &found));
        assert_int_equal(ask(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
        db_close(db);
    }
    print_message("%u kills in %u rounds\n", kills, rounds);
    free(path);
}

int main(void)
{
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_lost_byte_of_a_real_log_loses_nothing_or_is_told),
        SCRATCH_TEST(who_reads_only_mends_it_too_and_a_told_one_stays_told),
        SCRATCH_TEST(a_page_that_never_reached_the_disk_is_told_as_lost_at_most),
        SCRATCH_TEST(what_a_killed_mender_left_is_removed),
        SCRATCH_TEST(one_that_cannot_be_read_hides_no_other),
        SCRATCH_TEST(a_log_that_is_in_use_is_left_alone),
        SCRATCH_TEST(of_many_that_come_at_once_one_mends_it),
        SCRATCH_TEST(killed_writers_raise_no_alarm),
    };
    return RUN_TESTS("wal_guard", tests);
}
