/* Sharing as people do it: two or three terminals, a real relay process, links on the command line. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

/* A relay of somebody's own outlives the program that started it, also when a test fails. */
static int teardown_own_relay(void **state)
{
    (void)stage_run(*state, "ada", NULL, ARGS("relay", "stop"));
    return stage_teardown(state);
}

/* ada shares notes.md with this text and has it open; lin has joined by the given link. */
struct pair {
    struct stage *stage;
    struct vt *ada, *lin;
    char *link;
};

static struct pair pair_up(struct stage *stage, const char *text, const char *which)
{
    struct pair pair = {.stage = stage};
    stage_write(stage, "notes.md", text);
    pair.link = stage_share(stage, "ada", "notes.md", which);
    pair.ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    pair.lin = stage_weft(stage, "lin", ARGS("join", "--name", "lin", pair.link));
    vt_link(pair.ada, pair.lin);
    vt_expect(pair.ada, "lin");
    vt_expect(pair.lin, "ada");
    char *first = xstrndup(text, strcspn(text, "\n")); /* people may be there before the text: keys would be refused */
    vt_expect_row_has(pair.lin, 0, first);
    free(first);
    return pair;
}

static void pair_free(struct pair *pair)
{
    vt_free(pair->ada);
    vt_free(pair->lin);
    free(pair->link);
}

/* The edit link of a shared file, as `weft links` prints it. Heap string. */
static char *stage_link(struct stage *stage, const char *person, const char *path)
{
    struct stage_result result = stage_run(stage, person, NULL, ARGS("links", path));
    assert_int_equal(strncmp(result.out, "edit ", strlen("edit ")), 0);
    return xstrndup(result.out + strlen("edit "), strcspn(result.out, "\n") - strlen("edit "));
}

static void sharing_again_gives_the_same_links(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "shared text\n");
    char *first = stage_share(stage, "ada", "notes.md", "edit");
    char *again = stage_share(stage, "ada", "notes.md", "edit");
    assert_string_equal(first, again);
    assert_non_null(strstr(first, "weft+ws://127.0.0.1:"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "shared");
    vt_expect(vt, "sent");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    free(first);
    free(again);
}

static void two_people_see_each_others_text_cursors_and_selections(void **state)
{
    struct pair pair = pair_up(*state, "hello world\nsecond line\n", "edit");
    vt_expect_row_has(pair.lin, 0, "hello world");
    vt_type(pair.lin, VT_DOWN VT_END "!!");
    vt_expect_row_has(pair.ada, 1, "second line!!");
    vt_type(pair.ada, VT_SHIFT_RIGHT VT_SHIFT_RIGHT VT_SHIFT_RIGHT);
    vt_type(pair.ada, VT_ALT("2"));
    vt_expect(pair.ada, "2 people here");
    vt_expect(pair.ada, "lin");
    vt_expect(pair.ada, "edit  line 2");
    vt_ctrl(pair.ada, 's');
    vt_expect(pair.ada, "Saved notes.md");
    stage_expect_file(pair.stage, "notes.md", "hello world\nsecond line!!\n");
    pair_free(&pair);
}

/* The same command as the first time is what a shell's history offers: it goes on where the copy was left. */
static void joining_again_with_the_same_copy_goes_on_with_it(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    for (int i = 0; i < 2; i++) {
        struct vt *vt = stage_weft(stage, "lin", ARGS("join", link, "--save-as", "copy.md"));
        vt_expect_row_has(vt, 0, "one");
        vt_type(vt, "+");
        vt_expect(vt, "copy.md +");
        vt_ctrl(vt, 's');
        vt_expect_gone(vt, "copy.md +");
        vt_ctrl(vt, 'q');
        assert_int_equal(vt_close(vt), 0);
    }
    stage_expect_file(stage, "copy.md", "++one\n");
    char *line = xformat("%s\n", link); /* the same from the list of what was joined before */
    struct stage_result listed = stage_run(stage, "lin", "\n", ARGS("join"));
    assert_non_null(strstr(listed.err, "copy.md"));
    stage_write(stage, "other.md", "another text\n");
    struct stage_result refused = stage_run(stage, "lin", line, ARGS("join", "--save-as", "other.md"));
    assert_int_equal(refused.status, 2);
    assert_non_null(strstr(refused.err, "other.md exists already and is not this document; name another file"));
    stage_expect_file(stage, "other.md", "another text\n");
    free(line);
    free(link);
}

static void joins_as(struct stage *stage, const char *link, const char *name, struct vt *ada, const char *appears)
{
    struct vt *lin = name ? stage_weft(stage, "lin", ARGS("join", link, "--name", name)) : stage_weft(stage, "lin", ARGS("join", link));
    vt_link(ada, lin);
    vt_expect(lin, appears); /* "You are NAME" */
    vt_expect_row_has(lin, 0, "one");
    vt_expect(ada, appears);
    vt_ctrl(lin, 'q');
    assert_int_equal(vt_close(lin), 0);
    vt_expect_gone(ada, appears);
}

/* Who has said it once for a document is not somebody else there the next time. */
static void a_name_that_was_chosen_stays_with_the_document(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    assert_int_equal(stage_run(stage, "lin", NULL, ARGS("config", "name", "Conf")).status, 0);
    struct vt *ada = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(ada, 0, "one");
    joins_as(stage, link, "Zoe", ada, "Zoe");
    joins_as(stage, link, NULL, ada, "Zoe");
    joins_as(stage, link, "Ida", ada, "Ida");
    joins_as(stage, link, NULL, ada, "Ida");
    joins_as(stage, link, "", ada, "Conf"); /* no name of one's own here any more */
    joins_as(stage, link, NULL, ada, "Conf");
    vt_free(ada);
    free(link);
}

/* Said before the file was shared, it goes with it; and a script's name is the script's. */
static void a_name_goes_with_a_file_that_is_shared(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("--name", "Zoe", "notes.md"));
    vt_expect_row(vt, 0, "one");
    vt_type(vt, "+");
    vt_expect_row(vt, 0, "+one");
    vt_ctrl(vt, 's');
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    assert_int_equal(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"x\"}\n", ARGS("apply", "notes.md", "--name", "robot")).status, 0);
    struct vt *ada = stage_weft(stage, "ada", ARGS("notes.md")), *lin = stage_weft(stage, "lin", ARGS("join", link));
    vt_expect(lin, "Zoe");
    vt_free(ada);
    vt_free(lin);
    free(link);
}

/* Not what "save as" does elsewhere, so it is said. */
static void a_shared_text_under_a_second_name_says_that_both_are_one(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft_sized(stage, "ada", 24, 200, ARGS("notes.md"));
    vt_expect_row(vt, 0, "one");
    stage_write_to(vt, "second.md" VT_ENTER);
    vt_expect(vt, "notes.md and second.md are two names of one shared document now.");
    vt_type(vt, "zero ");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved second.md: 1 line.");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "zero one"); /* and its file lacks that */
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep for later");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
}

