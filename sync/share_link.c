#include "sync/share_link.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "sync/base64url.h"

enum { CHECK_BYTES = 3, PORT_MAX = 65535 };

struct scheme {
    const char *spelling;
    bool tls;
};

/* The first of each kind is how it is written. */
static const struct scheme schemes[] = {
    {"weft", true}, {"weft+ws", false}, {"wss", true}, {"https", true}, {"ws", false}, {"http", false},
};

void share_link_wipe(struct share_link *link)
{
    crypto_wipe(link, sizeof *link);
}

void share_link_pin_of(const struct sign_public *relay_key, struct relay_pin *out)
{
    crypto_blake2b_128(bytes_of(relay_key->bytes, sizeof relay_key->bytes), out->bytes);
}

void share_link_keys(const struct share_link *link, struct doc_keys *keys)
{
    doc_keys_from_link(keys, &link->doc, link->access, link->seed);
}

/* --- writing --- */

/* CRC-24 of RFC 4880, 6.1: a code, not a hash, because it misses no single slip. */
static uint32_t crc24(struct bytes text)
{
    uint32_t crc = 0xb704ce;
    for (size_t i = 0; i < text.len; i++) {
        crc ^= (uint32_t)text.data[i] << 16;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x800000 ? crc << 1 ^ 0x1864cfb : crc << 1;
    }
    return crc & 0xffffff;
}

static void check_of(struct bytes text, unsigned char out[CHECK_BYTES])
{
    uint32_t crc = crc24(text);
    out[0] = (unsigned char)(crc >> 16);
    out[1] = (unsigned char)(crc >> 8);
    out[2] = (unsigned char)crc;
}

static unsigned default_port(bool tls)
{
    return tls ? SHARE_LINK_PORT_TLS : SHARE_LINK_PORT_PLAIN;
}

static void format_addresses(const struct share_link *link, struct buf *out)
{
    buf_add_string(out, link->tls ? "weft://" : "weft+ws://");
    for (size_t i = 0; i < link->host_count; i++) {
        const struct share_host *host = &link->hosts[i];
        buf_addf(out, strchr(host->name, ':') ? "%s[%s]" : "%s%s", i ? "," : "", host->name);
        if (host->port != default_port(link->tls))
            buf_addf(out, ":%u", host->port);
    }
    buf_add_byte(out, '/');
}

static char access_letter(enum access access)
{
    switch (access) {
    case ACCESS_READ:
        return 'r';
    case ACCESS_WRITE:
        return 'w';
    case ACCESS_ADMIN:
        return 'a';
    }
    ensure(false);
    return 0;
}

void share_link_format(const struct share_link *link, struct buf *out)
{
    ensure(link->host_count > 0 && link->host_count <= SHARE_LINK_HOSTS_MAX);
    size_t start = out->len;
    format_addresses(link, out);
    base64url_add(out, link->doc.bytes, sizeof link->doc.bytes);
    buf_addf(out, "#%c.", access_letter(link->access));
    base64url_add(out, link->seed, sizeof link->seed);
    if (link->pinned) {
        buf_add_byte(out, '.');
        base64url_add(out, link->pin.bytes, sizeof link->pin.bytes);
    }
    unsigned char check[CHECK_BYTES];
    check_of(bytes_of(out->data + start, out->len - start), check);
    buf_add_byte(out, '.');
    base64url_add(out, check, sizeof check);
}

/* A link has no quote in it: hosts are checked when they are read. */
void share_link_format_quoted(const struct share_link *link, struct buf *out)
{
    buf_add_byte(out, '\'');
    share_link_format(link, out);
    buf_add_byte(out, '\'');
}

/* --- what links pick up on their way --- */

