/* The hash chain: what follows, what is known, what is early, what is a fork. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/chain.h"
#include "sync/crypto.h"

static const struct doc_id doc = {{0xd0}};
static const struct agent_id ana = {{1}}, ben = {{2}}, eve = {{0xee}};

/* A batch with its canonical bytes. */
struct written {
    struct batch batch;
    struct buf plain;
};

static struct bytes plain_of(const struct written *written)
{
    return buf_view(&written->plain);
}

static void write_insert(struct written *written, const struct agent_id *agent, uint64_t seq0,
                         const struct event_id *parent, const char *text)
{
    *written = (struct written){.batch = {.agent = *agent, .seq0 = seq0}};
    if (seq0 > 0)
        written->batch.flags |= BATCH_FLAG_SELF;
    if (parent)
        batch_add_parent(&written->batch, *parent);
    batch_add_insert(&written->batch, 0, bytes_of_string(text));
    batch_encode(&written->batch, &written->plain);
}

static void written_release(struct written *written)
{
    batch_release(&written->batch);
    buf_release(&written->plain);
}

static enum chain_link add(struct chain *chain, const struct written *written)
{
    struct digest digest;
    return chain_add(chain, &written->batch, plain_of(written), &digest);
}

static enum chain_link add_insert(struct chain *chain, const struct agent_id *agent, uint64_t seq0,
                                  const struct event_id *parent, const char *text)
{
    struct written written;
    write_insert(&written, agent, seq0, parent, text);
    enum chain_link link = add(chain, &written);
    written_release(&written);
    return link;
}

/* Computed by a model in Python's hashlib from the layout in chain.h. */
static void digests_are_those_of_the_documented_bytes(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    struct digest digest;
    add_insert(chain, &ana, 0, NULL, "hi");
    add_insert(chain, &ana, 2, NULL, "!");
    add_insert(chain, &ben, 0, &(struct event_id){ana, 1}, "yo");
    assert_true(chain_find(chain, &(struct event_id){ana, 0}, &digest));
    support_expect_hex(digest.bytes, 32, "c195da25a53836c10361eea0123e23e22eff99ace501bb1d1a13ceaa6a59e79f");
    assert_true(chain_newest(chain, &ana, &digest));
    support_expect_hex(digest.bytes, 32, "129b45c695519b8ba38015de9e9bcf1ef20420eb471bca2f296c169f489f23f5");
    assert_true(chain_newest(chain, &ben, &digest));
    support_expect_hex(digest.bytes, 32, "fb60fee81ea7caa212a26893797a90b6139b0c1d444fe3f9ca26d4772a017027");
    chain_free(chain);
}

static void a_batch_follows_is_known_afterwards_and_early_before_its_turn(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    assert_int_equal(add_insert(chain, &ana, 3, NULL, "later"), CHAIN_EARLY);
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "abc"), CHAIN_NEXT);
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "abc"), CHAIN_KNOWN);
    assert_int_equal(add_insert(chain, &ana, 3, NULL, "later"), CHAIN_NEXT);
    assert_int_equal(chain_next_seq(chain, &ana), 8);
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "abc"), CHAIN_KNOWN);
    assert_int_equal(add_insert(chain, &ana, 3, NULL, "later"), CHAIN_KNOWN);
    chain_free(chain);
}

static void a_batch_waits_for_its_parents(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    const struct event_id parent = {ana, 2};
    assert_int_equal(add_insert(chain, &ben, 0, &parent, "x"), CHAIN_EARLY);
    add_insert(chain, &ana, 0, NULL, "ab");
    assert_int_equal(add_insert(chain, &ben, 0, &parent, "x"), CHAIN_EARLY);
    add_insert(chain, &ana, 2, NULL, "c");
    assert_int_equal(add_insert(chain, &ben, 0, &parent, "x"), CHAIN_NEXT);
    assert_int_equal(add_insert(chain, &ben, 0, &parent, "x"), CHAIN_KNOWN);
    chain_free(chain);
}

static void other_content_under_a_taken_id_is_a_fork(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    add_insert(chain, &ana, 0, NULL, "abc");
    add_insert(chain, &ana, 3, NULL, "def");
    assert_int_equal(add_insert(chain, &ana, 3, NULL, "dex"), CHAIN_FORKED);
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "ab"), CHAIN_FORKED);
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "abcdef"), CHAIN_FORKED);
    assert_int_equal(add_insert(chain, &ana, 1, NULL, "bc"), CHAIN_EARLY); /* it follows a batch 0..0 of another branch */
    assert_int_equal(add_insert(chain, &ana, 5, NULL, "fg"), CHAIN_EARLY);
    assert_int_equal(add_insert(chain, &ana, 3, &(struct event_id){eve, 0}, "def"), CHAIN_EARLY);
    assert_int_equal(chain_next_seq(chain, &ana), 6);
    assert_int_equal(add_insert(chain, &ana, 3, NULL, "def"), CHAIN_KNOWN);
    chain_free(chain);
}

/* --- forks --- */

/* Takes a batch the way that ends in `digest`, as a signature would say. */
static enum chain_link take(struct chain *chain, struct written *written, const struct digest *digest,
                            struct chain_taken *taken)
{
    struct digest found;
    struct batch_run run = batch_run_of(&written->batch, buf_view(&written->plain));
    enum chain_link link = chain_take_run(chain, &run, 0, digest, &found, taken);
    if (run.local) { /* with its names here */
        struct batch_cursor cursor = batch_cursor_of(&run);
        assert_true(batch_cursor_next(&cursor));
        batch_copy(&written->batch, cursor.batch);
        batch_cursor_release(&cursor);
    }
    batch_run_release(&run);
    return link;
}

static void take_insert(struct chain *chain, struct chain *author, uint64_t seq0, const char *text,
                        enum chain_link expected, struct chain_taken *taken)
{
    struct written written;
    struct digest digest;
    write_insert(&written, &eve, seq0, NULL, text);
    assert_int_equal(chain_add(author, &written.batch, plain_of(&written), &digest), CHAIN_NEXT);
    assert_int_equal(take(chain, &written, &digest, taken), expected);
    written_release(&written);
}

/* eve 0..2, then on one machine 3..5, on the other 3..4 and 5..6. */
struct story {
    struct chain *one, *other, *both;
    struct chain_taken taken;
};

