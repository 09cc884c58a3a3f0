/*
 * The recorded event graphs through documents: saved in the middle, loaded, the rest added in several orders.
 *
 * Documents refuse an agent whose events are not a chain, and the recorded agents are none. So here every chain of one
 * agent's events is an agent of its own, called by its name and the seq it begins with:
 *
 *      recorded   c 0..3 --- 4..5      c 6..8 (knows nothing of c 4)     c 9
 *      here       "c0" 0..3 --- 4..5   "c6" 0..2                         "c6" 3, when it has "c6" 2 in its past
 *
 * A chain's seqs have no holes, so chains of one agent are disjoint ranges: by (name, seq it begins with), then seq, events
 * stand in just the order in which they stand by (name, seq). Ties are all that ids decide; the text is the recorded one.
 */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "sync/document.h"
#include "tests/support/vectors.h"

enum { NAME_BYTES = 8, TAILS = 3 };

/* A vector as its batches, and what each of them has in its past. */
struct story {
    const struct vector *vector;
    struct agent_id agents[VECTOR_TXNS_MAX]; /* of each transaction's chain */
    uint64_t chain_seqs[VECTOR_TXNS_MAX];    /* the recorded seq at which that begins */
    struct batch batches[VECTOR_TXNS_MAX];
    uint64_t held[VECTOR_TXNS_MAX][VECTOR_TXNS_MAX]; /* [t][u]: how many events of u, from its first, t has seen */
};

/* Where a story is cut: the first `count` of an order are saved. */
struct cut {
    const size_t *order;
    size_t count;
};

static size_t cuts_critical, cuts_other; /* of all vectors: both kinds are to be met */

/* --- from vectors to batches --- */

static void note_past(struct story *story, size_t index)
{
    const struct txn *txn = &story->vector->txns[index];
    memset(story->held[index], 0, sizeof story->held[index]);
    for (size_t p = 0; p < txn->parent_count; p++) {
        size_t parent = vector_txn_of(story->vector, txn->parents[p]);
        uint64_t seen = txn->parents[p] + 1 - story->vector->txns[parent].first;
        for (size_t u = 0; u < parent; u++)
            if (story->held[parent][u] > story->held[index][u])
                story->held[index][u] = story->held[parent][u];
        if (seen > story->held[index][parent])
            story->held[index][parent] = seen;
    }
}

static uint64_t txn_len(const struct txn *txn)
{
    return txn->end - txn->first;
}

static bool has_all_of(const struct story *story, size_t index, size_t other)
{
    return story->held[index][other] == txn_len(&story->vector->txns[other]);
}

static struct agent_id chain_id(const struct agent_id *agent, uint64_t seq)
{
    struct agent_id id = *agent;
    for (size_t i = NAME_BYTES; i < AGENT_ID_BYTES; i++)
        assert_int_equal(id.bytes[i], 0);
    for (size_t i = AGENT_ID_BYTES; i-- > NAME_BYTES; seq >>= 8) /* big endian: the order of bytes is that of numbers */
        id.bytes[i] = (unsigned char)seq;
    return id;
}

/* It goes on a chain when it has the transaction with its agent's seqs right before in its past; else it begins one. */
static void choose_chain(struct story *story, size_t index)
{
    const struct txn *txns = story->vector->txns;
    story->chain_seqs[index] = txns[index].seq;
    for (size_t u = 0; u < index; u++)
        if (agent_id_equal(&txns[u].agent, &txns[index].agent) && txns[u].seq + txn_len(&txns[u]) == txns[index].seq &&
            has_all_of(story, index, u))
            story->chain_seqs[index] = story->chain_seqs[u];
    story->agents[index] = chain_id(&txns[index].agent, story->chain_seqs[index]);
}

static struct event_id event_named(const struct story *story, uint64_t lv)
{
    size_t index = vector_txn_of(story->vector, lv);
    const struct txn *txn = &story->vector->txns[index];
    return (struct event_id){story->agents[index], txn->seq - story->chain_seqs[index] + (lv - txn->first)};
}

