/*
 * command_oncall.c - !oncall: who is on call, and takeovers for a limited time.
 */
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_when.h"
#include "handlers/oncall/handover.h"
#include "handlers/oncall/oncall.h"

#define USUAL_MS CLOCK_DAY_MS /* default length when nobody is next in the schedule */
#define MOST_MS (31 * CLOCK_DAY_MS)
#define USER_MAX 255

/* ---- saying ---- */

static enum err say_one(struct command_call *call, const struct config_oncall *oncall, json_t *list)
{
	struct deliver d = command_deliver(call);
	const char *own_user = d.config->matrix.user;
	struct words *words = &call->text;
	struct oncall_turn turn;
	enum err err = oncall_turn(&d, oncall, &turn);

	command_say(call, "📟 ");
	words_bold(words, true);
	command_say(call, "%s: ", oncall->name);
	words_user(words, turn.user, own_user);
	words_bold(words, false);
	if (turn.next) {
		command_say(call, " until ");
		words_when(words, turn.until_ms, d.now_ms);
		command_say(call, ", then ");
		words_user(words, turn.next, own_user);
	}
	if (turn.author) {
		command_say(call, " (set by ");
		words_user(words, turn.author, own_user);
		command_say(call, ")");
	}
	words_break(words);
	json_array_append_new(
	        list, json_pack("{s:s, s:s, s:s*, s:s*}", "name", oncall->name, "user", turn.user,
	                      "next", turn.next, "set_by", turn.author));
	if (turn.next)
		json_object_set_new(json_array_get(list, json_array_size(list) - 1), "until_ms",
		        json_integer(turn.until_ms));
	oncall_turn_finish(&turn);
	return err;
}

static enum err say_schedules(
        struct command_call *call, const struct config_oncall *oncalls, size_t len)
{
	json_t *list = json_array();
	enum err err = OK;

	for (size_t i = 0; i < len && err == OK; i++)
		err = say_one(call, &oncalls[i], list);
	json_object_set_new(command_data(call), "oncall", list);
	return err;
}

static enum err say_all(struct command_call *call)
{
	const struct config *config = call->env->config;

	if (config->oncalls_len == 0)
		command_say(call, "There is no on-call schedule; a section [oncall NAME] in the "
		                  "config creates one.");
	return say_schedules(call, config->oncalls, config->oncalls_len);
}

/* ---- taking over and handing over ---- */

/* Completes "@ben" with our own homeserver. Owned by the caller; NULL: not a user. */
static char *whole_user(const struct config *config, const char *word)
{
	const char *server = strchr(config->matrix.user, ':');

	if (word[0] != '@' || !word[1] || strlen(word) > USER_MAX || strpbrk(word, " \t\n\"\\"))
		return NULL;
	return strchr(word, ':') ? x_strdup(word) : x_asprintf("%s%s", word, server ? server : "");
}

/* Reads the end: the one given, else the end of the current turn. */
static bool read_end(struct command_call *call, const struct config_oncall *oncall,
        struct input *words, struct command_when *when)
{
	struct deliver d = command_deliver(call);
	struct oncall_turn turn;
	int64_t usual_ms = USUAL_MS;
	char why[160];
	bool good;

	if (oncall_turn(&d, oncall, &turn) == OK && turn.next)
		usual_ms = turn.until_ms - d.now_ms;
	oncall_turn_finish(&turn);
	good = command_when_read(
	        words, d.now_ms, usual_ms, usual_ms > MOST_MS ? usual_ms : MOST_MS, when, why);
	if (good && when->until_resolved)
		command_fail(call, "Until when? Example: 2h, or until 18:00");
	else if (good && input_left(words))
		command_fail(call, "Not understood: %.60s", input_peek(words, 0));
	else if (!good)
		command_fail(call, "%s", why);
	return !call->failed;
}