static bool starts_with(struct bytes text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static bool ends_with(struct bytes text, const char *suffix)
{
    size_t len = strlen(suffix);
    return text.len >= len && memcmp(text.data + text.len - len, suffix, len) == 0;
}

/* How long the blank at the start of `text` is: white space, no-break space, zero-width space and joiner, byte order
 * mark. */
static size_t blank_len(struct bytes text)
{
    static const char *const wide[] = {"\xc2\xa0", "\xe2\x80\x8b", "\xe2\x81\xa0", "\xef\xbb\xbf"};
    if (text.data[0] == ' ' || (text.data[0] >= '\t' && text.data[0] <= '\r'))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (starts_with(text, wide[i]))
            return strlen(wide[i]);
    return 0;
}

static void add_without_blanks(struct bytes text, struct buf *out)
{
    for (size_t at = 0; at < text.len;) {
        struct bytes rest = bytes_slice(text, at, text.len - at);
        size_t blank = blank_len(rest);
        if (blank == 0)
            buf_add_byte(out, rest.data[0]);
        at += blank ? blank : 1;
    }
}

static bool drop_one_before(struct bytes *text)
{
    static const char *const before[] = {
        "<", "(", "[", "\"", "'", "`", "\xe2\x80\x9c", "\xe2\x80\x98", "\xe2\x80\x9e", "\xc2\xab", "weftjoin"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t len = strlen(before[i]);
        if (starts_with(*text, before[i])) {
            *text = bytes_slice(*text, len, text->len - len);
            return true;
        }
    }
    return false;
}

static bool drop_one_behind(struct bytes *text)
{
    static const char *const behind[] = {">",
                                         ")",
                                         "]",
                                         "\"",
                                         "'",
                                         "`",
                                         ".",
                                         ",",
                                         ";",
                                         ":",
                                         "!",
                                         "?",
                                         "\xe2\x80\x9d",
                                         "\xe2\x80\x99",
                                         "\xe2\x80\x9c",
                                         "\xc2\xbb"};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        if (ends_with(*text, behind[i])) {
            *text = bytes_slice(*text, 0, text->len - strlen(behind[i]));
            return true;
        }
    }
    return false;
}

static struct bytes without_wrapping(struct bytes text)
{
    while (drop_one_before(&text))
        continue;
    while (drop_one_behind(&text))
        continue;
    return text;
}

/* --- reading --- */

static bool damaged(struct error *err)
{
    return error_set(err, ERR_FORMAT, 0, "This link is damaged (a character is missing or changed); ask for it again.");
}

static bool not_a_link(struct error *err)
{
    return error_set(err, ERR_USAGE, 0, "That is not a link to a document: links begin with weft:// or weft+ws://.");
}

static bool lacks_key(struct error *err)
{
    return error_set(err, ERR_FORMAT, 0, "This link is cut off: the part behind # is missing, and that is the key. Copy the "
                                         "whole link, or ask for it again.");
}

/* Takes the part in front of the first `separator` off *text, which then begins behind it. False: there is none. */
static bool take_until(struct bytes *text, char separator, struct bytes *part)
{
    const unsigned char *at = text->len ? memchr(text->data, separator, text->len) : NULL;
    if (!at)
        return false;
    size_t len = (size_t)(at - text->data);
    *part = bytes_slice(*text, 0, len);
    *text = bytes_slice(*text, len + 1, text->len - len - 1);
    return true;
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static bool same_letters(struct bytes text, const char *word)
{
    size_t i = 0;
    while (i < text.len && word[i] && lower(text.data[i]) == (unsigned char)word[i])
        i++;
    return i == text.len && !word[i];
}

static bool parse_scheme(struct bytes *text, bool *tls)
{
    struct bytes word;
    if (!take_until(text, ':', &word) || !starts_with(*text, "//"))
        return false;
    *text = bytes_slice(*text, 2, text->len - 2);
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (same_letters(word, schemes[i].spelling)) {
            *tls = schemes[i].tls;
            return true;
        }
    }
    return false;
}

/* One spelling only, so that the checksum is over one text: no sign, no leading zero. */
static bool parse_port(struct bytes text, unsigned *port)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5 || text.data[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + text.data[i] - '0';
    }
    *port = value;
    return value <= PORT_MAX;
}

static bool parse_name(struct bytes text, char name[SHARE_LINK_HOST_BYTES_MAX + 1])
{
    if (text.len == 0 || text.len > SHARE_LINK_HOST_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = lower(text.data[i]);
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (!good)
            return false;
        name[i] = (char)c;
    }
    name[text.len] = '\0';
    return true;
}

