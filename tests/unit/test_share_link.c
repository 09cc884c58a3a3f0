/* Share links: what is written is read, whatever happened to it on its way; what was damaged is noticed. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/base64url.h"
#include "sync/share_link.h"

static const char damaged[] = "This link is damaged (a character is missing or changed); ask for it again.";
static const char cut_off[] = "This link is cut off: the part behind # is missing, and that is the key. Copy the whole link, or ask for it "
                              "again.";

static struct share_link sample_link(void)
{
    struct share_link link = {.tls = true, .host_count = 1, .access = ACCESS_WRITE};
    strcpy(link.hosts[0].name, "relay.example");
    link.hosts[0].port = 443;
    for (size_t i = 0; i < sizeof link.doc.bytes; i++)
        link.doc.bytes[i] = (unsigned char)(0x40 + i);
    for (size_t i = 0; i < sizeof link.seed; i++)
        link.seed[i] = (unsigned char)(0xf0 - 7 * i);
    return link;
}

static void expect_same_link(const struct share_link *a, const struct share_link *b)
{
    assert_int_equal(a->tls, b->tls);
    assert_int_equal(a->host_count, b->host_count);
    for (size_t i = 0; i < a->host_count; i++) {
        assert_string_equal(a->hosts[i].name, b->hosts[i].name);
        assert_int_equal(a->hosts[i].port, b->hosts[i].port);
    }
    assert_true(doc_id_equal(&a->doc, &b->doc));
    assert_int_equal(a->access, b->access);
    assert_memory_equal(a->seed, b->seed, sizeof a->seed);
    assert_int_equal(a->pinned, b->pinned);
    assert_memory_equal(&a->pin, &b->pin, sizeof a->pin);
}

static void expect_reads_as(const char *text, const struct share_link *want)
{
    struct share_link link;
    struct error err = {0};
    if (!share_link_parse(bytes_of_string(text), &link, &err))
        fail_msg("%s: %s", text, err.text);
    expect_same_link(&link, want);
}

/* --- base64url --- */

static void letters_are_those_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct buf text = {0};
        char back[8] = {0};
        size_t len = strlen(vectors[i][0]);
        base64url_add(&text, vectors[i][0], len);
        assert_string_equal(buf_string(&text), vectors[i][1]);
        assert_true(base64url_read(buf_view(&text), back, len));
        assert_string_equal(back, vectors[i][0]);
        buf_release(&text);
    }
}

static void letters_that_are_not_canonical_are_refused(void **state)
{
    (void)state;
    char out[4];
    assert_false(base64url_read(bytes_of_string("Zh"), out, 1)); /* four bits left over, not zero */
    assert_false(base64url_read(bytes_of_string("Zm9"), out, 2));
    assert_false(base64url_read(bytes_of_string("Zg=="), out, 1));
    assert_false(base64url_read(bytes_of_string("Zm9v"), out, 2));
    assert_false(base64url_read(bytes_of_string("Zm+v"), out, 3));
    assert_false(base64url_read(bytes_of_string("Zm/v"), out, 3));
    assert_false(base64url_read(bytes_of_string("Zm 9"), out, 3));
}

/* --- form --- */

static void a_link_looks_as_documented(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    struct buf text = {0};
    share_link_format(&link, &text);
    assert_string_equal(buf_string(&text), "weft://relay.example/QEFCQ0RFRkdISUpLTE1OTw#w.8Oni29TNxr-4saqjnJWOhw.08Jj");
    buf_clear(&text);
    share_link_format_quoted(&link, &text);
    assert_int_equal(text.data[0], '\'');
    assert_int_equal(text.data[text.len - 1], '\'');
    buf_release(&text);
}

