#include "ui/panel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "ui/wrap.h"

enum { NAME_CELLS = 14, MINUTE_S = 60, HOUR_S = 3600, MESSAGE_HANG = 7 /* behind "14:02  " */ };

void panel_clear(struct panel *panel)
{
    for (size_t i = 0; i < panel->count; i++)
        free((char *)panel->lines[i].text);
    panel->count = 0;
}

void panel_release(struct panel *panel)
{
    panel_clear(panel);
    free(panel->lines);
    *panel = (struct panel){0};
}

/* Takes the string. */
static struct view_panel_line *panel_take(struct panel *panel, enum view_line_kind kind, char *text)
{
    if (panel->count >= PANEL_LINES_MAX) {
        free(text);
        return NULL;
    }
    panel->lines = xgrow(panel->lines, &panel->cap, panel->count + 1, sizeof *panel->lines);
    struct view_panel_line *line = &panel->lines[panel->count++];
    *line = (struct view_panel_line){.text = text, .kind = kind, .colour = -1};
    return line;
}

void panel_add(struct panel *panel, enum view_line_kind kind, const char *fmt, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, fmt);
    char *formatted = NULL;
    int len = vasprintf(&formatted, fmt, args);
    va_end(args);
    ensure(len >= 0);
    buf_add(&text, formatted, (size_t)len);
    free(formatted);
    panel_take(panel, kind, xstrdup(buf_string(&text)));
    buf_release(&text);
}

struct view_panel panel_view(const struct panel *panel, size_t scroll)
{
    return (struct view_panel){.lines = panel->lines, .count = panel->count, .scroll = scroll, .chosen = -1};
}

/* ---- lines longer than the window ---- */

static char *indented(struct bytes text, int cells)
{
    struct buf out = {0};
    for (int i = 0; i < cells; i++)
        buf_add_byte(&out, ' ');
    buf_add_bytes(&out, text);
    char *copy = xstrdup(buf_string(&out));
    buf_release(&out);
    return copy;
}

/* The first piece keeps the colour; it is not broken inside the label in front, which is as long as what follows hangs. */
static void wrap_one(struct panel *out, const struct view_panel_line *line, int cols)
{
    struct bytes text = bytes_of_string(line->text);
    int hang = line->hang < cols / 2 ? line->hang : 0;
    size_t label = text_cells(text) > cols && (size_t)hang < text.len ? (size_t)hang : 0;
    struct bytes rest = bytes_slice(text, label, text.len - label);
    struct bytes first = wrap_line(&rest, cols - (int)label);
    struct view_panel_line *piece = panel_take(out, line->kind, indented(bytes_slice(text, 0, label + first.len), 0));
    if (piece) {
        piece->colour = line->colour;
        piece->coloured = line->coloured;
    }
    while (rest.len > 0)
        panel_take(out, line->kind, indented(wrap_line(&rest, cols - hang), hang));
}

void panel_wrap(struct panel *panel, int cols)
{
    struct panel wrapped = {0};
    for (size_t i = 0; i < panel->count; i++)
        wrap_one(&wrapped, &panel->lines[i], cols);
    panel_release(panel);
    *panel = wrapped;
}

/* ---- help ---- */

struct help_entry {
    const char *keys, *what;
};

void panel_help(struct panel *panel, int cols)
{
    static const struct help_entry entries[] = {
        {"^S", "save"},
        {"^Q", "quit"},
        {"^Z", "undo mine"},
        {"^Y", "redo"},
        {"^F", "find (^W too)"},
        {"Alt+N", "find the next"},
        {"^X", "cut selection"},
        {"^C", "copy selection"},
        {"^K", "cut line"},
        {"^U", "paste (^V too)"},
        {"^A", "select all"},
        {"Alt+G", "go to line"},
        {"F2", "people (Alt+2)"},
        {"F3", "share (Alt+3)"},
        {"Alt+F", "follow somebody"},
        {"Alt+A", "work alone"},
        {"^O", "open file"},
        {"Alt+S", "save as"},
        {"Alt+.", "next (Alt+, back)"},
        {"Alt+Z", "suspend"},
        {"F12", "messages (Alt+M)"},
        {"Alt+#", "line numbers"},
        {"Alt+Q", "quit with failure"},
        {"Esc", "close, cancel"},
    };
    enum { COUNT = sizeof entries / sizeof *entries, COLUMN_CELLS = 26 };
    size_t columns = cols < 2 * COLUMN_CELLS ? 1 : (size_t)cols / COLUMN_CELLS;
    panel_clear(panel);
    panel_add(panel, VIEW_LINE_TITLE, "Help. Any key closes this.");
    for (size_t i = 0; i < COUNT; i += columns) {
        struct buf line = {0};
        for (size_t k = i; k < COUNT && k < i + columns; k++)
            buf_addf(&line, "%-6s%-*s", entries[k].keys, COLUMN_CELLS - 6, entries[k].what);
        while (line.len > 0 && line.data[line.len - 1] == ' ')
            line.len--;
        panel_add(panel, VIEW_LINE_TEXT, "%s", buf_string(&line));
        buf_release(&line);
    }
    panel_add(panel, VIEW_LINE_TEXT, "Shift with arrows selects; Ctrl with arrows goes by words; Alt+Up, Alt+Down move lines.");
    panel_add(panel, VIEW_LINE_DIM, "in file: on disk, in the file. kept: safe on this machine. sent: the relay has it.");
    panel_add(panel, VIEW_LINE_DIM, "Undo takes back only what you typed.");
}

