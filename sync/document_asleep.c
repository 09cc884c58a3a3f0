/*
 * A document whose history has not been read yet, and what is kept of it in front: document_save(), document_load().
 *
 *   magic    8 bytes  "weftdoc" and 4
 *   base               length of the base text
 *   front              sized; numbers are varints:
 *     events, length of the text
 *     critical         0: the newest critical version is the base text; else 1 + the text's length before the range of
 *                      critical versions that it is in
 *     agents           count, then each: 16 bytes, next seq
 *     heads            count, then each: number of its agent, seq
 *     patch            from the base text to the text: count of parts, then each: len << 2 | kind; then the bytes of
 *                      its inserts, as a part of a column (sync/packing.h)
 *
 *   magic    8 bytes  "weftdoc" and 5; with base and keyframes only where there are any
 *   base               length of the base text
 *   keyframes          sized: keyframes.h
 *
 *   history            document_encode(), to the end
 *
 * Asleep, a document knows the version, the length of its text and who has written how much. That is enough to record
 * what is typed here: every batch has the version as its parents, then the batch before. What others write who have seen all that
 * was saved is merged with it (document_after.h). Whatever else is asked for
 * wakes it: the history is read, the batches are added, and from then on it is like any other. What walks have found
 * out while the text was made is gone by then, save what the newest critical version needs; the walker makes up for the
 * rest when somebody asks for an older version (walker.h).
 */
#include "sync/document_code.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "sync/document_after.h"
#include "sync/document_texts.h"
#include "sync/packing.h"

enum { KIND_BITS = 2, KIND_MASK = 3 };

struct asleep {
    struct buf history;
    bool elsewhere; /* it is still where the front was loaded from */
    struct asleep_agent *agents;
    size_t agent_count;
    struct version saved, version; /* as it was loaded, and now */
    uint64_t events;
    uint64_t saved_events, saved_len; /* as it was loaded */
    uint64_t critical;
    struct batch_list tail; /* what was written since */
    struct after *after;    /* the same, to merge what others write with it; NULL: nothing of theirs is in it */
    struct agent_fork *forks; /* branches that begin, while the history cannot be read */
    size_t fork_count, fork_cap;
};

void document_asleep_free(struct asleep *asleep)
{
    if (!asleep)
        return;
    after_free(asleep->after);
    buf_release(&asleep->history);
    version_release(&asleep->saved);
    version_release(&asleep->version);
    batch_list_release(&asleep->tail);
    free(asleep->forks);
    free(asleep->agents);
    free(asleep);
}

/* --- saving --- */

static void write_agents(const struct graph *graph, struct buf *out)
{
    buf_add_varint(out, graph_agents(graph));
    for (size_t i = 0; i < graph_agents(graph); i++) {
        buf_add(out, graph_agent_id(graph, i)->bytes, AGENT_ID_BYTES);
        buf_add_varint(out, graph_next_seq(graph, i));
    }
}

static void write_heads(const struct graph *graph, struct buf *out)
{
    const struct lv_list *heads = graph_frontier(graph);
    buf_add_varint(out, heads->count);
    for (size_t i = 0; i < heads->count; i++) {
        struct graph_author author = graph_author_of(graph, heads->items[i]);
        buf_add_varint(out, author.agent);
        buf_add_varint(out, author.seq);
    }
}

static void write_patch(const struct patch *patch, struct buf *out)
{
    struct compressor *compressor = compressor_new();
    struct buf text = {0};
    buf_add_varint(out, patch->count);
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        buf_add_varint(out, part->len << KIND_BITS | (unsigned)part->kind);
        if (part->kind == PART_INSERT)
            buf_add_bytes(&text, patch_part_text(patch, part));
    }
    packing_add_part(compressor, out, buf_view(&text));
    buf_release(&text);
    compressor_free(compressor);
}

