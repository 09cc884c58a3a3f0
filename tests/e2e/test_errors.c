/* What people get wrong, and what goes wrong around them: one clear sentence each, and nothing is lost. */
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/share_link.h"
#include "tests/support/stage.h"

/* --- saying what is expected --- */

/* Nothing on standard output, one line on standard error. */
static void expect_failure(struct stage_result result, int status, const char *sentence)
{
    char *line = xformat("%s\n", sentence);
    assert_string_equal(result.err, line);
    assert_string_equal(result.out, "");
    assert_int_equal(result.status, status);
    free(line);
}

static void expect_error(struct stage *stage, const char *const *args, int status, const char *sentence)
{
    expect_failure(stage_run(stage, "ada", NULL, args), status, sentence);
}

/* --- the command line --- */

static void a_mistyped_verb_opens_nothing(void **state)
{
    struct stage *stage = *state;
    expect_error(stage, ARGS("shrae"), 2,
                 "weft: no file \"shrae\"; did you mean \"weft share\"? (weft -- shrae creates it)");
    expect_error(stage, ARGS("jion", "--name", "lin"), 2,
                 "weft: no file \"jion\"; did you mean \"weft join\"? (weft -- jion creates it)");
    expect_error(stage, ARGS("snkc", "one.md", "two.md"), 2,
                 "weft: no file \"snkc\"; did you mean \"weft sync\"? (weft -- snkc creates it)");
    stage_write(stage, "shrae", "a file of that name\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("shrae"));
    vt_expect_row(vt, 0, "a file of that name");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void unknown_options_and_topics_are_told_what_there_is(void **state)
{
    struct stage *stage = *state;
    expect_error(stage, ARGS("--nope"), 2, "weft: unknown option --nope; it knows --private, --name");
    expect_error(stage, ARGS("cat", "--nope", "x"), 2, "weft cat: unknown option --nope; it knows --at, --disk, --insecure");
    expect_error(stage, ARGS("apply", "x", "--rate"), 2, "weft apply: --rate needs a value: N");
    expect_error(stage, ARGS("apply", "x", "--rate", "much"), 2,
                 "weft apply: --rate takes edits a second, more than 0, not much");
    expect_error(stage, ARGS("help", "nothing"), 2,
                 "weft help: nothing about \"nothing\"; there are: scripts, relay, keys, trust, and the verbs");
    expect_error(stage, ARGS("completions", "tcsh"), 2, "weft completions: name your shell: bash, zsh or fish");
    expect_error(stage, ARGS("share"), 2, "weft share: name one file: weft share FILE");
    expect_error(stage, ARGS("demo", "notes.md"), 2,
                 "weft demo: it takes no file; weft demo, weft demo --play, weft demo --fast");
    assert_false(stage_exists(stage, "ada.state"));
}

/* --- files --- */

static void a_missing_file_is_said_and_not_made(void **state)
{
    struct stage *stage = *state;
    expect_error(stage, ARGS("cat", "no.md"), 1, "weft cat: there is no file no.md, and nothing of it is kept");
    expect_error(stage, ARGS("apply", "no.md"), 1, "weft apply: there is no file no.md, and nothing of it is kept");
    expect_failure(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"x\"}\n", ARGS("apply", "no.md")), 1,
                   "weft apply: there is no file no.md, and nothing of it is kept");
    expect_error(stage, ARGS("verify", "no.md"), 1, "weft verify: there is no file no.md, and nothing of it is kept");
    expect_error(stage, ARGS("share", "--no-edit", "no.md"), 1,
                 "weft share: there is no file no.md, and nothing of it is kept");
    expect_error(stage, ARGS("links", "no.md"), 1, "weft links: no.md is not shared; weft share no.md shares it");
    assert_false(stage_exists(stage, "no.md"));
    assert_false(stage_exists(stage, "ada.state"));
}

static void a_file_nobody_edited_has_no_history_to_verify(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_error(stage, ARGS("verify", "notes.md"), 1,
                 "weft verify: nothing is kept of notes.md: it was never edited with weft, there is no history to check");
}

static void a_name_cannot_steer_the_terminal(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "evil\x1b[31m\x07.md"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "evil^[[31m^G.md"));
    assert_null(strchr(result.err, '\x1b'));
}

