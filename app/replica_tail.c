/*
 * What is typed while the journal is being made: it goes into a tail (sync/tail.h), one write before it is painted, and the
 * tail goes when the journal has committed it. Whoever starts next after a kill -9 folds what was left: index entry, journal,
 * rows, as the killed process would have made them.
 *
 * The first frame says what the journal is founded on (head), every further one is a row. A tail of this kind is there from the
 * first key to the first commit of all that was typed, never again; then there are those of replica_advance.c.
 *
 * Who only reads (weft cat, verify, docs) folds nothing. A tail has every row since the document began, so it is read as if it
 * were the journal where that is not there yet, and after it where it is.
 *
 * Only a document that begins in this process has one, and only where no other process has the file open: of two that begin a
 * file's document at once one gives way (replica_adopt()), and what it had typed must not come back as its own.
 */
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_tail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    HEAD_FORMAT = 1,
    ROW_FORMAT = 1,
    FOUNDING_BYTES_MAX = 64 << 10, /* a larger text that no file holds waits for its journal */
    KEYS_BYTES_MAX = 1024,
};

enum { HAS_NAME = 1, HAS_PATH = 2, HAS_CONTENT = 4, HAS_SAVED = 8, TAKES_PATH = 16 };

/* --- frames --- */

struct head {
    struct doc_entry entry;
    bool takes_path; /* the path shows this document, whatever it showed before */
    bool has_saved;
    struct journal_saved saved; /* of the entry's path; its version is a view into the frame */
    struct bytes founding;      /* likewise */
};

static void encode_head(const struct head *head, struct buf *out)
{
    const struct doc_entry *entry = &head->entry;
    struct buf keys = {0};
    doc_keys_encode(&entry->keys, &keys);
    buf_add_byte(out, HEAD_FORMAT);
    buf_add_byte(out, (unsigned char)((entry->name ? HAS_NAME : 0) | (entry->path ? HAS_PATH : 0) |
                                      (entry->content_known ? HAS_CONTENT : 0) | (head->has_saved ? HAS_SAVED : 0) |
                                      (head->takes_path ? TAKES_PATH : 0)));
    buf_add_sized(out, buf_view(&keys));
    buf_add_varint(out, entry->created_s);
    buf_add_varint(out, entry->opened_s);
    if (entry->name)
        buf_add_sized(out, bytes_of_string(entry->name));
    if (entry->path)
        buf_add_sized(out, bytes_of_string(entry->path));
    buf_add_varint(out, entry->dev);
    buf_add_varint(out, entry->ino);
    if (entry->content_known)
        buf_add(out, entry->content.bytes, sizeof entry->content.bytes);
    if (head->has_saved)
        journal_saved_encode(&head->saved, out);
    buf_add_bytes(out, head->founding);
    crypto_wipe(keys.data, keys.len);
    buf_release(&keys);
}

static char *read_text(struct reader *reader, size_t len_max)
{
    struct bytes text = read_sized(reader, len_max);
    return xstrndup((const char *)text.data, text.len);
}

/* *head is zero; release head->entry whatever comes out. */
static bool decode_head(struct bytes frame, struct head *head, struct error *err)
{
    struct reader reader = reader_of(frame);
    struct doc_entry *entry = &head->entry;
    unsigned char format = read_byte(&reader), flags = read_byte(&reader);
    if (format != HEAD_FORMAT)
        return error_set(err, ERR_NEWER, 0, "it was kept by a newer weft; update weft");
    struct bytes keys = read_sized(&reader, KEYS_BYTES_MAX);
    entry->created_s = read_varint_max(&reader, INT64_MAX);
    entry->opened_s = read_varint_max(&reader, INT64_MAX);
    entry->name = flags & HAS_NAME ? read_text(&reader, DOC_INDEX_TEXT_BYTES_MAX) : NULL;
    entry->path = flags & HAS_PATH ? read_text(&reader, DOC_INDEX_TEXT_BYTES_MAX) : NULL;
    entry->dev = read_varint(&reader);
    entry->ino = read_varint(&reader);
    entry->content_known = flags & HAS_CONTENT;
    if (entry->content_known)
        read_into(&reader, entry->content.bytes, sizeof entry->content.bytes);
    head->has_saved = flags & HAS_SAVED;
    if (head->has_saved)
        journal_saved_decode(&reader, &head->saved);
    head->takes_path = flags & TAKES_PATH;
    head->founding = read_bytes(&reader, reader_left(&reader));
    if (reader.failed || !head->founding.len || (head->has_saved && !entry->path))
        return error_set(err, ERR_FORMAT, 0, "it is damaged");
    if (!doc_keys_decode(keys, &entry->keys, err))
        return false;
    entry->doc = entry->keys.doc;
    return true;
}

