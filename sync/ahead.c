#include "sync/ahead.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "editor/line_diff.h"

struct ahead {
    struct checkpoint checkpoint;
    struct version version;
    struct rope *text;
    struct agent_id by;
    struct document *document;
    struct batch_list batches; /* everything in it */
};

struct ahead *ahead_new(const struct checkpoint *checkpoint, const struct rope *text, const struct agent_id *by)
{
    struct ahead *ahead = xcalloc(1, sizeof *ahead);
    ahead->checkpoint = *checkpoint;
    checkpoint_version(checkpoint, &ahead->version);
    ahead->text = rope_snapshot(text);
    ahead->by = *by;
    ahead->document = document_new_at(text, &ahead->version);
    return ahead;
}

void ahead_free(struct ahead *ahead)
{
    if (!ahead)
        return;
    version_release(&ahead->version);
    rope_free(ahead->text);
    document_free(ahead->document);
    batch_list_release(&ahead->batches);
    free(ahead);
}

struct document *ahead_document(struct ahead *ahead)
{
    return ahead->document;
}

const struct agent_id *ahead_by(const struct ahead *ahead)
{
    return &ahead->by;
}

const struct checkpoint *ahead_checkpoint(const struct ahead *ahead)
{
    return &ahead->checkpoint;
}

const struct rope *ahead_text(const struct ahead *ahead)
{
    return ahead->text;
}

/* --- what is typed on it --- */

size_t ahead_wrote(struct ahead *ahead, const struct batch_list *batches)
{
    size_t first = ahead->batches.count;
    for (size_t i = 0; i < batches->count; i++)
        batch_copy(batch_list_add(&ahead->batches), &batches->items[i]);
    return first;
}

bool ahead_restore(struct ahead *ahead, const struct batch *batch)
{
    struct error ignored = {0};
    if (document_add(ahead->document, batch, &ignored) != DOCUMENT_ADDED)
        return false;
    batch_copy(batch_list_add(&ahead->batches), batch);
    return true;
}

const struct batch_list *ahead_batches(const struct ahead *ahead)
{
    return &ahead->batches;
}

/* --- the history has come --- */

/* In order of what costs least. */
static bool is_of_this_history(const struct ahead *ahead, struct document *history, struct chain *chain, struct error *why)
{
    struct digest digest;
    for (size_t i = 0; i < ahead->checkpoint.count; i++) {
        const struct checkpoint_head *head = &ahead->checkpoint.heads[i];
        if (!chain_find(chain, &head->event, &digest) || !digest_equal(&digest, &head->digest))
            return error_set(why, ERR_AUTH, 0, "it is of another history");
    }
    return document_may_follow(history, &ahead->version) ||
           error_set(why, ERR_FORMAT, 0, "its version is none");
}

static struct rope *text_at(struct document *history, const struct rope *base, const struct version *version)
{
    struct patch patch = {0};
    struct rope *text = rope_snapshot(base);
    bool known = document_patch_to(history, version, &patch);
    ensure(known);
    rope_apply(text, &patch);
    patch_release(&patch);
    return text;
}

static bool has_this_text(const struct ahead *ahead, struct document *history, const struct rope *base, struct error *why)
{
    struct rope *text = text_at(history, base, &ahead->version);
    bool same = rope_equal(text, ahead->text);
    rope_free(text);
    return same || error_set(why, ERR_FORMAT, 0, "its text is not what was written");
}

enum ahead_state ahead_compare(const struct ahead *ahead, struct document *history, const struct rope *base, struct chain *chain,
                               bool complete, struct error *why)
{
    if (!document_knows(history, &ahead->version)) {
        if (complete)
            error_set(why, ERR_MISSING, 0, "nobody has written what it is said to be of");
        return complete ? AHEAD_WRONG : AHEAD_WAITS;
    }
    return is_of_this_history(ahead, history, chain, why) && has_this_text(ahead, history, base, why) ? AHEAD_RIGHT
                                                                                                      : AHEAD_WRONG;
}

/* --- it was false --- */

/* Which version of the history what was typed belongs to best, and the text there. */
static struct rope *find_place(const struct ahead *ahead, struct document *history, const struct rope *base,
                               const struct rope *now, struct version *at)
{
    static const struct version beginning;
    struct rope *text = NULL;
    if (document_may_follow(history, &ahead->version)) {
        version_copy(at, &ahead->version);
        text = text_at(history, base, at);
    }
    if (text && rope_equal(text, ahead->text))
        return text;
    struct version found = {0};
    if (document_find_text(history, &beginning, now, ahead->text, &found)) {
        version_copy(at, &found);
        rope_free(text);
        text = rope_snapshot(ahead->text);
    }
    version_release(&found);
    if (text)
        return text;
    document_version(history, at);
    return rope_snapshot(now);
}

/* What was typed on the checkpoint's text, as a patch of another one. */
static void carry_over(const struct ahead *ahead, const struct rope *text, struct patch *out)
{
    struct patch typed = {0}, between = {0};
    struct version version = {0};
    struct line_diff summary;
    document_version(ahead->document, &version);
    bool known = document_patch_to(ahead->document, &version, &typed);
    ensure(known);
    line_diff(ahead->text, text, &between, &summary);
    patch_transform(out, &typed, &between, PATCH_RIGHT);
    version_release(&version);
    patch_release(&typed);
    patch_release(&between);
}

void ahead_write(struct ahead *ahead, struct document *history, const struct rope *base, const struct rope *now,
                 const struct agent_id *agent, struct edit_mark mark, struct batch_list *out)
{
    struct version at = {0};
    struct patch patch = {0};
    struct error ignored = {0};
    struct rope *text = find_place(ahead, history, base, now, &at);
    carry_over(ahead, text, &patch);
    if (!document_local_at(history, agent, &at, &patch, mark, out, &ignored)) {
        /* somebody has written under our name: not there */
        carry_over(ahead, now, &patch);
        document_local(history, agent, &patch, mark, out);
    }
    rope_free(text);
    patch_release(&patch);
    version_release(&at);
}
