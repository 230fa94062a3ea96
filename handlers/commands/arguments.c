/*
 * arguments.c - see arguments.h.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "handlers/commands/arguments.h"

#define BLANKS " \t\r\n"

/* True when ' opens a quoted text: at the beginning of a word or value, if it is closed later. */
static bool arguments_opens_word(const char *start, const char *at)
{
	const char *end = strchr(at + 1, '\'');

	return *at == '\'' && (at == start || strchr("=~", at[-1])) && end &&
	       strchr(BLANKS ",", end[1]);
}

json_t *arguments_split(const char *text)
{
	json_t *words = json_array();

	for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
		const char *at = text;
		bool quoted = false;

		for (; *at && (quoted || !strchr(BLANKS, *at)); at++)
			if (*at == '"')
				quoted = !quoted;
			else if (*at == '\\' && quoted && at[1])
				at++;
			else if (!quoted && arguments_opens_word(text, at))
				at = strchr(at + 1, '\'');
		json_array_append_new(words, json_stringn(text, (size_t)(at - text)));
		text = at;
	}
	return words;
}

char *arguments_unquoted(const char *text)
{
	size_t len = strlen(text), to = 0;
	char quote = text[0], *out;

	if (len < 2 || (quote != '"' && quote != '\'') || text[len - 1] != quote)
		return x_strdup(text);
	out = x_strndup(text + 1, len - 2);
	for (const char *from = out; *from; from++) {
		if (*from == quote) { /* two quoted texts side by side */
			free(out);
			return x_strdup(text);
		}
		if (*from == '\\' && quote == '"' && (from[1] == '"' || from[1] == '\\'))
			from++;
		out[to++] = *from;
	}
	out[to] = '\0';
	return out;
}

/* ---- words ---- */

const char *input_peek(const struct input *words, size_t ahead)
{
	const char *word = json_string_value(json_array_get(words->list, words->at + ahead));

	return word ? word : "";
}

bool input_left(const struct input *words)
{
	return words->at < json_array_size(words->list);
}

const char *input_next(struct input *words)
{
	const char *word = input_peek(words, 0);

	words->at += input_left(words);
	return word;
}

char *input_rest(struct input *words)
{
	struct buf text;
	char *out;

	buf_init(&text, ARGUMENTS_MAX);
	while (input_left(words))
		buf_printf(&text, "%s%s", text.len ? " " : "", input_next(words));
	out = arguments_unquoted(buf_str(&text));
	buf_finish(&text);
	return out;
}

bool input_is_dash(const char *word)
{
	return strcmp(word, "--") == 0 || strcmp(word, "-") == 0;
}

bool input_is_joint(const char *word)
{
	static const char *const joints[] = {",", ";", "and", "&", "&&", "+"};

	for (size_t i = 0; i < sizeof(joints) / sizeof(joints[0]); i++)
		if (strcasecmp(word, joints[i]) == 0)
			return true;
	return false;
}

/* ---- values ---- */

static bool is_number(const char *word)
{
	size_t sign = word[0] == '-' || word[0] == '+';

	return word[sign] && strspn(word + sign, "0123456789") == strlen(word + sign);
}

static bool arguments_is_one_of(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; *at; at += at[0] == '|') {
		size_t size = strcspn(at, "|");

		if (size == len && strncmp(at, word, len) == 0)
			return true;
		at += size;
	}
	return false;
}

/* NULL: valid. */
static const char *text_fault(const struct command_member *member, const char *text)
{
	if (strlen(text) > ARGUMENTS_MAX)
		return "is too long";
	return member->one_of && !arguments_is_one_of(member->one_of, text) ? "must be one of "
	                                                                    : NULL;
}

static bool is_text(const json_t *value)
{
	return json_is_string(value) || json_is_integer(value);
}

/* Accepts a value for a text member: an integer may be given in place of a string. */
static json_t *arguments_value_text(const json_t *value)
{
	char number[24];

	if (json_is_string(value))
		return json_string(json_string_value(value));
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return json_string(number);
}

static json_t *take_words(const json_t *value, bool empty)
{
	json_t *list = json_array(), *item;
	size_t i;

	if (is_text(value))
		json_array_append_new(list, arguments_value_text(value));
	json_array_foreach((json_t *)value, i, item)
	{
		if (is_text(item))
			json_array_append_new(list, arguments_value_text(item));
	}
	if ((json_array_size(list) > 0 || (empty && json_is_array(value))) &&
	        (is_text(value) || json_array_size(list) == json_array_size(value)))
		return list;
	json_decref(list);
	return NULL;
}

static bool is_within(const struct command_member *member, const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= !member->zero &&
	       (!member->most || json_integer_value(value) <= member->most);
}

