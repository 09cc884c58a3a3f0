#include "editor/base/unicode.h"

#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

enum {
    ZERO_WIDTH_NON_JOINER = 0x200c,
    ZERO_WIDTH_JOINER = 0x200d,
    TEXT_SELECTOR = 0xfe0e,  /* variation selector 15: shown as text */
    EMOJI_SELECTOR = 0xfe0f, /* variation selector 16: shown as emoji */
    DOTTED_CIRCLE = 0x25cc,
    BLACK_FLAG = 0x1f3f4, /* with tags: the flag of a region */
};

struct range {
    uint32_t first, last;
};

static bool in_range(uint32_t code, uint32_t first, uint32_t last)
{
    return code - first <= last - first;
}

static bool in_ranges(uint32_t code, const struct range *sorted, size_t count)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = (low + count) / 2;
        if (code < sorted[middle].first)
            count = middle;
        else if (code > sorted[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static struct bytes rest_of(struct bytes text, size_t from)
{
    return bytes_slice(text, from, text.len - from);
}

/* --- UTF-8 --- */

bool utf8_is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* How long the sequence is that `lead` begins; 0 when none can begin so. */
static size_t sequence_len(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static bool is_surrogate(uint32_t code)
{
    return in_range(code, 0xd800, 0xdfff);
}

static bool decode_sequence(const unsigned char *data, size_t len, uint32_t *code)
{
    static const uint32_t shortest[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    uint32_t value = data[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!utf8_is_continuation(data[i]))
            return false;
        value = value << 6 | (data[i] & 0x3fu);
    }
    if (value < shortest[len] || value > 0x10ffff || is_surrogate(value))
        return false;
    *code = value;
    return true;
}

size_t utf8_decode(struct bytes text, uint32_t *code)
{
    if (text.len == 0) {
        *code = 0;
        return 0;
    }
    unsigned char lead = text.data[0];
    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    size_t len = sequence_len(lead);
    if (len && len <= text.len && decode_sequence(text.data, len, code))
        return len;
    *code = UNICODE_INVALID + (uint32_t)lead;
    return 1;
}

/*
 * The last code point of a text that is not empty. Valid sequences never overlap, so this is how a walk from the front
 * would have seen it.
 */
static size_t decode_last(struct bytes text, uint32_t *code)
{
    for (size_t len = 1; len <= UTF8_BYTES_MAX && len <= text.len; len++) {
        if (utf8_decode(rest_of(text, text.len - len), code) == len && *code < UNICODE_INVALID)
            return len;
    }
    *code = UNICODE_INVALID + (uint32_t)text.data[text.len - 1];
    return 1;
}

size_t utf8_encode(uint32_t code, unsigned char out[UTF8_BYTES_MAX])
{
    ensure(code <= 0x10ffff && !is_surrogate(code));
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = 0x80 | (code & 0x3f);
        code >>= 6;
    }
    out[0] = (unsigned char)(0xf00u >> len | code); /* as many leading ones as bytes, then a zero */
    return len;
}

/* How many ASCII bytes `text` begins with, eight at a time: most text is ASCII and need not be decoded. */
static size_t ascii_run(struct bytes text)
{
    size_t len = 0;
    uint64_t eight = 0;
    for (; text.len - len >= sizeof eight; len += sizeof eight) {
        memcpy(&eight, text.data + len, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (len < text.len && text.data[len] < 0x80)
        len++;
    return len;
}

bool utf8_valid(struct bytes text)
{
    for (size_t at = ascii_run(text); at < text.len; at += ascii_run(rest_of(text, at))) {
        uint32_t code = 0;
        at += utf8_decode(rest_of(text, at), &code);
        if (code >= UNICODE_INVALID)
            return false;
    }
    return true;
}

size_t utf8_count(struct bytes text)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t run = ascii_run(rest_of(text, at));
        count += run;
        at += run;
        if (at < text.len) {
            uint32_t code = 0;
            at += utf8_decode(rest_of(text, at), &code);
            count++;
        }
    }
    return count;
}

/* --- properties of code points --- */

static utf8proc_category_t category_of(uint32_t code)
{
    return code < UNICODE_INVALID ? utf8proc_category((utf8proc_int32_t)code) : UTF8PROC_CATEGORY_CN;
}

static bool is_letter(uint32_t code)
{
    return in_range(category_of(code), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

static bool is_mark(uint32_t code)
{
    return in_range(category_of(code), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

static bool is_number(uint32_t code)
{
    return in_range(category_of(code), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

static bool is_pictograph(uint32_t code)
{
    return code < UNICODE_INVALID &&
           utf8proc_get_property((utf8proc_int32_t)code)->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

/* What a selector can turn into an emoji: pictographs and the faces of keycaps. */
static bool is_emoji_base(uint32_t code)
{
    return in_range(code, '0', '9') || code == '#' || code == '*' || (code >= 0x80 && is_pictograph(code));
}

static bool is_emoji_modifier(uint32_t code)
{
    return in_range(code, 0x1f3fb, 0x1f3ff);
}

static bool is_regional_indicator(uint32_t code)
{
    return in_range(code, 0x1f1e6, 0x1f1ff);
}

static bool is_tag(uint32_t code)
{
    return in_range(code, 0xe0020, 0xe007f);
}

enum char_class char_class_of(uint32_t code)
{
    if (code == '\n' || code == '\r')
        return CHAR_NEWLINE;
    if (code == ' ' || in_range(code, '\t', '\r') || code == 0x85)
        return CHAR_SPACE;
    if (code == '_' || code == ZERO_WIDTH_JOINER || code == ZERO_WIDTH_NON_JOINER)
        return CHAR_WORD;
    if (in_range(category_of(code), UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP))
        return CHAR_SPACE;
    return is_letter(code) || is_mark(code) || is_number(code) ? CHAR_WORD : CHAR_PUNCT;
}

/* --- clusters --- */

static bool is_break(uint32_t before, uint32_t after, utf8proc_int32_t *state)
{
    return utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after, state);
}

static size_t cluster_next_decoded(struct bytes text)
{
    uint32_t before = 0;
    size_t len = utf8_decode(text, &before);
    if (before >= UNICODE_INVALID)
        return len;
    utf8proc_int32_t state = 0;
    while (len < text.len) {
        uint32_t code = 0;
        size_t step = utf8_decode(rest_of(text, len), &code);
        if (code >= UNICODE_INVALID || len + step > CLUSTER_BYTES_MAX || is_break(before, code, &state))
            break;
        len += step;
        before = code;
    }
    return len;
}

/* Between two ASCII bytes there always is a boundary, but for CR LF. Asking the library costs ten times as much. */
static size_t ascii_cluster(const unsigned char pair[2])
{
    return pair[0] == '\r' && pair[1] == '\n' ? 2 : 1;
}

size_t cluster_next(struct bytes text)
{
    if (text.len <= 1)
        return text.len;
    if (text.data[0] < 0x80 && text.data[1] < 0x80)
        return ascii_cluster(text.data);
    return cluster_next_decoded(text);
}

/*
 * Whether there is a boundary whatever stands in front of `before`. The rules that look back further (flags in pairs,
 * pictographs around a joiner, Indic conjuncts) all have a flag, a joiner or a mark just in front of the place.
 */
static bool is_certain_boundary(uint32_t before, uint32_t after)
{
    if (before >= UNICODE_INVALID || after >= UNICODE_INVALID)
        return true;
    if (!utf8proc_grapheme_break((utf8proc_int32_t)before, (utf8proc_int32_t)after))
        return false;
    return after < 0x80 || (before != ZERO_WIDTH_JOINER && !is_mark(before) && !is_regional_indicator(before));
}

/* A place from which walking forward finds the last cluster: a certain boundary, or as far back as we look. */
static size_t walk_start(struct bytes text)
{
    uint32_t after = 0;
    size_t at = text.len - decode_last(text, &after);
    while (at > 0) {
        uint32_t before = 0;
        size_t step = decode_last(bytes_slice(text, 0, at), &before);
        if (text.len - at + step > CLUSTER_BYTES_MAX || is_certain_boundary(before, after))
            break;
        at -= step;
        after = before;
    }
    return at;
}

size_t cluster_prev(struct bytes text)
{
    if (text.len <= 1)
        return text.len;
    const unsigned char *pair = text.data + text.len - 2;
    if (pair[0] < 0x80 && pair[1] < 0x80)
        return ascii_cluster(pair);
    size_t len = 0;
    for (size_t at = walk_start(text); at < text.len; at += len)
        len = cluster_next(rest_of(text, at));
    return len;
}

/* --- widths --- */

/* Visible signs among the format characters: they enclose or precede numbers and take a cell. */
static bool is_visible_format(uint32_t code)
{
    static const struct range visible[] = {{0x600, 0x605}, {0x6dd, 0x6dd},     {0x70f, 0x70f},    {0x890, 0x891},
                                           {0x8e2, 0x8e2}, {0x110bd, 0x110bd}, {0x110cd, 0x110cd}};
    return in_ranges(code, visible, sizeof visible / sizeof *visible);
}

/* Vowels and finals of Hangul are drawn into the syllable's first letter. */
static bool is_hangul_tail(uint32_t code)
{
    return in_range(code, 0x1160, 0x11ff) || in_range(code, 0xd7b0, 0xd7fb);
}

/* Where utf8proc says 1 and terminals say 2: circled numbers on black squares, hexagrams, emoji newer than the library.
 */
static bool is_wide_all_the_same(uint32_t code)
{
    return in_range(code, 0x3248, 0x324f) || in_range(code, 0x4dc0, 0x4dff) ||
           (in_range(code, 0x1fa70, 0x1faff) && category_of(code) == UTF8PROC_CATEGORY_CN);
}

/* What wcwidth() says of one code point, without asking the locale. */
static int code_width(uint32_t code)
{
    if (code < 0x300)
        return 1;
    if (is_hangul_tail(code))
        return 0;
    if (is_wide_all_the_same(code))
        return 2;
    int width = code < UNICODE_INVALID ? utf8proc_charwidth((utf8proc_int32_t)code) : 1;
    if (width == 0 && (category_of(code) == UTF8PROC_CATEGORY_MC || is_visible_format(code)))
        return 1;
    return width;
}

static bool is_flag(struct bytes cluster)
{
    uint32_t first = 0, second = 0;
    size_t len = utf8_decode(cluster, &first);
    utf8_decode(rest_of(cluster, len), &second);
    return is_regional_indicator(first) && is_regional_indicator(second);
}

/* An emoji made of several code points, drawn as one picture of two cells. */
static bool is_emoji_sequence(struct bytes cluster)
{
    uint32_t code = 0;
    size_t at = utf8_decode(cluster, &code);
    if (!is_emoji_base(code))
        return is_flag(cluster);
    while (at < cluster.len) {
        at += utf8_decode(rest_of(cluster, at), &code);
        if (code == EMOJI_SELECTOR || is_emoji_modifier(code) || is_pictograph(code))
            return true;
    }
    return false;
}

int cluster_width(struct bytes cluster)
{
    if (cluster.len == 0)
        return 0;
    if (cluster.data[0] < 0x80 && cluster.data[cluster.len - 1] < 0x80)
        return 1; /* one ASCII character, or CR LF */
    if (is_emoji_sequence(cluster))
        return 2;
    int width = 0;
    for (size_t at = 0; at < cluster.len && width < 2;) {
        uint32_t code = 0;
        at += utf8_decode(rest_of(cluster, at), &code);
        width += code_width(code);
    }
    return width < 2 ? width : 2;
}

/* --- what must not reach a terminal --- */

bool unicode_is_unsafe(uint32_t code)
{
    /* Default_Ignorable_Code_Point of Unicode 15 (but selectors 15 and 16), the other format characters that are not
       seen, and the line and paragraph separators. */
    static const struct range invisible[] = {
        {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160},   {0x17b4, 0x17b5},
        {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
        {0xfdd0, 0xfdef},   {0xfe00, 0xfe0d},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
        {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };
    if (code < 0xa0)
        return code < 0x20 || code >= 0x7f;
    if (code >= UNICODE_INVALID || (code & 0xfffe) == 0xfffe)
        return true; /* stray bytes; the two noncharacters at the end of each plane */
    return in_ranges(code, invisible, sizeof invisible / sizeof *invisible);
}

size_t unicode_unsafe_text(uint32_t code, char out[])
{
    int len = 0;
    if (code < 0x20 || code == 0x7f)
        len = snprintf(out, UNSAFE_TEXT_MAX + 1, "^%c", (int)(code ^ 0x40));
    else if (in_range(code, UNICODE_INVALID, UNICODE_INVALID + 0xff))
        len = snprintf(out, UNSAFE_TEXT_MAX + 1, "<%02X>", (unsigned)(code - UNICODE_INVALID));
    else
        len = snprintf(out, UNSAFE_TEXT_MAX + 1, "<U+%04X>", (unsigned)code);
    ensure(len > 0 && len <= UNSAFE_TEXT_MAX);
    return (size_t)len;
}

/* What an invisible code point needs around it to have a visible job. */
struct neighbours {
    uint32_t base;   /* the last one that stands by itself: no mark, modifier or format character */
    size_t base_at;  /* where that is in the cluster, in bytes */
    uint32_t before; /* 0 at the start */
    uint32_t after;  /* 0 at the end */
    size_t at;
};

/* Scripts whose letters join, or are kept from joining, by invisible characters all lie behind Greek and Cyrillic. */
static bool joins(uint32_t code)
{
    return code >= 0x600 && (is_letter(code) || is_mark(code)) && !in_range(code, TEXT_SELECTOR, EMOJI_SELECTOR);
}

static bool has_visible_job(uint32_t code, const struct neighbours *near)
{
    enum { FLAG_BYTES_MAX = 32 }; /* the flag, six tags and their end; more would be a message */
    if (code == TEXT_SELECTOR || code == EMOJI_SELECTOR)
        return is_emoji_base(near->before);
    if (code == ZERO_WIDTH_JOINER && is_emoji_base(near->base))
        return is_pictograph(near->after);
    if (code == ZERO_WIDTH_JOINER || code == ZERO_WIDTH_NON_JOINER)
        return joins(near->before);
    return is_tag(code) && near->base == BLACK_FLAG && near->at - near->base_at < FLAG_BYTES_MAX;
}

static bool is_unsafe_here(uint32_t code, const struct neighbours *near)
{
    bool selector = code == TEXT_SELECTOR || code == EMOJI_SELECTOR;
    return (selector || unicode_is_unsafe(code)) && !has_visible_job(code, near);
}

static bool stands_by_itself(uint32_t code)
{
    return !is_mark(code) && !is_emoji_modifier(code) && category_of(code) != UTF8PROC_CATEGORY_CF;
}

size_t cluster_safe_len(struct bytes cluster)
{
    struct neighbours near = {0};
    uint32_t code = 0;
    size_t step = utf8_decode(cluster, &code);
    while (near.at < cluster.len) {
        size_t step_after = utf8_decode(rest_of(cluster, near.at + step), &near.after);
        if (is_unsafe_here(code, &near))
            break;
        if (stands_by_itself(code)) {
            near.base = code;
            near.base_at = near.at;
        }
        near.before = code;
        near.at += step;
        code = near.after;
        step = step_after;
    }
    return near.at;
}

/* --- labels --- */

/* What becomes of one step through a label: text to show and the cells it takes. */
struct piece {
    char text[UTF8_BYTES_MAX + CLUSTER_BYTES_MAX];
    size_t len;
    int cells;
};

/*
 * The bytes of a safe cluster that a label shows: not more than a few marks, not letter after letter in one cluster.
 * A cut may take away what a joiner was there for, and then the joiner goes too.
 */
static size_t label_len(struct bytes cluster)
{
    enum { MARKS_MAX = 4, CELLS_MAX = 2 };
    bool emoji = is_emoji_sequence(cluster);
    int marks = 0, cells = 0;
    size_t at = 0;
    while (at < cluster.len) {
        uint32_t code = 0;
        size_t step = utf8_decode(rest_of(cluster, at), &code);
        marks += is_mark(code);
        cells += code_width(code);
        if (marks > MARKS_MAX || (cells > CELLS_MAX && !emoji))
            break;
        at += step;
    }
    return at < cluster.len ? cluster_safe_len(bytes_slice(cluster, 0, at)) : at;
}

static void piece_add(struct piece *piece, struct bytes bytes)
{
    memcpy(piece->text + piece->len, bytes.data, bytes.len);
    piece->len += bytes.len;
}

static void piece_of_cluster(struct piece *piece, struct bytes cluster)
{
    uint32_t first = 0;
    utf8_decode(cluster, &first);
    piece->len = 0;
    if (!utf8proc_grapheme_break(' ', (utf8proc_int32_t)first)) {
        unsigned char circle[UTF8_BYTES_MAX];
        piece_add(piece, bytes_of(circle, utf8_encode(DOTTED_CIRCLE, circle)));
    }
    piece_add(piece, bytes_slice(cluster, 0, label_len(cluster)));
    piece->cells = cluster_width(bytes_of(piece->text, piece->len));
}

/* The piece that `label` begins with; returns how many of its bytes that covers. */
static size_t next_piece(struct bytes label, struct piece *piece)
{
    size_t len = cluster_next(label);
    size_t safe = cluster_safe_len(bytes_slice(label, 0, len));
    if (safe > 0) {
        piece_of_cluster(piece, bytes_slice(label, 0, safe));
        return safe;
    }
    uint32_t code = 0;
    len = utf8_decode(label, &code);
    piece->len = unicode_unsafe_text(code, piece->text);
    piece->cells = (int)piece->len;
    return len;
}

void unicode_safe_label(struct bytes label, int cells_max, struct buf *out)
{
    struct piece piece;
    int cells = 0;
    for (size_t at = 0; at < label.len;) {
        at += next_piece(rest_of(label, at), &piece);
        if (piece.cells > cells_max - cells)
            return;
        cells += piece.cells;
        buf_add(out, piece.text, piece.len);
    }
}
