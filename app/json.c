#include "app/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* struct json is cJSON under another name: the casts stay in this file. */
static const cJSON *inner(const struct json *json)
{
    return (const cJSON *)json;
}

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* Blanks out from `at` up to `stop`, but keeps the lines. */
static char *blank_out(char *at, const char *stop)
{
    for (; at < stop; at++)
        if (*at != '\n')
            *at = ' ';
    return at;
}

/* Comments become blanks, so that places in the text stay what they were. */
static void blank_comments(char *text)
{
    bool in_string = false;
    for (char *at = text; *at;) {
        if (in_string && *at == '\\' && at[1]) {
            at += 2;
        } else if (*at == '"') {
            in_string = !in_string;
            at++;
        } else if (!in_string && at[0] == '/' && at[1] == '/') {
            at = blank_out(at, at + strcspn(at, "\n"));
        } else if (!in_string && at[0] == '/' && at[1] == '*') {
            const char *end = strstr(at + 2, "*/");
            at = blank_out(at, end ? end + 2 : at + strlen(at));
        } else {
            at++;
        }
    }
}

static bool stands_twice(const cJSON *member)
{
    for (const cJSON *other = member->next; member->string && other; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return true;
    return false;
}

static bool check_value(const cJSON *value, struct error *err)
{
    const cJSON *item;
    if (cJSON_IsObject(value) && cJSON_GetArraySize(value) > JSON_MEMBERS_MAX) /* each is compared with each */
        return error_set(err, ERR_LIMIT, 0, "more than %d members in one JSON object", JSON_MEMBERS_MAX);
    cJSON_ArrayForEach(item, value) {
        if (stands_twice(item))
            return error_set(err, ERR_FORMAT, 0, "\"%.40s\" stands there twice", item->string);
        if (!check_value(item, err))
            return false;
    }
    return true;
}

static void refuse_syntax(const char *text, const char *at, struct error *err)
{
    bool has_lines = strchr(text, '\n') != NULL;
    if (has_lines)
        error_set(err, ERR_FORMAT, 0, "line %d is not right JSON", line_of(text, at));
    else
        error_set(err, ERR_FORMAT, 0, "it is not right JSON");
}

struct json *json_parse(struct bytes text, bool comments, struct error *err)
{
    if (text.len && memchr(text.data, '\0', text.len)) {
        error_set(err, ERR_FORMAT, 0, "a NUL byte in the JSON");
        return NULL;
    }
    char *copy = text.len ? xstrndup((const char *)text.data, text.len) : xstrdup("");
    if (comments)
        blank_comments(copy);
    const char *end = NULL;
    bool empty = comments && copy[strspn(copy, " \t\r\n")] == '\0';
    cJSON *json = empty ? cJSON_CreateObject() : cJSON_ParseWithOpts(copy, &end, true);
    bool good = json != NULL;
    if (!good)
        refuse_syntax(copy, end ? end : copy, err);
    else if (strstr(copy, "\\u0000"))
        good = error_set(err, ERR_FORMAT, 0, "\\u0000 in a text");
    else
        good = check_value(json, err);
    free(copy);
    if (good)
        return (struct json *)json;
    cJSON_Delete(json);
    return NULL;
}

void json_free(struct json *json)
{
    cJSON_Delete((cJSON *)json);
}

bool json_is_object(const struct json *json)
{
    return cJSON_IsObject(inner(json));
}

const struct json *json_next_member(const struct json *object, const struct json *member)
{
    return (const struct json *)(member ? inner(member)->next : inner(object)->child);
}

const char *json_key(const struct json *member)
{
    return inner(member)->string;
}

const struct json *json_member(const struct json *object, const char *key)
{
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(inner(object), key);
}

bool json_text(const struct json *json, const char **text)
{
    if (!cJSON_IsString(inner(json)))
        return false;
    *text = inner(json)->valuestring;
    return true;
}

bool json_flag(const struct json *json, bool *flag)
{
    if (!cJSON_IsBool(inner(json)))
        return false;
    *flag = cJSON_IsTrue(inner(json));
    return true;
}

bool json_whole(const struct json *json, int64_t *number)
{
    const double whole_max = 9007199254740992.0; /* 2^53: beyond it a double skips numbers */
    if (!cJSON_IsNumber(inner(json)))
        return false;
    double value = inner(json)->valuedouble;
    if (!(value >= -whole_max && value <= whole_max) || value != (double)(int64_t)value)
        return false;
    *number = (int64_t)value;
    return true;
}

static void print_text(struct bytes text, struct buf *out)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = text.data[i];
        if (byte == '"' || byte == '\\')
            buf_addf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buf_addf(out, "\\u%04x", byte);
        else
            buf_add_byte(out, byte);
    }
    buf_add_byte(out, '"');
}

