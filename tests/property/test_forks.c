/*
 * Agents that fork: machines that are copied while they run and both go on under one agent. Whoever has seen the same batches,
 * in whatever order, in whatever portions, with whatever restarts in between, has the same text and the same version.
 */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "sync/chain.h"
#include "sync/document.h"

enum { RECORDS_MAX = 400, MACHINES_MAX = 8, BATCHES_MAX = 3, PACK_MAX = 32 };

static const struct doc_id doc = {{0xd0}};

/* What travels: consecutive batches of one agent. The digest stands for the signature, which is over it. */
struct parcel {
    struct agent_id agent;
    uint64_t seq0;
    struct buf plains[PACK_MAX];
    size_t count;
    struct digest last;
    const struct machine *by;
};

/* A process with all it knows. */
struct machine {
    struct agent_id agent;
    struct chain *chain;
    struct document *document;
    struct rope *base, *text;
    size_t heard[RECORDS_MAX]; /* parcels, in the order it took or made them */
    size_t heard_count;
    bool has[RECORDS_MAX];
};

struct world {
    struct random random;
    struct parcel parcels[RECORDS_MAX];
    size_t count;
    struct machine machines[MACHINES_MAX];
    size_t machine_count;
};

static void machine_init(struct machine *machine, const struct agent_id *agent)
{
    *machine = (struct machine){.agent = *agent, .chain = chain_new(&doc)};
    machine->base = rope_from_bytes(bytes_of_string("base"));
    machine->text = rope_snapshot(machine->base);
    machine->document = document_new(machine->base);
}

static void machine_release(struct machine *machine)
{
    chain_free(machine->chain);
    document_free(machine->document);
    rope_free(machine->base);
    rope_free(machine->text);
}

static void update(struct machine *machine)
{
    struct patch patch = {0};
    document_update(machine->document, &patch);
    rope_apply(machine->text, &patch);
    document_check(machine->document);
    rope_check(machine->text);
    patch_release(&patch);
}

static struct agent_id fresh_agent(struct world *world)
{
    struct agent_id agent = {{0}};
    for (size_t i = 0; i < sizeof agent.bytes; i++)
        agent.bytes[i] = (unsigned char)random_next(&world->random);
    return agent;
}

/* --- writing --- */

static void note_heard(struct machine *machine, size_t parcel)
{
    machine->has[parcel] = true;
    machine->heard[machine->heard_count++] = parcel;
}

static void random_patch(struct world *world, const struct machine *machine, struct patch *patch)
{
    uint64_t len = rope_len(machine->text), at = random_below(&world->random, len + 1);
    patch_retain(patch, at);
    if (at < len && random_chance(&world->random, 3))
        patch_delete(patch, 1 + random_below(&world->random, len - at < 4 ? len - at : 4));
    char text[4];
    size_t count = 1 + (size_t)random_below(&world->random, sizeof text);
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('a' + random_below(&world->random, 26));
    patch_insert(patch, bytes_of(text, count));
}

static void pack(struct machine *machine, const struct batch *batch, struct parcel *parcel)
{
    struct batch wire = {0};
    struct buf *plain = &parcel->plains[parcel->count++];
    batch_copy(&wire, batch);
    chain_name_batch(machine->chain, &wire);
    batch_encode(&wire, plain);
    assert_int_equal(chain_add(machine->chain, &wire, buf_view(plain), &parcel->last), CHAIN_NEXT);
    batch_release(&wire);
}

/* One edit, or an undo; several batches may go in one parcel. */
static void write(struct world *world, struct machine *machine)
{
    struct parcel *parcel = &world->parcels[world->count];
    struct batch_list batches = {0};
    for (uint64_t n = 1 + random_below(&world->random, BATCHES_MAX); n > 0 && batches.count < BATCHES_MAX; n--) {
        struct patch patch = {0};
        if (random_chance(&world->random, 5)) {
            document_undo(machine->document, &machine->agent, 1, &machine->agent, UNDO_BACK, 0, &patch, &batches);
        } else {
            random_patch(world, machine, &patch);
            document_local(machine->document, &machine->agent, &patch, (struct edit_mark){.gesture = true}, &batches);
        }
        rope_apply(machine->text, &patch);
        patch_release(&patch);
    }
    if (batches.count > 0) {
        parcel->agent = batches.items[0].agent;
        parcel->seq0 = batches.items[0].seq0;
        parcel->by = machine;
        for (size_t i = 0; i < batches.count; i++)
            pack(machine, &batches.items[i], parcel);
        note_heard(machine, world->count++);
    }
    batch_list_release(&batches);
}

