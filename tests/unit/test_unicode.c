/* Characters as people see them: UTF-8, clusters, widths, what is not safe to show. */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/unicode.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Things with names, so that the tables below read. */
#define ACUTE "\xcc\x81"
#define ZWJ "\xe2\x80\x8d"
#define ZWNJ "\xe2\x80\x8c"
#define VS15 "\xef\xb8\x8e"
#define VS16 "\xef\xb8\x8f"
#define KEYCAP "\xe2\x83\xa3"
#define MAN "\xf0\x9f\x91\xa8"
#define WOMAN "\xf0\x9f\x91\xa9"
#define GIRL "\xf0\x9f\x91\xa7"
#define THUMB "\xf0\x9f\x91\x8d"
#define BROWN "\xf0\x9f\x8f\xbd"
#define HEART "\xe2\x9d\xa4"
#define FLAG_D "\xf0\x9f\x87\xa9"
#define FLAG_E "\xf0\x9f\x87\xaa"
#define BLACK_FLAG "\xf0\x9f\x8f\xb4"
#define TAG_G "\xf3\xa0\x81\xa7"
#define TAG_B "\xf3\xa0\x81\xa2"
#define TAG_END "\xf3\xa0\x81\xbf"
#define KA "\xe0\xa4\x95"      /* Devanagari */
#define AA_SIGN "\xe0\xa4\xbe" /* a vowel sign that takes a cell */
#define BEH "\xd8\xa8"         /* Arabic */
#define CIRCLE "\xe2\x97\x8c"

/* --- UTF-8 --- */

static void valid_sequences_decode_and_encode_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t code;
    } cases[] = {
        {"\x7f", 0x7f},           {"\xc2\x80", 0x80},
        {"\xdf\xbf", 0x7ff},      {"\xe0\xa0\x80", 0x800},
        {"\xed\x9f\xbf", 0xd7ff}, {"\xee\x80\x80", 0xe000},
        {"\xef\xbf\xbf", 0xffff}, {"\xf0\x90\x80\x80", 0x10000},
        {MAN, 0x1f468},           {"\xf4\x8f\xbf\xbf", 0x10ffff},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes text = bytes_of_string(cases[i].text);
        unsigned char back[UTF8_BYTES_MAX];
        uint32_t code = 0;
        assert_int_equal(utf8_decode(text, &code), text.len);
        assert_int_equal(code, cases[i].code);
        assert_true(bytes_equal(bytes_of(back, utf8_encode(code, back)), text));
        assert_true(utf8_valid(text));
    }
}

static void every_code_point_survives_the_trip(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < UNICODE_INVALID; code++) {
        if (code == 0xd800)
            code = 0xe000;
        unsigned char out[UTF8_BYTES_MAX];
        uint32_t back = 0;
        size_t len = utf8_encode(code, out);
        if (utf8_decode(bytes_of(out, len), &back) != len || back != code)
            fail_msg("U+%04X came back as U+%04X", (unsigned)code, (unsigned)back);
    }
}

static void what_is_not_utf8_is_a_stray_byte(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\x80", /* a continuation with nothing to continue */
        "\xbf\x80",
        "\xc0\x80", /* overlong */
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3", /* cut short */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3x", /* interrupted */
        "\xe2\x82x",
        "\xf0\x9f\x98x",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes text = bytes_of_string(cases[i]);
        uint32_t code = 0;
        assert_int_equal(utf8_decode(text, &code), 1);
        assert_int_equal(code, UNICODE_INVALID + text.data[0]);
        assert_int_equal(cluster_next(text), 1);
        assert_false(utf8_valid(text));
        assert_int_equal(utf8_count(text), text.len);
    }
}

