/*
 * A replica and its file: changes by other programs are merged exactly once, whenever a process is killed, and nothing of
 * one document's file is taken for another's.
 *
 * Kills are exact: the functions of the journal that an import goes through are wrapped by the linker (--wrap), and a
 * forked process ends itself with SIGKILL at the place the test names.
 */
#include "tests/support/support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

#define LAST_MOMENT "at the last moment\n"

/* --- the places where a process dies or the journal fails --- */

enum place { NOWHERE, BEFORE_CLAIM, AFTER_CLAIM, BEFORE_DONE, AFTER_DONE, AFTER_WRITING_THE_FILE, IN_THE_COPY };
static enum place dies_at;
static int claims_to_fail;
static atomic_bool typed;
static const char *changes_before_saving; /* a file that another program writes then */
static int appends_before_saving = -1;    /* one that it appends a line to */

static void die_at(enum place place)
{
    if (dies_at == place)
        raise(SIGKILL);
}

enum journal_claim __real_journal_import_claim(struct journal *journal, const struct journal_import *import,
                                               const struct agent_id *by, const struct agent_id *dead,
                                               struct agent_id *owner, bool *done, struct error *err);
enum journal_claim __wrap_journal_import_claim(struct journal *journal, const struct journal_import *import,
                                               const struct agent_id *by, const struct agent_id *dead,
                                               struct agent_id *owner, bool *done, struct error *err);
enum journal_claim __wrap_journal_import_claim(struct journal *journal, const struct journal_import *import,
                                               const struct agent_id *by, const struct agent_id *dead,
                                               struct agent_id *owner, bool *done, struct error *err)
{
    if (claims_to_fail > 0) {
        claims_to_fail--;
        error_set(err, ERR_IO, 0, "the disk is tired");
        return JOURNAL_CLAIM_FAILED;
    }
    die_at(BEFORE_CLAIM);
    enum journal_claim claim = __real_journal_import_claim(journal, import, by, dead, owner, done, err);
    die_at(AFTER_CLAIM);
    return claim;
}

bool __real_journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err);
bool __wrap_journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err);
bool __wrap_journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err)
{
    die_at(BEFORE_DONE);
    bool good = __real_journal_import_done(journal, import, err);
    die_at(AFTER_DONE); /* not committed yet */
    return good;
}

enum file_saved __real_file_save(const struct file_save *save, struct file_stamp *stamp, struct error *err);
enum file_saved __wrap_file_save(const struct file_save *save, struct file_stamp *stamp, struct error *err);
enum file_saved __wrap_file_save(const struct file_save *save, struct file_stamp *stamp, struct error *err)
{
    if (changes_before_saving)
        scratch_write(changes_before_saving, "by another program");
    changes_before_saving = NULL;
    if (appends_before_saving >= 0)
        assert_int_equal(write(appends_before_saving, LAST_MOMENT, strlen(LAST_MOMENT)), strlen(LAST_MOMENT));
    appends_before_saving = -1;
    enum file_saved saved = __real_file_save(save, stamp, err);
    die_at(AFTER_WRITING_THE_FILE);
    return saved;
}

