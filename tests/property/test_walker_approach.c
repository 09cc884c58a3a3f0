/* The walk in portions: whatever happens between two of them, the text is that of the naive model, or of a walk at once. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "tests/support/scene.h"

enum { DISTURBED = 30 }; /* portions at most: for good it would not arrive */
enum { OVER = 64 }; /* steps that a portion may take more than it was told: those of one operation, and of what was written meanwhile */

/* --- any history --- */

struct telling {
    struct scene *scene;
    struct history history;
    uint64_t last_lv[SCENE_ACTS_MAX];
    size_t told[SCENE_ACTS_MAX], count;
    bool is_told[SCENE_ACTS_MAX];
    bool in_line; /* nothing else was told yet */
};

static bool may_be_told(const struct telling *telling, size_t index)
{
    const struct scene_act *act = &telling->scene->acts[index];
    bool may = !telling->is_told[index];
    for (size_t p = 0; p < act->parent_count; p++)
        may = may && telling->is_told[act->parents[p].act];
    for (size_t i = 0; i < index; i++) /* an agent's numbers come in their order */
        may = may && (telling->is_told[i] || telling->scene->acts[i].agent != act->agent);
    return may;
}

/* False: there is none but `kept`. */
static bool any_that_may(const struct telling *telling, size_t kept, size_t *index)
{
    size_t from = (size_t)random_below(telling->scene->random, telling->scene->count);
    for (size_t i = 0; i < telling->scene->count; i++) {
        *index = (from + i) % telling->scene->count;
        if (*index != kept && may_be_told(telling, *index))
            return true;
    }
    return false;
}

static void tell(struct telling *telling, size_t index)
{
    scene_tell(telling->scene, &telling->history, index, telling->last_lv);
    telling->is_told[index] = true;
    telling->told[telling->count++] = index;
    history_update(&telling->history);
    scene_expect(telling->scene, telling->told, telling->count, buf_view(&telling->history.text));
}

static void parents_of(const struct telling *telling, size_t index, struct lv_list *out)
{
    const struct scene_act *act = &telling->scene->acts[index];
    out->count = 0;
    for (size_t p = 0; p < act->parent_count; p++)
        lv_list_add(out, telling->last_lv[act->parents[p].act] - act->parents[p].back);
    lv_list_sort(out);
}

/* All that one of them may tell, with one update: a document that was written elsewhere (document_local_at()) comes so. */
static void tell_chain(struct telling *telling, size_t index, size_t kept)
{
    unsigned char agent = telling->scene->acts[index].agent;
    for (; index < telling->scene->count; index++) {
        if (index == kept || telling->scene->acts[index].agent != agent || !may_be_told(telling, index))
            continue;
        scene_tell(telling->scene, &telling->history, index, telling->last_lv);
        telling->is_told[index] = true;
        telling->told[telling->count++] = index;
    }
    history_update(&telling->history);
    scene_expect(telling->scene, telling->told, telling->count, buf_view(&telling->history.text));
}

/* What else may happen between two portions. */
static void disturb(struct telling *telling, size_t kept)
{
    struct random *random = telling->scene->random;
    struct patch patch = {0};
    uint64_t base, place = 0;
    size_t other;
    switch (random_below(random, 24)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (any_that_may(telling, kept, &other))
            tell(telling, other);
        break;
    case 4:
        walker_since(telling->history.walker, graph_frontier(telling->history.graph), &patch);
        break;
    case 5:
        tracker_check(walker_track(telling->history.walker, random_below(random, telling->history.merged + 1), &base));
        break;
    case 6:
        (void)walker_map(telling->history.walker, graph_frontier(telling->history.graph), &place, 1);
        break;
    case 7:
        if (any_that_may(telling, kept, &other))
            tell_chain(telling, other, kept);
        break;
    case 8:
        walker_approach_stop(telling->history.walker);
        break;
    default:
        break;
    }
    patch_release(&patch);
}

/* While somebody is on the way to a place in the line, the first one who goes on from within it. */
static void disturb_line(struct telling *telling, size_t kept)
{
    const struct scene_act *acts = telling->scene->acts;
    for (size_t other = telling->scene->line; telling->in_line && other < telling->scene->count; other++) {
        if (acts[other].agent == 0 || acts[other].agent == acts[kept].agent || !may_be_told(telling, other))
            continue;
        tell_chain(telling, other, kept);
        telling->in_line = false;
    }
}

