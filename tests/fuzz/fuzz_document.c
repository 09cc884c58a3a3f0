/*
 * document_decode(): any bytes are refused or are a document that merges, undoes and saves itself to the same bytes.
 * document_load(): any bytes are refused or have a front that is a text. Behind one it trusts, so nothing is woken here.
 */
#include <stdint.h>
#include <stdlib.h>

#include "editor/base/least.h"
#include "sync/compressor.h"
#include "sync/document.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES_MAX = 1 << 20 };

static void use(struct document *document, const struct rope *base)
{
    static const struct agent_id agents[] = {{{1}}, {{2}}, {{3}}};
    struct patch patch = {0};
    struct batch_list made = {0};
    struct version version = {0};
    struct rope *text = rope_snapshot(base);

    document_update(document, &patch);
    rope_apply(text, &patch);
    ensure(rope_len(text) == document_len(document) && rope_len(text) <= TEXT_BYTES_MAX);
    document_version(document, &version);
    ensure(document_patch_since(document, &version, &patch) && patch_is_empty(&patch));
    for (int i = 0; i < 3; i++) {
        enum undo_direction direction = i < 2 ? UNDO_BACK : UNDO_AGAIN;
        document_undo(document, agents, 2, &agents[2], direction, 0, &patch, &made);
        rope_apply(text, &patch);
        ensure(rope_len(text) == document_len(document));
    }
    document_check(document);
    rope_free(text);
    patch_release(&patch);
    version_release(&version);
    batch_list_release(&made);
}

static void load_front(struct bytes saved, const struct rope *base)
{
    static const struct agent_id agent = {{1}};
    struct error err = {0};
    struct patch patch = {0};
    struct version version = {0};
    struct document *document = document_load(saved, base, &err);
    if (document) {
        struct rope *text = rope_snapshot(base);
        document_version(document, &version);
        ensure(version.count <= saved.len && document_next_seq(document, &agent) <= BATCH_SEQ_MAX);
        document_update(document, &patch);
        rope_apply(text, &patch);
        ensure(rope_len(text) == document_len(document) && rope_len(text) <= TEXT_BYTES_MAX);
        rope_free(text);
    } else {
        ensure(err.code != ERR_NONE);
    }
    document_free(document);
    patch_release(&patch);
    version_release(&version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rope *base = rope_from_bytes(bytes_of_string("base"));
    struct error err = {0};
    uint64_t saved = document_saved_len(bytes_of(data, size));
    heap_begin();
    struct document *document = document_decode(bytes_of(data, size), base, &err);
    size_t columns_most = (size_t)least(saved, size * (COMPRESSOR_RATIO_MAX + 1)); /* more is refused, whatever it says */
    heap_end_decode(0, DOCUMENT_DECODE_RATIO_MAX * columns_most + COMPRESSOR_BYTES);
    if (document) {
        struct buf first = {0}, second = {0};
        document_encode(document, &first);
        struct document *again = document_decode(buf_view(&first), base, &err);
        ensure(again);
        document_encode(again, &second);
        ensure(bytes_equal(buf_view(&first), buf_view(&second)));
        document_free(again);
        buf_release(&first);
        buf_release(&second);
        use(document, base);
    } else {
        ensure(err.code != ERR_NONE);
    }
    document_free(document);
    load_front(bytes_of(data, size), base);
    rope_free(base);
    return 0;
}
