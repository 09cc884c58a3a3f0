/* A document saved anywhere in its history and loaded again, with the rest added: as if it had never been saved. */
#include "tests/support/support.h"

#include <string.h>

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
    struct patch since[2] = {{0}, {0}};
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
        assert_int_equal(document_patch_since(a->document, &version, &since[0]),
                         document_patch_since(b->document, &version, &since[1]));
        assert_true(patch_equal(&since[0], &since[1]));
        break;
    default:
        break;
    }
    assert_true(bytes_equal(buf_view(&left), buf_view(&right)));
    buf_release(&left);
    buf_release(&right);
    version_release(&version);
    patch_release(&since[0]);
    patch_release(&since[1]);
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

/* --- what is written while it sleeps --- */

static void wakes(void *self)
{
    (void)self;
    fail_msg("the history was read");
}

static bool gives_nothing(void *self, struct document *whole, struct error *err)
{
    (void)self;
    (void)whole;
    (void)err;
    return false;
}

/* One whose history nobody may ask for. */
static struct copy load_front_alone(struct document *document, const struct rope *base)
{
    struct buf saved = {0};
    struct error err = {0};
    document_save(document, &saved);
    saved.data[saved.len - 1] ^= 0x55;
    struct copy copy = {document_load(buf_view(&saved), base, &err), rope_snapshot(base)};
    assert_non_null(copy.document);
    document_set_source(copy.document, (struct document_source){.distrust = wakes, .replay = gives_nothing});
    update(&copy);
    buf_release(&saved);
    return copy;
}

static void type_and_update(struct random *random, struct copy *a, struct copy *b)
{
    if (random_chance(random, 2))
        return;
    update(a);
    update(b);
    type_on_both(random, a, b);
}

/* By which its history is read, too. */
static void expect_saved_alike(struct copy *a, struct copy *b)
{
    struct buf left = {0}, right = {0};
    document_save(a->document, &left);
    document_save(b->document, &right);
    assert_true(bytes_equal(buf_view(&left), buf_view(&right)));
    buf_release(&left);
    buf_release(&right);
}

/* Whether bytes are gone at that place of the old text, or beside it. */
static bool is_at_deleted(const struct patch *patch, uint64_t place)
{
    uint64_t at = 0;
    for (size_t i = 0; i < patch->count && at <= place; i++) {
        const struct part *part = &patch->parts[i];
        uint64_t end = part->kind == PART_INSERT ? at : at + part->len;
        if (part->kind == PART_DELETE && place <= end)
            return true;
        at = end;
    }
    return false;
}

static void expect_places_alike(struct random *random, struct copy *a, struct copy *b, const struct version *since)
{
    struct patch left = {0}, right = {0};
    assert_true(document_knows(a->document, since) && document_knows(b->document, since));
    assert_true(document_patch_since(a->document, since, &left) && document_patch_since(b->document, since, &right));
    assert_true(patch_equal(&left, &right));
    uint64_t len = rope_len(b->text) + patch_deleted(&right) - patch_inserted(&right);
    const uint64_t places[] = {0, random_below(random, len + 1), len};
    uint64_t ours[3], theirs[3];
    memcpy(ours, places, sizeof ours);
    memcpy(theirs, places, sizeof theirs);
    assert_true(document_map(a->document, since, ours, 3) && document_map(b->document, since, theirs, 3));
    for (size_t i = 0; i < 3; i++) { /* among bytes that are gone it may be either side of what is new there */
        assert_true(ours[i] <= rope_len(a->text) && (i == 0 || ours[i - 1] <= ours[i]));
        if (!is_at_deleted(&right, places[i]))
            assert_int_equal(ours[i], theirs[i]);
    }
    patch_release(&left);
    patch_release(&right);
}

/* Some of the way to each before it is added, and to others in between. */
static void add_with_portions(struct random *random, struct copy *copy, const struct batch_list *log, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        const struct batch *batch = &log->items[random_chance(random, 5) ? i + (size_t)random_below(random, end - i) : i];
        for (uint64_t portions = random_below(random, 5); portions > 0; portions--)
            if (document_approach(copy->document, batch, 1 + random_below(random, 10)))
                break;
        add(copy->document, log, i, i + 1);
        if (random_chance(random, 2))
            update(copy);
    }
}

