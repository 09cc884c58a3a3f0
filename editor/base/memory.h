/*
 * memory - how much of what was freed the program keeps for what comes next.
 *
 * New memory is dear: the system hands it out page by page as it is touched, and empties each before. Whether glibc gives back
 * what is freed is a matter of luck at first: it does with the end of the heap, when that is free and longer than 128 KiB, so
 * whether the megabyte of a document is asked for again depends on what small thing was allocated behind it. In the editor it
 * stays, up to a bound; and goes back when a journal was tidied, which is when nobody has typed for a while (app/replica_tidy.h).
 * All else, a relay above all, which runs for weeks and tidies nothing, has memory as glibc does it.
 *
 *   Bounds     MEMORY_KEPT_BYTES at the end of the heap. An allocation of half of that or more is had from the system alone,
 *              grows without being copied, and goes back when it is freed; glibc then raises both bounds, as it does by itself.
 *   Source     mallopt(3) on M_MMAP_THRESHOLD, malloc_trim(3). Where there is another malloc() these do nothing.
 */
#ifndef WEFT_EDITOR_BASE_MEMORY_H
#define WEFT_EDITOR_BASE_MEMORY_H

enum { MEMORY_KEPT_BYTES = 8 << 20 };

void memory_keep(void);      /* when the editor begins */
void memory_give_back(void); /* what was used just now is not needed soon */

#endif