/* Written back by the system: an IPv6 address has many spellings. */
static bool parse_ipv6(struct bytes text, char name[SHARE_LINK_HOST_BYTES_MAX + 1])
{
    char given[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.len == 0 || text.len >= sizeof given || memchr(text.data, '\0', text.len))
        return false;
    memcpy(given, text.data, text.len);
    given[text.len] = '\0';
    return inet_pton(AF_INET6, given, &address) == 1 && inet_ntop(AF_INET6, &address, name, INET6_ADDRSTRLEN);
}

static bool read_host(struct bytes text, unsigned port_default, struct share_host *host)
{
    struct bytes name;
    bool ipv6 = starts_with(text, "[");
    bool has_port;
    if (ipv6) {
        text = bytes_slice(text, 1, text.len - 1);
        if (!take_until(&text, ']', &name))
            return false;
        has_port = text.len > 0;
        if (has_port && text.data[0] != ':')
            return false;
        if (has_port)
            text = bytes_slice(text, 1, text.len - 1);
    } else {
        has_port = take_until(&text, ':', &name);
        if (!has_port)
            name = text;
    }
    host->port = port_default;
    if (has_port && !parse_port(text, &host->port))
        return false;
    return ipv6 ? parse_ipv6(name, host->name) : parse_name(name, host->name);
}

bool share_host_parse(struct bytes text, unsigned port_default, struct share_host *host, struct error *err)
{
    if (read_host(text, port_default, host))
        return true;
    return error_set(err, ERR_USAGE, 0, "that is not an address: write HOST, HOST:PORT or [IPV6]:PORT");
}

static bool parse_hosts(struct bytes text, struct share_link *link)
{
    bool more = true;
    while (more) {
        struct bytes one;
        more = take_until(&text, ',', &one);
        if (!more)
            one = text;
        if (link->host_count == SHARE_LINK_HOSTS_MAX ||
            !read_host(one, default_port(link->tls), &link->hosts[link->host_count++]))
            return false;
    }
    return true;
}

/* Whether `check` is that of the link as it would be written: the hosts as read, the rest letter by letter. */
static bool check_holds(const struct share_link *link, struct bytes doc, struct bytes fields, struct bytes check)
{
    unsigned char given[CHECK_BYTES], computed[CHECK_BYTES];
    struct buf text = {0};
    format_addresses(link, &text);
    buf_add_bytes(&text, doc);
    buf_add_byte(&text, '#');
    buf_add_bytes(&text, fields);
    check_of(buf_view(&text), computed);
    crypto_wipe(text.data, text.len);
    buf_release(&text);
    return base64url_read(check, given, sizeof given) && memcmp(given, computed, sizeof given) == 0;
}

static bool parse_access(struct bytes letter, enum access *access)
{
    for (int candidate = ACCESS_READ; candidate <= ACCESS_ADMIN; candidate++) {
        if (letter.len == 1 && (char)letter.data[0] == access_letter((enum access)candidate)) {
            *access = (enum access)candidate;
            return true;
        }
    }
    return false;
}

/* ACCESS.SEED[.PIN], the checksum being good: what does not fit now was written so by a later weft. */
static bool parse_fields(struct bytes fields, struct share_link *link)
{
    struct bytes access, seed;
    if (!take_until(&fields, '.', &access) || !parse_access(access, &link->access))
        return false;
    link->pinned = take_until(&fields, '.', &seed);
    if (!link->pinned)
        seed = fields;
    return base64url_read(seed, link->seed, sizeof link->seed) &&
           (!link->pinned || base64url_read(fields, link->pin.bytes, sizeof link->pin.bytes));
}

/* Where the last field of a fragment begins. */
static size_t last_field(struct bytes fragment)
{
    size_t at = fragment.len;
    while (at > 0 && fragment.data[at - 1] != '.')
        at--;
    return at;
}

static bool parse_fragment(struct bytes doc, struct bytes fragment, struct share_link *link, struct error *err)
{
    size_t check_at = last_field(fragment);
    if (check_at == 0)
        return damaged(err);
    struct bytes fields = bytes_slice(fragment, 0, check_at - 1);
    struct bytes check = bytes_slice(fragment, check_at, fragment.len - check_at);
    if (!base64url_read(doc, link->doc.bytes, sizeof link->doc.bytes) || !check_holds(link, doc, fields, check))
        return damaged(err);
    if (!parse_fields(fields, link))
        return error_set(err, ERR_NEWER, 0, "This link is of a kind that this weft does not know; update weft.");
    return true;
}