/* --- taking --- */

static bool find_way(struct machine *machine, const struct parcel *parcel, const struct batch_run *run, struct digest *digests)
{
    for (unsigned way = 0; way < CHAIN_WAYS_MAX; way++) {
        switch (chain_check_run(machine->chain, run, way, digests)) {
        case CHAIN_EARLY:
        case CHAIN_NO_WAY:
        case CHAIN_CROWDED:
        case CHAIN_NAMESAKE:
            return false;
        case CHAIN_NEXT:
        case CHAIN_FORKED:
        case CHAIN_KNOWN:
            if (digest_equal(&digests[parcel->count - 1], &parcel->last))
                return true;
        }
    }
    return false;
}

static bool take_opened(struct machine *machine, const struct parcel *parcel, struct batch_run *run)
{
    struct digest digests[PACK_MAX];
    struct chain_taken taken;
    struct error err = {0};
    if (!find_way(machine, parcel, run, digests))
        return false;
    enum chain_link link = chain_take_run(machine->chain, run, 0, &parcel->last, digests, &taken);
    assert_true(link == CHAIN_NEXT || link == CHAIN_FORKED || link == CHAIN_KNOWN);
    if (taken.forked)
        document_fork(machine->document, &taken.fork);
    batch_run_drop(run, taken.known);
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        if (document_add(machine->document, cursor.batch, &err) != DOCUMENT_ADDED)
            fail_msg("%s", err.text[0] ? err.text : "a linked batch is not added");
    batch_cursor_release(&cursor);
    return true;
}

/* False: too early. */
static bool take(struct machine *machine, const struct parcel *parcel)
{
    struct batch_run run;
    struct buf plain = {0};
    struct error err = {0};
    struct batch batch = {0};
    uint64_t seq = parcel->seq0;
    for (size_t i = 0; i < parcel->count; i++) {
        assert_true(batch_decode(buf_view(&parcel->plains[i]), &parcel->agent, seq, &batch, &err));
        buf_add_sized(&plain, buf_view(&parcel->plains[i]));
        seq += batch.count;
    }
    batch_release(&batch);
    assert_true(batch_run_read(buf_view(&plain), &parcel->agent, parcel->seq0, seq - parcel->seq0, &run, &err));
    assert_int_equal(run.count, parcel->count);
    bool taken = take_opened(machine, parcel, &run);
    batch_run_release(&run);
    buf_release(&plain);
    return taken;
}

static bool hear(struct world *world, struct machine *machine, size_t parcel)
{
    if (machine->has[parcel] || !take(machine, &world->parcels[parcel]))
        return machine->has[parcel];
    note_heard(machine, parcel);
    return true;
}

/* From a saved document and chain, as after a restart. */
static void restart(struct machine *machine)
{
    struct buf document = {0}, chain = {0}, again = {0};
    struct error err = {0};
    document_encode(machine->document, &document);
    chain_encode(machine->chain, &chain);
    document_free(machine->document);
    chain_free(machine->chain);
    machine->document = document_decode(buf_view(&document), machine->base, &err);
    machine->chain = chain_decode(&doc, buf_view(&chain), &err);
    assert_non_null(machine->document);
    assert_non_null(machine->chain);
    chain_encode(machine->chain, &again);
    assert_true(bytes_equal(buf_view(&chain), buf_view(&again)));
    rope_free(machine->text);
    machine->text = rope_snapshot(machine->base);
    update(machine);
    buf_release(&document);
    buf_release(&chain);
    buf_release(&again);
}

/* Everything, in a random order; what is early is offered again until all is taken. */
static void hear_all(struct world *world, struct machine *machine, bool restarts)
{
    size_t order[RECORDS_MAX];
    for (size_t i = 0; i < world->count; i++) {
        size_t j = (size_t)random_below(&world->random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < world->count; i++) {
            if (machine->has[order[i]] || !hear(world, machine, order[i]))
                continue;
            moved = true;
            if (random_chance(&world->random, 4))
                update(machine);
            if (restarts && random_chance(&world->random, 16))
                restart(machine);
        }
    }
    update(machine);
    assert_int_equal(machine->heard_count, world->count);
    document_check(machine->document);
}

/* --- life --- */

/* A copy of a running machine: it knows the same, in the same order, and goes on as the same agent. */
static void copy_machine(struct world *world, const struct machine *original)
{
    struct machine *copy = &world->machines[world->machine_count++];
    machine_init(copy, &original->agent);
    for (size_t i = 0; i < original->heard_count; i++)
        assert_true(hear(world, copy, original->heard[i]));
    update(copy);
}