/* The terminal is handed the edit link by the first F3, also while the panel is there already; by the second the view link. */
static void f3_copies_the_edit_link_first(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("share", "notes.md", "--relay", stage_relay(stage)));
    vt_expect(vt, "F3 copies this one");
    vt_forget_output(vt);
    vt_type(vt, VT_F3);
    vt_expect(vt, "F3 again copies this one");
    assert_true(vt_output_has(vt, "\x1b]52;c;"));
    vt_type(vt, VT_F3);
    vt_expect_gone(vt, "F3 again copies this one");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* Sharing from within says as much as `weft share`; and a paste puts the links away, as a key does. */
static void f3_shares_what_is_open_and_says_what_links_show(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "text");
    vt_type(vt, VT_F3);
    vt_expect(vt, "Share it at relay");
    vt_type(vt, stage_relay(stage));
    vt_type(vt, VT_ENTER);
    vt_expect(vt, "F3 again copies this one");
    vt_expect(vt, "deleted text included");
    vt_type(vt, "\x1b[200~more \x1b[201~");
    vt_expect_row(vt, 0, "more text");
    vt_expect_gone(vt, "Anyone with a link gets in");
    vt_type(vt, VT_ALT("a"));
    vt_expect(vt, "kept (you work alone, Alt+A ends it)");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep for later");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
}

/* In one directory a guest's copy has a name of its own; and who insists writes a text that the host knows already. */
static void a_guest_who_writes_over_the_hosts_file_doubles_no_words(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    vt_type(pair.lin, VT_END " LINT");
    vt_expect_row_has(pair.ada, 0, "one LINT");
    vt_type(pair.ada, VT_DOWN VT_END " more");
    vt_expect_row_has(pair.lin, 1, "two more");
    vt_ctrl(pair.lin, 's');
    vt_expect(pair.lin, "Write to file: notes-2.md");
    vt_ctrl(pair.lin, 'a');
    vt_ctrl(pair.lin, 'k');
    vt_type(pair.lin, "notes.md" VT_ENTER);
    vt_expect(pair.lin, "notes.md exists");
    vt_type(pair.ada, " and more");
    vt_expect_row_has(pair.lin, 1, "two more and more");
    vt_type(pair.lin, "yes" VT_ENTER);
    vt_type(pair.ada, " to come");
    vt_expect(pair.lin, "Saved your copy");
    vt_expect_row_has(pair.lin, 1, "two more and more to come");
    vt_type(pair.ada, VT_ENTER "three");
    vt_ctrl(pair.ada, 's'); /* looks at the file first: it is not as it was */
    vt_expect(pair.ada, "Saved notes.md");
    stage_expect_file(pair.stage, "notes.md", "one LINT\ntwo more and more to come\nthree\n");
    vt_expect_row(pair.lin, 0, "one LINT");
    pair_free(&pair);
}

/* ... nor when the host was away, and hears of lin's words only after seeing them in the file. */
static void a_guest_who_writes_the_file_of_an_absent_host_doubles_no_words(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    vt_ctrl(pair.ada, 'q');
    assert_int_equal(vt_close(pair.ada), 0);
    vt_type(pair.lin, VT_END " LINT");
    vt_expect(pair.lin, "sent");
    vt_ctrl(pair.lin, 's');
    vt_expect(pair.lin, "Write to file:");
    vt_ctrl(pair.lin, 'a');
    vt_ctrl(pair.lin, 'k');
    vt_type(pair.lin, "notes.md" VT_ENTER);
    vt_expect(pair.lin, "notes.md exists");
    vt_type(pair.lin, "yes" VT_ENTER);
    vt_expect(pair.lin, "Saved your copy");
    stage_expect_file(pair.stage, "notes.md", "one LINT\ntwo\n");
    vt_type(pair.lin, " and more");
    pair.ada = stage_weft(pair.stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_link(pair.ada, pair.lin);
    vt_expect_row_has(pair.ada, 0, "and more");
    vt_ctrl(pair.ada, 's');
    vt_expect(pair.ada, "Saved notes.md");
    stage_expect_file(pair.stage, "notes.md", "one LINT and more\ntwo\n");
    pair_free(&pair);
}

static void ask_to_write(struct vt *vt, const char *path)
{
    vt_ctrl(vt, 's');
    vt_expect(vt, "Write to file:");
    vt_ctrl(vt, 'a');
    vt_ctrl(vt, 'k');
    vt_type(vt, path);
    vt_type(vt, VT_ENTER);
}

/* lin is another user of ada's machine, as far as weft can see him: he has her runtime directory. */
static void a_guest_does_not_write_over_the_file_that_the_host_has_open(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    vt_free(pair.lin);
    char *script = xformat("XDG_RUNTIME_DIR=%s/ada.run exec \"$WEFT\" join --name lin '%s'", stage_dir(pair.stage), pair.link);
    pair.lin = stage_shell(pair.stage, "lin", script);
    vt_link(pair.ada, pair.lin);
    vt_expect_row_has(pair.lin, 0, "one");
    vt_type(pair.lin, VT_END "!");
    vt_expect_row_has(pair.ada, 0, "one!");
    ask_to_write(pair.lin, "notes.md");
    vt_expect(pair.lin, "Not saved: notes.md is open in another weft, which writes it.");
    stage_expect_file(pair.stage, "notes.md", "one\ntwo\n");
    free(script);
    pair_free(&pair);
}

/* ... nor while lin's words cannot come by the room: they would come by the file, and by the room later. */
static void a_guest_who_is_offline_does_not_write_over_the_hosts_file(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.lin, "offline");
    vt_type(pair.lin, VT_END "!");
    ask_to_write(pair.lin, "notes.md");
    vt_expect(pair.lin, "Not saved: notes.md may be the host's own file, and 1 edit not sent");
    stage_expect_file(pair.stage, "notes.md", "one\ntwo\n");
    ask_to_write(pair.lin, "mine.md");
    vt_expect(pair.lin, "Saved your copy");
    stage_relay_restart(pair.stage);
    vt_expect_row_has(pair.ada, 0, "one!");
    pair_free(&pair);
}

/* Whoever is in it hears that, keeps the text, and is promised nothing that cannot be. */
static void a_room_that_is_closed_is_nobodys_any_more(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    struct stage_result result = stage_run(pair.stage, "ada", NULL, ARGS("unshare", "--close", "notes.md"));
    assert_int_equal(result.status, 0);
    vt_expect(pair.lin, "notes.md was closed for everybody at its relay. The text stays here.");
    vt_type(pair.lin, VT_END "!");
    vt_expect_row(pair.lin, 0, "one!");
    vt_expect(pair.lin, "kept, ^S writes");
    vt_expect_gone(pair.lin, "offline");
    vt_expect_gone(pair.lin, "shared ");
    vt_free(pair.lin);
    pair.lin = stage_weft(pair.stage, "lin", ARGS("join", "--name", "lin", pair.link));
    vt_expect_row(pair.lin, 0, "one!");
    vt_expect(pair.lin, "was closed for everybody at its relay");
    pair_free(&pair);
}

