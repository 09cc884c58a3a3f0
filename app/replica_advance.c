/*
 * Keys in advance of the journal. A commit takes a tenth of a millisecond, and the thread that does it has to be woken and waited for;
 * a write to a file takes a tenth of that. So a key's row is put into a tail (sync/tail.h) by this thread itself before it is
 * painted, and committed behind that. What the screen promises is the same: the row is on this disk, and survives kill -9.
 *
 *      key --> row --> tail_write() --> frame to the terminal --> journal's thread: BEGIN ... COMMIT
 *
 * The tail is begun again whenever the journal has everything, so it holds what the journal lacks and little more. It stands for
 * the journal only where it holds all that the journal lacks: the rows in it are those of tickets `first` to `first + rows - 1`,
 * and everything in front of those is committed. Else the journal is waited for: behind a change by another program, or what came
 * from a room a moment ago.
 *
 * After a kill -9 the next start folds the rows into the journal before anything is opened; so does another process before it
 * takes over what a dead one wrote. Of two who fold at once the second waits until the first is done, and who has the document open
 * is rung and reads the rows in. After a power cut the tail may be newer than the journal, whose last commits were not synced: a row
 * is folded only where the journal has what its agent wrote in front of it, else nobody could ever read it nor anything behind it.
 * A tail with such rows is set aside, and that is said. Who only reads (weft cat, verify, log) reads them behind the journal's. Where others have the
 * document open on this machine the journal is waited for: they would be here, and not look, when a row is in the tail alone.
 */
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_tail.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    ADVANCE_FORMAT = 1,
    LABEL_BYTES_MAX = 4096,
    ROW_BYTES_MAX = 4096, /* a longer one is a paste: it is waited for, twice on the disk would cost more than that spares */
};

static char *dir_of(const struct env *env)
{
    return paths_state_file(&env->paths, "advance");
}

/* --- writing --- */

/* The journal's thread makes the file: a busy disk may take its time for that. */
struct make_job {
    struct replica *replica;
    struct tail *tail;
};

static bool make(void *self, struct journal *journal, struct error *err)
{
    struct make_job *job = self;
    (void)journal;
    return tail_make(job->tail, err);
}

static void made(void *self, const struct journal_result *result)
{
    struct make_job *job = self;
    if (result->ok)
        atomic_store(&job->replica->advance.made, job->tail);
    else
        tail_end(job->tail);
    free(job);
}

static void ask_for_tail(struct replica *replica)
{
    struct advance *advance = &replica->advance;
    struct seal_key key;
    bool wanted = !advance->asked && !replica->is_private && !replica->scripted && replica->indexed && replica->env->has_device;
    if (!wanted)
        return;
    advance->asked = true;
    struct make_job *job = xcalloc(1, sizeof *job);
    char *dir = dir_of(replica->env);
    device_tail_key(&replica->env->device, &key);
    job->replica = replica;
    job->tail = tail_new(dir, &replica->agent, &key);
    journal_writer_run(replica->writer, make, job, (struct journal_done){made, job});
    crypto_wipe(&key, sizeof key);
    free(dir);
}

static void put_head(struct replica *replica)
{
    struct buf frame = {0};
    buf_add_byte(&frame, ADVANCE_FORMAT);
    buf_add(&frame, replica->entry.doc.bytes, sizeof replica->entry.doc.bytes);
    buf_add_sized(&frame, bytes_of_string(replica->label));
    tail_put(replica->advance.tail, buf_view(&frame));
    buf_release(&frame);
}