static void encode_row(const struct journal_local *row, struct buf *out)
{
    buf_add_byte(out, ROW_FORMAT);
    buf_add_byte(out, row->path ? HAS_PATH : 0);
    buf_add_varint(out, row->seq0);
    buf_add_varint(out, row->count);
    buf_add(out, row->digest.bytes, sizeof row->digest.bytes);
    if (row->path) {
        buf_add_sized(out, bytes_of_string(row->path));
        journal_view_encode(&row->view, out);
    }
    buf_add_bytes(out, row->plain);
}

/* *path is what row->path points to: free it. */
static bool decode_row(struct bytes frame, struct journal_local *row, char **path, struct error *err)
{
    struct reader reader = reader_of(frame);
    unsigned char format = read_byte(&reader), flags = read_byte(&reader);
    row->seq0 = read_varint_max(&reader, BATCH_SEQ_MAX);
    row->count = read_varint_max(&reader, BATCH_SEQ_MAX);
    read_into(&reader, row->digest.bytes, sizeof row->digest.bytes);
    if (flags & HAS_PATH) {
        row->path = *path = read_text(&reader, JOURNAL_PATH_BYTES_MAX);
        journal_view_decode(&reader, &row->view);
    }
    row->plain = read_bytes(&reader, reader_left(&reader));
    bool good = format == ROW_FORMAT && !reader.failed && row->count > 0 && row->plain.len > 0 &&
                row->plain.len <= BATCH_BYTES_MAX;
    return good || error_set(err, ERR_FORMAT, 0, "it is damaged");
}

/* --- writing --- */

static bool wants_tail(const struct replica *replica)
{
    const struct doc_entry *entry = &replica->entry;
    return !replica->is_private && !replica->scripted && replica->env->has_device && entry->state == DOC_PRIVATE &&
           entry->role == DOC_HOST && document_events(replica->document) == 0 && !neighbours_listen(replica);
}

static void put_head(struct replica *replica, struct bytes founding)
{
    const struct file_side *file = &replica->file;
    struct buf version = {0}, frame = {0};
    struct head head = {.entry = replica->entry, .takes_path = replica->takes_path, .founding = founding};
    head.has_saved = replica->entry.path && file->path && file->text && file->hash_known;
    if (head.has_saved) {
        replica_encode_version(replica, &file->version, &version);
        head.saved = (struct journal_saved){.dev = file->stamp.dev, .ino = file->stamp.ino,
                                            .size = file->stamp.exists ? file->stamp.size : 0,
                                            .mtime_ns = file->stamp.mtime_ns, .time_s = replica->entry.opened_s,
                                            .hash = file->hash, .version = buf_view(&version)};
    }
    encode_head(&head, &frame);
    tail_put(replica->tail, buf_view(&frame));
    crypto_wipe(frame.data, frame.len);
    buf_release(&frame);
    buf_release(&version);
}

void replica_tail_begin(struct replica *replica)
{
    struct buf founding = {0};
    if (wants_tail(replica) && replica_encode_founding(replica, FOUNDING_BYTES_MAX, &founding)) {
        struct seal_key key;
        char *dir = paths_state_file(&replica->env->paths, "tails");
        device_tail_key(&replica->env->device, &key);
        pthread_mutex_lock(&replica->tail_lock);
        replica->tail = tail_new(dir, &replica->agent, &key);
        replica->tail_ticket = 0;
        put_head(replica, buf_view(&founding));
        pthread_mutex_unlock(&replica->tail_lock);
        crypto_wipe(&key, sizeof key);
        free(dir);
    }
    buf_release(&founding);
}

void replica_put_row_frame(struct tail *tail, const struct journal_local *row)
{
    struct buf frame = {0};
    encode_row(row, &frame);
    tail_put(tail, buf_view(&frame));
    buf_release(&frame);
}

uint64_t replica_give_row(struct replica *replica, const struct journal_local *row, struct journal_done done)
{
    /* Under the lock: the row may be committed, and `done` have freed what it points to, before the ticket is back. */
    pthread_mutex_lock(&replica->tail_lock);
    if (replica->tail)
        replica_put_row_frame(replica->tail, row);
    replica_advance_put(replica, row);
    uint64_t ticket = journal_writer_local(replica->writer, row, true, done);
    replica->tail_ticket = ticket;
    pthread_mutex_unlock(&replica->tail_lock);
    return ticket;
}

bool replica_tail_hold(struct replica *replica)
{
    struct error ignored = {0}; /* the journal is waited for then, and says itself what is wrong with the disk */
    pthread_mutex_lock(&replica->tail_lock);
    bool held = replica->tail && tail_write(replica->tail, &ignored);
    pthread_mutex_unlock(&replica->tail_lock);
    return held;
}

