#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"

enum {
    WHEEL_LINES = 3,
    VIEW_ONLY_MS = 10000, /* a view link says so at most this often */
};

/* --- edits --- */

void editor_say_refused(struct editor *editor, const struct error *err)
{
    uint64_t now_ms = net_now_ms();
    bool said_lately = editor->view_only_said_ms && now_ms - editor->view_only_said_ms < VIEW_ONLY_MS;
    if (err->code != ERR_AUTH) {
        editor_say(editor, err->text);
    } else if (!said_lately) {
        editor->view_only_said_ms = now_ms;
        editor_say(editor, err->text);
    } else if (editor->message && strcmp(editor->message, err->text) == 0) {
        editor->message_ms = editor->view_only_said_ms; /* the key put it away: it goes on showing for its time */
    }
}

static void take_clip(struct editor *editor, struct command_result *result, bool cut_line)
{
    if (!(cut_line && editor->cut_goes_on))
        buf_clear(&editor->clip);
    buf_add_bytes(&editor->clip, buf_view(&result->clip));
    term_copy(editor->term, buf_view(&editor->clip)); /* too long for the terminal: it is in our own clipboard */
}

/* `whole`: an undo step of its own, however short. */
static void run(struct editor *editor, enum command command, bool extend, struct bytes argument, bool whole)
{
    struct replica *replica = editor_replica(editor);
    const struct buffer *buffer = replica_buffer(replica);
    struct screen_layout layout = editor_layout(editor);
    struct command_result result;
    struct error err = {0};
    struct command_in in = {
        .text = buffer_text(buffer),
        .selection = buffer->selection,
        .extend = extend,
        .argument = argument,
        .tab_width = editor->env->config.tab_width,
        .indent_spaces = editor->env->config.indent_spaces,
        .page_lines = layout.text.rows > 2 ? (uint64_t)layout.text.rows - 1 : 1,
    };
    command_run(command, &in, &result);
    bool edits = !patch_is_empty(&result.patch);
    bool done = true;
    if (edits)
        done = replica_edit(replica, &result.patch, result.selection,
                            whole ? EDIT_WHOLE : edit_kind_of(result.kind), &err);
    else
        replica_walk(replica, result.selection);
    if (!done)
        editor_say_refused(editor, &err);
    else if (result.message)
        editor_say(editor, result.message);
    if (done && result.copied)
        take_clip(editor, &result, command == COMMAND_CUT_LINE);
    editor->cut_goes_on = done && command == COMMAND_CUT_LINE;
    if (edits)
        editor->following = false;
    editor_window(editor)->scrolled = false;
    command_result_release(&result);
}

void editor_command(struct editor *editor, enum command command, bool extend, struct bytes argument)
{
    run(editor, command, extend, argument, false);
}

void editor_paste(struct editor *editor, struct bytes text)
{
    run(editor, COMMAND_INSERT, false, text, true);
}

/* --- vim's habits --- */

/*
 * Somebody who types Esc :wq Enter is in another editor by habit. The characters were typed into the text by then: they are
 * taken back, and once a run it is said what would have done it. vim_state: 0 nothing, 1 after Esc, 2.. while `:w`, `:q`,
 * `:wq`, `:q!` is being typed.
 */
static bool is_vim_word(const char *typed)
{
    static const char *const words[] = {":w", ":q", ":wq", ":q!", ":x"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], typed) == 0)
            return true;
    return false;
}

static void vim_watch(struct editor *editor, struct key key, const struct binding *binding)
{
    if (binding->kind == BINDING_REQUEST && binding->request == REQUEST_ESCAPE) {
        editor->vim_state = 1;
        editor->vim_typed[0] = '\0';
        return;
    }
    size_t len = strlen(editor->vim_typed);
    bool goes_on = editor->vim_state > 0 && binding->kind == BINDING_TEXT && key.code < 0x80 && len < VIM_TYPED_MAX &&
                   (len > 0 || key.code == ':');
    if (!goes_on) {
        editor->vim_state = 0;
        return;
    }
    editor->vim_typed[len] = (char)key.code;
    editor->vim_typed[len + 1] = '\0';
}

/* True when Enter ended such a word: it was taken back, and Enter is not to be typed. */
static bool vim_enter(struct editor *editor, struct key key)
{
    if (key.code != KEY_ENTER || editor->vim_state == 0 || !is_vim_word(editor->vim_typed))
        return false;
    for (size_t i = strlen(editor->vim_typed); i > 0; i--)
        editor_command(editor, COMMAND_DELETE_BACK, false, (struct bytes){0});
    editor->vim_state = 0;
    if (!editor->vim_said && !editor->env->config.vim_keys)
        editor_say(editor, "vim keys? This is weft: ^S saves, ^Q quits. keys: \"vim\" in the configuration. F1 help.");
    editor->vim_said = true;
    return true;
}

/* --- keys --- */

static bool panel_key(struct editor *editor, struct key key)
{
    if (editor->panel_kind == PANEL_NONE)
        return false;
    size_t rows = (size_t)editor_layout(editor).panel_rows;
    size_t last = editor->panel.count > rows ? editor->panel.count - rows : 0;
    size_t step = rows > 1 ? rows - 1 : 1;
    bool scrolls = last > 0 && (key.code == KEY_PAGE_UP || key.code == KEY_PAGE_DOWN) && key.mods == 0;
    if (scrolls) {
        size_t at = editor->panel_scroll;
        editor->panel_scroll = key.code == KEY_PAGE_UP ? (at > step ? at - step : 0) : (at + step < last ? at + step : last);
        return true;
    }
    return false;
}

