/* Undo and redo among several people: what it may never do, whatever the others do. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/document_undo_plan.h"
#include "sync/document_undo_steps.h"
#include "tests/support/replica.h"

enum { PEOPLE = 3, MARKS = 256 };

/*
 * Every byte that is typed has a value of its own, so that a text tells which bytes are there. Undo brings a byte back
 * with its value.
 */
struct room {
    struct random *random;
    struct replica people[PEOPLE];
    unsigned next_byte;
    int author[MARKS];              /* who typed the byte of this value; -1: nobody */
    bool deleted_by[PEOPLE][MARKS];
};

static const char base_text[] = "\001\002\003\004\005\006\007\010\011\012";

static void begin(struct room *room, struct random *random)
{
    *room = (struct room){.random = random, .next_byte = sizeof base_text};
    for (int i = 0; i < MARKS; i++)
        room->author[i] = -1;
    for (int i = 0; i < PEOPLE; i++)
        replica_init(&room->people[i], base_text, (unsigned char)('a' + i));
}

/* Where nothing is left to chance. */
static struct replica *begin_with_ana(struct room *room)
{
    begin(room, NULL);
    return &room->people[0];
}

static void end(struct room *room)
{
    for (int i = 0; i < PEOPLE; i++)
        replica_release(&room->people[i]);
}

static void note_deletes(struct room *room, int who, uint64_t pos, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        room->deleted_by[who][rope_byte(room->people[who].text, pos + i)] = true;
}

static void edit(struct room *room, int who)
{
    struct replica *replica = &room->people[who];
    uint64_t len = rope_len(replica->text), pos = random_below(room->random, len + 1), deleted = 0;
    unsigned char text[4];
    size_t typed = 0;
    if (random_chance(room->random, 2) && pos < len)
        deleted = 1 + random_below(room->random, len - pos < 4 ? len - pos : 4);
    if (deleted == 0 || random_chance(room->random, 4))
        for (uint64_t i = 1 + random_below(room->random, 4); i > 0 && room->next_byte < MARKS; i--) {
            room->author[room->next_byte] = who;
            text[typed++] = (unsigned char)room->next_byte++;
        }
    note_deletes(room, who, pos, deleted);
    replica_edit(replica, pos, deleted, bytes_of(text, typed), random_chance(room->random, 2));
}

static void sync_some(struct room *room)
{
    int from = (int)random_below(room->random, PEOPLE), to = (int)random_below(room->random, PEOPLE);
    if (from != to)
        replica_send(&room->people[from], &room->people[to], (size_t)to);
}

static void sync_all(struct room *room)
{
    for (int round = 0; round < 2; round++)
        for (int from = 0; from < PEOPLE; from++)
            for (int to = 0; to < PEOPLE; to++)
                if (from != to)
                    replica_send(&room->people[from], &room->people[to], (size_t)to);
    for (int i = 1; i < PEOPLE; i++)
        replica_expect_same(&room->people[0], &room->people[i]);
}

static void which_bytes(const struct replica *replica, bool *there)
{
    struct buf text = {0};
    memset(there, 0, MARKS * sizeof *there);
    replica_text(replica, &text);
    for (size_t i = 0; i < text.len; i++)
        there[text.data[i]] = true;
    buf_release(&text);
}

/* Only person 0 undoes, and knows everything that the others did. */
static void check_undo(struct room *room)
{
    bool before[MARKS], after[MARKS];
    which_bytes(&room->people[0], before);
    replica_undo(&room->people[0]);
    which_bytes(&room->people[0], after);
    for (int i = 1; i < MARKS; i++) {
        if (before[i] && !after[i])
            assert_int_equal(room->author[i], 0);
        if (!before[i] && after[i])
            for (int who = 1; who < PEOPLE; who++)
                assert_false(room->deleted_by[who][i]);
    }
}

static void undo_spares_what_others_typed_and_deleted(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("undo-others", 31));
    for (uint64_t round = support_rounds(150); round > 0; round--) {
        struct room room;
        begin(&room, &random);
        for (int i = 0; i < 30; i++)
            edit(&room, (int)random_below(&random, PEOPLE));
        sync_all(&room);
        for (int i = 0; i < 10; i++) {
            check_undo(&room);
            if (random_chance(&random, 3))
                edit(&room, 1 + (int)random_below(&random, PEOPLE - 1));
            sync_all(&room);
        }
        end(&room);
    }
}

