/*
 * The text a document began with, and where it is had from when the document is opened again.
 *
 * Up to the limit it is copied into the journal, a few chunks between the keys. Until that is done, and for good when it is
 * larger, the journal only refers to the file: which one, in which state (device, inode, size, time, hash), and the patch
 * that takes the file's text back to the text of the beginning. A save changes the file, so before it the reference to what
 * the file is about to be is put beside the one to what it is: whenever weft is killed, one of the two fits.
 *
 * A larger one is not reflinked into the state directory either (FICLONE). All that lies there is sealed; a clone would be the
 * file's bytes in the clear, and would outlive the file that somebody deleted because of them. It is to be had on few file
 * systems, and only where state and file are on the same one. What it would save is told in the next paragraph.
 *
 * Where none fits any more (another program rewrote the file while weft was away), the history is put on a text of zeros
 * instead: what then stands between the zeros is what was typed and not deleted, and goes to FILE.weft-recovered.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    REF_FORMAT = 1,
    REF_PARTS_MAX = 64, /* notes a reference is spread over, the first one not counted */
    CHUNKS_AT_ONCE = 8, /* between two keys */
    PUT_MS = 5000,
};

#define NOTE_NOW "base-file"
#define NOTE_NEXT "base-file-next"

/* --- a reference --- */

struct base_ref {
    char *path;
    struct file_stamp stamp; /* exists is false: of a file that is about to be written */
    bool hash_known;
    struct digest hash;
    uint64_t file_len, base_len;
    struct patch back; /* from the file's text to the base */
};

static void ref_release(struct base_ref *ref)
{
    free(ref->path);
    patch_release(&ref->back);
    *ref = (struct base_ref){0};
}

static void encode_patch(const struct patch *patch, struct buf *out)
{
    buf_add_varint(out, patch->count);
    for (size_t i = 0; i < patch->count; i++) {
        buf_add_byte(out, (unsigned char)patch->parts[i].kind);
        buf_add_varint(out, patch->parts[i].len);
    }
    buf_add_sized(out, buf_view(&patch->text));
}

static void decode_patch(struct reader *reader, struct patch *patch)
{
    uint64_t count = read_varint(reader);
    struct reader parts = *reader;
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        read_byte(reader);
        read_varint(reader);
    }
    struct bytes text = read_sized(reader, SIZE_MAX);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        unsigned char kind = read_byte(&parts);
        uint64_t len = read_varint(&parts);
        if (kind == PART_RETAIN) {
            patch_retain(patch, len);
        } else if (kind == PART_DELETE) {
            patch_delete(patch, len);
        } else if (kind == PART_INSERT && len <= text.len) {
            patch_insert(patch, bytes_slice(text, 0, (size_t)len));
            text = bytes_slice(text, (size_t)len, text.len - (size_t)len);
        } else {
            reader_fail(reader);
        }
    }
}

static void encode_ref(const struct base_ref *ref, struct buf *out)
{
    buf_add_byte(out, REF_FORMAT);
    buf_add_sized(out, bytes_of_string(ref->path));
    buf_add_byte(out, (unsigned char)(ref->stamp.exists | ref->hash_known << 1));
    buf_add_varint(out, ref->stamp.dev);
    buf_add_varint(out, ref->stamp.ino);
    buf_add_zigzag(out, ref->stamp.mtime_ns);
    buf_add(out, ref->hash.bytes, sizeof ref->hash.bytes);
    buf_add_varint(out, ref->file_len);
    buf_add_varint(out, ref->base_len);
    encode_patch(&ref->back, out);
}

static bool decode_ref(struct bytes encoded, struct base_ref *ref)
{
    struct reader reader = reader_of(encoded);
    if (read_byte(&reader) != REF_FORMAT)
        return false;
    struct bytes path = read_sized(&reader, JOURNAL_PATH_BYTES_MAX);
    unsigned char flags = read_byte(&reader);
    ref->stamp.exists = flags & 1;
    ref->hash_known = flags & 2;
    ref->stamp.dev = read_varint(&reader);
    ref->stamp.ino = read_varint(&reader);
    ref->stamp.mtime_ns = read_zigzag(&reader);
    read_into(&reader, ref->hash.bytes, sizeof ref->hash.bytes);
    ref->file_len = ref->stamp.size = read_varint(&reader);
    ref->base_len = read_varint(&reader);
    decode_patch(&reader, &ref->back);
    if (!reader_done(&reader) || ref->base_len > FILE_EDIT_BYTES_MAX || patch_old_len(&ref->back) > ref->file_len)
        return false;
    ref->path = xstrndup((const char *)path.data, path.len);
    return ref->file_len - patch_deleted(&ref->back) + patch_inserted(&ref->back) == ref->base_len;
}

