/* Random event graphs, with invalid runs: the engine against the naive model, over orders, cuts, paths, versions. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/least.h"
#include "editor/base/random.h"
#include "tests/support/scene.h"

/* Random moments: the text at two acts' common version, from the root; and the patch from there to the end. */
static void check_versions(struct scene *scene, struct history *history, const uint64_t *last_lv)
{
    struct buf then = {0}, now = {0};
    struct patch patch = {0};
    struct lv_list version = {0};
    for (int i = 0; i < 3; i++) {
        size_t acts[2];
        acts[0] = (size_t)random_below(scene->random, scene->count);
        acts[1] = (size_t)random_below(scene->random, scene->count);
        buf_clear(&then);
        buf_clear(&now);
        version.count = 0;
        lv_list_add(&version, last_lv[acts[0]]);
        lv_list_add(&version, last_lv[acts[1]]);
        lv_list_sort(&version);
        history_text_at(history, &version, bytes_of_string(scene->base), &then);
        scene_expect(scene, acts, 2, buf_view(&then));
        walker_since(history->walker, &version, &patch);
        patch_apply(&patch, buf_view(&then), &now);
        assert_true(bytes_equal(buf_view(&now), buf_view(&history->text)));
    }
    lv_list_release(&version);
    patch_release(&patch);
    buf_release(&then);
    buf_release(&now);
}

/* Two of the acts that were told, as a version. */
static void random_version(const struct scene *scene, const size_t *told, size_t count, const uint64_t *last_lv,
                           struct lv_list *out)
{
    out->count = 0;
    for (int i = 0; i < 2; i++)
        lv_list_add(out, last_lv[told[random_below(scene->random, count)]]);
    lv_list_sort(out);
}

/*
 * Every place of the text at a random version: in the kept tracker it comes out behind the byte that it was behind, and
 * never out of order. The patch that says so is of a walker that keeps nothing from one walk to the next.
 */
static void check_places(const struct scene *scene, struct history *history, const struct lv_list *version)
{
    struct walker *other = walker_new(history->graph, &history->log, &history->critical, strlen(scene->base));
    struct patch then = {0}, since = {0};
    walker_to(other, version, &then);
    walker_since(other, version, &since);
    uint64_t len = strlen(scene->base) + patch_inserted(&then) - patch_deleted(&then), before = 0;
    for (uint64_t at = 0; at <= len; at++) {
        uint64_t place = at;
        if (!walker_map(history->walker, version, &place, 1))
            break;
        uint64_t left = at > 0 ? patch_map(&since, at - 1, GRAVITY_RIGHT) : 0;
        bool stays = at > 0 && patch_map(&since, at, GRAVITY_LEFT) == left + 1;
        assert_true(!stays || place == left + 1);
        assert_true(before <= place && place <= history->text.len);
        before = place;
    }
    patch_release(&then);
    patch_release(&since);
    walker_free(other);
}

/* What else makes use of the tracker, between two updates. */
static void disturb(const struct scene *scene, struct history *history, const size_t *told, size_t count,
                    const uint64_t *last_lv)
{
    struct lv_list version = {0};
    struct patch patch = {0};
    uint64_t base;
    random_version(scene, told, count, last_lv, &version);
    switch (random_below(scene->random, 12)) {
    case 0:
        walker_since(history->walker, &version, &patch);
        break;
    case 1:
        walker_to(history->walker, &version, &patch);
        break;
    case 2:
        tracker_check(walker_track(history->walker, random_below(scene->random, history->merged), &base));
        break;
    case 3:
    case 4:
    case 5:
        check_places(scene, history, &version);
        break;
    default:
        break;
    }
    lv_list_release(&version);
    patch_release(&patch);
}

