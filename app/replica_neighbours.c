/*
 * The doorbell between weft processes of one person on one machine that have the same document open. Each binds a datagram
 * socket in a directory named after the file; a message says "rows up to N are in the journal" or "here I am". What is
 * written travels through the journal, so a lost datagram only means that it is seen a little later.
 */
#include "app/replica_parts.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    BEAT_MS = 2000,  /* presence while somebody is here */
    QUIET_MS = 5000,
    GONE_MS = 60000,
    DATAGRAM_MAX = 1024,
    /* A socket's path has 107 bytes: names are as long as they must be to be distinct, not longer. */
    MEETING_BYTES = 8,
    SOCKET_BYTES = 6,
};

enum bell { BELL_ROWS = 1, BELL_PRESENCE, BELL_HELLO, BELL_INDEX };

struct neighbours {
    /* Constant while it is there: the journal's thread rings with these. */
    int fd;
    char *dir, *own;      /* the directory; the name of our socket in it */
    /* The UI thread's alone. */
    struct agent_id agent; /* who is here, and who has left when it closes: the replica may write as another by then */
    uint64_t counter;     /* of presence messages */
    uint64_t beat_ms;     /* when to say again that we are here; 0: nobody to say it to */
    bool rows_rung;
};

/* --- the directory --- */

static char *meeting_dir(const struct replica *replica)
{
    struct hasher hasher;
    struct digest digest;
    char hex[2 * MEETING_BYTES + 1];
    hasher_init(&hasher, "weft-doorbell-1");
    if (replica->file.path)
        hasher_add(&hasher, replica->file.path, strlen(replica->file.path));
    else
        hasher_add(&hasher, replica->entry.doc.bytes, sizeof replica->entry.doc.bytes);
    hasher_digest(&hasher, &digest);
    id_hex(digest.bytes, MEETING_BYTES, hex);
    return xformat("%s/%s", replica->env->paths.runtime, hex);
}

static bool address_of(const struct neighbours *n, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", n->dir, name);
    return len > 0 && (size_t)len < sizeof address->sun_path;
}

static struct neighbours *neighbours_new(const struct replica *replica)
{
    struct neighbours *n = xcalloc(1, sizeof *n);
    char hex[2 * SOCKET_BYTES + 1];
    id_hex(replica->agent.bytes, SOCKET_BYTES, hex);
    n->agent = replica->agent;
    n->dir = meeting_dir(replica);
    n->own = xstrdup(hex);
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return n;
}

static void neighbours_free(struct neighbours *n)
{
    if (n->fd >= 0)
        close(n->fd);
    free(n->dir);
    free(n->own);
    free(n);
}

void neighbours_open(struct replica *replica)
{
    struct error err = {0};
    struct sockaddr_un address;
    if (replica->is_private || replica->neighbours)
        return;
    ensure(!replica->writer);
    struct neighbours *n = neighbours_new(replica);
    bool bound = n->fd >= 0 && file_make_dirs(n->dir, &err) && address_of(n, n->own, &address) &&
                 bind(n->fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (!bound) {
        /* Alone is how most people edit: without a doorbell others' rows are seen at the next opening. */
        neighbours_free(n);
        return;
    }
    replica->neighbours = n;
    replica_watch_fd(replica, n->fd);
    neighbours_present(replica, false);
}

enum ring { RING_NOBODY, RING_HEARD, RING_FULL /* somebody is there whose queue has no room */ };

/* To everybody in the directory. A socket nobody listens on any more is swept away. */
static enum ring ring_all(const struct neighbours *n, struct bytes message)
{
    DIR *dir = opendir(n->dir);
    enum ring ring = RING_NOBODY;
    if (!dir)
        return ring;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct sockaddr_un address;
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, n->own) == 0 || !address_of(n, entry->d_name, &address))
            continue;
        ssize_t sent = sendto(n->fd, message.data, message.len, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
        if (sent < 0 && errno == EAGAIN)
            ring = RING_FULL;
        else if (sent >= 0 && ring == RING_NOBODY)
            ring = RING_HEARD;
        else if (sent < 0 && errno == ECONNREFUSED)
            unlink(address.sun_path);
    }
    closedir(dir);
    return ring;
}

void neighbours_close(struct replica *replica)
{
    struct neighbours *n = replica->neighbours;
    struct sockaddr_un address;
    if (!n)
        return;
    ensure(!replica->writer);
    neighbours_present(replica, true);
    if (address_of(n, n->own, &address))
        unlink(address.sun_path);
    rmdir(n->dir); /* the last one out; fails while others are in */
    replica->neighbours = NULL;
    neighbours_free(n);
}

