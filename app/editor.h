/*
 * editor - the program a person sees: keys in, replicas changed, a frame out.
 *
 * One loop on one thread: wait for the terminal, the replicas or the clock; answer keys; draw what changed; wait for the
 * journal (replica_barrier()); write to the terminal. Nothing that takes longer happens here.
 */
#ifndef WEFT_APP_EDITOR_H
#define WEFT_APP_EDITOR_H

#include "app/env.h"
#include "app/replica.h"

struct editor;

struct editor_options {
    bool show_links;     /* begin with the panel of F3 */
    bool greets;         /* a guest: says who else is here, once the text has come */
    bool shows_start;    /* nothing was named: the keys, and what was opened before */
    int terminal_fd;     /* -1: the controlling terminal */
};

/* NULL and *err when there is no terminal to draw on. */
MUST_USE struct editor *editor_new(struct env *env, const struct editor_options *options, struct error *err);
/* For replica_options: messages of a replica go to this editor. */
struct replica_port editor_port(struct editor *editor);
/* Takes the replica. The first one is shown. */
void editor_add(struct editor *editor, struct replica *replica);
void editor_say(struct editor *editor, const char *text);
/* For who has just begun to share: what else a link shows. */
void editor_say_what_links_show(struct editor *editor);
/* Runs until the person leaves; the exit status. What has to be said after leaving goes to stderr. */
int editor_run(struct editor *editor);
/* Gives the terminal back, closes what is open. EXIT_FAILED when not everything could be kept (said on stderr), else 0. */
int editor_free(struct editor *editor);

#endif
