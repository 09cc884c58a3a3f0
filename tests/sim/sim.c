#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/ahead.h"
#include "sync/backoff.h"
#include "sync/journal.h"
#include "sync/relay/relay.h"
#include "sync/session.h"

enum {
    REPLICAS_MAX = 8,
    STEP_MS_MAX = 10,
    FAULTS_UNTIL_MS = 60000, /* at the latest everybody is left in peace */
    GIVE_UP_MS = 600000,
    LINK_BYTES_MAX = 256 * 1024,
    LATE_MS = 15000,      /* by then everybody has come */
    MISSING_MS = 5000,    /* what has not come so long after all there is, nobody has written */
    AHEAD_TYPED_MAX = 64,
    PORTION = 50,         /* steps of a merge at a time, where somebody is hostile, */
    PORTION_OVER = 32,    /* and so many more, for an operation is not cut, */
    HELD_STEPS = 400,     /* and for one batch in all: more is held */
};

/* --- the network: one connection is two queues of frames --- */

struct frame {
    struct frame *next;
    uint64_t at_ms; /* when it arrives */
    struct buf bytes;
};

struct pipe_queue {
    struct frame *first, **last;
    size_t bytes;
    uint64_t newest_ms; /* frames of one connection do not overtake each other */
};

struct wire {
    bool open;          /* as the client sees it */
    bool announced;     /* the client was told that it is connected */
    bool relay_closing; /* the relay ends it once what it said has arrived */
    bool wants_write;   /* the relay asked for relay_writable() */
    bool stalled;       /* the client's send said no */
    uint64_t latency_ms;
    struct relay_connection *connection; /* NULL: the relay's side is gone */
    struct pipe_queue to_relay, to_client;
};

/* --- the disk of a replica: what is to be written, in order --- */

enum job_kind { JOB_LOCAL, JOB_RECEIVED, JOB_OUTBOX, JOB_ACKED, JOB_FETCH, JOB_GENESIS, JOB_BASE };

struct job {
    struct job *next;
    enum job_kind kind;
    unsigned record_kind;
    struct agent_id agent;
    uint64_t seq0, count, ticket, place;
    struct digest digest; /* LOCAL: of the batch; RECEIVED: hash of the record */
    struct resume_point resume;
    bool gesture;
    bool packs;   /* FETCH: they are wanted too */
    size_t token; /* LOCAL: what is committed by it; SIZE_MAX: none */
    size_t *more; /* and with it, in an edit made of several */
    size_t more_count;
    struct buf bytes;
};

struct token {
    unsigned replica, number;
    bool committed; /* a journal has it: it may not be lost any more */
    bool touched;   /* deleted or undone by somebody: it may be there or not */
};

/* A batch that the hash chain has and the document not yet. */
struct waiting {
    struct batch batch;
    bool forks; /* first this is told to the document: */
    struct agent_fork fork;
};

struct waiting_list {
    struct waiting *items;
    size_t count, cap;
};

struct replica {
    struct sim *sim;
    unsigned number;
    struct device device;
    struct journal *journal; /* outlives crashes */

    bool running;
    struct agent_id agent;
    struct agent_id mine[64]; /* own agent first, then those of earlier runs */
    size_t mine_count;
    struct chain *chain;
    struct document *document; /* NULL: the base is not here yet */
    struct rope *text;
    struct ahead *ahead; /* what is shown and typed on while the history is on its way; or NULL */
    struct rope *ahead_text;
    size_t ahead_tokens[AHEAD_TYPED_MAX]; /* of each batch that was typed on it; SIZE_MAX: none */
    uint64_t ahead_all_ms; /* since when all has come and its version has not; 0: not so */
    struct session *session;
    struct job *jobs, **jobs_last;
    struct wire wire;
    struct backoff backoff;
    uint64_t type_ms;             /* pauses until then */
    uint64_t connect_ms, back_ms; /* when to connect; when it is started again after a crash */
    unsigned edits_left;
    bool at_other; /* whom it connects to */
    bool follows;  /* it was told that the document has moved */
    bool asleep; /* a copy that has not been made yet */
    bool forked; /* its agent has: it goes on as another */
    struct waiting_list waiting, held; /* where somebody is hostile, in the order they came */
};

struct sim {
    const struct sim_options *options;
    struct random random;
    uint64_t now_ms;
    bool peace; /* faults are over */
    struct doc_keys keys;
    struct rope *base;
    struct buf base_text, genesis;
    struct sign_key relay_key;
    struct store *store;
    struct relay *relay; /* NULL: down */
    struct store *other_store; /* of a second relay, or of what the first shows to half of the people */
    struct relay *other;       /* NULL: there is none */
    enum { MOVE_NOT_YET, MOVE_UPLOADS, MOVE_TELLS, MOVE_TOLD, MOVE_DONE } move;
    uint64_t relay_back_ms, relay_tick_ms;
    char backup_path[96], store_path[96];
    bool has_backup;
    unsigned restored;
    struct replica replicas[REPLICAS_MAX];
    struct token *tokens;
    size_t token_count, token_cap;
    struct buf *report;
    bool failed;
    unsigned crashes, cuts, relay_crashes, tampered, alarms;
};

static bool chance(struct sim *sim, uint64_t one_in)
{
    return random_chance(&sim->random, one_in);
}

static bool fault(struct sim *sim, bool enabled, uint64_t one_in)
{
    return enabled && !sim->peace && chance(sim, one_in);
}

static void fail(struct sim *sim, const char *what, unsigned replica)
{
    buf_addf(sim->report, "at %llu ms, replica %u: %s\n", (unsigned long long)sim->now_ms, replica, what);
    sim->failed = true;
}

/* --- pipes --- */

static void pipe_init(struct pipe_queue *queue)
{
    *queue = (struct pipe_queue){0};
    queue->last = &queue->first;
}

static void pipe_push(struct pipe_queue *queue, struct bytes bytes, uint64_t at_ms)
{
    struct frame *frame = xcalloc(1, sizeof *frame);
    frame->at_ms = at_ms > queue->newest_ms ? at_ms : queue->newest_ms;
    queue->newest_ms = frame->at_ms;
    buf_add_bytes(&frame->bytes, bytes);
    queue->bytes += bytes.len;
    *queue->last = frame;
    queue->last = &frame->next;
}

static struct frame *pipe_pop(struct pipe_queue *queue)
{
    struct frame *frame = queue->first;
    queue->first = frame->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->bytes -= frame->bytes.len;
    return frame;
}

static void frame_free(struct frame *frame)
{
    buf_release(&frame->bytes);
    free(frame);
}

static void pipe_clear(struct pipe_queue *queue)
{
    while (queue->first)
        frame_free(pipe_pop(queue));
    pipe_init(queue);
}

static uint64_t arrival_ms(struct sim *sim, const struct wire *wire)
{
    return sim->now_ms + wire->latency_ms + random_below(&sim->random, 1 + wire->latency_ms / 2);
}

/* --- the evil relay: what it does to one frame on its way to a client --- */

static void flip_a_bit(struct sim *sim, struct buf *bytes)
{
    uint64_t bit = random_below(&sim->random, bytes->len * 8);
    bytes->data[bit / 8] ^= (unsigned char)(1 << bit % 8);
}

static void send_tampered(struct sim *sim, struct wire *wire, struct bytes payload)
{
    struct buf bytes = {0};
    buf_add_bytes(&bytes, payload);
    sim->tampered++;
    switch (random_below(&sim->random, 4)) {
    case 0: /* changed */
        flip_a_bit(sim, &bytes);
        pipe_push(&wire->to_client, buf_view(&bytes), arrival_ms(sim, wire));
        break;
    case 1: /* dropped */
        break;
    case 2: /* twice */
        pipe_push(&wire->to_client, payload, arrival_ms(sim, wire));
        pipe_push(&wire->to_client, payload, arrival_ms(sim, wire));
        break;
    case 3: /* in front of an earlier one */
        pipe_push(&wire->to_client, payload, arrival_ms(sim, wire));
        if (wire->to_client.first->next) {
            struct buf swap = wire->to_client.first->bytes;
            wire->to_client.first->bytes = wire->to_client.first->next->bytes;
            wire->to_client.first->next->bytes = swap;
        }
        break;
    default:
        break;
    }
    buf_release(&bytes);
}

/* --- the relay's port --- */

static void relay_send(void *self, void *link, struct relay_frame *frame)
{
    struct sim *sim = self;
    struct wire *wire = link;
    struct bytes payload = relay_frame_payload(frame);
    if (wire->open && fault(sim, sim->options->evil && wire->announced, 12))
        send_tampered(sim, wire, payload);
    else if (wire->open)
        pipe_push(&wire->to_client, payload, arrival_ms(sim, wire));
    relay_frame_drop(frame);
}

static size_t relay_queued(void *self, void *link)
{
    (void)self;
    return ((struct wire *)link)->to_client.bytes;
}

static void relay_want_write(void *self, void *link)
{
    (void)self;
    ((struct wire *)link)->wants_write = true;
}

static void relay_resumed(void *self, void *link)
{
    (void)self, (void)link; /* every step asks relay_reads() */
}

static void relay_close(void *self, void *link, unsigned code, const char *reason)
{
    (void)self, (void)code, (void)reason;
    ((struct wire *)link)->relay_closing = true;
}

