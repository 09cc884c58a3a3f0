/*
 * Saving: file_save() of file.h. Two ways, the second only where the first would lose something.
 *
 *   replace    a temporary file beside the old one gets the new bytes and the old metadata and takes its place at once; the
 *              two files change places, so that what was there is held, whatever it is
 *   in place   the old bytes are copied away and synced, the growth is reserved, then the file is written over;
 * whatever fails on the way, the old bytes are put back
 */
#include "editor/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file_io.h"
#include "editor/file_meta.h"

struct saving {
    const struct file_save *order;
    char *dir;                /* the file is in */
    int old_fd;               /* -1: there is no file yet */
    struct stat old;          /* of old_fd */
    struct file_stamp *stamp; /* what is there now; kept up to date, whatever happens */
    struct error *err;
};

/* How far one way of saving came. */
enum attempt {
    ATTEMPT_SAVED,
    ATTEMPT_CHANGED,
    ATTEMPT_FAILED,
    ATTEMPT_IMPOSSIBLE /* nothing happened: use the other way */
};

static enum attempt saving_failed(const struct saving *saving)
{
    error_errno(saving->err, "cannot save %s", saving->order->path);
    return ATTEMPT_FAILED;
}

/* ATTEMPT_SAVED, so far, when nobody wrote the file since the caller looked at it, or the caller does not mind. */
static enum attempt saving_look_again(struct saving *saving)
{
    struct file_stamp now;
    if (!saving->order->expected)
        return ATTEMPT_SAVED;
    if (!file_stat(saving->order->path, &now, saving->err))
        return ATTEMPT_FAILED;
    if (file_stamp_equal(now, *saving->order->expected))
        return ATTEMPT_SAVED;
    *saving->stamp = now;
    return ATTEMPT_CHANGED;
}

/* --- replace --- */

/* These say that another file cannot take this one's place here: a directory not ours to write, a file that is a mount.
 */
static bool is_refusal(int sys)
{
    return sys == EACCES || sys == EPERM || sys == EROFS || sys == EBUSY || sys == EXDEV;
}

static bool exchange(const char *temp, const char *path)
{
    return renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_EXCHANGE) == 0;
}

/* What another program had put at the path has the temporary name, and nobody else has it. */
static enum attempt keep_replaced(struct saving *saving, struct file_temp *temp)
{
    const char *path = saving->order->path;
    if (file_stat(path, saving->stamp, saving->err))
        error_set(saving->err, ERR_IO, 0, "%s has the new text; what another program had put there meanwhile is kept in %s",
                  path, temp->path);
    else
        error_wrap(saving->err, "what another program had put at %s meanwhile is kept in %s", path, temp->path);
    file_temp_forget(temp);
    return ATTEMPT_FAILED;
}

/*
 * The temporary name has what was at the path: from now on that is the old file, whether it is the one that was opened, that one
 * with what another program has written to it since, or another. What cannot be read, or is no file, goes back; where it cannot,
 * it stays under that name.
 */
static enum attempt take_replaced(struct saving *saving, struct file_temp *temp)
{
    struct stat st;
    bool known = lstat(temp->path, &st) == 0;
    bool ours = known && st.st_dev == saving->old.st_dev && st.st_ino == saving->old.st_ino;
    int fd = known && S_ISREG(st.st_mode) ? file_io_open(temp->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0) : -1;
    if (fd >= 0) {
        close(saving->old_fd);
        saving->old_fd = fd;
    }
    if (fd >= 0 || ours)
        return ATTEMPT_SAVED;
    if (!known || !exchange(temp->path, saving->order->path))
        return keep_replaced(saving, temp);
    return file_stat(saving->order->path, saving->stamp, saving->err) ? ATTEMPT_CHANGED : ATTEMPT_FAILED;
}

