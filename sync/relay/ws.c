#include "sync/relay/ws.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/relay/http_head.h"

enum {
    KEPT_MESSAGE_BYTES = 64 * 1024, /* a larger buffer is given back after its message */
    KEY_CHARS = 24,                 /* 16 bytes in base64 */
};

enum opcode { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_PROTOCOL = 1002,
    CLOSE_DATA = 1003,
    CLOSE_NO_CODE = 1005,
    CLOSE_TOO_BIG = 1009
};

enum state { STATE_HEAD, STATE_REQUESTED, STATE_FRAME_HEAD, STATE_PAYLOAD, STATE_ENDED };

struct ws {
    const char *subprotocol;
    size_t message_bytes_max;
    enum state state;
    bool upgraded;
    struct buf head; /* the request; later a frame's head as far as it came */
    struct buf target, forwarded;
    struct buf message; /* reassembled so far */
    struct buf control; /* payload of a control frame */
    bool in_message;    /* between the first and the last fragment */
    bool delivered;     /* `message` was handed out by the last ws_read() */
    size_t fragments;
    /* the frame that is being read */
    unsigned opcode;
    bool final;
    uint64_t left;
    unsigned char mask[4];
    unsigned mask_at;
    struct buf out;
};

struct ws *ws_new(const char *subprotocol)
{
    struct ws *ws = xcalloc(1, sizeof *ws);
    ws->subprotocol = subprotocol;
    ws->message_bytes_max = WS_HEAD_BYTES_MAX;
    return ws;
}

void ws_free(struct ws *ws)
{
    if (!ws)
        return;
    buf_release(&ws->head);
    buf_release(&ws->target);
    buf_release(&ws->forwarded);
    buf_release(&ws->message);
    buf_release(&ws->control);
    buf_release(&ws->out);
    free(ws);
}

void ws_limit(struct ws *ws, size_t message_bytes_max)
{
    ws->message_bytes_max = message_bytes_max;
}

struct bytes ws_message(const struct ws *ws)
{
    return buf_view(&ws->message);
}

struct bytes ws_target(const struct ws *ws)
{
    return buf_view(&ws->target);
}

struct bytes ws_forwarded(const struct ws *ws)
{
    return buf_view(&ws->forwarded);
}

struct buf *ws_out(struct ws *ws)
{
    return &ws->out;
}

static struct bytes take(struct bytes *input, size_t len)
{
    struct bytes front = bytes_slice(*input, 0, len);
    *input = bytes_slice(*input, len, input->len - len);
    return front;
}

