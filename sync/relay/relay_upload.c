/* A record on its way in: who may send it, where it belongs, and the word back when it is durable. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/checkpoint.h"
#include "sync/relay/relay_parts.h"

/* What is being uploaded right now. */
struct upload_item {
    struct relay_connection *connection;
    uint64_t ordinal;
    struct record record;
    const struct digest *reoffered; /* the digest that came with a REOFFER; NULL: the sender's own record */
};

static void reject(const struct upload_item *item, enum refuse_code code, const char *text)
{
    item->connection->relay->counts.rejected++;
    struct bytes sentence = bytes_of(text, strnlen(text, MESSAGE_TEXT_BYTES_MAX));
    relay_connection_send(item->connection,
                          &(struct message){.kind = MESSAGE_REJECT, .reject = {item->ordinal, code, sentence}});
}

/* --- answers --- */

/* An ACK speaks for all before it, so it waits while one of these is in doubt. */
static void acknowledge(struct relay_connection *connection, uint64_t ordinal, uint64_t place)
{
    struct relay *relay = connection->relay;
    if (connection->doubts > 0 && ordinal >= connection->first_doubt) {
        if (ordinal > connection->acked_behind)
            connection->acked_behind = ordinal;
        return;
    }
    connection->acked = ordinal;
    connection->acked_place = place;
    if (connection->ack_due)
        return;
    connection->ack_due = true;
    connection->next_due = relay->acks_due;
    relay->acks_due = connection;
}

static void doubt(struct relay_arrival *arrival)
{
    struct relay_connection *connection = arrival->connection;
    if (connection->doubts++ == 0)
        connection->first_doubt = arrival->ordinal;
    arrival->doubt = true;
}

static void doubt_no_more(struct relay_arrival *arrival)
{
    struct relay_connection *connection = arrival->connection;
    if (!arrival->doubt)
        return;
    arrival->doubt = false;
    uint64_t behind = connection->acked_behind;
    if (--connection->doubts > 0 || behind == 0)
        return;
    connection->acked_behind = 0;
    if (connection->state == CONNECTION_LIVE)
        acknowledge(connection, behind, 0);
}

static void note_durable(const struct relay_arrival *arrival)
{
    struct relay_agent *agent = agents_at(&arrival->document->agents, arrival->agent_number);
    if (agent && arrival->member)
        agent->durable = true;
    if (agent && arrival->next_seq > agent->durable_seq)
        agent->durable_seq = arrival->next_seq;
}

static void break_document(struct relay_document *document, const struct store_reply *reply)
{
    if (reply->result == STORE_FULL)
        relay_document_break(document, REFUSE_FULL, RETRY_FULL_MS,
                             "the relay's disk is full; what it did not acknowledge stays with you");
    else
        relay_document_break(document, REFUSE_LIMIT, RETRY_MS, "the relay's store did not take a record; try again");
}

void relay_arrival_free(struct relay_arrival *arrival)
{
    *arrival->self_in_relay = arrival->next;
    if (arrival->next)
        arrival->next->self_in_relay = arrival->self_in_relay;
    free(arrival->stored);
    free(arrival);
}

static void arrival_end(struct relay_arrival *arrival)
{
    struct relay_document *document = arrival->document;
    doubt_no_more(arrival);
    arrival->connection->pending_bytes -= arrival->len;
    relay_connection_answered(arrival->connection);
    relay_document_answered(document);
    relay_arrival_free(arrival);
}

static void on_appended(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_arrival *arrival = self;
    (void)tag;
    if (reply->result == STORE_OK) {
        note_durable(arrival);
        relay_document_durable(arrival->document, arrival->place, arrival->origin, arrival->stored, arrival->len);
        arrival->stored = NULL;
        for (size_t i = 0; i < reply->freed_count; i++)
            arrival->document->bytes -= reply->freed[i].bytes;
        bool passed = relay_feed_pass_own(arrival->connection, arrival->place, arrival->len);
        if (arrival->connection->state == CONNECTION_LIVE)
            acknowledge(arrival->connection, arrival->ordinal, passed ? arrival->place : 0);
    } else if (arrival->document->state != DOCUMENT_BROKEN) {
        break_document(arrival->document, reply);
    }
    arrival_end(arrival);
}

/* --- to the store --- */

static void arrival_list_add(struct relay_arrival **list, struct relay_arrival *arrival)
{
    arrival->next = *list;
    arrival->self_in_relay = list;
    if (*list)
        (*list)->self_in_relay = &arrival->next;
    *list = arrival;
}

