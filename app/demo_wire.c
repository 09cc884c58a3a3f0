#include "app/demo_wire.h"

#include <string.h>

enum { STATE_ONLINE = 1, STATE_CAUGHT_UP = 2, STATE_IN_FILE = 4, STATE_KEPT = 8 };

void pane_state_release(struct pane_state *state)
{
    buf_release(&state->text);
    buf_release(&state->link);
    buf_release(&state->message);
    *state = (struct pane_state){0};
}

void pane_command_encode(const struct pane_command *command, struct buf *out)
{
    buf_add_byte(out, (unsigned char)command->order);
    buf_add_varint(out, command->code);
    buf_add_varint(out, command->mods);
    buf_add_sized(out, command->text);
}

bool pane_command_decode(struct bytes packet, struct pane_command *command)
{
    struct reader reader = reader_of(packet);
    command->order = (enum pane_order)read_byte(&reader);
    command->code = (uint32_t)read_varint_max(&reader, UINT32_MAX);
    command->mods = (unsigned)read_varint_max(&reader, 255);
    command->text = read_sized(&reader, DEMO_PACKET_BYTES);
    return reader_done(&reader);
}

static void encode_person(const struct pane_person *person, struct buf *out)
{
    buf_add_sized(out, bytes_of_string(person->name));
    buf_add_varint(out, person->anchor);
    buf_add_varint(out, person->head);
    buf_add_byte(out, (unsigned char)(person->has_cursor | person->quiet << 1));
}

void pane_state_encode(const struct pane_state *state, struct buf *out)
{
    unsigned flags = (state->online ? STATE_ONLINE : 0) | (state->caught_up ? STATE_CAUGHT_UP : 0) |
                     (state->in_file ? STATE_IN_FILE : 0) | (state->kept ? STATE_KEPT : 0);
    size_t text_len = state->text.len < DEMO_TEXT_BYTES ? state->text.len : DEMO_TEXT_BYTES; /* others may have written on */
    buf_add_byte(out, (unsigned char)flags);
    buf_add_sized(out, bytes_of(state->text.data, text_len));
    buf_add_varint(out, state->selection.anchor);
    buf_add_varint(out, state->selection.head);
    buf_add_varint(out, state->unsent);
    buf_add_varint(out, state->unsent_s);
    buf_add_sized(out, buf_view(&state->link));
    buf_add_sized(out, buf_view(&state->message));
    buf_add(out, state->hash, sizeof state->hash);
    buf_add_varint(out, state->people_count);
    for (size_t i = 0; i < state->people_count; i++)
        encode_person(&state->people[i], out);
    buf_add_varint(out, state->mark_count);
    for (size_t i = 0; i < state->mark_count; i++) {
        buf_add_varint(out, state->marks[i].from);
        buf_add_varint(out, state->marks[i].to);
    }
}

static void decode_into(struct reader *reader, struct buf *out)
{
    buf_clear(out);
    buf_add_bytes(out, read_sized(reader, DEMO_PACKET_BYTES));
}

static void decode_person(struct reader *reader, struct pane_person *person)
{
    struct bytes name = read_sized(reader, DEMO_NAME_BYTES - 1);
    *person = (struct pane_person){0};
    if (name.len)
        memcpy(person->name, name.data, name.len);
    person->anchor = read_varint(reader);
    person->head = read_varint(reader);
    unsigned char flags = read_byte(reader);
    person->has_cursor = flags & 1;
    person->quiet = flags >> 1;
}

bool pane_state_decode(struct bytes packet, struct pane_state *state)
{
    struct reader reader = reader_of(packet);
    unsigned char flags = read_byte(&reader);
    state->online = flags & STATE_ONLINE;
    state->caught_up = flags & STATE_CAUGHT_UP;
    state->in_file = flags & STATE_IN_FILE;
    state->kept = flags & STATE_KEPT;
    decode_into(&reader, &state->text);
    state->selection = selection_at(read_varint(&reader));
    state->selection.head = read_varint(&reader);
    state->unsent = read_varint(&reader);
    state->unsent_s = read_varint(&reader);
    decode_into(&reader, &state->link);
    decode_into(&reader, &state->message);
    read_into(&reader, state->hash, sizeof state->hash);
    state->people_count = (size_t)read_varint_max(&reader, DEMO_PEOPLE_MAX);
    for (size_t i = 0; i < state->people_count; i++)
        decode_person(&reader, &state->people[i]);
    state->mark_count = (size_t)read_varint_max(&reader, DEMO_MARKS_MAX);
    for (size_t i = 0; i < state->mark_count; i++) {
        state->marks[i].from = read_varint(&reader);
        state->marks[i].to = read_varint(&reader);
    }
    return reader_done(&reader);
}
