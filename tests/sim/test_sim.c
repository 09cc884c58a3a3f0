/* Everything that can go wrong between people, from printed seeds (tests/sim/sim.h). */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static struct sim_seen seen;

#define EVERYTHING .cuts = true, .client_crashes = true, .relay_crashes = true, .restores = true, .undo = true
static const struct sim_options mixes[] = {
    {.name = "calm", .replicas = 3, .edits = 12, .base_bytes = 10},
    {.name = "cuts", .replicas = 4, .edits = 10, .base_bytes = 10, .cuts = true},
    {.name = "undo", .replicas = 3, .edits = 14, .base_bytes = 0, .cuts = true, .undo = true},
    {.name = "crashes", .replicas = 3, .edits = 12, .base_bytes = 10, .cuts = true, .client_crashes = true},
    {.name = "relay", .replicas = 3, .edits = 12, .base_bytes = 10, .cuts = true, .relay_crashes = true},
    {.name = "restores", .replicas = 3, .edits = 12, .base_bytes = 10, .relay_crashes = true, .restores = true},
    {.name = "evil", .replicas = 3, .edits = 12, .base_bytes = 10, .evil = true},
    {.name = "copies", .replicas = 4, .edits = 10, .base_bytes = 10, .cuts = true, .undo = true, .copies = true},
    {.name = "copies-and-crashes",
     .replicas = 4,
     .edits = 10,
     .base_bytes = 10,
     .cuts = true,
     .client_crashes = true,
     .relay_crashes = true,
     .copies = true},
    {.name = "all", .replicas = 5, .edits = 8, .base_bytes = 300000, EVERYTHING},
    {.name = "packs", .replicas = 4, .edits = 30, .base_bytes = 10, .cuts = true, .pack_records_min = 2, .seen = &seen},
    {.name = "packs-evil", .replicas = 3, .edits = 20, .base_bytes = 10, .evil = true, .pack_records_min = 2, .seen = &seen},
    {.name = "packs-all", .replicas = 4, .edits = 20, .base_bytes = 10, EVERYTHING, .pack_records_min = 2, .seen = &seen},
    {.name = "views", .replicas = 4, .edits = 10, .base_bytes = 10, .cuts = true, .undo = true, .views = true},
    {.name = "views-copies", .replicas = 4, .edits = 2, .base_bytes = 10, .cuts = true, .views = true, .copies = true},
    {.name = "moves", .replicas = 4, .edits = 10, .base_bytes = 10, .cuts = true, .moves = true},
    {.name = "moves-crashes", .replicas = 4, .edits = 10, .base_bytes = 10, .cuts = true, .client_crashes = true, .moves = true},
    {.name = "checkpoints", .replicas = 5, .edits = 8, .base_bytes = 10, .checkpoints = true, .seen = &seen},
    {.name = "checkpoints-all", .replicas = 5, .edits = 8, .base_bytes = 10, EVERYTHING, .checkpoints = true, .seen = &seen},
    {.name = "hostile", .replicas = 4, .edits = 25, .base_bytes = 10, .cuts = true, .undo = true, .hostile = true, .seen = &seen},
    {.name = "hostile-copies",
     .replicas = 4,
     .edits = 15,
     .base_bytes = 10,
     .cuts = true,
     .client_crashes = true,
     .relay_crashes = true,
     .undo = true,
     .copies = true,
     .hostile = true,
     .seen = &seen},
    {.name = "crowd", .replicas = 8, .edits = 5, .base_bytes = 10, .cuts = true, .client_crashes = true},
};
#undef EVERYTHING
enum { MIXES = sizeof mixes / sizeof *mixes };

