/*
 * How much memory decoders take of malloc(), to the byte: of what a peer can send never more than HEAP_DECODE_RATIO times its
 * bytes, and a named number besides. Here are the worst cases that are known; the fuzz targets hold any input to the same.
 */
#include "tests/support/heap.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/bundle.h"
#include "sync/checkpoint.h"
#include "sync/message.h"
#include "sync/packing.h"
#include "sync/presence.h"
#include "sync/share_link.h"

static const struct agent_id ana = {{'a'}};
static struct doc_keys keys;

/* --- plaintexts --- */

static void expect_batch_bound(struct batch *batch)
{
    struct buf plain = {0};
    struct batch back = {0};
    struct error err = {0};
    batch_encode(batch, &plain);
    heap_begin();
    bool good = batch_decode(buf_view(&plain), &batch->agent, batch->seq0, &back, &err);
    heap_end_decode(plain.len, BATCH_DECODE_BYTES);
    assert_true(good);
    batch_release(&back);
    batch_release(batch);
    buf_release(&plain);
}

static void a_batch_of_the_most_operations_keeps_the_bound(void **state)
{
    (void)state;
    struct batch deletes = {.agent = ana}, both = {.agent = ana};
    for (int i = 0; i < BATCH_OPS_MAX; i++)
        batch_add_delete(&deletes, 0, 1); /* two bytes each: there is nothing shorter */
    for (int i = 0; i < BATCH_OPS_MAX; i++) {
        if (i % 2)
            batch_add_insert(&both, 1, bytes_of_string("x"));
        else
            batch_add_delete(&both, 1, 3);
    }
    expect_batch_bound(&deletes);
    expect_batch_bound(&both);
}

static void a_batch_of_many_spans_or_parents_or_much_text_keeps_the_bound(void **state)
{
    (void)state;
    struct batch spans = {.agent = ana}, parents = {.agent = ana}, text = {.agent = ana}, nothing = {.agent = ana};
    struct buf large = {0};
    for (int i = 0; i < 50000; i++)
        batch_add_undo(&spans, (struct event_span){ana, 0, 1});
    batch_add_nop(&spans);
    for (int i = 0; i < BATCH_PARENTS_MAX; i++)
        batch_add_parent(&parents, (struct event_id){{{'b', (unsigned char)i}}, 0});
    batch_add_nop(&parents);
    memset(buf_extend(&large, 1000000), 'x', 1000000);
    batch_add_insert(&text, 0, buf_view(&large));
    batch_add_nop(&nothing);
    batch_end(&nothing);
    expect_batch_bound(&spans);
    expect_batch_bound(&parents);
    expect_batch_bound(&text);
    expect_batch_bound(&nothing);
    buf_release(&large);
}

static void a_number_of_operations_that_are_not_there_takes_nothing(void **state)
{
    (void)state;
    static const unsigned char lie[] = {0, 0xff, 0xff, 3, 1 << 2 | OP_DELETE, 0};
    struct batch batch = {0};
    struct error err = {0};
    heap_begin();
    assert_false(batch_decode(bytes_of(lie, sizeof lie), &ana, 0, &batch, &err));
    heap_end_decode(sizeof lie, 0);
    batch_release(&batch);
}

/* --- records --- */

/* Releases it. */
static void add_batch(struct buf *plain, struct batch *batch)
{
    struct buf one = {0};
    batch_end(batch);
    batch_encode(batch, &one);
    buf_add_sized(plain, buf_view(&one));
    batch_release(batch);
    buf_release(&one);
}

/* `count` batches of one event each: of keys, or of merge markers, which are the shortest there are. */
static void write_batches(struct buf *plain, uint64_t count, bool keys_typed)
{
    for (uint64_t seq = 0; seq < count; seq++) {
        struct batch batch = {.agent = ana, .seq0 = seq, .flags = seq ? BATCH_FLAG_SELF : 0};
        if (keys_typed)
            batch_add_insert(&batch, seq % 100, bytes_of_string("k"));
        else
            batch_add_nop(&batch);
        add_batch(plain, &batch);
    }
}

