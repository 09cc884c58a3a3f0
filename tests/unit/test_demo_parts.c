/* What the demo is made of: its wire, its cable, its picture and its story. How it plays is in test_demo.c. */
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/demo_cable.h"
#include "app/demo_draw.h"
#include "app/demo_story.h"
#include "app/demo_wire.h"

/* --- demo_wire --- */

static void an_order_comes_back_as_it_was_sent(void **state)
{
    (void)state;
    const struct pane_command orders[] = {
        {.order = PANE_KEY, .code = UINT32_MAX, .mods = 255},
        {.order = PANE_PASTE, .text = bytes_of_string("warp\nand weft")},
        {.order = PANE_RETRY},
    };
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct buf packet = {0};
        struct pane_command back;
        pane_command_encode(&orders[i], &packet);
        assert_true(pane_command_decode(buf_view(&packet), &back));
        assert_int_equal(back.order, orders[i].order);
        assert_int_equal(back.code, orders[i].code);
        assert_int_equal(back.mods, orders[i].mods);
        assert_true(bytes_equal(back.text, orders[i].text));
        for (size_t len = 0; len < packet.len; len++)
            assert_false(pane_command_decode(bytes_of(packet.data, len), &back));
        buf_add_byte(&packet, 0);
        assert_false(pane_command_decode(buf_view(&packet), &back));
        buf_release(&packet);
    }
}

static void fill_state(struct pane_state *state)
{
    buf_add_string(&state->text, "Launch on Friday.\n");
    buf_add_string(&state->link, "weft://link");
    buf_add_string(&state->message, "saved");
    state->selection = (struct selection){7, 3, SELECTION_NO_GOAL};
    state->people_count = DEMO_PEOPLE_MAX;
    for (size_t i = 0; i < DEMO_PEOPLE_MAX; i++)
        state->people[i] = (struct pane_person){.anchor = i, .head = UINT64_MAX, .has_cursor = i % 2, .quiet = i / 2};
    memset(state->people[0].name, 'n', DEMO_NAME_BYTES - 1);
    state->mark_count = DEMO_MARKS_MAX;
    for (size_t i = 0; i < DEMO_MARKS_MAX; i++)
        state->marks[i] = (struct pane_mark){i, 2 * i};
    state->online = state->in_file = true;
    state->unsent = 3;
    state->unsent_s = 4;
    memset(state->hash, 0xab, sizeof state->hash);
}

static void expect_same(const struct pane_state *a, const struct pane_state *b)
{
    assert_true(bytes_equal(buf_view(&a->text), buf_view(&b->text)));
    assert_true(bytes_equal(buf_view(&a->link), buf_view(&b->link)));
    assert_true(bytes_equal(buf_view(&a->message), buf_view(&b->message)));
    assert_int_equal(a->selection.anchor, b->selection.anchor);
    assert_int_equal(a->selection.head, b->selection.head);
    assert_int_equal(a->people_count, b->people_count);
    for (size_t i = 0; i < a->people_count; i++) {
        assert_string_equal(a->people[i].name, b->people[i].name);
        assert_int_equal(a->people[i].anchor, b->people[i].anchor);
        assert_int_equal(a->people[i].head, b->people[i].head);
        assert_int_equal(a->people[i].has_cursor, b->people[i].has_cursor);
        assert_int_equal(a->people[i].quiet, b->people[i].quiet);
    }
    assert_int_equal(a->mark_count, b->mark_count);
    assert_memory_equal(a->marks, b->marks, sizeof a->marks);
    assert_int_equal(a->online, b->online);
    assert_int_equal(a->caught_up, b->caught_up);
    assert_int_equal(a->in_file, b->in_file);
    assert_int_equal(a->kept, b->kept);
    assert_int_equal(a->unsent, b->unsent);
    assert_int_equal(a->unsent_s, b->unsent_s);
    assert_memory_equal(a->hash, b->hash, sizeof a->hash);
}