/* All that somebody here wrote, or the last of it. */
static void undo_some(struct room *room, struct replica *replica)
{
    const struct agent_id *agent = &room->people[random_below(room->random, PEOPLE)].agents[0];
    uint64_t end = document_next_seq(replica->document, agent);
    struct event_span span = {*agent, end ? random_below(room->random, end) : 0, 0};
    span.len = end - span.seq;
    replica_undo_events(replica, &span, 1);
}

static void undo_and_redo_at_once_converge(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("undo-converges", 32));
    for (uint64_t round = support_rounds(120); round > 0; round--) {
        struct room room;
        begin(&room, &random);
        for (int i = 0; i < 60; i++) {
            int who = (int)random_below(&random, PEOPLE);
            uint64_t what = random_below(&random, 6);
            if (what < 2)
                edit(&room, who);
            else if (what == 2)
                replica_undo(&room.people[who]);
            else if (what == 3)
                replica_redo(&room.people[who]);
            else if (what == 4 && random_chance(&random, 3))
                undo_some(&room, &room.people[who]);
            else
                sync_some(&room);
        }
        sync_all(&room);
        end(&room);
    }
}

static void expect_text(const struct replica *replica, const struct buf *text)
{
    struct buf found = {0};
    replica_text(replica, &found);
    assert_true(bytes_equal(buf_view(&found), buf_view(text)));
    buf_release(&found);
}

/* Alone: every state comes back, backward and forward, also after restarts in between. */
static void alone_undo_leads_back_through_every_state(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("undo-alone", 33));
    for (uint64_t round = support_rounds(100); round > 0; round--) {
        struct room room;
        struct buf states[20] = {{0}};
        begin(&room, &random);
        struct replica *ana = &room.people[0];
        size_t top = 0, at;
        replica_text(ana, &states[0]);
        while (top + 1 < 20) {
            uint64_t len = rope_len(ana->text), pos = random_below(&random, len + 1);
            uint64_t deleted = pos < len ? random_below(&random, len - pos + 1) % 4 : 0;
            char letter = (char)('a' + random_below(&random, 26));
            bool gesture = top == 0 || random_chance(&random, 2);
            replica_edit(ana, pos, deleted, bytes_of(&letter, deleted ? random_below(&random, 2) : 1), gesture);
            top += gesture;
            replica_text(ana, &states[top]);
        }
        at = top;
        for (int i = 0; i < 60; i++) {
            if (random_chance(&random, 20) && ana->agent_count < REPLICA_AGENTS_MAX)
                replica_restart(ana, (unsigned char)('A' + ana->agent_count));
            bool back = random_chance(&random, 2);
            bool done = back ? replica_undo(ana) : replica_redo(ana);
            assert_int_equal(done, back ? at > 0 : at < top);
            at = done ? (back ? at - 1 : at + 1) : at;
            expect_text(ana, &states[at]);
        }
        while (replica_undo(ana))
            continue;
        expect_text(ana, &states[0]);
        for (size_t i = 0; i < 20; i++)
            buf_release(&states[i]);
        end(&room);
    }
}

/* Edits taken back and typed over again and again, all of them own: in the end nothing is left. */
static void undoing_everything_gives_the_base(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("undo-everything", 34));
    for (uint64_t round = support_rounds(100); round > 0; round--) {
        struct room room;
        begin(&room, &random);
        for (int i = 0; i < 40; i++) {
            uint64_t what = random_below(&random, 4);
            if (what < 2)
                edit(&room, 0);
            else if (what == 2)
                replica_undo(&room.people[0]);
            else
                replica_redo(&room.people[0]);
        }
        while (replica_undo(&room.people[0]))
            continue;
        replica_expect(&room.people[0], base_text);
        end(&room);
    }
}

/* --- any edits --- */

enum { EDITS_MAX = 40 };

