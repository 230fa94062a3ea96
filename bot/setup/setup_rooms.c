/*
 * setup_rooms.c - part of `setup`: the operators, and the rooms, each joined or created with the
 * operators invited.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/exit_code.h"
#include "bot/matrix/client.h"
#include "bot/setup/question.h"
#include "bot/setup/setup.h"

#define JOINED_POLL_MS 1000
#define NONE "none" /* the answer for a room that is not wanted */

static const char *setup_server_of(const char *id)
{
	const char *colon = strchr(id, ':');

	return colon ? colon + 1 : "";
}

/* ---- operators ---- */

static char *setup_join(const char *const *items, size_t len)
{
	struct buf text;

	buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < len; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "", items[i]);
	return buf_take(&text);
}

int setup_operators(struct setup *setup)
{
	char **users = setup->config->commands.users;
	const struct setup_list *given = &setup->options.operators;
	char *now, *wanted, *option = given->len > 0 ? setup_join(given->items, given->len) : NULL;
	size_t len = 0;
	int code;

	while (users[len])
		len++;
	now = setup_join((const char *const *)users, len);
	do {
		code = setup_pick(setup, option, "operator",
		        "Who may use commands (user ids, separated by commas)", now ? now : "",
		        &wanted);
		if (code != EX_OK)
			break;
		if (*wanted)
			code = setup_set(setup, "commands", "users", wanted);
		free(wanted);
	} while (code != EX_OK && setup->asks && !option);
	free(option);
	free(now);
	return code;
}

/* ---- one room ---- */

/* Resolves an alias; OK with *id NULL: it does not exist. */
static enum err setup_resolve(
        const struct setup *setup, const char *alias, char **id, char *why, size_t size)
{
	char *path = mx_path("/v3/directory/room/%s", alias);
	struct ask_answer answer;
	enum err err;

	ask_call(setup->ask, "GET", path, NULL, &answer);
	free(path);
	*id = x_strdup_opt(json_string_value(json_object_get(answer.body, "room_id")));
	err = answer.code == ERR_NOT_FOUND || *id ? OK
	      : answer.code == OK                 ? ERR_PROTO
	                                          : answer.code;
	snprintf(why, size, "%s", answer.error);
	ask_answer_finish(&answer);
	return err;
}

static json_t *setup_room_body(const struct setup *setup, const char *alias, bool encrypted)
{
	char *localpart = x_strndup(alias + 1, strcspn(alias + 1, ":"));
	json_t *invite = json_array(), *body;

	for (char **user = setup->config->commands.users; *user; user++)
		json_array_append_new(invite, json_string(*user));
	/* invited users get the creator's power level */
	body = json_pack("{s:s, s:s, s:s, s:o}", "room_alias_name", localpart, "name", localpart,
	        "preset", "trusted_private_chat", "invite", invite);
	if (encrypted)
		json_object_set_new(body, "initial_state",
		        json_pack("[{s:s, s:s, s:{s:s}}]", "type", "m.room.encryption", "state_key",
		                "", "content", "algorithm", "m.megolm.v1.aes-sha2"));
	free(localpart);
	return body;
}

/* Sees to it that there is an operator to invite, without whom nobody could ever join a new room.
 */
static int setup_need_operator(struct setup *setup, const char *alias)
{
	int code = EX_OK;

	while (code == EX_OK && !setup->config->commands.users[0] && setup->asks) {
		printf("A new room needs somebody to invite.\n");
		code = setup_operators(setup);
	}
	if (code == EX_OK && !setup->config->commands.users[0])
		code = setup_fail(EX_USAGE,
		        "--operator is missing: there is no %s, and a new room needs somebody to "
		        "invite",
		        alias);
	return code;
}

