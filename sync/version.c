#include "sync/document.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum { VERSION_HEADS_MAX = 1 << 16 }; /* more than a relay lets write in one document */

void version_release(struct version *version)
{
    free(version->heads);
    *version = (struct version){0};
}

void version_copy(struct version *out, const struct version *version)
{
    out->heads = xgrow_copy(out->heads, &out->cap, version->heads, version->count, sizeof *out->heads);
    out->count = version->count;
}

void version_set(struct version *out, struct event_id head)
{
    version_copy(out, &(struct version){.heads = &head, .count = 1});
}

static int head_compare(const void *left, const void *right)
{
    const struct event_id *a = left, *b = right;
    int order = agent_id_compare(&a->agent, &b->agent);
    return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

void version_sort(struct version *version)
{
    if (version->count > 1)
        qsort(version->heads, version->count, sizeof *version->heads, head_compare);
}

bool version_equal(const struct version *a, const struct version *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (head_compare(&a->heads[i], &b->heads[i]) != 0)
            return false;
    return true;
}

void version_encode(const struct version *version, struct buf *out)
{
    buf_add_varint(out, version->count);
    for (size_t i = 0; i < version->count; i++) {
        buf_add(out, version->heads[i].agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, version->heads[i].seq);
    }
}

bool version_decode(struct reader *reader, struct version *version)
{
    uint64_t count = read_varint_max(reader, VERSION_HEADS_MAX);
    version->count = 0;
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        struct event_id head;
        read_into(reader, head.agent.bytes, AGENT_ID_BYTES);
        head.seq = read_varint_max(reader, BATCH_SEQ_MAX);
        if (i > 0 && head_compare(&version->heads[i - 1], &head) >= 0)
            reader_fail(reader);
        version->heads = xgrow(version->heads, &version->cap, version->count + 1, sizeof *version->heads);
        version->heads[version->count++] = head;
    }
    if (reader->failed)
        version->count = 0;
    return !reader->failed;
}
