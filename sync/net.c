#include "sync/net.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "editor/base/deadline.h"
#include "editor/base/xalloc.h"
#include "sync/backoff.h"

enum job_kind {
    JOB_LOCAL,
    JOB_NEIGHBOUR,
    JOB_PERSISTED,
    JOB_PRESENT,
    JOB_FETCHED,
    JOB_RETRY,
    JOB_PAUSE,
    JOB_DELETE,
    JOB_MOVE,
    JOB_POST_CHECKPOINT,
};

/* Something another thread wants done. */
struct job {
    struct job *next;
    enum job_kind kind;
    union {
        struct local_batch local; /* plain: `bytes` */
        struct event_id neighbour; /* what comes next of it */
        uint64_t ticket; /* JOB_MOVE: when it moved */
        struct session_view view;
        struct {
            struct agent_id agent;
            size_t count;
            bool more;
        } fetched; /* stored: `bytes`, cut by `ends` */
        bool on;
        struct rope *text; /* JOB_POST_CHECKPOINT: owned; `bytes` is the struct checkpoint */
    };
    struct buf bytes;
    size_t *ends;
};

/* Batches that were handed in: the session does not know of them before its thread has run. */
struct handed {
    uint64_t batches;
    uint64_t since_ms; /* the oldest of them, or one before it */
};

struct net {
    pthread_t thread;
    int event_fd;

    /* shared with other threads, under the lock */
    pthread_mutex_t lock;
    struct job *jobs, **jobs_last;
    struct net_event *events, **events_last;
    struct net_event *status_event; /* the one in the queue, or NULL */
    size_t event_bytes;
    bool held; /* reading is paused until events are taken; only the network thread changes it */
    bool stopping;
    uint64_t stop_ms; /* when to give up flushing */
    bool all_sent;
    struct session_status status;
    struct handed handed; /* what `status` does not count yet */

    /* the network thread's own */
    uint64_t taken; /* of `handed`: the session has them, and the next status counts them */
    struct link *link;
    struct session *session;
    struct backoff backoff;
    struct link_address *addresses;
    size_t address_count, address;
    uint64_t try_ms; /* when to connect; UINT64_MAX: not by itself */
    uint64_t *floors_ms; /* of each address: the relay there does not want us before */
    uint64_t active_ms; /* when the person last did something */
    uint64_t there_ms;  /* when the link was last there, or was first wanted */
    bool connecting, paused, left;
    bool welcomed;     /* on this connection: before that there is little to read, and it wants answers */
    uint64_t probe_ms; /* when the relay was last asked for a sign of life while held */
    bool beside; /* the relay is silent: another connection is being made beside the one that is open */
    struct error why; /* why there is no connection */
};

uint64_t net_now_ms(void)
{
    return link_now_ms();
}

/* --- events to the other threads --- */

size_t net_event_cost(const struct net_event *event)
{
    size_t bytes = event->bytes.len;
    if (event->kind == NET_RECEIVED)
        bytes += event->received.stored.len + event->received.plain.len;
    return bytes + sizeof *event;
}

/* From any thread, with the lock held; before there is a link nobody sleeps. */
static void wake_locked(struct net *net)
{
    if (net->link)
        link_wake(net->link);
}

