#include "sync/tail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/file_lock.h"

enum {
    LENGTH_BYTES = 4,
    SEAL_BYTES = CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES,
    HEX_BYTES = 2 * AGENT_ID_BYTES,
    FILE_TRIES = 8, /* each lost to somebody who looked at the file between its making and its locking */
};

#define SUFFIX ".tail"
#define ASIDE_SUFFIX ".aside"

struct tail {
    char *dir, *path;
    struct agent_id agent;
    struct seal_key key;
    int fd;            /* -1: there is no file yet */
    uint64_t frames;   /* put so far, in this run */
    uint64_t bytes;    /* of this run in the file */
    uint64_t extent;   /* of the file: there may be something of a longer run before */
    struct buf staged; /* sealed, not in the file */
    bool given_up;
};

static void frame_name(const struct agent_id *agent, uint64_t number, struct buf *out)
{
    buf_add_string(out, "weft-tail-1");
    buf_add(out, agent->bytes, sizeof agent->bytes);
    buf_add_u64(out, number);
}

/* --- writing --- */

static char *path_of(const char *dir, const struct agent_id *agent)
{
    char hex[HEX_BYTES + 1];
    id_hex(agent->bytes, AGENT_ID_BYTES, hex);
    return xformat("%s/%s" SUFFIX, dir, hex);
}

struct tail *tail_new(const char *dir, const struct agent_id *agent, const struct seal_key *key)
{
    struct tail *tail = xcalloc(1, sizeof *tail);
    tail->dir = xstrdup(dir);
    tail->path = path_of(dir, agent);
    tail->agent = *agent;
    tail->key = *key;
    tail->fd = -1;
    return tail;
}

void tail_free(struct tail *tail)
{
    if (!tail)
        return;
    if (tail->fd >= 0)
        close(tail->fd);
    crypto_wipe(&tail->key, sizeof tail->key);
    buf_release(&tail->staged);
    free(tail->path);
    free(tail->dir);
    free(tail);
}

void tail_end(struct tail *tail)
{
    if (tail && tail->fd >= 0)
        unlink(tail->path); /* before the lock goes: nobody takes it for a dead one's */
    tail_free(tail);
}

static void give_up(struct tail *tail)
{
    tail->given_up = true;
    buf_release(&tail->staged);
}

void tail_put(struct tail *tail, struct bytes frame)
{
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    struct buf name = {0};
    if (tail->given_up)
        return;
    if (frame.len > TAIL_FRAME_BYTES_MAX ||
        tail->bytes + tail->staged.len + frame.len + SEAL_BYTES + LENGTH_BYTES > TAIL_BYTES_MAX) {
        give_up(tail);
        return;
    }
    crypto_random(nonce, sizeof nonce);
    frame_name(&tail->agent, tail->frames++, &name);
    buf_add_u32(&tail->staged, (uint32_t)(frame.len + SEAL_BYTES));
    buf_add(&tail->staged, nonce, sizeof nonce);
    crypto_seal(&tail->key, nonce, buf_view(&name), frame, &tail->staged);
    buf_release(&name);
}

static int create_file(const struct tail *tail)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC };
    int fd = open(tail->path, FLAGS, 0600);
    bool no_dir = fd < 0 && errno == ENOENT;
    if (no_dir && (mkdir(tail->dir, 0700) == 0 || errno == EEXIST))
        fd = open(tail->path, FLAGS, 0600);
    return fd;
}

bool tail_make(struct tail *tail, struct error *err)
{
    if (tail->fd >= 0)
        return true;
    for (int tries = 0; tries < FILE_TRIES; tries++) {
        int fd = create_file(tail);
        if (fd < 0)
            return error_errno(err, "cannot make %s", tail->path);
        if (file_lock(fd, LOCK_EX) && file_is_linked(fd)) {
            tail->fd = fd;
            return true;
        }
        close(fd);
    }
    return error_set(err, ERR_BUSY, 0, "%s is removed again and again", tail->path);
}

/* The whole of it, or nothing of it. */
static bool append(struct tail *tail, struct bytes bytes, struct error *err)
{
    ssize_t wrote;
    do
        wrote = pwrite(tail->fd, bytes.data, bytes.len, (off_t)tail->bytes);
    while (wrote < 0 && errno == EINTR);
    if (wrote == (ssize_t)bytes.len)
        return true;
    if (wrote < 0)
        error_errno(err, "cannot write %s", tail->path);
    else
        error_set(err, ERR_FULL, ENOSPC, "cannot write %s: the disk is full", tail->path);
    if (wrote > 0 && ftruncate(tail->fd, (off_t)tail->bytes) != 0)
        give_up(tail); /* what followed half a frame could not be read */
    else if (wrote > 0)
        tail->extent = tail->bytes;
    return false;
}

