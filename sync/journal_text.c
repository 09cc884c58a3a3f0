/* The texts a journal holds: the base, notes, checkpoints. All large ones in sealed chunks. */
#include <string.h>

#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "sync/journal_parts.h"

static uint64_t chunk_count(uint64_t len)
{
    return (len + JOURNAL_CHUNK_BYTES - 1) / JOURNAL_CHUNK_BYTES;
}

static size_t chunk_len(uint64_t len, uint64_t chunk)
{
    uint64_t left = len - chunk * JOURNAL_CHUNK_BYTES;
    return left < JOURNAL_CHUNK_BYTES ? (size_t)left : JOURNAL_CHUNK_BYTES;
}

/* --- the base --- */

bool journal_base_begin(struct journal *journal, uint64_t len, struct error *err)
{
    if (len > JOURNAL_BASE_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "a text of %llu bytes is too large to copy into the journal",
                         (unsigned long long)len);
    struct db_stmt *stmt =
        db_use(journal->db, "UPDATE journal SET base_len = ?1 WHERE base_len IS NULL OR base_len = ?1");
    db_bind_u64(stmt, 1, len);
    if (!db_run(stmt, err))
        return false;
    return db_changes(journal->db) == 1 ||
           error_set(err, ERR_FORMAT, 0, "the journal began with another text than this one");
}

bool journal_base_state(struct journal *journal, struct journal_base *base, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT base_len, (SELECT count(*) FROM base) FROM journal");
    if (!db_one(stmt, err))
        return false;
    base->known = !db_column_is_null(stmt, 0);
    base->len = db_column_u64(stmt, 0);
    base->chunks = db_column_u64(stmt, 1);
    base->complete = base->known && base->chunks == chunk_count(base->len);
    db_end(stmt);
    return base->len <= JOURNAL_BASE_BYTES_MAX || error_set(err, ERR_FORMAT, 0, "the journal's base has no possible length");
}

static void name_chunk(struct journal *journal, uint64_t len, uint64_t chunk)
{
    journal_name_begin(journal, "base");
    journal_name_u64(journal, len);
    journal_name_u64(journal, chunk);
}

bool journal_base_put(struct journal *journal, uint64_t chunk, struct bytes bytes, struct error *err)
{
    struct journal_base base;
    if (!journal_base_state(journal, &base, err))
        return false;
    if (!base.known || chunk >= chunk_count(base.len) || bytes.len != chunk_len(base.len, chunk))
        return error_set(err, ERR_FORMAT, 0, "chunk %llu does not fit the base text", (unsigned long long)chunk);
    name_chunk(journal, base.len, chunk);
    struct db_stmt *stmt =
        db_use(journal->db, "INSERT INTO base(chunk, sealed) VALUES (?1, ?2) ON CONFLICT (chunk) DO NOTHING");
    db_bind_u64(stmt, 1, chunk);
    db_bind_bytes(stmt, 2, journal_seal(journal, bytes));
    return db_run(stmt, err);
}

static bool open_chunk(struct journal *journal, const struct journal_base *base, uint64_t chunk, struct db_stmt *stmt,
                       struct buf *out)
{
    size_t before = out->len;
    name_chunk(journal, base->len, chunk);
    return db_column_u64(stmt, 0) == chunk && journal_unseal(journal, db_column_bytes(stmt, 1), out) &&
           out->len - before == chunk_len(base->len, chunk);
}

bool journal_base_load(struct journal *journal, struct buf *out, struct error *err)
{
    struct journal_base base;
    if (!journal_base_state(journal, &base, err))
        return false;
    if (!base.complete)
        return error_set(err, ERR_MISSING, 0, "the text this document began with is not all in the journal");
    struct db_stmt *stmt = db_use(journal->db, "SELECT chunk, sealed FROM base ORDER BY chunk");
    size_t before = out->len;
    enum db_stepped stepped;
    for (uint64_t chunk = 0; (stepped = db_step(stmt, err)) == DB_ROW; chunk++) {
        if (!open_chunk(journal, &base, chunk, stmt, out)) {
            db_end(stmt);
            out->len = before;
            return error_set(err, ERR_AUTH, 0, "the text this document began with is damaged in the journal");
        }
    }
    return stepped == DB_DONE;
}

