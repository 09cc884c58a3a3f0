/*
 * limits - token buckets, and what every address has used of its share.
 *
 * A bucket may go into debt once: whoever still has something in it may send one more thing of any size, and then waits
 * until it is paid. So a large record passes a small bucket, only not often.
 *
 *   Bounds  an address is forgotten when nothing about it matters any more: at most one entry for each connection, each
 *           document created within a day, and each address that came within the time its buckets take to fill.
 */
#ifndef WEFT_SYNC_RELAY_LIMITS_H
#define WEFT_SYNC_RELAY_LIMITS_H

#include "sync/relay/relay.h"

struct bucket {
    int64_t level; /* thousandths of a token */
    uint64_t at_ms;
};

void bucket_fill(struct bucket *bucket, struct relay_rate rate, uint64_t now_ms); /* as a new one: full */
/* Whether there is something in it. */
bool bucket_open(struct bucket *bucket, struct relay_rate rate, uint64_t now_ms);
void bucket_pay(struct bucket *bucket, struct relay_rate rate, uint64_t cost, uint64_t now_ms);
/* bucket_open(), and pays when it is. */
bool bucket_take(struct bucket *bucket, struct relay_rate rate, uint64_t cost, uint64_t now_ms);

struct address {
    struct address *next;
    char text[RELAY_ADDRESS_BYTES_MAX];
    size_t connections;
    struct bucket accepts, refusals;
    uint64_t documents; /* created since day_ms */
    uint64_t day_ms;
};

struct addresses {
    struct address **slots;
    size_t slot_count, count;
};

void addresses_release(struct addresses *addresses);
struct address *addresses_get(struct addresses *addresses, const char *text, const struct relay_limits *limits,
                              uint64_t now_ms);
/* Forgets those without connections, or documents of this day, whose buckets are full again. Pointers to others stay. */
void addresses_purge(struct addresses *addresses, const struct relay_limits *limits, uint64_t now_ms);

#endif
