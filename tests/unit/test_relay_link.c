/* One link of the relay: requests and frames in, frames out, by a socket that is played here. */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "sync/crypto.h"
#include "sync/relay/relay_link.h"
#include "sync/relay/store.h"

#define REQUEST(fields)                                                                                                \
    "GET / HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                                     \
    "Sec-WebSocket-Protocol: " MESSAGE_SUBPROTOCOL "\r\n" fields "\r\n"

enum { HANDSHAKE_MS = 5000, LARGE = 20000 };

/* What was asked of a socket. */
struct relay_socket {
    struct buf out; /* all that was written */
    unsigned writes, wants;
    bool full; /* after the next write */
    bool has_no_room, reads, closed, shows_certificate;
};

static uint64_t now_ms;
static uint64_t clock_ms(void)
{
    return now_ms;
}

static struct {
    char address[RELAY_ADDRESS_BYTES_MAX];
    bool has_certificate;
} guest_seen;

/* --- the socket, in place of libwebsockets --- */

void __wrap_relay_socket_want_write(struct relay_socket *socket);
void __wrap_relay_socket_write(struct relay_socket *socket, unsigned char *data, size_t len);
bool __wrap_relay_socket_room(const struct relay_socket *socket);
void __wrap_relay_socket_read(struct relay_socket *socket, bool on);
bool __wrap_relay_socket_certificate(const struct relay_socket *socket, struct digest *out);
void __wrap_relay_socket_close(struct relay_socket *socket);
struct relay_connection *__real_relay_accept(struct relay *relay, void *link, const struct relay_guest *guest, uint64_t at_ms);
struct relay_connection *__wrap_relay_accept(struct relay *relay, void *link, const struct relay_guest *guest, uint64_t at_ms);

void __wrap_relay_socket_want_write(struct relay_socket *socket)
{
    socket->wants++;
}

void __wrap_relay_socket_write(struct relay_socket *socket, unsigned char *data, size_t len)
{
    assert_false(socket->has_no_room);
    buf_add(&socket->out, data, len);
    socket->writes++;
    socket->has_no_room = socket->full;
}

bool __wrap_relay_socket_room(const struct relay_socket *socket)
{
    return !socket->has_no_room;
}

void __wrap_relay_socket_read(struct relay_socket *socket, bool on)
{
    socket->reads = on;
}

bool __wrap_relay_socket_certificate(const struct relay_socket *socket, struct digest *out)
{
    *out = (struct digest){{0xce}};
    return socket->shows_certificate;
}

void __wrap_relay_socket_close(struct relay_socket *socket)
{
    socket->closed = true;
}

struct relay_connection *__wrap_relay_accept(struct relay *relay, void *link, const struct relay_guest *guest, uint64_t at_ms)
{
    snprintf(guest_seen.address, sizeof guest_seen.address, "%s", guest->address);
    guest_seen.has_certificate = guest->certificate != NULL;
    return __real_relay_accept(relay, link, guest, at_ms);
}

/* --- the relay behind it --- */

struct house {
    struct store *store;
    struct relay_links links;
    struct relay_port port;
    struct relay_socket socket;
    struct relay_link *link;
};

static int set_up(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {42};
    static struct house house;
    struct error err = {0};
    struct sign_key key;
    house = (struct house){.links = {.handshake_ms = HANDSHAKE_MS, .now_ms = clock_ms}, .socket = {.reads = true}};
    now_ms = 1000;
    sign_key_from_seed(&key, seed);
    house.store = store_open(&(struct store_options){.path = ":memory:", .by_hand = true}, &err);
    house.port = relay_links_port(&house.links);
    const struct relay_options options = {.limits = relay_limits_default(), .key = &key};
    house.links.relay = relay_new(&options, house.store, &house.port);
    relay_tick(house.links.relay, now_ms, 1000);
    house.link = relay_link_new(&house.links, &house.socket, "192.0.2.1");
    *state = &house;
    return 0;
}

static int tear_down(void **state)
{
    struct house *house = *state;
    if (house->link)
        relay_link_free(house->link);
    assert_int_equal(house->links.count, 0);
    relay_free(house->links.relay);
    store_free(house->store);
    buf_release(&house->socket.out);
    return 0;
}

