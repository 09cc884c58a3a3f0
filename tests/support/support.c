#include "tests/support/support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "editor/base/xalloc.h"

/* The round that has begun and is not over, in words; a failed check leaves its test without one, from a signal perhaps. */
static char present[256];

static void tell_where_it_failed(void)
{
    ssize_t written = write(STDERR_FILENO, present, strlen(present));
    (void)written; /* there is nobody else to tell */
    present[0] = 0;
}

static void aborted(int number)
{
    tell_where_it_failed();
    signal(number, SIG_DFL);
    raise(number);
}

int support_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    const char *named = getenv("WEFT_TEST_PART");
    size_t part = 1, parts = 1, first, end;
    if (named && *named && (sscanf(named, "%zu/%zu", &part, &parts) != 2 || part < 1 || part > parts)) {
        fprintf(stderr, "WEFT_TEST_PART=%s: expected, for example, 2/3\n", named);
        return 2;
    }
    first = count * (part - 1) / parts;
    end = count * part / parts;
    int failed = _cmocka_run_group_tests(name, tests + first, end - first, NULL, NULL);
    tell_where_it_failed();
    return failed ? 1 : 0;
}

char *support_data_dir(void)
{
    const char *named = getenv("WEFT_TEST_DATA");
    if (named && *named)
        return xstrdup(named);
    char *beside = xformat("%s/../shared/data", WEFT_SOURCE_DIR);
    if (access(beside, R_OK) == 0)
        return beside;
    free(beside);
    return NULL;
}

void support_read_gz(const char *path, struct buf *out)
{
    gzFile file = gzopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
        abort();
    }
    for (;;) {
        enum { PIECE = 1 << 16 };
        unsigned char *into = buf_extend(out, PIECE);
        int got = gzread(file, into, PIECE);
        if (got < 0) {
            fprintf(stderr, "cannot read %s\n", path);
            abort();
        }
        out->len -= PIECE - (size_t)got;
        if (got == 0)
            break;
    }
    gzclose(file);
}

uint64_t support_seed(const char *test, uint64_t fallback)
{
    const char *named = getenv("WEFT_SEED");
    uint64_t seed = named && *named ? strtoull(named, NULL, 0) : fallback;
    fprintf(stderr, "%s: seed %llu (WEFT_SEED repeats it)\n", test, (unsigned long long)seed);
    return seed;
}

uint64_t support_rounds(uint64_t rounds)
{
    const char *factor = getenv("WEFT_ROUNDS");
    char *end = NULL;
    uint64_t times = factor && *factor ? strtoull(factor, &end, 0) : 1;
    uint64_t divisor = end && *end == '/' ? strtoull(end + 1, NULL, 0) : 1;
    rounds = rounds * times / (divisor ? divisor : 1);
    return rounds ? rounds : 1;
}

struct rounds rounds_of(const char *test, uint64_t fallback, uint64_t rounds)
{
    uint64_t seed = support_seed(test, fallback);
    tell_where_it_failed(); /* in the test before this one */
    signal(SIGABRT, aborted);
    return (struct rounds){test, seed, seed, seed + support_rounds(rounds), 0};
}

bool rounds_next(struct rounds *rounds, struct random *random)
{
    present[0] = 0;
    if (rounds->seed == rounds->end) {
        fprintf(stderr, "%s: %llu operations over %llu seeds\n", rounds->test, (unsigned long long)rounds->operations,
                (unsigned long long)(rounds->end - rounds->first));
        return false;
    }
    snprintf(present, sizeof present, "%s: it was in the round of seed %llu (WEFT_SEED=%llu WEFT_ROUNDS=1/1000000 repeats it)\n",
             rounds->test, (unsigned long long)rounds->seed, (unsigned long long)rounds->seed);
    *random = random_of(rounds->seed++);
    return true;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

void support_from_hex(const char *hex, void *out, size_t len)
{
    unsigned char *bytes = out;
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
}

void support_expect_hex(const void *data, size_t len, const char *hex)
{
    unsigned char *want = xmalloc(len);
    support_from_hex(hex, want, len);
    assert_memory_equal(data, want, len);
    free(want);
}
