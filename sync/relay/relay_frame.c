#include "sync/relay/relay_frame.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

struct relay_frame {
    size_t references;
    size_t len;
    unsigned char room[]; /* RELAY_FRAME_HEADROOM, then the payload */
};

struct relay_frame *relay_frame_new(struct bytes payload)
{
    struct relay_frame *frame = xmalloc(sizeof *frame + RELAY_FRAME_HEADROOM + payload.len);
    frame->references = 1;
    frame->len = payload.len;
    if (payload.len)
        memcpy(frame->room + RELAY_FRAME_HEADROOM, payload.data, payload.len);
    return frame;
}

struct relay_frame *relay_frame_share(struct relay_frame *frame)
{
    frame->references++;
    return frame;
}

void relay_frame_drop(struct relay_frame *frame)
{
    if (!frame)
        return;
    ensure(frame->references > 0);
    if (--frame->references == 0)
        free(frame);
}

struct bytes relay_frame_payload(const struct relay_frame *frame)
{
    return bytes_of(frame->room + RELAY_FRAME_HEADROOM, frame->len);
}

unsigned char *relay_frame_data(struct relay_frame *frame)
{
    return frame->room + RELAY_FRAME_HEADROOM;
}
