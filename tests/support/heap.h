/*
 * heap - how much memory a program has from malloc(), to the byte, and the most it had: what a benchmark reports, since
 * the resident set also has what was freed, and what another run needed; and what a decoder is held to.
 *
 * A program that links heap.c has its own malloc(), calloc(), realloc(), aligned_alloc() and free(): glibc's, counted while
 * that is on. The libraries it uses call them too.
 *
 *   Units    bytes, with what the allocator rounds up to (malloc_usable_size()), without its own 8 for each piece.
 *   Threads  one: the counts are plain numbers.
 *   Bounds   two additions a call while it counts. Builds with AddressSanitizer, which has its own malloc(), count by its hooks:
 *            there, what realloc() makes larger is there twice for a moment. Where there are no hooks, all is 0.
 */
#ifndef WEFT_TESTS_HEAP_H
#define WEFT_TESTS_HEAP_H

#include <stddef.h>

void heap_begin(void); /* from here on it is counted, from 0; what was there before is not */
void heap_end(void);
long heap_now(void);  /* since heap_begin(); may be negative */
long heap_peak(void); /* the most since heap_begin() or heap_peak_reset() */
void heap_peak_reset(void);

/* What a decoder may take of it: HEAP_DECODE_RATIO times its input, and some bytes besides. */
enum { HEAP_DECODE_RATIO = 8 };
/* Ends what heap_begin() began, and stops the program where it took more. */
void heap_end_decode(size_t input, size_t besides);

#endif
