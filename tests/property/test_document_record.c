/*
 * What was recorded and not taken (document_record(), document_take()): a document from which batches are taken now and then is at
 * every moment the same as one from which they are taken after every key, whatever is called in between; and the batches say the
 * same.
 */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/rope.h"
#include "sync/document_collisions.h"

static const struct agent_id ANA = {{'a'}}, DAN = {{'d'}}, WRITER = {{'w'}};

struct copy {
    struct document *document;
    struct rope *text;
    struct batch_list log, others; /* what was taken; what came from elsewhere */
};

struct scene {
    struct rope *base;
    struct copy late, prompt;
    struct version before; /* somewhere in the past */
    uint64_t at, pick;     /* where typing goes on; what was drawn for both copies */
};

static void apply(struct copy *copy, struct patch *patch)
{
    rope_apply(copy->text, patch);
    patch_release(patch);
}

/* --- everything that may be called: does it on one copy, and adds what came out to the answer --- */

typedef void ask_fn(const struct scene *scene, struct copy *copy, struct buf *answer);

static void add_patch(struct buf *answer, const struct patch *patch)
{
    for (size_t i = 0; i < patch->count; i++)
        buf_addf(answer, "%d %llu ", (int)patch->parts[i].kind, (unsigned long long)patch->parts[i].len);
    buf_add_bytes(answer, buf_view(&patch->text));
}

static void add_agent(struct buf *answer, const struct agent_id *agent)
{
    buf_add(answer, agent->bytes, AGENT_ID_BYTES);
}

static void add_number(struct buf *answer, uint64_t number)
{
    buf_addf(answer, "%llu ", (unsigned long long)number);
}

static void add_text(struct buf *answer, const struct rope *text)
{
    rope_append_to(text, 0, rope_len(text), answer);
}

static void ask_version(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct version now = {0};
    (void)scene;
    document_version(copy->document, &now);
    version_encode(&now, answer);
    add_number(answer, document_is_at(copy->document, &now));
    add_number(answer, document_knows(copy->document, &now));
    add_number(answer, document_may_follow(copy->document, &now));
    version_release(&now);
}

static void ask_numbers(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    (void)scene;
    add_number(answer, document_len(copy->document));
    add_number(answer, document_events(copy->document));
    add_number(answer, document_next_seq(copy->document, &ANA));
    add_number(answer, document_update_cost(copy->document, 1000));
    add_number(answer, document_approach_state(copy->document).steps);
    add_number(answer, document_newest_s(copy->document, &scene->before));
}

static void ask_stats(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    (void)scene;
    struct document_stats stats = document_stats(copy->document);
    add_number(answer, stats.events);
    add_number(answer, stats.runs);
    document_check(copy->document);
}

/* Somebody who has seen nothing but his own edits, or all; or what was written here under the same name, elsewhere. */
static void make_batch(const struct scene *scene, struct copy *copy, struct batch *batch)
{
    struct version parents = {0};
    bool own = scene->pick % 3 == 0;
    batch->agent = own ? ANA : DAN;
    batch->seq0 = document_next_seq(copy->document, &batch->agent);
    if (own || scene->pick % 2)
        document_version(copy->document, &parents);
    else if (batch->seq0 > 0)
        version_set(&parents, (struct event_id){DAN, batch->seq0 - 1});
    for (size_t i = 0; i < parents.count; i++)
        batch_add_parent(batch, parents.heads[i]);
    batch_add_insert(batch, 0, bytes_of_string("dan"));
    batch_end(batch);
    version_release(&parents);
}

static void ask_add(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct batch batch = {0};
    struct patch patch = {0};
    struct error err = {0};
    make_batch(scene, copy, &batch);
    add_number(answer, document_approach(copy->document, &batch, 100));
    add_number(answer, document_add(copy->document, &batch, &err));
    batch_copy(batch_list_add(&copy->others), &batch);
    document_update(copy->document, &patch);
    add_patch(answer, &patch);
    apply(copy, &patch);
    batch_release(&batch);
}

static void ask_fork(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    (void)answer;
    uint64_t seq = document_next_seq(copy->document, &DAN);
    document_fork(copy->document, &(struct agent_fork){{{'f', (unsigned char)scene->pick}}, DAN, seq, {{0}}});
}

