/* The index of documents: which file belongs to which document, also when two processes ask at once. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/doc_index.h"
#include "tests/support/scratch.h"

static struct device device_of(unsigned char filling)
{
    struct device device;
    unsigned char seed[CRYPTO_SEED_BYTES];
    memset(seed, filling, sizeof seed);
    device_from_seed(&device, seed);
    return device;
}

static struct doc_index *open_ok(const char *path)
{
    struct device device = device_of(1);
    struct error err = {0};
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &device, &err);
    if (!index)
        fail_msg("%s", err.text);
    return index;
}

static struct doc_entry entry_of(const char *name, const char *path, uint64_t opened_s)
{
    struct doc_entry entry = {.role = DOC_HOST, .state = DOC_PRIVATE, .created_s = 1, .opened_s = opened_s};
    doc_keys_new(&entry.keys);
    entry.doc = entry.keys.doc;
    entry.name = xstrdup(name);
    entry.path = path ? xstrdup(path) : NULL;
    entry.dev = 1;
    entry.ino = opened_s;
    return entry;
}

static void put_ok(struct doc_index *index, const struct doc_entry *entry)
{
    struct error err = {0};
    struct doc_id other;
    if (doc_index_put(index, entry, &other, &err) != DOC_INDEX_PUT)
        fail_msg("%s", err.text);
}

static void an_entry_comes_back_with_every_field(void **state)
{
    char *path = scratch_file(*state, "index.db");
    struct doc_entry entry = entry_of("notes", "/home/ada/notes.md", 10);
    struct error err = {0};
    entry.role = DOC_GUEST;
    entry.state = DOC_SHARED;
    entry.relay = xstrdup("relay.example,192.168.1.20:7717");
    entry.relay_flags = xstrdup("ws");
    entry.shared_s = 9;
    entry.dev = UINT64_MAX;
    entry.ino = UINT64_MAX - 1;
    entry.content_known = true;
    memset(entry.content.bytes, 5, sizeof entry.content.bytes);
    struct doc_index *index = open_ok(path);
    put_ok(index, &entry);
    doc_index_close(index);

    struct device device = device_of(1);
    index = doc_index_open(path, DOC_INDEX_READ, &device, &err);
    struct doc_entry read = {0};
    bool found = false;
    assert_true(doc_index_find_path(index, "/home/ada/notes.md", &read, &found, &err));
    assert_true(found);
    assert_true(doc_id_equal(&read.doc, &entry.doc));
    assert_int_equal(read.role, DOC_GUEST);
    assert_int_equal(read.state, DOC_SHARED);
    assert_string_equal(read.name, "notes");
    assert_string_equal(read.relay, entry.relay);
    assert_string_equal(read.relay_flags, "ws");
    assert_string_equal(read.path, entry.path);
    assert_int_equal(read.created_s, 1);
    assert_int_equal(read.opened_s, 10);
    assert_int_equal(read.shared_s, 9);
    assert_true(read.dev == entry.dev && read.ino == entry.ino);
    assert_int_equal(read.bound_s, 10);
    assert_true(read.content_known && digest_equal(&read.content, &entry.content));
    assert_int_equal(read.keys.access, ACCESS_ADMIN);
    assert_memory_equal(read.keys.admin_seed, entry.keys.admin_seed, KEY_SEED_BYTES);
    doc_entry_release(&read);
    doc_entry_release(&entry);
    doc_index_close(index);
    free(path);
}

static void a_path_or_document_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry read = {0};
    struct doc_id nobody = {{0}};
    bool found = true;
    assert_true(doc_index_find_path(index, "/none", &read, &found, &err));
    assert_false(found);
    assert_true(doc_index_find_doc(index, &nobody, &read, &found, &err));
    assert_false(found);
    assert_true(doc_index_find_inode(index, 1, 2, &read, &found, &err));
    assert_false(found);
    doc_index_close(index);
}

static void looking_into_a_missing_index_makes_none(void **state)
{
    char *path = scratch_file(*state, "index.db");
    struct device device = device_of(1);
    struct error err = {0};
    assert_null(doc_index_open(path, DOC_INDEX_READ, &device, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

static void a_path_belongs_to_one_document(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry first = entry_of("first", "/a", 1);
    struct doc_entry second = entry_of("second", "/a", 2);
    struct doc_entry read = {0};
    struct doc_id other;
    bool found = false;
    put_ok(index, &first);
    put_ok(index, &first);
    assert_int_equal(doc_index_put(index, &second, &other, &err), DOC_INDEX_TAKEN);
    assert_true(doc_id_equal(&other, &first.doc));
    assert_true(doc_index_find_doc(index, &second.doc, &read, &found, &err));
    assert_false(found); /* nothing of it was kept */

    assert_true(doc_index_bind_path(index, &second.doc, "/a", 1, 2, NULL, 3, &err));
    put_ok(index, &second);
    assert_true(doc_index_find_path(index, "/a", &read, &found, &err));
    assert_true(doc_id_equal(&read.doc, &second.doc));
    assert_true(doc_index_find_doc(index, &first.doc, &read, &found, &err));
    assert_true(found);
    assert_null(read.path); /* it stays, as history */
    doc_entry_release(&read);
    doc_entry_release(&first);
    doc_entry_release(&second);
    doc_index_close(index);
}

