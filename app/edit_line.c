#include "app/edit_line.h"

#include <string.h>

static bool read_number(const struct json *object, const char *key, uint64_t *out, struct error *err)
{
    const struct json *member = json_member(object, key);
    int64_t number;
    *out = 0;
    if (!member)
        return true;
    if (!json_whole(member, &number) || number < 0)
        return error_set(err, ERR_FORMAT, 0, "\"%s\" must be a whole number, not below 0", key);
    *out = (uint64_t)number;
    return true;
}

static bool check_keys(const struct json *object, struct error *err)
{
    static const char *const keys[] = {"at", "delete", "insert"};
    for (const struct json *member = NULL; (member = json_next_member(object, member));) {
        size_t i = 0;
        while (i < sizeof keys / sizeof *keys && strcmp(json_key(member), keys[i]) != 0)
            i++;
        if (i == sizeof keys / sizeof *keys)
            return error_set(err, ERR_FORMAT, 0, "\"%.40s\" means nothing here", json_key(member));
    }
    return true;
}

static bool read_place(const struct json *object, uint64_t text_len, struct edit_line *edit, struct error *err)
{
    const char *end = NULL;
    if (!json_text(json_member(object, "at"), &end))
        return read_number(object, "at", &edit->at, err);
    edit->at = text_len;
    return strcmp(end, "end") == 0 || error_set(err, ERR_FORMAT, 0, "\"at\" must be a byte's number or \"end\"");
}

static bool read_edit(const struct json *object, uint64_t text_len, struct edit_line *edit, struct error *err)
{
    if (!json_is_object(object) || !json_member(object, "at"))
        return error_set(err, ERR_FORMAT, 0, "it must be {\"at\": BYTE or \"end\", \"delete\": N, \"insert\": \"...\"}");
    const struct json *insert = json_member(object, "insert");
    edit->insert = "";
    if (!check_keys(object, err))
        return false;
    if (insert && !json_text(insert, &edit->insert))
        return error_set(err, ERR_FORMAT, 0, "\"insert\" must be a text in quotes");
    if (!read_place(object, text_len, edit, err) || !read_number(object, "delete", &edit->deleted, err))
        return false;
    unsigned long long at = edit->at, deleted = edit->deleted, end = text_len;
    if (at > end)
        return error_set(err, ERR_FORMAT, 0, "byte %llu is behind the end of the text, which has %llu now", at, end);
    return deleted <= end - at || error_set(err, ERR_FORMAT, 0, "from byte %llu on there are %llu bytes to delete, not %llu",
                                            at, end - at, deleted);
}

bool edit_line_parse(struct bytes line, uint64_t text_len, struct edit_line *edit, struct error *err)
{
    *edit = (struct edit_line){.json = json_parse(line, false, err)};
    if (edit->json && read_edit(edit->json, text_len, edit, err))
        return true;
    edit_line_release(edit);
    return false;
}

void edit_line_release(struct edit_line *edit)
{
    json_free(edit->json);
    *edit = (struct edit_line){0};
}
