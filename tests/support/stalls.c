#include "tests/support/stalls.h"

#include "tests/support/support.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "editor/base/xalloc.h"

enum {
    NAP_MS = 10,
#ifdef __SANITIZE_ADDRESS__
    TURNS = 20, /* how many of the longest stalls may fall into one span */
#else
    TURNS = 10,
#endif
};

struct stalls {
    pthread_t thread;
    atomic_bool ends;
    atomic_uint longest_ms;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *nap(void *self)
{
    struct stalls *stalls = self;
    while (!stalls->ends) {
        uint64_t before_ms = now_ms();
        (void)poll(NULL, 0, NAP_MS);
        uint64_t took_ms = now_ms() - before_ms;
        if (took_ms > NAP_MS + stalls->longest_ms)
            stalls->longest_ms = (unsigned)(took_ms - NAP_MS);
    }
    return NULL;
}

struct stalls *stalls_watch(void)
{
    struct stalls *stalls = xcalloc(1, sizeof *stalls);
    assert_int_equal(pthread_create(&stalls->thread, NULL, nap, stalls), 0);
    return stalls;
}

void stalls_free(struct stalls *stalls)
{
    if (!stalls)
        return;
    stalls->ends = true;
    pthread_join(stalls->thread, NULL);
    free(stalls);
}

unsigned stalls_longest_ms(const struct stalls *stalls)
{
    return stalls->longest_ms;
}

void stalls_forget(struct stalls *stalls)
{
    stalls->longest_ms = 0;
}

unsigned stalls_allow_ms(const struct stalls *stalls, unsigned ms)
{
    return ms + TURNS * stalls->longest_ms;
}
