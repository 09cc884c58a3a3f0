/* A journal that is put in order while its editor is open: what a person has stays as it was. */
#include "tests/support/support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/replica_journal.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_tidy.h"
#include "editor/base/random.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/db.h"
#include "sync/journal_compact.h"
#include "tests/support/filled_relay.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

enum { MANY_KEYS = 8300 /* nobody waits for a pause after so many */, FEW_ROWS = 500 };

static struct journal *journal_of(struct home *home, const struct doc_id *doc)
{
    struct error err = {0};
    char *path = env_journal_path(&home->env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_READ, .doc = *doc};
    struct journal *journal = journal_open_on(&home->env.device, spec, &err);
    if (!journal)
        fail_msg("%s", err.text);
    free(path);
    return journal;
}

static uint64_t rows_of(struct home *home, const struct doc_id *doc)
{
    struct journal_stats stats;
    struct error err = {0};
    struct journal *journal = journal_of(home, doc);
    assert_true(journal_stats(journal, &stats, &err));
    journal_close(journal);
    return stats.rows;
}

static void type_keys(struct replica *replica, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        char key[] = {(char)(i % 7 ? 'a' + i % 26 : ' '), '\0'};
        home_type(replica, i, key);
        if (i % 64 == 0)
            replica_barrier(replica);
        replica_handle(replica);
    }
}

static void wait_for_few_rows(struct home *home, struct replica *replica)
{
    home_wait(replica, NULL, home_is_kept); /* or they are few because most are not in the journal yet */
    struct doc_id doc = replica_entry(replica)->doc;
    uint64_t end_ms = net_now_ms() + HOME_PATIENCE_MS;
    while (rows_of(home, &doc) > FEW_ROWS) {
        if (net_now_ms() > end_ms)
            fail_msg("there are still %llu rows", (unsigned long long)rows_of(home, &doc));
        replica_wait(replica, HOME_STEP_MS);
    }
}

static void expect_audited(struct home *home, const char *name, uint64_t batches)
{
    struct replica_audit audit;
    struct error err = {0};
    struct replica_options options = {.port = home_port(home), .reads_only = true, .alone = true, .audits = true};
    struct replica *replica = home_open_with(home, name, &options);
    if (!replica_audit(replica, &audit, &err))
        fail_msg("%s", err.text);
    assert_int_equal(audit.batches, batches);
    home_close(replica);
}

static void somebody_who_never_stops_typing_has_a_small_journal(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    type_keys(replica, 0, MANY_KEYS);
    wait_for_few_rows(home, replica);
    type_keys(replica, MANY_KEYS, 10); /* the editor goes on */
    char *text = home_text(replica);
    home_close(replica);
    expect_audited(home, "notes.md", MANY_KEYS + 10); /* every batch, from the rows alone */

    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_int_equal(replica_edits_not_in_file(replica), MANY_KEYS + 10); /* which asks for the oldest of the chain */
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, text);
    home_close(replica);
    free(text);
}

/* The other one reads and writes the same rows while they become fewer. */
static void another_window_on_the_journal_is_not_disturbed(void **state)
{
    struct home *home = *state;
    struct replica *ada = home_open(home, "notes.md");
    home_type(ada, 0, "x");
    home_wait(ada, NULL, home_is_kept);
    struct replica *other = home_open(home, "notes.md");
    type_keys(ada, 1, MANY_KEYS);
    wait_for_few_rows(home, ada);
    replica_catch_up(other);
    char *text = home_text(ada);
    home_expect_text(other, text);
    home_type(other, 0, "from the other window ");
    home_wait(other, NULL, home_is_kept);
    replica_catch_up(ada);
    free(text);
    text = home_text(other);
    home_expect_text(ada, text);
    home_close(ada);
    home_close(other);
    expect_audited(home, "notes.md", MANY_KEYS + 2);
    free(text);
}

