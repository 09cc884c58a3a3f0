/*
 * Any bytes a terminal could send: no crash, no endless loop, every event well-formed, and everything that is not part
 * of a sequence comes out. The first byte says how the rest is cut into feeds.
 */
#include "editor/base/unicode.h"
#include "ui/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct input *input)
{
    char name[KEY_NAME_MAX];
    switch (input->kind) {
    case INPUT_KEY:
        ensure(input->key.code < UNICODE_INVALID || (input->key.code >= KEY_ESC && input->key.code <= KEY_F35));
        ensure(input->key.code != 0 && key_name(input->key, name)[0] != '\0');
        break;
    case INPUT_PASTE:
        ensure(input->paste.text.len <= KEYS_FEED_MAX + KEYS_SEQUENCE_MAX);
        break;
    case INPUT_MOUSE:
        ensure(input->mouse.row >= 0 && input->mouse.col >= 0);
        break;
    case INPUT_FOCUS_IN:
    case INPUT_FOCUS_OUT:
        break;
    }
}

static void drain(struct keys *keys, size_t events_max)
{
    struct input input;
    while (keys_next(keys, &input)) {
        ensure(events_max-- > 0);
        check(&input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > KEYS_FEED_MAX)
        return 0;
    size_t step = data[0] ? data[0] : size;
    struct keys *keys = keys_new();
    keys_set_erase(keys, data[0] & 1 ? 8 : 127);
    for (size_t at = 1; at < size; at += step) {
        keys_feed(keys, bytes_of(data + at, at + step < size ? step : size - at), at);
        drain(keys, size + 1);
    }
    keys_timeout(keys);
    drain(keys, size + 1);
    keys_free(keys);
    return 0;
}
