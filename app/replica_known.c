/*
 * Which document a file shows, and keeping the index true about it.
 *
 * The index has the document of each path, with the device, the inode number and the bytes the file had when weft last read or
 * wrote it. A path that is known decides. One that is not may be another name of a file that is: then its number is known. But
 * the number of a file that is gone is given to the next one. So it counts only for a file that was made before weft last saw the
 * one it knows (where the file system tells), and while the bytes speak for it: they are those of the last save, or have at least
 * half of their lines in common ("alike"). Bytes alone tell nothing: a copy is another file.
 *
 *     path     inode             bytes       what happens at opening
 *     known    any               as saved    its document
 *     known    any               of a later  its document: that version is what the file has (another replica of it wrote there)
 *                                version
 *     known    any               alike       its document, the change is merged; a new one where it is private and nothing was
 *                                            unsaved (the old one stays as history)
 *     known    same              different   shared: asked. Private: as alike, ^Z takes it back
 *     known    another, or the   different   asked where it is shared or something was unsaved; else a new document
 *              same of a younger
 *              file
 *     known    none: it is gone  -           asked: restore, or begin anew
 *     unknown  known, its path   as saved,   renamed, or in a directory that was: its document under the new name, and the old
 *              has no file       alike       name shows none; said
 *     unknown  known, its path   different,  the number of another file now: a new document
 *              has no file       or younger
 *     unknown  known, its path   any         a hard link: the same document under both names; said
 *              is the same file
 *     unknown  known, its path   any         a new document: the other one stays with its path (an editor that renames the old
 *              is another file               file to make a backup)
 *     unknown  unknown           any         a new document, a copy too
 *
 * While another process has the file open, its path gets no other document, be it by such a row or by an answer: what is typed
 * there must be found again. A change that would begin a new one is merged then; answers are refused. Only sharing gives it
 * another one, and there everybody goes over (replica_succession.c).
 *
 * For a path that is known, "alike" is a file that has at least half of the lines of the text it had before: whatever else was
 * added, nothing of the rest is lost.
 *
 * A symbolic link is the path it leads to, so it has no row. What the questions are is in replica_disk.c.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>

#include "app/file_system.h"
#include "editor/base/xalloc.h"

/* --- by another name --- */

/* Whether the text that document had in its file is like this one. What cannot be read is not. */
static bool was_alike(struct env *env, const struct doc_entry *entry, const char *path, const struct rope *disk,
                      struct file_stamp stamp)
{
    struct replica *replica = replica_new(env, &(struct replica_options){.reads_only = true, .alone = true});
    struct error ignored = {0};
    doc_entry_copy(&replica->entry, entry);
    replica->file.path = xstrdup(path);
    replica->label = xstrdup(path);
    replica->disk = disk;
    replica->disk_stamp = stamp;
    bool alike = replica_restore(replica, &ignored) && !replica->base_lost &&
                 replica_are_alike(replica->file.text ? replica->file.text : replica->base, disk);
    replica->disk = NULL;
    replica_free(replica);
    return alike;
}

static bool has_bytes_of(struct env *env, const struct doc_entry *entry, const char *path)
{
    struct rope *disk;
    struct file_stamp stamp;
    struct error ignored = {0}; /* who opens it hears of it */
    struct digest hash;
    if (!file_load(path, &disk, &stamp, &ignored))
        return false;
    replica_hash_text(disk, &hash);
    bool has = (entry->content_known && digest_equal(&hash, &entry->content)) || was_alike(env, entry, path, disk, stamp);
    rope_free(disk);
    return has;
}

/* Another file that got the number: it was made after weft last saw the one that the entry has. */
static bool is_younger(const struct doc_entry *entry, const char *path)
{
    return file_system_birth_s(path) > entry->bound_s;
}

bool replica_is_another_file(const struct replica *replica, struct file_stamp known, struct file_stamp now)
{
    return known.dev != now.dev || known.ino != now.ino || is_younger(&replica->entry, replica->file.path);
}

