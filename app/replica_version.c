#include "app/replica_version.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/moment.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "sync/document_past.h"

enum {
    EVENT_AGENT_BYTES = 4,
    EVENT_DIGITS_MIN = 2 * EVENT_AGENT_BYTES,
    VERSION_WORDS_MAX = 256, /* events that make one version */
};

void replica_add_event(const struct replica *replica, struct event_id event, struct buf *out)
{
    char hex[2 * EVENT_AGENT_BYTES + 1];
    chain_name_heads(replica->chain, &event, 1);
    id_hex(event.agent.bytes, EVENT_AGENT_BYTES, hex);
    buf_addf(out, "%s:%llu", hex, (unsigned long long)event.seq);
}

/* "198edb96:200" */
struct wanted {
    const char *digits;
    size_t digit_count;
    uint64_t seq;
};

static bool read_wanted(const char *word, struct wanted *wanted)
{
    enum { NUMBER_DIGITS_MAX = 18 };
    wanted->digits = word;
    wanted->digit_count = strspn(word, "0123456789abcdef");
    if (wanted->digit_count < EVENT_DIGITS_MIN || wanted->digit_count > (size_t)2 * AGENT_ID_BYTES ||
        word[wanted->digit_count] != ':')
        return false;
    const char *number = word + wanted->digit_count + 1;
    size_t digits = strspn(number, "0123456789");
    wanted->seq = strtoull(number, NULL, 10);
    return digits > 0 && digits <= NUMBER_DIGITS_MAX && number[digits] == '\0';
}

static bool is_called(const struct wanted *wanted, const struct event_id *name)
{
    char hex[2 * AGENT_ID_BYTES + 1];
    id_hex(name->agent.bytes, AGENT_ID_BYTES, hex);
    return name->seq == wanted->seq && strncmp(hex, wanted->digits, wanted->digit_count) == 0;
}

/* The event that others call so, by its local id. */
static bool find_event(const struct replica *replica, const struct wanted *wanted, struct event_id *found, struct error *err)
{
    size_t count, matches = 0;
    struct chain_head *heads = chain_branches(replica->chain, &count);
    for (size_t i = 0; i < count; i++) {
        struct event_id local = {heads[i].agent, wanted->seq}, name = local;
        if (!document_knows(replica->document, &(struct version){.heads = &local, .count = 1}))
            continue;
        chain_name_heads(replica->chain, &name, 1);
        if (!is_called(wanted, &name))
            continue;
        *found = local;
        matches++;
    }
    free(heads);
    if (matches == 1)
        return true;
    return error_set(err, ERR_MISSING, 0, matches ? "more than one version of %s begins with %.*s; give more digits"
                                                  : "%s has no version %.*s:%llu; weft log lists them",
                     replica->label, (int)wanted->digit_count, wanted->digits, (unsigned long long)wanted->seq);
}

/* "198edb96:200 0a1b2c3d:7": all that both have. False, and no error: it is none of that. */
static bool find_events(const struct replica *replica, const char *word, struct version *version, struct error *err)
{
    char *words = xstrdup(word), *rest = words;
    bool good = true;
    for (const char *one; good && (one = strtok_r(rest, " ", &rest));) {
        struct wanted wanted;
        struct event_id event;
        good = version->count < VERSION_WORDS_MAX && read_wanted(one, &wanted) && find_event(replica, &wanted, &event, err);
        if (good) {
            version->heads = xgrow(version->heads, &version->cap, version->count + 1, sizeof *version->heads);
            version->heads[version->count++] = event;
        }
    }
    free(words);
    return good && version->count > 0 && document_join(replica->document, version);
}

bool replica_find_version(const struct replica *replica, const char *word, struct version *version, struct error *err)
{
    uint64_t time_s;
    version->count = 0;
    if (strcmp(word, "now") == 0) {
        document_version(replica->document, version);
        return true;
    }
    if (!document_read_history(replica->document, err)) /* whoever asks for one goes on to ask what it was */
        return false;
    if (strcmp(word, "base") == 0)
        return true;
    if (moment_parse(word, time(NULL), &time_s)) {
        document_version_at(replica->document, time_s, version);
        return true;
    }
    if (find_events(replica, word, version, err))
        return true;
    if (err->code != ERR_NONE)
        return false;
    return error_set(err, ERR_USAGE, 0, "\"%s\" is no version (198edb96:200, as weft log prints it) and no time (2026-11-28, "
                                        "\"2026-11-28 10:41\", 10:41, 90m)", word);
}
