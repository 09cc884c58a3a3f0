/*
 * One person of the demo: a real replica in a process of its own, without a screen. Keys come in and states go out over a
 * packet socket; everything in between is what the editor does.
 */
#include "app/demo.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/demo_wire.h"
#include "app/keymap.h"
#include "app/replica.h"
#include "app/target.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    SAID_MS = 6000,  /* how long a message stays, as in the editor */
    FLASH_MS = 4000, /* how long after coming back what the others wrote is shown in their colour */
};

struct pane {
    struct replica *replica;
    struct buf message, clip;
    uint64_t said_ms;
    struct pane_mark marks[DEMO_MARKS_MAX];
    size_t mark_count;
    bool online, met; /* is in the room; has been */
    uint64_t flash_until_ms; /* 0: nothing is marked */
    bool changed;
};

static void pane_said(void *self, const char *text)
{
    struct pane *pane = self;
    buf_clear(&pane->message);
    buf_add_string(&pane->message, text);
    pane->said_ms = net_now_ms();
    pane->changed = true;
}

static void pane_changed(void *self)
{
    struct pane *pane = self;
    pane->changed = true;
}

/* --- keys --- */

static bool apply(struct pane *pane, const struct command_result *result, enum edit_kind kind)
{
    struct error err = {0};
    uint64_t len = rope_len(replica_buffer(pane->replica)->text);
    if (patch_is_empty(&result->patch)) {
        replica_select(pane->replica, result->selection);
        return true;
    }
    if (len + patch_inserted(&result->patch) > DEMO_TEXT_BYTES) {
        pane_said(pane, "The demo's page is full. weft FILE has room.");
        return false;
    }
    pane->mark_count = 0; /* who types has seen them */
    bool edited = replica_edit(pane->replica, &result->patch, result->selection, kind, &err);
    if (!edited)
        pane_said(pane, err.text);
    return edited;
}

static void run(struct pane *pane, enum command command, bool extend, struct bytes argument)
{
    const struct buffer *buffer = replica_buffer(pane->replica);
    struct command_in in = {.text = buffer->text, .selection = buffer->selection, .extend = extend, .argument = argument,
                            .tab_width = 8, .page_lines = 8};
    struct command_result result;
    command_run(command, &in, &result);
    bool pasted = command == COMMAND_INSERT && argument.len > UTF8_BYTES_MAX;
    bool done = apply(pane, &result, pasted ? EDIT_WHOLE : edit_kind_of(result.kind));
    if (done && result.message)
        pane_said(pane, result.message);
    if (done && result.copied) {
        buf_clear(&pane->clip);
        buf_add_bytes(&pane->clip, buf_view(&result.clip));
    }
    command_result_release(&result);
}

static void undo(struct pane *pane, enum undo_direction direction)
{
    struct error err = {0};
    switch (replica_undo(pane->replica, direction, &err)) {
    case REPLICA_UNDONE: pane->mark_count = 0; break;
    case REPLICA_NOTHING_TO_UNDO: pane_said(pane, "No changes of yours left to undo."); break;
    case REPLICA_UNDO_REFUSED: pane_said(pane, err.text); break;
    }
}

static void request(struct pane *pane, enum request what)
{
    struct error err = {0};
    if (what == REQUEST_UNDO || what == REQUEST_REDO)
        undo(pane, what == REQUEST_UNDO ? UNDO_BACK : UNDO_AGAIN);
    else if (what == REQUEST_PASTE)
        run(pane, COMMAND_INSERT, false, buf_view(&pane->clip));
    else if (what == REQUEST_SAVE && !replica_save(pane->replica, NULL, &err))
        pane_said(pane, err.text);
    else if (what != REQUEST_SAVE && what != REQUEST_ESCAPE && what != REQUEST_REDRAW)
        pane_said(pane, "The demo leaves that out; weft FILE has it.");
}

static void press(struct pane *pane, struct key key)
{
    unsigned char typed[UTF8_BYTES_MAX];
    struct binding binding = keymap_find(key);
    if (binding.kind != BINDING_NONE)
        buf_clear(&pane->message); /* read or not: a key puts it away */
    switch (binding.kind) {
    case BINDING_NONE: break;
    case BINDING_TEXT: run(pane, COMMAND_INSERT, false, bytes_of(typed, utf8_encode(key.code, typed))); break;
    case BINDING_COMMAND: run(pane, binding.command, binding.extend, (struct bytes){0}); break;
    case BINDING_REQUEST: request(pane, binding.request); break;
    }
}