static void check_replay(struct scene *scene, bool fast_path, uint64_t update_one_in)
{
    struct history history;
    size_t order[SCENE_ACTS_MAX], all[SCENE_ACTS_MAX];
    uint64_t last_lv[SCENE_ACTS_MAX], base;
    scene_shuffle(scene, order);
    history_init(&history, bytes_of_string(scene->base));
    walker_set_fast_path(history.walker, fast_path);
    for (size_t i = 0; i < scene->count; i++) {
        all[i] = i;
        scene_tell(scene, &history, order[i], last_lv);
        history_check(&history);
        if (!random_chance(scene->random, update_one_in))
            continue;
        history_update(&history);
        scene_expect(scene, order, i + 1, buf_view(&history.text));
        disturb(scene, &history, order, i + 1, last_lv);
        history_check(&history);
    }
    history_update(&history);
    scene_expect(scene, all, scene->count, buf_view(&history.text));
    check_versions(scene, &history, last_lv);
    tracker_check(walker_track(history.walker, random_below(scene->random, graph_len(history.graph)), &base));
    history_check(&history);
    history_release(&history);
}

static void every_replay_gives_the_text_of_the_model(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("walker_model", 21, 60);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        scene_make(&scene, &random);
        check_replay(&scene, true, 1 + scene.count);
        check_replay(&scene, true, 1);
        check_replay(&scene, true, 7);
        check_replay(&scene, false, 7);
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
}

static void every_replay_of_a_crowd_at_one_place_does_so_too(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("crowd", 8, 40);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        scene_make_crowded(&scene, &random);
        check_replay(&scene, true, 1 + scene.count);
        check_replay(&scene, true, 5);
        check_replay(&scene, false, 20);
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
}

static void every_replay_of_typing_backwards_at_one_place_does_so_too(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("backwards", 9));
    static struct scene scene;
    for (uint64_t round = support_rounds(100); round > 0; round--) {
        scene_make_backward(&scene, &random);
        check_replay(&scene, true, 1 + scene.count);
        check_replay(&scene, true, 5);
        check_replay(&scene, false, 20);
        naive_free(scene.naive);
    }
}

static void every_replay_of_two_who_were_apart_does_so_too(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("apart", 5, 60);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        scene_make_apart(&scene, &random);
        check_replay(&scene, true, 1 + scene.count);
        check_replay(&scene, true, 30);
        check_replay(&scene, false, 30);
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
}

/* Two people type words at one place at once, forward or by always going back to its start: the words stay whole. */
static void runs_typed_at_one_place_do_not_mix(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("non-interleaving", 3, 60);
    struct random random;
    while (rounds_next(&rounds, &random)) {
        struct history history;
        uint64_t last[2] = {LV_NONE, LV_NONE}, typed[2] = {0, 0}, at = random_below(&random, 3);
        bool back = random_chance(&random, 2);
        history_init(&history, bytes_of_string("--"));
        for (int i = 0; i < 24; i++) {
            size_t who = (size_t)random_below(&random, 2);
            struct agent_id agent = {{(unsigned char)who}};
            struct history_op op = {OP_INSERT, back ? at : at + typed[who], 0, bytes_of_string(who ? "b" : "a")};
            last[who] = history_add(&history, &agent, typed[who]++, &last[who], last[who] != LV_NONE, &op, 1) - 1;
            if (random_chance(&random, 4))
                history_update(&history);
        }
        history_update(&history);
        int changes = 0;
        for (size_t i = 1; i < history.text.len; i++)
            changes += history.text.data[i] != history.text.data[i - 1] && history.text.data[i] != '-' &&
                       history.text.data[i - 1] != '-';
        assert_true(changes <= 1);
        rounds.operations += 24;
        history_release(&history);
    }
}

/* --- what it costs --- */

/*
 * In each round everybody types a byte and knows only what was typed before it: no version stays critical. Every update
 * goes on where the one before it ended, also with places mapped in between. (The first byte of a round knows all: its
 * version is critical for a moment, and no tracker begins there.)
 */
