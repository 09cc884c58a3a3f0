/* Edits that touched each other while neither writer knew of the other's. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/document_collisions.h"
#include "tests/support/naive.h"
#include "tests/support/replica.h"

enum { ANA = 'a', BEN = 'b', CLEO = 'c' };

struct room {
    struct replica ana, ben, cleo;
};

static void room_init(struct room *room, const char *base)
{
    replica_init(&room->ana, base, ANA);
    replica_init(&room->ben, base, BEN);
    replica_init(&room->cleo, base, CLEO);
}

static void room_release(struct room *room)
{
    replica_release(&room->ana);
    replica_release(&room->ben);
    replica_release(&room->cleo);
}

static void send_both(struct replica *a, size_t a_calls_b, struct replica *b, size_t b_calls_a)
{
    replica_send(a, b, a_calls_b);
    replica_send(b, a, b_calls_a);
}

static void all_hear(struct room *room)
{
    for (int round = 0; round < 2; round++) {
        send_both(&room->ana, 0, &room->ben, 0);
        send_both(&room->ben, 1, &room->cleo, 0);
        send_both(&room->ana, 1, &room->cleo, 1);
    }
    replica_expect_same(&room->ana, &room->ben);
    replica_expect_same(&room->ana, &room->cleo);
}

static void find(struct room *room, struct collision_list *out)
{
    assert_true(document_collisions(room->ana.document, NULL, NULL, out));
    assert_false(out->cut);
}

static const struct collision_side *side_of(const struct collision *collision, unsigned char author)
{
    for (int i = 0; i < 2; i++)
        if (collision->sides[i].edit.author.bytes[0] == author)
            return &collision->sides[i];
    fail_msg("it is not about %c", author);
    return NULL;
}

static void expect_side(const struct collision *collision, unsigned char author, const char *inserted, const char *deleted)
{
    const struct collision_side *side = side_of(collision, author);
    assert_non_null(side);
    assert_int_equal(side->inserted.len, strlen(inserted));
    assert_memory_equal(side->inserted.bytes, inserted, strlen(inserted));
    assert_int_equal(side->deleted.len, strlen(deleted));
    assert_memory_equal(side->deleted.bytes, deleted, strlen(deleted));
}

static void expect_count(struct room *room, size_t count)
{
    struct collision_list list = {0};
    find(room, &list);
    assert_int_equal(list.count, count);
    collision_list_release(&list);
}

static void nothing_collides_in_a_document_of_one(void **state)
{
    (void)state;
    struct room room;
    room_init(&room, "base");
    expect_count(&room, 0);
    replica_type(&room.ana, 0, "one ");
    replica_delete(&room.ana, 2, 3);
    replica_type(&room.ana, 2, "two ");
    expect_count(&room, 0);
    room_release(&room);
}

static void two_who_type_at_one_place_collide(void **state)
{
    (void)state;
    struct room room;
    struct collision_list list = {0};
    room_init(&room, "one two");
    replica_type(&room.ana, 4, "big ");
    replica_type(&room.ben, 4, "small ");
    all_hear(&room);
    find(&room, &list);
    assert_int_equal(list.count, 1);
    expect_side(&list.items[0], ANA, "big ", "");
    expect_side(&list.items[0], BEN, "small ", "");
    assert_int_equal(list.items[0].at, 4);
    assert_false(list.items[0].gone);
    assert_int_equal(side_of(&list.items[0], BEN)->edit.inserted, 6);
    assert_int_equal(side_of(&list.items[0], BEN)->edit.last.seq, 5);
    assert_int_equal(side_of(&list.items[0], BEN)->edit.kind, LOG_EDIT);
    collision_list_release(&list);
    room_release(&room);
}

static void two_who_delete_the_same_or_the_next_byte_collide(void **state)
{
    (void)state;
    struct room room;
    struct collision_list list = {0};
    room_init(&room, "abcdefgh");
    replica_delete(&room.ana, 1, 3); /* bcd */
    replica_delete(&room.ben, 2, 3); /* cde */
    replica_delete(&room.cleo, 5, 1); /* f: beside ben's, not beside ana's */
    all_hear(&room);
    replica_expect(&room.ana, "agh");
    find(&room, &list);
    assert_int_equal(list.count, 2);
    expect_side(&list.items[0], ANA, "", "bcd");
    expect_side(&list.items[0], BEN, "", "cde");
    assert_true(list.items[0].gone);
    assert_int_equal(list.items[0].at, 1);
    expect_side(&list.items[1], BEN, "", "e"); /* the rest of it is a row by itself: ana deleted that too */
    expect_side(&list.items[1], CLEO, "", "f");
    collision_list_release(&list);
    room_release(&room);
}

