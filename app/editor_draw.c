#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { PEERS_DRAWN = PEOPLE_MAX + 1, UNSENT_SHOWN_MS = 1000 };

/* What one frame is made of: everything that view_model points to. */
struct picture {
    struct view_model model;
    struct view_peer peers[PEERS_DRAWN];
    char fingerprints[PEERS_DRAWN][FINGERPRINT_TEXT_BYTES];
    struct replica_status status;
    char away[128], coming[64];
};

void editor_view_text(struct editor *editor, struct view_text *text)
{
    const struct buffer *buffer = replica_buffer(editor_replica(editor));
    *text = (struct view_text){
        .rope = buffer_text(buffer),
        .selection = buffer->selection,
        .scroll = editor_window(editor)->scroll,
        .tab_width = editor->env->config.tab_width,
        .line_numbers = editor->line_numbers,
    };
}

static void fill_peer(struct editor *editor, const struct person *person, struct picture *picture, uint64_t now_ms)
{
    size_t n = picture->model.peer_count++;
    const struct presence *presence = &person->peer.presence;
    const struct rope *text = buffer_text(replica_buffer(editor_replica(editor)));
    struct view_peer *peer = &picture->peers[n];
    uint64_t silent_ms = now_ms > person->peer.heard_ms ? now_ms - person->peer.heard_ms : 0;
    *peer = (struct view_peer){
        .name = person->name,
        .colour = (unsigned)person->colour,
        .anchor = person->anchor,
        .head = person->cursor,
        .has_cursor = person->located,
        .flag = person->located && now_ms - person->moved_ms < FLAG_MS,
        .can_edit = !(presence->flags & PRESENCE_VIEWER), /* who has not written yet has shown no grant */
        .away = (presence->flags & PRESENCE_AWAY) != 0,
        .quiet = person->peer.state != PEER_HERE,
        .away_s = (now_ms - person->moved_ms) / 1000,
        .quiet_s = silent_ms / 1000,
        .line = person->located ? rope_line_at(text, person->cursor) + 1 : 0,
        .warning = person->key_changed ? "this name has come with another key" : NULL,
    };
    if (!peer->warning && replica_wrote_twice(editor_replica(editor), &presence->doc_key))
        peer->warning = "wrote two different things from one state: a copied or restored machine?";
    if (person->peer.introduced) {
        device_fingerprint(&presence->device_key, picture->fingerprints[n]);
        peer->fingerprint = picture->fingerprints[n];
    }
}

static void fill_me(struct editor *editor, struct picture *picture)
{
    struct replica *replica = editor_replica(editor);
    const struct buffer *buffer = replica_buffer(replica);
    size_t n = picture->model.peer_count++;
    struct view_peer *me = &picture->peers[n];
    *me = (struct view_peer){
        .name = replica_person(replica),
        .anchor = buffer->selection.anchor,
        .head = buffer->selection.head,
        .has_cursor = true,
        .can_edit = replica_entry(replica)->keys.access != ACCESS_READ,
        .is_me = true,
        .line = rope_line_at(buffer->text, buffer->selection.head) + 1,
    };
    if (editor->env->has_device) { /* what the others read there: to be compared by telephone */
        device_fingerprint(&editor->env->device.key.public_key, picture->fingerprints[n]);
        me->fingerprint = picture->fingerprints[n];
    }
}

static void fill_peers(struct editor *editor, struct picture *picture, uint64_t now_ms)
{
    const struct people *people = replica_people(editor_replica(editor));
    for (size_t i = 0; i < people->count; i++)
        fill_peer(editor, &people->items[i], picture, now_ms);
    if (picture->model.peer_count > 0 || editor->panel_kind == PANEL_PEOPLE)
        fill_me(editor, picture);
    picture->model.peers = picture->peers;
}