static void a_pane_is_drawn_from_what_it_said_and_from_nothing_cut_off(void **state)
{
    (void)state;
    struct pane_state said = {.unsent = 0}, heard = {.unsent = 0};
    struct buf packet = {0};
    fill_state(&said);
    pane_state_encode(&said, &packet);
    for (int times = 0; times < 2; times++) { /* over what was heard before */
        assert_true(pane_state_decode(buf_view(&packet), &heard));
        expect_same(&said, &heard);
    }
    for (size_t len = 0; len < packet.len; len++)
        assert_false(pane_state_decode(bytes_of(packet.data, len), &heard));
    pane_state_release(&said);
    pane_state_release(&heard);
    assert_int_equal(heard.people_count, 0);
    buf_release(&packet);
}

static void a_long_text_is_cut_so_that_it_fits_into_a_packet(void **state)
{
    (void)state;
    struct pane_state said = {.unsent = 0}, heard = {.unsent = 0};
    struct buf packet = {0};
    size_t len = 2 * (size_t)DEMO_TEXT_BYTES;
    memset(buf_extend(&said.text, len), 'x', len);
    pane_state_encode(&said, &packet);
    assert_in_range(packet.len, DEMO_TEXT_BYTES, DEMO_PACKET_BYTES);
    assert_true(pane_state_decode(buf_view(&packet), &heard));
    assert_int_equal(heard.text.len, DEMO_TEXT_BYTES);
    pane_state_release(&said);
    pane_state_release(&heard);
    buf_release(&packet);
}

/* --- demo_cable --- */

/* A relay that only listens, and the cable to it. */
struct line {
    int relay;
    struct cable *cable;
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int set_up(void **state)
{
    static struct line line;
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    struct error err = {0};
    line.relay = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(line.relay, (struct sockaddr *)&address, len) != 0 || listen(line.relay, 2 * CABLE_PAIRS_MAX) != 0 ||
        getsockname(line.relay, (struct sockaddr *)&address, &len) != 0)
        return -1;
    line.cable = cable_new(ntohs(address.sin_port), &err);
    *state = &line;
    return line.cable ? 0 : -1;
}

static int tear_down(void **state)
{
    struct line *line = *state;
    cable_free(line->cable);
    cable_free(NULL);
    if (line->relay >= 0)
        close(line->relay);
    return 0;
}

enum { PATIENCE_S = 5 };

/* What one poll() finds. */
static void carry(struct line *line)
{
    struct pollfd fds[CABLE_FDS_MAX];
    size_t count = cable_fds(line->cable, fds);
    assert_true(poll(fds, count, PATIENCE_S * 1000) > 0);
    cable_handle(line->cable, fds, count);
}

static int plug_in(struct line *line)
{
    struct sockaddr_in address = loopback(cable_port(line->cable));
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    carry(line);
    return fd;
}