/* ---- people ---- */

static void add_duration(struct buf *out, uint64_t seconds)
{
    if (seconds >= HOUR_S)
        buf_addf(out, "%llu h", (unsigned long long)(seconds / HOUR_S));
    else if (seconds >= MINUTE_S)
        buf_addf(out, "%llu min", (unsigned long long)(seconds / MINUTE_S));
    else
        buf_addf(out, "%llu s", (unsigned long long)seconds);
}

static void add_activity(struct buf *out, const struct view_peer *peer)
{
    if (peer->quiet) {
        buf_add_string(out, "not heard for ");
        add_duration(out, peer->quiet_s);
    } else if (peer->away || peer->away_s >= MINUTE_S) {
        buf_add_string(out, "away");
        if (peer->away_s > 0)
            buf_add_byte(out, ' ');
        if (peer->away_s > 0)
            add_duration(out, peer->away_s);
    } else {
        buf_add_string(out, "active");
    }
}

static void add_person(struct panel *panel, const struct view_peer *peer)
{
    struct buf text = {0};
    const char *name = peer->name && peer->name[0] ? peer->name : "?";
    buf_add_byte(&text, ' ');
    unicode_safe_label(bytes_slice(bytes_of_string(name), 0, sign_at(bytes_of_string(name)).len), 8, &text);
    buf_add_byte(&text, ' ');
    size_t coloured = text.len;
    buf_add_byte(&text, ' ');
    unicode_safe_label(bytes_of_string(name), 32, &text);
    for (int cells = text_cells(buf_view(&text)); cells < NAME_CELLS + 4; cells++)
        buf_add_byte(&text, ' ');
    buf_addf(&text, " %s", peer->can_edit ? "edit" : "view");
    if (peer->line > 0)
        buf_addf(&text, "  line %-6llu", (unsigned long long)peer->line);
    buf_add_string(&text, "  ");
    if (peer->is_me)
        buf_add_string(&text, "you");
    else
        add_activity(&text, peer);
    if (peer->fingerprint)
        buf_addf(&text, "  key %s", peer->fingerprint);
    struct view_panel_line *line = panel_take(panel, VIEW_LINE_TEXT, xstrdup(buf_string(&text)));
    if (line) {
        line->colour = peer->is_me ? -1 : (int)(peer->colour % VIEW_PEER_COLOURS); /* nobody's here: others choose it */
        line->coloured = coloured;
        line->hang = 3;
    }
    buf_release(&text);
    if (peer->warning)
        panel_add(panel, VIEW_LINE_WARNING, "    %s", peer->warning);
}

void panel_people(struct panel *panel, const struct view_peer *peers, size_t count)
{
    panel_clear(panel);
    panel_add(panel, VIEW_LINE_TITLE, count == 1 ? "1 person here" : "%zu people here", count);
    for (size_t i = 0; i < count; i++)
        add_person(panel, &peers[i]);
}

/* ---- links ---- */

enum { LINK_HANG = 6 };

static void add_link(struct panel *panel, const char *word, const char *link, bool copied, const char *otherwise)
{
    if (!link)
        return;
    const char *more = copied ? "    copied" : otherwise;
    struct view_panel_line *line = panel_take(panel, VIEW_LINE_TEXT, xformat("%-4s  %s%s", word, link, more));
    if (line)
        line->hang = LINK_HANG;
}

