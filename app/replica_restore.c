/*
 * A document as the journal has it: its text, what of it is in the file, and where the cursor was.
 */
#include "app/replica_parts.h"

#include "editor/base/xalloc.h"

enum { RESTORE_WAIT_MS = 10000 };

/* The state of the file when weft last read or wrote it. Without one: the base. */
static bool load_saved(struct replica *replica, struct error *err)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    bool found = false;
    if (!replica->file.path)
        return true;
    bool good = journal_saved_get(replica->journal_found, replica->file.path, &saved, &memory, &found, err);
    if (good && !found && replica_has_other_name(replica))
        good = journal_saved_get(replica->journal_found, replica->entry.path, &saved, &memory, &found, err);
    if (good && found) {
        replica->file.origin_unknown = !replica_decode_version(replica, saved.version, &replica->file.version);
        replica->file.hash = saved.hash;
        replica->file.hash_known = true;
        replica->file.stamp = (struct file_stamp){saved.dev, saved.ino, saved.size, saved.mtime_ns, saved.ino != 0};
    }
    buf_release(&memory);
    return good;
}

/* From the document: nothing else has to be kept for that. */
void replica_rebuild_file_text(struct replica *replica)
{
    struct patch patch = {0};
    if (replica->file.hash_known && document_patch_to(replica->document, &replica->file.version, &patch)) {
        rope_free(replica->file.text);
        replica->file.text = rope_snapshot(replica->base);
        rope_apply(replica->file.text, &patch);
    }
    patch_release(&patch);
}

/* A cursor that rode with an edit is a place in the text as that edit left it. */
static bool note_version(void *self, const struct journal_row *row)
{
    struct version *version = self;
    if (row->form == JOURNAL_LOCAL && row->count > 0) {
        version->heads = xgrow(version->heads, &version->cap, 1, sizeof *version->heads);
        version->heads[version->count++] = (struct event_id){row->agent, row->seq0 + row->count - 1};
    }
    return false;
}

/* What others wrote after it was kept moves the cursor, as it did on the screen. */
static bool carry_view(struct replica *replica, uint64_t place, struct error *err)
{
    struct version version = {0};
    struct patch since = {0};
    struct journal_read read = {.last_place = place - 1};
    bool good = journal_rows(replica->journal_found, 1, (struct journal_visitor){&version, note_version}, &read, err);
    if (good && version.count && document_patch_since(replica->document, &version, &since)) {
        struct selection kept = {replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL};
        struct selection now = selection_map(kept, &since);
        replica->view.cursor = now.head;
        replica->view.anchor = now.anchor;
    }
    patch_release(&since);
    version_release(&version);
    return good;
}

static bool load_view(struct replica *replica, struct error *err)
{
    uint64_t place;
    bool found = false;
    const char *path = replica->file.path ? replica->file.path : "";
    if (!journal_view_get(replica->journal_found, path, &replica->view, &place, &found, err) ||
        (!found && replica_has_other_name(replica) &&
         !journal_view_get(replica->journal_found, replica->entry.path, &replica->view, &place, &found, err)))
        return false;
    if (found && place > 0 && !carry_view(replica, place, err))
        return false;
    if (found)
        buffer_select(&replica->buffer,
                      (struct selection){replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL});
    return true;
}

/* From replica->journal_found. */
static bool restore(struct replica *replica, struct error *err)
{
    bool found = false, news;
    struct rope *base = NULL;
    if (!replica->journal_found || !replica_load_base(replica, &base, err) ||
        !journal_note_get(replica->journal_found, "genesis", &replica->genesis, &found, err) ||
        !replica_load_newer(replica, err))
        return false;
    replica_begin_document(replica, base);
    return replica_load_checkpoint(replica, &found, err) &&
           replica_read_rows_of(replica, replica->journal_found, &news, err);
}

/* The same for who only reads, and so has folded nothing. */
static bool restore_with_left(struct replica *replica, struct error *err)
{
    struct journal *left = replica_left_journal(replica->env, &replica->entry.doc);
    bool good = restore(replica, err);
    if (good && left)
        good = replica_read_left(replica, left, err);
    bool begins_there = !good && left && err->code == ERR_MISSING;
    if (begins_there) { /* there is no journal yet, or nothing in it */
        *err = (struct error){0};
        journal_close(replica->journal_found);
        replica->journal_found = left;
        return restore(replica, err);
    }
    journal_close(left);
    return good;
}

/*
 * Another process may be just closing the journal, as the last, and on a slow disk hold its lock for longer than JOURNAL_BUSY_MS:
 * a person waits rather than being told to try again.
 */
static struct journal *open_patiently(struct replica *replica, struct error *err)
{
    enum journal_mode mode = replica->reads_only ? JOURNAL_READ : JOURNAL_WRITE;
    uint64_t until_ms = net_now_ms() + RESTORE_WAIT_MS;
    struct journal *journal;
    do {
        *err = (struct error){0};
        journal = replica_open_journal(replica, mode, err);
    } while (!journal && err->code == ERR_BUSY && net_now_ms() < until_ms);
    return journal;
}

bool replica_restore(struct replica *replica, struct error *err)
{
    if (!env_device(replica->env, err))
        return false;
    replica->journal_found = open_patiently(replica, err);
    if (!(replica->reads_only ? restore_with_left(replica, err) : restore(replica, err)))
        return false;
    replica_update_text(replica);
    if (!load_saved(replica, err))
        return false;
    replica_rebuild_file_text(replica);
    return load_view(replica, err);
}