static void relay_random(void *self, void *out, size_t len)
{
    struct sim *sim = self;
    unsigned char *bytes = out;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)random_next(&sim->random);
}

static struct relay *relay_on(struct sim *sim, struct store *store)
{
    struct relay_port port = {sim,           relay_send,  relay_queued, relay_want_write,
                              relay_resumed, relay_close, relay_random};
    struct relay_options options = {.limits = relay_limits_none(), .key = &sim->relay_key};
    return relay_new(&options, store, &port);
}

static void start_relay(struct sim *sim)
{
    sim->relay = relay_on(sim, sim->store);
}

/* --- connections --- */

static void forget_relay_side(struct sim *sim, struct wire *wire)
{
    if (wire->connection && sim->relay)
        relay_gone(wire->connection, sim->now_ms);
    wire->connection = NULL;
}

static void close_wire(struct replica *replica)
{
    struct wire *wire = &replica->wire;
    struct sim *sim = replica->sim;
    wire->open = wire->announced = false;
    pipe_clear(&wire->to_client);
    pipe_clear(&wire->to_relay);
    forget_relay_side(sim, wire);
}

static void plan_reconnect(struct replica *replica)
{
    struct sim *sim = replica->sim;
    uint64_t wait_ms = backoff_next_ms(&replica->backoff, 0);
    if (fault(sim, sim->options->cuts, 6))
        wait_ms += random_below(&sim->random, 20000); /* on a train */
    replica->connect_ms = sim->now_ms + wait_ms;
}

/* The connection is gone, and the client notices. */
static void lose_connection(struct replica *replica)
{
    if (!replica->wire.open)
        return;
    close_wire(replica);
    if (replica->running)
        session_disconnected(replica->session, replica->sim->now_ms);
    plan_reconnect(replica);
}

static void go_to(struct replica *replica, bool other)
{
    replica->at_other = other;
    lose_connection(replica);
    replica->connect_ms = replica->sim->now_ms;
}

static void connect_replica(struct replica *replica)
{
    struct sim *sim = replica->sim;
    struct wire *wire = &replica->wire;
    struct relay *relay = replica->at_other && sim->other ? sim->other : sim->relay;
    if (!relay || fault(sim, sim->options->cuts, 5)) {
        plan_reconnect(replica);
        return;
    }
    *wire = (struct wire){.open = true, .latency_ms = 1 + random_below(&sim->random, chance(sim, 5) ? 400 : 40)};
    pipe_init(&wire->to_client);
    pipe_init(&wire->to_relay);
    wire->connection = relay_accept(relay, wire, &(struct relay_guest){.address = ""}, sim->now_ms);
}

/* --- the journal's side of a replica --- */

static struct job *job_new(struct replica *replica, enum job_kind kind, struct bytes bytes)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->kind = kind;
    job->token = SIZE_MAX;
    buf_add_bytes(&job->bytes, bytes);
    *replica->jobs_last = job;
    replica->jobs_last = &job->next;
    return job;
}

static void job_free(struct job *job)
{
    buf_release(&job->bytes);
    free(job->more);
    free(job);
}

static void put_resume(struct replica *replica, const struct resume_point *resume)
{
    struct error err = {0};
    struct journal_relay relay = {.log = resume->log, .place = resume->place, .hash = resume->hash};
    if (resume->place > 0 && !journal_relay_put(replica->journal, &relay, &err))
        fail(replica->sim, err.text, replica->number);
}

static void do_local(struct replica *replica, const struct job *job)
{
    struct error err = {0};
    struct journal_local row = {.agent = job->agent,
                                .seq0 = job->seq0,
                                .count = job->count,
                                .plain = buf_view(&job->bytes),
                                .digest = job->digest};
    if (journal_add_local(replica->journal, &row, NULL, &err) != JOURNAL_ADDED)
        fail(replica->sim, err.text[0] ? err.text : "a batch was in the journal already", replica->number);
    if (job->token != SIZE_MAX)
        replica->sim->tokens[job->token].committed = true;
    for (size_t i = 0; i < job->more_count; i++)
        replica->sim->tokens[job->more[i]].committed = true;
    struct local_batch local = {.agent = job->agent,
                                .seq0 = job->seq0,
                                .count = job->count,
                                .plain = buf_view(&job->bytes),
                                .digest = job->digest,
                                .gesture = job->gesture};
    session_local(replica->session, &local, replica->sim->now_ms);
}

static void do_received(struct replica *replica, const struct job *job)
{
    struct error err = {0};
    struct journal_received row = {.kind = job->record_kind,
                                   .agent = job->agent,
                                   .seq0 = job->seq0,
                                   .count = job->count,
                                   .relay_place = job->place,
                                   .hash = job->digest,
                                   .stored = buf_view(&job->bytes)};
    if (journal_add_received(replica->journal, &row, NULL, &err) == JOURNAL_FAILED)
        fail(replica->sim, err.text, replica->number);
    put_resume(replica, &job->resume);
}

static void do_outbox(struct replica *replica, const struct job *job)
{
    struct error err = {0};
    struct journal_sent sent = {.kind = job->record_kind,
                                .agent = job->agent,
                                .seq0 = job->seq0,
                                .count = job->count,
                                .stored = buf_view(&job->bytes)};
    if (journal_outbox_put(replica->journal, &sent, NULL, &err) == JOURNAL_FAILED)
        fail(replica->sim, err.text, replica->number);
    session_persisted(replica->session, job->ticket, replica->sim->now_ms);
}

/* Small pieces, so that what is lost is mostly more than one. */
struct fetched {
    struct buf items[4];
    size_t count;
    bool packs, more;
};

static bool fetched_add(struct fetched *fetched, struct bytes stored)
{
    fetched->more = fetched->count == sizeof fetched->items / sizeof *fetched->items;
    if (!fetched->more)
        buf_add_bytes(&fetched->items[fetched->count++], stored);
    return !fetched->more;
}

static bool fetch_sent(void *self, const struct journal_sent *sent)
{
    return sent->kind != RECORD_EVENTS || fetched_add(self, sent->stored);
}

static bool fetch_row(void *self, const struct journal_row *row)
{
    struct fetched *fetched = self;
    bool wanted = row->form == JOURNAL_RECEIVED && (row->kind == RECORD_EVENTS || (fetched->packs && row->kind == RECORD_PACK));
    return !wanted || fetched_add(fetched, row->body);
}

static void do_fetch(struct replica *replica, const struct job *job)
{
    struct fetched fetched = {.packs = job->packs};
    struct bytes views[sizeof fetched.items / sizeof *fetched.items];
    struct journal_read read = {0};
    struct error err = {0};
    if (!journal_outbox_of(replica->journal, &job->agent, job->seq0, (struct journal_sent_visitor){&fetched, fetch_sent},
                           &err) ||
        (!fetched.more && !journal_rows_of(replica->journal, &job->agent, job->seq0,
                                           (struct journal_visitor){&fetched, fetch_row}, &read, &err)))
        fail(replica->sim, err.text, replica->number);
    for (size_t i = 0; i < fetched.count; i++)
        views[i] = buf_view(&fetched.items[i]);
    session_fetched(replica->session, &job->agent, views, fetched.count, fetched.more, replica->sim->now_ms);
    for (size_t i = 0; i < fetched.count; i++)
        buf_release(&fetched.items[i]);
}

static void do_base(struct replica *replica, struct bytes text)
{
    struct error err = {0};
    if (!journal_base_begin(replica->journal, text.len, &err))
        fail(replica->sim, err.text, replica->number);
    for (uint64_t at = 0; at < text.len; at += JOURNAL_CHUNK_BYTES) {
        size_t len = text.len - at < JOURNAL_CHUNK_BYTES ? text.len - at : JOURNAL_CHUNK_BYTES;
        if (!journal_base_put(replica->journal, at / JOURNAL_CHUNK_BYTES, bytes_slice(text, at, len), &err))
            fail(replica->sim, err.text, replica->number);
    }
}

static void do_job(struct replica *replica, const struct job *job)
{
    struct error err = {0};
    switch (job->kind) {
    case JOB_LOCAL:
        do_local(replica, job);
        break;
    case JOB_RECEIVED:
        do_received(replica, job);
        break;
    case JOB_OUTBOX:
        do_outbox(replica, job);
        break;
    case JOB_ACKED:
        if (!journal_outbox_ack_below(replica->journal, &job->agent, job->seq0, true, &err))
            fail(replica->sim, err.text, replica->number);
        put_resume(replica, &job->resume);
        break;
    case JOB_FETCH:
        do_fetch(replica, job);
        break;
    case JOB_GENESIS:
        if (!journal_note_put(replica->journal, "genesis", buf_view(&job->bytes), &err))
            fail(replica->sim, err.text, replica->number);
        break;
    case JOB_BASE:
        do_base(replica, buf_view(&job->bytes));
        break;
    }
}

/* The disk does some of what it was asked. */
static void run_disk(struct replica *replica, size_t jobs)
{
    while (jobs-- > 0 && replica->jobs && replica->running) {
        struct job *job = replica->jobs;
        replica->jobs = job->next;
        if (!replica->jobs)
            replica->jobs_last = &replica->jobs;
        do_job(replica, job);
        job_free(job);
    }
}

