/* What scripts and hosts do without a screen: cat, apply, verify, links, docs, forget, sync, relay and the rest. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"
#include "tests/support/stage.h"

#define MARKER "never-to-leave-this-machine"

/* A relay of somebody's own outlives the program that started it, also when a test fails. */
static int teardown_own_relay(void **state)
{
    (void)stage_run(*state, "ada", NULL, ARGS("relay", "stop"));
    return stage_teardown(state);
}

/* --- saying what is expected --- */

static void expect_status(struct stage_result result, int status)
{
    if (result.status != status)
        fail_msg("ended with %d, not %d: %s%s", result.status, status, result.out, result.err);
}

static void expect_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void expect_cat(struct stage *stage, const char *person, const char *target, const char *text)
{
    struct stage_result result = stage_run(stage, person, NULL, ARGS("cat", target));
    expect_status(result, 0);
    assert_string_equal(result.out, text);
}

/* The same once everybody has said what they had to say. */
static void expect_cat_soon(struct stage *stage, const char *person, const char *target, const char *text)
{
    enum { PATIENCE_S = 30 };
    time_t until = time(NULL) + PATIENCE_S;
    while (time(NULL) < until && strcmp(stage_run(stage, person, NULL, ARGS("cat", target)).out, text) != 0)
        ;
    expect_cat(stage, person, target, text);
}

static void apply(struct stage *stage, const char *person, const char *target, const char *lines)
{
    struct stage_result result = stage_run(stage, person, lines, ARGS("apply", target));
    expect_status(result, 0);
}

/* The line of `weft verify` that begins with `word`; heap string. */
static char *verified(struct stage *stage, const char *person, const char *target, const char *word)
{
    struct stage_result result = stage_run(stage, person, NULL, ARGS("verify", target));
    expect_status(result, 0);
    const char *line = strstr(result.out, word);
    if (!line)
        fail_msg("no %s in: %s", word, result.out);
    return xstrndup(line, strcspn(line, "\n"));
}

static char *text_of_edit(unsigned long number)
{
    return xformat("{\"at\": \"end\", \"insert\": \"line %lu\\n\"}\n", number);
}

/* --- cat, apply, verify by link --- */

static void both_links_print_the_shared_text(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo");
    char *edit = stage_share(stage, "ada", "notes.md", "edit");
    char *view = stage_share(stage, "ada", "notes.md", "view");
    assert_string_not_equal(edit, view);
    expect_cat(stage, "lin", edit, "one\ntwo");
    expect_cat(stage, "bo", view, "one\ntwo");
    assert_false(stage_exists(stage, "bo.state"));
    free(edit);
    free(view);
}

/* --- log, blame, cat --at --- */

/* The word behind `before` in a line of `text`, up to the next quote or blank; heap string. */
static char *word_behind(const char *text, const char *before)
{
    const char *at = strstr(text, before);
    if (!at)
        fail_msg("\"%s\" is not in: %s", before, text);
    at += strlen(before);
    return xstrndup(at, strcspn(at, "\" \n"));
}

static void expect_past(struct stage *stage, const char *target)
{
    struct stage_result result = stage_run(stage, "bo", NULL, ARGS("log", target));
    expect_status(result, 0);
    const char *lin = strstr(result.out, "  Lin "), *ann = strstr(result.out, "  Ann ");
    assert_true(lin && ann && lin < ann); /* the newest first */
    expect_has(lin, "  1 edit   +7 -0  ");
    expect_has(ann, "  2 edits  +4 -3  ");
    result = stage_run(stage, "bo", NULL, ARGS("blame", target));
    expect_status(result, 0);
    expect_has(result.out, "                                            one\n");
    expect_has(result.out, "  Ann                       2\n");
    expect_has(result.out, "  Lin                       three\n");
}

static void everybody_sees_who_wrote_what(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo");
    char *edit = stage_share(stage, "ada", "notes.md", "edit"), *view = stage_share(stage, "ada", "notes.md", "view");
    const char *ann = "{\"at\": 4, \"delete\": 3, \"insert\": \"2\\n\"}\n{\"at\": 6, \"insert\": \"x\\n\"}\n";
    expect_status(stage_run(stage, "ann", ann, ARGS("apply", "--name", "Ann", edit)), 0);
    const char *lin = "{\"at\": 6, \"insert\": \"three\\n \"}\n";
    expect_status(stage_run(stage, "lin", lin, ARGS("apply", "--name", "Lin", edit)), 0);
    expect_past(stage, view);
    struct stage_result result = stage_run(stage, "bo", NULL, ARGS("log", "--json", view));
    expect_status(result, 0);
    expect_has(result.out, "\"author\": \"Lin\", \"kind\": \"edit\", \"inserted\": 7, \"deleted\": 0, \"version\": \"");
    char *version = word_behind(strstr(result.out, "\"Ann\""), "\"version\": \"");
    result = stage_run(stage, "bo", NULL, ARGS("cat", "--at", version, view));
    expect_status(result, 0);
    assert_string_equal(result.out, "one\n2\nx\n");
    result = stage_run(stage, "bo", NULL, ARGS("cat", "--at", "base", view));
    assert_string_equal(result.out, "one\ntwo");
    result = stage_run(stage, "bo", NULL, ARGS("cat", "--at", "0s", view));
    assert_string_equal(result.out, "one\n2\nthree\n x\n");
    result = stage_run(stage, "bo", NULL, ARGS("cat", "--at", "1970-01-02", view));
    assert_string_equal(result.out, "one\ntwo");
    assert_false(stage_exists(stage, "bo.state"));
    free(version);
    free(edit);
    free(view);
}

static void a_line_is_whose_words_are_in_it_and_not_who_ended_it(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "base");
    char *edit = stage_share(stage, "ada", "notes.md", "edit");
    const char *ann = "{\"at\": \"end\", \"insert\": \"\\nann's words\"}\n";
    const char *lin = "{\"at\": \"end\", \"insert\": \"\\n\\nlin's\"}\n";
    expect_status(stage_run(stage, "ann", ann, ARGS("apply", "--name", "Ann", edit)), 0);
    expect_status(stage_run(stage, "lin", lin, ARGS("apply", "--name", "Lin", edit)), 0);
    struct stage_result result = stage_run(stage, "bo", NULL, ARGS("blame", edit));
    expect_status(result, 0);
    expect_has(result.out, "                                            base\n");
    expect_has(result.out, "  Ann                       ann's words\n");
    expect_has(result.out, "  Lin                       \n"); /* an empty one is who made it */
    expect_has(result.out, "  Lin                       lin's\n");
    free(edit);
}

/* Until the newest text has both of these words. */
static void expect_both_soon(struct stage *stage, const char *target, const char *word, const char *other)
{
    enum { PATIENCE_S = 30 };
    const char *text = "";
    for (time_t until = time(NULL) + PATIENCE_S; time(NULL) < until && !(strstr(text, word) && strstr(text, other));)
        text = stage_run(stage, "bo", NULL, ARGS("cat", target)).out;
    expect_has(text, word);
    expect_has(text, other);
}

