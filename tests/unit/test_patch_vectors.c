/*
 * Patches against the vectors of others: text, operation, result. The operations count code points, so each is laid
 * over a text with characters of 1 to 4 bytes and converted there.
 */
#include "tests/support/support.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "editor/patch.h"

/* --- the files: one JSON value a line --- */

static bool read_lines(const char *name, struct buf *out)
{
    char *dir = support_data_dir();
    if (!dir)
        return false;
    char *path = xformat("%s/vectors/%s.jsonl.gz", dir, name);
    FILE *there = fopen(path, "rb");
    if (there) {
        fclose(there);
        support_read_gz(path, out);
    }
    free(path);
    free(dir);
    return there != NULL;
}

struct tally {
    size_t seen, exact;
};

typedef void check_vector(const cJSON *vector, struct tally *tally);

static struct tally check_each(const struct buf *lines, check_vector *check)
{
    struct tally tally = {0};
    for (size_t at = 0; at < lines->len;) {
        const char *line = (const char *)lines->data + at;
        const char *end = memchr(line, '\n', lines->len - at);
        size_t len = end ? (size_t)(end - line) : lines->len - at;
        if (len) {
            cJSON *vector = cJSON_ParseWithLength(line, len);
            assert_non_null(vector);
            check(vector, &tally);
            tally.seen++;
            cJSON_Delete(vector);
        }
        at += len + 1;
    }
    return tally;
}

static void check_file(const char *name, check_vector *check)
{
    struct buf lines = {0};
    if (!read_lines(name, &lines)) {
        print_message("%s: no test data here (WEFT_TEST_DATA names its place)\n", name);
        skip();
    }
    struct tally tally = check_each(&lines, check);
    print_message("%s: %zu vectors, %zu equal part by part\n", name, tally.seen, tally.exact);
    assert_true(tally.seen > 0);
    buf_release(&lines);
}

/* --- code points and bytes --- */

static const char *string_of(const cJSON *vector, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(vector, key));
    assert_non_null(text);
    return text;
}

/* The bytes that `count` code points take at `at` of valid text. */
static size_t span_of(struct bytes text, size_t at, size_t count)
{
    size_t end = at;
    for (; count > 0; count--) {
        assert_true(end < text.len);
        do
            end++;
        while (end < text.len && (text.data[end] & 0xc0) == 0x80);
    }
    return end - at;
}

static bool is_delete(const cJSON *part)
{
    return cJSON_IsObject(part);
}

static size_t old_count(const cJSON *part)
{
    const cJSON *number = is_delete(part) ? cJSON_GetObjectItemCaseSensitive(part, "d") : part;
    return cJSON_IsNumber(number) ? (size_t)number->valueint : 0;
}

/* The operation under `key` as a patch of `text`. */
static struct patch patch_of(const cJSON *vector, const char *key, struct bytes text)
{
    struct patch patch = {0};
    size_t at = 0;
    const cJSON *part = NULL;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(vector, key))
    {
        size_t span = span_of(text, at, old_count(part));
        if (cJSON_IsString(part))
            patch_insert(&patch, bytes_of_string(part->valuestring));
        else if (is_delete(part))
            patch_delete(&patch, span);
        else
            patch_retain(&patch, span);
        at += span;
    }
    patch_check(&patch);
    return patch;
}

/* A text with room for every operation in the vector. */
static struct buf text_for(const cJSON *vector)
{
    static const char *const chars[] = {"a", "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80", "b"};
    struct buf text = {0};
    size_t n = 0;
    for (const cJSON *op = vector->child; op; op = op->next) {
        for (const cJSON *part = op->child; part; part = part->next) {
            for (size_t i = old_count(part); i > 0; i--)
                buf_add_string(&text, chars[n++ % (sizeof chars / sizeof *chars)]);
        }
    }
    return text;
}

static struct buf applied(const struct patch *patch, const struct buf *old)
{
    struct buf out = {0};
    patch_apply(patch, buf_view(old), &out);
    return out;
}

static void expect_same_text(const struct buf *a, const struct buf *b)
{
    assert_int_equal(a->len, b->len);
    assert_true(bytes_equal(buf_view(a), buf_view(b)));
}

/* --- apply --- */