/* What refers to the file when it has the text of `version`. */
static bool make_ref(struct replica *replica, const struct version *version, struct base_ref *ref)
{
    struct patch forth = {0};
    struct error ignored = {0};
    if (!document_read_history(replica->document, &ignored) || !document_patch_to(replica->document, version, &forth))
        return false;
    rope_invert(replica->base, &forth, &ref->back);
    ref->base_len = rope_len(replica->base);
    ref->file_len = ref->base_len - patch_deleted(&forth) + patch_inserted(&forth);
    patch_release(&forth);
    return true;
}

/* --- into the journal --- */

/* One note holds so much; the rest goes into notes named after it. All in the caller's transaction. */
static bool put_long(struct journal *journal, const char *name, struct bytes value, struct error *err)
{
    struct buf first = {0};
    size_t count = (value.len + JOURNAL_NOTE_BYTES_MAX - 1) / JOURNAL_NOTE_BYTES_MAX;
    if (count > REF_PARTS_MAX)
        return error_set(err, ERR_LIMIT, 0, "too much was deleted to keep it beside a file that large");
    buf_add_varint(&first, value.len);
    bool good = journal_note_put(journal, name, buf_view(&first), err);
    buf_release(&first);
    for (size_t i = 0; good && i < count; i++) {
        size_t at = i * JOURNAL_NOTE_BYTES_MAX, left = value.len - at;
        char *part = xformat("%s/%zu", name, i);
        good = journal_note_put(journal, part,
                                bytes_slice(value, at, left < JOURNAL_NOTE_BYTES_MAX ? left : JOURNAL_NOTE_BYTES_MAX), err);
        free(part);
    }
    return good;
}

static bool get_long(struct journal *journal, const char *name, struct buf *out, bool *found, struct error *err)
{
    struct buf first = {0};
    bool good = journal_note_get(journal, name, &first, found, err);
    struct reader reader = reader_of(buf_view(&first));
    uint64_t len = *found ? read_varint_max(&reader, (uint64_t)REF_PARTS_MAX * JOURNAL_NOTE_BYTES_MAX) : 0;
    buf_release(&first);
    for (size_t i = 0; good && *found && out->len < len; i++) {
        char *part = xformat("%s/%zu", name, i);
        size_t before = out->len;
        good = journal_note_get(journal, part, out, found, err) && (!*found || out->len > before);
        free(part);
    }
    return good;
}

struct ref_job {
    const char *note;
    struct base_ref ref;
    struct rope *text; /* to be hashed; NULL: the hash is known, or not wanted */
};

static bool put_ref(void *self, struct journal *journal, struct error *err)
{
    struct ref_job *job = self;
    struct buf encoded = {0};
    if (job->text && !job->ref.hash_known) {
        replica_hash_text(job->text, &job->ref.hash);
        job->ref.hash_known = true;
    }
    encode_ref(&job->ref, &encoded);
    bool good = put_long(journal, job->note, buf_view(&encoded), err);
    buf_release(&encoded);
    return good;
}

static void ref_put(void *self, const struct journal_result *result)
{
    struct ref_job *job = self;
    (void)result;
    ref_release(&job->ref);
    rope_free(job->text);
    free(job);
}

static bool needs_ref(const struct replica *replica)
{
    return replica->writer && !replica->is_private && !atomic_load(&replica->base_kept) && replica->file.path;
}

/* To the file as it is now. False: it has a text that the document never had. */
static bool make_ref_now(struct replica *replica, struct base_ref *ref)
{
    const struct file_side *file = &replica->file;
    if (!make_ref(replica, &file->version, ref) || ref->file_len != file->stamp.size)
        return false;
    ref->path = xstrdup(file->path);
    ref->stamp = file->stamp;
    ref->hash_known = file->hash_known;
    ref->hash = file->hash;
    return true;
}

void replica_refer_to_file(struct replica *replica)
{
    const struct file_side *file = &replica->file;
    if (!needs_ref(replica) || !file->stamp.exists || file->origin_unknown)
        return;
    struct ref_job *job = xcalloc(1, sizeof *job);
    job->note = NOTE_NOW;
    if (!make_ref_now(replica, &job->ref)) {
        ref_put(job, NULL); /* what was referred to stays */
        return;
    }
    journal_writer_run(replica->writer, put_ref, job, (struct journal_done){ref_put, job});
}

