/*
 * document_texts - the text at any version, from the nearest version before it whose text is known.
 *
 * That is the base text or a keyframe (sync/keyframes.h). On the way to a version that is far from one, new ones are left behind.
 * Inside of sync/document.h: for its files (sync/document_parts.h) alone. The document is awake.
 *
 *   Units      cuts (sync/critical.h): a number of events; 0: the base text.
 *   Ownership  ropes handed out are the caller's.
 *   Bounds     a walk from the keyframe before; the first time, in a document without any, from the beginning. Saving one costs
 *              the keyframes that it lacks.
 */
#ifndef WEFT_SYNC_DOCUMENT_TEXTS_H
#define WEFT_SYNC_DOCUMENT_TEXTS_H

#include "sync/document_parts.h"

/* Of known heads, ascending. */
struct rope *document_text_of(struct document *document, const struct lv_list *heads);
/* Of a cut, which is a keyframe from now on. */
struct rope *document_text_at_cut(struct document *document, uint64_t cut);
/* The walker for questions about the past. */
struct walker *document_aside(struct document *document);

/*
 * From where a walk to two versions may begin: the newest cut that both have, or one hardly older whose text's length is known
 * without making it. Where the text was made it is here.
 */
struct known_cut {
    uint64_t cut, len;
    struct lv_list version;
    struct rope *text; /* NULL: not made */
};
void document_cut_below(struct document *document, const struct lv_list *a, const struct lv_list *b, struct known_cut *out);
void known_cut_release(struct known_cut *known);

/*
 * Appends the keyframes that a saved document has: half way back, a quarter, an eighth ... until it is not worth it, or they are
 * too long; none where the history is short. Made where they are not there. False: there are none.
 */
MUST_USE bool document_save_keyframes(struct document *document, struct buf *out);

#endif
