/* The relay as a server: real sockets, hostile clients, signals, and a power switch that is SIGKILL. */
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/base64url.h"
#include "sync/relay/relay_admin.h"
#include "sync/relay/relay_server.h"
#include "tests/support/relay_peer.h"
#include "tests/support/scratch.h"

enum { PATIENCE_MS = 20000 }; /* for what must happen; nothing waits this long when it works */

/* --- a client of few words --- */

struct client {
    int fd;
    struct relay_peer *peer;
    struct buf input; /* received, not yet read */
    struct message message;
};

static int connect_tcp(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* False: the other side has closed. */
static bool receive_more(int fd, struct buf *into)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_MS) != 1)
        fail_msg("the relay keeps silent");
    unsigned char piece[65536];
    ssize_t got = read(fd, piece, sizeof piece);
    if (got <= 0)
        return false;
    buf_add(into, piece, (size_t)got);
    return true;
}

/* A relay that has closed already is no surprise here. */
static void send_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        len -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* Everything until the other side closes. */
static void read_to_end(int fd, struct buf *into)
{
    while (receive_more(fd, into))
        ;
    close(fd);
}

static const char handshake[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Protocol: weft.1\r\n\r\n";

static void input_drop(struct buf *input, size_t len)
{
    ensure(input->data && len <= input->len);
    memmove(input->data, input->data + len, input->len - len);
    input->len -= len;
}

static void upgrade(struct client *client)
{
    static const char end[] = "\r\n\r\n";
    const unsigned char *found = NULL;
    send_text(client->fd, handshake);
    while (!found) {
        assert_true(receive_more(client->fd, &client->input));
        struct bytes input = buf_view(&client->input);
        found = input.len ? memmem(input.data, input.len, end, 4) : NULL;
    }
    assert_memory_equal(client->input.data, "HTTP/1.1 101", 12);
    input_drop(&client->input, (size_t)(found - client->input.data) + 4);
}

static void send_frame_bytes(struct client *client, unsigned first, struct bytes payload)
{
    static const unsigned char mask[4] = {9, 8, 7, 6};
    struct buf frame = {0};
    size_t width = payload.len < 126 ? 0 : payload.len < 65536 ? 2 : 8;
    buf_add_byte(&frame, (unsigned char)first);
    buf_add_byte(&frame, (unsigned char)(0x80 | (width == 0 ? payload.len : width == 2 ? 126 : 127)));
    for (size_t i = 0; i < width; i++)
        buf_add_byte(&frame, (unsigned char)(payload.len >> (8 * (width - 1 - i))));
    buf_add(&frame, mask, 4);
    for (size_t i = 0; i < payload.len; i++)
        buf_add_byte(&frame, payload.data[i] ^ mask[i & 3]);
    send_all(client->fd, frame.data, frame.len);
    buf_release(&frame);
}

static void send_message(struct client *client, struct buf *frame)
{
    send_frame_bytes(client, 0x82, buf_view(frame));
    buf_release(frame);
}

/* Length of the frame at the front of the input, its payload in *payload; 0: not all there. */
static size_t front_frame(const struct buf *input, struct bytes *payload)
{
    if (input->len < 2)
        return 0;
    size_t width = input->data[1] == 126 ? 2 : input->data[1] == 127 ? 8 : 0;
    if (input->len < 2 + width)
        return 0;
    uint64_t len = width ? 0 : input->data[1];
    for (size_t i = 0; i < width; i++)
        len = len << 8 | input->data[2 + i];
    if (input->len < 2 + width + len)
        return 0;
    *payload = bytes_of(input->data + 2 + width, (size_t)len);
    return 2 + width + (size_t)len;
}

/* The next message's bytes, appended. False: closed by the relay. */
static bool next_payload(struct client *client, struct buf *out)
{
    struct bytes payload;
    size_t len;
    while ((len = front_frame(&client->input, &payload)) == 0)
        if (!receive_more(client->fd, &client->input))
            return false;
    bool closing = client->input.data[0] == 0x88;
    buf_add_bytes(out, payload);
    input_drop(&client->input, len);
    return !closing;
}

/* NULL: closed by the relay. */
static const struct message *next_message(struct client *client)
{
    struct buf payload = {0};
    struct error err = {0};
    bool open = next_payload(client, &payload);
    if (open &&
        !message_decode(buf_view(&payload), MESSAGE_BY_RELAY, &client->peer->numbers_in, &client->message, &err))
        fail_msg("%s", err.text);
    bool views = client->message.kind == MESSAGE_REFUSE || client->message.kind == MESSAGE_REJECT;
    if (open && views) /* their text points into the payload, which goes */
        client->message.refuse.text = (struct bytes){0};
    buf_release(&payload);
    return open ? &client->message : NULL;
}

static const struct message *expect(struct client *client, enum message_kind kind)
{
    const struct message *message;
    while ((message = next_message(client)))
        if (message->kind == kind)
            return message;
    fail_msg("the relay closed before message %d", kind);
    return NULL;
}

static void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    buf_release(&client->input);
    message_release(&client->message);
    client->fd = -1;
}