static void obey(struct pane *pane, const struct pane_command *command)
{
    switch (command->order) {
    case PANE_KEY: press(pane, (struct key){command->code, command->mods}); break;
    case PANE_PASTE: run(pane, COMMAND_INSERT, false, command->text); break;
    case PANE_FIND:
        run(pane, COMMAND_FIND, false, command->text);
        buf_clear(&pane->message); /* nobody asked where it was found */
        break;
    case PANE_RETRY: replica_retry(pane->replica); break;
    case PANE_JOIN: break; /* has been obeyed */
    }
    pane->changed = true;
}

/* --- the merge flashes --- */

static void add_mark(struct pane *pane, uint64_t from, uint64_t to)
{
    if (from < to && pane->mark_count < DEMO_MARKS_MAX)
        pane->marks[pane->mark_count++] = (struct pane_mark){from, to};
}

/* What came from elsewhere since `before`: older marks are carried along, new text becomes a mark. */
static void mark_arrivals(struct pane *pane, const struct rope *before)
{
    struct patch patch = {0};
    struct line_diff summary;
    line_diff(before, replica_buffer(pane->replica)->text, &patch, &summary);
    for (size_t i = 0; i < pane->mark_count; i++) {
        pane->marks[i].from = patch_map(&patch, pane->marks[i].from, GRAVITY_RIGHT);
        pane->marks[i].to = patch_map(&patch, pane->marks[i].to, GRAVITY_LEFT);
    }
    uint64_t at = 0;
    for (size_t i = 0; i < patch.count; i++) {
        const struct part *part = &patch.parts[i];
        if (part->kind == PART_INSERT)
            add_mark(pane, at, at + part->len);
        if (part->kind != PART_DELETE)
            at += part->len;
    }
    patch_release(&patch);
}

static bool is_online(struct pane *pane)
{
    struct replica_status status;
    replica_status(pane->replica, net_now_ms(), &status);
    return status.net.state == SESSION_ONLINE && !status.joining;
}

static void handle_replica(struct pane *pane)
{
    struct rope *before = rope_snapshot(replica_buffer(pane->replica)->text);
    replica_handle(pane->replica);
    uint64_t now_ms = net_now_ms();
    bool online = is_online(pane);
    if (online && !pane->online && pane->met)
        pane->flash_until_ms = now_ms + FLASH_MS;
    pane->met |= online;
    pane->online = online;
    if (pane->flash_until_ms && !rope_equal(before, replica_buffer(pane->replica)->text))
        mark_arrivals(pane, before);
    if (pane->flash_until_ms && now_ms > pane->flash_until_ms) {
        pane->flash_until_ms = 0;
        pane->mark_count = 0;
        pane->changed = true;
    }
    rope_free(before);
}

/* --- states --- */

static void fill_people(const struct pane *pane, struct pane_state *state)
{
    const struct people *people = replica_people(pane->replica);
    for (size_t i = 0; i < people->count && i < DEMO_PEOPLE_MAX; i++) {
        const struct person *person = &people->items[i];
        struct pane_person *out = &state->people[state->people_count++];
        *out = (struct pane_person){.anchor = person->anchor, .head = person->cursor,
                                    .has_cursor = person->located, .quiet = person->peer.state != PEER_HERE};
        snprintf(out->name, sizeof out->name, "%s", person->name);
    }
}

static void fill_text(const struct pane *pane, struct pane_state *state)
{
    struct version version = {0};
    struct digest hash;
    const struct buffer *buffer = replica_buffer(pane->replica);
    replica_version(pane->replica, &version, &hash);
    version_release(&version);
    memcpy(state->hash, hash.bytes, sizeof state->hash);
    rope_append_to(buffer->text, 0, rope_len(buffer->text), &state->text);
    state->selection = buffer->selection;
    memcpy(state->marks, pane->marks, sizeof state->marks);
    state->mark_count = pane->mark_count;
}