static void drop_jobs(struct replica *replica)
{
    while (replica->jobs) {
        struct job *job = replica->jobs;
        replica->jobs = job->next;
        job_free(job);
    }
    replica->jobs_last = &replica->jobs;
}

/* --- the session's port --- */

static bool on_send(void *self, struct bytes frame)
{
    struct replica *replica = self;
    struct wire *wire = &replica->wire;
    if (wire->to_relay.bytes > LINK_BYTES_MAX) {
        wire->stalled = true;
        return false;
    }
    pipe_push(&wire->to_relay, frame, arrival_ms(replica->sim, wire));
    return true;
}

static void on_drop(void *self, const struct error *why)
{
    struct replica *replica = self;
    (void)why;
    replica->wire.open = false; /* the rest is done outside of the session's call */
}

static void on_persist(void *self, const struct outbox_record *record)
{
    struct replica *replica = self;
    struct job *job = job_new(replica, JOB_OUTBOX, record->stored);
    if (record->kind == RECORD_PACK && replica->sim->options->seen)
        replica->sim->options->seen->packs_made++;
    job->record_kind = record->kind;
    job->agent = record->agent;
    job->seq0 = record->seq0;
    job->count = record->count;
    job->ticket = record->ticket;
}

static void on_acked(void *self, const struct agent_id *agent, uint64_t next_seq, const struct resume_point *resume)
{
    struct job *job = job_new(self, JOB_ACKED, (struct bytes){0});
    job->agent = *agent;
    job->seq0 = next_seq;
    job->resume = *resume;
}

static void add_batch(struct replica *replica, const struct batch *batch)
{
    struct error err = {0};
    if (document_add(replica->document, batch, &err) != DOCUMENT_ADDED)
        fail(replica->sim, err.text[0] ? err.text : "a verified batch was early or known to the document",
             replica->number);
}

static void bring_up_to_date(struct replica *replica)
{
    struct patch patch = {0};
    document_update(replica->document, &patch);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
}

/* --- merging where somebody is hostile: as app/replica_merge.c does --- */

static bool is_hostile(const struct replica *replica)
{
    return replica->sim->options->hostile && replica->number == 0;
}

static struct waiting *wait_for(struct waiting_list *list)
{
    list->items = xgrow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    struct waiting *waiting = &list->items[list->count++];
    *waiting = (struct waiting){0};
    return waiting;
}

static void forget_waiting(struct waiting_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        batch_release(&list->items[i].batch);
    free(list->items);
    *list = (struct waiting_list){0};
}

static void leave_first(struct waiting_list *list)
{
    memmove(list->items, list->items + 1, --list->count * sizeof *list->items);
}

/* False: it lacks something that is held. */
static bool merge_first(struct replica *replica)
{
    struct waiting *first = &replica->waiting.items[0];
    struct error err = {0};
    uint64_t cost_max = 8 * first->batch.count + PORTION_OVER;
    enum document_added added = document_add(replica->document, &first->batch, &err);
    if (added == DOCUMENT_EARLY)
        return false;
    if (added != DOCUMENT_ADDED)
        fail(replica->sim, err.text[0] ? err.text : "a verified batch was known to the document", replica->number);
    if (document_update_cost(replica->document, cost_max + 1) > cost_max)
        fail(replica->sim, "a batch costs more than itself though its way has been gone", replica->number);
    bring_up_to_date(replica);
    batch_release(&first->batch);
    leave_first(&replica->waiting);
    return true;
}

static void hold_first(struct replica *replica)
{
    *wait_for(&replica->held) = replica->waiting.items[0];
    leave_first(&replica->waiting);
    if (replica->sim->options->seen)
        replica->sim->options->seen->held++;
}

/* Somebody wants it, or the end has come: what is held is merged after what waits. */
static void offer_held(struct replica *replica)
{
    for (size_t i = 0; i < replica->held.count; i++)
        *wait_for(&replica->waiting) = replica->held.items[i];
    replica->held.count = 0;
}

/* One portion. */
static void step_merging(struct replica *replica)
{
    struct sim *sim = replica->sim;
    if (sim->peace || chance(sim, 500))
        offer_held(replica);
    if (replica->waiting.count == 0)
        return;
    struct waiting *first = &replica->waiting.items[0];
    if (first->forks)
        document_fork(replica->document, &first->fork);
    first->forks = false;
    uint64_t before = document_approach_state(replica->document).steps;
    bool there = document_approach(replica->document, &first->batch, PORTION);
    uint64_t after = document_approach_state(replica->document).steps;
    if (!there && after > before + PORTION + PORTION_OVER)
        fail(sim, "a portion takes more than that", replica->number);
    if (sim->options->seen)
        sim->options->seen->portions += !there;
    if (there ? !merge_first(replica) : !sim->peace && after > HELD_STEPS)
        hold_first(replica);
}

static void wait_in_turn(struct replica *replica, const struct received *received)
{
    struct batch_cursor cursor = batch_cursor_of(&received->run);
    for (bool first = true; batch_cursor_next(&cursor); first = false) {
        struct waiting *waiting = wait_for(&replica->waiting);
        batch_copy(&waiting->batch, cursor.batch);
        waiting->forks = first && received->forked;
        waiting->fork = received->fork;
    }
    batch_cursor_release(&cursor);
}

static void on_received(void *self, struct received *received)
{
    struct replica *replica = self;
    struct job *job = job_new(replica, JOB_RECEIVED, buf_view(&received->stored));
    job->record_kind = received->kind;
    if (received->kind == RECORD_PACK && received->run.count > 0 && replica->sim->options->seen)
        replica->sim->options->seen->packs_read++;
    job->agent = received->agent;
    job->seq0 = received->seq0;
    job->count = received->count;
    job->place = received->place;
    job->digest = received->hash;
    job->resume = received->resume;
    if (replica->sim->options->hostile && !is_hostile(replica)) {
        wait_in_turn(replica, received);
        return;
    }
    if (received->forked)
        document_fork(replica->document, &received->fork);
    struct batch_cursor cursor = batch_cursor_of(&received->run);
    while (batch_cursor_next(&cursor))
        add_batch(replica, cursor.batch);
    batch_cursor_release(&cursor);
    bring_up_to_date(replica);
}

static void on_member(void *self, const struct member *member, struct bytes stored, const struct resume_point *resume)
{
    struct job *job = job_new(self, JOB_RECEIVED, stored);
    job->record_kind = RECORD_MEMBER;
    job->agent = member->agent;
    job->resume = *resume;
    record_hash(stored, &job->digest);
}

static void on_genesis(void *self, const struct genesis *genesis, struct bytes stored)
{
    (void)genesis;
    job_new(self, JOB_GENESIS, stored);
}

static void begin_document(struct replica *replica, struct bytes base)
{
    replica->text = rope_from_bytes(base);
    replica->document = document_new(replica->text);
}

static void on_base(void *self, uint64_t done, uint64_t total, struct bytes text)
{
    struct replica *replica = self;
    if (done < total)
        return;
    job_new(replica, JOB_BASE, text);
    begin_document(replica, text);
}

static void on_checkpoint(void *self, const struct checkpoint *checkpoint, const struct agent_id *by, const struct rope *text)
{
    struct replica *replica = self;
    for (size_t i = 0; i < checkpoint->count; i++)
        if (agent_id_equal(&checkpoint->heads[i].event.agent, &replica->agent))
            return;
    if (replica->document || replica->ahead)
        return;
    replica->ahead = ahead_new(checkpoint, text, by);
    replica->ahead_text = rope_snapshot(text);
    replica->ahead_all_ms = 0;
}

static void on_fetch(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct job *job = job_new(self, JOB_FETCH, (struct bytes){0});
    job->agent = *agent;
    job->seq0 = from_seq;
    job->packs = packs;
}

static void on_peer(void *self, const struct session_peer *peer)
{
    (void)self, (void)peer;
}

static void on_alarm(void *self, enum session_alarm alarm, const struct agent_id *agent, const struct error *why)
{
    struct replica *replica = self;
    replica->sim->alarms++;
    if (alarm == ALARM_FORKED && replica->sim->options->copies) {
        replica->forked |= agent_id_equal(agent, &replica->agent);
        return;
    }
    /* Of a copied machine two histories hold two sides: until one log has both, that something is missing is told. */
    bool apart = replica->sim->options->views && replica->sim->options->copies;
    bool told = alarm == ALARM_RECORD_REFUSED || alarm == ALARM_WITHHELD;
    bool excused = (replica->sim->options->evil && told) || (apart && (told || alarm == ALARM_TWO_HISTORIES));
    if (!excused)
        fail(replica->sim, why->text, replica->number);
}

static void on_moved(void *self, uint64_t moved_s, struct bytes place)
{
    struct replica *replica = self;
    (void)moved_s, (void)place;
    replica->follows = true; /* in its next step: a session is not called from within */
}

/* --- a replica's life --- */

/* What the journal of a process that begins holds. */
struct restored {
    struct replica *replica;
    struct buf members[256], outbox[512];
    size_t member_count, outbox_count;
    struct buf genesis;
    struct journal_relay relay;
};

