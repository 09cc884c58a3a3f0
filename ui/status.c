#include "ui/status.h"

#include <stdio.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "ui/wrap.h"

enum { NAME_CELLS_MAX = 12, FILE_CELLS_MAX = 200, RTT_SHOWN_MS = 200, WIDE_CELLS = 100 };
/* Where fields begin when there is room; a longer field pushes the next one on. */
enum { COL_SHARING = 12, COL_STATE = 20, COL_PEOPLE = 44 };

enum position_form { POSITION_WORDS, POSITION_NUMBERS, POSITION_NONE };
enum people_form { PEOPLE_MANY, PEOPLE_NAMES, PEOPLE_COUNT, PEOPLE_NONE };
enum file_form { FILE_PATH, FILE_NAME, FILE_STEM };
enum state_form { STATE_LONG, STATE_SHORT, STATE_SHORTEST };

enum columns_form { COLUMNS_ALL, COLUMNS_BUT_PEOPLE, COLUMNS_NONE };

/* One way to write the line; they are tried from the richest to the poorest. */
struct shape {
    enum columns_form columns; /* which fields stand at their columns; others are two cells apart */
    bool tight;   /* `+` at the name, one blank between fields, `shared` only where nothing else says it */
    enum position_form position;
    enum people_form people;
    enum file_form file;
    enum state_form state;
};

static const struct shape SHAPES[] = {
    {COLUMNS_ALL, false, POSITION_WORDS, PEOPLE_MANY, FILE_PATH, STATE_LONG},
    {COLUMNS_ALL, false, POSITION_WORDS, PEOPLE_NAMES, FILE_PATH, STATE_LONG},
    {COLUMNS_BUT_PEOPLE, false, POSITION_WORDS, PEOPLE_NAMES, FILE_PATH, STATE_LONG},
    {COLUMNS_NONE, false, POSITION_WORDS, PEOPLE_NAMES, FILE_PATH, STATE_LONG},
    {COLUMNS_NONE, false, POSITION_NUMBERS, PEOPLE_NAMES, FILE_PATH, STATE_LONG},
    {COLUMNS_NONE, false, POSITION_NUMBERS, PEOPLE_COUNT, FILE_PATH, STATE_LONG},
    {COLUMNS_NONE, false, POSITION_NUMBERS, PEOPLE_COUNT, FILE_NAME, STATE_LONG},
    {COLUMNS_NONE, false, POSITION_NONE, PEOPLE_COUNT, FILE_NAME, STATE_LONG},
    {COLUMNS_NONE, false, POSITION_NONE, PEOPLE_COUNT, FILE_NAME, STATE_SHORT},
    {COLUMNS_NONE, true, POSITION_NONE, PEOPLE_COUNT, FILE_NAME, STATE_SHORT},
    {COLUMNS_NONE, true, POSITION_NONE, PEOPLE_NONE, FILE_NAME, STATE_SHORT},
    {COLUMNS_NONE, true, POSITION_NONE, PEOPLE_NONE, FILE_STEM, STATE_SHORTEST},
};

void status_release(struct status_line *line)
{
    buf_release(&line->text);
    line->name_count = 0;
}

/* ---- the parts ---- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void add_in_memory(const struct view_status *status, enum state_form form, struct buf *out)
{
    unsigned long long edits = status->in_memory;
    const char *word = status->disk_full ? "DISK FULL" : "NOT KEPT";
    if (form == STATE_SHORTEST)
        buf_addf(out, "%s %llu", word, edits);
    else
        buf_addf(out, "%s: %llu edit%s only in memory", word, edits, plural(edits));
    if (form == STATE_LONG)
        buf_add_string(out, status->disk_full ? ". Free space or Alt+S elsewhere." : ". ^S writes the file.");
}

/* What is not in the text yet is said before whether that is in the file. */
static void add_coming_alone(const struct view_status *status, enum state_form form, struct buf *out)
{
    buf_add_string(out, form == STATE_SHORTEST ? "coming" : status->coming);
    if (form == STATE_LONG && !status->in_file)
        buf_add_string(out, status->kept ? ", kept" : ", keeping...");
}

static void add_alone(const struct view_status *status, enum state_form form, struct buf *out)
{
    if (status->private)
        buf_add_string(out, form == STATE_SHORTEST ? "PRIVATE" : "PRIVATE: not kept");
    else if (status->coming)
        add_coming_alone(status, form, out);
    else if (status->nowhere)
        buf_add_string(out, "empty");
    else if (status->new_file)
        buf_add_string(out, "new file");
    else if (status->in_file)
        buf_add_string(out, "in file");
    else if (!status->kept)
        buf_add_string(out, "keeping...");
    else
        buf_add_string(out, form == STATE_LONG ? "kept, ^S writes the file" : "kept");
}

