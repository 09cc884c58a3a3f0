/* Texts in windows: what is seen where. Golden frames are characters, with style letters below a row that has any. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/unicode.h"
#include "editor/view_model.h"
#include "ui/frame.h"
#include "ui/panel.h"
#include "ui/screen.h"
#include "ui/view.h"

/* A window on a text, drawn and printed. */
struct window {
    struct view_text text;
    struct view_area area;
    struct view_peer peers[8];
    size_t peer_count;
    struct frame frame;
    struct buf out;
};

static struct window window_of(const char *text, int rows, int cols)
{
    struct window window = {.area = {0, 0, rows, cols}};
    window.text.rope = rope_from_bytes(bytes_of_string(text));
    window.text.tab_width = 4;
    window.text.selection = selection_at(0);
    return window;
}

static void window_release(struct window *window)
{
    rope_free((struct rope *)window->text.rope);
    frame_release(&window->frame);
    buf_release(&window->out);
}

static char letter(struct style style)
{
    if (style.bg >= INK_TINT)
        return (char)('a' + style.bg - INK_TINT);
    if (style.bg >= INK_PEER)
        return (char)('A' + style.bg - INK_PEER);
    if (style.bg == INK_SELECTION)
        return '#';
    if (style.fg == INK_UNSAFE)
        return '!';
    if (style.fg == INK_GUTTER)
        return ':';
    if (style.fg > INK_ROLE && style.fg < INK_PEER_TEXT)
        return (char)('0' + style.fg - INK_ROLE);
    return ' ';
}

static const char *drawn(struct window *window, bool styles)
{
    frame_reset(&window->frame, window->area.rows, window->area.cols);
    view_draw(&window->frame, window->area, &window->text, window->peers, window->peer_count);
    buf_clear(&window->out);
    if (styles)
        frame_print_styles(&window->frame, letter, &window->out);
    else
        frame_print(&window->frame, &window->out);
    return buf_string(&window->out);
}

static void expect_text(const char *text, int rows, int cols, const char *golden)
{
    struct window window = window_of(text, rows, cols);
    assert_string_equal(drawn(&window, true), golden);
    window_release(&window);
}

static struct view_peer peer(const char *name, unsigned colour, uint64_t anchor, uint64_t head)
{
    return (struct view_peer){
        .name = name, .colour = colour, .anchor = anchor, .head = head, .has_cursor = true, .flag = true};
}

static void lines_stand_one_below_the_other(void **state)
{
    (void)state;
    expect_text("one\ntwo\n\nfour", 5, 10, "one\ntwo\n\nfour\n\n");
    expect_text("", 2, 10, "\n\n");
}

static void tabs_go_to_the_next_stop(void **state)
{
    (void)state;
    expect_text("\ta\n12\tb\n1234\tc", 3, 12, "    a\n12  b\n1234    c\n");
}

static void control_characters_are_shown_as_text_in_their_own_style(void **state)
{
    (void)state;
    expect_text("a\x1b[2Jb\n\xe2\x80\xae" "x\n\x9b\n\xc2\x9b" "y", 4, 20,
                "a^[[2Jb\n !!\n<U+202E>x\n!!!!!!!!\n<9B>\n!!!!\n<U+009B>y\n!!!!!!!!\n");
}

static void carriage_returns_of_line_ends_are_not_seen_others_are(void **state)
{
    (void)state;
    expect_text("dos\r\nlone\rcr\r\n", 3, 20, "dos\nlone^Mcr\n    !!\n\n");
}

static void wide_characters_and_clusters_keep_their_cells(void **state)
{
    (void)state;
    struct window window =
        window_of("\xe4\xb8\x96\xe7\x95\x8c|e\xcc\x81|\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbb|\xcc\x81", 1, 20);
    drawn(&window, false);
    const struct cell *row = frame_row(&window.frame, 0);
    assert_int_equal(row[0].width, 2);
    assert_int_equal(row[1].width, 0);
    assert_int_equal(row[4].text[0], '|');
    assert_int_equal(row[5].len, 3);
    assert_int_equal(row[6].text[0], '|');
    assert_int_equal(row[7].width, 2);
    assert_int_equal(row[9].text[0], '|');
    window_release(&window);
}

