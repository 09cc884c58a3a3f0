/*
 * Sharing: a document of its own that begins with the text as it is now; its end, heard of by other processes through the index.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_succession.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/addresses.h"
#include "editor/base/xalloc.h"

enum {
    KEEP_WAIT_MS = 15000,
    CLOSE_WAIT_MS = 5000, /* for the relay to forget a closed document */
    BEGIN_TRIES = 5,      /* so many others may begin a document for the same file in between */
};

bool replica_is_shared(const struct replica *replica)
{
    return replica->entry.state == DOC_SHARED;
}

static bool put_state(struct replica *replica, enum doc_state state, struct error *err)
{
    struct doc_index *index;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    bool good = doc_index_set_state(index, &replica->entry.doc, state, replica->entry.relay, (uint64_t)time(NULL), err);
    doc_index_close(index);
    if (good)
        replica->entry.state = state;
    return good;
}

/* Borrows the relay. Release it. */
static void make_entry(const struct replica *replica, const char *relay, struct doc_entry *entry)
{
    const char *path = replica->file.path;
    *entry = (struct doc_entry){.role = DOC_HOST, .state = DOC_SHARED, .name = xstrdup(replica->label), .relay = xstrdup(relay),
                                .path = path ? xstrdup(path) : NULL};
    doc_keys_new(&entry->keys);
    entry->doc = entry->keys.doc;
    entry->created_s = entry->opened_s = entry->shared_s = (uint64_t)time(NULL);
}

/* Appends the sealed one. */
static void make_genesis(const struct replica *replica, const struct doc_entry *entry, struct buf *out)
{
    struct genesis genesis;
    genesis_make(&entry->keys, replica->buffer.text, &genesis);
    snprintf(genesis.name, sizeof genesis.name, "%s", replica->label);
    genesis_seal(&genesis, &entry->keys, out);
}

/* Of a private one nothing is on disk, so there is nothing to go over to, and nobody else. Takes the entry. */
static void begin_in_memory(struct replica *replica, struct doc_entry *entry, struct bytes genesis)
{
    struct rope *now = rope_snapshot(replica->buffer.text);
    struct selection selection = replica->buffer.selection;
    bool in_file = replica_same_text(now, replica->file.text);
    replica_stop_writing(replica);
    doc_entry_release(&replica->entry);
    replica->entry = *entry;
    *entry = (struct doc_entry){0};
    replica_begin_document(replica, now);
    buffer_select(&replica->buffer, selection);
    replica->file.origin_unknown = false;
    if (in_file)
        version_release(&replica->file.version);
    else
        replica_file_is_no_version(&replica->file);
    buf_clear(&replica->genesis);
    buf_add_bytes(&replica->genesis, genesis);
}

/* Takes the entry when it comes to that. */
static bool begin_on_disk(struct replica *replica, struct doc_entry *entry, struct bytes genesis, struct error *err)
{
    struct doc_id other;
    switch (replica_succeed(replica, entry, genesis, &other, err)) {
    case DOC_INDEX_PUT:
        neighbours_tell(replica);
        replica_go_over(replica, entry);
        return true;
    case DOC_INDEX_TAKEN: /* another window has just begun one for this file, or shared it */
        return replica_follow_path(replica, err);
    case DOC_INDEX_FAILED:
        break;
    }
    return false;
}

/*
 * All of ours is in its journal: what others type there has to be found when it is brought over, and the text that it began with
 * must not be in the file alone, which goes on with the new document.
 */
static bool keep_all(struct replica *replica, struct error *err)
{
    uint64_t until_ms = net_now_ms() + KEEP_WAIT_MS;
    bool copies = replica->indexed && rope_len(replica->base) <= replica->base_bytes_max;
    if (replica->is_private)
        return true;
    if (copies && !atomic_load(&replica->base_kept))
        replica_begin_writing(replica);
    bool good = replica_flush(replica, err);
    while (good && copies && !atomic_load(&replica->base_kept)) {
        if (net_now_ms() >= until_ms)
            good = error_set(err, ERR_BUSY, 0, "the journal does not take its text in time");
        good = good && replica_flush(replica, err);
    }
    return good;
}

/* A new document whose beginning is the text as it is now: what was written before stays in the old one, here. */
static bool begin_shared_document(struct replica *replica, const char *relay, struct error *err)
{
    struct doc_entry entry;
    struct buf genesis = {0};
    worker_drain(replica->worker); /* a save speaks of versions of the document that ends here */
    replica_end_replaced(replica);
    replica_await_journal(replica);
    if (!keep_all(replica, err))
        return error_wrap(err, "%s is not shared", replica->label);
    replica_update_text(replica);
    make_entry(replica, relay, &entry);
    make_genesis(replica, &entry, &genesis);
    bool good = replica->is_private || begin_on_disk(replica, &entry, buf_view(&genesis), err);
    if (replica->is_private)
        begin_in_memory(replica, &entry, buf_view(&genesis));
    buf_release(&genesis);
    doc_entry_release(&entry);
    return good || error_wrap(err, "%s is not shared", replica->label);
}

void replica_wait_for_pin(struct replica *replica)
{
    enum { PIN_WAIT_MS = 3000, STEP_MS = 50 };
    uint64_t until_ms = net_now_ms() + PIN_WAIT_MS;
    while (replica->net && addresses_want_pin(&replica->entry, replica->insecure) && net_now_ms() < until_ms)
        replica_wait(replica, STEP_MS);
    if (addresses_want_pin(&replica->entry, replica->insecure))
        replica_say(replica, "The relay does not answer yet: links made now do not name its key, and guests need --insecure.");
}