static void add_offline(const struct view_status *status, enum state_form form, struct buf *out)
{
    unsigned long long kept = status->offline_kept;
    if (status->connecting && kept == 0) {
        buf_add_string(out, "connecting");
        return;
    }
    if (form == STATE_SHORTEST && status->sharing == VIEW_SHARED)
        buf_addf(out, "off %llu", kept);
    else if (status->sharing == VIEW_SHARED)
        buf_addf(out, "offline: %llu kept", kept);
    else
        buf_add_string(out, "offline");
    if (form == STATE_LONG && status->link_why)
        buf_addf(out, " (%s)", status->link_why);
    if (form == STATE_LONG && status->coming)
        buf_addf(out, ", %s", status->coming);
}

static void add_online(const struct view_status *status, enum state_form form, struct buf *out)
{
    bool view = status->sharing == VIEW_ONLY;
    if (status->coming && form != STATE_SHORTEST)
        buf_add_string(out, status->coming);
    else if (status->coming)
        buf_add_string(out, "coming");
    else if (status->link == VIEW_LINK_IDLE)
        buf_add_string(out, "idle");
    else if (!view)
        buf_add_string(out, "sent");
    else if (form != STATE_SHORTEST)
        buf_add_string(out, "up to date");
    if (form == STATE_LONG && status->rtt_ms > RTT_SHOWN_MS)
        buf_addf(out, ", %llu ms", (unsigned long long)status->rtt_ms);
}

static void add_shared(const struct view_status *status, enum state_form form, struct buf *out)
{
    switch (status->link) {
    case VIEW_LINK_OFFLINE:
        add_offline(status, form, out);
        return;
    case VIEW_LINK_UNSENT:
        buf_addf(out, "%llu unsent", (unsigned long long)status->unsent);
        if (form == STATE_LONG)
            buf_addf(out, ", %llu s", (unsigned long long)status->unsent_s);
        if (form == STATE_LONG && status->link_why)
            buf_addf(out, " (%s)", status->link_why);
        return;
    case VIEW_LINK_SENT:
    case VIEW_LINK_IDLE:
        add_online(status, form, out);
        return;
    }
}

static void add_state(const struct view_status *status, enum state_form form, struct buf *out)
{
    if (status->in_memory > 0)
        add_in_memory(status, form, out);
    else if (status->sharing == VIEW_ALONE)
        add_alone(status, form, out);
    else
        add_shared(status, form, out);
}

/* "off 34" and "3 unsent" are only said of shared documents. */
static bool state_says_shared(const struct view_status *status)
{
    bool link = status->link == VIEW_LINK_OFFLINE || status->link == VIEW_LINK_UNSENT;
    return status->sharing == VIEW_SHARED && link && status->in_memory == 0;
}

static const char *sharing_word(const struct view_status *status)
{
    static const char *const words[] = {[VIEW_ALONE] = "", [VIEW_SHARED] = "shared", [VIEW_ONLY] = "VIEW"};
    return words[status->sharing];
}

static struct bytes file_part(const char *file, enum file_form form)
{
    struct bytes path = bytes_of_string(file ? file : "");
    const char *slash = file ? strrchr(file, '/') : NULL;
    size_t name_at = slash && slash[1] ? (size_t)(slash + 1 - file) : 0;
    struct bytes name = bytes_slice(path, name_at, path.len - name_at);
    const unsigned char *dot = name.len ? memrchr(name.data, '.', name.len) : NULL;
    switch (form) {
    case FILE_PATH:
        return path;
    case FILE_NAME:
        return name;
    case FILE_STEM:
        return dot && dot != name.data ? bytes_slice(name, 0, (size_t)(dot - name.data)) : name;
    }
    return path;
}

static void add_person(const struct view_peer *peer, struct status_line *line)
{
    struct status_name *name = &line->names[line->name_count++];
    name->peer = peer;
    name->at = line->text.len;
    unicode_safe_label(bytes_of_string(peer->name ? peer->name : "?"), NAME_CELLS_MAX, &line->text);
    if (peer->away)
        buf_add_string(&line->text, " (away)");
    else if (peer->quiet)
        buf_add_byte(&line->text, '?');
    name->len = line->text.len - name->at;
}

static size_t others(const struct view_peer *peers, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += !peers[i].is_me;
    return found;
}

/* How many are named, at most. */
static size_t names_shown(enum people_form form, int cols)
{
    if (form == PEOPLE_COUNT)
        return 0;
    return form == PEOPLE_MANY && cols >= WIDE_CELLS ? VIEW_PEERS_SHOWN_WIDE : VIEW_PEERS_SHOWN;
}