/* Whether somebody here signed the record so. */
static bool is_signed(const struct sim *sim, const struct record *record, const struct digest *last)
{
    for (unsigned i = 0; i < sim->options->replicas; i++) {
        struct sign_key doc_key;
        device_doc_key(&sim->replicas[i].device, &sim->keys.doc, &doc_key);
        if (record_verify(record, &sim->keys.doc, &doc_key.public_key, last))
            return true;
    }
    return false;
}

/* A row's batches the way its digest (LOCAL) or its signature (`record`) says. */
static void restore_batches(struct replica *replica, struct batch_run *run, const struct digest *expected,
                            const struct record *record)
{
    struct digest *digests = xcalloc(run->count + 1, sizeof *digests), *last = &digests[run->count - 1], found;
    enum chain_link link = CHAIN_NO_WAY;
    struct chain_taken taken;
    for (unsigned way = 0; way < CHAIN_WAYS_MAX; way++) {
        link = chain_check_run(replica->chain, run, way, digests);
        bool there = link == CHAIN_NEXT || link == CHAIN_FORKED || link == CHAIN_KNOWN;
        if (!there || (expected ? digest_equal(last, expected) : is_signed(replica->sim, record, last)))
            break;
    }
    found = *last;
    if (link != CHAIN_NEXT && link != CHAIN_FORKED && link != CHAIN_KNOWN) {
        fail(replica->sim, "a row of the journal does not follow those before it", replica->number);
    } else {
        chain_take_run(replica->chain, run, 0, &found, digests, &taken);
        if (taken.forked)
            document_fork(replica->document, &taken.fork);
        struct batch_cursor cursor = batch_cursor_of(run);
        for (size_t i = 0; batch_cursor_next(&cursor); i++)
            if (i >= taken.known)
                add_batch(replica, cursor.batch);
        batch_cursor_release(&cursor);
    }
    free(digests);
}

static void restore_local(struct replica *replica, const struct journal_row *row)
{
    struct batch_run run;
    struct error err = {0};
    if (batch_run_read_one(row->body, &row->agent, row->seq0, &run, &err))
        restore_batches(replica, &run, &row->digest, NULL);
    else
        fail(replica->sim, err.text, replica->number);
    batch_run_release(&run);
}

static void restore_record(struct replica *replica, const struct journal_row *row)
{
    struct record record;
    struct buf plain = {0};
    struct batch_run run = {.count = 0};
    struct error err = {0};
    if (record_decode(row->body, &record, &err) && record_open_events(&record, &replica->sim->keys, &plain, &run, &err))
        restore_batches(replica, &run, NULL, &record);
    else
        fail(replica->sim, err.text, replica->number);
    batch_run_release(&run);
    buf_release(&plain);
}

static bool restore_row(void *self, const struct journal_row *row)
{
    struct restored *restored = self;
    if (row->form == JOURNAL_LOCAL)
        restore_local(restored->replica, row);
    else if (row->kind == RECORD_EVENTS || row->kind == RECORD_PACK)
        restore_record(restored->replica, row);
    else if (row->kind == RECORD_MEMBER && restored->member_count < 256)
        buf_add_bytes(&restored->members[restored->member_count++], row->body);
    return true;
}

static bool restore_member(void *self, const struct journal_sent *sent)
{
    struct restored *restored = self;
    if (sent->kind == RECORD_MEMBER && restored->member_count < 256)
        buf_add_bytes(&restored->members[restored->member_count++], sent->stored);
    return true;
}

static bool restore_outbox(void *self, const struct journal_sent *sent)
{
    struct restored *restored = self;
    if (sent->kind == RECORD_EVENTS && restored->outbox_count < 512)
        buf_add_bytes(&restored->outbox[restored->outbox_count++], sent->stored);
    return true;
}

static bool resend_local(void *self, const struct journal_row *row)
{
    struct replica *replica = self;
    struct local_batch local = {.agent = row->agent,
                                .seq0 = row->seq0,
                                .count = row->count,
                                .plain = row->body,
                                .digest = row->digest,
                                .gesture = true};
    if (row->form == JOURNAL_LOCAL)
        session_local(replica->session, &local, replica->sim->now_ms);
    return true;
}

static bool load_journal(struct replica *replica, struct restored *restored, struct error *err)
{
    struct journal_base base = {0};
    struct buf text = {0};
    struct journal_read read = {0};
    bool found;

    if (!journal_note_get(replica->journal, "genesis", &restored->genesis, &found, err) ||
        !journal_base_state(replica->journal, &base, err) ||
        !journal_relay_get(replica->journal, &restored->relay, err))
        return false;
    if (!base.complete)
        return true;
    bool loaded = journal_base_load(replica->journal, &text, err);
    begin_document(replica, buf_view(&text));
    buf_release(&text);
    if (!loaded || !journal_rows(replica->journal, 0, (struct journal_visitor){restored, restore_row}, &read, err))
        return false;
    bring_up_to_date(replica);
    for (size_t i = 0; i < replica->mine_count; i++)
        if (!journal_outbox_of(replica->journal, &replica->mine[i], 0,
                               (struct journal_sent_visitor){restored, restore_member}, err))
            return false;
    return journal_outbox_unacked(replica->journal, (struct journal_sent_visitor){restored, restore_outbox}, err);
}

static void make_session(struct replica *replica, struct restored *restored, uint64_t first_counter)
{
    struct sim *sim = replica->sim;
    struct bytes members[256], outbox[512];
    struct error err = {0};
    for (size_t i = 0; i < restored->member_count; i++)
        members[i] = buf_view(&restored->members[i]);
    for (size_t i = 0; i < restored->outbox_count; i++)
        outbox[i] = buf_view(&restored->outbox[i]);
    bool host = replica->number == 0;
    struct session_config config = {
        .keys = &sim->keys,
        .device = &replica->device,
        .self = replica->agent,
        .name = "somebody",
        .chain = replica->chain,
        .genesis = buf_view(&restored->genesis),
        .create = host,
        .base = host ? sim->base : NULL,
        .has_base = replica->document != NULL,
        .wants_checkpoint = sim->options->checkpoints,
        .resume = {.log = restored->relay.log, .place = restored->relay.place, .hash = restored->relay.hash},
        .members = members,
        .member_count = restored->member_count,
        .outbox = outbox,
        .outbox_count = restored->outbox_count,
        .pack_records_min = sim->options->pack_records_min,
        .first_counter = first_counter,
        .seed = random_next(&sim->random),
    };
    struct session_port port = {replica,    on_send, on_drop,  on_persist, on_acked, on_received, on_member,
                                on_genesis, on_base, on_checkpoint, on_fetch, on_peer, on_alarm, on_moved};
    replica->session = session_new(&config, &port, sim->now_ms, &err);
    if (!replica->session)
        fail(sim, err.text, replica->number);
}

static void resend_unsealed(struct replica *replica)
{
    struct error err = {0};
    for (size_t i = replica->mine_count; i-- > 0;) { /* in the order in which they were written */
        uint64_t next_seq = 0;
        struct journal_read read = {0};
        if (!journal_outbox_next_seq(replica->journal, &replica->mine[i], &next_seq, &err) ||
            !journal_rows_of(replica->journal, &replica->mine[i], next_seq,
                             (struct journal_visitor){replica, resend_local}, &read, &err))
            fail(replica->sim, err.text, replica->number);
    }
}

static void restored_release(struct restored *restored)
{
    for (size_t i = 0; i < restored->member_count; i++)
        buf_release(&restored->members[i]);
    for (size_t i = 0; i < restored->outbox_count; i++)
        buf_release(&restored->outbox[i]);
    buf_release(&restored->genesis);
    free(restored);
}

/* Others hear what our version is now. */
static void show_version(struct replica *replica)
{
    struct session_view view = {.events_seen = document_events(replica->document)};
    struct version version = {0};
    document_version(replica->document, &version);
    chain_name_heads(replica->chain, version.heads, version.count);
    view.head_count = version.count <= PRESENCE_HEADS_MAX ? version.count : 0;
    for (size_t i = 0; i < view.head_count; i++)
        view.heads[i] = version.heads[i];
    session_present(replica->session, &view, replica->sim->now_ms);
    version_release(&version);
}

/* From the journal, as the agent that is set. */
static void begin(struct replica *replica, uint64_t first_counter)
{
    struct sim *sim = replica->sim;
    struct restored *restored = xcalloc(1, sizeof *restored);
    struct error err = {0};

    restored->replica = replica;
    replica->chain = chain_new(&sim->keys.doc);
    replica->running = true;
    replica->forked = false;
    if (!load_journal(replica, restored, &err))
        fail(sim, err.text, replica->number);
    make_session(replica, restored, first_counter);
    restored_release(restored);
    if (replica->session)
        resend_unsealed(replica);
    if (replica->session && replica->document)
        show_version(replica);
    backoff_init(&replica->backoff, random_next(&sim->random));
    plan_reconnect(replica);
}

/* A process begins: a fresh agent, the earlier ones taken over, everything from the journal. */
static void start_replica(struct replica *replica)
{
    relay_random(replica->sim, replica->agent.bytes, sizeof replica->agent.bytes);
    ensure(replica->mine_count < sizeof replica->mine / sizeof *replica->mine);
    memmove(replica->mine + 1, replica->mine, replica->mine_count++ * sizeof *replica->mine);
    replica->mine[0] = replica->agent;
    begin(replica, 0);
}

