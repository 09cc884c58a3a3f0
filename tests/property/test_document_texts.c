/*
 * Texts of the past, made from keyframes: as the naive model and as people had them, whatever of the keyframes is there, in a
 * document that was just written and in one that was saved, loaded and went on.
 */
#include "tests/support/support.h"

#include "editor/base/random.h"
#include "sync/document_parts.h"
#include "sync/keyframes.h"
#include "tests/support/replica.h"
#include "tests/support/scene.h"

/* --- a walk from a cut --- */

struct world {
    struct scene *scene;
    struct history history;
    uint64_t last_lv[SCENE_ACTS_MAX];
};

static void text_at(struct world *world, const struct lv_list *version, struct buf *out)
{
    buf_clear(out);
    history_text_at(&world->history, version, bytes_of_string(world->scene->base), out);
}

/* Of one act or two that know nothing of each other. */
static size_t choose(const struct world *world, size_t *acts, struct lv_list *version)
{
    const struct scene *scene = world->scene;
    size_t count = 1 + (size_t)random_below(scene->random, 2);
    acts[0] = (size_t)random_below(scene->random, scene->count);
    acts[1] = (size_t)random_below(scene->random, scene->count);
    version->count = 0;
    lv_list_add(version, world->last_lv[acts[0]]);
    if (count == 2)
        lv_list_add(version, world->last_lv[acts[1]]);
    lv_list_sort(version);
    if (version->count < 2 || graph_is_reduced(world->history.graph, version->items, 2))
        return count;
    if (world->last_lv[acts[0]] < world->last_lv[acts[1]])
        acts[0] = acts[1];
    lv_list_set(version, version->items + 1, 1);
    return 1;
}

static void walk_from(struct world *world, uint64_t cut, const struct lv_list *version, const size_t *acts, size_t count)
{
    struct buf before = {0}, text = {0};
    struct patch patch = {0};
    struct lv_list start = {0};
    critical_cut_version(&world->history.critical, world->history.graph, cut, &start);
    text_at(world, &start, &before);
    walker_from(world->history.walker, &start, before.len, version, &patch);
    lv_list_release(&start);
    patch_check(&patch);
    patch_apply(&patch, buf_view(&before), &text);
    scene_expect(world->scene, acts, count, buf_view(&text));
    patch_release(&patch);
    buf_release(&before);
    buf_release(&text);
}

/* Returns how many meets there were. */
static size_t check_scene(struct scene *scene)
{
    static struct world world;
    struct lv_list version = {0};
    size_t acts[2];
    world.scene = scene;
    scene_tell_all(scene, &world.history, world.last_lv);
    const struct critical *critical = &world.history.critical;
    for (int i = 0; i < 8; i++) {
        size_t count = choose(&world, acts, &version);
        for (uint64_t cut = 0; (cut = critical_cut_from(critical, cut)) <= version.items[version.count - 1]; cut++)
            walk_from(&world, cut, &version, acts, count);
    }
    size_t meets = critical->meet_count;
    lv_list_release(&version);
    history_release(&world.history);
    naive_free(scene->naive);
    return meets;
}

static void a_walk_from_any_cut_gives_the_models_text(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("walk-from", 71));
    static struct scene scene;
    size_t meets = 0;
    for (uint64_t round = support_rounds(40); round > 0; round--) {
        scene_make(&scene, &random);
        meets += check_scene(&scene);
        scene_make_line(&scene, &random);
        meets += check_scene(&scene);
        scene_make_crowded(&scene, &random);
        meets += check_scene(&scene);
    }
    assert_true(meets > 0);
}

/* --- documents --- */

enum { PEOPLE = 3, STATES = 40, GUEST = PEOPLE };

/* What somebody's text was at some time. */
struct state {
    struct version version;
    struct rope *text;
};

struct room {
    struct random random;
    struct replica people[PEOPLE];
    struct state states[STATES];
    size_t state_count;
    uint64_t wild; /* batches of a guest's, who writes beyond the text */
    uint64_t damaged; /* how often keyframes that were loaded were */
};

