/*
 * What processes have in front of the journals: folding what killed ones left, and, for who only reads, reading it.
 *
 * There are two kinds of file, see replica_tail.c and replica_advance.c. What is founded in one has every row since the document
 * began: folded, it is index entry and journal as the killed process would have made them; read, it is taken for the journal
 * where that is not there yet, and comes after it where it is. What is in advance of a journal is rows alone.
 *
 * Of two who fold at once the second waits until the first is done, and who has the document open is rung and reads the rows in.
 * After a power cut rows in advance may be newer than the journal, whose last commits were not synced: a row is folded only where
 * the journal has what its agent wrote in front of it, else nobody could ever read it nor anything behind it. A file with such
 * rows is set aside, and that is said.
 */
#include "app/replica_left.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/replica_frames.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "editor/base/xalloc.h"
#include "sync/agent_lock.h"
#include "sync/tail.h"

/* Whom folding belongs to. */
struct folding {
    struct env *env;
    struct replica_port port;
    const struct kind *kind;
};

/* Of the two kinds of file. */
struct kind {
    const char *dir;
    const char *what, *last; /* of a document */
    bool (*read_head)(struct bytes frame, struct frames_head *head, struct error *err);
    /* All of it into the journal, in the caller's transaction. *lost (NULL: put in all the same): what stands in front of a row
       is in neither, so that row and what follows it are left out. */
    bool (*put)(struct journal *journal, const struct frames_head *head, const struct tail_left *left, bool *lost,
                struct error *err);
    /* Index and journal have it afterwards. */
    bool (*fold)(const struct folding *folding, struct frames_head *head, const struct tail_left *left, bool *lost,
                 struct error *err);
};

static void say(const struct folding *folding, char *sentence)
{
    if (folding->port.said)
        folding->port.said(folding->port.self, sentence);
    free(sentence);
}

static const char *name_in(const struct frames_head *head)
{
    return head->entry.name && head->entry.name[0] ? head->entry.name : "a document";
}

/* --- into a journal --- */

/* Whether what the agent had written in front of that row is in the journal. */
static bool row_follows(struct journal *journal, const struct agent_id *agent, struct bytes frame, bool *follows,
                        struct error *err)
{
    struct journal_local row = {.agent = *agent};
    char *path = NULL;
    bool good = frames_read_row(frame, &row, &path, err);
    *follows = good && row.seq0 == 0;
    if (good && row.seq0 > 0)
        good = journal_has_events(journal, agent, row.seq0 - 1, 1, follows, err);
    free(path);
    return good;
}

static bool put_row(struct journal *journal, const struct agent_id *agent, struct bytes frame, struct error *err)
{
    struct journal_local row = {.agent = *agent};
    char *path = NULL;
    bool has = false;
    bool good = frames_read_row(frame, &row, &path, err) && journal_has_events(journal, agent, row.seq0, row.count, &has, err) &&
                (has || journal_add_local(journal, &row, NULL, err) != JOURNAL_FAILED);
    free(path);
    return good;
}

static bool put_rows(struct journal *journal, const struct frames_head *head, const struct tail_left *left, bool *lost,
                     struct error *err)
{
    bool good = true;
    (void)head;
    for (size_t i = 1; good && i < left->count; i++) {
        bool follows = true;
        good = !lost || row_follows(journal, &left->agent, left->frames[i], &follows, err);
        if (good && !follows) {
            *lost = true;
            return true;
        }
        good = good && put_row(journal, &left->agent, left->frames[i], err);
    }
    return good;
}

static bool put_saved(struct journal *journal, const struct frames_head *head, struct error *err)
{
    struct journal_saved known = {0}, saved = head->saved;
    struct buf memory = {0};
    bool found = false;
    bool good = journal_saved_get(journal, head->entry.path, &known, &memory, &found, err);
    saved.path = head->entry.path;
    buf_release(&memory);
    return good && (found || journal_saved_put(journal, &saved, err));
}

static bool put_founded(struct journal *journal, const struct frames_head *head, const struct tail_left *left, bool *lost,
                        struct error *err)
{
    (void)lost; /* nothing can be: every row there ever was is here */
    return journal_agent_add(journal, &left->agent, head->entry.opened_s, err) &&
           replica_put_founding(journal, head->founding, err) &&
           (!head->has_saved || !head->entry.path || put_saved(journal, head, err)) &&
           put_rows(journal, head, left, NULL, err);
}

