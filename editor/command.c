#include "editor/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/column.h"

/* --- lines --- */

static uint64_t line_start_of(const struct rope *text, uint64_t at)
{
    return rope_line_start(text, rope_line_at(text, at));
}

/* Where the caret can stand last on a line: in front of the CR of a CR LF. */
static uint64_t line_caret_end(const struct rope *text, uint64_t line)
{
    uint64_t start = rope_line_start(text, line);
    uint64_t end = rope_line_end(text, line);
    bool ends_crlf = end < rope_len(text) && end > start && rope_byte(text, end - 1) == '\r';
    return ends_crlf ? end - 1 : end;
}

static bool is_blank(int byte)
{
    return byte == ' ' || byte == '\t';
}

static uint64_t skip_blanks(const struct rope *text, uint64_t at, uint64_t end)
{
    while (at < end && is_blank(rope_byte(text, at)))
        at++;
    return at;
}

static bool line_is_blank(const struct rope *text, uint64_t line)
{
    uint64_t end = line_caret_end(text, line);
    return skip_blanks(text, rope_line_start(text, line), end) == end;
}

/* The lines that a selection touches. One that ends at a line's very start does not touch that line. */
struct line_span {
    uint64_t first, last;
};

static struct line_span lines_touched(const struct command_in *in)
{
    uint64_t start = selection_start(in->selection), end = selection_end(in->selection);
    struct line_span span = {rope_line_at(in->text, start), rope_line_at(in->text, end)};
    if (span.last > span.first && rope_line_start(in->text, span.last) == end)
        span.last--;
    return span;
}

/* Where the lines of a span begin and where the next one does. */
static uint64_t span_start(const struct rope *text, struct line_span span)
{
    return rope_line_start(text, span.first);
}

static uint64_t span_end(const struct rope *text, struct line_span span)
{
    return span.last + 1 < rope_lines(text) ? rope_line_start(text, span.last + 1) : rope_len(text);
}

/* --- characters and words --- */

static uint32_t code_at(const struct rope *text, uint64_t at)
{
    unsigned char raw[UTF8_BYTES_MAX];
    uint64_t left = rope_len(text) - at;
    size_t len = left < sizeof raw ? (size_t)left : sizeof raw;
    rope_read(text, at, len, raw);
    uint32_t code;
    utf8_decode(bytes_of(raw, len), &code);
    return code;
}

static enum char_class class_at(const struct rope *text, uint64_t at)
{
    return char_class_of(code_at(text, at));
}

static uint64_t word_right(const struct rope *text, uint64_t at)
{
    uint64_t len = rope_len(text);
    if (at == len)
        return at;
    enum char_class first = class_at(text, at);
    at = rope_cluster_next(text, at);
    while (first != CHAR_NEWLINE && at < len && class_at(text, at) == first)
        at = rope_cluster_next(text, at);
    while (at < len && class_at(text, at) == CHAR_SPACE)
        at = rope_cluster_next(text, at);
    return at;
}

static uint64_t word_left(const struct rope *text, uint64_t at)
{
    while (at > 0 && class_at(text, rope_cluster_prev(text, at)) == CHAR_SPACE)
        at = rope_cluster_prev(text, at);
    if (at == 0)
        return 0;
    at = rope_cluster_prev(text, at);
    enum char_class first = class_at(text, at);
    while (first != CHAR_NEWLINE && at > 0) {
        uint64_t before = rope_cluster_prev(text, at);
        if (class_at(text, before) != first)
            break;
        at = before;
    }
    return at;
}

/* --- motions --- */

static void move_to(const struct command_in *in, struct command_result *result, uint64_t at, int64_t goal)
{
    result->kind = COMMAND_KIND_MOTION;
    result->selection.head = at;
    result->selection.anchor = in->extend ? in->selection.anchor : at;
    result->selection.goal = goal;
}

static void move_sideways(const struct command_in *in, struct command_result *result, bool right)
{
    uint64_t at = in->selection.head;
    /* An arrow without Shift drops a selection at that side of it, as everywhere else. */
    if (!in->extend && !selection_is_empty(in->selection))
        at = right ? selection_end(in->selection) : selection_start(in->selection);
    else
        at = right ? rope_cluster_next(in->text, at) : rope_cluster_prev(in->text, at);
    move_to(in, result, at, SELECTION_NO_GOAL);
}

