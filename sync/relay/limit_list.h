/*
 * limit_list - every limit of the relay: one row each, from which come the defaults (limits.c), the options, their help and
 * the manual page (app/verbs.c).
 *
 *     LIMIT(option, value, kind, field of struct relay_limits, default as it would be typed, help)
 *
 * Kinds: LIMIT_RATE "RATE[/BURST]" a second, 0: none; LIMIT_BYTES a size; LIMIT_COUNT; LIMIT_SECONDS (kept in ms). The last
 * three are at least 1, except for those that end in _OR_NONE, where 0 is no limit.
 *
 * Included where LIMIT is defined, as often as it is needed: so there is no guard.
 */
#ifndef LIMIT
#define LIMIT(option, value, kind, field, usual, help)
#endif

LIMIT("--max-total", "SIZE", LIMIT_BYTES_OR_NONE, total_bytes, "10G",
      "all documents together; from 80 % on no new documents, when full nothing; 0: no limit")
LIMIT("--max-documents", "N", LIMIT_COUNT_OR_NONE, documents, "0", "documents in the store; 0: no limit")
LIMIT("--max-connections", "N", LIMIT_COUNT, connections, "20000", "connections in all")
LIMIT("--store-window", "SIZE", LIMIT_BYTES, store_window_bytes, "32M", "taken from everybody and not on the disk yet")
LIMIT("--document-size", "SIZE", LIMIT_BYTES, document_log_bytes, "256M", "a document; from 80 % on only edits are taken")
LIMIT("--document-people", "N", LIMIT_COUNT, document_connections, "1024", "connections in a document")
LIMIT("--document-agents", "N", LIMIT_COUNT, document_agents, "16384", "writing programs a document ever had")
LIMIT("--document-bytes", "RATE", LIMIT_BYTES_RATE, document_bytes, "2M/72M", "bytes uploaded to a document, a second")
LIMIT("--document-records", "RATE", LIMIT_RATE, document_records, "1000/20000", "records uploaded to a document, a second")
LIMIT("--connection-messages", "RATE", LIMIT_RATE, frames, "60/240", "messages of a connection, records aside, a second")
LIMIT("--connection-presence", "RATE", LIMIT_RATE, presence, "20/40",
      "cursor moves of a connection, a second; others are dropped")
LIMIT("--connection-window", "SIZE", LIMIT_BYTES, upload_window_bytes, "1M", "taken from a connection and not on the disk yet")
LIMIT("--reader-lag", "SIZE", LIMIT_BYTES, reader_lag_bytes, "4M", "how far behind a reader may be whose link is full")
LIMIT("--reader-stall", "SECONDS", LIMIT_SECONDS, reader_stall_ms, "10", "how long a link may take nothing")
LIMIT("--hello-time", "SECONDS", LIMIT_SECONDS, hello_ms, "5", "how long the handshake and the first words may take")
LIMIT("--silence-time", "SECONDS", LIMIT_SECONDS, silence_ms, "60", "who says nothing for so long is gone")
LIMIT("--address-connections", "N", LIMIT_COUNT, address_connections, "32", "connections from one address")
LIMIT("--address-accepts", "RATE", LIMIT_RATE, address_accepts, "5/20", "new connections from one address, a second")
LIMIT("--address-refusals", "RATE", LIMIT_RATE, address_refusals, "1/10", "failed proofs from one address, a second")
LIMIT("--address-documents", "N", LIMIT_COUNT, address_documents, "100", "documents created from one address, a day")
