#include "editor/rope_finger.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- where it is --- */

struct rope_finger *rope_finger_of(struct rope_tree *tree)
{
    if (!tree->finger) {
        tree->finger = xcalloc(1, sizeof *tree->finger);
        tree->finger->at = tree->finger->begin = ROPE_NO_FINGER;
    }
    return tree->finger;
}

void rope_finger_put(struct rope_finger *finger, struct rope_node *node, size_t entry)
{
    finger->nodes[node->height] = node;
    finger->entries[node->height] = (unsigned char)entry;
}

void rope_finger_stand(struct rope_finger *finger, uint64_t begin)
{
    ensure(!finger->start);
    finger->begin = begin;
}

static struct rope_piece *finger_piece(const struct rope_finger *finger)
{
    return &finger->nodes[0]->entries[finger->entries[0]].piece;
}

static bool finger_is_open(const struct rope_finger *finger)
{
    return finger->start != NULL;
}

/* Where the piece ends in the text. */
static uint64_t finger_end(const struct rope_finger *finger)
{
    if (finger_is_open(finger))
        return finger->at + (uint64_t)(finger->stop - finger->behind);
    return finger->begin + finger_piece(finger)->of[ROPE_BYTES];
}

/* --- the gap --- */

static void gap_back(struct rope_finger *finger, size_t len)
{
    finger->gap -= len;
    finger->behind -= len;
    finger->at -= len;
    memmove(finger->behind, finger->gap, len);
}

static void gap_on(struct rope_finger *finger, size_t len)
{
    memmove(finger->gap, finger->behind, len);
    finger->gap += len;
    finger->behind += len;
    finger->at += len;
}

static void gap_to(struct rope_finger *finger, uint64_t place)
{
    if (place < finger->at)
        gap_back(finger, (size_t)(finger->at - place));
    else if (place > finger->at)
        gap_on(finger, (size_t)(place - finger->at));
}

/* The nodes above the piece: their sums for what is below are this much larger. */
static void raise_sums(const struct rope_tree *tree, struct rope_sums sums)
{
    const struct rope_finger *finger = tree->finger;
    for (size_t height = 1; height <= tree->root->height; height++) {
        struct rope_sums *above = &finger->nodes[height]->entries[finger->entries[height]].kid.sums;
        *above = rope_sums_add(*above, sums);
    }
}

void rope_finger_add(struct rope_tree *tree, struct rope_sums sums)
{
    raise_sums(tree, sums);
    tree->sums = rope_sums_add(tree->sums, sums);
}

void rope_finger_settle(const struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || !finger_is_open(finger))
        return;
    finger->idle = true;
    if (finger->behind < finger->stop)
        gap_on(finger, (size_t)(finger->stop - finger->behind));
    if (memcmp(&finger->known, &tree->sums, sizeof tree->sums) == 0)
        return;
    struct rope_sums lag = rope_sums_subtract(tree->sums, finger->known);
    rope_piece_adjust(finger_piece(finger), lag);
    raise_sums(tree, lag);
    finger->known = tree->sums;
}

void rope_finger_close(const struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || !finger_is_open(finger))
        return;
    rope_finger_settle(tree);
    if (finger->in_ink)
        finger->ink.free = finger->gap;
    finger->start = NULL;
    finger->in_ink = false;
    finger->gap = finger->behind = finger->stop = NULL;
    finger->at = ROPE_NO_FINGER;
}

/* False: something on the way is shared, or the piece is not alone on a page. */
static OUT_OF_LINE bool finger_open(const struct rope_tree *tree, struct rope_finger *finger)
{
    struct rope_page page;
    for (size_t height = 0; height <= tree->root->height; height++)
        if (!rope_node_is_ours(finger->nodes[height]))
            return false;
    const struct rope_piece *piece = finger_piece(finger);
    if (!rope_piece_page(piece, &finger->ink, &page))
        return false;
    size_t len = piece->of[ROPE_BYTES];
    size_t lost = (size_t)(piece->data - page.start); /* its head was deleted; nothing moves, for who inserts may look at it */
    finger->start = page.start + lost;
    finger->in_ink = page.in_ink;
    finger->gap = finger->start + len;
    finger->behind = finger->stop = page.stop;
    finger->at = finger->begin + len;
    finger->known = tree->sums;
    finger->idle = true;
    return true;
}