static bool note_path(void *self, const char *path, uint64_t dev, uint64_t ino)
{
    (void)dev;
    buf_addf(self, "%s:%llu ", path, (unsigned long long)ino);
    return true;
}

static void expect_paths(struct doc_index *index, const struct doc_id *doc, const char *expected)
{
    struct buf paths = {0};
    struct error err = {0};
    assert_true(doc_index_paths(index, doc, note_path, &paths, &err));
    assert_string_equal(buf_string(&paths), expected);
    buf_release(&paths);
}

static void who_takes_a_document_s_place_gets_all_its_paths_or_none(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry former = entry_of("notes", "/notes", 1), next = entry_of("notes", "/notes", 9), late = entry_of("notes", "/notes", 9);
    struct doc_entry fresh = entry_of("fresh", "/fresh", 5), read = {0};
    struct doc_id other, nobody = {{0}};
    bool found = true;
    put_ok(index, &former);
    assert_true(doc_index_bind_path(index, &former.doc, "/plan", 1, 7, NULL, 3, &err));
    expect_paths(index, &former.doc, "/notes:1 /plan:7 ");
    assert_int_equal(doc_index_succeed(index, &former.doc, &next, &other, &err), DOC_INDEX_PUT);
    expect_paths(index, &former.doc, "");
    expect_paths(index, &next.doc, "/plan:7 /notes:9 ");

    assert_int_equal(doc_index_succeed(index, &former.doc, &late, &other, &err), DOC_INDEX_TAKEN);
    assert_true(doc_id_equal(&other, &next.doc));
    assert_true(doc_index_find_doc(index, &late.doc, &read, &found, &err));
    assert_false(found); /* nothing of it was kept */
    expect_paths(index, &next.doc, "/plan:7 /notes:9 ");

    assert_int_equal(doc_index_succeed(index, &nobody, &fresh, &other, &err), DOC_INDEX_PUT); /* nothing was kept of the file */
    expect_paths(index, &fresh.doc, "/fresh:5 ");
    doc_entry_release(&former);
    doc_entry_release(&next);
    doc_entry_release(&late);
    doc_entry_release(&fresh);
    doc_index_close(index);
}

static void of_two_processes_that_name_a_new_file_one_wins_and_both_know_it(void **state)
{
    enum { PROCESSES = 4 };
    char *path = scratch_file(*state, "index.db");
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            struct doc_index *index = open_ok(path);
            struct doc_entry entry = entry_of("new", "/new", 1);
            struct doc_id winner = entry.doc;
            struct error err = {0};
            enum doc_index_put put = doc_index_put(index, &entry, &winner, &err);
            doc_index_close(index);
            ssize_t written = write(fds[1], winner.bytes, sizeof winner.bytes);
            _exit(put != DOC_INDEX_FAILED && written == sizeof winner.bytes ? 0 : 1);
        }
    }
    struct doc_id winners[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        wait(&status);
        assert_int_equal(status, 0);
        assert_int_equal(read(fds[0], winners[i].bytes, DOC_ID_BYTES), DOC_ID_BYTES);
        assert_true(doc_id_equal(&winners[i], &winners[0]));
    }
    close(fds[0]);
    close(fds[1]);
    free(path);
}

