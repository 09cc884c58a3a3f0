/*
 * status - the one line that never lies, in the room there is.
 *
 * Three words, never mixed: "in file" (on disk, in the file), "kept" (in the journal, fsynced), "sent" (acknowledged by
 * the relay). Narrow windows drop, in this order: the words of the position, people beyond a count, the directory, the
 * position, the explanation behind the state, the end of the name. `+`, `shared` or VIEW, offline and unsent, DISK FULL
 * and NOT KEPT are never dropped; in the narrowest form "off 34" and "3 unsent" say `shared` by themselves.
 *
 *   Units      cells; `at` and `len` are bytes of the text.
 *   Ownership  the caller's; release the line with status_release(). Zero-initialised it is empty.
 */
#ifndef WEFT_UI_STATUS_H
#define WEFT_UI_STATUS_H

#include "editor/view_model.h"
#include "ui/frame.h"

struct status_name {
    size_t at, len;
    const struct view_peer *peer;
};

struct status_line {
    struct buf text; /* safe to show, at most as many cells as asked for */
    struct status_name names[VIEW_PEERS_SHOWN_WIDE];
    size_t name_count;
};

void status_release(struct status_line *line);
/* Overwrites *line. */
void status_format(const struct view_status *status, const struct view_peer *peers, size_t peer_count, int cols,
                   struct status_line *line);
void status_draw(struct frame *frame, int row, const struct view_status *status, const struct view_peer *peers,
                 size_t peer_count);

/*
 * The message above it, and the prompt in its place; the prompt puts the frame's cursor. Longer ones than the window is wide
 * go on in further rows: how many they would like, and drawing from `row` on in the `rows` they got. Of a message that got
 * too few the beginning is shown (F12 has it whole), of a prompt the end, where the keys that answer it are.
 */
int status_message_rows(const char *message, int cols);
int status_prompt_rows(const struct view_prompt *prompt, int cols);
void status_draw_message(struct frame *frame, int row, int rows, const char *message, enum view_message_kind kind);
void status_draw_prompt(struct frame *frame, int row, int rows, const struct view_prompt *prompt);

#endif