static enum err command_oncall_set(struct command_call *call, const struct config_oncall *oncall,
        const char *user, struct input *words)
{
	struct deliver d = command_deliver(call);
	struct oncall_override_row row = {.at_ms = d.now_ms,
	        .name = oncall->name,
	        .user = (char *)user,
	        .author = (char *)call->who};
	struct command_when when;
	enum err err;

	if (!read_end(call, oncall, words, &when))
		return OK;
	if (!handover_may_have(call->env->status, oncall->room, user)) {
		command_fail(call, "%s is not in room %s: no alert would reach them.", user,
		        oncall->room);
		return OK;
	}
	row.start_ms = when.start_ms ? when.start_ms : d.now_ms;
	row.end_ms = when.end_ms;
	/* Records who was on call before, so that the next call sees the change. */
	err = handover_look(&d, NULL);
	if (err == OK)
		err = oncall_overrides_insert(call->env->store, &row);
	command_effect(call, "on call %s: %s", oncall->name, user);
	if (err == OK)
		err = handover_look(&d, NULL);
	return err == OK ? say_all(call) : err;
}

/* The schedule that is named, else the only one; NULL: the answer asks for its name. */
static const struct config_oncall *read_schedule(struct command_call *call, struct input *words)
{
	const struct config *config = call->env->config;
	const struct config_oncall *oncall = config_oncall(config, input_peek(words, 0));

	if (oncall)
		words->at++;
	else if (config->oncalls_len == 1)
		oncall = &config->oncalls[0];
	else if (config->oncalls_len == 0)
		command_fail(call, "There is no on-call schedule; a section [oncall NAME] in the "
		                   "config creates one.");
	else
		command_fail(call, "Which schedule? Example: `%soncall %s take 2h`",
		        command_prefix(call), config->oncalls[0].name);
	return oncall;
}

static enum err carry_out(struct command_call *call, struct input *words)
{
	const struct config_oncall *oncall = read_schedule(call, words);
	const char *action;
	char *user = NULL;
	enum err err = OK;

	if (!oncall)
		return OK;
	if (!input_left(words))
		return say_schedules(call, oncall, 1);
	action = input_next(words);
	if (strcasecmp(action, "take") == 0)
		user = whole_user(call->env->config, call->who);
	else if (strcasecmp(action, "give") == 0)
		user = whole_user(call->env->config, input_next(words));
	else
		return command_fail(call,
		        "Send `%soncall take 2h`, or `%soncall give @user until 18:00`.",
		        command_prefix(call), command_prefix(call));
	if (user)
		err = command_oncall_set(call, oncall, user, words);
	else
		command_fail(call,
		        "To whom? Example: `%soncall give @user:example.org until 18:00`",
		        command_prefix(call));
	free(user);
	return err;
}

static void command_oncall_add_words(json_t *list, const char *text)
{
	json_t *words = arguments_split(text ? text : "");

	json_array_extend(list, words);
	json_decref(words);
}

static enum err run_oncall(struct command_call *call)
{
	struct input words;
	json_t *list = json_array();
	enum err err;

	if (!command_words(call, &words)) {
		command_oncall_add_words(list, command_arg(call, "name"));
		command_oncall_add_words(list, command_arg(call, "action"));
		command_oncall_add_words(list, command_arg(call, "user"));
		command_oncall_add_words(list, command_arg(call, "duration"));
		words = (struct input){list, 0};
	}
	err = input_left(&words) ? carry_out(call, &words) : say_all(call);
	json_decref(list);
	return err;
}

const struct command command_oncall = {
        .name = "oncall",
        .help = "who is on call, and who follows\n"
                "`oncall take 2h` puts you on call, `oncall give @ben until 18:00` somebody else; "
                "without a time, until the end of the turn. The room is told. If there are several "
                "schedules, the name of one comes first: `oncall main take 2h`.",
        .example = "oncall give @op2:example.org 2h",
        .usage = "[take [2h] | give <@user> [until 18:00]]",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .shows = true,
        .words = true,
        .run = run_oncall,
        .members = {{"name", MEMBER_WORD}, {"action", MEMBER_WORD, .one_of = "take|give"},
                {"user", MEMBER_WORD}, {"duration", MEMBER_TEXT}},
};
