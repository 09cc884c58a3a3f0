/* The program's small parts: command line, configuration, JSON, prompts, keys, addresses, people, worker. */
#include "tests/support/support.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/addresses.h"
#include "app/args.h"
#include "app/config.h"
#include "app/file_kind.h"
#include "app/file_system.h"
#include "app/json.h"
#include "app/keymap.h"
#include "app/path_completion.h"
#include "app/paths.h"
#include "app/people.h"
#include "app/prompt.h"
#include "app/target.h"
#include "app/verbs.h"
#include "app/worker.h"
#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"

/* --- the command line --- */

static const struct option_spec specs[] = {
    {"--relay", "URL", "where"}, {"--no-edit", NULL, "no screen"}, {NULL, NULL, NULL}};

static bool parse(struct args *args, struct error *err, int argc, const char *const *argv)
{
    return args_parse(args, "share", specs, argc, argv, err);
}

static void options_and_arguments_come_in_any_order(void **state)
{
    (void)state;
    struct args args;
    struct error err = {0};
    const char *argv[] = {"a.md", "--relay", "ws://x:1", "--no-edit", "-", "--", "--b"};
    assert_true(parse(&args, &err, 7, argv));
    assert_string_equal(args_value(&args, "--relay"), "ws://x:1");
    assert_true(args_flag(&args, "--no-edit"));
    assert_int_equal(args.positional_count, 3);
    assert_string_equal(args.positional[1], "-");
    assert_string_equal(args.positional[2], "--b");
    args_release(&args);
    const char *equals[] = {"--relay=ws://y:2"};
    assert_true(parse(&args, &err, 1, equals));
    assert_string_equal(args_value(&args, "--relay"), "ws://y:2");
    assert_false(args_flag(&args, "--no-edit"));
    args_release(&args);
}

static void a_wrong_option_is_named_with_what_there_is(void **state)
{
    (void)state;
    struct args args;
    struct error err = {0};
    assert_false(parse(&args, &err, 1, (const char *[]){"--rely"}));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, "share: unknown option --rely; it knows --relay, --no-edit");
    assert_false(parse(&args, &err, 1, (const char *[]){"--relay"}));
    assert_string_equal(err.text, "share: --relay needs a value: URL");
    assert_false(parse(&args, &err, 1, (const char *[]){"--no-edit=1"}));
    assert_string_equal(err.text, "share: --no-edit takes no value");
}

static void a_mistyped_verb_is_recognised_and_a_file_is_not(void **state)
{
    (void)state;
    assert_string_equal(verb_near("shrae", false)->name, "share");
    assert_string_equal(verb_near("jion", false)->name, "join");
    assert_string_equal(verb_near("relya", true)->name, "relay");
    assert_null(verb_near("dino", false));
    assert_string_equal(verb_near("snkc", true)->name, "sync");
    for (int more = 0; more < 2; more++) {
        assert_null(verb_near("a", more));
        assert_null(verb_near("bin", more));
        assert_null(verb_near("notes", more));
        assert_null(verb_near("Makefile", more));
    }
    assert_null(verb_find("shrae"));
}

static void a_place_behind_a_file_name_is_split_off(void **state)
{
    (void)state;
    static const struct {
        const char *word, *path;
        uint64_t line, column;
    } cases[] = {{"a.c:12", "a.c", 12, 0}, {"a.c:12:3", "a.c", 12, 3}, {"a.c", "a.c", 0, 0},     {"a:b", "a:b", 0, 0},
                 {":5", ":5", 0, 0},       {"a.c:12:", "a.c", 12, 0},  {"a.c:x:3", "a.c:x", 3, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t line, column;
        char *path = target_path(cases[i].word, &line, &column);
        assert_string_equal(path, cases[i].path);
        assert_int_equal(line, cases[i].line);
        assert_int_equal(column, cases[i].column);
        free(path);
    }
}

/* --- configuration and JSON --- */

static void a_configuration_with_comments_is_read(void **state)
{
    (void)state;
    struct config config;
    struct error err = {0};
    const char *text = "// mine\n{ \"name\": \"Ada // L.\", /* here */ \"tab_width\": 4,\n \"line_numbers\": true, \"keys\": \"vim\" }";
    assert_int_equal(config_parse(&config, bytes_of_string(text), &err), CONFIG_GOOD);
    assert_string_equal(config.name, "Ada // L.");
    assert_int_equal(config.tab_width, 4);
    assert_true(config.line_numbers && config.vim_keys);
    config_release(&config);
    assert_int_equal(config_parse(&config, bytes_of_string(" \n"), &err), CONFIG_GOOD);
    assert_int_equal(config.tab_width, 8);
    config_release(&config);
}

static void a_setting_with_a_mistake_is_told_and_all_others_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"tab_widht\": 4, \"keys\": \"vim\"}", "line 1 is left out, the rest holds: there is no setting \"tab_widht\""},
        {"{\"keys\": \"vim\", // line 1\n \"tab_width\": 0}", "line 2 is left out, the rest holds: \"tab_width\" must be a whole "
                                                            "number from 1 to 16"},
        {"{\n/*\n*/ \"tab_width\" : \"4\",\n\"keys\": \"vim\"}", "line 3 is left out"},
        {"{\"tab_width\": 4.5, \"keys\": \"vim\"}", "whole number"},
        {"{\"keys\": \"vim\", \"na\\u006de\": 3}", "\"name\" must be a text in quotes"},
        {"{\"x\": {\"y\": [1, \"}\"]},\n\"keys\": \"vim\",\n\"tab_width\": 99, \"z\": 1}",
         "line 1 is left out, the rest holds: there is no setting \"x\"; there are name, relay, relay_token_file, tab_width, "
         "indent_spaces, merge_ms, line_numbers, keys (2 more like it)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct error err = {0};
        assert_int_equal(config_parse(&config, bytes_of_string(cases[i].text), &err), CONFIG_PARTLY);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_int_equal(config.tab_width, 8);
        assert_null(config.name);
        assert_true(config.vim_keys);
        config_release(&config);
    }
}

