/*
 * weft log, weft blame: who wrote what and when, of all that is kept. Neither leaves a trace.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/moment.h"
#include "app/past_collisions.h"
#include "app/past_columns.h"
#include "app/replica_version.h"
#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/xalloc.h"

/* --- the log, for people: what somebody did without a longer pause is one line --- */

enum { PAUSE_S = 600, SITTINGS_LOOKED_AT = 64 };

struct sitting {
    struct buf author;
    uint64_t begun_s, ended_s;
    uint64_t edits, inserted, deleted;
    struct event_id last;
};

struct sittings {
    struct sitting *items; /* by when they began */
    size_t count, cap;
};

static struct sitting *find_sitting(struct sittings *all, struct bytes author, uint64_t time_s)
{
    for (size_t i = all->count; i > 0 && all->count - i < SITTINGS_LOOKED_AT; i--) {
        struct sitting *sitting = &all->items[i - 1];
        if (bytes_equal(buf_view(&sitting->author), author))
            return time_s <= sitting->ended_s + PAUSE_S ? sitting : NULL;
    }
    return NULL;
}

static struct sitting *begin_sitting(struct sittings *all, struct bytes author, uint64_t time_s)
{
    all->items = xgrow(all->items, &all->cap, all->count + 1, sizeof *all->items);
    struct sitting *sitting = &all->items[all->count++];
    *sitting = (struct sitting){.begun_s = time_s, .ended_s = time_s};
    buf_add_bytes(&sitting->author, author);
    return sitting;
}

static void add_to_sitting(struct sittings *all, struct bytes author, const struct log_entry *entry)
{
    struct sitting *sitting = find_sitting(all, author, entry->time_s);
    if (!sitting)
        sitting = begin_sitting(all, author, entry->time_s);
    if (entry->time_s > sitting->ended_s)
        sitting->ended_s = entry->time_s;
    sitting->edits++;
    sitting->inserted += entry->inserted;
    sitting->deleted += entry->deleted;
    sitting->last = entry->last;
}

static bool print_sitting(const struct replica *replica, const struct sitting *sitting, struct error *err)
{
    struct buf line = {0}, moment = {0};
    moment_add(&moment, sitting->begun_s);
    past_add_padded(&line, buf_view(&moment), PAST_MOMENT_CELLS);
    buf_add_string(&line, "  ");
    past_add_padded(&line, buf_view(&sitting->author), PAST_NAME_CELLS);
    buf_addf(&line, "  %6llu edit%s  +%llu -%llu  ", (unsigned long long)sitting->edits, sitting->edits == 1 ? " " : "s",
             (unsigned long long)sitting->inserted, (unsigned long long)sitting->deleted);
    replica_add_event(replica, sitting->last, &line);
    buf_add_byte(&line, '\n');
    bool good = target_print(buf_view(&line), err);
    buf_release(&moment);
    buf_release(&line);
    return good;
}

/* The newest first. */
static bool print_sittings(const struct replica *replica, const struct log_list *log, struct error *err)
{
    struct sittings all = {0};
    struct buf author = {0};
    bool good = true;
    for (size_t i = 0; i < log->count; i++) {
        const struct log_entry *entry = &log->items[i];
        buf_clear(&author);
        replica_add_author(replica, &entry->author, entry->label, &author);
        add_to_sitting(&all, buf_view(&author), entry);
    }
    for (size_t i = all.count; i > 0 && good; i--)
        good = print_sitting(replica, &all.items[i - 1], err);
    for (size_t i = 0; i < all.count; i++)
        buf_release(&all.items[i].author);
    free(all.items);
    buf_release(&author);
    return good;
}

/* --- the log, for programs: every edit --- */

static bool print_entry(const struct replica *replica, const struct log_entry *entry, struct error *err)
{
    static const char *const kinds[] = {[LOG_EDIT] = "edit", [LOG_UNDO] = "undo", [LOG_REDO] = "redo"};
    struct buf line = {0};
    buf_add_byte(&line, '{');
    past_add_json_who(replica, &entry->author, entry->label, entry->time_s, &line);
    buf_addf(&line, ", \"kind\": \"%s\", \"inserted\": %llu, \"deleted\": %llu, \"version\": \"", kinds[entry->kind],
             (unsigned long long)entry->inserted, (unsigned long long)entry->deleted);
    replica_add_event(replica, entry->last, &line);
    buf_add_string(&line, "\"}\n");
    bool good = target_print(buf_view(&line), err);
    buf_release(&line);
    return good;
}