/* Opened, and gone over: `besides` is what the bound allows beyond HEAP_DECODE_RATIO. */
static void expect_record_bound(unsigned kind, uint64_t count, struct bytes plain, size_t besides)
{
    struct buf stored = {0}, opened = {0};
    struct record record;
    struct batch_run run;
    struct error err = {0};
    size_t batches = 0;
    record_seal(&(struct record_spec){.kind = kind, .agent = ana, .sealer = ana, .count = count, .plain = plain,
                                      .last = &(struct digest){{0}}, .keys = &keys, .signer = &keys.read_key}, &stored);
    heap_begin();
    bool good = record_decode(buf_view(&stored), &record, &err) && record_open_events(&record, &keys, &opened, &run, &err);
    struct batch_cursor cursor = batch_cursor_of(&run);
    while (good && batch_cursor_next(&cursor))
        batches++;
    batch_cursor_release(&cursor);
    heap_end_decode(stored.len, besides);
    assert_true(good);
    assert_int_equal(record.is_bundle, kind == RECORD_PACK);
    assert_int_equal(batches, count);
    buf_release(&opened);
    buf_release(&stored);
}

static void a_record_of_the_most_batches_keeps_the_bound(void **state)
{
    (void)state;
    for (int typed = 0; typed < 2; typed++) {
        struct buf plain = {0};
        write_batches(&plain, RECORD_BATCHES_MAX, typed);
        expect_record_bound(RECORD_EVENTS, RECORD_BATCHES_MAX, buf_view(&plain), BATCH_DECODE_BYTES);
        buf_release(&plain);
    }
}

static void a_pack_of_the_most_batches_keeps_the_bound_of_bundles(void **state)
{
    (void)state;
    for (int typed = 0; typed < 2; typed++) {
        struct buf plain = {0}, bundle = {0}, out = {0};
        write_batches(&plain, RECORD_BATCHES_MAX, typed);
        assert_true(bundle_pack(&ana, 0, buf_view(&plain), &bundle));
        heap_begin();
        assert_true(bundle_unpack(buf_view(&bundle), plain.len, &out));
        assert_in_range(heap_now(), 0, bundle.len * BUNDLE_RATIO_MAX + 1024);
        heap_end_decode(bundle.len, BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES);
        expect_record_bound(RECORD_PACK, RECORD_BATCHES_MAX, buf_view(&plain),
                            BATCH_DECODE_BYTES + BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES);
        buf_release(&plain);
        buf_release(&bundle);
        buf_release(&out);
    }
}

/* A bundle that says it comes to `plain_len` bytes, whose first column is so many zeros, and fill up to `len` bytes. */
static void write_bomb(size_t plain_len, size_t zeros, size_t len, struct buf *out)
{
    struct compressor *compressor = compressor_new();
    struct buf column = {0};
    memset(buf_extend(&column, zeros), 0, zeros);
    compressor_limit(compressor, 0); /* any ratio */
    buf_add_varint(out, plain_len);
    buf_add_varint(out, 0);
    packing_add_part(compressor, out, buf_view(&column));
    assert_in_range(out->len, 0, len);
    memset(buf_extend(out, len - out->len), 0, len - out->len);
    compressor_free(compressor);
    buf_release(&column);
}

/* Whatever it says of itself, and however much a few bytes of zstd would come to. */
static void a_bundle_takes_no_more_than_the_bound(void **state)
{
    (void)state;
    enum { BOMB = 64 << 20 };
    const size_t lens[] = {4 << 10, 1 << 15, RECORD_BYTES_MAX};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        for (size_t zeros = 1 << 10; zeros <= BOMB; zeros *= 4)
            for (int beyond = 0; beyond < 2; beyond++) {
                size_t most = lens[i] * BUNDLE_RATIO_MAX < RECORD_BYTES_MAX ? lens[i] * BUNDLE_RATIO_MAX : RECORD_BYTES_MAX;
                struct buf bundle = {0}, out = {0};
                write_bomb(most + (size_t)beyond, zeros, lens[i] - (lens[i] == RECORD_BYTES_MAX), &bundle);
                heap_begin();
                assert_false(bundle_unpack(buf_view(&bundle), RECORD_BYTES_MAX, &out));
                heap_end_decode(bundle.len, BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES);
                assert_int_equal(out.len, 0);
                buf_release(&bundle);
                buf_release(&out);
            }
}

/* So many spans of events, each of which names an agent in 16 bytes: what is least in a bundle and most once it is decoded. */
static void write_spans(struct buf *plain, uint64_t batches, int spans)
{
    for (uint64_t seq = 0; seq < batches; seq++) {
        struct batch batch = {.agent = ana, .seq0 = seq, .flags = seq ? BATCH_FLAG_SELF : 0};
        for (int i = 0; i < spans; i++)
            batch_add_undo(&batch, (struct event_span){ana, 0, 1});
        batch_add_nop(&batch);
        add_batch(plain, &batch);
    }
}

