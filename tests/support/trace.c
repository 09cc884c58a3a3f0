#include "tests/support/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "tests/support/support.h"

struct parser {
    const char *at, *end;
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "a trace cannot be read: %s\n", what);
    abort();
}

static void skip_spaces(struct parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n'))
        parser->at++;
}

static struct bytes next_word(struct parser *parser)
{
    skip_spaces(parser);
    const char *start = parser->at;
    while (parser->at < parser->end && *parser->at != ' ' && *parser->at != '\n')
        parser->at++;
    return bytes_of(start, (size_t)(parser->at - start));
}

static bool word_is(struct bytes word, const char *text)
{
    return bytes_equal(word, bytes_of_string(text));
}

static uint64_t next_number(struct parser *parser, int radix)
{
    struct bytes word = next_word(parser);
    char text[32], *end;
    if (word.len == 0 || word.len >= sizeof text)
        give_up("a number is missing");
    memcpy(text, word.data, word.len);
    text[word.len] = '\0';
    uint64_t number = strtoull(text, &end, radix);
    if (*end)
        give_up("not a number");
    return number;
}

static uint64_t number(struct parser *parser)
{
    return next_number(parser, 10);
}

static void expect_word(struct parser *parser, const char *text)
{
    if (!word_is(next_word(parser), text))
        give_up(text);
}

static void parse_end(struct parser *parser, struct trace *trace)
{
    struct bytes codepoints = next_word(parser);
    next_word(parser);
    trace->has_end = !word_is(codepoints, "-");
    if (trace->has_end)
        trace->end_hash = next_number(parser, 16);
    else
        next_word(parser);
}

static void parse_head(struct parser *parser, struct trace *trace)
{
    expect_word(parser, "weft-trace");
    expect_word(parser, "1");
    for (;;) {
        struct bytes key = next_word(parser);
        if (word_is(key, "end"))
            break;
        if (key.len == 0)
            give_up("its head has no end");
        if (word_is(key, "name")) {
            struct bytes name = next_word(parser);
            snprintf(trace->name, sizeof trace->name, "%.*s", (int)name.len, (const char *)name.data);
            continue;
        }
        uint64_t value = number(parser);
        if (word_is(key, "agents"))
            trace->agents = value;
        if (word_is(key, "txns"))
            trace->count = value;
        if (word_is(key, "patches"))
            trace->patches = value;
    }
    parse_end(parser, trace);
}

static void parse_patch(struct parser *parser, struct trace_patch *patch)
{
    expect_word(parser, "P");
    patch->pos = number(parser);
    patch->deleted = number(parser);
    size_t len = number(parser);
    parser->at++;
    if (len > (size_t)(parser->end - parser->at))
        give_up("a text is cut off");
    patch->text = bytes_of(parser->at, len);
    parser->at += len;
}

/* How much of the pools is used. */
struct pools {
    size_t patches, parents, parent_cap;
};

static void parse_parents(struct parser *parser, struct trace *trace, struct trace_txn *txn, struct pools *pools)
{
    size_t needed = pools->parents + txn->parent_count;
    trace->parent_pool = xgrow(trace->parent_pool, &pools->parent_cap, needed, sizeof *trace->parent_pool);
    while (pools->parents < needed)
        trace->parent_pool[pools->parents++] = number(parser);
}

static void parse_txn(struct parser *parser, struct trace *trace, struct trace_txn *txn, struct pools *pools)
{
    expect_word(parser, "T");
    txn->agent = number(parser);
    txn->patch_count = number(parser);
    txn->parent_count = number(parser);
    parse_parents(parser, trace, txn, pools);
    if (txn->patch_count > trace->patches - pools->patches)
        give_up("more patches than it says");
    txn->patches = trace->patch_pool + pools->patches;
    for (size_t p = 0; p < txn->patch_count; p++)
        parse_patch(parser, &trace->patch_pool[pools->patches++]);
}

static bool follows(const struct trace_txn *txn, size_t index)
{
    return index == 0 ? txn->parent_count == 0 : txn->parent_count == 1 && txn->parents[0] == index - 1;
}

static void parse_txns(struct parser *parser, struct trace *trace)
{
    struct pools pools = {0};
    trace->txns = xcalloc(trace->count, sizeof *trace->txns);
    trace->patch_pool = xcalloc(trace->patches, sizeof *trace->patch_pool);
    for (size_t i = 0; i < trace->count; i++)
        parse_txn(parser, trace, &trace->txns[i], &pools);
    size_t parents_at = 0;
    trace->sequential = true;
    for (size_t i = 0; i < trace->count; i++) { /* the pool stays where it is from now on */
        struct trace_txn *txn = &trace->txns[i];
        txn->parents = trace->parent_pool + parents_at;
        parents_at += txn->parent_count;
        trace->sequential = trace->sequential && follows(txn, i);
    }
}

static bool is_ascii(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 0x80)
            return false;
    return true;
}

/* Places in code points become bytes, in the text as it then is. */
static void convert_units(struct trace *trace)
{
    struct rope *rope = rope_new();
    for (size_t i = 0; i < trace->patches; i++) {
        struct trace_patch *patch = &trace->patch_pool[i];
        uint64_t start = rope_codepoint_start(rope, patch->pos);
        uint64_t end = rope_codepoint_start(rope, patch->pos + patch->deleted);
        patch->pos = start;
        patch->deleted = end - start;
        rope_delete(rope, start, end - start);
        rope_insert(rope, start, patch->text);
    }
    rope_free(rope);
}

void trace_read(struct trace *trace, const char *path)
{
    *trace = (struct trace){0};
    support_read_gz(path, &trace->file);
    struct parser parser = {(const char *)trace->file.data, (const char *)trace->file.data + trace->file.len};
    parse_head(&parser, trace);
    parse_txns(&parser, trace);
    for (size_t i = 0; i < trace->patches && !trace->in_codepoints; i++)
        trace->in_codepoints = !is_ascii(trace->patch_pool[i].text);
    if (trace->in_codepoints && trace->sequential) {
        convert_units(trace);
        trace->in_codepoints = false;
    }
}

void trace_release(struct trace *trace)
{
    free(trace->txns);
    free(trace->patch_pool);
    free(trace->parent_pool);
    buf_release(&trace->file);
    *trace = (struct trace){0};
}

uint64_t trace_hash(struct bytes text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.data[i]) * 0x100000001b3u;
    return hash;
}
