/* The event graph: recorded answers, and random graphs against sets of ancestors. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/critical.h"
#include "sync/graph.h"
#include "sync/lv_list.h"

/* --- recorded answers --- */

static void read_list(const cJSON *array, struct lv_list *out)
{
    const cJSON *item;
    out->count = 0;
    cJSON_ArrayForEach(item, array)
        lv_list_add(out, (uint64_t)item->valuedouble);
    lv_list_sort(out);
}

static void read_ranges(const cJSON *array, struct lv_ranges *out)
{
    const cJSON *item;
    out->count = 0;
    cJSON_ArrayForEach(item, array)
        lv_ranges_add(out, (uint64_t)cJSON_GetArrayItem(item, 0)->valuedouble,
                      (uint64_t)cJSON_GetArrayItem(item, 1)->valuedouble);
    lv_ranges_sort(out);
}

static struct graph *read_graph(const cJSON *rows)
{
    const cJSON *row;
    struct lv_list parents = {0};
    struct graph *graph = graph_new();
    struct agent_id id = {{1}};
    size_t agent = graph_agent(graph, &id);
    cJSON_ArrayForEach(row, rows) {
        const cJSON *span = cJSON_GetObjectItem(row, "span");
        uint64_t first = (uint64_t)cJSON_GetArrayItem(span, 0)->valuedouble;
        uint64_t end = (uint64_t)cJSON_GetArrayItem(span, 1)->valuedouble;
        read_list(cJSON_GetObjectItem(row, "parents"), &parents);
        assert_int_equal(graph_add(graph, agent, first, end - first, parents.items, parents.count), first);
    }
    lv_list_release(&parents);
    return graph;
}

static void for_each_line(const char *name, void (*each)(const cJSON *vector))
{
    char *dir = support_data_dir();
    if (!dir) {
        fprintf(stderr, "no test data: skipped\n");
        skip();
        return;
    }
    char *path = xformat("%s/vectors/%s.jsonl.gz", dir, name), *rest = NULL;
    struct buf text = {0};
    support_read_gz(path, &text);
    buf_add_byte(&text, '\0');
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        cJSON *vector = cJSON_Parse(line);
        assert_non_null(vector);
        each(vector);
        cJSON_Delete(vector);
    }
    buf_release(&text);
    free(path);
    free(dir);
}

static void expect_ranges(struct lv_ranges *found, const cJSON *expected)
{
    struct lv_ranges wanted = {0};
    read_ranges(expected, &wanted);
    lv_ranges_sort(found);
    assert_int_equal(found->count, wanted.count);
    for (size_t i = 0; i < wanted.count; i++) {
        assert_int_equal(found->items[i].first, wanted.items[i].first);
        assert_int_equal(found->items[i].end, wanted.items[i].end);
    }
    lv_ranges_release(&wanted);
}

static void check_diff(const cJSON *vector)
{
    struct graph *graph = read_graph(cJSON_GetObjectItem(vector, "hist"));
    struct lv_list a = {0}, b = {0};
    struct lv_ranges only_a = {0}, only_b = {0};
    read_list(cJSON_GetObjectItem(vector, "a"), &a);
    read_list(cJSON_GetObjectItem(vector, "b"), &b);
    graph_diff(graph, &a, &b, &only_a, &only_b);
    expect_ranges(&only_a, cJSON_GetObjectItem(vector, "expect_a"));
    expect_ranges(&only_b, cJSON_GetObjectItem(vector, "expect_b"));
    lv_ranges_release(&only_a);
    lv_ranges_release(&only_b);
    lv_list_release(&a);
    lv_list_release(&b);
    graph_free(graph);
}

/* The file asks about -1, the root, too: it is in every version. */
static void check_contains(const cJSON *vector)
{
    struct graph *graph = read_graph(cJSON_GetObjectItem(vector, "hist"));
    struct lv_list version = {0};
    double target = cJSON_GetObjectItem(vector, "target")->valuedouble;
    bool expected = cJSON_IsTrue(cJSON_GetObjectItem(vector, "expected"));
    read_list(cJSON_GetObjectItem(vector, "frontier"), &version);
    if (target >= 0)
        assert_int_equal(graph_contains(graph, version.items, version.count, (uint64_t)target), expected);
    lv_list_release(&version);
    graph_free(graph);
}

static void read_spans(const cJSON *array, struct lv_ranges *out)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        const cJSON *span = cJSON_GetArrayItem(item, 0); /* what follows says on which side it is */
        lv_ranges_add(out, (uint64_t)cJSON_GetObjectItem(span, "start")->valuedouble,
                      (uint64_t)cJSON_GetObjectItem(span, "end")->valuedouble);
    }
    lv_ranges_sort(out);
}

