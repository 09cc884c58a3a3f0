/* The WebSocket reader under arbitrary bytes: the first one says whether the handshake is done and how long the pieces
 * are. */
#include <stdint.h>
#include <string.h>

#include "sync/relay/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char handshake[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Protocol: weft.1\r\n\r\n";

static void feed(struct ws *ws, struct bytes input)
{
    while (input.len > 0) {
        enum ws_event event = ws_read(ws, &input);
        if (event == WS_MESSAGE)
            ensure(ws_message(ws).len <= 4096);
        if (event == WS_REQUEST)
            ws_respond(ws, "200 OK", "text/plain", ws_target(ws));
        if (event == WS_END)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct ws *ws = ws_new("weft.1");
    ws_limit(ws, 4096);
    if (data[0] & 1)
        feed(ws, bytes_of_string(handshake));
    size_t piece = (size_t)(data[0] >> 1) + 1;
    for (size_t at = 1; at < size; at += piece)
        feed(ws, bytes_of(data + at, size - at < piece ? size - at : piece));
    ws_free(ws);
    return 0;
}
