/*
 * line_changes - which lines a patch changes: the hunks of a diff.
 *
 *      from  1 2 3 4 5 6           a line that is in both texts from its beginning to its end, and retained as a whole, is no
 *            | | x x   |           change; what lies between two such is one, however the patch cut it. Lines that are equal on
 *      to    1 2 x     6           both sides of a change are taken out of it (editor/line_diff.h).
 *
 *   Units      lines from 0; one ends with its newline, only the last one may lack it.
 *   Ownership  zero-initialised, then line_changes_find(); line_changes_release().
 *   Bounds     linear in the parts of the patch and the bytes of changed lines, and what editor/line_diff.h says for each change
 *              of several lines; O(log n) in the texts.
 */
#ifndef WEFT_APP_LINE_CHANGES_H
#define WEFT_APP_LINE_CHANGES_H

#include "editor/patch.h"
#include "editor/rope.h"

/* Lines [from, from_end) became lines [to, to_end). */
struct line_change {
    uint64_t from, from_end, to, to_end;
};
struct line_changes {
    struct line_change *items; /* ascending, none touches the next */
    size_t count, cap;
};

/* `patch` makes `to` of `from`. */
void line_changes_find(const struct rope *from, const struct rope *to, const struct patch *patch, struct line_changes *out);
void line_changes_release(struct line_changes *changes);

uint64_t line_count(const struct rope *text);
/* [start, end) of a line, with its newline. */
uint64_t line_start(const struct rope *text, uint64_t line); /* line <= line_count() */
uint64_t line_end(const struct rope *text, uint64_t line);

#endif