static void a_wide_character_at_the_edge_is_left_out_whole(void **state)
{
    (void)state;
    expect_text("abc\xe4\xb8\x96z", 1, 4, "abc>\n   :\n");
}

static void long_lines_go_on_behind_a_mark(void **state)
{
    (void)state;
    struct window window = window_of("0123456789abcdef\nshort", 2, 8);
    assert_string_equal(drawn(&window, false), "0123456>\nshort\n");
    window.text.scroll.column = 6;
    assert_string_equal(drawn(&window, false), "<789abc>\n<\n");
    window.text.scroll.column = 9;
    assert_string_equal(drawn(&window, false), "<abcdef\n<\n");
    window_release(&window);
}

static void a_tab_cut_by_the_left_edge_leaves_its_rest_blank(void **state)
{
    (void)state;
    struct window window = window_of("ab\tcd\xe4\xb8\x96\xe4\xb8\x96z", 1, 12);
    window.text.scroll.column = 3;
    assert_string_equal(drawn(&window, false), "<cd\xe4\xb8\x96\xe4\xb8\x96z\n");
    window.text.scroll.column = 7;
    assert_string_equal(drawn(&window, false), "<\xe4\xb8\x96z\n");
    window_release(&window);
}

static void line_numbers_stand_at_the_left(void **state)
{
    (void)state;
    struct window window = window_of("a\nb\n", 3, 30);
    window.text.line_numbers = true;
    assert_string_equal(drawn(&window, false), "  1 a\n  2 b\n  3\n");
    window.area.cols = 20;
    assert_string_equal(drawn(&window, false), "a\nb\n\n");
    window_release(&window);
}

static void the_selection_is_tinted_with_the_line_ends_in_it(void **state)
{
    (void)state;
    struct window window = window_of("hello\n\nworld", 3, 10);
    window.text.selection = (struct selection){.anchor = 3, .head = 9, .goal = SELECTION_NO_GOAL};
    assert_string_equal(drawn(&window, true), "hello\n   ###\n\n#\nworld\n##\n");
    window_release(&window);
}

static void syntax_and_matches_colour_the_text(void **state)
{
    (void)state;
    static const struct view_span spans[] = {{0, 3, VIEW_KEYWORD}, {8, 13, VIEW_STRING}};
    struct window window = window_of("int x = \"abc\";\nint y", 2, 20);
    window.text.spans = spans;
    window.text.span_count = 2;
    assert_string_equal(drawn(&window, true), "int x = \"abc\";\n111     33333\nint y\n");
    window.text.scroll.column = 10;
    assert_string_equal(drawn(&window, true), "<c\";\n:33\n<\n:\n");
    window_release(&window);
}

static void peers_are_cells_of_their_colour_and_flags_that_cover_nothing(void **state)
{
    (void)state;
    struct window window = window_of("hello world\nsecond line\n", 3, 30);
    window.peers[0] = peer("ada", 0, 2, 2);
    window.peers[1] = peer("lin", 1, 23, 23);
    window.peers[2] = (struct view_peer){.name = "me", .is_me = true, .has_cursor = true, .head = 4};
    window.peer_count = 3;
    assert_string_equal(drawn(&window, true), "hello world ada\n  A         AAA\nsecond line lin\n           BBBB\n\n");
    window.peers[0].flag = window.peers[1].flag = false;
    assert_string_equal(drawn(&window, true), "hello world\n  A\nsecond linel\n           B\n\n");
    window_release(&window);
}

static void two_peers_at_one_line_end_show_both_names(void **state)
{
    (void)state;
    struct window window = window_of("hi", 1, 30);
    window.peers[0] = peer("ada", 0, 2, 2);
    window.peers[1] = peer("lin", 1, 2, 2);
    window.peer_count = 2;
    assert_string_equal(drawn(&window, true), "hi ada lin\n  AAAA BBB\n");
    window_release(&window);
}