static void quitting_says_how_many_go_on(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    vt_type(pair.lin, VT_ALT("2"));
    vt_expect(pair.lin, " ada            edit  line 1"); /* who has written nothing yet may write all the same */
    vt_ctrl(pair.lin, 'q');
    vt_expect(pair.lin, "1 person goes on.");
    assert_int_equal(vt_close(pair.lin), 0);
    pair.lin = NULL;
    pair_free(&pair);
}

static void who_quits_offline_is_not_told_who_goes_on(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.lin, "offline: 0 kept");
    vt_forget_output(pair.lin);
    vt_ctrl(pair.lin, 'q');
    vt_expect(pair.lin, "The text is kept; weft join lists it.");
    assert_int_equal(vt_await_end(pair.lin), 0);
    assert_false(vt_output_has(pair.lin, "goes on"));
    (void)vt_close(pair.lin);
    pair.lin = NULL;
    pair_free(&pair);
}

static bool rows_equal(struct vt *vt, void *context)
{
    struct vt *other = context;
    vt_pump(other);
    char *mine = strdup(vt_row(vt, 0));
    bool same = strncmp(mine, vt_row(other, 0), 12) == 0 && strstr(mine, "abc") && strstr(mine, "xyz");
    free(mine);
    return same;
}

static void both_type_in_the_same_word_at_once(void **state)
{
    struct pair pair = pair_up(*state, "--\n", "edit");
    vt_type(pair.ada, VT_RIGHT);
    vt_type(pair.lin, VT_RIGHT);
    vt_type(pair.ada, "abc");
    vt_type(pair.lin, "xyz");
    assert_true(vt_wait(pair.ada, rows_equal, pair.lin, VT_WAIT_MS));
    pair_free(&pair);
}

static void a_view_link_cannot_write(void **state)
{
    struct pair pair = pair_up(*state, "read me\n", "view");
    vt_expect(pair.lin, "notes.md    VIEW    up to date");
    vt_expect_row_has(pair.lin, 0, "read me");
    vt_type(pair.lin, "xy");
    vt_type(pair.lin, "z"); /* further keys do not put the answer to the first away */
    vt_expect(pair.lin, "This link is view-only: you can read, find, copy; ^S saves a copy. Ask ada");
    vt_expect_row_has(pair.lin, 0, "read me");
    vt_type(pair.ada, "please ");
    vt_expect_row_has(pair.lin, 0, "please read me");
    vt_ctrl(pair.lin, 's');
    vt_expect(pair.lin, "Write to file: notes-2.md");
    vt_ctrl(pair.lin, 'a');
    vt_ctrl(pair.lin, 'k');
    vt_type(pair.lin, "notes.copy" VT_ENTER);
    vt_expect(pair.lin, "Saved your copy");
    vt_expect(pair.lin, "written by ada."); /* behind a path as long as it is here */
    stage_expect_file(pair.stage, "notes.copy", "please read me\n");
    vt_ctrl(pair.lin, 's');
    vt_expect(pair.lin, "Saved notes.copy: 1 line."); /* that it is a copy was said */
    pair_free(&pair);
}

/* Whoever wrote first is not whose file it is. */
static void a_copy_names_the_one_who_shares_the_file(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_type(pair.lin, "lin ");
    vt_expect_row_has(pair.ada, 0, "lin one");
    char *view = stage_share(pair.stage, "ada", "notes.md", "view");
    struct vt *bo = stage_weft(pair.stage, "bo", ARGS("join", "--name", "bo", view));
    vt_expect(bo, "Here: ");
    vt_ctrl(bo, 's');
    vt_expect(bo, "Write to file:");
    vt_ctrl(bo, 'u');
    vt_type(bo, "guest.copy" VT_ENTER); /* as long as it is here, the end of the sentence stands in one row */
    vt_expect(bo, "written by ada.");
    vt_free(bo);
    free(view);
    pair_free(&pair);
}

