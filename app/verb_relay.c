/*
 * weft relay: the server, and looking after its store.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/own_relay.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "sync/relay/relay_admin.h"
#include "sync/relay/relay_server.h"

/* The store's path: of --store, or in the state directory, which is made for who serves. Heap string. */
static char *store_path(struct env *env, const struct args *args, bool serves, struct error *err)
{
    const char *named = args_value(args, "--store");
    if (named && strncmp(named, "sqlite:", 7) == 0 && named[7])
        return xstrdup(named + 7);
    if (named) {
        error_set(err, ERR_USAGE, 0, "%s is no store this relay knows; write sqlite:PATH", named);
        return NULL;
    }
    char *dir = paths_state_file(&env->paths, "relay"), *path = NULL;
    if (!serves || (paths_make_state(&env->paths, err) && file_make_dirs(dir, err)))
        path = xformat("%s/relay.db", dir);
    free(dir);
    return path;
}

static bool set_limits(const struct args *args, struct relay_limits *limits, struct error *err)
{
    for (const struct option_spec *spec = args->specs; spec->name; spec++) {
        const char *text = args_value(args, spec->name);
        if (text && relay_limits_know(spec->name) && !relay_limits_set(limits, spec->name, text, err))
            return false;
    }
    return true;
}

/* 0 when it is not given. */
static bool count_of(const struct args *args, const char *option, unsigned long most, uint64_t *out, struct error *err)
{
    const char *text = args_value(args, option);
    char *end = NULL;
    unsigned long count = text && text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    *out = count;
    return !text || (end && !*end && count > 0 && count <= most) ||
           error_set(err, ERR_USAGE, 0, "%s %s: expected a number from 1 to %lu", option, text, most);
}

static bool set_times(const struct args *args, struct relay_server_options *options, struct error *err)
{
    enum { DAY_S = 24 * 60 * 60, DAYS_MAX = 36500 };
    uint64_t days, seconds;
    if (!count_of(args, "--retain", DAYS_MAX, &days, err) ||
        !count_of(args, "--end-idle", (unsigned long)DAYS_MAX * DAY_S, &seconds, err))
        return false;
    options->retain_s = days * DAY_S;
    options->end_idle_ms = seconds * 1000;
    return true;
}

/* What could only be said as "cannot listen" later on, or would never be said. */
static bool check_values(const struct args *args, struct error *err)
{
    static const char *const files[] = {"--tls-cert", "--tls-key"};
    struct in6_addr address;
    const char *proxy = args_value(args, "--behind-proxy");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = args_value(args, files[i]);
        if (path && access(path, R_OK) != 0)
            return error_errno(err, "%s %s cannot be read", files[i], path);
    }
    return !proxy || inet_pton(AF_INET, proxy, &address) == 1 || inet_pton(AF_INET6, proxy, &address) == 1 ||
           error_set(err, ERR_USAGE, 0, "--behind-proxy %s: expected the proxy's address, for example 127.0.0.1", proxy);
}

static int serve(const struct args *args, const char *store)
{
    struct error err = {0};
    struct relay_server_options options = relay_server_options_default();
    options.store = store;
    options.listen = args_value(args, "--listen");
    options.unix_path = args_value(args, "--unix");
    options.tls_cert = args_value(args, "--tls-cert");
    options.tls_key = args_value(args, "--tls-key");
    options.behind_proxy = args_value(args, "--behind-proxy");
    options.token_path = args_value(args, "--token-file");
    options.key_path = args_value(args, "--key");
    if (!check_values(args, &err) || !set_limits(args, &options.limits, &err) || !set_times(args, &options, &err))
        return verb_fail("relay", &err);
    int status = relay_server_run(&options, stdout, &err);
    return err.code == ERR_NONE ? status : verb_fail("relay", &err);
}

static int own_status(struct env *env)
{
    struct error err = {0};
    struct own_relay_status status;
    if (!own_relay_status(env, &status, &err))
        return verb_fail("relay status", &err);
    if (status.running)
        printf("running: process %d, %s\n", status.pid, status.address);
    else
        puts("not running");
    free(status.address);
    return status.running ? EXIT_OK : EXIT_FAILED;
}

static int own_stop(struct env *env)
{
    struct error err = {0};
    struct own_relay_status status;
    if (!own_relay_status(env, &status, &err))
        return verb_fail("relay stop", &err);
    free(status.address);
    if (!status.running) {
        (void)fputs("No relay of yours runs.\n", stderr);
        return EXIT_FAILED;
    }
    return own_relay_stop(env, &err) ? EXIT_OK : verb_fail("relay stop", &err);
}

/* ls, stat, rm DOC|LINK, backup FILE. */
static int administer(const struct args *args, const char *store)
{
    struct error err = {0};
    const char *what = args->positional[0];
    const char *argument = args->positional_count == 2 ? args->positional[1] : NULL;
    bool alone = args->positional_count == 1, good;
    if (strcmp(what, "ls") == 0 && alone)
        good = relay_admin_list(store, stdout, &err);
    else if (strcmp(what, "stat") == 0 && alone)
        good = relay_admin_stat(store, stdout, &err);
    else if (strcmp(what, "rm") == 0 && argument)
        good = relay_admin_remove(store, argument, stdout, &err);
    else if (strcmp(what, "backup") == 0 && argument)
        good = relay_admin_backup(store, argument, stdout, &err);
    else
        good = error_set(&err, ERR_USAGE, 0, "it knows ls, rm DOC|LINK, stat, backup FILE, status and stop");
    return good ? EXIT_OK : verb_fail("relay", &err);
}

int verb_relay_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (args->positional_count == 1 && strcmp(args->positional[0], "status") == 0)
        return own_status(env);
    if (args->positional_count == 1 && strcmp(args->positional[0], "stop") == 0)
        return own_stop(env);
    bool serves = args->positional_count == 0;
    char *store = store_path(env, args, serves, &err);
    if (!store)
        return verb_fail("relay", &err);
    int status = serves ? serve(args, store) : administer(args, store);
    free(store);
    return status;
}
