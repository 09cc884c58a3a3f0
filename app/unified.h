/*
 * unified - the lines that differ between two texts, as `diff -u` writes them.
 *
 *   Ownership  everything is borrowed.
 *   Errors     as target_print().
 */
#ifndef WEFT_APP_UNIFIED_H
#define WEFT_APP_UNIFIED_H

#include "app/line_changes.h"
#include "editor/base/error.h"

struct unified {
    const struct rope *text[2]; /* from, to */
    bool colours;
    /* Columns in front of a line: of bytes [at, end) of a side, changed or in both texts. NULL: none. */
    void (*add_who)(const void *self, int side, uint64_t at, uint64_t end, bool changed, struct buf *out);
    const void *self;
};

/* Whether standard output takes colours: a terminal, and no $NO_COLOR. */
bool unified_shows_colours(void);
/* "--- LABEL<tab>WORD" for both sides; nothing, where nothing differs. */
MUST_USE bool unified_print_heading(const struct unified *unified, const struct line_changes *changes, const char *label,
                                    const char *const words[2], struct error *err);
MUST_USE bool unified_print(const struct unified *unified, const struct line_changes *changes, struct error *err);

#endif