static enum view_link link_of(const struct replica_status *status)
{
    const struct session_status *net = &status->net;
    if (net->state != SESSION_ONLINE)
        return VIEW_LINK_OFFLINE;
    if (status->unsent_edits > 0 && status->unsent_age_ms >= UNSENT_SHOWN_MS)
        return VIEW_LINK_UNSENT;
    return net->idle ? VIEW_LINK_IDLE : VIEW_LINK_SENT;
}

static void fill_status(struct editor *editor, struct picture *picture, uint64_t now_ms)
{
    struct replica *replica = editor_replica(editor);
    const struct buffer *buffer = replica_buffer(replica);
    struct replica_status *status = &picture->status;
    uint64_t line = rope_line_at(buffer->text, buffer->selection.head);
    uint64_t start = rope_line_start(buffer->text, line);
    replica_status(replica, now_ms, status);
    picture->model.status = (struct view_status){
        .file = replica_label(replica),
        .in_file = status->in_file || status->view_only, /* a viewer has written nothing that could be missing there */
        .new_file = status->in_file && replica_path(replica) && !status->stamp.exists,
        .nowhere = status->in_file && !replica_path(replica) && rope_len(buffer->text) == 0,
        .kept = status->kept,
        .private = status->is_private,
        .sharing = !status->shared ? VIEW_ALONE : status->view_only ? VIEW_ONLY : VIEW_SHARED,
        .link = link_of(status),
        .connecting = status->joining && status->net.state == SESSION_OFFLINE && !status->net.why.text[0],
        .unsent = status->unsent_edits,
        .unsent_s = status->unsent_age_ms / 1000,
        .offline_kept = status->net.unacked_edits,
        .in_memory = status->edits_in_memory,
        .disk_full = status->disk_full,
        .line = line + 1,
        .column = rope_codepoints_before(buffer->text, buffer->selection.head) -
                  rope_codepoints_before(buffer->text, start) + 1,
        /* An answer that took longer than that was no round trip: the link was away. */
        .rtt_ms = status->net.rtt_ms < SESSION_SILENT_MS ? status->net.rtt_ms : 0,
    };
}

/* What is said or asked below the text. */
static void fill_bottom(struct editor *editor, struct view_model *model, uint64_t now_ms)
{
    struct prompt *prompt = &editor->prompt;
    buf_clear(&editor->joining);
    replica_joining(editor_replica(editor), &editor->joining); /* said for as long as it is so: the text is not empty */
    if (editor->joining.len > 0) {
        model->message = buf_string(&editor->joining);
        model->message_kind = VIEW_MESSAGE_WARNING;
    } else if (editor->message_ms && now_ms - editor->message_ms < MESSAGE_MS) {
        model->message = editor->message;
        model->message_kind = editor->message_kind;
    }
    if (prompt->open)
        model->prompt = (struct view_prompt){.label = prompt->refused ? "Nothing pasted, it is too long for this line:"
                                                                      : prompt->label,
                                             .cursor = prompt->cursor,
                                             .typed = prompt->choices ? NULL : buf_string(&prompt->typed),
                                             .typed_is_old = prompt->suggested};
}

/* Why there is no link, or nothing goes out on it, as far as that is known. */
static void fill_away(struct editor *editor, struct picture *picture)
{
    struct buf away = {0};
    if (picture->status.alone)
        buf_add_string(&away, "you work alone, Alt+A ends it");
    else
        replica_away(editor_replica(editor), &away);
    if (away.len > 0 && away.len < sizeof picture->away) {
        memcpy(picture->away, away.data, away.len);
        picture->model.status.link_why = picture->away;
    }
    buf_release(&away);
}

/* What has not come yet: the text, or the history of one that is shown; or what has and is not in the text. */
static void fill_coming(struct editor *editor, struct picture *picture)
{
    struct buf remark = {0};
    replica_coming(editor_replica(editor), &remark);
    if (remark.len == 0)
        replica_merging(editor_replica(editor), &remark);
    if (remark.len > 0 && remark.len < sizeof picture->coming) {
        memcpy(picture->coming, remark.data, remark.len);
        picture->model.status.coming = picture->coming;
    }
    buf_release(&remark);
}

