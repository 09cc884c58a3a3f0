/*
 * Opening a file: with what this device keeps of it, or anew.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

char *replica_label_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    return xstrdup(slash ? slash + 1 : path);
}

/* Of a document that was never kept; nothing of it is on disk yet. */
static void make_entry(struct replica *replica)
{
    doc_keys_new(&replica->entry.keys);
    replica->entry.doc = replica->entry.keys.doc;
    replica->entry.name = xstrdup(replica->label);
    replica->entry.path = replica->file.path ? xstrdup(replica->file.path) : NULL;
}

/* Another program rewrote a large file while edits were kept against its old text: they go beside it, and it begins anew. */
static bool open_without_base(struct replica *replica, struct rope *text, struct file_stamp stamp, struct error *err)
{
    if (!replica_recover_typed(replica, err)) {
        rope_free(text);
        return error_wrap(err, "%s was changed by another program, and what was typed before cannot be put beside it",
                          replica->label);
    }
    replica_begin_anew(replica, text, stamp);
    replica_begin_writing(replica); /* the path shows the new document from now on: it is recovered once */
    return true;
}

static void say_read_only(struct replica *replica, struct file_stamp stamp)
{
    if (stamp.exists && faccessat(AT_FDCWD, replica->file.path, W_OK, AT_EACCESS) != 0)
        replica_say(replica, "%s is read-only: ^S cannot write it, Alt+S saves under another name.", replica->label);
}

/* Whether this device keeps a document of the file. */
static bool is_kept(struct replica *replica)
{
    bool found = false;
    struct error err = {0};
    if (replica->is_private || replica_find_entry(replica, &found, &err))
        return found;
    replica_say(replica, "%s", err.text); /* editing goes on without history; the writer will say why nothing is kept */
    return false;
}

/* Takes the rope. */
static void begin_with_file(struct replica *replica, struct rope *text, struct file_stamp stamp)
{
    replica_begin_document(replica, rope_snapshot(text));
    replica_file_loaded(replica, text, stamp);
}

/* `text`: the file's, for a journal that refers to it. */
static enum replica_kept restore_beside(struct replica *replica, const struct rope *text, struct file_stamp stamp,
                                        struct lost_journal *lost, struct error *err)
{
    replica->disk = text;
    replica->disk_stamp = stamp;
    replica->opens = true;
    enum replica_kept kept = replica_restore_kept(replica, lost, err);
    replica->opens = false;
    replica->disk = NULL;
    return kept;
}

/*
 * What was read before the journal was may be older than what the journal says is in the file: another weft has saved in between.
 * Merged as it was read, it would take back what that one wrote.
 */
static void read_anew_if_written(struct replica *replica, struct rope **text, struct file_stamp *stamp)
{
    struct file_stamp now, read;
    struct rope *newer;
    struct error ignored = {0}; /* what is read is as good as what can be had */
    if (!file_stat(replica->file.path, &now, &ignored) || file_stamp_equal(now, *stamp) ||
        !file_load(replica->file.path, &newer, &read, &ignored))
        return;
    rope_free(*text);
    *text = newer;
    *stamp = read;
}

/* There is something to go on with. Takes the rope. */
static bool open_restored(struct replica *replica, struct rope *text, struct file_stamp stamp, struct error *err)
{
    if (replica->reads_only) {
        rope_free(text); /* the journal's text is asked for; whether the file has another one is not decided here */
        return !replica->base_lost ||
               error_set(err, ERR_MISSING, 0, "%s was changed by another program since weft kept edits of it: open it in weft",
                         replica->label);
    }
    neighbours_open(replica); /* reconciling may begin to write */
    if (replica->unmerged) {
        rope_free(text); /* it is read once all is in the text */
        replica->file.stamp = stamp;
        return true;
    }
    if (replica->base_lost)
        return open_without_base(replica, text, stamp, err);
    read_anew_if_written(replica, &text, &stamp);
    replica_file_reconcile(replica, text, stamp);
    return true;
}