static void edit(struct room *room, struct replica *replica)
{
    uint64_t len = rope_len(replica->text), pos = random_below(&room->random, len + 1), left = len - pos;
    char text[4];
    size_t typed = (size_t)random_below(&room->random, sizeof text + 1);
    for (size_t i = 0; i < typed; i++)
        text[i] = (char)('a' + random_below(&room->random, 26));
    bool deletes = left > 0 && random_chance(&room->random, 2);
    replica_edit(replica, pos, deletes ? 1 + random_below(&room->random, left < 5 ? left : 5) : 0, bytes_of(text, typed),
                 random_chance(&room->random, 2));
}

/* Void, or in part. */
static void write_wild(struct room *room, struct replica *replica)
{
    static const struct agent_id guest = {{'a' + GUEST}};
    struct batch batch = {.agent = guest, .seq0 = document_next_seq(replica->document, &guest)};
    struct version version = {0};
    struct error err = {0};
    struct patch patch = {0};
    document_version(replica->document, &version);
    for (size_t i = 0; i < version.count; i++)
        batch_add_parent(&batch, version.heads[i]);
    batch_add_insert(&batch, rope_len(replica->text) + random_below(&room->random, 2), bytes_of_string("wild"));
    batch_add_delete(&batch, 0, 1 + rope_len(replica->text) * random_below(&room->random, 3));
    batch_end(&batch);
    assert_int_equal(document_add(replica->document, &batch, &err), DOCUMENT_ADDED);
    batch_copy(batch_list_add(&replica->log), &batch);
    document_update(replica->document, &patch);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
    version_release(&version);
    batch_release(&batch);
}

static void note_state(struct room *room, const struct replica *replica)
{
    struct state *state = &room->states[room->state_count < STATES ? room->state_count++ : random_below(&room->random, STATES)];
    document_version(replica->document, &state->version);
    rope_free(state->text);
    state->text = rope_snapshot(replica->text);
}

static void send_all(struct room *room)
{
    for (int round = 0; round < 2; round++)
        for (size_t from = 0; from < PEOPLE; from++)
            for (size_t to = 0; to < PEOPLE; to++)
                if (from != to)
                    replica_send(&room->people[from], &room->people[to], to);
}

/* One alone, or several at once; the more they hear of each other the more versions are critical. */
static void live(struct room *room, int steps)
{
    struct random *random = &room->random;
    size_t writers = 1 + (size_t)random_below(random, PEOPLE);
    for (int i = 0; i < steps; i++) {
        struct replica *who = &room->people[random_below(random, writers)];
        uint64_t what = random_below(random, 12);
        if (what == 0)
            replica_undo(who);
        else if (what == 1)
            replica_redo(who);
        else if (what < 4)
            send_all(room);
        else if (what == 4 && room->wild > 0 && random_chance(random, 4) && who == &room->people[0])
            write_wild(room, who), room->wild--;
        else
            edit(room, who);
        if (random_chance(random, 3))
            note_state(room, who);
    }
}

static void expect_text(const struct rope *text, const struct state *state)
{
    rope_check(text);
    assert_true(rope_equal(text, state->text));
}

static void ask_text(struct room *room, struct replica *replica)
{
    const struct state *state = &room->states[random_below(&room->random, room->state_count)];
    struct rope *text = document_text_at(replica->document, replica->text, &state->version);
    assert_non_null(text);
    expect_text(text, state);
    rope_free(text);
}

static void ask_patch(struct room *room, struct replica *replica)
{
    const struct state *from = &room->states[random_below(&room->random, room->state_count)];
    const struct state *to = &room->states[random_below(&room->random, room->state_count)];
    struct rope *text = rope_snapshot(from->text);
    struct patch patch = {0};
    assert_true(document_patch_between(replica->document, &from->version, &to->version, &patch));
    patch_check(&patch);
    rope_apply(text, &patch);
    expect_text(text, to);
    patch_release(&patch);
    rope_free(text);
}

