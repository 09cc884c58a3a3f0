/*
 * file - files on disk, byte for byte: reading one whole, and replacing one without ever damaging it.
 *
 *   Units      bytes; times are the file system's own.
 *   Ownership  strings and ropes handed out belong to the caller.
 *   Errors     everything the system refuses comes back as one sentence with the path in it.
 *   Bounds     FILE_EDIT_BYTES_MAX.
 *   Source     fsync before rename before fsync of the directory: Pillai et al., "All File Systems Are Not Created Equal",
 *              OSDI 2014.
 */
#ifndef WEFT_EDITOR_FILE_H
#define WEFT_EDITOR_FILE_H

#include <stdint.h>

#include "editor/base/error.h"
#include "editor/rope.h"

#define FILE_EDIT_BYTES_MAX ((uint64_t)1 << 40)

/* What tells one state of a file from another. All zero: there is no file. */
struct file_stamp {
    uint64_t dev, ino, size;
    int64_t mtime_ns;
    bool exists;
};

bool file_stamp_equal(struct file_stamp a, struct file_stamp b);
/* The state of the file `path` leads to (links followed). A missing file is not an error: exists is false. */
MUST_USE bool file_stat(const char *path, struct file_stamp *stamp, struct error *err);

/*
 * Reads a regular file. A missing file gives an empty rope and stamp->exists == false. Directories, devices, sockets and
 * unreadable files are errors in words. The stamp is of what was read: it is taken before and after, and a file that
 * changed meanwhile is read again (a few times, then ERR_BUSY).
 */
MUST_USE bool file_load(const char *path, struct rope **text, struct file_stamp *stamp, struct error *err);

/*
 * The path to write and to remember: absolute, links resolved; of a file that does not exist yet, its directory resolved.
 * A dangling link resolves to what it names. Heap string.
 */
MUST_USE bool file_resolve(const char *path, char **resolved, struct error *err);

/*
 * What a save took the place of, held open. Nobody finds it by its name any more; a program that had opened it before goes on
 * writing to it.
 */
struct file_replaced {
    int fd;                  /* -1: nothing was replaced: a new file, or one written in place */
    struct file_stamp stamp; /* as it was when it was looked at last; at first, as it was expected to be */
};
/* True: it is not as it was then. *text is what it has now. What cannot be read was not written to. */
bool file_replaced_look(struct file_replaced *replaced, struct rope **text);
void file_replaced_release(struct file_replaced *replaced);

enum file_saved {
    FILE_SAVED,
    FILE_CHANGED_MEANWHILE, /* the file on disk is no longer `expected`: nothing was written */
    FILE_SAVE_FAILED,       /* *err says why, and where the old text is kept should the file not hold it any more */
};

struct file_save {
    const char *path;                  /* as file_resolve() gave it */
    const struct rope *text;
    const struct file_stamp *expected; /* what the caller believes is there; NULL: whatever is there is replaced */
    const char *backup_dir;            /* where the copy goes that a write in place needs; NULL: beside the file */
    struct file_replaced *replaced;    /* NULL: not wanted. Else set when saved over `expected`, to be looked at once, at least */
};

/*
 * Atomic: a temporary file in the same directory (O_EXCL, 0600), its metadata set (mode, owner, ACL and other extended
 * attributes), fsync, the target's stamp compared again, rename, fsync of the directory. Where that would lose something
 * (hard links, a directory that cannot be written, an owner or attribute that cannot be restored) the file is rewritten in
 * place after a synced copy of the old bytes was made and the growth was reserved, and restored if that fails.
 * A new file gets 0666 & ~umask. A file that may not be written is not replaced either.
 *
 * What another program writes or puts in the file's place between the last look and the rename is not lost for who asks for
 * `replaced`: the two files change places, and what comes out is handed over. (Where the file system cannot exchange files,
 * what was opened is.) What cannot be read goes back, or else stays beside the file under a name that *err tells. Written in
 * place, what another program appends while that goes on stays, behind the new text, or behind the old one where that is put
 * back; what it does in the moment between the last look and the first byte written is lost but for the copy.
 *
 * *stamp is what is there after the call, also when it failed: putting old bytes back in place gives the file a new
 * time. (Only when the file cannot even be opened it stays as it was.) Should the last step fail, the sync of the
 * directory, the file has the new text whole, but FILE_SAVE_FAILED tells that a power cut may still take it back.
 */
MUST_USE enum file_saved file_save(const struct file_save *save, struct file_stamp *stamp, struct error *err);

/* Makes a directory and its parents, mode 0700; an existing one is fine. */
MUST_USE bool file_make_dirs(const char *path, struct error *err);
/* Reads at most bytes_max bytes of a small file (keys, configuration) whole; more is ERR_LIMIT. */
MUST_USE bool file_read_small(const char *path, size_t bytes_max, struct buf *out, struct error *err);
/* Writes a small private file (0600) atomically. */
MUST_USE bool file_write_private(const char *path, struct bytes content, struct error *err);

#endif
