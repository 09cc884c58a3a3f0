/*
 * packing - columns of numbers and of bytes, as a saved document has them.
 *
 * Numbers that mean the same stand together, so that what they have in common can be left out. A column is two parts:
 *
 *      low    of each number a byte: itself below 240, else 239 + n
 *      high   of each such number, less 240, n bytes: big endian, as few as it takes, at least one
 *
 *      part   varint stored << 1 | packed; `stored` bytes: the part as it is, or packed (sync/compressor.h) where that is
 *             shorter
 *
 *   Ownership  zero-initialised a column is empty; number_column_release().
 *   Errors     bytes that are read are not trusted. A number that is not there, or in a longer form, fails the column, as
 *              with struct reader (editor/base/varint.h): from then on all are 0.
 *   Bounds     what is read takes at most COMPRESSOR_RATIO_MAX times the bytes it is read from.
 */
#ifndef WEFT_SYNC_PACKING_H
#define WEFT_SYNC_PACKING_H

#include "editor/base/varint.h"
#include "sync/compressor.h"

enum { NUMBER_LONG = 240 }; /* from here on a number has bytes in both parts */

/* Written with number_column_add(), or read once from packing_read_numbers() on. */
struct number_column {
    struct buf low, high;
    struct reader low_reader, high_reader;
};

void number_column_release(struct number_column *column);
void number_column_add(struct number_column *column, uint64_t number);
void number_column_add_signed(struct number_column *column, int64_t number); /* zigzag */
uint64_t number_column_next_long(struct number_column *column);              /* for number_column_next() */
static inline uint64_t number_column_next(struct number_column *column)
{
    struct reader *low = &column->low_reader;
    return low->at < low->end && *low->at < NUMBER_LONG ? *low->at++ : number_column_next_long(column);
}
static inline int64_t number_column_next_signed(struct number_column *column)
{
    uint64_t number = number_column_next(column);
    return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}
bool number_column_done(const struct number_column *column); /* all read and nothing failed */
/* The next numbers, at most `count`, for who reads many: a loop that does nothing else takes them out quicker. Gives how many. */
size_t number_column_take(struct number_column *column, uint64_t *numbers, size_t count);

void packing_add_part(struct compressor *compressor, struct buf *out, struct bytes plain);
void packing_add_numbers(struct compressor *compressor, struct buf *out, const struct number_column *columns,
                         size_t count);
/* Passes a part and tells how long it will be, as it says itself; nothing is unpacked. 0: it is none, or nothing. */
uint64_t packing_part_len(struct reader *reader);
/* Appends to `out`; false, and the reader has failed, when it is no part. */
MUST_USE bool packing_read_part(struct compressor *compressor, struct reader *reader, struct buf *out);
/* Into columns that are empty. */
MUST_USE bool packing_read_numbers(struct compressor *compressor, struct reader *reader, struct number_column *columns,
                                   size_t count);

#endif