/* Edits of everybody, with what they did, byte by byte. */
struct story {
    struct room room;
    struct event_span edits[EDITS_MAX];
    size_t count;
    bool typed[EDITS_MAX][MARKS], deleted[EDITS_MAX][MARKS];
    bool before[MARKS][MARKS]; /* a stood before b in some text */
};

static void note_order(struct story *story, const struct replica *replica)
{
    struct buf text = {0};
    replica_text(replica, &text);
    for (size_t i = 0; i < text.len; i++)
        for (size_t j = i + 1; j < text.len; j++)
            story->before[text.data[i]][text.data[j]] = true;
    buf_release(&text);
}

static void expect_order(const struct story *story, const struct replica *replica)
{
    struct buf text = {0};
    replica_text(replica, &text);
    for (size_t i = 0; i < text.len; i++)
        for (size_t j = i + 1; j < text.len; j++)
            assert_false(story->before[text.data[j]][text.data[i]]);
    buf_release(&text);
}

/* Each a gesture of its own. */
static void tell_edit(struct story *story, int who)
{
    struct replica *replica = &story->room.people[who];
    const struct agent_id *agent = &replica->agents[replica->agent_count - 1];
    bool before[MARKS], after[MARKS];
    uint64_t first = document_next_seq(replica->document, agent);
    which_bytes(replica, before);
    replica_edit(replica, rope_len(replica->text), 0, (struct bytes){0}, true);
    edit(&story->room, who);
    which_bytes(replica, after);
    uint64_t end = document_next_seq(replica->document, agent);
    if (end == first)
        return;
    for (int i = 0; i < MARKS; i++) {
        story->typed[story->count][i] = after[i] && !before[i];
        story->deleted[story->count][i] = before[i] && !after[i];
    }
    story->edits[story->count++] = (struct event_span){*agent, first, end - first};
    note_order(story, replica);
}

static void tell(struct story *story, struct random *random)
{
    *story = (struct story){.count = 0};
    begin(&story->room, random);
    note_order(story, &story->room.people[0]);
    while (story->count < EDITS_MAX)
        if (random_chance(random, 3))
            sync_some(&story->room);
        else
            tell_edit(story, (int)random_below(random, PEOPLE));
    sync_all(&story->room);
    note_order(story, &story->room.people[0]);
}

static size_t chosen_events(const struct story *story, const bool *chosen, struct event_span *events)
{
    size_t count = 0;
    for (size_t e = 0; e < story->count; e++)
        if (chosen[e])
            events[count++] = story->edits[e];
    return count;
}

/* A byte is there when nobody typed or deleted it but in edits that were taken back. */
static void expect_as_if_not_written(const struct story *story, const bool *chosen)
{
    bool there[MARKS];
    which_bytes(&story->room.people[0], there);
    for (int i = 1; i < MARKS; i++) {
        bool expected = i < (int)sizeof base_text;
        for (size_t e = 0; e < story->count; e++)
            expected = expected || (story->typed[e][i] && !chosen[e]);
        for (size_t e = 0; e < story->count; e++)
            expected = expected && !(story->deleted[e][i] && !chosen[e]);
        assert_int_equal(there[i], expected);
    }
}

/* Any subset of anybody's edits; and back, which gives the very text. Then the same of another subset. */
static void a_set_is_taken_back_as_if_it_had_not_been_written(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("undo-set", 35, 100);
    struct random random;
    static struct story story;
    while (rounds_next(&rounds, &random)) {
        tell(&story, &random);
        struct replica *ana = &story.room.people[0];
        for (int i = 0; i < 3; i++) {
            bool chosen[EDITS_MAX] = {false};
            struct event_span events[EDITS_MAX];
            struct buf before = {0};
            uint64_t one_in = 1 + random_below(&random, 6);
            for (size_t e = 0; e < story.count; e++)
                chosen[e] = random_chance(&random, one_in);
            size_t count = chosen_events(&story, chosen, events);
            struct event_span undo = {ana->agents[0], document_next_seq(ana->document, &ana->agents[0]), 0};
            replica_text(ana, &before);
            assert_int_equal(replica_undo_events(ana, events, count), count > 0);
            expect_as_if_not_written(&story, chosen);
            expect_order(&story, ana);
            undo.len = document_next_seq(ana->document, &ana->agents[0]) - undo.seq;
            assert_int_equal(replica_undo_events(ana, &undo, 1), count > 0);
            expect_text(ana, &before);
            buf_release(&before);
        }
        rounds.operations += story.count;
        sync_all(&story.room);
        end(&story.room);
    }
}

