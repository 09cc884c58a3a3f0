/*
 * What a person decides about a file that another program has changed (app/replica_disk.c asks).
 */
#include "app/editor_parts.h"

bool editor_ask_disk(struct editor *editor)
{
    struct buf question = {0};
    enum disk_question kind = replica_disk_question(editor_replica(editor), &question);
    buf_add_string(&question, ". ");
    replica_disk_answers(editor_replica(editor), &question);
    switch (kind) {
    case DISK_QUESTION_NONE:
        break;
    case DISK_QUESTION_DIFFERENT:
        editor_ask_choice(editor, ASKING_DISK, buf_string(&question), "kmo");
        break;
    case DISK_QUESTION_GONE:
        editor_ask_choice(editor, ASKING_GONE, buf_string(&question), "rn");
        break;
    }
    buf_release(&question);
    return kind != DISK_QUESTION_NONE;
}

void editor_ask_pending(struct editor *editor)
{
    struct buf question = {0};
    struct window *window = editor_window(editor);
    if (editor->prompt.open || editor->leaving)
        return;
    switch (replica_disk_question(window->replica, &question)) {
    case DISK_QUESTION_NONE:
        window->asked_disk = false;
        break;
    case DISK_QUESTION_DIFFERENT:
        /* Not a prompt, for it would take a key that is being typed; nor are answers named, for they would be typed. */
        buf_add_string(&question, ": ^S asks what to do.");
        if (!window->asked_disk)
            editor_say_kind(editor, VIEW_MESSAGE_WARNING, buf_string(&question));
        window->asked_disk = true;
        break;
    case DISK_QUESTION_GONE: /* comes up at opening only */
        if (!window->asked_disk)
            editor_ask_disk(editor);
        window->asked_disk = true;
        break;
    }
    buf_release(&question);
}

void editor_answer_disk(struct editor *editor, char choice)
{
    struct error err = {0};
    enum disk_answer answer = choice == 'k'   ? DISK_KEEP_SHARED
                              : choice == 'm' ? DISK_MERGE
                              : choice == 'o' ? DISK_OPEN_ALONE
                              : choice == 'r' ? DISK_RESTORE
                                              : DISK_NEW_EMPTY;
    bool answered = replica_disk_answer(editor_replica(editor), answer, &err);
    editor_window(editor)->asked_disk = replica_disk_question(editor_replica(editor), NULL) != DISK_QUESTION_NONE;
    if (!answered)
        editor_say(editor, err.text);
    else if (answer == DISK_KEEP_SHARED)
        editor_save(editor);
}