/* Where it is; or at another relay, when one is named. */
static bool share_again(struct replica *replica, const char *relay, struct error *err)
{
    struct addresses checked;
    char *written = NULL;
    if (!relay)
        return replica_go_online(replica, err);
    if (!addresses_parse(relay, replica->insecure, &checked, &written, err))
        return false;
    bool same = replica->entry.relay && strcmp(written, replica->entry.relay) == 0;
    bool good = same ? replica_go_online(replica, err) : replica_move(replica, written, err);
    free(written);
    return good;
}

static bool check_token(struct replica *replica, struct error *err)
{
    struct buf token = {0};
    bool good = replica_read_token(replica, &token, err);
    crypto_wipe(token.data, token.len);
    buf_release(&token);
    return good;
}

bool replica_share(struct replica *replica, const char *relay, struct error *err)
{
    struct addresses checked;
    char *written = NULL;
    if (replica_is_shared(replica)) {
        replica->work_alone = false;
        return share_again(replica, relay, err);
    }
    if (replica->unmerged)
        return error_set(err, ERR_BUSY, 0, "what is kept of %s is not all merged yet; share it when it is", replica->label);
    if (rope_len(replica->buffer.text) > BASE_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "%s is too large to share: %llu MiB, and 64 MiB is the most; it can be edited alone",
                         replica->label, (unsigned long long)(rope_len(replica->buffer.text) >> 20));
    if (!check_token(replica, err) || !addresses_parse(relay, replica->insecure, &checked, &written, err))
        return false;
    bool good = true;
    for (int i = 0; good && i < BEGIN_TRIES && !replica_is_shared(replica); i++)
        good = begin_shared_document(replica, written, err);
    free(written);
    if (!good || !replica_go_online(replica, err))
        return false;
    replica_wait_for_pin(replica);
    return true;
}

/* The relay forgets it, and everybody hears that; confirmed before anything changes here. */
static bool close_for_everybody(struct replica *replica, struct error *err)
{
    struct session_status status = {0};
    if (!replica_go_online(replica, err))
        return false;
    net_delete_document(replica->net);
    uint64_t until_ms = net_now_ms() + CLOSE_WAIT_MS;
    replica->closing = true;
    do {
        replica_wait(replica, 100);
        if (replica->net) /* what came may have ended it */
            net_status(replica->net, &status);
    } while (replica->net && status.refuse_code != REFUSE_CLOSED && net_now_ms() < until_ms);
    replica->closing = false;
    return status.refuse_code == REFUSE_CLOSED ||
           error_set(err, ERR_OFFLINE, 0, "the relay did not confirm that %s is closed: %s; try again when it can be reached",
                     replica->label, status.why.text);
}

bool replica_unshare(struct replica *replica, bool close_for_all, struct error *err)
{
    bool all_sent;
    if (!replica_is_shared(replica))
        return error_set(err, ERR_MISSING, 0, "%s is not shared", replica->label);
    if (close_for_all && replica->entry.keys.access != ACCESS_ADMIN)
        return error_set(err, ERR_AUTH, 0, "only who shared %s can close it for everybody", replica->label);
    if (close_for_all && !close_for_everybody(replica, err))
        return false;
    replica_go_offline(replica, 1000, &all_sent);
    if (!put_state(replica, DOC_UNSHARED, err))
        return false;
    neighbours_tell(replica);
    return true;
}

static void hear_unshared(struct replica *replica)
{
    bool all_sent;
    replica_go_offline(replica, 0, &all_sent);
    replica->entry.state = DOC_UNSHARED;
    replica_say(replica, "%s is not shared any more: weft unshare ended it. The text stays here.", replica->label);
    replica_touch(replica);
}

/* By the relay's word alone, which is not written down: at the next opening it is asked again. */
void replica_hear_closed(struct replica *replica)
{
    bool all_sent;
    replica->closed_due = false;
    replica_go_offline(replica, 0, &all_sent);
    replica->entry.state = DOC_UNSHARED;
    replica_say(replica, "%s was closed for everybody at its relay. The text stays here.", replica->label);
    replica_touch(replica);
}

static void hear_moved(struct replica *replica, const struct doc_entry *entry)
{
    struct buf place = {0};
    addresses_place(entry, &place);
    replica_follow(replica, addresses_moved_s(entry), buf_view(&place));
    buf_release(&place);
}

void replica_look_at_index(struct replica *replica)
{
    struct doc_index *index;
    struct doc_entry entry = {0};
    struct error err = {0};
    bool found = false;
    if (!replica->indexed || !replica_open_index(replica, DOC_INDEX_READ, &index, &err))
        return;
    bool read = doc_index_find_doc(index, &replica->entry.doc, &entry, &found, &err);
    doc_index_close(index);
    bool elsewhere = entry.relay && replica->entry.relay && strcmp(entry.relay, replica->entry.relay) != 0;
    if (read && found && replica_is_shared(replica)) {
        if (entry.state == DOC_UNSHARED)
            hear_unshared(replica);
        else if (entry.state == DOC_SHARED && elsewhere)
            hear_moved(replica, &entry);
    }
    doc_entry_release(&entry);
}

char *replica_link(const struct replica *replica, enum access access)
{
    if (!replica->entry.relay || replica->entry.keys.access < access)
        return NULL;
    return addresses_link(&replica->entry, access);
}
