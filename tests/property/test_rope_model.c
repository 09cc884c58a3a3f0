/*
 * The rope against a plain array of bytes: random edits to both, then every question asked of both.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/least.h"
#include "editor/base/random.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "tests/support/support.h"

enum { MODEL_BYTES_MAX = 4000 };

/* --- the model --- */

static void model_replace(struct buf *model, size_t at, size_t deleted, struct bytes text)
{
    struct buf next = {0};
    struct bytes old = buf_view(model);
    buf_extend(&next, 1); /* memory even for an empty text: no null pointers to step around below */
    buf_clear(&next);
    buf_add_bytes(&next, bytes_slice(old, 0, at));
    buf_add_bytes(&next, text);
    buf_add_bytes(&next, bytes_slice(old, at + deleted, old.len - at - deleted));
    buf_release(model);
    *model = next;
}

static size_t model_newlines(const struct buf *model, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        count += model->data[i] == '\n';
    return count;
}

static size_t model_codepoints(const struct buf *model, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        count += (model->data[i] & 0xc0) != 0x80;
    return count;
}

static uint64_t model_find(const struct buf *model, struct bytes needle, size_t from)
{
    for (size_t at = from; at + needle.len <= model->len; at++)
        if (memcmp(model->data + at, needle.data, needle.len) == 0)
            return at;
    return UINT64_MAX;
}

static uint64_t model_find_back(const struct buf *model, struct bytes needle, size_t before)
{
    for (size_t at = before; at-- > 0;)
        if (at + needle.len <= model->len && memcmp(model->data + at, needle.data, needle.len) == 0)
            return at;
    return UINT64_MAX;
}

/* --- random texts and places --- */

