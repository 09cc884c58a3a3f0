#include "tests/support/replica.h"

#include "tests/support/support.h"

void replica_init(struct replica *replica, const char *base, unsigned char name)
{
    *replica = (struct replica){.base = rope_from_bytes(bytes_of_string(base)), .agents = {{{name}}}, .agent_count = 1};
    replica->text = rope_snapshot(replica->base);
    replica->document = document_new(replica->base);
}

void replica_release(struct replica *replica)
{
    document_free(replica->document);
    rope_free(replica->base);
    rope_free(replica->text);
    batch_list_release(&replica->log);
}

/* After every step: the history, what the last walk has left, and the text. */
static void check(const struct replica *replica)
{
    document_check(replica->document);
    rope_check(replica->text);
    assert_int_equal(document_len(replica->document), rope_len(replica->text));
}

static const struct agent_id *writer(const struct replica *replica)
{
    return &replica->agents[replica->agent_count - 1];
}

void replica_edit(struct replica *replica, uint64_t pos, uint64_t deleted, struct bytes text, bool gesture)
{
    struct patch patch = {0};
    patch_replace(&patch, pos, deleted, text);
    document_local(replica->document, writer(replica), &patch, (struct edit_mark){.gesture = gesture}, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
    check(replica);
}

void replica_type(struct replica *replica, uint64_t pos, const char *text)
{
    replica_edit(replica, pos, 0, bytes_of_string(text), true);
}

void replica_delete(struct replica *replica, uint64_t pos, uint64_t len)
{
    replica_edit(replica, pos, len, (struct bytes){0}, true);
}

static void update(struct replica *replica)
{
    struct patch patch = {0};
    document_update(replica->document, &patch);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
    check(replica);
}

void replica_send(struct replica *from, struct replica *to, size_t number)
{
    for (; from->offered[number] < from->log.count; from->offered[number]++) {
        const struct batch *batch = &from->log.items[from->offered[number]];
        struct error err = {0};
        enum document_added added = document_add(to->document, batch, &err);
        assert_true(added == DOCUMENT_ADDED || added == DOCUMENT_KNOWN);
        if (added == DOCUMENT_ADDED)
            batch_copy(batch_list_add(&to->log), batch);
    }
    update(to);
}

static bool undo(struct replica *replica, enum undo_direction direction)
{
    struct patch patch = {0};
    enum document_undone undone = document_undo(replica->document, replica->agents, replica->agent_count,
                                                writer(replica), direction, 0, &patch, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
    check(replica);
    return undone == DOCUMENT_UNDONE;
}

bool replica_undo(struct replica *replica)
{
    return undo(replica, UNDO_BACK);
}

bool replica_redo(struct replica *replica)
{
    return undo(replica, UNDO_AGAIN);
}

bool replica_undo_events(struct replica *replica, const struct event_span *events, size_t count)
{
    struct patch patch = {0};
    enum document_undone undone =
        document_undo_events(replica->document, events, count, writer(replica), 0, &patch, &replica->log);
    rope_apply(replica->text, &patch);
    patch_release(&patch);
    check(replica);
    return undone == DOCUMENT_UNDONE;
}

void replica_restart(struct replica *replica, unsigned char name)
{
    struct buf bytes = {0};
    struct error err = {0};
    document_encode(replica->document, &bytes);
    document_free(replica->document);
    rope_free(replica->text);
    replica->document = document_decode(buf_view(&bytes), replica->base, &err);
    assert_non_null(replica->document);
    replica->text = rope_snapshot(replica->base);
    update(replica);
    replica->agents[replica->agent_count++] = (struct agent_id){{name}};
    buf_release(&bytes);
}

void replica_text(const struct replica *replica, struct buf *out)
{
    buf_clear(out);
    rope_append_to(replica->text, 0, rope_len(replica->text), out);
}

void replica_expect(const struct replica *replica, const char *text)
{
    struct buf found = {0};
    replica_text(replica, &found);
    assert_string_equal(buf_string(&found), text);
    buf_release(&found);
}

void replica_expect_same(const struct replica *a, const struct replica *b)
{
    assert_true(rope_equal(a->text, b->text));
    document_check(a->document);
    document_check(b->document);
}
