/*
 * ws - the server's end of one WebSocket connection (RFC 6455), and of the plain HTTP requests that reach the same
 * port.
 *
 * Bytes in, messages out; no sockets. Written here rather than left to libwebsockets, whose 4.1 server takes unmasked
 * frames, version 7, POST upgrades, connections without a subprotocol and messages without end; the library gives the
 * sockets, TLS and the event loop (relay_lws.c).
 *
 *     loop: ws_read(ws, &input)   WS_REQUEST  -> ws_respond(), then WS_END      a plain GET; ws_target() names it
 *                                 WS_UPGRADED -> go on                          the handshake's answer is in `out`
 *                                 WS_MESSAGE  -> ws_message(), go on
 *                                 WS_NEED     -> all input is used
 *                                 WS_END      -> send `out`, close
 *
 *   Strictness  version 13, GET, one binary subprotocol (the caller names it), no Origin (browsers have no business
 * here), masked frames, no reserved bits, no text, shortest lengths, whole control frames. Anything else ends the
 *               connection with the status or close code the RFCs name.
 *   Ownership   opaque. ws_message() and ws_target() are views until the next ws_read().
 *   Bounds      WS_HEAD_BYTES_MAX for the request; ws_limit() for a message; memory grows only with bytes that came.
 */
#ifndef WEFT_SYNC_RELAY_WS_H
#define WEFT_SYNC_RELAY_WS_H

#include "editor/base/bytes.h"

struct ws;

enum {
    WS_HEAD_BYTES_MAX = 8192,
    WS_FRAME_HEAD_MAX = 10,    /* of a frame from the server */
    WS_FRAGMENTS_MAX = 4096,   /* of one message */
    WS_REASON_BYTES_MAX = 123, /* RFC 6455 5.5.1 */
};

enum ws_event { WS_NEED, WS_REQUEST, WS_UPGRADED, WS_MESSAGE, WS_END };

struct ws *ws_new(const char *subprotocol); /* a literal; kept by reference */
void ws_free(struct ws *ws);
/* The largest message taken from now on. */
void ws_limit(struct ws *ws, size_t message_bytes_max);

/* Takes bytes off the front of *input up to the next event. After WS_END nothing is taken. */
enum ws_event ws_read(struct ws *ws, struct bytes *input);
struct bytes ws_message(const struct ws *ws);
struct bytes ws_target(const struct ws *ws);    /* of the request: "/healthz" */
struct bytes ws_forwarded(const struct ws *ws); /* the last address of X-Forwarded-For; empty: none */

/* Answers a WS_REQUEST and ends. */
void ws_respond(struct ws *ws, const char *status, const char *content_type, struct bytes body);
/* Says goodbye with a close frame (once) and ends. */
void ws_close(struct ws *ws, unsigned code, const char *reason);
/* Handshake answers, pongs and goodbyes to be sent, in order; the caller takes what it sends with buf_clear(). */
struct buf *ws_out(struct ws *ws);

/* The head of an unmasked binary frame in front of `len` bytes of payload; returns its length. */
size_t ws_frame_head(size_t len, unsigned char out[WS_FRAME_HEAD_MAX]);
/* What the server answers to a Sec-WebSocket-Key: base64(SHA-1(key, GUID)), 28 characters and a NUL. */
void ws_accept_key(struct bytes key, char out[29]);

#endif
