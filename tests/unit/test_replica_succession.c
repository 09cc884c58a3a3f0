/* A file is shared while other windows of the same person have it open: all of them go over, and nothing that is typed is lost. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/replica_file.h"
#include "app/replica_parts.h"
#include "app/retention.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

/* Nobody listens there: shared all the same. */
static const char relay[] = "ws://127.0.0.1:9";

/* --- where a process ends --- */

enum step { NEVER, BEFORE_INDEX, AFTER_INDEX, BEFORE_GOING, AFTER_CLAIM, IN_TRANSACTION, STEPS };
static enum step dies_at;
static bool tells_nobody;

static void reach(enum step step)
{
    if (dies_at == step)
        raise(SIGKILL);
}

enum doc_index_put __real_doc_index_succeed(struct doc_index *index, const struct doc_id *former, const struct doc_entry *entry,
                                            struct doc_id *other, struct error *err);
enum doc_index_put __wrap_doc_index_succeed(struct doc_index *index, const struct doc_id *former, const struct doc_entry *entry,
                                            struct doc_id *other, struct error *err);
enum doc_index_put __wrap_doc_index_succeed(struct doc_index *index, const struct doc_id *former, const struct doc_entry *entry,
                                            struct doc_id *other, struct error *err)
{
    reach(BEFORE_INDEX);
    enum doc_index_put put = __real_doc_index_succeed(index, former, entry, other, err);
    reach(AFTER_INDEX);
    return put;
}

void __real_neighbours_tell(struct replica *replica);
void __wrap_neighbours_tell(struct replica *replica);
void __wrap_neighbours_tell(struct replica *replica)
{
    if (!tells_nobody)
        __real_neighbours_tell(replica);
    reach(BEFORE_GOING);
}

bool __real_journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err);
bool __wrap_journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err);
bool __wrap_journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err)
{
    bool done = __real_journal_import_done(journal, import, err);
    reach(IN_TRANSACTION);
    return done;
}

enum import_turn __real_replica_claim_import(struct replica *replica, const struct journal_import *import, struct error *err);
enum import_turn __wrap_replica_claim_import(struct replica *replica, const struct journal_import *import, struct error *err);
enum import_turn __wrap_replica_claim_import(struct replica *replica, const struct journal_import *import, struct error *err)
{
    enum import_turn turn = __real_replica_claim_import(replica, import, err);
    reach(AFTER_CLAIM);
    return turn;
}

static unsigned later_s; /* so much later it is than it is */
time_t __real_time(time_t *out);
time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    time_t now = __real_time(NULL) + (time_t)later_s;
    if (out)
        *out = now;
    return now;
}

/* --- who is there --- */

static int setup(void **state)
{
    dies_at = NEVER;
    tells_nobody = false;
    later_s = 0;
    return home_setup(state);
}

static struct doc_id doc_of(const struct replica *replica)
{
    return replica_entry(replica)->doc;
}

static bool are_one(struct replica *a, struct replica *b)
{
    struct doc_id left = doc_of(a), right = doc_of(b);
    return doc_id_equal(&left, &right) && rope_equal(replica_buffer(a)->text, replica_buffer(b)->text);
}

static bool are_one_and_shared(struct replica *a, struct replica *b)
{
    return replica_is_shared(a) && replica_is_shared(b) && are_one(a, b);
}

/* Two windows in one document that is not shared, with "one\n" in the file and in the text. */
static void open_both_at(struct home *home, const char *name, struct replica **a, struct replica **b)
{
    char *path = scratch_file(home->dir, name);
    scratch_write(path, "one\n");
    *a = home_open(home, name);
    home_type(*a, 0, "a");
    home_wait(*a, NULL, home_is_kept);
    *b = home_open(home, name);
    home_wait(*a, *b, are_one);
    home_expect_text(*b, "aone\n");
    free(path);
}

static void open_both(struct home *home, struct replica **a, struct replica **b)
{
    open_both_at(home, "notes.md", a, b);
}

static void share(struct replica *replica)
{
    struct error err = {0};
    if (!replica_share(replica, relay, &err))
        fail_msg("%s", err.text);
}

/* Once each. */
static void expect_words(const struct replica *replica, const char *const *words)
{
    char *text = home_text(replica);
    size_t len = strlen("aone\n");
    for (; *words; words++) {
        if (!strstr(text, *words))
            fail_msg("no \"%s\" in \"%s\"", *words, text);
        len += strlen(*words);
    }
    if (strlen(text) != len)
        fail_msg("not once each: \"%s\"", text);
    free(text);
}

#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}

static void expect_kept(struct home *home, const char *const *words)
{
    struct replica *again = home_open(home, "notes.md");
    for (uint64_t until_ms = net_now_ms() + 500; net_now_ms() < until_ms;)
        replica_wait(again, HOME_STEP_MS);
    expect_words(again, words);
    home_close(again);
}