static void live(struct world *world, unsigned steps, bool evil)
{
    while (steps-- > 0) {
        struct machine *machine = &world->machines[random_below(&world->random, world->machine_count)];
        uint64_t what = random_below(&world->random, 10);
        if (what == 0 && world->machine_count < MACHINES_MAX) {
            copy_machine(world, machine);
        } else if (what < 5 && world->count < RECORDS_MAX) {
            /* Who sees himself forked goes on as somebody else, unless he does not care. */
            if (chain_is_forked(machine->chain, &machine->agent) && !evil)
                machine->agent = fresh_agent(world);
            write(world, machine);
        } else {
            for (size_t i = 0; i < world->count; i++)
                if (random_chance(&world->random, 2))
                    hear(world, machine, i);
            update(machine);
        }
    }
}

static void named_version(const struct machine *machine, struct version *version)
{
    document_version(machine->document, version);
    chain_name_heads(machine->chain, version->heads, version->count);
}

static void expect_same(const struct machine *a, const struct machine *b)
{
    struct version left = {0}, right = {0};
    named_version(a, &left);
    named_version(b, &right);
    assert_true(rope_equal(a->text, b->text));
    assert_true(version_equal(&left, &right));
    chain_place_heads(b->chain, left.heads, left.count);
    assert_true(document_knows(b->document, &left));
    version_release(&left);
    version_release(&right);
}

/* People live; in the end everybody has everything. */
static void begin(struct world *world, uint64_t seed, unsigned steps, bool evil)
{
    world->random = random_of(seed);
    for (int i = 0; i < 2; i++) {
        struct agent_id agent = fresh_agent(world);
        machine_init(&world->machines[world->machine_count++], &agent);
    }
    live(world, steps, evil);
    for (size_t i = 0; i < world->machine_count; i++)
        hear_all(world, &world->machines[i], false);
}

static void end(struct world *world)
{
    for (size_t i = 0; i < world->machine_count; i++)
        machine_release(&world->machines[i]);
    for (size_t i = 0; i < world->count; i++)
        for (size_t b = 0; b < world->parcels[i].count; b++)
            buf_release(&world->parcels[i].plains[b]);
}

static size_t run(struct world *world, uint64_t seed, bool evil)
{
    begin(world, seed, 60, evil);
    for (int i = 0; i < 3; i++) {
        struct machine observer;
        machine_init(&observer, &(struct agent_id){{0xff}});
        hear_all(world, &observer, i > 0);
        expect_same(&observer, &world->machines[0]);
        machine_release(&observer);
    }
    for (size_t i = 1; i < world->machine_count; i++)
        expect_same(&world->machines[i], &world->machines[0]);
    size_t forks = chain_forks(world->machines[0].chain);
    end(world);
    return forks;
}

/*
 * A machine is copied. Its owner hears neither the copy nor ana; ana hears him and answers, and does not know of the copy. She
 * is cut off: her answers go out together.
 */
static void live_one_sided(struct world *world, unsigned steps)
{
    struct machine *owner = &world->machines[0], *ana = &world->machines[1];
    copy_machine(world, owner);
    struct machine *copy = &world->machines[world->machine_count - 1];
    while (steps-- > 0) {
        switch (random_below(&world->random, 3)) {
        case 0:
            write(world, owner);
            break;
        case 1:
            write(world, copy);
            break;
        default:
            for (size_t i = 0; i < world->count; i++)
                if (world->parcels[i].by != copy)
                    hear(world, ana, i);
            update(ana);
            write(world, ana);
        }
    }
}

/* Parcels from `from` on that a machine wrote become as few as possible. They share their bytes with what they were. */
static void pack_parcels(const struct world *world, const struct machine *by, size_t from, struct world *packed)
{
    struct parcel *pack = NULL;
    packed->random = world->random;
    for (size_t i = 0; i < world->count; i++) {
        const struct parcel *parcel = &world->parcels[i];
        bool packs = i >= from && parcel->by == by;
        if (packs && pack && pack->count + parcel->count <= PACK_MAX) {
            memcpy(pack->plains + pack->count, parcel->plains, parcel->count * sizeof *pack->plains);
            pack->count += parcel->count;
            pack->last = parcel->last;
            continue;
        }
        packed->parcels[packed->count++] = *parcel;
        if (packs)
            pack = &packed->parcels[packed->count - 1];
    }
}

