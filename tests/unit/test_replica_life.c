/* A replica's life on one machine: beginning to write, meeting others on the same file, failing halfway. */
#include "tests/support/support.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/replica_journal.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "sync/journal_parts.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

static bool is_in_memory_only(struct replica *a, struct replica *b)
{
    struct replica_status status;
    (void)b;
    replica_status(a, net_now_ms(), &status);
    return status.edits_in_memory > 0;
}

static bool have_met(struct replica *a, struct replica *b)
{
    char *left = home_text(a), *right = home_text(b);
    bool same = strcmp(left, right) == 0 && doc_id_equal(&replica_entry(a)->doc, &replica_entry(b)->doc);
    free(left);
    free(right);
    return same;
}

static size_t entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

/* --- meeting --- */

static unsigned leavers; /* so many times more the last one leaves a directory just before somebody is in it */

int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    if (leavers > 0) {
        char *dir = xstrdup(((const struct sockaddr_un *)(const void *)address)->sun_path);
        *strrchr(dir, '/') = '\0';
        assert_int_equal(rmdir(dir), 0);
        free(dir);
        leavers--;
    }
    return __real_bind(fd, address, len);
}

static void who_comes_while_the_last_one_leaves_is_to_be_met(void **state)
{
    struct home *home = *state;
    leavers = 3;
    struct replica *replica = home_open(home, "notes.md");
    assert_int_equal(leavers, 0);
    assert_non_null(replica->neighbours);
    home_close(replica);

    leavers = 1000; /* and nobody tries for ever */
    replica = home_open(home, "notes.md");
    assert_true(leavers > 0);
    leavers = 0;
    assert_null(replica->neighbours);
    home_close(replica);
}

/* --- beginning --- */

static void looking_and_undoing_nothing_makes_nothing(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_NOTHING_TO_UNDO);
    home_close(replica);
    assert_int_equal(home_entries(home, ""), 0);
}

static void two_who_begin_one_file_at_once_meet_in_one_document(void **state)
{
    struct home *home = *state;
    struct replica *a = home_open(home, "notes.md"), *b = home_open(home, "notes.md");
    home_type(a, 0, "left ");
    home_type(b, 0, "right");
    home_type(b, 5, "!");
    home_wait(a, b, have_met);
    char *text = home_text(a);
    assert_non_null(strstr(text, "left "));
    assert_non_null(strstr(text, "right!"));
    assert_int_equal(strlen(text), strlen("left right!"));
    home_wait(a, NULL, home_is_kept);
    home_wait(b, NULL, home_is_kept);
    home_close(a);
    home_close(b);
    struct replica *again = home_open(home, "notes.md");
    home_expect_text(again, text);
    home_close(again);
    free(text);
}

static void leaving_right_after_typing_into_what_another_began_loses_nothing(void **state)
{
    struct home *home = *state;
    struct replica *a = home_open(home, "notes.md"), *b = home_open(home, "notes.md");
    home_type(a, 0, "a");
    home_wait(a, NULL, home_is_kept);
    home_type(b, 0, "b");
    home_close(b);
    home_close(a);
    struct replica *again = home_open(home, "notes.md");
    char *text = home_text(again);
    assert_int_equal(strlen(text), 2);
    free(text);
    home_close(again);
}

/* The disk is in the way at first; by the time there is room, another process has begun a document for the same file. */
static void who_could_not_begin_goes_on_in_the_document_of_another(void **state)
{
    struct home *home = *state;
    char *in_the_way = xformat("%s/XDG_STATE_HOME", home->dir);
    struct replica *late = home_open(home, "notes.md"), *other = home_open(home, "notes.md");
    scratch_write(in_the_way, "a file where a directory is wanted");
    home_type(late, 0, "late ");
    home_wait(late, NULL, is_in_memory_only);
    home_expect_text(late, "late ");
    assert_int_equal(unlink(in_the_way), 0);
    home_type(other, 0, "other ");
    home_wait(late, other, have_met);
    home_wait(late, NULL, home_is_kept);
    char *text = home_text(late);
    assert_non_null(strstr(text, "late "));
    assert_non_null(strstr(text, "other "));
    assert_int_equal(strlen(text), strlen("late other "));
    free(text);
    home_close(late);
    home_close(other);
    free(in_the_way);
}

