/*
 * panel - lists below the text: help, people, links, messages.
 *
 * A builder for struct view_panel: add lines, or have one of the known lists built, then hand panel_view() to the
 * model.
 *
 *   Ownership  the panel copies every string; panel_release() frees. Zero-initialised it is empty.
 *   Bounds     PANEL_LINES_MAX lines; further ones are dropped.
 */
#ifndef WEFT_UI_PANEL_H
#define WEFT_UI_PANEL_H

#include "editor/view_model.h"
#include "ui/frame.h"

enum { PANEL_LINES_MAX = 10000 };

struct panel {
    struct view_panel_line *lines; /* their strings are owned */
    size_t count;
    size_t cap;
};

struct panel_links {
    const char *relay;       /* "relay.example" */
    const char *edit, *view; /* either may be NULL: this person does not have it */
    bool edit_copied, view_copied;
    bool cannot_copy;        /* this terminal lets nobody copy */
    const char *name;        /* "You appear as ..." */
    const char *name_source; /* "git config" */
};

struct panel_message {
    const char *time; /* "14:02" */
    const char *text;
    enum view_message_kind kind;
};

void panel_release(struct panel *panel);
void panel_clear(struct panel *panel);
void panel_add(struct panel *panel, enum view_line_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Makes more lines of those that are longer than `cols` (at least 1) cells. */
void panel_wrap(struct panel *panel, int cols);
struct view_panel panel_view(const struct panel *panel, size_t scroll); /* borrowed from the panel */

/* Each replaces what the panel holds. Help stands in as many columns as `cols` has room for. */
void panel_help(struct panel *panel, int cols);
void panel_people(struct panel *panel, const struct view_peer *peers, size_t count);
void panel_show_links(struct panel *panel, const struct panel_links *links);
void panel_messages(struct panel *panel, const struct panel_message *messages, size_t count); /* newest last */

/* Rows the panel takes of `rows`: at least a third of them stays with the text. */
int panel_rows(const struct view_panel *panel, int rows);
void panel_draw(struct frame *frame, int row, int rows, const struct view_panel *panel);

#endif