static void story_init(struct story *story)
{
    *story = (struct story){chain_new(&doc), chain_new(&doc), chain_new(&doc), {.known = 0}};
    add_insert(story->other, &eve, 0, NULL, "abc");
    take_insert(story->both, story->one, 0, "abc", CHAIN_NEXT, &story->taken);
    take_insert(story->both, story->one, 3, "def", CHAIN_NEXT, &story->taken);
    take_insert(story->both, story->other, 3, "xy", CHAIN_FORKED, &story->taken);
}

static void story_release(struct story *story)
{
    chain_free(story->one);
    chain_free(story->other);
    chain_free(story->both);
}

static void a_fork_becomes_a_branch_and_goes_on(void **state)
{
    (void)state;
    struct story story;
    struct chain_taken taken;
    struct digest digest;
    story_init(&story);
    assert_true(story.taken.forked);
    assert_true(agent_id_equal(&story.taken.fork.from, &eve));
    assert_int_equal(story.taken.fork.seq, 3);
    chain_newest(story.other, &eve, &digest);
    assert_memory_equal(story.taken.fork.branch.bytes, digest.bytes, AGENT_ID_BYTES);
    chain_newest(story.one, &eve, &digest);
    assert_memory_equal(story.taken.fork.rival.bytes, digest.bytes, AGENT_ID_BYTES);
    take_insert(story.both, story.other, 5, "zw", CHAIN_NEXT, &taken);
    take_insert(story.both, story.one, 6, "g", CHAIN_NEXT, &taken);
    assert_int_equal(chain_forks(story.both), 1);
    assert_true(chain_is_forked(story.both, &eve));
    assert_false(chain_is_forked(story.both, &ana));
    story_release(&story);
}

static void the_signed_digest_says_which_branch_a_parent_is_of(void **state)
{
    (void)state;
    struct story story;
    struct chain *writers[2];
    struct digest digests[2];
    story_init(&story);
    writers[0] = story.one;
    writers[1] = story.other;
    for (int i = 0; i < 2; i++) { /* each knows one branch, and answers to (eve, 4) */
        struct written written;
        struct chain_taken taken;
        const struct agent_id who = {{(unsigned char)(0x10 + i)}};
        write_insert(&written, &who, 0, &(struct event_id){eve, 4}, "reply");
        assert_int_equal(chain_add(writers[i], &written.batch, plain_of(&written), &digests[i]), CHAIN_NEXT);
        assert_int_equal(take(story.both, &written, &(struct digest){{1}}, &taken), CHAIN_NO_WAY);
        assert_int_equal(take(story.both, &written, &digests[i], &taken), CHAIN_NEXT);
        const struct agent_id *meant = i == 0 ? &eve : &story.taken.fork.branch;
        assert_true(agent_id_equal(&written.batch.parents[0].agent, meant));
        written_release(&written);
    }
    assert_false(digest_equal(&digests[0], &digests[1]));
    story_release(&story);
}

static void who_knows_of_a_fork_names_both_sides_by_their_branch(void **state)
{
    (void)state;
    struct story story;
    story_init(&story);
    struct event_id heads[] = {{eve, 5}, {story.taken.fork.branch, 4}, {eve, 1}};
    const struct event_id local[] = {heads[0], heads[1], heads[2]};
    chain_name_heads(story.both, heads, 3);
    bool rival = false, trunk = false;
    for (int i = 0; i < 3; i++) {
        rival |= agent_id_equal(&heads[i].agent, &story.taken.fork.rival) && heads[i].seq == 5;
        trunk |= agent_id_equal(&heads[i].agent, &eve) && heads[i].seq == 1;
    }
    assert_true(rival && trunk);
    chain_place_heads(story.both, heads, 3);
    for (int i = 0; i < 3; i++) {
        bool found = false;
        for (int j = 0; j < 3; j++)
            found |= agent_id_equal(&heads[i].agent, &local[j].agent) && heads[i].seq == local[j].seq;
        assert_true(found);
    }
    story_release(&story);
}

/* A batch of `agent` behind its 0..2 with content of its own, as the author's signature would say. */
static enum chain_link take_side(struct chain *chain, const struct agent_id *agent, unsigned n, struct chain_taken *taken)
{
    struct written begin, side;
    struct digest first, last;
    char text[16];
    snprintf(text, sizeof text, "side %06u", n);
    write_insert(&begin, agent, 0, NULL, "abc");
    write_insert(&side, agent, 3, NULL, text);
    chain_digest(&doc, &begin.batch, plain_of(&begin), NULL, NULL, &first);
    chain_digest(&doc, &side.batch, plain_of(&side), &first, NULL, &last);
    take(chain, &begin, &first, taken);
    enum chain_link link = take(chain, &side, &last, taken);
    written_release(&begin);
    written_release(&side);
    return link;
}

static struct chain *crowded_chain(const struct agent_id *agent)
{
    struct chain *chain = chain_new(&doc);
    struct chain_taken taken;
    assert_int_equal(take_side(chain, agent, 0, &taken), CHAIN_NEXT);
    for (unsigned n = 1; n <= CHAIN_AGENT_FORKS_MAX; n++)
        assert_int_equal(take_side(chain, agent, n, &taken), CHAIN_FORKED);
    return chain;
}

/* --- asleep --- */

enum { STORY_BATCHES = 200 };

/* Ana writes; now and then ben, who has seen the newest of her. */
static bool tell_long_story(void *self, struct chain *whole)
{
    unsigned *times = self;
    ++*times;
    for (uint64_t seq = 0; seq < STORY_BATCHES; seq++) {
        assert_int_equal(add_insert(whole, &ana, seq, NULL, seq % 2 ? "a" : "n"), CHAIN_NEXT);
        if (seq % 50 == 49)
            assert_int_equal(add_insert(whole, &ben, seq / 50, &(struct event_id){ana, seq}, "b"), CHAIN_NEXT);
    }
    return true;
}

static bool tell_nothing(void *self, struct chain *whole)
{
    unsigned *times = self;
    (void)whole;
    ++*times;
    return *times % 2; /* nothing is told, or it is not to be had */
}

static struct chain *sleeping_chain(struct chain_source source)
{
    unsigned ignored = 0;
    struct buf encoded = {0};
    struct error err = {0};
    struct chain *chain = chain_new(&doc);
    tell_long_story(&ignored, chain);
    assert_true(chain_encode_newest(chain, &encoded));
    assert_in_range(encoded.len, 1, 40 * (CHAIN_NEWEST_KEPT + 4) + 100);
    chain_free(chain);
    chain = chain_decode(&doc, buf_view(&encoded), &err);
    assert_non_null(chain);
    for (size_t len = 2; len < encoded.len; len++) /* one byte is a chain of nobody */
        assert_null(chain_decode(&doc, bytes_of(encoded.data, len), &err));
    chain_set_source(chain, source);
    buf_release(&encoded);
    return chain;
}