static void everybody_sees_what_collided(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "zero\none two\n");
    char *edit = stage_share(stage, "ada", "notes.md", "edit"), *view = stage_share(stage, "ada", "notes.md", "view");
    struct stage_result result = stage_run(stage, "bo", NULL, ARGS("log", "--collisions", view));
    expect_status(result, 0);
    assert_string_equal(result.out, "No edits touched each other unseen.\n");
    result = stage_run(stage, "bo", NULL, ARGS("log", "--collisions", "--json", view));
    expect_status(result, 0);
    assert_string_equal(result.out, "");
    const char *ann = "{\"at\": 9, \"insert\": \"small \"}\n";
    expect_status(stage_run(stage, "ann", ann, ARGS("apply", "--name", "Ann", edit)), 0);
    stage_write(stage, "notes.md", "zero\none big two\n"); /* by a program that knows of the file alone */
    struct stage_job sync = stage_start(stage, "ada", NULL, ARGS("sync", "notes.md"));
    expect_both_soon(stage, view, "big ", "small ");
    kill(sync.pid, SIGTERM);
    expect_status(stage_finish(stage, sync), 0);
    result = stage_run(stage, "bo", NULL, ARGS("log", "--collisions", view));
    expect_status(result, 0);
    expect_has(result.out, "  in line 2: ");
    expect_has(result.out, "Ann inserted \"small \"");
    expect_has(result.out, "another program inserted \"");
    result = stage_run(stage, "bo", NULL, ARGS("log", "--collisions", "--json", view));
    expect_status(result, 0);
    expect_has(result.out, "\"line\": 2, \"gone\": false, \"edits\": [{\"time\": ");
    expect_has(result.out, "\"kind\": \"edit\", \"inserted\": \"small \", \"inserted_bytes\": 6, \"deleted\": \"\", "
                           "\"deleted_bytes\": 0, \"version\": \"");
    result = stage_run(stage, "bo", NULL, ARGS("log", "--collisions", "--from", "now", view));
    expect_status(result, 0);
    assert_string_equal(result.out, "No edits touched each other unseen.\n");
    result = stage_run(stage, "bo", NULL, ARGS("log", "--from", "now", view));
    expect_status(result, 2);
    expect_has(result.err, "weft log: --from and --to go with --collisions");
    free(edit);
    free(view);
}

static void the_past_of_a_file_is_in_its_journal(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    apply(stage, "ada", "notes.md", "{\"at\": \"end\", \"insert\": \"two\\n\"}\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("log", "notes.md"));
    expect_status(result, 0);
    expect_has(result.out, "  1 edit   +4 -0  ");
    char *version = word_behind(result.out, "+4 -0  ");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"delete\": 4}\n");
    result = stage_run(stage, "ada", NULL, ARGS("cat", "--at", version, "notes.md"));
    expect_status(result, 0);
    assert_string_equal(result.out, "one\ntwo\n");
    free(version);
    result = stage_run(stage, "ada", NULL, ARGS("cat", "--at", "0123456789:4", "notes.md"));
    expect_status(result, 1);
    expect_has(result.err, "weft cat: notes.md has no version 0123456789:4; weft log lists them");
    result = stage_run(stage, "ada", NULL, ARGS("cat", "--at", "yesterday", "notes.md"));
    expect_status(result, 2);
    expect_has(result.err, "weft cat: \"yesterday\" is no version");
    result = stage_run(stage, "ada", NULL, ARGS("blame", "none.md"));
    expect_status(result, 1);
    expect_has(result.err, "weft blame: there is no file none.md, and nothing of it is kept");
    result = stage_run(stage, "ada", NULL, ARGS("log"));
    expect_status(result, 2);
    expect_has(result.err, "weft log: name one: weft log LINK|FILE");
}

static void expect_diff(struct stage_result result, int status, const char *out)
{
    expect_status(result, status);
    assert_string_equal(result.out, out);
}

/* The lines that programs read: who and when aside. */
static void what_changed_between_two_versions_is_told_line_by_line(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\nfour\nfive\n");
    char *edit = stage_share(stage, "ada", "notes.md", "edit"), *view = stage_share(stage, "ada", "notes.md", "view");
    const char *ann = "{\"at\": 4, \"delete\": 4, \"insert\": \"2\\n\"}\n";
    expect_status(stage_run(stage, "ann", ann, ARGS("apply", "--name", "Ann", edit)), 0);
    char *version = word_behind(stage_run(stage, "bo", NULL, ARGS("log", "--json", view)).out, "\"version\": \"");
    const char *lin = "{\"at\": \"end\", \"insert\": \"six\"}\n";
    expect_status(stage_run(stage, "lin", lin, ARGS("apply", "--name", "Lin", edit)), 0);
    char *expected = xformat("--- %s\tbase\n+++ %s\tnow\n@@ -1,5 +1,6 @@\n one\n-two\n+2\n three\n four\n five\n+six\n"
                             "\\ No newline at end of file\n", "notes.md", "notes.md");
    expect_diff(stage_run(stage, "bo", NULL, ARGS("diff", view)), 1, expected);
    expect_diff(stage_run(stage, "bo", NULL, ARGS("diff", "--from", "now", view)), 0, "");
    struct stage_result result = stage_run(stage, "bo", NULL, ARGS("diff", "--from", version, view));
    expect_status(result, 1);
    expect_has(result.out, "@@ -3,3 +3,4 @@\n three\n four\n five\n+six\n");
    result = stage_run(stage, "bo", NULL, ARGS("diff", "--from", "now", "--to", version, view));
    expect_status(result, 1);
    expect_has(result.out, "\n-six\n\\ No newline at end of file\n");
    result = stage_run(stage, "bo", NULL, ARGS("diff", "--who", "--to", version, view));
    expect_status(result, 1);
    expect_has(result.out, "  Ann                       -two\n");
    expect_has(result.out, "  Ann                       +2\n");
    expect_has(result.out, "                                             one\n");
    result = stage_run(stage, "bo", NULL, ARGS("diff", "--json", "--to", version, view));
    expect_status(result, 1);
    expect_has(result.out, "{\"from\": 4, \"to\": 4, \"insert\": \"2\\n\", \"bytes\": 2, \"by\": \"writing\", \"time\": ");
    expect_has(result.out, "{\"from\": 4, \"to\": 6, \"delete\": \"two\\n\", \"bytes\": 4, \"by\": \"deleting\", \"time\": ");
    expect_has(result.out, "\"author\": \"Ann\"}\n");
    free(expected);
    free(version);
    free(edit);
    free(view);
}

