/*
 * Processes that die without warning. A child types into the journal and tells through a pipe what was acknowledged; it is
 * killed at a random moment; whatever it told must be there, whole and in order.
 */
#include "tests/support/support.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/agent_lock.h"
#include "sync/journal_compact.h"
#include "sync/journal_writer.h"
#include "tests/support/scratch.h"

enum { KILLS = 36, ROW_BYTES = 24, COMMIT_S = 60 };

static struct journal *open_journal(void *path, struct error *err)
{
    struct seal_key key;
    memset(key.bytes, 1, sizeof key.bytes);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .key = &key, .now_s = 1};
    return journal_open(&spec, err);
}

/* "MARKER 7 of 1a2b": one row's content, and what is looked for on the disk. */
static size_t row_text(const struct agent_id *agent, uint64_t row, char out[ROW_BYTES + 1])
{
    int len = snprintf(out, ROW_BYTES + 1, "MARKER %u of %02x%02x", (unsigned)row, agent->bytes[0], agent->bytes[1]);
    return (size_t)len;
}

/* Its end by itself is a failure of the test, which sees no more than a closed pipe: the reason is said here. */
static _Noreturn void end_because(const char *what, const struct error *why)
{
    fprintf(stderr, "the writing process ended by itself: %s: %s\n", what, why->text[0] ? why->text : strerror(errno));
    _exit(1);
}

/* What became of the row that was given last. */
struct fate {
    sem_t known;
    bool ok;
    struct error err;
};

static void learn_fate(void *self, const struct journal_result *result)
{
    struct fate *fate = self;
    fate->ok = result->ok;
    if (!result->ok)
        fate->err = *result->err;
    sem_post(&fate->known);
}

/*
 * Until the row is committed, however often that is tried: on a slow disk another process's closing of the journal
 * keeps it locked for longer than JOURNAL_BUSY_MS, and the writer then says that it fails, and tries again.
 */
static void wait_for(struct fate *fate, struct journal_writer *writer)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += COMMIT_S;
    if (sem_timedwait(&fate->known, &until) != 0) {
        struct journal_writer_state state;
        journal_writer_state(writer, &state);
        end_because("a row is not committed", &state.why);
    }
    if (!fate->ok)
        end_because("a row is refused", &fate->err);
}

/* One key, as a batch. */
static void key_plain(const struct agent_id *agent, uint64_t seq, struct buf *out)
{
    struct batch batch = {.agent = *agent, .seq0 = seq, .flags = seq ? BATCH_FLAG_SELF : 0};
    char text[] = {(char)('a' + (seq * 7 + agent->bytes[0]) % 26), '\0'};
    batch_add_insert(&batch, seq / 3, bytes_of_string(text));
    buf_clear(out);
    batch_encode(&batch, out);
    batch_release(&batch);
}

/* What an idle editor does with its journal, between the keys: a checkpoint of all rows, then a step after the other. */
struct tidying {
    struct journal_writer *writer;
    struct journal_compaction compaction;
    uint64_t place;
    bool more;
};

static bool tidy_step(void *self, struct journal *journal, struct error *err)
{
    struct tidying *tidying = self;
    bool begins = tidying->place > 0;
    if (begins && !journal_checkpoint_put(journal, tidying->place, bytes_of_string("all of it"), NULL, err))
        return false;
    return journal_compact(journal, &tidying->compaction, &tidying->more, err);
}

static void tidy_on(void *self, const struct journal_result *result)
{
    struct tidying *tidying = self;
    tidying->place = 0;
    if (result->ok && tidying->more)
        journal_writer_run(tidying->writer, tidy_step, tidying, (struct journal_done){tidy_on, tidying});
    else
        tidying->compaction.upto = 0;
    if (result->ok && !tidying->more)
        journal_writer_settle(tidying->writer);
}

/* A key is sealed, sent and acknowledged: what is in the outbox of it may go once its row is packed. */
struct sealing {
    struct agent_id agent;
    uint64_t seq;
};

static bool seal_key(void *self, struct journal *journal, struct error *err)
{
    const struct sealing *sealing = self;
    struct journal_sent sent = {.kind = RECORD_EVENTS, .agent = sealing->agent, .seq0 = sealing->seq, .count = 1,
                                .stored = bytes_of((const char *)&sealing->seq, sizeof sealing->seq)};
    return journal_outbox_put(journal, &sent, NULL, err) != JOURNAL_FAILED &&
           journal_outbox_ack_below(journal, &sealing->agent, sealing->seq + 1, false, err);
}

static void forget_sealing(void *self, const struct journal_result *result)
{
    (void)result;
    free(self);
}

