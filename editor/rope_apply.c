/*
 * Applying a patch to a rope. Edits that lie near each other become one: the bytes between them are copied, which costs
 * less than a place in the tree for each, and leaves a text that is quicker to read.
 *
 *      retain 900   insert 1   retain 7   delete 2   retain 3   insert 1   retain 5,000   ...
 *                   \______________________________________________/
 *                   a stretch: 12 bytes go, 12 others come; it ends where they become too many
 */
#include "editor/rope.h"

#ifdef WEFT_SMALL_NODES
enum { NEAR_MAX = 12, STRETCH_MAX = 64 };
#else
enum {
    NEAR_MAX = 256,         /* bytes between two edits that are copied rather than stepped over */
    STRETCH_MAX = 16 * 1024 /* new bytes, copied ones among them: about a piece */
};
#endif

/* Old bytes [at, at + deleted) become `text`; not done yet. What stands before it is the new text already. */
struct stretch {
    struct rope *rope;
    uint64_t at, deleted;
    struct buf text;
    struct bytes ahead; /* of the old text behind it, as far as that lies in one piece */
};

/* Does it, and begins an empty one behind it. */
static void stretch_end(struct stretch *stretch)
{
    if (stretch->deleted > 0)
        rope_delete(stretch->rope, stretch->at, stretch->deleted);
    if (stretch->text.len > 0)
        rope_insert(stretch->rope, stretch->at, buf_view(&stretch->text));
    stretch->at += stretch->text.len;
    stretch->deleted = 0;
    stretch->ahead.len = 0;
    buf_clear(&stretch->text);
}

static bool stretch_is_empty(const struct stretch *stretch)
{
    return stretch->deleted == 0 && stretch->text.len == 0;
}

/* The next `len` bytes of the old text, which are there, or as many of them as lie in a row. */
static struct bytes stretch_ahead(struct stretch *stretch, uint64_t len)
{
    if (stretch->ahead.len == 0)
        stretch->ahead = rope_chunk(stretch->rope, stretch->at + stretch->deleted);
    ensure(stretch->ahead.len > 0);
    return bytes_slice(stretch->ahead, 0, len < stretch->ahead.len ? (size_t)len : stretch->ahead.len);
}

static void stretch_skip(struct stretch *stretch, uint64_t len)
{
    size_t seen = len < stretch->ahead.len ? (size_t)len : stretch->ahead.len;
    stretch->ahead = bytes_slice(stretch->ahead, seen, stretch->ahead.len - seen);
    stretch->deleted += len;
}

static void stretch_retain(struct stretch *stretch, uint64_t len)
{
    if (len > NEAR_MAX || stretch->text.len + len > STRETCH_MAX || stretch_is_empty(stretch)) {
        stretch_end(stretch);
        stretch->at += len;
        return;
    }
    while (len > 0) {
        struct bytes same = stretch_ahead(stretch, len);
        buf_add_bytes(&stretch->text, same);
        stretch_skip(stretch, same.len);
        len -= same.len;
    }
}

static void stretch_insert(struct stretch *stretch, struct bytes text)
{
    if (stretch->text.len + text.len > STRETCH_MAX)
        stretch_end(stretch);
    if (text.len <= STRETCH_MAX) {
        buf_add_bytes(&stretch->text, text);
        return;
    }
    rope_insert(stretch->rope, stretch->at, text);
    stretch->at += text.len;
}

static void apply_parts(struct rope *rope, const struct patch *patch)
{
    struct stretch stretch = {.rope = rope};
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        switch (part->kind) {
        case PART_RETAIN:
            stretch_retain(&stretch, part->len);
            break;
        case PART_INSERT:
            stretch_insert(&stretch, patch_part_text(patch, part));
            break;
        case PART_DELETE:
            stretch_skip(&stretch, part->len);
            break;
        }
    }
    stretch_end(&stretch);
    buf_release(&stretch.text);
}

static OUT_OF_LINE void apply_any(struct rope *rope, const struct patch *patch)
{
    struct replacement key;
    if (!patch_is_replacement(patch, &key)) {
        apply_parts(rope, patch);
        return;
    }
    if (key.deleted > 0) /* first: it was often typed just now */
        rope_delete(rope, key.at, key.deleted);
    if (key.text.len > 0)
        rope_insert(rope, key.at, key.text);
}

void rope_apply(struct rope *rope, const struct patch *patch)
{
    if (patch->replaces && patch->deleted == 0) /* a key */
        rope_insert(rope, patch->at, buf_view(&patch->text));
    else
        apply_any(rope, patch);
}
