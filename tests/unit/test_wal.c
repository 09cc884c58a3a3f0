/* A damaged log: whatever byte is lost, nothing committed goes without a word; and whoever was killed raises no alarm. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/wal.h"

enum { PAGE = 512, FRAME = WAL_FRAME_HEADER_BYTES + PAGE, PAGES = 64, SALT_1 = 0x1234567, SALT_2 = 0x89abcdef };

/* --- logs as SQLite writes them, by its documentation --- */

struct writer {
    struct buf log;
    uint32_t s1, s2, salt;
    bool big;
};

static uint32_t word(const unsigned char *at, bool big)
{
    return big ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
               : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void put(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> (24 - 8 * i));
}

static void sum(struct writer *writer, const unsigned char *data, size_t len)
{
    for (size_t at = 0; at < len; at += 8) {
        writer->s1 += word(data + at, writer->big) + writer->s2;
        writer->s2 += word(data + at + 4, writer->big) + writer->s1;
    }
}

static void begin(struct writer *writer, bool big, uint32_t salt)
{
    *writer = (struct writer){.big = big, .salt = salt};
    unsigned char *header = buf_extend(&writer->log, WAL_HEADER_BYTES);
    const uint32_t numbers[] = {big ? 0x377f0683 : 0x377f0682, 3007000, PAGE, 7, salt, SALT_2};
    for (int i = 0; i < 6; i++)
        put(header + 4 * i, numbers[i]);
    sum(writer, header, 24);
    put(header + 24, writer->s1);
    put(header + 28, writer->s2);
}

static void frame_to(struct writer *writer, unsigned char *frame, uint32_t page, uint32_t commit, struct random *random)
{
    put(frame, page);
    put(frame + 4, commit);
    put(frame + 8, writer->salt);
    put(frame + 12, SALT_2);
    for (int i = 0; i < PAGE; i++)
        frame[WAL_FRAME_HEADER_BYTES + i] = (unsigned char)random_next(random);
    sum(writer, frame, 8);
    sum(writer, frame + WAL_FRAME_HEADER_BYTES, PAGE);
    put(frame + 16, writer->s1);
    put(frame + 20, writer->s2);
}

static void add_frame(struct writer *writer, uint32_t page, uint32_t commit, struct random *random)
{
    frame_to(writer, buf_extend(&writer->log, FRAME), page, commit, random);
}

/* Transactions of one to four pages, in ascending order. */
static void add_transactions(struct writer *writer, unsigned count, struct random *random)
{
    while (count-- > 0) {
        unsigned frames = 1 + (unsigned)random_below(random, 4);
        uint32_t page = 1;
        for (unsigned i = 0; i < frames; i++) {
            page += (uint32_t)random_below(random, 3);
            add_frame(writer, page++, i + 1 == frames ? 20 : 0, random);
        }
    }
}

/* --- what SQLite makes of one --- */

struct state {
    unsigned char pages[PAGES][PAGE];
    unsigned commits;
};

static void read_state(const struct buf *log, struct state *state)
{
    struct wal_reading reading;
    size_t committed = 0, count = log->len < WAL_HEADER_BYTES ? 0 : (log->len - WAL_HEADER_BYTES) / FRAME;
    memset(state, 0, sizeof *state);
    if (log->len < WAL_HEADER_BYTES || !wal_read_header(&reading, log->data))
        return;
    for (size_t n = 0; n < count && wal_read_frame(&reading, log->data + WAL_HEADER_BYTES + n * FRAME); n++) {
        bool commit = word(log->data + WAL_HEADER_BYTES + n * FRAME + 4, true) != 0;
        committed = commit ? n + 1 : committed;
        state->commits += commit;
    }
    for (size_t n = 0; n < committed; n++) {
        const unsigned char *frame = log->data + WAL_HEADER_BYTES + n * FRAME;
        assert_true(word(frame, true) < PAGES);
        memcpy(state->pages[word(frame, true)], frame + WAL_FRAME_HEADER_BYTES, PAGE);
    }
}

static bool same_pages(const struct state *a, const struct state *b)
{
    return memcmp(a->pages, b->pages, sizeof a->pages) == 0;
}

static void copy_log(const struct buf *from, struct buf *to)
{
    buf_clear(to);
    buf_add_bytes(to, buf_view(from));
}

/* Either everything is there, or it is said. */
static enum wal_state expect_honest(const struct buf *whole, struct buf *damaged)
{
    struct state *before = xmalloc(sizeof *before), *after = xmalloc(sizeof *after);
    read_state(whole, before);
    struct wal_verdict verdict = wal_mend(damaged);
    read_state(damaged, after);
    if (verdict.state == WAL_CUT)
        assert_true(verdict.lost > 0);
    else
        assert_true(same_pages(before, after));
    free(before);
    free(after);
    return verdict.state;
}

