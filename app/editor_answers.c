/*
 * What is asked in the line below the text, and whose the answer is.
 */
#include "app/editor_parts.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

/* Paths below the home are short in both: what comes back from a prompt for one is made whole by editor_path_of_typed(). */
void editor_ask_line(struct editor *editor, enum asking asking, const char *label, const char *suggestion)
{
    char *short_label = paths_shorten(&editor->env->paths, label), *short_one = paths_shorten(&editor->env->paths, suggestion);
    prompt_open_line(&editor->prompt, short_label, short_one);
    editor->asking = asking;
    free(short_label);
    free(short_one);
}

void editor_ask_choice(struct editor *editor, enum asking asking, const char *label, const char *choices)
{
    prompt_open_choice(&editor->prompt, label, choices);
    editor->asking = asking;
    editor->dirty = true; /* it may come up without a key */
}

static void answer(struct editor *editor, enum asking asking, const char *typed, char choice)
{
    switch (asking) {
    case ASKING_NOTHING: break;
    case ASKING_FIND: editor_answer_find(editor, typed); break;
    case ASKING_GO_LINE:
        if (*typed)
            editor_command(editor, COMMAND_GO_LINE, false, bytes_of_string(typed));
        break;
    case ASKING_OPEN: editor_answer_open(editor, typed); break;
    case ASKING_SAVE_AS: editor_answer_save_as(editor, typed); break;
    case ASKING_OVERWRITE: editor_answer_overwrite(editor, typed); break;
    case ASKING_QUIT: editor_answer_quit(editor, choice); break;
    case ASKING_NOT_KEPT: editor_answer_not_kept(editor, choice); break;
    case ASKING_DISK:
    case ASKING_GONE: editor_answer_disk(editor, choice); break;
    case ASKING_RELAY: editor_answer_relay(editor, typed); break;
    }
}

char *editor_path_of_typed(const char *typed)
{
    const char *home = getenv("HOME");
    bool at_home = typed[0] == '~' && (typed[1] == '/' || typed[1] == '\0');
    return at_home && home && *home ? xformat("%s%s", home, typed + 1) : xstrdup(typed);
}

static bool asks_path(const struct editor *editor)
{
    return editor->asking == ASKING_OPEN || editor->asking == ASKING_SAVE_AS;
}

static void end_prompt(struct editor *editor, enum prompt_answer ended, char choice)
{
    enum asking asking = editor->asking;
    bool is_path = asks_path(editor);
    if (ended == PROMPT_GOES_ON)
        return;
    prompt_close(&editor->prompt);
    editor->asking = ASKING_NOTHING;
    if (ended == PROMPT_CANCELLED) {
        editor_stop_leaving(editor);
        if (asking == ASKING_GONE)
            replica_disk_leave(editor_replica(editor));
        return;
    }
    const char *line = buf_string(&editor->prompt.typed);
    char *typed = is_path ? editor_path_of_typed(line) : xstrdup(line);
    answer(editor, asking, typed, choice);
    free(typed);
}

void editor_prompt_pause(struct editor *editor)
{
    char choice = 0;
    enum prompt_answer ended = prompt_pause(&editor->prompt, net_now_ms(), &choice);
    end_prompt(editor, ended, choice);
    editor->dirty |= ended != PROMPT_GOES_ON;
}

void editor_prompt_paste(struct editor *editor, struct bytes text)
{
    if (!prompt_paste(&editor->prompt, text))
        editor_sayf(editor, "Nothing was pasted: this line takes %d bytes, and the paste has %zu.", PROMPT_BYTES_MAX, text.len);
}

void editor_prompt_key(struct editor *editor, struct key key)
{
    char choice = 0;
    bool pastes = (key.code == 'v' && key.mods == KEY_CTRL) || (key.code == KEY_INSERT && key.mods == KEY_SHIFT);
    if (pastes) {
        editor_prompt_paste(editor, buf_view(&editor->clip));
        return;
    }
    if (editor->panel_kind == PANEL_NAMES)
        editor->panel_kind = PANEL_NONE; /* they were of what stood there before */
    if (key.code == KEY_TAB && key.mods == 0 && asks_path(editor)) {
        editor_complete_path(editor);
        return;
    }
    enum prompt_answer ended = prompt_key(&editor->prompt, key, net_now_ms(), &choice);
    end_prompt(editor, ended, choice);
}
