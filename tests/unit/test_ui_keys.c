/* Bytes of a terminal become keys, pastes and clicks. */
#include "tests/support/support.h"

#include <string.h>

#include "ui/keys.h"

static const char *mouse_word(enum mouse_action action)
{
    switch (action) {
    case MOUSE_PRESS:
        return "press";
    case MOUSE_RELEASE:
        return "release";
    case MOUSE_DRAG:
        return "drag";
    case MOUSE_MOVE:
        return "move";
    case MOUSE_WHEEL_UP:
        return "wheel-up";
    case MOUSE_WHEEL_DOWN:
        return "wheel-down";
    }
    return "?";
}

/* One word an event, so that a test reads as bytes -> words. */
static void describe(const struct input *input, struct buf *out)
{
    char name[KEY_NAME_MAX];
    if (out->len)
        buf_add_byte(out, ' ');
    switch (input->kind) {
    case INPUT_KEY:
        buf_add_string(out, key_name(input->key, name));
        break;
    case INPUT_PASTE:
        buf_addf(out, "%s%.*s%s", input->paste.first ? "<" : "", (int)input->paste.text.len,
                 (const char *)input->paste.text.data, input->paste.last ? ">" : "");
        break;
    case INPUT_MOUSE:
        buf_addf(out, "%s%d@%d,%d%s", mouse_word(input->mouse.action), (int)input->mouse.button, input->mouse.row,
                 input->mouse.col, input->mouse.mods & KEY_CTRL ? "+ctrl" : "");
        break;
    case INPUT_FOCUS_IN:
        buf_add_string(out, "focus");
        break;
    case INPUT_FOCUS_OUT:
        buf_add_string(out, "blur");
        break;
    }
}

static void drain(struct keys *keys, struct buf *out)
{
    struct input input;
    while (keys_next(keys, &input))
        describe(&input, out);
}

static void expect_len(const char *bytes, size_t len, size_t step, const char *words)
{
    struct keys *keys = keys_new();
    struct buf out = {0};
    for (size_t at = 0; at < len; at += step) {
        keys_feed(keys, bytes_of(bytes + at, at + step < len ? step : len - at), 0);
        drain(keys, &out);
    }
    while (keys_deadline_ms(keys) != UINT64_MAX) {
        keys_timeout(keys);
        drain(keys, &out);
    }
    assert_string_equal(buf_string(&out), words);
    buf_release(&out);
    keys_free(keys);
}

/* Whole, and byte by byte as a bad network brings it. */
static void expect(const char *bytes, const char *words)
{
    expect_len(bytes, strlen(bytes), strlen(bytes), words);
    expect_len(bytes, strlen(bytes), 1, words);
}

static void expect_paste(const char *bytes, const char *words)
{
    expect_len(bytes, strlen(bytes), strlen(bytes), words);
}

static void letters_and_utf8_are_typed_as_they_are(void **state)
{
    (void)state;
    expect("aZ \xc3\xa9\xe4\xb8\x96\xf0\x9f\x91\x8d", "a Z Space \xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x91\x8d");
    expect("\xff" "a\xc3" "b", "\xef\xbf\xbd a \xef\xbf\xbd b");
}

static void controls_name_their_letter(void **state)
{
    (void)state;
    expect("\x01\x13\x11\x1a\x1f\x1c", "Ctrl+a Ctrl+s Ctrl+q Ctrl+z Ctrl+_ Ctrl+\\");
    expect_len("\0", 1, 1, "Ctrl+Space");
    expect("\r\t\x7f\n", "Enter Tab Backspace Ctrl+j");
    expect("\x08", "Ctrl+h");
}

static void backspace_is_what_the_terminal_says(void **state)
{
    (void)state;
    struct keys *keys = keys_new();
    struct input input;
    keys_set_erase(keys, 8);
    keys_feed(keys, bytes_of_string("\x08"), 0);
    assert_true(keys_next(keys, &input));
    assert_int_equal(input.key.code, KEY_BACKSPACE);
    keys_free(keys);
}

