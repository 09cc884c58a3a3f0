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
    document_check(document);
    rope_check(text);
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

/* A document and its text. */
struct copy {
    struct document *document;
    struct rope *text;
};

static void update(struct copy *copy)
{
    struct patch patch = {0};
    document_update(copy->document, &patch);
    rope_apply(copy->text, &patch);
    assert_int_equal(rope_len(copy->text), document_len(copy->document));
    patch_release(&patch);
}

static struct copy load(struct document *document, const struct rope *base)
{
    struct buf saved = {0};
    struct error err = {0};
    document_save(document, &saved);
    struct copy copy = {document_load(buf_view(&saved), base, &err), rope_snapshot(base)};
    assert_non_null(copy.document);
    buf_release(&saved);
    return copy;
}

static void release(struct copy *copy)
{
    document_free(copy->document);
    rope_free(copy->text);
}

static void expect_same(struct copy *a, struct copy *b)
{
    static const struct agent_id agents[] = {{{'a'}}, {{'b'}}, {{'c'}}, {{'y'}}, {{'z'}}};
    struct version left = {0}, right = {0};
    document_version(a->document, &left);
    document_version(b->document, &right);
    assert_true(version_equal(&left, &right));
    assert_true(rope_equal(a->text, b->text));
    assert_int_equal(document_events(a->document), document_events(b->document));
    for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
        assert_int_equal(document_next_seq(a->document, &agents[i]), document_next_seq(b->document, &agents[i]));
    version_release(&left);
    version_release(&right);
}

/* The same edits of one or two new agents on both, with the same batches. */
static void type_on_both(struct random *random, struct copy *a, struct copy *b)
{
    struct batch_list left = {0}, right = {0};
    struct patch patch = {0};
    for (uint64_t edits = random_below(random, 5); edits > 0; edits--) {
        const struct agent_id agent = {{(unsigned char)(random_chance(random, 4) ? 'y' : 'z')}};
        struct edit_mark mark = {.gesture = random_chance(random, 2)};
        uint64_t pos = random_below(random, rope_len(a->text) + 1), after = rope_len(a->text) - pos;
        patch_replace(&patch, pos, random_below(random, after < 4 ? after + 1 : 4), bytes_of_string("typed"));
        document_local(a->document, &agent, &patch, mark, &left);
        document_local(b->document, &agent, &patch, mark, &right);
        rope_apply(a->text, &patch);
        rope_apply(b->text, &patch);
    }
    struct buf one = {0}, other = {0};
    assert_int_equal(left.count, right.count);
    for (size_t i = 0; i < left.count; i++) {
        batch_encode(&left.items[i], &one);
        batch_encode(&right.items[i], &other);
    }
    assert_true(bytes_equal(buf_view(&one), buf_view(&other)));
    buf_release(&one);
    buf_release(&other);
    patch_release(&patch);
    batch_list_release(&left);
    batch_list_release(&right);
}

static void undo_on_both(struct copy *a, struct copy *b, const struct agent_id *agent)
{
    static const struct agent_id writer = {{'z'}};
    struct batch_list made = {0};
    struct patch left = {0}, right = {0};
    assert_int_equal(document_undo(a->document, agent, 1, &writer, UNDO_BACK, 0, &left, &made),
                     document_undo(b->document, agent, 1, &writer, UNDO_BACK, 0, &right, &made));
    assert_true(patch_equal(&left, &right));
    rope_apply(a->text, &left);
    rope_apply(b->text, &right);
    patch_release(&left);
    patch_release(&right);
    batch_list_release(&made);
}

/* Any one of what wakes a document may be the first that is asked for. */
static void wake_somehow(struct random *random, struct copy *a, struct copy *b)
{
    const struct agent_id agents[] = {{{'z'}}, {{'b'}}};
    struct buf left = {0}, right = {0};
    struct version version = {0};
    switch (random_below(random, 4)) {
    case 0:
        undo_on_both(a, b, &agents[random_below(random, 2)]);
        break;
    case 1:
        document_save(a->document, &left);
        document_save(b->document, &right);
        break;
    case 2:
        version_set(&version, (struct event_id){agents[1], 0});
        assert_int_equal(document_knows(a->document, &version), document_knows(b->document, &version));
        break;
    default:
        break;
    }
    assert_true(bytes_equal(buf_view(&left), buf_view(&right)));
    buf_release(&left);
    buf_release(&right);
    version_release(&version);
}

static void check_asleep(struct random *random, const struct batch_list *log, size_t cut, const struct rope *base)
{
    struct copy awake = {document_new(base), rope_snapshot(base)};
    add(awake.document, log, 0, cut);
    if (random_chance(random, 2))
        update(&awake);
    struct copy asleep = load(awake.document, base);
    update(&awake);
    if (random_chance(random, 4)) { /* woken before its text was given out */
        size_t more = cut + (size_t)random_below(random, log->count - cut + 1);
        add(awake.document, log, cut, more);
        add(asleep.document, log, cut, more);
        cut = more;
        update(&awake);
    }
    update(&asleep);
    expect_same(&asleep, &awake);
    type_on_both(random, &asleep, &awake);
    expect_same(&asleep, &awake);
    wake_somehow(random, &asleep, &awake);
    for (; cut < log->count; cut++) {
        add(awake.document, log, cut, cut + 1);
        add(asleep.document, log, cut, cut + 1);
        if (random_chance(random, 2)) {
            update(&awake);
            update(&asleep);
        }
    }
    update(&awake);
    update(&asleep);
    undo_on_both(&asleep, &awake, &(struct agent_id){{'z'}});
    expect_same(&asleep, &awake);
    document_check(asleep.document);
    release(&awake);
    release(&asleep);
}

static void a_document_is_the_same_whether_its_history_is_read_at_once_or_later(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("saved-asleep", 39));
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct replica people[PEOPLE];
        for (size_t i = 0; i < PEOPLE; i++)
            replica_init(&people[i], "0123456789", (unsigned char)('a' + i));
        live(&random, people);
        for (size_t cut = 0; cut <= people[0].log.count; cut++)
            check_asleep(&random, &people[0].log, cut, people[0].base);
        for (size_t i = 0; i < PEOPLE; i++)
            replica_release(&people[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_may_be_saved_anywhere_in_its_history),
        cmocka_unit_test(a_document_is_the_same_whether_its_history_is_read_at_once_or_later),
    };
    return RUN_TESTS("saved_document", tests);
}
