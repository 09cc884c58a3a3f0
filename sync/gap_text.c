#include "sync/gap_text.h"

#include <stdlib.h>

#include "editor/base/ensure.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"

enum { LENGTH }; /* the one kind of sum */
enum { NEAR = GAP_TEXT_NEAR, FIRST = GAP_TEXT_FIRST, END = GAP_TEXT_END };
/* A longer insert is made in such parts: a leaf that was split has room for one. */
enum { PART_BYTES_MAX = (GAP_TEXT_LEAF_BYTES - NEAR) / 2 };

void gap_text_release(struct gap_text *text)
{
    sum_tree_release(&text->tree);
    free(text->leaves);
    *text = (struct gap_text){0};
}

static void set_present(struct gap_text *text, uint32_t number)
{
    text->number = number;
    text->present = &text->leaves[number];
}

static struct gap_text_leaf *add_leaf(struct gap_text *text, uint32_t number)
{
    text->leaves = xgrow(text->leaves, &text->leaf_cap, (size_t)number + 1, sizeof *text->leaves);
    struct gap_text_leaf *leaf = &text->leaves[number];
    leaf->low = FIRST;
    leaf->high = END;
    return leaf;
}

void gap_text_begin(struct gap_text *text)
{
    sum_tree_reset(&text->tree, 1);
    add_leaf(text, 0);
    set_present(text, 0);
    text->len = text->begin = text->noted = 0;
}

/* --- the present leaf --- */

/* Tells the tree how long it is by now. */
static void note_leaf(struct gap_text *text)
{
    uint64_t len = gap_text_leaf_len(text->present);
    if (len != text->noted)
        sum_tree_add_kind(&text->tree, text->number, LENGTH, len - text->noted); /* less is the complement */
    text->noted = len;
}

/* Goes to the leaf with byte `pos`, or for that behind the last one to the last of all. */
static void go_to(struct gap_text *text, uint64_t pos)
{
    uint64_t inside = 0;
    note_leaf(text);
    if (text->len > 0) {
        uint64_t at = pos < text->len ? pos : text->len - 1;
        set_present(text, sum_tree_find(&text->tree, LENGTH, at, &inside));
        text->begin = at - inside;
    } else {
        set_present(text, sum_tree_first(&text->tree));
        text->begin = 0;
    }
    text->noted = gap_text_leaf_len(text->present);
}

void gap_text_move_far(struct gap_text_leaf *leaf, uint32_t first, uint32_t end)
{
    uint32_t low = leaf->low, high = leaf->high;
    if (end < low)
        memmove(leaf->bytes + high - (low - end), leaf->bytes + end, low - end);
    else
        memmove(leaf->bytes + low, leaf->bytes + high, first - low);
}

/* Half of the present leaf becomes one of its own behind it; the present one is then that with place `pos`. */
static void split_leaf(struct gap_text *text, uint64_t pos)
{
    note_leaf(text);
    uint32_t other = text->tree.leaf_count, middle = FIRST + gap_text_leaf_len(text->present) / 2;
    struct gap_text_leaf *to = add_leaf(text, other), *from = &text->leaves[text->number];
    gap_text_take(from, middle, middle);
    uint32_t moved = END - from->high, kept = from->low - FIRST;
    to->high = from->high;
    memcpy(to->bytes + to->high, from->bytes + from->high, moved);
    from->high = END;
    ensure(sum_tree_split(&text->tree, text->number, &(struct sums){{[LENGTH] = moved}}) == other);
    bool behind = pos > text->begin + kept;
    set_present(text, behind ? other : text->number);
    text->begin += behind ? kept : 0;
    text->noted = behind ? moved : kept;
}

/* --- edits --- */

static void take_bytes(struct gap_text *text, uint64_t pos, uint64_t gone)
{
    while (gone > 0) {
        if (pos - text->begin >= gap_text_leaf_len(text->present)) /* less than 0 is much more */
            go_to(text, pos);
        uint64_t first = pos - text->begin, here = least(gone, gap_text_leaf_len(text->present) - first);
        gap_text_take(text->present, FIRST + (uint32_t)first, FIRST + (uint32_t)(first + here));
        text->len -= here;
        gone -= here;
    }
}

/* In parts of a size that is known beforehand, the last of which may cover some of the one before. */
static void copy_part(unsigned char *to, const unsigned char *from, uint32_t len)
{
    if (len < NEAR) {
        memcpy(to, from, len);
        return;
    }
    for (uint32_t at = 0; at < len - NEAR; at += NEAR)
        gap_text_copy_near(to + at, from + at);
    gap_text_copy_near(to + len - NEAR, from + len - NEAR);
}

/* At a place in the present leaf or at its end. */
static void put_part(struct gap_text *text, uint64_t pos, const unsigned char *bytes, uint32_t len)
{
    if (text->present->high - text->present->low < len + NEAR)
        split_leaf(text, pos);
    struct gap_text_leaf *leaf = text->present;
    uint32_t at = FIRST + (uint32_t)(pos - text->begin);
    gap_text_take(leaf, at, at);
    copy_part(leaf->bytes + at, bytes, len);
    leaf->low = at + len;
    text->len += len;
}

void gap_text_replace_far(struct gap_text *text, uint64_t pos, uint64_t gone, struct bytes source, size_t from, size_t len)
{
    ensure(pos <= text->len && gone <= text->len - pos && from <= source.len && len <= source.len - from);
    take_bytes(text, pos, gone);
    while (len > 0) {
        uint32_t part = (uint32_t)least(len, PART_BYTES_MAX);
        if (pos - text->begin > gap_text_leaf_len(text->present))
            go_to(text, pos);
        put_part(text, pos, source.data + from, part);
        pos += part;
        from += part;
        len -= part;
    }
}

void gap_text_patch(const struct gap_text *text, struct patch *out)
{
    buf_reserve(&out->text, (size_t)text->len);
    for (uint32_t number = sum_tree_first(&text->tree); number != SUM_TREE_NONE;
         number = sum_tree_next(&text->tree, number)) {
        const struct gap_text_leaf *leaf = &text->leaves[number];
        patch_insert(out, bytes_of(leaf->bytes + FIRST, leaf->low - FIRST));
        patch_insert(out, bytes_of(leaf->bytes + leaf->high, END - leaf->high));
    }
}

/* --- invariants --- */

static struct sums leaf_sums(const void *self, uint32_t number)
{
    const struct gap_text *text = self;
    const struct gap_text_leaf *leaf = &text->leaves[number];
    ensure(leaf->low >= FIRST && leaf->low + NEAR <= leaf->high && leaf->high <= END);
    return (struct sums){{[LENGTH] = gap_text_leaf_len(leaf)}};
}

void gap_text_check(struct gap_text *text)
{
    note_leaf(text);
    sum_tree_check(&text->tree, leaf_sums, text);
    ensure(text->tree.total.of[LENGTH] == text->len && sum_tree_before(&text->tree, LENGTH, text->number) == text->begin);
}
