/*
 * Another document in the place of ours: the one that another process began for the file at the same moment, or one that goes on
 * with ours (replica_succession.c). Ours ends first, with all that was typed where it is not lost; then the other one is loaded,
 * and the caret stays with its line.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_succession.h"
#include "app/replica_tail.h"

#include <stdlib.h>
#include <time.h>

#include "editor/base/xalloc.h"

/* A document of its own after all: what the file shows from now on. */
static void begin_own(struct replica *replica, struct rope *base)
{
    struct doc_entry *entry = &replica->entry;
    journal_close(replica->journal_found); /* of what could not be read */
    replica->journal_found = NULL;
    doc_entry_release(entry);
    doc_keys_new(&entry->keys);
    entry->doc = entry->keys.doc;
    entry->name = xstrdup(replica->label);
    entry->path = replica->file.path ? xstrdup(replica->file.path) : NULL;
    replica->indexed = false;
    replica->takes_path = true;
    replica_begin_document(replica, base);
}

/* The caret and the view stay with their lines when the text becomes another document's. */
static void stay_in_place(struct replica *replica, const struct rope *before, struct selection selection, uint64_t top_at)
{
    struct patch moved = {0};
    struct line_diff summary;
    line_diff(before, replica->buffer.text, &moved, &summary);
    buffer_select(&replica->buffer, selection_map(selection, &moved));
    replica->top_at = top_at > 0 ? patch_map(&moved, top_at, GRAVITY_RIGHT) : 0;
    patch_release(&moved);
}

void replica_enter_room(struct replica *replica)
{
    if (!replica_is_shared(replica))
        return;
    replica_say(replica, "%s is shared now, by another window of yours.%s", replica->label,
                replica_key_hint(replica, " F3 shows its links."));
    replica_come_back(replica);
}

/* --- what another process began at the same moment --- */

/* The other document in place of ours. False: there is none of it yet but the entry, or it cannot be read. */
static bool load_other(struct replica *replica, const struct doc_id *other, struct error *err)
{
    struct doc_index *index;
    bool found = false;
    version_release(&replica->file.version);
    replica->may_have_former = true;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, err))
        return false;
    bool good = doc_index_find_doc(index, other, &replica->entry, &found, err);
    doc_index_close(index);
    replica->indexed = good && found;
    if (good && !found)
        return error_set(err, ERR_MISSING, 0, "the other document is gone again");
    return good && replica_restore(replica, err);
}

/* A patch of the document's base text, as one of the text that is there now: where a comparison of the two puts it. */
static void write_now(struct replica *replica, const struct patch *patch, struct edit_mark mark, struct batch_list *out)
{
    struct patch since = {0}, now = {0};
    struct line_diff ignored;
    line_diff(replica->base, replica->buffer.text, &since, &ignored);
    patch_transform(&now, patch, &since, PATCH_RIGHT);
    document_local(replica->document, &replica->agent, &now, mark, out);
    buffer_apply(&replica->buffer, &now, ORIGIN_REMOTE);
    patch_release(&since);
    patch_release(&now);
}

/* What was typed here since `base`, as an edit of the other document's base text: concurrent with all that was typed there. */
static void carry_over(struct replica *replica, const struct rope *base, const struct patch *typed)
{
    struct patch between = {0}, patch = {0};
    struct line_diff summary;
    struct version nothing = {0};
    struct batch_list batches = {0};
    struct error err = {0};
    if (patch_is_empty(typed))
        return;
    line_diff(base, replica->base, &between, &summary); /* nearly always nothing: both have just read the same file */
    patch_transform(&patch, typed, &between, PATCH_RIGHT);
    struct edit_mark mark = {.gesture = true, .time_s = (uint64_t)time(NULL)};
    replica_begin_writing(replica);
    if (!document_local_at(replica->document, &replica->agent, &nothing, &patch, mark, &batches, &err))
        write_now(replica, &patch, mark, &batches); /* it was made for that very text, but the history cannot be read now */
    replica_commit(replica, &batches);
    replica_update_text(replica);
    patch_release(&between);
    patch_release(&patch);
    batch_list_release(&batches);
}

/* Ends the document that is there. *typed: all that it has beyond its base; *tail: where that is kept until the other one has
   it. */
static void leave_document(struct replica *replica, struct patch *typed, struct tail **tail)
{
    struct version now = {0};
    struct error ignored = {0};
    worker_drain(replica->worker); /* a save speaks of versions of the document that ends here */
    replica_drop_replaced(replica);
    document_version(replica->document, &now);
    struct line_diff summary;
    if (!document_patch_to(replica->document, &now, typed)) /* the history cannot be read now: a comparison gives the same text */
        line_diff(replica->base, replica->buffer.text, typed, &summary);
    version_release(&now);
    *tail = replica_tail_take(replica);
    replica_cease_writing(replica, 0, &ignored);
}