/* What was typed goes to the journal, and nothing that comes is looked at. */
static void keep(struct replica *replica)
{
    struct error err = {0};
    if (!replica_flush(replica, &err))
        fail_msg("%s", err.text);
}

static bool has_word(const struct replica *replica, const char *word)
{
    char *text = home_text(replica);
    bool has = strstr(text, word) != NULL;
    free(text);
    return has;
}

static void wait_for_word(struct replica *replica, const char *word)
{
    uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS;
    while (!has_word(replica, word)) {
        assert_true(net_now_ms() < until_ms);
        replica_wait(replica, HOME_STEP_MS);
    }
}

/* --- going over --- */

static void who_has_the_file_open_goes_over_when_it_is_shared(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    struct doc_id before = doc_of(a);
    share(a);
    assert_false(doc_id_equal(&before, &replica_entry(a)->doc));
    home_wait(a, b, are_one_and_shared);
    assert_true(home_was_said(home, "notes.md is shared now, by another window of yours. F3 shows its links."));
    home_type(a, 0, "left ");
    home_type(b, 0, "right ");
    home_wait(a, b, are_one_and_shared);
    expect_words(a, WORDS("left ", "right "));
    char *link = replica_link(b, ACCESS_WRITE);
    assert_non_null(link);
    free(link);
    home_close(a);
    home_close(b);
    expect_kept(home, WORDS("left ", "right "));
}

static void what_is_typed_before_it_was_heard_comes_along_once(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    struct replica *c = home_open(home, "notes.md");
    home_type(b, 0, "[b1]"); /* nobody has read it when it is shared */
    home_type(c, 0, "[c1]");
    share(a);
    home_type(b, 0, "[b2]");
    home_type(c, 0, "[c2]");
    home_type(a, 0, "[a2]");
    home_wait(a, b, are_one_and_shared);
    home_wait(a, c, are_one_and_shared);
    home_wait(b, c, are_one_and_shared);
    home_wait(a, b, are_one_and_shared);
    expect_words(a, WORDS("[b1]", "[b2]", "[c1]", "[c2]", "[a2]"));
    home_close(c);
    home_close(b);
    home_close(a);
    expect_kept(home, WORDS("[b1]", "[b2]", "[c1]", "[c2]", "[a2]"));
}

/* Piece by piece, by the others, for as long as it has not gone over itself. */
static void what_a_window_types_that_does_not_hear_is_seen_by_the_others(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    share(a);
    for (int i = 0; i < 3; i++) {
        char *word = xformat("[b%d]", i);
        home_type(b, 0, word);
        keep(b);
        wait_for_word(a, word);
        free(word);
    }
    expect_words(a, WORDS("[b0]", "[b1]", "[b2]"));
    home_wait(a, b, are_one_and_shared);
    expect_words(b, WORDS("[b0]", "[b1]", "[b2]"));
    home_close(b);
    home_close(a);
}

static void who_was_just_opening_the_file_notices_by_itself(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    struct replica *late = home_open(home, "notes.md"); /* it has looked into the index, and taken no turn yet */
    home_close(b);
    tells_nobody = true;
    share(a);
    home_type(late, 0, "late ");
    home_wait(late, NULL, home_is_kept);
    home_wait(a, late, are_one_and_shared);
    expect_words(a, WORDS("late "));
    home_close(late);
    home_close(a);
    expect_kept(home, WORDS("late "));
}

/* Its queue was full when it was told, and it looked long ago. */
static void who_was_told_in_vain_notices_when_others_are_met(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    replica_handle(b);
    tells_nobody = true;
    share(a);
    home_type(b, 0, "still here ");
    home_wait(a, b, are_one_and_shared);
    expect_words(a, WORDS("still here "));
    home_close(b);
    home_close(a);
}

static void of_two_windows_that_share_at_once_one_begins_the_document(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    home_type(a, 0, "left ");
    home_type(b, 0, "right ");
    share(a);
    share(b);
    home_wait(a, b, are_one_and_shared);
    expect_words(a, WORDS("left ", "right "));
    assert_int_equal(home_entries(home, "docs"), 2 * 3); /* the former's and this one's, with -wal and -shm each */
    home_close(a);
    home_close(b);
    expect_kept(home, WORDS("left ", "right "));
}

/* No document is kept of the file yet, and whoever types first there begins one. */
static void who_has_typed_nothing_goes_over_too(void **state)
{
    struct home *home = *state;
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "aone\n");
    struct replica *a = home_open(home, "notes.md"), *b = home_open(home, "notes.md"), *c = home_open(home, "notes.md");
    share(a);
    home_type(c, 0, "[c]"); /* begins to write, and finds the path taken */
    home_wait(a, b, are_one_and_shared);
    home_wait(a, c, are_one_and_shared);
    home_type(b, 0, "[b]");
    home_wait(a, b, are_one_and_shared);
    home_wait(a, c, are_one_and_shared);
    expect_words(a, WORDS("[b]", "[c]"));
    home_close(a);
    home_close(b);
    home_close(c);
    expect_kept(home, WORDS("[b]", "[c]"));
    free(path);
}

