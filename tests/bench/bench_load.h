/*
 * bench_load - plain clients that load a relay: no replicas, records made beforehand, every answer counted.
 */
#ifndef WEFT_TESTS_BENCH_LOAD_H
#define WEFT_TESTS_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct load {
    size_t people;            /* connections, all in one document */
    size_t records;           /* of each, every one in a frame of its own, as keys make them; one byte of text */
    /* out */
    uint64_t acked, delivered; /* records made durable; records handed to the other connections */
    double seconds, relay_cpu_ms;
};
/* Until everybody has every acknowledgement and every record. `relay` is asked for its CPU time. */
void load_run(int relay_port, pid_t relay, struct load *load);

#endif