static void ask_since(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct patch patch = {0};
    uint64_t places[] = {0, 5};
    add_number(answer, document_map(copy->document, &scene->before, places, 2));
    add_number(answer, places[1]);
    add_number(answer, document_patch_since(copy->document, &scene->before, &patch));
    add_patch(answer, &patch);
    patch_release(&patch);
}

static void ask_between(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct patch patch = {0}, to = {0};
    struct version now = {0}, found = {0};
    struct change_list changes = {0};
    document_version(copy->document, &now);
    add_number(answer, document_patch_between(copy->document, &now, &scene->before, &patch));
    add_patch(answer, &patch);
    add_number(answer, document_patch_to(copy->document, &now, &to));
    add_patch(answer, &to);
    add_number(answer, document_changes(copy->document, &scene->before, &now, &patch, &changes));
    add_number(answer, changes.count);
    struct rope *then = document_text_at(copy->document, copy->text, &scene->before);
    add_text(answer, then);
    add_number(answer, document_find_text(copy->document, &scene->before, copy->text, then, &found));
    rope_free(then);
    change_list_release(&changes);
    patch_release(&patch);
    patch_release(&to);
    version_release(&now);
    version_release(&found);
}

static void ask_undo(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct patch patch = {0};
    enum undo_direction way = scene->pick % 3 ? UNDO_BACK : UNDO_AGAIN;
    add_number(answer, document_undo(copy->document, &ANA, 1, &ANA, way, 0, &patch, &copy->log));
    add_patch(answer, &patch);
    apply(copy, &patch);
}

static bool wants_ana(const void *self, const struct agent_id *agent)
{
    (void)self;
    return agent_id_equal(agent, &ANA);
}

static void ask_undo_events(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct event_span_list spans = {0};
    struct patch patch = {0};
    add_number(answer, document_written_since(copy->document, &scene->before, (struct agent_filter){NULL, wants_ana}, &spans));
    add_number(answer, spans.count);
    if (spans.count > 0 && scene->pick % 4 == 0)
        add_number(answer, document_undo_events(copy->document, spans.items, spans.count, &WRITER, 0, &patch, &copy->log));
    add_patch(answer, &patch);
    apply(copy, &patch);
    event_span_list_release(&spans);
}

static uint64_t count_one(void *self, const struct agent_id *agent, uint64_t seq, uint64_t end)
{
    (void)self;
    (void)agent;
    return end > seq;
}

static void ask_edits(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    add_number(answer, document_edits_since(copy->document, &scene->before, (struct batch_counter){NULL, count_one}));
    struct last_edit last = document_last_edit(copy->document, (struct agent_filter){NULL, wants_ana});
    add_agent(answer, &last.agent);
    add_number(answer, last.time_s);
}

static void ask_past(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct log_list log = {0};
    struct version then = {0}, joined = {0};
    struct blame blame = {0};
    struct collision_list collisions = {0};
    document_log(copy->document, &log);
    add_number(answer, log.count);
    document_version_at(copy->document, 2, &then);
    version_encode(&then, answer);
    version_copy(&joined, &scene->before);
    add_number(answer, document_join(copy->document, &joined));
    version_encode(&joined, answer);
    document_blame(copy->document, 0, document_len(copy->document), &blame);
    for (size_t i = 0; i < blame.count; i++) {
        add_number(answer, blame.items[i].len);
        add_agent(answer, &blame.items[i].author);
    }
    add_number(answer, document_collisions(copy->document, &scene->before, NULL, &collisions));
    add_number(answer, collisions.count);
    log_list_release(&log);
    version_release(&then);
    version_release(&joined);
    blame_release(&blame);
    collision_list_release(&collisions);
}

static void ask_saved(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct buf saved = {0};
    struct error err = {0};
    document_encode(copy->document, answer);
    document_save(copy->document, &saved);
    add_number(answer, document_saved_len(buf_view(&saved)));
    struct document *decoded = document_decode(buf_view(&saved), scene->base, &err);
    struct document *loaded = document_load(buf_view(&saved), scene->base, &err);
    struct bytes head = bytes_slice(buf_view(&saved), 0, document_saved_front(buf_view(&saved), scene->base));
    struct document *front = document_load_front(head, scene->base, &err);
    assert_true(decoded && loaded && front);
    add_number(answer, document_events(decoded) + document_events(loaded) + document_events(front));
    if (scene->pick % 2)
        add_number(answer, document_sleep(copy->document, buf_view(&saved)));
    document_let_go(copy->document);
    add_number(answer, document_hold(copy->document));
    if (scene->pick % 4 == 0)
        add_number(answer, document_read_history(copy->document, &err));
    document_free(decoded);
    document_free(loaded);
    document_free(front);
    buf_release(&saved);
}

