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

bool error_wrap(struct error *err, const char *fmt, ...)
{
    char context[sizeof err->text];
    char inner[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    memcpy(inner, err->text, sizeof inner);
    /* A text too long for the field loses its end, never its beginning. */
    int n = snprintf(err->text, sizeof err->text, "%s: ", context);
    if (n > 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, "%s", inner);
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
