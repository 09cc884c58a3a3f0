/* What holds for every verb: its help, its words, streams that are closed or full, secrets in its arguments, shells. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

/* --- saying what is expected --- */

static void expect(struct stage_result result, int status, const char *out, const char *err)
{
    assert_string_equal(result.err, err);
    assert_string_equal(result.out, out);
    assert_int_equal(result.status, status);
}

static void expect_script(struct stage *stage, const char *script, int status, const char *out, const char *err)
{
    expect(stage_script(stage, "ada", script), status, out, err);
}

/* --- help and words --- */

static void every_verb_has_its_help_behind_two_dashes(void **state)
{
    static const char *const verbs[] = {"share", "join",   "links", "unshare", "sync",   "relay",  "demo", "cat", "apply",
                                        "verify", "diff",  "undo", "docs",  "forget",  "doctor", "config", "key",  "help", "man", "completions"};
    struct stage *stage = *state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char *help = xstrdup(stage_run(stage, "ada", NULL, ARGS("help", verbs[i])).out);
        assert_true(strlen(help) > 0);
        expect(stage_run(stage, "ada", NULL, ARGS(verbs[i], "--help")), 0, help, "");
        expect(stage_run(stage, "ada", NULL, ARGS(verbs[i], "some", "words", "-h")), 0, help, "");
        free(help);
    }
    char *help = xstrdup(stage_run(stage, "ada", NULL, ARGS("--help")).out);
    expect(stage_run(stage, "ada", NULL, ARGS("notes.md", "--help")), 0, help, "");
    free(help);
    assert_false(stage_exists(stage, "ada.state"));
}

static void words_that_mean_nothing_are_not_passed_over(void **state)
{
    struct stage *stage = *state;
    expect(stage_run(stage, "ada", NULL, ARGS("docs", "x")), 2, "", "weft docs: it takes no words: weft docs\n");
    expect(stage_run(stage, "ada", NULL, ARGS("doctor", "x")), 2, "", "weft doctor: it takes no words: weft doctor\n");
    expect(stage_run(stage, "ada", NULL, ARGS("man", "x")), 2, "", "weft man: it takes no words: weft man\n");
    expect(stage_run(stage, "ada", NULL, ARGS("help", "cat", "x")), 2, "", "weft help: name one thing: weft help [VERB|scripts|relay|keys|trust]\n");
    expect(stage_run(stage, "ada", NULL, ARGS("forget", "--all", "x")), 2, "", "weft forget: name files, or --all, not both\n");
    expect(stage_run(stage, "ada", NULL, ARGS("relay", "ls", "x")), 2, "",
           "weft relay: it knows ls, rm DOC|LINK, stat, backup FILE, status and stop\n");
    assert_false(stage_exists(stage, "ada.state"));
}

/* --- streams --- */

/* A file opened later would get the number of a stream that is closed, and the text would be written into it. */
static void a_closed_stream_is_said_and_writes_into_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_script(stage, "\"$WEFT\" docs >&-", 0, "", ""); /* it had nothing to say */
    expect_script(stage, "\"$WEFT\" cat notes.md >&-", 1, "", "weft cat: cannot write to standard output: Bad file descriptor\n");
    expect_script(stage, "\"$WEFT\" apply notes.md <&-", 1, "", "weft apply: cannot read standard input: Bad file descriptor\n");
    expect_script(stage, "printf %s '{\"at\": \"end\", \"insert\": \"two\\n\"}' | \"$WEFT\" apply notes.md >&- 2>&-", 0, "", "");
    expect_script(stage, "\"$WEFT\" cat notes.md 2>&-", 0, "one\ntwo\n", "");
    expect_script(stage, "\"$WEFT\" cat nothing.md 2>&-", 1, "", "");
    expect_script(stage, "\"$WEFT\" verify notes.md >/dev/null", 0, "", "");
}