static void stop_replica(struct replica *replica)
{
    forget_waiting(&replica->waiting);
    forget_waiting(&replica->held);
    close_wire(replica);
    drop_jobs(replica);
    session_free(replica->session);
    chain_free(replica->chain);
    ahead_free(replica->ahead);
    rope_free(replica->ahead_text);
    document_free(replica->document);
    rope_free(replica->text);
    replica->ahead = NULL;
    replica->ahead_text = NULL;
    replica->session = NULL;
    replica->chain = NULL;
    replica->document = NULL;
    replica->text = NULL;
    replica->running = false;
}

static void crash_replica(struct replica *replica)
{
    struct sim *sim = replica->sim;
    sim->crashes++;
    stop_replica(replica);
    replica->back_ms = sim->now_ms + random_below(&sim->random, 5000);
}

static void init_replica(struct sim *sim, unsigned number)
{
    struct replica *replica = &sim->replicas[number];
    unsigned char seed[CRYPTO_SEED_BYTES] = {(unsigned char)(number + 1)};
    struct error err = {0};

    replica->sim = sim;
    replica->number = number;
    replica->jobs_last = &replica->jobs;
    replica->edits_left = sim->options->edits;
    pipe_init(&replica->wire.to_client);
    pipe_init(&replica->wire.to_relay);
    replica->asleep = sim->options->copies && number + 1 == sim->options->replicas;
    if (replica->asleep)
        return;
    device_from_seed(&replica->device, seed);
    struct journal_spec spec = {.mode = JOURNAL_CREATE, .doc = sim->keys.doc};
    replica->journal = journal_open_on(&replica->device, spec, &err);
    if (!replica->journal) {
        fail(sim, err.text, number);
        return;
    }
    if (number == 0) {
        if (!journal_note_put(replica->journal, "genesis", buf_view(&sim->genesis), &err))
            fail(sim, err.text, number);
        do_base(replica, buf_view(&sim->base_text));
    }
    if (sim->options->checkpoints && number > 0)
        replica->back_ms = random_below(&sim->random, LATE_MS);
    else
        start_replica(replica);
}

/* --- a machine is copied while it runs --- */

static bool copy_row(void *self, const struct journal_row *row)
{
    struct replica *copy = self;
    struct error err = {0};
    struct journal_local local = {row->agent, row->seq0, row->count, row->body, row->digest, NULL, {0}};
    struct journal_received received = {row->kind, row->agent, row->seq0, row->count, row->relay_place, row->hash, row->body};
    enum journal_added added = row->form == JOURNAL_LOCAL
                                   ? journal_add_local(copy->journal, &local, NULL, &err)
                                   : journal_add_received(copy->journal, &received, NULL, &err);
    if (added == JOURNAL_FAILED)
        fail(copy->sim, err.text, copy->number);
    return true;
}

static bool copy_sent(void *self, const struct journal_sent *sent)
{
    struct replica *copy = self;
    struct error err = {0};
    uint64_t id;
    if (journal_outbox_put(copy->journal, sent, &id, &err) == JOURNAL_FAILED ||
        (sent->acked && !journal_outbox_ack(copy->journal, id, &err)))
        fail(copy->sim, err.text, copy->number);
    return true;
}

static bool copy_journal(struct replica *copy, struct journal *from, struct error *err)
{
    struct buf genesis = {0}, base = {0};
    struct journal_relay relay = {0};
    struct journal_read read = {0};
    bool found, good = journal_note_get(from, "genesis", &genesis, &found, err) &&
                       journal_note_put(copy->journal, "genesis", buf_view(&genesis), err) &&
                       journal_base_load(from, &base, err) &&
                       journal_rows(from, 0, (struct journal_visitor){copy, copy_row}, &read, err) &&
                       journal_relay_get(from, &relay, err) &&
                       (relay.place == 0 || journal_relay_put(copy->journal, &relay, err));
    for (size_t i = 0; good && i < copy->mine_count; i++)
        good = journal_outbox_of(from, &copy->mine[i], 0, (struct journal_sent_visitor){copy, copy_sent}, err);
    if (good)
        do_base(copy, buf_view(&base));
    buf_release(&genesis);
    buf_release(&base);
    return good;
}

/* What is on its way to the disk is not copied, so there must be nothing. */
static void copy_machine(struct replica *copy, const struct replica *original)
{
    struct sim *sim = copy->sim;
    struct error err = {0};
    copy->asleep = false;
    copy->device = original->device;
    copy->agent = original->agent;
    memcpy(copy->mine, original->mine, sizeof copy->mine);
    copy->mine_count = original->mine_count;
    struct journal_spec spec = {.mode = JOURNAL_CREATE, .doc = sim->keys.doc};
    copy->journal = journal_open_on(&copy->device, spec, &err);
    if (!copy->journal || !copy_journal(copy, original->journal, &err))
        fail(sim, err.text, copy->number);
    else
        begin(copy, session_counter(original->session));
}

static void maybe_copy(struct replica *copy, bool at_last)
{
    struct sim *sim = copy->sim;
    uint64_t which = random_below(&sim->random, sim->options->hostile ? 1 : sim->options->replicas - 1);
    struct replica *original = &sim->replicas[which];
    if ((at_last || chance(sim, 150)) && original->running && original->session && original->document && !original->jobs)
        copy_machine(copy, original);
}

/* --- typing --- */

static void queue_batches(struct replica *replica, const struct batch_list *batches, size_t token)
{
    for (size_t i = 0; i < batches->count; i++) {
        const struct batch *batch = &batches->items[i];
        struct job *job = job_new(replica, JOB_LOCAL, (struct bytes){0});
        struct batch wire = {0};
        batch_copy(&wire, batch);
        chain_name_batch(replica->chain, &wire);
        batch_encode(&wire, &job->bytes);
        job->agent = batch->agent;
        job->seq0 = batch->seq0;
        job->count = batch->count;
        job->gesture = (batch->flags & BATCH_FLAG_GESTURE) != 0;
        job->token = i + 1 == batches->count ? token : SIZE_MAX;
        if (chain_add(replica->chain, &wire, buf_view(&job->bytes), &job->digest) != CHAIN_NEXT)
            fail(replica->sim, "a local batch does not follow", replica->number);
        batch_release(&wire);
    }
}

/* Nothing of it leaves, or is committed, before the history is here. */
static void apply_ahead(struct replica *replica, const struct patch *patch, size_t token)
{
    struct batch_list batches = {0};
    document_local(ahead_document(replica->ahead), &replica->agent, patch, (struct edit_mark){.gesture = true}, &batches);
    rope_apply(replica->ahead_text, patch);
    ensure(batches.count == 1);
    replica->ahead_tokens[ahead_wrote(replica->ahead, &batches)] = token;
    if (replica->sim->options->seen && token != SIZE_MAX)
        replica->sim->options->seen->typed_ahead++;
    batch_list_release(&batches);
}

static void apply_local(struct replica *replica, const struct patch *patch, size_t token)
{
    struct batch_list batches = {0};
    if (replica->ahead) {
        apply_ahead(replica, patch, token);
        return;
    }
    document_local(replica->document, &replica->agent, patch, (struct edit_mark){.gesture = true}, &batches);
    rope_apply(replica->text, patch);
    queue_batches(replica, &batches, token);
    batch_list_release(&batches);
}

static void read_text(const struct rope *rope, struct buf *out)
{
    buf_clear(out);
    rope_append_to(rope, 0, rope_len(rope), out);
}

/* A place that lies in no token, near a random one. */
static size_t free_place(struct sim *sim, const struct buf *text)
{
    size_t at = (size_t)random_below(&sim->random, text->len + 1);
    size_t open = at;
    while (open > 0 && text->data[open - 1] != '<' && text->data[open - 1] != '>')
        open--;
    if (open == 0 || text->data[open - 1] == '>')
        return at; /* base text, or right behind a token */
    return open - 1;
}

static void type_token(struct replica *replica, const struct buf *text)
{
    struct sim *sim = replica->sim;
    struct patch patch = {0};
    char typed[32];

    sim->tokens = xgrow(sim->tokens, &sim->token_cap, sim->token_count + 1, sizeof *sim->tokens);
    sim->tokens[sim->token_count] = (struct token){.replica = replica->number, .number = (unsigned)sim->token_count};
    snprintf(typed, sizeof typed, "<%u.%zu>", replica->number, sim->token_count);
    patch_replace(&patch, free_place(sim, text), 0, bytes_of_string(typed));
    apply_local(replica, &patch, sim->token_count++);
    patch_release(&patch);
}

/* The number of the token that begins at `at`, and its length; false: none does. */
static bool token_at(const struct buf *text, size_t at, size_t *number, size_t *len)
{
    unsigned replica;
    int used = 0;
    char piece[40] = {0};
    size_t left = text->len - at;
    if (left == 0)
        return false;
    if (left)
        memcpy(piece, text->data + at, left < sizeof piece - 1 ? left : sizeof piece - 1);
    if (piece[0] != '<' || sscanf(piece, "<%u.%zu>%n", &replica, number, &used) != 2 || used == 0)
        return false;
    *len = (size_t)used;
    return true;
}