static size_t run_one_sided(struct world *world, uint64_t seed)
{
    struct world *packed = xcalloc(1, sizeof *packed);
    begin(world, seed, 6, false);
    size_t from = world->count;
    live_one_sided(world, 60);
    for (size_t i = 0; i < world->machine_count; i++)
        hear_all(world, &world->machines[i], false);
    pack_parcels(world, &world->machines[1], from, packed);
    for (int i = 0; i < 3; i++) {
        struct machine observer;
        machine_init(&observer, &(struct agent_id){{0xff}});
        hear_all(packed, &observer, i > 0);
        expect_same(&observer, &world->machines[0]);
        machine_release(&observer);
    }
    size_t forks = chain_forks(world->machines[0].chain);
    end(world);
    free(packed);
    return forks;
}

static void run_worlds(const char *name, bool evil)
{
    struct random random = random_of(support_seed(name, 4));
    size_t forks = 0;
    for (uint64_t round = support_rounds(60); round > 0; round--) {
        struct world *world = xcalloc(1, sizeof *world);
        forks += run(world, random_next(&random), evil);
        free(world);
    }
    assert_true(forks > 0);
}

static void so_it_is_when_answers_to_one_side_come_together(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("one side", 9));
    size_t forks = 0;
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        struct world *world = xcalloc(1, sizeof *world);
        forks += run_one_sided(world, random_next(&random));
        free(world);
    }
    assert_true(forks > 0);
}

/* Saved bytes of forked agents, changed anywhere: refused, or a document and a chain that are whole. */
static void decode_damaged(struct world *world, const struct machine *machine, struct buf *document, struct buf *chain)
{
    struct error err = {0};
    struct buf *which = random_chance(&world->random, 2) ? document : chain;
    size_t at = (size_t)random_below(&world->random, which->len < 400 ? which->len : 400);
    unsigned char was = which->data[at];
    which->data[at] = (unsigned char)random_next(&world->random);
    struct document *document_read = document_decode(buf_view(document), machine->base, &err);
    struct chain *chain_read = chain_decode(&doc, buf_view(chain), &err);
    if (document_read) {
        struct patch patch = {0};
        document_update(document_read, &patch);
        document_check(document_read);
        patch_release(&patch);
    }
    document_free(document_read);
    chain_free(chain_read);
    which->data[at] = was;
}

static void saved_forks_that_are_damaged_are_refused_or_whole(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("damaged forks", 6));
    for (uint64_t round = support_rounds(10); round > 0; round--) {
        struct world *world = xcalloc(1, sizeof *world);
        struct buf document = {0}, chain = {0};
        begin(world, random_next(&random), 60, false);
        document_encode(world->machines[0].document, &document);
        chain_encode(world->machines[0].chain, &chain);
        for (int i = 0; i < 300; i++)
            decode_damaged(world, &world->machines[0], &document, &chain);
        buf_release(&document);
        buf_release(&chain);
        end(world);
        free(world);
    }
}

static void who_has_seen_the_same_batches_has_the_same_text_and_version(void **state)
{
    (void)state;
    run_worlds("forks", false);
}

static void so_it_is_when_copies_go_on_although_they_know(void **state)
{
    (void)state;
    run_worlds("evil forks", true);
}

/* --- names of branches in others' hands --- */

/* A parcel of one insert at the beginning of the text, behind `after`, which is its agent's first (NULL: it is that itself). */
static const struct parcel *say(struct world *world, const struct agent_id *agent, const struct parcel *after,
                                const char *text, const struct event_span *undo)
{
    struct parcel *parcel = &world->parcels[world->count++];
    struct batch batch = {.agent = *agent, .flags = after ? BATCH_FLAG_SELF : 0};
    batch.seq0 = after ? bytes_of_string("zero").len : 0;
    batch_add_insert(&batch, 0, bytes_of_string(text));
    if (undo) {
        batch.flags |= BATCH_FLAG_UNDO;
        batch_add_undo(&batch, *undo);
    }
    *parcel = (struct parcel){.agent = *agent, .seq0 = batch.seq0, .count = 1};
    batch_encode(&batch, &parcel->plains[0]);
    chain_digest(&doc, &batch, buf_view(&parcel->plains[0]), after ? &after->last : NULL, NULL, &parcel->last);
    batch_release(&batch);
    return parcel;
}

/* What a branch is called that begins with this parcel. */
static struct agent_id name_of(const struct parcel *parcel)
{
    struct agent_id name;
    memcpy(name.bytes, parcel->last.bytes, sizeof name.bytes);
    return name;
}

