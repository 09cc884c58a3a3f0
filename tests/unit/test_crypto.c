/* The primitives against published vectors and against a second implementation (Python's hashlib, OpenSSL). */
#include "tests/support/support.h"

#include <string.h>

#include "sync/crypto.h"

static void blake2b_gives_the_published_hashes(void **state)
{
    (void)state;
    struct digest digest;
    crypto_blake2b(bytes_of("", 0), &digest);
    support_expect_hex(digest.bytes, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    crypto_blake2b(bytes_of_string("abc"), &digest);
    support_expect_hex(digest.bytes, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    unsigned char name[CRYPTO_SHORT_HASH_BYTES];
    crypto_blake2b_128(bytes_of_string("abc"), name);
    support_expect_hex(name, sizeof name, "cf4ab791c62b8d2b2109c90275287816");
}

static void a_hash_does_not_depend_on_how_it_is_fed(void **state)
{
    (void)state;
    unsigned char data[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i % 251);
    for (size_t piece = 1; piece <= sizeof data; piece += 37) {
        struct blake2b hash;
        struct digest digest;
        blake2b_init(&hash);
        for (size_t at = 0; at < sizeof data; at += piece)
            blake2b_add(&hash, data + at, sizeof data - at < piece ? sizeof data - at : piece);
        blake2b_digest(&hash, &digest);
        support_expect_hex(digest.bytes, 32, "b372d0608f720c8c3dd41e9c8eecb10143b41abe520b616607e754bf79c08331");
    }
}

static void a_hasher_puts_label_and_parts_in_the_documented_bytes(void **state)
{
    (void)state;
    struct hasher hasher;
    struct digest digest;
    hasher_init(&hasher, "weft-test-1");
    hasher_add(&hasher, "ab", 2);
    hasher_add_u64(&hasher, 0x0102030405060708);
    hasher_add_sized(&hasher, bytes_of_string("cde"));
    hasher_digest(&hasher, &digest);
    support_expect_hex(digest.bytes, 32, "1609e5a5fe537a39722d0e794b2d198341a805b0eb9fd3a5294e020d5b49ef9f");
}

static void derived_keys_depend_on_secret_label_context_and_length(void **state)
{
    (void)state;
    unsigned char secret[16];
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (unsigned char)i;
    unsigned char out[32];
    crypto_derive(out, 32, secret, sizeof secret, "weft-test-1", bytes_of_string("context"));
    support_expect_hex(out, 32, "ebea74f6ffb460e0cc9c22329e1d4963dac8d643798f98584ea369f5cc3cbfa6");
    crypto_derive(out, 16, secret, sizeof secret, "weft-test-1", (struct bytes){0});
    support_expect_hex(out, 16, "e481913b81df1544e59dc07dc22195c5");

    unsigned char other[32];
    crypto_derive(out, 32, secret, sizeof secret, "weft-test-1", (struct bytes){0});
    assert_memory_not_equal(out + 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    crypto_derive(other, 16, secret, sizeof secret, "weft-test-1", (struct bytes){0});
    assert_memory_not_equal(out, other, 16);
    crypto_derive(other, 32, secret, sizeof secret, "weft-test-2", (struct bytes){0});
    assert_memory_not_equal(out, other, 32);
}

/* draft-irtf-cfrg-xchacha-03, A.3.1 */
static const char xchacha_plain[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
                                    "the future, sunscreen would be it.";
static const char xchacha_sealed[] =
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216"
    "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13"
    "b52e"
    "c0875924c1c7987947deafd8780acf49";

struct sealing {
    struct seal_key key;
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    unsigned char aad[12];
};

static struct sealing xchacha_vector(void)
{
    struct sealing vector;
    support_from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", vector.key.bytes, 32);
    support_from_hex("404142434445464748494a4b4c4d4e4f5051525354555657", vector.nonce, sizeof vector.nonce);
    support_from_hex("50515253c0c1c2c3c4c5c6c7", vector.aad, sizeof vector.aad);
    return vector;
}

static struct bytes aad_of(const struct sealing *sealing)
{
    return bytes_of(sealing->aad, sizeof sealing->aad);
}

static void sealing_gives_the_published_ciphertext(void **state)
{
    (void)state;
    struct sealing vector = xchacha_vector();
    struct buf sealed = {0};
    crypto_seal(&vector.key, vector.nonce, aad_of(&vector), bytes_of_string(xchacha_plain), &sealed);
    support_expect_hex(sealed.data, sealed.len, xchacha_sealed);

    struct buf opened = {0};
    buf_add_string(&opened, "kept:");
    assert_true(crypto_open(&vector.key, vector.nonce, aad_of(&vector), buf_view(&sealed), &opened));
    assert_memory_equal(opened.data, "kept:", 5);
    assert_true(bytes_equal(bytes_slice(buf_view(&opened), 5, opened.len - 5), bytes_of_string(xchacha_plain)));
    buf_release(&opened);
    buf_release(&sealed);
}

static void expect_closed(const struct sealing *with, struct bytes sealed)
{
    struct buf opened = {0};
    buf_add_string(&opened, "kept");
    assert_false(crypto_open(&with->key, with->nonce, aad_of(with), sealed, &opened));
    assert_int_equal(opened.len, 4);
    buf_release(&opened);
}

static void any_changed_bit_of_key_nonce_aad_or_ciphertext_keeps_it_closed(void **state)
{
    (void)state;
    struct sealing vector = xchacha_vector();
    struct buf sealed = {0};
    crypto_seal(&vector.key, vector.nonce, aad_of(&vector), bytes_of_string("one key"), &sealed);

    for (size_t bit = 0; bit < 8 * sizeof vector; bit++) {
        struct sealing changed = vector;
        ((unsigned char *)&changed)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        expect_closed(&changed, buf_view(&sealed));
    }
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        sealed.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        expect_closed(&vector, buf_view(&sealed));
        sealed.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t len = 0; len < sealed.len; len++)
        expect_closed(&vector, bytes_slice(buf_view(&sealed), 0, len));
    buf_release(&sealed);
}

static void nothing_can_be_sealed(void **state)
{
    (void)state;
    struct sealing vector = xchacha_vector();
    struct buf sealed = {0};
    crypto_seal(&vector.key, vector.nonce, (struct bytes){0}, (struct bytes){0}, &sealed);
    assert_int_equal(sealed.len, CRYPTO_TAG_BYTES);
    struct buf opened = {0};
    assert_true(crypto_open(&vector.key, vector.nonce, (struct bytes){0}, buf_view(&sealed), &opened));
    assert_int_equal(opened.len, 0);
    buf_release(&opened);
    buf_release(&sealed);
}

/* RFC 8032, 7.1, tests 1 to 3 */
static void signing_keys_are_those_of_rfc_8032(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        unsigned char seed[CRYPTO_SEED_BYTES];
        struct sign_key key;
        support_from_hex(vectors[i][0], seed, sizeof seed);
        sign_key_from_seed(&key, seed);
        support_expect_hex(key.public_key.bytes, sizeof key.public_key.bytes, vectors[i][1]);
    }
}

static void rfc_test_key_1(struct sign_key *key)
{
    unsigned char seed[CRYPTO_SEED_BYTES];
    support_from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, sizeof seed);
    sign_key_from_seed(key, seed);
}

static void a_signature_is_the_one_openssl_makes(void **state)
{
    (void)state;
    struct sign_key key;
    struct digest digest;
    struct signature signature;
    rfc_test_key_1(&key);
    crypto_blake2b(bytes_of_string("abc"), &digest);
    crypto_sign_digest(&key, &digest, &signature);
    support_expect_hex(signature.bytes, sizeof signature.bytes,
                       "ffb9744722e625f6bf6628a1fd9838b3cb3631d1ff1ffc2f989edf0778938bdd"
                       "e267e4846a2a9624b1794df8d8785386cb82e6ee577dabe956d61c8aa1dc7c0d");
    assert_true(crypto_verify_digest(&key.public_key, &digest, &signature));
}

struct signed_thing {
    struct sign_public key;
    struct digest digest;
    struct signature signature;
};

static bool signed_thing_holds(const struct signed_thing *thing)
{
    return crypto_verify_digest(&thing->key, &thing->digest, &thing->signature);
}

static void any_changed_bit_breaks_a_signature(void **state)
{
    (void)state;
    struct sign_key key;
    struct signed_thing thing;
    rfc_test_key_1(&key);
    thing.key = key.public_key;
    crypto_blake2b(bytes_of_string("abc"), &thing.digest);
    crypto_sign_digest(&key, &thing.digest, &thing.signature);
    assert_true(signed_thing_holds(&thing));
    for (size_t bit = 0; bit < 8 * sizeof thing; bit++) {
        struct signed_thing changed = thing;
        ((unsigned char *)&changed)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(signed_thing_holds(&changed));
    }
}

/*
 * Adding the group's order to S gives a second valid-looking signature; records are compared by content, so there must
 * be one only. And under a key of small order one signature fits many messages.
 */
static void second_forms_of_signatures_and_weak_keys_are_refused(void **state)
{
    (void)state;
    static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    unsigned char l[32];
    struct sign_key key;
    struct signed_thing thing;
    rfc_test_key_1(&key);
    thing.key = key.public_key;
    crypto_blake2b(bytes_of_string("abc"), &thing.digest);
    crypto_sign_digest(&key, &thing.digest, &thing.signature);
    support_from_hex(order, l, sizeof l);
    unsigned carry = 0;
    for (size_t i = 0; i < sizeof l; i++) {
        carry += thing.signature.bytes[32 + i] + l[i];
        thing.signature.bytes[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    assert_false(signed_thing_holds(&thing));

    struct signed_thing weak = {.key = {{1}}, .signature = {{1}}}; /* the neutral element, S = 0 */
    assert_false(signed_thing_holds(&weak));
}

static void randomness_comes_and_secrets_go(void **state)
{
    (void)state;
    unsigned char a[32], b[32], zero[32] = {0};
    crypto_random(a, sizeof a);
    crypto_random(b, sizeof b);
    assert_false(crypto_equal(a, b, sizeof a));
    assert_true(crypto_equal(a, a, sizeof a));
    crypto_wipe(a, sizeof a);
    assert_true(crypto_equal(a, zero, sizeof a));
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2b_gives_the_published_hashes),
        cmocka_unit_test(a_hash_does_not_depend_on_how_it_is_fed),
        cmocka_unit_test(a_hasher_puts_label_and_parts_in_the_documented_bytes),
        cmocka_unit_test(derived_keys_depend_on_secret_label_context_and_length),
        cmocka_unit_test(sealing_gives_the_published_ciphertext),
        cmocka_unit_test(any_changed_bit_of_key_nonce_aad_or_ciphertext_keeps_it_closed),
        cmocka_unit_test(nothing_can_be_sealed),
        cmocka_unit_test(signing_keys_are_those_of_rfc_8032),
        cmocka_unit_test(a_signature_is_the_one_openssl_makes),
        cmocka_unit_test(any_changed_bit_breaks_a_signature),
        cmocka_unit_test(second_forms_of_signatures_and_weak_keys_are_refused),
        cmocka_unit_test(randomness_comes_and_secrets_go),
    };
    return RUN_TESTS("crypto", tests);
}
