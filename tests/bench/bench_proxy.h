/*
 * bench_proxy - a wire between clients and a relay that can be long, noisy, held or cut: TCP, on a thread of its own.
 *
 *   Threads    all calls are safe from any thread; they take effect at once.
 *   Units      ms, bytes of TCP payload (WebSocket heads included, TCP/IP heads not).
 */
#ifndef WEFT_TESTS_BENCH_PROXY_H
#define WEFT_TESTS_BENCH_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proxy;

struct proxy *proxy_start(int relay_port);
void proxy_stop(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);

/* From now on every piece arrives delay_ms + up to jitter_ms later, in order. */
void proxy_delay(struct proxy *proxy, unsigned delay_ms, unsigned jitter_ms);
/* No more than so many bytes a second pass in each direction of a connection; 0: as many as come. */
void proxy_limit(struct proxy *proxy, uint64_t bytes_a_second);
void proxy_hold(struct proxy *proxy, bool on);   /* connections stay, nothing passes; what waited leaves at the end */
void proxy_cut(struct proxy *proxy);             /* every connection ends now; new ones are welcome */
void proxy_refuse(struct proxy *proxy, bool on); /* with on: cut, and new connections end at once */
/*
 * With on: packets vanish. What is connected stays so and never gets another byte, even later; who connects gets no answer.
 * Without: who connects is welcome again.
 */
void proxy_swallow(struct proxy *proxy, bool on);
void proxy_garble(struct proxy *proxy, bool on); /* the last byte of every piece that comes from the relay is another one */

struct proxy_counts {
    uint64_t up_bytes, down_bytes; /* taken from clients, and from the relay */
    uint64_t waiting_bytes;        /* not passed on yet */
    uint64_t connections;          /* ever */
};
struct proxy_counts proxy_counts(struct proxy *proxy);

#endif