static bool say_unreadable(const struct replica *replica, struct error *err)
{
    const char *label = replica->label;
    if (err->code == ERR_NEWER)
        return error_wrap(err, "%s cannot be opened", label);
    return error_wrap(err, "%s has a journal that cannot be read (weft --private %s opens the file without it, weft forget %s "
                           "removes it)", label, label, label);
}

/* The file's text is what is left of the document. The new journal is made at once: so it is said once. Takes the rope. */
static bool open_lost(struct replica *replica, const struct lost_journal *lost, struct rope *text, struct file_stamp stamp)
{
    replica_say_lost(replica, lost, "this is the file's text; its history, and edits that were not in the file, are lost.");
    if (lost->aside)
        replica_outlive(replica); /* forgetting it would remove what is said to be kept */
    begin_with_file(replica, text, stamp);
    if (replica->reads_only)
        return true;
    neighbours_open(replica);
    replica_begin_writing(replica);
    return true;
}

/* Only the room can tell what the text is: taken for it, the file's would come in beside it. */
static bool open_lost_shared(struct replica *replica, const struct lost_journal *lost, struct error *err)
{
    if (replica->scripted)
        return error_set(err, ERR_MISSING, 0, "the journal of %s is %s, and its text is in the room: open it in weft first",
                         replica->label, lost->empty ? "empty" : "gone");
    replica_say_lost(replica, lost, "its text comes back from the room; edits that were not sent are lost.");
    replica_begin_joining(replica);
    return true;
}

/* Takes the rope. */
static bool open_kept(struct replica *replica, struct rope *text, struct file_stamp stamp, struct error *err)
{
    struct error why = {0};
    struct lost_journal lost;
    bool shared = replica_is_shared(replica), good = true;
    switch (restore_beside(replica, text, stamp, &lost, &why)) {
    case REPLICA_KEPT:
        good = open_restored(replica, text, stamp, err);
        break;
    case REPLICA_KEPT_LOST:
        if (shared && !replica->reads_only) {
            rope_free(text);
            good = open_lost_shared(replica, &lost, err);
        } else {
            good = open_lost(replica, &lost, text, stamp);
        }
        break;
    case REPLICA_KEPT_NOTHING:
    case REPLICA_KEPT_UNREADABLE:
        if (why.code == ERR_MISSING && !shared) {
            /* Killed between making the journal and the first that is written to it: there is nothing to restore yet. */
            begin_with_file(replica, text, stamp);
            break;
        }
        rope_free(text);
        *err = why;
        good = say_unreadable(replica, err);
        break;
    }
    lost_journal_release(&lost);
    return good;
}

static bool open_file(struct replica *replica, const char *path, struct error *err)
{
    struct rope *text;
    struct file_stamp stamp;
    if (!file_resolve(path, &replica->file.path, err) || !file_load(replica->file.path, &text, &stamp, err))
        return false;
    replica->label = replica_label_of_path(replica->file.path);
    if (!replica->reads_only && !replica->scripted)
        say_read_only(replica, stamp);
    if (is_kept(replica))
        return open_kept(replica, text, stamp, err);
    make_entry(replica);
    begin_with_file(replica, text, stamp);
    return true;
}

struct replica *replica_open(struct env *env, const char *path, struct bytes text,
                             const struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_new(env, options);
    if (path) {
        if (!open_file(replica, path, err)) {
            replica_free(replica);
            return NULL;
        }
        replica_say_damaged(replica);
        if (!replica->reads_only)
            replica_file_watch(replica);
    } else {
        replica->label = xstrdup("new buffer");
        make_entry(replica);
        replica_begin_document(replica, rope_from_bytes(text));
        replica_file_loaded(replica, rope_new(), (struct file_stamp){0});
    }
    if (!replica->reads_only)
        neighbours_open(replica);
    return replica;
}
