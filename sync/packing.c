#include "sync/packing.h"

enum { LOW_MAX = NUMBER_LONG - 1, HIGH_BYTES_MAX = 8 };
enum { PACKED_BYTES_MIN = 32 /* less is never worth a frame */ };

void number_column_release(struct number_column *column)
{
    buf_release(&column->low);
    buf_release(&column->high);
    *column = (struct number_column){0};
}

/* --- numbers --- */

static unsigned bytes_of_number(uint64_t number)
{
    unsigned count = 1;
    while (count < HIGH_BYTES_MAX && number >> (8 * count) > 0)
        count++;
    return count;
}

void number_column_add(struct number_column *column, uint64_t number)
{
    if (number <= LOW_MAX) {
        buf_add_byte(&column->low, (unsigned char)number);
        return;
    }
    uint64_t rest = number - NUMBER_LONG;
    unsigned count = bytes_of_number(rest);
    buf_add_byte(&column->low, (unsigned char)(LOW_MAX + count));
    unsigned char *high = buf_extend(&column->high, count);
    for (unsigned i = 0; i < count; i++)
        high[i] = (unsigned char)(rest >> (8 * (count - 1 - i)));
}

void number_column_add_signed(struct number_column *column, int64_t number)
{
    number_column_add(column, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

static uint64_t fail(struct number_column *column)
{
    column->low_reader.at = column->low_reader.end;
    reader_fail(&column->low_reader);
    return 0;
}

uint64_t number_column_next_long(struct number_column *column)
{
    unsigned low = read_byte(&column->low_reader), count = low - LOW_MAX;
    uint64_t rest = 0;
    if (column->low_reader.failed || low <= LOW_MAX || count > HIGH_BYTES_MAX)
        return fail(column);
    struct bytes high = read_bytes(&column->high_reader, count);
    for (size_t i = 0; i < high.len; i++)
        rest = rest << 8 | high.data[i];
    bool has_shorter_form = count > 1 && rest >> (8 * (count - 1)) == 0;
    if (column->high_reader.failed || has_shorter_form || rest > UINT64_MAX - NUMBER_LONG)
        return fail(column);
    return rest + NUMBER_LONG;
}

size_t number_column_take(struct number_column *column, uint64_t *numbers, size_t count)
{
    struct reader *low = &column->low_reader;
    size_t left = (size_t)(low->end - low->at), most = count < left ? count : left, taken = 0;
    while (taken < most && !low->failed) {
        const unsigned char *from = low->at - taken; /* a number has one byte here */
        for (; taken < most && from[taken] < NUMBER_LONG; taken++)
            numbers[taken] = from[taken];
        low->at = from + taken;
        if (taken < most)
            numbers[taken++] = number_column_next_long(column);
    }
    return taken;
}

bool number_column_done(const struct number_column *column)
{
    return reader_done(&column->low_reader) && reader_done(&column->high_reader);
}

/* --- parts --- */

void packing_add_part(struct compressor *compressor, struct buf *out, struct bytes plain)
{
    struct buf packed = {0};
    bool is_packed = plain.len >= PACKED_BYTES_MIN && compressor_pack(compressor, plain, &packed);
    struct bytes stored = is_packed ? buf_view(&packed) : plain;
    buf_add_varint(out, (uint64_t)stored.len << 1 | is_packed);
    buf_add_bytes(out, stored);
    buf_release(&packed);
}

void packing_add_numbers(struct compressor *compressor, struct buf *out, const struct number_column *columns,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        packing_add_part(compressor, out, buf_view(&columns[i].low));
        packing_add_part(compressor, out, buf_view(&columns[i].high));
    }
}

/* A part as it is stored; false, and the reader has failed, when it is none. */
static bool read_stored(struct reader *reader, struct bytes *stored, bool *packed)
{
    uint64_t coded = read_varint(reader), len = coded >> 1;
    if (reader->failed || len > reader_left(reader)) {
        reader_fail(reader);
        return false;
    }
    *stored = read_bytes(reader, (size_t)len);
    *packed = coded & 1;
    return true;
}

uint64_t packing_part_len(struct reader *reader)
{
    struct bytes stored;
    bool packed;
    if (!read_stored(reader, &stored, &packed))
        return 0;
    return packed ? compressor_content_len(stored) : stored.len;
}

bool packing_read_part(struct compressor *compressor, struct reader *reader, struct buf *out)
{
    struct bytes stored;
    bool packed;
    if (!read_stored(reader, &stored, &packed))
        return false;
    if (!packed) {
        buf_reserve(out, stored.len);
        buf_add_bytes(out, stored);
    } else if (!compressor_unpack(compressor, stored, out)) {
        reader_fail(reader);
    }
    return !reader->failed;
}

bool packing_read_numbers(struct compressor *compressor, struct reader *reader, struct number_column *columns,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct number_column *column = &columns[i];
        if (!packing_read_part(compressor, reader, &column->low) ||
            !packing_read_part(compressor, reader, &column->high))
            return false;
        column->low_reader = reader_of(buf_view(&column->low));
        column->high_reader = reader_of(buf_view(&column->high));
    }
    return true;
}
