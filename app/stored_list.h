/*
 * stored_list - records as they are stored, on their way from the journal to a session.
 *
 *   Ownership  every item is a copy; stored_list_release(). Zero is an empty one.
 */
#ifndef WEFT_APP_STORED_LIST_H
#define WEFT_APP_STORED_LIST_H

#include "editor/base/bytes.h"

struct stored_list {
    struct buf *items;
    size_t count, cap;
};

void stored_list_add(struct stored_list *list, struct bytes stored);
/* Of all in order; the heap array is the caller's, what it shows the list's. */
struct bytes *stored_list_views(const struct stored_list *list);
void stored_list_release(struct stored_list *list);

#endif
