/* Whoever runs a relay: proxies, certificates, a full disk's worth of documents, the store's tools, old backups, bad starts. */
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

enum { PATIENCE_MS = 20000, TRIES_MAX = 500, ARGS_MAX = 24, OUTPUT_BYTES = 4096 };

struct office {
    struct stage *stage;
    char *store; /* "sqlite:PATH" */
    struct stage_job relay;
    bool runs;
    int port; /* the same in every life */
    char output[OUTPUT_BYTES];
    pid_t proxies[2];
};

static int setup(void **state)
{
    struct office *office = xcalloc(1, sizeof *office);
    office->stage = stage_new();
    office->store = xformat("sqlite:%s/relay.db", stage_dir(office->stage));
    *state = office;
    return 0;
}

static int teardown(void **state)
{
    struct office *office = *state;
    for (size_t i = 0; i < sizeof office->proxies / sizeof *office->proxies; i++)
        if (office->proxies[i] > 0)
            kill(-office->proxies[i], SIGKILL);
    stage_free(office->stage);
    free(office->store);
    free(office);
    return 0;
}

/* --- the relay, as its operator starts and ends it --- */

static const char *relay_output(struct office *office)
{
    ssize_t len = pread(fileno(office->relay.out), office->output, sizeof office->output - 1, 0);
    office->output[len > 0 ? len : 0] = '\0';
    return office->output;
}

/* Readable whenever something more was said: the file has no name, but a descriptor is one. */
static int watch_output(const struct office *office)
{
    int fd = inotify_init1(IN_CLOEXEC);
    char *path = xformat("/proc/self/fd/%d", fileno(office->relay.out));
    assert_true(fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0);
    free(path);
    return fd;
}

static void expect_output(struct office *office, const char *text)
{
    char changes[OUTPUT_BYTES];
    int fd = watch_output(office);
    while (!strstr(relay_output(office), text)) {
        struct pollfd changed = {.fd = fd, .events = POLLIN};
        if (poll(&changed, 1, PATIENCE_MS) != 1)
            fail_msg("the relay did not say \"%s\": %s", text, office->output);
        assert_true(read(fd, changes, sizeof changes) > 0);
    }
    close(fd);
}

static void start(struct office *office, const char *const *options)
{
    char *listen = xformat("127.0.0.1:%d", office->port);
    const char *args[ARGS_MAX] = {"relay", "--listen", listen, "--store", office->store, "--address-accepts", "1000/10000"};
    size_t count = 7;
    for (; *options; options++)
        args[count++] = *options;
    office->relay = stage_start(office->stage, "operator", NULL, args);
    office->runs = true;
    expect_output(office, "\n");
    office->port = atoi(strstr(relay_output(office), "127.0.0.1:") + strlen("127.0.0.1:"));
    free(listen);
}

static void stop(struct office *office)
{
    kill(office->relay.pid, SIGTERM);
    assert_int_equal(stage_finish(office->stage, office->relay).status, 0);
    office->runs = false;
}

/* `weft relay WHAT [ARGUMENT]` on the store; what it printed. */
static const char *administer(struct office *office, const char *what, const char *argument)
{
    const char *const *args = argument ? ARGS("relay", what, argument, "--store", office->store)
                                       : ARGS("relay", what, "--store", office->store);
    struct stage_result result = stage_run(office->stage, "operator", NULL, args);
    if (result.status != 0)
        fail_msg("weft relay %s: %s", what, result.err);
    return result.out;
}

/* Shares a file through the relay that listens on `port`; its edit link, heap. */
static char *share(struct office *office, const char *person, const char *path, const char *scheme, int port)
{
    char *relay = xformat("%s://127.0.0.1:%d", scheme, port);
    struct stage_result result =
        stage_run(office->stage, person, NULL, ARGS("share", "--no-edit", "--insecure", "--name", person, path, "--relay", relay));
    free(relay);
    if (result.status != 0)
        fail_msg("share: %s", result.err);
    return xstrndup(result.out + strlen("edit "), strcspn(result.out, "\n") - strlen("edit "));
}