static void write_front(struct document *document, struct buf *out)
{
    struct patch patch = {0};
    uint64_t len = rope_len(document->base);
    walker_update(document->walker, 0, &patch); /* from the beginning, so that all that is to be found out is */
    const struct critical *critical = &document->critical;
    buf_add_varint(out, graph_len(document->graph));
    buf_add_varint(out, len + patch_inserted(&patch) - patch_deleted(&patch));
    buf_add_varint(out, critical->count ? 1 + critical->ranges[critical->count - 1].len_before : 0);
    write_agents(document->graph, out);
    write_heads(document->graph, out);
    write_patch(&patch, out);
    patch_release(&patch);
}

static void save_keyframes(struct document *document, struct buf *out)
{
    struct buf encoded = {0};
    if (document_save_keyframes(document, &encoded)) {
        saved_write_magic(document, SAVED_KEYFRAMES, out);
        buf_add_sized(out, buf_view(&encoded));
    }
    buf_release(&encoded);
}

void document_save(struct document *document, struct buf *out)
{
    struct buf front = {0};
    document_wake(document);
    write_front(document, &front);
    if (document->log.invalid.count == 0) { /* else the text is not to be had without replaying all of it */
        saved_write_magic(document, SAVED_ASLEEP, out);
        buf_add_sized(out, buf_view(&front));
        save_keyframes(document, out);
    }
    document_encode(document, out);
    buf_release(&front);
}

/* --- loading --- */

static bool read_agents(struct reader *reader, struct asleep *asleep)
{
    uint64_t count = read_varint_max(reader, reader_left(reader) / AGENT_ID_BYTES);
    asleep->agents = xcalloc((size_t)count + 1, sizeof *asleep->agents);
    asleep->agent_count = (size_t)count;
    for (size_t i = 0; i < asleep->agent_count; i++) {
        read_into(reader, asleep->agents[i].id.bytes, AGENT_ID_BYTES);
        asleep->agents[i].next_seq = read_varint_max(reader, BATCH_SEQ_MAX);
    }
    return !reader->failed;
}

static bool read_heads(struct reader *reader, struct asleep *asleep)
{
    struct version *version = &asleep->version;
    uint64_t count = read_varint_max(reader, reader_left(reader) / 2);
    version->heads = xgrow(version->heads, &version->cap, (size_t)count, sizeof *version->heads);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t agent = read_varint(reader), seq = read_varint_max(reader, BATCH_SEQ_MAX);
        if (reader->failed || agent >= asleep->agent_count)
            return false;
        version->heads[version->count++] = (struct event_id){asleep->agents[agent].id, seq};
    }
    version_sort(version);
    version_copy(&asleep->saved, version);
    return !reader->failed;
}

static bool add_part(struct patch *patch, uint64_t coded, uint64_t base_len, struct bytes *text)
{
    uint64_t len = coded >> KIND_BITS;
    switch (coded & KIND_MASK) {
    case PART_RETAIN:
        patch_retain(patch, len);
        return len <= base_len;
    case PART_DELETE:
        patch_delete(patch, len);
        return len <= base_len;
    case PART_INSERT:
        if (len > text->len)
            return false;
        patch_insert(patch, bytes_slice(*text, 0, (size_t)len));
        *text = bytes_slice(*text, (size_t)len, text->len - (size_t)len);
        return true;
    default:
        return false;
    }
}

static bool read_patch(struct reader *reader, uint64_t base_len, struct patch *patch)
{
    struct compressor *compressor = compressor_new();
    struct buf text = {0};
    uint64_t count = read_varint_max(reader, reader_left(reader));
    struct reader parts = *reader;
    for (uint64_t i = 0; i < count; i++)
        (void)read_varint(reader);
    bool good = packing_read_part(compressor, reader, &text);
    struct bytes left = buf_view(&text);
    for (uint64_t i = 0; good && i < count; i++)
        good = add_part(patch, read_varint(&parts), base_len, &left);
    buf_release(&text);
    compressor_free(compressor);
    return good && left.len == 0;
}

