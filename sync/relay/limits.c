#include "sync/relay/limits.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

enum {
    SLOTS = 1024,
    FORGET_MS = 10 * 60 * 1000, /* longer than any bucket of an address takes to fill */
    DAY_MS = 24 * 60 * 60 * 1000,
};

struct relay_limits relay_limits_default(void)
{
    return (struct relay_limits){
        .frames = {60, 240},
        .presence = {20, 40},
        .document_bytes = {2 << 20, 72 << 20},
        .document_records = {1000, 20000},
        .upload_window_bytes = 1 << 20,
        .store_window_bytes = 32 << 20,
        .reader_lag_bytes = 4 << 20,
        .reader_stall_ms = 10000,
        .hello_ms = 5000,
        .silence_ms = 60000,
        .connections = 20000,
        .document_connections = 1024,
        .document_agents = 16384,
        .document_log_bytes = 256 << 20,
        .total_bytes = (uint64_t)10 << 30,
        .address_connections = 32,
        .address_accepts = {5, 20},
        .address_refusals = {1, 10},
        .address_documents = 100,
    };
}

struct relay_limits relay_limits_none(void)
{
    struct relay_limits limits = relay_limits_default();
    struct relay_rate free_rate = {0, 0};
    limits.frames = limits.presence = free_rate;
    limits.document_bytes = limits.document_records = free_rate;
    limits.address_accepts = limits.address_refusals = free_rate;
    limits.connections = limits.document_connections = limits.address_connections = SIZE_MAX;
    limits.address_documents = UINT64_MAX;
    limits.document_log_bytes = UINT64_MAX;
    limits.total_bytes = 0;
    return limits;
}

void bucket_fill(struct bucket *bucket, struct relay_rate rate, uint64_t now_ms)
{
    bucket->level = (int64_t)rate.burst * 1000;
    bucket->at_ms = now_ms;
}

static void refill(struct bucket *bucket, struct relay_rate rate, uint64_t now_ms)
{
    uint64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    int64_t full = (int64_t)rate.burst * 1000;
    bucket->at_ms = now_ms;
    if (passed > (uint64_t)(full - bucket->level) / rate.rate)
        bucket->level = full;
    else
        bucket->level += (int64_t)(passed * rate.rate);
}

bool bucket_open(struct bucket *bucket, struct relay_rate rate, uint64_t now_ms)
{
    if (rate.rate == 0)
        return true;
    refill(bucket, rate, now_ms);
    return bucket->level > 0;
}

void bucket_pay(struct bucket *bucket, struct relay_rate rate, uint64_t cost, uint64_t now_ms)
{
    if (rate.rate == 0)
        return;
    refill(bucket, rate, now_ms);
    bucket->level -= (int64_t)cost * 1000;
}

bool bucket_take(struct bucket *bucket, struct relay_rate rate, uint64_t cost, uint64_t now_ms)
{
    if (!bucket_open(bucket, rate, now_ms))
        return false;
    bucket_pay(bucket, rate, cost, now_ms);
    return true;
}

static size_t slot_of(const char *text)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return (size_t)(hash % SLOTS);
}

void addresses_release(struct addresses *addresses)
{
    for (size_t i = 0; i < addresses->slot_count; i++)
        for (struct address *address = addresses->slots[i], *next; address; address = next) {
            next = address->next;
            free(address);
        }
    free(addresses->slots);
    *addresses = (struct addresses){0};
}

static struct address *address_new(struct addresses *addresses, size_t slot, const char *text,
                                   const struct relay_limits *limits, uint64_t now_ms)
{
    struct address *address = xcalloc(1, sizeof *address);
    strncpy(address->text, text, sizeof address->text - 1);
    bucket_fill(&address->accepts, limits->address_accepts, now_ms);
    bucket_fill(&address->refusals, limits->address_refusals, now_ms);
    address->day_ms = now_ms;
    address->next = addresses->slots[slot];
    addresses->slots[slot] = address;
    addresses->count++;
    return address;
}

struct address *addresses_get(struct addresses *addresses, const char *text, const struct relay_limits *limits,
                              uint64_t now_ms)
{
    if (!addresses->slots) {
        addresses->slots = xcalloc(SLOTS, sizeof(struct address *));
        addresses->slot_count = SLOTS;
    }
    size_t slot = slot_of(text);
    struct address *address = addresses->slots[slot];
    while (address && strncmp(address->text, text, sizeof address->text - 1) != 0)
        address = address->next;
    if (!address)
        address = address_new(addresses, slot, text, limits, now_ms);
    if (now_ms >= address->day_ms + DAY_MS) {
        address->day_ms = now_ms;
        address->documents = 0;
    }
    address->used_ms = now_ms;
    return address;
}

static bool forgettable(const struct address *address, uint64_t now_ms)
{
    uint64_t kept_ms = address->documents > 0 ? DAY_MS : FORGET_MS;
    return address->connections == 0 && now_ms >= address->used_ms + kept_ms;
}

void addresses_purge(struct addresses *addresses, uint64_t now_ms)
{
    for (size_t i = 0; i < addresses->slot_count; i++)
        for (struct address **at = &addresses->slots[i]; *at;) {
            struct address *address = *at;
            if (!forgettable(address, now_ms)) {
                at = &address->next;
                continue;
            }
            *at = address->next;
            free(address);
            addresses->count--;
        }
}
