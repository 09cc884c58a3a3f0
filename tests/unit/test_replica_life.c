/* A replica's life on one machine: beginning to write, meeting others on the same file, failing halfway. */
#include "tests/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/replica.h"
#include "editor/base/xalloc.h"
#include "sync/journal.h"
#include "tests/support/scratch.h"

enum { PATIENCE_MS = 30000, STEP_MS = 20 };

struct world {
    char *dir;
    struct env env;
    char *said; /* the last sentence */
};

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof *world);
    struct error err = {0};
    if (scratch_setup((void **)&world->dir) != 0)
        return -1;
    static const char *const names[] = {"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *dir = scratch_file(world->dir, names[i]);
        setenv(names[i], dir, 1);
        free(dir);
    }
    *state = world;
    return env_init(&world->env, "weft", &err) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    env_release(&world->env);
    free(world->said);
    scratch_teardown((void **)&world->dir);
    free(world);
    return 0;
}

static void note_said(void *self, const char *text)
{
    struct world *world = self;
    free(world->said);
    world->said = xstrdup(text);
}

static struct replica *open_file(struct world *world, const char *name)
{
    struct error err = {0};
    struct replica_options options = {.port = {.self = world, .said = note_said}, .name = "ada"};
    char *path = scratch_file(world->dir, name);
    struct replica *replica = replica_open(&world->env, path, (struct bytes){0}, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    free(path);
    return replica;
}

static void type(struct replica *replica, uint64_t at, const char *text)
{
    struct patch patch = {0};
    struct error err = {0};
    patch_retain(&patch, at);
    patch_insert(&patch, bytes_of_string(text));
    if (!replica_edit(replica, &patch, selection_at(at + strlen(text)), EDIT_TYPING, &err))
        fail_msg("%s", err.text);
    patch_release(&patch);
}

static char *text_of(struct replica *replica)
{
    const struct rope *text = replica_buffer(replica)->text;
    struct buf out = {0};
    rope_append_to(text, 0, rope_len(text), &out);
    char *copy = xstrdup(buf_string(&out));
    buf_release(&out);
    return copy;
}

static void expect_text(struct replica *replica, const char *expected)
{
    char *text = text_of(replica);
    assert_string_equal(text, expected);
    free(text);
}

typedef bool condition_fn(struct replica *a, struct replica *b);

static void wait_for(struct replica *a, struct replica *b, condition_fn *condition)
{
    uint64_t until_ms = net_now_ms() + PATIENCE_MS;
    while (!condition(a, b)) {
        assert_true(net_now_ms() < until_ms);
        replica_wait(a, STEP_MS);
        if (b)
            replica_wait(b, STEP_MS);
    }
}

static bool is_kept(struct replica *a, struct replica *b)
{
    struct replica_status status;
    (void)b;
    replica_status(a, net_now_ms(), &status);
    return status.kept && !status.edits_in_memory;
}

static bool is_in_memory_only(struct replica *a, struct replica *b)
{
    struct replica_status status;
    (void)b;
    replica_status(a, net_now_ms(), &status);
    return status.edits_in_memory > 0;
}

static bool have_met(struct replica *a, struct replica *b)
{
    char *left = text_of(a), *right = text_of(b);
    bool same = strcmp(left, right) == 0 && doc_id_equal(&replica_entry(a)->doc, &replica_entry(b)->doc);
    free(left);
    free(right);
    return same;
}

static void close_one(struct replica *replica)
{
    struct error err = {0};
    if (!replica_close(replica, 0, NULL, &err))
        fail_msg("%s", err.text);
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

static size_t state_entries(struct world *world, const char *name)
{
    char *dir = xformat("%s/XDG_STATE_HOME/weft/%s", world->dir, name);
    size_t count = entries(dir);
    free(dir);
    return count;
}

/* --- beginning --- */

static void looking_and_undoing_nothing_makes_nothing(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct replica *replica = open_file(world, "notes.md");
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_NOTHING_TO_UNDO);
    close_one(replica);
    assert_int_equal(state_entries(world, ""), 0);
}

static void two_who_begin_one_file_at_once_meet_in_one_document(void **state)
{
    struct world *world = *state;
    struct replica *a = open_file(world, "notes.md"), *b = open_file(world, "notes.md");
    type(a, 0, "left ");
    type(b, 0, "right");
    type(b, 5, "!");
    wait_for(a, b, have_met);
    char *text = text_of(a);
    assert_non_null(strstr(text, "left "));
    assert_non_null(strstr(text, "right!"));
    assert_int_equal(strlen(text), strlen("left right!"));
    wait_for(a, NULL, is_kept);
    wait_for(b, NULL, is_kept);
    close_one(a);
    close_one(b);
    struct replica *again = open_file(world, "notes.md");
    expect_text(again, text);
    close_one(again);
    free(text);
}

static void leaving_right_after_typing_into_what_another_began_loses_nothing(void **state)
{
    struct world *world = *state;
    struct replica *a = open_file(world, "notes.md"), *b = open_file(world, "notes.md");
    type(a, 0, "a");
    wait_for(a, NULL, is_kept);
    type(b, 0, "b");
    close_one(b);
    close_one(a);
    struct replica *again = open_file(world, "notes.md");
    char *text = text_of(again);
    assert_int_equal(strlen(text), 2);
    free(text);
    close_one(again);
}

/* The disk is in the way at first; by the time there is room, another process has begun a document for the same file. */
static void who_could_not_begin_goes_on_in_the_document_of_another(void **state)
{
    struct world *world = *state;
    char *in_the_way = xformat("%s/XDG_STATE_HOME", world->dir);
    struct replica *late = open_file(world, "notes.md"), *other = open_file(world, "notes.md");
    scratch_write(in_the_way, "a file where a directory is wanted");
    type(late, 0, "late ");
    wait_for(late, NULL, is_in_memory_only);
    expect_text(late, "late ");
    assert_int_equal(unlink(in_the_way), 0);
    type(other, 0, "other ");
    wait_for(late, other, have_met);
    wait_for(late, NULL, is_kept);
    char *text = text_of(late);
    assert_non_null(strstr(text, "late "));
    assert_non_null(strstr(text, "other "));
    assert_int_equal(strlen(text), strlen("late other "));
    free(text);
    close_one(late);
    close_one(other);
    free(in_the_way);
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
    struct world *world = *state;
    presences_sealed = 0;
    struct replica *a = open_file(world, "notes.md");
    type(a, 0, "a");
    wait_for(a, NULL, is_kept);
    type(a, 1, "b");
    replica_wait(a, STEP_MS);
    assert_int_equal(presences_sealed, 0);
    struct replica *b = open_file(world, "notes.md");
    replica_wait(a, STEP_MS); /* it is greeted, and answers */
    assert_true(presences_sealed > 0);
    unsigned greeted = presences_sealed;
    type(a, 2, "c");
    replica_wait(a, STEP_MS);
    assert_true(presences_sealed > greeted);
    close_one(b);
    close_one(a);
}

/* --- saving --- */

static void a_save_before_the_first_key_of_a_run_is_known_to_the_next_one(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    char *path = scratch_file(world->dir, "notes.md");
    scratch_write(path, "one\n");
    struct replica *replica = open_file(world, "notes.md");
    type(replica, 0, "two ");
    close_one(replica);
    replica = open_file(world, "notes.md");
    assert_true(replica_save_now(replica, NULL, &err));
    type(replica, 0, "three ");
    close_one(replica);
    replica = open_file(world, "notes.md");
    expect_text(replica, "three two one\n"); /* and not the words of the file once more, as another program's */
    close_one(replica);
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
    assert_int_equal(status.edits_not_in_file, edits);
}

/* Without the save all three were one word, and one undo step. */
static void what_is_typed_while_the_file_is_written_is_counted_and_undone_by_itself(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    char *path = scratch_file(world->dir, "notes.md");
    scratch_write(path, "\n");
    struct replica *replica = open_file(world, "notes.md");
    type(replica, 0, "a");
    assert_true(replica_save(replica, NULL, &err));
    type(replica, 1, "b");
    type(replica, 2, "c");
    wait_for(replica, NULL, is_saved);
    expect_edits_not_in_file(replica, 2);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    expect_text(replica, "a\n"); /* what is in the file, and not half of the word */
    close_one(replica);
    free(path);
}

/* --- failing halfway --- */

static void a_join_that_fails_ends_its_threads_and_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct doc_keys keys;
    doc_keys_new(&keys);
    struct share_link link = {.host_count = 1, .doc = keys.doc, .access = ACCESS_WRITE};
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "relay.example"); /* plain and public: refused */
    link.hosts[0].port = 80;
    memcpy(link.seed, keys.write_seed, sizeof link.seed);
    struct replica_options options = {.port = {.self = world, .said = note_said}, .name = "ada"};
    size_t threads = entries("/proc/self/task");
    assert_null(replica_join(&world->env, &link, NULL, &options, &err));
    assert_non_null(strstr(err.text, "not encrypted"));
    assert_int_equal(entries("/proc/self/task"), threads);
    assert_int_equal(state_entries(world, "docs"), 0);
    assert_int_equal(state_entries(world, "agents"), 0);
}

