#include "editor/column.h"

#include "editor/base/unicode.h"

/* Cells of one cluster that begins at cell `column`. `cluster` is as cluster_next() cuts it; not a newline. */
static int cells_of(struct bytes cluster, uint64_t column, int tab_width)
{
    uint32_t code;
    size_t first = utf8_decode(cluster, &code);
    if (code == '\t')
        return tab_width - (int)(column % (uint64_t)tab_width);
    if (first == cluster.len && unicode_is_unsafe(code)) {
        char shown[UNSAFE_TEXT_MAX + 1];
        return (int)unicode_unsafe_text(code, shown);
    }
    int width = cluster_width(cluster);
    return width > 0 ? width : 1;
}

/* The cluster at `at`, which may lie across pieces of the rope; `scratch` then holds it. */
static struct bytes column_cluster(const struct rope *text, uint64_t at, unsigned char scratch[CLUSTER_BYTES_MAX])
{
    size_t len = (size_t)(rope_cluster_next(text, at) - at);
    struct bytes chunk = rope_chunk(text, at);
    if (chunk.len >= len)
        return bytes_slice(chunk, 0, len);
    rope_read(text, at, len, scratch);
    return bytes_of(scratch, len);
}

/* Walks from the line's start until the place `stop` or the cell `column` is reached; *at is where it stands then. */
static uint64_t column_walk(const struct rope *text, uint64_t *at, uint64_t stop, uint64_t column, int tab_width)
{
    unsigned char scratch[CLUSTER_BYTES_MAX];
    uint64_t cell = 0, from = *at;
    while (*at < stop) {
        if (*at - from >= COLUMN_SCAN_BYTES_MAX) {
            uint64_t step = stop - *at < column - cell ? stop - *at : column - cell;
            *at += step;
            return cell + step;
        }
        struct bytes cluster = column_cluster(text, *at, scratch);
        uint64_t next = cell + (uint64_t)cells_of(cluster, cell, tab_width);
        if (next > column || *at + cluster.len > stop)
            break;
        cell = next;
        *at += cluster.len;
    }
    return cell;
}

uint64_t column_of(const struct rope *text, uint64_t line_start, uint64_t at, int tab_width)
{
    uint64_t walked = line_start;
    return column_walk(text, &walked, at, UINT64_MAX, tab_width);
}

uint64_t column_find(const struct rope *text, uint64_t line_start, uint64_t line_end, uint64_t column, int tab_width)
{
    uint64_t at = line_start;
    column_walk(text, &at, line_end, column, tab_width);
    return at;
}
