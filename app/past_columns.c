#include "app/past_columns.h"

#include "app/json.h"
#include "app/moment.h"
#include "editor/base/unicode.h"

void past_add_padded(struct buf *out, struct bytes label, int cells)
{
    int width = 0;
    for (size_t at = 0; at < label.len;) {
        size_t len = cluster_next(bytes_slice(label, at, label.len - at));
        width += cluster_width(bytes_slice(label, at, len));
        at += len;
    }
    buf_add_bytes(out, label);
    for (; width < cells; width++)
        buf_add_byte(out, ' ');
}

static void add_columns(struct bytes moment, struct bytes author, struct buf *out)
{
    past_add_padded(out, moment, PAST_MOMENT_CELLS);
    buf_add_string(out, "  ");
    past_add_padded(out, author, PAST_NAME_CELLS);
    buf_add_string(out, "  ");
}

void past_add_who(const struct replica *replica, const struct agent_id *author, const char *label, uint64_t time_s,
                  struct buf *out)
{
    struct buf moment = {0}, name = {0};
    moment_add(&moment, time_s);
    replica_add_author(replica, author, label, &name);
    add_columns(buf_view(&moment), buf_view(&name), out);
    buf_release(&name);
    buf_release(&moment);
}

void past_add_nobody(struct buf *out)
{
    add_columns((struct bytes){0}, (struct bytes){0}, out);
}

void past_add_json_who(const struct replica *replica, const struct agent_id *author, const char *label, uint64_t time_s,
                       struct buf *out)
{
    struct buf name = {0};
    replica_add_author(replica, author, label, &name);
    buf_addf(out, "\"time\": %llu, \"author\": ", (unsigned long long)time_s);
    json_add_text(buf_view(&name), out);
    buf_release(&name);
}
