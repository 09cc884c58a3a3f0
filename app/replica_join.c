/*
 * Opening a document by a link or by its id, and what is said while its text has not come.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>

#include "app/addresses.h"
#include "editor/base/xalloc.h"

static bool find_known(struct replica *replica, const struct share_link *link, bool *found, struct error *err)
{
    struct doc_index *index;
    *found = false;
    if (replica->is_private)
        return true;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    bool good = doc_index_find_doc(index, &link->doc, &replica->entry, found, err);
    doc_index_close(index);
    return good;
}

/* *news: what is kept of it here says less than the link: it could only be read, or was not shared any more. */
static bool entry_of_link(struct replica *replica, const struct share_link *link, bool *found, bool *news, struct error *err)
{
    bool good = find_known(replica, link, found, err);
    struct doc_keys keys;
    share_link_keys(link, &keys);
    bool more = good && (!*found || keys.access > replica->entry.keys.access);
    *news = *found && (more || replica->entry.state != DOC_SHARED);
    if (more)
        replica->entry.keys = keys;
    crypto_wipe(&keys, sizeof keys);
    replica->entry.doc = link->doc;
    replica->entry.state = DOC_SHARED;
    if (!*found)
        replica->entry.role = DOC_GUEST;
    addresses_keep_link(&replica->entry, link);
    return good;
}

/* What failed halfway: nothing of it goes on, and what it made in index and journal goes with it. */
static struct replica *end_failed(struct replica *replica, bool made)
{
    bool all_sent;
    replica_go_offline(replica, 0, &all_sent);
    replica_stop_writing(replica);
    if (made)
        replica_forget(replica);
    replica_free(replica);
    return NULL;
}

/* A copy is called after its file, as it was from when it was saved on; else it is what the host calls it. */
static void name_it(struct replica *replica)
{
    const char *name = replica->entry.name ? replica->entry.name : "shared text";
    replica->label = replica->file.path ? replica_label_of_path(replica->file.path) : xstrdup(name);
}

void replica_begin_joining(struct replica *replica)
{
    replica->joining = replica->history_due = true;
    replica_begin_document(replica, rope_new());
    neighbours_open(replica);
}

/* What this device keeps of it, with its file. What is lost here comes from the room again. */
static bool open_kept(struct replica *replica, struct error *err)
{
    struct lost_journal lost;
    replica->indexed = true;
    if (!replica->file.path && replica->entry.path)
        replica->file.path = xstrdup(replica->entry.path);
    name_it(replica);
    replica->opens = true;
    enum replica_kept kept = replica_restore_kept(replica, &lost, err);
    replica->opens = false;
    bool comes_back = kept == REPLICA_KEPT_LOST && replica_is_shared(replica);
    if (comes_back) {
        replica_say_lost(replica, &lost, "its text comes back from the room; edits that were not sent are lost.");
        *err = (struct error){0};
        replica_begin_joining(replica);
        replica_file_watch(replica);
    }
    lost_journal_release(&lost);
    replica_say_damaged(replica);
    if (kept != REPLICA_KEPT)
        return comes_back;
    neighbours_open(replica);
    return replica->unmerged || replica_file_reopen(replica, err);
}

/* It was never here. */
static void begin_joining(struct replica *replica)
{
    replica->entry.path = replica->file.path ? xstrdup(replica->file.path) : NULL;
    name_it(replica);
    replica_begin_joining(replica);
}

struct replica *replica_join(struct env *env, const struct share_link *link, const char *save_as,
                             const struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_new(env, options);
    bool found = false, news = false;
    bool good = (!save_as || file_resolve(save_as, &replica->file.path, err)) &&
                entry_of_link(replica, link, &found, &news, err);
    if (good && found)
        good = open_kept(replica, err) && (!news || replica_put_entry(replica, err));
    else if (good)
        begin_joining(replica);
    good = good && replica_go_online(replica, err);
    return good ? replica : end_failed(replica, !found);
}

struct replica *replica_open_known(struct env *env, const struct doc_id *doc, const char *save_as,
                                   const struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_new(env, options);
    bool good = (!save_as || file_resolve(save_as, &replica->file.path, err)) && replica_find_doc(replica, doc, err) &&
                open_kept(replica, err) && (!replica_is_shared(replica) || replica_go_online(replica, err));
    return good ? replica : end_failed(replica, false);
}

const char *replica_reason_of(const struct error *why)
{
    const char *colon = strstr(why->text, ": ");
    return colon ? colon + 2 : why->text;
}

void replica_joining(const struct replica *replica, struct buf *sentence)
{
    const struct session_status *status = &replica->net_status;
    if (!replica->joining || replica->ahead)
        return;
    if (status->state == SESSION_REFUSED) {
        buf_addf(sentence, "The text cannot come: %s.%s", status->why.text, replica_key_hint(replica, " ^Q leaves."));
    } else if (replica->net && status->state == SESSION_OFFLINE && status->why.text[0]) {
        char *relay = addresses_name(&replica->entry);
        buf_addf(sentence, "The text has not come yet: %s cannot be reached (%s). It comes when the link is back%s.",
                 relay, replica_reason_of(&status->why), replica_key_hint(replica, "; ^Q leaves"));
        free(relay);
    } else if (replica->base_total > 0) {
        buf_addf(sentence, "The text is on its way: %llu of %llu kB.", (unsigned long long)replica->base_done / 1000,
                 (unsigned long long)replica->base_total / 1000);
    } else {
        buf_add_string(sentence, replica->net ? "The text is on its way." : "The text has not come yet, and this works alone.");
    }
}
