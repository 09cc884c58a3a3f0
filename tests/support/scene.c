#include "tests/support/scene.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "tests/support/support.h"

size_t scene_last_event(const struct scene_act *act)
{
    return act->first + (size_t)history_op_len(&act->op) - 1;
}

/* The event of an act that somebody builds on: the last, or now and then one in its middle. */
static struct scene_point point_in(struct scene *scene, size_t act, bool own)
{
    uint64_t len = history_op_len(&scene->acts[act].op);
    uint64_t back = !own && random_chance(scene->random, 6) ? random_below(scene->random, len) : 0;
    return (struct scene_point){act, back};
}

static size_t event_of(const struct scene *scene, struct scene_point point)
{
    return scene_last_event(&scene->acts[point.act]) - (size_t)point.back;
}

/* The agent's own newest act and sometimes that of others, reduced. */
static void choose_parents(struct scene *scene, struct scene_act *act, uint64_t merge_one_in)
{
    struct scene_point wanted[SCENE_PARENTS_MAX];
    size_t count = 0;
    for (size_t agent = 0; agent < scene->agents && count < SCENE_PARENTS_MAX; agent++)
        if (scene->heads[agent] > 0 && (agent == act->agent || random_chance(scene->random, merge_one_in)))
            wanted[count++] = point_in(scene, scene->heads[agent] - 1, agent == act->agent);
    for (size_t i = 0; i < count; i++) {
        bool redundant = false;
        for (size_t j = 0; j < count; j++)
            redundant |= j != i && naive_holds(scene->naive, event_of(scene, wanted[j]), event_of(scene, wanted[i]));
        if (!redundant)
            act->parents[act->parent_count++] = wanted[i];
    }
}

/* The newest act of the agent's side. */
static void choose_side(struct scene *scene, struct scene_act *act)
{
    size_t newest = 0;
    for (size_t agent = act->agent % 2; agent < scene->agents; agent += 2)
        newest = scene->heads[agent] > newest ? scene->heads[agent] : newest;
    if (newest > 0)
        act->parents[act->parent_count++] = (struct scene_point){.act = newest - 1};
}

static size_t length_at(const struct scene *scene, const size_t *events, size_t count)
{
    unsigned char text[NAIVE_EVENTS_MAX + 64];
    return naive_text(scene->naive, events, count, text);
}

/* Mostly inside the text of `len` bytes; once in a while beyond it. */
static void choose_op(struct scene *scene, struct scene_act *act, size_t len)
{
    struct random *random = scene->random;
    uint64_t beyond = random_chance(random, 12) ? 4 : 0;
    uint64_t size = 1 + random_below(random, random_chance(random, 3) ? 5 : 1);
    if (random_chance(random, 20)) {
        act->op = (struct history_op){.kind = OP_NOP};
    } else if (len > 0 && random_chance(random, len > 20 ? 2 : 4)) {
        uint64_t pos = random_below(random, len + beyond);
        if (!beyond && pos + size > len)
            size = len - pos;
        act->op = (struct history_op){.kind = OP_DELETE, .pos = pos, .len = size};
    } else {
        for (uint64_t i = 0; i < size; i++)
            act->text[i] = (char)('a' + random_below(random, 26));
        act->op = (struct history_op){.kind = OP_INSERT, .pos = random_below(random, len + 1 + beyond)};
        act->op.text = bytes_of(act->text, (size_t)size);
    }
}

/* Goes on where the agent's last act was, the way people type and delete. */
static void go_on(const struct scene *scene, struct scene_act *act, size_t len)
{
    const struct scene_act *last = scene->heads[act->agent] ? &scene->acts[scene->heads[act->agent] - 1] : NULL;
    if (!last || last->op.kind != act->op.kind || !random_chance(scene->random, 2))
        return;
    if (act->op.kind == OP_INSERT && last->op.pos + last->op.text.len <= len)
        act->op.pos = last->op.pos + last->op.text.len;
    if (act->op.kind != OP_DELETE)
        return;
    act->op.len = 1;
    act->op.pos = last->op.pos - (last->op.pos > 0 && random_chance(scene->random, 2));
}

