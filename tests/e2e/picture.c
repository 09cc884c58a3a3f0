/* README's picture: `weft demo --play` at the moment of the merge. Usage: demo_picture FILE.svg */
#include "tests/support/support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/picture.h"
#include "tests/support/stage.h"

enum { ROWS = 20, COLS = 80 };

static void the_moment_of_the_merge(void **state)
{
    const char *path = *state;
    struct stage *stage = stage_new();
    struct vt *vt = stage_weft_sized(stage, "ada", ROWS, COLS, (const char *[]){"demo", "--play", "--speed", "6", NULL});
    vt_expect(vt, " cut ");
    vt_expect(vt, "kill -9");
    vt_expect_gone(vt, " cut ");
    vt_expect(vt, "Back: sent 6"); /* yours */
    vt_expect(vt, "Back: sent 1"); /* Lin's */
    vt_expect(vt, "changed by both of you.");
    FILE *out = fopen(path, "w");
    if (!out || !picture_write(vt, "weft demo: the cable is whole again, both panes show the merged text", out))
        fail_msg("cannot write %s: %s", path, strerror(errno));
    fclose(out);
    vt_free(vt);
    stage_free(stage);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(the_moment_of_the_merge, argv[1])};
    if (argc == 2)
        return RUN_TESTS("picture", tests);
    fprintf(stderr, "usage: %s FILE.svg\n", argv[0]);
    return 2;
}