static void what_is_deleted_at_or_beside_what_another_deletes_collides(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 6; at++) {
        for (int turned = 0; turned < 2; turned++) { /* whose delete comes first */
            struct room room;
            room_init(&room, "abcdef");
            replica_delete(turned ? &room.ben : &room.ana, 2, 2); /* cd */
            replica_delete(turned ? &room.ana : &room.ben, at, 1);
            all_hear(&room);
            expect_count(&room, at >= 1 && at <= 4);
            room_release(&room);
        }
    }
}

static void what_is_typed_in_or_beside_what_another_deletes_collides(void **state)
{
    (void)state;
    for (uint64_t at = 0; at <= 6; at++) {
        struct room room;
        room_init(&room, "abcdef");
        replica_delete(&room.ana, 2, 2); /* cd */
        replica_type(&room.ben, at, "X");
        all_hear(&room);
        expect_count(&room, at >= 2 && at <= 4);
        room_release(&room);
    }
}

static void places_apart_do_not_collide(void **state)
{
    (void)state;
    struct room room;
    room_init(&room, "abcdef");
    replica_type(&room.ana, 1, "X");
    replica_type(&room.ben, 2, "Y"); /* "b" stands between */
    replica_delete(&room.cleo, 4, 1);
    all_hear(&room);
    expect_count(&room, 0);
    room_release(&room);
}

static void who_knew_of_the_other_does_not_collide(void **state)
{
    (void)state;
    struct room room;
    room_init(&room, "one two");
    replica_type(&room.ana, 4, "big ");
    all_hear(&room);
    replica_type(&room.ben, 6, "gg");
    all_hear(&room);
    replica_delete(&room.ana, 4, 4);
    all_hear(&room);
    expect_count(&room, 0);
    room_release(&room);
}

/* Ben deletes a letter that he saw; what ana typed behind it he had not. */
static void who_knew_of_a_part_collides_with_the_rest(void **state)
{
    (void)state;
    struct room room;
    struct collision_list list = {0};
    room_init(&room, "-");
    replica_edit(&room.ana, 1, 0, bytes_of_string("ab"), true);
    all_hear(&room);
    replica_edit(&room.ana, 3, 0, bytes_of_string("cd"), false);
    replica_delete(&room.ben, 2, 1);
    all_hear(&room);
    replica_expect(&room.ana, "-acd");
    find(&room, &list);
    assert_int_equal(list.count, 1);
    expect_side(&list.items[0], BEN, "", "b");
    assert_int_equal(side_of(&list.items[0], ANA)->edit.inserted, 4);
    collision_list_release(&list);
    room_release(&room);
}

static void three_people_collide_two_by_two(void **state)
{
    (void)state;
    struct room room;
    room_init(&room, "ab");
    replica_type(&room.ana, 1, "1");
    replica_type(&room.ben, 1, "22");
    replica_type(&room.cleo, 1, "333");
    all_hear(&room);
    expect_count(&room, 3);
    room_release(&room);
}

static void what_was_undone_is_still_told_and_is_gone(void **state)
{
    (void)state;
    struct room room;
    struct collision_list list = {0};
    room_init(&room, "ab");
    replica_type(&room.ana, 1, "X");
    replica_type(&room.ben, 1, "Y");
    all_hear(&room);
    assert_true(replica_undo(&room.ana));
    assert_true(replica_undo(&room.ben));
    all_hear(&room);
    replica_expect(&room.ana, "ab");
    find(&room, &list);
    assert_int_equal(list.count, 2); /* and the undoing edits deleted bytes that stood side by side */
    assert_int_equal(list.items[0].sides[0].edit.kind, LOG_EDIT);
    assert_true(list.items[0].gone);
    assert_int_equal(list.items[0].at, 1);
    assert_int_equal(list.items[1].sides[0].edit.kind, LOG_UNDO);
    assert_int_equal(list.items[1].sides[1].edit.kind, LOG_UNDO);
    collision_list_release(&list);
    room_release(&room);
}