static void add_people(const struct view_peer *peers, size_t count, size_t most, struct status_line *line)
{
    size_t rest = others(peers, count);
    for (size_t i = 0; i < count && line->name_count < most; i++) {
        if (peers[i].is_me)
            continue;
        if (line->name_count > 0)
            buf_add_byte(&line->text, ' ');
        add_person(&peers[i], line);
        rest--;
    }
    if (rest > 0)
        buf_addf(&line->text, "%s+%zu", line->name_count ? " " : "", rest);
}

static void add_position(const struct view_status *status, enum position_form form, struct buf *out)
{
    unsigned long long line = status->line;
    unsigned long long column = status->column;
    if (form == POSITION_WORDS)
        buf_addf(out, "Ln %llu, Col %llu", line, column);
    else if (form == POSITION_NUMBERS)
        buf_addf(out, "%llu:%llu", line, column);
}

/* ---- the line ---- */

static int cells_of(const struct buf *text)
{
    return text_cells(buf_view(text));
}

static void pad_to(struct buf *text, int cells)
{
    for (int have = cells_of(text); have < cells; have++)
        buf_add_byte(text, ' ');
}

/* Begins the next field: at its column when there is one and room, else `gap` cells behind the last. */
static void begin_field(struct buf *text, const struct shape *shape, int column)
{
    int next = cells_of(text) + (shape->tight ? 1 : 2);
    bool at_column = shape->columns == COLUMNS_ALL || (shape->columns == COLUMNS_BUT_PEOPLE && column < COL_PEOPLE);
    pad_to(text, at_column && column > next ? column : next);
}

static void add_file(const struct view_status *status, const struct shape *shape, struct buf *text)
{
    unicode_safe_label(file_part(status->file, shape->file), FILE_CELLS_MAX, text);
    if (shape->tight)
        buf_add_string(text, status->in_file ? "" : "+");
    else
        buf_add_string(text, status->in_file ? "  " : " +");
}

/* Returns whether the line fits. */
static bool try_shape(const struct view_status *status, const struct view_peer *peers, size_t peer_count,
                      const struct shape *shape, int cols, struct status_line *line)
{
    struct buf *text = &line->text;
    struct buf part = {0};
    buf_clear(text);
    line->name_count = 0;
    add_file(status, shape, text);
    if (status->sharing != VIEW_ALONE && !(shape->tight && state_says_shared(status))) {
        begin_field(text, shape, COL_SHARING);
        buf_add_string(text, sharing_word(status));
    }
    add_state(status, shape->state, &part);
    if (part.len > 0) {
        begin_field(text, shape, status->in_memory > 0 ? COL_SHARING : COL_STATE);
        buf_add_bytes(text, buf_view(&part));
    }
    if (others(peers, peer_count) > 0 && shape->people != PEOPLE_NONE) {
        begin_field(text, shape, COL_PEOPLE);
        add_people(peers, peer_count, names_shown(shape->people, cols), line);
    }
    buf_clear(&part);
    add_position(status, shape->position, &part);
    int needed = cells_of(text) + (part.len ? 2 + (int)part.len : 0);
    if (part.len > 0 && needed <= cols) {
        pad_to(text, cols - (int)part.len);
        buf_add_bytes(text, buf_view(&part));
    }
    buf_release(&part);
    return needed <= cols;
}

/* Not even the poorest form fits: the end of the name goes, what is behind it stays. */
static void cut_name(const struct view_status *status, int cols, struct status_line *line)
{
    struct buf rest = {0};
    struct buf name = {0};
    unicode_safe_label(file_part(status->file, FILE_STEM), FILE_CELLS_MAX, &name);
    buf_add(&rest, line->text.data + name.len, line->text.len - name.len);
    int room = cols - cells_of(&rest);
    buf_clear(&line->text);
    unicode_safe_label(buf_view(&name), room > 0 ? room : 0, &line->text);
    buf_add_bytes(&line->text, buf_view(&rest));
    buf_release(&name);
    buf_release(&rest);
}

void status_format(const struct view_status *status, const struct view_peer *peers, size_t peer_count, int cols,
                   struct status_line *line)
{
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        if (try_shape(status, peers, peer_count, &SHAPES[i], cols, line))
            return;
    }
    cut_name(status, cols, line);
}

/* ---- drawing ---- */

static void paint_name(struct frame *frame, int row, const struct status_line *line, const struct status_name *name)
{
    int from = text_cells(bytes_slice(buf_view(&line->text), 0, name->at));
    int to = from + text_cells(bytes_slice(buf_view(&line->text), name->at, name->len));
    struct place place = {row, from, to};
    bool faint = name->peer->quiet || name->peer->away;
    frame_paint_bg(frame, place, INK_PEER + name->peer->colour % VIEW_PEER_COLOURS, faint ? ATTR_DIM : 0);
    frame_paint_fg(frame, place, INK_PEER_TEXT, 0);
}

