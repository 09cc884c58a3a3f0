/*
 * Between weft processes of one person on one machine that have the same document open: who is here, and that there is something
 * to read. A message says "rows up to N are in the journal" or "here I am". What is written travels through the journal, so a
 * lost one only means that it is seen a little later.
 *
 * They meet in two directories. One is named after the file's path: who has typed nothing yet has no document to be known by.
 * The other is named after the document's journal, once the index has the document: there everybody meets whose file was
 * renamed, saved under another name, or has two names. (Device and inode would not do: each save makes another inode. Nor would
 * the document alone: its guest with a state directory of his own has another journal.)
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_succession.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/doorbell.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    BEAT_MS = 2000,  /* presence while somebody is here */
    QUIET_MS = 5000,
    GONE_MS = 60000,
    MESSAGE_MAX = 1024,
    MEETING_BYTES = 8,
};

enum bell { BELL_ROWS = 1, BELL_PRESENCE, BELL_HELLO, BELL_INDEX };

enum meeting { BY_PATH, BY_DOCUMENT };
enum { MEETINGS = DOORBELL_MEETINGS };

struct neighbours {
    struct doorbell *bell; /* the journal's thread rings it too */
    /* The UI thread's alone. */
    struct agent_id agent; /* who is here, and who has left when it closes: the replica may write as another by then */
    uint64_t counter;     /* of presence messages */
    uint64_t beat_ms;     /* when to say again that we are here; 0: nobody to say it to */
    bool rows_rung;
};

/* --- where they meet --- */

static char *meeting_dir(const struct env *env, struct bytes name)
{
    struct hasher hasher;
    struct digest digest;
    char hex[2 * MEETING_BYTES + 1];
    hasher_init(&hasher, "weft-doorbell-1");
    hasher_add(&hasher, name.data, name.len);
    hasher_digest(&hasher, &digest);
    id_hex(digest.bytes, MEETING_BYTES, hex);
    return xformat("%s/%s", env->paths.runtime, hex);
}

static char *document_dir(const struct env *env, const struct doc_id *doc)
{
    char *journal = env_journal_path(env, doc), *dir = meeting_dir(env, bytes_of_string(journal));
    free(journal);
    return dir;
}

/* Where this replica is to be met; NULL: not there. */
static char *wanted_dir(const struct replica *replica, enum meeting meeting)
{
    const char *path = replica->file.path;
    if (meeting == BY_PATH)
        return path ? meeting_dir(replica->env, bytes_of_string(path)) : NULL;
    return path && !replica->indexed ? NULL : document_dir(replica->env, &replica->entry.doc);
}

static void meet(const struct replica *replica, struct neighbours *n)
{
    for (size_t i = 0; i < MEETINGS; i++)
        doorbell_move(n->bell, i, wanted_dir(replica, (enum meeting)i));
}

static void neighbours_free(struct neighbours *n)
{
    doorbell_free(n->bell);
    free(n);
}

void neighbours_open(struct replica *replica)
{
    if (replica->is_private || replica->neighbours)
        return;
    ensure(!replica->writer);
    struct neighbours *n = xcalloc(1, sizeof *n);
    n->agent = replica->agent;
    n->bell = doorbell_new(replica->agent.bytes);
    if (n->bell)
        meet(replica, n);
    if (!n->bell || (!doorbell_dir(n->bell, BY_PATH) && !doorbell_dir(n->bell, BY_DOCUMENT))) {
        /* Alone is how most people edit: without a doorbell others' rows are seen at the next opening. */
        neighbours_free(n);
        return;
    }
    replica->neighbours = n;
    replica_watch_fd(replica, doorbell_fd(n->bell));
    neighbours_present(replica, false);
}

void neighbours_meet(struct replica *replica)
{
    struct neighbours *n = replica->neighbours;
    if (!n)
        return;
    meet(replica, n);
    neighbours_present(replica, false);
}

void neighbours_meet_anew(struct replica *replica)
{
    if (replica->neighbours)
        replica->neighbours->agent = replica->agent;
    neighbours_meet(replica);
}