static bool read_front(struct reader *reader, uint64_t base_len, struct asleep *asleep, struct patch *text)
{
    asleep->events = asleep->saved_events = read_varint_max(reader, DOCUMENT_EVENTS_MAX);
    asleep->saved_len = read_varint(reader);
    asleep->critical = read_varint(reader);
    if (!read_agents(reader, asleep) || !read_heads(reader, asleep) || !read_patch(reader, base_len, text))
        return false;
    return reader_done(reader) && patch_old_len(text) <= base_len &&
           asleep->saved_len == base_len - patch_deleted(text) + patch_inserted(text);
}

static struct document *read_saved(struct reader *reader, const struct rope *base, struct error *err)
{
    struct document *document = document_new(base);
    struct reader front = reader_of(read_sized(reader, SIZE_MAX));
    document->asleep = xcalloc(1, sizeof *document->asleep);
    document->loaded = xcalloc(1, sizeof *document->loaded);
    if (reader->failed || !read_front(&front, rope_len(base), document->asleep, document->loaded)) {
        saved_refuse(err, "what stands before its history");
        document_free(document);
        return NULL;
    }
    document->len = document->asleep->saved_len;
    struct bytes history = read_bytes(reader, reader_left(reader));
    buf_reserve(&document->asleep->history, history.len);
    buf_add_bytes(&document->asleep->history, history);
    return document;
}

struct document *document_load(struct bytes saved, const struct rope *base, struct error *err)
{
    struct reader reader = reader_of(saved);
    unsigned version;
    if (!saved_read_magic(&reader, base, &version, err))
        return NULL;
    return version == SAVED_ASLEEP ? read_saved(&reader, base, err) : document_decode(saved, base, err);
}

size_t document_saved_front(struct bytes saved, const struct rope *base)
{
    struct reader reader = reader_of(saved);
    struct error ignored = {0};
    unsigned version;
    if (!saved_read_magic(&reader, base, &version, &ignored) || version != SAVED_ASLEEP)
        return saved.len;
    (void)read_sized(&reader, SIZE_MAX);
    return reader.failed ? saved.len : saved.len - reader_left(&reader);
}

struct document *document_load_front(struct bytes front, const struct rope *base, struct error *err)
{
    struct document *document = document_load(front, base, err);
    if (document && document->asleep)
        document->asleep->elsewhere = true;
    return document;
}

/* *why is left as it is where there is no source. */
static bool hold(struct document *document, struct error *why)
{
    struct asleep *asleep = document->asleep;
    const struct document_source *source = &document->source;
    if (!asleep || !asleep->elsewhere)
        return true;
    asleep->elsewhere = !source->history || !source->history(source->self, &asleep->history, why);
    if (asleep->elsewhere)
        buf_clear(&asleep->history);
    return !asleep->elsewhere;
}

bool document_hold(struct document *document)
{
    struct error ignored = {0};
    return hold(document, &ignored);
}

void document_let_go(struct document *document)
{
    struct asleep *asleep = document->asleep;
    if (!asleep || asleep->elsewhere || !document->source.history)
        return;
    buf_release(&asleep->history);
    asleep->elsewhere = true;
}

/* --- waking --- */

static void add_tail(struct document *document, const struct batch_list *tail)
{
    struct error err = {0};
    for (size_t i = 0; i < tail->count; i++)
        ensure(document_add(document, &tail->items[i], &err) == DOCUMENT_ADDED);
}

/* The length of the text at the newest critical version is what the walk that is spared would have found out. */
static bool read_history(const struct asleep *asleep, struct document *history, struct error *why)
{
    if (!saved_read_all(buf_view(&asleep->history), history, SAVED_TEXT_LATER, why))
        return false;
    struct critical *critical = &history->critical;
    if (graph_len(history->graph) != asleep->saved_events || (asleep->critical > 0) != (critical->count > 0))
        return saved_refuse(why, "it is another history than that of its text");
    if (critical->count > 0)
        critical->ranges[critical->count - 1].len_before = asleep->critical - 1;
    return true;
}