/* --- sharing --- */

static void sharing_in_the_middle_of_typing_keeps_every_key(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct replica *replica = open_file(world, "notes.md"), *neighbour = open_file(world, "notes.md");
    enum { KEYS = 200 };
    for (uint64_t i = 0; i < KEYS; i++)
        type(replica, i, "x");
    /* Nobody listens there: it is shared all the same. The journal's thread is still ringing the neighbour. */
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    for (uint64_t i = 0; i < KEYS; i++)
        type(replica, KEYS + i, "y");
    wait_for(replica, NULL, is_kept);
    assert_int_equal(rope_len(replica_buffer(replica)->text), 2 * KEYS);
    close_one(replica);
    close_one(neighbour);
    struct replica *again = open_file(world, "notes.md");
    assert_int_equal(rope_len(replica_buffer(again)->text), 2 * KEYS);
    assert_true(replica_is_shared(again));
    close_one(again);
}

/* A second connection to the journal, as another process has it. */
static struct journal *open_journal_of(struct world *world, struct replica *replica)
{
    struct error err = {0};
    struct seal_key key;
    const struct doc_entry *entry = replica_entry(replica);
    char *dir = paths_state_file(&world->env.paths, "docs"), *path = journal_path(dir, &entry->doc);
    device_journal_key(&world->env.device, &entry->doc, &key);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = entry->doc, .key = &key};
    struct journal *journal = journal_open(&spec, &err);
    if (!journal)
        fail_msg("%s", err.text);
    free(path);
    free(dir);
    return journal;
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
    struct world *world = *state;
    struct error err = {0};
    struct replica *replica = open_file(world, "notes.md");
    enum { KEYS = 200, LOOKS = 20 };
    uint64_t unsent = 0;
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there */
    for (uint64_t i = 0; i < KEYS; i++) {
        type(replica, i, "x");
        expect_unsent(replica, i + 1);
    }
    wait_for(replica, NULL, is_kept);
    struct journal *other = open_journal_of(world, replica);
    assert_true(journal_begin(other, &err)); /* the next one cannot be committed */
    type(replica, KEYS, "y");
    for (int i = 0; i < LOOKS; i++) {
        expect_unsent(replica, KEYS + 1);
        replica_wait(replica, 1);
    }
    journal_close(other);
    do {
        expect_unsent(replica, KEYS + 1);
        replica_wait(replica, STEP_MS);
    } while (!is_kept(replica, NULL));
    expect_unsent(replica, KEYS + 1);
    assert_true(replica_close(replica, 0, &unsent, &err));
    assert_int_equal(unsent, KEYS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(looking_and_undoing_nothing_makes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(two_who_begin_one_file_at_once_meet_in_one_document, setup, teardown),
        cmocka_unit_test_setup_teardown(leaving_right_after_typing_into_what_another_began_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(who_could_not_begin_goes_on_in_the_document_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_alone_signs_no_presence_and_a_neighbour_hears_every_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_save_before_the_first_key_of_a_run_is_known_to_the_next_one, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_typed_while_the_file_is_written_is_counted_and_undone_by_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_join_that_fails_ends_its_threads_and_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(sharing_in_the_middle_of_typing_keeps_every_key, setup, teardown),
        cmocka_unit_test_setup_teardown(every_edit_counts_as_unsent_at_once, setup, teardown),
    };
    return RUN_TESTS("replica_life", tests);
}
