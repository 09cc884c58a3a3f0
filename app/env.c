#include "app/env.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/journal.h"

bool env_init(struct env *env, const char *program, struct error *err)
{
    *env = (struct env){.program = program};
    if (!paths_init(&env->paths, err) || !crypto_start(err))
        return false;
    if (config_load(&env->config, env->paths.config, &env->config_error) != CONFIG_GOOD)
        ensure(env->config_error.code != ERR_NONE);
    return true;
}

void env_release(struct env *env)
{
    config_release(&env->config);
    paths_release(&env->paths);
    device_wipe(&env->device);
}

bool env_device(struct env *env, struct error *err)
{
    if (env->has_device)
        return true;
    char *path = paths_state_file(&env->paths, "device.key");
    env->has_device = paths_make_state(&env->paths, err) && device_load(path, &env->device, err);
    free(path);
    return env->has_device;
}

bool env_device_passing(struct env *env, struct error *err)
{
    char *path = paths_state_file(&env->paths, "device.key");
    bool kept = env->has_device || access(path, F_OK) == 0;
    free(path);
    if (kept)
        return env_device(env, err);
    unsigned char seed[CRYPTO_SEED_BYTES];
    crypto_random(seed, sizeof seed);
    device_from_seed(&env->device, seed);
    crypto_wipe(seed, sizeof seed);
    env->has_device = true;
    return true;
}

char *env_program_path(const struct env *env)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    return len > 0 ? xstrndup(path, (size_t)len) : xstrdup(env->program);
}

char *env_journal_path(const struct env *env, const struct doc_id *doc)
{
    char *dir = paths_state_file(&env->paths, "docs");
    char *path = journal_path(dir, doc);
    free(dir);
    return path;
}
