#include "sync/document_parts.h"

#include <string.h>

#include "editor/base/least.h"

/* What a batch takes at most besides its text: head with parents, label and time; an operation; an undo span. */
enum { HEAD_BYTES_MAX = 2048, OP_BYTES_MAX = 18, SPAN_BYTES_MAX = AGENT_ID_BYTES + 18, TEXT_BYTES_MIN = 64 };
enum { KEY_EVENTS_MAX = 4096 }; /* far from filling a batch, whatever they are */

static void set_parents(struct writer *writer)
{
    const struct graph *graph = writer->document->graph;
    if (writer->recorded) {
        writer->batch->flags |= BATCH_FLAG_SELF;
        return;
    }
    if (writer->document->asleep) {
        const struct version *version = document_asleep_version(writer->document);
        for (size_t i = 0; i < version->count; i++)
            batch_add_parent(writer->batch, version->heads[i]);
        return;
    }
    for (size_t i = 0; writer->parents.count == 0 && i < writer->document->root.count; i++)
        batch_add_parent(writer->batch, writer->document->root.heads[i]);
    for (size_t i = 0; i < writer->parents.count; i++) {
        struct graph_author author = graph_author_of(graph, writer->parents.items[i]);
        batch_add_parent(writer->batch, (struct event_id){*graph_agent_id(graph, author.agent), author.seq});
    }
}

static void set_mark(struct writer *writer)
{
    struct batch *batch = writer->batch;
    if (writer->mark.gesture)
        batch->flags |= BATCH_FLAG_GESTURE;
    if (writer->mark.time_s)
        batch->flags |= BATCH_FLAG_TIME;
    batch->time_s = writer->mark.time_s;
    if (writer->mark.label && *writer->mark.label) {
        batch->flags |= BATCH_FLAG_LABEL;
        strncpy(batch->label, writer->mark.label, BATCH_LABEL_BYTES_MAX);
    }
    writer->mark = (struct edit_mark){0};
}

static void set_undo(struct writer *writer)
{
    if (!writer->undo)
        return;
    batch_add_undo(writer->batch, *writer->undo);
    if (writer->redo)
        writer->batch->flags |= BATCH_FLAG_REDO;
}

static void begin_batch(struct writer *writer)
{
    struct document *document = writer->document;
    writer->batch = batch_list_add(writer->out);
    writer->batch->agent = writer->agent;
    writer->batch->seq0 = writer->recorded ? writer->seq : document_next_seq(document, &writer->agent);
    writer->size = HEAD_BYTES_MAX;
    set_parents(writer);
    set_mark(writer);
    set_undo(writer);
}

/* The batch is complete: it goes to the document, and what follows comes after it. */
static void finish_batch(struct writer *writer)
{
    struct document *document = writer->document;
    batch_end(writer->batch);
    if (writer->recorded) {
        writer->seq += writer->batch->count;
        return;
    }
    if (document->asleep) {
        document_asleep_wrote(document, writer->batch);
        return;
    }
    document_append_batch(document, writer->batch, writer->parents.items, writer->parents.count);
    uint64_t last = graph_len(document->graph) - 1;
    lv_list_set(&writer->parents, &last, 1);
}

/* The head that holds everything the agent wrote has to be among a batch's parents, so it goes first. */
static void own_head_first(struct writer *writer, struct lv_list *heads)
{
    struct graph *graph = writer->document->graph;
    size_t agent = graph_agent(graph, &writer->agent);
    uint64_t next = graph_next_seq(graph, agent), previous;
    if (next == 0 || !graph_find(graph, agent, next - 1, &previous, NULL))
        return;
    for (size_t i = 0; i < heads->count; i++) {
        if (!graph_contains(graph, &heads->items[i], 1, previous))
            continue;
        uint64_t head = heads->items[i];
        memmove(heads->items + 1, heads->items, i * sizeof *heads->items);
        heads->items[0] = head;
        return;
    }
}

/* Merge markers join heads, a batch's worth at a time, until few enough are left to be the parents of one batch. */
static void join_heads(struct writer *writer)
{
    struct lv_list heads = {0};
    if (writer->parents.count <= BATCH_PARENTS_MAX)
        return;
    lv_list_set(&heads, writer->parents.items, writer->parents.count);
    while (heads.count > BATCH_PARENTS_MAX) {
        own_head_first(writer, &heads);
        lv_list_set(&writer->parents, heads.items, BATCH_PARENTS_MAX);
        lv_list_sort(&writer->parents);
        begin_batch(writer);
        batch_add_nop(writer->batch);
        finish_batch(writer);
        heads.count -= BATCH_PARENTS_MAX;
        memmove(heads.items, heads.items + BATCH_PARENTS_MAX, heads.count * sizeof *heads.items);
        lv_list_add(&heads, writer->parents.items[0]);
        lv_list_set(&writer->parents, heads.items, heads.count);
    }
    lv_list_release(&heads);
}