/* A change by another program, and one of a text ahead of its history. */
static void ask_local_at(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    struct patch patch = {0};
    struct error err = {0};
    patch_replace(&patch, 0, 0, bytes_of_string("disk"));
    add_number(answer, document_local_at(copy->document, &WRITER, &scene->before, &patch, (struct edit_mark){.label = "disk"},
                                         &copy->log, &err));
    patch_clear(&patch);
    document_update(copy->document, &patch);
    apply(copy, &patch);
    struct version now = {0};
    document_version(copy->document, &now);
    if (now.count > 0 && now.count <= BATCH_PARENTS_MAX) {
        struct document *ahead = document_new_at(copy->text, &now);
        ask_version(scene, &(struct copy){.document = ahead}, answer);
        document_free(ahead);
    }
    version_release(&now);
}

static void ask_source(const struct scene *scene, struct copy *copy, struct buf *answer)
{
    (void)scene;
    (void)answer;
    document_set_source(copy->document, (struct document_source){0});
}

/* Each with the functions it calls; document_new() and what typing and comparing call are named at the end. */
static const struct {
    ask_fn *ask;
    const char *calls;
} asks[] = {
    {ask_version, "document_version document_is_at document_knows document_may_follow "},
    {ask_numbers, "document_len document_events document_next_seq document_update_cost document_approach_state "
                  "document_newest_s "},
    {ask_stats, "document_stats document_check "},
    {ask_add, "document_approach document_add document_update "},
    {ask_fork, "document_fork "},
    {ask_since, "document_map document_patch_since "},
    {ask_between, "document_patch_between document_patch_to document_changes document_text_at document_find_text "},
    {ask_undo, "document_undo "},
    {ask_undo_events, "document_written_since document_undo_events "},
    {ask_edits, "document_edits_since document_last_edit "},
    {ask_past, "document_log document_version_at document_join document_blame document_collisions "},
    {ask_saved, "document_encode document_save document_saved_len document_decode document_load document_saved_front "
                "document_load_front document_sleep document_let_go document_hold document_read_history "},
    {ask_local_at, "document_local_at document_new_at "},
    {ask_source, "document_set_source "},
};
enum { ASKS = sizeof asks / sizeof *asks };
static const char *const called_besides = "document_new document_free document_record document_take document_local ";

static void ask_both(struct scene *scene, size_t which)
{
    struct buf late = {0}, prompt = {0};
    asks[which].ask(scene, &scene->late, &late);
    document_take(scene->prompt.document, &scene->prompt.log);
    asks[which].ask(scene, &scene->prompt, &prompt);
    if (!bytes_equal(buf_view(&late), buf_view(&prompt)))
        fail_msg("another answer: %s", asks[which].calls);
    assert_true(rope_equal(scene->late.text, scene->prompt.text));
    buf_release(&late);
    buf_release(&prompt);
}

/* --- typing --- */

static void replace(struct scene *scene, uint64_t deleted, struct bytes text, struct edit_mark mark)
{
    struct patch patch = {0};
    patch_replace(&patch, scene->at, deleted, text);
    document_record(scene->late.document, &ANA, &patch, mark);
    document_local(scene->prompt.document, &ANA, &patch, mark, &scene->prompt.log);
    rope_apply(scene->late.text, &patch);
    apply(&scene->prompt, &patch);
    scene->at += text.len;
}

static void type(struct scene *scene, struct random *random)
{
    uint64_t len = rope_len(scene->late.text);
    struct edit_mark mark = {.gesture = random_chance(random, 6)};
    mark.time_s = random_chance(random, 6) ? 1 + random_below(random, 3) : 0;
    unsigned char text[40];
    size_t count = random_chance(random, 5) ? random_below(random, sizeof text) : 1;
    if (scene->at > len || random_chance(random, 6))
        scene->at = random_below(random, len + 1);
    for (size_t i = 0; i < count; i++)
        text[i] = (unsigned char)('a' + random_below(random, 26));
    for (uint64_t keys = 1 + random_below(random, 5); keys > 0; keys--) {
        uint64_t kind = random_below(random, 5), after = rope_len(scene->late.text) - scene->at;
        if (kind == 0 && scene->at > 0) {
            scene->at--;
            replace(scene, 1, bytes_of(NULL, 0), mark);
        } else if (kind == 1) {
            replace(scene, random_below(random, (after < 5 ? after : 5) + 1), bytes_of(text, count), mark);
        } else {
            replace(scene, 0, bytes_of(text, count), mark);
        }
        mark = (struct edit_mark){0};
    }
}

