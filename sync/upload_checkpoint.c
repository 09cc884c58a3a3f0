/* A checkpoint of ours on its way to the relay, a part at a time; whatever was typed goes first. */
#include "sync/upload_parts.h"

void upload_post_drop(struct upload *upload)
{
    rope_free(upload->posting.text);
    upload->posting = (struct posting){0};
}

static bool may_post(const struct upload *upload)
{
    return upload->online && upload->caught_up && upload->config.keys->access >= ACCESS_WRITE && upload->lacking_count == 0;
}

void upload_post(struct upload *upload, const struct checkpoint *checkpoint, const struct rope *text)
{
    struct posting *posting = &upload->posting;
    upload_post_drop(upload);
    if (!may_post(upload))
        return;
    posting->checkpoint = *checkpoint;
    checkpoint_set_text(&posting->checkpoint, text);
    posting->text = rope_snapshot(text);
    posting->set = upload->next_counter;
    posting->parts = checkpoint_parts(rope_len(text));
    upload->next_counter += posting->parts + 1;
}

bool upload_is_posting(const struct upload *upload)
{
    bool posting = upload->posting.text != NULL;
    for (size_t i = 0; i < upload->sent_count && !posting; i++)
        posting = upload->sent[i].kind == SENT_CHECKPOINT;
    return posting;
}

static void send_part(struct upload *upload)
{
    struct posting *posting = &upload->posting;
    const struct upload_config *config = &upload->config;
    struct checkpoint_sealer sealer = {config->keys, config->doc_key, config->self, posting->set};
    struct buf stored = {0};
    if (posting->next < posting->parts)
        checkpoint_text_seal(&sealer, posting->text, posting->next, &stored);
    else
        checkpoint_seal(&sealer, &posting->checkpoint, &stored);
    struct place_record item = {.stored = buf_view(&stored)};
    struct message message = {.kind = MESSAGE_RECORDS, .records = {&item, 1}};
    upload->port.send(upload->port.self, &message);
    upload_note_sent(upload, (struct sent){.kind = SENT_CHECKPOINT, .bytes = stored.len, .ticket = posting->set});
    posting->next++;
    buf_release(&stored);
}

void upload_post_run(struct upload *upload)
{
    struct posting *posting = &upload->posting;
    /* The relay takes one from writers only: who has written nothing yet is introduced first. */
    while (posting->text && upload->waiting == 0 && upload_is_known_writer(upload) && upload_window_open(upload)) {
        send_part(upload);
        if (posting->next > posting->parts)
            upload_post_drop(upload);
    }
}

void upload_post_rejected(struct upload *upload, uint64_t set)
{
    if (upload->posting.text && upload->posting.set == set)
        upload_post_drop(upload);
}