void panel_show_links(struct panel *panel, const struct panel_links *links)
{
    panel_clear(panel);
    panel_add(panel, VIEW_LINE_TITLE, "Anyone with a link gets in. No account. The relay %s cannot read it.",
              links->relay);
    const char *next = "    F3 copies this one"; /* whichever F3 takes next */
    bool edit_first = links->edit && !links->edit_copied;
    const char *again = links->edit ? "    F3 again copies this one" : next;
    if (links->cannot_copy)
        next = again = "";
    add_link(panel, "edit", links->edit, links->edit_copied, edit_first ? next : "");
    add_link(panel, "view", links->view, links->view_copied, edit_first ? "" : again);
    if (links->cannot_copy)
        panel_add(panel, VIEW_LINE_DIM, "This terminal does not let weft copy: mark a link, or see `weft links FILE`.");
    if (links->name)
        panel_add(panel, VIEW_LINE_DIM, "You appear as \"%s\" (from %s; `weft config name`)", links->name,
                  links->name_source);
}

/* ---- messages ---- */

void panel_messages(struct panel *panel, const struct panel_message *messages, size_t count)
{
    panel_clear(panel);
    panel_add(panel, VIEW_LINE_TITLE, count ? "Messages" : "No messages yet");
    for (size_t i = 0; i < count; i++) {
        bool warning = messages[i].kind == VIEW_MESSAGE_WARNING;
        struct view_panel_line *line = panel_take(panel, warning ? VIEW_LINE_WARNING : VIEW_LINE_TEXT,
                                                  xformat("%s  %s", messages[i].time, messages[i].text));
        if (line)
            line->hang = MESSAGE_HANG;
    }
}

/* ---- drawing ---- */

int panel_rows(const struct view_panel *panel, int rows)
{
    int most = rows - (rows + 2) / 3;
    size_t count = panel->count - (panel->scroll < panel->count ? panel->scroll : panel->count);
    return count < (size_t)most ? (int)count : most;
}

static struct style line_style(enum view_line_kind kind)
{
    switch (kind) {
    case VIEW_LINE_TITLE:
        return (struct style){INK_TITLE, INK_DEFAULT, ATTR_BOLD};
    case VIEW_LINE_STRONG:
        return (struct style){INK_DEFAULT, INK_DEFAULT, ATTR_BOLD};
    case VIEW_LINE_DIM:
        return (struct style){INK_DIM, INK_DEFAULT, 0};
    case VIEW_LINE_WARNING:
        return (struct style){INK_WARNING, INK_DEFAULT, ATTR_BOLD};
    case VIEW_LINE_TEXT:
        break;
    }
    return (struct style){INK_DEFAULT, INK_DEFAULT, 0};
}

static void draw_line(struct frame *frame, int row, const struct view_panel_line *line, bool chosen)
{
    struct place place = {row, 0, frame->cols};
    struct style style = line_style(line->kind);
    struct bytes text = bytes_of_string(line->text);
    if (chosen)
        style.attrs |= ATTR_REVERSE;
    frame_fill(frame, place, style);
    if (line->colour >= 0) {
        size_t len = line->coloured < text.len ? line->coloured : text.len;
        unsigned ink = INK_PEER + (unsigned)line->colour % VIEW_PEER_COLOURS;
        place.col = frame_text(frame, place, bytes_slice(text, 0, len), (struct style){INK_PEER_TEXT, (uint8_t)ink, 0});
        text = bytes_slice(text, len, text.len - len);
    }
    frame_text(frame, place, text, style);
}

/* How many lines are behind the last one, and where there is room the key that shows them. */
static int format_more(size_t count, int cols, char *out, size_t size)
{
    enum { KEY_COLS = 60, WORD_COLS = 32 };
    if (cols >= KEY_COLS)
        return snprintf(out, size, " PgDn: %zu more ", count);
    return snprintf(out, size, cols >= WORD_COLS ? " %zu more " : " +%zu ", count);
}

void panel_draw(struct frame *frame, int row, int rows, const struct view_panel *panel)
{
    char more[48];
    size_t behind = panel->scroll + (size_t)rows;
    for (int i = 0; i < rows && panel->scroll + (size_t)i < panel->count; i++) {
        size_t at = panel->scroll + (size_t)i;
        draw_line(frame, row + i, &panel->lines[at], panel->chosen >= 0 && (size_t)panel->chosen == at);
    }
    if (rows == 0 || behind >= panel->count)
        return;
    int len = format_more(panel->count - behind, frame->cols, more, sizeof more);
    struct place place = {row + rows - 1, frame->cols - len, frame->cols};
    frame_string(frame, place, more, (struct style){INK_DIM, INK_DEFAULT, ATTR_REVERSE});
}
