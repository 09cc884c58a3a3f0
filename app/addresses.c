#include "app/addresses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

#define PIN_FLAG "pin="
#define MOVED_FLAG "moved="

/* A relay's place in the form all others are made of: a share link without its document. */
static bool parse_scheme(const char **text, bool *tls)
{
    static const struct {
        const char *prefix;
        bool tls;
    } schemes[] = {{"wss://", true},  {"https://", true},     {"weft://", true},
                   {"ws://", false},  {"http://", false},     {"weft+ws://", false}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i].prefix);
        if (strncmp(*text, schemes[i].prefix, len) == 0) {
            *tls = schemes[i].tls;
            *text += len;
            return true;
        }
    }
    return false;
}

static bool parse_place(const char *text, struct share_link *place, struct error *err)
{
    const char *at = text;
    *place = (struct share_link){0};
    if (!parse_scheme(&at, &place->tls))
        return error_set(err, ERR_USAGE, 0, "%s is no relay's address; write wss://HOST, or ws://HOST:PORT for this machine "
                                            "or a private network", text);
    size_t len = strcspn(at, "/#?");
    for (const char *end = at + len; at < end;) {
        size_t host_len = strcspn(at, ",/#?");
        if (place->host_count == SHARE_LINK_HOSTS_MAX)
            return error_set(err, ERR_LIMIT, 0, "%s names more than %d hosts", text, SHARE_LINK_HOSTS_MAX);
        if (!share_host_parse(bytes_of(at, host_len), place->tls ? SHARE_LINK_PORT_TLS : SHARE_LINK_PORT_PLAIN,
                              &place->hosts[place->host_count++], err))
            return error_wrap(err, "%s", text);
        at += host_len;
        at += *at == ',';
    }
    if (place->host_count == 0)
        return error_set(err, ERR_USAGE, 0, "%s names no host", text);
    return true;
}

static void write_host(const struct share_host *host, bool tls, struct buf *out)
{
    bool is_ipv6 = strchr(host->name, ':') != NULL;
    unsigned usual = tls ? SHARE_LINK_PORT_TLS : SHARE_LINK_PORT_PLAIN;
    buf_addf(out, is_ipv6 ? "[%s]" : "%s", host->name);
    if (host->port != usual)
        buf_addf(out, ":%u", host->port);
}

static char *write_place(const struct share_link *place)
{
    struct buf out = {0};
    buf_add_string(&out, place->tls ? "wss://" : "ws://");
    for (size_t i = 0; i < place->host_count; i++) {
        if (i)
            buf_add_byte(&out, ',');
        write_host(&place->hosts[i], place->tls, &out);
    }
    char *text = xstrdup(buf_string(&out));
    buf_release(&out);
    return text;
}

static void fill_addresses(const struct share_link *place, bool insecure, struct addresses *out)
{
    *out = (struct addresses){.count = place->host_count, .pinned = place->pinned};
    memcpy(out->relay_pin, place->pin.bytes, sizeof out->relay_pin);
    for (size_t i = 0; i < place->host_count; i++) {
        struct link_address *address = &out->items[i];
        address->scheme = place->tls ? LINK_TLS : LINK_PLAIN;
        snprintf(address->host, sizeof address->host, "%s", place->hosts[i].name);
        address->port = place->hosts[i].port;
        address->insecure = insecure || (place->tls && place->pinned);
    }
}

static bool check_plain(const struct share_link *place, bool insecure, const char *text, struct error *err)
{
    if (insecure || !share_link_needs_insecure(place))
        return true;
    return error_set(err, ERR_USAGE, 0, "%s is not encrypted on the way and not in a private network: others could see who "
                                        "writes and when, though not what; use wss://, or --insecure", text);
}

bool addresses_parse(const char *text, bool insecure, struct addresses *out, char **written, struct error *err)
{
    struct share_link place = {0};
    if (!parse_place(text, &place, err) || !check_plain(&place, insecure, text, err))
        return false;
    fill_addresses(&place, insecure, out);
    if (written)
        *written = write_place(&place);
    return true;
}

static bool read_pin(const char *flags, struct share_link *place)
{
    const char *at = flags ? strstr(flags, PIN_FLAG) : NULL;
    if (!at)
        return false;
    at += strlen(PIN_FLAG);
    for (size_t i = 0; i < sizeof place->pin.bytes; i++) {
        unsigned byte;
        if (sscanf(at + 2 * i, "%2x", &byte) != 1)
            return false;
        place->pin.bytes[i] = (unsigned char)byte;
    }
    return true;
}

