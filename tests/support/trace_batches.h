/*
 * trace_batches - a recorded session as the batches that its authors would have sent.
 */
#ifndef WEFT_TESTS_TRACE_BATCHES_H
#define WEFT_TESTS_TRACE_BATCHES_H

#include "sync/batch.h"
#include "tests/support/trace.h"

struct trace_batches {
    struct batch_list list;
    size_t *first;       /* of each transaction: its first batch in the list; one more entry at the end */
    struct event_id *last; /* of each transaction; one without patches is a merge marker */
};

/* Where places are still in code points, they become bytes: every author is played by a replica of his own. */
void trace_batches_make(struct trace_batches *batches, struct trace *trace);
void trace_batches_release(struct trace_batches *batches);
struct agent_id trace_agent(size_t agent);

#endif
