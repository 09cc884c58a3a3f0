#include "sync/walker_seen.h"

#include "editor/base/ensure.h"

static uint64_t bit_of(size_t piece)
{
    return (uint64_t)1 << piece % WALKER_WORD_BITS;
}

void walker_seen_begin(struct walker_seen *seen, size_t pieces)
{
    ensure(pieces <= WALKER_SEEN_MAX);
    seen->words = (pieces + WALKER_WORD_BITS - 1) / WALKER_WORD_BITS;
    for (size_t i = 0; i < seen->words; i++)
        seen->now.words[i] = 0;
}

void walker_seen_piece(struct walker_seen *seen, size_t piece)
{
    for (size_t i = 0; i < seen->words; i++)
        seen->of[piece].words[i] = 0;
    seen->of[piece].words[piece / WALKER_WORD_BITS] = bit_of(piece);
}

void walker_seen_parent(struct walker_seen *seen, size_t piece, size_t parent)
{
    ensure(parent < piece);
    for (size_t i = 0; i < seen->words; i++)
        seen->of[piece].words[i] |= seen->of[parent].words[i];
}

void walker_seen_move(struct walker_seen *seen, size_t piece, struct walker_set *leave, struct walker_set *enter)
{
    struct walker_set wanted = seen->of[piece];
    wanted.words[piece / WALKER_WORD_BITS] &= ~bit_of(piece);
    for (size_t i = 0; i < seen->words; i++) {
        leave->words[i] = seen->now.words[i] & ~wanted.words[i];
        enter->words[i] = wanted.words[i] & ~seen->now.words[i];
        seen->now.words[i] = seen->of[piece].words[i];
    }
}
