#include "ui/wrap.h"

#include "ui/frame.h"

static struct bytes rest_behind(struct bytes text, size_t at)
{
    return bytes_slice(text, at, text.len - at);
}

struct bytes wrap_line(struct bytes *rest, int cols)
{
    struct bytes text = *rest;
    size_t at = 0, blank = 0;
    int cells = 0;
    while (at < text.len) {
        struct sign sign = sign_at(rest_behind(text, at));
        if (at > 0 && cells + sign.cells > cols)
            break;
        at += sign.len;
        cells += sign.cells;
        if (at < text.len && text.data[at] == ' ')
            blank = at;
    }
    size_t end = at < text.len && blank > 0 ? blank : at;
    size_t next = end;
    while (next < text.len && text.data[next] == ' ')
        next++;
    *rest = rest_behind(text, next);
    return bytes_slice(text, 0, end);
}

int wrap_rows(struct bytes text, int cols)
{
    int rows = 0;
    while (text.len > 0) {
        wrap_line(&text, cols);
        rows++;
    }
    return rows;
}