static int setup_make_room(struct setup *setup, const char *name, const char *alias)
{
	bool wanted = true, encrypted = setup->options.encrypted;
	struct fault fault = {0};
	struct ask_answer answer;
	json_t *body;
	char *question;
	int code = EX_OK;

	if (strcmp(setup_server_of(alias), setup_server_of(setup->config->matrix.user)) != 0)
		return setup_fail(EX_UNAVAILABLE,
		        "room %s: there is no %s, and only %s could create it", name, alias,
		        setup_server_of(alias));
	if (setup->asks) {
		question = x_asprintf("There is no %s. Create it?", alias);
		if (question_yes(question, true, &wanted, &fault) != OK ||
		        (wanted && !encrypted &&
		                question_yes("Encrypted?", false, &encrypted, &fault) != OK))
			code = setup_fail(EX_NOINPUT, "%s", fault.text);
		free(question);
		if (code != EX_OK || !wanted)
			return code;
	}
	code = setup_need_operator(setup, alias);
	if (code != EX_OK)
		return code;
	question_begin("Room %s: creating %s%s", name, alias, encrypted ? ", encrypted" : "");
	body = setup_room_body(setup, alias, encrypted);
	ask_call(setup->ask, "POST", "/v3/createRoom", body, &answer);
	json_decref(body);
	question_end(answer.code == OK ? "done" : "failed");
	if (answer.code != OK)
		code = setup_fail(exit_of(answer.code), "room %s: %s", name, answer.error);
	ask_answer_finish(&answer);
	return code;
}

static enum err setup_join_room(struct setup *setup, const char *address, char *why, size_t size)
{
	char *path = mx_path("/v3/join/%s", address);
	struct ask_answer answer;
	enum err err;

	ask_call(setup->ask, "POST", path, NULL, &answer);
	free(path);
	err = answer.code;
	snprintf(why, size, "%s", answer.error);
	ask_answer_finish(&answer);
	return err;
}

/* Joins an existing room, or asks the user to have the bot invited. */
static int setup_enter_room(struct setup *setup, const char *name, const char *address)
{
	char why[256], *answer = NULL, *question;
	struct fault fault = {0};
	enum err err;
	bool again;

	do {
		question_begin("Room %s: %s", name, address);
		err = setup_join_room(setup, address, why, sizeof(why));
		question_end(err == OK ? "joined" : why);
		if (err != ERR_DENIED && err != ERR_NOT_FOUND)
			break;
		if (!setup->asks) {
			printf("  Invite %s: the daemon accepts.\n", setup->config->matrix.user);
			return EX_OK; /* `check` reports what is still missing */
		}
		question =
		        x_asprintf("Invite %s, then press Enter (or type skip: the daemon accepts "
		                   "later)",
		                setup->config->matrix.user);
		if (question_text(question, NULL, &answer, &fault) != OK) {
			free(question);
			return setup_fail(EX_NOINPUT, "%s", fault.text);
		}
		again = strcmp(answer, "skip") != 0;
		free(question);
		free(answer);
	} while (again);
	return err == OK || err == ERR_DENIED || err == ERR_NOT_FOUND
	               ? EX_OK
	               : setup_fail(exit_of(err), "room %s: %s", name, why);
}

static int setup_room(struct setup *setup, const char *name, const char *address)
{
	char why[256], *id = NULL;
	enum err err = OK;

	if (address[0] == '#')
		err = setup_resolve(setup, address, &id, why, sizeof(why));
	if (err != OK)
		return setup_fail(exit_of(err), "room %s: %s: %s", name, address, why);
	if (address[0] == '#' && !id)
		return setup_make_room(setup, name, address);
	free(id);
	return setup_enter_room(setup, name, address);
}

/* ---- all of them ---- */

static const char *setup_given_room(const struct setup *setup, const char *name)
{
	const struct setup_list *given = &setup->options.rooms;
	size_t len = strlen(name);

	for (size_t i = 0; i < given->len; i++)
		if (strncmp(given->items[i], name, len) == 0 && given->items[i][len] == '=')
			return given->items[i] + len + 1;
	return NULL;
}

static bool setup_has_rooms(const struct setup *setup)
{
	for (size_t i = 0; i < setup->config->rooms_len; i++)
		if (!setup_is_example(setup->config->rooms[i].address))
			return true;
	return setup->options.rooms.len > 0;
}

/* Asks for the address of a room, or "none"; skips that if other rooms are configured, this one was
 * not named, and it cannot be added by an answer. Removes the placeholder of the example. */
static int setup_address(struct setup *setup, const char *name, const char *what, bool add)
{
	const struct config_room *room = config_room(setup->config, name);
	const char *given = setup_given_room(setup, name);
	bool known = room && !setup_is_example(room->address);
	bool others = !known && setup_has_rooms(setup);
	char *fallback, *question, *address = NULL;
	int code;

	if (!given && others && !(add && setup->asks && setup->options.rooms.len == 0)) {
		setup_change(setup, "rooms", name, NULL);
		return EX_OK;
	}
	question = x_asprintf("Room for %s", what);
	if (known || others)
		fallback = x_strdup(known ? room->address : NONE);
	else
		fallback = x_asprintf(
		        "#fn-registry-%s:%s", name, setup_server_of(setup->config->matrix.user));
	code = setup_pick(setup, given, "room", question, fallback, &address);
	if (code == EX_OK)
		setup_change(setup, "rooms", name, strcmp(address, NONE) != 0 ? address : NULL);
	free(address);
	free(question);
	free(fallback);
	return code;
}