static void a_span_has_its_own(void **state)
{
    (void)state;
    struct room room;
    struct collision_list list = {0};
    struct version middle = {0};
    struct event_id nobody = {{{'?'}}, 7};
    room_init(&room, "abcd");
    replica_type(&room.ana, 1, "1");
    replica_type(&room.ben, 1, "2");
    all_hear(&room);
    document_version(room.ana.document, &middle);
    replica_type(&room.ben, 5, "3");
    replica_type(&room.cleo, 5, "4");
    all_hear(&room);
    expect_count(&room, 2);
    assert_true(document_collisions(room.ana.document, &middle, NULL, &list));
    assert_int_equal(list.count, 1);
    expect_side(&list.items[0], CLEO, "4", "");
    assert_true(document_collisions(room.ana.document, NULL, &middle, &list));
    assert_int_equal(list.count, 1);
    expect_side(&list.items[0], ANA, "1", "");
    assert_false(document_collisions(room.ana.document, &(struct version){&nobody, 1, 1}, NULL, &list));
    assert_int_equal(list.count, 0);
    version_release(&middle);
    collision_list_release(&list);
    room_release(&room);
}

static void a_long_snippet_is_cut(void **state)
{
    (void)state;
    struct room room;
    struct collision_list list = {0};
    char text[101] = {0};
    memset(text, 'x', 100);
    room_init(&room, "ab");
    replica_type(&room.ana, 1, text);
    replica_type(&room.ben, 1, "Y");
    all_hear(&room);
    find(&room, &list);
    assert_int_equal(list.count, 1);
    assert_int_equal(side_of(&list.items[0], ANA)->inserted.len, COLLISION_SNIPPET_BYTES);
    assert_int_equal(side_of(&list.items[0], ANA)->inserted.of, 100);
    collision_list_release(&list);
    room_release(&room);
}

/* Two who write letter by letter at one place, unheard: each letter of one with each of the other's. */
static void what_is_told_is_bounded(void **state)
{
    (void)state;
    enum { LETTERS = 300 };
    struct room room;
    struct collision_list list = {0};
    room_init(&room, "ab");
    for (uint64_t i = 0; i < LETTERS; i++) {
        replica_type(&room.ana, 1 + i, "x");
        replica_type(&room.ben, 1 + i, "y");
    }
    all_hear(&room);
    assert_true(document_collisions(room.ana.document, NULL, NULL, &list));
    assert_true(list.cut);
    assert_int_equal(list.count, COLLISION_TOUCHES_MAX);
    collision_list_release(&list);
    room_release(&room);
}

/* --- against all pairs of single events --- */

struct model {
    struct naive *naive;
    uint64_t edits[NAIVE_EVENTS_MAX];       /* by event: the seq of the last event of its edit */
    struct naive_touch touches[NAIVE_EVENTS_MAX];
};

static size_t model_event(const struct model *model, struct event_id id)
{
    for (size_t i = 0; i < model->naive->count; i++)
        if (model->naive->events[i].agent == id.agent.bytes[0] && model->naive->events[i].seq == id.seq)
            return i;
    fail_msg("no such event");
    return 0;
}

static void tell_batch(struct model *model, const struct batch *batch)
{
    size_t parents[NAIVE_PARENTS_MAX], count = 0;
    uint64_t seq = batch->seq0;
    for (size_t i = 0; i < batch->parent_count; i++)
        parents[count++] = model_event(model, batch->parents[i]);
    if (batch->flags & BATCH_FLAG_SELF)
        parents[count++] = model_event(model, (struct event_id){batch->agent, seq - 1});
    struct batch_ops ops = batch_ops_of(batch);
    struct batch_op op;
    while (batch_next_op(&ops, &op)) {
        static const enum naive_kind kinds[] = {
            [OP_INSERT] = NAIVE_INSERT, [OP_DELETE] = NAIVE_DELETE, [OP_NOP] = NAIVE_NOTHING};
        const char *text = op.kind == OP_INSERT ? (const char *)op.text.data : NULL;
        parents[0] = naive_add(model->naive, batch->agent.bytes[0], seq, parents, count, kinds[op.kind], op.pos, text,
                               (size_t)op.len) - 1;
        count = 1;
        seq += op.len;
    }
}

