/* The only includer of libuv. */
#include "sync/relay/relay_loop.h"

#include <stdlib.h>
#include <uv.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

struct relay_loop {
    uv_loop_t uv;
};

struct relay_loop *relay_loop_new(void)
{
    struct relay_loop *loop = xcalloc(1, sizeof *loop);
    if (uv_loop_init(&loop->uv) == 0)
        return loop;
    free(loop);
    return NULL;
}

void *relay_loop_handle(struct relay_loop *loop)
{
    return &loop->uv;
}

void relay_loop_run(struct relay_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void relay_loop_stop(struct relay_loop *loop)
{
    uv_stop(&loop->uv);
}

void relay_loop_free(struct relay_loop *loop)
{
    if (!loop)
        return;
    int rc = uv_loop_close(&loop->uv);
    ensure(rc == 0);
    free(loop);
}
