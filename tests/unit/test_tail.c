/* The file that holds what is typed until its journal is there: whole frames or none, whatever happens to it. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/tail.h"
#include "tests/support/scratch.h"

static const struct agent_id agent = {{0xa1, 0x02}};
static const struct seal_key key = {{7}};

/* What was found: frames with a bar behind each. */
struct found {
    struct buf text;
    size_t files;
    bool damaged, keeps;
};

static bool note(void *self, const struct tail_left *left)
{
    struct found *found = self;
    assert_true(agent_id_equal(&left->agent, &agent));
    assert_true(left->count > 0);
    found->files++;
    found->damaged |= left->damaged;
    for (size_t i = 0; i < left->count; i++) {
        buf_add_bytes(&found->text, left->frames[i]);
        buf_add_byte(&found->text, '|');
    }
    return !found->keeps;
}

static struct found look(const char *dir, bool keeps)
{
    struct found found = {.keeps = keeps};
    tail_visit_dead(dir, &key, (struct tail_visitor){.self = &found, .fold = note});
    return found;
}

static void expect(const char *dir, size_t files, const char *text, bool damaged)
{
    struct found found = look(dir, true);
    assert_int_equal(found.files, files);
    assert_string_equal(buf_string(&found.text), text);
    assert_int_equal(found.damaged, damaged);
    buf_release(&found.text);
}

static char *tails(const char *dir)
{
    return scratch_file(dir, "tails");
}

static char *file_of(const char *dir)
{
    return xformat("%s/tails/a1020000000000000000000000000000.tail", dir);
}

static void put(struct tail *tail, const char *text)
{
    tail_put(tail, bytes_of_string(text));
}

static void write_ok(struct tail *tail)
{
    struct error err = {0};
    if (!tail_write(tail, &err))
        fail_msg("%s", err.text);
}