/* From the last batch to the first: an edit ends where its agent's next one begins. */
static void mark_edits(struct model *model, const struct batch_list *batches)
{
    bool open[256] = {false};
    uint64_t last[256];
    for (size_t i = batches->count; i-- > 0;) {
        const struct batch *batch = &batches->items[i];
        unsigned char agent = batch->agent.bytes[0];
        if (!open[agent])
            last[agent] = batch->seq0 + batch->count - 1;
        open[agent] = !(batch->flags & BATCH_FLAG_GESTURE);
        for (uint64_t seq = batch->seq0; seq < batch->seq0 + batch->count; seq++)
            model->edits[model_event(model, (struct event_id){batch->agent, seq})] = last[agent];
    }
}

static bool is_between(const struct naive_touch *touch, long place)
{
    return touch->left < place && place < touch->right;
}

static bool events_touch(const struct model *model, size_t a, size_t b)
{
    const struct naive_touch *left = &model->touches[a], *right = &model->touches[b];
    if (left->at < 0 || right->at < 0)
        return false;
    bool left_inserts = model->naive->events[a].kind == NAIVE_INSERT;
    bool right_inserts = model->naive->events[b].kind == NAIVE_INSERT;
    if (left_inserts && right_inserts)
        return is_between(left, right->at) || is_between(right, left->at);
    if (!left_inserts && !right_inserts)
        return labs(left->at - right->at) <= 1;
    const struct naive_touch *insert = left_inserts ? left : right, *gone = left_inserts ? right : left;
    return insert->left <= gone->at && gone->at <= insert->right;
}

static bool collide(const struct model *model, size_t a, size_t b)
{
    const struct naive *naive = model->naive;
    return naive->events[a].agent != naive->events[b].agent && !naive_holds(naive, a, b) && !naive_holds(naive, b, a) &&
           events_touch(model, a, b);
}

/* Two edits, by agent and the seq of the last event; the lower agent first. */
struct pair {
    unsigned char agents[2];
    uint64_t seqs[2];
};

struct pairs {
    struct pair *items;
    size_t count, cap;
};

static bool has_pair(const struct pairs *pairs, const struct pair *pair)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *item = &pairs->items[i];
        if (item->agents[0] == pair->agents[0] && item->agents[1] == pair->agents[1] && item->seqs[0] == pair->seqs[0] &&
            item->seqs[1] == pair->seqs[1])
            return true;
    }
    return false;
}

static void add_pair(struct pairs *pairs, unsigned char agent, uint64_t seq, unsigned char other, uint64_t other_seq)
{
    struct pair pair = {{agent, other}, {seq, other_seq}};
    if (other < agent)
        pair = (struct pair){{other, agent}, {other_seq, seq}};
    if (has_pair(pairs, &pair))
        return;
    pairs->items = xgrow(pairs->items, &pairs->cap, pairs->count + 1, sizeof *pairs->items);
    pairs->items[pairs->count++] = pair;
}

/* Of the events that are asked for. */
static void model_pairs(const struct model *model, const bool *asked, struct pairs *out)
{
    const struct naive *naive = model->naive;
    for (size_t a = 0; a < naive->count; a++)
        for (size_t b = 0; b < a; b++)
            if (asked[a] && asked[b] && collide(model, a, b))
                add_pair(out, naive->events[a].agent, model->edits[a], naive->events[b].agent, model->edits[b]);
}

static void hold(const struct model *model, const struct version *version, bool *held, bool value)
{
    for (size_t i = 0; i < version->count; i++) {
        size_t head = model_event(model, version->heads[i]);
        for (size_t event = 0; event < model->naive->count; event++)
            if (naive_holds(model->naive, head, event))
                held[event] = value;
    }
}

