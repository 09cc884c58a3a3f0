#include "app/origin.h"

#include "editor/base/varint.h"

enum { ORIGIN_FORMAT = 1 };

static const char note_name[] = "origin";

void origin_encode(const struct origin *origin, struct buf *out)
{
    buf_add_byte(out, ORIGIN_FORMAT);
    buf_add(out, origin->doc.bytes, sizeof origin->doc.bytes);
    buf_add_byte(out, origin->is_over);
    buf_add_varint(out, origin->place);
    buf_add_sized(out, origin->there);
    buf_add_sized(out, origin->here);
}

/* What is in origin->encoded. */
static bool decode(struct origin *origin, struct error *err)
{
    struct reader reader = reader_of(buf_view(&origin->encoded));
    unsigned char format = read_byte(&reader);
    read_into(&reader, origin->doc.bytes, sizeof origin->doc.bytes);
    origin->is_over = read_byte(&reader);
    origin->place = read_varint(&reader);
    origin->there = read_sized(&reader, JOURNAL_VERSION_BYTES_MAX);
    origin->here = read_sized(&reader, JOURNAL_VERSION_BYTES_MAX);
    return (format == ORIGIN_FORMAT && reader_done(&reader)) ||
           error_set(err, ERR_FORMAT, 0, "what it says of the document before it is damaged");
}

bool origin_read_encoded(struct journal *journal, struct buf *out, bool *found, struct error *err)
{
    return journal_note_get(journal, note_name, out, found, err);
}

bool origin_read(struct journal *journal, struct origin *origin, bool *found, struct error *err)
{
    return origin_read_encoded(journal, &origin->encoded, found, err) && (!*found || decode(origin, err));
}

bool origin_put(struct journal *journal, struct bytes encoded, struct error *err)
{
    return journal_note_put(journal, note_name, encoded, err);
}

void origin_release(struct origin *origin)
{
    buf_release(&origin->encoded);
    *origin = (struct origin){0};
}