/* Few different bytes, so that needles repeat; newlines, whole and broken UTF-8 among them. */
static void random_text(struct random *random, size_t len, struct buf *out)
{
    static const char *const words[] = {
        "a", "b", "ab", "\n", "\r\n", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x80", "\xff", "e\xcc\x81"};
    buf_clear(out);
    while (out->len < len)
        buf_add_string(out, words[random_below(random, sizeof words / sizeof *words)]);
    out->len = len;
}

static size_t random_len(struct random *random, size_t max)
{
    size_t len = random_chance(random, 8) ? 200 : random_chance(random, 2) ? 20 : 3;
    return random_below(random, (len < max ? len : max) + 1);
}

/* --- comparing --- */

static void expect_same_text(const struct rope *rope, const struct buf *model)
{
    struct buf text = {0};
    rope_append_to(rope, 0, rope_len(rope), &text);
    assert_true(bytes_equal(buf_view(&text), buf_view(model)));
    buf_release(&text);
    assert_int_equal(rope_lines(rope), model_newlines(model, model->len) + 1);
    assert_int_equal(rope_codepoints(rope), model_codepoints(model, model->len));
}

static void expect_same_place(const struct rope *rope, const struct buf *model, size_t at)
{
    uint64_t line = model_newlines(model, at);
    uint64_t codepoint = model_codepoints(model, at);
    uint64_t start = rope_line_start(rope, line);
    uint64_t end = rope_line_end(rope, line);

    assert_int_equal(rope_byte(rope, at), at < model->len ? model->data[at] : -1);
    assert_int_equal(rope_line_at(rope, at), line);
    assert_true(start <= at && at <= end);
    assert_true(start == 0 || model->data[start - 1] == '\n');
    assert_true(end == model->len || model->data[end] == '\n');
    assert_true(!memchr(model->data + start, '\n', end - start));
    assert_int_equal(rope_codepoints_before(rope, at), codepoint);
    uint64_t codepoint_at = rope_codepoint_start(rope, codepoint);
    assert_true(codepoint_at >= at);
    assert_int_equal(model_codepoints(model, codepoint_at), codepoint);
    assert_true(codepoint_at == model->len || !utf8_is_continuation(model->data[codepoint_at]));
}

static void expect_same_chunks(const struct rope *rope, const struct buf *model, size_t at)
{
    struct bytes after = rope_chunk(rope, at);
    struct bytes before = rope_chunk_before(rope, at);
    assert_true((after.len == 0) == (at == model->len));
    assert_true((before.len == 0) == (at == 0));
    assert_true(bytes_equal(after, bytes_of(model->data + at, after.len)));
    assert_true(bytes_equal(before, bytes_of(model->data + at - before.len, before.len)));
}

static void expect_same_hits(struct random *random, const struct rope *rope, const struct buf *model, size_t at)
{
    struct buf needle = {0};
    if (model->len && random_chance(random, 2)) { /* one that is there */
        size_t from = random_below(random, model->len);
        buf_add(&needle, model->data + from, 1 + random_below(random, model->len - from));
        if (needle.len > 40 && !random_chance(random, 4))
            needle.len = 40;
    } else {
        random_text(random, 1 + random_below(random, 4), &needle);
    }
    assert_true(rope_find(rope, buf_view(&needle), at) == model_find(model, buf_view(&needle), at));
    assert_true(rope_find_back(rope, buf_view(&needle), at) == model_find_back(model, buf_view(&needle), at));
    buf_release(&needle);
}

static void expect_same_clusters(const struct rope *rope, const struct buf *model, size_t at)
{
    size_t look = model->len - at;
    size_t back = at < CLUSTER_BYTES_MAX + UTF8_BYTES_MAX ? at : CLUSTER_BYTES_MAX + UTF8_BYTES_MAX;
    assert_int_equal(rope_cluster_next(rope, at), at + cluster_next(bytes_of(model->data + at, look)));
    assert_int_equal(rope_cluster_prev(rope, at), at - cluster_prev(bytes_of(model->data + at - back, back)));
}

static void expect_same(struct random *random, const struct rope *rope, const struct buf *model)
{
    rope_check(rope);
    expect_same_text(rope, model);
    for (int i = 0; i < 4; i++) {
        size_t at = random_below(random, model->len + 1);
        expect_same_place(rope, model, at);
        expect_same_chunks(rope, model, at);
        expect_same_clusters(rope, model, at);
    }
    expect_same_hits(random, rope, model, random_below(random, model->len + 1));
}

/* --- edits --- */

/* A place near the last edit mostly, as people type. */
static size_t random_place(struct random *random, size_t last, size_t len)
{
    if (last <= len && !random_chance(random, 3))
        return last;
    return random_below(random, len + 1);
}

static size_t edit_both(struct random *random, struct rope *rope, struct buf *model, size_t last)
{
    struct buf text = {0};
    size_t at = random_place(random, last, model->len);
    bool shrink = model->len > MODEL_BYTES_MAX || random_chance(random, 3);
    if (shrink) {
        size_t len = random_chance(random, 50) ? model->len - at : random_len(random, model->len - at);
        if (random_chance(random, 2)) { /* backspace */
            len = random_len(random, at);
            at -= len;
        }
        model_replace(model, at, len, buf_view(&text));
        rope_delete(rope, at, len);
    } else {
        random_text(random, random_len(random, 300), &text);
        model_replace(model, at, 0, buf_view(&text));
        rope_insert(rope, at, buf_view(&text));
        at += text.len;
    }
    buf_release(&text);
    return at;
}

static void random_edits_agree_with_a_plain_array(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("rope edits", 1));
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct buf model = {0};
        random_text(&random, random_below(&random, MODEL_BYTES_MAX), &model);
        struct rope *rope = rope_from_bytes(buf_view(&model));
        size_t last = 0;
        for (int step = 0; step < 200; step++) {
            last = edit_both(&random, rope, &model, last);
            expect_same(&random, rope, &model);
        }
        rope_free(rope);
        buf_release(&model);
    }
}