static void people_who_type_at_once_cost_the_same_however_long_they_do(void **state)
{
    (void)state;
    enum { PEOPLE = 10, ROUNDS = 100 };
    struct history history;
    uint64_t known[PEOPLE], newest[PEOPLE];
    history_init(&history, bytes_of_string("--"));
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned char who = 0; who < PEOPLE; who++) {
            struct history_op op = {OP_INSERT, 1, 0, bytes_of_string("x")};
            struct agent_id agent = {{who}};
            newest[who] = history_add(&history, &agent, round, known, round ? PEOPLE : 0, &op, 1) - 1;
            history_update(&history);
            struct lv_list version = {0};
            uint64_t place = 1;
            lv_list_add(&version, newest[who]);
            assert_int_equal(walker_map(history.walker, &version, &place, 1), who > 0);
            lv_list_release(&version);
        }
        memcpy(known, newest, sizeof known);
    }
    assert_int_equal(history.text.len, 2 + PEOPLE * ROUNDS);
    assert_in_range(walker_steps(history.walker), 1, PEOPLE * ROUNDS);
    history_release(&history);
}

/*
 * What it costs that so many people who know nothing of each other type a byte each, at the start. They come in the order of their ids
 * or in any; what they typed stands in that of the ids.
 */
static uint64_t work_of_a_crowd(struct random *random, uint64_t people, bool in_order)
{
    struct history history;
    history_init(&history, (struct bytes){0});
    for (uint64_t who = 0; who < people; who++) {
        unsigned char first = (unsigned char)(in_order ? who * 256 / people : random_next(random));
        char letter = (char)('!' + first / 4);
        struct history_op op = {OP_INSERT, 0, 0, bytes_of(&letter, 1)};
        struct agent_id agent = {{first, (unsigned char)(who >> 8), (unsigned char)who}};
        history_add(&history, &agent, 0, NULL, 0, &op, 1);
    }
    history_update(&history);
    assert_int_equal(history.text.len, people);
    for (size_t i = 1; i < history.text.len; i++)
        assert_true(history.text.data[i - 1] <= history.text.data[i]);
    uint64_t work = walker_work(history.walker) + walker_looks(history.walker);
    history_release(&history);
    return work;
}

/* In the order of their ids each goes behind all that are there, in any order behind half of them: it would be so many for each. */
static void a_crowd_at_one_place_costs_each_of_them_about_the_same(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("looks", 1));
    for (uint64_t people = 500; people <= 8000; people *= 4) {
        assert_in_range(work_of_a_crowd(&random, people, true), people, people * 20);
        assert_in_range(work_of_a_crowd(&random, people, false), people, people * 40);
    }
}

/* What it costs that so many people type so many bytes each, every one in front of the one before, unseen by the others. */
static uint64_t work_of_typing_backwards(uint64_t people, uint64_t keys)
{
    struct history history;
    uint64_t base;
    history_init(&history, bytes_of_string("--"));
    for (uint64_t who = 0; who < people; who++) {
        struct history_op op = {OP_INSERT, 1, 0, bytes_of_string("x")};
        struct agent_id agent = {{(unsigned char)(who * 37 % 256)}};
        uint64_t last = 0;
        for (uint64_t seq = 0; seq < keys; seq++)
            last = history_add(&history, &agent, seq, &last, seq > 0, &op, 1) - 1;
    }
    (void)walker_track(history.walker, 0, &base);
    uint64_t work = walker_work(history.walker) + walker_looks(history.walker);
    history_release(&history);
    return work;
}

/* What everybody's bytes hang on is told apart at the far end; it would be all bytes of the others for each. */
static void typing_backwards_at_one_place_costs_each_key_about_the_same(void **state)
{
    (void)state;
    for (uint64_t keys = 500; keys <= 8000; keys *= 4) {
        assert_in_range(work_of_typing_backwards(2, keys), 2 * keys, 80 * keys);
        assert_in_range(work_of_typing_backwards(7, keys), 7 * keys, 7 * 80 * keys);
    }
}

