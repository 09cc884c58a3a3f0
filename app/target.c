#include "app/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/verbs.h"
#include "editor/base/xalloc.h"

bool target_is_link(const char *word)
{
    return strstr(word, "://") != NULL;
}

bool target_parse_link(const char *word, bool insecure, struct share_link *link, struct error *err)
{
    if (!share_link_parse(bytes_of_string(word), link, err))
        return false;
    if (insecure || !share_link_needs_insecure(link))
        return true;
    share_link_wipe(link);
    return error_set(err, ERR_USAGE, 0, "this link goes to a public relay without encryption on the way; ask for one that "
                                        "begins with weft://, or use --insecure");
}

static void say_on_stderr(void *self, const char *text)
{
    verb_say(self, text);
}

struct replica_port target_port(const char *verb)
{
    return (struct replica_port){.self = (void *)verb, .said = say_on_stderr};
}

bool target_exists(struct replica *replica, const char *word, struct error *err)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return status.known || status.stamp.exists ||
           error_set(err, ERR_MISSING, 0, "there is no file %s, and nothing of it is kept", word);
}

struct target_patience target_patience(uint64_t silence_ms, uint64_t now_ms)
{
    return (struct target_patience){.silence_ms = silence_ms, .until_ms = now_ms + silence_ms};
}

bool target_is_patient(struct target_patience *patience, const struct replica_status *status, uint64_t now_ms)
{
    const uint64_t seen[TARGET_SIGNS] = {status->taken, status->merge_steps, status->journal_jobs, status->net.base_done,
                                         status->net.unacked_batches, status->net.lacking_batches};
    if (memcmp(patience->seen, seen, sizeof seen) != 0) {
        memcpy(patience->seen, seen, sizeof seen);
        patience->until_ms = now_ms + patience->silence_ms;
    }
    return now_ms < patience->until_ms;
}

/* Why it is not settled yet, after so long. */
static void say_late(const struct session_status *net, uint64_t timeout_ms, struct error *err)
{
    unsigned long long lacking = net->lacking_batches;
    if (net->state == SESSION_ONLINE && net->unacked_batches == 0 && lacking > 0)
        error_set(err, ERR_MISSING, 0, "the relay lacks %llu edit%s that the text builds on: nobody else can show it before they "
                                       "are there", lacking, lacking == 1 ? "" : "s");
    else if (net->why.text[0])
        *err = net->why;
    else
        error_set(err, ERR_OFFLINE, 0, "no answer for %llu s", (unsigned long long)timeout_ms / 1000);
}

static enum target_wait settle(struct replica *replica, uint64_t timeout_ms, bool opening, struct error *err)
{
    enum { REACH_MS = 4000 };
    struct target_patience patience = target_patience(timeout_ms, net_now_ms());
    uint64_t reach_ms = net_now_ms() + REACH_MS;
    struct replica_status status;
    while (!replica_is_settled(replica)) {
        uint64_t now_ms = net_now_ms();
        replica_status(replica, now_ms, &status);
        if (status.net.state == SESSION_REFUSED) {
            *err = status.net.why;
            return TARGET_REFUSED;
        }
        if (status.net.full.text[0]) {
            *err = status.net.full;
            return TARGET_REFUSED;
        }
        opening = opening && status.net.state != SESSION_ONLINE;
        bool unreachable = opening && status.net.why.text[0] && now_ms >= reach_ms;
        if (!target_is_patient(&patience, &status, now_ms) || unreachable) {
            say_late(&status.net, timeout_ms, err);
            return TARGET_TIMED_OUT;
        }
        enum { STEP_MS = 50 };
        replica_wait(replica, STEP_MS);
    }
    return TARGET_DONE;
}

enum target_wait target_settle(struct replica *replica, uint64_t timeout_ms, struct error *err)
{
    return settle(replica, timeout_ms, false, err);
}

enum target_wait target_arrive(struct replica *replica, struct error *err)
{
    enum { ARRIVE_MS = 15000 };
    return settle(replica, ARRIVE_MS, true, err);
}

