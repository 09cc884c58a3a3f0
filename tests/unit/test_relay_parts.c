/* What a relay is made of: its agents, limits, outgoing frames, and the HTTP it understands. */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "sync/relay/agents.h"
#include "sync/relay/http_head.h"
#include "sync/relay/limits.h"
#include "sync/relay/relay_frame.h"

/* --- agents --- */

static struct store_agent agent_numbered(uint64_t number)
{
    struct store_agent agent = {.number = number, .next_seq = 10 * number};
    memcpy(agent.id.bytes, &number, sizeof number);
    return agent;
}

static struct relay_agent *find_numbered(const struct agents *agents, uint64_t number)
{
    struct store_agent agent = agent_numbered(number);
    return agents_find(agents, &agent.id);
}

static void agents_are_found_by_id_and_by_number(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct agents agents = {0};
    assert_null(find_numbered(&agents, 1));
    assert_null(agents_at(&agents, 1));
    for (uint64_t number = 1; number <= COUNT; number++) {
        struct store_agent is = agent_numbered(number);
        const struct relay_agent *agent = agents_add(&agents, &is);
        assert_int_equal(agent->durable_seq, 0);
        assert_false(agent->durable);
    }
    for (uint64_t number = 1; number <= COUNT; number++) {
        struct relay_agent *agent = find_numbered(&agents, number);
        assert_non_null(agent);
        assert_int_equal(agent->is.next_seq, 10 * number);
        assert_ptr_equal(agents_at(&agents, number), agent);
    }
    assert_null(find_numbered(&agents, COUNT + 1));
    assert_null(agents_at(&agents, 0));
    assert_null(agents_at(&agents, COUNT + 1));
    assert_null(agents_at(&agents, UINT64_MAX));
    agents_release(&agents);
    assert_int_equal(agents.count, 0);
}

/* Both halves of an id go into its hash; these have the same one. */
static void ids_that_collide_are_told_apart(void **state)
{
    (void)state;
    struct agents agents = {0};
    for (uint64_t number = 1; number <= 12; number++) {
        struct store_agent is = agent_numbered(number << 40);
        is.number = number;
        agents_add(&agents, &is);
    }
    for (uint64_t number = 1; number <= 12; number++)
        assert_int_equal(find_numbered(&agents, number << 40)->is.number, number);
    assert_null(find_numbered(&agents, (uint64_t)13 << 40));
    agents_release(&agents);
}

/* --- limits: buckets --- */

static const struct relay_rate slow = {.rate = 2, .burst = 5};

static void a_bucket_gives_what_was_saved_up_and_then_its_rate(void **state)
{
    (void)state;
    struct bucket bucket;
    bucket_fill(&bucket, slow, 1000);
    for (uint64_t i = 0; i < slow.burst; i++)
        assert_true(bucket_take(&bucket, slow, 1, 1000));
    assert_false(bucket_take(&bucket, slow, 1, 1000));
    assert_true(bucket_take(&bucket, slow, 1, 1500));
    assert_false(bucket_take(&bucket, slow, 1, 1500));
    bucket_fill(&bucket, slow, 1500);
    assert_true(bucket_take(&bucket, slow, slow.burst, 100000)); /* no more is saved than its burst */
    assert_false(bucket_open(&bucket, slow, 100000));
}

static void whoever_has_something_left_may_go_into_debt_once_and_pays_it(void **state)
{
    (void)state;
    struct bucket bucket;
    bucket_fill(&bucket, slow, 0);
    assert_true(bucket_take(&bucket, slow, 15, 0));
    assert_false(bucket_take(&bucket, slow, 1, 5000)); /* ten owed, ten paid, nothing left */
    assert_true(bucket_open(&bucket, slow, 5001));
    bucket_pay(&bucket, slow, 100, 5001); /* what has been taken is owed, also without asking */
    assert_false(bucket_open(&bucket, slow, 50000));
    assert_true(bucket_open(&bucket, slow, UINT64_MAX)); /* any time later */
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
    (void)state;
    struct bucket bucket;
    bucket_fill(&bucket, slow, 1000);
    assert_true(bucket_take(&bucket, slow, slow.burst, 1000));
    assert_false(bucket_open(&bucket, slow, 0));
}

