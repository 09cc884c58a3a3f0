/*
 * A chain in bytes, for checkpoints. Numbers are varints:
 *
 *   agents   count, then each: id 16 bytes, next seq, count of batches, each: how many events, digest 32 bytes
 *   forks    none: nothing. Else count, then each: local id of the branch it leaves 16 bytes, seq it begins at, what the
 *            other side is called there 16 bytes, and from the next seq on like an agent; in the order in which they came
 *
 * The newest part of a chain without forks: 0, 1 (the form), and
 *
 *   agents   count, then each: id 16 bytes, next seq, the seq at which the first of the following begins, and they as above
 */
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/chain_parts.h"

enum { FORM_NEWEST = 1 };

static void encode_batches(const struct chain_branch *branch, size_t first, struct buf *out)
{
    buf_add_varint(out, branch->count - first);
    for (size_t i = first; i < branch->count; i++) {
        uint64_t end = i + 1 < branch->count ? branch->entries[i + 1].seq0 : branch->next_seq;
        buf_add_varint(out, end - branch->entries[i].seq0);
        buf_add(out, branch->entries[i].digest.bytes, sizeof branch->entries[i].digest.bytes);
    }
}

static void encode_entries(const struct chain_branch *branch, struct buf *out)
{
    buf_add_varint(out, branch->next_seq);
    encode_batches(branch, 0, out);
}

/* Under the lock. */
static void encode_all(const struct chain *chain, struct buf *out)
{
    buf_add_varint(out, chain->count);
    for (size_t i = 0; i < chain->count; i++) {
        buf_add(out, chain->agents[i]->id.bytes, AGENT_ID_BYTES);
        encode_entries(chain->agents[i], out);
    }
    if (chain->fork_count > 0)
        buf_add_varint(out, chain->fork_count);
    for (size_t i = 0; i < chain->fork_count; i++) {
        buf_add(out, chain->forks[i]->from->id.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, chain->forks[i]->seq0);
        buf_add(out, chain->forks[i]->rival.bytes, AGENT_ID_BYTES);
        encode_entries(chain->forks[i], out);
    }
}

void chain_encode(struct chain *chain, struct buf *out)
{
    pthread_mutex_lock(&chain->lock);
    bool awake = chain_wake(chain);
    ensure(awake);
    encode_all(chain, out);
    pthread_mutex_unlock(&chain->lock);
}

static void encode_newest(const struct chain *chain, struct buf *out)
{
    buf_add_varint(out, 0);
    buf_add_varint(out, FORM_NEWEST);
    buf_add_varint(out, chain->count);
    for (size_t i = 0; i < chain->count; i++) {
        const struct chain_branch *branch = chain->agents[i];
        size_t first = branch->count > CHAIN_NEWEST_KEPT ? branch->count - CHAIN_NEWEST_KEPT : 0;
        buf_add(out, branch->id.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, branch->next_seq);
        buf_add_varint(out, branch->entries[first].seq0);
        encode_batches(branch, first, out);
    }
}

bool chain_encode_newest(struct chain *chain, struct buf *out)
{
    pthread_mutex_lock(&chain->lock);
    bool forked = chain->fork_count > 0, good = !forked || chain_wake(chain);
    if (good && forked)
        encode_all(chain, out);
    else if (good)
        encode_newest(chain, out);
    pthread_mutex_unlock(&chain->lock);
    return good;
}

/* Not one of all has no batches. */
static void decode_batches(struct reader *reader, struct chain *chain, struct chain_branch *branch, uint64_t next_seq)
{
    /* An entry takes more than a digest's bytes: more entries than that cannot be there, so nothing is allocated for them. */
    uint64_t count = read_varint_max(reader, reader_left(reader) / sizeof(struct digest));
    for (uint64_t i = 0; i < count && !reader->failed && next_seq > branch->next_seq; i++) {
        struct digest digest = {{0}};
        uint64_t len = read_varint_max(reader, next_seq - branch->next_seq);
        read_into(reader, digest.bytes, sizeof digest.bytes);
        if (len > 0 && !reader->failed)
            chain_append(chain, branch, branch->next_seq, len, &digest);
    }
    if (branch->count == 0 || branch->count != count || branch->next_seq != next_seq)
        reader_fail(reader);
}

static void decode_entries(struct reader *reader, struct chain *chain, struct chain_branch *branch)
{
    uint64_t next_seq = read_varint(reader);
    decode_batches(reader, chain, branch, next_seq);
}

static void decode_newest_of(struct reader *reader, struct chain *chain)
{
    struct agent_id id;
    read_into(reader, id.bytes, sizeof id.bytes);
    uint64_t next_seq = read_varint(reader), known_seq = read_varint(reader);
    if (reader->failed || known_seq >= next_seq || chain_agent(chain, &id)) {
        reader_fail(reader);
        return;
    }
    struct chain_branch *branch = chain_add_agent(chain, &id);
    branch->known_seq = branch->next_seq = known_seq;
    chain->asleep |= known_seq > 0;
    decode_batches(reader, chain, branch, next_seq);
}

static void decode_newest(struct reader *reader, struct chain *chain)
{
    uint64_t form = read_varint(reader), count = read_varint(reader);
    if (form != FORM_NEWEST)
        reader_fail(reader);
    for (uint64_t i = 0; i < count && !reader->failed; i++)
        decode_newest_of(reader, chain);
}

static void decode_agent(struct reader *reader, struct chain *chain)
{
    struct agent_id id;
    read_into(reader, id.bytes, sizeof id.bytes);
    if (reader->failed || chain_agent(chain, &id))
        reader_fail(reader);
    else
        decode_entries(reader, chain, chain_add_agent(chain, &id));
}

static void decode_fork(struct reader *reader, struct chain *chain)
{
    struct agent_id from, rival;
    read_into(reader, from.bytes, sizeof from.bytes);
    struct chain_branch *branch = reader->failed ? NULL : chain_branch(chain, &from);
    uint64_t seq = read_varint(reader);
    read_into(reader, rival.bytes, sizeof rival.bytes);
    if (reader->failed || !branch || seq < branch->seq0 || seq > branch->next_seq ||
        !chain_may_fork(chain, branch))
        reader_fail(reader);
    else
        decode_entries(reader, chain, chain_add_fork(chain, branch, seq, &rival));
}

struct chain *chain_decode(const struct doc_id *doc, struct bytes encoded, struct error *err)
{
    struct chain *chain = chain_new(doc);
    struct reader reader = reader_of(encoded);
    uint64_t count = read_varint(&reader);
    for (uint64_t i = 0; i < count && !reader.failed; i++)
        decode_agent(&reader, chain);
    bool is_newest = count == 0 && !reader.failed && reader_left(&reader) > 0;
    if (is_newest)
        decode_newest(&reader, chain);
    count = !is_newest && !reader.failed && reader_left(&reader) > 0 ? read_varint(&reader) : 0;
    for (uint64_t i = 0; i < count && !reader.failed; i++)
        decode_fork(&reader, chain);
    if (reader_done(&reader))
        return chain;
    chain_free(chain);
    error_set(err, ERR_FORMAT, 0, "the hash chain of a checkpoint cannot be read");
    return NULL;
}