/* The events that a merge of a and b has to replay are those beyond the common base, whichever side they are on. */
static void check_conflicting(const cJSON *vector)
{
    struct graph *graph = read_graph(cJSON_GetObjectItem(vector, "hist"));
    struct lv_list both = {0}, b = {0}, common = {0};
    struct lv_ranges found = {0}, none = {0}, wanted = {0};
    read_list(cJSON_GetObjectItem(vector, "a"), &both);
    read_list(cJSON_GetObjectItem(vector, "b"), &b);
    read_list(cJSON_GetObjectItem(vector, "expect_common"), &common);
    read_spans(cJSON_GetObjectItem(vector, "expect_spans"), &wanted);
    for (size_t i = 0; i < b.count; i++)
        lv_list_add(&both, b.items[i]);
    lv_list_sort(&both);
    graph_diff(graph, &both, &common, &found, &none);
    lv_ranges_sort(&found);
    assert_int_equal(none.count, 0);
    assert_int_equal(found.count, wanted.count);
    for (size_t i = 0; i < found.count; i++)
        assert_true(found.items[i].first == wanted.items[i].first && found.items[i].end == wanted.items[i].end);
    lv_ranges_release(&found);
    lv_ranges_release(&none);
    lv_ranges_release(&wanted);
    lv_list_release(&both);
    lv_list_release(&b);
    lv_list_release(&common);
    graph_free(graph);
}

static void diff_gives_the_recorded_answers(void **state)
{
    (void)state;
    for_each_line("graph-diff", check_diff);
}

static void contains_gives_the_recorded_answers(void **state)
{
    (void)state;
    for_each_line("graph-version_contains", check_contains);
}

static void conflicts_are_what_lies_beyond_the_common_base(void **state)
{
    (void)state;
    for_each_line("graph-conflicting", check_conflicting);
}

/* --- random graphs against sets --- */

enum { EVENTS_MAX = 96, AGENTS = 4 };

struct sets {
    struct graph *graph;
    struct critical critical;
    bool before[EVENTS_MAX][EVENTS_MAX]; /* [e][a]: a is e or an ancestor of it */
    size_t agent_of[EVENTS_MAX];
    uint64_t seq_of[EVENTS_MAX];
};

static bool set_holds(const struct sets *sets, const struct lv_list *version, size_t event)
{
    for (size_t i = 0; i < version->count; i++)
        if (sets->before[version->items[i]][event])
            return true;
    return false;
}

/* A reduced version of events below `end`; may be empty. */
static void random_version(const struct sets *sets, struct random *random, uint64_t end, struct lv_list *out)
{
    struct lv_list picked = {0};
    for (uint64_t i = end > 0 ? random_below(random, 4) : 0; i > 0; i--)
        lv_list_add(&picked, random_below(random, end));
    lv_list_sort(&picked);
    out->count = 0;
    for (size_t i = 0; i < picked.count; i++) {
        bool redundant = false;
        for (size_t j = i + 1; j < picked.count; j++)
            redundant |= sets->before[picked.items[j]][picked.items[i]];
        if (!redundant)
            lv_list_add(out, picked.items[i]);
    }
    lv_list_release(&picked);
}

static void grow(struct sets *sets, struct random *random)
{
    struct lv_list parents = {0};
    uint64_t first = graph_len(sets->graph), len = 1 + random_below(random, 4);
    struct agent_id id = {{(unsigned char)random_below(random, AGENTS)}};
    size_t agent = graph_agent(sets->graph, &id);
    uint64_t seq = graph_next_seq(sets->graph, agent);
    if (random_chance(random, 3))
        random_version(sets, random, first, &parents);
    else
        lv_list_set(&parents, graph_frontier(sets->graph)->items, graph_frontier(sets->graph)->count);
    for (uint64_t lv = first; lv < first + len; lv++) {
        sets->agent_of[lv] = agent;
        sets->seq_of[lv] = seq + (lv - first);
        for (uint64_t a = 0; a < lv; a++)
            sets->before[lv][a] = lv > first ? sets->before[lv - 1][a] : set_holds(sets, &parents, a);
        sets->before[lv][lv] = true;
    }
    graph_add(sets->graph, agent, seq, len, parents.items, parents.count);
    critical_add(&sets->critical, sets->graph, first, first + len - 1, parents.items, parents.count);
    lv_list_release(&parents);
}