/* --- notes --- */

static void name_note(struct journal *journal, const char *name)
{
    journal_name_begin(journal, "note");
    journal_name_bytes(journal, name, strlen(name));
}

bool journal_note_put(struct journal *journal, const char *name, struct bytes value, struct error *err)
{
    ensure(value.len <= JOURNAL_NOTE_BYTES_MAX);
    name_note(journal, name);
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO note(name, sealed) VALUES (?1, ?2)"
                                               " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed");
    db_bind_text(stmt, 1, name);
    db_bind_bytes(stmt, 2, journal_seal(journal, value));
    return db_run(stmt, err);
}

bool journal_notes_drop(struct journal *journal, const char *name, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "DELETE FROM note WHERE name = ?1 OR (name > ?1 || '/' AND name < ?1 || '0')");
    db_bind_text(stmt, 1, name);
    return db_run(stmt, err);
}

bool journal_note_get(struct journal *journal, const char *name, struct buf *out, bool *found, struct error *err)
{
    *found = false;
    struct db_stmt *stmt = db_use(journal->db, "SELECT sealed FROM note WHERE name = ?1");
    db_bind_text(stmt, 1, name);
    if (!db_one(stmt, err))
        return err->code == ERR_MISSING;
    name_note(journal, name);
    *found = journal_unseal(journal, db_column_bytes(stmt, 0), out);
    db_end(stmt);
    return *found || error_set(err, ERR_AUTH, 0, "the journal's note \"%s\" is damaged", name);
}

/* --- checkpoints --- */

enum { CHECKPOINTS_KEPT = 2 /* at most */ };

struct checkpoint_row {
    uint64_t id, place, encoded_len, text_len;
    bool has_text;
};

static uint64_t encoded_parts(const struct checkpoint_row *row)
{
    return chunk_count(row->encoded_len);
}

static uint64_t all_parts(const struct checkpoint_row *row)
{
    return encoded_parts(row) + chunk_count(row->text_len);
}

/* With all of the row's fields: they are not sealed themselves, so this is what vouches for them. */
static void name_part(struct journal *journal, const struct checkpoint_row *row, uint64_t part)
{
    journal_name_begin(journal, "checkpoint");
    journal_name_u64(journal, row->place);
    journal_name_u64(journal, row->encoded_len);
    journal_name_u64(journal, row->text_len);
    journal_name_u64(journal, row->has_text);
    journal_name_u64(journal, part);
}

static bool put_part(struct journal *journal, const struct checkpoint_row *row, uint64_t part, struct bytes plain,
                     struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db, "INSERT INTO checkpoint_part(checkpoint, part, sealed) VALUES (?1, ?2, ?3)");
    name_part(journal, row, part);
    db_bind_u64(stmt, 1, row->id);
    db_bind_u64(stmt, 2, part);
    db_bind_bytes(stmt, 3, journal_seal(journal, plain));
    return db_run(stmt, err);
}

static bool put_row(struct journal *journal, struct checkpoint_row *row, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO checkpoint(place, encoded_len, text_len, has_text)"
                                               " VALUES (?1, ?2, ?3, ?4)");
    db_bind_u64(stmt, 1, row->place);
    db_bind_u64(stmt, 2, row->encoded_len);
    db_bind_u64(stmt, 3, row->text_len);
    db_bind_int(stmt, 4, row->has_text);
    bool ok = db_run(stmt, err);
    row->id = db_last_id(journal->db);
    return ok;
}