static void an_empty_view_has_nothing(void **state)
{
    (void)state;
    struct bytes none = {0};
    uint32_t code = 7;
    assert_int_equal(utf8_decode(none, &code), 0);
    assert_int_equal(code, 0);
    assert_true(utf8_valid(none));
    assert_int_equal(utf8_count(none), 0);
    assert_int_equal(cluster_next(none), 0);
    assert_int_equal(cluster_prev(none), 0);
    assert_int_equal(cluster_width(none), 0);
    assert_int_equal(cluster_safe_len(none), 0);
}

static void long_texts_are_counted_and_checked_to_their_end(void **state)
{
    (void)state;
    struct bytes text =
        bytes_of_string("sixteen letters, then \xc3\xa9, eight more: \xe6\xbc\xa2 and twenty-one more.");
    assert_int_equal(utf8_count(text), text.len - 3);
    assert_true(utf8_valid(text));
    struct buf broken = {0};
    for (size_t at = 0; at < text.len; at++) {
        buf_clear(&broken);
        buf_add_bytes(&broken, text);
        broken.data[at] = 0xff;
        assert_false(utf8_valid(buf_view(&broken)));
    }
    buf_release(&broken);
}

/* --- clusters and widths --- */

static void a_cluster_is_what_people_call_a_character(void **state)
{
    (void)state;
    /* Clusters are separated by `|`, which is no part of the text. */
    static const char *const cases[] = {
        "a|b|c",
        "\r\n|\n|\r|\r\n|x",
        "e" ACUTE "|x",
        "e" ACUTE "|\n|" ACUTE "|x",
        MAN ZWJ WOMAN ZWJ GIRL "|" MAN,
        THUMB BROWN "|" THUMB,
        FLAG_D FLAG_E "|" FLAG_D FLAG_E "|" FLAG_D,
        BLACK_FLAG TAG_G TAG_B TAG_END "|x",
        "1" VS16 KEYCAP "|2",
        HEART VS16 "|" HEART,
        KA AA_SIGN "|" KA,
        "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8|\xea\xb0\x80",
        "\xe6\xbc\xa2|\xe5\xad\x97",
        "a|\x80|" ACUTE "|\xff|b",
        "\x1b|[|0|m",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        size_t ends[16], clusters = 0;
        for (const char *c = cases[i]; *c; c++) {
            if (*c == '|')
                ends[clusters++] = text.len;
            else
                buf_add_byte(&text, (unsigned char)*c);
        }
        ends[clusters++] = text.len;
        size_t start = 0;
        for (size_t n = 0; n < clusters; n++) {
            struct bytes rest = bytes_slice(buf_view(&text), start, text.len - start);
            assert_int_equal(cluster_next(rest), ends[n] - start);
            assert_int_equal(cluster_prev(bytes_slice(buf_view(&text), 0, ends[n])), ends[n] - start);
            start = ends[n];
        }
        buf_release(&text);
    }
}

static void a_cluster_without_end_is_cut(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_add_string(&text, "e");
    for (int i = 0; i < 1000; i++)
        buf_add_string(&text, ACUTE);
    size_t at = 0;
    while (at < text.len) {
        size_t len = cluster_next(bytes_slice(buf_view(&text), at, text.len - at));
        assert_in_range(len, 1, CLUSTER_BYTES_MAX);
        at += len;
    }
    while (at > 0) {
        size_t len = cluster_prev(bytes_slice(buf_view(&text), 0, at));
        assert_in_range(len, 1, CLUSTER_BYTES_MAX);
        at -= len;
    }
    buf_release(&text);
}

