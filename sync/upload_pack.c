/* What the relay has had for a while, put together: many small records become one. */
#include "sync/upload_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- what there is to pack --- */

static void drop_old(struct packing *packing, size_t at)
{
    packing->old_bytes -= packing->old[at].stored.len;
    buf_release(&packing->old[at].stored);
    packing->old_count--;
    memmove(packing->old + at, packing->old + at + 1, (packing->old_count - at) * sizeof *packing->old);
}

void upload_pack_release(struct packing *packing)
{
    while (packing->old_count > 0)
        drop_old(packing, packing->old_count - 1);
    for (size_t i = 0; i < packing->pack_count; i++)
        buf_release(&packing->packs[i].stored);
    free(packing->old);
    free(packing->packs);
    *packing = (struct packing){0};
}

/* How much is in it, whether the first batch has parents of other agents, and whether a later one has. */
static bool look_inside(const struct upload *upload, struct bytes stored, struct packable *old, bool *later)
{
    struct record record;
    struct buf plain = {0};
    struct error err = {0};
    bool good = record_decode(stored, &record, &err) && record_open(&record, upload->config.keys, &plain, &err);
    struct reader reader = reader_of(buf_view(&plain));
    old->plain_len = plain.len;
    old->builds_on_others = *later = false;
    for (bool *which = &old->builds_on_others; good && reader_left(&reader) > 0 && !reader.failed; which = later) {
        struct bytes batch = read_sized(&reader, BATCH_BYTES_MAX);
        *which |= batch.len > 0 && (batch.data[0] & BATCH_FLAG_FOREIGN);
    }
    buf_release(&plain);
    return good && !reader.failed;
}

/*
 * Only the first batch of a pack may build on what others wrote. Two packs that each need a piece of the other could
 * never be read; so, whatever a pack needs was there before all of it, and packs have an order. What a record that goes
 * against this ends is a run, and what is large is not worth it.
 */
static void add_old(struct upload *upload, struct packable old, struct bytes stored)
{
    struct packing *packing = &upload->packing;
    bool later;
    if (stored.len > RECORD_PACK_BYTES || !look_inside(upload, stored, &old, &later) || later)
        return;
    while (packing->old_count > 0 && packing->old_bytes + stored.len > UPLOAD_PACK_WAITING_MAX)
        drop_old(packing, 0);
    buf_add_bytes(&old.stored, stored);
    packing->old = xgrow(packing->old, &packing->old_cap, packing->old_count + 1, sizeof *packing->old);
    packing->old[packing->old_count++] = old;
    packing->old_bytes += old.stored.len;
    packing->looked = false;
}

void upload_pack_add(struct upload *upload, const struct agent_id *agent, const struct upload_record *record)
{
    struct packable old = {.agent = *agent, .seq0 = record->seq0, .count = record->count, .batches = record->batches};
    add_old(upload, old, buf_view(&record->stored));
}

/* Records of one agent that follow one another. */
struct run {
    struct agent_id agent;
    uint64_t seq0, end, batches;
    size_t records;
    size_t plain_len, stored_len; /* a pack is stored in a small part of what is in it: readers bound both */
    bool is_pack; /* packs, to become one */
    bool more; /* the agent has further ones behind it */
};

static struct run find_run(const struct packing *packing, size_t first)
{
    const struct packable *old = &packing->old[first];
    struct run run = {.agent = old->agent, .seq0 = old->seq0, .end = old->seq0, .is_pack = old->is_pack};
    for (size_t i = first; i < packing->old_count && !run.more; i++) {
        old = &packing->old[i];
        if (!agent_id_equal(&old->agent, &run.agent) || old->is_pack != run.is_pack)
            continue;
        bool fits = old->seq0 == run.end && !old->builds_on_others &&
                    run.batches + old->batches <= UPLOAD_PACK_BATCHES_MAX &&
                    run.plain_len + old->plain_len <= UPLOAD_PACK_BYTES_MAX;
        run.more = run.records > 0 && !fits; /* the first one is a run, whatever it is */
        if (run.more)
            break;
        run.end += old->count;
        run.batches += old->batches;
        run.plain_len += old->plain_len;
        run.stored_len += old->stored.len;
        run.records++;
    }
    return run;
}

