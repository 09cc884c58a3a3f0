/* The network thread against a real relay on this machine: sockets, TLS, cuts and coming back. */
#include "tests/support/support.h"

#include <ctype.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/link.h"
#include "sync/net.h"
#include "sync/relay/relay_server.h"
#include "tests/support/other_relay.h"
#include "tests/support/scratch.h"
#include "tests/support/stalls.h"

enum {
    PATIENCE_MS = 20000, /* a test that hangs is a failed test */
    RESOLVER_MS = 5000,  /* how long a resolver hangs */
    AT_ONCE_MS = 1500,   /* what does not wait for it takes at most, stalls of the machine aside */
};

/* Names and what becomes of them. */
static struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hangs;     /* nobody gets an answer, for RESOLVER_MS */
    unsigned asked; /* questions so far */
} resolver = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

static void resolver_hang(bool on)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.hangs = on;
    resolver.asked = 0;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static bool resolver_is_asked(void)
{
    pthread_mutex_lock(&resolver.lock);
    bool asked = resolver.asked > 0;
    pthread_mutex_unlock(&resolver.lock);
    return asked;
}

static void let_wait(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RESOLVER_MS / 1000;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    for (int rc = 0; resolver.hangs && rc == 0;)
        rc = pthread_cond_timedwait(&resolver.changed, &resolver.lock, &until);
    pthread_mutex_unlock(&resolver.lock);
}

/* In place of the system's, for everything that is in this program. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*system_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&system_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
    bool is_name = name && isalpha((unsigned char)name[0]) && !(hints && hints->ai_flags & AI_NUMERICHOST);
    if (is_name)
        let_wait();
    if (is_name && strcmp(name, "nowhere.example") == 0)
        return EAI_NONAME;
    if (!is_name || strcmp(name, "two.example") != 0)
        return system_getaddrinfo(name, service, hints, found);
    int failed = system_getaddrinfo("127.0.0.2", service, hints, found); /* where nobody listens */
    return failed ? failed : system_getaddrinfo("127.0.0.1", service, hints, &(*found)->ai_next);
}

/* Somebody at an editor: journal and document are left out, what arrives is collected. */
struct person {
    struct net *net;
    struct doc_keys keys;
    struct device device;
    struct agent_id agent;
    struct chain *chain;
    uint64_t seq;
    struct buf text, base; /* inserted text in order of arrival */
    struct buf ahead; /* of a checkpoint */
    struct session_status status;
    unsigned alarms, peers;
    struct session_peer peer;
    struct person *next; /* everybody in the place */
};

struct place {
    char *dir;
    struct stalls *stalls;
    struct relay_server *server;
    struct doc_keys keys;
    struct rope *base;
    struct buf genesis;
    char *store, *unix_path;
    int port;
    const char *tls_cert, *tls_key;
    bool pinned; /* people expect the relay of this pin */
    unsigned char pin[CRYPTO_SHORT_HASH_BYTES];
    struct person *people;
};

static void expect_within(const struct place *place, uint64_t took_ms, unsigned ms)
{
    assert_in_range(took_ms, 0, stalls_allow_ms(place->stalls, ms));
}

static void start_server(struct place *place)
{
    struct relay_server_options options = relay_server_options_default();
    struct error err = {0};
    char *listen = xformat("127.0.0.1:%d", place->port);
    options.listen = listen;
    options.store = place->store;
    options.unix_path = place->unix_path;
    options.tls_cert = place->tls_cert;
    options.tls_key = place->tls_key;
    options.limits = relay_limits_none();
    place->server = relay_server_start(&options, &err);
    free(listen);
    if (!place->server)
        fail_msg("%s", err.text);
    place->port = relay_server_port(place->server);
}

static int set_up(void **state)
{
    struct place *place = xcalloc(1, sizeof *place);
    struct genesis genesis;
    struct error err = {0};
    void *dir = NULL;
    if (!crypto_start(&err) || scratch_setup(&dir) != 0)
        return -1;
    place->dir = dir;
    place->stalls = stalls_watch();
    place->store = scratch_file(place->dir, "relay.db");
    place->unix_path = scratch_file(place->dir, "relay.sock");
    doc_keys_new(&place->keys);
    place->base = rope_from_bytes(bytes_of_string("the beginning"));
    genesis_make(&place->keys, place->base, &genesis);
    genesis_seal(&genesis, &place->keys, &place->genesis);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    void *dir = place->dir;
    relay_server_stop(place->server);
    stalls_free(place->stalls);
    rope_free(place->base);
    buf_release(&place->genesis);
    free(place->store);
    free(place->unix_path);
    free(place);
    return scratch_teardown(&dir);
}