static void what_is_no_configuration_is_told_and_the_defaults_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{\n\"tab_width\": 4,\n}", "line 3"},
        {"[]", "one JSON object"},
        {"{\"name\": \"a\", \"name\": \"b\"}", "twice"},
        {"{} x", "it is not right JSON"},
        {"{} x\n", "line 1 is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct error err = {0};
        assert_int_equal(config_parse(&config, bytes_of_string(cases[i].text), &err), CONFIG_UNUSED);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_int_equal(config.tab_width, 8);
        assert_null(config.name);
    }
}

static void a_member_is_replaced_in_a_text_and_all_else_stays(void **state)
{
    static const char *const texts[][2] = {
        {"", "{\n  \"name\": \"b\\\"x\"\n}\n"},
        {"/* nothing yet", "{\n  \"name\": \"b\\\"x\"\n}\n/* nothing yet"},
        {"{}", "{\n  \"name\": \"b\\\"x\"\n}"},
        {"{ \"name\": \"a\" }", "{ \"name\": \"b\\\"x\" }"},
        {"{\"tab_width\":4}", "{\n  \"name\": \"b\\\"x\",\"tab_width\":4}"},
        {"{\n  /* me { */ \"name\" : // \"name\": 1\n  \"a\\\"}\", // \n \"keys\": \"vim\"\n}\n",
         "{\n  /* me { */ \"name\" : // \"name\": 1\n  \"b\\\"x\", // \n \"keys\": \"vim\"\n}\n"},
        {"{\"x\":{\"name\":[1,{\"name\":2}]},\"name\":null,\"y\":[]}", "{\"x\":{\"name\":[1,{\"name\":2}]},\"name\":\"b\\\"x\",\"y\":[]}"},
        {"{\"a\":{},\"name\":{\"b\":[\"]\"]}}", "{\"a\":{},\"name\":\"b\\\"x\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out = {0};
        struct error err = {0};
        assert_true(json_replace_text(bytes_of_string(texts[i][0]), "name", "b\"x", &out, &err));
        assert_string_equal(buf_string(&out), texts[i][1]);
        struct json *json = json_parse(buf_view(&out), true, &err);
        const char *name = NULL;
        assert_non_null(json);
        assert_true(json_text(json_member(json, "name"), &name));
        assert_string_equal(name, "b\"x");
        json_free(json);
        buf_release(&out);
    }
    struct buf out = {0};
    struct error err = {0};
    assert_false(json_replace_text(bytes_of_string("{\"name\": }"), "name", "b", &out, &err));
    assert_int_equal(out.len, 0);
}

static void numbers_beyond_what_json_can_carry_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    int64_t number = 0;
    struct json *json = json_parse(bytes_of_string("{\"a\": 9007199254740993000, \"b\": 12, \"c\": 1e400}"), false, &err);
    assert_non_null(json);
    assert_false(json_whole(json_member(json, "a"), &number));
    assert_true(json_whole(json_member(json, "b"), &number));
    assert_int_equal(number, 12);
    assert_false(json_whole(json_member(json, "c"), &number));
    assert_null(json_member(json, "d"));
    json_free(json);
    assert_null(json_parse(bytes_of_string("{\"a\": \"x\\u0000y\"}"), false, &err));
    assert_null(json_parse(bytes_of("{}\0", 3), false, &err));
}

