/* The LINK|FILE of the verbs that write into it without a screen. */
#include "app/target.h"

#include <stdlib.h>

#include "app/verbs.h"
#include "editor/base/xalloc.h"

enum { SETTLE_MS = 60000 };

static struct replica *open_link(struct env *env, const struct target *target, struct replica_options *options, struct error *err)
{
    struct share_link link;
    if (!target_parse_link(target->word, target->insecure, &link, err))
        return NULL;
    options->is_private = options->awaited = true;
    struct replica *replica = replica_join(env, &link, NULL, options, err);
    share_link_wipe(&link);
    return replica;
}

static struct replica *open_file(struct env *env, const struct target *target, struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_open(env, target->word, (struct bytes){0}, options, err);
    if (replica && replica_is_shared(replica) && !replica_share(replica, NULL, err))
        verb_say(target->verb, err->text); /* its room is away: the journal keeps the edits */
    return replica;
}

static bool has_more_than_file(struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return !status.in_file;
}

struct replica *target_open_to_write(struct env *env, struct target *target, struct error *err)
{
    bool is_link = target_is_link(target->word);
    struct replica_options options = {.port = target_port(target->verb), .name = target->name, .insecure = target->insecure,
                                      .scripted = true};
    struct replica *replica = is_link ? open_link(env, target, &options, err) : open_file(env, target, &options, err);
    if (!replica)
        return NULL;
    if (is_link ? target_arrive(replica, err) == TARGET_DONE : target_exists(replica, target->word, err)) {
        target->had_more = !is_link && has_more_than_file(replica);
        return replica;
    }
    struct error closing = {0};
    if (!replica_close(replica, 1000, NULL, &closing))
        error_wrap(err, "%s", closing.text);
    return NULL;
}

/* As long as the journal takes some of them it may take as long as it likes. */
static bool await_kept(struct replica *replica, struct error *err)
{
    uint64_t jobs = 0, until_ms = net_now_ms() + SETTLE_MS;
    for (;; replica_wait(replica, 20)) {
        struct replica_status status;
        uint64_t now_ms = net_now_ms();
        replica_status(replica, now_ms, &status);
        if (status.kept && status.edits_in_memory == 0)
            return true;
        if (status.journal_jobs > jobs) {
            jobs = status.journal_jobs;
            until_ms = now_ms + SETTLE_MS;
        }
        if (now_ms > until_ms)
            return error_set(err, ERR_FULL, 0, "the journal does not take the edits");
    }
}

/* For a file it is the journal that acknowledges, and the file is written unless an editor has it open. */
static bool settle_file(struct replica *replica, const struct target *target, struct error *err)
{
    if (!await_kept(replica, err))
        return false;
    if (target->no_save || replica_has_neighbours(replica))
        return true;
    for (uint64_t until_ms = net_now_ms() + SETTLE_MS; replica_looks_at_file(replica) && net_now_ms() < until_ms;)
        replica_wait(replica, 20);
    struct buf question = {0};
    bool asks = replica_disk_question(replica, &question) != DISK_QUESTION_NONE;
    if (asks)
        error_set(err, ERR_BUSY, 0, "the edits are kept, the file is not written: %s", buf_string(&question));
    buf_release(&question);
    if (asks)
        return false;
    replica_catch_up(replica); /* what another script has written goes into the file as well */
    if (!replica_save_now(replica, NULL, err))
        return false;
    if (target->had_more) { /* when it was opened, people were told of that */
        char *said = xformat("%s is written, with what was kept before.", replica_label(replica));
        verb_say(target->verb, said);
        free(said);
    }
    return true;
}

bool target_settle_written(struct replica *replica, const struct target *target, struct error *err)
{
    if (!target_is_link(target->word))
        return settle_file(replica, target, err);
    return target_settle(replica, SETTLE_MS, err) == TARGET_DONE ||
           error_wrap(err, "not everything was acknowledged by the relay");
}