static void touch(struct sim *sim, size_t number)
{
    if (number < sim->token_count)
        sim->tokens[number].touched = true;
}

static void delete_token(struct replica *replica, const struct buf *text)
{
    struct patch patch = {0};
    size_t at = free_place(replica->sim, text), number, len;
    if (!token_at(text, at, &number, &len))
        return;
    touch(replica->sim, number);
    patch_replace(&patch, at, len, (struct bytes){0});
    apply_local(replica, &patch, SIZE_MAX);
    patch_release(&patch);
}

/* Every token that is in one text and not in the other. */
static void touch_difference(struct sim *sim, const struct buf *a, const struct buf *b)
{
    unsigned char *seen = xcalloc(sim->token_count + 1, 1);
    const struct buf *texts[] = {a, b};
    for (int side = 0; side < 2; side++) {
        for (size_t at = 0; at < texts[side]->len; at++) {
            size_t number, len;
            if (token_at(texts[side], at, &number, &len) && number < sim->token_count)
                seen[number] |= (unsigned char)(1 << side);
        }
    }
    for (size_t i = 0; i < sim->token_count; i++)
        if (seen[i] == 1 || seen[i] == 2)
            touch(sim, i);
    free(seen);
}

static void undo(struct replica *replica, const struct buf *before)
{
    struct patch patch = {0};
    struct batch_list batches = {0};
    struct buf after = {0};
    enum undo_direction direction = chance(replica->sim, 3) ? UNDO_AGAIN : UNDO_BACK;
    if (document_undo(replica->document, replica->mine, replica->mine_count, &replica->agent, direction, 0, &patch,
                      &batches) == DOCUMENT_UNDONE) {
        rope_apply(replica->text, &patch);
        read_text(replica->text, &after);
        touch_difference(replica->sim, before, &after);
        queue_batches(replica, &batches, SIZE_MAX);
    }
    buf_release(&after);
    batch_list_release(&batches);
    patch_release(&patch);
}

/* --- somebody hostile --- */

/* In front of everything that is known there; or far beyond it, which does nothing. */
static void add_hostile_op(struct replica *replica, struct batch *batch)
{
    enum { BEYOND = 1 << 20, AT_MOST = 100 };
    struct sim *sim = replica->sim;
    char typed[32];
    if (chance(sim, 3)) {
        batch_add_delete(batch, BEYOND + random_below(&sim->random, BEYOND), 1 + random_below(&sim->random, AT_MOST));
        return;
    }
    sim->tokens = xgrow(sim->tokens, &sim->token_cap, sim->token_count + 1, sizeof *sim->tokens);
    sim->tokens[sim->token_count] = (struct token){.replica = replica->number, .number = (unsigned)sim->token_count};
    snprintf(typed, sizeof typed, "<%u.%zu>", replica->number, sim->token_count++);
    batch_add_insert(batch, 0, bytes_of_string(typed));
}

/* Of the hostile one: what one of them had written at some time; else he has heard of nobody. */
static void see_somebody(struct replica *replica, struct batch *batch)
{
    struct sim *sim = replica->sim;
    const struct replica *other = &sim->replicas[random_below(&sim->random, sim->options->replicas)];
    uint64_t next = document_next_seq(replica->document, &other->agent);
    if (next == 0 || agent_id_equal(&other->agent, &batch->agent))
        return;
    struct event_id seen = {other->agent, random_below(&sim->random, next)}, own = {batch->agent, batch->seq0 - 1};
    struct event_id heads[] = {seen, own};
    struct version version = {.heads = heads, .count = batch->seq0 > 0 ? 2 : 1};
    version_sort(&version);
    if (document_may_follow(replica->document, &version))
        batch_add_parent(batch, seen);
}

/* All its tokens are committed with it. */
static void wish_ill(struct replica *replica)
{
    enum { OPS = 12 };
    struct sim *sim = replica->sim;
    struct batch_list batches = {0};
    struct batch *batch = batch_list_add(&batches);
    size_t first = sim->token_count;
    batch->agent = replica->agent;
    batch->seq0 = document_next_seq(replica->document, &replica->agent);
    batch->flags = BATCH_FLAG_GESTURE | (batch->seq0 > 0 ? BATCH_FLAG_SELF : 0);
    if (chance(sim, 4))
        see_somebody(replica, batch);
    for (uint64_t i = 1 + random_below(&sim->random, OPS); i > 0; i--)
        add_hostile_op(replica, batch);
    add_batch(replica, batch);
    bring_up_to_date(replica);
    queue_batches(replica, &batches, SIZE_MAX);
    struct job *last = replica->jobs;
    while (last->next)
        last = last->next;
    last->more = xcalloc(sim->token_count - first + 1, sizeof *last->more);
    for (size_t token = first; token < sim->token_count; token++)
        last->more[last->more_count++] = token;
    batch_list_release(&batches);
}

static void edit(struct replica *replica)
{
    struct sim *sim = replica->sim;
    struct buf text = {0};
    if (!replica->ahead && chain_next_seq(replica->chain, &replica->agent) > document_next_seq(replica->document, &replica->agent)) {
        replica->forked = true; /* a copy of it has written on, and that waits */
        return;
    }
    if (is_hostile(replica)) {
        replica->edits_left--;
        wish_ill(replica);
        show_version(replica);
        return;
    }
    read_text(replica->ahead ? replica->ahead_text : replica->text, &text);
    replica->edits_left--;
    if (sim->options->undo && !replica->ahead && chance(sim, 6))
        undo(replica, &text);
    else if (chance(sim, 5))
        delete_token(replica, &text);
    else
        type_token(replica, &text);
    if (!replica->ahead)
        show_version(replica);
    buf_release(&text);
}

/* --- checkpoints --- */

/* As it is, or false in one of three ways. */
static void describe(struct replica *replica, struct checkpoint *checkpoint, struct rope *text)
{
    struct sim *sim = replica->sim;
    struct version now = {0};
    struct buf bytes = {0};
    bool lies = !sim->peace && chance(sim, 3);
    uint64_t how = lies ? random_below(&sim->random, 3) : 3;
    document_version(replica->document, &now);
    checkpoint->count = now.count;
    checkpoint->events = document_events(replica->document);
    for (size_t i = 0; i < now.count; i++) {
        checkpoint->heads[i].event = now.heads[i];
        if (!chain_find(replica->chain, &now.heads[i], &checkpoint->heads[i].digest))
            fail(sim, "a head without a digest", replica->number);
    }
    read_text(text, &bytes);
    if (how == 0)
        rope_insert(text, free_place(sim, &bytes), bytes_of_string("!"));
    else if (how == 1)
        checkpoint->heads[0].digest.bytes[random_below(&sim->random, sizeof checkpoint->heads[0].digest.bytes)] ^= 1;
    else if (how == 2)
        checkpoint->heads[0].event.seq += 1 + random_below(&sim->random, 1000);
    checkpoint_set_text(checkpoint, text);
    buf_release(&bytes);
    version_release(&now);
}

static void maybe_post(struct replica *replica)
{
    struct session_status status;
    struct checkpoint checkpoint = {0};
    session_status(replica->session, replica->sim->now_ms, &status);
    bool quiet = status.state == SESSION_ONLINE && status.caught_up && status.unacked_batches == 0 && !replica->jobs;
    if (!quiet || replica->ahead || chain_forks(replica->chain) > 0 || document_events(replica->document) == 0)
        return;
    struct rope *text = rope_snapshot(replica->text);
    describe(replica, &checkpoint, text);
    session_post_checkpoint(replica->session, &checkpoint, text, replica->sim->now_ms);
    if (replica->sim->options->seen)
        replica->sim->options->seen->posted++;
    rope_free(text);
}

/* All that was typed, as one edit of the true text. */
static void move_text(struct replica *replica, struct ahead *ahead)
{
    struct batch_list batches = {0};
    size_t count = ahead_batches(ahead)->count;
    ahead_write(ahead, replica->document, replica->sim->base, replica->text, &replica->agent, (struct edit_mark){.gesture = true}, &batches);
    bring_up_to_date(replica);
    queue_batches(replica, &batches, SIZE_MAX);
    struct job *last = batches.count > 0 ? replica->jobs : NULL;
    while (last && last->next)
        last = last->next;
    if (last)
        last->more = xcalloc(count + 1, sizeof *last->more);
    for (size_t i = 0; last && i < count; i++)
        if (replica->ahead_tokens[i] != SIZE_MAX)
            last->more[last->more_count++] = replica->ahead_tokens[i];
    batch_list_release(&batches);
}

static void move_batches(struct replica *replica, struct ahead *ahead)
{
    for (size_t i = 0; i < ahead_batches(ahead)->count; i++) {
        struct batch_list one = {0};
        batch_copy(batch_list_add(&one), &ahead_batches(ahead)->items[i]);
        add_batch(replica, &one.items[0]);
        queue_batches(replica, &one, replica->ahead_tokens[i]);
        batch_list_release(&one);
    }
    bring_up_to_date(replica);
}

static bool nothing_more_comes(struct replica *replica)
{
    struct session_status status;
    session_status(replica->session, replica->sim->now_ms, &status);
    if (status.state != SESSION_ONLINE || !status.caught_up)
        replica->ahead_all_ms = 0;
    else if (!replica->ahead_all_ms)
        replica->ahead_all_ms = replica->sim->now_ms;
    return replica->ahead_all_ms && replica->sim->now_ms - replica->ahead_all_ms > MISSING_MS;
}