static void a_directory_is_no_file(void **state)
{
    static const char *const verbs[] = {"cat", "apply", "verify", "links", "unshare", "sync", "share"};
    struct stage *stage = *state;
    char *dir = xformat("%s/dir", stage_dir(stage));
    assert_int_equal(mkdir(dir, 0700), 0);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char *sentence = xformat("weft %s: %s is a directory, not a file that can be edited", verbs[i], dir);
        bool shares = strcmp(verbs[i], "share") == 0;
        const char *const *args = shares ? ARGS("share", "--no-edit", "dir") : ARGS(verbs[i], "dir");
        expect_error(stage, args, 2, sentence);
        free(sentence);
    }
    struct stage_result relay = stage_run(stage, "ada", NULL, ARGS("relay", "status"));
    assert_string_equal(relay.out, "not running\n"); /* none was started for nothing */
    char *sentence = xformat("%s is a directory, not a file that can be edited", dir);
    struct vt *vt = stage_weft_sized(stage, "ada", 24, 160, ARGS("dir"));
    vt_expect(vt, sentence);
    assert_int_equal(vt_close(vt), 2);
    free(sentence);
    free(dir);
}

static void what_cannot_be_read_is_said_with_its_reason(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "/proc/self/mem"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "weft cat: cannot read /proc/"));
    assert_non_null(strstr(result.err, ": Input/output error\n"));
    stage_write(stage, "notes.md", "one\n");
    expect_error(stage, ARGS("cat", "notes.md/one"), 1, "weft cat: cannot find notes.md/one: Not a directory");
    expect_error(stage, ARGS("apply", "nowhere/notes.md"), 1,
                 "weft apply: cannot use the directory nowhere: No such file or directory");
    char *path = xformat("%s/notes.md", stage_dir(stage));
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0) { /* root reads everything */
        char *sentence = xformat("weft cat: cannot open %s: Permission denied", path);
        expect_error(stage, ARGS("cat", "notes.md"), 1, sentence);
        free(sentence);
    }
    free(path);
}

/* The one journal of this person; heap string. */
static char *only_journal(struct stage *stage, const char *person)
{
    char *docs = xformat("%s/%s.state/weft/docs", stage_dir(stage), person), *found = NULL;
    DIR *dir = opendir(docs);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name), end = strlen(".journal");
        if (len > end && strcmp(entry->d_name + len - end, ".journal") == 0)
            found = xformat("%s.state/weft/docs/%s", person, entry->d_name);
    }
    assert_non_null(dir);
    closedir(dir);
    assert_non_null(found);
    free(docs);
    return found;
}

static void a_broken_journal_is_named_and_left_alone(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    assert_int_equal(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"zero \"}\n", ARGS("apply", "notes.md")).status, 0);
    char *journal = only_journal(stage, "ada");
    stage_write(stage, journal, "this is no journal, it was one, and now it is a text that is long enough for a header");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "notes.md has a journal that cannot be read (weft --private notes.md opens the file "
                                       "without it, weft forget notes.md removes it): "));
    stage_expect_file(stage, "notes.md", "zero one\n");
    char *content = stage_read(stage, journal);
    assert_non_null(strstr(content, "this is no journal"));
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("forget", "notes.md")).status, 0);
    result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_string_equal(result.out, "zero one\n");
    free(content);
    free(journal);
}

/* Emptied as by a full disk; and gone. */
static void a_lost_journal_is_said_and_the_file_is_shown(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    static const char edit[] = "{\"at\": 0, \"insert\": \"zero \"}\n";
    assert_int_equal(stage_run(stage, "ada", edit, ARGS("apply", "--no-save", "notes.md")).status, 0);
    char *journal = only_journal(stage, "ada");
    stage_write(stage, journal, "");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "one\n");
    assert_non_null(strstr(result.err, "weft cat: The journal of notes.md is empty: this is the file's text; its history, and "
                                       "edits that were not in the file, are lost. It is "));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "The journal of notes.md is empty: this is the file's text; its history, and");
    vt_expect(vt, "edits that were not in the file, are lost. It is kept as");
    vt_expect_row(vt, 0, "one");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    char *aside = xformat("%s.lost", journal);
    assert_true(stage_exists(stage, aside));
    free(aside);
    free(journal);
}

