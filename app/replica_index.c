/*
 * The index of this device, and the document's entry in it: found by its id, and kept up to date.
 */
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <sys/stat.h>

bool replica_open_index(struct replica *replica, enum doc_index_mode mode, struct doc_index **index, struct error *err)
{
    char *path = paths_state_file(&replica->env->paths, "index.db");
    struct stat st;
    bool missing = mode == DOC_INDEX_READ && stat(path, &st) != 0;
    if (missing) /* before anything was ever kept there is no device key either, and none is made for looking */
        error_set(err, ERR_MISSING, 0, "nothing is kept on this machine yet");
    *index = !missing && env_device(replica->env, err) ? doc_index_open(path, mode, &replica->env->device, err) : NULL;
    free(path);
    return *index != NULL;
}

bool replica_find_doc(struct replica *replica, const struct doc_id *doc, struct error *err)
{
    struct doc_index *index;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, err))
        return false;
    bool good = doc_index_find_doc(index, doc, &replica->entry, &replica->indexed, err);
    doc_index_close(index);
    return good && (replica->indexed || error_set(err, ERR_MISSING, 0, "this document is not kept here"));
}

bool replica_put_entry(struct replica *replica, struct error *err)
{
    struct doc_index *index;
    struct doc_id other;
    if (replica->is_private)
        return true;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    bool good = doc_index_put(index, &replica->entry, &other, err) != DOC_INDEX_FAILED;
    doc_index_close(index);
    return good;
}

void replica_put_name(struct replica *replica)
{
    struct error err = {0};
    replica_give_founding(replica);
    if (!replica_put_entry(replica, &err))
        replica_say(replica, "The name of this document is not kept: %s", err.text);
}