/* Ann vandalises, Lin goes on writing; whoever has the edit link takes back what Ann did, and then that. */
static void what_somebody_wrote_is_taken_back(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\n");
    char *edit = stage_share(stage, "ada", "notes.md", "edit"), *view = stage_share(stage, "ada", "notes.md", "view");
    const char *ann = "{\"at\": 0, \"delete\": 8, \"insert\": \"ANN\\n\"}\n{\"at\": \"end\", \"insert\": \"more\\n\"}\n";
    expect_status(stage_run(stage, "ann", ann, ARGS("apply", "--name", "Ann", edit)), 0);
    const char *lin = "{\"at\": 4, \"insert\": \"lin\\n\"}\n";
    expect_status(stage_run(stage, "lin", lin, ARGS("apply", "--name", "Lin", edit)), 0);
    struct stage_result result = stage_run(stage, "bo", NULL, ARGS("undo", "--by", "Ann", "--dry-run", view));
    expect_status(result, 0);
    expect_has(result.out, "-ANN\n");
    expect_has(result.out, "+one\n");
    expect_has(result.out, "-more\n");
    assert_string_equal(stage_run(stage, "bo", NULL, ARGS("cat", view)).out, "ANN\nlin\nthree\nmore\n");
    expect_status(stage_run(stage, "bo", NULL, ARGS("undo", "--by", "Ann", "--name", "Bo", edit)), 0);
    char *text = xstrdup(stage_run(stage, "bo", NULL, ARGS("cat", view)).out);
    assert_true(strcmp(text, "one\ntwo\nlin\nthree\n") == 0 || strcmp(text, "lin\none\ntwo\nthree\n") == 0);
    free(text);
    expect_status(stage_run(stage, "bo", NULL, ARGS("undo", "--by", "Bo", "--name", "Bo", edit)), 0);
    assert_string_equal(stage_run(stage, "bo", NULL, ARGS("cat", view)).out, "ANN\nlin\nthree\nmore\n");
    result = stage_run(stage, "bo", NULL, ARGS("undo", "--by", "Nobody", edit));
    expect_status(result, 1);
    expect_has(result.err, "weft undo: nobody called \"Nobody\" wrote in notes.md; weft log lists who did");
    result = stage_run(stage, "bo", NULL, ARGS("undo", "--by", "Ann", "--since", "now", edit));
    expect_status(result, 1);
    expect_has(result.err, "weft undo: Ann wrote nothing in notes.md since then");
    expect_status(stage_run(stage, "bo", NULL, ARGS("undo", "--by", "Ann", view)), 1); /* it holds no key to write with */
    expect_status(stage_run(stage, "bo", NULL, ARGS("undo", edit)), 2);
    free(edit);
    free(view);
}

static void a_file_is_rid_of_what_was_written_since(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    apply(stage, "ada", "notes.md", "{\"at\": \"end\", \"insert\": \"two\\n\"}\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("log", "--json", "notes.md"));
    char *version = word_behind(result.out, "\"version\": \""), *name = word_behind(result.out, "\"author\": \"");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"delete\": 4, \"insert\": \"three\\n\"}\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("undo", "--by", name, "--since", version, "notes.md")), 0);
    assert_string_equal(stage_run(stage, "ada", NULL, ARGS("cat", "--disk", "notes.md")).out, "one\ntwo\n");
    free(version);
    free(name);
}

static void a_diff_that_cannot_be_told_is_trouble(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("diff", "none.md"));
    expect_status(result, 2);
    expect_has(result.err, "weft diff: there is no file none.md, and nothing of it is kept");
    stage_write(stage, "notes.md", "one\n");
    result = stage_run(stage, "ada", NULL, ARGS("diff", "--from", "0123456789:4", "notes.md"));
    expect_status(result, 2);
    expect_has(result.err, "weft diff: notes.md has no version 0123456789:4; weft log lists them");
    result = stage_run(stage, "ada", NULL, ARGS("diff"));
    expect_status(result, 2);
    expect_has(result.err, "weft diff: name one: weft diff LINK|FILE");
    expect_diff(stage_run(stage, "ada", NULL, ARGS("diff", "notes.md")), 0, "");
}

static void two_scripts_at_once_end_with_one_text(void **state)
{
    enum { EDITS = 200 };
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct buf lin = {0}, bo = {0};
    for (int i = 0; i < EDITS; i++) {
        buf_addf(&lin, "{\"at\": \"end\", \"insert\": \"lin %d\\n\"}\n", i);
        buf_addf(&bo, "{\"at\": 0, \"insert\": \"bo %d\\n\"}\n", i);
    }
    struct stage_job jobs[] = {stage_start(stage, "lin", buf_string(&lin), ARGS("apply", link)),
                               stage_start(stage, "bo", buf_string(&bo), ARGS("apply", link))};
    expect_status(stage_finish(stage, jobs[0]), 0);
    expect_status(stage_finish(stage, jobs[1]), 0);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", link));
    expect_status(result, 0);
    size_t lines = 0;
    for (const char *at = result.out; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 2 * EDITS);
    expect_has(result.out, "lin 199\n");
    expect_has(result.out, "bo 199\n");
    char *seen_by_bo = verified(stage, "bo", link, "text "), *seen_by_lin = verified(stage, "lin", link, "text ");
    assert_string_equal(seen_by_bo, seen_by_lin);
    free(seen_by_bo);
    free(seen_by_lin);
    buf_release(&lin);
    buf_release(&bo);
    free(link);
}

static void a_view_link_applies_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "mine\n");
    char *view = stage_share(stage, "ada", "notes.md", "view");
    struct stage_result result = stage_run(stage, "lin", "{\"at\": 0, \"insert\": \"x\"}\n", ARGS("apply", view));
    expect_status(result, 1);
    expect_has(result.err, "view-only");
    expect_cat(stage, "lin", view, "mine\n");
    free(view);
}

/* The text at a version as it was printed: of as many words as there are ends of what people wrote at once. */
static void expect_then(struct stage *stage, const char *path, const char *line, const char *text)
{
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "--at", line + strlen("version "), path));
    expect_status(result, 0);
    assert_string_equal(result.out, text);
}

static void everybody_verifies_the_same_text_and_version(void **state)
{
    static const char *const words[] = {"text ", "version "};
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *edit = stage_share(stage, "ada", "notes.md", "edit");
    char *view = stage_share(stage, "ada", "notes.md", "view");
    apply(stage, "lin", edit, "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    apply(stage, "ada", "notes.md", "{\"at\": \"end\", \"insert\": \"two\\n\"}\n");
    free(stage_share(stage, "ada", "notes.md", "edit")); /* ends when the journal has what lin wrote */
    for (size_t i = 0; i < 2; i++) {
        char *by_edit = verified(stage, "lin", edit, words[i]), *by_view = verified(stage, "bo", view, words[i]);
        char *by_file = verified(stage, "ada", "notes.md", words[i]);
        assert_string_equal(by_edit, by_view);
        assert_string_equal(by_edit, by_file);
        if (i == 1)
            expect_then(stage, "notes.md", by_edit, "zero\none\ntwo\n");
        free(by_edit);
        free(by_view);
        free(by_file);
    }
    free(edit);
    free(view);
}

static void what_was_typed_before_sharing_never_leaves(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "public\n");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"insert\": \"" MARKER "\"}\n");
    expect_cat(stage, "ada", "notes.md", MARKER "public\n");
    char *deletion = xformat("{\"at\": 0, \"delete\": %zu}\n", strlen(MARKER));
    apply(stage, "ada", "notes.md", deletion);
    free(deletion);
    char *view = stage_share(stage, "ada", "notes.md", "view");
    expect_cat(stage, "lin", view, "public\n");
    char *checked = verified(stage, "lin", view, "checked ");
    expect_has(checked, "checked 0 batches of 0 agents");
    free(checked);
    expect_status(stage_run(stage, "lin", NULL, ARGS("verify", view)), 0);
    stage_relay_signal(stage, SIGTERM);
    assert_false(scratch_contains(stage_dir(stage), MARKER)); /* the journal is sealed, so nothing has it in the clear */
    free(view);
}