/* --- keeping --- */

static atomic_bool syncs_hang;
bool __real_journal_sync(struct journal *journal, struct error *err);
bool __wrap_journal_sync(struct journal *journal, struct error *err);
bool __wrap_journal_sync(struct journal *journal, struct error *err)
{
    while (atomic_load(&syncs_hang))
        (void)poll(NULL, 0, 1);
    return __real_journal_sync(journal, err);
}

static atomic_int forgets = -1; /* a wake_fd: what woke its loop until a first text is begun with does not count */
bool __real_journal_base_begin(struct journal *journal, uint64_t len, struct error *err);
bool __wrap_journal_base_begin(struct journal *journal, uint64_t len, struct error *err);
bool __wrap_journal_base_begin(struct journal *journal, uint64_t len, struct error *err)
{
    uint64_t times;
    ssize_t got = read(atomic_load(&forgets), &times, sizeof times);
    (void)got;
    return __real_journal_base_begin(journal, len, err);
}

/*
 * Whether the sync of a key or the last of the text before it comes last is chance: on a fast disk "keeping..." stood there until
 * the next key. Here it is the text.
 */
static void expect_woken_by_the_first_text(struct home *home)
{
    struct replica *replica = home_open(home, "notes.md");
    struct pollfd woken = {.fd = replica->wake_fd, .events = POLLIN};
    atomic_store(&forgets, replica->wake_fd);
    atomic_store(&syncs_hang, true);
    home_type(replica, 0, "a");
    for (uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS; !atomic_load(&replica->base_kept); (void)poll(NULL, 0, 1))
        assert_true(net_now_ms() < until_ms);
    uint64_t ticket = journal_writer_run(replica->writer, replica_nothing, NULL, (struct journal_done){0});
    assert_int_equal(journal_writer_wait(replica->writer, ticket, HOME_PATIENCE_MS * 1000), JOURNAL_WAIT_DONE);
    bool was_woken = poll(&woken, 1, 0) == 1;
    atomic_store(&syncs_hang, false);
    atomic_store(&forgets, -1);
    assert_true(was_woken);
    home_close(replica);
}

static void that_the_first_text_is_kept_is_shown_also_when_it_comes_last(void **state)
{
    struct home *home = *state;
    expect_woken_by_the_first_text(home); /* none */
}

static void so_it_is_with_the_text_of_a_file(void **state)
{
    struct home *home = *state;
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "one\n");
    free(path);
    expect_woken_by_the_first_text(home);
}

/* --- presence --- */

static unsigned presences_sealed;
void __real_presence_seal(const struct presence *presence, const struct doc_keys *keys, const struct sign_key *doc_key,
                          struct buf *out);
void __wrap_presence_seal(const struct presence *presence, const struct doc_keys *keys, const struct sign_key *doc_key,
                          struct buf *out);
void __wrap_presence_seal(const struct presence *presence, const struct doc_keys *keys, const struct sign_key *doc_key,
                          struct buf *out)
{
    presences_sealed++;
    __real_presence_seal(presence, keys, doc_key, out);
}

static void who_is_alone_signs_no_presence_and_a_neighbour_hears_every_one(void **state)
{
    struct home *home = *state;
    presences_sealed = 0;
    struct replica *a = home_open(home, "notes.md");
    home_type(a, 0, "a");
    home_wait(a, NULL, home_is_kept);
    home_type(a, 1, "b");
    replica_wait(a, HOME_STEP_MS);
    assert_int_equal(presences_sealed, 0);
    struct replica *b = home_open(home, "notes.md");
    replica_wait(a, HOME_STEP_MS); /* it is greeted, and answers */
    assert_true(presences_sealed > 0);
    unsigned greeted = presences_sealed;
    home_type(a, 2, "c");
    replica_wait(a, HOME_STEP_MS);
    assert_true(presences_sealed > greeted);
    home_close(b);
    home_close(a);
}

/* --- saving --- */

/* A second connection to a document's journal, as another process has it. */
static struct journal *open_journal_of(struct home *home, const struct doc_id *doc)
{
    struct error err = {0};
    char *path = env_journal_path(&home->env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = *doc};
    struct journal *journal = journal_open_on(&home->env.device, spec, &err);
    if (!journal)
        fail_msg("%s", err.text);
    free(path);
    return journal;
}

