#include "sync/keyframes.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/compressor.h"

static void release_all(struct keyframes *keyframes)
{
    for (size_t i = 0; i < keyframes->count; i++)
        rope_free(keyframes->items[i].text);
    keyframes->count = 0;
    rope_free(keyframes->newest_saved.text);
    keyframes->newest_saved = (struct keyframe){0};
    buf_release(&keyframes->saved);
}

void keyframes_release(struct keyframes *keyframes)
{
    release_all(keyframes);
    free(keyframes->items);
    *keyframes = (struct keyframes){0};
}

/* What is saved is needed as long as one of them is not unpacked. */
static void let_go(struct keyframes *keyframes)
{
    for (size_t i = 0; i < keyframes->count; i++)
        if (!keyframes->items[i].text)
            return;
    rope_free(keyframes->newest_saved.text);
    keyframes->newest_saved = (struct keyframe){0};
    buf_release(&keyframes->saved);
}

static void drop(struct keyframes *keyframes, size_t index)
{
    rope_free(keyframes->items[index].text);
    memmove(keyframes->items + index, keyframes->items + index + 1, (keyframes->count - index - 1) * sizeof *keyframes->items);
    keyframes->count--;
    let_go(keyframes);
}

/* Takes the text. */
static void insert(struct keyframes *keyframes, size_t index, struct keyframe keyframe)
{
    keyframes->items = xgrow(keyframes->items, &keyframes->cap, keyframes->count + 1, sizeof *keyframes->items);
    memmove(keyframes->items + index + 1, keyframes->items + index, (keyframes->count - index) * sizeof *keyframes->items);
    keyframes->items[index] = keyframe;
    keyframes->count++;
}

/* --- saving --- */

static void add_text(const struct rope *text, struct buf *out)
{
    rope_append_to(text, 0, rope_len(text), out);
}

static bool add_prefix(struct keyframe_source source, size_t inserted, const struct rope *newest, struct buf *out)
{
    uint64_t len = rope_len(source.base) + inserted + (newest ? rope_len(newest) : 0);
    if (inserted > source.inserted.len || len > COMPRESSOR_PREFIX_MAX)
        return false;
    add_text(source.base, out);
    buf_add_bytes(out, bytes_slice(source.inserted, 0, inserted));
    if (newest)
        add_text(newest, out);
    return true;
}

static void write_frame(struct compressor *compressor, const struct keyframe *keyframe, const struct buf *prefix,
                        struct buf *plain, struct buf *out)
{
    buf_clear(plain);
    buf_add_varint(plain, keyframe->cut);
    add_text(keyframe->text, plain);
    compressor_pack_after(compressor, buf_view(prefix), buf_view(plain), out);
}

bool keyframes_write(const struct keyframes *keyframes, struct keyframe_source source, struct buf *out)
{
    struct compressor *compressor = compressor_new();
    struct buf prefix = {0}, plain = {0}, frames = {0}, numbers = {0};
    size_t written = 0;
    bool good = add_prefix(source, source.inserted.len, NULL, &prefix);
    compressor_limit(compressor, KEYFRAMES_BYTES_MAX);
    for (size_t i = keyframes->count; good && i > 0; i--) {
        const struct keyframe *keyframe = &keyframes->items[i - 1];
        size_t before = frames.len;
        if (written == 1) { /* the newest has been written */
            buf_clear(&prefix);
            good = add_prefix(source, source.inserted.len, keyframes->items[keyframes->count - 1].text, &prefix);
        }
        if (good)
            write_frame(compressor, keyframe, &prefix, &plain, &frames);
        buf_add_varint(&numbers, keyframe->cut);
        buf_add_varint(&numbers, keyframe->ops);
        buf_add_varint(&numbers, frames.len - before);
        written++;
    }
    if (good) {
        buf_add_varint(out, source.inserted.len);
        buf_add_varint(out, written);
        buf_add_bytes(out, buf_view(&numbers));
        buf_add_bytes(out, buf_view(&frames));
    }
    buf_release(&prefix);
    buf_release(&plain);
    buf_release(&frames);
    buf_release(&numbers);
    compressor_free(compressor);
    return good && written > 0;
}

/* --- reading --- */

static bool read_one(struct keyframes *keyframes, struct reader *reader, size_t *frame_at, size_t end)
{
    struct keyframe keyframe = {.frame_at = *frame_at};
    keyframe.cut = read_varint(reader);
    keyframe.ops = read_varint(reader);
    keyframe.frame_len = (size_t)read_varint_max(reader, end);
    if (reader->failed || (keyframes->count > 0 && keyframe.cut >= keyframes->items[0].cut))
        return false;
    *frame_at += keyframe.frame_len;
    if (keyframes->count == 0)
        keyframes->newest_saved = keyframe;
    insert(keyframes, 0, keyframe);
    return true;
}