/* Waits: what was typed is sent a moment later, and what others wrote is offered again after a while. */
static void expect_text(struct office *office, const char *link, const char *text)
{
    struct stage_result result;
    unsigned tries = 0;
    do
        result = stage_run(office->stage, "bo", NULL, ARGS("cat", link));
    while (strcmp(result.out, text) != 0 && ++tries < TRIES_MAX);
    assert_string_equal(result.out, text);
    assert_string_equal(result.err, "");
}

static bool has_openssl(void)
{
    return system("openssl version >/dev/null 2>&1") == 0; /* NOLINT(cert-env33-c): fixed words */
}

/* --- a proxy that says whom it saw --- */

static int listen_anywhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* False: it ended. */
static bool pass_on(int from, int to)
{
    char piece[16384];
    ssize_t len = read(from, piece, sizeof piece);
    return len > 0 && send(to, piece, (size_t)len, MSG_NOSIGNAL) == len;
}

/* The request's head with one more field in it; what a client wrote there stays in front, as with proxies of this world. */
static bool pass_head_on(int client, int relay, const char *address)
{
    char head[8192] = "";
    size_t len = 0;
    while (!strstr(head, "\r\n\r\n")) {
        ssize_t got = read(client, head + len, sizeof head - 1 - len);
        if (got <= 0)
            return false;
        head[len += (size_t)got] = '\0';
    }
    char *end = strstr(head, "\r\n\r\n");
    char *grown = xformat("%.*s\r\nX-Forwarded-For: %s%s", (int)(end - head), head, address, end);
    bool sent = send(relay, grown, strlen(grown), MSG_NOSIGNAL) == (ssize_t)strlen(grown);
    free(grown);
    return sent;
}

static void serve_one(int client, int relay_port, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)relay_port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int relay = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd ends[] = {{.fd = client, .events = POLLIN}, {.fd = relay, .events = POLLIN}};
    bool good = connect(relay, (struct sockaddr *)&to, sizeof to) == 0 && pass_head_on(client, relay, address);
    while (good && poll(ends, 2, -1) > 0) {
        if (ends[0].revents)
            good = pass_on(client, relay);
        if (good && ends[1].revents)
            good = pass_on(relay, client);
    }
}

/* All who come by it come from `address`, it says. Its port. */
static int start_proxy(pid_t *proxy, int relay_port, const char *address)
{
    int port, listener = listen_anywhere(&port);
    *proxy = fork();
    if (*proxy == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        for (int client; (client = accept(listener, NULL, NULL)) >= 0; close(client))
            if (fork() == 0) {
                serve_one(client, relay_port, address);
                _exit(0);
            }
        _exit(0);
    }
    setpgid(*proxy, *proxy);
    close(listener);
    return port;
}

static void what_a_proxy_says_of_an_address_counts_if_it_is_the_proxy(void **state)
{
    struct office *office = *state;
    start(office, ARGS("--address-connections", "1", "--behind-proxy", "127.0.0.1"));
    int one = start_proxy(&office->proxies[0], office->port, "192.0.2.1");
    int two = start_proxy(&office->proxies[1], office->port, "192.0.2.2");
    stage_write(office->stage, "notes.md", "one\n");
    char *link = share(office, "ada", "notes.md", "ws", one);
    struct vt *ada = stage_weft(office->stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, "shared  sent");
    struct stage_result result = stage_run(office->stage, "lin", NULL, ARGS("cat", link)); /* the same address */
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "says: too many connections from your address\n"));
    stage_write(office->stage, "other.md", "two\n");
    char *other = share(office, "bo", "other.md", "ws", two); /* another one */
    struct vt *bo = stage_weft(office->stage, "bo", ARGS("--name", "bo", "other.md"));
    vt_expect(bo, "shared  sent");
    vt_free(bo);

    stop(office); /* and one that believes nobody: all of them are one address */
    start(office, ARGS("--address-connections", "1"));
    vt_expect(ada, "offline");
    vt_expect(ada, "shared  sent");
    result = stage_run(office->stage, "lin", NULL, ARGS("cat", other));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "says: too many connections from your address\n"));
    vt_free(ada);
    free(other);
    free(link);
}