static size_t smaller(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

/* --- the request --- */

void ws_respond(struct ws *ws, const char *status, const char *content_type, struct bytes body)
{
    buf_addf(&ws->out,
             "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
             "Connection: close\r\n\r\n",
             status, content_type, body.len);
    buf_add_bytes(&ws->out, body);
    ws->state = STATE_ENDED;
}

static enum ws_event refuse(struct ws *ws, const char *status, const char *why)
{
    ws_respond(ws, status, "text/plain", bytes_of_string(why));
    return WS_END;
}

static enum ws_event refuse_version(struct ws *ws)
{
    buf_add_string(&ws->out, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n"
                             "Connection: close\r\n\r\n");
    ws->state = STATE_ENDED;
    return WS_END;
}

/* Names what is spoken here, for whoever speaks something else. */
static enum ws_event refuse_subprotocol(struct ws *ws)
{
    char *body = xformat("this relay speaks %s and nothing else\n", ws->subprotocol);
    buf_addf(&ws->out,
             "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Protocol: %s\r\nContent-Type: text/plain\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
             ws->subprotocol, strlen(body), body);
    free(body);
    ws->state = STATE_ENDED;
    return WS_END;
}

static enum ws_event upgrade(struct ws *ws, const struct http_head *head)
{
    const struct bytes *key = http_head_field(head, "Sec-WebSocket-Key");
    const struct bytes *version = http_head_field(head, "Sec-WebSocket-Version");
    char accept[29];

    if (http_head_count(head, "Origin") > 0)
        return refuse(ws, "403 Forbidden", "this relay is for weft, not for browsers\n");
    if (!version || !bytes_equal(*version, bytes_of_string("13")))
        return refuse_version(ws);
    if (!key || key->len != KEY_CHARS || !http_head_lists(head, "Upgrade", "websocket", true))
        return refuse(ws, "400 Bad Request", "this WebSocket handshake is not whole\n");
    if (!http_head_lists(head, "Sec-WebSocket-Protocol", ws->subprotocol, false))
        return refuse_subprotocol(ws);

    ws_accept_key(*key, accept);
    buf_addf(&ws->out,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
             accept, ws->subprotocol);
    ws->upgraded = true;
    ws->state = STATE_FRAME_HEAD;
    return WS_UPGRADED;
}

/* A proxy appends the address it saw, to the list that is there or as a field behind it: only the last one is its word. */
static void keep_forwarded(struct ws *ws, const struct http_head *head)
{
    const struct bytes *list = http_head_last(head, "X-Forwarded-For");
    if (!list || list->len == 0)
        return;
    const unsigned char *comma = memrchr(list->data, ',', list->len);
    size_t from = comma ? (size_t)(comma - list->data) + 1 : 0;
    while (from < list->len && list->data[from] == ' ')
        from++;
    buf_add_bytes(&ws->forwarded, bytes_slice(*list, from, list->len - from));
}

static enum ws_event answer_request(struct ws *ws, struct bytes text)
{
    struct http_head head;
    if (!http_head_parse(text, &head) || http_head_count(&head, "Host") != 1)
        return refuse(ws, "400 Bad Request", "this request cannot be read\n");
    if (!bytes_equal(head.method, bytes_of_string("GET")))
        return refuse(ws, "405 Method Not Allowed", "only GET is understood here\n");
    if (http_head_count(&head, "Content-Length") || http_head_count(&head, "Transfer-Encoding"))
        return refuse(ws, "400 Bad Request", "a GET has no body here\n");
    buf_add_bytes(&ws->target, head.target);
    keep_forwarded(ws, &head);
    if (http_head_lists(&head, "Connection", "upgrade", true))
        return upgrade(ws, &head);
    ws->state = STATE_REQUESTED;
    return WS_REQUEST;
}

static enum ws_event read_request(struct ws *ws, struct bytes *input)
{
    size_t before = ws->head.len;
    buf_add_bytes(&ws->head, bytes_slice(*input, 0, smaller(input->len, WS_HEAD_BYTES_MAX - before)));
    size_t len = http_head_length(buf_view(&ws->head));
    if (len == 0) {
        take(input, ws->head.len - before);
        if (ws->head.len < WS_HEAD_BYTES_MAX)
            return WS_NEED;
        return refuse(ws, "431 Request Header Fields Too Large", "this request is too large\n");
    }
    take(input, len - before);
    enum ws_event event = answer_request(ws, bytes_slice(buf_view(&ws->head), 0, len));
    buf_release(&ws->head);
    return event;
}

/* --- frames --- */

size_t ws_frame_head(size_t len, unsigned char out[WS_FRAME_HEAD_MAX])
{
    size_t width = len < 126 ? 0 : len < 65536 ? 2 : 8;
    out[0] = 0x80 | OP_BINARY;
    out[1] = (unsigned char)(width == 0 ? len : width == 2 ? 126 : 127);
    for (size_t i = 0; i < width; i++)
        out[2 + i] = (unsigned char)((uint64_t)len >> (8 * (width - 1 - i)));
    return 2 + width;
}

static void add_control(struct ws *ws, enum opcode opcode, struct bytes payload)
{
    buf_add_byte(&ws->out, (unsigned char)(0x80 | opcode));
    buf_add_byte(&ws->out, (unsigned char)payload.len);
    buf_add_bytes(&ws->out, payload);
}

void ws_close(struct ws *ws, unsigned code, const char *reason)
{
    if (ws->state == STATE_ENDED)
        return;
    ws->state = STATE_ENDED;
    if (!ws->upgraded)
        return;
    unsigned char payload[2 + WS_REASON_BYTES_MAX] = {(unsigned char)(code >> 8), (unsigned char)code};
    size_t len = strnlen(reason, WS_REASON_BYTES_MAX);
    memcpy(payload + 2, reason, len);
    add_control(ws, OP_CLOSE, bytes_of(payload, 2 + len));
}

static enum ws_event fail(struct ws *ws, enum close_code code, const char *reason)
{
    ws_close(ws, code, reason);
    return WS_END;
}

static bool is_control(unsigned opcode)
{
    return opcode >= OP_CLOSE;
}

static const char *frame_fault(const struct ws *ws, unsigned char first, unsigned char second)
{
    unsigned opcode = first & 15;
    if (first & 0x70)
        return "reserved bits are set";
    if (!(second & 0x80))
        return "frames from a client are masked";
    if (is_control(opcode))
        return opcode > OP_PONG                          ? "unknown kind of frame"
               : !(first & 0x80) || (second & 127) > 125 ? "control frames are short and whole"
                                                         : NULL;
    if (opcode > OP_BINARY)
        return "unknown kind of frame";
    if ((opcode == OP_CONTINUATION) != ws->in_message)
        return "fragments out of order";
    return NULL;
}

/* How long the whole head is, once its first two bytes are there. */
static size_t frame_head_length(unsigned char second)
{
    unsigned len = second & 127;
    return 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + 4;
}

/* False: not the shortest form. */
static bool frame_payload_length(const unsigned char *head, uint64_t *len)
{
    unsigned width = (head[1] & 127) == 126 ? 2 : (head[1] & 127) == 127 ? 8 : 0;
    *len = width ? 0 : head[1] & 127;
    for (unsigned i = 0; i < width; i++)
        *len = *len << 8 | head[2 + i];
    return width == 0 || (width == 2 ? *len >= 126 : *len >= 65536);
}

static enum ws_event begin_frame(struct ws *ws)
{
    const unsigned char *head = ws->head.data;
    if (!frame_payload_length(head, &ws->left))
        return fail(ws, CLOSE_PROTOCOL, "lengths take their shortest form");
    ws->opcode = head[0] & 15;
    ws->final = head[0] & 0x80;
    ws->mask_at = 0;
    memcpy(ws->mask, head + ws->head.len - 4, 4);
    buf_clear(&ws->head);
    buf_clear(&ws->control);
    ws->state = STATE_PAYLOAD;
    if (is_control(ws->opcode))
        return WS_NEED;
    if (ws->opcode == OP_TEXT)
        return fail(ws, CLOSE_DATA, "messages here are binary");
    if (ws->left > ws->message_bytes_max || ws->message.len + ws->left > ws->message_bytes_max)
        return fail(ws, CLOSE_TOO_BIG, "this message is too large");
    ws->fragments = ws->in_message ? ws->fragments + 1 : 1;
    if (ws->fragments > WS_FRAGMENTS_MAX)
        return fail(ws, CLOSE_TOO_BIG, "this message has too many fragments");
    ws->in_message = true;
    return WS_NEED;
}

static enum ws_event read_frame_head(struct ws *ws, struct bytes *input)
{
    if (ws->head.len < 2) {
        buf_add_bytes(&ws->head, take(input, smaller(2 - ws->head.len, input->len)));
        if (ws->head.len < 2)
            return WS_NEED;
        const char *fault = frame_fault(ws, ws->head.data[0], ws->head.data[1]);
        if (fault)
            return fail(ws, CLOSE_PROTOCOL, fault);
    }
    size_t len = frame_head_length(ws->head.data[1]);
    buf_add_bytes(&ws->head, take(input, smaller(len - ws->head.len, input->len)));
    return ws->head.len < len ? WS_NEED : begin_frame(ws);
}

static bool close_code_allowed(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum ws_event answer_close(struct ws *ws)
{
    struct bytes payload = buf_view(&ws->control);
    unsigned code = payload.len >= 2 ? (unsigned)payload.data[0] << 8 | payload.data[1] : CLOSE_NO_CODE;
    if (payload.len == 0)
        return fail(ws, CLOSE_NORMAL, "");
    if (payload.len == 1 || !close_code_allowed(code))
        return fail(ws, CLOSE_PROTOCOL, "this is no close code");
    ws_close(ws, code, "");
    return WS_END;
}

static enum ws_event end_frame(struct ws *ws)
{
    ws->state = STATE_FRAME_HEAD;
    if (ws->opcode == OP_CLOSE)
        return answer_close(ws);
    if (ws->opcode == OP_PING)
        add_control(ws, OP_PONG, buf_view(&ws->control));
    if (is_control(ws->opcode) || !ws->final)
        return WS_NEED;
    ws->in_message = false;
    ws->delivered = true;
    return WS_MESSAGE;
}

static void unmask(struct ws *ws, unsigned char *out, struct bytes masked)
{
    for (size_t i = 0; i < masked.len; i++)
        out[i] = masked.data[i] ^ ws->mask[(ws->mask_at + i) & 3];
    ws->mask_at = (unsigned)((ws->mask_at + masked.len) & 3);
}

static enum ws_event read_payload(struct ws *ws, struct bytes *input)
{
    struct bytes masked = take(input, smaller(ws->left, input->len));
    struct buf *into = is_control(ws->opcode) ? &ws->control : &ws->message;
    if (masked.len > 0)
        unmask(ws, buf_extend(into, masked.len), masked);
    ws->left -= masked.len;
    return ws->left > 0 ? WS_NEED : end_frame(ws);
}

static void forget_delivered(struct ws *ws)
{
    if (!ws->delivered)
        return;
    ws->delivered = false;
    if (ws->message.cap > KEPT_MESSAGE_BYTES)
        buf_release(&ws->message);
    buf_clear(&ws->message);
}

static enum ws_event read_step(struct ws *ws, struct bytes *input)
{
    switch (ws->state) {
    case STATE_HEAD:
        return read_request(ws, input);
    case STATE_FRAME_HEAD:
        return read_frame_head(ws, input);
    case STATE_PAYLOAD:
        return read_payload(ws, input);
    case STATE_REQUESTED: /* nobody pipelines to a relay */
    case STATE_ENDED:
        break;
    }
    return WS_END;
}

enum ws_event ws_read(struct ws *ws, struct bytes *input)
{
    forget_delivered(ws);
    enum ws_event event = WS_NEED;
    /* A frame without payload ends with no byte left to read: go on until nothing moves. */
    while (event == WS_NEED &&
           (input->len > 0 || (ws->state == STATE_PAYLOAD && ws->left == 0) || ws->state == STATE_ENDED))
        event = read_step(ws, input);
    return event;
}
