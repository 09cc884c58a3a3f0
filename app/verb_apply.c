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
    LINE_BYTES_MAX = 8 << 20,
    READ_BYTES = 1 << 16,
    SETTLE_MS = 60000,
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
    (void)poll(fds, 2, wait_ms < WAIT_MS ? wait_ms : WAIT_MS);
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

static struct replica *open_target(struct env *env, const struct args *args, struct error *err)
{
    const char *word = args->positional[0];
    struct replica_options options = {.port = target_port("apply"), .name = args_value(args, "--name"),
                                      .insecure = args_flag(args, "--insecure"), .scripted = true};
    if (!target_is_link(word)) {
        struct replica *replica = replica_open(env, word, (struct bytes){0}, &options, err);
        if (replica && replica_is_shared(replica) && !replica_share(replica, NULL, err))
            verb_say("apply", err->text); /* its room is away: the journal keeps the edits */
        return replica;
    }
    struct share_link link;
    if (!target_parse_link(word, options.insecure, &link, err))
        return NULL;
    options.is_private = options.awaited = true;
    struct replica *replica = replica_join(env, &link, NULL, &options, err);
    share_link_wipe(&link);
    return replica;
}

static bool is_kept(struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return status.kept && status.edits_in_memory == 0;
}

/* For a file it is the journal that acknowledges, and the file is written unless an editor has it open. */
static bool settle_file(struct replica *replica, bool save, struct error *err)
{
    uint64_t until_ms = net_now_ms() + SETTLE_MS;
    while (!is_kept(replica)) {
        if (net_now_ms() > until_ms)
            return error_set(err, ERR_FULL, 0, "the journal does not take the edits");
        replica_wait(replica, 20);
    }
    if (!save || replica_has_neighbours(replica))
        return true;
    for (until_ms = net_now_ms() + SETTLE_MS; replica_looks_at_file(replica) && net_now_ms() < until_ms;)
        replica_wait(replica, 20);
    struct buf question = {0};
    bool asks = replica_disk_question(replica, &question) != DISK_QUESTION_NONE;
    if (asks)
        error_set(err, ERR_BUSY, 0, "the edits are kept, the file is not written: %s", buf_string(&question));
    buf_release(&question);
    if (asks)
        return false;
    replica_catch_up(replica); /* what another script has written goes into the file as well */
    return replica_save_now(replica, NULL, err);
}

static bool settle(struct replica *replica, const struct args *args, struct error *err)
{
    if (!target_is_link(args->positional[0]))
        return settle_file(replica, !args_flag(args, "--no-save"), err);
    return target_settle(replica, SETTLE_MS, err) == TARGET_DONE ||
           error_wrap(err, "not everything was acknowledged by the relay");
}

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
    applying.replica = open_target(env, args, &err);
    if (!applying.replica)
        return verb_fail("apply", &err);
    bool is_link = target_is_link(args->positional[0]);
    bool reached = !is_link ? target_exists(applying.replica, args->positional[0], &err)
                            : target_arrive(applying.replica, &err) == TARGET_DONE;
    bool good = reached && apply_all(&applying, &err);
    struct error settling = {0};
    /* What came before a bad line stands, so it is waited for too. */
    if (reached && !settle(applying.replica, args, good ? &err : &settling))
        good = false;
    if (!replica_close(applying.replica, 1000, NULL, &closing) && good) {
        err = closing;
        good = false;
    }
    buf_release(&applying.input);
    return good ? EXIT_OK : verb_fail("apply", &err);
}