/* While it writes, no step takes the journal's lock: here it is the clock that is asked, for nobody waits. */
static void while_another_process_writes_nothing_is_tidied(void **state)
{
    struct home *home = *state;
    struct replica *ada = home_open(home, "notes.md");
    home_type(ada, 0, "x");
    home_wait(ada, NULL, home_is_kept);
    struct replica *other = home_open(home, "notes.md");
    type_keys(ada, 1, 200);
    home_wait(ada, NULL, home_is_kept);
    home_type(other, 0, "from the other window ");
    home_wait(other, NULL, home_is_kept);
    replica_catch_up(ada);
    uint64_t wrote_ms = ada->neighbour_wrote_ms;
    assert_true(wrote_ms > 0);
    replica_tidy_handle(ada, wrote_ms);
    assert_in_range(replica_tidy_next_ms(ada), wrote_ms + 10000, UINT64_MAX - 1);
    ada->tidy_ms = 1; /* it is long due */
    replica_tidy_handle(ada, wrote_ms + 9999);
    assert_int_equal(replica_tidy_next_ms(ada), wrote_ms + 10000);
    assert_null(ada->tidying);
    ada->tidy_ms = 1;
    replica_tidy_handle(ada, wrote_ms + 10000);
    assert_non_null(ada->tidying);
    home_close(ada);
    home_close(other);
    expect_audited(home, "notes.md", 202);
}

static void what_is_closed_without_a_pause_is_in_order_too(void **state)
{
    enum { KEYS = 700 };
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    type_keys(replica, 0, KEYS);
    struct doc_id doc = replica_entry(replica)->doc;
    char *text = home_text(replica);
    home_close(replica);
    assert_in_range(rows_of(home, &doc), 1, 10);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    home_close(replica);
    free(text);
}

/* As if it had been written wrongly: it opens, its text is there, and its history ends too early. */
static void spoil_history(struct home *home, const struct doc_id *doc)
{
    struct error err = {0};
    struct journal_checkpoint checkpoint;
    struct buf spoilt = {0};
    char *path = env_journal_path(&home->env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = *doc};
    struct journal *journal = journal_open_on(&home->env.device, spec, &err);
    assert_non_null(journal);
    assert_true(journal_checkpoint_get(journal, &checkpoint, &err) && checkpoint.found);
    struct reader reader = reader_of(buf_view(&checkpoint.encoded));
    struct bytes document = read_sized(&reader, SIZE_MAX);
    buf_add_sized(&spoilt, bytes_of(document.data, document.len - 1));
    buf_add_bytes(&spoilt, read_bytes(&reader, reader_left(&reader)));
    assert_true(journal_checkpoint_put(journal, checkpoint.place, buf_view(&spoilt), NULL, &err));
    journal_checkpoint_release(&checkpoint);
    journal_close(journal);
    buf_release(&spoilt);
    free(path);
}

static bool has_checkpoint(struct home *home, const struct doc_id *doc)
{
    struct journal_checkpoint checkpoint;
    struct error err = {0};
    struct journal *journal = journal_of(home, doc);
    assert_true(journal_checkpoint_get(journal, &checkpoint, &err));
    bool found = checkpoint.found;
    journal_checkpoint_release(&checkpoint);
    journal_close(journal);
    return found;
}

enum { OPS = 9000 /* scattered, so each is one; more than a history of them has to have */ };

/* One command, as when a word is replaced everywhere. */
static void type_everywhere(struct replica *replica)
{
    struct patch patch = {0};
    struct error err = {0};
    char *text = xmalloc(OPS + 1);
    memset(text, '-', OPS);
    text[OPS] = '\0';
    home_insert(replica, text);
    free(text);
    for (size_t i = 0; i < OPS; i++) {
        patch_retain(&patch, 1);
        patch_insert(&patch, bytes_of_string("x"));
    }
    assert_true(replica_edit(replica, &patch, selection_at(0), EDIT_WHOLE, &err));
    patch_release(&patch);
}

static void few_rows_with_many_operations_are_worth_a_checkpoint(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    type_everywhere(replica);
    assert_in_range(replica->fresh_ops, OPS, OPS + 10);
    struct doc_id doc = replica_entry(replica)->doc;
    char *text = home_text(replica);
    home_close(replica);
    assert_in_range(rows_of(home, &doc), 1, 10);
    assert_true(has_checkpoint(home, &doc));
    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_int_equal(replica->fresh_ops, 0); /* nothing is merged again */
    home_type(replica, 0, "y");
    assert_int_equal(replica->fresh_ops, 1);
    uint64_t place = replica->checkpoint_place;
    home_close(replica);
    replica = home_open(home, "notes.md");
    assert_int_equal(replica->checkpoint_place, place); /* one row is not worth another */
    assert_int_equal(replica->fresh_ops, 1);
    home_close(replica);
    free(text);
}

