#include "tests/support/relay_peer.h"

#include "sync/checkpoint.h"

#include <stdio.h>
#include <string.h>

void relay_peer_init(struct relay_peer *peer, const struct doc_keys *keys, unsigned seed)
{
    unsigned char device[CRYPTO_SEED_BYTES] = {(unsigned char)seed, (unsigned char)(seed >> 8), 1};
    *peer = (struct relay_peer){.keys = *keys};
    device_from_seed(&peer->device, device);
    device_doc_key(&peer->device, &keys->doc, &peer->doc_key);
    peer->agent.bytes[0] = 0xa0;
    peer->agent.bytes[1] = (unsigned char)seed;
    peer->agent.bytes[2] = (unsigned char)(seed >> 8);
    peer->chain = chain_new(&keys->doc);
}

void relay_peer_release(struct relay_peer *peer)
{
    chain_free(peer->chain);
    agent_numbers_release(&peer->numbers_in);
    agent_numbers_release(&peer->numbers_out);
}

void relay_peer_reconnect(struct relay_peer *peer)
{
    agent_numbers_clear(&peer->numbers_in);
    agent_numbers_clear(&peer->numbers_out);
}

void relay_peer_link(const struct doc_keys *admin, enum access access, struct doc_keys *out)
{
    doc_keys_from_link(out, &admin->doc, access, access == ACCESS_READ ? admin->read_seed : admin->write_seed);
}

void relay_peer_genesis(const struct relay_peer *peer, struct buf *out)
{
    struct genesis genesis = {.admin = peer->keys.admin_key.public_key,
                              .write = peer->keys.write_key.public_key,
                              .read = peer->keys.read_key.public_key};
    doc_keys_commitment(&peer->keys, &genesis.commitment);
    genesis_seal(&genesis, &peer->keys, out);
}

void relay_peer_member(struct relay_peer *peer, struct buf *out)
{
    struct member member = {.agent = peer->agent,
                            .doc_key = peer->doc_key.public_key,
                            .has_grant = peer->keys.access != ACCESS_READ,
                            .device_key = peer->device.key.public_key};
    snprintf(member.name, sizeof member.name, "peer %d", peer->agent.bytes[1]);
    if (member.has_grant)
        grant_make(&peer->keys, &member.doc_key, 0, 0, &member.grant);
    member_seal(&member, &peer->keys, &peer->device, ++peer->counter, out);
}

void relay_peer_events(struct relay_peer *peer, const char *text, struct buf *out)
{
    relay_peer_events_at(peer, 0, text, out);
}

void relay_peer_events_at(struct relay_peer *peer, uint64_t at, const char *text, struct buf *out)
{
    struct batch batch = {.agent = peer->agent, .seq0 = peer->seq, .flags = peer->seq ? BATCH_FLAG_SELF : 0};
    struct buf canonical = {0}, plain = {0};
    batch_add_insert(&batch, at, bytes_of_string(text));
    batch_encode(&batch, &canonical);
    enum chain_link link = chain_add(peer->chain, &batch, buf_view(&canonical), &peer->last);
    ensure(link == CHAIN_NEXT);
    record_plain_add(&plain, buf_view(&canonical));
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = peer->agent,
                                      .sealer = peer->agent,
                                      .counter = ++peer->counter,
                                      .seq0 = peer->seq,
                                      .count = batch.count,
                                      .plain = buf_view(&plain),
                                      .last = &peer->last,
                                      .keys = &peer->keys,
                                      .signer = &peer->doc_key},
                out);
    peer->seq += batch.count;
    batch_release(&batch);
    buf_release(&canonical);
    buf_release(&plain);
}

void relay_peer_pack(struct relay_peer *peer, const struct buf *records, size_t count, struct buf *out)
{
    struct record first, record;
    struct buf plain = {0};
    struct digest last;
    struct error err = {0};
    ensure(count > 0 && record_decode(buf_view(&records[0]), &first, &err));
    for (size_t i = 0; i < count; i++)
        ensure(record_decode(buf_view(&records[i]), &record, &err) && record_open(&record, &peer->keys, &plain, &err));
    uint64_t end = record.seq0 + record.count;
    ensure(chain_find(peer->chain, &(struct event_id){peer->agent, end - 1}, &last));
    record_seal(&(struct record_spec){.kind = RECORD_PACK,
                                      .agent = peer->agent,
                                      .sealer = peer->agent,
                                      .counter = ++peer->counter,
                                      .seq0 = first.seq0,
                                      .count = end - first.seq0,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &peer->keys,
                                      .signer = &peer->doc_key},
                out);
    buf_release(&plain);
}

