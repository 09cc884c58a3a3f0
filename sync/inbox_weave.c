/* Records that wait for each other: each has a piece that another one builds on (sync/weave.h). */
#include "sync/inbox_parts.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"
#include "sync/weave.h"

/* One of those that wait, opened. */
struct thread {
    size_t waiting; /* which one it is */
    struct record record;
    const struct member *member;
    struct received opened;
};

struct weaving {
    struct inbox *inbox;
    struct thread *threads;
    size_t count;
    struct weave_run *runs;
};

/* --- whether there is anything to be put together --- */

static int compare_waiting(const void *a, const void *b)
{
    const struct waiting *left = *(const struct waiting *const *)a, *right = *(const struct waiting *const *)b;
    int order = agent_id_compare(&left->agent, &right->agent);
    return order != 0 ? order : (left->seq0 > right->seq0) - (left->seq0 < right->seq0);
}

static bool is_in_front(const struct waiting *waiting, const struct event_id *event)
{
    int order = agent_id_compare(&waiting->agent, &event->agent);
    return order < 0 || (order == 0 && waiting->seq0 <= event->seq);
}

static bool needs_one_of(const struct waiting *waiting, const struct waiting *const *sorted, size_t count)
{
    const struct event_id *needs = &waiting->needs;
    size_t at;
    BISECT(at, count, is_in_front(sorted[at], needs));
    return at > 0 && agent_id_equal(&sorted[at - 1]->agent, &needs->agent) && needs->seq < sorted[at - 1]->end;
}

/* Whether something waits for what waits itself. */
static bool may_be_woven(const struct inbox *inbox)
{
    bool may = false;
    const struct waiting **sorted = xcalloc(inbox->waiting_count, sizeof(struct waiting *));
    for (size_t i = 0; i < inbox->waiting_count; i++)
        sorted[i] = &inbox->waiting[i];
    if (inbox->waiting_count > 1)
        qsort(sorted, inbox->waiting_count, sizeof(struct waiting *), compare_waiting);
    for (size_t i = 0; !may && i < inbox->waiting_count; i++)
        may = inbox->waiting[i].needs_event && needs_one_of(&inbox->waiting[i], sorted, inbox->waiting_count);
    free(sorted);
    return may;
}

/* --- those that wait, as runs --- */

static bool open_waiting(struct inbox *inbox, size_t i, struct thread *thread)
{
    struct error ignored = {0}; /* it is said when its turn comes */
    const struct waiting *waiting = &inbox->waiting[i];
    const struct roster_entry *entry = roster_find(inbox->roster, &waiting->agent);
    if (!entry || !entry->member.has_grant)
        return false;
    *thread = (struct thread){.waiting = i, .member = &entry->member};
    if (record_decode(buf_view(&waiting->stored), &thread->record, &ignored) &&
        inbox_open_record(inbox, &thread->record, &thread->opened, &ignored))
        return true;
    received_release(&thread->opened);
    return false;
}

static void weaving_init(struct weaving *weaving, struct inbox *inbox)
{
    size_t bytes = 0, most = inbox->waiting_count < WEAVE_RUNS_MAX ? inbox->waiting_count : WEAVE_RUNS_MAX;
    weaving->inbox = inbox;
    weaving->threads = xcalloc(most, sizeof *weaving->threads);
    weaving->runs = xcalloc(most, sizeof *weaving->runs);
    for (size_t i = 0; i < inbox->waiting_count && weaving->count < most && bytes < INBOX_WEAVE_BYTES_MAX; i++) {
        struct thread *thread = &weaving->threads[weaving->count];
        if (!open_waiting(inbox, i, thread))
            continue;
        bytes += thread->opened.plain.len;
        weaving->runs[weaving->count++] =
            (struct weave_run){thread->opened.run, thread->opened.seq0 + thread->opened.count};
    }
}

static void weaving_release(struct weaving *weaving)
{
    for (size_t i = 0; i < weaving->count; i++)
        received_release(&weaving->threads[i].opened);
    free(weaving->threads);
    free(weaving->runs);
}

static bool is_signed(void *self, size_t run, const struct digest *last)
{
    struct weaving *weaving = self;
    struct thread *thread = &weaving->threads[run];
    return inbox_is_signed(weaving->inbox, &thread->record, thread->member, last, &thread->opened.checked);
}

/* --- handing out --- */

/* From the last one on, so that those in front keep their places; until the last of them has gone there is a hole. */
static void hand_out_records(struct weaving *weaving, const struct weave *weave)
{
    struct inbox *inbox = weaving->inbox;
    for (size_t i = weaving->count; i-- > 0;) {
        const struct received *opened = &weaving->threads[i].opened;
        if (!weave->taken[i])
            continue;
        struct waiting waiting = inbox_take_waiting(inbox, weaving->threads[i].waiting);
        struct received received = {.kind = opened->kind, .place = waiting.place, .agent = opened->agent, .checked = opened->checked,
                                    .seq0 = opened->seq0, .count = opened->count, .stored = waiting.stored};
        record_hash(buf_view(&received.stored), &received.hash);
        inbox->port.received(inbox->port.self, &received);
        received_release(&received);
    }
}

static void hand_out_piece(struct weaving *weaving, const struct weave_piece *piece)
{
    const struct received *opened = &weaving->threads[piece->run].opened;
    struct received received = {.kind = opened->kind, .agent = opened->agent, .seq0 = piece->part.seq0};
    buf_add_bytes(&received.plain, piece->part.plain);
    received.run = piece->part;
    received.run.plain = buf_view(&received.plain);
    received.digests = xcalloc(piece->part.count, sizeof *received.digests);
    (void)inbox_hand_out(weaving->inbox, &received, 0, &piece->last);
    received_release(&received);
}

void inbox_weave(struct inbox *inbox)
{
    struct weaving weaving = {0};
    struct weave weave = {0};
    bool news = inbox->waits_anew;
    inbox->waits_anew = false;
    if (!news || !may_be_woven(inbox))
        return;
    weaving_init(&weaving, inbox);
    bool taken = weave_runs(&weave, inbox->chain, &inbox->keys->doc, weaving.runs, weaving.count,
                            (struct weave_judge){&weaving, is_signed});
    if (taken)
        hand_out_records(&weaving, &weave);
    for (size_t i = 0; taken && i < weave.piece_count; i++)
        hand_out_piece(&weaving, &weave.pieces[i]);
    weave_release(&weave);
    weaving_release(&weaving);
    if (taken)
        inbox_settle(inbox);
}