static void every_kind_of_link_survives_the_trip(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    struct buf text = {0};
    for (int variant = 0; variant < 16; variant++) {
        link.tls = variant & 1;
        link.access = variant & 2 ? ACCESS_READ : ACCESS_WRITE;
        link.pinned = variant & 4;
        memset(&link.pin, link.pinned ? 0x5a : 0, sizeof link.pin);
        link.host_count = variant & 8 ? 4 : 1;
        link.hosts[0].port = variant & 1 ? 443 : 80;
        link.hosts[1] = (struct share_host){"192.168.1.20", 7717};
        link.hosts[2] = (struct share_host){"::1", 7717};
        link.hosts[3] = (struct share_host){"2001:db8::5", 443};
        buf_clear(&text);
        share_link_format(&link, &text);
        expect_reads_as(buf_string(&text), &link);
        buf_clear(&text);
        share_link_format_quoted(&link, &text);
        expect_reads_as(buf_string(&text), &link);
    }
    buf_release(&text);
}

static void an_admin_link_must_name_its_own_document(void **state)
{
    (void)state;
    struct doc_keys keys, back;
    struct share_link link = sample_link(), read;
    struct buf text = {0};
    struct error err = {0};
    doc_keys_new(&keys);
    link.access = ACCESS_ADMIN;
    link.doc = keys.doc;
    memcpy(link.seed, doc_keys_seed(&keys, ACCESS_ADMIN), sizeof link.seed);
    share_link_format(&link, &text);
    assert_true(share_link_parse(buf_view(&text), &read, &err));
    share_link_keys(&read, &back);
    assert_memory_equal(&back, &keys, sizeof keys);

    link.doc.bytes[0] ^= 1;
    buf_clear(&text);
    share_link_format(&link, &text);
    assert_false(share_link_parse(buf_view(&text), &read, &err));
    assert_int_equal(err.code, ERR_AUTH);
    buf_release(&text);
}

/* --- how links travel: %s is the link --- */

static void what_travel_adds_is_dropped(void **state)
{
    (void)state;
    static const char *const wrappings[] = {
        "%s",
        "  %s\n",
        "<%s>",
        "'%s'",
        "\"%s\"",
        "`%s`",
        "(%s)",
        "[%s]",
        "%s.",
        "%s,",
        "<%s>.",
        "('%s').",
        "weft join '%s'",
        "weft join %s\n",
        "\xe2\x80\x9c%s\xe2\x80\x9d",
        "\xc2\xab%s\xc2\xbb",
        "\xef\xbb\xbf%s",
        "\xe2\x80\x8b%s",
        "%s\xc2\xa0",
        "\t<%s>;\r\n",
    };
    struct share_link link = sample_link();
    struct buf text = {0};
    share_link_format(&link, &text);
    for (size_t i = 0; i < sizeof wrappings / sizeof *wrappings; i++) {
        char wrapped[512];
        const char *hole = strstr(wrappings[i], "%s");
        snprintf(wrapped, sizeof wrapped, "%.*s%s%s", (int)(hole - wrappings[i]), wrappings[i], buf_string(&text),
                 hole + 2);
        expect_reads_as(wrapped, &link);
    }
    buf_release(&text);
}

static void a_link_may_be_broken_anywhere(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    struct buf text = {0};
    share_link_format(&link, &text);
    for (size_t at = 0; at <= text.len; at++) {
        char broken[256];
        snprintf(broken, sizeof broken, "%.*s\r\n    %s", (int)at, buf_string(&text), buf_string(&text) + at);
        expect_reads_as(broken, &link);
    }
    buf_release(&text);
}

static void other_spellings_of_the_scheme_and_host_are_understood(void **state)
{
    (void)state;
    static const struct {
        bool tls;
        const char *scheme;
    } spellings[] = {{true, "weft"},     {true, "WEFT"}, {true, "wss"},  {true, "https"},
                     {false, "weft+ws"}, {false, "ws"},  {false, "http"}};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct share_link link = sample_link();
        struct buf text = {0};
        char spelled[256];
        link.tls = spellings[i].tls;
        link.hosts[0].port = 7717;
        share_link_format(&link, &text);
        const char *rest = strstr(buf_string(&text), "relay.example");
        assert_non_null(rest);
        snprintf(spelled, sizeof spelled, "%s://Relay.EXAMPLE%s", spellings[i].scheme, rest + strlen("relay.example"));
        expect_reads_as(spelled, &link);
        buf_release(&text);
    }
}