uint64_t replica_refer_to_save(struct replica *replica, const char *path, const struct version *version,
                               const struct rope *text)
{
    if (!needs_ref(replica))
        return 0;
    struct ref_job *job = xcalloc(1, sizeof *job);
    job->note = NOTE_NEXT;
    if (!make_ref(replica, version, &job->ref)) {
        ref_put(job, NULL);
        return 0;
    }
    job->ref.path = xstrdup(path);
    job->text = rope_snapshot(text);
    return journal_writer_run(replica->writer, put_ref, job, (struct journal_done){ref_put, job});
}

void replica_await_reference(struct replica *replica, uint64_t ticket)
{
    /* A journal that does not take it must not keep the text from its file: that is where it is safe. */
    if (ticket)
        (void)journal_writer_wait(replica->writer, ticket, PUT_MS * 1000);
}

/* --- founding a journal: the base text, and who writes --- */

struct founding {
    struct replica *replica;
    struct rope *base; /* NULL: there is none to copy */
    bool at_once;      /* in one transaction: nothing else has this text */
    uint64_t next;     /* chunk to be copied */
    struct agent_id agent;
    uint64_t now_s;
    struct buf genesis;
    bool complete;
};

static uint64_t chunk_count(const struct rope *base)
{
    return (rope_len(base) + JOURNAL_CHUNK_BYTES - 1) / JOURNAL_CHUNK_BYTES;
}

static bool copy_chunks(const struct founding *founding, struct journal *journal, uint64_t until, struct error *err)
{
    uint64_t len = rope_len(founding->base);
    struct buf chunk = {0};
    bool good = true;
    for (uint64_t n = founding->next; good && n < until; n++) {
        uint64_t at = n * JOURNAL_CHUNK_BYTES, left = len - at;
        buf_clear(&chunk);
        rope_append_to(founding->base, at, left < JOURNAL_CHUNK_BYTES ? left : JOURNAL_CHUNK_BYTES, &chunk);
        good = journal_base_put(journal, n, buf_view(&chunk), err);
    }
    buf_release(&chunk);
    return good;
}

bool replica_put_base(struct journal *journal, const struct rope *base, struct error *err)
{
    struct founding whole = {.base = (struct rope *)base};
    return journal_base_begin(journal, rope_len(base), err) && copy_chunks(&whole, journal, chunk_count(base), err);
}

/* Where the next transaction ends. */
static uint64_t chunks_until(const struct founding *founding)
{
    uint64_t all = chunk_count(founding->base), until = founding->next + CHUNKS_AT_ONCE;
    return founding->at_once || until > all ? all : until;
}

static bool found_journal(void *self, struct journal *journal, struct error *err)
{
    struct founding *founding = self;
    struct journal_base state;
    if (!journal_agent_add(journal, &founding->agent, founding->now_s, err) ||
        !journal_base_state(journal, &state, err))
        return false;
    if (founding->genesis.len && !journal_note_put(journal, "genesis", buf_view(&founding->genesis), err))
        return false;
    founding->complete = state.complete;
    if (!founding->base || state.complete)
        return true;
    return journal_base_begin(journal, rope_len(founding->base), err) &&
           (!founding->at_once || copy_chunks(founding, journal, chunks_until(founding), err));
}

static bool copy_on(void *self, struct journal *journal, struct error *err)
{
    struct founding *founding = self;
    return copy_chunks(founding, journal, chunks_until(founding), err);
}

/* On the journal's thread. That of the syncs may have said before that all is kept: the status line is drawn once more. */
static void base_is_kept(struct replica *replica)
{
    atomic_store(&replica->base_kept, true);
    replica_wake(replica);
}

static void founding_free(struct founding *founding)
{
    rope_free(founding->base);
    buf_release(&founding->genesis);
    free(founding);
}

/* On the journal's thread: what was typed meanwhile is in front of the next few chunks. */
static void copied(void *self, const struct journal_result *result)
{
    struct founding *founding = self;
    struct replica *replica = founding->replica;
    if (result->ok)
        founding->next = chunks_until(founding);
    bool all = result->ok && founding->next == chunk_count(founding->base);
    if (all)
        base_is_kept(replica);
    if (all || !result->ok)
        founding_free(founding);
    else
        journal_writer_run(replica->writer, copy_on, founding, (struct journal_done){copied, founding});
}

static void founded(void *self, const struct journal_result *result)
{
    struct founding *founding = self;
    struct replica *replica = founding->replica;
    bool goes_on = result->ok && founding->base && !founding->complete && !founding->at_once;
    if (goes_on) {
        journal_writer_run(replica->writer, copy_on, founding, (struct journal_done){copied, founding});
        return;
    }
    if (result->ok && (founding->base || founding->complete))
        base_is_kept(replica);
    founding_free(founding);
}