/* --- saying --- */

void neighbours_ring(struct replica *replica, uint64_t place)
{
    struct buf message = {0};
    if (!replica->neighbours)
        return;
    buf_add_byte(&message, BELL_ROWS);
    buf_add_u64(&message, place);
    ring_all(replica->neighbours, buf_view(&message));
    buf_release(&message);
}

/* Unlike rows and presence this is said once, so a full queue is waited for; who sleeps looks when it wakes. */
void neighbours_tell(struct replica *replica)
{
    enum { TRIES = 20, PAUSE_MS = 10 };
    static const unsigned char bell = BELL_INDEX;
    for (int i = 0; replica->neighbours && i < TRIES; i++) {
        if (ring_all(replica->neighbours, bytes_of(&bell, 1)) != RING_FULL)
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

/* A key costs less than a presence does, which is signed three times; to nobody it need not be said. */
static bool is_alone(const struct neighbours *n)
{
    DIR *dir = opendir(n->dir);
    bool alone = true;
    if (!dir)
        return true;
    for (struct dirent *entry; alone && (entry = readdir(dir));)
        alone = entry->d_name[0] == '.' || strcmp(entry->d_name, n->own) == 0;
    closedir(dir);
    return alone;
}

void neighbours_present(struct replica *replica, bool leaving)
{
    struct neighbours *n = replica->neighbours;
    if (!n)
        return;
    if (is_alone(n)) {
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
    bool somebody = ring_all(n, buf_view(&message)) != RING_NOBODY;
    n->beat_ms = somebody ? net_now_ms() + BEAT_MS : 0;
    buf_release(&message);
}

/* --- hearing --- */

static void hear_presence(struct replica *replica, struct bytes sealed, uint64_t now_ms)
{
    struct presence presence;
    struct error err = {0};
    if (!replica->indexed || !presence_open(sealed, &replica->entry.keys, &presence, &err))
        return; /* of another document, from before a share; it will learn */
    bool known = people_find(&replica->people, &presence.agent) != NULL;
    struct session_peer peer = {.presence = presence, .state = PEER_HERE, .introduced = true, .writer = true,
                                .heard_ms = now_ms};
    chain_place_heads(replica->chain, peer.presence.heads, peer.presence.head_count);
    struct person *person = people_hear(&replica->people, &peer, now_ms);
    if (person) {
        person->is_neighbour = true;
        person->is_script = (presence.flags & PRESENCE_SCRIPT) != 0; /* the room does not say so of it */
    }
    if (!known && !(presence.flags & PRESENCE_LEAVING))
        neighbours_present(replica, false); /* so that a newcomer knows us at once */
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
            replica_touch(replica);
            continue;
        }
        if (person->is_neighbour && quiet_ms > QUIET_MS && person->peer.state == PEER_HERE) {
            person->peer.state = PEER_QUIET;
            replica_touch(replica);
        }
        i++;
    }
}

void neighbours_handle(struct replica *replica, uint64_t now_ms)
{
    struct neighbours *n = replica->neighbours;
    unsigned char datagram[DATAGRAM_MAX];
    if (!n)
        return;
    for (ssize_t got; (got = recv(n->fd, datagram, sizeof datagram, MSG_DONTWAIT)) > 0;)
        hear(replica, bytes_of(datagram, (size_t)got), now_ms);
    if (n->rows_rung) {
        n->rows_rung = false;
        look_for_document(replica);
        replica_read_rows(replica);
    }
    if (n->beat_ms && now_ms >= n->beat_ms) {
        neighbours_present(replica, false);
        age(replica, now_ms);
    }
}

uint64_t neighbours_next_ms(const struct replica *replica)
{
    return replica->neighbours && replica->neighbours->beat_ms ? replica->neighbours->beat_ms : UINT64_MAX;
}

bool neighbours_listen(const struct replica *replica)
{
    return replica->neighbours && replica->neighbours->beat_ms != 0;
}

bool replica_has_neighbours(struct replica *replica)
{
    enum { ANSWER_MS = 300, STEP_MS = 20 };
    neighbours_present(replica, false);
    for (uint64_t until_ms = net_now_ms() + ANSWER_MS; neighbours_listen(replica) && net_now_ms() < until_ms;) {
        for (size_t i = 0; i < replica->people.count; i++) {
            const struct person *person = &replica->people.items[i];
            if (person->is_neighbour && !person->is_script)
                return true;
        }
        replica_wait(replica, STEP_MS);
    }
    return false;
}
