/*
 * rope_finger - where a rope was edited last: a gap buffer, so that typing there costs no look-up.
 *
 * Internal to the rope (rope_tree.h). A finger is the piece that was edited last, and the way to it. That piece has a page
 * (rope_piece.h), so it can be edited as a gap buffer: what is typed or taken back at the gap moves an end of it; for an edit at
 * another place of the page the gap is moved there.
 *
 *     t h e   p a . . . . g e        a page of 12 bytes, 8 of them text
 *     ^           ^       ^   ^
 *     start       gap  behind stop
 *
 * Pieces have no gap: before anybody looks into the tree it is moved to the end, and the piece and the nodes on the way are
 * told what they do not know yet, the tree's sums less `known` (settled). The first edit after that is made without the gap,
 * by moving what is behind it: it may be the only one here.
 *
 * That is so while the finger is open: nodes and page are this tree's alone. Sharing the tree closes it (`start` is NULL); it is
 * opened again when it is used next, if the other tree is gone by then. Whatever else changes the tree moves it.
 *
 *   Ownership  the tree's, with the ink that is written with; made by the first edit.
 *   Bounds     O(1) at the gap; O(ROPE_PAGE_BYTES_MAX) elsewhere in the page, to open it and to settle, which are O(height) too.
 */
#ifndef WEFT_EDITOR_ROPE_FINGER_H
#define WEFT_EDITOR_ROPE_FINGER_H

#include "editor/rope_node.h"
#include "editor/rope_tree.h"

enum { ROPE_FINGER_NODES = 24 };  /* no tree is so high: invariant 3 */
#define ROPE_NO_FINGER UINT64_MAX /* no text is so long */

struct rope_finger {
    uint64_t at; /* where the gap is in the text; ROPE_NO_FINGER while it is closed */
    unsigned char *gap, *behind;
    unsigned char *start, *stop;
    bool idle;      /* nothing was done here since it was opened or settled, but typing on at the end: the gap is there */
    bool in_ink;    /* the page is what was written last in the ink, which goes on behind it */
    uint64_t begin; /* where the piece begins in the text; ROPE_NO_FINGER: it is nowhere */
    uint64_t last;  /* about where the text was edited last */
    struct rope_ink ink;
    struct rope_sums known;
    struct rope_node *nodes[ROPE_FINGER_NODES]; /* by height */
    unsigned char entries[ROPE_FINGER_NODES];   /* which of its entries */
};

struct rope_finger *rope_finger_of(struct rope_tree *tree); /* a new one is nowhere */
/* The way to the piece goes through that entry. The finger is closed. */
void rope_finger_put(struct rope_finger *finger, struct rope_node *node, size_t entry);
/* It is at the piece to which the way was put, which begins there; ROPE_NO_FINGER: it is nowhere. */
void rope_finger_stand(struct rope_finger *finger, uint64_t begin);
/* So much was put into the finger's leaf, which knows it. */
void rope_finger_add(struct rope_tree *tree, struct rope_sums sums);

/* Piece and nodes come to know what was done at the finger. */
void rope_finger_settle(const struct rope_tree *tree);
/* Before anything is done elsewhere in the tree, or by others to what it holds. */
void rope_finger_close(const struct rope_tree *tree);

/* Inserting in the finger's piece. False, and nothing is changed: it is not there, or has no room. */
bool rope_finger_insert(struct rope_tree *tree, uint64_t at, struct bytes text);
/* The same for a key at the gap: worth no call. False: it is not there. */
static inline bool rope_finger_type(struct rope_tree *tree, uint64_t at, unsigned char byte)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || finger->at != at || finger->gap == finger->behind)
        return false;
    *finger->gap++ = byte;
    finger->at++;
    rope_sums_count(&tree->sums, byte);
    return true;
}
/* Deleting in it. False: it is not there, or nothing of the piece would be left. */
bool rope_finger_delete(struct rope_tree *tree, uint64_t at, uint64_t len);

void rope_finger_check(const struct rope_tree *tree); /* settled, it is at a piece that begins where it says */

#endif