static void check_apply(const cJSON *vector, struct tally *tally)
{
    struct bytes old = bytes_of_string(string_of(vector, "str"));
    struct patch patch = patch_of(vector, "op", old);
    struct buf out = {0};
    patch_apply(&patch, old, &out);
    assert_string_equal(buf_string(&out), string_of(vector, "result"));
    tally->exact++;
    buf_release(&out);
    patch_release(&patch);
}

static void applying_gives_the_recorded_text(void **state)
{
    (void)state;
    check_file("ot-apply", check_apply);
}

/* --- compose --- */

/* Equal patches: the recorded result, put in normal form, is what we compose, part by part. */
static void check_compose(const cJSON *vector, struct tally *tally)
{
    struct buf text = text_for(vector);
    struct patch first = patch_of(vector, "op1", buf_view(&text));
    struct buf between = applied(&first, &text);
    struct patch second = patch_of(vector, "op2", buf_view(&between));
    struct patch wanted = patch_of(vector, "result", buf_view(&text));
    struct patch both = {0};
    patch_compose(&both, &first, &second);
    patch_check(&both);
    assert_true(patch_equal(&both, &wanted));
    tally->exact++;

    struct buf by_steps = applied(&second, &between);
    struct buf at_once = applied(&both, &text);
    expect_same_text(&by_steps, &at_once);
    buf_release(&by_steps);
    buf_release(&at_once);
    buf_release(&text);
    buf_release(&between);
    patch_release(&first);
    patch_release(&second);
    patch_release(&wanted);
    patch_release(&both);
}

static void composing_gives_the_recorded_patch(void **state)
{
    (void)state;
    check_file("ot-compose", check_compose);
}

/* --- transform --- */

/*
 * The recorded operations may write an insert behind the delete at one place, which puts it at the other end of the
 * deleted stretch; our normal form has it in front. An insert of the other side at or in that stretch may then stand on
 * its other side, with both answers right. Only such vectors may differ.
 */
static bool inserts_behind_delete(const cJSON *vector, const char *key)
{
    const cJSON *part = NULL;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(vector, key))
    {
        if (is_delete(part) && part->next && cJSON_IsString(part->next))
            return true;
    }
    return false;
}

static void expect_tp1(const struct patch *a, const struct patch *b, enum patch_side side, const struct buf *text)
{
    struct patch a_after = {0}, b_after = {0};
    patch_transform(&a_after, a, b, side);
    patch_transform(&b_after, b, a, side == PATCH_LEFT ? PATCH_RIGHT : PATCH_LEFT);
    struct buf text_a = applied(a, text), text_ab = applied(&b_after, &text_a);
    struct buf text_b = applied(b, text), text_ba = applied(&a_after, &text_b);
    expect_same_text(&text_ab, &text_ba);
    buf_release(&text_a);
    buf_release(&text_ab);
    buf_release(&text_b);
    buf_release(&text_ba);
    patch_release(&a_after);
    patch_release(&b_after);
}

static void check_transform(const cJSON *vector, struct tally *tally)
{
    enum patch_side side = strcmp(string_of(vector, "side"), "left") == 0 ? PATCH_LEFT : PATCH_RIGHT;
    struct buf text = text_for(vector);
    struct patch a = patch_of(vector, "op", buf_view(&text));
    struct patch b = patch_of(vector, "otherOp", buf_view(&text));
    struct buf after_b = applied(&b, &text);
    struct patch wanted = patch_of(vector, "result", buf_view(&after_b));
    struct patch given = {0};
    patch_transform(&given, &a, &b, side);
    patch_check(&given);
    if (patch_equal(&given, &wanted))
        tally->exact++;
    else
        assert_true(inserts_behind_delete(vector, "op") || inserts_behind_delete(vector, "otherOp"));
    assert_int_equal(patch_deleted(&given), patch_deleted(&wanted));
    assert_true(bytes_equal(buf_view(&given.text), buf_view(&wanted.text)));
    expect_tp1(&a, &b, side, &text);

    buf_release(&text);
    buf_release(&after_b);
    patch_release(&a);
    patch_release(&b);
    patch_release(&wanted);
    patch_release(&given);
}

static void transforming_gives_the_recorded_patch(void **state)
{
    (void)state;
    check_file("ot-transform", check_transform);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applying_gives_the_recorded_text),
        cmocka_unit_test(composing_gives_the_recorded_patch),
        cmocka_unit_test(transforming_gives_the_recorded_patch),
    };
    return RUN_TESTS("patch vectors", tests);
}