/* --- certificates --- */

static void make_certificate(struct office *office, const char *cert, const char *key, const char *name)
{
    char *command = xformat("cd %s && openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=%s -keyout %s -out %s 2>/dev/null",
                            stage_dir(office->stage), name, key, cert);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): fixed words and our own directory */
    free(command);
}

/* Who the relay is to a new connection, and what its figures are. */
static void expect_over_tls(struct office *office, const char *name, const char *figure)
{
    char *command = xformat("printf 'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | "
                            "openssl s_client -ign_eof -connect 127.0.0.1:%d 2>&1",
                            office->port);
    char *subject = xformat("CN = %s", name), answer[32768];
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): fixed words and a number */
    assert_non_null(pipe);
    size_t len = fread(answer, 1, sizeof answer - 1, pipe);
    answer[len] = '\0';
    pclose(pipe);
    assert_non_null(strstr(answer, subject));
    assert_non_null(strstr(answer, figure));
    free(subject);
    free(command);
}

static void a_new_certificate_is_for_new_connections_and_a_bad_one_for_nobody(void **state)
{
    struct office *office = *state;
    if (!has_openssl()) {
        print_message("openssl is not here: skipped\n");
        skip();
    }
    make_certificate(office, "cert.pem", "key.pem", "first");
    start(office, ARGS("--tls-cert", "cert.pem", "--tls-key", "key.pem"));
    stage_write(office->stage, "notes.md", "one\n");
    char *link = share(office, "ada", "notes.md", "wss", office->port);
    struct vt *ada = stage_weft(office->stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, "shared  sent");
    expect_over_tls(office, "first", "weft_relay_accepted_total 2\n"); /* share, and the editor */

    make_certificate(office, "cert.pem", "key.pem", "second");
    kill(office->relay.pid, SIGHUP);
    expect_output(office, "weft relay: new connections get the certificate that is in cert.pem now\n");
    expect_over_tls(office, "second", "weft_relay_accepted_total 2\n");
    vt_type(ada, "x");
    vt_expect_row(ada, 0, "xone");
    vt_expect(ada, "shared  sent");
    expect_over_tls(office, "second", "weft_relay_accepted_total 2\n"); /* on the connection of before */

    make_certificate(office, "other.pem", "key.pem", "third");
    kill(office->relay.pid, SIGHUP);
    expect_output(office, "weft relay: the certificate stays the old one: the key in key.pem is not that of the certificate in "
                          "cert.pem\n");
    expect_over_tls(office, "second", "weft_relay_connections 1\n");
    vt_type(ada, "y");
    vt_expect_row(ada, 0, "xyone");
    vt_expect(ada, "shared  sent");
    expect_text(office, link, "xyone\n");
    vt_free(ada);
    free(link);
}

/* --- a store with a bound --- */

/* `count` letters at the front, through the link. */
static struct stage_result write_much(struct office *office, const char *link, size_t count)
{
    char *letters = xcalloc(1, count + 1);
    memset(letters, 'w', count);
    char *edit = xformat("{\"at\": 0, \"insert\": \"%s\"}\n", letters);
    struct stage_result result = stage_run(office->stage, "ada", edit, ARGS("apply", link));
    free(edit);
    free(letters);
    return result;
}

/* The id of the only document, or of the largest, as `weft relay ls` shows it; heap. */
static char *largest_document(struct office *office)
{
    const char *listed = administer(office, "ls", NULL);
    return xstrndup(listed, strcspn(listed, " "));
}