static struct relay_arrival *arrival_new(const struct upload_item *item)
{
    struct relay_arrival *arrival = xcalloc(1, sizeof *arrival);
    arrival->connection = item->connection;
    arrival->document = item->connection->document;
    arrival->origin = item->connection->id;
    arrival->ordinal = item->ordinal;
    arrival->connection->asked++;
    arrival->document->asked++;
    arrival_list_add(&item->connection->relay->arrivals, arrival);
    return arrival;
}

static struct store_row row_of(const struct upload_item *item, uint64_t agent_number)
{
    const struct record *record = &item->record;
    struct checkpoint_clear clear;
    struct error ignored = {0};
    uint64_t seq0 = record->kind == RECORD_BASE ? record->counter : record->seq0;
    if (checkpoint_read_clear(record, &clear, &ignored))
        seq0 = clear.set;
    return (struct store_row){.kind = record->kind,
                              .agent_number = agent_number,
                              .seq0 = seq0,
                              .count = record->count,
                              .stored = record->whole};
}

/* Gives it the next place. What comes of it is said by on_appended(). */
static struct relay_arrival *append(const struct upload_item *item, struct relay_agent *agent, bool member)
{
    struct relay_connection *connection = item->connection;
    struct relay *relay = connection->relay;
    struct relay_document *document = connection->document;
    struct relay_arrival *arrival = arrival_new(item);
    arrival->len = item->record.whole.len;
    arrival->place = ++document->head;
    arrival->agent_number = agent ? agent->is.number : 0;
    arrival->next_seq = item->record.seq0 + item->record.count;
    arrival->member = member;
    if (document->connection_count > 1)
        arrival->stored = xmemdup(item->record.whole.data, arrival->len);

    struct store_append question = {.key = document->key,
                                    .epoch = document->epoch,
                                    .now_s = relay->wall_s,
                                    .row = row_of(item, arrival->agent_number),
                                    .member = member ? &agent->is : NULL,
                                    .forked = agent && agent->is.forked};
    question.row.place = arrival->place;
    document->bytes += arrival->len;
    connection->pending_bytes += arrival->len;
    relay->counts.records_in++;
    store_append(relay->store, &question, (struct store_done){.call = on_appended, .self = arrival});
    return arrival;
}

/* --- checks --- */

/* From 80 % on a document takes only what people write. */
static bool has_room(const struct upload_item *item)
{
    const struct relay *relay = item->connection->relay;
    const struct relay_document *document = item->connection->document;
    uint64_t most = relay->limits.document_log_bytes;
    bool needed = item->record.kind == RECORD_EVENTS || item->record.kind == RECORD_MEMBER ||
                  item->record.kind == RECORD_PACK; /* which makes room, a little later */
    if (!needed)
        most = most / 5 * 4;
    if (document->bytes > most || item->record.whole.len > most - document->bytes) {
        reject(item, REFUSE_FULL,
               needed ? "this document has reached the size the relay allows"
                      : "this document has reached 80 % of the size the relay allows: only edits now");
        return false;
    }
    struct store_totals totals = store_totals(relay->store);
    if (relay->limits.total_bytes && totals.bytes + item->record.whole.len > relay->limits.total_bytes) {
        reject(item, REFUSE_FULL, "the relay is full");
        return false;
    }
    return true;
}

static bool is_this_device(const struct upload_item *item, const struct sign_public *key)
{
    return crypto_equal(key, &item->connection->device_key, sizeof *key);
}

/*
 * A record of a known agent: its own device sends it under a grant that holds, or a writer offers it again with the
 * digest its signature covers.
 */
static bool agent_may(const struct upload_item *item, const struct relay_agent *agent)
{
    const struct relay_connection *connection = item->connection;
    if (!agent) {
        reject(item, REFUSE_ORDER, "an agent's MEMBER record comes first");
        return false;
    }
    if (item->reoffered) {
        const struct digest *last = item->record.count > 0 ? item->reoffered : NULL;
        if (record_verify(&item->record, &connection->document->id, &agent->is.device_key, last))
            return true;
        reject(item, REFUSE_FORBIDDEN, "the signature of a record offered again does not fit its author");
        return false;
    }
    const struct relay_agent *sealer = agents_find(&connection->document->agents, &item->record.sealer);
    if (!is_this_device(item, &agent->is.device_key) || (sealer && !is_this_device(item, &sealer->is.device_key))) {
        reject(item, REFUSE_FORBIDDEN, "another device writes as this agent");
        return false;
    }
    if (agent->is.grant_expiry_s && agent->is.grant_expiry_s < connection->relay->wall_s) {
        reject(item, REFUSE_FORBIDDEN, "this device's right to write has expired");
        return false;
    }
    return true;
}

