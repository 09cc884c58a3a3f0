/*
 * weft apply: scripts and bots take part. One JSON object a line on standard input, applied to the text as it is then.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/edit_line.h"
#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    CLOSE_MS = 1000,
    CLOSE_POSTING_MS = 10000, /* when who joins will be glad of it */
    LINE_BYTES_MAX = 8 << 20,
    READ_BYTES = 1 << 16,
};

struct applying {
    struct replica *replica;
    struct buf input;      /* read and not applied */
    size_t input_at;
    bool input_ended;
    uint64_t line;         /* number of the last line taken */
    uint64_t gap_us, next_us; /* --rate */
};

/* --- one line --- */

/* Of text that is not UTF-8 every byte stands alone, so all of it can be edited by bytes. */
static bool is_inside_character(const struct rope *text, uint64_t at)
{
    enum { AROUND = UTF8_BYTES_MAX - 1 };
    unsigned char around[2 * AROUND];
    size_t before = at < AROUND ? (size_t)at : AROUND;
    uint64_t behind = rope_len(text) - at;
    size_t len = before + (behind < AROUND ? (size_t)behind : AROUND);
    rope_read(text, at - before, len, around);
    for (size_t start = 0; start < before; start++) {
        uint32_t code;
        if (start + utf8_decode(bytes_of(around + start, len - start), &code) > before)
            return true;
    }
    return false;
}

static bool keeps_characters(const struct rope *text, const struct edit_line *edit, struct error *err)
{
    unsigned long long at = edit->at, end = edit->at + edit->deleted;
    if (is_inside_character(text, at))
        return error_set(err, ERR_FORMAT, 0, "byte %llu is inside a character", at);
    return !is_inside_character(text, end) ||
           error_set(err, ERR_FORMAT, 0, "the deletion ends at byte %llu, which is inside a character", end);
}

static bool apply_line(struct applying *applying, struct bytes line, struct error *err)
{
    const struct rope *text = replica_buffer(applying->replica)->text;
    struct edit_line edit;
    bool parsed = edit_line_parse(line, rope_len(text), &edit, err);
    bool good = parsed && keeps_characters(text, &edit, err);
    if (good) {
        struct patch patch = {0};
        patch_replace(&patch, edit.at, edit.deleted, bytes_of_string(edit.insert));
        good = replica_edit(applying->replica, &patch, selection_at(edit.at + strlen(edit.insert)), EDIT_WHOLE, err);
        patch_release(&patch);
    }
    if (parsed)
        edit_line_release(&edit);
    return good || error_wrap(err, "line %llu was not applied, nor any after it", (unsigned long long)applying->line);
}

/* --- the input --- */

static bool read_input(struct applying *applying, struct error *err)
{
    unsigned char *into = buf_extend(&applying->input, READ_BYTES);
    ssize_t got = read(STDIN_FILENO, into, READ_BYTES);
    applying->input.len -= READ_BYTES - (got > 0 ? (size_t)got : 0);
    if (got < 0 && errno != EINTR)
        return error_errno(err, "cannot read standard input");
    applying->input_ended = got == 0;
    return true;
}

/* The next whole line, without its end; the last one may lack it. False: none yet. */
static bool next_line(struct applying *applying, struct bytes *line)
{
    struct buf *input = &applying->input;
    size_t left = input->len - applying->input_at;
    const unsigned char *start = left ? input->data + applying->input_at : NULL;
    const unsigned char *end = left ? memchr(start, '\n', left) : NULL;
    if (!end && !(applying->input_ended && left))
        return false;
    *line = bytes_of(start, end ? (size_t)(end - start) : left);
    applying->input_at += line->len + (end != NULL);
    applying->line++;
    return true;
}

static void forget_applied(struct applying *applying)
{
    struct buf *input = &applying->input;
    if (applying->input_at == 0)
        return;
    memmove(input->data, input->data + applying->input_at, input->len - applying->input_at);
    input->len -= applying->input_at;
    applying->input_at = 0;
}

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