static void typing_goes_on_while_the_relay_is_away_and_merges_when_it_is_back(void **state)
{
    struct pair pair = pair_up(*state, "one\ntwo\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_type(pair.ada, "A ");
    vt_type(pair.lin, VT_DOWN "B ");
    vt_expect(pair.ada, "offline: ");
    vt_expect(pair.lin, "offline: ");
    vt_expect(pair.ada, "lin?");
    vt_expect_row_has(pair.ada, 0, "A one");
    stage_relay_restart(pair.stage);
    vt_expect_row_has(pair.ada, 1, "B two");
    vt_expect_row_has(pair.lin, 0, "A one");
    vt_expect(pair.ada, "sent");
    vt_expect(pair.lin, "sent");
    pair_free(&pair);
}

/* `unsent` comes a second after the key and `offline` two later: a weft that gets no CPU for so long shows only that. */
static bool tells_of_one(struct vt *vt, void *context)
{
    (void)context;
    return vt_find(vt, "1 unsent", NULL, NULL) || vt_find(vt, "offline: 1 kept", NULL, NULL);
}

static void a_stopped_relay_is_noticed(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    stage_relay_signal(pair.stage, SIGSTOP);
    vt_type(pair.ada, "x");
    assert_true(vt_wait(pair.ada, tells_of_one, NULL, VT_WAIT_MS));
    vt_expect(pair.ada, "offline: 1 kept");
    stage_relay_signal(pair.stage, SIGCONT);
    vt_expect(pair.ada, "Back: sent 1");
    vt_expect_row_has(pair.lin, 0, "xone");
    pair_free(&pair);
}

static void what_was_typed_offline_arrives_after_leaving_and_coming_back(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_type(pair.lin, "late ");
    vt_expect(pair.lin, "offline: 5 kept");
    vt_ctrl(pair.lin, 'q');
    assert_int_equal(vt_close(pair.lin), 0);
    stage_relay_restart(pair.stage);
    pair.lin = stage_weft(pair.stage, "lin", ARGS("join", "--name", "lin", pair.link));
    vt_link(pair.ada, pair.lin);
    vt_expect_row_has(pair.ada, 0, "late one");
    vt_expect_row_has(pair.lin, 0, "late one");
    pair_free(&pair);
}

static void undo_takes_back_only_what_is_mine(void **state)
{
    struct pair pair = pair_up(*state, "base\n", "edit");
    vt_type(pair.ada, "mine ");
    vt_expect_row_has(pair.lin, 0, "mine base");
    vt_type(pair.lin, VT_END " yours");
    vt_expect_row_has(pair.ada, 0, "mine base yours");
    vt_ctrl(pair.ada, 'z');
    vt_expect_gone(pair.lin, "mine");
    vt_expect_row_has(pair.ada, 0, "base yours");
    vt_ctrl(pair.ada, 'z');
    vt_expect(pair.ada, "No changes of yours left to undo.");
    vt_expect_row_has(pair.ada, 0, "base yours");
    pair_free(&pair);
}

static void kill_9_of_a_guest_loses_nothing(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_type(pair.lin, "survives ");
    vt_expect_row_has(pair.lin, 0, "survives one");
    vt_signal(pair.lin, SIGKILL);
    vt_close(pair.lin);
    pair.lin = stage_weft(pair.stage, "lin", ARGS("join", "--name", "lin", pair.link));
    vt_link(pair.ada, pair.lin);
    vt_expect_row_has(pair.lin, 0, "survives one");
    vt_expect_row_has(pair.ada, 0, "survives one");
    vt_ctrl(pair.lin, 'z');
    vt_expect_gone(pair.ada, "survives");
    pair_free(&pair);
}

static void a_hostile_name_and_text_reach_no_terminal(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    struct vt *lin = stage_weft(stage, "lin", ARGS("join", "--name", "l\x1b]52;c;aGk=\x07in", link));
    vt_link(ada, lin);
    vt_expect(ada, "^[");
    vt_expect_row_has(lin, 0, "text"); /* typed before the text is there, keys are refused, in words */
    vt_type(lin, VT_PASTE("\x1b]0;owned\x07"));
    vt_expect(ada, "^[]0;owned^G");
    assert_false(vt_output_has(ada, "\x1b]52;c;aGk="));
    assert_false(vt_output_has(ada, "\x1b]0;owned"));
    vt_free(ada);
    vt_free(lin);
    free(link);
}

static void who_joins_while_the_relay_is_away_is_never_shown_an_empty_text(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "the text\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    stage_relay_signal(stage, SIGKILL);
    struct vt *lin = stage_weft(stage, "lin", ARGS("join", "--name", "lin", link));
    vt_expect(lin, "The text has not come yet: 127.0.0.1:");
    vt_type(lin, "x");
    vt_expect(lin, "refused). It comes when the link is back; ^Q leaves.");
    stage_relay_restart(stage);
    vt_expect_row_has(lin, 0, "the text"); /* and no x in front of it */
    vt_expect_gone(lin, "has not come yet");
    vt_expect(lin, "sent");
    vt_free(lin);
    free(link);
}

/*
 * Two windows of one person: what one of them had not sent when it ended is sent by the other, which builds on it. `ends`: how it
 * is ended, and freed.
 */
static void a_window_sends_what_another_left(struct stage *stage, void (*ends)(struct vt *vt))
{
    struct pair pair = pair_up(stage, "one\n", "edit");
    struct vt *second = stage_weft(stage, "lin", ARGS("join", "--name", "lin", pair.link));
    vt_link(pair.lin, second);
    vt_expect_row_has(second, 0, "one");
    vt_type(second, "here ");
    vt_expect_row_has(pair.lin, 0, "here one"); /* they see each other */
    vt_expect_row_has(pair.ada, 0, "here one");
    stage_relay_signal(stage, SIGKILL);
    vt_expect(pair.lin, "offline: ");
    vt_type(second, "left ");
    vt_expect_row_has(pair.lin, 0, "here left one");
    ends(second);
    vt_type(pair.lin, VT_END " on");
    vt_expect_row_has(pair.lin, 0, "here left one on");
    stage_relay_restart(stage);
    vt_expect_row_has(pair.ada, 0, "here left one on");
    vt_expect(pair.lin, "sent");
    vt_type(pair.lin, "!");
    vt_expect_row_has(pair.ada, 0, "here left one on!");
    pair_free(&pair);
}

static void by_kill(struct vt *vt)
{
    vt_signal(vt, SIGKILL);
    vt_free(vt);
}

static void by_quitting(struct vt *vt)
{
    vt_ctrl(vt, 'q');
    (void)vt_close(vt);
}

static void what_a_killed_window_had_not_sent_is_sent_by_the_other(void **state)
{
    a_window_sends_what_another_left(*state, by_kill);
}

static void what_a_closed_window_had_not_sent_is_sent_by_the_other(void **state)
{
    a_window_sends_what_another_left(*state, by_quitting);
}

/* A second window of lin's on the same text, from which nothing is sent. */
static struct vt *open_second(struct pair *pair)
{
    struct vt *second = stage_weft(pair->stage, "lin", ARGS("join", "--name", "lin", pair->link));
    vt_link(pair->lin, second);
    vt_expect_row_has(second, 0, "one");
    vt_type(second, "here ");
    vt_expect_row_has(pair->ada, 0, "here one");
    vt_expect_row_has(pair->lin, 0, "here one");
    return second;
}

/* What the other window types builds on what the stopped one cannot send. */
static void what_a_stopped_window_has_not_sent_is_sent_by_the_other(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    struct vt *second = open_second(&pair);
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.lin, "offline: ");
    vt_expect(second, "offline: ");
    vt_type(second, "left ");
    vt_expect_row_has(pair.lin, 0, "here left one");
    vt_signal(second, SIGSTOP);
    vt_type(pair.lin, VT_END " on");
    vt_expect_row_has(pair.lin, 0, "here left one on");
    stage_relay_restart(pair.stage);
    vt_expect(pair.lin, "unsent, "); /* its own is sent by then, and nobody can show it */
    vt_expect_row_has(pair.ada, 0, "here left one on");
    vt_expect(pair.lin, "sent  ");
    vt_signal(second, SIGCONT);
    vt_expect(second, "sent  ");
    vt_type(second, "again ");
    vt_expect_row_has(pair.ada, 0, "here left again one on");
    vt_expect_row_has(pair.lin, 0, "here left again one on");
    assert_string_equal(stage_run(pair.stage, "ada", NULL, ARGS("cat", "notes.md")).out, "here left again one on\n"); /* once */
    by_kill(second);
    pair_free(&pair);
}

/* It runs, and sends nothing because its person wants it so: what is written on top of that is not called sent. */
static void what_builds_on_a_window_that_works_alone_is_not_called_sent(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    struct vt *second = open_second(&pair);
    vt_type(second, VT_ALT("a"));
    vt_expect(second, "Working alone");
    vt_type(second, "left ");
    vt_expect_row_has(pair.lin, 0, "here left one");
    vt_expect(pair.lin, "5 unsent, ");
    vt_type(pair.lin, VT_END " on");
    vt_expect(pair.lin, "5 unsent, "); /* the relay has taken its own */
    vt_type(second, VT_ALT("a"));
    vt_expect_row_has(pair.ada, 0, "here left one on");
    vt_expect(pair.lin, "sent  ");
    by_kill(second);
    pair_free(&pair);
}

