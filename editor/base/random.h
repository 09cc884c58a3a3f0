/*
 * random - a small seeded generator for what need not be secret: retry jitter, property tests, simulations.
 *
 * SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): the same seed gives the
 * same sequence everywhere. Keys and nonces come from sync/crypto.h, never from here.
 */
#ifndef WEFT_EDITOR_BASE_RANDOM_H
#define WEFT_EDITOR_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

struct random random_of(uint64_t seed);
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* 0 .. bound-1; bound > 0 */
bool random_chance(struct random *random, uint64_t one_in);    /* true once in `one_in` on average */

#endif