void neighbours_close(struct replica *replica)
{
    struct neighbours *n = replica->neighbours;
    if (!n)
        return;
    ensure(!replica->writer);
    neighbours_present(replica, true);
    replica->neighbours = NULL;
    neighbours_free(n);
}

/* --- others at a path --- */

bool neighbours_have_open(const struct replica *replica, const char *path)
{
    const struct neighbours *n = replica->neighbours;
    char *dir = meeting_dir(replica->env, bytes_of_string(path));
    bool open = doorbell_anyone_in(n ? n->bell : NULL, dir, n ? doorbell_dir(n->bell, BY_DOCUMENT) : NULL);
    free(dir);
    return open;
}

bool neighbours_are_in(const struct env *env, const struct doc_id *doc)
{
    char *dir = document_dir(env, doc);
    bool are = doorbell_anyone_in(NULL, dir, NULL);
    free(dir);
    return are;
}

bool neighbours_meet_us(const struct replica *replica)
{
    const struct neighbours *n = replica->neighbours;
    bool met = false;
    for (size_t i = 0; i < MEETINGS && !met; i++) {
        char *dir = wanted_dir(replica, (enum meeting)i);
        met = doorbell_anyone_in(n ? n->bell : NULL, dir, NULL);
        free(dir);
    }
    return met;
}

/* --- saying --- */

void neighbours_ring(struct replica *replica, uint64_t place)
{
    struct buf message = {0};
    if (!replica->neighbours)
        return;
    buf_add_byte(&message, BELL_ROWS);
    buf_add_u64(&message, place);
    doorbell_ring(replica->neighbours->bell, buf_view(&message));
    buf_release(&message);
}

static void ring_in(char *dir)
{
    unsigned char id[DOORBELL_NAME_BYTES];
    struct buf message = {0};
    crypto_random(id, sizeof id);
    struct doorbell *bell = doorbell_anyone_in(NULL, dir, NULL) ? doorbell_new(id) : NULL;
    if (bell) {
        doorbell_move(bell, 0, dir);
        buf_add_byte(&message, BELL_ROWS);
        buf_add_u64(&message, 0);
        doorbell_ring(bell, buf_view(&message));
        doorbell_free(bell);
    } else {
        free(dir);
    }
    buf_release(&message);
}

void neighbours_ring_folded(const struct env *env, const struct doc_id *doc, const char *path)
{
    ring_in(document_dir(env, doc));
    if (path)
        ring_in(meeting_dir(env, bytes_of_string(path))); /* who has typed nothing yet does not know of the document */
}

/* Unlike rows and presence this is said once, so a full queue is waited for; who sleeps looks when it wakes. */
void neighbours_tell(struct replica *replica)
{
    enum { TRIES = 20, PAUSE_MS = 10 };
    static const unsigned char bell = BELL_INDEX;
    for (int i = 0; replica->neighbours && i < TRIES; i++) {
        if (doorbell_ring(replica->neighbours->bell, bytes_of(&bell, 1)) != DOORBELL_FULL)
            return;
        poll(NULL, 0, PAUSE_MS);
    }
}

static void fill_presence(struct replica *replica, struct presence *presence, bool leaving)
{
    struct sign_key doc_key;
    *presence = (struct presence){.agent = replica->neighbours->agent, .counter = ++replica->neighbours->counter,
                                   .has_card = true};
    presence->flags = (leaving ? PRESENCE_LEAVING : 0) | (replica->away ? PRESENCE_AWAY : 0) |
                      (replica->scripted ? PRESENCE_SCRIPT : 0);
    device_doc_key(&replica->env->device, &replica->entry.doc, &doc_key);
    presence->doc_key = doc_key.public_key;
    presence->device_key = replica->env->device.key.public_key;
    device_certify(&replica->env->device, &replica->entry.doc, &doc_key.public_key, &presence->certificate);
    crypto_wipe(&doc_key, sizeof doc_key);
    snprintf(presence->name, sizeof presence->name, "%s", replica_person(replica));
    struct version version = {0};
    replica_named_version(replica, &version);
    if (version.count <= PRESENCE_HEADS_MAX) {
        for (size_t i = 0; i < version.count; i++)
            presence->heads[i] = version.heads[i];
        presence->head_count = version.count;
        presence->has_cursor = true;
        presence->cursor = replica->buffer.selection.head;
        presence->anchor = replica->buffer.selection.anchor;
    }
    version_release(&version);
}