static bool put_encoded(struct journal *journal, const struct checkpoint_row *row, struct bytes encoded,
                        struct error *err)
{
    for (uint64_t part = 0; part < encoded_parts(row); part++) {
        size_t at = (size_t)part * JOURNAL_CHUNK_BYTES;
        if (!put_part(journal, row, part, bytes_slice(encoded, at, chunk_len(row->encoded_len, part)), err))
            return false;
    }
    return true;
}

static bool put_text(struct journal *journal, const struct checkpoint_row *row, const struct rope *text,
                     struct error *err)
{
    struct buf piece = {0};
    bool ok = true;
    for (uint64_t chunk = 0; ok && chunk < chunk_count(row->text_len); chunk++) {
        buf_clear(&piece);
        rope_append_to(text, chunk * JOURNAL_CHUNK_BYTES, chunk_len(row->text_len, chunk), &piece);
        ok = put_part(journal, row, encoded_parts(row) + chunk, buf_view(&piece), err);
    }
    if (piece.data)
        crypto_wipe(piece.data, piece.cap);
    buf_release(&piece);
    return ok;
}

/* A short history is replayed from its rows in no time. */
static bool drop_old(struct journal *journal, const struct checkpoint_row *newest, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "DELETE FROM checkpoint WHERE id NOT IN (SELECT id FROM checkpoint"
                                               " ORDER BY id DESC LIMIT 1 + (SELECT trimmed OR ?1 FROM journal))");
    db_bind_int(stmt, 1, newest->has_text);
    return db_run(stmt, err) &&
           db_run(
               db_use(journal->db, "DELETE FROM checkpoint_part WHERE checkpoint NOT IN (SELECT id FROM checkpoint)"),
               err);
}

bool journal_checkpoint_put(struct journal *journal, uint64_t place, struct bytes encoded, const struct rope *text,
                            struct error *err)
{
    struct checkpoint_row row = {
        .place = place,
        .encoded_len = encoded.len,
        .text_len = text ? rope_len(text) : 0,
        .has_text = text != NULL,
    };
    struct journal_step step;
    if (!journal_step_begin(journal, &step, err))
        return false;
    bool ok = put_row(journal, &row, err) && put_encoded(journal, &row, encoded, err) &&
              (!text || put_text(journal, &row, text, err)) && drop_old(journal, &row, err);
    return journal_step_end(journal, step, ok, err);
}

bool journal_checkpoints_drop(struct journal *journal, struct error *err)
{
    return db_run(db_use(journal->db, "DELETE FROM checkpoint WHERE (SELECT trimmed FROM journal) = 0"), err) &&
           db_run(
               db_use(journal->db, "DELETE FROM checkpoint_part WHERE checkpoint NOT IN (SELECT id FROM checkpoint)"),
               err);
}

/* Parts [part, end), which have `len` bytes. False and ERR_AUTH: one is missing or does not open; other errors are the disk's. */
static bool load_parts(struct journal *journal, const struct checkpoint_row *row, uint64_t part, uint64_t end, uint64_t len,
                       struct buf *out, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT part, sealed FROM checkpoint_part WHERE checkpoint = ?1 AND part >= ?2"
                                               " AND part < ?3 ORDER BY part");
    db_bind_u64(stmt, 1, row->id);
    db_bind_u64(stmt, 2, part);
    db_bind_u64(stmt, 3, end);
    size_t before = out->len;
    enum db_stepped stepped;
    for (; (stepped = db_step(stmt, err)) == DB_ROW; part++) {
        name_part(journal, row, part);
        if (db_column_u64(stmt, 0) != part || !journal_unseal(journal, db_column_bytes(stmt, 1), out)) {
            db_end(stmt);
            return error_set(err, ERR_AUTH, 0, "a checkpoint in the journal is damaged");
        }
    }
    if (stepped == DB_FAILED)
        return false;
    return (part == end && out->len - before == len) || error_set(err, ERR_AUTH, 0, "a checkpoint in the journal is not whole");
}

struct checkpoint_rows {
    struct checkpoint_row items[CHECKPOINTS_KEPT];
    size_t count;
};