/* What is kept of a document says as much as the best link that was given. */
static void who_gets_an_edit_link_later_may_write_from_then_on(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "view");
    vt_ctrl(pair.lin, 'q');
    assert_int_equal(vt_close(pair.lin), 0);
    char *edit = stage_share(pair.stage, "ada", "notes.md", "edit");
    pair.lin = stage_weft(pair.stage, "lin", ARGS("join", edit));
    vt_expect(pair.lin, "sent");
    vt_ctrl(pair.lin, 'q');
    assert_int_equal(vt_close(pair.lin), 0);
    pair.lin = stage_weft(pair.stage, "lin", ARGS("join"));
    vt_expect(pair.lin, "Link (not shown");
    vt_type(pair.lin, VT_ENTER);
    vt_expect(pair.lin, "Which?");
    vt_type(pair.lin, "1" VT_ENTER);
    vt_expect(pair.lin, "sent"); /* where it can only be read: up to date */
    vt_type(pair.lin, "more ");
    vt_expect_row_has(pair.ada, 0, "more one");
    free(edit);
    pair_free(&pair);
}

static void who_comes_back_by_a_link_after_unshare_is_back_for_good(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("unshare", "notes.md")).status, 0);
    struct vt *ada = stage_weft(stage, "ada", ARGS("join", link));
    vt_expect(ada, "sent");
    vt_ctrl(ada, 'q');
    assert_int_equal(vt_close(ada), 0);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("links", "notes.md"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, link));
    free(link);
}

static void a_guests_copy_is_called_the_same_after_coming_back(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_ctrl(pair.lin, 's');
    vt_expect(pair.lin, "Write to file:");
    vt_ctrl(pair.lin, 'u');
    vt_type(pair.lin, "guest.copy" VT_ENTER);
    vt_expect(pair.lin, "Saved your copy");
    vt_expect_gone(pair.lin, "Saved your copy");
    vt_expect(pair.lin, "guest.copy ");
    vt_ctrl(pair.lin, 'q');
    assert_int_equal(vt_close(pair.lin), 0);
    pair.lin = stage_weft(pair.stage, "lin", ARGS("join", "--name", "lin", pair.link));
    vt_expect_row_has(pair.lin, 0, "one");
    vt_expect(pair.lin, "guest.copy ");
    pair_free(&pair);
}

static void a_relay_that_was_never_reached_is_told_with_the_reason(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *ada = stage_weft_sized(stage, "ada", 24, 110, ARGS("share", "notes.md", "--relay", "ws://127.0.0.1:1"));
    vt_expect(ada, "offline: 0 kept (not reached yet: connection refused)");
    vt_free(ada);
}

/* lin comes back later than ada, who has been told nothing yet. */
static void what_somebody_brings_who_is_back_a_moment_later_is_counted(void **state)
{
    enum { LATER_MS = 1300 }; /* too late before */
    struct pair pair = pair_up(*state, "one\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.lin, "offline: ");
    vt_type(pair.lin, "L");
    vt_expect(pair.lin, "offline: 1 kept");
    vt_signal(pair.lin, SIGSTOP);
    stage_relay_restart(pair.stage);
    vt_expect(pair.ada, "shared  sent");
    vt_wait_text(pair.ada, "Back: ", LATER_MS);
    vt_signal(pair.lin, SIGCONT);
    vt_expect(pair.ada, "Back: sent 0, received 1.");
    pair_free(&pair);
}

static void a_viewer_is_not_told_to_type_on(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "view");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.lin, "Offline. You can read on");
    stage_relay_restart(pair.stage);
    vt_expect(pair.lin, "Back: received 0.");
    pair_free(&pair);
}

static void expect_text_everywhere(struct vt *const *terminals, const char *text)
{
    for (; *terminals; terminals++)
        vt_expect_row_has(*terminals, 0, text);
}

static void what_is_open_in_another_window_goes_over_when_it_is_shared(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *first = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md"));
    vt_type(first, "typed ");
    vt_expect(first, "kept");
    struct vt *second = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md"));
    vt_expect_row_has(second, 0, "typed one");
    vt_link(first, second);
    vt_type(second, VT_F3);
    vt_expect(second, "Not shared. Share it at relay");
    vt_type(second, stage_relay(stage));
    vt_type(second, VT_ENTER);
    vt_type(first, "meanwhile ");
    vt_expect(second, "Anyone with a link gets in.");
    vt_expect(first, "notes.md is shared now, by another window of yours. F3 shows its links.");
    expect_text_everywhere((struct vt *const[]){first, second, NULL}, "typed meanwhile one");
    char *link = stage_link(stage, "ada", "notes.md");
    struct vt *guest = stage_weft(stage, "lin", ARGS("join", "--name", "lin", link));
    vt_expect_row_has(guest, 0, "typed meanwhile one");
    vt_type(second, VT_END " second");
    vt_type(first, VT_HOME "first ");
    expect_text_everywhere((struct vt *const[]){first, second, guest, NULL}, "first typed meanwhile one second");
    vt_type(guest, VT_HOME "guest ");
    expect_text_everywhere((struct vt *const[]){first, second, guest, NULL}, "guest first typed meanwhile one second");
    vt_free(first); /* killed */
    vt_free(second);
    vt_free(guest);
    struct stage_result text = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_string_equal(text.out, "guest first typed meanwhile one second\n");
    assert_string_equal(stage_run(stage, "lin", NULL, ARGS("cat", link)).out, text.out);
    free(link);
}

static void a_file_that_an_editor_has_open_is_shared_without_a_screen(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *ada = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md"));
    vt_type(ada, "typed ");
    vt_expect(ada, "kept");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    vt_expect(ada, "notes.md is shared now, by another window of yours.");
    vt_type(ada, "after ");
    struct vt *lin = stage_weft(stage, "lin", ARGS("join", "--name", "lin", link));
    vt_link(ada, lin);
    vt_expect_row_has(lin, 0, "typed after one");
    vt_free(ada);
    vt_free(lin);
    free(link);
}

static void unshare_reaches_an_editor_that_has_the_file_open(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_type(pair.ada, VT_F3);
    vt_expect(pair.ada, "Anyone with a link gets in.");
    struct stage_result result = stage_run(pair.stage, "ada", NULL, ARGS("unshare", "notes.md"));
    assert_int_equal(result.status, 0);
    vt_expect(pair.ada, "notes.md is not shared any more");
    vt_expect_gone(pair.ada, "Anyone with a link gets in.");
    vt_expect_gone(pair.ada, "weft+ws://");
    vt_expect_gone(pair.ada, "shared  ");
    vt_expect(pair.ada, "in file");
    vt_type(pair.ada, "mine alone ");
    vt_expect_row_has(pair.ada, 0, "mine alone one");
    vt_type(pair.lin, VT_END " theirs");
    vt_expect(pair.lin, "sent");
    vt_expect_row_has(pair.lin, 0, "one theirs");
    vt_expect_row_has(pair.ada, 0, "mine alone one");
    pair_free(&pair);
}

