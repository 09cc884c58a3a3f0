/*
 * patch - a change of a text: retain, insert, delete over bytes.
 *
 * A patch reads the old text from left to right and says what becomes of it. Everything that changes text is a patch:
 * editing commands return one, a merge of remote events returns one, and views, cursors and highlighting see nothing
 * else.
 *
 * Normal form, kept by the builders: no empty part; neighbours of one kind are one part; at one place the insert stands
 * before the delete; no trailing retain. So equal patches have equal parts, and an empty patch changes nothing.
 * A patch that ends early retains the rest of the text.
 *
 *   Units      bytes. Honest users cut at UTF-8 boundaries; the algebra does not depend on it.
 *   Ownership  a patch owns its parts and inserted bytes. Zero-initialised it is the empty patch. Release with
 *              patch_release(). Every `out` argument is overwritten: it must be an initialised patch, not one of the
 *              inputs.
 *   Errors     none; a patch that does not fit the text it is applied to is a bug (ensure). Check outside data first:
 *              patch_old_len() must not exceed the text's length.
 *   Bounds     all operations are linear in the number of parts of their arguments. Lengths must sum to less than 2^64.
 *   Source     the algebra of operational transformation: Ellis & Gibbs, "Concurrency Control in Groupware Systems",
 *              SIGMOD 1989; TP1 of Ressel, Nitsche-Ruhland & Gunzenhaeuser, "An Integrating, Transformation-Oriented
 *              Approach to Concurrency Control and Undo in Group Editors", CSCW 1996.
 *
 * Laws (tests/property/test_patch_laws.c):
 *   TP1          apply(apply(s, a), transform(b, a, RIGHT)) == apply(apply(s, b), transform(a, b, LEFT))
 *   compose      apply(s, compose(a, b)) == apply(apply(s, a), b), and compose is associative
 *   invert       apply(apply(s, a), invert(a, s)) == s
 *   distribution transform(compose(a, b), c) == compose(transform(a, c), transform(b, transform(c, a))),
 *                when a and b only insert, or c only deletes
 *   map          patch_map() agrees with where apply() puts a byte
 *
 * Distribution has its condition because a patch knows no tombstones: the places inside a deleted stretch become one
 * place. Inserts that meet there stand in the order of their sides, or of their old places where those are still told
 * apart. Transforming by steps and by the whole may then differ in the order of such inserts, never in more.
 */
#ifndef WEFT_EDITOR_PATCH_H
#define WEFT_EDITOR_PATCH_H

#include <stdint.h>

#include "editor/base/bytes.h"

enum part_kind { PART_RETAIN, PART_INSERT, PART_DELETE };

struct part {
    enum part_kind kind;
    uint64_t len;   /* bytes retained, inserted or deleted; > 0 */
    size_t text_at; /* PART_INSERT: where its bytes begin in patch.text */
};

struct patch {
    struct part *parts;
    size_t count;
    size_t cap;
    struct buf text;  /* the inserted bytes of all parts, in order */
    uint64_t pending; /* retained by the builders since the last part; becomes a part when something follows */
    bool replaces;    /* patch_replace() made it, and nothing was added: of these */
    uint64_t at, deleted;
};

void patch_release(struct patch *patch);
void patch_clear(struct patch *patch); /* becomes the empty patch, keeps its memory */
/* `out` takes over the content of `from`, which becomes empty. */
void patch_move(struct patch *out, struct patch *from);

/* Builders: add to the end. A length of 0 adds nothing. */
void patch_retain(struct patch *patch, uint64_t len);
void patch_insert(struct patch *patch, struct bytes text);
void patch_delete(struct patch *patch, uint64_t len);
/* The common whole: at `at`, delete `deleted` bytes, then insert `text`. Replaces the content of `patch`. */
void patch_replace_any(struct patch *patch, uint64_t at, uint64_t deleted, struct bytes text);
static inline void patch_replace(struct patch *patch, uint64_t at, uint64_t deleted, struct bytes text)
{
    bool types = patch->replaces && patch->at > 0 && patch->deleted == 0; /* what it is: retained, inserted */
    if (text.len != 1 || deleted > 0 || at == 0 || !types) {
        patch_replace_any(patch, at, deleted, text);
        return;
    }
    patch->parts[0].len = patch->at = at; /* a key after a key: worth no call */
    patch->parts[1].len = patch->text.len = 1;
    patch->text.data[0] = text.data[0];
    patch->pending = 0;
}
/* What patch_replace() makes such a patch from. False: it changes more than one place, or nothing. */
struct replacement {
    uint64_t at, deleted;
    struct bytes text; /* lives until the patch is next changed */
};
bool patch_read_replacement(const struct patch *patch, struct replacement *out); /* the same, of any patch */
static inline bool patch_is_replacement(const struct patch *patch, struct replacement *out)
{
    if (!patch->replaces)
        return patch_read_replacement(patch, out);
    *out = (struct replacement){patch->at, patch->deleted, buf_view(&patch->text)};
    return true;
}

bool patch_is_empty(const struct patch *patch);
bool patch_equal(const struct patch *a, const struct patch *b);
/* The bytes of an insert; they live until the patch is next changed. */
struct bytes patch_part_text(const struct patch *patch, const struct part *part);
uint64_t patch_old_len(const struct patch *patch); /* bytes of old text it speaks of: the least length it fits */
uint64_t patch_inserted(const struct patch *patch);
uint64_t patch_deleted(const struct patch *patch);
void patch_check(const struct patch *patch); /* stops the program unless the patch is in normal form; for tests */

/* Appends the new text to `out`. For tests and small texts; ropes have rope_apply(). */
void patch_apply(const struct patch *patch, struct bytes old, struct buf *out);

/* First a, then b (b applies to the text that a gives). */
void patch_compose(struct patch *out, const struct patch *a, const struct patch *b);

/* The patch that takes a's new text back to `old`. */
void patch_invert(struct patch *out, const struct patch *a, struct bytes old);

enum patch_side { PATCH_LEFT, PATCH_RIGHT };
/*
 * a and b apply to the same text; `out` does after b what a did. Where both insert at one place, the one on the LEFT
 * comes first: `side` says where a stands.
 */
void patch_transform(struct patch *out, const struct patch *a, const struct patch *b, enum patch_side side);

enum gravity { GRAVITY_LEFT, GRAVITY_RIGHT };
/*
 * Where the place between bytes `at` of the old text is in the new one. When text is inserted exactly there,
 * GRAVITY_LEFT stays in front of it and GRAVITY_RIGHT goes behind it. A place inside deleted text, or at its end, moves
 * to where that text was: behind what replaced it.
 */
uint64_t patch_map(const struct patch *patch, uint64_t at, enum gravity gravity);

#endif
