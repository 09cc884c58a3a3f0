#include "editor/rope_finger.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

void rope_finger_put(struct rope_finger *finger, struct rope_node *node, size_t at)
{
    finger->nodes[node->height] = node;
    finger->at[node->height] = (unsigned char)at;
}

static struct rope_piece *finger_piece(const struct rope_finger *finger)
{
    return &finger->nodes[0]->entries[finger->at[0]].piece;
}

static bool finger_is_open(const struct rope_finger *finger)
{
    return finger->tail != NULL;
}

static bool finger_writes(const struct rope_finger *finger)
{
    return finger->stop != finger->start;
}

/* The nodes above the piece: their sums for what is below are this much larger. */
static void finger_raise(const struct rope_tree *tree, struct rope_sums sums)
{
    const struct rope_finger *finger = tree->finger;
    for (size_t height = 1; height <= tree->root->height; height++) {
        struct rope_sums *above = &finger->nodes[height]->entries[finger->at[height]].kid.sums;
        *above = rope_sums_add(*above, sums);
    }
}

void rope_finger_add(struct rope_tree *tree, struct rope_sums sums)
{
    finger_raise(tree, sums);
    tree->sums = rope_sums_add(tree->sums, sums);
}

void rope_finger_settle(const struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || !finger_is_open(finger) || memcmp(&finger->known, &tree->sums, sizeof tree->sums) == 0)
        return;
    struct rope_sums lag = rope_sums_subtract(tree->sums, finger->known);
    rope_piece_adjust(finger_piece(finger), lag);
    finger_raise(tree, lag);
    finger->known = tree->sums;
}

void rope_finger_close(const struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || !finger_is_open(finger))
        return;
    rope_finger_settle(tree);
    if (finger_writes(finger))
        finger->ink.free = finger->tail;
    finger->tail = NULL;
    finger->start = finger->stop = NULL;
}

/* False: something on the way is shared. */
static OUT_OF_LINE bool finger_open(const struct rope_tree *tree, struct rope_finger *finger)
{
    for (size_t height = 0; height <= tree->root->height; height++)
        if (!rope_node_is_ours(finger->nodes[height]))
            return false;
    const struct rope_piece *piece = finger_piece(finger);
    size_t room = rope_ink_room(&finger->ink, piece);
    finger->start = piece->data + 1;                                     /* a piece is not empty */
    finger->tail = (unsigned char *)piece->data + piece->of[ROPE_BYTES]; /* written to when it is in the ink only */
    finger->stop = room > 0 ? finger->tail + room : finger->start;
    finger->known = tree->sums;
    return true;
}

/* The finger, open, when the piece ends at that place; else NULL. */
static struct rope_finger *finger_at(const struct rope_tree *tree, uint64_t place)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || finger->end != place)
        return NULL;
    return finger_is_open(finger) || finger_open(tree, finger) ? finger : NULL;
}

struct rope_finger *rope_finger_of(struct rope_tree *tree)
{
    if (!tree->finger) {
        tree->finger = xcalloc(1, sizeof *tree->finger);
        tree->finger->end = ROPE_NO_FINGER;
    }
    return tree->finger;
}

static OUT_OF_LINE bool type_any(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_finger *finger = finger_at(tree, at);
    if (!finger || finger->stop - finger->tail < (ptrdiff_t)text.len)
        return false;
    tree->sums = rope_sums_add(tree->sums, rope_sums_of(text));
    if (text.len > 0)
        memcpy(finger->tail, text.data, text.len);
    finger->tail += text.len;
    finger->end += text.len;
    return true;
}

bool rope_finger_type(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_finger *finger = tree->finger;
    if (text.len != 1 || !finger || finger->end != at || finger->stop <= finger->tail)
        return type_any(tree, at, text);
    tree->sums = rope_sums_add(tree->sums, rope_sums_of_byte(*text.data)); /* a key, and the finger is open: worth no call */
    *finger->tail++ = *text.data;
    finger->end++;
    return true;
}

bool rope_finger_take_back(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    struct rope_finger *finger = finger_at(tree, at + len);
    if (!finger || len > (size_t)(finger->tail - finger->start))
        return false;
    finger->tail -= len;
    finger->end -= len;
    tree->sums = rope_sums_subtract(tree->sums, rope_sums_of(bytes_of(finger->tail, (size_t)len)));
    if (finger_writes(finger) && finger->tail < finger->ink.floor) { /* a snapshot may have what is behind it */
        finger->ink.free = finger->ink.floor;
        finger->stop = finger->start;
    }
    return true;
}

bool rope_finger_add_piece(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_finger *finger = finger_at(tree, at);
    if (!finger || finger->nodes[0]->count >= ROPE_FANOUT)
        return false;
    rope_finger_close(tree);
    union rope_entry entry = {.piece = rope_ink_write(&finger->ink, text)};
    struct rope_sums sums = rope_piece_sums(&entry.piece);
    rope_entries_insert(finger->nodes[0], ++finger->at[0], entry);
    finger->end += text.len;
    rope_finger_add(tree, sums);
    return true;
}

void rope_finger_check(const struct rope_tree *tree)
{
    const struct rope_finger *finger = tree->finger;
    if (!finger || finger->end == ROPE_NO_FINGER) {
        ensure(!finger || !finger_is_open(finger));
        return;
    }
    uint64_t end = 0;
    struct rope_node *node = tree->root;
    for (size_t height = node->height;; height--) {
        ensure(finger->nodes[height] == node && finger->at[height] < node->count);
        for (size_t i = 0; i < finger->at[height]; i++)
            end += rope_entry_bytes(node, i);
        if (height == 0)
            break;
        node = node->entries[finger->at[height]].kid.node;
    }
    const struct rope_piece *piece = finger_piece(finger);
    ensure(end + piece->of[ROPE_BYTES] == finger->end);
    ensure(!finger_is_open(finger) || finger->tail == piece->data + piece->of[ROPE_BYTES]);
}