static void a_token_that_cannot_be_read_keeps_nobody_from_a_known_text(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "known\n");
    stage_write(stage, "other.md", "new\n");
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "other.md", "--token-file",
                                                                    "nowhere", "--relay", stage_relay(stage)));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "the relay's token: cannot open nowhere"));
    result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md", "--token-file", "nowhere"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "only needed for sharing something new"));
    assert_non_null(strstr(result.out, "edit weft+ws://"));
}

static void a_room_on_ones_own_machine_stays_open_and_is_missed_when_it_does_not(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "mine\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "--name", "ada", "notes.md"));
    assert_int_equal(result.status, 0);
    assert_true(stage_exists(stage, "ada.state/weft/relay/socket"));
    char *link = xstrndup(result.out + strlen("edit "), strcspn(result.out, "\n") - strlen("edit "));
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_type(ada, "x");
    vt_expect(ada, "sent");
    struct vt *lin = stage_weft(stage, "lin", ARGS("join", "--name", "lin", link));
    vt_link(ada, lin);
    vt_expect(ada, "lin");
    vt_expect(lin, "ada");
    vt_ctrl(ada, 'q');
    vt_expect(ada, "[S]ave");
    vt_type(ada, "k");
    vt_expect(ada, "1 person goes on; this machine keeps the room open. (weft relay stop ends it.)");
    assert_int_equal(vt_close(ada), 0);
    vt_type(lin, "y");
    vt_expect(lin, "sent");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("relay", "stop")).status, 0);
    vt_expect(lin, "kept (ada's machine is away)"); /* 0, or 1 when the y was still on its way */
    vt_free(lin);
    free(link);
}

static void kill_own_relay(struct stage *stage)
{
    char *pid = stage_read(stage, "ada.state/weft/relay/pid");
    assert_true(atoi(pid) > 1);
    assert_int_equal(kill((pid_t)atoi(pid), SIGKILL), 0);
    free(pid);
}

static void a_relay_of_ones_own_that_died_is_started_again(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "mine\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "--name", "ada", "notes.md"));
    assert_int_equal(result.status, 0);
    char *link = xstrndup(result.out + strlen("edit "), strcspn(result.out, "\n") - strlen("edit "));
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_type(ada, "x");
    vt_expect(ada, "sent");
    kill_own_relay(stage);
    vt_expect(ada, "The relay on this machine had died and was started again: nothing is lost.");
    vt_expect(ada, "sent");
    vt_type(ada, "y");
    vt_expect(ada, "sent");
    struct vt *lin = stage_weft(stage, "lin", ARGS("join", "--name", "lin", link));
    vt_link(ada, lin);
    vt_expect(lin, "xymine");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("relay", "stop")).status, 0); /* that is another thing */
    vt_expect(ada, "offline");
    assert_false(vt_wait_text(ada, "started again", 1500));
    assert_string_equal(stage_run(stage, "ada", NULL, ARGS("relay", "status")).out, "not running\n");
    vt_free(ada);
    vt_free(lin);
    free(link);
}

static void who_may_reach_ones_own_relay_has_a_default(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "mine\n");
    struct vt *ada = stage_weft(stage, "ada", ARGS("share", "notes.md"));
    vt_expect(ada, "[1] this machine (Enter)");
    vt_type(ada, "\r");
    vt_expect(ada, "weft+ws://127.0.0.1:");
    vt_free(ada);
}

/* It has the store that one's own relay would have. */
static void a_relay_run_by_hand_is_named_to_who_shares(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "mine\n");
    struct stage_result result = stage_script(stage, "ada",
                                              "\"$WEFT\" relay --listen 127.0.0.1:0 > relay.out & relay=$!\n"
                                              "until grep -q 'weft relay on' relay.out; do sleep 0.05; done\n"
                                              "\"$WEFT\" share --no-edit notes.md\n"
                                              "sed 's/^weft relay on \\([^,]*\\),.*/share with --relay \\1/' relay.out\n"
                                              "kill $relay; wait $relay");
    char *hint = xstrndup(result.out, strcspn(result.out, "\n"));
    assert_non_null(strstr(hint, "share with --relay ws://127.0.0.1:"));
    if (!strstr(result.err, hint))
        fail_msg("%s is not in %s", hint, result.err);
    free(hint);
}

static void unshare_of_a_renamed_file_says_one_thing(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_ctrl(pair.ada, 'q');
    assert_int_equal(vt_close(pair.ada), 0);
    assert_int_equal(stage_script(pair.stage, "ada", "mv notes.md plan.md").status, 0);
    struct stage_result result = stage_run(pair.stage, "ada", NULL, ARGS("unshare", "plan.md"));
    assert_string_equal(result.out, "plan.md is not shared any more; its text is here.\n");
    assert_non_null(strstr(result.err, "plan.md was notes.md before: its history came along."));
    assert_null(strstr(result.err, "still shared"));
    vt_free(pair.lin);
    free(pair.link);
}

/* On a private address, and of ada's file: but ada only uses it. */
static void a_relay_that_somebody_runs_is_not_called_the_hosts_machine(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.lin, "offline: 0 kept");
    assert_false(vt_wait_text(pair.lin, "machine is away", 500));
    pair_free(&pair);
}

/* ada's own relay, started by sharing something else: "ws://127.0.0.1:PORT". */
static char *other_relay(struct stage *stage)
{
    stage_write(stage, "other.md", "other\n");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "other.md")).status, 0);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("relay", "status"));
    const char *at = strstr(result.out, "ws://");
    assert_non_null(at);
    return xstrndup(at, strcspn(at, "\n"));
}