static void so_are_those_that_somebody_else_wrote_and_a_pause_is_enough(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    struct batch batch = {.agent = {{0x4c}}};
    for (uint64_t i = 0; i < OPS; i++)
        batch_add_insert(&batch, i * 7919 % (i + 1), bytes_of_string("m"));
    home_type(replica, 0, "y");
    home_wait(replica, NULL, home_is_kept);
    replica_tidy_handle(replica, net_now_ms());
    assert_int_equal(replica_tidy_next_ms(replica), UINT64_MAX);
    assert_true(replica_add_batch(replica, &batch));
    batch_release(&batch);
    assert_in_range(replica->fresh_ops, OPS - 1000, OPS + 1);
    replica_tidy_handle(replica, net_now_ms());
    assert_in_range(replica_tidy_next_ms(replica), 0, UINT64_MAX - 1);
    struct doc_id doc = replica_entry(replica)->doc;
    replica_update_text(replica);
    home_close(replica);
    assert_true(has_checkpoint(home, &doc));
}

static void one_row_of_one_long_paste_is_not(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    char *text = xmalloc(OPS * 8 + 1);
    memset(text, 'x', OPS * 8);
    text[OPS * 8] = '\0';
    home_insert(replica, text);
    free(text);
    struct doc_id doc = replica_entry(replica)->doc;
    home_close(replica);
    assert_false(has_checkpoint(home, &doc));
}

static void a_checkpoint_whose_history_cannot_be_read_costs_nothing_but_time(void **state)
{
    enum { KEYS = 300 };
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    type_keys(replica, 0, KEYS);
    struct doc_id doc = replica_entry(replica)->doc;
    char *text = home_text(replica);
    home_close(replica);
    spoil_history(home, &doc);

    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE); /* needs the history */
    assert_false(has_checkpoint(home, &doc));
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, text);
    assert_int_equal(replica_edits_not_in_file(replica), KEYS);
    home_close(replica);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    home_close(replica);
    free(text);
}

/* --- opening a long one --- */

static void paste_long(struct replica *replica)
{
    enum { LONG = 60000 };
    char *text = xmalloc(LONG + 1);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    home_insert(replica, text);
    free(text);
}

/* By another process, in which no cursor is. */
static struct replica *open_besides(struct home *home, const char *name, bool reads_only)
{
    struct replica_options options = {.port = home_port(home), .name = "ada", .reads_only = reads_only, .scripted = true};
    return home_open_with(home, name, &options);
}

static void how_much_of_a_long_history_is_not_in_the_file_is_said_a_little_later(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    paste_long(replica);
    home_save(replica, NULL);
    home_type(replica, 0, "a");
    home_type(replica, 0, "b");
    char *text = home_text(replica);
    home_close(replica);
    buf_clear(&home->said);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_false(home_was_said(home, "Restored"));
    for (uint64_t end_ms = net_now_ms() + HOME_PATIENCE_MS; !home_was_said(home, "Restored 2 edits of "); replica_wait(replica, HOME_STEP_MS))
        if (net_now_ms() > end_ms)
            fail_msg("it was said: %s", buf_string(&home->said));
    home_close(replica);
    free(text);
}

/* What does not pack, so that its history is long in bytes. */
static void paste_noise(struct replica *replica)
{
    enum { LONG = 400000 };
    struct random random = random_of(7);
    char *text = xmalloc(LONG + 1);
    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)(' ' + random_below(&random, 95));
    text[LONG] = '\0';
    home_insert(replica, text);
    free(text);
}

static bool history_is_apart(struct home *home, const struct doc_id *doc)
{
    struct journal_checkpoint checkpoint;
    struct error err = {0};
    struct journal *journal = journal_of(home, doc);
    assert_true(journal_checkpoint_front(journal, &checkpoint, &err));
    bool apart = checkpoint.found && checkpoint.has_text && checkpoint.text.len == 0;
    journal_checkpoint_release(&checkpoint);
    journal_close(journal);
    return apart;
}

static void expect_undone(struct replica *replica, const char *text, const char *undone)
{
    struct error err = {0};
    home_expect_text(replica, text);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    home_expect_text(replica, undone);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, text);
}