static void xterm_keys_carry_their_modifiers(void **state)
{
    (void)state;
    expect("\x1b[A\x1b[1;5C\x1b[1;2D\x1b[1;6F\x1b[1;3H", "Up Ctrl+Right Shift+Left Ctrl+Shift+End Alt+Home");
    expect("\x1b[3~\x1b[3;5~\x1b[5~\x1b[6;2~", "Delete Ctrl+Delete PageUp Shift+PageDown");
    expect("\x1bOP\x1bOS\x1b[15~\x1b[24~\x1b[1;2P\x1b[1;5R\x1b[15;3~", "F1 F4 F5 F12 Shift+F1 Ctrl+F3 Alt+F5");
    expect("\x1b[Z\x1b[H\x1bOF\x1bOA", "Shift+Tab Home End Up");
}

static void rxvt_and_linux_console_keys_are_the_same_keys(void **state)
{
    (void)state;
    expect("\x1b[7~\x1b[8~\x1b[a\x1b[d\x1bOc\x1bOd", "Home End Shift+Up Shift+Left Ctrl+Right Ctrl+Left");
    expect("\x1b[3^\x1b[3$\x1b[5@\x1b[11~", "Ctrl+Delete Shift+Delete Ctrl+Shift+PageUp F1");
    expect("\x1b\x1b[A\x1b\x1bOP", "Alt+Up Alt+F1");
    expect("\x1b[[A\x1b[[E\x1b[1~\x1b[4~", "F1 F5 Home End");
}

static void keypad_keys_type_what_stands_on_them(void **state)
{
    (void)state;
    expect("\x1bOM\x1bOq\x1bOk\x1bOj\x1bOX", "Enter 1 + * =");
}

static void csi_u_and_modify_other_keys_spell_the_same_key(void **state)
{
    (void)state;
    expect("\x1b[105;5u\x1b[27;5;105~", "Ctrl+i Ctrl+i");
    expect("\x1b[27u\x1b[13;2u\x1b[9;5u\x1b[127;5u", "Esc Shift+Enter Ctrl+Tab Ctrl+Backspace");
    expect("\x1b[122;6u\x1b[27;6;90~", "Ctrl+Shift+z Ctrl+Shift+z");
    expect("\x1b[97:65;2u\x1b[49:33;2u\x1b[97;2u\x1b[97;65u", "A ! A a");
    expect("\x1b[97;5:3u\x1b[97;5:1u\x1b[1;1:3A\x1b[3;1:3~", "Ctrl+a");
    expect("\x1b[57399u\x1b[57414u\x1b[57417u\x1b[57376u\x1b[57358u", "0 Enter Left F13");
}

static void alt_is_an_escape_in_front(void **state)
{
    (void)state;
    expect("\x1bz\x1bZ\x1bg\x1b\x7f\x1b\r\x1b\x01", "Alt+z Alt+Shift+z Alt+g Alt+Backspace Alt+Enter Ctrl+Alt+a");
    expect("\x1b\xc3\xa9", "Alt+\xc3\xa9");
    expect("\x1bX\x1b^\x1b\\", "Alt+Shift+x Alt+^ Alt+\\");
}

static void only_a_lone_escape_is_told_by_time(void **state)
{
    (void)state;
    struct keys *keys = keys_new();
    struct buf out = {0};
    keys_feed(keys, bytes_of_string("\x1b"), 0);
    drain(keys, &out);
    assert_int_equal(out.len, 0);
    assert_int_equal(keys_deadline_ms(keys), KEYS_ESC_MS);
    keys_timeout(keys);
    drain(keys, &out);
    assert_string_equal(buf_string(&out), "Esc");
    assert_true(keys_deadline_ms(keys) == UINT64_MAX);

    keys_feed(keys, bytes_of_string("\x1b[1;"), 0);
    drain(keys, &out);
    assert_true(keys_deadline_ms(keys) == UINT64_MAX);
    keys_timeout(keys); /* changes nothing: the rest may be on its way */
    drain(keys, &out);
    keys_feed(keys, bytes_of_string("5C"), 0);
    drain(keys, &out);
    assert_string_equal(buf_string(&out), "Esc Ctrl+Right");
    buf_release(&out);
    keys_free(keys);
}

static void prefixes_typed_by_hand_become_alt_keys_after_a_while(void **state)
{
    (void)state;
    expect("\x1b[", "Alt+[");
    expect("\x1bO", "Alt+Shift+o");
    expect("\x1b]", "Alt+]");
    expect("\x1b\x1b", "Esc Esc");
    expect("\x1b]x", "Alt+] x");
}