/* `head -1`, done long before: the reader has closed the pipe when the first byte is written. */
static void who_has_read_enough_is_told_nothing(void **state)
{
    struct stage *stage = *state;
    struct buf text = {0};
    for (int i = 0; i < 20000; i++)
        buf_add_string(&text, "a line of text\n");
    stage_write(stage, "notes.md", buf_string(&text));
    buf_release(&text);
    expect_script(stage, "echo '{\"at\": 0, \"insert\": \"x\"}' | \"$WEFT\" apply notes.md", 0, "", "");
    static const char *const words[] = {"--help", "man", "docs", "cat notes.md", "cat --disk notes.md", "verify notes.md", "completions bash"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *script = xformat("mkfifo pipe; (exec 4<>pipe; exec 3>pipe; exec 4<&-; \"$WEFT\" %s >&3); rm pipe", words[i]);
        expect_script(stage, script, 0, "", "");
        free(script);
    }
}

static void what_could_not_be_printed_is_a_failure(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_script(stage, "echo '{\"at\": 0, \"insert\": \"x\"}' | \"$WEFT\" apply notes.md", 0, "", "");
    static const char *const words[] = {"--help", "--version", "help cat", "man", "docs", "completions bash", "config", "key show",
                                        "verify notes.md"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *script = xformat("\"$WEFT\" %s >/dev/full", words[i]);
        expect_script(stage, script, 1, "", "weft: cannot write to standard output: No space left on device\n");
        free(script);
    }
    /* Who reads no further wants no sentence. It begins when the reader has gone: a pipe takes more than the manual is long. */
    expect_script(stage, "{ trap '' PIPE; while printf . 2>/dev/null; do :; done; \"$WEFT\" man; echo $? >&2; } | :", 0, "", "1\n");
}

/* --- secrets --- */

/* Whoever may list processes would read the key otherwise, for as long as the editor is open. */
static void a_link_among_the_arguments_is_not_seen_by_others(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    const char *secret = strchr(link, '#') + 1;
    struct vt *vt = stage_weft(stage, "lin", ARGS("join", link));
    vt_expect_row(vt, 0, "one");
    char *path = xformat("/proc/%d/cmdline", vt_pid(vt));
    FILE *file = fopen(path, "r");
    char line[1024] = "";
    assert_non_null(file);
    size_t len = fread(line, 1, sizeof line - 1, file);
    (void)fclose(file);
    assert_true(len > 0);
    assert_null(memmem(line, len, secret, strlen(secret)));
    assert_non_null(memmem(line, len, "join", strlen("join")));
    free(path);
    free(link);
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* --- shells, where they are there --- */

static void need(struct stage *stage, const char *shell)
{
    char *script = xformat("command -v %s >/dev/null", shell);
    bool there = stage_script(stage, "ada", script).status == 0;
    free(script);
    if (!there)
        skip();
}

/* What bash offers for the last of `words`, sorted, one a line. */
static void expect_bash(struct stage *stage, const char *words, int count, const char *offers)
{
    char *script = xformat("bash -c 'source <(\"$WEFT\" completions bash); COMP_WORDS=(weft %s); COMP_CWORD=%d; _weft;"
                           " printf \"%%s\\n\" \"${COMPREPLY[@]}\"' | sort",
                           words, count);
    expect_script(stage, script, 0, offers, "");
    free(script);
}

static void bash_completes_verbs_words_options_and_files(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "shared notes.md", "");
    expect_bash(stage, "sh", 1, "share\nshared notes.md\n");
    expect_bash(stage, "--p", 1, "--private\n");
    expect_bash(stage, "share --no", 2, "--no-edit\n");
    expect_bash(stage, "share sh", 2, "shared notes.md\n");
    expect_bash(stage, "completions \"\"", 2, "bash\nfish\nzsh\n");
    expect_bash(stage, "relay st", 2, "stat\nstatus\nstop\n");
    expect_bash(stage, "relay backup sh", 3, "shared notes.md\n");
    expect_bash(stage, "help com", 2, "completions\n");
    expect_bash(stage, "docs \"\"", 2, "\n");
    expect_bash(stage, "demo --", 2, "--fast\n--help\n--play\n");
}