static void check_ids(const struct sets *sets)
{
    for (uint64_t lv = 0; lv < graph_len(sets->graph); lv++) {
        struct graph_author author = graph_author_of(sets->graph, lv);
        uint64_t back;
        assert_int_equal(author.agent, sets->agent_of[lv]);
        assert_int_equal(author.seq, sets->seq_of[lv]);
        assert_true(graph_find(sets->graph, author.agent, author.seq, &back, NULL));
        assert_int_equal(back, lv);
    }
}

static bool is_critical(const struct sets *sets, uint64_t version)
{
    for (uint64_t event = 0; event < graph_len(sets->graph); event++)
        if (!sets->before[version][event] && !sets->before[event][version])
            return false;
    return true;
}

static void check_critical(const struct sets *sets)
{
    for (uint64_t lv = 0; lv < graph_len(sets->graph); lv++) {
        const struct critical_range *range = critical_find(&sets->critical, lv);
        bool found = range && lv >= range->first && lv <= range->last;
        assert_int_equal(found, is_critical(sets, lv));
    }
}

/* Whether everything from `cut` on has seen all that lies before. */
static bool is_cut(const struct sets *sets, uint64_t cut)
{
    for (uint64_t event = cut; event < graph_len(sets->graph); event++)
        for (uint64_t before = 0; before < cut; before++)
            if (!sets->before[event][before])
                return false;
    return true;
}

/* All events: what comes after them is not there to say so, so a version of several is none yet. */
static bool is_known_cut(const struct sets *sets, uint64_t cut)
{
    return is_cut(sets, cut) && (cut < graph_len(sets->graph) || graph_frontier(sets->graph)->count == 1);
}

static void check_cuts(const struct sets *sets)
{
    struct lv_list version = {0};
    uint64_t newest = 0;
    for (uint64_t cut = 1; cut <= graph_len(sets->graph); cut++) {
        newest = is_known_cut(sets, cut) ? cut : newest;
        assert_int_equal(critical_cut_upto(&sets->critical, cut), newest);
        assert_int_equal(critical_cut_from(&sets->critical, cut) == cut, newest == cut);
        critical_cut_version(&sets->critical, sets->graph, newest, &version);
        for (uint64_t lv = 0; lv < graph_len(sets->graph); lv++)
            assert_int_equal(set_holds(sets, &version, lv), lv < newest);
        assert_true(graph_is_reduced(sets->graph, version.items, version.count));
    }
    lv_list_release(&version);
}

static bool ranges_hold(const struct lv_ranges *ranges, uint64_t lv)
{
    for (size_t i = 0; i < ranges->count; i++)
        if (ranges->items[i].first <= lv && lv < ranges->items[i].end)
            return true;
    return false;
}

static void check_versions(const struct sets *sets, struct random *random)
{
    struct lv_list a = {0}, b = {0};
    struct lv_ranges only_a = {0}, only_b = {0};
    random_version(sets, random, graph_len(sets->graph), &a);
    random_version(sets, random, graph_len(sets->graph), &b);
    graph_diff(sets->graph, &a, &b, &only_a, &only_b);
    for (uint64_t lv = 0; lv < graph_len(sets->graph); lv++) {
        bool in_a = set_holds(sets, &a, lv), in_b = set_holds(sets, &b, lv);
        assert_int_equal(graph_contains(sets->graph, a.items, a.count, lv), in_a);
        assert_int_equal(ranges_hold(&only_a, lv), in_a && !in_b);
        assert_int_equal(ranges_hold(&only_b, lv), in_b && !in_a);
    }
    assert_true(graph_is_reduced(sets->graph, a.items, a.count));
    for (size_t i = 0; i < b.count; i++)
        lv_list_add(&a, b.items[i]);
    lv_list_sort(&a);
    bool reduced = true;
    for (size_t i = 0; i < a.count; i++)
        for (size_t j = i + 1; j < a.count; j++)
            reduced &= !sets->before[a.items[j]][a.items[i]];
    assert_int_equal(graph_is_reduced(sets->graph, a.items, a.count), reduced);
    lv_list_release(&a);
    lv_list_release(&b);
    lv_ranges_release(&only_a);
    lv_ranges_release(&only_b);
}

static void random_graphs_answer_like_sets_of_ancestors(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("graph", 41));
    static struct sets sets;
    for (uint64_t round = support_rounds(60); round > 0; round--) {
        sets = (struct sets){.graph = graph_new()};
        while (graph_len(sets.graph) + 4 < EVENTS_MAX) {
            grow(&sets, &random);
            check_critical(&sets);
            check_cuts(&sets);
            check_versions(&sets, &random);
        }
        check_ids(&sets);
        graph_check(sets.graph);
        critical_release(&sets.critical);
        graph_free(sets.graph);
    }
}

