/*
 * Canonical and signed JSON, against the examples published in the Matrix specification.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "bot/base/json_canonical.h"
#include "bot/crypto/canonical.h"
#include "bot/crypto/olm.h"
#include "bot/crypto/prim.h"

static void canonical_form_is_as_published(void **state)
{
	static const char *const cases[][2] = {
	        {"{}", "{}"},
	        {"{\"one\": 1, \"two\": \"Two\"}", "{\"one\":1,\"two\":\"Two\"}"},
	        {"{\"b\": \"2\", \"a\": \"1\"}", "{\"a\":\"1\",\"b\":\"2\"}"},
	        {"{\"auth\": {\"success\": true, \"mxid\": \"@john.doe:example.com\", "
	         "\"profile\": {\"display_name\": \"John Doe\", \"three_pids\": "
	         "[{\"medium\": \"email\", \"address\": \"john.doe@example.org\"}, "
	         "{\"medium\": \"msisdn\", \"address\": \"123456789\"}]}}}",
	                "{\"auth\":{\"mxid\":\"@john.doe:example.com\",\"profile\":{\"display_"
	                "name\":"
	                "\"John "
	                "Doe\",\"three_pids\":[{\"address\":\"john.doe@example.org\",\"medium\":"
	                "\"email\"},{\"address\":\"123456789\",\"medium\":\"msisdn\"}]},"
	                "\"success\":true}}"},
	        {"{\"a\": \"日本語\"}", "{\"a\":\"日本語\"}"},
	        {"{\"本\": 2, \"日\": 1}", "{\"日\":1,\"本\":2}"},
	        {"{\"a\": \"\\u65E5\"}", "{\"a\":\"日\"}"},
	        {"{\"a\": null}", "{\"a\":null}"},
	        {"{\"a\": \"\\u0001\\u001f\\u007f\\/\\n\\t\\b\\f\\r\\\"\\\\\"}",
	                "{\"a\":\"\\u0001\\u001f\x7f/\\n\\t\\b\\f\\r\\\"\\\\\"}"},
	        {"{\"a\": -9007199254740991, \"b\": 9007199254740991}",
	                "{\"a\":-9007199254740991,\"b\":9007199254740991}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = json_loads(cases[i][0], 0, NULL);
		char *text = json_canonical(value);

		assert_string_equal(text, cases[i][1]);
		free(text);
		json_decref(value);
	}
}

static void what_has_no_canonical_form_is_refused(void **state)
{
	static const char *const cases[] = {
	        "{\"a\": 1.5}", "[1e3]", "[9007199254740992]", "[-9007199254740992]"};
	json_t *deep = json_array();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = json_loads(cases[i], 0, NULL);

		assert_null(json_canonical(value));
		json_decref(value);
	}
	for (int i = 0; i < JSON_CANONICAL_DEPTH + 1; i++) {
		json_t *outer = json_array();

		json_array_append_new(outer, deep);
		deep = outer;
	}
	assert_null(json_canonical(deep));
	json_decref(deep);
}

static void unhex(const char *text, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char byte[3] = {text[2 * i], text[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

/* The specification's signing key and its signatures. */
static void signatures_are_as_published(void **state)
{
	static const struct {
		const char *object, *signature;
	} cases[] = {
	        {"{}", "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/"
	               "7Xg4ahLwYGYZz"
	               "uHGZKM5ZAQ"},
	        {"{\"one\":1,\"two\":\"Two\"}", "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/"
	                                        "fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6"
	                                        "Bw"},
	};
	char public_key[OL_KEY_SIZE];
	uint8_t seed[OL_SEED_LEN];
	struct OlmPkSigning *signing;

	assert_true(prim_unbase64_to(
	        "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1", seed, sizeof(seed)));
	signing = ol_signing_create(seed, public_key);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *object = json_loads(cases[i].object, 0, NULL);
		char *text, *signature;

		json_object_set_new(object, "unsigned", json_integer(1));
		text = canonical_signed_part(object);
		signature = ol_signing_sign(signing, text);
		assert_string_equal(signature, cases[i].signature);
		canonical_sign_add(object, "domain", "ed25519:1", signature);
		assert_true(canonical_verify(object, "domain", "ed25519:1", public_key));
		assert_false(canonical_verify(object, "domain", "ed25519:2", public_key));
		assert_false(canonical_verify(object, "other", "ed25519:1", public_key));
		json_object_set_new(object, "unsigned", json_integer(2));
		assert_true(canonical_verify(object, "domain", "ed25519:1", public_key));
		json_object_set_new(object, "more", json_true());
		assert_false(canonical_verify(object, "domain", "ed25519:1", public_key));
		free(text);
		free(signature);
		json_decref(object);
	}
	ol_signing_free(signing);
}

/* RFC 8032, section 7.1, tests 1 and 2. */
static void ed25519_is_as_published(void **state)
{
	static const struct {
		const char *seed, *key, *text, *signature;
	} cases[] = {
	        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590"
	                "a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
	                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e"
	                "15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t seed[OL_SEED_LEN], bytes[64];
		char key[OL_KEY_SIZE];
		struct OlmPkSigning *signing;
		char *signature, *wanted;

		unhex(cases[i].seed, seed, sizeof(seed));
		signing = ol_signing_create(seed, key);
		unhex(cases[i].key, bytes, 32);
		wanted = prim_base64(bytes, 32, false);
		assert_string_equal(key, wanted);
		free(wanted);
		signature = ol_signing_sign(signing, cases[i].text);
		unhex(cases[i].signature, bytes, 64);
		wanted = prim_base64(bytes, 64, false);
		assert_string_equal(signature, wanted);
		assert_true(ol_verify(key, cases[i].text, signature));
		free(wanted);
		free(signature);
		ol_signing_free(signing);
	}
}

static void malformed_keys_and_signatures_do_not_verify(void **state)
{
	static const char good[] = "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV"
	                           "/7Xg4ahLwYGYZzuHGZKM5ZAQ";
	static const char key[] = "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI";

	assert_true(ol_verify(key, "{}", good));
	assert_false(ol_verify(key, "{} ", good));
	assert_false(ol_verify(key, "{}", ""));
	assert_false(ol_verify(key, "{}", "K828"));
	assert_false(ol_verify(key, "{}", "not base64!"));
	assert_false(ol_verify("", "{}", good));
	assert_false(ol_verify("XGX0", "{}", good));
	assert_false(ol_verify("XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJN!", "{}", good));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(canonical_form_is_as_published),
	        cmocka_unit_test(what_has_no_canonical_form_is_refused),
	        cmocka_unit_test(signatures_are_as_published),
	        cmocka_unit_test(ed25519_is_as_published),
	        cmocka_unit_test(malformed_keys_and_signatures_do_not_verify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
