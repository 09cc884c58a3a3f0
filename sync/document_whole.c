#include "sync/document_whole.h"

const struct tracker *document_whole(struct document *document)
{
    uint64_t base;
    if (!document->whole)
        document->whole = walker_new(document->graph, &document->log, &document->critical, rope_len(document->base));
    return walker_track(document->whole, 0, &base);
}

const struct copies *document_whole_copies(struct document *document, const struct tracker **whole)
{
    *whole = document_whole(document);
    copies_collect(document, *whole, &document->copies);
    return &document->copies;
}

void document_read_units(const struct document *document, uint64_t id, uint64_t len, struct buf *out)
{
    if (id >= TRACKER_BASE) {
        rope_append_to(document->base, id - TRACKER_BASE, len, out);
        return;
    }
    for (uint64_t end = id + len; id < end;) {
        struct op_piece op = oplog_piece(&document->log, id, end);
        ensure(op.shape == SHAPE_INSERT);
        buf_add_bytes(out, oplog_text(&document->log, op.text_at, op.len));
        id += op.len;
    }
}

void document_read_deleted(struct document *document, struct deleted deleted, struct buf *out)
{
    const struct tracker *whole = document_whole(document);
    for (uint64_t done = 0; done < deleted.len;) {
        uint64_t lv = deleted.back ? deleted.by - done : deleted.by + done;
        struct deleted piece = deleted_by(whole, lv, deleted.back ? lv + 1 : deleted.by + deleted.len);
        ensure(piece.len > 0);
        document_read_units(document, piece.id, piece.len, out);
        done += piece.len;
    }
}