static void a_cluster_takes_the_cells_it_is_drawn_with(void **state)
{
    (void)state;
    static const struct {
        const char *cluster;
        int width;
    } cases[] = {
        {"a", 1},
        {"~", 1},
        {"\r\n", 1},
        {"\x80", 1},
        {"\xc3\xa9", 1},
        {"e" ACUTE, 1},
        {ACUTE, 0},
        {"\xe6\xbc\xa2", 2},             /* an ideograph */
        {"\xef\xbc\xa1", 2},             /* fullwidth A */
        {"\xef\xbd\xb1", 1},             /* halfwidth katakana */
        {"\xe3\x81\x8b\xe3\x82\x99", 2}, /* kana with a voicing mark */
        {THUMB, 2},
        {THUMB BROWN, 2},
        {"\xe2\x98\x9d", 1}, /* a pointing hand, text by default */
        {"\xe2\x98\x9d" BROWN, 2},
        {HEART, 1},
        {HEART VS16, 2},
        {HEART VS15, 1},
        {"1" VS16 KEYCAP, 2},
        {"1" KEYCAP, 1},
        {"a" VS16, 1}, /* no emoji, so no cell for the selector */
        {MAN ZWJ WOMAN ZWJ GIRL, 2},
        {HEART VS16 ZWJ "\xf0\x9f\x94\xa5", 2},
        {FLAG_D FLAG_E, 2},
        {FLAG_D, 1},
        {BLACK_FLAG TAG_G TAG_B TAG_END, 2},
        {KA, 1},
        {KA AA_SIGN, 2},                             /* the vowel stands beside its letter */
        {KA "\xe0\xa5\x87", 1},                      /* the vowel stands above it */
        {"\xe0\xae\x95\xe0\xaf\x86\xe0\xae\xbe", 2}, /* before and behind: 3 where marks are counted, 2 here */
        {"\xe1\x84\x80", 2},                         /* Hangul, letter by letter */
        {"\xe1\x84\x80\xe1\x85\xa1", 2},
        {"\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", 2},
        {"\xea\xb0\x80", 2},
        {"\xd8\x80"
         "1",
         2},                     /* a visible sign in front of a number */
        {"\xe4\xb7\x80", 2},     /* a hexagram */
        {"\xf0\x9f\xab\xa9", 2}, /* an emoji of Unicode 16 */
        {"\xee\x80\x80", 1},     /* private use */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes cluster = bytes_of_string(cases[i].cluster);
        assert_int_equal(cluster_next(cluster), cluster.len);
        if (cluster_width(cluster) != cases[i].width)
            fail_msg("case %zu: %d cells, not %d", i, cluster_width(cluster), cases[i].width);
    }
}

static void word_motions_see_four_kinds_of_characters(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        enum char_class class;
    } cases[] = {
        {'a', CHAR_WORD},     {'Z', CHAR_WORD},     {'0', CHAR_WORD},     {'_', CHAR_WORD},      {0xe9, CHAR_WORD},
        {0x301, CHAR_WORD},   {0x6f22, CHAR_WORD},  {0x915, CHAR_WORD},   {0x200c, CHAR_WORD},   {0x660, CHAR_WORD},
        {' ', CHAR_SPACE},    {'\t', CHAR_SPACE},   {'\f', CHAR_SPACE},   {0xa0, CHAR_SPACE},    {0x3000, CHAR_SPACE},
        {0x2028, CHAR_SPACE}, {'\n', CHAR_NEWLINE}, {'\r', CHAR_NEWLINE}, {'.', CHAR_PUNCT},     {'-', CHAR_PUNCT},
        {'@', CHAR_PUNCT},    {0x1b, CHAR_PUNCT},   {0x20ac, CHAR_PUNCT}, {0x1f600, CHAR_PUNCT}, {0x1100ff, CHAR_PUNCT},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(char_class_of(cases[i].code), cases[i].class);
}

/* --- safety --- */

