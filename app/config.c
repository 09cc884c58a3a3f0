#include "app/config.h"

#include <cjson/cJSON.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file.h"

void config_defaults(struct config *config)
{
    *config = (struct config){.tab_width = 8};
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

static bool setting_apply(struct config *config, const struct setting *setting, const cJSON *value, struct error *err)
{
    void *field = (char *)config + setting->offset;
    switch (setting->kind) {
    case SETTING_TEXT:
        if (!cJSON_IsString(value))
            return error_set(err, ERR_USAGE, 0, "\"%s\" must be a text in quotes", setting->name);
        free(*(char **)field);
        *(char **)field = xstrdup(value->valuestring);
        return true;
    case SETTING_NUMBER:
        if (!cJSON_IsNumber(value) || value->valuedouble != value->valueint || value->valueint < setting->min ||
            value->valueint > setting->max)
            return error_set(err, ERR_USAGE, 0, "\"%s\" must be a whole number from %d to %d", setting->name,
                             setting->min, setting->max);
        *(int *)field = value->valueint;
        return true;
    case SETTING_FLAG:
        if (!cJSON_IsBool(value))
            return error_set(err, ERR_USAGE, 0, "\"%s\" must be true or false", setting->name);
        *(bool *)field = cJSON_IsTrue(value);
        return true;
    case SETTING_KEYS:
        if (!cJSON_IsString(value) || (strcmp(value->valuestring, "weft") != 0 && strcmp(value->valuestring, "vim") != 0))
            return error_set(err, ERR_USAGE, 0, "\"keys\" must be \"weft\" or \"vim\"");
        *(bool *)field = strcmp(value->valuestring, "vim") == 0;
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

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* Comments become blanks, so that places in the text stay what they were. */
static void blank_comments(char *text)
{
    bool in_string = false;
    for (char *at = text; *at; at++) {
        if (in_string) {
            if (*at == '\\' && at[1])
                at++;
            else if (*at == '"')
                in_string = false;
        } else if (*at == '"') {
            in_string = true;
        } else if (at[0] == '/' && at[1] == '/') {
            while (*at && *at != '\n')
                *at++ = ' ';
            if (!*at)
                break;
        } else if (at[0] == '/' && at[1] == '*') {
            char *end = strstr(at + 2, "*/");
            char *stop = end ? end + 2 : at + strlen(at);
            for (; at < stop; at++)
                if (*at != '\n')
                    *at = ' ';
            at--;
        }
    }
}

static cJSON *parse_json(struct bytes text, struct error *err)
{
    char *copy = xstrndup((const char *)text.data, text.len);
    blank_comments(copy);
    const char *end = NULL;
    cJSON *json = copy[strspn(copy, " \t\r\n")] ? cJSON_ParseWithOpts(copy, &end, true) : cJSON_CreateObject();
    if (!json)
        error_set(err, ERR_USAGE, 0, "line %d is not right JSON", line_of(copy, end ? end : copy));
    else if (!cJSON_IsObject(json)) {
        error_set(err, ERR_USAGE, 0, "it must be one JSON object: { \"name\": \"Ada\" }");
        cJSON_Delete(json);
        json = NULL;
    }
    free(copy);
    return json;
}

bool config_parse(struct config *config, struct bytes text, struct error *err)
{
    config_defaults(config);
    cJSON *json = parse_json(text, err);
    if (!json)
        return false;
    bool good = true;
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        const struct setting *setting = setting_find(item->string);
        good = setting ? setting_apply(config, setting, item, err) : unknown_setting(item->string, err);
        if (!good)
            break;
    }
    cJSON_Delete(json);
    if (!good)
        config_release(config);
    return good;
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

bool config_load(struct config *config, const char *path, struct error *err)
{
    config_defaults(config);
    struct buf text = {0};
    bool good = file_read_small(path, CONFIG_BYTES_MAX, &text, err);
    if (!good && err->code == ERR_MISSING) {
        *err = (struct error){0};
        return true;
    }
    good = good && check_private(path, err) && config_parse(config, buf_view(&text), err);
    buf_release(&text);
    if (!good)
        error_wrap(err, "the configuration %s is not used", path);
    return good;
}

bool config_set_name(const char *path, const char *name, struct error *err)
{
    struct buf text = {0};
    if (!file_read_small(path, CONFIG_BYTES_MAX, &text, err) && err->code != ERR_MISSING)
        return false;
    cJSON *json = parse_json(buf_view(&text), err);
    buf_release(&text);
    if (!json)
        return error_wrap(err, "cannot change %s", path);
    cJSON_DeleteItemFromObjectCaseSensitive(json, "name");
    cJSON_AddStringToObject(json, "name", name);
    char *printed = cJSON_Print(json);
    cJSON_Delete(json);
    char *dir = xstrdup(path);
    *strrchr(dir, '/') = '\0';
    bool good = file_make_dirs(dir, err) && file_write_private(path, bytes_of_string(printed), err);
    free(dir);
    cJSON_free(printed);
    return good;
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

char *config_person(const struct config *config)
{
    if (config->name && config->name[0])
        return xstrdup(config->name);
    char *git = git_user_name();
    if (git)
        return git;
    const struct passwd *user = getpwuid(geteuid());
    return xstrdup(user && user->pw_name[0] ? user->pw_name : "somebody");
}
