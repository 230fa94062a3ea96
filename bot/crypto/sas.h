/*
 * sas.h - the derivations of m.sas.v1 (client-server API, "Short Authentication String (SAS)
 * verification"): what two people compare, and what their devices prove afterwards. Pure; the
 * secrets stay behind olm.h. Inside bot/crypto/ only.
 *
 * Strings that are returned are owned by the caller.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#define SAS_EMOJI 7
#define SAS_DECIMALS 3
#define SAS_BYTES 6 /* of the shared secret's derivation; the decimals take five of them */

struct sas_emoji {
	const char *emoji, *name;
};

/* One side of a verification. key: its ephemeral public key. */
struct sas_party {
	const char *user_id, *device_id, *key;
};

void sas_emoji(const uint8_t bytes[SAS_BYTES], struct sas_emoji out[SAS_EMOJI]);
void sas_decimals(const uint8_t bytes[SAS_BYTES], unsigned out[SAS_DECIMALS]);

/* The HKDF info for the emoji and decimals: both sides, and which of them sent the start event
 * that counts. */
char *sas_info(const struct sas_party *starter, const struct sas_party *accepter, const char *id);
/* The HKDF info for the MAC of one key (key_id, or "KEY_IDS" for their list). */
char *sas_mac_info(const struct sas_party *from, const struct sas_party *to, const char *id,
        const char *key_id);
/* The commitment that the accepting side sends before it sees the other's key. NULL when the start
 * has no canonical form. */
char *sas_commitment(const char *public_key, const json_t *start);
