// Module `peer`: what mbedTLS takes to sign and to check one message, in ticks of the machine timer.
//
//   measure(number) -> (sign, verify)    one key and one message of 200 bytes for each number; hash and nonce (RFC
//                                        6979) are in the signature, the hash in the check; keys are loaded before
//
// Random numbers, for blinding, cost next to nothing here.

#include <string.h>

#include "py/runtime.h"

#include "mbedtls/ecdsa.h"
#include "mbedtls/memory_buffer_alloc.h"
#include "mbedtls/sha256.h"

#define MTIME (*(volatile uint32_t *)0x0200BFF8)

static unsigned char memory[96 * 1024];
static uint32_t state;

static int random_bytes(void *context, unsigned char *out, size_t size) {
    (void)context;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        out[i] = state;
    }
    return 0;
}

static mp_obj_t peer_measure(mp_obj_t number) {
    state = 0x9E3779B9u + (uint32_t)mp_obj_get_int(number);
    mbedtls_memory_buffer_alloc_init(memory, sizeof(memory));
    mbedtls_ecp_keypair key;
    mbedtls_mpi r, s;
    mbedtls_ecp_keypair_init(&key);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    unsigned char message[200], hash[32];
    random_bytes(NULL, message, sizeof(message));
    int failed = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, &key, random_bytes, NULL);

    uint32_t start = MTIME;
    failed |= mbedtls_sha256(message, sizeof(message), hash, 0);
    failed |= mbedtls_ecdsa_sign_det_ext(&key.private_grp, &r, &s, &key.private_d, hash, sizeof(hash), MBEDTLS_MD_SHA256,
        random_bytes, NULL);
    uint32_t sign = MTIME - start;

    start = MTIME;
    failed |= mbedtls_sha256(message, sizeof(message), hash, 0);
    failed |= mbedtls_ecdsa_verify(&key.private_grp, hash, sizeof(hash), &key.private_Q, &r, &s);
    uint32_t verify = MTIME - start;

    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_ecp_keypair_free(&key);
    mbedtls_memory_buffer_alloc_free();
    if (failed) {
        mp_raise_ValueError(MP_ERROR_TEXT("mbedTLS does not sign, or does not believe its own signature"));
    }
    mp_obj_t both[] = {mp_obj_new_int_from_uint(sign), mp_obj_new_int_from_uint(verify)};
    return mp_obj_new_tuple(2, both);
}
static MP_DEFINE_CONST_FUN_OBJ_1(peer_measure_obj, peer_measure);

static const mp_rom_map_elem_t peer_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_peer) },
    { MP_ROM_QSTR(MP_QSTR_measure), MP_ROM_PTR(&peer_measure_obj) },
};
static MP_DEFINE_CONST_DICT(peer_globals, peer_globals_table);

const mp_obj_module_t peer_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&peer_globals,
};
MP_REGISTER_MODULE(MP_QSTR_peer, peer_module);