static void what_the_relay_acknowledged_survives_its_kill_9(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    for (unsigned long i = 0; i < 5; i++) {
        char *edit = text_of_edit(i);
        apply(stage, "lin", link, edit);
        free(edit);
        stage_relay_restart(stage);
    }
    expect_cat(stage, "bo", link, "one\nline 0\nline 1\nline 2\nline 3\nline 4\n");
    free(link);
}

static void a_relay_that_is_away_is_said(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    stage_relay_signal(stage, SIGKILL);
    struct stage_job jobs[] = {stage_start(stage, "lin", NULL, ARGS("cat", link)),
                               stage_start(stage, "bo", "{\"at\": 0, \"insert\": \"x\"}", ARGS("apply", link))};
    for (size_t i = 0; i < 2; i++) {
        struct stage_result result = stage_finish(stage, jobs[i]);
        expect_status(result, 1);
        assert_string_equal(result.out, "");
        expect_has(result.err, "weft ");
    }
    free(link);
}

/* --- cat and apply of a file --- */

static void cat_prints_what_the_file_does_not_have_yet(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    expect_status(result, 1);
    stage_write(stage, "notes.md", "in file\n");
    expect_cat(stage, "ada", "notes.md", "in file\n");
    assert_false(stage_exists(stage, "ada.state"));
    result = stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"not \"}\n", ARGS("apply", "--no-save", "notes.md"));
    expect_status(result, 0);
    stage_expect_file(stage, "notes.md", "in file\n");
    result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_string_equal(result.out, "not in file\n");
    assert_string_equal(result.err, "");
    result = stage_run(stage, "ada", "", ARGS("apply", "--no-save", "notes.md"));
    expect_status(result, 0);
    expect_has(result.err, "weft apply: 1 edit of ");
    expect_has(result.err, " is kept and not yet in notes.md.\n"); /* no word of keys: there is no screen */
    assert_null(strstr(result.err, "is written"));
    stage_write(stage, "notes.md", "of another program\n");
    result = stage_run(stage, "ada", NULL, ARGS("cat", "notes.md"));
    assert_string_equal(result.out, "not in file\n");
    expect_has(result.err, "changed by another program");
    result = stage_run(stage, "ada", NULL, ARGS("cat", "--disk", "notes.md"));
    assert_string_equal(result.out, "of another program\n");
    assert_string_equal(result.err, "");
}

/* It says that there were more of them, and then what became of those. */
static void apply_says_that_what_was_kept_before_is_written_too(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    expect_status(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"one \"}\n", ARGS("apply", "--no-save", "notes.md")), 0);
    struct stage_result result = stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"two \"}\n", ARGS("apply", "notes.md"));
    expect_status(result, 0);
    expect_has(result.err, " is kept and not yet in notes.md.\nweft apply: notes.md is written, with what was kept before.\n");
    stage_expect_file(stage, "notes.md", "two one text\n");
    result = stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"three \"}\n", ARGS("apply", "notes.md"));
    expect_status(result, 0);
    assert_string_equal(result.err, "");
}

static void apply_writes_the_file_unless_an_editor_has_it(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"delete\": 1, \"insert\": \"T\"}\n{\"at\": \"end\", \"insert\": \"end\\n\"}");
    stage_expect_file(stage, "notes.md", "Text\nend\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row_has(vt, 0, "Text");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"insert\": \"A \"}\n");
    vt_expect_row_has(vt, 0, "A Text");
    stage_expect_file(stage, "notes.md", "Text\nend\n");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "A Text\nend\n");
    vt_free(vt);
}

static void a_bad_line_is_named_and_what_came_before_it_stands(void **state)
{
    static const struct {
        const char *line, *says;
    } bad[] = {{"{\"at\": 100}", "byte 100 is behind the end of the text, which has 4 now"},
               {"{\"at\": 1, \"delete\": 100}", "from byte 1 on there are 3 bytes to delete, not 100"},
               {"{\"at\": -1}", "\"at\" must be a whole number, not below 0"},
               {"{\"insert\": \"x\"}", "it must be {\"at\": BYTE or \"end\", \"delete\": N, \"insert\": \"...\"}"},
               {"not json", "it is not right JSON"},
               {"{\"at\": 0, \"inserted\": \"x\"}", "\"inserted\" means nothing here"},
               {"{\"at\": 0, \"insert\": 5}", "\"insert\" must be a text in quotes"}};
    struct stage *stage = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *path = xformat("notes%zu.md", i);
        char *input = xformat("{\"at\": 0, \"insert\": \"kept\"}\n\n%s\n{\"at\": 0, \"insert\": \"after\"}\n", bad[i].line);
        stage_write(stage, path, "");
        struct stage_result result = stage_run(stage, "ada", input, ARGS("apply", path));
        char *said = xformat("weft apply: line 3 was not applied, nor any after it: %s\n", bad[i].says);
        assert_int_equal(result.status, 1);
        assert_string_equal(result.err, said);
        free(said);
        expect_cat(stage, "ada", path, "kept");
        stage_expect_file(stage, path, "kept");
        free(path);
        free(input);
    }
}

static void no_line_cuts_a_character_in_two(void **state)
{
    static const struct {
        const char *line, *says;
    } bad[] = {{"{\"at\": 2, \"insert\": \"x\"}", "byte 2 is inside a character"},
               {"{\"at\": 5, \"insert\": \"x\"}", "byte 5 is inside a character"},
               {"{\"at\": 0, \"delete\": 2}", "the deletion ends at byte 2, which is inside a character"},
               {"{\"at\": 3, \"delete\": 3}", "the deletion ends at byte 6, which is inside a character"}};
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "a\u00e9\U0001f600z\n"); /* bytes 1-2 and 3-6 are one character each */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct stage_result result = stage_run(stage, "ada", bad[i].line, ARGS("apply", "notes.md"));
        char *said = xformat("weft apply: line 1 was not applied, nor any after it: %s\n", bad[i].says);
        assert_int_equal(result.status, 1);
        assert_string_equal(result.err, said);
        free(said);
    }
    expect_cat(stage, "ada", "notes.md", "a\u00e9\U0001f600z\n");
    apply(stage, "ada", "notes.md", "{\"at\": 3, \"delete\": 4, \"insert\": \"!\"}\n");
    expect_cat(stage, "ada", "notes.md", "a\u00e9!z\n");
    stage_write(stage, "bytes.md", "\xe9\x80z\xc3"); /* no UTF-8: each byte can be edited */
    apply(stage, "ada", "bytes.md", "{\"at\": 1, \"delete\": 1, \"insert\": \"x\"}\n");
    expect_cat(stage, "ada", "bytes.md", "\xe9" "xz\xc3");
}

static void two_scripts_at_once_on_one_file_write_it_whole(void **state)
{
    enum { ROUNDS = 5, EDITS = 50 };
    struct stage *stage = *state;
    struct buf input = {0};
    for (int i = 0; i < EDITS; i++)
        buf_add_string(&input, "{\"at\": \"end\", \"insert\": \"x\"}\n");
    for (int round = 0; round < ROUNDS; round++) {
        char *path = xformat("notes%d.md", round);
        stage_write(stage, path, "");
        struct stage_job jobs[] = {stage_start(stage, "ada", buf_string(&input), ARGS("apply", path)),
                                   stage_start(stage, "ada", buf_string(&input), ARGS("apply", path))};
        expect_status(stage_finish(stage, jobs[0]), 0);
        expect_status(stage_finish(stage, jobs[1]), 0);
        char *text = stage_read(stage, path);
        assert_int_equal(strlen(text), 2 * EDITS);
        expect_cat(stage, "ada", path, text);
        free(text);
        free(path);
    }
    buf_release(&input);
}