/* What is packed densest, and whole: it is filled up rather than beyond the bound. */
static void the_densest_bundles_keep_the_bound(void **state)
{
    (void)state;
    static const struct {
        uint64_t batches;
        int spans;
    } shapes[] = {{16, 3600}, {200, 280}, {4000, 13}, {1, 3600}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct buf plain = {0}, bundle = {0}, out = {0};
        write_spans(&plain, shapes[i].batches, shapes[i].spans);
        assert_true(bundle_pack(&ana, 0, buf_view(&plain), &bundle));
        heap_begin();
        assert_true(bundle_unpack(buf_view(&bundle), plain.len, &out));
        heap_end_decode(bundle.len, BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES);
        assert_true(bytes_equal(buf_view(&plain), buf_view(&out)));
        expect_record_bound(RECORD_PACK, shapes[i].batches, buf_view(&plain),
                            BATCH_DECODE_BYTES + BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES);
        buf_release(&plain);
        buf_release(&bundle);
        buf_release(&out);
    }
}

/* It decodes to several times its bytes, so it would be beyond what the few bytes of a bundle allow. */
static void a_long_batch_is_in_no_bundle(void **state)
{
    (void)state;
    struct buf plain = {0}, bundle = {0};
    write_spans(&plain, 1, 3700);
    assert_true(plain.len > BUNDLE_BATCH_BYTES_MAX);
    assert_false(bundle_pack(&ana, 0, buf_view(&plain), &bundle));
    expect_record_bound(RECORD_EVENTS, 1, buf_view(&plain), BATCH_DECODE_BYTES);
    buf_release(&plain);
    buf_release(&bundle);
}

/* --- messages --- */

static void expect_message_bound(struct bytes frame, enum message_sender sender, bool good)
{
    struct agent_numbers numbers = {0};
    struct message message = {0};
    struct error err = {0};
    heap_begin();
    bool decoded = message_decode(frame, sender, &numbers, &message, &err);
    heap_end_decode(frame.len, MESSAGE_DECODE_BYTES);
    assert_int_equal(decoded, good);
    message_release(&message);
    agent_numbers_release(&numbers);
}

/* Of one agent, whose id is a byte in all frames but the first, sealed by another one: nothing grows more. */
static void a_message_of_the_most_and_shortest_records_keeps_the_bound(void **state)
{
    (void)state;
    struct buf stored = {0}, frame = {0};
    struct place_record *items = xcalloc(MESSAGE_RECORDS_MAX, sizeof *items);
    struct agent_numbers numbers = {0};
    record_seal(&(struct record_spec){.kind = RECORD_CHAT, .agent = ana, .sealer = {{'b'}}, .keys = &keys,
                                      .signer = &keys.read_key}, &stored);
    assert_int_equal(stored.len, RECORD_BYTES_MIN + AGENT_ID_BYTES);
    for (size_t i = 0; i < MESSAGE_RECORDS_MAX; i++)
        items[i] = (struct place_record){i + 1, buf_view(&stored)};
    struct message message = {.kind = MESSAGE_RECORDS, .records = {items, MESSAGE_RECORDS_MAX}};
    message_encode(&message, MESSAGE_BY_RELAY, &numbers, &frame);
    expect_message_bound(buf_view(&frame), MESSAGE_BY_RELAY, true);
    expect_message_bound(bytes_slice(buf_view(&frame), 0, frame.len - 1), MESSAGE_BY_RELAY, false);
    agent_numbers_release(&numbers);
    free(items);
    buf_release(&stored);
    buf_release(&frame);
}

static void a_message_of_the_longest_vector_keeps_the_bound(void **state)
{
    (void)state;
    struct buf frame = {0};
    struct vector_entry *vector = xcalloc(MESSAGE_VECTOR_MAX, sizeof *vector);
    struct agent_numbers numbers = {0};
    struct message message = {.kind = MESSAGE_RESUME};
    size_t count = MESSAGE_BYTES_MAX / (AGENT_ID_BYTES + 1) - 8;
    message.resume.vector = vector;
    message.resume.vector_count = count < MESSAGE_VECTOR_MAX ? count : MESSAGE_VECTOR_MAX;
    message_encode(&message, MESSAGE_BY_CLIENT, &numbers, &frame);
    expect_message_bound(buf_view(&frame), MESSAGE_BY_CLIENT, true);
    free(vector);
    buf_release(&frame);
}

/* Somebody says that there are thousands, in ten bytes. */
static void a_message_that_lies_about_its_length_takes_nothing(void **state)
{
    (void)state;
    unsigned char frame[16] = {MESSAGE_RECORDS, 0xff, 0x1f};
    expect_message_bound(bytes_of(frame, sizeof frame), MESSAGE_BY_RELAY, false);
    unsigned char resume[60] = {MESSAGE_RESUME, [50] = 0xff, 0xff, 0x03};
    expect_message_bound(bytes_of(resume, sizeof resume), MESSAGE_BY_CLIENT, false);
}

