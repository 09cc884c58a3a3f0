/*
 * document_code - what the files that save and read documents share; nobody else includes it.
 *
 *   document_code.c     document_encode(), document_decode(); what all versions have in common
 *   document_columns.c  graph, operations, marks and text in columns: what is written now
 *   document_ops.c      of these the operations
 *   document_older.c    the same as an older weft wrote it
 *   document_asleep.c   the text in front of it
 *
 * Bytes that are read are not trusted. The document they are read into is thrown away when something is wrong, so what
 * is found wrong late has spoilt nothing.
 */
#ifndef WEFT_SYNC_DOCUMENT_CODE_H
#define WEFT_SYNC_DOCUMENT_CODE_H

#include "sync/document_parts.h"

enum { SAVED_PARENTS_MAX = BATCH_PARENTS_MAX + 1 };

/* Versions of the format. */
enum { SAVED_ROWS = 1, SAVED_ROWS_FORKS = 2, SAVED_COLUMNS = 3, SAVED_ASLEEP = 4, SAVED_KEYFRAMES = 5 };

/* "weftdoc", the format's version, the length of the base text. */
void saved_write_magic(const struct document *document, unsigned version, struct buf *out);
bool saved_read_magic(struct reader *reader, const struct rope *base, unsigned *version, struct error *err);
/*
 * A whole history into a document that has none. With its text: where that can be made while the history is read, it is, and
 * is given out with the next update (document->loaded). Keyframes that stand in front are taken as they are: who does not trust
 * the bytes drops them.
 */
enum saved_text { SAVED_TEXT_LATER, SAVED_TEXT_TOO };
bool saved_read_all(struct bytes encoded, struct document *document, enum saved_text text, struct error *err);

/* Fills *err with ERR_FORMAT; always false. */
bool saved_refuse(struct error *err, const char *what);

/* Where the next operation most likely is. */
static inline uint64_t saved_op_end(enum op_shape shape, uint64_t pos, uint64_t len)
{
    return pos + (len & op_masks[shape].inserts) - ((len - 1) & op_masks[shape].back);
}

/* One delete of several bytes is valid or void as a whole, so nothing may come between its events. */
bool saved_is_in_a_row(const struct graph *graph, uint64_t first, uint64_t len);

/* Each adds one thing to a document if it may stand there. Parents are ascending. */
bool saved_add_row(struct document *document, size_t agent, uint64_t len, const uint64_t *parents, size_t parent_count,
                   struct error *err);
/* The mark `step` behind the one before; *lv is where that was and becomes where this is. NULL: it may not stand there.
 */
struct mark *saved_add_mark(struct document *document, uint64_t step, unsigned flags, uint64_t *lv);

/* What is rarely there in a mark, as varints: its label, sized; count of undo spans, then each: agent, seq, len. */
void saved_write_mark_rest(const struct marks *marks, const struct mark *mark, struct buf *out);
bool saved_read_mark_rest(struct reader *reader, struct document *document, unsigned flags);

/* All that comes after the agents. */
void saved_write_columns(const struct document *document, struct buf *out);
bool saved_read_columns(struct reader *reader, struct document *document, enum saved_text text, struct error *err);
bool saved_read_older(struct reader *reader, struct document *document, struct error *err);

#endif
