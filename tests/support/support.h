/*
 * support - what several tests need: cmocka in the right order, the data directory, gzipped lines, seeds.
 */
#ifndef WEFT_TESTS_SUPPORT_H
#define WEFT_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "editor/base/bytes.h"
#include "editor/base/ensure.h"
#include "editor/base/random.h"

#ifdef __clang_analyzer__ /* cmocka does not tell it that a check that fails ends the test */
#undef assert_true
#undef assert_non_null
#undef fail_msg
#define assert_true(condition) ensure(condition)
#define assert_non_null(pointer) ensure((pointer) != NULL)
#define fail_msg(...) (print_error(__VA_ARGS__), ensure(false))
#endif

/*
 * Runs all of them, or the part that $WEFT_TEST_PART names ("2/3": the second third), so that ctest can run the parts of one
 * program side by side. The exit status; cmocka's count of failures must not become it: 256 would read as success.
 */
#define RUN_TESTS(name, tests) support_run(name, tests, sizeof(tests) / sizeof *(tests))
int support_run(const char *name, const struct CMUnitTest *tests, size_t count);

/*
 * The directory with traces/ and vectors/: $WEFT_TEST_DATA, else ../shared/data beside the source tree. NULL when there is
 * none; tests that need it then skip with a message. Heap string.
 */
char *support_data_dir(void);
/* All of a gzipped (or plain) file; aborts the test when it cannot be read. */
void support_read_gz(const char *path, struct buf *out);

/*
 * The seed of a property test: $WEFT_SEED when set, else `fallback`. And how many rounds: `rounds` times $WEFT_ROUNDS
 * (a factor, "10" or "1/4"; 1 when unset), at least one. Both are printed, so that a failure can be repeated.
 */
uint64_t support_seed(const char *test, uint64_t fallback);
uint64_t support_rounds(uint64_t rounds);

/*
 * The rounds of a property test, each with a seed of its own: support_seed(), then the numbers after it. A test that fails, or is
 * stopped by ensure(), says in which one: with it as $WEFT_SEED and a $WEFT_ROUNDS of 1/1000000 that round is repeated alone. At
 * the end it is told how many there were, and how many operations, which the caller counts.
 */
struct rounds {
    const char *test;
    uint64_t first, seed, end; /* seed: of the next one */
    uint64_t operations;
};
struct rounds rounds_of(const char *test, uint64_t fallback, uint64_t rounds);
bool rounds_next(struct rounds *rounds, struct random *random); /* false: all are done */

/* Exactly `len` bytes from 2 * len lower-case hex digits; and the same as an expectation, for published vectors. */
void support_from_hex(const char *hex, void *out, size_t len);
void support_expect_hex(const void *data, size_t len, const char *hex);

#endif