/* Presence speaks of a document: before the first edit there is none that others could know. */
static bool has_presence(struct replica *replica)
{
    struct error err = {0};
    return replica->indexed && !replica->joining && env_device(replica->env, &err);
}

void neighbours_present(struct replica *replica, bool leaving)
{
    struct neighbours *n = replica->neighbours;
    if (!n)
        return;
    if (doorbell_is_alone(n->bell)) { /* a key costs less than a presence does, which is signed three times */
        n->beat_ms = 0;
        return;
    }
    struct buf message = {0};
    if (has_presence(replica)) {
        struct presence presence;
        struct sign_key doc_key;
        fill_presence(replica, &presence, leaving);
        device_doc_key(&replica->env->device, &replica->entry.doc, &doc_key);
        buf_add_byte(&message, BELL_PRESENCE);
        presence_seal(&presence, &replica->entry.keys, &doc_key, &message);
        crypto_wipe(&doc_key, sizeof doc_key);
    } else {
        buf_add_byte(&message, BELL_HELLO);
    }
    bool somebody = doorbell_ring(n->bell, buf_view(&message)) != DOORBELL_NOBODY;
    n->beat_ms = somebody ? net_now_ms() + BEAT_MS : 0;
    buf_release(&message);
}

/* --- hearing --- */

static void hear_presence(struct replica *replica, struct bytes sealed, uint64_t now_ms)
{
    struct presence presence;
    struct error err = {0};
    if (!replica->indexed)
        return;
    if (!presence_open(sealed, &replica->entry.keys, &presence, &err)) {
        /* of another document: one of us two has not heard yet that it goes on in the other */
        replica_look_for_successor(replica);
        return;
    }
    bool known = people_find(&replica->people, &presence.agent) != NULL;
    struct session_peer peer = {.presence = presence, .state = PEER_HERE, .introduced = true, .writer = true,
                                .heard_ms = now_ms};
    chain_place_heads(replica->chain, peer.presence.heads, peer.presence.head_count);
    struct person *person = people_hear(&replica->people, &peer, now_ms);
    if (person) {
        person->is_neighbour = true;
        person->is_script = (presence.flags & PRESENCE_SCRIPT) != 0; /* the room does not say so of it */
    }
    if (presence.flags & PRESENCE_LEAVING) {
        replica_heir_expect(replica);
    } else if (!known) {
        neighbours_present(replica, false); /* so that a newcomer knows us at once */
        replica->neighbours->rows_rung = true; /* what was written before we met */
    }
    people_locate(&replica->people, replica->document);
    replica_touch(replica);
}

/* A document was made for our path while we had not written anything: it is ours too. */
static void look_for_document(struct replica *replica)
{
    struct error err = {0};
    struct doc_entry entry = {0};
    bool found = false;
    if (replica->indexed || replica->writing || !replica->file.path)
        return;
    if (replica_find_path(replica, &entry, &found, &err) && found)
        replica_adopt(replica, &entry.doc);
    doc_entry_release(&entry);
}

/*
 * Somebody with nothing to show yet asks who is here. Who has nothing to show either only remembers that: two such who
 * answered each other would never end.
 */
static void hear_hello(struct replica *replica, uint64_t now_ms)
{
    struct neighbours *n = replica->neighbours;
    if (has_presence(replica))
        neighbours_present(replica, false);
    else if (!n->beat_ms)
        n->beat_ms = now_ms + BEAT_MS;
}

