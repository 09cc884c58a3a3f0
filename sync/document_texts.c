#include "sync/document_texts.h"

#include "editor/base/least.h"
#include "sync/document_past.h"

enum {
    STEP_OPS = 2048,  /* a walk over so many runs of operations takes a millisecond or two */
    SAVED_STEPS = 4,  /* a history of fewer steps is walked faster than its keyframes are worth */
    SAVED_PARTS = 4,  /* of a step: no saved keyframe is newer than one of these; and of its age, by which it may be older */
};

static uint64_t step_ops(const struct document *document)
{
    return document->keyframe_ops ? document->keyframe_ops : STEP_OPS;
}

static uint64_t ops_of(const struct document *document, uint64_t cut)
{
    return oplog_ops(&document->log, 0, cut);
}

struct walker *document_aside(struct document *document)
{
    if (!document->aside)
        document->aside = walker_new(document->graph, &document->log, &document->critical, rope_len(document->base));
    return document->aside;
}

static const struct keyframe *find_keyframe(struct document *document, uint64_t cut)
{
    struct keyframe_source source = {document->base, buf_view(&document->log.text)};
    return keyframes_find(&document->keyframes, &document->critical, source, cut);
}

/* --- cuts --- */

static uint64_t last_of(const struct lv_list *version)
{
    return version->items[version->count - 1];
}

/* The newest cut that a version has: it has all before its newest event, but that of itself only where it is critical. */
static uint64_t cut_within(const struct document *document, const struct lv_list *version)
{
    if (version->count == 0)
        return 0;
    uint64_t with_last = critical_cut_upto(&document->critical, last_of(version) + 1);
    bool is_it = with_last == last_of(version) + 1 && version->count == 1;
    const struct critical_range *range = is_it ? critical_find(&document->critical, with_last - 1) : NULL;
    return range && with_last - 1 <= range->last ? with_last : critical_cut_upto(&document->critical, last_of(version));
}

/* The critical event that is all of a cut's version. NULL: it is none. */
static const struct critical_range *range_of(const struct document *document, uint64_t cut)
{
    const struct critical_range *range = cut > 0 ? critical_find(&document->critical, cut - 1) : NULL;
    return range && cut - 1 <= range->last ? range : NULL;
}

/* How long the text is there, where that was noted. */
static bool len_at(const struct document *document, uint64_t cut, uint64_t *len)
{
    const struct critical_range *range = range_of(document, cut);
    *len = rope_len(document->base);
    if (cut > 0 && range && range->len_before != UINT64_MAX)
        *len = range->len_before + (uint64_t)oplog_net(&document->log, range->first, cut);
    return cut == 0 || (range && range->len_before != UINT64_MAX);
}

/* For walks that begin in that range. */
static void note_len(struct document *document, uint64_t cut, uint64_t len)
{
    const struct critical_range *range = range_of(document, cut);
    if (range && range->len_before == UINT64_MAX)
        critical_note(&document->critical, range->first, len - (uint64_t)oplog_net(&document->log, range->first, cut));
}

/* --- from one known text to another --- */

/* A text on its way from version to version. */
struct going {
    struct document *document;
    uint64_t cut; /* where it is */
    struct rope *text;
};

static struct going begin(struct document *document, uint64_t cut)
{
    const struct keyframe *keyframe = find_keyframe(document, cut);
    if (!keyframe)
        return (struct going){document, 0, rope_snapshot(document->base)};
    note_len(document, keyframe->cut, rope_len(keyframe->text));
    return (struct going){document, keyframe->cut, rope_snapshot(keyframe->text)};
}

static void go(struct going *going, const struct lv_list *heads)
{
    struct document *document = going->document;
    struct patch patch = {0};
    struct lv_list from = {0};
    critical_cut_version(&document->critical, document->graph, going->cut, &from);
    walker_from(document_aside(document), &from, rope_len(going->text), heads, &patch);
    rope_apply(going->text, &patch);
    patch_release(&patch);
    lv_list_release(&from);
}

/* To a later cut. */
static void go_to_cut(struct going *going, uint64_t cut)
{
    struct document *document = going->document;
    struct lv_list heads = {0};
    critical_cut_version(&document->critical, document->graph, cut, &heads);
    go(going, &heads);
    lv_list_release(&heads);
    going->cut = cut;
    note_len(document, cut, rope_len(going->text));
    struct keyframe keyframe = {.cut = cut, .ops = ops_of(document, cut), .text = going->text};
    keyframes_add(&document->keyframes, &keyframe, oplog_runs(&document->log));
}

/* The first cut that is a step farther on. */
static uint64_t next_cut(const struct going *going)
{
    const struct document *document = going->document;
    uint64_t run = ops_of(document, going->cut) + step_ops(document);
    if (run >= oplog_runs(&document->log))
        return UINT64_MAX;
    return critical_cut_from(&document->critical, oplog_run(&document->log, (size_t)run).lv);
}

/* As near as there are cuts, up to this one. */
static struct going go_near(struct document *document, uint64_t cut)
{
    struct going going = begin(document, cut);
    for (uint64_t next; (next = next_cut(&going)) <= cut;)
        go_to_cut(&going, next);
    return going;
}

