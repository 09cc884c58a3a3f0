/*
 * bundle - many batches of one agent in a few bytes, each as it was: for packs and for what a disk keeps of an old chain.
 *
 * A key typed is a batch of ten bytes, and nearly all of them say what the batch before makes likely: the same flags, the next
 * place, one byte more. So what means the same stands together (sync/packing.h), and places, times and numbers of events are told
 * from the ones before. What comes out again is every byte of every batch, so digests can be computed anew (sync/chain.h) and
 * need not be kept.
 *
 *   plain      varint: the bytes that come out
 *   agents     count, then 16 bytes each: whom parents and spans name, in the order in which they first do
 *   columns    BUNDLE_COLUMNS of numbers, as bundle.c lists them
 *   labels     a part: each sized
 *   text       a part: what is inserted, one batch after the other
 *   fill       zeros to the end, where what is in front of it were too short for what it holds (Bounds)
 *
 *   Units      `plain` is the plaintext of an EVENTS record: batches in canonical form, each sized (record_plain_add()).
 *   Ownership  what is appended to is the caller's.
 *   Errors     bytes that are unpacked are not trusted: what is no bundle is refused and nothing appended. What comes out may
 *              still be no batch: that is for who decodes it. There is one plain for a bundle, not one bundle for a plain.
 *   Bounds     no more than BUNDLE_RATIO_MAX times the bundle's bytes come out: a key that builds on somebody else's names him in
 *              16 bytes, of which nothing is left here. With the bundle itself, all that is held while it is unpacked (columns,
 *              names, what comes out) is 8 times its bytes and BUNDLE_DECODE_BYTES at most, and COMPRESSOR_BYTES: what would take
 *              more is told by the lengths that it gives of itself, and refused before any of it is unpacked. Whoever then
 *              decodes its batches one by one (sync/batch_run.h) keeps that bound, as none of them is long.
 */
#ifndef WEFT_SYNC_BUNDLE_H
#define WEFT_SYNC_BUNDLE_H

#include "sync/batch.h"
#include "sync/compressor.h"

enum {
    BUNDLE_RATIO_MAX = 32,
    BUNDLE_BATCH_BYTES_MAX = 64 * 1024, /* of one batch: what is longer is not put together with others */
    BUNDLE_HELD_RATIO = 7,            /* without the bundle itself; and */
    BUNDLE_DECODE_BYTES = 512 * 1024, /* besides: twice the batches that are ever put into one pack */
};

/* False, and nothing is appended: it would not be shorter, or the bytes are not consecutive batches of the agent. */
bool bundle_pack(const struct agent_id *agent, uint64_t seq0, struct bytes plain, struct buf *out);
/* At most `plain_max` bytes; false, and nothing is appended: it is no bundle. */
MUST_USE bool bundle_unpack(struct bytes bundle, size_t plain_max, struct buf *out);

#endif