static bool place_of_entry(const struct doc_entry *entry, struct share_link *place, struct error *err)
{
    if (!entry->relay)
        return error_set(err, ERR_MISSING, 0, "no relay is known for this document");
    if (!parse_place(entry->relay, place, err))
        return false;
    place->pinned = read_pin(entry->relay_flags, place);
    return true;
}

bool addresses_of_entry(const struct doc_entry *entry, bool insecure, struct addresses *out, struct error *err)
{
    struct share_link place = {0};
    if (!place_of_entry(entry, &place, err) || !check_plain(&place, insecure, entry->relay, err))
        return false;
    fill_addresses(&place, insecure, out);
    return true;
}

uint64_t addresses_moved_s(const struct doc_entry *entry)
{
    const char *at = entry->relay_flags ? strstr(entry->relay_flags, MOVED_FLAG) : NULL;
    return at ? strtoull(at + strlen(MOVED_FLAG), NULL, 10) : 0;
}

static void write_flags(struct doc_entry *entry, const struct relay_pin *pin, uint64_t moved_s)
{
    struct buf flags = {0};
    if (pin) {
        char hex[2 * sizeof pin->bytes + 1];
        id_hex(pin->bytes, sizeof pin->bytes, hex);
        buf_addf(&flags, PIN_FLAG "%s", hex);
    }
    if (moved_s)
        buf_addf(&flags, "%s" MOVED_FLAG "%llu", flags.len ? " " : "", (unsigned long long)moved_s);
    free(entry->relay_flags);
    entry->relay_flags = flags.len ? xstrdup(buf_string(&flags)) : NULL;
    buf_release(&flags);
}

void addresses_move(struct doc_entry *entry, const char *place, uint64_t moved_s)
{
    struct share_link pinned = {0};
    size_t len = strcspn(place, " ");
    pinned.pinned = read_pin(place + len, &pinned);
    free(entry->relay);
    entry->relay = xstrndup(place, len);
    write_flags(entry, pinned.pinned ? &pinned.pin : NULL, moved_s);
}

void addresses_place(const struct doc_entry *entry, struct buf *out)
{
    struct share_link pinned = {0};
    buf_addf(out, "%s", entry->relay);
    if (!read_pin(entry->relay_flags, &pinned))
        return;
    char hex[2 * sizeof pinned.pin.bytes + 1];
    id_hex(pinned.pin.bytes, sizeof pinned.pin.bytes, hex);
    buf_addf(out, " " PIN_FLAG "%s", hex);
}

void addresses_keep_link(struct doc_entry *entry, const struct share_link *link)
{
    free(entry->relay);
    free(entry->relay_flags);
    entry->relay = write_place(link);
    entry->relay_flags = NULL;
    if (link->pinned)
        write_flags(entry, &link->pin, 0);
}

bool addresses_want_pin(const struct doc_entry *entry, bool insecure)
{
    struct share_link place = {0};
    struct error err = {0};
    return insecure && place_of_entry(entry, &place, &err) && !place.pinned &&
           (place.tls || share_link_needs_insecure(&place));
}

void addresses_keep_pin(struct doc_entry *entry, const struct sign_public *relay_key)
{
    struct relay_pin pin;
    share_link_pin_of(relay_key, &pin);
    write_flags(entry, &pin, addresses_moved_s(entry));
}

char *addresses_link(const struct doc_entry *entry, enum access access)
{
    struct share_link link = {0};
    struct error err = {0};
    struct buf out = {0};
    if (!place_of_entry(entry, &link, &err))
        return NULL;
    link.doc = entry->doc;
    link.access = access;
    const struct doc_keys *keys = &entry->keys;
    const unsigned char *seeds[] = {[ACCESS_READ] = keys->read_seed, [ACCESS_WRITE] = keys->write_seed,
                                    [ACCESS_ADMIN] = keys->admin_seed};
    memcpy(link.seed, seeds[access], sizeof link.seed);
    share_link_format(&link, &out);
    char *text = xstrdup(buf_string(&out));
    crypto_wipe(out.data, out.len);
    buf_release(&out);
    share_link_wipe(&link);
    return text;
}

char *addresses_name(const struct doc_entry *entry)
{
    struct share_link place = {0};
    struct error err = {0};
    struct buf out = {0};
    if (!place_of_entry(entry, &place, &err))
        return xstrdup("the relay");
    write_host(&place.hosts[0], place.tls, &out);
    char *text = xstrdup(buf_string(&out));
    buf_release(&out);
    return text;
}
