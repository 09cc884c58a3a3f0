/*
 * Text keys that come in one read of the terminal. A few are somebody's typing and are pressed one by one. More than anybody
 * types between two looks at the terminal are a paste that came without its marks (`tmux send-keys`, a terminal that has none, a
 * serial line): they become one command, and so one edit, one batch in the journal, one record. The text is the same either way,
 * auto-indentation included; a burst in several reads is one undo step, as a marked paste is.
 */
#include "app/editor_parts.h"

#include <stdlib.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    BURST_KEYS_MIN = 32, /* at ten a second nothing was read for three seconds */
    BURST_REST_MS = 100, /* what comes so soon after a burst is the end of it, however short */
};

/* What this key types, as COMMAND_TYPE wants it; 0: it does something else. */
static uint32_t typed_code(struct key key)
{
    struct binding binding = keymap_find(key);
    if (binding.kind == BINDING_TEXT)
        return key.code;
    if (binding.kind == BINDING_COMMAND && binding.command == COMMAND_NEWLINE)
        return '\n';
    return binding.kind == BINDING_COMMAND && binding.command == COMMAND_TAB ? '\t' : 0;
}

bool editor_take_typed(struct editor *editor, const struct input *input)
{
    if (editor->prompt.open || input->kind != INPUT_KEY || typed_code(input->key) == 0)
        return false;
    editor->typed = xgrow(editor->typed, &editor->typed_cap, editor->typed_count + 1, sizeof *editor->typed);
    editor->typed[editor->typed_count++] = input->key;
    return true;
}

/* A selection is replaced, and vim's `:wq` taken back, by a key alone. */
static bool takes_a_burst(struct editor *editor)
{
    return selection_is_empty(replica_buffer(editor_replica(editor))->selection) && editor->vim_state == 0;
}

static void press_burst(struct editor *editor, const struct key *keys, size_t count)
{
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[UTF8_BYTES_MAX];
        buf_add(&text, bytes, utf8_encode(typed_code(keys[i]), bytes));
    }
    editor->message_ms = 0; /* they go as with a key */
    editor->panel_kind = PANEL_NONE;
    editor_command(editor, COMMAND_TYPE, false, buf_view(&text));
    buf_release(&text);
}

void editor_press_typed(struct editor *editor)
{
    size_t count = editor->typed_count, at = 0;
    if (count == 0)
        return;
    uint64_t now_ms = net_now_ms();
    bool is_rest = editor->burst_ms && now_ms - editor->burst_ms < BURST_REST_MS;
    bool is_burst = count >= BURST_KEYS_MIN;
    editor->typed_count = 0;
    while (at < count && !((is_burst || is_rest) && takes_a_burst(editor)))
        editor_press(editor, editor->typed[at++]);
    if (at < count)
        press_burst(editor, editor->typed + at, count - at);
    if (is_burst)
        editor->burst_ms = net_now_ms();
}
