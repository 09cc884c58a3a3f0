#include "app/replica_parts.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/deadline.h"
#include "editor/base/unicode.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    GESTURE_PAUSE_MS = 2000, /* typing after a longer pause is another undo step */
    BARRIER_US = 20000, /* a commit takes a tenth of a millisecond; on an overloaded machine what was painted is to be kept too */
    FIRST_BARRIER_US = 500000,
    STOP_MS = 3000, /* for the journal to take what is queued */
    SAME_TEXT_BYTES_MAX = 4 << 20, /* above this two texts of equal length are told apart by version alone */
};

/* --- talking --- */

void replica_say(struct replica *replica, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (replica->port.said)
        replica->port.said(replica->port.self, text);
}

const char *replica_key_hint(const struct replica *replica, const char *hint)
{
    return replica->scripted ? "" : hint;
}

void replica_touch(struct replica *replica)
{
    if (replica->port.changed)
        replica->port.changed(replica->port.self);
}

/* --- life --- */

static void text_changed(void *self, const struct patch *patch, enum patch_origin origin)
{
    struct replica *replica = self;
    (void)origin;
    people_map(&replica->people, patch);
    if (replica->top_at > 0)
        replica->top_at = patch_map(patch, replica->top_at, GRAVITY_RIGHT);
    replica_touch(replica);
}