static int answer(struct line *line)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = accept(line->relay, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void expect_carried(struct line *line, int from, int to, const char *text)
{
    char got[64] = "";
    assert_int_equal(write(from, text, strlen(text)), strlen(text));
    carry(line);
    assert_int_equal(read(to, got, sizeof got - 1), strlen(text));
    assert_string_equal(got, text);
}

static void expect_end(int fd)
{
    char byte;
    ssize_t got = read(fd, &byte, 1);
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
    close(fd);
}

static void what_comes_in_at_one_end_goes_out_at_the_other(void **state)
{
    struct line *line = *state;
    int pane = plug_in(line), relay = answer(line);
    expect_carried(line, pane, relay, "hello");
    expect_carried(line, relay, pane, "welcome");
    int other = plug_in(line), its = answer(line);
    expect_carried(line, other, its, "me too");
    close(other);
    carry(line);
    expect_end(its);
    expect_carried(line, pane, relay, "still here");
    close(pane);
    close(relay);
}

static void a_cut_cable_ends_what_it_carried_and_takes_nothing_until_it_is_mended(void **state)
{
    struct line *line = *state;
    struct pollfd fds[CABLE_FDS_MAX];
    int pane = plug_in(line), relay = answer(line);
    assert_false(cable_is_cut(line->cable));
    cable_cut(line->cable, true);
    assert_true(cable_is_cut(line->cable));
    expect_end(pane);
    expect_end(relay);
    expect_end(plug_in(line));
    assert_int_equal(cable_fds(line->cable, fds), 1);
    cable_cut(line->cable, false);
    pane = plug_in(line);
    relay = answer(line);
    expect_carried(line, pane, relay, "back");
    close(pane);
    close(relay);
}

static void where_no_relay_is_a_connection_ends(void **state)
{
    struct line *line = *state;
    close(line->relay);
    line->relay = -1;
    expect_end(plug_in(line));
}

static void so_many_connections_and_no_more(void **state)
{
    struct line *line = *state;
    struct pollfd fds[CABLE_FDS_MAX];
    int panes[CABLE_PAIRS_MAX];
    for (size_t i = 0; i < CABLE_PAIRS_MAX; i++)
        panes[i] = plug_in(line);
    assert_int_equal(cable_fds(line->cable, fds), CABLE_FDS_MAX);
    expect_end(plug_in(line));
    assert_int_equal(cable_fds(line->cable, fds), CABLE_FDS_MAX);
    for (size_t i = 0; i < CABLE_PAIRS_MAX; i++)
        close(panes[i]);
}

/* --- demo_draw --- */

static void picture_with(struct demo_picture *picture, struct pane_state panes[ACTORS])
{
    *picture = (struct demo_picture){.panes = {&panes[YOU], &panes[LIN]},
                                     .caption = "Two people.",
                                     .proof = "equal",
                                     .in_file = 1,
                                     .seen = {{.bytes = 91, .tail = {0x8f, 0x3a}}, {.bytes = 115, .tail = {0xde, 0x97}}},
                                     .seen_count = 2};
    for (int i = 0; i < ACTORS; i++) {
        panes[i] = (struct pane_state){.online = true, .kept = true};
        buf_add_string(&panes[i].text, i == YOU ? "Mine.\n" : "Hers.\n");
    }
    buf_add_string(&panes[YOU].message, "Saved.");
}

static void panes_release(struct pane_state panes[ACTORS])
{
    for (int i = 0; i < ACTORS; i++)
        pane_state_release(&panes[i]);
}

static void draw(struct buf *out, int rows, int cols, const struct demo_picture *picture)
{
    struct frame frame = {0};
    buf_clear(out);
    demo_draw(&frame, rows, cols, picture);
    assert_int_equal(frame.rows, rows);
    assert_int_equal(frame.cols, cols);
    assert_true(!frame.cursor.visible || (frame.cursor.row < rows && frame.cursor.col < cols));
    frame_print(&frame, out);
    frame_release(&frame);
}

static bool shows(struct buf *drawn, const char *words)
{
    return strstr(buf_string(drawn), words) != NULL;
}

static void a_wide_window_shows_both_people_and_what_the_relay_sees(void **state)
{
    (void)state;
    struct pane_state panes[ACTORS];
    struct demo_picture picture;
    struct buf out = {0};
    picture_with(&picture, panes);
    draw(&out, 24, 100, &picture);
    static const char *const words[] = {"YOU", "LIN", "relay", "Mine.", "Hers.", "Saved.", "Two people.", "equal",
                                        "The relay sees: 91 bytes 8f3a...  115 bytes de97...", "plan.md: 1", "F5 cable"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!shows(&out, words[i]))
            fail_msg("\"%s\" is not in\n%s", words[i], buf_string(&out));
    assert_false(shows(&out, " cut "));
    picture.hint = "Press F5.";
    picture.cut = true;
    picture.shown[LIN] = PANE_DARK;
    draw(&out, 24, 100, &picture);
    assert_true(shows(&out, " cut ") && shows(&out, "Press F5.") && shows(&out, "kill -9"));
    assert_false(shows(&out, "Hers."));
    assert_false(shows(&out, "F5 cable")); /* the hint stands in its place */
    panes_release(panes);
    buf_release(&out);
}

static void of_what_the_relay_sees_as_much_is_shown_as_there_is_room_for(void **state)
{
    (void)state;
    struct pane_state panes[ACTORS];
    struct demo_picture picture;
    struct buf out = {0};
    picture_with(&picture, panes);
    picture.caption = "";
    picture.proof[0] = '\0';
    picture.seen_count = DEMO_SEEN_MAX;
    for (size_t i = 0; i < DEMO_SEEN_MAX; i++)
        picture.seen[i] = (struct store_seen){.bytes = 100 + i, .tail = {0xaa, (unsigned char)i}};
    draw(&out, 24, 80, &picture);
    assert_true(shows(&out, "100 bytes aa00...") && shows(&out, "105 bytes aa05...")); /* three a row, in two rows */
    assert_false(shows(&out, "106 bytes"));
    draw(&out, 19, 80, &picture);
    assert_true(shows(&out, "102 bytes aa02...") && !shows(&out, "103 bytes"));
    panes_release(panes);
    buf_release(&out);
}

static void a_narrow_window_shows_one_of_them(void **state)
{
    (void)state;
    struct pane_state panes[ACTORS];
    struct demo_picture picture;
    struct buf out = {0};
    picture_with(&picture, panes);
    draw(&out, 24, DEMO_WIDE_COLS - 1, &picture);
    assert_true(shows(&out, "Mine.") && !shows(&out, "Hers."));
    picture.narrow_shows = LIN;
    draw(&out, 24, DEMO_WIDE_COLS - 1, &picture);
    assert_true(!shows(&out, "Mine.") && shows(&out, "Hers."));
    panes_release(panes);
    buf_release(&out);
}

static void a_picture_fits_into_a_window_of_any_size(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 2, 3, 5, 8, 20, 79, 80, 81, 300};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    struct pane_state panes[ACTORS];
    struct demo_picture picture;
    struct buf out = {0};
    picture_with(&picture, panes);
    fill_state(&panes[YOU]);
    for (size_t row = 0; row < SIZES; row++)
        for (size_t col = 0; col < SIZES; col++)
            draw(&out, sizes[row], sizes[col], &picture);
    panes_release(panes);
    buf_release(&out);
}

