/*
 * prompt - one line to type into, or one key to answer with. It never covers text and never takes a key meant for the text:
 * it opens because the person pressed something.
 *
 * A letter answers a question only when it stands alone: nothing else is pressed shortly before or after it. So neither a
 * pasted word nor one typed ahead, meant for something else, answers with a letter it happens to contain.
 */
#ifndef WEFT_APP_PROMPT_H
#define WEFT_APP_PROMPT_H

#include "editor/base/bytes.h"
#include "ui/keys.h"

enum {
    PROMPT_BYTES_MAX = 4096,
    PROMPT_ALONE_MS = 250,   /* a letter answers when nothing follows it for so long */
    PROMPT_SILENCE_MS = 1000, /* after keys that were no answer, letters count again when so long nothing was pressed */
};

struct prompt {
    bool open;
    char *label;          /* "Find: " */
    const char *choices;  /* NULL: a line; else the letters that answer, lower case: "skd" */
    struct buf typed;
    size_t cursor;        /* bytes into typed */
    bool refused;         /* the paste that came last, for it was too long: said in place of the label until a key comes */
    bool suggested;       /* nothing was typed yet: the first character replaces what stands there */
    char letter;          /* an answer, when nothing follows it; 0: none */
    uint64_t deaf_ms;     /* letters are no answer before this */
    uint64_t letter_ms;   /* when `letter` was pressed */
};

void prompt_release(struct prompt *prompt);
/* Opens a line to type, with a suggestion (may be ""), or a question answered by one of the letters. */
void prompt_open_line(struct prompt *prompt, const char *label, const char *suggestion);
/* The same with what was answered last time: Enter takes it, a character replaces it, moving in it keeps it. */
void prompt_open_again(struct prompt *prompt, const char *label, const char *last);
void prompt_open_choice(struct prompt *prompt, const char *label, const char *choices);
void prompt_close(struct prompt *prompt);

enum prompt_answer {
    PROMPT_GOES_ON,
    PROMPT_CANCELLED, /* Esc or ^C */
    PROMPT_DONE,      /* Enter: `typed` is the answer; or *choice is the letter, which Enter confirms at once */
};
/* Times are of net_now_ms(). */
enum prompt_answer prompt_key(struct prompt *prompt, struct key key, uint64_t now_ms, char *choice);
/* When no key is waiting: whether a letter has stood alone for long enough. PROMPT_DONE or PROMPT_GOES_ON. */
enum prompt_answer prompt_pause(struct prompt *prompt, uint64_t now_ms, char *choice);
/* When to ask that; UINT64_MAX: no letter waits. */
uint64_t prompt_next_ms(const struct prompt *prompt);
/* Line ends become blanks. False: it is longer than the line has room for, and nothing of it was taken. */
bool prompt_paste(struct prompt *prompt, struct bytes text);

#endif
