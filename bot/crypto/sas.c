/*
 * sas.c - see sas.h.
 */
#include "bot/crypto/sas.h"

#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/json_canonical.h"
#include "bot/crypto/prim.h"

/* The specification's table, with its English names. */
static const struct sas_emoji table[64] = {
        {"🐶", "Dog"},
        {"🐱", "Cat"},
        {"🦁", "Lion"},
        {"🐎", "Horse"},
        {"🦄", "Unicorn"},
        {"🐷", "Pig"},
        {"🐘", "Elephant"},
        {"🐰", "Rabbit"},
        {"🐼", "Panda"},
        {"🐓", "Rooster"},
        {"🐧", "Penguin"},
        {"🐢", "Turtle"},
        {"🐟", "Fish"},
        {"🐙", "Octopus"},
        {"🦋", "Butterfly"},
        {"🌷", "Flower"},
        {"🌳", "Tree"},
        {"🌵", "Cactus"},
        {"🍄", "Mushroom"},
        {"🌏", "Globe"},
        {"🌙", "Moon"},
        {"☁️", "Cloud"},
        {"🔥", "Fire"},
        {"🍌", "Banana"},
        {"🍎", "Apple"},
        {"🍓", "Strawberry"},
        {"🌽", "Corn"},
        {"🍕", "Pizza"},
        {"🎂", "Cake"},
        {"❤️", "Heart"},
        {"😀", "Smiley"},
        {"🤖", "Robot"},
        {"🎩", "Hat"},
        {"👓", "Glasses"},
        {"🔧", "Spanner"},
        {"🎅", "Santa"},
        {"👍", "Thumbs Up"},
        {"☂️", "Umbrella"},
        {"⌛", "Hourglass"},
        {"⏰", "Clock"},
        {"🎁", "Gift"},
        {"💡", "Light Bulb"},
        {"📕", "Book"},
        {"✏️", "Pencil"},
        {"📎", "Paperclip"},
        {"✂️", "Scissors"},
        {"🔒", "Lock"},
        {"🔑", "Key"},
        {"🔨", "Hammer"},
        {"☎️", "Telephone"},
        {"🏁", "Flag"},
        {"🚂", "Train"},
        {"🚲", "Bicycle"},
        {"✈️", "Aeroplane"},
        {"🚀", "Rocket"},
        {"🏆", "Trophy"},
        {"⚽", "Ball"},
        {"🎸", "Guitar"},
        {"🎺", "Trumpet"},
        {"🔔", "Bell"},
        {"⚓", "Anchor"},
        {"🎧", "Headphones"},
        {"📁", "Folder"},
        {"📌", "Pin"},
};

void sas_emoji(const uint8_t bytes[SAS_BYTES], struct sas_emoji out[SAS_EMOJI])
{
	uint64_t bits = 0;

	for (int i = 0; i < SAS_BYTES; i++)
		bits = bits << 8 | bytes[i];
	for (int i = 0; i < SAS_EMOJI; i++) /* the first 42 of 48 bits, six at a time */
		out[i] = table[bits >> (42 - 6 * i) & 0x3f];
}

void sas_decimals(const uint8_t bytes[SAS_BYTES], unsigned out[SAS_DECIMALS])
{
	uint64_t bits = 0;

	for (int i = 0; i < SAS_BYTES; i++)
		bits = bits << 8 | bytes[i];
	for (int i = 0; i < SAS_DECIMALS; i++) /* the first 39 bits, thirteen at a time */
		out[i] = (unsigned)(bits >> (35 - 13 * i) & 0x1fff) + 1000;
}

char *sas_info(const struct sas_party *starter, const struct sas_party *accepter, const char *id)
{
	return x_asprintf("MATRIX_KEY_VERIFICATION_SAS|%s|%s|%s|%s|%s|%s|%s", starter->user_id,
	        starter->device_id, starter->key, accepter->user_id, accepter->device_id,
	        accepter->key, id);
}

char *sas_mac_info(const struct sas_party *from, const struct sas_party *to, const char *id,
        const char *key_id)
{
	return x_asprintf("MATRIX_KEY_VERIFICATION_MAC%s%s%s%s%s%s", from->user_id, from->device_id,
	        to->user_id, to->device_id, id, key_id);
}

char *sas_commitment(const char *public_key, const json_t *start)
{
	char *text = json_canonical(start), *whole, *result;
	uint8_t hash[PRIM_HASH];

	if (!text)
		return NULL;
	whole = x_asprintf("%s%s", public_key, text);
	prim_sha256(whole, strlen(whole), hash);
	result = prim_base64(hash, sizeof(hash), false);
	free(whole);
	free(text);
	return result;
}
