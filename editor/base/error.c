#include "editor/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *err, enum err code, int sys, const char *fmt, ...)
{
    va_list args;
    err->code = code;
    err->sys = sys;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return false;
}

/* "context: inner", cut at the end of the field: a text too long loses its end, never its beginning. */
static void set_joined(struct error *err, const char *context, const char *inner)
{
    const char *pieces[] = {context, ": ", inner};
    char *at = err->text, *end = err->text + sizeof err->text - 1;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t len = strnlen(pieces[i], (size_t)(end - at));
        memcpy(at, pieces[i], len);
        at += len;
    }
    *at = '\0';
}

bool error_wrap(struct error *err, const char *fmt, ...)
{
    char context[sizeof err->text];
    char inner[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    memcpy(inner, err->text, sizeof inner);
    set_joined(err, context, inner);
    return false;
}

static enum err error_code_of_errno(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
        return ERR_MISSING;
    case EAGAIN:
    case EBUSY:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

bool error_errno(struct error *err, const char *fmt, ...)
{
    int sys = errno;
    char context[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    error_set(err, error_code_of_errno(sys), sys, "%s", strerror(sys));
    return error_wrap(err, "%s", context);
}
