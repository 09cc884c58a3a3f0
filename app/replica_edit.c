/*
 * What is typed here: into the document and the text, to the journal, and from there to the room; and taken back.
 */
#include "app/replica_ahead.h"
#include "app/replica_journal.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_tail.h"

#include <stdlib.h>
#include <time.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    GESTURE_PAUSE_MS = 2000, /* typing after a longer pause is another undo step */
    BURST_PAUSE_MS = 500,    /* ... and so is a burst: two pastes are further apart, the pieces of one hardly ever */
};

void replica_hand_on(struct outgoing *outgoing, bool committed)
{
    struct replica *replica = outgoing->replica;
    pthread_mutex_lock(&replica->net_lock);
    if (outgoing->turn && outgoing->turn == replica->hands.turn) {
        if (committed)
            net_local(replica->net, &outgoing->batch);
        if (--replica->hands.batches == 0)
            pthread_cond_signal(&replica->handed_on);
    }
    pthread_mutex_unlock(&replica->net_lock);
    buf_release(&outgoing->plain);
    free(outgoing);
}

static void local_committed(void *self, const struct journal_result *result)
{
    replica_hand_on(self, result->ok);
}

static void owe(struct replica *replica, const struct batch *batch)
{
    for (size_t i = 0; i < replica->owed_count; i++) {
        if (agent_id_equal(&replica->owed[i].agent, &batch->agent)) {
            replica->owed[i].next_seq = batch->seq0 + batch->count;
            return;
        }
    }
    replica->owed = xgrow(replica->owed, &replica->owed_cap, replica->owed_count + 1, sizeof *replica->owed);
    replica->owed[replica->owed_count++] = (struct owed){batch->agent, batch->seq0 + batch->count};
}

/* From here on it counts as not sent. */
static uint64_t take_in_hand(struct replica *replica)
{
    pthread_mutex_lock(&replica->net_lock);
    uint64_t turn = replica->net ? replica->hands.turn : 0;
    if (turn && replica->hands.batches++ == 0)
        replica->hands.since_ms = net_now_ms();
    pthread_mutex_unlock(&replica->net_lock);
    return turn;
}

/* What others understand: a batch of the document names branches as they are called here. */
static void encode_named(struct replica *replica, const struct batch *batch, struct batch *wire, struct buf *plain)
{
    batch_copy(wire, batch);
    chain_name_batch(replica->chain, wire);
    batch_encode(wire, plain);
}

struct outgoing *replica_outgoing(struct replica *replica, const struct batch *batch)
{
    if (replica_is_shared(replica))
        owe(replica, batch);
    struct outgoing *outgoing = xcalloc(1, sizeof *outgoing);
    struct batch wire = {0};
    outgoing->replica = replica;
    outgoing->turn = take_in_hand(replica);
    encode_named(replica, batch, &wire, &outgoing->plain);
    struct local_batch *local = &outgoing->batch;
    *local = (struct local_batch){.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                  .plain = buf_view(&outgoing->plain), .gesture = true};
    enum chain_link linked = chain_add(replica->chain, &wire, local->plain, &local->digest);
    ensure(linked == CHAIN_NEXT);
    batch_release(&wire);
    return outgoing;
}

/* --- what a fresh agent wrote --- */

struct outgoing_rows outgoing_rows_of(struct replica *replica, const struct agent_id *agent, const struct batch_list *batches)
{
    struct outgoing_rows rows = {.agent = *agent, .owner = replica->agent, .count = batches->count,
                                 .items = xcalloc(batches->count + 1, sizeof(struct outgoing *))};
    for (size_t i = 0; i < batches->count; i++)
        rows.items[i] = replica_outgoing(replica, &batches->items[i]);
    return rows;
}