static bool print_entries(const struct replica *replica, const struct log_list *log, struct error *err)
{
    bool good = true;
    for (size_t i = log->count; i > 0 && good; i--)
        good = print_entry(replica, &log->items[i - 1], err);
    return good;
}

static bool print_log(const struct replica *replica, bool json, struct error *err)
{
    struct log_list log = {0};
    if (!replica_read_past(replica, err))
        return false;
    replica_log(replica, &log);
    bool good = json ? print_entries(replica, &log, err) : print_sittings(replica, &log, err);
    log_list_release(&log);
    return good;
}

static bool print_collisions(const struct replica *replica, const struct args *args, struct error *err)
{
    const char *from = args_value(args, "--from"), *to = args_value(args, "--to");
    struct version since = {0}, until = {0};
    struct collision_list list = {0};
    bool good = replica_find_version(replica, from ? from : "base", &since, err) &&
                replica_find_version(replica, to ? to : "now", &until, err) && replica_read_past(replica, err);
    if (good) {
        replica_collisions(replica, &since, &until, &list);
        good = past_print_collisions(replica, &list, args_flag(args, "--json"), err);
    }
    if (good && list.cut)
        fputs("weft log: there may be more of them; ask for less with --from and --to\n", stderr);
    collision_list_release(&list);
    version_release(&since);
    version_release(&until);
    return good;
}

int verb_log_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    bool collisions = args_flag(args, "--collisions");
    if (!collisions && (args_value(args, "--from") || args_value(args, "--to"))) {
        fputs("weft log: --from and --to go with --collisions\n", stderr);
        return EXIT_USAGE;
    }
    struct replica *replica = target_open_only(env, "log", args, &err);
    bool good = replica != NULL;
    if (good)
        good = collisions ? print_collisions(replica, args, &err) : print_log(replica, args_flag(args, "--json"), &err);
    return target_finish(replica, "log", good, &err);
}

/* --- blame --- */

/* The newest that anybody wrote into [at, end) of the text; the base text's, where that is all there is. */
static const struct blame_range *newest_in(const struct blame *blame, uint64_t at, uint64_t end)
{
    const struct blame_range *newest = NULL, *stop = blame->items + blame->count;
    for (const struct blame_range *range = blame_find(blame, at); range && range < stop && range->at < end; range++)
        if (!newest || newest->base || (!range->base && range->time_s >= newest->time_s))
            newest = range;
    return newest;
}

static void add_blamed(const struct replica *replica, const struct blame_range *range, struct buf *out)
{
    if (range && !range->base)
        past_add_who(replica, &range->author, range->label, range->time_s, out);
    else
        past_add_nobody(out);
}

/* Whoever ended a line has not written it, unless there is nothing else in it. */
static size_t written_bytes(struct bytes line)
{
    size_t end = line.len;
    end -= end > 0 && line.data[end - 1] == '\n';
    end -= end > 0 && line.data[end - 1] == '\r';
    return end > 0 ? end : line.len;
}

static bool print_blamed_lines(const struct replica *replica, const struct blame *blame, struct error *err)
{
    const struct rope *text = replica_buffer(replica)->text;
    struct buf line = {0}, content = {0};
    bool good = true;
    for (uint64_t row = 0, at = 0; good && at < rope_len(text); row++) {
        uint64_t end = row + 1 < rope_lines(text) ? rope_line_start(text, row + 1) : rope_len(text);
        buf_clear(&line);
        rope_append_to(text, at, end - at, &content);
        add_blamed(replica, newest_in(blame, at, at + written_bytes(buf_view(&content))), &line);
        buf_add_bytes(&line, buf_view(&content));
        buf_clear(&content);
        if (line.data[line.len - 1] != '\n')
            buf_add_byte(&line, '\n');
        good = target_print(buf_view(&line), err);
        at = end;
    }
    buf_release(&line);
    buf_release(&content);
    return good;
}

int verb_blame_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct blame blame = {0};
    struct replica *replica = target_open_only(env, "blame", args, &err);
    bool good = replica && replica_read_past(replica, &err);
    if (good) {
        replica_blame(replica, &blame);
        good = print_blamed_lines(replica, &blame, &err);
    }
    blame_release(&blame);
    return target_finish(replica, "blame", good, &err);
}
