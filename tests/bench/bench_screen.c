/*
 * bench_screen - what one keystroke costs on its way to the terminal: frame built, compared, bytes written to a pty.
 *
 *     bench_screen [rounds]        prints microseconds of CPU (this thread) and bytes a key, for several windows and texts
 */
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ui/screen.h"
#include "ui/term.h"

enum scene { TYPE_AT_END, TYPE_IN_MIDDLE, TYPE_NON_ASCII, MOVE_DOWN, SCROLL, SCENE_COUNT };

static const char *const SCENE_NAMES[] = {"type at a line's end", "type in the middle of a line", "type among ideographs",
                                          "move the cursor",      "scroll by a line"};

struct bench {
    struct term *term;
    struct frame frame;
    struct view_model model;
    struct rope *rope;
    struct view_peer peers[4];
    int drain; /* the pty's other end */
};

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void drain(struct bench *bench)
{
    static char bytes[1 << 16];
    while (read(bench->drain, bytes, sizeof bytes) > 0)
        continue;
}

static struct rope *text_of(enum scene scene, int cols)
{
    struct buf text = {0};
    const char *word = scene == TYPE_NON_ASCII ? "\xe4\xb8\x96\xe7\x95\x8c " : "lorem ipsum ";
    for (int line = 0; line < 2000; line++) {
        buf_addf(&text, "%d: ", line);
        for (int col = 8; col < cols - 30; col += scene == TYPE_NON_ASCII ? 5 : 12)
            buf_add_string(&text, word);
        buf_add_byte(&text, '\n');
    }
    struct rope *rope = rope_from_bytes(buf_view(&text));
    buf_release(&text);
    return rope;
}

static void bench_open(struct bench *bench, enum scene scene, int rows, int cols)
{
    struct winsize window = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    struct error err = {0};
    int tty = -1;
    memset(bench, 0, sizeof *bench);
    if (openpty(&bench->drain, &tty, NULL, NULL, &window) != 0 || fcntl(bench->drain, F_SETFL, O_NONBLOCK) != 0)
        abort();
    bench->term = term_open(&(struct term_options){.fd = tty, .type = "xterm-256color"}, &err);
    if (!bench->term) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    bench->rope = text_of(scene, cols);
    bench->model.text = (struct view_text){.rope = bench->rope, .tab_width = 8, .line_numbers = true};
    bench->model.status = (struct view_status){.file = "notes.md", .kept = true, .sharing = VIEW_SHARED};
    for (size_t i = 0; i < 4; i++) {
        uint64_t at = rope_line_start(bench->rope, 1005 + i);
        bench->peers[i] = (struct view_peer){.name = "ada", .colour = (unsigned)i, .anchor = at, .head = at + 9,
                                             .has_cursor = true, .flag = true};
    }
    bench->model.peers = bench->peers;
    bench->model.peer_count = 4;
    uint64_t line = rope_line_start(bench->rope, 1020);
    uint64_t end = rope_line_end(bench->rope, 1020);
    bench->model.text.selection = selection_at(scene == TYPE_AT_END ? end : line + 6 + (end - line) / 12 * 6);
}

static void bench_close(struct bench *bench)
{
    drain(bench);
    term_close(bench->term);
    frame_release(&bench->frame);
    rope_free(bench->rope);
    close(bench->drain);
}

static void show(struct bench *bench)
{
    struct view_model *model = &bench->model;
    int rows = term_rows(bench->term);
    int cols = term_cols(bench->term);
    view_scroll_to(&model->text, screen_layout(model, rows, cols).text, &model->text.scroll);
    screen_draw(&bench->frame, rows, cols, model);
    term_draw(bench->term, &bench->frame);
    while (term_flush(bench->term) == TERM_PENDING)
        drain(bench);
}

static void act(struct bench *bench, enum scene scene)
{
    struct selection *selection = &bench->model.text.selection;
    uint64_t line = rope_line_at(bench->rope, selection->head);
    bool insert = scene == TYPE_AT_END || scene == TYPE_IN_MIDDLE || scene == TYPE_NON_ASCII;
    if (insert) {
        rope_insert(bench->rope, selection->head, bytes_of_string("x"));
        *selection = selection_at(selection->head + 1);
    } else if (scene == MOVE_DOWN) {
        *selection = selection_at(rope_line_start(bench->rope, line > 1030 ? 1000 : line + 1));
    } else {
        *selection = selection_at(rope_line_start(bench->rope, line > 1900 ? 1000 : line + 1));
        bench->model.text.scroll.line = line - 10;
    }
    bench->model.status.column++;
}

static void measure(enum scene scene, int rows, int cols, int rounds)
{
    struct bench bench;
    bench_open(&bench, scene, rows, cols);
    show(&bench);
    drain(&bench);
    uint64_t bytes = term_bytes_written(bench.term);
    double spent = 0;
    double worst = 0;
    for (int i = 0; i < rounds; i++) {
        /* Typing stays within a few characters, so that every round draws the same window. */
        bool back = i % 16 == 15 && scene <= TYPE_NON_ASCII;
        double before = cpu_us();
        if (back) {
            uint64_t head = bench.model.text.selection.head;
            rope_delete(bench.rope, head - 15, 15);
            bench.model.text.selection = selection_at(head - 15);
        } else {
            act(&bench, scene);
        }
        show(&bench);
        double us = cpu_us() - before;
        spent += us;
        worst = us > worst ? us : worst;
        drain(&bench);
    }
    bytes = term_bytes_written(bench.term) - bytes;
    printf("%3dx%-3d %-30s %8.1f us  worst %8.1f us  %7.1f bytes\n", cols, rows, SCENE_NAMES[scene], spent / rounds, worst,
           (double)bytes / rounds);
    bench_close(&bench);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 2000;
    if (rounds < 1)
        rounds = 1;
    for (int scene = 0; scene < SCENE_COUNT; scene++) {
        measure((enum scene)scene, 50, 200, rounds);
        measure((enum scene)scene, 24, 80, rounds);
    }
    return 0;
}