/* How often a journal could not be opened because somebody has it locked. */
static atomic_uint refused;
/* Types and saves while somebody else opens the document, in the moment in which that one opens the journal. */
static struct replica *saver;
/* A journal that is named once it was looked for in vain so often; the clock stands still until then. */
static struct making {
    const char *from, *to;
    atomic_int looks;
    uint64_t began_ms;
} making;

uint64_t __real_net_now_ms(void);
uint64_t __wrap_net_now_ms(void);
uint64_t __wrap_net_now_ms(void)
{
    return atomic_load(&making.looks) > 0 ? making.began_ms : __real_net_now_ms();
}

struct journal *__real_journal_open_on(const struct device *device, struct journal_spec spec, struct error *err);
struct journal *__wrap_journal_open_on(const struct device *device, struct journal_spec spec, struct error *err);
struct journal *__wrap_journal_open_on(const struct device *device, struct journal_spec spec, struct error *err)
{
    struct replica *now = saver;
    saver = NULL;
    if (now) {
        home_type(now, 4, "five");
        home_save(now, NULL);
        home_wait(now, NULL, home_is_kept);
    }
    struct journal *journal = __real_journal_open_on(device, spec, err);
    if (!journal && err->code == ERR_BUSY)
        atomic_fetch_add(&refused, 1);
    if (!journal && err->code == ERR_MISSING && atomic_load(&making.looks) > 0 && atomic_fetch_sub(&making.looks, 1) == 1)
        assert_int_equal(rename(making.from, making.to), 0);
    return journal;
}

/* As a process has it that closes it as the last: nobody else can even read. Until somebody was refused, after JOURNAL_BUSY_MS. */
static void *hold_for_longer_than_is_polite(void *journal)
{
    for (uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS; atomic_load(&refused) == 0 && net_now_ms() < until_ms;)
        (void)poll(NULL, 0, 5);
    journal_close(journal);
    return NULL;
}

static void a_journal_that_is_locked_for_long_is_waited_for_at_opening(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    pthread_t holder;
    struct replica *replica = home_open(home, "notes.md");
    struct doc_id doc;
    home_type(replica, 0, "text");
    home_wait(replica, NULL, home_is_kept);
    doc = replica_entry(replica)->doc;
    home_close(replica);
    struct journal *other = open_journal_of(home, &doc);
    assert_true(db_exec(other->db, "PRAGMA locking_mode = EXCLUSIVE", &err) && journal_begin(other, &err));
    journal_rollback(other);
    atomic_store(&refused, 0);
    assert_int_equal(pthread_create(&holder, NULL, hold_for_longer_than_is_polite, other), 0);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, "text");
    home_close(replica);
    pthread_join(holder, NULL);
    assert_true(atomic_load(&refused) > 0);
}

/* "zero one" is kept, and the file has "one"; returns where the journal is, a heap string. */
static char *keep_unsaved(struct home *home)
{
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "one");
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "zero ");
    home_wait(replica, NULL, home_is_kept);
    char *journal = env_journal_path(&home->env, &replica_entry(replica)->doc);
    home_close(replica);
    free(path);
    return journal;
}

static void expect_lost(struct home *home, const char *sentence)
{
    buf_clear(&home->said);
    struct replica *replica = home_open(home, "notes.md");
    if (!home_was_said(home, sentence))
        fail_msg("not said: %s\nsaid: %s", sentence, buf_string(&home->said));
    home_expect_text(replica, "one");
    home_type(replica, 0, "new ");
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    buf_clear(&home->said);
    replica = home_open(home, "notes.md");
    assert_false(home_was_said(home, "The journal of notes.md is"));
    home_expect_text(replica, "new one");
    home_close(replica);
}

static void a_journal_that_is_gone_is_said_once_and_the_file_is_there(void **state)
{
    struct home *home = *state;
    char *journal = keep_unsaved(home);
    assert_int_equal(unlink(journal), 0);
    char *sentence = xformat("The journal of notes.md is gone: this is the file's text; its history, and edits that were not in the "
                             "file, are lost. It was %s.", journal);
    expect_lost(home, sentence);
    free(sentence);
    free(journal);
}