static void from_80_percent_on_no_new_documents_and_when_full_no_edits(void **state)
{
    struct office *office = *state;
    start(office, ARGS("--max-total", "100k"));
    char *relay = xformat("ws://127.0.0.1:%d", office->port);
    stage_write(office->stage, "old.md", "one\n");
    stage_write(office->stage, "notes.md", "two\n");
    stage_write(office->stage, "late.md", "three\n");
    char *old = share(office, "ada", "old.md", "ws", office->port);
    char *link = share(office, "ada", "notes.md", "ws", office->port);
    assert_int_equal(write_much(office, old, 60000).status, 0);
    assert_int_equal(write_much(office, link, 25000).status, 0);
    struct stage_result result =
        stage_run(office->stage, "bo", NULL, ARGS("share", "--no-edit", "--name", "bo", "late.md", "--relay", relay));
    char *sentence = xformat("weft share: 127.0.0.1:%d says: the relay is more than 80 %% full and takes no new documents; late.md is not shared\n",
                             office->port);
    assert_string_equal(result.err, sentence);
    assert_int_equal(result.status, 1);
    assert_int_equal(write_much(office, link, 10000).status, 0); /* who is there goes on */
    result = write_much(office, link, 10000);
    assert_string_equal(result.err, "weft apply: not everything was acknowledged by the relay: the relay does not take your "
                                    "edits: the relay is full\n");
    assert_int_equal(result.status, 1);

    struct vt *ada = stage_weft_sized(office->stage, "ada", 24, 120, ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, "shared  sent");
    char *letters = xcalloc(1, 10001);
    memset(letters, 'v', 10000);
    char *paste = xformat("\x1b[200~%s\x1b[201~", letters);
    vt_type(ada, paste);
    vt_expect(ada, "the relay does not take your edits: the relay is full; they stay here and are offered again");
    vt_expect(ada, "1 unsent");
    vt_expect(ada, " s (the relay is full)"); /* for as long as it is so; the message above goes */

    char *id = largest_document(office); /* the operator makes room beside the relay, which sees it with the next request */
    administer(office, "rm", id);
    result = stage_run(office->stage, "lin", NULL, ARGS("cat", old));
    assert_non_null(strstr(result.err, "says: this document was closed, by its owner or by who runs the relay\n"));
    vt_expect(ada, "shared  sent");
    vt_free(ada);
    free(id);
    free(paste);
    free(letters);
    free(sentence);
    free(link);
    free(old);
    free(relay);
}

/* --- the store's tools --- */

static void expect_tools_work(struct office *office, const char *backup)
{
    char *id = largest_document(office), *path = xformat("%s/%s", stage_dir(office->stage), backup);
    assert_int_equal(strlen(id), 32);
    assert_non_null(strstr(administer(office, "ls", NULL), " agent"));
    assert_non_null(strstr(administer(office, "stat", NULL), "2 documents, "));
    assert_non_null(strstr(administer(office, "backup", path), ": 2 documents, "));
    struct stage_result result =
        stage_run(office->stage, "operator", NULL, ARGS("relay", "backup", path, "--store", office->store));
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "is there already: a backup goes to a new file\n"));
    free(path);
    free(id);
}

static void the_tools_work_on_a_store_in_use_and_on_one_that_is_not(void **state)
{
    struct office *office = *state;
    start(office, ARGS("--max-connections", "100"));
    stage_write(office->stage, "one.md", "one\n");
    stage_write(office->stage, "two.md", "two two two two two two\n");
    char *one = share(office, "ada", "one.md", "ws", office->port), *two = share(office, "ada", "two.md", "ws", office->port);
    expect_tools_work(office, "live.db");
    char *id = largest_document(office);
    struct vt *ada = stage_weft_sized(office->stage, "ada", 24, 120, ARGS("--name", "ada", "two.md"));
    vt_expect(ada, "shared  sent");
    stop(office);
    vt_expect(ada, "offline");
    expect_tools_work(office, "stopped.db");
    start(office, ARGS("--max-connections", "100"));
    vt_expect(ada, "shared  sent");
    char *removed = xformat("removed %s (", id);
    const char *said = administer(office, "rm", two); /* by its link */
    assert_int_equal(strncmp(said, removed, strlen(removed)), 0);
    assert_non_null(strstr(said, " agents, the newest of "));
    assert_non_null(strstr(said, "); it stays closed\n"));
    vt_type(ada, "x"); /* she is told with the next edit, which stays hers */
    vt_expect(ada, "two.md was closed for everybody at its relay. The text stays here.");
    vt_expect(ada, "kept, ^S writes the file");
    vt_expect_row(ada, 0, "xtwo two two two two two");
    expect_text(office, one, "one\n");
    assert_non_null(strstr(administer(office, "stat", NULL), "1 document, "));
    vt_free(ada);
    free(removed);
    free(id);
    free(two);
    free(one);
}