static void an_agent_may_fork_and_arrive_out_of_order(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    struct agent_id id = {{7}};
    size_t agent = graph_agent(graph, &id);
    uint64_t lv, len;
    graph_add(graph, agent, 5, 3, NULL, 0);
    graph_add(graph, agent, 0, 2, NULL, 0);
    assert_true(graph_find(graph, agent, 1, &lv, &len));
    assert_int_equal(lv, 4);
    assert_false(graph_find(graph, agent, 2, &lv, &len));
    assert_true(graph_find(graph, agent, 5, &lv, &len));
    assert_true(lv == 0 && len == 3);
    assert_int_equal(graph_next_seq(graph, agent), 8);
    assert_int_equal(graph_frontier(graph)->count, 2);
    graph_check(graph);
    graph_free(graph);
}

static void who_wrote_the_newest_event_goes_on_after_it_unless_there_are_others(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    const struct agent_id ana = {{1}}, ben = {{2}};
    size_t agent = graph_agent(graph, &ana);
    uint64_t parent = 2;
    struct event_id next;
    assert_false(graph_write_on(graph, &ana, 1)); /* nothing is there yet */
    assert_false(graph_next(graph, &next));
    graph_add(graph, agent, 0, 3, NULL, 0);
    assert_false(graph_write_on(graph, &ben, 1));
    assert_true(graph_write_on(graph, &ana, 4));
    assert_true(graph_next(graph, &next) && agent_id_equal(&next.agent, &ana) && next.seq == 7);
    assert_int_equal(graph_len(graph), 7);
    assert_int_equal(graph_next_seq(graph, agent), 7);
    assert_int_equal(graph_runs(graph), 1);
    assert_true(lv_list_is(graph_frontier(graph), (const uint64_t[]){6}, 1));
    graph_check(graph);
    graph_add(graph, graph_agent(graph, &ben), 0, 1, &parent, 1);
    assert_false(graph_write_on(graph, &ana, 1)); /* two heads */
    assert_false(graph_next(graph, &next));
    assert_false(graph_write_on(graph, &ben, 1));
    graph_add(graph, agent, 7, 1, (const uint64_t[]){6, 7}, 2);
    assert_false(graph_write_on(graph, &ben, 1));
    assert_true(graph_write_on(graph, &ana, 1));
    assert_int_equal(graph_next_seq(graph, agent), 9);
    graph_check(graph);
    graph_free(graph);
}

/* A name may be heard before the branch: nothing is known of it then, and nothing of that stays. */
static void a_name_without_events_becomes_a_branch_and_no_other_does(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    const struct agent_id ana = {{1}}, ben = {{2}}, name = {{9}};
    const struct agent_fork fork = {name, ana, 2, {{8}}};
    struct agent_fork found;
    size_t branch = graph_agent(graph, &name), agent = graph_agent(graph, &ana);
    graph_add(graph, agent, 0, 3, NULL, 0);
    graph_add(graph, graph_agent(graph, &ben), 0, 3, NULL, 0);
    assert_true(graph_branch(graph, &fork));
    assert_true(graph_branch(graph, &fork));
    assert_true(graph_fork_of(graph, branch, &found));
    assert_true(agent_id_equal(&found.from, &ana) && agent_id_equal(&found.rival, &fork.rival));
    assert_int_equal(found.seq, 2);
    assert_int_equal(graph_next_seq(graph, branch), 2);
    assert_false(graph_branch(graph, &(struct agent_fork){ben, ana, 1, {{8}}}));
    assert_int_equal(graph_next_seq(graph, graph_agent(graph, &ben)), 3);
    const struct agent_id nobody = {{10}};
    assert_true(graph_branch(graph, &(struct agent_fork){{{11}}, nobody, 0, {{8}}}));
    assert_false(graph_branch(graph, &(struct agent_fork){nobody, {{11}}, 0, {{8}}})); /* it would leave itself */
    assert_false(graph_branch(graph, &(struct agent_fork){nobody, nobody, 0, {{8}}}));
    graph_check(graph);
    graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diff_gives_the_recorded_answers),
        cmocka_unit_test(contains_gives_the_recorded_answers),
        cmocka_unit_test(conflicts_are_what_lies_beyond_the_common_base),
        cmocka_unit_test(random_graphs_answer_like_sets_of_ancestors),
        cmocka_unit_test(an_agent_may_fork_and_arrive_out_of_order),
        cmocka_unit_test(who_wrote_the_newest_event_goes_on_after_it_unless_there_are_others),
        cmocka_unit_test(a_name_without_events_becomes_a_branch_and_no_other_does),
    };
    return RUN_TESTS("graph", tests);
}