static void fish_completes_verbs_words_options_and_files(void **state)
{
    struct stage *stage = *state;
    need(stage, "fish");
    stage_write(stage, "shared notes.md", "");
    static const char *const lines[][2] = {
        {"weft shar", "share\tedit it and let others in\nshared notes.md\n"},
        {"weft share --no", "--no-edit\tprint the links, exit once the relay has everything\n"},
        {"weft key ex", "export\n"},
        {"weft completions z", "zsh\n"},
        {"weft docs sh", ""},
        {"weft cat --insecure sh", "shared notes.md\n"},
        {"weft ke", "key\tthis device's fingerprint; a shared file's admin link\n"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *script = xformat("fish --no-config -c '\"$WEFT\" completions fish | source; complete -C \"%s\"'", lines[i][0]);
        expect_script(stage, script, 0, lines[i][1], "");
        free(script);
    }
}

/* Types at zsh's prompt and presses Tab: then the line is `line`. */
static void expect_zsh(struct vt *vt, const char *typed, const char *line)
{
    enum { CTRL_U = 'u', CTRL_L = 'l' };
    vt_type(vt, typed);
    vt_type(vt, VT_TAB);
    char *prompt = xformat("Z> %s", line);
    vt_expect_row_has(vt, 0, prompt);
    free(prompt);
    vt_ctrl(vt, CTRL_U);
    vt_ctrl(vt, CTRL_L);
    vt_expect_row(vt, 0, "Z>");
}

static void zsh_completes(struct stage *stage, const char *load)
{
    char *script = xformat("mkdir zd; printf \"PS1='Z> '; autoload -Uz compinit; compinit -u -D; %s; clear\" > zd/.zshrc;"
                           " ZDOTDIR=zd exec zsh -d -i",
                           load);
    struct vt *vt = stage_shell(stage, "ada", script);
    free(script);
    vt_expect_row(vt, 0, "Z>");
    expect_zsh(vt, "weft unsh", "weft unshare");
    expect_zsh(vt, "weft share --no", "weft share --no-edit");
    expect_zsh(vt, "weft share shared", "weft share shared\\ notes.md");
    expect_zsh(vt, "weft completions z", "weft completions zsh");
    expect_zsh(vt, "weft relay --tls-k", "weft relay --tls-key=");
    expect_zsh(vt, "weft --priv", "weft --private");
    vt_type(vt, "exit" VT_ENTER);
    vt_free(vt);
}

static void zsh_completes_what_it_was_given_by_source(void **state)
{
    struct stage *stage = *state;
    need(stage, "zsh");
    stage_write(stage, "shared notes.md", "");
    zsh_completes(stage, "source <(\\$WEFT completions zsh)");
}

static void zsh_completes_what_it_found_in_its_path(void **state)
{
    struct stage *stage = *state;
    need(stage, "zsh");
    stage_write(stage, "shared notes.md", "");
    assert_int_equal(stage_script(stage, "ada", "mkdir functions && \"$WEFT\" completions zsh > functions/_weft").status, 0);
    zsh_completes(stage, "fpath=(\\$PWD/functions \\$fpath); compinit -u -D");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_verb_has_its_help_behind_two_dashes),
        TEST(words_that_mean_nothing_are_not_passed_over),
        TEST(a_closed_stream_is_said_and_writes_into_nothing),
        TEST(who_has_read_enough_is_told_nothing),
        TEST(what_could_not_be_printed_is_a_failure),
        TEST(a_link_among_the_arguments_is_not_seen_by_others),
        TEST(bash_completes_verbs_words_options_and_files),
        TEST(fish_completes_verbs_words_options_and_files),
        TEST(zsh_completes_what_it_was_given_by_source),
        TEST(zsh_completes_what_it_found_in_its_path),
    };
    return RUN_TESTS("command line", tests);
}
