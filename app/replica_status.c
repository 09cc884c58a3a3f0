/*
 * What is so: in the file, kept, sent; which version this is; what was checked.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"

#include "editor/base/deadline.h"
#include "editor/base/varint.h"

enum { SAME_TEXT_BYTES_MAX = 4 << 20 }; /* above this two texts of equal length are told apart by version alone */

bool replica_same_text(const struct rope *a, const struct rope *b)
{
    return a && b && rope_len(a) == rope_len(b) && rope_len(a) <= SAME_TEXT_BYTES_MAX && rope_equal(a, b);
}

static bool text_is_in_file(const struct replica *replica)
{
    struct version now = {0};
    if (replica->unmerged) /* what was there before is not known yet: what is typed meanwhile is what needs a word */
        return replica->last_ticket == 0 && !replica_unmerged_saves(replica);
    document_version(replica->document, &now);
    bool same = version_equal(&now, &replica->file.version) || replica_same_text(replica->buffer.text, replica->file.text);
    version_release(&now);
    return same && !replica->file.differs && (replica->file.stamp.exists || rope_len(replica->buffer.text) == 0);
}

static uint64_t count_batches(void *self, const struct agent_id *agent, uint64_t seq, uint64_t end)
{
    return chain_count(self, agent, seq, end);
}

/* One, where nobody can tell: the history cannot be read now. */
static uint64_t edits_since(const struct replica *replica, const struct version *version)
{
    struct error ignored = {0};
    if (!document_is_at(replica->document, version) && !document_read_history(replica->document, &ignored))
        return 1;
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
    out->journal_jobs = state.committed;
    out->edits_in_memory = state.failing ? state.edits_in_memory : 0;
    out->trouble = state.why;
    out->disk_full = state.failing && state.why.code == ERR_FULL;
}

static void status_of_room(struct replica *replica, uint64_t now_ms, struct replica_status *out)
{
    out->shared = replica_is_shared(replica);
    out->alone = replica->work_alone;
    uint64_t ahead_edits = replica_ahead_edits(replica);
    out->net.unacked_edits = out->unsent_edits = replica->alone_edits + ahead_edits;
    if (!replica->net)
        return;
    replica_net_status(replica, &out->net);
    out->net.unacked_edits += ahead_edits;
    uint64_t since_ms = out->net.oldest_unacked_ms ? out->net.oldest_unacked_ms : UINT64_MAX;
    if (out->net.lacking_batches > 0)
        since_ms = deadline_earlier(since_ms, out->net.lacking_since_ms);
    if (since_ms < now_ms)
        out->unsent_age_ms = now_ms - since_ms;
    out->unsent_edits = out->net.unacked_edits + out->net.lacking_batches;
}

void replica_status(struct replica *replica, uint64_t now_ms, struct replica_status *out)
{
    *out = (struct replica_status){.is_private = replica->is_private, .joining = replica->joining && !replica->ahead,
                                   .saving = replica->file.saving || replica_unmerged_saves(replica),
                                   .stamp = replica->file.stamp};
    out->short_lived = replica->short_lived && !replica_is_shared(replica);
    out->view_only = replica->entry.keys.access == ACCESS_READ;
    status_of_journal(replica, out);
    status_of_room(replica, now_ms, out);
    out->events = document_events(replica->document);
    out->taken = document_events(replica_history(replica));
    out->merge_steps = replica->merging.on ? replica->merging.steps : 0;
    out->in_file = text_is_in_file(replica);
    if (out->in_file)
        document_version(replica->document, &replica->file.counted);
    out->known = replica->indexed;
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

void replica_note_unread(struct replica *replica, const struct error *why)
{
    replica->unread++;
    replica_note_fault(replica, why);
}

bool replica_audit(const struct replica *replica, struct replica_audit *audit, struct error *err)
{
    if (!document_read_history(replica->document, err))
        return false;
    *audit = (struct replica_audit){.batches = replica->batches_checked, .signatures = replica->signatures_checked,
                                    .agents = document_stats(replica->document).agents};
    if (replica->faults == 0)
        return true;
    *err = replica->fault;
    return error_wrap(err, "%llu things are not right; the first", (unsigned long long)replica->faults);
}

static bool room_is_settled(struct replica *replica, const struct replica_status *status, uint64_t lacking_max)
{
    const struct session_status *net = &status->net;
    bool settled = net->state == SESSION_ONLINE && net->caught_up && replica->owed_count == 0 &&
                   net->unacked_batches == 0 && net->lacking_batches <= lacking_max &&
                   net->base_done == net->base_total;
    uint64_t session = replica->sessions;
    if (settled)
        replica_handle(replica); /* what has come is taken; into the text as well */
    return settled && session == replica->sessions && replica->net; /* it may lead elsewhere, and that is to come */
}

static bool is_settled(struct replica *replica, uint64_t lacking_max)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    if (status.joining || replica->ahead || replica_unmerged_comes(replica))
        return false;
    if (replica->net)
        return room_is_settled(replica, &status, lacking_max);
    return status.kept && status.edits_in_memory == 0 && !replica->again_ms;
}

bool replica_is_settled(struct replica *replica)
{
    return is_settled(replica, 0);
}

bool replica_has_sent_own(struct replica *replica)
{
    return is_settled(replica, UINT64_MAX);
}
