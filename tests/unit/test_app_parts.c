/* Small parts of the program: a line of `weft apply`, lists of records, what every verb needs, a relay of one's own. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/edit_line.h"
#include "app/env.h"
#include "app/origin.h"
#include "app/own_relay.h"
#include "app/stored_list.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

/* --- edit_line --- */

enum { TEXT = 10 };

static void an_edit_says_where_how_much_goes_and_what_comes(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint64_t at, deleted;
        const char *insert;
    } cases[] = {
        {"{\"at\": 3}", 3, 0, ""},
        {"{\"at\": 0, \"delete\": 10, \"insert\": \"new\"}", 0, 10, "new"},
        {"{\"insert\": \"\\u00e9\\n\", \"at\": \"end\"}", TEXT, 0, "\xc3\xa9\n"},
        {"{\"at\": 10, \"delete\": 0}", TEXT, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct edit_line edit;
        struct error err = {0};
        assert_true(edit_line_parse(bytes_of_string(cases[i].line), TEXT, &edit, &err));
        assert_int_equal(edit.at, cases[i].at);
        assert_int_equal(edit.deleted, cases[i].deleted);
        assert_string_equal(edit.insert, cases[i].insert);
        edit_line_release(&edit);
        assert_null(edit.json);
    }
}

static void what_is_no_edit_of_this_text_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"", ""},
        {"[]", "it must be {\"at\""},
        {"{}", "it must be {\"at\""},
        {"{\"delete\": 1}", "it must be {\"at\""},
        {"{\"at\": 11}", "byte 11 is behind the end of the text, which has 10 now"},
        {"{\"at\": 4, \"delete\": 7}", "from byte 4 on there are 6 bytes to delete, not 7"},
        {"{\"at\": 4, \"delete\": 9007199254740992}", "not 9007199254740992"},
        {"{\"at\": \"end\", \"delete\": 1}", "there are 0 bytes to delete"},
        {"{\"at\": -1}", "\"at\" must be a whole number"},
        {"{\"at\": 1.5}", "\"at\" must be a whole number"},
        {"{\"at\": null}", "\"at\" must be a whole number"},
        {"{\"at\": \"start\"}", "\"at\" must be a byte's number or \"end\""},
        {"{\"at\": 1, \"delete\": \"2\"}", "\"delete\" must be a whole number"},
        {"{\"at\": 1, \"insert\": 2}", "\"insert\" must be a text"},
        {"{\"at\": 1, \"inesrt\": \"x\"}", "\"inesrt\" means nothing here"},
        {"{\"at\": 1} // why", ""},
        {"{\"at\": 1, \"insert\": \"\\u0000\"}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct edit_line edit;
        struct error err = {0};
        assert_false(edit_line_parse(bytes_of_string(cases[i].line), TEXT, &edit, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        if (!strstr(err.text, cases[i].words))
            fail_msg("%s: %s", cases[i].line, err.text);
        assert_null(edit.json); /* there is nothing to release */
    }
}

/* --- stored_list --- */

static void a_list_keeps_copies_in_their_order(void **state)
{
    (void)state;
    struct stored_list list = {0};
    struct bytes *views = stored_list_views(&list);
    assert_non_null(views); /* of none, too */
    free(views);
    char name[] = "record 0";
    for (; name[7] < '9'; name[7]++)
        stored_list_add(&list, bytes_of_string(name));
    stored_list_add(&list, (struct bytes){0});
    views = stored_list_views(&list);
    assert_int_equal(list.count, 10);
    assert_true(bytes_equal(views[0], bytes_of_string("record 0")));
    assert_true(bytes_equal(views[8], bytes_of_string("record 8")));
    assert_int_equal(views[9].len, 0);
    free(views);
    stored_list_release(&list);
    assert_int_equal(list.count, 0);
}

/* --- env --- */

static void a_passing_device_writes_nothing_and_a_kept_one_stays_the_same(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct env passing = {0}, again = {0};
    assert_true(env_init(&passing, "weft", &err));
    assert_false(passing.has_device);
    assert_true(env_device_passing(&passing, &err) && passing.has_device);
    assert_int_equal(access(home->state, F_OK), -1);
    assert_true(env_device(&home->env, &err));
    assert_memory_not_equal(home->env.device.seed, passing.device.seed, CRYPTO_SEED_BYTES);
    struct stat st;
    assert_int_equal(stat(home->state, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(env_init(&again, "weft", &err));
    assert_true(env_device_passing(&again, &err)); /* where there is a key it is that */
    assert_memory_equal(home->env.device.seed, again.device.seed, CRYPTO_SEED_BYTES);
    assert_true(env_device(&again, &err));
    env_release(&passing);
    env_release(&again);
}

static void a_broken_configuration_is_told_and_the_defaults_hold(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct env env = {0};
    char *dir = xstrndup(home->env.paths.config, (size_t)(strrchr(home->env.paths.config, '/') - home->env.paths.config));
    assert_true(file_make_dirs(dir, &err));
    scratch_write(home->env.paths.config, "{\"tab_width\": ");
    assert_true(env_init(&env, "weft", &err));
    assert_int_not_equal(env.config_error.code, ERR_NONE);
    assert_non_null(strstr(env.config_error.text, home->env.paths.config));
    assert_int_equal(env.config.tab_width, home->env.config.tab_width);
    env_release(&env);
    free(dir);
}

static void a_journal_has_its_place_whether_or_not_it_is_there(void **state)
{
    struct home *home = *state;
    char *path = env_journal_path(&home->env, &(struct doc_id){{0xd0, 0x0c}});
    assert_memory_equal(path, home->state, strlen(home->state));
    assert_non_null(strstr(path, "/docs/d00c"));
    assert_int_equal(access(home->state, F_OK), -1);
    free(path);
    char *program = env_program_path(&home->env);
    assert_int_equal(access(program, X_OK), 0);
    free(program);
}

/* --- own_relay: what is kept of it; it is started in test_verbs.c --- */

static char *relay_file(const struct home *home, const char *name)
{
    return xformat("%s/relay/%s", home->state, name);
}

static void write_relay_file(const struct home *home, const char *name, const char *text)
{
    struct error err = {0};
    char *dir = xformat("%s/relay", home->state), *path = relay_file(home, name);
    assert_true(file_make_dirs(dir, &err));
    scratch_write(path, text);
    free(dir);
    free(path);
}

static void expect_own(struct home *home, const char *relay, bool own)
{
    char *socket = own_relay_socket(&home->env, relay);
    assert_int_equal(own_relay_is(&home->env, relay), own);
    assert_int_equal(socket != NULL, own);
    assert_true(!socket || strlen(socket) < sizeof ((struct sockaddr_un *)NULL)->sun_path);
    free(socket);
}

static void the_own_relay_is_known_by_the_address_that_was_chosen(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    expect_own(home, "ws://127.0.0.1:7717", false); /* none was ever started */
    expect_own(home, NULL, false);
    write_relay_file(home, "port", "7800\n");
    expect_own(home, "ws://127.0.0.1:7800", true);
    expect_own(home, "ws://127.0.0.1:7717", false);
    expect_own(home, "wss://127.0.0.1:7800", false);
    expect_own(home, NULL, false);
    write_relay_file(home, "reach", "192.168.7.9");
    expect_own(home, "ws://192.168.7.9:7800,127.0.0.1:7800", true);
    expect_own(home, "ws://127.0.0.1:7800", false);
    write_relay_file(home, "reach", "198.51.100.9"); /* no link may name it */
    expect_own(home, "ws://127.0.0.1:7800", true);
    assert_true(own_relay_revive(&home->env, "wss://elsewhere.example", &err)); /* there is nothing to do */
}

static void a_relay_that_does_not_run_is_told_and_need_not_be_ended(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct own_relay_status status = {.running = true};
    assert_true(own_relay_status(&home->env, &status, &err));
    assert_false(status.running);
    assert_null(status.address);
    write_relay_file(home, "port", "7800");
    write_relay_file(home, "pid", "999999999\n"); /* left by one that ended: nobody holds its lock */
    assert_true(own_relay_status(&home->env, &status, &err));
    assert_false(status.running);
    free(status.address);
    assert_true(own_relay_stop(&home->env, &err));
}

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)

/* --- origin --- */

static void where_a_document_comes_from_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct error err = {0};
    struct seal_key key = {{1}};
    struct journal_spec spec = {.mode = JOURNAL_CREATE, .doc = {{2}}, .key = &key};
    struct journal *journal = journal_open(&spec, &err);
    struct origin read = {0}, written = {.doc = {{3}}, .is_over = true, .place = 300, .there = bytes_of_string("there"),
                                         .here = bytes_of_string("here")};
    struct buf encoded = {0};
    bool found = true;
    assert_non_null(journal);
    assert_true(origin_read(journal, &read, &found, &err));
    assert_false(found);
    origin_encode(&written, &encoded);
    assert_true(journal_begin(journal, &err) && origin_put(journal, buf_view(&encoded), &err) && journal_commit(journal, &err));
    assert_true(origin_read(journal, &read, &found, &err));
    assert_true(found && doc_id_equal(&read.doc, &written.doc) && read.is_over);
    assert_int_equal(read.place, 300);
    assert_true(bytes_equal(read.there, written.there) && bytes_equal(read.here, written.here));
    origin_release(&read);
    for (size_t len = 0; len < encoded.len; len++) {
        assert_true(journal_begin(journal, &err) && origin_put(journal, bytes_of(encoded.data, len), &err) &&
                    journal_commit(journal, &err));
        assert_false(origin_read(journal, &read, &found, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        origin_release(&read);
    }
    buf_release(&encoded);
    journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_says_where_how_much_goes_and_what_comes),
        cmocka_unit_test(what_is_no_edit_of_this_text_is_refused_with_a_sentence),
        cmocka_unit_test(a_list_keeps_copies_in_their_order),
        HOME_TEST(a_passing_device_writes_nothing_and_a_kept_one_stays_the_same),
        HOME_TEST(where_a_document_comes_from_is_read_as_it_was_written),
        HOME_TEST(a_broken_configuration_is_told_and_the_defaults_hold),
        HOME_TEST(a_journal_has_its_place_whether_or_not_it_is_there),
        HOME_TEST(the_own_relay_is_known_by_the_address_that_was_chosen),
        HOME_TEST(a_relay_that_does_not_run_is_told_and_need_not_be_ended),
    };
    return RUN_TESTS("app_parts", tests);
}
