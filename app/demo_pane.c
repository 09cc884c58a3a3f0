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

struct pane {
    struct replica *replica;
    struct buf message;
    bool changed, leaving;
};

static void pane_said(void *self, const char *text)
{
    struct pane *pane = self;
    buf_clear(&pane->message);
    buf_add_string(&pane->message, text);
    pane->changed = true;
}

static void pane_changed(void *self)
{
    ((struct pane *)self)->changed = true;
}

/* --- keys --- */

static void run(struct pane *pane, enum command command, bool extend, struct bytes argument)
{
    const struct buffer *buffer = replica_buffer(pane->replica);
    struct command_in in = {.text = buffer->text, .selection = buffer->selection, .extend = extend, .argument = argument,
                            .tab_width = 8, .page_lines = 8};
    struct command_result result;
    struct error err = {0};
    command_run(command, &in, &result);
    enum edit_kind kind = result.kind == COMMAND_KIND_TYPING    ? EDIT_TYPING
                          : result.kind == COMMAND_KIND_ERASING ? EDIT_ERASING
                                                                : EDIT_WHOLE;
    if (patch_is_empty(&result.patch))
        replica_select(pane->replica, result.selection);
    else if (!replica_edit(pane->replica, &result.patch, result.selection, kind, &err))
        pane_said(pane, err.text);
    command_result_release(&result);
}

static void request(struct pane *pane, enum request what)
{
    struct error err = {0};
    bool undoes = what == REQUEST_UNDO || what == REQUEST_REDO;
    if (undoes && replica_undo(pane->replica, what == REQUEST_UNDO ? UNDO_BACK : UNDO_AGAIN, &err) == REPLICA_NOTHING_TO_UNDO)
        pane_said(pane, "No changes of yours left to undo.");
    if (what == REQUEST_SAVE && !replica_save(pane->replica, NULL, &err))
        pane_said(pane, err.text);
}

static void press(struct pane *pane, struct key key)
{
    unsigned char typed[UTF8_BYTES_MAX];
    struct binding binding = keymap_find(key);
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
    case PANE_FIND: run(pane, COMMAND_FIND, false, command->text); break;
    case PANE_RETRY: replica_retry(pane->replica); break;
    case PANE_QUIT: pane->leaving = true; break;
    }
    pane->changed = true;
}

/* --- states --- */

static void fill_people(const struct pane *pane, struct pane_state *state)
{
    const struct people *people = replica_people(pane->replica);
    for (size_t i = 0; i < people->count && i < DEMO_PEOPLE_MAX; i++) {
        const struct person *person = &people->items[i];
        struct pane_person *out = &state->people[state->people_count++];
        *out = (struct pane_person){.colour = (unsigned)person->colour, .anchor = person->anchor, .head = person->cursor,
                                    .has_cursor = person->located, .quiet = person->peer.state != PEER_HERE};
        snprintf(out->name, sizeof out->name, "%s", person->name);
    }
}

static void send_state(struct pane *pane)
{
    struct pane_state state = {0};
    struct replica_status status;
    struct version version = {0};
    struct digest hash;
    struct buf packet = {0};
    const struct buffer *buffer = replica_buffer(pane->replica);
    replica_status(pane->replica, net_now_ms(), &status);
    replica_version(pane->replica, &version, &hash);
    rope_append_to(buffer->text, 0, rope_len(buffer->text), &state.text);
    state.selection = buffer->selection;
    state.online = status.net.state == SESSION_ONLINE && !status.joining;
    state.caught_up = replica_is_settled(pane->replica);
    state.in_file = status.in_file;
    state.kept = status.kept;
    state.unsent = status.net.unacked_edits;
    state.unsent_s = status.unsent_age_ms / 1000;
    char *link = replica_link(pane->replica, ACCESS_WRITE);
    if (link)
        buf_add_string(&state.link, link);
    free(link);
    buf_add_bytes(&state.message, buf_view(&pane->message));
    memcpy(state.hash, hash.bytes, sizeof state.hash);
    fill_people(pane, &state);
    replica_barrier(pane->replica); /* what is shown is committed, here as in the editor */
    pane_state_encode(&state, &packet);
    (void)!send(DEMO_PANE_FD, packet.data, packet.len, 0);
    buf_release(&packet);
    pane_state_release(&state);
    version_release(&version);
    pane->changed = false;
}

/* --- life --- */

static struct replica *open_replica(struct env *env, struct pane *pane, const struct demo_pane *spec, struct error *err)
{
    struct replica_options options = {.port = {pane, pane_said, pane_changed}, .name = spec->name};
    if (spec->link) {
        struct share_link link;
        if (!target_parse_link(spec->link, false, &link, err))
            return NULL;
        return replica_join(env, &link, NULL, &options, err);
    }
    struct replica *replica = replica_open(env, spec->file, (struct bytes){0}, &options, err);
    if (replica && !replica_share(replica, spec->relay, err))
        pane_said(pane, err->text);
    return replica;
}

static void serve(struct pane *pane)
{
    unsigned char packet[DEMO_PACKET_BYTES];
    send_state(pane);
    while (!pane->leaving) {
        struct pollfd fds[] = {{.fd = DEMO_PANE_FD, .events = POLLIN}, {.fd = replica_fd(pane->replica), .events = POLLIN}};
        enum { LOOK_MS = 200 }; /* the counts of seconds in the status line */
        (void)poll(fds, 2, LOOK_MS);
        if (fds[0].revents & POLLHUP)
            return;
        for (ssize_t got; (got = recv(DEMO_PANE_FD, packet, sizeof packet, MSG_DONTWAIT)) > 0;) {
            struct pane_command command;
            if (pane_command_decode(bytes_of(packet, (size_t)got), &command))
                obey(pane, &command);
        }
        replica_handle(pane->replica);
        if (pane->changed)
            send_state(pane);
    }
}

int demo_pane_run(struct env *env, const struct demo_pane *spec)
{
    struct pane pane = {0};
    struct error err = {0};
    pane.replica = open_replica(env, &pane, spec, &err);
    if (!pane.replica) {
        fprintf(stderr, "weft demo: %s: %s\n", spec->name, err.text);
        return 1;
    }
    serve(&pane);
    buf_release(&pane.message);
    return replica_close(pane.replica, 0, NULL, &err) ? 0 : 1;
}