/* --- prompts and keys --- */

static enum prompt_answer press(struct prompt *prompt, uint32_t code, unsigned mods)
{
    char choice = 0;
    return prompt_key(prompt, (struct key){code, mods}, 0, &choice);
}

static void a_prompt_offers_the_last_answer_and_a_character_replaces_it(void **state)
{
    (void)state;
    struct prompt prompt = {0};
    prompt_open_again(&prompt, "Find:", "old words");
    assert_int_equal(press(&prompt, KEY_ENTER, 0), PROMPT_DONE);
    assert_string_equal(buf_string(&prompt.typed), "old words");
    prompt_open_again(&prompt, "Find:", "old words");
    press(&prompt, 'n', 0);
    press(&prompt, 'e', 0);
    assert_string_equal(buf_string(&prompt.typed), "ne");
    prompt_open_again(&prompt, "Find:", "old words");
    press(&prompt, 'w', KEY_CTRL);
    press(&prompt, 'x', 0);
    assert_string_equal(buf_string(&prompt.typed), "old x");
    press(&prompt, 'a', KEY_CTRL);
    press(&prompt, 'k', KEY_CTRL);
    prompt_paste(&prompt, bytes_of_string("a\nb"));
    assert_string_equal(buf_string(&prompt.typed), "a b");
    prompt_open_again(&prompt, "Find:", "old words");
    prompt_paste(&prompt, bytes_of_string("new"));
    press(&prompt, KEY_BACKSPACE, 0);
    assert_string_equal(buf_string(&prompt.typed), "ne");
    prompt_release(&prompt);
}

static void a_paste_that_does_not_fit_into_a_prompt_is_told_and_changes_nothing(void **state)
{
    (void)state;
    struct prompt prompt = {0};
    struct buf text = {0};
    memset(buf_extend(&text, PROMPT_BYTES_MAX + 1), 'x', PROMPT_BYTES_MAX + 1);
    prompt_open_again(&prompt, "Find:", "old words");
    assert_false(prompt_paste(&prompt, buf_view(&text)));
    assert_string_equal(buf_string(&prompt.typed), "old words");
    assert_true(prompt.suggested && prompt.refused);
    assert_true(prompt_paste(&prompt, bytes_slice(buf_view(&text), 0, PROMPT_BYTES_MAX))); /* in place of what was there */
    assert_int_equal(prompt.typed.len, PROMPT_BYTES_MAX);
    assert_false(prompt_paste(&prompt, bytes_of_string("y")));
    assert_int_equal(prompt.typed.len, PROMPT_BYTES_MAX);
    press(&prompt, KEY_LEFT, 0);
    assert_false(prompt.refused);
    buf_release(&text);
    prompt_release(&prompt);
}

static void a_prompt_edits_its_line(void **state)
{
    (void)state;
    struct prompt prompt = {0};
    prompt_open_line(&prompt, "Find:", "ab");
    press(&prompt, KEY_LEFT, 0);
    press(&prompt, 0xe9, 0);
    prompt_paste(&prompt, bytes_of_string("x\ny"));
    press(&prompt, KEY_BACKSPACE, 0);
    press(&prompt, KEY_HOME, 0);
    press(&prompt, KEY_DELETE, 0);
    assert_string_equal(buf_string(&prompt.typed), "\xc3\xa9x b");
    assert_int_equal(press(&prompt, KEY_ENTER, 0), PROMPT_DONE);
    assert_int_equal(press(&prompt, 'c', KEY_CTRL), PROMPT_CANCELLED);
    prompt_release(&prompt);
}

static void a_question_takes_only_its_letters(void **state)
{
    (void)state;
    struct prompt prompt = {0};
    char choice = 0;
    uint64_t now_ms = 5000;
    struct key others[] = {{'d', 0}, {'k', KEY_CTRL}, {0, 0}, {KEY_ENTER, 0}};
    prompt_open_choice(&prompt, "[S]ave [K]eep", "sk");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(prompt_key(&prompt, others[i], now_ms, &choice), PROMPT_GOES_ON);
        assert_true(prompt_next_ms(&prompt) == UINT64_MAX);
    }
    now_ms += PROMPT_SILENCE_MS;
    assert_int_equal(prompt_key(&prompt, (struct key){'K', 0}, now_ms, &choice), PROMPT_GOES_ON);
    assert_int_equal(prompt_next_ms(&prompt), now_ms + PROMPT_ALONE_MS);
    assert_int_equal(prompt_pause(&prompt, now_ms + PROMPT_ALONE_MS - 1, &choice), PROMPT_GOES_ON);
    assert_int_equal(prompt_pause(&prompt, now_ms + PROMPT_ALONE_MS, &choice), PROMPT_DONE);
    assert_int_equal(choice, 'k');
    prompt_release(&prompt);
}