static void a_file_saved_by_a_window_that_has_not_heard_doubles_nothing(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    share(a);
    home_type(b, 0, "[saved]");
    home_save(b, NULL);
    home_type(b, 0, "[not]");
    home_wait(a, b, are_one_and_shared);
    for (uint64_t until_ms = net_now_ms() + 4500; net_now_ms() < until_ms;) { /* the file is looked at meanwhile */
        replica_wait(a, HOME_STEP_MS);
        replica_wait(b, HOME_STEP_MS);
    }
    expect_words(a, WORDS("[saved]", "[not]"));
    home_wait(a, b, are_one_and_shared);
    home_close(b);
    home_close(a);
    expect_kept(home, WORDS("[saved]", "[not]"));
}

static void the_caret_stays_with_its_line(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    home_type(b, 5, "two\nthree");
    replica_select(b, selection_at(9)); /* before "three" */
    share(a);
    home_type(b, 9, "and "); /* which is brought over when it goes */
    home_type(a, 0, "above\n");
    home_wait(a, b, are_one_and_shared);
    char *text = home_text(b);
    assert_string_equal(text + replica_buffer(b)->selection.head, "three");
    free(text);
    home_close(a);
    home_close(b);
}

/* Whether what the window that goes over typed comes behind the same letters of the other's; its caret was behind the first. */
static bool comes_behind(struct home *home, int round)
{
    struct replica *a, *b;
    char *name = xformat("notes-%d.md", round);
    open_both_at(home, name, &a, &b);
    share(a);
    home_type(a, 1, "zz");
    home_type(b, 1, "zz");
    replica_select(b, selection_at(2));
    home_wait(a, b, are_one_and_shared);
    home_type(b, replica_buffer(b)->selection.head, "!");
    home_wait(a, b, are_one_and_shared);
    bool behind = has_word(a, "zzz!z");
    if (!behind && !has_word(a, "z!zzz"))
        fail_msg("\"%s\"", home_text(a));
    home_close(b);
    home_close(a);
    free(name);
    return behind;
}

/* No comparison of the texts can tell whose letters are whose. Which of the two come first is decided by lot. */
static void the_caret_stays_among_its_own_letters(void **state)
{
    enum { ROUNDS = 40 };
    int behind = 0, before = 0;
    for (int round = 0; round < ROUNDS && !(behind && before); round++)
        *(comes_behind(*state, round) ? &behind : &before) += 1;
    assert_true(behind > 0 && before > 0);
}

/* Shared, unshared and shared again while a window was stopped: it follows from one document to the next. */
static void who_slept_through_it_all_comes_along_to_the_last_document(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    struct error err = {0};
    open_both(home, &a, &b);
    home_type(b, 0, "[b1]");
    keep(b);
    wait_for_word(a, "[b1]");
    for (int i = 0; i < 3; i++) {
        share(a);
        char *word = xformat("[a%d]", i);
        home_type(a, 0, word);
        free(word);
        if (i < 2 && !replica_unshare(a, false, &err))
            fail_msg("%s", err.text);
    }
    home_type(b, 0, "[b2]"); /* into the first of four documents */
    home_wait(a, b, are_one_and_shared);
    expect_words(a, WORDS("[b1]", "[b2]", "[a0]", "[a1]", "[a2]"));
    home_type(b, 0, "[b3]");
    home_wait(a, b, are_one_and_shared);
    home_close(b);
    home_close(a);
    expect_kept(home, WORDS("[b1]", "[b2]", "[b3]", "[a0]", "[a1]", "[a2]"));
}

static bool is_in_file(struct home *home, const struct doc_id *doc)
{
    struct doc_entry entry = {.doc = *doc};
    struct error err = {0};
    bool in_file = false;
    if (!retention_is_in_file(&home->env, &entry, &in_file, &err))
        fail_msg("%s", err.text);
    return in_file;
}

static void let_it_look(struct home *home)
{
    struct replica *replica = home_open(home, "notes.md");
    replica_handle(replica);
    home_close(replica);
}

/* Then it is forgotten with others of its age (app/retention.h). */
static void the_document_before_is_not_kept_for_its_text_once_nothing_can_come(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    open_both(home, &a, &b);
    struct doc_id before = doc_of(a);
    share(a);
    home_type(b, 0, "[unheard]");
    home_wait(a, b, are_one_and_shared);
    home_close(a);
    home_close(b);
    let_it_look(home);
    assert_false(is_in_file(home, &before)); /* somebody may be about to type into it */
    later_s = 100;
    let_it_look(home);
    assert_true(is_in_file(home, &before));
    expect_kept(home, WORDS("[unheard]"));
}

