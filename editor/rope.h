/*
 * rope - the text of a document: a copy-on-write B+-tree of pieces.
 *
 * A leaf holds pieces, each a run of bytes in an immutable source: the file as it was opened, or blocks to which typed text
 * is appended. Every node carries the sums of its children: bytes, newlines, code points. A snapshot shares the root
 * (one reference count), so saving, searching and highlighting read an old text while typing goes on in the new one.
 *
 *            [ 900 B, 31 nl ]                 a node: totals of what is below
 *           /        |       \
 *    [p p p p]   [p p p]   [p p p p p]        leaves: pieces (source, offset, length, newlines, code points)
 *       |  \______    \
 *    file bytes   typed bytes                 sources: immutable, shared by all snapshots
 *
 *   Units      `at`, `len`: bytes. Lines count from 0; line n begins after the n-th newline byte (0x0a). A text always has
 *              at least one line; a final newline begins one more, empty line. Code points are counted at their first byte:
 *              every byte but 10xxxxxx counts one, also where the text is not UTF-8 (stray continuation bytes count none).
 *   Ownership  rope_new() and rope_snapshot() give a rope to be freed with rope_free(). Inserted bytes are copied, once.
 *              Views from rope_chunk() live until that rope is next changed or freed.
 *   Threads    a rope belongs to one thread, also for reading: what was typed settles when it is looked at. Snapshots may be
 *              read and freed by others (reference counts are atomic, sources are never written below a length that a
 *              snapshot knows); one that was never edited by several at once.
 *   Errors     none; offsets beyond the text are bugs (ensure).
 *   Bounds     edits, look-ups, snapshots O(log pieces); typing on and backspacing O(1). Fan-out is 4 when WEFT_SMALL_NODES
 *              is defined (debug builds), so that tests exercise splits and merges.
 *   Source     Boehm, Atkinson & Plass, "Ropes: an Alternative to Strings", 1995; piece tables: Crowley, "Data Structures
 *              for Text Sequences", 1998.
 */
#ifndef WEFT_EDITOR_ROPE_H
#define WEFT_EDITOR_ROPE_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "editor/patch.h"

struct rope;

struct rope *rope_new(void);                       /* the empty text */
struct rope *rope_from_bytes(struct bytes text);   /* copies */
/*
 * Takes ownership of memory that stays in place and unchanged: release(context, text) is called when no rope uses it
 * any more, possibly on another thread. Used for files (heap or mapped).
 */
struct rope *rope_from_memory(struct bytes text, void (*release)(void *context, struct bytes text), void *context);
void rope_free(struct rope *rope); /* NULL is fine */
struct rope *rope_snapshot(const struct rope *rope); /* may itself be edited; neither sees the other's edits */

uint64_t rope_len(const struct rope *rope);
uint64_t rope_lines(const struct rope *rope);       /* newlines + 1 */
uint64_t rope_codepoints(const struct rope *rope);

void rope_insert(struct rope *rope, uint64_t at, struct bytes text);
void rope_delete(struct rope *rope, uint64_t at, uint64_t len);
void rope_apply(struct rope *rope, const struct patch *patch); /* patch_old_len() <= rope_len() */
/*
 * The same text in fewer pieces, where small ones take much of its memory: what was typed here and there lies in one row then.
 * Longer pieces stay, and so does the memory that they share. O(pieces), and a copy of the small ones. False: it was not worth
 * it.
 */
bool rope_compact(struct rope *rope);
/* The patch that undoes `patch` on the text as it is before `patch` is applied. */
void rope_invert(const struct rope *rope, const struct patch *patch, struct patch *out);

/* The rest of the piece that `at` is in, as it lies in memory; empty only at the end. Walking a text: at += chunk.len. */
struct bytes rope_chunk(const struct rope *rope, uint64_t at);
/* The part of a piece that ends at `at`; empty only at the start. */
struct bytes rope_chunk_before(const struct rope *rope, uint64_t at);
void rope_read(const struct rope *rope, uint64_t at, size_t len, void *out);
void rope_append_to(const struct rope *rope, uint64_t at, uint64_t len, struct buf *out);
int rope_byte(const struct rope *rope, uint64_t at); /* -1 at the end */

uint64_t rope_line_start(const struct rope *rope, uint64_t line); /* line < rope_lines() */
uint64_t rope_line_end(const struct rope *rope, uint64_t line);   /* the place of its newline, or the end of the text */
uint64_t rope_line_at(const struct rope *rope, uint64_t at);      /* which line the place `at` is in */
uint64_t rope_codepoints_before(const struct rope *rope, uint64_t at); /* code points that begin in front of `at` */
uint64_t rope_codepoint_start(const struct rope *rope, uint64_t codepoint); /* byte where it begins; len at the end */

/* Grapheme clusters (editor/base/unicode.h) across piece borders. At the edges they give `at` itself. */
uint64_t rope_cluster_next(const struct rope *rope, uint64_t at);
uint64_t rope_cluster_prev(const struct rope *rope, uint64_t at);

/* First place >= from where `needle` stands, or UINT64_MAX. Bytes are compared; empty needle: `from`. */
uint64_t rope_find(const struct rope *rope, struct bytes needle, uint64_t from);
/* Last place < before where `needle` begins, or UINT64_MAX. */
uint64_t rope_find_back(const struct rope *rope, struct bytes needle, uint64_t before);
bool rope_equal(const struct rope *a, const struct rope *b);

/* Walks every invariant: sums, fill, no empty piece. For tests and debug builds; stops the program when one is broken. */
void rope_check(const struct rope *rope);

#endif