/* The last moment in which another program can write to the file that a save replaces. */
static const char *appended_before_renaming; /* by another program, to this file: */
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    const char *path = appended_before_renaming;
    appended_before_renaming = NULL;
    if (path) {
        FILE *file = fopen(path, "ab");
        assert_non_null(file);
        assert_true(fputs(LAST_MOMENT, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    return __real_renameat2(from_dir, from, to_dir, to, flags);
}

/* Between the bytes of the file and what the journal says of it, another process of ours does something. */
static void (*before_saved_get)(void);
bool __real_journal_saved_get(struct journal *journal, const char *path, struct journal_saved *saved, struct buf *memory,
                              bool *found, struct error *err);
bool __wrap_journal_saved_get(struct journal *journal, const char *path, struct journal_saved *saved, struct buf *memory,
                              bool *found, struct error *err);
bool __wrap_journal_saved_get(struct journal *journal, const char *path, struct journal_saved *saved, struct buf *memory,
                              bool *found, struct error *err)
{
    void (*act)(void) = before_saved_get;
    before_saved_get = NULL;
    if (act)
        act();
    return __real_journal_saved_get(journal, path, saved, memory, found, err);
}

/*
 * A transaction takes eight chunks, and what waits with them. Typed while the second one runs, a key is in the third at the
 * latest; the fourth dies.
 */
enum { CHUNK_THAT_WAITS = 9, CHUNK_THAT_DIES = 25 };

bool __real_journal_base_put(struct journal *journal, uint64_t chunk, struct bytes bytes, struct error *err);
bool __wrap_journal_base_put(struct journal *journal, uint64_t chunk, struct bytes bytes, struct error *err);
bool __wrap_journal_base_put(struct journal *journal, uint64_t chunk, struct bytes bytes, struct error *err)
{
    while (chunk == CHUNK_THAT_WAITS && dies_at == IN_THE_COPY && !atomic_load(&typed))
        (void)poll(NULL, 0, 1);
    if (chunk == CHUNK_THAT_DIES)
        die_at(IN_THE_COPY);
    return __real_journal_base_put(journal, chunk, bytes, err);
}

/* --- a person's machine --- */

struct machine {
    struct home *home;
    char *path;
    uint64_t base_bytes_max; /* 0: as it is */
};

static int setup(void **state)
{
    struct machine *machine = xcalloc(1, sizeof *machine);
    int rc = home_setup((void **)&machine->home);
    machine->path = scratch_file(machine->home->dir, "notes.md");
    *state = machine;
    dies_at = NOWHERE;
    claims_to_fail = 0;
    return rc;
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    int rc = home_teardown((void **)&machine->home);
    free(machine->path);
    free(machine);
    return rc;
}

static struct replica *open_it(struct machine *machine)
{
    struct error err = {0};
    struct replica_options options = {
        .port = home_port(machine->home), .name = "ada", .base_bytes_max = machine->base_bytes_max};
    struct replica *replica = replica_open(&machine->home->env, machine->path, (struct bytes){0}, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    return replica;
}

static bool text_is(struct replica *replica, const char *expected)
{
    struct buf now = {0};
    const struct rope *text = replica_buffer(replica)->text;
    rope_append_to(text, 0, rope_len(text), &now);
    bool same = strcmp(buf_string(&now), expected) == 0;
    buf_release(&now);
    return same;
}

static void expect_text(struct replica *replica, const char *expected)
{
    enum { STEP_MS = 20, TRIES = 1500 };
    for (int i = 0; i < TRIES && !text_is(replica, expected); i++)
        replica_wait(replica, STEP_MS);
    struct buf now = {0};
    const struct rope *text = replica_buffer(replica)->text;
    rope_append_to(text, 0, rope_len(text), &now);
    assert_string_equal(buf_string(&now), expected);
    buf_release(&now);
}

static void expect_in_text(struct replica *replica, const char *text)
{
    struct buf now = {0};
    const struct rope *all = replica_buffer(replica)->text;
    rope_append_to(all, 0, rope_len(all), &now);
    if (!strstr(buf_string(&now), text))
        fail_msg("not in the text: %s\nthe text: %s", text, buf_string(&now));
    buf_release(&now);
}

static void replace(struct replica *replica, uint64_t at, uint64_t deleted, const char *text)
{
    struct patch patch = {0};
    struct error err = {0};
    patch_replace(&patch, at, deleted, bytes_of_string(text));
    assert_true(replica_edit(replica, &patch, selection_at(at), EDIT_WHOLE, &err));
    patch_release(&patch);
}

static void expect_settled(struct replica *replica)
{
    enum { STEP_MS = 10, TRIES = 3000 };
    for (int i = 0; i < TRIES && !replica_is_settled(replica); i++)
        replica_wait(replica, STEP_MS);
    assert_true(replica_is_settled(replica));
}

static void expect_said(struct machine *machine, struct replica *replica, const char *text)
{
    enum { STEP_MS = 20, TRIES = 1500 };
    for (int i = 0; i < TRIES && !home_was_said(machine->home, text); i++)
        replica_wait(replica, STEP_MS);
    if (!home_was_said(machine->home, text))
        fail_msg("not said: %s\nsaid: %s", text, buf_string(&machine->home->said));
}

static void expect_file(struct machine *machine, const char *expected)
{
    struct buf content = {0};
    scratch_read(machine->path, &content);
    assert_string_equal(buf_string(&content), expected);
    buf_release(&content);
}

static struct replica_status status_of(struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return status;
}

static void wait_saved(struct replica *replica)
{
    while (status_of(replica).saving)
        replica_wait(replica, 10);
    assert_true(status_of(replica).in_file);
}

/* --- killed at any place --- */

#define BEFORE "one\ntwo\nthree\nfour\n"
#define OUTSIDE "one\ntwo\nthree\nfour, by another program\n"
#define MERGED "mine: one\ntwo\nthree\nfour, by another program\n"

/* In a process of its own: types, sees the change of the file, dies while importing it. */
static void type_and_die(struct machine *machine, enum place place)
{
    enum { STEP_MS = 20, TRIES = 1500 };
    pid_t child = fork();
    if (child == 0) {
        dies_at = place;
        struct replica *replica = open_it(machine);
        home_insert(replica, "mine: ");
        expect_settled(replica);
        scratch_write(machine->path, OUTSIDE);
        for (int i = 0; i < TRIES; i++)
            replica_wait(replica, STEP_MS);
        _exit(3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void die_and_come_back(void **state, enum place place)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    type_and_die(machine, place);
    struct replica *replica = open_it(machine);
    expect_text(replica, MERGED);
    expect_settled(replica);
    assert_true(replica_save_now(replica, NULL, &err));
    expect_file(machine, MERGED);
    assert_true(status_of(replica).in_file);
    home_close(replica);
    replica = open_it(machine);
    assert_true(text_is(replica, MERGED));
    /* Both are this person's to take back, whoever of the dead wrote them. */
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(text_is(replica, BEFORE));
    home_close(replica);
}

static void killed_before_the_claim(void **state)
{
    die_and_come_back(state, BEFORE_CLAIM);
}

static void killed_between_the_claim_and_the_rows(void **state)
{
    die_and_come_back(state, AFTER_CLAIM);
}

static void killed_with_the_rows_before_done(void **state)
{
    die_and_come_back(state, BEFORE_DONE);
}

static void killed_before_the_commit(void **state)
{
    die_and_come_back(state, AFTER_DONE);
}

/* The change that a dead process claimed is seen by another one that was there all the time. */
static void a_living_process_takes_over_the_claim_of_a_killed_one(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    pid_t child = fork();
    if (child == 0) {
        dies_at = AFTER_CLAIM;
        struct replica *replica = open_it(machine);
        home_insert(replica, "mine: ");
        expect_settled(replica);
        expect_text(replica, "now: mine: " BEFORE); /* the other one is here, and saw this */
        scratch_write(machine->path, OUTSIDE);
        for (;;)
            replica_wait(replica, 20);
    }
    struct replica *replica = open_it(machine);
    expect_text(replica, "mine: " BEFORE);
    home_insert(replica, "now: ");
    expect_text(replica, "now: " MERGED);
    int status = 0;
    /* Whoever was first with the claim: it is merged once. A child that lost the claim sees it done and lives. */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    expect_settled(replica);
    assert_true(replica_save_now(replica, NULL, &err));
    expect_file(machine, "now: " MERGED);
    home_close(replica);
}

/* --- a claim that fails --- */

static void a_failed_claim_is_said_and_tried_again(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    expect_settled(replica);
    claims_to_fail = 1;
    scratch_write(machine->path, OUTSIDE);
    expect_said(machine, replica, "notes.md changed on disk and is not merged yet: the disk is tired. Trying again.");
    assert_true(text_is(replica, "mine: " BEFORE));
    assert_true(replica_save(replica, NULL, &err)); /* what nobody has merged is not written over */
    expect_said(machine, replica, "nothing was written");
    expect_text(replica, MERGED);
    assert_true(replica_save_now(replica, NULL, &err));
    expect_file(machine, MERGED);
    home_close(replica);
}

/* --- what a save took the place of --- */

static void expect_on_disk(struct machine *machine, struct replica *replica, const char *expected)
{
    enum { STEP_MS = 10, TRIES = 3000 };
    struct buf content = {0};
    for (int i = 0; i < TRIES; i++) {
        buf_clear(&content);
        scratch_read(machine->path, &content);
        if (strcmp(buf_string(&content), expected) == 0)
            break;
        replica_wait(replica, STEP_MS);
    }
    assert_string_equal(buf_string(&content), expected);
    buf_release(&content);
}

/* As the shell opens it for >>, or a program its log. */
static int open_to_append(struct machine *machine)
{
    int fd = open(machine->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void write_line(int fd, const char *line)
{
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
}

static struct replica *open_typed_and_saved(struct machine *machine, int *other)
{
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    *other = open_to_append(machine);
    assert_true(replica_save(replica, NULL, &err));
    expect_said(machine, replica, "Saved notes.md: 4 lines.");
    return replica;
}

#define SAID_LATE "Another program wrote to the notes.md that was saved over: +1 -0 lines merged."

static void what_is_written_to_the_replaced_file_is_merged_and_saved(void **state)
{
    struct machine *machine = *state;
    int other;
    struct replica *replica = open_typed_and_saved(machine, &other);
    write_line(other, "late\n");
    expect_on_disk(machine, replica, "mine: " BEFORE "late\n");
    expect_text(replica, "mine: " BEFORE "late\n");
    assert_true(home_was_said(machine->home, SAID_LATE));
    expect_settled(replica);
    wait_saved(replica); /* the file is there a moment before it is synced */
    close(other);
    home_close(replica);
    replica = open_it(machine);
    assert_true(text_is(replica, "mine: " BEFORE "late\n"));
    assert_true(status_of(replica).in_file);
    home_close(replica);
}

static void what_was_typed_since_is_not_saved_unasked(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    int other;
    struct replica *replica = open_typed_and_saved(machine, &other);
    home_insert(replica, "unsaved, ");
    write_line(other, "late\n");
    expect_text(replica, "unsaved, mine: " BEFORE "late\n");
    expect_settled(replica);
    expect_file(machine, "mine: " BEFORE);
    write_line(other, "later\n"); /* found before the next save, at the latest */
    assert_true(replica_save_now(replica, NULL, &err));
    expect_on_disk(machine, replica, "unsaved, mine: " BEFORE "late\nlater\n");
    close(other);
    home_close(replica);
}

static void the_replaced_file_is_looked_at_when_the_editor_leaves(void **state)
{
    struct machine *machine = *state;
    int other;
    struct replica *replica = open_typed_and_saved(machine, &other);
    write_line(other, "late\n");
    close(other);
    home_close(replica);
    expect_file(machine, "mine: " BEFORE "late\n");
}

static void expect_beside(struct machine *machine, const char *expected)
{
    struct buf beside = {0};
    char *path = xformat("%s.weft-recovered", machine->path);
    scratch_read(path, &beside);
    assert_string_equal(buf_string(&beside), expected);
    free(path);
    buf_release(&beside);
}

static void a_replaced_file_that_is_rewritten_goes_beside(void **state)
{
    struct machine *machine = *state;
    int other;
    struct replica *replica = open_typed_and_saved(machine, &other);
    assert_int_equal(ftruncate(other, 0), 0);
    write_line(other, "all is new\n");
    close(other);
    home_close(replica);
    expect_file(machine, "mine: " BEFORE);
    expect_beside(machine, "all is new\n");
}

static void what_is_written_at_the_last_moment_of_a_save_is_merged_and_saved(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    expect_settled(replica);
    appended_before_renaming = machine->path;
    assert_true(replica_save(replica, NULL, &err));
    expect_on_disk(machine, replica, "mine: " BEFORE LAST_MOMENT);
    assert_true(home_was_said(machine->home, SAID_LATE));
    home_insert(replica, "and ");
    appended_before_renaming = machine->path;
    assert_true(replica_save_now(replica, NULL, &err)); /* as a verb does it */
    expect_file(machine, "and mine: " BEFORE LAST_MOMENT LAST_MOMENT);
    assert_true(status_of(replica).in_file);
    home_close(replica);
}

/* `late` has opened the file and not noticed that another process of ours has begun its document since. */
static void open_unnoticed(struct machine *machine, struct replica **late, struct replica **first)
{
    scratch_write(machine->path, BEFORE);
    *late = open_it(machine);
    *first = open_it(machine);
    home_insert(*first, "mine: ");
    expect_settled(*first);
}

/* What came to the replaced file is beside, and what the file has is known as a version of the document that both have now. */
static void expect_adopted(struct machine *machine, struct replica *late, struct replica *first)
{
    expect_text(late, "mine: " BEFORE);
    expect_beside(machine, BEFORE LAST_MOMENT);
    home_close(first);
    scratch_write(machine->path, OUTSIDE);
    expect_text(late, MERGED);
    home_close(late);
}

static void a_save_that_finds_another_document_leaves_its_file_alone(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct replica *late, *first;
    open_unnoticed(machine, &late, &first);
    appended_before_renaming = machine->path;
    assert_true(replica_save_now(late, NULL, &err));
    expect_adopted(machine, late, first);
}

static void another_document_is_found_when_the_oldest_held_file_goes(void **state)
{
    enum { HELD_MAX = 8 };
    struct machine *machine = *state;
    struct error err = {0};
    struct replica *late, *first;
    open_unnoticed(machine, &late, &first);
    int oldest = open_to_append(machine);
    for (int i = 0; i < HELD_MAX; i++)
        assert_true(replica_save_now(late, NULL, &err));
    appends_before_saving = oldest;
    assert_true(replica_save_now(late, NULL, &err));
    close(oldest);
    expect_adopted(machine, late, first);
}

static struct replica *saves_meanwhile;

static void save_meanwhile(void)
{
    struct error err = {0};
    home_insert(saves_meanwhile, "theirs, ");
    assert_true(replica_save_now(saves_meanwhile, NULL, &err));
}

/* Bytes that were read before another process of ours saved are no change to what it saved. */
static void what_another_process_saves_meanwhile_is_not_taken_back(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *a = open_it(machine), *b = open_it(machine);
    home_insert(a, "mine: ");
    expect_settled(a);
    expect_text(b, "mine: " BEFORE);
    scratch_write(machine->path, OUTSIDE);
    saves_meanwhile = b;
    before_saved_get = save_meanwhile;
    expect_text(a, "theirs, " MERGED);
    expect_settled(a);
    const char *merged = strstr(buf_string(&machine->home->said), "Another program changed notes.md");
    assert_non_null(merged);
    assert_null(strstr(merged + 1, "Another program changed notes.md")); /* once, and nothing was taken back in between */
    expect_text(b, "theirs, " MERGED);
    assert_true(replica_save_now(a, NULL, &err));
    expect_file(machine, "theirs, " MERGED);
    home_close(a);
    home_close(b);
}

/* --- the same from two sides --- */

static void expect_known(struct replica *replica, const char *file)
{
    enum { STEP_MS = 20, TRIES = 500 };
    struct rope *expected = rope_from_bytes(bytes_of_string(file));
    for (int i = 0; i < TRIES && !rope_equal(replica_saved_text(replica), expected); i++)
        replica_wait(replica, STEP_MS);
    assert_true(rope_equal(replica_saved_text(replica), expected));
    rope_free(expected);
}

static void append(struct replica *replica, const char *text)
{
    struct patch patch = {0};
    struct error err = {0};
    uint64_t end = rope_len(replica_buffer(replica)->text);
    patch_replace(&patch, end, 0, bytes_of_string(text));
    assert_true(replica_edit(replica, &patch, selection_at(end), EDIT_WHOLE, &err));
    patch_release(&patch);
}

/* No version of this document has the bytes in the file: there was a word of one's own before that line came. */
static void what_is_here_and_comes_in_the_file_too_is_there_once(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    append(replica, "five\n");
    expect_settled(replica);
    scratch_write(machine->path, BEFORE "five\n");
    expect_known(replica, BEFORE "five\n");
    assert_true(text_is(replica, "mine: " BEFORE "five\n"));
    assert_false(home_was_said(machine->home, "merged"));
    /* The next change is found against what is in the file now. */
    scratch_write(machine->path, "one\ntwo, again\nthree\nfour\nfive\n");
    expect_text(replica, "mine: one\ntwo, again\nthree\nfour\nfive\n");
    assert_true(replica_save_now(replica, NULL, &err));
    expect_file(machine, "mine: one\ntwo, again\nthree\nfour\nfive\n");
    home_close(replica);
    replica = open_it(machine);
    assert_true(text_is(replica, "mine: one\ntwo, again\nthree\nfour\nfive\n"));
    home_close(replica);
}

static void an_import_with_something_new_is_one_step(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    home_insert(replica, "zero\n");
    expect_settled(replica);
    scratch_write(machine->path, "zero\n" BEFORE "five\n");
    expect_said(machine, replica, "+1 -0 lines merged");
    expect_text(replica, "zero\nmine: " BEFORE "five\n");
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    expect_text(replica, "zero\nmine: " BEFORE);
    home_close(replica);
}

/* --- a merge that was asked for --- */

#define DIFFERENT "all\nof\nthis\nis\nnew\n"

static void expect_question(struct replica *replica)
{
    enum { STEP_MS = 20, TRIES = 1500 };
    for (int i = 0; i < TRIES && replica_disk_question(replica, NULL) == DISK_QUESTION_NONE; i++)
        replica_wait(replica, STEP_MS);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_DIFFERENT);
}

static void ask_for_merge(struct machine *machine, struct replica *replica)
{
    struct error err = {0};
    scratch_write(machine->path, DIFFERENT);
    expect_question(replica);
    if (!replica_disk_answer(replica, DISK_MERGE, &err))
        fail_msg("%s", err.text);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_NONE);
}

static struct replica *share_it(struct machine *machine)
{
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there: shared all the same */
    return replica;
}

static void a_merge_that_was_asked_for_and_cannot_be_now_is_done_later(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct replica *replica = share_it(machine);
    home_insert(replica, "mine: ");
    claims_to_fail = 1;
    ask_for_merge(machine, replica);
    expect_said(machine, replica, "is not merged yet: the disk is tired. Trying again.");
    assert_true(replica_save(replica, NULL, &err)); /* the other program's text is not written over meanwhile */
    expect_said(machine, replica, "nothing was written");
    expect_file(machine, DIFFERENT);
    expect_said(machine, replica, "lines merged. ^Z takes it back.");
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_NONE);
    expect_in_text(replica, "all\nof\nthis\nis\nnew");
    assert_true(replica_save_now(replica, NULL, &err));
    home_close(replica);
}

/* What another program makes of a shared text without taking half of it away needs no answer; what does so, does. */
static void expect_of_shared(struct machine *machine, const char *before, const char *after, bool asked)
{
    struct error err = {0};
    scratch_write(machine->path, before);
    struct replica *replica = open_it(machine);
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there: shared all the same */
    replica_work_alone(replica, true); /* nor is anybody waited for */
    scratch_write(machine->path, after);
    if (asked)
        expect_question(replica);
    expect_text(replica, asked ? before : after);
    assert_int_equal(replica_disk_question(replica, NULL), asked ? DISK_QUESTION_DIFFERENT : DISK_QUESTION_NONE);
    home_close(replica);
}

static void a_short_shared_file_that_is_appended_to_is_merged(void **state)
{
    expect_of_shared(*state, "one\ntwo\n", "one\ntwo\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", false);
}

static void a_shared_file_that_was_empty_and_is_written_is_merged(void **state)
{
    expect_of_shared(*state, "", "one\ntwo\n", false);
}

static void a_shared_file_that_is_cut_to_less_than_half_is_asked_about(void **state)
{
    expect_of_shared(*state, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\n2\n3\n", true);
}

/* The question comes up at opening, before this run has written anything. */
static void a_merge_that_is_asked_for_first_of_all_is_done(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    home_close(share_it(machine));
    scratch_write(machine->path, DIFFERENT);
    struct replica *replica = open_it(machine);
    replica_work_alone(replica, true);
    expect_question(replica);
    if (!replica_disk_answer(replica, DISK_MERGE, &err))
        fail_msg("%s", err.text);
    expect_text(replica, DIFFERENT); /* soon: the journal of this run may have to be made first */
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_NONE);
    home_close(replica);
}

/* Saving under the file's own name asks for no answer: then nothing is written. */
static void what_is_asked_about_is_not_written_over(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    home_close(share_it(machine));
    scratch_write(machine->path, DIFFERENT);
    struct replica *replica = open_it(machine);
    replica_work_alone(replica, true);
    assert_false(replica_save_now(replica, NULL, &err));
    expect_file(machine, DIFFERENT);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_DIFFERENT);
    assert_true(replica_disk_answer(replica, DISK_KEEP_SHARED, &err));
    assert_true(replica_save_now(replica, NULL, &err));
    expect_file(machine, BEFORE);
    home_close(replica);
}

/* Saving under another name, too: what has come there since it was asked for is not written over. */
static void a_file_that_appears_under_the_other_name_is_not_written_over(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine");
    free(machine->path);
    machine->path = scratch_file(machine->home->dir, "plan.md");
    changes_before_saving = machine->path;
    assert_true(replica_save(replica, machine->path, &err));
    expect_said(machine, replica, "plan.md was changed by another program meanwhile: nothing was written. Save again to write over it.");
    expect_file(machine, "by another program");
    assert_true(replica_save_now(replica, machine->path, &err));
    expect_file(machine, "mine");
    home_close(replica);
}

/* --- sharing --- */

static void sharing_while_a_save_runs_keeps_the_documents_apart(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    assert_true(replica_save(replica, NULL, &err)); /* runs, and has not been taken yet */
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    replica_work_alone(replica, true);
    while (status_of(replica).saving)
        replica_wait(replica, 10);
    assert_true(status_of(replica).in_file);
    expect_file(machine, "mine: " BEFORE);
    scratch_write(machine->path, "mine: " OUTSIDE);
    expect_text(replica, MERGED);
    home_close(replica);
}

/* What is in the file was never a version of the shared document: a change of it is merged all the same. */
static void a_file_shared_before_it_was_saved_merges_changes_too(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    replica_work_alone(replica, true);
    assert_false(status_of(replica).in_file);
    scratch_write(machine->path, OUTSIDE);
    expect_text(replica, MERGED);
    assert_true(replica_save_now(replica, NULL, &err));
    expect_file(machine, MERGED);
    home_close(replica);
}

static void a_file_shared_before_it_was_saved_is_not_in_the_file_when_opened_again(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, BEFORE);
    struct replica *replica = open_it(machine);
    home_insert(replica, "mine: ");
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    home_close(replica);
    replica = open_it(machine);
    assert_true(text_is(replica, "mine: " BEFORE));
    assert_false(status_of(replica).in_file);
    home_close(replica);
}

/* --- a file too large to be copied into the journal --- */

#define LARGE "a file that is too large\nto be copied\ninto the journal\n"

/* What a process does until it is killed, at a place it names or at the end. */
static void killed_in(struct machine *machine, void (*life)(struct machine *machine, struct replica *replica))
{
    machine->base_bytes_max = machine->base_bytes_max ? machine->base_bytes_max : 16;
    pid_t child = fork();
    if (child == 0) {
        struct replica *replica = open_it(machine);
        life(machine, replica);
        expect_settled(replica);
        raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void types(struct machine *machine, struct replica *replica)
{
    (void)machine;
    home_insert(replica, "mine: ");
    replace(replica, 0, strlen("mine: a file"), "this is one");
}

static void what_was_typed_into_a_large_file_survives_a_kill(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, LARGE);
    killed_in(machine, types);
    struct replica *replica = open_it(machine);
    assert_true(text_is(replica, "this is one that is too large\nto be copied\ninto the journal\n"));
    assert_true(home_was_said(machine->home, "Restored 2 edits"));
    assert_false(status_of(replica).in_file);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(text_is(replica, LARGE));
    home_close(replica);
}

static void types_saves_and_types(struct machine *machine, struct replica *replica)
{
    struct error err = {0};
    types(machine, replica);
    assert_true(replica_save(replica, NULL, &err));
    wait_saved(replica);
    replace(replica, 0, strlen("this is one that is "), "still ");
}

static void after_a_save_a_large_file_has_its_whole_history_again(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, LARGE);
    killed_in(machine, types_saves_and_types);
    struct replica *replica = open_it(machine);
    assert_true(text_is(replica, "still too large\nto be copied\ninto the journal\n"));
    assert_true(home_was_said(machine->home, "Restored 1 edit"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(text_is(replica, LARGE)); /* what was deleted, and saved without, too */
    home_close(replica);
}

static void types_and_dies_saving(struct machine *machine, struct replica *replica)
{
    struct error err = {0};
    types(machine, replica);
    dies_at = AFTER_WRITING_THE_FILE;
    assert_true(replica_save(replica, NULL, &err));
    wait_saved(replica);
}

static void killed_when_a_large_file_was_just_written(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, LARGE);
    killed_in(machine, types_and_dies_saving);
    expect_file(machine, "this is one that is too large\nto be copied\ninto the journal\n");
    struct replica *replica = open_it(machine);
    assert_true(text_is(replica, "this is one that is too large\nto be copied\ninto the journal\n"));
    assert_false(home_was_said(machine->home, "merged"));
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(text_is(replica, LARGE));
    home_close(replica);
}

static void a_large_file_that_grew_meanwhile_is_merged(void **state)
{
    struct machine *machine = *state;
    scratch_write(machine->path, LARGE);
    killed_in(machine, types);
    scratch_write(machine->path, LARGE "and one more line\n");
    struct replica *replica = open_it(machine);
    expect_text(replica, "this is one that is too large\nto be copied\ninto the journal\nand one more line\n");
    home_close(replica);
}

/* The index is told of a save by another thread, after it. */
static void wait_noted(struct machine *machine, struct replica *replica)
{
    struct error err = {0};
    struct doc_entry entry = {0};
    char *path = xformat("%s/index.db", machine->home->state);
    struct stat st;
    assert_int_equal(stat(machine->path, &st), 0);
    for (bool found = false; !found || entry.ino != st.st_ino; replica_wait(replica, 10)) {
        struct doc_index *index = doc_index_open(path, DOC_INDEX_READ, &machine->home->env.device, &err);
        assert_true(index && doc_index_find_path(index, machine->path, &entry, &found, &err));
        doc_index_close(index);
    }
    doc_entry_release(&entry);
    free(path);
}

static void types_saves_and_types_until_it_is_noted(struct machine *machine, struct replica *replica)
{
    types_saves_and_types(machine, replica);
    wait_noted(machine, replica);
}

/* The journal refers to the file by the name it had. */
static void a_large_file_that_was_renamed_has_its_history(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    scratch_write(machine->path, LARGE);
    killed_in(machine, types_saves_and_types_until_it_is_noted);
    char *renamed = scratch_file(machine->home->dir, "plan.md");
    assert_int_equal(rename(machine->path, renamed), 0);
    free(machine->path);
    machine->path = renamed;
    for (int i = 0; i < 2; i++) { /* and the second time by the new one */
        struct replica *replica = open_it(machine);
        assert_true(text_is(replica, "still too large\nto be copied\ninto the journal\n"));
        home_close(replica);
    }
    struct replica *replica = open_it(machine);
    for (int i = 0; i < 3; i++)
        assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(text_is(replica, LARGE));
    home_close(replica);
}

static void what_was_typed_into_a_large_file_that_is_gone_goes_beside_it(void **state)
{
    struct machine *machine = *state;
    struct buf recovered = {0};
    scratch_write(machine->path, LARGE);
    killed_in(machine, types);
    scratch_write(machine->path, "something else altogether\n");
    struct replica *replica = open_it(machine);
    assert_true(text_is(replica, "something else altogether\n"));
    assert_true(status_of(replica).in_file);
    assert_true(home_was_said(machine->home,
                              "notes.md was changed by another program while edits were kept against its old text: "
                              "what you had typed is in "));
    char *path = xformat("%s.weft-recovered", machine->path);
    scratch_read(path, &recovered);
    assert_string_equal(buf_string(&recovered), "this is one");
    home_close(replica);
    buf_clear(&machine->home->said);
    replica = open_it(machine); /* once */
    assert_true(text_is(replica, "something else altogether\n"));
    assert_int_equal(machine->home->said.len, 0);
    home_close(replica);
    buf_release(&recovered);
    free(path);
}

static void types_first(struct machine *machine, struct replica *replica)
{
    (void)machine;
    dies_at = IN_THE_COPY;
    home_insert(replica, "mine: ");
    atomic_store(&typed, true);
}

/* Keys do not wait for the copy, and what they wrote does not need it whole. */
static void killed_while_the_base_is_copied(void **state)
{
    enum { BYTES = 7 << 20 };
    struct machine *machine = *state;
    struct error err = {0};
    char *text = xmalloc(BYTES + 1);
    for (size_t i = 0; i < BYTES; i++)
        text[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 23);
    text[BYTES] = '\0';
    scratch_write(machine->path, text);
    machine->base_bytes_max = BYTES;
    killed_in(machine, types_first);
    struct replica *replica = open_it(machine);
    char *expected = xformat("mine: %s", text);
    assert_true(text_is(replica, expected));
    home_insert(replica, "more: ");
    expect_settled(replica);
    home_close(replica);
    scratch_write(machine->path, "the file is not needed any more\n");
    replica = open_it(machine);
    assert_false(home_was_said(machine->home, "what you had typed is in"));
    expect_said(machine, replica, "Another program changed notes.md");
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    free(expected);
    expected = xformat("more: mine: %s", text);
    assert_true(text_is(replica, expected));
    home_close(replica);
    free(expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_is_written_to_the_replaced_file_is_merged_and_saved),
        TEST(what_was_typed_since_is_not_saved_unasked),
        TEST(what_is_written_at_the_last_moment_of_a_save_is_merged_and_saved),
        TEST(what_another_process_saves_meanwhile_is_not_taken_back),
        TEST(the_replaced_file_is_looked_at_when_the_editor_leaves),
        TEST(a_replaced_file_that_is_rewritten_goes_beside),
        TEST(a_save_that_finds_another_document_leaves_its_file_alone),
        TEST(another_document_is_found_when_the_oldest_held_file_goes),
        TEST(killed_before_the_claim),
        TEST(killed_between_the_claim_and_the_rows),
        TEST(killed_with_the_rows_before_done),
        TEST(killed_before_the_commit),
        TEST(a_living_process_takes_over_the_claim_of_a_killed_one),
        TEST(a_failed_claim_is_said_and_tried_again),
        TEST(what_is_here_and_comes_in_the_file_too_is_there_once),
        TEST(an_import_with_something_new_is_one_step),
        TEST(a_merge_that_was_asked_for_and_cannot_be_now_is_done_later),
        TEST(a_short_shared_file_that_is_appended_to_is_merged),
        TEST(a_shared_file_that_was_empty_and_is_written_is_merged),
        TEST(a_shared_file_that_is_cut_to_less_than_half_is_asked_about),
        TEST(a_merge_that_is_asked_for_first_of_all_is_done),
        TEST(a_file_that_appears_under_the_other_name_is_not_written_over),
        TEST(what_is_asked_about_is_not_written_over),
        TEST(sharing_while_a_save_runs_keeps_the_documents_apart),
        TEST(a_file_shared_before_it_was_saved_merges_changes_too),
        TEST(a_file_shared_before_it_was_saved_is_not_in_the_file_when_opened_again),
        TEST(what_was_typed_into_a_large_file_survives_a_kill),
        TEST(after_a_save_a_large_file_has_its_whole_history_again),
        TEST(killed_when_a_large_file_was_just_written),
        TEST(a_large_file_that_grew_meanwhile_is_merged),
        TEST(a_large_file_that_was_renamed_has_its_history),
        TEST(what_was_typed_into_a_large_file_that_is_gone_goes_beside_it),
        TEST(killed_while_the_base_is_copied),
    };
    return RUN_TESTS("replica_file", tests);
}