static void many_lines_are_taken_in_one_go(void **state)
{
    enum { EDITS = 5000 };
    struct stage *stage = *state;
    struct buf input = {0};
    stage_write(stage, "notes.md", "");
    for (int i = 0; i < EDITS; i++)
        buf_addf(&input, "{\"at\": %d, \"insert\": \"x\"}\n", i);
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    apply(stage, "lin", link, buf_string(&input));
    char *text = verified(stage, "bo", link, "text ");
    expect_has(text, "5000 bytes");
    free(text);
    stage_write(stage, "other.md", "");
    apply(stage, "ada", "other.md", buf_string(&input));
    text = stage_read(stage, "other.md");
    assert_int_equal(strlen(text), EDITS);
    free(text);
    free(link);
    buf_release(&input);
}

/* --- rooms --- */

static void links_are_shown_until_sharing_ends(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("links", "notes.md")), 1);
    expect_status(stage_run(stage, "ada", NULL, ARGS("unshare", "notes.md")), 1);
    char *edit = stage_share(stage, "ada", "notes.md", "edit");
    char *view = stage_share(stage, "ada", "notes.md", "view");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("links", "notes.md"));
    expect_status(result, 0);
    char *both = xformat("edit %s\nview %s\n", edit, view);
    assert_string_equal(result.out, both);
    expect_status(stage_run(stage, "ada", NULL, ARGS("unshare", "notes.md")), 0);
    expect_status(stage_run(stage, "ada", NULL, ARGS("links", "notes.md")), 1);
    expect_cat(stage, "lin", view, "one\n"); /* the room goes on for the others */
    expect_cat(stage, "ada", "notes.md", "one\n");
    free(both);
    free(edit);
    free(view);
}

static void a_name_nobody_chose_is_told_before_it_goes(void **state)
{
    struct stage *stage = *state;
    const char *const *args = ARGS("share", "--no-edit", "notes.md", "--relay", stage_relay(stage));
    stage_write(stage, "notes.md", "one\n");
    struct stage_result result = stage_run(stage, "ada", NULL, args);
    expect_status(result, 0);
    expect_has(result.err, "weft share: you appear as \"");
    expect_has(result.err, "\" (from login; `weft config name` changes it)\n");
    assert_string_equal(stage_run(stage, "ada", NULL, args).err, ""); /* known from the first time */
    expect_status(stage_run(stage, "lin", NULL, ARGS("config", "name", "Lin")), 0);
    stage_write(stage, "other.md", "one\n");
    args = ARGS("share", "--no-edit", "other.md", "--relay", stage_relay(stage));
    assert_string_equal(stage_run(stage, "lin", NULL, args).err, ""); /* chosen */
}

static void a_closed_room_lets_nobody_in(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *edit = stage_share(stage, "ada", "notes.md", "edit");
    expect_status(stage_run(stage, "ada", NULL, ARGS("unshare", "--close", "notes.md")), 0);
    struct stage_result result = stage_run(stage, "lin", NULL, ARGS("cat", edit));
    expect_status(result, 1);
    expect_has(result.err, "closed");
    expect_cat(stage, "ada", "notes.md", "one\n");
    free(edit);
}