static void a_paste_is_text_whatever_it_contains(void **state)
{
    (void)state;
    expect_paste("\x1b[200~a\x1b[Ab\x03\x1b[201~c", "<a\x1b[Ab\x03> c");
    expect_paste("\x1b[200~1\r2\r\n3\n4\x1b[201~", "<1\n2\n3\n4>");
    expect_paste("\x1b[200~\x1b[201~", "<>");
}

static void a_paste_arrives_whole_however_it_is_cut(void **state)
{
    (void)state;
    const char *bytes = "\x1b[200~ab\r\ncd\x1b[20\x1b[201~x";
    for (size_t step = 1; step < strlen(bytes); step++) {
        struct keys *keys = keys_new();
        struct buf text = {0};
        struct input input;
        bool ended = false;
        for (size_t at = 0; at < strlen(bytes); at += step) {
            keys_feed(keys, bytes_of(bytes + at, at + step < strlen(bytes) ? step : strlen(bytes) - at), 0);
            while (keys_next(keys, &input)) {
                assert_true((input.kind == INPUT_KEY) == ended);
                if (ended)
                    continue;
                assert_true(input.paste.first == (text.len == 0));
                buf_add_bytes(&text, input.paste.text);
                ended = input.paste.last;
            }
        }
        assert_true(ended);
        assert_string_equal(buf_string(&text), "ab\ncd\x1b[20");
        buf_release(&text);
        keys_free(keys);
    }
}

static void an_end_marker_inside_a_paste_does_not_turn_its_rest_into_keys(void **state)
{
    (void)state;
    expect_paste("\x1b[200~ls\x1b[201~\x11y\x1b[201~k", "<ls\x11y> k");
    expect_paste("\x1b[200~a\x1b[201~b\x1b[200~c\x1b[201~", "<a> b <c>");
}

static void a_stray_end_marker_means_nothing(void **state)
{
    (void)state;
    expect("a\x1b[201~b", "a b");
}

static void the_mouse_presses_drags_and_turns_its_wheel(void **state)
{
    (void)state;
    expect("\x1b[<0;1;1M\x1b[<32;5;3M\x1b[<0;5;3m", "press1@0,0 drag1@2,4 release1@2,4");
    expect("\x1b[<64;10;20M\x1b[<65;10;20M\x1b[<81;300;2M", "wheel-up0@19,9 wheel-down0@19,9 wheel-down0@1,299+ctrl");
    expect("\x1b[<2;1;1M\x1b[<35;2;2M\x1b[<66;1;1M\x1b[<128;1;1M", "press3@0,0 move0@1,1");
    expect("\x1b[M !!\x1b[M#!!", "press1@0,0 release0@0,0");
}

static void focus_is_reported(void **state)
{
    (void)state;
    expect("\x1b[I\x1b[O", "focus blur");
}

static void answers_of_the_terminal_are_not_typing(void **state)
{
    (void)state;
    expect("\x1b[?62;1;6c" "a\x1b[>0;276;0c" "b\x1b[24;80R" "c", "a b c");
    expect("\x1b]11;rgb:1111/2222/3333\x1b\\a\x1b]52;c;QUJD\x07" "b", "a b");
    expect("\x1bP>|xterm(370)\x1b\\a\x1b[?2026;2$y\x1b[?1ub", "a b");
    expect("\x1b_Gi=31;OK\x1b\\a", "a");
}

static void strings_nobody_asked_for_are_not_typing(void **state)
{
    (void)state;
    expect("a\x1b_hello\x1b\\b", "a b");
    expect("a\x1b^hello\x1b\\b", "a b");
    expect("a\x1bXhello\x1b\\b", "a b");
    expect("a\x1bPhello\x1b\\b", "a b");
    expect("a\x1b_\x1b\\b", "a Alt+_ Alt+\\ b"); /* nothing in it: two keys */
}

static void a_string_without_end_is_typing(void **state)
{
    (void)state;
    expect("\x1b_ab", "Alt+_ a b");
    expect("\x1b^ab", "Alt+^ a b");
    expect("\x1b_ab\rc", "Alt+_ a b Enter c");
    expect("\x1b_ab\x1b[Ac", "Alt+_ a b Up c");
    struct keys *keys = keys_new();
    struct input input;
    size_t typed = 0;
    keys_feed(keys, bytes_of_string("\x1b_"), 0);
    for (int i = 0; i < 5000; i++) { /* faster than any pause: 4096 bytes are all that is waited for */
        while (keys_next(keys, &input))
            typed++;
        keys_feed(keys, bytes_of_string("x"), 0);
    }
    assert_true(typed > 4900);
    keys_free(keys);
}

