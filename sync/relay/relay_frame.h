/*
 * relay_frame - one outgoing message, shared by every connection it goes to.
 *
 * A frame is written once and then only read. In front of its payload lies room for the transport's own header, so that
 * one copy serves a thousand readers.
 *
 *   Ownership  counted: relay_frame_new() makes a frame with one reference, relay_frame_share() adds one,
 *              relay_frame_drop() gives one back. One thread.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_FRAME_H
#define WEFT_SYNC_RELAY_RELAY_FRAME_H

#include "editor/base/bytes.h"

enum { RELAY_FRAME_HEADROOM = 32 }; /* bytes a transport may write in front of the payload */

struct relay_frame;

/* A copy of `payload`. */
struct relay_frame *relay_frame_new(struct bytes payload);
struct relay_frame *relay_frame_share(struct relay_frame *frame);
void relay_frame_drop(struct relay_frame *frame); /* NULL is fine */
struct bytes relay_frame_payload(const struct relay_frame *frame);
/* Where the payload begins; RELAY_FRAME_HEADROOM writable bytes lie in front of it. */
unsigned char *relay_frame_data(struct relay_frame *frame);

#endif
