/*
 * What is said of edits that are not in the file, when a document is opened again.
 *
 * How many they are only the whole history tells. A long one is not read before the text is shown, nor between two keys: a
 * document of its own is made for it on another thread, and the sentence comes when that is done.
 */
#include "app/replica_restored.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <time.h>

#include "app/moment.h"
#include "editor/base/xalloc.h"

enum { COUNTED_EVENTS = 50000 /* a history that is read in a few milliseconds, at most */ };

struct restored {
    struct replica *replica;
    struct worker *worker;
    bool runs, ends;
    /* The worker's while it runs. */
    struct doc_id doc;
    char *path;
    struct version version; /* of the text that was restored */
    uint64_t edits, newest_s;
    bool counted;
};

/* " of 14:02", with the day when it was not today; nothing when the edits do not say. */
static void add_time(struct buf *out, uint64_t time_s)
{
    if (!time_s)
        return;
    buf_add_string(out, " of ");
    if (!moment_is_today(time_s, time(NULL))) {
        moment_add_day(out, time_s);
        buf_add_string(out, ", ");
    }
    moment_add_clock(out, time_s);
}

/* A person sees them on the screen again; a verb without a screen only says that they are there. */
static void add_sentence(const struct replica *replica, uint64_t edits, uint64_t newest_s, struct buf *out)
{
    bool one = edits == 1;
    if (!edits)
        return;
    buf_addf(out, "%s%s%llu edit%s", out->len ? " " : "", replica->scripted ? "" : "Restored ", (unsigned long long)edits,
             one ? "" : "s");
    add_time(out, newest_s);
    buf_addf(out, "%s not yet in %s.%s", !replica->scripted ? "" : one ? " is kept and" : " are kept and", replica->label,
             replica_key_hint(replica, one ? " ^S writes it." : " ^S writes them."));
}

/* --- on the worker's thread --- */

static void count_run(void *self)
{
    struct restored *restored = self;
    struct error ignored = {0}; /* then it is not said how many they are */
    struct version now = {0};
    struct replica *copy = replica_new(restored->replica->env, &(struct replica_options){.reads_only = true, .alone = true});
    copy->file.path = xstrdup(restored->path);
    if (replica_find_doc(copy, &restored->doc, &ignored) && replica_restore(copy, &ignored)) {
        document_version(copy->document, &now);
        restored->counted = version_equal(&now, &restored->version); /* else somebody has typed since */
    }
    if (restored->counted) {
        restored->edits = replica_edits_not_in_file(copy);
        restored->newest_s = document_newest_s(copy->document, &copy->file.version);
    }
    version_release(&now);
    replica_free(copy);
}

static void count_done(void *self)
{
    struct restored *restored = self;
    struct replica *replica = restored->replica;
    struct buf text = {0};
    restored->runs = false;
    if (restored->ends || replica_same_text(replica->file.text, replica->buffer.text) ||
        !doc_id_equal(&restored->doc, &replica->entry.doc))
        return; /* it is in the file by now */
    if (restored->counted)
        add_sentence(replica, restored->edits, restored->newest_s, &text);
    else
        buf_addf(&text, "Restored edits not yet in %s.%s", replica->label, replica_key_hint(replica, " ^S writes them."));
    if (text.len)
        replica_say(replica, "%s", buf_string(&text));
    buf_release(&text);
}

/* --- from outside --- */

static void count_behind(struct replica *replica)
{
    struct restored *restored = replica->restored;
    if (!restored) {
        restored = replica->restored = xcalloc(1, sizeof *restored);
        restored->replica = replica;
        restored->worker = worker_new();
        replica_watch_fd(replica, worker_fd(restored->worker));
    }
    if (restored->runs)
        return;
    restored->runs = true;
    restored->counted = false;
    restored->doc = replica->entry.doc;
    free(restored->path);
    restored->path = xstrdup(replica->file.path);
    document_version(replica->document, &restored->version);
    worker_give(restored->worker, (struct worker_job){count_run, count_done, restored});
}

void replica_add_restored(struct replica *replica, struct buf *out)
{
    if (replica_same_text(replica->file.text, replica->buffer.text))
        return; /* undone or discarded: there are edits, and nothing of them is missing in the file */
    if (document_events(replica->document) > COUNTED_EVENTS && !replica->scripted && replica->file.path) {
        count_behind(replica);
        return;
    }
    uint64_t edits = replica_edits_not_in_file(replica);
    add_sentence(replica, edits, edits ? document_newest_s(replica->document, &replica->file.version) : 0, out);
}

void replica_restored_handle(struct replica *replica)
{
    if (replica->restored)
        worker_handle(replica->restored->worker);
}

void replica_restored_release(struct replica *replica)
{
    struct restored *restored = replica->restored;
    if (!restored)
        return;
    restored->ends = true;
    worker_free(restored->worker);
    version_release(&restored->version);
    free(restored->path);
    free(restored);
    replica->restored = NULL;
}
