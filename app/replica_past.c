#include "app/replica_past.h"

#include <stdlib.h>
#include <string.h>

#include "app/replica_parts.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

bool replica_read_past(const struct replica *replica, struct error *err)
{
    return document_read_history(replica->document, err);
}

void replica_log(const struct replica *replica, struct log_list *out)
{
    document_log(replica->document, out);
}

void replica_collisions(const struct replica *replica, const struct version *since, const struct version *until,
                        struct collision_list *out)
{
    bool known = document_collisions(replica->document, since, until, out);
    ensure(known);
}

void replica_blame(struct replica *replica, struct blame *out)
{
    document_blame(replica->document, 0, document_len(replica->document), out);
}

void replica_changes(const struct replica *replica, const struct version *from, const struct version *to, struct patch *patch,
                     struct change_list *out)
{
    bool known = document_changes(replica->document, from, to, patch, out);
    ensure(known);
}

struct rope *replica_text_at(const struct replica *replica, const struct version *version)
{
    struct rope *text = document_text_at(replica->document, replica->buffer.text, version);
    ensure(text);
    return text;
}

/* What others wrote has a member record; what has none was written here. */
void replica_add_author(const struct replica *replica, const struct agent_id *author, const char *label, struct buf *out)
{
    const char *name = replica_name_of(replica, author, replica_person(replica));
    if (label && strcmp(label, "disk") == 0)
        name = "another program";
    unicode_safe_label(bytes_of_string(name), REPLICA_AUTHOR_CELLS, out);
}

/* --- what somebody wrote --- */

struct authors {
    struct agent_id *items;
    size_t count, cap;
};

static bool is_among(const void *self, const struct agent_id *agent)
{
    const struct authors *authors = self;
    for (size_t i = 0; i < authors->count; i++)
        if (agent_id_equal(&authors->items[i], agent))
            return true;
    return false;
}

/* Everybody who ever wrote under that name, as the log prints it. */
static void find_authors(const struct replica *replica, const char *name, struct authors *out)
{
    struct log_list log = {0};
    struct buf author = {0};
    replica_log(replica, &log);
    for (size_t i = 0; i < log.count; i++) {
        buf_clear(&author);
        replica_add_author(replica, &log.items[i].author, log.items[i].label, &author);
        if (!bytes_equal(buf_view(&author), bytes_of_string(name)) || is_among(out, &log.items[i].author))
            continue;
        out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
        out->items[out->count++] = log.items[i].author;
    }
    buf_release(&author);
    log_list_release(&log);
}

bool replica_written_by(const struct replica *replica, const char *name, const struct version *since, struct event_span_list *out,
                        struct error *err)
{
    struct authors authors = {0};
    if (!document_read_history(replica->document, err))
        return false;
    find_authors(replica, name, &authors);
    bool known = document_written_since(replica->document, since, (struct agent_filter){&authors, is_among}, out);
    ensure(known);
    bool wrote = authors.count > 0;
    free(authors.items);
    if (!wrote)
        return error_set(err, ERR_MISSING, 0, "nobody called \"%s\" wrote in %s; weft log lists who did", name, replica->label);
    return out->count > 0 || error_set(err, ERR_MISSING, 0, "%s wrote nothing in %s since then", name, replica->label);
}

void replica_preview_undo(const struct replica *replica, const struct event_span_list *events, struct patch *out)
{
    struct buf bytes = {0};
    struct error err = {0};
    struct batch_list batches = {0};
    document_encode(replica->document, &bytes);
    struct document *copy = document_decode(buf_view(&bytes), replica->base, &err);
    ensure(copy);
    document_update(copy, out);
    document_undo_events(copy, events->items, events->count, &replica->agent, 0, out, &batches);
    document_free(copy);
    batch_list_release(&batches);
    buf_release(&bytes);
}