static bool is_in_run(const struct packable *old, const struct run *run)
{
    return old->is_pack == run->is_pack && agent_id_equal(&old->agent, &run->agent) && old->seq0 >= run->seq0 &&
           old->seq0 < run->end;
}

static void drop_run(struct packing *packing, const struct run *run)
{
    for (size_t i = 0; i < packing->old_count;) {
        if (is_in_run(&packing->old[i], run))
            drop_old(packing, i);
        else
            i++;
    }
}

/* --- packs --- */

/* A record's plaintext is its batches one after another, so that of a pack is its records' one after another. */
static bool join_plain(const struct upload *upload, const struct run *run, struct buf *plain)
{
    const struct packing *packing = &upload->packing;
    struct record record;
    struct error err = {0};
    for (size_t i = 0; i < packing->old_count; i++)
        if (is_in_run(&packing->old[i], run) && (!record_decode(buf_view(&packing->old[i].stored), &record, &err) ||
                                                 !record_open(&record, upload->config.keys, plain, &err)))
            return false;
    return true;
}

/* Whether who reads it gets what was put into it: it is to stand in for records that everybody can read. */
static bool opens_as(const struct upload *upload, struct bytes stored, struct bytes plain)
{
    struct record record;
    struct batch_run batches;
    struct buf back = {0};
    struct error err = {0};
    bool good = record_decode(stored, &record, &err) &&
                record_open_events(&record, upload->config.keys, &back, &batches, &err) &&
                bytes_equal(buf_view(&back), plain);
    buf_release(&back);
    return good;
}

/* False: it would be too much for one, would save nothing, or could not be read. The relay has the records, and they stay. */
static bool seal_pack(struct upload *upload, const struct run *run, struct buf *stored)
{
    struct buf plain = {0};
    struct digest last;
    bool good = run->plain_len <= UPLOAD_PACK_BYTES_MAX && join_plain(upload, run, &plain) &&
                chain_find(upload->config.chain, &(struct event_id){run->agent, run->end - 1}, &last);
    if (good) {
        struct record_spec what = {.kind = RECORD_PACK,
                                   .agent = run->agent,
                                   .seq0 = run->seq0,
                                   .count = run->end - run->seq0,
                                   .plain = buf_view(&plain),
                                   .last = &last};
        upload_seal(upload, &what, stored);
        good = stored->len < run->stored_len && opens_as(upload, buf_view(stored), buf_view(&plain));
    }
    buf_release(&plain);
    return good;
}

static void make_pack(struct upload *upload, const struct run *run)
{
    struct packing *packing = &upload->packing;
    struct buf stored = {0};
    if (!seal_pack(upload, run, &stored)) {
        buf_release(&stored);
        return;
    }
    packing->packs = xgrow(packing->packs, &packing->pack_cap, packing->pack_count + 1, sizeof *packing->packs);
    struct pack *pack = &packing->packs[packing->pack_count++];
    *pack = (struct pack){.ticket = upload->next_ticket++,
                          .agent = run->agent,
                          .seq0 = run->seq0,
                          .count = run->end - run->seq0,
                          .batches = run->batches,
                          .plain_len = run->plain_len,
                          .stored = stored};
    struct outbox_record out = {pack->ticket, RECORD_PACK, pack->agent, pack->seq0, pack->count, buf_view(&pack->stored)};
    upload->port.persist(upload->port.self, &out);
}

