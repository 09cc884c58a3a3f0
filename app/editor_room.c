#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>

#include "app/own_relay.h"

/* --- who is here --- */

/* Other people: not this person's own windows on this machine, nor scripts. */
static bool is_other(const struct person *person)
{
    return !person->is_neighbour && !person->is_script && person->peer.state == PEER_HERE;
}

static size_t count_others(const struct people *people)
{
    size_t count = 0;
    for (size_t i = 0; i < people->count; i++)
        count += is_other(&people->items[i]);
    return count;
}

void editor_say_who_goes_on(struct editor *editor, struct replica *replica)
{
    size_t others = count_others(replica_people(replica));
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    if (others == 0 || !status.shared || status.net.state != SESSION_ONLINE) /* offline nobody knows who is still there */
        return;
    bool own = own_relay_is(editor->env, replica_entry(replica)->relay);
    buf_addf(&editor->farewell, "%zu %s go%s on%s\n", others, others == 1 ? "person" : "people", others == 1 ? "es" : "",
             own ? "; this machine keeps the room open. (weft relay stop ends it.)" : ".");
}

/* --- links --- */

/* F3: the edit link is copied; F3 again: the view link. */
void editor_show_links(struct editor *editor)
{
    struct replica *replica = editor_replica(editor);
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    if (!status.shared && status.is_private) {
        editor_say(editor, "A private buffer is not shared: nothing of it is kept.");
        return;
    }
    if (!status.shared) {
        const char *relay = editor->env->config.relay;
        editor_ask_line(editor, ASKING_RELAY, "Not shared. Share it at relay (wss://HOST; Enter: one on this machine):",
                        relay ? relay : "");
        return;
    }
    bool again = editor->panel_kind == PANEL_LINKS && editor->link_copied && !editor->view_copied;
    editor->panel_kind = PANEL_LINKS;
    char *link = replica_link(replica, again ? ACCESS_READ : ACCESS_WRITE);
    bool only_view = !link;
    if (!link)
        link = replica_link(replica, ACCESS_READ);
    if (link && term_copy(editor->term, bytes_of_string(link))) {
        editor->link_copied = !only_view;
        editor->view_copied = again || only_view;
        buf_clear(&editor->clip);
        buf_add_string(&editor->clip, link);
    }
    if (link)
        crypto_wipe(link, strlen(link));
    free(link);
}

void editor_say_what_links_show(struct editor *editor)
{
    editor_say(editor, "A link also shows how the text changed from now on, deleted text included.");
}

void editor_answer_relay(struct editor *editor, const char *relay)
{
    struct error err = {0};
    char *own = *relay ? NULL : own_relay_ensure(editor->env, false, &err);
    if ((*relay || own) && replica_share(editor_replica(editor), own ? own : relay, &err)) {
        editor_show_links(editor);
        editor_say_what_links_show(editor);
    } else {
        editor_say(editor, err.text);
    }
    free(own);
}

/* --- following, working alone --- */

void editor_follow(struct editor *editor)
{
    const struct people *people = replica_people(editor_replica(editor));
    size_t start = 0;
    for (size_t i = 0; editor->following && i < people->count; i++)
        if (agent_id_equal(&people->items[i].peer.presence.agent, &editor->followed))
            start = i + 1;
    for (size_t n = 0; n < people->count; n++) {
        const struct person *person = &people->items[(start + n) % people->count];
        if (!person->located)
            continue;
        editor->following = true;
        editor->followed = person->peer.presence.agent;
        editor_sayf(editor, "Following %s. Alt+F follows the next, typing stops it.", person->name);
        return;
    }
    editor_say(editor, "Nobody to follow.");
}

void editor_toggle_alone(struct editor *editor)
{
    struct replica *replica = editor_replica(editor);
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    if (!status.shared) {
        editor_say(editor, "This file is not shared.");
        return;
    }
    replica_work_alone(replica, !status.alone);
    editor_say(editor, status.alone ? "Online again." : "Working alone: nothing is sent or received until Alt+A again.");
}