void writer_begin(struct writer *writer, const uint64_t *parents, size_t parent_count)
{
    document_take(writer->document, writer->out);
    writer->parents = writer->document->spare;
    writer->document->spare = (struct lv_list){0};
    lv_list_set(&writer->parents, parents, parent_count);
    join_heads(writer);
    begin_batch(writer);
}

void writer_begin_at_head(struct writer *writer)
{
    if (writer->document->asleep && document_asleep_version(writer->document)->count > BATCH_PARENTS_MAX)
        document_wake(writer->document);
    const struct lv_list *heads = graph_frontier(writer->document->graph);
    ensure(writer->document->merged == graph_len(writer->document->graph));
    writer_begin(writer, heads->items, heads->count);
}

/* Makes sure that an operation of so many bytes and events fits, if need be in a new batch. */
static void make_room(struct writer *writer, size_t bytes, uint64_t events)
{
    struct batch *batch = writer->batch;
    bool fits = writer->size + bytes <= BATCH_BYTES_MAX && batch->op_count < BATCH_OPS_MAX &&
                batch->undo_count < BATCH_UNDO_MAX && events <= BATCH_EVENTS_MAX - batch->count;
    if (!fits) {
        finish_batch(writer);
        begin_batch(writer);
    }
}

void writer_delete(struct writer *writer, uint64_t pos, uint64_t len)
{
    for (uint64_t part; len > 0; len -= part) {
        part = least(len, BATCH_EVENTS_MAX);
        make_room(writer, OP_BYTES_MAX, part);
        batch_add_delete(writer->batch, pos, part);
        writer->size += OP_BYTES_MAX;
    }
}

/* As much of the text as goes into the present batch. */
static size_t insert_some(struct writer *writer, uint64_t pos, struct bytes text, size_t overhead)
{
    size_t at_least = text.len < TEXT_BYTES_MIN ? text.len : TEXT_BYTES_MIN;
    make_room(writer, overhead + at_least, BATCH_BYTES_MAX);
    size_t room = BATCH_BYTES_MAX - writer->size - overhead;
    size_t len = text.len < room ? text.len : room;
    batch_add_insert(writer->batch, pos, bytes_slice(text, 0, len));
    writer->size += overhead + len;
    return len;
}

void writer_insert(struct writer *writer, uint64_t pos, struct bytes text)
{
    while (text.len > 0) {
        size_t len = insert_some(writer, pos, text, OP_BYTES_MAX);
        text = bytes_slice(text, len, text.len - len);
        pos += len;
    }
}

void writer_restore(struct writer *writer, uint64_t pos, struct bytes text, struct event_span deletes, bool back)
{
    while (text.len > 0) {
        size_t len = insert_some(writer, pos, text, OP_BYTES_MAX + SPAN_BYTES_MAX);
        struct event_span span = {deletes.agent, deletes.seq, len};
        deletes.len -= len;
        if (back)
            span.seq += deletes.len;
        else
            deletes.seq += len;
        batch_add_undo(writer->batch, span);
        text = bytes_slice(text, len, text.len - len);
        pos += len;
    }
}

void writer_end(struct writer *writer, bool even_if_empty)
{
    if (writer->batch->op_count == 0 && even_if_empty)
        batch_add_nop(writer->batch);
    if (writer->batch->op_count > 0)
        finish_batch(writer);
    else
        batch_list_cut(writer->out, writer->out->count - 1);
    lv_list_release(&writer->document->spare);
    writer->document->spare = writer->parents;
}

void document_wrote(struct document *document, const struct patch *patch)
{
    uint64_t first = document->merged, len = document->len;
    document->len = len + patch_inserted(patch) - patch_deleted(patch);
    if (document->asleep) {
        document_asleep_in_text(document);
        return;
    }
    document->merged = graph_len(document->graph);
    document_note_critical(document, first, len);
}

void document_note_critical(struct document *document, uint64_t first, uint64_t len)
{
    const struct critical_range *range = critical_find(&document->critical, document->merged - 1);
    if (range && range->first >= first) /* markers may stand before it; they leave the text as it is */
        critical_note(&document->critical, range->first, len);
}

/* --- local patches --- */