static void an_empty_journal_is_set_aside_and_said(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    char *journal = keep_unsaved(home), *aside = xformat("%s.lost", journal);
    assert_int_equal(truncate(journal, 0), 0);
    char *sentence = xformat("The journal of notes.md is empty: this is the file's text; its history, and edits that were not in the "
                             "file, are lost. It is kept as %s.", aside);
    expect_lost(home, sentence);
    assert_int_equal(access(aside, F_OK), 0);
    assert_true(journal_forget(journal, &err)); /* and what was set aside of it */
    assert_int_equal(access(aside, F_OK), -1);
    free(sentence);
    free(aside);
    free(journal);
}

/* What is said to be kept is there also after a file that weft forgets when it is closed, such as one below /tmp. */
static void what_was_set_aside_of_a_short_lived_file_outlives_it(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica_options options = {.port = home_port(home), .name = "ada", .short_lived = true};
    char *journal = keep_unsaved(home), *aside = xformat("%s.lost", journal), *path = scratch_file(home->dir, "notes.md");
    assert_int_equal(truncate(journal, 0), 0);
    struct replica *replica = replica_open(&home->env, path, (struct bytes){0}, &options, &err);
    assert_non_null(replica);
    home_close(replica);
    assert_int_equal(access(aside, F_OK), 0);
    free(path);
    free(aside);
    free(journal);
}

/* Opened by another process just before its maker has named it: that is when it was looked for a third time. */
static void a_journal_that_is_just_being_made_is_waited_for(void **state)
{
    struct home *home = *state;
    char *journal = keep_unsaved(home), *made = xformat("%s.made", journal);
    assert_int_equal(rename(journal, made), 0);
    making.from = made;
    making.to = journal;
    making.began_ms = net_now_ms();
    atomic_store(&making.looks, 3);
    buf_clear(&home->said);
    struct replica *replica = home_open(home, "notes.md");
    assert_int_equal(atomic_exchange(&making.looks, 0), 0);
    home_expect_text(replica, "zero one");
    assert_false(home_was_said(home, "The journal of notes.md is"));
    home_close(replica);
    free(made);
    free(journal);
}

static void a_save_before_the_first_key_of_a_run_is_known_to_the_next_one(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "one\n");
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "two ");
    home_close(replica);
    replica = home_open(home, "notes.md");
    assert_true(replica_save_now(replica, NULL, &err));
    home_type(replica, 0, "three ");
    home_close(replica);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, "three two one\n"); /* and not the words of the file once more, as another program's */
    home_close(replica);
    free(path);
}

static bool is_saved(struct replica *a, struct replica *b)
{
    struct replica_status status;
    (void)b;
    replica_status(a, net_now_ms(), &status);
    return !status.saving;
}

static void expect_edits_not_in_file(struct replica *replica, uint64_t edits)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    assert_false(status.in_file);
    assert_int_equal(replica_edits_not_in_file(replica), edits);
}

static unsigned histories_read;
uint64_t __real_document_edits_since(struct document *document, const struct version *since, struct batch_counter counter);
uint64_t __wrap_document_edits_since(struct document *document, const struct version *since, struct batch_counter counter);
uint64_t __wrap_document_edits_since(struct document *document, const struct version *since, struct batch_counter counter)
{
    histories_read++;
    return __real_document_edits_since(document, since, counter);
}

/* With 60,000 edits in a document that cost 7 ms for every key. */
static void the_status_of_a_frame_does_not_look_over_the_history(void **state)
{
    struct home *home = *state;
    struct replica_status status;
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "a");
    histories_read = 0;
    replica_status(replica, net_now_ms(), &status);
    assert_false(status.in_file);
    assert_int_equal(histories_read, 0);
    assert_int_equal(replica_edits_not_in_file(replica), 1);
    assert_int_not_equal(histories_read, 0);
    home_close(replica);
}

/* Without the save all three were one word, and one undo step. */
static void what_is_typed_while_the_file_is_written_is_counted_and_undone_by_itself(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "\n");
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "a");
    assert_true(replica_save(replica, NULL, &err));
    home_type(replica, 1, "b");
    home_type(replica, 2, "c");
    home_wait(replica, NULL, is_saved);
    expect_edits_not_in_file(replica, 2);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    home_expect_text(replica, "a\n"); /* what is in the file, and not half of the word */
    home_close(replica);
    free(path);
}

/* --- failing halfway --- */