/* People who have all seen `copy`'s text go on at once, hear of each other now and then, and so does who is asleep; who types too. */
static void go_on(struct random *random, struct replica *people, struct copy *asleep, struct copy *awake)
{
    struct version saved = {0}, then = {0};
    size_t heard = people[0].log.count;
    document_version(awake->document, &saved);
    document_version(awake->document, &then);
    for (int step = 0; step < 40; step++) {
        size_t from = (size_t)random_below(random, PEOPLE), to = (size_t)random_below(random, PEOPLE);
        edit(random, &people[from]);
        if (from != to && random_chance(random, 2))
            replica_send(&people[from], &people[to], to);
        if (from != 0 && random_chance(random, 2))
            replica_send(&people[from], &people[0], 0);
        add(awake->document, &people[0].log, heard, people[0].log.count);
        add_with_portions(random, asleep, &people[0].log, heard, people[0].log.count);
        heard = people[0].log.count;
        update(awake);
        update(asleep);
        expect_same(asleep, awake);
        type_on_both(random, asleep, awake);
        expect_places_alike(random, asleep, awake, random_chance(random, 2) ? &saved : &then);
        if (random_chance(random, 5))
            document_version(awake->document, &then);
    }
    version_release(&saved);
    version_release(&then);
}

static void who_has_seen_all_goes_on_without_the_history(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("saved-after", 40));
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct replica people[PEOPLE];
        for (size_t i = 0; i < PEOPLE; i++)
            replica_init(&people[i], "0123456789", (unsigned char)('a' + i));
        live(&random, people);
        struct copy awake = {document_new(people[0].base), rope_snapshot(people[0].base)};
        add(awake.document, &people[0].log, 0, people[0].log.count);
        update(&awake);
        struct copy never = load_front_alone(awake.document, people[0].base), later = load(awake.document, people[0].base);
        struct copy again = {document_new(people[0].base), rope_snapshot(people[0].base)};
        add(again.document, &people[0].log, 0, people[0].log.count);
        update(&again);
        update(&later);
        size_t before = people[0].log.count;
        go_on(&random, people, &never, &awake);
        for (size_t i = before; i < people[0].log.count; i++) { /* once more, and then it is woken */
            add(again.document, &people[0].log, i, i + 1);
            add(later.document, &people[0].log, i, i + 1);
            type_and_update(&random, &later, &again);
        }
        update(&later);
        update(&again);
        expect_same(&later, &again);
        wake_somehow(&random, &later, &again);
        undo_on_both(&later, &again, &(struct agent_id){{'z'}});
        expect_same(&later, &again);
        expect_saved_alike(&later, &again);
        document_check(later.document);
        release(&awake);
        release(&never);
        release(&later);
        release(&again);
        for (size_t i = 0; i < PEOPLE; i++)
            replica_release(&people[i]);
    }
}

/* A batch that reaches beyond the text has no effect, whenever the history is read. */
static void what_has_no_effect_has_none_while_it_sleeps(void **state)
{
    (void)state;
    struct replica ada;
    struct error err = {0};
    replica_init(&ada, "0123456789", 'a');
    replica_type(&ada, 0, "x");
    struct copy asleep = load(ada.document, ada.base), awake = load(ada.document, ada.base);
    update(&asleep);
    update(&awake);
    document_check(awake.document); /* wakes it */
    struct batch far = {.agent = {{'e'}}}, near = {.agent = {{'e'}}, .seq0 = 3};
    batch_add_parent(&far, (struct event_id){{{'a'}}, 0});
    batch_add_delete(&far, 100, 3);
    batch_end(&far);
    batch_add_parent(&near, (struct event_id){{{'e'}}, 2});
    batch_add_insert(&near, 5, bytes_of_string("near"));
    batch_end(&near);
    struct copy *both[] = {&asleep, &awake};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(document_add(both[i]->document, &far, &err), DOCUMENT_ADDED);
        update(both[i]);
        assert_int_equal(document_add(both[i]->document, &near, &err), DOCUMENT_ADDED);
        update(both[i]);
    }
    expect_same(&asleep, &awake);
    expect_saved_alike(&asleep, &awake);
    assert_int_equal(document_stats(asleep.document).void_events, 3);
    document_check(asleep.document);
    batch_release(&far);
    batch_release(&near);
    release(&asleep);
    release(&awake);
    replica_release(&ada);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_may_be_saved_anywhere_in_its_history),
        cmocka_unit_test(a_document_is_the_same_whether_its_history_is_read_at_once_or_later),
        cmocka_unit_test(who_has_seen_all_goes_on_without_the_history),
        cmocka_unit_test(what_has_no_effect_has_none_while_it_sleeps),
    };
    return RUN_TESTS("saved_document", tests);
}
