/*
 * scene - a random history that both the engine and the naive model are told: few people or a crowd, runs out of range, merges.
 */
#ifndef WEFT_TESTS_SCENE_H
#define WEFT_TESTS_SCENE_H

#include "editor/base/random.h"
#include "tests/support/history.h"
#include "tests/support/naive.h"

enum { SCENE_AGENTS_MAX = 40, SCENE_AGENTS_FEW = 5, SCENE_ACTS_MAX = 80, SCENE_PARENTS_MAX = 4 };

/* An event, counted back from the last one of an act. */
struct scene_point {
    size_t act;
    uint64_t back;
};

/* One operation of the scenario: what both models are told. */
struct scene_act {
    unsigned char agent;
    uint64_t seq;
    struct scene_point parents[SCENE_PARENTS_MAX];
    size_t parent_count;
    struct history_op op;
    char text[8];
    size_t first; /* of its events in the naive model */
};

struct scene {
    struct random *random;
    struct naive *naive; /* the caller frees it */
    struct scene_act acts[SCENE_ACTS_MAX];
    size_t count;
    size_t agents;
    bool crowded;                   /* they are many and write at the start */
    bool backward;                  /* each types in front of what he typed before */
    size_t line;                    /* so many acts are the first agent's, one after the other */
    bool apart;                     /* the even ones hear all of each other and nothing of the odd ones, and the other way round */
    size_t heads[SCENE_AGENTS_MAX]; /* each agent's newest act + 1; 0: none */
    uint64_t seqs[SCENE_AGENTS_MAX];
    char base[16];
};

void scene_make(struct scene *scene, struct random *random);
/* Many who hardly know of each other, all at one place. */
void scene_make_crowded(struct scene *scene, struct random *random);
/* A few who type backwards at one place, byte by byte or word by word, and now and then hear of each other. */
void scene_make_backward(struct scene *scene, struct random *random);
/* Two sides that never hear of each other, of a few people each who take turns. */
void scene_make_apart(struct scene *scene, struct random *random);
size_t scene_last_event(const struct scene_act *act); /* in the naive model */

/* A line by one of them; then also others go on, each from somewhere in it, and now and then hear of each other. */
void scene_make_line(struct scene *scene, struct random *random);

/* An order in which the acts may come: parents first. */
void scene_shuffle(const struct scene *scene, size_t *order);
/* Tells the engine an act. last_lv: of each act, where its last event went. */
void scene_tell(const struct scene *scene, struct history *history, size_t index, uint64_t *last_lv);
/* All of them in such an order, into a new history. */
void scene_tell_all(struct scene *scene, struct history *history, uint64_t *last_lv);
/* That this is the naive model's text of the version with these acts. */
void scene_expect(const struct scene *scene, const size_t *acts, size_t count, struct bytes text);
/* All were told and walked: that what is noted as void is what is void in the naive model. */
void scene_expect_void(const struct scene *scene, const struct history *history, const uint64_t *last_lv);

#endif