/* --- what has one size --- */

static void a_presence_and_a_link_are_decoded_in_place(void **state)
{
    (void)state;
    struct presence presence = {.agent = ana, .counter = 1, .has_cursor = true};
    struct share_link link = {.tls = true, .host_count = 1, .hosts = {{.name = "example.org", .port = 443}},
                              .access = ACCESS_READ};
    struct buf sealed = {0}, text = {0};
    struct error err = {0};
    presence_seal(&presence, &keys, &keys.read_key, &sealed);
    heap_begin();
    assert_true(presence_open(buf_view(&sealed), &keys, &presence, &err));
    heap_end_decode(sealed.len, 0);
    share_link_format(&link, &text);
    heap_begin();
    assert_true(share_link_parse(buf_view(&text), &link, &err));
    heap_end_decode(text.len, 0);
    buf_release(&sealed);
    buf_release(&text);
}

/* So many letters as a part's text, whatever a part may have. */
static void seal_letters(size_t count, struct buf *stored)
{
    enum { PACKED = 1 };
    struct compressor *compressor = compressor_new();
    struct buf letters = {0}, clear = {0}, plain = {0};
    memset(buf_extend(&letters, count), 'x', count);
    buf_add_varint(&clear, 1);
    buf_add_varint(&clear, 0);
    buf_add_byte(&plain, PACKED);
    compressor_limit(compressor, 0); /* any ratio */
    assert_true(compressor_pack(compressor, buf_view(&letters), &plain));
    buf_clear(stored);
    record_seal(&(struct record_spec){.kind = RECORD_CHECKPOINT_TEXT, .agent = ana, .sealer = ana, .counter = 1,
                                      .clear = buf_view(&clear), .plain = buf_view(&plain), .keys = &keys,
                                      .signer = &keys.read_key}, stored);
    compressor_free(compressor);
    buf_release(&letters);
    buf_release(&clear);
    buf_release(&plain);
}

