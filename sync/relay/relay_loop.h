/*
 * relay_loop - the event loop libwebsockets runs on, if there is a better one than its own.
 *
 * Its own loop looks at every connection on every wake: with 10,000 of which few speak that is all a core can do (98 %
 * against 37 % with libuv's epoll). relay_loop_uv.c is used where libuv is there at build time, relay_loop_none.c
 * elsewhere.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_LOOP_H
#define WEFT_SYNC_RELAY_RELAY_LOOP_H

struct relay_loop;

struct relay_loop *relay_loop_new(void);          /* NULL: there is none, use the library's own */
void *relay_loop_handle(struct relay_loop *loop); /* what libwebsockets calls a foreign loop */
void relay_loop_run(struct relay_loop *loop);     /* until relay_loop_stop(), or nothing is left in it */
void relay_loop_stop(struct relay_loop *loop);    /* from inside relay_loop_run() */
void relay_loop_free(struct relay_loop *loop);    /* NULL is fine */

#endif