static void receive(struct house *house, const char *text)
{
    relay_link_received(house->link, bytes_of_string(text));
}

/* As often as the link asks; what it wrote. */
static const char *written(struct house *house)
{
    buf_clear(&house->socket.out);
    while (house->socket.wants > 0 && !house->socket.has_no_room && !house->socket.closed) {
        house->socket.wants = 0;
        relay_link_writable(house->link);
    }
    return buf_string(&house->socket.out);
}

static void upgrade(struct house *house)
{
    receive(house, REQUEST(""));
    assert_non_null(strstr(written(house), "HTTP/1.1 101 "));
    house->socket.writes = 0;
}

static void send_frame(struct house *house, struct bytes payload)
{
    house->port.send(house->port.self, house->link, relay_frame_new(payload));
}

static size_t queued(const struct house *house)
{
    return house->port.queued(house->port.self, house->link);
}

/* --- plain HTTP --- */

static void a_plain_question_is_answered_and_the_link_ends(void **state)
{
    struct house *house = *state;
    static const struct {
        const char *target, *status, *words;
    } cases[] = {{"/healthz", "HTTP/1.1 200", "ok"}, {"/metrics", "HTTP/1.1 200", "weft_relay_"},
                 {"/", "HTTP/1.1 404", "weft join LINK"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf request = {0};
        struct relay_link *link = house->link;
        buf_addf(&request, "GET %s HTTP/1.1\r\nHost: relay\r\n\r\n", cases[i].target);
        receive(house, buf_string(&request));
        const char *answer = written(house);
        assert_memory_equal(answer, cases[i].status, strlen(cases[i].status));
        assert_non_null(strstr(answer, cases[i].words));
        assert_true(house->socket.closed);
        house->link = relay_link_new(&house->links, &house->socket, "192.0.2.1");
        relay_link_free(link);
        house->socket.closed = false;
        buf_release(&request);
    }
    assert_int_equal(relay_counts(house->links.relay).accepted, 0); /* none of them was a connection */
}

static void bytes_that_are_no_request_end_the_link_with_an_answer(void **state)
{
    struct house *house = *state;
    receive(house, "\x16\x03\x01 hello\r\n\r\n");
    assert_memory_equal(written(house), "HTTP/1.1 400", 12);
    assert_true(house->socket.closed);
    receive(house, "more"); /* which nobody reads */
    assert_string_equal(written(house), "");
}

/* --- WebSocket --- */

static void a_handshake_in_pieces_makes_a_connection_of_whoever_it_is(void **state)
{
    struct house *house = *state;
    house->socket.shows_certificate = true;
    for (const char *at = REQUEST(""); *at; at++)
        relay_link_received(house->link, bytes_of(at, 1));
    assert_non_null(strstr(written(house), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_int_equal(relay_counts(house->links.relay).connections, 1);
    assert_string_equal(guest_seen.address, "192.0.2.1");
    assert_true(guest_seen.has_certificate);
    relay_link_free(house->link);
    house->link = NULL;
    assert_int_equal(relay_counts(house->links.relay).connections, 0);
}

static void only_of_the_named_proxy_its_word_is_believed(void **state)
{
    struct house *house = *state;
    static const struct {
        const char *proxy, *believed;
    } cases[] = {{NULL, "192.0.2.1"}, {"192.0.2.2", "192.0.2.1"}, {"192.0.2.1", "198.51.100.7"}};
    for (size_t i = 0; i < 3; i++) {
        house->links.behind_proxy = cases[i].proxy;
        receive(house, REQUEST("X-Forwarded-For: 203.0.113.1, 198.51.100.7\r\n"));
        assert_string_equal(guest_seen.address, cases[i].believed);
        assert_false(guest_seen.has_certificate);
        relay_link_free(house->link);
        house->link = relay_link_new(&house->links, &house->socket, "192.0.2.1");
    }
}

static void what_breaks_the_rules_is_told_goodbye(void **state)
{
    struct house *house = *state;
    upgrade(house);
    receive(house, "\x82\x01x"); /* without a mask */
    const char *goodbye = written(house);
    assert_memory_equal(goodbye, "\x88", 1);
    assert_int_equal((unsigned char)goodbye[2] << 8 | (unsigned char)goodbye[3], 1002);
    assert_true(house->socket.closed);
}

static void frames_that_wait_together_leave_in_one_write(void **state)
{
    struct house *house = *state;
    upgrade(house);
    send_frame(house, bytes_of_string("one"));
    send_frame(house, bytes_of_string("two"));
    send_frame(house, bytes_of_string("three"));
    assert_int_equal(queued(house), 3 + 3 + 5);
    assert_string_equal(written(house), "\x82\x03one\x82\x03two\x82\x05three");
    assert_int_equal(house->socket.writes, 1);
    assert_int_equal(queued(house), 0);
}

static void a_large_frame_goes_as_it_is_and_counts_until_the_socket_has_room(void **state)
{
    struct house *house = *state;
    struct buf large = {0};
    upgrade(house);
    memset(buf_extend(&large, LARGE), 'x', LARGE);
    struct relay_frame *frame = relay_frame_new(buf_view(&large));
    house->port.send(house->port.self, house->link, relay_frame_share(frame));
    send_frame(house, bytes_of_string("behind"));
    house->socket.full = true;
    written(house);
    assert_int_equal(house->socket.writes, 1);
    assert_int_equal(house->socket.out.len, 4 + LARGE);
    assert_memory_equal(house->socket.out.data, "\x82\x7e\x4e\x20", 4);
    assert_int_equal(queued(house), 4 + LARGE + 6);
    assert_true(house->socket.wants > 0); /* it asks to be called again */
    house->socket.has_no_room = house->socket.full = false;
    assert_string_equal(written(house), "\x82\x06" "behind");
    assert_int_equal(queued(house), 0);
    assert_true(bytes_equal(relay_frame_payload(frame), buf_view(&large))); /* other readers' payload is untouched */
    relay_frame_drop(frame);
    buf_release(&large);
}

static void what_was_sent_leaves_before_the_link_is_closed(void **state)
{
    struct house *house = *state;
    upgrade(house);
    send_frame(house, bytes_of_string("last words"));
    house->port.close(house->port.self, house->link, 4000, "so long");
    house->socket.has_no_room = true;
    relay_link_writable(house->link);
    assert_false(house->socket.closed);
    house->socket.has_no_room = false;
    const char *out = written(house);
    assert_memory_equal(out, "\x82\x0alast words\x88\x09", 14);
    assert_non_null(strstr(out + 14, "so long"));
    assert_true(house->socket.closed);
}

/* --- deadlines --- */

static void who_does_not_ask_in_time_is_closed(void **state)
{
    struct house *house = *state;
    receive(house, "GET / HT");
    now_ms += HANDSHAKE_MS;
    relay_links_tick(&house->links);
    assert_false(house->socket.closed);
    now_ms++;
    relay_links_tick(&house->links);
    assert_true(house->socket.closed);
}

static void a_connection_has_no_deadline_here_and_a_farewell_has(void **state)
{
    struct house *house = *state;
    upgrade(house);
    now_ms += 100 * (uint64_t)HANDSHAKE_MS;
    relay_links_tick(&house->links);
    assert_false(house->socket.closed);
    house->socket.has_no_room = true; /* and it stays so */
    house->port.close(house->port.self, house->link, 4000, "");
    now_ms += LINK_FAREWELL_MS;
    relay_links_tick(&house->links);
    assert_false(house->socket.closed);
    now_ms++;
    relay_links_tick(&house->links);
    assert_true(house->socket.closed);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(a_plain_question_is_answered_and_the_link_ends),
        HOUSE_TEST(bytes_that_are_no_request_end_the_link_with_an_answer),
        HOUSE_TEST(a_handshake_in_pieces_makes_a_connection_of_whoever_it_is),
        HOUSE_TEST(only_of_the_named_proxy_its_word_is_believed),
        HOUSE_TEST(what_breaks_the_rules_is_told_goodbye),
        HOUSE_TEST(frames_that_wait_together_leave_in_one_write),
        HOUSE_TEST(a_large_frame_goes_as_it_is_and_counts_until_the_socket_has_room),
        HOUSE_TEST(what_was_sent_leaves_before_the_link_is_closed),
        HOUSE_TEST(who_does_not_ask_in_time_is_closed),
        HOUSE_TEST(a_connection_has_no_deadline_here_and_a_farewell_has),
    };
    return RUN_TESTS("relay_link", tests);
}