/* Once from where the checkpoint left it; once when a newer checkpoint has taken its place, from the rows. */
static void a_long_history_is_read_when_it_is_asked_for(void **state)
{
    enum { KEYS = 1100 };
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    struct doc_id doc;
    paste_noise(replica);
    home_type(replica, 0, "x");
    type_keys(replica, 1, KEYS - 1);
    char *after = home_text(replica);
    doc = replica_entry(replica)->doc;
    home_save(replica, NULL);
    home_close(replica);
    assert_true(history_is_apart(home, &doc));

    replica = home_open(home, "notes.md");
    struct replica *other = home_open(home, "notes.md");
    struct error err = {0};
    home_expect_text(other, after);
    assert_int_equal(replica_undo(other, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(other, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(other, after);
    type_keys(other, KEYS, KEYS);
    char *later = home_text(other);
    home_close(other); /* and leaves a checkpoint of its own */
    replica_catch_up(replica);
    home_expect_text(replica, later);
    home_type(replica, 0, "y");
    char *last = home_text(replica);
    expect_undone(replica, last, later);
    home_close(replica);
    expect_audited(home, "notes.md", 1 + KEYS + 2 + KEYS + 1 + 2);
    free(after);
    free(later);
    free(last);
}

static char *leave_long_history(struct home *home, struct doc_id *doc)
{
    struct replica *replica = home_open(home, "notes.md");
    paste_noise(replica);
    type_keys(replica, 0, 1100);
    char *text = home_text(replica);
    *doc = replica_entry(replica)->doc;
    home_save(replica, NULL);
    home_close(replica);
    assert_true(history_is_apart(home, doc));
    return text;
}

/* No more files can be opened; what it was before. */
static struct rlimit open_no_more(void)
{
    struct rlimit before;
    int lowest = dup(STDOUT_FILENO);
    assert_true(lowest >= 0);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)lowest, before.rlim_max}), 0);
    return before;
}

static void an_undo_whose_history_cannot_be_read_is_refused_and_typing_goes_on(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct doc_id doc;
    char *text = leave_long_history(home, &doc);
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    home_type(replica, 0, "y");
    home_wait(replica, NULL, home_is_kept);
    struct rlimit before = open_no_more();
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDO_REFUSED);
    assert_non_null(strstr(err.text, "cannot be read"));
    assert_in_range(replica_edits_not_in_file(replica), 1, UINT64_MAX);
    home_type(replica, 0, "z");
    char *typed = home_text(replica);
    assert_int_equal(strncmp(typed, "zy", 2), 0);
    assert_string_equal(typed + 2, text);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    home_wait(replica, NULL, home_is_kept);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, typed);
    home_close(replica);
    free(text);
    free(typed);
}

static bool is_tidied(struct replica *replica, struct replica *none)
{
    (void)none;
    if (replica->checkpoint_place == 0 && replica->tidy_ms)
        replica->tidy_ms = 1; /* it is long due */
    return replica->checkpoint_place > 0 && !replica->tidying;
}

/* What the journal has is not in memory as well; neither are the pieces that a text falls into. */
static void a_history_that_went_to_sleep_is_read_again_from_the_journal(void **state)
{
    enum { KEYS = 3300 /* a row more for so many bytes pasted, or it is not worth it */ };
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "notes.md");
    paste_noise(replica);
    type_keys(replica, 0, KEYS);
    home_save(replica, NULL);
    home_wait(replica, NULL, home_is_kept);
    home_wait(replica, NULL, is_tidied);
    struct doc_id doc = replica_entry(replica)->doc;
    assert_true(history_is_apart(home, &doc));
    assert_null(replica->reader);
    assert_in_range(replica->compaction.looked, 1, UINT64_MAX); /* the next pause does not begin at the first row again */
    assert_true(replica->file.text && rope_equal(replica->file.text, replica_buffer(replica)->text));
    home_type(replica, 0, "y");
    home_wait(replica, NULL, home_is_kept);
    char *typed = home_text(replica);
    struct rlimit before = open_no_more();
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDO_REFUSED);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(history_is_apart(home, &doc)); /* the checkpoint is trusted: it was read */
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, typed);
    home_close(replica);
    replica = home_open(home, "notes.md");
    home_expect_text(replica, typed);
    home_close(replica);
    free(typed);
}

/* --- a long history that cannot go to sleep with the checkpoint of the pause --- */

static uint64_t checkpoint_of_now(struct home *home, const struct doc_id *doc)
{
    struct journal_checkpoint checkpoint;
    struct error err = {0};
    struct journal *journal = journal_of(home, doc);
    assert_true(journal_checkpoint_newest(journal, &checkpoint, &err) && checkpoint.found);
    journal_close(journal);
    return checkpoint.place;
}