static void tell_in_portions(struct telling *telling, size_t index)
{
    struct walker *walker = telling->history.walker;
    struct lv_list parents = {0};
    parents_of(telling, index, &parents);
    uint64_t steps = 1 + random_below(telling->scene->random, 9), before = walker_work(walker);
    unsigned portions = 0, once = 1 + (unsigned)random_below(telling->scene->random, 6);
    while (!walker_approach(walker, parents.items, parents.count, steps)) {
        assert_in_range(walker_work(walker) - before, 0, steps + OVER);
        assert_in_range(walker_approach_percent(walker), 0, 100);
        assert_true(++portions < 10000);
        history_check(&telling->history);
        if (telling->in_line && portions == once)
            disturb_line(telling, index);
        else if (!telling->in_line && portions < DISTURBED)
            disturb(telling, index);
        before = walker_work(walker);
    }
    assert_in_range(walker_work(walker) - before, 0, steps + OVER);
    history_check(&telling->history);
    before = walker_work(walker);
    tell(telling, index);
    assert_in_range(walker_work(walker) - before, 0, history_op_len(&telling->scene->acts[index].op));
    lv_list_release(&parents);
}

/* Before anything else, so that two are apart as soon as somebody goes on from its middle. */
static void tell_line(struct telling *telling)
{
    for (size_t i = 0; i < telling->scene->line; i++)
        tell(telling, i);
    telling->in_line = true;
}

static void check_scene(struct scene *scene, bool fast_path)
{
    static struct telling telling;
    telling = (struct telling){.scene = scene};
    history_init(&telling.history, bytes_of_string(scene->base));
    walker_set_fast_path(telling.history.walker, fast_path);
    if (scene->line > 0)
        tell_line(&telling);
    for (size_t index; any_that_may(&telling, SIZE_MAX, &index);) {
        if (!telling.in_line && random_chance(scene->random, 3))
            tell(&telling, index);
        else
            tell_in_portions(&telling, index);
    }
    assert_int_equal(telling.count, scene->count);
    scene_expect_void(scene, &telling.history, telling.last_lv);
    history_release(&telling.history);
}

static void in_portions_it_gives_the_text_of_the_model(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("walker_approach", 43, 60);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        void (*const make[])(struct scene *, struct random *) = {scene_make, scene_make_crowded, scene_make_backward};
        make[random_below(&random, 3)](&scene, &random);
        check_scene(&scene, random_chance(&random, 2));
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
}

/* The same where there is a line, and on the way to a place in it comes what somebody wrote from another place in it. */
static void in_portions_two_who_were_apart_may_come_on_the_way(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("walker_approach_line", 46, 60);
    struct random random;
    static struct scene scene;
    while (rounds_next(&rounds, &random)) {
        scene_make_line(&scene, &random);
        check_scene(&scene, !random_chance(&random, 4));
        rounds.operations += scene.count;
        naive_free(scene.naive);
    }
}

/* --- typing meanwhile --- */

/* Two replicas of one history; only the first one walks in portions. */
struct twins {
    struct history one, other;
    struct random *random;
    uint64_t seqs[8];
};

static const struct bytes letters = {(const unsigned char *)"abcdefghijklmnopqrstuvwxyz", 26};

static struct history_op random_op(struct twins *twins, uint64_t len)
{
    if (len > 4 && random_chance(twins->random, 3))
        return (struct history_op){.kind = OP_DELETE, .pos = random_below(twins->random, len - 3), .len = 1 + random_below(twins->random, 3)};
    return (struct history_op){.kind = OP_INSERT, .pos = random_below(twins->random, len + 1),
                               .text = bytes_of(letters.data + random_below(twins->random, 20), 1 + random_below(twins->random, 6))};
}

static uint64_t add(struct twins *twins, unsigned char who, const struct lv_list *parents, struct history_op op)
{
    struct agent_id agent = {{who}};
    uint64_t seq = twins->seqs[who];
    twins->seqs[who] += history_op_len(&op);
    history_add(&twins->other, &agent, seq, parents->items, parents->count, &op, 1);
    return history_add(&twins->one, &agent, seq, parents->items, parents->count, &op, 1) - 1;
}

/* Into the text as it is, and no walker hears of it: so a document does it. */
static void apply(struct history *history, const struct history_op *op)
{
    struct buf text = {0};
    uint64_t skip = op->kind == OP_DELETE ? op->len : 0;
    buf_add(&text, history->text.data, op->pos);
    if (op->kind == OP_INSERT)
        buf_add_bytes(&text, op->text);
    buf_add(&text, history->text.data + op->pos + skip, history->text.len - op->pos - skip);
    buf_release(&history->text);
    history->text = text;
    history->merged = graph_len(history->graph);
}

static void type_here(struct twins *twins, unsigned char who)
{
    struct lv_list all = {0};
    const struct lv_list *heads = graph_frontier(twins->one.graph);
    lv_list_set(&all, heads->items, heads->count);
    struct history_op op = random_op(twins, twins->one.text.len);
    add(twins, who, &all, op);
    apply(&twins->one, &op);
    lv_list_release(&all);
}

/* Who hears of nobody else writes on, from the root. */
static void write_apart(struct twins *twins, unsigned char who, uint64_t *last, uint64_t *len)
{
    struct lv_list parents = {0};
    if (*last != LV_NONE)
        lv_list_add(&parents, *last);
    struct history_op op = random_op(twins, *len);
    *len += op.kind == OP_INSERT ? op.text.len : 0;
    *len -= op.kind == OP_DELETE ? op.len : 0;
    *last = add(twins, who, &parents, op);
    lv_list_release(&parents);
}