static bool has_all(const struct document *history, const struct asleep *asleep)
{
    for (size_t i = 0; i < asleep->agent_count; i++)
        if (document_next_seq(history, &asleep->agents[i].id) != asleep->agents[i].next_seq)
            return false;
    return graph_len(history->graph) == asleep->saved_events;
}

/* From the source, and walked: what the walks found out was lost with the saved form. */
static bool replay_history(const struct document *document, const struct asleep *asleep, struct document *history,
                           struct error *why)
{
    struct patch text = {0};
    const struct document_source *source = &document->source;
    history->only = asleep;
    bool good = source->replay && source->replay(source->self, history, why) && has_all(history, asleep);
    history->only = NULL;
    if (good) {
        walker_update(history->walker, 0, &text);
        good = rope_len(history->base) + patch_inserted(&text) - patch_deleted(&text) == asleep->saved_len;
    }
    patch_release(&text);
    return good;
}

/* NULL: it is not to be had now. */
static struct document *recall(struct document *document, const struct asleep *asleep, struct error *err)
{
    struct error why = {0}, why_not_rows = {0};
    struct document *history = document_new(document->base);
    bool held = hold(document, &why); /* else a newer one has taken its place: nothing is wrong with that */
    if (held && read_history(asleep, history, &why))
        return history;
    document_free(history);
    history = document_new(document->base);
    if (replay_history(document, asleep, history, &why_not_rows)) {
        if ((held || why.code == ERR_AUTH) && document->source.distrust)
            document->source.distrust(document->source.self);
        return history;
    }
    document_free(history); /* what was saved is all there is: its text is good */
    error_set(err, ERR_IO, 0, "the history cannot be read from the journal now, neither as it was saved nor edit by edit: %s",
              why_not_rows.code ? why_not_rows.text : why.code ? why.text : "edits are missing there");
    return NULL;
}

/* What was found out about the past, and goes by the numbers of its graph or looks into it. */
static void forget_answers(struct document *document)
{
    walker_free(document->whole);
    walker_free(document->aside);
    document->whole = document->aside = NULL;
    keyframes_release(&document->keyframes);
    copies_release(&document->copies);
    dates_release(&document->dates);
}

/* All that is known of the past changes hands, and what was known before goes. */
static void take_history(struct document *document, struct document *history)
{
    ensure(document->untaken.from == document->untaken.upto);
    document->untaken.from = document->untaken.upto = LV_NONE;
    struct document before = *document;
    forget_answers(document);
    walker_free(document->walker);
    walker_free(history->walker);
    document->graph = history->graph;
    document->log = history->log;
    document->marks = history->marks;
    document->critical = history->critical;
    document->keyframes = history->keyframes;
    document->walker = walker_new(document->graph, &document->log, &document->critical, rope_len(document->base));
    history->walker = NULL;
    history->graph = before.graph;
    history->log = before.log;
    history->marks = before.marks;
    history->keyframes = (struct keyframes){0};
    history->critical = before.critical;
    document_free(history);
}

/* How long the text was before the newest critical version among what was written since: as document_wrote() would have noted
   it. */
static void note_newest_critical(struct document *document, const struct asleep *asleep)
{
    const struct critical *critical = &document->critical;
    const struct critical_range *newest = critical->count ? &critical->ranges[critical->count - 1] : NULL;
    if (!newest || newest->first < asleep->saved_events)
        return;
    uint64_t first = newest->first, len = asleep->saved_len;
    if (asleep->after) { /* the same events in the same order */
        const struct critical_range *same = critical_find(&asleep->after->document->critical, first - asleep->saved_events);
        ensure(same && same->first == first - asleep->saved_events);
        len = same->len_before;
    }
    critical_note(&document->critical, first, len);
}

/* What walks found to be without effect they would find again only from the beginning. */
static void note_invalid(struct document *document, const struct asleep *asleep)
{
    const struct oplog *log = &asleep->after->document->log;
    for (size_t i = 0; i < log->invalid.count; i++)
        oplog_note_invalid(&document->log, asleep->saved_events + log->invalid.items[i].first,
                           asleep->saved_events + log->invalid.items[i].end);
}

