/*
 * Any bytes at all: walks by code points and by clusters cover every byte and end, what is counted and measured stays
 * in its bounds, and a label made from them is safe to show.
 */
#include <stddef.h>
#include <stdint.h>

#include "editor/base/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes rest_of(struct bytes text, size_t from)
{
    return bytes_slice(text, from, text.len - from);
}

static void walk_code_points(struct bytes text)
{
    size_t count = 0;
    bool valid = true;
    for (size_t at = 0; at < text.len; count++) {
        uint32_t code = 0;
        size_t len = utf8_decode(rest_of(text, at), &code);
        ensure(len >= 1 && len <= UTF8_BYTES_MAX && len <= text.len - at);
        ensure(code < UNICODE_INVALID || (len == 1 && code == UNICODE_INVALID + (uint32_t)text.data[at]));
        valid = valid && code < UNICODE_INVALID;
        at += len;
    }
    ensure(count == utf8_count(text));
    ensure(valid == utf8_valid(text));
}

static void walk_clusters(struct bytes text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = cluster_next(rest_of(text, at));
        ensure(len >= 1 && len <= CLUSTER_BYTES_MAX && len <= text.len - at);
        struct bytes cluster = bytes_slice(text, at, len);
        int width = cluster_width(cluster);
        ensure(width >= 0 && width <= 2);
        ensure(cluster_safe_len(cluster) <= len);
        at += len;
    }
}

static void walk_clusters_back(struct bytes text)
{
    for (size_t left = text.len; left > 0;) {
        size_t len = cluster_prev(bytes_slice(text, 0, left));
        ensure(len >= 1 && len <= CLUSTER_BYTES_MAX && len <= left);
        left -= len;
    }
}

static void show_as_label(struct bytes text)
{
    enum { CELLS_MAX = 32 };
    struct buf label = {0};
    unicode_safe_label(text, CELLS_MAX, &label);
    struct bytes shown = buf_view(&label);
    ensure(utf8_valid(shown));
    int cells = 0;
    for (size_t at = 0; at < shown.len;) {
        struct bytes cluster = bytes_slice(shown, at, cluster_next(rest_of(shown, at)));
        ensure(cluster_safe_len(cluster) == cluster.len);
        cells += cluster_width(cluster);
        at += cluster.len;
    }
    ensure(cells <= CELLS_MAX);
    buf_release(&label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    walk_code_points(text);
    walk_clusters(text);
    walk_clusters_back(text);
    show_as_label(text);
    return 0;
}