/* The line, and where in it somebody else begins. */
static void choose_in_line(struct scene *scene, struct scene_act *act)
{
    if (scene->count < scene->line && scene->count > 0)
        act->parents[act->parent_count++] = (struct scene_point){.act = scene->count - 1};
    else if (scene->count > 0)
        act->parents[act->parent_count++] = point_in(scene, (size_t)random_below(scene->random, scene->line), false);
}

static void choose_version(struct scene *scene, struct scene_act *act, uint64_t merge_one_in)
{
    if (scene->apart)
        choose_side(scene, act);
    else if (scene->line > 0 && (scene->count < scene->line || scene->heads[act->agent] == 0))
        choose_in_line(scene, act);
    else
        choose_parents(scene, act, merge_one_in);
}

static void add_act(struct scene *scene, uint64_t merge_one_in)
{
    static const enum naive_kind kinds[] = {
        [OP_INSERT] = NAIVE_INSERT, [OP_DELETE] = NAIVE_DELETE, [OP_NOP] = NAIVE_NOTHING};
    struct scene_act *act = &scene->acts[scene->count];
    size_t events[SCENE_PARENTS_MAX];
    *act = (struct scene_act){.agent = (unsigned char)random_below(scene->random, scene->agents)};
    if (scene->count < scene->line)
        act->agent = 0;
    act->seq = scene->seqs[act->agent];
    choose_version(scene, act, merge_one_in);
    for (size_t p = 0; p < act->parent_count; p++)
        events[p] = event_of(scene, act->parents[p]);
    size_t len = length_at(scene, events, act->parent_count);
    choose_op(scene, act, len);
    go_on(scene, act, len);
    if (scene->crowded && act->op.kind == OP_INSERT)
        act->op.pos = random_below(scene->random, len < 2 ? len + 1 : 2);
    if (scene->backward && act->op.kind == OP_INSERT && len > 0 && !random_chance(scene->random, 8))
        act->op.pos = 1;
    act->first = scene->naive->count;
    naive_add(scene->naive, act->agent, act->seq, events, act->parent_count, kinds[act->op.kind], act->op.pos,
              act->text, (size_t)history_op_len(&act->op));
    scene->seqs[act->agent] += history_op_len(&act->op);
    scene->heads[act->agent] = ++scene->count;
}

void scene_make(struct scene *scene, struct random *random)
{
    *scene = (struct scene){.random = random, .agents = SCENE_AGENTS_FEW};
    for (uint64_t i = random_below(random, 9); i > 0; i--)
        scene->base[i - 1] = (char)('0' + i);
    scene->naive = naive_new(scene->base);
    uint64_t merge_one_in = 1 + random_below(random, 6);
    for (uint64_t count = 5 + random_below(random, SCENE_ACTS_MAX - 5); scene->count < count;)
        add_act(scene, merge_one_in);
}

void scene_make_backward(struct scene *scene, struct random *random)
{
    *scene = (struct scene){.random = random, .agents = 2 + random_below(random, SCENE_AGENTS_FEW), .backward = true, .base = "--"};
    scene->naive = naive_new(scene->base);
    uint64_t merge_one_in = 4 + random_below(random, 60);
    while (scene->count < SCENE_ACTS_MAX)
        add_act(scene, merge_one_in);
}

void scene_make_apart(struct scene *scene, struct random *random)
{
    *scene = (struct scene){.random = random, .agents = 2 + random_below(random, 3), .apart = true};
    scene->backward = random_chance(random, 3);
    scene->crowded = random_chance(random, 3);
    for (uint64_t i = random_below(random, 9); i > 0; i--)
        scene->base[i - 1] = (char)('0' + i);
    scene->naive = naive_new(scene->base);
    while (scene->count < SCENE_ACTS_MAX)
        add_act(scene, 0);
}