/* --- changing a text that people wrote --- */

/* These walk a text that has been parsed, so it is right JSON, with its comments blanked out. */
static bool is_blank(char byte)
{
    return byte && (unsigned char)byte <= ' '; /* to cJSON every control character is one */
}

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

static const char *skip_word(const char *at)
{
    while (*at && !is_blank(*at) && !strchr(",}]", *at))
        at++;
    return at;
}

static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        at += at[0] == '\\' && at[1];
    return *at ? at + 1 : at;
}

static const char *skip_value(const char *at)
{
    if (*at == '"')
        return skip_string(at);
    if (*at != '{' && *at != '[')
        return skip_word(at);
    int depth = 0;
    do {
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        at = *at == '"' ? skip_string(at) : at + 1;
    } while (*at && depth > 0);
    return at;
}

/* One member of an object in a text. */
struct member {
    const char *name, *name_end; /* between the quotes */
    const char *value, *end;
};

/* The first member at or behind `at`, which is behind the object's brace or behind a member. */
static bool next_member(const char *at, struct member *member)
{
    at = skip_blanks(at);
    at = skip_blanks(at + (*at == ','));
    if (*at != '"')
        return false;
    member->name = at + 1;
    member->name_end = skip_string(at) - 1;
    member->value = skip_blanks(skip_blanks(member->name_end + 1) + 1);
    member->end = skip_value(member->value);
    return true;
}

static bool find_member(const char *object, const char *key, struct member *member)
{
    size_t key_len = strlen(key);
    for (const char *at = object + 1; next_member(at, member); at = member->end)
        if ((size_t)(member->name_end - member->name) == key_len && memcmp(member->name, key, key_len) == 0)
            return true;
    return false;
}

static char *without_comments(struct bytes text)
{
    char *plain = text.len ? xstrndup((const char *)text.data, text.len) : xstrdup("");
    blank_comments(plain);
    return plain;
}

int json_member_line(struct bytes text, size_t nth)
{
    char *plain = without_comments(text);
    const char *at = strchr(plain, '{');
    struct member member;
    ensure(at);
    at++;
    for (size_t i = 0; i <= nth; i++) {
        bool found = next_member(at, &member);
        ensure(found);
        at = member.end;
    }
    int line = line_of(plain, member.name);
    free(plain);
    return line;
}

/* `plain` is `text` without its comments, so that places are the same in both. */
static void replace_in(struct bytes text, const char *plain, const char *key, const char *value, struct buf *out)
{
    const char *object = strchr(plain, '{');
    struct member member;
    if (!object) { /* in front, for a comment may go on to the end */
        buf_addf(out, "{\n  \"%s\": ", key);
        print_text(bytes_of_string(value), out);
        buf_add_string(out, "\n}\n");
        buf_add_bytes(out, text);
        return;
    }
    bool found = find_member(object, key, &member);
    size_t cut = (size_t)((found ? member.value : object + 1) - plain), rest = found ? (size_t)(member.end - plain) : cut;
    buf_add_bytes(out, bytes_slice(text, 0, cut));
    if (!found)
        buf_addf(out, "\n  \"%s\": ", key);
    print_text(bytes_of_string(value), out);
    if (!found)
        buf_add_string(out, *skip_blanks(object + 1) == '}' ? "\n" : ",");
    buf_add_bytes(out, bytes_slice(text, rest, text.len - rest));
}

bool json_replace_text(struct bytes text, const char *key, const char *value, struct buf *out, struct error *err)
{
    struct json *json = json_parse(text, true, err);
    if (!json)
        return false;
    json_free(json);
    char *plain = without_comments(text);
    replace_in(text, plain, key, value, out);
    free(plain);
    return true;
}

void json_add_text(struct bytes text, struct buf *out)
{
    buf_add_byte(out, '"');
    for (size_t at = 0, len; at < text.len; at += len) {
        uint32_t code;
        len = utf8_decode(bytes_slice(text, at, text.len - at), &code);
        if (code >= UNICODE_INVALID)
            buf_add_string(out, "\xef\xbf\xbd");
        else if (code == '"' || code == '\\')
            buf_addf(out, "\\%c", (char)code);
        else if (code == '\n')
            buf_add_string(out, "\\n");
        else if (code < ' ' || code == 0x7f)
            buf_addf(out, "\\u%04x", (unsigned)code);
        else
            buf_add(out, text.data + at, len);
    }
    buf_add_byte(out, '"');
}