static void signal_fd(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void drain_fd(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static void push_locked(struct net *net, struct net_event *event)
{
    if (!net->events)
        signal_fd(net->event_fd);
    *net->events_last = event;
    net->events_last = &event->next;
    net->event_bytes += net_event_cost(event);
}

static void push(struct net *net, struct net_event *event)
{
    pthread_mutex_lock(&net->lock);
    push_locked(net, event);
    pthread_mutex_unlock(&net->lock);
}

static struct net_event *event_new(enum net_event_kind kind, struct bytes bytes)
{
    struct net_event *event = xcalloc(1, sizeof *event);
    event->kind = kind;
    buf_add_bytes(&event->bytes, bytes);
    return event;
}

void net_event_free(struct net_event *event)
{
    if (!event)
        return;
    if (event->kind == NET_RECEIVED)
        received_release(&event->received);
    if (event->kind == NET_CHECKPOINT) {
        free(event->checkpoint.checkpoint);
        rope_free(event->checkpoint.text);
    }
    buf_release(&event->bytes);
    free(event);
}

int net_fd(const struct net *net)
{
    return net->event_fd;
}

struct net_event *net_next(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    struct net_event *event = net->events;
    if (event) {
        net->events = event->next;
        event->next = NULL;
        net->event_bytes -= net_event_cost(event);
        if (net->held && net->event_bytes < NET_EVENTS_BYTES_MAX / 2)
            wake_locked(net);
    }
    if (event == net->status_event)
        net->status_event = NULL;
    if (event && !net->events) {
        net->events_last = &net->events;
        drain_fd(net->event_fd);
    }
    pthread_mutex_unlock(&net->lock);
    return event;
}

bool net_has_next(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    bool has = net->events != NULL;
    pthread_mutex_unlock(&net->lock);
    return has;
}

/* --- the session's port: everything becomes an event --- */

static bool on_send(void *self, struct bytes frame)
{
    struct net *net = self;
    return link_send(net->link, frame);
}

static void on_persist(void *self, const struct outbox_record *record)
{
    struct net_event *event = event_new(NET_PERSIST, record->stored);
    event->persist.record = *record;
    event->persist.record.stored = buf_view(&event->bytes);
    push(self, event);
}

static void on_acked(void *self, const struct agent_id *agent, uint64_t next_seq, const struct resume_point *resume)
{
    struct net_event *event = event_new(NET_ACKED, (struct bytes){0});
    event->acked.agent = *agent;
    event->acked.next_seq = next_seq;
    event->acked.resume = *resume;
    push(self, event);
}

static void on_received(void *self, struct received *received)
{
    struct net_event *event = event_new(NET_RECEIVED, (struct bytes){0});
    received_move(&event->received, received);
    push(self, event);
}

static void on_member(void *self, const struct member *member, struct bytes stored, const struct resume_point *resume)
{
    struct net_event *event = event_new(NET_MEMBER, stored);
    event->member.member = *member;
    event->member.resume = *resume;
    push(self, event);
}

static void on_genesis(void *self, const struct genesis *genesis, struct bytes stored)
{
    struct net_event *event = event_new(NET_GENESIS, stored);
    event->genesis.genesis = *genesis;
    push(self, event);
}

static void on_base(void *self, uint64_t done, uint64_t total, struct bytes text)
{
    struct net_event *event = event_new(NET_BASE, text);
    event->base.done = done;
    event->base.total = total;
    push(self, event);
}

static void on_checkpoint(void *self, const struct checkpoint *checkpoint, const struct agent_id *by, const struct rope *text)
{
    struct net_event *event = event_new(NET_CHECKPOINT, (struct bytes){0});
    event->checkpoint.checkpoint = xmemdup(checkpoint, sizeof *checkpoint);
    event->checkpoint.by = *by;
    event->checkpoint.text = rope_snapshot(text);
    push(self, event);
}

static void on_fetch(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct net_event *event = event_new(NET_FETCH, (struct bytes){0});
    event->fetch.agent = *agent;
    event->fetch.from_seq = from_seq;
    event->fetch.packs = packs;
    push(self, event);
}

static void on_peer(void *self, const struct session_peer *peer)
{
    struct net_event *event = event_new(NET_PEER, (struct bytes){0});
    event->peer = *peer;
    push(self, event);
}

static void on_alarm(void *self, enum session_alarm alarm, const struct agent_id *agent, const struct error *why)
{
    struct net_event *event = event_new(NET_ALARM, (struct bytes){0});
    event->alarm.alarm = alarm;
    event->alarm.agent = *agent;
    event->alarm.why = *why;
    push(self, event);
}

static void on_moved(void *self, uint64_t moved_s, struct bytes place)
{
    struct net_event *event = event_new(NET_MOVED, place);
    event->moved.moved_s = moved_s;
    push(self, event);
}

/* --- connecting --- */

uint64_t net_pause_max_ms(uint64_t untouched_ms, uint64_t away_ms)
{
    return untouched_ms < NET_PERSON_HERE_MS || away_ms < NET_AWAY_MS ? NET_PERSON_MS : BACKOFF_MAX_MS;
}

/* The next one that wants us by now; else this one again. */
static size_t next_address(const struct net *net, uint64_t now_ms)
{
    size_t next = net->address;
    do
        next = (next + 1) % net->address_count;
    while (next != net->address && net->floors_ms[next] > now_ms);
    return next;
}

/* The next address at once, and a pause when all have been tried. `floor_ms` is what the relay at this one asked for. */
static void try_again(struct net *net, uint64_t now_ms, uint64_t floor_ms)
{
    net->connecting = false;
    net->floors_ms[net->address] = now_ms + floor_ms;
    size_t next = next_address(net, now_ms);
    uint64_t wait_ms = next <= net->address ? backoff_next_ms(&net->backoff, 0) : 0;
    net->address = next;
    uint64_t most_ms = net_pause_max_ms(now_ms - net->active_ms, now_ms - net->there_ms);
    if (wait_ms > most_ms)
        wait_ms %= most_ms; /* as random as it was */
    uint64_t earliest_ms = net->floors_ms[next];
    net->try_ms = now_ms + wait_ms > earliest_ms ? now_ms + wait_ms : earliest_ms;
}

/* Somebody is back at the keys: a try that was put off for long comes soon, but not before the relay wants it. */
static void person_is_here(struct net *net, uint64_t now_ms)
{
    net->active_ms = now_ms;
    uint64_t floor_ms = net->floors_ms[net->address];
    uint64_t soon_ms = now_ms + NET_PERSON_MS > floor_ms ? now_ms + NET_PERSON_MS : floor_ms;
    if (net->try_ms != UINT64_MAX && net->try_ms > soon_ms)
        net->try_ms = soon_ms;
}

/* What only a person can cure is not tried again by itself. A relay's version is cured by whoever runs it. */
static bool is_final(const struct session_status *status)
{
    unsigned code = status->refuse_code;
    bool passes = code == REFUSE_NO_DOCUMENT || code == REFUSE_FULL || (code == REFUSE_PROTOCOL && status->retry_ms > 0);
    return status->state == SESSION_REFUSED && code != 0 && !passes;
}

/* When the relay wants us at the earliest: not all whom it told the same at the same time. */
static uint64_t spread(struct net *net, uint64_t floor_ms)
{
    return floor_ms + random_below(&net->backoff.random, floor_ms / 2 + 1);
}

/* `asked`: the relay was there, and may have said when it wants us again. What one said earlier is not about this attempt. */
static void connection_ended(struct net *net, const struct error *why, bool asked)
{
    uint64_t now_ms = link_now_ms();
    struct session_status status;
    session_status(net->session, now_ms, &status);
    net->why = *why;
    net->beside = net->welcomed = false;
    try_again(net, now_ms, asked ? spread(net, status.retry_ms) : 0);
    if (is_final(&status))
        net->try_ms = UINT64_MAX;
}

static void on_drop(void *self, const struct error *why)
{
    struct net *net = self;
    link_close(net->link, true); /* what was said before goes out */
    connection_ended(net, why, true);
}

static void connect_if_due(struct net *net, uint64_t now_ms)
{
    if (net->connecting || net->paused || net->left || now_ms < net->try_ms)
        return;
    net->connecting = true;
    net->try_ms = UINT64_MAX;
    link_open(net->link, &net->addresses[net->address]);
}

/*
 * Silent while it matters: the wire may be slow, or what is sent on it vanishes, and TCP would notice long after the way is
 * free again. Another connection is made beside it; whichever brings something first is the one.
 */
static void watch_silence(struct net *net, uint64_t now_ms)
{
    struct session_status status;
    session_status(net->session, now_ms, &status);
    bool silent = link_is_open(net->link) && status.state == SESSION_OFFLINE && !net->held; /* what is unread would be lost */
    if (silent && !net->beside)
        link_open(net->link, &net->addresses[net->address]);
    else if (!silent && net->beside)
        link_keep(net->link);
    net->beside = silent;
}

static void disconnect(struct net *net, uint64_t now_ms)
{
    net->beside = false;
    link_close(net->link, true);
    session_disconnected(net->session, now_ms);
    net->connecting = false;
    net->try_ms = UINT64_MAX;
}

/* --- jobs --- */

static void do_fetched(struct net *net, const struct job *job, uint64_t now_ms)
{
    struct bytes *stored = xcalloc(job->fetched.count + 1, sizeof *stored);
    size_t start = 0;
    for (size_t i = 0; i < job->fetched.count; i++) {
        stored[i] = bytes_of(job->bytes.data + start, job->ends[i] - start);
        start = job->ends[i];
    }
    session_fetched(net->session, &job->fetched.agent, stored, job->fetched.count, job->fetched.more, now_ms);
    free(stored);
}

static void do_retry(struct net *net, uint64_t now_ms)
{
    if (net->connecting || net->paused)
        return;
    backoff_reset(&net->backoff);
    net->try_ms = now_ms;
}

static void do_pause(struct net *net, bool on, uint64_t now_ms)
{
    if (on == net->paused)
        return;
    net->paused = on;
    if (on) {
        session_leave(net->session, now_ms);
        disconnect(net, now_ms);
        error_set(&net->why, ERR_OFFLINE, 0, "working alone");
    } else {
        do_retry(net, now_ms);
    }
}

static void do_post_checkpoint(struct net *net, const struct job *job, uint64_t now_ms)
{
    struct checkpoint checkpoint;
    memcpy(&checkpoint, job->bytes.data, sizeof checkpoint);
    session_post_checkpoint(net->session, &checkpoint, job->text, now_ms);
}

static void do_job(struct net *net, struct job *job, uint64_t now_ms)
{
    switch (job->kind) {
    case JOB_LOCAL:
        job->local.plain = buf_view(&job->bytes);
        person_is_here(net, now_ms);
        session_local(net->session, &job->local, now_ms);
        net->taken++;
        break;
    case JOB_NEIGHBOUR:
        session_neighbour(net->session, &job->neighbour.agent, job->neighbour.seq, now_ms);
        break;
    case JOB_PERSISTED:
        session_persisted(net->session, job->ticket, now_ms);
        break;
    case JOB_PRESENT:
        person_is_here(net, now_ms);
        session_present(net->session, &job->view, now_ms);
        break;
    case JOB_FETCHED:
        do_fetched(net, job, now_ms);
        break;
    case JOB_RETRY:
        do_retry(net, now_ms);
        break;
    case JOB_PAUSE:
        do_pause(net, job->on, now_ms);
        break;
    case JOB_DELETE:
        session_delete_document(net->session, now_ms);
        break;
    case JOB_MOVE:
        session_move_document(net->session, job->ticket, buf_view(&job->bytes), now_ms);
        break;
    case JOB_POST_CHECKPOINT:
        do_post_checkpoint(net, job, now_ms);
        break;
    }
}

static void job_free(struct job *job)
{
    if (job->kind == JOB_POST_CHECKPOINT)
        rope_free(job->text);
    buf_release(&job->bytes);
    free(job->ends);
    free(job);
}

static void do_jobs(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    struct job *job = net->jobs;
    net->jobs = NULL;
    net->jobs_last = &net->jobs;
    pthread_mutex_unlock(&net->lock);
    while (job) {
        struct job *next = job->next;
        do_job(net, job, link_now_ms());
        job_free(job);
        job = next;
    }
}

/* --- the thread --- */

static bool looks_different(const struct session_status *a, const struct session_status *b)
{
    return a->state != b->state || a->idle != b->idle || a->caught_up != b->caught_up ||
           a->offering != b->offering || a->posting != b->posting ||
           a->unacked_edits != b->unacked_edits || a->unacked_batches != b->unacked_batches ||
           a->lacking_batches != b->lacking_batches || a->lacking_since_ms != b->lacking_since_ms ||
           a->base_done != b->base_done || a->base_total != b->base_total || a->rtt_ms != b->rtt_ms ||
           a->peers != b->peers || a->refuse_code != b->refuse_code || strcmp(a->why.text, b->why.text) != 0 ||
           strcmp(a->full.text, b->full.text) != 0;
}

static void read_status(struct net *net, struct session_status *out)
{
    session_status(net->session, link_now_ms(), out);
    if (out->state == SESSION_ONLINE) {
        net->welcomed = true;
        backoff_reset(&net->backoff);
        net->there_ms = link_now_ms();
    }
    bool silent = link_is_open(net->link);
    if (out->state == SESSION_OFFLINE && !silent)
        out->why = net->why;
}

static void post_status(struct net *net)
{
    struct session_status status;
    read_status(net, &status);
    pthread_mutex_lock(&net->lock);
    bool different = looks_different(&status, &net->status);
    net->status = status;
    net->handed.batches -= net->taken;
    net->taken = 0;
    if (net->status_event) {
        net->status_event->status = status;
    } else if (different) {
        net->status_event = event_new(NET_STATUS, (struct bytes){0});
        net->status_event->status = status;
        push_locked(net, net->status_event);
    }
    pthread_mutex_unlock(&net->lock);
}

static uint64_t probe_due_ms(const struct net *net, uint64_t now_ms)
{
    struct session_status status;
    if (!net->held)
        return UINT64_MAX;
    session_status(net->session, now_ms, &status);
    uint64_t since_ms = status.last_heard_ms > net->probe_ms ? status.last_heard_ms : net->probe_ms;
    return since_ms + NET_PROBE_MS;
}

static void probe_if_due(struct net *net, uint64_t now_ms)
{
    if (now_ms < probe_due_ms(net, now_ms))
        return;
    net->probe_ms = now_ms;
    link_probe(net->link);
}

static void switch_hold(struct net *net, bool on, uint64_t now_ms)
{
    struct session_status status;
    session_status(net->session, now_ms, &status);
    link_hold(net->link, on);
    if (status.state == SESSION_ONLINE)
        session_heard(net->session, now_ms);
}

/* What we do not read ourselves is no silence of the relay's: what is due is due from the moment the hold ends. */
static void hold_or_go_on(struct net *net, uint64_t now_ms)
{
    pthread_mutex_lock(&net->lock);
    bool full = net->event_bytes > (net->held ? NET_EVENTS_BYTES_MAX / 2 : NET_EVENTS_BYTES_MAX);
    bool hold = full && net->welcomed;
    bool changed = hold != net->held;
    net->held = hold;
    pthread_mutex_unlock(&net->lock);
    if (changed)
        switch_hold(net, hold, now_ms);
    probe_if_due(net, now_ms);
}

/* Says goodbye once, then waits for acknowledgements as long as there is time and hope. */
static bool leave(struct net *net, uint64_t stop_ms, uint64_t now_ms)
{
    struct session_status status;
    if (!net->left)
        session_leave(net->session, now_ms);
    net->left = true;
    session_status(net->session, now_ms, &status);
    bool online = status.state == SESSION_ONLINE;
    if (online && (status.unacked_batches > 0 || status.posting) && now_ms < stop_ms)
        return false;
    pthread_mutex_lock(&net->lock);
    net->all_sent = status.unacked_batches == 0;
    pthread_mutex_unlock(&net->lock);
    link_close(net->link, true);
    link_stop(net->link);
    return true;
}

static void set_timer(struct net *net, uint64_t stop_ms)
{
    uint64_t next = deadline_earlier(session_next_ms(net->session), probe_due_ms(net, link_now_ms()));
    if (!net->connecting && !net->paused && net->try_ms < next)
        next = net->try_ms;
    link_timer(net->link, net->left && stop_ms < next ? stop_ms : next);
}

static void work(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    bool stopping = net->stopping;
    uint64_t stop_ms = net->stop_ms;
    pthread_mutex_unlock(&net->lock);

    do_jobs(net);
    uint64_t now_ms = link_now_ms();
    session_tick(net->session, now_ms);
    hold_or_go_on(net, now_ms);
    bool gone = stopping && leave(net, stop_ms, now_ms);
    if (!gone) {
        watch_silence(net, now_ms);
        connect_if_due(net, now_ms);
    }
    post_status(net);
    if (!gone)
        set_timer(net, stop_ms);
}

static void on_opened(void *self)
{
    struct net *net = self;
    struct digest certificate;
    char name[LINK_NAME_BYTES];
    bool unvouched = link_certificate(net->link, &certificate);
    link_address_name(&net->addresses[net->address], name);
    net->beside = net->welcomed = false;
    struct session_relay relay = {.name = name, .certificate = unvouched ? &certificate : NULL};
    session_connected(net->session, &relay, link_now_ms());
    work(net); /* which ends a hold: it is welcomed first */
}

static void on_frame(void *self, struct bytes frame)
{
    struct net *net = self;
    session_receive(net->session, frame, link_now_ms());
    work(net);
}

static void on_heard(void *self)
{
    struct net *net = self;
    session_heard(net->session, link_now_ms());
    if (net->beside)
        link_keep(net->link);
    net->beside = false;
}

static void on_writable(void *self)
{
    struct net *net = self;
    session_writable(net->session, link_now_ms());
    work(net);
}

static void on_closed(void *self, const struct error *why)
{
    struct net *net = self;
    bool other_protocol = why->code == ERR_NEWER;
    if (other_protocol)
        session_no_protocol(net->session, why, link_now_ms());
    else
        session_disconnected(net->session, link_now_ms());
    connection_ended(net, why, other_protocol);
    work(net);
}

static void on_woken(void *self)
{
    work(self);
}

/* --- life --- */

static bool make_session(struct net *net, const struct net_config *config, struct error *err)
{
    struct session_config session = config->session;
    struct session_port port = {
        net,        on_send, on_drop,  on_persist, on_acked, on_received, on_member,
        on_genesis, on_base, on_checkpoint, on_fetch, on_peer, on_alarm, on_moved,
    };
    if (session.seed == 0)
        crypto_random(&session.seed, sizeof session.seed);
    backoff_init(&net->backoff, session.seed);
    net->there_ms = link_now_ms();
    net->session = session_new(&session, &port, link_now_ms(), err);
    if (net->session) /* what is to be sent from before is counted from the beginning */
        session_status(net->session, link_now_ms(), &net->status);
    return net->session != NULL;
}

static bool wants_tls(const struct net *net)
{
    for (size_t i = 0; i < net->address_count; i++)
        if (net->addresses[i].scheme == LINK_TLS)
            return true;
    return false;
}

/* The link is made here, for that takes too long to keep a person waiting. */
static bool make_link(struct net *net)
{
    struct link_port port = {net, on_opened, on_frame, on_heard, on_writable, on_closed, on_woken};
    struct link *link = link_new(&port, wants_tls(net), &net->why);
    pthread_mutex_lock(&net->lock);
    net->link = link;
    pthread_mutex_unlock(&net->lock);
    return link != NULL;
}

static void *run(void *self)
{
    struct net *net = self;
    if (make_link(net)) {
        link_wake(net->link); /* jobs may wait already */
        link_run(net->link);
        return NULL;
    }
    pthread_mutex_lock(&net->lock);
    net->status.why = net->why;
    pthread_mutex_unlock(&net->lock);
    return NULL;
}

/* Signals are for the thread that has the terminal. */
static bool start_thread(struct net *net, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&net->thread, NULL, run, net);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return !failed || error_errno(err, "cannot start the network thread");
}

static void net_free(struct net *net)
{
    session_free(net->session);
    link_free(net->link);
    while (net->jobs) {
        struct job *job = net->jobs;
        net->jobs = job->next;
        job_free(job);
    }
    while (net->events) {
        struct net_event *event = net->events;
        net->events = event->next;
        net_event_free(event);
    }
    if (net->event_fd >= 0)
        close(net->event_fd);
    pthread_mutex_destroy(&net->lock);
    free(net->addresses);
    free(net->floors_ms);
    free(net);
}

struct net *net_start(const struct net_config *config, struct error *err)
{
    struct net *net = xcalloc(1, sizeof *net);
    pthread_mutex_init(&net->lock, NULL);
    net->jobs_last = &net->jobs;
    net->events_last = &net->events;
    net->addresses = xmemdup(config->addresses, config->address_count * sizeof *config->addresses);
    net->address_count = config->address_count;
    net->floors_ms = xcalloc(config->address_count + 1, sizeof *net->floors_ms);
    net->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (net->event_fd < 0) {
        error_errno(err, "cannot start the network thread");
        goto fail;
    }
    if (config->address_count == 0) {
        error_set(err, ERR_USAGE, 0, "the link names no relay");
        goto fail;
    }
    if (make_session(net, config, err) && start_thread(net, err))
        return net;
fail:
    net_free(net);
    return NULL;
}

bool net_stop(struct net *net, unsigned deadline_ms)
{
    if (!net)
        return true;
    pthread_mutex_lock(&net->lock);
    net->stopping = true;
    net->stop_ms = link_now_ms() + deadline_ms;
    wake_locked(net);
    pthread_mutex_unlock(&net->lock);
    pthread_join(net->thread, NULL);
    bool all_sent = net->all_sent;
    net_free(net);
    return all_sent;
}

/* --- from other threads --- */

static void post(struct net *net, struct job *job)
{
    pthread_mutex_lock(&net->lock);
    if (job->kind == JOB_LOCAL && net->handed.batches++ == 0)
        net->handed.since_ms = link_now_ms();
    *net->jobs_last = job;
    net->jobs_last = &job->next;
    wake_locked(net);
    pthread_mutex_unlock(&net->lock);
}

static struct job *job_new(enum job_kind kind)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->kind = kind;
    return job;
}