static void a_flag_without_room_goes_above_or_below_or_stays_away(void **state)
{
    (void)state;
    struct window window = window_of("ab\n01234567\n", 3, 8);
    window.peers[0] = peer("ada", 0, 7, 7);
    window.peer_count = 1;
    assert_string_equal(drawn(&window, false), "ab  ada\n01234567\n\n");
    window.peers[0] = peer("ada", 0, 5, 5); /* above it would read "abada" */
    assert_string_equal(drawn(&window, false), "ab\n01234567\n  ada\n");
    window.peers[0] = peer("ada", 0, 7, 7);
    window.text.scroll.line = 1;
    window.area.rows = 1;
    assert_string_equal(drawn(&window, false), "01234567\n");
    window_release(&window);
}

static void a_peers_selection_is_a_tint(void **state)
{
    (void)state;
    struct window window = window_of("hello world", 1, 20);
    window.peers[0] = peer("ada", 2, 8, 2);
    window.peers[0].flag = false;
    window.peer_count = 1;
    assert_string_equal(drawn(&window, true), "hello world\n  Cccccc\n");
    window_release(&window);
}

static void peers_out_of_sight_are_arrows_at_the_edge(void **state)
{
    (void)state;
    struct window window = window_of("a\nb\nc\n0123456789abcdefghij\ne\nf\n", 2, 12);
    window.text.scroll.line = 3;
    window.peers[0] = peer("ada", 0, 0, 0);
    window.peers[1] = peer("lin", 1, 29, 29);
    window.peers[2] = peer("bo", 2, 2, 2);
    window.peers[3] = peer("kim", 3, 24, 24);
    window.peer_count = 4;
    assert_string_equal(drawn(&window, false), "01234567\xe2\x86\x91" "a\xe2\x86\x91" "b\ne         \xe2\x86\x93l\n");
    window.peer_count = 1;
    window.peers[0] = peer("kim", 3, 24, 24);
    assert_string_equal(drawn(&window, false), "0123456789\xe2\x86\x92k\ne\n");
    window.peers[0] = peer("kim", 3, 7, 7);
    window.text.scroll.column = 6;
    assert_string_equal(drawn(&window, false), "\xe2\x86\x90k89abcdefg>\n<\n");
    window_release(&window);
}

static void a_hostile_name_cannot_leave_its_flag(void **state)
{
    (void)state;
    struct window window = window_of("hi", 1, 40);
    window.peers[0] = peer("\x1b[2J\xe2\x80\xae", 0, 2, 2);
    window.peer_count = 1;
    assert_string_equal(drawn(&window, false), "hi ^[[2J<U+202E>\n");
    window_release(&window);
}

static void places_beyond_the_text_are_its_end(void **state)
{
    (void)state;
    struct window window = window_of("hi", 1, 20);
    window.peers[0] = peer("ada", 0, 50, 99);
    window.text.selection = (struct selection){.anchor = 60, .head = 70, .goal = SELECTION_NO_GOAL};
    window.peer_count = 1;
    assert_string_equal(drawn(&window, true), "hi ada\n  AAAA\n");
    window_release(&window);
}

static void every_place_has_a_cell_and_the_cell_leads_back(void **state)
{
    (void)state;
    struct window window = window_of("a\tb\xe4\xb8\x96" "c\r\n\x1b" "e\xcc\x81\n\n\xf0\x9f\x91\x8d!", 6, 30);
    window.text.line_numbers = true;
    uint64_t len = rope_len(window.text.rope);
    for (uint64_t at = 0;; at = rope_cluster_next(window.text.rope, at)) {
        struct view_cell cell;
        assert_true(view_cell_of(&window.text, window.area, at, &cell));
        assert_int_equal(view_byte_at(&window.text, window.area, cell), at);
        if (at == len)
            break;
    }
    window_release(&window);
}

static void a_click_beside_the_text_goes_to_the_nearest_place(void **state)
{
    (void)state;
    struct window window = window_of("ab\n\xe4\xb8\x96z\n", 5, 20);
    assert_int_equal(view_byte_at(&window.text, window.area, (struct view_cell){0, 15}), 2);
    assert_int_equal(view_byte_at(&window.text, window.area, (struct view_cell){1, 1}), 3);
    assert_int_equal(view_byte_at(&window.text, window.area, (struct view_cell){1, 2}), 6);
    assert_int_equal(view_byte_at(&window.text, window.area, (struct view_cell){4, 3}), 8);
    assert_int_equal(view_byte_at(&window.text, window.area, (struct view_cell){-1, -1}), 0);
    window_release(&window);
}