static enum prompt_answer type_word(struct prompt *prompt, const char *word, uint64_t *now_ms, uint64_t gap_ms)
{
    char choice = 0;
    for (; *word; word++, *now_ms += gap_ms) {
        bool answered = prompt_key(prompt, (struct key){(uint32_t)*word, 0}, *now_ms, &choice) != PROMPT_GOES_ON;
        if (answered || prompt_pause(prompt, *now_ms + gap_ms, &choice) != PROMPT_GOES_ON)
            return PROMPT_DONE;
    }
    return prompt_pause(prompt, *now_ms + 2 * PROMPT_SILENCE_MS, &choice);
}

static void no_letter_of_a_word_answers_a_question(void **state)
{
    (void)state;
    struct prompt prompt = {0};
    char choice = 0;
    uint64_t now_ms = 5000;
    prompt_open_choice(&prompt, "[S]ave [K]eep", "sk");
    assert_int_equal(type_word(&prompt, "ask", &now_ms, 0), PROMPT_GOES_ON);
    assert_int_equal(type_word(&prompt, "plans/kites.md", &now_ms, 200), PROMPT_GOES_ON);
    assert_int_equal(type_word(&prompt, "an s", &now_ms, 600), PROMPT_GOES_ON);
    now_ms += PROMPT_SILENCE_MS;
    assert_int_equal(type_word(&prompt, "skis", &now_ms, 200), PROMPT_GOES_ON);
    prompt_paste(&prompt, bytes_of_string("k"));
    assert_true(prompt_next_ms(&prompt) == UINT64_MAX);
    now_ms += PROMPT_SILENCE_MS;
    assert_int_equal(prompt_key(&prompt, (struct key){'s', 0}, now_ms, &choice), PROMPT_GOES_ON);
    assert_int_equal(prompt_key(&prompt, (struct key){KEY_ENTER, 0}, now_ms, &choice), PROMPT_DONE);
    assert_int_equal(choice, 's');
    prompt_release(&prompt);
}

static void no_function_is_reachable_only_by_a_function_key(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 12; n++) {
        struct binding f = keymap_find((struct key){KEY_F1 + n, 0});
        bool also = f.kind == BINDING_NONE;
        for (uint32_t code = 0x20; code < 0x7f && !also; code++)
            for (unsigned mods = KEY_ALT; mods <= KEY_CTRL; mods <<= 1) {
                struct binding other = keymap_find((struct key){code, mods});
                also |= other.kind == f.kind && other.request == f.request;
            }
        assert_true(also);
    }
    assert_int_equal(keymap_find((struct key){'x', 0}).kind, BINDING_TEXT);
    assert_int_equal(keymap_find((struct key){0x1f600, 0}).kind, BINDING_TEXT);
    assert_int_equal(keymap_find((struct key){'x', KEY_SUPER}).kind, BINDING_NONE);
    assert_true(keymap_find((struct key){KEY_LEFT, KEY_SHIFT | KEY_CTRL}).extend);
}

/* --- addresses --- */

static void a_relay_survives_the_way_through_the_index_into_a_link(void **state)
{
    (void)state;
    struct addresses addresses;
    struct error err = {0};
    char *written = NULL;
    assert_true(addresses_parse("ws://127.0.0.1:7717,[::1]:7718", false, &addresses, &written, &err));
    assert_string_equal(written, "ws://127.0.0.1:7717,[::1]:7718");
    assert_int_equal(addresses.count, 2);
    assert_int_equal(addresses.items[1].port, 7718);
    struct doc_entry entry = {.relay = written};
    doc_keys_new(&entry.keys);
    entry.doc = entry.keys.doc;
    char *text = addresses_link(&entry, ACCESS_READ);
    struct share_link link;
    assert_true(share_link_parse(bytes_of_string(text), &link, &err));
    assert_int_equal(link.access, ACCESS_READ);
    assert_true(doc_id_equal(&link.doc, &entry.doc));
    struct doc_entry joined = {0};
    addresses_keep_link(&joined, &link);
    assert_string_equal(joined.relay, written);
    assert_null(joined.relay_flags);
    link.pinned = true;
    memset(link.pin.bytes, 0xa5, sizeof link.pin.bytes);
    addresses_keep_link(&joined, &link);
    assert_true(addresses_of_entry(&joined, false, &addresses, &err));
    assert_true(addresses.pinned);
    assert_memory_equal(addresses.relay_pin, link.pin.bytes, sizeof link.pin.bytes);
    free(text);
    doc_entry_release(&entry);
    doc_entry_release(&joined);
}