static void what_is_new_does_not_wake_a_chain(void **state)
{
    (void)state;
    unsigned times = 0;
    struct digest digest;
    struct buf encoded = {0};
    struct error err = {0};
    struct chain *chain = sleeping_chain((struct chain_source){&times, tell_long_story});
    assert_int_equal(chain_next_seq(chain, &ana), STORY_BATCHES);
    assert_true(chain_newest(chain, &ana, &digest));
    assert_true(chain_find(chain, &(struct event_id){ana, STORY_BATCHES - CHAIN_NEWEST_KEPT}, &digest));
    assert_int_equal(add_insert(chain, &ana, STORY_BATCHES, &(struct event_id){ben, 3}, "x"), CHAIN_NEXT);
    assert_int_equal(add_insert(chain, &eve, 0, &(struct event_id){ana, STORY_BATCHES - 3}, "x"), CHAIN_NEXT);
    assert_true(chain_encode_newest(chain, &encoded)); /* and it can be saved so again */
    struct chain *copy = chain_decode(&doc, buf_view(&encoded), &err);
    assert_non_null(copy);
    assert_int_equal(chain_next_seq(copy, &ana), STORY_BATCHES + 1);
    assert_int_equal(times, 0);
    buf_release(&encoded);
    chain_free(copy);
    chain_free(chain);
}

static void what_is_old_wakes_it_once_and_is_as_it_was(void **state)
{
    (void)state;
    unsigned times = 0, ignored = 0;
    struct digest digest, expected;
    struct buf all = {0}, again = {0};
    struct chain *chain = sleeping_chain((struct chain_source){&times, tell_long_story}), *never_slept = chain_new(&doc);
    tell_long_story(&ignored, never_slept);
    add_insert(never_slept, &ana, STORY_BATCHES, NULL, "meanwhile");
    add_insert(chain, &ana, STORY_BATCHES, NULL, "meanwhile");
    assert_true(chain_find(chain, &(struct event_id){ana, 17}, &digest));
    assert_true(chain_find(never_slept, &(struct event_id){ana, 17}, &expected));
    assert_true(digest_equal(&digest, &expected));
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "n"), CHAIN_KNOWN);
    assert_int_equal(add_insert(chain, &ana, 5, NULL, "fork"), CHAIN_FORKED);
    assert_int_equal(add_insert(chain, &eve, 0, &(struct event_id){ana, 3}, "x"), CHAIN_NEXT);
    assert_int_equal(chain_count(chain, &ana, 0, STORY_BATCHES), STORY_BATCHES);
    add_insert(never_slept, &eve, 0, &(struct event_id){ana, 3}, "x");
    chain_encode(chain, &all);
    chain_encode(never_slept, &again);
    assert_true(bytes_equal(buf_view(&all), buf_view(&again)));
    assert_int_equal(times, 1);
    buf_release(&all);
    buf_release(&again);
    chain_free(never_slept);
    chain_free(chain);
}

/* Each kind of question wakes it by itself. */
static void every_question_about_something_old_is_answered(void **state)
{
    (void)state;
    for (unsigned question = 0; question < 6; question++) {
        unsigned times = 0;
        struct digest digest;
        struct chain *chain = sleeping_chain((struct chain_source){&times, tell_long_story});
        switch (question) {
        case 0: assert_int_equal(add_insert(chain, &ana, 0, NULL, "n"), CHAIN_KNOWN); break;
        case 1: assert_int_equal(add_insert(chain, &ben, 4, &(struct event_id){ana, 0}, "x"), CHAIN_NEXT); break;
        case 2: assert_true(chain_find(chain, &(struct event_id){ana, 0}, &digest)); break;
        case 3: assert_true(chain_reaches(chain, &ana, 100)); break;
        case 4: assert_int_equal(chain_count(chain, &ana, 10, 20), 10); break;
        case 5: chain_cut(chain, &ana, 100); assert_int_equal(chain_next_seq(chain, &ana), 100); break;
        }
        assert_int_equal(times, 1);
        chain_free(chain);
    }
}

static void what_cannot_be_had_now_is_not_known_and_nothing_is_lost(void **state)
{
    (void)state;
    unsigned times = 0;
    struct digest digest;
    struct chain *chain = sleeping_chain((struct chain_source){&times, tell_nothing});
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "n"), CHAIN_EARLY);
    assert_int_equal(add_insert(chain, &ana, 5, NULL, "fork"), CHAIN_EARLY);
    assert_false(chain_find(chain, &(struct event_id){ana, 0}, &digest));
    chain_cut(chain, &ana, 3);
    assert_int_equal(chain_next_seq(chain, &ana), STORY_BATCHES);
    assert_int_equal(add_insert(chain, &ana, STORY_BATCHES, NULL, "x"), CHAIN_NEXT);
    assert_true(times >= 3);
    times = 0;
    chain_set_source(chain, (struct chain_source){&times, tell_long_story}); /* later it is there */
    assert_int_equal(add_insert(chain, &ana, 0, NULL, "n"), CHAIN_KNOWN);
    chain_free(chain);
}

/* Behind ana's first four, and far from what is kept: two batches with content of their own, as her signature would say. */
static void fork_early(struct chain *chain, enum chain_link link)
{
    struct written side, behind;
    struct digest before, first, last;
    struct chain_taken taken;
    struct event_id fourth = {ana, 3};
    write_insert(&side, &ana, 4, NULL, "another");
    write_insert(&behind, &ana, 11, NULL, "and more");
    assert_true(chain_find(chain, &fourth, &before));
    chain_digest(&doc, &side.batch, plain_of(&side), &before, NULL, &first);
    chain_digest(&doc, &behind.batch, plain_of(&behind), &first, NULL, &last);
    assert_int_equal(take(chain, &side, &first, &taken), link);
    assert_int_equal(take(chain, &behind, &last, &taken), link == CHAIN_FORKED ? CHAIN_NEXT : link);
    written_release(&side);
    written_release(&behind);
}

/* The journal has it, no checkpoint has. */
static bool tell_with_fork(void *self, struct chain *whole)
{
    bool told = tell_long_story(self, whole);
    fork_early(whole, CHAIN_FORKED);
    return told;
}