static void a_document_that_moves_takes_everything_and_everybody_along(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    char *relay = other_relay(pair.stage);
    vt_type(pair.lin, VT_END " by lin");
    vt_expect_row_has(pair.ada, 0, "one by lin");
    struct stage_result result =
        stage_run(pair.stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md", "--relay", relay));
    if (result.status != 0)
        fail_msg("%s", result.err);
    assert_null(strstr(result.err, "could not be told"));
    assert_non_null(strstr(result.out, strchr(relay, ':')));
    vt_expect_both(pair.ada, "was moved to 127.0.0.1:", pair.lin, "was moved to 127.0.0.1:");
    char *old_link = xstrdup(pair.link);
    stage_relay_signal(pair.stage, SIGKILL); /* nobody needs the old one any more */
    vt_type(pair.ada, "A ");
    vt_expect_row_has(pair.lin, 0, "A one by lin");
    vt_type(pair.lin, "!");
    vt_expect_row_has(pair.ada, 0, "A one by lin!");
    char *new_link = stage_link(pair.stage, "ada", "notes.md");
    result = stage_run(pair.stage, "bo", NULL, ARGS("cat", new_link));
    assert_string_equal(result.out, "A one by lin!\n");
    /* Who comes late, by the old link, is led there too. */
    stage_relay_restart(pair.stage);
    struct vt *bo = stage_weft(pair.stage, "bo", ARGS("join", "--name", "bo", old_link));
    vt_expect_row_has(bo, 0, "A one by lin!");
    vt_free(bo);
    pair_free(&pair);
    free(relay);
    free(old_link);
    free(new_link);
}

/* Its output, without what is said beside it. Heap string. */
static char *run_verb(struct stage *stage, const char *person, const char *input, const char *verb, const char *target)
{
    struct stage_result result = stage_run(stage, person, input, ARGS(verb, target));
    if (result.status != 0)
        fail_msg("weft %s ended with %d: %s%s", verb, result.status, result.out, result.err);
    return xstrdup(result.out);
}

static void append(struct stage *stage, const char *person, const char *target, const char *word)
{
    char *line = xformat("{\"at\": \"end\", \"insert\": \"%s\\n\"}\n", word);
    free(run_verb(stage, person, line, "apply", target));
    free(line);
}

static void expect_same(struct stage *stage, const char *verb, const char *old_link, const char *new_link)
{
    char *by_old = run_verb(stage, "bo", NULL, verb, old_link), *by_new = run_verb(stage, "bo", NULL, verb, new_link);
    assert_string_equal(by_old, by_new);
    free(by_old);
    free(by_new);
}

static void scripts_with_an_old_link_go_where_the_document_went(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *old_link = stage_share(stage, "ada", "notes.md", "edit");
    append(stage, "ada", "notes.md", "of the owner");
    append(stage, "lin", old_link, "of a guest"); /* while nobody of ada is here */
    char *relay = other_relay(stage);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md", "--relay", relay));
    assert_int_equal(result.status, 0);
    char *new_link = stage_link(stage, "ada", "notes.md");
    append(stage, "lin", new_link, "two"); /* all of it has been handed over */

    result = stage_run(stage, "bo", NULL, ARGS("cat", old_link));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "one\nof the owner\nof a guest\ntwo\n");
    assert_non_null(strstr(result.err, "was moved to 127.0.0.1:"));
    append(stage, "bo", old_link, "three");
    result = stage_run(stage, "lin", NULL, ARGS("cat", new_link));
    assert_string_equal(result.out, "one\nof the owner\nof a guest\ntwo\nthree\n");
    expect_same(stage, "cat", old_link, new_link);
    expect_same(stage, "verify", old_link, new_link);
    free(relay);
    free(old_link);
    free(new_link);
}

static void a_document_that_cannot_move_stays_where_it_is(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct stage_result result =
        stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md", "--relay", "ws://127.0.0.1:1"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "notes.md stays where it was"));
    char *after = stage_link(stage, "ada", "notes.md");
    assert_string_equal(link, after);
    free(link);
    free(after);
}

static void a_damaged_link_is_told_apart(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    link[strlen(link) - 10] ^= 1;
    struct vt *vt = stage_weft(stage, "lin", ARGS("join", link));
    assert_int_equal(vt_close(vt), 1);
    assert_false(stage_exists(stage, "lin.state/weft/docs"));
    free(link);
}

static void the_cursor_comes_back_where_the_others_moved_it(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_type(pair.ada, VT_DOWN "two");
    vt_expect_cursor(pair.ada, 1, 3);
    vt_expect_row_has(pair.lin, 1, "two");
    vt_type(pair.lin, "zero\r");
    vt_expect_row_has(pair.ada, 2, "two");
    vt_signal(pair.ada, SIGKILL);
    assert_int_equal(vt_close(pair.ada), 128 + SIGKILL);
    pair.ada = stage_weft(pair.stage, "ada", ARGS("notes.md"));
    vt_expect_cursor(pair.ada, 2, 3);
    pair_free(&pair);
}

static void who_comes_back_offline_is_told_what_was_sent_and_received(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    stage_relay_signal(pair.stage, SIGKILL);
    vt_expect(pair.ada, "offline: ");
    vt_type(pair.ada, "abc");
    vt_expect(pair.ada, "offline: 3 kept");
    vt_signal(pair.ada, SIGKILL);
    assert_int_equal(vt_close(pair.ada), 128 + SIGKILL);
    pair.ada = stage_weft(pair.stage, "ada", ARGS("notes.md"));
    vt_link(pair.ada, pair.lin);
    vt_expect(pair.ada, "offline: 3 kept");
    vt_expect(pair.lin, "offline: ");
    vt_type(pair.lin, VT_DOWN "de");
    vt_expect(pair.lin, "offline: 2 kept");
    stage_relay_restart(pair.stage);
    vt_expect_both(pair.ada, "Back: sent 3, received ", pair.lin, "Back: sent 2, received ");
    vt_expect_row_has(pair.ada, 1, "de");
    pair_free(&pair);
}

/* By a key as by a lost link: what came before is not counted, and what both changed meanwhile is said. */
static void who_comes_back_by_a_key_is_told_what_a_lost_link_would_tell(void **state)
{
    struct pair pair = pair_up(*state, "one\n", "edit");
    vt_type(pair.ada, "abcde ");
    vt_expect_row_has(pair.lin, 0, "abcde one");
    vt_expect(pair.ada, "shared  sent");
    vt_type(pair.lin, VT_ALT("a"));
    vt_expect(pair.lin, "Working alone");
    vt_type(pair.lin, "x");
    vt_expect(pair.lin, "offline: 1 kept");
    vt_type(pair.lin, VT_ALT("a"));
    vt_expect(pair.lin, "Back: sent 1, received 0.");
    vt_expect_row_has(pair.ada, 0, "xabcde one");

    vt_type(pair.ada, VT_ALT("a"));
    vt_type(pair.lin, VT_ALT("a"));
    vt_expect_both(pair.ada, "Working alone", pair.lin, "Working alone");
    vt_type(pair.ada, VT_END VT_BACKSPACE "A");
    vt_type(pair.lin, VT_END VT_BACKSPACE "L");
    vt_expect_both(pair.ada, "offline: 2 kept", pair.lin, "offline: 2 kept");
    vt_type(pair.ada, VT_ALT("a"));
    vt_type(pair.lin, VT_ALT("a"));
    vt_expect_both(pair.ada, "Back: sent 2, received 2. 1 place changed by both of you.", pair.lin,
                   "Back: sent 2, received 2. 1 place changed by both of you.");
    assert_false(vt_output_has(pair.lin, "Offline."));
    pair_free(&pair);
}