/* --- damage --- */

static bool is_noticed(const char *text, size_t len)
{
    struct share_link link, zero = {0};
    struct error err = {0};
    if (share_link_parse(bytes_of(text, len), &link, &err))
        return false;
    assert_memory_equal(&link, &zero, sizeof link);
    const char *fragment = memchr(text, '#', len);
    bool is_cut = !fragment || (size_t)(fragment - text) + 1 == len;
    return strcmp(err.text, is_cut ? cut_off : damaged) == 0;
}

static struct share_link random_link(struct random *random)
{
    struct share_link link = sample_link();
    link.tls = random_chance(random, 2);
    link.pinned = random_chance(random, 2);
    link.access = random_chance(random, 2) ? ACCESS_READ : ACCESS_WRITE;
    link.host_count = 1 + random_below(random, 3);
    for (size_t i = 0; i < link.host_count; i++) {
        struct share_host *host = &link.hosts[i];
        snprintf(host->name, sizeof host->name, i == 2 ? "fd00::%x" : "host-%x.example",
                 (unsigned)random_below(random, 0xffff) + 1);
        host->port = (unsigned)random_below(random, 65535) + 1;
    }
    for (size_t i = 0; i < sizeof link.seed; i++) {
        link.doc.bytes[i] = (unsigned char)random_next(random);
        link.seed[i] = (unsigned char)random_next(random);
        link.pin.bytes[i] = (unsigned char)random_next(random);
    }
    return link;
}

/* A host's letters in capitals are the same host; what travel adds is the same link. */
static bool means_the_same(char was, char is)
{
    bool letter = (was >= 'a' && was <= 'z') || (was >= 'A' && was <= 'Z');
    return letter && (was ^ is) == 0x20;
}

static void expect_changes_noticed(char *text, size_t len)
{
    static const char others[] = "aZ09-_./:#,@+%=~[]";
    size_t fragment = (size_t)(strchr(text, '/') - text) + 2; /* behind the scheme */
    fragment = (size_t)(strchr(text + fragment, '/') - text);
    for (size_t at = 0; at < len; at++) {
        char was = text[at];
        for (size_t i = 0; i < sizeof others + 1; i++) {
            char is = i < sizeof others - 1 ? others[i] : (char)(was ^ (i == sizeof others ? 1 : 0x20));
            if (is == was || (at < fragment && means_the_same(was, is)))
                continue;
            text[at] = is;
            if (!is_noticed(text, len))
                fail_msg("not noticed: %s with %c for %c at %zu", text, is, was, at);
            text[at] = was;
        }
    }
}

static void expect_drops_and_swaps_noticed(const char *text, size_t len)
{
    char changed[512];
    for (size_t at = 0; at < len; at++) {
        memcpy(changed, text, at);
        memcpy(changed + at, text + at + 1, len - at - 1);
        assert_true(is_noticed(changed, len - 1));
        if (at + 1 == len || text[at] == text[at + 1])
            continue;
        memcpy(changed, text, len);
        changed[at] = text[at + 1];
        changed[at + 1] = text[at];
        assert_true(is_noticed(changed, len));
    }
    for (size_t cut = strlen("weft+ws://"); cut < len; cut++)
        assert_true(is_noticed(text, cut));
}

static void every_changed_dropped_or_swapped_character_is_noticed(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("every_changed_dropped_or_swapped_character_is_noticed", 5));
    uint64_t rounds = support_rounds(20);
    for (uint64_t round = 0; round < rounds; round++) {
        struct share_link link = random_link(&random);
        struct buf text = {0};
        char copy[512];
        share_link_format(&link, &text);
        assert_true(text.len < sizeof copy);
        memcpy(copy, buf_string(&text), text.len + 1);
        expect_changes_noticed(copy, text.len);
        expect_drops_and_swaps_noticed(copy, text.len);
        buf_release(&text);
    }
}

