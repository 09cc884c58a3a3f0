/*
 * What keys ask of the editor itself, rather than of the text.
 */
#include "app/editor_parts.h"

static void undo(struct editor *editor, enum undo_direction direction)
{
    struct error err = {0};
    switch (replica_undo(editor_replica(editor), direction, &err)) {
    case REPLICA_UNDONE:
        editor_window(editor)->scrolled = false;
        break;
    case REPLICA_NOTHING_TO_UNDO:
        editor_say(editor, direction == UNDO_BACK ? "No changes of yours left to undo." : "Nothing to redo.");
        break;
    case REPLICA_UNDO_REFUSED:
        editor_say_refused(editor, &err);
        break;
    }
}

static void paste_clip(struct editor *editor)
{
    if (editor->clip.len)
        editor_paste(editor, buf_view(&editor->clip));
    else
        editor_say(editor, "Nothing was cut or copied yet.");
}

static void show_panel(struct editor *editor, enum panel_kind kind)
{
    editor->panel_scroll = kind == PANEL_MESSAGES ? SIZE_MAX : 0; /* the newest is at the end */
    editor->link_copied = editor->view_copied = false;
    editor->panel_kind = kind;
}

static void toggle_panel(struct editor *editor, enum panel_kind kind)
{
    show_panel(editor, editor->panel_kind == kind ? PANEL_NONE : kind);
}

static void escape(struct editor *editor)
{
    struct replica *replica = editor_replica(editor);
    struct selection selection = replica_buffer(replica)->selection;
    editor->following = false;
    if (!selection_is_empty(selection))
        replica_select(replica, selection_at(selection.head));
}

static void merge_held(struct editor *editor)
{
    if (replica_merge_held(editor_replica(editor)))
        editor_say(editor, "What was held is merged now, however long it takes. You can type on.");
    else
        editor_say(editor, "Nothing of anybody's is held.");
}

void editor_request(struct editor *editor, enum request request)
{
    switch (request) {
    case REQUEST_NONE: break;
    case REQUEST_SAVE:
        if (!editor_ask_disk(editor))
            editor_save(editor);
        break;
    case REQUEST_SAVE_AS: editor_ask_save_as(editor); break;
    case REQUEST_QUIT: editor_quit(editor, 0); break;
    case REQUEST_QUIT_FAILURE: editor_quit(editor, 1); break;
    case REQUEST_UNDO: undo(editor, UNDO_BACK); break;
    case REQUEST_REDO: undo(editor, UNDO_AGAIN); break;
    case REQUEST_PASTE: paste_clip(editor); break;
    case REQUEST_OPEN: editor_ask_line(editor, ASKING_OPEN, "Open file:", ""); break;
    case REQUEST_FIND: editor_ask_find(editor); break;
    case REQUEST_FIND_NEXT: editor_find_again(editor, false); break;
    case REQUEST_FIND_PREVIOUS: editor_find_again(editor, true); break;
    case REQUEST_GO_LINE: editor_ask_line(editor, ASKING_GO_LINE, "Go to line:", ""); break;
    case REQUEST_HELP: toggle_panel(editor, PANEL_HELP); break;
    case REQUEST_PEOPLE: toggle_panel(editor, PANEL_PEOPLE); break;
    case REQUEST_LINKS:
    case REQUEST_SHARE: editor_show_links(editor); break;
    case REQUEST_MESSAGES: toggle_panel(editor, PANEL_MESSAGES); break;
    case REQUEST_FOLLOW: editor_follow(editor); break;
    case REQUEST_ALONE: editor_toggle_alone(editor); break;
    case REQUEST_MERGE_HELD: merge_held(editor); break;
    case REQUEST_SUSPEND: editor_suspend(editor); break;
    case REQUEST_NEXT_FILE: editor_switch_file(editor, 1); break;
    case REQUEST_PREVIOUS_FILE: editor_switch_file(editor, editor->count - 1); break;
    case REQUEST_LINE_NUMBERS: editor->line_numbers = !editor->line_numbers; break;
    case REQUEST_REDRAW: term_redraw(editor->term); break;
    case REQUEST_ESCAPE: escape(editor); break;
    }
}