void replica_tail_committed(struct replica *replica, uint64_t ticket)
{
    pthread_mutex_lock(&replica->tail_lock);
    bool all = replica->tail_ticket <= ticket;
    struct tail *tail = all ? replica->tail : NULL;
    if (all)
        replica->tail = NULL;
    pthread_mutex_unlock(&replica->tail_lock);
    tail_end(tail); /* without the lock: removing a file may take a busy disk longer than a key may wait */
}

struct tail *replica_tail_take(struct replica *replica)
{
    pthread_mutex_lock(&replica->tail_lock);
    struct tail *tail = replica->tail;
    replica->tail = NULL;
    pthread_mutex_unlock(&replica->tail_lock);
    return tail;
}

void replica_tail_leave(struct replica *replica, bool kept)
{
    struct tail *tail = replica_tail_take(replica);
    if (kept)
        tail_end(tail);
    else
        tail_free(tail);
}

/* --- folding --- */

void replica_left_say(const struct folding *folding, char *sentence)
{
    if (folding->port.said)
        folding->port.said(folding->port.self, sentence);
    free(sentence);
}

bool replica_left_is_dead(void *self, const struct agent_id *agent)
{
    const struct folding *folding = self;
    char *dir = paths_state_file(&folding->env->paths, "agents");
    bool dead = agent_lock_test(dir, agent) == AGENT_DEAD;
    free(dir);
    return dead;
}

void replica_left_trouble(void *self, enum tail_trouble trouble, const char *path)
{
    const struct folding *folding = self;
    replica_left_say(folding, trouble == TAIL_BUSY
                                  ? xformat("Another weft is still taking over what a killed weft had kept: it is seen when that is done.")
                                  : xformat("What a killed weft had kept cannot be read; it was set aside: %s", path));
}

static bool put_new_entry(const struct folding *folding, struct doc_index *index, struct head *head, struct error *err)
{
    struct doc_entry *entry = &head->entry;
    struct doc_id other;
    if (head->takes_path && entry->path &&
        !doc_index_bind_path(index, &entry->doc, entry->path, entry->dev, entry->ino, NULL, entry->opened_s, err))
        return false;
    enum doc_index_put put = doc_index_put(index, entry, &other, err);
    if (put == DOC_INDEX_TAKEN) {
        replica_left_say(folding, xformat("What a killed weft had begun to keep of %s is a document of its own now: "
                                          "the file has another one. See weft docs.", entry->path));
        free(entry->path);
        entry->path = NULL;
        put = doc_index_put(index, entry, &other, err);
    }
    return put == DOC_INDEX_PUT;
}

/* The index has the document afterwards: it may have had it before, and then knows better than the head. */
static bool fold_entry(const struct folding *folding, struct head *head, struct error *err)
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

static bool fold_saved(struct journal *journal, const struct head *head, struct error *err)
{
    struct journal_saved known = {0}, saved = head->saved;
    struct buf memory = {0};
    bool found = false;
    bool good = journal_saved_get(journal, head->entry.path, &known, &memory, &found, err);
    saved.path = head->entry.path;
    buf_release(&memory);
    return good && (found || journal_saved_put(journal, &saved, err));
}

bool replica_row_follows(struct journal *journal, const struct agent_id *agent, struct bytes frame, bool *follows,
                         struct error *err)
{
    struct journal_local row = {.agent = *agent};
    char *path = NULL;
    bool good = decode_row(frame, &row, &path, err);
    *follows = good && row.seq0 == 0;
    if (good && row.seq0 > 0)
        good = journal_has_events(journal, agent, row.seq0 - 1, 1, follows, err);
    free(path);
    return good;
}

bool replica_fold_row(struct journal *journal, const struct agent_id *agent, struct bytes frame, struct error *err)
{
    struct journal_local row = {.agent = *agent};
    char *path = NULL;
    bool has = false;
    bool good = decode_row(frame, &row, &path, err) && journal_has_events(journal, agent, row.seq0, row.count, &has, err) &&
                (has || journal_add_local(journal, &row, NULL, err) != JOURNAL_FAILED);
    free(path);
    return good;
}

static bool fold_rows(struct journal *journal, const struct head *head, const struct tail_left *left, struct error *err)
{
    const struct doc_entry *entry = &head->entry;
    bool good = journal_agent_add(journal, &left->agent, entry->opened_s, err) &&
                replica_put_founding(journal, head->founding, err) &&
                (!head->has_saved || !entry->path || fold_saved(journal, head, err));
    for (size_t i = 1; good && i < left->count; i++)
        good = replica_fold_row(journal, &left->agent, left->frames[i], err);
    return good;
}

