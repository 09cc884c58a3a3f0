#include "sync/relay/limits.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

enum { SLOTS = 1024, DAY_MS = 24 * 60 * 60 * 1000 };

/* --- the list, as a table --- */

enum limit_kind {
    LIMIT_RATE,
    LIMIT_BYTES_RATE,
    LIMIT_BYTES,
    LIMIT_BYTES_OR_NONE,
    LIMIT_COUNT,
    LIMIT_COUNT_OR_NONE,
    LIMIT_SECONDS,
};

static const struct limit {
    const char *option;
    enum limit_kind kind;
    size_t offset; /* of a struct relay_rate or a uint64_t */
    const char *usual;
} limits_known[] = {
#define LIMIT(option, value, kind, field, usual, help) {option, kind, offsetof(struct relay_limits, field), usual},
#include "sync/relay/limit_list.h"
#undef LIMIT
};
enum { LIMITS = sizeof limits_known / sizeof *limits_known };

static const struct limit *find_limit(const char *option)
{
    for (size_t i = 0; i < LIMITS; i++)
        if (strcmp(limits_known[i].option, option) == 0)
            return &limits_known[i];
    return NULL;
}

/* Where `units` has the letter, which may be small too; NULL: nowhere. */
static const char *find_unit(const char *units, char letter)
{
    char capital = letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
    return strchr(units, capital);
}

/* The number in front of text[len], with a unit where `units` has its letter. Bounded so that no sum of a few overflows. */
static bool parse_number(const char *text, size_t len, const char *units, uint64_t *out)
{
    enum { BITS_MAX = 50 };
    uint64_t number = 0;
    size_t at = 0;
    for (; at < len && text[at] >= '0' && text[at] <= '9' && number >> BITS_MAX == 0; at++)
        number = number * 10 + (uint64_t)(text[at] - '0');
    const char *unit = at > 0 && at + 1 == len ? find_unit(units, text[at]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    *out = number << shift;
    return len > 0 && at + (unit != NULL) == len && number >> BITS_MAX == 0 && number <= UINT64_MAX >> (64 - BITS_MAX) >> shift;
}

#define BYTE_UNITS "KMGT"

static bool parse_rate(const char *text, const char *units, struct relay_rate *rate)
{
    size_t len = strcspn(text, "/");
    if (!parse_number(text, len, units, &rate->rate))
        return false;
    rate->burst = rate->rate;
    return !text[len] || (parse_number(text + len + 1, strlen(text + len + 1), units, &rate->burst) &&
                          rate->burst >= rate->rate);
}

/* How a limit of each kind is written. */
static const struct limit_form {
    bool is_rate;
    const char *units;    /* letters that may stand behind a number */
    uint64_t least, most; /* of what is no rate */
    uint64_t scale;       /* what 1 means in struct relay_limits */
    const char *expected;
} limit_forms[] = {
    [LIMIT_RATE] = {true, "", 0, 0, 1, "a rate a second, and perhaps how much may be saved up: 60 or 60/240; 0: no limit"},
    [LIMIT_BYTES_RATE] = {true, BYTE_UNITS, 0, 0, 1,
                          "bytes a second, and perhaps how many may be saved up: 2M or 2M/72M; 0: no limit"},
    [LIMIT_BYTES] = {false, BYTE_UNITS, 1, UINT64_MAX, 1, "a size above 0, for example 256M"},
    [LIMIT_BYTES_OR_NONE] = {false, BYTE_UNITS, 0, UINT64_MAX, 1, "a size, for example 10G; 0: no limit"},
    [LIMIT_COUNT] = {false, "", 1, UINT64_MAX, 1, "a number above 0"},
    [LIMIT_COUNT_OR_NONE] = {false, "", 0, UINT64_MAX, 1, "a number; 0: no limit"},
    [LIMIT_SECONDS] = {false, "", 1, 86400, 1000, "seconds, from 1 to 86400"},
};

static bool set_rate(const struct limit_form *form, const char *text, void *field)
{
    struct relay_rate rate = {0, 0};
    if (!parse_rate(text, form->units, &rate))
        return false;
    memcpy(field, &rate, sizeof rate);
    return true;
}

static bool set_number(const struct limit_form *form, const char *text, void *field)
{
    uint64_t number = 0;
    if (!parse_number(text, strlen(text), form->units, &number) || number < form->least || number > form->most)
        return false;
    number *= form->scale;
    memcpy(field, &number, sizeof number);
    return true;
}

static bool set_limit(struct relay_limits *limits, const struct limit *limit, const char *text, struct error *err)
{
    const struct limit_form *form = &limit_forms[limit->kind];
    void *field = (char *)limits + limit->offset;
    bool good = form->is_rate ? set_rate(form, text, field) : set_number(form, text, field);
    return good || error_set(err, ERR_USAGE, 0, "%s %s: expected %s", limit->option, text, form->expected);
}

bool relay_limits_know(const char *option)
{
    return find_limit(option) != NULL;
}

bool relay_limits_set(struct relay_limits *limits, const char *option, const char *text, struct error *err)
{
    const struct limit *limit = find_limit(option);
    ensure(limit);
    return set_limit(limits, limit, text, err);
}

struct relay_limits relay_limits_default(void)
{
    struct relay_limits limits = {.documents = 0};
    struct error err = {0};
    for (size_t i = 0; i < LIMITS; i++) {
        bool good = set_limit(&limits, &limits_known[i], limits_known[i].usual, &err);
        ensure(good);
    }
    return limits;
}

struct relay_limits relay_limits_none(void)
{
    struct relay_limits limits = relay_limits_default();
    struct relay_rate free_rate = {0, 0};
    limits.frames = limits.presence = free_rate;
    limits.document_bytes = limits.document_records = free_rate;
    limits.address_accepts = limits.address_refusals = free_rate;
    limits.connections = limits.document_connections = limits.address_connections = UINT64_MAX;
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
    return address;
}

static bool is_full(struct bucket *bucket, struct relay_rate rate, uint64_t now_ms)
{
    return bucket_open(bucket, rate, now_ms) && (rate.rate == 0 || bucket->level == (int64_t)rate.burst * 1000);
}

static bool forgettable(struct address *address, const struct relay_limits *limits, uint64_t now_ms)
{
    return address->connections == 0 && (address->documents == 0 || now_ms >= address->day_ms + DAY_MS) &&
           is_full(&address->accepts, limits->address_accepts, now_ms) &&
           is_full(&address->refusals, limits->address_refusals, now_ms);
}

void addresses_purge(struct addresses *addresses, const struct relay_limits *limits, uint64_t now_ms)
{
    for (size_t i = 0; i < addresses->slot_count; i++)
        for (struct address **at = &addresses->slots[i]; *at;) {
            struct address *address = *at;
            if (!forgettable(address, limits, now_ms)) {
                at = &address->next;
                continue;
            }
            *at = address->next;
            free(address);
            addresses->count--;
        }
}