static void a_plain_relay_in_public_needs_insecure(void **state)
{
    (void)state;
    struct addresses addresses;
    struct error err = {0};
    assert_false(addresses_parse("ws://relay.example", false, &addresses, NULL, &err));
    assert_non_null(strstr(err.text, "--insecure"));
    assert_true(addresses_parse("ws://relay.example", true, &addresses, NULL, &err));
    assert_true(addresses_parse("wss://relay.example", false, &addresses, NULL, &err));
    assert_int_equal(addresses.items[0].scheme, LINK_TLS);
    assert_false(addresses_parse("relay.example", false, &addresses, NULL, &err));
    assert_false(addresses_parse("ws://", false, &addresses, NULL, &err));
}

/* --- people --- */

static struct session_peer peer_named(unsigned char agent, const char *name, uint64_t cursor)
{
    struct session_peer peer = {.state = PEER_HERE, .introduced = true, .writer = true};
    peer.presence = (struct presence){.agent = {{agent}}, .has_cursor = true, .cursor = cursor, .anchor = cursor, .counter = 1};
    snprintf(peer.presence.name, sizeof peer.presence.name, "%s", name);
    return peer;
}

static void a_cursor_is_carried_through_what_others_type(void **state)
{
    (void)state;
    struct rope *base = rope_from_bytes(bytes_of_string("hello world"));
    struct document *document = document_new(base);
    struct people people = {0};
    struct session_peer lin = peer_named(1, "lin", 6), far = peer_named(2, "far", 1000000);
    people_hear(&people, &lin, 0);
    people_hear(&people, &far, 0);
    people_locate(&people, document);
    assert_true(people.items[0].located);
    assert_int_equal(people.items[1].cursor, 11); /* a place beyond the text is brought into it */
    struct patch patch = {0};
    patch_replace(&patch, 0, 5, bytes_of_string("Goodbye"));
    people_map(&people, &patch);
    assert_int_equal(people.items[0].cursor, 8);
    assert_string_equal(people.items[0].letter, "L");
    lin.presence.flags = PRESENCE_LEAVING;
    people_hear(&people, &lin, 0);
    assert_int_equal(people.count, 1);
    people_release(&people);
    patch_release(&patch);
    document_free(document);
    rope_free(base);
}

static void who_has_said_no_name_yet_is_not_named(void **state)
{
    (void)state;
    struct rope *text = rope_from_bytes(bytes_of_string("one\ntwo\n"));
    struct people people = {0};
    struct buf here = {0};
    struct session_peer ada = peer_named(1, "ada", 5), stranger = {.presence.agent = {{9}}};
    assert_false(people_are_named(&people));
    people_hear(&people, &stranger, 0);
    people_add_here(&people, text, &here);
    assert_string_equal(buf_string(&here), " Here: 1 other.");
    buf_clear(&here);
    people_hear(&people, &ada, 0);
    people.items[1].located = true;
    people.items[1].cursor = 5;
    assert_false(people_are_named(&people));
    people_add_here(&people, text, &here);
    assert_string_equal(buf_string(&here), " Here: ada (line 2) and 1 more.");
    buf_clear(&here);
    people_drop(&people, &stranger.presence.agent);
    assert_true(people_are_named(&people));
    people_add_here(&people, text, &here);
    assert_string_equal(buf_string(&here), " Here: ada (line 2).");
    buf_release(&here);
    people_release(&people);
    rope_free(text);
}

/* That ada shares the file does not make the relay hers. */
static void whose_machine_the_relay_is_on_is_what_the_host_says(void **state)
{
    (void)state;
    struct people people = {0};
    struct session_peer ada = peer_named(1, "ada", 0), lin = peer_named(2, "lin", 0);
    ada.presence.flags = PRESENCE_HOST;
    people_hear(&people, &ada, 0);
    assert_string_equal(people.host, "ada");
    assert_string_equal(people.keeper, "");
    ada.presence.keeps_room = lin.presence.keeps_room = true;
    people_hear(&people, &ada, 0);
    people_hear(&people, &lin, 0); /* no host: whatever he says */
    people_drop(&people, &ada.presence.agent);
    assert_string_equal(people.keeper, "ada");
    people_clear(&people);
    assert_string_equal(people.host, "ada");
    assert_string_equal(people.keeper, ""); /* the next room may be elsewhere */
    people_release(&people);
}

