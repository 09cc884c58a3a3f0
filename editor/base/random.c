#include "editor/base/random.h"

#include "editor/base/ensure.h"

struct random random_of(uint64_t seed)
{
    return (struct random){seed};
}

uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    ensure(bound > 0);
    /* The bias of the remainder is below bound / 2^64: nothing a test or a retry could notice. */
    return random_next(random) % bound;
}

bool random_chance(struct random *random, uint64_t one_in)
{
    return random_below(random, one_in) == 0;
}
