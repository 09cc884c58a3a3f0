/* The strict end of a WebSocket: what is read, what is refused and with which word. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "sync/relay/ws.h"

#define REQUEST(line, fields)                                                                                          \
    line " HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"                       \
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" fields "\r\n"
#define GOOD REQUEST("GET /", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, weft.1\r\n")

static struct ws *upgraded(void)
{
    struct ws *ws = ws_new("weft.1");
    struct bytes input = bytes_of_string(GOOD);
    assert_int_equal(ws_read(ws, &input), WS_UPGRADED);
    buf_clear(ws_out(ws));
    return ws;
}

/* A masked frame of a client. */
static void add_frame(struct buf *out, unsigned first, const char *payload, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    buf_add_byte(out, (unsigned char)first);
    if (len < 126) {
        buf_add_byte(out, (unsigned char)(0x80 | len));
    } else {
        buf_add_byte(out, 0x80 | 126);
        buf_add_byte(out, (unsigned char)(len >> 8));
        buf_add_byte(out, (unsigned char)len);
    }
    buf_add(out, mask, 4);
    for (size_t i = 0; i < len; i++)
        buf_add_byte(out, (unsigned char)payload[i] ^ mask[i & 3]);
}

static void expect_closed(struct ws *ws, struct bytes input, unsigned code)
{
    while (input.len > 0 && ws_read(ws, &input) != WS_END)
        ;
    const struct buf *out = ws_out(ws);
    assert_true(out->len >= 4);
    assert_int_equal(out->data[0], 0x88);
    assert_int_equal(out->data[2] << 8 | out->data[3], code);
    assert_int_equal(ws_read(ws, &input), WS_END);
    ws_free(ws);
}

static void expect_status(const char *request, const char *status)
{
    struct ws *ws = ws_new("weft.1");
    struct bytes input = bytes_of_string(request);
    assert_int_equal(ws_read(ws, &input), WS_END);
    const char *answer = buf_string(ws_out(ws));
    if (strncmp(answer + strlen("HTTP/1.1 "), status, strlen(status)) != 0)
        fail_msg("expected %s, got %.80s for %s", status, answer, request);
    ws_free(ws);
}

