/*
 * weft demo; and, hidden behind --pane, the people in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/demo.h"
#include "app/verb_list.h"
#include "app/verbs.h"

int verb_demo_run(struct env *env, const struct args *args)
{
    struct demo_pane pane = {.name = args_value(args, "--pane"), .file = args_value(args, "--file"),
                             .relay = args_value(args, "--relay")};
    const char *speed = args_value(args, "--speed");
    if (pane.name)
        return demo_pane_run(env, &pane);
    if (args->positional_count > 0) {
        fputs("weft demo: it takes no file; weft demo, weft demo --play, weft demo --fast\n", stderr);
        return EXIT_USAGE;
    }
    if (args_flag(args, "--fast"))
        return demo_run(env, DEMO_FAST, 1);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fputs("weft demo: it needs a terminal; weft demo --fast plays without one\n", stderr);
        return EXIT_FAILED;
    }
    int times = speed ? atoi(speed) : 1;
    return demo_run(env, args_flag(args, "--play") ? DEMO_PLAY : DEMO_PERSON, times > 0 ? (unsigned)times : 1);
}