/* An admin seed names its document by itself; a link that says otherwise was made to mislead. */
static bool doc_fits_seed(const struct share_link *link, struct error *err)
{
    if (link->access != ACCESS_ADMIN)
        return true;
    struct doc_keys keys;
    share_link_keys(link, &keys);
    bool fits = doc_id_equal(&keys.doc, &link->doc);
    doc_keys_wipe(&keys);
    return fits || error_set(err, ERR_AUTH, 0, "This link names a document that its key does not belong to.");
}

/* Without anything behind #: of one of our own schemes, or with a document's id where the page of a web address would be. */
static bool refuse_without_key(struct bytes text, struct error *err)
{
    struct doc_id doc;
    struct bytes hosts;
    bool begins_so = text.len >= 4 && same_letters(bytes_slice(text, 0, 4), "weft"), tls;
    bool has_scheme = parse_scheme(&text, &tls);
    bool has_id = has_scheme && take_until(&text, '/', &hosts) && base64url_read(text, doc.bytes, sizeof doc.bytes);
    return has_id || (has_scheme && begins_so) ? lacks_key(err) : not_a_link(err);
}

static bool parse_clean(struct bytes text, struct share_link *link, struct error *err)
{
    struct bytes front = text, hosts, doc;
    if (text.len == 0)
        return not_a_link(err);
    if (!take_until(&text, '#', &front) || text.len == 0)
        return refuse_without_key(front, err);
    if (!parse_scheme(&front, &link->tls) || !take_until(&front, '/', &hosts) || !parse_hosts(hosts, link))
        return damaged(err);
    doc = front;
    return parse_fragment(doc, text, link, err) && doc_fits_seed(link, err);
}

bool share_link_parse(struct bytes text, struct share_link *link, struct error *err)
{
    *link = (struct share_link){0};
    if (text.len > SHARE_LINK_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "That is too long for a link (%zu characters).", text.len);
    struct buf clean = {0};
    add_without_blanks(text, &clean);
    bool good = parse_clean(without_wrapping(buf_view(&clean)), link, err);
    if (clean.len)
        crypto_wipe(clean.data, clean.len);
    buf_release(&clean);
    if (!good)
        share_link_wipe(link);
    return good;
}

/* --- who may be reached in the clear --- */

static bool ipv4_is_private(uint32_t address)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } nets[] = {
        {0x7f000000, 8},  /* 127.0.0.0, loopback */
        {0x0a000000, 8},  /* 10.0.0.0 */
        {0xac100000, 12}, /* 172.16.0.0 */
        {0xc0a80000, 16}, /* 192.168.0.0 */
        {0xa9fe0000, 16}, /* 169.254.0.0, link-local */
        {0x64400000, 10}, /* 100.64.0.0, a provider's or an overlay's own */
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if ((address ^ nets[i].net) >> (32 - nets[i].bits) == 0)
            return true;
    return false;
}

static bool ipv6_is_private(const struct in6_addr *address)
{
    const unsigned char *bytes = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address))
        return ipv4_is_private((uint32_t)bytes[12] << 24 | (uint32_t)bytes[13] << 16 | (uint32_t)bytes[14] << 8 |
                               bytes[15]);
    return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_LINKLOCAL(address) || (bytes[0] & 0xfe) == 0xfc;
}

/* Names that cannot leave the machine or the network: RFC 6761 (localhost), RFC 6762 (.local). */
static bool name_is_private(const char *name)
{
    struct bytes text = bytes_of_string(name);
    return strcmp(name, "localhost") == 0 || ends_with(text, ".localhost") || ends_with(text, ".local");
}

bool share_host_is_private(const struct share_host *host)
{
    struct in_addr ipv4;
    struct in6_addr ipv6;
    if (inet_pton(AF_INET, host->name, &ipv4) == 1)
        return ipv4_is_private(ntohl(ipv4.s_addr));
    if (inet_pton(AF_INET6, host->name, &ipv6) == 1)
        return ipv6_is_private(&ipv6);
    return name_is_private(host->name);
}

bool share_link_needs_insecure(const struct share_link *link)
{
    if (link->tls || link->pinned)
        return false;
    for (size_t i = 0; i < link->host_count; i++)
        if (!share_host_is_private(&link->hosts[i]))
            return true;
    return false;
}
