/* The event loop of a link, and connections that do not come about. What goes over one is in test_net.c. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/crypto.h"
#include "sync/link.h"
#include "tests/support/scratch.h"

enum { FAR_MS = 60000 };

/* Notes what it is told; leaves the loop when it is woken and its time has come, or a connection has ended. */
struct listener {
    struct link *link;
    const char *dir;
    uint64_t until_ms;
    unsigned woken, opened, closed;
    bool opening; /* link_open() has not returned */
    struct error why;
};

static void on_opened(void *self)
{
    struct listener *listener = self;
    listener->opened++;
}

static void on_frame(void *self, struct bytes frame)
{
    (void)self;
    (void)frame;
}

static void on_nothing(void *self)
{
    (void)self;
}

static void on_closed(void *self, const struct error *why)
{
    struct listener *listener = self;
    assert_false(listener->opening);
    listener->closed++;
    listener->why = *why;
    link_stop(listener->link);
}

static void on_woken(void *self)
{
    struct listener *listener = self;
    listener->woken++;
    if (link_now_ms() >= listener->until_ms)
        link_stop(listener->link);
    else
        link_timer(listener->link, listener->until_ms); /* it may come early */
}

static int set_up(void **state)
{
    static struct listener listener;
    struct error err = {0};
    void *dir;
    if (scratch_setup(&dir) != 0)
        return -1;
    listener = (struct listener){.dir = dir};
    const struct link_port port = {&listener, on_opened, on_frame, on_nothing, on_nothing, on_closed, on_woken};
    listener.link = link_new(&port, false, &err);
    *state = &listener;
    return listener.link ? 0 : -1;
}

static int tear_down(void **state)
{
    struct listener *listener = *state;
    void *dir = (void *)(uintptr_t)listener->dir;
    link_free(listener->link);
    link_free(NULL);
    return scratch_teardown(&dir);
}

static void open_missing_socket(struct listener *listener)
{
    struct link_address address = {.scheme = LINK_UNIX};
    snprintf(address.host, sizeof address.host, "%s/socket", listener->dir);
    listener->opening = true;
    link_open(listener->link, &address);
    listener->opening = false;
}

static void an_address_is_named_as_people_write_it(void **state)
{
    (void)state;
    static const struct {
        struct link_address address;
        const char *name;
    } cases[] = {
        {{LINK_TLS, "relay.example", 443, false}, "relay.example"},
        {{LINK_TLS, "relay.example", 7717, true}, "relay.example:7717"},
        {{LINK_PLAIN, "127.0.0.1", 443, false}, "127.0.0.1:443"},
        {{LINK_UNIX, "/run/weft/socket", 0, false}, "/run/weft/socket"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[LINK_NAME_BYTES];
        link_address_name(&cases[i].address, name);
        assert_string_equal(name, cases[i].name);
    }
    struct link_address longest = {.scheme = LINK_PLAIN, .port = 65535};
    char name[LINK_NAME_BYTES];
    memset(longest.host, 'h', LINK_HOST_BYTES_MAX);
    link_address_name(&longest, name);
    assert_string_equal(name + LINK_HOST_BYTES_MAX, ":65535");
}

static void the_newest_timer_holds(void **state)
{
    struct listener *listener = *state;
    uint64_t begun_ms = link_now_ms();
    listener->until_ms = begun_ms + 20;
    link_timer(listener->link, begun_ms + FAR_MS);
    link_timer(listener->link, listener->until_ms);
    link_run(listener->link);
    assert_in_range(link_now_ms(), listener->until_ms, begun_ms + FAR_MS - 1);
}

static void a_time_that_is_over_comes_at_once(void **state)
{
    struct listener *listener = *state;
    link_timer(listener->link, 0);
    link_run(listener->link);
    assert_int_equal(listener->woken, 1);
}

static void *wake(void *self)
{
    struct listener *listener = self;
    link_wake(listener->link);
    return NULL;
}

static void any_thread_may_wake_it(void **state)
{
    struct listener *listener = *state;
    pthread_t thread;
    link_timer(listener->link, link_now_ms() + FAR_MS);
    link_timer(listener->link, UINT64_MAX); /* none */
    assert_int_equal(pthread_create(&thread, NULL, wake, listener), 0);
    link_run(listener->link);
    pthread_join(thread, NULL);
    assert_int_equal(listener->woken, 1);
}

static void where_nobody_listens_the_connection_is_closed_once_with_a_sentence(void **state)
{
    struct listener *listener = *state;
    struct digest certificate;
    open_missing_socket(listener);
    assert_int_equal(listener->closed, 0); /* never before link_open() returns */
    assert_false(link_is_open(listener->link));
    assert_false(link_send(listener->link, bytes_of_string("frame")));
    assert_false(link_certificate(listener->link, &certificate));
    link_run(listener->link);
    assert_int_equal(listener->closed, 1);
    assert_int_equal(listener->opened, 0);
    assert_int_equal(listener->why.code, ERR_OFFLINE);
    assert_non_null(strstr(listener->why.text, listener->dir));
}

static void of_a_connection_that_was_given_up_nothing_is_heard(void **state)
{
    struct listener *listener = *state;
    open_missing_socket(listener);
    link_close(listener->link, true);
    listener->until_ms = link_now_ms() + 50;
    link_timer(listener->link, listener->until_ms);
    link_run(listener->link);
    assert_int_equal(listener->closed, 0);
    link_close(listener->link, false); /* there is none: fine */
}

#define LINK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_named_as_people_write_it),
        LINK_TEST(the_newest_timer_holds),
        LINK_TEST(a_time_that_is_over_comes_at_once),
        LINK_TEST(any_thread_may_wake_it),
        LINK_TEST(where_nobody_listens_the_connection_is_closed_once_with_a_sentence),
        LINK_TEST(of_a_connection_that_was_given_up_nothing_is_heard),
    };
    return RUN_TESTS("link", tests);
}
