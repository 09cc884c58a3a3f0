/*
 * edit_line - one line of `weft apply`: {"at": BYTE | "end", "delete": N, "insert": "..."}.
 *
 *   Units   bytes of the text as it is at that moment.
 *   Errors  ERR_FORMAT or ERR_LIMIT with a sentence; places outside of the text are one of them.
 *   Bounds  what json.h reads; the caller limits how long a line may be.
 */
#ifndef WEFT_APP_EDIT_LINE_H
#define WEFT_APP_EDIT_LINE_H

#include "app/json.h"

struct edit_line {
    uint64_t at, deleted;
    const char *insert; /* borrowed from `json` */
    struct json *json;  /* edit_line_release() */
};

/* `text_len`: how long the text is. On failure there is nothing to release. */
MUST_USE bool edit_line_parse(struct bytes line, uint64_t text_len, struct edit_line *edit, struct error *err);
void edit_line_release(struct edit_line *edit);

#endif
