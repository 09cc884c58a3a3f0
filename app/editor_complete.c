/*
 * Tab where a file is asked for: the rest of its name, or the names that it may have.
 */
#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>

#include "app/path_completion.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { BETWEEN = 2 /* cells between two names */ };

static int cells_of(const char *name)
{
    struct bytes rest = bytes_of_string(name);
    int cells = 0;
    while (rest.len > 0) {
        size_t len = cluster_next(rest);
        cells += cluster_width(bytes_slice(rest, 0, len));
        rest = bytes_slice(rest, len, rest.len - len);
    }
    return cells;
}

static int widest(const struct path_completion *completion)
{
    int most = 0;
    for (size_t i = 0; i < completion->count; i++) {
        int cells = cells_of(completion->names[i]);
        most = cells > most ? cells : most;
    }
    return most;
}

/* One row of names, from `first` on, each in `width` cells. */
static void add_row(struct panel *panel, const struct path_completion *completion, size_t first, size_t count, int width)
{
    struct buf row = {0};
    for (size_t i = first; i < first + count && i < completion->count; i++)
        buf_addf(&row, "%s%*s", completion->names[i], width - cells_of(completion->names[i]), "");
    panel_add(panel, VIEW_LINE_TEXT, "%s", buf_string(&row));
    buf_release(&row);
}

/* In columns, in half of the window. */
static void list_names(struct editor *editor, const struct path_completion *completion)
{
    int cols = term_cols(editor->term), width = widest(completion) + BETWEEN;
    size_t across = cols > width ? (size_t)(cols / width) : 1, rows = (size_t)term_rows(editor->term) / 2;
    size_t shown = 0;
    panel_clear(&editor->panel);
    for (size_t row = 0; row < rows && shown < completion->count; row++, shown += across)
        add_row(&editor->panel, completion, shown, across, width);
    if (shown < completion->count)
        panel_add(&editor->panel, VIEW_LINE_DIM, "and %zu more", completion->count - shown);
    editor->panel_kind = PANEL_NAMES;
    editor->panel_scroll = 0;
}

static void say(struct editor *editor, const char *text)
{
    panel_clear(&editor->panel);
    panel_add(&editor->panel, VIEW_LINE_DIM, "%s", text);
    editor->panel_kind = PANEL_NAMES;
    editor->panel_scroll = 0;
}

void editor_complete_path(struct editor *editor)
{
    struct prompt *prompt = &editor->prompt;
    struct path_completion completion = {0};
    char *front = xstrndup(buf_string(&prompt->typed), prompt->cursor), *path = editor_path_of_typed(front);
    path_completion_find(&completion, path);
    if (completion.too_many)
        say(editor, "There are too many files to complete a name.");
    else if (completion.count == 0)
        say(editor, "No file's name begins so.");
    else if (completion.more.len > 0)
        editor_prompt_paste(editor, buf_view(&completion.more));
    else if (completion.count > 1)
        list_names(editor, &completion);
    path_completion_release(&completion);
    free(path);
    free(front);
}
