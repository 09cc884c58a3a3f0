#include "sync/wal.h"

#include <string.h>

enum {
    MAGIC_LITTLE = 0x377f0682,
    MAGIC_BIG = 0x377f0683,
    FORMAT = 3007000,
    PAGE_BYTES_MIN = 512,
    HEADER_SUMMED = 24, /* bytes of the log's header in its checksum */
    FRAME_SUMMED = 8,   /* bytes of a frame's header, in front of its page */
    FRAME_SALTS = 8,
    FRAME_SUM = 16,
    PAIR_BYTES = 8,
    DAMAGED_MAX = 64, /* frames that are mended; each costs a pass over what is behind it */
};

/* Where the words of the log's header are. */
enum header_word { MAGIC = 0, VERSION = 4, PAGE_SIZE = 8, SEQUENCE = 12, SALT = 16, SALT_2 = 20, SUM = 24, SUM_2 = 28 };

/* --- words and sums --- */

static uint32_t word_at(const unsigned char *at, bool big)
{
    return big ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
               : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void set_word(unsigned char *at, bool big, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(word >> (big ? 24 - 8 * i : 8 * i));
}

/* Numbers of headers are big-endian always; only what is summed is read in the order that the magic tells. */
static uint32_t number_at(const unsigned char *at)
{
    return word_at(at, true);
}

static void set_number(unsigned char *at, uint32_t number)
{
    set_word(at, true, number);
}

static struct wal_sum sum_over(struct wal_sum sum, const unsigned char *data, size_t len, bool big)
{
    for (size_t at = 0; at < len; at += PAIR_BYTES) {
        sum.first += word_at(data + at, big) + sum.second;
        sum.second += word_at(data + at + 4, big) + sum.first;
    }
    return sum;
}

static struct wal_sum sum_at(const unsigned char *at)
{
    return (struct wal_sum){number_at(at), number_at(at + 4)};
}

static void set_sum(unsigned char *at, struct wal_sum sum)
{
    set_number(at, sum.first);
    set_number(at + 4, sum.second);
}

static bool sum_equal(struct wal_sum a, struct wal_sum b)
{
    return a.first == b.first && a.second == b.second;
}

/* --- reading --- */

static bool is_page_size(uint32_t bytes)
{
    return bytes >= PAGE_BYTES_MIN && bytes <= WAL_PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

bool wal_read_header(struct wal_reading *reading, const unsigned char *header)
{
    uint32_t magic = number_at(header), page_bytes = number_at(header + PAGE_SIZE);
    bool big = magic == MAGIC_BIG;
    *reading = (struct wal_reading){sum_over((struct wal_sum){0}, header, HEADER_SUMMED, big),
                                    {number_at(header + SALT), number_at(header + SALT_2)}, page_bytes, big};
    return (big || magic == MAGIC_LITTLE) && number_at(header + VERSION) == FORMAT && is_page_size(page_bytes) &&
           sum_equal(reading->sum, sum_at(header + SUM));
}

static struct wal_sum frame_sum(const struct wal_reading *reading, struct wal_sum before, const unsigned char *frame)
{
    struct wal_sum sum = sum_over(before, frame, FRAME_SUMMED, reading->big_endian);
    return sum_over(sum, frame + WAL_FRAME_HEADER_BYTES, reading->page_bytes, reading->big_endian);
}

static bool has_salts(const struct wal_reading *reading, const unsigned char *frame)
{
    return number_at(frame + FRAME_SALTS) == reading->salts[0] && number_at(frame + FRAME_SALTS + 4) == reading->salts[1];
}

static uint32_t page_of(const unsigned char *frame)
{
    return number_at(frame);
}

static bool is_commit(const unsigned char *frame)
{
    return number_at(frame + 4) != 0;
}

static bool follows(const struct wal_reading *reading, struct wal_sum before, const unsigned char *frame)
{
    return has_salts(reading, frame) && page_of(frame) != 0 &&
           sum_equal(frame_sum(reading, before, frame), sum_at(frame + FRAME_SUM));
}

bool wal_read_frame(struct wal_reading *reading, const unsigned char *frame)
{
    bool good = follows(reading, reading->sum, frame);
    reading->sum = sum_at(frame + FRAME_SUM);
    return good;
}

/* --- a log of frames --- */

struct frames {
    struct wal_reading reading;
    unsigned char *header;
    size_t frame_bytes, count;
};

static struct frames frames_of(const struct buf *log, const struct wal_reading *reading)
{
    size_t frame_bytes = WAL_FRAME_HEADER_BYTES + (size_t)reading->page_bytes;
    return (struct frames){*reading, log->data, frame_bytes, (log->len - WAL_HEADER_BYTES) / frame_bytes};
}

static unsigned char *frame_at(const struct frames *frames, size_t n)
{
    return frames->header + WAL_HEADER_BYTES + n * frames->frame_bytes;
}

/* What stands in front of a frame, right or wrong. */
static struct wal_sum sum_before(const struct frames *frames, size_t n)
{
    return n == 0 ? sum_at(frames->header + SUM) : sum_at(frame_at(frames, n - 1) + FRAME_SUM);
}

static bool is_good(const struct frames *frames, size_t n)
{
    return n < frames->count && follows(&frames->reading, sum_before(frames, n), frame_at(frames, n));
}

static size_t first_bad(const struct frames *frames, size_t from)
{
    while (is_good(frames, from))
        from++;
    return from;
}

/* Behind the last commit in front of frame n: where its transaction begins. */
static size_t transaction_of(const struct frames *frames, size_t n)
{
    while (n > 0 && !is_commit(frame_at(frames, n - 1)))
        n--;
    return n;
}

/* From frame n on, of this log and not of an older one, whether they can be read or not. */
static uint64_t commits_from(const struct frames *frames, size_t n)
{
    uint64_t commits = 0;
    for (; n < frames->count; n++)
        commits += is_commit(frame_at(frames, n)) && has_salts(&frames->reading, frame_at(frames, n));
    return commits;
}

/* --- the word that makes a frame fit --- */

/* Where a word was changed by `change`, and how many words there are of which it could have been one. */
struct found {
    unsigned count;
    bool in_header; /* one of them is the page's number or the commit's mark */
    unsigned char *at;
    uint32_t change; /* of the last that was found */
};

static uint32_t inverse(uint32_t odd)
{
    uint32_t x = odd; /* right in 3 bits; each step doubles that */
    for (int i = 0; i < 4; i++)
        x *= 2 - odd * x;
    return x;
}

/* Whether a word that counts so in the two sums explains their difference. */
static bool explains(struct wal_sum weight, struct wal_sum difference, uint32_t *change)
{
    *change = weight.first & 1 ? difference.first * inverse(weight.first) : difference.second * inverse(weight.second);
    return *change != 0 && weight.first * *change == difference.first && weight.second * *change == difference.second;
}

/* One pair further from the end: what was added to the sums in front of it. */
static struct wal_sum weigh_more(struct wal_sum weight)
{
    uint32_t first = weight.first + weight.second;
    return (struct wal_sum){first, first + weight.second};
}

static unsigned char *summed_word(unsigned char *frame, size_t word)
{
    return word < 2 ? frame + 4 * word : frame + WAL_FRAME_HEADER_BYTES + 4 * (word - 2);
}

static void find_word(const struct frames *frames, size_t n, struct wal_sum difference, struct found *found)
{
    struct wal_sum even = {1, 1}, odd = {0, 1}; /* of the last pair; one of the two numbers is odd always */
    size_t pairs = (FRAME_SUMMED + (size_t)frames->reading.page_bytes) / PAIR_BYTES;
    for (size_t pair = pairs; pair-- > 0; even = weigh_more(even), odd = weigh_more(odd)) {
        for (size_t second = 0; second < 2; second++) {
            uint32_t change;
            if (!explains(second ? odd : even, difference, &change))
                continue;
            found->count++;
            found->in_header |= pair == 0;
            found->at = summed_word(frame_at(frames, n), 2 * pair + second);
            found->change = change;
        }
    }
}

/* --- mending a frame --- */

enum mended { TORN, EXACT, BY_A_LATER_ONE, LOST };

static bool ascends(const struct frames *frames, size_t from, size_t last)
{
    for (size_t n = from + 1; n <= last; n++)
        if (page_of(frame_at(frames, n)) <= page_of(frame_at(frames, n - 1)))
            return false;
    return true;
}

/* From this frame on all are good, to the commit of its transaction. */
static bool is_whole_from(const struct frames *frames, size_t n)
{
    size_t last = n;
    while (is_good(frames, last) && !is_commit(frame_at(frames, last)))
        last++;
    return is_good(frames, last) && ascends(frames, transaction_of(frames, n), last);
}

/* Whether what is in the frame now makes its transaction whole; else it is as it was. */
static bool keep_if_whole(const struct frames *frames, size_t n, const unsigned char *header, bool certain)
{
    if (is_good(frames, n) && (certain || is_whole_from(frames, n)))
        return true;
    memcpy(frame_at(frames, n), header, WAL_FRAME_HEADER_BYTES);
    return false;
}

/* Salts and sum are not summed: the frame itself, or the next one, tells that they are wrong. */
static bool mend_unsummed(const struct frames *frames, size_t n, bool certain)
{
    unsigned char header[WAL_FRAME_HEADER_BYTES], *frame = frame_at(frames, n);
    struct wal_sum sum = frame_sum(&frames->reading, sum_before(frames, n), frame);
    memcpy(header, frame, sizeof header);
    if (!has_salts(&frames->reading, frame)) {
        set_number(frame + FRAME_SALTS, frames->reading.salts[0]);
        set_number(frame + FRAME_SALTS + 4, frames->reading.salts[1]);
    } else {
        set_sum(frame + FRAME_SUM, sum);
        if (!is_good(frames, n + 1)) {
            memcpy(frame, header, sizeof header);
            return false;
        }
    }
    return keep_if_whole(frames, n, header, certain);
}

/* As if it were good: whether its transaction is there but for the word that was found. */
static bool would_be_whole(const struct frames *frames, size_t n, const struct found *found)
{
    if (found->in_header) /* its place in the order, or whether it ends the transaction, is not known then */
        return true;
    return is_commit(frame_at(frames, n)) ? ascends(frames, transaction_of(frames, n), n) : is_whole_from(frames, n + 1);
}

/* Nothing is behind it that would tell: one of the two words of its sum is another than what is summed gives. */
static bool mend_sum(const struct frames *frames, size_t n, struct wal_sum sum, bool certain)
{
    unsigned char header[WAL_FRAME_HEADER_BYTES], *frame = frame_at(frames, n);
    memcpy(header, frame, sizeof header);
    set_sum(frame + FRAME_SUM, sum);
    return keep_if_whole(frames, n, header, certain);
}

static bool mend_word(const struct frames *frames, size_t n, const struct found *found, bool certain)
{
    unsigned char *at = found->at;
    bool big = frames->reading.big_endian;
    uint32_t word = word_at(at, big);
    set_word(at, big, word + found->change);
    if (is_good(frames, n) && (certain || is_whole_from(frames, n)))
        return true;
    set_word(at, big, word);
    return false;
}

/* The page as it is in the last good frame behind it; what follows from no commit is not committed. */
static bool take_later(const struct frames *frames, size_t n)
{
    unsigned char *frame = frame_at(frames, n), *later = NULL, *newest = NULL;
    for (size_t i = n + 1; i < frames->count; i++) {
        if (!has_salts(&frames->reading, frame_at(frames, i)) || !is_good(frames, i))
            continue;
        if (page_of(frame_at(frames, i)) == page_of(frame))
            newest = frame_at(frames, i);
        if (is_commit(frame_at(frames, i)))
            later = newest;
    }
    if (later)
        memcpy(frame + WAL_FRAME_HEADER_BYTES, later + WAL_FRAME_HEADER_BYTES, frames->reading.page_bytes);
    return later != NULL;
}

static enum mended mend_frame(const struct frames *frames, size_t n)
{
    const unsigned char *frame = frame_at(frames, n);
    struct wal_sum before = sum_before(frames, n), stored = sum_at(frame + FRAME_SUM);
    struct wal_sum sum = frame_sum(&frames->reading, before, frame);
    struct found found = {0};
    bool certain = commits_from(frames, n) >= 2, salted = has_salts(&frames->reading, frame);
    if (mend_unsummed(frames, n, certain))
        return EXACT;
    if (salted)
        find_word(frames, n, (struct wal_sum){stored.first - sum.first, stored.second - sum.second}, &found);
    bool in_sum = salted && !is_good(frames, n + 1) && (stored.first == sum.first || stored.second == sum.second);
    bool one = found.count + in_sum == 1;
    if (one && (in_sum ? mend_sum(frames, n, sum, certain) : mend_word(frames, n, &found, certain)))
        return EXACT;
    bool proved = certain || (found.count + in_sum > 0 && would_be_whole(frames, n, &found));
    if (!proved)
        return TORN;
    return salted && !found.in_header && page_of(frame) != 0 && take_later(frames, n) ? BY_A_LATER_ONE : LOST;
}

/* --- mending the header --- */

static bool reads(const struct buf *log, struct wal_reading *reading)
{
    if (!wal_read_header(reading, log->data))
        return false;
    struct frames frames = frames_of(log, reading);
    return is_good(&frames, 0);
}

static bool try_word(struct buf *log, enum header_word word, uint32_t number)
{
    struct wal_reading reading;
    unsigned char *at = log->data + word;
    uint32_t was = number_at(at);
    set_number(at, number);
    if (reads(log, &reading))
        return true;
    set_number(at, was);
    return false;
}

/* The number that it had when its header was summed: it counts once in the first sum and twice in the second. */
static bool try_sequence(struct buf *log)
{
    unsigned char *at = log->data + SEQUENCE;
    bool big = number_at(log->data) == MAGIC_BIG;
    struct wal_sum sum = sum_over((struct wal_sum){0}, log->data, HEADER_SUMMED, big);
    unsigned char word[4];
    set_word(word, big, word_at(at, big) + sum_at(log->data + SUM).first - sum.first);
    return try_word(log, SEQUENCE, number_at(word));
}

static bool try_sum(struct buf *log)
{
    bool big = number_at(log->data) == MAGIC_BIG;
    struct wal_sum sum = sum_over((struct wal_sum){0}, log->data, HEADER_SUMMED, big);
    return try_word(log, SUM, sum.first) || try_word(log, SUM_2, sum.second);
}

/* Where one of its words is wrong, the first frame and what is always the same say which. */
static bool mend_header(struct buf *log)
{
    const unsigned char *first = log->data + WAL_HEADER_BYTES;
    uint32_t salt = number_at(first + FRAME_SALTS), salt_2 = number_at(first + FRAME_SALTS + 4);
    bool done = try_word(log, MAGIC, MAGIC_LITTLE) || try_word(log, MAGIC, MAGIC_BIG) || try_word(log, VERSION, FORMAT) ||
                try_word(log, SALT, salt) || try_word(log, SALT_2, salt_2) ||
                try_sequence(log) || try_sum(log);
    for (uint32_t bytes = PAGE_BYTES_MIN; !done && bytes <= WAL_PAGE_BYTES_MAX; bytes *= 2)
        done = try_word(log, PAGE_SIZE, bytes);
    return done;
}

/* Whatever the header says: how many commits follow from a frame in front of them. */
static uint64_t commits_without_header(const struct buf *log)
{
    const unsigned char *first = log->data + WAL_HEADER_BYTES;
    uint64_t most = 0;
    for (uint32_t bytes = PAGE_BYTES_MIN; bytes <= WAL_PAGE_BYTES_MAX; bytes *= 2) {
        for (int big = 0; big < 2; big++) {
            struct wal_reading reading = {.salts = {number_at(first + FRAME_SALTS), number_at(first + FRAME_SALTS + 4)},
                                          .page_bytes = bytes, .big_endian = big};
            struct frames frames = frames_of(log, &reading);
            uint64_t commits = frames.count ? commits_from(&frames, 0) : 0;
            /* The first one's salts are those it is asked for: that it is one shows only where something follows from it. */
            if (commits > most && (is_good(&frames, 0) || is_good(&frames, 1)))
                most = commits;
        }
    }
    return most;
}

/* --- all of it --- */

/* What took a page of a later one has no sum of its own; so everything up to there is summed again. */
static void sum_again(const struct frames *frames, size_t until)
{
    for (size_t n = 0; n < until; n++) {
        unsigned char *frame = frame_at(frames, n);
        set_sum(frame + FRAME_SUM, frame_sum(&frames->reading, sum_before(frames, n), frame));
    }
}

struct walk {
    size_t end; /* the first frame that is not read */
    bool mended, later, cut;
    uint64_t lost;
};

static struct walk walk(const struct frames *frames)
{
    struct walk walk = {.end = first_bad(frames, 0)};
    for (unsigned damaged = 0; walk.end < frames->count; damaged++) {
        enum mended mended = damaged < DAMAGED_MAX ? mend_frame(frames, walk.end) : LOST;
        walk.mended |= mended == EXACT || mended == BY_A_LATER_ONE;
        walk.later |= mended == BY_A_LATER_ONE;
        walk.cut = mended == LOST;
        if (mended == TORN || mended == LOST)
            break;
        walk.end = first_bad(frames, walk.end + 1);
    }
    if (walk.cut) {
        uint64_t commits = commits_from(frames, walk.end);
        walk.lost = commits ? commits : 1;
        walk.end = transaction_of(frames, walk.end);
    }
    return walk;
}

static struct wal_verdict mend_frames(struct buf *log, const struct wal_reading *reading)
{
    struct frames frames = frames_of(log, reading);
    struct walk done = walk(&frames);
    if (done.later)
        sum_again(&frames, done.end);
    if (done.later || done.cut) /* what is behind followed from other sums */
        log->len = WAL_HEADER_BYTES + done.end * frames.frame_bytes;
    return (struct wal_verdict){done.cut ? WAL_CUT : done.mended ? WAL_MENDED : WAL_WHOLE, done.lost};
}

static struct wal_verdict mend_without_header(struct buf *log)
{
    struct wal_reading reading;
    if (mend_header(log)) {
        ensure(wal_read_header(&reading, log->data));
        struct wal_verdict verdict = mend_frames(log, &reading);
        return (struct wal_verdict){verdict.state == WAL_WHOLE ? WAL_MENDED : verdict.state, verdict.lost};
    }
    uint64_t commits = commits_without_header(log);
    if (commits)
        buf_clear(log);
    return (struct wal_verdict){commits ? WAL_CUT : WAL_WHOLE, commits};
}

struct wal_verdict wal_mend(struct buf *log)
{
    struct wal_reading reading;
    if (log->len < WAL_HEADER_BYTES + WAL_FRAME_HEADER_BYTES + PAGE_BYTES_MIN)
        return (struct wal_verdict){WAL_WHOLE, 0};
    return wal_read_header(&reading, log->data) ? mend_frames(log, &reading) : mend_without_header(log);
}
