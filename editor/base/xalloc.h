/*
 * xalloc - small allocations that cannot fail.
 *
 * Running out of memory for a small allocation stops the program: nothing painted is lost by that, the journal has it.
 * A size that came from a file or a peer is checked against a named bound before it gets here.
 */
#ifndef WEFT_EDITOR_BASE_XALLOC_H
#define WEFT_EDITOR_BASE_XALLOC_H

#include <stddef.h>
#include <string.h>

/* Never NULL, also for 0 bytes. Free with free(). */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* zeroed; count * size may not overflow */
void *xrealloc(void *old, size_t size);
void *xrealloc_array(void *old, size_t count, size_t size); /* count * size may not overflow */
void *xmemdup(const void *data, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len); /* at most len bytes, NUL added */
char *xformat(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void *xgrow_more(void *items, size_t *cap, size_t needed, size_t size); /* for xgrow() */
/*
 * Makes room for one more element of an array that grows by doubling: `items` points to the first element, *cap counts
 * elements there is room for. Usage: list->items = xgrow(list->items, &list->cap, list->count + 1, sizeof *list->items);
 */
static inline void *xgrow(void *items, size_t *cap, size_t needed, size_t size)
{
    return needed <= *cap ? items : xgrow_more(items, cap, needed, size);
}
/* Gives back what such an array has room for and does not need: it is `count` elements long and will be for a while. */
void *xfit(void *items, size_t *cap, size_t count, size_t size);

/* As xgrow(), and the first `count` elements are those of `from` (NULL is fine for none of them). */
static inline void *xgrow_copy(void *items, size_t *cap, const void *from, size_t count, size_t size)
{
    items = xgrow(items, cap, count, size);
    if (count > 0)
        memcpy(items, from, count * size);
    return items;
}

#endif
