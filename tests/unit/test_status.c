/* The status line, word for word, in wide and narrow windows. */
#include "tests/support/support.h"

#include <string.h>

#include "ui/status.h"

static const struct view_peer ADA_LIN_AND_TWO[] = {
    {.name = "me", .is_me = true},
    {.name = "ada", .colour = 1},
    {.name = "lin", .colour = 2},
    {.name = "bo", .colour = 3},
    {.name = "kim", .colour = 4},
};
static const struct view_peer QUIET[] = {
    {.name = "ada", .quiet = true}, {.name = "lin", .quiet = true}, {.name = "bo"}, {.name = "kim"}};
static const struct view_peer TWO[] = {{.name = "ada"}, {.name = "lin"}};

static struct view_status notes(void)
{
    return (struct view_status){.file = "notes.md", .kept = true, .line = 12, .column = 5};
}

static struct view_status shared(enum view_link link)
{
    struct view_status status = notes();
    status.sharing = VIEW_SHARED;
    status.link = link;
    status.unsent = 3;
    status.unsent_s = 4;
    status.offline_kept = 34;
    return status;
}

static void expect(struct view_status status, const struct view_peer *peers, size_t count, int cols, const char *text)
{
    struct status_line line = {0};
    status_format(&status, peers, count, cols, &line);
    assert_string_equal(buf_string(&line.text), text);
    assert_true(text_cells(buf_view(&line.text)) <= cols);
    status_release(&line);
}

static void alone_it_says_whether_the_text_is_in_the_file(void **state)
{
    (void)state;
    struct view_status status = notes();
    expect(status, NULL, 0, 79, "notes.md +          kept, ^S writes the file                       Ln 12, Col 5");
    status.in_file = true;
    expect(status, NULL, 0, 79, "notes.md            in file                                        Ln 12, Col 5");
    status.new_file = true;
    expect(status, NULL, 0, 79, "notes.md            new file                                       Ln 12, Col 5");
    status.nowhere = true;
    expect(status, NULL, 0, 79, "notes.md            empty                                          Ln 12, Col 5");
}

static void what_is_not_in_the_text_yet_is_said_of_a_text_alone_too(void **state)
{
    (void)state;
    struct view_status status = notes();
    status.coming = "merging 40 %";
    expect(status, NULL, 0, 79, "notes.md +          merging 40 %, kept                             Ln 12, Col 5");
    status.kept = false;
    expect(status, NULL, 0, 79, "notes.md +          merging 40 %, keeping...                       Ln 12, Col 5");
    status.in_file = true;
    expect(status, NULL, 0, 79, "notes.md            merging 40 %                                   Ln 12, Col 5");
    expect(status, NULL, 0, 13, "notes coming");
    status = shared(VIEW_LINK_OFFLINE);
    status.coming = "merging 40 %";
    expect(status, NULL, 0, 79, "notes.md +  shared  offline: 34 kept, merging 40 %                 Ln 12, Col 5");
}

static void a_text_ahead_of_its_history_says_whose_word_it_is(void **state)
{
    (void)state;
    struct view_status status = shared(VIEW_LINK_SENT);
    status.coming = "unchecked: ada's copy";
    expect(status, TWO, 2, 79, "notes.md +  shared  unchecked: ada's copy   ada lin                Ln 12, Col 5");
    status.link = VIEW_LINK_UNSENT; /* what was typed on it is of more interest */
    expect(status, TWO, 2, 79, "notes.md +  shared  3 unsent, 4 s           ada lin                Ln 12, Col 5");
}

static void who_joins_is_told_what_has_not_come(void **state)
{
    (void)state;
    struct view_status status = shared(VIEW_LINK_OFFLINE);
    status.offline_kept = 0;
    status.connecting = true;
    expect(status, NULL, 0, 79, "notes.md +  shared  connecting                                     Ln 12, Col 5");
    status.link = VIEW_LINK_SENT;
    status.connecting = false;
    status.coming = "joining";
    expect(status, NULL, 0, 79, "notes.md +  shared  joining                                        Ln 12, Col 5");
    status.coming = "history coming";
    expect(status, NULL, 0, 79, "notes.md +  shared  history coming                                 Ln 12, Col 5");
    expect(status, NULL, 0, 20, "notes+ shared coming");
}