static void the_handshake_answers_as_the_rfc_shows_it(void **state)
{
    (void)state;
    char accept[29];
    ws_accept_key(bytes_of_string("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    struct ws *ws = ws_new("weft.1");
    struct bytes input = bytes_of_string(GOOD);
    assert_int_equal(ws_read(ws, &input), WS_UPGRADED);
    assert_non_null(strstr(buf_string(ws_out(ws)), "Sec-WebSocket-Protocol: weft.1\r\n"));
    assert_int_equal(input.len, 0);
    ws_free(ws);
}

static void hostile_handshakes_are_refused(void **state)
{
    (void)state;
    expect_status(REQUEST("POST /", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: weft.1\r\n"), "405");
    expect_status(REQUEST("GET /", "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Protocol: weft.1\r\n"), "426");
    expect_status(REQUEST("GET /", "Sec-WebSocket-Protocol: weft.1\r\n"), "426");
    expect_status(REQUEST("GET /", "Sec-WebSocket-Version: 13\r\n"), "400");
    expect_status(REQUEST("GET /", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: weft.10\r\n"),
                  "400 Bad Request\r\nSec-WebSocket-Protocol: weft.1\r\n");
    expect_status(
        REQUEST("GET /", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: weft.1\r\nOrigin: http://x\r\n"), "403");
    expect_status(REQUEST("GET /", "Sec-WebSocket-Version: 13\r\nHost: two\r\n"), "400");
    expect_status(REQUEST("GET /", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                   "Sec-WebSocket-Protocol: weft.1\r\n"),
                  "400");
    expect_status(REQUEST("GET /", "Content-Length: 5\r\n"), "400");
    expect_status(REQUEST("GET /", "X: a\r\n folded\r\n"), "400");
    expect_status(REQUEST("GET /", "X : a\r\n"), "400");
    expect_status(REQUEST("GET  /", ""), "400");
    expect_status("GET / HTTP/1.0\r\nHost: x\r\n\r\n", "400");
    expect_status("\r\n\r\n", "400");
    expect_status("GET /\r\n\r\n", "400");
}

static void a_request_without_end_is_refused(void **state)
{
    (void)state;
    struct ws *ws = ws_new("weft.1");
    enum ws_event event = WS_NEED;
    for (int i = 0; i < WS_HEAD_BYTES_MAX && event == WS_NEED; i++) {
        struct bytes input = bytes_of_string("a");
        event = ws_read(ws, &input);
    }
    assert_int_equal(event, WS_END);
    assert_non_null(strstr(buf_string(ws_out(ws)), "431"));
    ws_free(ws);
}

static void a_plain_get_is_handed_out_and_answered(void **state)
{
    (void)state;
    struct ws *ws = ws_new("weft.1");
    struct bytes input =
        bytes_of_string("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1, 10.0.0.9\r\n\r\n");
    assert_int_equal(ws_read(ws, &input), WS_REQUEST);
    assert_true(bytes_equal(ws_target(ws), bytes_of_string("/healthz")));
    assert_true(bytes_equal(ws_forwarded(ws), bytes_of_string("10.0.0.9")));
    ws_respond(ws, "200 OK", "text/plain", bytes_of_string("ok\n"));
    assert_int_equal(ws_read(ws, &input), WS_END);
    assert_non_null(strstr(buf_string(ws_out(ws)), "\r\n\r\nok\n"));
    ws_free(ws);
}

/* What a client wrote there stands in front of what the proxy saw, however that adds it. */
static void of_several_forwarded_addresses_the_last_is_the_proxys_word(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6, 10.0.0.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 10.0.0.9\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct ws *ws = ws_new("weft.1");
        struct bytes input = bytes_of_string(requests[i]);
        assert_int_equal(ws_read(ws, &input), WS_REQUEST);
        assert_true(bytes_equal(ws_forwarded(ws), bytes_of_string("10.0.0.9")));
        ws_free(ws);
    }
}

/* Three messages with a ping between two fragments, fed in pieces of every size. */
static void messages_come_out_whole_however_the_bytes_come_in(void **state)
{
    (void)state;
    char large[300];
    memset(large, 'x', sizeof large);
    for (size_t piece = 1; piece < 40; piece++) {
        struct ws *ws = upgraded();
        struct buf input = {0};
        size_t lengths[4] = {0}, count = 0;
        add_frame(&input, 0x02, "frag", 4);
        add_frame(&input, 0x89, "ping", 4);
        add_frame(&input, 0x80, "ment", 4);
        add_frame(&input, 0x82, large, sizeof large);
        add_frame(&input, 0x82, "", 0);
        for (size_t at = 0; at < input.len; at += piece) {
            struct bytes part = bytes_slice(buf_view(&input), at, input.len - at < piece ? input.len - at : piece);
            while (part.len > 0) {
                enum ws_event event = ws_read(ws, &part);
                assert_true(event == WS_MESSAGE || event == WS_NEED);
                if (event == WS_MESSAGE)
                    lengths[count++] = ws_message(ws).len;
            }
        }
        assert_int_equal(count, 3);
        assert_int_equal(lengths[0], 8);
        assert_int_equal(lengths[1], sizeof large);
        assert_int_equal(lengths[2], 0);
        assert_memory_equal(ws_out(ws)->data, "\x8a\x04ping", 6);
        buf_release(&input);
        ws_free(ws);
    }
}

static void frames_that_break_the_rules_end_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        size_t len;
        unsigned code;
    } cases[] = {
        {"\x82\x01x", 3, 1002},                                     /* unmasked */
        {"\xc2\x81\x01\x02\x03\x04x", 7, 1002},                     /* a reserved bit */
        {"\x83\x81\x01\x02\x03\x04x", 7, 1002},                     /* an unknown kind */
        {"\x81\x81\x01\x02\x03\x04x", 7, 1003},                     /* text */
        {"\x80\x81\x01\x02\x03\x04x", 7, 1002},                     /* a continuation of nothing */
        {"\x09\x81\x01\x02\x03\x04x", 7, 1002},                     /* a ping in fragments */
        {"\x89\xfe\x01\x02", 4, 1002},                              /* a long ping */
        {"\x82\xfe\x00\x01\x01\x02\x03\x04", 8, 1002},              /* a length that could be shorter */
        {"\x82\xff\x00\x00\x00\x00\x00\x00\x01\x00zzzz", 14, 1002}, /* likewise */
        {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffzzzz", 14, 1009}, /* more than anybody has */
        {"\x88\x81\x01\x02\x03\x04x", 7, 1002},                     /* half a close code */
        {"\x88\x82\x00\x00\x00\x00\x00\x01", 8, 1002},              /* close code 1 */
        {"\x88\x80\x01\x02\x03\x04", 6, 1000},                      /* goodbye */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_closed(upgraded(), bytes_of(cases[i].frame, cases[i].len), cases[i].code);
}

static void a_message_in_fragments_obeys_the_same_limit(void **state)
{
    (void)state;
    struct ws *ws = upgraded();
    struct buf input = {0};
    ws_limit(ws, 10);
    add_frame(&input, 0x02, "123456", 6);
    add_frame(&input, 0x80, "78901", 5);
    expect_closed(ws, buf_view(&input), 1009);
    buf_release(&input);
}

static void fragments_without_end_are_refused(void **state)
{
    (void)state;
    struct ws *ws = upgraded();
    struct buf input = {0};
    add_frame(&input, 0x02, "", 0);
    for (int i = 0; i < WS_FRAGMENTS_MAX; i++)
        add_frame(&input, 0x00, "", 0);
    expect_closed(ws, buf_view(&input), 1009);
    buf_release(&input);
}

static void random_bytes_end_in_order(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("ws", 11));
    for (uint64_t round = 0; round < support_rounds(2000); round++) {
        struct ws *ws = random_chance(&random, 4) ? ws_new("weft.1") : upgraded();
        unsigned char noise[200];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (unsigned char)random_next(&random);
        noise[1] |= 0x80;
        struct bytes input = bytes_of(noise, sizeof noise);
        while (input.len > 0 && ws_read(ws, &input) != WS_END)
            ;
        ws_free(ws);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handshake_answers_as_the_rfc_shows_it),
        cmocka_unit_test(hostile_handshakes_are_refused),
        cmocka_unit_test(a_request_without_end_is_refused),
        cmocka_unit_test(a_plain_get_is_handed_out_and_answered),
        cmocka_unit_test(of_several_forwarded_addresses_the_last_is_the_proxys_word),
        cmocka_unit_test(messages_come_out_whole_however_the_bytes_come_in),
        cmocka_unit_test(frames_that_break_the_rules_end_the_connection),
        cmocka_unit_test(a_message_in_fragments_obeys_the_same_limit),
        cmocka_unit_test(fragments_without_end_are_refused),
        cmocka_unit_test(random_bytes_end_in_order),
    };
    return RUN_TESTS("ws", tests);
}