/* --- the batches --- */

static void add_all(struct document *document, const struct batch_list *list, bool *added, bool *more)
{
    for (size_t i = 0; i < list->count; i++) {
        struct buf plain = {0};
        struct batch batch = {0};
        struct error err = {0};
        batch_encode(&list->items[i], &plain);
        assert_true(batch_decode(buf_view(&plain), &list->items[i].agent, list->items[i].seq0, &batch, &err));
        if (!added[i] && document_add(document, &batch, &err) == DOCUMENT_ADDED)
            *more = added[i] = true;
        batch_release(&batch);
        buf_release(&plain);
    }
}

/* To a replica of somebody else, each as it comes over the wire: what was taken in its order, others' in between. */
static struct copy replay(const struct scene *scene, const struct copy *copy)
{
    struct copy other = {.document = document_new(scene->base), .text = rope_snapshot(scene->base)};
    struct patch patch = {0};
    bool *added = calloc(copy->log.count + 1, sizeof *added), *heard = calloc(copy->others.count + 1, sizeof *heard);
    for (bool more = true; more;) {
        more = false;
        add_all(other.document, &copy->log, added, &more);
        add_all(other.document, &copy->others, heard, &more);
    }
    for (size_t i = 0; i < copy->log.count; i++)
        assert_true(added[i]);
    for (size_t i = 0; i < copy->others.count; i++)
        assert_true(heard[i]);
    free(added);
    free(heard);
    document_update(other.document, &patch);
    apply(&other, &patch);
    return other;
}

/* What an agent wrote first comes first, whoever made the batches. */
static void expect_order(const struct batch_list *log, const struct agent_id *agent)
{
    uint64_t next = 0;
    for (size_t i = 0; i < log->count; i++)
        if (agent_id_equal(&log->items[i].agent, agent)) {
            assert_true(log->items[i].seq0 >= next);
            next = log->items[i].seq0 + log->items[i].count;
        }
}

static void release(struct copy *copy)
{
    document_free(copy->document);
    rope_free(copy->text);
    batch_list_release(&copy->log);
    batch_list_release(&copy->others);
}

static void expect_batches_say_it(const struct scene *scene, const struct copy *copy)
{
    struct copy other = replay(scene, copy);
    expect_order(&copy->log, &ANA);
    expect_order(&copy->log, &WRITER);
    struct version ours = {0}, theirs = {0};
    document_version(copy->document, &ours);
    document_version(other.document, &theirs);
    assert_true(version_equal(&ours, &theirs));
    assert_true(rope_equal(copy->text, other.text));
    version_release(&ours);
    version_release(&theirs);
    release(&other);
}

/* --- tests --- */

static void look_back(struct scene *scene, struct random *random)
{
    const struct batch_list *log = &scene->prompt.log;
    if (log->count > 0 && random_chance(random, 3)) {
        const struct batch *batch = &log->items[random_below(random, log->count)];
        version_set(&scene->before, (struct event_id){batch->agent, batch->seq0 + batch->count - 1});
    }
}

static void live(struct scene *scene, struct random *random)
{
    for (int i = 0; i < 60; i++) {
        type(scene, random);
        assert_true(rope_equal(scene->late.text, scene->prompt.text));
        look_back(scene, random);
        scene->pick = random_below(random, 100);
        if (random_chance(random, 3))
            ask_both(scene, (size_t)random_below(random, ASKS));
        if (random_chance(random, 10))
            document_take(scene->late.document, &scene->late.log);
    }
}

static void batches_may_be_taken_at_any_moment(void **state)
{
    (void)state;
    struct random random;
    struct rounds rounds = rounds_of("document-record", 51, support_rounds(150));
    while (rounds_next(&rounds, &random)) {
        struct scene scene = {.base = rope_from_bytes(bytes_of_string("0123456789"))};
        scene.late = (struct copy){.document = document_new(scene.base), .text = rope_snapshot(scene.base)};
        scene.prompt = (struct copy){.document = document_new(scene.base), .text = rope_snapshot(scene.base)};
        live(&scene, &random);
        document_take(scene.late.document, &scene.late.log);
        expect_batches_say_it(&scene, &scene.late);
        expect_batches_say_it(&scene, &scene.prompt);
        assert_true(scene.late.log.count < scene.prompt.log.count);
        for (size_t i = 0; i < ASKS; i++)
            ask_both(&scene, i);
        rounds.operations += 60;
        release(&scene.late);
        release(&scene.prompt);
        version_release(&scene.before);
        rope_free(scene.base);
    }
}

