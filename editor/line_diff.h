/*
 * line_diff - the patch between two texts that were not edited in front of us.
 *
 * Used when another program changed the file on disk. Lines are matched first (Myers), then each changed region is trimmed
 * to what differs inside its first and last line, at UTF-8 boundaries, so that concurrent edits of other places survive.
 *
 *   Units    bytes for the patch; lines for the counts: a line ends with its newline, only the last one may lack it.
 *   Bounds   O((n + m) d) for n and m lines with d differences, between the common head and tail of the texts. Beyond
 *            LINE_DIFF_EDITS_MAX differences, or the other bounds below, that middle is replaced as one region: never
 *            quadratic in a hostile file. LINE_DIFF_STEPS_MAX steps take well below a second.
 *   Source   Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1986 (linear-space variant).
 */
#ifndef WEFT_EDITOR_LINE_DIFF_H
#define WEFT_EDITOR_LINE_DIFF_H

#include "editor/patch.h"
#include "editor/rope.h"

enum {
    LINE_DIFF_EDITS_MAX = 4096,
    LINE_DIFF_LINES_MAX = 1 << 20,
    LINE_DIFF_BYTES_MAX = 1 << 26,
    LINE_DIFF_STEPS_MAX = 1 << 26,
};

struct line_diff {
    uint64_t lines_added, lines_removed, lines_common;
    int common_percent; /* of the longer text's lines: how alike they are; 100 when both are empty */
    int kept_percent;   /* of `from`'s lines: what of it is still there; 100 when it is empty, for then nothing can be lost */
};

/* `out` takes `from` to `to`: rope_apply(from, out) equals `to`, always. */
void line_diff(const struct rope *from, const struct rope *to, struct patch *out, struct line_diff *summary);

#endif