void replica_watch_fd(struct replica *replica, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    ensure(epoll_ctl(replica->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

struct replica *replica_new(struct env *env, const struct replica_options *options)
{
    struct replica *replica = xcalloc(1, sizeof *replica);
    replica->env = env;
    replica->port = options->port;
    replica->is_private = options->is_private;
    replica->scripted = options->scripted;
    replica->unseen = options->unseen;
    replica->awaited = options->awaited;
    replica->audits = options->audits;
    replica->short_lived = options->short_lived;
    replica->base_bytes_max = options->base_bytes_max ? options->base_bytes_max : BASE_BYTES_MAX;
    atomic_init(&replica->base_kept, false);
    replica->reads_only = options->reads_only;
    replica->insecure = options->insecure;
    replica->work_alone = options->alone;
    replica->named = options->name != NULL;
    replica->person = options->name ? xstrdup(options->name) : NULL;
    replica->token_file = options->token_file ? xstrdup(options->token_file) : NULL;
    crypto_random(&replica->agent, sizeof replica->agent);
    pthread_mutex_init(&replica->net_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&replica->handed_on, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&replica->tail_lock, NULL);
    replica->watch = (struct buffer_watch){.changed = text_changed, .self = replica};
    replica->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    replica->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ensure(replica->epoll_fd >= 0 && replica->wake_fd >= 0);
    replica_watch_fd(replica, replica->wake_fd);
    replica->worker = worker_new();
    replica_watch_fd(replica, worker_fd(replica->worker));
    if (!replica->is_private && !replica->reads_only)
        replica_fold_left(env, replica->port);
    return replica;
}

static void members_free(struct members *members)
{
    if (!members)
        return;
    for (size_t i = 0; i < members->count; i++)
        buf_release(&members->stored[i]);
    free(members->stored);
    free(members->agents);
    free(members->open);
    free(members);
}

static void end_document(struct replica *replica)
{
    if (replica->buffer.text) {
        buffer_watch_release(&replica->buffer, &replica->watch);
        buffer_release(&replica->buffer);
    }
    replica_forget_early(replica);
    document_free(replica->document);
    chain_free(replica->chain);
    rope_free(replica->base);
    members_free(replica->members);
    patch_release(&replica->away_mine);
    patch_release(&replica->away_theirs);
    replica->document = NULL;
    replica->chain = NULL;
    replica->base = NULL;
    replica->members = NULL;
}

/* From whatever state it is in, a half-opened one too; in the order of lives told in replica_writing.c. */
void replica_free(struct replica *replica)
{
    bool all_sent;
    struct error ignored = {0}; /* who wants to know has ceased already */
    replica_go_offline(replica, 0, &all_sent);
    worker_free(replica->worker);
    replica_cease_writing(replica, STOP_MS, &ignored);
    neighbours_close(replica);
    end_document(replica);
    buf_release(&replica->genesis);
    replica_file_release(&replica->file);
    crypto_wipe(&replica->doc_key, sizeof replica->doc_key);
    doc_entry_release(&replica->entry);
    free(replica->early);
    free(replica->owed);
    pthread_cond_destroy(&replica->handed_on);
    pthread_mutex_destroy(&replica->net_lock);
    pthread_mutex_destroy(&replica->tail_lock);
    free(replica->mine);
    free(replica->person);
    free(replica->token_file);
    free(replica->label);
    close(replica->epoll_fd);
    close(replica->wake_fd);
    free(replica);
}

void replica_begin_document(struct replica *replica, struct rope *base)
{
    end_document(replica);
    replica->place_read = replica->checkpoint_place = 0;
    if (!replica->journal_found) {
        atomic_store(&replica->base_kept, false); /* it begins here */
        replica->base_referred = replica->base_lost = false;
    }
    replica->base = base;
    replica->document = document_new(base);
    replica->chain = chain_new(&replica->entry.doc);
    buffer_init(&replica->buffer, rope_snapshot(base));
    buffer_watch_add(&replica->buffer, &replica->watch);
}

void replica_take_base(struct replica *replica, struct rope *base)
{
    struct patch patch = {0};
    document_free(replica->document);
    rope_free(replica->base);
    replica->base = base;
    replica->document = document_new(base);
    for (uint64_t at = 0; at < rope_len(base);) {
        struct bytes chunk = rope_chunk(base, at);
        patch_insert(&patch, chunk);
        at += chunk.len;
    }
    buffer_apply(&replica->buffer, &patch, ORIGIN_REMOTE);
    patch_release(&patch);
    buffer_select(&replica->buffer, selection_at(0));
    replica_give_founding(replica);
    replica_present_soon(replica);
}

void replica_take_loaded(struct replica *replica, struct document *document, struct chain *chain)
{
    ensure(document_events(replica->document) == 0);
    document_free(replica->document);
    chain_free(replica->chain);
    replica->document = document;
    replica->chain = chain;
    replica_cut_chain(replica);
}

void replica_cut_chain(struct replica *replica)
{
    size_t count = 0;
    if (!replica->chain)
        return; /* opening has failed before there was a document */
    struct chain_head *heads = chain_branches(replica->chain, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t next_seq = document_next_seq(replica->document, &heads[i].agent);
        if (next_seq < heads[i].next_seq)
            chain_cut(replica->chain, &heads[i].agent, next_seq);
    }
    free(heads);
}

static char *label_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    return xstrdup(slash ? slash + 1 : path);
}

static void begin_fresh(struct replica *replica, struct rope *text)
{
    doc_keys_new(&replica->entry.keys);
    replica->entry.doc = replica->entry.keys.doc;
    replica->entry.name = xstrdup(replica->label);
    replica->entry.path = replica->file.path ? xstrdup(replica->file.path) : NULL;
    replica_begin_document(replica, text);
}

/* Another program rewrote a large file while edits were kept against its old text: they go beside it, and it begins anew. */
static bool open_without_base(struct replica *replica, struct rope *text, struct file_stamp stamp, struct error *err)
{
    if (!replica_recover_typed(replica, err)) {
        rope_free(text);
        return error_wrap(err, "%s was changed by another program, and what was typed before cannot be put beside it",
                          replica->label);
    }
    replica_begin_anew(replica, text, stamp);
    replica_begin_writing(replica); /* the path shows the new document from now on: it is recovered once */
    return true;
}

static void say_read_only(struct replica *replica, struct file_stamp stamp)
{
    if (stamp.exists && faccessat(AT_FDCWD, replica->file.path, W_OK, AT_EACCESS) != 0)
        replica_say(replica, "%s is read-only: edits are kept; Alt+S saves under another name.", replica->label);
}

static bool open_file(struct replica *replica, const char *path, struct error *err)
{
    struct rope *text;
    struct file_stamp stamp;
    if (!file_resolve(path, &replica->file.path, err) || !file_load(replica->file.path, &text, &stamp, err))
        return false;
    replica->label = label_of_path(replica->file.path);
    if (!replica->reads_only && !replica->scripted)
        say_read_only(replica, stamp);
    bool found = false;
    struct error index_err = {0};
    if (!replica->is_private && !replica_find_entry(replica, &found, &index_err)) {
        /* Editing goes on without history; the writer will say why nothing is kept. */
        replica_say(replica, "%s", index_err.text);
        found = false;
    }
    if (!found) {
        begin_fresh(replica, rope_snapshot(text));
        replica_file_loaded(replica, text, stamp);
        return true;
    }
    struct error restoring = {0};
    replica->disk = text;
    replica->disk_stamp = stamp;
    bool restored = replica_restore(replica, &restoring);
    replica->disk = NULL;
    if (!restored && restoring.code == ERR_MISSING && !replica_is_shared(replica)) {
        /* Killed between making the index's entry and the journal: there is nothing to restore yet. */
        replica_begin_document(replica, rope_snapshot(text));
        replica_file_loaded(replica, text, stamp);
        return true;
    }
    if (!restored) {
        *err = restoring;
        rope_free(text);
        return error_wrap(err, "%s has a journal that cannot be read (weft forget %s removes it, the file stays)",
                          replica->label, replica->label);
    }
    if (replica->reads_only) {
        rope_free(text); /* the journal's text is asked for; whether the file has another one is not decided here */
        return !replica->base_lost ||
               error_set(err, ERR_MISSING, 0, "%s was changed by another program since weft kept edits of it: open it in weft",
                         replica->label);
    }
    neighbours_open(replica); /* reconciling may begin to write */
    if (replica->base_lost)
        return open_without_base(replica, text, stamp, err);
    replica_file_reconcile(replica, text, stamp);
    return true;
}

struct replica *replica_open(struct env *env, const char *path, struct bytes text,
                             const struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_new(env, options);
    if (path) {
        if (!open_file(replica, path, err)) {
            replica_free(replica);
            return NULL;
        }
        if (!replica->reads_only)
            replica_file_watch(replica);
    } else {
        replica->label = xstrdup("new buffer");
        begin_fresh(replica, rope_from_bytes(text));
        replica_file_loaded(replica, rope_new(), (struct file_stamp){0});
    }
    if (!replica->reads_only)
        neighbours_open(replica);
    return replica;
}

bool replica_close(struct replica *replica, unsigned net_ms, uint64_t *unsent_edits, struct error *err)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    bool all_sent = replica->net || status.net.unacked_edits == 0;
    replica_go_offline(replica, net_ms, &all_sent);
    if (unsent_edits)
        *unsent_edits = all_sent ? 0 : status.net.unacked_edits;
    worker_drain(replica->worker);
    bool kept = true;
    if (replica->writer) {
        replica_await_journal(replica); /* or what was typed a moment ago would wait for a document that is not ours */
        replica_checkpoint(replica);
        if (replica->file.path && !replica->joining && !replica->scripted)
            journal_writer_view(replica->writer, replica->file.path, &replica->view);
        kept = replica_cease_writing(replica, STOP_MS, err);
    }
    bool last = !neighbours_listen(replica);
    neighbours_close(replica);
    if (kept && replica->short_lived && last && !replica_is_shared(replica))
        replica_forget(replica);
    replica_free(replica);
    return kept;
}

/* --- text --- */

const struct buffer *replica_buffer(const struct replica *replica)
{
    return &replica->buffer;
}

const char *replica_path(const struct replica *replica)
{
    return replica->file.path;
}

const char *replica_label(const struct replica *replica)
{
    return replica->label;
}

const struct doc_entry *replica_entry(const struct replica *replica)
{
    return &replica->entry;
}

const struct people *replica_people(const struct replica *replica)
{
    return &replica->people;
}

const char *replica_person(const struct replica *replica)
{
    struct replica *mutable = (struct replica *)replica; /* asked for the first time: git is slow, so not before */
    if (!mutable->person)
        mutable->person = config_person(&replica->env->config, &mutable->person_source);
    return replica->person;
}

bool replica_name_is_found(const struct replica *replica)
{
    const char *name = replica->env->config.name;
    return !replica->named && !(name && name[0]);
}

const char *replica_person_source(const struct replica *replica)
{
    if (replica->named)
        return "--name";
    (void)replica_person(replica);
    return replica->person_source;
}

void replica_select(struct replica *replica, struct selection selection)
{
    buffer_select(&replica->buffer, selection);
    replica->view.cursor = replica->buffer.selection.head;
    replica->view.anchor = replica->buffer.selection.anchor;
    replica_present_soon(replica);
}

void replica_set_view(struct replica *replica, uint64_t top, uint64_t left_cells)
{
    replica->view.top = top;
    replica->view.left_cells = left_cells;
}

void replica_set_top(struct replica *replica, uint64_t at)
{
    replica->top_at = at;
}

uint64_t replica_top(const struct replica *replica)
{
    uint64_t len = rope_len(replica->buffer.text);
    return replica->top_at < len ? replica->top_at : len;
}

void replica_get_view(const struct replica *replica, uint64_t *top, uint64_t *left_cells)
{
    *top = replica->view.top;
    *left_cells = replica->view.left_cells;
}

void replica_update_text_by(struct replica *replica, struct patch *patch)
{
    document_update(replica->document, patch);
    replica_note_away(replica, patch, false);
    buffer_apply(&replica->buffer, patch, ORIGIN_REMOTE);
    replica->view.cursor = replica->buffer.selection.head;
    replica->view.anchor = replica->buffer.selection.anchor;
    people_locate(&replica->people, replica->document);
    replica_touch(replica);
}

void replica_update_text(struct replica *replica)
{
    struct patch patch = {0};
    replica_update_text_by(replica, &patch);
    patch_release(&patch);
}

/* --- edits --- */

void replica_hand_on(struct outgoing *outgoing, bool committed)
{
    struct replica *replica = outgoing->replica;
    pthread_mutex_lock(&replica->net_lock);
    if (outgoing->turn && outgoing->turn == replica->hands.turn) {
        if (committed)
            net_local(replica->net, &outgoing->batch);
        if (--replica->hands.batches == 0)
            pthread_cond_signal(&replica->handed_on);
    }
    pthread_mutex_unlock(&replica->net_lock);
    buf_release(&outgoing->plain);
    free(outgoing);
}

static void local_committed(void *self, const struct journal_result *result)
{
    replica_hand_on(self, result->ok);
}

static void owe(struct replica *replica, const struct batch *batch)
{
    for (size_t i = 0; i < replica->owed_count; i++) {
        if (agent_id_equal(&replica->owed[i].agent, &batch->agent)) {
            replica->owed[i].next_seq = batch->seq0 + batch->count;
            return;
        }
    }
    replica->owed = xgrow(replica->owed, &replica->owed_cap, replica->owed_count + 1, sizeof *replica->owed);
    replica->owed[replica->owed_count++] = (struct owed){batch->agent, batch->seq0 + batch->count};
}

/* From here on it counts as not sent. */
static uint64_t take_in_hand(struct replica *replica)
{
    pthread_mutex_lock(&replica->net_lock);
    uint64_t turn = replica->net ? replica->hands.turn : 0;
    if (turn && replica->hands.batches++ == 0)
        replica->hands.since_ms = net_now_ms();
    pthread_mutex_unlock(&replica->net_lock);
    return turn;
}

/* What others understand: a batch of the document names branches as they are called here. */
static void encode_named(struct replica *replica, const struct batch *batch, struct batch *wire, struct buf *plain)
{
    batch_copy(wire, batch);
    chain_name_batch(replica->chain, wire);
    batch_encode(wire, plain);
}

struct outgoing *replica_outgoing(struct replica *replica, const struct batch *batch)
{
    if (replica_is_shared(replica))
        owe(replica, batch);
    struct outgoing *outgoing = xcalloc(1, sizeof *outgoing);
    struct batch wire = {0};
    outgoing->replica = replica;
    outgoing->turn = take_in_hand(replica);
    encode_named(replica, batch, &wire, &outgoing->plain);
    struct local_batch *local = &outgoing->batch;
    *local = (struct local_batch){.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                  .plain = buf_view(&outgoing->plain), .gesture = true};
    enum chain_link linked = chain_add(replica->chain, &wire, local->plain, &local->digest);
    ensure(linked == CHAIN_NEXT);
    batch_release(&wire);
    return outgoing;
}

static void commit_batch(struct replica *replica, const struct batch *batch)
{
    struct outgoing *outgoing = replica_outgoing(replica, batch);
    const struct local_batch *local = &outgoing->batch;
    replica->alone_edits += replica_is_shared(replica) && !replica->net;
    if (!replica->writer) {
        replica_hand_on(outgoing, false);
        return;
    }
    struct journal_local row = {.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                .plain = local->plain, .digest = local->digest,
                                .path = replica->scripted ? NULL : replica->file.path, .view = replica->view};
    replica->last_ticket = replica_give_row(replica, &row, (struct journal_done){local_committed, outgoing});
}

void replica_commit(struct replica *replica, const struct batch_list *batches)
{
    for (size_t i = 0; i < batches->count; i++)
        commit_batch(replica, &batches->items[i]);
}

static bool is_space(const struct patch *patch)
{
    uint32_t code;
    utf8_decode(buf_view(&patch->text), &code);
    enum char_class class = char_class_of(code);
    return class == CHAR_SPACE || class == CHAR_NEWLINE;
}

/* Whether this edit begins an undo step of its own. */
static bool begins_gesture(struct replica *replica, const struct patch *patch, enum edit_kind kind, uint64_t now_ms)
{
    struct gesture *gesture = &replica->gesture;
    bool typed_space = kind == EDIT_TYPING && is_space(patch);
    bool begins = !gesture->open || kind == EDIT_WHOLE || kind != gesture->kind ||
                  now_ms - gesture->at_ms > GESTURE_PAUSE_MS || gesture->caret != replica->buffer.selection.head ||
                  (gesture->after_space && !typed_space);
    *gesture = (struct gesture){.kind = kind, .at_ms = now_ms, .after_space = typed_space, .open = kind != EDIT_WHOLE};
    return begins;
}

/* Somebody here who can give what a viewer lacks. */
static const char *an_editor(const struct people *people)
{
    for (size_t i = 0; i < people->count; i++) {
        const struct person *person = &people->items[i];
        if (person->peer.introduced && !(person->peer.presence.flags & PRESENCE_VIEWER))
            return person->name;
    }
    return "whoever shared it";
}

static bool may_write(const struct replica *replica, struct error *err)
{
    if (replica->joining) {
        struct buf sentence = {0};
        replica_joining(replica, &sentence);
        error_set(err, ERR_BUSY, 0, "%s", buf_string(&sentence));
        buf_release(&sentence);
        return false;
    }
    if (replica->entry.keys.access == ACCESS_READ)
        return error_set(err, ERR_AUTH, 0, "This link is view-only: you can read, find, copy%s. Ask %s for an edit link.",
                         replica_key_hint(replica, "; ^S saves a copy"), an_editor(&replica->people));
    return !replica_is_older(replica, err);
}

bool replica_edit(struct replica *replica, const struct patch *patch, struct selection after, enum edit_kind kind,
                  struct error *err)
{
    if (!may_write(replica, err))
        return false;
    if (patch_is_empty(patch)) {
        replica_select(replica, after);
        return true;
    }
    uint64_t now_ms = net_now_ms();
    replica_begin_writing(replica);
    bool begins = begins_gesture(replica, patch, kind, now_ms);
    struct edit_mark mark = {.gesture = begins, .time_s = begins ? (uint64_t)time(NULL) : 0};
    struct batch_list batches = {0};
    document_local(replica->document, &replica->agent, patch, mark, &batches);
    replica_note_away(replica, patch, true);
    buffer_apply(&replica->buffer, patch, ORIGIN_SELF);
    replica_select(replica, after);
    replica->gesture.caret = after.head;
    replica_commit(replica, &batches);
    batch_list_release(&batches);
    return true;
}

/* After undo the caret stands where the text changed first, behind what came back. */
static struct selection selection_after(const struct patch *patch)
{
    uint64_t at = 0;
    size_t i = 0;
    for (; i < patch->count && patch->parts[i].kind == PART_RETAIN; i++)
        at += patch->parts[i].len;
    if (i < patch->count && patch->parts[i].kind == PART_INSERT)
        at += patch->parts[i].len;
    return selection_at(at);
}

enum replica_undone replica_undo(struct replica *replica, enum undo_direction direction, struct error *err)
{
    if (!may_write(replica, err))
        return REPLICA_UNDO_REFUSED;
    if (document_events(replica->document) == 0)
        return REPLICA_NOTHING_TO_UNDO; /* and no reason to begin a journal */
    replica_begin_writing(replica);
    struct patch patch = {0};
    struct batch_list batches = {0};
    enum document_undone undone =
        document_undo(replica->document, replica->mine, replica->mine_count, &replica->agent, direction,
                      (uint64_t)time(NULL), &patch, &batches);
    if (undone == DOCUMENT_UNDONE) {
        replica_note_away(replica, &patch, true);
        buffer_apply(&replica->buffer, &patch, ORIGIN_REMOTE);
        if (!patch_is_empty(&patch))
            replica_select(replica, selection_after(&patch));
        replica->gesture.open = false;
        replica_commit(replica, &batches);
        replica_touch(replica);
    }
    patch_release(&patch);
    batch_list_release(&batches);
    return undone == DOCUMENT_UNDONE ? REPLICA_UNDONE : REPLICA_NOTHING_TO_UNDO;
}

/* --- the loop --- */

int replica_fd(const struct replica *replica)
{
    return replica->epoll_fd;
}

void replica_handle(struct replica *replica)
{
    uint64_t now_ms = net_now_ms(), woken;
    ssize_t got = read(replica->wake_fd, &woken, sizeof woken);
    if (got > 0)
        replica_touch(replica);
    worker_handle(replica->worker);
    replica_writing_handle(replica);
    neighbours_handle(replica, now_ms);
    replica_room_handle(replica, now_ms);
    replica_file_handle(replica, now_ms);
}

uint64_t replica_next_ms(const struct replica *replica)
{
    return deadline_earlier(replica_file_next_ms(replica),
                   deadline_earlier(replica_room_next_ms(replica), neighbours_next_ms(replica)));
}

void replica_wait(struct replica *replica, int ms)
{
    struct pollfd fd = {.fd = replica->epoll_fd, .events = POLLIN};
    (void)poll(&fd, 1, ms); /* interrupted or not: what is there is done */
    replica_handle(replica);
}

static bool is_committed(struct replica *replica, unsigned patience_us)
{
    bool committed = journal_writer_wait(replica->writer, replica->last_ticket, patience_us) == JOURNAL_WAIT_DONE;
    replica->journal_made |= committed;
    return committed;
}

/* Where the tail cannot hold what is typed, the making of the journal is waited for, once, though it takes longer than a key may. */
void replica_barrier(struct replica *replica)
{
    if (!replica->writer || !replica->last_ticket || is_committed(replica, 0))
        return;
    if (!replica->journal_made && replica_tail_hold(replica))
        return;
    (void)is_committed(replica, replica->journal_made ? BARRIER_US : FIRST_BARRIER_US);
}

/* --- what is so --- */

bool replica_same_text(const struct rope *a, const struct rope *b)
{
    return a && b && rope_len(a) == rope_len(b) && rope_len(a) <= SAME_TEXT_BYTES_MAX && rope_equal(a, b);
}

static bool text_is_in_file(const struct replica *replica)
{
    struct version now = {0};
    document_version(replica->document, &now);
    bool same = version_equal(&now, &replica->file.version) || replica_same_text(replica->buffer.text, replica->file.text);
    version_release(&now);
    return same && !replica->file.differs && (replica->file.stamp.exists || rope_len(replica->buffer.text) == 0);
}

static uint64_t count_batches(void *self, const struct agent_id *agent, uint64_t seq, uint64_t end)
{
    return chain_count(self, agent, seq, end);
}

static uint64_t edits_since(const struct replica *replica, const struct version *version)
{
    return document_edits_since(replica->document, version, (struct batch_counter){replica->chain, count_batches});
}

/* What was undone before the text was last as in the file does not count. */
uint64_t replica_edits_not_in_file(const struct replica *replica)
{
    const struct file_side *file = &replica->file;
    uint64_t since_saved = edits_since(replica, &file->version);
    if (file->counted.count > 0 && document_knows(replica->document, &file->counted)) {
        uint64_t since_seen = edits_since(replica, &file->counted);
        since_saved = since_seen < since_saved ? since_seen : since_saved;
    }
    struct version now = {0};
    document_version(replica->document, &now);
    bool nothing = version_equal(&now, &file->version);
    version_release(&now);
    return since_saved || nothing ? since_saved : 1; /* the texts differ, whoever took back what */
}

static void status_of_journal(struct replica *replica, struct replica_status *out)
{
    out->kept = true;
    if (!replica->writer)
        return;
    struct journal_writer_state state;
    journal_writer_state(replica->writer, &state);
    bool copying = !replica->is_private && !replica->joining && !atomic_load(&replica->base_kept) &&
                   rope_len(replica->base) <= replica->base_bytes_max;
    out->kept = state.kept >= replica->last_ticket && !copying;
    out->edits_in_memory = state.failing ? state.edits_in_memory : 0;
    out->trouble = state.why;
    out->disk_full = state.failing && state.why.code == ERR_FULL;
}

static void status_of_room(struct replica *replica, uint64_t now_ms, struct replica_status *out)
{
    out->shared = replica_is_shared(replica);
    out->alone = replica->work_alone;
    out->net.unacked_edits = replica->alone_edits;
    if (!replica->net)
        return;
    replica_net_status(replica, &out->net);
    if (out->net.oldest_unacked_ms && out->net.oldest_unacked_ms < now_ms)
        out->unsent_age_ms = now_ms - out->net.oldest_unacked_ms;
    out->offline_edits = out->net.unacked_edits;
}

void replica_status(struct replica *replica, uint64_t now_ms, struct replica_status *out)
{
    *out = (struct replica_status){.is_private = replica->is_private, .joining = replica->joining,
                                   .saving = replica->file.saving, .stamp = replica->file.stamp};
    out->view_only = replica->entry.keys.access == ACCESS_READ;
    status_of_journal(replica, out);
    status_of_room(replica, now_ms, out);
    out->events = document_events(replica->document);
    out->in_file = text_is_in_file(replica);
    if (out->in_file)
        document_version(replica->document, &replica->file.counted);
    out->known = replica->indexed;
    if (!out->in_file)
        out->edits_not_in_file = replica_edits_not_in_file(replica);
}

void replica_named_version(const struct replica *replica, struct version *out)
{
    document_version(replica->document, out);
    chain_name_heads(replica->chain, out->heads, out->count);
}

void replica_encode_version(const struct replica *replica, const struct version *version, struct buf *out)
{
    struct version named = {0};
    version_copy(&named, version);
    chain_name_heads(replica->chain, named.heads, named.count);
    version_encode(&named, out);
    version_release(&named);
}

bool replica_decode_version(const struct replica *replica, struct bytes encoded, struct version *version)
{
    struct reader reader = reader_of(encoded);
    if (!version_decode(&reader, version))
        return false;
    chain_place_heads(replica->chain, version->heads, version->count);
    return document_knows(replica->document, version);
}

void replica_version(const struct replica *replica, struct version *version, struct digest *text_hash)
{
    replica_named_version(replica, version);
    replica_hash_text(replica->buffer.text, text_hash);
}

const struct rope *replica_saved_text(const struct replica *replica)
{
    return replica->file.text;
}

void replica_note_fault(struct replica *replica, const struct error *why)
{
    if (replica->faults++ == 0)
        replica->fault = *why;
}

bool replica_audit(const struct replica *replica, struct replica_audit *audit, struct error *err)
{
    *audit = (struct replica_audit){.batches = replica->batches_checked, .signatures = replica->signatures_checked,
                                    .agents = document_stats(replica->document).agents};
    if (replica->faults == 0)
        return true;
    *err = replica->fault;
    return error_wrap(err, "%llu things are not right; the first", (unsigned long long)replica->faults);
}

static bool room_is_settled(struct replica *replica, const struct replica_status *status)
{
    const struct session_status *net = &status->net;
    bool settled = net->state == SESSION_ONLINE && net->caught_up && replica->owed_count == 0 &&
                   net->unacked_batches == 0 && net->base_done == net->base_total;
    if (settled)
        replica_handle(replica); /* what had come by then may still wait to be taken into the text */
    return settled;
}

bool replica_is_settled(struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    if (status.joining)
        return false;
    if (replica->net)
        return room_is_settled(replica, &status);
    return status.kept && status.edits_in_memory == 0;
}
