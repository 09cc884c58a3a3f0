#include "app/people.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { PEOPLE_COLOURS = 7 };

void people_release(struct people *people)
{
    free(people->items);
    *people = (struct people){.count = 0};
}

void people_clear(struct people *people)
{
    people->count = 0;
    people->keeper[0] = '\0'; /* the next room may be elsewhere */
}

struct person *people_find(struct people *people, const struct agent_id *agent)
{
    for (size_t i = 0; i < people->count; i++)
        if (agent_id_equal(&people->items[i].peer.presence.agent, agent))
            return &people->items[i];
    return NULL;
}

void people_drop(struct people *people, const struct agent_id *agent)
{
    struct person *person = people_find(people, agent);
    if (person)
        *person = people->items[--people->count];
}

/* The least used colour, so that few people have few colours in common. */
static int free_colour(const struct people *people)
{
    int used[PEOPLE_COLOURS] = {0}, best = 0;
    const struct person *items = people->items;
    for (size_t i = 0; items && i < people->count; i++)
        used[items[i].colour]++;
    for (int i = 1; i < PEOPLE_COLOURS; i++)
        if (used[i] < used[best])
            best = i;
    return best;
}

static void set_name(struct person *person, const char *name)
{
    struct buf safe = {0};
    unicode_safe_label(bytes_of_string(name[0] ? name : "?"), PEOPLE_NAME_CELLS, &safe);
    size_t len = safe.len < sizeof person->name - 1 ? safe.len : sizeof person->name - 1;
    memcpy(person->name, safe.data, len);
    person->name[len] = '\0';
    size_t first = cluster_next(buf_view(&safe));
    if (first == 0 || first >= sizeof person->letter || cluster_width(bytes_of(safe.data, first)) != 1) {
        strcpy(person->letter, "*");
    } else {
        memcpy(person->letter, safe.data, first);
        person->letter[first] = '\0';
        if (first == 1)
            person->letter[0] = (char)toupper((unsigned char)person->letter[0]);
    }
    buf_release(&safe);
}

static bool same_place(const struct presence *a, const struct presence *b)
{
    return a->has_cursor == b->has_cursor && a->cursor == b->cursor && a->anchor == b->anchor;
}

/* A name that is here already under another device's key: worth a warning. */
static bool name_has_other_key(const struct people *people, const struct person *person)
{
    for (size_t i = 0; i < people->count; i++) {
        const struct person *other = &people->items[i];
        if (other != person && other->peer.introduced && strcmp(other->name, person->name) == 0 &&
            memcmp(&other->peer.presence.device_key, &person->peer.presence.device_key, sizeof(struct sign_public)) != 0)
            return true;
    }
    return false;
}

/* A process that ended without a word is gone once the same device is here with another that goes on in its place. */
static void drop_predecessors(struct people *people, const struct session_peer *peer)
{
    for (size_t i = people->count; i-- > 0;) {
        const struct session_peer *other = &people->items[i].peer;
        bool same_device = peer->introduced && other->introduced &&
                           memcmp(&other->presence.device_key, &peer->presence.device_key, sizeof(struct sign_public)) == 0;
        if (same_device && other->state != PEER_HERE && !agent_id_equal(&other->presence.agent, &peer->presence.agent))
            people->items[i] = people->items[--people->count];
    }
}

static void note_host(struct people *people, const struct person *person)
{
    if (!person->peer.introduced || !(person->peer.presence.flags & PRESENCE_HOST))
        return;
    memcpy(people->host, person->name, sizeof people->host);
    memcpy(people->keeper, person->name, sizeof people->keeper);
    if (!person->peer.presence.keeps_room)
        people->keeper[0] = '\0';
}

struct person *people_hear(struct people *people, const struct session_peer *peer, uint64_t now_ms)
{
    if (peer->state == PEER_GONE || (peer->presence.flags & PRESENCE_LEAVING)) {
        people_drop(people, &peer->presence.agent);
        return NULL;
    }
    if (peer->state == PEER_HERE)
        drop_predecessors(people, peer);
    struct person *person = people_find(people, &peer->presence.agent);
    if (!person) {
        if (people->count == PEOPLE_MAX)
            return NULL;
        int colour = free_colour(people);
        people->items = xgrow(people->items, &people->cap, people->count + 1, sizeof *people->items);
        person = &people->items[people->count++];
        *person = (struct person){.colour = colour, .moved_ms = now_ms};
    } else if (!same_place(&person->peer.presence, &peer->presence)) {
        person->moved_ms = now_ms;
    }
    bool news = person->peer.presence.counter != peer->presence.counter;
    person->peer = *peer;
    set_name(person, peer->introduced ? peer->presence.name : "");
    person->key_changed = peer->introduced && name_has_other_key(people, person);
    note_host(people, person);
    if (news)
        person->waiting = peer->presence.has_cursor;
    if (!peer->presence.has_cursor)
        person->located = false;
    return person;
}

static void locate(struct person *person, struct document *document)
{
    const struct presence *presence = &person->peer.presence;
    struct version version = {0};
    for (size_t i = 0; i < presence->head_count; i++) {
        version.heads = xgrow(version.heads, &version.cap, i + 1, sizeof *version.heads);
        version.heads[version.count++] = presence->heads[i];
    }
    uint64_t places[] = {presence->cursor, presence->anchor};
    if (document_map(document, &version, places, 2)) {
        person->cursor = places[0];
        person->anchor = places[1];
        person->located = true;
        person->waiting = false;
    }
    version_release(&version);
}

void people_locate(struct people *people, struct document *document)
{
    for (size_t i = 0; i < people->count; i++)
        if (people->items[i].waiting)
            locate(&people->items[i], document);
}

void people_map(struct people *people, const struct patch *patch)
{
    for (size_t i = 0; i < people->count; i++) {
        struct person *person = &people->items[i];
        if (!person->located)
            continue;
        struct selection moved = selection_map((struct selection){person->anchor, person->cursor, 0}, patch);
        person->anchor = moved.anchor;
        person->cursor = moved.head;
    }
}

bool people_are_named(const struct people *people)
{
    for (size_t i = 0; i < people->count; i++)
        if (!people->items[i].peer.introduced)
            return false;
    return people->count > 0;
}

void people_add_here(const struct people *people, const struct rope *text, struct buf *out)
{
    enum { NAMED_MAX = 4 };
    size_t named = 0;
    buf_add_string(out, " Here:");
    for (size_t i = 0; i < people->count && named < NAMED_MAX; i++) {
        const struct person *person = &people->items[i];
        if (!person->peer.introduced)
            continue;
        buf_addf(out, "%s %s", named++ ? "," : "", person->name);
        if (person->located)
            buf_addf(out, " (line %llu)", (unsigned long long)rope_line_at(text, person->cursor) + 1);
    }
    size_t others = people->count - named;
    if (others > 0 && named > 0)
        buf_addf(out, " and %zu more", others);
    else if (others > 0)
        buf_addf(out, " %zu other%s", others, others == 1 ? "" : "s");
    buf_add_byte(out, '.');
}
