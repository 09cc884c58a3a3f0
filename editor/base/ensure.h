/*
 * ensure - assertions that stay on in release.
 *
 * A co-editor that goes on with a broken structure spreads the damage to everyone it edits with, so a broken
 * invariant stops the program, also in release builds. Only for bugs: data from outside (files, peers, keys) fails
 * through struct error instead (editor/base/error.h).
 */
#ifndef WEFT_EDITOR_BASE_ENSURE_H
#define WEFT_EDITOR_BASE_ENSURE_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* What a short way must not pay for: the long way beside it keeps its own registers and stack. */
#define OUT_OF_LINE __attribute__((noinline))

/* Prints the place and the condition on stderr and aborts. */
_Noreturn void ensure_failed(const char *file, int line, const char *condition);

#define ensure(condition) ((condition) ? (void)0 : ensure_failed(__FILE__, __LINE__, #condition))

#endif