static void a_rate_of_0_is_no_limit(void **state)
{
    (void)state;
    const struct relay_rate none = {0, 0};
    struct bucket bucket;
    bucket_fill(&bucket, none, 0);
    for (int i = 0; i < 3; i++)
        assert_true(bucket_take(&bucket, none, UINT32_MAX, 0));
}

/* --- limits: the list --- */

static void every_limit_of_the_list_can_be_set_as_it_is_by_default(void **state)
{
    (void)state;
    static const struct {
        const char *option, *usual, *help;
    } rows[] = {
#define LIMIT(option, value, kind, field, usual, help) {option, usual, help},
#include "sync/relay/limit_list.h"
#undef LIMIT
    };
    const struct relay_limits usual = relay_limits_default();
    struct relay_limits set;
    memset(&set, 0xff, sizeof set);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = {0};
        assert_true(relay_limits_know(rows[i].option));
        assert_true(relay_limits_set(&set, rows[i].option, rows[i].usual, &err));
        assert_true(strlen(rows[i].help) > 0);
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(rows[other].option, rows[i].option);
    }
    assert_memory_equal(&set, &usual, sizeof usual); /* every field has a row */
}

/* --- limits: addresses --- */

#define HOUR_MS ((uint64_t)60 * 60 * 1000)

static const struct relay_limits strict = {.address_accepts = {1, 10}, .address_refusals = {1, 7200}};

static void an_address_is_one_entry_with_full_buckets(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    addresses_purge(&addresses, &strict, 0);
    struct address *one = addresses_get(&addresses, "192.0.2.1", &strict, 0);
    assert_string_equal(one->text, "192.0.2.1");
    assert_int_equal(one->accepts.level, 10 * 1000);
    assert_ptr_equal(addresses_get(&addresses, "192.0.2.1", &strict, 5), one);
    assert_ptr_not_equal(addresses_get(&addresses, "192.0.2.2", &strict, 5), one);
    assert_int_equal(addresses.count, 2);
    addresses_release(&addresses);
    assert_int_equal(addresses.count, 0);
}

static void what_is_longer_than_an_address_is_cut_and_still_found(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    char text[3 * RELAY_ADDRESS_BYTES_MAX] = "";
    memset(text, 'x', sizeof text - 1);
    struct address *address = addresses_get(&addresses, text, &strict, 0);
    assert_int_equal(strlen(address->text), RELAY_ADDRESS_BYTES_MAX - 1);
    assert_ptr_equal(addresses_get(&addresses, text, &strict, 0), address);
    addresses_release(&addresses);
}

static void an_address_is_forgotten_when_nothing_about_it_matters(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct address *here = addresses_get(&addresses, "here", &strict, 0);
    here->connections = 1;
    struct address *owner = addresses_get(&addresses, "owner", &strict, 0);
    owner->documents = 1;
    addresses_get(&addresses, "passer-by", &strict, 0);
    addresses_purge(&addresses, &strict, HOUR_MS);
    assert_int_equal(addresses.count, 2);
    assert_ptr_equal(addresses_get(&addresses, "here", &strict, HOUR_MS), here); /* pointers to others stay */
    assert_int_equal(addresses_get(&addresses, "owner", &strict, HOUR_MS)->documents, 1);
    here->connections = 0;
    addresses_purge(&addresses, &strict, 25 * HOUR_MS);
    assert_int_equal(addresses.count, 0);
    addresses_release(&addresses);
}

