#include "sync/inbox_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

void received_release(struct received *received)
{
    buf_release(&received->stored);
    batch_run_release(&received->run);
    buf_release(&received->plain);
    free(received->digests);
    *received = (struct received){0};
}

void received_move(struct received *out, struct received *from)
{
    *out = *from;
    *from = (struct received){0};
}

struct inbox *inbox_new(const struct doc_keys *keys, struct chain *chain, const struct roster *roster,
                        const struct inbox_port *port)
{
    struct inbox *inbox = xcalloc(1, sizeof *inbox);
    inbox->keys = keys;
    inbox->chain = chain;
    inbox->roster = roster;
    inbox->port = *port;
    return inbox;
}

static void drop_waiting(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->waiting_count; i++)
        buf_release(&inbox->waiting[i].stored);
    inbox->waiting_count = 0;
    inbox->waiting_bytes = inbox->behind_count = 0;
}

void inbox_free(struct inbox *inbox)
{
    if (!inbox)
        return;
    drop_waiting(inbox);
    history_release(&inbox->history);
    free(inbox->waiting);
    free(inbox->refused);
    free(inbox);
}

void inbox_forgive(struct inbox *inbox)
{
    drop_waiting(inbox);
    inbox->refused_count = inbox->hole_count = 0;
    inbox->lost = false;
}

void inbox_expect(struct inbox *inbox, const struct record *records, size_t count)
{
    history_vouch(&inbox->history, records, count, inbox->keys, inbox->chain, inbox->roster);
}

size_t inbox_signatures(const struct inbox *inbox)
{
    return inbox->signatures + inbox->history.signatures;
}

static struct refused *find_refused(const struct inbox *inbox, const struct agent_id *agent)
{
    for (size_t i = 0; i < inbox->refused_count; i++)
        if (agent_id_equal(&inbox->refused[i].agent, agent))
            return &inbox->refused[i];
    return NULL;
}

bool inbox_is_refused(const struct inbox *inbox, const struct agent_id *agent)
{
    return find_refused(inbox, agent) != NULL;
}

bool inbox_has_refused(const struct inbox *inbox)
{
    return inbox->hole_count > 0 || inbox->lost;
}

bool inbox_has_untold(const struct inbox *inbox)
{
    return inbox->refused_count > 0 && !inbox->refused[inbox->refused_count - 1].told;
}

bool inbox_lacks_branch(const struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->refused_count; i++)
        if (inbox->refused[i].fits_nowhere && !inbox->refused[i].told)
            return true;
    return false;
}

void inbox_tell_refused(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->refused_count; i++) {
        struct refused *refused = &inbox->refused[i];
        if (!refused->told)
            inbox->port.refused(inbox->port.self, &refused->agent, &refused->why);
        refused->told = true;
    }
}

bool inbox_has_hole(const struct inbox *inbox)
{
    return inbox->waiting_count > 0 || inbox_has_refused(inbox);
}

uint64_t inbox_waiting_since(const struct inbox *inbox)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < inbox->waiting_count; i++)
        if (inbox->waiting[i].since_ms < oldest)
            oldest = inbox->waiting[i].since_ms;
    return oldest;
}

static struct refused *get_refused(struct inbox *inbox, const struct agent_id *agent, const struct error *why)
{
    struct refused *refused = find_refused(inbox, agent);
    if (refused)
        return refused;
    inbox->refused = xgrow(inbox->refused, &inbox->refused_cap, inbox->refused_count + 1, sizeof *inbox->refused);
    refused = &inbox->refused[inbox->refused_count++];
    *refused = (struct refused){.agent = *agent, .why = *why};
    return refused;
}

enum inbox_took inbox_refuse(struct inbox *inbox, const struct agent_id *agent, const struct error *why)
{
    struct refused *refused = get_refused(inbox, agent, why);
    inbox->hole_count += !refused->hole;
    refused->hole = true;
    return INBOX_REFUSED;
}