void replica_advance_put(struct replica *replica, const struct journal_local *row)
{
    struct advance *advance = &replica->advance;
    struct journal_writer_state state;
    ask_for_tail(replica);
    if (!advance->tail)
        advance->tail = atomic_load(&advance->made);
    bool is_long = row->plain.len > ROW_BYTES_MAX;
    if (is_long)
        advance->rows = 0;
    if (is_long || !advance->tail)
        return;
    journal_writer_state(replica->writer, &state);
    if (state.committed == state.issued || !advance->rows) {
        tail_restart(advance->tail); /* the file stays as it is until all in front of this row is committed */
        put_head(replica);
        advance->first = state.issued + 1;
        advance->rows = 0;
    }
    replica_put_row_frame(advance->tail, row);
    advance->rows++;
    if (!replica->net && !neighbours_listen(replica)) { /* nobody else waits for it: it is painted first */
        journal_writer_pause(replica->writer);
        advance->paused = ADVANCE_NOW;
    }
}

void replica_advance_go(struct replica *replica)
{
    if (replica->advance.paused != ADVANCE_GOES)
        journal_writer_go(replica->writer);
    replica->advance.paused = ADVANCE_GOES;
}

void replica_advance_handle(struct replica *replica)
{
    if (replica->advance.paused == ADVANCE_BEFORE)
        replica_advance_go(replica);
    else if (replica->advance.paused == ADVANCE_NOW)
        replica->advance.paused = ADVANCE_BEFORE;
}

uint64_t replica_advance_next_ms(const struct replica *replica)
{
    return replica->advance.paused == ADVANCE_GOES ? UINT64_MAX : 0;
}

bool replica_advance_hold(struct replica *replica)
{
    const struct advance *advance = &replica->advance;
    struct journal_writer_state state;
    struct error ignored = {0}; /* the journal is waited for then, and says itself what is wrong with the disk */
    if (!advance->rows || replica->last_ticket != advance->first + advance->rows - 1 || neighbours_listen(replica))
        return false;
    journal_writer_state(replica->writer, &state);
    return state.committed + 1 >= advance->first && tail_write(advance->tail, &ignored);
}

void replica_advance_leave(struct replica *replica, bool kept)
{
    struct tail *tail = atomic_load(&replica->advance.made);
    if (kept)
        tail_end(tail);
    else
        tail_free(tail);
    atomic_store(&replica->advance.made, NULL);
    replica->advance.tail = NULL;
    replica->advance.asked = false;
    replica->advance.paused = ADVANCE_GOES;
    replica->advance.first = replica->advance.rows = 0;
}

/* --- folding --- */

/* `label` is a view into the frame. */
static bool decode_head(struct bytes frame, struct doc_id *doc, struct bytes *label, struct error *err)
{
    struct reader reader = reader_of(frame);
    if (read_byte(&reader) != ADVANCE_FORMAT)
        return error_set(err, ERR_NEWER, 0, "it was kept by a newer weft; update weft");
    read_into(&reader, doc->bytes, sizeof doc->bytes);
    *label = read_sized(&reader, LABEL_BYTES_MAX);
    return reader_done(&reader) || error_set(err, ERR_FORMAT, 0, "it is damaged");
}

/* *lost: what stands in front of a row is in neither; that row and what follows it are left out. NULL: rows are put in all the same. */
static bool put_rows(struct journal *journal, const struct tail_left *left, bool *lost, struct error *err)
{
    bool good = journal_begin(journal, err);
    if (!good)
        return false;
    for (size_t i = 1; good && i < left->count; i++) {
        bool follows = true;
        good = !lost || replica_row_follows(journal, &left->agent, left->frames[i], &follows, err);
        if (good && !follows) {
            *lost = true;
            break;
        }
        good = good && replica_fold_row(journal, &left->agent, left->frames[i], err);
    }
    if (good)
        return journal_commit(journal, err);
    journal_rollback(journal);
    return false;
}

/* A document that was forgotten takes them with it: neither the index has it nor is there a journal. An index may be made anew. */
static bool is_known(const struct folding *folding, const struct doc_id *doc, bool *known, struct error *err)
{
    struct doc_entry entry = {0};
    char *path = paths_state_file(&folding->env->paths, "index.db");
    struct doc_index *index = doc_index_open(path, DOC_INDEX_READ, &folding->env->device, err);
    bool good = index && doc_index_find_doc(index, doc, &entry, known, err);
    if (good && !*known) {
        char *journal = env_journal_path(folding->env, doc);
        *known = access(journal, F_OK) == 0;
        free(journal);
    }
    doc_index_close(index);
    doc_entry_release(&entry);
    free(path);
    return good;
}