static void a_lost_byte_loses_nothing_or_is_said(void **state)
{
    (void)state;
    struct random random;
    struct rounds rounds = rounds_of("wal", 1, 6);
    while (rounds_next(&rounds, &random)) {
        struct writer writer;
        struct buf damaged = {0};
        unsigned counts[3] = {0};
        begin(&writer, random_below(&random, 2), SALT_1);
        add_transactions(&writer, 1 + (unsigned)random_below(&random, 8), &random);
        for (size_t at = 0; at < writer.log.len; at++) {
            for (int kind = 0; kind < 3; kind++) {
                copy_log(&writer.log, &damaged);
                damaged.data[at] ^= kind == 0 ? 0xff : kind == 1 ? 0x80 : (unsigned char)(1 + random_below(&random, 255));
                counts[expect_honest(&writer.log, &damaged)]++;
            }
        }
        print_message("%zu bytes: mended %u, cut %u, nothing to do %u\n", writer.log.len, counts[WAL_MENDED], counts[WAL_CUT],
                      counts[WAL_WHOLE]);
        assert_true(counts[WAL_MENDED] > counts[WAL_CUT]);
        buf_release(&damaged);
        buf_release(&writer.log);
    }
}

static void a_lost_sector_in_front_of_the_last_transaction_loses_nothing_or_is_said(void **state)
{
    (void)state;
    struct random random;
    struct rounds rounds = rounds_of("wal_sector", 1, 200);
    while (rounds_next(&rounds, &random)) {
        struct writer writer;
        struct buf damaged = {0};
        begin(&writer, false, SALT_1);
        add_transactions(&writer, 5, &random);
        size_t until = writer.log.len;
        add_transactions(&writer, 2, &random);
        copy_log(&writer.log, &damaged);
        size_t at = WAL_HEADER_BYTES + random_below(&random, until - WAL_HEADER_BYTES - PAGE);
        for (int i = 0; i < PAGE; i++)
            damaged.data[at + (size_t)i] = (unsigned char)random_next(&random);
        expect_honest(&writer.log, &damaged);
        buf_release(&damaged);
        buf_release(&writer.log);
    }
}

/* --- whoever was killed --- */

static void expect_untouched(const struct buf *log, struct buf *copy)
{
    copy_log(log, copy);
    assert_int_equal(wal_mend(copy).state, WAL_WHOLE);
    assert_true(bytes_equal(buf_view(log), buf_view(copy)));
}

static void a_log_that_ends_anywhere_is_whole(void **state)
{
    (void)state;
    struct random random;
    random = random_of(support_seed("wal_ends", 1));
    struct writer writer;
    struct buf copy = {0};
    begin(&writer, false, SALT_1);
    add_transactions(&writer, 6, &random);
    for (size_t len = writer.log.len; len-- > 0;) {
        writer.log.len = len;
        expect_untouched(&writer.log, &copy);
    }
    buf_release(&copy);
    buf_release(&writer.log);
}

/* Over an older log: the rest is of that one. A frame's header is one write, its page another; a power cut ends at a sector. */
static bool ends_a_write(size_t len)
{
    if (len < WAL_HEADER_BYTES)
        return len == 0;
    size_t in_frame = (len - WAL_HEADER_BYTES) % FRAME;
    return in_frame == 0 || in_frame == WAL_FRAME_HEADER_BYTES || len % 512 == 0;
}

static void a_log_over_an_older_one_is_whole(void **state)
{
    (void)state;
    struct random random;
    random = random_of(support_seed("wal_over", 1));
    struct writer older, writer;
    struct buf log = {0}, copy = {0};
    begin(&older, false, SALT_1 - 1);
    add_transactions(&older, 12, &random);
    begin(&writer, false, SALT_1);
    add_transactions(&writer, 6, &random);
    for (size_t len = 0; len <= writer.log.len && len <= older.log.len; len++) {
        copy_log(&older.log, &log);
        memcpy(log.data, writer.log.data, len);
        if (ends_a_write(len))
            expect_untouched(&log, &copy);
    }
    buf_release(&log);
    buf_release(&copy);
    buf_release(&older.log);
    buf_release(&writer.log);
}

/*
 * A process was killed when it had written its commit and not yet made that known; another one writes over it from the front. Or:
 * a transaction had written a part of its pages when it was rolled back.
 */
