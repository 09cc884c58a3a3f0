/*
 * scratch - a directory of its own for each test that needs real files.
 *
 * scratch_setup() makes it and puts its path into *state; scratch_teardown() removes it with everything in it.
 */
#ifndef WEFT_TESTS_SCRATCH_H
#define WEFT_TESTS_SCRATCH_H

#include <stdbool.h>

#include "editor/base/bytes.h"

int scratch_setup(void **state);
int scratch_teardown(void **state);

char *scratch_file(const char *dir, const char *name); /* DIR/NAME: heap string */
void scratch_write(const char *path, const char *text);
void scratch_read(const char *path, struct buf *out); /* overwrites; aborts the test when it cannot be read */
/*
 * Whether any file below `dir` contains this text. Reading a database here drops its locks: only while nobody else
 * uses it.
 */
bool scratch_contains(const char *dir, const char *needle);

#endif