struct rope *document_text_of(struct document *document, const struct lv_list *heads)
{
    struct going going = go_near(document, cut_within(document, heads));
    go(&going, heads);
    return going.text;
}

struct rope *document_text_at_cut(struct document *document, uint64_t cut)
{
    struct going going = go_near(document, cut);
    if (going.cut < cut)
        go_to_cut(&going, cut);
    return going.text;
}

void document_cut_below(struct document *document, const struct lv_list *a, const struct lv_list *b, struct known_cut *out)
{
    uint64_t newest = least(cut_within(document, a), cut_within(document, b)), len;
    const struct critical_range *range = newest > 0 ? critical_find(&document->critical, newest - 1) : NULL;
    uint64_t single = !range ? 0 : least(newest, range->last + 1);
    bool is_near = oplog_ops(&document->log, single, newest) <= step_ops(document);
    *out = (struct known_cut){.cut = is_near && len_at(document, single, &len) ? single : newest};
    if (!len_at(document, out->cut, &out->len)) {
        out->text = document_text_at_cut(document, out->cut);
        out->len = rope_len(out->text);
    }
    critical_cut_version(&document->critical, document->graph, out->cut, &out->version);
}

void known_cut_release(struct known_cut *known)
{
    rope_free(known->text);
    lv_list_release(&known->version);
}

/* --- the text at a version --- */

/* How many runs the events lie in that the present has and a version has not. */
static uint64_t ops_since(struct document *document, const struct lv_list *version)
{
    struct lv_ranges since = {0}, none = {0};
    uint64_t ops = 0;
    graph_diff(document->graph, graph_frontier(document->graph), version, &since, &none);
    for (size_t i = 0; i < since.count; i++)
        ops += oplog_ops(&document->log, since.items[i].first, since.items[i].end);
    lv_ranges_release(&since);
    lv_ranges_release(&none);
    return ops;
}

/* Whether the way back from the present is shorter than that from the keyframe before. */
static bool is_near(struct document *document, const struct lv_list *version)
{
    enum { NEAR = 4 }; /* what is taken back is gone over twice, and may ask for a text before it all the same */
    uint64_t from = keyframes_cut(&document->keyframes, cut_within(document, version));
    uint64_t last = version->count ? ops_of(document, last_of(version) + 1) : 0, forth = last - ops_of(document, from);
    return NEAR * (oplog_runs(&document->log) - last) < forth && NEAR * ops_since(document, version) < forth;
}

/* By the way back. */
static struct rope *text_from(struct document *document, const struct rope *now, const struct version *version)
{
    struct version present = {0};
    struct patch patch = {0};
    document_version(document, &present);
    bool known = document_patch_between(document, &present, version, &patch);
    ensure(known);
    struct rope *text = rope_snapshot(now);
    rope_apply(text, &patch);
    patch_release(&patch);
    version_release(&present);
    return text;
}

struct rope *document_text_at(struct document *document, const struct rope *now, const struct version *version)
{
    struct lv_list heads = {0};
    struct error ignored = {0};
    struct rope *text = NULL;
    if (document_is_at(document, version))
        return rope_snapshot(now);
    if (!document_read_history(document, &ignored))
        return NULL;
    ensure(document->merged == graph_len(document->graph) && rope_len(now) == document->len);
    if (document_lvs(document, version, &heads))
        text = is_near(document, &heads) ? text_from(document, now, version) : document_text_of(document, &heads);
    lv_list_release(&heads);
    return text;
}

/* --- saving --- */

/* A keyframe about so many runs before the newest. NULL: there is none that is worth it. */
static const struct keyframe *keyframe_back(struct document *document, uint64_t age)
{
    uint64_t ops = oplog_runs(&document->log) - age;
    uint64_t cut = critical_cut_upto(&document->critical, oplog_run(&document->log, (size_t)ops).lv);
    if (cut == 0)
        return NULL;
    const struct keyframe *keyframe = find_keyframe(document, cut);
    if (keyframe && ops - ops_of(document, keyframe->cut) <= age / SAVED_PARTS)
        return keyframe;
    rope_free(document_text_at_cut(document, cut));
    return find_keyframe(document, cut);
}

static void choose(struct document *document, struct keyframes *out)
{
    uint64_t ops = oplog_runs(&document->log), bytes = 0;
    if (ops < SAVED_STEPS * step_ops(document))
        return;
    for (uint64_t age = ops / 2; age >= step_ops(document) / SAVED_PARTS && age > 0; age /= 2) {
        const struct keyframe *keyframe = keyframe_back(document, age);
        if (!keyframe)
            continue;
        bytes += rope_len(keyframe->text);
        if (bytes > KEYFRAMES_BYTES_MAX)
            break;
        keyframes_add(out, keyframe, ops);
    }
}

bool document_save_keyframes(struct document *document, struct buf *out)
{
    struct keyframes keyframes = {0};
    choose(document, &keyframes);
    bool written = keyframes.count > 0 &&
                   keyframes_write(&keyframes, (struct keyframe_source){document->base, buf_view(&document->log.text)}, out);
    keyframes_release(&keyframes);
    return written;
}