static struct link_address loopback(const struct place *place)
{
    struct link_address address = {.scheme = LINK_PLAIN, .port = (unsigned)place->port};
    snprintf(address.host, sizeof address.host, "127.0.0.1");
    return address;
}

static void person_start_at(struct person *person, struct place *place, enum access access,
                            const struct link_address *addresses, size_t address_count)
{
    struct error err = {0};
    unsigned char seed[CRYPTO_SEED_BYTES];
    *person = (struct person){0};
    crypto_random(seed, sizeof seed);
    device_from_seed(&person->device, seed);
    crypto_random(&person->agent, sizeof person->agent);
    doc_keys_from_link(&person->keys, &place->keys.doc, access, doc_keys_seed(&place->keys, access));
    person->chain = chain_new(&place->keys.doc);
    bool host = access == ACCESS_ADMIN;
    struct net_config config = {
        .session = {.keys = &person->keys,
                    .device = &person->device,
                    .self = person->agent,
                    .name = "ana",
                    .chain = person->chain,
                    .genesis = host ? buf_view(&place->genesis) : (struct bytes){0},
                    .create = host,
                    .pinned = place->pinned,
                    .wants_checkpoint = !host,
                    .base = host ? place->base : NULL},
        .addresses = addresses,
        .address_count = address_count,
    };
    memcpy(config.session.relay_pin, place->pin, sizeof place->pin);
    person->net = net_start(&config, &err);
    if (!person->net)
        fail_msg("%s", err.text);
    person->next = place->people;
    place->people = person;
}

static void person_start(struct person *person, struct place *place, enum access access,
                         const struct link_address *address)
{
    person_start_at(person, place, access, address, 1);
}

static bool person_stop(struct place *place, struct person *person, unsigned deadline_ms)
{
    struct person **at = &place->people;
    while (*at != person)
        at = &(*at)->next;
    *at = person->next;
    bool all_sent = net_stop(person->net, deadline_ms);
    chain_free(person->chain);
    buf_release(&person->text);
    buf_release(&person->base);
    buf_release(&person->ahead);
    return all_sent;
}

static void add_text(struct person *person, const struct batch_run *run)
{
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        buf_add_bytes(&person->text, buf_view(&cursor.batch->text));
    batch_cursor_release(&cursor);
}

static void take_event(struct person *person, struct net_event *event)
{
    switch (event->kind) {
    case NET_RECEIVED:
        add_text(person, &event->received.run);
        break;
    case NET_PERSIST:
        net_persisted(person->net, event->persist.record.ticket);
        break;
    case NET_BASE:
        if (event->base.done == event->base.total)
            buf_add_bytes(&person->base, buf_view(&event->bytes));
        break;
    case NET_CHECKPOINT:
        buf_clear(&person->ahead);
        rope_append_to(event->checkpoint.text, 0, rope_len(event->checkpoint.text), &person->ahead);
        break;
    case NET_PEER:
        person->peers++;
        person->peer = event->peer;
        break;
    case NET_ALARM:
        person->alarms++;
        break;
    case NET_STATUS:
        person->status = event->status;
        break;
    case NET_ACKED:
    case NET_MEMBER:
    case NET_GENESIS:
    case NET_MOVED:
        break;
    case NET_FETCH: /* what is typed can be in the chain before the session has been given it: there is no more of it */
        net_fetched(person->net, &event->fetch.agent, NULL, 0, false);
        break;
    }
    net_event_free(event);
}

static void take_events(struct person *person)
{
    struct net_event *event;
    while ((event = net_next(person->net)))
        take_event(person, event);
}