/* What is typed from then on is in no file with a name: it is not called kept, not by the farewell either, and ^S helps. */
static void a_journal_that_goes_while_the_text_is_open_keeps_nothing_and_says_so(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "a");
    vt_expect(vt, "kept, ^S writes the file");
    char *journal = only_journal(stage, "ada");
    stage_write(stage, journal, "");
    vt_type(vt, "b");
    vt_expect(vt, "NOT KEPT: 1 edit only in memory. ^S writes the file.");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "cannot be kept and would be lost");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "would be lost");
    vt_ctrl(vt, 's');
    stage_expect_file(stage, "notes.md", "abone\n");
    vt_free(vt);
    free(journal);
}

static void a_lost_journal_of_a_shared_text_is_said_and_the_text_comes_back_from_the_room(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "sent");
    vt_type(vt, "zero ");
    vt_ctrl(vt, 's');
    stage_expect_file(stage, "notes.md", "zero one\n");
    vt_type(vt, "and ");
    vt_expect(vt, "zero and one");
    vt_expect(vt, "notes.md +  shared  sent");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep for later");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    char *journal = only_journal(stage, "ada"), *path = xformat("%s/%s", stage_dir(stage), journal);
    assert_int_equal(unlink(path), 0);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "The journal of notes.md is gone: its text comes back from the room; edits");
    vt_expect(vt, "not sent are lost. It was");
    vt_expect_row(vt, 0, "zero and one");
    vt_ctrl(vt, 's');
    stage_expect_file(stage, "notes.md", "zero and one\n");
    vt_expect(vt, "notes.md    shared");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_string_equal(result.out, "zero and one\n");
    assert_string_equal(result.err, "");
    free(path);
    free(journal);
}

/* --- links and relays --- */

static void a_bad_link_is_told_before_anything_is_opened(void **state)
{
    static const struct {
        const char *link, *says;
    } links[] = {
        {"weft://relay.example/abc#w.def", "This link is damaged (a character is missing or changed); ask for it again."},
        {"weft://x", "This link is cut off: the part behind # is missing, and that is the key. Copy the whole link, or ask for "
                     "it again."},
    };
    static const char *const verbs[] = {"cat", "apply", "verify", "join"};
    struct stage *stage = *state;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        for (size_t v = 0; v < sizeof verbs / sizeof *verbs; v++) {
            char *sentence = xformat("weft %s: %s", verbs[v], links[i].says);
            expect_error(stage, ARGS(verbs[v], links[i].link), 1, sentence);
            free(sentence);
        }
    assert_false(stage_exists(stage, "ada.state"));
}

static void what_cannot_be_kept_is_not_shared_and_the_reason_is_said(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    stage_write(stage, "ada.state", "a file where the directory should be\n");
    struct stage_result result =
        stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md", "--relay", stage_relay(stage)));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "weft share: notes.md is not shared: cannot make the directory "));
}

static void joining_nothing_says_where_links_come_from(void **state)
{
    struct stage *stage = *state;
    expect_failure(stage_run(stage, "ada", "\n", ARGS("join")), 1,
                   "weft join: no link was given, and nothing was joined here before; ask somebody for a link");
    expect_failure(stage_run(stage, "ada", "", ARGS("join")), 1,
                   "weft join: no link was given, and nothing was joined here before; ask somebody for a link");
    expect_error(stage, ARGS("join", "one", "two"), 2, "weft join: name one link: weft join LINK");
    assert_false(stage_exists(stage, "ada.state"));
}