static void on_looked_up(void *self, uint64_t tag, const struct store_reply *reply);

/*
 * It is here already, or should be: the store compares, and answers after what it may still be writing. Whoever offers
 * another's record again although it is here may have found that a pack says something else: then it stays.
 */
static struct relay_arrival *look_up(const struct upload_item *item, uint64_t agent_number)
{
    struct digest hash;
    struct store_row row = row_of(item, agent_number);
    struct relay *relay = item->connection->relay;
    struct relay_document *document = item->connection->document;
    struct relay_arrival *arrival = arrival_new(item);
    record_hash(item->record.whole, &hash);
    arrival->agent_number = agent_number;
    struct store_done done = {.call = on_looked_up, .self = arrival};
    if (item->reoffered && row.kind == RECORD_EVENTS)
        store_unpack(relay->store, document->key, &row, &hash, done);
    else
        store_lookup(relay->store, document->key, &row, &hash, done);
    return arrival;
}

/* The same, keeping the record: if it is not here, it is appended after all. */
static void look_up_first(const struct upload_item *item, uint64_t agent_number)
{
    struct relay_arrival *arrival = look_up(item, agent_number);
    arrival->len = item->record.whole.len;
    arrival->stored = xmemdup(item->record.whole.data, arrival->len);
    item->connection->pending_bytes += arrival->len;
    doubt(arrival);
}

/*
 * The same seqs with other bytes: sealed anew by whoever took the agent over, or the other side of a fork. The relay cannot
 * tell (the signature covers a digest that is not sent) and need not: it comes from the device that has proved the very key
 * readers check it with, so a bad one harms nobody but this agent. It drops neither, up to STORE_SIDES_MAX of them. Who left
 * something of this agent out because its range was known gets to see it now; from now on nobody leaves anything of it out,
 * so that once is enough.
 */
static void note_fork(const struct upload_item *item, struct relay_agent *agent)
{
    if (agent->is.forked)
        return;
    agent->is.forked = true;
    relay_feed_rewind(item->connection->document, agent->is.number);
}

/* NULL: it was rejected. */
static struct relay_arrival *append_events(const struct upload_item *item, struct relay_agent *agent)
{
    uint64_t end = item->record.seq0 + item->record.count;
    if (item->record.seq0 > agent->is.next_seq) {
        reject(item, REFUSE_ORDER, "an agent's records follow one another");
        return NULL;
    }
    if (!has_room(item))
        return NULL;
    if (item->record.seq0 < agent->is.next_seq)
        note_fork(item, agent);
    if (end > agent->is.next_seq)
        agent->is.next_seq = end;
    relay_feed_note_own(item->connection, agent->is.number, end);
    return append(item, agent, false);
}

static void take_events(const struct upload_item *item)
{
    const struct record *record = &item->record;
    struct relay_connection *connection = item->connection;
    struct relay_agent *agent = agents_find(&connection->document->agents, &record->agent);
    if (!agent_may(item, agent))
        return;
    /* What comes behind a doubtful one may build on it: it must not get its place before. */
    if (connection->doubts > 0 || record->seq0 < agent->is.next_seq)
        look_up_first(item, agent->is.number);
    else
        append_events(item, agent);
}

static void tell_looked_up(const struct relay_arrival *arrival, enum store_result result)
{
    struct relay_connection *connection = arrival->connection;
    struct upload_item item = {.connection = connection, .ordinal = arrival->ordinal};
    if (result == STORE_OTHER || result == STORE_CROWDED) {
        reject(&item, REFUSE_FORKED, "something else is here under the same numbers");
        return;
    }
    connection->relay->counts.duplicates++;
    acknowledge(connection, arrival->ordinal, 0);
}

static struct relay_arrival *append_base(const struct upload_item *item)
{
    return has_room(item) ? append(item, NULL, false) : NULL;
}

/* The doubt goes over to the append. */
static void append_doubtful(struct relay_arrival *arrival)
{
    struct upload_item item = {.connection = arrival->connection, .ordinal = arrival->ordinal};
    struct relay_agent *agent = agents_at(&arrival->document->agents, arrival->agent_number);
    struct error err = {0};
    ensure(record_decode(bytes_of(arrival->stored, arrival->len), &item.record, &err));
    bool base = item.record.kind == RECORD_BASE;
    ensure(base || agent);
    struct relay_arrival *appended = base ? append_base(&item) : append_events(&item, agent);
    if (appended)
        doubt(appended);
}