/* Handles everybody's events until `done` holds of the person. */
static void wait_until(struct place *place, struct person *person,
                       bool (*done)(const struct person *person, const void *what), const void *what)
{
    uint64_t give_up_ms = net_now_ms() + PATIENCE_MS;
    while (!done(person, what)) {
        struct pollfd fds[8];
        nfds_t count = 0;
        if (net_now_ms() > give_up_ms)
            fail_msg("waited in vain; the status says: %d %s", person->status.state, person->status.why.text);
        for (struct person *each = place->people; each; each = each->next)
            fds[count++] = (struct pollfd){.fd = net_fd(each->net), .events = POLLIN};
        (void)poll(fds, count, 100);
        for (struct person *each = place->people; each; each = each->next)
            take_events(each);
    }
}

static bool is_online(const struct person *person, const void *what)
{
    (void)what;
    return person->status.state == SESSION_ONLINE && person->status.caught_up &&
           person->status.base_done == person->status.base_total;
}

static bool all_is_sent(const struct person *person, const void *what)
{
    (void)what;
    return person->status.state == SESSION_ONLINE && person->status.unacked_batches == 0 && person->seq > 0;
}

static bool has_text(const struct person *person, const void *text)
{
    return person->text.len == strlen(text) && memcmp(person->text.data, text, person->text.len) == 0;
}

static bool complains_of(const struct person *person, const void *what)
{
    return person->status.state != SESSION_ONLINE && strstr(person->status.why.text, what) != NULL;
}

static bool sees_somebody(const struct person *person, const void *what)
{
    (void)what;
    return person->peers > 0 && person->peer.state == PEER_HERE && person->peer.introduced;
}

static void type(struct person *person, const char *text)
{
    struct batch batch = {.agent = person->agent, .seq0 = person->seq};
    struct buf plain = {0};
    struct local_batch local = {.agent = person->agent, .seq0 = person->seq, .gesture = true};
    if (person->seq > 0)
        batch.flags |= BATCH_FLAG_SELF;
    batch_add_insert(&batch, 0, bytes_of_string(text));
    batch_encode(&batch, &plain);
    ensure(chain_add(person->chain, &batch, buf_view(&plain), &local.digest) == CHAIN_NEXT);
    local.count = batch.count;
    local.plain = buf_view(&plain);
    person->seq += batch.count;
    net_local(person->net, &local);
    person->status.unacked_batches = 1; /* until the next status says otherwise */
    batch_release(&batch);
    buf_release(&plain);
}

/* --- the tests --- */

static bool has_both(const struct person *person, const void *text)
{
    return has_text(person, text) && person->base.len > 0;
}

static void who_joins_gets_what_somebody_has_posted(void **state)
{
    struct place *place = *state;
    struct person ana, ben;
    start_server(place);
    struct link_address address = loopback(place);
    struct rope *text = rope_from_bytes(bytes_of_string("hello, the beginning"));
    struct checkpoint checkpoint = {.count = 1, .events = 5};
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    type(&ana, "hello, ");
    wait_until(place, &ana, all_is_sent, NULL);
    checkpoint.heads[0].event = (struct event_id){ana.agent, ana.seq - 1};
    checkpoint_set_text(&checkpoint, text);
    net_post_checkpoint(ana.net, &checkpoint, text);
    type(&ana, "more "); /* behind it, so that it is there when this is acknowledged */
    wait_until(place, &ana, all_is_sent, NULL);
    person_start(&ben, place, ACCESS_WRITE, &address);
    wait_until(place, &ben, has_both, "hello, more ");
    assert_string_equal(buf_string(&ben.ahead), "hello, the beginning");
    rope_free(text);
    person_stop(place, &ana, 1000);
    person_stop(place, &ben, 1000);
}

static bool is_refused_as(const struct person *person, const void *what)
{
    return person->status.state == SESSION_REFUSED && complains_of(person, what);
}

static void what_one_types_arrives_at_the_other(void **state)
{
    struct place *place = *state;
    struct person ana, ben;
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    person_start(&ben, place, ACCESS_WRITE, &address);
    wait_until(place, &ben, is_online, NULL);
    assert_string_equal(buf_string(&ben.base), "the beginning");
    type(&ana, "hello ");
    type(&ana, "ben");
    wait_until(place, &ben, has_text, "hello ben");
    type(&ben, "hello ana");
    wait_until(place, &ana, has_text, "hello ana");
    wait_until(place, &ana, all_is_sent, NULL);
    assert_int_equal(ana.alarms + ben.alarms, 0);
    assert_true(person_stop(place, &ben, 1000));
    assert_true(person_stop(place, &ana, 1000));
}