/* Whether `path` is another name of the file that the entry has by its own path. */
static bool is_named_so(struct env *env, const struct doc_entry *entry, const char *path, struct file_stamp stamp)
{
    struct file_stamp there;
    struct error ignored = {0};
    if (!file_stat(entry->path, &there, &ignored)) /* in a directory that cannot be looked into */
        return false;
    if (there.exists)
        return there.dev == stamp.dev && there.ino == stamp.ino;
    return !is_younger(entry, path) && has_bytes_of(env, entry, path);
}

static bool find_inode(struct env *env, struct doc_index *index, const char *path, struct doc_entry *entry, bool *found,
                       struct error *err)
{
    struct file_stamp stamp;
    struct doc_entry named = {0};
    bool known = false;
    if (!file_stat(path, &stamp, err) || !doc_index_find_inode(index, stamp.dev, stamp.ino, &named, &known, err))
        return false;
    if (known && stamp.exists && is_named_so(env, &named, path, stamp)) {
        doc_entry_release(entry);
        *entry = named;
        *found = true;
    } else {
        doc_entry_release(&named);
    }
    return true;
}

bool replica_index_find(struct env *env, struct doc_index *index, const char *path, struct doc_entry *entry, bool *found,
                        struct error *err)
{
    return doc_index_find_path(index, path, entry, found, err) &&
           (*found || find_inode(env, index, path, entry, found, err));
}

bool replica_find_path(struct replica *replica, struct doc_entry *entry, bool *found, struct error *err)
{
    struct doc_index *index;
    *found = false;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, err)) {
        if (err->code != ERR_MISSING)
            return false;
        *err = (struct error){0};
        return true;
    }
    bool good = replica_index_find(replica->env, index, replica->file.path, entry, found, err);
    doc_index_close(index);
    return good;
}

/* What another process has begun to keep and not in the index yet; one that is not read-only has folded it already. */
struct left_entry {
    const char *path;
    struct doc_entry *entry;
    bool *found;
};

static void take_left(void *self, const struct doc_entry *entry, bool takes_path)
{
    struct left_entry *left = self;
    if (!entry->path || strcmp(entry->path, left->path) != 0 || (*left->found && !takes_path))
        return;
    doc_entry_release(left->entry);
    doc_entry_copy(left->entry, entry);
    *left->found = true;
}

bool replica_find_entry(struct replica *replica, bool *found, struct error *err)
{
    bool good = replica_find_path(replica, &replica->entry, found, err);
    struct left_entry left = {replica->file.path, &replica->entry, found};
    if (good && replica->reads_only)
        replica_visit_left(replica->env, &(struct replica_left_visitor){&left, take_left});
    replica->indexed = good && *found;
    return good;
}

bool replica_has_other_name(const struct replica *replica)
{
    const char *path = replica->file.path;
    return path && replica->entry.path && strcmp(path, replica->entry.path) != 0;
}

const char *replica_known_path(const struct replica *replica)
{
    return replica_has_other_name(replica) ? replica->entry.path : replica->file.path;
}

/* --- taking a name --- */

void replica_describe_file(struct replica *replica)
{
    const struct file_side *file = &replica->file;
    struct doc_entry *entry = &replica->entry;
    entry->dev = file->stamp.dev;
    entry->ino = file->stamp.ino;
    entry->content_known = file->hash_known;
    entry->content = file->hash;
}

bool replica_bind_path(struct replica *replica, const char *leaves)
{
    const struct file_side *file = &replica->file;
    struct doc_entry *entry = &replica->entry;
    struct doc_index *index;
    struct error err = {0};
    if (replica->is_private || !replica->indexed)
        return true; /* it is bound when the entry is put */
    char *old = leaves && strcmp(leaves, file->path) != 0 ? xstrdup(leaves) : NULL; /* it may be the entry's own */
    free(entry->path);
    entry->path = xstrdup(file->path);
    replica_describe_file(replica);
    bool good = replica_open_index(replica, DOC_INDEX_CREATE, &index, &err);
    if (good) {
        good = doc_index_bind_path(index, &entry->doc, entry->path, entry->dev, entry->ino,
                                   entry->content_known ? &entry->content : NULL, file_system_now_s(), &err) &&
               (!old || doc_index_unbind_path(index, &entry->doc, old, &err));
        doc_index_close(index);
    }
    if (!good)
        replica_say(replica, "This file's history may not be found again: %s", err.text);
    free(old);
    return good;
}