/* They are counted from where the numbers end. */
static bool read_numbers(struct keyframes *keyframes)
{
    struct reader reader = reader_of(buf_view(&keyframes->saved));
    size_t at = 0, end = keyframes->saved.len;
    bool good = true;
    keyframes->saved_inserted = (size_t)read_varint_max(&reader, SIZE_MAX);
    uint64_t count = read_varint_max(&reader, KEYFRAMES_MAX);
    for (uint64_t i = 0; good && i < count; i++)
        good = read_one(keyframes, &reader, &at, end);
    size_t numbers = end - reader_left(&reader);
    keyframes->newest_saved.frame_at += numbers;
    for (size_t i = 0; i < keyframes->count; i++)
        keyframes->items[i].frame_at += numbers;
    return good && !reader.failed && reader_left(&reader) == at;
}

void keyframes_read(struct keyframes *keyframes, struct bytes saved)
{
    release_all(keyframes);
    buf_add_bytes(&keyframes->saved, saved);
    if (!read_numbers(keyframes))
        release_all(keyframes);
}

/* NULL: it is not to be read. */
static struct rope *unpack(const struct keyframes *keyframes, struct compressor *compressor, const struct keyframe *keyframe,
                           struct keyframe_source source, const struct rope *newest)
{
    struct buf prefix = {0}, plain = {0};
    struct bytes frame = bytes_slice(buf_view(&keyframes->saved), keyframe->frame_at, keyframe->frame_len);
    struct rope *text = NULL;
    bool good = add_prefix(source, keyframes->saved_inserted, newest, &prefix) &&
                compressor_unpack_after(compressor, buf_view(&prefix), frame, &plain);
    struct reader reader = reader_of(buf_view(&plain));
    if (good && read_varint(&reader) == keyframe->cut && !reader.failed)
        text = rope_from_bytes(read_bytes(&reader, reader_left(&reader)));
    buf_release(&prefix);
    buf_release(&plain);
    return text;
}

static bool unpack_newest(struct keyframes *keyframes, struct compressor *compressor, struct keyframe_source source)
{
    struct keyframe *newest = &keyframes->newest_saved;
    if (!newest->text)
        newest->text = unpack(keyframes, compressor, newest, source, NULL);
    return newest->text != NULL;
}

static bool hold_text(struct keyframes *keyframes, struct keyframe *keyframe, struct keyframe_source source)
{
    if (keyframe->text)
        return true;
    struct compressor *compressor = compressor_new();
    compressor_limit(compressor, (size_t)2 * KEYFRAMES_BYTES_MAX);
    if (unpack_newest(keyframes, compressor, source))
        keyframe->text = keyframe->cut == keyframes->newest_saved.cut
                             ? rope_snapshot(keyframes->newest_saved.text)
                             : unpack(keyframes, compressor, keyframe, source, keyframes->newest_saved.text);
    compressor_free(compressor);
    bool held = keyframe->text != NULL;
    let_go(keyframes);
    return held;
}

/* --- in memory --- */

/* What is no cut any more never becomes one again. */
static void drop_lost(struct keyframes *keyframes, const struct critical *critical)
{
    for (size_t i = keyframes->count; i > 0; i--)
        if (critical_cut_upto(critical, keyframes->items[i - 1].cut) != keyframes->items[i - 1].cut)
            drop(keyframes, i - 1);
}

static size_t count_upto(const struct keyframes *keyframes, uint64_t cut)
{
    size_t upto;
    BISECT(upto, keyframes->count, keyframes->items[upto].cut <= cut);
    return upto;
}

uint64_t keyframes_cut(const struct keyframes *keyframes, uint64_t cut)
{
    size_t upto = count_upto(keyframes, cut);
    return upto > 0 ? keyframes->items[upto - 1].cut : 0;
}

const struct keyframe *keyframes_find(struct keyframes *keyframes, const struct critical *critical,
                                      struct keyframe_source source, uint64_t cut)
{
    drop_lost(keyframes, critical);
    for (size_t upto; (upto = count_upto(keyframes, cut)) > 0; drop(keyframes, upto - 1))
        if (hold_text(keyframes, &keyframes->items[upto - 1], source))
            return &keyframes->items[upto - 1];
    return NULL;
}

/* Without that one a walk to what comes behind it is as long as from the one before to the next: so much for its age. */
static double loss(const struct keyframes *keyframes, size_t index, uint64_t ops_now)
{
    uint64_t before = index > 0 ? keyframes->items[index - 1].ops : 0;
    uint64_t after = index + 1 < keyframes->count ? keyframes->items[index + 1].ops : ops_now;
    return (double)(after - before) / (double)(ops_now - keyframes->items[index].ops + 1);
}

static void thin_out(struct keyframes *keyframes, size_t keep, uint64_t ops_now)
{
    size_t least = keep == 0 ? 1 : 0;
    for (size_t i = 0; i < keyframes->count; i++)
        if (i != keep && loss(keyframes, i, ops_now) < loss(keyframes, least, ops_now))
            least = i;
    drop(keyframes, least);
}

void keyframes_add(struct keyframes *keyframes, const struct keyframe *keyframe, uint64_t ops_now)
{
    size_t at = count_upto(keyframes, keyframe->cut);
    if (at > 0 && keyframes->items[at - 1].cut == keyframe->cut)
        return;
    insert(keyframes, at, (struct keyframe){.cut = keyframe->cut, .ops = keyframe->ops, .text = rope_snapshot(keyframe->text)});
    if (keyframes->count > KEYFRAMES_MAX)
        thin_out(keyframes, at, ops_now);
}
