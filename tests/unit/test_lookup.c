/* Names are looked up beside everything else: an answer is taken, or comes too late for anybody, and nothing waits for it. */
#include "tests/support/support.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "sync/lookup.h"

int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found);

/* The system's resolver: gives no answer before it may, and then this one. */
static struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool silent;
    int failure;
    unsigned asked, gone; /* questions that came, and whose answer has left */
} resolver = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, 0};

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)name;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    pthread_cond_broadcast(&resolver.changed);
    while (resolver.silent)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    int failure = resolver.failure;
    resolver.gone++;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    return failure ? failure : __real_getaddrinfo("127.0.0.9", service, hints, found);
}

static void set_resolver(bool silent, int failure)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.silent = silent;
    resolver.failure = failure;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static void await_count(const unsigned *count, unsigned least)
{
    pthread_mutex_lock(&resolver.lock);
    while (*count < least)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);
}

static int set_up(void **state)
{
    (void)state;
    resolver.asked = resolver.gone = 0;
    set_resolver(false, 0);
    return 0;
}

static void count(void *self)
{
    atomic_uint *answers = self;
    (*answers)++;
}

static void await_answer(atomic_uint *answers)
{
    while (*answers == 0)
        (void)poll(NULL, 0, 1);
}

static void what_is_an_address_already_is_not_asked_for(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1", "fe80::1%eth0"};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        atomic_uint answers = 0;
        struct lookup *lookup = lookup_start(addresses[i], count, &answers);
        assert_int_equal(lookup_state(lookup), LOOKUP_FOUND);
        assert_int_equal(lookup_count(lookup), 1);
        assert_string_equal(lookup_address(lookup, 0), addresses[i]);
        lookup_drop(lookup);
        assert_int_equal(answers, 0);
    }
    assert_int_equal(resolver.asked, 0);
}

static void an_answer_is_there_when_it_was_told(void **state)
{
    atomic_uint answers = 0;
    (void)state;
    set_resolver(true, 0);
    struct lookup *lookup = lookup_start("relay.example", count, &answers);
    await_count(&resolver.asked, 1);
    assert_int_equal(lookup_state(lookup), LOOKUP_PENDING);
    assert_string_equal(lookup_host(lookup), "relay.example");
    assert_int_equal(answers, 0);
    set_resolver(false, 0);
    await_answer(&answers);
    assert_int_equal(lookup_state(lookup), LOOKUP_FOUND);
    assert_int_equal(lookup_count(lookup), 1);
    assert_string_equal(lookup_address(lookup, 0), "127.0.0.9");
    lookup_drop(lookup);
}

static void why_there_is_none_is_said(void **state)
{
    static const struct {
        int failure;
        const char *reason;
    } cases[] = {
        {EAI_NONAME, "the name is not known"},
        {EAI_AGAIN, "no name server answers"},
        {EAI_MEMORY, "the system cannot look up names now"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        atomic_uint answers = 0;
        set_resolver(false, cases[i].failure);
        struct lookup *lookup = lookup_start("relay.example", count, &answers);
        await_answer(&answers);
        assert_int_equal(lookup_state(lookup), LOOKUP_FAILED);
        assert_string_equal(lookup_reason(lookup), cases[i].reason);
        lookup_drop(lookup);
    }
}

/* Under the sanitizers also: nothing is written to what is gone, and nothing is left. */
static void an_answer_that_comes_after_the_end_is_told_to_nobody(void **state)
{
    enum { LOOKUPS = 20 };
    (void)state;
    set_resolver(true, 0);
    for (int i = 0; i < LOOKUPS; i++) {
        atomic_uint answers = 0; /* gone when the answer comes */
        lookup_drop(lookup_start("relay.example", count, &answers));
        assert_int_equal(answers, 0);
    }
    await_count(&resolver.asked, LOOKUPS);
    set_resolver(false, 0);
    await_count(&resolver.gone, LOOKUPS);
}

/* It is dropped while the answer is being told, before that and after it. */
static void dropping_and_answering_at_the_same_time_is_sound(void **state)
{
    enum { LOOKUPS = 200 };
    (void)state;
    for (unsigned i = 0; i < LOOKUPS; i++) {
        atomic_uint answers = 0;
        struct lookup *lookup = lookup_start("relay.example", count, &answers);
        if (i % 2)
            await_count(&resolver.gone, i + 1);
        lookup_drop(lookup);
    }
    await_count(&resolver.gone, LOOKUPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_an_address_already_is_not_asked_for, set_up),
        cmocka_unit_test_setup(an_answer_is_there_when_it_was_told, set_up),
        cmocka_unit_test_setup(why_there_is_none_is_said, set_up),
        cmocka_unit_test_setup(an_answer_that_comes_after_the_end_is_told_to_nobody, set_up),
        cmocka_unit_test_setup(dropping_and_answering_at_the_same_time_is_sound, set_up),
    };
    return RUN_TESTS("lookup", tests);
}
