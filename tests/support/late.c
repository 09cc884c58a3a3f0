#include "tests/support/late.h"

#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "app/replica_parts.h"
#include "editor/base/xalloc.h"

struct replica *late_open(struct home *home)
{
    enum { SHOWN_STEPS = 10000 };
    return home_open_with(home, "notes.md", &(struct replica_options){.port = home_port(home),
                                                                      .name = "ada",
                                                                      .open_steps_max = SHOWN_STEPS,
                                                                      .fresh_ops_max = LATE_NO_CHECKPOINT});
}

void late_type_everywhere(struct replica *replica, const char *letter)
{
    struct patch patch = {0};
    struct error err = {0};
    for (uint64_t i = 0; i < LATE_PLACES; i++) {
        patch_retain(&patch, 2);
        patch_insert(&patch, bytes_of_string(letter));
    }
    assert_true(replica_edit(replica, &patch, selection_at(0), EDIT_WHOLE, &err));
    patch_release(&patch);
}

void late_write_file(const struct home *home)
{
    char *path = scratch_file(home->dir, "notes.md"), *text = xmalloc(2 * LATE_PLACES + 1);
    memset(text, '-', 2 * LATE_PLACES);
    text[2 * LATE_PLACES] = '\0';
    scratch_write(path, text);
    free(path);
    free(text);
}

bool late_is_whole(struct replica *replica, struct replica *other)
{
    (void)other;
    return !replica->unmerged;
}