static void scrolling_keeps_the_cursor_in_sight_with_some_text_around(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 100; i++)
        buf_addf(&text, "line %d\n", i);
    struct window window = window_of(buf_string(&text), 10, 40);
    for (uint64_t line = 0; line < 101; line++) {
        window.text.selection = selection_at(rope_line_start(window.text.rope, line));
        view_scroll_to(&window.text, window.area, &window.text.scroll);
        uint64_t row = line - window.text.scroll.line;
        assert_true(row < 10);
        if (line > 10 && line < 95)
            assert_int_equal(row, 7);
    }
    assert_int_equal(window.text.scroll.line, 91); /* no blank rows below the end */
    window.text.scroll.line = 500;
    view_scroll_clamp(&window.text, &window.text.scroll);
    assert_int_equal(window.text.scroll.line, 100);
    window_release(&window);
    buf_release(&text);
}

static void scrolling_sideways_moves_by_half_a_window(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 200; i++)
        buf_add_byte(&text, 'x');
    struct window window = window_of(buf_string(&text), 3, 40);
    int moves = 0;
    for (uint64_t at = 0; at <= 200; at++) {
        uint64_t before = window.text.scroll.column;
        struct view_cell cell;
        window.text.selection = selection_at(at);
        view_scroll_to(&window.text, window.area, &window.text.scroll);
        moves += before != window.text.scroll.column;
        assert_true(view_cell_of(&window.text, window.area, at, &cell));
    }
    assert_true(moves < 15);
    window.text.selection = selection_at(0);
    view_scroll_to(&window.text, window.area, &window.text.scroll);
    assert_int_equal(window.text.scroll.column, 0);
    window_release(&window);
    buf_release(&text);
}

/* A line far longer than what is scanned, of tabs and wide characters: the cursor is found at any place, and a draw
 * ends soon. */
static void a_line_without_end_is_seen_at_any_place(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 150000; i++)
        buf_add_string(&text, i % 3 ? "\xe4\xb8\x96" : "\t");
    struct window window = window_of(buf_string(&text), 4, 40);
    uint64_t len = rope_len(window.text.rope);
    for (uint64_t at = 0; at < len; at += len / 37) {
        struct view_cell cell;
        uint64_t place = rope_cluster_prev(window.text.rope, at);
        window.text.selection = selection_at(place);
        view_scroll_to(&window.text, window.area, &window.text.scroll);
        assert_true(view_cell_of(&window.text, window.area, place, &cell));
        assert_true(cell.col >= 0 && cell.col < 40);
        drawn(&window, false);
    }
    window_release(&window);
    buf_release(&text);
}

/* Random bytes: no cell holds anything unsafe, and drawing agrees with the mapping. */
static void any_bytes_are_safe_to_draw(void **state)
{
    (void)state;
    uint64_t seed = support_seed("any_bytes_are_safe_to_draw", 7);
    for (uint64_t round = 0; round < support_rounds(60); round++) {
        unsigned char bytes[400];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (unsigned char)(seed >> (seed >> 60) >> 24);
        }
        struct window window = window_of("", 10, 30);
        rope_insert((struct rope *)window.text.rope, 0, bytes_of(bytes, sizeof bytes));
        window.text.scroll.column = seed >> 59;
        drawn(&window, false);
        for (int i = 0; i < 300; i++) {
            const struct cell *cell = &window.frame.cells[i];
            struct bytes text = bytes_of(cell->text, cell->len);
            assert_true(cell->len == 0 ? cell->width == 0 : !sign_at(text).unsafe);
        }
        for (uint64_t at = 0; at < sizeof bytes; at = rope_cluster_next(window.text.rope, at)) {
            struct view_cell cell;
            if (view_cell_of(&window.text, window.area, at, &cell) && cell.col > 0)
                assert_true(view_byte_at(&window.text, window.area, cell) <= at);
        }
        window_release(&window);
    }
}

