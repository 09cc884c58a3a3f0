/* Undo and redo among several people: what it may never do, whatever the others do. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undo_spares_what_others_typed_and_deleted),
        cmocka_unit_test(undo_and_redo_at_once_converge),
        cmocka_unit_test(alone_undo_leads_back_through_every_state),
        cmocka_unit_test(undoing_everything_gives_the_base),
    };
    return RUN_TESTS("undo", tests);
}