static void move_lines(const struct command_in *in, struct command_result *result, int64_t by)
{
    const struct rope *text = in->text;
    uint64_t line = rope_line_at(text, in->selection.head);
    uint64_t last = rope_lines(text) - 1;
    int64_t goal = in->selection.goal;
    if (goal == SELECTION_NO_GOAL)
        goal = (int64_t)column_of(text, rope_line_start(text, line), in->selection.head, in->tab_width);
    uint64_t at;
    if (by < 0 && line == 0)
        at = 0;
    else if (by > 0 && line == last)
        at = rope_len(text);
    else {
        uint64_t distance = by < 0 ? (uint64_t)-by : (uint64_t)by;
        uint64_t target = by < 0 ? (distance > line ? 0 : line - distance)
                                 : (distance > last - line ? last : line + distance);
        at = column_find(text, rope_line_start(text, target), line_caret_end(text, target), (uint64_t)goal,
                         in->tab_width);
    }
    move_to(in, result, at, goal);
}

static void move_line_start(const struct command_in *in, struct command_result *result)
{
    uint64_t line = rope_line_at(in->text, in->selection.head);
    uint64_t start = rope_line_start(in->text, line);
    uint64_t text_at = skip_blanks(in->text, start, line_caret_end(in->text, line));
    move_to(in, result, in->selection.head == text_at ? start : text_at, SELECTION_NO_GOAL);
}

static void move_paragraph(const struct command_in *in, struct command_result *result, bool down)
{
    uint64_t last = rope_lines(in->text) - 1;
    uint64_t line = rope_line_at(in->text, in->selection.head);
    uint64_t edge = down ? last : 0;
    while (line != edge && line_is_blank(in->text, line))
        line += down ? 1 : (uint64_t)-1;
    while (line != edge && !line_is_blank(in->text, line))
        line += down ? 1 : (uint64_t)-1;
    bool at_end = line == last && down && !line_is_blank(in->text, line);
    move_to(in, result, at_end ? rope_len(in->text) : rope_line_start(in->text, line), SELECTION_NO_GOAL);
}

static void select_all(const struct command_in *in, struct command_result *result)
{
    result->kind = COMMAND_KIND_MOTION;
    result->selection = (struct selection){0, rope_len(in->text), SELECTION_NO_GOAL};
}

/* Reads "12", "12:5" or "-1"; false when it is none of these. */
static bool parse_line_column(struct bytes argument, long long *line, long long *column)
{
    char text[64];
    if (argument.len == 0 || argument.len >= sizeof text)
        return false;
    memcpy(text, argument.data, argument.len);
    text[argument.len] = '\0';
    char *end;
    *line = strtoll(text, &end, 10);
    *column = 1;
    if (end == text)
        return false;
    if (*end == ':' || *end == ',') {
        char *column_text = end + 1;
        *column = strtoll(column_text, &end, 10);
        if (end == column_text)
            *column = 1;
    }
    while (*end == ' ')
        end++;
    return *end == '\0' && *column >= 1;
}

static void go_line(const struct command_in *in, struct command_result *result)
{
    long long line, column;
    if (!parse_line_column(in->argument, &line, &column)) {
        result->message = "Go to line: type a line, or LINE:COLUMN.";
        return;
    }
    uint64_t lines = rope_lines(in->text);
    uint64_t target;
    if (line < 0) /* two's complement of the most negative number is still its magnitude */
        target = 0 - (uint64_t)line > lines ? 0 : lines - (0 - (uint64_t)line);
    else
        target = line == 0 ? 0 : (uint64_t)line > lines ? lines - 1 : (uint64_t)line - 1;
    uint64_t at = rope_line_start(in->text, target), end = line_caret_end(in->text, target);
    for (long long i = 1; i < column && at < end; i++)
        at = rope_cluster_next(in->text, at);
    move_to(in, result, at, SELECTION_NO_GOAL);
}