static bool is_ana(const void *self, const struct agent_id *agent)
{
    const struct replica *ana = self;
    for (size_t i = 0; i < ana->agent_count; i++)
        if (agent_id_equal(&ana->agents[i], agent))
            return true;
    return false;
}

static void undo_all_since(struct replica *ana, const struct version *since)
{
    struct event_span_list all = {0};
    assert_true(document_written_since(ana->document, since, (struct agent_filter){ana, is_ana}, &all));
    replica_undo_events(ana, all.items, all.count);
    event_span_list_release(&all);
}

static void act_alone(struct room *room, struct random *random)
{
    struct replica *ana = &room->people[0];
    uint64_t what = random_below(random, 9);
    if (what == 0 && ana->agent_count < REPLICA_AGENTS_MAX)
        replica_restart(ana, (unsigned char)('A' + ana->agent_count));
    else if (what < 3)
        replica_undo(ana);
    else if (what < 4)
        replica_redo(ana);
    else
        edit(room, 0);
}

/* Edits, undos and redos of them, over several runs of the program: all that came since a version, taken back, leads to its text. */
static void all_since_a_version_leads_back_to_it(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("undo-since", 36, 150);
    struct random random;
    while (rounds_next(&rounds, &random)) {
        struct room room;
        struct version since = {0};
        struct buf then = {0}, now = {0};
        begin(&room, &random);
        struct replica *ana = &room.people[0];
        for (uint64_t i = random_below(&random, 20); i > 0; i--)
            act_alone(&room, &random);
        document_version(ana->document, &since);
        replica_text(ana, &then);
        for (uint64_t i = random_below(&random, 30); i > 0; i--)
            act_alone(&room, &random);
        replica_text(ana, &now);
        undo_all_since(ana, &since);
        expect_text(ana, &then);
        if (replica_redo(ana)) /* it was one undo, unless Ana was several agents */
            while (replica_redo(ana))
                continue;
        undo_all_since(ana, &since);
        expect_text(ana, &then);
        rounds.operations += 50;
        buf_release(&now);
        buf_release(&then);
        version_release(&since);
        end(&room);
    }
}

/* Ana's edits and undos are taken back while others write: nothing of theirs goes, unless Ana deleted it
   and brought it back since; nothing that they deleted comes. */
static void all_since_a_version_spares_what_others_did(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("undo-since-others", 37, 100);
    struct random random;
    while (rounds_next(&rounds, &random)) {
        struct room room;
        struct version since = {0};
        bool before[MARKS], after[MARKS];
        begin(&room, &random);
        for (int i = 0; i < 50; i++) {
            if (i == 10)
                document_version(room.people[0].document, &since);
            uint64_t what = random_below(&random, 6);
            if (what < 1) {
                sync_all(&room);
                replica_undo(&room.people[0]);
            } else if (what < 3) {
                sync_some(&room);
            } else {
                edit(&room, (int)random_below(&random, PEOPLE));
            }
        }
        sync_all(&room);
        which_bytes(&room.people[0], before);
        undo_all_since(&room.people[0], &since);
        which_bytes(&room.people[0], after);
        for (int i = 1; i < MARKS; i++) {
            assert_false(before[i] && !after[i] && room.author[i] > 0 && !room.deleted_by[0][i]);
            for (int who = 1; who < PEOPLE; who++)
                assert_false(!before[i] && after[i] && room.deleted_by[who][i]);
        }
        sync_all(&room);
        rounds.operations += 50;
        version_release(&since);
        end(&room);
    }
}

