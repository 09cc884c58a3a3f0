/*
 * naive - the rules of merging once more, as slowly and plainly as possible: what the engine is measured against.
 *
 * One record a byte, one list of all bytes ever inserted, ancestors as a table of bits. Nothing is shared with the
 * engine.
 */
#ifndef WEFT_TESTS_NAIVE_H
#define WEFT_TESTS_NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAIVE_EVENTS_MAX = 1024, NAIVE_PARENTS_MAX = 16 };

enum naive_kind { NAIVE_INSERT, NAIVE_DELETE, NAIVE_NOTHING };

struct naive_event {
    enum naive_kind kind;
    unsigned char agent;
    uint64_t seq;
    size_t parents[NAIVE_PARENTS_MAX];
    size_t parent_count;
    uint64_t pos;
    unsigned char byte;
    size_t op_first, op_len; /* the operation it is part of */
};

struct naive {
    unsigned char base[64];
    size_t base_len;
    struct naive_event events[NAIVE_EVENTS_MAX];
    size_t count;
    bool before[NAIVE_EVENTS_MAX][NAIVE_EVENTS_MAX]; /* [e][a]: a is an ancestor of e */
};

struct naive *naive_new(const char *base);
void naive_free(struct naive *naive);
/* One operation: `len` events, the first with these parents. Gives the index after the last. */
size_t naive_add(struct naive *naive, unsigned char agent, uint64_t seq, const size_t *parents, size_t parent_count,
                 enum naive_kind kind, uint64_t pos, const char *text, size_t len);
/* The text of the version with these events and their ancestors. `out` has room for all; gives the length. */
size_t naive_text(const struct naive *naive, const size_t *version, size_t count, unsigned char *out);
/* The same byte by byte: which event inserted it; of the base text -1 for its first byte, -2 for the next and so on. */
size_t naive_units(const struct naive *naive, const size_t *version, size_t count, int *out);
/*
 * Where events touched the text, by places in the list of all bytes ever inserted: of an insert its own place and those of the two
 * bytes that it was typed between (-1: the start; the list's length: the end), of a delete that of its byte thrice. What has no
 * effect has -1 thrice.
 */
struct naive_touch {
    long at, left, right;
};
void naive_touches(const struct naive *naive, struct naive_touch *out); /* room for naive->count */
/* Whether b is a or an ancestor of it. */
bool naive_holds(const struct naive *naive, size_t a, size_t b);

#endif
