/* Where libuv is missing: libwebsockets' own loop is used. */
#include "sync/relay/relay_loop.h"

#include <stddef.h>

struct relay_loop *relay_loop_new(void)
{
    return NULL;
}

void *relay_loop_handle(struct relay_loop *loop)
{
    return loop;
}

void relay_loop_run(struct relay_loop *loop)
{
    (void)loop;
}

void relay_loop_stop(struct relay_loop *loop)
{
    (void)loop;
}

void relay_loop_free(struct relay_loop *loop)
{
    (void)loop;
}