static void what_is_no_link_is_called_that(void **state)
{
    (void)state;
    static const char *const texts[] = {"", " ", "notes.md", "weft", "weft join", "<>", "/home/ada/notes.md", "weft:", "://",
                                        "https://example.com/", "https://example.com/notes.md", "ftp://example.com/x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct share_link link;
        struct error err = {0};
        assert_false(share_link_parse(bytes_of_string(texts[i]), &link, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_string_equal(err.text, "That is not a link to a document: links begin with weft:// or weft+ws://.");
    }
}

/* A chat or a shell that ends the address at # leaves this. */
static void a_link_without_its_key_is_told_so(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    struct buf text = {0};
    struct error err = {0};
    share_link_format(&link, &text);
    const char *rest = strchr(buf_string(&text), ':'), *end = strchr(rest, '#');
    static const char *const schemes[] = {"weft", "Weft+WS", "https", "ws"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        char *cut = xformat("<%s%.*s>", schemes[i], (int)(end - rest) + (i % 2 ? 1 : 0), rest);
        assert_false(share_link_parse(bytes_of_string(cut), &link, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_string_equal(err.text, cut_off);
        free(cut);
    }
    static const char *const texts[] = {"weft://", "weft://relay.example", "weft+ws://127.0.0.1:7717/abc"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(share_link_parse(bytes_of_string(texts[i]), &link, &err));
        assert_string_equal(err.text, cut_off);
    }
    buf_release(&text);
}

/* A good checksum over fields this weft does not know: the link is whole, the reader is old. */
static void a_later_kind_of_link_is_called_that(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "weft://relay.example/QEFCQ0RFRkdISUpLTE1OTw#i.8Oni29TNxr-4saqjnJWOhw.WBvs",
        "weft://relay.example/QEFCQ0RFRkdISUpLTE1OTw#w.8Oni29TNxr-4saqjnJWOhw.8Oni29TNxr-4saqjnJWOhw.more.JQPq",
        "weft://relay.example/QEFCQ0RFRkdISUpLTE1OTw#w2.8Oni29TNxr-4saqjnJWOhw.Bg9J"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct share_link link;
        struct error err = {0};
        assert_false(share_link_parse(bytes_of_string(texts[i]), &link, &err));
        assert_int_equal(err.code, ERR_NEWER);
    }
}

static void no_error_tells_the_secret(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    struct buf text = {0};
    struct error err = {0};
    share_link_format(&link, &text);
    text.data[text.len - 1] ^= 1;
    assert_false(share_link_parse(buf_view(&text), &link, &err));
    assert_null(strstr(err.text, "8Ong"));
    buf_release(&text);
}

/* --- addresses --- */

static void addresses_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name; /* NULL: refused */
        unsigned port;
    } cases[] = {
        {"relay.example", "relay.example", 7717},
        {"Relay.Example:1", "relay.example", 1},
        {"10.0.0.1:65535", "10.0.0.1", 65535},
        {"[::1]", "::1", 7717},
        {"[0:0:0:0:0:0:0:1]:80", "::1", 80},
        {"[FD00::A]:80", "fd00::a", 80},
        {"my_host-2", "my_host-2", 7717},
        {"", NULL, 0},
        {":80", NULL, 0},
        {"host:", NULL, 0},
        {"host:0", NULL, 0},
        {"host:080", NULL, 0},
        {"host:65536", NULL, 0},
        {"host:+1", NULL, 0},
        {"host:80:80", NULL, 0},
        {"::1", NULL, 0},
        {"[::1", NULL, 0},
        {"[::1]80", NULL, 0},
        {"[fe80::1%eth0]", NULL, 0},
        {"[]", NULL, 0},
        {"ho st", NULL, 0},
        {"b\xc3\xbc"
         "cher.example",
         NULL, 0},
        {"host/path", NULL, 0},
        {"user@host", NULL, 0},
        {"-;rm", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct share_host host;
        struct error err = {0};
        bool good = share_host_parse(bytes_of_string(cases[i].text), 7717, &host, &err);
        if (good != (cases[i].name != NULL))
            fail_msg("%s was %s", cases[i].text, good ? "taken" : "refused");
        if (!good)
            continue;
        assert_string_equal(host.name, cases[i].name);
        assert_int_equal(host.port, cases[i].port);
    }
}

static void plain_connections_stay_in_private_networks(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool private;
    } cases[] = {
        {"localhost", true},         {"a.localhost", true},  {"laptop.local", true},    {"127.0.0.1", true},
        {"127.255.0.1", true},       {"10.1.2.3", true},     {"172.16.0.1", true},      {"172.31.255.255", true},
        {"192.168.1.20", true},      {"169.254.7.7", true},  {"100.64.0.1", true},      {"::1", true},
        {"fd12::1", true},           {"fe80::1", true},      {"::ffff:10.0.0.1", true}, {"relay.example", false},
        {"8.8.8.8", false},          {"172.15.0.1", false},  {"172.32.0.1", false},     {"192.169.0.1", false},
        {"11.0.0.1", false},         {"100.128.0.1", false}, {"2001:db8::1", false},    {"::ffff:8.8.8.8", false},
        {"10.0.0.1.example", false}, {"127.1", false},       {"notlocal", false},       {"localhost.example", false},
        {"0.0.0.0", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct share_link link = sample_link();
        snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "%s", cases[i].host);
        if (share_host_is_private(&link.hosts[0]) != cases[i].private)
            fail_msg("%s", cases[i].host);
        assert_false(share_link_needs_insecure(&link)); /* TLS */
        link.tls = false;
        assert_int_equal(share_link_needs_insecure(&link), !cases[i].private);
        link.pinned = true;
        assert_false(share_link_needs_insecure(&link));
    }
}

static void one_public_address_among_private_ones_needs_insecure(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    link.tls = false;
    link.host_count = 2;
    link.hosts[0] = (struct share_host){"127.0.0.1", 7717};
    link.hosts[1] = (struct share_host){"relay.example", 7717};
    assert_true(share_link_needs_insecure(&link));
}

static void too_many_or_too_long_addresses_are_refused(void **state)
{
    (void)state;
    struct share_link link = sample_link();
    struct buf text = {0};
    struct error err = {0};
    link.host_count = SHARE_LINK_HOSTS_MAX;
    for (size_t i = 0; i < SHARE_LINK_HOSTS_MAX; i++)
        link.hosts[i] = link.hosts[0];
    share_link_format(&link, &text);
    expect_reads_as(buf_string(&text), &link);
    struct buf more = {0};
    buf_addf(&more, "weft://relay.example,%s", buf_string(&text) + strlen("weft://"));
    assert_true(is_noticed(buf_string(&more), more.len));
    buf_clear(&more);
    memset(buf_extend(&more, SHARE_LINK_BYTES_MAX + 1), 'a', SHARE_LINK_BYTES_MAX + 1);
    assert_false(share_link_parse(buf_view(&more), &link, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_release(&more);
    buf_release(&text);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_those_of_rfc_4648),
        cmocka_unit_test(letters_that_are_not_canonical_are_refused),
        cmocka_unit_test(a_link_looks_as_documented),
        cmocka_unit_test(every_kind_of_link_survives_the_trip),
        cmocka_unit_test(an_admin_link_must_name_its_own_document),
        cmocka_unit_test(what_travel_adds_is_dropped),
        cmocka_unit_test(a_link_may_be_broken_anywhere),
        cmocka_unit_test(other_spellings_of_the_scheme_and_host_are_understood),
        cmocka_unit_test(every_changed_dropped_or_swapped_character_is_noticed),
        cmocka_unit_test(what_is_no_link_is_called_that),
        cmocka_unit_test(a_link_without_its_key_is_told_so),
        cmocka_unit_test(a_later_kind_of_link_is_called_that),
        cmocka_unit_test(no_error_tells_the_secret),
        cmocka_unit_test(addresses_are_read_strictly),
        cmocka_unit_test(plain_connections_stay_in_private_networks),
        cmocka_unit_test(one_public_address_among_private_ones_needs_insecure),
        cmocka_unit_test(too_many_or_too_long_addresses_are_refused),
    };
    return RUN_TESTS("share_link", tests);
}