/* Somebody else has taken an edit back: its author's own undo of it brings nothing back twice. */
static void what_another_took_back_is_not_brought_back_again(void **state)
{
    (void)state;
    struct room room;
    struct replica *ana = begin_with_ana(&room), *ben = &room.people[1];
    replica_delete(ana, 2, 3);
    sync_all(&room);
    struct event_span hers = {ana->agents[0], 0, 3};
    assert_true(replica_undo_events(ben, &hers, 1));
    replica_expect(ben, base_text);
    sync_all(&room);
    assert_true(replica_undo(ana));
    replica_expect(ana, base_text);
    sync_all(&room);
    end(&room);
}

/* A limit: neither saw that the other brought it back, and a merge keeps what both wrote. Either of them takes his own back. */
static void two_who_take_back_the_same_at_once_bring_it_back_twice(void **state)
{
    (void)state;
    struct room room;
    struct replica *ana = begin_with_ana(&room), *ben = &room.people[1];
    replica_delete(ana, 2, 3);
    sync_all(&room);
    struct event_span hers = {ana->agents[0], 0, 3};
    assert_true(replica_undo(ana));
    assert_true(replica_undo_events(ben, &hers, 1));
    replica_expect(ana, base_text);
    replica_expect(ben, base_text);
    sync_all(&room);
    replica_expect(ana, "\001\002\003\004\005\003\004\005\006\007\010\011\012");
    replica_expect(ben, "\001\002\003\004\005\003\004\005\006\007\010\011\012");
    struct event_span his = {ben->agents[0], 0, 3};
    assert_true(replica_undo_events(ben, &his, 1));
    sync_all(&room);
    replica_expect(ana, base_text);
    replica_expect(ben, base_text);
    end(&room);
}

static void a_row_of_edits_is_done_again_as_one(void **state)
{
    (void)state;
    struct room room;
    struct version since = {0};
    struct replica *ana = begin_with_ana(&room);
    replica_type(ana, 0, "a");
    document_version(ana->document, &since);
    replica_type(ana, 1, "b");
    replica_delete(ana, 2, 2);
    replica_type(ana, 2, "c");
    struct buf all = {0};
    replica_text(ana, &all);
    undo_all_since(ana, &since);
    replica_expect(ana, "a\001\002\003\004\005\006\007\010\011\012");
    replica_restart(ana, 'A');
    assert_true(replica_redo(ana));
    expect_text(ana, &all);
    assert_false(replica_redo(ana));
    assert_true(replica_undo(ana)); /* the redo, which is what came last */
    replica_expect(ana, "a\001\002\003\004\005\006\007\010\011\012");
    assert_true(replica_undo(ana));
    replica_expect(ana, base_text);
    assert_false(replica_undo(ana));
    buf_release(&all);
    version_release(&since);
    end(&room);
}

/* Brought back twice, the first copy deleted since. One of the two stands for the byte. */
static void a_byte_brought_back_twice_comes_back_once(void **state)
{
    (void)state;
    struct room room;
    struct replica *ana = begin_with_ana(&room);
    replica_delete(ana, 2, 1);
    struct event_span deleted = {ana->agents[0], 0, 1}, rest = {ana->agents[0], 0, 0};
    assert_true(replica_undo_events(ana, &deleted, 1)); /* event 1 */
    struct event_span first = {ana->agents[0], 1, 1};
    assert_true(replica_undo_events(ana, &first, 1)); /* 2 deletes it again */
    assert_true(replica_undo_events(ana, &deleted, 1)); /* 3 */
    replica_expect(ana, base_text);
    rest.len = document_next_seq(ana->document, &ana->agents[0]);
    assert_int_equal(rest.len, 4);
    assert_true(replica_undo_events(ana, &rest, 1));
    replica_expect(ana, base_text);
    end(&room);
}

/* What was brought back in one piece is no piece to what stood in the middle of it. */
static void a_byte_comes_back_into_the_middle_of_a_copy(void **state)
{
    (void)state;
    struct room room;
    struct replica *ana = begin_with_ana(&room);
    replica_type(ana, 10, "y"); /* event 0 */
    replica_type(ana, 3, "x");  /* event 1 */
    replica_delete(ana, 3, 1);  /* event 2 */
    replica_delete(ana, 1, 4);  /* events 3 to 6 */
    struct event_span row = {ana->agents[0], 3, 4}, rest[] = {{ana->agents[0], 0, 1}, {ana->agents[0], 2, 1}};
    assert_true(replica_undo_events(ana, &row, 1));
    assert_true(replica_undo_events(ana, rest, 2));
    replica_expect(ana, "\001\002\003x\004\005\006\007\010\011\012");
    end(&room);
}