static void seal_soon(struct journal_writer *writer, const struct agent_id *agent, uint64_t seq)
{
    struct sealing *sealing = xcalloc(1, sizeof *sealing);
    *sealing = (struct sealing){*agent, seq};
    journal_writer_run(writer, seal_key, sealing, (struct journal_done){forget_sealing, sealing});
}

/* The same child with a journal that is put in order all the time. */
static void type_and_tidy_until_killed(char *path, const char *locks, int pipe_fd)
{
    enum { KEYS_A_TIDYING = 70 };
    struct error err = {0};
    struct agent_lock lock;
    struct agent_id agent;
    struct fate fate = {0};
    struct buf plain = {0};
    struct journal_writer_spec spec = {.self = path, .open = open_journal};
    struct tidying tidying = {.writer = journal_writer_new(&spec, NULL)};
    sem_init(&fate.known, 0, 0);
    crypto_random(agent.bytes, sizeof agent.bytes);
    if (!agent_lock_hold(&lock, locks, &agent, &err))
        end_because("no lock", &err);
    if (write(pipe_fd, lock.agent.bytes, AGENT_ID_BYTES) != AGENT_ID_BYTES)
        end_because("the pipe", &err);
    for (uint64_t seq = 0;; seq++) {
        key_plain(&lock.agent, seq, &plain);
        struct journal_local local = {.agent = lock.agent, .seq0 = seq, .count = 1, .plain = buf_view(&plain), .path = "/a"};
        local.view.cursor = seq + 1;
        journal_writer_local(tidying.writer, &local, true, (struct journal_done){learn_fate, &fate});
        wait_for(&fate, tidying.writer);
        seal_soon(tidying.writer, &lock.agent, seq);
        if (write(pipe_fd, "k", 1) != 1)
            end_because("the pipe", &err);
        if (seq % KEYS_A_TIDYING == KEYS_A_TIDYING - 1) {
            struct journal_writer_state state;
            journal_writer_state(tidying.writer, &state);
            tidying.place = state.place;
            journal_writer_run(tidying.writer, tidy_step, &tidying, (struct journal_done){tidy_on, &tidying});
        }
    }
}

/* The child: types until it is killed; each acknowledged row is one byte into the pipe. */
static void type_until_killed(char *path, const char *locks, int pipe_fd)
{
    struct error err = {0};
    struct agent_lock lock;
    struct agent_id agent;
    struct fate fate = {0};
    struct journal_writer_spec spec = {.self = path, .open = open_journal};
    struct journal_writer *writer = journal_writer_new(&spec, NULL);
    sem_init(&fate.known, 0, 0);
    crypto_random(agent.bytes, sizeof agent.bytes);
    if (!agent_lock_hold(&lock, locks, &agent, &err))
        end_because("no lock", &err);
    if (write(pipe_fd, lock.agent.bytes, AGENT_ID_BYTES) != AGENT_ID_BYTES)
        end_because("the pipe", &err);
    uint64_t seq = 0;
    for (uint64_t row = 0;; row++) {
        char text[ROW_BYTES + 1];
        size_t len = row_text(&lock.agent, row, text);
        struct journal_local local = {.agent = lock.agent, .seq0 = seq, .count = len, .plain = bytes_of(text, len)};
        local.path = "/a";
        local.view.cursor = seq + len;
        seq += len;
        journal_writer_local(writer, &local, true, (struct journal_done){learn_fate, &fate});
        wait_for(&fate, writer);
        if (write(pipe_fd, "k", 1) != 1)
            end_because("the pipe", &err);
    }
}

struct victim {
    pid_t pid;
    int fd;
    struct agent_id agent;
    uint64_t acknowledged;
};

typedef void typing(char *path, const char *locks, int pipe_fd);

static struct victim start_victim(char *path, const char *locks, typing *types)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct victim victim = {.pid = fork(), .fd = fds[0]};
    if (victim.pid == 0) {
        close(fds[0]);
        types(path, locks, fds[1]);
    }
    close(fds[1]);
    assert_int_equal(read(victim.fd, victim.agent.bytes, AGENT_ID_BYTES), AGENT_ID_BYTES);
    return victim;
}

/* Kills it after a random number of acknowledgements and a random moment more; then counts the rest of the pipe. */
static void kill_victim(struct victim *victim, struct random *random, uint64_t most)
{
    char bytes[4096];
    uint64_t wanted = random_below(random, most);
    while (victim->acknowledged < wanted) {
        ssize_t got = read(victim->fd, bytes, sizeof bytes);
        assert_true(got > 0);
        victim->acknowledged += (uint64_t)got;
    }
    for (uint64_t spins = random_below(random, 200000); spins; spins--)
        __asm__ volatile("");
    kill(victim->pid, SIGKILL);
    waitpid(victim->pid, NULL, 0);
    for (ssize_t got; (got = read(victim->fd, bytes, sizeof bytes)) > 0;)
        victim->acknowledged += (uint64_t)got;
    close(victim->fd);
}