static bool has_let_go(struct replica *replica, struct replica *none)
{
    (void)none;
    replica->neighbour_wrote_ms = 0; /* a while ago */
    return !replica->tidying;
}

/* As after a pause: a checkpoint is made and put into the journal, and nothing else is done meanwhile. */
static void make_checkpoint(struct replica *replica)
{
    enum { AN_HOUR_MS = 3600000, STEP_MS = 2 };
    uint64_t before = replica->checkpoint_place, end_ms = net_now_ms() + HOME_PATIENCE_MS;
    while (replica->checkpoint_place == before) {
        assert_true(net_now_ms() < end_ms);
        replica_tidy_handle(replica, net_now_ms() + AN_HOUR_MS);
        replica_tidy_handle(replica, net_now_ms() + 2 * AN_HOUR_MS);
        poll(NULL, 0, STEP_MS);
    }
}

typedef void before_checkpoint(struct replica *replica, struct replica *other);

/* Opened from one checkpoint; then so many keys that a pause makes another. What undo reads is the history that is held. */
static void expect_undone_after_pause(struct home *home, before_checkpoint *before)
{
    enum { KEYS = 1100, MORE_KEYS = 3700 };
    struct doc_id doc;
    free(leave_long_history(home, &doc));
    struct replica *replica = home_open(home, "notes.md"), *other = open_besides(home, "notes.md", false);
    type_keys(replica, KEYS, MORE_KEYS);
    home_save(replica, NULL);
    home_wait(replica, NULL, home_is_kept);
    before(replica, other);
    make_checkpoint(replica);
    replica_update_text(replica);
    journal_writer_go(replica->writer);
    home_wait(replica, NULL, has_let_go);
    home_wait(replica, NULL, home_is_kept);
    assert_true(history_is_apart(home, &doc));
    uint64_t place = checkpoint_of_now(home, &doc);
    assert_int_equal(place, replica->checkpoint_place);
    struct error err = {0};
    char *text = home_text(replica);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_true(has_checkpoint(home, &doc)); /* the new one is sound: nothing has cast doubt on it */
    assert_int_equal(checkpoint_of_now(home, &doc), place);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, text);
    home_close(replica);
    home_close(other);
    free(text);
}

static void share(struct replica *replica, struct replica *other)
{
    (void)other;
    replica->entry.state = DOC_SHARED;
}

static void the_history_of_a_shared_document_is_held_through_a_pause(void **state)
{
    expect_undone_after_pause(*state, share);
}

/* What this one types then is not in the checkpoint, for its journal's thread is kept waiting. */
static void write_besides(struct replica *replica, struct replica *other)
{
    home_insert(other, "from the other window ");
    home_wait(other, NULL, home_is_kept);
    replica_catch_up(replica);
    journal_writer_pause(replica->writer);
    home_type(replica, 0, "z");
}

static void a_history_that_another_window_wrote_in_is_held_through_a_pause(void **state)
{
    expect_undone_after_pause(*state, write_besides);
}

/* The document has what the other window wrote, its text has not yet. */
static void be_behind(struct replica *replica, struct replica *other)
{
    struct error err = {0};
    bool news, live = replica->merging.live;
    home_insert(other, "from the other window ");
    home_wait(other, NULL, home_is_kept);
    replica->merging.live = false;
    assert_true(replica_open_reader(replica, &err));
    assert_true(replica_read_rows_of(replica, replica->reader, &news, &err) && news);
    replica->merging.live = live;
}

static void a_history_that_is_ahead_of_its_text_is_held_through_a_pause(void **state)
{
    expect_undone_after_pause(*state, be_behind);
}

/* Plain access to the database, as a disk that forgets has it. */
static void damage(struct home *home, const struct doc_id *doc, const char *which)
{
    struct db_options options = {
        .what = "damaging", .mode = DB_WRITE, .application_id = 0x77666a31, .schema_count = 2, .busy_ms = 1000};
    struct error err = {0};
    char *path = env_journal_path(&home->env, doc);
    char *sql = xformat("UPDATE checkpoint_part SET sealed = zeroblob(60) WHERE %s", which);
    struct db *db = db_open(path, &options, &err);
    if (!db || !db_exec(db, sql, &err))
        fail_msg("%s", err.text);
    db_close(db);
    free(path);
    free(sql);
}