static void a_renamed_file_is_recognised_by_its_inode(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry entry = entry_of("notes", "/old", 42);
    struct doc_entry read = {0};
    bool found = false;
    put_ok(index, &entry);
    assert_true(doc_index_find_inode(index, 1, 42, &read, &found, &err));
    assert_true(found);
    struct digest content = {{7}};
    assert_true(doc_index_bind_path(index, &entry.doc, "/new", 1, 42, &content, 50, &err));
    assert_true(doc_index_find_doc(index, &entry.doc, &read, &found, &err));
    assert_string_equal(read.path, "/new");
    assert_true(read.content_known && digest_equal(&read.content, &content));
    doc_entry_release(&read);
    doc_entry_release(&entry);
    doc_index_close(index);
}

static void a_path_s_file_is_noted_while_it_shows_the_document_and_not_after(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry entry = entry_of("notes", "/a", 1);
    struct doc_entry read = {0};
    struct digest content = {{7}};
    bool found = false;
    put_ok(index, &entry);
    assert_true(doc_index_bind_path(index, &entry.doc, "/b", 1, 2, NULL, 2, &err));
    assert_true(doc_index_note_file(index, &entry.doc, "/a", 3, 4, &content, 5, &err));
    assert_true(doc_index_find_doc(index, &entry.doc, &read, &found, &err));
    assert_string_equal(read.path, "/a"); /* the newest */
    assert_true(read.dev == 3 && read.ino == 4 && read.content_known && digest_equal(&read.content, &content));

    struct doc_id other = {{9}};
    assert_true(doc_index_unbind_path(index, &other, "/a", &err)); /* not its path */
    assert_true(doc_index_note_file(index, &other, "/a", 6, 7, NULL, 8, &err));
    assert_true(doc_index_find_path(index, "/a", &read, &found, &err));
    assert_true(found && read.ino == 4);

    assert_true(doc_index_unbind_path(index, &entry.doc, "/a", &err));
    assert_true(doc_index_note_file(index, &entry.doc, "/a", 6, 7, NULL, 8, &err));
    found = true;
    assert_true(doc_index_find_path(index, "/a", &read, &found, &err));
    assert_false(found);
    assert_true(doc_index_find_doc(index, &entry.doc, &read, &found, &err));
    assert_string_equal(read.path, "/b");
    doc_entry_release(&read);
    doc_entry_release(&entry);
    doc_index_close(index);
}

static void sharing_remembers_when_and_where(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry entry = entry_of("notes", "/a", 1);
    struct doc_entry read = {0};
    bool found = false;
    put_ok(index, &entry);
    assert_true(doc_index_set_state(index, &entry.doc, DOC_SHARED, "relay.example", 100, &err));
    assert_true(doc_index_set_state(index, &entry.doc, DOC_UNSHARED, NULL, 200, &err));
    assert_true(doc_index_set_state(index, &entry.doc, DOC_SHARED, NULL, 300, &err));
    assert_true(doc_index_find_doc(index, &entry.doc, &read, &found, &err));
    assert_int_equal(read.state, DOC_SHARED);
    assert_string_equal(read.relay, "relay.example");
    assert_int_equal(read.shared_s, 100);
    doc_entry_release(&read);
    doc_entry_release(&entry);
    doc_index_close(index);
}

static bool print_name(void *self, const struct doc_entry *entry)
{
    buf_addf(self, "%s ", entry->name);
    return true;
}

static void expect_recent(struct doc_index *index, size_t max, const char *expected)
{
    struct buf printed = {0};
    struct error err = {0};
    assert_true(doc_index_recent(index, max, print_name, &printed, &err));
    assert_string_equal(buf_string(&printed), expected);
    buf_release(&printed);
}