bool document_read_history(struct document *document, struct error *err)
{
    struct asleep *asleep = document->asleep;
    uint64_t len = document->len;
    if (!asleep)
        return true;
    struct document *history = recall(document, asleep, err);
    if (!history)
        return false;
    document->asleep = NULL;
    take_history(document, history);
    for (size_t i = 0; i < asleep->fork_count; i++)
        (void)graph_branch(document->graph, &asleep->forks[i]);
    add_tail(document, &asleep->tail);
    if (asleep->after)
        note_invalid(document, asleep);
    document->merged = asleep->after ? asleep->saved_events + asleep->after->document->merged : graph_len(document->graph);
    document->len = len;
    note_newest_critical(document, asleep);
    document_asleep_free(asleep);
    return true;
}

void document_wake(struct document *document)
{
    struct error ignored = {0};
    bool awake = document_read_history(document, &ignored);
    if (!awake && document->source.lost)
        document->source.lost(document->source.self);
    ensure(awake);
}

/* --- falling asleep --- */

/*
 * What the saved version has not of the tail is its tail; then both come to the same. One who wakes takes a tail for one row of
 * what was written here unless `after` tells more, and what that has found out is about the old saved version: where others wrote
 * too, nothing of the tail may be left.
 */
static bool keep_tail(const struct asleep *old, struct asleep *now)
{
    for (size_t i = 0; i < old->tail.count; i++) {
        const struct batch *batch = &old->tail.items[i];
        if (document_asleep_had(now, batch))
            continue;
        batch_copy(batch_list_add(&now->tail), batch);
        now->events += batch->count;
    }
    version_copy(&now->version, &old->version);
    return now->events == old->events && (!old->after || now->tail.count == 0);
}

/* A branch has begun that the saved version cannot know of. */
static bool waits_for_history(const struct document *document)
{
    return document->asleep && document->asleep->fork_count > 0;
}

static bool is_same(const struct document *document, const struct document *saved)
{
    if (!saved->asleep || document->loaded || document_asleep_is_behind(document) || waits_for_history(document))
        return false;
    if (document->asleep)
        return keep_tail(document->asleep, saved->asleep) && (saved->asleep->tail.count > 0 || document->len == saved->len);
    return document_is_at(document, &saved->asleep->version) && document->len == saved->len;
}

bool document_sleep(struct document *document, struct bytes saved)
{
    struct error ignored = {0};
    struct document *now = document_load(saved, document->base, &ignored);
    bool same = now && is_same(document, now);
    if (same) {
        document_flush(document);
        take_history(document, document_new(document->base));
        lv_list_release(&document->scratch);
        lv_list_release(&document->spare);
        document_asleep_free(document->asleep);
        document->asleep = now->asleep;
        document->merged = document->undo_end = 0;
        document->undo_agent = 0;
        now->asleep = NULL;
    }
    document_free(now);
    return same;
}

/* --- asleep --- */

const struct version *document_asleep_version(const struct document *document)
{
    return &document->asleep->version;
}

bool document_asleep_at(const struct document *document, const struct version *version)
{
    return document->asleep && version_equal(&document->asleep->version, version);
}

uint64_t document_asleep_events(const struct document *document)
{
    return document->asleep->events;
}

uint64_t document_asleep_next_seq(const struct document *document, const struct agent_id *agent)
{
    const struct asleep *asleep = document->asleep;
    if (asleep->after)
        return after_next_seq(asleep->after, agent);
    for (size_t i = asleep->tail.count; i > 0; i--) {
        const struct batch *last = &asleep->tail.items[i - 1];
        if (agent_id_equal(&last->agent, agent))
            return last->seq0 + last->count;
    }
    for (size_t i = 0; i < asleep->agent_count; i++)
        if (agent_id_equal(&asleep->agents[i].id, agent))
            return asleep->agents[i].next_seq;
    return 0;
}

