/* Records on their way in: the document's beginning, who is who, edits. */
#include "sync/session_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

void session_forget_base(struct session *session)
{
    buf_clear(&session->base);
    memset(session->base_have, 0, sizeof session->base_have);
    session->base_got = 0;
    session->skipped = false;
}

static void base_is_whole(struct session *session, uint64_t now_ms)
{
    struct digest root;
    struct error err = {0};
    struct rope *rope = rope_from_bytes(buf_view(&session->base));
    genesis_base_root(rope, &root);
    rope_free(rope);
    if (!digest_equal(&root, &session->genesis.base_root)) {
        error_set(&err, ERR_AUTH, 0, "the text this document began with is not the one its owner signed");
        session_refuse(session, REFUSE_AUTH, &err, now_ms);
        return;
    }
    session->has_base = true;
    session_do_without_ahead(session);
    session->port.base(session->port.self, session->base.len, session->base.len, buf_view(&session->base));
    buf_release(&session->base);
    if (session->skipped) /* it stands behind edits, which are to be read now */
        session_ask_again(session, now_ms);
}

static void take_genesis(struct session *session, const struct record *record, uint64_t now_ms)
{
    struct error err = {0};
    if (session->has_genesis)
        return;
    if (!genesis_open(record, &session->keys, &session->genesis, &err) || session->genesis.base_len > BASE_BYTES_MAX) {
        error_wrap(&err, "the document on the relay does not fit this link");
        session_refuse(session, REFUSE_AUTH, &err, now_ms);
        return;
    }
    session->has_genesis = true;
    upload_set_base_len(session->upload, session->genesis.base_len);
    buf_add_bytes(&session->genesis_stored, record->whole);
    session->port.genesis(session->port.self, &session->genesis, record->whole);
}

/* The base of an empty document needs no record. */
static void settle_empty_base(struct session *session, uint64_t now_ms)
{
    if (session->has_genesis && !session->has_base && session->genesis.base_len == 0)
        base_is_whole(session, now_ms);
}

static bool open_base(struct session *session, const struct record *record, uint64_t *chunk, struct buf *bytes,
                      struct error *err)
{
    if (!session->has_genesis)
        return error_set(err, ERR_FORMAT, 0, "base text before the document's beginning");
    if (!record_verify(record, &session->keys.doc, &session->genesis.admin, NULL))
        return error_set(err, ERR_AUTH, 0, "base text that its owner did not sign");
    return base_open(record, &session->keys, chunk, bytes, err);
}

/* Mostly in order; an owner who was told that the first chunks are there, and they are not, sends them after the others. */
static bool add_base(struct session *session, uint64_t chunk, struct bytes bytes, struct error *err)
{
    uint64_t total = session->genesis.base_len, at = chunk * BASE_CHUNK_BYTES;
    if (at >= total || bytes.len != (total - at < BASE_CHUNK_BYTES ? total - at : BASE_CHUNK_BYTES))
        return error_set(err, ERR_FORMAT, 0, "base text that does not fit the document's beginning");
    if (session->base_have[chunk])
        return true; /* a duplicate */
    if (at + bytes.len > session->base.len)
        buf_extend(&session->base, at + bytes.len - session->base.len);
    memcpy(session->base.data + at, bytes.data, bytes.len);
    session->base_have[chunk] = true;
    session->base_got += bytes.len;
    return true;
}

static void take_base(struct session *session, const struct record *record, uint64_t now_ms)
{
    struct error err = {0};
    struct buf bytes = {0};
    uint64_t chunk = 0;

    if (session->has_base)
        return;
    session->base_heard_ms = now_ms;
    bool added = open_base(session, record, &chunk, &bytes, &err) && add_base(session, chunk, buf_view(&bytes), &err);
    buf_release(&bytes);
    if (!added)
        session_drop_broken(session, &err, now_ms);
    else if (session->base_got == session->genesis.base_len)
        base_is_whole(session, now_ms);
    else
        session->port.base(session->port.self, session->base_got, session->genesis.base_len, (struct bytes){0});
}

/* Of who grants: GENESIS says the same as the link of who may write, or it is refused. */
static const struct sign_public *write_key(const struct session *session)
{
    return session->has_genesis ? &session->genesis.write : &session->keys.write_key.public_key;
}

static void take_member(struct session *session, const struct record *record, uint64_t now_ms)
{
    struct member member;
    struct error err = {0};

    (void)now_ms;
    upload_relay_has(session->upload, &record->agent, 0);
    if (roster_find(&session->roster, &record->agent))
        return;
    if (!member_open(record, &session->keys, write_key(session), &member, &err)) {
        session_on_refused(session, &record->agent, &err);
        return;
    }
    if (roster_is_full(&session->roster)) {
        error_set(&err, ERR_LIMIT, 0, "this document has as many writers as weft takes (%d)", ROSTER_MAX);
        if (!session->told_full) /* once: whoever makes that many can make more */
            session_on_refused(session, &record->agent, &err);
        session->told_full = true;
        return;
    }
    if (roster_add(&session->roster, &member, record->whole))
        session->port.member(session->port.self, &member, record->whole, &session->safe);
}

/*
 * Another process of ours has sent this in our stead, while we could not. Only what we signed ourselves says so: on the relay's
 * word alone nothing counts as sent.
 */
static void take_own(struct session *session, const struct record *record)
{
    uint64_t next_seq = record->seq0 + record->count;
    struct event_id newest = {record->agent, next_seq - 1};
    struct digest last;
    if (upload_owes(session->upload, &record->agent) && !chain_is_forked(session->chain, &record->agent) &&
        chain_find(session->chain, &newest, &last) &&
        record_verify(record, &session->keys.doc, &session->doc_key.public_key, &last))
        upload_is_there(session->upload, &record->agent, record->seq0, next_seq);
}