/* The base is the text of a file that can be referred to until it is copied, or for good. */
static bool is_in_file(const struct replica *replica)
{
    const struct file_side *file = &replica->file;
    return replica->base_referred || (!replica->ahead && file->path && file->stamp.exists && !file->origin_unknown &&
                                      file->version.count == 0 && rope_len(replica->base) == file->stamp.size);
}

void replica_give_founding(struct replica *replica)
{
    struct founding *founding = xcalloc(1, sizeof *founding);
    bool in_file = !replica->is_private && is_in_file(replica);
    const struct rope *base = replica_first_text(replica);
    bool copies = !replica->joining && (!in_file || rope_len(base) <= replica->base_bytes_max);
    founding->replica = replica;
    founding->base = copies ? rope_snapshot(base) : NULL;
    founding->at_once = !in_file;
    founding->agent = replica->agent;
    founding->now_s = (uint64_t)time(NULL);
    buf_add_bytes(&founding->genesis, buf_view(&replica->genesis));
    journal_writer_run(replica->writer, found_journal, founding, (struct journal_done){founded, founding});
    if (in_file && !replica->base_referred)
        replica_refer_to_file(replica);
}

/* --- the founding in bytes --- */

enum { FOUNDED_BY_TEXT, FOUNDED_BY_FILE };

bool replica_encode_founding(struct replica *replica, size_t bytes_max, struct buf *out)
{
    struct base_ref ref = {0};
    uint64_t len = rope_len(replica->base);
    bool in_file = is_in_file(replica);
    bool good = in_file ? make_ref_now(replica, &ref) : len < bytes_max;
    buf_add_byte(out, in_file ? FOUNDED_BY_FILE : FOUNDED_BY_TEXT);
    if (good && in_file)
        encode_ref(&ref, out);
    else if (good)
        rope_append_to(replica->base, 0, len, out);
    ref_release(&ref);
    return good && out->len <= bytes_max;
}

static bool has_base(struct journal *journal, bool *has, struct error *err)
{
    struct journal_base state;
    struct buf ref = {0};
    bool referred = false;
    bool good = journal_base_state(journal, &state, err) && journal_note_get(journal, NOTE_NOW, &ref, &referred, err);
    buf_release(&ref);
    *has = good && (state.known || referred);
    return good;
}

bool replica_put_founding(struct journal *journal, struct bytes founding, struct error *err)
{
    bool has;
    if (!has_base(journal, &has, err))
        return false;
    if (has)
        return true;
    struct bytes content = bytes_slice(founding, 1, founding.len - 1);
    if (founding.data[0] == FOUNDED_BY_FILE)
        return put_long(journal, NOTE_NOW, content, err);
    return journal_base_begin(journal, content.len, err) && (!content.len || journal_base_put(journal, 0, content, err));
}

/* --- having it again --- */

/* Where the file's bytes come from: open_file() has read them already, most of the time. */
static bool read_file(struct replica *replica, const char *path, struct rope **text, struct file_stamp *stamp)
{
    struct error err = {0};
    bool is_file = replica->disk && (strcmp(path, replica->file.path) == 0 || strcmp(path, replica_known_path(replica)) == 0);
    if (is_file) {
        *text = rope_snapshot(replica->disk);
        *stamp = replica->disk_stamp;
        return true;
    }
    return file_load(path, text, stamp, &err);
}

/* Whether the text begins with the bytes that are referred to; a log that grew meanwhile does. Cuts off what follows. */
static bool holds(struct rope *text, const struct base_ref *ref)
{
    struct digest hash;
    if (!ref->hash_known || rope_len(text) < ref->file_len)
        return false;
    rope_delete(text, ref->file_len, rope_len(text) - ref->file_len);
    replica_hash_text(text, &hash);
    return digest_equal(&hash, &ref->hash);
}

static struct rope *base_by_ref(struct replica *replica, const struct base_ref *ref)
{
    struct rope *text;
    struct file_stamp stamp;
    if (!read_file(replica, ref->path, &text, &stamp))
        return NULL;
    bool same = stamp.exists && ((ref->stamp.exists && file_stamp_equal(stamp, ref->stamp) &&
                                  rope_len(text) == ref->file_len) || holds(text, ref));
    if (same)
        rope_apply(text, &ref->back);
    if (same && rope_len(text) == ref->base_len)
        return text;
    rope_free(text);
    return NULL;
}

static void zeros_release(void *memory, struct bytes text)
{
    (void)text;
    free(memory);
}