/* --- panels --- */

static void fill_links(struct editor *editor)
{
    struct replica *replica = editor_replica(editor);
    char *edit = replica_link(replica, ACCESS_WRITE), *view = replica_link(replica, ACCESS_READ);
    char *relay = addresses_name(replica_entry(replica));
    struct panel_links links = {.relay = relay, .edit = edit, .view = view, .edit_copied = editor->link_copied,
                                .view_copied = editor->view_copied, .name = replica_person(replica),
                                .name_source = replica_person_source(replica),
                                .cannot_copy = !term_can_copy(editor->term)};
    panel_show_links(&editor->panel, &links);
    if (edit)
        crypto_wipe(edit, strlen(edit));
    if (view)
        crypto_wipe(view, strlen(view));
    free(edit);
    free(view);
    free(relay);
}

static void fill_messages(struct editor *editor)
{
    struct panel_message *messages = xcalloc(MESSAGES_KEPT, sizeof *messages);
    size_t count = editor->kept_count < MESSAGES_KEPT ? editor->kept_count : MESSAGES_KEPT;
    for (size_t i = 0; i < count; i++) {
        const struct kept_message *kept = &editor->kept[(editor->kept_count - count + i) % MESSAGES_KEPT];
        messages[i] = (struct panel_message){kept->time, kept->text, kept->kind};
    }
    panel_messages(&editor->panel, messages, count);
    free(messages);
}

/* Not beyond the last screenful. */
static void clamp_panel_scroll(struct editor *editor, struct view_model *model)
{
    model->panel = panel_view(&editor->panel, 0);
    size_t rows = (size_t)screen_layout(model, term_rows(editor->term), term_cols(editor->term)).panel_rows;
    size_t last = editor->panel.count > rows ? editor->panel.count - rows : 0;
    if (editor->panel_scroll > last)
        editor->panel_scroll = last;
}

static void fill_panel(struct editor *editor, struct picture *picture)
{
    int cols = term_cols(editor->term);
    if (editor->panel_kind == PANEL_LINKS && !picture->status.shared)
        editor->panel_kind = PANEL_NONE; /* somebody has ended it: they lead nowhere, or to where this text is not any more */
    switch (editor->panel_kind) {
    case PANEL_NONE: panel_clear(&editor->panel); break;
    case PANEL_HELP: panel_help(&editor->panel, cols); break;
    case PANEL_PEOPLE: panel_people(&editor->panel, picture->peers, picture->model.peer_count); break;
    case PANEL_LINKS: fill_links(editor); break;
    case PANEL_MESSAGES: fill_messages(editor); break;
    case PANEL_START:
    case PANEL_NAMES: break; /* as it was filled at the start, or by the key */
    }
    panel_wrap(&editor->panel, cols);
    clamp_panel_scroll(editor, &picture->model);
    picture->model.panel = panel_view(&editor->panel, editor->panel_scroll);
}

/* --- scrolling --- */

struct screen_layout editor_layout(struct editor *editor)
{
    struct view_model model = {0};
    editor_view_text(editor, &model.text);
    fill_bottom(editor, &model, net_now_ms());
    model.panel = panel_view(&editor->panel, editor->panel_scroll);
    return screen_layout(&model, term_rows(editor->term), term_cols(editor->term));
}

/*
 * While nothing is pressed here, what others write above does not move the text under one's eyes: the caret keeps its row,
 * or, out of sight, the first line stays the first. A text that fits into the window begins at its top all the same.
 */