static void a_join_that_fails_ends_its_threads_and_leaves_nothing(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct doc_keys keys;
    doc_keys_new(&keys);
    struct share_link link = {.host_count = 1, .doc = keys.doc, .access = ACCESS_WRITE};
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "relay.example"); /* plain and public: refused */
    link.hosts[0].port = 80;
    memcpy(link.seed, keys.write_seed, sizeof link.seed);
    struct replica_options options = {.port = home_port(home), .name = "ada"};
    size_t threads = entries("/proc/self/task");
    assert_null(replica_join(&home->env, &link, NULL, &options, &err));
    assert_non_null(strstr(err.text, "not encrypted"));
    assert_int_equal(entries("/proc/self/task"), threads);
    assert_int_equal(home_entries(home, "docs"), 0);
    assert_int_equal(home_entries(home, "agents"), 0);
}

/* --- sharing --- */

static void sharing_in_the_middle_of_typing_keeps_every_key(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md"), *neighbour = home_open(home, "notes.md");
    enum { KEYS = 200 };
    for (uint64_t i = 0; i < KEYS; i++)
        home_type(replica, i, "x");
    /* Nobody listens there: it is shared all the same. The journal's thread is still ringing where the neighbour was. */
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    for (uint64_t i = 0; i < KEYS; i++)
        home_type(replica, KEYS + i, "y");
    home_wait(replica, NULL, home_is_kept);
    assert_int_equal(rope_len(replica_buffer(replica)->text), 2 * KEYS);
    home_wait(replica, neighbour, have_met);
    home_close(neighbour);
    home_close(replica);
    struct replica *again = home_open(home, "notes.md");
    assert_int_equal(rope_len(replica_buffer(again)->text), 2 * KEYS);
    assert_true(replica_is_shared(again));
    home_close(again);
}

static void expect_unsent(struct replica *replica, uint64_t edits)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    assert_int_equal(status.net.unacked_edits, edits);
    assert_int_equal(status.net.unacked_batches, edits);
    assert_true(status.net.oldest_unacked_ms > 0 && status.net.oldest_unacked_ms <= net_now_ms());
}

/*
 * From the moment in which it is in the text: on its way from thread to thread it is neither forgotten nor counted twice,
 * however long the journal takes.
 */
static void every_edit_counts_as_unsent_at_once(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    enum { KEYS = 200, LOOKS = 20 };
    uint64_t unsent = 0;
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there */
    for (uint64_t i = 0; i < KEYS; i++) {
        home_type(replica, i, "x");
        expect_unsent(replica, i + 1);
    }
    home_wait(replica, NULL, home_is_kept);
    struct journal *other = open_journal_of(home, &replica_entry(replica)->doc);
    assert_true(journal_begin(other, &err)); /* the next one cannot be committed */
    home_type(replica, KEYS, "y");
    for (int i = 0; i < LOOKS; i++) {
        expect_unsent(replica, KEYS + 1);
        replica_wait(replica, 1);
    }
    journal_close(other);
    do {
        expect_unsent(replica, KEYS + 1);
        replica_wait(replica, HOME_STEP_MS);
    } while (!home_is_kept(replica, NULL));
    expect_unsent(replica, KEYS + 1);
    assert_true(replica_close(replica, 0, &unsent, &err));
    assert_int_equal(unsent, KEYS + 1);
}

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)

/* --- the cursor --- */

/* Types while somebody else opens the document, in the moment in which that one asks for the cursor. */
static struct replica *typist;
bool __real_journal_view_get(struct journal *journal, const char *path, const struct journal_view_of *whose,
                             struct journal_view *view, struct buf *version, uint64_t *place, bool *found, struct error *err);
bool __wrap_journal_view_get(struct journal *journal, const char *path, const struct journal_view_of *whose,
                             struct journal_view *view, struct buf *version, uint64_t *place, bool *found, struct error *err);
bool __wrap_journal_view_get(struct journal *journal, const char *path, const struct journal_view_of *whose,
                             struct journal_view *view, struct buf *version, uint64_t *place, bool *found, struct error *err)
{
    struct replica *now = typist;
    typist = NULL;
    if (now) {
        home_type(now, 4, "\u00f1\u00f1\u00f1");
        home_wait(now, NULL, home_is_kept);
    }
    return __real_journal_view_get(journal, path, whose, view, version, place, found, err);
}