/* Applies what is there, as fast as --rate allows, but lets go now and then: others write too. */
static bool apply_lines(struct applying *applying, struct error *err)
{
    enum { LINES_A_TURN = 256 };
    struct bytes line;
    for (int n = 0; n < LINES_A_TURN; n++) {
        uint64_t now_us = net_now_ms() * 1000;
        if ((applying->gap_us && now_us < applying->next_us) || !next_line(applying, &line))
            break;
        if (is_blank(line))
            continue;
        applying->next_us = (applying->next_us > now_us ? applying->next_us : now_us) + applying->gap_us;
        if (!apply_line(applying, line, err))
            return false;
    }
    forget_applied(applying);
    if (applying->input.len > LINE_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "line %llu is longer than %d MiB", (unsigned long long)applying->line + 1,
                         LINE_BYTES_MAX >> 20);
    return true;
}

static bool has_line(const struct applying *applying)
{
    return applying->input.len > 0 &&
           (applying->input_ended || memchr(applying->input.data, '\n', applying->input.len));
}

static void wait_for_more(struct applying *applying)
{
    bool ready = has_line(applying);
    struct pollfd fds[] = {{.fd = replica_fd(applying->replica), .events = POLLIN},
                           {.fd = applying->input_ended || ready ? -1 : STDIN_FILENO, .events = POLLIN}};
    uint64_t now_us = net_now_ms() * 1000;
    enum { WAIT_MS = 200 };
    int wait_ms = WAIT_MS;
    if (ready)
        wait_ms = applying->gap_us && applying->next_us > now_us ? (int)((applying->next_us - now_us + 999) / 1000) : 0;
    wait_ms = wait_ms < WAIT_MS ? wait_ms : WAIT_MS;
    (void)poll(fds, 2, replica_wait_ms(applying->replica, net_now_ms(), wait_ms));
}

static bool apply_all(struct applying *applying, struct error *err)
{
    while (!applying->input_ended || applying->input.len > 0) {
        wait_for_more(applying);
        replica_handle(applying->replica);
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        bool wants = !applying->input_ended && !has_line(applying) && poll(&input, 1, 0) > 0;
        if ((wants && !read_input(applying, err)) || !apply_lines(applying, err))
            return false;
    }
    return true;
}

/* --- the verb --- */

static bool parse_rate(const char *text, uint64_t *gap_us, struct error *err)
{
    char *end;
    double rate = text ? strtod(text, &end) : 0;
    if (text && (*end || !(rate > 0 && rate <= 1e6)))
        return error_set(err, ERR_USAGE, 0, "--rate takes edits a second, more than 0, not %s", text);
    *gap_us = text ? (uint64_t)(1e6 / rate) : 0;
    return true;
}

int verb_apply_run(struct env *env, const struct args *args)
{
    struct error err = {0}, closing = {0};
    struct applying applying = {0};
    if (args->positional_count != 1) {
        fputs("weft apply: name one: weft apply LINK|FILE\n", stderr);
        return EXIT_USAGE;
    }
    if (!parse_rate(args_value(args, "--rate"), &applying.gap_us, &err))
        return verb_fail("apply", &err);
    struct target target = {.verb = "apply", .word = args->positional[0], .insecure = args_flag(args, "--insecure"),
                            .name = args_value(args, "--name"), .no_save = args_flag(args, "--no-save")};
    applying.replica = target_open_to_write(env, &target, &err);
    if (!applying.replica)
        return verb_fail("apply", &err);
    bool good = apply_all(&applying, &err);
    struct error settling = {0};
    /* What came before a bad line stands, so it is waited for too. */
    if (!target_settle_written(applying.replica, &target, good ? &err : &settling))
        good = false;
    bool posts = good && replica_post_last(applying.replica);
    if (!replica_close(applying.replica, posts ? CLOSE_POSTING_MS : CLOSE_MS, NULL, &closing) && good) {
        err = closing;
        good = false;
    }
    buf_release(&applying.input);
    return good ? EXIT_OK : verb_fail("apply", &err);
}