/* As rows stand when another window has put them together anew: what was known first comes last. */
static bool tell_fork_first(void *self, struct chain *whole)
{
    unsigned *times = self;
    ++*times;
    for (uint64_t seq = 0; seq < 4; seq++)
        assert_int_equal(add_insert(whole, &ana, seq, NULL, seq % 2 ? "a" : "n"), CHAIN_NEXT);
    fork_early(whole, CHAIN_NEXT);
    struct chain *plain = chain_new(&doc);
    unsigned ignored = 0;
    tell_long_story(&ignored, plain);
    for (uint64_t seq = 4; seq < STORY_BATCHES; seq++) {
        struct written next;
        struct digest last;
        struct chain_taken taken;
        write_insert(&next, &ana, seq, NULL, seq % 2 ? "a" : "n");
        assert_true(chain_find(plain, &(struct event_id){ana, seq}, &last));
        assert_int_equal(take(whole, &next, &last, &taken), seq == 4 ? CHAIN_FORKED : CHAIN_NEXT);
        written_release(&next);
        if (seq % 50 != 49)
            continue;
        write_insert(&next, &ben, seq / 50, &(struct event_id){ana, seq}, "b");
        assert_true(chain_find(plain, &(struct event_id){ben, seq / 50}, &last));
        assert_int_equal(take(whole, &next, &last, &taken), CHAIN_NEXT);
        written_release(&next);
    }
    chain_free(plain);
    return true;
}

static void it_wakes_also_where_somebody_has_forked_since(void **state)
{
    (void)state;
    bool (*const tell[])(void *, struct chain *) = {tell_with_fork, tell_fork_first};
    for (size_t i = 0; i < sizeof tell / sizeof tell[0]; i++) {
        unsigned times = 0, ignored = 0;
        struct buf all = {0}, expected = {0};
        struct chain *chain = sleeping_chain((struct chain_source){&times, tell[i]}), *never_slept = chain_new(&doc);
        tell_long_story(&ignored, never_slept);
        fork_early(never_slept, CHAIN_FORKED);
        fork_early(chain, CHAIN_FORKED);
        assert_int_equal(times, 1);
        chain_encode(chain, &all);
        chain_encode(never_slept, &expected);
        assert_true(bytes_equal(buf_view(&all), buf_view(&expected)));
        fork_early(chain, CHAIN_KNOWN);
        buf_release(&all);
        buf_release(&expected);
        chain_free(never_slept);
        chain_free(chain);
    }
}

/* A fork among what is kept wakes nothing; what is asked for later does, and it can be saved. */
static void a_chain_that_forked_in_its_sleep_wakes_later(void **state)
{
    (void)state;
    unsigned times = 0;
    struct digest digest;
    struct buf encoded = {0};
    struct error err = {0};
    struct chain *chain = sleeping_chain((struct chain_source){&times, tell_with_fork});
    struct written side;
    struct chain_taken taken;
    write_insert(&side, &ana, STORY_BATCHES - 2, NULL, "fork");
    assert_true(chain_find(chain, &(struct event_id){ana, STORY_BATCHES - 3}, &digest));
    chain_digest(&doc, &side.batch, plain_of(&side), &digest, NULL, &digest);
    assert_int_equal(take(chain, &side, &digest, &taken), CHAIN_FORKED);
    written_release(&side);
    assert_int_equal(times, 0);
    assert_true(chain_encode_newest(chain, &encoded));
    assert_int_equal(times, 1);
    assert_true(chain_find(chain, &(struct event_id){ana, 0}, &digest));
    struct chain *copy = chain_decode(&doc, buf_view(&encoded), &err);
    assert_non_null(copy);
    assert_int_equal(chain_forks(copy), 1);
    buf_release(&encoded);
    chain_free(copy);
    chain_free(chain);
}

/* In the middle of its life, with what was not saved anywhere but with the source. */
static void a_chain_that_goes_to_sleep_wakes_as_it_was(void **state)
{
    (void)state;
    unsigned times = 0, ignored = 0;
    struct digest digest;
    struct buf before = {0}, after = {0};
    struct chain *chain = chain_new(&doc);
    tell_long_story(&ignored, chain);
    chain_encode(chain, &before);
    chain_sleep(chain); /* nobody could wake it */
    chain_set_source(chain, (struct chain_source){&times, tell_long_story});
    assert_true(chain_find(chain, &(struct event_id){ana, 0}, &digest));
    assert_int_equal(times, 0);
    for (unsigned i = 1; i <= 2; i++) {
        chain_sleep(chain);
        chain_sleep(chain);
        assert_int_equal(chain_next_seq(chain, &ana), STORY_BATCHES);
        assert_true(chain_find(chain, &(struct event_id){ana, 0}, &digest));
        assert_int_equal(times, i);
    }
    assert_int_equal(add_insert(chain, &ana, STORY_BATCHES, NULL, "x"), CHAIN_NEXT);
    chain_cut(chain, &ana, STORY_BATCHES);
    chain_encode(chain, &after);
    assert_true(bytes_equal(buf_view(&before), buf_view(&after)));
    assert_int_equal(add_insert(chain, &ana, 5, NULL, "fork"), CHAIN_FORKED);
    chain_free(chain);
    buf_release(&before);
    buf_release(&after);
}

static void an_agent_forks_so_often_and_no_more_and_hinders_nobody(void **state)
{
    (void)state;
    struct chain *chain = crowded_chain(&eve);
    struct chain_taken taken;
    struct error err = {0};
    struct buf encoded = {0};
    for (unsigned n = CHAIN_AGENT_FORKS_MAX + 1; n < 1000; n++)
        assert_int_equal(take_side(chain, &eve, n, &taken), CHAIN_CROWDED);
    assert_int_equal(chain_forks(chain), CHAIN_AGENT_FORKS_MAX);
    for (unsigned n = 0; n <= CHAIN_AGENT_FORKS_MAX; n++) /* those that are there are known, each by its name */
        assert_int_equal(take_side(chain, &eve, n, &taken), CHAIN_KNOWN);
    assert_int_equal(take_side(chain, &ana, 0, &taken), CHAIN_NEXT);
    assert_int_equal(take_side(chain, &ana, 1, &taken), CHAIN_FORKED);
    chain_encode(chain, &encoded);
    struct chain *copy = chain_decode(&doc, buf_view(&encoded), &err);
    assert_non_null(copy);
    assert_int_equal(take_side(copy, &eve, 1000, &taken), CHAIN_CROWDED);
    buf_release(&encoded);
    chain_free(copy);
    chain_free(chain);
}