static void a_screen_has_text_panel_message_and_status(void **state)
{
    (void)state;
    struct panel panel = {0};
    struct frame frame = {0};
    struct buf out = {0};
    struct view_peer peers[] = {
        {.name = "me", .is_me = true, .can_edit = true, .line = 1},
        {.name = "ada", .colour = 1, .can_edit = true, .line = 12, .fingerprint = "a91c 7f02"},
        {.name = "lin", .colour = 2, .quiet = true, .quiet_s = 20, .warning = "another key than before"},
    };
    panel_people(&panel, peers, 3);
    struct view_model model = {.peers = peers, .peer_count = 3, .message = "Back: sent 21, received 34."};
    model.text.rope = rope_from_bytes(bytes_of_string("one\ntwo\nthree"));
    model.text.tab_width = 8;
    model.text.selection = selection_at(5);
    model.status = (struct view_status){.file = "notes.md", .in_file = true, .line = 2, .column = 2};
    model.panel = panel_view(&panel, 0);
    screen_draw(&frame, 13, 60, &model);
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), "one\ntwo\nthree\n\n\n\n"
                                          "3 people here\n"
                                          " m  me             edit  line 1       you\n"
                                          " a  ada            edit  line 12      active  key a91c 7f02\n"
                                          " l  lin            view  not heard for 20 s\n"
                                          "    another key than before\n"
                                          "Back: sent 21, received 34.\n"
                                          "notes.md            in file  ada lin?            Ln 2, Col 2\n");
    assert_int_equal(frame.cursor.row, 1);
    assert_int_equal(frame.cursor.col, 1);
    rope_free((struct rope *)model.text.rope);
    panel_release(&panel);
    frame_release(&frame);
    buf_release(&out);
}

static void expect_panel(struct panel *panel, int cols, const char *expected)
{
    struct frame frame = {0};
    struct buf out = {0};
    panel_wrap(panel, cols);
    struct view_panel view = panel_view(panel, 0);
    frame_reset(&frame, (int)panel->count, cols);
    panel_draw(&frame, 0, (int)panel->count, &view);
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), expected);
    buf_release(&out);
    frame_release(&frame);
}

static void a_panel_shows_its_long_lines_whole(void **state)
{
    (void)state;
    struct panel panel = {0};
    struct panel_links links = {.relay = "relay.example", .name = "Ada L.", .name_source = "git config",
                                .edit = "weft://relay.example/Wg8AHwLLYh5NrKIL2ROh7w#w.GgF9egRu1l0apVJqqQ00iQ.7Vr3",
                                .edit_copied = true};
    struct panel_message message = {"14:02", "Another program changed notes.md: +120 -80 lines merged.", 0};
    panel_show_links(&panel, &links);
    expect_panel(&panel, 40, "Anyone with a link gets in. No account.\n"
                             "The relay relay.example cannot read it.\n"
                             "edit  weft://relay.example/Wg8AHwLLYh5Nr\n"
                             "      KIL2ROh7w#w.GgF9egRu1l0apVJqqQ00iQ\n"
                             "      .7Vr3    copied\n"
                             "You appear as \"Ada L.\" (from git config;\n"
                             "`weft config name`)\n");
    links.edit_copied = false;
    links.view = "weft://x#r";
    panel_show_links(&panel, &links);
    expect_panel(&panel, 110, "Anyone with a link gets in. No account. The relay relay.example cannot read it.\n"
                              "edit  weft://relay.example/Wg8AHwLLYh5NrKIL2ROh7w#w.GgF9egRu1l0apVJqqQ00iQ.7Vr3"
                              "    F3 copies this one\n"
                              "view  weft://x#r\n"
                              "You appear as \"Ada L.\" (from git config; `weft config name`)\n");
    links.cannot_copy = true; /* F3 would do nothing: it is not offered */
    panel_show_links(&panel, &links);
    expect_panel(&panel, 110, "Anyone with a link gets in. No account. The relay relay.example cannot read it.\n"
                              "edit  weft://relay.example/Wg8AHwLLYh5NrKIL2ROh7w#w.GgF9egRu1l0apVJqqQ00iQ.7Vr3\n"
                              "view  weft://x#r\n"
                              "This terminal does not let weft copy: mark a link, or see `weft links FILE`.\n"
                              "You appear as \"Ada L.\" (from git config; `weft config name`)\n");
    panel_messages(&panel, &message, 1);
    expect_panel(&panel, 40, "Messages\n"
                             "14:02  Another program changed notes.md:\n"
                             "       +120 -80 lines merged.\n");
    enum { ROWS = 22 }; /* of 24: without the status line and the one for messages */
    panel_help(&panel, 80);
    panel_wrap(&panel, 80);
    struct view_panel help = panel_view(&panel, 0);
    assert_int_equal(panel_rows(&help, ROWS), (int)panel.count);
    for (int cols = 1; cols < 80; cols++) {
        panel_wrap(&panel, cols);
        for (size_t i = 0; i < panel.count; i++)
            assert_true(text_cells(bytes_of_string(panel.lines[i].text)) <= cols);
    }
    panel_release(&panel);
}