/* --- several trackers --- */

enum { LAGGING = 5, LAG_KEYS = 600 };

/* Somebody who writes at random places, and now and then, or never, hears what the others wrote. */
struct laggard {
    struct lv_list version;
    uint64_t seq, len; /* of the text at his version */
    uint64_t hears_one_in;
};

static void hear_all(struct history *history, struct laggard *laggard)
{
    const struct lv_list *all = graph_frontier(history->graph);
    lv_list_set(&laggard->version, all->items, all->count);
    laggard->len = history->text.len;
}

static void add_key(struct random *random, struct history *history, struct laggard *laggard, unsigned char who)
{
    struct agent_id agent = {{who}};
    char key = (char)('a' + who);
    struct history_op op = {.kind = OP_INSERT, .pos = random_below(random, laggard->len + 1), .text = bytes_of(&key, 1)};
    if (laggard->len > 0 && random_chance(random, 3))
        op = (struct history_op){.kind = OP_DELETE, .pos = random_below(random, laggard->len), .len = 1};
    uint64_t last = history_add(history, &agent, laggard->seq++, laggard->version.items, laggard->version.count, &op, 1) - 1;
    lv_list_set(&laggard->version, &last, 1);
    laggard->len += op.kind == OP_INSERT ? 1 : (uint64_t)-1;
}

static void check_text(struct history *history, struct bytes base)
{
    struct walker *other = walker_new(history->graph, &history->log, &history->critical, base.len);
    struct patch patch = {0};
    struct buf text = {0};
    walker_to(other, graph_frontier(history->graph), &patch);
    patch_apply(&patch, base, &text);
    assert_true(bytes_equal(buf_view(&text), buf_view(&history->text)));
    buf_release(&text);
    patch_release(&patch);
    walker_free(other);
}

/* An update after each key; now and then compared with a walk that has one tracker and goes branch by branch. */
static void people_who_lag_behind_read_what_everybody_reads(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("lag", 4));
    struct bytes base = bytes_of_string("0123456789");
    size_t copies = 0;
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct history history;
        struct laggard laggards[LAGGING] = {0};
        size_t people = 2 + (size_t)random_below(&random, LAGGING - 1);
        history_init(&history, base);
        for (size_t i = 0; i < people; i++)
            laggards[i] = (struct laggard){.len = base.len, .hears_one_in = (uint64_t)1 << (3 * random_below(&random, 5))};
        for (int key = 0; key < LAG_KEYS; key++) {
            size_t who = (size_t)random_below(&random, people);
            if (random_chance(&random, laggards[who].hears_one_in))
                hear_all(&history, &laggards[who]);
            add_key(&random, &history, &laggards[who], (unsigned char)who);
            history_update(&history);
            if (!random_chance(&random, 100))
                continue;
            walker_check(history.walker);
            check_text(&history, base);
        }
        check_text(&history, base);
        copies += walker_copies(history.walker);
        history_release(&history);
        for (size_t i = 0; i < people; i++)
            lv_list_release(&laggards[i].version);
    }
    assert_true(copies > 0);
}

static void tell_one_sided_key(struct history *history, uint64_t seq, uint64_t last[2])
{
    static const struct agent_id deaf = {{1}}, hears = {{2}};
    struct history_op op = {.kind = OP_INSERT, .pos = seq, .text = bytes_of_string("x")};
    last[0] = history_add(history, &deaf, seq, &last[0], seq > 0, &op, 1) - 1;
    history_update(history);
    uint64_t parents[2] = {last[1], last[0]};
    op.pos = 2 * seq + 1;
    last[1] = history_add(history, &hears, seq, seq > 0 ? parents : &last[0], seq > 0 ? 2 : 1, &op, 1) - 1;
    history_update(history);
}

