/*
 * rope_leaf - how new text gets into a leaf of a rope's tree, where there is no page with room for it yet.
 *
 * Internal to the rope (rope_tree.h). The text becomes a piece of its own, written in the ink; or the text around the place is
 * copied into a page, with it:
 *
 *     [ ........ a long piece ......a....... ]
 *     [ ........ a lon ] [ abc ] [ g piece ........ ]          alone
 *     [ ....... ] [ . a lonabcg pie . . . . ] [ ....... ]      in a page
 *
 * A leaf may then have two entries more, and too many (rope_node_split()). It is the caller's alone.
 *
 *   Ownership  the text is copied; it may be borrowed from the leaf.
 *   Bounds     O(ROPE_PIECE_BYTES_MAX): what is cut is counted.
 */
#ifndef WEFT_EDITOR_ROPE_LEAF_H
#define WEFT_EDITOR_ROPE_LEAF_H

#include "editor/rope_node.h"

struct rope_insertion {
    struct rope_node *leaf;
    size_t i;    /* the entry it goes into, and then is in */
    uint64_t at; /* and where in it */
    struct bytes text;
    struct rope_sums sums;
};

void rope_leaf_put_alone(struct rope_insertion *insertion, struct rope_ink *ink);
/* Whether a page is long enough for it, and it has more around it than an edge of a long piece. */
bool rope_leaf_fits_in_page(const struct rope_insertion *insertion);
void rope_leaf_put_in_page(struct rope_insertion *insertion);
/* An entry that is no longer than a page becomes one. */
void rope_leaf_make_page(struct rope_node *leaf, size_t i);

#endif
