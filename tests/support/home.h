/*
 * home - a machine of its own for tests of replicas: XDG directories in a fresh directory, and whoever types there.
 *
 *   Errors  what goes wrong fails the running test (cmocka).
 */
#ifndef WEFT_TESTS_HOME_H
#define WEFT_TESTS_HOME_H

#include "app/replica.h"

enum { HOME_PATIENCE_MS = 30000, HOME_STEP_MS = 20 };

struct home {
    char *dir;   /* where files are */
    char *state; /* where weft keeps things; not there before it does */
    struct env env;
    struct buf said; /* by replicas of home_port(): all sentences, a line each */
};

/* Fixtures of cmocka: *state is a home. */
int home_setup(void **state);
int home_setup_with_file(void **state); /* and notes.md there, of one byte: - */
int home_teardown(void **state);

struct replica_port home_port(struct home *home);
bool home_was_said(const struct home *home, const char *words);
/* How many entries a directory of the state has; 0 when there is none. */
size_t home_entries(const struct home *home, const char *name);

/* DIR/NAME, by ada. */
struct replica *home_open(struct home *home, const char *name);
/* The same as the options say. */
struct replica *home_open_with(struct home *home, const char *name, const struct replica_options *options);
void home_close(struct replica *replica);
void home_save(struct replica *replica, const char *path); /* NULL: where it was; ends when it is written */
/* As keys are typed. */
void home_type(struct replica *replica, uint64_t at, const char *text);
/* In front of everything, as one step of its own. */
void home_insert(struct replica *replica, const char *text);
char *home_text(const struct replica *replica); /* heap string */
size_t home_count(const struct replica *replica, char letter); /* how often it is in the text */
void home_expect_text(const struct replica *replica, const char *expected);
/* What one of those who speak on the status line has to say of it. */
typedef void home_remark(const struct replica *replica, struct buf *remark);
void home_expect_remark(const struct replica *replica, home_remark *say, const char *expected);

/* Both go on until it is so; b may be NULL. */
typedef bool home_condition(struct replica *a, struct replica *b);
void home_wait(struct replica *a, struct replica *b, home_condition *condition);
/* What a has typed is in its journal, synced. */
home_condition home_is_kept;

#endif
