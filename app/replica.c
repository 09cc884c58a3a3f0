#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_restored.h"
#include "app/replica_rows.h"
#include "app/replica_succession.h"
#include "app/replica_tail.h"
#include "app/replica_tidy.h"
#include "app/replica_unmerged.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "editor/base/deadline.h"
#include "editor/base/xalloc.h"

enum {
    BARRIER_US = 20000, /* a commit takes a tenth of a millisecond; on an overloaded machine what was painted is to be kept too */
    FIRST_BARRIER_US = 500000,
    STOP_MS = 3000, /* for the journal to take what is queued */
    OPEN_MS = 20,   /* merging takes so much of a start */
    CHECKPOINT_OPS = 4096, /* few rows with so many operations are not replayed fast: some 10 us each if concurrent */
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

void replica_watch_again(struct replica *replica, int fd, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.fd = fd};
    ensure(epoll_ctl(replica->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0);
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
    replica->merge_steps_max = (uint64_t)env->config.merge_ms * MERGE_STEPS_PER_MS;
    replica->open_steps_max = options->open_steps_max ? options->open_steps_max : (uint64_t)OPEN_MS * MERGE_STEPS_PER_MS;
    replica->fresh_ops_max = options->fresh_ops_max ? options->fresh_ops_max : CHECKPOINT_OPS;
    replica->base_bytes_max = options->base_bytes_max ? options->base_bytes_max : BASE_BYTES_MAX;
    atomic_init(&replica->base_kept, false);
    atomic_init(&replica->awaits_journal, false);
    replica->reads_only = options->reads_only;
    replica->insecure = options->insecure;
    replica->work_alone = options->alone;
    replica->succession_due = !options->reads_only && !options->is_private;
    replica->may_have_former = true;
    replica_choose_name(replica, options);
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

static void end_document(struct replica *replica)
{
    if (replica->buffer.text) {
        buffer_watch_release(&replica->buffer, &replica->watch);
        buffer_release(&replica->buffer);
    }
    replica_unmerged_forget(replica);
    replica->merged_late = false;
    replica_forget_early(replica);
    replica_forget_held(replica);
    if (replica->ahead)
        ahead_free(replica->ahead);
    else
        document_free(replica->document);
    document_free(replica->history);
    rope_free(replica->history_base);
    chain_free(replica->chain);
    replica_source_release(&replica->rows);
    rope_free(replica->base);
    roster_release(&replica->members);
    patch_release(&replica->away_mine);
    patch_release(&replica->away_theirs);
    replica->document = NULL;
    replica->chain = NULL;
    replica->base = NULL;
    replica->ahead = NULL;
    replica->history = NULL;
    replica->history_base = NULL;
}

/* From whatever state it is in, a half-opened one too; in the order of lives told in replica_writing.c. */
void replica_free(struct replica *replica)
{
    bool all_sent;
    struct error ignored = {0}; /* who wants to know has ceased already */
    replica_go_offline(replica, 0, &all_sent);
    replica_restored_release(replica);
    worker_free(replica->worker);
    replica_drop_replaced(replica);
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
    people_release(&replica->people);
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
    replica->place_read = replica->checkpoint_place = replica->fresh_ops = 0;
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
    if (replica->ahead) {
        replica_set_first_text(replica, base);
        replica_give_founding(replica);
        return;
    }
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
        uint64_t next_seq = document_next_seq(replica_history(replica), &heads[i].agent);
        uint64_t waits = replica_early_upto(replica, &heads[i].agent);
        next_seq = waits > next_seq ? waits : next_seq;
        if (next_seq < heads[i].next_seq)
            chain_cut(replica->chain, &heads[i].agent, next_seq);
    }
    free(heads);
}

void replica_outlive(struct replica *replica)
{
    replica->short_lived = false;
}

bool replica_close(struct replica *replica, unsigned net_ms, uint64_t *unsent_edits, struct error *err)
{
    struct replica_status status;
    replica_note_closing(replica);
    worker_drain(replica->worker);
    replica_end_replaced(replica);
    replica_status(replica, net_now_ms(), &status);
    bool all_sent = replica->net || status.net.unacked_edits == 0;
    replica_go_offline(replica, net_ms, &all_sent);
    if (unsent_edits)
        *unsent_edits = all_sent ? 0 : status.net.unacked_edits;
    worker_drain(replica->worker);
    bool kept = true;
    if (replica->writer) {
        replica_await_journal(replica); /* or what was typed a moment ago would wait for a document that is not ours */
        replica_tidy_last(replica);
        replica_put_view(replica);
        kept = replica_cease_writing(replica, STOP_MS, err);
    }
    bool last = !neighbours_listen(replica);
    neighbours_close(replica);
    if (kept && replica->short_lived && last && !replica_is_shared(replica) &&
        !replica_has_aside(replica->env, &replica->entry.doc)) /* of that weft docs says that it is kept */
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

void replica_walk(struct replica *replica, struct selection selection)
{
    buffer_select(&replica->buffer, selection);
    replica->view.cursor = replica->buffer.selection.head;
    replica->view.anchor = replica->buffer.selection.anchor;
    if (replica_unmerged_awaits(replica)) /* all that will come by itself is there */
        replica_unmerged_moved(replica);
    replica_present_soon(replica);
}

void replica_select(struct replica *replica, struct selection selection)
{
    replica_walk(replica, selection);
    replica_unmerged_moved(replica);
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

void replica_change_text(struct replica *replica, struct patch *patch)
{
    document_update(replica->document, patch);
    replica_note_away(replica, patch, false);
    buffer_apply(&replica->buffer, patch, ORIGIN_REMOTE);
    replica->view.cursor = replica->buffer.selection.head;
    replica->view.anchor = replica->buffer.selection.anchor;
}

void replica_update_text_by(struct replica *replica, struct patch *patch)
{
    replica_change_text(replica, patch);
    people_locate(&replica->people, replica->document);
    replica_touch(replica);
}

void replica_update_text(struct replica *replica)
{
    struct patch patch = {0};
    replica_update_text_by(replica, &patch);
    patch_release(&patch);
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
    replica_advance_handle(replica);
    worker_handle(replica->worker);
    replica_writing_handle(replica);
    neighbours_handle(replica, now_ms);
    replica_succession_handle(replica, now_ms);
    replica_room_handle(replica, now_ms);
    replica_file_handle(replica, now_ms);
    replica_replaced_handle(replica, now_ms);
    replica_tidy_handle(replica, now_ms);
    replica_restored_handle(replica);
}

uint64_t replica_next_ms(const struct replica *replica)
{
    uint64_t file_ms = deadline_earlier(replica_file_next_ms(replica), replica_replaced_next_ms(replica));
    uint64_t own_ms = deadline_earlier(replica_succession_next_ms(replica), replica_advance_next_ms(replica));
    uint64_t next_ms = deadline_earlier(file_ms, deadline_earlier(own_ms, replica_tidy_next_ms(replica)));
    return deadline_earlier(next_ms, deadline_earlier(replica_room_next_ms(replica), neighbours_next_ms(replica)));
}

int replica_wait_ms(const struct replica *replica, uint64_t now_ms, int ms)
{
    uint64_t next_ms = replica_next_ms(replica), left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    return left_ms < (uint64_t)ms ? (int)left_ms : ms;
}

void replica_wait(struct replica *replica, int ms)
{
    struct pollfd fd = {.fd = replica->epoll_fd, .events = POLLIN};
    (void)poll(&fd, 1, replica_wait_ms(replica, net_now_ms(), ms)); /* interrupted or not: what is there is done */
    replica_handle(replica);
}

static bool is_committed(struct replica *replica, unsigned patience_us)
{
    bool committed = journal_writer_wait(replica->writer, replica->last_ticket, patience_us) == JOURNAL_WAIT_DONE;
    replica->journal_made |= committed;
    return committed;
}

/* Where the tail cannot hold what is typed, the making of the journal is waited for, once, though it takes longer than a key
   may. */
void replica_barrier(struct replica *replica)
{
    if (!replica->writer || !replica->last_ticket || is_committed(replica, 0))
        return;
    if ((!replica->journal_made && !replica->ahead && replica_tail_hold(replica)) || replica_advance_hold(replica))
        return;
    replica_advance_go(replica);
    if (is_committed(replica, replica->journal_made ? BARRIER_US : FIRST_BARRIER_US))
        return;
    bool kept = replica_advance_keep(replica); /* if not, the status line says so as soon as the journal's thread knows why */
    (void)kept;
}

void replica_shown(struct replica *replica)
{
    replica_advance_go(replica);
}