bool document_asleep_knows(const struct document *document, const struct version *version)
{
    for (size_t i = 0; i < version->count; i++)
        if (version->heads[i].seq >= document_asleep_next_seq(document, &version->heads[i].agent))
            return false;
    return true;
}

void document_asleep_fork(struct document *document, const struct agent_fork *fork)
{
    struct asleep *asleep = document->asleep;
    if (document_asleep_is_branch(document, &fork->branch))
        return;
    asleep->forks = xgrow(asleep->forks, &asleep->fork_cap, asleep->fork_count + 1, sizeof *asleep->forks);
    asleep->forks[asleep->fork_count++] = *fork;
}

bool document_asleep_is_branch(const struct document *document, const struct agent_id *agent)
{
    const struct asleep *asleep = document->asleep;
    for (size_t i = 0; i < asleep->fork_count; i++)
        if (agent_id_equal(&asleep->forks[i].branch, agent))
            return true;
    return false;
}

bool document_asleep_had(const struct asleep *asleep, const struct batch *batch)
{
    for (size_t i = 0; i < asleep->agent_count; i++)
        if (agent_id_equal(&asleep->agents[i].id, &batch->agent))
            return batch->seq0 + batch->count <= asleep->agents[i].next_seq;
    return false;
}

/* --- written while it is asleep --- */

/* Copies a batch that is complete. */
static void keep_batch(struct asleep *asleep, const struct batch *batch)
{
    batch_copy(batch_list_add(&asleep->tail), batch);
    asleep->events += batch->count;
}

void document_asleep_wrote(struct document *document, const struct batch *batch)
{
    struct asleep *asleep = document->asleep;
    struct error err = {0};
    if (asleep->after)
        ensure(after_add(asleep->after, batch, &err) == DOCUMENT_ADDED);
    keep_batch(asleep, batch);
    version_set(&asleep->version, (struct event_id){batch->agent, batch->seq0 + batch->count - 1});
}

void document_asleep_in_text(struct document *document)
{
    if (document->asleep->after)
        after_is_in_text(document->asleep->after, document->len);
}

/* What was written here so far is in the text. NULL: something of it builds on less than all that was saved. */
static struct after *begin_after(const struct document *document)
{
    struct asleep *asleep = document->asleep;
    struct error err = {0};
    struct after *after = after_new(asleep->saved_len, &asleep->saved, asleep->agents, asleep->agent_count);
    for (size_t i = 0; i < asleep->tail.count; i++) {
        if (after_add(after, &asleep->tail.items[i], &err) != DOCUMENT_ADDED) {
            after_free(after);
            return NULL;
        }
    }
    after_is_in_text(after, document->len);
    return after;
}

/* NULL: it is not to be had. */
static struct after *find_after(const struct document *document)
{
    struct asleep *asleep = document->asleep;
    if (asleep->agent_count > AFTER_AGENTS_MAX || asleep->tail.count >= AFTER_BATCHES_MAX)
        return NULL;
    if (!asleep->after)
        asleep->after = begin_after(document);
    return asleep->after;
}

enum document_added document_asleep_add(struct document *document, const struct batch *batch, struct error *err)
{
    struct asleep *asleep = document->asleep;
    enum document_added added = find_after(document) ? after_add(asleep->after, batch, err) : DOCUMENT_EARLY;
    if (added == DOCUMENT_ADDED) {
        keep_batch(asleep, batch);
        after_version(asleep->after, &asleep->version);
    }
    return added;
}

bool document_asleep_approach(struct document *document, const struct batch *batch, uint64_t steps, bool *there)
{
    return find_after(document) && after_approach(document->asleep->after, batch, steps, there);
}

struct document *document_asleep_after(const struct document *document)
{
    return document->asleep && document->asleep->after ? document->asleep->after->document : NULL;
}

bool document_asleep_find(const struct document *document, const struct version *version, struct version *out)
{
    return document->asleep && find_after(document) && after_find(document->asleep->after, version, out);
}

bool document_asleep_is_behind(const struct document *document)
{
    const struct document *after = document_asleep_after(document);
    return after && after->merged < graph_len(after->graph);
}
