/*
 * A document that the index knows and whose journal is gone, or has nothing in it: deleted, or left so by a full disk or a bad
 * copy. What it held is lost, and that is said. What is left is taken: the file's text, or the room's.
 *
 * A journal that is damaged is another thing: it is named, and nothing is done to it (replica_open.c). One whose log was damaged
 * was mended by whoever opened it first (sync/wal_guard.h), be it for something that has no screen: here it is told.
 */
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "editor/base/xalloc.h"
#include "sync/wal_guard.h"

enum {
    YOUNG_S = 10,     /* of such a document another process may be just making the journal: */
    MAKING_MS = 1000, /* that is waited for */
    STEP_MS = 20,
};

/* There is no journal, or one of no bytes. What cannot be looked at is there. */
static bool has_nothing(const char *path, bool *empty)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    *empty = there && st.st_size == 0;
    return *empty || (!there && errno == ENOENT);
}

/* One that has a name and no bytes is not being made by anybody. */
static bool restore_patiently(struct replica *replica, const char *path, struct error *err)
{
    bool empty;
    bool waits = (uint64_t)time(NULL) < replica->entry.created_s + YOUNG_S && has_nothing(path, &empty) && !empty;
    uint64_t until_ms = net_now_ms() + (waits ? MAKING_MS : 0);
    while (!replica_restore(replica, err)) {
        if (err->code != ERR_MISSING || net_now_ms() >= until_ms)
            return false;
        journal_close(replica->journal_found);
        replica->journal_found = NULL;
        *err = (struct error){0};
        (void)poll(NULL, 0, STEP_MS);
    }
    return true;
}

/* Opened for writing, an empty journal would become a new one, and nobody could tell any more. */
static bool set_aside(const struct replica *replica, const char *path, char **aside, struct error *err)
{
    *aside = NULL;
    return replica->reads_only || journal_set_aside_empty(path, aside, err);
}

enum replica_kept replica_restore_kept(struct replica *replica, struct lost_journal *lost, struct error *err)
{
    char *path = env_journal_path(replica->env, &replica->entry.doc);
    *lost = (struct lost_journal){0};
    if (!set_aside(replica, path, &lost->aside, err)) {
        free(path);
        return REPLICA_KEPT_UNREADABLE;
    }
    bool restored = lost->aside ? replica_restore(replica, err) : restore_patiently(replica, path, err);
    bool nothing = !restored && err->code == ERR_MISSING, is_lost = nothing && has_nothing(path, &lost->empty);
    lost->empty |= lost->aside != NULL;
    lost->path = path;
    return restored ? REPLICA_KEPT : is_lost ? REPLICA_KEPT_LOST : nothing ? REPLICA_KEPT_NOTHING : REPLICA_KEPT_UNREADABLE;
}

void replica_say_lost(struct replica *replica, const struct lost_journal *lost, const char *what)
{
    replica_say(replica, "The journal of %s is %s: %s It %s %s.", replica->label, lost->empty ? "empty" : "gone", what,
                lost->aside ? "is kept as" : lost->empty ? "is" : "was", lost->aside ? lost->aside : lost->path);
}

void lost_journal_release(struct lost_journal *lost)
{
    free(lost->path);
    free(lost->aside);
    *lost = (struct lost_journal){0};
}

/* False: not even that can be told, for what was set aside cannot be read now. */
static bool say_damage(struct replica *replica, const struct wal_damage *damage, const char *whose)
{
    struct wal_verdict verdict;
    struct error err = {0};
    if (!wal_damage_judge(damage, &verdict, &err)) {
        replica_say(replica, "%s was damaged: %s.", whose, err.text);
        return false;
    }
    unsigned long long lost = verdict.lost;
    if (verdict.state == WAL_CUT)
        replica_say(replica, "%s was damaged, or the machine stopped before it was written: the last %llu step%s cannot be read. "
                    "Look whether what was typed last is there. What is left of it is kept as %s.", whose, lost,
                    lost == 1 ? "" : "s", damage->path);
    else
        replica_say(replica, "%s was damaged; it was mended, and nothing is lost. What was damaged is kept as %s.", whose,
                    damage->path);
    return true;
}

/* `whose`: "The journal of notes.md". What a script is told may not be read by anybody: it is told again. */
static void say_damaged(struct replica *replica, const char *path, const char *whose)
{
    struct wal_damage damage;
    for (unsigned number = 0; wal_damage_get(path, number, &damage); number++) {
        if (!damage.told && say_damage(replica, &damage, whose) && !replica->reads_only && !replica->scripted)
            wal_damage_tell(&damage);
        wal_damage_release(&damage);
    }
}

void replica_say_damaged(struct replica *replica)
{
    if (replica->audits) /* `weft verify` counts them */
        return;
    char *journal = env_journal_path(replica->env, &replica->entry.doc);
    char *index = paths_state_file(&replica->env->paths, "index.db");
    char *whose = xformat("The journal of %s", replica->label);
    say_damaged(replica, journal, whose);
    say_damaged(replica, index, "The list of what is kept here");
    free(journal);
    free(index);
    free(whose);
}