static void step_ahead(struct replica *replica)
{
    struct sim *sim = replica->sim;
    struct ahead *ahead = replica->ahead;
    struct error why = {0};
    enum ahead_state state =
        ahead_compare(ahead, replica->document, sim->base, replica->chain, nothing_more_comes(replica), &why);
    if (state == AHEAD_WAITS)
        return;
    replica->ahead = NULL;
    if (state == AHEAD_RIGHT)
        move_batches(replica, ahead);
    else
        move_text(replica, ahead);
    if (sim->options->seen && state == AHEAD_RIGHT)
        sim->options->seen->right++;
    else if (sim->options->seen)
        sim->options->seen->wrong++;
    rope_free(replica->ahead_text);
    replica->ahead_text = NULL;
    ahead_free(ahead);
    show_version(replica);
}

static void step_checkpoints(struct replica *replica)
{
    if (!replica->sim->options->checkpoints || !replica->document)
        return;
    if (replica->ahead)
        step_ahead(replica);
    if (chance(replica->sim, 60))
        maybe_post(replica);
}

/* --- the steps of everything --- */

static void deliver_to_relay(struct sim *sim, struct replica *replica)
{
    struct wire *wire = &replica->wire;
    while (wire->open && wire->connection && wire->to_relay.first && wire->to_relay.first->at_ms <= sim->now_ms &&
           !wire->relay_closing && relay_reads(wire->connection)) {
        struct frame *frame = pipe_pop(&wire->to_relay);
        relay_receive(wire->connection, buf_view(&frame->bytes), sim->now_ms);
        frame_free(frame);
    }
    if (wire->open && wire->connection && wire->wants_write && relay_queued(sim, wire) < LINK_BYTES_MAX) {
        wire->wants_write = false;
        relay_writable(wire->connection, sim->now_ms);
    }
}

static void deliver_to_client(struct sim *sim, struct replica *replica)
{
    struct wire *wire = &replica->wire;
    if (wire->open && !wire->announced) {
        wire->announced = true;
        session_connected(replica->session, &(struct session_relay){.name = "the relay"}, sim->now_ms);
    }
    while (wire->open && wire->to_client.first && wire->to_client.first->at_ms <= sim->now_ms) {
        struct frame *frame = pipe_pop(&wire->to_client);
        session_receive(replica->session, buf_view(&frame->bytes), sim->now_ms);
        frame_free(frame);
    }
    if (wire->open && wire->stalled && wire->to_relay.bytes < LINK_BYTES_MAX / 2) {
        wire->stalled = false;
        session_writable(replica->session, sim->now_ms);
    }
    if (wire->open && wire->relay_closing && !wire->to_client.first)
        lose_connection(replica);
}

/* The session hung up: on_drop() only noted it. */
static void finish_drop(struct replica *replica)
{
    if (replica->wire.open || !replica->wire.announced)
        return;
    close_wire(replica);
    plan_reconnect(replica);
}

static void step_connection(struct sim *sim, struct replica *replica)
{
    struct session_status status;
    session_status(replica->session, sim->now_ms, &status);
    if (status.state == SESSION_ONLINE)
        backoff_reset(&replica->backoff);
    if (!replica->wire.open && sim->now_ms >= replica->connect_ms)
        connect_replica(replica);
    deliver_to_relay(sim, replica);
    deliver_to_client(sim, replica);
    if (session_next_ms(replica->session) <= sim->now_ms)
        session_tick(replica->session, sim->now_ms);
    finish_drop(replica);
    if (replica->wire.open && fault(sim, sim->options->cuts, 400)) {
        sim->cuts++;
        lose_connection(replica);
    }
}

static void step_replica(struct sim *sim, struct replica *replica)
{
    if (replica->asleep) {
        maybe_copy(replica, sim->peace);
        return;
    }
    if (replica->running && replica->forked) { /* it must not write on as this agent */
        stop_replica(replica);
        start_replica(replica);
    }
    if (!replica->running) {
        if (sim->now_ms >= replica->back_ms)
            start_replica(replica);
        return;
    }
    if (!replica->session)
        return;
    if (replica->follows && !replica->at_other)
        go_to(replica, true);
    step_connection(sim, replica);
    step_checkpoints(replica);
    if (replica->document)
        step_merging(replica);
    bool may_type = replica->ahead ? ahead_batches(replica->ahead)->count < AHEAD_TYPED_MAX : replica->document != NULL;
    if (may_type && replica->edits_left > 0 && sim->now_ms >= replica->type_ms && chance(sim, 20)) {
        edit(replica);
        if (sim->options->checkpoints)
            replica->type_ms = sim->now_ms + random_below(&sim->random, replica->ahead ? 50 : 3000);
        if (sim->options->pack_records_min && chance(sim, 5))
            replica->type_ms = sim->now_ms + random_below(&sim->random, 6000);
    }
    if (chance(sim, 3))
        run_disk(replica, 1 + random_below(&sim->random, 4));
    if (fault(sim, sim->options->client_crashes && replica->mine_count < 60, 1500))
        crash_replica(replica);
}

static void stop_relay(struct sim *sim)
{
    for (unsigned i = 0; i < sim->options->replicas; i++)
        sim->replicas[i].wire.connection = NULL;
    relay_free(sim->relay);
    sim->relay = NULL;
    for (unsigned i = 0; i < sim->options->replicas; i++)
        lose_connection(&sim->replicas[i]);
}

static void crash_relay(struct sim *sim)
{
    sim->relay_crashes++;
    store_crash(sim->store);
    stop_relay(sim);
    sim->relay_back_ms = sim->now_ms + random_below(&sim->random, 3000);
}

static struct store *open_store(struct sim *sim, const char *path)
{
    struct error err = {0};
    struct store_options options = {.path = path, .by_hand = true};
    struct store *store = store_open(&options, &err);
    if (!store)
        fail(sim, err.text, 99);
    return store;
}

static void remove_store(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal", ".lock"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char *name = xformat("%s%s", path, tails[i]);
        (void)unlink(name);
        free(name);
    }
}

static void take_backup(struct sim *sim)
{
    struct error err = {0};
    remove_store(sim->backup_path);
    if (!store_backup(sim->store, sim->backup_path, &err))
        fail(sim, err.text, 99);
    sim->has_backup = true;
}

/* The relay's disk died; the operator puts the old backup in its place. */
static void restore_backup(struct sim *sim)
{
    store_crash(sim->store);
    stop_relay(sim);
    store_free(sim->store);
    remove_store(sim->store_path);
    if (rename(sim->backup_path, sim->store_path) != 0)
        fail(sim, "the backup is gone", 99);
    sim->has_backup = false;
    sim->restored++;
    sim->store = open_store(sim, sim->store_path);
    sim->relay_back_ms = sim->now_ms + random_below(&sim->random, 3000);
}

/* --- a second relay --- */

/* The same log up to here, under the same id; from now on each group writes its own on. */
static void begin_views(struct sim *sim)
{
    store_commit(sim->store);
    take_backup(sim);
    sim->has_backup = false;
    sim->other_store = open_store(sim, sim->backup_path);
    if (!sim->other_store)
        return;
    sim->other = relay_on(sim, sim->other_store);
    for (unsigned i = 1; i < sim->options->replicas; i += 2) {
        sim->replicas[i].at_other = true;
        lose_connection(&sim->replicas[i]);
    }
}

/* Nobody is connected. What only the second one had is gone. */
static void end_other(struct sim *sim)
{
    if (sim->other)
        relay_free(sim->other);
    store_free(sim->other_store);
    sim->other = NULL;
    sim->other_store = NULL;
}

/* What `weft share FILE --relay NEW` does: all of it to the new relay, a word to the old one, and then for good. */
static void step_move(struct sim *sim)
{
    struct replica *owner = &sim->replicas[0];
    struct session_status status = {0};
    if (!owner->running || !owner->session || !owner->document)
        return;
    session_status(owner->session, sim->now_ms, &status);
    bool online = status.state == SESSION_ONLINE && status.caught_up;
    switch (sim->move) {
    case MOVE_NOT_YET:
        if (!online || !(sim->peace || chance(sim, 300)))
            return;
        sim->other_store = open_store(sim, ":memory:");
        sim->other = relay_on(sim, sim->other_store);
        go_to(owner, true);
        sim->move = MOVE_UPLOADS;
        return;
    case MOVE_UPLOADS:
        if (!online || !owner->at_other || status.unacked_batches > 0 || status.base_done < status.base_total)
            return;
        go_to(owner, false);
        sim->move = MOVE_TELLS;
        return;
    case MOVE_TELLS:
        if (!online || owner->at_other)
            return;
        session_move_document(owner->session, 77, bytes_of_string("wss://other"), sim->now_ms);
        sim->move = MOVE_TOLD;
        return;
    case MOVE_TOLD:
        if (owner->at_other)
            sim->move = MOVE_DONE;
        else if (chance(sim, 500)) /* the word may have been lost with a connection: again does no harm */
            sim->move = MOVE_TELLS;
        return;
    case MOVE_DONE:
        return;
    }
}

