/*
 * keyframes - the text at some versions, from which the texts after them are made.
 *
 * History is not read backwards: an event says what it did to the text before it, and of a delete only where. So an older text is
 * made by a walk from a version whose text is known: the beginning, or the nearest keyframe before it.
 *
 *      base --------- k ------- k ----- k --- k -- k - k now       k: a keyframe
 *                        V                                         V is the walk from the one before it to V
 *
 * All of them are at cuts (sync/critical.h), for a walk from one then needs nothing of what lies before. One that ceases to be at
 * one, because somebody comes who had seen less, is dropped. There are few, the more the newer, so that going back a little costs
 * little: where there are too many, the one goes without which a walk is lengthened least, measured by how old it is.
 *
 *   Units      cuts: a number of events; `ops`: how many runs of operations (sync/oplog.h) these are, which is what a walk costs.
 *   Ownership  zero-initialised it is empty; keyframes_release(). Texts that are added are copied as snapshots. What is found
 *              lives until the next call that adds or finds one.
 *   Errors     saved ones are a short cut and nothing else: one that cannot be read is not there, and the one before it is found.
 *   Bounds     KEYFRAMES_MAX. As snapshots of one text they share what they have in common. Saved: KEYFRAMES_BYTES_MAX of text.
 *
 * Saved: how many bytes of inserted text there were; count; of each, the newest first: its cut, its ops and the length of its
 * frame, as varints; then the frames (sync/compressor.h): its cut as a varint, then the text. They are packed after the base text
 * and the inserted text, of which a text consists, and all but the newest after that one's text too. Each is unpacked when it is
 * asked for.
 */
#ifndef WEFT_SYNC_KEYFRAMES_H
#define WEFT_SYNC_KEYFRAMES_H

#include "editor/rope.h"
#include "sync/critical.h"

enum {
    KEYFRAMES_MAX = 16,
    KEYFRAMES_BYTES_MAX = 8 << 20,
};

struct keyframe {
    uint64_t cut; /* of all events before this LV */
    uint64_t ops;
    struct rope *text; /* NULL: it is not unpacked yet */
    size_t frame_at, frame_len; /* in keyframes.saved */
};
struct keyframes {
    struct keyframe *items; /* ascending */
    size_t count, cap;
    struct buf saved; /* as keyframes_write() wrote them */
    size_t saved_inserted; /* what of the inserted text the frames come after */
    struct keyframe newest_saved; /* the others come after its text, even when it is gone */
};
void keyframes_release(struct keyframes *keyframes);

/* What a document consists of: its base text, and every byte that was ever inserted, in the order of LVs. */
struct keyframe_source {
    const struct rope *base;
    struct bytes inserted;
};

/* The newest of at most so many events, with its text; NULL: there is none. */
const struct keyframe *keyframes_find(struct keyframes *keyframes, const struct critical *critical,
                                      struct keyframe_source source, uint64_t cut);
/* Which that is likely to be: it need not be readable. 0: none. */
uint64_t keyframes_cut(const struct keyframes *keyframes, uint64_t cut);
/* Nothing happens when there is one. `ops_now`: of the whole history. */
void keyframes_add(struct keyframes *keyframes, const struct keyframe *keyframe, uint64_t ops_now);

/* Those that are in `keyframes`, all unpacked, in bytes. False: they are too long. */
MUST_USE bool keyframes_write(const struct keyframes *keyframes, struct keyframe_source source, struct buf *out);
/* Such bytes are copied. Whoever reads them has sealed them. */
void keyframes_read(struct keyframes *keyframes, struct bytes saved);

#endif
