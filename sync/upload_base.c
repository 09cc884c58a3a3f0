/* The base text of a document that is created here, in chunks right behind GENESIS. */
#include "sync/upload_parts.h"

void upload_set_base_len(struct upload *upload, uint64_t base_len)
{
    upload->base_chunks = (base_len + BASE_CHUNK_BYTES - 1) / BASE_CHUNK_BYTES;
}

static bool base_is_owed(const struct upload *upload)
{
    return upload->config.base && upload->base_next < upload->base_chunks && !upload->base_stopped;
}

bool upload_base_is_there(const struct upload *upload)
{
    bool sent = upload->config.base && !base_is_owed(upload);
    return sent || upload->relay_head > upload->base_chunks;
}

static bool base_is_on_its_way(const struct upload *upload)
{
    for (size_t i = 0; i < upload->sent_count; i++)
        if (upload->sent[i].kind == SENT_BASE)
            return true;
    return false;
}

/* False: that was done a moment ago, and did not help. */
static bool offer_base(struct upload *upload, uint64_t now_ms)
{
    if (upload->base_again)
        return true;
    if (upload->base_offered_ms && now_ms - upload->base_offered_ms < UPLOAD_BASE_AGAIN_MS)
        return false;
    upload->base_offered_ms = now_ms;
    upload->base_again = true;
    return true;
}

void upload_offer_base(struct upload *upload, uint64_t now_ms)
{
    if (upload->config.base && upload->online && !base_is_on_its_way(upload))
        (void)offer_base(upload, now_ms);
}

static void begin_base_again(struct upload *upload)
{
    if (!upload->base_again || base_is_on_its_way(upload))
        return;
    upload->base_again = upload->base_stopped = false;
    upload->base_next = upload->base_acked = 0;
}

void upload_base_send(struct upload *upload)
{
    begin_base_again(upload);
    while (base_is_owed(upload) && upload_window_open(upload)) {
        struct buf stored = {0};
        base_seal(upload->config.keys, upload->config.base, upload->base_next++, &stored);
        struct place_record item = {.stored = buf_view(&stored)};
        struct message message = {.kind = MESSAGE_RECORDS, .records = {&item, 1}};
        upload->port.send(upload->port.self, &message);
        upload_note_sent(upload, (struct sent){.kind = SENT_BASE, .bytes = stored.len});
        buf_release(&stored);
    }
}

/* Out of order: it has less of it than it had said. */
void upload_base_rejected(struct upload *upload, unsigned code, struct bytes text, uint64_t now_ms)
{
    if (upload->base_stopped || (code == REFUSE_ORDER && offer_base(upload, now_ms)))
        return;
    upload->base_stopped = true;
    upload->port.rejected(upload->port.self, &upload->config.self, code, text);
}

void upload_base_welcome(struct upload *upload, uint64_t head)
{
    /* GENESIS is place 1. */
    uint64_t there = head > 1 ? head - 1 : 0;
    upload->base_next = there < upload->base_chunks ? there : upload->base_chunks;
    upload->base_acked = upload->base_next;
}

uint64_t upload_base_bytes(const struct upload *upload, uint64_t chunks)
{
    uint64_t total = upload->config.base ? rope_len(upload->config.base) : 0;
    return chunks * BASE_CHUNK_BYTES < total ? chunks * BASE_CHUNK_BYTES : total;
}