bool outgoing_rows_put(const struct outgoing_rows *rows, struct journal *journal, uint64_t now_s, struct error *err)
{
    if (!journal_agent_add(journal, &rows->agent, now_s, err) ||
        journal_agent_claim(journal, &rows->agent, &rows->agent, &rows->owner, err) == JOURNAL_CLAIM_FAILED)
        return false;
    for (size_t i = 0; i < rows->count; i++) {
        const struct local_batch *batch = &rows->items[i]->batch;
        struct journal_local row = {.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                    .plain = batch->plain, .digest = batch->digest};
        if (journal_add_local(journal, &row, NULL, err) == JOURNAL_FAILED)
            return false;
    }
    return true;
}

void outgoing_rows_hand_on(struct outgoing_rows *rows, bool committed)
{
    for (size_t i = 0; i < rows->count; i++)
        replica_hand_on(rows->items[i], committed);
    free(rows->items);
}

static void commit_batch(struct replica *replica, const struct batch *batch)
{
    struct outgoing *outgoing = replica_outgoing(replica, batch);
    const struct local_batch *local = &outgoing->batch;
    replica->alone_edits += replica_is_shared(replica) && !replica->net;
    if (!replica->writer) {
        replica_hand_on(outgoing, false);
        return;
    }
    struct journal_local row = {.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                .plain = local->plain, .digest = local->digest,
                                .path = replica->scripted ? NULL : replica->file.path, .view = replica->view};
    replica->last_ticket = replica_give_row(replica, &row, (struct journal_done){local_committed, outgoing});
}

void replica_commit(struct replica *replica, const struct batch_list *batches)
{
    if (replica->ahead) {
        replica_ahead_commit(replica, batches);
        return;
    }
    replica_post_soon(replica, net_now_ms());
    for (size_t i = 0; i < batches->count; i++) {
        commit_batch(replica, &batches->items[i]);
        replica->fresh_ops += batches->items[i].op_count;
    }
}

static bool is_space(const struct patch *patch)
{
    uint32_t code;
    utf8_decode(buf_view(&patch->text), &code);
    enum char_class class = char_class_of(code);
    return class == CHAR_SPACE || class == CHAR_NEWLINE;
}

enum edit_kind edit_kind_of(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_KIND_TYPING: return EDIT_TYPING;
    case COMMAND_KIND_ERASING: return EDIT_ERASING;
    case COMMAND_KIND_BURST: return EDIT_BURST;
    case COMMAND_KIND_MOTION:
    case COMMAND_KIND_EDIT: return EDIT_WHOLE;
    }
    return EDIT_WHOLE;
}

/* Whether this edit begins an undo step of its own. */
static bool begins_gesture(struct replica *replica, const struct patch *patch, enum edit_kind kind, uint64_t now_ms)
{
    struct gesture *gesture = &replica->gesture;
    bool typed_space = kind == EDIT_TYPING && is_space(patch);
    uint64_t pause_ms = kind == EDIT_BURST ? BURST_PAUSE_MS : GESTURE_PAUSE_MS;
    bool begins = !gesture->open || kind == EDIT_WHOLE || kind != gesture->kind ||
                  now_ms - gesture->at_ms > pause_ms || gesture->caret != replica->buffer.selection.head ||
                  (gesture->after_space && !typed_space);
    *gesture = (struct gesture){.kind = kind, .at_ms = now_ms, .after_space = typed_space, .open = kind != EDIT_WHOLE};
    return begins;
}

/* Somebody here who can give what a viewer lacks. */
static const char *an_editor(const struct people *people)
{
    for (size_t i = 0; i < people->count; i++) {
        const struct person *person = &people->items[i];
        if (person->peer.introduced && !(person->peer.presence.flags & PRESENCE_VIEWER))
            return person->name;
    }
    return "whoever shared it";
}

static bool may_write(const struct replica *replica, struct error *err)
{
    if (replica->joining && !replica->ahead) {
        struct buf sentence = {0};
        replica_joining(replica, &sentence);
        error_set(err, ERR_BUSY, 0, "%s", buf_string(&sentence));
        buf_release(&sentence);
        return false;
    }
    if (replica->entry.keys.access == ACCESS_READ)
        return error_set(err, ERR_AUTH, 0, "This link is view-only: you can read, find, copy%s. Ask %s for an edit link.",
                         replica_key_hint(replica, "; ^S saves a copy"), an_editor(&replica->people));
    return !replica_is_older(replica, err);
}