/* Behind it may stand what is left of a run before: that is told apart by a length of 0, where there is room for a length. */
static bool write_staged(struct tail *tail, struct error *err)
{
    size_t len = tail->staged.len;
    bool ends = tail->extent >= tail->bytes + len + LENGTH_BYTES;
    if (ends)
        buf_add_u32(&tail->staged, 0);
    bool good = append(tail, buf_view(&tail->staged), err);
    if (!tail->given_up)
        tail->staged.len = len;
    return good;
}

/* Keys need little room; what a paste or a stalled disk needed is given back. */
static void clear_staged(struct tail *tail)
{
    enum { KEPT = 16384 };
    if (tail->staged.cap > KEPT)
        buf_release(&tail->staged);
    buf_clear(&tail->staged);
}

bool tail_write(struct tail *tail, struct error *err)
{
    if (tail->given_up)
        return error_set(err, ERR_LIMIT, 0, "%s cannot hold more", tail->path);
    if (!tail->staged.len)
        return true;
    if (!tail_make(tail, err) || !write_staged(tail, err))
        return false;
    tail->bytes += tail->staged.len;
    tail->extent = tail->bytes > tail->extent ? tail->bytes : tail->extent;
    clear_staged(tail);
    return true;
}

void tail_restart(struct tail *tail)
{
    tail->frames = tail->bytes = 0;
    tail->given_up = false;
    clear_staged(tail);
}

/* --- what the dead have left --- */

/* The frames of one file, opened. */
struct opened {
    struct tail_left left;
    struct buf plain;
    size_t *ends; /* in `plain`, of each frame */
    size_t ends_cap;
};

static void opened_release(struct opened *opened)
{
    if (opened->plain.data)
        crypto_wipe(opened->plain.data, opened->plain.cap);
    buf_release(&opened->plain);
    free(opened->ends);
}

static bool open_frame(const struct seal_key *key, struct bytes sealed, struct opened *opened)
{
    struct buf name = {0};
    struct bytes content = bytes_slice(sealed, CRYPTO_NONCE_BYTES, sealed.len - CRYPTO_NONCE_BYTES);
    frame_name(&opened->left.agent, opened->left.count, &name);
    bool good = crypto_open(key, sealed.data, buf_view(&name), content, &opened->plain);
    buf_release(&name);
    return good;
}

static void open_frames(const struct seal_key *key, struct bytes file, struct opened *opened)
{
    struct reader reader = reader_of(file);
    while (reader_left(&reader) >= LENGTH_BYTES) {
        uint32_t len = read_u32(&reader);
        if (len == 0)
            return; /* the run ends here */
        bool fits = len >= SEAL_BYTES && len <= TAIL_FRAME_BYTES_MAX + SEAL_BYTES;
        if (fits && len > reader_left(&reader))
            return; /* killed while writing it */
        if (!fits || !open_frame(key, read_bytes(&reader, len), opened)) {
            opened->left.damaged = true;
            return;
        }
        opened->ends = xgrow(opened->ends, &opened->ends_cap, opened->left.count + 1, sizeof *opened->ends);
        opened->ends[opened->left.count++] = opened->plain.len;
    }
}

static bool show(const struct opened *opened, bool (*look)(void *self, const struct tail_left *left), void *self)
{
    size_t count = opened->left.count, at = 0;
    struct bytes *frames = xmalloc(count * sizeof *frames);
    for (size_t i = 0; i < count; at = opened->ends[i], i++)
        frames[i] = bytes_slice(buf_view(&opened->plain), at, opened->ends[i] - at);
    struct tail_left left = opened->left;
    left.frames = frames;
    bool done = look(self, &left);
    free(frames);
    return done;
}

static bool fold(const struct opened *opened, struct tail_visitor visitor)
{
    return opened->left.count ? show(opened, visitor.fold, visitor.self) : !opened->left.damaged;
}

static bool read_file(int fd, struct buf *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink == 0 || st.st_size > TAIL_BYTES_MAX)
        return false;
    unsigned char *at = st.st_size ? buf_extend(out, (size_t)st.st_size) : NULL;
    return !at || pread(fd, at, out->len, 0) == (ssize_t)out->len;
}