/* A megabyte of one letter is a few bytes, but a record holds no more than its part. */
static void a_part_of_a_checkpoint_is_as_long_as_a_part_at_most(void **state)
{
    (void)state;
    struct buf letters = {0}, stored = {0}, text = {0};
    struct record record;
    struct error err = {0};
    memset(buf_extend(&letters, CHECKPOINT_CHUNK_BYTES), 'x', CHECKPOINT_CHUNK_BYTES);
    struct rope *rope = rope_from_bytes(buf_view(&letters));
    struct checkpoint_sealer sealer = {&keys, &keys.read_key, ana, 1};
    checkpoint_text_seal(&sealer, rope, 0, &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    heap_begin();
    bool opened = checkpoint_text_open(&record, &keys, CHECKPOINT_CHUNK_BYTES, 0, &text, &err);
    heap_end_decode(stored.len, CHECKPOINT_CHUNK_BYTES + COMPRESSOR_BYTES);
    assert_true(opened);
    assert_int_equal(text.len, CHECKPOINT_CHUNK_BYTES);
    buf_release(&text);
    seal_letters(8 * CHECKPOINT_CHUNK_BYTES, &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    heap_begin();
    opened = checkpoint_text_open(&record, &keys, CHECKPOINT_CHUNK_BYTES, 0, &text, &err);
    heap_end_decode(stored.len, CHECKPOINT_CHUNK_BYTES + COMPRESSOR_BYTES);
    assert_false(opened);
    rope_free(rope);
    buf_release(&letters);
    buf_release(&stored);
    buf_release(&text);
}

/* --- a saved document --- */

/* Keys of so many people by turns, each of whom has seen the one before, or nobody. */
static struct document *write_document(const struct rope *base, uint64_t keys_typed, unsigned people, bool hear, unsigned flags)
{
    struct document *document = document_new(base);
    struct error err = {0};
    for (uint64_t i = 0; i < keys_typed; i++) {
        struct batch batch = {.agent = {{'a', (unsigned char)(i % people)}}, .seq0 = i / people, .flags = flags, .time_s = i};
        if (batch.seq0 > 0 && !hear)
            batch.flags |= BATCH_FLAG_SELF;
        if (hear && i > 0) /* what he wrote himself is an ancestor of that */
            batch_add_parent(&batch, (struct event_id){{{'a', (unsigned char)((i - 1) % people)}}, (i - 1) / people});
        if (i % 2)
            batch_add_delete(&batch, 0, 1);
        else
            batch_add_insert(&batch, 0, bytes_of_string("x"));
        assert_int_equal(document_add(document, &batch, &err), DOCUMENT_ADDED);
        batch_release(&batch);
    }
    return document;
}

static void a_saved_document_takes_so_many_times_its_columns(void **state)
{
    (void)state;
    enum { VALID_RATIO_MAX = 48, KEYS = 100000 };
    static const struct {
        unsigned people, flags;
        bool hear;
    } worst[] = {
        {1, 0, false}, {2, 0, true}, {2, 0, false}, {200, 0, true}, {1, BATCH_FLAG_GESTURE, false},
        {2, BATCH_FLAG_GESTURE | BATCH_FLAG_TIME, true},
    };
    for (size_t i = 0; i < sizeof worst / sizeof *worst; i++) {
        struct rope *base = rope_from_bytes((struct bytes){0});
        struct document *document = write_document(base, KEYS, worst[i].people, worst[i].hear, worst[i].flags);
        struct buf saved = {0};
        struct error err = {0};
        document_encode(document, &saved);
        document_free(document);
        size_t columns = (size_t)document_saved_len(buf_view(&saved));
        heap_begin();
        document = document_decode(buf_view(&saved), base, &err);
        assert_in_range(heap_peak(), 0, VALID_RATIO_MAX * columns + COMPRESSOR_BYTES);
        heap_end();
        assert_non_null(document);
        document_free(document);
        rope_free(base);
        buf_release(&saved);
    }
}

/* It says of its first column that it will be so long: in one frame, however few bytes that has. */
static void write_claim(uint64_t len, struct buf *out)
{
    static const unsigned char begins[] = {'w', 'e', 'f', 't', 'd', 'o', 'c', 3, 0, 0},
                               frame[] = {13 << 1 | 1, 0x28, 0xb5, 0x2f, 0xfd, 0xe0};
    buf_add(out, begins, sizeof begins);
    buf_add(out, frame, sizeof frame);
    for (int i = 0; i < 8; i++)
        buf_add_byte(out, (unsigned char)(len >> (8 * i)));
}

static void a_saved_document_is_told_too_long_by_what_it_says(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        enum err code;
    } claims[] = {{1000000, ERR_FORMAT}, {DOCUMENT_COLUMNS_BYTES_MAX, ERR_FORMAT}, {DOCUMENT_COLUMNS_BYTES_MAX + 1, ERR_LIMIT},
                  {UINT64_MAX - 2, ERR_LIMIT}};
    struct rope *base = rope_from_bytes((struct bytes){0});
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        struct buf saved = {0};
        struct error err = {0};
        write_claim(claims[i].len, &saved);
        heap_begin();
        assert_null(document_decode(buf_view(&saved), base, &err));
        heap_end_decode(saved.len, 4096); /* nothing is unpacked, nor is there room for it */
        assert_int_equal(err.code, claims[i].code);
        if (err.code == ERR_LIMIT)
            assert_string_equal(err.text, "a saved document is more than 1073 MB unpacked");
        assert_true(document_saved_len(buf_view(&saved)) >= claims[i].len);
        buf_release(&saved);
    }
    rope_free(base);
}

int main(void)
{
    static const unsigned char seed[KEY_SEED_BYTES] = {3};
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    doc_keys_from_link(&keys, &(struct doc_id){{1}}, ACCESS_READ, seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_of_the_most_operations_keeps_the_bound),
        cmocka_unit_test(a_batch_of_many_spans_or_parents_or_much_text_keeps_the_bound),
        cmocka_unit_test(a_number_of_operations_that_are_not_there_takes_nothing),
        cmocka_unit_test(a_record_of_the_most_batches_keeps_the_bound),
        cmocka_unit_test(a_pack_of_the_most_batches_keeps_the_bound_of_bundles),
        cmocka_unit_test(a_bundle_takes_no_more_than_the_bound),
        cmocka_unit_test(the_densest_bundles_keep_the_bound),
        cmocka_unit_test(a_long_batch_is_in_no_bundle),
        cmocka_unit_test(a_message_of_the_most_and_shortest_records_keeps_the_bound),
        cmocka_unit_test(a_message_of_the_longest_vector_keeps_the_bound),
        cmocka_unit_test(a_message_that_lies_about_its_length_takes_nothing),
        cmocka_unit_test(a_presence_and_a_link_are_decoded_in_place),
        cmocka_unit_test(a_saved_document_takes_so_many_times_its_columns),
        cmocka_unit_test(a_saved_document_is_told_too_long_by_what_it_says),
        cmocka_unit_test(a_part_of_a_checkpoint_is_as_long_as_a_part_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