/* Of a process that has died: "head", "one", "two". */
static void leave_three(const char *dir)
{
    struct tail *tail = tail_new(dir, &agent, &key);
    put(tail, "head");
    put(tail, "one");
    write_ok(tail);
    put(tail, "two");
    write_ok(tail);
    tail_free(tail);
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void nothing_is_made_before_something_is_written(void **state)
{
    char *dir = tails(*state);
    struct error err = {0};
    struct tail *tail = tail_new(dir, &agent, &key);
    assert_true(tail_write(tail, &err));
    put(tail, "head");
    assert_int_equal(access(dir, F_OK), -1);
    tail_end(tail);
    assert_int_equal(access(dir, F_OK), -1);
    expect(dir, 0, "", false);
    free(dir);
}

static void what_the_dead_left_is_found_whole_sealed_and_private(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    struct stat st;
    leave_three(dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(scratch_contains(dir, "head"));
    expect(dir, 1, "head|one|two|", false);
    struct found folded = look(dir, false);
    assert_int_equal(folded.files, 1);
    buf_release(&folded.text);
    assert_int_equal(access(path, F_OK), -1);
    expect(dir, 0, "", false);
    free(dir);
    free(path);
}

static void a_living_process_is_left_alone_and_ends_its_file_itself(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    struct tail *tail = tail_new(dir, &agent, &key);
    put(tail, "head");
    write_ok(tail);
    expect(dir, 0, "", false);
    struct found found = {0}; /* who only looks sees what is written, and takes nothing away */
    put(tail, "not written yet");
    tail_visit_all(dir, &key, (struct tail_visitor){.self = &found, .fold = note});
    assert_int_equal(found.files, 1);
    assert_string_equal(buf_string(&found.text), "head|");
    buf_release(&found.text);
    assert_int_equal(access(path, F_OK), 0);
    tail_end(tail);
    assert_int_equal(access(path, F_OK), -1);
    tail_end(NULL);
    tail_free(NULL);
    free(dir);
    free(path);
}

/* Cut off at every length there is: the frames before the cut are found, nothing else, and nothing is called damaged. */
static void a_torn_last_frame_counts_as_absent(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    leave_three(dir);
    const size_t frame = 4 + CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES;
    const size_t ends[] = {frame + 4, 2 * frame + 7, 3 * frame + 10};
    assert_int_equal(size_of(path), ends[2]);
    for (size_t len = ends[2]; len > 0; len--) {
        assert_int_equal(truncate(path, (off_t)len), 0);
        expect(dir, len >= ends[0], len >= ends[2] ? "head|one|two|" : len >= ends[1] ? "head|one|" : len >= ends[0] ? "head|" : "",
               false);
        if (len <= ends[0])
            break; /* a file without a whole frame is gone with the first look */
    }
    assert_int_equal(truncate(path, (off_t)ends[0] - 1), 0);
    expect(dir, 0, "", false);
    assert_int_equal(access(path, F_OK), -1);
    free(dir);
    free(path);
}

static void flip(const char *path, size_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* Any one byte of it changed: what stands before the frame that it is in is found, and that is never guessed at. */
static void a_damaged_frame_ends_what_is_found(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    leave_three(dir);
    const size_t frame = 4 + CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES;
    for (size_t at = frame + 4; at < 3 * frame + 10; at++) {
        flip(path, at);
        struct found found = look(dir, true);
        bool in_length = at < frame + 8 || (at >= 2 * frame + 7 && at < 2 * frame + 11); /* may look torn as well */
        assert_int_equal(found.files, 1);
        assert_true(found.damaged || in_length);
        assert_string_equal(buf_string(&found.text), at < 2 * frame + 7 ? "head|" : "head|one|");
        buf_release(&found.text);
        flip(path, at);
    }
    expect(dir, 1, "head|one|two|", false);
    flip(path, 10); /* nothing opens: it may be another device's, and stays */
    expect(dir, 0, "", false);
    assert_int_equal(access(path, F_OK), 0);
    free(dir);
    free(path);
}

struct troubled {
    enum tail_trouble trouble;
    char *path;
    bool dead;
};

static bool fold_nothing(void *self, const struct tail_left *left)
{
    (void)self;
    (void)left;
    fail_msg("nothing in it can be read");
    return true;
}

static bool says_dead(void *self, const struct agent_id *of)
{
    const struct troubled *troubled = self;
    assert_true(agent_id_equal(of, &agent));
    return troubled->dead;
}

static void take_trouble(void *self, enum tail_trouble trouble, const char *path)
{
    struct troubled *troubled = self;
    assert_null(troubled->path);
    troubled->trouble = trouble;
    troubled->path = xstrdup(path);
}

static void a_file_of_which_nothing_can_be_read_is_set_aside(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    struct troubled troubled = {0};
    struct tail_visitor visitor = {&troubled, fold_nothing, says_dead, take_trouble};
    leave_three(dir);
    uint64_t size = size_of(path);
    flip(path, 10);
    tail_visit_dead(dir, &key, visitor); /* not while its agent may live */
    assert_null(troubled.path);
    assert_int_equal(size_of(path), size);
    troubled.dead = true;
    tail_visit_dead(dir, &key, visitor);
    assert_non_null(troubled.path);
    assert_int_equal(troubled.trouble, TAIL_UNREADABLE);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(size_of(troubled.path), size);
    free(troubled.path);
    troubled.path = NULL;
    tail_visit_dead(dir, &key, visitor); /* once */
    assert_null(troubled.path);
    free(dir);
    free(path);
}

struct seen_aside {
    struct buf text; /* the frames with a bar behind each */
    size_t files;
    bool removes;
};

static bool note_aside(void *self, const struct tail_left *left)
{
    struct seen_aside *seen = self;
    assert_true(agent_id_equal(&left->agent, &agent));
    seen->files++;
    for (size_t i = 0; i < left->count; i++) {
        buf_add_bytes(&seen->text, left->frames[i]);
        buf_add_byte(&seen->text, '|');
    }
    return seen->removes;
}

static void expect_aside(const char *dir, size_t files, const char *text, bool removes)
{
    struct seen_aside seen = {.removes = removes};
    tail_visit_aside(dir, &key, (struct tail_aside_visitor){&seen, note_aside});
    assert_int_equal(seen.files, files);
    assert_string_equal(buf_string(&seen.text), text);
    buf_release(&seen.text);
}

/* By nobody else, and it goes when who reads it says so. */
static void what_was_set_aside_can_be_read(void **state)
{
    char *dir = tails(*state), *path = file_of(*state), *aside;
    struct error err = {0};
    expect_aside(dir, 0, "", true); /* there is not even the directory */
    leave_three(dir);
    expect_aside(dir, 0, "", true);
    assert_true(tail_set_aside(path, &aside, &err));
    expect(dir, 0, "", false);
    expect_aside(dir, 1, "head|one|two|", false);
    flip(aside, 10);
    expect_aside(dir, 1, "", false);
    expect_aside(dir, 1, "", true);
    assert_int_equal(access(aside, F_OK), -1);
    expect_aside(dir, 0, "", false);
    free(dir);
    free(path);
    free(aside);
}

static void frames_cannot_change_places_nor_files(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    leave_three(dir);
    char *other = xformat("%s/b1020000000000000000000000000000.tail", dir);
    struct buf file = {0};
    scratch_read(path, &file);
    assert_int_equal(rename(path, other), 0);
    expect(dir, 0, "", false);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const size_t head = 4 + CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES + 4;
    assert_int_equal(write(fd, file.data, head), head);
    assert_int_equal(write(fd, file.data, head), head);
    close(fd);
    expect(dir, 1, "head|", true);
    buf_release(&file);
    free(other);
    free(dir);
    free(path);
}

/* No file may grow beyond this many bytes: what a full disk is to write(2), half a frame included. */
static void allow_bytes(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_takes_a_frame_whole_or_not_at_all(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    struct error err = {0};
    struct tail *tail = tail_new(dir, &agent, &key);
    signal(SIGXFSZ, SIG_IGN);
    put(tail, "head");
    write_ok(tail);
    uint64_t before = size_of(path);
    allow_bytes(before + 20);
    put(tail, "one");
    assert_false(tail_write(tail, &err));
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(size_of(path), before);
    assert_false(tail_write(tail, &err));
    allow_bytes(RLIM_INFINITY);
    put(tail, "two");
    write_ok(tail); /* room again: nothing is missing, nothing twice */
    tail_free(tail);
    expect(dir, 1, "head|one|two|", false);
    free(dir);
    free(path);
}

/* Whatever a run before has left behind it, a reader sees the run that is there, and no more. */
static void a_tail_that_is_begun_again_is_read_as_it_is_now(void **state)
{
    char *dir = tails(*state);
    struct random random = random_of(support_seed("a_tail_that_is_begun_again_is_read_as_it_is_now", 1));
    struct tail *tail = tail_new(dir, &agent, &key);
    struct error err = {0};
    struct buf expected = {0};
    assert_true(tail_make(tail, &err) && tail_make(tail, &err));
    for (uint64_t round = 0; round < support_rounds(300); round++) {
        if (random_chance(&random, 3)) {
            tail_restart(tail);
            buf_clear(&expected);
        }
        for (uint64_t frames = 1 + random_below(&random, 3); frames > 0; frames--) {
            char frame[9] = "abcdefgh";
            frame[random_below(&random, 9)] = '\0';
            put(tail, frame);
            buf_addf(&expected, "%s|", frame);
        }
        write_ok(tail);
        struct found found = {0};
        tail_visit_all(dir, &key, (struct tail_visitor){.self = &found, .fold = note});
        assert_string_equal(buf_string(&found.text), buf_string(&expected));
        assert_false(found.damaged);
        buf_release(&found.text);
    }
    assert_true(tail_exists(dir, &agent));
    tail_free(tail);
    assert_true(tail_exists(dir, &agent)); /* nobody has folded it */
    expect(dir, 1, buf_string(&expected), false);
    struct found folded = look(dir, false);
    buf_release(&folded.text);
    assert_false(tail_exists(dir, &agent));
    buf_release(&expected);
    free(dir);
}

static void a_full_disk_leaves_nothing_of_a_run_that_is_over(void **state)
{
    char *dir = tails(*state), *path = file_of(*state);
    struct error err = {0};
    struct tail *tail = tail_new(dir, &agent, &key);
    signal(SIGXFSZ, SIG_IGN);
    put(tail, "head");
    put(tail, "one");
    write_ok(tail);
    tail_restart(tail);
    allow_bytes(60);
    put(tail, "head");
    put(tail, "two");
    assert_false(tail_write(tail, &err));
    assert_int_equal(size_of(path), 0);
    allow_bytes(RLIM_INFINITY);
    write_ok(tail);
    tail_free(tail);
    expect(dir, 1, "head|two|", false);
    free(dir);
    free(path);
}

static void a_directory_that_cannot_be_made_is_an_error_in_words(void **state)
{
    char *dir = xformat("%s/missing/tails", (const char *)*state);
    struct error err = {0};
    struct tail *tail = tail_new(dir, &agent, &key);
    put(tail, "head");
    assert_false(tail_write(tail, &err));
    assert_non_null(strstr(err.text, "cannot make"));
    tail_free(tail);
    free(dir);
}

static void a_tail_has_a_bound_and_gives_up_beyond_it(void **state)
{
    char *dir = tails(*state);
    struct error err = {0};
    struct buf large = {0};
    memset(buf_extend(&large, TAIL_FRAME_BYTES_MAX), 'x', TAIL_FRAME_BYTES_MAX);
    struct tail *tail = tail_new(dir, &agent, &key);
    put(tail, "head");
    write_ok(tail);
    for (size_t written = 0; written + TAIL_FRAME_BYTES_MAX < TAIL_BYTES_MAX - 1000; written += TAIL_FRAME_BYTES_MAX) {
        tail_put(tail, buf_view(&large));
        write_ok(tail);
    }
    tail_put(tail, buf_view(&large));
    assert_false(tail_write(tail, &err));
    put(tail, "small");
    assert_false(tail_write(tail, &err)); /* there would be a gap */
    assert_int_equal(err.code, ERR_LIMIT);
    tail_end(tail);
    buf_release(&large);
    free(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_made_before_something_is_written),
        TEST(what_the_dead_left_is_found_whole_sealed_and_private),
        TEST(a_living_process_is_left_alone_and_ends_its_file_itself),
        TEST(a_torn_last_frame_counts_as_absent),
        TEST(a_damaged_frame_ends_what_is_found),
        TEST(a_file_of_which_nothing_can_be_read_is_set_aside),
        TEST(what_was_set_aside_can_be_read),
        TEST(frames_cannot_change_places_nor_files),
        TEST(a_full_disk_takes_a_frame_whole_or_not_at_all),
        TEST(a_tail_that_is_begun_again_is_read_as_it_is_now),
        TEST(a_full_disk_leaves_nothing_of_a_run_that_is_over),
        TEST(a_directory_that_cannot_be_made_is_an_error_in_words),
        TEST(a_tail_has_a_bound_and_gives_up_beyond_it),
    };
    return RUN_TESTS("tail", tests);
}
