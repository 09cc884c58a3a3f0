#include "editor/buffer.h"

void buffer_init(struct buffer *buffer, struct rope *text)
{
    *buffer = (struct buffer){.text = text, .selection = selection_at(0)};
}

void buffer_release(struct buffer *buffer)
{
    ensure(!buffer->watches);
    rope_free(buffer->text);
    *buffer = (struct buffer){0};
}

const struct rope *buffer_text(const struct buffer *buffer)
{
    return buffer->text;
}

void buffer_apply(struct buffer *buffer, const struct patch *patch, enum patch_origin origin)
{
    if (patch_is_empty(patch))
        return;
    rope_apply(buffer->text, patch);
    if (origin == ORIGIN_REMOTE)
        buffer->selection = selection_map(buffer->selection, patch);
    for (struct buffer_watch *watch = buffer->watches; watch; watch = watch->next)
        watch->changed(watch->self, patch, origin);
}

void buffer_select(struct buffer *buffer, struct selection selection)
{
    uint64_t len = rope_len(buffer->text);
    if (selection.anchor > len)
        selection.anchor = len;
    if (selection.head > len)
        selection.head = len;
    buffer->selection = selection;
}

void buffer_watch_add(struct buffer *buffer, struct buffer_watch *watch)
{
    watch->next = buffer->watches;
    buffer->watches = watch;
}

void buffer_watch_release(struct buffer *buffer, struct buffer_watch *watch)
{
    struct buffer_watch **link = &buffer->watches;
    while (*link && *link != watch)
        link = &(*link)->next;
    ensure(*link);
    *link = watch->next;
}