void scene_make_crowded(struct scene *scene, struct random *random)
{
    *scene = (struct scene){.random = random, .agents = SCENE_AGENTS_MAX, .crowded = true, .base = "--"};
    scene->naive = naive_new(scene->base);
    uint64_t merge_one_in = 10 + random_below(random, 200);
    while (scene->count < SCENE_ACTS_MAX)
        add_act(scene, merge_one_in);
}

void scene_make_line(struct scene *scene, struct random *random)
{
    *scene = (struct scene){.random = random, .agents = SCENE_AGENTS_FEW, .base = "0123"};
    scene->naive = naive_new(scene->base);
    scene->line = 20 + random_below(random, 40);
    uint64_t merge_one_in = 4 + random_below(random, 60);
    while (scene->count < SCENE_ACTS_MAX)
        add_act(scene, merge_one_in);
}

static bool is_ready(const struct scene_act *act, const bool *done)
{
    for (size_t p = 0; p < act->parent_count; p++)
        if (!done[act->parents[p].act])
            return false;
    return true;
}

void scene_shuffle(const struct scene *scene, size_t *order)
{
    bool done[SCENE_ACTS_MAX] = {false};
    for (size_t i = 0; i < scene->count; i++) {
        size_t pick = (size_t)random_below(scene->random, scene->count);
        while (done[pick] || !is_ready(&scene->acts[pick], done))
            pick = (pick + 1) % scene->count;
        done[pick] = true;
        order[i] = pick;
    }
}

static int compare_lvs(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

void scene_tell(const struct scene *scene, struct history *history, size_t index, uint64_t *last_lv)
{
    const struct scene_act *act = &scene->acts[index];
    struct agent_id agent = {{act->agent}};
    uint64_t parents[SCENE_PARENTS_MAX];
    for (size_t p = 0; p < act->parent_count; p++)
        parents[p] = last_lv[act->parents[p].act] - act->parents[p].back;
    qsort(parents, act->parent_count, sizeof *parents, compare_lvs);
    last_lv[index] = history_add(history, &agent, act->seq, parents, act->parent_count, &act->op, 1) - 1;
}

void scene_expect(const struct scene *scene, const size_t *acts, size_t count, struct bytes text)
{
    unsigned char expected[NAIVE_EVENTS_MAX + 64];
    size_t events[SCENE_ACTS_MAX];
    for (size_t i = 0; i < count; i++)
        events[i] = scene_last_event(&scene->acts[acts[i]]);
    size_t len = naive_text(scene->naive, events, count, expected);
    if (!bytes_equal(text, bytes_of(expected, len)))
        fail_msg("got \"%.*s\", not \"%.*s\"", (int)text.len, (const char *)text.data, (int)len, (char *)expected);
}

void scene_expect_void(const struct scene *scene, const struct history *history, const uint64_t *last_lv)
{
    static struct naive_touch touches[NAIVE_EVENTS_MAX];
    naive_touches(scene->naive, touches);
    for (size_t i = 0; i < scene->count; i++) {
        const struct scene_act *act = &scene->acts[i];
        uint64_t len = history_op_len(&act->op);
        for (uint64_t event = 0; act->op.kind != OP_NOP && event < len; event++) {
            bool is_void = touches[act->first + event].at < 0;
            assert_int_equal(oplog_is_void(&history->log, last_lv[i] - (len - 1 - event)), is_void);
        }
    }
}

void scene_tell_all(struct scene *scene, struct history *history, uint64_t *last_lv)
{
    size_t order[SCENE_ACTS_MAX];
    scene_shuffle(scene, order);
    history_init(history, bytes_of_string(scene->base));
    for (size_t i = 0; i < scene->count; i++)
        scene_tell(scene, history, order[i], last_lv);
    history_update(history);
}
