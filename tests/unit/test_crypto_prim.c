/*
 * The primitives, against published vectors (RFC 4231, RFC 5869, SP 800-38A), and key texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/crypto/attachment.h"
#include "bot/crypto/prim.h"

static void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
	char text[256] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	assert_string_equal(text, hex);
}

static void unhex(const char *hex, uint8_t *out)
{
	for (size_t i = 0; hex[2 * i] != '\0'; i++) {
		unsigned value;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
		out[i] = (uint8_t)value;
	}
}

static void hmac_is_as_published(void **state)
{
	uint8_t out[PRIM_HASH];

	prim_hmac("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, sizeof(out),
	        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void hkdf_is_as_published(void **state)
{
	uint8_t key[22], salt[13], out[42];

	memset(key, 0x0b, sizeof(key));
	prim_hkdf(key, sizeof(key), NULL, 0, "", out, sizeof(out));
	assert_hex(out, sizeof(out),
	        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
	        "9d201395faa4b61a96c8");
	unhex("000102030405060708090a0b0c", salt);
	prim_hkdf(key, sizeof(key), salt, sizeof(salt), "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9",
	        out, sizeof(out));
	assert_hex(out, sizeof(out),
	        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
	        "34007208d5b887185865");
}

static void aes_ctr_is_as_published(void **state)
{
	uint8_t key[32], iv[16], text[32], out[32];

	unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", key);
	unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", iv);
	unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51", text);
	prim_aes_ctr(key, iv, text, out, sizeof(text));
	assert_hex(out, sizeof(out),
	        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5");
	prim_aes_ctr(key, iv, out, out, sizeof(text));
	assert_memory_equal(out, text, sizeof(text));
}

static void base64_takes_both_forms_and_nothing_else(void **state)
{
	static const char *const bad[] = {"A", "AA=", "AAA==", "A===", "AA==A", "AA\n", "A-_A"};
	size_t len = 9;
	uint8_t *data;
	char *text;

	for (size_t i = 0; i < 5; i++) {
		static const char *const padded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="};
		static const char *const bare[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg"};

		text = prim_base64("foob", i, true);
		assert_string_equal(text, padded[i]);
		free(text);
		text = prim_base64("foob", i, false);
		assert_string_equal(text, bare[i]);
		free(text);
		data = prim_unbase64(padded[i], &len);
		assert_int_equal(len, i);
		assert_memory_equal(data, "foob", i);
		free(data);
		data = prim_unbase64(bare[i], &len);
		assert_int_equal(len, i);
		free(data);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(prim_unbase64(bad[i], &len));
}

static void base58_goes_both_ways(void **state)
{
	static const struct {
		const char *hex, *text;
	} cases[] = {
	        {"61", "2g"},
	        {"626262", "a3gV"},
	        {"73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"},
	        {"00eb15231dfceb60925886b67d065299925915aeb172c06647",
	                "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"},
	        {"00000000000000000000", "1111111111"},
	};
	uint8_t data[64], back[64];
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size = strlen(cases[i].hex) / 2;
		char *text;

		unhex(cases[i].hex, data);
		text = prim_base58(data, size);
		assert_string_equal(text, cases[i].text);
		free(text);
		assert_true(prim_unbase58(cases[i].text, back, sizeof(back), &len));
		assert_int_equal(len, size);
		assert_memory_equal(back, data, size);
		assert_false(prim_unbase58(cases[i].text, back, size - 1, &len));
	}
	assert_false(prim_unbase58("0", back, sizeof(back), &len));
	assert_false(prim_unbase58("Il", back, sizeof(back), &len));
}

/* As a client opens it: the hash is of what was uploaded, the key is base64url. */
static void an_attachment_is_opened_with_what_its_event_says(void **state)
{
	static const char text[] = "\x89PNG and more than one block of sixteen bytes";
	uint8_t data[sizeof(text)], key[32], iv[16], hash[32], is[32];
	json_t *other, *file;
	const char *k;
	char *padless;

	memcpy(data, text, sizeof(text));
	file = attachment_encrypt(data, sizeof(data));
	assert_memory_not_equal(data, text, sizeof(text));
	assert_string_equal(json_string_value(json_object_get(file, "v")), "v2");
	k = json_string_value(json_object_get(json_object_get(file, "key"), "k"));
	assert_null(strpbrk(k, "+/="));
	padless = strdup(k);
	for (char *at = padless; *at; at++)
		*at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
	assert_true(prim_unbase64_to(padless, key, sizeof(key)));
	free(padless);
	assert_true(
	        prim_unbase64_to(json_string_value(json_object_get(file, "iv")), iv, sizeof(iv)));
	for (size_t i = 8; i < 16; i++) /* room for the counter */
		assert_int_equal(iv[i], 0);
	assert_true(prim_unbase64_to(
	        json_string_value(json_object_get(json_object_get(file, "hashes"), "sha256")), hash,
	        sizeof(hash)));
	prim_sha256(data, sizeof(data), is);
	assert_memory_equal(hash, is, sizeof(hash));
	prim_aes_ctr(key, iv, data, data, sizeof(data));
	assert_memory_equal(data, text, sizeof(text));
	other = attachment_encrypt(data, sizeof(data)); /* no key is used twice */
	assert_false(json_equal(json_object_get(file, "key"), json_object_get(other, "key")));
	assert_false(json_equal(json_object_get(file, "iv"), json_object_get(other, "iv")));
	json_decref(other);
	json_decref(file);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hmac_is_as_published),
	        cmocka_unit_test(hkdf_is_as_published),
	        cmocka_unit_test(aes_ctr_is_as_published),
	        cmocka_unit_test(base64_takes_both_forms_and_nothing_else),
	        cmocka_unit_test(base58_goes_both_ways),
	        cmocka_unit_test(an_attachment_is_opened_with_what_its_event_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
