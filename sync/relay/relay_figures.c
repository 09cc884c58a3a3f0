/* What the relay says of itself: counts, metrics, health. */
#include <string.h>

#include "sync/relay/relay_parts.h"

enum { LARGEST_MS = 60 * 1000 /* how old the figures of the largest documents may be */ };

static void on_largest(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay *relay = self;
    (void)tag;
    if (reply->result != STORE_OK)
        return;
    relay->largest_count = reply->size_count;
    memcpy(relay->largest, reply->sizes, reply->size_count * sizeof *reply->sizes);
}

/* Whether anybody is in them or not; so many that whoever collects figures is not flooded. */
void relay_figures_upkeep(struct relay *relay)
{
    if (relay->largest_ms && relay->now_ms - relay->largest_ms < LARGEST_MS)
        return;
    relay->largest_ms = relay->now_ms;
    store_largest(relay->store, (struct store_done){.call = on_largest, .self = relay});
}

struct relay_counts relay_counts(const struct relay *relay)
{
    return relay->counts;
}

static void metric(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    buf_addf(out, "# HELP weft_relay_%s %s\n# TYPE weft_relay_%s %s\nweft_relay_%s %llu\n", name, help, name, type,
             name, (unsigned long long)value);
}

static void document_metrics(const struct relay *relay, struct buf *out)
{
    buf_addf(out,
             "# HELP weft_relay_document_bytes Size of the log of each of the %d largest documents, a minute ago at most.\n"
             "# TYPE weft_relay_document_bytes gauge\n",
             STORE_LARGEST_MAX);
    for (size_t i = 0; i < relay->largest_count; i++) {
        char hex[2 * DOC_ID_BYTES + 1];
        id_hex(relay->largest[i].doc.bytes, DOC_ID_BYTES, hex);
        buf_addf(out, "weft_relay_document_bytes{document=\"%s\"} %llu\n", hex,
                 (unsigned long long)relay->largest[i].bytes);
    }
}

void relay_metrics(struct relay *relay, struct buf *out)
{
    const struct relay_counts *counts = &relay->counts;
    struct store_totals totals = store_totals(relay->store);
    metric(out, "connections", "gauge", "Connections now.", counts->connections);
    metric(out, "documents_open", "gauge", "Documents somebody is in now.", counts->documents);
    metric(out, "documents", "gauge", "Documents in the store.", totals.documents);
    metric(out, "store_bytes", "gauge", "Bytes of records in the store.", totals.bytes);
    metric(out, "store_pending_bytes", "gauge", "Bytes of records not durable yet.", store_pending_bytes(relay->store));
    metric(out, "accepted_total", "counter", "Connections accepted.", counts->accepted);
    metric(out, "refused_total", "counter", "Connections sent away.", counts->refused);
    metric(out, "created_total", "counter", "Documents created.", counts->created);
    metric(out, "frames_in_total", "counter", "Messages received.", counts->frames_in);
    metric(out, "frames_out_total", "counter", "Messages sent.", counts->frames_out);
    metric(out, "bytes_in_total", "counter", "Bytes of messages received.", counts->bytes_in);
    metric(out, "bytes_out_total", "counter", "Bytes of messages sent.", counts->bytes_out);
    metric(out, "records_in_total", "counter", "Records appended.", counts->records_in);
    metric(out, "records_out_total", "counter", "Records handed on.", counts->records_out);
    metric(out, "duplicates_total", "counter", "Records that were here already.", counts->duplicates);
    metric(out, "rejected_total", "counter", "Records not taken.", counts->rejected);
    metric(out, "presence_in_total", "counter", "Presence messages received.", counts->presence_in);
    metric(out, "presence_dropped_total", "counter", "Presence messages not handed on.", counts->presence_dropped);
    metric(out, "expired_total", "counter", "Documents forgotten because nobody was in them.", counts->expired);
    metric(out, "slow_readers_total", "counter", "Readers told to resume.", counts->slow_readers);
    document_metrics(relay, out);
}

bool relay_health(struct relay *relay, struct buf *out)
{
    struct store_totals totals = store_totals(relay->store);
    bool full = relay->limits.total_bytes && totals.bytes >= relay->limits.total_bytes;
    buf_add_string(out, relay->stopping ? "stopping\n" : full ? "full\n" : "ok\n");
    return !relay->stopping && !full;
}