static void client_open(struct client *client, int fd, struct relay_peer *peer)
{
    *client = (struct client){.fd = fd, .peer = peer};
    relay_peer_reconnect(peer);
    upgrade(client);
}

static void client_hello(struct client *client, bool creates)
{
    struct buf challenge = {0}, genesis = {0}, frame = {0};
    relay_peer_knock(client->peer, &frame);
    send_message(client, &frame);
    assert_true(next_payload(client, &challenge));
    if (creates)
        relay_peer_genesis(client->peer, &genesis);
    relay_peer_hello(client->peer, buf_view(&challenge), buf_view(&genesis), "", &frame);
    send_message(client, &frame);
    relay_peer_resume(client->peer, NULL, &frame); /* right behind it, as clients do */
    send_message(client, &frame);
    buf_release(&challenge);
    buf_release(&genesis);
}

static void client_upload(struct client *client, const struct buf *record)
{
    struct buf frame = {0};
    struct bytes stored = buf_view(record);
    relay_peer_records(client->peer, &stored, 1, &frame);
    send_message(client, &frame);
}

static void expect_acked(struct client *client, uint64_t ordinal)
{
    while (expect(client, MESSAGE_ACK)->ack.ordinal < ordinal)
        ;
}

/* --- a relay for each test --- */

struct host {
    char *dir;
    char *store;
    struct relay_server_options options;
    struct relay_server *server;
    struct doc_keys keys;
};

static void host_start(struct host *host)
{
    struct error err = {0};
    host->server = relay_server_start(&host->options, &err);
    if (!host->server)
        fail_msg("%s", err.text);
}

static int host_setup(void **state)
{
    struct host *host = xcalloc(1, sizeof *host);
    struct error err = {0};
    void *dir = NULL;
    scratch_setup(&dir);
    host->dir = dir;
    host->store = scratch_file(host->dir, "relay.db");
    host->options = relay_server_options_default();
    host->options.listen = ":0";
    host->options.store = host->store;
    host->options.limits = relay_limits_none();
    assert_true(crypto_start(&err));
    doc_keys_new(&host->keys);
    *state = host;
    return 0;
}

static int host_teardown(void **state)
{
    struct host *host = *state;
    void *dir = host->dir;
    relay_server_stop(host->server);
    doc_keys_wipe(&host->keys);
    free(host->store);
    free(host);
    return scratch_teardown(&dir);
}

static void answer_of(struct host *host, const char *request, struct buf *answer)
{
    int fd = connect_tcp(relay_server_port(host->server));
    buf_clear(answer);
    send_text(fd, request);
    read_to_end(fd, answer);
}