static bool put(const struct kind *kind, struct journal *journal, const struct frames_head *head, const struct tail_left *left,
                bool *lost, struct error *err)
{
    if (!journal_begin(journal, err))
        return false;
    if (kind->put(journal, head, left, lost, err))
        return journal_commit(journal, err);
    journal_rollback(journal);
    return false;
}

/* One transaction, and synced: the file goes next. Takes the journal; NULL is fine. */
static bool put_for_good(const struct kind *kind, struct journal *journal, const struct frames_head *head,
                         const struct tail_left *left, bool *lost, struct error *err)
{
    bool good = journal && put(kind, journal, head, left, lost, err) && journal_sync(journal, err);
    journal_close(journal);
    return good;
}

/* --- folding what is founded --- */

static bool put_new_entry(const struct folding *folding, struct doc_index *index, struct frames_head *head, struct error *err)
{
    struct doc_entry *entry = &head->entry;
    struct doc_id other;
    if (head->takes_path && entry->path &&
        !doc_index_bind_path(index, &entry->doc, entry->path, entry->dev, entry->ino, NULL, entry->opened_s, err))
        return false;
    enum doc_index_put put = doc_index_put(index, entry, &other, err);
    if (put == DOC_INDEX_TAKEN) {
        say(folding, xformat("What a killed weft had begun to keep of %s is a document of its own now: "
                                          "the file has another one. See weft docs.", entry->path));
        free(entry->path);
        entry->path = NULL;
        put = doc_index_put(index, entry, &other, err);
    }
    return put == DOC_INDEX_PUT;
}

/* The index has the document afterwards: it may have had it before, and then knows better than the head. */
static bool fold_entry(const struct folding *folding, struct frames_head *head, struct error *err)
{
    struct doc_entry known = {0};
    bool found = false;
    char *path = paths_state_file(&folding->env->paths, "index.db");
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &folding->env->device, err);
    bool good = index && doc_index_find_doc(index, &head->entry.doc, &known, &found, err) &&
                (found || put_new_entry(folding, index, head, err));
    doc_entry_release(&known);
    doc_index_close(index);
    free(path);
    return good;
}

static struct journal *make_journal(const struct folding *folding, const struct doc_entry *entry, struct error *err)
{
    char *dir = paths_state_file(&folding->env->paths, "docs"), *path = journal_path(dir, &entry->doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .doc = entry->doc, .now_s = entry->opened_s};
    struct journal *journal = file_make_dirs(dir, err) ? journal_open_on(&folding->env->device, spec, err) : NULL;
    free(path);
    free(dir);
    return journal;
}

static bool fold_founded(const struct folding *folding, struct frames_head *head, const struct tail_left *left, bool *lost,
                         struct error *err)
{
    bool good = fold_entry(folding, head, err) &&
                put_for_good(folding->kind, make_journal(folding, &head->entry, err), head, left, lost, err);
    if (good)
        neighbours_ring_folded(folding->env, &head->entry.doc, head->entry.path);
    return good;
}

/* --- folding what is in advance of a journal --- */

/* A document that was forgotten takes them with it: neither the index has it nor is there a journal. An index may be made
   anew. */
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

static struct journal *open_journal(const struct folding *folding, const struct doc_id *doc, struct error *err)
{
    char *path = env_journal_path(folding->env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = *doc};
    struct journal *journal = journal_open_on(&folding->env->device, spec, err);
    free(path);
    return journal;
}

static bool fold_advance(const struct folding *folding, struct frames_head *head, const struct tail_left *left, bool *lost,
                         struct error *err)
{
    const struct doc_id *doc = &head->entry.doc;
    bool known = false;
    if (!is_known(folding, doc, &known, err))
        return false;
    if (!known)
        return true;
    if (!put_for_good(folding->kind, open_journal(folding, doc, err), head, left, lost, err))
        return false;
    neighbours_ring_folded(folding->env, doc, NULL);
    return true;
}

/* --- the two kinds --- */