static void find(const struct command_in *in, struct command_result *result, bool back)
{
    if (in->argument.len == 0) {
        result->message = "Nothing to find.";
        return;
    }
    uint64_t start = selection_start(in->selection);
    uint64_t from = selection_is_empty(in->selection) ? start : start + 1;
    uint64_t at = back ? rope_find_back(in->text, in->argument, start)
                       : rope_find(in->text, in->argument, from < rope_len(in->text) ? from : rope_len(in->text));
    if (at == UINT64_MAX) {
        at = back ? rope_find_back(in->text, in->argument, rope_len(in->text)) : rope_find(in->text, in->argument, 0);
        result->message = at == UINT64_MAX ? "Not found." : back ? "Found again from the end." : "Found again from the top.";
    }
    if (at == UINT64_MAX)
        return;
    result->selection = (struct selection){at, at + in->argument.len, SELECTION_NO_GOAL};
}

/* --- edits --- */

static void replace_range(struct command_result *result, uint64_t start, uint64_t end, struct bytes text,
                          enum command_kind kind)
{
    patch_replace(&result->patch, start, end - start, text);
    result->kind = kind;
    result->selection = selection_at(start + text.len);
}

static void insert(const struct command_in *in, struct command_result *result)
{
    bool replaces = !selection_is_empty(in->selection);
    replace_range(result, selection_start(in->selection), selection_end(in->selection), in->argument,
                  replaces ? COMMAND_KIND_EDIT : COMMAND_KIND_TYPING);
}

static void newline(const struct command_in *in, struct command_result *result)
{
    const struct rope *text = in->text;
    uint64_t start = selection_start(in->selection);
    uint64_t line = rope_line_at(text, start);
    uint64_t line_at = rope_line_start(text, line);
    /* The line end of a neighbour decides: this line's own, else the one above. */
    uint64_t end = rope_line_end(text, line);
    uint64_t sample = end < rope_len(text) ? end : line_at > 0 ? line_at - 1 : 0;
    bool crlf = sample > 0 && rope_byte(text, sample) == '\n' && rope_byte(text, sample - 1) == '\r';
    struct buf inserted = {0};
    buf_add_string(&inserted, crlf ? "\r\n" : "\n");
    rope_append_to(text, line_at, skip_blanks(text, line_at, start) - line_at, &inserted);
    replace_range(result, start, selection_end(in->selection), buf_view(&inserted), COMMAND_KIND_EDIT);
    buf_release(&inserted);
}

static void add_indent(const struct command_in *in, struct buf *out, uint64_t column)
{
    if (in->indent_spaces == 0) {
        buf_add_byte(out, '\t');
        return;
    }
    uint64_t step = (uint64_t)in->indent_spaces;
    for (uint64_t i = column % step; i < step; i++)
        buf_add_byte(out, ' ');
}

/* Keeps the lines selected that were, from their first byte to where the last one ends now. */
static struct selection select_lines(const struct command_in *in, struct line_span span, const struct patch *patch)
{
    bool forward = in->selection.anchor <= in->selection.head;
    uint64_t start = span_start(in->text, span);
    uint64_t end = patch_map(patch, span_end(in->text, span), GRAVITY_LEFT);
    return (struct selection){forward ? start : end, forward ? end : start, SELECTION_NO_GOAL};
}

static void indent_lines(const struct command_in *in, struct command_result *result, struct line_span span)
{
    struct buf indent = {0};
    add_indent(in, &indent, 0);
    uint64_t done = 0;
    for (uint64_t line = span.first; line <= span.last; line++) {
        uint64_t at = rope_line_start(in->text, line);
        if (line_is_blank(in->text, line))
            continue;
        patch_retain(&result->patch, at - done);
        patch_insert(&result->patch, buf_view(&indent));
        done = at;
    }
    buf_release(&indent);
    result->kind = COMMAND_KIND_EDIT;
    result->selection = select_lines(in, span, &result->patch);
}

static void tab(const struct command_in *in, struct command_result *result)
{
    struct line_span span = lines_touched(in);
    if (!selection_is_empty(in->selection) && span.last > span.first) {
        indent_lines(in, result, span);
        return;
    }
    struct buf indent = {0};
    uint64_t start = selection_start(in->selection);
    add_indent(in, &indent, column_of(in->text, line_start_of(in->text, start), start, in->tab_width));
    replace_range(result, start, selection_end(in->selection), buf_view(&indent), COMMAND_KIND_TYPING);
    buf_release(&indent);
}

