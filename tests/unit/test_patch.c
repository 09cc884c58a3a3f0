/* Patches by example. A patch is written "=2 +abc -3": retain 2, insert abc, delete 3. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/patch.h"
#include "editor/patch_doubled.h"
#include "editor/patch_meet.h"

static void build(struct patch *patch, const char *parts)
{
    patch_clear(patch);
    while (*parts) {
        size_t len = strcspn(parts, " ");
        if (*parts == '+')
            patch_insert(patch, bytes_of(parts + 1, len - 1));
        else if (*parts == '-')
            patch_delete(patch, strtoull(parts + 1, NULL, 10));
        else
            patch_retain(patch, strtoull(parts + 1, NULL, 10));
        parts += len + (parts[len] == ' ');
    }
}

static void expect_parts(const struct patch *patch, const char *parts)
{
    struct buf printed = {0};
    patch_check(patch);
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        static const char signs[] = {[PART_RETAIN] = '=', [PART_INSERT] = '+', [PART_DELETE] = '-'};
        buf_addf(&printed, "%s%c", i ? " " : "", signs[part->kind]);
        if (part->kind == PART_INSERT)
            buf_add_bytes(&printed, patch_part_text(patch, part));
        else
            buf_addf(&printed, "%llu", (unsigned long long)part->len);
    }
    assert_string_equal(buf_string(&printed), parts);
    buf_release(&printed);
}

static void expect_applied(const struct patch *patch, const char *old, const char *new)
{
    struct buf out = {0};
    patch_apply(patch, bytes_of_string(old), &out);
    assert_string_equal(buf_string(&out), new);
    buf_release(&out);
}

static void builders_keep_the_normal_form(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } cases[] = {
        {"", ""},
        {"=5", ""},
        {"=0 + -0", ""},
        {"=2 =3 -1 -1", "=5 -2"},
        {"+ab +cd", "+abcd"},
        {"-3 +ab", "+ab -3"},
        {"+ab -3 +cd -1 +ef", "+abcdef -4"},
        {"=1 -2 +x =0 -1", "=1 +x -3"},
        {"-1 =2 -1 +x =9", "-1 =2 +x -1"},
    };
    struct patch patch = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build(&patch, cases[i].given);
        expect_parts(&patch, cases[i].kept);
        assert_int_equal(patch_is_empty(&patch), cases[i].kept[0] == '\0');
    }
    patch_release(&patch);
}

/* The short way makes what the builders make, and finds it again. */
static void a_replacement_is_a_patch_of_one_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "abc"};
    struct patch patch = {0}, built = {0};
    struct replacement found;
    for (unsigned i = 0; i < 27; i++) {
        uint64_t at = i % 3 * 2, deleted = i / 3 % 3;
        struct bytes text = bytes_of_string(texts[i / 9]);
        patch_clear(&built);
        patch_retain(&built, at);
        patch_insert(&built, text);
        patch_delete(&built, deleted);
        patch_replace(&patch, at, deleted, text);
        patch_check(&patch);
        assert_true(patch_equal(&patch, &built));
        assert_int_equal(patch_is_replacement(&patch, &found), text.len > 0 || deleted > 0);
        if (text.len > 0 || deleted > 0)
            assert_true(found.at == at && found.deleted == deleted && bytes_equal(found.text, text));
        patch_insert(&patch, bytes_of_string("!")); /* it can be built on */
        patch_insert(&built, bytes_of_string("!"));
        patch_check(&patch);
        assert_true(patch_equal(&patch, &built));
        assert_true(patch_is_replacement(&patch, &found) && found.at == at && found.text.len == text.len + 1);
        patch_delete(&patch, 7);
        assert_true(patch_is_replacement(&patch, &found) && found.deleted == deleted + 7);
        patch_retain(&patch, 1);
        patch_insert(&patch, bytes_of_string("far"));
        assert_false(patch_is_replacement(&patch, &found));
    }
    build(&patch, "=1 +a =1 +b");
    assert_false(patch_is_replacement(&patch, &found));
    build(&patch, "-1 =1 -1");
    assert_false(patch_is_replacement(&patch, &found));
    patch_release(&patch);
    patch_release(&built);
}

static void a_patch_tells_its_lengths(void **state)
{
    (void)state;
    struct patch patch = {0};
    build(&patch, "=3 +abcd -2 =5 -1 =7");
    assert_int_equal(patch_old_len(&patch), 11);
    assert_int_equal(patch_inserted(&patch), 4);
    assert_int_equal(patch_deleted(&patch), 3);
    patch_release(&patch);
}

