#include "editor/rope_leaf.h"

enum { MARGIN = ROPE_PAGE_BYTES_MAX / 8, MARGIN_MAX = 2 * MARGIN }; /* of a long piece that goes into a page, on both sides */

static struct rope_piece *piece_of(const struct rope_insertion *insertion)
{
    return &insertion->leaf->entries[insertion->i].piece;
}

static void split_piece(struct rope_node *leaf, size_t i, uint64_t len)
{
    struct rope_piece rest = rope_piece_split(&leaf->entries[i].piece, (size_t)len);
    rope_entries_insert(leaf, i + 1, (union rope_entry){.piece = rest});
}

void rope_leaf_put_alone(struct rope_insertion *insertion, struct rope_ink *ink)
{
    struct rope_node *leaf = insertion->leaf;
    union rope_entry entry = {.piece = rope_ink_write(ink, insertion->text, insertion->sums)};
    if (insertion->at > 0 && insertion->at < piece_of(insertion)->of[ROPE_BYTES])
        split_piece(leaf, insertion->i, insertion->at);
    insertion->i += insertion->at > 0;
    insertion->at = 0;
    rope_entries_insert(leaf, insertion->i, entry);
}

bool rope_leaf_fits_in_page(const struct rope_insertion *insertion)
{
    if (insertion->leaf->count == 0 || insertion->text.len > ROPE_PAGE_BYTES_MAX / 2)
        return false;
    uint64_t len = piece_of(insertion)->of[ROPE_BYTES];
    return len + insertion->text.len <= ROPE_PAGE_BYTES_MAX || (insertion->at > 0 && insertion->at < len);
}

/* Cuts off what is far from the place: half a page is left at most. */
static void cut_margins(struct rope_insertion *insertion)
{
    uint64_t len = piece_of(insertion)->of[ROPE_BYTES];
    if (len - insertion->at > MARGIN_MAX)
        split_piece(insertion->leaf, insertion->i, insertion->at + MARGIN);
    if (insertion->at <= MARGIN_MAX)
        return;
    split_piece(insertion->leaf, insertion->i, insertion->at - MARGIN);
    insertion->i++;
    insertion->at = MARGIN;
}

static void set_page(struct rope_piece *piece, size_t at, struct bytes text, struct rope_sums sums)
{
    struct bytes old = rope_piece_text(piece);
    struct rope_piece page = rope_page_of(bytes_slice(old, 0, at), text, bytes_slice(old, at, old.len - at),
                                          rope_sums_add(rope_piece_sums(piece), sums));
    rope_piece_drop(*piece);
    *piece = page;
}

void rope_leaf_put_in_page(struct rope_insertion *insertion)
{
    if (piece_of(insertion)->of[ROPE_BYTES] + insertion->text.len > ROPE_PAGE_BYTES_MAX)
        cut_margins(insertion);
    set_page(piece_of(insertion), (size_t)insertion->at, insertion->text, insertion->sums);
}

void rope_leaf_make_page(struct rope_node *leaf, size_t i)
{
    set_page(&leaf->entries[i].piece, 0, (struct bytes){0}, (struct rope_sums){{0}});
}