/* Newest first. */
static bool list_checkpoints(struct journal *journal, struct checkpoint_rows *rows, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT id, place, encoded_len, text_len, has_text FROM checkpoint"
                                               " ORDER BY id DESC LIMIT ?1");
    db_bind_int(stmt, 1, CHECKPOINTS_KEPT);
    rows->count = 0;
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        rows->items[rows->count++] = (struct checkpoint_row){
            .id = db_column_u64(stmt, 0),
            .place = db_column_u64(stmt, 1),
            .encoded_len = db_column_u64(stmt, 2),
            .text_len = db_column_u64(stmt, 3),
            .has_text = db_column_int(stmt, 4) != 0,
        };
    }
    return stepped == DB_DONE;
}

static struct checkpoint_row row_of(const struct journal_checkpoint *checkpoint)
{
    return (struct checkpoint_row){.id = checkpoint->id, .place = checkpoint->place, .encoded_len = checkpoint->encoded_len,
                                   .text_len = checkpoint->text_len, .has_text = checkpoint->has_text};
}

bool journal_checkpoint_text(struct journal *journal, const struct journal_checkpoint *checkpoint, struct buf *out,
                             struct error *err)
{
    struct checkpoint_row row = row_of(checkpoint);
    return load_parts(journal, &row, encoded_parts(&row), all_parts(&row), row.text_len, out, err);
}

/* Of a journal without its older rows nothing else tells what a checkpoint that turns out damaged said. */
static bool is_trimmed(struct journal *journal, bool *trimmed, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT trimmed FROM journal");
    if (!db_one(stmt, err))
        return false;
    *trimmed = db_column_int(stmt, 0) != 0;
    db_end(stmt);
    return true;
}

static struct journal_checkpoint checkpoint_of(const struct checkpoint_row *row)
{
    return (struct journal_checkpoint){.found = true, .has_text = row->has_text, .id = row->id, .place = row->place,
                                       .encoded_len = row->encoded_len, .text_len = row->text_len};
}

bool journal_checkpoint_newest(struct journal *journal, struct journal_checkpoint *checkpoint, struct error *err)
{
    struct checkpoint_rows rows;
    bool good = list_checkpoints(journal, &rows, err);
    *checkpoint = good && rows.count > 0 ? checkpoint_of(&rows.items[0]) : (struct journal_checkpoint){0};
    return good;
}

static bool load_newest(struct journal *journal, bool with_text, struct journal_checkpoint *checkpoint, struct error *err)
{
    *checkpoint = (struct journal_checkpoint){0};
    struct checkpoint_rows rows;
    if (!list_checkpoints(journal, &rows, err))
        return false;
    for (size_t i = 0; i < rows.count; i++) {
        const struct checkpoint_row *row = &rows.items[i];
        *checkpoint = checkpoint_of(row);
        if (load_parts(journal, row, 0, encoded_parts(row), row->encoded_len, &checkpoint->encoded, err) &&
            (!with_text || journal_checkpoint_text(journal, checkpoint, &checkpoint->text, err)))
            return true;
        journal_checkpoint_release(checkpoint);
        if (err->code != ERR_AUTH)
            return false;
    }
    return true;
}

bool journal_checkpoint_get(struct journal *journal, struct journal_checkpoint *checkpoint, struct error *err)
{
    return load_newest(journal, true, checkpoint, err);
}

bool journal_checkpoint_front(struct journal *journal, struct journal_checkpoint *checkpoint, struct error *err)
{
    bool trimmed;
    *checkpoint = (struct journal_checkpoint){0};
    return is_trimmed(journal, &trimmed, err) && load_newest(journal, trimmed, checkpoint, err);
}

void journal_checkpoint_release(struct journal_checkpoint *checkpoint)
{
    buf_release(&checkpoint->encoded);
    buf_release(&checkpoint->text);
    *checkpoint = (struct journal_checkpoint){0};
}
