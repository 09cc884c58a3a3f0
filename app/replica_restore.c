/*
 * A document as the journal has it: its text, what of it is in the file, and where the cursor was.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_left.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_succession.h"
#include "app/replica_tidy.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { RESTORE_WAIT_MS = 10000 };

/*
 * What the journal says of the file and of the cursor. It is asked before the rows are read: another process may be typing
 * and saving meanwhile, and what is told here is of a text that the rows give.
 */
struct remembered {
    struct journal_saved saved; /* when weft last read or wrote it; without one: the base */
    struct buf memory;          /* what `saved` points to */
    struct journal_view view;
    struct buf view_version;    /* empty: that of the row at */
    uint64_t view_place;
    bool has_saved, has_view;
};

static void forget(struct remembered *remembered)
{
    buf_release(&remembered->memory);
    buf_release(&remembered->view_version);
    *remembered = (struct remembered){0};
}

struct remembered *remembered_take(struct remembered *from)
{
    struct remembered *taken = xmalloc(sizeof *taken);
    *taken = *from;
    *from = (struct remembered){0};
    return taken;
}

void remembered_free(struct remembered *remembered)
{
    if (remembered)
        forget(remembered);
    free(remembered);
}

/* The agent of the row before, which most rows have as well: a lock is asked for once. */
struct asked {
    const struct replica *replica;
    struct agent_id agent;
    bool known, lives;
};

/* Of two windows that were killed or closed one is opened again, and not the one that is still open. */
static bool is_not_open(void *self, const struct agent_id *agent)
{
    struct asked *asked = self;
    if (!asked->known || !agent_id_equal(&asked->agent, agent))
        *asked = (struct asked){asked->replica, *agent, true, replica_agent_lives(asked->replica, agent)};
    return !asked->lives;
}

static bool remember_as(struct replica *replica, const char *path, struct remembered *out, struct error *err)
{
    struct journal *journal = replica->journal_found;
    struct asked asked = {.replica = replica};
    struct journal_view_of whose = {&asked, is_not_open};
    return (out->has_saved || !replica->file.path ||
            journal_saved_get(journal, path, &out->saved, &out->memory, &out->has_saved, err)) &&
           (out->has_view ||
            journal_view_get(journal, path, &whose, &out->view, &out->view_version, &out->view_place, &out->has_view, err));
}

static bool remember(struct replica *replica, struct remembered *out, struct error *err)
{
    forget(out);
    return remember_as(replica, replica->file.path ? replica->file.path : "", out, err) &&
           (!replica_has_other_name(replica) || remember_as(replica, replica->entry.path, out, err));
}

static void take_saved(struct replica *replica, const struct journal_saved *saved)
{
    replica->file.origin_unknown = !replica_decode_version(replica, saved->version, &replica->file.version);
    replica->file.hash = saved->hash;
    replica->file.hash_known = true;
    replica->file.stamp = (struct file_stamp){saved->dev, saved->ino, saved->size, saved->mtime_ns, saved->ino != 0};
}

/* The file's text is at hand while a document is restored: if that is what was saved, no history is read for it. */
static bool take_text_of_disk(struct replica *replica)
{
    struct file_side *file = &replica->file;
    struct digest hash;
    if (!file->hash_known || !replica->disk || !replica->disk_stamp.exists)
        return false;
    if (!file_stamp_equal(replica->disk_stamp, file->stamp)) {
        replica_hash_text(replica->disk, &hash);
        if (!digest_equal(&hash, &file->hash))
            return false;
    }
    rope_free(file->text);
    file->text = rope_snapshot(replica->disk);
    return true;
}

/* From the document: nothing else has to be kept for that. */
void replica_rebuild_file_text(struct replica *replica)
{
    struct patch patch = {0};
    struct error ignored = {0};
    if (replica->file.hash_known && document_is_at(replica->document, &replica->file.version)) {
        rope_free(replica->file.text);
        replica->file.text = rope_snapshot(replica->buffer.text);
        return;
    }
    if (take_text_of_disk(replica))
        return;
    if (replica->file.hash_known && document_patch_to(replica->document, &replica->file.version, &patch)) {
        rope_free(replica->file.text);
        replica->file.text = rope_snapshot(replica->base);
        rope_apply(replica->file.text, &patch);
    } else if (replica->file.hash_known && !document_read_history(replica->document, &ignored)) {
        rope_free(replica->file.text); /* nobody can tell now what was in the file: nothing of it is merged unasked */
        replica->file.text = rope_snapshot(replica->base);
        replica->file.text_guessed = true;
    }
    patch_release(&patch);
}

