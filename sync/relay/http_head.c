#include "sync/relay/http_head.h"

#include <string.h>

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

/* Letters may be compared without case. */
static bool same_word(struct bytes a, struct bytes b, bool any_case)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.data[i] != b.data[i] && !(any_case && lower(a.data[i]) == lower(b.data[i])))
            return false;
    return true;
}

static bool is_token_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte(text.data[i]))
            return false;
    return text.len > 0;
}

static bool is_printable(struct bytes text, bool with_space)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = text.data[i];
        bool blank = c == ' ' || c == '\t';
        if (c == 0x7f || (c <= 0x20 && !(with_space && blank)))
            return false;
    }
    return true;
}

static bool find(struct bytes text, const char *what, size_t *at)
{
    const unsigned char *found = text.len ? memmem(text.data, text.len, what, strlen(what)) : NULL;
    if (!found)
        return false;
    *at = (size_t)(found - text.data);
    return true;
}

static struct bytes trim(struct bytes text)
{
    while (text.len && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = bytes_slice(text, 1, text.len - 1);
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Takes everything in front of `mark` off the text, and the mark. */
static bool cut(struct bytes *text, const char *mark, struct bytes *front)
{
    size_t at;
    if (!find(*text, mark, &at))
        return false;
    *front = bytes_slice(*text, 0, at);
    at += strlen(mark);
    *text = bytes_slice(*text, at, text->len - at);
    return true;
}

size_t http_head_length(struct bytes input)
{
    size_t at;
    return find(input, "\r\n\r\n", &at) ? at + 4 : 0;
}

static bool parse_request_line(struct bytes line, struct http_head *head)
{
    return cut(&line, " ", &head->method) && is_token(head->method) && cut(&line, " ", &head->target) &&
           head->target.len > 0 && is_printable(head->target, false) && bytes_equal(line, bytes_of_string("HTTP/1.1"));
}

static bool parse_field(struct bytes line, struct http_head *head)
{
    if (head->field_count == HTTP_FIELDS_MAX)
        return false;
    struct http_field *field = &head->fields[head->field_count++];
    if (!cut(&line, ":", &field->name))
        return false;
    field->value = trim(line);
    return is_token(field->name) && is_printable(field->value, true);
}

bool http_head_parse(struct bytes text, struct http_head *head)
{
    struct bytes line;
    head->field_count = 0;
    if (!cut(&text, "\r\n", &line) || !parse_request_line(line, head))
        return false;
    while (cut(&text, "\r\n", &line)) {
        if (line.len == 0)
            return text.len == 0;
        if (!parse_field(line, head))
            return false;
    }
    return false;
}

size_t http_head_count(const struct http_head *head, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++)
        count += same_word(head->fields[i].name, bytes_of_string(name), true);
    return count;
}

const struct bytes *http_head_field(const struct http_head *head, const char *name)
{
    if (http_head_count(head, name) != 1)
        return NULL;
    size_t i = 0;
    while (!same_word(head->fields[i].name, bytes_of_string(name), true))
        i++;
    return &head->fields[i].value;
}

const struct bytes *http_head_last(const struct http_head *head, const char *name)
{
    for (size_t i = head->field_count; i > 0; i--)
        if (same_word(head->fields[i - 1].name, bytes_of_string(name), true))
            return &head->fields[i - 1].value;
    return NULL;
}

static bool list_holds(struct bytes list, struct bytes word, bool any_case)
{
    struct bytes item;
    while (cut(&list, ",", &item))
        if (same_word(trim(item), word, any_case))
            return true;
    return same_word(trim(list), word, any_case);
}

bool http_head_lists(const struct http_head *head, const char *name, const char *word, bool any_case)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (same_word(head->fields[i].name, bytes_of_string(name), true) &&
            list_holds(head->fields[i].value, bytes_of_string(word), any_case))
            return true;
    return false;
}
