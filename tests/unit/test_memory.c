#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/memory.h"
#include "editor/base/xalloc.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { BLOCKS = 8, BLOCK_BYTES = 512 * 1024 };

/* A sanitizer or valgrind brings a malloc() of its own, which has no heap of this kind. */
static bool is_another_malloc(void)
{
#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    return mallinfo2().arena == 0;
#else
    return true;
#endif
}

/* Bytes of memory that the process has. */
static long resident(void)
{
    unsigned long all, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_true(file && fscanf(file, "%lu %lu", &all, &pages) == 2);
    fclose(file);
    return (long)pages * sysconf(_SC_PAGESIZE);
}

/* A document's worth of memory is used and freed. */
static void use_and_free(void)
{
    void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = xmalloc(BLOCK_BYTES);
        memset(blocks[i], 'm', BLOCK_BYTES);
    }
    for (size_t i = BLOCKS; i > 0; i--)
        free(blocks[i - 1]);
}

static void what_was_freed_is_kept_until_nothing_is_going_on(void **state)
{
    (void)state;
    memory_keep();
    free(xmalloc(1));
    if (is_another_malloc())
        skip();
    long before = resident();
    use_and_free();
    assert_true(resident() - before > BLOCKS * BLOCK_BYTES / 4 * 3);
    memory_give_back();
    assert_true(resident() - before < BLOCKS * BLOCK_BYTES / 4);
    memory_give_back(); /* nothing is left to be given */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_freed_is_kept_until_nothing_is_going_on),
    };
    return RUN_TESTS("memory", tests);
}
