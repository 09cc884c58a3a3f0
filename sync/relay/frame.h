/*
 * frame - one outgoing message, shared by every connection it goes to.
 *
 * A frame is written once and then only read. In front of its payload lies room for the transport's own header, so that
 * one copy serves a thousand readers.
 *
 *   Ownership  counted: frame_take() makes a frame from a buffer with one reference, frame_share() adds one,
 *              frame_drop() gives one back. One thread.
 */
#ifndef WEFT_SYNC_RELAY_FRAME_H
#define WEFT_SYNC_RELAY_FRAME_H

#include "editor/base/bytes.h"

enum { FRAME_HEADROOM = 32 }; /* bytes a transport may write in front of the payload */

struct frame;

/* A copy of `payload`. */
struct frame *frame_new(struct bytes payload);
struct frame *frame_share(struct frame *frame);
void frame_drop(struct frame *frame); /* NULL is fine */
struct bytes frame_payload(const struct frame *frame);
/* Where the payload begins; FRAME_HEADROOM writable bytes lie in front of it. */
unsigned char *frame_data(struct frame *frame);

#endif