static void a_retain_at_the_end_returns_when_more_follows(void **state)
{
    (void)state;
    struct patch patch = {0};
    build(&patch, "+a =2");
    expect_parts(&patch, "+a");
    patch_insert(&patch, bytes_of_string("b"));
    expect_parts(&patch, "+a =2 +b");
    patch_release(&patch);
}

static void moving_a_patch_leaves_an_empty_one(void **state)
{
    (void)state;
    struct patch from = {0}, to = {0};
    build(&from, "=1 +x -1");
    build(&to, "+old");
    patch_move(&to, &from);
    expect_parts(&to, "=1 +x -1");
    assert_true(patch_is_empty(&from));
    build(&from, "-1");
    assert_false(patch_equal(&from, &to));
    patch_release(&from);
    patch_release(&to);
}

static void equal_shapes_with_different_texts_are_not_equal(void **state)
{
    (void)state;
    struct patch a = {0}, b = {0};
    build(&a, "=1 +x");
    build(&b, "=1 +y");
    assert_false(patch_equal(&a, &b));
    build(&b, "=2 +x");
    assert_false(patch_equal(&a, &b));
    build(&b, "=1 +x =4");
    assert_true(patch_equal(&a, &b));
    patch_release(&a);
    patch_release(&b);
}

static void applying_gives_the_new_text(void **state)
{
    (void)state;
    struct patch patch = {0};
    expect_applied(&patch, "", "");
    expect_applied(&patch, "same", "same");
    build(&patch, "=6 +there -5 +!");
    expect_applied(&patch, "hello world", "hello there!");
    patch_replace(&patch, 0, 5, bytes_of_string("goodbye"));
    expect_applied(&patch, "hello world", "goodbye world");
    patch_replace(&patch, 11, 0, bytes_of_string("."));
    expect_applied(&patch, "hello world", "hello world.");
    patch_release(&patch);
}

static void applying_appends_to_what_is_there(void **state)
{
    (void)state;
    struct patch patch = {0};
    struct buf out = {0};
    buf_add_string(&out, "> ");
    build(&patch, "-1 =1");
    patch_apply(&patch, bytes_of_string("abc"), &out);
    assert_string_equal(buf_string(&out), "> bc");
    buf_release(&out);
    patch_release(&patch);
}

static void composing_joins_two_changes_into_one(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *both;
    } cases[] = {
        {"", "", ""},
        {"", "=1 +x -2", "=1 +x -2"},
        {"=1 +x -2", "", "=1 +x -2"},
        {"+abc", "=1 -1", "+ac"},
        {"+abc", "-3", ""},
        {"=2 +abc", "=3 +X", "=2 +aXbc"},
        {"-2", "-2", "-4"},
        {"=1 -2", "=1 +x", "=1 +x -2"},
        {"+x -2 =3 +y", "=1 -3 =1 +z", "+xyz -5"},
        {"=4 +b", "=1 +a", "=1 +a =3 +b"},
    };
    struct patch a = {0}, b = {0}, both = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build(&a, cases[i].a);
        build(&b, cases[i].b);
        patch_compose(&both, &a, &b);
        expect_parts(&both, cases[i].both);
    }
    patch_release(&a);
    patch_release(&b);
    patch_release(&both);
}

static void inverting_brings_the_old_text_back(void **state)
{
    (void)state;
    struct patch patch = {0}, inverse = {0};
    build(&patch, "+Oh, =6 -5 +you");
    patch_invert(&inverse, &patch, bytes_of_string("hello world!"));
    expect_applied(&inverse, "Oh,hello you!", "hello world!");
    expect_parts(&inverse, "-3 =6 +world -3");
    patch_release(&patch);
    patch_release(&inverse);
}

static void transforming_makes_room_for_the_other_change(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum patch_side side;
        const char *after_b;
    } cases[] = {
        {"=2 +x", "+abc", PATCH_LEFT, "=5 +x"},
        {"=2 +x", "-1", PATCH_LEFT, "=1 +x"},
        {"=2 +x", "=3 +abc", PATCH_RIGHT, "=2 +x"},
        {"=1 +x", "=1 +abc", PATCH_LEFT, "=1 +x"},
        {"=1 +x", "=1 +abc", PATCH_RIGHT, "=4 +x"},
        {"=2 +x", "-5", PATCH_LEFT, "+x"},
        {"-5", "=2 +abc", PATCH_LEFT, "-2 =3 -3"},
        {"=1 -3", "=2 -3", PATCH_LEFT, "=1 -1"},
        {"-3", "-3", PATCH_RIGHT, ""},
        {"+x -3", "+abc -3", PATCH_LEFT, "+x"},
        {"+x -3", "+abc -3", PATCH_RIGHT, "=3 +x"},
        {"=9 +x", "", PATCH_RIGHT, "=9 +x"},
    };
    struct patch a = {0}, b = {0}, after = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build(&a, cases[i].a);
        build(&b, cases[i].b);
        patch_transform(&after, &a, &b, cases[i].side);
        expect_parts(&after, cases[i].after_b);
    }
    patch_release(&a);
    patch_release(&b);
    patch_release(&after);
}