static void who_never_hears_the_other_costs_what_he_writes(void **state)
{
    (void)state;
    for (uint64_t keys = 500; keys <= 8000; keys *= 4) {
        struct history history;
        uint64_t last[2] = {0};
        history_init(&history, (struct bytes){0});
        for (uint64_t seq = 0; seq < keys; seq++)
            tell_one_sided_key(&history, seq, last);
        assert_in_range(walker_work(history.walker) + walker_looks(history.walker), 2 * keys, 40 * keys);
        check_text(&history, (struct bytes){0});
        history_release(&history);
    }
}

enum { LINE = 300, STRAGGLERS = 150 };

/* What else uses the kept tracker, or makes another one. */
static void use_elsewhere(struct random *random, struct history *history, const struct lv_list *version)
{
    struct patch patch = {0};
    uint64_t base, place = 0;
    switch (random_below(random, 12)) {
    case 0:
        walker_since(history->walker, version, &patch);
        break;
    case 1:
        tracker_check(walker_track(history->walker, random_below(random, history->merged), &base));
        break;
    case 2:
    case 3:
        (void)walker_map(history->walker, version, &place, 1);
        break;
    default:
        break;
    }
    patch_release(&patch);
}

/*
 * Somebody writes a line of keys and now and then hears all. In between come people with a few keys each who have seen less of the line
 * than those before them, mostly: the tracker that is kept begins too late for them, again and again.
 */
static void people_who_have_seen_less_and_less_read_what_everybody_reads(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("less", 6));
    struct bytes base = bytes_of_string("0123456789");
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct history history;
        struct laggard writer = {.len = base.len}, straggler = {0};
        uint64_t lvs[LINE], lens[LINE], hears_one_in = 2 + random_below(&random, 60);
        history_init(&history, base);
        for (size_t key = 0, came = 0, at = 0; key < LINE; key++) {
            add_key(&random, &history, &writer, 0);
            lvs[key] = writer.version.items[0];
            lens[key] = writer.len;
            history_update(&history);
            for (; came < STRAGGLERS && random_chance(&random, 2); came++) {
                at = random_chance(&random, 20) ? (size_t)random_below(&random, key + 1) : at - least(at, random_below(&random, 4));
                lv_list_set(&straggler.version, &lvs[at], 1);
                straggler.len = lens[at];
                straggler.seq = 0;
                for (uint64_t keys = 1 + random_below(&random, 3); keys > 0; keys--)
                    add_key(&random, &history, &straggler, (unsigned char)(1 + came));
                if (random_chance(&random, 10))
                    add_key(&random, &history, &writer, 0);
                history_update(&history);
                use_elsewhere(&random, &history, &straggler.version);
            }
            if (random_chance(&random, hears_one_in)) {
                hear_all(&history, &writer);
                at = random_chance(&random, 2) ? at : key;
            }
            if (random_chance(&random, 50)) {
                walker_check(history.walker);
                check_text(&history, base);
            }
        }
        check_text(&history, base);
        history_release(&history);
        lv_list_release(&writer.version);
        lv_list_release(&straggler.version);
    }
}

/* A line of keys, then people with a key each, each of whom has seen one of the line less. */
static uint64_t work_of_going_back(uint64_t keys)
{
    struct history history;
    uint64_t last = 0;
    history_init(&history, (struct bytes){0});
    for (uint64_t seq = 0; seq < keys; seq++) {
        struct agent_id agent = {{1}};
        struct history_op op = {.kind = OP_INSERT, .pos = seq, .text = bytes_of_string("x")};
        last = history_add(&history, &agent, seq, &last, seq > 0, &op, 1) - 1;
    }
    history_update(&history);
    for (uint64_t who = 0; who < keys; who++) {
        struct agent_id agent = {{2, (unsigned char)(who >> 8), (unsigned char)who}};
        uint64_t seen = keys - 1 - who, parent = seen - 1;
        struct history_op op = {.kind = OP_INSERT, .pos = seen, .text = bytes_of_string("y")};
        history_add(&history, &agent, 0, &parent, seen > 0, &op, 1);
        history_update(&history);
    }
    check_text(&history, (struct bytes){0});
    uint64_t work = walker_work(history.walker) + walker_looks(history.walker);
    history_release(&history);
    return work;
}

