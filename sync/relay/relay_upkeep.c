/* What nobody asks for and the relay does from time to time: it forgets what no one needs any more. */
#include "sync/relay/relay_parts.h"

enum {
    PURGE_MS = 60 * 1000,
    PACKS_PURGE_MS = 60 * 1000,
    PACK_AGE_S = 24 * 3600, /* after that nobody is waited for any more */
    RETAIN_MS = 3600 * 1000, /* how often it is looked for documents to forget */
    EXPIRE_MOST = 64,        /* of them at once: one transaction */
    CLOCK_SLACK_S = 600,
};

/* --- rows that packs stand in for --- */

static struct relay_document *document_by_key(struct relay *relay, uint64_t key)
{
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (struct relay_document *document = relay->slots[i]; document; document = document->next)
            if (document->state == DOCUMENT_READY && document->key == key)
                return document;
    return NULL;
}

static void on_purged(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay *relay = self;
    (void)tag;
    for (size_t i = 0; i < reply->freed_count; i++) {
        struct relay_document *document = document_by_key(relay, reply->freed[i].key);
        if (document)
            document->bytes -= reply->freed[i].bytes;
    }
    if (reply->freed_count == STORE_PURGE_PACKS)
        relay->packs_purged_ms = 0; /* there may be more */
}

void relay_purge(struct relay *relay, const struct store_purge *purge)
{
    store_purge(relay->store, purge, (struct store_done){.call = on_purged, .self = relay});
}

static void purge_old_packs(struct relay *relay)
{
    relay->packs_purged_ms = relay->now_ms;
    if (relay->wall_s > PACK_AGE_S)
        relay_purge(relay, &(struct store_purge){.place = INT64_MAX, .before_s = relay->wall_s - PACK_AGE_S});
}

/* --- documents nobody has been in for long --- */

static void on_expired(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay *relay = self;
    (void)tag;
    if (reply->result != STORE_OK)
        return;
    relay->counts.expired += reply->row_count;
    if (reply->row_count < EXPIRE_MOST)
        return;
    relay->looked_ms = relay->now_ms - RETAIN_MS; /* there may be more: go on with the next tick */
    relay->looked_s = relay->wall_s - RETAIN_MS / 1000;
}

/* The calendar and the running clock have moved alike: nobody has set the one in between. */
static bool clocks_agree(const struct relay *relay)
{
    uint64_t ran_s = (relay->now_ms - relay->looked_ms) / 1000;
    uint64_t passed_s = relay->wall_s > relay->looked_s ? relay->wall_s - relay->looked_s : 0;
    return passed_s <= ran_s + CLOCK_SLACK_S && passed_s + CLOCK_SLACK_S >= ran_s;
}

/*
 * Documents nobody has been in for long. Those that are open are touched first, in the same queue, so that none of them can
 * be meant. A clock that was set forward makes everything look old, so then nothing is forgotten this time.
 */
static void retain(struct relay *relay)
{
    if (relay->retain_s == 0 || (relay->looked_ms && relay->now_ms - relay->looked_ms < RETAIN_MS))
        return;
    bool due = relay->looked_ms && clocks_agree(relay) && relay->wall_s > relay->retain_s;
    relay->looked_ms = relay->now_ms;
    relay->looked_s = relay->wall_s;
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (struct relay_document *document = relay->slots[i]; document; document = document->next)
            store_touch(relay->store, &document->id, relay->wall_s);
    if (due)
        store_expire(relay->store, relay->wall_s - relay->retain_s, EXPIRE_MOST,
                     (struct store_done){.call = on_expired, .self = relay});
}

void relay_upkeep(struct relay *relay)
{
    retain(relay);
    if (relay->now_ms >= relay->purged_ms + PURGE_MS) {
        relay->purged_ms = relay->now_ms;
        addresses_purge(&relay->addresses, &relay->limits, relay->now_ms);
    }
    if (relay->now_ms >= relay->packs_purged_ms + PACKS_PURGE_MS)
        purge_old_packs(relay);
}