static void every_byte_of_a_text_has_its_place(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("rope places", 2));
    struct buf model = {0};
    random_text(&random, 700, &model);
    struct rope *rope = rope_from_bytes(buf_view(&model));
    for (int i = 0; i < 60; i++)
        edit_both(&random, rope, &model, random_below(&random, model.len + 1));
    for (size_t at = 0; at <= model.len; at++)
        expect_same_place(rope, &model, at);
    rope_free(rope);
    buf_release(&model);
}

/* --- text borrowed from the rope itself --- */

/* In what lies in one piece about there. */
static struct bytes borrow(struct random *random, const struct rope *rope, uint64_t at)
{
    struct bytes chunk = random_chance(random, 2) ? rope_chunk(rope, at) : rope_chunk_before(rope, at);
    size_t from = random_below(random, chunk.len + 1);
    return bytes_slice(chunk, from, random_len(random, chunk.len - from));
}

/* Edits that lie near each other, so that there are pages; deletes go across pieces, so that pages lose their heads. */
static void what_is_borrowed_is_inserted_as_it_was(void **state)
{
    (void)state;
    enum { BASE = 20000, EDITS = 60, NEAR = 40 };
    struct random random = random_of(support_seed("rope borrowed", 4));
    struct buf base = {0}, model = {0}, text = {0};
    random_text(&random, BASE, &base);
    for (uint64_t round = support_rounds(60); round > 0; round--) {
        struct rope *rope = rope_from_bytes(buf_view(&base));
        uint64_t place = random_below(&random, BASE);
        buf_clear(&model);
        buf_add_bytes(&model, buf_view(&base));
        for (int edit = 0; edit < EDITS; edit++) {
            uint64_t at = place + random_below(&random, NEAR);
            at = at < model.len ? at : model.len;
            size_t deleted = random_chance(&random, 2) ? random_below(&random, model.len - at < 8 ? model.len - at + 1 : 8) : 0;
            rope_delete(rope, at, deleted);
            struct bytes borrowed = borrow(&random, rope, random_chance(&random, 2) ? at : least(at + NEAR, rope_len(rope)));
            buf_clear(&text);
            buf_add_bytes(&text, borrowed);
            model_replace(&model, at, deleted, buf_view(&text));
            rope_insert(rope, at, borrowed);
            rope_check(rope);
        }
        expect_same_text(rope, &model);
        rope_free(rope);
    }
    buf_release(&base);
    buf_release(&model);
    buf_release(&text);
}

/* --- patches --- */

static void random_patch(struct random *random, size_t old_len, struct patch *patch)
{
    struct buf text = {0};
    patch_clear(patch);
    while (old_len > 0 && !random_chance(random, 10)) {
        size_t retained = random_len(random, old_len);
        patch_retain(patch, retained);
        old_len -= retained;
        size_t deleted = random_len(random, old_len);
        patch_delete(patch, deleted);
        old_len -= deleted;
        random_text(random, random_len(random, 30), &text);
        patch_insert(patch, buf_view(&text));
    }
    buf_release(&text);
}

static void patches_do_to_ropes_what_they_do_to_bytes(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("rope patches", 3));
    struct buf model = {0};
    struct rope *rope = rope_new();
    struct patch patch = {0}, inverse = {0}, expected = {0};

    rope_insert(rope, 0, bytes_of_string("seed"));
    buf_add_string(&model, "seed");
    for (uint64_t round = support_rounds(400); round > 0; round--) {
        struct buf next = {0};
        if (model.len < 100)
            edit_both(&random, rope, &model, 0);
        random_patch(&random, model.len, &patch);
        patch_apply(&patch, buf_view(&model), &next);
        patch_invert(&expected, &patch, buf_view(&model));
        rope_invert(rope, &patch, &inverse);
        assert_true(patch_equal(&inverse, &expected));
        rope_apply(rope, &patch);
        rope_check(rope);
        expect_same_text(rope, &next);
        if (next.len > MODEL_BYTES_MAX || random_chance(&random, 3)) {
            rope_apply(rope, &inverse);
            expect_same_text(rope, &model);
            buf_release(&next);
        } else {
            buf_release(&model);
            model = next;
        }
    }
    patch_release(&patch);
    patch_release(&inverse);
    patch_release(&expected);
    rope_free(rope);
    buf_release(&model);
}