static void a_history_whose_bytes_are_damaged_is_replayed_once(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct doc_id doc;
    char *text = leave_long_history(home, &doc);
    damage(home, &doc, "part = (SELECT max(part) FROM checkpoint_part)");
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_true(history_is_apart(home, &doc)); /* what stands in front is good */
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_false(history_is_apart(home, &doc)); /* the next opening does not build on it */
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, text);
    home_close(replica);
    free(text);
}

/* A long history is not replayed from its beginning for that. */
static void a_damaged_checkpoint_gives_way_to_the_one_before(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct doc_id doc;
    free(leave_long_history(home, &doc));
    uint64_t place = checkpoint_of_now(home, &doc);
    struct replica *replica = home_open(home, "notes.md");
    type_keys(replica, 0, 1100);
    char *text = home_text(replica);
    home_save(replica, NULL);
    home_close(replica);
    assert_in_range(checkpoint_of_now(home, &doc), place + 1, UINT64_MAX);
    damage(home, &doc, "part = 0 AND checkpoint = (SELECT max(id) FROM checkpoint)");
    replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_int_equal(replica->checkpoint_place, place);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE);
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_expect_text(replica, text);
    home_close(replica);
    free(text);
}

/* What is typed before they are counted is not counted with them. */
static void who_types_at_once_is_told_all_the_same(void **state)
{
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    paste_long(replica);
    home_save(replica, NULL);
    home_type(replica, 0, "a");
    home_close(replica);
    buf_clear(&home->said);
    replica = home_open(home, "notes.md");
    home_type(replica, 0, "c");
    home_wait(replica, NULL, home_is_kept);
    for (uint64_t end_ms = net_now_ms() + HOME_PATIENCE_MS; !home_was_said(home, "Restored "); replica_wait(replica, HOME_STEP_MS))
        if (net_now_ms() > end_ms)
            fail_msg("it was said: %s", buf_string(&home->said));
    assert_false(home_was_said(home, "Restored 2 "));
    home_close(replica);
}

/* The cursor is kept with the checkpoint, as a place in its text. */
static bool has_what_is_in_front(struct replica *a, struct replica *b)
{
    (void)b;
    replica_catch_up(a);
    return rope_len(replica_buffer(a)->text) > 0 && rope_byte(replica_buffer(a)->text, 0) == 'i';
}

static void where_the_cursor_was_is_known_without_the_rows_before_a_checkpoint(void **state)
{
    enum { KEYS = 8100, MORE_KEYS = 200 };
    struct home *home = *state;
    struct replica *ada = home_open(home, "notes.md");
    type_keys(ada, 0, KEYS);
    struct replica *other = open_besides(home, "notes.md", false);
    replica_catch_up(other);
    home_insert(other, "in front ");
    home_wait(ada, other, has_what_is_in_front);
    for (int i = 0; i < MORE_KEYS; i++)
        home_type(ada, 99, "y");
    wait_for_few_rows(home, ada);
    home_insert(other, "once more ");
    home_wait(other, NULL, home_is_kept);
    struct replica *found = open_besides(home, "notes.md", true);
    assert_int_equal(replica_buffer(found)->selection.head, 100 + strlen("once more "));
    home_close(found);
    home_close(other);
    home_close(ada);
}

/* --- what was never sent --- */

enum { RECORDS = 3, UNSENT_KEYS = 100 };

/* A relay with a document, and lin, who joins it, and whose sharing of it ends. */
struct room {
    struct home *home;
    struct doc_keys keys;
    struct filled_relay relay;
    char *path;
};

static struct replica *join(const struct room *room, struct home *home)
{
    struct error err = {0};
    struct share_link link = {.doc = room->keys.doc, .access = ACCESS_WRITE, .host_count = 1};
    struct replica_options options = {.port = home_port(home), .name = "lin"};
    link.hosts[0].port = room->relay.port;
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "127.0.0.1");
    memcpy(link.seed, room->keys.write_seed, sizeof link.seed);
    struct replica *replica = replica_join(&home->env, &link, NULL, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    return replica;
}

static bool is_settled(struct replica *replica, struct replica *none)
{
    (void)none;
    return replica_is_settled(replica);
}

static bool have_one_text(struct replica *replica, struct replica *other)
{
    return rope_equal(replica_buffer(replica)->text, replica_buffer(other)->text);
}

