/* A document saved anywhere in its history and loaded again, with the rest added: as if it had never been saved. */
#include "tests/support/support.h"

#include "editor/base/random.h"
#include "tests/support/replica.h"

enum { PEOPLE = 3 };

static void edit(struct random *random, struct replica *replica)
{
    uint64_t len = rope_len(replica->text), pos = random_below(random, len + 1), what = random_below(random, 8);
    char text[5];
    size_t count = 1 + (size_t)random_below(random, sizeof text);
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('a' + random_below(random, 26));
    if (what == 0)
        replica_undo(replica);
    else if (what == 1)
        replica_redo(replica);
    else
        replica_edit(replica, pos, pos < len ? random_below(random, len - pos < 4 ? len - pos : 4) : 0, bytes_of(text, count),
                     random_chance(random, 2));
}

static void live(struct random *random, struct replica *people)
{
    for (int i = 0; i < 70; i++) {
        size_t from = (size_t)random_below(random, PEOPLE), to = (size_t)random_below(random, PEOPLE);
        if (random_chance(random, 2))
            edit(random, &people[from]);
        else if (from != to)
            replica_send(&people[from], &people[to], to);
    }
    for (int round = 0; round < 2; round++)
        for (size_t from = 0; from < PEOPLE; from++)
            for (size_t to = 0; to < PEOPLE; to++)
                if (from != to)
                    replica_send(&people[from], &people[to], to);
}

/* Both ways through bytes give the same bytes. */
static struct document *through_bytes(struct document *document, const struct rope *base)
{
    struct buf bytes = {0}, again = {0};
    struct error err = {0};
    document_encode(document, &bytes);
    document_free(document);
    document = document_decode(buf_view(&bytes), base, &err);
    assert_non_null(document);
    document_encode(document, &again);
    assert_true(bytes_equal(buf_view(&bytes), buf_view(&again)));
    document_check(document);
    buf_release(&bytes);
    buf_release(&again);
    return document;
}

static void add(struct document *document, const struct batch_list *log, size_t from, size_t end)
{
    struct error err = {0};
    for (size_t i = from; i < end; i++)
        assert_int_equal(document_add(document, &log->items[i], &err), DOCUMENT_ADDED);
}

static void expect_like(struct document *document, const struct replica *replica)
{
    struct patch patch = {0};
    struct rope *text = rope_snapshot(replica->base);
    struct version ours = {0}, theirs = {0};
    document_update(document, &patch);
    rope_apply(text, &patch);
    document_version(document, &ours);
    document_version(replica->document, &theirs);
    assert_true(rope_equal(text, replica->text));
    assert_true(version_equal(&ours, &theirs));
    version_release(&ours);
    version_release(&theirs);
    patch_release(&patch);
    rope_free(text);
}

static void a_document_may_be_saved_anywhere_in_its_history(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("saved-document", 38));
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct replica people[PEOPLE];
        for (size_t i = 0; i < PEOPLE; i++)
            replica_init(&people[i], "0123456789", (unsigned char)('a' + i));
        live(&random, people);
        const struct batch_list *log = &people[0].log;
        for (size_t cut = 0; cut <= log->count; cut++) {
            struct document *document = document_new(people[0].base);
            add(document, log, 0, cut);
            document = through_bytes(document, people[0].base);
            add(document, log, cut, log->count);
            expect_like(document, &people[0]);
            document_free(document);
        }
        for (size_t i = 0; i < PEOPLE; i++)
            replica_release(&people[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_document_may_be_saved_anywhere_in_its_history)};
    return RUN_TESTS("saved_document", tests);
}