static void shared_it_says_whether_others_can_have_it(void **state)
{
    (void)state;
    expect(shared(VIEW_LINK_SENT), ADA_LIN_AND_TWO, 5, 79,
           "notes.md +  shared  sent                    ada lin +2             Ln 12, Col 5");
    expect(shared(VIEW_LINK_UNSENT), ADA_LIN_AND_TWO, 5, 79,
           "notes.md +  shared  3 unsent, 4 s           ada lin +2             Ln 12, Col 5");
    expect(shared(VIEW_LINK_OFFLINE), QUIET, 4, 79,
           "notes.md +  shared  offline: 34 kept        ada? lin? +2           Ln 12, Col 5");
}

static void a_viewer_is_told_so(void **state)
{
    (void)state;
    struct view_status status = shared(VIEW_LINK_SENT);
    status.sharing = VIEW_ONLY;
    status.in_file = true;
    expect(status, TWO, 2, 79, "notes.md    VIEW    up to date              ada lin                Ln 12, Col 5");
}

static void a_full_disk_is_louder_than_everything(void **state)
{
    (void)state;
    struct view_status status = notes();
    status.in_memory = 12;
    status.disk_full = true;
    expect(status, NULL, 0, 79, "notes.md +  DISK FULL: 12 edits only in memory. Free space or Alt+S elsewhere.");
    expect(status, NULL, 0, 60, "notes.md +  DISK FULL: 12 edits only in memory");
    status.in_memory = 1;
    expect(status, NULL, 0, 20, "notes+ DISK FULL 1");
}

/* A state directory that may not be written has nothing to do with space. */
static void what_the_journal_does_not_take_for_another_reason_is_not_a_full_disk(void **state)
{
    (void)state;
    struct view_status status = notes();
    status.in_memory = 12;
    expect(status, NULL, 0, 79, "notes.md +  NOT KEPT: 12 edits only in memory. ^S writes the file.         12:5");
    expect(status, NULL, 0, 50, "notes.md +  NOT KEPT: 12 edits only in memory");
    expect(status, NULL, 0, 20, "notes+ NOT KEPT 12");
}

static void a_wide_window_names_more_people(void **state)
{
    (void)state;
    expect(shared(VIEW_LINK_SENT), ADA_LIN_AND_TWO, 5, 100,
           "notes.md +  shared  sent                    ada lin bo kim                              Ln 12, Col 5");
    struct view_peer many[12];
    for (size_t i = 0; i < 12; i++)
        many[i] = (struct view_peer){.name = "ada lovelace", .colour = (unsigned)i};
    expect(shared(VIEW_LINK_SENT), many, 12, 100,
           "notes.md +  shared  sent                    ada lovelace ada lovelace +10               Ln 12, Col 5");
}

static void idle_private_and_slow_have_their_words(void **state)
{
    (void)state;
    struct view_status status = shared(VIEW_LINK_IDLE);
    expect(status, NULL, 0, 50, "notes.md +  shared  idle              Ln 12, Col 5");
    status.link = VIEW_LINK_SENT;
    status.rtt_ms = 340;
    expect(status, NULL, 0, 50, "notes.md +  shared  sent, 340 ms      Ln 12, Col 5");
    status.rtt_ms = 200;
    expect(status, NULL, 0, 50, "notes.md +  shared  sent              Ln 12, Col 5");
    status = notes();
    status.private = true;
    expect(status, NULL, 0, 51, "notes.md +          PRIVATE: not kept  Ln 12, Col 5");
}

static void what_is_not_yet_on_disk_is_not_called_kept(void **state)
{
    (void)state;
    struct view_status status = notes();
    status.kept = false;
    expect(status, NULL, 0, 50, "notes.md +          keeping...        Ln 12, Col 5");
}