static void a_cursor_of_an_unknown_version_waits(void **state)
{
    (void)state;
    struct rope *base = rope_from_bytes(bytes_of_string("hello"));
    struct document *document = document_new(base);
    struct people people = {0};
    struct session_peer lin = peer_named(1, "l\x1b[31min", 3);
    lin.presence.heads[0] = (struct event_id){{{9}}, 4};
    lin.presence.head_count = 1;
    struct person *person = people_hear(&people, &lin, 0);
    assert_null(strchr(person->name, 0x1b));
    people_locate(&people, document);
    assert_false(person->located);
    assert_true(person->waiting);
    struct session_peer twin = peer_named(2, "l\x1b[31min", 3);
    twin.presence.device_key.bytes[0] = 1;
    assert_true(people_hear(&people, &twin, 0)->key_changed);
    people_release(&people);
    document_free(document);
    rope_free(base);
}

/* --- the worker --- */

struct counted {
    int run, done;
};

static void count_run(void *self)
{
    ((struct counted *)self)->run++;
}

static void count_done(void *self)
{
    ((struct counted *)self)->done++;
}

static void jobs_run_elsewhere_and_are_done_here(void **state)
{
    (void)state;
    struct worker *worker = worker_new();
    struct counted counted = {0};
    for (int i = 0; i < 100; i++)
        worker_give(worker, (struct worker_job){count_run, count_done, &counted});
    worker_drain(worker);
    assert_int_equal(counted.run, 100);
    assert_int_equal(counted.done, 100);
    worker_give(worker, (struct worker_job){count_run, count_done, &counted});
    struct pollfd fd = {.fd = worker_fd(worker), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 30000), 1);
    worker_handle(worker);
    assert_int_equal(counted.done, 101);
    worker_free(worker);
}

