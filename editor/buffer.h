/*
 * buffer - one open text: the rope, where its owner stands in it, and who watches it change.
 *
 * The only way to change the text is buffer_apply(). Whoever has to follow (the view, search matches, other people's
 * cursors) registers a watch and sees every patch, in order, after it was applied.
 *
 *   Units      bytes.
 *   Ownership  the buffer owns its rope; buffer_text() is borrowed until the next buffer_apply().
 *   Threads    one thread owns a buffer; others get a rope_snapshot().
 */
#ifndef WEFT_EDITOR_BUFFER_H
#define WEFT_EDITOR_BUFFER_H

#include "editor/rope.h"
#include "editor/selection.h"

enum patch_origin {
    ORIGIN_SELF,   /* the person at this screen: the caller sets the selection afterwards */
    ORIGIN_REMOTE, /* anybody else: the selection is carried through */
};

struct buffer_watch {
    void (*changed)(void *self, const struct patch *patch, enum patch_origin origin);
    void *self;
    struct buffer_watch *next;
};

struct buffer {
    struct rope *text;
    struct selection selection;
    struct buffer_watch *watches;
};

void buffer_init(struct buffer *buffer, struct rope *text); /* takes the rope */
void buffer_release(struct buffer *buffer);
const struct rope *buffer_text(const struct buffer *buffer);
void buffer_apply(struct buffer *buffer, const struct patch *patch, enum patch_origin origin);
/* Both ends are brought inside the text. */
void buffer_select(struct buffer *buffer, struct selection selection);

/* Called in the order of registration's reverse; a watch may not change the buffer. Release before what `self` is goes. */
void buffer_watch_add(struct buffer *buffer, struct buffer_watch *watch);
void buffer_watch_release(struct buffer *buffer, struct buffer_watch *watch);

#endif