/* eve's branch of the story has the id of somebody who writes, in both orders. */
static void of_a_branch_and_an_agent_of_one_id_the_first_is_kept(void **state)
{
    (void)state;
    struct story story;
    struct chain_taken taken;
    struct chain *chain = chain_new(&doc);
    story_init(&story);
    const struct agent_id id = story.taken.fork.branch;
    assert_int_equal(add_insert(story.both, &id, 0, NULL, "stranger"), CHAIN_NAMESAKE);
    assert_int_equal(add_insert(story.both, &id, 5, NULL, "stranger"), CHAIN_EARLY);
    struct chain *one = chain_new(&doc), *other = chain_new(&doc);
    take_insert(chain, one, 0, "abc", CHAIN_NEXT, &taken);
    add_insert(other, &eve, 0, NULL, "abc");
    assert_int_equal(add_insert(chain, &id, 0, NULL, "stranger"), CHAIN_NEXT);
    take_insert(chain, one, 3, "def", CHAIN_NEXT, &taken);
    take_insert(chain, other, 3, "xy", CHAIN_NAMESAKE, &taken);
    assert_int_equal(chain_forks(chain), 0);
    assert_int_equal(chain_next_seq(chain, &id), 8);
    chain_free(one);
    chain_free(other);
    chain_free(chain);
    story_release(&story);
}

/* Another agent that can be mistaken for nobody. */
static struct agent_id crowd(unsigned n)
{
    return (struct agent_id){{0xcc, (unsigned char)n}};
}

static struct chain *chain_of_crowds(unsigned count)
{
    struct chain *chain = chain_new(&doc);
    struct chain_taken taken;
    for (unsigned i = 0; i < count; i++)
        for (unsigned n = 0; n <= CHAIN_AGENT_FORKS_MAX; n++) {
            struct agent_id agent = crowd(i);
            take_side(chain, &agent, n, &taken);
        }
    return chain;
}

/* How many ways are offered for one batch of ben that names these events of each of so many agents with 17 branches. */
static unsigned count_ways(struct chain *chain, unsigned agents, unsigned events, size_t text_len)
{
    struct written written = {.batch = {.agent = ben}};
    struct digest digest;
    char *text = xmalloc(text_len + 1);
    memset(text, 'x', text_len);
    text[text_len] = 0;
    for (unsigned i = 0; i < agents; i++)
        for (unsigned n = 0; n < events; n++)
            batch_add_parent(&written.batch, (struct event_id){crowd(i), 3 + n});
    batch_add_insert(&written.batch, 0, bytes_of_string(text));
    batch_encode(&written.batch, &written.plain);
    struct batch_run run = batch_run_of(&written.batch, plain_of(&written));
    unsigned way = 0;
    while (chain_check_run(chain, &run, way, &digest) == CHAIN_NEXT)
        way++;
    written_release(&written);
    free(text);
    return way;
}

static void all_ways_of_a_run_together_cost_no_more_than_is_allowed(void **state)
{
    (void)state;
    struct chain *chain = chain_of_crowds(4);
    assert_int_equal(count_ways(chain, 1, 1, 1), CHAIN_AGENT_FORKS_MAX + 1);
    assert_int_equal(count_ways(chain, 1, 4, 1), CHAIN_AGENT_FORKS_MAX + 1);
    assert_int_equal(count_ways(chain, 2, 4, 1), (CHAIN_AGENT_FORKS_MAX + 1) * (CHAIN_AGENT_FORKS_MAX + 1));
    unsigned small = count_ways(chain, 4, 1, 1), large = count_ways(chain, 4, 1, (1 << 20) - 4096);
    assert_in_range(small, 17 * 17, CHAIN_WAYS_MAX);
    assert_in_range(large, 17, 2 * (CHAIN_WORK_BYTES >> 20));
    chain_free(chain);
}

enum { REPLIES = 40 };

/* eve 0..2, then on both machines another letter at a time; ana hears one of them and answers each letter. */
struct replies {
    struct written letters[2][REPLIES + 1];
    struct digest digests[2][REPLIES + 1];
    struct buf plain;
    struct batch_run run;
    struct digest last;
};

static void write_letters(struct replies *replies, struct chain *machine, int side)
{
    for (unsigned i = 0; i <= REPLIES; i++) {
        struct written *letter = &replies->letters[side][i];
        write_insert(letter, &eve, i == 0 ? 0 : 2 + i, NULL, i == 0 ? "abc" : side ? "y" : "x");
        assert_int_equal(chain_add(machine, &letter->batch, plain_of(letter), &replies->digests[side][i]), CHAIN_NEXT);
    }
}

static void write_replies(struct replies *replies, struct chain *machine)
{
    struct error err = {0};
    for (unsigned i = 0; i < REPLIES; i++) {
        struct written reply;
        write_insert(&reply, &ana, i, &(struct event_id){eve, 3 + i}, "r");
        assert_int_equal(chain_add(machine, &reply.batch, plain_of(&reply), &replies->last), CHAIN_NEXT);
        buf_add_sized(&replies->plain, buf_view(&reply.plain));
        written_release(&reply);
    }
    assert_true(batch_run_read(buf_view(&replies->plain), &ana, 0, REPLIES, &replies->run, &err));
}

static void replies_release(struct replies *replies)
{
    for (unsigned i = 0; i <= REPLIES; i++) {
        written_release(&replies->letters[0][i]);
        written_release(&replies->letters[1][i]);
    }
    batch_run_release(&replies->run);
    buf_release(&replies->plain);
}

static unsigned ways_of(struct chain *chain, const struct replies *replies)
{
    struct digest digests[REPLIES];
    unsigned way = 0;
    while (chain_check_run(chain, &replies->run, way, digests) == CHAIN_NEXT)
        way++;
    return way;
}

/* In one pack; whoever has heard the other machine first takes it as well. */
static void answers_to_one_side_of_a_fork_are_taken_however_many_they_are(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct chain *machines[] = {chain_new(&doc), chain_new(&doc)}, *reader = chain_new(&doc);
        struct replies replies = {.last = {{0}}};
        struct digest digests[REPLIES];
        struct chain_taken taken;
        write_letters(&replies, machines[0], 0);
        write_letters(&replies, machines[1], 1);
        write_replies(&replies, machines[0]);
        for (int side = first, turn = 0; turn < 2; side = !side, turn++)
            for (unsigned i = 0; i <= REPLIES; i++)
                take(reader, &replies.letters[side][i], &replies.digests[side][i], &taken);
        assert_int_equal(chain_forks(reader), 1);
        assert_int_equal(ways_of(reader, &replies), 2);
        assert_int_equal(chain_take_run(reader, &replies.run, 0, &replies.last, digests, &taken), CHAIN_NEXT);
        struct batch_cursor cursor = batch_cursor_of(&replies.run);
        struct agent_id meant = {{0}};
        for (unsigned i = 0; batch_cursor_next(&cursor); i++) {
            if (i == 0)
                meant = cursor.batch->parents[0].agent;
            assert_true(agent_id_equal(&cursor.batch->parents[0].agent, &meant));
        }
        batch_cursor_release(&cursor);
        assert_int_equal(agent_id_equal(&meant, &eve), first == 0);
        replies_release(&replies);
        chain_free(machines[0]);
        chain_free(machines[1]);
        chain_free(reader);
    }
}