/* It will not be taken on the next connection either: nothing waits for it. */
static enum inbox_took leave_out(struct inbox *inbox, const struct agent_id *agent, enum chain_link link)
{
    struct error why = {0};
    if (link == CHAIN_CROWDED)
        error_set(&why, ERR_LIMIT, 0, "it has forked %d times: further branches of it are left out", CHAIN_AGENT_FORKS_MAX);
    else
        error_set(&why, ERR_FORMAT, 0, "it is called like a branch of somebody's writing: what came second is left out");
    get_refused(inbox, agent, &why);
    return INBOX_KNOWN;
}

static enum inbox_took refuse_misfit(struct inbox *inbox, const struct agent_id *agent)
{
    struct error err = {0};
    error_set(&err, ERR_AUTH, 0, "the signature under a record does not fit its author and content");
    get_refused(inbox, agent, &err)->fits_nowhere = true;
    return inbox_refuse(inbox, agent, &err);
}

static bool has_room(const struct inbox *inbox, size_t bytes)
{
    return inbox->waiting_count < INBOX_EARLY_RECORDS_MAX && inbox->waiting_bytes + bytes <= INBOX_EARLY_BYTES_MAX;
}

static enum inbox_took keep_waiting(struct inbox *inbox, uint64_t place, const struct record *record,
                                    const struct event_id *needs, uint64_t now_ms)
{
    size_t bytes = inbox_waiting_bytes(record->whole.len);
    if (inbox_is_refused(inbox, &record->agent)) /* it comes again, on the next connection */
        return INBOX_REFUSED;
    if (!has_room(inbox, bytes) && !inbox_make_room(inbox, &record->agent, bytes))
        return INBOX_REFUSED;
    inbox->waiting = xgrow(inbox->waiting, &inbox->waiting_cap, inbox->waiting_count + 1, sizeof *inbox->waiting);
    struct waiting *waiting = &inbox->waiting[inbox->waiting_count++];
    *waiting = (struct waiting){.place = place, .since_ms = now_ms, .agent = record->agent, .seq0 = record->seq0};
    waiting->needs_event = needs != NULL;
    if (needs)
        waiting->needs = *needs;
    buf_add_bytes(&waiting->stored, record->whole);
    inbox->waiting_bytes += bytes;
    return INBOX_EARLY;
}

/* Whether an earlier record of the agent waits. */
static bool waits_before(const struct inbox *inbox, const struct agent_id *agent, uint64_t seq0)
{
    for (size_t i = 0; i < inbox->waiting_count; i++)
        if (inbox->waiting[i].seq0 < seq0 && agent_id_equal(&inbox->waiting[i].agent, agent))
            return true;
    return false;
}

static bool may_be_behind(const struct inbox *inbox, const struct record *record)
{
    return record->kind == RECORD_EVENTS && inbox->behind_count < INBOX_BEHIND_MAX &&
           waits_before(inbox, &record->agent, record->seq0);
}

static enum inbox_took wait_behind(struct inbox *inbox, uint64_t place, const struct record *record, uint64_t now_ms)
{
    enum inbox_took took = keep_waiting(inbox, place, record, NULL, now_ms);
    if (took != INBOX_EARLY)
        return took;
    inbox->waiting[inbox->waiting_count - 1].is_behind = true;
    inbox->behind_count++;
    return took;
}

/* The first parent that is nowhere. */
static bool find_missing_parent(struct inbox *inbox, const struct batch_run *run, struct event_id *missing)
{
    struct digest digest;
    bool found = false;
    struct batch_cursor cursor = batch_cursor_of(run);
    while (!found && batch_cursor_next(&cursor))
        for (size_t p = 0; !found && p < cursor.batch->parent_count; p++) {
            *missing = cursor.batch->parents[p];
            found = !chain_find(inbox->chain, missing, &digest);
        }
    batch_cursor_release(&cursor);
    return found;
}

static bool open_record(struct inbox *inbox, const struct record *record, struct received *out, struct error *err)
{
    if (!record_open_events(record, inbox->keys, &out->plain, &out->run, err))
        return false;
    out->digests = xmalloc((out->run.count + 1) * sizeof *out->digests);
    out->kind = record->kind;
    out->agent = record->agent;
    out->seq0 = record->seq0;
    out->count = record->count;
    return true;
}