static void people_see_each_other(void **state)
{
    struct place *place = *state;
    struct person ana, ben;
    struct session_view view = {.has_cursor = true, .cursor = 3, .anchor = 3};
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    person_start(&ben, place, ACCESS_READ, &address);
    net_present(ben.net, &view);
    wait_until(place, &ana, sees_somebody, NULL);
    assert_true(ana.peer.presence.flags & PRESENCE_VIEWER);
    person_stop(place, &ben, 0);
    person_stop(place, &ana, 0);
}

static void a_unix_socket_serves_as_well(void **state)
{
    struct place *place = *state;
    struct person ana;
    struct link_address address = {.scheme = LINK_UNIX};
    start_server(place);
    snprintf(address.host, sizeof address.host, "%s", place->unix_path);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    person_stop(place, &ana, 0);
}

static void after_the_relay_was_away_everything_is_sent(void **state)
{
    struct place *place = *state;
    struct person ana, ben;
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    type(&ana, "one ");
    wait_until(place, &ana, all_is_sent, NULL);
    relay_server_stop(place->server);
    type(&ana, "two ");
    wait_until(place, &ana, complains_of, "127.0.0.1");
    start_server(place);
    net_retry(ana.net);
    wait_until(place, &ana, all_is_sent, NULL);
    person_start(&ben, place, ACCESS_READ, &address);
    wait_until(place, &ben, has_text, "one two ");
    person_stop(place, &ben, 0);
    assert_true(person_stop(place, &ana, 0));
}

/* The first of two addresses wants to be left alone for 20 s: that is no reason to wait with the second. */
static void what_one_address_asks_for_holds_for_that_one_alone(void **state)
{
    struct place *place = *state;
    struct person ana;
    uint64_t began_ms = net_now_ms();
    struct other_relay *other = other_relay_start(0, OTHER_REFUSES_UPGRADE);
    start_server(place);
    struct link_address addresses[] = {loopback(place), loopback(place)};
    addresses[0].port = (unsigned)other_relay_port(other);
    person_start_at(&ana, place, ACCESS_ADMIN, addresses, 2);
    wait_until(place, &ana, is_online, NULL);
    relay_server_stop(place->server);
    wait_until(place, &ana, complains_of, "cannot reach");
    start_server(place);
    wait_until(place, &ana, is_online, NULL);
    if (net_now_ms() - began_ms < SESSION_PROTOCOL_RETRY_MS)
        assert_int_equal(other_relay_connections(other), 1);
    person_stop(place, &ana, 0);
    other_relay_stop(other);
}

/* The relay in a process of its own, which can be stopped. Its port is place->port. */
static pid_t fork_server(struct place *place)
{
    int ports[2];
    assert_int_equal(pipe(ports), 0);
    pid_t relay = fork();
    assert_true(relay >= 0);
    if (relay == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nothing behind */
        start_server(place);
        if (write(ports[1], &place->port, sizeof place->port) != sizeof place->port)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ports[0], &place->port, sizeof place->port), sizeof place->port);
    close(ports[0]);
    close(ports[1]);
    return relay;
}

static bool is_offline(const struct person *person, const void *what)
{
    (void)what;
    return person->status.state == SESSION_OFFLINE;
}

/* Nobody takes what has come to ana, so nothing more is read, acknowledgements neither. */
enum { PIECE_BYTES = 60000, PIECES = 2 * NET_EVENTS_BYTES_MAX / PIECE_BYTES };

static bool has_all_pieces(const struct person *person, const void *what)
{
    (void)what;
    return person->text.len == PIECES * PIECE_BYTES;
}

static void hold(struct place *place, struct person *ben, struct person *ana)
{
    struct session_status status;
    char *piece = xcalloc(PIECE_BYTES + 1, 1);
    struct link_address address = loopback(place);
    memset(piece, 'x', PIECE_BYTES);
    person_start(ben, place, ACCESS_ADMIN, &address);
    wait_until(place, ben, is_online, NULL);
    for (int i = 0; i < PIECES; i++)
        type(ben, piece);
    wait_until(place, ben, all_is_sent, NULL);
    person_start(ana, place, ACCESS_WRITE, &address);
    do
        net_status(ana->net, &status);
    while (status.state != SESSION_ONLINE && poll(NULL, 0, 5) == 0);
    type(ana, "k");
    free(piece);
}

