/*
 * Hostile clients against a real relay process: it does not stop, does not grow, and two honest people go on meanwhile. And a
 * history that costs much, against an editor.
 *
 * The attackers come from other addresses than the honest two (all of 127/8 is this machine), and from many, so that the limits
 * of one address do not keep them out. Everything is bounded by counts; the seed is printed.
 */
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/bench/bench_base.h"
#include "tests/support/relay_peer.h"
#include "tests/support/stage.h"
#include "tests/support/stalls.h"

enum {
    ROUNDS = 250,
    BURST = 24,           /* attackers a round */
    SLOW = 150,           /* who stay and say a byte now and then */
#ifdef __SANITIZE_ADDRESS__
    GROWTH_MB_MAX = 512, /* freed memory is kept aside for a while to catch its use: 256 MB of it */
#else
    GROWTH_MB_MAX = 16,
#endif
    HONEST_MS_MAX = 500, /* from a key of one to the screen of the other, where the machine is free */
    FIRST_HOST = 2,       /* 127.0.0.2 and so on */
    HOSTS = 200,
    SCATTERED = 600000,   /* edits: to go over them takes more than a second, of which a fifth passes before it is said */
};
#define FIRST_LINE "start\n"

struct scene {
    struct stage *stage;
    int port;
    struct vt *ada, *lin;
    struct stalls *stalls;
    struct random random;
    int slow[SLOW];
    unsigned next_host, keys;
};

static const char upgrade[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Protocol: weft.1\r\n\r\n";

static int set_up(void **state)
{
    struct scene *scene = xcalloc(1, sizeof *scene);
    struct error err = {0};
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    scene->random = random_of(seed);
    assert_true(crypto_start(&err));
    scene->stage = stage_new();
    scene->port = atoi(strrchr(stage_relay(scene->stage), ':') + 1);
    stage_write(scene->stage, "notes.md", "\n");
    char *link = stage_share(scene->stage, "ada", "notes.md", "edit");
    scene->ada = stage_weft(scene->stage, "ada", ARGS("--name", "ada", "notes.md"));
    scene->lin = stage_weft(scene->stage, "lin", ARGS("join", "--name", "lin", link));
    vt_link(scene->ada, scene->lin);
    vt_expect(scene->ada, "lin");
    vt_expect(scene->lin, "ada");
    scene->stalls = stalls_watch();
    free(link);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    for (size_t i = 0; i < SLOW; i++)
        if (scene->slow[i] > 0)
            close(scene->slow[i]);
    stalls_free(scene->stalls);
    vt_free(scene->ada);
    vt_free(scene->lin);
    stage_free(scene->stage);
    free(scene);
    return 0;
}

/* --- one attacker --- */

static int connect_from_somewhere(struct scene *scene)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)scene->port)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + FIRST_HOST + scene->next_host++ % HOSTS);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail_msg("the relay does not accept any more: %s", strerror(errno));
    return fd;
}

/* What it does not take now, or any more, is lost: an attacker does not mind. */
static void say(int fd, const void *data, size_t len)
{
    (void)!send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_buf(int fd, struct buf *frame)
{
    say(fd, frame->data, frame->len);
    buf_release(frame);
}

static void frame_of(unsigned first, bool masked, uint64_t claimed, struct bytes payload, struct buf *out)
{
    int width = claimed < 126 ? 0 : claimed < 65536 ? 2 : 8;
    buf_add_byte(out, (unsigned char)first);
    buf_add_byte(out, (unsigned char)((masked ? 0x80 : 0) | (width == 0 ? (int)claimed : width == 2 ? 126 : 127)));
    for (int i = width - 1; i >= 0; i--)
        buf_add_byte(out, (unsigned char)(claimed >> (8 * i)));
    if (masked)
        buf_add(out, "\0\0\0\0", 4);
    buf_add_bytes(out, payload);
}

static void say_message(int fd, struct buf *message)
{
    struct buf frame = {0};
    frame_of(0x82, true, message->len, buf_view(message), &frame);
    say_buf(fd, &frame);
    buf_clear(message);
}

static void random_bytes(struct scene *scene, size_t len, struct buf *out)
{
    unsigned char *room = buf_extend(out, len);
    for (size_t i = 0; i < len; i++)
        room[i] = (unsigned char)random_next(&scene->random);
}

/* --- their ways --- */

static void noise(struct scene *scene, int fd)
{
    struct buf bytes = {0};
    random_bytes(scene, 1 + random_below(&scene->random, 20000), &bytes);
    say_buf(fd, &bytes);
}

static void odd_requests(struct scene *scene, int fd)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nContent-Length: 999999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7\r\n\r\n",
        "GET /\0/ HTTP/9.9\r\n: \r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    const char *request = requests[random_below(&scene->random, sizeof requests / sizeof *requests)];
    say(fd, request, strlen(request));
}