static void controls_and_invisible_characters_are_unsafe(void **state)
{
    (void)state;
    static const uint32_t unsafe[] = {
        0,      0x1b,   '\t',   '\n',   0x7f,   0x80,    0x9b,    0x9f,    0xad,     0x34f,    0x61c,    0x115f, 0x180e,
        0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028,  0x202a,  0x202e,  0x2060,   0x2066,   0x2069,   0x3164, 0xfdd0,
        0xfe00, 0xfeff, 0xffa0, 0xfff9, 0xffff, 0xe0001, 0xe0041, 0xe0100, 0x10fffe, 0x110080, 0x1100ff,
    };
    static const uint32_t safe[] = {
        ' ',    '~',    0xa0,   0xe9,   0x301,  0x5d0,  0x600,   0x628,   0x2010,  0x2027, 0x2030,
        0x205f, 0x2070, 0x3000, 0xfe0e, 0xfe0f, 0xfffd, 0x1f600, 0x1f468, 0x20000, 0xe000,
    };
    for (size_t i = 0; i < COUNT(unsafe); i++) {
        if (!unicode_is_unsafe(unsafe[i]))
            fail_msg("U+%04X passes", (unsigned)unsafe[i]);
    }
    for (size_t i = 0; i < COUNT(safe); i++) {
        if (unicode_is_unsafe(safe[i]))
            fail_msg("U+%04X does not pass", (unsigned)safe[i]);
    }
}

static void unsafe_characters_are_shown_as_ascii(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        const char *text;
    } cases[] = {
        {0x1b, "^["},
        {0, "^@"},
        {'\n', "^J"},
        {0x7f, "^?"},
        {0x9b, "<U+009B>"},
        {UNICODE_INVALID + 0x9b, "<9B>"},
        {0x202e, "<U+202E>"},
        {0xe0041, "<U+E0041>"},
        {UINT32_MAX, "<U+FFFFFFFF>"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[UNSAFE_TEXT_MAX + 1];
        assert_int_equal(unicode_unsafe_text(cases[i].code, out), strlen(cases[i].text));
        assert_string_equal(out, cases[i].text);
    }
}

static void an_invisible_character_is_fine_where_it_has_a_job(void **state)
{
    (void)state;
    static const struct {
        const char *cluster;
        size_t safe;
    } cases[] = {
        {"a", 1},
        {"\n", 0},
        {"\x80", 0},
        {"e" ACUTE, 3},
        {HEART VS16, 6},
        {HEART VS15, 6},
        {"1" VS16 KEYCAP, 7},
        {"a" VS16, 1},
        {VS16, 0},
        {MAN ZWJ WOMAN, 11},
        {HEART VS16 ZWJ "\xf0\x9f\x94\xa5", 13},
        {WOMAN BROWN ZWJ MAN, 15},
        {MAN ZWJ, 4},
        {"a" ZWJ, 1},
        {ZWJ, 0},
        {BEH ZWNJ, 5},
        {BEH ZWNJ ZWNJ, 5},
        {KA "\xe0\xa5\x8d" ZWJ, 9},
        {BLACK_FLAG TAG_G TAG_B TAG_END, 16},
        {MAN TAG_G, 4},
        {BLACK_FLAG TAG_G TAG_G TAG_G TAG_G TAG_G TAG_G TAG_G TAG_G, 32},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cluster_safe_len(bytes_of_string(cases[i].cluster)) != cases[i].safe)
            fail_msg("case %zu: %zu bytes are safe, not %zu", i, cluster_safe_len(bytes_of_string(cases[i].cluster)),
                     cases[i].safe);
    }
}

static void a_label_is_safe_to_show(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        int cells_max;
        const char *shown;
    } cases[] = {
        {"Ana", 32, "Ana"},
        {"", 32, ""},
        {"Ana", 0, ""},
        {"Ana", -1, ""},
        {"Ana Maria", 5, "Ana M"},
        {"\x1b[2J", 32, "^[[2J"},
        {"a\xe2\x80\xae"
         "b",
         32, "a<U+202E>b"},
        {"a\xe2\x80\xae"
         "b",
         8, "a"}, /* shown whole or not at all, and nothing behind it */
        {"x\x9b"
         "1m",
         32, "x<9B>1m"},
        {"\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2"},
        {"\xe6\xbc\xa2\xe5\xad\x97", 4, "\xe6\xbc\xa2\xe5\xad\x97"},
        {"e" ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE "f", 32, "e" ACUTE ACUTE ACUTE ACUTE "f"},
        {ACUTE "a", 32, CIRCLE ACUTE "a"},
        {"a\xe2\x80\x8b" ACUTE, 32, "a<U+200B>" CIRCLE ACUTE},
        {"a" ZWJ "b", 32, "a<U+200D>b"},
        {"I " HEART VS16 " " MAN ZWJ GIRL, 32, "I " HEART VS16 " " MAN ZWJ GIRL},
        {"a" VS16, 32, "a<U+FE0F>"},
        {BEH ZWNJ BEH, 32, BEH ZWNJ BEH},
        {"\xe1\x84\x80\xe1\x84\x80\xe1\x84\x80\xe1\x84\x80", 32, "\xe1\x84\x80"},
    };
    struct buf shown = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&shown);
        unicode_safe_label(bytes_of_string(cases[i].label), cases[i].cells_max, &shown);
        assert_string_equal(buf_string(&shown), cases[i].shown);
    }
    buf_release(&shown);
}