/* --- kill -9 --- */

/* A process of its own, begun before this one has opened anything: SQLite's locks do not go through fork(). */
struct other {
    pid_t pid;
    int told[2], heard[2];
};

static void await_byte(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        raise(SIGKILL);
}

static void send_byte(int fd)
{
    if (write(fd, "", 1) != 1)
        raise(SIGKILL);
}

/* Does what `live` does once it is let on, and is dead after that at the latest. */
static struct other other_begin(struct home *home, enum step step, void (*live)(struct home *home, struct other *self))
{
    struct other other;
    assert_int_equal(pipe(other.told), 0);
    assert_int_equal(pipe(other.heard), 0);
    other.pid = fork();
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        dies_at = step;
        await_byte(other.told[0]);
        live(home, &other);
        raise(SIGKILL);
    }
    return other;
}

static void other_let_on(const struct other *other)
{
    send_byte(other->told[1]);
}

static void other_await(const struct other *other)
{
    await_byte(other->heard[0]);
}

static void other_await_end(const struct other *other)
{
    int status;
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (size_t i = 0; i < 2; i++) {
        close(other->told[i]);
        close(other->heard[i]);
    }
}

static void share_on_the_way(struct home *home, struct other *self)
{
    enum { A_WHILE_MS = 1000 };
    struct error err = {0};
    (void)self;
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "[shared]");
    keep(replica);
    bool shared = replica_share(replica, relay, &err);
    for (uint64_t until_ms = net_now_ms() + A_WHILE_MS; shared && net_now_ms() < until_ms;)
        replica_wait(replica, HOME_STEP_MS);
}

static void who_is_killed_while_sharing_loses_nothing_for_anybody(void **state)
{
    for (enum step step = BEFORE_INDEX; step < STEPS; step++) {
        struct replica *a, *b;
        if (step > BEFORE_INDEX)
            assert_int_equal(setup(state), 0);
        struct home *home = *state;
        struct other sharer = other_begin(home, step, share_on_the_way);
        open_both(home, &a, &b);
        home_type(b, 0, "[unheard]");
        keep(b);
        other_let_on(&sharer);
        other_await_end(&sharer);
        home_type(a, 0, "[after]");
        home_type(b, 0, "[later]");
        home_wait(a, b, step == BEFORE_INDEX ? are_one : are_one_and_shared);
        const char *const *words = WORDS("[shared]", "[unheard]", "[after]", "[later]");
        for (size_t i = 0; words[i]; i++)
            wait_for_word(a, words[i]);
        expect_words(a, words);
        home_close(a);
        home_close(b);
        expect_kept(home, words);
        if (step < STEPS - 1)
            home_teardown(state);
    }
}

static void type_unheard(struct home *home, struct other *self)
{
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "[before]");
    keep(replica);
    send_byte(self->heard[1]);
    await_byte(self->told[0]);
    home_type(replica, 0, "[unheard]");
    keep(replica); /* so it is on the screen */
}

static void who_is_killed_before_it_heard_loses_nothing(void **state)
{
    struct home *home = *state;
    struct replica *a, *b;
    struct other killed = other_begin(home, NEVER, type_unheard);
    open_both(home, &a, &b);
    home_close(b);
    other_let_on(&killed);
    other_await(&killed);
    share(a);
    home_close(a); /* and nobody is there who could see what comes */
    other_let_on(&killed);
    other_await_end(&killed);
    expect_kept(home, WORDS("[before]", "[unheard]"));
    expect_kept(home, WORDS("[before]", "[unheard]"));
}

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, setup, home_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(who_has_the_file_open_goes_over_when_it_is_shared),
        HOME_TEST(what_is_typed_before_it_was_heard_comes_along_once),
        HOME_TEST(what_a_window_types_that_does_not_hear_is_seen_by_the_others),
        HOME_TEST(who_was_just_opening_the_file_notices_by_itself),
        HOME_TEST(who_was_told_in_vain_notices_when_others_are_met),
        HOME_TEST(of_two_windows_that_share_at_once_one_begins_the_document),
        HOME_TEST(who_has_typed_nothing_goes_over_too),
        HOME_TEST(a_file_saved_by_a_window_that_has_not_heard_doubles_nothing),
        HOME_TEST(the_caret_stays_with_its_line),
        HOME_TEST(the_caret_stays_among_its_own_letters),
        HOME_TEST(who_slept_through_it_all_comes_along_to_the_last_document),
        HOME_TEST(the_document_before_is_not_kept_for_its_text_once_nothing_can_come),
        HOME_TEST(who_is_killed_while_sharing_loses_nothing_for_anybody),
        HOME_TEST(who_is_killed_before_it_heard_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
