#include "app/past_collisions.h"

#include "app/json.h"
#include "app/moment.h"
#include "app/past_columns.h"
#include "app/replica_version.h"
#include "app/target.h"
#include "editor/base/unicode.h"

enum { SNIPPET_CELLS = 32 };

static struct bytes snippet_view(const struct snippet *snippet)
{
    return (struct bytes){snippet->bytes, snippet->len};
}

static uint64_t line_of(const struct replica *replica, const struct collision *collision)
{
    return rope_line_at(replica_buffer(replica)->text, collision->at) + 1;
}

/* --- for people --- */

static void add_snippet(const char *did, const struct snippet *snippet, struct buf *out)
{
    if (snippet->of == 0)
        return;
    buf_addf(out, " %s \"", did);
    unicode_safe_label(snippet_view(snippet), SNIPPET_CELLS, out);
    buf_add_byte(out, '"');
    if (snippet->of > SNIPPET_CELLS) /* it may have been cut */
        buf_addf(out, " (%llu bytes)", (unsigned long long)snippet->of);
}

static void add_author(const struct replica *replica, const struct collision_side *side, struct buf *out)
{
    replica_add_author(replica, &side->edit.author, side->edit.label, out);
}

static void add_side(const struct replica *replica, const struct collision_side *side, struct buf *out)
{
    add_author(replica, side, out);
    add_snippet("inserted", &side->inserted, out);
    if (side->inserted.of > 0 && side->deleted.of > 0)
        buf_add_string(out, " and");
    add_snippet("deleted", &side->deleted, out);
}

static void add_line(const struct replica *replica, const struct collision *collision, struct buf *out)
{
    const struct collision_side *sides = collision->sides;
    struct buf moment = {0};
    moment_add(&moment, sides[0].edit.time_s > sides[1].edit.time_s ? sides[0].edit.time_s : sides[1].edit.time_s);
    past_add_padded(out, buf_view(&moment), PAST_MOMENT_CELLS);
    buf_add_string(out, "  ");
    add_author(replica, &sides[0], out);
    buf_add_string(out, " and ");
    add_author(replica, &sides[1], out);
    buf_addf(out, "  %s line %llu: ", collision->gone ? "gone from" : "in", (unsigned long long)line_of(replica, collision));
    add_side(replica, &sides[0], out);
    buf_add_string(out, ", ");
    add_side(replica, &sides[1], out);
    buf_release(&moment);
}

/* --- for programs --- */

static void add_json_side(const struct replica *replica, const struct collision_side *side, struct buf *out)
{
    static const char *const kinds[] = {[LOG_EDIT] = "edit", [LOG_UNDO] = "undo", [LOG_REDO] = "redo"};
    buf_add_byte(out, '{');
    past_add_json_who(replica, &side->edit.author, side->edit.label, side->edit.time_s, out);
    buf_addf(out, ", \"kind\": \"%s\", \"inserted\": ", kinds[side->edit.kind]);
    json_add_text(snippet_view(&side->inserted), out);
    buf_addf(out, ", \"inserted_bytes\": %llu, \"deleted\": ", (unsigned long long)side->inserted.of);
    json_add_text(snippet_view(&side->deleted), out);
    buf_addf(out, ", \"deleted_bytes\": %llu, \"version\": \"", (unsigned long long)side->deleted.of);
    replica_add_event(replica, side->edit.last, out);
    buf_add_string(out, "\"}");
}

static void add_json(const struct replica *replica, const struct collision *collision, struct buf *out)
{
    buf_addf(out, "{\"at\": %llu, \"line\": %llu, \"gone\": %s, \"edits\": [", (unsigned long long)collision->at,
             (unsigned long long)line_of(replica, collision), collision->gone ? "true" : "false");
    add_json_side(replica, &collision->sides[0], out);
    buf_add_string(out, ", ");
    add_json_side(replica, &collision->sides[1], out);
    buf_add_string(out, "]}");
}

bool past_print_collisions(const struct replica *replica, const struct collision_list *list, bool json, struct error *err)
{
    struct buf line = {0};
    bool good = list->count > 0 || json || target_print(bytes_of_string("No edits touched each other unseen.\n"), err);
    for (size_t i = list->count; i > 0 && good; i--) {
        buf_clear(&line);
        (json ? add_json : add_line)(replica, &list->items[i - 1], &line);
        buf_add_byte(&line, '\n');
        good = target_print(buf_view(&line), err);
    }
    buf_release(&line);
    return good;
}