/* Who fails 7200 proofs, and comes again after a while, would else have as many once more. */
static void what_an_address_owes_is_not_forgotten_before_it_is_paid(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct address *guesser = addresses_get(&addresses, "guesser", &strict, 0);
    bucket_pay(&guesser->refusals, strict.address_refusals, 7200, 0);
    addresses_purge(&addresses, &strict, HOUR_MS);
    guesser = addresses_get(&addresses, "guesser", &strict, HOUR_MS);
    assert_int_equal(guesser->refusals.level, 3600 * 1000);
    addresses_purge(&addresses, &strict, 2 * HOUR_MS);
    assert_int_equal(addresses.count, 0);
    addresses_release(&addresses);
}

static void documents_are_counted_a_day(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    addresses_get(&addresses, "owner", &strict, 0)->documents = 5;
    assert_int_equal(addresses_get(&addresses, "owner", &strict, 24 * HOUR_MS - 1)->documents, 5);
    assert_int_equal(addresses_get(&addresses, "owner", &strict, 24 * HOUR_MS)->documents, 0);
    addresses_release(&addresses);
}

/* --- relay_frame --- */

static void a_frame_is_a_copy_with_room_in_front(void **state)
{
    (void)state;
    char payload[] = "frame";
    struct relay_frame *frame = relay_frame_new(bytes_of_string(payload));
    payload[0] = 'x';
    assert_true(bytes_equal(relay_frame_payload(frame), bytes_of_string("frame")));
    assert_ptr_equal(relay_frame_payload(frame).data, relay_frame_data(frame));
    memset(relay_frame_data(frame) - RELAY_FRAME_HEADROOM, 0xff, RELAY_FRAME_HEADROOM);
    assert_true(bytes_equal(relay_frame_payload(frame), bytes_of_string("frame")));
    relay_frame_drop(frame);
}

static void a_frame_lives_as_long_as_somebody_has_it(void **state)
{
    (void)state;
    struct relay_frame *frame = relay_frame_new(bytes_of("", 0));
    assert_ptr_equal(relay_frame_share(frame), frame);
    relay_frame_drop(frame);
    assert_int_equal(relay_frame_payload(frame).len, 0);
    relay_frame_drop(frame);
    relay_frame_drop(NULL);
}

/* --- http_head --- */

static bool parses(const char *text)
{
    struct http_head head;
    return http_head_parse(bytes_of_string(text), &head);
}

static void expect_text(const struct bytes *value, const char *text)
{
    assert_non_null(value);
    assert_true(bytes_equal(*value, bytes_of_string(text)));
}

static void a_head_ends_with_its_empty_line(void **state)
{
    (void)state;
    assert_int_equal(http_head_length(bytes_of_string("GET / HTTP/1.1\r\n\r\nbody")), 18);
    assert_int_equal(http_head_length(bytes_of_string("GET / HTTP/1.1\r\n\r")), 0);
    assert_int_equal(http_head_length(bytes_of_string("")), 0);
    assert_int_equal(http_head_length((struct bytes){0}), 0);
}

static void a_request_has_a_method_a_target_and_fields(void **state)
{
    (void)state;
    struct http_head head;
    const char *text = "GET /a?b HTTP/1.1\r\nHost: x.example\r\nEmpty:\r\nX-Tab:\t a b \t\r\n\r\n";
    assert_true(http_head_parse(bytes_of_string(text), &head));
    expect_text(&head.method, "GET");
    expect_text(&head.target, "/a?b");
    assert_int_equal(head.field_count, 3);
    expect_text(http_head_field(&head, "HOST"), "x.example"); /* any case */
    expect_text(http_head_field(&head, "empty"), "");
    expect_text(http_head_field(&head, "x-tab"), "a b"); /* without white space at its ends */
    assert_null(http_head_field(&head, "hos"));
}

