/*
 * fuzz_room_event.c - encrypted events of a room. An input that begins with 'p' is the clear text
 * of a real Megolm message, which is then said to be again under another event id; others are the
 * event.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_machine.h"

/* Errors cost the event alone: they are of these kinds. */
static enum err decrypt(const json_t *event)
{
	struct crypto_event out;
	struct fault fault = {0};
	enum err err = crypto_decrypt(fuzz.crypto, FUZZ_NOW, FUZZ_ROOM, event, true, &out, &fault);

	fuzz_must(err == OK || err == ERR_NOT_FOUND || err == ERR_DENIED || err == ERR_INVALID);
	if (err == OK) {
		fuzz_must(out.type && json_is_object(out.content));
		crypto_event_finish(&out);
	}
	return err;
}

static json_t *event_of(const char *ciphertext, const char *event_id)
{
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "type", "m.room.encrypted",
	        "sender", FUZZ_USER, "event_id", event_id, "content", "algorithm",
	        "m.megolm.v1.aes-sha2", "sender_key", fuzz.curve25519, "session_id", fuzz.group_id,
	        "ciphertext", ciphertext);
}

static void take_clear(const char *text)
{
	char *ciphertext = ol_outbound_encrypt(fuzz.group, text);
	json_t *event = event_of(ciphertext, "$a"), *again = event_of(ciphertext, "$b");

	if (decrypt(event) == OK)
		fuzz_must(decrypt(again) == ERR_DENIED); /* no replay is taken */
	json_decref(event);
	json_decref(again);
	free(ciphertext);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = x_strndup((const char *)data, size);
	json_t *event = text[0] == 'p' ? NULL : json_loads(text, 0, NULL);

	fuzz_open();
	if (text[0] == 'p')
		take_clear(text + 1);
	else if (json_is_object(event))
		decrypt(event);
	fuzz_rollback();
	json_decref(event);
	free(text);
	return 0;
}