static void two_people_typing_at_one_place_keep_their_words_whole(void **state)
{
    (void)state;
    struct patch ana = {0}, ben = {0}, ben_after = {0}, both = {0};
    build(&ana, "=1 +abc");
    build(&ben, "=1 +xyz");
    patch_transform(&ben_after, &ben, &ana, PATCH_RIGHT);
    patch_compose(&both, &ana, &ben_after);
    expect_applied(&both, "--", "-abcxyz-");
    patch_transform(&ben_after, &ben, &ana, PATCH_LEFT);
    patch_compose(&both, &ana, &ben_after);
    expect_applied(&both, "--", "-xyzabc-");
    patch_release(&ana);
    patch_release(&ben);
    patch_release(&ben_after);
    patch_release(&both);
}

static void places_move_with_the_text_around_them(void **state)
{
    (void)state;
    static const struct {
        const char *patch;
        uint64_t at, left, right;
    } cases[] = {
        {"", 7, 7, 7},           {"=2 +abc", 1, 1, 1},    {"=2 +abc", 2, 2, 5},    {"=2 +abc", 3, 6, 6},
        {"=2 -3", 2, 2, 2},      {"=2 -3", 4, 2, 2},      {"=2 -3", 5, 2, 2},      {"=2 -3", 6, 3, 3},
        {"=2 +abc -3", 2, 2, 5}, {"=2 +abc -3", 3, 5, 5}, {"=2 +abc -3", 5, 5, 5}, {"-2 =1 +x", 3, 1, 2},
        {"+x", 0, 0, 1},
    };
    struct patch patch = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build(&patch, cases[i].patch);
        assert_int_equal(patch_map(&patch, cases[i].at, GRAVITY_LEFT), cases[i].left);
        assert_int_equal(patch_map(&patch, cases[i].at, GRAVITY_RIGHT), cases[i].right);
    }
    patch_release(&patch);
}

/* mine: "one two" -> "one 2"; what `theirs` does to that. */
static size_t met(void (*theirs)(struct patch *patch))
{
    struct patch mine = {0}, other = {0};
    patch_replace(&mine, 4, 3, bytes_of_string("2"));
    theirs(&other);
    size_t count = patch_meet(&mine, &other);
    patch_release(&mine);
    patch_release(&other);
    return count;
}

static void inserts_in_front(struct patch *patch)
{
    patch_replace(patch, 0, 0, bytes_of_string("zero "));
}

static void inserts_beside(struct patch *patch)
{
    patch_replace(patch, 4, 0, bytes_of_string("TWO"));
}

static void deletes_across(struct patch *patch)
{
    patch_replace(patch, 2, 3, bytes_of_string(""));
}

static void does_nothing(struct patch *patch)
{
    (void)patch;
}

static void changes_meet_where_both_changed_one_place(void **state)
{
    (void)state;
    assert_int_equal(met(inserts_in_front), 0);
    assert_int_equal(met(inserts_beside), 1);
    assert_int_equal(met(deletes_across), 1);
    assert_int_equal(met(does_nothing), 0);
    struct patch mine = {0}, theirs = {0}; /* three places, of which the outer ones are touched */
    patch_insert(&mine, bytes_of_string("a"));
    patch_retain(&mine, 5);
    patch_insert(&mine, bytes_of_string("b"));
    patch_retain(&mine, 5);
    patch_delete(&mine, 5);
    patch_retain(&theirs, 1);
    patch_insert(&theirs, bytes_of_string("x"));
    patch_retain(&theirs, 11);
    patch_insert(&theirs, bytes_of_string("y"));
    assert_int_equal(patch_meet(&mine, &theirs), 2);
    patch_release(&mine);
    patch_release(&theirs);
}