static void endless_head(struct scene *scene, int fd)
{
    say(fd, "GET / HTTP/1.1\r\n", 16);
    for (int i = 0; i < 300; i++)
        say(fd, "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 61);
    (void)scene;
}

static void forbidden_frames(struct scene *scene, int fd)
{
    struct buf frames = {0};
    static const unsigned firsts[] = {0x82, 0x02, 0x00, 0x80, 0xc2, 0x83, 0x8f, 0x89, 0x81};
    unsigned first = firsts[random_below(&scene->random, sizeof firsts / sizeof *firsts)];
    bool masked = random_chance(&scene->random, 2);
    uint64_t claimed = random_chance(&scene->random, 2) ? (uint64_t)1 << random_below(&scene->random, 64) : 5;
    say(fd, upgrade, sizeof upgrade - 1);
    frame_of(first, masked, claimed, bytes_of_string("hello"), &frames);
    say_buf(fd, &frames);
}

static void fragments_and_pings(struct scene *scene, int fd)
{
    struct buf frames = {0};
    say(fd, upgrade, sizeof upgrade - 1);
    frame_of(0x02, true, 1, bytes_of_string("x"), &frames);
    for (int i = 0; i < 500; i++) {
        frame_of(0x00, true, 0, (struct bytes){0}, &frames);
        frame_of(0x89, true, 4, bytes_of_string("ping"), &frames);
    }
    say_buf(fd, &frames);
    (void)scene;
}

static void noise_in_messages(struct scene *scene, int fd)
{
    struct buf message = {0};
    say(fd, upgrade, sizeof upgrade - 1);
    for (int i = 0; i < 20; i++) {
        buf_add_byte(&message, (unsigned char)(1 + random_below(&scene->random, 20)));
        random_bytes(scene, random_below(&scene->random, 3000), &message);
        say_message(fd, &message);
    }
    buf_release(&message);
}

static void knocks_without_end(struct scene *scene, int fd)
{
    struct doc_keys keys;
    struct relay_peer peer;
    struct buf message = {0};
    doc_keys_new(&keys);
    relay_peer_init(&peer, &keys, (unsigned)random_next(&scene->random));
    say(fd, upgrade, sizeof upgrade - 1);
    for (int i = 0; i < 50; i++) {
        relay_peer_knock(&peer, &message);
        say_message(fd, &message);
    }
    relay_peer_release(&peer);
    buf_release(&message);
}

/* The first message behind the upgrade; false: it did not come. */
static bool read_challenge(int fd, struct buf *out)
{
    enum { PATIENCE_MS = 2000 };
    struct buf input = {0};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool found = false;
    while (!found && poll(&wait, 1, PATIENCE_MS) == 1) {
        unsigned char piece[4096];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got <= 0)
            break;
        buf_add(&input, piece, (size_t)got);
        const unsigned char *end = memmem(input.data, input.len, "\r\n\r\n", 4);
        size_t head = end ? (size_t)(end - input.data) + 4 : 0, len_at = head + 1;
        if (!end || input.len < head + 4 || input.data[len_at] != 126)
            continue;
        size_t len = (size_t)input.data[len_at + 1] << 8 | input.data[len_at + 2];
        found = input.len >= head + 4 + len;
        if (found)
            buf_add(out, input.data + head + 4, len);
    }
    buf_release(&input);
    return found;
}

/* Somebody who may be here: he has a document of his own and then goes mad. */
static void madness_inside(struct scene *scene, int fd)
{
    struct doc_keys keys;
    struct relay_peer peer;
    struct buf message = {0}, challenge = {0}, record = {0};
    doc_keys_new(&keys);
    relay_peer_init(&peer, &keys, (unsigned)random_next(&scene->random));
    say(fd, upgrade, sizeof upgrade - 1);
    relay_peer_knock(&peer, &message);
    say_message(fd, &message);
    if (read_challenge(fd, &challenge)) {
        relay_peer_genesis(&peer, &record);
        relay_peer_hello(&peer, buf_view(&challenge), buf_view(&record), "", &message);
        say_message(fd, &message);
        relay_peer_resume(&peer, NULL, &message);
        say_message(fd, &message);
        buf_clear(&record);
        relay_peer_member(&peer, &record);
        for (int i = 0; i < 20; i++) {
            struct bytes stored = buf_view(&record);
            relay_peer_records(&peer, &stored, 1, &message);
            if (i > 0)
                message.data[random_below(&scene->random, message.len)] ^= (unsigned char)(1 + random_below(&scene->random, 255));
            say_message(fd, &message);
        }
    }
    relay_peer_release(&peer);
    buf_release(&message);
    buf_release(&challenge);
    buf_release(&record);
}