static void begin_room(struct room *room, struct home *home)
{
    struct filling filling = {.records = RECORDS};
    *room = (struct room){.home = home, .path = xformat("%s/relay.db", home->dir)};
    doc_keys_new(&room->keys);
    room->relay = filled_relay_start(room->path, &room->keys, &filling);
}

static void end_room(struct room *room)
{
    filled_relay_end(&room->relay);
    free(room->path);
}

/* Something that the room has, then so many keys that it has not; the window is closed. */
static void type_after_the_end(struct room *room, bool by_the_relay)
{
    struct error err = {0};
    struct replica *lin = join(room, room->home);
    home_wait(lin, NULL, is_settled);
    home_insert(lin, "first ");
    home_wait(lin, NULL, is_settled);
    if (by_the_relay)
        replica_hear_closed(lin);
    else if (!replica_unshare(lin, false, &err))
        fail_msg("%s", err.text);
    type_keys(lin, 6, UNSENT_KEYS);
    home_wait(lin, NULL, home_is_kept);
    home_close(lin);
}

/* Somebody on another machine has all that lin has, and what lin types from now on. */
static void expect_sent(const struct room *room)
{
    void *machine;
    assert_int_equal(home_setup(&machine), 0);
    struct replica *lin = join(room, room->home);
    assert_int_equal(rope_len(replica_buffer(lin)->text), RECORDS + 6 + UNSENT_KEYS);
    home_wait(lin, NULL, is_settled);
    struct replica *kim = join(room, machine);
    home_wait(kim, lin, have_one_text);
    home_insert(lin, "later ");
    home_wait(kim, lin, have_one_text);
    assert_int_equal(rope_len(replica_buffer(kim)->text), RECORDS + 12 + UNSENT_KEYS);
    home_close(kim);
    home_close(lin);
    home_teardown(&machine);
}

static void what_was_never_sent_is_sent_when_the_document_comes_back(void **state)
{
    struct room room;
    begin_room(&room, *state);
    type_after_the_end(&room, false);
    assert_true(rows_of(room.home, &room.keys.doc) > UNSENT_KEYS); /* none of them is packed */
    expect_sent(&room);
    end_room(&room);
}

static void by_the_word_of_the_relay_it_may_come_back_at_the_next_opening(void **state)
{
    struct room room;
    begin_room(&room, *state);
    type_after_the_end(&room, true);
    assert_true(rows_of(room.home, &room.keys.doc) > UNSENT_KEYS);
    expect_sent(&room);
    end_room(&room);
}

/* As an older weft did: one row begins with what is sealed, and goes on with what is not. */
static void what_was_packed_before_it_was_sent_is_sent_all_the_same(void **state)
{
    struct room room;
    struct error err = {0};
    begin_room(&room, *state);
    type_after_the_end(&room, false);
    char *path = env_journal_path(&room.home->env, &room.keys.doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = room.keys.doc};
    struct journal *journal = journal_open_on(&room.home->env.device, spec, &err);
    assert_non_null(journal);
    assert_true(journal_compact_all(journal, false, &err));
    journal_close(journal);
    free(path);
    assert_true(rows_of(room.home, &room.keys.doc) < UNSENT_KEYS);
    expect_sent(&room);
    end_room(&room);
}

/* --- what was sent, and is in packed rows alone --- */

struct sent_count {
    uint64_t count;
};

static bool count_sent(void *self, const struct journal_sent *sent)
{
    struct sent_count *counted = self;
    counted->count += sent->kind == RECORD_EVENTS;
    return true;
}

static uint64_t outbox_of_all(struct home *home, const struct doc_id *doc)
{
    struct sent_count counted = {0};
    struct journal_agent *agents;
    struct error err = {0};
    size_t count;
    struct journal *journal = journal_of(home, doc);
    assert_true(journal_agents(journal, &agents, &count, &err));
    for (size_t i = 0; i < count; i++)
        assert_true(journal_outbox_of(journal, &agents[i].agent, 0, (struct journal_sent_visitor){&counted, count_sent}, &err));
    free(agents);
    journal_close(journal);
    return counted.count;
}