/*
 * With the version of its text: the newest row tells that only where the text has one head. A script has no cursor, and a text that has
 * not come yet has none either.
 */
void replica_put_view(struct replica *replica)
{
    struct version version = {0};
    struct buf encoded = {0};
    if (!replica->file.path || replica->joining || replica->unmerged || replica->scripted)
        return;
    document_version(replica->document, &version);
    replica_encode_version(replica, &version, &encoded);
    journal_writer_view(replica->writer, replica->file.path, &replica->view, buf_view(&encoded));
    buf_release(&encoded);
    version_release(&version);
}

/* A cursor that rode with an edit is a place in the text as that edit left it. */
static bool note_version(void *self, const struct journal_row *row)
{
    struct version *version = self;
    if (row->form != JOURNAL_RECEIVED && row->count > 0) {
        version->heads = xgrow(version->heads, &version->cap, 1, sizeof *version->heads);
        version->heads[version->count++] = (struct event_id){row->agent, row->seq0 + row->count - 1};
    }
    return false;
}

/* *found false: nobody can tell, it was merged there and is not here, or the row has gone. */
static bool version_of_view(struct replica *replica, const struct remembered *remembered, struct version *version, bool *found,
                            struct error *err)
{
    struct journal_read read = {.last_place = remembered->view_place - 1};
    if (remembered->view_version.len > 0) {
        *found = replica_decode_version(replica, buf_view(&remembered->view_version), version);
        return true;
    }
    struct journal *journal = remembered->view_place > 0 ? replica_journal_here(replica, err) : NULL; /* or the writer's by now */
    bool good = journal ? journal_rows(journal, 1, (struct journal_visitor){version, note_version}, &read, err)
                        : err->code == ERR_NONE;
    *found = good && version->count > 0 && read.last_place == remembered->view_place;
    return good;
}

/* What others wrote after it was kept moves the cursor, as on the screen. */
static bool carry_view(struct replica *replica, const struct remembered *remembered, struct error *err)
{
    struct version version = {0};
    struct patch since = {0};
    bool found = false, good = version_of_view(replica, remembered, &version, &found, err);
    if (found && document_patch_since(replica->document, &version, &since)) {
        struct selection kept = {replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL};
        struct selection now = selection_map(kept, &since);
        replica->view.cursor = now.head;
        replica->view.anchor = now.anchor;
    }
    patch_release(&since);
    version_release(&version);
    return good;
}

/* Never inside of a character, wherever it came from. */
static uint64_t at_character(const struct rope *text, uint64_t at)
{
    enum { BYTES_BEHIND_THE_FIRST = 3 };
    if (at > rope_len(text))
        return rope_len(text);
    uint64_t start = at;
    for (int i = 0; i < BYTES_BEHIND_THE_FIRST && start > 0 && start < rope_len(text); i++, start--)
        if (!utf8_is_continuation((unsigned char)rope_byte(text, start)))
            break;
    return start < rope_len(text) && utf8_is_continuation((unsigned char)rope_byte(text, start)) ? at : start;
}

static bool take_view(struct replica *replica, const struct remembered *remembered, struct error *err)
{
    const struct rope *text = replica->buffer.text;
    replica->view = remembered->view;
    if (!carry_view(replica, remembered, err))
        return false;
    replica->view.cursor = at_character(text, replica->view.cursor);
    replica->view.anchor = at_character(text, replica->view.anchor);
    buffer_select(&replica->buffer, (struct selection){replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL});
    return true;
}

