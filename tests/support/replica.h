/*
 * replica - one person's document in a test: the document, its text, and the batches it has to offer to others.
 */
#ifndef WEFT_TESTS_REPLICA_H
#define WEFT_TESTS_REPLICA_H

#include "editor/rope.h"
#include "sync/document.h"

enum { REPLICA_PEERS_MAX = 8, REPLICA_AGENTS_MAX = 8 };

struct replica {
    struct rope *base, *text;
    struct document *document;
    struct agent_id agents[REPLICA_AGENTS_MAX]; /* the last one writes, the others were taken over */
    size_t agent_count;
    struct batch_list log;               /* everything it has, in the order in which it came */
    size_t offered[REPLICA_PEERS_MAX];   /* how much of it each peer was given */
};

void replica_init(struct replica *replica, const char *base, unsigned char name);
void replica_release(struct replica *replica);
/* At `pos` deletes, then inserts. */
void replica_edit(struct replica *replica, uint64_t pos, uint64_t deleted, struct bytes text, bool gesture);
void replica_type(struct replica *replica, uint64_t pos, const char *text); /* one gesture */
void replica_delete(struct replica *replica, uint64_t pos, uint64_t len);   /* one gesture */
/* Gives `to` everything it was not given yet; `number` says which peer of `from` it is. */
void replica_send(struct replica *from, struct replica *to, size_t number);
bool replica_undo(struct replica *replica);
bool replica_undo_events(struct replica *replica, const struct event_span *events, size_t count);
bool replica_redo(struct replica *replica);
/* Ends the program and begins it anew: the document from its bytes, a new agent, the old ones taken over. */
void replica_restart(struct replica *replica, unsigned char name);

void replica_text(const struct replica *replica, struct buf *out);
void replica_expect(const struct replica *replica, const char *text);
void replica_expect_same(const struct replica *a, const struct replica *b);

#endif