static int setup_addresses(struct setup *setup)
{
	const struct setup_list *given = &setup->options.rooms;
	int code;

	do {
		for (size_t i = 0; i < given->len; i++) {
			char *name = x_strndup(given->items[i], strcspn(given->items[i], "="));

			setup_change(setup, "rooms", name, setup_given_room(setup, name));
			free(name);
		}
		code = setup_address(setup, "ops", "critical alerts (ops)", false);
		if (code == EX_OK)
			code = setup_address(
			        setup, "dev", "warnings and info (dev), or " NONE, true);
		if (code != EX_OK)
			break;
		code = setup_apply(setup);
	} while (code != EX_OK && setup->asks && given->len == 0);
	return code;
}

static bool setup_room_is_repeated(const struct config *config, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(config->rooms[i].address, config->rooms[index].address) == 0)
			return true;
	return false;
}

/* *asked: the address of the room that failed was an answer, or may be one the next time. */
static int setup_enter_rooms(struct setup *setup, bool *asked)
{
	int code = EX_OK;

	for (size_t i = 0; i < setup->config->rooms_len && code == EX_OK; i++) {
		/* copies: another answer replaces the config */
		char *name = x_strdup(setup->config->rooms[i].name);
		char *address = x_strdup(setup->config->rooms[i].address);

		*asked = setup->asks && !setup_given_room(setup, name) &&
		         (strcmp(name, "ops") == 0 || strcmp(name, "dev") == 0);
		if (!setup_room_is_repeated(setup->config, i))
			code = setup_room(setup, name, address);
		free(name);
		free(address);
	}
	return code;
}

int setup_rooms(struct setup *setup)
{
	bool asked = false;
	int code;

	do {
		code = setup_addresses(setup);
		if (code == EX_OK)
			code = setup_enter_rooms(setup, &asked);
		else
			asked = false;
	} while (code != EX_OK && code != EX_NOINPUT && asked);
	return code;
}

/* ---- waiting for operators ---- */

/* Whether operators are invited to the room, and none has joined. */
static bool setup_room_is_awaited(const struct setup *setup, const char *room_id)
{
	bool awaited = false, in = false;

	for (char **user = setup->config->commands.users; *user && !in; user++) {
		char *path = mx_path("/v3/rooms/%s/state/m.room.member/%s", room_id, *user);
		struct ask_answer answer;
		const char *membership;

		ask_call(setup->ask, "GET", path, NULL, &answer);
		free(path);
		membership = json_string_value(json_object_get(answer.body, "membership"));
		in = membership && strcmp(membership, "join") == 0;
		awaited |= membership && strcmp(membership, "invite") == 0;
		ask_answer_finish(&answer);
	}
	return awaited && !in;
}

static int setup_await_room(const struct setup *setup, const char *address, int64_t until_ms)
{
	char why[256], *id = NULL;
	bool awaited;

	if (address[0] == '#' && setup_resolve(setup, address, &id, why, sizeof(why)) != OK)
		return EX_OK; /* `check` reports it */
	awaited = setup_room_is_awaited(setup, id ? id : address);
	if (awaited)
		question_begin("Waiting for an operator to accept the invitation into %s", address);
	while (awaited && clock_monotonic_ms() < until_ms) {
		poll(NULL, 0, JOINED_POLL_MS);
		awaited = setup_room_is_awaited(setup, id ? id : address);
		if (!awaited)
			question_end("done");
	}
	free(id);
	if (!awaited)
		return EX_OK;
	question_end("not yet");
	return setup_fail(EX_TEMPFAIL,
	        "no operator joined in time; what was set up stays. Run setup again to continue");
}

int setup_await_operators(const struct setup *setup)
{
	int64_t until_ms = clock_monotonic_ms() + setup->options.wait_ms;
	const struct config *config = setup->config;
	int code = EX_OK;

	if (setup->options.no_test)
		return EX_OK;
	for (size_t i = 0; i < config->rooms_len && code == EX_OK; i++)
		if (!setup_room_is_repeated(config, i))
			code = setup_await_room(setup, config->rooms[i].address, until_ms);
	return code;
}
