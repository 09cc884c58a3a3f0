/*
 * stage - a temporary world for end-to-end tests: persons with XDG directories of their own, a relay, files.
 *
 *     struct stage *stage = stage_new();
 *     struct vt *ada = stage_weft(stage, "ada", ARGS("notes.md"));
 *
 * Everything is below one fresh directory that stage_free() removes, with every process that was started here. It lies in
 * $WEFT_STAGE_DIR (tests/run removes that however it ends), else in ~/.cache.
 *
 *   Errors  what goes wrong fails the running test (cmocka).
 */
#ifndef WEFT_TESTS_STAGE_H
#define WEFT_TESTS_STAGE_H

#include <stdio.h>
#include <sys/types.h>

#include "tests/support/vt.h"

struct stage;

/* What follows the program's name. */
#define ARGS(...) ((const char *[]){__VA_ARGS__, NULL})

struct stage *stage_new(void);
void stage_free(struct stage *stage);
/* Fixtures of cmocka: *state is a stage. */
int stage_setup(void **state);
int stage_teardown(void **state);
const char *stage_dir(const struct stage *stage);

/* A file in the stage's directory; path is relative to it. */
void stage_write(struct stage *stage, const char *path, const char *content);
char *stage_read(struct stage *stage, const char *path); /* heap string; "" when there is none */
bool stage_exists(struct stage *stage, const char *path);
void stage_expect_exists(struct stage *stage, const char *path); /* waits until it is there */
void stage_expect_file(struct stage *stage, const char *path, const char *content); /* waits until it is so */

/* weft in a terminal of 24 x 80, run by this person in the stage's directory. `args` ends with NULL. */
struct vt *stage_weft(struct stage *stage, const char *person, const char *const *args);
struct vt *stage_weft_sized(struct stage *stage, const char *person, int rows, int cols, const char *const *args);

/* A shell's script in such a terminal: "$WEFT" is the program. */
struct vt *stage_shell(struct stage *stage, const char *person, const char *script);
/* In an editor: asks to save under another name, and types these keys in the place of the one that is offered. */
void stage_write_to(struct vt *vt, const char *keys);

/* weft without a terminal: runs to its end. Output of both streams is kept until the next call. */
struct stage_result {
    int status;
    const char *out, *err;
};
struct stage_result stage_run(struct stage *stage, const char *person, const char *input, const char *const *args);
/* A shell's script: "$WEFT" is the program. */
struct stage_result stage_script(struct stage *stage, const char *person, const char *script);
/* The same in two steps, for several at once and for what runs until it is told to end. stage_free() kills what was not
   finished, STAGE_JOBS_MAX at a time. */
enum { STAGE_JOBS_MAX = 32 };
struct stage_job {
    pid_t pid;
    FILE *out, *err;
};
struct stage_job stage_start(struct stage *stage, const char *person, const char *input, const char *const *args);
struct stage_result stage_finish(struct stage *stage, struct stage_job job);

/* A relay process on a free port, with its store in the stage's directory. */
const char *stage_relay(struct stage *stage); /* starts it when it does not run; "ws://127.0.0.1:PORT" */
/* Further options of the relay, before it is started; at most STAGE_RELAY_OPTIONS_MAX. They live as long as the stage. */
enum { STAGE_RELAY_OPTIONS_MAX = 8 };
void stage_relay_options(struct stage *stage, const char *const *options);
pid_t stage_relay_pid(const struct stage *stage); /* of the one that runs; 0: none */
void stage_relay_signal(struct stage *stage, int signal);
/* After it was killed: the same port and store. */
void stage_relay_restart(struct stage *stage);
char *stage_share(struct stage *stage, const char *person, const char *path, const char *which); /* "edit" or "view": the link */

#endif
