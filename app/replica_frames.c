#include "app/replica_frames.h"

#include <stdlib.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    FOUNDING_FORMAT = 1,
    DOCUMENT_FORMAT = 1,
    ROW_FORMAT = 1,
    KEYS_BYTES_MAX = 1024,
};

enum { HAS_NAME = 1, HAS_PATH = 2, HAS_CONTENT = 4, HAS_SAVED = 8, TAKES_PATH = 16 };

void frames_head_release(struct frames_head *head)
{
    doc_entry_release(&head->entry);
}

static char *read_text(struct reader *reader, size_t len_max)
{
    struct bytes text = read_sized(reader, len_max);
    return text.len > 0 ? xstrndup((const char *)text.data, text.len) : xstrdup(""); /* of what is cut off there are no bytes */
}

static bool is_newer(struct error *err)
{
    return error_set(err, ERR_NEWER, 0, "it was kept by a newer weft; update weft");
}

/* --- heads --- */

void frames_put_founding(const struct frames_head *head, struct buf *out)
{
    const struct doc_entry *entry = &head->entry;
    struct buf keys = {0};
    doc_keys_encode(&entry->keys, &keys);
    buf_add_byte(out, FOUNDING_FORMAT);
    buf_add_byte(out, (unsigned char)((entry->name ? HAS_NAME : 0) | (entry->path ? HAS_PATH : 0) |
                                      (entry->content_known ? HAS_CONTENT : 0) | (head->has_saved ? HAS_SAVED : 0) |
                                      (head->takes_path ? TAKES_PATH : 0)));
    buf_add_sized(out, buf_view(&keys));
    buf_add_varint(out, entry->created_s);
    buf_add_varint(out, entry->opened_s);
    if (entry->name)
        buf_add_sized(out, bytes_of_string(entry->name));
    if (entry->path)
        buf_add_sized(out, bytes_of_string(entry->path));
    buf_add_varint(out, entry->dev);
    buf_add_varint(out, entry->ino);
    if (entry->content_known)
        buf_add(out, entry->content.bytes, sizeof entry->content.bytes);
    if (head->has_saved)
        journal_saved_encode(&head->saved, out);
    buf_add_bytes(out, head->founding);
    crypto_wipe(keys.data, keys.len);
    buf_release(&keys);
}

bool frames_read_founding(struct bytes frame, struct frames_head *head, struct error *err)
{
    struct reader reader = reader_of(frame);
    struct doc_entry *entry = &head->entry;
    unsigned char format = read_byte(&reader), flags = read_byte(&reader);
    if (format != FOUNDING_FORMAT)
        return is_newer(err);
    struct bytes keys = read_sized(&reader, KEYS_BYTES_MAX);
    entry->created_s = read_varint_max(&reader, INT64_MAX);
    entry->opened_s = read_varint_max(&reader, INT64_MAX);
    entry->name = flags & HAS_NAME ? read_text(&reader, DOC_INDEX_TEXT_BYTES_MAX) : NULL;
    entry->path = flags & HAS_PATH ? read_text(&reader, DOC_INDEX_TEXT_BYTES_MAX) : NULL;
    entry->dev = read_varint(&reader);
    entry->ino = read_varint(&reader);
    entry->content_known = flags & HAS_CONTENT;
    if (entry->content_known)
        read_into(&reader, entry->content.bytes, sizeof entry->content.bytes);
    head->has_saved = flags & HAS_SAVED;
    if (head->has_saved)
        journal_saved_decode(&reader, &head->saved);
    head->takes_path = flags & TAKES_PATH;
    head->founding = read_bytes(&reader, reader_left(&reader));
    if (reader.failed || !head->founding.len || (head->has_saved && !entry->path))
        return error_set(err, ERR_FORMAT, 0, "it is damaged");
    if (!doc_keys_decode(keys, &entry->keys, err))
        return false;
    entry->doc = entry->keys.doc;
    return true;
}

void frames_put_document(const struct doc_id *doc, const char *name, struct buf *out)
{
    buf_add_byte(out, DOCUMENT_FORMAT);
    buf_add(out, doc->bytes, sizeof doc->bytes);
    buf_add_sized(out, bytes_of_string(name));
}

bool frames_read_document(struct bytes frame, struct frames_head *head, struct error *err)
{
    struct reader reader = reader_of(frame);
    if (read_byte(&reader) != DOCUMENT_FORMAT)
        return is_newer(err);
    read_into(&reader, head->entry.doc.bytes, sizeof head->entry.doc.bytes);
    head->entry.name = read_text(&reader, DOC_INDEX_TEXT_BYTES_MAX);
    return reader_done(&reader) || error_set(err, ERR_FORMAT, 0, "it is damaged");
}

/* --- rows --- */

void frames_put_row(const struct journal_local *row, struct buf *out)
{
    buf_add_byte(out, ROW_FORMAT);
    buf_add_byte(out, row->path ? HAS_PATH : 0);
    buf_add_varint(out, row->seq0);
    buf_add_varint(out, row->count);
    buf_add(out, row->digest.bytes, sizeof row->digest.bytes);
    if (row->path) {
        buf_add_sized(out, bytes_of_string(row->path));
        journal_view_encode(&row->view, out);
    }
    buf_add_bytes(out, row->plain);
}

bool frames_read_row(struct bytes frame, struct journal_local *row, char **path, struct error *err)
{
    struct reader reader = reader_of(frame);
    unsigned char format = read_byte(&reader), flags = read_byte(&reader);
    row->seq0 = read_varint_max(&reader, BATCH_SEQ_MAX);
    row->count = read_varint_max(&reader, BATCH_SEQ_MAX);
    read_into(&reader, row->digest.bytes, sizeof row->digest.bytes);
    if (flags & HAS_PATH) {
        row->path = *path = read_text(&reader, JOURNAL_PATH_BYTES_MAX);
        journal_view_decode(&reader, &row->view);
    }
    row->plain = read_bytes(&reader, reader_left(&reader));
    bool good = format == ROW_FORMAT && !reader.failed && row->count > 0 && row->plain.len > 0 &&
                row->plain.len <= BATCH_BYTES_MAX;
    return good || error_set(err, ERR_FORMAT, 0, "it is damaged");
}