static void only_a_relay_nobody_vouches_for_is_pinned(void **state)
{
    static const struct {
        const char *relay;
        bool insecure, wants;
    } cases[] = {
        {"wss://relay.example", false, false}, {"wss://relay.example", true, true},
        {"ws://relay.example:7717", true, true}, {"ws://127.0.0.1:7717", true, false},
        {"ws://192.168.1.20:7717", true, false},
    };
    (void)state;
    struct sign_public key = {{7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct doc_entry entry = {.relay = xstrdup(cases[i].relay)};
        struct addresses addresses;
        struct error err = {0};
        assert_int_equal(addresses_want_pin(&entry, cases[i].insecure), cases[i].wants);
        if (cases[i].wants) { /* and then nobody has to be insecure any more */
            addresses_keep_pin(&entry, &key);
            assert_false(addresses_want_pin(&entry, true));
            assert_true(addresses_of_entry(&entry, false, &addresses, &err));
            assert_true(addresses.pinned);
            assert_int_equal(addresses.items[0].insecure, addresses.items[0].scheme == LINK_TLS);
        }
        doc_entry_release(&entry);
    }
}

/* A relative one is resolved from where the tests run, and that may be below /tmp. */
static void files_of_a_moment_and_secrets_are_told_by_their_names(void **state)
{
    static const char *const short_lived[] = {"/tmp/x", "/var/tmp/a/b.md", "/dev/shm/x", "/home/a/r/.git/COMMIT_EDITMSG",
                                              "/x/git-rebase-list", "/x/crontab.Xy/crontab", "a/TAG_EDITMSG"};
    static const char *const secret[] = {"/home/a/.ssh/config", "server.pem", "/x/a.key", "/home/a/.gnupg/gpg.conf", "pass.kdbx",
                                         "/dev/shm/pass.AbC/x-y.txt"};
    static const char *const others[] = {"/home/a/tmp/x.md", "/home/a/notes.md", "/home/a/crontab", "/home/a/key", "/tmpx/y"};
    (void)state;
    for (size_t i = 0; i < sizeof short_lived / sizeof *short_lived; i++)
        assert_true(file_kind_is_short_lived(short_lived[i]));
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        assert_true(file_kind_is_secret(secret[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(file_kind_is_short_lived(others[i]));
        assert_false(file_kind_is_secret(others[i]));
    }
}

/* The numbers are the kernel's: linux/magic.h and statfs(2). */
static void network_file_systems_are_told_from_disks(void **state)
{
    (void)state;
    static const unsigned remote[] = {0x6969, 0x01021997, 0x65735546, 0xfe534d42, 0xff534d42};
    static const unsigned local[] = {0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630};
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        assert_true(file_system_kind_is_remote(remote[i]));
        assert_false(file_system_kind_is_remote(local[i]));
    }
    assert_false(file_system_is_remote("/dev/shm/not/there/yet"));
}

/* --- paths --- */

/* As root under sudo: what is made in the home of the person who called it could not be used by them any more. */
static void nothing_is_kept_in_the_home_of_somebody_else(void **state)
{
    struct paths paths;
    struct error err = {0};
    const uid_t somebody = geteuid() + 1;
    char *theirs = xformat("%s/theirs/not/yet", (const char *)*state);
    char *home = xformat("%s/theirs", (const char *)*state), *own = xformat("%s/own", (const char *)*state);
    assert_int_equal(mkdir(home, 0755) | mkdir(own, 0755), 0);
    if (chown(home, somebody, getegid()) != 0) /* only root can give a directory away */
        skip();
    const char *was = getenv("HOME");
    char *before = was ? xstrdup(was) : NULL;
    setenv("HOME", home, 1);
    setenv("XDG_STATE_HOME", theirs, 1);
    setenv("XDG_RUNTIME_DIR", home, 1);
    unsetenv("XDG_CONFIG_HOME");
    assert_true(paths_init(&paths, &err));
    assert_null(strstr(paths.state, home));
    assert_null(strstr(paths.config, home));
    assert_null(strstr(paths.runtime, home));
    paths_release(&paths);
    setenv("XDG_STATE_HOME", own, 1);
    assert_true(paths_init(&paths, &err));
    assert_non_null(strstr(paths.state, own));
    paths_release(&paths);
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_RUNTIME_DIR");
    if (before)
        setenv("HOME", before, 1);
    free(before);
    free(theirs);
    free(home);
    free(own);
}

static void expect_completed(const char *dir, const char *typed, const char *more, const char *names)
{
    char *path = xformat("%s/%s", dir, typed);
    struct path_completion completion = {0};
    struct buf joined = {0};
    path_completion_find(&completion, path);
    for (size_t i = 0; i < completion.count; i++)
        buf_addf(&joined, "%s%s", i ? " " : "", completion.names[i]);
    assert_string_equal(buf_string(&completion.more), more);
    assert_string_equal(buf_string(&joined), names);
    assert_false(completion.too_many);
    buf_release(&joined);
    path_completion_release(&completion);
    free(path);
}

static void the_certain_rest_of_a_files_name_is_found(void **state)
{
    const char *dir = *state;
    static const char *const names[] = {"notes.md", "notes.txt", ".hidden", "gr\xc3\xbc" "n", "gr\xc3\xb6\xc3\x9f" "e", "bad\xff", "bad\nline", "an file"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = scratch_file(dir, names[i]);
        scratch_write(path, "");
        free(path);
    }
    char *sub = scratch_file(dir, "nowhere"), *link = scratch_file(dir, "link"), *inner = scratch_file(dir, "nowhere/inner");
    assert_int_equal(mkdir(sub, 0700) | symlink("nowhere", link), 0);
    scratch_write(inner, "");
    expect_completed(dir, "", "", "an file gr\xc3\xb6\xc3\x9f" "e gr\xc3\xbc" "n link/ notes.md notes.txt nowhere/");
    expect_completed(dir, "no", "", "notes.md notes.txt nowhere/");
    expect_completed(dir, "not", "es.", "notes.md notes.txt");
    expect_completed(dir, "notes.m", "d", "notes.md");
    expect_completed(dir, "notes.md", "", "notes.md");
    expect_completed(dir, "now", "here/", "nowhere/");
    expect_completed(dir, "li", "nk/", "link/");
    expect_completed(dir, "link/", "inner", "inner");
    expect_completed(dir, "g", "r", "gr\xc3\xb6\xc3\x9f" "e gr\xc3\xbc" "n"); /* both go on with the same first byte */
    expect_completed(dir, ".h", "idden", ".hidden");
    expect_completed(dir, "bad", "", "");
    expect_completed(dir, "nothing/of", "", "");
    free(sub);
    free(link);
    free(inner);
}

static void expect_short(const char *home, const char *text, const char *expected)
{
    struct paths paths = {.home = (char *)home};
    char *shortened = paths_shorten(&paths, text);
    assert_string_equal(shortened, expected);
    free(shortened);
}

static void a_path_below_the_home_is_short_for_people(void **state)
{
    (void)state;
    expect_short("/home/ada", "/home/ada/notes.md", "~/notes.md");
    expect_short("/home/ada", "Saved your copy: /home/ada/notes.md.", "Saved your copy: ~/notes.md.");
    expect_short("/home/ada", "from \"/home/ada/a\" to (/home/ada/b)", "from \"~/a\" to (~/b)");
    expect_short("/home/ada", "/home/adam/a /mnt/home/ada/a /home/ada", "/home/adam/a /mnt/home/ada/a /home/ada");
    expect_short(NULL, "/home/ada/notes.md", "/home/ada/notes.md");
}

static void a_text_becomes_json_whatever_is_in_it(void **state)
{
    (void)state;
    static const char text[] = "a\"b\\c\nd\t\x01\x7f\xc3\xa9\xff\xc3";
    struct buf out = {0};
    json_add_text(bytes_of(text, sizeof text - 1), &out);
    assert_string_equal(buf_string(&out),
                        "\"a\\\"b\\\\c\\nd\\u0009\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"");
    struct buf object = {0};
    struct error err = {0};
    const char *found;
    buf_addf(&object, "{\"text\": %s}", buf_string(&out));
    struct json *json = json_parse(buf_view(&object), false, &err);
    assert_non_null(json);
    assert_true(json_text(json_member(json, "text"), &found));
    assert_string_equal(found, "a\"b\\c\nd\t\x01\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
    json_free(json);
    buf_release(&object);
    buf_release(&out);
}

static void a_wait_ends_so_long_after_the_last_that_came_and_not_after_the_first(void **state)
{
    enum { SILENCE_MS = 15000, STEP_MS = 10000, BEGUN_MS = 7000 };
    (void)state;
    struct replica_status status = {0};
    uint64_t *const signs[TARGET_SIGNS] = {&status.taken, &status.merge_steps, &status.journal_jobs, &status.net.base_done,
                                           &status.net.unacked_batches, &status.net.lacking_batches};
    struct target_patience patience = target_patience(SILENCE_MS, BEGUN_MS);
    uint64_t now_ms = BEGUN_MS;
    assert_true(target_is_patient(&patience, &status, now_ms));
    for (size_t i = 0; i < TARGET_SIGNS; i++) {
        ++*signs[i];
        now_ms += STEP_MS;
        assert_true(target_is_patient(&patience, &status, now_ms));
    }
    status.merge_steps = 0; /* another one is on its way */
    now_ms += STEP_MS;
    assert_true(target_is_patient(&patience, &status, now_ms));
    status.net.last_heard_ms = status.net.rtt_ms = 1; /* a relay that only says that it lives */
    assert_true(target_is_patient(&patience, &status, now_ms + SILENCE_MS - 1));
    assert_false(target_is_patient(&patience, &status, now_ms + SILENCE_MS));
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_json_whatever_is_in_it),
        cmocka_unit_test(network_file_systems_are_told_from_disks),
        cmocka_unit_test(files_of_a_moment_and_secrets_are_told_by_their_names),
        cmocka_unit_test(only_a_relay_nobody_vouches_for_is_pinned),
        cmocka_unit_test(options_and_arguments_come_in_any_order),
        cmocka_unit_test(a_wrong_option_is_named_with_what_there_is),
        cmocka_unit_test(a_mistyped_verb_is_recognised_and_a_file_is_not),
        cmocka_unit_test(a_place_behind_a_file_name_is_split_off),
        cmocka_unit_test(a_wait_ends_so_long_after_the_last_that_came_and_not_after_the_first),
        cmocka_unit_test(a_configuration_with_comments_is_read),
        cmocka_unit_test(a_setting_with_a_mistake_is_told_and_all_others_hold),
        cmocka_unit_test(what_is_no_configuration_is_told_and_the_defaults_hold),
        cmocka_unit_test(a_member_is_replaced_in_a_text_and_all_else_stays),
        cmocka_unit_test(numbers_beyond_what_json_can_carry_are_refused),
        cmocka_unit_test(a_paste_that_does_not_fit_into_a_prompt_is_told_and_changes_nothing),
        cmocka_unit_test(a_prompt_edits_its_line),
        cmocka_unit_test(a_prompt_offers_the_last_answer_and_a_character_replaces_it),
        cmocka_unit_test(a_question_takes_only_its_letters),
        cmocka_unit_test(no_letter_of_a_word_answers_a_question),
        cmocka_unit_test(no_function_is_reachable_only_by_a_function_key),
        cmocka_unit_test(a_relay_survives_the_way_through_the_index_into_a_link),
        cmocka_unit_test(a_plain_relay_in_public_needs_insecure),
        cmocka_unit_test(a_cursor_is_carried_through_what_others_type),
        cmocka_unit_test(who_has_said_no_name_yet_is_not_named),
        cmocka_unit_test(whose_machine_the_relay_is_on_is_what_the_host_says),
        cmocka_unit_test(a_cursor_of_an_unknown_version_waits),
        cmocka_unit_test(jobs_run_elsewhere_and_are_done_here),
        cmocka_unit_test(a_path_below_the_home_is_short_for_people),
        cmocka_unit_test_setup_teardown(the_certain_rest_of_a_files_name_is_found, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_kept_in_the_home_of_somebody_else, scratch_setup, scratch_teardown),
    };
    return RUN_TESTS("app", tests);
}