static void narrow_windows_drop_words_then_people_then_the_directory(void **state)
{
    (void)state;
    struct view_status status = shared(VIEW_LINK_UNSENT);
    status.file = "src/notes.md";
    expect(status, ADA_LIN_AND_TWO, 5, 66, "src/notes.md +  shared  3 unsent, 4 s  ada lin +2     Ln 12, Col 5");
    expect(status, ADA_LIN_AND_TWO, 5, 60, "src/notes.md +  shared  3 unsent, 4 s  ada lin +2       12:5");
    expect(status, ADA_LIN_AND_TWO, 5, 50, "src/notes.md +  shared  3 unsent, 4 s  +4     12:5");
    expect(status, ADA_LIN_AND_TWO, 5, 44, "notes.md +  shared  3 unsent, 4 s  +4   12:5");
    expect(status, ADA_LIN_AND_TWO, 5, 38, "notes.md +  shared  3 unsent, 4 s  +4");
    expect(status, ADA_LIN_AND_TWO, 5, 32, "notes.md +  shared  3 unsent  +4");
}

static void at_twenty_columns_it_still_tells_the_truth(void **state)
{
    (void)state;
    expect(shared(VIEW_LINK_OFFLINE), QUIET, 4, 20, "notes+ off 34");
    expect(shared(VIEW_LINK_UNSENT), QUIET, 4, 19, "notes.md+ 3 unsent");
    expect(shared(VIEW_LINK_SENT), NULL, 0, 20, "notes+ shared sent");
    struct view_status status = shared(VIEW_LINK_SENT);
    status.file = "a-very-long-name-of-a-file.txt";
    expect(status, NULL, 0, 20, "a-very-+ shared sent");
}

static void why_nothing_is_sent_is_said_when_there_is_room(void **state)
{
    (void)state;
    struct view_status status = shared(VIEW_LINK_OFFLINE);
    status.link_why = "ada's machine is away";
    expect(status, NULL, 0, 79, "notes.md +  shared  offline: 34 kept (ada's machine is away)       Ln 12, Col 5");
    expect(status, NULL, 0, 40, "notes.md +  shared  offline: 34 kept");
    status = shared(VIEW_LINK_UNSENT);
    status.link_why = "the relay is full";
    expect(status, NULL, 0, 79, "notes.md +  shared  3 unsent, 4 s (the relay is full)              Ln 12, Col 5");
    expect(status, NULL, 0, 34, "notes.md +  shared  3 unsent");
}

static void a_hostile_name_stays_a_name(void **state)
{
    (void)state;
    static const struct view_peer peers[] = {{.name = "a\x1b[2Jb\xe2\x80\xae"}};
    struct view_status status = shared(VIEW_LINK_SENT);
    status.file = "x\ny\x9b.md";
    expect(status, peers, 1, 79, "x^Jy<9B>.md +  shared  sent                 a^[[2Jb                Ln 12, Col 5");
}

static void every_width_fits(void **state)
{
    (void)state;
    struct view_status all[] = {notes(), shared(VIEW_LINK_SENT), shared(VIEW_LINK_OFFLINE), shared(VIEW_LINK_UNSENT)};
    for (int cols = 12; cols < 120; cols++) {
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            struct status_line line = {0};
            status_format(&all[i], ADA_LIN_AND_TWO, 5, cols, &line);
            if (cols >= 18)
                assert_true(text_cells(buf_view(&line.text)) <= cols);
            assert_non_null(strchr(buf_string(&line.text), '+'));
            status_release(&line);
        }
    }
}

static void a_long_prompt_keeps_its_cursor_in_sight(void **state)
{
    (void)state;
    struct frame frame = {0};
    struct buf out = {0};
    frame_reset(&frame, 1, 16);
    status_draw_prompt(&frame, 0, 1, &(struct view_prompt){.label = "Find:", .typed = "abcdefghijklmnop", .cursor = 16});
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), "Find: hijklmnop\n");
    assert_int_equal(frame.cursor.col, 15);
    frame_reset(&frame, 1, 16);
    buf_clear(&out);
    status_draw_prompt(&frame, 0, 1, &(struct view_prompt){.label = "Find:", .typed = "ab\x1b", .cursor = 1});
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), "Find: ab^[\n");
    assert_int_equal(frame.cursor.col, 7);
    buf_release(&out);
    frame_release(&frame);
}