/* --- what is taken back --- */

/* A letter that also takes back an event of eve's: the seq. */
static void write_undo(struct written *written, const struct agent_id *agent, uint64_t seq0, const struct event_id *parent,
                       uint64_t undone)
{
    *written = (struct written){.batch = {.agent = *agent, .seq0 = seq0, .flags = BATCH_FLAG_UNDO}};
    if (seq0 > 0)
        written->batch.flags |= BATCH_FLAG_SELF;
    if (parent)
        batch_add_parent(&written->batch, *parent);
    batch_add_undo(&written->batch, (struct event_span){eve, undone, 1});
    batch_add_insert(&written->batch, 0, bytes_of_string("u"));
    batch_encode(&written->batch, &written->plain);
}

/* eve 0..2, then on each machine a letter, which is taken back there. ana, who has heard one of them, takes it back as well. */
struct undone {
    struct written first, letter[2], undo[2], reply;
    struct digest first_digest, letter_digest[2], undo_digest[2], reply_digest;
};

static void undone_init(struct undone *undone)
{
    for (int side = 0; side < 2; side++) {
        struct chain *machine = chain_new(&doc);
        write_insert(&undone->letter[side], &eve, 3, NULL, side ? "y" : "x");
        write_undo(&undone->undo[side], &eve, 4, NULL, 3);
        if (side == 0) {
            write_insert(&undone->first, &eve, 0, NULL, "abc");
            write_undo(&undone->reply, &ana, 0, &(struct event_id){eve, 4}, 3);
        }
        chain_add(machine, &undone->first.batch, plain_of(&undone->first), &undone->first_digest);
        chain_add(machine, &undone->letter[side].batch, plain_of(&undone->letter[side]), &undone->letter_digest[side]);
        chain_add(machine, &undone->undo[side].batch, plain_of(&undone->undo[side]), &undone->undo_digest[side]);
        if (side == 0)
            assert_int_equal(chain_add(machine, &undone->reply.batch, plain_of(&undone->reply), &undone->reply_digest),
                             CHAIN_NEXT);
        chain_free(machine);
    }
}

static void undone_release(struct undone *undone)
{
    written_release(&undone->first);
    written_release(&undone->reply);
    for (int side = 0; side < 2; side++) {
        written_release(&undone->letter[side]);
        written_release(&undone->undo[side]);
    }
}

/* Letter and undo at once; what is taken back has the name here that its author has. */
static void take_side_at_once(struct chain *reader, struct undone *undone, int side)
{
    struct buf plain = {0};
    struct batch_run run;
    struct error err = {0};
    struct digest digests[2];
    struct chain_taken taken;
    buf_add_sized(&plain, plain_of(&undone->letter[side]));
    buf_add_sized(&plain, plain_of(&undone->undo[side]));
    assert_true(batch_run_read(buf_view(&plain), &eve, 3, 2, &run, &err));
    enum chain_link link = chain_take_run(reader, &run, 0, &undone->undo_digest[side], digests, &taken);
    assert_true(link == CHAIN_NEXT || link == CHAIN_FORKED);
    struct batch_cursor cursor = batch_cursor_of(&run);
    while (batch_cursor_next(&cursor))
        if (cursor.batch->undo_count > 0)
            assert_true(agent_id_equal(&cursor.batch->undo[0].agent, &cursor.batch->agent));
    batch_cursor_release(&cursor);
    batch_run_release(&run);
    buf_release(&plain);
}

static void take_side_one_by_one(struct chain *reader, struct undone *undone, int side)
{
    struct chain_taken taken;
    take(reader, &undone->letter[side], &undone->letter_digest[side], &taken);
    assert_int_equal(take(reader, &undone->undo[side], &undone->undo_digest[side], &taken), CHAIN_NEXT);
    assert_true(agent_id_equal(&undone->undo[side].batch.undo[0].agent, &undone->undo[side].batch.agent));
}

static void what_is_taken_back_is_on_the_side_of_who_takes_it_back_whatever_came_first(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        int first = i % 2, at_once = i / 2;
        struct chain *reader = chain_new(&doc);
        struct undone undone;
        struct chain_taken taken;
        undone_init(&undone);
        take(reader, &undone.first, &undone.first_digest, &taken);
        for (int side = first, turn = 0; turn < 2; side = !side, turn++)
            (at_once ? take_side_at_once : take_side_one_by_one)(reader, &undone, side);
        assert_int_equal(chain_forks(reader), 1);
        assert_int_equal(take(reader, &undone.reply, &undone.reply_digest, &taken), CHAIN_NEXT);
        assert_true(agent_id_equal(&undone.reply.batch.undo[0].agent, &undone.reply.batch.parents[0].agent));
        assert_int_equal(agent_id_equal(&undone.reply.batch.undo[0].agent, &eve), first == 0);
        undone_release(&undone);
        chain_free(reader);
    }
}

static void what_was_forgotten_of_a_branch_can_come_again(void **state)
{
    (void)state;
    struct story story;
    struct chain_taken taken;
    struct digest digest;
    struct written written;
    story_init(&story);
    chain_cut(story.both, &story.taken.fork.branch, 3);
    assert_int_equal(chain_forks(story.both), 0);
    chain_newest(story.other, &eve, &digest);
    write_insert(&written, &eve, 3, NULL, "xy");
    assert_int_equal(take(story.both, &written, &digest, &taken), CHAIN_FORKED);
    assert_int_equal(chain_forks(story.both), 1);
    written_release(&written);
    story_release(&story);
}

static void checking_adds_nothing(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    struct written written;
    struct digest checked, added;
    write_insert(&written, &ana, 0, NULL, "abc");
    struct batch_run run = batch_run_of(&written.batch, plain_of(&written));
    assert_int_equal(chain_check_run(chain, &run, 0, &checked), CHAIN_NEXT);
    assert_int_equal(chain_next_seq(chain, &ana), 0);
    assert_false(chain_newest(chain, &ana, &added));
    assert_int_equal(chain_add(chain, &written.batch, plain_of(&written), &added), CHAIN_NEXT);
    assert_true(digest_equal(&checked, &added));
    written_release(&written);
    chain_free(chain);
}