static void stay(const struct window *window, const struct view_text *text, struct view_area area,
                 struct view_scroll *scroll)
{
    uint64_t lines = rope_lines(text->rope), rows = area.rows > 0 ? (uint64_t)area.rows : 1;
    uint64_t last_top = lines > rows ? lines - rows : 0;
    uint64_t caret = rope_line_at(text->rope, text->selection.head), row = (uint64_t)window->caret_row;
    uint64_t top = window->caret_row < 0 ? rope_line_at(text->rope, replica_top(window->replica))
                   : caret > row         ? caret - row
                                         : 0;
    if (top <= last_top || top < scroll->line)
        scroll->line = top;
    else if (scroll->line < last_top)
        scroll->line = last_top;
}

static void remember_place(struct window *window, const struct view_text *text, struct view_area area)
{
    uint64_t caret = rope_line_at(text->rope, text->selection.head);
    bool seen = caret >= text->scroll.line && caret - text->scroll.line < (uint64_t)(area.rows > 0 ? area.rows : 0);
    window->touched = false;
    window->caret_row = seen ? (int64_t)(caret - text->scroll.line) : -1;
    replica_set_top(window->replica, rope_line_start(text->rope, text->scroll.line));
}

/* With somebody followed, the view goes where they are. */
static void scroll(struct editor *editor, struct picture *picture, struct view_area area)
{
    struct window *window = editor_window(editor);
    struct view_text text = picture->model.text;
    if (!window->touched)
        stay(window, &text, area, &window->scroll);
    if (editor->following) {
        for (size_t i = 0; i < replica_people(editor_replica(editor))->count; i++) {
            const struct person *person = &replica_people(editor_replica(editor))->items[i];
            if (person->located && agent_id_equal(&person->peer.presence.agent, &editor->followed))
                text.selection = selection_at(person->cursor);
        }
        view_scroll_to(&text, area, &window->scroll);
    } else if (!window->scrolled) {
        view_scroll_to(&text, area, &window->scroll);
    }
    view_scroll_clamp(&text, &window->scroll);
    picture->model.text.scroll = window->scroll;
    remember_place(window, &picture->model.text, area);
    replica_set_view(editor_replica(editor), window->scroll.line, window->scroll.column);
}

/* The terminal's window is called after the file that is looked at; leaving gives it its old title back. */
static void set_title(struct editor *editor)
{
    const char *label = replica_label(editor_replica(editor));
    if (editor->title && strcmp(editor->title, label) == 0)
        return;
    free(editor->title);
    editor->title = xstrdup(label);
    char *title = xformat("%s - weft", label);
    term_title(editor->term, title);
    free(title);
}

void editor_draw(struct editor *editor)
{
    struct picture *picture = xcalloc(1, sizeof *picture);
    uint64_t now_ms = net_now_ms();
    int rows = term_rows(editor->term), cols = term_cols(editor->term);
    editor_view_text(editor, &picture->model.text);
    fill_peers(editor, picture, now_ms);
    fill_status(editor, picture, now_ms);
    fill_away(editor, picture);
    fill_coming(editor, picture);
    fill_bottom(editor, &picture->model, now_ms);
    fill_panel(editor, picture);
    scroll(editor, picture, screen_layout(&picture->model, rows, cols).text);
    screen_draw(&editor->frame, rows, cols, &picture->model);
    set_title(editor);
    term_draw(editor->term, &editor->frame);
    free(picture);
}

uint64_t editor_next_draw_ms(const struct editor *editor, uint64_t now_ms)
{
    uint64_t at_ms = UINT64_MAX;
    if (editor->message_ms && now_ms < editor->message_ms + MESSAGE_MS)
        at_ms = editor->message_ms + MESSAGE_MS;
    uint64_t greet_ms = editor_greet_next_ms(editor, now_ms);
    at_ms = greet_ms < at_ms ? greet_ms : at_ms;
    const struct people *people = replica_people(editor->windows[editor->current].replica);
    for (size_t i = 0; i < people->count; i++) {
        uint64_t fades_ms = people->items[i].moved_ms + FLAG_MS;
        if (people->items[i].located && fades_ms > now_ms && fades_ms < at_ms)
            at_ms = fades_ms;
    }
    return at_ms;
}
