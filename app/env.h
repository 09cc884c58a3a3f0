/*
 * env - what every verb needs and nobody makes twice: paths, configuration, this device's key.
 */
#ifndef WEFT_APP_ENV_H
#define WEFT_APP_ENV_H

#include "app/config.h"
#include "app/paths.h"
#include "sync/keys.h"

struct env {
    struct paths paths;
    struct config config;
    struct error config_error; /* code ERR_NONE: the configuration is fine; else this says what of it is not used, and why */
    struct device device;      /* once env_device() has made it */
    bool has_device;
    const char *program;       /* argv[0], to start itself again */
};

MUST_USE bool env_init(struct env *env, const char *program, struct error *err);
void env_release(struct env *env);
/* Loads or makes the device key; the state directory is made with it. Again is free. */
MUST_USE bool env_device(struct env *env, struct error *err);
/* The same, but where there is no key yet a passing one is made in memory: nothing is written. */
MUST_USE bool env_device_passing(struct env *env, struct error *err);
/* Where the journal of a document is, whether or not it is there. Heap string. */
char *env_journal_path(const struct env *env, const struct doc_id *doc);
/* The path of this very program, for starting another of itself. Heap string. */
char *env_program_path(const struct env *env);

#endif
