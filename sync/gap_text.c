#include "sync/gap_text.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

enum { LENGTH }; /* the one kind of sum */
enum { NEAR = GAP_TEXT_NEAR };

#ifdef WEFT_SMALL_NODES
enum { LEAF_BYTES = NEAR + 12 };
#else
enum { LEAF_BYTES = 4096 };
#endif

/* A leaf's bytes have a margin on either side, which a copy at its edges looks at for nothing. */
enum { FIRST = NEAR, END = NEAR + LEAF_BYTES };
/* A longer insert is made in such parts: a leaf that was split has room for one. */
enum { PART_BYTES_MAX = (LEAF_BYTES - NEAR) / 2 };

struct gap_text_leaf {
    uint32_t low, high; /* the gap is bytes[low] to bytes[high - 1] */
    unsigned char bytes[NEAR + LEAF_BYTES + NEAR];
};

void gap_text_release(struct gap_text *text)
{
    sum_tree_release(&text->tree);
    free(text->leaves);
    *text = (struct gap_text){0};
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
}

uint64_t gap_text_len(const struct gap_text *text)
{
    return text->tree.total.of[LENGTH];
}

static void copy_near(unsigned char *to, const unsigned char *from)
{
    unsigned char bytes[NEAR];
    memcpy(bytes, from, NEAR);
    memcpy(to, bytes, NEAR);
}

/* Puts the gap to bytes[at], as it is or will be. Which way it goes is worked out: nobody could foresee it. */
static void move_gap(struct gap_text_leaf *leaf, uint32_t at)
{
    bool down = at < leaf->low;
    uint32_t by = at - leaf->low, moved = down ? 0 - by : by; /* less than 0 is the complement */
    uint32_t from = down ? at : leaf->high, to = down ? leaf->high - moved : leaf->low;
    if (moved <= NEAR) {
        uint32_t more = down ? NEAR - moved : 0; /* is copied too, and comes to lie in the gap */
        copy_near(leaf->bytes + to - more, leaf->bytes + from - more);
    } else {
        memmove(leaf->bytes + to, leaf->bytes + from, moved);
    }
    leaf->low += by;
    leaf->high += by;
}

static uint32_t leaf_len(const struct gap_text_leaf *leaf)
{
    return leaf->low - FIRST + (END - leaf->high);
}

/* Half of the bytes become a leaf of their own behind this one. */
static uint32_t split_leaf(struct gap_text *text, uint32_t number)
{
    uint32_t other = text->tree.leaf_count;
    struct gap_text_leaf *to = add_leaf(text, other), *from = &text->leaves[number];
    move_gap(from, FIRST + leaf_len(from) / 2);
    uint32_t moved = END - from->high;
    to->high = from->high;
    memcpy(to->bytes + to->high, from->bytes + from->high, moved);
    from->high = END;
    ensure(sum_tree_split(&text->tree, number, &(struct sums){{[LENGTH] = moved}}) == other);
    return other;
}

/* Behind the byte before pos, in the same leaf. */
static uint32_t leaf_behind(const struct gap_text *text, uint64_t pos, uint64_t *inside)
{
    *inside = 0;
    if (pos == 0)
        return sum_tree_first(&text->tree);
    uint32_t number = sum_tree_find(&text->tree, LENGTH, pos - 1, inside);
    ++*inside;
    return number;
}

static void insert_part(struct gap_text *text, uint64_t pos, struct bytes source, size_t from, uint32_t len)
{
    uint64_t inside;
    uint32_t number = leaf_behind(text, pos, &inside);
    struct gap_text_leaf *leaf = &text->leaves[number];
    if (leaf->high - leaf->low < len + NEAR) {
        uint32_t other = split_leaf(text, number), kept = leaf_len(&text->leaves[number]);
        if (inside > kept) {
            number = other;
            inside -= kept;
        }
        leaf = &text->leaves[number];
    }
    move_gap(leaf, FIRST + (uint32_t)inside);
    if (len <= NEAR && source.len - from >= NEAR)
        copy_near(leaf->bytes + leaf->low, source.data + from);
    else
        memcpy(leaf->bytes + leaf->low, source.data + from, len);
    leaf->low += len;
    sum_tree_add_kind(&text->tree, number, LENGTH, len);
}

void gap_text_insert(struct gap_text *text, uint64_t pos, struct bytes source, size_t from, size_t len)
{
    ensure(pos <= gap_text_len(text) && from <= source.len && len <= source.len - from);
    while (len > PART_BYTES_MAX) {
        insert_part(text, pos, source, from, PART_BYTES_MAX);
        pos += PART_BYTES_MAX;
        from += PART_BYTES_MAX;
        len -= PART_BYTES_MAX;
    }
    insert_part(text, pos, source, from, (uint32_t)len);
}

/* What is to go comes to lie at the gap; from where it is, the gap goes no farther than that takes. */
static void delete_inside(struct gap_text_leaf *leaf, uint32_t first, uint32_t len)
{
    uint32_t end = first + len, at = leaf->low;
    if (first > at)
        at = first;
    if (at > end)
        at = end;
    move_gap(leaf, at);
    uint32_t before = at - first;
    leaf->low -= before;
    leaf->high += len - before;
}

void gap_text_delete(struct gap_text *text, uint64_t pos, uint64_t len)
{
    ensure(pos <= gap_text_len(text) && len <= gap_text_len(text) - pos);
    while (len > 0) {
        uint64_t inside;
        uint32_t number = sum_tree_find(&text->tree, LENGTH, pos, &inside);
        struct gap_text_leaf *leaf = &text->leaves[number];
        uint64_t left = leaf_len(leaf) - inside, gone = len < left ? len : left;
        delete_inside(leaf, FIRST + (uint32_t)inside, (uint32_t)gone);
        sum_tree_add_kind(&text->tree, number, LENGTH, 0 - gone);
        len -= gone;
    }
}

void gap_text_patch(const struct gap_text *text, struct patch *out)
{
    buf_reserve(&out->text, (size_t)gap_text_len(text));
    for (uint32_t number = sum_tree_first(&text->tree); number != SUM_TREE_NONE;
         number = sum_tree_next(&text->tree, number)) {
        const struct gap_text_leaf *leaf = &text->leaves[number];
        patch_insert(out, bytes_of(leaf->bytes + FIRST, leaf->low - FIRST));
        patch_insert(out, bytes_of(leaf->bytes + leaf->high, END - leaf->high));
    }
}

static struct sums leaf_sums(const void *self, uint32_t number)
{
    const struct gap_text *text = self;
    const struct gap_text_leaf *leaf = &text->leaves[number];
    ensure(leaf->low >= FIRST && leaf->low + NEAR <= leaf->high && leaf->high <= END);
    return (struct sums){{[LENGTH] = leaf_len(leaf)}};
}

void gap_text_check(const struct gap_text *text)
{
    sum_tree_check(&text->tree, leaf_sums, text);
}