/* For so long, while nobody takes anything. */
static void expect_online_for(struct person *person, uint64_t look_ms)
{
    struct session_status status;
    for (uint64_t until_ms = net_now_ms() + look_ms; net_now_ms() < until_ms;) {
        net_status(person->net, &status);
        assert_int_equal(status.state, SESSION_ONLINE);
        (void)poll(NULL, 0, 20);
    }
}

/* How long it takes, while nobody takes anything. */
static uint64_t time_until(struct person *person, enum session_state state)
{
    struct session_status status;
    uint64_t since_ms = net_now_ms();
    net_status(person->net, &status);
    while (status.state != state && net_now_ms() - since_ms < PATIENCE_MS) {
        (void)poll(NULL, 0, 5);
        net_status(person->net, &status);
    }
    return net_now_ms() - since_ms;
}

static void what_we_do_not_read_ourselves_is_no_silence_of_the_relay(void **state)
{
    struct place *place = *state;
    struct person ana, ben;
    start_server(place);
    hold(place, &ben, &ana);
    expect_online_for(&ana, SESSION_SILENT_MS + 2000);
    assert_int_equal(ana.text.len, 0);
    wait_until(place, &ana, all_is_sent, NULL);
    person_stop(place, &ben, 0);
    person_stop(place, &ana, 0);
}

/* Although there is enough to read, for hours: a relay that has stopped, goes on, and is killed. */
static void that_the_relay_is_gone_shows_while_nothing_is_read(void **state)
{
    struct place *place = *state;
    struct person ana, ben;
    pid_t relay = fork_server(place);
    hold(place, &ben, &ana);
    expect_online_for(&ana, 1500);
    kill(relay, SIGSTOP);
    uint64_t took_ms = time_until(&ana, SESSION_OFFLINE);
    print_message("stopped: offline after %u ms\n", (unsigned)took_ms);
    expect_within(place, took_ms, SESSION_SILENT_MS + AT_ONCE_MS);
    kill(relay, SIGCONT);
    took_ms = time_until(&ana, SESSION_ONLINE);
    print_message("goes on: online after %u ms\n", (unsigned)took_ms);
    expect_within(place, took_ms, NET_PROBE_MS + AT_ONCE_MS);
    expect_online_for(&ana, 1500);
    kill(relay, SIGKILL);
    assert_int_equal(waitpid(relay, NULL, 0), relay);
    took_ms = time_until(&ana, SESSION_OFFLINE);
    print_message("killed: offline after %u ms\n", (unsigned)took_ms);
    expect_within(place, took_ms, SESSION_SILENT_MS + AT_ONCE_MS);
    start_server(place);
    wait_until(place, &ana, has_all_pieces, NULL);
    wait_until(place, &ana, all_is_sent, NULL);
    person_stop(place, &ben, 0);
    person_stop(place, &ana, 0);
}

static struct link_address by_name(const struct place *place, const char *name)
{
    struct link_address address = loopback(place);
    snprintf(address.host, sizeof address.host, "%s", name);
    return address;
}

static void await_question(struct place *place)
{
    for (uint64_t give_up_ms = net_now_ms() + PATIENCE_MS; !resolver_is_asked();) {
        if (net_now_ms() > give_up_ms)
            fail_msg("nobody asks for a name");
        (void)poll(NULL, 0, 5);
        for (struct person *each = place->people; each; each = each->next)
            take_events(each);
    }
}

/* The name is asked for again, for the relay may be elsewhere by now; what the open connection brings does not wait for it. */
static void beside_a_silent_connection_a_resolver_that_hangs_keeps_nothing_waiting(void **state)
{
    struct place *place = *state;
    struct person ana;
    pid_t relay = fork_server(place);
    struct link_address address = by_name(place, "localhost");
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    resolver_hang(true);
    kill(relay, SIGSTOP);
    uint64_t stopped_ms = net_now_ms();
    type(&ana, "into the silence");
    wait_until(place, &ana, is_offline, NULL); /* from here on another connection is being made, before anything is heard */
    assert_in_range(net_now_ms() - stopped_ms, 0, SESSION_SILENT_MS + AT_ONCE_MS);
    await_question(place);
    uint64_t since_ms = net_now_ms();
    kill(relay, SIGCONT);
    wait_until(place, &ana, all_is_sent, NULL);
    expect_within(place, net_now_ms() - since_ms, AT_ONCE_MS);
    person_stop(place, &ana, 0);
    resolver_hang(false);
    kill(relay, SIGKILL);
    assert_int_equal(waitpid(relay, NULL, 0), relay);
}