static void on_looked_up(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_arrival *arrival = self;
    bool answered = reply->result == STORE_EXISTS || reply->result == STORE_OTHER || reply->result == STORE_MISSING ||
                    reply->result == STORE_CROWDED;
    bool new = reply->result == STORE_OTHER || reply->result == STORE_MISSING;
    (void)tag;
    if (!answered && arrival->document->state != DOCUMENT_BROKEN)
        break_document(arrival->document, reply);
    else if (arrival->connection->state == CONNECTION_LIVE && arrival->doubt && new)
        append_doubtful(arrival);
    else if (arrival->connection->state == CONNECTION_LIVE)
        tell_looked_up(arrival, reply->result);
    arrival_end(arrival);
}

/*
 * A pack repeats what is here (and may go on beyond it, where this log has lost its tail). It gets a place of its own;
 * which rows it stands in for is for the store to see. The same pack once more is harmless: it stands in for the first.
 */
static void take_pack(const struct upload_item *item)
{
    const struct record *record = &item->record;
    struct relay_connection *connection = item->connection;
    struct relay_agent *agent = agents_find(&connection->document->agents, &record->agent);
    if (!agent_may(item, agent))
        return;
    uint64_t end = record->seq0 + record->count;
    if (item->reoffered && end <= agent->is.next_seq) {
        look_up(item, agent->is.number);
        return;
    }
    if (record->seq0 > agent->is.next_seq) {
        reject(item, REFUSE_ORDER, "an agent's records follow one another");
        return;
    }
    if (!has_room(item))
        return;
    if (end > agent->is.next_seq)
        agent->is.next_seq = end;
    relay_feed_note_own(connection, agent->is.number, end);
    append(item, agent, false);
}

static bool member_may(const struct upload_item *item, struct member *member)
{
    const struct relay_document *document = item->connection->document;
    struct error err = {0};
    if (!member_check(&item->record, &document->id, &document->genesis.write, member, &err)) {
        reject(item, REFUSE_FORBIDDEN, err.text);
        return false;
    }
    if (!member->has_grant) {
        reject(item, REFUSE_FORBIDDEN, "this link may read, not write");
        return false;
    }
    if (!item->reoffered && !is_this_device(item, &member->doc_key)) {
        reject(item, REFUSE_FORBIDDEN, "a MEMBER record introduces the device that sends it");
        return false;
    }
    return true;
}

static struct relay_agent *introduce(struct relay_document *document, const struct member *member)
{
    struct store_agent agent = {
        .number = document->agents.count + 1, .id = member->agent, .device_key = member->doc_key};
    return agents_add(&document->agents, &agent);
}

static void take_member(const struct upload_item *item)
{
    struct relay_connection *connection = item->connection;
    struct relay_document *document = connection->document;
    struct member member;
    struct digest hash;
    if (!member_may(item, &member))
        return;
    record_hash(item->record.whole, &hash);
    struct relay_agent *agent = agents_find(&document->agents, &member.agent);
    if (agent && digest_equal(&agent->is.member_hash, &hash)) {
        look_up(item, agent->is.number);
        return;
    }
    if (agent && !crypto_equal(&agent->is.device_key, &member.doc_key, sizeof member.doc_key)) {
        reject(item, REFUSE_FORKED, "this agent belongs to another device");
        return;
    }
    if (agent && item->reoffered) { /* an older one: nothing to renew */
        look_up(item, agent->is.number);
        return;
    }
    if (!agent && document->agents.count >= connection->relay->limits.document_agents) {
        reject(item, REFUSE_FULL, "this document has as many writers as the relay allows");
        return;
    }
    if (!has_room(item))
        return;
    if (!agent)
        agent = introduce(document, &member);
    agent->is.member_hash = hash;
    agent->is.grant_expiry_s = member.grant.expiry_s <= INT64_MAX ? member.grant.expiry_s : 0;
    if (is_this_device(item, &member.doc_key))
        connection->writer = true;
    append(item, agent, true);
}

/*
 * The base text's chunks fill the places behind GENESIS before anybody writes, in order: chunk n, which is the record's
 * counter, goes to place n + 2. Where somebody has written already its owner took it to be here and was wrong: what of it
 * is missing comes behind.
 */
static void take_base(const struct upload_item *item)
{
    const struct relay_document *document = item->connection->document;
    uint64_t chunk = item->record.counter;
    if (!record_verify(&item->record, &document->id, &document->genesis.admin, NULL)) {
        reject(item, REFUSE_FORBIDDEN, "only the owner of a document gives its first text");
        return;
    }
    if (chunk >= BASE_BYTES_MAX / BASE_CHUNK_BYTES)
        reject(item, REFUSE_MALFORMED, "no first text has so many parts");
    else if (document->agents.count == 0 && chunk + 1 > document->head)
        reject(item, REFUSE_ORDER, "the first text comes in order");
    else if (item->connection->doubts == 0 && document->agents.count == 0 && chunk + 1 == document->head)
        append_base(item);
    else
        look_up_first(item, 0);
}