/* The file was read before. */
static void what_is_saved_while_a_document_is_opened_is_not_taken_back(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "four");
    home_save(replica, NULL);
    home_wait(replica, NULL, home_is_kept);
    saver = replica;
    struct replica *opened = home_open(home, "notes.md");
    assert_null(saver);
    home_expect_text(opened, "fourfive");
    home_wait(replica, opened, have_met);
    home_expect_text(replica, "fourfive");
    assert_false(home_was_said(home, "Another program changed"));
    home_close(opened);
    home_close(replica);
}

static bool begins_with_b(struct replica *a, struct replica *b)
{
    (void)b;
    return rope_byte(replica_buffer(a)->text, 0) == 'B';
}

/* The newest row says what its author had seen, not what was in the text when the cursor was kept. */
static void a_cursor_kept_in_a_text_with_two_heads_is_moved_once(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "0123456789");
    home_wait(replica, NULL, home_is_kept);
    struct replica *other = home_open(home, "notes.md");
    home_insert(other, "BBB");
    home_wait(other, NULL, home_is_kept);
    home_type(replica, 4, "x"); /* behind it in the journal, and nothing was seen of it */
    home_wait(replica, NULL, home_is_kept);
    home_wait(replica, NULL, begins_with_b);
    assert_int_equal(replica_buffer(replica)->selection.head, 8);
    home_close(replica);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, "BBB0123x456789");
    assert_int_equal(replica_buffer(replica)->selection.head, 8);
    home_close(replica);
    home_close(other);
}

static void a_cursor_fits_the_text_however_much_is_typed_while_a_document_is_opened(void **state)
{
    struct home *home = *state;
    struct replica *a = home_open(home, "notes.md");
    home_type(a, 0, "one \u56b0\u56b1\n");
    home_type(a, 4, "\u56b2");
    home_wait(a, NULL, home_is_kept);
    typist = a;
    struct replica *b = home_open(home, "notes.md");
    assert_null(typist);
    home_wait(a, b, have_met);
    home_expect_text(b, "one \u00f1\u00f1\u00f1\u56b2\u56b0\u56b1\n");
    assert_int_equal(replica_buffer(b)->selection.head, strlen("one \u00f1\u00f1\u00f1"));
    home_close(b);
    home_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(who_comes_while_the_last_one_leaves_is_to_be_met),
        HOME_TEST(looking_and_undoing_nothing_makes_nothing),
        HOME_TEST(two_who_begin_one_file_at_once_meet_in_one_document),
        HOME_TEST(leaving_right_after_typing_into_what_another_began_loses_nothing),
        HOME_TEST(who_could_not_begin_goes_on_in_the_document_of_another),
        HOME_TEST(that_the_first_text_is_kept_is_shown_also_when_it_comes_last),
        HOME_TEST(so_it_is_with_the_text_of_a_file),
        HOME_TEST(who_is_alone_signs_no_presence_and_a_neighbour_hears_every_one),
        HOME_TEST(what_is_saved_while_a_document_is_opened_is_not_taken_back),
        HOME_TEST(a_cursor_kept_in_a_text_with_two_heads_is_moved_once),
        HOME_TEST(a_cursor_fits_the_text_however_much_is_typed_while_a_document_is_opened),
        HOME_TEST(a_journal_that_is_locked_for_long_is_waited_for_at_opening),
        HOME_TEST(a_journal_that_is_gone_is_said_once_and_the_file_is_there),
        HOME_TEST(an_empty_journal_is_set_aside_and_said),
        HOME_TEST(what_was_set_aside_of_a_short_lived_file_outlives_it),
        HOME_TEST(a_journal_that_is_just_being_made_is_waited_for),
        HOME_TEST(a_save_before_the_first_key_of_a_run_is_known_to_the_next_one),
        HOME_TEST(the_status_of_a_frame_does_not_look_over_the_history),
        HOME_TEST(what_is_typed_while_the_file_is_written_is_counted_and_undone_by_itself),
        HOME_TEST(a_join_that_fails_ends_its_threads_and_leaves_nothing),
        HOME_TEST(sharing_in_the_middle_of_typing_keeps_every_key),
        HOME_TEST(every_edit_counts_as_unsent_at_once),
    };
    return RUN_TESTS("replica_life", tests);
}