static void stopping_waits_for_no_resolver(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = by_name(place, "localhost");
    resolver_hang(true);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    await_question(place);
    uint64_t since_ms = net_now_ms();
    type(&ana, "x");
    assert_false(person_stop(place, &ana, 100));
    expect_within(place, net_now_ms() - since_ms, AT_ONCE_MS);
    resolver_hang(false);
}

/* An editor that starts while the name server does not answer is online when it does. */
static void an_answer_that_comes_late_is_used(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = by_name(place, "localhost");
    resolver_hang(true);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    await_question(place);
    assert_int_equal(ana.status.state, SESSION_OFFLINE);
    uint64_t since_ms = net_now_ms();
    resolver_hang(false);
    wait_until(place, &ana, is_online, NULL);
    expect_within(place, net_now_ms() - since_ms, AT_ONCE_MS);
    person_stop(place, &ana, 0);
}

static void where_nobody_answers_the_next_address_of_a_name_is_tried_at_once(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = by_name(place, "two.example");
    uint64_t since_ms = net_now_ms();
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    expect_within(place, net_now_ms() - since_ms, AT_ONCE_MS);
    person_stop(place, &ana, 0);
}

/* Where bytes are damaged on the way a handshake can wait for an end that has come long ago. */
static void where_somebody_answers_and_says_nothing_another_attempt_is_made_soon(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct sockaddr_in mute = {.sin_family = AF_INET, .sin_port = htons((uint16_t)place->port)};
    mute.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* the first of the two */
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&mute, sizeof mute), 0);
    assert_int_equal(listen(listener, 1), 0);
    struct link_address address = by_name(place, "two.example");
    uint64_t since_ms = net_now_ms();
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    expect_within(place, net_now_ms() - since_ms, LINK_AGAIN_MS + AT_ONCE_MS);
    person_stop(place, &ana, 0);
    close(listener);
}

static void a_name_that_is_not_known_is_one_sentence(void **state)
{
    struct place *place = *state;
    struct person ana;
    place->port = 1;
    struct link_address address = by_name(place, "nowhere.example");
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, complains_of, "cannot reach nowhere.example:1: the name is not known");
    person_stop(place, &ana, 0);
}

/* Two at one text, one of them types: the other, who only reads, is back as soon. */
static void who_is_there_waits_for_the_link_no_longer_than_a_second_or_two(void **state)
{
    enum { HOUR_MS = 3600000 };
    (void)state;
    assert_true(net_pause_max_ms(0, 0) <= 2000);
    assert_true(net_pause_max_ms(0, HOUR_MS) <= 2000);       /* typing offline for an hour */
    assert_true(net_pause_max_ms(HOUR_MS, 60000) <= 2000);   /* watching, and the relay was away for a minute */
    assert_true(net_pause_max_ms(HOUR_MS, HOUR_MS) >= 10000); /* nobody waits any more */
}

static void stopping_sends_what_is_ready_within_its_time(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    type(&ana, "never persisted, so never sent");
    assert_false(person_stop(place, &ana, 50));
}

static void a_closed_port_is_one_sentence(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = loopback(place);
    relay_server_stop(place->server);
    place->server = NULL;
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, complains_of, "cannot reach 127.0.0.1:");
    assert_non_null(strstr(ana.status.why.text, "connection refused"));
    person_stop(place, &ana, 0);
}

static void a_missing_document_is_told_to_a_guest(void **state)
{
    struct place *place = *state;
    struct person ben;
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ben, place, ACCESS_WRITE, &address);
    wait_until(place, &ben, is_refused_as, "no such document"); /* and tries again by itself, so not for long */
    person_stop(place, &ben, 0);
}

static void working_alone_stays_away_until_it_is_switched_off(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    net_pause(ana.net, true);
    wait_until(place, &ana, complains_of, "working alone");
    net_pause(ana.net, false);
    wait_until(place, &ana, is_online, NULL);
    person_stop(place, &ana, 0);
}

