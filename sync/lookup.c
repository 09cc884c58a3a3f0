#include "sync/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

struct answer {
    enum lookup_state state;
    char addresses[LOOKUP_ADDRESSES_MAX][LOOKUP_ADDRESS_BYTES];
    size_t count;
    const char *reason;
};

struct lookup {
    char *host;

    pthread_mutex_t lock; /* of all below; the answer itself is not written any more once it is there */
    unsigned owners;
    bool dropped;
    struct answer answer;
    void (*answered)(void *self);
    void *self;
};

static const char *reason_of(int failed)
{
    switch (failed) {
    case EAI_AGAIN:
        return "no name server answers";
    case EAI_MEMORY:
    case EAI_SYSTEM:
        return "the system cannot look up names now";
    default:
        return "the name is not known";
    }
}

static void keep_addresses(const struct addrinfo *found, struct answer *answer)
{
    for (; found && answer->count < LOOKUP_ADDRESSES_MAX; found = found->ai_next)
        if (getnameinfo(found->ai_addr, found->ai_addrlen, answer->addresses[answer->count], LOOKUP_ADDRESS_BYTES, NULL, 0,
                        NI_NUMERICHOST) == 0)
            answer->count++;
}

static void ask_system(const char *host, struct answer *answer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &found);
    if (failed == 0) {
        keep_addresses(found, answer);
        freeaddrinfo(found);
    }
    answer->state = answer->count > 0 ? LOOKUP_FOUND : LOOKUP_FAILED;
    answer->reason = reason_of(failed);
}

/* Also "fe80::1%eth0": no name has a '%'. */
static bool is_address(const char *host)
{
    unsigned char room[sizeof(struct in6_addr)];
    bool known = inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1 || strchr(host, '%');
    return known && strlen(host) < LOOKUP_ADDRESS_BYTES;
}

/* With the lock held, which is gone afterwards. */
static void let_go(struct lookup *lookup)
{
    bool last = --lookup->owners == 0;
    pthread_mutex_unlock(&lookup->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&lookup->lock);
    free(lookup->host);
    free(lookup);
}

static void *run(void *self)
{
    struct lookup *lookup = self;
    struct answer answer = {0};
    ask_system(lookup->host, &answer);
    pthread_mutex_lock(&lookup->lock);
    lookup->answer = answer;
    if (!lookup->dropped)
        lookup->answered(lookup->self);
    let_go(lookup);
    return NULL;
}

static bool start_thread(struct lookup *lookup)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, lookup) != 0)
        return false;
    pthread_detach(thread);
    return true;
}

struct lookup *lookup_start(const char *host, void (*answered)(void *self), void *self)
{
    struct lookup *lookup = xcalloc(1, sizeof *lookup);
    lookup->host = xstrdup(host);
    lookup->answered = answered;
    lookup->self = self;
    lookup->owners = 1;
    pthread_mutex_init(&lookup->lock, NULL);
    if (is_address(host)) {
        lookup->answer = (struct answer){.state = LOOKUP_FOUND, .count = 1};
        memcpy(lookup->answer.addresses[0], host, strlen(host) + 1);
        return lookup;
    }
    lookup->owners = 2;
    if (!start_thread(lookup)) {
        lookup->owners = 1;
        lookup->answer = (struct answer){.state = LOOKUP_FAILED, .reason = "the system has no thread left to look up its name"};
    }
    return lookup;
}

void lookup_drop(struct lookup *lookup)
{
    if (!lookup)
        return;
    pthread_mutex_lock(&lookup->lock);
    lookup->dropped = true;
    let_go(lookup);
}

const char *lookup_host(const struct lookup *lookup)
{
    return lookup->host;
}

enum lookup_state lookup_state(struct lookup *lookup)
{
    pthread_mutex_lock(&lookup->lock);
    enum lookup_state state = lookup->answer.state;
    pthread_mutex_unlock(&lookup->lock);
    return state;
}

size_t lookup_count(const struct lookup *lookup)
{
    return lookup->answer.count;
}

const char *lookup_address(const struct lookup *lookup, size_t i)
{
    ensure(i < lookup->answer.count);
    return lookup->answer.addresses[i];
}

const char *lookup_reason(const struct lookup *lookup)
{
    return lookup->answer.reason;
}