/* The files of a store that was put in the place of another: what the other's log still held must not be read into it. */
static void restore(struct office *office, const char *backup)
{
    static const char *const ends[] = {"relay.db-wal", "relay.db-shm"};
    char *from = xformat("%s/%s", stage_dir(office->stage), backup), *to = xformat("%s/relay.db", stage_dir(office->stage));
    for (size_t i = 0; i < 2; i++) {
        char *path = xformat("%s/%s", stage_dir(office->stage), ends[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
}

static void an_old_backup_is_healed_by_whoever_was_there(void **state)
{
    struct office *office = *state;
    start(office, ARGS("--max-connections", "100"));
    stage_write(office->stage, "notes.md", "one\n");
    char *link = share(office, "ada", "notes.md", "ws", office->port);
    char *path = xformat("%s/old.db", stage_dir(office->stage));
    struct vt *ada = stage_weft(office->stage, "ada", ARGS("--name", "ada", "notes.md"));
    struct vt *lin = stage_weft(office->stage, "lin", ARGS("join", "--name", "lin", link));
    vt_link(ada, lin);
    vt_expect(lin, "ada");
    vt_type(ada, "a");
    vt_expect_row_has(lin, 0, "aone");
    administer(office, "backup", path);
    vt_type(lin, VT_END "z"); /* after the backup: lin's, and then ada's */
    vt_expect_row_has(ada, 0, "aonez");
    vt_type(ada, "b");
    vt_expect_row_has(lin, 0, "abonez");
    vt_expect(lin, "shared  sent");
    vt_expect(ada, "shared  sent");
    stop(office);
    restore(office, "old.db");
    vt_free(lin); /* never comes back: what lin wrote is with ada only */
    start(office, ARGS("--max-connections", "100"));
    vt_expect(ada, "shared  sent");
    vt_type(ada, "c");
    vt_expect(ada, "shared  sent");
    expect_text(office, link, "abconez\n");
    vt_free(ada);
    free(path);
    free(link);
}

/* While a script runs. What it ends with 0 for is there, and all that it builds on. */
static void put_back_under_a_script(struct office *office, const char *last_line, const char *text)
{
    start(office, ARGS("--max-connections", "100"));
    stage_write(office->stage, "notes.md", "one\n");
    char *link = share(office, "ada", "notes.md", "ws", office->port);
    char *path = xformat("%s/old.db", stage_dir(office->stage));
    administer(office, "backup", path);
    struct stage_result lin =
        stage_run(office->stage, "lin", "{\"at\": 0, \"insert\": \"below \"}\n", ARGS("apply", link)); /* and is gone */
    assert_int_equal(lin.status, 0);
    struct vt *script = stage_weft(office->stage, "bo", ARGS("apply", link));
    vt_type(script, "{\"at\": 6, \"insert\": \"on \"}\n");
    expect_text(office, link, "below on one\n");
    stop(office);
    restore(office, "old.db");
    start(office, ARGS("--max-connections", "100"));
    vt_type(script, last_line);
    vt_ctrl(script, 'd');
    assert_int_equal(vt_close(script), 0);
    struct stage_result cat = stage_run(office->stage, "bo", NULL, ARGS("cat", link));
    assert_string_equal(cat.out, text);
    free(path);
    free(link);
}

static void a_script_does_not_end_well_before_the_relay_has_what_it_builds_on(void **state)
{
    put_back_under_a_script(*state, "{\"at\": 9, \"insert\": \"top \"}\n", "below on top one\n");
}

static void nor_before_it_has_again_what_it_had_acknowledged(void **state)
{
    put_back_under_a_script(*state, "", "below on one\n");
}

/* --- what stands in the way of a start --- */

/* The address is looked at before the store, which another relay has. */
static void an_address_that_is_none_is_not_blamed_on_the_store(void **state)
{
    struct office *office = *state;
    start(office, ARGS("--max-connections", "100"));
    struct stage_result result =
        stage_run(office->stage, "operator", NULL, ARGS("relay", "--store", office->store, "--listen", "256.1.1.1:80"));
    assert_string_equal(result.err,
                        "weft relay: cannot listen on 256.1.1.1 port 80: this is no address (write numbers, not a name)\n");
    assert_int_equal(result.status, 2);
    stop(office);
}

static void expect_no_start(struct office *office, const char *store, const char *listen, const char *says)
{
    struct stage_result result =
        stage_run(office->stage, "operator", NULL, ARGS("relay", "--store", store, "--listen", listen));
    char *line = xformat("weft relay: %s\n", says);
    assert_string_equal(result.err, line);
    assert_string_equal(result.out, "");
    assert_int_equal(result.status, 1);
    free(line);
}

/* A refused store is left alone, and so is what lies beside it. */
static void expect_nothing_beside(const char *store)
{
    static const char *const ends[] = {".lock", ".key"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *path = xformat("%s%s", store, ends[i]);
        assert_int_equal(access(path, F_OK), -1);
        free(path);
    }
}

/* As a later weft would leave it: SQLite's user_version, four bytes at 60 of the file. */
static void make_newer(struct office *office)
{
    static const unsigned char version[4] = {0, 0, 0, 99};
    char *path = xformat("%s/relay.db", stage_dir(office->stage));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, version, sizeof version, 60), sizeof version);
    close(fd);
    free(path);
}

static void what_stands_in_the_way_of_a_start_is_one_sentence(void **state)
{
    struct office *office = *state;
    const char *dir = stage_dir(office->stage);
    start(office, ARGS("--max-connections", "100"));
    char *taken = xformat("127.0.0.1:%d", office->port);
    char *other = xformat("sqlite:%s/other.db", dir), *nowhere = xformat("sqlite:%s/no/relay.db", dir);
    char *directory = xformat("sqlite:%s", dir), *file = xformat("sqlite:%s/notes.md", dir);
    char *says = xformat("cannot listen on 127.0.0.1 port %d: another program listens there already", office->port);
    expect_no_start(office, other, taken, says);
    free(says);
    says = xformat("another relay is using the store %s/relay.db, on ws://127.0.0.1:%d", dir, office->port);
    expect_no_start(office, office->store, ":0", says);
    free(says);
    says = xformat("cannot lock the store with %s/no/relay.db.lock: No such file or directory", dir);
    expect_no_start(office, nowhere, ":0", says);
    free(says);
    says = xformat("the relay's store %s: Is a directory", dir);
    expect_no_start(office, directory, ":0", says);
    expect_nothing_beside(dir);
    free(says);
    stage_write(office->stage, "notes.md", "this is a text, and no store of any relay that ever was\n");
    says = xformat("the relay's store %s/notes.md: the file is not a database", dir);
    expect_no_start(office, file, ":0", says);
    assert_false(stage_exists(office->stage, "notes.md.key")); /* no key for what will never be a store */
    free(says);
    stop(office);
    make_newer(office);
    says = xformat("the relay's store %s/relay.db was made by a newer weft; nothing in it was changed: update weft", dir);
    expect_no_start(office, office->store, ":0", says);
    free(says);
    free(file);
    free(directory);
    free(nowhere);
    free(other);
    free(taken);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_a_proxy_says_of_an_address_counts_if_it_is_the_proxy),
        TEST(a_new_certificate_is_for_new_connections_and_a_bad_one_for_nobody),
        TEST(from_80_percent_on_no_new_documents_and_when_full_no_edits),
        TEST(the_tools_work_on_a_store_in_use_and_on_one_that_is_not),
        TEST(an_old_backup_is_healed_by_whoever_was_there),
        TEST(a_script_does_not_end_well_before_the_relay_has_what_it_builds_on),
        TEST(nor_before_it_has_again_what_it_had_acknowledged),
        TEST(what_stands_in_the_way_of_a_start_is_one_sentence),
        TEST(an_address_that_is_none_is_not_blamed_on_the_store),
    };
    return RUN_TESTS("operator", tests);
}