bool replica_edit(struct replica *replica, const struct patch *patch, struct selection after, enum edit_kind kind,
                  struct error *err)
{
    if (!may_write(replica, err))
        return false;
    if (patch_is_empty(patch)) {
        replica_select(replica, after);
        return true;
    }
    uint64_t now_ms = net_now_ms();
    replica_begin_writing(replica);
    bool begins = begins_gesture(replica, patch, kind, now_ms);
    struct edit_mark mark = {.gesture = begins, .time_s = begins ? (uint64_t)time(NULL) : 0};
    struct batch_list batches = {0};
    document_local(replica->document, &replica->agent, patch, mark, &batches);
    replica_note_away(replica, patch, true);
    buffer_apply(&replica->buffer, patch, ORIGIN_SELF);
    replica_select(replica, after);
    replica->gesture.caret = after.head;
    replica_commit(replica, &batches);
    batch_list_release(&batches);
    return true;
}

/* After undo the caret stands where the text changed first, behind what came back. */
static struct selection selection_after(const struct patch *patch)
{
    uint64_t at = 0;
    size_t i = 0;
    for (; i < patch->count && patch->parts[i].kind == PART_RETAIN; i++)
        at += patch->parts[i].len;
    if (i < patch->count && patch->parts[i].kind == PART_INSERT)
        at += patch->parts[i].len;
    return selection_at(at);
}

/* The document has taken something back: so does everything else. */
static void follow_undo(struct replica *replica, const struct patch *patch, const struct batch_list *batches)
{
    replica_note_away(replica, patch, true);
    buffer_apply(&replica->buffer, patch, ORIGIN_REMOTE);
    if (!patch_is_empty(patch))
        replica_select(replica, selection_after(patch));
    replica->gesture.open = false;
    replica_commit(replica, batches);
    replica_touch(replica);
}

/* What came into the text after it was shown was written before what was typed in this run. */
static enum document_undone undo_newest(struct replica *replica, enum undo_direction direction, struct patch *patch,
                                        struct batch_list *batches)
{
    uint64_t now_s = (uint64_t)time(NULL);
    const struct agent_id *own = &replica->agent;
    if (replica->merged_late && direction == UNDO_BACK &&
        document_undo(replica->document, own, 1, own, direction, now_s, patch, batches) == DOCUMENT_UNDONE)
        return DOCUMENT_UNDONE;
    return document_undo(replica->document, replica->mine, replica->mine_count, own, direction, now_s, patch, batches);
}

enum replica_undone replica_undo(struct replica *replica, enum undo_direction direction, struct error *err)
{
    if (!may_write(replica, err))
        return REPLICA_UNDO_REFUSED;
    if (document_events(replica->document) == 0)
        return REPLICA_NOTHING_TO_UNDO; /* and no reason to begin a journal */
    if (!document_read_history(replica->document, err))
        return REPLICA_UNDO_REFUSED;
    replica_begin_writing(replica);
    struct patch patch = {0};
    struct batch_list batches = {0};
    enum document_undone undone = undo_newest(replica, direction, &patch, &batches);
    if (undone == DOCUMENT_UNDONE)
        follow_undo(replica, &patch, &batches);
    patch_release(&patch);
    batch_list_release(&batches);
    return undone == DOCUMENT_UNDONE ? REPLICA_UNDONE : REPLICA_NOTHING_TO_UNDO;
}

bool replica_undo_events(struct replica *replica, const struct event_span_list *events, struct error *err)
{
    if (!may_write(replica, err) || !document_read_history(replica->document, err))
        return false;
    replica_begin_writing(replica);
    struct patch patch = {0};
    struct batch_list batches = {0};
    enum document_undone undone = document_undo_events(replica->document, events->items, events->count, &replica->agent,
                                                       (uint64_t)time(NULL), &patch, &batches);
    if (undone == DOCUMENT_UNDONE)
        follow_undo(replica, &patch, &batches);
    patch_release(&patch);
    batch_list_release(&batches);
    return true;
}