/* --- snapshots --- */

static uint64_t rope_hash(const struct rope *rope)
{
    uint64_t hash = 14695981039346656037u;
    for (uint64_t at = 0; at < rope_len(rope);) {
        struct bytes chunk = rope_chunk(rope, at);
        for (size_t i = 0; i < chunk.len; i++)
            hash = (hash ^ chunk.data[i]) * 1099511628211u;
        at += chunk.len;
    }
    return hash;
}

static void snapshots_stay_as_they_were_taken(void **state)
{
    (void)state;
    enum { SNAPSHOTS = 12 };
    struct random random = random_of(support_seed("rope snapshots", 4));
    struct rope *snapshots[SNAPSHOTS] = {0};
    uint64_t hashes[SNAPSHOTS] = {0};
    struct buf model = {0};
    struct rope *rope = rope_new();
    size_t last = 0;

    for (uint64_t step = support_rounds(3000); step > 0; step--) {
        last = edit_both(&random, rope, &model, last);
        if (random_chance(&random, 20))
            (void)rope_compact(rope);
        size_t i = random_below(&random, SNAPSHOTS);
        if (snapshots[i]) {
            rope_check(snapshots[i]);
            assert_true(rope_hash(snapshots[i]) == hashes[i]);
        }
        if (random_chance(&random, 5)) {
            rope_free(snapshots[i]);
            snapshots[i] = rope_snapshot(rope);
            hashes[i] = rope_hash(rope);
            if (random_chance(&random, 3)) { /* go on with a snapshot, keep the rope as it is */
                struct rope *swap = rope;
                rope = snapshots[i];
                snapshots[i] = swap;
            }
        }
        rope_check(rope);
    }
    expect_same_text(rope, &model);
    for (size_t i = 0; i < SNAPSHOTS; i++)
        rope_free(snapshots[i]);
    rope_free(rope);
    buf_release(&model);
}

/* --- bursts without a look --- */

enum { KEPT = 6 };

/* A snapshot and what it has to say. */
struct kept {
    struct rope *rope;
    struct buf text;
};

static void kept_release(struct kept *kept)
{
    rope_free(kept->rope);
    buf_release(&kept->text);
    *kept = (struct kept){0};
}

static void kept_take(struct kept *kept, const struct rope *rope, const struct buf *model)
{
    kept_release(kept);
    kept->rope = rope_snapshot(rope);
    buf_add_bytes(&kept->text, buf_view(model));
}

/* Mostly the same place; or one near by, as who corrects what he has just written. */
static size_t key_place(struct random *random, const struct buf *model, size_t last)
{
    if (!random_chance(random, 5))
        return last;
    size_t far = random_below(random, 40), at = random_chance(random, 2) ? last + far : last - (far < last ? far : last);
    return at < model->len ? at : model->len;
}

/* One key as people press them: mostly on at `last`, else taking back there, or what is behind; where it ends. Nothing is asked
 * of the rope. */
static size_t key_both(struct random *random, struct rope *rope, struct buf *model, size_t last)
{
    struct buf text = {0};
    size_t at = key_place(random, model, last), most = at;
    bool forward = random_chance(random, 4);
    if (forward)
        most = model->len - at;
    size_t back = random_chance(random, 3) ? random_len(random, most < 5 ? most : 5) : 0;
    if (!forward)
        at -= back;
    if (back == 0 || random_chance(random, 2))
        random_text(random, 1 + random_below(random, 2), &text);
    if (random_chance(random, 2)) {
        rope_delete(rope, at, back);
        rope_insert(rope, at, buf_view(&text));
    } else {
        struct patch patch = {0};
        patch_replace(&patch, at, back, buf_view(&text));
        rope_apply(rope, &patch);
        patch_release(&patch);
    }
    model_replace(model, at, back, buf_view(&text));
    at += text.len;
    buf_release(&text);
    return at;
}