typedef void attack(struct scene *scene, int fd);

static void attack_once(struct scene *scene)
{
    static attack *const ways[] = {noise,          odd_requests,        endless_head,      forbidden_frames,
                                   fragments_and_pings, noise_in_messages, knocks_without_end, madness_inside};
    int fd = connect_from_somewhere(scene);
    ways[random_below(&scene->random, sizeof ways / sizeof *ways)](scene, fd);
    if (random_chance(&scene->random, 2)) { /* cut off at once, without reading what was sent */
        struct linger reset = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(fd);
}

/* One byte each now and then, of a request that never ends; whom the relay has sent away comes back. */
static void stay_slowly(struct scene *scene)
{
    for (size_t i = 0; i < SLOW; i++) {
        if (scene->slow[i] <= 0)
            scene->slow[i] = connect_from_somewhere(scene);
        if (send(scene->slow[i], "G", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
            continue;
        close(scene->slow[i]);
        scene->slow[i] = 0;
    }
}

/* --- the honest two --- */

/* A key of ada's reaches lin's screen. Returns how long it took. */
static double honest_key(struct scene *scene)
{
    uint64_t start_ns = bench_now_ns();
    char text[16];
    snprintf(text, sizeof text, "<%u>", scene->keys++);
    vt_type(scene->ada, text);
    vt_expect(scene->lin, text);
    if (scene->keys % 10 == 0)
        vt_ctrl(scene->ada, 'a'); /* the next one takes the place of all these, so that lin sees it */
    return bench_ms_since(start_ns);
}

/* One figure of /metrics. */
static unsigned long metric(struct scene *scene, const char *name)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    struct buf answer = {0};
    int fd = connect_from_somewhere(scene);
    say(fd, request, sizeof request - 1);
    for (ssize_t got = 1; got > 0;) {
        unsigned char piece[4096];
        got = read(fd, piece, sizeof piece);
        buf_add(&answer, piece, got > 0 ? (size_t)got : 0);
    }
    close(fd);
    char *line = xformat("\n%s ", name);
    const char *at = strstr(buf_string(&answer), line);
    unsigned long value = at ? strtoul(at + strlen(line), NULL, 10) : 0;
    free(line);
    buf_release(&answer);
    return value;
}

static void hostile_clients_neither_stop_nor_swell_it_and_honest_people_go_on(void **state)
{
    struct scene *scene = *state;
    pid_t relay = stage_relay_pid(scene->stage);
    double before_mb = bench_rss_mb(relay), most_mb = before_mb, slowest_ms = 0;
    for (int round = 0; round < ROUNDS; round++) {
        stay_slowly(scene);
        for (int i = 0; i < BURST; i++)
            attack_once(scene);
        double ms = honest_key(scene), mb = bench_rss_mb(relay);
        slowest_ms = ms > slowest_ms ? ms : slowest_ms;
        most_mb = mb > most_mb ? mb : most_mb;
    }
    print_message("%d attacks and %d who stay: %.1f MB before, %.1f MB at most; slowest honest key %.0f ms, longest stall %u ms\n",
                  ROUNDS * BURST, SLOW, before_mb, most_mb, slowest_ms, stalls_longest_ms(scene->stalls));
    assert_int_equal(stage_relay_pid(scene->stage), relay);
    assert_int_equal(kill(relay, 0), 0);
    assert_true(before_mb > 0 && most_mb - before_mb < GROWTH_MB_MAX);
    assert_true(slowest_ms < stalls_allow_ms(scene->stalls, HONEST_MS_MAX));
    assert_false(vt_output_has(scene->ada, "Offline. Type on"));
    print_message("%lu created, %lu refused, %lu accepted\n", metric(scene, "weft_relay_created_total"),
                  metric(scene, "weft_relay_refused_total"), metric(scene, "weft_relay_accepted_total"));
    assert_true(metric(scene, "weft_relay_created_total") > ROUNDS); /* they did get inside, too */
    assert_true(metric(scene, "weft_relay_refused_total") > ROUNDS);
    vt_expect(scene->ada, "shared  sent");
}

/* --- a history that costs much --- */

/* As many edits as that at places of their own, behind the first line. */
static void write_scattered(struct stage *stage, const char *link, unsigned edits)
{
    struct random random = random_of(edits);
    struct buf lines = {0};
    char line[64];
    for (unsigned i = 0; i < edits; i++) {
        size_t at = strlen(FIRST_LINE) + random_below(&random, i + 1);
        snprintf(line, sizeof line, "{\"at\": %zu, \"insert\": \"\\n\"}\n", at);
        buf_add_string(&lines, line);
    }
    snprintf(line, sizeof line, "{\"at\": %zu, \"insert\": \"that is all\\n\"}\n", strlen(FIRST_LINE));
    buf_add_string(&lines, line);
    struct stage_result result = stage_run(stage, "eve", buf_string(&lines), ARGS("apply", "--name", "eve", link));
    if (result.status != 0)
        fail_msg("%s", result.err);
    buf_release(&lines);
}

/* Who writes a word alone, and has seen nothing of all that others wrote meanwhile; ada has. */
static struct vt *work_alone(struct stage *stage, const char *link, struct vt **ada)
{
    struct vt *mal = stage_weft(stage, "mal", ARGS("join", "--name", "mal", link));
    vt_expect(mal, "start");
    vt_type(mal, VT_ALT("a"));
    vt_expect(mal, "Working alone");
    vt_type(mal, VT_END "MAL");
    vt_expect(mal, "startMAL");
    write_scattered(stage, link, SCATTERED);
    *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_link(*ada, mal);
    vt_expect(*ada, "that is all");
    return mal;
}

/* He comes back with it: what it was concurrent to has to be gone over. */
static void what_costs_much_is_merged_between_the_keys(void **state)
{
    struct stage *stage = *state;
    struct vt *ada;
    unsigned painted = 0;
    stage_write(stage, "notes.md", FIRST_LINE);
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *mal = work_alone(stage, link, &ada);
    vt_type(mal, VT_ALT("a"));
    vt_expect(ada, "merging ");
    while (vt_find(ada, "merging ", NULL, NULL)) {
        char key[16];
        snprintf(key, sizeof key, "<%u>", painted++);
        vt_type(ada, key);
        vt_expect(ada, key);
        vt_type(ada, "\r");
    }
    print_message("%u keys painted meanwhile\n", painted);
    assert_true(painted > 1); /* one alone may have come after it */
    vt_expect(ada, "startMAL");
    vt_type(ada, VT_ALT("h"));
    vt_expect(ada, "Nothing of anybody's is held.");
    vt_free(ada);
    vt_free(mal);
    free(link);
}

/* Ada wants to spend less on it than it takes; bo does not mind. Both go on, and have one text once she has merged it. */
static void what_would_cost_too_much_is_held_until_somebody_wants_it(void **state)
{
    struct stage *stage = *state;
    struct vt *ada;
    stage_write(stage, "notes.md", FIRST_LINE);
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("config", "name", "ada")).status, 0); /* makes the directory */
    stage_write(stage, "ada.config/weft/config.json", "{\"merge_ms\": 5}\n");
    struct vt *mal = work_alone(stage, link, &ada);
    struct vt *bo = stage_weft(stage, "bo", ARGS("join", "--name", "bo", link));
    vt_link(bo, mal);
    vt_expect(bo, "that is all");
    vt_type(mal, VT_ALT("a"));
    vt_expect(ada, "mal's edits held");
    vt_expect(bo, "startMAL");
    vt_type(ada, "<ada>");
    vt_expect(bo, "<ada>start");
    vt_expect(ada, "<ada>start");
    assert_false(vt_find(ada, "MAL", NULL, NULL));
    vt_ctrl(ada, 's');
    vt_expect_gone(ada, "notes.md +");
    vt_ctrl(ada, 'q');
    assert_int_equal(vt_close(ada), 0);

    ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_link(ada, mal);
    vt_expect(ada, "mal's edits held"); /* still */
    vt_type(bo, VT_HOME "<bo>"); /* who has seen it: it waits, too */
    vt_expect(bo, "<bo><ada>startMAL");
    vt_type(ada, "<she>");
    vt_expect(ada, "<she>");
    vt_type(ada, VT_ALT("h"));
    vt_expect(ada, "startMAL");
    vt_expect(ada, "<bo>");
    vt_expect(bo, "<she>");
    vt_expect_gone(ada, "held");
    vt_free(bo);
    vt_free(ada);
    vt_free(mal);
    free(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_clients_neither_stop_nor_swell_it_and_honest_people_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_costs_much_is_merged_between_the_keys, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(what_would_cost_too_much_is_held_until_somebody_wants_it, stage_setup, stage_teardown),
    };
    return RUN_TESTS("hostile", tests);
}