static void make_batch(struct story *story, size_t index)
{
    const struct txn *txn = &story->vector->txns[index];
    struct batch *batch = &story->batches[index];
    batch_clear(batch);
    batch->agent = story->agents[index];
    batch->seq0 = txn->seq - story->chain_seqs[index];
    for (size_t p = 0; p < txn->parent_count; p++)
        batch_add_parent(batch, event_named(story, txn->parents[p]));
    for (size_t i = 0; i < txn->op_count; i++) {
        if (txn->ops[i].kind == OP_INSERT)
            batch_add_insert(batch, txn->ops[i].pos, txn->ops[i].text);
        else
            batch_add_delete(batch, txn->ops[i].pos, txn->ops[i].len);
    }
    assert_int_equal(batch->count, txn_len(txn));
}

static struct story *story_of(const struct vector *vector)
{
    struct story *story = xcalloc(1, sizeof *story);
    story->vector = vector;
    for (size_t i = 0; i < vector->count; i++) {
        note_past(story, i);
        choose_chain(story, i);
        make_batch(story, i);
    }
    return story;
}

static void story_free(struct story *story)
{
    for (size_t i = 0; i < story->vector->count; i++)
        batch_release(&story->batches[i]);
    free(story);
}

/* --- playing it --- */

struct reader_of_story {
    struct document *document;
    struct rope *text;
};

static void update(struct reader_of_story *reader)
{
    struct patch patch = {0};
    document_update(reader->document, &patch);
    rope_apply(reader->text, &patch);
    patch_release(&patch);
}

/* Transactions order[from, end), with an update after one in `update_one_in` of them and at the end. */
static void add(const struct story *story, struct reader_of_story *reader, const size_t *order, size_t from, size_t end,
                struct random *random, uint64_t update_one_in)
{
    struct error err = {0};
    for (size_t i = from; i < end; i++) {
        if (document_add(reader->document, &story->batches[order[i]], &err) != DOCUMENT_ADDED)
            fail_msg("a batch is not added: %s", err.text);
        if (random_chance(random, update_one_in)) {
            update(reader);
            document_check(reader->document);
            rope_check(reader->text);
        }
    }
    update(reader);
}

static struct reader_of_story load(struct bytes saved, const struct rope *base)
{
    struct error err = {0};
    struct reader_of_story reader = {document_load(saved, base, &err), rope_snapshot(base)};
    assert_non_null(reader.document);
    update(&reader);
    return reader;
}

static void release(struct reader_of_story *reader)
{
    document_free(reader->document);
    rope_free(reader->text);
}

static void expect_end(const struct story *story, struct reader_of_story *reader)
{
    struct rope *expected = rope_from_bytes(bytes_of_string(story->vector->expected));
    assert_true(rope_equal(reader->text, expected));
    assert_int_equal(document_len(reader->document), rope_len(expected));
    document_check(reader->document);
    rope_free(expected);
}

static void expect_saved_as(const struct reader_of_story *reader, struct bytes saved)
{
    struct buf again = {0};
    document_encode(reader->document, &again);
    assert_true(bytes_equal(buf_view(&again), saved));
    buf_release(&again);
}

/*
 * Loaded, it has the same text, the same bytes and the same future; and saving has changed nothing. One of the readers has the
 * text in front and reads the history when the first batch comes.
 */
