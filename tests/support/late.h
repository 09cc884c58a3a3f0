/*
 * late - documents whose newest rows take long to merge: several windows wrote everywhere, none having seen another, and no
 * checkpoint has it. Whoever opens one sees its text before that is merged (app/replica_unmerged.h).
 */
#ifndef WEFT_TESTS_SUPPORT_LATE_H
#define WEFT_TESTS_SUPPORT_LATE_H

#include "tests/support/home.h"

enum {
    LATE_WINDOWS = 3,
    LATE_PLACES = 6000,          /* where each window types */
    LATE_NO_CHECKPOINT = 1000000 /* operations are worth one: as after a kill, all is merged again */
};

/* notes.md, with a person in front of it; of the merging fewer steps than what is left takes are done before it is shown. */
struct replica *late_open(struct home *home);
/* A letter behind each second byte, as one edit. */
void late_type_everywhere(struct replica *replica, const char *letter);
/* notes.md, of 2 * LATE_PLACES dashes. */
void late_write_file(const struct home *home);
/* All that was kept is in the text. */
home_condition late_is_whole;

#endif