static void write_patch(struct writer *writer, const struct patch *patch)
{
    uint64_t pos = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        switch (part->kind) {
        case PART_RETAIN:
            pos += part->len;
            break;
        case PART_INSERT:
            writer_insert(writer, pos, patch_part_text(patch, part));
            pos += part->len;
            break;
        case PART_DELETE:
            writer_delete(writer, pos, part->len);
            break;
        }
    }
}

static bool follows_undo(const struct document *document, const struct agent_id *agent)
{
    size_t number;
    return document->undo_end > 0 && graph_find_agent(document->graph, agent, &number) &&
           number == document->undo_agent && graph_next_seq(document->graph, number) == document->undo_end;
}

static OUT_OF_LINE void record_any(struct document *document, const struct agent_id *agent, const struct patch *patch,
                                   struct edit_mark mark)
{
    ensure(patch_old_len(patch) <= document->len);
    if (patch_is_empty(patch))
        return;
    document_flush(document);
    struct writer writer = {.document = document, .agent = *agent, .out = &document->untaken.batches, .mark = mark};
    writer_begin_at_head(&writer);
    write_patch(&writer, patch);
    writer_end(&writer, false);
    document_wrote(document, patch);
}

/* Events that follow are not to be taken together with those that nobody has taken so far. */
static OUT_OF_LINE void begin_untaken(struct document *document)
{
    document_flush(document);
    document->untaken.from = document->merged;
}

/*
 * Nearly every key: one place changes, the agent goes on after its own newest event, which is the only head, and there
 * is nothing to say besides. Then graph and log become longer, and whoever wants the batch makes it from them. False, and
 * nothing is changed, when it is not so.
 */
static OUT_OF_LINE bool record_plain(struct document *document, const struct agent_id *agent, const struct patch *patch)
{
    struct replacement key;
    uint64_t len = document->len, first = document->merged;
    if (document->asleep || !patch_is_replacement(patch, &key) || key.at > len || key.deleted > len - key.at ||
        key.deleted > BATCH_EVENTS_MAX || !graph_write_on(document->graph, agent, key.text.len + key.deleted))
        return false;
    if (document->untaken.upto != first)
        begin_untaken(document);
    if (key.text.len > 0)
        oplog_add_insert(&document->log, key.at, key.text);
    if (key.deleted > 0)
        oplog_add_delete(&document->log, key.at + key.text.len, key.deleted);
    document->merged = document->untaken.upto = document->log.len;
    document->len = len + key.text.len - key.deleted;
    critical_go_on(&document->critical, first, document->merged - first);
    return true;
}

/* The same for a byte behind what was recorded last and is an insert: it is in the text, so the byte's place is as well. */
static inline bool record_byte(struct document *document, const struct agent_id *agent, const struct patch *patch)
{
    if (!patch->replaces || patch->deleted > 0 || patch->text.len != 1 || document->untaken.upto != document->merged ||
        !oplog_may_type(&document->log, patch->at) || !graph_write_on(document->graph, agent, 1))
        return false;
    oplog_type(&document->log, patch->text.data[0]);
    critical_go_on(&document->critical, document->merged, 1);
    document->untaken.upto = ++document->merged;
    document->len++;
    return true;
}

static bool is_plain(struct edit_mark mark)
{
    return !mark.gesture && !mark.time_s && !mark.label;
}

void document_record(struct document *document, const struct agent_id *agent, const struct patch *patch, struct edit_mark mark)
{
    ensure(document->merged == graph_len(document->graph) && !document->loaded && !document_asleep_is_behind(document));
    mark.gesture = mark.gesture || follows_undo(document, agent);
    if (is_plain(mark) && (record_byte(document, agent, patch) || record_plain(document, agent, patch)))
        return;
    record_any(document, agent, patch, mark);
}

void document_local(struct document *document, const struct agent_id *agent, const struct patch *patch,
                    struct edit_mark mark, struct batch_list *out)
{
    document_record(document, agent, patch, mark);
    document_take(document, out);
}

/* --- batches of what was recorded --- */

/* An operation for every event, or one for all. */
static void write_piece(struct writer *writer, const struct op_piece *piece)
{
    switch (piece->shape) {
    case SHAPE_INSERT:
        writer_insert(writer, piece->pos, oplog_text(&writer->document->log, piece->text_at, piece->len));
        break;
    case SHAPE_DELETE:
        writer_delete(writer, piece->pos, piece->len);
        break;
    case SHAPE_DELETE_EACH:
        for (uint64_t i = 0; i < piece->len; i++)
            writer_delete(writer, piece->pos, 1);
        break;
    case SHAPE_BACKSPACE:
        for (uint64_t i = 0; i < piece->len; i++)
            writer_delete(writer, piece->pos - i, 1);
        break;
    case SHAPE_NOP:
        ensure(false); /* none is written plainly */
    }
}

