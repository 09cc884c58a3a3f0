#include "sync/relay/relay_admin.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sync/base64url.h"
#include "sync/relay/store.h"
#include "sync/share_link.h"

enum { DOC_HEX_BYTES = 2 * DOC_ID_BYTES + 1, DAY_BYTES = 11, PREFIX_MIN = 8, LARGEST = 5 };

void relay_admin_size(uint64_t bytes, char out[RELAY_SIZE_TEXT_BYTES])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    snprintf(out, RELAY_SIZE_TEXT_BYTES, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static struct store *open_store(const char *path, struct error *err)
{
    if (access(path, F_OK) != 0) {
        error_errno(err, "cannot open the relay's store %s", path);
        return NULL;
    }
    return store_open(&(struct store_options){.path = path, .by_hand = true}, err);
}

static void day_text(uint64_t seconds, char out[DAY_BYTES])
{
    struct tm day;
    time_t when = (time_t)seconds;
    if (seconds == 0 || !gmtime_r(&when, &day) || strftime(out, DAY_BYTES, "%Y-%m-%d", &day) == 0)
        snprintf(out, DAY_BYTES, "-");
}

/* --- ls --- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_entry(FILE *out, const struct store_entry *entry)
{
    char hex[DOC_HEX_BYTES], size[RELAY_SIZE_TEXT_BYTES], used[DAY_BYTES];
    id_hex(entry->doc.bytes, DOC_ID_BYTES, hex);
    relay_admin_size(entry->bytes, size);
    day_text(entry->used_s, used);
    fprintf(out, "%s  %8s  %8" PRIu64 " record%s  %5" PRIu64 " agent%s  %s\n", hex, size, entry->head, plural(entry->head),
            entry->agents, plural(entry->agents), used);
}

static bool list_each(void *self, const struct store_entry *entry)
{
    print_entry(self, entry);
    return true;
}

bool relay_admin_list(const char *store_path, FILE *out, struct error *err)
{
    struct store *store = open_store(store_path, err);
    bool done = store && store_list(store, list_each, out, err);
    store_free(store);
    return done;
}

/* --- stat --- */

struct sums {
    FILE *out;
    uint64_t documents, records, bytes, agents;
};

static bool sum_each(void *self, const struct store_entry *entry)
{
    struct sums *sums = self;
    sums->documents++;
    sums->records += entry->head;
    sums->bytes += entry->bytes;
    sums->agents += entry->agents;
    return true;
}

static bool largest_each(void *self, const struct store_entry *entry)
{
    struct sums *sums = self;
    print_entry(sums->out, entry);
    return ++sums->documents < LARGEST;
}

bool relay_admin_stat(const char *store_path, FILE *out, struct error *err)
{
    struct store *store = open_store(store_path, err);
    struct sums sums = {0}, largest = {.out = out};
    char size[RELAY_SIZE_TEXT_BYTES];
    bool done = store && store_list(store, sum_each, &sums, err);
    if (done) {
        relay_admin_size(sums.bytes, size);
        fprintf(out, "%" PRIu64 " document%s, %s in %" PRIu64 " record%s by %" PRIu64 " agent%s\n", sums.documents,
                plural(sums.documents), size, sums.records, plural(sums.records), sums.agents, plural(sums.agents));
        done = store_list(store, largest_each, &largest, err);
    }
    store_free(store);
    return done;
}

/* --- rm --- */

struct search {
    char prefix[DOC_HEX_BYTES]; /* of the id in hex */
    struct store_entry found;
    size_t count;
};

static bool search_each(void *self, const struct store_entry *entry)
{
    struct search *search = self;
    char hex[DOC_HEX_BYTES];
    id_hex(entry->doc.bytes, DOC_ID_BYTES, hex);
    if (strncmp(hex, search->prefix, strlen(search->prefix)) == 0) {
        search->found = *entry;
        search->count++;
    }
    return true;
}

static bool is_hex(const char *word)
{
    return word[strspn(word, "0123456789abcdef")] == '\0';
}

/* The id, or its beginning, in hex: of a link, of the 22 letters in it, of hex itself. */
static bool read_word(const char *word, char prefix[DOC_HEX_BYTES], struct error *err)
{
    struct share_link link;
    struct doc_id doc;
    if (strstr(word, "://")) {
        if (!share_link_parse(bytes_of_string(word), &link, err))
            return false;
        id_hex(link.doc.bytes, DOC_ID_BYTES, prefix);
        share_link_wipe(&link);
        return true;
    }
    if (is_hex(word) && strlen(word) >= PREFIX_MIN && strlen(word) < DOC_HEX_BYTES) {
        memcpy(prefix, word, strlen(word) + 1);
        return true;
    }
    if (base64url_read(bytes_of_string(word), doc.bytes, sizeof doc.bytes)) {
        id_hex(doc.bytes, DOC_ID_BYTES, prefix);
        return true;
    }
    return error_set(err, ERR_USAGE, 0, "name the document by a link, or by at least %d digits of its id as `weft relay ls` "
                                        "shows it", PREFIX_MIN);
}

static bool find_document(struct store *store, const char *word, struct store_entry *found, struct error *err)
{
    struct search search = {.count = 0};
    if (!read_word(word, search.prefix, err) || !store_list(store, search_each, &search, err))
        return false;
    *found = search.found;
    if (search.count == 0)
        return error_set(err, ERR_MISSING, 0, "there is no document %s in this store", search.prefix);
    return search.count == 1 ||
           error_set(err, ERR_USAGE, 0, "%zu documents begin with %s: give more digits", search.count, search.prefix);
}

struct removal {
    enum store_result result;
    struct error err;
};

static void on_removed(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct removal *removal = self;
    (void)tag;
    removal->result = reply->result;
    removal->err = reply->err;
}

static bool remove_found(struct store *store, const struct doc_id *doc, struct error *err)
{
    struct removal removal = {.result = STORE_FAILED};
    store_remove(store, doc, (struct store_done){.call = on_removed, .self = &removal});
    store_commit(store);
    store_poll(store);
    if (removal.result == STORE_OK || removal.result == STORE_CLOSED)
        return true;
    *err = removal.err;
    return error_wrap(err, "cannot remove the document");
}

static void print_removed(FILE *out, const struct store_entry *entry)
{
    char hex[DOC_HEX_BYTES], size[RELAY_SIZE_TEXT_BYTES], used[DAY_BYTES];
    id_hex(entry->doc.bytes, DOC_ID_BYTES, hex);
    relay_admin_size(entry->bytes, size);
    day_text(entry->used_s, used);
    fprintf(out, "removed %s (%s, %" PRIu64 " record%s by %" PRIu64 " agent%s, the newest of %s); it stays closed\n", hex, size,
            entry->head, plural(entry->head), entry->agents, plural(entry->agents), used);
}

bool relay_admin_remove(const char *store_path, const char *doc, FILE *out, struct error *err)
{
    struct store *store = open_store(store_path, err);
    struct store_entry found;
    bool done = store && find_document(store, doc, &found, err) && remove_found(store, &found.doc, err);
    if (done)
        print_removed(out, &found);
    store_free(store);
    return done;
}

/* --- backup --- */

bool relay_admin_backup(const char *store_path, const char *path, FILE *out, struct error *err)
{
    if (access(path, F_OK) == 0)
        return error_set(err, ERR_USAGE, 0, "%s is there already: a backup goes to a new file", path);
    struct store *store = open_store(store_path, err);
    bool done = store && store_backup(store, path, err);
    if (done) {
        char size[RELAY_SIZE_TEXT_BYTES];
        struct store_totals totals = store_totals(store);
        relay_admin_size(totals.bytes, size);
        fprintf(out, "%s: %" PRIu64 " document%s, %s\n", path, totals.documents, plural(totals.documents), size);
    }
    store_free(store);
    return done;
}