/* The finger, open, when [from, upto] is in the piece or at its edges; else NULL. */
static struct rope_finger *finger_over(const struct rope_tree *tree, uint64_t from, uint64_t upto)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || from < finger->begin || finger->begin == ROPE_NO_FINGER || upto > finger_end(finger))
        return NULL;
    return finger_is_open(finger) || finger_open(tree, finger) ? finger : NULL;
}

/* --- edits --- */

static bool is_in_page(const struct rope_finger *finger, struct bytes text)
{
    return text.data >= finger->start && text.data < finger->stop;
}

/* Room for `len` bytes at that place of the text, which is in the page. */
static unsigned char *make_place(struct rope_finger *finger, uint64_t at, size_t len)
{
    unsigned char *to = finger->gap;
    if (finger->idle) {
        size_t behind = (size_t)(finger->at - at);
        to -= behind;
        memmove(to + len, to, behind);
    } else {
        gap_to(finger, at);
        to = finger->gap;
    }
    finger->gap += len;
    finger->at += len;
    finger->idle = false;
    return to;
}

bool rope_finger_insert(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_finger *finger = finger_over(tree, at, at);
    if (!finger || finger->behind - finger->gap < (ptrdiff_t)text.len)
        return false;
    if (text.len == 0)
        return true;
    if (is_in_page(finger, text)) { /* borrowed from this rope, and about to be moved */
        unsigned char *copy = xmemdup(text.data, text.len);
        bool inserted = rope_finger_insert(tree, at, bytes_of(copy, text.len));
        free(copy);
        return inserted;
    }
    finger->last = at;
    tree->sums = rope_sums_add(tree->sums, rope_sums_of(text));
    memcpy(make_place(finger, at, text.len), text.data, text.len);
    return true;
}

static inline void lose(struct rope_tree *tree, const unsigned char *data, size_t len)
{
    struct rope_sums sums = {{0}};
    if (len == 1) /* mostly: worth no call */
        rope_sums_count(&sums, *data);
    else if (len > 0)
        sums = rope_sums_of(bytes_of(data, len));
    tree->sums = rope_sums_subtract(tree->sums, sums);
}

bool rope_finger_delete(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    uint64_t end = at + len;
    struct rope_finger *finger = finger_over(tree, at, end);
    if (!finger || len == finger_end(finger) - finger->begin)
        return false;
    if (finger->idle) {
        unsigned char *gone = finger->gap - (finger->at - at);
        lose(tree, gone, len);
        memmove(gone, gone + len, (size_t)(finger->at - end));
        finger->gap -= len;
        finger->at -= len;
    } else {
        if (finger->at < at || finger->at > end)
            gap_to(finger, finger->at < at ? at : end);
        size_t before = (size_t)(finger->at - at), after = (size_t)(end - finger->at);
        finger->gap -= before;
        finger->at = at;
        lose(tree, finger->gap, before);
        lose(tree, finger->behind, after);
        finger->behind += after;
    }
    finger->last = at;
    finger->idle = false;
    return true;
}

/* --- checking --- */

void rope_finger_check(const struct rope_tree *tree)
{
    const struct rope_finger *finger = tree->finger;
    if (!finger || finger->begin == ROPE_NO_FINGER) {
        ensure(!finger || !finger_is_open(finger));
        return;
    }
    uint64_t begin = 0;
    struct rope_node *node = tree->root;
    for (size_t height = node->height;; height--) {
        ensure(finger->nodes[height] == node && finger->entries[height] < node->count);
        for (size_t i = 0; i < finger->entries[height]; i++)
            begin += rope_entry_bytes(node, i);
        if (height == 0)
            break;
        node = node->entries[finger->entries[height]].kid.node;
    }
    const struct rope_piece *piece = finger_piece(finger);
    ensure(begin == finger->begin);
    if (!finger_is_open(finger)) {
        ensure(finger->at == ROPE_NO_FINGER);
        return;
    }
    ensure(finger->behind == finger->stop && finger->start == piece->data && finger->at == begin + piece->of[ROPE_BYTES]);
    ensure(finger->gap == finger->start + piece->of[ROPE_BYTES] && finger->gap <= finger->behind);
}