/* The number behind the last colon, which is cut off with it. False, and nothing cut, when there is none. */
static bool cut_number(char *word, uint64_t *number)
{
    char *colon = strrchr(word, ':'), *end;
    if (!colon || colon == word || colon[1] < '0' || colon[1] > '9')
        return false;
    uint64_t value = strtoull(colon + 1, &end, 10);
    if (*end)
        return false;
    *colon = '\0';
    *number = value;
    return true;
}

/* ":12", ":12:3", and ":12:" as grep prints it. */
static void split_place(char *word, uint64_t *line, uint64_t *column)
{
    size_t len = strlen(word);
    bool ends_in_colon = len > 0 && word[len - 1] == ':';
    if (ends_in_colon)
        word[len - 1] = '\0';
    if (!cut_number(word, line)) {
        if (ends_in_colon)
            word[len - 1] = ':';
        return;
    }
    uint64_t first;
    if (cut_number(word, &first)) {
        *column = *line;
        *line = first;
    }
}

char *target_path(const char *word, uint64_t *line, uint64_t *column)
{
    char *path = xstrdup(word);
    *line = *column = 0;
    if (access(word, F_OK) != 0) /* a file of exactly that name goes first */
        split_place(path, line, column);
    return path;
}

/* --- to look at --- */

/* *err says why; that closing failed as well is added to it. */
static struct replica *give_up(struct replica *replica, struct error *err)
{
    struct error closing = {0};
    if (!replica_close(replica, 0, NULL, &closing))
        error_wrap(err, "%s", closing.text);
    return NULL;
}

static struct replica *open_link(struct env *env, const struct target *target, struct error *err)
{
    struct share_link link;
    if (!target_parse_link(target->word, target->insecure, &link, err))
        return NULL;
    struct replica_options options = {.port = target_port(target->verb), .is_private = true, .unseen = true, .scripted = true,
                                      .awaited = true, .name = target->verb, .insecure = target->insecure};
    struct replica *replica = replica_join(env, &link, NULL, &options, err);
    share_link_wipe(&link);
    if (!replica || target_arrive(replica, err) == TARGET_DONE)
        return replica;
    return give_up(replica, err);
}

static struct replica *open_file(struct env *env, const struct target *target, struct error *err)
{
    struct replica_options options = {.port = target->port, .reads_only = true, .alone = true, .audits = target->audits};
    struct replica *replica = replica_open(env, target->word, (struct bytes){0}, &options, err);
    return !replica || target_exists(replica, target->word, err) ? replica : give_up(replica, err);
}

struct replica *target_open(struct env *env, const struct target *target, struct error *err)
{
    return target_is_link(target->word) ? open_link(env, target, err) : open_file(env, target, err);
}

struct replica *target_open_only(struct env *env, const char *verb, const struct args *args, struct error *err)
{
    if (args->positional_count != 1) {
        error_set(err, ERR_USAGE, 0, "name one: weft %s LINK|FILE", verb);
        return NULL;
    }
    struct target target = {.verb = verb, .word = args->positional[0], .insecure = args_flag(args, "--insecure"),
                            .port = target_port(verb)};
    return target_open(env, &target, err);
}

int target_finish(struct replica *replica, const char *verb, bool good, const struct error *err)
{
    struct error closing = {0};
    bool closed = !replica || replica_close(replica, 0, NULL, &closing);
    if (!good)
        return err->code == ERR_NONE ? EXIT_FAILED : verb_fail(verb, err);
    return closed ? EXIT_OK : verb_fail(verb, &closing);
}

/* --- to standard output --- */

bool target_print(struct bytes bytes, struct error *err)
{
    while (bytes.len) {
        ssize_t wrote = write(STDOUT_FILENO, bytes.data, bytes.len);
        if (wrote < 0 && errno == EPIPE)
            return false;
        if (wrote < 0)
            return error_errno(err, "cannot write to standard output");
        bytes = bytes_slice(bytes, (size_t)wrote, bytes.len - (size_t)wrote);
    }
    return true;
}

bool target_print_text(const struct rope *text, struct error *err)
{
    for (uint64_t at = 0; at < rope_len(text);) {
        struct bytes chunk = rope_chunk(text, at);
        if (!target_print(chunk, err))
            return false;
        at += chunk.len;
    }
    return true;
}