static const struct sim_options *find_mix(const char *name)
{
    for (int i = 0; i < MIXES; i++)
        if (strcmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

static bool is_good(uint64_t seed, const struct sim_options *mix)
{
    struct buf report = {0};
    bool good = sim_run(seed, mix, &report);
    if (!good)
        print_error("%s %llu\n%s", mix->name, (unsigned long long)seed, buf_string(&report));
    buf_release(&report);
    return good;
}

static void run_one(uint64_t seed, const struct sim_options *mix)
{
    assert_true(is_good(seed, mix));
}

static void run_seeds(const char *name, uint64_t rounds)
{
    const struct sim_options *mix = find_mix(name);
    uint64_t seed = support_seed(name, 1);
#ifdef __SANITIZE_ADDRESS__ /* the same paths, five times as slow: all seeds are run without it */
    rounds /= 3;
#endif
    rounds = getenv("WEFT_SEED") ? 1 : support_rounds(rounds);
    for (uint64_t i = 0; i < rounds; i++)
        run_one(seed + i, mix);
}

/* One test a mix: `rounds` seeds each, and those that failed once. */
#define SIM_TEST(function, name, rounds)                                                                               \
    static void function(void **state)                                                                                 \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_seeds(name, rounds);                                                                                       \
    }

SIM_TEST(people_on_a_good_network_end_with_one_text, "calm", 100)
SIM_TEST(cut_connections_lose_and_double_nothing, "cuts", 150)
SIM_TEST(undo_converges_through_cuts, "undo", 100)
SIM_TEST(processes_that_die_come_back_with_all_they_had_committed, "crashes", 150)
SIM_TEST(a_relay_that_crashes_loses_nothing_it_acknowledged, "relay", 150)
SIM_TEST(a_relay_put_back_to_an_old_backup_is_healed_by_its_clients, "restores", 100)
SIM_TEST(an_evil_relay_delays_and_changes_nothing, "evil", 150)
SIM_TEST(a_machine_that_was_copied_while_it_ran_loses_nothing, "copies", 150)
SIM_TEST(so_it_is_when_copies_and_the_relay_crash, "copies-and-crashes", 100)
SIM_TEST(what_a_relay_kept_apart_comes_together, "views", 100)
SIM_TEST(so_does_what_a_copied_machine_wrote_there, "views-copies", 100)
SIM_TEST(a_document_that_moves_while_people_write_loses_nothing, "moves", 100)
SIM_TEST(so_it_is_when_they_crash_meanwhile, "moves-crashes", 100)
SIM_TEST(all_of_it_at_once_converges, "all", 50)
SIM_TEST(eight_people_converge, "crowd", 50)
SIM_TEST(who_comes_later_types_on_a_copy_true_or_false, "checkpoints", 60)
SIM_TEST(so_it_is_when_all_of_it_happens_at_once, "checkpoints-all", 60)
SIM_TEST(packed_logs_converge_through_cuts, "packs", 40)
SIM_TEST(an_evil_relay_gains_nothing_from_packs, "packs-evil", 40)
SIM_TEST(packed_logs_survive_all_of_it_at_once, "packs-all", 40)

SIM_TEST(whoever_wishes_ill_holds_nobody_up, "hostile", 60)
SIM_TEST(nor_where_he_writes_twice_and_everything_crashes, "hostile-copies", 60)

static void what_was_hostile_came_in_portions_was_held_and_merged_in_the_end(void **state)
{
    (void)state;
    print_message("%u portions, %u batches held, %u replicas with runs beyond the text\n", seen.portions, seen.held, seen.void_runs);
    assert_true(seen.portions > 0);
    assert_true(seen.held > 0);
    assert_true(seen.void_runs > 0);
}

static void packs_were_made_and_read_in_place_of_what_they_stand_in_for(void **state)
{
    (void)state;
    assert_true(seen.packs_made > 0);
    assert_true(seen.packs_read > 0);
}

static void copies_were_shown_typed_on_and_found_out(void **state)
{
    (void)state;
    print_message("%u posted, %u right and %u wrong ones shown, %u tokens typed on them\n", seen.posted, seen.right, seen.wrong,
                  seen.typed_ahead);
    assert_true(seen.posted > 0);
    assert_true(seen.right > 0);
    assert_true(seen.wrong > 0);
    assert_true(seen.typed_ahead > 0);
}

static void seeds_that_failed_once_stay_good(void **state)
{
    char name[32];
    unsigned long long seed;
    FILE *file = fopen(WEFT_SOURCE_DIR "/tests/data/sim/seeds.txt", "r");
    (void)state;
    assert_non_null(file);
    while (fscanf(file, "%31s %llu", name, &seed) == 2) {
        assert_non_null(find_mix(name));
        run_one(seed, find_mix(name));
    }
    (void)fclose(file);
}

/* What $WEFT_SIM_MIX names; the exit status. */
static int run_mix_alone(const char *name)
{
    enum { SEEDS = 100 };
    const struct sim_options *mix = find_mix(name);
    const char *asked = getenv("WEFT_SIM_SEEDS");
    uint64_t seed = support_seed(name, 1), seeds = asked ? strtoull(asked, NULL, 0) : SEEDS, bad = 0;
    if (!mix) {
        (void)fprintf(stderr, "test_sim: there is no mix called %s\n", name);
        return EXIT_FAILURE;
    }
    for (uint64_t i = 0; i < seeds; i++)
        bad += !is_good(seed + i, mix);
    printf("%s: %llu of %llu seeds fail\n", name, (unsigned long long)bad, (unsigned long long)seeds);
    return bad > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(void)
{
    const char *mix = getenv("WEFT_SIM_MIX");
    if (mix)
        return run_mix_alone(mix);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_that_failed_once_stay_good),
        cmocka_unit_test(people_on_a_good_network_end_with_one_text),
        cmocka_unit_test(cut_connections_lose_and_double_nothing),
        cmocka_unit_test(undo_converges_through_cuts),
        cmocka_unit_test(processes_that_die_come_back_with_all_they_had_committed),
        cmocka_unit_test(a_relay_that_crashes_loses_nothing_it_acknowledged),
        cmocka_unit_test(a_relay_put_back_to_an_old_backup_is_healed_by_its_clients),
        cmocka_unit_test(an_evil_relay_delays_and_changes_nothing),
        cmocka_unit_test(a_machine_that_was_copied_while_it_ran_loses_nothing),
        cmocka_unit_test(so_it_is_when_copies_and_the_relay_crash),
        cmocka_unit_test(what_a_relay_kept_apart_comes_together),
        cmocka_unit_test(so_does_what_a_copied_machine_wrote_there),
        cmocka_unit_test(a_document_that_moves_while_people_write_loses_nothing),
        cmocka_unit_test(so_it_is_when_they_crash_meanwhile),
        cmocka_unit_test(all_of_it_at_once_converges),
        cmocka_unit_test(eight_people_converge),
        cmocka_unit_test(who_comes_later_types_on_a_copy_true_or_false),
        cmocka_unit_test(so_it_is_when_all_of_it_happens_at_once),
        cmocka_unit_test(copies_were_shown_typed_on_and_found_out),
        cmocka_unit_test(whoever_wishes_ill_holds_nobody_up),
        cmocka_unit_test(nor_where_he_writes_twice_and_everything_crashes),
        cmocka_unit_test(what_was_hostile_came_in_portions_was_held_and_merged_in_the_end),
        cmocka_unit_test(packed_logs_converge_through_cuts),
        cmocka_unit_test(an_evil_relay_gains_nothing_from_packs),
        cmocka_unit_test(packed_logs_survive_all_of_it_at_once),
        cmocka_unit_test(packs_were_made_and_read_in_place_of_what_they_stand_in_for),
    };
    return RUN_TESTS("simulation", tests);
}