/* How many bytes one indentation takes at the line's start. */
static uint64_t indent_len(const struct command_in *in, uint64_t line)
{
    uint64_t start = rope_line_start(in->text, line), end = line_caret_end(in->text, line);
    if (start < end && rope_byte(in->text, start) == '\t')
        return 1;
    uint64_t width = (uint64_t)(in->indent_spaces ? in->indent_spaces : in->tab_width);
    uint64_t len = 0;
    while (len < width && start + len < end && rope_byte(in->text, start + len) == ' ')
        len++;
    /* A tab behind too few blanks makes up the rest of the same step. */
    bool tab = len < width && start + len < end && rope_byte(in->text, start + len) == '\t';
    return len + tab;
}

static void untab(const struct command_in *in, struct command_result *result)
{
    struct line_span span = lines_touched(in);
    uint64_t done = 0;
    for (uint64_t line = span.first; line <= span.last; line++) {
        uint64_t at = rope_line_start(in->text, line), len = indent_len(in, line);
        if (len == 0)
            continue;
        patch_retain(&result->patch, at - done);
        patch_delete(&result->patch, len);
        done = at + len;
    }
    result->kind = COMMAND_KIND_EDIT;
    result->selection = selection_is_empty(in->selection) ? selection_map(in->selection, &result->patch)
                                                          : select_lines(in, span, &result->patch);
}

/* From here on it is typed as one key, or as text without Enter and Tab: the next such piece of `keys`. */
static enum command next_typed(struct bytes keys, struct bytes *piece)
{
    size_t len = 0;
    while (len < keys.len && keys.data[len] != '\n' && keys.data[len] != '\t')
        len++;
    *piece = bytes_slice(keys, 0, len ? len : 1);
    return len ? COMMAND_INSERT : keys.data[0] == '\n' ? COMMAND_NEWLINE : COMMAND_TAB;
}

/* Each key is typed into a text that has those before it, so that Enter and Tab find the line they would have found. */
static void type(const struct command_in *in, struct command_result *result)
{
    uint64_t start = selection_start(in->selection), end = selection_end(in->selection);
    struct rope *text = rope_snapshot(in->text);
    struct command_in step = *in;
    struct bytes keys = in->argument;
    struct buf typed = {0};
    rope_delete(text, start, end - start);
    step.text = text;
    step.selection = selection_at(start);
    while (keys.len > 0) {
        struct command_result stepped;
        command_run(next_typed(keys, &step.argument), &step, &stepped);
        keys = bytes_slice(keys, step.argument.len, keys.len - step.argument.len);
        rope_apply(text, &stepped.patch);
        step.selection = stepped.selection;
        command_result_release(&stepped);
    }
    rope_append_to(text, start, step.selection.head - start, &typed);
    replace_range(result, start, end, buf_view(&typed), COMMAND_KIND_BURST);
    buf_release(&typed);
    rope_free(text);
}

static void erase_to(const struct command_in *in, struct command_result *result, uint64_t to, enum command_kind kind)
{
    uint64_t start = selection_start(in->selection), end = selection_end(in->selection);
    if (start == end) {
        start = to < start ? to : start;
        end = to > end ? to : end;
    } else {
        kind = COMMAND_KIND_EDIT;
    }
    replace_range(result, start, end, (struct bytes){0}, kind);
}

static void copy_selection(const struct command_in *in, struct command_result *result)
{
    uint64_t start = selection_start(in->selection);
    rope_append_to(in->text, start, selection_end(in->selection) - start, &result->clip);
    result->copied = true;
}

static void copy(const struct command_in *in, struct command_result *result)
{
    if (selection_is_empty(in->selection))
        result->message = "Nothing selected. ^C copies a selection. To leave: ^Q. To stop a job: Esc.";
    else
        copy_selection(in, result);
}

static void cut(const struct command_in *in, struct command_result *result)
{
    if (selection_is_empty(in->selection)) {
        result->message = "Nothing selected. ^K cuts the line, ^Q quits.";
        return;
    }
    copy_selection(in, result);
    replace_range(result, selection_start(in->selection), selection_end(in->selection), (struct bytes){0},
                  COMMAND_KIND_EDIT);
}

