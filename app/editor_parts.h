/*
 * editor_parts - the inside of the editor, for the files that make it up:
 *
 *   editor.c           its life and the loop
 *   editor_keys.c      what a key, a paste, a click does
 *   editor_burst.c     text keys that come in one read of the terminal
 *   editor_requests.c  what keys ask of the editor itself
 *   editor_answers.c   the line below the text: what is asked there, and whose the answer is
 *   editor_leaving.c   leaving, and what becomes of a text that is in no file
 *   editor_saving.c    saving, under another name too
 *   editor_files.c     finding, opening, going from file to file
 *   editor_complete.c  Tab where a file is asked for
 *   editor_disk.c      a file that another program has changed
 *   editor_room.c      the others: links, following, working alone
 *   editor_draw.c      from replica to frame
 *   editor_greet.c     the first words: to a guest, and to who named no file
 */
#ifndef WEFT_APP_EDITOR_PARTS_H
#define WEFT_APP_EDITOR_PARTS_H

#include "app/addresses.h"
#include "app/editor.h"
#include "app/keymap.h"
#include "app/prompt.h"
#include "ui/panel.h"
#include "ui/screen.h"
#include "ui/term.h"

enum {
    MESSAGE_MS = 6000,   /* how long a message stays */
    PASTE_PAUSE_MS = 1000, /* a paste that stops for so long is shown as far as it has come */
    MESSAGES_KEPT = 200, /* for F12 */
    FLAG_MS = 3000,      /* how long a name flag shows after its owner moved */
    FILES_MAX = 64,
    RECENT_MAX = 8,      /* listed for who named no file */
    VIM_TYPED_MAX = 4,
};

/* Why a prompt is open: who gets the answer. */
enum asking {
    ASKING_NOTHING,
    ASKING_FIND,
    ASKING_GO_LINE,
    ASKING_OPEN,
    ASKING_SAVE_AS,
    ASKING_OVERWRITE, /* save over an existing file: the whole word "yes" */
    ASKING_QUIT,      /* s, k, d */
    ASKING_NOT_KEPT,  /* s, l */
    ASKING_DISK,      /* k, m, o */
    ASKING_GONE,      /* r, n */
    ASKING_RELAY,
};

enum panel_kind { PANEL_NONE, PANEL_HELP, PANEL_PEOPLE, PANEL_LINKS, PANEL_MESSAGES, PANEL_START, PANEL_NAMES };

struct kept_message {
    char time[6];
    char *text;
    enum view_message_kind kind;
};

/* One open file and how it is looked at. */
struct window {
    struct replica *replica;
    struct view_scroll scroll;
    bool scrolled;   /* by the wheel: the caret may be out of sight */
    bool decided;    /* leaving: kept for later, discarded, or given up with what could not be kept */
    bool touched;    /* something was pressed here since the last frame */
    int64_t caret_row; /* where the caret was in the last frame, counted from the first line shown; -1: out of sight */
    bool asked_disk; /* the question about the file on disk has been shown */
};

/* What was opened before; `path` NULL: a buffer that has no file yet, or a joined text without a copy. */
struct recent {
    struct doc_id doc;
    char *path;
};

struct editor {
    struct env *env;
    struct term *term;
    struct keys *keys;
    uint64_t keys_at_ms;    /* when the terminal last sent something */
    struct frame frame;
    int signal_fd;

    struct window windows[FILES_MAX];
    size_t count, current;
    size_t noted;           /* of them, how many the index knows to be open */

    struct prompt prompt;
    enum asking asking;
    char *save_path;        /* while ASKING_OVERWRITE */
    bool quit_after_save; /* [S]ave was chosen for leaving */
    int quit_status;      /* what leaving will exit with, once nothing is to be decided any more */
    bool quit_again;      /* ^Q came while a save ran: it counts when that has ended */
    struct panel panel;
    enum panel_kind panel_kind;
    size_t panel_scroll;
    bool link_copied, view_copied;

    char *message;
    enum view_message_kind message_kind;
    uint64_t message_ms;    /* when it was said; 0: none shown */
    struct kept_message kept[MESSAGES_KEPT];
    size_t kept_count;      /* ever; the newest are kept */

    struct buf clip;
    bool cut_goes_on;       /* the last key cut a line: the next one adds to it */
    struct buf joining;     /* why the text is not there yet; made anew for every frame */
    struct buf needle;      /* what was searched for last */
    struct buf paste;       /* while it arrives in chunks */
    struct key *typed;      /* text keys of one read, see editor_burst.c */
    size_t typed_count, typed_cap;
    uint64_t burst_ms;      /* when the last burst came; 0: none yet */
    struct agent_id followed;
    bool following, line_numbers;
    int vim_state;          /* Esc and what was typed since, see editor_keys.c */
    char vim_typed[VIM_TYPED_MAX + 1];
    bool vim_said;
    uint64_t view_only_said_ms;

    struct recent recents[RECENT_MAX];
    size_t recent_count;
    bool greets;            /* a guest has not been told yet who is here */
    uint64_t greet_ms;      /* when that is told although nobody was heard; 0: the text has not come */