void net_local(struct net *net, const struct local_batch *batch)
{
    struct job *job = job_new(JOB_LOCAL);
    job->local = *batch;
    buf_add_bytes(&job->bytes, batch->plain);
    post(net, job);
}

void net_neighbour(struct net *net, const struct agent_id *agent, uint64_t next_seq)
{
    struct job *job = job_new(JOB_NEIGHBOUR);
    job->neighbour = (struct event_id){*agent, next_seq};
    post(net, job);
}

void net_persisted(struct net *net, uint64_t ticket)
{
    struct job *job = job_new(JOB_PERSISTED);
    job->ticket = ticket;
    post(net, job);
}

void net_present(struct net *net, const struct session_view *view)
{
    struct job *job = job_new(JOB_PRESENT);
    job->view = *view;
    post(net, job);
}

void net_fetched(struct net *net, const struct agent_id *agent, const struct bytes *stored, size_t count, bool more)
{
    struct job *job = job_new(JOB_FETCHED);
    job->fetched.agent = *agent;
    job->fetched.count = count;
    job->fetched.more = more;
    job->ends = xcalloc(count + 1, sizeof *job->ends);
    for (size_t i = 0; i < count; i++) {
        buf_add_bytes(&job->bytes, stored[i]);
        job->ends[i] = job->bytes.len;
    }
    post(net, job);
}

void net_post_checkpoint(struct net *net, const struct checkpoint *checkpoint, const struct rope *text)
{
    struct job *job = job_new(JOB_POST_CHECKPOINT);
    job->text = rope_snapshot(text);
    buf_add(&job->bytes, checkpoint, sizeof *checkpoint);
    post(net, job);
}

void net_retry(struct net *net)
{
    post(net, job_new(JOB_RETRY));
}

void net_pause(struct net *net, bool on)
{
    struct job *job = job_new(JOB_PAUSE);
    job->on = on;
    post(net, job);
}

void net_delete_document(struct net *net)
{
    post(net, job_new(JOB_DELETE));
}

void net_move_document(struct net *net, uint64_t moved_s, struct bytes place)
{
    struct job *job = job_new(JOB_MOVE);
    job->ticket = moved_s;
    buf_add_bytes(&job->bytes, place);
    post(net, job);
}

void net_status(struct net *net, struct session_status *out)
{
    pthread_mutex_lock(&net->lock);
    *out = net->status;
    session_status_add(out, net->handed.batches, net->handed.since_ms);
    pthread_mutex_unlock(&net->lock);
}
