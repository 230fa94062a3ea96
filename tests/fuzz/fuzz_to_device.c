/*
 * fuzz_to_device.c - what /sync brings for the device alone. An input that begins with 'p' is the
 * payload of a real Olm message; one that begins with 'c' the content of such a payload of the type
 * in its first line; others are the answer of /sync.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_machine.h"

static void take_text(const char *text)
{
	json_t *sync = json_loads(text, 0, NULL);
	bool new_keys;

	if (sync)
		fuzz_must(crypto_take_sync(fuzz.crypto, FUZZ_NOW, sync, &new_keys) == OK);
	json_decref(sync);
}

static void take_content(char *text)
{
	char *line = strchr(text, '\n'), *payload;
	json_t *content = line ? json_loads(line + 1, 0, NULL) : NULL;

	if (!json_is_object(content)) {
		json_decref(content);
		return;
	}
	*line = '\0';
	payload = fuzz_payload(text, content);
	if (payload)
		fuzz_take_sync(fuzz_olm(payload));
	free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = x_strndup((const char *)data, size);
	struct crypto_request *requests;
	size_t len;

	fuzz_open();
	if (text[0] == 'p')
		fuzz_take_sync(fuzz_olm(text + 1));
	else if (text[0] == 'c')
		take_content(text + 1);
	else
		take_text(text);
	fuzz_must(crypto_requests(fuzz.crypto, FUZZ_NOW, &requests, &len) == OK);
	crypto_requests_free(requests, len);
	fuzz_rollback();
	free(text);
	return 0;
}
