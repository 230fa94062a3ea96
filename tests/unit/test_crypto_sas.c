/*
 * test_crypto_sas.c - the derivations of m.sas.v1 against published values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "bot/crypto/olm.h"
#include "bot/crypto/sas.h"

static void assert_emoji(const uint8_t bytes[SAS_BYTES], const char *const names[SAS_EMOJI])
{
	struct sas_emoji emoji[SAS_EMOJI];

	sas_emoji(bytes, emoji);
	for (int i = 0; i < SAS_EMOJI; i++)
		assert_string_equal(emoji[i].name, names[i]);
}

/* All zeros and all ones as in vodozemac's tests; the third by the specification's formulas. */
static void bytes_become_emoji_and_decimals(void **state)
{
	static const uint8_t zeros[SAS_BYTES], ones[] = {255, 255, 255, 255, 255, 255},
	                                       some[] = {1, 2, 3, 4, 5, 6};
	static const char *const dogs[] = {"Dog", "Dog", "Dog", "Dog", "Dog", "Dog", "Dog"};
	static const char *const pins[] = {"Pin", "Pin", "Pin", "Pin", "Pin", "Pin", "Pin"};
	static const char *const mixed[] = {"Dog", "Tree", "Panda", "Horse", "Cat", "Dog", "Moon"};
	unsigned decimals[SAS_DECIMALS];

	assert_emoji(zeros, dogs);
	assert_emoji(ones, pins);
	assert_emoji(some, mixed);
	sas_decimals(zeros, decimals);
	assert_true(decimals[0] == 1000 && decimals[1] == 1000 && decimals[2] == 1000);
	sas_decimals(ones, decimals);
	assert_true(decimals[0] == 9191 && decimals[1] == 9191 && decimals[2] == 9191);
	sas_decimals(some, decimals);
	assert_int_equal(decimals[0], 1032);
	assert_int_equal(decimals[1], 3060);
	assert_int_equal(decimals[2], 1514);
}

/* The table at places where clients have differed. */
static void names_are_the_specification_s(void **state)
{
	static const struct {
		int index;
		const char *emoji, *name;
	} rows[] = {{0, "🐶", "Dog"}, {29, "❤️", "Heart"}, {30, "😀", "Smiley"},
	        {34, "🔧", "Spanner"}, {36, "👍", "Thumbs Up"}, {53, "✈️", "Aeroplane"},
	        {63, "📌", "Pin"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[SAS_BYTES] = {(uint8_t)(rows[i].index << 2)};
		struct sas_emoji emoji[SAS_EMOJI];

		sas_emoji(bytes, emoji);
		assert_string_equal(emoji[0].emoji, rows[i].emoji);
		assert_string_equal(emoji[0].name, rows[i].name);
	}
}

/* The key, start and commitment of matrix-rust-sdk's test. */
static void commitment(void **state)
{
	json_t *start = json_pack("{s:s, s:s, s:s, s:[s, s], s:[s], s:[s, s], s:[s, s]}",
	        "from_device", "XOWLHHFSWM", "transaction_id", "bYxBsirjUJO9osar6ST4i2M2NjrYLA7l",
	        "method", "m.sas.v1", "key_agreement_protocols", "curve25519-hkdf-sha256",
	        "curve25519", "hashes", "sha256", "message_authentication_codes",
	        "hkdf-hmac-sha256", "hmac-sha256", "short_authentication_string", "decimal",
	        "emoji");
	char *text = sas_commitment("Q/NmNFEUS1fS+YeEmiZkjjblKTitrKOAk7cPEumcMlg", start);

	assert_string_equal(text, "CCQmB4JCdB0FW21FdAnHj/Hu8+W9+Nb0vgwPEnZZQ4g");
	free(text);
	json_object_set_new(start, "x", json_real(1.5));
	assert_null(sas_commitment("Q/NmNFEUS1fS+YeEmiZkjjblKTitrKOAk7cPEumcMlg", start));
	json_decref(start);
}

static void what_is_mixed_in(void **state)
{
	struct sas_party a = {"@a:x", "A1", "KA"}, b = {"@b:x", "B1", "KB"};
	char *text = sas_info(&a, &b, "t1");

	assert_string_equal(text, "MATRIX_KEY_VERIFICATION_SAS|@a:x|A1|KA|@b:x|B1|KB|t1");
	free(text);
	text = sas_mac_info(&a, &b, "t1", "ed25519:A1");
	assert_string_equal(text, "MATRIX_KEY_VERIFICATION_MAC@a:xA1@b:xB1t1ed25519:A1");
	free(text);
	text = sas_mac_info(&b, &a, "t1", "KEY_IDS");
	assert_string_equal(text, "MATRIX_KEY_VERIFICATION_MAC@b:xB1@a:xA1t1KEY_IDS");
	free(text);
}

/* Both ends of one agreement derive the same; another info or key does not. */
static void both_ends_agree(void **state)
{
	char a_key[OL_KEY_SIZE], b_key[OL_KEY_SIZE];
	struct OlmSAS *a = ol_sas_create(a_key), *b = ol_sas_create(b_key);
	uint8_t a_bytes[SAS_BYTES], b_bytes[SAS_BYTES];
	char *a_mac, *b_mac, *other;

	assert_int_equal(ol_sas_set_their_key(a, b_key), OK);
	assert_int_equal(ol_sas_set_their_key(b, a_key), OK);
	ol_sas_bytes(a, "info", a_bytes, sizeof(a_bytes));
	ol_sas_bytes(b, "info", b_bytes, sizeof(b_bytes));
	assert_memory_equal(a_bytes, b_bytes, sizeof(a_bytes));
	ol_sas_bytes(b, "other", b_bytes, sizeof(b_bytes));
	assert_memory_not_equal(a_bytes, b_bytes, sizeof(a_bytes));
	a_mac = ol_sas_mac(a, false, "text", "info");
	b_mac = ol_sas_mac(b, false, "text", "info");
	other = ol_sas_mac(b, false, "text", "infp");
	assert_string_equal(a_mac, b_mac);
	assert_int_equal(strlen(a_mac), 43);
	assert_string_not_equal(a_mac, other);
	free(other);
	other = ol_sas_mac(b, true, "text", "info"); /* the same, written in another way */
	assert_int_equal(strlen(other), 43);
	assert_string_not_equal(a_mac, other);
	free(a_mac);
	free(b_mac);
	free(other);
	ol_sas_free(a);
	ol_sas_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bytes_become_emoji_and_decimals),
	        cmocka_unit_test(names_are_the_specification_s),
	        cmocka_unit_test(commitment),
	        cmocka_unit_test(what_is_mixed_in),
	        cmocka_unit_test(both_ends_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