/* Runs that are too short wait for more, unless nothing can be added to them. Packs of a few keys become one in their turn. */
static void make_packs(struct upload *upload)
{
    struct packing *packing = &upload->packing;
    size_t least = upload->config.pack_records_min ? upload->config.pack_records_min : UPLOAD_PACK_RECORDS_MIN;
    for (size_t i = 0; i < packing->old_count;) {
        struct run run = find_run(packing, i);
        bool full = run.is_pack && run.more && run.records > 1;
        if (run.records >= least || full)
            make_pack(upload, &run);
        if (run.records >= least || run.more)
            drop_run(packing, &run);
        else
            i++;
    }
    packing->looked = true;
}

static void send_packs(struct upload *upload)
{
    struct packing *packing = &upload->packing;
    for (size_t i = 0; i < packing->pack_count && upload_window_open(upload); i++) {
        struct pack *pack = &packing->packs[i];
        if (!pack->persisted || pack->sent)
            continue;
        struct place_record item = {.stored = buf_view(&pack->stored)};
        struct message message = {.kind = MESSAGE_RECORDS, .records = {&item, 1}};
        upload->port.send(upload->port.self, &message);
        upload_note_sent(upload, (struct sent){.kind = SENT_PACK, .bytes = pack->stored.len, .ticket = pack->ticket});
        pack->sent = true;
    }
}

/* The relay has all that it is to have of us. */
static bool is_quiet(const struct upload *upload)
{
    return upload->waiting == 0 && upload->batches == 0 && !upload->packing.refused;
}

static uint64_t idle_from_ms(const struct upload *upload)
{
    return upload->packing.local_ms + UPLOAD_PACK_IDLE_MS;
}

void upload_pack_run(struct upload *upload, uint64_t now_ms)
{
    if (!is_quiet(upload))
        return;
    if (!upload->packing.looked && now_ms >= idle_from_ms(upload))
        make_packs(upload);
    send_packs(upload);
}

uint64_t upload_pack_next_ms(const struct upload *upload)
{
    bool due = is_quiet(upload) && !upload->packing.looked && upload->packing.old_count > 0;
    return due ? idle_from_ms(upload) : UINT64_MAX;
}

/* --- answers --- */

static struct pack *find_pack(const struct packing *packing, uint64_t ticket)
{
    for (size_t i = 0; i < packing->pack_count; i++)
        if (packing->packs[i].ticket == ticket)
            return &packing->packs[i];
    return NULL;
}

const struct pack *upload_pack_find(const struct upload *upload, uint64_t ticket)
{
    return find_pack(&upload->packing, ticket);
}

void upload_pack_persisted(struct upload *upload, uint64_t ticket)
{
    struct pack *pack = find_pack(&upload->packing, ticket);
    if (pack)
        pack->persisted = true;
}

static void drop_pack(struct packing *packing, struct pack *pack)
{
    size_t at = (size_t)(pack - packing->packs);
    buf_release(&pack->stored);
    packing->pack_count--;
    memmove(packing->packs + at, packing->packs + at + 1, (packing->pack_count - at) * sizeof *pack);
}

void upload_pack_acked(struct upload *upload, uint64_t ticket)
{
    struct pack *pack = find_pack(&upload->packing, ticket);
    ensure(pack);
    upload->port.acked(upload->port.self, &pack->agent, pack->seq0 + pack->count);
    struct packable old = {
        .agent = pack->agent, .seq0 = pack->seq0, .count = pack->count, .batches = pack->batches, .is_pack = true};
    if (pack->batches < UPLOAD_PACK_BATCHES_MAX / 2 && pack->plain_len < UPLOAD_PACK_BYTES_MAX / 2)
        add_old(upload, old, buf_view(&pack->stored));
    drop_pack(&upload->packing, pack);
}

void upload_pack_rejected(struct upload *upload, uint64_t ticket)
{
    struct pack *pack = find_pack(&upload->packing, ticket);
    ensure(pack);
    upload->packing.refused = true; /* it goes without: the small records are there */
    drop_pack(&upload->packing, pack);
}

void upload_pack_lost(struct upload *upload)
{
    upload->packing.refused = false;
    for (size_t i = 0; i < upload->packing.pack_count; i++)
        upload->packing.packs[i].sent = false;
}