/* The agent that a file is named after. */
static bool agent_of(const char *name, const char *suffix, struct agent_id *agent)
{
    static const char digits[] = "0123456789abcdef";
    if (strspn(name, digits) != HEX_BYTES || strcmp(name + HEX_BYTES, suffix) != 0)
        return false;
    for (size_t i = 0; i < AGENT_ID_BYTES; i++) {
        size_t high = (size_t)(strchr(digits, name[2 * i]) - digits), low = (size_t)(strchr(digits, name[2 * i + 1]) - digits);
        agent->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

enum visit { VISIT_DEAD, VISIT_ALL };

static bool is_dead(struct tail_visitor visitor, const struct agent_id *agent)
{
    return visitor.is_dead && visitor.is_dead(visitor.self, agent);
}

static void tell(struct tail_visitor visitor, enum tail_trouble trouble, const char *path)
{
    if (visitor.trouble)
        visitor.trouble(visitor.self, trouble, path);
}

/* The lock of a dead process's file is with somebody who folds it or looks at it, and comes free. */
static bool lock_dead(int fd, const char *path, const struct agent_id *agent, struct tail_visitor visitor, unsigned *wait_ms)
{
    enum { PAUSE_MS = 5, NS_PER_MS = 1000000 };
    while (!file_lock(fd, LOCK_EX | LOCK_NB)) {
        if (!is_dead(visitor, agent))
            return false;
        if (*wait_ms < PAUSE_MS) {
            tell(visitor, TAIL_BUSY, path);
            return false;
        }
        *wait_ms -= PAUSE_MS;
        nanosleep(&(struct timespec){.tv_nsec = (long)PAUSE_MS * NS_PER_MS}, NULL);
    }
    return true;
}

bool tail_set_aside(const char *tail_path, char **path, struct error *err)
{
    *path = xformat("%s" ASIDE_SUFFIX, tail_path);
    if (rename(tail_path, *path) == 0)
        return true;
    error_errno(err, "cannot rename %s", tail_path);
    free(*path);
    *path = NULL;
    return false;
}

static void set_aside_unreadable(const char *path, const struct agent_id *agent, struct tail_visitor visitor)
{
    struct error ignored = {0}; /* it is where it was, and tried again at the next start */
    char *aside;
    if (!is_dead(visitor, agent) || !tail_set_aside(path, &aside, &ignored))
        return;
    tell(visitor, TAIL_UNREADABLE, aside);
    free(aside);
}

static void visit(const char *path, const struct agent_id *agent, const struct seal_key *key, enum visit which,
                  struct tail_visitor visitor, unsigned *wait_ms)
{
    struct opened opened = {.left = {.agent = *agent, .path = path}};
    struct buf file = {0};
    int fd = open(path, (which == VISIT_DEAD ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
    bool free_to_read = fd >= 0 && (which == VISIT_ALL || lock_dead(fd, path, agent, visitor, wait_ms));
    if (free_to_read && read_file(fd, &file)) {
        open_frames(key, buf_view(&file), &opened);
        bool done = fold(&opened, visitor);
        if (done && which == VISIT_DEAD)
            unlink(path);
        else if (which == VISIT_DEAD && opened.left.count == 0)
            set_aside_unreadable(path, agent, visitor);
    }
    if (fd >= 0)
        close(fd);
    opened_release(&opened);
    buf_release(&file);
}

typedef void visit_file(void *self, const char *path, const struct agent_id *agent);

static void visit_dir(const char *dir, const char *suffix, visit_file *each, void *self)
{
    DIR *stream = opendir(dir);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        struct agent_id agent;
        if (!agent_of(entry->d_name, suffix, &agent))
            continue;
        char *path = xformat("%s/%s", dir, entry->d_name);
        each(self, path, &agent);
        free(path);
    }
    closedir(stream);
}

struct visiting {
    const struct seal_key *key;
    enum visit which;
    struct tail_visitor visitor;
    unsigned wait_ms;
};

static void visit_left(void *self, const char *path, const struct agent_id *agent)
{
    struct visiting *visiting = self;
    visit(path, agent, visiting->key, visiting->which, visiting->visitor, &visiting->wait_ms);
}

void tail_visit_dead(const char *dir, const struct seal_key *key, struct tail_visitor visitor)
{
    struct visiting visiting = {key, VISIT_DEAD, visitor, TAIL_WAIT_MS};
    visit_dir(dir, SUFFIX, visit_left, &visiting);
}

void tail_visit_all(const char *dir, const struct seal_key *key, struct tail_visitor visitor)
{
    struct visiting visiting = {key, VISIT_ALL, visitor, 0};
    visit_dir(dir, SUFFIX, visit_left, &visiting);
}

struct visiting_aside {
    const struct seal_key *key;
    struct tail_aside_visitor visitor;
};

static void visit_aside(void *self, const char *path, const struct agent_id *agent)
{
    const struct visiting_aside *visiting = self;
    struct opened opened = {.left = {.agent = *agent, .path = path}};
    struct buf file = {0};
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && read_file(fd, &file)) {
        open_frames(visiting->key, buf_view(&file), &opened);
        if (show(&opened, visiting->visitor.aside, visiting->visitor.self))
            unlink(path);
    }
    if (fd >= 0)
        close(fd);
    opened_release(&opened);
    buf_release(&file);
}

void tail_visit_aside(const char *dir, const struct seal_key *key, struct tail_aside_visitor visitor)
{
    struct visiting_aside visiting = {key, visitor};
    visit_dir(dir, SUFFIX ASIDE_SUFFIX, visit_aside, &visiting);
}

bool tail_exists(const char *dir, const struct agent_id *agent)
{
    char *path = path_of(dir, agent);
    bool exists = access(path, F_OK) == 0 || errno != ENOENT; /* in doubt it does: an agent is not taken over then */
    free(path);
    return exists;
}
