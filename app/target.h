/*
 * target - the LINK|FILE of the verbs that need no terminal, and waiting without one. To look at: target.c; to write:
 * target_write.c.
 */
#ifndef WEFT_APP_TARGET_H
#define WEFT_APP_TARGET_H

#include "app/args.h"
#include "app/replica.h"

bool target_is_link(const char *word);
/* Reads a link from text; wipes nothing. Refuses a plain public relay unless `insecure`. */
MUST_USE bool target_parse_link(const char *word, bool insecure, struct share_link *link, struct error *err);

/* Says every message of a replica on stderr; `self` of the port is the verb's name. */
struct replica_port target_port(const char *verb);

struct target {
    const char *verb;
    const char *word;          /* LINK|FILE */
    bool insecure;
    bool audits;               /* a file's journal: as for struct replica_options */
    const char *name;          /* to write: how others see who does; NULL: as always */
    bool no_save;              /* to write: the file is left alone */
    bool had_more;             /* to write: target_open_to_write() found kept edits that are not in the file */
    struct replica_port port;  /* of a file; a link's sentences go where target_port() puts them */
};
/*
 * The document as it is now, to look at and not to write: of a link in memory alone, brought up to what the relay has; of a
 * file as the journal has it, if there is one or anything is kept of it. NULL and *err. End it with target_finish().
 */
MUST_USE struct replica *target_open(struct env *env, const struct target *target, struct error *err);
/* The same of a verb's only word, by its --insecure. */
MUST_USE struct replica *target_open_only(struct env *env, const char *verb, const struct args *args, struct error *err);
/*
 * To write into it: of a link in memory alone, brought up to what the relay has; of a file in its journal, and in its room where
 * it is shared. NULL and *err.
 */
MUST_USE struct replica *target_open_to_write(struct env *env, struct target *target, struct error *err);
/* Until what was written is acknowledged: by the relay, or by the journal and then in the file. */
MUST_USE bool target_settle_written(struct replica *replica, const struct target *target, struct error *err);
/* Closes it (NULL: it never was open) and says what went wrong: *err when `good` is false. The exit status. */
int target_finish(struct replica *replica, const char *verb, bool good, const struct error *err);
/* To standard output. False with ERR_NONE: who read the pipe has seen enough, and there is nothing to tell. */
MUST_USE bool target_print(struct bytes bytes, struct error *err);
MUST_USE bool target_print_text(const struct rope *text, struct error *err);

/* False with a sentence: there is neither such a file nor anything kept of it. For verbs that make nothing new. */
MUST_USE bool target_exists(struct replica *replica, const char *word, struct error *err);

enum target_wait { TARGET_DONE, TARGET_TIMED_OUT, TARGET_REFUSED };
/*
 * Runs the replica until everything is acknowledged and caught up (replica_is_settled()), but no longer than timeout_ms after
 * something has come, was merged or was acknowledged: to merge a long history may take as long as it takes.
 * TARGET_REFUSED: the relay will not have us; TARGET_TIMED_OUT: it cannot be reached. *err says which and why.
 */
enum target_wait target_settle(struct replica *replica, uint64_t timeout_ms, struct error *err);
/* The same for what was just opened: 15 s without anything, but 4 s where no connection comes about at all. */
enum target_wait target_arrive(struct replica *replica, struct error *err);

/* When such a wait ends, for who runs the replica himself. */
enum { TARGET_SIGNS = 6 };
struct target_patience {
    uint64_t silence_ms, until_ms;
    uint64_t seen[TARGET_SIGNS]; /* of the status, when it was last another one */
};
struct target_patience target_patience(uint64_t silence_ms, uint64_t now_ms);
/* False: nothing of that has happened for so long. */
bool target_is_patient(struct target_patience *patience, const struct replica_status *status, uint64_t now_ms);

/* The file's path beside a word like "notes.md:12:3" or after "+12:3". *line and *column 0 when not given. Heap string. */
char *target_path(const char *word, uint64_t *line, uint64_t *column);

#endif