/* Converts the value to the member's type; NULL: invalid, and *why says what is wrong. */
static json_t *arguments_take_value(
        const struct command_member *member, const json_t *value, char why[160])
{
	json_t *taken = NULL;
	const char *fault;

	switch (member->type) {
	case MEMBER_WORD:
	case MEMBER_TEXT:
		taken = is_text(value) ? arguments_value_text(value) : NULL;
		fault = taken ? text_fault(member, json_string_value(taken)) : "must be a string";
		break;
	case MEMBER_WORDS:
		taken = take_words(value, member->zero);
		fault = taken ? NULL : "must be a string, or an array of strings";
		break;
	case MEMBER_NUMBER:
		taken = is_within(member, value) ? json_incref((json_t *)value) : NULL;
		fault = taken ? NULL : "must be a whole number from ";
		break;
	default:
		taken = json_is_boolean(value) ? json_incref((json_t *)value) : NULL;
		fault = taken ? NULL : "must be true or false";
	}
	if (!fault)
		return taken;
	json_decref(taken);
	if (member->type == MEMBER_NUMBER)
		/* %.0 prints nothing for the value 0 */
		snprintf(why, 160, "%s %s%d%s%.0" PRId64, member->name, fault, !member->zero,
		        member->most ? " to " : "", member->most);
	else
		snprintf(why, 160, "%s %s%s", member->name, fault,
		        member->one_of ? member->one_of : "");
	return NULL;
}

static bool is_missing(const struct command_member *member, const json_t *args)
{
	return member->required && !json_object_get(args, member->name);
}

enum err arguments_from_request(const struct command *command, const json_t *request, json_t **args,
        const char **field, char why[160])
{
	const struct command_member typed = {ARGUMENTS_WORDS, MEMBER_WORDS, .zero = true};
	const json_t *words = command->words ? json_object_get(request, typed.name) : NULL;

	*args = json_object();
	*field = typed.name;
	if (words) {
		json_t *value = arguments_take_value(&typed, words, why);

		if (!value)
			goto invalid;
		json_object_set_new(*args, typed.name, value);
		return OK;
	}
	for (const struct command_member *member = command->members; member->name; member++) {
		const json_t *value = json_object_get(request, member->name);
		json_t *taken = NULL;

		*field = member->name;
		if (value && !json_is_null(value)) {
			taken = arguments_take_value(member, value, why);
			if (!taken)
				goto invalid;
			json_object_set_new(*args, member->name, taken);
		}
		if (is_missing(member, *args)) {
			snprintf(why, 160, "%s is missing", member->name);
			goto invalid;
		}
	}
	return OK;
invalid:
	json_decref(*args);
	*args = NULL;
	return ERR_INVALID;
}

enum command_right arguments_right(const struct command *command, const json_t *request)
{
	const json_t *words = json_object_get(request, ARGUMENTS_WORDS);
	bool bare = !words || (json_is_array(words) && json_array_size(words) == 0);

	for (const struct command_member *member = command->members; member->name; member++)
		bare = bare && !json_object_get(request, member->name);
	return bare && command->shows ? COMMAND_READS : command->right;
}

/* ---- from words to members ---- */

/* The member that the next word is for: a number is for the first number member, if the members
 * before that are optional. */
static const struct command_member *member_for(
        const struct command_member *member, const char *word)
{
	while (member->name && member->request)
		member++;
	if (!is_number(word))
		return member;
	for (const struct command_member *at = member; at->name; at++) {
		if (at->type == MEMBER_NUMBER && !at->request)
			return at;
		if (at->required)
			break;
	}
	return member;
}

static json_t *typed_value(const struct command_member *member, struct input *words)
{
	char *text = member->type == MEMBER_TEXT ? input_rest(words)
	                                         : arguments_unquoted(input_next(words));
	json_t *value = member->type == MEMBER_NUMBER && is_number(text)
	                        ? json_integer(strtoll(text, NULL, 10))
	                        : json_string(text);

	free(text);
	return value;
}

enum err arguments_from_words(
        const struct command *command, const json_t *words, json_t **args, char why[160])
{
	const struct command_member *member = command->members;
	struct input left = {words, 0};
	json_t *request = json_object();
	const char *field;
	enum err err = OK;
	struct buf usage;

	if (command->words) {
		json_object_set(request, ARGUMENTS_WORDS, (json_t *)words);
	} else {
		while (input_left(&left)) {
			member = member_for(member, input_peek(&left, 0));
			if (!member->name)
				break;
			json_object_set_new(request, member->name, typed_value(member, &left));
			member++;
		}
	}
	if (!command->words && input_left(&left)) {
		buf_init(&usage, 160);
		command_add_usage(command, &usage);
		snprintf(why, 160, "too many words; usage: %s", buf_str(&usage));
		buf_finish(&usage);
		err = ERR_INVALID;
	} else if (command->words && json_array_size(words) == 0) {
		*args = json_pack("{s:[]}", ARGUMENTS_WORDS);
	} else {
		err = arguments_from_request(command, request, args, &field, why);
	}
	json_decref(request);
	return err;
}
