#include "editor/base/memory.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* The first large allocation that is freed sets the bounds: what is as large is kept from then on, and twice as much of the
   heap's end. To set them by mallopt() would keep them from ever being raised. */
void memory_keep(void)
{
    volatile char *large = xmalloc(MEMORY_KEPT_BYTES / 2);
    *large = 0; /* or the compiler sees that nobody uses it */
    free((void *)large);
}

void memory_give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