static void recent_documents_come_newest_first(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    struct doc_entry entries[] = {entry_of("a", "/a", 1), entry_of("b", NULL, 2), entry_of("c", "/c", 3)};
    expect_recent(index, 0, "");
    for (size_t i = 0; i < 3; i++)
        put_ok(index, &entries[i]);
    expect_recent(index, 0, "c b a ");
    assert_true(doc_index_touch(index, &entries[0].doc, 9, &err));
    expect_recent(index, 2, "a c ");
    assert_true(doc_index_forget(index, &entries[2].doc, &err));
    expect_recent(index, 0, "a b ");
    struct doc_entry read = {0};
    bool found = true;
    assert_true(doc_index_find_path(index, "/c", &read, &found, &err));
    assert_false(found);
    for (size_t i = 0; i < 3; i++)
        doc_entry_release(&entries[i]);
    doc_index_close(index);
}

static void another_device_s_entry_does_not_open_and_hides_no_other(void **state)
{
    char *path = scratch_file(*state, "index.db");
    struct device stranger = device_of(2);
    struct error err = {0};
    struct doc_entry theirs = entry_of("theirs", "/theirs", 1);
    struct doc_entry mine = entry_of("mine", "/mine", 2);
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &stranger, &err);
    put_ok(index, &theirs);
    doc_index_close(index);
    index = open_ok(path);
    put_ok(index, &mine);
    struct doc_entry read = {0};
    bool found = false;
    assert_false(doc_index_find_path(index, "/theirs", &read, &found, &err));
    assert_int_equal(err.code, ERR_AUTH);
    expect_recent(index, 0, "mine ");
    doc_entry_release(&theirs);
    doc_entry_release(&mine);
    doc_index_close(index);
    free(path);
}

static void no_key_is_on_the_disk_in_the_clear_and_nothing_forgotten_stays(void **state)
{
    char *path = scratch_file(*state, "index.db");
    struct doc_index *index = open_ok(path);
    struct doc_entry entry = entry_of("notes", "/home/ada/diary-of-ada.md", 1);
    struct error err = {0};
    unsigned char seed[KEY_SEED_BYTES] = "a-seed-of-16-b!";
    doc_keys_from_admin(&entry.keys, seed);
    entry.doc = entry.keys.doc;
    put_ok(index, &entry);
    doc_index_close(index);
    assert_false(scratch_contains(*state, (const char *)seed));
    assert_true(scratch_contains(*state, "diary-of-ada"));

    index = open_ok(path);
    assert_true(doc_index_forget(index, &entry.doc, &err));
    assert_true(doc_index_vacuum(index, &err));
    doc_index_close(index);
    assert_false(scratch_contains(*state, "diary-of-ada"));
    doc_entry_release(&entry);
    free(path);
}

static void a_name_beyond_bounds_is_refused(void **state)
{
    (void)state;
    struct doc_index *index = open_ok(NULL);
    struct error err = {0};
    char *text = xmalloc(DOC_INDEX_TEXT_BYTES_MAX + 2);
    memset(text, 'x', DOC_INDEX_TEXT_BYTES_MAX + 1);
    text[DOC_INDEX_TEXT_BYTES_MAX + 1] = '\0';
    struct doc_entry entry = entry_of(text, "/a", 1);
    struct doc_id other;
    assert_int_equal(doc_index_put(index, &entry, &other, &err), DOC_INDEX_FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    free(text);
    doc_entry_release(&entry);
    doc_index_close(index);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(an_entry_comes_back_with_every_field),
        cmocka_unit_test(a_path_or_document_that_is_not_there_is_not_found),
        SCRATCH_TEST(looking_into_a_missing_index_makes_none),
        cmocka_unit_test(a_path_belongs_to_one_document),
        cmocka_unit_test(who_takes_a_document_s_place_gets_all_its_paths_or_none),
        SCRATCH_TEST(of_two_processes_that_name_a_new_file_one_wins_and_both_know_it),
        cmocka_unit_test(a_renamed_file_is_recognised_by_its_inode),
        cmocka_unit_test(a_path_s_file_is_noted_while_it_shows_the_document_and_not_after),
        cmocka_unit_test(sharing_remembers_when_and_where),
        cmocka_unit_test(recent_documents_come_newest_first),
        SCRATCH_TEST(another_device_s_entry_does_not_open_and_hides_no_other),
        SCRATCH_TEST(no_key_is_on_the_disk_in_the_clear_and_nothing_forgotten_stays),
        cmocka_unit_test(a_name_beyond_bounds_is_refused),
    };
    return RUN_TESTS("doc_index", tests);
}