/* Nobody listens there, and nobody else will: other tests start relays meanwhile. */
static int hold_port(const char *port)
{
    int held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(held >= 0 && setsockopt(held, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    assert_int_equal(bind(held, (struct sockaddr *)&address, sizeof address), 0);
    return held;
}

static void nobody_at_the_address_is_said_soon(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    char *port = xstrdup(strrchr(stage_relay(stage), ':') + 1);
    stage_relay_signal(stage, SIGKILL);
    int held = hold_port(port);
    static const char *const verbs[] = {"cat", "apply", "verify"};
    for (size_t i = 0; i < 3; i++) {
        char *sentence = xformat("weft %s: cannot reach 127.0.0.1:%s: connection refused", verbs[i], port);
        struct stage_result result = stage_run(stage, "lin", NULL, ARGS(verbs[i], link));
        expect_failure(result, 1, sentence);
        free(sentence);
    }
    close(held);
    free(port);
    free(link);
}

/* A whole link with a right check sum, whose key is that of another document. */
static char *with_key_of(const char *link, const char *other)
{
    struct share_link to, from;
    struct error err = {0};
    struct buf mixed = {0};
    assert_true(share_link_parse(bytes_of_string(link), &to, &err));
    assert_true(share_link_parse(bytes_of_string(other), &from, &err));
    memcpy(to.seed, from.seed, sizeof to.seed);
    share_link_format(&to, &mixed);
    char *text = xstrdup(buf_string(&mixed));
    buf_release(&mixed);
    return text;
}

static void a_wrong_key_opens_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "one.md", "one\n");
    stage_write(stage, "two.md", "two\n");
    char *one = stage_share(stage, "ada", "one.md", "view"), *two = stage_share(stage, "ada", "two.md", "view");
    char *wrong = with_key_of(one, two);
    const char *port = strrchr(stage_relay(stage), ':');
    char *sentence = xformat("weft cat: 127.0.0.1%s says: this link does not open that document", port);
    struct stage_result result = stage_run(stage, "lin", NULL, ARGS("cat", wrong));
    expect_failure(result, 1, sentence);
    free(sentence);
    free(wrong);
    free(one);
    free(two);
}

static void answer_with_page(int listener)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    char request[4096];
    int connection = accept(listener, NULL, NULL);
    (void)!read(connection, request, sizeof request);
    (void)!write(connection, page, sizeof page - 1);
    close(connection);
}

/* Answers every connection with a web page, as a wrong address often does. */
static pid_t serve_web_pages(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    pid_t server = fork();
    if (server == 0)
        for (;;)
            answer_with_page(fd);
    close(fd);
    return server;
}

static void what_is_no_relay_is_not_taken_for_one(void **state)
{
    struct stage *stage = *state;
    int port;
    pid_t server = serve_web_pages(&port);
    stage_write(stage, "notes.md", "one\n");
    char *relay = xformat("ws://127.0.0.1:%d", port), *address = xformat("127.0.0.1:%d", port);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md", "--relay", relay));
    kill(server, SIGKILL);
    assert_int_equal(result.status, 1);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.err, address));
    free(address);
    free(relay);
}

/* --- the configuration --- */

