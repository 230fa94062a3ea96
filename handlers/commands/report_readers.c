/*
 * report_readers.c - see report_readers.h.
 */
#include "handlers/commands/report_readers.h"

#include <string.h>

#define MEMBERS_SHOWN 3
#define DEVICES_SHOWN 3
#define ID_MAX_CHARS 255

struct cause_words {
	const char *cause, *member, *device;
};

static const struct cause_words all_causes[] = {
        {"no_devices", " has no device with encryption keys", ""},
        {"not_cross_signed", " has no cross-signed device", "not cross-signed"},
        {"not_verified", " was not verified with this bot, which [encryption] trust requires",
                "not verified with this bot"},
        {"identity_changed", "'s identity changed and was not accepted on the host",
                "an identity that was not accepted"},
        {"no_one_time_key", " has no device with a one-time key left", "no one-time key left"},
};

static const struct cause_words *words_of(const json_t *object)
{
	const char *cause = json_string_value(json_object_get(object, "cause"));

	for (size_t i = 1; cause && i < sizeof(all_causes) / sizeof(all_causes[0]); i++)
		if (strcmp(all_causes[i].cause, cause) == 0)
			return &all_causes[i];
	return &all_causes[0];
}

static void add_id(const json_t *object, const char *key, struct words *out)
{
	words_name(out, json_string_value(json_object_get(object, key)), ID_MAX_CHARS);
}

bool report_readers_nobody(const json_t *readers)
{
	return readers && json_integer_value(json_object_get(readers, "readers")) == 0 &&
	       json_integer_value(json_object_get(readers, "unknown")) == 0;
}

void report_readers_member(const json_t *held, struct words *out)
{
	const json_t *devices = json_object_get(held, "devices");
	bool reads = json_is_true(json_object_get(held, "reads"));
	size_t len = json_array_size(devices);

	add_id(held, "user_id", out);
	if (reads)
		words_say(out, len == 1 ? "'s device " : "'s devices ");
	else
		words_say(out, "%s%s", words_of(held)->member, len ? " (" : "");
	for (size_t i = 0; i < len && i < DEVICES_SHOWN; i++) {
		words_say(out, "%s", i ? ", " : "");
		add_id(json_array_get(devices, i), "device_id", out);
	}
	if (len > DEVICES_SHOWN)
		words_say(out, " +%zu", len - DEVICES_SHOWN);
	if (reads)
		words_say(out, " cannot read: %s", words_of(json_array_get(devices, 0))->device);
	else
		words_say(out, "%s", len ? ")" : "");
}

bool report_readers_alone(const json_t *readers)
{
	return report_readers_nobody(readers) &&
	       json_integer_value(json_object_get(readers, "members")) == 0;
}

void report_readers_room(const json_t *readers, struct words *out)
{
	const json_t *held = json_object_get(readers, "held");
	size_t len = json_array_size(held);

	if (report_readers_alone(readers))
		words_say(out, "nobody else is in the room");
	for (size_t i = 0; i < len && i < MEMBERS_SHOWN; i++) {
		words_say(out, "%s", i ? "; " : "");
		report_readers_member(json_array_get(held, i), out);
	}
	if (len > MEMBERS_SHOWN)
		words_say(out, "; +%zu more", len - MEMBERS_SHOWN);
}