static void sync_writes_what_the_room_writes_and_reads_what_the_disk_says(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct stage_job sync = stage_start(stage, "ada", NULL, ARGS("sync", "notes.md"));
    apply(stage, "lin", link, "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    stage_expect_file(stage, "notes.md", "zero\none\ntwo\nthree\n");
    stage_write(stage, "notes.md", "zero\none\ntwo\nthree\nfour\n");
    expect_cat_soon(stage, "lin", link, "zero\none\ntwo\nthree\nfour\n");
    kill(sync.pid, SIGTERM);
    struct stage_result result = stage_finish(stage, sync);
    expect_status(result, 0);
    expect_has(result.err, "lines merged.\n"); /* and of no key: nobody is at one */
    sync = stage_start(stage, "ada", NULL, ARGS("sync", "notes.md"));
    apply(stage, "lin", link, "{\"at\": 0, \"delete\": 5}\n");
    stage_expect_file(stage, "notes.md", "one\ntwo\nthree\nfour\n");
    kill(sync.pid, SIGINT);
    expect_status(stage_finish(stage, sync), 130);
    free(link);
}

static void sync_never_writes_over_a_file_that_is_nearly_all_different(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    stage_write(stage, "notes.md", "something else\n");
    struct stage_job sync = stage_start(stage, "ada", NULL, ARGS("sync", "notes.md", "other.md"));
    expect_status(stage_finish(stage, sync), 2); /* other.md is not shared */
    sync = stage_start(stage, "ada", NULL, ARGS("sync", "notes.md"));
    apply(stage, "lin", link, "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    struct stage_result result = stage_run(stage, "ada", "{\"at\": \"end\", \"insert\": \"four\\n\"}", ARGS("apply", "notes.md"));
    expect_status(result, 1);
    expect_has(result.err, "nearly all different");
    expect_cat(stage, "lin", link, "zero\none\ntwo\nthree\nfour\n");
    stage_expect_file(stage, "notes.md", "something else\n");
    stage_write(stage, "notes.md", "one\ntwo\nthree\n"); /* somebody puts it back, and all goes on */
    stage_expect_file(stage, "notes.md", "zero\none\ntwo\nthree\nfour\n");
    kill(sync.pid, SIGTERM);
    result = stage_finish(stage, sync);
    expect_status(result, 0);
    expect_has(result.err, "nearly all different");
    free(link);
}

/* --- what is kept --- */

static void forgetting_leaves_the_file_and_nothing_else(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("docs"));
    expect_status(result, 0);
    assert_string_equal(result.out, "");
    stage_write(stage, "notes.md", "one\n");
    stage_write(stage, "shared.md", "two\n");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    free(stage_share(stage, "ada", "shared.md", "edit"));
    result = stage_run(stage, "ada", NULL, ARGS("docs"));
    expect_has(result.out, "not shared ");
    expect_has(result.out, "/notes.md\n");
    expect_has(result.out, "shared ");
    expect_has(result.out, "/shared.md\n");
    result = stage_run(stage, "ada", NULL, ARGS("forget", "shared.md"));
    assert_int_not_equal(result.status, 0);
    expect_has(result.err, "shared.md is shared");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "zero");
    vt_type(vt, "x");
    vt_expect(vt, "xzero");
    result = stage_run(stage, "ada", NULL, ARGS("forget", "--force", "notes.md"));
    expect_status(result, 1);
    expect_has(result.err, "open");
    vt_type(vt, VT_BACKSPACE);
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    stage_write(stage, "ada.state/weft/advance/0123456789abcdef0123456789abcdef.tail.aside", "nobody can read it");
    result = stage_run(stage, "ada", NULL, ARGS("docs"));
    expect_has(result.out, "Set aside, for it cannot be read: ");
    expect_status(stage_run(stage, "ada", NULL, ARGS("forget", "--all")), 0);
    result = stage_run(stage, "ada", NULL, ARGS("docs"));
    assert_null(strstr(result.out, "Set aside"));
    assert_null(strstr(result.out, "notes.md"));
    expect_has(result.out, "shared.md");
    expect_status(stage_run(stage, "ada", NULL, ARGS("forget", "--force", "shared.md")), 0);
    result = stage_run(stage, "ada", NULL, ARGS("docs"));
    assert_string_equal(result.out, "");
    assert_false(scratch_contains(stage_dir(stage), "/notes.md"));
    stage_expect_file(stage, "notes.md", "zero\none\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("forget", "notes.md")), 1);
}

/* Behind "doc:" in what weft docs says, in front of the bracket. Heap string. */
static char *doc_word(const char *docs)
{
    const char *word = strstr(docs, "doc:");
    assert_non_null(word);
    return xstrndup(word, strcspn(word, ")"));
}

static void what_is_open_is_listed_so_and_not_forgotten(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    stage_write(stage, "other.md", "two\n");
    stage_write(stage, "shared.md", "three\n");
    apply(stage, "ada", "notes.md", "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    apply(stage, "ada", "other.md", "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    free(stage_share(stage, "ada", "shared.md", "edit"));
    assert_null(strstr(stage_run(stage, "ada", NULL, ARGS("docs")).out, "open now"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md")); /* and nothing is typed */
    vt_expect(vt, "zero");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("docs"));
    expect_has(result.out, "open now          ");
    assert_null(strstr(strstr(result.out, "open now") + 1, "open now"));
    result = stage_run(stage, "ada", NULL, ARGS("forget", "--all"));
    expect_status(result, 1);
    expect_has(result.out, "forgot 1 document\n");
    expect_has(result.out, "/notes.md is open in another weft; leave that one first\n");
    expect_has(result.out, "/shared.md is shared; weft unshare it first, or --force\n");
    assert_string_equal(result.err, "weft forget: what is open in another weft is still here; leave that one first\n");
    result = stage_run(stage, "ada", NULL, ARGS("forget", "--force", "notes.md"));
    expect_status(result, 1);
    assert_string_equal(result.err, "weft forget: notes.md is open in another weft; leave that one first\n");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    assert_null(strstr(stage_run(stage, "ada", NULL, ARGS("docs")).out, "open now"));
    expect_status(stage_run(stage, "ada", NULL, ARGS("forget", "notes.md")), 0);
}

static void what_is_in_no_file_is_listed_so_and_forgotten_by_its_name(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_status(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"zero\\n\"}\n", ARGS("apply", "--no-save", "notes.md")), 0);
    free(stage_share(stage, "ada", "notes.md", "edit")); /* another document has the file now */
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("docs"));
    expect_has(result.out, "notes.md (before it was shared: doc:");
    expect_has(result.out, "Before it was shared: how the text came to be until then. Nobody else gets that. weft forget doc:... "
                           "removes it.\n");
    assert_null(strstr(result.out, "n no file")); /* all of its text went into the shared one */
    char *word = doc_word(result.out);
    result = stage_run(stage, "ada", NULL, ARGS("forget", word));
    expect_status(result, 2);
    expect_has(result.err, " has edits that are in no file; --force forgets them\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("forget", "--force", word)), 0);
    result = stage_run(stage, "ada", NULL, ARGS("docs"));
    assert_null(strstr(result.out, "doc:"));
    expect_has(result.out, "/notes.md\n");
    result = stage_run(stage, "ada", NULL, ARGS("forget", word));
    expect_status(result, 1);
    expect_has(result.err, "; weft docs lists them\n");
    free(word);
}

static void edits_in_no_file_are_not_forgotten_unasked(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    stage_write(stage, "saved.md", "one\n");
    apply(stage, "ada", "saved.md", "{\"at\": 0, \"insert\": \"zero\\n\"}\n");
    expect_status(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"zero\\n\"}\n", ARGS("apply", "--no-save", "notes.md")), 0);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("forget", "notes.md"));
    expect_status(result, 2);
    assert_string_equal(result.err, "weft forget: notes.md has edits that are not in the file; weft notes.md shows them, --force "
                                    "forgets them\n");
    result = stage_run(stage, "ada", NULL, ARGS("forget", "--all"));
    expect_status(result, 0);
    expect_has(result.out, "forgot 1 document\nstill here: ");
    expect_has(result.out, "/notes.md has edits that are not in the file; weft ");
    expect_cat(stage, "ada", "notes.md", "zero\none\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("forget", "notes.md"));
    vt_expect(vt, "notes.md has edits that are not in the file. Forget them? [y/N]");
    vt_type(vt, "y" VT_ENTER);
    assert_int_equal(vt_close(vt), 0);
    expect_cat(stage, "ada", "notes.md", "one\n");
    expect_status(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"x\"}\n", ARGS("apply", "--no-save", "notes.md")), 0);
    expect_status(stage_run(stage, "ada", NULL, ARGS("forget", "--force", "notes.md")), 0);
    assert_string_equal(stage_run(stage, "ada", NULL, ARGS("docs")).out, "");
}

static void the_admin_link_owns_the_document(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("key", "export", "notes.md")), 1);
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("key", "export", "notes.md"));
    expect_status(result, 0);
    expect_has(result.out, "admin weft+ws://");
    char *link = xstrndup(result.out + strlen("admin "), strcspn(result.out, "\n") - strlen("admin "));
    expect_cat(stage, "lin", link, "one\n");
    result = stage_run(stage, "ada", NULL, ARGS("key", "show"));
    expect_status(result, 0);
    assert_int_equal(strlen(result.out), strlen("8f3a 91c2 07de\n"));
    free(link);
}

static void a_name_is_kept_in_the_configuration(void **state)
{
    struct stage *stage = *state;
    expect_status(stage_run(stage, "ada", NULL, ARGS("config", "name", "Ada L.")), 0);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("config"));
    expect_status(result, 0);
    expect_has(result.out, "Ada L.");
    expect_has(result.out, "/ada.config/weft/config.json");
    result = stage_run(stage, "ada", NULL, ARGS("config", "name"));
    expect_status(result, 0);
    assert_string_equal(result.out, "Ada L.  (from the configuration)\n");
    stage_write(stage, "ada.config/weft/config.json", "{\n  // me\n  \"name\": \"A\", /* and */ \"tab_width\": 4\n}\n");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("config", "name", "Ada\x1b[31m")).status, 0);
    stage_expect_file(stage, "ada.config/weft/config.json",
                      "{\n  // me\n  \"name\": \"Ada\\u001b[31m\", /* and */ \"tab_width\": 4\n}\n");
    assert_null(strchr(stage_run(stage, "ada", NULL, ARGS("config", "name")).out, '\x1b'));
    expect_status(stage_run(stage, "ada", NULL, ARGS("config", "nmae", "Ada")), 2);
    expect_status(stage_run(stage, "ada", NULL, ARGS("config", "nmae")), 2);
}