static void what_another_process_overwrote_is_no_damage(void **state)
{
    (void)state;
    struct random random;
    struct rounds rounds = rounds_of("wal_overwritten", 1, 200);
    while (rounds_next(&rounds, &random)) {
        struct writer writer, other;
        struct buf copy = {0};
        unsigned frames = 3 + (unsigned)random_below(&random, 6), over = 1 + (unsigned)random_below(&random, frames - 1);
        bool committed = random_below(&random, 2);
        begin(&writer, false, SALT_1);
        add_transactions(&writer, (unsigned)random_below(&random, 4), &random);
        size_t at = writer.log.len;
        other = writer;
        for (unsigned i = 0; i < frames; i++)
            add_frame(&writer, i + 2, committed && i + 1 == frames ? 20 : 0, &random);
        for (unsigned i = 0; i < over; i++)
            frame_to(&other, writer.log.data + at + (size_t)i * FRAME, i + 1, i + 1 == over ? 20 : 0, &random);
        expect_untouched(&writer.log, &copy);
        buf_release(&copy);
        buf_release(&writer.log);
    }
}

/* SQLite writes a page of a long transaction again in its old place, and sums up at the very end: killed just before. */
static void a_long_transaction_without_its_sums_is_no_damage(void **state)
{
    (void)state;
    struct random random;
    struct rounds rounds = rounds_of("wal_long", 1, 200);
    while (rounds_next(&rounds, &random)) {
        struct writer writer;
        struct buf copy = {0};
        begin(&writer, false, SALT_1);
        add_transactions(&writer, 3, &random);
        size_t at = writer.log.len;
        for (uint32_t page = 20; page > 0; page--) /* spilled as it came */
            add_frame(&writer, page, page == 1 ? 30 : 0, &random);
        for (unsigned again = 1 + (unsigned)random_below(&random, 3); again > 0; again--) {
            size_t page_at = at + random_below(&random, 20) * FRAME + WAL_FRAME_HEADER_BYTES;
            size_t words = random_below(&random, 2) ? 1 : PAGE / 4; /* a page of pointers may differ in one */
            for (size_t i = 0; i < words; i++)
                put(writer.log.data + page_at + 4 * i, (uint32_t)random_next(&random));
        }
        expect_untouched(&writer.log, &copy);
        buf_release(&copy);
        buf_release(&writer.log);
    }
}

/* --- what is said --- */

static void what_cannot_be_had_again_is_counted(void **state)
{
    (void)state;
    struct random random;
    random = random_of(1);
    struct writer writer;
    begin(&writer, false, SALT_1);
    for (uint32_t n = 0; n < 10; n++)
        add_frame(&writer, n + 1, 20, &random); /* each page once: no later one to take */
    memset(writer.log.data + WAL_HEADER_BYTES + 3 * FRAME + 100, 0, 64);
    struct wal_verdict verdict = wal_mend(&writer.log);
    assert_int_equal(verdict.state, WAL_CUT);
    assert_int_equal(verdict.lost, 7);
    assert_int_equal(writer.log.len, WAL_HEADER_BYTES + 3 * FRAME);
    assert_int_equal(wal_mend(&writer.log).state, WAL_WHOLE);
    buf_release(&writer.log);
}

static void a_page_that_was_written_again_is_not_missed(void **state)
{
    (void)state;
    struct random random;
    random = random_of(1);
    struct writer writer;
    struct buf damaged = {0};
    begin(&writer, false, SALT_1);
    for (uint32_t n = 0; n < 10; n++)
        add_frame(&writer, 1 + n % 3, 20, &random);
    copy_log(&writer.log, &damaged);
    memset(damaged.data + WAL_HEADER_BYTES + 3 * FRAME + 100, 0, 64);
    memset(damaged.data + WAL_HEADER_BYTES + 5 * FRAME + 100, 0, 64);
    assert_int_equal(expect_honest(&writer.log, &damaged), WAL_MENDED);
    assert_int_equal(damaged.len, writer.log.len);
    buf_release(&damaged);
    buf_release(&writer.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_byte_loses_nothing_or_is_said),
        cmocka_unit_test(a_lost_sector_in_front_of_the_last_transaction_loses_nothing_or_is_said),
        cmocka_unit_test(a_log_that_ends_anywhere_is_whole),
        cmocka_unit_test(a_log_over_an_older_one_is_whole),
        cmocka_unit_test(what_another_process_overwrote_is_no_damage),
        cmocka_unit_test(a_long_transaction_without_its_sums_is_no_damage),
        cmocka_unit_test(what_cannot_be_had_again_is_counted),
        cmocka_unit_test(a_page_that_was_written_again_is_not_missed),
    };
    return RUN_TESTS("wal", tests);
}