/* The tracker begins one event further back each time: it would be made anew for everybody, with all events behind it. */
static void who_has_seen_less_than_the_one_before_costs_about_the_same(void **state)
{
    (void)state;
    for (uint64_t keys = 250; keys <= 4000; keys *= 4)
        assert_in_range(work_of_going_back(keys), keys, 20 * keys);
}

/* --- the tracker itself --- */

static void dump(const struct tracker *tracker, struct buf *out)
{
    struct span_place place = spans_start(&tracker->spans);
    buf_clear(out);
    for (const struct span *span; (span = spans_peek(&tracker->spans, &place)); spans_next(&place))
        for (uint64_t unit = 0; unit < span->len; unit++) /* as units: cutting a span changes nothing */
            buf_addf(out, "%llu %llu %llu %u %d\n", (unsigned long long)span->id + unit,
                     (unsigned long long)(unit ? span->id + unit - 1 : span->left), (unsigned long long)span->right,
                     span->state, span->gone);
}

/* To a random later version and back: the tracker then counts as many bytes as the model's text has, and is as it was.
 */
static void check_travel(struct scene *scene, struct history *history, const uint64_t *last_lv)
{
    unsigned char expected[NAIVE_EVENTS_MAX + 64];
    struct buf before = {0}, after = {0};
    struct lv_ranges gone = {0}, none = {0};
    uint64_t base;
    struct tracker *tracker = (struct tracker *)(uintptr_t)walker_track(history->walker, 0, &base);
    dump(tracker, &before);
    for (int i = 0; i < 8; i++) {
        size_t act = (size_t)random_below(scene->random, scene->count);
        size_t event = scene_last_event(&scene->acts[act]);
        struct lv_list version = {0};
        lv_list_add(&version, last_lv[act]);
        graph_diff(history->graph, graph_frontier(history->graph), &version, &gone, &none);
        for (size_t r = 0; r < gone.count; r++)
            tracker_retreat(tracker, gone.items[r].first, gone.items[r].end);
        tracker_check(tracker);
        assert_int_equal(tracker_len(tracker), naive_text(scene->naive, &event, 1, expected));
        for (size_t r = gone.count; r-- > 0;)
            tracker_advance(tracker, gone.items[r].first, gone.items[r].end);
        dump(tracker, &after);
        assert_true(bytes_equal(buf_view(&before), buf_view(&after)));
        lv_list_release(&version);
    }
    lv_ranges_release(&gone);
    lv_ranges_release(&none);
    buf_release(&before);
    buf_release(&after);
}

static void the_tracker_counts_right_at_every_version_and_comes_back(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("tracker-travel", 11, 60);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        struct history history;
        uint64_t last_lv[SCENE_ACTS_MAX];
        scene_make(&scene, &random);
        scene_tell_all(&scene, &history, last_lv);
        check_travel(&scene, &history, last_lv);
        rounds.operations += scene.count;
        history_release(&history);
        naive_free(scene.naive);
    }
}

/*
 * Ben has typed at the end; ana types at the start and sees one more byte of his with each of hers. Spans are cut where
 * history is, at the runs of the graph, and nowhere else for good.
 */
