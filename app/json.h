/*
 * json - reading small JSON texts: configuration, one line of `weft apply`; and writing a text into one. The only door to cJSON.
 *
 * Stricter than the library beneath: nothing may follow the value, a key stands once, a text holds no NUL.
 *
 *   Ownership  json_free() frees all of it; everything else is borrowed from it.
 *   Errors     ERR_FORMAT, of a text that has lines with the one where it went wrong.
 *   Bounds     JSON_MEMBERS_MAX members an object; the caller limits the text.
 */
#ifndef WEFT_APP_JSON_H
#define WEFT_APP_JSON_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "editor/base/error.h"

enum { JSON_MEMBERS_MAX = 1000 };

struct json; /* a value */

/* With `comments`, // and slash-star comments are taken for blanks; an empty text is then an empty object. */
MUST_USE struct json *json_parse(struct bytes text, bool comments, struct error *err);
void json_free(struct json *json);

bool json_is_object(const struct json *json);
/* Members in their order: NULL first gives the first, NULL back ends. */
const struct json *json_next_member(const struct json *object, const struct json *member);
const char *json_key(const struct json *member);
const struct json *json_member(const struct json *object, const char *key); /* NULL: there is none */

/* Each is false when the value is of another kind. */
bool json_text(const struct json *json, const char **text);
bool json_flag(const struct json *json, bool *flag);
bool json_whole(const struct json *json, int64_t *number); /* whole numbers up to 2^53 in size */

/* The line, counted from 1, that member `nth` (from 0) begins in; `text` is an object that json_parse() takes with comments. */
int json_member_line(struct bytes text, size_t nth);
/*
 * Appends `text`, an object that json_parse() takes with comments, in which member `key` is `value` now, replaced where it
 * stands or added in front. Comments, order and blanks stay as they are.
 */
MUST_USE bool json_replace_text(struct bytes text, const char *key, const char *value, struct buf *out, struct error *err);

/* Appends a text with its quotes. What is not UTF-8 becomes U+FFFD, byte by byte. */
void json_add_text(struct bytes text, struct buf *out);

#endif