/* The first look after a burst is any of them: each has to find what was typed. */
static void expect_same_first(struct random *random, const struct rope *rope, const struct buf *model)
{
    size_t at = random_below(random, model->len + 1);
    switch (random_below(random, 5)) {
    case 0:
        expect_same_text(rope, model);
        break;
    case 1:
        expect_same_place(rope, model, at);
        break;
    case 2:
        expect_same_chunks(rope, model, at);
        break;
    case 3:
        expect_same_hits(random, rope, model, at);
        break;
    default:
        expect_same_clusters(rope, model, at);
    }
}

static void what_is_typed_between_two_looks_is_there_at_the_second(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("rope bursts", 6));
    struct kept kept[KEPT] = {0};
    struct buf model = {0};
    buf_extend(&model, 0); /* memory, see model_replace() */
    struct rope *rope = rope_new();
    for (uint64_t burst = support_rounds(1500); burst > 0; burst--) {
        size_t last = random_chance(&random, 2) ? edit_both(&random, rope, &model, random_below(&random, model.len + 1))
                                                : random_below(&random, model.len + 1);
        for (size_t keys = random_below(&random, 40); keys > 0; keys--) {
            last = key_both(&random, rope, &model, last);
            if (random_chance(&random, 15))
                kept_take(&kept[random_below(&random, KEPT)], rope, &model);
            if (random_chance(&random, 15))
                kept_release(&kept[random_below(&random, KEPT)]);
        }
        struct kept *other = &kept[random_below(&random, KEPT)];
        if (other->rope && random_chance(&random, 3)) { /* somebody types into a snapshot */
            size_t at = random_below(&random, other->text.len + 1);
            for (int i = 0; i < 5; i++)
                at = key_both(&random, other->rope, &other->text, at);
        }
        expect_same_first(&random, rope, &model);
        expect_same(&random, rope, &model);
        for (size_t i = 0; i < KEPT; i++)
            if (kept[i].rope)
                expect_same_text(kept[i].rope, &kept[i].text);
    }
    for (size_t i = 0; i < KEPT; i++)
        kept_release(&kept[i]);
    rope_free(rope);
    buf_release(&model);
}

/* --- threads --- */

struct reader_job {
    struct rope *snapshot;
    uint64_t expected, got;
};

static void *read_and_free(void *argument)
{
    struct reader_job *job = argument;
    job->got = rope_hash(job->snapshot);
    rope_find(job->snapshot, bytes_of_string("not there"), 0);
    rope_free(job->snapshot);
    return NULL;
}

static void snapshots_are_read_and_freed_elsewhere_while_typing_goes_on(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("rope threads", 5));
    struct buf model = {0};
    random_text(&random, MODEL_BYTES_MAX, &model);
    struct rope *rope = rope_from_bytes(buf_view(&model));
    size_t last = 0;

    for (uint64_t round = support_rounds(60); round > 0; round--) {
        struct reader_job job = {.snapshot = rope_snapshot(rope), .expected = rope_hash(rope)};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, read_and_free, &job), 0);
        for (int i = 0; i < 100; i++)
            last = edit_both(&random, rope, &model, last);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(job.got == job.expected);
    }
    rope_check(rope);
    expect_same_text(rope, &model);
    rope_free(rope);
    buf_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_agree_with_a_plain_array),
        cmocka_unit_test(every_byte_of_a_text_has_its_place),
        cmocka_unit_test(what_is_borrowed_is_inserted_as_it_was),
        cmocka_unit_test(patches_do_to_ropes_what_they_do_to_bytes),
        cmocka_unit_test(snapshots_stay_as_they_were_taken),
        cmocka_unit_test(what_is_typed_between_two_looks_is_there_at_the_second),
        cmocka_unit_test(snapshots_are_read_and_freed_elsewhere_while_typing_goes_on),
    };
    return RUN_TESTS("rope against a model", tests);
}