static void check_span(struct model *model, struct document *document, const struct version *since, const struct version *until)
{
    struct collision_list list = {0};
    struct pairs wanted = {0}, found = {0};
    bool asked[NAIVE_EVENTS_MAX] = {false};
    hold(model, until, asked, true);
    hold(model, since, asked, false);
    model_pairs(model, asked, &wanted);
    assert_true(document_collisions(document, since, until, &list));
    assert_false(list.cut);
    for (size_t i = 0; i < list.count; i++) {
        const struct log_entry *a = &list.items[i].sides[0].edit, *b = &list.items[i].sides[1].edit;
        add_pair(&found, a->author.bytes[0], a->last.seq, b->author.bytes[0], b->last.seq);
        assert_true(has_pair(&wanted, &found.items[found.count - 1]));
        assert_true(list.items[i].at <= document_len(document));
    }
    assert_int_equal(found.count, list.count); /* each pair once */
    assert_int_equal(found.count, wanted.count);
    free(wanted.items);
    free(found.items);
    collision_list_release(&list);
}

static void act(struct random *random, struct replica *replica)
{
    static const char *const words[] = {"x", "yz", "uvw", "four"};
    uint64_t len = document_len(replica->document), pos = random_below(random, len + 1);
    switch (random_below(random, 8)) {
    case 0:
        replica_undo(replica);
        return;
    case 1:
        replica_redo(replica);
        return;
    case 2:
    case 3:
        if (len > 0) {
            pos = random_below(random, len);
            uint64_t most = len - pos < 3 ? len - pos : 3;
            replica_edit(replica, pos, 1 + random_below(random, most), bytes_of_string(""), random_below(random, 3) > 0);
        }
        return;
    case 4:
        pos = len < 2 ? len : 2; /* where the others write too */
        break;
    default:
        break;
    }
    replica_edit(replica, pos, 0, bytes_of_string(words[random_below(random, 4)]), random_below(random, 3) > 0);
}

static void a_session(struct random *random)
{
    struct room room;
    struct model *model = xcalloc(1, sizeof *model);
    struct version versions[3] = {0};
    room_init(&room, "base text");
    struct replica *people[] = {&room.ana, &room.ben, &room.cleo};
    model->naive = naive_new("base text");
    for (uint64_t i = 4 + random_below(random, 40); i > 0; i--) {
        size_t who = (size_t)random_below(random, 3), other = (size_t)random_below(random, 3);
        act(random, people[who]);
        if (other != who && random_below(random, 3) == 0)
            replica_send(people[who], people[other], other);
        if (random_below(random, 12) == 0)
            document_version(people[who]->document, &versions[1]);
    }
    for (size_t i = 0; i < 9; i++)
        if (i / 3 != i % 3)
            replica_send(people[i / 3], people[i % 3], i % 3);
    for (size_t i = 0; i < room.ana.log.count; i++)
        tell_batch(model, &room.ana.log.items[i]);
    mark_edits(model, &room.ana.log);
    naive_touches(model->naive, model->touches);
    document_version(room.ana.document, &versions[2]);
    check_span(model, room.ana.document, &versions[0], &versions[2]);
    check_span(model, room.ana.document, &versions[1], &versions[2]);
    check_span(model, room.ana.document, &versions[0], &versions[1]);
    for (size_t i = 0; i < 3; i++)
        version_release(&versions[i]);
    naive_free(model->naive);
    free(model);
    room_release(&room);
}

static void they_are_what_all_pairs_of_events_say(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("collisions", 43));
    for (uint64_t round = support_rounds(60); round > 0; round--)
        a_session(&random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_collides_in_a_document_of_one),
        cmocka_unit_test(two_who_type_at_one_place_collide),
        cmocka_unit_test(two_who_delete_the_same_or_the_next_byte_collide),
        cmocka_unit_test(what_is_deleted_at_or_beside_what_another_deletes_collides),
        cmocka_unit_test(what_is_typed_in_or_beside_what_another_deletes_collides),
        cmocka_unit_test(places_apart_do_not_collide),
        cmocka_unit_test(who_knew_of_the_other_does_not_collide),
        cmocka_unit_test(who_knew_of_a_part_collides_with_the_rest),
        cmocka_unit_test(three_people_collide_two_by_two),
        cmocka_unit_test(what_was_undone_is_still_told_and_is_gone),
        cmocka_unit_test(a_span_has_its_own),
        cmocka_unit_test(a_long_snippet_is_cut),
        cmocka_unit_test(what_is_told_is_bounded),
        cmocka_unit_test(they_are_what_all_pairs_of_events_say),
    };
    return RUN_TESTS("document_collisions", tests);
}
