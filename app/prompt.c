#include "app/prompt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

void prompt_release(struct prompt *prompt)
{
    free(prompt->label);
    buf_release(&prompt->typed);
    *prompt = (struct prompt){0};
}

static void prompt_open(struct prompt *prompt, const char *label, const char *choices)
{
    char *copy = xstrdup(label);
    free(prompt->label);
    prompt->label = copy;
    prompt->choices = choices;
    prompt->open = true;
    prompt->suggested = false;
    prompt->refused = false;
    prompt->letter = 0;
    prompt->deaf_ms = 0;
    buf_clear(&prompt->typed);
    prompt->cursor = 0;
}

void prompt_open_line(struct prompt *prompt, const char *label, const char *suggestion)
{
    prompt_open(prompt, label, NULL);
    buf_add_string(&prompt->typed, suggestion);
    prompt->cursor = prompt->typed.len;
}

void prompt_open_again(struct prompt *prompt, const char *label, const char *last)
{
    prompt_open_line(prompt, label, last);
    prompt->suggested = prompt->typed.len > 0;
}

void prompt_open_choice(struct prompt *prompt, const char *label, const char *choices)
{
    prompt_open(prompt, label, choices);
}

void prompt_close(struct prompt *prompt)
{
    prompt->open = false;
}

/* False: there is no room for it. */
static bool insert(struct prompt *prompt, struct bytes text)
{
    size_t stays = prompt->suggested ? 0 : prompt->typed.len;
    if (stays + text.len > PROMPT_BYTES_MAX)
        return false;
    if (prompt->suggested) {
        buf_clear(&prompt->typed);
        prompt->cursor = 0;
    }
    size_t behind = prompt->typed.len - prompt->cursor;
    buf_extend(&prompt->typed, text.len);
    unsigned char *at = prompt->typed.data + prompt->cursor;
    memmove(at + text.len, at, behind);
    memcpy(at, text.data, text.len);
    prompt->cursor += text.len;
    return true;
}

static void erase(struct prompt *prompt, size_t from, size_t to)
{
    memmove(prompt->typed.data + from, prompt->typed.data + to, prompt->typed.len - to);
    prompt->typed.len -= to - from;
    prompt->cursor = from;
}

static size_t before(const struct prompt *prompt)
{
    return prompt->cursor - cluster_prev(bytes_of(prompt->typed.data, prompt->cursor));
}

static size_t behind(const struct prompt *prompt)
{
    return prompt->cursor +
           cluster_next(bytes_slice(buf_view(&prompt->typed), prompt->cursor, prompt->typed.len - prompt->cursor));
}

/* Where the word in front of the cursor begins; a path's parts are words. */
static size_t word_before(const struct prompt *prompt)
{
    const unsigned char *typed = prompt->typed.data;
    size_t at = prompt->cursor;
    while (at > 0 && (typed[at - 1] == ' ' || typed[at - 1] == '/'))
        at--;
    while (at > 0 && typed[at - 1] != ' ' && typed[at - 1] != '/')
        at--;
    return at;
}

/* What a shell's line knows under these keys. */
static void edit_with_ctrl(struct prompt *prompt, uint32_t letter)
{
    switch (letter) {
    case 'a': prompt->cursor = 0; break;
    case 'e': prompt->cursor = prompt->typed.len; break;
    case 'u': erase(prompt, 0, prompt->typed.len); break;
    case 'k': erase(prompt, prompt->cursor, prompt->typed.len); break;
    case 'w': erase(prompt, word_before(prompt), prompt->cursor); break;
    case 'h': erase(prompt, before(prompt), prompt->cursor); break;
    case 'd': erase(prompt, prompt->cursor, behind(prompt)); break;
    default: break;
    }
}

static void move_or_erase(struct prompt *prompt, struct key key)
{
    bool word = (key.mods & (KEY_CTRL | KEY_ALT)) != 0;
    switch (key.code) {
    case KEY_LEFT: prompt->cursor = before(prompt); break;
    case KEY_RIGHT: prompt->cursor = behind(prompt); break;
    case KEY_HOME: prompt->cursor = 0; break;
    case KEY_END: prompt->cursor = prompt->typed.len; break;
    case KEY_BACKSPACE: erase(prompt, word ? word_before(prompt) : before(prompt), prompt->cursor); break;
    case KEY_DELETE: erase(prompt, prompt->cursor, behind(prompt)); break;
    default: break; /* a key without a meaning here does nothing */
    }
}

static enum prompt_answer edit_line(struct prompt *prompt, struct key key)
{
    bool plain = (key.mods & ~(unsigned)KEY_SHIFT) == 0;
    unsigned char typed[UTF8_BYTES_MAX];
    if (key.code == KEY_ENTER)
        return PROMPT_DONE;
    if (plain && key.code >= 0x20 && key.code < 0x110000)
        (void)insert(prompt, bytes_of(typed, utf8_encode(key.code, typed)));
    else if (key.mods == KEY_CTRL && key.code < 0x80)
        edit_with_ctrl(prompt, key.code);
    else
        move_or_erase(prompt, key);
    prompt->suggested = false;
    return PROMPT_GOES_ON;
}

/* The letter that the key answers with; 0: it is no answer. */
static char letter_of(const struct prompt *prompt, struct key key)
{
    if (key.code >= 0x80 || (key.mods & ~(unsigned)KEY_SHIFT))
        return 0;
    char letter = (char)tolower((int)key.code);
    return letter && strchr(prompt->choices, letter) ? letter : 0;
}

static enum prompt_answer choose(struct prompt *prompt, struct key key, uint64_t now_ms, char *choice)
{
    if (prompt->letter && key.code == KEY_ENTER) {
        *choice = prompt->letter;
        return PROMPT_DONE;
    }
    bool alone = !prompt->letter && now_ms >= prompt->deaf_ms;
    prompt->letter = alone ? letter_of(prompt, key) : 0;
    prompt->letter_ms = now_ms;
    if (!prompt->letter)
        prompt->deaf_ms = now_ms + PROMPT_SILENCE_MS;
    return PROMPT_GOES_ON;
}

enum prompt_answer prompt_pause(struct prompt *prompt, uint64_t now_ms, char *choice)
{
    if (now_ms < prompt_next_ms(prompt))
        return PROMPT_GOES_ON;
    *choice = prompt->letter;
    return PROMPT_DONE;
}

uint64_t prompt_next_ms(const struct prompt *prompt)
{
    return prompt->open && prompt->letter ? prompt->letter_ms + PROMPT_ALONE_MS : UINT64_MAX;
}

enum prompt_answer prompt_key(struct prompt *prompt, struct key key, uint64_t now_ms, char *choice)
{
    bool cancels = (key.code == KEY_ESC && key.mods == 0) || (key.code == 'c' && key.mods == KEY_CTRL);
    prompt->refused = false;
    if (cancels)
        return PROMPT_CANCELLED;
    return prompt->choices ? choose(prompt, key, now_ms, choice) : edit_line(prompt, key);
}

bool prompt_paste(struct prompt *prompt, struct bytes text)
{
    struct buf line = {0};
    if (prompt->choices)
        return true;
    buf_add_bytes(&line, text);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\n' || line.data[i] == '\r')
            line.data[i] = ' ';
    bool fits = insert(prompt, buf_view(&line));
    prompt->suggested = prompt->suggested && !fits;
    prompt->refused = !fits;
    buf_release(&line);
    return fits;
}
