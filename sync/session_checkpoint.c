/* Checkpoints: the one that comes in front of the log to who has nothing to show yet, and ours on their way out. */
#include "sync/session_parts.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

void session_forget_ahead(struct session *session)
{
    struct coming *coming = &session->coming;
    free(coming->checkpoint);
    buf_release(&coming->text);
    *coming = (struct coming){.wanted = coming->wanted};
}

/* What cannot be taken is as good as none: the history comes in any case. */
void session_do_without_ahead(struct session *session)
{
    session_forget_ahead(session);
    session->coming.wanted = false;
}

static bool is_by_writer(const struct session *session, const struct record *record)
{
    const struct roster_entry *entry = roster_find(&session->roster, &record->agent);
    return entry && entry->member.has_grant && record_verify(record, &session->keys.doc, &entry->member.doc_key, NULL);
}

static void hand_out(struct session *session)
{
    struct coming *coming = &session->coming;
    struct rope *text = rope_from_bytes(buf_view(&coming->text));
    if (checkpoint_has_text(coming->checkpoint, text))
        session->port.checkpoint(session->port.self, coming->checkpoint, &coming->by, text);
    rope_free(text);
    session_do_without_ahead(session);
}

static void settle(struct session *session)
{
    const struct coming *coming = &session->coming;
    if (coming->parts == checkpoint_parts(coming->checkpoint->text_len))
        hand_out(session);
}

static void take_checkpoint(struct session *session, const struct record *record)
{
    struct coming *coming = &session->coming;
    struct error ignored = {0};
    if (coming->checkpoint) {
        session_do_without_ahead(session);
        return;
    }
    coming->checkpoint = xmalloc(sizeof *coming->checkpoint);
    if (!is_by_writer(session, record) || !checkpoint_open(record, &session->keys, coming->checkpoint, &ignored)) {
        session_do_without_ahead(session);
        return;
    }
    coming->by = record->agent;
    coming->last = record->counter;
    settle(session);
}

/* Of this set it is by its counter. */
static bool is_next_part(const struct coming *coming, const struct record *record)
{
    return coming->checkpoint && agent_id_equal(&record->agent, &coming->by) &&
           record->counter == coming->last - checkpoint_parts(coming->checkpoint->text_len) + coming->parts;
}

static void take_text(struct session *session, const struct record *record)
{
    struct coming *coming = &session->coming;
    struct error ignored = {0};
    if (!is_next_part(coming, record) || !is_by_writer(session, record) ||
        !checkpoint_text_open(record, &session->keys, coming->checkpoint->text_len, coming->parts, &coming->text, &ignored)) {
        session_do_without_ahead(session);
        return;
    }
    coming->parts++;
    settle(session);
}

void session_take_ahead(struct session *session, const struct record *record)
{
    if (!session->coming.wanted)
        return;
    if (record->kind == RECORD_CHECKPOINT)
        take_checkpoint(session, record);
    else if (record->kind == RECORD_CHECKPOINT_TEXT)
        take_text(session, record);
}

void session_post_checkpoint(struct session *session, const struct checkpoint *checkpoint, const struct rope *text,
                             uint64_t now_ms)
{
    upload_post(session->upload, checkpoint, text);
    session_run(session, now_ms);
}