struct checker {
    const struct victim *victim;
    uint64_t rows, next_seq, last_place;
};

static bool check_row(void *self, const struct journal_row *row)
{
    struct checker *checker = self;
    char text[ROW_BYTES + 1];
    size_t len = row_text(&checker->victim->agent, checker->rows, text);
    assert_true(bytes_equal(row->body, bytes_of(text, len)));
    assert_int_equal(row->seq0, checker->next_seq);
    assert_true(row->place > checker->last_place);
    checker->last_place = row->place;
    checker->next_seq += row->count;
    checker->rows++;
    return true;
}

/* While the others go on: one of them may have it locked, on a slow disk for longer than JOURNAL_BUSY_MS. */
static struct journal *look_into(char *path)
{
    struct error err = {0};
    struct journal *journal;
    time_t end = time(NULL) + COMMIT_S;
    while (!(journal = open_journal(path, &err)) && err.code == ERR_BUSY && time(NULL) < end)
        continue;
    if (!journal)
        fail_msg("%s", err.text);
    return journal;
}

/* What `check` makes of all rows of a victim, none of which is damaged. */
static struct checker check_rows_of(struct journal *journal, const struct victim *victim,
                                    bool (*check)(void *self, const struct journal_row *row))
{
    struct error err = {0};
    struct checker checker = {.victim = victim};
    struct journal_read read = {0};
    assert_true(journal_rows_of(journal, &victim->agent, 0, (struct journal_visitor){&checker, check}, &read, &err));
    assert_int_equal(read.damaged, 0);
    return checker;
}

static bool has_view(struct journal *journal, struct journal_view *view)
{
    struct error err = {0};
    uint64_t place;
    bool found;
    assert_true(journal_view_get(journal, "/a", NULL, view, NULL, &place, &found, &err));
    return found;
}

/* Every acknowledged row is there; one more may be: committed, but its word did not get through any more. */
static void expect_all_of(char *path, const struct victim *victim)
{
    struct journal *journal = look_into(path);
    struct checker checker = check_rows_of(journal, victim, check_row);
    assert_true(checker.rows == victim->acknowledged || checker.rows == victim->acknowledged + 1);
    journal_close(journal);
}

static void expect_cursor_at_the_end(char *path, const struct victim *victim)
{
    struct journal *journal = look_into(path);
    struct checker checker = check_rows_of(journal, victim, check_row);
    struct journal_view view;
    bool found = has_view(journal, &view);
    if (checker.rows) {
        assert_true(found);
        assert_true(view.cursor == checker.next_seq);
    }
    journal_close(journal);
}

static bool check_keys(void *self, const struct journal_row *row)
{
    struct checker *checker = self;
    struct batch_run run;
    struct error err = {0};
    struct buf expected = {0};
    assert_true(row->place > checker->last_place);
    if (row->form == JOURNAL_PACKED)
        assert_true(batch_run_read(row->body, &row->agent, row->seq0, row->count, &run, &err));
    else
        assert_true(batch_run_read_one(row->body, &row->agent, row->seq0, &run, &err));
    assert_int_equal(run.count, row->count);
    struct batch_cursor cursor = batch_cursor_of(&run);
    for (; batch_cursor_next(&cursor); checker->next_seq++) {
        key_plain(&row->agent, checker->next_seq, &expected);
        assert_true(bytes_equal(cursor.plain, buf_view(&expected)));
    }
    batch_cursor_release(&cursor);
    checker->last_place = row->place;
    checker->rows++;
    buf_release(&expected);
    return true;
}

/* --- what the relay can be given again --- */

struct givable {
    bool *keys; /* in the outbox, or in a packed row */
    uint64_t count, sent;
};

static bool note_sent(void *self, const struct journal_sent *sent)
{
    struct givable *givable = self;
    givable->keys[sent->seq0] = true;
    givable->sent++;
    return true;
}

static bool note_packed(void *self, const struct journal_row *row)
{
    struct givable *givable = self;
    for (uint64_t i = 0; row->form == JOURNAL_PACKED && i < row->count && row->seq0 + i < givable->count; i++)
        givable->keys[row->seq0 + i] = true;
    return true;
}