static bool is_called(const char *name)
{
    bool called = strstr(called_besides, name) != NULL;
    for (size_t i = 0; i < ASKS; i++)
        called = called || strstr(asks[i].calls, name);
    return called;
}

/* Whatever the headers declare. */
static void every_function_of_a_document_is_among_them(void **state)
{
    (void)state;
    static const char *const headers[] = {"document.h", "document_past.h", "document_collisions.h"};
    size_t declared = 0;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct buf path = {0}, text = {0};
        buf_addf(&path, "%s/sync/%s", WEFT_SOURCE_DIR, headers[i]);
        support_read_gz(buf_string(&path), &text);
        for (const char *at = buf_string(&text); (at = strstr(at, "document_")); at++) {
            size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
            if (at[len] != '(' || (at[-1] != ' ' && at[-1] != '*') || strspn(at + len, "()") > 1)
                continue; /* not a declaration: a sentence has () */
            char *name = strndup(at, len + 1);
            name[len] = ' ';
            if (!is_called(name))
                fail_msg("%sis not called here: `asks` has to", name);
            free(name);
            declared++;
        }
        buf_release(&path);
        buf_release(&text);
    }
    assert_true(declared > 40);
}

/* Typing on comes as one batch, and again and again as little as is new; large ones are cut. */
static void rows_of_keys_come_as_one_batch(void **state)
{
    (void)state;
    struct rope *base = rope_new();
    struct document *document = document_new(base);
    struct batch_list log = {0};
    struct patch patch = {0};
    struct batch_op op;
    document_take(document, &log);
    assert_int_equal(log.count, 0); /* nothing is there */
    patch_replace(&patch, 0, 0, bytes_of_string("0123456789"));
    document_local(document, &ANA, &patch, (struct edit_mark){.gesture = true}, &log);
    for (uint64_t i = 0; i < 5; i++) {
        patch_replace(&patch, 3 + i, 0, bytes_of_string("x"));
        document_record(document, &ANA, &patch, (struct edit_mark){0});
    }
    for (uint64_t i = 0; i < 3; i++) {
        patch_replace(&patch, 7 - i, 1, bytes_of(NULL, 0));
        document_record(document, &ANA, &patch, (struct edit_mark){0});
    }
    document_take(document, &log);
    assert_int_equal(log.count, 2);
    assert_int_equal(log.items[1].seq0, 10);
    assert_int_equal(log.items[1].count, 8);
    assert_int_equal(log.items[1].op_count, 4);
    assert_int_equal(log.items[1].flags, BATCH_FLAG_SELF);
    struct batch_ops ops = batch_ops_of(&log.items[1]);
    assert_true(batch_next_op(&ops, &op) && op.kind == OP_INSERT && op.pos == 3 && op.len == 5);
    assert_true(batch_next_op(&ops, &op) && op.kind == OP_DELETE && op.pos == 7 && op.len == 1);
    document_take(document, &log);
    assert_int_equal(log.count, 2); /* nothing is new */
    char *much = calloc(1, BATCH_BYTES_MAX + 1);
    memset(much, 'm', BATCH_BYTES_MAX + 1);
    patch_replace(&patch, 0, 2, bytes_of(much, BATCH_BYTES_MAX + 1));
    document_record(document, &ANA, &patch, (struct edit_mark){0});
    document_take(document, &log);
    assert_int_equal(log.count, 4);
    assert_int_equal(log.items[2].seq0 + log.items[2].count, log.items[3].seq0);
    assert_int_equal(log.items[3].seq0 + log.items[3].count, document_events(document));
    free(much);
    patch_release(&patch);
    batch_list_release(&log);
    document_free(document);
    rope_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_keys_come_as_one_batch),
        cmocka_unit_test(batches_may_be_taken_at_any_moment),
        cmocka_unit_test(every_function_of_a_document_is_among_them),
    };
    return RUN_TESTS("document_record", tests);
}