/* Never touched as long as nobody reads it: the system gives pages of zeros away for nothing. */
static struct rope *zeros(uint64_t len)
{
    void *memory = calloc(1, (size_t)len + 1);
    return memory ? rope_from_memory(bytes_of(memory, (size_t)len), zeros_release, memory) : NULL;
}

static bool referred_base(struct replica *replica, struct rope **base, struct error *err)
{
    static const char *const notes[] = {NOTE_NOW, NOTE_NEXT};
    uint64_t base_len = 0;
    bool any = false;
    *base = NULL;
    for (size_t i = 0; i < sizeof notes / sizeof *notes && !*base; i++) {
        struct buf encoded = {0};
        struct base_ref ref = {0};
        bool found = false;
        bool good = get_long(replica->journal_found, notes[i], &encoded, &found, err);
        if (good && found && decode_ref(buf_view(&encoded), &ref)) {
            *base = base_by_ref(replica, &ref);
            base_len = ref.base_len;
            any = true;
        }
        ref_release(&ref);
        buf_release(&encoded);
        if (!good)
            return false;
    }
    replica->base_referred = *base != NULL;
    replica->base_lost = any && !*base;
    if (replica->base_lost)
        *base = zeros(base_len);
    return *base != NULL || error_set(err, ERR_MISSING, 0, "the text this document began with is not in the journal");
}

bool replica_load_base(struct replica *replica, struct rope **base, struct error *err)
{
    struct buf text = {0};
    struct journal_base state;
    replica->base_referred = replica->base_lost = false;
    if (!journal_base_state(replica->journal_found, &state, err))
        return false;
    atomic_store(&replica->base_kept, state.complete);
    if (!state.known && (replica->entry.role == DOC_GUEST || replica_is_shared(replica))) {
        replica->joining = true; /* the base had not come when this ended last */
        *base = rope_new();
        return true;
    }
    if (!state.complete)
        return referred_base(replica, base, err);
    bool good = journal_base_load(replica->journal_found, &text, err);
    if (good)
        *base = rope_from_bytes(buf_view(&text));
    buf_release(&text);
    return good;
}

/* --- when it is gone --- */

/* What was typed: everything but the zeros, each stretch between them from a line of its own on. */
static struct rope *typed_text(const struct rope *text)
{
    struct rope *typed = rope_new();
    bool gap = false;
    for (uint64_t at = 0; at < rope_len(text);) {
        struct bytes chunk = rope_chunk(text, at);
        at += chunk.len;
        while (chunk.len > 0) {
            const unsigned char *zero = memchr(chunk.data, 0, chunk.len);
            size_t len = zero ? (size_t)(zero - chunk.data) : chunk.len;
            if (len > 0 && gap && rope_len(typed) > 0 && rope_byte(typed, rope_len(typed) - 1) != '\n')
                rope_insert(typed, rope_len(typed), bytes_of_string("\n"));
            if (len > 0) {
                rope_insert(typed, rope_len(typed), bytes_slice(chunk, 0, len));
                gap = false;
            }
            for (; len < chunk.len && chunk.data[len] == 0; len++)
                gap = true;
            chunk = bytes_slice(chunk, len, chunk.len - len);
        }
    }
    return typed;
}

bool replica_write_beside(const char *path, const struct rope *text, char **written, struct error *err)
{
    enum { NAMES_MAX = 100 };
    for (int i = 1; i <= NAMES_MAX; i++) {
        struct file_stamp nothing = {0}, stamp;
        *written = i == 1 ? xformat("%s.weft-recovered", path) : xformat("%s.weft-recovered-%d", path, i);
        struct file_save save = {.path = *written, .text = text, .expected = &nothing};
        switch (file_save(&save, &stamp, err)) {
        case FILE_SAVED:
            return true;
        case FILE_CHANGED_MEANWHILE:
            free(*written);
            *written = NULL;
            continue;
        case FILE_SAVE_FAILED:
            break;
        }
        free(*written);
        *written = NULL;
        return false;
    }
    return error_set(err, ERR_LIMIT, 0, "there are %d recovered texts beside %s already", NAMES_MAX, path);
}

bool replica_recover_typed(struct replica *replica, struct error *err)
{
    struct rope *typed = typed_text(replica->buffer.text);
    char *written = NULL;
    bool good = rope_len(typed) == 0 || replica_write_beside(replica->file.path, typed, &written, err);
    if (written)
        replica_say(replica, "%s was changed by another program while edits were kept against its old text: what you had typed "
                             "is in %s.", replica->label, written);
    free(written);
    rope_free(typed);
    return good;
}
