/*
 * journal_parts - what the files of the journal share, and nobody else needs (the fuzzer aside).
 */
#ifndef WEFT_SYNC_JOURNAL_PARTS_H
#define WEFT_SYNC_JOURNAL_PARTS_H

#include "sync/db.h"
#include "sync/journal.h"

enum { PATH_TAG_BYTES = 16 };

struct journal {
    struct db *db;
    char *path; /* NULL: in memory */
    struct doc_id doc;
    struct seal_key key;
    struct buf name, plain, sealed, unpacked; /* scratch, kept to save allocations; never used across calls */
};

/* What is kept between calls to be faster. */
void journal_release_memory(struct journal *journal);

/* What a path is called in the tables: keyed, so that the disk does not tell which files were edited. */
struct path_tag {
    unsigned char bytes[PATH_TAG_BYTES];
};
struct path_tag journal_path_tag(const struct journal *journal, const char *path);

/*
 * The name of a sealed value: its table and what identifies it there. It is authenticated with the content, so a value
 * moved elsewhere does not open. begin, add the parts, then seal or open.
 */
void journal_name_begin(struct journal *journal, const char *table);
void journal_name_u64(struct journal *journal, uint64_t value);
void journal_name_bytes(struct journal *journal, const void *data, size_t len);
/* The sealed form of `plain` under that name; valid until the next seal. */
struct bytes journal_seal(struct journal *journal, struct bytes plain);
/* Appends the plaintext to `out`; on false nothing was appended. */
MUST_USE bool journal_unseal(struct journal *journal, struct bytes sealed, struct buf *out);

/* A transaction of one's own, unless the caller has one open already. */
struct journal_step {
    bool own;
};
MUST_USE bool journal_step_begin(struct journal *journal, struct journal_step *step, struct error *err);
/* `ok` is returned through; commits or rolls back what was begun here. */
bool journal_step_end(struct journal *journal, struct journal_step step, bool ok, struct error *err);

/* --- the body of a LOCAL row, as it is sealed --- */

struct local_body {
    struct digest digest;
    bool has_view;
    struct path_tag path;
    struct journal_view view;
    struct bytes plain;
};
void local_body_encode(const struct local_body *body, struct buf *out);
/* body->plain is a view into `encoded`. */
MUST_USE bool local_body_decode(struct bytes encoded, struct local_body *body);

/* Of a PACKED row. */
struct packed_body {
    struct digest digest; /* of the last batch */
    bool is_bundle;       /* else the batches as they are: so few that columns would be longer */
    struct bytes content;
};
/* Valid until the next seal. */
struct bytes journal_packed_seal(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count,
                                 const struct packed_body *body);
/* The view that rode with a row at `place`, unless a newer one of that path is kept. */
MUST_USE bool journal_view_keep(struct journal *journal, const struct path_tag *path, const struct journal_view *view,
                                uint64_t place, struct error *err);

/* --- a row of the table `arrival` --- */

/* Of rows of agent ?1, where those begin that may hold seq ?2; ?3: JOURNAL_LOOK_BACK. */
#define JOURNAL_BEGIN_IN(table)                                                                                        \
    "coalesce((SELECT min(seq0) FROM (SELECT seq0 FROM " table " WHERE agent = ?1 AND seq0 <= ?2"                      \
    " ORDER BY seq0 DESC LIMIT ?3)), 0)"

#define JOURNAL_ROW_COLUMNS "place, form, kind, agent, seq0, count, hash, relay_place, body"

/*
 * The row `stmt` (SELECT JOURNAL_ROW_COLUMNS) stands at. False: damaged; row->place is right even then. *local is all
 * zero for RECEIVED rows.
 */
MUST_USE bool journal_row_read(struct journal *journal, struct db_stmt *stmt, struct journal_row *row,
                               struct local_body *local);

#endif
