#include "sync/marks.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

void marks_release(struct marks *marks)
{
    free(marks->items);
    free(marks->undo);
    buf_release(&marks->labels);
    *marks = (struct marks){0};
}

struct mark *marks_add(struct marks *marks, uint64_t lv, unsigned flags)
{
    marks->items = xgrow(marks->items, &marks->cap, marks->count + 1, sizeof *marks->items);
    struct mark *mark = &marks->items[marks->count++];
    *mark = (struct mark){.lv = lv, .flags = flags & MARK_FLAGS, .undo_at = marks->undo_count};
    return mark;
}

void marks_add_undo(struct marks *marks, struct agent_span span)
{
    ensure(marks->count > 0);
    marks->undo = xgrow(marks->undo, &marks->undo_cap, marks->undo_count + 1, sizeof *marks->undo);
    marks->undo[marks->undo_count++] = span;
    marks->items[marks->count - 1].undo_count++;
}

/* Labels come in rows of the same one, which is then kept once; and so is what the last one ends with. */
void marks_set_label(struct marks *marks, struct bytes label)
{
    struct mark *mark = &marks->items[marks->count - 1];
    struct buf *labels = &marks->labels;
    size_t before = labels->len - (labels->len > label.len ? label.len + 1 : labels->len);
    struct bytes last = bytes_slice(buf_view(labels), before, labels->len - before);
    mark->label_at = before;
    if (last.len == label.len + 1 && memcmp(last.data, label.data, label.len) == 0)
        return;
    mark->label_at = labels->len;
    buf_add_bytes(labels, label);
    buf_add_byte(labels, '\0');
}

size_t marks_from(const struct marks *marks, uint64_t lv)
{
    size_t at;
    BISECT(at, marks->count, marks->items[at].lv < lv);
    return at;
}