void relay_peer_checkpoint(struct relay_peer *peer, const struct rope *text, uint64_t set, uint64_t part, struct buf *out)
{
    struct checkpoint_sealer sealer = {&peer->keys, &peer->doc_key, peer->agent, set};
    struct checkpoint checkpoint = {.count = 1, .events = peer->seq};
    checkpoint.heads[0] = (struct checkpoint_head){{peer->agent, peer->seq - 1}, peer->last};
    checkpoint_set_text(&checkpoint, text);
    if (part < checkpoint_parts(rope_len(text)))
        checkpoint_text_seal(&sealer, text, part, out);
    else
        checkpoint_seal(&sealer, &checkpoint, out);
}

void relay_peer_frame(struct relay_peer *peer, const struct message *message, struct buf *out)
{
    message_encode(message, MESSAGE_BY_CLIENT, &peer->numbers_out, out);
}

void relay_peer_knock(struct relay_peer *peer, struct buf *out)
{
    struct message knock = {.kind = MESSAGE_KNOCK,
                            .knock = {.low = MESSAGE_PROTOCOL_LOW, .high = MESSAGE_PROTOCOL_HIGH, .doc = peer->keys.doc}};
    peer->handshake = (struct handshake){
        .client_low = MESSAGE_PROTOCOL_LOW, .client_high = MESSAGE_PROTOCOL_HIGH, .doc = peer->keys.doc};
    crypto_random(peer->handshake.client_nonce, sizeof peer->handshake.client_nonce);
    memcpy(knock.knock.nonce, peer->handshake.client_nonce, sizeof knock.knock.nonce);
    relay_peer_frame(peer, &knock, out);
}

static void take_challenge(struct relay_peer *peer, struct bytes challenge)
{
    struct message asked = {0};
    struct error err = {0};
    struct digest digest;
    struct handshake *handshake = &peer->handshake;
    bool read = message_decode(challenge, MESSAGE_BY_RELAY, &peer->numbers_in, &asked, &err);
    ensure(read && asked.kind == MESSAGE_CHALLENGE);
    handshake->relay_low = asked.challenge.low;
    handshake->relay_high = asked.challenge.high;
    handshake->relay_key = asked.challenge.relay_key;
    handshake->certificate = asked.challenge.certificate;
    memcpy(handshake->relay_nonce, asked.challenge.nonce, sizeof handshake->relay_nonce);
    challenge_digest(handshake, &digest);
    bool proved = crypto_verify_digest(&handshake->relay_key, &digest, &asked.challenge.proof);
    ensure(proved);
    message_release(&asked);
}

void relay_peer_hello(struct relay_peer *peer, struct bytes challenge, struct bytes genesis, const char *token,
                      struct buf *out)
{
    struct digest digest;
    take_challenge(peer, challenge);
    struct message hello = {.kind = MESSAGE_HELLO,
                            .hello = {.device_key = peer->doc_key.public_key,
                                      .genesis = genesis,
                                      .token = bytes_of_string(token)}};
    hello_digest(&peer->handshake, &peer->doc_key.public_key, genesis.len > 0, &digest);
    crypto_sign_digest(&peer->doc_key, &digest, &hello.hello.device_proof);
    crypto_sign_digest(&peer->keys.read_key, &digest, &hello.hello.read_proof);
    relay_peer_frame(peer, &hello, out);
}

void relay_peer_resume(struct relay_peer *peer, const struct message *resume, struct buf *out)
{
    static const struct message nothing = {.kind = MESSAGE_RESUME};
    relay_peer_frame(peer, resume ? resume : &nothing, out);
}

void relay_peer_records(struct relay_peer *peer, const struct bytes *stored, size_t count, struct buf *out)
{
    struct place_record items[64];
    ensure(count <= 64);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct place_record){.stored = stored[i]};
    relay_peer_frame(peer, &(struct message){.kind = MESSAGE_RECORDS, .records = {items, count}}, out);
}