/* Adds what is new to the chain; `received` is left with that only. */
static bool add_to_chain(struct inbox *inbox, struct received *received, unsigned way, const struct digest *last,
                         struct error *err)
{
    struct chain_taken taken;
    struct batch_run *run = &received->run;
    enum chain_link link = chain_take_run(inbox->chain, run, way, last, received->digests, &taken);
    if (link != CHAIN_NEXT && link != CHAIN_FORKED && link != CHAIN_KNOWN)
        return error_set(err, ERR_FORMAT, 0, "a batch does not follow the one before it");
    received->forked = taken.forked;
    received->fork = taken.fork;
    batch_run_drop(run, taken.known);
    memmove(received->digests, received->digests + taken.known, run->count * sizeof *received->digests);
    return true;
}

static enum inbox_took hand_out(struct inbox *inbox, uint64_t place, const struct record *record,
                                struct received *received, unsigned way)
{
    struct error err = {0};
    struct digest last = received->digests[received->run.count - 1];
    if (!add_to_chain(inbox, received, way, &last, &err))
        return inbox_refuse(inbox, &record->agent, &err);
    if (received->run.count == 0)
        return INBOX_KNOWN;
    received->place = place;
    buf_add_bytes(&received->stored, record->whole);
    record_hash(record->whole, &received->hash);
    bool disputed = received->kind == RECORD_PACK && received->forked;
    inbox->port.received(inbox->port.self, received);
    if (disputed)
        inbox->port.disputed(inbox->port.self, &record->agent, record->seq0);
    return INBOX_TAKEN;
}

/* Whether the author signed what ends in this digest. */
static bool is_signed(struct inbox *inbox, const struct record *record, const struct member *member,
                      const struct digest *last, bool *checked)
{
    const struct vouched *vouched = history_find(&inbox->history, last);
    *checked = !vouched || vouched->itself;
    if (vouched)
        return true;
    inbox->signatures++;
    return record_verify(record, &inbox->keys->doc, &member->doc_key, last);
}

/*
 * Where the record belongs and what it builds on: of all ways in which that can be meant, the one that its author signed
 * (received->digests). CHAIN_NO_WAY: none. What is known need not be signed once more where nothing is in doubt. But the same
 * content can stand on two branches, of which one may be yet to come: then only the signature says which one it is.
 */
static enum chain_link find_way(struct inbox *inbox, const struct record *record, const struct member *member,
                                struct received *received, unsigned *way)
{
    size_t count = received->run.count;
    bool doubt = chain_forks(inbox->chain) > 0 || inbox_is_refused(inbox, &record->agent) ||
                 waits_before(inbox, &record->agent, record->seq0);
    for (*way = 0; *way < CHAIN_WAYS_MAX; ++*way) {
        enum chain_link link = chain_check_run(inbox->chain, &received->run, *way, received->digests);
        if (link == CHAIN_EARLY || link == CHAIN_NO_WAY || (link == CHAIN_KNOWN && !doubt) ||
            is_signed(inbox, record, member, &received->digests[count - 1], &received->checked))
            return link;
    }
    return CHAIN_NO_WAY;
}

/*
 * A pack of what is known: compared, and kept as it came, so that the resume point gets behind it. That is how a relay
 * learns that it may let go of what the pack stands in for.
 */
static void keep_pack(struct inbox *inbox, uint64_t place, const struct record *record, const struct member *member,
                      const struct digest *last)
{
    struct received pack = {
        .kind = record->kind, .place = place, .agent = record->agent, .seq0 = record->seq0, .count = record->count};
    if (!is_signed(inbox, record, member, last, &pack.checked))
        return;
    buf_add_bytes(&pack.stored, record->whole);
    record_hash(record->whole, &pack.hash);
    inbox->port.received(inbox->port.self, &pack);
    received_release(&pack);
}

