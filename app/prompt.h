/*
 * prompt - one line to type into, or one key to answer with. It never covers text and never takes a key meant for the text:
 * it opens because the person pressed something.
 */
#ifndef WEFT_APP_PROMPT_H
#define WEFT_APP_PROMPT_H

#include "editor/base/bytes.h"
#include "ui/keys.h"

enum { PROMPT_BYTES_MAX = 4096 };

struct prompt {
    bool open;
    char *label;          /* "Find: " */
    const char *choices;  /* NULL: a line; else the letters that answer, lower case: "skd" */
    struct buf typed;
    size_t cursor;        /* bytes into typed */
    bool suggested;       /* nothing was typed yet: the first character replaces what stands there */
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
    PROMPT_DONE,      /* Enter: `typed` is the answer; or *choice is the letter */
};
enum prompt_answer prompt_key(struct prompt *prompt, struct key key, char *choice);
void prompt_paste(struct prompt *prompt, struct bytes text); /* line ends become blanks */

#endif
