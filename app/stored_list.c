#include "app/stored_list.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

void stored_list_add(struct stored_list *list, struct bytes stored)
{
    list->items = xgrow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    list->items[list->count] = (struct buf){0};
    buf_add_bytes(&list->items[list->count++], stored);
}

struct bytes *stored_list_views(const struct stored_list *list)
{
    struct bytes *views = xmalloc((list->count + 1) * sizeof *views);
    for (size_t i = 0; i < list->count; i++)
        views[i] = buf_view(&list->items[i]);
    return views;
}

void stored_list_release(struct stored_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        buf_release(&list->items[i]);
    free(list->items);
    *list = (struct stored_list){0};
}
