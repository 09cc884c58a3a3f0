/* What a journal's rows come to when they are read again without the document that was made of them. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"
#include "tests/support/session_room.h"

enum { BEN = 0xbe, CLEO = 0xc1 };

/* A journal to which records come, as they do to a replica. */
struct fixture {
    struct room *room;
    void *dir;
    char *path;
    struct journal *journal;
    struct row_source source;
};

static void begin(struct fixture *fixture, struct room *room, const char *name)
{
    struct error err = {0};
    *fixture = (struct fixture){.room = room};
    assert_int_equal(scratch_setup(&fixture->dir), 0);
    fixture->path = scratch_file(fixture->dir, name);
    fixture->source = (struct row_source){.device = room->device, .keys = room->keys, .path = fixture->path};
    fixture->journal = journal_open_on(&room->device, (struct journal_spec){.path = fixture->path, .mode = JOURNAL_CREATE,
                                                                            .doc = room->keys.doc}, &err);
    assert_non_null(fixture->journal);
    assert_true(journal_note_put(fixture->journal, "genesis", buf_view(&room->genesis), &err));
}

static void end(struct fixture *fixture)
{
    free(fixture->path);
    assert_int_equal(scratch_teardown(&fixture->dir), 0);
}

static void keep(struct fixture *fixture, const struct buf *stored)
{
    struct record record;
    struct error err = {0};
    uint64_t place;
    assert_true(record_decode(buf_view(stored), &record, &err));
    struct journal_received received = {.kind = record.kind, .agent = record.agent, .seq0 = record.seq0, .count = record.count,
                                        .relay_place = 1, .stored = buf_view(stored)};
    record_hash(received.stored, &received.hash);
    assert_int_equal(journal_add_received(fixture->journal, &received, &place, &err), JOURNAL_ADDED);
}

/* Read anew: the text. */
static char *read_again(struct fixture *fixture)
{
    struct rope *base = rope_from_bytes((struct bytes){0}), *text = rope_snapshot(base);
    struct document *document = document_new(base);
    struct patch patch = {0};
    struct buf bytes = {0};
    struct error err = {0};
    journal_close(fixture->journal);
    assert_true(replica_read_history(&fixture->source, document, &err));
    document_update(document, &patch);
    rope_apply(text, &patch);
    rope_append_to(text, 0, rope_len(text), &bytes);
    document_check(document);
    document_free(document);
    patch_release(&patch);
    rope_free(text);
    rope_free(base);
    char *copy = xstrdup(buf_string(&bytes));
    buf_release(&bytes);
    return copy;
}

/* The same: what cleo's first batch is called then. */
static struct digest digest_again(struct fixture *fixture)
{
    struct chain *chain = chain_new(&fixture->room->keys.doc);
    struct digest digest;
    assert_true(replica_read_digests(&fixture->source, chain));
    assert_true(chain_find(chain, &(struct event_id){{{CLEO}}, 0}, &digest));
    chain_free(chain);
    return digest;
}

struct fork {
    struct author ben, twin, cleo;
    struct buf members[2], one, two, more;
    struct digest digest; /* of `more` */
};

/* Ben's machine and a copy of it write something else under one number; cleo builds on what the copy wrote. */
static void fork_off(struct fork *fork, struct room *room)
{
    *fork = (struct fork){0};
    author_init(&fork->ben, room, BEN);
    author_init(&fork->twin, room, BEN);
    author_init(&fork->cleo, room, CLEO);
    author_member(&fork->ben, room, &fork->members[0]);
    author_member(&fork->cleo, room, &fork->members[1]);
    author_record(&fork->ben, room, NULL, "one ", &fork->one);
    author_record(&fork->twin, room, NULL, "two ", &fork->two);
    author_reads(&fork->cleo, room, &fork->two);
    author_record(&fork->cleo, room, &(struct event_id){{{BEN}}, 3}, "more ", &fork->more);
    assert_true(chain_find(fork->cleo.chain, &(struct event_id){{{CLEO}}, 0}, &fork->digest));
}

static void fork_release(struct fork *fork)
{
    struct author *authors[] = {&fork->ben, &fork->twin, &fork->cleo};
    struct buf *used[] = {&fork->members[0], &fork->members[1], &fork->one, &fork->two, &fork->more};
    for (size_t i = 0; i < sizeof authors / sizeof *authors; i++)
        author_release(authors[i]);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buf_release(used[i]);
}

/*
 * A received row names no digest, and what cleo built on could be either side. Her signature tells which one it is. In the last
 * order the side comes behind her, as it does where it was packed (sync/journal_compact.h).
 */
static void what_builds_on_one_side_of_a_fork_does_so_when_it_is_read_again(void **state)
{
    enum { ORDERS = 5 };
    struct fork fork;
    char *texts[ORDERS];
    fork_off(&fork, *state);
    const struct buf *orders[ORDERS][3] = {{&fork.one, &fork.two, &fork.more}, {&fork.two, &fork.one, &fork.more},
                                           {&fork.two, &fork.more, &fork.one}, {&fork.more, &fork.one, &fork.two},
                                           {&fork.one, &fork.more, &fork.two}};
    for (size_t i = 0; i < ORDERS; i++) {
        struct fixture fixture;
        begin(&fixture, *state, "rows.journal");
        keep(&fixture, &fork.members[0]);
        keep(&fixture, &fork.members[1]);
        for (size_t j = 0; j < 3; j++)
            keep(&fixture, orders[i][j]);
        texts[i] = read_again(&fixture);
        if (i < ORDERS - 1) {
            struct digest digest = digest_again(&fixture);
            assert_true(digest_equal(&digest, &fork.digest));
        }
        assert_non_null(strstr(texts[i], "more two ")); /* not "more one" */
        assert_string_equal(texts[i], texts[0]);
        end(&fixture);
    }
    for (size_t i = 0; i < ORDERS; i++)
        free(texts[i]);
    fork_release(&fork);
}

/* Who is no member signs for nothing: what he wrote is somebody's all the same, as when it is read into a document. */
static void what_nobody_signed_is_taken_the_first_way_all_the_same(void **state)
{
    struct fork fork;
    struct fixture fixture;
    fork_off(&fork, *state);
    begin(&fixture, *state, "rows.journal");
    keep(&fixture, &fork.members[0]);
    keep(&fixture, &fork.one);
    keep(&fixture, &fork.two);
    keep(&fixture, &fork.more);
    char *text = read_again(&fixture);
    struct digest digest = digest_again(&fixture);
    assert_non_null(strstr(text, "more one "));
    assert_false(digest_equal(&digest, &fork.digest));
    free(text);
    end(&fixture);
    fork_release(&fork);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(what_builds_on_one_side_of_a_fork_does_so_when_it_is_read_again),
        ROOM_TEST(what_nobody_signed_is_taken_the_first_way_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