static void the_same_batch_has_another_digest_in_another_document_or_past(void **state)
{
    (void)state;
    const struct doc_id elsewhere = {{0xd1}};
    struct chain *chains[] = {chain_new(&doc), chain_new(&elsewhere), chain_new(&doc)};
    struct digest digests[3];
    add_insert(chains[0], &ana, 0, NULL, "a");
    add_insert(chains[1], &ana, 0, NULL, "a");
    add_insert(chains[2], &ana, 0, NULL, "b");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(add_insert(chains[i], &ana, 1, NULL, "same"), CHAIN_NEXT);
        chain_newest(chains[i], &ana, &digests[i]);
    }
    assert_false(digest_equal(&digests[0], &digests[1]));
    assert_false(digest_equal(&digests[0], &digests[2]));
    for (int i = 0; i < 3; i++)
        chain_free(chains[i]);
}

static void the_digest_names_the_branch_of_a_parent_that_was_meant(void **state)
{
    (void)state;
    struct chain *here = chain_new(&doc), *there = chain_new(&doc);
    struct digest seen_here, seen_there;
    add_insert(here, &eve, 0, NULL, "one story");
    add_insert(there, &eve, 0, NULL, "the other");
    add_insert(here, &ana, 0, &(struct event_id){eve, 8}, "reply");
    add_insert(there, &ana, 0, &(struct event_id){eve, 8}, "reply");
    chain_newest(here, &ana, &seen_here);
    chain_newest(there, &ana, &seen_there);
    assert_false(digest_equal(&seen_here, &seen_there));
    chain_free(here);
    chain_free(there);
}

static void every_event_of_a_batch_finds_its_digest(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    struct digest first, found;
    add_insert(chain, &ana, 0, NULL, "abc");
    chain_newest(chain, &ana, &first);
    add_insert(chain, &ana, 3, NULL, "d");
    for (uint64_t seq = 0; seq < 4; seq++) {
        assert_true(chain_find(chain, &(struct event_id){ana, seq}, &found));
        assert_int_equal(digest_equal(&found, &first), seq < 3);
    }
    assert_false(chain_find(chain, &(struct event_id){ana, 4}, &found));
    assert_false(chain_find(chain, &(struct event_id){ana, UINT64_MAX}, &found));
    assert_false(chain_find(chain, &(struct event_id){ben, 0}, &found));
    chain_free(chain);
}

/* --- runs --- */

enum { RUN = 4 };

struct run {
    struct written written[RUN];
    struct buf plain;
    struct batch_run batches;
};

static void write_run(struct run *run)
{
    static const char *const texts[RUN] = {"a", "bc", "d", "efg"};
    uint64_t seq = 0;
    struct error err = {0};
    *run = (struct run){.plain = {0}};
    for (size_t i = 0; i < RUN; i++) {
        write_insert(&run->written[i], &ana, seq, NULL, texts[i]);
        buf_add_sized(&run->plain, plain_of(&run->written[i]));
        seq += run->written[i].batch.count;
    }
    assert_true(batch_run_read(buf_view(&run->plain), &ana, 0, seq, &run->batches, &err));
}

static void run_release(struct run *run)
{
    for (size_t i = 0; i < RUN; i++)
        written_release(&run->written[i]);
    batch_run_release(&run->batches);
    buf_release(&run->plain);
}

static void a_run_has_the_digests_of_its_batches_one_by_one(void **state)
{
    (void)state;
    struct run run;
    write_run(&run);
    for (size_t known = 0; known <= RUN; known++) {
        struct chain *chain = chain_new(&doc);
        struct digest one_by_one[RUN], digests[RUN];
        for (size_t i = 0; i < known; i++)
            assert_int_equal(chain_add(chain, &run.written[i].batch, plain_of(&run.written[i]), &one_by_one[i]), CHAIN_NEXT);
        enum chain_link link = chain_check_run(chain, &run.batches, 0, digests);
        assert_int_equal(link, known == RUN ? CHAIN_KNOWN : CHAIN_NEXT);
        for (size_t i = known; i < RUN; i++)
            assert_int_equal(chain_add(chain, &run.written[i].batch, plain_of(&run.written[i]), &one_by_one[i]), CHAIN_NEXT);
        assert_memory_equal(digests, one_by_one, sizeof digests);
        chain_free(chain);
    }
    run_release(&run);
}

static void a_run_behind_a_gap_is_early_and_one_over_other_content_a_fork(void **state)
{
    (void)state;
    struct run run;
    struct digest digests[RUN];
    write_run(&run);
    struct chain *chain = chain_new(&doc);
    struct batch_run rest = run.batches;
    batch_run_drop(&rest, 1);
    assert_int_equal(rest.count, RUN - 1);
    assert_int_equal(chain_check_run(chain, &rest, 0, digests), CHAIN_EARLY);
    add_insert(chain, &ana, 0, NULL, "a");
    add_insert(chain, &ana, 1, NULL, "xy");
    assert_int_equal(chain_check_run(chain, &run.batches, 0, digests), CHAIN_FORKED);
    chain_free(chain);
    run_release(&run);
}

/* --- many agents --- */

static void heads_of_many_agents_come_sorted(void **state)
{
    (void)state;
    enum { AGENTS = 200 };
    struct random random = random_of(support_seed("heads_of_many_agents_come_sorted", 7));
    struct chain *chain = chain_new(&doc);
    for (int i = 0; i < AGENTS; i++) {
        struct agent_id agent = {{0}};
        for (size_t byte = 0; byte < 4; byte++)
            agent.bytes[byte] = (unsigned char)random_next(&random);
        agent.bytes[4] = (unsigned char)i;
        assert_int_equal(add_insert(chain, &agent, 0, NULL, "x"), CHAIN_NEXT);
        assert_int_equal(add_insert(chain, &agent, 1, NULL, "yz"), CHAIN_NEXT);
    }
    size_t count;
    struct chain_head *heads = chain_heads(chain, &count);
    assert_int_equal(count, AGENTS);
    for (size_t i = 0; i < count; i++) {
        struct digest newest;
        assert_true(i == 0 || agent_id_compare(&heads[i - 1].agent, &heads[i].agent) < 0);
        assert_int_equal(heads[i].next_seq, 3);
        assert_true(chain_newest(chain, &heads[i].agent, &newest) && digest_equal(&newest, &heads[i].newest));
    }
    free(heads);
    chain_free(chain);
}