static void cut_line(const struct command_in *in, struct command_result *result)
{
    struct line_span span = lines_touched(in);
    uint64_t start = span_start(in->text, span), end = span_end(in->text, span);
    if (start == end)
        return;
    rope_append_to(in->text, start, end - start, &result->clip);
    result->copied = true;
    replace_range(result, start, end, (struct bytes){0}, COMMAND_KIND_EDIT);
}

/*
 * Exchanges two neighbouring blocks of lines, [start, middle) and [middle, end). When the text's last line has no line end,
 * the block that comes last gives its own to the other, so that no line is joined and none is added.
 */
static void swap_blocks(const struct rope *text, uint64_t start, uint64_t middle, uint64_t end, struct buf *out)
{
    struct buf first = {0}, second = {0};
    rope_append_to(text, start, middle - start, &first);
    rope_append_to(text, middle, end - middle, &second);
    if (second.len == 0 || second.data[second.len - 1] != '\n') {
        size_t ending = first.len >= 2 && first.data[first.len - 2] == '\r' ? 2 : 1;
        buf_add(&second, first.data + first.len - ending, ending);
        first.len -= ending;
    }
    buf_add_bytes(out, buf_view(&second));
    buf_add_bytes(out, buf_view(&first));
    buf_release(&first);
    buf_release(&second);
}

static void move_block(const struct command_in *in, struct command_result *result, bool down)
{
    struct line_span span = lines_touched(in);
    if (down ? span.last + 1 >= rope_lines(in->text) : span.first == 0)
        return;
    struct line_span all = {down ? span.first : span.first - 1, down ? span.last + 1 : span.last};
    uint64_t start = span_start(in->text, all), end = span_end(in->text, all);
    uint64_t middle = rope_line_start(in->text, down ? span.last + 1 : span.first);
    struct buf swapped = {0};
    swap_blocks(in->text, start, middle, end, &swapped);
    patch_replace(&result->patch, start, end - start, buf_view(&swapped));
    result->kind = COMMAND_KIND_EDIT;
    /* Down: the other block, now in front, is as long as what follows the moved one gave way. */
    uint64_t in_front = down ? end - middle : middle - start;
    if (down && swapped.len && rope_byte(in->text, end - 1) != '\n')
        in_front += rope_byte(in->text, middle - 2) == '\r' ? 2 : 1;
    result->selection.goal = SELECTION_NO_GOAL;
    result->selection.anchor = down ? in->selection.anchor + in_front : in->selection.anchor - in_front;
    result->selection.head = down ? in->selection.head + in_front : in->selection.head - in_front;
    if (result->selection.anchor > rope_len(in->text))
        result->selection.anchor = rope_len(in->text);
    if (result->selection.head > rope_len(in->text))
        result->selection.head = rope_len(in->text);
    buf_release(&swapped);
}

/* --- the table --- */

static void run_motion(enum command command, const struct command_in *in, struct command_result *result)
{
    const struct rope *text = in->text;
    uint64_t head = in->selection.head;
    switch ((int)command) {
    case COMMAND_LEFT: move_sideways(in, result, false); break;
    case COMMAND_RIGHT: move_sideways(in, result, true); break;
    case COMMAND_UP: move_lines(in, result, -1); break;
    case COMMAND_DOWN: move_lines(in, result, 1); break;
    case COMMAND_PAGE_UP: move_lines(in, result, -(int64_t)in->page_lines); break;
    case COMMAND_PAGE_DOWN: move_lines(in, result, (int64_t)in->page_lines); break;
    case COMMAND_WORD_LEFT: move_to(in, result, word_left(text, head), SELECTION_NO_GOAL); break;
    case COMMAND_WORD_RIGHT: move_to(in, result, word_right(text, head), SELECTION_NO_GOAL); break;
    case COMMAND_LINE_START: move_line_start(in, result); break;
    case COMMAND_LINE_END:
        move_to(in, result, line_caret_end(text, rope_line_at(text, head)), SELECTION_NO_GOAL);
        break;
    case COMMAND_TEXT_START: move_to(in, result, 0, SELECTION_NO_GOAL); break;
    case COMMAND_TEXT_END: move_to(in, result, rope_len(text), SELECTION_NO_GOAL); break;
    case COMMAND_PARAGRAPH_UP: move_paragraph(in, result, false); break;
    case COMMAND_PARAGRAPH_DOWN: move_paragraph(in, result, true); break;
    case COMMAND_SELECT_ALL: select_all(in, result); break;
    case COMMAND_GO_LINE: go_line(in, result); break;
    case COMMAND_FIND: find(in, result, false); break;
    case COMMAND_FIND_BACK: find(in, result, true); break;
    }
}