static struct journal *open_journal(const struct folding *folding, const struct doc_entry *entry, struct error *err)
{
    char *dir = paths_state_file(&folding->env->paths, "docs"), *path = journal_path(dir, &entry->doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .doc = entry->doc, .now_s = entry->opened_s};
    struct journal *journal = file_make_dirs(dir, err) ? journal_open_on(&folding->env->device, spec, err) : NULL;
    free(path);
    free(dir);
    return journal;
}

static bool fold_into(struct journal *journal, const struct head *head, const struct tail_left *left, struct error *err)
{
    if (!journal_begin(journal, err))
        return false;
    if (fold_rows(journal, head, left, err))
        return journal_commit(journal, err);
    journal_rollback(journal);
    return false;
}

/* One transaction, and synced: the tail goes next. */
static bool fold_journal(const struct folding *folding, const struct head *head, const struct tail_left *left,
                         struct error *err)
{
    struct journal *journal = open_journal(folding, &head->entry, err);
    bool good = journal && fold_into(journal, head, left, err) && journal_sync(journal, err);
    journal_close(journal);
    return good;
}

static bool fold(void *self, const struct tail_left *left)
{
    const struct folding *folding = self;
    struct head head = {0};
    struct error err = {0};
    bool good = decode_head(left->frames[0], &head, &err) && fold_entry(folding, &head, &err) &&
                fold_journal(folding, &head, left, &err);
    const char *name = head.entry.name ? head.entry.name : "a document";
    if (!good)
        replica_left_say(folding, xformat("What a killed weft had begun to keep of %s cannot be taken over yet: %s", name,
                                          err.text));
    else if (left->damaged)
        replica_left_say(folding, xformat("The last of what a killed weft had begun to keep of %s cannot be read.", name));
    if (good)
        neighbours_ring_folded(folding->env, &head.entry.doc, head.entry.path);
    doc_entry_release(&head.entry);
    return good;
}

void replica_visit_tails(struct env *env, const char *dir, replica_tail_visit *visit, struct tail_visitor visitor)
{
    struct stat st;
    struct error ignored = {0}; /* without the key none of them opens */
    if (stat(dir, &st) != 0 || !env_device(env, &ignored))
        return;
    struct seal_key key;
    device_tail_key(&env->device, &key);
    visit(dir, &key, visitor);
    crypto_wipe(&key, sizeof key);
}

static void visit_tails(struct env *env, replica_tail_visit *visit, struct tail_visitor visitor)
{
    char *dir = paths_state_file(&env->paths, "tails");
    replica_visit_tails(env, dir, visit, visitor);
    free(dir);
}

void replica_fold_left(struct env *env, struct replica_port port)
{
    struct folding folding = {env, port};
    visit_tails(env, tail_visit_dead,
                (struct tail_visitor){&folding, fold, replica_left_is_dead, replica_left_trouble});
    replica_fold_advance(env, port); /* of the same process, later */
}

/* --- only reading --- */

static bool show_entry(void *self, const struct tail_left *left)
{
    const struct replica_left_visitor *visitor = self;
    struct head head = {0};
    struct error ignored = {0}; /* whoever folds it says so */
    if (decode_head(left->frames[0], &head, &ignored))
        visitor->entry(visitor->self, &head.entry, head.takes_path);
    doc_entry_release(&head.entry);
    return false;
}

void replica_visit_left(struct env *env, const struct replica_left_visitor *visitor)
{
    visit_tails(env, tail_visit_all, (struct tail_visitor){.self = (void *)visitor, .fold = show_entry});
}

struct left_search {
    const struct device *device;
    const struct doc_id *doc;
    struct journal *journal; /* what it found */
};

static struct journal *journal_in_memory(const struct left_search *search, const struct head *head,
                                         const struct tail_left *left)
{
    struct seal_key key;
    struct error ignored = {0};
    device_journal_key(search->device, &head->entry.doc, &key);
    struct journal_spec spec = {.mode = JOURNAL_CREATE, .doc = head->entry.doc, .key = &key, .now_s = head->entry.opened_s};
    struct journal *journal = journal_open(&spec, &ignored);
    crypto_wipe(&key, sizeof key);
    if (journal && fold_into(journal, head, left, &ignored))
        return journal;
    journal_close(journal);
    return NULL;
}

static bool look_into(void *self, const struct tail_left *left)
{
    struct left_search *search = self;
    struct head head = {0};
    struct error ignored = {0};
    if (!search->journal && decode_head(left->frames[0], &head, &ignored) &&
        memcmp(&head.entry.doc, search->doc, sizeof *search->doc) == 0)
        search->journal = journal_in_memory(search, &head, left);
    doc_entry_release(&head.entry);
    return false;
}

struct journal *replica_left_journal(struct env *env, const struct doc_id *doc)
{
    struct left_search search = {.device = &env->device, .doc = doc};
    visit_tails(env, tail_visit_all, (struct tail_visitor){.self = &search, .fold = look_into});
    return search.journal;
}