/* Any of them may be gone. */
static void lose_keyframes(struct room *room, struct document *document)
{
    struct keyframes *keyframes = &document->keyframes;
    for (size_t i = keyframes->count; i > 0; i--) {
        if (random_chance(&room->random, 2))
            continue;
        rope_free(keyframes->items[i - 1].text);
        keyframes->count--;
        for (size_t j = i - 1; j < keyframes->count; j++)
            keyframes->items[j] = keyframes->items[j + 1];
    }
}

/* Cut off anywhere, or with a byte that is another one. */
static void damage(struct room *room, struct keyframes *keyframes)
{
    struct buf saved = {0};
    if (keyframes->saved.len == 0)
        return;
    buf_add_bytes(&saved, buf_view(&keyframes->saved));
    if (random_chance(&room->random, 3))
        saved.len = (size_t)random_below(&room->random, saved.len);
    else
        saved.data[random_below(&room->random, saved.len)] ^= (unsigned char)(1 << random_below(&room->random, 8));
    keyframes_read(keyframes, buf_view(&saved));
    room->damaged++;
    buf_release(&saved);
}

/* Saved, loaded and gone on with: its keyframes come with it, and where one cannot be read, the one before it is there. */
static void reload(struct room *room, struct replica *replica)
{
    struct buf saved = {0};
    struct error err = {0};
    struct patch patch = {0};
    uint64_t step = replica->document->keyframe_ops;
    document_save(replica->document, &saved);
    document_free(replica->document);
    replica->document = document_load(buf_view(&saved), replica->base, &err);
    assert_non_null(replica->document);
    replica->document->keyframe_ops = step;
    document_update(replica->document, &patch);
    if (random_chance(&room->random, 2)) {
        assert_true(document_read_history(replica->document, &err));
        if (random_chance(&room->random, 2))
            damage(room, &replica->document->keyframes);
    }
    patch_release(&patch);
    buf_release(&saved);
}

static void question(struct room *room)
{
    struct replica *asked = &room->people[0];
    switch (random_below(&room->random, 12)) {
    case 0:
        reload(room, asked);
        break;
    case 1:
        lose_keyframes(room, asked->document);
        break;
    case 2:
        edit(room, asked);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        ask_patch(room, asked);
        break;
    default:
        ask_text(room, asked);
        break;
    }
}

/* What is known to people[0]. */
static void keep_known(struct room *room)
{
    for (size_t i = room->state_count; i > 0; i--) {
        struct state *state = &room->states[i - 1];
        if (document_knows(room->people[0].document, &state->version))
            continue;
        version_release(&state->version);
        rope_free(state->text);
        *state = room->states[--room->state_count];
        room->states[room->state_count] = (struct state){0};
    }
}

static void texts_are_what_people_had(void **state)
{
    (void)state;
    uint64_t damaged = 0;
    struct random random = random_of(support_seed("document-texts", 72));
    for (uint64_t round = support_rounds(60); round > 0; round--) {
        static struct room room;
        room = (struct room){.random = random_of(random_next(&random)), .wild = round % 3 == 0 ? 6 : 0};
        for (size_t i = 0; i < PEOPLE; i++) {
            replica_init(&room.people[i], round % 2 ? "0123456789" : "", (unsigned char)('a' + i));
            room.people[i].document->keyframe_ops = 1 + random_below(&room.random, 6);
        }
        note_state(&room, &room.people[0]);
        for (int turn = 0; turn < 6; turn++) {
            live(&room, 20);
            if (turn == 5 || random_chance(&room.random, 2)) /* else somebody comes late, and keyframes are lost */
                send_all(&room);
            keep_known(&room);
            for (int i = 0; i < 30; i++)
                question(&room);
        }
        for (size_t i = 0; i < room.state_count; i++) {
            version_release(&room.states[i].version);
            rope_free(room.states[i].text);
        }
        for (size_t i = 0; i < PEOPLE; i++)
            replica_release(&room.people[i]);
        damaged += room.damaged;
    }
    assert_true(damaged > 0);
}