static enum inbox_took take_opened(struct inbox *inbox, uint64_t place, const struct record *record,
                                   const struct member *member, struct received *received, uint64_t now_ms)
{
    struct error err = {0};
    struct event_id missing;
    unsigned way;
    enum chain_link link = find_way(inbox, record, member, received, &way);
    switch (link) {
    case CHAIN_KNOWN:
        if (record->kind == RECORD_PACK)
            keep_pack(inbox, place, record, member, &received->digests[received->run.count - 1]);
        return INBOX_KNOWN;
    case CHAIN_EARLY:
        return keep_waiting(inbox, place, record,
                            find_missing_parent(inbox, &received->run, &missing) ? &missing : NULL, now_ms);
    case CHAIN_NO_WAY:
        return may_be_behind(inbox, record) ? wait_behind(inbox, place, record, now_ms)
                                            : refuse_misfit(inbox, &record->agent);
    case CHAIN_CROWDED:
    case CHAIN_NAMESAKE:
        return leave_out(inbox, &record->agent, link);
    case CHAIN_FORKED:
    case CHAIN_NEXT:
        break;
    }
    if (!member->has_grant) {
        error_set(&err, ERR_AUTH, 0, "a reader has no right to write");
        return inbox_refuse(inbox, &record->agent, &err);
    }
    return hand_out(inbox, place, record, received, way);
}

static enum inbox_took open_and_take(struct inbox *inbox, uint64_t place, const struct record *record,
                                     const struct member *member, uint64_t now_ms)
{
    struct error err = {0};
    struct received received = {0};
    enum inbox_took took;

    if (open_record(inbox, record, &received, &err))
        took = take_opened(inbox, place, record, member, &received, now_ms);
    else
        took = inbox_refuse(inbox, &record->agent, &err);
    received_release(&received);
    return took;
}

enum inbox_took inbox_take(struct inbox *inbox, uint64_t place, const struct record *record, uint64_t now_ms)
{
    const struct roster_entry *entry = roster_find(inbox->roster, &record->agent);
    if (!entry && roster_is_full(inbox->roster)) /* it would wait for ever, in the place of others */
        return INBOX_KNOWN;
    if (!entry || record->seq0 > chain_next_seq(inbox->chain, &record->agent))
        return keep_waiting(inbox, place, record, NULL, now_ms);
    return open_and_take(inbox, place, record, &entry->member, now_ms);
}

bool inbox_take_other(struct inbox *inbox, uint64_t place, const struct record *record)
{
    const struct roster_entry *entry = roster_find(inbox->roster, &record->agent);
    if (!entry || !entry->member.has_grant)
        return false;
    inbox->signatures++;
    if (!record_verify(record, &inbox->keys->doc, &entry->member.doc_key, NULL))
        return false;
    struct received received = {.kind = record->kind, .place = place, .agent = record->agent, .checked = true};
    buf_add_bytes(&received.stored, record->whole);
    record_hash(record->whole, &received.hash);
    inbox->port.received(inbox->port.self, &received);
    received_release(&received);
    return true;
}

static bool is_due(struct inbox *inbox, const struct waiting *waiting)
{
    struct digest digest;
    if (waiting->needs_event)
        return chain_find(inbox->chain, &waiting->needs, &digest);
    if (waiting->is_behind)
        return !waits_before(inbox, &waiting->agent, waiting->seq0);
    return roster_find(inbox->roster, &waiting->agent) &&
           chain_reaches(inbox->chain, &waiting->agent, waiting->seq0);
}

/* Takes a due record out of the line and offers it again; it may come to wait for something else. */
static bool settle_one(struct inbox *inbox, size_t i)
{
    struct waiting waiting = inbox->waiting[i];
    struct record record;
    struct error err = {0};

    memmove(inbox->waiting + i, inbox->waiting + i + 1, (inbox->waiting_count - i - 1) * sizeof waiting);
    inbox->waiting_count--;
    inbox->waiting_bytes -= inbox_waiting_bytes(waiting.stored.len);
    inbox->behind_count -= waiting.is_behind;
    ensure(record_decode(buf_view(&waiting.stored), &record, &err)); /* it was decoded when it came */
    enum inbox_took took = inbox_take(inbox, waiting.place, &record, waiting.since_ms);
    buf_release(&waiting.stored);
    return took != INBOX_EARLY;
}

void inbox_settle(struct inbox *inbox)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < inbox->waiting_count;) {
            if (!is_due(inbox, &inbox->waiting[i]))
                i++;
            else
                moved |= settle_one(inbox, i);
        }
    }
}