static void the_doctor_finds_a_healthy_machine_healthy(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("doctor"));
    expect_has(result.out, "ok       journal: ");
    expect_has(result.out, "ok       relay: ");
    expect_has(result.out, "ok       device key: ");
    stage_write(stage, "ada.state/weft/device.key", "");
    result = stage_run(stage, "ada", NULL, ARGS("doctor"));
    expect_status(result, 1);
    expect_has(result.out, "problem ");
}

/* --- what is made from the table of verbs --- */

static void help_is_what_the_manual_says(void **state)
{
    static const char *const main_help =
        "weft FILE...          edit\n"
        "weft share FILE       edit it and let others in\n"
        "weft join [LINK]      open a shared document (asks, so links stay out of shell history)\n"
        "weft links FILE       show its links again        weft unshare FILE   stop sharing\n"
        "weft relay            the server others meet at   weft demo           one minute, alone\n"
        "more: weft help scripts | relay | keys | trust\n"
        "In the editor: ^S save  ^Q quit  ^Z undo mine  ^F find  ^G or F1 help\n"
        "What you type is kept on this machine: weft docs lists it, weft forget removes it.\n";
    static const char *const verbs[] = {"share", "join",   "links", "unshare", "sync",   "relay", "demo", "cat", "apply",
                                        "verify", "diff",  "undo",  "docs",    "forget", "doctor", "config", "key", "help",
                                        "man",   "completions"};
    struct stage *stage = *state;
    assert_string_equal(stage_run(stage, "ada", NULL, ARGS("--help")).out, main_help);
    assert_string_equal(stage_run(stage, "ada", NULL, ARGS("help")).out, main_help);
    char *man = xstrdup(stage_run(stage, "ada", NULL, ARGS("man")).out);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        struct stage_result result = stage_run(stage, "ada", NULL, ARGS("help", verbs[i]));
        char *heading = xformat("weft %s ", verbs[i]), *section = xformat(".SS weft %s ", verbs[i]);
        expect_status(result, 0);
        expect_has(result.out, heading);
        expect_has(man, section);
        free(heading);
        free(section);
    }
    free(man);
}

/* --- relays --- */

static void an_operator_sees_sizes_and_removes_documents(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    char *store = xformat("sqlite:%s/relay.db", stage_dir(stage));
    struct stage_result result = stage_run(stage, "relay", NULL, ARGS("relay", "ls", "--store", store));
    expect_status(result, 0);
    char *doc = xstrndup(result.out, strcspn(result.out, " "));
    assert_int_equal(strlen(doc), 32);
    result = stage_run(stage, "relay", NULL, ARGS("relay", "stat", "--store", store));
    expect_status(result, 0);
    assert_int_equal(strncmp(result.out, "1 document, ", strlen("1 document, ")), 0);
    expect_status(stage_run(stage, "relay", NULL, ARGS("relay", "backup", "copy.db", "--store", store)), 0);
    assert_true(stage_exists(stage, "copy.db"));
    expect_status(stage_run(stage, "relay", NULL, ARGS("relay", "rm", doc, "--store", store)), 0);
    stage_relay_restart(stage);
    expect_status(stage_run(stage, "lin", NULL, ARGS("cat", link)), 1);
    expect_status(stage_run(stage, "relay", NULL, ARGS("relay", "--max-total", "10X", "--store", store)), 2);
    expect_status(stage_run(stage, "relay", NULL, ARGS("relay", "lss", "--store", store)), 2);
    free(doc);
    free(store);
    free(link);
}

static void expect_said_once(const char *said, const char *part)
{
    expect_has(said, part);
    if (strstr(strstr(said, part) + 1, part))
        fail_msg("\"%s\" is said twice: %s", part, said);
}

/* What could not be sent is nowhere. */
static void a_script_is_told_once_that_the_relay_has_no_room(void **state)
{
    enum { LINES = 60, LINE_BYTES = 1000 };
    struct stage *stage = *state;
    stage_relay_options(stage, ARGS("--document-size", "40K"));
    stage_write(stage, "notes.md", "-\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct buf input = {0};
    for (int i = 0; i < LINES; i++)
        buf_addf(&input, "{\"at\": \"end\", \"insert\": \"%0*d\"}\n", LINE_BYTES, i);
    struct stage_result result = stage_run(stage, "lin", buf_string(&input), ARGS("apply", link));
    expect_status(result, 1);
    expect_said_once(result.err, "the relay does not take your edits");
    expect_has(result.err, "not everything was acknowledged by the relay");
    assert_null(strstr(result.err, "stay here"));
    buf_release(&input);
    free(link);
}

static void a_relay_ends_in_order_when_it_is_interrupted(void **state)
{
    struct stage *stage = *state;
    char *store = xformat("sqlite:%s/own.db", stage_dir(stage));
    struct stage_job job = stage_start(stage, "ada", NULL, ARGS("relay", "--listen", "127.0.0.1:0", "--store", store));
    stage_expect_exists(stage, "own.db.key");
    kill(job.pid, SIGINT);
    struct stage_result result = stage_finish(stage, job);
    expect_status(result, 0);
    free(store);
}

static void a_stage_ends_what_a_failing_test_left_behind(void **state)
{
    struct stage *left = stage_new();
    char *store = xformat("sqlite:%s/own.db", stage_dir(left));
    struct stage_job job = stage_start(left, "ada", NULL, ARGS("relay", "--listen", "127.0.0.1:0", "--store", store));
    (void)state;
    while (!stage_exists(left, "own.db.key"))
        assert_int_equal(kill(job.pid, 0), 0);
    stage_free(left);
    assert_int_equal(kill(job.pid, 0), -1);
    free(store);
}

/* Whether a process has this file open. */
static bool has_open(int pid, const char *path)
{
    char *dir = xformat("/proc/%d/fd", pid);
    bool found = false;
    for (int fd = 0; fd < 64 && !found; fd++) {
        char target[4096] = "";
        char *link = xformat("%s/%d", dir, fd);
        found = readlink(link, target, sizeof target - 1) > 0 && strcmp(target, path) == 0;
        free(link);
    }
    free(dir);
    return found;
}

static void a_relay_may_end_by_itself_when_nobody_is_there(void **state)
{
    struct stage *stage = *state;
    char *store = xformat("sqlite:%s/own.db", stage_dir(stage));
    struct stage_result result =
        stage_run(stage, "ada", NULL, ARGS("relay", "--listen", "127.0.0.1:0", "--store", store, "--end-idle", "1"));
    expect_status(result, 0);
    expect_has(result.out, "weft relay on ws://127.0.0.1:");
    result = stage_run(stage, "ada", NULL, ARGS("relay", "--store", store, "--end-idle", "soon"));
    expect_status(result, 2);
    expect_has(result.err, "--end-idle soon: expected a number from 1 to");
    free(store);
}

static void a_relay_of_ones_own_holds_nothing_of_who_started_it(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "one.md", "one\n");
    stage_write(stage, "held", "");
    char *held = xformat("%s/held", stage_dir(stage));
    int fd = open(held, O_RDONLY); /* stays open over exec */
    assert_true(fd >= 0 && has_open(getpid(), held));
    expect_status(stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "one.md")), 0);
    close(fd);
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("relay", "status"));
    const char *said = "running: process ";
    expect_has(result.out, said);
    int pid = atoi(result.out + strlen(said));
    assert_int_equal(kill(pid, 0), 0);
    assert_false(has_open(pid, held));
    free(held);
}