static void what_a_panel_has_no_room_for_is_counted(void **state)
{
    static const struct {
        int cols;
        const char *last;
    } cases[] = {{60, "two                                            PgDn: 2 more\n"},
                 {32, "two                      2 more\n"},
                 {20, "two              +2\n"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct panel panel = {0};
        struct frame frame = {0};
        struct buf out = {0};
        for (size_t n = 0; n < 4; n++)
            panel_add(&panel, VIEW_LINE_TEXT, "%s", (const char *[]){"one", "two", "three", "four"}[n]);
        struct view_panel view = panel_view(&panel, 0);
        frame_reset(&frame, 2, cases[i].cols);
        panel_draw(&frame, 0, 2, &view);
        frame_print(&frame, &out);
        assert_string_equal(strchr(buf_string(&out), '\n') + 1, cases[i].last);
        buf_release(&out);
        frame_release(&frame);
        panel_release(&panel);
    }
}

static void a_long_prompt_takes_rows_from_the_text(void **state)
{
    (void)state;
    struct view_model model = {.prompt.label = "a has 12 edits not in the file. [S]ave [K]eep for later Esc",
                               .text = {.tab_width = 8}};
    struct frame frame = {0};
    struct buf out = {0};
    model.text.rope = rope_from_bytes(bytes_of_string("one\ntwo\nthree\nfour"));
    model.status = (struct view_status){.file = "a", .line = 1, .column = 1};
    screen_draw(&frame, 6, 32, &model);
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), "one\ntwo\nthree\na has 12 edits not in the file.\n"
                                          "[S]ave [K]eep for later Esc\na +  keeping...      Ln 1, Col 1\n");
    assert_int_equal(screen_layout(&model, 6, 32).text.rows, 3);
    assert_int_equal(screen_layout(&model, 5, 10).text.rows, 1);
    rope_free((struct rope *)model.text.rope);
    buf_release(&out);
    frame_release(&frame);
}

static void small_windows_show_what_matters_most(void **state)
{
    (void)state;
    struct view_model model = {.message = "Saved.", .text = {.tab_width = 8}};
    struct frame frame = {0};
    model.text.rope = rope_from_bytes(bytes_of_string("one\ntwo"));
    model.status = (struct view_status){.file = "a", .in_file = true};
    for (int rows = 0; rows < 8; rows++) {
        for (int cols = 0; cols < 24; cols++) {
            model.prompt.label = rows % 2 ? "Find:" : NULL;
            screen_draw(&frame, rows, cols, &model);
        }
    }
    model.prompt.label = NULL;
    struct buf out = {0};
    screen_draw(&frame, 2, 20, &model);
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), "one\nSaved.\n");
    buf_release(&out);
    rope_free((struct rope *)model.text.rope);
    frame_release(&frame);
}