static void health_metrics_and_anything_else_are_answered_and_closed(void **state)
{
    struct host *host = *state;
    struct buf answer = {0};
    host_start(host);
    answer_of(host, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_non_null(strstr(buf_string(&answer), "200 OK"));
    assert_non_null(strstr(buf_string(&answer), "\r\n\r\nok\n"));
    answer_of(host, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_non_null(strstr(buf_string(&answer), "weft_relay_connections 0\n"));
    answer_of(host, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_non_null(strstr(buf_string(&answer), "404 Not Found"));
    buf_release(&answer);
}

static void bytes_that_are_no_handshake_are_answered_and_closed(void **state)
{
    struct host *host = *state;
    struct buf answer = {0};
    host_start(host);
    answer_of(host, "POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", &answer);
    assert_non_null(strstr(buf_string(&answer), "405"));
    answer_of(host, "\x16\x03\x01\x02\r\n\r\n", &answer); /* somebody tries TLS */
    assert_non_null(strstr(buf_string(&answer), "400"));
    answer_of(host,
              "GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
              &answer);
    assert_non_null(strstr(buf_string(&answer), "403"));
    buf_release(&answer);
}

static void a_client_of_another_version_reads_what_is_spoken_here(void **state)
{
    struct host *host = *state;
    struct buf answer = {0};
    host_start(host);
    answer_of(host,
              "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: weft.2\r\n\r\n",
              &answer);
    assert_non_null(strstr(buf_string(&answer), "400 Bad Request\r\nSec-WebSocket-Protocol: weft.1\r\n"));
    assert_non_null(strstr(buf_string(&answer), "\r\n\r\nthis relay speaks weft.1 and nothing else\n"));
    buf_release(&answer);
}

static void a_request_that_never_ends_is_closed(void **state)
{
    struct host *host = *state;
    struct buf answer = {0};
    host->options.limits.hello_ms = 50;
    host_start(host);
    answer_of(host, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow:", &answer);
    assert_int_equal(answer.len, 0);
    buf_release(&answer);
}

static void an_upgraded_client_who_says_nothing_is_closed(void **state)
{
    struct host *host = *state;
    struct buf answer = {0};
    host->options.limits.hello_ms = 50;
    host_start(host);
    answer_of(host, handshake, &answer);
    assert_non_null(strstr(buf_string(&answer), "101"));
    buf_release(&answer);
}

static void an_unmasked_or_oversized_frame_ends_the_connection(void **state)
{
    static const struct {
        const char *frame;
        size_t len;
        unsigned code;
    } cases[] = {
        {"\x82\x05hello", 7, 1002}, {"\x82\xfe\x20\x00\x01\x02\x03\x04", 8, 1009}, /* 8 KiB before any proof */
    };
    struct host *host = *state;
    host_start(host);
    for (size_t i = 0; i < 2; i++) {
        struct buf rest = {0};
        int fd = connect_tcp(relay_server_port(host->server));
        send_text(fd, handshake);
        send_all(fd, cases[i].frame, cases[i].len);
        read_to_end(fd, &rest);
        const unsigned char *close_frame = rest.len > 4 ? memrchr(rest.data, 0x88, rest.len) : NULL;
        if (!close_frame) {
            fail_msg("no goodbye");
            continue;
        }
        assert_int_equal(close_frame[2] << 8 | close_frame[3], cases[i].code);
        buf_release(&rest);
    }
}

static void two_people_write_through_real_sockets(void **state)
{
    struct host *host = *state;
    struct relay_peer ana, ben;
    struct client a, b;
    struct buf record = {0};
    host_start(host);
    relay_peer_init(&ana, &host->keys, 1);
    relay_peer_init(&ben, &host->keys, 2);
    client_open(&a, connect_tcp(relay_server_port(host->server)), &ana);
    client_hello(&a, true);
    expect(&a, MESSAGE_CAUGHT_UP);
    client_open(&b, connect_tcp(relay_server_port(host->server)), &ben);
    client_hello(&b, false);
    expect(&b, MESSAGE_CAUGHT_UP);

    relay_peer_member(&ana, &record);
    client_upload(&a, &record);
    char *large = xcalloc(1, 500001);
    memset(large, 'x', 500000);
    for (int i = 0; i < 4; i++) { /* more than a socket's buffers, so that everything comes in pieces */
        buf_clear(&record);
        relay_peer_events(&ana, large, &record);
        client_upload(&a, &record);
    }
    expect_acked(&a, 5);
    size_t events = 0;
    while (events < 4) {
        const struct message *message = expect(&b, MESSAGE_RECORDS);
        for (size_t i = 0; i < message->records.count; i++)
            events += message->records.items[i].stored.len > 500000;
    }
    free(large);
    buf_release(&record);
    client_close(&a);
    client_close(&b);
    relay_peer_release(&ana);
    relay_peer_release(&ben);
}

static void what_was_sent_before_the_end_is_acknowledged(void **state)
{
    struct host *host = *state;
    struct relay_peer ana;
    struct client a;
    struct buf record = {0};
    host_start(host);
    relay_peer_init(&ana, &host->keys, 1);
    client_open(&a, connect_tcp(relay_server_port(host->server)), &ana);
    client_hello(&a, true);
    expect(&a, MESSAGE_CAUGHT_UP);
    relay_peer_member(&ana, &record);
    client_upload(&a, &record);
    expect_acked(&a, 1);
    relay_server_stop(host->server);
    host->server = NULL;
    assert_int_equal(expect(&a, MESSAGE_REFUSE)->refuse.code, REFUSE_STOPPING);
    assert_null(next_message(&a));
    buf_release(&record);
    client_close(&a);
    relay_peer_release(&ana);
}

static void a_unix_socket_serves_too_and_only_for_its_owner(void **state)
{
    struct host *host = *state;
    struct relay_peer ana;
    struct client a;
    struct stat there;
    char *path = scratch_file(host->dir, "relay.sock");
    host->options.unix_path = path;
    host->options.listen = "";
    host_start(host);
    assert_int_equal(relay_server_port(host->server), 0);
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0600);

    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, path, sizeof to.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    relay_peer_init(&ana, &host->keys, 1);
    client_open(&a, fd, &ana);
    client_hello(&a, true);
    expect(&a, MESSAGE_CAUGHT_UP);
    client_close(&a);
    relay_server_stop(host->server);
    host->server = NULL;
    assert_int_not_equal(stat(path, &there), 0);
    relay_peer_release(&ana);
    free(path);
}

static void one_store_serves_one_relay(void **state)
{
    struct host *host = *state;
    struct error err = {0};
    host_start(host);
    assert_null(relay_server_start(&host->options, &err));
    assert_int_equal(err.code, ERR_BUSY);
    char *where = xformat(RELAY_SERVER_ELSEWHERE "ws://127.0.0.1:%d", relay_server_port(host->server));
    assert_non_null(strstr(err.text, "another relay is using the store"));
    assert_non_null(strstr(err.text, where));
    free(where);
}

static void what_cannot_be_listened_on_is_said(void **state)
{
    struct host *host = *state;
    struct error err = {0};
    host->options.listen = "nonsense";
    assert_null(relay_server_start(&host->options, &err));
    assert_int_equal(err.code, ERR_USAGE);
    host->options.listen = "192.0.2.1:7717"; /* nobody's address */
    assert_null(relay_server_start(&host->options, &err));
    assert_string_equal(err.text, "cannot listen on 192.0.2.1 port 7717: this machine has no such address");
    host->options.listen = "relay.example:7717";
    assert_null(relay_server_start(&host->options, &err));
    assert_string_equal(err.text, "cannot listen on relay.example port 7717: this is no address (write numbers, not a name)");
}

static void a_port_that_is_taken_is_said(void **state)
{
    struct host *host = *state;
    struct error err = {0};
    struct relay_server_options second = host->options;
    char *store = scratch_file(host->dir, "second.db");
    host_start(host);
    int port = relay_server_port(host->server);
    char *listen = xformat("127.0.0.1:%d", port);
    char *sentence = xformat("cannot listen on 127.0.0.1 port %d: another program listens there already", port);
    second.store = store;
    second.listen = listen;
    assert_null(relay_server_start(&second, &err));
    assert_string_equal(err.text, sentence);
    free(sentence);
    free(listen);
    free(store);
}

static void a_token_that_others_may_read_is_refused(void **state)
{
    struct host *host = *state;
    struct error err = {0};
    char *path = scratch_file(host->dir, "token");
    scratch_write(path, "secret\n");
    chmod(path, 0644);
    host->options.token_path = path;
    assert_null(relay_server_start(&host->options, &err));
    assert_int_equal(err.code, ERR_AUTH);
    chmod(path, 0600);
    host_start(host);
    struct buf line = {0};
    relay_server_describe(host->server, &line);
    assert_non_null(strstr(buf_string(&line), "Creating documents needs the token."));
    buf_release(&line);
    free(path);
}

/* --- TLS --- */

/* False: the openssl program is not here. */
static bool make_certificate(const char *cert, const char *key, const char *name)
{
    char *command =
        xformat("openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=%s -keyout %s -out %s 2>/dev/null", name,
                key, cert);
    bool made = system(command) == 0; /* NOLINT(cert-env33-c): fixed words and our own scratch directory */
    free(command);
    return made;
}

/* What `openssl s_client` shows of a request for /healthz over TLS. */
static void ask_over_tls(int port, struct buf *answer)
{
    char *command = xformat("printf 'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | "
                            "openssl s_client -ign_eof -connect 127.0.0.1:%d 2>&1",
                            port);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): fixed words and a number */
    char piece[4096];
    buf_clear(answer);
    for (size_t got; pipe && (got = fread(piece, 1, sizeof piece, pipe)) > 0;)
        buf_add(answer, piece, got);
    if (pipe)
        pclose(pipe);
    free(command);
}

static void tls_serves_and_takes_a_new_certificate_while_it_runs(void **state)
{
    struct host *host = *state;
    struct buf answer = {0};
    char *cert = scratch_file(host->dir, "cert.pem"), *key = scratch_file(host->dir, "key.pem");
    bool made = make_certificate(cert, key, "first");
    if (made) {
        host->options.tls_cert = cert;
        host->options.tls_key = key;
        host_start(host);
        ask_over_tls(relay_server_port(host->server), &answer);
        assert_non_null(strstr(buf_string(&answer), "CN = first"));
        assert_non_null(strstr(buf_string(&answer), "\r\n\r\nok\n"));
        assert_true(make_certificate(cert, key, "second"));
        struct error err = {0};
        assert_true(relay_server_reload(host->server, &err));
        do
            ask_over_tls(relay_server_port(host->server), &answer);
        while (!strstr(buf_string(&answer), "CN = second"));
    }
    buf_release(&answer);
    free(cert);
    free(key);
    if (!made) {
        print_message("openssl is not here: skipped\n");
        skip();
    }
}

/* libwebsockets would take each of these and then serve nobody. */
static void a_certificate_that_cannot_be_used_is_refused_and_the_old_one_stays(void **state)
{
    struct host *host = *state;
    struct error err = {0};
    struct buf answer = {0};
    char *cert = scratch_file(host->dir, "cert.pem"), *key = scratch_file(host->dir, "key.pem");
    char *other = scratch_file(host->dir, "other.pem");
    bool made = make_certificate(cert, key, "first");
    if (made) {
        host->options.tls_cert = cert;
        host->options.tls_key = other;
        assert_null(relay_server_start(&host->options, &err));
        assert_non_null(strstr(err.text, "cannot read the certificate's key"));
        assert_true(make_certificate(other, key, "second")); /* in the place of the key: no key */
        assert_null(relay_server_start(&host->options, &err));
        assert_non_null(strstr(err.text, "is no key in PEM form"));
        assert_true(make_certificate(cert, key, "first"));
        host->options.tls_key = key;
        host_start(host);
        assert_true(make_certificate(other, key, "second")); /* a new key, the certificate is that of the old one */
        assert_false(relay_server_reload(host->server, &err));
        assert_non_null(strstr(err.text, "is not that of the certificate in"));
        scratch_write(cert, "half of a cert");
        assert_false(relay_server_reload(host->server, &err));
        assert_non_null(strstr(err.text, "is no certificate in PEM form"));
        unlink(cert);
        assert_false(relay_server_reload(host->server, &err));
        assert_non_null(strstr(err.text, "cannot read the certificate"));
        ask_over_tls(relay_server_port(host->server), &answer);
        assert_non_null(strstr(buf_string(&answer), "CN = first"));
        assert_non_null(strstr(buf_string(&answer), "\r\n\r\nok\n"));
    }
    buf_release(&answer);
    free(other);
    free(cert);
    free(key);
    if (!made) {
        print_message("openssl is not here: skipped\n");
        skip();
    }
}

/* --- as a process --- */

struct child {
    pid_t pid;
    int port;
    char line[512];
};

/* Runs `weft relay` in a child and reads the line it prints. */
static struct child child_start(const struct host *host)
{
    struct child child = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child.pid = fork();
    if (child.pid == 0) {
        struct error err = {0};
        close(ends[0]);
        FILE *out = fdopen(ends[1], "w");
        int status = relay_server_run(&host->options, out, &err);
        if (status)
            fprintf(stderr, "%s\n", err.text);
        _exit(status);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    if (!fgets(child.line, sizeof child.line, in))
        fail_msg("the relay printed nothing");
    fclose(in);
    const char *at = strstr(child.line, "ws://127.0.0.1:");
    assert_non_null(at);
    child.port = atoi(at + strlen("ws://127.0.0.1:"));
    return child;
}

static int child_end(const struct child *child, int signal_number)
{
    int status = 0;
    kill(child->pid, signal_number);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    return status;
}

static void sigterm_ends_it_with_status_0(void **state)
{
    struct host *host = *state;
    struct child child = child_start(host);
    char *expected =
        xformat("weft relay on ws://127.0.0.1:%d, store %s, 0 documents, 0 B. Anyone who reaches it may create "
                "documents (--token-file).\n",
                child.port, host->store);
    assert_string_equal(child.line, expected);
    free(expected);
    int status = child_end(&child, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* One life of a writer whose relay is going to be killed. */
struct life {
    struct client client;
    uint64_t seqs[512]; /* how far the agent is after each record uploaded */
    uint64_t count, acked;
};

static void life_upload(struct life *life, const struct buf *record)
{
    client_upload(&life->client, record);
    life->seqs[life->count++] = life->client.peer->seq;
}

/* Nobody opens them here, so their content need not be that of a batch. */
static void life_upload_events(struct life *life)
{
    struct relay_peer *peer = life->client.peer;
    struct buf record = {0};
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = peer->agent,
                                      .sealer = peer->agent,
                                      .counter = ++peer->counter,
                                      .seq0 = peer->seq,
                                      .count = 3,
                                      .plain = bytes_of_string("opaque to a relay"),
                                      .last = &peer->last,
                                      .keys = &peer->keys,
                                      .signer = &peer->doc_key},
                &record);
    peer->seq += 3;
    life_upload(life, &record);
    buf_release(&record);
}

/* A promise is the acknowledgement of an edit. On a slow disk the MEMBER record, the first, gets one of its own before. */
enum listen_until { NOTHING_IS_THERE, FIRST_PROMISE, THE_END };

static bool life_listens_on(const struct life *life, enum listen_until until)
{
    struct pollfd wait = {.fd = life->client.fd, .events = POLLIN};
    return until == THE_END || (until == FIRST_PROMISE && life->acked <= 1) || poll(&wait, 1, 0) > 0;
}

/* False: the relay is gone. */
static bool life_listen(struct life *life, enum listen_until until)
{
    while (life_listens_on(life, until)) {
        const struct message *message = next_message(&life->client);
        if (!message)
            return false;
        if (message->kind == MESSAGE_ACK)
            life->acked = message->ack.ordinal;
    }
    return true;
}

/*
 * Checks that everything promised is there, goes on writing, ends the relay in the middle of it: while it may not have
 * promised anything yet, or just after it has. Returns what is promised now.
 */
static uint64_t live_until(int signal_number, struct host *host, struct relay_peer *peer, uint64_t records,
                           bool once_acked, uint64_t promised)
{
    struct life life = {.count = 0};
    struct buf member = {0};
    struct child child = child_start(host);
    client_open(&life.client, connect_tcp(child.port), peer);
    client_hello(&life.client, true);
    const struct message *welcome = expect(&life.client, MESSAGE_WELCOME);
    peer->seq = welcome->welcome.vector_count ? welcome->welcome.vector[0].next_seq : 0;
    assert_true(peer->seq >= promised);
    relay_peer_member(peer, &member);
    life_upload(&life, &member);
    buf_release(&member);
    while (life.count < records && life_listen(&life, NOTHING_IS_THERE))
        life_upload_events(&life);
    if (once_acked)
        life_listen(&life, FIRST_PROMISE);
    kill(child.pid, signal_number);
    life_listen(&life, THE_END);
    int status = child_end(&child, signal_number);
    if (signal_number == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    client_close(&life.client);
    uint64_t held = life.acked > 0 ? life.seqs[life.acked - 1] : 0;
    return held > promised ? held : promised;
}

static void end_it_again_and_again(int signal_number, struct host *host, struct random random, uint64_t rounds)
{
    struct relay_peer peer;
    uint64_t promised = 0;
    relay_peer_init(&peer, &host->keys, 1);
    for (uint64_t round = 0; round < rounds; round++)
        promised =
            live_until(signal_number, host, &peer, 20 + random_below(&random, 400), round % 2 == 0, promised);
    assert_true(promised > 0);
    relay_peer_release(&peer);
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    end_it_again_and_again(SIGKILL, *state, random_of(support_seed("kill", 5)), support_rounds(50));
}

static void sigterm_while_everybody_writes_ends_it_with_status_0_and_loses_nothing(void **state)
{
    end_it_again_and_again(SIGTERM, *state, random_of(support_seed("term", 6)), support_rounds(10));
}

/* --- the operator --- */

static void the_operator_lists_backs_up_and_removes(void **state)
{
    struct host *host = *state;
    struct relay_peer ana;
    struct client a;
    struct error err = {0};
    char *text = NULL;
    size_t len = 0;
    host_start(host);
    relay_peer_init(&ana, &host->keys, 1);
    client_open(&a, connect_tcp(relay_server_port(host->server)), &ana);
    client_hello(&a, true);
    expect(&a, MESSAGE_CAUGHT_UP);

    char hex[2 * DOC_ID_BYTES + 1];
    id_hex(host->keys.doc.bytes, DOC_ID_BYTES, hex);
    FILE *out = open_memstream(&text, &len);
    assert_true(relay_admin_list(host->store, out, &err));
    fflush(out);
    assert_non_null(strstr(text, hex));
    char *copy = scratch_file(host->dir, "backup.db");
    assert_true(relay_admin_backup(host->store, copy, out, &err));
    assert_false(relay_admin_backup(host->store, copy, out, &err));
    static const char *const unnamed[] = {"", "0123456", "notes.md", "weft://relay.example"};
    for (size_t i = 0; i < sizeof unnamed / sizeof *unnamed; i++)
        assert_false(relay_admin_remove(host->store, unnamed[i], out, &err));
    struct buf letters = {0};
    base64url_add(&letters, host->keys.doc.bytes, DOC_ID_BYTES);
    hex[10] = '\0';
    assert_true(relay_admin_remove(host->store, hex, out, &err));
    assert_false(relay_admin_remove(host->store, buf_string(&letters), out, &err));
    assert_int_equal(err.code, ERR_MISSING);
    buf_release(&letters);
    assert_false(relay_admin_remove(host->store, hex, out, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_true(relay_admin_stat(host->store, out, &err));
    fflush(out);
    assert_non_null(strstr(text, "0 documents, 0 B"));

    struct buf record = {0}; /* whoever is inside finds out when he writes */
    relay_peer_member(&ana, &record);
    client_upload(&a, &record);
    assert_non_null(expect(&a, MESSAGE_REFUSE));
    buf_release(&record);
    fclose(out);
    free(text);
    free(copy);
    client_close(&a);
    relay_peer_release(&ana);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, host_setup, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(health_metrics_and_anything_else_are_answered_and_closed),
        SERVER_TEST(bytes_that_are_no_handshake_are_answered_and_closed),
        SERVER_TEST(a_client_of_another_version_reads_what_is_spoken_here),
        SERVER_TEST(a_request_that_never_ends_is_closed),
        SERVER_TEST(an_upgraded_client_who_says_nothing_is_closed),
        SERVER_TEST(an_unmasked_or_oversized_frame_ends_the_connection),
        SERVER_TEST(two_people_write_through_real_sockets),
        SERVER_TEST(what_was_sent_before_the_end_is_acknowledged),
        SERVER_TEST(a_unix_socket_serves_too_and_only_for_its_owner),
        SERVER_TEST(one_store_serves_one_relay),
        SERVER_TEST(what_cannot_be_listened_on_is_said),
        SERVER_TEST(a_port_that_is_taken_is_said),
        SERVER_TEST(a_token_that_others_may_read_is_refused),
        SERVER_TEST(tls_serves_and_takes_a_new_certificate_while_it_runs),
        SERVER_TEST(a_certificate_that_cannot_be_used_is_refused_and_the_old_one_stays),
        SERVER_TEST(sigterm_ends_it_with_status_0),
        SERVER_TEST(what_was_acknowledged_survives_kill_9),
        SERVER_TEST(sigterm_while_everybody_writes_ends_it_with_status_0_and_loses_nothing),
        SERVER_TEST(the_operator_lists_backs_up_and_removes),
    };
    return RUN_TESTS("relay_server", tests);
}