static void check_cut(const struct story *story, struct cut cut, struct random *random)
{
    struct rope *base = rope_new();
    struct reader_of_story writer = {document_new(base), rope_snapshot(base)};
    struct buf saved = {0}, saved_asleep = {0};
    size_t tail[VECTOR_TXNS_MAX];
    add(story, &writer, cut.order, 0, cut.count, random, 4);
    document_encode(writer.document, &saved);
    document_save(writer.document, &saved_asleep);
    for (int i = 0; i < TAILS; i++) {
        struct reader_of_story reader = load(buf_view(i < TAILS - 1 ? &saved : &saved_asleep), base);
        if (i < TAILS - 1)
            expect_saved_as(&reader, buf_view(&saved));
        assert_true(rope_equal(reader.text, writer.text));
        memcpy(tail, cut.order, cut.count * sizeof *tail);
        vector_random_order(story->vector, random, cut.count, tail);
        add(story, &reader, tail, cut.count, story->vector->count, random, i == 0 ? UINT64_MAX : (uint64_t)(2 * i - 1));
        expect_end(story, &reader);
        release(&reader);
    }
    add(story, &writer, cut.order, cut.count, story->vector->count, random, 4);
    expect_end(story, &writer);
    release(&writer);
    buf_release(&saved);
    buf_release(&saved_asleep);
    rope_free(base);
}

/* --- where it is cut --- */

/* Whether every event before the cut is in the past of its last one, and that one in the past of every event behind. */
static bool is_critical(const struct story *story, struct cut cut)
{
    if (cut.count == 0)
        return false;
    size_t last = cut.order[cut.count - 1];
    for (size_t i = 0; i + 1 < cut.count; i++)
        if (!has_all_of(story, last, cut.order[i]))
            return false;
    for (size_t i = cut.count; i < story->vector->count; i++)
        if (!has_all_of(story, cut.order[i], last))
            return false;
    return true;
}

/* A random cut of the kind that is asked for; false: there is none. */
static bool random_cut(const struct story *story, const size_t *order, bool critical, struct random *random,
                       struct cut *out)
{
    size_t found = 0;
    for (size_t count = 0; count < story->vector->count; count++) {
        struct cut cut = {order, count};
        if (is_critical(story, cut) == critical && random_below(random, ++found) == 0)
            *out = cut;
    }
    return found > 0;
}

static void save_and_load(const struct vector *vector, struct random *random)
{
    struct story *story = story_of(vector);
    for (int i = 0; i < 2; i++) {
        size_t order[VECTOR_TXNS_MAX];
        struct cut cut = {order, 0};
        vector_random_order(vector, random, 0, order);
        if (random_cut(story, order, true, random, &cut)) {
            check_cut(story, cut, random);
            cuts_critical++;
        }
        if (random_cut(story, order, false, random, &cut)) {
            check_cut(story, cut, random);
            cuts_other++;
        }
    }
    story_free(story);
}

static void every_graph_may_be_saved_and_loaded_at_any_version(void **state)
{
    (void)state;
    check_vectors("saved_vectors", save_and_load);
    assert_true(cuts_critical > 0 && cuts_other > 0);
    print_message("cuts at critical versions: %zu, at others: %zu\n", cuts_critical, cuts_other);
}

/* The other variants of the vectors are of graph and walker (test_walker_vectors); this is what ids are chosen for. */
static void is_mapped(const struct vector *vector, struct random *random)
{
    struct story *story = story_of(vector);
    (void)random;
    for (size_t a = 0; a < vector->count; a++)
        for (size_t b = 0; b < vector->count; b++) {
            const struct txn *left = &vector->txns[a], *right = &vector->txns[b];
            int recorded = agent_id_compare(&left->agent, &right->agent);
            int here = agent_id_compare(&story->agents[a], &story->agents[b]);
            recorded = recorded ? recorded : (left->seq > right->seq) - (left->seq < right->seq);
            here = here ? here : (story->batches[a].seq0 > story->batches[b].seq0) -
                                     (story->batches[a].seq0 < story->batches[b].seq0);
            assert_true((recorded < 0) == (here < 0) && (recorded > 0) == (here > 0));
        }
    story_free(story);
}

static void chains_stand_in_the_order_of_the_agents_they_are_of(void **state)
{
    (void)state;
    check_vectors("saved_vectors", is_mapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_stand_in_the_order_of_the_agents_they_are_of),
        cmocka_unit_test(every_graph_may_be_saved_and_loaded_at_any_version),
    };
    return RUN_TESTS("saved_vectors", tests);
}