/* In several goes, so that the relay gets many records; then the journal is put in order. */
static void type_and_close(struct room *room)
{
    enum { GOES = 30, KEYS_A_GO = 10 };
    struct replica *lin = join(room, room->home);
    home_wait(lin, NULL, is_settled);
    for (size_t i = 0; i < GOES; i++) {
        type_keys(lin, i * KEYS_A_GO, KEYS_A_GO);
        home_wait(lin, NULL, is_settled);
    }
    home_close(lin);
    lin = join(room, room->home); /* what was acknowledged last is known now */
    home_wait(lin, NULL, is_settled);
    type_keys(lin, GOES * KEYS_A_GO, UNSENT_KEYS);
    home_wait(lin, NULL, is_settled);
    home_close(lin);
}

/* The relay was put back to what it had before lin: her part is in no outbox any more. */
static void a_relay_that_lost_it_gets_it_from_the_packed_rows(void **state)
{
    enum { KEYS = 300 + UNSENT_KEYS };
    struct room room;
    void *machine;
    begin_room(&room, *state);
    type_and_close(&room);
    assert_in_range(rows_of(room.home, &room.keys.doc), 1, 40);
    assert_in_range(outbox_of_all(room.home, &room.keys.doc), 1, 40);
    filled_relay_end(&room.relay);
    char *other = xformat("%s/other.db", room.home->dir);
    struct filling filling = {.records = RECORDS};
    room.relay = filled_relay_start(other, &room.keys, &filling);
    assert_int_equal(home_setup(&machine), 0);
    struct replica *lin = join(&room, room.home);
    struct replica *kim = join(&room, machine);
    home_wait(kim, lin, have_one_text);
    assert_int_equal(rope_len(replica_buffer(kim)->text), RECORDS + KEYS);
    home_wait(lin, NULL, is_settled);
    home_insert(lin, "later ");
    home_wait(kim, lin, have_one_text);
    home_close(kim);
    home_close(lin);
    struct replica_audit audit; /* by every signature */
    struct error err = {0};
    struct replica_options options = {.reads_only = true, .alone = true, .audits = true};
    kim = replica_open_known(&((struct home *)machine)->env, &room.keys.doc, NULL, &options, &err);
    assert_non_null(kim);
    if (!replica_audit(kim, &audit, &err))
        fail_msg("%s", err.text);
    assert_int_equal(audit.batches, RECORDS + KEYS + 1);
    home_close(kim);
    home_teardown(&machine);
    end_room(&room);
    free(other);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 2;
#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)
    const struct CMUnitTest tests[] = {
        HOME_TEST(somebody_who_never_stops_typing_has_a_small_journal),
        HOME_TEST(another_window_on_the_journal_is_not_disturbed),
        HOME_TEST(while_another_process_writes_nothing_is_tidied),
        HOME_TEST(few_rows_with_many_operations_are_worth_a_checkpoint),
        HOME_TEST(so_are_those_that_somebody_else_wrote_and_a_pause_is_enough),
        HOME_TEST(one_row_of_one_long_paste_is_not),
        HOME_TEST(a_checkpoint_whose_history_cannot_be_read_costs_nothing_but_time),
        HOME_TEST(what_is_closed_without_a_pause_is_in_order_too),
        HOME_TEST(how_much_of_a_long_history_is_not_in_the_file_is_said_a_little_later),
        HOME_TEST(a_long_history_is_read_when_it_is_asked_for),
        HOME_TEST(an_undo_whose_history_cannot_be_read_is_refused_and_typing_goes_on),
        HOME_TEST(a_history_that_went_to_sleep_is_read_again_from_the_journal),
        HOME_TEST(the_history_of_a_shared_document_is_held_through_a_pause),
        HOME_TEST(a_history_that_another_window_wrote_in_is_held_through_a_pause),
        HOME_TEST(a_history_that_is_ahead_of_its_text_is_held_through_a_pause),
        HOME_TEST(a_history_whose_bytes_are_damaged_is_replayed_once),
        HOME_TEST(a_damaged_checkpoint_gives_way_to_the_one_before),
        HOME_TEST(who_types_at_once_is_told_all_the_same),
        HOME_TEST(where_the_cursor_was_is_known_without_the_rows_before_a_checkpoint),
        HOME_TEST(what_was_never_sent_is_sent_when_the_document_comes_back),
        HOME_TEST(by_the_word_of_the_relay_it_may_come_back_at_the_next_opening),
        HOME_TEST(what_was_packed_before_it_was_sent_is_sent_all_the_same),
        HOME_TEST(a_relay_that_lost_it_gets_it_from_the_packed_rows),
    };
    return RUN_TESTS("replica_tidy", tests);
}