static void what_is_typed_on_does_not_fall_into_pieces(void **state)
{
    (void)state;
    enum { TYPED = 200 };
    static const struct agent_id ana = {{1}}, ben = {{2}};
    struct history history;
    struct buf bens = {0};
    uint64_t last = LV_NONE, base;
    size_t spans = 0;
    history_init(&history, bytes_of_string("--"));
    memset(buf_extend(&bens, TYPED), 'b', TYPED);
    struct history_op all = {OP_INSERT, 2, 0, buf_view(&bens)}, one = {OP_INSERT, 0, 0, bytes_of_string("a")};
    history_add(&history, &ben, 0, NULL, 0, &all, 1);
    for (uint64_t i = 0; i < TYPED; i++, one.pos++) {
        uint64_t parents[] = {i, last};
        last = history_add(&history, &ana, i, parents, last == LV_NONE ? 1 : 2, &one, 1) - 1;
    }
    history_update(&history);
    const struct tracker *tracker = walker_track(history.walker, 0, &base);
    struct span_place place = spans_start(&tracker->spans);
    for (; spans_peek(&tracker->spans, &place); spans_next(&place))
        spans++;
    assert_true(spans <= graph_runs(history.graph) + 3);
    buf_release(&bens);
    history_release(&history);
}

/* --- the strong list specification --- */

enum { BYTES = 256 };

/* Every byte typed in a scene gets a value of its own. */
static bool name_bytes(struct scene *scene)
{
    unsigned next = 'A';
    for (size_t i = 0; i < scene->count; i++)
        for (size_t b = 0; b < scene->acts[i].op.text.len; b++) {
            if (next == BYTES)
                return false;
            scene->acts[i].text[b] = (char)next++;
        }
    return true;
}

static void note_order(const struct buf *text, bool before[BYTES][BYTES])
{
    for (size_t i = 0; i < text->len; i++)
        for (size_t j = i + 1; j < text->len; j++) {
            assert_false(before[text->data[j]][text->data[i]]);
            before[text->data[i]][text->data[j]] = true;
        }
}

/* Two bytes that are in a text together stand in the same order in every version that has both. */
static void the_order_of_two_bytes_never_changes(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("strong-list", 22, 80);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        static bool before[BYTES][BYTES];
        struct history history;
        struct buf text = {0};
        uint64_t last_lv[SCENE_ACTS_MAX];
        scene_make(&scene, &random);
        if (name_bytes(&scene)) {
            memset(before, 0, sizeof before);
            scene_tell_all(&scene, &history, last_lv);
            note_order(&history.text, before);
            for (size_t i = 0; i < 2 * scene.count; i++) {
                struct lv_list version = {0};
                lv_list_add(&version, last_lv[random_below(&random, scene.count)]);
                lv_list_add(&version, last_lv[random_below(&random, scene.count)]);
                lv_list_sort(&version);
                buf_clear(&text);
                history_text_at(&history, &version, bytes_of_string(scene.base), &text);
                note_order(&text, before);
                lv_list_release(&version);
            }
            history_release(&history);
        }
        rounds.operations += scene.count;
        buf_release(&text);
        naive_free(scene.naive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_replay_gives_the_text_of_the_model),
        cmocka_unit_test(every_replay_of_a_crowd_at_one_place_does_so_too),
        cmocka_unit_test(every_replay_of_typing_backwards_at_one_place_does_so_too),
        cmocka_unit_test(every_replay_of_two_who_were_apart_does_so_too),
        cmocka_unit_test(runs_typed_at_one_place_do_not_mix),
        cmocka_unit_test(people_who_type_at_once_cost_the_same_however_long_they_do),
        cmocka_unit_test(a_crowd_at_one_place_costs_each_of_them_about_the_same),
        cmocka_unit_test(typing_backwards_at_one_place_costs_each_key_about_the_same),
        cmocka_unit_test(people_who_lag_behind_read_what_everybody_reads),
        cmocka_unit_test(who_never_hears_the_other_costs_what_he_writes),
        cmocka_unit_test(people_who_have_seen_less_and_less_read_what_everybody_reads),
        cmocka_unit_test(who_has_seen_less_than_the_one_before_costs_about_the_same),
        cmocka_unit_test(the_tracker_counts_right_at_every_version_and_comes_back),
        cmocka_unit_test(what_is_typed_on_does_not_fall_into_pieces),
        cmocka_unit_test(the_order_of_two_bytes_never_changes),
    };
    return RUN_TESTS("walker_model", tests);
}