static const struct kind founded_kind = {
    .dir = LEFT_FOUNDING_DIR,
    .what = "What a killed weft had begun to keep",
    .last = "The last of what a killed weft had begun to keep",
    .read_head = frames_read_founding,
    .put = put_founded,
    .fold = fold_founded,
};
static const struct kind advance_kind = {
    .dir = LEFT_ADVANCE_DIR,
    .what = "The last that a killed weft had kept",
    .last = "The last of what a killed weft had kept",
    .read_head = frames_read_document,
    .put = put_rows,
    .fold = fold_advance,
};

typedef void visit_fn(const char *dir, const struct seal_key *key, struct tail_visitor visitor);

/* tail_visit_dead() or tail_visit_all(). */
static void visit(struct env *env, const struct kind *kind, visit_fn *visit_dir, struct tail_visitor visitor)
{
    struct stat st;
    struct error ignored = {0}; /* without the key none of them opens */
    char *dir = paths_state_file(&env->paths, kind->dir);
    if (stat(dir, &st) == 0 && env_device(env, &ignored)) {
        struct seal_key key;
        device_tail_key(&env->device, &key);
        visit_dir(dir, &key, visitor);
        crypto_wipe(&key, sizeof key);
    }
    free(dir);
}

/* --- folding --- */

static bool is_dead(void *self, const struct agent_id *agent)
{
    const struct folding *folding = self;
    char *dir = paths_state_file(&folding->env->paths, "agents");
    bool dead = agent_lock_test(dir, agent) == AGENT_DEAD;
    free(dir);
    return dead;
}

static void trouble(void *self, enum tail_trouble trouble, const char *path)
{
    say(self, trouble == TAIL_BUSY
                  ? xformat("Another weft is still taking over what a killed weft had kept: it is seen when that is done.")
                  : xformat("What a killed weft had kept cannot be read; it was set aside: %s", path));
}

static bool set_lost_aside(const struct folding *folding, const struct tail_left *left, const char *name, struct error *err)
{
    char *path;
    if (!tail_set_aside(left->path, &path, err))
        return false;
    say(folding, xformat("Of %s the journal lost its newest edits, so the last keys behind them cannot be taken over; "
                                      "they were set aside: %s", name, path));
    free(path);
    return true;
}

static bool fold(void *self, const struct tail_left *left)
{
    const struct folding *folding = self;
    const struct kind *kind = folding->kind;
    struct frames_head head = {0};
    struct error err = {0};
    bool lost = false;
    bool good = kind->read_head(left->frames[0], &head, &err) && kind->fold(folding, &head, left, &lost, &err) &&
                (!lost || set_lost_aside(folding, left, name_in(&head), &err));
    if (!good)
        say(folding, xformat("%s of %s cannot be taken over yet: %s", kind->what, name_in(&head), err.text));
    else if (left->damaged)
        say(folding, xformat("%s of %s cannot be read.", kind->last, name_in(&head)));
    frames_head_release(&head);
    return good && !lost;
}

static void fold_all(struct env *env, const struct kind *kind, struct replica_port port)
{
    struct folding folding = {env, port, kind};
    visit(env, kind, tail_visit_dead, (struct tail_visitor){&folding, fold, is_dead, trouble});
}

void replica_fold_advance(struct env *env, struct replica_port port)
{
    fold_all(env, &advance_kind, port);
}

void replica_fold_left(struct env *env, struct replica_port port)
{
    fold_all(env, &founded_kind, port);
    replica_fold_advance(env, port); /* of the same process, later */
}

bool replica_advance_left(const struct env *env, const struct agent_id *agent)
{
    char *dir = paths_state_file(&env->paths, LEFT_ADVANCE_DIR);
    bool left = tail_exists(dir, agent);
    free(dir);
    return left;
}

/* --- what was set aside --- */

static void add_typed(const struct tail_left *left, struct buf *out)
{
    struct batch batch = {0};
    struct error ignored = {0};
    for (size_t i = 1; i < left->count; i++) {
        struct journal_local row = {.agent = left->agent};
        char *path = NULL;
        if (frames_read_row(left->frames[i], &row, &path, &ignored) &&
            batch_decode(row.plain, &row.agent, row.seq0, &batch, &ignored))
            buf_add_bytes(out, buf_view(&batch.text));
        free(path);
    }
    batch_release(&batch);
}