void editor_press(struct editor *editor, struct key key)
{
    struct binding binding = keymap_find(key);
    unsigned char typed[UTF8_BYTES_MAX];
    if (editor->message_ms && binding.kind != BINDING_NONE)
        editor->message_ms = 0; /* read or not: a key puts it away */
    if (panel_key(editor, key) || vim_enter(editor, key))
        return;
    /* A panel goes with any key, and the key still does what it does; the keys that open panels decide themselves. */
    bool opens_panel = binding.kind == BINDING_REQUEST &&
                       (binding.request == REQUEST_HELP || binding.request == REQUEST_PEOPLE ||
                        binding.request == REQUEST_LINKS || binding.request == REQUEST_MESSAGES);
    bool had_panel = editor->panel_kind != PANEL_NONE;
    if (!opens_panel && binding.kind != BINDING_NONE)
        editor->panel_kind = PANEL_NONE;
    vim_watch(editor, key, &binding);
    switch (binding.kind) {
    case BINDING_NONE:
        break;
    case BINDING_TEXT:
        editor_command(editor, COMMAND_INSERT, false, bytes_of(typed, utf8_encode(key.code, typed)));
        break;
    case BINDING_COMMAND:
        editor_command(editor, binding.command, binding.extend, (struct bytes){0});
        break;
    case BINDING_REQUEST:
        editor->cut_goes_on = false;
        if (!(had_panel && binding.request == REQUEST_ESCAPE))
            editor_request(editor, binding.request);
        break;
    }
}

/* --- paste and mouse --- */

/* A paste is one edit, unless its end does not come: then what has come is shown, so that it is neither lost nor unseen. */
void editor_flush_paste(struct editor *editor)
{
    if (editor->prompt.open)
        editor_prompt_paste(editor, buf_view(&editor->paste));
    else if (editor->paste.len)
        editor_paste(editor, buf_view(&editor->paste));
    if (!editor->prompt.open)
        editor->panel_kind = PANEL_NONE; /* it goes as with a key */
    buf_release(&editor->paste);
    editor->dirty = true;
}

static void paste(struct editor *editor, const struct input *input)
{
    if (input->paste.first)
        buf_clear(&editor->paste);
    buf_add_bytes(&editor->paste, input->paste.text);
    if (input->paste.last)
        editor_flush_paste(editor);
}

static void point(struct editor *editor, const struct mouse *mouse, bool extend)
{
    struct view_text text;
    struct replica *replica = editor_replica(editor);
    struct view_area area = editor_layout(editor).text;
    editor_view_text(editor, &text);
    bool inside = mouse->row >= area.row && mouse->row < area.row + area.rows;
    if (!inside && !extend)
        return;
    uint64_t at = view_byte_at(&text, area, (struct view_cell){mouse->row, mouse->col});
    struct selection selection = selection_at(at);
    if (extend)
        selection.anchor = text.selection.anchor;
    replica_select(replica, selection);
    editor->drag = true;
}

static void wheel(struct editor *editor, bool down)
{
    struct window *window = editor_window(editor);
    struct view_text text;
    if (down)
        window->scroll.line += WHEEL_LINES;
    else
        window->scroll.line -= window->scroll.line < WHEEL_LINES ? window->scroll.line : WHEEL_LINES;
    editor_view_text(editor, &text);
    view_scroll_clamp(&text, &window->scroll);
    window->scrolled = true;
}

static void mouse(struct editor *editor, const struct mouse *mouse)
{
    switch (mouse->action) {
    case MOUSE_PRESS:
        if (mouse->button == MOUSE_LEFT)
            point(editor, mouse, (mouse->mods & KEY_SHIFT) != 0);
        break;
    case MOUSE_DRAG:
        if (editor->drag)
            point(editor, mouse, true);
        break;
    case MOUSE_RELEASE:
        editor->drag = false;
        break;
    case MOUSE_WHEEL_UP:
    case MOUSE_WHEEL_DOWN:
        wheel(editor, mouse->action == MOUSE_WHEEL_DOWN);
        break;
    case MOUSE_MOVE:
        break;
    }
}

/* Esc and ":" pressed quickly, or over a slow line, come as Alt+: ; that means nothing here but vim's habit. */
static void press_apart(struct editor *editor, struct key key)
{
    static const struct key colon_with_alt = {':', KEY_ALT};
    if (!key_equal(key, colon_with_alt)) {
        editor_press(editor, key);
        return;
    }
    editor_press(editor, (struct key){KEY_ESC, 0});
    editor_press(editor, (struct key){':', 0});
}

void editor_input(struct editor *editor, const struct input *input)
{
    editor_window(editor)->touched = true;
    if (editor_take_typed(editor, input))
        return;
    editor_press_typed(editor);
    switch (input->kind) {
    case INPUT_KEY:
        if (editor->prompt.open)
            editor_prompt_key(editor, input->key);
        else
            press_apart(editor, input->key);
        break;
    case INPUT_PASTE:
        paste(editor, input);
        break;
    case INPUT_MOUSE:
        mouse(editor, &input->mouse);
        break;
    case INPUT_FOCUS_IN:
    case INPUT_FOCUS_OUT:
        break;
    }
}