static void take_optional(const struct upload_item *item)
{
    struct relay_agent *agent = agents_find(&item->connection->document->agents, &item->record.agent);
    if (agent_may(item, agent) && has_room(item))
        append(item, agent, false);
}

/* Text by text and then the word that it is whole, on one connection: what a reader gets first is never half of something. */
static bool is_next_of_checkpoint(const struct upload_item *item, const struct relay_agent *agent,
                                  const struct checkpoint_clear *clear)
{
    const struct relay_connection *connection = item->connection;
    bool goes_on = connection->checkpoint.agent_number == agent->is.number && connection->checkpoint.set == clear->set;
    return clear->part == 0 || (goes_on && clear->part == connection->checkpoint.parts);
}

static void take_checkpoint(const struct upload_item *item)
{
    const struct record *record = &item->record;
    struct relay_connection *connection = item->connection;
    struct relay_agent *agent = agents_find(&connection->document->agents, &record->agent);
    struct checkpoint_clear clear;
    struct error err = {0};
    if (!agent_may(item, agent))
        return;
    if (!checkpoint_read_clear(record, &clear, &err)) {
        reject(item, REFUSE_MALFORMED, err.text);
        return;
    }
    if (!record_verify(record, &connection->document->id, &agent->is.device_key, NULL)) {
        reject(item, REFUSE_FORBIDDEN, "the signature of a checkpoint does not fit its author");
        return;
    }
    if (!is_next_of_checkpoint(item, agent, &clear)) {
        reject(item, REFUSE_ORDER, "a checkpoint's parts come in order");
        return;
    }
    if (!has_room(item))
        return;
    connection->checkpoint.agent_number = agent->is.number;
    connection->checkpoint.set = clear.set;
    connection->checkpoint.parts = record->kind == RECORD_CHECKPOINT ? 0 : clear.part + 1;
    append(item, agent, false);
}

static void take(struct upload_item *item, struct bytes stored)
{
    struct error err = {0};
    if (!record_decode(stored, &item->record, &err)) {
        reject(item, REFUSE_MALFORMED, err.text);
        return;
    }
    if (item->record.kind == RECORD_CHECKPOINT || item->record.kind == RECORD_CHECKPOINT_TEXT) {
        take_checkpoint(item);
        return;
    }
    if (item->record.kind & RECORD_OPTIONAL) {
        take_optional(item);
        return;
    }
    switch ((enum record_kind)item->record.kind) {
    case RECORD_EVENTS:
        take_events(item);
        return;
    case RECORD_MEMBER:
        take_member(item);
        return;
    case RECORD_BASE:
        take_base(item);
        return;
    case RECORD_PACK:
        take_pack(item);
        return;
    case RECORD_GENESIS:
        reject(item, REFUSE_ORDER, "a document begins once");
        return;
    case RECORD_EPOCH:
    case RECORD_CHECKPOINT:
    case RECORD_CHAT:
    case RECORD_META:
    case RECORD_CHECKPOINT_TEXT:
        break;
    }
    reject(item, REFUSE_FORBIDDEN, "this relay does not take records of this kind yet");
}

static void pay(struct relay_connection *connection, size_t bytes)
{
    struct relay *relay = connection->relay;
    struct relay_document *document = connection->document;
    bucket_pay(&document->upload_bytes, relay->limits.document_bytes, bytes, relay->now_ms);
    bucket_pay(&document->upload_records, relay->limits.document_records, 1, relay->now_ms);
}

void relay_upload_records(struct relay_connection *connection, const struct message *message)
{
    for (size_t i = 0; i < message->records.count; i++) {
        struct upload_item item = {.connection = connection, .ordinal = ++connection->ordinal};
        pay(connection, message->records.items[i].stored.len);
        take(&item, message->records.items[i].stored);
    }
}

void relay_upload_reoffer(struct relay_connection *connection, const struct message *message)
{
    struct upload_item item = {
        .connection = connection, .ordinal = ++connection->ordinal, .reoffered = &message->reoffer.last};
    pay(connection, message->reoffer.stored.len);
    if (connection->writer)
        take(&item, message->reoffer.stored);
    else
        reject(&item, REFUSE_FORBIDDEN, "this link may read, not write");
}