void status_draw(struct frame *frame, int row, const struct view_status *status, const struct view_peer *peers,
                 size_t peer_count)
{
    struct style style = {INK_STATUS_TEXT, INK_STATUS_BACK, 0};
    struct place place = {row, 0, frame->cols};
    struct status_line line = {0};
    status_format(status, peers, peer_count, frame->cols, &line);
    if (status->in_memory > 0)
        style = (struct style){INK_WARNING, INK_STATUS_BACK, ATTR_BOLD};
    frame_fill(frame, place, style);
    frame_text(frame, place, buf_view(&line.text), style);
    for (size_t i = 0; i < line.name_count; i++)
        paint_name(frame, row, &line, &line.names[i]);
    status_release(&line);
}

int status_message_rows(const char *message, int cols)
{
    return wrap_rows(bytes_of_string(message), cols);
}

void status_draw_message(struct frame *frame, int row, int rows, const char *message, enum view_message_kind kind)
{
    bool warning = kind == VIEW_MESSAGE_WARNING;
    struct style style = {warning ? INK_WARNING : INK_DEFAULT, INK_DEFAULT, warning ? ATTR_BOLD : 0};
    struct bytes rest = bytes_of_string(message);
    for (int i = 0; i < rows && rest.len > 0; i++)
        frame_text(frame, (struct place){row + i, 0, frame->cols}, wrap_line(&rest, frame->cols), style);
}

/* Where to begin in the typed text so that its cursor is in sight. */
static size_t prompt_from(struct bytes typed, size_t cursor, int room)
{
    size_t from = 0;
    while (from < cursor && text_cells(bytes_slice(typed, from, cursor - from)) >= room)
        from += sign_at(bytes_slice(typed, from, typed.len - from)).len;
    return from < cursor ? from : cursor;
}

/* How a prompt lies: the label's lines, and what is typed behind the last of them or, with no room there, below. */
struct prompt_shape {
    int label_rows, last_cells;
    bool typed_below;
};

static struct prompt_shape prompt_shape(const struct view_prompt *prompt, int cols)
{
    enum { TYPED_CELLS_MIN = 16 };
    struct prompt_shape shape = {0};
    int room = cols / 2 < TYPED_CELLS_MIN ? cols / 2 : TYPED_CELLS_MIN;
    for (struct bytes rest = bytes_of_string(prompt->label); rest.len > 0; shape.label_rows++)
        shape.last_cells = text_cells(wrap_line(&rest, cols));
    shape.typed_below = prompt->typed && shape.last_cells + 1 + room > cols;
    return shape;
}

int status_prompt_rows(const struct view_prompt *prompt, int cols)
{
    struct prompt_shape shape = prompt_shape(prompt, cols);
    return shape.label_rows + shape.typed_below;
}

static void draw_typed(struct frame *frame, struct place place, const struct view_prompt *prompt)
{
    struct bytes typed = bytes_of_string(prompt->typed ? prompt->typed : "");
    size_t cursor = prompt->cursor < typed.len ? prompt->cursor : typed.len;
    int room = frame->cols - place.col;
    size_t from = prompt_from(typed, cursor, room > 0 ? room : 1);
    int before = text_cells(bytes_slice(typed, from, cursor - from));
    struct style style = {prompt->typed_is_old ? INK_DIM : INK_DEFAULT, INK_DEFAULT, 0};
    frame_text(frame, place, bytes_slice(typed, from, typed.len - from), style);
    frame->cursor.row = place.row;
    frame->cursor.col = place.col + before < frame->cols ? place.col + before : frame->cols - 1;
    frame->cursor.visible = true;
}

void status_draw_prompt(struct frame *frame, int row, int rows, const struct view_prompt *prompt)
{
    struct style label = {INK_TITLE, INK_DEFAULT, ATTR_BOLD};
    struct prompt_shape shape = prompt_shape(prompt, frame->cols);
    struct bytes rest = bytes_of_string(prompt->label);
    int hidden = shape.label_rows + shape.typed_below - rows;
    struct place place = {row - (hidden > 0 ? hidden : 0), 0, frame->cols};
    for (int i = 0; i < shape.label_rows; i++, place.row++) {
        struct bytes line = wrap_line(&rest, frame->cols);
        if (place.row < row)
            continue;
        frame_fill(frame, place, label);
        frame_text(frame, place, line, label);
    }
    if (!shape.typed_below)
        place = (struct place){place.row - 1, shape.last_cells + (shape.last_cells > 0), frame->cols};
    draw_typed(frame, place, prompt);
}