static void step_other(struct sim *sim)
{
    if (sim->options->moves)
        step_move(sim);
    if (sim->options->views && !sim->other && sim->relay && fault(sim, true, 300))
        begin_views(sim);
    if (!sim->other)
        return;
    if (chance(sim, 3))
        store_commit(sim->other_store);
    relay_poll(sim->other, sim->now_ms);
}

/* Where packs matter, a day is over in twenty seconds. */
static uint64_t wall_s(const struct sim *sim)
{
    return 1700000000 + (sim->options->pack_records_min ? sim->now_ms * 4 : sim->now_ms / 1000);
}

static void step_relay(struct sim *sim)
{
    if (!sim->relay) {
        if (sim->now_ms >= sim->relay_back_ms && sim->store)
            start_relay(sim);
        return;
    }
    if (chance(sim, 3))
        store_commit(sim->store);
    relay_poll(sim->relay, sim->now_ms);
    if (sim->now_ms >= sim->relay_tick_ms) {
        relay_tick(sim->relay, sim->now_ms, wall_s(sim));
        if (sim->other)
            relay_tick(sim->other, sim->now_ms, wall_s(sim));
        sim->relay_tick_ms = sim->now_ms + RELAY_TICK_MS;
    }
    if (fault(sim, sim->options->relay_crashes, 1200)) {
        crash_relay(sim);
        return;
    }
    if (fault(sim, sim->options->restores, 600))
        take_backup(sim);
    if (sim->has_backup && sim->restored < 3 && fault(sim, sim->options->restores, 900))
        restore_backup(sim);
}

/* --- the end --- */

static bool is_settled(struct sim *sim, struct replica *replica)
{
    struct session_status status;
    if (!replica->running || !replica->session || !replica->document || replica->ahead || replica->edits_left > 0 || replica->jobs)
        return false;
    if (replica->waiting.count > 0 || replica->held.count > 0)
        return false;
    if (sim->options->moves && !replica->at_other)
        return false;
    session_status(replica->session, sim->now_ms, &status);
    return status.state == SESSION_ONLINE && status.caught_up && status.unacked_batches == 0;
}

static bool all_settled(struct sim *sim)
{
    for (unsigned i = 0; i < sim->options->replicas; i++)
        if (!is_settled(sim, &sim->replicas[i]))
            return false;
    uint64_t events = document_events(sim->replicas[0].document);
    for (unsigned i = 1; i < sim->options->replicas; i++)
        if (document_events(sim->replicas[i].document) != events)
            return false;
    /* Two sides of a fork may be equally long: whoever sees something else than the others finds out in time. */
    for (unsigned i = 1; i < sim->options->replicas; i++)
        if (sim->options->views && !rope_equal(sim->replicas[0].text, sim->replicas[i].text))
            return false;
    return true;
}

/* Faults end, and whatever an evil relay left behind on a connection ends with the connection. */
static void make_peace(struct sim *sim)
{
    sim->peace = true;
    for (unsigned i = 0; i < sim->options->replicas; i++) {
        lose_connection(&sim->replicas[i]);
        sim->replicas[i].at_other &= !sim->options->views;
    }
    if (sim->options->views)
        end_other(sim);
}

static bool all_typed(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->options->replicas; i++)
        if (sim->replicas[i].edits_left > 0)
            return false;
    return true;
}

static void report_state(struct sim *sim)
{
    for (unsigned i = 0; i < sim->options->replicas; i++) {
        struct replica *replica = &sim->replicas[i];
        struct session_status status = {0};
        if (replica->session)
            session_status(replica->session, sim->now_ms, &status);
        buf_addf(
            sim->report,
            "  replica %u: running %d document %d edits left %u jobs %d state %d caught up %d unacked %llu events %llu "
            "why %s\n",
            i, replica->running, replica->document != NULL, replica->edits_left, replica->jobs != NULL, status.state,
            status.caught_up, (unsigned long long)status.unacked_batches,
            (unsigned long long)(replica->document ? document_events(replica->document) : 0), status.why.text);
    }
}

static void check_tokens(struct sim *sim, const struct buf *text)
{
    unsigned *seen = xcalloc(sim->token_count + 1, sizeof *seen);
    size_t base_left = 0;
    for (size_t at = 0; at < text->len;) {
        size_t number, len;
        if (token_at(text, at, &number, &len)) {
            if (number < sim->token_count)
                seen[number]++;
            else
                fail(sim, "the text holds a token that nobody typed", 0);
            at += len;
        } else {
            base_left++;
            at++;
        }
    }
    if (base_left != sim->base_text.len)
        fail(sim, "the text holds bytes that nobody typed, or lacks some of its base", 0);
    for (size_t i = 0; i < sim->token_count; i++) {
        const struct token *token = &sim->tokens[i];
        if (token->committed && !token->touched && seen[i] == 0)
            fail(sim, "a committed token is lost", token->replica);
        if (!token->touched && seen[i] > 1)
            fail(sim, "a token is there twice", token->replica);
        if (!token->committed && seen[i] > 0)
            fail(sim, "a token is there whose writer lost it in a crash", token->replica);
    }
    free(seen);
}

static void check_all(struct sim *sim)
{
    struct buf first = {0};
    read_text(sim->replicas[0].text, &first);
    for (unsigned i = 0; i < sim->options->replicas; i++) {
        document_check(sim->replicas[i].document);
        if (sim->options->hostile && sim->options->seen)
            sim->options->seen->void_runs += document_stats(sim->replicas[i].document).void_events > 0;
        if (!rope_equal(sim->replicas[0].text, sim->replicas[i].text))
            fail(sim, "the text differs from the first one's", i);
    }
    check_tokens(sim, &first);
    buf_release(&first);
}

static void step(struct sim *sim)
{
    sim->now_ms += 1 + random_below(&sim->random, STEP_MS_MAX);
    step_relay(sim);
    step_other(sim);
    for (unsigned i = 0; i < sim->options->replicas; i++)
        step_replica(sim, &sim->replicas[i]);
}

static void live(struct sim *sim)
{
    while (!sim->failed && !(all_typed(sim) && chance(sim, 200)) && sim->now_ms < FAULTS_UNTIL_MS)
        step(sim);
    make_peace(sim);
    while (!sim->failed && !all_settled(sim) && sim->now_ms < GIVE_UP_MS)
        step(sim);
    if (!sim->failed && !all_settled(sim)) {
        fail(sim, "no peace after ten minutes", 99);
        report_state(sim);
    }
    if (!sim->failed)
        check_all(sim);
}

static void init_sim(struct sim *sim, uint64_t seed)
{
    unsigned char relay_seed[CRYPTO_SEED_BYTES] = {0xaa}, admin_seed[KEY_SEED_BYTES] = {0x42};
    struct genesis genesis;
    struct error err = {0};

    if (!crypto_start(&err))
        fail(sim, err.text, 99);
    sim->random = random_of(seed);
    sim->now_ms = 1;
    doc_keys_from_admin(&sim->keys, admin_seed);
    sign_key_from_seed(&sim->relay_key, relay_seed);
    memset(buf_extend(&sim->base_text, sim->options->base_bytes), '.', sim->options->base_bytes);
    sim->base = rope_from_bytes(buf_view(&sim->base_text));
    genesis_make(&sim->keys, sim->base, &genesis);
    genesis_seal(&genesis, &sim->keys, &sim->genesis);
    snprintf(sim->backup_path, sizeof sim->backup_path, "/dev/shm/weft-sim-%d-%llx.backup", (int)getpid(),
             (unsigned long long)seed);
    snprintf(sim->store_path, sizeof sim->store_path, "/dev/shm/weft-sim-%d-%llx.store", (int)getpid(),
             (unsigned long long)seed);
    sim->store = open_store(sim, ":memory:");
    if (sim->store)
        start_relay(sim);
    for (unsigned i = 0; i < sim->options->replicas; i++)
        init_replica(sim, i);
}

static void release_sim(struct sim *sim)
{
    for (unsigned i = 0; i < sim->options->replicas; i++) {
        struct replica *replica = &sim->replicas[i];
        stop_replica(replica);
        journal_close(replica->journal);
        device_wipe(&replica->device);
    }
    if (sim->relay)
        relay_free(sim->relay);
    end_other(sim);
    store_free(sim->store);
    remove_store(sim->backup_path);
    remove_store(sim->store_path);
    rope_free(sim->base);
    buf_release(&sim->base_text);
    buf_release(&sim->genesis);
    doc_keys_wipe(&sim->keys);
    free(sim->tokens);
}

bool sim_run(uint64_t seed, const struct sim_options *options, struct buf *report)
{
    struct sim *sim = xcalloc(1, sizeof *sim);
    ensure(options->replicas >= 2 && options->replicas <= REPLICAS_MAX);
    sim->options = options;
    sim->report = report;
    init_sim(sim, seed);
    live(sim);
    bool good = !sim->failed;
    if (!good)
        buf_addf(report, "  %u crashes, %u cuts, %u relay crashes, %u restores, %u tampered frames, %u alarms\n",
                 sim->crashes, sim->cuts, sim->relay_crashes, sim->restored, sim->tampered, sim->alarms);
    release_sim(sim);
    free(sim);
    return good;
}