/* Parcel 0 is taken first, the others in the n-th of their orders; how many are taken in all. */
static size_t hear_in_order(struct world *world, struct machine *machine, size_t n, bool restarts)
{
    size_t left[RECORDS_MAX] = {0}, taken = hear(world, machine, 0);
    for (size_t i = 1; i < world->count; i++)
        left[i - 1] = i;
    for (size_t count = world->count - 1; count > 0; n /= count, count--) {
        size_t at = n % count;
        taken += hear(world, machine, left[at]);
        memmove(left + at, left + at + 1, (count - 1 - at) * sizeof *left);
        if (restarts)
            restart(machine);
    }
    update(machine);
    document_check(machine->document);
    return taken;
}

static const struct agent_id eve = {{'e'}}, honest = {{0x80}}, helper = {{'h'}};

/* Parcels of begin_fork(). */
enum { ZERO, ONE, HONEST, TWO };

static bool came_first(const struct machine *machine, size_t parcel, size_t other)
{
    for (size_t i = 0; i < machine->heard_count; i++)
        if (machine->heard[i] == parcel || machine->heard[i] == other)
            return machine->heard[i] == parcel;
    return false;
}

/* Two machines of eve's go on differently, and what the second writes is called what sorts behind the honest. */
static const struct parcel *begin_fork(struct world *world, bool at_once)
{
    const struct parcel *zero = say(world, at_once ? &helper : &eve, NULL, "zero", NULL);
    const struct parcel *after = at_once ? NULL : zero, *two;
    char text[] = "two a";
    say(world, &eve, after, "one", NULL);
    say(world, &honest, NULL, "honest", NULL);
    for (;; buf_release(&world->parcels[--world->count].plains[0])) {
        two = say(world, &eve, after, text, NULL);
        struct agent_id name = name_of(two);
        if (agent_id_compare(&honest, &name) < 0)
            return two;
        text[sizeof text - 2]++;
    }
}

static void expect_one_text_in_all_orders(struct world *world, size_t orders)
{
    struct machine first, other;
    machine_init(&first, &honest);
    assert_int_equal(hear_in_order(world, &first, 0, false), world->count);
    for (size_t n = 0; n < 2 * orders; n++) {
        machine_init(&other, &honest);
        assert_int_equal(hear_in_order(world, &other, n / 2, n % 2), world->count);
        expect_same(&first, &other);
        machine_release(&other);
    }
    machine_release(&first);
}

static void a_span_names_a_branch_before_it_comes(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        struct world *world = xcalloc(1, sizeof *world);
        const struct parcel *two = begin_fork(world, at_once);
        say(world, &(struct agent_id){{'z'}}, NULL, "s", &(struct event_span){name_of(two), 0, 1});
        expect_one_text_in_all_orders(world, 24);
        end(world);
        free(world);
    }
}

/* Of the two, what came first is there. Who reads one log has one text, whether he starts again in between or not. */
static void somebody_writes_under_the_name_of_a_branch(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        struct world *world = xcalloc(1, sizeof *world);
        struct agent_id name = name_of(begin_fork(world, at_once));
        say(world, &name, NULL, "stranger", NULL);
        for (size_t n = 0; n < 24; n++) {
            struct machine stays, restarts;
            machine_init(&stays, &honest);
            machine_init(&restarts, &honest);
            size_t taken = hear_in_order(world, &stays, n, false);
            bool is_branch = !stays.has[TWO] || came_first(&stays, ONE, TWO); /* else two goes on as eve */
            assert_int_equal(taken, world->count - is_branch);
            assert_int_equal(hear_in_order(world, &restarts, n, true), taken);
            expect_same(&stays, &restarts);
            for (size_t i = 0; i < world->count; i++) /* what was left out stays so, what is there is known */
                assert_int_equal(take(&stays, &world->parcels[i]), stays.has[i]);
            machine_release(&stays);
            machine_release(&restarts);
        }
        end(world);
        free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_seen_the_same_batches_has_the_same_text_and_version),
        cmocka_unit_test(so_it_is_when_copies_go_on_although_they_know),
        cmocka_unit_test(so_it_is_when_answers_to_one_side_come_together),
        cmocka_unit_test(a_span_names_a_branch_before_it_comes),
        cmocka_unit_test(somebody_writes_under_the_name_of_a_branch),
        cmocka_unit_test(saved_forks_that_are_damaged_are_refused_or_whole),
    };
    return RUN_TESTS("forks", tests);
}