static void fill_status(struct pane *pane, struct pane_state *state)
{
    struct replica_status status;
    replica_status(pane->replica, net_now_ms(), &status);
    state->online = status.net.state == SESSION_ONLINE && !status.joining;
    state->caught_up = replica_is_settled(pane->replica);
    state->in_file = status.in_file;
    state->kept = status.kept;
    state->unsent = status.unsent_edits;
    state->unsent_s = status.unsent_age_ms / 1000;
    char *link = replica_link(pane->replica, ACCESS_WRITE);
    if (link)
        buf_add_string(&state->link, link);
    free(link);
    buf_add_bytes(&state->message, buf_view(&pane->message));
}

static void send_state(struct pane *pane)
{
    struct pane_state state = {0};
    struct buf packet = {0};
    fill_text(pane, &state);
    fill_status(pane, &state);
    fill_people(pane, &state);
    replica_barrier(pane->replica); /* what is shown is on the disk, here as in the editor */
    pane_state_encode(&state, &packet);
    /* Never waits: the supervisor may be waiting for room in the other direction. The next state says it all again. */
    bool sent = send(DEMO_PANE_FD, packet.data, packet.len, MSG_DONTWAIT) >= 0;
    replica_shown(pane->replica);
    pane->changed = !sent;
    buf_release(&packet);
    pane_state_release(&state);
}

/* --- life --- */

/* The next packet; `wait`: until there is one. False: there is none, or the supervisor is gone. */
static bool next_command(unsigned char packet[DEMO_PACKET_BYTES], struct pane_command *command, bool wait)
{
    ssize_t got = recv(DEMO_PANE_FD, packet, DEMO_PACKET_BYTES, wait ? 0 : MSG_DONTWAIT);
    return got > 0 && pane_command_decode(bytes_of(packet, (size_t)got), command);
}

static struct replica *join(struct env *env, const struct replica_options *options, struct error *err)
{
    unsigned char packet[DEMO_PACKET_BYTES];
    struct pane_command command;
    struct share_link link;
    if (!next_command(packet, &command, true) || command.order != PANE_JOIN) {
        error_set(err, ERR_MISSING, 0, "no link was given");
        return NULL;
    }
    char *word = xstrndup((const char *)command.text.data, command.text.len);
    bool parsed = target_parse_link(word, false, &link, err);
    free(word);
    return parsed ? replica_join(env, &link, NULL, options, err) : NULL;
}

static struct replica *share(struct env *env, struct pane *pane, const struct demo_pane *spec,
                             const struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_open(env, spec->file, (struct bytes){0}, options, err);
    if (!replica)
        return NULL;
    pane->replica = replica;
    pane->met = replica_is_shared(replica);
    if (!pane->met) /* the first time; whoever comes back stands where they were */
        run(pane, COMMAND_TEXT_END, false, (struct bytes){0});
    if (!replica_share(replica, spec->relay, err))
        pane_said(pane, err->text);
    return replica;
}

static void serve(struct pane *pane)
{
    unsigned char packet[DEMO_PACKET_BYTES];
    struct pane_command command;
    send_state(pane);
    for (;;) {
        struct pollfd fds[] = {{.fd = DEMO_PANE_FD, .events = POLLIN}, {.fd = replica_fd(pane->replica), .events = POLLIN}};
        enum { LOOK_MS = 200 }; /* messages and marks that go by themselves, the seconds in the status line */
        (void)poll(fds, 2, LOOK_MS);
        while (next_command(packet, &command, false))
            obey(pane, &command);
        if (fds[0].revents & POLLHUP)
            return;
        handle_replica(pane);
        if (pane->message.len && net_now_ms() - pane->said_ms > SAID_MS) {
            buf_clear(&pane->message);
            pane->changed = true;
        }
        if (pane->changed)
            send_state(pane);
    }
}

int demo_pane_run(struct env *env, const struct demo_pane *spec)
{
    struct pane pane = {0};
    struct error err = {0};
    struct replica_options options = {.port = {&pane, pane_said, pane_changed}, .name = spec->name};
    pane.replica = spec->file ? share(env, &pane, spec, &options, &err) : join(env, &options, &err);
    if (!pane.replica) {
        fprintf(stderr, "weft demo: %s: %s\n", spec->name, err.text);
        return 1;
    }
    serve(&pane);
    buf_release(&pane.message);
    buf_release(&pane.clip);
    return replica_close(pane.replica, 0, NULL, &err) ? 0 : 1;
}