    char *title;            /* what the terminal was told to be called after; NULL: nothing yet */
    bool dirty;             /* something to draw */
    bool leaving;
    bool lost;              /* something could not be kept */
    bool drag;              /* the left button is held */
    int exit_status;
    struct buf farewell;    /* for stderr, after the terminal was given back */
};

struct window *editor_window(struct editor *editor);
struct replica *editor_replica(struct editor *editor);

/* editor.c */
void editor_say_kind(struct editor *editor, enum view_message_kind kind, const char *text);
void editor_sayf(struct editor *editor, const char *fmt, ...) PRINTF_LIKE(2, 3);
void editor_suspend(struct editor *editor);
void editor_leave(struct editor *editor, int exit_status);

/* editor_keys.c */
/* Why an edit was not made; that a link is view-only is said only now and then. */
void editor_say_refused(struct editor *editor, const struct error *err);
void editor_input(struct editor *editor, const struct input *input);
void editor_press(struct editor *editor, struct key key); /* in the text; a prompt has its own */
/* What has come of a paste whose end has not. */
void editor_flush_paste(struct editor *editor);
void editor_command(struct editor *editor, enum command command, bool extend, struct bytes argument);
void editor_paste(struct editor *editor, struct bytes text); /* one undo step */

/* editor_burst.c */
/* Takes a key that types, to be pressed with what follows it in the same read. False: it is something else, to be done now. */
bool editor_take_typed(struct editor *editor, const struct input *input);
/* Presses what was taken. Before anything else is done. */
void editor_press_typed(struct editor *editor);

/* editor_requests.c */
void editor_request(struct editor *editor, enum request request);

/* editor_answers.c */
void editor_prompt_key(struct editor *editor, struct key key);
void editor_prompt_paste(struct editor *editor, struct bytes text); /* what is too long is said */
/* No shell stands between a prompt and a file: the home directory's sign is understood here. Heap string. */
char *editor_path_of_typed(const char *typed);
/* No key is waiting: a letter that stood alone may be the answer. */
void editor_prompt_pause(struct editor *editor);
/* Opens a prompt for a line, or for one of the letters in `choices`; `asking` gets the answer. */
void editor_ask_line(struct editor *editor, enum asking asking, const char *label, const char *suggestion);
void editor_ask_choice(struct editor *editor, enum asking asking, const char *label, const char *choices);

/* editor_leaving.c */
/*
 * Leaves, after asking about texts that are not in their files. With an exit status other than 0 only about those that nobody
 * would keep.
 */
void editor_quit(struct editor *editor, int exit_status);
/* What was answered for one file holds for this time of leaving only. */
void editor_stop_leaving(struct editor *editor);
void editor_answer_quit(struct editor *editor, char choice);
void editor_answer_not_kept(struct editor *editor, char choice);
/* Goes on leaving when the save that was chosen for it has ended. */
void editor_save_ended(struct editor *editor);

/* editor_saving.c */
void editor_save(struct editor *editor);
void editor_ask_save_as(struct editor *editor);
void editor_answer_save_as(struct editor *editor, const char *path);
void editor_answer_overwrite(struct editor *editor, const char *typed);

/* editor_disk.c */
/* True when there is a question; the answer comes through editor_answer_disk(). */
bool editor_ask_disk(struct editor *editor);
void editor_answer_disk(struct editor *editor, char choice);
/* Asks what a replica wants to know (a file changed on disk), when nothing else is being asked. */
void editor_ask_pending(struct editor *editor);

/* editor_files.c */
void editor_ask_find(struct editor *editor);
void editor_answer_find(struct editor *editor, const char *typed);
void editor_find_again(struct editor *editor, bool back);
void editor_answer_open(struct editor *editor, const char *path);
void editor_switch_file(struct editor *editor, size_t by);

/* editor_complete.c */
/* In front of the cursor of the prompt; where nothing is certain, what it may become is listed in a panel. */
void editor_complete_path(struct editor *editor);

/* editor_room.c */
/* For the farewell: the others stay. */
void editor_say_who_goes_on(struct editor *editor, struct replica *replica);
/* F3: the edit link is shown and copied; again: the view link. Of a text that is not shared asks where to share it. */
void editor_show_links(struct editor *editor);
void editor_answer_relay(struct editor *editor, const char *relay);
void editor_follow(struct editor *editor);
void editor_toggle_alone(struct editor *editor);

/* editor_greet.c */
void editor_greet(struct editor *editor); /* to be called after the replicas were handled */
/* When that is to be looked at again although nothing happens; UINT64_MAX: no need. */
uint64_t editor_greet_next_ms(const struct editor *editor, uint64_t now_ms);
/* Fills the panel for who named no file: the keys, what was opened last. */
void editor_fill_start(struct editor *editor);
/* The document "[3]" of that list stands for; NULL: the word is no such number. */
const struct recent *editor_recent(const struct editor *editor, const char *word);

/* editor_draw.c */
void editor_draw(struct editor *editor);
struct screen_layout editor_layout(struct editor *editor);
/* Fills text, selection, scroll; what view.h wants to know. */
void editor_view_text(struct editor *editor, struct view_text *text);
/* When something on the screen has to change by itself; UINT64_MAX: never. */
uint64_t editor_next_draw_ms(const struct editor *editor, uint64_t now_ms);

#endif
