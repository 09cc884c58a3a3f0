/*
 * wal - whether the log beside a SQLite database was damaged, and what of it can be had again. No I/O, no SQLite.
 *
 * SQLite ends its log (PATH-wal) at the first frame whose checksum does not fit: it cannot tell a writer that was killed from a
 * disk that lost a bit, and in the second case everything that was committed behind it would be gone without a word. The bytes
 * tell (format: sqlite.org/fileformat2.html#walformat). A frame's checksum goes on from the one that stands in the frame before:
 *
 *     header | frame | frame, commit | fr#me | frame, commit | frame, commit | of an older log ...
 *                                       k     \___ follow from what stands in k ___/
 *
 * Who was killed left nothing whole behind the break but, at most, the end of the one transaction that was being written: SQLite
 * may mend the checksums of an earlier part of it last, and a process that was killed between its commit and making it known has
 * it overwritten from the front by another one. So the break is damage where
 *
 *     - two commits or more stand behind it (its own counted) with this log's salts; or
 *     - changing one 32-bit word makes the frame fit, and the transaction whole. (A transaction's pages stand in ascending order;
 *       where they do not, parts of it were written twice, and nothing is concluded.)
 *
 * What is left of the last transaction where more than a word of it is damaged looks as if its writer had been killed: that alone
 * stays unsaid. A power cut may do as a bad disk does: what was written since the log was last synced (PRAGMA synchronous=NORMAL
 * syncs it at a checkpoint alone) may have reached the disk in any order, so that of several commits an earlier one is torn and a
 * later one whole. The bytes do not tell the two apart, so what is said names both. A damaged frame is had again by
 *
 *     - the one word that fits, where there is only one; or
 *     - the same page as a later transaction wrote it: then nobody needs this one, and it takes that content.
 *
 * Else the log is cut in front of its transaction, where SQLite would end it too, and the caller says how much stood behind.
 *
 *   Ownership  the log is the caller's, and changed in place.
 *   Bounds     linear in the log; a damaged frame costs a pass over what is behind it, and 64 are mended at most. No memory.
 */
#ifndef WEFT_SYNC_WAL_H
#define WEFT_SYNC_WAL_H

#include <stdint.h>

#include "editor/base/bytes.h"

enum wal_state {
    WAL_WHOLE,  /* nothing was done: SQLite reads all that was ever committed */
    WAL_MENDED, /* now it does */
    WAL_CUT,    /* `lost` transactions are not to be had: they were damaged, or a power cut came before they were all on the
                   disk */
};

struct wal_verdict {
    enum wal_state state;
    uint64_t lost; /* WAL_CUT; at least 1 */
};

/* `log`: the content of a -wal. A log that is cut is shorter. */
struct wal_verdict wal_mend(struct buf *log);

/*
 * The common case in one pass and without the whole log in memory: whether each frame follows from the one before it up to the
 * last byte. What does not is for wal_mend() to judge.
 */
struct wal_reading {
    struct wal_sum {
        uint32_t first, second;
    } sum;
    uint32_t salts[2];
    uint32_t page_bytes;
    bool big_endian;
};
enum { WAL_HEADER_BYTES = 32, WAL_FRAME_HEADER_BYTES = 24, WAL_PAGE_BYTES_MAX = 65536 };
/* `header` has WAL_HEADER_BYTES. False: no header. */
MUST_USE bool wal_read_header(struct wal_reading *reading, const unsigned char *header);
/* `frame` has a header and a page. False: it does not follow. */
MUST_USE bool wal_read_frame(struct wal_reading *reading, const unsigned char *frame);

#endif