/* Stopped, ada says nothing; the relay still counts her. A guest is not told that nobody is here, and hears of her when she goes on. */
static void a_guest_is_not_told_of_nobody_before_it_is_certain(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, "shared  sent");
    kill(vt_pid(ada), SIGSTOP);
    struct vt *lin = stage_weft_sized(stage, "lin", 24, 100, ARGS("join", "--name", "lin", link));
    vt_link(ada, lin);
    assert_false(vt_wait_text(lin, "Nobody else", 2500)); /* more than who is alone waits, less than who is not */
    kill(vt_pid(ada), SIGCONT);
    vt_expect(lin, "You are lin. Here: ada (line 1). F2 people, F1 help, ^Q leave.");
    vt_type(lin, VT_ALT("2"));
    vt_expect(lin, "you  key ");
    vt_expect(lin, "active  key ");
    vt_free(lin);
    vt_free(ada);
    free(link);
}

static void a_guest_is_told_who_is_here_and_under_which_name(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *lin = stage_weft_sized(stage, "lin", 24, 100, ARGS("join", "--name", "lin", link));
    vt_expect(lin, "You are lin. Nobody else is here now. What you type waits for them. F2 people, F1 help, ^Q leave.");
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_link(ada, lin);
    vt_type(ada, VT_DOWN);
    vt_expect(lin, "ada");
    vt_type(lin, VT_ALT("2"));
    vt_expect(lin, "edit  line 2");
    vt_type(lin, VT_ALT("2"));
    vt_type(lin, "lin's ");
    vt_expect_row_has(ada, 0, "lin's one");
    vt_type(ada, "ada's ");
    vt_expect_row_has(lin, 1, "ada's two");
    vt_ctrl(ada, 's');
    vt_ctrl(lin, 'q');
    assert_int_equal(vt_close(lin), 0);
    vt_ctrl(ada, 'q');
    assert_int_equal(vt_close(ada), 0);
    lin = stage_weft_sized(stage, "lin", 24, 140, ARGS("join", "--name", "lin", link)); /* not herself, who wrote as well */
    vt_expect(lin, "You are lin. Nobody else is here now; ada was last here ");
    vt_expect(lin, ". What you type waits for them. F2 people, F1 help, ^Q leave.");
    ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md")); /* in line 2, where she was */
    vt_link(ada, lin);
    vt_expect(lin, " ada ");
    /* The name comes from the login here, and that is said. */
    struct vt *bo = stage_weft_sized(stage, "bo", 24, 120, ARGS("join", link));
    vt_expect(bo, " (from login). Here: ");
    vt_expect(bo, "ada (line 2)");
    vt_expect(bo, "lin (line 1)");
    vt_free(bo);
    vt_free(ada);
    vt_free(lin);
    free(link);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(sharing_again_gives_the_same_links),
        TEST(two_people_see_each_others_text_cursors_and_selections),
        TEST(joining_again_with_the_same_copy_goes_on_with_it),
        TEST(a_name_that_was_chosen_stays_with_the_document),
        TEST(a_name_goes_with_a_file_that_is_shared),
        TEST(a_shared_text_under_a_second_name_says_that_both_are_one),
        TEST(f3_copies_the_edit_link_first),
        TEST(f3_shares_what_is_open_and_says_what_links_show),
        TEST(a_room_that_is_closed_is_nobodys_any_more),
        TEST(quitting_says_how_many_go_on),
        TEST(who_quits_offline_is_not_told_who_goes_on),
        TEST(both_type_in_the_same_word_at_once),
        TEST(a_view_link_cannot_write),
        TEST(a_copy_names_the_one_who_shares_the_file),
        TEST(typing_goes_on_while_the_relay_is_away_and_merges_when_it_is_back),
        TEST(a_stopped_relay_is_noticed),
        TEST(what_was_typed_offline_arrives_after_leaving_and_coming_back),
        TEST(undo_takes_back_only_what_is_mine),
        TEST(a_guest_who_writes_over_the_hosts_file_doubles_no_words),
        TEST(a_guest_who_writes_the_file_of_an_absent_host_doubles_no_words),
        TEST(a_guest_does_not_write_over_the_file_that_the_host_has_open),
        TEST(a_guest_who_is_offline_does_not_write_over_the_hosts_file),
        TEST(kill_9_of_a_guest_loses_nothing),
        TEST(a_hostile_name_and_text_reach_no_terminal),
        TEST(who_joins_while_the_relay_is_away_is_never_shown_an_empty_text),
        TEST(what_is_open_in_another_window_goes_over_when_it_is_shared),
        TEST(a_file_that_an_editor_has_open_is_shared_without_a_screen),
        TEST(unshare_reaches_an_editor_that_has_the_file_open),
        TEST(what_a_killed_window_had_not_sent_is_sent_by_the_other),
        TEST(what_a_closed_window_had_not_sent_is_sent_by_the_other),
        TEST(what_a_stopped_window_has_not_sent_is_sent_by_the_other),
        TEST(what_builds_on_a_window_that_works_alone_is_not_called_sent),
        TEST(who_gets_an_edit_link_later_may_write_from_then_on),
        TEST(who_comes_back_by_a_link_after_unshare_is_back_for_good),
        TEST(a_guests_copy_is_called_the_same_after_coming_back),
        TEST(a_relay_that_was_never_reached_is_told_with_the_reason),
        TEST(what_somebody_brings_who_is_back_a_moment_later_is_counted),
        TEST(a_viewer_is_not_told_to_type_on),
        TEST(a_token_that_cannot_be_read_keeps_nobody_from_a_known_text),
        cmocka_unit_test_setup_teardown(a_relay_that_somebody_runs_is_not_called_the_hosts_machine, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(a_room_on_ones_own_machine_stays_open_and_is_missed_when_it_does_not, stage_setup,
                                        teardown_own_relay),
        cmocka_unit_test_setup_teardown(a_relay_of_ones_own_that_died_is_started_again, stage_setup, teardown_own_relay),
        cmocka_unit_test_setup_teardown(who_may_reach_ones_own_relay_has_a_default, stage_setup, teardown_own_relay),
        cmocka_unit_test_setup_teardown(a_relay_run_by_hand_is_named_to_who_shares, stage_setup, teardown_own_relay),
        TEST(unshare_of_a_renamed_file_says_one_thing),
        cmocka_unit_test_setup_teardown(a_document_that_moves_takes_everything_and_everybody_along, stage_setup,
                                        teardown_own_relay),
        cmocka_unit_test_setup_teardown(scripts_with_an_old_link_go_where_the_document_went, stage_setup,
                                        teardown_own_relay),
        TEST(a_document_that_cannot_move_stays_where_it_is),
        TEST(a_damaged_link_is_told_apart),
        TEST(a_guest_is_not_told_of_nobody_before_it_is_certain),
        TEST(a_guest_is_told_who_is_here_and_under_which_name),
        TEST(the_cursor_comes_back_where_the_others_moved_it),
        TEST(who_comes_back_offline_is_told_what_was_sent_and_received),
        TEST(who_comes_back_by_a_key_is_told_what_a_lost_link_would_tell),
    };
    return RUN_TESTS("sharing", tests);
}