static void hear(struct replica *replica, struct bytes message, uint64_t now_ms)
{
    switch (message.data[0]) {
    case BELL_ROWS:
        replica->neighbours->rows_rung = true;
        break;
    case BELL_PRESENCE:
        look_for_document(replica);
        hear_presence(replica, bytes_slice(message, 1, message.len - 1), now_ms);
        break;
    case BELL_HELLO:
        hear_hello(replica, now_ms);
        break;
    case BELL_INDEX:
        replica_look_at_index(replica);
        replica_look_for_successor(replica);
        break;
    }
}

static void age(struct replica *replica, uint64_t now_ms)
{
    struct people *people = &replica->people;
    for (size_t i = 0; i < people->count;) {
        struct person *person = &people->items[i];
        uint64_t quiet_ms = now_ms - person->peer.heard_ms;
        if (person->is_neighbour && quiet_ms > GONE_MS) {
            people_drop(people, &person->peer.presence.agent);
            replica_heir_expect(replica); /* who was stopped was alive when it fell silent */
            replica_touch(replica);
            continue;
        }
        if (person->is_neighbour && quiet_ms > QUIET_MS && person->peer.state == PEER_HERE) {
            person->peer.state = PEER_QUIET;
            replica_heir_expect(replica);
            replica_touch(replica);
        }
        i++;
    }
}

/* Nobody listens where they were: they ended without a word. */
static void miss_all(struct replica *replica)
{
    struct people *people = &replica->people;
    for (size_t i = people->count; i-- > 0;) {
        if (!people->items[i].is_neighbour)
            continue;
        people_drop(people, &people->items[i].peer.presence.agent);
        replica_heir_expect(replica);
        replica_touch(replica);
    }
}

void neighbours_handle(struct replica *replica, uint64_t now_ms)
{
    struct neighbours *n = replica->neighbours;
    unsigned char message[MESSAGE_MAX];
    if (!n)
        return;
    for (size_t len; (len = doorbell_hear(n->bell, message, sizeof message)) > 0;)
        hear(replica, bytes_of(message, len), now_ms);
    if (n->rows_rung) {
        n->rows_rung = false;
        look_for_document(replica);
        replica_read_rows(replica);
        replica_look_at_former(replica); /* the bell may have been rung for rows of that one */
    }
    if (n->beat_ms && now_ms >= n->beat_ms) {
        neighbours_present(replica, false);
        age(replica, now_ms);
    }
    if (!n->beat_ms)
        miss_all(replica);
}

uint64_t neighbours_next_ms(const struct replica *replica)
{
    return replica->neighbours && replica->neighbours->beat_ms ? replica->neighbours->beat_ms : UINT64_MAX;
}

bool neighbours_listen(const struct replica *replica)
{
    return replica->neighbours && replica->neighbours->beat_ms != 0;
}

enum somebody { A_PERSON, A_SCRIPT };

static bool have_heard(const struct replica *replica, enum somebody who)
{
    for (size_t i = 0; i < replica->people.count; i++) {
        const struct person *person = &replica->people.items[i];
        if (person->is_neighbour && person->is_script == (who == A_SCRIPT))
            return true;
    }
    return false;
}

bool replica_has_neighbours(struct replica *replica)
{
    enum { ANSWER_MS = 300, STEP_MS = 20 };
    neighbours_present(replica, false);
    for (uint64_t until_ms = net_now_ms() + ANSWER_MS; neighbours_listen(replica) && net_now_ms() < until_ms;) {
        if (have_heard(replica, A_PERSON))
            return true;
        replica_wait(replica, STEP_MS);
    }
    return false;
}

bool replica_is_open_elsewhere(struct replica *replica)
{
    bool person = replica_has_neighbours(replica);
    const struct neighbours *n = replica->neighbours;
    bool open = n && doorbell_anyone_in(n->bell, doorbell_dir(n->bell, BY_DOCUMENT), NULL);
    return open && (person || !have_heard(replica, A_SCRIPT)); /* who does not answer may be a window that is stopped */
}