static void run_edit(enum command command, const struct command_in *in, struct command_result *result)
{
    const struct rope *text = in->text;
    uint64_t head = in->selection.head;
    switch ((int)command) {
    case COMMAND_INSERT: insert(in, result); break;
    case COMMAND_NEWLINE: newline(in, result); break;
    case COMMAND_TAB: tab(in, result); break;
    case COMMAND_TYPE: type(in, result); break;
    case COMMAND_UNTAB: untab(in, result); break;
    case COMMAND_DELETE_BACK:
        erase_to(in, result, rope_cluster_prev(text, head), COMMAND_KIND_ERASING);
        break;
    case COMMAND_DELETE_FORWARD:
        erase_to(in, result, rope_cluster_next(text, head), COMMAND_KIND_ERASING);
        break;
    case COMMAND_DELETE_WORD_BACK: erase_to(in, result, word_left(text, head), COMMAND_KIND_EDIT); break;
    case COMMAND_DELETE_WORD_FORWARD: erase_to(in, result, word_right(text, head), COMMAND_KIND_EDIT); break;
    case COMMAND_COPY: copy(in, result); break;
    case COMMAND_CUT: cut(in, result); break;
    case COMMAND_CUT_LINE: cut_line(in, result); break;
    case COMMAND_LINE_UP: move_block(in, result, false); break;
    case COMMAND_LINE_DOWN: move_block(in, result, true); break;
    }
}

void command_run(enum command command, const struct command_in *in, struct command_result *result)
{
    ensure(command < COMMAND_COUNT && in->tab_width > 0 && in->page_lines > 0);
    ensure(selection_end(in->selection) <= rope_len(in->text));
    *result = (struct command_result){.selection = in->selection, .kind = COMMAND_KIND_MOTION};
    if (command < COMMAND_INSERT)
        run_motion(command, in, result);
    else
        run_edit(command, in, result);
}

void command_result_release(struct command_result *result)
{
    patch_release(&result->patch);
    buf_release(&result->clip);
}

const char *command_name(enum command command)
{
    static const char *const names[COMMAND_COUNT] = {
        [COMMAND_LEFT] = "left",
        [COMMAND_RIGHT] = "right",
        [COMMAND_UP] = "up",
        [COMMAND_DOWN] = "down",
        [COMMAND_WORD_LEFT] = "word-left",
        [COMMAND_WORD_RIGHT] = "word-right",
        [COMMAND_LINE_START] = "line-start",
        [COMMAND_LINE_END] = "line-end",
        [COMMAND_PAGE_UP] = "page-up",
        [COMMAND_PAGE_DOWN] = "page-down",
        [COMMAND_TEXT_START] = "text-start",
        [COMMAND_TEXT_END] = "text-end",
        [COMMAND_PARAGRAPH_UP] = "paragraph-up",
        [COMMAND_PARAGRAPH_DOWN] = "paragraph-down",
        [COMMAND_SELECT_ALL] = "select-all",
        [COMMAND_GO_LINE] = "go-line",
        [COMMAND_FIND] = "find",
        [COMMAND_FIND_BACK] = "find-back",
        [COMMAND_INSERT] = "insert",
        [COMMAND_NEWLINE] = "newline",
        [COMMAND_TAB] = "tab",
        [COMMAND_TYPE] = "type",
        [COMMAND_UNTAB] = "untab",
        [COMMAND_DELETE_BACK] = "delete-back",
        [COMMAND_DELETE_FORWARD] = "delete-forward",
        [COMMAND_DELETE_WORD_BACK] = "delete-word-back",
        [COMMAND_DELETE_WORD_FORWARD] = "delete-word-forward",
        [COMMAND_COPY] = "copy",
        [COMMAND_CUT] = "cut",
        [COMMAND_CUT_LINE] = "cut-line",
        [COMMAND_LINE_UP] = "line-up",
        [COMMAND_LINE_DOWN] = "line-down",
    };
    return command < COMMAND_COUNT ? names[command] : NULL;
}