/* Most letters are measured without the tables; they must say what the tables say. */
static void the_quick_road_measures_as_the_slow_one_does(void **state)
{
    (void)state;
    static const uint32_t after[] = {'a', 0x301, 0x4e16, 0xe9, 0x200d, 0xac00, 0x11a8, 0xfe0f};
    for (uint32_t code = 0x20; code < 0x20000; code += code < 0x3200 ? 1 : 61) {
        unsigned char bytes[2 * UTF8_BYTES_MAX];
        if (unicode_is_unsafe(code) || (code >= 0xd800 && code <= 0xdfff))
            continue;
        size_t len = utf8_encode(code, bytes);
        for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
            struct bytes text = bytes_of(bytes, len + utf8_encode(after[i], bytes + len));
            struct bytes cluster = bytes_slice(text, 0, cluster_next(text));
            size_t safe = cluster_safe_len(cluster);
            struct sign sign = sign_at(text);
            if (safe == 0)
                continue;
            int cells = cluster_width(bytes_slice(cluster, 0, safe));
            assert_int_equal(sign.len, safe);
            assert_int_equal(sign.cells, cells > 0 ? cells : 1);
        }
    }
}

static void drawing_over_half_a_wide_character_blanks_the_other_half(void **state)
{
    (void)state;
    struct frame frame = {0};
    struct buf out = {0};
    frame_reset(&frame, 1, 6);
    frame_string(&frame, (struct place){0, 0, 6}, "\xe4\xb8\x96\xe4\xb8\x96\xe4\xb8\x96", (struct style){0});
    frame_string(&frame, (struct place){0, 1, 6}, "xy", (struct style){0});
    frame_print(&frame, &out);
    assert_string_equal(buf_string(&out), " xy \xe4\xb8\x96\n");
    frame_string(&frame, (struct place){0, -3, 99}, "clip", (struct style){0});
    frame_string(&frame, (struct place){7, 0, 99}, "clip", (struct style){0});
    buf_release(&out);
    frame_release(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_stand_one_below_the_other),
        cmocka_unit_test(tabs_go_to_the_next_stop),
        cmocka_unit_test(control_characters_are_shown_as_text_in_their_own_style),
        cmocka_unit_test(carriage_returns_of_line_ends_are_not_seen_others_are),
        cmocka_unit_test(wide_characters_and_clusters_keep_their_cells),
        cmocka_unit_test(a_wide_character_at_the_edge_is_left_out_whole),
        cmocka_unit_test(long_lines_go_on_behind_a_mark),
        cmocka_unit_test(a_tab_cut_by_the_left_edge_leaves_its_rest_blank),
        cmocka_unit_test(line_numbers_stand_at_the_left),
        cmocka_unit_test(the_selection_is_tinted_with_the_line_ends_in_it),
        cmocka_unit_test(syntax_and_matches_colour_the_text),
        cmocka_unit_test(peers_are_cells_of_their_colour_and_flags_that_cover_nothing),
        cmocka_unit_test(two_peers_at_one_line_end_show_both_names),
        cmocka_unit_test(a_flag_without_room_goes_above_or_below_or_stays_away),
        cmocka_unit_test(a_peers_selection_is_a_tint),
        cmocka_unit_test(peers_out_of_sight_are_arrows_at_the_edge),
        cmocka_unit_test(a_hostile_name_cannot_leave_its_flag),
        cmocka_unit_test(places_beyond_the_text_are_its_end),
        cmocka_unit_test(every_place_has_a_cell_and_the_cell_leads_back),
        cmocka_unit_test(a_click_beside_the_text_goes_to_the_nearest_place),
        cmocka_unit_test(scrolling_keeps_the_cursor_in_sight_with_some_text_around),
        cmocka_unit_test(scrolling_sideways_moves_by_half_a_window),
        cmocka_unit_test(a_line_without_end_is_seen_at_any_place),
        cmocka_unit_test(any_bytes_are_safe_to_draw),
        cmocka_unit_test(a_screen_has_text_panel_message_and_status),
        cmocka_unit_test(a_panel_shows_its_long_lines_whole),
        cmocka_unit_test(what_a_panel_has_no_room_for_is_counted),
        cmocka_unit_test(a_long_prompt_takes_rows_from_the_text),
        cmocka_unit_test(small_windows_show_what_matters_most),
        cmocka_unit_test(the_quick_road_measures_as_the_slow_one_does),
        cmocka_unit_test(drawing_over_half_a_wide_character_blanks_the_other_half),
    };
    return RUN_TESTS("view", tests);
}