/* There is a file now where none was expected, or none where one was. */
static enum attempt changed_at_last(struct saving *saving, int sys)
{
    enum attempt attempt = saving_look_again(saving);
    errno = sys;
    return attempt == ATTEMPT_SAVED ? saving_failed(saving) : attempt;
}

/* Puts the finished temporary file in its place. What another program put there in the meantime is not lost. */
static enum attempt take_place(struct saving *saving, struct file_temp *temp)
{
    const char *path = saving->order->path;
    const struct file_stamp *expected = saving->order->expected;
    if (expected && expected->exists && exchange(temp->path, path))
        return take_replaced(saving, temp);
    if (expected && !expected->exists && renameat2(AT_FDCWD, temp->path, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return ATTEMPT_SAVED;
    if (expected && (errno == EEXIST || errno == ENOENT))
        return changed_at_last(saving, errno);
    bool plainly = !expected || errno == EINVAL || errno == ENOSYS; /* the file system knows no other way */
    if (plainly && rename(temp->path, path) == 0)
        return ATTEMPT_SAVED;
    return saving->old_fd >= 0 && is_refusal(errno) ? ATTEMPT_IMPOSSIBLE : saving_failed(saving);
}

/* For who wants to look at it later. */
static void hand_over_replaced(struct saving *saving)
{
    if (!saving->order->replaced || !saving->order->expected || saving->old_fd < 0)
        return;
    *saving->order->replaced = (struct file_replaced){saving->old_fd, *saving->order->expected};
    saving->old_fd = -1;
}

static enum attempt temp_into_place(struct saving *saving, struct file_temp *temp)
{
    struct stat st;
    if (!file_io_sync(temp->fd) || fstat(temp->fd, &st) < 0 || !file_temp_close(temp))
        return saving_failed(saving);
    enum attempt attempt = saving_look_again(saving);
    if (attempt == ATTEMPT_SAVED)
        attempt = take_place(saving, temp);
    if (attempt == ATTEMPT_SAVED)
        *saving->stamp = file_io_stamp(&st);
    return attempt;
}

static enum attempt save_by_replacing(struct saving *saving)
{
    struct file_temp temp;
    bool is_new = saving->old_fd < 0;
    /* A new file gets what the kernel gives new files: the umask, a default access control list. */
    if (!file_temp_create(&temp, saving->dir, saving->order->path, is_new ? 0666 : 0600))
        return !is_new && is_refusal(errno) ? ATTEMPT_IMPOSSIBLE : saving_failed(saving);

    enum attempt attempt;
    if (!file_io_write_rope(temp.fd, saving->order->text))
        attempt = saving_failed(saving);
    else if (!is_new && !file_meta_copy(saving->old_fd, &saving->old, temp.fd))
        attempt = ATTEMPT_IMPOSSIBLE;
    else
        attempt = temp_into_place(saving, &temp);

    file_temp_discard(&temp); /* saved or not, what has that name still is of no more use */
    if (attempt != ATTEMPT_SAVED)
        return attempt;
    hand_over_replaced(saving);
    if (file_io_sync_dir(saving->dir))
        return ATTEMPT_SAVED;
    error_errno(saving->err, "%s has the new text, but the disk did not confirm it", saving->order->path);
    return ATTEMPT_FAILED;
}

/* --- in place --- */

/* Finds out that the disk is full before the first byte is lost. Where that cannot be asked, putting back must do. */
static bool reserve(int fd, uint64_t old_len, uint64_t new_len)
{
    int sys = EINTR;
    if (new_len <= old_len)
        return true;
    while (sys == EINTR)
        sys = posix_fallocate(fd, (off_t)old_len, (off_t)(new_len - old_len));
    errno = sys;
    return sys == 0 || sys == EINVAL || sys == EOPNOTSUPP || sys == ENOSYS;
}

/*
 * A write in place that is under way. What another program appends to the file meanwhile is not ours: wherever the file is to
 * end elsewhere, the backup takes it in first.
 */
struct rewriting {
    int fd; /* the file, to be written */
    struct file_temp *backup;
    uint64_t end;    /* what the file has from here on is appended, and not in the backup */
    uint64_t backed; /* length of the backup: the old text and what was appended */
    bool is_back;    /* the old text is in the file again */
};

static bool keep_appended(const struct saving *saving, struct rewriting *rewriting)
{
    struct stat st;
    if (fstat(rewriting->fd, &st) < 0)
        return false;
    uint64_t now_len = (uint64_t)st.st_size, appended = now_len > rewriting->end ? now_len - rewriting->end : 0;
    if (!file_io_copy_at(saving->old_fd, rewriting->end, rewriting->backup->fd, rewriting->backed, appended))
        return false;
    rewriting->end += appended;
    rewriting->backed += appended;
    return true;
}

/* Ends the file behind the new text, and what was appended behind that. */
static bool end_behind(const struct saving *saving, struct rewriting *rewriting)
{
    uint64_t old_len = (uint64_t)saving->old.st_size, new_len = rope_len(saving->order->text);
    if (new_len >= old_len)
        return true;
    if (!keep_appended(saving, rewriting))
        return false;
    uint64_t appended = rewriting->backed - old_len;
    if (!file_io_copy_at(rewriting->backup->fd, old_len, rewriting->fd, new_len, appended) ||
        !file_io_truncate(rewriting->fd, new_len + appended))
        return false;
    rewriting->end = new_len + appended;
    return true;
}

static bool write_over(const struct saving *saving, struct rewriting *rewriting)
{
    return file_io_write_rope(rewriting->fd, saving->order->text) && end_behind(saving, rewriting) &&
           file_io_sync(rewriting->fd);
}

static bool put_back(const struct saving *saving, struct rewriting *rewriting)
{
    return keep_appended(saving, rewriting) && file_io_copy(rewriting->backup->fd, rewriting->fd, rewriting->backed) &&
           file_io_truncate(rewriting->fd, rewriting->backed) && file_io_sync(rewriting->fd);
}

/*
 * The file has a new state that is ours, and writing took the bits of set-user-ID programs away. What another program has
 * appended is not ours: the next look is to find a change.
 */
static bool settle_in_place(struct saving *saving, const struct rewriting *rewriting, bool saved)
{
    struct stat st;
    if (fstat(rewriting->fd, &st) < 0)
        return false;
    *saving->stamp = file_io_stamp(&st);
    if (saved)
        saving->stamp->size = rope_len(saving->order->text);
    else if (rewriting->is_back)
        saving->stamp->size = (uint64_t)saving->old.st_size;
    return st.st_mode == saving->old.st_mode || fchmod(rewriting->fd, saving->old.st_mode & 07777) == 0;
}

/* Forgets the backup, so that it stays, when it holds the only whole text. */
static enum attempt write_over_or_put_back(struct saving *saving, struct rewriting *rewriting)
{
    uint64_t old_len = (uint64_t)saving->old.st_size;
    bool reserved = reserve(rewriting->fd, old_len, rope_len(saving->order->text));
    if (reserved && write_over(saving, rewriting))
        return ATTEMPT_SAVED;
    saving_failed(saving);
    rewriting->is_back = reserved ? put_back(saving, rewriting) : file_io_truncate(rewriting->fd, old_len);
    if (!rewriting->is_back) {
        error_wrap(saving->err, "the old text is kept in %s", rewriting->backup->path);
        file_temp_forget(rewriting->backup);
    }
    return ATTEMPT_FAILED;
}

static bool make_backup(struct saving *saving, const char *dir, struct file_temp *backup)
{
    if (!file_temp_create(backup, dir, saving->order->path, 0600))
        return false;
    if (file_io_copy(saving->old_fd, backup->fd, (uint64_t)saving->old.st_size) && file_io_sync(backup->fd) &&
        file_io_sync_dir(dir))
        return true;
    file_temp_discard(backup);
    return false;
}

/* Whether the file that was opened again is the one that was copied, as it was copied. */
static enum attempt look_again_at(struct saving *saving, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return saving_failed(saving);
    if (file_stamp_equal(file_io_stamp(&st), file_io_stamp(&saving->old)))
        return ATTEMPT_SAVED;
    *saving->stamp = file_io_stamp(&st);
    return ATTEMPT_CHANGED;
}

static enum attempt write_with_backup(struct saving *saving, struct file_temp *backup)
{
    int fd = file_io_open(saving->order->path, O_WRONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return saving_failed(saving);
    uint64_t old_len = (uint64_t)saving->old.st_size, new_len = rope_len(saving->order->text);
    struct rewriting rewriting = {
        .fd = fd, .backup = backup, .end = old_len > new_len ? old_len : new_len, .backed = old_len};
    enum attempt attempt = look_again_at(saving, fd);
    if (attempt == ATTEMPT_SAVED) {
        attempt = write_over_or_put_back(saving, &rewriting);
        if (!settle_in_place(saving, &rewriting, attempt == ATTEMPT_SAVED) && attempt == ATTEMPT_SAVED)
            attempt = saving_failed(saving);
    }
    if (close(fd) < 0 && errno != EINTR && attempt == ATTEMPT_SAVED)
        attempt = saving_failed(saving);
    return attempt;
}

static enum attempt save_in_place(struct saving *saving)
{
    struct file_temp backup;
    const char *dir = saving->order->backup_dir ? saving->order->backup_dir : saving->dir;
    if (!make_backup(saving, dir, &backup)) {
        error_errno(saving->err, "cannot keep a copy of the old text in %s", dir);
        error_wrap(saving->err, "cannot save %s", saving->order->path);
        return ATTEMPT_FAILED;
    }
    enum attempt attempt = write_with_backup(saving, &backup);
    file_temp_discard(&backup);
    return attempt;
}

/* --- both --- */

/* Looks at what is there and whether it may be written. */
static enum attempt saving_begin(struct saving *saving)
{
    const char *path = saving->order->path;
    if (!file_io_open_regular(path, &saving->old_fd, &saving->old, saving->err)) {
        error_wrap(saving->err, "cannot save");
        return ATTEMPT_FAILED;
    }
    *saving->stamp = saving->old_fd < 0 ? (struct file_stamp){0} : file_io_stamp(&saving->old);
    if (saving->order->expected && !file_stamp_equal(*saving->stamp, *saving->order->expected))
        return ATTEMPT_CHANGED;
    /* A new file could take the place of a write-protected one; but that is what the protection is meant to stop. */
    if (saving->old_fd >= 0 && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
        return saving_failed(saving);
    return ATTEMPT_SAVED;
}

static enum attempt saving_run(struct saving *saving)
{
    enum attempt attempt = saving_begin(saving);
    if (attempt != ATTEMPT_SAVED)
        return attempt;
    if (saving->old_fd >= 0 && saving->old.st_nlink > 1)
        return save_in_place(saving);
    attempt = save_by_replacing(saving);
    return attempt == ATTEMPT_IMPOSSIBLE ? save_in_place(saving) : attempt;
}

enum file_saved file_save(const struct file_save *save, struct file_stamp *stamp, struct error *err)
{
    struct saving saving = {.order = save, .old_fd = -1, .stamp = stamp, .err = err, .dir = file_io_dir_of(save->path)};
    enum attempt attempt = saving_run(&saving);

    if (saving.old_fd >= 0)
        close(saving.old_fd);
    free(saving.dir);
    switch (attempt) {
    case ATTEMPT_SAVED:
        return FILE_SAVED;
    case ATTEMPT_CHANGED:
        return FILE_CHANGED_MEANWHILE;
    case ATTEMPT_FAILED:
    case ATTEMPT_IMPOSSIBLE:
        break;
    }
    return FILE_SAVE_FAILED;
}