static void an_empty_chain_has_no_heads(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    size_t count = 1;
    struct chain_head *heads = chain_heads(chain, &count);
    assert_int_equal(count, 0);
    free(heads);
    chain_free(chain);
    chain_free(NULL);
}

/* --- threads --- */

enum { THREAD_BATCHES = 300 };

struct typist {
    struct chain *chain;
    struct agent_id agent;
    bool failed;
};

static void *type_and_look(void *self)
{
    struct typist *typist = self;
    for (uint64_t seq = 0; seq < THREAD_BATCHES; seq++) {
        size_t count;
        if (add_insert(typist->chain, &typist->agent, seq, NULL, "x") != CHAIN_NEXT)
            typist->failed = true;
        free(chain_heads(typist->chain, &count));
    }
    return NULL;
}

static void threads_may_add_side_by_side(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    struct typist typists[] = {{chain, ana, false}, {chain, ben, false}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, type_and_look, &typists[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_false(typists[i].failed);
        assert_int_equal(chain_next_seq(chain, &typists[i].agent), THREAD_BATCHES);
    }
    chain_free(chain);
}

static void a_chain_survives_a_checkpoint_and_a_cut_one_is_refused(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    add_insert(chain, &ana, 0, NULL, "hi");
    add_insert(chain, &ana, 2, NULL, "!");
    add_insert(chain, &ben, 0, &(struct event_id){ana, 1}, "yo");
    struct buf encoded = {0}, again = {0};
    struct error err = {0};
    chain_encode(chain, &encoded);
    struct chain *copy = chain_decode(&doc, buf_view(&encoded), &err);
    assert_non_null(copy);
    chain_encode(copy, &again);
    assert_true(bytes_equal(buf_view(&encoded), buf_view(&again)));
    assert_int_equal(add_insert(copy, &ana, 2, NULL, "?"), CHAIN_FORKED);
    assert_int_equal(add_insert(copy, &ben, 2, &(struct event_id){ana, 2}, "x"), CHAIN_NEXT);
    for (size_t len = 0; len < encoded.len; len++)
        assert_null(chain_decode(&doc, bytes_of(encoded.data, len), &err));
    chain_free(chain);
    chain_free(copy);
    buf_release(&encoded);
    buf_release(&again);
}

static void what_is_cut_off_can_be_added_again(void **state)
{
    (void)state;
    struct chain *chain = chain_new(&doc);
    struct digest before, after;
    add_insert(chain, &ana, 0, NULL, "abc");
    add_insert(chain, &ana, 3, NULL, "def");
    add_insert(chain, &ana, 6, NULL, "g");
    assert_true(chain_newest(chain, &ana, &before));
    chain_cut(chain, &ana, 3);
    assert_int_equal(chain_next_seq(chain, &ana), 3);
    assert_false(chain_find(chain, &(struct event_id){ana, 3}, &after));
    assert_int_equal(add_insert(chain, &ana, 6, NULL, "g"), CHAIN_EARLY);
    assert_int_equal(add_insert(chain, &ana, 3, NULL, "def"), CHAIN_NEXT);
    assert_int_equal(add_insert(chain, &ana, 6, NULL, "g"), CHAIN_NEXT);
    assert_true(chain_newest(chain, &ana, &after));
    assert_true(digest_equal(&before, &after));
    chain_cut(chain, &ana, 7); /* nothing is behind it */
    chain_cut(chain, &ben, 0); /* nobody knows him */
    assert_int_equal(chain_next_seq(chain, &ana), 7);
    chain_cut(chain, &ana, 0);
    assert_int_equal(chain_next_seq(chain, &ana), 0);
    assert_false(chain_newest(chain, &ana, &after));
    chain_free(chain);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_documented_bytes),
        cmocka_unit_test(a_batch_follows_is_known_afterwards_and_early_before_its_turn),
        cmocka_unit_test(a_batch_waits_for_its_parents),
        cmocka_unit_test(other_content_under_a_taken_id_is_a_fork),
        cmocka_unit_test(a_fork_becomes_a_branch_and_goes_on),
        cmocka_unit_test(the_signed_digest_says_which_branch_a_parent_is_of),
        cmocka_unit_test(who_knows_of_a_fork_names_both_sides_by_their_branch),
        cmocka_unit_test(of_a_branch_and_an_agent_of_one_id_the_first_is_kept),
        cmocka_unit_test(a_chain_that_goes_to_sleep_wakes_as_it_was),
        cmocka_unit_test(it_wakes_also_where_somebody_has_forked_since),
        cmocka_unit_test(a_chain_that_forked_in_its_sleep_wakes_later),
        cmocka_unit_test(what_is_new_does_not_wake_a_chain),
        cmocka_unit_test(what_is_old_wakes_it_once_and_is_as_it_was),
        cmocka_unit_test(every_question_about_something_old_is_answered),
        cmocka_unit_test(what_cannot_be_had_now_is_not_known_and_nothing_is_lost),
        cmocka_unit_test(an_agent_forks_so_often_and_no_more_and_hinders_nobody),
        cmocka_unit_test(all_ways_of_a_run_together_cost_no_more_than_is_allowed),
        cmocka_unit_test(answers_to_one_side_of_a_fork_are_taken_however_many_they_are),
        cmocka_unit_test(what_is_taken_back_is_on_the_side_of_who_takes_it_back_whatever_came_first),
        cmocka_unit_test(what_was_forgotten_of_a_branch_can_come_again),
        cmocka_unit_test(checking_adds_nothing),
        cmocka_unit_test(the_same_batch_has_another_digest_in_another_document_or_past),
        cmocka_unit_test(the_digest_names_the_branch_of_a_parent_that_was_meant),
        cmocka_unit_test(every_event_of_a_batch_finds_its_digest),
        cmocka_unit_test(a_run_has_the_digests_of_its_batches_one_by_one),
        cmocka_unit_test(a_run_behind_a_gap_is_early_and_one_over_other_content_a_fork),
        cmocka_unit_test(heads_of_many_agents_come_sorted),
        cmocka_unit_test(an_empty_chain_has_no_heads),
        cmocka_unit_test(a_chain_survives_a_checkpoint_and_a_cut_one_is_refused),
        cmocka_unit_test(threads_may_add_side_by_side),
        cmocka_unit_test(what_is_cut_off_can_be_added_again),
    };
    return RUN_TESTS("chain", tests);
}