static void the_owner_closes_the_document_for_all(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = loopback(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    net_delete_document(ana.net);
    wait_until(place, &ana, complains_of, "closed");
    assert_int_equal(ana.status.refuse_code, REFUSE_CLOSED);
    person_stop(place, &ana, 0);
}

/* --- TLS --- */

static bool make_certificate(struct place *place, const char *name)
{
    char *cert = scratch_file(place->dir, name), *key = xformat("%s.key", cert);
    char *command = xformat("openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=elsewhere "
                            "-keyout '%s' -out '%s' >/dev/null 2>&1",
                            key, cert);
    bool made = system(command) == 0; /* NOLINT(cert-env33-c) */
    free(command);
    place->tls_cert = cert;
    place->tls_key = key;
    return made;
}

static void free_certificate(struct place *place)
{
    free((char *)place->tls_cert);
    free((char *)place->tls_key);
    place->tls_cert = place->tls_key = NULL;
}

/* What a link carries where no authority vouches for the relay. */
static void pin_server(struct place *place)
{
    struct sign_public key = relay_server_key(place->server);
    place->pinned = true;
    crypto_blake2b_128(bytes_of(key.bytes, sizeof key.bytes), place->pin);
}

static void a_self_signed_certificate_counts_only_with_the_relays_own_key(void **state)
{
    struct place *place = *state;
    struct person ana;
    struct link_address address = {.scheme = LINK_TLS};
    if (!make_certificate(place, "self-signed.pem")) {
        free_certificate(place);
        print_message("no openssl command here: skipped\n");
        skip();
    }
    start_server(place);
    address.port = (unsigned)place->port;
    snprintf(address.host, sizeof address.host, "127.0.0.1");
    person_start(&ana, place, ACCESS_ADMIN, &address); /* nobody we trust has signed it */
    wait_until(place, &ana, complains_of, "secure connection");
    person_stop(place, &ana, 0);

    address.insecure = true;
    pin_server(place);
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, is_online, NULL);
    person_stop(place, &ana, 0);

    place->pin[5] ^= 1;
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, complains_of, "not the relay the link names");
    person_stop(place, &ana, 0);
    free_certificate(place);
}

static void a_plain_relay_is_not_taken_for_a_secure_one(void **state)
{
    struct place *place = *state;
    struct person ana;
    start_server(place);
    struct link_address address = loopback(place);
    address.scheme = LINK_TLS;
    person_start(&ana, place, ACCESS_ADMIN, &address);
    wait_until(place, &ana, complains_of, "cannot reach");
    person_stop(place, &ana, 0);
}

#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(who_joins_gets_what_somebody_has_posted),
        PLACE_TEST(what_one_types_arrives_at_the_other),
        PLACE_TEST(people_see_each_other),
        PLACE_TEST(a_unix_socket_serves_as_well),
        PLACE_TEST(after_the_relay_was_away_everything_is_sent),
        PLACE_TEST(what_one_address_asks_for_holds_for_that_one_alone),
        PLACE_TEST(what_we_do_not_read_ourselves_is_no_silence_of_the_relay),
        PLACE_TEST(that_the_relay_is_gone_shows_while_nothing_is_read),
        PLACE_TEST(beside_a_silent_connection_a_resolver_that_hangs_keeps_nothing_waiting),
        PLACE_TEST(stopping_waits_for_no_resolver),
        PLACE_TEST(an_answer_that_comes_late_is_used),
        PLACE_TEST(where_nobody_answers_the_next_address_of_a_name_is_tried_at_once),
        PLACE_TEST(where_somebody_answers_and_says_nothing_another_attempt_is_made_soon),
        PLACE_TEST(a_name_that_is_not_known_is_one_sentence),
        PLACE_TEST(who_is_there_waits_for_the_link_no_longer_than_a_second_or_two),
        PLACE_TEST(stopping_sends_what_is_ready_within_its_time),
        PLACE_TEST(a_closed_port_is_one_sentence),
        PLACE_TEST(a_missing_document_is_told_to_a_guest),
        PLACE_TEST(working_alone_stays_away_until_it_is_switched_off),
        PLACE_TEST(the_owner_closes_the_document_for_all),
        PLACE_TEST(a_self_signed_certificate_counts_only_with_the_relays_own_key),
        PLACE_TEST(a_plain_relay_is_not_taken_for_a_secure_one),
    };
    return RUN_TESTS("net", tests);
}