/* What it was deleted by is taken back, that again, and so on: each second event is a copy of the copy before it. */
static void bring_back_again(struct replica *ana, int turns)
{
    replica_delete(ana, 2, 1);
    for (int turn = 0; turn < turns; turn++) {
        struct event_span last = {ana->agents[0], document_next_seq(ana->document, &ana->agents[0]) - 1, 1};
        assert_true(replica_undo_events(ana, &last, 1));
    }
}

/* As far as copies of copies are looked at, and beyond, where nothing comes back: but it ends, and all have the same. */
static void a_byte_brought_back_without_end_is_not_looked_for_without_end(void **state)
{
    (void)state;
    enum { COPIES = 2 /* turns each */, NEAR = 20 };
    static const struct {
        int turns;
        const char *text;
    } cases[] = {{COPIES * (UNDO_LOOKS_MAX - NEAR), base_text},
                 {COPIES * (UNDO_LOOKS_MAX + NEAR), "\001\002\004\005\006\007\010\011\012"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct room room;
        struct replica *ana = begin_with_ana(&room);
        bring_back_again(ana, cases[i].turns);
        struct event_span all = {ana->agents[0], 0, document_next_seq(ana->document, &ana->agents[0])};
        assert_true(replica_undo_events(ana, &all, 1));
        replica_expect(ana, cases[i].text);
        sync_all(&room);
        replica_expect(&room.people[1], cases[i].text);
        end(&room);
    }
}

/* Of edits of several runs of the program taken back as one, none can be done again by itself. */
static void several_rows_are_done_again_once(void **state)
{
    (void)state;
    struct room room;
    struct version since = {0};
    struct replica *ana = begin_with_ana(&room);
    replica_type(ana, 0, "a");
    document_version(ana->document, &since);
    replica_type(ana, 1, "b");
    assert_true(replica_undo(ana));
    replica_restart(ana, 'A');
    assert_true(replica_undo(ana));
    replica_expect(ana, base_text);
    for (int i = 0; i < 2; i++) {
        undo_all_since(ana, &since);
        replica_expect(ana, "a\001\002\003\004\005\006\007\010\011\012");
        assert_true(replica_redo(ana));
        replica_expect(ana, base_text);
        assert_false(replica_redo(ana));
    }
    version_release(&since);
    end(&room);
}

/* Who takes several rows back says of each row what he deleted for it. Of the second it was a copy, then as good as never made. */
static void each_row_says_what_it_took_back(void **state)
{
    (void)state;
    struct room room;
    struct replica *ana = begin_with_ana(&room), *ben = &room.people[1], *cleo = &room.people[2];
    replica_type(ana, 0, "q");  /* event 0 */
    replica_delete(ana, 3, 1);  /* event 1 */
    sync_all(&room);
    struct event_span deleted = {ana->agents[0], 1, 1};
    struct event_span rows[] = {{ana->agents[0], 0, 1}, {ben->agents[0], 0, 1}};
    assert_true(replica_undo_events(ben, &deleted, 1));
    sync_all(&room);
    replica_expect(cleo, "q\001\002\003\004\005\006\007\010\011\012");
    assert_true(replica_undo_events(cleo, rows, 2));
    replica_expect(cleo, "\001\002\004\005\006\007\010\011\012");
    sync_all(&room);
    assert_true(replica_undo_events(ana, &deleted, 1));
    replica_expect(ana, base_text);
    sync_all(&room);
    end(&room);
}

static void steps_tell_what_stays_goes_and_comes_back(void **state)
{
    (void)state;
    struct room room;
    struct replica *ana = begin_with_ana(&room);
    replica_delete(ana, 2, 3);  /* events 0 to 2 */
    replica_type(ana, 2, "xy"); /* events 3 and 4 */
    const struct agent_span rows[] = {{.seq = 0, .len = 3}, {.seq = 3, .len = 2}};
    static const struct {
        enum step_kind kind;
        uint64_t len;
        size_t row;
    } expected[] = {{STEP_KEEP, 2, 0}, {STEP_REMOVE, 2, 1}, {STEP_RESTORE, 3, 0}, {STEP_KEEP, 5, 0}};
    struct steps steps = {0};
    steps_find(ana->document, rows, 2, 0, &steps);
    assert_int_equal(steps.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < steps.count; i++) {
        assert_int_equal(steps.items[i].kind, expected[i].kind);
        assert_int_equal(steps.items[i].what.len, expected[i].len);
        assert_int_equal(steps.items[i].row, expected[i].row);
    }
    steps_release(&steps);
    end(&room);
}

/* Each with all that the others did before it: what comes back stands in the order in which it stood. */
static void undo_and_redo_in_turns_keep_the_order(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("undo-order", 38, 150);
    struct random random;
    static struct story story;
    while (rounds_next(&rounds, &random)) {
        tell(&story, &random);
        for (int i = 0; i < 40; i++) {
            struct replica *who = &story.room.people[random_below(&random, PEOPLE)];
            if (random_chance(&random, 2))
                replica_undo(who);
            else
                replica_redo(who);
            expect_order(&story, who);
            sync_all(&story.room);
        }
        rounds.operations += 40;
        end(&story.room);
    }
}

/* --- another window, taken over once it is closed --- */

/* `from` has ended: what it did is also `to`'s. The last agent writes. */
static void take_over(struct replica *to, const struct replica *from)
{
    to->agents[to->agent_count] = to->agents[to->agent_count - 1];
    to->agents[to->agent_count++ - 1] = from->agents[0];
}

static void see_both(struct replica *a, struct replica *b)
{
    replica_send(a, b, 1);
    replica_send(b, a, 1);
}

static void another_windows_key_between_undo_and_redo_leaves_all_to_take_back(void **state)
{
    (void)state;
    struct replica ana, window;
    replica_init(&ana, "", 'a');
    replica_init(&window, "", 'w');
    replica_type(&window, 0, "B");
    see_both(&ana, &window);
    replica_type(&ana, 1, "aaa");
    replica_type(&ana, 4, "bbb");
    replica_undo(&ana);
    replica_undo(&ana);
    see_both(&ana, &window);
    replica_type(&window, 0, "X");
    see_both(&ana, &window);
    replica_redo(&ana);
    replica_redo(&ana);
    replica_expect(&ana, "XBaaabbb");
    replica_type(&ana, 8, "ccc");
    replica_restart(&ana, 'c');
    take_over(&ana, &window);
    static const char *const expected[] = {"XBaaabbb", "XBaaa", "XB", "B", ""};
    for (size_t i = 0; i < 5; i++) {
        assert_true(replica_undo(&ana));
        replica_expect(&ana, expected[i]);
    }
    assert_false(replica_undo(&ana));
    for (size_t i = 5; i-- > 0;)
        assert_true(replica_redo(&ana));
    replica_expect(&ana, "XBaaabbbccc");
    replica_release(&ana);
    replica_release(&window);
}

static void a_window_taken_over_between_undo_and_redo_does_not_end_what_can_be_done_again(void **state)
{
    (void)state;
    struct replica ana, window;
    replica_init(&ana, "", 'a');
    replica_init(&window, "", 'w');
    replica_type(&ana, 0, "aaa");
    replica_type(&ana, 3, "bbb");
    replica_undo(&ana);
    replica_undo(&ana);
    see_both(&ana, &window);
    replica_type(&window, 0, "Y");
    replica_undo(&window);
    replica_type(&window, 0, "X"); /* what it had undone itself is over */
    see_both(&ana, &window);
    take_over(&ana, &window);
    assert_true(replica_redo(&ana));
    replica_expect(&ana, "Xaaa");
    replica_type(&ana, 0, "own"); /* and now what is left is, too */
    assert_false(replica_redo(&ana));
    replica_expect(&ana, "ownXaaa");
    replica_release(&ana);
    replica_release(&window);
}

/* --- somebody who makes copies up --- */

/* Types so many bytes and deletes them; then batch after batch says that it brings them back: each all but one more of the first. */
static void add_made_up_copies(struct document *document, const struct agent_id *agent, struct event_id parent, uint64_t count)
{
    struct error err = {0};
    struct buf text = {0};
    struct batch first = {.agent = *agent, .flags = BATCH_FLAG_FOREIGN | BATCH_FLAG_GESTURE};
    for (uint64_t i = 0; i < count; i++)
        buf_add_byte(&text, 'x');
    batch_add_parent(&first, parent);
    batch_add_insert(&first, 0, buf_view(&text));
    batch_add_delete(&first, 0, count);
    batch_end(&first);
    assert_int_equal(document_add(document, &first, &err), DOCUMENT_ADDED);
    batch_release(&first);
    for (uint64_t i = 0, seq = 2 * count; i + 1 < count; seq += count - i, i++) {
        struct batch undo = {.agent = *agent, .seq0 = seq, .flags = BATCH_FLAG_SELF | BATCH_FLAG_GESTURE | BATCH_FLAG_UNDO};
        batch_add_undo(&undo, (struct event_span){*agent, 0, 1});
        batch_add_undo(&undo, (struct event_span){*agent, count + i, count - i});
        batch_add_insert(&undo, 0, bytes_of(text.data, count - i));
        batch_end(&undo);
        assert_int_equal(document_add(document, &undo, &err), DOCUMENT_ADDED);
        batch_release(&undo);
    }
    buf_release(&text);
}

/* Half a million rows it would be, each look at which is somebody else's time. */
static void copies_that_somebody_makes_up_do_not_cost_their_square(void **state)
{
    (void)state;
    enum { COPIES = 1000 };
    struct replica ana;
    struct agent_id eve = {{'e'}};
    replica_init(&ana, "base", 'a');
    replica_edit(&ana, 0, 0, bytes_of_string("word "), true);
    add_made_up_copies(ana.document, &eve, (struct event_id){ana.agents[0], 4}, COPIES);

    struct agent_span word = {.agent = 0, .seq = 0, .len = 5};
    struct undo_plan plan = {.document = ana.document, .spans = &word, .span_count = 1};
    uint64_t base;
    plan.tracker = walker_track(ana.document->walker, 0, &base);
    undo_plan_collect(&plan, 0);
    assert_in_range(plan.copied.count, COPIES, 2 * UNDO_COPIES_MAX * COPIES);
    undo_plan_release(&plan);
    replica_release(&ana);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undo_spares_what_others_typed_and_deleted),
        cmocka_unit_test(undo_and_redo_at_once_converge),
        cmocka_unit_test(alone_undo_leads_back_through_every_state),
        cmocka_unit_test(undoing_everything_gives_the_base),
        cmocka_unit_test(a_set_is_taken_back_as_if_it_had_not_been_written),
        cmocka_unit_test(all_since_a_version_leads_back_to_it),
        cmocka_unit_test(all_since_a_version_spares_what_others_did),
        cmocka_unit_test(what_another_took_back_is_not_brought_back_again),
        cmocka_unit_test(two_who_take_back_the_same_at_once_bring_it_back_twice),
        cmocka_unit_test(a_byte_brought_back_without_end_is_not_looked_for_without_end),
        cmocka_unit_test(a_row_of_edits_is_done_again_as_one),
        cmocka_unit_test(a_byte_brought_back_twice_comes_back_once),
        cmocka_unit_test(a_byte_comes_back_into_the_middle_of_a_copy),
        cmocka_unit_test(several_rows_are_done_again_once),
        cmocka_unit_test(steps_tell_what_stays_goes_and_comes_back),
        cmocka_unit_test(each_row_says_what_it_took_back),
        cmocka_unit_test(undo_and_redo_in_turns_keep_the_order),
        cmocka_unit_test(another_windows_key_between_undo_and_redo_leaves_all_to_take_back),
        cmocka_unit_test(a_window_taken_over_between_undo_and_redo_does_not_end_what_can_be_done_again),
        cmocka_unit_test(copies_that_somebody_makes_up_do_not_cost_their_square),
    };
    return RUN_TESTS("undo", tests);
}