/* Two keys with Alt in front: they are held back while they may be a string, but not for as long as somebody goes on typing. */
static void fast_typing_after_alt_is_not_held_back(void **state)
{
    (void)state;
    struct keys *keys = keys_new();
    struct buf out = {0};
    keys_feed(keys, bytes_of_string("a\x1bP"), 1000);
    drain(keys, &out);
    for (uint64_t ms = 1030; ms <= 1060; ms += 30) {
        keys_feed(keys, bytes_of_string("x"), ms);
        drain(keys, &out);
        assert_string_equal(buf_string(&out), "a");
    }
    assert_int_equal(keys_deadline_ms(keys), 1000 + KEYS_STRING_MS);
    keys_timeout(keys);
    drain(keys, &out);
    assert_string_equal(buf_string(&out), "a Alt+Shift+p x x");
    keys_feed(keys, bytes_of_string("x"), 1090);
    drain(keys, &out);
    assert_string_equal(buf_string(&out), "a Alt+Shift+p x x x");
    buf_release(&out);
    keys_free(keys);
}

static void an_answer_that_never_ends_gives_the_keys_back(void **state)
{
    (void)state;
    expect("\x1b]0;abc\rx", "Enter x");
    expect("\x1b]0;abc\x1b[Ax", "Up x");
    expect("\x1b]0;abc\x1b", "Esc");
}

static void broken_sequences_are_dropped_and_typing_goes_on(void **state)
{
    (void)state;
    expect("\x1b[1;5\x03x", "Ctrl+c x");
    expect("\x1b[99999999999999999999Ax", "Up x");
    expect("\x1b[1;\x1b[Bx", "Down x");
    expect("\x1b[12;34;56qx", "x");
}

static void a_sequence_without_end_is_bounded(void **state)
{
    (void)state;
    struct keys *keys = keys_new();
    struct input input;
    int typed = 0;
    keys_feed(keys, bytes_of_string("\x1b["), 0);
    for (int i = 0; i < 2 * KEYS_SEQUENCE_MAX; i++) {
        while (keys_next(keys, &input))
            typed++;
        keys_feed(keys, bytes_of_string("1"), 0);
    }
    assert_true(typed > KEYS_SEQUENCE_MAX / 2);
    keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_and_utf8_are_typed_as_they_are),
        cmocka_unit_test(controls_name_their_letter),
        cmocka_unit_test(backspace_is_what_the_terminal_says),
        cmocka_unit_test(xterm_keys_carry_their_modifiers),
        cmocka_unit_test(rxvt_and_linux_console_keys_are_the_same_keys),
        cmocka_unit_test(keypad_keys_type_what_stands_on_them),
        cmocka_unit_test(csi_u_and_modify_other_keys_spell_the_same_key),
        cmocka_unit_test(alt_is_an_escape_in_front),
        cmocka_unit_test(only_a_lone_escape_is_told_by_time),
        cmocka_unit_test(prefixes_typed_by_hand_become_alt_keys_after_a_while),
        cmocka_unit_test(a_paste_is_text_whatever_it_contains),
        cmocka_unit_test(a_paste_arrives_whole_however_it_is_cut),
        cmocka_unit_test(an_end_marker_inside_a_paste_does_not_turn_its_rest_into_keys),
        cmocka_unit_test(a_stray_end_marker_means_nothing),
        cmocka_unit_test(the_mouse_presses_drags_and_turns_its_wheel),
        cmocka_unit_test(focus_is_reported),
        cmocka_unit_test(answers_of_the_terminal_are_not_typing),
        cmocka_unit_test(strings_nobody_asked_for_are_not_typing),
        cmocka_unit_test(a_string_without_end_is_typing),
        cmocka_unit_test(fast_typing_after_alt_is_not_held_back),
        cmocka_unit_test(an_answer_that_never_ends_gives_the_keys_back),
        cmocka_unit_test(broken_sequences_are_dropped_and_typing_goes_on),
        cmocka_unit_test(a_sequence_without_end_is_bounded),
    };
    return RUN_TESTS("ui_keys", tests);
}
