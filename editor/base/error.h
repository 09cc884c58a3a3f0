/*
 * error - how the world's failures travel: one shape everywhere.
 *
 * A function that can fail because of the world (disk, peers, keys, arguments) takes a `struct error *` last and returns
 * false after filling it. It is untouched on success. Libraries never print; app/ decides where err.text goes.
 */
#ifndef WEFT_EDITOR_BASE_ERROR_H
#define WEFT_EDITOR_BASE_ERROR_H

#include <stdbool.h>

#include "editor/base/ensure.h"

enum err {
    ERR_NONE,
    ERR_IO,      /* the system said no: errno in .sys */
    ERR_FULL,    /* no space left: trying again later may help */
    ERR_BUSY,    /* somebody else holds it: trying again soon may help */
    ERR_FORMAT,  /* bytes that do not follow their format */
    ERR_LIMIT,   /* well-formed, but beyond a named bound */
    ERR_AUTH,    /* a key, signature or grant is missing or wrong */
    ERR_OFFLINE, /* the other side cannot be reached */
    ERR_NEWER,   /* made by a newer weft than this one */
    ERR_MISSING, /* it is not there */
    ERR_USAGE,   /* the person's command or configuration is wrong */
};

struct error {
    enum err code; /* what a caller can act on */
    int sys;       /* errno or the library's own code; 0 when none */
    char text[320]; /* one sentence a person can use: what was tried, on what, why it failed, what to do */
};

/* Both always return false, so that a failing function can `return error_set(...)`. */
bool error_set(struct error *err, enum err code, int sys, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Puts context in front of the text that is there: "CONTEXT: old text". */
bool error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* error_set() from errno as it stands: ERR_FULL for ENOSPC and EDQUOT, ERR_MISSING for ENOENT, else ERR_IO. The text is
   "CONTEXT: strerror". */
bool error_errno(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
