/*
 * doc_index - which documents this device knows, and which file belongs to which.
 *
 * One small database in the state directory: documents with their keys, paths with the document they show. Keys and
 * content hashes are sealed with the device's index key; names and paths are in the clear in a directory only its owner
 * can read.
 *
 *   Ownership  doc_entry owns its strings; doc_entry_release(). Zero-initialised it is empty.
 *   Processes  several may use it at once: every change is one transaction, and a path is given to a document exactly
 *              once.
 *   Errors     as sync/db.h; ERR_AUTH when an entry was sealed with another device's key.
 *   Bounds     DOC_INDEX_*_MAX.
 */
#ifndef WEFT_SYNC_DOC_INDEX_H
#define WEFT_SYNC_DOC_INDEX_H

#include "sync/keys.h"

struct doc_index;

enum {
    DOC_INDEX_TEXT_BYTES_MAX = 4096, /* a path, a name, a list of relays */
};

enum doc_role { DOC_HOST, DOC_GUEST };
enum doc_state { DOC_PRIVATE, DOC_SHARED, DOC_UNSHARED };

struct doc_entry {
    struct doc_id doc;
    struct doc_keys keys;
    enum doc_role role;
    enum doc_state state;
    char *name;        /* shown to people; unsafe to show as it is when it came from a link */
    char *relay;       /* addresses as in a share link, "relay.example,192.168.1.20:7717"; NULL: never shared */
    char *relay_flags; /* how they are reached, as the share link spells it ("ws", a pin, ...); NULL: nothing special */
    uint64_t created_s, opened_s;
    uint64_t shared_s; /* 0: never */
    /* The file it was last seen in; path NULL: none (a joined document that was not saved yet). */
    char *path;
    uint64_t dev, ino;
    bool content_known;
    struct digest content; /* of the file's bytes when weft last read or wrote it, */
    uint64_t bound_s;      /* which was then; read only */
};
void doc_entry_release(struct doc_entry *entry); /* wipes the keys */
/* *out is overwritten; it owns strings of its own. */
void doc_entry_copy(struct doc_entry *out, const struct doc_entry *entry);

enum doc_index_mode { DOC_INDEX_READ, DOC_INDEX_CREATE };
/* DOC_INDEX_READ of a missing index: NULL and ERR_MISSING. `path` NULL: in memory. */
MUST_USE struct doc_index *doc_index_open(const char *path, enum doc_index_mode mode, const struct device *device,
                                          struct error *err);
void doc_index_close(struct doc_index *index);

enum doc_index_put {
    DOC_INDEX_PUT,
    DOC_INDEX_TAKEN, /* the path shows another document already; nothing was changed */
    DOC_INDEX_FAILED,
};
/*
 * Adds or replaces the document, and its path when it has one. With DOC_INDEX_TAKEN *other is the document that has the
 * path: of two processes that open a new file at once both end up with the same one.
 */
MUST_USE enum doc_index_put doc_index_put(struct doc_index *index, const struct doc_entry *entry, struct doc_id *other,
                                          struct error *err);
/*
 * Adds the document in the place of `former`: all paths of that one, and the entry's own, show it from now on. All of it or
 * nothing. DOC_INDEX_TAKEN: the entry's path shows neither `former` nor nothing, but *other.
 */
MUST_USE enum doc_index_put doc_index_succeed(struct doc_index *index, const struct doc_id *former,
                                              const struct doc_entry *entry, struct doc_id *other, struct error *err);
/*
 * The path shows this document from now on, whatever it showed before: starting anew from the disk, saving under
 * another name. `content` NULL: not known.
 */
MUST_USE bool doc_index_bind_path(struct doc_index *index, const struct doc_id *doc, const char *path, uint64_t dev,
                                  uint64_t ino, const struct digest *content, uint64_t now_s, struct error *err);
/* The path of this document has this file, with these bytes, since `now_s`: it is its newest one. A path that does not show the
   document (any more) stays as it is. */
MUST_USE bool doc_index_note_file(struct doc_index *index, const struct doc_id *doc, const char *path, uint64_t dev,
                                  uint64_t ino, const struct digest *content, uint64_t now_s, struct error *err);
/* The path shows no document from now on, if it showed this one: the file has another name. */
MUST_USE bool doc_index_unbind_path(struct doc_index *index, const struct doc_id *doc, const char *path, struct error *err);
MUST_USE bool doc_index_set_state(struct doc_index *index, const struct doc_id *doc, enum doc_state state,
                                  const char *relay, uint64_t now_s, struct error *err);
MUST_USE bool doc_index_touch(struct doc_index *index, const struct doc_id *doc, uint64_t now_s, struct error *err);

/* The paths that show the document, newest last. Return false to stop; the index must not be changed meanwhile. */
typedef bool doc_index_path_visit(void *self, const char *path, uint64_t dev, uint64_t ino);
MUST_USE bool doc_index_paths(struct doc_index *index, const struct doc_id *doc, doc_index_path_visit *visit, void *self,
                              struct error *err);

/* When *found, *entry is overwritten (initialise it with {0}); else it stays as it is. */
MUST_USE bool doc_index_find_path(struct doc_index *index, const char *path, struct doc_entry *entry, bool *found,
                                  struct error *err);
MUST_USE bool doc_index_find_doc(struct doc_index *index, const struct doc_id *doc, struct doc_entry *entry,
                                 bool *found, struct error *err);
/*
 * By (dev, ino): only a hint that a file was renamed or linked; inode numbers are reused. The newest such entry, with the
 * path it was found by.
 */
MUST_USE bool doc_index_find_inode(struct doc_index *index, uint64_t dev, uint64_t ino, struct doc_entry *entry,
                                   bool *found, struct error *err);
/* Newest opened first, at most `max` (0: all). Return false to stop; the index must not be changed meanwhile. */
typedef bool doc_index_visit(void *self, const struct doc_entry *entry);
MUST_USE bool doc_index_recent(struct doc_index *index, size_t max, doc_index_visit *visit, void *self,
                               struct error *err);
/* Removes the document and its paths (its journal is removed with journal_forget()). */
MUST_USE bool doc_index_forget(struct doc_index *index, const struct doc_id *doc, struct error *err);
/* Leaves no trace of what was forgotten in the file. */
MUST_USE bool doc_index_vacuum(struct doc_index *index, struct error *err);

#endif
