/*
 * A history that is a line, saved and read again: its text is made while it is read. It is the same as that of a document
 * that got the batches one by one, also where some operations are void, and so is all that comes after.
 */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/document.h"

enum { AGENTS = 3 };

struct line {
    struct random random;
    struct rope *base;
    struct rope *text; /* of the document */
    struct document *document;
    struct event_id newest; /* of all: each follows the one before */
    uint64_t events[AGENTS];
    uint64_t void_in; /* one operation in so many is out of range; 0: none */
};

static const char letters[] = "The warp is what is stretched on the loom, the weft what is drawn through it, over and under.";

static void take_patch(struct document *document, struct rope *text)
{
    struct patch patch = {0};
    document_update(document, &patch);
    rope_apply(text, &patch);
    patch_release(&patch);
}

/* Deletes of one byte each make runs that go on in either direction. */
static void add_op(struct line *line, struct batch *batch, uint64_t *len)
{
    struct random *random = &line->random;
    bool is_void = line->void_in > 0 && random_chance(random, line->void_in);
    uint64_t pos = random_below(random, *len + 1) + (is_void ? 1 + random_below(random, 5) : 0);
    uint64_t count = 1 + random_below(random, 4), here = is_void || pos > *len ? 0 : *len - pos;
    if (here > 0 && random_chance(random, 3)) {
        count = count < here ? count : here;
        batch_add_delete(batch, pos, count);
        *len -= count;
    } else if (here >= count && random_chance(random, 2)) {
        bool back = random_chance(random, 2);
        for (uint64_t i = 0; i < count; i++)
            batch_add_delete(batch, back ? pos + count - 1 - i : pos, 1);
        *len -= count;
    } else if (is_void && random_chance(random, 2)) {
        batch_add_delete(batch, pos, count + *len);
    } else if (random_chance(random, 20)) {
        batch_add_nop(batch);
    } else {
        size_t from = (size_t)random_below(random, sizeof letters - 50), most = random_chance(random, 10) ? 49 : 5;
        size_t bytes = 1 + (size_t)random_below(random, most);
        batch_add_insert(batch, pos, bytes_of(letters + from, bytes));
        *len += pos <= *len ? bytes : 0;
    }
}

static void add_batch(struct line *line)
{
    struct random *random = &line->random;
    uint64_t who = random_below(random, AGENTS), len = rope_len(line->text);
    struct batch batch = {.agent = {{(unsigned char)('a' + who)}}, .seq0 = line->events[who]};
    struct error err = {0};
    if (random_chance(random, 2))
        batch.flags = BATCH_FLAG_GESTURE;
    if (line->newest.seq != UINT64_MAX)
        batch_add_parent(&batch, line->newest);
    for (uint64_t ops = 1 + random_below(random, 6); ops > 0; ops--)
        add_op(line, &batch, &len);
    batch_end(&batch);
    assert_int_equal(document_add(line->document, &batch, &err), DOCUMENT_ADDED);
    take_patch(line->document, line->text);
    line->events[who] += batch.count;
    line->newest = (struct event_id){batch.agent, line->events[who] - 1};
    batch_release(&batch);
}

static void line_init(struct line *line, struct random random)
{
    *line = (struct line){.random = random, .base = rope_new(), .document = NULL, .newest.seq = UINT64_MAX};
    if (random_chance(&line->random, 2))
        rope_insert(line->base, 0, bytes_of_string("0123456789"));
    if (random_chance(&line->random, 3))
        line->void_in = 1 + random_below(&line->random, 200);
    line->text = rope_snapshot(line->base);
    line->document = document_new(line->base);
}

static void line_release(struct line *line)
{
    document_free(line->document);
    rope_free(line->base);
    rope_free(line->text);
}

/* Somebody else's words, written without having seen any of it. */
static void add_stranger(struct document *document, struct rope *text)
{
    struct batch batch = {.agent = {{'z'}}};
    struct error err = {0};
    batch_add_insert(&batch, 0, bytes_of_string("unseen "));
    batch_end(&batch);
    assert_int_equal(document_add(document, &batch, &err), DOCUMENT_ADDED);
    take_patch(document, text);
    batch_release(&batch);
}

static void expect_saved(struct line *line)
{
    struct buf bytes = {0}, again = {0};
    struct error err = {0};
    struct rope *text = rope_snapshot(line->base);
    document_encode(line->document, &bytes);
    struct document *copy = document_decode(buf_view(&bytes), line->base, &err);
    assert_non_null(copy);
    document_encode(copy, &again);
    assert_true(bytes_equal(buf_view(&bytes), buf_view(&again)));
    if (random_chance(&line->random, 2)) { /* what was read is given out with what comes after */
        take_patch(copy, text);
        assert_true(rope_equal(text, line->text));
        document_check(copy);
    }
    add_stranger(copy, text);
    add_stranger(line->document, line->text);
    assert_true(rope_equal(text, line->text));
    document_check(copy);
    buf_release(&bytes);
    buf_release(&again);
    document_free(copy);
    rope_free(text);
}

static void a_line_gives_its_text_while_it_is_read(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("saved-line", 41));
    for (uint64_t round = support_rounds(60); round > 0; round--) {
        struct line line;
        line_init(&line, random_of(random_next(&random)));
        for (uint64_t batches = random_below(&line.random, 60); batches > 0; batches--)
            add_batch(&line);
        expect_saved(&line);
        line_release(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_gives_its_text_while_it_is_read),
    };
    return RUN_TESTS("saved-line", tests);
}