struct showing_aside {
    const struct replica_aside_visitor *visitor;
    const struct kind *kind;
};

static bool show_aside(void *self, const struct tail_left *left)
{
    const struct showing_aside *showing = self;
    struct replica_aside aside = {.path = left->path};
    struct frames_head head = {0};
    struct error ignored = {0};
    struct buf typed = {0};
    if (left->count > 0 && showing->kind->read_head(left->frames[0], &head, &ignored)) {
        add_typed(left, &typed);
        aside.doc = &head.entry.doc;
        aside.name = name_in(&head);
        aside.edits = left->count - 1;
        aside.typed = buf_view(&typed);
    }
    bool goes = showing->visitor->aside(showing->visitor->self, &aside);
    frames_head_release(&head);
    buf_release(&typed);
    return goes;
}

static void visit_aside(const char *dir, const struct seal_key *key, struct tail_visitor visitor)
{
    tail_visit_aside(dir, key, (struct tail_aside_visitor){visitor.self, visitor.fold});
}

void replica_visit_aside(struct env *env, const struct replica_aside_visitor *visitor)
{
    struct showing_aside founded = {visitor, &founded_kind}, advance = {visitor, &advance_kind};
    visit(env, &founded_kind, visit_aside, (struct tail_visitor){.self = &founded, .fold = show_aside});
    visit(env, &advance_kind, visit_aside, (struct tail_visitor){.self = &advance, .fold = show_aside});
}

struct aside_of {
    const struct doc_id *doc;
    bool found;
};

static bool note_aside(void *self, const struct replica_aside *aside)
{
    struct aside_of *search = self;
    search->found |= aside->doc && doc_id_equal(aside->doc, search->doc);
    return false;
}

bool replica_has_aside(struct env *env, const struct doc_id *doc)
{
    struct aside_of search = {.doc = doc};
    replica_visit_aside(env, &(struct replica_aside_visitor){&search, note_aside});
    return search.found;
}

/* --- only reading --- */

static bool show_entry(void *self, const struct tail_left *left)
{
    const struct replica_left_visitor *visitor = self;
    struct frames_head head = {0};
    struct error ignored = {0}; /* whoever folds it says so */
    if (frames_read_founding(left->frames[0], &head, &ignored))
        visitor->entry(visitor->self, &head.entry, head.takes_path);
    frames_head_release(&head);
    return false;
}

void replica_visit_left(struct env *env, const struct replica_left_visitor *visitor)
{
    visit(env, &founded_kind, tail_visit_all, (struct tail_visitor){.self = (void *)visitor, .fold = show_entry});
}

struct search {
    const struct device *device;
    const struct doc_id *doc;
    const struct kind *kind;
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

/* Several processes may have something of one document in advance; founded it is by one. */
static void read_into_memory(struct search *search, const struct frames_head *head, const struct tail_left *left)
{
    struct error ignored = {0};
    bool is_first = !search->journal;
    if (is_first)
        search->journal = journal_in_memory(search);
    bool read = search->journal && put(search->kind, search->journal, head, left, NULL, &ignored);
    if (is_first && !read) {
        journal_close(search->journal);
        search->journal = NULL;
    }
}

static bool look_into(void *self, const struct tail_left *left)
{
    struct search *search = self;
    struct frames_head head = {0};
    struct error ignored = {0};
    if (search->kind->read_head(left->frames[0], &head, &ignored) && doc_id_equal(&head.entry.doc, search->doc))
        read_into_memory(search, &head, left);
    frames_head_release(&head);
    return false;
}

static struct journal *search_for(struct env *env, const struct kind *kind, const struct doc_id *doc)
{
    struct search search = {.device = &env->device, .doc = doc, .kind = kind};
    visit(env, kind, tail_visit_all, (struct tail_visitor){.self = &search, .fold = look_into});
    return search.journal;
}

struct journal *replica_left_journal(struct env *env, const struct doc_id *doc)
{
    return search_for(env, &founded_kind, doc);
}

struct journal *replica_advance_journal(struct env *env, const struct doc_id *doc)
{
    return search_for(env, &advance_kind, doc);
}