static void begin_twins(struct twins *twins)
{
    history_init(&twins->one, (struct bytes){0});
    history_init(&twins->other, (struct bytes){0});
}

static void end_twins(struct twins *twins)
{
    history_update(&twins->other);
    for (uint64_t lv = 0; lv < graph_len(twins->one.graph); lv++)
        assert_int_equal(oplog_is_void(&twins->one.log, lv), oplog_is_void(&twins->other.log, lv));
    assert_true(bytes_equal(buf_view(&twins->one.text), buf_view(&twins->other.text)));
    history_check(&twins->one);
    history_release(&twins->one);
    history_release(&twins->other);
}

static void check_twins(struct twins *twins)
{
    uint64_t lasts[2] = {LV_NONE, LV_NONE}, lens[2] = {0};
    begin_twins(twins);
    for (int i = 0; i < 40; i++)
        type_here(twins, 1);
    for (int turn = 0; turn < 40; turn++) {
        size_t who = (size_t)random_below(twins->random, 2);
        struct lv_list parents = {0};
        if (lasts[who] != LV_NONE)
            lv_list_add(&parents, lasts[who]);
        unsigned portions = 0;
        while (!walker_approach(twins->one.walker, parents.items, parents.count, 1 + random_below(twins->random, 12))) {
            if (random_chance(twins->random, 2))
                type_here(twins, 1);
            assert_true(++portions < 10000); /* it arrives, however much is typed */
        }
        write_apart(twins, (unsigned char)(2 + who), &lasts[who], &lens[who]);
        uint64_t before = walker_work(twins->one.walker);
        history_update(&twins->one);
        assert_in_range(walker_work(twins->one.walker) - before, 0, 6);
        lv_list_release(&parents);
        if (random_chance(twins->random, 4))
            type_here(twins, 1);
    }
    end_twins(twins);
}

static void typing_meanwhile_neither_is_lost_nor_holds_it_up(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("walker_approach_typing", 44, 60);
    struct random random;
    while (rounds_next(&rounds, &random)) {
        struct twins twins = {.random = &random};
        check_twins(&twins);
        rounds.operations += 100;
    }
}

/* --- a merge without a tracker meanwhile --- */

enum { LINE = 100, LOW = 20, WANTED = 50, BRANCH = 20 };

/*
 * Carl has seen half of a line, and on the way to there comes a file that was written from a fifth of it on: two who were apart
 * (sync/apart.h), so no tracker is touched. That of the approach begins too late from then on. What is typed, and merged, after
 * that has its effect all the same.
 */
static void check_merge_meanwhile(struct twins *twins)
{
    uint64_t lvs[LINE], lens[LINE], ana = LV_NONE, ana_len = 0;
    begin_twins(twins);
    for (int i = 0; i < LINE; i++) {
        write_apart(twins, 1, &ana, &ana_len);
        lvs[i] = ana;
        lens[i] = ana_len;
    }
    history_update(&twins->one);
    for (int portion = 0; portion < 4; portion++)
        assert_false(walker_approach(twins->one.walker, &lvs[WANTED], 1, 4));
    uint64_t disk = lvs[LOW], disk_len = lens[LOW], carl = lvs[WANTED], carl_len = lens[WANTED];
    uint64_t work = walker_work(twins->one.walker);
    for (int i = 0; i < BRANCH; i++)
        write_apart(twins, 2, &disk, &disk_len);
    history_update(&twins->one);
    assert_true(walker_work(twins->one.walker) > work); /* of apart_merge() */
    for (int i = 0; i < 3; i++)
        type_here(twins, 1);
    while (!walker_approach(twins->one.walker, &lvs[WANTED], 1, 4)) {
    }
    write_apart(twins, 3, &carl, &carl_len);
    history_update(&twins->one);
    for (int i = 0; i < 3; i++)
        type_here(twins, 1);
    uint64_t dave = graph_len(twins->one.graph) - 1, dave_len = twins->one.text.len;
    type_here(twins, 1);
    write_apart(twins, 4, &dave, &dave_len);
    history_update(&twins->one);
    end_twins(twins);
}

static void what_is_merged_without_a_tracker_meanwhile_is_not_missed(void **state)
{
    (void)state;
    struct rounds rounds = rounds_of("walker_approach_merge", 45, 60);
    struct random random;
    while (rounds_next(&rounds, &random)) {
        struct twins twins = {.random = &random};
        check_merge_meanwhile(&twins);
        rounds.operations += LINE + BRANCH;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_portions_it_gives_the_text_of_the_model),
        cmocka_unit_test(in_portions_two_who_were_apart_may_come_on_the_way),
        cmocka_unit_test(typing_meanwhile_neither_is_lost_nor_holds_it_up),
        cmocka_unit_test(what_is_merged_without_a_tracker_meanwhile_is_not_missed),
    };
    return RUN_TESTS("walker_approach", tests);
}