/* --- demo_story --- */

static void the_story_is_told_in_its_order_within_a_minute(void **state)
{
    (void)state;
    unsigned before_s = 0, seen = 0;
    bool cut = false;
    for (size_t i = 0; i < story_steps; i++) {
        const struct story_step *step = &story[i];
        bool finds = step->act == ACT_REPLACE || step->act == ACT_PASTE;
        assert_in_range(step->at_s, before_s, 60);
        assert_int_equal(step->text != NULL, finds || step->act == ACT_TYPE);
        assert_int_equal(step->find != NULL, finds);
        assert_true(!step->hint || step->actor == YOU); /* a person is asked for nothing of Lin's */
        assert_int_equal(cut, step->act == ACT_CUT ? false : step->act == ACT_MEND ? true : cut);
        cut = step->act == ACT_CUT || (cut && step->act != ACT_MEND);
        before_s = step->at_s;
        seen |= 1U << step->act;
    }
    assert_false(cut);
    assert_int_equal(seen, (1U << (ACT_CARD + 1)) - 1); /* every act is played */
    assert_int_equal(story[story_steps - 1].act, ACT_CARD);
}

#define LINE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_comes_back_as_it_was_sent),
        cmocka_unit_test(a_pane_is_drawn_from_what_it_said_and_from_nothing_cut_off),
        cmocka_unit_test(a_long_text_is_cut_so_that_it_fits_into_a_packet),
        LINE_TEST(what_comes_in_at_one_end_goes_out_at_the_other),
        LINE_TEST(a_cut_cable_ends_what_it_carried_and_takes_nothing_until_it_is_mended),
        LINE_TEST(where_no_relay_is_a_connection_ends),
        LINE_TEST(so_many_connections_and_no_more),
        cmocka_unit_test(a_wide_window_shows_both_people_and_what_the_relay_sees),
        cmocka_unit_test(of_what_the_relay_sees_as_much_is_shown_as_there_is_room_for),
        cmocka_unit_test(a_narrow_window_shows_one_of_them),
        cmocka_unit_test(a_picture_fits_into_a_window_of_any_size),
        cmocka_unit_test(the_story_is_told_in_its_order_within_a_minute),
    };
    return RUN_TESTS("demo_parts", tests);
}