static void expect_prompt(int rows, int cols, struct view_prompt prompt, int wanted, const char *expected)
{
    struct frame frame = {0};
    struct buf out = {0};
    assert_int_equal(status_prompt_rows(&prompt, cols), wanted);
    frame_reset(&frame, rows, cols);
    status_draw_prompt(&frame, 0, rows, &prompt);
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), expected);
    buf_release(&out);
    frame_release(&frame);
}

static void a_prompt_wider_than_the_window_shows_all_its_choices(void **state)
{
    (void)state;
    struct view_prompt quit = {.label = "notes.md has 12 edits not in the file. [S]ave [K]eep for later [D]iscard Esc"};
    expect_prompt(1, 79, quit, 1, "notes.md has 12 edits not in the file. [S]ave [K]eep for later [D]iscard Esc\n");
    expect_prompt(2, 40, quit, 2,
                  "notes.md has 12 edits not in the file.\n"
                  "[S]ave [K]eep for later [D]iscard Esc\n");
    /* Too few rows: what was asked goes, the keys stay. */
    expect_prompt(3, 20, quit, 5,
                  "file. [S]ave [K]eep\n"
                  "for later [D]iscard\n"
                  "Esc\n");
    struct view_prompt relay = {.label = "Share it at relay (ws://HOST:PORT):", .typed = "wss://x", .cursor = 7};
    expect_prompt(1, 60, relay, 1, "Share it at relay (ws://HOST:PORT): wss://x\n");
    expect_prompt(2, 40, relay, 2, "Share it at relay (ws://HOST:PORT):\nwss://x\n");
    expect_prompt(1, 40, relay, 2, "wss://x\n");
}

static void a_message_wider_than_the_window_goes_on_below(void **state)
{
    (void)state;
    static const char *const message = "Offline. Type on: all is kept here.";
    struct frame frame = {0};
    struct buf out = {0};
    assert_int_equal(status_message_rows(message, 35), 1);
    assert_int_equal(status_message_rows(message, 20), 2);
    frame_reset(&frame, 3, 20);
    status_draw_message(&frame, 0, 2, message, VIEW_MESSAGE_PLAIN);
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), "Offline. Type on:\nall is kept here.\n\n");
    buf_release(&out);
    frame_release(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_says_whether_the_text_is_in_the_file),
        cmocka_unit_test(what_is_not_in_the_text_yet_is_said_of_a_text_alone_too),
        cmocka_unit_test(a_text_ahead_of_its_history_says_whose_word_it_is),
        cmocka_unit_test(who_joins_is_told_what_has_not_come),
        cmocka_unit_test(shared_it_says_whether_others_can_have_it),
        cmocka_unit_test(a_viewer_is_told_so),
        cmocka_unit_test(a_full_disk_is_louder_than_everything),
        cmocka_unit_test(what_the_journal_does_not_take_for_another_reason_is_not_a_full_disk),
        cmocka_unit_test(a_wide_window_names_more_people),
        cmocka_unit_test(idle_private_and_slow_have_their_words),
        cmocka_unit_test(what_is_not_yet_on_disk_is_not_called_kept),
        cmocka_unit_test(narrow_windows_drop_words_then_people_then_the_directory),
        cmocka_unit_test(at_twenty_columns_it_still_tells_the_truth),
        cmocka_unit_test(why_nothing_is_sent_is_said_when_there_is_room),
        cmocka_unit_test(a_hostile_name_stays_a_name),
        cmocka_unit_test(every_width_fits),
        cmocka_unit_test(a_long_prompt_keeps_its_cursor_in_sight),
        cmocka_unit_test(a_prompt_wider_than_the_window_shows_all_its_choices),
        cmocka_unit_test(a_message_wider_than_the_window_goes_on_below),
    };
    return RUN_TESTS("status", tests);
}