static void enter_document(struct replica *replica, const struct doc_id *other, const struct rope *base)
{
    struct error err = {0};
    if (load_other(replica, other, &err))
        return;
    if (err.code == ERR_MISSING && replica->indexed) {
        /* Its journal is about to be made. Both begin from the file's text, which both have just read. */
        replica_begin_document(replica, rope_snapshot(base));
        return;
    }
    replica_say(replica, "What another weft keeps of %s cannot be read: %s", replica->label, err.text);
    begin_own(replica, rope_snapshot(base));
}

static void say_name(struct replica *replica)
{
    struct buf said = {0};
    replica_take_name(replica, &said);
    if (said.len)
        replica_say(replica, "%s", buf_string(&said));
    buf_release(&said);
}

void replica_adopt(struct replica *replica, const struct doc_id *other)
{
    struct rope *base = rope_snapshot(replica->base), *before = rope_snapshot(replica->buffer.text);
    struct selection selection = replica->buffer.selection;
    uint64_t top_at = replica_top(replica);
    struct patch typed = {0};
    struct tail *tail;
    leave_document(replica, &typed, &tail);
    enter_document(replica, other, base);
    neighbours_meet_anew(replica); /* before anything is written that they should hear of */
    carry_over(replica, base, &typed);
    replica_barrier(replica);
    tail_end(tail);
    patch_release(&typed);
    stay_in_place(replica, before, selection, top_at);
    say_name(replica);
    rope_free(base);
    rope_free(before);
    replica->gesture.open = false;
    neighbours_present(replica, false);
    replica_enter_room(replica);
    replica_touch(replica);
}

/* --- what goes on with ours --- */

/* What is in the file is a version of the new document only where that begins with it. */
static void place_file(struct replica *replica)
{
    struct file_side *file = &replica->file;
    if (file->hash_known || !file->text)
        return; /* the journal has said what it is */
    version_release(&file->version);
    file->origin_unknown = !replica_same_text(file->text, replica->base);
    if (file->origin_unknown)
        replica_file_is_no_version(file);
}

static void load_successor(struct replica *replica, struct doc_entry *next, const struct rope *before)
{
    struct file_side *file = &replica->file;
    struct error err = {0};
    doc_entry_release(&replica->entry);
    replica->entry = *next;
    *next = (struct doc_entry){0};
    replica->indexed = true;
    replica->takes_path = replica->joining = replica->succession_said = false;
    replica->may_have_former = true;
    buf_clear(&replica->genesis);
    version_release(&file->version);
    file->origin_unknown = file->hash_known = false;
    if (!replica_restore(replica, &err)) {
        replica_say(replica, "What another weft keeps of %s cannot be read: %s", replica->label, err.text);
        begin_own(replica, rope_snapshot(before));
    }
    place_file(replica);
}

/* Caret and view go through what was typed since, here and there, where that is known: so they keep their places to the
   letter. */
static void come_along(struct replica *replica, struct bytes version, const struct rope *before, struct selection selection,
                       uint64_t top_at)
{
    struct patch there = {0}, here = {0};
    if (replica_patches_from_former(replica, version, &there, &here)) {
        buffer_select(&replica->buffer, selection_map(selection_map(selection, &there), &here));
        uint64_t top_there = patch_map(&there, top_at, GRAVITY_RIGHT);
        replica->top_at = top_at > 0 ? patch_map(&here, top_there, GRAVITY_RIGHT) : 0;
    } else {
        stay_in_place(replica, before, selection, top_at);
    }
    patch_release(&there);
    patch_release(&here);
}

/* How others name the version of the text as it is. */
static void version_before(const struct replica *replica, struct buf *out)
{
    struct version now = {0};
    document_version(replica->document, &now);
    replica_encode_version(replica, &now, out);
    version_release(&now);
}

void replica_go_over(struct replica *replica, struct doc_entry *next)
{
    struct buf version = {0};
    struct rope *before = rope_snapshot(replica->buffer.text);
    struct selection selection = replica->buffer.selection;
    uint64_t top_at = replica_top(replica);
    version_before(replica, &version);
    if (replica->net)
        replica_come_off(replica);
    replica_end_replaced(replica);
    replica_stop_writing(replica);
    neighbours_close(replica);
    load_successor(replica, next, before);
    neighbours_open(replica);
    replica_bring_over(replica, true);
    come_along(replica, buf_view(&version), before, selection, top_at);
    buf_release(&version);
    rope_free(before);
    replica->gesture.open = false;
    replica_file_ask_again(replica);
    replica_touch(replica);
}
