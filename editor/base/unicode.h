/*
 * unicode - what people mean by a character, on bytes that need not be valid UTF-8.
 *
 * Text is bytes; UTF-8 is how most of it reads. A byte that does not begin a valid, shortest-form sequence stands for
 * itself and counts as one character, one code point and one cluster, so every walk over any bytes ends.
 *
 *   Units   byte offsets into the given view; widths in terminal cells.
 *   Errors  none: any bytes are fine.
 *   Source  grapheme clusters: Unicode Standard Annex 29 through utf8proc; widths: the cluster's own rule below.
 *
 * Widths and the terminal. A terminal that knows no clusters, and ncurses, advances by the sum of wcwidth() over the
 * code points. cluster_width() is that sum too, with two exceptions that are the drawing code's business: emoji
 * sequences (joiner, modifier, selector 16: always 2 here, 1 to 8 there) and clusters that take more than 2 cells (some
 * Indic and unusual Hangul: 2 here). Whoever draws such a cluster puts the cursor where the next one belongs and never
 * believes where the terminal says it is. What is given to ncurses itself must be measured with wcwidth(), never with
 * this.
 */
#ifndef WEFT_EDITOR_BASE_UNICODE_H
#define WEFT_EDITOR_BASE_UNICODE_H

#include <stdint.h>

#include "editor/base/bytes.h"

enum { UTF8_BYTES_MAX = 4, UNICODE_INVALID = 0x110000 /* code + the stray byte: 0x110000 .. 0x1100ff */ };

/*
 * The code point that starts at text[0] and its length in bytes (0, and code point 0, only for an empty view). A stray
 * byte gives UNICODE_INVALID + byte and 1.
 */
size_t utf8_decode(struct bytes text, uint32_t *code);
/* Writes a code point (< 0x110000, no surrogate) as UTF-8; returns the number of bytes. */
size_t utf8_encode(uint32_t code, unsigned char out[UTF8_BYTES_MAX]);
/* Whether `text` is valid UTF-8 throughout. */
bool utf8_valid(struct bytes text);
/* Code points in `text`; every stray byte counts as one. */
size_t utf8_count(struct bytes text);
/* True for 10xxxxxx, a byte inside a sequence. */
bool utf8_is_continuation(unsigned char byte);

/* The length of the grapheme cluster at the start of `text` (0 only for an empty view). CR LF is one cluster. */
size_t cluster_next(struct bytes text);
/*
 * The length of the last cluster of `text`. Looks back about CLUSTER_BYTES_MAX bytes, so it undoes cluster_next()
 * except in text that nobody writes: clusters cut at that bound, and rows of more flags than fit into it.
 */
size_t cluster_prev(struct bytes text);
enum { CLUSTER_BYTES_MAX = 256 /* a longer one is cut here, so that hostile text costs no more */ };

/*
 * How many cells the cluster takes when drawn, never more than 2: 0 for a lone combining mark, 2 for wide, emoji
 * presentation, flags, ZWJ sequences, variation selector 16 and a letter with a spacing mark, else 1. Controls and
 * stray bytes are the caller's business (it draws them as text).
 */
int cluster_width(struct bytes cluster);

enum char_class { CHAR_SPACE, CHAR_WORD, CHAR_PUNCT, CHAR_NEWLINE };
/* What word motions see: letters, digits, marks and `_` are words. */
enum char_class char_class_of(uint32_t code);

/*
 * True for what must never reach a terminal or mislead its reader as it is: C0 and C1 controls, DEL, bidirectional
 * controls, zero-width and invisible format characters, noncharacters, and stray bytes. (Newline and tab too: the
 * caller has dealt with them.) Variation selectors 15 and 16 pass.
 */
bool unicode_is_unsafe(uint32_t code);
/*
 * The same in its place, and what drawing code should ask: how many bytes of the cluster stand in front of the first
 * code point that must be shown as text; all of them when none. An invisible code point with a visible job is fine
 * here: a joiner between pictographs or behind a letter of a script that joins, a selector behind what can be an emoji,
 * the tags of a flag. Draw what is safe, the next code point as text, and go on behind it with the next cluster.
 */
size_t cluster_safe_len(struct bytes cluster);
/*
 * How such a code point is shown: `^[`, `<U+202E>`, `<9B>`. Writes at most UNSAFE_TEXT_MAX bytes and a NUL, returns the
 * length; all of it is ASCII, one cell a byte.
 */
size_t unicode_unsafe_text(uint32_t code, char out[]);
enum { UNSAFE_TEXT_MAX = 16 };

/*
 * A label from elsewhere (a peer's name, a file name) made safe to show: unsafe code points are replaced as above,
 * unless they have a job in their cluster; at most cells_max cells; at most 4 combining marks a cluster. A mark without
 * a letter gets a dotted circle, so that it cannot land on what stands in front of the label. The result is valid UTF-8
 * and cluster_safe_len() finds nothing in it. Appended to `out`.
 */
void unicode_safe_label(struct bytes label, int cells_max, struct buf *out);

#endif
