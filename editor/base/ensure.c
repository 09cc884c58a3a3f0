#include "editor/base/ensure.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void ensure_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "weft: internal error at %s:%d: %s does not hold\n", file, line, condition);
    abort();
}