/* Returns how many records are left of those that were sealed. */
static uint64_t expect_all_sealed_of(char *path, const struct victim *victim)
{
    struct error err = {0};
    struct journal *journal = look_into(path);
    struct givable givable = {0};
    struct journal_read read = {0};
    assert_true(journal_begin(journal, &err)); /* the other one puts it in order meanwhile */
    assert_true(journal_outbox_next_seq(journal, &victim->agent, &givable.count, &err));
    givable.keys = xcalloc((size_t)givable.count + 1, sizeof *givable.keys);
    assert_true(journal_outbox_of(journal, &victim->agent, 0, (struct journal_sent_visitor){&givable, note_sent}, &err));
    assert_true(journal_rows_of(journal, &victim->agent, 0, (struct journal_visitor){&givable, note_packed}, &read, &err));
    for (uint64_t i = 0; i < givable.count; i++)
        assert_true(givable.keys[i]);
    journal_rollback(journal);
    journal_close(journal);
    free(givable.keys);
    return givable.sent;
}

static void expect_all_keys_of(char *path, const struct victim *victim)
{
    struct journal *journal = look_into(path);
    struct checker checker = check_rows_of(journal, victim, check_keys);
    struct journal_view ignored;
    assert_true(checker.next_seq == victim->acknowledged || checker.next_seq == victim->acknowledged + 1);
    (void)has_view(journal, &ignored); /* which can be read */
    journal_close(journal);
}

/* Two at once, so that each puts together what the other one wrote, and reads while that is done. */
static void what_was_acknowledged_survives_while_the_journal_is_put_in_order(void **state)
{
    enum { VICTIMS = 2, ROUNDS = 6, KEYS = 400 };
    char *path = scratch_file(*state, "a.journal");
    struct random random = random_of(support_seed("kill tidying", (uint64_t)time(NULL)));
    uint64_t total = 0, sent = 0;
    for (uint64_t round = 0; round < support_rounds(ROUNDS); round++) {
        struct victim victims[VICTIMS];
        for (int i = 0; i < VICTIMS; i++)
            victims[i] = start_victim(path, *state, type_and_tidy_until_killed);
        for (int i = 0; i < VICTIMS; i++) {
            kill_victim(&victims[i], &random, KEYS);
            expect_all_keys_of(path, &victims[i]); /* while the other one goes on */
            total += victims[i].acknowledged;
        }
        for (int i = 0; i < VICTIMS; i++) {
            expect_all_keys_of(path, &victims[i]);
            sent += expect_all_sealed_of(path, &victims[i]);
        }
    }
    struct error err = {0};
    struct journal *journal = look_into(path);
    struct journal_stats stats;
    assert_true(journal_stats(journal, &stats, &err));
    fprintf(stderr, "%u acknowledged keys, %u rows, %u records\n", (unsigned)total, (unsigned)stats.rows, (unsigned)sent);
    assert_true(stats.rows < total);
    assert_true(sent < total);
    journal_close(journal);
    free(path);
}

static void what_was_acknowledged_survives_every_kill(void **state)
{
    char *path = scratch_file(*state, "a.journal");
    struct random random = random_of(support_seed("kill", (uint64_t)time(NULL)));
    uint64_t kills = support_rounds(KILLS);
    uint64_t total = 0;
    for (uint64_t i = 0; i < kills; i++) {
        struct victim victim = start_victim(path, *state, type_until_killed);
        kill_victim(&victim, &random, 40);
        expect_all_of(path, &victim);
        expect_cursor_at_the_end(path, &victim);
        assert_int_equal(agent_lock_test(*state, &victim.agent), AGENT_DEAD);
        total += victim.acknowledged;
    }
    fprintf(stderr, "%u kills, %u acknowledged rows\n", (unsigned)kills, (unsigned)total);
    assert_false(scratch_contains(*state, "MARKER"));
    free(path);
}

static void three_processes_on_one_journal_are_killed_one_after_another(void **state)
{
    enum { VICTIMS = 3, ROUNDS = 4 };
    char *path = scratch_file(*state, "a.journal");
    struct random random = random_of(support_seed("kill several", (uint64_t)time(NULL)));
    for (int round = 0; round < ROUNDS; round++) {
        struct victim victims[VICTIMS];
        for (int i = 0; i < VICTIMS; i++)
            victims[i] = start_victim(path, *state, type_until_killed);
        for (int i = 0; i < VICTIMS; i++) {
            kill_victim(&victims[i], &random, 40);
            expect_all_of(path, &victims[i]); /* while the others go on */
        }
    }
    assert_int_equal(agent_lock_sweep(*state), VICTIMS * ROUNDS);
    free(path);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(what_was_acknowledged_survives_every_kill),
        SCRATCH_TEST(what_was_acknowledged_survives_while_the_journal_is_put_in_order),
        SCRATCH_TEST(three_processes_on_one_journal_are_killed_one_after_another),
    };
    return RUN_TESTS("journal_kill", tests);
}