static void sharing_without_a_relay_starts_one_that_stays(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "one.md", "one\n");
    stage_write(stage, "two.md", "two\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("relay", "status"));
    assert_string_equal(result.out, "not running\n");
    expect_status(result, 1);
    result = stage_run(stage, "ada", NULL, ARGS("relay", "stop"));
    expect_status(result, 1);
    assert_string_equal(result.err, "No relay of yours runs.\n");
    struct stage_job jobs[] = {stage_start(stage, "ada", NULL, ARGS("share", "--no-edit", "one.md")),
                               stage_start(stage, "ada", NULL, ARGS("share", "--no-edit", "two.md"))};
    char *links[2];
    for (size_t i = 0; i < 2; i++) {
        result = stage_finish(stage, jobs[i]);
        expect_status(result, 0);
        expect_has(result.out, "edit weft+ws://127.0.0.1:");
        links[i] = xstrndup(result.out + strlen("edit "), strcspn(result.out, "\n") - strlen("edit "));
    }
    result = stage_run(stage, "ada", NULL, ARGS("relay", "status"));
    expect_has(result.out, "running: process ");
    expect_cat(stage, "lin", links[0], "one\n");
    expect_cat(stage, "lin", links[1], "two\n");
    char *before = stage_read(stage, "ada.state/weft/relay/port");
    expect_status(stage_run(stage, "ada", NULL, ARGS("relay", "stop")), 0);
    result = stage_run(stage, "ada", NULL, ARGS("relay", "status"));
    assert_string_equal(result.out, "not running\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "one.md")), 0); /* it is started again */
    char *after = stage_read(stage, "ada.state/weft/relay/port");
    assert_string_equal(before, after);
    expect_cat(stage, "lin", links[1], "two\n");
    for (size_t i = 0; i < 2; i++)
        free(links[i]);
    free(before);
    free(after);
}

/* An address that links may not name was chosen once (a machine that hangs on the internet itself): it is no way to share. */
static void a_relay_of_ones_own_at_a_public_address_is_reached_on_this_machine(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "one.md", "one\n");
    expect_status(stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "one.md")), 0);
    stage_write(stage, "ada.state/weft/relay/reach", "192.0.2.77");
    stage_write(stage, "two.md", "two\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "two.md")); /* it runs */
    expect_status(result, 0);
    expect_has(result.out, "edit weft+ws://127.0.0.1:");
    expect_status(stage_run(stage, "ada", NULL, ARGS("relay", "stop")), 0);
    stage_write(stage, "three.md", "three\n");
    result = stage_run(stage, "ada", NULL, ARGS("share", "--no-edit", "three.md")); /* it is started again */
    expect_status(result, 0);
    expect_has(result.out, "edit weft+ws://127.0.0.1:");
}

/* They look for a free port at the same moment. */
static void everybody_on_one_machine_gets_a_relay_of_their_own(void **state)
{
    enum { PEOPLE = 8 };
    struct stage *stage = *state;
    struct stage_job jobs[PEOPLE];
    struct buf all_ports = {0};
    char person[32];
    int failed = 0;
    stage_write(stage, "notes.md", "one\n");
    for (int i = 0; i < PEOPLE; i++) {
        snprintf(person, sizeof person, "person%d", i);
        jobs[i] = stage_start(stage, person, NULL, ARGS("share", "--no-edit", "notes.md"));
    }
    for (int i = 0; i < PEOPLE; i++) {
        struct stage_result result = stage_finish(stage, jobs[i]);
        failed += result.status != 0;
        print_message("%s", result.status != 0 ? result.err : "");
    }
    for (int i = 0; i < PEOPLE; i++) {
        snprintf(person, sizeof person, "person%d", i);
        char *path = xformat("%s.state/weft/relay/port", person), *port = stage_read(stage, path);
        failed += strlen(port) == 0 || (all_ports.len && strstr(buf_string(&all_ports), port));
        buf_add_string(&all_ports, port);
        failed += stage_run(stage, person, NULL, ARGS("relay", "stop")).status != 0;
        free(port);
        free(path);
    }
    buf_release(&all_ports);
    assert_int_equal(failed, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_links_print_the_shared_text),
        TEST(everybody_sees_who_wrote_what),
        TEST(a_line_is_whose_words_are_in_it_and_not_who_ended_it),
        TEST(everybody_sees_what_collided),
        TEST(the_past_of_a_file_is_in_its_journal),
        TEST(what_changed_between_two_versions_is_told_line_by_line),
        TEST(a_diff_that_cannot_be_told_is_trouble),
        TEST(what_somebody_wrote_is_taken_back),
        TEST(a_file_is_rid_of_what_was_written_since),
        TEST(two_scripts_at_once_end_with_one_text),
        TEST(a_view_link_applies_nothing),
        TEST(everybody_verifies_the_same_text_and_version),
        TEST(what_was_typed_before_sharing_never_leaves),
        TEST(what_the_relay_acknowledged_survives_its_kill_9),
        TEST(a_relay_that_is_away_is_said),
        TEST(cat_prints_what_the_file_does_not_have_yet),
        TEST(apply_says_that_what_was_kept_before_is_written_too),
        TEST(apply_writes_the_file_unless_an_editor_has_it),
        TEST(no_line_cuts_a_character_in_two),
        TEST(a_bad_line_is_named_and_what_came_before_it_stands),
        TEST(two_scripts_at_once_on_one_file_write_it_whole),
        TEST(many_lines_are_taken_in_one_go),
        TEST(links_are_shown_until_sharing_ends),
        TEST(a_name_nobody_chose_is_told_before_it_goes),
        TEST(a_closed_room_lets_nobody_in),
        TEST(sync_writes_what_the_room_writes_and_reads_what_the_disk_says),
        TEST(sync_never_writes_over_a_file_that_is_nearly_all_different),
        TEST(forgetting_leaves_the_file_and_nothing_else),
        TEST(what_is_open_is_listed_so_and_not_forgotten),
        TEST(what_is_in_no_file_is_listed_so_and_forgotten_by_its_name),
        TEST(edits_in_no_file_are_not_forgotten_unasked),
        TEST(the_admin_link_owns_the_document),
        TEST(a_name_is_kept_in_the_configuration),
        TEST(the_doctor_finds_a_healthy_machine_healthy),
        TEST(help_is_what_the_manual_says),
        TEST(an_operator_sees_sizes_and_removes_documents),
        TEST(a_script_is_told_once_that_the_relay_has_no_room),
        TEST(a_relay_ends_in_order_when_it_is_interrupted),
        TEST(a_stage_ends_what_a_failing_test_left_behind),
        cmocka_unit_test_setup_teardown(a_relay_may_end_by_itself_when_nobody_is_there, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(a_relay_of_ones_own_holds_nothing_of_who_started_it, stage_setup, teardown_own_relay),
        TEST(everybody_on_one_machine_gets_a_relay_of_their_own),
        cmocka_unit_test_setup_teardown(sharing_without_a_relay_starts_one_that_stays, stage_setup, teardown_own_relay),
        cmocka_unit_test_setup_teardown(a_relay_of_ones_own_at_a_public_address_is_reached_on_this_machine, stage_setup,
                                        teardown_own_relay),
    };
    return RUN_TESTS("verbs", tests);
}