static void what_could_be_read_in_two_ways_is_not_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "\r\n\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n", "G\tT / HTTP/1.1\r\n\r\n", " / HTTP/1.1\r\n\r\n", "GET /\x7f HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",        /* a space behind the name */
        "GET / HTTP/1.1\r\n: b\r\n\r\n",          /* no name */
        "GET / HTTP/1.1\r\nA\r\n\r\n",            /* no colon */
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",   /* folded */
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",      /* bare CR */
        "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",   /* bare LF */
        "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",     /* a control character */
        "GET / HTTP/1.1\r\nA: b\r\n\r\nC: d\r\n", /* something behind the end */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parses(bad[i]))
            fail_msg("was read: %s", bad[i]);
    assert_true(parses("GET / HTTP/1.1\r\n\r\n"));
    assert_false(parses("GET / HTTP/1.1\r\nA: b\r\n"));
    struct http_head head;
    assert_false(http_head_parse(bytes_of("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 27), &head));
}

static void so_many_fields_and_no_more(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_add_string(&text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        buf_add_string(&text, "A: b\r\n");
    size_t len = text.len;
    buf_add_string(&text, "\r\n");
    assert_true(parses(buf_string(&text)));
    text.len = len;
    buf_add_string(&text, "A: b\r\n\r\n");
    assert_false(parses(buf_string(&text)));
    buf_release(&text);
}

static void a_field_that_is_there_twice_is_none(void **state)
{
    (void)state;
    struct http_head head;
    assert_true(http_head_parse(bytes_of_string("GET / HTTP/1.1\r\nA: 1\r\na: 2\r\nB: 3\r\n\r\n"), &head));
    assert_null(http_head_field(&head, "A"));
    expect_text(http_head_last(&head, "A"), "2");
    assert_int_equal(http_head_count(&head, "A"), 2);
    expect_text(http_head_last(&head, "b"), "3");
    assert_null(http_head_last(&head, "c"));
    assert_int_equal(http_head_count(&head, "c"), 0);
}

static void a_list_holds_whole_words(void **state)
{
    (void)state;
    struct http_head head;
    const char *text = "GET / HTTP/1.1\r\nUpgrade: keep-alive , WebSocket\r\nupgrade: weft.1,\r\n\r\n";
    assert_true(http_head_parse(bytes_of_string(text), &head));
    assert_true(http_head_lists(&head, "Upgrade", "websocket", true));
    assert_false(http_head_lists(&head, "Upgrade", "websocket", false));
    assert_true(http_head_lists(&head, "Upgrade", "weft.1", false)); /* in any field of that name */
    assert_false(http_head_lists(&head, "Upgrade", "weft", true));
    assert_false(http_head_lists(&head, "Connection", "websocket", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agents_are_found_by_id_and_by_number),
        cmocka_unit_test(ids_that_collide_are_told_apart),
        cmocka_unit_test(a_bucket_gives_what_was_saved_up_and_then_its_rate),
        cmocka_unit_test(whoever_has_something_left_may_go_into_debt_once_and_pays_it),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(a_rate_of_0_is_no_limit),
        cmocka_unit_test(every_limit_of_the_list_can_be_set_as_it_is_by_default),
        cmocka_unit_test(an_address_is_one_entry_with_full_buckets),
        cmocka_unit_test(what_is_longer_than_an_address_is_cut_and_still_found),
        cmocka_unit_test(an_address_is_forgotten_when_nothing_about_it_matters),
        cmocka_unit_test(what_an_address_owes_is_not_forgotten_before_it_is_paid),
        cmocka_unit_test(documents_are_counted_a_day),
        cmocka_unit_test(a_frame_is_a_copy_with_room_in_front),
        cmocka_unit_test(a_frame_lives_as_long_as_somebody_has_it),
        cmocka_unit_test(a_head_ends_with_its_empty_line),
        cmocka_unit_test(a_request_has_a_method_a_target_and_fields),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_not_read),
        cmocka_unit_test(so_many_fields_and_no_more),
        cmocka_unit_test(a_field_that_is_there_twice_is_none),
        cmocka_unit_test(a_list_holds_whole_words),
    };
    return RUN_TESTS("relay_parts", tests);
}