/* --- any text --- */

/* Pieces that meet in unlucky ways: what joins, what is cut, what is not UTF-8. */
static void add_random_piece(struct buf *text, struct random *random)
{
    static const char *const pieces[] = {
        "a",
        "b ",
        "\r",
        "\n",
        "\r\n",
        "\xc3\xa9",
        ACUTE,
        ZWJ,
        ZWNJ,
        VS16,
        KEYCAP,
        "1",
        MAN,
        WOMAN,
        THUMB,
        BROWN,
        FLAG_D,
        FLAG_E,
        BLACK_FLAG,
        TAG_G,
        TAG_END,
        KA,
        AA_SIGN,
        BEH,
        "\xd8\x80",
        "\xe0\xa5\x8d",
        "\xe1\x84\x80",
        "\xe1\x85\xa1",
        "\xe1\x86\xa8",
        "\xea\xb0\x80",
        "\xe6\xbc\xa2",
        "\x80",
        "\xe2",
        "\xf0\x9f",
        "\xe0\xb8\xb3",
        "\xe2\x80\xae",
        "\xc2\xad",
    };
    buf_add_string(text, pieces[random_below(random, COUNT(pieces))]);
}

static void going_back_undoes_going_forward(void **state)
{
    (void)state;
    enum { ROUNDS = 3000, PIECES_MAX = 60 };
    struct random random = random_of(support_seed("unicode", 0x5eed0002));
    struct buf text = {0};
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        buf_clear(&text);
        for (uint64_t n = random_below(&random, PIECES_MAX); n > 0; n--)
            add_random_piece(&text, &random);
        for (size_t at = 0; at < text.len;) {
            size_t len = cluster_next(bytes_slice(buf_view(&text), at, text.len - at));
            assert_in_range(len, 1, text.len - at);
            at += len;
            assert_int_equal(cluster_prev(bytes_slice(buf_view(&text), 0, at)), len);
        }
    }
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_sequences_decode_and_encode_back),
        cmocka_unit_test(every_code_point_survives_the_trip),
        cmocka_unit_test(what_is_not_utf8_is_a_stray_byte),
        cmocka_unit_test(an_empty_view_has_nothing),
        cmocka_unit_test(long_texts_are_counted_and_checked_to_their_end),
        cmocka_unit_test(a_cluster_is_what_people_call_a_character),
        cmocka_unit_test(a_cluster_without_end_is_cut),
        cmocka_unit_test(a_cluster_takes_the_cells_it_is_drawn_with),
        cmocka_unit_test(word_motions_see_four_kinds_of_characters),
        cmocka_unit_test(controls_and_invisible_characters_are_unsafe),
        cmocka_unit_test(unsafe_characters_are_shown_as_ascii),
        cmocka_unit_test(an_invisible_character_is_fine_where_it_has_a_job),
        cmocka_unit_test(a_label_is_safe_to_show),
        cmocka_unit_test(going_back_undoes_going_forward),
    };
    return RUN_TESTS("unicode", tests);
}
