#include "app/config.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/json.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"

void config_defaults(struct config *config)
{
    *config = (struct config){.tab_width = 8, .merge_ms = 10000};
}

void config_release(struct config *config)
{
    free(config->name);
    free(config->relay);
    free(config->relay_token_file);
    config_defaults(config);
}

/* --- one setting each --- */

enum setting_kind { SETTING_TEXT, SETTING_NUMBER, SETTING_FLAG, SETTING_KEYS };

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset; /* of the field in struct config */
    int min, max;  /* of a number */
};

static const struct setting settings[] = {
    {"name", SETTING_TEXT, offsetof(struct config, name), 0, 0},
    {"relay", SETTING_TEXT, offsetof(struct config, relay), 0, 0},
    {"relay_token_file", SETTING_TEXT, offsetof(struct config, relay_token_file), 0, 0},
    {"tab_width", SETTING_NUMBER, offsetof(struct config, tab_width), 1, 16},
    {"indent_spaces", SETTING_NUMBER, offsetof(struct config, indent_spaces), 0, 16},
    {"merge_ms", SETTING_NUMBER, offsetof(struct config, merge_ms), 1, 3600 * 1000},
    {"line_numbers", SETTING_FLAG, offsetof(struct config, line_numbers), 0, 0},
    {"keys", SETTING_KEYS, offsetof(struct config, vim_keys), 0, 0},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static bool setting_apply(struct config *config, const struct setting *setting, const struct json *value,
                          struct error *err)
{
    void *field = (char *)config + setting->offset;
    const char *text;
    int64_t number;
    switch (setting->kind) {
    case SETTING_TEXT:
        if (!json_text(value, &text))
            return error_set(err, ERR_USAGE, 0, "\"%s\" must be a text in quotes", setting->name);
        free(*(char **)field);
        *(char **)field = xstrdup(text);
        return true;
    case SETTING_NUMBER:
        if (!json_whole(value, &number) || number < setting->min || number > setting->max)
            return error_set(err, ERR_USAGE, 0, "\"%s\" must be a whole number from %d to %d", setting->name,
                             setting->min, setting->max);
        *(int *)field = (int)number;
        return true;
    case SETTING_FLAG:
        return json_flag(value, field) ||
               error_set(err, ERR_USAGE, 0, "\"%s\" must be true or false", setting->name);
    case SETTING_KEYS:
        if (!json_text(value, &text) || (strcmp(text, "weft") != 0 && strcmp(text, "vim") != 0))
            return error_set(err, ERR_USAGE, 0, "\"keys\" must be \"weft\" or \"vim\"");
        *(bool *)field = strcmp(text, "vim") == 0;
        return true;
    }
    return true;
}

static bool unknown_setting(const char *name, struct error *err)
{
    struct buf known = {0};
    for (size_t i = 0; i < SETTINGS; i++)
        buf_addf(&known, "%s%s", i ? ", " : "", settings[i].name);
    error_set(err, ERR_USAGE, 0, "there is no setting \"%.40s\"; there are %s", name, buf_string(&known));
    buf_release(&known);
    return false;
}

static struct json *parse_object(struct bytes text, struct error *err)
{
    struct json *json = json_parse(text, true, err);
    if (!json || json_is_object(json))
        return json;
    error_set(err, ERR_USAGE, 0, "it must be one JSON object: { \"name\": \"Ada\" }");
    json_free(json);
    return NULL;
}

/* What is said when `left_out` settings were, of which *err tells the first. */
static void tell_left_out(size_t left_out, int line, struct error *err)
{
    struct error first = *err;
    char more[64] = "";
    if (left_out > 1)
        snprintf(more, sizeof more, " (%zu more like it)", left_out - 1);
    error_set(err, first.code, first.sys, "line %d is left out, the rest holds: %s%s", line, first.text, more);
}

enum config_found config_parse(struct config *config, struct bytes text, struct error *err)
{
    config_defaults(config);
    struct json *json = parse_object(text, err);
    if (!json)
        return CONFIG_UNUSED;
    size_t nth = 0, left_out = 0, first = 0;
    for (const struct json *item = NULL; (item = json_next_member(json, item)); nth++) {
        const struct setting *setting = setting_find(json_key(item));
        struct error mistake = {0};
        if (setting ? setting_apply(config, setting, item, &mistake) : unknown_setting(json_key(item), &mistake))
            continue;
        if (left_out++ == 0) {
            *err = mistake;
            first = nth;
        }
    }
    json_free(json);
    if (left_out == 0)
        return CONFIG_GOOD;
    tell_left_out(left_out, json_member_line(text, first), err);
    return CONFIG_PARTLY;
}

static bool check_private(const char *path, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_errno(err, "cannot look at it");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, ERR_AUTH, 0, "it belongs to another user");
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return error_set(err, ERR_AUTH, 0, "others can write to it; chmod go-w makes it yours");
    return true;
}

enum config_found config_load(struct config *config, const char *path, struct error *err)
{
    config_defaults(config);
    struct buf text = {0};
    bool read = file_read_small(path, CONFIG_BYTES_MAX, &text, err);
    if (!read && err->code == ERR_MISSING) {
        *err = (struct error){0};
        return CONFIG_GOOD;
    }
    enum config_found found = read && check_private(path, err) ? config_parse(config, buf_view(&text), err) : CONFIG_UNUSED;
    buf_release(&text);
    if (found == CONFIG_UNUSED)
        error_wrap(err, "the configuration %s is not used", path);
    else if (found == CONFIG_PARTLY)
        error_wrap(err, "the configuration %s", path);
    return found;
}

bool config_set_name(const char *path, const char *name, struct error *err)
{
    struct buf text = {0};
    if (!file_read_small(path, CONFIG_BYTES_MAX, &text, err) && err->code != ERR_MISSING)
        return false;
    struct buf changed = {0};
    struct json *before = parse_object(buf_view(&text), err), *after = NULL;
    bool good = before && json_replace_text(buf_view(&text), "name", name, &changed, err);
    good = good && (after = parse_object(buf_view(&changed), err)); /* a key may be written in more than one way */
    if (good) {
        char *dir = xstrdup(path);
        *strrchr(dir, '/') = '\0';
        good = file_make_dirs(dir, err) && file_write_private(path, buf_view(&changed), err);
        free(dir);
    }
    json_free(before);
    json_free(after);
    buf_release(&text);
    buf_release(&changed);
    return good || error_wrap(err, "cannot change %s", path);
}

/* --- who this is --- */

/* git's own word, so that includes and conditional configuration count. Nothing when git is missing or silent. */
static char *git_user_name(void)
{
    FILE *pipe = popen("git config --get user.name 2>/dev/null", "r");
    if (!pipe)
        return NULL;
    char name[128];
    size_t len = fread(name, 1, sizeof name - 1, pipe);
    pclose(pipe);
    while (len && (name[len - 1] == '\n' || name[len - 1] == ' '))
        len--;
    return len ? xstrndup(name, len) : NULL;
}

char *config_person(const struct config *config, const char **source)
{
    *source = "the configuration";
    if (config->name && config->name[0])
        return xstrdup(config->name);
    *source = "git config";
    char *git = git_user_name();
    if (git)
        return git;
    *source = "login";
    const struct passwd *user = getpwuid(geteuid());
    return xstrdup(user && user->pw_name[0] ? user->pw_name : "somebody");
}