static bool fold_into_journal(const struct folding *folding, const struct doc_id *doc, const struct tail_left *left,
                              bool *lost, struct error *err)
{
    char *path = env_journal_path(folding->env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = *doc};
    struct journal *journal = journal_open_on(&folding->env->device, spec, err);
    bool good = journal && put_rows(journal, left, lost, err) && journal_sync(journal, err);
    journal_close(journal);
    free(path);
    return good;
}

static bool set_lost_aside(const struct folding *folding, const struct tail_left *left, const char *name, struct error *err)
{
    char *path;
    if (!tail_set_aside(left->path, &path, err))
        return false;
    replica_left_say(folding, xformat("Of %s the journal lost its newest edits, so the last keys behind them cannot be taken over; "
                                      "they were set aside: %s", name, path));
    free(path);
    return true;
}

static bool fold(void *self, const struct tail_left *left)
{
    const struct folding *folding = self;
    struct doc_id doc;
    struct bytes label = {0};
    struct error err = {0};
    bool known = false, lost = false;
    bool good = decode_head(left->frames[0], &doc, &label, &err) && is_known(folding, &doc, &known, &err) &&
                (!known || fold_into_journal(folding, &doc, left, &lost, &err));
    char *name = label.len ? xstrndup((const char *)label.data, label.len) : xstrdup("a document");
    if (good && known)
        neighbours_ring_folded(folding->env, &doc, NULL);
    if (good && lost)
        good = set_lost_aside(folding, left, name, &err);
    if (!good)
        replica_left_say(folding, xformat("The last that a killed weft had kept of %s cannot be taken over yet: %s", name, err.text));
    else if (left->damaged)
        replica_left_say(folding, xformat("The last of what a killed weft had kept of %s cannot be read.", name));
    free(name);
    return good && !lost;
}

void replica_fold_advance(struct env *env, struct replica_port port)
{
    struct folding folding = {env, port};
    char *dir = dir_of(env);
    replica_visit_tails(env, dir, tail_visit_dead,
                        (struct tail_visitor){&folding, fold, replica_left_is_dead, replica_left_trouble});
    free(dir);
}

bool replica_advance_left(const struct env *env, const struct agent_id *agent)
{
    char *dir = dir_of(env);
    bool left = tail_exists(dir, agent);
    free(dir);
    return left;
}

/* --- only reading --- */

struct search {
    const struct device *device;
    const struct doc_id *doc;
    struct journal *journal; /* what was found */
};

static struct journal *journal_in_memory(const struct search *search)
{
    struct seal_key key;
    struct error ignored = {0};
    device_journal_key(search->device, search->doc, &key);
    struct journal_spec spec = {.mode = JOURNAL_CREATE, .doc = *search->doc, .key = &key, .now_s = (uint64_t)time(NULL)};
    struct journal *journal = journal_open(&spec, &ignored);
    crypto_wipe(&key, sizeof key);
    return journal;
}

static bool look_into(void *self, const struct tail_left *left)
{
    struct search *search = self;
    struct doc_id doc;
    struct bytes label;
    struct error ignored = {0}; /* whoever folds it says so */
    if (!decode_head(left->frames[0], &doc, &label, &ignored) || !doc_id_equal(&doc, search->doc))
        return false;
    if (!search->journal)
        search->journal = journal_in_memory(search);
    bool read = search->journal && put_rows(search->journal, left, NULL, &ignored);
    (void)read;
    return false;
}

struct journal *replica_advance_journal(struct env *env, const struct doc_id *doc)
{
    struct search search = {.device = &env->device, .doc = doc};
    char *dir = dir_of(env);
    replica_visit_tails(env, dir, tail_visit_all, (struct tail_visitor){.self = &search, .fold = look_into});
    free(dir);
    return search.journal;
}