static void take_events(struct session *session, uint64_t place, const struct record *record, uint64_t now_ms)
{
    switch (inbox_take(session->inbox, place, record, now_ms)) {
    case INBOX_TAKEN:
        break;
    case INBOX_KNOWN:
        take_own(session, record);
        upload_relay_has(session->upload, &record->agent, record->seq0 + record->count);
        break;
    case INBOX_REFUSED:
        upload_relay_has(session->upload, &record->agent, record->seq0 + record->count);
        break;
    case INBOX_EARLY:
        upload_relay_has(session->upload, &record->agent, record->seq0 + record->count);
        if (session->gap_check_ms == UINT64_MAX)
            session->gap_check_ms = now_ms + SESSION_GAP_MS;
        break;
    }
}

/*
 * Something that this weft must know and does not. If a writer signed it, nothing is to be written on what cannot be read;
 * on a relay's word alone nobody stops writing. Either way it ends here.
 */
static void take_newer(struct session *session, struct bytes stored, const struct error *why, uint64_t now_ms)
{
    static const struct digest no_events;
    struct record record;
    struct error err = {0};
    const struct roster_entry *entry =
        record_decode_any(stored, &record, &err) ? roster_find(&session->roster, &record.agent) : NULL;
    if (entry && entry->member.has_grant &&
        record_verify(&record, &session->keys.doc, &entry->member.doc_key, &no_events))
        session->port.alarm(session->port.self, ALARM_NEWER, &record.agent, why);
    session->retry_ms = 0; /* it will be there the next time too */
    session_refuse(session, REFUSE_PROTOCOL, why, now_ms);
}

/* In front of the log, with what it is to be checked by. */
static void take_ahead(struct session *session, const struct record *record, uint64_t now_ms)
{
    if (record->kind == RECORD_GENESIS)
        take_genesis(session, record, now_ms);
    else if (record->kind == RECORD_MEMBER && (session->has_genesis || session->keys.access >= ACCESS_WRITE))
        take_member(session, record, now_ms);
    else
        session_take_ahead(session, record);
}

static void take_record(struct session *session, const struct place_record *item, uint64_t now_ms)
{
    struct record record;
    struct error err = {0};

    if (!record_decode(item->stored, &record, &err)) {
        if (err.code == ERR_NEWER)
            take_newer(session, item->stored, &err, now_ms);
        else
            session_drop_broken(session, &err, now_ms);
        return;
    }
    if (item->place == 0) {
        take_ahead(session, &record, now_ms);
        return;
    }
    session->last.place = item->place;
    upload_relay_reaches(session->upload, item->place);
    record_hash(item->stored, &session->last.hash);
    switch (record.kind) {
    case RECORD_GENESIS:
        take_genesis(session, &record, now_ms);
        settle_empty_base(session, now_ms);
        break;
    case RECORD_BASE:
        take_base(session, &record, now_ms);
        break;
    case RECORD_MEMBER:
        if (session->has_genesis)
            take_member(session, &record, now_ms);
        break;
    case RECORD_EVENTS:
    case RECORD_PACK:
        if (session->has_base)
            take_events(session, item->place, &record, now_ms);
        session->skipped |= !session->has_base;
        break;
    case RECORD_CHECKPOINT_TEXT: /* of use only in front of the log; a relay of an earlier weft passes them on */
        break;
    default: /* kinds come from outside: an optional one that this weft has no use for, and keeps */
        if (session->has_base)
            (void)inbox_take_other(session->inbox, item->place, &record);
        session->skipped |= !session->has_base;
        break;
    }
}

static bool has_events(struct bytes stored)
{
    struct record record;
    struct error err = {0};
    return record_decode(stored, &record, &err) && record_kind_has_events(record.kind);
}

/*
 * Whether two of the records may be edits of one agent: only then does a signature vouch for more than its own record. Who sends
 * many in a frame is not compared with all the others: they are his to choose.
 */
static bool has_agent_twice(const struct record *records, size_t count)
{
    enum { COMPARED_MAX = 128 };
    if (count > COMPARED_MAX)
        return true;
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (record_kind_has_events(records[i].kind) && record_kind_has_events(records[j].kind) &&
                agent_id_equal(&records[i].agent, &records[j].agent))
                return true;
    return false;
}

/* From the first edits of a frame on, for who wrote them is in front of them. */
static void expect_runs(struct session *session, const struct message *message, size_t first)
{
    size_t count = 0;
    struct error err = {0};
    struct record *records = xmalloc((message->records.count + 1) * sizeof *records);
    for (size_t i = first; i < message->records.count; i++)
        count += record_decode(message->records.items[i].stored, &records[count], &err);
    if (has_agent_twice(records, count))
        inbox_expect(session->inbox, records, count);
    free(records);
}

/*
 * Of the records of one agent in a frame the newest signature is enough (sync/history.h). Live, a frame mostly holds one of
 * each; it holds more the further a reader is behind, and then he reads them faster.
 */
void session_take_records(struct session *session, const struct message *message, uint64_t now_ms)
{
    bool looked = false;
    for (size_t i = 0; i < message->records.count && session->talk == TALK_LIVE; i++) {
        if (!looked && session->has_base && has_events(message->records.items[i].stored)) {
            expect_runs(session, message, i);
            looked = true;
        }
        take_record(session, &message->records.items[i], now_ms);
        if (session->talk == TALK_LIVE)
            inbox_settle(session->inbox);
    }
    inbox_expect(session->inbox, NULL, 0);
    if (session->talk == TALK_LIVE && session->has_base)
        session_advance(session);
}
