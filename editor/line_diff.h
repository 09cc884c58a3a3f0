/*
 * line_diff - the patch between two texts that were not edited in front of us.
 *
 * Used when another program changed the file on disk. Lines are matched first (Myers), then each changed region is trimmed
 * to what differs inside its first and last line, at UTF-8 boundaries, so that concurrent edits of other places survive.
 *
 *   Units    bytes for the patch; lines for the counts.
 *   Bounds   O((n + m) d) lines with d capped at LINE_DIFF_EDITS_MAX: beyond it the differing middle (common head and tail
 *            removed) is replaced as one region. Never quadratic in a hostile file.
 *   Source   Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1986 (linear-space variant).
 */
#ifndef WEFT_EDITOR_LINE_DIFF_H
#define WEFT_EDITOR_LINE_DIFF_H

#include "editor/patch.h"
#include "editor/rope.h"

enum { LINE_DIFF_EDITS_MAX = 4096 };

struct line_diff {
    uint64_t lines_added, lines_removed, lines_common;
    int common_percent; /* of the longer text's lines; 100 when both are empty */
};

/* `out` takes `from` to `to`: rope_apply(from, out) equals `to`, always. */
void line_diff(const struct rope *from, const struct rope *to, struct patch *out, struct line_diff *summary);

#endif