/* The journal knows the file's state by the old name. */
static void rename_saved(struct replica *replica)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    struct error ignored = {0}; /* what the file had is compared with the base then */
    struct journal *journal = replica->journal_found;
    bool found = false;
    bool good = journal && journal_saved_get(journal, replica_known_path(replica), &saved, &memory, &found, &ignored);
    replica_begin_writing(replica);
    saved.path = replica->file.path;
    if (good && found)
        journal_writer_saved(replica->writer, &saved, (struct journal_done){0});
    replica_refer_to_file(replica);
    buf_release(&memory);
}

/* "notes.md", or the whole path where the file was elsewhere. */
static const char *name_before(const char *before, const char *now)
{
    const char *old = strrchr(before, '/'), *new = strrchr(now, '/');
    bool same_dir = old && new && old - before == new - now && strncmp(before, now, (size_t)(old - before)) == 0;
    return same_dir ? old + 1 : before;
}

static void add_name(const struct replica *replica, const char *before, bool linked, struct buf *out)
{
    const char *name = name_before(before, replica->file.path);
    if (linked)
        buf_addf(out, "%s and %s are one file: one text, one history.", replica->label, name);
    else
        buf_addf(out, "%s was %s before: its history came along%s.", replica->label, name,
                 /* a verb may be ending that */
                 replica_is_shared(replica) && !replica->scripted ? ", and it is still shared" : "");
}

void replica_take_name(struct replica *replica, struct buf *sentence)
{
    struct file_stamp there = {0};
    struct error ignored = {0};
    if (!replica->indexed || !replica_has_other_name(replica))
        return;
    char *before = xstrdup(replica->entry.path);
    bool linked = file_stat(before, &there, &ignored) && there.exists;
    rename_saved(replica);
    if (replica_bind_path(replica, linked ? NULL : before))
        add_name(replica, before, linked, sentence);
    free(before);
}

/* --- what the file is like now --- */

struct note_job {
    char *index_path, *path;
    struct device device;
    struct doc_id doc;
    uint64_t dev, ino;
    bool content_known;
    struct digest content;
    uint64_t now_s;
};

static void note_run(void *self)
{
    struct note_job *job = self;
    struct error ignored = {0}; /* renamed after this, the file would not be known again */
    struct doc_index *index = doc_index_open(job->index_path, DOC_INDEX_CREATE, &job->device, &ignored);
    bool good = index && doc_index_note_file(index, &job->doc, job->path, job->dev, job->ino,
                                             job->content_known ? &job->content : NULL, job->now_s, &ignored);
    (void)good;
    doc_index_close(index);
}

static void note_done(void *self)
{
    struct note_job *job = self;
    device_wipe(&job->device);
    free(job->index_path);
    free(job->path);
    free(job);
}

static bool is_noted(const struct doc_entry *entry, const struct file_side *file)
{
    return entry->dev == file->stamp.dev && entry->ino == file->stamp.ino &&
           (!file->hash_known || (entry->content_known && digest_equal(&entry->content, &file->hash)));
}

void replica_note_file(struct replica *replica)
{
    const struct file_side *file = &replica->file;
    struct doc_entry *entry = &replica->entry;
    struct error ignored = {0};
    if (replica->is_private || replica->reads_only || !replica->indexed || !file->path || !file->stamp.exists ||
        replica_has_other_name(replica) || is_noted(entry, file) || !env_device(replica->env, &ignored))
        return;
    replica_describe_file(replica);
    struct note_job *job = xcalloc(1, sizeof *job);
    *job = (struct note_job){.index_path = paths_state_file(&replica->env->paths, "index.db"),
                             .path = xstrdup(file->path),
                             .device = replica->env->device,
                             .doc = entry->doc,
                             .dev = entry->dev,
                             .ino = entry->ino,
                             .content_known = entry->content_known,
                             .content = entry->content,
                             .now_s = file_system_now_s()};
    worker_give(replica->worker, (struct worker_job){note_run, note_done, job});
}