/* From replica->journal_found. */
static bool restore(struct replica *replica, struct remembered *remembered, struct error *err)
{
    bool found = false, news;
    struct rope *base = NULL;
    if (!replica->journal_found || !remember(replica, remembered, err) || !replica_load_base(replica, &base, err) ||
        !journal_note_get(replica->journal_found, "genesis", &replica->genesis, &found, err) ||
        !replica_load_newer(replica, err) || !replica_load_name(replica, err) || !replica_load_posted(replica, err))
        return false;
    replica_begin_document(replica, base);
    if (!replica_load_checkpoint(replica, &found, err) || !replica_restore_held(replica, err))
        return false;
    return replica_read_rows_of(replica, replica->journal_found, &news, err);
}

/* What was typed in front of the journal. */
static bool read_advance(struct replica *replica, struct error *err)
{
    struct journal *advance = replica_advance_journal(replica->env, &replica->entry.doc);
    bool good = !advance || replica_read_left(replica, advance, err);
    journal_close(advance);
    return good;
}

/* The same for who only reads, and so has folded nothing. */
static bool restore_with_left(struct replica *replica, struct remembered *remembered, struct error *err)
{
    struct journal *left = replica_left_journal(replica->env, &replica->entry.doc);
    bool good = restore(replica, remembered, err);
    if (good && left)
        good = replica_read_left(replica, left, err);
    bool begins_there = !good && left && err->code == ERR_MISSING;
    if (begins_there) { /* there is no journal yet, or nothing in it */
        *err = (struct error){0};
        journal_close(replica->journal_found);
        replica->journal_found = left;
        return restore(replica, remembered, err);
    }
    journal_close(left);
    return good && read_advance(replica, err);
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

/* The version of the text that the cursor stood in is here: *version. */
static bool knows_view(struct replica *replica, const struct remembered *remembered, struct version *version)
{
    struct error ignored = {0};
    bool found = false;
    return remembered->has_view && version_of_view(replica, remembered, version, &found, &ignored) && found &&
           document_knows(replica->document, version);
}

void replica_guess_view(struct replica *replica, const struct remembered *remembered)
{
    struct version version = {0};
    struct error ignored = {0}; /* it is at the top then */
    bool known = knows_view(replica, remembered, &version);
    version_release(&version);
    if (known && take_view(replica, remembered, &ignored))
        return;
    replica->view = (struct journal_view){0}; /* in another text than it stood in it may be inside of any word */
    buffer_select(&replica->buffer, selection_at(replica->view.cursor));
}

bool remembered_is_known(const struct replica *replica, const struct remembered *remembered)
{
    struct version version = {0};
    bool known = !remembered->has_saved || replica_decode_version(replica, remembered->saved.version, &version);
    version_release(&version);
    return known;
}

static void add_heads(struct version *out, const struct version *heads)
{
    for (size_t i = 0; i < heads->count; i++) {
        out->heads = xgrow(out->heads, &out->cap, out->count + 1, sizeof *out->heads);
        out->heads[out->count++] = heads->heads[i];
    }
}

void remembered_versions(struct replica *replica, const struct remembered *remembered, struct version *out)
{
    struct version version = {0};
    if (remembered->has_saved && replica_decode_version(replica, remembered->saved.version, &version))
        add_heads(out, &version);
    version.count = 0;
    if (knows_view(replica, remembered, &version))
        add_heads(out, &version);
    version_release(&version);
}

bool replica_take_remembered(struct replica *replica, const struct remembered *remembered, bool cursor, struct error *err)
{
    if (remembered->has_saved)
        take_saved(replica, &remembered->saved);
    replica_rebuild_file_text(replica);
    return !cursor || !remembered->has_view || take_view(replica, remembered, err);
}

bool replica_restore(struct replica *replica, struct error *err)
{
    struct remembered remembered = {0};
    if (!env_device(replica->env, err))
        return false;
    replica->journal_found = open_patiently(replica, err);
    bool good = replica->reads_only ? restore_with_left(replica, &remembered, err) : restore(replica, &remembered, err);
    good = good && replica_restore_ahead(replica, err);
    if (good && (replica_unmerged_begin(replica, &remembered) || replica_unmerged_await(replica, &remembered))) {
        replica_update_text(replica);
        replica_unmerged_show(replica);
    } else if (good) {
        replica_update_text(replica);
        good = replica_take_remembered(replica, &remembered, true, err);
    }
    forget(&remembered);
    return good;
}