/* What `patch` and `mine` make of "one\ntwo\nthree\n" together, each in front of the other. */
static void expect_together(const char *patch_parts, const char *mine_parts, const char *expected)
{
    struct patch patch = {0}, mine = {0}, merged = {0}, doubled = {0};
    struct buf a = {0}, b = {0}, c = {0};
    build(&patch, patch_parts);
    build(&mine, mine_parts);
    patch_apply(&mine, bytes_of_string("one\ntwo\nthree\n"), &a);
    for (int side = PATCH_LEFT; side <= PATCH_RIGHT; side++) {
        patch_transform(&merged, &patch, &mine, (enum patch_side)side);
        patch_doubled(&doubled, &patch, &mine, &merged);
        patch_check(&doubled);
        buf_clear(&b);
        buf_clear(&c);
        patch_apply(&merged, buf_view(&a), &b);
        patch_apply(&doubled, buf_view(&b), &c);
        assert_string_equal(buf_string(&c), expected);
    }
    patch_release(&patch);
    patch_release(&mine);
    patch_release(&merged);
    patch_release(&doubled);
    buf_release(&a);
    buf_release(&b);
    buf_release(&c);
}

static void what_both_inserted_is_there_once(void **state)
{
    (void)state;
    expect_together("=4 +new\n", "=4 +new\n", "one\nnew\ntwo\nthree\n");
    expect_together("=4 +new\n", "=4 +new\nmine\n", "one\nnew\nmine\ntwo\nthree\n");
    expect_together("=4 +new\n", "=4 +mine\nnew\n =4 +x", "one\nmine\nnew\ntwo\nxthree\n");
    expect_together("=4 +new\n", "+x =4 +new\n =4 +y", "xone\nnew\ntwo\nythree\n");
    expect_together("=3 +\nnew", "=3 +\nnew\nmine", "one\nnew\nmine\ntwo\nthree\n");
    expect_together("=4 +2 -3", "=4 +2 -3", "one\n2\nthree\n");
    expect_together("=4 +new\n =4 +more\n", "=4 +new\n", "one\nnew\ntwo\nmore\nthree\n");
    expect_together("=4 +new\n =4 +more\n", "=8 +more\n", "one\nnew\ntwo\nmore\nthree\n");
}

/* `mine` has it, but somewhere else, or as part of something else. */
static void what_only_looks_alike_stays(void **state)
{
    (void)state;
    expect_together("=4 +a", "=8 +a", "one\natwo\nathree\n");
    expect_together("=8 +new\n", "=4 +new\n", "one\nnew\ntwo\nnew\nthree\n");
    expect_together("", "=4 +new\n", "one\nnew\ntwo\nthree\n");
}

static bool is_doubled(const char *text, const char *mine_text)
{
    struct patch patch = {0}, mine = {0}, merged = {0}, doubled = {0};
    patch_replace(&patch, 3, 0, bytes_of_string(text));
    patch_replace(&mine, 3, 0, bytes_of_string(mine_text));
    patch_transform(&merged, &patch, &mine, PATCH_RIGHT);
    patch_doubled(&doubled, &patch, &mine, &merged);
    bool is = !patch_is_empty(&doubled);
    patch_release(&patch);
    patch_release(&mine);
    patch_release(&merged);
    patch_release(&doubled);
    return is;
}

static void only_whole_lines_of_an_insert_count(void **state)
{
    (void)state;
    assert_true(is_doubled("a", "a"));
    assert_true(is_doubled("\n", "\n"));
    assert_true(is_doubled("a\n", "b\na\nc\n"));
    assert_true(is_doubled("a\n", "ba\na\n"));
    assert_true(is_doubled("\na", "\nb\na\nc"));
    assert_false(is_doubled("a", "banana"));
    assert_false(is_doubled("a\n", "banana\n"));
    assert_false(is_doubled("\na", "\nab"));
    assert_false(is_doubled("\n", "a\nb"));
    assert_false(is_doubled("a\nb\n", "a\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_both_inserted_is_there_once),
        cmocka_unit_test(what_only_looks_alike_stays),
        cmocka_unit_test(only_whole_lines_of_an_insert_count),
        cmocka_unit_test(builders_keep_the_normal_form),
        cmocka_unit_test(a_replacement_is_a_patch_of_one_place),
        cmocka_unit_test(a_patch_tells_its_lengths),
        cmocka_unit_test(a_retain_at_the_end_returns_when_more_follows),
        cmocka_unit_test(moving_a_patch_leaves_an_empty_one),
        cmocka_unit_test(equal_shapes_with_different_texts_are_not_equal),
        cmocka_unit_test(applying_gives_the_new_text),
        cmocka_unit_test(applying_appends_to_what_is_there),
        cmocka_unit_test(composing_joins_two_changes_into_one),
        cmocka_unit_test(inverting_brings_the_old_text_back),
        cmocka_unit_test(transforming_makes_room_for_the_other_change),
        cmocka_unit_test(two_people_typing_at_one_place_keep_their_words_whole),
        cmocka_unit_test(places_move_with_the_text_around_them),
        cmocka_unit_test(changes_meet_where_both_changed_one_place),
    };
    return RUN_TESTS("patch", tests);
}