/* --- how much is walked --- */

enum { KEYS = 4000, EVERY = 10 };

/* Keys at random places, so that each is a run of its own. */
static void type_keys(struct replica *replica, struct random *random, size_t keys)
{
    for (size_t i = 0; i < keys; i++) {
        struct patch patch = {0};
        uint64_t len = rope_len(replica->text), pos = random_below(random, len + 1);
        bool deletes = pos < len && random_chance(random, 3);
        patch_replace(&patch, pos, deletes, bytes_of_string(deletes ? "" : "x"));
        document_local(replica->document, &replica->agents[0], &patch, (struct edit_mark){0}, &replica->log);
        rope_apply(replica->text, &patch);
        patch_release(&patch);
    }
}

static uint64_t way_to(struct replica *replica, uint64_t lv)
{
    struct document *document = replica->document;
    struct keyframe_source source = {document->base, buf_view(&document->log.text)};
    const struct keyframe *keyframe = keyframes_find(&document->keyframes, &document->critical, source, lv + 1);
    return keyframe ? lv + 1 - keyframe->cut : lv + 1;
}

/* To any version the way is hardly longer than from it to the present, and a step or two. */
static void expect_ways(struct replica *replica, uint64_t step)
{
    uint64_t events = document_events(replica->document);
    for (uint64_t lv = 0; lv < events; lv += 7)
        assert_in_range(way_to(replica, lv), 0, (events - lv) / 2 * 3 + 2 * step);
}

static void a_keyframe_is_about_as_near_as_the_present(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("keyframes", 73));
    struct replica ana;
    struct version then = {0};
    struct buf saved = {0};
    struct error err = {0};
    struct patch patch = {0};
    replica_init(&ana, "", 'a');
    ana.document->keyframe_ops = EVERY;
    type_keys(&ana, &random, KEYS);
    version_set(&then, (struct event_id){ana.agents[0], KEYS - 2 * EVERY});
    rope_free(document_text_at(ana.document, ana.text, &then)); /* by the way back, or from the beginning */
    version_set(&then, (struct event_id){ana.agents[0], KEYS / 2});
    rope_free(document_text_at(ana.document, ana.text, &then));
    document_save(ana.document, &saved);
    expect_ways(&ana, EVERY);
    assert_in_range(ana.document->keyframes.count, 5, KEYFRAMES_MAX);
    document_free(ana.document);
    ana.document = document_load(buf_view(&saved), ana.base, &err);
    assert_non_null(ana.document);
    document_update(ana.document, &patch);
    assert_true(document_read_history(ana.document, &err));
    expect_ways(&ana, EVERY);
    buf_release(&saved);
    patch_release(&patch);
    version_release(&then);
    replica_release(&ana);
}

/* A text once made is near to others, so a walk through the past does not begin at the beginning each time. */
static void what_was_asked_for_is_not_walked_again(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("keyframes-again", 74));
    struct replica ana;
    struct version then = {0}, later = {0};
    struct patch patch = {0};
    replica_init(&ana, "", 'a');
    ana.document->keyframe_ops = EVERY;
    type_keys(&ana, &random, KEYS);
    for (uint64_t at = KEYS / 4; at < KEYS / 4 + 50; at += 5) {
        version_set(&then, (struct event_id){ana.agents[0], at});
        version_set(&later, (struct event_id){ana.agents[0], at + 40});
        assert_true(document_patch_between(ana.document, &later, &then, &patch));
        assert_in_range(way_to(&ana, at), 0, 2 * EVERY);
    }
    patch_release(&patch);
    version_release(&then);
    version_release(&later);
    replica_release(&ana);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_from_any_cut_gives_the_models_text),
        cmocka_unit_test(texts_are_what_people_had),
        cmocka_unit_test(a_keyframe_is_about_as_near_as_the_present),
        cmocka_unit_test(what_was_asked_for_is_not_walked_again),
    };
    return RUN_TESTS("document-texts", tests);
}