static void a_mistake_in_the_configuration_is_named_and_the_rest_holds(void **state)
{
    static const struct {
        const char *config, *says;
        bool name_holds;
    } mistakes[] = {
        {"{\"name\": \"Ada\",\n\"nmae\": \"Lin\"}",
         ": line 2 is left out, the rest holds: there is no setting \"nmae\"; there are name, relay, relay_token_file, "
         "tab_width, indent_spaces, merge_ms, line_numbers, keys", true},
        {"{\"tab_width\": 99, \"name\": \"Ada\"}",
         ": line 1 is left out, the rest holds: \"tab_width\" must be a whole number from 1 to 16", true},
        {"{\"keys\": \"emacs\", \"name\": \"Ada\", \"line_numbers\": 1}",
         ": line 1 is left out, the rest holds: \"keys\" must be \"weft\" or \"vim\" (1 more like it)", true},
        {"[]", " is not used: it must be one JSON object: { \"name\": \"Ada\" }", false},
        {"{\n\"name\": \"Ada\n}", " is not used: line 2 is not right JSON", false},
    };
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("config", "name", "Ada")).status, 0); /* makes the directory */
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        stage_write(stage, "ada.config/weft/config.json", mistakes[i].config);
        struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
        char *sentence =
            xformat("weft: the configuration %s/ada.config/weft/config.json%s\n", stage_dir(stage), mistakes[i].says);
        assert_string_equal(result.err, sentence);
        assert_string_equal(result.out, "one\n");
        assert_int_equal(result.status, 0);
        free(sentence);
        struct stage_result name = stage_run(stage, "ada", NULL, ARGS("config", "name"));
        assert_int_equal(strcmp(name.out, "Ada  (from the configuration)\n") == 0, mistakes[i].name_holds);
    }
    struct vt *vt = stage_weft_sized(stage, "ada", 24, 200, ARGS("notes.md"));
    enum { MESSAGE_ROW = 22 }; /* on the screen too: stderr is behind it */
    vt_expect_row_has(vt, MESSAGE_ROW, "is not used: line 2 is not right JSON");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* --- terminals --- */

static struct vt *weft_with_term(struct stage *stage, const char *term, int rows, int cols)
{
    char *state = xformat("XDG_STATE_HOME=%s/ada.state", stage_dir(stage));
    char *home = xformat("HOME=%s/ada.home", stage_dir(stage));
    /* For builds that look for leaks: ncurses keeps memory when it does not know a terminal. */
    char *leaks = xformat("LSAN_OPTIONS=suppressions=%s/leaks:print_suppressions=0", stage_dir(stage));
    stage_write(stage, "leaks", "leak:new_prescr\n");
    struct vt_program program = {.argv = {WEFT_PROGRAM, "notes.md"}, .dir = stage_dir(stage), .rows = rows, .cols = cols,
                                 .env = {state, home, leaks, term}};
    struct vt *vt = vt_spawn(&program);
    free(leaks);
    free(state);
    free(home);
    return vt;
}

static void an_unset_or_unknown_terminal_is_worked_with_and_said(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *vt = weft_with_term(stage, "TERM=", 24, 120);
    vt_expect(vt, "TERM is not set: this is taken for xterm-256color. If the screen looks broken: ^Q, and set TERM.");
    vt_expect_row(vt, 0, "one");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    vt = weft_with_term(stage, "TERM=nothing-like-it", 24, 120);
    vt_expect(vt, "The terminal \"nothing-like-it\" is unknown here: taken for xterm-256color.");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    vt = weft_with_term(stage, "TERM=dumb", 24, 120);
    vt_expect(vt, "weft: the terminal \"dumb\" cannot place its cursor: set TERM to what it really is, for example "
                  "TERM=xterm-256color");
    assert_int_equal(vt_close(vt), 2);
}

static void what_a_relay_is_told_is_looked_at_before_it_listens(void **state)
{
    struct stage *stage = *state;
    expect_error(stage, ARGS("relay", "--behind-proxy", "proxy"), 2,
                 "weft relay: --behind-proxy proxy: expected the proxy's address, for example 127.0.0.1");
    expect_error(stage, ARGS("relay", "--tls-cert", "no.pem", "--tls-key", "no.pem"), 1,
                 "weft relay: --tls-cert no.pem cannot be read: No such file or directory");
}

static void a_share_that_reaches_nobody_says_what_to_do_and_shares_nothing(void **state)
{
    static const char *const share[] = {"share", "--no-edit", "--name", "ada", "--relay", "ws://127.0.0.1:1", "notes.md", NULL};
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    for (int i = 0; i < 2; i++) {
        expect_failure(stage_run(stage, "ada", NULL, share), 1, "weft share: cannot reach 127.0.0.1:1: connection refused; "
                       "notes.md is not shared. `weft relay` starts a relay; then share it again");
        expect_failure(stage_run(stage, "ada", NULL, ARGS("links", "notes.md")), 1, "weft links: notes.md is not shared; weft "
                       "share notes.md shares it");
    }
    char *link = stage_share(stage, "ada", "notes.md", "edit"); /* there is a relay now */
    assert_string_equal(stage_run(stage, "lin", NULL, ARGS("cat", link)).out, "one\n");
    stage_relay_signal(stage, SIGTERM);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "notes.md"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "; notes.md is still shared, and sent when the relay takes it\n"));
    result = stage_run(stage, "ada", NULL, ARGS("links", "notes.md"));
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, link));
    free(link);
}