static OUT_OF_LINE void write_many_untaken(struct document *document, struct batch_list *out)
{
    struct untaken *untaken = &document->untaken;
    struct graph_author author = graph_author_of(document->graph, untaken->from);
    ensure(author.len >= untaken->upto - untaken->from);
    struct writer writer = {.document = document,
                            .agent = *graph_agent_id(document->graph, author.agent),
                            .out = out,
                            .seq = author.seq,
                            .recorded = true};
    begin_batch(&writer);
    while (untaken->from < untaken->upto) {
        struct op_piece piece = oplog_piece(&document->log, untaken->from, untaken->upto);
        write_piece(&writer, &piece);
        untaken->from += piece.len;
    }
    finish_batch(&writer);
}

/* Events [from, upto) of a run as operations, as write_piece() does. */
static inline void add_ops(struct batch *batch, const struct oplog *log, const struct op_run *run, uint64_t from, uint64_t upto)
{
    uint64_t offset = from - run->first, len = upto - from;
    if (run->shape == SHAPE_INSERT)
        batch_add_insert(batch, run->pos + offset, bytes_of(log->text.data + run->text_at + offset, len));
    else if (run->shape == SHAPE_DELETE)
        batch_add_delete(batch, run->pos, len);
    else
        for (uint64_t i = offset; i < offset + len; i++)
            batch_add_delete(batch, run->shape == SHAPE_BACKSPACE ? run->pos - i : run->pos, 1);
}

/* The same batch, where that and nothing else is new: after a key. Of many operations, or large ones, a writer makes several. */
static inline bool write_key(struct document *document, struct batch_list *out)
{
    struct untaken *untaken = &document->untaken;
    const struct oplog *log = &document->log;
    struct event_id next;
    uint64_t from = untaken->from, upto = untaken->upto;
    if (upto - from > KEY_EVENTS_MAX || upto != log->len || !graph_next(document->graph, &next))
        return false;
    struct batch *batch = batch_list_add(out);
    batch->agent = next.agent;
    batch->seq0 = next.seq - (upto - from);
    batch->flags = BATCH_FLAG_SELF;
    const struct op_run *run = &log->runs[log->count - 1], *last = run;
    while (run->first > from)
        run--;
    for (uint64_t end; from < upto; from = end, run++) {
        end = run < last ? run[1].first : upto;
        add_ops(batch, log, run, from, end);
    }
    ensure(batch->count == upto - untaken->from);
    batch_end(batch);
    untaken->from = upto;
    return true;
}

static OUT_OF_LINE void write_untaken(struct document *document, struct batch_list *out)
{
    if (!write_key(document, out))
        write_many_untaken(document, out);
}

void document_flush(struct document *document)
{
    if (document->untaken.from < document->untaken.upto)
        write_untaken(document, &document->untaken.batches);
}

void document_take(struct document *document, struct batch_list *out)
{
    struct untaken *untaken = &document->untaken;
    if (out == &untaken->batches)
        return;
    if (untaken->batches.count > 0)
        batch_list_move(out, &untaken->batches);
    if (untaken->from < untaken->upto)
        write_untaken(document, out);
}

/* The length of the text at a version. */
static uint64_t len_at(struct document *document, const struct lv_list *version)
{
    struct patch patch = {0};
    walker_to(document->walker, version, &patch);
    uint64_t len = rope_len(document->base) + patch_inserted(&patch) - patch_deleted(&patch);
    patch_release(&patch);
    return len;
}

bool document_local_at(struct document *document, const struct agent_id *agent, const struct version *at,
                       const struct patch *patch, struct edit_mark mark, struct batch_list *out, struct error *err)
{
    if (!document_read_history(document, err))
        return false;
    struct lv_list *parents = &document->scratch;
    if (!document_lvs(document, at, parents))
        return error_set(err, ERR_MISSING, 0, "the version that a change belongs to is not here");
    size_t number = graph_agent(document->graph, agent);
    if (!document_admits(document, number, parents->items, parents->count, err))
        return false;
    if (patch_old_len(patch) > len_at(document, parents))
        return error_set(err, ERR_USAGE, 0, "a change reaches beyond the text that it belongs to");
    if (patch_is_empty(patch))
        return true;
    struct writer writer = {.document = document, .agent = *agent, .out = out, .mark = mark};
    writer_begin(&writer, parents->items, parents->count);
    write_patch(&writer, patch);
    writer_end(&writer, false);
    return true;
}