static void a_share_that_the_relay_refuses_shares_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "token", "secret\n");
    stage_write(stage, "notes.md", "one\n");
    char *token = xformat("%s/token", stage_dir(stage));
    assert_int_equal(chmod(token, S_IRUSR | S_IWUSR), 0);
    stage_relay_options(stage, ARGS("--token-file", token));
    struct stage_result result =
        stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "--name", "ada", "--relay", stage_relay(stage), "notes.md"));
    assert_int_equal(result.status, 1);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.err, "; notes.md is not shared\n"));
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("links", "notes.md")).status, 1);
    free(token);
}

static void what_cannot_be_looked_up_is_not_said_never_to_have_been(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    assert_int_equal(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"zero \"}\n", ARGS("apply", "notes.md")).status, 0);
    stage_write(stage, "ada.state/weft/index.db", "this was an index, and now it is a text that is long enough for the header of "
                                                  "one");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("verify", "notes.md"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "index.db: the file is not a database\n"));
    assert_non_null(strstr(result.err, "weft verify: so the history of notes.md cannot be checked\n"));
    assert_null(strstr(result.err, "never edited"));
}

static void without_a_terminal_the_editor_says_so(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_error(stage, ARGS("notes.md"), 1, "weft: cannot open the terminal: No such device or address; `weft help scripts` "
                                         "tells what works without one");
}

static void a_window_too_small_for_anything_loses_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *vt = weft_with_term(stage, "TERM=xterm-256color", 1, 1);
    vt_type(vt, "x");
    vt_resize(vt, 2, 4);
    vt_type(vt, "y");
    vt_resize(vt, 24, 80);
    vt_expect_row(vt, 0, "xyone");
    vt_ctrl(vt, 's');
    stage_expect_file(stage, "notes.md", "xyone\n");
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_mistyped_verb_opens_nothing),
        TEST(unknown_options_and_topics_are_told_what_there_is),
        TEST(a_missing_file_is_said_and_not_made),
        TEST(a_file_nobody_edited_has_no_history_to_verify),
        TEST(a_name_cannot_steer_the_terminal),
        TEST(a_directory_is_no_file),
        TEST(what_cannot_be_read_is_said_with_its_reason),
        TEST(a_broken_journal_is_named_and_left_alone),
        TEST(a_lost_journal_is_said_and_the_file_is_shown),
        TEST(a_journal_that_goes_while_the_text_is_open_keeps_nothing_and_says_so),
        TEST(a_lost_journal_of_a_shared_text_is_said_and_the_text_comes_back_from_the_room),
        TEST(a_bad_link_is_told_before_anything_is_opened),
        TEST(what_cannot_be_kept_is_not_shared_and_the_reason_is_said),
        TEST(joining_nothing_says_where_links_come_from),
        TEST(nobody_at_the_address_is_said_soon),
        TEST(a_wrong_key_opens_nothing),
        TEST(what_is_no_relay_is_not_taken_for_one),
        TEST(a_mistake_in_the_configuration_is_named_and_the_rest_holds),
        TEST(an_unset_or_unknown_terminal_is_worked_with_and_said),
        TEST(what_a_relay_is_told_is_looked_at_before_it_listens),
        TEST(a_share_that_reaches_nobody_says_what_to_do_and_shares_nothing),
        TEST(a_share_that_the_relay_refuses_shares_nothing),
        TEST(what_cannot_be_looked_up_is_not_said_never_to_have_been),
        TEST(without_a_terminal_the_editor_says_so),
        TEST(a_window_too_small_for_anything_loses_nothing),
    };
    return RUN_TESTS("errors", tests);
}
